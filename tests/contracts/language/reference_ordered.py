"""The reference interpreter's ordered maps: the index of docs/contracts/kernel.md, page by page, paid as fuel.md says.

A page is read as a list of the form that is stored. Its number is None for the root.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from contracts.language import fuel
from contracts.language.kernel_interface import Plain
from contracts.language.prices import PRICES_1
from contracts.language.program import StorageField
from tests.contracts.language.reference_values import Purse, enter, integer, integer_in, integer_out, stop

PAGE_MAX = 32
WALK_MAX = 10_000


class Ledger(Protocol):
    """What of the interpreter is used here: paid reads and writes of rows."""

    purse: Purse

    def read_row(self, name: str, key: tuple[Any, ...] | None) -> Plain: ...

    def write_row(self, name: str, key: tuple[Any, ...] | None, plain: Plain) -> None: ...

    def erase_row(self, name: str, key: tuple[Any, ...] | None) -> None: ...

    def plain_parts(self, field: StorageField, parts: tuple[Any, ...]) -> tuple[Any, ...]: ...


def ordered_form(field: StorageField, parts: tuple[Any, ...], purse: Purse) -> bytes:
    """A key, or its first parts, as bytes that sort as the keys do."""
    purse.pay(PRICES_1.order_key)
    assert field.key is not None
    form = b""
    for declared, part in zip(field.key, parts, strict=False):
        if declared.kind in ("int", "Amount"):
            number, size = integer_in(part), 0
            while abs(number) >= 256**size:
                size += 1
            octets = abs(number).to_bytes(size, "big")
            if number < 0:
                octets = bytes(255 - byte for byte in octets)
            form += bytes([128 - size if number < 0 else 128 + size]) + octets
        else:
            octets = part if isinstance(part, bytes) else part.encode("utf-8")
            form += b"".join([b"\x00\xff" if byte == 0 else bytes([byte]) for byte in octets]) + b"\x00\x00"
    return form


def _parts(field: StorageField, form: bytes) -> tuple[Any, ...]:
    """The plain parts of a whole key's ordered form."""
    assert field.key is not None
    parts: list[Any] = []
    at = 0
    for declared in field.key:
        if declared.kind in ("int", "Amount"):
            size, negative = abs(form[at] - 128), form[at] < 128
            octets = form[at + 1:at + 1 + size]
            if negative:
                octets = bytes(255 - byte for byte in octets)
            number = int.from_bytes(octets, "big")
            parts.append(integer_out(-number if negative else number))
            at += 1 + size
        else:
            octets = b""
            while form[at:at + 2] != b"\x00\x00":
                octets += form[at:at + 1]
                at += 2 if form[at] == 0 else 1
            at += 2
            parts.append(octets if declared.kind == "bytes" else octets.decode("utf-8"))
    return tuple(parts)


class Page:
    def __init__(self, number: int | None, level: int, keys: list[Any], children: list[Any], following: int) -> None:
        self.number = number
        self.level = level
        self.keys = keys
        self.children = children
        self.following = following
        """The next page's number; of the root only."""

    def place(self, key: bytes) -> int:
        """Under which child the key belongs."""
        return max(len([one for one in self.keys if one <= key]) - 1, 0)


class Index:
    """The index of one ordered map."""

    def __init__(self, ledger: Ledger, field: StorageField) -> None:
        self.ledger = ledger
        self.field = field
        self.name = field.name + ".index"

    def read(self, number: int | None) -> Page:
        row: Any = self.ledger.read_row(self.name, None if number is None else (number,))
        if row is None:
            return Page(None, 0, [], [], 1)
        count = len(row[1])
        self.ledger.purse.pay(count * PRICES_1.order_entry, fuel.LIST_BYTES + count * fuel.ITEM_BYTES)
        return Page(number, row[0], list(row[1]), list(row[2]), row[3] if number is None else 0)

    def write(self, page: Page) -> None:
        self.ledger.purse.pay(len(page.keys) * PRICES_1.order_entry)
        row: list[Any] = [page.level, page.keys, page.children]
        if page.number is None:
            self.ledger.write_row(self.name, None, [*row, page.following])
        else:
            self.ledger.write_row(self.name, (page.number,), row)

    def erase(self, page: Page) -> None:
        self.ledger.erase_row(self.name, None if page.number is None else (page.number,))

    def way(self, key: bytes) -> list[Page]:
        """The pages from the root to the one of level 0 where the key belongs."""
        pages = [self.read(None)]
        while pages[-1].level > 0:
            pages.append(self.read(pages[-1].children[pages[-1].place(key)]))
        return pages

    def right_half(self, page: Page, root: Page) -> Page:
        middle = len(page.keys) // 2
        right = Page(root.following, page.level, page.keys[middle:], page.children[middle:], 0)
        root.following += 1
        del page.keys[middle:], page.children[middle:]
        return right

    def insert(self, key: bytes) -> None:
        pages = self.way(key)
        root, page = pages[0], pages[-1]
        before = root.following
        page.keys.append(key)
        page.keys.sort()
        while len(page.keys) > PAGE_MAX and len(pages) > 1:
            right = self.right_half(page, root)
            self.write(right)
            self.write(page)
            pages.pop()
            page = pages[-1]
            at = page.place(key) + 1
            page.keys.insert(at, right.keys[0])
            page.children.insert(at, right.number)
        if len(page.keys) > PAGE_MAX:
            right = self.right_half(root, root)
            left = Page(root.following, root.level, root.keys, root.children, 0)
            root.following += 1
            self.write(right)
            self.write(left)
            root.level += 1
            root.keys, root.children = [left.keys[0], right.keys[0]], [left.number, right.number]
        self.write(page)
        if page is not root and root.following != before:
            self.write(root)

    def withdraw(self, key: bytes) -> None:
        pages = self.way(key)
        page = pages.pop()
        page.keys.remove(key)
        while not page.keys and pages:
            self.erase(page)
            page = pages.pop()
            at = page.place(key)
            del page.keys[at], page.children[at]
        if not page.keys:
            self.erase(page)
            return
        while page.number is None and len(page.children) == 1:
            only = self.read(page.children[0])
            self.erase(only)
            page.level, page.keys, page.children = only.level, only.keys, only.children
        self.write(page)

    def keys(self, page: Page, start: bytes, end: bytes | None, falling: bool) -> Iterator[bytes]:
        """From ``start`` to below ``end``; a page is read when its turn comes."""
        if page.level == 0:
            found = [key for key in page.keys if key >= start and (end is None or key < end)]
            yield from reversed(found) if falling else found
            return
        below = len([key for key in page.keys if end is None or key < end])
        children = page.children[page.place(start):below if end is None else max(below, 1)]
        for child in reversed(children) if falling else children:
            yield from self.keys(self.read(child), start, end, falling)

    def bound(self, bound: Any) -> bytes | None:
        if bound is None:
            return None
        parts = bound if type(bound) is tuple else (bound,)
        assert self.field.key is not None
        if not 1 <= len(parts) <= len(self.field.key):
            stop("argument")
        return ordered_form(self.field, self.ledger.plain_parts(self.field, parts), self.ledger.purse)

    def found(self, limit: int, start: Any, end: Any, falling: bool) -> Iterator[tuple[Any, ...]]:
        """The plain parts of at most ``limit`` keys."""
        low, high = self.bound(start), self.bound(end)
        if limit == 0:
            return
        for key in self.keys(self.read(None), low or b"", high, falling):
            self.ledger.purse.pay(PRICES_1.order_key, fuel.LIST_BYTES + 2 * fuel.ITEM_BYTES)
            yield _parts(self.field, key)
            limit -= 1
            if limit == 0:
                return

    def key_value(self, parts: tuple[Any, ...]) -> Any:
        """A key as the contract has it."""
        assert self.field.key is not None
        values = [enter(kind, part, self.ledger.purse) for kind, part in zip(self.field.key, parts, strict=True)]
        return values[0] if len(values) == 1 else tuple(values)

    def entries(self, limit: Any, start: Any, end: Any, falling: bool) -> list[Any]:
        if not 0 <= integer(limit) <= WALK_MAX:
            stop("value")
        result = []
        for parts in self.found(limit, start, end, falling):
            plain = self.ledger.read_row(self.field.name, parts)
            key = self.key_value(parts)
            result.append((key, enter(self.field.value, plain, self.ledger.purse)))
        return result

    def edge(self, falling: bool) -> Any:
        """The least or the greatest key, None when there is none."""
        for parts in self.found(1, None, None, falling):
            return self.key_value(parts)
        return None
