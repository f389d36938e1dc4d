"""Values: how they are measured, and how they cross the seam between a contract and the ledger.

Inside a contract a value is exactly None, bool, int, str, bytes, list, tuple, dict or a declared record. Outside it
is plain (``kernel_interface.Plain``). Crossing copies, checks the declared type, and charges by size, so nothing is
ever shared with storage. A declared type is finite; a value of no declared type (an event's field, an argument to
another contract) is walked to ``DEPTH_MAX``, which also refuses a value that contains itself.
"""

from collections.abc import Callable
from typing import Any, Final

from contracts.language.annotations import DeclaredType, RecordType
from contracts.language.constants import ADDRESS_CHARACTERS_MAX, AMOUNT_BITS_MAX
from contracts.language.faults import fail
from contracts.language.fuel import (
    DICT_BYTES,
    DICT_ITEM_BYTES,
    ITEM_BYTES,
    LIST_BYTES,
    RECORD_BYTES,
    TEXT_BYTES,
    Meter,
    exhausted,
)
from contracts.language.integers import INTEGER_BITS_MAX, LIMIT
from contracts.language.kernel_interface import Plain

DEPTH_MAX: Final = 32
TEXT_MAX: Final = 1 << 20
"""Characters of a text or bytes of a ``bytes``."""
SEQUENCE_MAX: Final = 1 << 18
"""Elements of a list, tuple or dict."""
STORED_BYTES_MAX: Final = 65_536
"""One stored value, event, argument list or result, by ``plain_size``."""
KEY_BYTES_MAX: Final = 512
DICT_KEY_LIMIT: Final = 1 << 60
"""Below this an int's hash is the int, so no two keys share one."""
DICT_KEY_TEXT_MAX: Final = 1_024
"""Characters in a dict's key, so that a lookup's cost has a bound."""
DICT_KEY_PARTS_MAX: Final = 8
LIST_SIZE: Final = 4
"""What a list counts for in ``plain_size``, beside what is in it."""
_SIMPLE: Final = frozenset({type(None), bool, str, bytes})
_WIDE_LOW: Final = -(1 << 63)
_WIDE_HIGH: Final = 1 << 64

Reader = Callable[[Any, Meter], Any]
Writer = Callable[[Any, Meter], Any]


class Record:
    """What every declared record's class derives from. Its fields' attributes can't be spelled in a source."""

    __slots__ = ()
    declared: RecordType
    slots: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return False
        mine = [getattr(self, slot) for slot in self.slots]
        theirs = [getattr(other, slot) for slot in self.slots]
        return mine == theirs

    __hash__ = None  # type: ignore[assignment]


def measure(value: Any, meter: Meter, depth: int = 0) -> None:
    """Charges for visiting ``value`` as if nothing in it were shared. Raises: ContractError (depth, type)."""
    kind = type(value)
    if kind is str or kind is bytes:
        cost = meter.prices.measure + (len(value) >> meter.prices.text_shift)
    else:
        cost = meter.prices.measure
    meter.left -= cost
    if meter.left < 0:
        exhausted(meter)
    if kind is int or kind is str or kind is bytes or kind is bool or value is None:
        return
    if depth >= DEPTH_MAX:
        fail("depth")
    if kind is list or kind is tuple:
        measure_each(value, meter, depth + 1)
    elif kind is dict:
        pay_insertions(value, len(value), meter)
        for key, item in value.items():
            measure(key, meter, depth + 1)
            measure(item, meter, depth + 1)
    elif issubclass(kind, Record):
        for slot in kind.slots:
            measure(getattr(value, slot), meter, depth + 1)
    elif kind is not range:
        fail("type")


def measure_each(values: Any, meter: Meter, depth: int = 0) -> None:
    """``measure`` of each element, numbers without a call for each: what is paid before a failure is the same."""
    numbers = 0
    for value in values:
        kind = type(value)
        if kind is int or kind is bool or value is None:
            numbers += 1
        else:
            _pay_numbers(numbers, meter)
            numbers = 0
            measure(value, meter, depth)
    _pay_numbers(numbers, meter)


def _pay_numbers(count: int, meter: Meter) -> None:
    meter.left -= count * meter.prices.measure
    if meter.left < 0:
        exhausted(meter)


def plain_size(value: Plain) -> int:
    """The size of a plain value in bytes, near enough to its encoding and the same everywhere."""
    if type(value) is str:
        return 4 + (len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass")))
    if type(value) is bytes:
        return 4 + len(value)
    if type(value) is list:
        return LIST_SIZE + sum(map(plain_size, value))
    return 8 if type(value) is int else 1


def _charge_items(meter: Meter, count: int, size: int) -> None:
    meter.left -= (count + 1) * meter.prices.convert
    meter.memory -= size
    if meter.left < 0 or meter.memory < 0:
        exhausted(meter)


def write_integer(value: int) -> Plain:
    """An int as plain: itself where canonical msgpack has room, else its two's complement."""
    if _WIDE_LOW <= value < _WIDE_HIGH:
        return value
    return value.to_bytes(INTEGER_BITS_MAX // 8 + 1, "big", signed=True)


def read_integer(value: Plain) -> int:
    """The inverse of ``write_integer``; one spelling for each int. Raises: ContractError (argument)."""
    if type(value) is int and _WIDE_LOW <= value < _WIDE_HIGH:
        return value
    if type(value) is bytes and len(value) == INTEGER_BITS_MAX // 8 + 1:
        number = int.from_bytes(value, "big", signed=True)
        if not _WIDE_LOW <= number < _WIDE_HIGH and -LIMIT < number < LIMIT:
            return number
    fail("argument")


def _exact(kind: type) -> Reader:
    def convert(value: Any, meter: Meter) -> Any:
        if type(value) is not kind:
            fail("argument")
        return value

    return convert


def _text(value: Any, meter: Meter) -> Any:
    if type(value) is not str:
        fail("argument")
    if len(value) > 64:
        _charge_text(value, meter)
    return value


def _octets(value: Any, meter: Meter) -> Any:
    if type(value) is not bytes:
        fail("argument")
    if len(value) > 64:
        _charge_text(value, meter)
    return value


def _charge_text(value: str | bytes, meter: Meter) -> None:
    if len(value) > TEXT_MAX:
        fail("length")
    meter.left -= len(value) >> meter.prices.text_shift
    meter.memory -= len(value) + TEXT_BYTES
    if meter.left < 0 or meter.memory < 0:
        exhausted(meter)


def read_text(value: Any, meter: Meter) -> Any:
    """A text from outside: no half surrogate pairs, whatever decoded it."""
    _text(value, meter)
    if not value.isascii() and any(0xD800 <= ord(character) < 0xE000 for character in value):
        fail("argument")
    return value


def _integer_in(value: Any, meter: Meter) -> Any:
    return read_integer(value)


def _integer_out(value: Any, meter: Meter) -> Any:
    if type(value) is not int:
        fail("argument")
    return write_integer(value)


def is_amount(value: object) -> bool:
    """Whether ``value`` is an int that an Amount may be."""
    return type(value) is int and value >= 0 and value.bit_length() <= AMOUNT_BITS_MAX


def is_identifier(value: object) -> bool:
    """Whether ``value`` has the shape of an address or asset: short printable ASCII, empty for none.

    The kernel knows which exist.
    """
    return type(value) is str and len(value) <= ADDRESS_CHARACTERS_MAX and value.isascii() and value.isprintable()


def _amount_in(value: Any, meter: Meter) -> Any:
    if type(value) is int and 0 <= value < _WIDE_HIGH:
        return value
    number = read_integer(value)
    if not is_amount(number):
        fail("argument")
    return number


def _amount_out(value: Any, meter: Meter) -> Any:
    if type(value) is int and 0 <= value < _WIDE_HIGH:
        return value
    if not is_amount(value):
        fail("argument")
    return write_integer(value)


def _identifier(value: Any, meter: Meter) -> Any:
    # ``is_identifier`` once more, in line: addresses and assets are what crosses most.
    if type(value) is str and len(value) <= ADDRESS_CHARACTERS_MAX and value.isascii() and value.isprintable():
        return value
    fail("argument")


def _none(value: Any, meter: Meter) -> Any:
    if value is not None:
        fail("argument")
    return None


_SCALAR_READERS: Final[dict[str, Reader]] = {
    "int": _integer_in, "bool": _exact(bool), "str": read_text, "bytes": _octets, "none": _none,
    "Amount": _amount_in, "Address": _identifier, "Asset": _identifier,
}
_SCALAR_WRITERS: Final[dict[str, Writer]] = {
    "int": _integer_out, "bool": _exact(bool), "str": _text, "bytes": _octets, "none": _none,
    "Amount": _amount_out, "Address": _identifier, "Asset": _identifier,
}


def reader(declared: DeclaredType, classes: dict[str, Any]) -> Reader:
    """A function from plain to a contract's value, for one declared type. It raises ContractError (argument)."""
    scalar = _SCALAR_READERS.get(declared.kind)
    return scalar if scalar is not None else _container(declared, classes, reader, True)


def writer(declared: DeclaredType, classes: dict[str, Any]) -> Writer:
    """A function from a contract's value to plain, for one declared type. It raises ContractError (argument)."""
    scalar = _SCALAR_WRITERS.get(declared.kind)
    return scalar if scalar is not None else _container(declared, classes, writer, False)


def _container(declared: DeclaredType, classes: dict[str, Any], make: Callable[..., Any], inward: bool) -> Any:
    if declared.record is not None:
        parts = [make(field.type, classes) for field in declared.record.fields]
        return (_record_reader if inward else _record_writer)(classes[declared.record.name], parts)
    parts = [make(argument, classes) for argument in declared.arguments]
    if declared.kind == "optional":
        return _optional(parts[0])
    if declared.kind == "dict":
        return (_dict_reader if inward else _dict_writer)(parts[0], parts[1])
    if declared.kind == "tuple":
        return _fixed(parts, list if inward else tuple, tuple if inward else list)
    outer: type[Any] = tuple if declared.kind == "tuple_of" else list
    return _repeated(parts[0], list if inward else outer, outer if inward else list)


def _optional(part: Reader) -> Reader:
    def convert(value: Any, meter: Meter) -> Any:
        return None if value is None else part(value, meter)

    return convert


def _repeated(part: Reader, source: type[Any], target: Callable[[Any], Any]) -> Reader:
    def convert(value: Any, meter: Meter) -> Any:
        if type(value) is not source:
            fail("argument")
        if len(value) > SEQUENCE_MAX:
            fail("length")
        _charge_items(meter, len(value), LIST_BYTES + ITEM_BYTES * len(value))
        return target([part(item, meter) for item in value])

    return convert


def _fixed(parts: list[Reader], source: type[Any], target: Callable[[Any], Any]) -> Reader:
    def convert(value: Any, meter: Meter) -> Any:
        if type(value) is not source or len(value) != len(parts):
            fail("argument")
        _charge_items(meter, len(parts), LIST_BYTES + ITEM_BYTES * len(parts))
        return target([part(item, meter) for part, item in zip(parts, value, strict=True)])

    return convert


def _dict_reader(key: Reader, item: Reader) -> Reader:
    def convert(value: Any, meter: Meter) -> Any:
        if type(value) is not list:
            fail("argument")
        if len(value) > SEQUENCE_MAX:
            fail("length")
        _charge_items(meter, 2 * len(value), DICT_BYTES + DICT_ITEM_BYTES * len(value))
        pairs = []
        for pair in value:
            if type(pair) is not list or len(pair) != 2:
                fail("argument")
            pairs.append((dict_key(key(pair[0], meter)), item(pair[1], meter)))
        pay_insertions([name for name, _ in pairs], len(pairs), meter)
        result = dict(pairs)
        if len(result) != len(value):
            fail("argument")
        return result

    return convert


def _dict_writer(key: Writer, item: Writer) -> Writer:
    def convert(value: Any, meter: Meter) -> Any:
        if type(value) is not dict:
            fail("argument")
        _charge_items(meter, 2 * len(value), 2 * (LIST_BYTES + ITEM_BYTES) * len(value))
        return [[key(name, meter), item(entry, meter)] for name, entry in value.items()]

    return convert


def _record_reader(kind: Any, parts: list[Reader]) -> Reader:
    def convert(value: Any, meter: Meter) -> Any:
        if type(value) is not list or len(value) != len(parts):
            fail("argument")
        _charge_items(meter, len(parts), RECORD_BYTES + ITEM_BYTES * len(parts))
        return kind(*[part(item, meter) for part, item in zip(parts, value, strict=True)])

    return convert


def _record_writer(kind: Any, parts: list[Writer]) -> Writer:
    pairs = list(zip(kind.slots, parts, strict=True))

    def convert(value: Any, meter: Meter) -> Any:
        if type(value) is not kind:
            fail("argument")
        _charge_items(meter, len(pairs), LIST_BYTES + ITEM_BYTES * len(pairs))
        return [part(getattr(value, slot), meter) for slot, part in pairs]

    return convert


def dict_key(key: Any) -> Any:
    """``key``, when a dict may hold it: short, and nothing whose hashes an author could make collide.

    Raises: ContractError (key_type).
    """
    kind = type(key)
    if kind is str or kind is bytes:
        if len(key) <= DICT_KEY_TEXT_MAX:
            return key
    elif kind is bool or (kind is int and -DICT_KEY_LIMIT < key < DICT_KEY_LIMIT):
        return key
    elif kind is tuple and len(key) <= DICT_KEY_PARTS_MAX:
        numbers = 0
        for part in key:
            part_kind = type(part)
            if part_kind is str or part_kind is bytes:
                if len(part) > DICT_KEY_TEXT_MAX:
                    fail("key_type")
            elif part_kind is bool or (part_kind is int and -DICT_KEY_LIMIT < part < DICT_KEY_LIMIT):
                numbers += 1
            else:
                fail("key_type")
        if numbers <= 1:
            return key
    fail("key_type")


def is_predictable(key: Any) -> bool:
    """Whether an author can know the hash of a dict's key: there is no text in it, or an empty one only."""
    kind = type(key)
    if kind is str or kind is bytes:
        return not key
    return kind is not tuple or all(map(is_predictable, key))


def pay_insertions(keys: Any, size: int, meter: Meter) -> None:
    """Pays for putting ``keys`` into a dict that comes to have ``size``, or for looking them up in it."""
    steps = size >> meter.prices.probe_shift
    if steps:
        meter.left -= steps * sum(map(is_predictable, keys)) >> 1
        if meter.left < 0:
            exhausted(meter)


def loose(value: Any, meter: Meter, depth: int = 0) -> Plain:
    """A value of no declared type as plain: no dict, record or int beyond 64 bits. Raises: ContractError."""
    kind = type(value)
    if kind is int:
        if not _WIDE_LOW <= value < _WIDE_HIGH:
            fail("overflow")
    elif kind is str or kind is bytes:
        _charge_text(value, meter)
    elif kind is list or kind is tuple:
        if depth >= DEPTH_MAX:
            fail("depth")
        _charge_items(meter, len(value), LIST_BYTES + ITEM_BYTES * len(value))
        return [loose(item, meter, depth + 1) for item in value]
    elif kind is not bool and value is not None:
        fail("type")
    return value  # type: ignore[no-any-return]


def passed(value: Any, meter: Meter, depth: int = 0) -> Plain:
    """An argument to another contract as plain, whatever its type: the callee holds it to its own.

    Raises: ContractError.
    """
    kind = type(value)
    if kind is int:
        return write_integer(value)
    if kind in _SIMPLE:
        return loose(value, meter)
    if depth >= DEPTH_MAX:
        fail("depth")
    if kind is list or kind is tuple:
        _charge_items(meter, len(value), LIST_BYTES + ITEM_BYTES * len(value))
        return [passed(item, meter, depth + 1) for item in value]
    if kind is dict:
        _charge_items(meter, 2 * len(value), 2 * (LIST_BYTES + ITEM_BYTES) * len(value))
        return [[passed(name, meter, depth + 1), passed(item, meter, depth + 1)] for name, item in value.items()]
    if not isinstance(value, Record):
        fail("type")
    _charge_items(meter, len(value.slots), LIST_BYTES + ITEM_BYTES * len(value.slots))
    return [passed(getattr(value, slot), meter, depth + 1) for slot in value.slots]


def unloose(value: Plain, meter: Meter) -> Any:
    """A plain value of no declared type, copied."""
    if type(value) is list:
        _charge_items(meter, len(value), LIST_BYTES + ITEM_BYTES * len(value))
        return [unloose(item, meter) for item in value]
    return value
