"""When a block is proposed, and what is in it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from consensus.events import ProposalReady, ProposalWanted
from node import proposing
from node.agenda import Agenda
from node.history import ParameterHistory
from node.pool import Pool
from node.proposing import Pace, Proposer
from node.quota import Quota
from node.timers import Timers
from state.digest import NO_DIGEST
from state.parameters import ChainParameters
from state.transaction import Transaction
from tests.node.bench import BANKS, CHAIN_ID, GENESIS_MS, PARAMETERS, ManualClock, payments

PACE = Pace(pace_ms=20, heartbeat_ms=1_000)
WORK = payments(3)


def wanted(*, urgent: bool = False, parent_timestamp_ms: int = GENESIS_MS) -> ProposalWanted:
    return ProposalWanted(
        height=1,
        view=0,
        parent=NO_DIGEST,
        parent_certificate=None,
        parent_timestamp_ms=parent_timestamp_ms,
        validators_digest=BANKS.digest,
        proposer=BANKS.validators[0].vote_key,
        urgent=urgent,
    )


class Turn:
    """A proposer with its pool, and what it proposed at what time."""

    def __init__(
        self, is_settled: Callable[[], bool] = lambda: True, parameters: ChainParameters = PARAMETERS
    ) -> None:
        self.clock = ManualClock()
        self.timers = Timers(self.clock)
        self.pool = Pool()
        self.made: list[tuple[int, list[bytes]]] = []
        self.proposals: list[ProposalReady] = []
        self.agenda = Agenda(self.clock, None, lambda: True)
        self.quota = Quota()
        self.proposer = Proposer(
            CHAIN_ID,
            ParameterHistory(parameters),
            PACE,
            self.pool,
            self.clock,
            self.timers,
            self.agenda,
            self.quota,
            is_settled,
            self._propose,
        )

    def pass_ms(self, duration_ms: int) -> None:
        self.clock.pass_ms(self.timers, duration_ms, self.proposer.consider)

    def fill(self, transactions: list[Transaction]) -> None:
        for transaction in transactions:
            self.pool.add(transaction)

    def _propose(self, proposal: ProposalReady) -> None:
        self.proposals.append(proposal)
        self.made.append((self.clock.time_ms, list(proposal.block.entries)))


@pytest.mark.parametrize(
    ("has_work", "urgent", "at_ms"),
    [(True, False, 20), (False, False, 1_000), (True, True, 0), (False, True, 0)],
    ids=["pace", "heartbeat", "urgent with work", "urgent without"],
)
def test_a_proposal_comes_when_it_is_due(has_work: bool, urgent: bool, at_ms: int) -> None:
    turn = Turn()
    turn.fill(WORK if has_work else [])
    turn.proposer.want(wanted(urgent=urgent))
    turn.pass_ms(5_000)
    assert turn.made == [(at_ms, [transaction.entry for transaction in (WORK if has_work else [])])]


@pytest.mark.parametrize(
    ("due_ms", "at_ms"),
    [(-50, 20), (5, 20), (20, 20), (300, 300), (999, 999), (1_001, 1_000), (None, 1_000)],
    ids=["overdue", "due within the pace", "at the pace", "later", "before the heartbeat", "after it", "nothing"],
)
def test_scheduled_work_is_proposed_when_it_is_due(due_ms: int | None, at_ms: int) -> None:
    turn = Turn()
    turn.agenda.executed(GENESIS_MS, None if due_ms is None else GENESIS_MS + due_ms)
    turn.proposer.want(wanted())
    turn.pass_ms(5_000)
    assert turn.made == [(at_ms, [])]
    if due_ms is not None and due_ms < 1_000:
        assert turn.proposals[0].block.header.timestamp_ms >= GENESIS_MS + due_ms


def test_what_blocks_on_their_way_may_have_run_makes_no_block() -> None:
    turn, is_current = Turn(), [False]
    turn.agenda = Agenda(turn.clock, GENESIS_MS, lambda: is_current[0])
    turn.proposer._agenda = turn.agenda
    turn.proposer.want(wanted())
    turn.pass_ms(500)
    assert turn.made == []
    is_current[0] = True
    turn.proposer.consider()
    assert turn.made == [(500, [])]


def test_time_is_the_chains_where_it_is_ahead_of_the_clock() -> None:
    agenda = Agenda(ManualClock(), GENESIS_MS + 400, lambda: True)
    assert agenda.wait_ms() == 400
    agenda.executed(GENESIS_MS + 300, GENESIS_MS + 400)
    assert agenda.wait_ms() == 99
    agenda.executed(GENESIS_MS + 399, GENESIS_MS + 400)
    assert agenda.wait_ms() == 0


def test_under_load_blocks_are_fewer_and_leave_the_newest_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposing, "PROPOSED_WHOLE", 1)
    for least, at_ms in ((4, 40), (3, 150)):
        monkeypatch.setattr(proposing, "PACES_MS", ((least, 150), (3, 40)))
        turn = Turn()
        turn.fill(WORK)
        turn.proposer.want(wanted())
        turn.pass_ms(5_000)
        assert turn.made == [(at_ms, [WORK[0].entry])]


@pytest.mark.parametrize(
    "most",
    [
        {"block_transactions_max": 3},
        {"block_bytes_max": sum(len(item.encoded) for item in WORK)},
        {"block_fuel_max": sum(item.body.fuel_limit for item in WORK)},
    ],
    ids=["number", "bytes", "fuel"],
)
def test_a_block_that_can_grow_no_more_does_not_wait(monkeypatch: pytest.MonkeyPatch, most: dict[str, int]) -> None:
    monkeypatch.setattr(proposing, "PACES_MS", ((1, 150),))
    turn = Turn(parameters=replace(PARAMETERS, **most))
    turn.fill(WORK[:2])
    turn.proposer.want(wanted())
    turn.pass_ms(30)
    assert turn.made == []
    turn.fill(WORK[2:])
    turn.pass_ms(0)
    turn.pass_ms(5_000)
    assert [at_ms for at_ms, _ in turn.made] == [30]


def test_work_that_comes_while_waiting_for_the_heartbeat_is_proposed_at_once() -> None:
    turn = Turn()
    turn.proposer.want(wanted())
    turn.pass_ms(300)
    turn.fill(WORK)
    turn.pass_ms(0)
    turn.pass_ms(5_000)
    assert turn.made == [(300, [transaction.entry for transaction in WORK])]


def test_a_turn_that_becomes_urgent_is_answered_at_once() -> None:
    turn = Turn()
    turn.proposer.want(wanted())
    turn.pass_ms(5)
    turn.proposer.want(wanted(urgent=True))
    assert turn.made == [(5, [])]


def test_a_decision_voids_what_was_wanted_and_starts_the_waiting_anew() -> None:
    turn = Turn()
    turn.fill(WORK)
    turn.proposer.want(wanted())
    turn.pass_ms(15)
    turn.proposer.decided()
    turn.pass_ms(5_000)
    assert turn.made == []
    turn.proposer.decided()
    turn.proposer.want(wanted())
    turn.pass_ms(19)
    assert turn.made == []
    turn.pass_ms(1)
    assert [at_ms for at_ms, _ in turn.made] == [5_035]


def test_nothing_is_proposed_while_a_decided_block_is_not_in_the_chain() -> None:
    settled = [False]
    turn = Turn(lambda: settled[0])
    turn.fill(WORK)
    turn.proposer.want(wanted(urgent=True))
    turn.pass_ms(5_000)
    assert turn.made == []
    settled[0] = True
    turn.pass_ms(0)
    assert [at_ms for at_ms, _ in turn.made] == [5_000]


def test_the_block_is_later_than_its_parent_and_says_what_was_wanted() -> None:
    turn = Turn()
    turn.proposer.want(wanted(urgent=True, parent_timestamp_ms=GENESIS_MS + 7_000))
    (proposal,) = turn.proposals
    header = proposal.block.header
    assert (proposal.height, proposal.view) == (1, 0)
    assert (header.height, header.parent, header.timestamp_ms) == (1, NO_DIGEST, GENESIS_MS + 7_001)
    assert (header.proposer, header.validators_digest) == (BANKS.validators[0].vote_key, BANKS.digest)


def test_a_heartbeat_is_overdue_after_a_while() -> None:
    turn = Turn()
    turn.pass_ms(1_999)
    assert (turn.proposer.is_overdue(1), turn.proposer.is_overdue(2)) == (True, False)
    turn.pass_ms(1)
    assert turn.proposer.is_overdue(2)
    turn.proposer.decided()
    assert not turn.proposer.is_overdue(1)
