"""Snapshots: cuts and leaves of trees of every shape, and pins that stand while the world goes on."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state import snapshot
from state.errors import Invalid
from state.memory import MemoryDatabase
from state.snapshot import SNAPSHOT_HEIGHTS, check_leaves, cuts_of, cuts_value, read_cuts
from state.store import Database
from state.world import PIN_HEIGHTS_KEPT, PINS_MAX, World


def world_of(keys: int, database: Any = None) -> World:
    world = World.open(MemoryDatabase() if database is None else database)
    changes: dict[bytes, bytes | None] = {b"key/%d" % number: b"value %d" % number for number in range(keys)}
    world.commit(0, bytes(32), changes)
    return world


def advance(world: World, height: int) -> None:
    while world.height < height:
        world.commit(world.height + 1, bytes(32), {b"counter": b"%d" % world.height})
        world.pin()


@settings(max_examples=60, deadline=None)
@given(keys=st.integers(0, 400), keys_max=st.integers(1, 120))
def test_cuts_prove_themselves_and_their_leaves(keys: int, keys_max: int) -> None:
    world = world_of(keys)
    cuts = cuts_of(world._tree.node, keys_max)
    assert read_cuts(cuts_value(cuts) if cuts else [], world.root) == cuts
    assert sum(cut.keys for cut in cuts) == keys
    items = [(sha256(key).digest(), key, value) for key, value in world.items()]
    found = 0
    for cut in cuts:
        low, stop = cut.range
        leaves = [(key, value) for name, key, value in items if name >= low and (stop is None or name < stop)]
        check_leaves(cut, leaves)
        found += len(leaves)
        for wrong in (leaves[1:], leaves[::-1] if len(leaves) > 1 else [], [*leaves, (b"surplus", b"")]):
            with pytest.raises(Invalid, match=r"^bad_proof: "):
                check_leaves(cut, wrong)
    assert found == keys


def test_a_pin_has_the_cuts_of_its_height_whatever_is_written_later() -> None:
    world = world_of(3_000)
    advance(world, SNAPSHOT_HEIGHTS)
    pin, cuts, root = world.pinned(SNAPSHOT_HEIGHTS), cuts_of(world._tree.node), world.root
    assert pin is not None
    assert pin.root == root
    assert len(cuts) == 16
    for start in range(0, 3_000, 500):
        kept = {b"key/%d" % number: None if number % 7 else b"another" for number in range(start, start + 500)}
        world.commit(world.height + 1, bytes(32), kept | {b"new/%d" % start: b"key"})
        assert pin.cuts() == cuts
        assert read_cuts(cuts_value(pin.cuts()), root) == cuts
    assert world.root != root


def test_cuts_of_another_state_are_refused() -> None:
    cuts = cuts_of(world_of(300)._tree.node, 40)
    good: list[Any] = list(cuts_value(cuts))  # type: ignore[arg-type]
    root = world_of(300).root
    bad: list[tuple[list[Any], str]] = [
        (good[1:], "the subtrees lead to another state root than is certified"),
        (good[::-1], "the subtrees are out of order, or one lies within another"),
        ([*good, good[-1]], "the subtrees are out of order, or one lies within another"),
        ([[good[0][0] + "0", good[0][1], 1], *good[1:]], "the subtrees lead to another state root than is certified"),
        ([["0" * 17, good[0][1], 1], *good[1:]], "a path has at most 16 nibbles"),
        ([["X", good[0][1], 1], *good[1:]], "a path has at most 16 nibbles"),
    ]
    for value, reason in bad:
        with pytest.raises(Invalid) as refused:
            read_cuts(value, root)
        assert refused.value.detail == reason


def test_a_large_state_is_cut_into_larger_subtrees() -> None:
    node = world_of(2_000)._tree.node
    assert max(cut.keys for cut in cuts_of(node)) <= snapshot.CUT_KEYS
    assert snapshot.CUTS_TARGET * 16 <= snapshot.CUTS_MAX


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_pin_stands_while_the_world_goes_on(tmp_path: Path, on_disk: bool) -> None:
    database = Database.open(tmp_path / "state", create=True) if on_disk else MemoryDatabase()
    world = world_of(500, database)
    advance(world, SNAPSHOT_HEIGHTS)
    root, items = world.root, list(world.items())
    pin = world.pinned(SNAPSHOT_HEIGHTS)
    assert pin is not None
    advance(world, SNAPSHOT_HEIGHTS + 40)
    assert world.root != root
    cuts = read_cuts(cuts_value(pin.cuts()), root)
    found = []
    for cut in cuts:
        leaves, is_complete = pin.leaves(*cut.range, 2**20)
        assert is_complete
        check_leaves(cut, leaves)
        found += leaves
    assert found == items
    part, is_complete = pin.leaves(bytes(32), None, 100)
    assert (is_complete, part) == (False, items[: len(part)])
    database.close()


def test_what_is_held_is_bounded_and_what_is_asked_for_stays() -> None:
    world = world_of(10)
    advance(world, SNAPSHOT_HEIGHTS)
    for height in range(2 * SNAPSHOT_HEIGHTS, PIN_HEIGHTS_KEPT + SNAPSHOT_HEIGHTS, SNAPSHOT_HEIGHTS):
        assert world.pinned(SNAPSHOT_HEIGHTS) is not None
        advance(world, height)
        held = [pinned for pinned, _ in world.pins()]
        assert held[:2] == [height, height - SNAPSHOT_HEIGHTS]
        assert SNAPSHOT_HEIGHTS in held
        assert len(held) <= PINS_MAX
    advance(world, 3 * PIN_HEIGHTS_KEPT)
    assert [height for height, _ in world.pins()] == [3 * PIN_HEIGHTS_KEPT, 3 * PIN_HEIGHTS_KEPT - SNAPSHOT_HEIGHTS]
    assert world.pinned(SNAPSHOT_HEIGHTS) is None


def test_what_a_node_starts_with_can_be_fetched_at_whatever_height() -> None:
    world = world_of(10)
    advance(world, 5)
    assert world.pins() == ()
    world.pin(at_start=True)
    assert world.pins() == ((5, world.root),)
