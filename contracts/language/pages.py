"""A B+ tree of byte keys in pages: what ordered maps and the kernel's queues walk in order.

Pages hold at most PAGE_KEYS_MAX keys each. A page of level 0 holds the keys themselves and no children. One above
holds, for each child, a key that no key of the child is below (the first child takes whatever is less). A page that
grows too long is cut in the middle and the right half gets the next number; one that becomes empty goes; a root with
one child becomes that child. Pages are not joined: a walk reads at most one page for each key and level. What an
operation reads and writes follows from the pages alone.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final, Protocol, cast

PAGE_KEYS_MAX: Final = 32
"""Keys of one page: few enough that writing it is cheap, enough that 30,000 keys take 3 levels."""


class Page:
    """One page while an operation works on it. ``number`` is None for the root, which counts the numbers given."""

    __slots__ = ("children", "keys", "level", "next_number", "number")

    def __init__(
        self, number: int | None, level: int, keys: list[bytes], children: list[int], next_number: int = 0
    ) -> None:
        self.number = number
        self.level = level
        self.keys = keys
        self.children = children
        self.next_number = next_number

    @classmethod
    def empty(cls) -> "Page":
        """The root of a tree without keys, which is not kept."""
        return cls(None, 0, [], [], 1)

    def child_of(self, key: bytes) -> int:
        """Index of the child under which ``key`` is or would be."""
        return max(bisect_right(self.keys, key) - 1, 0)


class Pages(Protocol):
    """Where the pages of one tree are kept."""

    def read(self, number: int | None) -> Page:
        """A page that nobody else holds; ``Page.empty()`` for the root of a tree without keys."""

    def write(self, page: Page) -> None: ...

    def erase(self, page: Page) -> None: ...


Path = list[tuple[Page, int]]
"""Pages from the root down, each with the index of the child taken."""


def insert(pages: Pages, key: bytes) -> None:
    """Add a key that is not there."""
    path, page = _descend(pages, key)
    root = path[0][0] if path else page
    next_before = root.next_number
    page.keys.insert(bisect_left(page.keys, key), key)
    while len(page.keys) > PAGE_KEYS_MAX and path:
        right = _cut(page, root)
        pages.write(right)
        pages.write(page)
        page, at = path.pop()
        page.keys.insert(at + 1, right.keys[0])
        page.children.insert(at + 1, cast(int, right.number))
    if len(page.keys) > PAGE_KEYS_MAX:
        right = _cut(page, root)
        left = Page(root.next_number, page.level, page.keys, page.children)
        root.next_number += 1
        pages.write(right)
        pages.write(left)
        page.level += 1
        page.keys, page.children = [left.keys[0], right.keys[0]], [cast(int, left.number), cast(int, right.number)]
    pages.write(page)
    if page is not root and root.next_number != next_before:
        pages.write(root)


def withdraw(pages: Pages, key: bytes) -> None:
    """Remove a key that is there."""
    path, page = _descend(pages, key)
    at = bisect_left(page.keys, key)
    assert page.keys[at] == key, "the tree misses a key"
    del page.keys[at]
    while not page.keys and path:
        pages.erase(page)
        page, at = path.pop()
        del page.keys[at]
        del page.children[at]
    if not page.keys:
        pages.erase(page)
        return
    while page.number is None and len(page.children) == 1:
        child = pages.read(page.children[0])
        pages.erase(child)
        page.level, page.keys, page.children = child.level, child.keys, child.children
    pages.write(page)


def walk(pages: Pages, start: bytes, stop: bytes | None, falling: bool) -> Iterator[bytes]:
    """The keys from ``start`` to below ``stop``; a page is read when the first of its keys is asked for."""
    return _walk(pages, pages.read(None), start, stop, falling)


def _walk(pages: Pages, page: Page, start: bytes, stop: bytes | None, falling: bool) -> Iterator[bytes]:
    if not page.level:
        last = len(page.keys) if stop is None else bisect_left(page.keys, stop)
        keys = page.keys[bisect_left(page.keys, start) : last]
        yield from reversed(keys) if falling else keys
        return
    last = len(page.keys) if stop is None else max(bisect_left(page.keys, stop), 1)
    children = page.children[page.child_of(start) : last]
    for child in reversed(children) if falling else children:
        yield from _walk(pages, pages.read(child), start, stop, falling)


def _descend(pages: Pages, key: bytes) -> tuple[Path, Page]:
    """The way to the page of level 0 where ``key`` is or would be, and that page."""
    page = pages.read(None)
    path: Path = []
    while page.level:
        at = page.child_of(key)
        path.append((page, at))
        page = pages.read(page.children[at])
    return path, page


def _cut(page: Page, root: Page) -> Page:
    """Takes the right half of ``page`` into a new one."""
    half = len(page.keys) // 2
    right = Page(root.next_number, page.level, page.keys[half:], page.children[half:])
    root.next_number += 1
    page.keys, page.children = page.keys[:half], page.children[:half]
    return right
