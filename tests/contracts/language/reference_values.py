"""The reference interpreter's values: payment, size, equality, order, dict keys, and the way to the ledger and back.

Written from docs/contracts/fuel.md. A record is a ``RecordValue``; every other value is Python's own.
"""

import sys
from typing import Any, NoReturn

from contracts.language import fuel
from contracts.language.annotations import DeclaredType, RecordType
from contracts.language.faults import ContractError, OutOfFuel
from contracts.language.fuel import Meter
from contracts.language.prices import PRICES_1

TEXT_MAX = 1_048_576
SEQUENCE_MAX = 262_144
STORED_MAX = 65_536
NESTED_MAX = 32
BOUND = 2**256
SCALARS = (int, bool, str, bytes, type(None))
WALKABLE = (list, tuple, dict, str, bytes, range)


class RecordValue:
    """One value of a declared record."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, kind: RecordType, fields: dict[str, Any]) -> None:
        self.kind = kind
        self.fields = fields


def stop(code: str, message: str = "") -> NoReturn:
    raise ContractError(code, message)


class Purse:
    """Payments from one meter."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def pay(self, units: int, size: int = 0) -> None:
        """Fuel and memory together; when both are gone, fuel is what ran out."""
        self.meter.left -= units
        self.meter.memory -= size
        if self.meter.left < 0:
            raise OutOfFuel
        if self.meter.memory < 0:
            stop("memory")

    def pay_text(self, length: int) -> None:
        """A text or bytes of ``length`` is about to be made."""
        if length > TEXT_MAX:
            stop("length")
        self.pay(length // 32, 4 * length + fuel.TEXT_BYTES)

    def pay_sequence(self, length: int, each: int = fuel.SLOT_BYTES) -> None:
        """A list or tuple of ``length`` is about to be made."""
        if length > SEQUENCE_MAX:
            stop("length")
        self.pay(length * PRICES_1.item, fuel.LIST_BYTES + length * each)

    def pay_crossing(self, parts: int, size: int) -> None:
        """A container crosses the seam to the ledger, either way."""
        self.pay((parts + 1) * PRICES_1.convert, size)

    def pay_crossing_text(self, value: str | bytes) -> None:
        if len(value) > TEXT_MAX:
            stop("length")
        self.pay(len(value) // 32, len(value) + fuel.TEXT_BYTES)

    def visit(self, value: Any, depth: int = 0) -> None:
        """Pays for each node of a value, as if nothing in it were shared."""
        kind = type(value)
        self.pay(PRICES_1.measure + (len(value) // 32 if kind in (str, bytes) else 0))
        if kind in SCALARS:
            return
        if depth >= NESTED_MAX:
            stop("depth")
        if kind in (list, tuple):
            for part in value:
                self.visit(part, depth + 1)
        elif kind is dict:
            self.pay_probes(list(value), len(value))
            for key, part in value.items():
                self.visit(key, depth + 1)
                self.visit(part, depth + 1)
        elif kind is RecordValue:
            for part in value.fields.values():
                self.visit(part, depth + 1)

    def pay_probes(self, keys: list[Any], size: int) -> None:
        """``keys`` go into a dict of ``size``: half a lookup's price for each whose hash an author knows."""
        known = len([key for key in keys if known_hash(key)])
        self.pay((size // 4) * known // 2)

    def key(self, values: dict[Any, Any], key: Any) -> Any:
        """A dict's key, its lookup paid for."""
        good_key(key)
        self.pay(PRICES_1.lookup + (len(values) // 4 if known_hash(key) else 0))
        return key


def number(value: Any) -> int:
    """An int, or a bool as 0 or 1."""
    if type(value) not in (int, bool):
        stop("type")
    return int(value)


def integer(value: Any) -> int:
    return value if type(value) is int else stop("type")


def text(value: Any) -> str:
    return value if type(value) is str else stop("type")


def within(value: int) -> int:
    if abs(value) >= BOUND:
        stop("overflow")
    return value


def length_of(values: Any) -> int:
    """How many elements; what can't be walked has none, and a range beyond 63 bits has no length."""
    if type(values) not in WALKABLE:
        stop("type")
    if type(values) is range:
        ahead = values.stop - values.start if values.step > 0 else values.start - values.stop
        count = max(0, -(-ahead // abs(values.step)))
        return count if count <= sys.maxsize else stop("overflow")
    return len(values)


# Equality and order.


def same(a: Any, b: Any) -> bool:
    if type(a) is RecordValue:
        return type(b) is RecordValue and a.kind == b.kind and same(list(a.fields.values()), list(b.fields.values()))
    if type(a) in (list, tuple):
        return type(a) is type(b) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if type(a) is dict:
        return type(b) is dict and len(a) == len(b) and all(key in b and same(part, b[key]) for key, part in a.items())
    if type(a) in (int, bool):
        return type(b) in (int, bool) and int(a) == int(b)
    return type(a) is type(b) and bool(a == b)


def compare(a: Any, b: Any) -> int:
    """−1, 0 or 1; code ``type`` where there is no order."""
    if type(a) in (int, bool) and type(b) in (int, bool):
        return (a > b) - (a < b)
    if type(a) is type(b) and type(a) in (str, bytes):
        return (a > b) - (a < b)
    if type(a) is type(b) and type(a) in (list, tuple):
        for x, y in zip(a, b, strict=False):
            if not same(x, y):
                return compare(x, y)
        return (len(a) > len(b)) - (len(a) < len(b))
    stop("type")


def known_hash(key: Any) -> bool:
    """No text in the key but empty ones."""
    if type(key) in (str, bytes):
        return len(key) == 0
    return all(map(known_hash, key)) if type(key) is tuple else True


def good_key(key: Any) -> Any:
    parts = key if type(key) is tuple else (key,)
    if len(parts) > 8:
        stop("key_type")
    numbers = 0
    for part in parts:
        if type(part) in (int, bool):
            numbers += 1
            if abs(part) >= 2**60:
                stop("key_type")
        elif type(part) not in (str, bytes) or len(part) > 1024:
            stop("key_type")
    if numbers > 1:
        stop("key_type")
    return key


# To the ledger and back.


def plain_size(value: Any) -> int:
    if type(value) is str:
        return 4 + len(value.encode("utf-8", "surrogatepass"))
    if type(value) is bytes:
        return 4 + len(value)
    if type(value) is list:
        return 4 + sum(plain_size(part) for part in value)
    return 8 if type(value) is int else 1


def is_amount(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**127


def is_identifier(value: Any) -> bool:
    return type(value) is str and len(value) <= 128 and all(" " <= letter <= "~" for letter in value)


def integer_out(value: int) -> Any:
    return value if -(2**63) <= value < 2**64 else value.to_bytes(33, "big", signed=True)


def integer_in(value: Any) -> int:
    if type(value) is int and -(2**63) <= value < 2**64:
        return value
    if type(value) is bytes and len(value) == 33:
        found = int.from_bytes(value, "big", signed=True)
        if not -(2**63) <= found < 2**64 and abs(found) < BOUND:
            return found
    stop("argument")


def _scalar(kind: str, value: Any, purse: Purse) -> Any:
    """A text, bytes, bool, None, address or asset: the same on both sides."""
    if kind in ("str", "bytes"):
        if type(value) is not (str if kind == "str" else bytes):
            stop("argument")
        if len(value) > 64:
            purse.pay_crossing_text(value)
    elif kind == "bool":
        if type(value) is not bool:
            stop("argument")
    elif kind == "none":
        if value is not None:
            stop("argument")
    elif not is_identifier(value):
        stop("argument")
    return value


def _sequence_checked(value: Any, kind: type[Any], count: int | None, purse: Purse) -> None:
    if type(value) is not kind or (count is not None and len(value) != count):
        stop("argument")
    if len(value) > SEQUENCE_MAX:
        stop("length")
    purse.pay_crossing(len(value), fuel.LIST_BYTES + fuel.ITEM_BYTES * len(value))


def enter(declared: DeclaredType, value: Any, purse: Purse) -> Any:
    """A plain value becomes a contract's, by its declared type."""
    match declared.kind:
        case "int":
            return integer_in(value)
        case "Amount":
            found = integer_in(value)
            return found if is_amount(found) else stop("argument")
        case "optional":
            return None if value is None else enter(declared.arguments[0], value, purse)
        case "list" | "tuple_of":
            _sequence_checked(value, list, None, purse)
            parts = [enter(declared.arguments[0], part, purse) for part in value]
            return parts if declared.kind == "list" else tuple(parts)
        case "tuple":
            _sequence_checked(value, list, len(declared.arguments), purse)
            return tuple([enter(kind, part, purse) for kind, part in zip(declared.arguments, value, strict=True)])
        case "dict":
            return _enter_dict(declared, value, purse)
        case "record":
            assert declared.record is not None
            _sequence_checked(value, list, len(declared.record.fields), purse)
            pairs = zip(declared.record.fields, value, strict=True)
            fields = {field.name: enter(field.type, part, purse) for field, part in pairs}
            return new_record(declared.record, fields, purse)
    value = _scalar(declared.kind, value, purse)
    if declared.kind == "str" and any("\ud800" <= letter <= "\udfff" for letter in value):
        stop("argument")
    return value


def _enter_dict(declared: DeclaredType, value: Any, purse: Purse) -> Any:
    if type(value) is not list:
        stop("argument")
    if len(value) > SEQUENCE_MAX:
        stop("length")
    purse.pay_crossing(2 * len(value), fuel.DICT_BYTES + fuel.DICT_ITEM_BYTES * len(value))
    result, keys = {}, []
    for pair in value:
        if type(pair) is not list or len(pair) != 2:
            stop("argument")
        key = good_key(enter(declared.arguments[0], pair[0], purse))
        keys.append(key)
        result[key] = enter(declared.arguments[1], pair[1], purse)
    purse.pay_probes(keys, len(keys))
    if len(result) != len(value):
        stop("argument")
    return result


def new_record(kind: RecordType, fields: dict[str, Any], purse: Purse) -> RecordValue:
    purse.pay(0, fuel.RECORD_BYTES + fuel.SLOT_BYTES * len(kind.fields))
    return RecordValue(kind, fields)


def leave(declared: DeclaredType, value: Any, purse: Purse) -> Any:
    """A contract's value becomes plain, by its declared type."""
    match declared.kind:
        case "int":
            return integer_out(value) if type(value) is int else stop("argument")
        case "Amount":
            return integer_out(value) if is_amount(value) else stop("argument")
        case "optional":
            return None if value is None else leave(declared.arguments[0], value, purse)
        case "list" | "tuple_of":
            _sequence_checked(value, list if declared.kind == "list" else tuple, None, purse)
            return [leave(declared.arguments[0], part, purse) for part in value]
        case "tuple":
            _sequence_checked(value, tuple, len(declared.arguments), purse)
            return [leave(kind, part, purse) for kind, part in zip(declared.arguments, value, strict=True)]
        case "dict":
            if type(value) is not dict:
                stop("argument")
            purse.pay_crossing(2 * len(value), 2 * (fuel.LIST_BYTES + fuel.ITEM_BYTES) * len(value))
            return [[leave(declared.arguments[0], key, purse), leave(declared.arguments[1], part, purse)]
                    for key, part in value.items()]
        case "record":
            assert declared.record is not None
            if type(value) is not RecordValue or value.kind != declared.record:
                stop("argument")
            count = len(declared.record.fields)
            purse.pay_crossing(count, fuel.LIST_BYTES + fuel.ITEM_BYTES * count)
            return [leave(field.type, value.fields[field.name], purse) for field in declared.record.fields]
    return _scalar(declared.kind, value, purse)


def leave_loose(value: Any, purse: Purse, depth: int = 0) -> Any:
    """An event's field or an argument to another contract, which has no declared type here."""
    kind = type(value)
    if kind is int:
        return value if -(2**63) <= value < 2**64 else stop("overflow")
    if kind in (str, bytes):
        purse.pay_crossing_text(value)
        return value
    if kind in (list, tuple):
        if depth >= NESTED_MAX:
            stop("depth")
        purse.pay_crossing(len(value), fuel.LIST_BYTES + fuel.ITEM_BYTES * len(value))
        return [leave_loose(part, purse, depth + 1) for part in value]
    return value if value is None or kind is bool else stop("type")


def passed(value: Any, purse: Purse, depth: int = 0) -> Any:
    """An argument to another contract, of whatever type; the callee holds it to its own."""
    kind = type(value)
    if kind is int:
        return integer_out(value)
    if kind in SCALARS:
        return leave_loose(value, purse)
    if depth >= NESTED_MAX:
        stop("depth")
    if kind is dict:
        purse.pay_crossing(2 * len(value), 2 * (fuel.LIST_BYTES + fuel.ITEM_BYTES) * len(value))
        return [[passed(key, purse, depth + 1), passed(part, purse, depth + 1)] for key, part in value.items()]
    if kind not in (list, tuple, RecordValue):
        stop("type")
    parts = list(value.fields.values()) if kind is RecordValue else list(value)
    purse.pay_crossing(len(parts), fuel.LIST_BYTES + fuel.ITEM_BYTES * len(parts))
    return [passed(part, purse, depth + 1) for part in parts]


def enter_loose(value: Any, purse: Purse) -> Any:
    if type(value) is list:
        purse.pay_crossing(len(value), fuel.LIST_BYTES + fuel.ITEM_BYTES * len(value))
        return [enter_loose(part, purse) for part in value]
    return value
