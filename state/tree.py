"""The authenticated state tree: one root over every key and value, whose shape depends on nothing else.

Keys are ordered by their digest, sha256(key), and addressed by its nibbles. A subtree of at most BUCKET_KEYS_MAX
keys is one bucket, a larger one a branch with sixteen children (state/proof.py gives the digests). So a bucket
that grows past the limit splits, and a branch that shrinks to it merges again: no history shows in the root.

What is kept where. The leaves belong to the caller's store; a bucket is a range of them and is read by one
``read_leaves`` when a change or a proof needs it, checked against the digest that its branch holds, and remembered
there within a bound, its short values with it (state/bucket.py): so most values need no look into the store. The
branches stay in memory, about 1 kB for 16 to 500 keys, and are rebuilt at start by one scan. ``prepare`` changes none:
it lists what is to become of the ones on the paths of a block's changes, so that the tree as it was stands until
``install``, and discarding what was prepared costs nothing.

The order of work at a block is: prepare; write the leaves to the store; install. A write that fails in between
leaves the tree as it was.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import TypeAlias

from state import bucket
from state.bucket import Change
from state.cache import MISSING, Missing
from state.digest import DIGEST_BYTES
from state.errors import Corrupt
from state.proof import (
    BRANCH_CHILDREN,
    BRANCH_PREFIX,
    BUCKET_KEYS_MAX,
    DEPTH_MAX,
    ENTRY_BYTES,
    VALUE_PREFIX,
    StateProof,
    bucket_digest,
    value_digest,
    verify_proof,
)

__all__ = ["LeafReader", "PreparedUpdate", "StateProof", "Tree", "value_digest", "verify_proof"]

LeafReader = Callable[[bytes, bytes | None], tuple[bytes, list[bytes]]]
"""Gives key digest ‖ value digest of every key with start ≤ key digest < stop (None: to the end), ascending, and what
``state.bucket.short`` gives of each value."""

BUCKET_CACHE_BYTES_MAX = 240 * 1024 * 1024
"""Contents of buckets that are remembered, bytes: of a million accounts with a balance each 200 MB. Some 40 bytes a
bucket come on top. One that must be read from the disk takes 40 µs (measured at a million accounts)."""

SCAN_DEPTH = 2
"""The scan at start reads one subtree of this depth at a time: at 10 million keys 2.5 MB."""

SORTED_CHANGES_MIN = 6
"""From this many changes to one bucket on, sorting it anew is cheaper than replacing one value after the other."""

NIBBLES = "0123456789abcdef"
NIBBLE_OF = {digit: nibble for nibble, digit in enumerate(NIBBLES)}


@dataclass(slots=True)
class Branch:
    """Sixteen children. ``install`` alone changes it, but for what is remembered."""

    children: bytes
    """Their digests, as they are hashed."""
    counts: list[int]
    """Keys in each."""
    below: "list[Below]"


Below: TypeAlias = Branch | bytes | None
"""What is kept of a subtree beside its digest: a branch; or of a bucket, perhaps an empty one, its contents
(state/bucket.py), None where they are not remembered."""

Node: TypeAlias = tuple[bytes, int, Below]
"""A subtree as its parent sees it: digest, number of keys, what is kept of it."""


Edit: TypeAlias = tuple[Branch, bytes, list[tuple[int, int, Below]]]
"""A branch, its children's digests to be, and of each child that changes its nibble, its keys, what is kept of it."""


@dataclass(frozen=True, slots=True)
class PreparedUpdate:
    """The tree after a set of changes, not yet installed."""

    root: bytes
    """The new root digest."""
    changes: list[Change]
    """Ascending by key digest."""
    before: Node
    after: Node
    """Once the edits are made."""
    edits: list[Edit]
    remembered_bytes: int
    """How many bytes of contents more are remembered after it."""


class Tree:
    """The tree over the leaves that ``read_leaves`` gives."""

    __slots__ = ("_bytes_max", "_forgotten", "_node", "_read_leaves", "_remembered_bytes")

    def __init__(self, read_leaves: LeafReader, bucket_cache_bytes_max: int = BUCKET_CACHE_BYTES_MAX) -> None:
        """Build the branches by one scan of the leaves."""
        self._read_leaves = read_leaves
        self._bytes_max = bucket_cache_bytes_max
        self._remembered_bytes = 0
        self._forgotten = 0
        """Number of the subtree of depth 2 whose contents are the next to be forgotten."""
        self._node = self._bounded(self._scan("")[0])

    @property
    def root(self) -> bytes:
        """The root digest: 32 bytes that name the whole state."""
        return self._node[0]

    @property
    def node(self) -> Node:
        """The tree as it is; updates leave it so, but for what its buckets remember."""
        return self._node

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
            if value is None:
                by_path[key_digest.hex()] = (key_digest, key, None, b"")
            else:
                bound = sha256(VALUE_PREFIX + value).digest()
                by_path[key_digest.hex()] = (key_digest, key, bound, bucket.short(value))
        order = sorted(by_path)
        update = _Update(self, order, [by_path[path] for path in order])
        before = self._node
        after = update.subtree("", before, 0, len(order)) if order else before
        return PreparedUpdate(after[0], update.changes, before, after, update.edits, update.remembered_bytes)

    def install(self, prepared: PreparedUpdate) -> bytes:
        """Make what was prepared the tree. The store must hold its leaves by now. Gives the root."""
        assert prepared.before is self._node, "the tree moved on after this update was prepared"
        for branch, digests, children in prepared.edits:
            branch.children = digests
            for nibble, keys, kept in children:
                branch.counts[nibble], branch.below[nibble] = keys, kept
        self._node = prepared.after
        self._remembered_bytes += prepared.remembered_bytes
        if self._remembered_bytes > self._bytes_max:
            self._make_room()
        return prepared.root

    def update(self, changes: Mapping[bytes, bytes | None]) -> bytes:
        """Prepare and install in one step, where the write to the store cannot fail.

        Call it before the leaves are written: the buckets that the changes touch are read as they were.
        """
        return self.install(self.prepare(changes))

    def prove(self, key: bytes) -> StateProof:
        """The proof of the key's value, or of its absence, under the present root."""
        path = sha256(key).hexdigest()
        digest, count, below = self._node
        levels: list[bytes] = []
        while isinstance(below, Branch):
            nibble = NIBBLE_OF[path[len(levels)]]
            at = nibble * DIGEST_BYTES
            children = below.children
            levels.append(children[:at] + children[at + DIGEST_BYTES :])
            digest, count, below = children[at : at + DIGEST_BYTES], below.counts[nibble], below.below[nibble]
        if below is None:
            below = self.read_bucket(path[: len(levels)], digest) if count else bucket.EMPTY
        assert isinstance(below, bytes)
        return StateProof(tuple(levels), bucket.entries_of(below))

    def recall(self, key_digest: bytes) -> bytes | None | Missing:
        """The value of a key, given by its digest, without a look into the store; None: it has none; MISSING: it is not
        remembered."""
        below = self._node[2]
        for byte in key_digest:
            if isinstance(below, Branch):
                below = below.below[byte >> 4]
            if not isinstance(below, Branch):
                break
            below = below.below[byte & 15]
        return bucket.find(below, key_digest) if isinstance(below, bytes) else MISSING

    def read_bucket(self, path: str, digest: bytes) -> bytes:
        """The contents of the bucket at ``path`` (nibbles in hex) from the store; they must have this digest."""
        entries, shorts = self._read_leaves(*_digest_range(path))
        if bucket_digest(entries) != digest:
            raise Corrupt(
                f"The world state's keys under digest prefix {path or '(all)'} are not the ones it was built "
                "from: the disk lost or changed data. Delete the state directory; it is rebuilt from the chain."
            )
        return bucket.pack(entries, shorts)

    def _make_room(self) -> None:
        """Forget the buckets of one subtree of depth 2 after the other, until the rest are few enough."""
        for _ in range(BRANCH_CHILDREN**2):
            if self._remembered_bytes <= self._bytes_max:
                return
            below = self._node[2]
            for nibble in divmod(self._forgotten, BRANCH_CHILDREN):
                if isinstance(below, Branch):
                    self._remembered_bytes -= _forget(below, nibble)
                    below = below.below[nibble]
            if isinstance(below, Branch):
                self._remembered_bytes -= _forget_all(below)
            self._forgotten = (self._forgotten + 1) % BRANCH_CHILDREN**2

    def _scan(self, path: str) -> tuple[Node, bytes, list[bytes]]:
        """The subtree at ``path`` from the store, and its entries and shorts if they are few enough for one bucket."""
        if len(path) == SCAN_DEPTH:
            entries, shorts = self._read_leaves(*_digest_range(path))
            node = build(path, entries, shorts)
            below = node[2]
            if not isinstance(below, Branch):
                return node, entries, shorts
            if not self._is_room_for(_size_of(below)):
                _forget_all(below)
            return node, b"", []
        scanned = [self._scan(path + nibble) for nibble in NIBBLES]
        if sum(node[1] for node, _, _ in scanned) <= BUCKET_KEYS_MAX:
            entries = b"".join(entries for _, entries, _ in scanned)
            shorts = [value for _, _, few in scanned for value in few]
            return build(path, entries, shorts), entries, shorts
        return _branch_over([self._bounded(node) for node, _, _ in scanned]), b"", []

    def _bounded(self, node: Node) -> Node:
        """What was scanned, without its contents if it is a bucket and there is no room for them."""
        digest, count, below = node
        return (digest, count, None) if isinstance(below, bytes) and not self._is_room_for(len(below)) else node

    def _is_room_for(self, size: int) -> bool:
        """Whether so many bytes of contents can be remembered too; they are counted then."""
        is_room = self._remembered_bytes + size <= self._bytes_max
        if is_room:
            self._remembered_bytes += size
        return is_room


def _size_of(below: Below) -> int:
    """Bytes of contents that are remembered there."""
    if isinstance(below, Branch):
        return sum([_size_of(child) for child in below.below])
    return len(below) if isinstance(below, bytes) else 0


def _forget(branch: Branch, nibble: int) -> int:
    """Forget one child, if it is a bucket that is remembered; how many bytes it was."""
    contents = branch.below[nibble]
    if not isinstance(contents, bytes):
        return 0
    branch.below[nibble] = None
    return len(contents)


def _forget_all(branch: Branch) -> int:
    """Forget all buckets below; how many bytes they were."""
    below = branch.below
    return sum(
        [
            _forget_all(child) if isinstance(child, Branch) else _forget(branch, nibble)
            for nibble, child in enumerate(below)
        ]
    )


def build(path: str, entries: bytes, shorts: Sequence[bytes]) -> Node:
    """The subtree at ``path`` over ``entries``, with as many ``shorts``."""
    count = len(shorts)
    if count <= BUCKET_KEYS_MAX:
        return bucket_digest(entries), count, bucket.pack(entries, shorts)
    depth = len(path)
    assert depth < DEPTH_MAX, "more keys have one digest than a bucket holds"
    # One byte of each entry, ascending because all share the nibbles before it: bisected without a loop over keys.
    column = entries[depth >> 1 :: ENTRY_BYTES]
    first, step = (column[0] & 0xF0, 1) if depth & 1 else (0, 16)
    bounds = [bisect_left(column, first + nibble * step) for nibble in range(BRANCH_CHILDREN)]
    bounds.append(count)
    return _branch_over(
        [
            build(path + mark, entries[low * ENTRY_BYTES : high * ENTRY_BYTES], shorts[low:high])
            for mark, (low, high) in zip(NIBBLES, pairwise(bounds), strict=True)
        ]
    )


class _Update:
    """One ``prepare``: the changes by path, what is to become of branches, and how many more bytes of contents are
    remembered by it."""

    __slots__ = ("changes", "edits", "order", "remembered_bytes", "tree")

    def __init__(self, tree: Tree, order: list[str], changes: list[Change]) -> None:
        self.tree = tree
        self.order = order
        self.changes = changes
        self.edits: list[Edit] = []
        self.remembered_bytes = 0

    def subtree(self, path: str, node: Node, low: int, high: int) -> Node:
        """The subtree at ``path`` after changes[low:high], which all lie in it."""
        digest, count, below = node
        if isinstance(below, Branch):
            return self.branch(path, below, count, low, high)
        return self.bucket(path, digest, count, below, low, high)

    def branch(self, path: str, branch: Branch, total: int, low: int, high: int) -> Node:
        """The branch at ``path``, of ``total`` keys, after changes[low:high]."""
        order = self.order
        depth = len(path)
        children, counts, below = branch.children, branch.counts, branch.below
        digests = bytearray(children)
        edits: list[tuple[int, int, Below]] = []
        while low < high:
            child_path = order[low][: depth + 1]
            mark = child_path[depth]
            end = low + 1
            while end < high and order[end][depth] == mark:
                end += 1
            nibble = NIBBLE_OF[mark]
            at = nibble * DIGEST_BYTES
            count, child = counts[nibble], below[nibble]
            if isinstance(child, Branch):
                digest, keys, kept = self.branch(child_path, child, count, low, end)
            else:
                digest, keys, kept = self.bucket(child_path, children[at : at + DIGEST_BYTES], count, child, low, end)
            digests[at : at + DIGEST_BYTES] = digest
            total += keys - count
            edits.append((nibble, keys, kept))
            low = end
        frozen = bytes(digests)
        if total <= BUCKET_KEYS_MAX:
            return self.merged(path, branch, frozen, edits)
        self.edits.append((branch, frozen, edits))
        return sha256(BRANCH_PREFIX + frozen).digest(), total, branch

    def bucket(self, path: str, digest: bytes, count: int, contents: bytes | None, low: int, high: int) -> Node:
        """What the bucket at ``path`` becomes by changes[low:high]."""
        if contents is None:
            contents = self.recover(path, digest, count)
        changed = self.changes[low:high]
        after = bucket.replaced(contents, changed) if high - low < SORTED_CHANGES_MIN else None
        if after is not None:
            self.remembered_bytes += len(after) - len(contents)
            return bucket_digest(bucket.entries_of(after)), count, after
        node = build(path, *bucket.placed(contents, changed))
        self.remembered_bytes += _size_of(node[2]) - len(contents)
        return node

    def merged(self, path: str, branch: Branch, children: bytes, edits: list[tuple[int, int, Below]]) -> Node:
        """One bucket from what the edits leave of a branch, whose children are all buckets then."""
        counts, below = branch.counts.copy(), branch.below.copy()
        for nibble, keys, kept in edits:
            counts[nibble], below[nibble] = keys, kept
        parts: list[bytes] = []
        shorts: list[bytes] = []
        for nibble, contents in enumerate(below):
            assert not isinstance(contents, Branch), "a branch of few keys has branches below it"
            if contents is None:
                at = nibble * DIGEST_BYTES
                contents = self.recover(path + NIBBLES[nibble], children[at : at + DIGEST_BYTES], counts[nibble])
            entries, few = bucket.unpack(contents)
            parts.append(entries)
            shorts += few
            self.remembered_bytes -= len(contents)
        node = build(path, b"".join(parts), shorts)
        self.remembered_bytes += _size_of(node[2])
        return node

    def recover(self, path: str, digest: bytes, count: int) -> bytes:
        """The contents of a bucket that was forgotten, which are remembered from now on."""
        contents = self.tree.read_bucket(path, digest) if count else bucket.EMPTY
        self.remembered_bytes += len(contents)
        return contents


def _branch_over(nodes: list[Node]) -> Node:
    children = b"".join([digest for digest, _, _ in nodes])
    counts = [count for _, count, _ in nodes]
    branch = Branch(children, counts, [below for _, _, below in nodes])
    return sha256(BRANCH_PREFIX + children).digest(), sum(counts), branch


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
