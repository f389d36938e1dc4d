"""Serving: answers to peers, and how much of them a member is allowed."""

from node import serving
from node.admission import Door
from node.history import ParameterHistory
from node.pool import Pool
from node.serving import ALLOWED_BYTES_MAX, ALLOWED_BYTES_PER_SECOND, LOOKUP_BYTES, REQUEST_BYTES, Server
from p2p import bulk
from p2p.bulk import BODIES_MAX, BulkKind
from tests.node.bench import CHAIN_ID, PARAMETERS, ManualClock, Wire, empty_chain, grow, payments


class Counter:
    """A server over a chain of one block with three payments."""

    def __init__(self) -> None:
        self.clock, self.wire, self.chain = ManualClock(), Wire(), empty_chain()
        self.paid = payments(3)
        grow(self.chain, [self.paid])
        limits = ParameterHistory(PARAMETERS)
        door = Door(CHAIN_ID, limits, self.chain, Pool(), lambda items, then: None, lambda _: None)
        self.server = Server(self.chain, door, self.wire, self.clock)


def test_blocks_and_bodies_are_sent_as_far_as_they_are_here() -> None:
    desk = Counter()
    desk.server.blocks("alpha", 1, 9)
    entries = [transaction.entry for transaction in desk.paid]
    desk.server.bodies("alpha", [*entries, bytes(64)])
    desk.server.bodies("alpha", [bytes(64)])
    (_, first, blocks), (_, second, bodies) = desk.wire.sent
    assert (first, second) == (BulkKind.BLOCKS, BulkKind.TRANSACTIONS)
    assert [decided.block.height for decided in bulk.decode_blocks(blocks)] == [1]
    assert bulk.decode_transactions(bodies) == [transaction.encoded for transaction in desk.paid]


def test_a_member_is_answered_within_its_allowance() -> None:
    desk = Counter()
    allowed = ALLOWED_BYTES_MAX // REQUEST_BYTES
    for _ in range(allowed + 100):
        desk.server.blocks("mallory", 1, 1)
    assert len(desk.wire.sent) == allowed
    desk.server.blocks("alpha", 1, 1)
    assert len(desk.wire.sent) == allowed + 1
    desk.clock.time_ms += 1_000
    for _ in range(allowed):
        desk.server.blocks("mallory", 1, 1)
    assert len(desk.wire.sent) == allowed + 1 + ALLOWED_BYTES_PER_SECOND // REQUEST_BYTES


def test_looking_for_what_is_not_here_is_not_free() -> None:
    desk = Counter()
    looked = 0
    place = desk.chain.place

    def counted(transaction_id: bytes) -> tuple[int, int] | None:
        nonlocal looked
        looked += 1
        return place(transaction_id)

    desk.chain.place = counted  # type: ignore[method-assign]
    while desk.clock.time_ms == 0:
        before = looked
        desk.server.bodies("mallory", [bytes(64)] * BODIES_MAX)
        desk.clock.time_ms = int(looked == before)
    assert 0 < looked <= ALLOWED_BYTES_MAX // LOOKUP_BYTES
    assert serving.ANSWER_BLOCKS_MAX * bulk.ANSWER_BYTES_TARGET < ALLOWED_BYTES_MAX
