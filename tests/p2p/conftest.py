"""Real TLS links on loopback, with every time limit shortened."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
import uvloop

from p2p.frame import LinkKind, Role
from p2p.identity import Identity, make_identity
from p2p.network import PeerNetwork
from p2p.peers import Event, Limits, Peer, PeerDown, PeerUp, Received

CHAIN_ID = bytes(range(32))

LIMITS = Limits(
    handshake_seconds_max=0.6,
    close_seconds_max=0.1,
    tick_seconds=0.05,
    votes_silence_ticks_max=8,
    bulk_silence_ticks_max=12,
    backoff_seconds_min=0.01,
    backoff_seconds_max=0.05,
)


def pytest_configure(config: pytest.Config) -> None:
    """The plugin's newer hook for loops reaches the tests of every folder; this fixture stays in this one."""
    config.addinivalue_line("filterwarnings", 'ignore:Overriding the "event_loop_policy" fixture')


@pytest.fixture(params=[asyncio.DefaultEventLoopPolicy, uvloop.EventLoopPolicy], ids=["asyncio", "uvloop"])
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    """Each test runs on both loops: production runs uvloop, tools may not."""
    return request.param()


def now_ms() -> int:
    """The machine's clock: OpenSSL judges certificates by it."""
    return time.time_ns() // 1_000_000


def identities(count: int) -> list[Identity]:
    """Identities in the order of their node ids, so that an earlier one dials a later one."""
    made = [make_identity(bytes([number]) * 32, f"bank {number}") for number in range(1, count + 1)]
    return sorted(made, key=lambda identity: identity.node_id)


def peer(identity: Identity, port: int = 0, role: Role = Role.VALIDATOR, root: bytes | None = None) -> Peer:
    """The member-list entry of an identity."""
    return Peer(identity.node_id, "a bank", "127.0.0.1", port, root or identity.root, role)


@dataclass
class Node:
    """One network with the events that it has delivered."""

    identity: Identity
    network: PeerNetwork
    role: Role
    events: list[Event] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    heights: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)

    @property
    def received(self) -> list[Received]:
        return [event for event in self.events if isinstance(event, Received)]

    def ups(self, kind: LinkKind = LinkKind.VOTES) -> list[PeerUp]:
        return [event for event in self.events if isinstance(event, PeerUp) and event.link_kind is kind]

    def downs(self, kind: LinkKind = LinkKind.VOTES) -> list[PeerDown]:
        return [event for event in self.events if isinstance(event, PeerDown) and event.link_kind is kind]


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for a condition; the test fails where it does not come true."""
    async with asyncio.timeout(seconds):
        while True:
            if condition():
                return
            await asyncio.sleep(0.002)


class Cluster:
    """Networks in one process, closed together; no task may outlive them."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def make(
        self,
        identity: Identity,
        role: Role = Role.VALIDATOR,
        chain_id: bytes = CHAIN_ID,
        limits: Limits = LIMITS,
        clock_ms: Callable[[], int] = now_ms,
    ) -> Node:
        """A network that knows nobody and is not started."""
        node: Node
        network = PeerNetwork(
            identity,
            chain_id,
            role,
            [],
            on_event=lambda event: node.events.append(event),
            standing=lambda node_id: node.heights.get(node_id, (0, b"")),
            clock_ms=clock_ms,
            draw=lambda: 0.5,
            on_failure=lambda error: node.failures.append(error),
            limits=limits,
        )
        node = Node(identity, network, role)
        self.nodes.append(node)
        return node

    async def start(self, *nodes: Node) -> None:
        """Start, and introduce all to all."""
        for node in nodes:
            await node.network.start("127.0.0.1", 0)
        members = [peer(node.identity, node.network.port, node.role) for node in nodes]
        for node in nodes:
            node.network.set_peers(members, node.role)

    async def linked(self, *nodes: Node) -> None:
        """Wait until every pair among them has both links."""
        for node in nodes:
            for kind in LinkKind:
                await until(lambda node=node, kind=kind: len(node.network.connected(kind)) == len(nodes) - 1)

    async def pair(self, **settings: object) -> tuple[Node, Node]:
        """Two validators with both links up; the first one dials."""
        dialler, acceptor = (self.make(identity, **settings) for identity in identities(2))
        await self.start(dialler, acceptor)
        await self.linked(dialler, acceptor)
        return dialler, acceptor

    async def close(self) -> None:
        for node in self.nodes:
            await node.network.close()


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    yield cluster
    await cluster.close()
    await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == {asyncio.current_task()}, "a task outlives its network"
    for node in cluster.nodes:
        assert node.failures == []
        assert node.network.connected(LinkKind.VOTES) == ()
        assert len(node.ups()) == len(node.downs())
        assert len(node.ups(LinkKind.BULK)) == len(node.downs(LinkKind.BULK))
