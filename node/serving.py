"""Serving: what peers ask for, bodies they lack and blocks that are decided, each answer bounded.

A request of a few bytes may cost megabytes, so each member has an allowance, far above what a node needs that fetches
the chain as fast as it can execute it. Requests beyond it are not answered.
"""

from collections.abc import Sequence

from consensus import messages
from consensus.messages import DecidedMessage
from node.admission import Door
from node.chain import Chain
from node.seams import Clock, Network
from p2p import bulk
from p2p.bulk import BulkKind

ANSWER_BLOCKS_MAX = 4
"""Decided blocks that one request for bodies is answered from: it asks for those of one block, decided meanwhile."""

ALLOWED_BYTES_PER_SECOND = 16 * 1024 * 1024
"""What a member is answered in the long run: 40,000 payments a second."""

ALLOWED_BYTES_MAX = 32 * 1024 * 1024
"""What it may have saved up."""

REQUEST_BYTES = 16 * 1024
"""What a request counts for at least."""

LOOKUP_BYTES = 1_024
"""What looking for one body counts for: some 10 µs."""


class Allowances:
    """What each member may still be answered."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left: dict[str, tuple[int, int]] = {}
        """Bytes, and when they were counted."""

    def may_ask(self, member: str) -> bool:
        """Whether the member has some of its allowance left, counted up to now."""
        now_ms = self._clock.monotonic_ms()
        left, counted_ms = self._left.get(member, (ALLOWED_BYTES_MAX, now_ms))
        left = min(ALLOWED_BYTES_MAX, left + ALLOWED_BYTES_PER_SECOND * (now_ms - counted_ms) // 1000)
        self._left[member] = left, now_ms
        return left > 0

    def charge(self, member: str, size: int) -> None:
        """The member is answered so much."""
        left, counted_ms = self._left[member]
        self._left[member] = left - max(size, REQUEST_BYTES), counted_ms


class Server:
    """Answers peers from chain and pool."""

    def __init__(self, chain: Chain, door: Door, network: Network, clock: Clock) -> None:
        self._allowances = Allowances(clock)
        self._chain = chain
        self._door = door
        self._network = network

    def bodies(self, member: str, entries: Sequence[bytes]) -> None:
        """Send the bodies of these block entries, as far as they are here."""
        if not self._allowances.may_ask(member):
            return
        here = [self._door.find(entry) for entry in entries]
        found = [transaction.encoded for transaction in here if transaction is not None]
        gone = [entry for entry, transaction in zip(entries, here, strict=True) if transaction is None]
        found.extend(self._chain.transactions(gone, ANSWER_BLOCKS_MAX))
        answer: list[bytes] = []
        size = 0
        for encoded in found:
            answer.append(encoded)
            size += len(encoded)
            if size > bulk.ANSWER_BYTES_TARGET:
                break
        self._allowances.charge(member, size + LOOKUP_BYTES * len(entries))
        if answer:
            self._network.send_bulk(member, BulkKind.TRANSACTIONS, bulk.encode_transactions(answer))

    def blocks(self, member: str, first_height: int, count: int) -> None:
        """Send decided blocks from a height on."""
        if not self._allowances.may_ask(member):
            return
        if 1 <= first_height < self._chain.first_height:
            self._allowances.charge(member, 0)
            self._network.send_bulk(member, BulkKind.PRUNED, bulk.encode_pruned(self._chain.first_height))
            return
        rows: list[bytes] = []
        size = 0
        for height in range(first_height, min(first_height + count, self._chain.height + 1)):
            row = self._chain.encoded(height)
            if row is None or (rows and size + len(row) > bulk.ANSWER_BYTES_TARGET):
                break
            rows.append(row)
            size += len(row)
        self._allowances.charge(member, size)
        self._network.send_bulk(member, BulkKind.BLOCKS, bulk.encode_blocks(rows))

    def decided(self, member: str, height: int, next_height: int) -> None:
        """Send one decided block with its certificate on the votes link.

        :param next_height: the height that this node is agreeing on.
        """
        decided = self._chain.decided(height)
        if decided is not None:
            message = DecidedMessage(decided.block, decided.certificate, next_height)
            self._network.send_vote(member, messages.encode(message))
