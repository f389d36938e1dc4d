"""The storm: faults of every kind, one after the other, at moments that nobody expects."""

from dataclasses import replace

from consensus.messages import CertifiedMessage, DecidedMessage, Inquiry, Message
from scripts.simulation.chronicle import Chronicle
from scripts.simulation.disk import SLOW_SYNC_MS_MAX, SYNC_MS_MAX, Disk
from scripts.simulation.machine import Machine
from scripts.simulation.network import Cut, SimulatedNetwork, Weather
from scripts.simulation.timeline import Timeline
from state.votes import Checkpoint, Commit, NewView, Prepare, Proposal, ViewChange

FAULT_MS = 1_500
"""Mean time between faults."""

DOWN_MS_MAX = 4_000
"""Longest that a crashed machine stays down."""

BACKUP_AGE_MS_MAX = 7_000
"""Oldest copy of a disk that is put back."""

FLAP_MS_MAX = 400
"""Longest that one state of a flapping link lasts."""

FLAPS_MAX = 12

BLACKOUT_VOTES = (Proposal, Prepare, Prepare, Commit, Commit, Commit, ViewChange, NewView, Checkpoint)
"""Everybody's power fails just after one of these has left somebody."""

BLACKOUT_MS_MAX = 10
"""So long after it at most: some of it has arrived by then, and some has not."""

FAULTS = (
    *("weather", "votes", "votes", "crash", "crash", "part", "flap", "clock", "disk", "failing disk", "heal"),
    *("blackout", "mute"),
)
"""Each as likely as the others."""


class Storm:
    """Strikes machines and network until it is told to calm down."""

    def __init__(self, timeline: Timeline, network: SimulatedNetwork, chronicle: Chronicle) -> None:
        self._timeline = timeline
        self._random = timeline.chance("storm")
        self._network = network
        self._chronicle = chronicle
        self._is_over = False
        self._fatal: tuple[type, int] | None = None
        """After so many more votes of that kind have left, power fails everywhere."""
        self.crash_count = 0

    def restore_once(self, machine: Machine) -> None:
        """S8: a copy of the machine's disk is made, and some time later the machine is started on it."""
        random = self._random

        def copy() -> None:
            backup = machine.disk.backup()
            self._chronicle.say(machine.name, "its disk is copied")
            self._timeline.after(random.randint(500, BACKUP_AGE_MS_MAX), lambda: restore(backup))

        def restore(backup: Disk) -> None:
            if not machine.is_up:
                self._timeline.after(DOWN_MS_MAX, lambda: restore(backup))
                return
            self.crash(machine, power=False)
            machine.disk.restore(backup)
            self._chronicle.say(machine.name, "an old copy of its disk is put in place")
            self._timeline.after(random.randint(1, DOWN_MS_MAX), machine.boot)

        self._timeline.after(random.randint(1_000, BACKUP_AGE_MS_MAX), copy)

    def begin(self) -> None:
        """The first fault, and after a while the next."""
        if not self._is_over:
            self._timeline.after(self._random.randint(1, 2 * FAULT_MS), self._strike)

    def end(self) -> None:
        """Everything heals at once; what is down comes up in its time."""
        self._is_over = True
        self._fatal = None
        self._heal()

    def crash(self, machine: Machine, *, power: bool) -> None:
        """Kill a machine or cut its power."""
        self.crash_count += 1
        machine.crash(power=power)

    def witness(self, message: Message) -> None:
        """A message has left an honest machine."""
        if self._fatal is None or isinstance(message, DecidedMessage | CertifiedMessage | Inquiry):
            return
        kind, left = self._fatal
        if isinstance(message.vote, kind):
            self._fatal = (kind, left - 1) if left > 1 else None
            if left == 1:
                self._timeline.after(self._random.randint(0, BLACKOUT_MS_MAX), self._black_out)

    def _strike(self) -> None:
        if self._is_over:
            return
        kind = self._random.choice(FAULTS)
        if kind == "weather":
            self._change_weather()
        elif kind == "votes":
            self._lose_votes()
        elif kind == "crash":
            self._crash_some()
        elif kind == "part":
            self._part()
        elif kind == "flap":
            self._flap(self._random.randint(2, FLAPS_MAX))
        elif kind == "clock":
            machine = self._random.choice(self._network.machines)
            machine.skew_ms = self._random.randint(-1, 1) * self._random.choice([2_000, 9_000, 15_000])
            self._chronicle.say(machine.name, f"its clock is {machine.skew_ms} ms off")
        elif kind == "disk":
            machine = self._random.choice(self._network.machines)
            machine.disk.sync_ms_max = SLOW_SYNC_MS_MAX
            self._chronicle.say(machine.name, "its disk is slow")
        elif kind == "failing disk":
            self._fail_disk()
        elif kind == "blackout":
            self._fatal = self._random.choice(BLACKOUT_VOTES), self._random.randint(1, len(self._network.machines))
        elif kind == "mute":
            self._mute()
        else:
            self._heal()
        self.begin()

    def _change_weather(self) -> None:
        loss, repeats = self._random.uniform(0, 0.3), self._random.uniform(0, 0.5)
        self._network.weather = Weather(loss, repeats, self._random.choice([20, 100, 800, 5_000]))
        self._chronicle.say("network", str(self._network.weather))

    def _lose_votes(self) -> None:
        lost = self._random.choice([Commit, Commit, Prepare]), self._random.choice([0.6, 0.8, 0.95])
        self._network.weather = replace(self._network.weather, vote_loss=lost)
        self._chronicle.say("network", f"loses {lost[0].__name__} {lost[1]:.0%}")

    def _crash_some(self) -> None:
        """One machine, now and then all of them at once."""
        up = [machine for machine in self._network.machines if machine.is_up]
        power = self._random.random() < 0.5
        if up and self._random.random() >= 0.1:
            up = [self._random.choice(up)]
        for machine in up:
            self.crash(machine, power=power)
            self._timeline.after(self._random.randint(1, DOWN_MS_MAX), machine.boot)

    def _black_out(self) -> None:
        """Everybody goes down, and comes up in its own time."""
        if self._is_over:
            return
        self._chronicle.say("network", "power fails everywhere")
        for machine in [machine for machine in self._network.machines if machine.is_up]:
            self.crash(machine, power=self._random.random() < 0.7)
            self._timeline.after(self._random.randint(1, DOWN_MS_MAX), machine.boot)

    def _mute(self) -> None:
        """One machine's bulk links carry nothing, and do not break."""
        self._network.mute = self._random.choice(self._network.machines).member
        self._chronicle.say("network", f"no bodies and no blocks for {self._network.mute}, and none from it")

    def _part(self) -> None:
        members = sorted({machine.member for machine in self._network.machines})
        if len(members) > 1 and not self._network.is_parted:
            chosen = sorted(self._random.sample(members, self._random.randint(1, len(members) // 2)))
            cut = self._random.choice([Cut.BOTH, Cut.BOTH, Cut.OUTWARD, Cut.INWARD])
            bridge = self._random.choice(members) if self._random.random() < 0.25 else ""
            self._network.part(chosen, cut, bridge)
            over = f", but over {bridge}" if bridge else ""
            self._chronicle.say("network", f"{', '.join(chosen)} cut off {cut.value}{over}")

    def _flap(self, times: int) -> None:
        """Parted and healed, again and again."""
        if self._is_over or not times:
            return
        if self._network.is_parted:
            self._network.heal()
            self._chronicle.say("network", "links are up for a moment")
        else:
            self._part()
        self._timeline.after(self._random.randint(1, FLAP_MS_MAX), lambda: self._flap(times - 1))

    def _fail_disk(self) -> None:
        """S3, S4: the next sync fails; the node ends at once, and somebody starts it again when there is space."""
        up = [machine for machine in self._network.machines if machine.is_up]
        if up:
            machine = self._random.choice(up)
            machine.disk.fails = True
            self._chronicle.say(machine.name, "its disk fails at the next sync")

    def _heal(self) -> None:
        self._network.heal()
        self._network.mute = ""
        for machine in self._network.machines:
            machine.skew_ms = 0
            machine.disk.sync_ms_max = SYNC_MS_MAX
            machine.disk.fails = False
        self._chronicle.say("network", "healed")
