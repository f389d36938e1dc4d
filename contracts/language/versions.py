"""Versions of the language: which grammar and which prices a contract runs under, and from which height.

The version in force at the height of its deployment is written into a contract's row and holds for it ever after, so
what a call costs never changes under an author. A version, once a chain has used it, never changes.
"""

from dataclasses import dataclass
from typing import Final

from contracts.language.prices import PRICES_1, Prices


@dataclass(frozen=True, slots=True)
class Version:
    """One version."""

    language: int
    """Grammar, names and meaning."""
    cost: int
    """Price schedule."""
    activation_height: int
    """Contracts deployed from this height on are of this version, until a later one."""
    prices: Prices


VERSIONS: Final[tuple[Version, ...]] = (Version(1, 1, 0, PRICES_1),)
"""Every version there is, in order of activation; the first is in force from genesis."""


def at_height(height: int) -> Version:
    """The version in force at a height."""
    return max(
        (version for version in VERSIONS if version.activation_height <= height),
        key=lambda version: version.activation_height,
    )


def version_of(language: int, cost: int) -> Version:
    """The version that a contract's row names."""
    for version in VERSIONS:
        if (version.language, version.cost) == (language, cost):
            return version
    raise AssertionError(f"the state names version {language}.{cost} of the contract language, newer than this node")
