"""The database in memory: for tests, the simulator and trying a contract. It forgets like a disk can.

Writes without ``sync`` are what a power cut may take: all of them, or all after one point, never one from the
middle (LevelDB's log keeps their order). ``after_crash`` gives the database as it would be found again.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Mapping

from state.keyvalue import Finder

UNSYNCED_BATCHES_MAX = 64
"""Batches that a crash can take. Older ones count as written back, as a kernel does within seconds."""

INSERTIONS_MAX = 64
"""New keys of a batch that are inserted one by one; more are appended and sorted in."""


class MemoryDatabase:
    """Rows in a dictionary, with their keys in order beside it."""

    __slots__ = ("_closed", "_order", "_rows", "_unsynced")

    def __init__(self, rows: Mapping[bytes, bytes] | None = None) -> None:
        self._rows: dict[bytes, bytes] = dict(rows or {})
        self._order = sorted(self._rows)
        self._unsynced: deque[list[tuple[bytes, bytes | None]]] = deque(maxlen=UNSYNCED_BATCHES_MAX)
        self._closed = False

    def get(self, key: bytes) -> bytes | None:
        """The row."""
        assert not self._closed, "the database is closed"
        return self._rows.get(key)

    def get_verified(self, key: bytes) -> bytes | None:
        """The row: memory needs no checksum."""
        assert not self._closed, "the database is closed"
        return self._rows.get(key)

    def finder(self) -> Finder:
        """Looks for single rows."""
        return self.get_verified

    def rows(self, start: bytes, stop: bytes | None) -> list[tuple[bytes, bytes]]:
        """All rows with start ≤ key < stop, at once."""
        assert not self._closed, "the database is closed"
        order, found = self._order, self._rows
        low = bisect_left(order, start)
        high = len(order) if stop is None else bisect_left(order, stop)
        return [(key, found[key]) for key in order[low:high]]

    def scan(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False, verify: bool = True
    ) -> Iterator[tuple[bytes, bytes]]:
        """The rows with start ≤ key < stop one by one, as they were when the scan began."""
        found = self.rows(start, stop)
        return reversed(found) if reverse else iter(found)

    def scrub(self, start: bytes, bytes_max: int) -> tuple[bytes | None, int]:
        """See ``KeyValue``."""
        size = 0
        for key, row in self.rows(start, None):
            if size >= bytes_max:
                return key, size
            size += len(key) + len(row)
        return None, size

    def view(self) -> "MemoryDatabase":
        """A copy."""
        return self.clone()

    def write(self, changes: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        """Write all changes (None deletes). With ``sync`` a crash takes neither these nor any before."""
        assert not self._closed, "the database is closed"
        if sync:
            self._unsynced.clear()
        else:
            self._unsynced.append([(key, self._rows.get(key)) for key in changes])
        self._apply(changes)

    def close(self) -> None:
        """Refuse further use, as a closed LevelDB does. The rows stay for ``clone`` and ``after_crash``."""
        self._closed = True

    def clone(self) -> "MemoryDatabase":
        """An independent copy of all rows, open and with everything synced."""
        copy = MemoryDatabase()
        copy._rows = self._rows.copy()
        copy._order = self._order.copy()
        return copy

    @property
    def is_empty(self) -> bool:
        """Whether there is no row."""
        return not self._rows

    @property
    def unsynced_count(self) -> int:
        """Batches that a crash now could take."""
        return len(self._unsynced)

    def after_crash(self, kept: int = 0) -> "MemoryDatabase":
        """The database as found after a power cut that spared the first ``kept`` of the unsynced batches."""
        assert 0 <= kept <= len(self._unsynced), "no so many unsynced batches"
        survivor = self.clone()
        for previous in reversed(list(self._unsynced)[kept:]):
            survivor._apply(dict(previous))
        return survivor

    def _apply(self, changes: Mapping[bytes, bytes | None]) -> None:
        rows, order = self._rows, self._order
        added = []
        for key, value in changes.items():
            if value is not None:
                if key not in rows:
                    added.append(key)
                rows[key] = value
            elif rows.pop(key, None) is not None:
                del order[bisect_left(order, key)]
        if len(added) > INSERTIONS_MAX:
            order += added
            order.sort()
        else:
            for key in added:
                insort(order, key)
