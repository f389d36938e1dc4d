"""What must hold in every run (I1 to I7 of the fault catalogue): checked as it goes, and at its end."""

from collections.abc import Callable

from consensus.messages import Message, NewViewMessage, SignedMessage, signed_vote_of
from contracts.reads import Reads
from node import seams
from scripts.simulation import birth, sharing
from scripts.simulation.audit import Audit, Violated
from scripts.simulation.chronicle import Chronicle
from scripts.simulation.frames import message_of
from scripts.simulation.machine import Machine
from scripts.simulation.movement import HEIGHTS_REMEMBERED, Movement, view_changes_of
from scripts.simulation.sets import Sets
from scripts.simulation.timeline import Timeline
from state import votes
from state.block import Block
from state.errors import Invalid
from state.evidence import Evidence, contradict
from state.transaction import Transaction
from state.votes import Commit, NewView, Prepare, Proposal, SignedVote, ViewChange, Vote

CLOCK_MS_MAX = birth.PARAMETERS.clock_bound_ms + 15_000
"""A block's time is at most so far ahead: the bound, and the worst that a clock is off in these runs."""

OPENINGS_REMEMBERED = 2_000

VOTES_REMEMBERED_HEIGHTS = 64
"""Votes of one member are compared with its votes of so many heights before."""


class Invariants:
    """Watches every machine of a run.

    :param faulty: the member that lies or runs twice; it may contradict itself, nobody else may.
    """

    def __init__(self, count: int, faulty: str | None, chronicle: Chronicle, timeline: Timeline) -> None:
        self._timeline = timeline
        self.sets = Sets(count)
        self._faulty = faulty
        self._chronicle = chronicle
        self._blocks: dict[int, bytes] = {}
        self._outcomes: dict[int, tuple[bytes, bytes]] = {}
        self._final: dict[bytes, tuple[int, str]] = {}
        self._openings: dict[tuple[int, int, bytes], list[NewViewMessage]] = {}
        self._votes: dict[tuple[str, int], list[SignedVote]] = {}
        self._movement = Movement()
        self._audit = Audit(count, faulty, self.sets)
        self.witness: Callable[[Message], None] = lambda message: None
        """Told every message of agreement that leaves an honest machine."""
        self.newest_height = 0
        """Newest height that is final anywhere."""
        self.newest_opener = ""
        """Who sent the last NEW-VIEW."""

    def executed(self, machine: Machine, block: Block, event: seams.Executed) -> None:
        """I1, I3 and I4 at one machine's newly final block."""
        height = block.height
        if self._blocks.setdefault(height, block.digest) != block.digest:
            raise Violated(f"I1: {machine.name} has another block final at {height}")
        ahead_ms = block.header.timestamp_ms - birth.GENESIS_MS - self._timeline.now_ms
        if ahead_ms > CLOCK_MS_MAX:
            raise Violated(f"T1: block {height} is {ahead_ms} ms ahead of the clocks")
        outcome = event.outcome.state_root, event.outcome.receipts_root
        if self._outcomes.setdefault(height, outcome) != outcome:
            raise Violated(f"I4: {machine.name} has another state at {height}")
        if not self.sets.executed(height, event.outcome.validators):
            raise Violated(f"N12: {machine.name} has other validators after {height}")
        for transaction_id, code in zip(block.transaction_ids(), event.codes, strict=True):
            if self._final.setdefault(transaction_id, (height, code)) != (height, code):
                raise Violated(f"I3: {transaction_id.hex()} is final twice")
        if height > self.newest_height:
            self.newest_height = height
            self._chronicle.say(machine.name, f"first to have {height} final, {len(block.entries)} transactions")

    def sent(self, machine: Machine, event: seams.VoteFrame | seams.BulkFrame) -> None:
        """I2: no correct validator signs two contradictory votes, or lets one go that its disk could forget."""
        self._chronicle.sent(machine.name, event.payload)
        if not isinstance(event, seams.VoteFrame):
            return
        try:
            message = message_of(event)
        except Invalid as error:
            raise Violated(f"{machine.name} sent what cannot be read: {error}") from error
        assert message is not None
        self._remember_opening(message)
        if machine.member == self._faulty:
            self._note_view_changes(message)
        else:
            self.witness(message)
        if not isinstance(message, SignedMessage) or machine.member == self._faulty:
            return
        validators = self.sets.at(message.height)
        if validators is None:
            raise Violated(f"N12: {machine.name} sent {message.vote}, and nobody knows who validates that height")
        if validators.validators[message.signer].member != machine.member:
            return  # passed on, as evidence against its signer
        signed = signed_vote_of(message)
        known = self._votes.setdefault((machine.member, signed.height), [])
        if signed in known:
            return
        if signed.vote not in machine.disk.durable_votes:
            raise Violated(f"I2: {machine.member} sent {signed.vote} before its record was durable")
        for earlier in known:
            if contradict(earlier.vote, signed.vote):
                raise Violated(f"I2: {machine.member} signed {earlier.vote} and {signed.vote}")
        if isinstance(signed.vote, Prepare) and signed.vote.view > 0:
            self._check_opening(machine, signed.vote)
        if isinstance(signed.vote, ViewChange):
            if not self._movement.is_allowed(signed, len(validators)):
                raise Violated(f"S6: {machine.name} asks for {signed.vote}, and fewer than f+1 led it there")
            self._movement.note(signed)
        known.append(signed)
        self._votes.pop((machine.member, signed.height - VOTES_REMEMBERED_HEIGHTS), None)
        self._tell_vote(machine, signed.vote)

    def twisted(self, event: seams.Event) -> None:
        """What a liar sends."""
        try:
            message = message_of(event)
        except Invalid:
            return
        self._remember_opening(message)
        self._note_view_changes(message)

    def barred(self, machine: Machine, member: str) -> None:
        """P8: who sends what a correct member sends is heard."""
        if member != self._faulty:
            raise Violated(f"P8: {machine.name} bars {member}, who did nothing")

    def _note_view_changes(self, message: Message | None) -> None:
        """Of a liar or a twin, as far as the signatures are right."""
        for item in view_changes_of(message):
            is_near = item.height <= self.newest_height + HEIGHTS_REMEMBERED // 2
            if is_near and self._signs(item.signer, item.vote, item.signature):
                self._movement.note(item)

    def _signs(self, index: int, statement: Vote, signature: bytes) -> bool:
        known = self.sets.at(statement.height)
        validators = () if known is None else known.validators
        key = validators[index].vote_key if index < len(validators) else b""
        return bool(key) and sharing.verify(key, votes.signing_payload(statement, birth.CHAIN_ID), signature)

    def _remember_opening(self, message: Message | None) -> None:
        if isinstance(message, NewViewMessage):
            vote = message.vote
            known = self.sets.at(vote.height)
            validators = () if known is None else known.validators
            self.newest_opener = validators[message.signer].member if message.signer < len(validators) else ""
            self._openings.setdefault((vote.height, vote.view, vote.digest), []).append(message)
            if len(self._openings) > OPENINGS_REMEMBERED:
                del self._openings[next(iter(self._openings))]

    def _check_opening(self, machine: Machine, vote: Prepare) -> None:
        """Rule 2, by plain counting: what a correct member prepares in a later view is what it had to."""
        found = self._openings.get((vote.height, vote.view, vote.digest), [])
        if not any(self._is_justified(message) for message in found):
            raise Violated(f"S2: {machine.name} prepared {vote} in a view that was not opened so")

    def _is_justified(self, message: NewViewMessage) -> bool:
        validators = self.sets.at(message.height)
        if validators is None:
            return False
        quorum = (len(validators) + (len(validators) - 1) // 3 + 2) // 2
        signers, highest, digest = set(), -1, None
        for item in message.view_changes:
            change = item.vote
            fits = isinstance(change, ViewChange) and (change.height, change.view) == (
                message.vote.height,
                message.vote.view,
            )
            if not fits or not self._signs(item.signer, change, item.signature):
                return False
            assert isinstance(change, ViewChange)
            signers.add(item.signer)
            if change.prepared_view is not None and change.prepared_view > highest:
                highest, digest = change.prepared_view, change.prepared_digest
        if len(signers) < quorum:
            return False
        if digest is None:
            return True
        prepare = Prepare(message.vote.height, highest, digest)
        shown = () if message.prepared is None else message.prepared.signatures
        prepared_by = {index for index, signature in shown if self._signs(index, prepare, signature)}
        return digest == message.block.digest and len(prepared_by) >= quorum

    def noted(self, machine: Machine, what: str) -> None:
        """A line for the chronicle."""
        self._chronicle.say(machine.name, what)

    def is_final(self, transaction_id: bytes) -> bool:
        """Whether some machine has it final."""
        return transaction_id in self._final

    def settle(self, machines: list[Machine]) -> None:
        """At the end, with everything healed and quiet: everybody has everything, once, and money is conserved."""
        honest = [machine for machine in machines if machine.member != self._faulty]
        for machine in honest:
            self._check_chain(machine)
            self._check_world(machine)
            self._check_evidence(machine)
            self._audit.check(machine, machines)
        self._audit.replay(honest[0])

    def _check_chain(self, machine: Machine) -> None:
        if machine.chain.height < self.newest_height:
            raise Violated(f"I6: {machine.name} is at {machine.chain.height}, others at {self.newest_height}")
        for transaction_id, (height, _) in self._final.items():
            place = machine.chain.place(transaction_id)
            if place is None or place[0] != height:
                raise Violated(f"I3: {machine.name} lost {transaction_id.hex()}, final at {height}")

    def _check_world(self, machine: Machine) -> None:
        world = machine.executor.world
        known = self._outcomes.get(world.height)
        if known is not None and known[0] != world.root:
            raise Violated(f"I4: {machine.name} has another root at {world.height}")
        for fault in Reads(machine.executor).faults():
            raise Violated(f"I5: {machine.name}: {fault}")

    def unrest(self, machine: Machine) -> dict[str, int]:
        """What a machine has under way; nothing once it is idle (I7: what a spell of work took up is given back)."""
        assert machine.driver is not None
        if machine.member == self._faulty:
            return {}
        waiting = machine.driver.waiting()
        if machine.member not in [validator.member for validator in self.sets.newest.validators]:
            waiting["pending transactions"] -= sum(map(self._is_liars, machine.pending()))
        if self._faulty is not None:  # It may propose at any moment what nobody can find; that ends with the height.
            waiting["searches"] = waiting["kept bodies"] = 0
        return waiting if any(waiting.values()) else {}

    def _is_liars(self, transaction: Transaction) -> bool:
        """A liar may show an observer, who proposes nothing, what it shows nobody else: that waits until it expires."""
        is_its_own = self._faulty is not None and transaction.body.sender == birth.address(self._faulty)
        return is_its_own and not self.is_final(transaction.id)

    def _check_evidence(self, machine: Machine) -> None:
        """N3: evidence convinces anyone, and names nobody who did nothing."""
        for encoded in machine.chain.evidence():
            evidence = Evidence.decode(encoded)
            validators = self.sets.at(evidence.height)
            assert validators is not None
            guilty = evidence.check(validators, birth.CHAIN_ID, sharing.verify)
            if guilty != self._faulty:
                raise Violated(f"{machine.name} accuses {guilty}, who did nothing")

    def _tell_vote(self, machine: Machine, vote: Vote) -> None:
        if isinstance(vote, Prepare | Commit):
            return
        view = f", view {vote.view}" if not hasattr(vote, "state_root") else ""
        named = f", block {vote.digest.hex()[:8]}" if isinstance(vote, Proposal | NewView) else ""
        self._chronicle.say(machine.name, f"{type(vote).__name__} {vote.height}{view}{named}")
