"""What travels on the bulk link when a node fetches the state instead of replaying the chain.

    GET_SNAPSHOT   [height]                        0 for the newest
    SNAPSHOT       encode of an Offer, or nothing: no such snapshot is here (any more)
    GET_CUTS       [height]
    CUTS           state.snapshot.cuts_value
    GET_LEAVES     [height, first key digest, key digest after the last or nil]
    LEAVES         [whether these are all, [key, value, key, value, …]]
    GET_HEADERS    [height, count]
    HEADERS        [[header, entries], …]          descending from that height, without bodies

Nothing here is believed: an offer is held to genesis, cuts to the offer's state root, leaves to the cuts, headers to
the digests that their children name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from p2p.bulk import BULK_BYTES_MAX
from state import codec
from state.block import Block
from state.certificate import Certificate
from state.digest import DIGEST_BYTES
from state.errors import Invalid, Reason
from state.snapshot import CUTS_VALUES_MAX, Cut, Leaf, read_cuts
from state.succession import Change, Succession
from state.votes import Checkpoint, Commit

OFFER_VERSION = 1

CHANGES_MAX = 4_096
"""Changes of the validators that an offer can hold: more than a network makes in its life."""

LEAVES_MAX = 65_536
"""Most leaves in one answer: a megabyte of the smallest has 20,000."""

LEAVES_BYTES_MIN = 256 * 1024
"""An answer that is not the last of its range has so much at least, so that nobody can draw it out."""

HEADERS_MAX = 256
"""Most headers in one answer."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A state that can be fetched, with all that makes it believable and lets agreement be followed from there."""

    block: Block
    commit: Certificate
    """What decided it."""
    checkpoint: Certificate
    """What q validators got from executing it."""
    rotation: bytes
    """The rotation of primaries at its height, encoded. No certificate names it, so it is believed when more validators
    say so than may lie."""
    changes: tuple[Change, ...]
    """Every change of the validators so far."""

    @property
    def height(self) -> int:
        """Of the block, and of the state after it."""
        return self.block.height

    @property
    def result(self) -> Checkpoint:
        """What is certified."""
        vote = self.checkpoint.vote
        assert isinstance(vote, Checkpoint)
        return vote

    def encode(self) -> bytes:
        """The message."""
        changes: list[codec.Value] = [change.encode() for change in self.changes]
        return codec.encode(
            OFFER_VERSION,
            [self.block.to_value(), self.commit.to_value(), self.checkpoint.to_value(), self.rotation, changes],
        )

    @classmethod
    def decode(cls, data: bytes) -> "Offer":
        """What ``encode`` gave; nothing is checked yet. :raises Invalid: as its parts do."""
        value = codec.decode(data, OFFER_VERSION, BULK_BYTES_MAX)
        block, commit, checkpoint, rotation, changes = codec.fields(value, list, list, list, bytes, list)
        offer = cls(
            Block.from_value(block),
            Certificate.from_value(commit),
            Certificate.from_value(checkpoint),
            codec.blob(rotation),
            tuple(Change.decode(codec.blob(item)) for item in codec.items(changes, CHANGES_MAX)),
        )
        if not isinstance(offer.checkpoint.vote, Checkpoint) or not isinstance(offer.commit.vote, Commit):
            raise Invalid(Reason.BAD_PROOF, "the certificates are not those of a snapshot")
        return offer


def check_offer(offer: Offer, genesis: Succession) -> Succession:
    """Hold an offer to the genesis document; gives the succession of validators that it proves.

    :raises Invalid: WRONG_CHAIN, BAD_PROOF, or as ``Succession.extended`` and ``Certificate.check``.
    """
    header, result, commit = offer.block.header, offer.result, offer.commit.vote
    assert isinstance(commit, Commit)
    if header.chain_id != genesis.chain_id:
        raise Invalid(Reason.WRONG_CHAIN, "a snapshot of another chain")
    if (result.height, result.block_digest) != (offer.height, offer.block.digest):
        raise Invalid(Reason.BAD_PROOF, "the checkpoint certificate is of another block")
    if (commit.height, commit.digest) != (offer.height, offer.block.digest):
        raise Invalid(Reason.BAD_PROOF, "the commit certificate is of another block")
    followed = genesis.extended(offer.changes)
    validators = followed.at(offer.height)
    offer.checkpoint.check(validators, genesis.chain_id)
    offer.commit.check(validators, genesis.chain_id)
    return followed


def encode_height(height: int) -> bytes:
    """GET_SNAPSHOT or GET_CUTS."""
    return codec.pack([height])


def decode_height(payload: bytes) -> int:
    """:raises Invalid: MALFORMED."""
    (height,) = codec.fields(codec.unpack(payload, 64), int)
    return codec.natural(height)


def decode_cuts(payload: bytes, root: bytes) -> list[Cut]:
    """The subtrees of the state with that root. :raises Invalid: as ``read_cuts``."""
    return read_cuts(codec.unpack(payload, BULK_BYTES_MAX, CUTS_VALUES_MAX), root)


def encode_get_leaves(height: int, start: bytes, stop: bytes | None) -> bytes:
    """GET_LEAVES."""
    return codec.pack([height, start, stop])


def decode_get_leaves(payload: bytes) -> tuple[int, bytes, bytes | None]:
    """Height, first key digest and the one after the last. :raises Invalid: MALFORMED."""
    height, start, stop = codec.fields(codec.unpack(payload, 128), int, bytes, (bytes, type(None)))
    stop = None if stop is None else codec.sized(stop, DIGEST_BYTES)
    return codec.natural(height), codec.sized(start, DIGEST_BYTES), stop


def decode_leaves(payload: bytes) -> tuple[bool, list[Leaf]]:
    """Whether they are all, and the leaves. :raises Invalid: MALFORMED or TOO_LARGE."""
    is_complete, listed = codec.fields(codec.unpack(payload, BULK_BYTES_MAX, 2 * LEAVES_MAX + 3), bool, list)
    parts = [codec.blob(part) for part in codec.items(listed, 2 * LEAVES_MAX)]
    if len(parts) % 2:
        raise Invalid(Reason.MALFORMED, "a key without its value")
    if not is_complete and len(payload) < LEAVES_BYTES_MIN:
        raise Invalid(Reason.MALFORMED, f"an answer that is not the last has {LEAVES_BYTES_MIN} bytes at least")
    return is_complete is True, list(zip(parts[::2], parts[1::2], strict=True))


def encode_get_headers(height: int, count: int) -> bytes:
    """GET_HEADERS: ``count`` of them, from ``height`` down."""
    return codec.pack([height, count])


def decode_get_headers(payload: bytes) -> tuple[int, int]:
    """Height, and count cut to HEADERS_MAX. :raises Invalid: MALFORMED."""
    height, count = codec.fields(codec.unpack(payload, 64), int, int)
    return codec.natural(height), min(codec.natural(count), HEADERS_MAX)


def encode_headers(blocks: Sequence[Block]) -> bytes:
    """HEADERS."""
    return codec.pack([block.to_value() for block in blocks])


def decode_headers(payload: bytes) -> list[Block]:
    """The blocks, their entries held to their headers. :raises Invalid: as ``Block.from_value``."""
    value = codec.items(codec.unpack(payload, BULK_BYTES_MAX, 3 * HEADERS_MAX + 1), HEADERS_MAX)
    return [Block.from_value(item) for item in value]

