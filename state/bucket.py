"""What is remembered of a bucket, as one byte string: its entries, and those of its values that are short.

    count ‖ entry × count ‖ length × count ‖ value × count

Count and length are a byte each; an entry is key digest ‖ value digest, ascending, as the bucket's digest binds it.
Length 0 says that the value is not remembered: it is empty, or longer than SHORT_BYTES_MAX. The entries stand together,
since they are what is hashed; one byte string instead of objects for each value takes a third of the memory and of the
time to reach one, where a state has millions.
"""

from collections.abc import Sequence
from typing import TypeAlias

from state.cache import MISSING, Missing
from state.digest import DIGEST_BYTES
from state.proof import ENTRY_BYTES

SHORT_BYTES_MAX = 255
"""Longest value that is remembered with its entry, bytes: accounts and balances have some 10 to 100."""

EMPTY = b"\0"
"""The contents of a bucket without keys."""

Change: TypeAlias = tuple[bytes, bytes, bytes | None, bytes]
"""One key of an update: key digest, key, value digest (None: the key goes), and ``short`` of the value."""


def short(value: bytes) -> bytes:
    """The value, if it is remembered with its entry; else nothing."""
    return value if len(value) <= SHORT_BYTES_MAX else b""


def pack(entries: bytes, shorts: Sequence[bytes]) -> bytes:
    """The contents of a bucket that has these entries, and of each value what ``short`` gives."""
    return b"".join([bytes((len(shorts),)), entries, bytes([len(value) for value in shorts]), *shorts])


def unpack(contents: bytes) -> tuple[bytes, list[bytes]]:
    """What ``pack`` has taken."""
    count = contents[0]
    lengths_at = 1 + count * ENTRY_BYTES
    at = lengths_at + count
    shorts = []
    for length in contents[lengths_at:at]:
        shorts.append(contents[at : at + length])
        at += length
    return contents[1:lengths_at], shorts


def entries_of(contents: bytes) -> bytes:
    """What the bucket's digest is of."""
    return contents[1 : 1 + contents[0] * ENTRY_BYTES]


def find(contents: bytes, key_digest: bytes) -> bytes | None | Missing:
    """The value of a key; None: the bucket has no such key; MISSING: its value is not remembered."""
    count = contents[0]
    lengths_at = 1 + count * ENTRY_BYTES
    at = _entry_at(contents, key_digest, lengths_at)
    if at < 0:
        return None
    length_at = lengths_at + at // ENTRY_BYTES
    length = contents[length_at]
    if not length:
        return MISSING
    value_at = lengths_at + count + sum(contents[lengths_at:length_at])
    return contents[value_at : value_at + length]


def placed(contents: bytes, changes: Sequence[Change]) -> tuple[bytes, list[bytes]]:
    """Entries and shorts after the changes, as ``pack`` takes them: a bucket may have come to hold too many."""
    entries, shorts = unpack(contents)
    table = {
        entries[at : at + DIGEST_BYTES]: (entries[at : at + ENTRY_BYTES], value)
        for at, value in zip(range(0, len(entries), ENTRY_BYTES), shorts, strict=True)
    }
    for key_digest, _, bound, value in changes:
        if bound is None:
            table.pop(key_digest, None)
        else:
            table[key_digest] = (key_digest + bound, value)
    listed = [table[key_digest] for key_digest in sorted(table)]
    return b"".join([entry for entry, _ in listed]), [value for _, value in listed]


def replaced(contents: bytes, changes: Sequence[Change]) -> bytes | None:
    """The contents with other values for keys that are there; None if a key comes or goes."""
    count = contents[0]
    lengths_at = 1 + count * ENTRY_BYTES
    for key_digest, _, bound, value in changes:
        at = _entry_at(contents, key_digest, lengths_at)
        if at < 0 or bound is None:
            return None
        length_at = lengths_at + at // ENTRY_BYTES
        length, value_at = contents[length_at], lengths_at + count + sum(contents[lengths_at:length_at])
        before, after = contents[: at + DIGEST_BYTES], contents[value_at + length :]
        if length == len(value):
            parts = (before, bound, contents[at + ENTRY_BYTES : value_at], value, after)
        else:
            lengths = contents[at + ENTRY_BYTES : length_at] + bytes((len(value),))
            parts = (before, bound, lengths + contents[length_at + 1 : value_at], value, after)
        contents = b"".join(parts)
    return contents


def _entry_at(contents: bytes, key_digest: bytes, stop: int) -> int:
    """Offset of a key's entry, -1 if there is none; the entries end at ``stop``."""
    at = contents.find(key_digest, 1, stop)
    while at > 0 and (at - 1) % ENTRY_BYTES:
        # The same bytes elsewhere than at an entry's start: a value digest made to look like this key's.
        at = contents.find(key_digest, at + 1, stop)
    return at
