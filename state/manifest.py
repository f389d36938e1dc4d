"""What a LevelDB directory must hold, by its own manifest: read strictly, because LevelDB is lenient at the ends.

A LevelDB takes whatever does not read at the end of its manifest, or of its log, for something that was being written
when the power failed, and drops it without a word. One flipped bit in a record's length is enough: the manifest is then
that of an older database, and a table full of XX Three facts tell damage from a crash:

* a manifest is synced before what it makes obsolete is deleted: the log that it names and the tables that it lists
  are there, whole. If they are not, a later record of it has been lost.
* a record torn by a crash ends with the file. One whose checksum is right for another length was whole once.
* a table never changes: it has the size that the manifest notes.

The formats are LevelDB's own (doc/log_format.md, doc/impl.md, db/version_edit.cc), unchanged since 2011.
"""

from dataclasses import dataclass, field
from pathlib import Path

BLOCK_BYTES = 32_768
"""A log is cut into blocks of this size; a record that does not fit is cut into fragments."""

HEADER_BYTES = 7
"""Of a fragment: checksum (4), length (2), kind (1)."""

FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
"""Kinds of fragments."""

COMPARATOR, LOG_NUMBER, NEXT_FILE, LAST_SEQUENCE, COMPACT_POINTER, DELETED, NEW, _, PREVIOUS_LOG = range(1, 10)
"""What a manifest's record says, field by field: ``Tag`` in db/version_edit.cc."""

CRC_MASK_DELTA = 0xA282EAD8
"""LevelDB stores checksums rotated and shifted by this."""


@dataclass(slots=True)
class Inventory:
    """The files that a database is made of."""

    name: str
    """Of the manifest itself."""
    log_number: int = 0
    """Rows newer than the tables are in logs from this one on."""
    tables: dict[int, int] = field(default_factory=dict)
    """Size of each table by its number."""


class Unreadable(Exception):
    """The manifest is not one. LevelDB, which verifies its checksums, says so better."""


def inventory_of(path: Path, manifest: bytes | None = None) -> Inventory:
    """What belongs to the database at ``path``.

    :param manifest: contents of the manifest, if they have been read already.
    :raises Unreadable: nobody can tell. :raises OSError: a file is missing or can't be read.
    """
    name = (path / "CURRENT").read_text("ascii", "replace").rstrip("\n")
    if not name.startswith("MANIFEST-"):
        raise Unreadable("CURRENT names no manifest")
    found = Inventory(name)
    try:
        for record in _records((path / name).read_bytes() if manifest is None else manifest):
            _apply(found, record)
    except (IndexError, ValueError) as error:
        raise Unreadable(str(error)) from error
    return found


def fault_of(path: Path) -> str:
    """What is wrong with the files of the closed database at ``path`` that LevelDB would not notice; empty for nothing.

    :raises OSError: the disk can't be read.
    """
    try:
        inventory = inventory_of(path)
    except (Unreadable, FileNotFoundError):
        return ""  # LevelDB refuses it by itself.
    logs = sorted(logs_of(path))
    if inventory.log_number and inventory.log_number not in logs:
        return f"the log {inventory.log_number:06d}.log is missing, or the end of {inventory.name} is lost"
    for number, size in inventory.tables.items():
        table = table_of(path, number)
        if table is None:
            return f"the table {number:06d}.ldb is missing"
        found = table.stat().st_size
        if found != size:
            return f"the table {table.name} has {found} bytes where {size} were written"
    files = [path / inventory.name]
    files += [path / f"{number:06d}.log" for number in logs if number >= inventory.log_number]
    for file in files:
        if _has_changed_length(file.read_bytes()):
            return f"a length in {file.name} has changed"
    return ""


def logs_of(path: Path) -> list[int]:
    """Numbers of the logs in a directory."""
    return [int(entry.stem) for entry in path.iterdir() if entry.suffix == ".log" and entry.stem.isdigit()]


def table_of(path: Path, number: int) -> Path | None:
    """The file of a table; old databases have another suffix."""
    for suffix in (".ldb", ".sst"):
        file = path / f"{number:06d}{suffix}"
        if file.exists():
            return file
    return None


def _fragments(data: bytes) -> "tuple[list[tuple[int, int, int]], int]":
    """Kind, start and end of each fragment's payload, and where the walk over them ends: the length if all is whole."""
    found, at, size = [], 0, len(data)
    while at < size:
        left = BLOCK_BYTES - at % BLOCK_BYTES
        if left < HEADER_BYTES:
            at += left
            continue
        if size - at < HEADER_BYTES:
            break
        length, kind = data[at + 4] | data[at + 5] << 8, data[at + 6]
        end = at + HEADER_BYTES + length
        if kind == 0 or length > left - HEADER_BYTES or end > size:
            break
        found.append((kind, at + HEADER_BYTES, end))
        at = end
    return found, min(at, size)


def _records(data: bytes) -> list[bytes]:
    """The whole records of a log, checksums not looked at."""
    records, parts = [], list[bytes]()
    for kind, start, end in _fragments(data)[0]:
        if kind in (FULL, FIRST):
            parts.clear()
        parts.append(data[start:end])
        if kind in (FULL, LAST):
            records.append(b"".join(parts))
            parts.clear()
    return records


def _has_changed_length(data: bytes) -> bool:
    """Whether the walk over a log ends at a fragment whose checksum is right for another length than it says."""
    at = _fragments(data)[1]
    rest = data[at : at + BLOCK_BYTES - at % BLOCK_BYTES]
    if len(rest) <= HEADER_BYTES:
        return False
    wanted = int.from_bytes(rest[:4], "little")
    said = rest[4] | rest[5] << 8
    lengths = sorted({said ^ 1 << bit for bit in range(16)})
    checksum, at = _crc(rest[6:7]), 0
    for length in lengths:
        if length > len(rest) - HEADER_BYTES:
            return False
        checksum = _crc(rest[HEADER_BYTES + at : HEADER_BYTES + length], checksum)
        at = length
        if _masked(checksum) == wanted:
            return True
    return False


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC_TABLE = _crc_table()


def _crc(data: bytes, before: int = 0) -> int:
    """CRC-32C (Castagnoli), which none of our libraries computes; only ever of the end of a log that does not read."""
    value, table = before ^ 0xFFFFFFFF, _CRC_TABLE
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def _masked(checksum: int) -> int:
    return ((checksum >> 15 | checksum << 17) + CRC_MASK_DELTA) & 0xFFFFFFFF


def _apply(inventory: Inventory, record: bytes) -> None:
    """One edit of the list of files. :raises ValueError, IndexError: it is none."""
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = record[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def skip() -> None:
        nonlocal at
        size = number()
        at += size

    while at < len(record):
        tag = number()
        if tag == COMPARATOR:
            skip()
        elif tag == LOG_NUMBER:
            inventory.log_number = number()
        elif tag in (NEXT_FILE, LAST_SEQUENCE, PREVIOUS_LOG):
            number()
        elif tag == COMPACT_POINTER:
            number()
            skip()
        elif tag == DELETED:
            number()
            inventory.tables.pop(number(), None)
        elif tag == NEW:
            number()
            table = number()
            inventory.tables[table] = number()
            skip()
            skip()
        else:
            raise ValueError(f"no field {tag} is known")
