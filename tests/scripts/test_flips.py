"""Bits that flip on simulated disks: what the real journal and the real LevelDB make of them, and what is noticed."""

from collections.abc import Iterator
from random import Random
from types import SimpleNamespace

import plyvel
import pytest

from node import journal
from node.journal import Record
from node.records import BLOCK
from scripts.simulation import birth, decay, flips
from scripts.simulation.decay import Damage, Served, SpoiltDatabase
from scripts.simulation.disk import Disk
from scripts.simulation.run import Run
from state import store
from state.errors import Corrupt, StorageFailure
from state.memory import MemoryDatabase
from state.store import Database

SEEDS = 40
RECORDS = [Record(BLOCK, bytes([number]) * 50) for number in range(8)]


@pytest.fixture
def disk() -> Disk:
    """One whose journal holds some records durably, as the next start finds it."""
    found = Disk()
    found.replace(RECORDS)
    found.crash(Random(1), power=False)
    found.journal_backup = found.durable_segment()
    return found


def test_the_journal_refuses_or_drops_its_last_record(disk: Disk) -> None:
    outcomes = set()
    for seed in range(SEEDS):
        disk.put_right("journal is damaged at byte 0")
        disk.flip_journal(Random(seed))
        try:
            outcomes.add(f"{len(disk.recover())} records")
        except Corrupt as refusal:
            outcomes.add(str(refusal)[:26])
    assert outcomes == {"journal is damaged at byte", "7 records"}


def test_a_torn_tail_is_dropped_by_the_real_reader() -> None:
    counts = set()
    for seed in range(SEEDS):
        torn = Disk()
        torn.replace(RECORDS[:5])
        torn.records, torn.written_count = list(RECORDS), 7
        torn.crash(Random(seed), power=True)
        found = torn.recover()
        assert found == RECORDS[: len(found)]
        counts.add(len(found))
    assert counts == {5, 6}


def test_a_planted_journal_that_checks_nothing_is_noticed(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal.zlib, "crc32", lambda *_: 0)
    noticed = []
    for seed in range(SEEDS):
        disk.journal = disk.durable_segment()
        disk.flip_journal(Random(seed))
        try:
            disk.recover()
        except Corrupt:
            continue  # a mark or a length was hit
        except Served as error:
            noticed.append(str(error))
        disk.replace(RECORDS)
    assert noticed.count("S6: the journal gives what was never written") > SEEDS // 4


def test_a_planted_journal_that_drops_what_it_cannot_read_is_noticed(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_has_record_after", lambda *_: False)
    disk.flip_journal(Random(1))
    with pytest.raises(Served, match=r"S6: of 8 records the journal gives \d, and says nothing"):
        disk.recover()


@pytest.fixture(scope="module")
def damages() -> list[Damage]:
    """What becomes of a state, flip by flip."""
    rows = MemoryDatabase(dict(_genesis()))
    return [decay.spoil(rows, "state", Random(seed)) for seed in range(SEEDS)]


def test_leveldb_refuses_to_open_or_to_read(damages: list[Damage]) -> None:
    assert {damage.opens for damage in damages} == {True, False}
    assert all(damage.failure.startswith("The database /state failed to ") for damage in damages if damage.failure)
    assert sum(bool(damage.unreadable) for damage in damages) > SEEDS // 4


def test_the_same_flip_does_the_same(damages: list[Damage]) -> None:
    rows = MemoryDatabase(dict(_genesis()))
    assert [decay.spoil(rows, "state", Random(seed)) for seed in range(3)] == damages[:3]


def test_a_planted_store_that_verifies_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(name: str, **settings: object) -> object:
        return plyvel.DB(name, **{**settings, "paranoid_checks": False, "compression": None})

    def rows(database: Database, start: bytes, stop: bytes | None) -> list[tuple[bytes, bytes]]:
        try:
            return list(database._db.iterator(start=start, stop=stop))
        except plyvel.Error as error:
            database._die("read", error)

    monkeypatch.setattr(store, "plyvel", SimpleNamespace(DB=careless, Error=plyvel.Error))
    monkeypatch.setattr(Database, "rows", rows)
    monkeypatch.setattr(Database, "get_verified", Database.get)
    written = MemoryDatabase(dict(_genesis()))
    noticed = []
    for seed in range(SEEDS):
        try:
            decay.spoil(written, "state", Random(seed))
        except Served as error:
            noticed.append(str(error)[:15])
    assert noticed.count("S6: state gives") > SEEDS // 4


def test_an_unreadable_row_kills_the_handle_until_the_next_start() -> None:
    rows = SpoiltDatabase(MemoryDatabase({b"a": b"1", b"b": b"2"}), Damage("gone", True, frozenset({b"b"})))
    assert rows.get_verified(b"a") == b"1"
    for _ in range(2):
        with pytest.raises(StorageFailure, match="gone"):
            rows.rows(b"", None)
    with pytest.raises(StorageFailure, match="gone"):
        rows.write({b"b": b"3"}, sync=False)
    again = rows.reopened()
    again.write({b"b": b"3"}, sync=False)
    assert again.rows(b"", None) == [(b"a", b"1"), (b"b", b"3")]


@pytest.mark.parametrize("seed", [1, 5])
def test_flips_are_put_right(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flips, "FLIP_SHARE", 1.0)
    told: list[str] = []
    assert Run(seed, 4, told.append).result().violation is None
    assert any("has flipped" in line for line in told)


def _genesis() -> Iterator[tuple[bytes, bytes]]:
    for key, row in birth.genesis_rows(4).items():
        assert row is not None
        yield key, row
