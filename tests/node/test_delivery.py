"""Bodies for blocks: found, asked for, judged; decided blocks in order."""

from collections.abc import Sequence

import pytest

from consensus.events import BlockAvailable, BlockRefused, Decision, Validation
from consensus.rotation import first_rotation
from node.admission import Door
from node.delivery import ASK_AGAIN_MS, PATIENCE_MS, Delivery
from node.history import ParameterHistory
from node.pool import Pool
from node.timers import Timers
from p2p import bulk
from p2p.bulk import BulkKind
from scripts.simulation import birth
from state.block import Block
from state.transaction import Body, Transaction, sign
from state.votes import Commit
from tests.node.bench import (
    BANKS,
    CHAIN_ID,
    GENESIS_MS,
    PARAMETERS,
    ManualClock,
    Wire,
    certified,
    empty_chain,
    grow,
    make,
    payments,
)

SOURCES = ("bank01", "bank02")
FIRST, SECOND, THIRD = payments(3)


class Desk:
    """A delivery with door, chain and wire; signatures are checked at once."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.timers = Timers(self.clock)
        self.wire = Wire()
        self.chain = empty_chain()
        self.pool = Pool()
        self.answers: list[BlockAvailable | BlockRefused] = []
        self.delivered: list[tuple[int, list[Transaction]]] = []
        self.door = Door(
            CHAIN_ID,
            ParameterHistory(PARAMETERS),
            self.chain,
            self.pool,
            lambda items, then: then([item.has_valid_signatures() for item in items]),
            lambda admitted: self.delivery.arrived(admitted.wanted),
        )
        self.delivery = Delivery(
            ParameterHistory(PARAMETERS),
            self.chain,
            self.door,
            self.wire,
            self.timers,
            self.answers.append,
            self._deliver,
        )

    def arrive(self, *transactions: Transaction) -> None:
        self.door.receive("alpha", [transaction.encoded for transaction in transactions], self.clock.now_ms())

    def validate(self, block: Block, sources: tuple[str, ...] = SOURCES) -> None:
        self.delivery.validate(Validation(block, sources))

    def decide(self, block: Block, sources: Sequence[str] = SOURCES) -> None:
        certificate = certified(Commit(block.height, 0, block.digest))
        self.delivery.decided(Decision(block, certificate, first_rotation(BANKS)), sources)

    def asked(self) -> list[tuple[str | None, list[bytes]]]:
        """Who was asked for which bodies."""
        assert all(kind == BulkKind.GET_BODIES for _, kind, _ in self.wire.sent)
        return [(member, bulk.decode_get_bodies(payload)) for member, _, payload in self.wire.sent]

    def _deliver(self, decision: Decision, transactions: list[Transaction]) -> None:
        block = decision.block
        encoded = [transaction.encoded for transaction in transactions]
        self.chain.append(block, decision.certificate, encoded, b"rotation")
        self.pool.forget(block.transaction_ids())
        self.delivered.append((block.height, transactions))


def test_a_block_whose_bodies_are_here_is_available_at_once() -> None:
    desk = Desk()
    desk.arrive(FIRST, SECOND)
    block = make(transactions=[SECOND, FIRST])
    desk.validate(block)
    assert desk.answers == [BlockAvailable(block.digest)]
    assert desk.delivery.bodies(block) == [SECOND, FIRST]
    assert desk.delivery.search_count == 0


def test_missing_bodies_are_waited_for_then_asked_of_one_source_after_the_other() -> None:
    desk = Desk()
    desk.arrive(FIRST)
    block = make(transactions=[FIRST, SECOND, THIRD])
    desk.validate(block)
    desk.clock.pass_ms(desk.timers, PATIENCE_MS - 1)
    assert desk.asked() == []
    desk.clock.pass_ms(desk.timers, 1)
    desk.arrive(THIRD)
    desk.clock.pass_ms(desk.timers, 2 * ASK_AGAIN_MS)
    missing = [SECOND.entry]
    assert desk.asked() == [("bank01", [*missing, THIRD.entry]), ("bank02", missing), ("bank01", missing)]
    assert (desk.answers, desk.delivery.search_count) == ([], 1)
    desk.arrive(SECOND)
    assert desk.answers == [BlockAvailable(block.digest)]
    desk.clock.pass_ms(desk.timers, 10 * ASK_AGAIN_MS)
    assert len(desk.asked()) == 3


def test_who_is_known_to_have_a_block_later_is_asked_too() -> None:
    """Found by the simulator: a decided block's bodies were asked of the liar who had proposed it, nobody else."""
    desk = Desk()
    block = make(transactions=[FIRST])
    desk.validate(block, sources=("bank01",))
    desk.clock.pass_ms(desk.timers, PATIENCE_MS)
    desk.validate(block, sources=("bank02", "bank01"))
    desk.decide(block, ("bank01", "bank03"))
    desk.clock.pass_ms(desk.timers, 3 * ASK_AGAIN_MS)
    assert [source for source, _ in desk.asked()] == ["bank01", "bank02", "bank03", "bank01"]


def test_nobody_is_asked_when_gossip_is_only_late() -> None:
    desk = Desk()
    block = make(transactions=[FIRST])
    desk.validate(block)
    desk.clock.pass_ms(desk.timers, PATIENCE_MS - 1)
    desk.arrive(FIRST)
    desk.clock.pass_ms(desk.timers, 1_000)
    assert (desk.answers, desk.asked()) == ([BlockAvailable(block.digest)], [])


def late() -> Transaction:
    """A payment that ends right after genesis."""
    body: Body = FIRST.body
    ended = Body(CHAIN_ID, body.sender, bytes(16), GENESIS_MS + 1, None, body.fuel_limit, body.calls, ())
    return sign(ended, [birth.account_key(birth.bank(0))])


REFUSED = [
    ("listed twice", [FIRST, FIRST], "bad_block: one transaction is listed twice"),
    (
        "expired at the block's time",
        [late()],
        f"expired: it was valid until {GENESIS_MS + 1}, and the time is {GENESIS_MS + 1_000}",
    ),
]


@pytest.mark.parametrize(("listed", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_block_that_breaks_rule_11_is_refused(listed: list[Transaction], reason: str) -> None:
    desk = Desk()
    desk.arrive(*listed)
    block = make(transactions=listed)
    desk.validate(block)
    assert desk.answers == [BlockRefused(block.digest, reason)]


def test_a_block_that_lists_what_is_decided_is_refused() -> None:
    desk = Desk()
    (parent,) = grow(desk.chain, [[FIRST]])
    block = make(parent.block, [FIRST])
    desk.validate(block)
    desk.door.receive("alpha", [FIRST.encoded], desk.clock.now_ms())
    assert desk.answers == [BlockRefused(block.digest, "duplicate: it lists a transaction that is already decided")]


def test_a_block_is_judged_only_once_its_parent_is_delivered() -> None:
    """Found by the simulator: bodies of the parent were released while the next block, listing them too, waited."""
    desk = Desk()
    desk.arrive(FIRST)
    parent = make(transactions=[FIRST, SECOND])
    block = make(parent, [FIRST])
    desk.decide(parent)
    desk.validate(block)
    assert (desk.answers, desk.delivered, desk.delivery.undelivered) == ([], [], 1)
    desk.arrive(SECOND)
    assert desk.delivered == [(1, [FIRST, SECOND])]
    assert desk.answers[-1:] == [
        BlockRefused(block.digest, "duplicate: it lists a transaction that is already decided")
    ]


def test_a_quorum_that_decides_a_transaction_twice_stops_the_node() -> None:
    """Block sync brings blocks that this node has not judged: nothing executes twice, whoever signed it."""
    desk = Desk()
    (parent,) = grow(desk.chain, [[FIRST]])
    desk.door.keep([FIRST])
    with pytest.raises(
        AssertionError, match=f"block 2 was decided and lists {FIRST.id.hex()}, which"
    ):
        desk.decide(make(parent.block, [FIRST]))
    assert desk.delivered == []


def test_decided_blocks_are_delivered_in_order_as_their_bodies_come() -> None:
    desk = Desk()
    one = make(transactions=[FIRST])
    two = make(one, [SECOND])
    three = make(two)
    for block in (one, two, three):
        desk.decide(block)
    desk.arrive(SECOND)
    assert (desk.delivered, desk.delivery.undelivered) == ([], 3)
    desk.clock.pass_ms(desk.timers, PATIENCE_MS)
    assert desk.asked() == [("bank01", [FIRST.entry])]
    desk.arrive(FIRST)
    assert desk.delivered == [(1, [FIRST]), (2, [SECOND]), (3, [])]
    assert (desk.delivery.undelivered, desk.delivery.search_count, desk.door.kept_count) == (0, 0, 0)


def test_what_was_looked_at_for_a_decided_height_is_dropped() -> None:
    desk = Desk()
    rival = make(transactions=[THIRD])
    desk.validate(rival)
    assert desk.delivery.search_count == 1
    desk.decide(make())
    assert (desk.delivery.search_count, desk.answers) == (0, [])
    desk.clock.pass_ms(desk.timers, 1_000)
    assert desk.asked() == []
