"""What a block costs in things that can be counted: the same numbers on any machine, however busy.

Four nodes agree in one process and in virtual time, through the production driver, replica, pool, signer, recorder,
chain and executor, over links, journals and disks in memory that only count. Nobody fails and every message takes
LINK_MS, so a run is the same every time. Signatures, hashes and codec calls are counted where CPython calls them
(``sys.setprofile``), so that nothing has to be built in for it and nothing escapes by another import.

A block of ONE payment and a block of MANY are decided under each primary in turn. The difference tells what a
transaction costs, the rest is the block's. All numbers are of one node, in the mean over the four.
"""

import heapq
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from consensus.replica import Replica
from consensus.start import Identity
from contracts.executor import Executor
from node import records, seams, start
from node.chain import Chain
from node.driver import Driver, Parts
from node.execution import run_block
from node.history import ValidatorHistory
from node.journal import Record
from node.pool import Pool
from node.proposing import Pace
from node.quota import Quota
from node.signer import Signer
from scripts.simulation import birth
from state.address import account_address
from state.block import Block
from state.codec import Value
from state.keys import KeyPair
from state.memory import MemoryDatabase
from state.policy import Policy
from state.transaction import Body, Call, Transaction, sign
from state.world import World

COUNT = 4
"""Validators."""
LINK_MS = 1
SYNC_MS = 1
SETTLE_MS = 400
"""After this long without an event of anybody's but timers, a block and what follows it are over."""
HEARTBEAT_MS = 60_000
ONE, MANY = 1, 21
CUSTOMERS = 2 * MANY
FUEL = 200_000
ROOT = Path(__file__).parent.parent.parent

PYTHON_CALLS = {
    ("state/codec.py", "pack"): "encodes",
    ("state/codec.py", "unpack"): "decodes",
    ("state/codec.py", "unpack_again"): "decodes again",
    ("state/transaction.py", "decode"): "transaction decodes",
    ("state/transaction.py", "decode_again"): "transaction decodes again",
    ("state/transaction.py", "has_valid_signatures"): "transaction verifies",
    ("consensus/messages.py", "decode"): "message decodes",
    ("consensus/messages.py", "encode"): "message encodes",
}
"""Functions of ours that are counted, by file and name."""

C_CALLS = {
    "openssl_sha256": "hashes",
    "crypto_sign_open": "verifies",
    "crypto_sign_verify_detached": "verifies",
    "crypto_sign": "signs",
    "crypto_sign_detached": "signs",
}
"""Functions of libraries that are counted, by name."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a block and a transaction cost each node."""

    per_block: dict[str, float]
    per_transaction: dict[str, float]


class Nodes:
    """Four quiet nodes and their clock."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.seen: Counter[str] = Counter()
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self.nodes = [_Node(birth.bank(index), self) for index in range(COUNT)]
        for node in self.nodes:
            node.driver.start()
        for node in self.nodes:
            for other in self.nodes:
                if other is not node:
                    node.driver.handle(seams.PeerJoined(other.member, 0, b""))
                    node.driver.handle(seams.BulkUp(other.member))
        self.settle()

    def after(self, delay_ms: int, act: Callable[[], None]) -> None:
        """Have something done later; what is due at one time is done in the order of asking."""
        self._sequence += 1
        heapq.heappush(self._due, (self.now_ms + delay_ms, self._sequence, act))

    def settle(self) -> None:
        """Let time pass until nothing but far timers is left to come."""
        until_ms = self.now_ms + SETTLE_MS
        while self._due and self._due[0][0] <= until_ms:
            self.now_ms, _, act = heapq.heappop(self._due)
            height = self.nodes[0].chain.height
            act()
            if self.nodes[0].chain.height > height:
                until_ms = self.now_ms + SETTLE_MS
        self.now_ms = until_ms

    def decide(self, transactions: Sequence[Transaction]) -> None:
        """Submit at the first node, and let all nodes decide and execute it in one block."""
        height = self.nodes[0].chain.height
        encoded = tuple(transaction.encoded for transaction in transactions)
        self.nodes[0].driver.handle(seams.Submitted(height, encoded))
        self.settle()
        for node in self.nodes:
            assert node.chain.height == height + 1, "one block for what is submitted together"
            assert node.codes[-1] == ("ok",) * len(transactions), "every payment succeeds, everywhere"


class _Node:
    """A node whose seams count."""

    def __init__(self, member: str, world: Nodes) -> None:
        self.member = member
        self.world = world
        self.codes: list[tuple[str, ...]] = []
        self.chain = Chain(MemoryDatabase(), None)
        validators = birth.validators(COUNT)
        lag = birth.PARAMETERS.execution_lag
        history = ValidatorHistory(validators, lag, self.chain)
        self.executor = Executor(World.open(MemoryDatabase()), birth.CHAIN_ID, birth.PARAMETERS)
        self.executor.apply_genesis(birth.genesis(COUNT))
        recovered = records.read(())
        key = KeyPair.from_seed(birth.vote_key(member).seed)  # The simulator's own remembers what it signed.
        signer = Signer(key, birth.CHAIN_ID, self, recovered)
        identity = Identity(signer.public, birth.CHAIN_ID, birth.PARAMETERS, birth.GENESIS_MS)
        begun = start.start_state(self.chain, signer, history, lag, 0)
        self.driver = Driver(
            Parts(
                chain_id=birth.CHAIN_ID,
                parameters=birth.PARAMETERS,
                chain=self.chain,
                pool=Pool(),
                replica=Replica(identity, begun),
                validators=history,
                signer=signer,
                executed_height=0,
                next_due_ms=None,
                quota=Quota(0),
                kept_bodies=(),
                clock=self,
                network=self,
                journal=self,
                verifier=self,
                execution=self,
                listener=self,
                pace=Pace(heartbeat_ms=HEARTBEAT_MS),
            )
        )

    def post(self, delay_ms: int, event: seams.Event) -> None:
        self.world.after(delay_ms, lambda: self.driver.handle(event))

    # Clock

    def now_ms(self) -> int:
        return birth.GENESIS_MS + self.world.now_ms

    def monotonic_ms(self) -> int:
        return self.world.now_ms

    def fire(self, delay_ms: int, event: seams.TimerFired) -> None:
        self.post(delay_ms, event)

    # Network

    def send_vote(self, member: str | None, payload: bytes) -> None:
        self._send(member, seams.VoteFrame(self.member, payload), "vote", len(payload))

    def send_bulk(self, member: str | None, kind: int, payload: bytes) -> None:
        self._send(member, seams.BulkFrame(self.member, kind, payload), "bulk", len(payload))

    def bar(self, member: str, reason: str, seconds: int) -> None:
        raise AssertionError("nobody attacks")

    def _send(self, member: str | None, event: seams.Event, link: str, size: int) -> None:
        for other in self.world.nodes:
            if other is not self and member in (None, other.member):
                self.world.seen[f"{link} frames"] += 1
                self.world.seen[f"{link} bytes"] += size
                other.post(LINK_MS, event)

    # Journal

    @property
    def size_bytes(self) -> int:
        return 0

    def append(self, record: Record) -> None:
        self.world.seen["journal records"] += 1
        self.world.seen["journal bytes"] += len(record.payload)

    def sync(self, token: int) -> None:
        self.world.seen["syncs"] += 1
        self.post(SYNC_MS, seams.Synced(token))

    def compact(self, kept: Sequence[Record]) -> None:
        raise AssertionError("the journal is short")

    # Verifier and execution

    def verify(self, token: int, transactions: Sequence[Transaction]) -> None:
        valid = tuple(transaction.has_valid_signatures() for transaction in transactions)
        self.post(0, seams.Verified(token, valid))

    def execute(self, block: Block, transactions: Sequence[Transaction]) -> None:
        self.post(0, run_block(self.executor, block, transactions))

    # Listener

    def admitted(self, token: int, results: Sequence[seams.Admission]) -> None:
        assert all(result.refused is None for result in results)

    def executed(self, block: Block, event: seams.Executed) -> None:
        self.codes.append(event.codes)

    def expired(self, transaction_ids: Sequence[bytes]) -> None:
        raise AssertionError("nothing expires")

    def certified(self, height: int) -> None:
        pass

    def evidence(self, encoded: bytes) -> None:
        raise AssertionError("nobody lies")

    def log(self, level: int, message: str, **facts: object) -> None:
        raise AssertionError(f"nothing is worth a line: {message} {facts}")

    def outdated(self, height: int, version: int) -> None:
        raise AssertionError("nobody votes for it")

    def halted(self, halt: object) -> None:
        raise AssertionError("nobody halts")


@dataclass
class _Payments:
    """Customers of the first bank who pay each other."""

    count: int = 0
    now_ms: Callable[[], int] = field(default=lambda: birth.GENESIS_MS)

    def opening(self) -> list[Transaction]:
        """What opens their accounts, in order."""
        bank = birth.bank(0)
        key, address = birth.account_key(bank), birth.address(bank)
        keys: list[Value] = [[_key(number).public, birth.SALT] for number in range(CUSTOMERS)]
        deposits: list[Value] = [[_address(number), 1_000] for number in range(CUSTOMERS)]
        return [
            self._signed(key, address, Call("bank_money", 1, "create", ["USD"]), 90_000_000),
            self._signed(key, address, Call("accounts", 1, "register", [keys]), 90_000_000),
            self._signed(key, address, Call("bank_money", 1, "mint", ["USD", deposits, "opening"]), 90_000_000),
        ]

    def some(self, count: int) -> list[Transaction]:
        """Payments of different customers to different others."""
        return [
            self._signed(
                _key(number), _address(number), Call("payments", 1, "pay", [_address(MANY + number), "USD", 1, "rent"])
            )
            for number in range(count)
        ]

    def _signed(self, key: KeyPair, sender: str, call: Call, fuel: int = FUEL) -> Transaction:
        self.count += 1
        identity = self.count.to_bytes(16, "big")
        return sign(Body(birth.CHAIN_ID, sender, identity, self.now_ms() + 60_000, None, fuel, (call,), ()), [key])


def figures() -> dict[str, Any]:
    """For the JSON and the table."""
    found = measure()
    return {
        "per_block": {name: round(value, 3) for name, value in found.per_block.items()},
        "per_transaction": {name: round(value, 3) for name, value in found.per_transaction.items()},
    }


def measure() -> Counts:
    """Count. The same answer every time."""
    nodes = Nodes()
    payments = _Payments(now_ms=nodes.nodes[0].now_ms)
    for transaction in payments.opening():
        nodes.decide([transaction])
    for number in range(2 * COUNT):  # Every program and cache has seen what comes.
        nodes.decide(payments.some(MANY if number < COUNT else ONE))
    one, many = _counted(nodes, payments, ONE), _counted(nodes, payments, MANY)
    each = {name: (many[name] - one[name]) / (MANY - ONE) for name in sorted(one | many)}
    return Counts({name: one[name] - ONE * each[name] for name in each}, each)


def _counted(nodes: Nodes, payments: _Payments, size: int) -> defaultdict[str, float]:
    """Of one node and one block, in the mean over nodes and primaries."""
    total: Counter[str] = Counter()
    for _ in range(COUNT):
        chosen = payments.some(size)
        nodes.seen.clear()
        with counting(nodes.seen):
            nodes.decide(chosen)
        total.update(nodes.seen)
    return defaultdict(float, {name: value / COUNT / COUNT for name, value in total.items()})


@contextmanager
def counting(seen: Counter[str]) -> Iterator[None]:
    """Count calls of PYTHON_CALLS and C_CALLS while this is open."""
    prefix = f"{ROOT}/"
    watched = {(prefix + path, name): label for (path, name), label in PYTHON_CALLS.items()}

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            code = frame.f_code
            label = watched.get((code.co_filename, code.co_name))
        elif event == "c_call":
            label = C_CALLS.get(argument.__name__)
        else:
            return
        if label is not None:
            seen[label] += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)


def _key(number: int) -> KeyPair:
    return KeyPair.from_seed(number.to_bytes(32, "big"))


def _address(number: int) -> str:
    policy = Policy.of_key(_key(number).public).encode()
    return account_address(birth.PARAMETERS.address_prefix, policy, birth.SALT)
