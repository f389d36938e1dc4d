"""Merkle trees over ordered lists: the transactions, receipts and events of a block (RFC 6962 section 2.1).

A leaf is hashed as SHA-256(0x00 ‖ data), an inner node as SHA-256(0x01 ‖ left ‖ right). A list of n leaves
splits at the largest power of two below n, which is the same as pairing neighbours level by level and
letting an odd last node rise unchanged. The empty list has the digest of no bytes.

Verification follows RFC 9162, sections 2.1.3.2 and 2.1.4.2. Sizes and indexes come from outside; a proof of
a tree larger than a Python list could hold costs no more than the proof's own length.
"""

from collections.abc import Sequence
from hashlib import sha256

from state.digest import DIGEST_BYTES
from state.errors import Invalid, Reason

EMPTY_ROOT = sha256(b"").digest()
"""Root of the empty list (RFC 6962 section 2.1)."""

PROOF_DIGESTS_MAX = 65
"""Digests checked together at most: a start and one a level, and no list here has more than 2^64 leaves."""


def leaf_hash(data: bytes) -> bytes:
    """Digest of one leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Digest of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Root of the tree over ``leaves``, given as data (not yet hashed)."""
    if not leaves:
        return EMPTY_ROOT
    level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        level = _level_above(level)
    return level[0]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The siblings on the way from leaf ``index`` up to the root, lowest first.

    :raises Invalid: UNKNOWN when the list has no such index.
    """
    if not 0 <= index < len(leaves):
        raise Invalid(Reason.UNKNOWN, f"a list of {len(leaves)} has no index {index}")
    level = [leaf_hash(leaf) for leaf in leaves]
    proof = []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            proof.append(level[sibling])
        level = _level_above(level)
        index >>= 1
    return tuple(proof)


def inclusion_root(digest: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that ``proof`` leads to from the leaf with this ``digest`` (leaf_hash of its data).

    :raises Invalid: BAD_PROOF when index, size and length of the proof do not fit each other.
    """
    if not 0 <= index < size:
        raise Invalid(Reason.BAD_PROOF, f"index {index} lies outside a list of {size}")
    _check_digests([digest, *proof])
    position, last = index, size - 1
    for sibling in proof:
        if last == 0:
            raise Invalid(Reason.BAD_PROOF, "the inclusion proof is longer than the tree is high")
        if position & 1 or position == last:
            digest = node_hash(sibling, digest)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            digest = node_hash(digest, sibling)
        position >>= 1
        last >>= 1
    if last:
        raise Invalid(Reason.BAD_PROOF, "the inclusion proof is shorter than the tree is high")
    return digest


def verify_inclusion(root: bytes, leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> None:
    """Check that ``leaf`` (data) stands at ``index`` of the list of ``size`` leaves with this ``root``.

    :raises Invalid: BAD_PROOF.
    """
    if inclusion_root(leaf_hash(leaf), index, size, proof) != root:
        raise Invalid(Reason.BAD_PROOF, "the inclusion proof leads to another root")


def consistency_proof(leaves: Sequence[bytes], size: int) -> tuple[bytes, ...]:
    """Proof that the list of the first ``size`` leaves is a prefix of ``leaves`` (RFC 6962 section 2.1.2).

    :raises Invalid: UNKNOWN unless 1 ≤ size ≤ len(leaves).
    """
    if not 1 <= size <= len(leaves):
        raise Invalid(Reason.UNKNOWN, f"a list of {len(leaves)} has no prefix of {size} to prove")
    proof: list[bytes] = []
    start, stop, known = 0, len(leaves), True
    # Walk down the right edge of the smaller tree; ``known`` is true while that subtree's root is the old root.
    while size < stop - start:
        split = 1 << (stop - start - 1).bit_length() - 1
        if size <= split:
            proof.append(root(leaves[start + split : stop]))
            stop = start + split
        else:
            proof.append(root(leaves[start : start + split]))
            start += split
            size -= split
            known = False
    if not known:
        proof.append(root(leaves[start:stop]))
    return tuple(reversed(proof))


def verify_consistency(root1: bytes, size1: int, root2: bytes, size2: int, proof: Sequence[bytes]) -> None:
    """Check that the list (root1, size1) is a prefix of the list (root2, size2).

    A proof from an empty list would say nothing and is refused.

    :raises Invalid: BAD_PROOF.
    """
    if not 1 <= size1 <= size2:
        raise Invalid(Reason.BAD_PROOF, f"a list of {size1} is no provable prefix of a list of {size2}")
    _check_digests(proof)
    if size1 == size2:
        if proof or root1 != root2:
            raise Invalid(Reason.BAD_PROOF, "lists of one size are consistent only with one root and no proof")
        return
    # A complete smaller tree is itself the first node: its root is not repeated in the proof.
    path = [root1, *proof] if size1 & (size1 - 1) == 0 else list(proof)
    if not path:
        raise Invalid(Reason.BAD_PROOF, "the consistency proof is empty")
    position, last = size1 - 1, size2 - 1
    while position & 1:
        position >>= 1
        last >>= 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise Invalid(Reason.BAD_PROOF, "the consistency proof is longer than the tree is high")
        if position & 1 or position == last:
            older = node_hash(sibling, older)
            newer = node_hash(sibling, newer)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            newer = node_hash(newer, sibling)
        position >>= 1
        last >>= 1
    if last:
        raise Invalid(Reason.BAD_PROOF, "the consistency proof is shorter than the tree is high")
    if older != root1 or newer != root2:
        raise Invalid(Reason.BAD_PROOF, "the consistency proof leads to other roots")


def _level_above(level: list[bytes]) -> list[bytes]:
    pairs = iter(level)
    above = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
    if len(level) & 1:
        above.append(level[-1])
    return above


def _check_digests(proof: Sequence[bytes]) -> None:
    if len(proof) > PROOF_DIGESTS_MAX:
        raise Invalid(Reason.BAD_PROOF, f"a proof holds fewer than {PROOF_DIGESTS_MAX} digests")
    if any(len(digest) != DIGEST_BYTES for digest in proof):
        raise Invalid(Reason.BAD_PROOF, f"a digest in a proof has {DIGEST_BYTES} bytes")
