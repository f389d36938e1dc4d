"""Ordered maps: the values of a ``Map``, and beside them an index of its keys that a contract can walk in order.

The index is a B+ tree (``pages``) in the contract's own storage, under the field's name and ``.index``, which no source
can spell. Its pages hold keys in their ordered form (``order_keys``):

    <field>.index            [level, keys, children, next number]   the root page; absent when the map is empty
    <field>.index/<number>   [level, keys, children]                any other page

What an operation reads and writes follows from the state alone, and each page is paid for when it is read or written.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, cast

from contracts.language.access import Storage, erase, fetch, put_plain, store, writable
from contracts.language.faults import fail
from contracts.language.fuel import ITEM_BYTES, LIST_BYTES
from contracts.language.kernel_interface import Plain
from contracts.language.operators import cell, charge, integer
from contracts.language.order_keys import decode_key, encode_key
from contracts.language.pages import Page, insert, walk, withdraw

RANGE_MAX: Final = 10_000
"""Entries that one walk may ask for."""


class _Index:
    """The pages of one map's index, each paid for when it is read or written."""

    __slots__ = ("_name",)

    def __init__(self, storage: Storage) -> None:
        self._name = storage.index

    def read(self, number: int | None) -> Page:
        plain = fetch(self._name, None if number is None else (number,))
        if plain is None:
            assert number is None, "a page of the index is gone"
            return Page.empty()
        level, keys, children, *rest = cast("tuple[int, list[bytes], list[int], int]", plain)
        charge(len(keys) * cell.meter.prices.order_entry, LIST_BYTES + len(keys) * ITEM_BYTES)
        return Page(number, level, keys, children, *rest)

    def write(self, page: Page) -> None:
        charge(len(page.keys) * cell.meter.prices.order_entry)
        plain: list[Any] = [page.level, page.keys, page.children]
        if page.number is None:
            plain.append(page.next_number)
            store(self._name, None, plain)
        else:
            store(self._name, (page.number,), plain)

    def erase(self, page: Page) -> None:
        erase(self._name, None if page.number is None else (page.number,))


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
        insert(_Index(storage), _ordered(storage, parts))


def order_delete(storage: Storage, key: Any) -> None:
    """``del storage[key]``. Raises: KeyError."""
    writable()
    parts = storage.key(key)
    if fetch(storage.name, parts) is None:
        raise KeyError
    erase(storage.name, parts)
    withdraw(_Index(storage), _ordered(storage, parts))


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
        for key in islice(walk(_Index(storage), low or b"", high, falling), limit):
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
