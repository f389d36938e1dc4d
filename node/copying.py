"""Copies of a home's data, taken from outside, whether its node runs or not.

Nothing is asked of the node, and nothing is locked. A copy of each part is what a kill at some moment would have left,
which a node starts from unaided:

* a database: its manifest is read first, then its tables are linked (nobody ever writes to a table again) and its logs
  copied. If what the manifest names is not all there, a merge came between, and the copy is made again.
* the journal: the mark first, then the segments. What is torn at the end was not durable, and no mark claims it.

The order between the parts makes them fit each other: a block is in the chain before it is executed, and the journal
has everything that the chain has not made durable. So the state is copied first, then the anchor, then the chain, and
last the journal: the state is never ahead of the chain, nor the chain of the journal's votes.
"""

import os
import shutil
import time
from pathlib import Path

from node import journal
from node.home import Home
from state import manifest
from state.errors import Invalid, Reason

TRIES_MAX = 100
"""Copies of one part that are begun. Merges of a node under full load are seconds apart; a copy takes milliseconds."""

PAUSE_SECONDS = 0.02


def copy_data(home: Home, target: Home, *, is_linked: bool) -> None:
    """Copy all that a node writes while it runs.

    :param is_linked: whether tables may be the same files in both places.
    :raises Invalid: UNKNOWN, this node has never run; UNAVAILABLE, no whole copy was to be had.
    """
    if not home.chain.is_dir():
        raise Invalid(Reason.UNKNOWN, f"{home.chain} is not there: this node has never run")
    target.data.mkdir(parents=True, mode=0o700)
    if home.state.is_dir():
        copy_database(home.state, target.state, is_linked=is_linked)
    if home.anchor.exists():
        copy_file(home.anchor, target.anchor)
    copy_database(home.chain, target.chain, is_linked=is_linked)
    copy_journal(home.journal, target.journal)


def copy_database(source: Path, target: Path, *, is_linked: bool) -> None:
    """Copy a LevelDB that may be in use. :raises Invalid: UNAVAILABLE."""
    for _ in range(TRIES_MAX):
        try:
            _copy_database_once(source, target, is_linked=is_linked)
        except FileNotFoundError:  # A merge has removed it meanwhile, or it never was there: the next try tells.
            fault = f"files of {source} are missing"
        else:
            fault = manifest.fault_of(target)
            if not fault:
                return
        shutil.rmtree(target, ignore_errors=True)
        time.sleep(PAUSE_SECONDS)
    raise Invalid(Reason.UNAVAILABLE, f"{source} can't be copied: {fault}. Stop the node, and hansa doctor says more")


def _copy_database_once(source: Path, target: Path, *, is_linked: bool) -> None:
    target.mkdir(mode=0o700)
    copy_file(source / "CURRENT", target / "CURRENT")
    name = (target / "CURRENT").read_text("ascii", "replace").strip()
    if "/" in name or not name:
        raise FileNotFoundError(name)
    copy_file(source / name, target / name)
    try:
        inventory = manifest.inventory_of(target)
    except manifest.Unreadable:
        tables = [entry for entry in source.iterdir() if entry.suffix in (".ldb", ".sst")]
        first_log = 0
    else:
        tables = [manifest.table_of(source, number) or source / f"{number:06d}.ldb" for number in inventory.tables]
        first_log = inventory.log_number
    for table in tables:
        if not (is_linked and _link(table, target / table.name)):
            copy_file(table, target / table.name)
    for number in sorted(manifest.logs_of(source)):
        if number >= first_log:
            copy_file(source / f"{number:06d}.log", target / f"{number:06d}.log")


def copy_journal(source: Path, target: Path) -> None:
    """Copy a journal that may be written to. :raises Invalid: UNAVAILABLE."""
    for _ in range(TRIES_MAX):
        target.mkdir(mode=0o700)
        try:
            if (source / journal.MARK_FILE).exists():
                copy_file(source / journal.MARK_FILE, target / journal.MARK_FILE)
            segments = journal.segments_of(source)
            for segment in segments:
                copy_file(segment, target / segment.name)
            if segments:
                return
        except FileNotFoundError:
            pass  # It was compacted meanwhile.
        shutil.rmtree(target)
        time.sleep(PAUSE_SECONDS)
    raise Invalid(Reason.UNAVAILABLE, f"the journal in {source} is missing: hansa doctor says what to do")


def copy_file(source: Path, target: Path) -> None:
    """Copy contents and mode, durably."""
    with source.open("rb") as read:
        mode = os.fstat(read.fileno()).st_mode & 0o777
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as written:
            shutil.copyfileobj(read, written, 1024 * 1024)
            written.flush()
            os.fsync(written.fileno())


def copy_tree(source: Path, target: Path) -> None:
    """Copy a directory that nobody writes to, durably."""
    target.mkdir(mode=source.stat().st_mode & 0o777)
    for entry in sorted(source.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            copy_tree(entry, target / entry.name)
        elif entry.is_file():
            copy_file(entry, target / entry.name)
    sync_directory(target)


def sync_directory(path: Path) -> None:
    """Make names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        return False  # Another file system: copied then.
    return True
