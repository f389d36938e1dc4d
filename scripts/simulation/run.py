"""One run: a network, its clients, a storm of faults, healing, a lost quorum, and the account of it all."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from node import seams
from scripts.simulation import birth, sharing
from scripts.simulation.audit import Violated
from scripts.simulation.chronicle import Chronicle
from scripts.simulation.decay import Served
from scripts.simulation.flips import Flips
from scripts.simulation.invariants import Invariants
from scripts.simulation.liar import Liar
from scripts.simulation.machine import HEARTBEAT_MS, Halted, Machine
from scripts.simulation.network import SimulatedNetwork, Weather
from scripts.simulation.storm import Storm
from scripts.simulation.timeline import Timeline
from scripts.simulation.turnover import Turnover
from state.transaction import Transaction
from state.validators import ValidatorSet
from state.votes import Prepare

STORM_MS = 20_000
"""How long faults last."""

HEALED_MS = 10_000
"""I6: with work pending, progress within this time after faults heal."""

BACK_MS_MAX = 4_000
"""Machines that are down when all else has healed are up by then."""

REST_MS_MAX = 5 * HEARTBEAT_MS
"""So long a machine may have something under way: a liar's last trick needs a view change and a block."""

CALM_MS = 5_000
"""Then everything that was submitted again becomes final, and everybody has it."""

PAYMENT_MS = 150
"""Mean time between payments during the storm."""

HURRY_SHARE, HURRY_MS_MAX = 0.1, 6_000
"""Part of the payments that are valid for a short time only, and for how long at most."""

OUTAGE_SHARE, ABSENCE_SHARE, STANDSTILL_SHARE = 0.2, 0.12, 0.12
"""Parts of the runs that have such an ordeal after the storm."""

OUTAGE_MS = 15_000
"""How long a quorum is lost at most."""

STANDSTILL_MS = 14_000, 40_000
"""How long nothing is decided: timeouts that doubled for ever would be above 10 s by then."""

LOST_AT_ONCE_MAX = 2
"""Members that fail while the network heals: each may be primary of a view that then takes 4 s, of the 10 s."""

TWIN_SHARE = 0.35
"""Part of the runs, of those that tolerate it, in which one member runs twice."""

LIAR_SHARE = 0.45
"""And in which one lies."""

RESTORED_SHARE = 0.1
"""And in which one loses votes that it has given."""

FLIPPED_SHARE = 0.5
"""Part of those in which a bit flips in its journal; in the others it is started on an old copy of its disk."""

TURNOVER_SHARE = 0.3
"""Part of the runs, of those that tolerate a fault, in which members come and go."""

GOLDEN, SILVER, BRONZE = (5**0.5 - 1) / 2, 2**0.5 - 1, 3**0.5 - 1
"""Multiples of an irrational number are spread evenly: so any hundred seeds in a row have their share of each."""


class Ordeal(Enum):
    """What comes after the storm."""

    NONE = "none"
    OUTAGE = "f+1 members are down for a while"
    ABSENCE = "f members are down, and the others go on"
    STANDSTILL = "nothing is decided until the views are far up; then f members are lost while f others come back"


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to."""

    seed: int
    nodes: int
    height: int
    final_count: int
    crash_count: int
    progress_ms: int
    """Longest time from healing to the next final payment."""
    virtual_ms: int
    fingerprint: str
    violation: str | None


class Run:
    """One seed.

    :param count: validators; an observer comes on top.
    :param write: takes the lines of the chronicle; None when nobody reads.
    """

    def __init__(self, seed: int, count: int, write: Callable[[str], None] | None = None) -> None:
        self._seed = seed
        self._count = count
        self._timeline = Timeline(seed)
        self._chronicle = Chronicle(self._timeline, write)
        self._network = SimulatedNetwork(self._timeline)
        self._storm = Storm(self._timeline, self._network, self._chronicle)
        self._clients = self._timeline.chance("clients")
        self._fate = self._timeline.chance("fate")
        members = [birth.bank(index) for index in range(count)]
        tolerated = (count - 1) // 3
        self._faulty = self._fate.choice(members) if tolerated else None
        drawn = _spread(seed, GOLDEN)
        self._ordeal = _ordeal(_spread(seed, SILVER), tolerated)
        if tolerated == 1 and self._ordeal in (Ordeal.ABSENCE, Ordeal.STANDSTILL):
            drawn = 1.0  # The one that may fail is to be an honest one.
        is_twin = tolerated and drawn < TWIN_SHARE
        is_liar = tolerated and TWIN_SHARE <= drawn < TWIN_SHARE + LIAR_SHARE
        self._is_restored = tolerated > 0 and 0 <= drawn - TWIN_SHARE - LIAR_SHARE < RESTORED_SHARE
        self._twin = self._faulty if is_twin else None
        self._faulty = self._faulty if is_twin or is_liar or self._is_restored else None
        self.invariants = Invariants(count, self._faulty, self._chronicle, self._timeline)
        self.invariants.witness = self._storm.witness
        sets = self.invariants.sets
        self._liar = Liar(self._faulty, sets, self._timeline, self._chronicle) if is_liar and self._faulty else None
        self._network.liar = self._liar
        self._turnover: Turnover | None = None
        if tolerated and _spread(seed, BRONZE) < TURNOVER_SHARE:
            self._turnover = Turnover(
                count, self._faulty, self._timeline, self._chronicle, sets, self._submit, self.invariants.is_final
            )
        follower = birth.OBSERVER if self._turnover is None else birth.AGENT
        names = [(member, member) for member in (*members, follower)]
        if self._twin is not None:
            names.append((self._twin + "-twin", self._twin))
        self._network.twisted = self.invariants.twisted
        self.machines = [
            Machine(
                name,
                member,
                count,
                self._timeline,
                self._network,
                self.invariants,
                None if self._turnover is None else birth.vote_keys(member),
            )
            for name, member in names
        ]
        self._network.machines = self.machines
        self._flips = Flips(self._timeline, self.machines, self._chronicle, self._storm.crash)
        self._submitted: dict[bytes, Transaction] = {}
        self._token = 0
        self._is_stormy = True
        self._progress_ms = 0

    def result(self) -> Result:
        """Run to the end."""
        violation = None
        try:
            with sharing.shared():
                self.play()
        except (Violated, Halted, Served) as error:
            violation = str(error)
        except Exception as error:  # noqa: BLE001 (I7: whatever comes out of a node is a finding, not our end)
            violation = f"I7: {type(error).__name__}: {error}"
            for line in traceback.format_exc().splitlines():
                self._chronicle.say("", line)
        return Result(
            seed=self._seed,
            nodes=self._count,
            height=self.invariants.newest_height,
            final_count=sum(self.invariants.is_final(identity) for identity in self._submitted),
            crash_count=self._storm.crash_count,
            progress_ms=self._progress_ms,
            virtual_ms=self._timeline.now_ms,
            fingerprint=self._chronicle.fingerprint,
            violation=violation,
        )

    def play(self) -> None:
        """The whole run.

        :raises Violated: an invariant does not hold.
        :raises Halted: a node stopped itself.

        Anything else that it raises came out of a node.
        """
        for machine in self.machines:
            self._timeline.after(self._fate.randint(0, 500), machine.boot)
        self._timeline.after(600, self._fund)
        self._timeline.after(1_000, self._pay)
        self._storm.begin()
        self._flips.begin()
        if self._is_restored:
            self._lose_votes(next(machine for machine in self.machines if machine.member == self._faulty))
        if self._liar is not None:
            self._liar.begin()
        if self._turnover is not None:
            self._turnover.begin()
        self._timeline.run(STORM_MS)
        self._storm.end()
        self._flips.end()
        if self._liar is not None and self._fate.random() < 0.5:
            self._liar.end()
        if self._turnover is not None:
            self._turnover.end()
        self._is_stormy = False
        self._expect_progress()
        self._settle()
        self._undergo()

    def _lose_votes(self, machine: Machine) -> None:
        """S6, S8: that machine loses something that it said, by an old copy of its disk or by a bit in its journal."""
        if self._timeline.chance("flips").random() < FLIPPED_SHARE:
            self._flips.begin_with_journal(machine)
        else:
            self._storm.restore_once(machine)

    # ----------------------------------------------------------------------------------------------- clients

    def _fund(self) -> None:
        for index in range(self._count):
            self._submit(birth.issue(self._clients, birth.bank(index), self._now_ms()))

    def _pay(self) -> None:
        if self._is_stormy:
            if self._clients.random() < HURRY_SHARE:
                valid_ms = self._clients.randint(1, HURRY_MS_MAX)
                self._hand_in(birth.payment(self._clients, self._count, self._now_ms(), valid_ms))
            else:
                self._submit(birth.payment(self._clients, self._count, self._now_ms()))
            self._timeline.after(self._clients.randint(1, 2 * PAYMENT_MS), self._pay)

    def _submit(self, transaction: Transaction) -> None:
        """A client sends it, and again until it is final."""
        self._submitted[transaction.id] = transaction
        self._hand_in(transaction)

    def _hand_in(self, transaction: Transaction) -> None:
        """A client sends to some bank's machine that is up, if it finds one."""
        up = [machine for machine in self._honest() if machine.is_up]
        if up:
            self._send(self._clients.choice(up), transaction)

    def _send(self, machine: Machine, transaction: Transaction) -> None:
        self._token += 1
        machine.deliver(seams.Submitted(self._token, (transaction.encoded,)), machine.life)

    def _honest(self) -> list[Machine]:
        seated = [validator.member for validator in self._validators().validators]
        return [machine for machine in self.machines if machine.member in seated and machine.member != self._faulty]

    def _validators(self) -> ValidatorSet:
        """Who validates the height that is next."""
        validators = self.invariants.sets.at(self.invariants.newest_height + 1)
        assert validators is not None
        return validators

    # ------------------------------------------------------------------------------------------ expectations

    def _expect_progress(self) -> None:
        """I6: a payment that is sent now, or as soon as a bank is up to take it, is final in time.

        Time counts from when a quorum of honest machines is back, at most ``BACK_MS_MAX`` after all else has healed.
        """
        healed_ms = self._timeline.now_ms
        self._expect_final(healed_ms)
        self._timeline.run(max(0, HEALED_MS - (self._timeline.now_ms - healed_ms)))

    def _expect_final(self, healed_ms: int) -> None:
        late_ms = 0
        transaction = birth.payment(self._clients, self._count, self._now_ms())
        while not any(machine.is_up for machine in self._honest()):
            self._timeline.run(10)
        self._submit(transaction)
        while not self.invariants.is_final(transaction.id):
            if sum(machine.is_up for machine in self._honest()) < self._validators().quorum:
                late_ms = self._timeline.now_ms - healed_ms
            if self._timeline.now_ms - healed_ms >= HEALED_MS + min(late_ms, BACK_MS_MAX):
                raise Violated(
                    f"I6: {transaction.id.hex()[:8]} is not final {HEALED_MS} ms after healing, "
                    f"the chain is at {self.invariants.newest_height}"
                )
            self._timeline.run(10)
        self._progress_ms = max(self._progress_ms, self._timeline.now_ms - healed_ms - late_ms)

    def _settle(self) -> None:
        """Clients send again what they have not seen final (accepted is not durable); then all agree on all of it."""
        for transaction in self._submitted.values():
            if not self.invariants.is_final(transaction.id):
                self._send(self._honest()[0], transaction)
        self._timeline.run(CALM_MS)
        self._let_all_hear()
        for identity in self._submitted:
            if not self.invariants.is_final(identity):
                raise Violated(f"I6: {identity.hex()[:8]} was submitted again and is not final")
        self.invariants.settle(self.machines)
        self._let_all_rest()

    def _let_all_hear(self) -> None:
        """A heartbeat may be decided at some and on its way to the others."""
        for _ in range(HEARTBEAT_MS // 10 // 2):
            if all(machine.chain.height >= self.invariants.newest_height for machine in self.machines):
                return
            self._timeline.run(10)

    def _let_all_rest(self) -> None:
        """I7: every machine is idle at some moment, though a liar may make work just before any other."""
        restless = list(self.machines)
        for _ in range(REST_MS_MAX // 10):
            restless = [machine for machine in restless if self.invariants.unrest(machine)]
            if not restless:
                return
            self._timeline.run(10)
        raise Violated(f"I7: {restless[0].name} is idle and still holds {self.invariants.unrest(restless[0])}")

    # ---------------------------------------------------------------------------------------------- ordeals

    def _undergo(self) -> None:
        """The run's ordeal: it needs calm around it, and the last set of validators in force."""
        if self._ordeal is Ordeal.NONE:
            return
        while self._validators() != self.invariants.sets.newest:
            self._timeline.run(HEARTBEAT_MS)
        if self._ordeal is Ordeal.OUTAGE:
            self._lose_quorum()
            self._expect_progress()
        elif self._ordeal is Ordeal.ABSENCE:
            self._do_without(self._choose(self._tolerated(), []))
        else:
            self._stand_still()
        self._settle()

    def _tolerated(self) -> int:
        """f."""
        return (len(self._validators()) - 1) // 3

    def _choose(self, count: int, spared: list[Machine]) -> list[Machine]:
        """Machines of so many members that are up: the faulty one's first, for no more than f may fail with it."""
        able = [machine for machine in self._honest() if machine not in spared]
        faulty = [machine for machine in self.machines if machine.member == self._faulty]
        opener = [machine for machine in able if machine.member == self.invariants.newest_opener]
        chosen = [*opener, *self._fate.sample(able, len(able))]
        return [*faulty, *list(dict.fromkeys(chosen))[: count - bool(faulty)]]

    def _do_without(self, absent: list[Machine]) -> None:
        """N13: with f members down work goes on, whoever's turn it is."""
        for machine in absent:
            self._storm.crash(machine, power=self._fate.random() < 0.5)
        for _ in range(len(self._validators())):
            self._expect_final(self._timeline.now_ms)
        self._bring_back(absent)

    def _stand_still(self) -> None:
        """N14, N2: f are away and the others' PREPAREs are lost, for long; then f others are lost as those come back.

        Those who stayed are many views ahead of those who come back, and both are needed; among the lost is the primary
        of the view that they are in.
        """
        tolerated = self._tolerated()
        away = self._fate.sample(self._honest(), tolerated)
        for machine in away:
            self._storm.crash(machine, power=self._fate.random() < 0.5)
        self._network.weather = Weather(vote_loss=(Prepare, 1.0))
        self._submit(birth.payment(self._clients, self._count, self._now_ms()))
        self._timeline.run(self._fate.randint(*STANDSTILL_MS))
        self._network.heal()
        lost = self._choose(min(tolerated, LOST_AT_ONCE_MAX), away)
        for machine in lost:
            self._storm.crash(machine, power=self._fate.random() < 0.5)
        for machine in away:
            machine.boot()
        self._expect_progress()
        self._bring_back(lost)

    def _bring_back(self, machines: list[Machine]) -> None:
        for machine in machines:
            machine.boot()
        self._timeline.run(CALM_MS)

    def _lose_quorum(self) -> None:
        """N14: with less than a quorum the chain halts, and it resumes once they are back."""
        validators, count = self._validators().validators, len(self._validators())
        chosen = self._fate.sample(range(count), count - self._validators().quorum + 1)
        members = {validators[index].member for index in chosen}
        struck = [machine for machine in self.machines if machine.member in members]
        height_max = max(machine.chain.height for machine in self.machines) + 1
        for machine in struck:
            self._storm.crash(machine, power=self._fate.random() < 0.5)
        self._submit(birth.payment(self._clients, self._count, self._now_ms()))
        self._timeline.run(self._fate.randint(1_000, OUTAGE_MS))
        if any(machine.chain.height > height_max for machine in self.machines):
            raise Violated(f"{len(members)} of {count} are down, and the chain goes on above {height_max}")
        for machine in struck:
            machine.boot()

    def _now_ms(self) -> int:
        return birth.GENESIS_MS + self._timeline.now_ms


def _spread(seed: int, step: float) -> float:
    """A number from 0 to 1 for each seed, every part of that range as often as is its share."""
    return seed * step % 1.0


def _ordeal(drawn: float, tolerated: int) -> Ordeal:
    if drawn < OUTAGE_SHARE:
        return Ordeal.OUTAGE
    if tolerated and drawn < OUTAGE_SHARE + ABSENCE_SHARE:
        return Ordeal.ABSENCE
    if tolerated and drawn < OUTAGE_SHARE + ABSENCE_SHARE + STANDSTILL_SHARE:
        return Ordeal.STANDSTILL
    return Ordeal.NONE
