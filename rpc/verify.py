"""Checking a node's answers without trusting it: from the genesis document's validators and the answer alone.

An answer of state_proof or receipt_proof holds the value, its proof and the checkpoint certificate. Each function
here checks the certificate's signatures against the validators the caller knows, the proof against the certified
root, and every field that the answer repeats against what was proven; then it returns only what is proven. Any
change of a value, a proof byte or a signature, or fewer than a quorum of signers, is refused.

What is not proven: that the height is the latest. Compare it with other nodes, or with the clock.

    genesis = genesis.document.load(text)
    followed = Succession(genesis.chain_id, genesis.parameters.execution_lag, genesis.validators())
    followed = extend(followed, answer_of_net_succession)
    balance = verify_balance_answer(genesis.chain_id, followed, answer, address, asset)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import msgspec

from contracts.kernel.layout import balance_key
from rpc import render
from rpc.answers import EventProof, ReceiptProofAnswer, StateProofAnswer, ValidatorChanges
from rpc.certificates import CheckpointAnswer, certificate_of
from rpc.text import bytes_of, digest_of
from state import codec, merkle
from state.errors import Invalid, Reason
from state.proof import StateProof, verify_proof
from state.receipt import RECEIPT_VERSION, Event, Receipt
from state.succession import Change, Succession
from state.validators import ValidatorSet
from state.votes import Checkpoint

AnswerJson: TypeAlias = str | bytes | Mapping[str, Any]
"""The ``result`` member of a response: as text, or as a JSON reader gives it."""

Validators: TypeAlias = ValidatorSet | Succession
"""V(height) of an answer's height, or the succession that has it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProvenState:
    """A quorum vouches: right after ``height`` the key had this value, or with None none."""

    height: int
    block_digest: bytes
    state_root: bytes
    key: bytes
    value: bytes | None


@dataclass(frozen=True, slots=True)
class ProvenBalance:
    """A quorum vouches: right after ``height`` the account owned that much, in minor units."""

    height: int
    address: str
    asset: str
    available: int
    held: int


@dataclass(frozen=True, slots=True)
class ProvenReceipt:
    """A quorum vouches: in the block of ``height`` the transaction ended like this."""

    height: int
    block_digest: bytes
    receipt: Receipt
    event: Event | None
    """The event whose own proof was asked for."""


def extend(followed: Succession, answer: AnswerJson | ValidatorChanges) -> Succession:
    """Follow the validators by an answer of net_succession.

    :raises Invalid: MALFORMED, or as ``Succession.extended``.
    """
    shown = answer if isinstance(answer, ValidatorChanges) else _decode(answer, ValidatorChanges)
    return followed.extended([Change.decode(bytes_of(change.encoded)) for change in shown.changes])


def verify_state_answer(
    chain_id: bytes, validators: Validators, answer: AnswerJson, key: bytes | None = None
) -> ProvenState:
    """Check an answer of state_proof.

    :param validators: V(height) of the answer's height, or the succession that has it.
    :param key: the key that was asked for; compare ``ProvenState.key`` yourself where it is None.
    :raises Invalid: MALFORMED, NO_QUORUM, STRANGER, BAD_SIGNATURE or BAD_PROOF.
    """
    shown = _decode(answer, StateProofAnswer)
    vote = _checked(chain_id, validators, shown.certificate, shown.height)
    found, value = bytes_of(shown.key), None if shown.value is None else bytes_of(shown.value)
    if key is not None and found != key:
        raise Invalid(Reason.BAD_PROOF, "the answer is about another key than was asked for")
    proof = StateProof(tuple(map(bytes_of, shown.proof.levels)), bytes_of(shown.proof.bucket))
    verify_proof(vote.state_root, found, value, proof)
    return ProvenState(vote.height, vote.block_digest, vote.state_root, found, value)


def verify_balance_answer(
    chain_id: bytes, validators: Validators, answer: AnswerJson, address: str, asset: str
) -> ProvenBalance:
    """Check an answer of state_proof for an account and an asset; a balance that is absent is zero.

    :raises Invalid: as ``verify_state_answer``.
    """
    proven = verify_state_answer(chain_id, validators, answer, balance_key(address, asset))
    if proven.value is None:
        return ProvenBalance(proven.height, address, asset, 0, 0)
    available, held = codec.fields(codec.unpack(proven.value), int, int)
    return ProvenBalance(proven.height, address, asset, codec.natural(available), codec.natural(held))


def verify_receipt_answer(
    chain_id: bytes, validators: Validators, answer: AnswerJson, transaction_id: bytes | None = None
) -> ProvenReceipt:
    """Check an answer of receipt_proof, and of the event in it if there is one.

    :param validators: V(height) of the answer's height, or the succession that has it.
    :param transaction_id: the id that was asked for; compare the receipt's yourself where it is None.
    :raises Invalid: MALFORMED, NO_QUORUM, STRANGER, BAD_SIGNATURE or BAD_PROOF.
    """
    shown = _decode(answer, ReceiptProofAnswer)
    vote = _checked(chain_id, validators, shown.certificate, shown.height)
    leaf = bytes_of(shown.receipt.encoded)
    merkle.verify_inclusion(vote.receipts_root, leaf, shown.index, shown.count, tuple(map(digest_of, shown.proof)))
    events = [codec.decode(bytes_of(entry.encoded), RECEIPT_VERSION) for entry in shown.receipt.events]
    receipt = Receipt.from_value([leaf, events])
    # The readable fields repeat what is in the leaf: nobody may be shown other ones.
    if render.receipt(receipt) != shown.receipt:
        raise Invalid(Reason.BAD_PROOF, "the readable receipt is not the one that is proven")
    if transaction_id is not None and receipt.transaction_id != transaction_id:
        raise Invalid(Reason.BAD_PROOF, "the receipt is of another transaction than was asked for")
    event = None if shown.event is None else _checked_event(receipt, shown.event)
    return ProvenReceipt(vote.height, vote.block_digest, receipt, event)


def verify_event(events_root: bytes, shown: EventProof) -> Event:
    """Check one event against the event root of a receipt that is proven. :raises Invalid: MALFORMED, BAD_PROOF."""
    leaf = bytes_of(shown.encoded)
    merkle.verify_inclusion(events_root, leaf, shown.index, shown.count, tuple(map(digest_of, shown.proof)))
    return Event.from_value(codec.decode(leaf, RECEIPT_VERSION))


def _checked_event(receipt: Receipt, shown: EventProof) -> Event:
    event = verify_event(merkle.root([event.encode() for event in receipt.events]), shown)
    if shown.count != len(receipt.events) or receipt.events[shown.index] != event:
        raise Invalid(Reason.BAD_PROOF, "the event does not stand there in the receipt")
    return event


def _checked(chain_id: bytes, validators: Validators, shown: CheckpointAnswer, height: str) -> Checkpoint:
    """The certified statement, once a quorum's signatures are right."""
    certificate = certificate_of(shown)
    vote = certificate.vote
    assert isinstance(vote, Checkpoint)
    certificate.check(validators.at(vote.height) if isinstance(validators, Succession) else validators, chain_id)
    if height != str(vote.height):
        raise Invalid(Reason.BAD_PROOF, "the answer names another height than its certificate")
    return vote


def _decode(answer: AnswerJson, kind: type[T]) -> T:
    try:
        if isinstance(answer, str | bytes):
            return msgspec.json.decode(answer, type=kind)
        return msgspec.convert(answer, kind)
    except msgspec.DecodeError as fault:
        raise Invalid(Reason.MALFORMED, f"not an answer of this method: {fault}") from None
