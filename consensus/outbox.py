"""Collects what a turn asks for, until ``drain`` makes a ``Ready`` of it."""

from consensus.events import (
    NOTHING,
    Behind,
    DecidedWanted,
    Decision,
    Halt,
    Outgoing,
    ProposalWanted,
    Ready,
    Rejected,
    SetTimer,
    Timer,
    Validation,
)
from consensus.messages import Message
from consensus.safety import SignRequest
from state.certificate import Certificate
from state.errors import Invalid
from state.evidence import Evidence


class Outbox:
    """The open turn. Bounded by what one event can cause, and drained each turn."""

    def __init__(self) -> None:
        self.halt: Halt | None = None
        self._reset()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for."""
        return self.halt is None and not (
            self.signs
            or self.sends
            or self.timers
            or self.validations
            or self.decisions
            or self.certified
            or self.proposal
            or self.behind
            or self.decided_wanted
            or self.evidence
            or self.rejected
        )

    def _reset(self) -> None:
        self.signs: list[SignRequest] = []
        self.sends: list[Outgoing] = []
        self.validations: list[Validation] = []
        self.proposal: ProposalWanted | None = None
        self.decisions: list[Decision] = []
        self.certified: list[Certificate] = []
        self.timers: dict[Timer, int | None] = {}
        self.behind: list[Behind] = []
        self.decided_wanted: list[DecidedWanted] = []
        self.evidence: list[Evidence] = []
        self.rejected: list[Rejected] = []

    def send(self, message: Message, to: str | None = None) -> None:
        """Send to a member, or to everyone."""
        self.sends.append(Outgoing(to, message))

    def set_timer(self, timer: Timer, timeout_ms: int) -> None:
        """Start a timer, or start it over."""
        self.timers[timer] = timeout_ms

    def cancel_timer(self, timer: Timer) -> None:
        """Stop a timer."""
        self.timers[timer] = None

    def reject(self, peer: str | None, error: Invalid) -> None:
        """Note who sent what could not be taken."""
        self.rejected.append(Rejected(peer, error.reason, str(error)))

    def drain(self) -> Ready:
        """Everything since the last call. Once halted, only that: nothing is signed or sent any more."""
        if self.is_empty:
            return NOTHING
        if self.halt is not None:
            self._reset()
            return Ready(halt=self.halt)
        ready = Ready(
            sign=tuple(self.signs),
            send=tuple(self.sends),
            validate=tuple(self.validations),
            propose=self.proposal,
            decided=tuple(self.decisions),
            certified=tuple(self.certified),
            set_timers=tuple(SetTimer(timer, ms) for timer, ms in self.timers.items() if ms is not None),
            cancel_timers=tuple(timer for timer, ms in self.timers.items() if ms is None),
            behind=tuple(self.behind),
            decided_wanted=tuple(self.decided_wanted),
            evidence=tuple(self.evidence),
            rejected=tuple(self.rejected),
        )
        self._reset()
        return ready
