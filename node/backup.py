"""Backups: a consistent copy of a home while its node runs, and putting one back.

A backup is a directory with the layout of a home and ``backup.json``, which names every file with its size and
digest and is written last. Keys are in it only on demand. What was copied is opened once, as a node would, before the
backup is called one (node/copying.py says why the parts fit each other).

Putting one back never makes a validator forget a vote that it could know of: a journal that is in the home and can be
read stays, unless the backup's is the newer. And whichever it is, the home gets the note of node/restored.py.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from consensus import safety
from consensus.safety import Record
from genesis.document import Genesis
from node import doctor, journal, records
from node.ceremony import read_genesis, read_member_file
from node.copying import copy_data, copy_file, copy_journal, copy_tree, sync_directory
from node.home import Home
from node.opening import lock_home
from node.restored import Restored, write_note
from state.errors import Corrupt, Invalid, Reason
from state.votes import Checkpoint

FORMAT = 1

MANIFEST = "backup.json"

HALTED = "halted.json"
"""In a home's data directory: it contradicted others, and says how."""

PUBLIC_FILES = ("config.toml", "genesis.json", "member.json", "joined.json")
"""Of a home, copied always, as far as they are there."""

SECRET_DIRECTORIES = ("keys", "wallets")
"""Copied on demand: a backup often goes where keys may not."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What ``backup.json`` says."""

    path: Path
    chain_id: bytes
    member: str
    """Whose home it was; empty where that could not be read."""
    height: int
    has_keys: bool
    files: Mapping[str, tuple[int, str]]
    """Size and SHA-256 of each by its path."""


def make(home: Home, target: Path, *, with_keys: bool) -> Backup:
    """Make a backup of a home, whose node may run.

    :raises Invalid: DUPLICATE (the target is there), UNKNOWN (never run), CONFLICT (what was copied has faults).
    """
    if target.exists():
        raise Invalid(Reason.DUPLICATE, f"{target} is already there: name a new directory")
    genesis = read_genesis(home.genesis)
    draft = target.with_name(target.name + ".partial")
    if draft.exists():
        raise Invalid(Reason.DUPLICATE, f"{draft} is left of a backup that was broken off: delete it first")
    draft.mkdir(parents=True, mode=0o700)
    try:
        copied = Home(draft)
        copy_data(home, copied, is_linked=True)
        for name in PUBLIC_FILES:
            if (home.path / name).is_file():
                copy_file(home.path / name, draft / name)
        for name in SECRET_DIRECTORIES:
            if with_keys and (home.path / name).is_dir():
                copy_tree(home.path / name, draft / name)
        height = _check(copied, genesis)
        backup = Backup(target, genesis.chain_id, _member_of(home), height, with_keys, _digests(draft))
        _write_manifest(draft, backup)
        draft.rename(target)
        sync_directory(target.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return backup


def read(path: Path) -> Backup:
    """Read a backup and verify every file of it.

    :raises Corrupt: one is missing or another. :raises Invalid: UNKNOWN, it is none.
    """
    try:
        found = json.loads((path / MANIFEST).read_bytes())
        files = {str(name): (int(entry["bytes"]), str(entry["sha256"])) for name, entry in found["files"].items()}
        chain_id, height = bytes.fromhex(found["chain_id"].removeprefix("0x")), int(found["height"])
        member, has_keys, version = str(found["member"]), bool(found["keys"]), int(found["format"])
    except OSError as error:
        raise Invalid(Reason.UNKNOWN, f"{path} is no backup: {MANIFEST} can't be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Corrupt(f"{path / MANIFEST} is damaged. Take another backup.") from error
    if version != FORMAT:
        raise Invalid(Reason.BAD_VERSION, f"{path} has format {version}; this program reads {FORMAT}")
    if _digests(path) != files:
        _differs(path, files)
    return Backup(path, chain_id, member, height, has_keys, files)


def restore(home: Home, path: Path, *, is_replacing: bool) -> Backup:
    """Put a backup back into a home, or make the home from it.

    :param is_replacing: whether data that is there may be moved away (to ``data.before-…``).
    :raises Invalid: CONFLICT (another network, a node runs, there is data), UNKNOWN. :raises Corrupt: as ``read``.
    """
    backup = read(path)
    source = Home(path)
    _check_network(home, backup)
    home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = lock_home(home)
    try:
        has_data = home.data.exists() and (home.chain.exists() or bool(journal.segments_of(home.journal)))
        if has_data and not is_replacing:
            raise Invalid(
                Reason.CONFLICT, f"{home.data} holds a node's data already: with --replace it is moved beside it"
            )
        for name in PUBLIC_FILES:
            if (path / name).is_file() and not (home.path / name).exists():
                copy_file(path / name, home.path / name)
        for name in SECRET_DIRECTORIES:
            if (path / name).is_dir() and not (home.path / name).exists():
                copy_tree(path / name, home.path / name)
        draft = home.path / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        for entry in sorted(source.data.iterdir()):
            if entry.is_dir() and entry != source.journal:
                copy_tree(entry, draft / entry.name)
            elif entry.is_file():
                copy_file(entry, draft / entry.name)
        copy_journal(_newer_journal(home, source), draft / home.journal.name)
        if (home.data / HALTED).exists() and not (draft / HALTED).exists():
            copy_file(home.data / HALTED, draft / HALTED)  # A person looks first, whatever is put back.
        write_note(draft, Restored(f"from the backup {path.name}", backup.height))
        sync_directory(draft)
        if home.data.exists():
            home.data.rename(_beside(home.data))
        draft.rename(home.data)
        sync_directory(home.path)
    finally:
        os.close(lock)
    return backup


def restore_journal(home: Home, path: Path) -> Backup:
    """Put only a backup's journal back: the one that is there is damaged, and the rest is whole.

    :raises Invalid: CONFLICT: the one that is there can be read and knows more. :raises Corrupt: as ``read``.
    """
    backup = read(path)
    _check_network(home, backup)
    lock = lock_home(home)
    try:
        if _newer_journal(home, Home(path)) == home.journal:
            raise Invalid(
                Reason.CONFLICT, f"{home.journal} is whole and knows at least as much as the backup's: nothing was done"
            )
        draft = home.data / "journal.new"
        shutil.rmtree(draft, ignore_errors=True)
        copy_journal(Home(path).journal, draft)
        sync_directory(draft)
        # The note first: a crash between the two must not leave an old record that passes for the newest.
        write_note(home.data, Restored(f"the journal from the backup {path.name}", backup.height))
        if home.journal.exists():
            home.journal.rename(_beside(home.journal))
        draft.rename(home.journal)
        sync_directory(home.data)
    finally:
        os.close(lock)
    return backup


def _check_network(home: Home, backup: Backup) -> None:
    """:raises Invalid: CONFLICT, the home is another network's, or another member's."""
    if home.genesis.exists() and (own := read_genesis(home.genesis).chain_id) != backup.chain_id:
        detail = f"the backup is of the network 0x{backup.chain_id.hex()}, and {home.path} of 0x{own.hex()}"
        raise Invalid(Reason.CONFLICT, detail)
    if home.member.exists() and backup.member and (member := _member_of(home)) != backup.member:
        detail = f"the backup is {backup.member}'s, and {home.path} is {member or 'somebody'}'s: votes are never shared"
        raise Invalid(Reason.CONFLICT, detail)


def _member_of(home: Home) -> str:
    try:
        return read_member_file(home.member).id
    except (Invalid, OSError):
        return ""


def _newer_journal(home: Home, source: Home) -> Path:
    """The journal that knows more of what was signed; of two equals the home's own."""
    own, other = _record_of(home.journal), _record_of(source.journal)
    if own is None:
        if other is None:
            raise Corrupt(f"The journal in {source.journal} can't be read. Take another backup.")
        return source.journal
    return source.journal if other is not None and _age(other) > _age(own) else home.journal


def _record_of(directory: Path) -> Record | None:
    """What the journal says was signed; None where it can't be read. (Signatures are left out: they play no part.)"""
    try:
        recovered = records.read(journal.peek(directory))
    except (Corrupt, OSError):
        return None
    record = recovered.record
    for request in recovered.requests[recovered.recorded_count :]:
        record = safety.recorded(record, request, bytes(64))
    return record


def _age(record: Record) -> tuple[int, int, int, int]:
    checkpoints = [stored.vote.height for stored in record.checkpoints if isinstance(stored.vote, Checkpoint)]
    return record.height, record.view, len(record.votes), max(checkpoints, default=0)


def _check(copied: Home, genesis: Genesis) -> int:
    """Open what was copied; the height of its chain. :raises Invalid: CONFLICT, a node would not start from it."""
    with tempfile.TemporaryDirectory(prefix=".hansa-check-", dir=copied.path) as scratch:
        height, findings = doctor.examine_data(copied, Path(scratch), genesis)
    faults = [finding for finding in findings if finding.severity is doctor.Severity.FAULT]
    if faults:
        detail = f"what was copied is damaged: {faults[0].what} {faults[0].remedy}"
        raise Invalid(Reason.CONFLICT, detail)
    return height


def _digests(directory: Path) -> dict[str, tuple[int, str]]:
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[str(path.relative_to(directory))] = path.stat().st_size, digest
    return found


def _write_manifest(directory: Path, backup: Backup) -> None:
    document = {
        "format": FORMAT,
        "chain_id": "0x" + backup.chain_id.hex(),
        "member": backup.member,
        "height": str(backup.height),
        "keys": backup.has_keys,
        "files": {name: {"bytes": size, "sha256": digest} for name, (size, digest) in backup.files.items()},
    }
    with (directory / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    sync_directory(directory)


def _differs(path: Path, files: Mapping[str, tuple[int, str]]) -> NoReturn:
    found = _digests(path)
    names = sorted(name for name in files.keys() | found.keys() if files.get(name) != found.get(name))
    what = "is missing" if names[0] not in found else "is not in the list" if names[0] not in files else "has changed"
    raise Corrupt(f"{path / names[0]} {what}: this is not what was backed up. Take another backup.")


def _beside(path: Path) -> Path:
    """A name for what is moved away."""
    number = 1
    while (free := path.with_name(f"{path.name}.before-{number}")).exists():
        number += 1
    return free
