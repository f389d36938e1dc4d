"""LevelDB, and what it needs to be trusted with money. The one module that imports plyvel.

Measured with plyvel 1.5.1: after one ENOSPC later synced writes claimed success and were gone on reopening; a
flipped bit was served as a wrong answer. So: paranoid checks always; checksums verified on every read that
consensus depends on; and the first error of any kind marks the handle dead and ends the process. LevelDB itself
cannot tell a cut MANIFEST or a lost log from an older database: its files are looked at before it is opened
(state/manifest.py), and callers compare what they find with an anchor (state/anchor.py) and, for the world state, with
the tree's root (state/world.py).
"""

import weakref
from collections.abc import Iterator, Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

import plyvel

from state import manifest
from state.errors import StorageFailure
from state.keyvalue import Finder

BLOCK_CACHE_BYTES_MAX = 8 * 1024 * 1024
"""Memory for blocks of tables that aren't mapped into memory, bytes: what is mapped is read where it lies."""

WRITE_BUFFER_BYTES = 4 * 1024 * 1024
"""Rows kept in memory before they go to a table, bytes; LevelDB holds two of these. Bounds the log it replays."""

OPEN_FILES_MAX = 1_000
"""Table files held open, as many as LevelDB maps into memory, so that they take no descriptors: 2 GB of tables. With
256, a random row of a million accounts (380 tables) took 13 to 15 µs instead of 10."""

BLOCK_BYTES = 1024
"""Rows that stand together in a table, bytes: what a read of one row checks. Measured at a million accounts, where a
row is seldom cached: a row 4 µs and sixteen in a row 11, against 9 and 20 with LevelDB's own 4,096."""

BLOOM_BITS = 10
"""Filter bits a key: one read in a hundred for an absent key goes to a block."""

DAMAGED = "Corruption: "
"""Stands in the failure of a database whose files hold what nobody has written, as opposed to a disk that is full."""

IN_USE = "is in use already"
"""Stands in the failure to open a database that another process has open."""

RECOVERY = (
    "Nothing written since can be believed, so the process ends. Check the disk (space, permissions, health) and "
    "start again; if it does not open, move this directory away and it is rebuilt from the chain or from peers."
)


class Database:
    """A LevelDB directory. After the first error every call raises that StorageFailure again."""

    __slots__ = ("__weakref__", "_db", "_failure", "_path", "_write_buffer_bytes")

    def __init__(self, path: Path, db: Any, write_buffer_bytes: int = WRITE_BUFFER_BYTES) -> None:
        self._path = path
        self._db = db
        self._write_buffer_bytes = write_buffer_bytes
        self._failure: StorageFailure | None = None
        _close_after(self, db)

    @classmethod
    def open(
        cls, path: Path, *, create: bool = False, write_buffer_bytes: int = WRITE_BUFFER_BYTES
    ) -> "Database":
        """Open the database at ``path``; with ``create`` make it if there is none yet.

        A directory with tables or a log but no CURRENT file is a damaged database, never a place for a new one.

        :param write_buffer_bytes: ``staggered`` where several nodes write the same rows.
        :raises StorageFailure: missing, damaged, locked by another process, or the disk refused.
        """
        try:
            fresh = not _holds_data(path)
            if create and fresh:
                path.mkdir(parents=True, exist_ok=True)
            elif fault := manifest.fault_of(path):
                raise plyvel.CorruptionError(f"{DAMAGED}{fault}")
            db = _handle(path, create and fresh, write_buffer_bytes)
        except (plyvel.Error, OSError) as error:
            raise _failure(path, "open", error) from error
        return cls(path, db, write_buffer_bytes)

    def reopen(self) -> None:
        """Close and open again: what was read is mapped into memory no longer, which LevelDB never gives back by
        itself. For after a scan of everything: of a million accounts that are 300 MB. Nobody else may have it in use.

        :raises StorageFailure: as ``open``.
        """
        self._db.close()
        try:
            self._db = _handle(self._path, False, self._write_buffer_bytes)
        except (plyvel.Error, OSError) as error:
            self._die("open", error)
        _close_after(self, self._db)

    def get(self, key: bytes) -> bytes | None:
        """The row, its checksum not verified: only where a wrong answer is found out elsewhere."""
        if self._failure is not None:
            raise self._failure
        try:
            found: bytes | None = self._db.get(key)
        except (plyvel.Error, OSError) as error:
            self._die("read", error)
        return found

    def get_verified(self, key: bytes) -> bytes | None:
        """The row, its block's checksum verified when it comes from the disk."""
        if self._failure is not None:
            raise self._failure
        try:
            found: bytes | None = self._db.get(key, verify_checksums=True)
        except (plyvel.Error, OSError) as error:
            self._die("read", error)
        return found

    def finder(self) -> Finder:
        """Looks for single rows that lie anywhere among very many, as they are now; it sees no later write.

        A get that looks into several tables counts against the first of them, and for every hundred such LevelDB
        rewrites a table and the ten below it: reading at random kept a core busy (measured: 10 µs a get in the
        background beside 9 for itself, as long as gets came). A place in a scan that is moved about counts as nothing,
        and costs two thirds of a scan begun anew for each row.
        """
        if self._failure is not None:
            raise self._failure
        try:
            place = self._db.raw_iterator(verify_checksums=True)
        except (plyvel.Error, OSError) as error:
            self._die("read", error)

        def find(key: bytes) -> bytes | None:
            if self._failure is not None:
                raise self._failure
            try:
                place.seek(key)
                found: bytes | None = place.value() if place.valid() and place.key() == key else None
            except (plyvel.Error, OSError) as error:
                self._die("read", error)
            return found

        _close_after(find, place)
        return find

    def rows(self, start: bytes, stop: bytes | None) -> list[tuple[bytes, bytes]]:
        """All rows with start ≤ key < stop, verified, at once."""
        return list(self.scan(start, stop))

    def scrub(self, start: bytes, bytes_max: int) -> tuple[bytes | None, int]:
        """Read rows from ``start`` on until so many bytes have been verified; where to go on, None at the end, and how
        many bytes it were. What is read takes no room in the cache from what is wanted.

        :raises StorageFailure: a row can't be read.
        """
        if self._failure is not None:
            raise self._failure
        size = 0
        try:
            with closing(self._db.raw_iterator(verify_checksums=True, fill_cache=False)) as place:
                place.seek(start)
                while place.valid():
                    key, row = place.item()
                    if size >= bytes_max:
                        return key, size
                    size += len(key) + len(row)
                    place.next()
        except (plyvel.Error, OSError) as error:
            self._die("read", error)
        return None, size

    def scan(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False, verify: bool = True
    ) -> Iterator[tuple[bytes, bytes]]:
        """The rows with start ≤ key < stop one by one, as they were when the scan began."""
        if self._failure is not None:
            raise self._failure
        try:
            place = self._db.raw_iterator(verify_checksums=verify)
        except (plyvel.Error, OSError) as error:
            self._die("read", error)
        found = self._scanned(place, start, stop, reverse)
        _close_after(found, place)
        return found

    def view(self) -> "Database":
        """The rows as they are now, for scans alone; LevelDB keeps what is replaced later until this is forgotten."""
        if self._failure is not None:
            raise self._failure
        return Database(self._path, self._db.snapshot())

    def _scanned(
        self, place: Any, start: bytes, stop: bytes | None, reverse: bool
    ) -> Iterator[tuple[bytes, bytes]]:
        """Move about by hand: plyvel's own iterators take a last block that cannot be read for the end."""
        try:
            if not reverse:
                place.seek(start)
                while place.valid():
                    key, row = place.item()
                    if stop is not None and key >= stop:
                        return
                    yield key, row
                    place.next()
                return
            if stop is None:
                place.seek_to_last()
            else:
                place.seek(stop)
                if place.valid():
                    place.prev()
                else:
                    place.seek_to_last()
            while place.valid():
                key, row = place.item()
                if key < start:
                    return
                yield key, row
                place.prev()
        except (plyvel.Error, OSError) as error:
            self._die("read", error)

    def write(self, changes: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        """Write all changes or none (None deletes). With ``sync`` they and all earlier ones are durable after."""
        if self._failure is not None:
            raise self._failure
        try:
            batch = self._db.write_batch(sync=sync)
            put, delete = batch.put, batch.delete
            for key, value in changes.items():
                if value is None:
                    delete(key)
                else:
                    put(key, value)
            batch.write()
        except (plyvel.Error, OSError) as error:
            self._die("write", error)

    def close(self) -> None:
        """Give the files and the lock back. A dead handle may be closed too."""
        self._db.close()

    def _die(self, doing: str, error: Exception) -> NoReturn:
        self._failure = _failure(self._path, doing, error)
        raise self._failure from error


def _handle(path: Path, create: bool, write_buffer_bytes: int) -> Any:
    return plyvel.DB(
        str(path),
        create_if_missing=create,
        paranoid_checks=True,
        lru_cache_size=BLOCK_CACHE_BYTES_MAX,
        write_buffer_size=write_buffer_bytes,
        max_open_files=OPEN_FILES_MAX,
        block_size=BLOCK_BYTES,
        bloom_filter_bits=BLOOM_BITS,
        # Digests, keys and signatures barely shrink: of ten bytes snappy leaves seven, and takes more than half of what
        # merging costs. A row that isn't in memory is read in half the time: 3.4 µs instead of 7.7.
        compression=None,
    )


def _close_after(holder: object, handle: Any) -> None:
    """Close a handle of plyvel's when its holder is gone, and keep it whole until then.

    In plyvel 1.5.1 an iterator must go before its database, and a snapshot looks at its database when it goes; but the
    collector takes apart what lies in a cycle of garbage in any order, as after an exception whose frames hold them.
    Then the process crashed.
    """
    weakref.finalize(holder, handle.close).atexit = False


def staggered(name: str, least_bytes: int) -> int:
    """A write buffer for the node of that name, ``least_bytes`` to twice as many. Nodes that write the same rows into
    equal buffers flush and merge their tables in the same second, and the network stands still for it; so a quorum
    always has its hands free.
    """
    return least_bytes + least_bytes // 256 * sha256(name.encode()).digest()[0]


def _holds_data(path: Path) -> bool:
    """Whether LevelDB ever finished making a database here: it writes CURRENT before the first log or table."""
    if not path.is_dir():
        return False
    return any(entry.name == "CURRENT" or entry.suffix in (".log", ".ldb", ".sst") for entry in path.iterdir())


def _failure(path: Path, doing: str, error: Exception) -> StorageFailure:
    cause = error.args[0] if error.args else error
    text = cause.decode("utf-8", "replace") if isinstance(cause, bytes) else str(error)
    if doing == "open" and text.startswith("IO error: lock "):
        return StorageFailure(f"The database {path} {IN_USE} ({text}). Stop the process that has it first.")
    return StorageFailure(f"The database {path} failed to {doing}: {text}. {RECOVERY}")
