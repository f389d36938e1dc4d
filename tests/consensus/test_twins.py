"""Twins, enumerated: one bank runs twice with one key, and every schedule of leaders and partitions is played.

A schedule says for each of the first views who leads it and how the nodes are parted while it lasts; then everything
heals. What twins do apart from each other covers what an equivocating, forgetful or silent bank can do (Bano et al.,
"Twins: BFT Systems Made Robust", 2020). Schedules that differ by names alone count once.
"""

from dataclasses import dataclass
from itertools import permutations, product
from random import Random

import pytest

from consensus.height import Height
from consensus.messages import CertifiedMessage, DecidedMessage, Inquiry, Message
from state.votes import Checkpoint
from tests.consensus.network import Network

HEALED_MS = 6_000
"""By then every view of a schedule has timed out."""

PROGRESS_MS = 10_000

Round = tuple[str, frozenset[str]]
"""Who leads, and one side of the partition."""


@dataclass(frozen=True)
class Schedule:
    """The first views of height 1."""

    names: str
    twins: str
    rounds: tuple[Round, ...]


def play(schedule: Schedule, patch: pytest.MonkeyPatch) -> Network:
    """Play it and heal. :raises AssertionError: two blocks at one height, or no progress."""
    network = Network(schedule.names, twins=schedule.twins)
    for name in schedule.twins:
        network.banks[name.upper()].clock_offset_ms = 7  # so that the two propose different blocks
    rounds, normal = schedule.rounds, Height.primary

    def primary(height: Height, view: int) -> int:
        led = height.number == 1 and view < len(rounds)
        return schedule.names.index(rounds[view][0]) if led else normal(height, view)

    def drop(sender: str, to: str, message: Message) -> bool:
        if network.now_ms >= HEALED_MS:
            return False
        view = _view(network, sender, message)
        side = rounds[view][1] if view < len(rounds) else frozenset[str]()
        return (sender in side) != (to in side)

    network.drop = drop
    with patch.context() as context:
        context.setattr(Height, "primary", primary)
        network.submit("work")
        network.start()
        network.run(HEALED_MS)
        network.submit("after all")
        for bank in network.banks.values():
            assert bank.halted is None, bank.halted
        assert network.run(network.now_ms + PROGRESS_MS, network.everything_decided), "no progress"
    for bank in network.banks.values():
        accused = {network.guilty(item) for item in bank.evidence}
        assert accused <= set(schedule.twins), f"{bank.name} accuses {accused}"
    return network


def _view(network: Network, sender: str, message: Message) -> int:
    """The view that a message is of; what has none is of the view that its sender is in."""
    if isinstance(message, DecidedMessage):
        vote = message.certificate.vote
        return 0 if isinstance(vote, Checkpoint) else vote.view
    if isinstance(message, CertifiedMessage | Inquiry) or isinstance(message.vote, Checkpoint):
        replica = network.banks[sender].replica
        return 0 if replica is None else replica.view
    return message.vote.view


def schedules(names: str, twins: str, count: int) -> list[Schedule]:
    """All schedules of ``count`` views, one of each that differ by names alone."""
    nodes = names + twins.upper()
    first, rest = nodes[0], nodes[1:]
    sides = [frozenset(node for node, is_in in zip(rest, chosen, strict=True) if is_in)
             for chosen in product((False, True), repeat=len(rest))]  # fmt: skip
    rounds = [(leader, side) for leader in names for side in sides]
    alike = _renamings(names, twins)
    seen: set[tuple[tuple[str, tuple[str, ...]], ...]] = set()
    found = []
    for chosen in product(rounds, repeat=count):
        forms = [
            tuple(
                (renamed[leader], _side({renamed[node] for node in side}, first, nodes)) for leader, side in chosen
            )
            for renamed in alike
        ]
        least = min(forms)
        if least not in seen:
            seen.add(least)
            found.append(Schedule(names, twins, chosen))
    return found


def _side(side: set[str], first: str, nodes: str) -> tuple[str, ...]:
    """A partition, named by the side without ``first``."""
    return tuple(sorted(set(nodes) - side if first in side else side))


def _renamings(names: str, twins: str) -> list[dict[str, str]]:
    """Renamings under which a schedule stays the same: of honest banks, and of a twin with its other."""
    honest = [name for name in names if name not in twins]
    made = []
    for order in permutations(honest):
        for swapped in product((False, True), repeat=len(twins)):
            renamed = dict(zip(honest, order, strict=True))
            for twin, swap in zip(twins, swapped, strict=True):
                pair = (twin.upper(), twin) if swap else (twin, twin.upper())
                renamed |= {twin: pair[0], twin.upper(): pair[1]}
            made.append(renamed)
    # A leader is a bank, of which a twin is two nodes: it leads under either name.
    return [{**renamed, **{twin: renamed[twin] for twin in twins}} for renamed in made]


TWO_VIEWS = schedules("abcd", "a", 2)


def test_a_part_of_the_schedules_of_two_views_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    accused = [any(bank.evidence for bank in play(chosen, monkeypatch).banks.values()) for chosen in TWO_VIEWS[::8]]
    assert any(accused), "twins that contradict each other are found out in some schedules"


@pytest.mark.full
def test_every_schedule_of_two_views_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(TWO_VIEWS) == 660
    for schedule in TWO_VIEWS:
        play(schedule, monkeypatch)


def test_a_sample_of_longer_schedules_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(4)
    nodes = "abcdA"
    for _ in range(40):
        rounds = tuple(
            (random.choice("abcd"), frozenset(node for node in nodes if random.random() < 0.5)) for _ in range(4)
        )
        play(Schedule("abcd", "a", rounds), monkeypatch)


def test_two_twins_divide_the_network_and_that_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """With f + 1 twins a fork can be made: the oracle is alive."""
    schedule = Schedule("abcd", "ab", (("a", frozenset("abc")),) * 4)
    with pytest.raises(AssertionError, match="two blocks at one height"):
        play(schedule, monkeypatch)
