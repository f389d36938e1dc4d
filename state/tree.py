"""The authenticated state tree: one root over every key and value, whose shape depends on nothing else.

Keys are ordered by their digest, sha256(key), and addressed by its nibbles. A subtree of at most BUCKET_KEYS_MAX
keys is one bucket, a larger one a branch with sixteen children (state/proof.py gives the digests). So a bucket
that grows past the limit splits, and a branch that shrinks to it merges again: no history shows in the root.

What is kept where. The leaves belong to the caller's store; a bucket is a range of them and is read by one
``read_leaves`` when a change or a proof needs it, checked against the digest that its branch holds, and remembered
there within a bound. The branches stay in memory, about 1 kB for 16 to 500 keys, and are rebuilt at start by one scan.
But for what they remember they are never changed in place: ``prepare`` copies the ones on the paths of a block's
changes, so that the tree as it was stands until ``install``, and discarding what was prepared costs nothing.

The order of work at a block is: prepare; write the leaves to the store; install. A write that fails in between
leaves the tree as it was.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

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

BUCKET_CACHE_BYTES_MAX = 160 * 1024 * 1024
"""Entries of buckets that are remembered, bytes: all of a state of a million accounts with a balance each. Some 40
bytes a bucket come on top. One that must be read from the disk takes 40 µs (measured at a million accounts)."""

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
    entries: list[bytes | None]
    """What each bucket lists, where that is remembered; None where it is not, and for branches."""


Node: TypeAlias = tuple[bytes, int, Branch | None, bytes | None]
"""A subtree as its parent sees it: digest, number of keys, and the branch; None: it is a bucket, perhaps empty, with
these entries (None: not remembered)."""

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
    remembered_bytes: int
    """How many bytes of entries more are remembered after it."""


EMPTY_NODE: Node = (EMPTY_DIGEST, 0, None, b"")


class Tree:
    """The tree over the leaves that ``read_leaves`` gives."""

    __slots__ = ("_bytes_max", "_forgotten", "_node", "_read_leaves", "_remembered_bytes")

    def __init__(self, read_leaves: LeafReader, bucket_cache_bytes_max: int = BUCKET_CACHE_BYTES_MAX) -> None:
        """Build the branches by one scan of the leaves."""
        self._read_leaves = read_leaves
        self._bytes_max = bucket_cache_bytes_max
        self._remembered_bytes = 0
        self._forgotten = 0
        """Number of the subtree of depth 2 whose entries are the next to be forgotten."""
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
            bound = None if value is None else sha256(VALUE_PREFIX + value).digest()
            by_path[key_digest.hex()] = (key_digest, key, bound)
        order = sorted(by_path)
        update = _Update(self, order, [by_path[path] for path in order])
        before = self._node
        after = update.subtree(before, len(order)) if order else before
        return PreparedUpdate(after[0], update.changes, before, after, update.remembered_bytes)

    def install(self, prepared: PreparedUpdate) -> bytes:
        """Make what was prepared the tree. The store must hold its leaves by now. Gives the root."""
        assert prepared.before is self._node, "the tree moved on after this update was prepared"
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
        digest, count, branch, entries = self._node
        levels: list[bytes] = []
        while branch is not None:
            nibble = NIBBLE_OF[path[len(levels)]]
            at = nibble * DIGEST_BYTES
            children = branch.children
            digest, count, entries = children[at : at + DIGEST_BYTES], branch.counts[nibble], branch.entries[nibble]
            levels.append(children[:at] + children[at + DIGEST_BYTES :])
            branch = branch.branches.get(nibble)
        if entries is None:
            entries = self.read_bucket(path[: len(levels)], digest) if count else b""
        return StateProof(tuple(levels), entries)

    def read_bucket(self, path: str, digest: bytes) -> bytes:
        """The entries of the bucket at ``path`` (nibbles in hex) from the store; they must have this digest."""
        entries = self._read_leaves(*_digest_range(path))
        if sha256(BUCKET_PREFIX + entries).digest() != digest:
            raise Corrupt(
                f"The world state's keys under digest prefix {path or '(all)'} are not the ones it was built "
                "from: the disk lost or changed data. Delete the state directory; it is rebuilt from the chain."
            )
        return entries

    def _make_room(self) -> None:
        """Forget the entries of one subtree of depth 2 after the other, until the rest are few enough."""
        for _ in range(BRANCH_CHILDREN**2):
            if self._remembered_bytes <= self._bytes_max:
                return
            branch = self._node[2]
            for nibble in divmod(self._forgotten, BRANCH_CHILDREN):
                if branch is not None:
                    self._remembered_bytes -= _forget(branch, nibble)
                    branch = branch.branches.get(nibble)
            if branch is not None:
                self._remembered_bytes -= _forget_all(branch)
            self._forgotten = (self._forgotten + 1) % BRANCH_CHILDREN**2

    def _scan(self, path: str) -> tuple[Node, bytes]:
        """The subtree at ``path`` from the store, and its entries if they are few enough for one bucket."""
        if len(path) == SCAN_DEPTH:
            entries = self._read_leaves(*_digest_range(path))
            node = build(path, entries)
            branch = node[2]
            if branch is None:
                return node, entries
            if not self._is_room_for(entries):
                _forget_all(branch)
            return node, b""
        scanned = [self._scan(path + nibble) for nibble in NIBBLES]
        if sum(node[1] for node, _ in scanned) <= BUCKET_KEYS_MAX:
            entries = b"".join(entries for _, entries in scanned)
            return build(path, entries), entries
        return _branch_over([self._bounded(node) for node, _ in scanned]), b""

    def _bounded(self, node: Node) -> Node:
        """What was scanned, without its entries if it is a bucket and there is no room for them."""
        digest, count, branch, entries = node
        return node if entries is None or self._is_room_for(entries) else (digest, count, branch, None)

    def _is_room_for(self, entries: bytes) -> bool:
        """Whether these entries can be remembered too; they are counted then."""
        is_room = self._remembered_bytes + len(entries) <= self._bytes_max
        if is_room:
            self._remembered_bytes += len(entries)
        return is_room


def _forget(branch: Branch, nibble: int) -> int:
    """Forget the entries of one bucket, if they are remembered; how many bytes they were."""
    entries, branch.entries[nibble] = branch.entries[nibble], None
    return len(entries) if entries else 0


def _forget_all(branch: Branch) -> int:
    """Forget the entries of all buckets below; how many bytes they were."""
    forgotten = sum([len(entries) for entries in branch.entries if entries])
    branch.entries[:] = [None] * BRANCH_CHILDREN
    return forgotten + sum([_forget_all(child) for child in branch.branches.values()])


def build(path: str, entries: bytes) -> Node:
    """The subtree at ``path`` over ``entries``."""
    count = len(entries) // ENTRY_BYTES
    if count <= BUCKET_KEYS_MAX:
        return bucket_digest(entries), count, None, entries
    depth = len(path)
    assert depth < DEPTH_MAX, "more keys have one digest than a bucket holds"
    # One byte of each entry, ascending because all share the nibbles before it: bisected without a loop over keys.
    column = entries[depth >> 1 :: ENTRY_BYTES]
    first, step = (column[0] & 0xF0, 1) if depth & 1 else (0, 16)
    bounds = [bisect_left(column, first + nibble * step) * ENTRY_BYTES for nibble in range(BRANCH_CHILDREN)]
    bounds.append(len(entries))
    return _branch_over(
        [
            build(path + NIBBLES[nibble], entries[bounds[nibble] : bounds[nibble + 1]])
            for nibble in range(BRANCH_CHILDREN)
        ]
    )


class _Update:
    """One ``prepare``: the changes by path, and how many more bytes of entries are remembered by what comes about."""

    __slots__ = ("changes", "order", "remembered_bytes", "tree")

    def __init__(self, tree: Tree, order: list[str], changes: list[Change]) -> None:
        self.tree = tree
        self.order = order
        self.changes = changes
        self.remembered_bytes = 0

    def subtree(self, node: Node, high: int) -> Node:
        """The whole tree after changes[:high]."""
        digest, count, branch, entries = node
        if branch is None:
            return self.bucket("", digest, count, entries, 0, high)
        return self.branch("", branch, 0, high)

    def branch(self, path: str, branch: Branch, low: int, high: int) -> Node:
        """The subtree at ``path`` after changes[low:high], which all lie in it."""
        order = self.order
        depth = len(path)
        children = bytearray(branch.children)
        counts, entries = branch.counts.copy(), branch.entries.copy()
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
                after = self.bucket(child_path, digest, counts[nibble], entries[nibble], low, end)
            else:
                after = self.branch(child_path, child, low, end)
            children[at : at + DIGEST_BYTES], counts[nibble], grown, entries[nibble] = after
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
            return self.merged(path, frozen, counts, entries)
        return sha256(BRANCH_PREFIX + frozen).digest(), total, Branch(frozen, counts, branches, entries), None

    def bucket(self, path: str, digest: bytes, count: int, entries: bytes | None, low: int, high: int) -> Node:
        """What the bucket at ``path`` becomes by changes[low:high]."""
        if entries is None:
            entries = self.tree.read_bucket(path, digest) if count else b""
            self.remembered_bytes += len(entries)
        changed = self.changes[low:high]
        self.remembered_bytes -= len(entries)
        entries = _placed(entries, changed) if high - low < MERGE_CHANGES_MIN else _merged(entries, changed)
        size = len(entries)
        self.remembered_bytes += size
        if size > BUCKET_KEYS_MAX * ENTRY_BYTES:
            return build(path, entries)
        if not size:
            return EMPTY_NODE
        return sha256(BUCKET_PREFIX + entries).digest(), size // ENTRY_BYTES, None, entries

    def merged(self, path: str, children: bytes, counts: list[int], entries: list[bytes | None]) -> Node:
        """One bucket from what is left of a branch, whose children are all buckets."""
        parts = []
        for nibble, count in enumerate(counts):
            listed = entries[nibble]
            if listed is None:
                at = nibble * DIGEST_BYTES
                child_path = path + NIBBLES[nibble]
                listed = self.tree.read_bucket(child_path, children[at : at + DIGEST_BYTES]) if count else b""
                self.remembered_bytes += len(listed)
            parts.append(listed)
        return build(path, b"".join(parts))


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
    children = b"".join([digest for digest, _, _, _ in nodes])
    counts = [count for _, count, _, _ in nodes]
    branches = {nibble: branch for nibble, (_, _, branch, _) in enumerate(nodes) if branch is not None}
    branch = Branch(children, counts, branches, [entries for _, _, _, entries in nodes])
    return sha256(BRANCH_PREFIX + children).digest(), sum(counts), branch, None


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
