"""Admission: how transactions come in, from clients and from peers, and where their bodies are kept.

A transaction is decoded and checked once, its signatures are verified once in a batch, and from then on it is known
to be good: in the pool until a block takes it, and, if an undecided block lists it, kept here whatever the pool
evicts.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from node.chain import Chain
from node.history import ParameterHistory
from node.offences import OFFENCES
from node.pool import Pool
from node.pressure import Level
from node.seams import Admission as Result
from state import transaction, validity
from state.block import Block
from state.errors import Invalid, Reason
from state.parameters import ChainParameters
from state.transaction import Transaction

VERIFYING_MAX = 65_536
"""Transactions whose signatures are being checked; beyond it this door is closed until some are done."""

RECENT_BLOCKS = 64
"""Of so many decided blocks the ids are remembered: what was at the verifier meanwhile need not be looked up again."""

Verify: TypeAlias = Callable[[Sequence[Transaction], Callable[[Sequence[bool]], None]], None]
"""Has signatures checked off this path, then calls back in the driver's turn."""


@dataclass(slots=True)
class _Batch:
    """Transactions at the verifier."""

    token: int | None
    """The client's token; None for what a peer sent."""
    peer: str | None
    height: int
    """Height of the chain when they came in: those that are not ``wanted`` were not decided then."""
    results: list[Result | None] = field(default_factory=list)
    """One for each transaction as a client submitted it; None for those at the verifier."""
    verifying: list[Transaction] = field(default_factory=list)
    wanted: set[bytes] = field(default_factory=set)
    """Entries that a block listed when they came in."""
    offences: int = 0


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a finished batch brings."""

    token: int | None
    results: list[Result]
    """One for each that a client submitted."""
    transactions: list[Transaction]
    """Those that are good and were not known before."""
    bad_signatures: int
    peer: str | None
    """Who sent it, if no client did."""
    offences: int
    """How many of them no correct peer sends: bytes that are no transaction, and wrong signatures."""
    wanted: list[bytes]
    """Entries, of whatever was good, that a block waits for."""


class Door:
    """Takes transactions in and finds bodies."""

    def __init__(
        self,
        chain_id: bytes,
        limits: ParameterHistory,
        chain: Chain,
        pool: Pool,
        verify: Verify,
        admitted: Callable[[Admitted], None],
        level: Callable[[], Level] = lambda: Level.CALM,
    ) -> None:
        """
        :param admitted: called with every finished batch.
        :param level: which clients are heard; what peers send always is.
        """
        self._chain_id = chain_id
        self._limits = limits
        self._chain = chain
        self._pool = pool
        self._verify = verify
        self._admitted = admitted
        self._level = level
        self._verifying: set[bytes] = set()
        self._wanted: dict[bytes, int] = {}
        self._kept: dict[bytes, Transaction] = {}
        self._recent: deque[list[bytes]] = deque()
        self._recent_ids: set[bytes] = set()

    @property
    def kept_count(self) -> int:
        """Bodies that are kept for undecided blocks."""
        return len(self._kept)

    @property
    def verifying_count(self) -> int:
        """Transactions whose signatures are being checked."""
        return len(self._verifying)

    def submit(self, token: int, encoded: Sequence[bytes], now_ms: int) -> None:
        """Take what clients sent."""
        self._begin(token, None, encoded, now_ms)

    def receive(self, peer: str, encoded: Sequence[bytes], now_ms: int) -> None:
        """Take what a peer sent: gossip, or bodies that were asked for."""
        self._begin(None, peer, encoded, now_ms)

    def find(self, entry: bytes) -> Transaction | None:
        """The verified transaction that a block lists as ``entry``."""
        kept = self._kept.get(entry)
        if kept is not None:
            return kept
        pending = self._pool.get(entry[:32])
        return pending if pending is not None and pending.entry == entry else None

    def is_verifying(self, entry: bytes) -> bool:
        """Whether the body is here and its signatures are being checked."""
        return entry in self._verifying

    def missing(self, block: Block) -> list[bytes]:
        """Entries of the block whose bodies are not here; found ones are kept until ``release``."""
        missing = []
        for entry in block.entries:
            found = self.find(entry)
            if found is None:
                missing.append(entry)
            else:
                self._kept[entry] = found
        return missing

    def was_decided(self, transaction_id: bytes) -> bool:
        """Whether a decided block lists the id. What is pending was not: that was checked when it came in."""
        return transaction_id not in self._pool and self._chain.place(transaction_id) is not None

    def want(self, entries: Iterable[bytes]) -> None:
        """Keep the bodies of these when they come, whatever the pool says of them."""
        for entry in entries:
            self._wanted[entry] = self._wanted.get(entry, 0) + 1

    def unwant(self, entries: Iterable[bytes]) -> None:
        """Undo one ``want``."""
        for entry in entries:
            left = self._wanted.get(entry, 0) - 1
            if left > 0:
                self._wanted[entry] = left
            else:
                self._wanted.pop(entry, None)

    def keep(self, items: Iterable[Transaction]) -> None:
        """Keep verified bodies that came another way."""
        for item in items:
            self._kept[item.entry] = item

    def release(self, block: Block) -> None:
        """The block is appended: its bodies need not be kept any longer."""
        for entry in block.entries:
            self._kept.pop(entry, None)
        transaction_ids = block.transaction_ids()
        self._recent.append(transaction_ids)
        self._recent_ids.update(transaction_ids)
        if len(self._recent) > RECENT_BLOCKS:
            self._recent_ids.difference_update(self._recent.popleft())

    def release_all(self) -> None:
        """No block is being looked at: nothing needs to be kept."""
        self._kept.clear()

    def _begin(self, token: int | None, peer: str | None, encoded: Sequence[bytes], now_ms: int) -> None:
        batch = _Batch(token, peer, self._chain.height)
        level = Level.CALM if token is None else self._level()
        limits = self._limits.at(batch.height + 1)
        for data in encoded:
            identity: bytes | None = None
            try:
                item = transaction.decode(data)
                identity = item.id
                if self._check(item, now_ms, limits):
                    batch.wanted.add(item.entry)
                if level is Level.BUSY or (level is Level.CROWDED and self._pool.holds(item.body.sender)):
                    raise Invalid(Reason.BUSY, "the network is busy with what was sent before; send again in a moment")
            except Invalid as error:
                # Of a transaction that can be read, only its signatures are the peer's own doing: limits go by height.
                batch.offences += identity is None and error.reason in OFFENCES
                if token is not None:
                    batch.results.append(Result(identity, error))
                continue
            self._verifying.add(item.entry)
            batch.verifying.append(item)
            if token is not None:
                batch.results.append(None)
        if batch.verifying:
            self._verify(batch.verifying, lambda valid: self._finish(batch, valid))
        else:
            self._finish(batch, ())

    def _finish(self, batch: _Batch, valid: Sequence[bool]) -> None:
        fresh: list[Transaction] = []
        wanted: list[bytes] = []
        bad_signatures = 0
        outcomes: list[Result] = []
        has_grown = self._chain.height > batch.height
        for item, is_valid in zip(batch.verifying, valid, strict=True):
            self._verifying.discard(item.entry)
            refused: Invalid | None = None
            if is_valid:
                if item.entry in self._wanted:
                    self._kept[item.entry] = item
                    wanted.append(item.entry)
                try:
                    if item.entry in batch.wanted:  # a liar's block may list what no block may: that is kept alone
                        validity.check_transaction(item, self._chain_id, self._limits.at(self._chain.height + 1))
                        self._check_unknown(item)
                    elif has_grown and self._was_decided_since(batch.height, item.id):
                        raise Invalid(Reason.DUPLICATE, "the transaction is already decided")
                    self._pool.add(item)
                    fresh.append(item)
                except Invalid as error:
                    refused = error
            else:
                bad_signatures += 1
                refused = Invalid(Reason.BAD_SIGNATURE, "a signature does not match its key and this transaction")
            if refused is not None:
                batch.offences += refused.reason in OFFENCES
            if batch.token is not None:
                outcomes.append(Result(item.id, refused))
        rest = iter(outcomes)
        results = [next(rest) if result is None else result for result in batch.results]
        self._admitted(Admitted(batch.token, results, fresh, bad_signatures, batch.peer, batch.offences, wanted))

    def _check(self, item: Transaction, now_ms: int, limits: ChainParameters) -> bool:
        """Whether a block lists it, so that it is taken whatever the chain and the clock say of it.

        :raises Invalid: why its signatures are not worth checking.
        """
        if item.entry in self._verifying:
            raise Invalid(Reason.DUPLICATE, "the transaction is already being checked")
        if len(self._verifying) >= VERIFYING_MAX:
            raise Invalid(Reason.FULL, "too many transactions are being checked; send again in a moment")
        if item.entry in self._wanted:
            if item.entry in self._kept:
                raise Invalid(Reason.DUPLICATE, "the transaction is already here")
            return True  # Whether its block may list it is judged with the block, by the limits of that height.
        validity.check_transaction(item, self._chain_id, limits)
        self._check_unknown(item)
        validity.check_time(item, now_ms, limits)
        return False

    def _check_unknown(self, item: Transaction) -> None:
        if item.id in self._pool:
            raise Invalid(Reason.DUPLICATE, "the transaction is already pending")
        if self._chain.place(item.id) is not None:
            raise Invalid(Reason.DUPLICATE, "the transaction is already decided")

    def _was_decided_since(self, height: int, transaction_id: bytes) -> bool:
        """Whether a block above ``height`` lists the id."""
        if self._chain.height - height > len(self._recent):
            return self.was_decided(transaction_id)
        return transaction_id in self._recent_ids
