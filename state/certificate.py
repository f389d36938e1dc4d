"""Certificates: a quorum of signatures under one statement.

A prepared certificate is q PREPAREs, a commit certificate q COMMITs, of one height, view and digest; a checkpoint
certificate is q CHECKPOINTs. Who holds the validator set of the height can check one alone, trusting nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from state import codec, votes
from state.codec import Value
from state.errors import Invalid, Reason
from state.keys import SIGNATURE_BYTES, verify
from state.validators import VALIDATORS_MAX, ValidatorSet
from state.votes import Checkpoint, Commit, Prepare

CertifiedVote = Prepare | Commit | Checkpoint
Signatures = tuple[tuple[int, bytes], ...]
"""(index in the height's validator set, signature), ascending by index."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A statement and the signatures under it."""

    vote: CertifiedVote
    signatures: Signatures

    @classmethod
    def from_value(cls, value: Value) -> "Certificate":
        """Read a certificate; its signatures are not checked here. :raises Invalid: MALFORMED or TOO_LARGE."""
        vote_value, listed = codec.fields(value, list, list)
        vote = votes.from_value(vote_value)
        if not isinstance(vote, Prepare | Commit | Checkpoint):
            raise Invalid(Reason.MALFORMED, "no certificate is made of such votes")
        signatures = []
        for entry in codec.items(listed, VALIDATORS_MAX):
            index, signature = codec.fields(entry, int, bytes)
            signatures.append((codec.natural(index), codec.sized(signature, SIGNATURE_BYTES)))
        return cls(vote, tuple(signatures))

    def to_value(self) -> Value:
        """What ``from_value`` takes."""
        return [votes.to_value(self.vote), [list(entry) for entry in self.signatures]]

    def check(self, validators: ValidatorSet, chain_id: bytes) -> None:
        """Check every signature against the validator set of the vote's height.

        :raises Invalid: NO_QUORUM, MALFORMED (repeated or unordered signers), STRANGER or BAD_SIGNATURE.
        """
        check_signers(validators, self.signatures)
        payload = votes.signing_payload(self.vote, chain_id)
        for index, signature in self.signatures:
            if not verify(validators.validators[index].vote_key, payload, signature):
                raise Invalid(Reason.BAD_SIGNATURE, f"the signature of validator {index} does not match")


def check_signers(validators: ValidatorSet, signatures: Sequence[tuple[int, bytes]]) -> None:
    """Check that the signers are a quorum of distinct validators. :raises Invalid: as ``Certificate.check``."""
    signers = [index for index, _ in signatures]
    if sorted(set(signers)) != signers:
        raise Invalid(Reason.MALFORMED, "signers are distinct and in ascending order")
    if signers and signers[-1] >= len(validators):
        raise Invalid(Reason.STRANGER, f"there is no validator {signers[-1]}")
    if len(signers) < validators.quorum:
        raise Invalid(Reason.NO_QUORUM, f"{len(signers)} signers, a quorum is {validators.quorum}")
