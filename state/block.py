"""A block: a header, and the entries that its transaction root is made of.

The header names everything that a vote for the block stands for, and no view: a block that is proposed again in a
later view is the same block. Bodies travel apart (each once, as it arrives), so a block lists an entry of 64 bytes
for each transaction: its id and the digest of its signatures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from state import codec, digest, merkle, protocol
from state.certificate import Certificate
from state.codec import Value
from state.digest import DIGEST_BYTES, NO_DIGEST
from state.errors import Invalid, Reason
from state.keys import PUBLIC_KEY_BYTES
from state.transaction import ENTRY_BYTES
from state.votes import Commit

BLOCK_VERSION = 1

HEADER_BYTES_MAX = 16 * 1024
"""Largest encoded header: with the parent's certificate by 100 validators it takes 7 KiB."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the block's digest covers."""

    protocol_version: int
    """Version of the rules that the block is made under; in every header, so that a change has an activation height."""
    chain_id: bytes
    height: int
    """First block: 1."""
    parent: bytes
    """Digest of the block at height − 1; for height 1 the digest of nothing, 32 zero bytes."""
    parent_certificate: Certificate | None
    """A commit certificate of the parent, as its proposer chose it; None at height 1."""
    timestamp_ms: int
    """The time that contracts see, ms since 1970; above the parent's."""
    proposer: bytes
    """Vote key of the validator that first proposed the block."""
    transaction_root: bytes
    """RFC 6962 root over the entries."""
    validators_digest: bytes
    """Digest of V(height)."""

    def encode(self) -> bytes:
        """The bytes whose digest names the block."""
        certificate = None if self.parent_certificate is None else self.parent_certificate.to_value()
        return codec.encode(
            BLOCK_VERSION,
            [
                self.protocol_version,
                self.chain_id,
                self.height,
                self.parent,
                certificate,
                self.timestamp_ms,
                self.proposer,
                self.transaction_root,
                self.validators_digest,
            ],
        )


@dataclass(frozen=True, slots=True)
class Block:
    """A header and its entries, with the header's bytes as received."""

    header: Header
    entries: tuple[bytes, ...]
    """64 bytes each; their RFC 6962 root is the header's."""
    encoded_header: bytes
    digest: bytes

    @property
    def height(self) -> int:
        """Height of the block."""
        return self.header.height

    def transaction_ids(self) -> list[bytes]:
        """Ids in the block's order, 32 bytes each."""
        return [entry[:DIGEST_BYTES] for entry in self.entries]

    def to_value(self) -> Value:
        """What ``from_value`` takes: header bytes, and all entries in one run of bytes."""
        return [self.encoded_header, b"".join(self.entries)]

    @classmethod
    def from_value(cls, value: Value) -> "Block":
        """Read a block and check its transaction root. :raises Invalid: MALFORMED, BAD_VERSION or BAD_BLOCK."""
        block = cls.from_value_again(value)
        if merkle.root(block.entries) != block.header.transaction_root:
            raise Invalid(Reason.BAD_BLOCK, "the entries do not give the header's transaction root")
        return block

    @classmethod
    def from_value_again(cls, value: Value) -> "Block":
        """Read a block whose transaction root this node has checked. :raises Invalid: as ``from_value``."""
        encoded_header, joined = codec.fields(value, bytes, bytes)
        header = decode_header(codec.blob(encoded_header))
        joined = codec.blob(joined)
        if len(joined) % ENTRY_BYTES:
            raise Invalid(Reason.MALFORMED, "entries of 64 bytes are expected")
        entries = tuple([joined[at : at + ENTRY_BYTES] for at in range(0, len(joined), ENTRY_BYTES)])
        return cls(header, entries, codec.blob(encoded_header), digest.block_digest(codec.blob(encoded_header)))


def make_block(
    *,
    chain_id: bytes,
    height: int,
    parent: bytes,
    parent_certificate: Certificate | None,
    timestamp_ms: int,
    proposer: bytes,
    entries: Sequence[bytes],
    validators_digest: bytes,
    protocol_version: int = protocol.FIRST,
) -> Block:
    """A new block over ``entries``."""
    header = Header(
        protocol_version,
        chain_id,
        height,
        parent,
        parent_certificate,
        timestamp_ms,
        proposer,
        merkle.root(entries),
        validators_digest,
    )
    encoded = header.encode()
    return Block(header, tuple(entries), encoded, digest.block_digest(encoded))


def decode_header(encoded: bytes) -> Header:
    """Read a header; its certificate's signatures are not checked here.

    :raises Invalid: MALFORMED, BAD_VERSION, or BAD_BLOCK for a certificate that is not one of the parent.
    """
    value = codec.decode(encoded, BLOCK_VERSION, HEADER_BYTES_MAX)
    value = codec.fields(value, int, bytes, int, bytes, (list, type(None)), int, bytes, bytes, bytes)
    protocol_version, chain_id, height, parent, certificate_value, timestamp_ms, proposer, root, validators = value
    height, parent = codec.natural(height), codec.sized(parent, DIGEST_BYTES)
    protocol_version = codec.natural(protocol_version)
    if not protocol.is_known(protocol_version):
        raise Invalid(Reason.BAD_VERSION, f"made under the rules of version {protocol_version!r}; upgrade this node")
    certificate = None if certificate_value is None else Certificate.from_value(certificate_value)
    if certificate is None or height == 1:
        if certificate is not None or height != 1 or parent != NO_DIGEST:
            raise Invalid(Reason.BAD_BLOCK, "every block but the first carries a certificate of its parent")
    else:
        vote = certificate.vote
        if not isinstance(vote, Commit) or vote.height != height - 1 or vote.digest != parent:
            raise Invalid(Reason.BAD_BLOCK, "the certificate is not one of the parent")
    return Header(
        protocol_version,
        codec.sized(chain_id, DIGEST_BYTES),
        height,
        parent,
        certificate,
        codec.natural(timestamp_ms),
        codec.sized(proposer, PUBLIC_KEY_BYTES),
        codec.sized(root, DIGEST_BYTES),
        codec.sized(validators, DIGEST_BYTES),
    )
