"""Disks: they forget what was not synced, tear what was being written, and now and then a bit flips.

The journal goes through the real framing and its real reader whenever a machine comes back: a crash may end it in the
midst of a record, and only what the reader finds good is there again. The databases are rows in memory
(``state.memory``); what a flipped bit does to them is found out on a real LevelDB (``scripts.simulation.decay``).
"""

from collections.abc import Callable, Sequence
from random import Random

from consensus.safety import Record as VoteRecord
from node import journal, records
from node.journal import Record
from scripts.simulation.decay import Served, SpoiltDatabase
from scripts.simulation.timeline import Timeline
from state import codec, votes
from state.memory import MemoryDatabase
from state.votes import Vote

SYNC_MS_MAX = 6
"""Slowest fdatasync of a healthy disk, ms."""

SLOW_SYNC_MS_MAX = 600
"""And of one that is about to fail: beyond the shortest view timeout."""


ZEROED_SHARE = 0.3
"""Part of the power cuts that leave zeros where a file had grown and nothing was written."""


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
        self.chain: MemoryDatabase | SpoiltDatabase = MemoryDatabase()
        self.world: MemoryDatabase | SpoiltDatabase = MemoryDatabase()
        self.journal = b""
        """The segment as the next start finds it."""
        self.journal_backup: bytes | None = None
        """An older copy of it."""
        self._flipped: tuple[Record, ...] | None = None
        """What the journal held when a bit of it flipped."""
        self.chain_failures = 0
        """How often somebody has been told that the chain cannot be read."""
        self.sync_ms_max = SYNC_MS_MAX
        self.fails = False
        """Whether the next sync fails, as with ENOSPC or EIO: nothing of it is durable, or some of it."""

    @property
    def is_spoilt(self) -> bool:
        """Whether a bit has flipped that is there still: then the machine may refuse what it finds here."""
        return self._flipped is not None or any(isinstance(rows, SpoiltDatabase) for rows in (self.chain, self.world))

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

    def recover(self) -> list[Record]:
        """What the journal's own reader finds at a start. :raises Corrupt: it refuses."""
        found, _ = journal.read_segment(self.journal, "journal", is_newest=True)
        if self._flipped is not None:
            _check_flipped(found, self._flipped)
        self.replace(found)
        self._flipped = None
        return found

    def reopen(self) -> None:
        """A new process has handles of its own."""
        if isinstance(self.chain, SpoiltDatabase):
            self.chain = self.chain.reopened()
        if isinstance(self.world, SpoiltDatabase):
            self.world = self.world.reopened()

    def durable_segment(self) -> bytes:
        """The journal as a copy of it would be now."""
        return _segment(self.records[: self.synced_count])

    def flip_journal(self, random: Random) -> None:
        """One bit of the journal, while the machine is down."""
        held, _ = journal.read_segment(self.journal, "journal", is_newest=True)
        data = bytearray(self.journal)
        if data:
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
            self.journal, self._flipped = bytes(data), tuple(held)

    def scrub(self) -> None:
        """Write anew what cannot be read in the databases."""
        for rows in (self.chain, self.world):
            if isinstance(rows, SpoiltDatabase):
                rows.mend()

    def put_right(self, said: str) -> str:
        """What docs/operations.md says to do when a node refuses with these words; gives what was done."""
        if said.startswith("journal is damaged"):
            assert self.journal_backup is not None, "only a journal that there is a copy of is damaged"
            self.journal, self._flipped = self.journal_backup, None
            return "an older copy of its journal is put in place"
        if "/state failed" in said:
            self.world = MemoryDatabase()
            return "its state is moved away"
        assert "/chain failed" in said, said
        self.chain_failures += 1
        if self.chain_failures == 1:
            return "it is started again"
        self.chain, self.world = MemoryDatabase(), MemoryDatabase()
        return "its chain and state are moved away, its journal stays"

    def backup(self) -> "Disk":
        """A copy as an administrator makes it: what is durable now."""
        copy = Disk()
        copy.replace(self.records[: self.synced_count])
        copy.chain, copy.world = self.chain.clone(), self.world.clone()
        return copy

    def restore(self, backup: "Disk") -> None:
        """Go back to a copy; what was said meanwhile is forgotten here, and not elsewhere."""
        self.journal = _segment(backup.records)
        self.chain, self.world = backup.chain.clone(), backup.world.clone()

    def crash(self, random: Random, *, power: bool) -> None:
        """Forget what was not written, or with ``power`` a part of what was not synced, each file its own part."""
        synced, written = (_segment(self.records[:count]) for count in (self.synced_count, self.written_count))
        end = random.randint(len(synced), len(written))
        self.journal = written[:end]
        if not power:
            return
        if random.random() < ZEROED_SHARE:
            self.journal += bytes(len(written) - end)
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


def _segment(kept: Sequence[Record]) -> bytes:
    return b"".join(map(journal.encode, kept))


def _check_flipped(found: Sequence[Record], held: Sequence[Record]) -> None:
    """A flipped bit may cost the last record, which looks like one that was being written; nothing before it.

    :raises Served: it cost more, or what is read is not what was written.
    """
    if tuple(found) != tuple(held[: len(found)]):
        raise Served("S6: the journal gives what was never written")
    if len(found) < len(held) - 1:
        raise Served(f"S6: of {len(held)} records the journal gives {len(found)}, and says nothing")


def _votes_in(record: Record) -> list[Vote]:
    if record.kind == records.SAFETY:
        recorded = VoteRecord.decode(record.payload)
        return [stored.vote for stored in (*recorded.votes, *recorded.checkpoints)]
    if record.kind == records.REQUEST:
        value = codec.unpack(record.payload)
        assert isinstance(value, list)
        return [votes.from_value(value[0])]
    return []
