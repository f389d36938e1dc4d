"""Catching up: decided blocks for a node that was away, from one peer at a time.

A claim of height is only a reason to ask. What comes is checked like anything else: certificates by the core, bodies
against the block's entries, signatures by the verifier. A peer that stalls, or sends what does not lead on from
here, is passed over for a while and another one is asked.
"""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

from node.seams import Clock, Network
from node.timers import Timers
from p2p import bulk
from p2p.bulk import BulkKind, DecidedBlock
from state import transaction
from state.errors import Invalid, Reason
from state.transaction import Transaction

ANSWER_TIMEOUT_MS = 3_000
"""A peer that has not answered by then is passed over: two of them in a row still leave time to catch up in 10 s."""

PASSED_OVER_MS = 30_000
"""For so long others are asked first."""

REPEAT_MS = 1_000
"""With nobody else to ask, those that were passed over are asked so often: the fault may have been the network's."""

REQUEST_BLOCKS = 64
"""Blocks asked for at once."""

BUFFER_BLOCKS_MAX = 128
"""Blocks fetched ahead of execution, at most."""

BUFFER_BYTES_MAX = 8 * 1024 * 1024
"""With so many bytes of bodies ahead no more are asked for: a full block has 2 MB."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A block from a peer, its bodies matched with its entries."""

    peer: str
    decided: DecidedBlock
    transactions: tuple[Transaction, ...]

    @property
    def size_bytes(self) -> int:
        """Of the bodies."""
        return sum(len(encoded) for encoded in self.decided.transactions)


class CatchUp:
    """Fetches what is decided elsewhere.

    :param next_height: the first height that this node has not decided.
    """

    def __init__(self, clock: Clock, network: Network, timers: Timers, next_height: Callable[[], int]) -> None:
        self._clock = clock
        self._network = network
        self._timers = timers
        self._next_height = next_height
        self._claims: dict[str, int] = {}
        self._passed_over: dict[str, int] = {}
        self._asked: str | None = None
        self._asked_ms = clock.monotonic_ms() - REPEAT_MS
        self._is_checking = False
        self._buffer: deque[Fetched] = deque()
        self._buffer_bytes = 0

    def target_height(self, members: Collection[str], faulty_max: int) -> int:
        """Highest height that more of these members than may lie say is decided."""
        claims = sorted((height for peer, height in self._claims.items() if peer in members), reverse=True)
        return claims[faulty_max] if len(claims) > faulty_max else 0

    @property
    def fetched_count(self) -> int:
        """Blocks that are here and not decided yet."""
        return len(self._buffer)

    def claim(self, peer: str, decided_height: int) -> None:
        """A peer says that everything up to there is decided."""
        if decided_height > self._claims.get(peer, 0):
            self._claims[peer] = decided_height
        self.consider()

    def left(self, peer: str) -> None:
        """The peer is gone, and its claims with it."""
        self._claims.pop(peer, None)
        if self._asked == peer:
            self._asked = None
            self.consider()

    def heard_from_now(self, peer: str) -> None:
        """The peer's bulk link has come up: what it was asked before then never reached it."""
        if self._asked == peer:
            self._asked = None
        self.consider()

    def consider(self) -> None:
        """Ask for more if something is missing and nobody has been asked."""
        first = self._next_height() + len(self._buffer)
        is_full = len(self._buffer) > BUFFER_BLOCKS_MAX - REQUEST_BLOCKS or self._buffer_bytes > BUFFER_BYTES_MAX
        if self._asked is not None or self._is_checking or is_full:
            return
        now_ms = self._clock.monotonic_ms()
        able = [peer for peer, height in sorted(self._claims.items()) if height >= first]
        trusted = [peer for peer in able if self._passed_over.get(peer, 0) <= now_ms]
        if not able:
            return
        if trusted:
            peer = trusted[first % len(trusted)]
        elif now_ms < self._asked_ms + REPEAT_MS:
            self._timers.set("catch-up", self._asked_ms + REPEAT_MS - now_ms, self.consider)
            return
        else:
            peer = min(able, key=lambda able_peer: self._passed_over[able_peer])
        self._asked, self._asked_ms = peer, now_ms
        self._network.send_bulk(peer, BulkKind.GET_BLOCKS, bulk.encode_get_blocks(first, REQUEST_BLOCKS))
        self._timers.set("catch-up", ANSWER_TIMEOUT_MS, self._timed_out)

    def answered(self, peer: str, payload: bytes) -> list[Fetched]:
        """A peer's answer, bodies matched; the caller has the signatures verified, then gives them to ``add``.

        :raises Invalid: UNKNOWN when it was not asked, or was too late; else it lies, and is passed over.
        """
        if peer != self._asked:
            raise Invalid(Reason.UNKNOWN, "blocks that nobody asked for")
        self._asked = None
        self._timers.cancel("catch-up")
        try:
            fetched = self._read(peer, payload)
        except Invalid:
            self.pass_over(peer)
            raise
        self._is_checking = True
        return fetched

    def add(self, fetched: list[Fetched]) -> None:
        """Blocks whose signatures are right, to be decided in turn. What does not lead on any more is dropped."""
        self._is_checking = False
        for item in fetched:
            if item.decided.block.height == self._next_height() + len(self._buffer):
                self._buffer.append(item)
                self._buffer_bytes += item.size_bytes

    def next(self, executed_height: int, lag: int) -> Fetched | None:
        """The next block to decide, once execution is near enough for its validator set to be known."""
        height = self._next_height()
        while self._buffer and self._buffer[0].decided.block.height < height:
            self._buffer_bytes -= self._buffer.popleft().size_bytes
        if self._buffer and height <= executed_height + lag:
            return self._buffer[0]
        return None

    def pass_over(self, peer: str) -> None:
        """The peer stalls or lies: drop what it sent and what builds on that, and ask others first for a while."""
        self._passed_over[peer] = self._clock.monotonic_ms() + PASSED_OVER_MS
        self._claims.pop(peer, None)
        while any(item.peer == peer for item in self._buffer):
            self._buffer_bytes -= self._buffer.pop().size_bytes
        if self._asked == peer:
            self._asked = None
        self.consider()

    def _read(self, peer: str, payload: bytes) -> list[Fetched]:
        blocks = bulk.decode_blocks(payload)
        first = self._next_height() + len(self._buffer)
        if blocks and blocks[0].block.height < first:  # decided another way meanwhile
            blocks = [decided for decided in blocks if decided.block.height >= first]
        if [decided.block.height for decided in blocks] != list(range(first, first + len(blocks))):
            raise Invalid(Reason.BAD_BLOCK, "the blocks are not those that were asked for")
        if not blocks and self._claims.get(peer, 0) >= first:
            raise Invalid(Reason.BAD_BLOCK, "the peer has not got what it said it had")
        return [Fetched(peer, decided, _match(decided)) for decided in blocks]

    def _timed_out(self) -> None:
        if self._asked is not None:
            self.pass_over(self._asked)


def _match(decided: DecidedBlock) -> tuple[Transaction, ...]:
    """The decoded bodies of a block. :raises Invalid: BAD_BLOCK when they are not what it lists."""
    bodies = tuple(transaction.decode(encoded) for encoded in decided.transactions)
    if [body.entry for body in bodies] != list(decided.block.entries):
        raise Invalid(Reason.BAD_BLOCK, "the bodies are not those that the block lists")
    return bodies
