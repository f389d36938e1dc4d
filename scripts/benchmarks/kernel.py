"""The kernel alone on this machine: postings a second, what checks cost, look-ups in a thousand to a million accounts.

No consensus, no signatures, no contract but where it says so: overlay, scope and ``ledger``, as a block's transactions
use them, one after the other on one core. A posting is a payment between two of a thousand customers. Beside it stands
how many signatures libsodium verifies on one core, which each payment needs once.

``checks`` compares the same payments with nothing to check and with all of it: a verified identity at both parties, a
level that the asset asks for, limits by day and in sum, and a freeze of something else on every account.

A look-up reads the row and the balance of an account from a state on a disk, through a fresh overlay: ``us`` of
accounts that were looked up before, ``first_us`` of random ones that were not, since the state was opened. The best of
several rounds counts.
"""

import gc
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from contracts.deployed import Contracts, Deployed
from contracts.host import invoke
from contracts.kernel import freezes, holds, identity, layout, ledger, limit_rules
from contracts.kernel.layout import VERIFIED, Item, Leg, Row
from contracts.kernel.scope import Scope
from contracts.language.fuel import Meter
from contracts.records import decode_row, encode_row
from contracts.trial import TRIAL_MS, Ledger, address_of, key_of
from scripts.benchmarks.bound import verifies_of_one_core
from scripts.benchmarks.constructs import PRELUDE
from state.codec import INT_MAX
from state.digest import NO_DIGEST
from state.memory import MemoryDatabase
from state.overlay import Overlay
from state.store import Database
from state.world import World

CUSTOMERS: Final = 1_000
POSTINGS: Final = 200
"""Payments of one round: it is short, so that some rounds are not disturbed by what else runs."""
ROUNDS: Final = 150
VERIFY_TURNS: Final = 20
LOOKUPS: Final = 200
LOOKUP_ROUNDS: Final = 150
FIRST_ROUNDS: Final = 5
SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
"""Accounts in the state of the look-ups."""
COMMITTED: Final = 50_000
"""Keys that are written to the disk at once when a state is made."""
CHECKS_RATIO_MAX: Final = 1.5
LOOKUP_RATIO_MAX: Final = 1.5
BALANCE: Final = 1_000_000
FUEL: Final = 1 << 60
ASSET: Final = "USD.alpine"
OTHER: Final = "USD.central"
PREFIX: Final = "hansat"
KEY: Final = (1, key_of("customer").public)
"""One key for all customers: whose it is makes no difference to what is measured."""

Payment = tuple[str, str]


def customer(number: int) -> str:
    """An address in form and length."""
    return f"{PREFIX}1q{number:057d}"


def customer_rows(count: int) -> dict[bytes, Row]:
    """Account and balance of so many customers."""
    rows: dict[bytes, Row] = {}
    for number in range(count):
        address = customer(number)
        rows[layout.account_key(address)] = ("alpine", (((*KEY, 1),), 1), "", 0, None)
        rows[layout.balance_key(address, ASSET)] = (BALANCE, 0)
    return rows


def world_of(base: dict[bytes, bytes | None], count: int, database: Any) -> World:
    """The trial ledger's state with so many customers more."""
    world = World.open(database)
    rows = customer_rows(count)
    supply = layout.supply_key(ASSET)
    out = decode_row(base[supply] or b"")[0]
    assert isinstance(out, int)
    encoded = base | {supply: encode_row([out + count * BALANCE])}
    height = 0
    for key, row in rows.items():
        encoded[key] = encode_row(row)
        if len(encoded) >= COMMITTED:
            world.commit(height, NO_DIGEST, encoded, {})
            encoded, height = {}, height + 1
    world.commit(height, NO_DIGEST, encoded, {})
    return world


class Bench:
    """Payments on one state, each round of them taken back."""

    def __init__(self, world: World, customers: int, postings: int, contracts: Contracts) -> None:
        self.world = world
        self.contracts = contracts
        self.base: dict[bytes, Item] = {}
        chosen = Random(1)
        self.payments: list[Payment] = [
            (customer(payer), customer((payer + 1 + chosen.randrange(customers - 1)) % customers))
            for payer in (chosen.randrange(customers) for _ in range(postings))
        ]

    def overlay(self) -> Overlay[Row]:
        return Overlay(self._read)

    def _read(self, key: bytes) -> Row | None:
        data = self.world.get(key)
        return None if data is None else decode_row(data)

    def scope(self, overlay: Overlay[Row], payer: str) -> Scope:
        return Scope(overlay, PREFIX, 2, TRIAL_MS, NO_DIGEST, payer, (KEY,), Meter(FUEL, FUEL))

    def payments_us(
        self, rounds: int, pay: Callable[[Scope, str, str], object], *, is_cold: bool = False
    ) -> float:
        """Microseconds of one payment, its transaction's scope with it, in the least disturbed round.

        The overlay has read each row before, unless ``is_cold``: then the state decodes it within the round.
        """
        least, overlay = None, self.overlay()
        for number in range(rounds + 1):
            if is_cold:
                overlay = self.overlay()
            savepoint, scope_of = overlay.savepoint(), self.scope
            started = time.perf_counter_ns()
            for payer, payee in self.payments:
                scope = scope_of(overlay, payer)
                pay(scope, payer, payee)
                scope.settle()
            spent = time.perf_counter_ns() - started
            overlay.rollback(savepoint)
            if number:
                least = spent if least is None else min(least, spent)
        assert least is not None
        return least / len(self.payments) / 1_000

    def enforce(self) -> None:
        """Have every check apply to every customer: rows as identities, limits and orders leave them."""
        overlay = self.overlay()
        issuer = Scope(
            overlay, PREFIX, 1, TRIAL_MS, NO_DIGEST, address_of("alpine"), ((1, key_of("alpine").public),), Meter(FUEL)
        )
        key = layout.asset_key(ASSET)
        row = overlay.get(key)
        assert row is not None
        overlay.put(key, (*row[:5], 1))
        names = ("balance_max", "single_out", "single_in", "day_out", "day_in", "rolling_out", "rolling_in")
        limit_rules.set_limits(issuer, ASSET, "", [("balance_min", 1), *((name, INT_MAX) for name in names)])
        limit_rules.set_limits(issuer, ASSET, "retail", [(name, INT_MAX - 1) for name in names])
        for address in sorted({address for payment in self.payments for address in payment}):
            verified = ("alpine", VERIFIED, 2, TRIAL_MS + 1_000_000, "CH", "retail", "", 1, "alpine")
            identity.keep(issuer, address, verified)
            freezes.add(issuer, address, (1, OTHER, freezes.SEND, 1, 0), is_asset=False)
        changes = {name: None if row is None else encode_row(row) for name, row in overlay.changes().items()}
        self.world.commit(self.world.height + 1, NO_DIGEST, changes, {})


def transfer(scope: Scope, payer: str, payee: str) -> None:
    """A journal of two legs."""
    ledger.transfer(scope, ASSET, payer, payee, 1, "payment", "")


def split(scope: Scope, payer: str, payee: str) -> None:
    """A journal of six legs."""
    others: list[Leg] = [(ASSET, customer(number), 1) for number in range(4)]
    legs: Sequence[Leg] = [(ASSET, payer, -5), *others, (ASSET, payee, 1)]
    ledger.journal(scope, legs, "payment")


def reserve_and_post(scope: Scope, payer: str, payee: str) -> None:
    """A hold that can expire, posted in part."""
    hold = holds.create(scope, ASSET, payer, 3, payee, TRIAL_MS + 60_000, "escrow", "")
    holds.post(scope, hold, 2, "escrow")


def through(contracts: Contracts, payments: Deployed) -> Callable[[Scope, str, str], object]:
    """The same payment by the library's contract, sandbox and fuel with it."""
    return lambda scope, payer, payee: invoke(scope, contracts, payments, "pay", [payee, "USD", 1, ""], payer)


def checks(
    bench: Bench, checked: Bench, rounds: int, by_contract: Callable[[Scope, str, str], object]
) -> dict[str, Any]:
    """The same payments with all checks and with none, in turns, so that what else runs here meets both."""
    found: dict[str, Any] = {}
    for name, pay, is_cold in (
        ("kernel", transfer, False),
        ("through_payments", by_contract, False),
        ("kernel_rows_not_read_before", transfer, True),
    ):
        pairs = [
            (bench.payments_us(1, pay, is_cold=is_cold), checked.payments_us(1, pay, is_cold=is_cold))
            for _ in range(rounds)
        ]
        found[name] = _compared(min(off for off, _ in pairs), min(on for _, on in pairs))
    return found | {"ratio_max": CHECKS_RATIO_MAX}


def committed_us(bench: Bench, rounds: int) -> float:
    """Microseconds of one payment with the state tree and the database in memory brought up to date."""
    least = None
    for _ in range(rounds):
        overlay = bench.overlay()
        started = time.perf_counter_ns()
        for payer, payee in bench.payments:
            scope = bench.scope(overlay, payer)
            transfer(scope, payer, payee)
            scope.settle()
        changes = {key: None if row is None else encode_row(row) for key, row in overlay.changes().items()}
        bench.world.commit(bench.world.height + 1, NO_DIGEST, changes, {})
        spent = time.perf_counter_ns() - started
        least = spent if least is None else min(least, spent)
    assert least is not None
    return least / len(bench.payments) / 1_000


def lookup_us(world: World, accounts: int, count: int, rounds: int) -> tuple[float, float]:
    """Microseconds to read an account's row and balance: one that was read before, and one that was not."""
    numbers = Random(accounts).sample(range(accounts), min(accounts, count * FIRST_ROUNDS))
    parts = [numbers[start : start + count] for start in range(0, len(numbers), count)]
    first = min(_looked_up_us(world, part) for part in parts)
    return min(_looked_up_us(world, parts[0]) for _ in range(rounds)), first


def _looked_up_us(world: World, numbers: Sequence[int]) -> float:
    addresses = [customer(number) for number in numbers]
    bench = Bench(world, 2, 0, Contracts())
    scope = bench.scope(bench.overlay(), "")
    started = time.perf_counter_ns()
    for address in addresses:
        scope.account(address)
        ledger.balance(scope, address, ASSET)
    return (time.perf_counter_ns() - started) / len(addresses) / 1_000


def lookups(
    base: dict[bytes, bytes | None], sizes: Sequence[int], count: int, rounds: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """One state on a disk for each size."""
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="hansa-bench-") as directory:
            database = Database.open(Path(directory), create=True)
            world_of(base, size, database)
            database.close()
            database = Database.open(Path(directory))
            again, first = lookup_us(World.open(database), size, count, rounds)
            database.close()
        say(f"{size:>9,} accounts: a look-up takes {again:.2f} us, the first {first:.2f} us")
        rows.append({"accounts": size, "us": round(again, 2), "first_us": round(first, 2)})
    ratio = rows[-1]["us"] / rows[0]["us"]
    return {"sizes": rows, "ratio": round(ratio, 2), "ratio_max": LOOKUP_RATIO_MAX}


def measure(
    say: Callable[[str], None],
    *,
    customers: int = CUSTOMERS,
    postings: int = POSTINGS,
    rounds: int = ROUNDS,
    sizes: Sequence[int] = SIZES,
    lookup_count: int = LOOKUPS,
    lookup_rounds: int = LOOKUP_ROUNDS,
    verify_seconds: float = 0.05,
) -> dict[str, Any]:
    """The whole benchmark; its figures. What lives is not looked through for garbage meanwhile."""
    gc.collect()
    gc.freeze()
    try:
        return _measured(
            say, customers, postings, rounds, sizes, lookup_count, lookup_rounds, verify_seconds
        )
    finally:
        gc.unfreeze()


def _measured(
    say: Callable[[str], None],
    customers: int,
    postings: int,
    rounds: int,
    sizes: Sequence[int],
    lookup_count: int,
    lookup_rounds: int,
    verify_seconds: float,
) -> dict[str, Any]:
    executor = Ledger("bench", PRELUDE.encode()).executor
    base: dict[bytes, bytes | None] = dict(executor.world.items())
    bench = Bench(world_of(base, customers, MemoryDatabase()), customers, postings, executor.contracts)
    payments = executor.contracts.find(bench.overlay(), "payments")
    assert payments is not None
    by_contract = through(executor.contracts, payments)
    posting_us = bench.payments_us(rounds, transfer)
    verifies = max(verifies_of_one_core(verify_seconds) for _ in range(VERIFY_TURNS))
    per_second = 1_000_000 / posting_us
    say(f"{per_second:,.0f} postings/s on one core, which verifies {verifies:,.0f} signatures/s")
    figures: dict[str, Any] = {
        "postings_per_second": round(per_second),
        "verifies_per_second": round(verifies),
        "postings_for_a_verify": round(per_second / verifies, 2),
        "us": {
            "transfer": round(posting_us, 2),
            "journal_of_six_legs": round(bench.payments_us(rounds, split), 2),
            "hold_and_post": round(bench.payments_us(rounds, reserve_and_post), 2),
            "through_payments": round(bench.payments_us(rounds, by_contract), 2),
            "transfer_of_rows_not_read_before": round(bench.payments_us(rounds, transfer, is_cold=True), 2),
            "transfer_with_commit": round(committed_us(bench, rounds), 2),
        },
    }
    checked = Bench(world_of(base, customers, MemoryDatabase()), customers, postings, executor.contracts)
    checked.enforce()
    figures["checks"] = checks(bench, checked, rounds, by_contract)
    off_us, on_us = figures["checks"]["kernel"]["off_us"], figures["checks"]["kernel"]["on_us"]
    say(f"with identity, freezes and limits {on_us:.2f} us, without {off_us:.2f} us")
    figures["lookups"] = lookups(base, sizes, lookup_count, lookup_rounds, say)
    figures["machine"] = {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}
    return figures


def _compared(off_us: float, on_us: float) -> dict[str, float]:
    return {"off_us": round(off_us, 2), "on_us": round(on_us, 2), "ratio": round(on_us / off_us, 2)}
