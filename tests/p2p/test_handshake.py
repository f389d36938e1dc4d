"""Who is let in: FAULTS.md P1, P2, P6, one attacker a test, each with a real connection."""

import asyncio
import dataclasses
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from p2p.frame import Hello, LinkKind, Role, encode_hello
from p2p.identity import Identity, Leaf, issue_leaf, make_identity
from p2p.tls import client_context

from .conftest import CHAIN_ID, Cluster, Node, identities, now_ms, peer, until

DAY_MS = 24 * 60 * 60 * 1000


@pytest.fixture
async def acceptor(cluster: Cluster) -> Node:
    """The largest of three; the smaller ones are members that are to dial it."""
    smallest, middle, largest = identities(3)
    node = cluster.make(largest)
    await node.network.start("127.0.0.1", 0)
    node.network.set_peers([peer(smallest), peer(middle)], Role.VALIDATOR)
    return node


def member() -> Identity:
    return identities(3)[0]


def context_for(node: Node, own: Identity, leaf: Leaf | None = None) -> ssl.SSLContext:
    return client_context(own, leaf or issue_leaf(own, now_ms()), node.identity.root)


async def closes_within(reader: asyncio.StreamReader, seconds: float) -> bytes:
    """What the other side says until it closes."""
    async with asyncio.timeout(seconds):
        try:
            return await reader.read(65536)
        except OSError:
            return b""


async def tls_refused(node: Node, context: ssl.SSLContext, reason: str) -> None:
    """Connect; the node answers nothing, closes, and counts the reason. No event leaves it."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.network.port, ssl=context)
    except OSError:
        pass
    else:
        writer.write(b"GET /votes HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await closes_within(reader, 2) == b""
        writer.close()
    await until(lambda: node.network.refusals())
    assert list(node.network.refusals()) == [reason]
    assert node.events == []


async def test_no_certificate(acceptor: Node) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=acceptor.identity.root)
    await tls_refused(acceptor, context, "TLS: peer did not return a certificate")


async def test_a_stranger_with_a_root_of_its_own(acceptor: Node) -> None:
    stranger = make_identity(b"\x99" * 32, "stranger")
    await tls_refused(acceptor, context_for(acceptor, stranger), "TLS: certificate verify failed")


async def test_a_stolen_id_without_the_key(acceptor: Node) -> None:
    """P2: the victim's root is public; a leaf under it needs the victim's key."""
    thief = make_identity(b"\x99" * 32, "bank 1")
    stolen = Identity(thief.seed, member().root, member().node_id)
    await tls_refused(acceptor, context_for(acceptor, stolen), "TLS: certificate verify failed")


async def test_a_leaf_for_another_key_under_a_members_root(acceptor: Node) -> None:
    """A member that certifies a foreign key gains nothing: the leaf's key must itself be a member's."""
    victim, other = member(), make_identity(b"\x99" * 32, "other")
    leaf = foreign_leaf(victim, other)
    await tls_refused(
        acceptor, context_for(acceptor, Identity(other.seed, victim.root, victim.node_id), leaf), "stranger"
    )


async def test_an_expired_leaf(acceptor: Node) -> None:
    leaf = issue_leaf(member(), now_ms() - 91 * DAY_MS)
    await tls_refused(acceptor, context_for(acceptor, member(), leaf), "TLS: certificate verify failed")


async def test_a_leaf_of_the_future(acceptor: Node) -> None:
    leaf = issue_leaf(member(), now_ms() + 2 * DAY_MS)
    await tls_refused(acceptor, context_for(acceptor, member(), leaf), "TLS: certificate verify failed")


async def test_tls_1_2(acceptor: Node) -> None:
    context = context_for(acceptor, member())
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    await tls_refused(acceptor, context, "TLS: unsupported protocol")


async def test_a_member_that_left(acceptor: Node) -> None:
    """Its root is still in the running TLS context; its key is no longer in the list."""
    acceptor.network.set_peers([], Role.VALIDATOR)
    await tls_refused(acceptor, context_for(acceptor, member()), "stranger")


async def test_an_observer_at_an_observer(cluster: Cluster) -> None:
    smaller, larger = identities(2)
    node = cluster.make(smaller, Role.OBSERVER)
    await node.network.start("127.0.0.1", 0)
    node.network.set_peers([peer(larger, port=1, role=Role.OBSERVER)], Role.OBSERVER)
    await tls_refused(node, context_for(node, larger), "TLS: certificate verify failed")


async def test_garbage_instead_of_tls(acceptor: Node) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", acceptor.network.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
    await closes_within(reader, 1)
    writer.close()
    await until(lambda: acceptor.network.refusals())
    assert acceptor.events == []


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["silent", "half a hello"])
async def test_a_stalled_tls_handshake(acceptor: Node, sent: bytes) -> None:
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", acceptor.network.port)
    started = loop.time()
    writer.write(sent)
    assert await closes_within(reader, 2) == b""
    assert loop.time() - started < 1
    writer.close()
    await until(lambda: acceptor.network.refusals())


async def test_a_client_of_one_byte_at_a_time(acceptor: Node) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", acceptor.network.port, ssl=context_for(acceptor, member()))

    async def drip() -> None:
        for byte in b"GET /votes HTTP/1.1\r\n" + b"x" * 1000:
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0.02)

    with pytest.raises((ConnectionError, ssl.SSLError)):
        await asyncio.wait_for(drip(), 2)
    writer.close()
    assert acceptor.network.refusals() == {"handshake too slow": 1}
    assert acceptor.events == []


async def test_a_member_that_says_nothing_after_the_upgrade(acceptor: Node) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"https://127.0.0.1:{acceptor.network.port}/votes"
        async with session.ws_connect(url, ssl=context_for(acceptor, member())) as websocket:
            async with asyncio.timeout(1.5):
                assert (await websocket.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert acceptor.events == []


def good_hello() -> Hello:
    return Hello(CHAIN_ID, member().node_id, LinkKind.VOTES, Role.VALIDATOR, 0, b"")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (lambda: hello_with(chain_id=b"\x55" * 32), "wrong_chain: the peer is on chain 5555555555555555"),
        (
            lambda: hello_with(node_id=identities(3)[1].node_id),
            "conflict: the peer's Hello names another node than its certificate",
        ),
        (lambda: hello_with(link_kind=LinkKind.BULK), "conflict: the peer takes this for a bulk link"),
        (lambda: b"\x02" + encode_hello(good_hello())[1:], "bad_version: version byte 02, this node knows 01"),
        (lambda: b"\x01" + b"\x91" * 5000, "malformed: not msgpack"),
        (lambda: b"\x01" + bytes(200_000), "too_large: 200000 bytes, at most 65536 are allowed here"),
    ],
    ids=["chain", "id", "kind", "version", "hostile", "huge"],
)
async def test_a_hello_that_is_refused(acceptor: Node, said: Callable[[], bytes], reason: str) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"https://127.0.0.1:{acceptor.network.port}/votes"
        async with session.ws_connect(url, ssl=context_for(acceptor, member())) as websocket:
            await websocket.send_bytes(said())
            message = await websocket.receive()
            assert (message.type, message.data, message.extra) == (aiohttp.WSMsgType.CLOSE, 4000, reason)
    assert acceptor.events == []


async def test_compression_is_not_negotiated(acceptor: Node) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"https://127.0.0.1:{acceptor.network.port}/votes"
        async with session.ws_connect(url, ssl=context_for(acceptor, member()), compress=15) as websocket:
            assert websocket.compress == 0
            await websocket.send_bytes(encode_hello(good_hello()))
            assert (await websocket.receive()).type is aiohttp.WSMsgType.BINARY
            assert len(acceptor.ups()) == 1


@pytest.mark.parametrize(
    "request_head",
    [b"GET /votes HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00\xff\r\n\r\n"],
)
async def test_a_member_that_does_not_speak_websocket(acceptor: Node, request_head: bytes) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", acceptor.network.port, ssl=context_for(acceptor, member())
    )
    writer.write(request_head)
    await closes_within(reader, 1)
    async with asyncio.timeout(1):
        while not reader.at_eof():
            await closes_within(reader, 1)
    writer.close()
    assert acceptor.events == []


async def test_the_dialler_refuses_another_member_in_the_peers_place(cluster: Cluster) -> None:
    """The address of one member answers with the valid certificate of another."""
    dialler, expected, impostor = (cluster.make(identity) for identity in identities(3))
    await impostor.network.start("127.0.0.1", 0)
    impostor.network.set_peers([peer(dialler.identity)], Role.VALIDATOR)
    await dialler.network.start("127.0.0.1", 0)
    dialler.network.set_peers([peer(expected.identity, impostor.network.port)], Role.VALIDATOR)
    await until(lambda: dialler.network.status()[0].last_error)
    assert "certificate verify failed" in dialler.network.status()[0].last_error
    assert dialler.events == impostor.events == []


async def test_the_dialler_names_the_chain_that_does_not_fit(cluster: Cluster) -> None:
    first, second = identities(2)
    dialler, other = cluster.make(first), cluster.make(second, chain_id=b"\x77" * 32)
    await cluster.start(dialler, other)
    await until(lambda: dialler.network.status()[0].last_error)
    expected = "the peer refused: wrong_chain: the peer is on chain 0001020304050607"
    assert dialler.network.status()[0].last_error == expected
    assert dialler.events == other.events == []


async def test_a_dialler_gives_up_on_a_silent_server(cluster: Cluster) -> None:
    first, second = identities(2)
    dialler = cluster.make(first)
    await dialler.network.start("127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dialler.network.set_peers([peer(second, silent.getsockname()[1])], Role.VALIDATOR)
        await until(lambda: dialler.network.status()[0].last_error)
        assert dialler.network.status()[0].last_error == "no handshake within 0.6 s"


async def test_dials_that_fail_are_spaced(cluster: Cluster) -> None:
    """With pauses of 10, 20, 40, then 50 ms (three quarters of that by the drawn jitter), for two links."""
    first, second = identities(2)
    dialler = cluster.make(first)
    dials = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal dials
        dials += 1
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    await dialler.network.start("127.0.0.1", 0)
    dialler.network.set_peers([peer(second, server.sockets[0].getsockname()[1])], Role.VALIDATOR)
    await asyncio.sleep(0.4)
    assert 4 <= dials <= 2 * 13
    server.close()
    await dialler.network.close()


async def test_a_barred_peer_stays_away(cluster: Cluster) -> None:
    dialler, acceptor = await cluster.pair()
    acceptor.network.bar(dialler.identity.node_id, "it sent bad signatures", 0.2)
    assert [event.reason for event in acceptor.downs()] == ["it sent bad signatures"]
    await until(lambda: acceptor.network.refusals().get("full"))
    assert len(acceptor.ups()) == 1
    await cluster.linked(dialler, acceptor)


def hello_with(**changes: object) -> bytes:
    return encode_hello(dataclasses.replace(good_hello(), **changes))


def foreign_leaf(authority: Identity, other: Identity) -> Leaf:
    """What a member with a modified node could issue: a leaf under its root for someone else's key."""
    key = Ed25519PublicKey.from_public_bytes(other.node_id)
    signer = Ed25519PrivateKey.from_private_bytes(authority.seed)
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "foreign")]))
        .issuer_name(x509.load_der_x509_certificate(authority.root).subject)
        .public_key(key)
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .sign(signer, None)
    )
    return Leaf(certificate.public_bytes(Encoding.DER), 0)
