"""The language's functions: Python's builtins and ``hansa``'s exports, guarded and charged."""

import hashlib
import re
from collections.abc import Callable
from types import GeneratorType
from typing import Any, Final

from contracts.language.faults import fail
from contracts.language.fuel import ITEM_BYTES, LIST_BYTES
from contracts.language.integers import multiply_divide, power, power_modulo
from contracts.language.operators import (
    add,
    cell,
    charge,
    charge_list,
    charge_text,
    first_number,
    fits,
    integer,
    number,
    sized,
    text,
)
from contracts.language.sorting import largest, ordered, smallest
from contracts.language.source import NUMBER_DIGITS_MAX
from contracts.language.values import dict_key, is_amount, is_identifier, pay_insertions

_DECIMAL: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-fA-F]*", re.ASCII)


def absolute(value: Any) -> int:
    return abs(number(value))


def all_of(values: Any) -> bool:
    """``all`` of a sized value, or of a generator expression (whose turns are paid for by ``each``)."""
    return all(_pay_walk(values))


def any_of(values: Any) -> bool:
    """``any``, like ``all``."""
    return any(_pay_walk(values))


_GENERATOR: Final = GeneratorType


def _pay_walk(values: Any) -> Any:
    if type(values) is not _GENERATOR:
        charge(len(sized(values)) * cell.meter.prices.item)
    return values


def to_bool(value: Any = False) -> bool:
    return bool(value)


def to_bytes(value: Any = b"") -> bytes:
    """``bytes(length)`` of zeros, or of a sequence of ints below 256."""
    kind = type(value)
    if kind is int:
        if value < 0:
            raise ValueError
        charge_text(value)
        return bytes(value)
    if kind is bytes:
        return value  # type: ignore[no-any-return]
    if kind is not list and kind is not tuple and kind is not range:
        raise TypeError
    charge_text(len(value))
    charge(len(value) * cell.meter.prices.item)
    return bytes([integer(item) for item in value])


def to_dict(value: Any = ()) -> dict[Any, Any]:
    """``dict(mapping)`` or ``dict(pairs)``."""
    kind = type(value)
    charge_list(len(sized(value)), 2 * ITEM_BYTES)
    charge(len(value) * 3 * cell.meter.prices.item)
    if kind is dict:
        pay_insertions(value, len(value), cell.meter)
        return dict(value)
    for pair in value:
        if type(pair) not in (tuple, list) or len(pair) != 2:
            raise TypeError
    keys = [dict_key(pair[0]) for pair in value]
    pay_insertions(keys, len(keys), cell.meter)
    return dict(value)


def divide_modulo(a: Any, b: Any) -> tuple[int, int]:
    return divmod(number(a), number(b))


def numbered(values: Any, start: Any = 0) -> list[tuple[int, Any]]:
    charge_list(len(sized(values)), LIST_BYTES + ITEM_BYTES)
    return list(enumerate(values, first_number(start)))


def to_int(value: Any = 0) -> int:
    """From int, bool, or ASCII decimal digits with a sign."""
    if type(value) is str:
        if len(value) > NUMBER_DIGITS_MAX or not _DECIMAL.fullmatch(value):
            raise ValueError
        charge(cell.meter.prices.method)
        return fits(int(value))
    return number(value)


def length(value: Any) -> int:
    return len(sized(value))


def to_list(value: Any = ()) -> list[Any]:
    charge_list(len(sized(value)), ITEM_BYTES)
    return list(value)


def to_tuple(value: Any = ()) -> tuple[Any, ...]:
    charge_list(len(sized(value)), ITEM_BYTES)
    return tuple(value)


def ordinal(value: Any) -> int:
    return ord(text(value))


def to_power(base: Any, exponent: Any, modulus: Any = None) -> int:
    if modulus is None:
        charge(cell.meter.prices.power)
        return power(number(base), number(exponent))
    charge(cell.meter.prices.power_modulo)
    return power_modulo(number(base), number(exponent), number(modulus))


def number_range(*bounds: Any) -> range:
    return range(*map(integer, bounds))


def backwards(values: Any) -> list[Any]:
    charge_list(len(sized(values)), ITEM_BYTES)
    return list(reversed(values if type(values) is not dict else tuple(values)))


def to_str(value: Any = "") -> str:
    """From str, int or bool: nothing else has a text that is the same everywhere."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is int or kind is bool:
        charge(cell.meter.prices.item)
        return str(value)
    raise TypeError


def total(values: Any, start: Any = 0) -> Any:
    """``sum``: of integers."""
    count = len(sized(values))
    charge(count * cell.meter.prices.item)
    result = number(start)
    if type(values) is range:
        return fits(result + sum(values)) if count < 1 << 20 else fail("length")
    for value in values:
        if type(value) is not int:
            value = number(value)
        result += value
    return add(result, 0)


def zipped(*values: Any) -> list[tuple[Any, ...]]:
    count = min(len(sized(value)) for value in values)
    charge_list(count * len(values), ITEM_BYTES)
    charge_list(count, LIST_BYTES)
    return list(zip(*values, strict=False))


# What hansa exports.


def address(value: Any) -> str:
    """``Address(text)`` and ``Asset(text)``: the shape is checked here, the kernel knows which exist."""
    if not is_identifier(value):
        fail("value", "not the text of an address or asset")
    return value  # type: ignore[no-any-return]


def amount(value: Any) -> int:
    """``Amount(number)``: an integer from 0 to below 2**127."""
    if not is_amount(value):
        fail("value", "an amount is an integer from 0 to below 2**127")
    return value  # type: ignore[no-any-return]


def mul_div(a: Any, b: Any, divisor: Any, rounding: Any = "down") -> int:
    charge(cell.meter.prices.mul_div)
    return multiply_divide(integer(a), integer(b), integer(divisor), text(rounding))


def div_round(a: Any, divisor: Any, rounding: Any = "down") -> int:
    charge(cell.meter.prices.mul_div)
    return multiply_divide(integer(a), 1, integer(divisor), text(rounding))


def round_to(value: Any, unit: Any, rounding: Any = "down") -> int:
    """The multiple of ``unit`` that ``value`` rounds to. Raises: ContractError (value) unless ``unit`` is positive."""
    charge(cell.meter.prices.mul_div)
    if integer(unit) <= 0:
        fail("value", "the unit is a positive integer")
    return fits(multiply_divide(integer(value), 1, unit, text(rounding)) * unit)


def sha256(data: Any) -> bytes:
    if type(data) is not bytes:
        raise TypeError
    charge(cell.meter.prices.hash + (len(data) >> cell.meter.prices.hash_byte_shift))
    return hashlib.sha256(data).digest()


def from_hex(value: Any) -> bytes:
    prices = cell.meter.prices
    charge(prices.method + (len(text(value)) >> prices.pass_shift))
    charge_text(len(value))
    if len(value) % 2 or not _HEX.fullmatch(value):
        raise ValueError
    return bytes.fromhex(value)


BUILTIN_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "abs": absolute, "all": all_of, "any": any_of, "bool": to_bool, "bytes": to_bytes, "dict": to_dict,
    "divmod": divide_modulo, "enumerate": numbered, "int": to_int, "len": length, "list": to_list, "max": largest,
    "min": smallest, "ord": ordinal, "pow": to_power, "range": number_range, "reversed": backwards,
    "sorted": ordered, "str": to_str, "sum": total, "tuple": to_tuple, "zip": zipped,
    "Address": address, "Asset": address, "Amount": amount, "mul_div": mul_div, "div_round": div_round,
    "round_to": round_to, "sha256": sha256,
    "from_hex": from_hex,
}
