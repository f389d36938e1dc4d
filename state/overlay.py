"""The write overlay: what a block changes, before any of it is written, with nested savepoints.

One dictionary holds both what was read and what was written; an undo log of (key, previous value) takes writes
back. So a read that was made before is one dictionary lookup however deep the savepoints are, a savepoint costs
nothing until it is rolled back, and the keys written are those in the log.

Values are of any one type, for instance records decoded once and encoded at the end of the block. The overlay
keeps the objects it is given and gives out the same ones: they must be immutable, or copied by the caller. None
means absent and is never a value. An overlay lives for one block. Fuel bounds what is written in it; what is only
read is remembered up to a limit, and read again past it.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from state.cache import MISSING, Missing

V = TypeVar("V")

REMEMBERED_MAX = 100_000
"""Keys in the overlay from which on those that are only read are not remembered any more."""

REMEMBERED_KEY_BYTES_MAX = 1_024
"""Longest key that is remembered when it is only read, bytes: nothing is kept under a longer one."""


class _ReadThrough(dict[bytes, V | None]):
    """A dictionary that reads what it lacks. Its ``__getitem__`` runs in C when the key is there."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[bytes], V | None]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, key: bytes) -> V | None:
        value = self._read(key)
        if len(self) < REMEMBERED_MAX and len(key) <= REMEMBERED_KEY_BYTES_MAX:
            self[key] = value
        return value


class Overlay(Generic[V]):
    """Reads from ``read`` (once a key, within the limits) and keeps all writes to itself."""

    __slots__ = ("_log", "_marks", "_values", "get")

    get: Callable[[bytes], V | None]
    """``get(key)``: the value as the overlay has it now, or None. Bound to the dictionary itself for speed."""

    def __init__(self, read: Callable[[bytes], V | None]) -> None:
        self._values: _ReadThrough[V] = _ReadThrough(read)
        self._log: list[tuple[bytes, V | Missing | None]] = []
        self._marks: list[int] = []
        self.get = self._values.__getitem__

    def put(self, key: bytes, value: V) -> None:
        """Set the value of a key."""
        values = self._values
        self._log.append((key, values.get(key, MISSING)))
        values[key] = value

    def delete(self, key: bytes) -> None:
        """Make a key absent; it need not be present."""
        values = self._values
        self._log.append((key, values.get(key, MISSING)))
        values[key] = None

    def savepoint(self) -> int:
        """Open a savepoint inside those that are open. Gives its number for ``rollback`` or ``release``."""
        self._marks.append(len(self._log))
        return len(self._marks) - 1

    def rollback(self, savepoint: int) -> None:
        """Take back every write since ``savepoint``, and close it and all inside it."""
        assert 0 <= savepoint < len(self._marks), "the savepoint is not open"
        mark = self._marks[savepoint]
        del self._marks[savepoint:]
        log, values = self._log, self._values
        while len(log) > mark:
            key, previous = log.pop()
            if isinstance(previous, Missing):
                del values[key]
            else:
                values[key] = previous

    def release(self, savepoint: int) -> None:
        """Keep the writes since ``savepoint`` as the enclosing one's, and close it and all inside it."""
        assert 0 <= savepoint < len(self._marks), "the savepoint is not open"
        del self._marks[savepoint:]

    def changes(self) -> dict[bytes, V | None]:
        """Every key written and not rolled back, with its value now (None: delete), in order of first write.

        A key may have got back the value it had: the overlay does not compare.
        """
        values = self._values
        return {key: values[key] for key, _ in self._log}
