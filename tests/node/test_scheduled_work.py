"""Scheduled work makes its own blocks: with nothing submitted, whoever is down, and after every node has restarted."""

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from contracts.genesis_state import GenesisContract, GenesisState
from contracts.kernel import schedule
from contracts.reads import Reads
from node import seams
from scripts.simulation import birth, machine
from scripts.simulation.machine import Machine
from scripts.simulation.network import SimulatedNetwork
from scripts.simulation.timeline import Timeline
from state.block import Block
from state.transaction import Call

REMINDER = """
from hansa import action, ctx, emit, ledger, require

@action
def remind(text: str, due_ms: int) -> int:
    return ledger.schedule("tell", text, due_ms, 100_000, 0, 0)

@action
def tell(text: str) -> None:
    require(ctx.sender == ctx.contract, "not_by_itself")
    emit("Told", text=text)
    if text.startswith("every "):
        ledger.schedule("tell", text, ctx.time_ms + int(text[6:]), 100_000, 0, 0)
"""
HEARTBEAT_MS = 30_000
"""So long that no heartbeat falls on what these tests wait for."""

LATE_MS_MAX = 150
"""From a call's time to its block's, with everybody up: the pace, and a timer's resolution."""

REPLACED_MS_MAX = 3_000
"""The same while the primary is down: a view timeout or two more."""


@dataclass
class Watcher:
    """What the machines do."""

    runs: list[tuple[str, int, int, tuple[str, ...]]]
    """Machine, height, the block's ms since genesis, codes of its scheduled runs."""
    heights: dict[str, int]

    def executed(self, machine: Machine, block: Block, event: seams.Executed) -> None:
        self.heights[machine.name] = event.height
        if event.run_codes:
            after_ms = block.header.timestamp_ms - birth.GENESIS_MS
            self.runs.append((machine.name, event.height, after_ms, event.run_codes))

    def sent(self, machine: Machine, event: seams.VoteFrame | seams.BulkFrame) -> None: ...

    def noted(self, machine: Machine, what: str) -> None: ...


class Banks:
    """Four validators and an observer in virtual time."""

    def __init__(self) -> None:
        self.timeline = Timeline(1)
        self.network = SimulatedNetwork(self.timeline)
        self.watcher = Watcher([], {})
        names = [*(birth.bank(index) for index in range(4)), birth.OBSERVER]
        self.machines = [Machine(name, name, 4, self.timeline, self.network, self.watcher) for name in names]
        self.network.machines = self.machines
        for node in self.machines:
            node.boot()
        self.timeline.run(600)

    def remind(self, text: str, after_ms: int) -> None:
        """The agent schedules a call at that time after genesis; final at all nodes when this returns."""
        due_ms = birth.GENESIS_MS + after_ms
        transaction = birth._send(
            self.timeline.chance("clients"),
            birth.AGENT,
            Call("reminder", 1, "remind", [text, due_ms]),
            birth.GENESIS_MS + self.timeline.now_ms + birth.VALID_MS,
        )
        node = next(node for node in self.machines if node.is_up)
        node.deliver(seams.Submitted(1, (transaction.encoded,)), node.life)
        self.timeline.run(400)
        for node in self.machines:
            place = node.chain.place(transaction.id)
            assert place is not None
            assert Reads(node.executor).receipt(*place).is_ok

    def run_until(self, after_ms: int) -> None:
        self.timeline.run(after_ms - self.timeline.now_ms)


@pytest.fixture
def banks(monkeypatch: pytest.MonkeyPatch) -> Banks:
    def with_reminder(count: int) -> GenesisState:
        state = genesis(count)
        return replace(state, contracts=(*state.contracts, GenesisContract("reminder", REMINDER)))

    genesis = birth.genesis
    monkeypatch.setattr(birth, "genesis", with_reminder)
    monkeypatch.setattr(birth, "genesis_rows", birth.genesis_rows.__wrapped__)
    monkeypatch.setattr(machine, "HEARTBEAT_MS", HEARTBEAT_MS)
    return Banks()


def test_a_call_runs_at_the_first_block_past_its_time_with_nothing_submitted(banks: Banks) -> None:
    banks.remind("rent", 8_000)
    before = dict(banks.watcher.heights)
    banks.run_until(7_999)
    assert banks.watcher.heights == before
    banks.run_until(9_000)
    ((height, at_ms, codes),) = {entry[1:] for entry in banks.watcher.runs}
    assert {name for name, *_ in banks.watcher.runs} == {node.name for node in banks.machines}
    assert codes == ("ok",)
    assert 8_000 <= at_ms <= 8_000 + LATE_MS_MAX
    assert set(banks.watcher.heights.values()) == {height}, "one block for one call, and then it is quiet"
    for node in banks.machines:
        reads = Reads(node.executor)
        (entry,) = reads.events((height, 0, 0), contract="reminder").entries
        assert (entry.event.name, entry.is_scheduled) == ("Told", True)
        assert reads.run_place(schedule.run_id(birth.CHAIN_ID, 1, 1)) == (height, 0)


def test_what_schedules_itself_goes_on(banks: Banks) -> None:
    banks.remind("every 1000", 3_000)
    banks.run_until(8_500)
    at = sorted({at_ms for _, _, at_ms, _ in banks.watcher.runs})
    assert len(at) in (5, 6)
    assert all(1_000 <= later - earlier <= 1_000 + LATE_MS_MAX for earlier, later in pairwise(at))


@pytest.mark.parametrize("down", range(4))
def test_a_dead_primary_is_replaced_when_work_falls_due(banks: Banks, down: int) -> None:
    banks.remind("rent", 8_000)
    banks.run_until(7_000)
    banks.machines[down].crash(power=False)
    banks.run_until(12_000)
    ((at_ms, codes),) = {(at_ms, codes) for _, _, at_ms, codes in banks.watcher.runs}
    assert codes == ("ok",)
    assert 8_000 <= at_ms <= 8_000 + REPLACED_MS_MAX
    assert len(banks.watcher.runs) == 4


def test_after_a_restart_it_is_still_known(banks: Banks) -> None:
    banks.remind("rent", 8_000)
    for node in banks.machines:
        node.crash(power=False)
    banks.run_until(7_000)
    for node in banks.machines:
        node.boot()
    banks.run_until(12_000)
    ((at_ms, codes),) = {(at_ms, codes) for _, _, at_ms, codes in banks.watcher.runs}
    assert codes == ("ok",)
    assert 8_000 <= at_ms <= 8_000 + REPLACED_MS_MAX


def test_what_fell_due_while_all_were_down_runs_when_they_are_back(banks: Banks) -> None:
    banks.remind("rent", 8_000)
    for node in banks.machines:
        node.crash(power=True)
    banks.run_until(20_000)
    for node in banks.machines:
        node.boot()
    banks.run_until(24_000)
    assert {codes for _, _, _, codes in banks.watcher.runs} == {("ok",)}
    assert {at_ms for _, _, at_ms, _ in banks.watcher.runs}.pop() >= 20_000
