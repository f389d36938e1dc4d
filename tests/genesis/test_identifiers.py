"""Legal entity identifiers that exist, and country codes as the standard has them."""

from string import ascii_uppercase, digits

import pytest

from genesis.identifiers import COUNTRIES, is_lei, make_lei


@pytest.mark.parametrize(
    "lei", ["5493001KJTIIGC8Y1R12", "7LTWFZYICNSX8D621K86", "HWUPKR0MPOU8FGXBT394", "529900T8BM49AURSDO55"]
)
def test_published_identifiers(lei: str) -> None:
    assert is_lei(lei)
    assert make_lei(lei[:18]) == lei


def test_one_wrong_character_is_found() -> None:
    """A digit for another digit, a letter for another letter: MOD 97-10 finds each."""
    lei = "7LTWFZYICNSX8D621K86"
    for position in range(20):
        for letter in digits if lei[position] in digits else ascii_uppercase:
            if letter != lei[position]:
                assert not is_lei(lei[:position] + letter + lei[position + 1 :])


@pytest.mark.parametrize("text", ["", "7LTWFZYICNSX8D621K8", "7LTWFZYICNSX8D621K866", "7ltwfzyicnsx8d621k86", "٧" * 20])
def test_other_texts(text: str) -> None:
    assert not is_lei(text)


def test_countries() -> None:
    assert len(COUNTRIES) == 249
    assert {"DE", "CN", "SG", "US", "XK", "UK", "EU"} & COUNTRIES == {"DE", "CN", "SG", "US"}
