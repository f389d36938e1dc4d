"""Identifiers of the world outside: legal entities (ISO 17442) and countries (ISO 3166-1)."""

import re

from contracts.kernel.countries import COUNTRIES

__all__ = ["COUNTRIES", "is_lei", "make_lei"]

_LEI = re.compile("[0-9A-Z]{18}[0-9]{2}")


def is_lei(text: str) -> bool:
    """Whether ``text`` is a legal entity identifier whose check digits match (ISO 17442-1 by ISO 7064 MOD 97-10)."""
    return _LEI.fullmatch(text) is not None and _as_number(text) % 97 == 1


def make_lei(first_eighteen: str) -> str:
    """The identifier of 20 characters that starts with the given 18, for test networks."""
    assert re.fullmatch("[0-9A-Z]{18}", first_eighteen)
    return f"{first_eighteen}{98 - _as_number(first_eighteen + '00') % 97:02}"


def _as_number(text: str) -> int:
    """Each letter stands for two digits: A is 10, Z is 35."""
    return int("".join(str(int(letter, 36)) for letter in text))
