"""Guarded operators: what the compiler puts in the place of each operator, item, slice and loop of a contract.

Each decides on the operands' exact types, charges by their size before the work, and gives only values of the
language. An operation on the wrong types raises TypeError, which the machine turns into code ``type``; the same holds
for KeyError, IndexError and ZeroDivisionError.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from contracts.language.faults import fail
from contracts.language.fuel import (
    DICT_ITEM_BYTES,
    ITEM_BYTES,
    LIST_BYTES,
    SLOT_BYTES,
    TEXT_BYTES,
    Meter,
    exhausted,
)
from contracts.language.integers import LIMIT, power, shift_left, shift_right
from contracts.language.kernel_interface import CallContext, Host
from contracts.language.source import FORMAT_WIDTH_MAX
from contracts.language.values import (
    SEQUENCE_MAX,
    TEXT_MAX,
    Record,
    dict_key,
    is_predictable,
    measure,
    measure_each,
    pay_insertions,
)

_NEGATIVE: Final = -LIMIT
SHORT_MAX: Final = 2_500
MIDDLE_MAX: Final = 30_000
SHORT_PATTERN_MAX: Final = 100
"""Below these sizes CPython compares a pattern at every place of a text (measured: 0.6 ns for each of the product)."""
PATTERN_MAX: Final = 4_096
"""Characters of a searched pattern that its price counts."""
_SIZED: Final = frozenset({list, tuple, dict, str, bytes, range})


class Cell:
    """What the running call works with. One for the process, since one thread at a time runs contracts; set on
    entry to a call and put back on its exit, so that compiled functions need no arguments of ours."""

    __slots__ = ("context", "host", "in_host", "meter", "read_only", "thread")

    def __init__(self) -> None:
        self.meter = Meter(0)
        self.host: Host | None = None
        self.context = CallContext("", "", "", 0, 0, b"")
        self.read_only = True
        self.in_host = False
        self.thread = 0


cell: Final = Cell()


def charge(fuel: int, memory: int = 0) -> None:
    """Pays before work, from the running call's meter."""
    meter = cell.meter
    meter.left -= fuel
    meter.memory -= memory
    if meter.left < 0 or meter.memory < 0:
        exhausted(meter)


def number(value: Any) -> int:
    """``value`` as an exact int (a bool counts as 0 or 1). Raises: TypeError."""
    if type(value) is int:
        return value
    if type(value) is bool:
        return int(value)
    raise TypeError


def integer(value: Any) -> int:
    """``value`` when it is exactly an int. Raises: TypeError."""
    if type(value) is not int:
        raise TypeError
    return value


def text(value: Any) -> str:
    """``value`` when it is exactly a str. Raises: TypeError."""
    if type(value) is not str:
        raise TypeError
    return value


def fits(value: int) -> int:
    """``value`` within 256 bits. Raises: ContractError (overflow)."""
    if _NEGATIVE < value < LIMIT:
        return value
    fail("overflow")


def charge_text(length: int) -> None:
    """Pays for a text or bytes of ``length`` that is about to be made. Raises: ContractError (length)."""
    if length > TEXT_MAX:
        fail("length")
    charge(length >> cell.meter.prices.text_shift, 4 * length + TEXT_BYTES)


def charge_list(length: int, item_bytes: int = SLOT_BYTES) -> None:
    """Pays for a list or tuple of ``length`` that is about to be made. Raises: ContractError (length)."""
    if length > SEQUENCE_MAX:
        fail("length")
    charge(length * cell.meter.prices.item, LIST_BYTES + length * item_bytes)


def lookup_key(values: dict[Any, Any], key: Any) -> Any:
    """``key``, when a dict may hold it, its lookup in ``values`` paid for. Raises: ContractError (key_type)."""
    dict_key(key)
    meter = cell.meter
    prices = meter.prices
    meter.left -= prices.lookup
    steps = len(values) >> prices.probe_shift
    if steps and is_predictable(key):
        meter.left -= steps
    if meter.left < 0:
        exhausted(meter)
    return key


def sized(values: Any) -> Any:
    """``values`` when it can be walked and its length is known. Raises: TypeError."""
    if type(values) not in _SIZED:
        raise TypeError
    return values


# Arithmetic.


def add(a: Any, b: Any) -> Any:
    if type(a) is int and type(b) is int:
        value = a + b
        if _NEGATIVE < value < LIMIT:
            return value
        fail("overflow")
    kind = type(a)
    if kind is type(b):
        if kind is str or kind is bytes:
            charge_text(len(a) + len(b))
            return a + b
        if kind is list or kind is tuple:
            charge_list(len(a) + len(b))
            return a + b
    return fits(number(a) + number(b))


def add_in_place(a: Any, b: Any) -> Any:
    if type(a) is list:
        return extend(a, b)
    return add(a, b)


def extend(values: list[Any], more: Any) -> list[Any]:
    """``values += more`` for any sized ``more``."""
    more = sized(more)
    count = len(more)
    if len(values) + count > SEQUENCE_MAX:
        fail("length")
    charge(count * cell.meter.prices.item, count * ITEM_BYTES)
    values.extend(list(more) if more is not values else values[:])
    return values


def subtract(a: Any, b: Any) -> Any:
    if type(a) is int and type(b) is int:
        value = a - b
        if _NEGATIVE < value < LIMIT:
            return value
        fail("overflow")
    return fits(number(a) - number(b))


def multiply(a: Any, b: Any) -> Any:
    if type(a) is int and type(b) is int:
        value = a * b
        if _NEGATIVE < value < LIMIT:
            return value
        fail("overflow")
    if type(b) in (str, bytes, list, tuple):
        a, b = b, a
    kind = type(a)
    if kind is str or kind is bytes:
        count = max(integer(b), 0)
        charge_text(_product(len(a), count, TEXT_MAX))
        return a * count
    if kind is list or kind is tuple:
        count = max(integer(b), 0)
        charge_list(_product(len(a), count, SEQUENCE_MAX))
        return a * count
    return fits(number(a) * number(b))


def _product(length: int, count: int, most: int) -> int:
    if length * count > most:
        fail("length")
    return length * count


def multiply_in_place(a: Any, b: Any) -> Any:
    if type(a) is list:
        a[:] = multiply(a, b)
        return a
    return multiply(a, b)


def floor_divide(a: Any, b: Any) -> Any:
    return number(a) // number(b)


def modulo(a: Any, b: Any) -> Any:
    return number(a) % number(b)


def raise_power(a: Any, b: Any) -> Any:
    charge(cell.meter.prices.power)
    return power(number(a), number(b))


def left_shift(a: Any, b: Any) -> Any:
    return shift_left(number(a), number(b))


def right_shift(a: Any, b: Any) -> Any:
    return shift_right(number(a), number(b))


def bit_and(a: Any, b: Any) -> Any:
    if type(a) is bool and type(b) is bool:
        return a & b
    return fits(number(a) & number(b))


def bit_or(a: Any, b: Any) -> Any:
    if type(a) is bool and type(b) is bool:
        return a | b
    return fits(number(a) | number(b))


def bit_xor(a: Any, b: Any) -> Any:
    if type(a) is bool and type(b) is bool:
        return a ^ b
    return fits(number(a) ^ number(b))


def negative(a: Any) -> Any:
    return -number(a)


def positive(a: Any) -> Any:
    return number(a)


def invert(a: Any) -> Any:
    return fits(~integer(a))


# Comparison.


def _pay_comparison(a: Any, b: Any) -> None:
    """Pays for comparing what is not two plain integers."""
    kind = type(a)
    if (kind is str or kind is bytes) and kind is type(b):
        length = min(len(a), len(b))
        if length > 64:
            charge(length >> cell.meter.prices.text_shift)
        return
    if kind in _CHEAP or type(b) in _CHEAP:
        return
    meter = cell.meter
    measure(a, meter)
    measure(b, meter)


_CHEAP: Final = frozenset({int, bool, str, bytes, type(None)})


def equal(a: Any, b: Any) -> Any:
    if type(a) is not int:
        _pay_comparison(a, b)
    return a == b


def unequal(a: Any, b: Any) -> Any:
    if type(a) is not int:
        _pay_comparison(a, b)
    return a != b


def less(a: Any, b: Any) -> Any:
    if type(a) is not int:
        _ordered(a, b)
    return a < b


def less_equal(a: Any, b: Any) -> Any:
    if type(a) is not int:
        _ordered(a, b)
    return a <= b


def greater(a: Any, b: Any) -> Any:
    if type(a) is not int:
        _ordered(a, b)
    return a > b


def greater_equal(a: Any, b: Any) -> Any:
    if type(a) is not int:
        _ordered(a, b)
    return a >= b


def _ordered(a: Any, b: Any) -> None:
    if isinstance(a, Record) or isinstance(b, Record) or type(a) is range:
        raise TypeError
    _pay_comparison(a, b)


def contains(item: Any, values: Any) -> Any:
    kind = type(values)
    if kind is dict:
        return lookup_key(values, item) in values
    if kind is str or kind is bytes:
        if type(item) is not kind and (kind is str or type(item) is not int):
            raise TypeError
        _pay_search(values, item if type(item) is kind else b"")
        return item in values
    if kind is range:
        return integer(item) in values
    if kind is not list and kind is not tuple:
        raise TypeError
    meter = cell.meter
    if type(item) not in _CHEAP:
        measure(item, meter)
    measure_each(values, meter)
    return item in values


def _pay_search(values: Any, item: Any) -> None:
    """Searching a short text costs its length times the pattern's, at worst; CPython searches a long one better."""
    prices = cell.meter.prices
    crossed = len(values) * min(len(item), PATTERN_MAX)
    short = len(values) < SHORT_MAX or (len(values) < MIDDLE_MAX and len(item) < SHORT_PATTERN_MAX)
    shift = prices.text_shift if short else prices.search_shift
    passed = (len(values) >> prices.pass_shift) + (len(item) >> prices.text_shift)
    charge(prices.lookup + passed + (crossed >> shift))


def lacks(item: Any, values: Any) -> Any:
    return not contains(item, values)


# Items, slices, displays.


def item(values: Any, key: Any) -> Any:
    kind = type(values)
    if kind is dict:
        return values[lookup_key(values, key)]
    if kind is list or kind is tuple or kind is str or kind is bytes:
        if type(key) is not int:
            raise TypeError
        if not -SEQUENCE_MAX <= key <= TEXT_MAX:
            raise IndexError
        return values[key]
    raise TypeError


def put(value: Any, values: Any, key: Any) -> None:
    kind = type(values)
    if kind is dict:
        lookup_key(values, key)
        if len(values) >= SEQUENCE_MAX and key not in values:
            fail("length")
        charge(cell.meter.prices.item, DICT_ITEM_BYTES)
        values[key] = value
    elif kind is list:
        if type(key) is not int:
            raise TypeError
        if not -SEQUENCE_MAX <= key <= SEQUENCE_MAX:
            raise IndexError
        values[key] = value
    else:
        raise TypeError


def remove(values: Any, key: Any) -> None:
    kind = type(values)
    if kind is dict:
        del values[lookup_key(values, key)]
    elif kind is list:
        charge(len(values) >> cell.meter.prices.move_shift)
        if not -SEQUENCE_MAX <= integer(key) <= SEQUENCE_MAX:
            raise IndexError
        del values[key]
    else:
        raise TypeError


def cut(values: Any, lower: Any, upper: Any, step: Any) -> Any:
    """``values[lower:upper:step]``."""
    kind = type(values)
    for part in (lower, upper, step):
        if part is not None and type(part) is not int:
            raise TypeError
    if kind is str or kind is bytes:
        charge_text(len(range(*slice(lower, upper, step).indices(len(values)))))
    elif kind is list or kind is tuple:
        charge_list(len(range(*slice(lower, upper, step).indices(len(values)))))
    else:
        raise TypeError
    return values[lower:upper:step]


def make_dict(*parts: Any) -> dict[Any, Any]:
    """A dict display, from key, value, key, value…"""
    keys = [dict_key(key) for key in parts[::2]]
    pay_insertions(keys, len(keys), cell.meter)
    return dict(zip(keys, parts[1::2], strict=True))


def make_dict_of_pairs(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """A dict comprehension, from its pairs; they are paid for already."""
    if len(pairs) > SEQUENCE_MAX:
        fail("length")
    keys = [dict_key(key) for key, _ in pairs]
    pay_insertions(keys, len(keys), cell.meter)
    return dict(pairs)


def text_of(*parts: str) -> str:
    """An f-string, from its pieces."""
    charge_text(sum(map(len, parts)))
    return "".join(parts)


def piece(value: Any, fill: str = "", align: str = "", zero: str = "", width: int = 0, form: str = "") -> str:
    """One value in an f-string. Only int, bool and str have a text; the spec was read when compiling."""
    kind = type(value)
    if kind is int:
        shown = format(value, form or "d")
        align = align or ("=" if zero else ">")
    elif kind is str or kind is bool:
        if form or align == "=" or zero or (kind is bool and width):
            raise TypeError
        shown = value if kind is str else str(value)
        align = align or "<"
    else:
        raise TypeError
    missing = min(width, FORMAT_WIDTH_MAX) - len(shown)
    if missing <= 0:
        return shown
    padding = fill or ("0" if zero else " ")
    if align == "<":
        return shown + padding * missing
    if align == "^":
        return padding * (missing // 2) + shown + padding * (missing - missing // 2)
    if align == "=" and shown[:1] == "-":
        return "-" + padding * missing + shown[1:]
    return padding * missing + shown


# Loops. A list or dict is watched: a loop over it that finds its length changed ends the call.


def walk(values: Any) -> Any:
    """What a ``for`` walks. Each turn is paid for by the loop's body."""
    kind = type(values)
    if kind is list:
        return _watch(values, values)
    if kind is dict:
        charge_list(len(values))
        return _watch(values, tuple(values))
    return sized(values)


def walk_view(values: Any, view: str) -> Any:
    """What ``for … in values.items()`` (keys, values) walks."""
    if type(values) is not dict:
        raise TypeError
    if view == "keys":
        return walk(values)
    charge_list(len(values), ITEM_BYTES + LIST_BYTES)
    return _watch(values, tuple(values.items() if view == "items" else values.values()))


def walk_numbered(values: Any, start: Any = 0) -> Any:
    """What ``for … in enumerate(values)`` walks."""
    return enumerate(walk(values), first_number(start))


def first_number(start: Any) -> int:
    """Where ``enumerate`` starts: so far below the bound that no count of turns passes it."""
    if 2 * abs(integer(start)) < -_NEGATIVE:
        return integer(start)
    fail("overflow")


def _watch(values: Any, view: Any) -> Iterator[Any]:
    size = len(values)
    for value in view:
        yield value
        if len(values) != size:
            fail("mutated_while_iterating")


def each(values: Any, fuel: int, memory: int) -> Any:
    """What a comprehension walks, all its turns paid for before the first."""
    kind = type(values)
    if kind not in _SIZED:
        raise TypeError
    count = len(values)
    charge(count * fuel, count * memory)
    return _watch(values, tuple(values) if kind is dict else values) if kind is list or kind is dict else values


def failure(code: str, message: Any = "") -> None:
    """``fail`` and ``require`` in a contract."""
    charge(cell.meter.prices.message)
    fail(code, text(message) or "the contract gave no reason")


BINARY: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "Add": add, "Sub": subtract, "Mult": multiply, "FloorDiv": floor_divide, "Mod": modulo, "Pow": raise_power,
    "LShift": left_shift, "RShift": right_shift, "BitAnd": bit_and, "BitOr": bit_or, "BitXor": bit_xor,
}
IN_PLACE: Final[dict[str, Callable[[Any, Any], Any]]] = {**BINARY, "Add": add_in_place, "Mult": multiply_in_place}
UNARY: Final[dict[str, Callable[[Any], Any]]] = {"USub": negative, "UAdd": positive, "Invert": invert}
COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "Eq": equal, "NotEq": unequal, "Lt": less, "LtE": less_equal, "Gt": greater, "GtE": greater_equal,
    "In": contains, "NotIn": lacks,
}
