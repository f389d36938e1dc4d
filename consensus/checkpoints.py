"""Checkpoints (rule 9): what q validators got from executing a height, and whether this node got the same.

CHECKPOINTs of the last 2·L heights are collected, own ones are sent again until they are certified, certificates of
as many heights are kept for whoever lacks them. A certificate that contradicts the own result halts the node.
"""

from consensus.events import Halt
from consensus.forks import culprits
from consensus.messages import CertifiedMessage
from consensus.outbox import Outbox
from consensus.safety import SignRequest
from consensus.start import Identity
from consensus.tally import Tally
from state.certificate import Certificate
from state.errors import Invalid, Reason
from state.evidence import Verify
from state.validators import ValidatorSet
from state.votes import Checkpoint, SignedVote

WINDOWS_KEPT = 2
"""Heights that are collected and kept, in units of L: agreement is at most L ahead of the newest certificate."""


class Checkpoints:
    """CHECKPOINT votes and certificates of recent heights, and the validator sets that execution gave."""

    def __init__(self, chain_id: bytes, lag: int, verify: Verify, outbox: Outbox) -> None:
        self.lag = lag
        self.certified_height = 0
        """Height of the newest certificate; genesis needs none."""
        self.executed_height = 0
        self._chain_id = chain_id
        self._verify = verify
        self._outbox = outbox
        self._validators: dict[int, ValidatorSet] = {}
        self._own: dict[int, Checkpoint] = {}
        self._due: dict[int, Checkpoint] = {}
        """Own results that the signer has not been asked for."""
        self._signed: dict[int, SignedVote] = {}
        self._tallies: dict[int, Tally] = {}
        self._repeated: dict[int, set[int]] = {}
        self._accused: dict[int, set[int]] = {}
        self._certificates: dict[int, Certificate] = {}

    @property
    def floor(self) -> int:
        """Heights up to here are forgotten."""
        return max(self.certified_height, self.executed_height) - WINDOWS_KEPT * self.lag

    def validators_of(self, height: int) -> ValidatorSet | None:
        """V(height), None while it is not known here (or no more)."""
        return self._validators.get(height)

    def add_validators(self, height: int, validators: ValidatorSet) -> None:
        """V(height), from genesis or from execution."""
        self._validators[height] = validators

    def certificate_of(self, height: int) -> Certificate | None:
        """The checkpoint certificate of a recent height."""
        return self._certificates.get(height)

    def opens(self, height: int) -> bool:
        """Whether agreement may go on at ``height``: a checkpoint of height − L or later is certified."""
        return self.certified_height >= height - self.lag

    def executed(self, checkpoint: Checkpoint) -> None:
        """A height has been executed here, and this is the result."""
        assert checkpoint.height == self.executed_height + 1, "heights are executed in order"
        self.executed_height = checkpoint.height
        self._own[checkpoint.height] = checkpoint
        if checkpoint.height not in self._signed:
            self._due[checkpoint.height] = checkpoint
        self._compare(checkpoint.height)
        self._prune()

    def request_signatures(self, identity: Identity) -> None:
        """Ask, once, for own CHECKPOINTs of the heights at which this node validates."""
        if not self._due:
            return
        for height, own in sorted(self._due.items()):
            validators = self._validators.get(height)
            if validators is not None and identity.index_in(validators) is not None:
                self._outbox.signs.append(SignRequest(own))
        self._due.clear()

    def signed(self, signed: SignedVote) -> None:
        """An own CHECKPOINT has been signed; it counts."""
        vote = signed.vote
        assert isinstance(vote, Checkpoint)
        self._signed[vote.height] = signed
        self._due.pop(vote.height, None)
        validators = self._validators.get(vote.height)
        if validators is not None and vote.height not in self._certificates:
            self._tally(vote.height, validators).add(signed, checked=True)
            self._certify(vote)

    def receive(self, signed: SignedVote, peer: str | None) -> None:
        """A CHECKPOINT of another validator.

        :raises Invalid: STRANGER or BAD_SIGNATURE.
        """
        vote = signed.vote
        assert isinstance(vote, Checkpoint)
        validators = self._validators.get(vote.height)
        if validators is None or vote.height <= self.floor:
            return
        certificate = self._certificates.get(vote.height)
        tally = self._tally(vote.height, validators)
        if certificate is not None and certificate.vote == vote:
            self._answer_repeat(signed, certificate, peer)
            return
        evidence = tally.add(signed)
        if evidence is not None and signed.signer not in self._accused.setdefault(vote.height, set()):
            # One accusation is enough: a liar makes as many of them as it likes, and each is kept on disk.
            self._accused[vote.height].add(signed.signer)
            self._outbox.evidence.append(evidence)
        if certificate is None:
            self._certify(vote)

    def take_certificate(self, certificate: Certificate) -> None:
        """A checkpoint certificate from outside. It comes again if it is one that cannot be judged yet.

        :raises Invalid: as ``Certificate.check``.
        """
        vote = certificate.vote
        if not isinstance(vote, Checkpoint):
            raise Invalid(Reason.MALFORMED, "not a checkpoint certificate")
        held, validators = self._certificates.get(vote.height), self._validators.get(vote.height)
        if vote.height <= self.floor or validators is None or (held is not None and held.vote == vote):
            return
        self._tally(vote.height, validators).check_certificate(certificate)
        if held is None:
            self._hold(certificate)
        else:
            reason = f"two checkpoint certificates contradict each other at height {vote.height}: more than f lie"
            self._outbox.halt = Halt(reason, held, certificate, culprits(held, certificate, (), validators))

    def restore(self, certificate: Certificate) -> None:
        """A certificate from this node's own store."""
        vote = certificate.vote
        assert isinstance(vote, Checkpoint)
        self._certificates[vote.height] = certificate
        self.certified_height = max(self.certified_height, vote.height)

    def restore_result(self, result: Checkpoint) -> None:
        """What a height gave when it was executed before this life began to agree; its certificate may be here, or may
        come, or be still to make: what all executed only when they started again, nobody has signed."""
        self._own[result.height] = result
        if result.height > self.certified_height:
            self._due[result.height] = result
        self._compare(result.height)

    def unsettled(self) -> list[SignedVote]:
        """Own CHECKPOINTs that are not certified yet, ascending."""
        return [signed for height, signed in sorted(self._signed.items()) if height not in self._certificates]

    def answer(self, peer: str, certified_height: int) -> None:
        """Send a peer the certificates above the newest that it holds."""
        for height in sorted(self._certificates):
            if height > certified_height:
                self._outbox.send(CertifiedMessage(self._certificates[height]), peer)

    def _tally(self, height: int, validators: ValidatorSet) -> Tally:
        if height not in self._tallies:
            self._tallies[height] = Tally(validators, self._chain_id, self._verify)
        return self._tallies[height]

    def _certify(self, vote: Checkpoint) -> None:
        certificate = self._tallies[vote.height].certificate(vote)
        if certificate is not None:
            self._hold(certificate)

    def _hold(self, certificate: Certificate) -> None:
        height = certificate.vote.height
        self._certificates[height] = certificate
        self._repeated[height] = set()
        self.certified_height = max(self.certified_height, height)
        self._outbox.certified.append(certificate)
        self._compare(height)
        self._prune()

    def _prune(self) -> None:
        floor = self.floor
        for kept in (
            *(self._validators, self._own, self._due, self._signed),
            *(self._tallies, self._repeated, self._accused, self._certificates),
        ):
            for old in [height for height in kept if height <= floor]:
                del kept[old]

    def _compare(self, height: int) -> None:
        own, certificate = self._own.get(height), self._certificates.get(height)
        if own is not None and certificate is not None and own != certificate.vote and self._outbox.halt is None:
            self._outbox.halt = Halt(
                f"executing height {height} here gave another state than q validators", own, certificate
            )

    def _answer_repeat(self, signed: SignedVote, certificate: Certificate, peer: str | None) -> None:
        """A first CHECKPOINT after the certificate is a straggler; the same again means that its signer lacks it."""
        repeated = self._repeated.setdefault(signed.height, set())
        if signed.signer in repeated and peer is not None:
            self._outbox.send(CertifiedMessage(certificate), peer)
        elif signed.signer < len(self._validators[signed.height]):
            repeated.add(signed.signer)
