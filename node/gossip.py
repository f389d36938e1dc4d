"""Gossip: transactions on to the peers, at once when a client sends them, and again while they stay pending.

A frame may be lost, and whoever gossiped a transaction first may be gone. So what own clients sent is sent again
while it is pending, and before a node asks for another view because work waits, it shows the others that work.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from node.pool import Pool
from node.seams import Clock, Network
from node.timers import Timers
from p2p import bulk
from p2p.bulk import BulkKind
from state.transaction import Transaction

AGAIN_MS = 5_000
"""What own clients sent and is pending for so long is sent again: lost, not merely waiting in a long line."""

AGAIN_MAX = 256
"""How many of them at once, the oldest first."""


class Gossip:
    """Spreads transactions to all peers."""

    def __init__(self, clock: Clock, network: Network, timers: Timers, pool: Pool) -> None:
        self._clock = clock
        self._network = network
        self._timers = timers
        self._pool = pool
        self._own: dict[bytes, int] = {}

    def spread(self, transactions: Sequence[Transaction]) -> None:
        """Send what own clients sent to all peers, and remember to do so again while it is pending."""
        self._send(transactions)
        self.remember(transaction.id for transaction in transactions)

    def remember(self, transaction_ids: Iterable[bytes]) -> None:
        """An own client asks for these: whoever spread them before may be gone. Only what is pending is remembered."""
        now_ms = self._clock.monotonic_ms()
        for transaction_id in transaction_ids:
            if transaction_id in self._pool:
                self._own.setdefault(transaction_id, now_ms)
        if self._own and not self._timers.is_running("gossip again"):
            self._timers.set("gossip again", AGAIN_MS, self._again)

    def stalled(self) -> None:
        """The view made no decision in time: the primary may not know of the work that waits here."""
        self._send(list(islice(self._pool, AGAIN_MAX)))

    def _again(self) -> None:
        old_ms = self._clock.monotonic_ms() - AGAIN_MS
        due: list[Transaction] = []
        for transaction_id, sent_ms in list(self._own.items()):
            if sent_ms > old_ms or len(due) == AGAIN_MAX:
                break
            del self._own[transaction_id]
            pending = self._pool.get(transaction_id)
            if pending is not None:
                due.append(pending)
        self.spread(due)
        if self._own and not self._timers.is_running("gossip again"):
            self._timers.set("gossip again", AGAIN_MS, self._again)

    def _send(self, transactions: Sequence[Transaction]) -> None:
        for part in _parts(transactions):
            self._network.send_bulk(None, BulkKind.TRANSACTIONS, bulk.encode_transactions(part))


def _parts(transactions: Sequence[Transaction]) -> Iterator[list[bytes]]:
    """The encoded transactions, in messages that hold up no link."""
    part: list[bytes] = []
    size = 0
    for transaction in transactions:
        part.append(transaction.encoded)
        size += len(transaction.encoded)
        if len(part) == bulk.GOSSIP_TRANSACTIONS_MAX or size >= bulk.ANSWER_BYTES_TARGET:
            yield part
            part, size = [], 0
    if part:
        yield part
