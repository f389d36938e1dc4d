"""The core: heights one after the other, what has to be told to whom in between, and nothing else.

``step`` takes an event, ``ready`` gives what it asks for. This class routes and sequences; agreement on one height
is in ``height``, CHECKPOINTs in ``checkpoints``, help for whoever is behind in ``stragglers``.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from consensus import events
from consensus.checkpoints import Checkpoints
from consensus.events import Event, Received, Signed, Timer, TimerKind
from consensus.forks import culprits
from consensus.height import Height
from consensus.messages import (
    CertifiedMessage,
    DecidedMessage,
    Inquiry,
    NewViewMessage,
    PrePrepare,
    SignedMessage,
    ViewChangeMessage,
    signed_vote_of,
)
from consensus.newest_votes import NewestVotes
from consensus.outbox import Outbox
from consensus.proposals import Parent
from consensus.rotation import Rotation, first_rotation, next_rotation
from consensus.start import Identity, StartState
from consensus.stragglers import Stragglers
from consensus.tally import check_certificate
from consensus.view_state import Conditions
from state import keys
from state.block import Block
from state.certificate import Certificate
from state.digest import NO_DIGEST
from state.errors import Invalid, Reason
from state.evidence import Verify
from state.validators import ValidatorSet
from state.votes import Checkpoint, Commit, Prepare, SignedVote, signing_payload

RESEND_MS = 200
"""How often what may have been lost is sent again: twice within the shortest view timeout."""

BUFFERED_MAX = 4_096
"""Messages kept for the next height: one for each peer and kind, of a hundred members at most."""

_RESEND_TIMER = Timer(TimerKind.RESEND, 0, 0)


class Replica:
    """One validator's, or one observer's, part in the agreement."""

    def __init__(self, identity: Identity, start: StartState, verify: Verify = keys.verify) -> None:
        self._identity = identity
        self._verify = verify
        self._outbox = Outbox()
        self._checkpoints = Checkpoints(identity.chain_id, identity.parameters.execution_lag, verify, self._outbox)
        self._stragglers = Stragglers(self._outbox)
        self._decided = start.decided
        self._decided_signatures = {} if start.decided is None else dict(start.decided.certificate.signatures)
        self._decided_changes: list[SignedVote] = []
        """VIEW-CHANGEs of the decided height: with another block's certificate they may convict (rule 14)."""
        self._height: Height | None = None
        self._buffer: dict[tuple[str, type, int], Received] = {}
        self._journal = start.signed
        """What the height that was signed at last starts from, once it is reached."""
        self._newest = NewestVotes()
        self._sign_above: int | None = None
        self._work_pending = False
        self._ticking = False
        self._tick_mark: tuple[int, int] | None = None
        self._tick_checkpoint = 0
        self._restore(start)
        self._advance()

    # --- what is known -------------------------------------------------------------------------------------------

    @property
    def height(self) -> int:
        """The undecided height."""
        return 1 if self._decided is None else self._decided.block.height + 1

    @property
    def view(self) -> int:
        """The current view of ``height``."""
        return 0 if self._height is None else self._height.view

    @property
    def certified_height(self) -> int:
        """Height of the newest checkpoint certificate."""
        return self._checkpoints.certified_height

    @property
    def primary(self) -> str | None:
        """Member id of the current primary; None while V(height) is not known."""
        current = self._height
        return None if current is None else current.member(current.primary(current.view))

    @property
    def halted(self) -> bool:
        """Whether the core has stopped for good."""
        return self._outbox.halt is not None

    def validators_of(self, height: int) -> ValidatorSet | None:
        """V(height) of recent heights and up to L after the last executed one."""
        return self._checkpoints.validators_of(height)

    def newest_votes(self) -> Mapping[str, SignedVote]:
        """The newest vote held of each member, for the handshake's amnesia guard; its owner checks the signature."""
        return self._newest.votes

    # --- step ----------------------------------------------------------------------------------------------------

    def step(self, event: Event) -> None:
        """Take in one event. What it asks for is in the next ``ready``."""
        if self.halted:
            return
        if isinstance(event, Received):
            self._receive(event)
        elif isinstance(event, events.TimerExpired):
            self._expire(event.timer)
        elif isinstance(event, events.Signed):
            self._take_signed(event)
        elif isinstance(event, events.ProposalReady):
            self._take_proposal(event)
        elif isinstance(event, events.BlockAvailable | events.BlockRefused):
            if self._height is not None:
                self._height.receive_block_answer(event.digest, isinstance(event, events.BlockAvailable))
        elif isinstance(event, events.Executed):
            self._checkpoints.add_validators(
                event.checkpoint.height + self._identity.parameters.execution_lag, event.validators
            )
            self._checkpoints.executed(event.checkpoint)
        elif isinstance(event, events.WorkChanged):
            self._work_pending = event.pending
        elif isinstance(event, events.SigningAllowed):
            self._sign_above = event.above_height
        elif isinstance(event, events.PeerConnected):
            self._greet(event.peer)
        elif isinstance(event, events.SyncedBlock):
            self._guard(event.peer, lambda: self._take_decided(event.block, event.certificate))
        else:
            assert isinstance(event, events.SigningRefused), "an event of an unknown kind"
        self._advance()

    def ready(self) -> events.Ready:
        """Everything that the events since the last call ask for."""
        ready, decided = self._outbox.drain(), self._decided
        if ready.halt is None or decided is None:
            return ready
        word = DecidedMessage(decided.block, decided.certificate, self.height)
        return events.Ready(halt=replace(ready.halt, last_word=word))

    def _receive(self, event: Received) -> None:
        message, peer, height = event.message, event.peer, self.height
        if isinstance(message, Inquiry):
            self._take_inquiry(message, peer)
        elif isinstance(message, DecidedMessage):
            self._take_decided_message(message, peer)
        elif isinstance(message, CertifiedMessage):
            certificate = message.certificate
            self._guard(peer, lambda: self._checkpoints.take_certificate(certificate))
        elif isinstance(message, SignedVote) and isinstance(message.vote, Checkpoint):
            checkpoint = message
            self._stragglers.heard(peer, message.height + 1)
            self._guard(peer, lambda: self._checkpoints.receive(checkpoint, peer))
        elif message.height < height:
            self._take_late(message, peer)
        elif message.height > height or self._height is None:
            self._stragglers.heard(peer, message.height)
            self._keep(event)
        else:
            self._stragglers.heard(peer, message.height)
            self._agree(event, self._height)

    def _agree(self, event: Received, height: Height) -> None:
        """A message of the undecided height."""
        message, peer, checked = event.message, event.peer, True
        try:
            if isinstance(message, SignedVote):
                checked = height.receive_vote(message)
            elif isinstance(message, PrePrepare):
                height.receive_pre_prepare(message, event.clock_ms)
            elif isinstance(message, ViewChangeMessage):
                height.receive_view_change(message)
            else:
                assert isinstance(message, NewViewMessage)
                height.receive_new_view(message, event.clock_ms)
        except Invalid as error:
            self._outbox.reject(peer, error)
            if error.reason is Reason.BAD_BLOCK and isinstance(message, PrePrepare | NewViewMessage):
                self._guard(peer, lambda: self._compare(message.block.header.parent_certificate))
            return
        member = height.member(message.signer)
        if checked or member == peer:
            self._newest.note(member, signed_vote_of(message))

    def _take_late(self, message: SignedMessage, peer: str | None) -> None:
        """A message of a decided height (rule 7). A late PREPARE or COMMIT is common and mostly needs no answer."""
        late = message.vote
        if peer is None:
            return
        if isinstance(late, Prepare | Commit):
            self._stragglers.suspect(peer, message.height)
        else:
            self._stragglers.answer(peer, message.height, self._decided)
        if self._decided is not None and message.height == self._decided.block.height:
            validators = self.validators_of(message.height)
            if validators is not None and message.signer < len(validators):
                member = validators.validators[message.signer].member
                if member == peer:
                    self._newest.note(member, signed_vote_of(message))
                if isinstance(late, Commit):
                    self._guard(peer, lambda: self._take_late_commit(late, message, validators))

    def _take_late_commit(self, vote: Commit, message: SignedMessage, validators: ValidatorSet) -> None:
        """It is of no use, but to bring its signer back from the bench. :raises Invalid: BAD_SIGNATURE."""
        current, decided, key = self._height, self._decided, validators.validators[message.signer]
        if current is None or decided is None or vote != decided.certificate.vote:
            return
        if message.signer in self._decided_signatures or key.member not in current.rotation.awaited():
            return
        if not self._verify(key.vote_key, signing_payload(vote, self._identity.chain_id), message.signature):
            raise Invalid(Reason.BAD_SIGNATURE, f"the signature of validator {message.signer} does not match")
        current.receive_parent_commit(message.signer, message.signature)

    def _keep(self, event: Received) -> None:
        """Keep one message of each peer and kind for the next height; further ones show that this node is behind."""
        message, peer = event.message, event.peer
        if peer is None:
            return
        if message.height > self.height + 1:
            self._stragglers.behind(peer, message.height)
            return
        key = (peer, type(message.vote) if isinstance(message, SignedVote) else type(message), message.height)
        if key in self._buffer or len(self._buffer) < BUFFERED_MAX:
            self._buffer[key] = event

    def _take_inquiry(self, message: Inquiry, peer: str | None) -> None:
        if peer is None:
            return
        self._stragglers.heard(peer, message.height)
        if message.height < self.height:
            self._stragglers.answer(peer, message.height, self._decided)
        elif message.height > self.height:
            self._stragglers.ahead(peer, message.height, Inquiry(self.height, self.certified_height))
        if message.certified_height < self.certified_height and self._stragglers.may_certify(peer):
            self._checkpoints.answer(peer, message.certified_height)

    def _take_decided_message(self, message: DecidedMessage, peer: str | None) -> None:
        if not self._guard(peer, lambda: self._take_decided(message.block, message.certificate)):
            return
        if peer is not None and message.sender_height > self.height:
            self._stragglers.ahead(peer, message.sender_height, Inquiry(self.height, self.certified_height))

    def _take_decided(self, block: Block, certificate: Certificate) -> None:
        """A block with its commit certificate, from whomever. One that cannot be judged yet comes again.

        :raises Invalid: what is wrong with them.
        """
        vote = certificate.vote
        if not isinstance(vote, Commit) or (vote.height, vote.digest) != (block.height, block.digest):
            raise Invalid(Reason.BAD_PROOF, "the certificate is not one of the block's COMMITs")
        if self._decided is not None and block.height == self._decided.block.height:
            self._compare(certificate)
            return
        if block.height != self.height or self._height is None:
            return
        self._height.tally.check_certificate(certificate)
        if block.header.parent != self._parent_digest():
            self._compare(block.header.parent_certificate)
            if not self.halted:
                assert self._decided is not None
                self._halt(self._decided.certificate, certificate)
            return
        self._decide(block, certificate)

    def _compare(self, certificate: Certificate | None) -> None:
        """Two valid certificates for one height: more than f validators lie, and nothing may be signed any more.

        :param certificate: from wherever; only one of the newest decided height, for another block, says anything.
        :raises Invalid: what is wrong with it.
        """
        decided = self._decided
        if decided is None or certificate is None or not isinstance(certificate.vote, Commit):
            return
        if certificate.vote.height != decided.block.height or certificate.vote.digest == decided.block.digest:
            return
        validators = self.validators_of(decided.block.height)
        if validators is not None:
            check_certificate(certificate, validators, self._identity.chain_id, self._verify, {})
            self._halt(decided.certificate, certificate, validators)

    def _halt(self, own: Certificate, other: Certificate, validators: ValidatorSet | None = None) -> None:
        reason = f"two certificates contradict each other at height {other.vote.height}: more than f validators lie"
        evidence = () if validators is None else culprits(own, other, self._decided_changes, validators)
        self._outbox.halt = events.Halt(reason, own, other, evidence)

    def _take_signed(self, event: Signed) -> None:
        vote = event.request.vote
        validators = self.validators_of(vote.height)
        own = None if validators is None else self._identity.index_in(validators)
        if isinstance(vote, Checkpoint):
            if own is not None:
                signed = SignedVote(vote, own, event.signature)
                self._checkpoints.signed(signed)
                self._outbox.send(signed)
        elif self._height is not None and vote.height == self.height:
            self._height.receive_signed(event)

    def _take_proposal(self, event: events.ProposalReady) -> None:
        if self._height is None:
            return
        try:
            self._height.receive_proposal(event)
        except Invalid as error:
            raise AssertionError(f"this node made an invalid block: {error}") from error

    # --- what follows --------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Do everything that has become possible, height after height."""
        while not self.halted:
            if self._height is None and not self._begin():
                break
            current = self._height
            assert current is not None
            current.advance(self._conditions(current))
            if current.decision is None:
                break
            self._decide(*current.decision)
        if self._sign_above is not None:
            self._checkpoints.request_signatures(self._identity)
        if not self._ticking and self._needs_tick():
            self._ticking = True
            self._outbox.set_timer(_RESEND_TIMER, RESEND_MS)

    def _decide(self, block: Block, certificate: Certificate) -> None:
        current = self._height
        assert current is not None
        current.close()
        rotation = current.rotation
        self._decided = events.Decision(block, certificate, rotation)
        self._decided_signatures = current.tally.signatures(certificate.vote)
        self._decided_signatures.update(certificate.signatures)
        self._decided_changes = current.view_changes()
        self._outbox.decisions.append(self._decided)
        self._height = None

    def _begin(self) -> bool:
        """Start agreement on the next height, if its validators are known."""
        number = self.height
        validators = self.validators_of(number)
        if validators is None:
            return False
        self._height = self._make_height(validators)
        self._height.restore([item for item in self._journal if item.request.vote.height == number])
        self._journal = tuple(item for item in self._journal if item.request.vote.height > number)
        self._buffer = {key: event for key, event in self._buffer.items() if key[2] >= number}
        now = [key for key in self._buffer if key[2] == number]
        for event in [self._buffer.pop(key) for key in now]:
            self._agree(event, self._height)
        self._newest.keep_members(validators)
        return True

    def _make_height(self, validators: ValidatorSet) -> Height:
        if self._decided is None:
            rotation: Rotation = first_rotation(validators)
            parent = Parent(NO_DIGEST, self._identity.genesis_ms, None, None, {})
        else:
            decided = self._decided
            rotation = next_rotation(decided.rotation, decided.block, validators)
            parent = Parent(
                decided.block.digest,
                decided.block.header.timestamp_ms,
                decided.certificate,
                self.validators_of(decided.block.height),
                self._decided_signatures,
            )
        return Height(self._identity, rotation, validators, parent, self._verify, self._outbox)

    def _conditions(self, current: Height) -> Conditions:
        return Conditions(
            can_sign=current.own is not None and self._sign_above is not None and current.number > self._sign_above,
            gate_open=self._checkpoints.opens(current.number),
            work_pending=self._work_pending,
            certified_height=self.certified_height,
        )

    # --- nobody is left behind -----------------------------------------------------------------------------------

    def _needs_tick(self) -> bool:
        return self._waits() or self._stragglers.pending or bool(self._checkpoints.unsettled())

    def _waits(self) -> bool:
        """Whether a decision is due: others work on this height or are past it, or there is work."""
        current = self._height
        stirred = current is not None and (current.seen or current.stirred)
        return self._work_pending or bool(self._buffer) or stirred

    def _expire(self, timer: Timer) -> None:
        if timer.kind is TimerKind.VIEW:
            if self._height is not None:
                self._height.receive_timer(timer)
        elif self._ticking:
            self._ticking = False
            self._tick()

    def _tick(self) -> None:
        """Send again what was there at the last tick and has led nowhere."""
        for peer, height in self._stragglers.tick():
            self._stragglers.answer(peer, height, self._decided)
        mark = (self.height, self.view)
        if mark == self._tick_mark and self._waits():
            if self._height is not None and self._height.stored_messages():
                self._height.resend()
            else:
                self._outbox.send(Inquiry(self.height, self.certified_height))
        self._tick_mark = mark
        unsettled = self._checkpoints.unsettled()
        for signed in unsettled:
            if signed.height <= self._tick_checkpoint:
                self._outbox.send(signed)
        self._tick_checkpoint = unsettled[-1].height if unsettled else 0

    def _greet(self, peer: str) -> None:
        """A link is up again: say where this node is, and repeat what it stands by."""
        self._outbox.send(Inquiry(self.height, self.certified_height), peer)
        if self._height is not None:
            for message in self._height.stored_messages():
                self._outbox.send(message, peer)
        for signed in self._checkpoints.unsettled():
            self._outbox.send(signed, peer)

    # --- pieces --------------------------------------------------------------------------------------------------

    def _guard(self, peer: str | None, action: Callable[[], None]) -> bool:
        """Run what may refuse the peer's bytes; whether it did not."""
        try:
            action()
        except Invalid as error:
            self._outbox.reject(peer, error)
            return False
        return True

    def _parent_digest(self) -> bytes:
        return NO_DIGEST if self._decided is None else self._decided.block.digest

    def _restore(self, start: StartState) -> None:
        for height, validators in start.validators:
            self._checkpoints.add_validators(height, validators)
        self._checkpoints.executed_height = start.executed_height
        for certificate in start.certified:
            self._checkpoints.restore(certificate)
        for result in start.results:
            self._checkpoints.restore_result(result)
        for signed in start.checkpoints:
            validators_then = self.validators_of(signed.request.vote.height)
            own = None if validators_then is None else self._identity.index_in(validators_then)
            if own is not None:
                self._checkpoints.signed(SignedVote(signed.request.vote, own, signed.signature))
        if start.decided is not None:
            validators_then = self.validators_of(start.decided.block.height)
            if validators_then is not None:
                self._newest.note_signers(start.decided.certificate, validators_then)
