"""Digests: SHA-256 with a domain tag, so that the digest of one kind of thing is never that of another.

``digest(tag, data)`` is SHA-256 over ``"hansa/" + tag + NUL + data``.
"""

from collections.abc import Callable
from hashlib import sha256

DIGEST_BYTES = 32
"""Size of a digest, bytes."""

NO_DIGEST = bytes(DIGEST_BYTES)
"""Stands where there is nothing to name: the parent of the first block."""


def tagged(tag: str) -> Callable[[bytes], bytes]:
    """The digest function of one kind of thing."""
    prefix = prefix_of(tag)

    def digest(data: bytes) -> bytes:
        return sha256(prefix + data).digest()

    return digest


def prefix_of(tag: str) -> bytes:
    """The bytes that stand before the data of this kind, in digests and in signed payloads alike."""
    return b"hansa/" + tag.encode("ascii") + b"\0"


transaction_digest = tagged("transaction")
signatures_digest = tagged("signatures")
block_digest = tagged("block")
account_digest = tagged("account")
contract_digest = tagged("contract")
source_digest = tagged("source")
validators_digest = tagged("validators")
genesis_digest = tagged("genesis")
scheduled_digest = tagged("scheduled")
view_changes_digest = tagged("view-changes")
