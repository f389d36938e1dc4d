"""Disks that forget what was not synced."""

from collections.abc import Callable, Sequence
from random import Random

from node.journal import Record
from scripts.simulation.timeline import Timeline
from state.memory import MemoryDatabase

SYNC_MS_MAX = 6
"""Slowest fdatasync of a healthy disk, ms."""


class Disk:
    """What survives a crash: the journal, and the databases of chain and world."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.synced_count = 0
        self.chain = MemoryDatabase()
        self.world = MemoryDatabase()

    def lose_power(self, random: Random) -> None:
        """Forget a part of what was not synced, each file its own part."""
        self.records = self.records[: random.randint(self.synced_count, len(self.records))]
        self.synced_count = len(self.records)
        self.chain = self.chain.after_crash(random.randint(0, self.chain.unsynced_count))
        self.world = self.world.after_crash(random.randint(0, self.world.unsynced_count))


class SimulatedJournal:
    """The journal of one life of a node."""

    def __init__(self, disk: Disk, timeline: Timeline, synced: Callable[[int], None]) -> None:
        self._disk = disk
        self._timeline = timeline
        self._synced = synced
        self._busy_until_ms = 0

    @property
    def size_bytes(self) -> int:
        """What it takes up."""
        return sum(len(record.payload) for record in self._disk.records)

    def append(self, record: Record) -> None:
        """See ``node.journal.Journal``."""
        self._disk.records.append(record)

    def sync(self, token: int) -> None:
        """See ``node.journal.Journal``. Syncs complete in order."""
        count = len(self._disk.records)
        delay_ms = self._timeline.random.randint(0, SYNC_MS_MAX)
        self._busy_until_ms = max(self._busy_until_ms, self._timeline.now_ms + delay_ms)

        def done() -> None:
            self._disk.synced_count = max(self._disk.synced_count, min(count, len(self._disk.records)))
            self._synced(token)

        self._timeline.after(self._busy_until_ms - self._timeline.now_ms, done)

    def compact(self, records: Sequence[Record]) -> None:
        """See ``node.journal.Journal``."""
        self._disk.records = list(records)
        self._disk.synced_count = len(records)
