"""The newest vote held of each member: what its amnesia guard (rule 3) asks for after it was away."""

from collections.abc import Mapping

from state.certificate import Certificate
from state.validators import ValidatorSet
from state.votes import Checkpoint, Commit, SignedVote


class NewestVotes:
    """One vote for each member. Its owner checks the signature: a vote may have been kept unchecked."""

    def __init__(self) -> None:
        self._votes: dict[str, SignedVote] = {}

    @property
    def votes(self) -> Mapping[str, SignedVote]:
        """By member id."""
        return self._votes

    def note(self, member: str, signed: SignedVote) -> None:
        """Keep the vote, unless a newer one is known."""
        known = self._votes.get(member)
        if known is None or _age(signed) >= _age(known):
            self._votes[member] = signed

    def note_signers(self, certificate: Certificate, validators: ValidatorSet) -> None:
        """Keep the votes that a certificate of V(its height) is made of."""
        for signer, signature in certificate.signatures:
            self.note(validators.validators[signer].member, SignedVote(certificate.vote, signer, signature))

    def keep_members(self, validators: ValidatorSet) -> None:
        """Forget who is no validator any more."""
        members = {validator.member for validator in validators.validators}
        self._votes = {member: vote for member, vote in self._votes.items() if member in members}


def _age(signed: SignedVote) -> tuple[int, int, bool]:
    """Later votes are newer; at one height and view a COMMIT is the last."""
    vote = signed.vote
    assert not isinstance(vote, Checkpoint)
    return vote.height, vote.view, isinstance(vote, Commit)
