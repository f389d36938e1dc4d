"""Flips: bits that turn over on a disk while its machine is down, and the person who puts it right again (S6).

A machine that finds its chain or its state damaged refuses, and that person does what docs/operations.md says
(``Disk.put_right``); its votes are in the journal, which stays, so it is a correct member all the time. A journal that
has lost what it held durably makes its member one of the f that may fail: that is for runs in which nobody else does.
"""

from typing import Protocol

from scripts.simulation import decay
from scripts.simulation.chronicle import Chronicle
from scripts.simulation.machine import Machine
from scripts.simulation.timeline import Timeline
from state.memory import MemoryDatabase

FLIP_SHARE = 0.3
"""Part of the runs in which a bit flips under a chain or a state."""

FIRST_MS, LAST_MS = 2_000, 17_000
"""When it does."""

DOWN_MS_MAX = 2_000
"""Longest that the machine is down before somebody starts it on what there is."""

JOURNAL_COPY_AGE_MS_MAX = 8_000
"""Oldest copy of a journal that is put back."""


class Crash(Protocol):
    """Ends a machine's life."""

    def __call__(self, machine: Machine, *, power: bool) -> None:
        """By a kill or, with ``power``, by a power cut."""


class Flips:
    """Strikes one machine of a run, at most."""

    def __init__(
        self,
        timeline: Timeline,
        machines: list[Machine],
        chronicle: Chronicle,
        crash: Crash,
    ) -> None:
        self._timeline = timeline
        self._random = timeline.chance("flips")
        self._machines = machines
        self._chronicle = chronicle
        self._crash = crash
        self._is_over = False

    def begin(self) -> None:
        """In some runs a chain or a state is hit."""
        if self._random.random() < FLIP_SHARE:
            self._timeline.after(self._random.randint(FIRST_MS, LAST_MS), self._hit_database)

    def begin_with_journal(self, machine: Machine) -> None:
        """The journal of that machine is hit, some time after it was copied."""

        def copy() -> None:
            machine.disk.journal_backup = machine.disk.durable_segment()
            self._chronicle.say(machine.name, "its journal is copied")
            self._timeline.after(self._random.randint(500, JOURNAL_COPY_AGE_MS_MAX), hit)

        def hit() -> None:
            if self._is_over:
                return
            if not machine.is_up:
                self._timeline.after(DOWN_MS_MAX, hit)
                return
            self._crash(machine, power=self._random.random() < 0.5)
            machine.disk.flip_journal(self._random)
            self._chronicle.say(machine.name, "a bit of its journal has flipped")
            self._start_soon(machine)

        self._timeline.after(self._random.randint(1_000, JOURNAL_COPY_AGE_MS_MAX), copy)

    def end(self) -> None:
        """What nobody has come across by now is written anew, as a scrub would do."""
        self._is_over = True
        for machine in self._machines:
            machine.disk.scrub()

    def _hit_database(self) -> None:
        up = [machine for machine in self._machines if machine.is_up]
        if self._is_over or not up:
            return
        machine, part = self._random.choice(up), self._random.choice(("chain", "state"))
        self._crash(machine, power=self._random.random() < 0.5)
        disk = machine.disk
        rows = disk.chain if part == "chain" else disk.world
        if isinstance(rows, MemoryDatabase):
            damage = decay.spoil(rows, part, self._random)
            said = f"{len(damage.unreadable)} rows cannot be read" if damage.opens else "it does not open"
            self._chronicle.say(machine.name, f"a bit of its {part} has flipped: {said}")
            spoilt = decay.SpoiltDatabase(rows, damage)
            if part == "chain":
                disk.chain = spoilt
            else:
                disk.world = spoilt
        self._start_soon(machine)

    def _start_soon(self, machine: Machine) -> None:
        self._timeline.after(self._random.randint(1, DOWN_MS_MAX), machine.boot)
