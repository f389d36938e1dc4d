"""What a LevelDB must hold: flips, cuts and removals at the ends of its files, which LevelDB takes for an old crash."""

import os
import shutil
from collections import Counter
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

from state import manifest
from state.errors import StorageFailure
from state.store import Database

KEYS = 12_000


def row(number: int) -> bytes:
    return sha256(b"%d" % number).digest() * 20


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as a kill leaves it: its memory was written to tables several times while it ran."""
    path, image = tmp_path_factory.mktemp("killed") / "running", tmp_path_factory.mktemp("killed") / "db"
    database = Database.open(path, create=True)
    for number in range(KEYS):
        database.write({b"%06d" % (number * 7919 % KEYS): row(number)}, sync=False)
    while True:  # until no merge has removed what was about to be copied
        with suppress(shutil.Error):
            shutil.copytree(path, image)
            if not manifest.fault_of(image):
                break
        shutil.rmtree(image, ignore_errors=True)
    database.close()
    assert len(manifest.inventory_of(image).tables) >= 1
    return image


def copy(image: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir()
    for entry in image.iterdir():
        if entry.suffix == ".ldb":
            os.link(entry, to / entry.name)
        elif entry.name != "LOCK":
            shutil.copyfile(entry, to / entry.name)
    return to


def outcome_of(path: Path) -> str:
    try:
        database = Database.open(path)
        count = sum(1 for _ in database.scan())
        database.close()
    except StorageFailure as failure:
        return "refused" if str(path) in str(failure) else str(failure)
    return "whole" if count == KEYS else f"{count} rows"


def lengths_of(content: bytes) -> list[int]:
    """Bits of the lengths in a log."""
    fragments, _ = manifest._fragments(content)
    return [(start - 3 + byte) * 8 + bit for _, start, _ in fragments for byte in (0, 1) for bit in range(8)]


def test_no_length_that_flips_in_a_manifest_makes_holes(
    killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = manifest.inventory_of(killed).name
    content = (killed / name).read_bytes()

    def found() -> Counter[str]:
        counted = Counter[str]()
        for bit in lengths_of(content):
            spoilt = bytearray(content)
            spoilt[bit // 8] ^= 1 << bit % 8
            (copy(killed, tmp_path / "db") / name).write_bytes(spoilt)
            counted[outcome_of(tmp_path / "db")] += 1
        return counted

    assert found().keys() == {"refused"}
    monkeypatch.setattr(manifest, "fault_of", lambda path: "")
    assert any(outcome.endswith(" rows") for outcome in found()), "LevelDB notices by itself: nothing is shown here"


def test_a_cut_manifest_is_refused_or_whole(killed: Path, tmp_path: Path) -> None:
    name = manifest.inventory_of(killed).name
    content = (killed / name).read_bytes()
    found = Counter[str]()
    for length in range(0, len(content), 5):
        (copy(killed, tmp_path / "db") / name).write_bytes(content[:length])
        found[outcome_of(tmp_path / "db")] += 1
    assert found.keys() <= {"refused", "whole"}
    assert found["refused"] > 10


def test_a_missing_or_cut_file_is_named(killed: Path, tmp_path: Path) -> None:
    inventory = manifest.inventory_of(killed)
    log = f"{inventory.log_number:06d}.log"
    (copy(killed, tmp_path / "db") / log).unlink()
    assert manifest.fault_of(tmp_path / "db").startswith(f"the log {log} is missing")
    number, size = next(iter(inventory.tables.items()))
    table = f"{number:06d}.ldb"
    (copy(killed, tmp_path / "db") / table).unlink()
    assert manifest.fault_of(tmp_path / "db") == f"the table {table} is missing"
    (tmp_path / "db" / table).write_bytes(bytes(size - 1))
    assert manifest.fault_of(tmp_path / "db") == f"the table {table} has {size - 1} bytes where {size} were written"
    with pytest.raises(StorageFailure, match=f"failed to open: Corruption: the table {table} has"):
        Database.open(tmp_path / "db")


def test_a_length_in_the_last_record_of_a_log_is_no_torn_tail(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "db", create=True)
    for number in range(5):
        database.write({b"%d" % number: row(number)}, sync=False)
    database.close()
    (log,) = (tmp_path / "db").glob("*.log")
    content = log.read_bytes()
    assert manifest.fault_of(tmp_path / "db") == ""
    refused = 0
    for bit in lengths_of(content):
        spoilt = bytearray(content)
        spoilt[bit // 8] ^= 1 << bit % 8
        log.write_bytes(spoilt)
        refused += manifest.fault_of(tmp_path / "db") == f"a length in {log.name} has changed"
    assert refused > 20


@pytest.mark.parametrize("tail", [b"", bytes(700), b"\x01" * 5, None])
def test_a_log_torn_by_a_crash_opens(tmp_path: Path, tail: bytes | None) -> None:
    database = Database.open(tmp_path / "db", create=True)
    for number in range(5):
        database.write({b"%d" % number: row(number)}, sync=False)
    database.close()
    (log,) = (tmp_path / "db").glob("*.log")
    content = log.read_bytes()
    log.write_bytes(content[:-30] if tail is None else content + tail)
    database = Database.open(tmp_path / "db")
    assert len(database.rows(b"", None)) == (4 if tail is None else 5)
    database.close()
