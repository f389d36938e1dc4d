"""A bounded memory of what was read from the disk: the least recently used goes first."""

from collections import OrderedDict
from typing import Final, Generic, TypeVar

K = TypeVar("K", bytes, str)

ENTRY_OVERHEAD_BYTES = 250
"""What an entry costs beside its value's bytes: headers of key and value, the key, its place in table and list."""


class Missing:
    """The type of MISSING."""

    __slots__ = ()


MISSING: Final = Missing()
"""Says that a cache knows nothing of a key; None is a value (the key is known to be absent)."""


class Cache(Generic[K]):
    """Bytes, or None, by key; at most about ``bytes_max`` bytes of memory."""

    __slots__ = ("_bytes", "_bytes_max", "_entries")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._entries: OrderedDict[K, bytes | None] = OrderedDict()

    def get(self, key: K) -> bytes | None | Missing:
        """The remembered value, or MISSING."""
        found = self._entries.get(key, MISSING)
        if found is not MISSING:
            self._entries.move_to_end(key)
        return found

    def put(self, key: K, value: bytes | None) -> None:
        """Remember, and forget the least recently used beyond the limit."""
        entries = self._entries
        if key in entries:
            self.forget(key)
        entries[key] = value
        self._bytes += ENTRY_OVERHEAD_BYTES + (len(value) if value else 0)
        while self._bytes > self._bytes_max:
            _, gone = entries.popitem(last=False)
            self._bytes -= ENTRY_OVERHEAD_BYTES + (len(gone) if gone else 0)

    def forget(self, key: K) -> None:
        """Know nothing of the key any more."""
        gone = self._entries.pop(key, MISSING)
        if not isinstance(gone, Missing):
            self._bytes -= ENTRY_OVERHEAD_BYTES + (len(gone) if gone else 0)

    def has_room(self, value: bytes) -> bool:
        """Whether ``value`` can be put without forgetting another."""
        return self._bytes + ENTRY_OVERHEAD_BYTES + len(value) <= self._bytes_max
