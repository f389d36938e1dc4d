"""The journal: what must be on disk before anything is said.

One append-only journal holds everything that a restart needs: transaction bodies, vote records, blocks and
certificates. Records are written as they come and made durable together by one fdatasync; nothing leaves the node
before the record that it rests on is durable. A failed write or fdatasync ends the process: after one, the kernel
may have thrown the pages away, so the handle is never used again.

A file is a segment: records one after another, each a mark, a kind, a length, a CRC-32 and its payload. A crash
can tear the end of the last segment, and recovery drops that tail. A bad record with good ones behind it is no
torn tail but a damaged disk, and refuses to open. ``compact`` starts a new segment from what is still needed and
removes the old ones.

A damaged last record would pass for a torn one, and a cut file for a shorter one. So a small file beside the segments,
the mark, says how far the newest was durable. It is written after each fdatasync and never synced itself: a power
failure may leave an older mark, which says less and nothing wrong.
"""

import os
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from state.errors import Corrupt, StorageFailure

RECORD_BYTES_MAX = 16 * 1024 * 1024
"""Largest record: the bodies of a full block."""

INLINE_SECONDS_MAX = 0.001
"""A disk that usually takes less than this for a sync is waited for: another thread would take longer to be woken, and
to be heard again beside a busy interpreter. Measured, finality at 1,000 a second: p50 104 → 66 ms, p99 281 → 166, where
a sync takes 0.3 ms (nodes that merge their tables at different times among it)."""

INLINE_BYTES_MAX = 128 * 1024
"""What is larger is written by the thread."""

USUAL_PART = 0.1
"""Part of a sync that is waited for in what is usual."""

USUAL_FADES = 0.97
"""While the thread syncs, what is usual fades so much each time, until the disk is tried again."""

_MARK = b"\xa7HJ1"
_HEADER = struct.Struct(">4sBII")
"""Mark, kind (never 0: zeros after a mark would be a record), length of the payload, CRC-32 over kind and payload."""

MARK_FILE = "durable"
"""Name of the mark."""
_MARK_BODY = struct.Struct(">8sQQ")
"""What it is, number of the newest segment, and how many bytes of it were durable; a SHA-256 follows."""
_MARK_MAGIC = b"hansa j\x01"
_MARK_BYTES = _MARK_BODY.size + 32


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of the journal. What a kind means is its writer's business (node.records)."""

    kind: int
    payload: bytes


class Journal(Protocol):
    """What driver and signer write to; the simulator has one whose disk forgets what was not synced."""

    def append(self, record: Record) -> None:
        """Write a record. It is durable only when a later ``sync`` has completed."""

    def sync(self, token: int) -> None:
        """Make everything appended so far durable, then report ``token`` to the driver's inbox."""

    def compact(self, records: Sequence[Record]) -> None:
        """Replace everything by ``records``, durably, before returning."""

    @property
    def size_bytes(self) -> int:
        """What the journal takes up, for deciding when to compact."""


_DAMAGED = (
    "A validator that forgets its votes can contradict them, so it signs nothing. Keep the damaged file, and bring "
    "back a backup's journal by hansa restore --journal: the node then abstains until its old votes cannot matter."
)


def create(directory: Path) -> None:
    """Make the empty journal of a new node. A validator whose journal is missing refuses to start."""
    directory.mkdir(parents=True, mode=0o700)
    _write_segment(directory, 1, ())


def recover(directory: Path) -> list[Record]:
    """All records that were made durable, in order; a torn tail is cut off.

    :raises Corrupt: the journal is missing or damaged.
    """
    records: list[Record] = []
    for path, found, end in _read(directory):
        if end < path.stat().st_size:
            os.truncate(path, end)
        records.extend(found)
    return records


def peek(directory: Path) -> list[Record]:
    """What ``recover`` would give, and nothing is changed. :raises Corrupt: the journal is missing or damaged."""
    return [record for _, found, _ in _read(directory) for record in found]


def replace(directory: Path, records: Sequence[Record]) -> None:
    """Have a closed journal hold these records and no others, durably."""
    old = segments_of(directory)
    path = _write_segment(directory, _number(old[-1]) + 1, records)
    (directory / MARK_FILE).write_bytes(mark_of(_number(path), path.stat().st_size))
    for segment in old:
        segment.unlink()


def _read(directory: Path) -> Iterator[tuple[Path, list[Record], int]]:
    """Each segment with its good records and where they end. :raises Corrupt: the journal is missing or damaged."""
    segments = segments_of(directory)
    if not segments:
        raise Corrupt(
            f"the journal in {directory} is missing. It holds what this validator has signed, and signing without it "
            "could contradict an earlier vote. Restore the directory as it last was on this host. If it is lost, "
            "keep this validator stopped until the members have replaced its vote key."
        )
    for path in segments:
        found, end = read_segment(path.read_bytes(), str(path), is_newest=path == segments[-1])
        check_mark(path, end)
        yield path, found, end


def check_mark(path: Path, end: int) -> None:
    """Compare a segment, good up to ``end``, with the mark beside it.

    :raises Corrupt: more of it was durable, or it is not the newest that there was.
    """
    marked = read_mark(path.parent)
    if marked is None:
        return
    number, durable_bytes = marked
    if number == _number(path) and end < durable_bytes:
        raise Corrupt(f"{path} is damaged at byte {end}: {durable_bytes} bytes of it were durable. {_DAMAGED}")
    newest = _segment_path(path.parent, number)
    if number > _number(path) and not newest.exists():
        raise Corrupt(f"{newest} is missing. {_DAMAGED}")


def read_mark(directory: Path) -> tuple[int, int] | None:
    """Number of the newest segment and how much of it was durable at least; None where that is not known: the mark is
    younger than the journal, or damaged, and what the journal itself says of its end has to do."""
    try:
        content = (directory / MARK_FILE).read_bytes()
    except FileNotFoundError:
        return None
    body = content[: _MARK_BODY.size]
    if len(content) != _MARK_BYTES or sha256(body).digest() != content[_MARK_BODY.size :]:
        return None
    magic, number, size = _MARK_BODY.unpack(body)
    return (number, size) if magic == _MARK_MAGIC else None


def check_span(path: Path, at: int, bytes_max: int) -> int:
    """Verify durable records of a segment that is being written, from ``at`` on; where the next one begins.

    :raises Corrupt: there is none at ``at``, or it is damaged. :raises OSError: the file is gone, or can't be read.
    """
    with path.open("rb") as file:
        file.seek(at)
        data = file.read(bytes_max)
        head = data[: _HEADER.size]
        if len(head) == _HEADER.size and (length := _HEADER.unpack(head)[2]) + _HEADER.size > len(data):
            data += file.read(min(length, RECORD_BYTES_MAX) + _HEADER.size - len(data))
    records, end = _parse(data)
    if not records:
        raise Corrupt(f"{path} is damaged at byte {at}. {_DAMAGED}")
    return at + end


def read_segment(data: bytes, name: str, *, is_newest: bool) -> tuple[list[Record], int]:
    """The good records of a segment, and where they end: what follows is a torn tail, which only the newest may have.

    :raises Corrupt: it is damaged.
    """
    records, end = _parse(data)
    if end < len(data) and (not is_newest or _has_record_after(data, end)):
        raise Corrupt(
            f"{name} is damaged at byte {end}. {_DAMAGED}"
        )
    return records, end


class FileJournal:
    """The journal of a running node.

    :param synced: called with the token of each completed ``sync``, from the executor's thread or within the call.
    :param failed: called in the same way when the disk refuses; the process must end.
    :param executor: one thread, so that syncs complete in order.
    """

    def __init__(
        self,
        directory: Path,
        executor: Executor,
        synced: Callable[[int], None],
        failed: Callable[[StorageFailure], None],
    ) -> None:
        segments = segments_of(directory)
        assert segments, "create or recover comes first"
        self._directory = directory
        self._executor = executor
        self._synced = synced
        self._failed = failed
        self._number = _number(segments[-1])
        self._size_bytes = sum(path.stat().st_size for path in segments)
        self._buffer: list[bytes] = []
        self._newest: Future[None] | None = None
        """What the thread was given last."""
        self._usual_seconds = 0.0
        """What a sync takes that is waited for."""
        self._failure: StorageFailure | None = None
        """After the first error nothing is written: what stood behind a gap could not be read."""
        try:
            self._file = os.open(segments[-1], os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            self._mark = os.open(directory / MARK_FILE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.fdatasync(self._file)
            self._durable_bytes = segments[-1].stat().st_size
            self._set_mark()
        except OSError as error:
            raise _failure(directory, error) from error

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments, the unwritten buffer included."""
        return self._size_bytes

    @property
    def durable(self) -> tuple[Path, int]:
        """The segment that is being written, and how much of it is durable."""
        return _segment_path(self._directory, self._number), self._durable_bytes

    def append(self, record: Record) -> None:
        """See ``Journal.append``. Records are written together at the next ``sync``."""
        encoded = encode(record)
        self._buffer.append(encoded)
        self._size_bytes += len(encoded)

    def sync(self, token: int) -> None:
        """See ``Journal.sync``."""
        buffer, self._buffer = b"".join(self._buffer), []
        is_thread_busy = self._newest is not None and not self._newest.done()
        if is_thread_busy or len(buffer) > INLINE_BYTES_MAX or self._usual_seconds > INLINE_SECONDS_MAX:
            self._usual_seconds *= USUAL_FADES
            self._newest = self._executor.submit(self._sync, self._file, buffer, token)
            return
        began = time.perf_counter()
        self._sync(self._file, buffer, token)
        self._usual_seconds += (time.perf_counter() - began - self._usual_seconds) * USUAL_PART

    def compact(self, records: Sequence[Record]) -> None:
        """See ``Journal.compact``. Waits for syncs that are under way."""
        old, number = segments_of(self._directory), self._number + 1
        self._buffer = []
        try:
            self._executor.submit(os.fdatasync, self._file).result()
            if self._failure is not None:
                raise self._failure
            path = _write_segment(self._directory, number, records)
            os.close(self._file)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            self._number, self._size_bytes = number, path.stat().st_size
            self._durable_bytes = self._size_bytes
            self._set_mark()
            for segment in old:
                segment.unlink()
        except OSError as error:
            raise _failure(self._directory, error) from error

    def close(self) -> None:
        """Write and sync what is left, then close."""
        if self._failure is not None:
            raise self._failure
        buffer, self._buffer = b"".join(self._buffer), []
        try:
            _write(self._file, buffer)
            os.fdatasync(self._file)
            self._durable_bytes += len(buffer)
            self._set_mark()
            os.close(self._file)
            os.close(self._mark)
        except OSError as error:
            raise _failure(self._directory, error) from error

    def _sync(self, file: int, buffer: bytes, token: int) -> None:
        if self._failure is not None:
            return
        try:
            _write(file, buffer)
            os.fdatasync(file)
            self._durable_bytes += len(buffer)
            self._set_mark()
        except OSError as error:
            self._failure = _failure(self._directory, error)
            self._failed(self._failure)
        else:
            self._synced(token)

    def _set_mark(self) -> None:
        """Say how far the newest segment is durable: after it is, and not durably, so that it costs a microsecond."""
        os.pwrite(self._mark, mark_of(self._number, self._durable_bytes), 0)


def mark_of(number: int, durable_bytes: int) -> bytes:
    """Contents of the mark."""
    body = _MARK_BODY.pack(_MARK_MAGIC, number, durable_bytes)
    return body + sha256(body).digest()


def _failure(directory: Path, error: OSError) -> StorageFailure:
    return StorageFailure(
        f"writing to {directory} failed ({error.strerror}). The node has stopped so that nothing unsaved is answered "
        "for. Make room or mend the disk, then start it again: it recovers by itself."
    )


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def encode(record: Record) -> bytes:
    """The record as it stands in a segment."""
    assert record.kind > 0
    assert len(record.payload) <= RECORD_BYTES_MAX
    checksum = zlib.crc32(record.payload, record.kind)
    return _HEADER.pack(_MARK, record.kind, len(record.payload), checksum) + record.payload


def _parse(data: bytes) -> tuple[list[Record], int]:
    """The good records at the start of a segment, and where they end."""
    records, at = [], 0
    while (record := _record_at(data, at)) is not None:
        records.append(record)
        at += _HEADER.size + len(record.payload)
    return records, at


def _record_at(data: bytes, at: int) -> Record | None:
    if len(data) - at < _HEADER.size:
        return None
    mark, kind, length, checksum = _HEADER.unpack_from(data, at)
    start = at + _HEADER.size
    if mark != _MARK or not kind or length > RECORD_BYTES_MAX or len(data) - start < length:
        return None
    payload = data[start : start + length]
    return Record(kind, payload) if zlib.crc32(payload, kind) == checksum else None


def _has_record_after(data: bytes, at: int) -> bool:
    at = data.find(_MARK, at + 1)
    while at >= 0:
        if _record_at(data, at) is not None:
            return True
        at = data.find(_MARK, at + 1)
    return False


def _write_segment(directory: Path, number: int, records: Iterable[Record]) -> Path:
    """A new durable segment; it appears under its name only when it is whole."""
    path = _segment_path(directory, number)
    temporary = path.with_suffix(".new")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        _write(file, b"".join(encode(record) for record in records))
        os.fsync(file)
    finally:
        os.close(file)
    os.rename(temporary, path)
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return path


def segments_of(directory: Path) -> list[Path]:
    """The segments, the oldest first."""
    return sorted(directory.glob("*.journal")) if directory.is_dir() else []


def _segment_path(directory: Path, number: int) -> Path:
    return directory / f"{number:08d}.journal"


def _number(path: Path) -> int:
    return int(path.stem)
