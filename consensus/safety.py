"""Safety (rule 3): what one vote key may sign, given what it has signed. Pure; the signer checks, persists, signs.

A ``SignRequest`` is a vote with everything that has to be on disk beside it. A ``Record`` is what the key has
signed: at its newest height the votes of the newest view, the highest prepared certificate there, and, apart from
these, one CHECKPOINT value for each recent height. ``decide`` answers a request with Repeat (the stored signature),
Allow or Refuse; ``recorded`` gives the record after an allowed one. Older views need no memory, because nothing is
ever signed below the newest view of the newest height.

Signatures inside certificates are not checked again here: the core has checked each before it asks.
"""

from dataclasses import dataclass
from typing import TypeAlias

from consensus.messages import NewViewMessage, PrePrepare, SignedMessage, ViewChangeMessage, digest_of_view_changes
from state import codec, votes
from state.block import Block
from state.certificate import Certificate, check_signers
from state.codec import Value
from state.errors import Invalid
from state.keys import SIGNATURE_BYTES
from state.validators import VALIDATORS_MAX, ValidatorSet
from state.votes import Checkpoint, Commit, NewView, Prepare, Proposal, SignedVote, ViewChange, Vote

REQUEST_VERSION = 1
RECORD_VERSION = 1

VOTES_MAX = 4
"""Votes of one view: PRE-PREPARE or NEW-VIEW, PREPARE, COMMIT, VIEW-CHANGE."""

CHECKPOINTS_KEPT = 64
"""CHECKPOINTs that a record remembers. Below them nothing is signed, so one value a height holds for ever."""


@dataclass(frozen=True, slots=True)
class SignRequest:
    """A vote to be signed, and what is journalled in the same write."""

    vote: Vote
    block: Block | None = None
    """PRE-PREPARE, NEW-VIEW, PREPARE: the block (the driver adds its bodies; once per digest is enough). COMMIT and
    VIEW-CHANGE: the prepared block. CHECKPOINT: None."""
    prepared: Certificate | None = None
    """COMMIT: the prepared certificate of the same view. VIEW-CHANGE and NEW-VIEW: the highest one, None without."""
    view_changes: tuple[SignedVote, ...] = ()
    """NEW-VIEW: the q VIEW-CHANGEs that justify it."""

    def encode(self) -> bytes:
        """Canonical bytes, for the journal."""
        return codec.encode(
            REQUEST_VERSION,
            [
                votes.to_value(self.vote),
                None if self.block is None else self.block.to_value(),
                None if self.prepared is None else self.prepared.to_value(),
                [item.to_value() for item in self.view_changes],
            ],
        )

    @classmethod
    def decode(cls, data: bytes) -> "SignRequest":
        """What ``encode`` gave. :raises Invalid: BAD_VERSION, TOO_LARGE, MALFORMED or BAD_BLOCK."""
        optional = (list, type(None))
        vote, block, prepared, listed = codec.fields(
            codec.decode(data, REQUEST_VERSION), list, optional, optional, list
        )
        return cls(
            votes.from_value(vote),
            None if block is None else Block.from_value(block),
            None if prepared is None else Certificate.from_value(prepared),
            tuple(SignedVote.from_value(item) for item in codec.items(listed, VALIDATORS_MAX)),
        )


@dataclass(frozen=True, slots=True)
class StoredVote:
    """A vote of our own, and the signature that was given for it."""

    vote: Vote
    signature: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """What one key has signed. A key that has signed nothing has ``NOTHING_SIGNED``; a lost record is not that."""

    height: int = 0
    """Newest height at which anything but a CHECKPOINT was signed."""
    view: int = 0
    """Newest view signed in at that height."""
    votes: tuple[StoredVote, ...] = ()
    """At most one of each kind, all of (height, view)."""
    prepared: Certificate | None = None
    """Highest prepared certificate on record at that height."""
    checkpoints: tuple[StoredVote, ...] = ()
    """The newest CHECKPOINTS_KEPT, ascending by height."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode(
            RECORD_VERSION,
            [
                self.height,
                self.view,
                [[votes.to_value(item.vote), item.signature] for item in self.votes],
                None if self.prepared is None else self.prepared.to_value(),
                [[votes.to_value(item.vote), item.signature] for item in self.checkpoints],
            ],
        )

    @classmethod
    def decode(cls, data: bytes) -> "Record":
        """What ``encode`` gave. :raises Invalid: BAD_VERSION, TOO_LARGE or MALFORMED."""
        value = codec.decode(data, RECORD_VERSION)
        height, view, listed, prepared, checkpoints = codec.fields(value, int, int, list, (list, type(None)), list)
        return cls(
            codec.natural(height),
            codec.natural(view),
            tuple(_stored(item) for item in codec.items(listed, VOTES_MAX)),
            None if prepared is None else Certificate.from_value(prepared),
            tuple(_stored(item) for item in codec.items(checkpoints, CHECKPOINTS_KEPT)),
        )

    def is_below(self, vote: Vote) -> bool:
        """Whether ``vote``, genuinely signed by this key, is not covered by this record: the record is an old one."""
        if isinstance(vote, Checkpoint):
            newest = self.checkpoints[-1].vote.height if self.checkpoints else 0
            return vote.height > newest
        if (vote.height, vote.view) != (self.height, self.view):
            return (vote.height, vote.view) > (self.height, self.view)
        return all(item.vote != vote for item in self.votes)


NOTHING_SIGNED = Record()


@dataclass(frozen=True, slots=True)
class Repeat:
    """Signed before: here is that signature."""

    signature: bytes


@dataclass(frozen=True, slots=True)
class Allow:
    """Persist ``recorded(record, request, signature)``, then let the signature go."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Must not be signed."""

    reason: str


Answer: TypeAlias = Repeat | Allow | Refuse


def decide(record: Record, request: SignRequest, validators: ValidatorSet) -> Answer:
    """Whether the key with this record may sign.

    :param validators: V(height of the vote).
    """
    fault = fault_of_attachments(request, validators)
    if fault is not None:
        return Refuse(fault)
    vote = request.vote
    if isinstance(vote, Checkpoint):
        return _decide_checkpoint(record, vote)
    if vote.height < record.height:
        return Refuse("a later height has been signed")
    if vote.height > record.height:
        return Allow()
    if vote.view < record.view:
        return Refuse("a later view has been signed")
    if vote.view == record.view:
        for item in record.votes:
            if item.vote == vote:
                return Repeat(item.signature)
            if type(item.vote) is type(vote):
                return Refuse("another value has been signed for this slot")
        if isinstance(vote, ViewChange):
            return Refuse("a VIEW-CHANGE only goes upwards")
    if isinstance(vote, ViewChange) and not _carries(vote, record.prepared):
        return Refuse("a VIEW-CHANGE carries the highest certificate on record")
    return Allow()


def recorded(record: Record, request: SignRequest, signature: bytes) -> Record:
    """The record after an allowed request."""
    vote, stored = request.vote, StoredVote(request.vote, signature)
    if isinstance(vote, Checkpoint):
        checkpoints = (*record.checkpoints, stored)[-CHECKPOINTS_KEPT:]
        return Record(record.height, record.view, record.votes, record.prepared, checkpoints)
    prepared = record.prepared if record.height == vote.height else None
    if isinstance(vote, Commit | ViewChange) and request.prepared is not None:
        prepared = higher(prepared, request.prepared)
    same = (record.height, record.view) == (vote.height, vote.view)
    return Record(vote.height, vote.view, (*record.votes, stored) if same else (stored,), prepared, record.checkpoints)


def message_of(request: SignRequest, signer: int, signature: bytes) -> SignedMessage:
    """What leaves once the request is signed."""
    vote, block = request.vote, request.block
    if isinstance(vote, ViewChange):
        return ViewChangeMessage(vote, signer, signature, request.prepared, block)
    if isinstance(vote, Proposal | NewView):
        assert block is not None
        if isinstance(vote, Proposal):
            return PrePrepare(vote, signer, signature, block)
        return NewViewMessage(vote, signer, signature, request.view_changes, request.prepared, block)
    return SignedVote(vote, signer, signature)


def higher(one: Certificate | None, other: Certificate | None) -> Certificate | None:
    """The prepared certificate of the higher view; the first if they are equal."""
    if one is None or other is None:
        return one or other
    return other if view_of(other) > view_of(one) else one


def view_of(certificate: Certificate) -> int:
    """View of a prepared or commit certificate."""
    vote = certificate.vote
    assert isinstance(vote, Prepare | Commit)
    return vote.view


def fault_of_attachments(request: SignRequest, validators: ValidatorSet) -> str | None:
    """What is missing beside the vote, or contradicts it; None when all is there."""
    vote, block = request.vote, request.block
    if isinstance(vote, Checkpoint):
        return None
    if isinstance(vote, Proposal | NewView) and (vote.view == 0) != isinstance(vote, Proposal):
        return "view 0 opens by PRE-PREPARE, any other by NEW-VIEW"
    named = vote.prepared_digest if isinstance(vote, ViewChange) else vote.digest
    if (None if block is None else block.digest) != named or (block is not None and block.height != vote.height):
        return "the block is not the one that the vote names"
    prepared = request.prepared
    if isinstance(vote, Proposal | Prepare):
        return None
    if isinstance(vote, Commit):
        expected: Vote | None = Prepare(vote.height, vote.view, vote.digest)
    elif isinstance(vote, ViewChange):
        if vote.view == 0 or (vote.prepared_view is not None and vote.prepared_view >= vote.view):
            return "a VIEW-CHANGE asks for a view above 0 and above what is prepared"
        expected = _prepared_vote(vote)
    else:
        fault = _fault_of_new_view(vote, request)
        if fault is not None:
            return fault
        expected = None if prepared is None else Prepare(vote.height, view_of(prepared), vote.digest)
    if (None if prepared is None else prepared.vote) != expected:
        return "the prepared certificate is not the one that the vote needs"
    if prepared is not None:
        try:
            check_signers(validators, prepared.signatures)
        except Invalid as error:
            return f"the prepared certificate: {error.detail}"
    return None


def _fault_of_new_view(vote: NewView, request: SignRequest) -> str | None:
    if digest_of_view_changes(request.view_changes) != vote.view_changes:
        return "the VIEW-CHANGEs are not those that the vote names"
    highest = -1
    for item in request.view_changes:
        change = item.vote
        if not isinstance(change, ViewChange) or (change.height, change.view) != (vote.height, vote.view):
            return "a VIEW-CHANGE is of another height or view"
        highest = max(highest, -1 if change.prepared_view is None else change.prepared_view)
    if highest != (-1 if request.prepared is None else view_of(request.prepared)):
        return "the prepared certificate is not the highest"
    return None


def _decide_checkpoint(record: Record, vote: Checkpoint) -> Answer:
    for item in record.checkpoints:
        if item.vote.height == vote.height:
            if item.vote == vote:
                return Repeat(item.signature)
            return Refuse("another CHECKPOINT has been signed for this height")
    if record.checkpoints and vote.height < record.checkpoints[-1].vote.height:
        return Refuse("CHECKPOINTs are signed in order")
    return Allow()


def _prepared_vote(vote: ViewChange) -> Prepare | None:
    if vote.prepared_view is None or vote.prepared_digest is None:
        return None
    return Prepare(vote.height, vote.prepared_view, vote.prepared_digest)


def _carries(vote: ViewChange, prepared: Certificate | None) -> bool:
    if prepared is None:
        return True
    if vote.prepared_view is None or vote.prepared_view < view_of(prepared):
        return False
    return vote.prepared_view > view_of(prepared) or _prepared_vote(vote) == prepared.vote


def _stored(value: Value) -> StoredVote:
    vote, signature = codec.fields(value, list, bytes)
    return StoredVote(votes.from_value(vote), codec.sized(signature, SIGNATURE_BYTES))
