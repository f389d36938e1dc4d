"""The journal on a real disk: order, torn tails, damage, compaction, and a disk that refuses."""

import errno
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from node import journal
from node.journal import FileJournal, Record
from state.errors import Corrupt, StorageFailure

RECORDS = [Record(1, b"first"), Record(2, b""), Record(3, b"third" * 1000)]
LAST_AT = sum(len(journal.encode(record)) for record in RECORDS[:2])


class Sink:
    """Takes what the journal reports from its thread."""

    def __init__(self) -> None:
        self.done: Future[int] = Future()

    def synced(self, token: int) -> None:
        self.done.set_result(token)

    def failed(self, error: StorageFailure) -> None:
        self.done.set_exception(error)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def write(directory: Path, executor: ThreadPoolExecutor, records: list[Record]) -> None:
    sink = Sink()
    opened = FileJournal(directory, executor, sink.synced, sink.failed)
    for record in records:
        opened.append(record)
    opened.sync(7)
    assert sink.done.result(5) == 7
    opened.close()


@pytest.fixture
def directory(tmp_path: Path, executor: ThreadPoolExecutor) -> Path:
    journal.create(tmp_path / "journal")
    write(tmp_path / "journal", executor, RECORDS)
    return tmp_path / "journal"


def only_segment(directory: Path) -> Path:
    (segment,) = directory.glob("*.journal")
    return segment


def test_gives_back_what_was_synced_in_order(directory: Path, executor: ThreadPoolExecutor) -> None:
    assert journal.recover(directory) == RECORDS
    write(directory, executor, [Record(4, b"later")])
    assert journal.recover(directory) == [*RECORDS, Record(4, b"later")]


@pytest.mark.parametrize("cut_bytes", [1, 12, 13, 5000, 5013])
def test_a_torn_tail_is_cut_off(directory: Path, executor: ThreadPoolExecutor, cut_bytes: int) -> None:
    segment = only_segment(directory)
    (directory / "durable").write_bytes(journal.mark_of(1, LAST_AT))
    os.truncate(segment, segment.stat().st_size - cut_bytes)
    assert journal.recover(directory) == RECORDS[:2]
    write(directory, executor, [Record(4, b"later")])
    assert journal.recover(directory) == [*RECORDS[:2], Record(4, b"later")]


def test_a_zeroed_tail_is_cut_off(directory: Path) -> None:
    segment = only_segment(directory)
    with segment.open("ab") as file:
        file.write(bytes(4096))
    assert journal.recover(directory) == RECORDS


def test_a_record_that_is_zeroed_after_its_mark_is_cut_off(directory: Path) -> None:
    """Found by the simulator: kind, length and checksum of zeros fit each other."""
    segment = only_segment(directory)
    mark = segment.read_bytes()[:4]
    with segment.open("ab") as file:
        file.write(mark + bytes(4_096))
    assert journal.recover(directory) == RECORDS


def test_damage_before_good_records_refuses(directory: Path) -> None:
    segment = only_segment(directory)
    data = bytearray(segment.read_bytes())
    data[14] ^= 1
    segment.write_bytes(data)
    with pytest.raises(Corrupt, match=r"is damaged at byte 0\. A validator that forgets its votes"):
        journal.recover(directory)


@pytest.mark.parametrize("at", [LAST_AT, LAST_AT + 4, LAST_AT + 8, LAST_AT + 2000])
def test_a_damaged_last_record_is_not_taken_for_a_torn_one(directory: Path, at: int) -> None:
    segment = only_segment(directory)
    data = bytearray(segment.read_bytes())
    data[at] ^= 1
    segment.write_bytes(data)
    refusal = rf"is damaged at byte {LAST_AT}: {len(data)} bytes of it were durable\. A validator that forgets"
    with pytest.raises(Corrupt, match=refusal):
        journal.recover(directory)
    assert segment.read_bytes() == data


@pytest.mark.parametrize("length", [0, LAST_AT, LAST_AT + 1])
def test_a_cut_journal_is_not_taken_for_a_shorter_one(directory: Path, length: int) -> None:
    os.truncate(only_segment(directory), length)
    with pytest.raises(Corrupt, match="bytes of it were durable"):
        journal.recover(directory)


def test_a_missing_newest_segment_is_named(directory: Path) -> None:
    (directory / "durable").write_bytes(journal.mark_of(2, 10))
    with pytest.raises(Corrupt, match=r"00000002\.journal is missing"):
        journal.recover(directory)


@pytest.mark.parametrize("content", [b"", bytes(56), journal.mark_of(1, 9)[:-1]])
def test_a_damaged_mark_says_nothing(directory: Path, content: bytes) -> None:
    (directory / "durable").write_bytes(content)
    assert journal.recover(directory) == RECORDS


def test_a_span_is_verified_while_it_is_written(directory: Path, executor: ThreadPoolExecutor) -> None:
    sink = Sink()
    opened = FileJournal(directory, executor, sink.synced, sink.failed)
    path, durable = opened.durable
    at = journal.check_span(path, 0, 40)
    assert at == LAST_AT
    assert journal.check_span(path, at, 40) == durable == path.stat().st_size
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(Corrupt, match=f"is damaged at byte {LAST_AT}"):
        journal.check_span(path, at, 40)
    opened.close()


def test_a_missing_journal_refuses(tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match="It holds what this validator has signed"):
        journal.recover(tmp_path / "journal")


def test_compacting_keeps_what_is_given_and_nothing_else(directory: Path, executor: ThreadPoolExecutor) -> None:
    sink = Sink()
    opened = FileJournal(directory, executor, sink.synced, sink.failed)
    before = opened.size_bytes
    opened.compact([Record(9, b"kept")])
    assert opened.size_bytes < before
    opened.append(Record(4, b"later"))
    opened.sync(1)
    assert sink.done.result(5) == 1
    opened.close()
    assert journal.recover(directory) == [Record(9, b"kept"), Record(4, b"later")]
    assert only_segment(directory).name == "00000002.journal"


def test_a_half_made_segment_is_not_one(directory: Path) -> None:
    (directory / "00000002.new").write_bytes(b"torn")
    assert journal.recover(directory) == RECORDS


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_disk_that_refuses_ends_it(
    directory: Path, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    sink = Sink()
    opened = FileJournal(directory, executor, sink.synced, sink.failed)
    opened.append(Record(4, b"never acknowledged"))
    monkeypatch.setattr(os, call, refuse)
    opened.sync(1)
    with pytest.raises(StorageFailure, match=r"No space left on device.*Make room"):
        sink.done.result(5)
    # What comes meanwhile is not written: behind what is missing it could not be read again.
    monkeypatch.undo()
    opened.append(Record(4, b"after the gap"))
    opened.sync(2)
    executor.submit(lambda: None).result(5)
    with pytest.raises(StorageFailure, match="No space left on device"):
        opened.compact([Record(4, b"new")])
    with pytest.raises(StorageFailure, match="No space left on device"):
        opened.close()
    assert b"after the gap" not in b"".join(path.read_bytes() for path in directory.iterdir())


def test_a_quick_disk_is_waited_for_and_a_slow_one_is_not(
    directory: Path, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Votes and sockets never wait long for a disk, and syncs complete in their order whoever makes them."""
    told: list[tuple[int, bool]] = []
    own, clock, takes = threading.get_ident(), [0.0], [0.0]

    def fdatasync(_: int) -> None:
        clock[0] += takes[0]

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    monkeypatch.setattr(journal.time, "perf_counter", lambda: clock[0])
    opened = FileJournal(
        directory, executor, lambda token: told.append((token, threading.get_ident() == own)), lambda _: None
    )

    def sync(token: int, payload: bytes = b"vote") -> bool:
        opened.append(Record(4, payload))
        opened.sync(token)
        executor.submit(lambda: None).result(5)
        assert told[-1][0] == token
        return told[-1][1]

    takes[0] = 0.0005
    assert all(sync(token) for token in range(1, 50)), "a quick disk"
    assert not sync(50, bytes(journal.INLINE_BYTES_MAX)), "a large block"
    takes[0] = 0.02
    waited = [sync(token) for token in range(51, 551)]
    assert waited[0]
    assert sum(waited) < 25, "a slow disk is tried now and then"
    takes[0] = 0.0005
    waited = [sync(token) for token in range(551, 1_000)]
    assert all(waited[-100:]), "it is quick again"
    # While the thread is busy nothing overtakes it, however quick the disk is.
    gate = threading.Event()
    executor.submit(gate.wait)
    opened.sync(1_000)
    opened.append(Record(4, bytes(journal.INLINE_BYTES_MAX)))
    opened.sync(1_001)
    opened.append(Record(4, b"after"))
    opened.sync(1_002)
    assert told[-1] == (1_000, True)
    gate.set()
    executor.submit(lambda: None).result(5)
    assert told[-2:] == [(1_001, False), (1_002, False)]
    opened.close()
    assert [token for token, _ in told] == list(range(1, 1_003))
