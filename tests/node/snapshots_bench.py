"""A network with a past that ends at a height whose state can be fetched, and peers that answer from it or lie."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from contracts.executor import Executor
from node.chain import Chain
from node.execution import InlineExecution
from node.history import ValidatorHistory
from node.home import Home
from node.snapshot_fetch import Fetch
from node.snapshot_install import Installation
from node.snapshots import SnapshotServer
from p2p.bulk import BulkKind, decode_get_blocks, encode_blocks
from p2p.snapshots import Offer
from scripts.benchmarks import prepared
from state.errors import Invalid, Reason
from state.store import Database
from state.succession import Change, Succession
from state.world import World
from tests.node.bench import ManualClock, Wire

ACCOUNTS = 60
HEIGHT = 128
"""A multiple of SNAPSHOT_HEIGHTS, and long enough for a snapshot to be worth it."""

BASE_PORT = 21_500

Lie = Callable[[BulkKind, bytes, bytes], bytes | None]
"""Kind asked, question, true answer → what the liar sends; None: nothing."""


def make_network(root: Path, heartbeat_ms: int = 10_000) -> prepared.Network:
    """Four validators with HEIGHT blocks in their homes, and an observer without anything."""
    network = prepared.make(root, 4, BASE_PORT, lambda usual: replace(usual, heartbeat_ms=heartbeat_ms))
    writer = prepared.Writer(network)
    writer.open_accounts(ACCOUNTS, lambda _: None)
    writer.pay(ACCOUNTS, HEIGHT - writer.chain.height, 2, lambda _: None)
    writer.finish()
    return network


class Holder:
    """The chain and the state that honest peers answer from."""

    def __init__(self, network: prepared.Network) -> None:
        genesis, home = network.genesis, network.validators[0].home
        self.network = network
        self.databases = [Database.open(home.state), Database.open(home.chain)]
        self.world = World.open(self.databases[0])
        self.world.pin()
        self.executor = Executor(self.world, genesis.chain_id, genesis.parameters)
        self.chain = Chain(self.databases[1], None)
        self.lag = genesis.parameters.execution_lag
        self.history = ValidatorHistory(genesis.validators(), self.lag, self.chain)
        self.succession = Succession(genesis.chain_id, self.lag, genesis.validators())

    async def answer(self, kind: BulkKind, question: bytes) -> bytes:
        """What an honest peer answers."""
        if kind == BulkKind.GET_BLOCKS:
            first, _ = decode_get_blocks(question)
            return encode_blocks([self.chain.encoded(first) or b""])
        wire = Wire()

        async def changes(after: int, count: int) -> Sequence[Change]:
            return []

        execution = InlineExecution(self.executor, lambda _: None)
        server = SnapshotServer(self.chain, execution, changes, wire, ManualClock())
        server.asked("asker", kind, question)
        await server.idle()
        return wire.sent[0][2]

    def close(self) -> None:
        for database in self.databases:
            database.close()


class Peers:
    """``Asking`` without a network: honest peers, and some that lie."""

    def __init__(self, holder: Holder, liars: dict[str, Lie], claim: int = HEIGHT) -> None:
        self.holder = holder
        self.liars = liars
        self.claim = claim
        self.dropped: dict[str, str] = {}
        self.asked: dict[str, int] = {}
        self.members = [validator.member for validator in holder.succession.genesis.validators]

    def peers(self) -> Sequence[str]:
        return [member for member in self.members if member not in self.dropped]

    def heights(self) -> dict[str, int]:
        return dict.fromkeys(self.members, self.claim)

    async def ask(self, peer: str, kind: BulkKind, payload: bytes) -> bytes:
        self.asked[peer] = self.asked.get(peer, 0) + 1
        answer: bytes | None = await self.holder.answer(kind, payload)
        lie = self.liars.get(peer)
        if lie is not None:
            assert answer is not None
            answer = lie(kind, payload, answer)
        if answer is None:
            await asyncio.sleep(0.05)
            raise Invalid(Reason.UNAVAILABLE, "no answer within 4 s")
        return answer

    def drop(self, peer: str, reason: str) -> None:
        self.dropped.setdefault(peer, reason)


def empty_home(path: Path) -> Home:
    """A home with nothing in it."""
    shutil.rmtree(path, ignore_errors=True)
    (path / "data").mkdir(parents=True)
    return Home(path)


def fetch(peers: Peers, home: Home, window_ms: int | None = None) -> int:
    """One attempt to begin with a snapshot; its height."""
    genesis = peers.holder.network.genesis
    window = genesis.parameters.transaction_window_ms if window_ms is None else window_ms

    def install(offer: Offer) -> Installation:
        return Installation(home, offer, window)

    return asyncio.run(Fetch(peers, peers.holder.succession, install).run())
