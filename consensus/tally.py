"""The votes of one height: one slot for each (kind, signer, view), counted only once their signature is checked.

A vote that is not needed (there is a quorum already) is kept unchecked: if it is contradicted later, both are
checked then, and a real contradiction is evidence.
"""

from dataclasses import dataclass

from state.certificate import Certificate, CertifiedVote, check_signers
from state.errors import Invalid, Reason
from state.evidence import Evidence, Verify, evidence_of
from state.validators import ValidatorSet
from state.votes import Checkpoint, NewView, Prepare, Proposal, SignedVote, ViewChange, signing_payload

VIEWS_KEPT = 4
"""Views that are remembered for each signer and kind; the lowest gives way, so far views only cost their signer."""


@dataclass(slots=True)
class _Slot:
    signed: SignedVote
    verified: bool


class Tally:
    """What one height's validators have signed, as far as it is known here."""

    def __init__(self, validators: ValidatorSet, chain_id: bytes, verify: Verify) -> None:
        self._validators = validators
        self._count = len(validators)
        self._quorum = validators.quorum
        self._chain_id = chain_id
        self._verify = verify
        self._slots: dict[tuple[type, int], dict[int, _Slot]] = {}
        self._counted: dict[CertifiedVote, dict[int, bytes]] = {}

    def check_signature(self, signed: SignedVote) -> None:
        """:raises Invalid: STRANGER or BAD_SIGNATURE."""
        if signed.signer >= self._count:
            raise Invalid(Reason.STRANGER, f"there is no validator {signed.signer}")
        key = self._validators.validators[signed.signer].vote_key
        if not self._verify(key, signing_payload(signed.vote, self._chain_id), signed.signature):
            raise Invalid(Reason.BAD_SIGNATURE, f"the signature of validator {signed.signer} does not match")

    def holds(self, signed: SignedVote) -> bool:
        """Whether exactly this vote, checked, is in its slot already."""
        slot = self._slots.get((type(signed.vote), signed.signer), {}).get(_view(signed))
        return slot is not None and slot.verified and slot.signed == signed

    def add(self, signed: SignedVote, needed: bool = True, checked: bool = False) -> Evidence | None:
        """Take a vote in; evidence when it contradicts the one in its slot.

        :param needed: whether it is worth a signature check now.
        :param checked: its signature has been checked, or is our own.
        :raises Invalid: STRANGER or BAD_SIGNATURE.
        """
        if signed.signer >= self._count:
            raise Invalid(Reason.STRANGER, f"there is no validator {signed.signer}")
        views = self._slots.setdefault((type(signed.vote), signed.signer), {})
        slot = views.get(_view(signed))
        if slot is None:
            if needed and not checked:
                self.check_signature(signed)
            self._put(views, signed, verified=needed or checked)
            return None
        if slot.signed == signed:
            if (needed or checked) and not slot.verified:
                if not checked:
                    self.check_signature(signed)
                self._put(views, signed, verified=True)
            return None
        if not checked:
            self.check_signature(signed)
        if not slot.verified:
            try:
                self.check_signature(slot.signed)
            except Invalid:
                self._put(views, signed, verified=True)
                return None
            self._put(views, slot.signed, verified=True)
        if slot.signed.vote == signed.vote:
            return None
        return evidence_of(self._validators.validators[signed.signer].vote_key, slot.signed, signed)

    def of(self, kind: type, signer: int) -> list[SignedVote]:
        """The votes of that kind that the signer is known to have signed, by ascending view."""
        views = self._slots.get((kind, signer), {})
        return [views[view].signed for view in sorted(views) if views[view].verified]

    def signers(self, vote: CertifiedVote) -> list[int]:
        """Who has signed exactly this, ascending."""
        return sorted(self._counted.get(vote, {}))

    def signatures(self, vote: CertifiedVote) -> dict[int, bytes]:
        """The checked signatures under exactly this, by signer."""
        return dict(self._counted.get(vote, {}))

    def contradicting(self, vote: Prepare) -> list[int]:
        """Who has signed PREPARE for another block in the same view, ascending."""
        others = [
            signers
            for other, signers in self._counted.items()
            if isinstance(other, Prepare) and other.view == vote.view and other.digest != vote.digest
        ]
        return sorted({signer for signers in others for signer in signers})

    def has_quorum(self, vote: CertifiedVote) -> bool:
        """Whether q validators have signed exactly this."""
        return len(self._counted.get(vote, ())) >= self._quorum

    def quorums(self, kind: type) -> list[CertifiedVote]:
        """The votes of that kind that have a quorum."""
        return [vote for vote, by in self._counted.items() if len(by) >= self._quorum and type(vote) is kind]

    def certificate(self, vote: CertifiedVote) -> Certificate | None:
        """A certificate of exactly q signatures, None while there are fewer."""
        counted = self._counted.get(vote, {})
        if len(counted) < self._quorum:
            return None
        signers = sorted(counted)[: self._quorum]
        return Certificate(vote, tuple((signer, counted[signer]) for signer in signers))

    def check_certificate(self, certificate: Certificate) -> None:
        """Check a certificate; signatures that are counted here already cost nothing.

        :raises Invalid: as ``Certificate.check``.
        """
        check_certificate(
            certificate, self._validators, self._chain_id, self._verify, self._counted.get(certificate.vote, {})
        )

    def _put(self, views: dict[int, _Slot], signed: SignedVote, verified: bool) -> None:
        view = _view(signed)
        if view in views:
            self._forget(views.pop(view).signed)
        views[view] = _Slot(signed, verified)
        vote = signed.vote
        if verified and not isinstance(vote, Proposal | ViewChange | NewView):
            self._counted.setdefault(vote, {})[signed.signer] = signed.signature
        if len(views) > VIEWS_KEPT:
            self._forget(views.pop(min(views)).signed)

    def _forget(self, signed: SignedVote) -> None:
        vote = signed.vote
        if not isinstance(vote, Proposal | ViewChange | NewView) and vote in self._counted:
            self._counted[vote].pop(signed.signer, None)
            if not self._counted[vote]:
                del self._counted[vote]


def check_certificate(
    certificate: Certificate,
    validators: ValidatorSet,
    chain_id: bytes,
    verify: Verify,
    known: dict[int, bytes],
) -> None:
    """Check a certificate against V(its height).

    :param known: signatures under the same vote that are checked already, by signer.
    :raises Invalid: as ``Certificate.check``.
    """
    check_signers(validators, certificate.signatures)
    payload = signing_payload(certificate.vote, chain_id)
    for signer, signature in certificate.signatures:
        if known.get(signer) != signature and not verify(validators.validators[signer].vote_key, payload, signature):
            raise Invalid(Reason.BAD_SIGNATURE, f"the signature of validator {signer} does not match")


def _view(signed: SignedVote) -> int:
    return 0 if isinstance(signed.vote, Checkpoint) else signed.vote.view
