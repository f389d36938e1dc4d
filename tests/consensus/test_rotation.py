"""Primaries: turns by height, the back of the order for whoever failed, the same at every node."""

from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest

from consensus.rotation import (
    ABSENCE_HEIGHTS,
    BENCH_HEIGHTS,
    Rotation,
    Standing,
    first_rotation,
    judge,
    next_rotation,
    order_of,
    pardon,
)
from state.block import Block, make_block
from state.certificate import Certificate
from state.digest import NO_DIGEST
from state.errors import Invalid
from state.validators import ValidatorSet
from state.votes import Commit
from tests.consensus.network import CHAIN_ID, validators_of


def block(height: int, parent_view: int = 0, signers: tuple[int, ...] = ()) -> Block:
    """A block whose parent was decided in that view, by these."""
    signatures = tuple((index, bytes(64)) for index in signers)
    certificate = None if height == 1 else Certificate(Commit(height - 1, parent_view, NO_DIGEST), signatures)
    return make_block(
        chain_id=CHAIN_ID, height=height, parent=NO_DIGEST, parent_certificate=certificate,
        timestamp_ms=height, proposer=bytes(32), entries=[], validators_digest=bytes(32),
    )  # fmt: skip


def failed_turns(heights: int, is_up: Callable[[int], bool], slow: bool = False) -> list[int]:
    """Heights at which c of abcd is asked to lead and is down; while it is up, certificates carry its signature.

    The fold is stored and read at every height, as by a node that restarts all the time.

    :param slow: its COMMIT always comes too late for a certificate.
    """
    banks, failed, parent = validators_of("abcd"), list[int](), (0, (0, 1, 3))
    rotation = first_rotation(banks)
    for height in range(1, heights):
        view = 0
        while rotation.primary(view) == "c" and not is_up(height):
            view += 1
        failed += [height] * (view > 0)
        rotation = next_rotation(Rotation.decode(rotation.encode()), block(height, *parent), banks)
        parent = view, (0, 2, 3) if is_up(height) and not slow else (0, 1, 3)
    return failed


def test_everyone_has_a_turn() -> None:
    banks = validators_of("abcd")
    assert ["".join(order_of(height, banks, ())) for height in range(1, 6)] == ["bcda", "cdab", "dabc", "abcd", "bcda"]


ORDER = ("b", "c", "d", "a")
JUDGED: list[tuple[str, tuple[Standing, ...], int, tuple[Standing, ...]]] = [
    ("decided at once", (), 0, ()),
    ("the first turn failed", (), 1, (Standing("b", 1, 164, 2148),)),
    ("two turns failed", (), 2, (Standing("b", 1, 164, 2148), Standing("c", 1, 164, 2148))),
    ("it failed again", (Standing("b", 1, 90, 95),), 1, (Standing("b", 2, 228, 2148),)),
    ("it is back", (Standing("b", 3, 90, 95),), 0, ()),
    (
        "others stay where they are",
        (Standing("a", 3, 900, 2900),),
        1,
        (Standing("a", 3, 900, 2900), Standing("b", 1, 164, 2148)),
    ),
    ("doubling stops", (Standing("b", 6, 90, 90),), 1, (Standing("b", 6, 2148, 2148),)),
    ("far views cost nothing", (), 2**63 - 1, tuple(Standing(name, 1, 164, 2148) for name in "bcd")),
]


@pytest.mark.parametrize(("before", "view", "after"), [row[1:] for row in JUDGED], ids=[row[0] for row in JUDGED])
def test_judged(before: tuple[Standing, ...], view: int, after: tuple[Standing, ...]) -> None:
    assert judge(before, ORDER, 100, view) == after


SEEN: list[tuple[str, Standing, set[str], Standing]] = [
    ("not rested yet", Standing("b", 1, 165, 2148), {"b"}, Standing("b", 1, 165, 2148)),
    ("rested and seen", Standing("b", 1, 164, 2148), {"a", "b"}, Standing("b", 1, 164, 164)),
    ("seen later", Standing("b", 1, 100, 2148), {"b"}, Standing("b", 1, 100, 164)),
    ("rested, not seen", Standing("b", 1, 164, 2148), {"a", "c"}, Standing("b", 1, 164, 2148)),
    ("back already", Standing("b", 1, 100, 164), {"b"}, Standing("b", 1, 100, 164)),
]


@pytest.mark.parametrize(("before", "signers", "after"), [row[1:] for row in SEEN], ids=[row[0] for row in SEEN])
def test_who_is_seen_returns(before: Standing, signers: set[str], after: Standing) -> None:
    assert pardon((before,), signers, 164) == (after,)
    assert before.is_awaited(164) == (pardon((before,), {"b"}, 164) != (before,))


def test_a_dead_bank_costs_a_view_change_in_2048_heights() -> None:
    failed = failed_turns(9_000, lambda height: False)
    assert failed[0] == 2
    assert [later - earlier for earlier, later in pairwise(failed)] == [ABSENCE_HEIGHTS] * 4


@pytest.mark.parametrize("restarted", [3, 50, 66, 100, 1_000])
def test_a_restarted_bank_has_its_turn_as_soon_as_it_has_rested_and_voted(restarted: int) -> None:
    """It dies before height 2, and again right after its first turn: how many heights after its restart that is."""
    rotation, banks = first_rotation(validators_of("abcd")), validators_of("abcd")
    parent, led = (0, (0, 1, 3)), 0
    for height in range(1, 1_200):
        if height >= restarted and rotation.primary(0) == "c":
            led = height
            break
        view = int(rotation.primary(0) == "c")
        rotation = next_rotation(rotation, block(height, *parent), banks)
        parent = view, (0, 2, 3) if height >= restarted else (0, 1, 3)
    rested = max(2 + 2 * BENCH_HEIGHTS, restarted + 2)
    assert rested <= led <= rested + 4


@pytest.mark.parametrize("spell", [7, 50, 300])
def test_a_bank_that_comes_and_goes_is_judged_by_what_it_does_now(spell: int) -> None:
    """Having voted once since its failure gives it no turn while it is down: only a turn right after it went down
    fails, never a second one of the same outage, and never two within a bench."""
    failed = failed_turns(20_000, lambda height: height // spell % 2 == 0)
    assert len(failed) > 30
    assert all(height % (2 * spell) in range(spell, spell + 4) for height in failed)
    assert all(later - earlier >= 2 * BENCH_HEIGHTS for earlier, later in pairwise(failed))


def test_a_bank_that_is_always_the_slowest_has_its_turn_in_the_end() -> None:
    """No certificate ever carries its signature, but it leads well once it is asked to, and has a clean slate."""
    assert failed_turns(6_000, lambda height: height > 100, slow=True) == [2]
    assert failed_turns(6_000, lambda height: False, slow=True) == [2, 2_050, 4_098]


def test_one_honest_proposer_is_enough_to_be_seen() -> None:
    """A liar leaves c out of every certificate that it chooses; a and d do not."""
    banks = validators_of("abcd")
    rotation = first_rotation(banks)
    while rotation.height < 10 or rotation.primary(0) != "c":
        signers = (0, 1, 3) if rotation.primary(0) == "b" else (0, 2, 3)
        rotation = next_rotation(rotation, block(rotation.height, int(rotation.height == 3), signers), banks)
    assert 66 <= rotation.height <= 72


def test_certificate_of_the_grandparent_decides() -> None:
    """Nothing in the block of height h may change primary(h): only certificates inside headers below h do."""
    banks = validators_of("abcd")
    second = next_rotation(first_rotation(banks), block(1), banks)
    quiet = next_rotation(second, block(2, 0), banks)
    failed = next_rotation(second, block(2, 1), banks)
    assert quiet.order == ("d", "a", "b", "c")
    assert failed.order == ("a", "c", "d", "b")
    assert failed.standings == (Standing("b", 1, 65, 2049),)


def test_members_come_and_go() -> None:
    second = next_rotation(first_rotation(validators_of("abcd")), block(1), validators_of("acde"))
    third = next_rotation(second, block(2, 1), validators_of("acde"))
    assert (second.order, third.standings) == (("d", "e", "a", "c"), ())


def test_who_signed_is_told_by_the_members_of_then() -> None:
    """Index 2 of V(69) = abcd is c, of V(70) = acde it is d; the certificate inside header 70 is of height 69."""
    standings = tuple(Standing(name, 1, 71, 2_000) for name in "cd")
    rotation = Rotation(70, tuple("deac"), tuple("abcd"), standings)
    follows = next_rotation(rotation, block(70, 0, (0, 1, 2)), validators_of("acde"))
    assert follows.standings == (Standing("c", 1, 71, 71), Standing("d", 1, 71, 2_000))
    assert follows.order[-1] == "d"


def test_all_on_the_bench_still_have_an_order() -> None:
    banks = validators_of("abcd")
    standings = tuple(Standing(name, 1, 50 + index, 2_000) for index, name in enumerate("dbca"))
    assert order_of(10, banks, standings) == ("d", "b", "c", "a")


def test_stored_and_read() -> None:
    rotation = Rotation(7, ("a", "b"), ("b", "a"), (Standing("b", 2, 99, 2_050),))
    assert Rotation.decode(rotation.encode()) == rotation
    with pytest.raises(Invalid):
        Rotation.decode(Rotation(7, (), (), ()).encode())


def test_the_fold_goes_on_from_stored_bytes() -> None:
    """Random views, signers and members: whoever starts from what is stored at any height, and whoever never
    stopped, has the same order for ever."""
    random = Random(5)
    sets: dict[int, ValidatorSet] = {}
    parent: tuple[int, tuple[int, ...]] = (0, (0, 1, 2))
    rotation = first_rotation(validators_of("abcd"))
    sets[1] = validators_of("abcd")
    stored = rotation.encode()
    for height in range(1, 3_000):
        sets[height + 1] = (
            sets[height] if random.random() < 0.99 else validators_of(random.choice(("abcd", "abcde", "bcde")))
        )
        decided = block(height, *parent)
        rotation = next_rotation(rotation, decided, sets[height + 1])
        stored = next_rotation(Rotation.decode(stored), decided, sets[height + 1]).encode()
        assert stored == rotation.encode()
        assert sorted(rotation.order) == [item.member for item in sets[height + 1].validators]
        count = len(sets[height])
        signers = tuple(sorted(random.sample(range(count), sets[height].quorum)))
        parent = (random.randint(1, 2) if random.random() < 0.02 else 0, signers)
