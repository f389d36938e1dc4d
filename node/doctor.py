"""The doctor: looks at a stopped node's home, says what is wrong and what to do, and changes nothing.

Each finding has a stable code, one sentence that says what is wrong and where, and one that says what to do. Databases
are opened as copies, whose tables are linked; every row is read, so that whatever cannot be read is found here.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from genesis.document import Genesis
from node import configuration, journal, records, restored, start
from node.ceremony import read_genesis, read_member_file
from node.chain import Chain
from node.home import Home
from node.joined import read_joined
from node.keystore import Purpose, find_passphrase, read_key
from node.opening import stopped
from node.records import Recovered
from node.repair import SET_ASIDE
from node.verification import copy_database
from state.anchor import Anchor, read_anchor
from state.errors import Corrupt, Invalid, Reason
from state.store import Database
from state.world import World

FREE_BYTES_MIN = 1024 * 1024 * 1024
"""Less room than this on the disk is worth a word."""

SCRUB_BYTES = 1024 * 1024


class Severity(StrEnum):
    """How bad it is."""

    FAULT = "fault"
    """The node would not start, or not do all it should."""
    NOTE = "note"
    """Worth knowing; nothing has to be done."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    code: str
    """Stable: programs compare it."""
    severity: Severity
    what: str
    """One sentence: what is wrong, and where."""
    remedy: str
    """One sentence: what to do."""


FETCH = "Start the node: it sets data/chain and data/state aside by itself, once, and fetches the chain from its peers."
REBUILD = "Start the node: it sets data/state aside by itself, once, and rebuilds it from the chain."
BACKUP = "Copy it back from your backup; nobody else has it."
JOURNAL = (
    "Keep data/journal, and bring back a backup's journal by hansa restore --journal; without a backup this vote key "
    "must be replaced (hansa keys vote) before the bank validates again."
)


def examine(home: Home, environment: Mapping[str, str]) -> list[Finding]:
    """Look at everything in a home.

    :raises Invalid: CONFLICT, a node runs on it; UNKNOWN, there is nothing of the kind.
    """
    if not home.path.is_dir():
        raise Invalid(Reason.UNKNOWN, f"{home.path} is not there: name a node's home")
    with (
        stopped(home, "make a backup (hansa backup) and look at that"),
        tempfile.TemporaryDirectory(prefix=".hansa-doctor-", dir=_scratch_parent(home)) as scratch,
    ):
        examination = _Examination(home, environment)
        examination.configuration()
        examination.genesis()
        examination.keys()
        examination.member()
        examination.data(Path(scratch))
        examination.notes()
        return examination.findings


def examine_data(home: Home, scratch: Path, genesis: Genesis | None) -> tuple[int, list[Finding]]:
    """Look at what a node has written, in a home that nobody writes to; the height of its chain, and what is found."""
    examination = _Examination(home, {})
    examination.known_genesis = genesis
    examination.data(scratch)
    return examination.height, examination.findings


class _Examination:
    """One visit."""

    def __init__(self, home: Home, environment: Mapping[str, str]) -> None:
        self._home = home
        self._environment = environment
        self.findings: list[Finding] = []
        self.known_genesis: Genesis | None = None
        self._settings = configuration.Configuration()
        self.height = 0
        """Of the chain, as far as it could be read."""

    def configuration(self) -> None:
        """config.toml."""
        path = self._home.configuration
        with self._reported("config", "Correct what is named; hansa init shows what a whole file looks like.", path):
            self._settings = configuration.load(path)

    def genesis(self) -> None:
        """genesis.json, and joined.json where there is one."""
        path = self._home.genesis
        with self._reported("genesis", "Copy it from another node, and compare the chain id with the others'.", path):
            self.known_genesis = read_genesis(path)
        if self._home.joined.exists() and self.known_genesis is not None:
            with self._reported("joined", BACKUP):
                read_joined(self._home, self.known_genesis.chain_id)

    def keys(self) -> None:
        """Every key file that is there, and those that must be. A backup may be without any."""
        home = self._home
        if (home.path / "backup.json").exists() and not home.keys.exists():
            return
        passphrase = None
        with self._reported("passphrase", "Correct passphrase_file in config.toml, and the file's mode (0600)."):
            passphrase = find_passphrase(self._settings.keys.passphrase_file, self._environment)
        wanted = [(home.node_key, Purpose.NODE)]
        is_validator = self.known_genesis is not None and any(
            member.vote_key is not None and member.node_key == _public_of(home.node_key)
            for member in self.known_genesis.members
        )
        if is_validator or home.vote_key.exists():
            wanted.append((home.vote_key, Purpose.VOTE))
        wanted += [(path, Purpose.NODE) for path in home.further_keys(home.node_key)]
        wanted += [(path, Purpose.VOTE) for path in home.further_keys(home.vote_key)]
        if home.account_key.exists():
            wanted.append((home.account_key, Purpose.ACCOUNT))
        for path, purpose in wanted:
            with self._reported("key", BACKUP, path):
                read_key(path, purpose, passphrase)

    def member(self) -> None:
        """member.json."""
        with self._reported("member", BACKUP, self._home.member):
            read_member_file(self._home.member)

    def data(self, scratch: Path) -> None:
        """Chain, anchor, journal and state."""
        home = self._home
        if not home.data.is_dir():
            self._find("data-missing", f"{home.data} is not there: this node has never run.", JOURNAL)
            return
        recovered = self._journal()
        self._chain(scratch, recovered)
        self._state(scratch)

    def notes(self) -> None:
        """What earlier lives have left behind, and how much room there is."""
        home = self._home
        halted = home.data / "halted.json"
        if halted.exists():
            self._find(
                "halted",
                f"The node halted because it contradicted other validators; {halted} says how.",
                "Find out why with the other members before anybody moves that file away.",
            )
        note = restored.read_note(home)
        if note is not None:
            self._note(
                "restored",
                f"This home was put back ({note.why}, at height {note.height}), and its node abstains for a while.",
                "Nothing: it signs by itself when what it signed before cannot matter any more.",
            )
        aside = home.data / SET_ASIDE
        if aside.is_dir():
            self._note(
                "set-aside",
                f"{aside} holds what was damaged and has been replaced.",
                "Look at the disk's health; delete it when nobody needs it, and the node can repair itself again.",
            )
        free = shutil.disk_usage(home.path).free
        if free < FREE_BYTES_MIN:
            self._note("disk-full", f"Only {free // 2**20} MiB are free at {home.path}.", "Make room.")

    # ------------------------------------------------------------------------------------------------- the parts

    def _journal(self) -> Recovered | None:
        home = self._home
        if not journal.segments_of(home.journal):
            self._find("journal-missing", f"The journal in {home.journal} is missing.", JOURNAL)
            return None
        try:
            return records.read(journal.peek(home.journal))
        except (Corrupt, OSError) as refusal:
            self._find("journal-damaged", _first_sentence(refusal), JOURNAL)
            return None

    def _chain(self, scratch: Path, recovered: Recovered | None) -> None:
        home, anchor = self._home, None
        try:
            anchor = read_anchor(home.anchor)
        except Corrupt as refusal:
            self._find("anchor-damaged", _first_sentence(refusal), FETCH)
        if not home.chain.is_dir():
            if anchor is not None:
                self._find("chain-missing", f"{home.chain} is missing.", FETCH)
            return
        with self._opened(home.chain, scratch / "chain", "chain", FETCH) as database:
            if database is None:
                return
            chain = Chain(database, None)
            self.height = max([chain.height, *(() if recovered is None else recovered.certificates)])
            if self.known_genesis is not None:
                try:
                    start.check_network(chain, self.known_genesis.chain_id, home.genesis)
                except Corrupt as refusal:
                    remedy = "Copy the network's genesis document from another node."
                    self._find("genesis-other", _first_sentence(refusal), remedy)
            missing = _first_gap(database, chain)
            if missing:
                self._find("chain-gap", f"Block {missing} is missing from the chain in {home.chain}.", FETCH)
            self._anchored(chain, anchor, recovered)

    def _anchored(self, chain: Chain, anchor: Anchor | None, recovered: Recovered | None) -> None:
        if anchor is None:
            return
        held = chain.decided(anchor.height)
        if held is None and recovered is not None:
            held = recovered.decided(anchor.height)
        if held is None:
            self._find(
                "chain-short",
                f"The chain in {self._home.chain} ends at height {chain.height}, and {anchor.height} was durable.",
                FETCH,
            )
        elif held.block.digest != anchor.block_digest:
            self._find("chain-other", f"The chain holds another block {anchor.height} than its anchor names.", FETCH)

    def _state(self, scratch: Path) -> None:
        home = self._home
        if not home.state.is_dir():
            if home.chain.is_dir():
                self._note("state-missing", f"{home.state} is missing.", "Nothing: it is rebuilt from the chain.")
            return
        with self._opened(home.state, scratch / "state", "state", REBUILD) as database:
            if database is None:
                return
            world = World.open(database)
            if world.height > self.height:
                self._find(
                    "state-ahead",
                    f"The state in {home.state} is of height {world.height}, where the chain has no block.",
                    REBUILD,
                )

    @contextmanager
    def _opened(self, path: Path, scratch: Path, code: str, remedy: str) -> Iterator[Database | None]:
        """A copy of a database, every row of it read; None where that can't be done, which is a finding then."""
        with ExitStack() as closing:
            try:
                copy_database(path, scratch)
                database = Database.open(scratch)
                closing.callback(database.close)
                at: bytes | None = b""
                while at is not None:
                    at, _ = database.scrub(at, SCRUB_BYTES)
            except (Corrupt, OSError) as refusal:
                sentence = _first_sentence(refusal).replace(str(scratch), str(path))
                self._find(f"{code}-unreadable", sentence, remedy)
                yield None
                return
            try:
                yield database
            except Corrupt as refusal:
                self._find(f"{code}-damaged", _first_sentence(refusal).replace(str(scratch), str(path)), remedy)

    # -------------------------------------------------------------------------------------------- what is written

    def _find(self, code: str, what: str, remedy: str) -> None:
        self.findings.append(Finding(code, Severity.FAULT, what, remedy))

    def _note(self, code: str, what: str, remedy: str) -> None:
        self.findings.append(Finding(code, Severity.NOTE, what, remedy))

    @contextmanager
    def _reported(self, code: str, remedy: str, path: Path | None = None) -> Iterator[None]:
        """What is refused within is a finding. :param path: the file that is looked at."""
        try:
            yield
        except (Invalid, OSError) as refusal:
            if path is not None and not path.exists():
                self._find(f"{code}-missing", f"The file {path} is missing.", remedy)
            elif isinstance(refusal, Invalid):
                self._find(f"{code}-refused", _whole(refusal.detail), remedy)
            else:
                self._find(f"{code}-unreadable", f"{refusal.filename} can't be read: {refusal.strerror}.", remedy)
        except Corrupt as refusal:
            self._find(f"{code}-refused", _first_sentence(refusal), remedy)


def _public_of(path: Path) -> bytes | None:
    """The public half that a key file names, None where it names none."""
    try:
        found = json.loads(path.read_bytes())
        return bytes.fromhex(str(found["public_key"]).removeprefix("0x"))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _first_gap(database: Database, chain: Chain) -> int:
    """The first height that is missing between the first block that is there and the last; 0 for none."""
    expected = getattr(chain, "first_height", 1)
    for key, _ in database.scan(b"b", b"c"):
        if int.from_bytes(key[1:], "big") != expected:
            break
        expected += 1
    return expected if expected <= chain.height else 0


def _first_sentence(refusal: Exception) -> str:
    text = refusal.detail if isinstance(refusal, Invalid) else str(refusal)
    head, dot, _ = text.partition(". ")
    return _whole(head + dot.strip())


def _whole(sentence: str) -> str:
    first, space, rest = sentence.strip().partition(" ")
    word = first if "/" in first or "." in first else first[:1].upper() + first[1:]
    return f"{word}{space}{rest}".rstrip(".") + "."


def _scratch_parent(home: Home) -> Path | None:
    """Where copies are made: beside the data, so that tables can be linked; elsewhere where that is not to be had."""
    return home.path if os.access(home.path, os.W_OK) else None

