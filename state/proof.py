"""Proofs against the state root: that a key has a value, or that it has none. No database, standard library only.

The tree (state/tree.py) is addressed by the 64 nibbles of sha256(key), the *key digest*. A subtree of at most
BUCKET_KEYS_MAX keys is one bucket; a larger one is a branch with sixteen children. Its digests are

    value digest   H("tree-value", value)
    empty          H("tree-empty", nothing)
    bucket         H("tree-bucket", key digest ‖ value digest, for each key, ascending by key digest)
    branch         H("tree-branch", digests of the sixteen children)

where H(tag, data) is SHA-256 over "hansa/" ‖ tag ‖ NUL ‖ data. A proof holds the fifteen siblings of each branch
on the way down and the bucket at its end. The key is there if and only if that bucket lists it: an honest tree
keeps it nowhere else, and q validators signed the root.
"""

from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

from state.digest import DIGEST_BYTES, prefix_of
from state.errors import Invalid, Reason

BUCKET_KEYS_MAX = 32
"""Keys in a bucket at most. Part of the tree's shape, so of consensus: measured best at a million keys."""

BRANCH_CHILDREN = 16
"""Children of a branch: one a nibble of the key digest."""

DEPTH_MAX = 2 * DIGEST_BYTES
"""Branches on one path at most: the nibbles of a key digest."""

ENTRY_BYTES = 2 * DIGEST_BYTES
"""Bytes of one key in a bucket: its digest and its value's."""

SIBLINGS_BYTES = (BRANCH_CHILDREN - 1) * DIGEST_BYTES
"""Bytes of one level of a proof: the children of a branch without the one on the path."""

VALUE_PREFIX = prefix_of("tree-value")
BUCKET_PREFIX = prefix_of("tree-bucket")
BRANCH_PREFIX = prefix_of("tree-branch")

EMPTY_DIGEST = sha256(prefix_of("tree-empty")).digest()
"""Digest of a subtree without keys; the root of the empty state."""


@dataclass(frozen=True, slots=True)
class StateProof:
    """What leads from a bucket to the root. The same proof serves any key whose path ends in that bucket."""

    levels: tuple[bytes, ...]
    """For each branch, root first: its children's digests in order, without the child on the path."""

    bucket: bytes
    """The entries of the bucket that ends the path; no bytes when that place is empty."""

    def to_value(self) -> list[list[bytes] | bytes]:
        """Plain lists and bytes, for msgpack and JSON."""
        return [list(self.levels), self.bucket]

    @classmethod
    def from_value(cls, value: object) -> "StateProof":
        """:raises Invalid: BAD_PROOF when ``value`` has not the shape that ``to_value`` gives."""
        match value:
            case [list() | tuple() as levels, bytes() as bucket]:
                if len(levels) > DEPTH_MAX or len(bucket) > BUCKET_KEYS_MAX * ENTRY_BYTES:
                    raise Invalid(Reason.BAD_PROOF, "the state proof is larger than any tree needs")
                if any(type(siblings) is not bytes for siblings in levels):
                    raise Invalid(Reason.BAD_PROOF, "a level of a state proof is a byte string")
                return cls(tuple(levels), bucket)
        raise Invalid(Reason.BAD_PROOF, "a state proof is a list of levels and a bucket")


def value_digest(value: bytes) -> bytes:
    """The digest by which the tree binds a value."""
    return sha256(VALUE_PREFIX + value).digest()


def bucket_digest(entries: bytes) -> bytes:
    """Digest of a bucket: ``entries`` are key digest ‖ value digest, ascending. No bytes: the empty subtree."""
    return sha256(BUCKET_PREFIX + entries).digest() if entries else EMPTY_DIGEST


def branch_digest(children: bytes) -> bytes:
    """Digest of a branch over its sixteen children's digests."""
    return sha256(BRANCH_PREFIX + children).digest()


def verify_proof(root: bytes, key: bytes, value: bytes | None, proof: StateProof) -> None:
    """Check that under ``root`` the key has this value, or with None that it is absent.

    :raises Invalid: BAD_PROOF.
    """
    key_digest = sha256(key).digest()
    if _root_of(key_digest, proof) != root:
        raise Invalid(Reason.BAD_PROOF, "the state proof leads to another root")
    expected = None if value is None else value_digest(value)
    found = _entry_of(key_digest, proof.bucket)
    if found != expected:
        if found is None:
            raise Invalid(Reason.BAD_PROOF, "the state proof shows that the key is absent")
        if expected is None:
            raise Invalid(Reason.BAD_PROOF, "the state proof shows that the key is present")
        raise Invalid(Reason.BAD_PROOF, "the state proof shows another value")


def _root_of(key_digest: bytes, proof: StateProof) -> bytes:
    """The root that the proof leads to along this key's path, its shape checked."""
    path = key_digest.hex()
    depth = len(proof.levels)
    entries = proof.bucket
    if depth > DEPTH_MAX or len(entries) > BUCKET_KEYS_MAX * ENTRY_BYTES or len(entries) % ENTRY_BYTES:
        raise Invalid(Reason.BAD_PROOF, "the state proof has a size that no tree gives")
    listed = [entries[at : at + DIGEST_BYTES].hex() for at in range(0, len(entries), ENTRY_BYTES)]
    if any(name[:depth] != path[:depth] for name in listed):
        raise Invalid(Reason.BAD_PROOF, "the state proof's bucket lists a key of another subtree")
    if any(left >= right for left, right in pairwise(listed)):
        raise Invalid(Reason.BAD_PROOF, "the state proof's bucket is out of order")
    digest = bucket_digest(entries)
    for level in reversed(range(depth)):
        siblings = proof.levels[level]
        if len(siblings) != SIBLINGS_BYTES:
            raise Invalid(Reason.BAD_PROOF, "a level of a state proof has fifteen digests")
        at = int(path[level], 16) * DIGEST_BYTES
        digest = branch_digest(siblings[:at] + digest + siblings[at:])
    return digest


def _entry_of(key_digest: bytes, entries: bytes) -> bytes | None:
    """The value digest that the bucket lists for the key."""
    for at in range(0, len(entries), ENTRY_BYTES):
        if entries[at : at + DIGEST_BYTES] == key_digest:
            return entries[at + DIGEST_BYTES : at + ENTRY_BYTES]
    return None
