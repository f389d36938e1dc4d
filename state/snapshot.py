"""Snapshots: the whole state after one height, cut into subtrees that can each be checked alone.

Who holds a certified state root and fetches the state from strangers asks for the *cuts* first: a list of subtrees,
none within another, which together are all of the tree. Folding their digests upwards must give the root; so from
then on each subtree is proven or refused by itself, before any of it is kept. What a subtree holds is told as its
leaves, keys and values ascending by key digest; they prove themselves, as the digest of a subtree is a function of
its leaves alone. Counts are not proven and serve to share out the work.

    cuts     [[path, digest, keys], …]      ascending; the path is nibbles in hex, empty subtrees are left out
    leaves   [[key, value], …]              ascending by sha256(key)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

from state import codec
from state.codec import Value
from state.digest import DIGEST_BYTES, NO_DIGEST
from state.errors import Invalid, Reason
from state.proof import BRANCH_CHILDREN, EMPTY_DIGEST, VALUE_PREFIX, branch_digest
from state.tree import NIBBLES, Branch, Node, build

SNAPSHOT_HEIGHTS = 64
"""At every height that is a multiple of this the state can be had, so that several nodes offer the same."""

CUT_KEYS = 1_024
"""A subtree with more keys is cut further: some 200 kB of ordinary rows."""

CUTS_TARGET = 4_096
"""Of a state so large that its subtrees would be more than this times sixteen, each is larger."""

CUTS_MAX = 131_072
"""Most subtrees of one snapshot, far above what the target gives."""

CUT_DEPTH_MAX = 16
"""Nibbles of a path at most. Folding the longest list of the longest paths takes seconds, not minutes."""

CUTS_VALUES_MAX = 4 * CUTS_MAX + 1
"""Values in an encoded list of cuts."""

Leaf = tuple[bytes, bytes]
"""Key and value."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One subtree."""

    path: str
    """Its nibbles from the root, in hex."""
    digest: bytes
    keys: int
    """How many; a hint."""

    @property
    def range(self) -> tuple[bytes, bytes | None]:
        """First key digest under it, and the first after it (None: there is none), each 32 bytes."""
        low = bytes.fromhex(self.path.ljust(2 * DIGEST_BYTES, "0"))
        above = int(self.path or "0", 16) + 1
        if above == 16 ** len(self.path):
            return low, None
        return low, bytes.fromhex(f"{above:0{len(self.path)}x}".ljust(2 * DIGEST_BYTES, "0"))


def cuts_of(node: Node, keys_max: int = 0) -> list[Cut]:
    """Cut a tree. :param keys_max: of one subtree; 0 to choose it by the size of the tree."""
    found: list[Cut] = []
    _cut(node, "", keys_max or _keys_max(node), found)
    return found


def outline(node: Node) -> Node:
    """As much of a tree as ``cuts_of`` looks at, and as it is now, whatever is installed later."""
    return _outlined(node, _keys_max(node))


def cuts_value(cuts: Sequence[Cut]) -> Value:
    """What ``read_cuts`` takes."""
    return [[cut.path, cut.digest, cut.keys] for cut in cuts]


def read_cuts(value: Value, root: bytes) -> list[Cut]:
    """The cuts of the state with that root. :raises Invalid: MALFORMED, TOO_LARGE or BAD_PROOF."""
    cuts: list[Cut] = []
    for item in codec.items(value, CUTS_MAX):
        path, digest, keys = codec.fields(item, str, bytes, int)
        path = codec.text(path)
        if len(path) > CUT_DEPTH_MAX or not set(path) <= set(NIBBLES):
            raise Invalid(Reason.BAD_PROOF, f"a path has at most {CUT_DEPTH_MAX} nibbles")
        cuts.append(Cut(path, codec.sized(digest, DIGEST_BYTES), codec.natural(keys)))
    if any(left.path >= right.path or right.path.startswith(left.path) for left, right in pairwise(cuts)):
        raise Invalid(Reason.BAD_PROOF, "the subtrees are out of order, or one lies within another")
    if _fold(cuts, "", 0, len(cuts)) != root:
        raise Invalid(Reason.BAD_PROOF, "the subtrees lead to another state root than is certified")
    return cuts


def check_leaves(cut: Cut, leaves: Sequence[Leaf]) -> None:
    """Whether these are all leaves of the subtree, and no others. :raises Invalid: BAD_PROOF."""
    digests = [sha256(key).digest() for key, _ in leaves]
    low, stop = cut.range
    if any(left >= right for left, right in pairwise(digests)):
        raise Invalid(Reason.BAD_PROOF, "the leaves are out of order")
    if digests and (digests[0] < low or (stop is not None and digests[-1] >= stop)):
        raise Invalid(Reason.BAD_PROOF, "a leaf of another subtree")
    bound = [sha256(VALUE_PREFIX + value).digest() for _, value in leaves]
    entries = b"".join([part for pair in zip(digests, bound, strict=True) for part in pair])
    if build(cut.path, entries, [b""] * len(leaves))[0] != cut.digest:
        raise Invalid(Reason.BAD_PROOF, f"the leaves under {cut.path or 'the root'} are not the certified ones")


def _keys_max(node: Node) -> int:
    return max(CUT_KEYS, node[1] // CUTS_TARGET)


def _outlined(node: Node, keys_max: int) -> Node:
    digest, keys, branch = node
    if not isinstance(branch, Branch) or keys <= keys_max:
        return digest, keys, None
    pairs = zip(branch.counts, branch.below, strict=True)
    below = [_outlined((NO_DIGEST, count, child), keys_max)[2] for count, child in pairs]
    return digest, keys, Branch(branch.children, branch.counts.copy(), below)


def _cut(node: Node, path: str, keys_max: int, found: list[Cut]) -> None:
    digest, keys, branch = node
    if not keys:
        return
    if not isinstance(branch, Branch) or keys <= keys_max or len(path) == CUT_DEPTH_MAX:
        found.append(Cut(path, digest, keys))
        return
    for nibble, mark in enumerate(NIBBLES):
        at = nibble * DIGEST_BYTES
        below: Node = (branch.children[at : at + DIGEST_BYTES], branch.counts[nibble], branch.below[nibble])
        _cut(below, path + mark, keys_max, found)


def _fold(cuts: Sequence[Cut], path: str, low: int, high: int) -> bytes:
    """Digest of the subtree at ``path``, of which cuts[low:high] are the parts."""
    if low == high:
        return EMPTY_DIGEST
    if cuts[low].path == path:
        return cuts[low].digest
    children = []
    for mark in NIBBLES:
        end = low
        while end < high and cuts[end].path[len(path)] == mark:
            end += 1
        children.append(_fold(cuts, path + mark, low, end))
        low = end
    assert len(children) == BRANCH_CHILDREN
    return branch_digest(b"".join(children))
