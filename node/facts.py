"""Facts as values: how frozen dataclasses cross between the node's two processes.

The execution process runs contracts, so what comes from it is read as strictly as what comes from a peer: a list in
the canonical encoding, built into the one dataclass that the caller expects, each field checked against its
annotation. Nothing in the bytes chooses a class or names a function.
"""

import types
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import TypeVar, Union, cast, get_args, get_origin

from state import codec
from state.codec import Value
from state.errors import Invalid, Reason

Fact = TypeVar("Fact")

ATOMS = (str, int, bytes)
"""What needs no building: a block's codes, a page's digests."""


def to_value(fact: object) -> Value:
    """A fact as a value: a dataclass becomes the list of its fields, in order."""
    if type(fact) in ATOMS:
        return cast(Value, fact)
    if is_dataclass(fact):
        return [to_value(getattr(fact, field.name)) for field in fields(fact)]
    if isinstance(fact, list | tuple):
        return [to_value(item) for item in fact]
    assert fact is None or isinstance(fact, bool | int | str | bytes)
    return fact


def from_value(expected: type[Fact], value: Value) -> Fact:
    """What ``to_value`` gave for a fact of the type ``expected``. :raises Invalid: MALFORMED."""
    return cast(Fact, _build(expected, value))


def _build(expected: object, value: Value) -> object:
    if expected == codec.Value:
        return value
    origin = get_origin(expected)
    if origin is tuple:
        return _build_tuple(get_args(expected), value)
    if origin in (types.UnionType, Union):
        return _build_union(get_args(expected), value)
    assert isinstance(expected, type), f"{expected!r} is no type that a fact may have"
    if is_dataclass(expected):
        return _build_dataclass(expected, value)
    if issubclass(expected, StrEnum):
        try:
            return expected(codec.text(value))
        except ValueError:
            raise Invalid(Reason.MALFORMED, f"{value!r} is no {expected.__name__}") from None
    if type(value) is not expected:
        raise Invalid(Reason.MALFORMED, f"{expected.__name__} is expected")
    return value


def _build_dataclass(expected: type, value: Value) -> object:
    annotations = _annotations(expected)
    if type(value) is not list or len(value) != len(annotations):
        raise Invalid(Reason.MALFORMED, f"{expected.__name__} has {len(annotations)} fields")
    built = [_build(annotation, item) for annotation, item in zip(annotations, value, strict=True)]
    return expected(*built)


def _build_tuple(arguments: tuple[object, ...], value: Value) -> tuple[object, ...]:
    if type(value) is not list:
        raise Invalid(Reason.MALFORMED, "a list is expected")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        if arguments[0] in ATOMS and all(type(item) is arguments[0] for item in value):
            return tuple(value)
        return tuple(_build(arguments[0], item) for item in value)
    if len(value) != len(arguments):
        raise Invalid(Reason.MALFORMED, f"a list of {len(arguments)} items is expected")
    return tuple(_build(argument, item) for argument, item in zip(arguments, value, strict=True))


def _build_union(arguments: tuple[object, ...], value: Value) -> object:
    """A type or None: the one kind of union in facts, so nothing has to be guessed."""
    assert len(arguments) == 2
    assert type(None) in arguments
    if value is None:
        return None
    return _build(next(argument for argument in arguments if argument is not type(None)), value)


@cache
def _annotations(expected: type) -> tuple[object, ...]:
    return tuple(field.type for field in fields(expected))
