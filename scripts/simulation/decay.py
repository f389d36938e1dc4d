"""Decay: what becomes of a database in which a bit has flipped.

Nobody guesses what LevelDB notices: the rows are written to a real one by ``state.store``, a bit of one of its files is
flipped, and it is opened and read again, checksums and all. Either it does not open, or some rows cannot be read, or
the bit held nothing. In no case may a row come back that is another one, or be missing without a word. One thing
LevelDB does not notice: a length that flips in the last record of its log makes a torn tail of it, which is dropped.
Then the node does, by the anchor of its chain or the root of its state.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from state.errors import StorageFailure
from state.keyvalue import Finder
from state.memory import MemoryDatabase
from state.store import Database

UNREADABLE_MAX = 48
"""Rows that are tried one by one, each with the database opened anew; beyond it a whole table has gone."""

NO_ROWS = ("LOG", "LOG.old", "LOCK")
"""Files of a LevelDB that it never reads again."""


class Served(Exception):
    """S6: a damaged database gave another row than was written, or lost one without a word."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What a flipped bit did to a database."""

    failure: str
    """What opening or reading it says; empty where nothing was hit that is ever read."""
    opens: bool
    unreadable: frozenset[bytes]


class SpoiltDatabase:
    """The rows of a database in which a bit has flipped: an unreadable one kills the handle, as ``state.store`` does.

    What is written over an unreadable row is readable: a newer table has it.
    """

    def __init__(self, rows: MemoryDatabase, damage: Damage) -> None:
        self.beneath = rows
        """What was written, whether it can be read or not."""
        self._damage = damage
        self._unreadable = set(damage.unreadable)
        self._failure: StorageFailure | None = None
        self._is_open = False

    def get(self, key: bytes) -> bytes | None:
        """See ``KeyValue``."""
        self._touch([key])
        return self.beneath.get(key)

    def get_verified(self, key: bytes) -> bytes | None:
        """See ``KeyValue``."""
        self._touch([key])
        return self.beneath.get_verified(key)

    def finder(self) -> Finder:
        """See ``KeyValue``."""
        self._touch([])
        return self.get_verified

    def rows(self, start: bytes, stop: bytes | None) -> list[tuple[bytes, bytes]]:
        """See ``KeyValue``."""
        found = self.beneath.rows(start, stop)
        self._touch([key for key, _ in found])
        return found

    def scan(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False, verify: bool = True
    ) -> Iterator[tuple[bytes, bytes]]:
        """See ``KeyValue``."""
        for key, row in self.beneath.scan(start, stop, reverse=reverse, verify=verify):
            self._touch([key])
            yield key, row

    def scrub(self, start: bytes, bytes_max: int) -> tuple[bytes | None, int]:
        """See ``KeyValue``."""
        self._touch([key for key, _ in self.beneath.rows(start, None)])
        return None, 0

    def view(self) -> "SpoiltDatabase":
        """See ``KeyValue``."""
        return self.clone()

    def write(self, changes: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        """See ``KeyValue``."""
        self._touch([])
        self._unreadable.difference_update(changes)
        self.beneath.write(changes, sync=sync)

    def close(self) -> None:
        """See ``KeyValue``."""
        self.beneath.close()

    def clone(self) -> "SpoiltDatabase":
        """A copy has the same damage."""
        return self._over(self.beneath.clone())

    def reopened(self) -> "SpoiltDatabase":
        """The same rows under a new handle."""
        return self._over(self.beneath)

    def after_crash(self, kept: int = 0) -> "SpoiltDatabase":
        """See ``MemoryDatabase``."""
        return self._over(self.beneath.after_crash(kept))

    @property
    def unsynced_count(self) -> int:
        """See ``MemoryDatabase``."""
        return self.beneath.unsynced_count

    @property
    def is_empty(self) -> bool:
        """See ``MemoryDatabase``."""
        self._touch([])
        return self.beneath.is_empty

    def mend(self) -> None:
        """What cannot be read is written anew."""
        self._damage = Damage(self._damage.failure, opens=True, unreadable=frozenset())
        self._unreadable.clear()

    def _over(self, rows: MemoryDatabase) -> "SpoiltDatabase":
        return SpoiltDatabase(rows, Damage(self._damage.failure, self._damage.opens, frozenset(self._unreadable)))

    def _touch(self, keys: list[bytes]) -> None:
        if self._failure is None and (not self._damage.opens or not self._unreadable.isdisjoint(keys)):
            self._failure = StorageFailure(self._damage.failure)
        if self._failure is not None:
            raise self._failure


def spoil(database: MemoryDatabase, name: str, random: Random) -> Damage:
    """Flip a bit of a LevelDB with these rows, and see.

    :raises Served: it gives something else than was written.
    """
    written = dict(database.scan())
    with tempfile.TemporaryDirectory(prefix="hansa-decay-") as folder:
        path = Path(folder) / name
        older = _write(path, written, random)
        _flip(path, random)
        try:
            return _look(path, written, older)
        except StorageFailure as failure:
            return Damage(str(failure).replace(folder, ""), opens=False, unreadable=frozenset())


def _write(path: Path, rows: Mapping[bytes, bytes], random: Random) -> dict[bytes, bytes]:
    """An older part, which becomes a table when the database is opened again, and a newer one in its log; the older."""
    is_new = {key: random.random() < 0.2 for key in rows}
    for wanted in (False, True):
        database = Database.open(path, create=True)
        database.write({key: row for key, row in rows.items() if is_new[key] is wanted}, sync=False)
        database.close()
    return {key: row for key, row in rows.items() if not is_new[key]}


def _flip(path: Path, random: Random) -> None:
    files = sorted(file for file in path.iterdir() if file.name not in NO_ROWS)
    sizes = [file.stat().st_size for file in files]
    file = random.choices(files, sizes)[0]
    data = bytearray(file.read_bytes())
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    file.write_bytes(data)


def _look(path: Path, written: Mapping[bytes, bytes], older: Mapping[bytes, bytes]) -> Damage:
    """:raises StorageFailure: it does not open."""
    database = Database.open(path)
    try:
        found = dict(database.rows(b"", None))
    except StorageFailure as failure:
        database.close()
        said = str(failure).replace(str(path.parent), "")
        return Damage(said, opens=True, unreadable=_unreadable(path, written))
    database.close()
    if found == older != written:
        return Damage(f"/{path.name} failed: the end of its log is lost", opens=False, unreadable=frozenset())
    if found != written:
        raise Served(f"S6: {path.name} gives {len(found)} rows, {len(written)} others were written")
    return Damage("", opens=True, unreadable=frozenset())


def _unreadable(path: Path, written: Mapping[bytes, bytes]) -> frozenset[bytes]:
    lost: list[bytes] = []
    database = Database.open(path)
    for key, row in written.items():
        try:
            found = database.get_verified(key)
        except StorageFailure:
            lost.append(key)
            if len(lost) > UNREADABLE_MAX:
                return frozenset(written)
            database.close()
            database = Database.open(path)
            continue
        if found != row:
            raise Served(f"S6: {path.name} gives another row than was written")
    database.close()
    return frozenset(lost)
