"""The simulated network: it delays, loses and repeats frames, and splits."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from node import seams
from scripts.simulation.machine import Machine
from scripts.simulation.timeline import Timeline

CONNECT_MS_MAX = 400
"""Longest that two machines take to link up again."""


@dataclass(slots=True)
class Weather:
    """How bad the network is at the moment."""

    loss: float = 0.0
    """Part of frames that are lost."""
    repeats: float = 0.0
    """Part of frames that come twice."""
    delay_ms_max: int = 20


class Cut(Enum):
    """Which way nothing passes between the parted members and all others."""

    BOTH = "both ways"
    OUTWARD = "outward"
    INWARD = "inward"


class SimulatedNetwork:
    """Carries frames between the machines of a run. Twins share one member id and hear what is sent to it."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.machines: list[Machine] = []
        self.weather = Weather()
        self._links: dict[tuple[str, str, type], tuple[int, int]] = {}
        self._parted: dict[str, None] = {}
        self._cut = Cut.BOTH

    @property
    def is_parted(self) -> bool:
        """Whether some members are cut off from the others."""
        return bool(self._parted)

    def part(self, members: Iterable[str], cut: Cut) -> None:
        """Cut these members off from all others."""
        self._parted, self._cut = dict.fromkeys(members), cut

    def heal(self) -> None:
        """Good weather, no split, and links anew between those that were parted."""
        self.weather = Weather()
        parted, self._parted = self._parted, {}
        for index, machine in enumerate(self.machines):
            for other in self.machines[:index]:
                if machine.is_up and other.is_up and (machine.member in parted) != (other.member in parted):
                    self._link(machine, other)

    def joined(self, machine: Machine) -> None:
        """See ``machine.Network``: each link takes a moment."""
        for other in self.machines:
            if other is not machine and other.is_up and other.member != machine.member:
                self._link(machine, other)

    def left(self, machine: Machine) -> None:
        """See ``machine.Network``."""
        for other in self.machines:
            if other is not machine and other.member != machine.member:
                other.deliver(seams.PeerLeft(machine.member), other.life)

    def send(self, machine: Machine, member: str | None, event: seams.Event) -> None:
        """See ``machine.Network``."""
        for other in self.machines:
            if other.member != machine.member and member in (None, other.member) and other.is_up:
                self._carry(machine, other, event)

    def _carry(self, machine: Machine, other: Machine, event: seams.Event) -> None:
        random, weather = self._timeline.chance(f"{machine.name} to {other.name}"), self.weather
        life = other.life
        is_linked = self._links.get((machine.name, other.name, type(event))) == (machine.life, life)
        if not is_linked or self._is_cut(machine, other) or random.random() < weather.loss:
            return
        for _ in range(2 if random.random() < weather.repeats else 1):
            delay_ms = random.randint(0, weather.delay_ms_max)
            self._timeline.after(delay_ms, lambda: other.deliver(event, life))

    def _is_cut(self, sender: Machine, receiver: Machine) -> bool:
        leaves, enters = sender.member in self._parted, receiver.member in self._parted
        return leaves != enters and self._cut in (Cut.BOTH, Cut.OUTWARD if leaves else Cut.INWARD)

    def _link(self, one: Machine, other: Machine) -> None:
        """The votes link after a moment, the bulk link after another; what is sent before is lost."""
        random = self._timeline.chance("links")
        lives = one.life, other.life

        def shake_hands() -> None:
            if one.driver is None or other.driver is None or not self._can_link(one, other, lives):
                return
            self._open(one, other, seams.VoteFrame)
            heights = one.chain.height, other.chain.height
            held = other.driver.newest_vote(one.member), one.driver.newest_vote(other.member)
            one.deliver(seams.PeerJoined(other.member, heights[1], held[0]), lives[0])
            other.deliver(seams.PeerJoined(one.member, heights[0], held[1]), lives[1])
            self._timeline.after(random.randint(0, CONNECT_MS_MAX), open_bulk)

        def open_bulk() -> None:
            if self._can_link(one, other, lives):
                self._open(one, other, seams.BulkFrame)
                one.deliver(seams.BulkUp(other.member), lives[0])
                other.deliver(seams.BulkUp(one.member), lives[1])

        self._timeline.after(random.randint(1, CONNECT_MS_MAX), shake_hands)

    def _open(self, one: Machine, other: Machine, kind: type) -> None:
        self._links[one.name, other.name, kind] = one.life, other.life
        self._links[other.name, one.name, kind] = other.life, one.life

    def _can_link(self, one: Machine, other: Machine, lives: tuple[int, int]) -> bool:
        is_parted = (one.member in self._parted) != (other.member in self._parted)
        return (one.life, other.life) == lives and one.is_up and other.is_up and not is_parted
