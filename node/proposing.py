"""Proposing: a block as soon as there is work and the pace allows, or a heartbeat when there is none.

Work is what waits in the pool, and scheduled calls that have fallen due.

Pace and heartbeat are this node's own policy: they decide when it proposes, never what is valid.
"""

from collections.abc import Callable
from dataclasses import dataclass

from consensus.events import ProposalReady, ProposalWanted
from node.agenda import Agenda
from node.history import ParameterHistory
from node.pool import Pool
from node.quota import Quota
from node.seams import Clock
from node.timers import Timers
from state import protocol
from state.block import Block, make_block

PROPOSED_WHOLE = 256
"""A pool of so many is proposed whole, of a longer one the older half: others may still be verifying the newest."""

PACES_MS = ((512, 150), (256, 80), (128, 40))
"""(Pending, pace): with so many the pace is at least so slow, unless they fill a block. A block costs each node some ms
beside its transactions, so fewer and larger ones carry more, and leave the processor to what else must be on time. What
gathers at one pace, and arrives while its block is agreed on, stays below the next step: so a hiccup passes."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Local policy."""

    pace_ms: int = 20
    """Shortest time between two of this node's decisions and its next proposal: lets transactions gather."""
    heartbeat_ms: int = 10_000
    """Longest time without a block, so that block time moves on and idle nodes show that they live."""


class Proposer:
    """Makes the blocks of this node's turns."""

    def __init__(
        self,
        chain_id: bytes,
        limits: ParameterHistory,
        pace: Pace,
        pool: Pool,
        clock: Clock,
        timers: Timers,
        agenda: Agenda,
        quota: Quota,
        is_settled: Callable[[], bool],
        propose: Callable[[ProposalReady], None],
    ) -> None:
        """:param is_settled: whether every decided block is in the chain, so that the pool holds nothing decided."""
        self._chain_id = chain_id
        self._limits = limits
        self._pace = pace
        self._pool = pool
        self._clock = clock
        self._timers = timers
        self._agenda = agenda
        self._quota = quota
        self._is_settled = is_settled
        self._propose = propose
        self._wanted: ProposalWanted | None = None
        self._decided_at_ms = clock.monotonic_ms()

    def is_overdue(self, heartbeats: int) -> bool:
        """Whether the last decision is that many heartbeats ago: somebody owes a block."""
        return self._clock.monotonic_ms() - self._decided_at_ms >= heartbeats * self._pace.heartbeat_ms

    def decided(self) -> None:
        """A height is decided: what was wanted for it is void, and the waiting starts anew."""
        self._decided_at_ms = self._clock.monotonic_ms()
        self._wanted = None

    def want(self, wanted: ProposalWanted) -> None:
        """It is this node's turn."""
        self._wanted = wanted
        self.consider()

    def consider(self) -> None:
        """Propose if it is time; else see to it that it is considered again when it may be. Called in every turn."""
        wanted = self._wanted
        if wanted is None or not self._is_settled():
            return
        if not protocol.is_known(self._limits.at(wanted.height).protocol_version):
            return  # The node ends before that height.
        waited_ms = self._clock.monotonic_ms() - self._decided_at_ms
        wait_ms = 0 if wanted.urgent else self._wait_ms(wanted.height, waited_ms)
        if wait_ms > 0:
            self._timers.set("propose", wait_ms, self.consider)
            return
        self._wanted = None
        self._propose(ProposalReady(wanted.height, wanted.view, self._make(wanted)))

    def _wait_ms(self, height: int, waited_ms: int) -> int:
        """How long until the next block is due, by what is pending; ``waited_ms`` have passed since a decision."""
        pending, pace = len(self._pool), self._pace
        if not pending:
            heartbeat_ms, scheduled_ms = pace.heartbeat_ms - waited_ms, self._agenda.wait_ms()
            if scheduled_ms is None:
                return heartbeat_ms
            return min(heartbeat_ms, max(scheduled_ms, pace.pace_ms - waited_ms))
        if self._pool.fills(self._limits.at(height)):
            return pace.pace_ms - waited_ms  # Waiting longer would make the block no larger.
        slower_ms = next((slow_ms for count, slow_ms in PACES_MS if pending >= count), 0)
        return max(pace.pace_ms, slower_ms) - waited_ms

    def _make(self, wanted: ProposalWanted) -> Block:
        timestamp_ms = max(self._clock.now_ms(), wanted.parent_timestamp_ms + 1)
        parameters = self._limits.at(wanted.height)
        taken = self._pool.take(
            timestamp_ms,
            parameters.transaction_window_ms,
            min(parameters.block_transactions_max, max(PROPOSED_WHOLE, len(self._pool) // 2)),
            parameters.block_bytes_max,
            parameters.block_fuel_max,
            self._quota.allowance(),
            parameters.transaction_fuel_max,
        )
        return make_block(
            chain_id=self._chain_id,
            height=wanted.height,
            parent=wanted.parent,
            parent_certificate=wanted.parent_certificate,
            timestamp_ms=timestamp_ms,
            proposer=wanted.proposer,
            entries=[transaction.entry for transaction in taken],
            validators_digest=wanted.validators_digest,
            protocol_version=parameters.protocol_version,
        )
