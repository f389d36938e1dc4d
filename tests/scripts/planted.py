"""Bugs to plant: each breaks the production code the way it was once broken, or could be, and no further.

The list was written before the first run. What each is after: a rule of agreement (1 to 14 of the design), or a fault
of the catalogue (N, S). ``PLANTS`` names them all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from consensus import checkpoints, height, proposals, replica, safety, stragglers, tally, view_changes
from consensus.checkpoints import Checkpoints
from consensus.events import Decision, Signed, Timer
from consensus.height import Height
from consensus.messages import Inquiry, PrePrepare, ViewChangeMessage
from consensus.replica import Replica
from consensus.rotation import Rotation
from consensus.safety import SignRequest
from consensus.stragglers import Stragglers
from consensus.tally import Tally
from consensus.view_state import Conditions, ViewState
from contracts import records
from contracts.executor import Executor
from node import admission, catchup, seams, start
from node.admission import Door
from node.delivery import Delivery
from node.execution import run_block
from node.gossip import Gossip
from node.guard import AmnesiaGuard
from node.history import ValidatorHistory
from node.journal import Record
from node.offences import Offences
from node.records import REQUEST
from node.signer import Signer
from p2p.bulk import DecidedBlock
from scripts.simulation import disk, machine
from state import certificate as certificates
from state import digest, evidence, transaction, validity, votes
from state.block import Block, make_block
from state.certificate import Certificate
from state.errors import Invalid, Reason
from state.transaction import Transaction
from state.validators import ValidatorSet
from state.votes import Commit, Prepare, SignedVote, ViewChange

Plant = Callable[[pytest.MonkeyPatch], None]


def quorum_is_one_too_small(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ValidatorSet, "quorum", property(lambda validators: (len(validators) + validators.faulty_max) // 2))


def votes_are_not_recorded(patch: pytest.MonkeyPatch) -> None:
    append = disk.SimulatedJournal.append

    def append_no_request(journal: disk.SimulatedJournal, record: Record) -> None:
        if record.kind != REQUEST:
            append(journal, record)

    patch.setattr(disk.SimulatedJournal, "append", append_no_request)


def votes_leave_before_the_sync(patch: pytest.MonkeyPatch) -> None:
    sync = disk.SimulatedJournal.sync

    def answer_at_once(journal: disk.SimulatedJournal, token: int) -> None:
        sync(journal, token)
        journal._timeline.after(0, lambda: journal._synced(token))

    patch.setattr(disk.SimulatedJournal, "sync", answer_at_once)


def votes_are_forgotten_at_a_restart(patch: pytest.MonkeyPatch) -> None:
    prepare = Signer.__init__

    def forget(signer: Signer, key: object, chain_id: bytes, journal: object, recovered: object) -> None:
        nothing = replace(recovered, requests=[], record=safety.NOTHING_SIGNED, recorded_count=0)  # type: ignore[type-var]
        prepare(signer, key, chain_id, journal, nothing)  # type: ignore[arg-type]

    patch.setattr(Signer, "__init__", forget)
    patch.setattr(AmnesiaGuard, "joined", lambda *_: 0)


def kept_bodies_are_dropped_at_a_restart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(start, "kept_bodies", lambda *_: [])


def one_node_executes_differently(patch: pytest.MonkeyPatch) -> None:
    odd: list[Executor] = []

    def run(executor: Executor, block: Block, transactions: Sequence[Transaction]) -> seams.Executed:
        event = run_block(executor, block, transactions)
        odd.append(executor)
        if executor is odd[0] and block.height == 5:
            return replace(event, outcome=replace(event.outcome, state_root=bytes(32)))
        return event

    patch.setattr(machine, "run_block", run)


def gossip_is_sent_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Gossip, "remember", lambda *_: None)
    patch.setattr(Gossip, "stalled", lambda _: None)


def guard_asks_for_unknown_validators(patch: pytest.MonkeyPatch) -> None:
    joined = AmnesiaGuard.joined

    def joined_at_next(guard: AmnesiaGuard, member: str | None, newest_vote: bytes, height: int) -> int | None:
        return joined(guard, member, newest_vote, height + 1)

    patch.setattr(AmnesiaGuard, "joined", joined_at_next)


def what_is_decided_may_be_listed_again(patch: pytest.MonkeyPatch) -> None:
    def check_pending_only(door: Door, item: Transaction) -> None:
        if item.id in door._pool:
            raise Invalid(Reason.DUPLICATE, "the transaction is already pending")

    patch.setattr(Door, "_check_unknown", check_pending_only)
    patch.setattr(Door, "was_decided", lambda *_: False)
    patch.setattr(Door, "_was_decided_since", lambda *_: False)


def peers_once_passed_over_stay_so(patch: pytest.MonkeyPatch) -> None:
    old_heights_come_by_block_sync_only(patch)
    patch.setattr(catchup, "REPEAT_MS", catchup.PASSED_OVER_MS)


# ------------------------------------------------------------------------------------- rules 1 and 2: what counts


def repeated_signers_are_counted(patch: pytest.MonkeyPatch) -> None:
    def check_signers(validators: ValidatorSet, signatures: Sequence[tuple[int, bytes]]) -> None:
        if len(signatures) < validators.quorum or any(index >= len(validators) for index, _ in signatures):
            raise Invalid(Reason.NO_QUORUM, "too few")

    for module in (certificates, tally, safety):
        patch.setattr(module, "check_signers", check_signers)


def a_certificate_may_lack_signers(patch: pytest.MonkeyPatch) -> None:
    """q − 1 signers are enough, or fewer."""

    def check_signers(validators: ValidatorSet, signatures: Sequence[tuple[int, bytes]]) -> None:
        signers = [index for index, _ in signatures]
        least = validators.faulty_max + 1
        if sorted(set(signers)) != signers or len(signers) < least or signers[-1] >= len(validators):
            raise Invalid(Reason.NO_QUORUM, "too few")

    for module in (certificates, tally, safety):
        patch.setattr(module, "check_signers", check_signers)


def signatures_in_certificates_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    def check(
        certificate: Certificate, validators: ValidatorSet, chain_id: bytes, verify: object, known: dict[int, bytes]
    ) -> None:
        certificates.check_signers(validators, certificate.signatures)

    for module in (tally, proposals, replica):
        patch.setattr(module, "check_certificate", check)


def signatures_of_votes_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tally, "check_signature", lambda *_: None)


def votes_have_no_domain_tag(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(votes, "_TAGS", {kind: digest.prefix_of("vote") for kind in votes._TAGS})


def votes_of_other_views_count(patch: pytest.MonkeyPatch) -> None:
    """PREPAREs and COMMITs for one digest make a quorum, whatever their views."""

    def has_quorum(counts: Tally, vote: Any) -> bool:
        return len(_across(counts, vote)) >= counts._validators.quorum

    def certificate(counts: Tally, vote: Any) -> Certificate | None:
        found = _across(counts, vote)
        if len(found) < counts._validators.quorum:
            return None
        return Certificate(vote, tuple(sorted(found.items())[: counts._validators.quorum]))

    def _across(counts: Tally, vote: Any) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        for other, signers in counts._counted.items():
            if type(other) is type(vote) and (isinstance(vote, votes.Checkpoint) or other.digest == vote.digest):  # type: ignore[union-attr]
                found.update(signers)
        return found

    patch.setattr(Tally, "has_quorum", has_quorum)
    patch.setattr(Tally, "certificate", certificate)


def a_proposal_of_anybody_is_taken(patch: pytest.MonkeyPatch) -> None:
    def receive(self: Height, message: PrePrepare, clock_ms: int) -> None:
        self._add(height.signed_vote_of(message))
        self.seen = True
        if self.view == 0 and self._now.proposed is None and message.signer != self.own:
            self._now.proposal = message
            self._check(message.block)
            self._remember(message.block)
            self._now.proposed = height.Proposed(message.block, True)

    patch.setattr(Height, "receive_pre_prepare", receive)


# ------------------------------------------------------------------------------------------- rule 2: view changes


def view_changes_carry_no_certificate(patch: pytest.MonkeyPatch) -> None:
    def change_view(self: Height) -> None:
        if self.view > 0 and self._now.proposed is None and ViewChange not in self._now.asked:
            self._ask(SignRequest(ViewChange(self.number, self.view, None, None)))

    patch.setattr(Height, "_change_view", change_view)
    patch.setattr(safety, "_carries", lambda *_: True)


def what_is_prepared_is_forgotten_in_the_next_view(patch: pytest.MonkeyPatch) -> None:
    leave = Height._leave

    def leave_and_forget(self: Height, view: int) -> None:
        self.prepared = self._prepared_block = None
        leave(self, view)

    patch.setattr(Height, "_leave", leave_and_forget)
    patch.setattr(safety, "_carries", lambda *_: True)


def what_is_prepared_is_forgotten_at_a_restart(patch: pytest.MonkeyPatch) -> None:
    restore = Height.restore

    def restore_and_forget(self: Height, journal: list[Signed]) -> None:
        restore(self, journal)
        self.prepared = self._prepared_block = None

    patch.setattr(Height, "restore", restore_and_forget)
    patch.setattr(safety, "_carries", lambda *_: True)


def the_lowest_prepared_is_proposed_again(patch: pytest.MonkeyPatch) -> None:
    def lowest(changes: Sequence[ViewChangeMessage]) -> ViewChangeMessage | None:
        carrying = [change for change in changes if change.prepared is not None]
        return min(carrying, key=lambda change: view_changes._prepared_view(change.vote), default=None)

    patch.setattr(view_changes, "highest_prepared", lowest)
    patch.setattr(view_changes, "_check_choice", lambda *_: None)
    patch.setattr(safety, "_fault_of_new_view", lambda *_: None)


def nothing_prepared_is_proposed_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(view_changes, "highest_prepared", lambda _: None)
    patch.setattr(view_changes, "_check_choice", lambda *_: None)
    patch.setattr(safety, "_fault_of_new_view", lambda *_: None)


def a_new_view_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    """The primary of a view proposes what it likes; a lying one does."""
    patch.setattr(view_changes, "check_new_view", lambda *_: None)


def a_new_view_may_name_no_certificate(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(view_changes, "chosen", _any_changes)
    patch.setattr(view_changes, "_check_choice", lambda *_: None)
    patch.setattr(safety, "_fault_of_new_view", lambda *_: None)


def _any_changes(changes: Mapping[int, ViewChangeMessage], view: int, quorum: int) -> tuple[ViewChangeMessage, ...]:
    fitting = [change for change in changes.values() if change.vote.view == view]
    if len(fitting) < quorum:
        return ()
    fitting.sort(key=lambda change: (view_changes._prepared_view(change.vote), change.signer))
    return tuple(sorted(fitting[:quorum], key=lambda change: change.signer))


def prepared_certificates_of_view_changes_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(view_changes, "check_view_change", lambda message, counts: counts.check_signature(
        height.signed_vote_of(message)
    ))
    patch.setattr(view_changes, "check_new_view", lambda *_: None)


def the_view_is_inside_the_digest(patch: pytest.MonkeyPatch) -> None:
    """A block that is proposed again is another block."""
    propose = Height._propose

    def propose_another(self: Height, block: Block, fresh: bool) -> None:
        if not fresh:
            header = block.header
            block = make_block(
                chain_id=header.chain_id, height=header.height, parent=header.parent,
                parent_certificate=header.parent_certificate, timestamp_ms=header.timestamp_ms + self.view,
                proposer=header.proposer, entries=block.entries, validators_digest=header.validators_digest,
            )  # fmt: skip
        propose(self, block, fresh)

    patch.setattr(Height, "_propose", propose_another)
    patch.setattr(view_changes, "_check_choice", lambda *_: None)
    patch.setattr(safety, "fault_of_attachments", lambda *_: None)


# --------------------------------------------------------------------------------------------- rule 3: what is signed


def the_signer_allows_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(safety, "decide", lambda *_: safety.Allow())
    patch.setattr(Signer, "signed_above", lambda *_: ())


def a_view_change_is_no_barrier(patch: pytest.MonkeyPatch) -> None:
    """Having asked for a higher view, a replica goes on voting in the one before."""
    leave = Height._leave

    def stay(self: Height, view: int) -> None:
        if self._now.proposed is None:
            leave(self, view)
            return
        vote = ViewChange(self.number, view, None, None)
        self._outbox.signs.append(SignRequest(vote))

    patch.setattr(Height, "_leave", stay)
    patch.setattr(safety, "decide", lambda *_: safety.Allow())


def a_commit_needs_no_certificate(patch: pytest.MonkeyPatch) -> None:
    def commit(self: Height) -> None:
        if self._now.proposed is not None and Prepare in self._now.asked and Commit not in self._now.asked:
            block = self._now.proposed.block
            self._ask(SignRequest(Commit(self.number, self.view, block.digest), block))

    patch.setattr(Height, "_commit", commit)
    patch.setattr(safety, "fault_of_attachments", lambda *_: None)


def checkpoints_are_signed_without_memory(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(safety, "_decide_checkpoint", lambda *_: safety.Allow())
    one_node_executes_differently(patch)


def only_the_last_vote_is_recorded(patch: pytest.MonkeyPatch) -> None:
    recorded = safety.recorded

    def record_last(record: safety.Record, request: SignRequest, signature: bytes) -> safety.Record:
        after = recorded(record, request, signature)
        return replace(after, votes=after.votes[-1:], prepared=None)

    patch.setattr(safety, "recorded", record_last)
    patch.setattr(Signer, "signed_above", lambda *_: ())


# ------------------------------------------------------------------------------------------- rule 5, 11: bodies


def bodies_are_forgotten_once_prepared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Delivery, "bodies", _forgetful(Delivery.bodies))


def _forgetful(bodies: Callable[[Delivery, Block], list[Transaction] | None]) -> Any:
    seen: dict[tuple[int, bytes], int] = {}

    def once(self: Delivery, block: Block) -> list[Transaction] | None:
        key = id(self), block.digest
        seen[key] = seen.get(key, 0) + 1
        if block.entries and seen[key] > 3:
            for entry in block.entries:
                self._door._kept.pop(entry, None)
                self._door._pool.forget([entry[:32]])
        return bodies(self, block)

    return once


def missing_bodies_are_never_asked_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Delivery, "_ask", lambda *_: None)


def a_replica_prepares_what_it_does_not_hold(patch: pytest.MonkeyPatch) -> None:
    validate = Delivery.validate

    def answer_at_once(self: Delivery, validation: Any) -> None:
        self._answer(height_events().BlockAvailable(validation.block.digest))
        validate(self, validation)

    patch.setattr(Delivery, "validate", answer_at_once)
    missing_bodies_are_never_asked_for(patch)


def height_events() -> Any:
    from consensus import events

    return events


def a_block_is_not_checked_against_its_bodies(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(validity, "check_body", lambda *_: None)


def headers_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(height, "check_block", lambda *_: None)


def any_proposer_may_be_named(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ValidatorSet, "index_of", _first_for_strangers(ValidatorSet.index_of))


def _first_for_strangers(index_of: Callable[[ValidatorSet, bytes], int | None]) -> Any:
    from scripts.simulation import birth

    known = {birth.vote_key(birth.bank(index)).public for index in range(32)}

    def lenient(self: ValidatorSet, key: bytes) -> int | None:
        found = index_of(self, key)
        # Account and node keys of nobody: only what a liar invents.
        return self_primary() if found is None and key not in known else found

    def self_primary() -> int:
        return 0

    return lenient


def times_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(height, "is_timely", lambda *_: True)


def a_block_may_be_as_old_as_its_parent(patch: pytest.MonkeyPatch) -> None:
    check = proposals.check_block

    def without_time(block: Block, parent: Any, *rest: Any) -> None:
        check(block, replace(parent, timestamp_ms=0), *rest)

    patch.setattr(height, "check_block", without_time)


# ---------------------------------------------------------------------------------------------- rule 6: views move


def fewer_than_f_and_one_lead(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(view_changes, "led_to", lambda views, faulty_max: max(views, default=0))


def nobody_leads(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(view_changes, "led_to", lambda *_: 0)


def timeouts_double_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(view_changes, "VIEW_TIMEOUT_DOUBLINGS_MAX", 30)


def a_timer_fires_once_a_height(patch: pytest.MonkeyPatch) -> None:
    receive = Height.receive_timer

    def first_only(self: Height, timer: Timer) -> None:
        if timer.view == 0:
            receive(self, timer)

    patch.setattr(Height, "receive_timer", first_only)


def a_view_times_out_without_support(patch: pytest.MonkeyPatch) -> None:
    def enter(self: Height, view: int) -> None:
        self._stop_timer()
        self._now = ViewState(view, supported=True)

    patch.setattr(Height, "_enter", enter)


def what_is_proposed_again_must_be_timely(patch: pytest.MonkeyPatch) -> None:
    accept = Height._accept

    def judged(self: Height, block: Block, view: int, fresh: bool, clock_ms: int) -> None:
        if not fresh:
            bound_ms = 1_500
            if not proposals.is_timely(block.header.timestamp_ms, clock_ms, 0, bound_ms):
                raise Invalid(Reason.BAD_BLOCK, "too far from this clock")
        accept(self, block, view, fresh, clock_ms)

    patch.setattr(Height, "_accept", judged)


def idle_replicas_wait_for_ever(patch: pytest.MonkeyPatch) -> None:
    """Work that only the primary has not heard of moves nobody."""
    patch.setattr(Height, "_time", _seen_only(Height._time))


def _seen_only(time: Callable[[Height, Conditions], None]) -> Any:
    return lambda self, conditions: time(self, replace(conditions, work_pending=False))


# ------------------------------------------------------------------------------------- rule 7: nobody is left behind


def nothing_is_sent_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Replica, "_tick", lambda _: None)
    patch.setattr(Replica, "_greet", lambda *_: None)


def stragglers_are_not_answered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Stragglers, "answer", lambda *_: None)
    patch.setattr(catchup.CatchUp, "consider", lambda _: None)


def a_decision_of_another_view_is_refused(patch: pytest.MonkeyPatch) -> None:
    take = Replica._take_decided

    def own_view_only(self: Replica, block: Block, certificate: Certificate) -> None:
        if isinstance(certificate.vote, Commit) and certificate.vote.view != self.view:
            return
        take(self, block, certificate)

    patch.setattr(Replica, "_take_decided", own_view_only)


def decisions_are_taken_on_trust(patch: pytest.MonkeyPatch) -> None:
    def take(self: Replica, block: Block, certificate: Certificate) -> None:
        if block.height == self.height and self._height is not None and block.header.parent == self._parent_digest():
            self._decide(block, certificate)

    patch.setattr(Replica, "_take_decided", take)


def fetched_bodies_are_not_matched(patch: pytest.MonkeyPatch) -> None:
    """A peer's bodies are taken for those that the block lists, by their places."""

    def by_place(decided: DecidedBlock) -> tuple[Transaction, ...]:
        # Bodies are looked up by their own entries, so it takes more than leaving out the comparison.
        bodies = [transaction.decode(body) for body in decided.transactions]
        return tuple(replace(body, entry=entry) for body, entry in zip(bodies, decided.block.entries, strict=False))

    patch.setattr(catchup, "match", by_place)


def a_stalling_peer_is_waited_for(patch: pytest.MonkeyPatch) -> None:
    old_heights_come_by_block_sync_only(patch)
    patch.setattr(catchup, "ANSWER_TIMEOUT_MS", 10**9)


def old_heights_come_by_block_sync_only(patch: Any) -> None:
    """No bug; but whoever is told height by height catches up, whatever is wrong with fetching blocks."""
    answer = Stragglers.answer

    def newest_only(self: Stragglers, peer: str, number: int, decided: Decision | None) -> None:
        if decided is None or number == decided.block.height:
            answer(self, peer, number, decided)
        elif self._may_answer(peer, number):
            self._outbox.send(Inquiry(decided.block.height + 1, 0), peer)

    patch.setattr(Stragglers, "answer", newest_only)
    patch.setattr(stragglers, "INQUIRY_GAP_MAX", 0)


# --------------------------------------------------------------------------------------------- rule 8: who is primary


def primaries_follow_the_own_certificate(patch: pytest.MonkeyPatch) -> None:
    """Which view a block was decided in is taken from the certificate held here, not from the next header."""
    follow = replica.next_rotation

    def by_own(rotation: Rotation, block: Block, validators: ValidatorSet) -> Rotation:
        follows = follow(rotation, block, validators)
        mine = _OWN_VIEWS.get(block.digest)
        if mine is None:
            return follows
        order = follows.order
        return replace(follows, order=(*order[mine % len(order):], *order[: mine % len(order)]))

    decide = Replica._decide

    def remember(self: Replica, block: Block, certificate: Certificate) -> None:
        assert isinstance(certificate.vote, Commit)
        _OWN_VIEWS[block.digest] = certificate.vote.view + len(certificate.signatures) % 2 + (id(self) // 64) % 2
        decide(self, block, certificate)

    patch.setattr(Replica, "_decide", remember)
    patch.setattr(replica, "next_rotation", by_own)


_OWN_VIEWS: dict[bytes, int] = {}


# ------------------------------------------------------------------------------------------------ rule 9: checkpoints


def checkpoints_are_not_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Checkpoints, "_compare", lambda *_: None)
    one_node_executes_differently(patch)


def a_checkpoint_certificate_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    def take(self: Checkpoints, certificate: Certificate) -> None:
        if certificate.vote.height > self.floor and certificate.vote.height not in self._certificates:
            self._hold(certificate)

    patch.setattr(Checkpoints, "take_certificate", take)


def certified_heights_are_forgotten_at_a_restart(patch: pytest.MonkeyPatch) -> None:
    """And no peer says them again: agreement waits for ever behind the gate."""
    patch.setattr(Checkpoints, "restore", lambda *_: None)
    patch.setattr(Checkpoints, "answer", lambda *_: None)
    # The node's own CHECKPOINTs, sent again, would be answered with the certificates.
    patch.setattr(Checkpoints, "_answer_repeat", lambda *_: None)


def own_checkpoints_are_sent_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Checkpoints, "unsettled", lambda _: [])
    patch.setattr(Checkpoints, "answer", lambda *_: None)
    patch.setattr(checkpoints.Checkpoints, "_answer_repeat", lambda *_: None)


# --------------------------------------------------------------------------------------------------- rule 14, links


def evidence_of_what_is_none(patch: pytest.MonkeyPatch) -> None:
    """Two views' votes of an honest member are held against it."""
    contradict = evidence.contradict

    def too_strict(one: Any, other: Any) -> bool:
        if isinstance(one, Prepare) and isinstance(other, Prepare) and one.height == other.height:
            return one != other
        return contradict(one, other)

    patch.setattr(evidence, "contradict", too_strict)
    patch.setattr(height, "contradict", too_strict)
    patch.setattr(tally, "_view", lambda signed: 0 if isinstance(signed.vote, Prepare) else _view_of(signed))


def _view_of(signed: SignedVote) -> int:
    return 0 if isinstance(signed.vote, votes.Checkpoint) else signed.vote.view


def offences_of_one_count_for_all(patch: pytest.MonkeyPatch) -> None:
    barred = Offences.is_barred
    add = Offences.add
    patch.setattr(Offences, "is_barred", lambda self, member, now_ms: barred(self, "", now_ms))
    patch.setattr(Offences, "add", lambda self, member, count, now_ms: add(self, "", count, now_ms))


def the_world_is_taken_as_durable(patch: pytest.MonkeyPatch) -> None:
    """After a restart nothing is executed again, though the world state is not synced."""
    replay = start.replay

    def trusting(chain: Any, recovered: Any, history: Any, world_height: int) -> Any:
        return replay(chain, recovered, history, max(world_height, chain.height))

    patch.setattr(start, "replay", trusting)


def a_refused_body_is_never_taken(patch: pytest.MonkeyPatch) -> None:
    """What local policy refused once stays away, also when a block lists it."""
    patch.setattr(Door, "want", lambda *_: None)


def the_door_takes_what_no_block_may_list(patch: pytest.MonkeyPatch) -> None:
    """What a liar lists and a correct node fetches is proposed by correct primaries, too."""
    unchecked = SimpleNamespace(check_transaction=lambda *_: None, check_time=validity.check_time)
    patch.setattr(admission, "validity", unchecked)


def who_validated_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Once a set's time is over nothing tells who was in it."""
    patch.setattr(records, "validators_key", lambda first_height: b"nothing" if first_height else b"validators/")


def the_first_key_signs_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Signer, "_key_at", lambda self, height: self._key)


def a_set_is_in_force_a_height_late(patch: pytest.MonkeyPatch) -> None:
    find = ValidatorHistory.find
    patch.setattr(ValidatorHistory, "find", lambda self, height: find(self, height - 1))


PLANTS: tuple[Plant, ...] = tuple(
    found
    for name, found in list(globals().items())
    if callable(found)
    and not name.startswith("_")
    and getattr(found, "__module__", "") == __name__
    and getattr(found, "__annotations__", {}).get("patch") is pytest.MonkeyPatch
)
"""All of them."""
