"""Evidence: two statements that no correct validator signs together. It convinces anyone who holds V(height).

Either two different payloads for one slot (kind, height, view), or a COMMIT in some view beside a VIEW-CHANGE to a
higher one that hides the certificate which that COMMIT had to record.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from state import codec
from state.errors import Invalid, Reason
from state.keys import PUBLIC_KEY_BYTES
from state.validators import ValidatorSet
from state.votes import Checkpoint, Commit, SignedVote, ViewChange, Vote, signing_payload

EVIDENCE_VERSION = 1
EVIDENCE_BYTES_MAX = 2_048
"""Two signed votes and a key take under 600 bytes."""

Verify: TypeAlias = Callable[[bytes, bytes, bytes], bool]
"""(public key, payload, signature) → whether it is genuine: ``state.keys.verify``, or one that remembers."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two contradictory votes of one validator, in a fixed order (a COMMIT first, else by their bytes)."""

    vote_key: bytes
    """Who signed both; the validator set of the height says which bank that is."""
    first: SignedVote
    second: SignedVote

    @property
    def height(self) -> int:
        """Height that both votes are about."""
        return self.first.height

    def check(self, validators: ValidatorSet, chain_id: bytes, verify: Verify) -> str:
        """The guilty member's id.

        :param validators: V(height).
        :raises Invalid: BAD_PROOF, STRANGER or BAD_SIGNATURE.
        """
        index = validators.index_of(self.vote_key)
        if index is None:
            raise Invalid(Reason.STRANGER, "the key is not one of a validator of that height")
        if {self.first.signer, self.second.signer} != {index}:
            raise Invalid(Reason.BAD_PROOF, "both votes are of the validator that is named")
        self.check_votes(chain_id, verify)
        return validators.validators[index].member

    def check_votes(self, chain_id: bytes, verify: Verify) -> None:
        """Whether the key has signed both votes, and no correct validator does. (Its index in a set is not signed.)

        :raises Invalid: BAD_PROOF or BAD_SIGNATURE.
        """
        if not contradict(self.first.vote, self.second.vote):
            raise Invalid(Reason.BAD_PROOF, "a correct validator may sign both votes")
        for signed in (self.first, self.second):
            if not verify(self.vote_key, signing_payload(signed.vote, chain_id), signed.signature):
                raise Invalid(Reason.BAD_SIGNATURE, "a vote's signature does not match")

    def encode(self) -> bytes:
        """Canonical bytes: the same pair of votes, seen in either order, gives the same bytes."""
        return codec.encode(EVIDENCE_VERSION, [self.vote_key, self.first.to_value(), self.second.to_value()])

    @classmethod
    def decode(cls, data: bytes) -> "Evidence":
        """What ``encode`` gave; nothing is checked yet. :raises Invalid: BAD_VERSION, TOO_LARGE or MALFORMED."""
        value = codec.decode(data, EVIDENCE_VERSION, EVIDENCE_BYTES_MAX)
        vote_key, first, second = codec.fields(value, bytes, list, list)
        evidence = cls(
            codec.sized(vote_key, PUBLIC_KEY_BYTES), SignedVote.from_value(first), SignedVote.from_value(second)
        )
        if evidence != evidence_of(evidence.vote_key, evidence.first, evidence.second):
            raise Invalid(Reason.MALFORMED, "the votes stand in the wrong order")
        return evidence


def evidence_of(vote_key: bytes, one: SignedVote, other: SignedVote) -> Evidence:
    """Evidence made of two votes of one signer, in the fixed order."""
    first, second = sorted((one, other), key=_order)
    return Evidence(vote_key, first, second)


def contradict(one: Vote, other: Vote) -> bool:
    """Whether no correct validator signs both votes."""
    if one.height != other.height:
        return False
    if type(one) is type(other):
        return one != other and _view(one) == _view(other)
    if isinstance(one, ViewChange) and isinstance(other, Commit):
        one, other = other, one
    if isinstance(one, Commit) and isinstance(other, ViewChange):
        return other.view > one.view and (other.prepared_view is None or other.prepared_view < one.view)
    return False


def _order(signed: SignedVote) -> tuple[bool, bytes]:
    return not isinstance(signed.vote, Commit), codec.pack(signed.to_value())


def _view(vote: Vote) -> int:
    return 0 if isinstance(vote, Checkpoint) else vote.view
