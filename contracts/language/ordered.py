"""Ordered maps: the values of a ``Map``, and beside them an index of its keys that a contract can walk in order.

The index is a B+ tree in the contract's own storage, under the field's name and ``.index``, which no source can spell.
Its pages hold keys in their ordered form (``order_keys``), at most PAGE_KEYS_MAX each:

    <field>.index            [level, keys, children, next number]   the root page; absent when the map is empty
    <field>.index/<number>   [level, keys, children]                any other page

A page of level 0 holds the map's keys and no children. One above holds, for each child, a key that no key of the child
is below (the first child takes whatever is less). A page that grows too long is cut in the middle and the right half
gets the next number; one that becomes empty goes; a root with one child becomes that child. Pages are not joined: a
walk reads at most one page for each key and level. What an operation reads and writes follows from the state alone,
and each page is paid for when it is read or written.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, cast

from contracts.language.access import Storage, erase, fetch, put_plain, store, writable
from contracts.language.faults import fail
from contracts.language.fuel import ITEM_BYTES, LIST_BYTES
from contracts.language.kernel_interface import Plain
from contracts.language.operators import cell, charge, integer
from contracts.language.order_keys import decode_key, encode_key

PAGE_KEYS_MAX: Final = 32
"""Keys of one page: few enough that writing it is cheap, enough that 30,000 keys take 3 levels."""
RANGE_MAX: Final = 10_000
"""Entries that one walk may ask for."""


class Page:
    """One page of an index while an operation works on it. ``number`` is None for the root."""

    __slots__ = ("children", "keys", "level", "next_number", "number")

    def __init__(
        self, number: int | None, level: int, keys: list[bytes], children: list[int], next_number: int = 0
    ) -> None:
        self.number = number
        self.level = level
        self.keys = keys
        self.children = children
        self.next_number = next_number

    def child_of(self, key: bytes) -> int:
        """Index of the child under which ``key`` is or would be."""
        return max(bisect_right(self.keys, key) - 1, 0)


Path = list[tuple[Page, int]]
"""Pages from the root down, each with the index of the child taken."""


def _read(storage: Storage, number: int | None) -> Page:
    plain = fetch(storage.index, None if number is None else (number,))
    if plain is None:
        assert number is None, "a page of the index is gone"
        return Page(None, 0, [], [], 1)
    level, keys, children, *rest = cast("tuple[int, list[bytes], list[int], int]", plain)
    charge(len(keys) * cell.meter.prices.order_entry, LIST_BYTES + len(keys) * ITEM_BYTES)
    return Page(number, level, keys, children, *rest)


def _write(storage: Storage, page: Page) -> None:
    charge(len(page.keys) * cell.meter.prices.order_entry)
    plain: list[Any] = [page.level, page.keys, page.children]
    if page.number is None:
        plain.append(page.next_number)
        store(storage.index, None, plain)
    else:
        store(storage.index, (page.number,), plain)


def _erase(storage: Storage, page: Page) -> None:
    erase(storage.index, None if page.number is None else (page.number,))


def _descend(storage: Storage, key: bytes) -> tuple[Path, Page]:
    """The way to the page of level 0 where ``key`` is or would be, and that page."""
    page = _read(storage, None)
    path: Path = []
    while page.level:
        at = page.child_of(key)
        path.append((page, at))
        page = _read(storage, page.children[at])
    return path, page


def _ordered(storage: Storage, parts: tuple[Any, ...]) -> bytes:
    charge(cell.meter.prices.order_key)
    return encode_key(storage.key_kinds, parts)


def order_put(value: Any, storage: Storage, key: Any) -> None:
    """``storage[key] = value``."""
    writable()
    parts = storage.key(key)
    is_new = fetch(storage.name, parts) is None
    put_plain(storage, parts, value)
    if is_new:
        _insert(storage, _ordered(storage, parts))


def _insert(storage: Storage, key: bytes) -> None:
    path, page = _descend(storage, key)
    root = path[0][0] if path else page
    next_before = root.next_number
    page.keys.insert(bisect_left(page.keys, key), key)
    while len(page.keys) > PAGE_KEYS_MAX and path:
        right = _cut(page, root)
        _write(storage, right)
        _write(storage, page)
        page, at = path.pop()
        page.keys.insert(at + 1, right.keys[0])
        page.children.insert(at + 1, cast(int, right.number))
    if len(page.keys) > PAGE_KEYS_MAX:
        right = _cut(page, root)
        left = Page(root.next_number, page.level, page.keys, page.children)
        root.next_number += 1
        _write(storage, right)
        _write(storage, left)
        page.level += 1
        page.keys, page.children = [left.keys[0], right.keys[0]], [cast(int, left.number), cast(int, right.number)]
    _write(storage, page)
    if page is not root and root.next_number != next_before:
        _write(storage, root)


def _cut(page: Page, root: Page) -> Page:
    """Takes the right half of ``page`` into a new one."""
    half = len(page.keys) // 2
    right = Page(root.next_number, page.level, page.keys[half:], page.children[half:])
    root.next_number += 1
    page.keys, page.children = page.keys[:half], page.children[:half]
    return right


def order_delete(storage: Storage, key: Any) -> None:
    """``del storage[key]``. Raises: KeyError."""
    writable()
    parts = storage.key(key)
    if fetch(storage.name, parts) is None:
        raise KeyError
    erase(storage.name, parts)
    _withdraw(storage, _ordered(storage, parts))


def _withdraw(storage: Storage, key: bytes) -> None:
    path, page = _descend(storage, key)
    at = bisect_left(page.keys, key)
    assert page.keys[at] == key, "the index misses a key of its map"
    del page.keys[at]
    while not page.keys and path:
        _erase(storage, page)
        page, at = path.pop()
        del page.keys[at]
        del page.children[at]
    if not page.keys:
        _erase(storage, page)
        return
    while page.number is None and len(page.children) == 1:
        child = _read(storage, page.children[0])
        _erase(storage, child)
        page.level, page.keys, page.children = child.level, child.keys, child.children
    _write(storage, page)


def _walk(storage: Storage, page: Page, start: bytes, stop: bytes | None, falling: bool) -> Iterator[bytes]:
    """The keys from ``start`` to below ``stop``; a page is read when the first of its keys is asked for."""
    if not page.level:
        last = len(page.keys) if stop is None else bisect_left(page.keys, stop)
        keys = page.keys[bisect_left(page.keys, start) : last]
        yield from reversed(keys) if falling else keys
        return
    last = len(page.keys) if stop is None else max(bisect_left(page.keys, stop), 1)
    children = page.children[page.child_of(start) : last]
    for child in reversed(children) if falling else children:
        yield from _walk(storage, _read(storage, child), start, stop, falling)


def _bound(storage: Storage, bound: Any) -> bytes | None:
    """A key, or its first parts, in order; None for no bound. Raises: ContractError."""
    if bound is None:
        return None
    parts = bound if type(bound) is tuple else (bound,)
    if not 0 < len(parts) <= len(storage.kinds):
        fail("argument", f"a bound of {storage.name} has 1 to {len(storage.kinds)} parts")
    return _ordered(storage, storage.checked(parts))


def _found(storage: Storage, limit: int, start: Any, stop: Any, falling: bool) -> Iterator[tuple[Any, ...]]:
    """The plain parts of at most ``limit`` keys."""
    low, high = _bound(storage, start), _bound(storage, stop)
    if limit:
        for key in islice(_walk(storage, _read(storage, None), low or b"", high, falling), limit):
            charge(cell.meter.prices.order_key, LIST_BYTES + 2 * ITEM_BYTES)
            yield decode_key(storage.key_kinds, key)


def _entries(storage: Storage, limit: Any, start: Any, stop: Any, falling: bool) -> list[tuple[Any, Any]]:
    if integer(limit) < 0 or limit > RANGE_MAX:
        fail("value", f"a walk's limit is from 0 to {RANGE_MAX}")
    entries = []
    for parts in _found(storage, limit, start, stop, falling):
        plain: Plain = fetch(storage.name, parts)
        assert plain is not None, "the index has a key that its map misses"
        entries.append((storage.key_value(parts), storage.read(plain, cell.meter)))
    return entries


def ascending(storage: Storage, limit: Any, start: Any = None, stop: Any = None) -> list[tuple[Any, Any]]:
    """At most ``limit`` (key, value) from ``start`` to below ``stop``, the least key first."""
    return _entries(storage, limit, start, stop, False)


def descending(storage: Storage, limit: Any, start: Any = None, stop: Any = None) -> list[tuple[Any, Any]]:
    """At most ``limit`` (key, value) from ``start`` to below ``stop``, the greatest key first."""
    return _entries(storage, limit, start, stop, True)


def first(storage: Storage) -> Any:
    """The least key, None when there is none."""
    return next((storage.key_value(parts) for parts in _found(storage, 1, None, None, False)), None)


def last(storage: Storage) -> Any:
    """The greatest key, None when there is none."""
    return next((storage.key_value(parts) for parts in _found(storage, 1, None, None, True)), None)
