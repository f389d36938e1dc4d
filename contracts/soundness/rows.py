"""The state as the checks see it: by key, and by kind in the order of keys."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from contracts.kernel.layout import Row

KINDS: Final = tuple(
    b"account asset balance ciphertext contract expiring expiry freezes group hold identity jurisdictions limits "
    b"motion motions order orders orders_on paused proposal proposals queue reading recovery reserved scheduled "
    b"scheduling sealed supply waiting".split()
)
"""Kinds of rows that a check walks: they are kept in memory meanwhile."""


class State:
    """The state by key, and in memory by kind, those kinds that are walked.

    :param items: every key of the state, with its row still to be decoded.
    :param read: the row of any key.
    """

    __slots__ = ("_kinds", "get")

    def __init__(
        self, items: Iterable[tuple[bytes, bytes]], read: Callable[[bytes], Row | None], decode: Callable[[bytes], Row]
    ) -> None:
        self.get = read
        self._kinds: dict[bytes, dict[bytes, Row]] = {kind: {} for kind in KINDS}
        for key, data in items:
            rows = self._kinds.get(key.partition(b"/")[0])
            if rows is not None:
                rows[key] = decode(data)
        for kind, rows in self._kinds.items():
            self._kinds[kind] = dict(sorted(rows.items()))

    def __contains__(self, key: bytes) -> bool:
        return self.get(key) is not None

    def keys(self, kind: str) -> Iterable[bytes]:
        """The keys of one kind, in order."""
        return self._kinds[kind.encode()]

    def of(self, kind: str) -> Iterator[tuple[str, Row]]:
        """The rows of one kind in the order of their keys, each with what stands after the kind."""
        for key, row in self._kinds[kind.encode()].items():
            yield key[len(kind) + 1 :].decode(), row
