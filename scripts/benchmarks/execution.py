"""What executing a block costs, by stage: the way of a payment through the execution process, on a LevelDB of its own.

Blocks of signed payments within one bank go the way that the node's execution process takes them: read from a frame,
judged, run by the library's ``payments`` in the kernel, receipts and index rows encoded, the tree updated, one batch
written. ``core_us`` is the processor time of the whole process for one payment, LevelDB's own thread with it, in the
least disturbed block. ``stages`` are of further blocks in which a clock is read between the stages, each without what
it calls of the others, again the least; the clock makes them a little longer than the whole.

Payers and payees are drawn from all accounts, so at a million of them most rows are read from the disk.
"""

import gc
import tempfile
import time
from base64 import b32encode
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest import mock

from contracts import executor, records
from contracts.executor import Executor
from contracts.host import ContractHost
from contracts.kernel import layout, limit_rules
from contracts.kernel.layout import VERIFIED
from contracts.kernel.scope import Scope
from contracts.language.fuel import Meter
from contracts.records import decode_row, encode_row
from contracts.trial import CHAIN_ID, PREFIX, TRIAL_MS, Ledger, address_of, key_of
from node import collector
from node.execution import run_block
from node.execution_frames import EXECUTE, HEADER, frame, read_request
from scripts.benchmarks.constructs import PRELUDE
from state import codec, merkle
from state.block import Block, make_block
from state.certificate import Certificate
from state.codec import INT_MAX
from state.digest import NO_DIGEST
from state.parameters import ChainParameters
from state.store import Database
from state.transaction import Body, Call, Transaction, decode_again, sign
from state.tree import Tree
from state.votes import Commit
from state.world import World

SIZES: Final = (1_000, 1_000_000)
"""Accounts in the state."""
BLOCKS: Final = (100, 500, 1_000)
"""Payments of one block."""
ROUNDS: Final = 12
"""Blocks of each size whose time is taken as a whole; the same number again is timed by stages."""
COMMITTED: Final = 50_000
"""Keys that are written at once when a state is made."""
BALANCE: Final = 1_000_000_000
FUEL_LIMIT: Final = 200_000
ASSET: Final = "USD.alpine"
KEY: Final = key_of("customer")
"""One key for all customers: whose it is makes no difference to what is measured."""
BLOCK_MS: Final = 1_000
_LETTERS: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567=", b"qpzry9x8gf2tvdw0s3jn54khce6mua7lq")


def customer(number: int) -> str:
    """An address in form and length, spread as digests are."""
    name = b32encode(sha256(b"customer %d" % number).digest()).translate(_LETTERS).decode()
    return f"{PREFIX}1{name:q<58}"


def build(path: Path, accounts: int, base: dict[bytes, bytes | None], *, checked: bool) -> None:
    """Write the trial ledger's state with so many customers more; ``checked``: all that can be asked of them is."""
    database = Database.open(path, create=True)
    world = World.open(database)
    out = decode_row(base[layout.supply_key(ASSET)] or b"")[0]
    assert isinstance(out, int)
    world.commit(0, NO_DIGEST, base | {layout.supply_key(ASSET): encode_row([out + accounts * BALANCE])})
    rows: dict[bytes, bytes | None] = {}
    standing = (2, INT_MAX, "CH", "retail") if checked else None
    flags = layout.IDENTIFIED if checked else 0
    account = encode_row(("alpine", (((1, KEY.public, 1),), 1), "", flags, standing))
    balance = encode_row((BALANCE, 0))
    verified = encode_row(("alpine", VERIFIED, 2, INT_MAX, "CH", "retail", "", 1, "alpine"))
    for number in range(accounts):
        address = customer(number)
        rows[layout.account_key(address)] = account
        rows[layout.balance_key(address, ASSET)] = balance
        if checked:
            rows[layout.identity_key(address)] = verified
        if len(rows) >= COMMITTED:
            world.commit(world.height + 1, NO_DIGEST, rows)
            rows = {}
    world.commit(world.height + 1, NO_DIGEST, rows)
    if checked:
        _enforce(world)
    database.close()


def _enforce(world: World) -> None:
    """Have the asset ask for a level and limit what goes in and out."""
    executor = Executor(world, CHAIN_ID, ChainParameters(address_prefix=PREFIX))
    overlay = executor.overlay()
    issuer = ((1, key_of("alpine").public),)
    scope = Scope(overlay, PREFIX, 1, TRIAL_MS, NO_DIGEST, address_of("alpine"), issuer, Meter(FUEL_LIMIT))
    row = overlay.get(layout.asset_key(ASSET))
    assert row is not None
    overlay.put(layout.asset_key(ASSET), (*row[:5], 1))
    names = ("balance_max", "single_out", "single_in", "day_out", "day_in", "rolling_out", "rolling_in")
    limit_rules.set_limits(scope, ASSET, "retail", [(name, INT_MAX - 1) for name in names])
    changes = {name: None if row is None else encode_row(row) for name, row in overlay.changes().items()}
    world.commit(world.height + 1, NO_DIGEST, changes)


class Payments:
    """Blocks of payments, one after the other, on one world."""

    def __init__(self, executor: Executor, accounts: int) -> None:
        self.executor = executor
        self.accounts = accounts
        self._chosen = Random(1)
        self._signed = 0

    def request(self, count: int) -> bytes:
        """The next block with ``count`` payments, as it reaches the execution process."""
        world = self.executor.world
        height, parent = world.height + 1, world.block_digest
        time_ms = TRIAL_MS + height * BLOCK_MS
        signed = []
        for _ in range(count):
            payer = self._chosen.randrange(self.accounts)
            payee = (payer + 1 + self._chosen.randrange(self.accounts - 1)) % self.accounts
            call = Call("payments", 1, "pay", [customer(payee), "USD", 1, "benchmark"])
            self._signed += 1
            client_id = self._signed.to_bytes(16, "big")
            body = Body(CHAIN_ID, customer(payer), client_id, time_ms + 60_000, None, FUEL_LIMIT, (call,), ())
            signed.append(sign(body, [KEY]))
        block = make_block(
            chain_id=CHAIN_ID,
            height=height,
            parent=parent,
            parent_certificate=Certificate(Commit(height - 1, 0, parent), tuple((at, bytes(64)) for at in range(3))),
            timestamp_ms=time_ms,
            proposer=KEY.public,
            entries=[item.entry for item in signed],
            validators_digest=NO_DIGEST,
        )
        return frame(height, EXECUTE, [block.to_value(), [item.encoded for item in signed]])[HEADER.size :]

    def execute(self, request: bytes) -> None:
        """What the execution process does with a block. Each payment must succeed."""
        executed = run_block(self.executor, *self.read(request))
        assert set(executed.codes) == {"ok"}, f"payments fail: {set(executed.codes)}"

    def read(self, request: bytes) -> tuple[Block, list[Transaction]]:
        """As ``node.execution_worker`` reads it."""
        _, _, arguments = read_request(request)
        block_value, bodies = codec.fields(arguments, list, list)
        block = Block.from_value_again(block_value)
        listed = zip(codec.items(bodies, len(block.entries)), block.entries, strict=True)
        return block, [decode_again(codec.blob(body), entry) for body, entry in listed]


class Stages:
    """A clock read wherever one stage begins or ends: nanoseconds by stage, without what it calls of the others."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = dict.fromkeys((name for name, _, _ in _STAGES), 0)
        self._open: list[str] = []
        self._since = 0

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with the clock around it."""
        spent, within, clock = self.spent, self._open, time.perf_counter_ns

        def call(*arguments: Any, **named: Any) -> Any:
            now = clock()
            if within:
                spent[within[-1]] += now - self._since
            within.append(stage)
            self._since = clock()
            try:
                return function(*arguments, **named)
            finally:
                now = clock()
                spent[within.pop()] += now - self._since
                self._since = clock()

        return call

    def watch(self) -> ExitStack:
        """Have the clock read while the stack is open."""
        stack = ExitStack()
        for stage, owner, name in _STAGES:
            stack.enter_context(mock.patch.object(owner, name, self.timed(stage, getattr(owner, name))))
        return stack


_STAGES: Final[tuple[tuple[str, Any, str], ...]] = (
    ("read_request", Payments, "read"),
    ("block", Executor, "execute"),
    ("authority", Executor, "judge"),
    ("contract", Executor, "_call"),
    ("kernel", ContractHost, "ledger_call"),
    ("state_reads", Executor, "_read"),
    ("index_rows", executor._Record, "add"),
    ("receipt", records, "encoded_receipt"),
    ("roots", merkle, "root"),
    ("writes", Executor, "_commit"),
    ("tree", Tree, "prepare"),
    ("tree", Tree, "install"),
    ("batch", World, "commit"),
    ("leveldb", Database, "write"),
)
"""Stage, and the function it begins and ends with."""


def blocks(payments: Payments, count: int, rounds: int) -> dict[str, Any]:
    """Figures of blocks of ``count`` payments."""
    whole = []
    for number in range(rounds + 2):
        request = payments.request(count)
        started = time.process_time_ns()
        payments.execute(request)
        if number >= 2:
            whole.append(time.process_time_ns() - started)
    timed = []
    for _ in range(rounds):
        request, stages = payments.request(count), Stages()
        with stages.watch():
            payments.execute(request)
        timed.append(stages.spent)
    return {
        "payments": count,
        "core_us": round(min(whole) / count / 1_000, 2),
        "core_us_mean": round(sum(whole) / len(whole) / count / 1_000, 2),
        "stages": {name: round(min(spent[name] for spent in timed) / count / 1_000, 2) for name in timed[0]},
    }


def measure(
    say: Callable[[str], None],
    *,
    sizes: Sequence[int] = SIZES,
    counts: Sequence[int] = BLOCKS,
    rounds: int = ROUNDS,
) -> dict[str, Any]:
    """The whole benchmark; its figures."""
    base: dict[bytes, bytes | None] = dict(Ledger("bench", PRELUDE.encode()).executor.world.items())
    rows = []
    for accounts in sizes:
        for checked in (False, True):
            with tempfile.TemporaryDirectory(prefix="hansa-bench-") as directory:
                say(f"{accounts:,} accounts{', all checks on' if checked else ''}: writing the state")
                path = Path(directory) / "state"
                build(path, accounts, base, checked=checked)
                for row in measured(path, accounts, counts, rounds):
                    say(f"  blocks of {row['payments']:>5}: {row['core_us']} core-us a payment")
                    rows.append({"accounts": accounts, "checked": checked, **row})
    return {"blocks": rows}


def measured(path: Path, accounts: int, counts: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    """The figures on the state at ``path``, which the payments change."""
    database = Database.open(path)
    ledger = Executor(World.open(database), CHAIN_ID, ChainParameters(address_prefix=PREFIX))
    payments = Payments(ledger, accounts)
    try:
        collector.settle()
        return [blocks(payments, count, rounds) for count in counts]
    finally:
        gc.unfreeze()
        database.close()
