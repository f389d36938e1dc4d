"""The simulated network: it delays, loses and repeats frames, and splits."""

from collections.abc import Callable
from dataclasses import dataclass

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


class SimulatedNetwork:
    """Carries frames between the machines of a run. A twin pair shares one member id, and splits the traffic."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.machines: list[Machine] = []
        self.weather = Weather()
        self.parted: dict[str, None] = {}
        """Members cut off from all others, which are cut off from these."""

    def joined(self, machine: Machine) -> None:
        """Link a machine with all that are up, each after a moment."""
        for other in self.machines:
            if other is not machine and other.is_up and other.member != machine.member:
                self._link(machine, other)

    def left(self, machine: Machine) -> None:
        """A machine is down: the others notice."""
        for other in self.machines:
            if other is not machine and other.driver is not None:
                other.deliver(seams.PeerLeft(machine.member), other.life)

    def heal(self) -> None:
        """Good weather, no split, and links anew between those that were parted."""
        self.weather = Weather()
        parted, self.parted = self.parted, {}
        if parted:
            for index, machine in enumerate(self.machines):
                for other in self.machines[:index]:
                    if machine.is_up and other.is_up and (machine.member in parted) != (other.member in parted):
                        self._link(machine, other)

    def send(self, machine: Machine, member: str | None, frame: Callable[[str], seams.Event]) -> None:
        """See ``machine.Network``."""
        for other in self.machines:
            if other is machine or other.member == machine.member or not other.is_up:
                continue
            if member is None or other.member == member:
                self._carry(machine, other, frame(machine.member))

    def _carry(self, machine: Machine, other: Machine, event: seams.Event) -> None:
        random, weather = self._timeline.random, self.weather
        if (machine.member in self.parted) != (other.member in self.parted) or random.random() < weather.loss:
            return
        life = other.life
        for _ in range(2 if random.random() < weather.repeats else 1):
            delay_ms = random.randint(0, weather.delay_ms_max)
            self._timeline.after(delay_ms, lambda: other.deliver(event, life))

    def _link(self, one: Machine, other: Machine) -> None:
        lives = one.life, other.life

        def shake_hands() -> None:
            if one.driver is None or other.driver is None or (one.life, other.life) != lives:
                return
            if (one.member in self.parted) != (other.member in self.parted):
                return
            heights = one.chain.height, other.chain.height
            held = other.driver.newest_vote(one.member), one.driver.newest_vote(other.member)
            one.deliver(seams.PeerJoined(other.member, heights[1], held[0]), lives[0])
            other.deliver(seams.PeerJoined(one.member, heights[0], held[1]), lives[1])

        self._timeline.after(self._timeline.random.randint(1, CONNECT_MS_MAX), shake_hands)
