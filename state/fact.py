"""A fact: a frozen dataclass whose fields mypy alone keeps from being set again.

``dataclass(frozen=True)`` makes each field by a call of ``object.__setattr__``: 0.1 µs a field, five times what a plain
assignment takes, and a payment on its way makes some fifty fields. So what every transaction makes several of is a
fact; everything else stays a frozen dataclass. docs/decisions/facts-without-setattr.md has the figures.
"""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def fact(cls: type[T]) -> type[T]:
    """Make ``cls`` a dataclass with slots, compared and hashed by its fields, which nobody sets again."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
