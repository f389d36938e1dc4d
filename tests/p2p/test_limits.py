"""Members that misbehave after their Hello, dead connections, full queues, floods of connections (P4, P7)."""

import asyncio
import base64
import dataclasses
import resource
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from p2p.frame import MESSAGE_BYTES_MAX, Hello, LinkKind, Role, encode_hello, frame_header
from p2p.identity import issue_leaf
from p2p.peers import Limits
from p2p.tls import client_context

from .conftest import CHAIN_ID, LIMITS, Cluster, Node, identities, now_ms, peer, until


@pytest.fixture
async def acceptor(cluster: Cluster) -> Node:
    return await start_acceptor(cluster, LIMITS)


@pytest.fixture
async def strict_acceptor(cluster: Cluster) -> Node:
    """A flood begins early, so that a busy machine, which takes longer to be flooded, sees it too."""
    return await start_acceptor(cluster, dataclasses.replace(LIMITS, frames_per_tick_max=1000))


async def start_acceptor(cluster: Cluster, limits: Limits) -> Node:
    smaller, larger = identities(2)
    node = cluster.make(larger, limits=limits)
    await node.network.start("127.0.0.1", 0)
    node.network.set_peers([peer(smaller)], Role.VALIDATOR)
    return node


def member_context(node: Node) -> ssl.SSLContext:
    own = identities(2)[0]
    return client_context(own, issue_leaf(own, now_ms()), node.identity.root)


def hello(kind: LinkKind = LinkKind.VOTES) -> bytes:
    return encode_hello(Hello(CHAIN_ID, identities(2)[0].node_id, kind, Role.VALIDATOR, 0, b""))


@asynccontextmanager
async def greeted(
    node: Node, kind: LinkKind = LinkKind.VOTES
) -> AsyncIterator["aiohttp.ClientWebSocketResponse[bool]"]:
    """A member's connection, its Hello said, in the hands of the test."""
    async with aiohttp.ClientSession() as session:
        url = f"https://127.0.0.1:{node.network.port}/{kind.value}"
        async with session.ws_connect(url, ssl=member_context(node), autoping=False) as websocket:
            await websocket.send_bytes(hello(kind))
            assert (await websocket.receive()).type is aiohttp.WSMsgType.BINARY
            await until(lambda: node.ups(kind))
            yield websocket


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "malformed: a message is made of whole frames, at least one"),
        (b"\x01\x00\x00\x00\x09x", "malformed: a message is made of whole frames, at least one"),
        (bytes(5) * 1025, "too_large: more than 1024 frames in a message"),
    ],
    ids=["empty", "cut", "too many"],
)
async def test_a_malformed_message_closes(acceptor: Node, message: bytes, reason: str) -> None:
    async with greeted(acceptor) as websocket:
        await websocket.send_bytes(message)
        await until(acceptor.downs)
    assert [event.reason for event in acceptor.downs()] == [f"the peer broke the protocol: {reason}"]
    assert acceptor.received == []


async def test_text_closes(acceptor: Node) -> None:
    async with greeted(acceptor) as websocket:
        await websocket.send_str("hello?")
        await until(acceptor.downs)
    assert acceptor.downs()[0].reason == "the peer sent TEXT, which has no place here"


@pytest.mark.parametrize("kind", list(LinkKind))
async def test_an_oversize_message_closes(acceptor: Node, kind: LinkKind) -> None:
    size = MESSAGE_BYTES_MAX[kind] - 4
    async with greeted(acceptor, kind) as websocket:
        try:
            await websocket.send_bytes(frame_header(1, bytes(size)) + bytes(size))
        except OSError:
            pass
        await until(lambda: acceptor.downs(kind))
    assert "exceeds limit" in acceptor.downs(kind)[0].reason
    assert acceptor.received == []


async def test_a_flood_of_tiny_frames_closes(strict_acceptor: Node) -> None:
    """P4: a million empty frames. One tick's worth more than allowed is delivered at most, and nothing piles up."""
    acceptor = strict_acceptor
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with greeted(acceptor) as websocket:
        try:
            for _ in range(1000):
                await websocket.send_bytes(bytes(5) * 1000)
        except OSError:
            pass
        await until(acceptor.downs)
    assert acceptor.downs()[0].reason == "the peer floods"
    assert len(acceptor.received) < 100_000
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # The test keeps each event; the network keeps none.
    assert grown_kb < 20_000 + len(acceptor.received) // 4


async def test_a_flood_of_empty_control_frames_closes(strict_acceptor: Node) -> None:
    acceptor = strict_acceptor
    async with greeted(acceptor) as websocket:
        try:
            for _ in range(60_000):
                await websocket.pong()
        except OSError:
            pass
        await until(acceptor.downs)
    assert acceptor.downs()[0].reason == "the peer floods"


async def test_a_silent_peer_is_dropped(acceptor: Node) -> None:
    async with greeted(acceptor):
        await until(acceptor.downs, 2)
    assert acceptor.downs()[0].reason == "the peer has fallen silent"


async def test_a_peer_of_one_byte_at_a_time_is_dropped(acceptor: Node) -> None:
    """After its Hello: bytes of a message that never ends are no sign of life."""
    reader, writer = await asyncio.open_connection("127.0.0.1", acceptor.network.port, ssl=member_context(acceptor))
    key = base64.b64encode(bytes(16)).decode()
    writer.write(
        f"GET /votes HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    message = hello()
    writer.write(b"\x82" + bytes((0x80 | len(message),)) + bytes(4) + message)
    await until(acceptor.ups)
    writer.write(b"\x82\xfe\xff\xff" + bytes(4))  # a message of 65,535 bytes is to follow
    try:
        while not acceptor.downs():
            writer.write(b"\x00")
            await writer.drain()
            await asyncio.sleep(0.02)
    except OSError:
        pass
    assert acceptor.downs()[0].reason == "the peer has fallen silent"
    writer.close()


async def test_an_idle_link_stays_up(cluster: Cluster) -> None:
    first, second = await cluster.pair()
    await asyncio.sleep(LIMITS.tick_seconds * LIMITS.bulk_silence_ticks_max * 1.2)
    assert first.downs() == second.downs() == []
    assert first.downs(LinkKind.BULK) == second.downs(LinkKind.BULK) == []


async def test_a_stalled_loop_of_our_own_drops_nobody(cluster: Cluster) -> None:
    first, second = await cluster.pair()
    loop = asyncio.get_running_loop()
    until_time = loop.time() + LIMITS.tick_seconds * LIMITS.votes_silence_ticks_max * 1.5
    while loop.time() < until_time:
        pass
    await asyncio.sleep(LIMITS.tick_seconds * 3)
    assert first.downs() == second.downs() == []


class Cable:
    """A TCP relay between two nodes that can be cut without either side being told."""

    def __init__(self) -> None:
        self.whole = asyncio.Event()
        self.whole.set()
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, target_port: int) -> None:
        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", target_port)
            for source, sink in ((reader, onward_writer), (onward_reader, writer)):
                task = asyncio.create_task(self._pump(source, sink))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

        self._server = await asyncio.start_server(relay, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self.whole.wait()
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def test_a_cut_cable_is_noticed_and_heals(cluster: Cluster) -> None:
    dialler, acceptor = (cluster.make(identity) for identity in identities(2))
    await cluster.start(dialler, acceptor)
    cable = Cable()
    await cable.start(acceptor.network.port)
    dialler.network.set_peers([peer(acceptor.identity, cable.port)], Role.VALIDATOR)
    await until(lambda: dialler.network.connected(LinkKind.VOTES) and acceptor.network.connected(LinkKind.VOTES))
    await asyncio.sleep(0.1)
    ups = len(dialler.ups())
    cable.whole.clear()
    await until(lambda: not dialler.network.connected(LinkKind.VOTES))
    await until(lambda: not acceptor.network.connected(LinkKind.VOTES))
    assert acceptor.downs()[-1].reason == "the peer has fallen silent"
    cable.whole.set()
    await until(lambda: len(dialler.ups()) > ups and acceptor.network.connected(LinkKind.VOTES))
    await dialler.network.close()
    await acceptor.network.close()
    await cable.close()


@pytest.mark.parametrize("kind", list(LinkKind))
async def test_a_peer_that_does_not_read(cluster: Cluster, kind: LinkKind) -> None:
    """Queues stay within their bounds: votes lose the oldest, bulk refuses; then the peer is dropped."""
    smaller, larger = identities(2)
    limits = dataclasses.replace(LIMITS, votes_queue_bytes_max=100_000, bulk_queue_bytes_max=100_000)
    node = cluster.make(larger, limits=limits)
    await node.network.start("127.0.0.1", 0)
    node.network.set_peers([peer(smaller)], Role.VALIDATOR)
    async with greeted(node, kind) as websocket:
        # Pongs go out, nothing is read.
        taken = 0
        for _ in range(2000):
            taken += node.network.send(smaller.node_id, kind, 1, bytes(10_000))
            await asyncio.sleep(0)
        status = getattr(node.network.status()[0], kind.value)
        assert status.queued_bytes <= 100_000
        if kind is LinkKind.VOTES:
            assert (taken, status.counters.refused) == (2000, 0)
            assert status.counters.dropped > 1000
        else:
            assert taken == 2000 - status.counters.refused < 1000
            assert status.counters.dropped == 0
        async with asyncio.timeout(5):
            while not node.downs(kind):
                node.network.send(smaller.node_id, kind, 1, bytes(50_000))
                await websocket.pong()
                await asyncio.sleep(0.01)
    assert node.downs(kind)[0].reason in ("the peer does not read", "the peer has fallen silent")


async def test_connections_in_their_handshake_are_capped(cluster: Cluster) -> None:
    """P7: two thousand connections from one address; the members' link does not care."""
    first, second = await cluster.pair()
    opened: list[asyncio.StreamWriter] = []
    try:
        for _ in range(2000):
            _, writer = await asyncio.open_connection("127.0.0.1", second.network.port)
            opened.append(writer)
        listener = second.network._listener
        assert listener is not None
        assert len(listener._tasks) <= LIMITS.handshakes_per_address_max
        first.network.send(second.identity.node_id, LinkKind.VOTES, 1, b"still here")
        await until(lambda: second.received)
        await until(lambda: second.network.refusals().get("too many handshakes", 0) > 1500)
    finally:
        for writer in opened:
            writer.close()
    assert second.downs() == []
    # What is taken now must be free again after the deadline.
    await until(lambda: not listener._handshakes_by_address)


def test_the_documented_limits() -> None:
    limits = Limits()
    assert limits.handshake_seconds_max == 5.0
    assert limits.votes_silence_ticks_max * limits.tick_seconds + limits.backoff_seconds_max < 8
    for kind, queue in ((LinkKind.VOTES, limits.votes_queue_bytes_max), (LinkKind.BULK, limits.bulk_queue_bytes_max)):
        assert queue >= 2 * MESSAGE_BYTES_MAX[kind], "the largest frame finds room"
