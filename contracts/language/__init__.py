"""The contract language: typed Python in a subset that can't escape, hang, exhaust memory or differ.

A contract is one file. At module level stand a docstring, ``from hansa import …``, constants, ``@record`` classes,
storage (``Map``, ``Value``), helper functions, ``@action`` and ``@query`` functions; nothing else. The checker
(``checker``) allows or refuses a source with every finding; the compiler turns an accepted one into
functions with fuel charges injected; ``run`` runs one method against a ``Host``, which the kernel implements.

    compiled = compile_contract(source)              # Refused(findings) when the checker has any
    compiled.actions, compiled.queries               # dict[str, Method]
    compiled.abi()                                   # JSON Schema of every method
    compiled.deploy_fuel                             # what deploying it costs
    meter = Meter(fuel=1_000_000)
    value = run(compiled, "pay", [to, amount], host, meter)   # plain in, plain out (kernel_interface.Plain)

    class Meter:   left: int; used: int (property); charge(fuel: int) -> None  (raises OutOfFuel)
    class Method:  name: str; parameters: tuple[(name, DeclaredType)…]; returns: DeclaredType; writes: bool

``run`` raises ContractError(code, message) or OutOfFuel; whichever way it ends, ``meter`` says what was spent, and
undoing what was written is the caller's. A query runs with ``writes`` off: the language refuses what would
change state with code ``read_only``. Nested contract calls: ``Host.call`` calls ``run`` again with the same meter.
One thread at a time runs contracts in a process.
"""

from contracts.language.checker import check
from contracts.language.faults import ContractError, OutOfFuel
from contracts.language.findings import Finding, Refused
from contracts.language.fuel import Meter
from contracts.language.kernel_interface import (
    LEDGER_FUNCTIONS,
    CallContext,
    Host,
    KeyPart,
    Plain,
    Signature,
    StorageKey,
)
from contracts.language.machine import Compiled, Method, compile_contract, run
from contracts.language.versions import Version, at_height, version_of

__all__ = [
    "LEDGER_FUNCTIONS",
    "CallContext",
    "Compiled",
    "ContractError",
    "Finding",
    "Host",
    "KeyPart",
    "Meter",
    "Method",
    "OutOfFuel",
    "Plain",
    "Refused",
    "Signature",
    "StorageKey",
    "Version",
    "at_height",
    "check",
    "compile_contract",
    "run",
    "version_of",
]
