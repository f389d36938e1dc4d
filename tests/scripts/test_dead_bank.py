"""One dead validator of four at one offered rate, on whole nodes in virtual time: what its death costs the others.

The rate is low for a reason: a view change takes half a second, so what is on its way then is late, and whether such
payments are more than one in a hundred depends on how many heights lie between two of them (64, 128, … 2,048).
"""

from dataclasses import dataclass

import pytest

from node import seams
from scripts.simulation import birth
from scripts.simulation.machine import Machine
from scripts.simulation.network import SimulatedNetwork, Weather
from scripts.simulation.timeline import Timeline
from state.block import Block

COUNT = 4
LINK_MS_MAX = 5
"""Delay of a frame: banks of one city."""


class Watcher:
    """When each transaction became final at each machine."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.final_ms: dict[tuple[str, bytes], int] = {}

    def executed(self, machine: Machine, block: Block, event: seams.Executed) -> None:
        for identity in block.transaction_ids():
            self.final_ms.setdefault((machine.name, identity), self._timeline.now_ms)

    def sent(self, machine: Machine, event: seams.VoteFrame | seams.BulkFrame) -> None: ...

    def noted(self, machine: Machine, what: str) -> None: ...


@dataclass(frozen=True)
class Told:
    """What a run came to."""

    heights: int
    changed: list[int]
    """Heights that were not decided in view 0."""
    finality_ms: list[int]
    """From a client's sending to final at the bank that it sent to, ascending, after the first 2n heights."""
    quiet_ms: list[int]
    """The same without those whose height changed view."""

    def percentile(self, percent: int) -> int:
        return self.finality_ms[len(self.finality_ms) * percent // 100]


def play(is_dead: bool, gap_ms: int, duration_ms: int) -> Told:
    """Payments at random times, ``gap_ms`` apart on average, to the three banks that are up in either case."""
    timeline = Timeline(1)
    network, watcher = SimulatedNetwork(timeline), Watcher(timeline)
    network.weather = Weather(delay_ms_max=LINK_MS_MAX)
    names = [birth.bank(index) for index in range(COUNT)]
    machines = [Machine(name, name, COUNT, timeline, network, watcher) for name in names]
    network.machines = machines
    for machine in machines[: COUNT - is_dead]:
        machine.boot()
    timeline.run(600)
    clients, sent, end_ms = timeline.chance("clients"), dict[tuple[str, bytes], int](), timeline.now_ms + duration_ms

    def pay() -> None:
        if timeline.now_ms < end_ms:
            machine = clients.choice(machines[: COUNT - 1])
            transaction = birth.payment(clients, COUNT, birth.GENESIS_MS + timeline.now_ms)
            sent[machine.name, transaction.id] = timeline.now_ms
            machine.deliver(seams.Submitted(1, (transaction.encoded,)), machine.life)
            timeline.after(clients.randint(1, 2 * gap_ms), pay)

    pay()
    timeline.run(duration_ms + 5_000)
    views, heights = list[int](), dict[bytes, int]()
    for decided in machines[0].chain.blocks(1):
        views.append(decided.certificate.vote.view)  # type: ignore[union-attr]
        heights |= dict.fromkeys(decided.block.transaction_ids(), decided.block.height)
    changed = [height for height, view in enumerate(views, 1) if view]
    took = [
        (watcher.final_ms[key] - sent_ms, heights[key[1]])
        for key, sent_ms in sent.items()
        if heights[key[1]] > 2 * COUNT
    ]
    return Told(
        len(views),
        changed,
        sorted(ms for ms, _ in took),
        sorted(ms for ms, height in took if not {height, height - 1} & set(changed)),
    )


def few_view_changes(told: Told) -> bool:
    """After 2n heights at most one in any 100."""
    after = [height for height in told.changed if height > 2 * COUNT]
    return all(sum(first <= height < first + 100 for height in after) <= 1 for first in range(told.heights))


def test_a_dead_bank_costs_a_view_change_now_and_then_and_nothing_between() -> None:
    """300 heights with a payment a second. Both ways each payment is final; but for those that met a view change,
    as fast as with everybody alive."""
    alive, dead = play(False, 1_000, 300_000), play(True, 1_000, 300_000)
    assert (alive.changed, dead.changed) == ([], [3, 67, 195])
    assert few_view_changes(dead)
    assert len(dead.finality_ms) - len(dead.quiet_ms) <= len(dead.finality_ms) // 50
    p99_ms = dead.quiet_ms[len(dead.quiet_ms) * 99 // 100]
    assert p99_ms <= 1.2 * alive.percentile(99), (p99_ms, alive.percentile(99))
    assert dead.percentile(50) <= 1.2 * alive.percentile(50)
    assert dead.finality_ms[-1] < 1_000


@pytest.mark.full
def test_p99_with_a_dead_bank_is_at_most_a_fifth_more() -> None:
    """Ten payments a second for 3,800 heights."""
    alive, dead = play(False, 100, 400_000), play(True, 100, 400_000)
    assert alive.changed == []
    assert few_view_changes(dead)
    assert dead.heights > 3_000
    assert dead.percentile(99) <= 1.2 * alive.percentile(99), (dead.percentile(99), alive.percentile(99))
