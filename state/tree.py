"""The authenticated state tree: one root over every key and value, whose shape depends on nothing else.

Keys are ordered by their digest, sha256(key), and addressed by its nibbles. A subtree of at most BUCKET_KEYS_MAX
keys is one bucket, a larger one a branch with sixteen children (state/proof.py gives the digests). So a bucket
that grows past the limit splits, and a branch that shrinks to it merges again: no history shows in the root.

What is kept where. The leaves belong to the caller's store; a bucket is a range of them and is read by one
``read_leaves`` when a change or a proof needs it, then remembered in a bounded cache and checked against the
digest that its branch holds. The branches stay in memory, about 1 kB for 16 to 500 keys, and are rebuilt at
start by one scan. They are never changed in place: ``prepare`` copies the ones on the paths of a block's
changes, so that the tree as it was stands until ``install``, and discarding what was prepared costs nothing.

The order of work at a block is: prepare; write the leaves to the store; install. A write that fails in between
leaves the tree as it was.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from state.cache import Cache
from state.digest import DIGEST_BYTES
from state.errors import Corrupt
from state.proof import (
    BRANCH_CHILDREN,
    BRANCH_PREFIX,
    BUCKET_KEYS_MAX,
    BUCKET_PREFIX,
    DEPTH_MAX,
    EMPTY_DIGEST,
    ENTRY_BYTES,
    VALUE_PREFIX,
    StateProof,
    bucket_digest,
    value_digest,
    verify_proof,
)

__all__ = ["LeafReader", "PreparedUpdate", "StateProof", "Tree", "value_digest", "verify_proof"]

LeafReader = Callable[[bytes, bytes | None], bytes]
"""Gives key digest ‖ value digest of every key with start ≤ key digest < stop (None: to the end), ascending."""

BUCKET_CACHE_BYTES_MAX = 64 * 1024 * 1024
"""Memory for buckets that were read, bytes: nearly all of a state of a million keys."""

SCAN_DEPTH = 2
"""The scan at start reads one subtree of this depth at a time: at 10 million keys 2.5 MB."""

MERGE_CHANGES_MIN = 6
"""From this many changes to one bucket on, sorting it again is cheaper than placing each."""

NIBBLES = "0123456789abcdef"
NIBBLE_OF = {digit: nibble for nibble, digit in enumerate(NIBBLES)}


@dataclass(slots=True)
class Branch:
    """Sixteen children. Never changed once it is reachable from a root."""

    children: bytes
    """Their digests, as they are hashed."""
    counts: list[int]
    """Keys in each."""
    branches: dict[int, "Branch"]
    """Those of them that are branches, by nibble; the others are buckets."""


Node: TypeAlias = tuple[bytes, int, Branch | None]
"""A subtree as its parent sees it: digest, number of keys, and the branch; None: it is a bucket, perhaps empty."""

Change: TypeAlias = tuple[bytes, bytes, bytes | None]
"""One key of an update: key digest, key, value digest (None: the key goes)."""


@dataclass(frozen=True, slots=True)
class PreparedUpdate:
    """The tree after a set of changes, not yet installed."""

    root: bytes
    """The new root digest."""
    changes: list[Change]
    """Ascending by key digest."""
    before: Node
    after: Node
    buckets: dict[str, bytes | None]
    """Contents of the buckets that were touched, by path; None where there is no bucket any more."""


EMPTY_NODE: Node = (EMPTY_DIGEST, 0, None)


class Tree:
    """The tree over the leaves that ``read_leaves`` gives."""

    __slots__ = ("_buckets", "_node", "_read_leaves")

    def __init__(self, read_leaves: LeafReader, bucket_cache_bytes_max: int = BUCKET_CACHE_BYTES_MAX) -> None:
        """Build the branches by one scan of the leaves."""
        self._read_leaves = read_leaves
        self._buckets: Cache[str] = Cache(bucket_cache_bytes_max)
        self._node = self._scan("")[0]

    @property
    def root(self) -> bytes:
        """The root digest: 32 bytes that name the whole state."""
        return self._node[0]

    @property
    def key_count(self) -> int:
        """Keys in the tree."""
        return self._node[1]

    def prepare(self, changes: Mapping[bytes, bytes | None]) -> PreparedUpdate:
        """Compute the tree after ``changes`` (None deletes) and leave this one as it is.

        :raises Corrupt: a bucket in the store is not the one that the tree holds the digest of.
        """
        by_path: dict[str, Change] = {}
        for key, value in changes.items():
            key_digest = sha256(key).digest()
            bound = None if value is None else sha256(VALUE_PREFIX + value).digest()
            by_path[key_digest.hex()] = (key_digest, key, bound)
        order = sorted(by_path)
        update = _Update(self, order, [by_path[path] for path in order])
        before = self._node
        after = update.subtree("", before, 0, len(order)) if order else before
        return PreparedUpdate(after[0], update.changes, before, after, update.buckets)

    def install(self, prepared: PreparedUpdate) -> bytes:
        """Make what was prepared the tree. The store must hold its leaves by now. Gives the root."""
        assert prepared.before is self._node, "the tree moved on after this update was prepared"
        self._node = prepared.after
        for path, entries in prepared.buckets.items():
            if entries is None:
                self._buckets.forget(path)
            else:
                self._buckets.put(path, entries)
        return prepared.root

    def update(self, changes: Mapping[bytes, bytes | None]) -> bytes:
        """Prepare and install in one step, where the write to the store cannot fail.

        Call it before the leaves are written: the buckets that the changes touch are read as they were.
        """
        return self.install(self.prepare(changes))

    def prove(self, key: bytes) -> StateProof:
        """The proof of the key's value, or of its absence, under the present root."""
        path = sha256(key).hexdigest()
        digest, count, branch = self._node
        levels: list[bytes] = []
        while branch is not None:
            nibble = NIBBLE_OF[path[len(levels)]]
            at = nibble * DIGEST_BYTES
            children = branch.children
            digest, count = children[at : at + DIGEST_BYTES], branch.counts[nibble]
            levels.append(children[:at] + children[at + DIGEST_BYTES :])
            branch = branch.branches.get(nibble)
        entries = self.bucket(path[: len(levels)], digest) if count else b""
        return StateProof(tuple(levels), entries)

    def bucket(self, path: str, digest: bytes) -> bytes:
        """The entries of the bucket at ``path`` (nibbles in hex), which must have this digest."""
        cached = self._buckets.get(path)
        if type(cached) is bytes:
            return cached
        start, stop = _digest_range(path)
        entries = self._read_leaves(start, stop)
        if sha256(BUCKET_PREFIX + entries).digest() != digest:
            raise Corrupt(
                f"The world state's keys under digest prefix {path or '(all)'} are not the ones it was built "
                "from: the disk lost or changed data. Delete the state directory; it is rebuilt from the chain."
            )
        self._buckets.put(path, entries)
        return entries

    def _scan(self, path: str) -> tuple[Node, bytes]:
        """The subtree at ``path`` from the store, and its entries if they are few enough for one bucket."""
        if len(path) == SCAN_DEPTH:
            entries = self._read_leaves(*_digest_range(path))
            buckets: dict[str, bytes | None] = {}
            node = build(path, entries, buckets)
            for bucket_path, content in buckets.items():
                if content is not None and self._buckets.has_room(content):
                    self._buckets.put(bucket_path, content)
            return node, entries if node[2] is None else b""
        scanned = [self._scan(path + nibble) for nibble in NIBBLES]
        if sum(node[1] for node, _ in scanned) <= BUCKET_KEYS_MAX:
            entries = b"".join(entries for _, entries in scanned)
            for nibble in NIBBLES:
                self._buckets.forget(path + nibble)
            return build(path, entries), entries
        return _branch_over([node for node, _ in scanned]), b""


def build(path: str, entries: bytes, buckets: dict[str, bytes | None] | None = None) -> Node:
    """The subtree at ``path`` over ``entries``. Adds the contents of its buckets to ``buckets``."""
    count = len(entries) // ENTRY_BYTES
    if count <= BUCKET_KEYS_MAX:
        if buckets is not None and count:
            buckets[path] = entries
        return bucket_digest(entries), count, None
    depth = len(path)
    assert depth < DEPTH_MAX, "more keys have one digest than a bucket holds"
    # One byte of each entry, ascending because all share the nibbles before it: bisected without a loop over keys.
    column = entries[depth >> 1 :: ENTRY_BYTES]
    first, step = (column[0] & 0xF0, 1) if depth & 1 else (0, 16)
    bounds = [bisect_left(column, first + nibble * step) * ENTRY_BYTES for nibble in range(BRANCH_CHILDREN)]
    bounds.append(len(entries))
    return _branch_over(
        [
            build(path + NIBBLES[nibble], entries[bounds[nibble] : bounds[nibble + 1]], buckets)
            for nibble in range(BRANCH_CHILDREN)
        ]
    )


class _Update:
    """One ``prepare``: the changes by path, and the buckets' new contents as they come about."""

    __slots__ = ("buckets", "changes", "order", "tree")

    def __init__(self, tree: Tree, order: list[str], changes: list[Change]) -> None:
        self.tree = tree
        self.order = order
        self.changes = changes
        self.buckets: dict[str, bytes | None] = {}

    def subtree(self, path: str, node: Node, low: int, high: int) -> Node:
        """The subtree at ``path`` after changes[low:high], which all lie in it."""
        digest, count, branch = node
        if branch is None:
            return self.bucket(path, digest, count, low, high)
        return self.branch(path, branch, low, high)

    def branch(self, path: str, branch: Branch, low: int, high: int) -> Node:
        order = self.order
        depth = len(path)
        children = bytearray(branch.children)
        counts = branch.counts.copy()
        branches = branch.branches
        while low < high:
            child_path = order[low][: depth + 1]
            mark = child_path[depth]
            end = low + 1
            while end < high and order[end][depth] == mark:
                end += 1
            nibble = NIBBLE_OF[mark]
            at = nibble * DIGEST_BYTES
            child = branches.get(nibble)
            if child is None:
                digest = bytes(children[at : at + DIGEST_BYTES])
                digest, count, grown = self.bucket(child_path, digest, counts[nibble], low, end)
            else:
                digest, count, grown = self.branch(child_path, child, low, end)
            children[at : at + DIGEST_BYTES] = digest
            counts[nibble] = count
            if grown is not child:
                if branches is branch.branches:
                    branches = branches.copy()
                if grown is None:
                    del branches[nibble]
                else:
                    branches[nibble] = grown
            low = end
        total = sum(counts)
        frozen = bytes(children)
        if total <= BUCKET_KEYS_MAX:
            assert not branches, "a branch of few keys has branches below it"
            return self.merged(path, frozen, counts)
        return sha256(BRANCH_PREFIX + frozen).digest(), total, Branch(frozen, counts, branches)

    def bucket(self, path: str, digest: bytes, count: int, low: int, high: int) -> Node:
        entries = self.tree.bucket(path, digest) if count else b""
        changed = self.changes[low:high]
        entries = _placed(entries, changed) if high - low < MERGE_CHANGES_MIN else _merged(entries, changed)
        size = len(entries)
        if size > BUCKET_KEYS_MAX * ENTRY_BYTES:
            self.buckets[path] = None
            return build(path, entries, self.buckets)
        if not size:
            self.buckets[path] = None
            return EMPTY_NODE
        self.buckets[path] = entries
        return sha256(BUCKET_PREFIX + entries).digest(), size // ENTRY_BYTES, None

    def merged(self, path: str, children: bytes, counts: list[int]) -> Node:
        """One bucket from what is left of a branch, whose children are all buckets."""
        parts = []
        for nibble, count in enumerate(counts):
            child_path = path + NIBBLES[nibble]
            entries = self.buckets.get(child_path)
            if count and entries is None:
                at = nibble * DIGEST_BYTES
                entries = self.tree.bucket(child_path, children[at : at + DIGEST_BYTES])
            parts.append(entries or b"")
            self.buckets[child_path] = None
        return build(path, b"".join(parts), self.buckets)


def _placed(entries: bytes, changes: list[Change]) -> bytes:
    """``entries`` after a few changes, each cut in at its place."""
    for key_digest, _, bound in changes:
        at = entries.find(key_digest)
        while at > 0 and at % ENTRY_BYTES:
            # The same bytes elsewhere than at an entry's start: a value digest made to look like this key's.
            at = entries.find(key_digest, at + 1)
        if at >= 0:
            after = at + ENTRY_BYTES
        elif bound is None:
            continue
        else:
            at = after = _place_of(key_digest, entries)
        entry = b"" if bound is None else key_digest + bound
        entries = entries[:at] + entry + entries[after:]
    return entries


def _place_of(key_digest: bytes, entries: bytes) -> int:
    """Offset at which an absent key's entry belongs."""
    low, high = 0, len(entries) // ENTRY_BYTES
    while low < high:
        middle = (low + high) >> 1
        at = middle * ENTRY_BYTES
        if entries[at : at + DIGEST_BYTES] < key_digest:
            low = middle + 1
        else:
            high = middle
    return low * ENTRY_BYTES


def _merged(entries: bytes, changes: list[Change]) -> bytes:
    """``entries`` after many changes, sorted again."""
    table = {
        entries[at : at + DIGEST_BYTES]: entries[at : at + ENTRY_BYTES]
        for at in range(0, len(entries), ENTRY_BYTES)
    }
    for key_digest, _, bound in changes:
        if bound is None:
            table.pop(key_digest, None)
        else:
            table[key_digest] = key_digest + bound
    return b"".join([table[key_digest] for key_digest in sorted(table)])


def _branch_over(nodes: list[Node]) -> Node:
    children = b"".join([digest for digest, _, _ in nodes])
    counts = [count for _, count, _ in nodes]
    branches = {nibble: branch for nibble, (_, _, branch) in enumerate(nodes) if branch is not None}
    return sha256(BRANCH_PREFIX + children).digest(), sum(counts), Branch(children, counts, branches)


def _digest_range(path: str) -> tuple[bytes, bytes | None]:
    """First key digest under ``path``, and the first after it (None: there is none), as shortest prefixes."""
    if not path:
        return b"", None
    pad = "0" * (len(path) & 1)
    above = int(path, 16) + 1
    start = bytes.fromhex(path + pad)
    if above == 16 ** len(path):
        return start, None
    return start, bytes.fromhex(f"{above:0{len(path)}x}" + pad)
