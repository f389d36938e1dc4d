"""One run: a network, its workload, a spell of faults, healing, and the account of it all."""

from dataclasses import dataclass

from node import seams
from scripts.simulation import birth
from scripts.simulation.invariants import Invariants, Violated
from scripts.simulation.machine import Halted, Machine
from scripts.simulation.network import SimulatedNetwork, Weather
from scripts.simulation.timeline import Timeline

STORM_MS = 20_000
"""How long faults last."""

HEALED_MS = 10_000
"""I6: with work pending, progress within this time after faults heal."""

CALM_MS = 5_000
"""Then everything that was submitted becomes final."""

PAYMENT_MS = 150
"""Mean time between payments."""

FAULT_MS = 1_500
"""Mean time between faults."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to."""

    seed: int
    nodes: int
    height: int
    final_count: int
    crash_count: int
    virtual_ms: int
    violation: str | None


class Run:
    """One seed."""

    def __init__(self, seed: int, count: int, *, trace: bool = False) -> None:
        self._seed = seed
        self._count = count
        self._trace = trace
        self._timeline = Timeline(seed)
        self._network = SimulatedNetwork(self._timeline)
        random = self._timeline.random
        self._faulty_max = (count - 1) // 3
        self._twin = birth.bank(random.randrange(count)) if random.random() < 0.3 else None
        self._invariants = Invariants(frozenset() if self._twin is None else frozenset({self._twin}))
        names = [(birth.bank(index), birth.bank(index)) for index in range(count)]
        if self._twin is not None:
            names.append((self._twin + "-twin", self._twin))
        self.machines = [
            Machine(name, member, count, self._timeline, self._network, self._invariants) for name, member in names
        ]
        self._network.machines = self.machines
        self._submitted: list[tuple[int, bytes, bytes]] = []
        self._crash_count = 0
        self._token = 0
        self._stormy = True

    def result(self) -> Result:
        """Run to the end."""
        violation = None
        try:
            self._play()
        except (Violated, Halted, AssertionError) as error:
            violation = f"{type(error).__name__}: {error}"
            if self._trace:
                raise
        final_count = sum(self._invariants.is_final(identity) for _, identity, _ in self._submitted)
        return Result(
            self._seed,
            self._count,
            self._invariants.newest_height,
            final_count,
            self._crash_count,
            self._timeline.now_ms,
            violation,
        )

    def _play(self) -> None:
        timeline = self._timeline
        for machine in self.machines:
            timeline.after(timeline.random.randint(0, 500), machine.boot)
        timeline.after(600, self._fund)
        timeline.after(1_000, self._pay)
        timeline.after(timeline.random.randint(500, 3_000), self._strike)
        timeline.run(STORM_MS)
        self._heal()
        height = self._invariants.newest_height
        self._submit(birth.payment(timeline.random, self._count, self._now_ms()).encoded)
        timeline.run(STORM_MS + HEALED_MS)
        if self._invariants.newest_height <= height:
            raise Violated(f"I6: no progress above {height} in {HEALED_MS} ms after healing")
        self._stormy = False
        self._resend()
        timeline.run(STORM_MS + HEALED_MS + CALM_MS)
        for _, identity, _ in self._submitted:
            if not self._invariants.is_final(identity):
                raise Violated(f"I6: {identity.hex()} was submitted again and is not final")
        self._invariants.settle(self.machines, [], 0)

    def _fund(self) -> None:
        for index in range(self._count):
            transaction = birth.issue(self._timeline.random, birth.bank(index), self._now_ms())
            self._submit(transaction.encoded)

    def _pay(self) -> None:
        if self._stormy:
            self._submit(birth.payment(self._timeline.random, self._count, self._now_ms()).encoded)
            self._timeline.after(self._timeline.random.randint(1, 2 * PAYMENT_MS), self._pay)

    def _submit(self, encoded: bytes) -> None:
        """A client sends to a machine that is up, if it finds one."""
        from state import transaction

        up = [machine for machine in self.machines if machine.is_up and machine.member != self._twin]
        self._submitted.append((self._timeline.now_ms, transaction.decode(encoded).id, encoded))
        if up:
            self._send(self._timeline.random.choice(up), encoded)

    def _send(self, machine: Machine, encoded: bytes) -> None:
        self._token += 1
        machine.deliver(seams.Submitted(self._token, (encoded,)), machine.life)

    def _resend(self) -> None:
        """Clients send again what they have not seen final: accepted was not durable."""
        for _, identity, encoded in self._submitted:
            if not self._invariants.is_final(identity):
                self._send(self.machines[0], encoded)

    def _strike(self) -> None:
        """One fault, then the next after a while."""
        if self._timeline.now_ms >= STORM_MS:
            return
        random = self._timeline.random
        kind = random.choice(["weather", "crash", "crash", "part", "skew", "heal"])
        if kind == "weather":
            self._network.weather = Weather(
                random.uniform(0, 0.3), random.uniform(0, 0.3), random.choice([20, 100, 800])
            )
        elif kind == "crash":
            self._crash()
        elif kind == "part" and not self._network.parted:
            chosen = random.sample(range(self._count), random.randint(1, self._count // 2))
            self._network.parted = {birth.bank(index): None for index in sorted(chosen)}
        elif kind == "skew":
            random.choice(self.machines).skew_ms = random.randint(-2_000, 2_000)
        elif kind == "heal":
            self._network.heal()
        self._timeline.after(random.randint(1, 2 * FAULT_MS), self._strike)

    def _crash(self) -> None:
        """Kill a machine or cut its power; now and then all of them at once."""
        random = self._timeline.random
        up = [machine for machine in self.machines if machine.is_up]
        if not up:
            return
        struck = up if random.random() < 0.1 else [random.choice(up)]
        power = random.random() < 0.5
        for machine in struck:
            self._crash_count += 1
            machine.crash(power=power)
            self._timeline.after(random.randint(1, 4_000), machine.boot)

    def _heal(self) -> None:
        self._network.heal()
        for machine in self.machines:
            machine.skew_ms = 0

    def _now_ms(self) -> int:
        return birth.GENESIS_MS + self._timeline.now_ms
