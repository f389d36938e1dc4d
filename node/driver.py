"""The driver: one inbox, one turn at a time, between the core of agreement and the world.

``handle`` takes one event, lets the core step, and does what its ``Ready`` asks: persist before send, always. It
never waits; what takes time is asked of the seams and comes back as a later event. The simulator runs this very
code.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consensus import events as core
from consensus import messages
from consensus.replica import Replica
from node import seams
from node.admission import Admitted, Door
from node.agenda import Agenda
from node.catchup import CatchUp, Fetched
from node.chain import Chain
from node.delivery import Delivery
from node.gossip import Gossip
from node.guard import AmnesiaGuard
from node.history import ParameterHistory, ValidatorHistory
from node.journal import Journal
from node.offences import BARRED_SECONDS, OFFENCES, Offences
from node.pool import Pool
from node.pressure import Pressure
from node.proposing import Pace, Proposer
from node.quota import Quota
from node.recording import Recorder
from node.seams import Clock, Execution, Listener, Network, Verifier
from node.serving import Server
from node.signer import Signer
from node.timers import Timers
from p2p import bulk
from p2p.bulk import BulkKind
from state import codec, protocol
from state.block import Block
from state.certificate import Certificate
from state.errors import Invalid
from state.parameters import ChainParameters
from state.transaction import Transaction
from state.votes import Checkpoint

HEARTBEATS_MISSED = 2
"""After this many heartbeats without a block a replica takes it that there is work for its view timer."""

SCHEDULED_WORK = "scheduled work"
"""Name of the timer that runs until the next scheduled call is due."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a driver works with."""

    chain_id: bytes
    parameters: ChainParameters
    chain: Chain
    pool: Pool
    replica: Replica
    validators: ValidatorHistory
    signer: Signer | None
    """None for an observer."""
    executed_height: int
    next_due_ms: int | None
    """When the first scheduled call is to run, by the state after that height; None if none is."""
    quota: Quota
    """What one member's customers have of a block, by that state."""
    kept_bodies: Sequence[Transaction]
    """As ``start.kept_bodies`` gives them."""
    clock: Clock
    network: Network
    journal: Journal
    verifier: Verifier
    execution: Execution
    listener: Listener
    pace: Pace
    is_restored: bool = False
    """Whether what was signed may be missing in the journal (node/restored.py)."""
    limits: ParameterHistory | None = None
    """The parameters by height; None for those of genesis, until a vote changes them."""


class Driver:
    """Runs one node's agreement."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._chain = parts.chain
        self._replica = parts.replica
        self._executed_height = parts.executed_height
        self._executing: dict[int, Block] = {}
        self._verifications: dict[int, Callable[[Sequence[bool]], None]] = {}
        self._next_verification = 0
        self._had_work = False
        self.is_halted = False
        self.rejected_count = 0
        self.bad_signature_count = 0
        self._offences = Offences()
        self.timers = Timers(parts.clock)
        self.limits = parts.limits or ParameterHistory(parts.parameters)
        self.pressure = Pressure(parts.clock, self.depth)
        self.door = Door(
            parts.chain_id,
            self.limits,
            parts.chain,
            parts.pool,
            self._verify,
            self._admitted,
            self.pressure.level,
        )
        self.door.keep(parts.kept_bodies)
        self.delivery = Delivery(
            self.limits, parts.chain, self.door, parts.network, self.timers, self._replica.step, self._deliver
        )
        self.recorder = Recorder(
            parts.journal, parts.signer, parts.chain, parts.validators, self.timers, self.delivery.bodies
        )
        self._agenda = Agenda(
            parts.clock, parts.next_due_ms, lambda: not self._executing and self.delivery.undelivered == 0
        )
        self._watched_ms: int | None = None
        self._server = Server(parts.chain, self.door, parts.network, parts.clock)
        self.proposer = Proposer(
            parts.chain_id,
            self.limits,
            parts.pace,
            parts.pool,
            parts.clock,
            self.timers,
            self._agenda,
            parts.quota,
            lambda: self.delivery.undelivered == 0,
            self._propose,
        )
        self._gossip = Gossip(parts.clock, parts.network, self.timers, parts.pool)
        self.catch_up = CatchUp(parts.clock, parts.network, self.timers, self._next_height)
        self.is_restored = parts.is_restored
        self.abstains_until: int | None = None
        """Nothing is signed until this height is decided; None while peers have not said enough."""
        self._guard = None
        if parts.signer is not None:
            self._guard = AmnesiaGuard(parts.signer, parts.validators, is_restored=parts.is_restored)
        self._handlers: dict[type, Callable[..., None]] = {
            seams.PeerJoined: self._peer_joined,
            seams.PeerLeft: self._peer_left,
            seams.BulkUp: self._bulk_up,
            seams.VoteFrame: self._vote_frame,
            seams.BulkFrame: self._bulk_frame,
            seams.Submitted: self._submitted,
            seams.Verified: self._verified,
            seams.Synced: self._synced,
            seams.Executed: self._executed,
            seams.TimerFired: self.timers.fired,
            seams.Failed: self._failed,
        }

    # ---------------------------------------------------------------------------------------------- the turn

    def start(self) -> None:
        """The first turn: say what was signed before, ask what was missed, wait for work."""
        self._ask_guard(None, b"")
        self._watch_heartbeat()
        self._turn()

    def handle(self, event: seams.Event) -> None:
        """One event, one turn.

        :raises Corrupt: storage or execution failed; the process must end at once.
        """
        if self.is_halted:
            return
        self._handlers[type(event)](event)
        self._turn()

    def newest_vote(self, member: str) -> bytes:
        """Newest vote of ``member`` that this node holds, for the handshake after its restart; empty for none."""
        signed = self._replica.newest_votes().get(member)
        return b"" if signed is None else codec.pack(signed.to_value())

    @property
    def executed_height(self) -> int:
        """Newest executed height."""
        return self._executed_height

    @property
    def view(self) -> int:
        """View of the height that is being decided."""
        return self._replica.view

    @property
    def target_height(self) -> int:
        """Highest height that more validators than may lie say is decided; a single liar never makes a node behind."""
        validators = self._parts.validators.find(self._next_height())
        if validators is None:
            return 0
        members = [validator.member for validator in validators.validators]
        return self.catch_up.target_height(members, validators.faulty_max)

    def depth(self) -> int:
        """Transactions that are not final here yet: what stands before one that comes in now."""
        executing = sum(len(block.entries) for block in self._executing.values())
        return len(self._parts.pool) + self.door.verifying_count + executing

    def waiting(self) -> dict[str, int]:
        """How much of each kind is under way here: nothing, once the network is idle."""
        return {
            "pending transactions": len(self._parts.pool),
            "verifications": len(self._verifications),
            "kept bodies": self.door.kept_count,
            "searches": self.delivery.search_count,
            "undelivered blocks": self.delivery.undelivered,
            "fetched blocks": self.catch_up.fetched_count,
        }

    def _turn(self) -> None:
        if self.is_halted:
            return
        self._watch_schedule()
        self._report_work()
        self.proposer.consider()
        while (ready := self._replica.ready()) is not core.NOTHING:
            self._apply(ready)
            if self.is_halted:
                return
            self._feed()
            self._report_work()

    def _apply(self, ready: core.Ready) -> None:
        if ready.halt is not None:
            self._halt(ready.halt)
            return
        for decision in ready.decided:
            self.proposer.decided()
            self.delivery.decided(decision, self._signers(decision.certificate))
        self.recorder.sign(ready.sign)
        for outgoing in ready.send:
            self._parts.network.send_vote(outgoing.to, messages.encode(outgoing.message))
        for certificate in ready.certified:
            self._chain.put_checkpoint(certificate)
            self._parts.listener.certified(certificate.vote.height)
        for timer in ready.cancel_timers:
            self.timers.cancel(_name(timer))
        for wanted in ready.set_timers:
            self._set_timer(wanted)
        for validation in ready.validate:
            self.delivery.validate(validation)
        if ready.propose is not None:
            self.proposer.want(ready.propose)
        for behind in ready.behind:
            self.catch_up.claim(behind.peer, behind.height - 1)
        for request in ready.decided_wanted:
            self._server.decided(request.peer, request.height, self._next_height())
        self._report(ready)

    def _halt(self, halt: core.Halt) -> None:
        """The last thing that this node does: keep what convicts others, and let all know what it has decided."""
        self.is_halted = True
        if halt.last_word is not None:
            self._parts.network.send_vote(None, messages.encode(halt.last_word))
        for evidence in halt.evidence:
            self._chain.put_evidence(evidence.height, evidence.encode())
        self._parts.listener.halted(halt)

    def _report(self, ready: core.Ready) -> None:
        for evidence in ready.evidence:
            encoded = evidence.encode()
            self._chain.put_evidence(evidence.height, encoded)
            self._parts.listener.evidence(encoded)
            self._parts.listener.log(logging.ERROR, "evidence of a double vote", height=evidence.height)
        for rejected in ready.rejected:
            self.rejected_count += 1
            self._parts.listener.log(logging.WARNING, rejected.detail, peer=rejected.peer)
            if rejected.peer is not None and rejected.reason in OFFENCES:
                self._offended(rejected.peer)

    # --------------------------------------------------------------------------------- decided and executed

    def _deliver(self, decision: core.Decision, transactions: list[Transaction]) -> None:
        block = decision.block
        self.recorder.decided(decision)
        encoded = [transaction.encoded for transaction in transactions]
        self._chain.append(block, decision.certificate, encoded, decision.rotation.encode())
        self._parts.pool.forget(block.transaction_ids())
        if self.limits.at(block.height + 1) != self.limits.at(block.height):
            # What waits and can't be listed any more would be work that no block ever does.
            dropped = self._parts.pool.retain(self.limits.at(block.height + 1), block.header.timestamp_ms)
            self._parts.listener.log(logging.WARNING, "the chain's parameters have changed", dropped=len(dropped))
        self._executing[block.height] = block
        self._parts.execution.execute(block, transactions)
        expired = self._parts.pool.expire(block.header.timestamp_ms)
        if expired:
            self._parts.listener.expired(expired)
        self.recorder.appended()

    def _synced(self, event: seams.Synced) -> None:
        for answer in self.recorder.synced(event.token):
            self._replica.step(answer)

    def _executed(self, event: seams.Executed) -> None:
        block = self._executing.pop(event.height)
        self._executed_height = event.height
        self.pressure.executed(len(block.entries))
        outcome = event.outcome
        self._agenda.executed(block.header.timestamp_ms, event.next_due_ms)
        self._parts.quota.executed(event.quota, event.payer_banks)
        self.limits.executed(event.height, event.parameters)
        self._parts.validators.executed(event.height, outcome.validators)
        self._chain.put_outcome(event.height, outcome)
        checkpoint = Checkpoint(
            event.height, block.digest, outcome.state_root, outcome.receipts_root, outcome.validators.digest
        )
        self._replica.step(core.Executed(checkpoint, outcome.validators))
        self._parts.listener.executed(block, event)
        version = self.limits.at(event.height + 1).protocol_version
        if not protocol.is_known(version):
            self.is_halted = True
            self._parts.listener.outdated(event.height + 1, version)
            return
        self._feed()

    # ------------------------------------------------------------------------------------------------ peers

    def _peer_joined(self, event: seams.PeerJoined) -> None:
        self._replica.step(core.PeerConnected(event.member))
        self._ask_guard(event.member, event.newest_vote, event.height)
        self.catch_up.claim(event.member, event.height)

    def _peer_left(self, event: seams.PeerLeft) -> None:
        self.catch_up.left(event.member)

    def _bulk_up(self, event: seams.BulkUp) -> None:
        self.catch_up.heard_from_now(event.member)

    def _ask_guard(self, member: str | None, newest_vote: bytes, decided_height: int = 0) -> None:
        if self._guard is None:
            return
        known_height = min(self._next_height(), self._executed_height + self._parts.parameters.execution_lag)
        allowed = self._guard.joined(member, newest_vote, known_height, decided_height)
        if allowed is not None:
            self.abstains_until = allowed
            if allowed and self._parts.is_restored:
                self._parts.listener.log(
                    logging.WARNING, "restored: abstaining until what was signed before cannot matter", until=allowed
                )
            elif allowed:
                self._parts.listener.log(
                    logging.ERROR, "peers hold newer votes of this node than its own record: abstaining", until=allowed
                )
            self._replica.step(core.SigningAllowed(allowed))

    def _vote_frame(self, event: seams.VoteFrame) -> None:
        if self._is_barred(event.member):
            return
        try:
            message = messages.decode(event.payload)
        except Invalid as error:
            self._reject(event.member, error)
            return
        self._replica.step(core.Received(message, event.member, self._parts.clock.now_ms()))

    def _bulk_frame(self, event: seams.BulkFrame) -> None:
        if self._is_barred(event.member):
            return
        try:
            self._bulk(event)
        except Invalid as error:
            self._reject(event.member, error)

    def _bulk(self, event: seams.BulkFrame) -> None:
        if event.kind == BulkKind.TRANSACTIONS:
            self.door.receive(event.member, bulk.decode_transactions(event.payload), self._parts.clock.now_ms())
        elif event.kind == BulkKind.GET_BODIES:
            self._server.bodies(event.member, bulk.decode_get_bodies(event.payload))
        elif event.kind == BulkKind.GET_BLOCKS:
            self._server.blocks(event.member, *bulk.decode_get_blocks(event.payload))
        elif event.kind == BulkKind.BLOCKS:
            self._check_fetched(event.member, self.catch_up.answered(event.member, event.payload))
        elif event.kind == BulkKind.PRUNED:
            self._pruned(event.member, bulk.decode_pruned(event.payload))

    def _reject(self, member: str, error: Invalid) -> None:
        self.rejected_count += 1
        self._parts.listener.log(logging.WARNING, f"a message was refused: {error}", peer=member)
        if error.reason in OFFENCES:
            self._offended(member)

    def _is_barred(self, member: str) -> bool:
        """Whether what still waits of that member is not looked at any more."""
        return self._offences.is_barred(member, self._parts.clock.monotonic_ms())

    def _offended(self, member: str, count: int = 1) -> None:
        """Count what no correct member sends; with too much of it the member is not heard for a while."""
        if self._offences.add(member, count, self._parts.clock.monotonic_ms()):
            self._parts.listener.log(logging.ERROR, "a member attacks: its links are cut for a while", peer=member)
            self._parts.network.bar(member, "too many bad messages", BARRED_SECONDS)

    # ------------------------------------------------------------------------------------------- catching up

    def _pruned(self, peer: str, first_height: int) -> None:
        self.catch_up.pruned(peer, first_height)
        if self.catch_up.pruned_below:
            self._parts.listener.log(
                logging.ERROR,
                "no peer keeps the next block any more: link with an archive node, or begin again from a snapshot "
                "(docs/operations.md)",
                next=self._next_height(),
                kept_from=self.catch_up.pruned_below,
            )

    def _check_fetched(self, peer: str, fetched: list[Fetched]) -> None:
        def checked(valid: Sequence[bool]) -> None:
            if all(valid):
                self.catch_up.add(fetched)
                self._feed()
            else:
                self._parts.listener.log(logging.ERROR, "a block with a bad signature in it", peer=peer)
                self.catch_up.pass_over(peer)

        self._verify([transaction for item in fetched for transaction in item.transactions], checked)

    def _feed(self) -> None:
        """Give the core what was fetched, as far as validator sets are known."""
        while (item := self.catch_up.next(self._executed_height, self._parts.parameters.execution_lag)) is not None:
            height = self._next_height()
            self.door.keep(item.transactions)
            self._replica.step(core.SyncedBlock(item.decided.block, item.decided.certificate, item.peer))
            self._apply(self._replica.ready())
            if self.is_halted:
                return
            if self._next_height() == height:
                self.catch_up.pass_over(item.peer)
                return
        self.catch_up.consider()

    # ------------------------------------------------------------------------------------------ transactions

    def _submitted(self, event: seams.Submitted) -> None:
        self.door.submit(event.token, event.transactions, self._parts.clock.now_ms())

    def _verify(self, transactions: Sequence[Transaction], then: Callable[[Sequence[bool]], None]) -> None:
        self._next_verification += 1
        self._verifications[self._next_verification] = then
        self._parts.verifier.verify(self._next_verification, transactions)

    def _verified(self, event: seams.Verified) -> None:
        self._verifications.pop(event.token)(event.valid)

    def _admitted(self, admitted: Admitted) -> None:
        self.bad_signature_count += admitted.bad_signatures
        if admitted.peer is not None and admitted.offences:
            self._offended(admitted.peer, admitted.offences)
        if admitted.token is not None:
            self._gossip.spread(admitted.transactions)
            refused = (result for result in admitted.results if result.refused is not None)
            self._gossip.remember(result.transaction_id for result in refused if result.transaction_id)
            self._parts.listener.admitted(admitted.token, admitted.results)
        self.delivery.arrived(admitted.wanted)

    # ------------------------------------------------------------------------------------------ small things

    def _propose(self, proposal: core.ProposalReady) -> None:
        self.door.missing(proposal.block)
        self._replica.step(proposal)

    def _report_work(self) -> None:
        has_work = (
            len(self._parts.pool) > 0
            or self._agenda.wait_ms() == 0
            or self.proposer.is_overdue(HEARTBEATS_MISSED)
        )
        if has_work != self._had_work:
            self._had_work = has_work
            self._replica.step(core.WorkChanged(has_work))

    def _watch_heartbeat(self) -> None:
        """Wakes the driver now and then, so that a primary who owes a heartbeat is noticed."""
        self.timers.set("watch heartbeat", max(self._parts.pace.heartbeat_ms, 1), self._watch_heartbeat)

    def _watch_schedule(self) -> None:
        """Wakes the driver when scheduled work falls due: then it is work like any other, and somebody owes a block."""
        wait_ms, due_ms = self._agenda.wait_ms(), self._agenda.next_due_ms
        if not wait_ms or wait_ms > self._parts.pace.heartbeat_ms:
            return  # Later than the next look anyway.
        if due_ms != self._watched_ms or not self.timers.is_running(SCHEDULED_WORK):
            self._watched_ms = due_ms
            self.timers.set(SCHEDULED_WORK, wait_ms, lambda: None)

    def _set_timer(self, wanted: core.SetTimer) -> None:
        timer = wanted.timer

        def expired() -> None:
            if timer.kind is core.TimerKind.VIEW:
                self._gossip.stalled()
            self._replica.step(core.TimerExpired(timer))

        self.timers.set(_name(timer), wanted.timeout_ms, expired)

    def _signers(self, certificate: Certificate) -> list[str]:
        validators = self._parts.validators.at(certificate.vote.height).validators
        return [validators[index].member for index, _ in certificate.signatures]

    def _next_height(self) -> int:
        return self._replica.height

    def _failed(self, event: seams.Failed) -> None:
        self.is_halted = True
        raise event.error


def _name(timer: core.Timer) -> str:
    return f"{timer.kind.value} {timer.height} {timer.view}"
