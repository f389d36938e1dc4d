"""Verification of a stopped node's directory: everything is played again from genesis, and nothing is believed.

For each block: parent, time, validators and transaction root; the commit certificates, its own and the one that its
header carries of its parent; the signatures and the validity of every transaction. Then it is executed on a fresh
state, and the roots that come out are compared with the checkpoint certificate of that height, with what the node
noted, and at the end with the node's own world state. Last, the whole state is checked: the kernel's promises in full,
and every invariant of every contract.

LevelDB cannot open a directory without writing to it, so a copy is opened. Table files never change once they are
written: they are linked where the file system allows it.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NoReturn

from contracts.executor import BlockResult, Executor
from contracts.kernel import parameters
from contracts.reads import Reads
from genesis.birth import state_at_birth
from genesis.document import Genesis
from node.ceremony import read_genesis
from node.chain import Chain
from node.history import ParameterHistory
from node.home import Home
from node.opening import stopped
from p2p.bulk import DecidedBlock
from state import transaction, validity
from state.anchor import read_anchor
from state.certificate import Certificate
from state.digest import NO_DIGEST
from state.errors import Corrupt, Invalid, Reason
from state.store import Database
from state.transaction import Transaction
from state.validators import ValidatorSet
from state.votes import Checkpoint, Commit
from state.world import World

FORGET_BLOCKS = 256
"""How often ids whose time has passed are forgotten."""

FAULTS_SHOWN_MAX = 5
"""Sentences about an unsound state; one fault often brings many."""

LINKABLE = (".ldb", ".sst")
"""Suffixes of LevelDB's tables, which are never written again."""

Progress = Callable[[int, int], None]
"""Told the height that is done, and the last one."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found, all of it in agreement."""

    chain_id: bytes
    height: int
    block_digest: bytes
    state_root: bytes
    transactions: int
    failed: int
    """Transactions whose receipt is not ok."""
    signatures: int
    """Signatures of transactions, certificates included."""
    checkpoints: int
    """Heights with a checkpoint certificate."""
    certified_height: int
    """The highest of these."""
    state_height: int
    """Height of the node's own world state, whose root agrees; it may stand behind the chain after a kill."""


def verify(home: Home, progress: Progress) -> Verified:
    """Play the chain of a stopped node again.

    :raises Corrupt: something does not agree; says what and at which height.
    :raises Invalid: CONFLICT (the node runs), UNKNOWN (no chain) or BAD_GENESIS.
    """
    genesis = read_genesis(home.genesis)
    if not home.chain.is_dir():
        raise Invalid(Reason.UNKNOWN, f"{home.chain} is not there: this node has never run")
    instead = "verify a copy of the directory"
    with stopped(home, instead), tempfile.TemporaryDirectory(prefix="hansa-verify-") as scratch:
        folder = Path(scratch)
        database = Database.open(copy_database(home.chain, folder / "chain"))
        fresh = Database.open(folder / "replayed", create=True)
        try:
            chain = Chain(database, None)
            if chain.first_height > 1:
                detail = f"this chain begins at block {chain.first_height}, so it can't be played again from genesis"
                raise Invalid(Reason.PRUNED, f"{detail}: verify an archive node's")
            world = World.open(fresh)
            replay = _Replay(genesis, chain, Executor(world, genesis.chain_id, genesis.parameters))
            _check_anchor(home, chain)
            own = _own_state(home, folder)
            return replay.run(own, progress)
        finally:
            fresh.close()
            database.close()


class _Replay:
    """One walk over the chain."""

    def __init__(self, genesis: Genesis, chain: Chain, executor: Executor) -> None:
        self._genesis = genesis
        self._chain = chain
        self._executor = executor
        self._sets: dict[int, ValidatorSet] = {}
        self._limits = ParameterHistory(genesis.parameters)
        self._parent = (NO_DIGEST, genesis.time_ms)
        self._executed: dict[bytes, int] = {}
        """Ids and until when they are valid: what is past that is in no later block anyway."""
        self._transactions = self._failed = self._signatures = self._checkpoints = self._certified = 0

    def run(self, own: "tuple[int, bytes] | None", progress: Progress) -> Verified:
        """Every block; ``own`` is height and root of the node's world state."""
        executor, chain = self._executor, self._chain
        root = executor.apply_genesis(state_at_birth(self._genesis))
        roots_agree = own is None
        if own is not None and own[0] == 0:
            self._compare_own(0, root, own)
            roots_agree = True
        for decided in chain.blocks(1):
            height = decided.block.height
            result = self._block(decided)
            self._compare(result)
            if own is not None and own[0] == height:
                self._compare_own(height, result.state_root, own)
                roots_agree = True
            progress(height, chain.height)
        self._check_soundness()
        if own is not None and not roots_agree:
            _differs(chain.height, f"the world state is of height {own[0]}, where the chain has no block")
        return Verified(
            self._genesis.chain_id,
            chain.height,
            chain.digest,
            executor.world.root,
            self._transactions,
            self._failed,
            self._signatures,
            self._checkpoints,
            self._certified,
            0 if own is None else own[0],
        )

    def _validators(self, height: int) -> ValidatorSet:
        """V(height), as executing height − L gave it; genesis stands in for the first L."""
        return self._sets.get(height) or self._genesis.validators()

    def _block(self, decided: DecidedBlock) -> BlockResult:
        """Check a block and its bodies, and execute it."""
        block, header = decided.block, decided.block.header
        height = self._executor.world.height + 1
        parent, parent_time_ms = self._parent
        validators = self._validators(height)
        if block.height != height:
            _differs(height, f"the chain holds block {block.height} in its place")
        if header.chain_id != self._genesis.chain_id:
            _differs(height, "the block is of another chain")
        if header.parent != parent:
            _differs(height, "the block does not name the block before as its parent")
        if header.timestamp_ms <= parent_time_ms:
            _differs(height, f"its time {header.timestamp_ms} does not lie above its parent's {parent_time_ms}")
        if header.validators_digest != validators.digest:
            _differs(height, "the block names other validators than the state does")
        if validators.index_of(header.proposer) is None:
            _differs(height, "its proposer is no validator of that height")
        self._check_commit(height, decided.certificate, block.digest)
        if header.parent_certificate is not None:
            self._check_commit(height - 1, header.parent_certificate, parent)
        result = self._executor.execute(block, self._bodies(decided))
        self._sets[height + self._genesis.parameters.execution_lag] = result.next_validators
        self._limits.executed(height, parameters.ahead(self._executor.overlay()))
        self._sets.pop(height - 2, None)
        self._parent = (block.digest, header.timestamp_ms)
        if height % FORGET_BLOCKS == 0:
            self._executed = {key: until for key, until in self._executed.items() if until >= header.timestamp_ms}
        self._transactions += len(result.receipts)
        self._failed += sum(not receipt.is_ok for receipt in result.receipts)
        return result

    def _bodies(self, decided: DecidedBlock) -> list[Transaction]:
        """The block's transactions, valid, correctly signed and never executed before."""
        height = decided.block.height
        try:
            bodies = [transaction.decode(encoded) for encoded in decided.transactions]
            validity.check_body(decided.block, bodies, self._limits.at(decided.block.height))
        except Invalid as refusal:
            _differs(height, str(refusal))
        for body in bodies:
            if not body.has_valid_signatures():
                _differs(height, f"a signature of transaction {body.id.hex()} does not match")
            if body.id in self._executed:
                _differs(height, f"transaction {body.id.hex()} was executed before")
            self._executed[body.id] = body.body.valid_until_ms
            self._signatures += len(body.signatures)
        return bodies

    def _check_commit(self, height: int, certificate: Certificate, digest: bytes) -> None:
        vote = certificate.vote
        if not isinstance(vote, Commit) or vote.height != height or vote.digest != digest:
            _differs(height, "its commit certificate is of something else")
        self._check_certificate(height, certificate)

    def _check_certificate(self, height: int, certificate: Certificate) -> None:
        try:
            certificate.check(self._validators(height), self._genesis.chain_id)
        except Invalid as refusal:
            _differs(height, f"a certificate does not hold: {refusal}")
        self._signatures += len(certificate.signatures)

    def _compare(self, result: BlockResult) -> None:
        """What executing gave, against the certificate and against what the node noted."""
        height, next_digest = result.height, result.next_validators.digest
        certificate = self._chain.checkpoint(height)
        if certificate is not None:
            own = Checkpoint(height, result.block_digest, result.state_root, result.receipts_root, next_digest)
            for name in ("block_digest", "state_root", "receipts_root", "validators_digest", "height"):
                certified, found = getattr(certificate.vote, name, None), getattr(own, name)
                if certified != found:
                    _differs(height, f"{name}: {_shown(certified)} is certified, {_shown(found)} was computed")
            self._check_certificate(height, certificate)
            self._checkpoints += 1
            self._certified = height
        noted = self._chain.outcome(height)
        if noted is not None:
            for name, was, found in (
                ("state_root", noted.state_root, result.state_root),
                ("receipts_root", noted.receipts_root, result.receipts_root),
                ("validators_digest", noted.validators.digest, next_digest),
            ):
                if was != found:
                    _differs(height, f"{name}: the node noted {_shown(was)}, {_shown(found)} was computed")

    def _check_soundness(self) -> None:
        """The state that was computed keeps every promise of the kernel and of each contract."""
        height = self._executor.world.height
        found = list(islice(Reads(self._executor).faults(), FAULTS_SHOWN_MAX))
        if found:
            raise Corrupt(
                f"Height {height}: the state is unsound: {'; '.join(found)}. Every node that executes this chain comes "
                "to the same state, so this is a defect of the code: stop the network, and keep this directory."
            )

    def _compare_own(self, height: int, root: bytes, own: tuple[int, bytes]) -> None:
        if own[1] != root:
            _differs(height, f"state_root: the node's own state has {_shown(own[1])}, {_shown(root)} was computed")


def copy_database(source: Path, target: Path) -> Path:
    """A copy of a LevelDB directory that may be opened; tables are linked where that is possible."""
    target.mkdir()
    for entry in sorted(source.iterdir()):
        if entry.name == "LOCK" or not entry.is_file():
            continue
        if entry.suffix in LINKABLE:
            try:
                os.link(entry, target / entry.name)
                continue
            except OSError:
                pass  # Another file system: copied then.
        shutil.copyfile(entry, target / entry.name)
    return target


def _check_anchor(home: Home, chain: Chain) -> None:
    """The file outside LevelDB must name a block that the chain has."""
    anchor = read_anchor(home.anchor)
    if anchor is None:
        return
    decided = chain.decided(anchor.height)
    if decided is None or decided.block.digest != anchor.block_digest:
        found = "nothing" if decided is None else "another block"
        _differs(anchor.height, f"the anchor names a block here, and the chain holds {found}")


def _own_state(home: Home, folder: Path) -> tuple[int, bytes] | None:
    """Height and root of the node's own world state, which is rebuilt from its leaves; None where it has none."""
    if not home.state.is_dir():
        return None
    database = Database.open(copy_database(home.state, folder / "state"))
    try:
        world = World.open(database)
        return None if world.height < 0 else (world.height, world.root)
    finally:
        database.close()


def _shown(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def _differs(height: int, what: str) -> NoReturn:
    raise Corrupt(
        f"Height {height}: {what}. Keep this directory as evidence, and let the node fetch the chain from its peers "
        "into a new one."
    )
