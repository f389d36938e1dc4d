"""Disks that forget what was not synced."""

from collections.abc import Callable, Sequence
from random import Random

from consensus.safety import Record as VoteRecord
from node import records
from node.journal import Record
from scripts.simulation.timeline import Timeline
from state import codec, votes
from state.memory import MemoryDatabase
from state.votes import Vote

SYNC_MS_MAX = 6
"""Slowest fdatasync of a healthy disk, ms."""

SLOW_SYNC_MS_MAX = 600
"""And of one that is about to fail: beyond the shortest view timeout."""


class Disk:
    """What survives a crash: the journal, and the databases of chain and world."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.journal_bytes = 0
        self.written_count = 0
        """Records that were handed to the operating system; the rest dies with its process."""
        self.synced_count = 0
        self.durable_votes: set[Vote] = set()
        """Every vote whose record has been synced: no other may leave the node."""
        self.chain = MemoryDatabase()
        self.world = MemoryDatabase()
        self.sync_ms_max = SYNC_MS_MAX
        self.fails = False
        """Whether the next sync fails, as with ENOSPC or EIO: nothing of it is durable, or some of it."""

    def synced(self, count: int) -> None:
        """The first ``count`` records are durable."""
        for record in self.records[self.synced_count : count]:
            self.durable_votes.update(_votes_in(record))
        self.synced_count = max(self.synced_count, count)

    def replace(self, kept: Sequence[Record]) -> None:
        """Durably replace all records."""
        self.records, self.written_count, self.synced_count = list(kept), len(kept), 0
        self.journal_bytes = sum(len(record.payload) for record in kept)
        self.synced(len(kept))

    def backup(self) -> "Disk":
        """A copy as an administrator makes it: what is durable now."""
        copy = Disk()
        copy.replace(self.records[: self.synced_count])
        copy.chain, copy.world = self.chain.clone(), self.world.clone()
        return copy

    def restore(self, backup: "Disk") -> None:
        """Go back to a copy; what was said meanwhile is forgotten here, and not elsewhere."""
        self.replace(backup.records)
        self.chain, self.world = backup.chain.clone(), backup.world.clone()

    def crash(self, random: Random, *, power: bool) -> None:
        """Forget what was not written, or with ``power`` a part of what was not synced, each file its own part."""
        self.replace(self.records[: random.randint(self.synced_count, self.written_count)])
        if not power:
            return
        self.chain = self.chain.after_crash(random.randint(0, self.chain.unsynced_count))
        self.world = self.world.after_crash(random.randint(0, self.world.unsynced_count))


class SimulatedJournal:
    """The journal of one life of a node."""

    def __init__(
        self,
        disk: Disk,
        timeline: Timeline,
        random: Random,
        synced: Callable[[int], None],
        failed: Callable[[], None],
    ) -> None:
        self._disk = disk
        self._timeline = timeline
        self._random = random
        self._synced = synced
        self._failed = failed
        self._busy_until_ms = 0
        self._segment = 0

    @property
    def size_bytes(self) -> int:
        """What it takes up."""
        return self._disk.journal_bytes

    def append(self, record: Record) -> None:
        """See ``node.journal.Journal``."""
        self._disk.records.append(record)
        self._disk.journal_bytes += len(record.payload)

    def sync(self, token: int) -> None:
        """See ``node.journal.Journal``. Syncs complete in order."""
        segment, count = self._segment, len(self._disk.records)
        self._disk.written_count = count
        delay_ms = self._random.randint(0, self._disk.sync_ms_max)
        self._busy_until_ms = max(self._busy_until_ms, self._timeline.now_ms + delay_ms)

        def done() -> None:
            if self._disk.fails:
                self._failed()
                return
            if segment == self._segment:
                self._disk.synced(count)
            self._synced(token)

        self._timeline.after(self._busy_until_ms - self._timeline.now_ms, done)

    def compact(self, kept: Sequence[Record]) -> None:
        """See ``node.journal.Journal``."""
        self._segment += 1
        self._disk.replace(kept)

    def stop(self) -> None:
        """This life ends: syncs under way tell nothing any more."""
        self._segment = -1


def _votes_in(record: Record) -> list[Vote]:
    if record.kind == records.SAFETY:
        recorded = VoteRecord.decode(record.payload)
        return [stored.vote for stored in (*recorded.votes, *recorded.checkpoints)]
    if record.kind == records.REQUEST:
        value = codec.unpack(record.payload)
        assert isinstance(value, list)
        return [votes.from_value(value[0])]
    return []
