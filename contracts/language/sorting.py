"""Ordering by guarded keys: sort, sorted, min and max.

Keys are worked out first, one call each, and must all be of one comparable kind: all int, all str, all bytes, or all
tuples of one length whose columns are each of one such kind. So no code of a contract runs inside a sort, and no
two CPythons order differently.
"""

from collections.abc import Callable
from typing import Any

from contracts.language.faults import fail
from contracts.language.fuel import ITEM_BYTES
from contracts.language.operators import cell, charge, charge_list, sized

Key = Callable[[Any], Any] | None


def _kind(key: Any) -> Any:
    """The comparable kind of a key. Raises: TypeError."""
    kind = type(key)
    if kind is int or kind is str or kind is bytes:
        return kind
    if kind is bool:
        return int
    if kind is tuple:
        return tuple(_scalar(part) for part in key)
    raise TypeError


def _scalar(part: Any) -> type:
    kind = type(part)
    if kind is bool:
        return int
    if kind is int or kind is str or kind is bytes:
        return kind
    raise TypeError


def _weight(key: Any) -> int:
    kind = type(key)
    if kind is str or kind is bytes:
        return len(key) >> cell.meter.prices.text_shift
    return sum(map(_weight, key)) + len(key) if kind is tuple else 0


def keys_of(values: Any, key: Key, fuel: int, memory: int) -> tuple[list[Any], list[Any]]:
    """The values as a list and their keys, all of one kind. ``fuel`` and ``memory`` pay for one call of ``key``."""
    values = sized(values)
    count = len(values)
    charge_list(2 * count, ITEM_BYTES)
    charge(count * (2 * cell.meter.prices.item))
    if key is not None:
        charge(count * (fuel + cell.meter.prices.call_back), count * memory)
    elements = list(values)
    keys = elements if key is None else [key(value) for value in elements]
    if keys:
        kind = _kind(keys[0])
        weight = 0
        for each in keys:
            if type(each) is tuple:
                charge(len(each) * cell.meter.prices.item)
            if _kind(each) != kind:
                raise TypeError
            weight = max(weight, _weight(each))
        charge(count * count.bit_length() * (cell.meter.prices.sort + weight))
    return elements, keys


def ordered(values: Any, key: Key = None, reverse: Any = False, fuel: int = 0, memory: int = 0) -> list[Any]:
    """``sorted(values, key=…, reverse=…)``: stable."""
    if type(reverse) is not bool:
        raise TypeError
    elements, keys = keys_of(values, key, fuel, memory)
    if key is None:
        return sorted(elements, reverse=reverse)
    order = sorted(range(len(keys)), key=keys.__getitem__, reverse=reverse)
    return [elements[index] for index in order]


def sort_list(values: Any, key: Key = None, reverse: Any = False, fuel: int = 0, memory: int = 0) -> None:
    """``values.sort(…)``."""
    if type(values) is not list:
        raise TypeError
    size = len(values)
    result = ordered(values, key, reverse, fuel, memory)
    if len(values) != size:
        fail("mutated_while_iterating")
    values[:] = result


def extreme(largest: bool, values: tuple[Any, ...], key: Key, fuel: int, memory: int) -> Any:
    """``max`` or ``min`` of one sequence or of several values: the first of equals. Raises: ValueError when empty."""
    elements, keys = keys_of(values[0] if len(values) == 1 else values, key, fuel, memory)
    if not elements:
        raise ValueError
    pick = max if largest else min
    return elements[pick(range(len(keys)), key=keys.__getitem__)]


def largest(*values: Any, key: Key = None, fuel: int = 0, memory: int = 0) -> Any:
    if key is None and len(values) == 2 and type(values[0]) is int and type(values[1]) is int:
        return max(values)
    return extreme(True, values, key, fuel, memory)


def smallest(*values: Any, key: Key = None, fuel: int = 0, memory: int = 0) -> Any:
    if key is None and len(values) == 2 and type(values[0]) is int and type(values[1]) is int:
        return min(values)
    return extreme(False, values, key, fuel, memory)
