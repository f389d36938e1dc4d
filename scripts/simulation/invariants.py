"""What must hold in every run, checked as it goes and at its end (I1 to I6 of the fault catalogue)."""

from consensus import messages
from consensus.evidence import contradict
from consensus.messages import SignedMessage, SignedVote, signed_vote_of
from contracts.reads import Reads
from node import seams
from scripts.simulation.machine import Machine
from state.block import Block
from state.errors import Invalid
from state.votes import Checkpoint

VOTES_REMEMBERED_HEIGHTS = 64


class Violated(Exception):
    """An invariant does not hold."""


class Invariants:
    """Watches every machine of a run.

    :param twins: members that run twice; they may contradict themselves, nobody else may.
    """

    def __init__(self, twins: frozenset[str]) -> None:
        self._twins = twins
        self._blocks: dict[int, bytes] = {}
        self._outcomes: dict[int, tuple[bytes, bytes]] = {}
        self._final: dict[bytes, tuple[int, str]] = {}
        self._votes: dict[tuple[str, int], list[SignedVote]] = {}
        self.newest_height = 0
        self.decided_views: dict[int, int] = {}
        self.notes: list[str] = []

    def executed(self, machine: Machine, block: Block, event: seams.Executed) -> None:
        """I1, I3 and I4 at one machine's newly final block."""
        height = block.height
        if self._blocks.setdefault(height, block.digest) != block.digest:
            raise Violated(f"I1: {machine.name} has another block final at {height}")
        outcome = event.outcome.state_root, event.outcome.receipts_root
        if self._outcomes.setdefault(height, outcome) != outcome:
            raise Violated(f"I4: {machine.name} has another state at {height}")
        for transaction_id, code in zip(block.transaction_ids(), event.codes, strict=True):
            if self._final.setdefault(transaction_id, (height, code)) != (height, code):
                raise Violated(f"I3: {transaction_id.hex()} is final twice")
        self.newest_height = max(self.newest_height, height)

    def voted(self, machine: Machine, payload: bytes) -> None:
        """I2: no correct validator signs two contradictory votes, in whatever life."""
        if machine.member in self._twins:
            return
        try:
            message = messages.decode(payload)
        except Invalid as error:
            raise Violated(f"{machine.name} sent what cannot be read: {error}") from error
        if not isinstance(message, SignedMessage):
            return
        vote = signed_vote_of(message)
        known = self._votes.setdefault((machine.member, vote.height), [])
        if vote in known:
            return
        for earlier in known:
            if contradict(earlier.vote, vote.vote):
                raise Violated(f"I2: {machine.member} signed {earlier.vote} and {vote.vote}")
        known.append(vote)
        if not isinstance(vote.vote, Checkpoint):
            self._votes.pop((machine.member, vote.height - VOTES_REMEMBERED_HEIGHTS), None)

    def noted(self, machine: Machine, message: str, facts: dict[str, object]) -> None:
        """Keep the newest log lines, for a trace."""
        self.notes.append(f"{machine.name}: {message} {facts}")
        del self.notes[:-200]

    def settle(self, machines: list[Machine], submitted: list[bytes], down: int) -> None:
        """At the end, with everything healed: everybody has everything, once, and money is conserved."""
        honest = [machine for machine in machines if machine.member not in self._twins and machine.is_up]
        if len(honest) + down < len({machine.member for machine in machines}) - len(self._twins):
            raise Violated("a machine that should be up is down")
        for machine in honest:
            if machine.chain.height < self.newest_height:
                raise Violated(f"I6: {machine.name} is at {machine.chain.height}, others at {self.newest_height}")
            for transaction_id, (height, _) in self._final.items():
                place = machine.chain.place(transaction_id)
                if place is None or place[0] != height:
                    raise Violated(f"I3: {machine.name} lost {transaction_id.hex()}, final at {height}")
            for audit in Reads(machine.executor).audit():
                if not audit.is_sound:
                    raise Violated(f"I5: {machine.name}: {audit}")
        self._check_states(honest)

    def is_final(self, transaction_id: bytes) -> bool:
        """Whether some machine has it final."""
        return transaction_id in self._final

    def _check_states(self, honest: list[Machine]) -> None:
        for machine in honest:
            world = machine.executor.world
            known = self._outcomes.get(world.height)
            if known is not None and known[0] != world.root:
                raise Violated(f"I4: {machine.name} has another root at {world.height}")
