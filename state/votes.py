"""What validators sign: six kinds of statement, each under its own domain tag, with chain id, height and view.

A signed payload is the tag, then the packed list [chain id, height, view, …]. The tag keeps a PREPARE from ever
being read as a COMMIT, the chain id keeps a test network's votes off another chain. A CHECKPOINT is of no view:
its view field is 0.
"""

from dataclasses import dataclass
from typing import TypeAlias

from state import codec, digest
from state.codec import Value
from state.digest import DIGEST_BYTES
from state.errors import Invalid, Reason
from state.keys import SIGNATURE_BYTES
from state.validators import VALIDATORS_MAX


@dataclass(frozen=True, slots=True)
class Proposal:
    """PRE-PREPARE: the primary of (height, view) proposes the block of that digest."""

    height: int
    view: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Prepare:
    """PREPARE: the signer holds the block and every body, and found it valid."""

    height: int
    view: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """COMMIT: the signer has recorded a prepared certificate for the block."""

    height: int
    view: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class ViewChange:
    """VIEW-CHANGE: the signer votes in no view of this height below ``view`` any more."""

    height: int
    view: int
    """The view that is asked for, ≥ 1."""
    prepared_view: int | None
    """View of the highest prepared certificate on the signer's record, None without one."""
    prepared_digest: bytes | None
    """Digest of the block that it prepared."""


@dataclass(frozen=True, slots=True)
class NewView:
    """NEW-VIEW: the primary of ``view`` opens it on the strength of a quorum of VIEW-CHANGEs."""

    height: int
    view: int
    digest: bytes
    """Digest of the block that the view starts from."""
    view_changes: bytes
    """Digest of the VIEW-CHANGEs that justify it, as ``digest.view_changes_digest`` gives it."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """CHECKPOINT: executing the block gave the signer this state."""

    height: int
    block_digest: bytes
    state_root: bytes
    receipts_root: bytes
    validators_digest: bytes
    """Digest of V(height + L)."""


Vote: TypeAlias = Proposal | Prepare | Commit | ViewChange | NewView | Checkpoint

_TAGS: dict[type, bytes] = {
    Proposal: digest.prefix_of("pre-prepare"),
    Prepare: digest.prefix_of("prepare"),
    Commit: digest.prefix_of("commit"),
    ViewChange: digest.prefix_of("view-change"),
    NewView: digest.prefix_of("new-view"),
    Checkpoint: digest.prefix_of("checkpoint"),
}
_KINDS: dict[type, int] = {kind: index for index, kind in enumerate(_TAGS)}


def signing_payload(vote: Vote, chain_id: bytes) -> bytes:
    """The bytes that a validator signs for ``vote`` on the chain ``chain_id``."""
    return _TAGS[type(vote)] + codec.pack([chain_id, *_fields(vote)])


def to_value(vote: Vote) -> Value:
    """A kind number and the signed fields, for messages and the journal."""
    return [_KINDS[type(vote)], *_fields(vote)]


def from_value(value: Value) -> Vote:
    """What ``to_value`` gave. :raises Invalid: MALFORMED."""
    if type(value) is not list or not value or type(value[0]) is not int:
        raise Invalid(Reason.MALFORMED, "a vote starts with its kind")
    kind, rest = value[0], value[1:]
    if kind in (0, 1, 2):
        height, view, named = codec.fields(rest, int, int, bytes)
        plain = (Proposal, Prepare, Commit)[kind]
        return plain(codec.natural(height), codec.natural(view), codec.sized(named, DIGEST_BYTES))
    if kind == 3:
        optional = (int, type(None)), (bytes, type(None))
        height, view, prepared_view, prepared_digest = codec.fields(rest, int, int, *optional)
        if (prepared_view is None) != (prepared_digest is None):
            raise Invalid(Reason.MALFORMED, "a prepared view and its digest come together")
        least = 1 if prepared_view is None else codec.natural(prepared_view) + 1
        if codec.natural(view) < least:
            raise Invalid(Reason.MALFORMED, "a view change asks for a view above 0 and above the prepared one")
        return ViewChange(
            codec.natural(height),
            codec.natural(view),
            None if prepared_view is None else codec.natural(prepared_view),
            None if prepared_digest is None else codec.sized(prepared_digest, DIGEST_BYTES),
        )
    if kind == 4:
        height, view, named, view_changes = codec.fields(rest, int, int, bytes, bytes)
        return NewView(
            codec.natural(height),
            codec.natural(view),
            codec.sized(named, DIGEST_BYTES),
            codec.sized(view_changes, DIGEST_BYTES),
        )
    if kind == 5:
        height, view, *digests = codec.fields(rest, int, int, bytes, bytes, bytes, bytes)
        if view != 0:
            raise Invalid(Reason.MALFORMED, "a checkpoint is of no view")
        block, state_root, receipts_root, validators = (codec.sized(item, DIGEST_BYTES) for item in digests)
        return Checkpoint(codec.natural(height), block, state_root, receipts_root, validators)
    raise Invalid(Reason.MALFORMED, f"a vote of the unknown kind {kind}")


def _fields(vote: Vote) -> list[Value]:
    """Height, view, and what else the kind says, in signing order."""
    if isinstance(vote, ViewChange):
        return [vote.height, vote.view, vote.prepared_view, vote.prepared_digest]
    if isinstance(vote, NewView):
        return [vote.height, vote.view, vote.digest, vote.view_changes]
    if isinstance(vote, Checkpoint):
        return [vote.height, 0, vote.block_digest, vote.state_root, vote.receipts_root, vote.validators_digest]
    return [vote.height, vote.view, vote.digest]


@dataclass(frozen=True, slots=True)
class SignedVote:
    """A vote and its signature. On its own on the link it is a PREPARE, a COMMIT or a CHECKPOINT."""

    vote: Vote
    signer: int
    """Index in V(height)."""
    signature: bytes
    """64 bytes over ``votes.signing_payload``."""

    @property
    def height(self) -> int:
        """Height that the vote is about."""
        return self.vote.height

    def to_value(self) -> Value:
        """What ``from_value`` takes."""
        return [to_value(self.vote), self.signer, self.signature]

    @classmethod
    def from_value(cls, value: Value) -> "SignedVote":
        """Read a signed vote of any kind. :raises Invalid: MALFORMED."""
        vote_value, signer, signature = codec.fields(value, list, int, bytes)
        return cls(from_value(vote_value), _signer(signer), codec.sized(signature, SIGNATURE_BYTES))

def _signer(value: Value) -> int:
    signer = codec.natural(value)
    if signer >= VALIDATORS_MAX:
        raise Invalid(Reason.STRANGER, f"no network has a validator {signer}")
    return signer
