"""Gossip: at once, again while pending, and when a view stalls."""

from node.gossip import AGAIN_MAX, AGAIN_MS, Gossip
from node.pool import Pool
from node.timers import Timers
from p2p import bulk
from p2p.bulk import BulkKind
from state.transaction import Transaction
from tests.node.bench import ManualClock, Wire, payments

FIRST, SECOND, *_ = WORK = payments(AGAIN_MAX + 2)


class Market:
    """A gossip with its pool; ``heard`` says what the peers got, and when."""

    def __init__(self, *pending: Transaction) -> None:
        self.clock = ManualClock()
        self.timers = Timers(self.clock)
        self.pool = Pool()
        self.wire = Wire()
        self.gossip = Gossip(self.clock, self.wire, self.timers, self.pool)
        for transaction in pending:
            self.pool.add(transaction)

    def pass_ms(self, duration_ms: int) -> None:
        self.clock.pass_ms(self.timers, duration_ms)

    def heard(self) -> list[list[bytes]]:
        """What went to all peers since the last call."""
        assert all((member, kind) == (None, BulkKind.TRANSACTIONS) for member, kind, _ in self.wire.sent)
        messages = [bulk.decode_transactions(payload) for _, _, payload in self.wire.sent]
        self.wire.sent.clear()
        return messages


def test_what_clients_sent_goes_out_at_once_and_again_while_it_is_pending() -> None:
    market = Market(FIRST, SECOND)
    market.gossip.spread([FIRST, SECOND])
    assert market.heard() == [[FIRST.encoded, SECOND.encoded]]
    market.pass_ms(AGAIN_MS - 1)
    assert market.heard() == []
    market.pool.forget([FIRST.id])
    market.pass_ms(1)
    assert market.heard() == [[SECOND.encoded]]
    market.pool.forget([SECOND.id])
    market.pass_ms(10 * AGAIN_MS)
    assert market.heard() == []
    assert not market.timers.is_running("gossip again")


def test_nothing_is_sent_for_nothing() -> None:
    market = Market(FIRST)
    market.gossip.spread([])
    market.gossip.remember([SECOND.id])
    market.pass_ms(10 * AGAIN_MS)
    assert market.heard() == []


def test_what_a_client_asks_for_again_is_sent_again_once_for_each_time_that_passes() -> None:
    """Found by the simulator: whoever had gossiped it first was gone, and one node alone had it."""
    market = Market(FIRST)
    for _ in range(5):
        market.gossip.remember([FIRST.id])
    market.pass_ms(AGAIN_MS)
    assert market.heard() == [[FIRST.encoded]]


def test_only_so_many_are_sent_again_at_once_the_oldest_first() -> None:
    market = Market(*WORK)
    market.gossip.spread(WORK)
    market.heard()
    market.pass_ms(AGAIN_MS)
    assert market.heard() == [[transaction.encoded for transaction in WORK[:AGAIN_MAX]]]
    market.pass_ms(AGAIN_MS)
    (message,) = market.heard()
    assert message[:2] == [transaction.encoded for transaction in WORK[AGAIN_MAX:]]


def test_a_stalled_view_shows_the_peers_what_waits_here() -> None:
    market = Market(*WORK)
    market.gossip.stalled()
    assert market.heard() == [[transaction.encoded for transaction in WORK[:AGAIN_MAX]]]


def test_much_goes_in_several_messages() -> None:
    market = Market()
    many = WORK * (bulk.GOSSIP_TRANSACTIONS_MAX // len(WORK) + 1)
    market.gossip.spread(many)
    sizes = [len(message) for message in market.heard()]
    assert sum(sizes) == len(many)
    assert len(sizes) == 2
    assert max(sizes) <= bulk.GOSSIP_TRANSACTIONS_MAX
