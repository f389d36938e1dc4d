"""What a contract does to the ledger: storage, events, kernel functions, other contracts.

Each function here checks and charges, copies values across the seam (``values``), then asks the host. While the
host runs, the cell says so: an error of the host's own is then never taken for a failure of the contract.
"""

from collections.abc import Callable
from typing import Any, Final

from contracts.language.annotations import parse_annotation
from contracts.language.faults import fail
from contracts.language.kernel_interface import LEDGER_FUNCTIONS, Host, Plain, Signature
from contracts.language.operators import cell, charge, text
from contracts.language.program import StorageField
from contracts.language.values import (
    KEY_BYTES_MAX,
    STORED_BYTES_MAX,
    Reader,
    Writer,
    loose,
    plain_size,
    reader,
    unloose,
    writer,
)
from contracts.language.vocabulary import NAME

CALL_ARGUMENTS_MAX: Final = 32


class Storage:
    """One declared ``Map`` or ``Value``, ready to be read and written."""

    __slots__ = ("default", "kinds", "name", "read", "single", "write")

    def __init__(self, field: StorageField, classes: dict[str, Any]) -> None:
        self.name = field.name
        self.kinds: tuple[Writer, ...] = tuple(writer(part, {}) for part in field.key or ())
        self.single = len(self.kinds) == 1
        self.read: Reader = reader(field.value, classes)
        self.write: Writer = writer(field.value, classes)
        self.default = field.default

    def key(self, key: Any) -> tuple[Any, ...]:
        """The key's parts, checked and paid for. Raises: ContractError."""
        meter = cell.meter
        parts = (key,) if self.single and type(key) is not tuple else key
        if type(parts) is not tuple or len(parts) != len(self.kinds):
            fail("argument", f"the key of {self.name} has {len(self.kinds)} parts")
        plain = tuple([kind(part, meter) for kind, part in zip(self.kinds, parts, strict=True)])
        size = 0
        for part in plain:
            if type(part) is str or type(part) is bytes:
                size += len(part)
        if size > 32:
            if sum(map(plain_size, plain)) > KEY_BYTES_MAX:
                fail("length")
            charge(size >> cell.meter.prices.storage_byte_shift)
        return plain


def _host() -> Host:
    host = cell.host
    assert host is not None
    return host


def _fetch(storage: Storage, key: tuple[Any, ...] | None) -> Plain:
    meter = cell.meter
    meter.charge(meter.prices.storage_read)
    cell.in_host = True
    plain = _host().storage_get(storage.name, key)
    cell.in_host = False
    if plain is not None:
        meter.charge(plain_size(plain) >> meter.prices.storage_byte_shift)
    return plain


def _sized_plain(plain: Plain) -> Plain:
    size = plain_size(plain)
    if size > STORED_BYTES_MAX:
        fail("length")
    cell.meter.charge(size >> cell.meter.prices.storage_byte_shift)
    return plain


def _writable() -> None:
    if cell.read_only:
        fail("read_only")


def map_get(storage: Storage, key: Any) -> Any:
    """``storage[key]``. Raises: KeyError."""
    plain = _fetch(storage, storage.key(key))
    if plain is None:
        raise KeyError
    return storage.read(plain, cell.meter)


def map_find(storage: Storage, key: Any, default: Any = None) -> Any:
    """``storage.get(key, default)``."""
    plain = _fetch(storage, storage.key(key))
    return default if plain is None else storage.read(plain, cell.meter)


def map_has(storage: Storage, key: Any) -> bool:
    """``key in storage``."""
    return _fetch(storage, storage.key(key)) is not None


def map_lacks(storage: Storage, key: Any) -> bool:
    """``key not in storage``."""
    return not map_has(storage, key)


def map_put(value: Any, storage: Storage, key: Any) -> None:
    """``storage[key] = value``."""
    _put(storage, storage.key(key), value)


def _put(storage: Storage, key: tuple[Any, ...] | None, value: Any) -> None:
    _writable()
    meter = cell.meter
    meter.charge(meter.prices.storage_write)
    plain = _sized_plain(storage.write(value, meter))
    cell.in_host = True
    if plain is None:
        _host().storage_delete(storage.name, key)
    else:
        _host().storage_put(storage.name, key, plain)
    cell.in_host = False


def map_delete(storage: Storage, key: Any) -> None:
    """``del storage[key]``. Raises: KeyError."""
    _writable()
    parts = storage.key(key)
    if _fetch(storage, parts) is None:
        raise KeyError
    cell.meter.charge(cell.meter.prices.storage_write)
    cell.in_host = True
    _host().storage_delete(storage.name, parts)
    cell.in_host = False


def value_get(storage: Storage) -> Any:
    """``storage.get()`` of a Value."""
    plain = _fetch(storage, None)
    return storage.default if plain is None else storage.read(plain, cell.meter)


def value_set(storage: Storage, value: Any) -> None:
    """``storage.set(value)``. None, where the type allows it, is kept as nothing."""
    _put(storage, None, value)


def emit(name: str, /, **fields: Any) -> None:
    """``emit("Name", field=value)``."""
    _writable()
    meter = cell.meter
    meter.charge(meter.prices.emit)
    plain = {field: loose(value, meter) for field, value in fields.items()}
    _sized_plain([part for pair in plain.items() for part in pair])
    cell.in_host = True
    _host().emit(name, plain)
    cell.in_host = False


def call(contract: Any, method: Any, /, *arguments: Any) -> Any:
    """``call(contract, "method", …)``: another contract, the same meter."""
    meter = cell.meter
    meter.charge(meter.prices.cross_call)
    if len(arguments) > CALL_ARGUMENTS_MAX:
        fail("argument_count")
    plain: list[Plain] = [loose(value, meter) for value in arguments]
    _sized_plain(plain)
    if not NAME.match(text(method)) or len(method) > 64:
        fail("method")
    cell.in_host = True
    answer = _host().call(text(contract), method, plain)
    cell.in_host = False
    return unloose(answer, meter)


def _ledger_function(name: str, signature: Signature) -> Callable[..., Any]:
    writers = tuple(writer(parse_annotation(kind), {}) for _, kind in signature.parameters)
    read = reader(parse_annotation(signature.returns), {})

    def ask(*arguments: Any) -> Any:
        if signature.writes and cell.read_only:
            fail("read_only")
        meter = cell.meter
        meter.charge(meter.prices.ledger[name])
        plain = tuple([write(value, meter) for write, value in zip(writers, arguments, strict=True)])
        for part in plain:
            if type(part) is list or (type(part) is str and len(part) > 64):
                _sized_plain(part)
        cell.in_host = True
        answer = _host().ledger_call(name, plain)
        cell.in_host = False
        return read(answer, meter)

    return ask


LEDGER: Final[dict[str, Callable[..., Any]]] = {
    name: _ledger_function(name, signature) for name, signature in LEDGER_FUNCTIONS.items()
}
"""kernel function → what ``ledger.<name>(…)`` runs, arguments complete and in order."""
