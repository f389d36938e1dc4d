"""What travels on the votes link: seven messages, and their canonical bytes.

A message is a version byte, then the packed list [kind, …]. Whatever a validator signs travels with the index of
its signer in V(height); what justifies a vote (a block, a certificate, VIEW-CHANGEs) is attached unsigned, because
it proves itself. Decoding checks shape and sizes only: no signature, no quorum.
"""

from dataclasses import dataclass
from typing import TypeAlias

from state import codec, digest
from state.block import Block
from state.certificate import Certificate
from state.codec import Value
from state.errors import Invalid, Reason
from state.validators import VALIDATORS_MAX
from state.votes import Checkpoint, Commit, NewView, Prepare, Proposal, SignedVote, ViewChange

MESSAGE_VERSION = 1

MESSAGE_VALUES_MAX = 4_096
"""Most values in one message: a NEW-VIEW with the VIEW-CHANGEs of 100 validators and a certificate has 1,300."""


@dataclass(frozen=True, slots=True)
class PrePrepare:
    """PRE-PREPARE: the primary of view 0 proposes a block."""

    vote: Proposal
    signer: int
    signature: bytes
    block: Block

    @property
    def height(self) -> int:
        """Height of the block."""
        return self.vote.height


@dataclass(frozen=True, slots=True)
class ViewChangeMessage:
    """VIEW-CHANGE, with the highest prepared certificate on the signer's record and the block that it prepared."""

    vote: ViewChange
    signer: int
    signature: bytes
    prepared: Certificate | None
    block: Block | None
    """So that a new primary can propose again what it has never seen."""

    @property
    def height(self) -> int:
        """Height that the vote is about."""
        return self.vote.height


@dataclass(frozen=True, slots=True)
class NewViewMessage:
    """NEW-VIEW: the primary of a view above 0 opens it, proves its choice of a block, and proposes that block."""

    vote: NewView
    signer: int
    signature: bytes
    view_changes: tuple[SignedVote, ...]
    """q VIEW-CHANGEs for the view, ascending by signer."""
    prepared: Certificate | None
    """The highest certificate that they name; None when they name none, and then the block is fresh."""
    block: Block

    @property
    def height(self) -> int:
        """Height of the block."""
        return self.vote.height


@dataclass(frozen=True, slots=True)
class DecidedMessage:
    """Answer to whoever is behind: a decided block, its commit certificate, and how far the sender is."""

    block: Block
    certificate: Certificate
    sender_height: int
    """The height that the sender is agreeing on; every height below is decided there."""

    @property
    def height(self) -> int:
        """Height of the block."""
        return self.block.height


@dataclass(frozen=True, slots=True)
class CertifiedMessage:
    """Answer to whoever lacks it: a checkpoint certificate."""

    certificate: Certificate

    @property
    def height(self) -> int:
        """Height of the checkpoint."""
        return self.certificate.vote.height


@dataclass(frozen=True, slots=True)
class Inquiry:
    """The sender is agreeing on ``height`` and holds a checkpoint certificate of ``certified_height``.

    Unsigned: it only asks for what is proven elsewhere. Sent on connecting, and by whoever waits with nothing of
    its own to send again.
    """

    height: int
    certified_height: int
    """Height of its newest checkpoint certificate, 0 without one."""


Message: TypeAlias = (
    PrePrepare | SignedVote | ViewChangeMessage | NewViewMessage | DecidedMessage | CertifiedMessage | Inquiry
)

SignedMessage: TypeAlias = PrePrepare | SignedVote | ViewChangeMessage | NewViewMessage
"""The messages that one validator answers for."""

_KINDS: dict[type, int] = {
    PrePrepare: 0,
    SignedVote: 1,
    ViewChangeMessage: 2,
    NewViewMessage: 3,
    DecidedMessage: 4,
    CertifiedMessage: 5,
    Inquiry: 6,
}


def signed_vote_of(message: SignedMessage) -> SignedVote:
    """The bare vote of a message, without what is attached."""
    if isinstance(message, SignedVote):
        return message
    return SignedVote(message.vote, message.signer, message.signature)


def digest_of_view_changes(view_changes: tuple[SignedVote, ...]) -> bytes:
    """What NEW-VIEW signs about the VIEW-CHANGEs that it carries."""
    return digest.view_changes_digest(codec.pack([item.to_value() for item in view_changes]))


def encode(message: Message) -> bytes:
    """The canonical bytes of a message."""
    return codec.encode(MESSAGE_VERSION, [_KINDS[type(message)], *_fields(message)])


def decode(data: bytes) -> Message:
    """Read a message.

    :raises Invalid: BAD_VERSION, TOO_LARGE, MALFORMED, or BAD_BLOCK for a block that is not what it names.
    """
    value = codec.decode(data, MESSAGE_VERSION, values_max=MESSAGE_VALUES_MAX)
    if type(value) is not list or not value or type(value[0]) is not int:
        raise Invalid(Reason.MALFORMED, "a message starts with its kind")
    kind, rest = value[0], value[1:]
    if kind == 0:
        signed_value, block_value = codec.fields(rest, list, list)
        return _pre_prepare(SignedVote.from_value(signed_value), Block.from_value(block_value))
    if kind == 1:
        (signed_value,) = codec.fields(rest, list)
        signed = SignedVote.from_value(signed_value)
        if not isinstance(signed.vote, Prepare | Commit | Checkpoint):
            raise Invalid(Reason.MALFORMED, "such a vote does not travel bare")
        return signed
    if kind == 2:
        return _view_change(rest)
    if kind == 3:
        return _new_view(rest)
    if kind == 4:
        block_value, certificate_value, sender_height = codec.fields(rest, list, list, int)
        return DecidedMessage(
            Block.from_value(block_value), Certificate.from_value(certificate_value), codec.natural(sender_height)
        )
    if kind == 5:
        (certificate_value,) = codec.fields(rest, list)
        return CertifiedMessage(Certificate.from_value(certificate_value))
    if kind == 6:
        height, certified_height = codec.fields(rest, int, int)
        return Inquiry(codec.natural(height), codec.natural(certified_height))
    raise Invalid(Reason.MALFORMED, f"a message of the unknown kind {kind}")


def _fields(message: Message) -> list[Value]:
    if isinstance(message, SignedVote):
        return [message.to_value()]
    if isinstance(message, DecidedMessage):
        return [message.block.to_value(), message.certificate.to_value(), message.sender_height]
    if isinstance(message, CertifiedMessage):
        return [message.certificate.to_value()]
    if isinstance(message, Inquiry):
        return [message.height, message.certified_height]
    signed = signed_vote_of(message).to_value()
    if isinstance(message, PrePrepare):
        return [signed, message.block.to_value()]
    prepared = None if message.prepared is None else message.prepared.to_value()
    if isinstance(message, ViewChangeMessage):
        return [signed, prepared, None if message.block is None else message.block.to_value()]
    return [signed, [item.to_value() for item in message.view_changes], prepared, message.block.to_value()]


def _pre_prepare(signed: SignedVote, block: Block) -> PrePrepare:
    vote = signed.vote
    if not isinstance(vote, Proposal):
        raise Invalid(Reason.MALFORMED, "a PRE-PREPARE carries a proposal")
    _name_block(vote, block)
    return PrePrepare(vote, signed.signer, signed.signature, block)


def _view_change(rest: Value) -> ViewChangeMessage:
    signed_value, *optional = codec.fields(rest, list, (list, type(None)), (list, type(None)))
    signed = SignedVote.from_value(signed_value)
    vote = signed.vote
    if not isinstance(vote, ViewChange):
        raise Invalid(Reason.MALFORMED, "a VIEW-CHANGE is expected")
    prepared = None if optional[0] is None else Certificate.from_value(optional[0])
    block = None if optional[1] is None else Block.from_value(optional[1])
    if (vote.prepared_digest is None) != (prepared is None) or (prepared is None) != (block is None):
        raise Invalid(Reason.MALFORMED, "a prepared view comes with its certificate and its block")
    if block is not None and (block.digest != vote.prepared_digest or block.height != vote.height):
        raise Invalid(Reason.MALFORMED, "the block is not the one that the vote names")
    return ViewChangeMessage(vote, signed.signer, signed.signature, prepared, block)


def _new_view(rest: Value) -> NewViewMessage:
    signed_value, listed, prepared_value, block_value = codec.fields(rest, list, list, (list, type(None)), list)
    signed = SignedVote.from_value(signed_value)
    vote = signed.vote
    if not isinstance(vote, NewView):
        raise Invalid(Reason.MALFORMED, "a NEW-VIEW is expected")
    view_changes = tuple(SignedVote.from_value(item) for item in codec.items(listed, VALIDATORS_MAX))
    prepared = None if prepared_value is None else Certificate.from_value(prepared_value)
    block = Block.from_value(block_value)
    _name_block(vote, block)
    return NewViewMessage(vote, signed.signer, signed.signature, view_changes, prepared, block)


def _name_block(vote: Proposal | NewView, block: Block) -> None:
    if block.digest != vote.digest or block.height != vote.height:
        raise Invalid(Reason.MALFORMED, "the block is not the one that the vote names")

