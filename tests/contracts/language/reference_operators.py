"""The reference interpreter's operators, items, slices, sorting and f-strings, written from docs/contracts/fuel.md."""

import ast
from collections.abc import Callable, Iterator
from typing import Any

from contracts.language import fuel
from contracts.language.prices import PRICES_1
from tests.contracts.language.reference_values import (
    BOUND,
    SCALARS,
    SEQUENCE_MAX,
    WALKABLE,
    Purse,
    RecordValue,
    compare,
    good_key,
    integer,
    length_of,
    number,
    same,
    stop,
    text,
    within,
)

KeyFunction = tuple[Callable[[Any], Any], int, int] | None
"""What ``key=`` calls, and the fuel and memory that each of its calls is paid with beforehand."""


def binary(op: ast.operator, a: Any, b: Any, purse: Purse) -> Any:
    match op:
        case ast.Add():
            return add(a, b, purse)
        case ast.Mult():
            return multiply(a, b, purse)
        case ast.Pow():
            purse.pay(PRICES_1.power)
            return power(number(a), number(b))
        case ast.BitAnd() | ast.BitOr() | ast.BitXor():
            return _bits(op, a, b)
    left, right = number(a), number(b)
    match op:
        case ast.Sub():
            return within(left - right)
        case ast.FloorDiv():
            return left // right if right else stop("division_by_zero")
        case ast.Mod():
            return left % right if right else stop("division_by_zero")
        case ast.LShift():
            if right < 0:
                stop("value")
            if left == 0:
                return 0
            return within(left << right) if right <= 256 else stop("overflow")
        case ast.RShift():
            return left >> min(right, 300) if right >= 0 else stop("value")
    raise AssertionError(type(op))


def in_place(op: ast.operator, a: Any, b: Any, purse: Purse) -> Any:
    """``a op= b``: a list is changed itself by ``+=`` and ``*=``."""
    if type(a) is list and isinstance(op, ast.Add):
        extend(a, b, purse)
        return a
    if type(a) is list and isinstance(op, ast.Mult):
        a[:] = multiply(a, b, purse)
        return a
    return binary(op, a, b, purse)


def add(a: Any, b: Any, purse: Purse) -> Any:
    if type(a) is type(b) and type(a) in (str, bytes):
        purse.pay_text(len(a) + len(b))
        return a + b
    if type(a) is type(b) and type(a) in (list, tuple):
        purse.pay_sequence(len(a) + len(b))
        return a + b
    return within(number(a) + number(b))


def multiply(a: Any, b: Any, purse: Purse) -> Any:
    if not (type(a) is int and type(b) is int):
        if type(b) in (str, bytes, list, tuple):
            a, b = b, a
        if type(a) in (str, bytes):
            size = len(a) * max(integer(b), 0)
            purse.pay_text(size)
            return a * _count(b)
        if type(a) in (list, tuple):
            size = len(a) * max(integer(b), 0)
            purse.pay_sequence(size)
            return a * _count(b)
    return within(number(a) * number(b))


def _count(value: int) -> int:
    """How often; the length of what is repeated is known to fit, so only nothing is repeated so often."""
    return max(value, 0) if value < 2**63 else stop("overflow")


def power(base: int, exponent: int) -> int:
    if exponent < 0:
        stop("value")
    if base in (-1, 0, 1):
        return base ** (exponent % 2 if exponent else 0) if base else int(exponent == 0)
    if exponent > 256:
        stop("overflow")
    result = 1
    for _ in range(exponent):
        result = within(result * base)
    return result


def _bits(op: ast.operator, a: Any, b: Any) -> Any:
    both_bool = type(a) is bool and type(b) is bool
    left, right = number(a), number(b)
    result = left & right if isinstance(op, ast.BitAnd) else left | right if isinstance(op, ast.BitOr) else left ^ right
    return bool(result) if both_bool else within(result)


def unary(op: ast.unaryop, a: Any) -> Any:
    match op:
        case ast.Not():
            return not a
        case ast.USub():
            return -number(a)
        case ast.UAdd():
            return number(a)
        case ast.Invert():
            return within(-integer(a) - 1)
    raise AssertionError(type(op))


# Comparison.


def comparison(op: ast.cmpop, a: Any, b: Any, purse: Purse) -> bool:
    match op:
        case ast.In():
            return contains(a, b, purse)
        case ast.NotIn():
            return not contains(a, b, purse)
        case ast.Eq() | ast.NotEq():
            _pay_comparison(a, b, purse)
            return same(a, b) == isinstance(op, ast.Eq)
    if type(a) is range or RecordValue in (type(a), type(b)):
        stop("type")
    _pay_comparison(a, b, purse)
    order = compare(a, b)
    match op:
        case ast.Lt():
            return order < 0
        case ast.LtE():
            return order <= 0
        case ast.Gt():
            return order > 0
        case ast.GtE():
            return order >= 0
    raise AssertionError(type(op))


def _pay_comparison(a: Any, b: Any, purse: Purse) -> None:
    """Two texts by the shorter one, beyond 64; containers by every node of both; whatever else nothing."""
    if type(a) in (str, bytes) and type(a) is type(b):
        shorter = min(len(a), len(b))
        if shorter > 64:
            purse.pay(shorter // 32)
    elif type(a) not in SCALARS and type(b) not in SCALARS:
        purse.visit(a)
        purse.visit(b)


def contains(item: Any, values: Any, purse: Purse) -> bool:
    match values:
        case dict():
            return purse.key(values, item) in values
        case str():
            purse.pay(_search(text(item), values))
            return item in values
        case bytes():
            if type(item) is int:
                purse.pay(_search(b"", values))
                return item in values if 0 <= item < 256 else stop("value")
            if type(item) is not bytes:
                stop("type")
            purse.pay(_search(item, values))
            return item in values
        case range():
            return integer(item) in values
        case list() | tuple():
            if type(item) not in SCALARS:
                purse.visit(item)
            for value in values:
                purse.visit(value)
            return any(same(value, item) for value in values)
    stop("type")


def _search(pattern: Any, values: Any) -> int:
    short = len(values) < 2_500 or (len(values) < 30_000 and len(pattern) < 100)
    crossed = len(values) * min(len(pattern), 4096)
    return PRICES_1.lookup + len(values) // 4 + crossed // (32 if short else 512) + len(pattern) // 32


def pay_search(pattern: Any, values: Any, purse: Purse) -> None:
    purse.pay(_search(pattern, values))


# Items and slices.


def item(values: Any, key: Any, purse: Purse) -> Any:
    if type(values) is dict:
        purse.key(values, key)
        return values[key] if key in values else stop("key")
    if type(values) not in (list, tuple, str, bytes):
        stop("type")
    return values[_index(values, integer(key))]


def _index(values: Any, key: int) -> int:
    return key if -len(values) <= key < len(values) else stop("index")


def put(value: Any, values: Any, key: Any, purse: Purse) -> None:
    if type(values) is dict:
        purse.key(values, key)
        if len(values) >= SEQUENCE_MAX and key not in values:
            stop("length")
        purse.pay(PRICES_1.item, fuel.DICT_ITEM_BYTES)
        values[key] = value
    elif type(values) is list:
        values[_index(values, integer(key))] = value
    else:
        stop("type")


def remove(values: Any, key: Any, purse: Purse) -> None:
    if type(values) is dict:
        purse.key(values, key)
        if key not in values:
            stop("key")
        del values[key]
    elif type(values) is list:
        purse.pay(len(values) // 16)
        del values[_index(values, integer(key))]
    else:
        stop("type")


def cut(values: Any, bounds: list[Any], purse: Purse) -> Any:
    for part in bounds:
        if part is not None:
            integer(part)
    if type(values) not in (list, tuple, str, bytes):
        stop("type")
    if bounds[2] == 0:
        stop("value")
    result = values[slice(*bounds)]
    if type(values) in (str, bytes):
        purse.pay_text(len(result))
    else:
        purse.pay_sequence(len(result))
    return result


def extend(values: list[Any], more: Any, purse: Purse) -> None:
    count = length_of(more)
    if len(values) + count > SEQUENCE_MAX:
        stop("length")
    purse.pay(count * PRICES_1.item, count * fuel.ITEM_BYTES)
    values += list(more)


def dict_of(pairs: list[tuple[Any, Any]], purse: Purse) -> dict[Any, Any]:
    """A dict display or comprehension, from pairs that are paid for already."""
    keys = [good_key(key) for key, _ in pairs]
    purse.pay_probes(keys, len(keys))
    return dict(pairs)


# Loops.


def watched(container: Any, view: Any) -> Iterator[Any]:
    """The elements of ``view``; when ``container`` has another size after a turn, the call ends."""
    size, at = len(container), 0
    while at < len(view):
        yield view[at]
        if len(container) != size:
            stop("mutated_while_iterating")
        at += 1


def walk(values: Any, purse: Purse) -> Iterator[Any]:
    """What a ``for`` walks. A dict's keys are copied first."""
    if type(values) is dict:
        purse.pay_sequence(len(values))
        return watched(values, list(values))
    if type(values) is list:
        return watched(values, values)
    return iter(values) if type(values) in WALKABLE else stop("type")


def walk_view(values: Any, view: str, purse: Purse) -> Iterator[Any]:
    """What a ``for`` over ``.keys()``, ``.items()`` or ``.values()`` walks."""
    if type(values) is not dict:
        stop("type")
    if view == "keys":
        return walk(values, purse)
    purse.pay_sequence(len(values), fuel.ITEM_BYTES + fuel.LIST_BYTES)
    return watched(values, list(values.items()) if view == "items" else list(values.values()))


def first_number(start: Any) -> int:
    """Where ``enumerate`` starts: below half the bound of an int."""
    return start if abs(integer(start)) < BOUND // 2 else stop("overflow")


def each(values: Any, units: int, size: int, purse: Purse) -> Iterator[Any]:
    """What a comprehension walks, every turn paid for before the first."""
    count = length_of(values)
    purse.pay(count * units, count * size)
    if type(values) is dict:
        return watched(values, list(values))
    return watched(values, values) if type(values) is list else iter(values)


# Sorting.


def _sort_kind(key: Any, inside: bool = False) -> Any:
    if type(key) in (int, bool):
        return "number"
    if type(key) in (str, bytes):
        return type(key).__name__
    if type(key) is tuple and not inside:
        return [_sort_kind(part, True) for part in key]
    stop("type")


def _sort_weight(key: Any) -> int:
    if type(key) in (str, bytes):
        return len(key) // 32
    return len(key) + sum(map(_sort_weight, key)) if type(key) is tuple else 0


def keyed(values: Any, key: KeyFunction, purse: Purse) -> list[tuple[Any, Any]]:
    """(key, element) of each element, all keys of one kind, the sorting paid for."""
    count = length_of(values)
    purse.pay_sequence(2 * count, fuel.ITEM_BYTES)
    purse.pay(2 * count * PRICES_1.item)
    elements = list(values) if key is None else None
    if key is not None:
        function, units, size = key
        purse.pay(count * (units + PRICES_1.call_back), count * size)
        elements = list(values)
        keys = [function(element) for element in elements]
    else:
        assert elements is not None
        keys = elements
    if keys:
        kind, weight = _sort_kind(keys[0]), 0
        for one in keys:
            if type(one) is tuple:
                purse.pay(len(one) * PRICES_1.item)
            if _sort_kind(one) != kind:
                stop("type")
            weight = max(weight, _sort_weight(one))
        digits = 0
        while 2**digits <= count:
            digits += 1
        purse.pay(count * digits * (PRICES_1.sort + weight))
    assert elements is not None
    return list(zip(keys, elements, strict=True))


def ordered(values: Any, key: KeyFunction, reverse: Any, purse: Purse) -> list[Any]:
    """By insertion: equals stay in their order, in reverse too."""
    if type(reverse) is not bool:
        stop("type")
    result: list[tuple[Any, Any]] = []
    for pair in keyed(values, key, purse):
        at = len(result)
        while at > 0 and compare(result[at - 1][0], pair[0]) * (-1 if reverse else 1) > 0:
            at -= 1
        result.insert(at, pair)
    return [element for _, element in result]


def sort_list(values: Any, key: KeyFunction, reverse: Any, purse: Purse) -> None:
    if type(values) is not list:
        stop("type")
    size = len(values)
    result = ordered(values, key, reverse, purse)
    if len(values) != size:
        stop("mutated_while_iterating")
    values[:] = result


def extreme(largest: bool, values: list[Any], key: KeyFunction, purse: Purse) -> Any:
    if key is None and len(values) == 2 and type(values[0]) is int and type(values[1]) is int:
        return max(values) if largest else min(values)
    pairs = keyed(values[0] if len(values) == 1 else tuple(values), key, purse)
    if not pairs:
        stop("value")
    best = pairs[0]
    for pair in pairs[1:]:
        order = compare(pair[0], best[0])
        if order > 0 if largest else order < 0:
            best = pair
    return best[1]


# F-strings.


def piece(value: Any, spec: str) -> str:
    """One value in an f-string."""
    fill = align = ""
    if len(spec) > 1 and spec[1] in "<>^=":
        fill, align, spec = spec[0], spec[1], spec[2:]
    elif spec[:1] in ("<", ">", "^", "="):
        align, spec = spec[0], spec[1:]
    zero = spec.startswith("0")
    form = spec[-1:] if spec[-1:] in ("d", "x") else ""
    digits = spec[zero:len(spec) - len(form)]
    width = min(int(digits or "0"), 256)
    if type(value) is int:
        digits = f"{abs(value):x}" if form == "x" else str(abs(value))
        sign = "-" if value < 0 else ""
        align = align or ("=" if zero else ">")
    elif type(value) in (str, bool):
        if form or zero or align == "=" or (type(value) is bool and width):
            stop("type")
        sign, digits, align = "", str(value), align or "<"
    else:
        stop("type")
    padding = (fill or ("0" if zero else " ")) * max(width - len(sign + digits), 0)
    if align == "<":
        return sign + digits + padding
    if align == "^":
        half = len(padding) // 2
        return padding[:half] + sign + digits + padding[half:]
    return sign + padding + digits if align == "=" else padding + sign + digits


def joined(pieces: list[str], purse: Purse) -> str:
    purse.pay_text(sum(map(len, pieces)))
    return "".join(pieces)
