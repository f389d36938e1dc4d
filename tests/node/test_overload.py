"""Twice what a network carries is offered to it, in virtual time: what it takes in is final soon, the rest is told."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from node import seams
from node.pressure import WAIT_MS_MAX
from scripts.simulation import birth, machine
from scripts.simulation.machine import Machine
from scripts.simulation.network import SimulatedNetwork
from scripts.simulation.timeline import Timeline
from state.block import Block
from state.errors import Reason

BLOCK_TRANSACTIONS = 25
"""So few in a block that about half of what is offered is what the network carries."""

OFFERED_PER_SECOND = 900
LOAD_MS = 6_000
BATCH_MS = 20
FINAL_MS_MAX = WAIT_MS_MAX + 800
"""Estimates err, and what came last into a long pool is proposed a block later."""


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(birth, "PARAMETERS", replace(birth.PARAMETERS, block_transactions_max=BLOCK_TRANSACTIONS))
    for cached in ("genesis", "genesis_rows", "validators"):
        monkeypatch.setattr(birth, cached, getattr(birth, cached).__wrapped__)


class Load:
    """Four banks' machines and their clients, who send in turns and note when each transaction was sent and final."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.timeline = Timeline(1)
        network = SimulatedNetwork(self.timeline)
        members = [birth.bank(index) for index in range(4)]
        self.machines = [Machine(name, name, 4, self.timeline, network, self) for name in members]
        network.machines = self.machines
        self.made: dict[bytes, tuple[int, str]] = {}
        """When each was sent, and to whose machine."""
        self.accepted: set[bytes] = set()
        self.waits_ms: dict[bytes, int] = {}
        self.refused: dict[Reason, int] = {}
        self._clients = random.Random(1)
        self._token = 0
        monkeypatch.setattr(machine._Listener, "admitted", lambda _, token, results: self.admitted(results))
        for each in self.machines:
            each.boot()
        self.timeline.run(2_000)

    def offer(self, for_ms: int) -> None:
        for step in range(for_ms // BATCH_MS):
            self.send(self.machines[step % 4], OFFERED_PER_SECOND * BATCH_MS // 1_000)
            self.timeline.run(BATCH_MS)

    def send(self, to: Machine, count: int) -> None:
        now_ms = birth.GENESIS_MS + self.timeline.now_ms
        made = [birth.payment(self._clients, 4, now_ms) for _ in range(count)]
        self.made.update({item.id: (self.timeline.now_ms, to.name) for item in made})
        self._token += 1
        to.deliver(seams.Submitted(self._token, tuple(item.encoded for item in made)), to.life)

    def admitted(self, results: Sequence[seams.Admission]) -> None:
        for result in results:
            if result.refused is None:
                assert result.transaction_id is not None
                self.accepted.add(result.transaction_id)
            else:
                self.refused[result.refused.reason] = self.refused.get(result.refused.reason, 0) + 1

    # What a run's watcher is told.

    def executed(self, at: Machine, block: Block, event: seams.Executed) -> None:
        for identity in block.transaction_ids():
            sent_ms, name = self.made[identity]
            if at.name == name:
                self.waits_ms[identity] = self.timeline.now_ms - sent_ms

    def sent(self, at: Machine, event: seams.VoteFrame | seams.BulkFrame) -> None:
        pass

    def noted(self, at: Machine, what: str) -> None:
        pass


@pytest.mark.usefixtures("small_blocks")
def test_at_twice_the_load_what_is_accepted_is_final_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(monkeypatch)
    load.offer(LOAD_MS)
    carried = len(load.waits_ms) * 1_000 // LOAD_MS
    load.timeline.run(3 * FINAL_MS_MAX)
    waits = sorted(load.waits_ms.values())
    assert load.accepted == set(load.waits_ms)
    assert OFFERED_PER_SECOND * 0.35 < carried < OFFERED_PER_SECOND * 0.65
    assert waits[-1] <= FINAL_MS_MAX
    assert load.refused.keys() == {Reason.BUSY}
    assert load.refused[Reason.BUSY] + len(load.accepted) == len(load.made)
