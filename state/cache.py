"""A bounded memory of what was read from the disk: what was not asked for lately goes first.

Two dictionaries, the young and the old. What is put, or found in the old one, is put into the young; when the young
one has half of the memory, it becomes the old one, and what was in that is forgotten. So an entry stays while it is
asked for once in each half of the memory, and asking is one look into a dictionary: keeping the exact order of use took
four times as long.
"""

from typing import Final, Generic, TypeVar

K = TypeVar("K", bytes, str)

ENTRY_OVERHEAD_BYTES = 220
"""What an entry costs beside its value's bytes: headers of key and value, the key, its place in the table."""


class Missing:
    """The type of MISSING."""

    __slots__ = ()


MISSING: Final = Missing()
"""Says that a cache knows nothing of a key; None is a value (the key is known to be absent)."""


class Cache(Generic[K]):
    """Bytes, or None, by key; at most about ``bytes_max`` bytes of memory."""

    __slots__ = ("_half_bytes_max", "_old", "_young", "_young_bytes")

    def __init__(self, bytes_max: int) -> None:
        self._half_bytes_max = bytes_max // 2
        self._young_bytes = 0
        self._young: dict[K, bytes | None] = {}
        self._old: dict[K, bytes | None] = {}

    def get(self, key: K) -> bytes | None | Missing:
        """The remembered value, or MISSING."""
        found = self._young.get(key, MISSING)
        if found is MISSING:
            found = self._old.pop(key, MISSING)
            if not isinstance(found, Missing):
                self.put(key, found)
        return found

    def put(self, key: K, value: bytes | None) -> None:
        """Remember, and forget what was not asked for lately beyond the limit."""
        self._young_bytes += ENTRY_OVERHEAD_BYTES + (len(value) if value else 0)
        if self._young_bytes > self._half_bytes_max:
            self._old, self._young = self._young, {}
            self._young_bytes = ENTRY_OVERHEAD_BYTES + (len(value) if value else 0)
        self._young[key] = value
