"""The world state over the database in memory, and the database in memory itself."""

from collections.abc import Mapping
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.digest import NO_DIGEST
from state.errors import Corrupt, StorageFailure
from state.keyvalue import prefix_range
from state.memory import MemoryDatabase
from state.proof import EMPTY_DIGEST, verify_proof
from state.world import HEAD_KEY, HEIGHT_BEFORE_GENESIS, LEAF, World


def digest_of(height: int) -> bytes:
    return sha256(b"block %d" % height).digest()


def changes_of(height: int, size: int = 40) -> dict[bytes, bytes | None]:
    """Some keys of a range of 200, one in seven deleted."""
    return {
        b"key-%d" % (height * 17 + step * 5 & 0xFF): None if (height + step) % 7 == 0 else b"%d/%d" % (height, step)
        for step in range(size)
    }


def grown(database: MemoryDatabase, heights: int) -> World:
    world = World.open(database)
    for height in range(heights):
        world.commit(height, digest_of(height), changes_of(height), {b"receipt/%04d" % height: b"r%d" % height})
    return world


class FailingDatabase(MemoryDatabase):
    """Refuses writes once told to."""

    __slots__ = ("broken",)

    def __init__(self) -> None:
        super().__init__()
        self.broken = False

    def write(self, changes: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        if self.broken:
            raise StorageFailure("no space")
        super().write(changes, sync=sync)


def test_an_empty_world() -> None:
    world = World.open(MemoryDatabase())
    assert (world.height, world.block_digest, world.root) == (HEIGHT_BEFORE_GENESIS, NO_DIGEST, EMPTY_DIGEST)
    assert (world.get(b"a"), list(world.items()), world.key_count) == (None, [], 0)


def test_a_commit_is_read_back_now_and_after_opening_again() -> None:
    database = MemoryDatabase()
    world = World.open(database)
    assert world.get(b"gone") is None
    root = world.commit(0, digest_of(0), {b"a": b"1", b"gone": b"2", b"": b""}, {b"x": b"extra"})
    root = world.commit(1, digest_of(1), {b"gone": None, b"a": b"one"})
    for seen in (world, World.open(database)):
        assert (seen.height, seen.block_digest, seen.root, seen.key_count) == (1, digest_of(1), root, 2)
        assert (seen.get(b"a"), seen.get(b"gone"), seen.get(b"")) == (b"one", None, b"")
        assert sorted(seen.items()) == [(b"", b""), (b"a", b"one")]
        assert (seen.extra_get(b"x"), seen.extra_get(b"y")) == (b"extra", None)


def test_heights_follow_each_other() -> None:
    world = World.open(MemoryDatabase())
    with pytest.raises(AssertionError, match="height 1 does not follow -1"):
        world.commit(1, digest_of(1), {})


def test_root_after_and_proofs() -> None:
    world = grown(MemoryDatabase(), 5)
    before = world.root
    expected = world.root_after(changes_of(5))
    assert world.root == before
    assert world.commit(5, digest_of(5), changes_of(5)) == expected
    values = dict(world.items())
    assert 32 < len(values) == world.key_count
    for index in range(256):
        key = b"key-%d" % index
        verify_proof(world.root, key, values.get(key), world.prove(key))
        assert world.get(key) == values.get(key)


def test_a_failed_write_leaves_the_world_as_it_was() -> None:
    database = FailingDatabase()
    world = World.open(database)
    world.commit(0, digest_of(0), changes_of(0))
    before, values = world.root, dict(world.items())
    database.broken = True
    with pytest.raises(StorageFailure):
        world.commit(1, digest_of(1), {**changes_of(1), b"key-0": b"lost"}, {b"x": b"lost"})
    assert (world.root, world.height, world.extra_get(b"x")) == (before, 0, None)
    assert {key: world.get(key) for key in values} == values
    for key in [*values, b"key-0", b"absent"]:
        verify_proof(before, key, values.get(key), world.prove(key))


def test_extra_rows_are_scanned_from_both_ends_within_a_limit() -> None:
    world = grown(MemoryDatabase(), 6)
    rows = [(b"receipt/%04d" % height, b"r%d" % height) for height in range(6)]
    assert world.extra_scan(b"", None, 100) == rows
    assert world.extra_scan(b"", None, 2, reverse=True) == [rows[5], rows[4]]
    assert world.extra_scan(b"receipt/0001", b"receipt/0004", 2) == rows[1:3]
    assert world.extra_scan(b"", None, 0) == []
    world.commit(6, digest_of(6), {}, {rows[0][0]: None})
    assert world.extra_scan(*prefix_range(b"receipt/"), 100) == rows[1:]


def test_the_root_does_not_see_extra_rows_or_heights() -> None:
    plain, other = World.open(MemoryDatabase()), World.open(MemoryDatabase())
    plain.commit(0, digest_of(0), {b"a": b"1"})
    other.commit(0, digest_of(9), {}, {b"x": b"y"})
    other.commit(1, digest_of(1), {b"a": b"1"})
    assert plain.root == other.root


def test_lost_changed_or_foreign_rows_are_refused_at_open() -> None:
    database = MemoryDatabase()
    grown(database, 4)
    leaf, row = next(database.scan(*prefix_range(LEAF)))
    other_leaf = next(database.scan(leaf + b"\0", None))[0]
    spoilt_rows: list[dict[bytes, bytes | None]] = [
        {leaf: None},
        {leaf: row[:-1]},
        {leaf: None, leaf[:-1] + bytes([leaf[-1] ^ 1]): row},
        {leaf: database.get(other_leaf), other_leaf: row},
    ]
    for rows in spoilt_rows:
        spoilt = database.clone()
        spoilt.write(rows, sync=True)
        with pytest.raises(Corrupt, match=r"The world state at height 3 should have root .*, but its leaves give"):
            World.open(spoilt)
    headless = database.clone()
    headless.write({HEAD_KEY: None}, sync=True)
    with pytest.raises(Corrupt, match=r"The world state has rows but no head. Delete the state directory"):
        World.open(headless)
    newer = database.clone()
    newer.write({b"mformat": b"\x02"}, sync=True)
    with pytest.raises(Corrupt, match="The world state has format 02; this program writes 01"):
        World.open(newer)


def test_a_leaf_with_another_key_in_it_is_refused_when_read() -> None:
    database = MemoryDatabase()
    World.open(database).commit(0, digest_of(0), {b"aa": bytes(300)})
    database.write({LEAF + sha256(b"aa").digest(): b"\0\2bb" + bytes(300)}, sync=True)
    world = World.open(database)
    with pytest.raises(Corrupt, match="The leaf of key 6161 holds another key"):
        world.get(b"aa")
    with pytest.raises(Corrupt, match="A leaf of the world state stands under another key's digest"):
        list(world.items())


@pytest.mark.parametrize("kept", range(5))
def test_after_a_power_cut_a_whole_earlier_height_is_found(kept: int) -> None:
    database = MemoryDatabase()
    world = World.open(database)
    roots = []
    for height in range(6):
        roots.append(world.commit(height, digest_of(height), changes_of(height), sync=height == 1))
    assert database.unsynced_count == 4
    survivor = World.open(database.after_crash(kept))
    assert (survivor.height, survivor.root) == (1 + kept, roots[1 + kept])
    for height in range(2 + kept, 6):
        assert survivor.commit(height, digest_of(height), changes_of(height)) == roots[height]


ROWS = st.dictionaries(st.binary(max_size=2), st.one_of(st.none(), st.binary(max_size=2)), max_size=90)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, max_size=4), st.binary(max_size=2), st.one_of(st.none(), st.binary(max_size=2)))
def test_the_memory_database_against_a_sorted_dictionary(
    batches: list[dict[bytes, bytes | None]], start: bytes, stop: bytes | None
) -> None:
    database = MemoryDatabase()
    model: dict[bytes, bytes] = {}
    states: list[dict[bytes, bytes]] = [{}]
    for batch in batches:
        database.write(batch, sync=False)
        model = {key: value for key, value in {**model, **batch}.items() if value is not None}
        states.append(dict(model))
    expected = [(key, model[key]) for key in sorted(model) if key >= start and (stop is None or key < stop)]
    assert database.rows(start, stop) == list(database.scan(start, stop)) == expected
    assert list(database.scan(start, stop, reverse=True)) == expected[::-1]
    assert all(left < right for (left, _), (right, _) in pairwise(database.scan()))
    for kept, state in enumerate(states):
        assert dict(database.after_crash(kept).scan()) == state
    database.close()
    with pytest.raises(AssertionError, match="the database is closed"):
        database.get(b"")
    assert dict(database.clone().scan()) == model


@pytest.mark.parametrize(
    ("prefix", "stop"), [(b"", None), (b"a", b"b"), (b"a\xff", b"b"), (b"\xff\xff", None), (b"\0", b"\1")]
)
def test_prefix_range(prefix: bytes, stop: bytes | None) -> None:
    assert prefix_range(prefix) == (prefix, stop)
