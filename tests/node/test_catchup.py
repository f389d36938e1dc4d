"""Catching up: whom to ask, what to believe, when to pass over."""

from collections.abc import Sequence

import pytest

from node import catchup
from node.catchup import (
    ANSWER_TIMEOUT_MS,
    PASSED_OVER_MS,
    PEERS_ASKED_MAX,
    REPEAT_MS,
    REQUEST_BLOCKS,
    CatchUp,
    Fetched,
)
from node.timers import Timers
from p2p import bulk
from p2p.bulk import BulkKind, DecidedBlock
from state import codec
from state.errors import Invalid
from state.transaction import Transaction
from tests.node.bench import LAG, ManualClock, Wire, empty_chain, grow, payments

BODIES = payments(5)
GROWN = grow(empty_chain(), [[body] for body in BODIES])


class Trip:
    """A node at some height that catches up."""

    def __init__(self, height: int = 0) -> None:
        self.height = height
        self.clock = ManualClock()
        self.timers = Timers(self.clock)
        self.wire = Wire()
        self.catch_up = CatchUp(self.clock, self.wire, self.timers, lambda: self.height + 1)

    def target_height(self, faulty_max: int = 1) -> int:
        """What enough of four banks say."""
        return self.catch_up.target_height([f"bank0{number}" for number in range(4)], faulty_max)

    def asked(self) -> list[tuple[str | None, int]]:
        """Who was asked, from which height on; forgets it."""
        asked = []
        for member, kind, payload in self.wire.sent:
            first, count = bulk.decode_get_blocks(payload)
            assert kind == BulkKind.GET_BLOCKS
            assert 1 <= count <= REQUEST_BLOCKS
            asked.append((member, first))
        self.wire.sent.clear()
        return asked

    def take(self, peer: str, blocks: Sequence[DecidedBlock]) -> None:
        """A peer's answer whose signatures are right."""
        self.catch_up.add(self.answer(peer, blocks))

    def answer(self, peer: str, blocks: Sequence[DecidedBlock]) -> list[Fetched]:
        """A peer's answer, not checked yet."""
        return self.catch_up.answered(peer, bulk.encode_blocks([codec.pack(block.to_value()) for block in blocks]))

    def decide_all(self, lag: int = LAG) -> list[int]:
        """Decide what is here, as the driver does."""
        decided = []
        executed_height = self.height
        while (item := self.catch_up.next(executed_height, lag)) is not None:
            self.height = item.decided.block.height
            decided.append(self.height)
        self.catch_up.consider()
        return decided


def test_a_claim_is_a_reason_to_ask_one_peer() -> None:
    trip = Trip()
    trip.catch_up.claim("bank01", 0)
    assert trip.asked() == []
    trip.catch_up.claim("bank01", 5)
    trip.catch_up.claim("bank02", 5)
    assert trip.asked() == [("bank01", 1)]
    assert trip.target_height() == 5


def test_a_liar_and_an_observer_make_no_target() -> None:
    trip = Trip()
    trip.catch_up.claim("bank01", 2**63 - 1)
    trip.catch_up.claim("observer", 2**63 - 1)
    assert trip.target_height() == 0
    trip.catch_up.claim("bank02", 7)
    trip.catch_up.claim("bank03", 6)
    assert trip.target_height() == 7
    assert trip.target_height(2) == 6


def test_blocks_come_in_turn_and_no_further_than_execution_allows() -> None:
    trip = Trip()
    trip.catch_up.claim("bank01", 5)
    trip.take("bank01", GROWN)
    assert trip.catch_up.fetched_count == 5
    assert trip.decide_all(lag=3) == [1, 2, 3]
    assert trip.decide_all(lag=3) == [4, 5]
    trip.asked()
    trip.catch_up.claim("bank02", 5)
    assert trip.asked() == []


def test_nothing_is_asked_for_twice_while_signatures_are_checked() -> None:
    trip = Trip()
    trip.catch_up.claim("bank01", 5)
    fetched = trip.answer("bank01", GROWN[:2])
    trip.catch_up.consider()
    assert trip.asked() == [("bank01", 1)]
    trip.catch_up.claim("bank02", 5)
    assert trip.asked() == [("bank02", 3)]
    trip.catch_up.add(fetched)
    trip.catch_up.consider()
    assert trip.asked() == []


def test_what_was_decided_another_way_meanwhile_is_left_out() -> None:
    trip = Trip()
    trip.catch_up.claim("bank01", 5)
    fetched = trip.answer("bank01", GROWN)
    trip.height = 2
    trip.catch_up.add(fetched)
    assert trip.decide_all() == [3, 4, 5]


def spoilt(block: DecidedBlock, *transactions: Transaction) -> DecidedBlock:
    return DecidedBlock(block.block, block.certificate, tuple(body.encoded for body in transactions))


LIES = [
    ("a gap", [GROWN[0], GROWN[2]], "bad_block: the blocks are not those that were asked for"),
    ("from further up", [GROWN[1]], "bad_block: the blocks are not those that were asked for"),
    ("nothing after all", [], "bad_block: the peer has not got what it said it had"),
    ("other bodies", [spoilt(GROWN[0], BODIES[1])], "bad_block: the bodies are not those that the block lists"),
    ("no bodies", [spoilt(GROWN[0])], "bad_block: the bodies are not those that the block lists"),
]


@pytest.mark.parametrize(("blocks", "reason"), [case[1:] for case in LIES], ids=[case[0] for case in LIES])
def test_a_liar_is_passed_over(blocks: list[DecidedBlock], reason: str) -> None:
    trip = Trip()
    trip.catch_up.claim("bank01", 5)
    trip.catch_up.claim("bank02", 5)
    assert trip.asked() == [("bank01", 1)]
    with pytest.raises(Invalid) as refused:
        trip.answer("bank01", blocks)
    assert str(refused.value) == reason
    assert trip.asked() == [("bank02", 1)]


def test_an_answer_that_nobody_asked_for_is_refused() -> None:
    trip = Trip()
    trip.catch_up.claim("bank01", 5)
    with pytest.raises(Invalid, match=r"^unknown: blocks that nobody asked for$"):
        trip.answer("bank02", GROWN)
    trip.answer("bank01", GROWN)
    with pytest.raises(Invalid, match=r"^unknown: blocks that nobody asked for$"):
        trip.answer("bank01", GROWN)


def test_who_stalls_is_passed_over_for_a_while() -> None:
    trip = Trip()
    trip.catch_up.claim("bank01", 5)
    trip.catch_up.claim("bank02", 5)
    trip.clock.pass_ms(trip.timers, ANSWER_TIMEOUT_MS - 1)
    assert trip.asked() == [("bank01", 1)]
    trip.clock.pass_ms(trip.timers, 1)
    assert trip.asked() == [("bank02", 1)]
    trip.catch_up.claim("bank01", 5)
    trip.take("bank02", GROWN[:1])
    assert trip.decide_all() == [1]
    assert trip.asked() == [("bank02", 2)]
    trip.clock.pass_ms(trip.timers, PASSED_OVER_MS)
    trip.catch_up.claim("bank01", 6)
    trip.catch_up.consider()
    assert trip.asked()[-1] == ("bank01", 2)


def test_with_nobody_else_whoever_was_passed_over_is_asked_again() -> None:
    """Found by the simulator: one lost request left an observer of one validator behind for 30 s."""
    trip = Trip()
    trip.catch_up.claim("bank01", 5)
    trip.clock.pass_ms(trip.timers, ANSWER_TIMEOUT_MS)
    trip.asked()
    trip.catch_up.claim("bank01", 5)
    assert trip.asked() == [("bank01", 1)]
    trip.catch_up.pass_over("bank01")
    trip.catch_up.claim("bank01", 5)
    assert trip.asked() == []
    trip.clock.pass_ms(trip.timers, REPEAT_MS)
    assert trip.asked() == [("bank01", 1)]


def test_a_peer_that_leaves_takes_its_claim_along() -> None:
    trip = Trip()
    trip.catch_up.claim("bank01", 9)
    trip.catch_up.claim("bank02", 5)
    trip.asked()
    trip.catch_up.left("bank01")
    assert (trip.asked(), trip.target_height(0)) == ([("bank02", 1)], 5)
    trip.catch_up.left("bank02")
    assert (trip.asked(), trip.target_height(0)) == ([], 0)


def test_what_went_to_a_link_that_was_not_up_is_asked_again() -> None:
    trip = Trip()
    trip.catch_up.claim("bank01", 5)
    trip.catch_up.heard_from_now("bank02")
    assert trip.asked() == [("bank01", 1)]
    trip.catch_up.heard_from_now("bank01")
    assert trip.asked() == [("bank01", 1)]
    trip.take("bank01", GROWN)
    trip.catch_up.heard_from_now("bank01")
    assert trip.asked() == []


def test_no_more_is_fetched_than_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catchup, "BUFFER_BYTES_MAX", 10)
    trip = Trip()
    trip.catch_up.claim("bank01", 5)
    trip.take("bank01", GROWN[:2])
    trip.asked()
    trip.catch_up.consider()
    assert trip.asked() == []
    assert trip.decide_all() == [1, 2]
    assert trip.asked() == [("bank01", 3)]


def test_a_liar_takes_down_only_its_own_blocks() -> None:
    trip = Trip()
    trip.catch_up.claim("bank01", 2)
    trip.take("bank01", GROWN[:2])
    trip.catch_up.claim("bank02", 3)
    trip.take("bank02", GROWN[2:3])
    trip.catch_up.claim("bank03", 5)
    trip.take("bank03", GROWN[3:])
    with pytest.raises(Invalid, match=r"^unknown: "):
        trip.answer("bank00", [])
    assert trip.catch_up.fetched_count == 5
    trip.catch_up.pass_over("bank02")
    assert trip.catch_up.fetched_count == 4
    assert trip.decide_all() == [1, 2]
    assert ("bank03", 3) in trip.asked()


def test_an_answer_that_cannot_be_read_is_a_lie() -> None:
    trip = Trip()
    trip.catch_up.claim("bank01", 5)
    trip.catch_up.claim("bank02", 5)
    trip.asked()
    with pytest.raises(Invalid, match=r"^malformed: not msgpack$"):
        trip.catch_up.answered("bank01", b"\xc1")
    assert trip.asked() == [("bank02", 1)]


FAR = 10_000


def far_behind(peers: int = 3) -> Trip:
    """Far enough behind for several ranges at once."""
    trip = Trip()
    for number in range(peers):
        trip.catch_up.claim(f"bank{number}", FAR)
    return trip


def test_several_peers_are_asked_at_once_each_for_a_range_of_its_own() -> None:
    trip = far_behind(6)
    asked = trip.asked()
    assert [first for _, first in asked] == [1, 65, 129, 193]
    assert len({peer for peer, _ in asked}) == len(asked) == PEERS_ASKED_MAX


def test_of_large_blocks_no_more_are_asked_for_than_an_answer_holds() -> None:
    trip = far_behind(1)
    trip.take("bank0", GROWN[:2])
    trip.catch_up.consider()
    trip.catch_up.claim("bank9", FAR)
    asked = [bulk.decode_get_blocks(payload) for _, _, payload in trip.wire.sent]
    assert asked == [(1, REQUEST_BLOCKS), (3, 2), (5, 2)]


def test_one_that_stalls_holds_up_the_others_for_three_seconds_at_most() -> None:
    trip = far_behind(3)
    asked = {first: peer for peer, first in trip.asked()}
    slow = asked.pop(1)
    trip.clock.pass_ms(trip.timers, ANSWER_TIMEOUT_MS - 1)
    assert trip.asked() == []
    for first, peer in asked.items():
        with pytest.raises(Invalid, match="not those that were asked for"):
            trip.answer(str(peer), GROWN[:1])
        trip.catch_up.claim(str(peer), FAR)
        assert first > 1
    trip.clock.pass_ms(trip.timers, 1)
    assert slow not in {peer for peer, _ in trip.asked()}
    assert ANSWER_TIMEOUT_MS < 5_000


def test_a_liars_range_is_asked_of_another_at_once() -> None:
    trip = far_behind(6)
    liar = next(peer for peer, first in trip.asked() if first == 65)
    with pytest.raises(Invalid, match="not those that were asked for"):
        trip.answer(str(liar), GROWN[:1])
    ((other, first),) = trip.asked()
    assert (first, other == liar) == (65, False)


def test_who_has_pruned_is_asked_for_later_blocks_only() -> None:
    trip = Trip()
    trip.catch_up.claim("bank01", FAR)
    assert trip.asked() == [("bank01", 1)]
    trip.catch_up.pruned("bank01", 101)
    assert trip.catch_up.pruned_below == 101
    assert trip.asked() == []
    trip.catch_up.claim("archive", FAR)
    assert trip.catch_up.pruned_below == 0
    assert trip.asked() == [("archive", 1)]
    trip.height = 100
    trip.catch_up.consider()
    assert ("bank01", 101) in trip.asked()


def test_pruned_is_no_excuse_for_what_is_kept() -> None:
    trip = Trip()
    with pytest.raises(Invalid, match=r"^unknown: blocks that nobody asked for$"):
        trip.catch_up.pruned("bank01", 7)
    trip.catch_up.claim("bank01", FAR)
    with pytest.raises(Invalid, match=r"^bad_block: the peer says that it has what it does not send$"):
        trip.catch_up.pruned("bank01", 1)


def test_signatures_that_were_right_too_late_count_for_nothing() -> None:
    trip = Trip()
    trip.catch_up.claim("bank01", 5)
    fetched = trip.answer("bank01", GROWN)
    trip.catch_up.pass_over("bank01")
    trip.catch_up.add(fetched)
    assert trip.catch_up.fetched_count == 0
