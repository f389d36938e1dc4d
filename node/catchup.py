"""Catching up: decided blocks for a node that was away, from several peers at once.

A claim of height is only a reason to ask. Each peer is asked for a range of its own, one at a time; the lowest range
that is missing comes first, so that a slow peer holds up what is above its range, and not for long. What comes is
checked like anything else: certificates by the core, each against the validators of its own height, bodies against the
block's entries, signatures by the verifier. A peer that stalls, or sends what does not lead on from here, is passed
over for a while, and others are asked for its range at once. One that has pruned what was asked for says so, and is
asked for later blocks only.
"""

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
"""Blocks asked for at once, at most; of large ones as many as an answer has held."""

PEERS_ASKED_MAX = 4
"""Peers that are asked at once."""

BUFFER_BLOCKS_MAX = 256
"""So far above what is decided blocks are asked for."""

BUFFER_BYTES_MAX = 8 * 1024 * 1024
"""With so many bytes of bodies ahead no more are asked for, but the next one: a full block has 2 MB."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A block from a peer, its bodies matched with its entries."""

    peer: str
    decided: DecidedBlock
    transactions: tuple[Transaction, ...]
    size_bytes: int
    """Of the bodies."""

    @property
    def height(self) -> int:
        """Of the block."""
        return self.decided.block.height


@dataclass(frozen=True, slots=True)
class _Request:
    """What one peer was asked for."""

    first: int
    count: int


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
        self._floors: dict[str, int] = {}
        """First height that a peer still has, where it has said so."""
        self._passed_over: dict[str, int] = {}
        self._asked: dict[str, _Request] = {}
        self._asked_ms = clock.monotonic_ms() - REPEAT_MS
        """When somebody was asked for the last time."""
        self._checking: dict[str, list[Fetched]] = {}
        """Answers whose signatures are being checked, by peer."""
        self._buffer: dict[int, Fetched] = {}
        self._span = REQUEST_BLOCKS

    def target_height(self, members: Collection[str], faulty_max: int) -> int:
        """Highest height that more of these members than may lie say is decided."""
        claims = sorted((height for peer, height in self._claims.items() if peer in members), reverse=True)
        return claims[faulty_max] if len(claims) > faulty_max else 0

    @property
    def fetched_count(self) -> int:
        """Blocks that are here and not decided yet."""
        return len(self._buffer)

    @property
    def pruned_below(self) -> int:
        """First height that any peer has, if none of those that are ahead has the next one; 0 otherwise."""
        first = self._next_height()
        floors = [self._floors.get(peer, 0) for peer, height in self._claims.items() if height >= first]
        lowest = min(floors, default=0)
        return lowest if lowest > first else 0

    def claim(self, peer: str, decided_height: int) -> None:
        """A peer says that everything up to there is decided."""
        if decided_height > self._claims.get(peer, 0):
            self._claims[peer] = decided_height
        self.consider()

    def left(self, peer: str) -> None:
        """The peer is gone, and its claims with it."""
        self._claims.pop(peer, None)
        self._floors.pop(peer, None)
        self._forget_request(peer)
        self.consider()

    def heard_from_now(self, peer: str) -> None:
        """The peer's bulk link has come up: what it was asked before then never reached it."""
        self._forget_request(peer)
        self.consider()

    def consider(self) -> None:
        """Ask for more if something is missing and somebody is free."""
        while self._claims and len(self._asked) < PEERS_ASKED_MAX:
            if max(self._claims.values()) < self._next_height():
                return
            missing = self._first_missing()
            if missing is None or not self._ask(*missing):
                return

    def answered(self, peer: str, payload: bytes) -> list[Fetched]:
        """A peer's answer, bodies matched; the caller has the signatures verified, then gives them to ``add``.

        :raises Invalid: UNKNOWN when it was not asked, or was too late; else it lies, and is passed over.
        """
        request = self._taken(peer)
        try:
            fetched = self._read(peer, request, payload)
        except Invalid:
            self.pass_over(peer)
            raise
        if fetched:
            self._checking[peer] = fetched
            is_cut = len(fetched) < request.count and self._claims.get(peer, 0) >= request.first + request.count - 1
            self._span = len(fetched) if is_cut else min(2 * self._span, REQUEST_BLOCKS)
        self.consider()
        return fetched

    def pruned(self, peer: str, first_height: int) -> None:
        """A peer's answer: it has blocks from there on only. :raises Invalid: UNKNOWN or BAD_BLOCK."""
        request = self._taken(peer)
        if first_height <= request.first:
            self.pass_over(peer)
            raise Invalid(Reason.BAD_BLOCK, "the peer says that it has what it does not send")
        self._floors[peer] = first_height
        self.consider()

    def add(self, fetched: list[Fetched]) -> None:
        """Blocks whose signatures are right, to be decided in turn. What is of no use any more is dropped."""
        peer = fetched[0].peer if fetched else ""
        if fetched and self._checking.get(peer) is fetched:  # Else the peer has been passed over meanwhile.
            del self._checking[peer]
            for item in fetched:
                if item.height >= self._next_height():
                    self._buffer.setdefault(item.height, item)

    def next(self, executed_height: int, lag: int) -> Fetched | None:
        """The next block to decide, once execution is near enough for its validator set to be known."""
        height = self._next_height()
        for old in [below for below in self._buffer if below < height]:
            del self._buffer[old]
        return self._buffer.get(height) if height <= executed_height + lag else None

    def pass_over(self, peer: str) -> None:
        """The peer stalls or lies: drop what it sent, and ask others first for a while."""
        self._passed_over[peer] = self._clock.monotonic_ms() + PASSED_OVER_MS
        self._claims.pop(peer, None)
        self._checking.pop(peer, None)
        self._buffer = {height: item for height, item in self._buffer.items() if item.peer != peer}
        self._forget_request(peer)
        self.consider()

    def _first_missing(self) -> tuple[int, int] | None:
        """First height and count of the lowest range that is neither here nor on its way, None where there is none."""
        height = self._next_height()
        stop = height + BUFFER_BLOCKS_MAX
        covered = {item.height for fetched in self._checking.values() for item in fetched} | self._buffer.keys()
        for request in self._asked.values():
            covered.update(range(request.first, request.first + request.count))
        first = next((each for each in range(height, stop) if each not in covered), stop)
        if first == stop or (first > height and self._ahead_bytes() > BUFFER_BYTES_MAX):
            return None
        last = next((each for each in range(first + 1, first + self._span) if each in covered), first + self._span)
        return first, last - first

    def _ask(self, first: int, count: int) -> bool:
        """Ask somebody who is free for that range; whether anybody is."""
        now_ms = self._clock.monotonic_ms()
        able = [
            peer
            for peer, height in sorted(self._claims.items())
            if height >= first and self._floors.get(peer, 0) <= first and peer not in self._asked
            if peer not in self._checking
        ]
        trusted = [peer for peer in able if self._passed_over.get(peer, 0) <= now_ms]
        if trusted:
            peer = trusted[first % len(trusted)]
        elif not able or self._asked:
            return False
        elif now_ms < self._asked_ms + REPEAT_MS:
            self._timers.set("catch-up", self._asked_ms + REPEAT_MS - now_ms, self.consider)
            return False
        else:
            peer = min(able, key=lambda able_peer: self._passed_over[able_peer])
        self._asked[peer], self._asked_ms = _Request(first, count), now_ms
        self._network.send_bulk(peer, BulkKind.GET_BLOCKS, bulk.encode_get_blocks(first, count))
        self._timers.set(_timer(peer), ANSWER_TIMEOUT_MS, lambda: self.pass_over(peer))
        return True

    def _taken(self, peer: str) -> _Request:
        """What the peer was asked for, which is answered now. :raises Invalid: UNKNOWN."""
        request = self._asked.get(peer)
        if request is None:
            raise Invalid(Reason.UNKNOWN, "blocks that nobody asked for")
        self._forget_request(peer)
        return request

    def _forget_request(self, peer: str) -> None:
        if self._asked.pop(peer, None) is not None:
            self._timers.cancel(_timer(peer))

    def _read(self, peer: str, request: _Request, payload: bytes) -> list[Fetched]:
        blocks = bulk.decode_blocks(payload)
        heights = [decided.block.height for decided in blocks]
        if heights != list(range(request.first, request.first + len(blocks))) or len(blocks) > request.count:
            raise Invalid(Reason.BAD_BLOCK, "the blocks are not those that were asked for")
        if not blocks and self._claims.get(peer, 0) >= request.first:
            raise Invalid(Reason.BAD_BLOCK, "the peer has not got what it said it had")
        # What was decided another way meanwhile is of no use.
        kept = [decided for decided in blocks if decided.block.height >= self._next_height()]
        return [Fetched(peer, decided, match(decided), sum(map(len, decided.transactions))) for decided in kept]

    def _ahead_bytes(self) -> int:
        checking = (item.size_bytes for fetched in self._checking.values() for item in fetched)
        return sum(item.size_bytes for item in self._buffer.values()) + sum(checking)


def _timer(peer: str) -> str:
    return f"catch-up {peer}"


def match(decided: DecidedBlock) -> tuple[Transaction, ...]:
    """The decoded bodies of a block. :raises Invalid: BAD_BLOCK when they are not what it lists."""
    bodies = tuple(transaction.decode(encoded) for encoded in decided.transactions)
    if [body.entry for body in bodies] != list(decided.block.entries):
        raise Invalid(Reason.BAD_BLOCK, "the bodies are not those that the block lists")
    return bodies
