"""Damage to a validator's home, done to real files, and what the node's own readers make of it.

A home is prepared by a real node that took real payments, in three conditions: stopped in good order, killed, and
killed after its journal was compacted. Then a file of it is hit: a bit flips, its end is cut off, or it is gone.
``judge`` opens what is left in the order in which a node does, asks for everything that is in there, and holds the
answers against what was written. There are two good ends: every answer is right, and everything that the key has
signed is remembered; or it is refused with a sentence. ``Served`` is the third.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from consensus.start import StartState
from contracts.executor import Executor
from contracts.reads import Reads
from genesis.birth import state_at_birth
from node import journal as journal_file
from node import records, start
from node.chain import Chain
from node.execution import opened_of, run_block
from node.history import ValidatorHistory
from node.home import Home
from node.joined import write_joined
from node.journal import Record
from node.keystore import Purpose, generate, write_key
from node.opening import Opening, lock_home, read_home
from node.signer import Signer
from state import store
from state.errors import Corrupt, Invalid
from state.store import Database
from state.world import HEIGHT_BEFORE_GENESIS, World
from tests.node.network import Network, make_homes, until

SHARED_MEMORY = Path("/dev/shm")

CONDITIONS = ("stopped", "killed", "compacted")
MEMBER = "alpina"

KINDS = {
    "chain table": "data/chain/*.ldb",
    "chain log": "data/chain/*.log",
    "chain manifest": "data/chain/MANIFEST-*",
    "chain CURRENT": "data/chain/CURRENT",
    "chain LOG, LOCK": "data/chain/LO*",
    "state table": "data/state/*.ldb",
    "state log": "data/state/*.log",
    "state manifest": "data/state/MANIFEST-*",
    "state CURRENT": "data/state/CURRENT",
    "state LOG, LOCK": "data/state/LO*",
    "journal": "data/journal/*.journal",
    "journal's mark": "data/journal/durable",
    "anchor": "data/anchor",
    "node key": "keys/node.key",
    "vote key": "keys/vote.key",
    "account key": "keys/account.key",
    "next node key": "keys/node-2.key",
    "next vote key": "keys/vote-2.key",
    "member": "member.json",
    "genesis": "genesis.json",
    "configuration": "config.toml",
    "joined": "joined.json",
    "lock": "lock",
}
"""Every kind of file in a home, each as likely as any other."""

FLIP, CUT, REMOVAL = "a bit flipped in", "cut", "removed"
HOW = (FLIP,) * 8 + (CUT,) * 2 + (REMOVAL,)


class Served(Exception):
    """S6: a damaged home gave a wrong answer, forgot a vote, or failed without a reason."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything that there is in a home, read while it was whole."""

    chain_id: bytes
    blocks: tuple[bytes, ...]
    """Packed, by height from 1 on."""
    places: dict[bytes, tuple[int, int]]
    roots: tuple[bytes, ...]
    """State root after each height from 1 on."""
    state: bytes
    """Digest of every key and value."""
    extra: bytes
    """Digest of receipts, history and indexes."""
    receipts: tuple[bytes, ...]
    checkpoints: dict[int, bytes]
    record: bytes
    """The vote record."""
    signed: tuple[bytes, ...]
    """Votes at the undecided height."""
    keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """What was done to a home."""

    condition: str
    kind: str
    how: str
    file: str
    at: int

    def __str__(self) -> str:
        return f"{self.condition}: {self.how} {self.file} at {self.at}"


class Homes:
    """The prepared homes, and a place where copies of them are hit."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.homes = {condition: directory / condition for condition in CONDITIONS}
        self.truths = {condition: read_all(self.copy(condition)) for condition in CONDITIONS}

    def copy(self, condition: str) -> Path:
        """A home that may be hit: tables are linked, since nobody ever writes to them again."""
        source, target = self.homes[condition], self.directory / "hit"
        shutil.rmtree(target, ignore_errors=True)
        for folder, _, names in os.walk(source):
            place = target / os.path.relpath(folder, source)
            place.mkdir(mode=0o700)
            for name in names:
                put = os.link if name.endswith(".ldb") else shutil.copy2
                put(os.path.join(folder, name), place / name)
        return target

    def hit(self, random: Random, kind: str = "") -> tuple[Path, Hit]:
        """A copy with one file damaged, of that kind or any."""
        condition, how = random.choice(CONDITIONS), random.choice(HOW)
        home = self.copy(condition)
        files = {kind: found for kind, pattern in KINDS.items() if (found := sorted(home.glob(pattern)))}
        kind = kind or random.choice(list(files))
        file = random.choice(files[kind])
        content = file.read_bytes()
        at = random.randrange(len(content)) if content else 0
        mode = file.stat().st_mode & 0o777
        file.unlink()
        if how != REMOVAL:
            spoilt = bytearray(content)
            if how == CUT:
                del spoilt[at:]
            elif content:
                spoilt[at] ^= 1 << random.randrange(8)
            file.write_bytes(spoilt)
            file.chmod(mode)
        return home, Hit(condition, kind, how, str(file.relative_to(home)), at)


@contextmanager
def place_for(directory: Path) -> Iterator[Path]:
    """A directory in memory, where there is one: ten thousand damaged homes are opened, each with its syncs."""
    if not SHARED_MEMORY.is_dir() or not os.access(SHARED_MEMORY, os.W_OK):
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="hansa-damage-", dir=SHARED_MEMORY) as place:
        yield Path(place)


def prepare(directory: Path) -> Homes:
    """Have a real node make the homes. Its databases write their tables early, as under load, not only at a start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "WRITE_BUFFER_BYTES", 64 * 1024)
        asyncio.run(_live(directory))
    return Homes(directory)


async def _live(directory: Path) -> None:
    network = Network(directory / "network", make_homes(directory / "network", validators=1, heartbeat_ms=60_000))
    home = directory / "network" / MEMBER

    whole = Home(home)
    os.close(lock_home(whole))
    write_joined(whole, network.genesis.chain_id, ())
    for path, purpose in ((whole.node_key, Purpose.NODE), (whole.vote_key, Purpose.VOTE)):
        write_key(whole.nth_key(path, 2), generate(), purpose)

    async def session(work: Callable[[], Awaitable[None]]) -> None:
        node = await network.start_node(MEMBER)
        await until(lambda: not node.not_ready(), "ready")
        await work()
        await until(lambda: node.notices.certified_height == node.chain.height, "certified")
        await until(lambda: not node.driver.timers.is_running("lazy sync"), "synced")
        await asyncio.sleep(0.05)

    async def furnish() -> None:
        await network.furnish(MEMBER, *"abcdefgh")

    async def pay() -> None:
        for payer, payee in ("ab", "bc", "cd", "de", "ef", "fg"):
            assert await network.settle(network.nodes[MEMBER], network.payment(payer, payee, 5)) == "ok"

    async def pay_and_compact() -> None:
        await pay()
        network.nodes[MEMBER].driver.recorder.compact()
        await pay()

    await session(furnish)
    for _ in range(4):
        await network.stop_node(MEMBER)
        await session(pay)
    shutil.copytree(home, directory / "killed")
    await network.stop_node(MEMBER)
    shutil.copytree(home, directory / "stopped")
    await session(pay_and_compact)
    shutil.copytree(home, directory / "compacted")
    await network.stop_node(MEMBER)


def read_all(path: Path) -> Truth:
    """Open a home as a node does, and read everything.

    :raises Corrupt, Invalid, OSError: refused.
    """
    opening = read_home(path, {})
    home, genesis = opening.home, opening.genesis
    with ExitStack() as closing:
        database = Database.open(home.chain, create=True)
        closing.callback(database.close)
        chain = Chain(database, home.anchor)
        start.check_network(chain, genesis.chain_id, home.genesis)
        recovered = records.read(journal_file.recover(home.journal))
        history = ValidatorHistory(genesis.validators(), genesis.parameters.execution_lag, chain)
        state = Database.open(home.state, create=True)
        closing.callback(state.close)
        birth = state_at_birth(genesis)
        executor = Executor(World.open(state), genesis.chain_id, birth.parameters)
        if executor.world.height == HEIGHT_BEFORE_GENESIS:
            executor.apply_genesis(birth)
        _replay(chain, recovered, history, executor)
        opened_of(executor)
        signer = Signer(opening.vote_keys[0], genesis.chain_id, _NoJournal(), recovered)
        begun = start.start_state(chain, signer, history, genesis.parameters.execution_lag, chain.height)
        return _truth(opening, chain, executor, signer, begun)


def _truth(opening: Opening, chain: Chain, executor: Executor, signer: Signer, begun: StartState) -> Truth:
    blocks, roots, receipts = list[bytes](), list[bytes](), list[bytes]()
    places, checkpoints = dict[bytes, tuple[int, int]](), dict[int, bytes]()
    reads = Reads(executor)
    for decided in chain.blocks(1):
        height = decided.block.height
        encoded, outcome, certificate = chain.encoded(height), chain.outcome(height), chain.checkpoint(height)
        if encoded is None or outcome is None or chain.height_of(decided.block.digest) != height:
            raise Served(f"block {height} has no outcome, or is not found by its digest")
        blocks.append(encoded)
        roots.append(outcome.state_root)
        if certificate is not None:
            checkpoints[height] = repr(certificate).encode()
        for identity in decided.block.transaction_ids():
            place = chain.place(identity)
            if place is None:
                raise Served("a transaction of a block is nowhere")
            places[identity] = place
        receipts += [reads.receipt(height, index).encode() for index in range(reads.result(height).count)]
    if executor.world.height != chain.height:
        raise Served(f"the state is at height {executor.world.height}, the chain at {chain.height}")
    values = sha256()
    for key, value in executor.world.items():
        if executor.world.get(key) != value:
            raise Served("a key has two values")
        values.update(key + b"\0" + value)
    extra = sha256()
    for key, row in executor.world.extra_scan(b"", None, 1 << 30):
        extra.update(key + b"\0" + row)
    votes = tuple(repr((item.request.vote, item.signature)).encode() for item in begun.signed)
    return Truth(
        opening.genesis.chain_id,
        tuple(blocks),
        places,
        tuple(roots),
        values.digest(),
        extra.digest(),
        tuple(receipts),
        checkpoints,
        signer.record.encode(),
        votes,
        (opening.identity.node_id, signer.public),
    )


def judge(home: Path, truth: Truth) -> str:
    """What became of a damaged home: ``right``, ``behind`` (right so far, peers have the rest) or the refusal.

    :raises Served: neither.
    """
    try:
        found = read_all(home)
    except (Corrupt, Invalid, OSError) as refusal:
        sentence = refusal.detail if isinstance(refusal, Invalid) else str(refusal)
        if len(sentence) < 20:
            raise Served(f"refused without a reason: {sentence!r}") from refusal
        return sentence
    except Served:
        raise
    except Exception as fault:
        raise Served(f"neither an answer nor a refusal: {fault!r}") from fault
    if (found.chain_id, found.keys, found.record) != (truth.chain_id, truth.keys, truth.record):
        raise Served("another network, another key, or another vote record")
    height = len(found.blocks)
    if found.blocks != truth.blocks[:height] or found.roots != truth.roots[:height]:
        raise Served("another block, or another state root")
    if any(truth.places.get(identity) != place for identity, place in found.places.items()):
        raise Served("a transaction stands at another place")
    if any(truth.checkpoints.get(at, one) != one for at, one in found.checkpoints.items()):
        raise Served("another checkpoint certificate")
    if height < len(truth.blocks):
        return "behind"
    if (found.state, found.extra, found.receipts, found.signed) != (
        truth.state,
        truth.extra,
        truth.receipts,
        truth.signed,
    ):
        raise Served("another state, another receipt, or another vote")
    return "right"


def _replay(chain: Chain, recovered: records.Recovered, history: ValidatorHistory, executor: Executor) -> None:
    replaying = start.replay(chain, recovered, history, executor.world.height)
    try:
        block, transactions = next(replaying)
        while True:
            noted = chain.outcome(block.height)
            outcome = run_block(executor, block, transactions).outcome
            if noted is not None and noted != outcome:
                raise Corrupt(f"Executing block {block.height} again gives another state than it gave before.")
            block, transactions = replaying.send(outcome)
    except StopIteration:
        return


class _NoJournal:
    """Nothing is signed here."""

    size_bytes = 0

    def append(self, record: Record) -> None:
        raise AssertionError

    def sync(self, token: int) -> None:
        raise AssertionError

    def compact(self, records: object) -> None:
        raise AssertionError


def hits(homes: Homes, seed: int, count: int) -> Iterator[tuple[Hit, str]]:
    """So many hits and what became of each. :raises Served: of the first that was served wrongly."""
    random = Random(seed)
    for _ in range(count):
        home, hit = homes.hit(random)
        try:
            yield hit, judge(home, homes.truths[hit.condition])
        except Served as served:
            raise Served(f"{hit}: {served}") from served
