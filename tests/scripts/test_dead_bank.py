"""One dead validator of four at one offered rate, on whole nodes in virtual time: what its death costs the others.

A view change takes half a second, and what is on its way then is late: its turn must not come again while it is dead.
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
    led: list[int]
    """Heights whose block the bank proposed that is dead, or was."""
    finality_ms: list[int]
    """From a client's sending to final at the bank that it sent to, ascending, after the first 2n heights."""

    def percentile(self, percent: int) -> int:
        return self.finality_ms[len(self.finality_ms) * percent // 100]


def play(
    is_dead: bool,
    gap_ms: int,
    duration_ms: int,
    link_ms_max: int = LINK_MS_MAX,
    restart_ms: int | None = None,
    seed: int = 1,
) -> Told:
    """Payments at random times, ``gap_ms`` apart on average, to the three banks that are up in either case.

    :param restart_ms: when the dead bank comes up after all.
    """
    timeline = Timeline(seed)
    network, watcher = SimulatedNetwork(timeline), Watcher(timeline)
    network.weather = Weather(delay_ms_max=link_ms_max)
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
    if restart_ms is not None:
        timeline.after(restart_ms, machines[-1].boot)
    timeline.run(duration_ms + 5_000)
    views, heights, led = list[int](), dict[bytes, int](), list[int]()
    for decided in machines[0].chain.blocks(1):
        views.append(decided.certificate.vote.view)  # type: ignore[union-attr]
        if decided.block.header.proposer == birth.vote_key(machines[-1].member).public:
            led.append(decided.block.height)
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
        led,
        sorted(ms for ms, _ in took),
    )


def few_view_changes(told: Told) -> bool:
    """After 2n heights at most one in any 100."""
    after = [height for height in told.changed if height > 2 * COUNT]
    return all(sum(first <= height < first + 100 for height in after) <= 1 for first in range(told.heights))


def test_a_dead_bank_costs_one_view_change_and_no_time() -> None:
    """Three payments a second: a thousand of them, so that the p99 is not two or three of them."""
    alive, dead = play(False, 300, 300_000), play(True, 300, 300_000)
    assert (alive.changed, dead.changed) == ([], [3])
    assert len(dead.finality_ms) > 900
    assert dead.percentile(50) <= 1.2 * alive.percentile(50)
    assert dead.percentile(99) <= 1.2 * alive.percentile(99), (dead.percentile(99), alive.percentile(99))
    assert dead.finality_ms[-1] < 150


def test_it_leads_again_soon_after_it_is_back() -> None:
    """Up again at about height 100, the bank's bench is over: its turn is due as soon as it has caught up and voted."""
    told = play(True, 1_000, 150_000, restart_ms=100_000)
    assert told.changed == [3]
    assert told.led
    assert 100 < told.led[0] <= 112
    assert len(told.led) >= (told.heights - told.led[0]) // 4


@pytest.mark.full
@pytest.mark.parametrize(
    ("gap_ms", "link_ms_max", "duration_ms", "runs"),
    [(100, 5, 400_000, 1), (1_000, 5, 2_200_000, 1), (100, 20, 400_000, 1), (100, 20, 27_000, 10)],
)
def test_p99_with_a_dead_bank_is_at_most_a_fifth_more(
    gap_ms: int, link_ms_max: int, duration_ms: int, runs: int
) -> None:
    """Near and far banks, few and more payments, long runs, and the first 260 heights after a death ten times: of 260
    payments alone the slowest two or three would say."""
    finality_ms: dict[bool, list[int]] = {False: [], True: []}
    for seed in range(runs):
        for is_dead, together in finality_ms.items():
            told = play(is_dead, gap_ms, duration_ms, link_ms_max, seed=seed + 1)
            assert few_view_changes(told)
            assert told.changed == ([height for height in (3, 2051) if height <= told.heights] if is_dead else [])
            assert told.heights > duration_ms // gap_ms * 0.8
            together += told.finality_ms
    p99_ms = {is_dead: sorted(together)[len(together) * 99 // 100] for is_dead, together in finality_ms.items()}
    assert p99_ms[True] <= 1.2 * p99_ms[False], p99_ms
