"""Small real parts for tests of the node's pieces: four banks, signed blocks, a clock that obeys."""

import heapq
from collections.abc import Callable, Sequence
from random import Random

from contracts.genesis_state import validators_of
from node.chain import Chain, Outcome
from node.journal import Record
from node.seams import TimerFired
from node.timers import Timers
from p2p.bulk import DecidedBlock
from scripts.simulation import birth
from state.block import Block, make_block
from state.certificate import Certificate, CertifiedVote
from state.digest import NO_DIGEST
from state.memory import MemoryDatabase
from state.transaction import Transaction
from state.votes import Checkpoint, Commit, Vote, signing_payload

COUNT = 4
CHAIN_ID = birth.CHAIN_ID
PARAMETERS = birth.PARAMETERS
LAG = PARAMETERS.execution_lag
GENESIS_MS = birth.GENESIS_MS
BANKS = validators_of(birth.genesis(COUNT))
NAMES = [validator.member for validator in BANKS.validators]


def payments(count: int, seed: int = 1) -> list[Transaction]:
    """Different signed payments between the banks."""
    random = Random(seed)
    return [birth.payment(random, COUNT, GENESIS_MS) for _ in range(count)]


def sign(index: int, vote: Vote) -> bytes:
    """A bank's signature."""
    return birth.vote_key(NAMES[index]).sign(signing_payload(vote, CHAIN_ID))


def certified(vote: CertifiedVote, signers: Sequence[int] = (0, 1, 2)) -> Certificate:
    """A certificate by these banks."""
    return Certificate(vote, tuple((index, sign(index, vote)) for index in signers))


def make(
    parent: Block | None = None, transactions: Sequence[Transaction] = (), *, after_ms: int = 1_000, proposer: int = 0
) -> Block:
    """A block on genesis, or on another."""
    return make_block(
        chain_id=CHAIN_ID,
        height=1 if parent is None else parent.height + 1,
        parent=NO_DIGEST if parent is None else parent.digest,
        parent_certificate=None if parent is None else certified(Commit(parent.height, 0, parent.digest)),
        timestamp_ms=(GENESIS_MS if parent is None else parent.header.timestamp_ms) + after_ms,
        proposer=birth.vote_key(NAMES[proposer]).public,
        entries=[transaction.entry for transaction in transactions],
        validators_digest=BANKS.digest,
    )


def decided(block: Block, transactions: Sequence[Transaction] = ()) -> DecidedBlock:
    """The block as the chain keeps it."""
    certificate = certified(Commit(block.height, 0, block.digest))
    return DecidedBlock(block, certificate, tuple(transaction.encoded for transaction in transactions))


def grow(chain: Chain, bodies: Sequence[Sequence[Transaction]]) -> list[DecidedBlock]:
    """Append a block for each list of bodies; the blocks."""
    grown = []
    parent = None if chain.height == 0 else chain.decided(chain.height)
    for transactions in bodies:
        block = make(None if parent is None else parent.block, transactions)
        parent = decided(block, transactions)
        chain.append(block, parent.certificate, parent.transactions, b"rotation")
        grown.append(parent)
    return grown


def empty_chain() -> Chain:
    """A chain in memory."""
    return Chain(MemoryDatabase(), None)


def checkpoint_of(block: Block) -> Checkpoint:
    """Some result of executing it."""
    return Checkpoint(block.height, block.digest, bytes([1]) * 32, bytes([2]) * 32, BANKS.digest)


def outcome(mark: int = 0) -> Outcome:
    """Some result of executing a block."""
    return Outcome(bytes([mark]) * 32, bytes([2]) * 32, BANKS)


class ManualClock:
    """Time goes on when it is told to; both clocks start together."""

    def __init__(self) -> None:
        self.time_ms = 0
        self._sequence = 0
        self._due: list[tuple[int, int, TimerFired]] = []

    def now_ms(self) -> int:
        return GENESIS_MS + self.time_ms

    def monotonic_ms(self) -> int:
        return self.time_ms

    def fire(self, delay_ms: int, event: TimerFired) -> None:
        self._sequence += 1
        heapq.heappush(self._due, (self.time_ms + delay_ms, self._sequence, event))

    def pass_ms(self, timers: Timers, duration_ms: int, then: Callable[[], None] = lambda: None) -> None:
        """Let time pass; ``then`` ends each turn, as in the driver."""
        until_ms = self.time_ms + duration_ms
        while self._due and self._due[0][0] <= until_ms:
            self.time_ms, _, event = heapq.heappop(self._due)
            timers.fired(event)
            then()
        self.time_ms = until_ms
        then()


class Wire:
    """A network that keeps what was sent: (member, kind, payload); votes have no kind."""

    def __init__(self) -> None:
        self.sent: list[tuple[str | None, int | None, bytes]] = []
        self.barred: list[tuple[str, str, int]] = []

    def send_vote(self, member: str | None, payload: bytes) -> None:
        self.sent.append((member, None, payload))

    def send_bulk(self, member: str | None, kind: int, payload: bytes) -> None:
        self.sent.append((member, kind, payload))

    def bar(self, member: str, reason: str, seconds: int) -> None:
        self.barred.append((member, reason, seconds))


class Pages:
    """A journal as a list."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.tokens: list[int] = []

    @property
    def size_bytes(self) -> int:
        return sum(len(record.payload) for record in self.records)

    def append(self, record: Record) -> None:
        self.records.append(record)

    def sync(self, token: int) -> None:
        self.tokens.append(token)

    def compact(self, records: Sequence[Record]) -> None:
        self.records = list(records)
