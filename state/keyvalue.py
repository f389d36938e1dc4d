"""The seam between the chain's state and the disk: an ordered map of bytes, written in atomic batches.

``state.store.Database`` keeps it in LevelDB, ``state.memory.MemoryDatabase`` in memory. An error of storage is a
``StorageFailure``, which ends the process: nobody catches it to go on.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, TypeAlias

Finder: TypeAlias = Callable[[bytes], bytes | None]
"""Gives the row under a key, verified."""


class Rows(Protocol):
    """Rows as they were at one moment, whatever is written later."""

    def scan(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False, verify: bool = True
    ) -> Iterator[tuple[bytes, bytes]]:
        """The rows with start ≤ key < stop one by one."""


class KeyValue(Protocol):
    """Rows ordered by their keys, bytewise."""

    def get(self, key: bytes) -> bytes | None:
        """The row, for uses where a wrong answer is found out elsewhere."""

    def get_verified(self, key: bytes) -> bytes | None:
        """The row, its checksum verified on the way from the disk."""

    def finder(self) -> Finder:
        """Looks for single rows that lie anywhere among very many, as they are now; it sees no later write."""

    def rows(self, start: bytes, stop: bytes | None) -> list[tuple[bytes, bytes]]:
        """All rows with start ≤ key < stop (None: to the end), verified, at once: for short ranges."""

    def scan(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False, verify: bool = True
    ) -> Iterator[tuple[bytes, bytes]]:
        """The rows with start ≤ key < stop one by one, as they were when the scan began."""

    def scrub(self, start: bytes, bytes_max: int) -> tuple[bytes | None, int]:
        """Verify rows from ``start`` on, so many bytes; where to go on (None: the end), and how many bytes it were."""

    def view(self) -> Rows:
        """The rows as they are now. What is replaced later is kept until the view is forgotten."""

    def write(self, changes: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        """Write all changes or none (None deletes). With ``sync`` they and all earlier ones are durable after."""

    def close(self) -> None:
        """Give the files back. Nothing may be called afterwards."""


def prefix_range(prefix: bytes) -> tuple[bytes, bytes | None]:
    """Start and stop of the keys that begin with ``prefix``."""
    kept = prefix.rstrip(b"\xff")
    return prefix, kept[:-1] + bytes([kept[-1] + 1]) if kept else None
