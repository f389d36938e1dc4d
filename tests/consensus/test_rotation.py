"""Primaries: turns by height, the back of the order for whoever failed, the same at every node."""

from itertools import pairwise

import pytest

from consensus.rotation import (
    BENCH_HEIGHTS,
    FAILURES_MAX,
    Rotation,
    Standing,
    first_rotation,
    judge,
    next_rotation,
    order_of,
)
from state.block import Block, make_block
from state.certificate import Certificate
from state.digest import NO_DIGEST
from state.errors import Invalid
from state.votes import Commit
from tests.consensus.network import CHAIN_ID, validators_of


def block(height: int, parent_view: int = 0) -> Block:
    """A block whose parent was decided in that view."""
    certificate = None if height == 1 else Certificate(Commit(height - 1, parent_view, NO_DIGEST), ())
    return make_block(
        chain_id=CHAIN_ID, height=height, parent=NO_DIGEST, parent_certificate=certificate,
        timestamp_ms=height, proposer=bytes(32), entries=[], validators_digest=bytes(32),
    )  # fmt: skip


def test_everyone_has_a_turn() -> None:
    banks = validators_of("abcd")
    assert ["".join(order_of(height, banks, ())) for height in range(1, 6)] == ["bcda", "cdab", "dabc", "abcd", "bcda"]


ORDER = ("b", "c", "d", "a")
JUDGED: list[tuple[str, tuple[Standing, ...], int, tuple[Standing, ...]]] = [
    ("decided at once", (), 0, ()),
    ("the first turn failed", (), 1, (Standing("b", 1, 164),)),
    ("two turns failed", (), 2, (Standing("b", 1, 164), Standing("c", 1, 164))),
    ("it failed again", (Standing("b", 1, 90),), 1, (Standing("b", 2, 228),)),
    ("it is back", (Standing("b", 3, 90),), 0, ()),
    ("others stay where they are", (Standing("a", 3, 900),), 1, (Standing("a", 3, 900), Standing("b", 1, 164))),
    ("doubling stops", (Standing("b", 6, 90),), 1, (Standing("b", 6, 100 + 32 * 64),)),
    ("far views cost nothing", (), 2**63 - 1, (Standing("b", 1, 164), Standing("c", 1, 164), Standing("d", 1, 164))),
]


@pytest.mark.parametrize(("before", "view", "after"), [row[1:] for row in JUDGED], ids=[row[0] for row in JUDGED])
def test_judged(before: tuple[Standing, ...], view: int, after: tuple[Standing, ...]) -> None:
    assert judge(before, ORDER, 100, view) == after


def test_a_dead_bank_costs_one_view_change_in_ever_more_heights() -> None:
    banks = validators_of("abcd")
    rotation = first_rotation(banks)
    failed: list[int] = []
    parent_view = 0
    for height in range(1, 6_000):
        decided_in = 0
        while rotation.primary(decided_in) == "c":
            decided_in += 1
        failed += [height] * (decided_in > 0)
        rotation = next_rotation(rotation, block(height, parent_view), banks)
        parent_view = decided_in
    gaps = [later - earlier for earlier, later in pairwise(failed)]
    expected = [BENCH_HEIGHTS * 2 ** min(turn + 1, FAILURES_MAX) for turn in range(len(gaps))]
    assert all(expected[i] <= gaps[i] <= expected[i] + 4 for i in range(len(gaps))), gaps
    assert len(failed) == 7
    assert all(sum(first <= height < first + 100 for height in failed) <= 1 for first in range(8, 5_900))


def test_certificate_of_the_grandparent_decides() -> None:
    """Nothing in the block of height h may change primary(h): only certificates inside headers below h do."""
    banks = validators_of("abcd")
    second = next_rotation(first_rotation(banks), block(1), banks)
    quiet = next_rotation(second, block(2, 0), banks)
    failed = next_rotation(second, block(2, 1), banks)
    assert quiet.order == ("d", "a", "b", "c")
    assert failed.order == ("a", "c", "d", "b")
    assert failed.standings == (Standing("b", 1, 65),)


def test_members_come_and_go() -> None:
    second = next_rotation(first_rotation(validators_of("abcd")), block(1), validators_of("acde"))
    third = next_rotation(second, block(2, 1), validators_of("acde"))
    assert (second.order, third.standings) == (("d", "e", "a", "c"), ())


def test_all_on_the_bench_still_have_an_order() -> None:
    banks = validators_of("abcd")
    standings = tuple(Standing(name, 1, 50 + index) for index, name in enumerate("dbca"))
    assert order_of(10, banks, standings) == ("d", "b", "c", "a")


def test_stored_and_read() -> None:
    rotation = Rotation(7, ("a", "b"), ("b", "a"), (Standing("b", 2, 99),))
    assert Rotation.decode(rotation.encode()) == rotation
    with pytest.raises(Invalid):
        Rotation.decode(Rotation(7, (), (), ()).encode())
