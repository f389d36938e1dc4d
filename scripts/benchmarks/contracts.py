"""The contract language on this machine: time per unit of fuel by construct, a transfer, the checker, compiling.

Each construct is timed in a loop, as compiled, against the real kernel on a ledger in memory; a loop without it is
taken off, and the best of several rounds counts. ``ns_per_fuel`` near 10 is what the price table aims at. No
construct may be more than SLOWER_MAX times slower for its price than the median: it could be used to hold up a block.
"""

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from contracts.deployed import Deployed
from contracts.host import ContractHost, invoke
from contracts.kernel import layout
from contracts.kernel.layout import Row
from contracts.kernel.scope import Scope
from contracts.language import Meter, at_height, check, compile_contract, run
from contracts.language.machine import _compile
from contracts.records import decode_row, encode_row
from contracts.trial import TRIAL_MS, Ledger, address_of, key_of
from scripts.benchmarks.constructs import PRELUDE, ROWS
from scripts.benchmarks.plain_transfer import pay
from state.overlay import Overlay
from state.store import Database
from state.world import World

SLOWER_MAX: Final = 5.0
"""A construct may be this many times slower for its price than the median one."""
PASSES: Final = 4
"""Times that all constructs are gone through, so that what else runs on the machine does not spoil one of them."""
ROUNDS: Final = 8
REPEATED: Final = 8
"""Copies of a statement in its loop."""
ROUND_NS: Final = 1_000_000
"""About how long one round of a construct takes: short, so that some are not disturbed."""
TURNS_MAX: Final = 400
EMITTED_TURNS: Final = 10
FUEL: Final = 1 << 60
TRANSFER_US_MAX: Final = 20.0
TRANSFER_RATIO_MAX: Final = 8.0
CHECKER_MS_MAX: Final = 50.0
CHECKER_LINES: Final = 500
STATE_KEYS: Final = 20_000
COMMITTED: Final = 2_000
SENDER: Final = "ann"
KEYS: Final = tuple((1, key_of(name).public) for name in (SENDER, "alpine"))
"""What signs: the payer, and the bank whose money it is."""


class Bench:
    """One contract on a ledger, and its kernel as a running contract reaches it. Its writes are its own."""

    def __init__(self, ledger: Ledger, source: str) -> None:
        self.executor = ledger.executor
        self.overlay: Overlay[Row] = self.executor.overlay()
        compiled = compile_contract(source.encode())
        self.deployed = Deployed("bench", ledger.names()["@bench"], 1, compiled, layout.paused_key("bench"))
        self.sender = address_of(SENDER)

    def scope(self) -> Scope:
        return Scope(self.overlay, "hansat", 2, TRIAL_MS, bytes(32), self.sender, KEYS, Meter(FUEL, FUEL))

    def run(self, method: str, *arguments: int) -> tuple[int, int]:
        """Nanoseconds and fuel of one call of the contract, its writes taken back."""
        savepoint = self.overlay.savepoint()
        spent = self.write(method, *arguments)
        self.overlay.rollback(savepoint)
        return spent

    def write(self, method: str, *arguments: int) -> tuple[int, int]:
        """Nanoseconds and fuel of one call of the contract."""
        scope = self.scope()
        scope.running.append("bench")
        host = ContractHost(scope, self.executor.contracts, self.deployed, scope.sender)
        started = time.perf_counter_ns()
        run(self.deployed.compiled, method, list(arguments), host, scope.meter)
        return time.perf_counter_ns() - started, scope.meter.used


def source_of(rows: tuple[tuple[str, str, str], ...]) -> str:
    """A contract with two actions for each row: a loop with its statement in it, and one without."""
    parts = [PRELUDE]
    for index, (_, setup, statement) in enumerate(rows):
        head = f"\n\n@action\ndef {{}}{index}(turns: int) -> None:\n"
        body = "".join(f"    {line}\n" for line in setup.splitlines()) + "    for turn in range(turns):\n"
        repeated = "\n".join([statement] * REPEATED)
        parts.append(head.format("full") + body + "".join(f"        {line}\n" for line in repeated.splitlines()))
        parts.append(head.format("empty") + body + "        pass\n")
    return "".join(parts)


def constructs(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Every row: its time, its fuel, and time for a unit of fuel."""
    ledger = _ledger()
    timings = [Timing(Bench(ledger, source_of((row,))), "emit(" in row[2] or "ledger." in row[2]) for row in ROWS]
    for number in range(PASSES):
        for timing in timings:
            timing.take()
        say(f"{len(timings)} constructs timed, pass {number + 1} of {PASSES}")
    return [{"construct": row[0], **timing.figures()} for row, timing in zip(ROWS, timings, strict=True)]


def _ledger() -> Ledger:
    return Ledger("bench", PRELUDE.encode())


class Timing:
    """One construct's loop with and without it: the least time of each, over all passes."""

    def __init__(self, bench: Bench, emits: bool) -> None:
        self.bench = bench
        bench.write("prepare")
        spent, _ = bench.run("full0", 1)
        self.turns = EMITTED_TURNS if emits else max(1, min(TURNS_MAX, ROUND_NS // max(spent, 1)))
        self.full = self.empty = (1 << 60, 0)

    def take(self) -> None:
        """One pass."""
        for _ in range(ROUNDS):
            self.full = min(self.full, self.bench.run("full0", self.turns))
            self.empty = min(self.empty, self.bench.run("empty0", self.turns))

    def figures(self) -> dict[str, float]:
        """Of one execution of the construct."""
        count = self.turns * REPEATED
        nanoseconds = (self.full[0] - self.empty[0]) / count
        return _figures(nanoseconds, (self.full[1] - self.empty[1]) / count)


def _figures(nanoseconds: float, fuel: float) -> dict[str, float]:
    return {"ns": round(nanoseconds, 1), "fuel": round(fuel, 1), "ns_per_fuel": round(nanoseconds / fuel, 2)}


def on_disk() -> list[dict[str, Any]]:
    """What a key of the state costs at commit and at its first read, where the state is on a disk."""
    with tempfile.TemporaryDirectory(prefix="hansa-bench-") as directory:
        world = World.open(Database.open(Path(directory), create=True))
        row = encode_row([7])
        world.commit(0, bytes(32), {_key(n): row for n in range(STATE_KEYS)}, {})
        started = time.perf_counter_ns()
        world.commit(1, bytes(32), {_key(STATE_KEYS + n): row for n in range(COMMITTED)}, {})
        committed = (time.perf_counter_ns() - started) / COMMITTED
        started = time.perf_counter_ns()
        for n in range(COMMITTED):
            decode_row(cast(bytes, world.get(_key(n * 7 % STATE_KEYS))))
        read = (time.perf_counter_ns() - started) / COMMITTED
    ledger = _ledger()
    write, look = (
        Timing(Bench(ledger, source_of((row,))), False)
        for row in (("write", "", "counts[turn] = 7"), ("look up", "", "x = turn in counts"))
    )
    write.take()
    look.take()
    return [
        {"construct": "Map: write a key, with its commit to a disk", **_with(write.figures(), committed)},
        {"construct": "Map: read a key from a disk", **_with(look.figures(), read)},
    ]


def _with(timed: dict[str, float], more_ns: float) -> dict[str, float]:
    return _figures(timed["ns"] + more_ns, timed["fuel"])


def _key(number: int) -> bytes:
    return f"data/bench/counts/{number:08d}".encode()


def _least_us(work: Callable[[], None], count: int, rounds: int = 200) -> float:
    """Microseconds of one of ``count`` pieces of work, in the least disturbed of many rounds."""
    least = None
    for _ in range(rounds):
        started = time.perf_counter_ns()
        work()
        spent = time.perf_counter_ns() - started
        least = spent if least is None else min(least, spent)
    assert least is not None
    return least / count / 1_000


def transfer() -> dict[str, Any]:
    """A payment within a bank through the library's ``payments``, and the same dictionary work in a plain function."""
    bench = Bench(_ledger(), PRELUDE)
    payments = bench.executor.contracts.find(bench.overlay, "payments")
    assert payments is not None
    to = address_of("bob")
    count = 20

    def call() -> None:
        savepoint = bench.overlay.savepoint()
        for _ in range(count):
            invoke(bench.scope(), bench.executor.contracts, payments, "pay", [to, "USD", 1, "rent"], bench.sender)
        bench.overlay.rollback(savepoint)

    def plain() -> None:
        for _ in range(count):
            pay(state, undo, events, KEYS, bench.sender, to, "USD", 1)
        events.clear()
        for key, before in reversed(undo):
            state[key] = before
        undo.clear()

    call()
    state = {key: cast(Any, decode_row(value)) for key, value in bench.executor.world.items()}
    undo: list[tuple[bytes, Any]] = []
    events: list[Any] = []
    contract_us, plain_us = _least_us(call, count), _least_us(plain, count)
    return {
        "contract_us": round(contract_us, 2),
        "plain_us": round(plain_us, 2),
        "ratio": round(contract_us / plain_us, 2),
        "contract_us_max": TRANSFER_US_MAX,
        "ratio_max": TRANSFER_RATIO_MAX,
    }


def checker() -> dict[str, Any]:
    """Checking and compiling a source of about CHECKER_LINES lines: the constructs above, one function for each row."""
    text = PRELUDE
    for index, (_, setup, statement) in enumerate(ROWS):
        body = "".join(f"    {line}\n" for line in f"{setup}\n{statement}".splitlines() if line)
        if text.count("\n") + body.count("\n") + 3 > CHECKER_LINES:
            break
        text += f"\n\n@action\ndef row{index}() -> None:\n{body}"
    source = text.encode()
    assert not check(source)
    checked_us = _least_us(lambda: _ignore(check(source)), 1, 15)
    compiled_us = _least_us(lambda: _ignore(_compile(source, bytes(32), at_height(0))), 1, 15)
    return {
        "lines": text.count("\n"),
        "bytes": len(source),
        "check_ms": round(checked_us / 1_000, 1),
        "check_ms_max": CHECKER_MS_MAX,
        "check_and_compile_ms": round(compiled_us / 1_000, 1),
    }


def _ignore(_: object) -> None:
    return None


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """The whole benchmark; its figures."""
    timed = constructs(say) + on_disk()
    median = statistics.median(row["ns_per_fuel"] for row in timed)
    for row in timed:
        row["times_median"] = round(row["ns_per_fuel"] / median, 2)
    slow = [row["construct"] for row in timed if row["times_median"] > SLOWER_MAX]
    timed.sort(key=lambda row: -cast(float, row["times_median"]))
    for row in timed[:12]:
        say(f"{row['construct']:44} {row['ns']:12.1f} ns {row['fuel']:10.1f} fuel {row['times_median']:6.2f} x median")
    return {
        "median_ns_per_fuel": round(median, 2),
        "times_median_max": max(row["times_median"] for row in timed),
        "slower_than_allowed": slow,
        "transfer": transfer(),
        "checker": checker(),
        "constructs": timed,
        "machine": {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version()},
    }
