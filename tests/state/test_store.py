"""LevelDB under damage: a wrong answer is never served, and a handle that failed once is dead."""

import gc
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import plyvel
import pytest

from state import store
from state.anchor import Anchor, check_anchor, read_anchor, write_anchor
from state.errors import Corrupt, StorageFailure
from state.store import Database
from state.world import World

HEIGHTS = 12
PROJECT = Path(__file__).parent.parent.parent


def digest_of(height: int) -> bytes:
    return sha256(b"block %d" % height).digest()


def changes_of(height: int) -> dict[bytes, bytes | None]:
    """A hundred keys a height, with values that no compression shrinks."""
    return {
        b"key-%d" % (height * 31 + step): sha256(b"%d.%d" % (height, step)).digest() * 3 for step in range(100)
    }


def incompressible(index: int) -> bytes:
    """A value that is stored as it is, so that a flipped bit in it is an error only to who verifies."""
    return b"".join(sha256(b"%d.%d" % (index, part)).digest() for part in range(8))


def read_each(database: Database, expected: dict[bytes, bytes | None]) -> None:
    for key, value in expected.items():
        assert database.get_verified(key) == value


def contents_at(height: int) -> dict[bytes, bytes | None]:
    contents: dict[bytes, bytes | None] = {}
    for each in range(height + 1):
        contents.update(changes_of(each))
    return contents


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """A database with tables and a log, closed, and its root at each height."""
    path = tmp_path_factory.mktemp("written") / "state"
    roots = []
    for first in range(0, HEIGHTS, 4):
        database = Database.open(path, create=True)
        world = World.open(database)
        for height in range(first, first + 4):
            roots.append(world.commit(height, digest_of(height), changes_of(height), {b"h": b"%d" % height}))
        database.close()
    assert {".ldb", ".log"} <= {entry.suffix for entry in path.iterdir()}
    return path, roots


def found_right_or_refused(path: Path, roots: list[bytes]) -> str:
    """Open a damaged copy: it refuses, or is whole at some height that there was, and says which."""
    try:
        database = Database.open(path)
    except StorageFailure:
        return "refused to open"
    try:
        world = World.open(database)
        if world.height < 0:
            return "empty"
        assert world.root == roots[world.height]
        assert dict(world.items()) == contents_at(world.height)
        assert {key: world.get(key) for key in contents_at(world.height)} == contents_at(world.height)
        assert world.extra_get(b"h") == b"%d" % world.height
        return f"height {world.height}"
    except Corrupt:
        return "refused"
    finally:
        database.close()


def test_rows_are_read_back_and_scanned(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "new" / "db", create=True)
    database.write({b"b": b"2", b"a": b"1", b"c": b"3", b"d": b""}, sync=True)
    database.write({b"c": None}, sync=False)
    assert (database.get(b"a"), database.get_verified(b"c"), database.get_verified(b"d")) == (b"1", None, b"")
    assert database.rows(b"a", b"c") == [(b"a", b"1"), (b"b", b"2")]
    scan = database.scan(b"b")
    database.write({b"bb": b"later"}, sync=False)
    assert list(scan) == [(b"b", b"2"), (b"d", b"")]
    assert list(database.scan(reverse=True, verify=False))[:2] == [(b"d", b""), (b"bb", b"later")]
    database.close()
    again = Database.open(tmp_path / "new" / "db")
    assert again.get(b"bb") == b"later"
    again.close()


def test_a_database_that_is_opened_again_has_its_rows_and_its_lock(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "db", create=True)
    database.write({b"a": b"1"}, sync=False)
    database.reopen()
    database.write({b"b": b"2"}, sync=True)
    assert dict(database.scan()) == {b"a": b"1", b"b": b"2"}
    with pytest.raises(StorageFailure, match="is in use already"):
        Database.open(tmp_path / "db")
    (tmp_path / "db" / "CURRENT").unlink()
    with pytest.raises(StorageFailure, match="failed to open"):
        database.reopen()
    with pytest.raises(StorageFailure, match="failed to open"):
        database.get(b"a")


def test_a_missing_database_and_a_second_opener_are_named(tmp_path: Path) -> None:
    with pytest.raises(StorageFailure, match="does not exist"):
        Database.open(tmp_path / "none")
    database = Database.open(tmp_path / "db", create=True)
    with pytest.raises(StorageFailure, match=r"is in use already .*Stop the process that has it first"):
        Database.open(tmp_path / "db")
    database.close()
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailure, match="failed to open"):
        Database.open(tmp_path / "file" / "db", create=True)


def test_a_database_without_its_current_file_is_not_made_anew(
    written: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    shutil.copytree(written[0], tmp_path / "db")
    (tmp_path / "db" / "CURRENT").unlink()
    with pytest.raises(StorageFailure, match="failed to open"):
        Database.open(tmp_path / "db", create=True)


def test_a_flipped_bit_is_never_served(written: tuple[Path, list[bytes]], tmp_path: Path) -> None:
    path, roots = written
    outcomes: dict[str, int] = {}
    for file in sorted(path.iterdir()):
        if file.name in ("LOCK", "LOG", "LOG.old"):
            continue
        size = file.stat().st_size
        for at in sorted({0, 1, 4, 6, size // 3, size // 2, size - 60, size - 9, size - 1} & set(range(size))):
            copy = tmp_path / f"{file.name}-{at}"
            shutil.copytree(path, copy)
            damaged = bytearray(file.read_bytes())
            damaged[at] ^= 0x08
            (copy / file.name).write_bytes(damaged)
            outcome = found_right_or_refused(copy, roots)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            shutil.rmtree(copy)
    assert sum(count for outcome, count in outcomes.items() if outcome.startswith("refused")) >= 20, outcomes


def test_no_scan_ends_early_at_a_flipped_bit(tmp_path: Path) -> None:
    """Found by the simulator: an iterator that meets a bad block at the very end says that there was nothing more."""
    rows = {b"%04d" % index: incompressible(index)[:100] for index in range(60)}
    database = Database.open(tmp_path / "db", create=True)
    database.write(dict(rows), sync=True)
    database.close()
    Database.open(tmp_path / "db").close()
    (table,) = (tmp_path / "db").glob("*.ldb")
    content = table.read_bytes()
    ranges = [(b"", None), (b"0056", None), (b"0050", b"9"), (b"0020", b"0024"), (b"", b"0003")]
    refused = 0
    for at in range(0, len(content), 29):
        table.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        for start, stop in ranges:
            wanted = [(key, row) for key, row in rows.items() if start <= key and (stop is None or key < stop)]
            for read in (
                lambda database, start=start, stop=stop: database.rows(start, stop),
                lambda database, start=start, stop=stop: list(database.scan(start, stop)),
                lambda database, start=start, stop=stop: list(database.scan(start, stop, reverse=True))[::-1],
            ):
                try:
                    database = Database.open(tmp_path / "db")
                except StorageFailure:
                    continue
                try:
                    assert read(database) == wanted
                except StorageFailure:
                    refused += 1
                database.close()
    assert refused > 100


def test_a_flipped_bit_in_the_log_refuses_to_open_and_drops_no_records(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "db", create=True)
    for index in range(200):
        database.write({b"%04d" % index: incompressible(index)}, sync=False)
    database.close()
    (log,) = (tmp_path / "db").glob("*.log")
    content = bytearray(log.read_bytes())
    content[len(content) // 3] ^= 1
    log.write_bytes(content)
    with pytest.raises(StorageFailure, match=r"failed to open: Corruption: .*Check the disk"):
        Database.open(tmp_path / "db")


def test_a_bit_flipped_under_an_open_database_kills_the_handle(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "db", create=True)
    expected: dict[bytes, bytes | None] = {b"%04d" % index: incompressible(index) for index in range(4000)}
    database.write(expected, sync=True)
    database._db.compact_range()
    for table in (tmp_path / "db").glob("*.ldb"):
        content = bytearray(table.read_bytes())
        for at in range(1000, len(content) // 2, 4000):
            content[at] ^= 1
        table.write_bytes(content)
    with pytest.raises(StorageFailure, match=r"failed to read: .*Nothing written since can be believed") as first:
        read_each(database, expected)
    for use in (
        lambda: database.get(b"0"),
        lambda: database.get_verified(b"0"),
        lambda: database.rows(b"", None),
        lambda: database.finder(),
        lambda: database.scan(),
        lambda: database.write({b"a": b"1"}, sync=True),
    ):
        with pytest.raises(StorageFailure) as again:
            use()
        assert again.value is first.value
    database.close()


def test_a_finder_sees_what_was_there_and_no_wrong_row_is_taken_for_an_absent_one(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "db", create=True)
    expected: dict[bytes, bytes | None] = {b"%04d" % index: incompressible(index) for index in range(0, 4000, 2)}
    database.write(expected, sync=True)
    find = database.finder()
    database.write({b"0001": b"later", b"0002": None}, sync=True)
    assert (find(b"0000"), find(b"0001"), find(b"0002")) == (expected[b"0000"], None, expected[b"0002"])
    assert (find(b"9999"), find(b"")) == (None, None)
    find = database.finder()
    assert (find(b"0001"), find(b"0002")) == (b"later", None)
    del find
    database._db.compact_range()
    for table in (tmp_path / "db").glob("*.ldb"):
        content = bytearray(table.read_bytes())
        for at in range(1000, len(content) // 2, 4000):
            content[at] ^= 1
        table.write_bytes(content)
    find = database.finder()
    for key in list(expected)[2:]:
        try:
            assert find(key) == expected[key]
        except StorageFailure:
            break
    else:
        pytest.fail("no flipped bit was found out")
    with pytest.raises(StorageFailure):
        find(b"0000")
    database.close()


def test_a_cut_or_missing_manifest_is_refused_or_noticed_by_the_anchor(
    written: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    path, roots = written
    anchor = Anchor(HEIGHTS - 1, digest_of(HEIGHTS - 1), roots[-1])
    (manifest,) = path.glob("MANIFEST-*")
    size = manifest.stat().st_size
    refused = 0
    for length in [None, *range(0, size, 7)]:
        copy = tmp_path / str(length)
        shutil.copytree(path, copy)
        if length is None:
            (copy / manifest.name).unlink()
        else:
            (copy / manifest.name).write_bytes(manifest.read_bytes()[:length])
        outcome = found_right_or_refused(copy, roots)
        if outcome.startswith("height") or outcome == "empty":
            height = -1 if outcome == "empty" else int(outcome.split()[1])
            root = roots[height] if height >= 0 else bytes(32)
            found = Anchor(height, digest_of(height), root)
            if found != anchor:
                with pytest.raises(Corrupt, match="was durable: the disk lost data"):
                    check_anchor(anchor, found, may_lag=False)
        else:
            refused += 1
        shutil.rmtree(copy)
    assert refused > 0


class Refusing:
    """A LevelDB whose writes fail as ENOSPC does, once."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def write_batch(self, **options: Any) -> Any:
        raise plyvel.IOError(b"IO error: /db/000003.log: No space left on device")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_the_first_failed_write_is_the_last(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "db", create=True)
    world = World.open(database)
    root = world.commit(0, digest_of(0), changes_of(0), sync=True)
    real = database._db
    database._db = Refusing(real)
    with pytest.raises(StorageFailure, match=r"failed to write: IO error: .*No space left on device. Nothing written"):
        world.commit(1, digest_of(1), changes_of(1))
    database._db = real
    with pytest.raises(StorageFailure, match="No space left"):
        world.commit(1, digest_of(1), changes_of(1))
    assert (world.height, world.root) == (0, root)
    database.close()
    reopened = Database.open(tmp_path / "db")
    assert World.open(reopened).root == root
    reopened.close()


FULL_DISK = """
import resource, sys
from pathlib import Path
from state.errors import StorageFailure
from state.store import Database
database = Database.open(Path(sys.argv[1]), create=True)
database.write({b"first": b"1"}, sync=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
try:
    for index in range(100):
        database.write({b"%d" % index: bytes(1000)}, sync=True)
except StorageFailure as failure:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        database.write({b"after": b""}, sync=True)
    except StorageFailure as again:
        print(index, again is failure, "failed to write" in str(failure))
"""


def test_a_disk_that_really_refuses(tmp_path: Path) -> None:
    """The system's own limit on file sizes stands in for a full disk; then there is room again."""
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "db")], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )
    assert ran.stderr == ""
    acknowledged, same, named = ran.stdout.split()
    assert (same, named) == ("True", "True")
    database = Database.open(tmp_path / "db")
    rows = dict(database.scan())
    database.close()
    assert rows[b"first"] == b"1"
    assert b"after" not in rows
    assert all(rows[b"%d" % index] == bytes(1000) for index in range(int(acknowledged)))


def test_the_anchor_is_read_back_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "anchor"
    assert read_anchor(path) is None
    for height in (0, 2**40):
        anchor = Anchor(height, digest_of(1), digest_of(2))
        write_anchor(path, anchor)
        assert read_anchor(path) == anchor
    assert [entry.name for entry in tmp_path.iterdir()] == ["anchor"]


def test_a_damaged_anchor_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "anchor"
    write_anchor(path, Anchor(7, digest_of(1), digest_of(2)))
    whole = path.read_bytes()
    spoilt = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    for content in [*spoilt, b"", whole[:-1], whole + b"\0"]:
        path.write_bytes(content)
        with pytest.raises(Corrupt, match=r"The anchor .* is damaged, so it cannot be told whether"):
            read_anchor(path)


def test_an_anchor_that_cannot_be_written_or_read_is_a_storage_failure(tmp_path: Path) -> None:
    anchor = Anchor(7, digest_of(1), digest_of(2))
    with pytest.raises(StorageFailure, match=r"could not be written: .*No such file"):
        write_anchor(tmp_path / "none" / "anchor", anchor)
    (tmp_path / "anchor").mkdir()
    with pytest.raises(StorageFailure, match="could not be written"):
        write_anchor(tmp_path / "anchor", anchor)
    with pytest.raises(StorageFailure, match="cannot be read"):
        read_anchor(tmp_path / "anchor")


def test_what_a_database_says_is_compared_with_the_anchor() -> None:
    anchor = Anchor(7, digest_of(7), digest_of(70))
    check_anchor(None, anchor, may_lag=False)
    check_anchor(anchor, anchor, may_lag=False)
    check_anchor(anchor, Anchor(8, digest_of(8), digest_of(80)), may_lag=False)
    behind = Anchor(6, digest_of(6), digest_of(60))
    check_anchor(anchor, behind, may_lag=True)
    with pytest.raises(Corrupt, match="The database ends at height 6, but height 7 was durable"):
        check_anchor(anchor, behind, may_lag=False)
    with pytest.raises(Corrupt, match="At height 7 the database holds another block than the anchor records"):
        check_anchor(anchor, Anchor(7, digest_of(0), digest_of(70)), may_lag=True)
    with pytest.raises(Corrupt, match="At height 7 the database holds another state root than the anchor records"):
        check_anchor(anchor, Anchor(7, digest_of(7), digest_of(0)), may_lag=True)


def test_a_handle_is_whole_until_its_holder_goes() -> None:
    """LevelDB's own must be closed in order; the collector takes what lies in a cycle of garbage apart in any order."""

    class Handle:
        def __init__(self) -> None:
            self.own = [self]
            self.closed_with: list[bool] = []

        def close(self) -> None:
            self.closed_with.append(self.own == [self])

    class Holder:
        def __init__(self, handle: Handle) -> None:
            self.cycle = (self, handle)

    handle = Handle()
    told = handle.closed_with
    holder = Holder(handle)
    store._close_after(holder, handle)
    del handle, holder
    gc.collect()
    assert told == [True]
