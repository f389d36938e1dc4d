"""The machine: compiles a source once, and runs one method of it at a time.

A run is entered with a host and a meter. Whatever ends it, the cell is put back as it was, so that a contract called by
another leaves no trace. What a contract may end with is a value, ContractError or OutOfFuel; an
exception of CPython's becomes a fixed code by its class. The rest (the host's own errors, MemoryError, an assertion
of ours) passes through: it is this validator's fault and must not become a result.
"""

import hashlib
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from contracts.language.annotations import DeclaredType, Literal
from contracts.language.checker import analyse
from contracts.language.compiler import compile_functions
from contracts.language.faults import ContractError, OutOfFuel
from contracts.language.findings import Finding, Refused
from contracts.language.fuel import Meter
from contracts.language.kernel_interface import Host, Plain
from contracts.language.operators import cell
from contracts.language.program import Program
from contracts.language.values import LIST_SIZE, STORED_BYTES_MAX, Reader, Writer, plain_size, reader, writer
from contracts.language.versions import Version, at_height

COMPILED_MAX: Final = 256
"""Compiled contracts kept in memory, the least recently used going first."""
RECURSION_LIMIT: Final = 10_000
"""CPython's own limit, far above what our depth limits let a contract or the checker reach."""

assert __debug__, "Hansa does not run under python -O: its assertions are part of its safety"

_CODES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (ZeroDivisionError, "division_by_zero"),
    (KeyError, "key"),
    (IndexError, "index"),
    (NameError, "unbound"),
    (OverflowError, "overflow"),
    (AttributeError, "type"),
    (TypeError, "type"),
    (ValueError, "value"),
)
"""In order, subclasses first where it matters."""


@dataclass(frozen=True, slots=True)
class Method:
    """One exported method."""

    name: str
    writes: bool
    unwinds: bool
    """Whether it runs in a paused contract too; queries do anyway."""
    parameters: tuple[tuple[str, DeclaredType], ...]
    defaults: tuple[Any, ...]
    """Of the trailing parameters."""
    returns: DeclaredType
    document: str
    function: Callable[..., Any]
    readers: tuple[Reader, ...]
    write: Writer


@dataclass(frozen=True, slots=True)
class Compiled:
    """An accepted contract, ready to run."""

    digest: bytes
    """SHA-256 of the source."""
    version: Version
    program: Program
    actions: dict[str, Method]
    queries: dict[str, Method]
    invariants: tuple[str, ...]
    """Names of the queries that are always true."""
    deploy_fuel: int
    """What deploying it costs, by its size."""

    def method(self, name: str) -> Method | None:
        """The exported method of that name."""
        return self.actions.get(name) or self.queries.get(name)

    def abi(self) -> dict[str, Any]:
        """JSON Schema of each method."""
        from contracts.language.abi import describe

        return describe(self)


_cache: OrderedDict[tuple[bytes, int, int], Compiled] = OrderedDict()


def compile_contract(source: bytes, version: Version | None = None) -> Compiled:
    """The contract compiled under a version (none: the first), from the cache where known. Raises: Refused."""
    version = version or at_height(0)
    key = hashlib.sha256(source).digest(), version.language, version.cost
    compiled = _cache.get(key)
    if compiled is not None:
        _cache.move_to_end(key)
        return compiled
    compiled = _compile(source, key[0], version)
    _cache[key] = compiled
    while len(_cache) > COMPILED_MAX:
        _cache.popitem(last=False)
    return compiled


def _compile(source: bytes, digest: bytes, version: Version) -> Compiled:
    _raise_recursion_limit()
    program, findings = analyse(source)
    if findings:
        raise Refused(findings)
    try:
        functions, classes = compile_functions(program, version.prices)
    except (SyntaxError, RecursionError, ValueError):
        finding = Finding(1, 1, "syntax.error", "CPython does not compile this", "write it more simply")
        raise Refused([finding]) from None
    methods: dict[str, Method] = {}
    for function in program.functions.values():
        if function.kind == "helper":
            continue
        assert function.returns is not None
        parameters = tuple((name, declared) for name, declared in function.parameters if declared is not None)
        methods[function.name] = Method(
            function.name, function.kind in ("action", "unwind"), function.kind == "unwind", parameters,
            function.defaults, function.returns,
            function.document, functions[function.name],
            tuple(reader(declared, classes) for _, declared in parameters), writer(function.returns, classes))
    return Compiled(
        digest, version, program,
        {name: method for name, method in methods.items() if method.writes},
        {name: method for name, method in methods.items() if not method.writes},
        tuple(function.name for function in program.functions.values() if function.kind == "invariant"),
        version.prices.deploy + version.prices.deploy_byte * len(source))


def _raise_recursion_limit() -> None:
    if sys.getrecursionlimit() < RECURSION_LIMIT:
        sys.setrecursionlimit(RECURSION_LIMIT)


def run(compiled: Compiled, method_name: str, args: Sequence[Plain], host: Host, meter: Meter) -> Plain:
    """Runs one method on plain arguments and gives its plain result.

    Trailing arguments that have defaults may be left out. Raises: ContractError, OutOfFuel.
    """
    method = compiled.actions.get(method_name) or compiled.queries.get(method_name)
    if method is None:
        raise ContractError("method")
    if not len(method.readers) - len(method.defaults) <= len(args) <= len(method.readers):
        raise ContractError("argument_count")
    prices = compiled.version.prices
    size = LIST_SIZE + sum(map(plain_size, args))
    meter.charge(prices.argument * (len(args) + 1) + (size >> prices.storage_byte_shift))
    before = (cell.meter, cell.host, cell.context, cell.read_only, cell.in_host, cell.thread)
    thread = threading.get_ident()
    if before[1] is None:
        _raise_recursion_limit()
    else:
        assert before[5] == thread, "two threads run contracts"
    depth, callers_prices = meter.depth, meter.prices
    nested = before[1] is not None
    cell.meter, cell.host, cell.context, cell.in_host, cell.thread = meter, host, host.context, False, thread
    cell.read_only = not method.writes or (nested and before[3])
    meter.prices = prices
    try:
        # Inside, since a record that is read pays to the cell's meter.
        values = [read(value, meter) for read, value in zip(method.readers, args, strict=False)]
        plain: Plain = method.write(method.function(*values), meter)
        size = plain_size(plain)
        meter.charge(size >> prices.storage_byte_shift)
    except (ArithmeticError, LookupError, NameError, AttributeError, TypeError, ValueError) as error:
        if cell.in_host:
            raise
        raise ContractError(_code(error)) from None
    finally:
        meter.depth, meter.prices = depth, callers_prices
        cell.meter, cell.host, cell.context, cell.read_only, cell.in_host, cell.thread = before
    if meter.left < 0:
        raise OutOfFuel
    if size > STORED_BYTES_MAX:
        raise ContractError("length")
    return plain


def _code(error: Exception) -> str:
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return "fault"


__all__ = ["Compiled", "Literal", "Method", "compile_contract", "run"]
