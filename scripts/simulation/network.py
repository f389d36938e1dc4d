"""The simulated network: it delays, loses and repeats frames, and splits."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from random import Random

from consensus import messages
from node import seams
from scripts.simulation.liar import Liar
from scripts.simulation.machine import Machine
from scripts.simulation.timeline import Timeline
from state.votes import SignedVote

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
    vote_loss: tuple[type, float] | None = None
    """A kind of vote that is lost oftener than the rest, and how often: so that heights take many views."""


class Cut(Enum):
    """Which way nothing passes between some members and all others."""

    BOTH = "both ways"
    OUTWARD = "outward"
    INWARD = "inward"


class SimulatedNetwork:
    """Carries frames between the machines of a run. Twins share one member id and hear what is sent to it."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.machines: list[Machine] = []
        self.weather = Weather()
        self.mute = ""
        """A member whose bulk links carry nothing, and do not break."""
        self._links: dict[tuple[str, str, type], tuple[int, int]] = {}
        self._cuts: set[tuple[str, str]] = set()
        self._chances: dict[tuple[str, str], Random] = {}
        self.liar: Liar | None = None
        self.twisted: Callable[[seams.Event], None] = lambda frame: None
        """Told what the liar sends."""

    @property
    def is_parted(self) -> bool:
        """Whether something does not pass between some members."""
        return bool(self._cuts)

    def part(self, members: Collection[str], cut: Cut, bridge: str = "") -> None:
        """Cut these members off from all others but ``bridge``, which reaches both sides."""
        others = {machine.member for machine in self.machines} - {*members, bridge}
        inside = set(members) - {bridge}
        self._cuts = set()
        if cut is not Cut.INWARD:
            self._cuts |= {(member, other) for member in inside for other in others}
        if cut is not Cut.OUTWARD:
            self._cuts |= {(other, member) for member in inside for other in others}

    def heal(self) -> None:
        """Good weather, no split, and links anew between those that were parted."""
        self.weather = Weather()
        cuts, self._cuts = self._cuts, set()
        for index, machine in enumerate(self.machines):
            for other in self.machines[:index]:
                pair = machine.member, other.member
                if machine.is_up and other.is_up and (pair in cuts or pair[::-1] in cuts):
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
            if other.member != machine.member and (member is None or member == other.member) and other.is_up:
                self._carry(machine, other, event)

    def _carry(self, machine: Machine, other: Machine, event: seams.Event) -> None:
        random, weather = self._chance(machine, other), self.weather
        life = other.life
        is_linked = self._links.get((machine.name, other.name, type(event))) == (machine.life, life)
        if not is_linked or (machine.member, other.member) in self._cuts or random.random() < weather.loss:
            return
        if self.mute in (machine.member, other.member) and isinstance(event, seams.BulkFrame):
            return
        if weather.vote_loss is not None and random.random() < weather.vote_loss[1]:
            message = messages.decode(event.payload) if isinstance(event, seams.VoteFrame) else None
            if isinstance(message, SignedVote) and type(message.vote) is weather.vote_loss[0]:
                return
        frames: list[seams.Event] = [event]
        if self.liar is not None and machine.member == self.liar.member:
            assert isinstance(event, seams.VoteFrame | seams.BulkFrame)
            frames = [*self.liar.twist(event, other.member)]
            for frame in frames:
                self.twisted(frame)
        for frame in frames:
            for _ in range(2 if random.random() < weather.repeats else 1):
                self._arrive(other, life, frame, random.randint(0, weather.delay_ms_max))

    def _chance(self, machine: Machine, other: Machine) -> Random:
        """What decides over frames from one to the other."""
        pair = machine.name, other.name
        if pair not in self._chances:
            self._chances[pair] = self._timeline.chance(f"{machine.name} to {other.name}")
        return self._chances[pair]

    def _arrive(self, other: Machine, life: int, frame: seams.Event, delay_ms: int) -> None:
        if self.liar is not None and other.member == self.liar.member:
            assert isinstance(frame, seams.VoteFrame | seams.BulkFrame)
            self.liar.hear(frame)
        self._timeline.after(delay_ms, lambda: other.deliver(frame, life))

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
        pair = one.member, other.member
        is_cut = pair in self._cuts or pair[::-1] in self._cuts
        return (one.life, other.life) == lives and one.is_up and other.is_up and not is_cut
