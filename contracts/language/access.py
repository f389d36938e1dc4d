"""What a contract does to the ledger: storage, events, kernel functions, other contracts.

Each function here checks and charges, copies values across the seam (``values``), then asks the host. While the
host runs, the cell says so: an error of the host's own is then never taken for a failure of the contract.
"""

from collections.abc import Callable
from typing import Any, Final

from contracts.language.annotations import parse_annotation
from contracts.language.constants import ADDRESS_CHARACTERS_MAX
from contracts.language.faults import fail
from contracts.language.fuel import exhausted
from contracts.language.kernel_interface import LEDGER_FUNCTIONS, Host, Plain, Signature
from contracts.language.operators import cell, charge, text
from contracts.language.program import StorageField
from contracts.language.values import (
    KEY_BYTES_MAX,
    STORED_BYTES_MAX,
    Reader,
    Writer,
    loose,
    passed,
    plain_size,
    reader,
    unloose,
    writer,
)
from contracts.language.vocabulary import NAME

CALL_ARGUMENTS_MAX: Final = 32
INDEX_SUFFIX: Final = ".index"
SHORT_TEXT_MAX: Final = 64
"""A text up to this long costs a kernel function nothing besides its own price."""


class Storage:
    """One declared ``Map``, ``OrderedMap`` or ``Value``, ready to be read and written."""

    __slots__ = ("default", "index", "key_kinds", "key_readers", "kinds", "name", "read", "single", "write")

    def __init__(self, field: StorageField, classes: dict[str, Any]) -> None:
        self.name = field.name
        self.index = field.name + INDEX_SUFFIX
        """Name of an ordered map's index; no source can spell it."""
        self.key_kinds = tuple(part.kind for part in field.key or ())
        self.kinds: tuple[Writer, ...] = tuple(writer(part, {}) for part in field.key or ())
        self.key_readers: tuple[Reader, ...] = tuple(reader(part, {}) for part in field.key or ())
        self.single = len(self.kinds) == 1
        self.read: Reader = reader(field.value, classes)
        self.write: Writer = writer(field.value, classes)
        self.default = field.default

    def key(self, key: Any) -> tuple[Any, ...]:
        """The key's parts, checked and paid for. Raises: ContractError."""
        parts = (key,) if self.single and type(key) is not tuple else key
        if type(parts) is not tuple or len(parts) != len(self.kinds):
            fail("argument", f"the key of {self.name} has {len(self.kinds)} parts")
        return self.checked(parts)

    def checked(self, parts: tuple[Any, ...]) -> tuple[Any, ...]:
        """A key's first parts as plain, paid for by size. Raises: ContractError."""
        meter = cell.meter
        plain = tuple([kind(part, meter) for kind, part in zip(self.kinds, parts, strict=False)])
        size = 0
        for part in plain:
            if type(part) is str or type(part) is bytes:
                size += len(part)
        if size > 32:
            if sum(map(plain_size, plain)) > KEY_BYTES_MAX:
                fail("length")
            charge(size >> meter.prices.storage_byte_shift)
        return plain

    def key_value(self, parts: tuple[Any, ...]) -> Any:
        """A key as the contract has it, from its plain parts."""
        meter = cell.meter
        values = tuple([read(part, meter) for read, part in zip(self.key_readers, parts, strict=True)])
        return values[0] if self.single else values


def _host() -> Host:
    host = cell.host
    assert host is not None
    return host


def fetch(name: str, key: tuple[Any, ...] | None) -> Plain:
    """What is stored, paid for by size; None where nothing is."""
    meter = cell.meter
    meter.charge(meter.prices.storage_read)
    cell.in_host = True
    plain = _host().storage_get(name, key)
    cell.in_host = False
    if plain is not None:
        meter.charge(plain_size(plain) >> meter.prices.storage_byte_shift)
    return plain


def store(name: str, key: tuple[Any, ...] | None, plain: Plain) -> None:
    """Stores a plain value, paid for by size. Raises: ContractError (length)."""
    meter = cell.meter
    meter.charge(meter.prices.storage_write)
    _sized_plain(plain)
    cell.in_host = True
    _host().storage_put(name, key, plain)
    cell.in_host = False


def erase(name: str, key: tuple[Any, ...] | None) -> None:
    """Removes what is stored."""
    meter = cell.meter
    meter.charge(meter.prices.storage_write)
    cell.in_host = True
    _host().storage_delete(name, key)
    cell.in_host = False


def _sized_plain(plain: Plain) -> Plain:
    size = plain_size(plain)
    if size > STORED_BYTES_MAX:
        fail("length")
    cell.meter.charge(size >> cell.meter.prices.storage_byte_shift)
    return plain


def writable() -> None:
    """Raises: ContractError (read_only), in a query."""
    if cell.read_only:
        fail("read_only")


def map_get(storage: Storage, key: Any) -> Any:
    """``storage[key]``. Raises: KeyError."""
    plain = fetch(storage.name, storage.key(key))
    if plain is None:
        raise KeyError
    return storage.read(plain, cell.meter)


def map_find(storage: Storage, key: Any, default: Any = None) -> Any:
    """``storage.get(key, default)``."""
    plain = fetch(storage.name, storage.key(key))
    return default if plain is None else storage.read(plain, cell.meter)


def map_has(storage: Storage, key: Any) -> bool:
    """``key in storage``."""
    return fetch(storage.name, storage.key(key)) is not None


def map_lacks(storage: Storage, key: Any) -> bool:
    """``key not in storage``."""
    return not map_has(storage, key)


def map_put(value: Any, storage: Storage, key: Any) -> None:
    """``storage[key] = value``."""
    put_plain(storage, storage.key(key), value)


def put_plain(storage: Storage, key: tuple[Any, ...] | None, value: Any) -> None:
    """Stores a contract's value under plain parts; None, where the type allows it, is kept as nothing."""
    writable()
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
    writable()
    parts = storage.key(key)
    if fetch(storage.name, parts) is None:
        raise KeyError
    erase(storage.name, parts)


def value_get(storage: Storage) -> Any:
    """``storage.get()`` of a Value."""
    plain = fetch(storage.name, None)
    return storage.default if plain is None else storage.read(plain, cell.meter)


def value_set(storage: Storage, value: Any) -> None:
    """``storage.set(value)``. None, where the type allows it, is kept as nothing."""
    put_plain(storage, None, value)


def emit(name: str, /, **fields: Any) -> None:
    """``emit("Name", field=value)``."""
    writable()
    meter = cell.meter
    meter.charge(meter.prices.emit)
    plain = {field: loose(value, meter) for field, value in fields.items()}
    _sized_plain([part for pair in plain.items() for part in pair])
    cell.in_host = True
    _host().emit(name, plain)
    cell.in_host = False


def call(contract: Any, method: Any, /, *arguments: Any) -> Any:
    """``call(contract, "method", …)``: another contract, the same meter; the answer is plain."""
    return unloose(_asked(contract, method, arguments), cell.meter)


def call_as(read: Reader, contract: Any, method: Any, /, *arguments: Any) -> Any:
    """``x: T = call(contract, "method", …)``: the answer is read as a T. Raises: ContractError (argument)."""
    return read(_asked(contract, method, arguments), cell.meter)


def _asked(contract: Any, method: Any, arguments: tuple[Any, ...]) -> Plain:
    meter = cell.meter
    meter.charge(meter.prices.cross_call)
    if len(arguments) > CALL_ARGUMENTS_MAX:
        fail("argument_count")
    plain: list[Plain] = [passed(value, meter) for value in arguments]
    _sized_plain(plain)
    if not NAME.match(text(method)) or len(method) > 64:
        fail("method")
    target = text(contract)
    cell.in_host = True
    answer = _host().call(target, method, plain)
    cell.in_host = False
    return answer


_ASK: Final = """
def ask({parameters}):
    meter = _cell.meter
    {guard}meter.left -= meter.prices.ledger[{name!r}]
    if meter.left < 0:
        _exhausted(meter)
    {writes}
    {sizes}
    _cell.in_host = True
    answer = _cell.host.ledger_call({name!r}, ({arguments}))
    _cell.in_host = False
    return {answer}
"""
"""What ``ledger.<name>(…)`` runs, its parameters written out, because a loop over them takes a third of a transfer."""
_GUARD: Final = """if _cell.read_only:
        _fail("read_only")
    """


_IDENTIFIER: Final = (
    f"type({{0}}) is str and _length({{0}}) <= {ADDRESS_CHARACTERS_MAX} and {{0}}.isascii() and {{0}}.isprintable()"
)
_CROSSES_FREE: Final = {
    "Address": _IDENTIFIER,
    "Asset": _IDENTIFIER,
    "Amount": f"type({{0}}) is int and 0 <= {{0}} < {1 << 64}",
    "str": f"type({{0}}) is str and _length({{0}}) <= {SHORT_TEXT_MAX} and {{0}}.isascii()",
}
"""Kind → when a value of it crosses as it is and for nothing, either way, so that no function need be asked."""


def _ledger_function(name: str, signature: Signature) -> Callable[..., Any]:
    namespace: dict[str, Any] = {
        "__builtins__": {}, "_cell": cell, "_exhausted": exhausted, "_fail": fail, "_length": len,
        "type": type, "str": str, "int": int,
        "_sized": _sized_plain, "_read": reader(parse_annotation(signature.returns), {}),
    }
    writes, sizes = [], []
    for parameter, kind in signature.parameters:
        namespace["_write_" + parameter] = writer(parse_annotation(kind), {})
        free = _CROSSES_FREE.get(kind, "False").format(parameter)
        writes.append(f"if not ({free}): {parameter} = _write_{parameter}({parameter}, meter)")
        if kind.startswith("list"):
            sizes.append(f"_sized({parameter})")
        elif kind == "str":
            sizes.append(f"_length({parameter}) > {SHORT_TEXT_MAX} and _sized({parameter})")
    answers_free = _CROSSES_FREE.get(signature.returns, "False").format("answer")
    source = _ASK.format(
        name=name,
        parameters=", ".join(parameter for parameter, _ in signature.parameters),
        arguments="".join(f"{parameter}, " for parameter, _ in signature.parameters),
        guard=_GUARD if signature.writes else "",
        writes="\n    ".join(writes),
        sizes="; ".join(sizes) or "pass",
        answer="answer" if signature.returns == "None" else f"answer if {answers_free} else _read(answer, meter)",
    )
    exec(compile(source, "<ledger>", "exec"), namespace)
    return namespace["ask"]  # type: ignore[no-any-return]


LEDGER: Final[dict[str, Callable[..., Any]]] = {
    name: _ledger_function(name, signature) for name, signature in LEDGER_FUNCTIONS.items()
}
"""kernel function → what ``ledger.<name>(…)`` runs, arguments complete and in order."""
