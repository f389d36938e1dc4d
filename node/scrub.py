"""The scrub: a running node reads everything that it keeps, little by little, to find damage before it is needed.

One pass goes over the chain, the world state, the journal, the anchor and the small files of the home, in slices that
hold up nothing; then it rests. What is found:

* a row of the chain or the state that can't be read ends the node, like any other failed read. It is noted for the
  next start, which sets that part aside and has it anew (node/repair.py).
* the journal and the anchor are written anew at once, from memory: what they hold is known here.
* a key, the genesis document or another file that has changed since the start is told to the operator, who has the
  backup: the node itself has read it and goes on.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from node import journal as journal_file
from node.chain import Chain
from node.execution import Reader
from node.home import Home
from node.inbox import Inbox
from node.journal import FileJournal
from node.metrics import Reading
from node.reads import SCRUB
from node.recording import Recorder
from state.anchor import read_anchor
from state.errors import Corrupt, Invalid

BYTES_PER_SECOND = 1024 * 1024
"""What is read of all parts together: 1 % of what a slow disk gives, 85 GB a day."""

SLICE_BYTES_MAX = 64 * 1024
"""Read at once: less than a millisecond of the loop's or of execution's time."""

PASS_PAUSE_SECONDS = 600.0
"""Between the end of a pass and the next."""

BUSY_SECONDS = 1.0
"""While the node has more to do than it can, the scrub waits so long and looks again."""

SMALL_FILE_BYTES_MAX = 8 * 1024 * 1024
"""Of a file of the home that is read whole."""

logger = logging.getLogger("hansa.node")

Slice = Callable[[bytes, int], Awaitable[tuple[bytes | None, int]]]
"""Verifies rows from a key on; where to go on (None: the end) and how many bytes it were."""


class DurableJournal(Protocol):
    """The journal, as far as it is looked at here."""

    @property
    def durable(self) -> tuple[Path, int]:
        """The newest segment, and how much of it is durable."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What is scrubbed, and what is done about it."""

    chain: Slice
    state: Slice
    journal: DurableJournal
    check_journal: Callable[[Path, int, int], int]
    check_anchor: Callable[[], None]
    """:raises Corrupt: it is damaged."""
    rewrite: Callable[[], None]
    """Has journal and anchor written anew, from what this node knows."""
    files: tuple[Path, ...]
    """Small files that nobody writes to while the node runs."""
    is_busy: Callable[[], bool]


@dataclass(slots=True)
class Scrub:
    """Reads and counts. ``sleep`` is asyncio's, or a test's."""

    parts: Parts
    sleep: Callable[[float], Awaitable[None]]
    bytes_total: int = 0
    passes_total: int = 0
    damage_total: int = 0
    """How often something was found: mended here, or told."""
    _digests: dict[Path, bytes | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._digests = {path: _digest_of(path) for path in self.parts.files}

    async def run(self) -> None:
        """Go on until it is cancelled. :raises Corrupt: a database can't be read; the node must end."""
        while True:
            await self.once()
            await self.sleep(PASS_PAUSE_SECONDS)

    async def once(self) -> None:
        """One pass over everything. :raises Corrupt: a database can't be read."""
        await self._rows(self.parts.chain)
        await self._rows(self.parts.state)
        await self._journal()
        self._anchor()
        self._files()
        self.passes_total += 1
        logger.info("scrub: all was read", extra={"facts": {"bytes": self.bytes_total, "damage": self.damage_total}})

    async def _rows(self, read: Slice) -> None:
        at: bytes | None = b""
        while at is not None:
            try:
                at, size = await read(at, SLICE_BYTES_MAX)
            except Invalid:  # So many questions wait already; this one can.
                await self.sleep(BUSY_SECONDS)
                continue
            await self._paced(size)

    async def _journal(self) -> None:
        path, durable = self.parts.journal.durable
        at = 0
        while at < durable:
            try:
                end = self.parts.check_journal(path, at, SLICE_BYTES_MAX)
            except (Corrupt, OSError) as refusal:
                if self.parts.journal.durable[0] != path:
                    return  # Compacted meanwhile.
                self._mend("the journal", str(refusal))
                return
            await self._paced(end - at)
            at = end

    def _anchor(self) -> None:
        try:
            self.parts.check_anchor()
        except Corrupt as refusal:
            self._mend("the anchor", str(refusal))

    def _mend(self, what: str, sentence: str) -> None:
        self.damage_total += 1
        logger.error(f"scrub: {what} was damaged and is written anew: {sentence}")
        self.parts.rewrite()

    def _files(self) -> None:
        for path, before in self._digests.items():
            now = _digest_of(path)
            if now != before:
                self.damage_total += 1
                what = "is missing" if now is None else "has changed"
                logger.error(f"scrub: {path} {what} since the start: compare it with your backup before a restart")
                self._digests[path] = now

    async def _paced(self, size: int) -> None:
        self.bytes_total += size
        await self.sleep(max(size, 1) / BYTES_PER_SECOND)
        while self.parts.is_busy():
            await self.sleep(BUSY_SECONDS)

    def readings(self) -> list[Reading]:
        """Its metrics."""
        return [
            Reading("hansa_scrub_bytes", "Bytes that the scrub has verified.", lambda: self.bytes_total, True),
            Reading("hansa_scrub_passes", "Passes over everything on disk.", lambda: self.passes_total, True),
            Reading("hansa_scrub_damage", "Damage that it has found and outlived.", lambda: self.damage_total, True),
        ]


def parts_of(
    home: Home, chain: Chain, execution: Reader, journal: FileJournal, recorder: Recorder, inbox: Inbox
) -> Parts:
    """The parts of a running node."""

    async def of_chain(start: bytes, bytes_max: int) -> tuple[bytes | None, int]:
        return chain.scrub(start, bytes_max)

    async def of_state(start: bytes, bytes_max: int) -> tuple[bytes | None, int]:
        answer = await execution.read(SCRUB, start, bytes_max)
        return answer.next_key, answer.size_bytes

    def check_anchor() -> None:
        if read_anchor(home.anchor) is None and chain.height and not is_young:
            raise Corrupt(f"The anchor {home.anchor} is missing.")

    is_young = not home.anchor.exists()
    files = [home.genesis, home.joined, home.member, home.configuration, *sorted(home.keys.glob("*.key"))]
    return Parts(
        of_chain,
        of_state,
        journal,
        journal_file.check_span,
        check_anchor,
        recorder.compact,
        tuple(path for path in files if path.exists()),
        lambda: inbox.is_pressed,
    )


def _digest_of(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return sha256(file.read(SMALL_FILE_BYTES_MAX)).digest()
    except OSError:
        return None
