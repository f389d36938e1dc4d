"""Runs a program under both implementations of the language and says where they differ.

``World`` is a small ledger in memory: contracts by address, their storage, balances that kernel calls move, events.
Each implementation gets a fresh one, and everything in it is compared at the end, whichever way the run ended: what
was written before a failure shows whether charges came before the work.
"""

import copy
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from contracts.language import CallContext, ContractError, Meter, OutOfFuel, Plain, compile_contract
from contracts.language import run as run_compiled
from contracts.language.faults import RULE_CODES
from contracts.language.fuel import MEMORY_BYTES_MAX
from contracts.language.kernel_interface import LEDGER_FUNCTIONS, StorageKey
from tests.contracts.language import reference_interpreter

MAIN = "hsa1contract"
SENDER = "hsa1sender"
NESTED_MAX = 6

Runner = Callable[[bytes, str, Sequence[Plain], Any, Meter], Plain]
Outcome = tuple[str, str, Any, int, int, str]
"""How a run ended (ok, a code, out_of_fuel), the contract's message, the result, fuel used, memory left, the world."""


class World:
    """Everything that contracts can reach."""

    def __init__(self, contracts: dict[str, bytes], run: Runner, meter: Meter) -> None:
        self.contracts = contracts
        self.run = run
        self.meter = meter
        self.stored: dict[tuple[str, str, StorageKey | None], Plain] = {}
        self.events: list[Any] = []
        self.asked: list[Any] = []
        self.balances: dict[tuple[str, str], int] = {("EUR", SENDER): 1_000_000}
        self.open: list[str] = []

    def digest(self) -> str:
        """One digest of all that happened."""
        entries = sorted((json.dumps([address, field, key], default=bytes.hex), value)
                         for (address, field, key), value in self.stored.items())
        parts = [entries, self.events, self.asked, sorted(self.balances.items())]
        return hashlib.sha256(json.dumps(parts, default=bytes.hex, ensure_ascii=True).encode()).hexdigest()


class Host:
    """The world as one running contract sees it."""

    def __init__(self, world: World, caller: str, contract: str) -> None:
        self.world = world
        self.context = CallContext(SENDER, caller, contract, 7, 1_700_000_000_000, b"\x11" * 32)

    def storage_get(self, field: str, key: StorageKey | None) -> Plain:
        return copy.deepcopy(self.world.stored.get((self.context.contract, field, key)))

    def storage_put(self, field: str, key: StorageKey | None, value: Plain) -> None:
        assert value is not None
        self.world.stored[self.context.contract, field, key] = copy.deepcopy(value)

    def storage_delete(self, field: str, key: StorageKey | None) -> None:
        self.world.stored.pop((self.context.contract, field, key), None)

    def emit(self, name: str, fields: dict[str, Plain]) -> None:
        self.world.events.append([self.context.contract, name, list(fields.items())])

    def ledger_call(self, function: str, args: tuple[Plain, ...]) -> Plain:
        self.world.asked.append([self.context.contract, function, list(args)])
        balances = self.world.balances
        match function, args:
            case "transfer", (str(asset), str(source), str(target), int(amount), _, _):
                if balances.get((asset, source), 0) < amount:
                    raise ContractError("not_enough", f"{source} has less")
                balances[asset, source] = balances.get((asset, source), 0) - amount
                balances[asset, target] = balances.get((asset, target), 0) + amount
                return None
            case ("balance" | "held"), (str(asset), str(account)):
                return balances.get((asset, account), 0)
        return {"None": None, "Amount": 5, "str": "open", "bool": True, "Address": SENDER, "Asset": "EUR"}.get(
            LEDGER_FUNCTIONS[function].returns, ["EUR", "bank", "hsa1bank", 2])

    def call(self, contract: str, method: str, args: list[Plain]) -> Plain:
        world = self.world
        world.asked.append([self.context.contract, contract, method, args])
        if contract in world.open:
            raise ContractError("reentered")
        if len(world.open) >= NESTED_MAX or contract not in world.contracts:
            raise ContractError("no_contract")
        world.open.append(contract)
        answer = world.run(world.contracts[contract], method, args,
                           Host(world, self.context.contract, contract), world.meter)
        world.open.pop()
        return answer


def compiled(source: bytes, method: str, args: Sequence[Plain], host: Any, meter: Meter) -> Plain:
    return run_compiled(compile_contract(source), method, args, host, meter)


def observe(run: Runner, contracts: dict[str, bytes], method: str, args: Sequence[Plain], fuel: int,
            memory: int = MEMORY_BYTES_MAX) -> Outcome:
    """One run of a contract's method in a world of its own."""
    meter = Meter(fuel, memory)
    world = World(contracts, run, meter)
    world.open.append(MAIN)
    kind, message, result = "ok", "", None
    try:
        result = run(contracts[MAIN], method, list(args), Host(world, SENDER, MAIN), meter)
    except ContractError as error:
        kind, message = error.code, error.message if error.code not in RULE_CODES else ""
    except OutOfFuel:
        kind = "out_of_fuel"
    left = 0 if kind in ("out_of_fuel", "memory") else meter.memory
    return kind, message, _shown(result), meter.used, left, world.digest()


def _shown(value: Any) -> Any:
    """A plain value in a form whose equality tells 1 from True."""
    return [_shown(part) for part in value] if isinstance(value, list) else (type(value).__name__, value)


def both(contracts: dict[str, bytes], method: str = "main", args: Sequence[Plain] = (), fuel: int = 2_000_000,
         memory: int = MEMORY_BYTES_MAX) -> tuple[Outcome, Outcome]:
    """What the compiled language does, and what the reference does. Raises: Refused."""
    for source in contracts.values():
        reference_interpreter.keep(source, compile_contract(source).program)
    return (observe(compiled, contracts, method, args, fuel, memory),
            observe(reference_interpreter.run, contracts, method, args, fuel, memory))
