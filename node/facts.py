"""Facts as values: how frozen dataclasses cross between the node's two processes.

The execution process runs contracts, so what comes from it is read as strictly as what comes from a peer: a list in
the canonical encoding, built into the one dataclass that the caller expects, each field checked against its
annotation. Nothing in the bytes chooses a class or names a function.

How a type is built is worked out once; a page of a thousand events is then read in some milliseconds, of which the
event loop has no more to give.
"""

import types
from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import TypeAlias, TypeVar, Union, cast, get_args, get_origin

from state import codec
from state.codec import Value
from state.errors import Invalid, Reason

Fact = TypeVar("Fact")
Builder: TypeAlias = Callable[[Value], object]

ATOMS = (str, int, bytes)
"""What needs no building: a block's codes, a page's digests."""


def to_value(fact: object) -> Value:
    """A fact as a value: a dataclass becomes the list of its fields, in order."""
    kind = type(fact)
    if kind in ATOMS:
        return cast(Value, fact)
    if kind is tuple or kind is list:
        return [to_value(item) for item in cast("tuple[object, ...]", fact)]
    parts = _parts(cast(Hashable, kind))
    if parts is not None:
        return [to_value(part) for part in parts(fact)]
    assert fact is None or isinstance(fact, bool | int | str | bytes)
    return fact


def from_value(expected: type[Fact], value: Value) -> Fact:
    """What ``to_value`` gave for a fact of the type ``expected``. :raises Invalid: MALFORMED."""
    return cast(Fact, _builder(cast(Hashable, expected))(value))


@cache
def _parts(kind: object) -> Callable[[object], tuple[object, ...]] | None:
    """What takes a dataclass apart; None for another type."""
    if not isinstance(kind, type) or not is_dataclass(kind):
        return None
    names = [field.name for field in fields(kind)]
    if len(names) > 1:
        return attrgetter(*names)
    return lambda fact: tuple(getattr(fact, name) for name in names)


@cache
def _builder(expected: object) -> Builder:
    """What builds a type."""
    if expected == codec.Value:
        return lambda value: value
    origin = get_origin(expected)
    if origin is tuple:
        arguments = get_args(expected)
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return _list_builder(arguments[0])
        return _items_builder(tuple(map(_builder, arguments)))
    if origin in (types.UnionType, Union):
        return _optional_builder(get_args(expected))
    assert isinstance(expected, type), f"{expected!r} is no type that a fact may have"
    if is_dataclass(expected):
        return _dataclass_builder(expected)
    return _enum_builder(expected) if issubclass(expected, StrEnum) else _atom_builder(expected)


def _dataclass_builder(expected: type) -> Builder:
    kinds = tuple(cast(object, field.type) for field in fields(expected))
    builders = tuple(map(_builder, kinds))

    def build(value: Value) -> object:
        if type(value) is not list or len(value) != len(kinds):
            raise Invalid(Reason.MALFORMED, f"{expected.__name__} has {len(kinds)} fields")
        if tuple(map(type, value)) == kinds:  # All atoms, and the right ones.
            return expected(*value)
        return expected(*[builder(item) for builder, item in zip(builders, value, strict=True)])

    return build


def _list_builder(kind: object) -> Builder:
    builder = _builder(kind)

    def build(value: Value) -> object:
        if type(value) is not list:
            raise Invalid(Reason.MALFORMED, "a list is expected")
        if kind in ATOMS and all(type(item) is kind for item in value):
            return tuple(value)
        return tuple([builder(item) for item in value])

    return build


def _items_builder(builders: tuple[Builder, ...]) -> Builder:
    def build(value: Value) -> object:
        if type(value) is not list or len(value) != len(builders):
            raise Invalid(Reason.MALFORMED, f"a list of {len(builders)} items is expected")
        return tuple([builder(item) for builder, item in zip(builders, value, strict=True)])

    return build


def _optional_builder(arguments: tuple[object, ...]) -> Builder:
    """A type or None: the one kind of union in facts, so nothing has to be guessed."""
    assert len(arguments) == 2
    assert type(None) in arguments
    builder = _builder(next(argument for argument in arguments if argument is not type(None)))
    return lambda value: None if value is None else builder(value)


def _enum_builder(expected: type[StrEnum]) -> Builder:
    def build(value: Value) -> object:
        try:
            return expected(codec.text(value))
        except ValueError:
            raise Invalid(Reason.MALFORMED, f"{value!r} is no {expected.__name__}") from None

    return build


def _atom_builder(expected: type) -> Builder:
    def build(value: Value) -> object:
        if type(value) is not expected:
            raise Invalid(Reason.MALFORMED, f"{expected.__name__} is expected")
        return value

    return build
