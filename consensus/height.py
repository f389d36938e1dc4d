"""Agreement on one height: PRE-PREPARE, PREPARE, COMMIT, VIEW-CHANGE, NEW-VIEW.

Events change what is known; ``advance`` then does whatever has become possible, in one fixed order. Doing it twice
changes nothing, so every handler may simply be followed by it.
"""

from dataclasses import replace

from consensus import view_changes
from consensus.events import ProposalReady, ProposalWanted, Signed, Timer, TimerKind, Validation
from consensus.messages import (
    Inquiry,
    Message,
    NewViewMessage,
    PrePrepare,
    SignedMessage,
    ViewChangeMessage,
    digest_of_view_changes,
    signed_vote_of,
)
from consensus.outbox import Outbox
from consensus.proposals import Parent, check_block, is_timely
from consensus.rotation import Rotation
from consensus.safety import SignRequest, higher, message_of
from consensus.start import Identity
from consensus.tally import Tally
from consensus.view_state import Conditions, Proposed, ViewState
from state.block import Block
from state.certificate import Certificate
from state.codec import INT_MAX
from state.errors import Invalid, Reason
from state.evidence import Verify, contradict, evidence_of
from state.validators import ValidatorSet
from state.votes import Checkpoint, Commit, NewView, Prepare, Proposal, SignedVote, ViewChange, Vote

BLOCKS_KEPT = 4
"""Proposed blocks that a height remembers, newest views first: a commit certificate may still come for any."""


class Height:
    """One height's state, from its parent's decision to its own."""

    def __init__(
        self,
        identity: Identity,
        rotation: Rotation,
        validators: ValidatorSet,
        parent: Parent,
        verify: Verify,
        outbox: Outbox,
    ) -> None:
        self.number = rotation.height
        self.rotation = rotation
        self.validators = validators
        self.tally = Tally(validators, identity.chain_id, verify)
        self.own = identity.index_in(validators)
        """Own index, None for who only observes this height."""
        self.decision: tuple[Block, Certificate] | None = None
        self.seen = False
        """A proposal or VIEW-CHANGE of this height has been seen: the view's timer runs."""
        self.stirred = False
        """Anything genuine of this height has been seen: a decision is due."""
        self.prepared: Certificate | None = None
        """The highest certificate that a COMMIT was asked for."""
        self._identity = identity
        self._parent = parent
        self._verify = verify
        self._outbox = outbox
        self._validators_digest = validators.digest
        self._members = {validator.member: index for index, validator in enumerate(validators.validators)}
        self._changes: dict[int, ViewChangeMessage] = {}
        self._blocks: dict[bytes, Block] = {}
        self._prepared_block: Block | None = None
        self._accused: set[int] = set()
        self._block_inquired = False
        self._now = ViewState(0, supported=True)

    # --- what is known -------------------------------------------------------------------------------------------

    @property
    def view(self) -> int:
        """The current view."""
        return self._now.view

    def primary(self, view: int) -> int:
        """Index of the primary of ``view``."""
        return self._members[self.rotation.primary(view)]

    def member(self, index: int) -> str:
        """Member id of a validator of this height."""
        return self.validators.validators[index].member

    def stored_messages(self) -> list[Message]:
        """Own messages of the current view, in signing order."""
        return list(self._now.stored.values())

    def view_changes(self) -> list[SignedVote]:
        """Every VIEW-CHANGE that is known here, its signature checked."""
        return [signed for index in range(len(self.validators)) for signed in self.tally.of(ViewChange, index)]

    # --- events --------------------------------------------------------------------------------------------------

    def receive_pre_prepare(self, message: PrePrepare, clock_ms: int) -> None:
        """:raises Invalid: what is wrong with it."""
        vote = message.vote
        if vote.view != 0 or message.signer != self.primary(0):
            raise Invalid(Reason.BAD_BLOCK, "not from the primary of view 0")
        self._add(signed_vote_of(message))
        self.seen = True
        if self.view == 0 and self._now.proposed is None and message.signer != self.own:
            self._now.proposal = message
            self._accept(message.block, 0, fresh=True, clock_ms=clock_ms)

    def receive_vote(self, signed: SignedVote) -> bool:
        """A PREPARE or COMMIT; whether its signature has been checked. :raises Invalid: BAD_SIGNATURE or STRANGER."""
        vote = signed.vote
        assert isinstance(vote, Prepare | Commit)
        needed = not self.tally.has_quorum(vote) and (isinstance(vote, Commit) or vote.view >= self.view)
        self._add(signed, needed)
        self.stirred = self.stirred or needed
        change = self._changes.get(signed.signer)
        if needed and change is not None:
            self._accuse(signed_vote_of(change), signed)
        return needed

    def receive_view_change(self, message: ViewChangeMessage) -> None:
        """:raises Invalid: what is wrong with it."""
        known = self._changes.get(message.signer)
        if known is not None and known.vote.view >= message.vote.view:
            if known.vote.view == message.vote.view and known.vote != message.vote:
                self._add(signed_vote_of(message))
            return
        view_changes.check_view_change(message, self.tally)
        self._take_view_change(message)

    def receive_new_view(self, message: NewViewMessage, clock_ms: int) -> None:
        """:raises Invalid: what is wrong with it."""
        vote = message.vote
        if vote.view == 0 or message.signer != self.primary(vote.view):
            raise Invalid(Reason.BAD_PROOF, "not from the primary of that view")
        if vote.view < self.view or message.signer == self.own:
            return
        self._add(signed_vote_of(message))
        if vote.view == self.view and self._now.supported and self._now.proposed is not None:
            return
        view_changes.check_new_view(message, self.validators, self.tally)
        for item in message.view_changes:
            self._add(item, checked=True)
            for commit in self.tally.of(Commit, item.signer):
                self._accuse(item, commit)
        self.seen = True
        if vote.view > self.view:
            self._enter(vote.view)
        self._now.supported = True
        if self._now.proposed is None:
            self._now.proposal = message
            self._accept(message.block, vote.view, fresh=message.prepared is None, clock_ms=clock_ms)

    def receive_timer(self, timer: Timer) -> None:
        """The view made no decision in time: ask for the next."""
        if self._now.timer_set and timer == self._timer():
            self._now.timer_set = False
            self._leave(min(self.view + 1, INT_MAX))

    def receive_proposal(self, event: ProposalReady) -> None:
        """The block that this node proposes as primary."""
        if self._now.wanted is None or (event.height, event.view) != (self.number, self._now.wanted.view):
            return
        self._check(event.block)
        self._now.wanted = None
        self._propose(event.block, fresh=True)

    def receive_block_answer(self, digest: bytes, available: bool) -> None:
        """What the driver found when it looked at a block."""
        if self._now.proposed is not None and self._now.proposed.block.digest == digest and self._now.proposed.asked:
            self._now.proposed.available = available

    def receive_signed(self, signed: Signed) -> None:
        """An own vote is on disk and signed: it counts, and leaves."""
        message = self._message(signed)
        self._outbox.send(message)
        self._take_own(message)

    def restore(self, journal: list[Signed]) -> None:
        """Go on where the journal ends."""
        self.seen = bool(journal)
        for signed in journal:
            request, vote = signed.request, signed.request.vote
            assert not isinstance(vote, Checkpoint)
            assert not isinstance(vote, Proposal | NewView) or self.own == self.primary(vote.view)
            if vote.view > self.view:
                self._enter(vote.view)
            self._take_own(self._message(signed))
            if request.block is not None:
                self._remember(request.block)
            if isinstance(vote, Commit | ViewChange) and request.prepared is not None:
                self.prepared, self._prepared_block = higher(self.prepared, request.prepared), request.block
            if isinstance(vote, ViewChange):
                self._now.asked.add(ViewChange)
                continue
            assert request.block is not None
            self._now.asked.add(type(vote))
            if self._now.proposed is None:
                self._now.proposed = Proposed(request.block, acceptable=True)
            if isinstance(vote, Prepare):
                self._now.proposed.asked = self._now.proposed.available = True
            self._now.supported = self._now.supported or isinstance(vote, NewView)

    def resend(self) -> None:
        """Send own messages of the current view again, blocks only to those who have not prepared them."""
        for kind, message in self._now.stored.items():
            if kind not in (Proposal, NewView) or self._now.proposed is None:
                self._outbox.send(message)
                continue
            prepare = Prepare(self.number, self.view, self._now.proposed.block.digest)
            have = self.tally.signers(prepare)
            for index in range(len(self.validators)):
                if index not in have and index != self.own:
                    self._outbox.send(message, self.member(index))

    def close(self) -> None:
        """The height is decided."""
        self._stop_timer()

    def receive_parent_commit(self, signer: int, signature: bytes) -> None:
        """A checked COMMIT for the parent that came after its decision: this node's own proposal shall carry it."""
        self._parent.signatures[signer] = signature
        if self._now.wanted is not None:
            self._now.wanted = self._outbox.proposal = replace(
                self._now.wanted, parent_certificate=self._parent_certificate()
            )

    # --- what follows --------------------------------------------------------------------------------------------

    def advance(self, conditions: Conditions) -> None:
        """Do everything that has become possible."""
        if self._changes:
            self._follow()
        if conditions.can_sign:
            self._change_view()
            if conditions.gate_open:
                self._lead()
                self._prepare()
            self._commit()
        self._validate()
        self._confront()
        self._decide(conditions)
        self._time(conditions)

    def _follow(self) -> None:
        """Move where f+1 lead; what q validators ask for is supported."""
        views = [change.vote.view for change in self._changes.values()]
        led = view_changes.led_to(views, self.validators.faulty_max)
        if led > self.view:
            self._leave(led)
        if not self._now.supported and view_changes.count_at_least(views, self.view) >= self.validators.quorum:
            self._now.supported = True

    def _change_view(self) -> None:
        """Ask for the view that was moved to without a NEW-VIEW: at once, or as soon as signing is allowed."""
        if self.view > 0 and self._now.proposed is None and ViewChange not in self._now.asked:
            vote = view_changes.carried(self.prepared, self.number, self.view)
            self._ask(SignRequest(vote, self._prepared_block, self.prepared))

    def _lead(self) -> None:
        """As primary: propose again what may have been decided, else ask the driver for a block."""
        if self.own != self.primary(self.view) or self._now.proposed is not None:
            return
        urgent = self.view > 0 or bool(self._changes)
        if self._now.wanted is not None and (self._now.wanted.urgent or not urgent):
            return
        if self.view > 0 and not self._now.opening:
            self._now.opening = view_changes.chosen(self._changes, self.view, self.validators.quorum)
            if not self._now.opening:
                return
            highest = view_changes.highest_prepared(self._now.opening)
            if highest is not None:
                assert highest.block is not None
                self._propose(highest.block, fresh=False)
                return
        parent = self._parent
        assert self.own is not None, "who only observes is no primary"
        self._now.wanted = self._outbox.proposal = ProposalWanted(
            height=self.number,
            view=self.view,
            parent=parent.digest,
            parent_certificate=self._parent_certificate(),
            parent_timestamp_ms=parent.timestamp_ms,
            validators_digest=self._validators_digest,
            proposer=self.validators.validators[self.own].vote_key,
            urgent=urgent,
        )

    def _propose(self, block: Block, fresh: bool) -> None:
        self.seen = True
        self._remember(block)
        self._now.proposed = Proposed(block, acceptable=True, asked=fresh, available=True if fresh else None)
        if self.view == 0:
            self._ask(SignRequest(Proposal(self.number, 0, block.digest), block))
            return
        changes = view_changes.bare(self._now.opening)
        highest = view_changes.highest_prepared(self._now.opening)
        vote = NewView(self.number, self.view, block.digest, digest_of_view_changes(changes))
        self._ask(SignRequest(vote, block, None if highest is None else highest.prepared, changes))

    def _validate(self) -> None:
        """Have the driver look at the bodies, once for each view's block."""
        proposed = self._now.proposed
        if proposed is None or proposed.asked or not proposed.acceptable:
            return
        proposed.asked = True
        digest = proposed.block.digest
        first = self.validators.index_of(proposed.block.header.proposer)
        sources = [] if first is None else [first]
        sources += [self.primary(self.view), *self.tally.signers(Prepare(self.number, self.view, digest))]
        for change in self._changes.values():
            if change.prepared is not None and change.prepared.vote.height == self.number:
                sources += [signer for signer, _ in change.prepared.signatures]
        members = dict.fromkeys(self.member(index) for index in sources if index != self.own)
        self._outbox.validations.append(Validation(proposed.block, tuple(members)))

    def _confront(self) -> None:
        """Show whoever prepared another block of this view what the primary proposed here: both make evidence."""
        proposed, proposal = self._now.proposed, self._now.proposal
        if proposed is None or proposal is None:
            return
        for signer in self.tally.contradicting(Prepare(self.number, self.view, proposed.block.digest)):
            if signer not in self._now.confronted and signer not in (self.own, proposal.signer):
                self._now.confronted.add(signer)
                self._outbox.send(proposal, self.member(signer))

    def _prepare(self) -> None:
        proposed = self._now.proposed
        if proposed is not None and proposed.acceptable and proposed.available and Prepare not in self._now.asked:
            self._ask(SignRequest(Prepare(self.number, self.view, proposed.block.digest), proposed.block))

    def _commit(self) -> None:
        """With a prepared certificate of the current view on record. An untimely block, too: others vouch for it."""
        if self._now.proposed is None or Commit in self._now.asked:
            return
        block = self._now.proposed.block
        certificate = self.tally.certificate(Prepare(self.number, self.view, block.digest))
        if certificate is not None:
            self.prepared, self._prepared_block = certificate, block
            self._ask(SignRequest(Commit(self.number, self.view, block.digest), block, certificate))

    def _decide(self, conditions: Conditions) -> None:
        for vote in self.tally.quorums(Commit):
            assert isinstance(vote, Commit)
            block, certificate = self._find(vote.digest), self.tally.certificate(vote)
            if block is not None and certificate is not None:
                self.decision = block, certificate
                return
            if not self._block_inquired:
                self._block_inquired = True
                for signer in self.tally.signers(vote):
                    if signer != self.own:
                        self._outbox.send(Inquiry(self.number, conditions.certified_height), self.member(signer))

    def _time(self, conditions: Conditions) -> None:
        """Rule 6 and 9: the view's timer runs with work pending, the gate open, and, above view 0, q VIEW-CHANGEs."""
        wanted = (
            conditions.can_sign
            and conditions.gate_open
            and self._now.supported
            and (self.seen or conditions.work_pending)
            and self.decision is None
        )
        if not wanted:
            self._stop_timer()
        elif not self._now.timer_set:
            self._now.timer_set = True
            self._outbox.set_timer(self._timer(), view_changes.timeout_ms(self.view))

    # --- pieces --------------------------------------------------------------------------------------------------

    def _enter(self, view: int) -> None:
        self._stop_timer()
        self._now = ViewState(view, supported=False)

    def _leave(self, view: int) -> None:
        """Vote in no view below ``view`` any more."""
        self._enter(view)
        self.seen = True

    def _accept(self, block: Block, view: int, fresh: bool, clock_ms: int) -> None:
        self._check(block)
        acceptable = True
        if fresh:
            if self.validators.index_of(block.header.proposer) != self.primary(view):
                raise Invalid(Reason.BAD_BLOCK, "a fresh block names its primary as the proposer")
            bound_ms = self._identity.parameters.clock_bound_ms
            acceptable = is_timely(block.header.timestamp_ms, clock_ms, self._parent.timestamp_ms, bound_ms)
        self._remember(block)
        self._now.proposed = Proposed(block, acceptable)
        if not acceptable:
            raise Invalid(Reason.BAD_BLOCK, "a fresh block's time is too far from this clock: no PREPARE for it")

    def _parent_certificate(self) -> Certificate | None:
        """The parent's certificate for a proposal: with the COMMITs of those that it may bring back from the bench."""
        parent, awaited = self._parent, self.rotation.awaited()
        if parent.certificate is None or parent.validators is None or not awaited:
            return parent.certificate
        signatures = dict(parent.certificate.signatures)
        for signer, signature in parent.signatures.items():
            if parent.validators.validators[signer].member in awaited:
                signatures.setdefault(signer, signature)
        return Certificate(parent.certificate.vote, tuple(sorted(signatures.items())))

    def _check(self, block: Block) -> None:
        check_block(
            block,
            self._parent,
            self.validators,
            self._validators_digest,
            self._identity.chain_id,
            self._verify,
        )

    def _ask(self, request: SignRequest) -> None:
        self._now.asked.add(type(request.vote))
        self._outbox.signs.append(request)

    def _message(self, signed: Signed) -> SignedMessage:
        assert self.own is not None
        return message_of(signed.request, self.own, signed.signature)

    def _take_own(self, message: SignedMessage) -> None:
        vote: Vote = message.vote
        self._add(signed_vote_of(message), checked=True)
        if isinstance(message, ViewChangeMessage):
            known = self._changes.get(message.signer)
            if known is None or known.vote.view < message.vote.view:
                self._changes[message.signer] = message
        if not isinstance(vote, Checkpoint) and vote.view == self.view:
            self._now.stored[type(vote)] = message

    def _take_view_change(self, message: ViewChangeMessage) -> None:
        signed = signed_vote_of(message)
        self._add(signed, checked=True)
        self._changes[message.signer] = message
        self.seen = True
        for commit in self.tally.of(Commit, message.signer):
            self._accuse(signed, commit)

    def _add(self, signed: SignedVote, needed: bool = True, checked: bool = False) -> None:
        evidence = self.tally.add(signed, needed, checked)
        if evidence is not None and signed.signer not in self._accused:
            self._accused.add(signed.signer)
            self._outbox.evidence.append(evidence)

    def _accuse(self, one: SignedVote, other: SignedVote) -> None:
        """One accusation for each validator and height is enough."""
        if one.signer not in self._accused and contradict(one.vote, other.vote):
            self._accused.add(one.signer)
            key = self.validators.validators[one.signer].vote_key
            self._outbox.evidence.append(evidence_of(key, one, other))

    def _remember(self, block: Block) -> None:
        self._blocks.pop(block.digest, None)
        self._blocks[block.digest] = block
        if len(self._blocks) > BLOCKS_KEPT:
            del self._blocks[next(iter(self._blocks))]

    def _find(self, digest: bytes) -> Block | None:
        if digest in self._blocks:
            return self._blocks[digest]
        for change in self._changes.values():
            if change.block is not None and change.block.digest == digest:
                return change.block
        return None

    def _timer(self) -> Timer:
        return Timer(TimerKind.VIEW, self.number, self.view)

    def _stop_timer(self) -> None:
        if self._now.timer_set:
            self._now.timer_set = False
            self._outbox.cancel_timer(self._timer())
