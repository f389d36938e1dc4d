"""The Hellos: the last step of a handshake, after TLS has proven both keys and the WebSocket stands."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import WSMsgType

from p2p.frame import Hello, LinkKind, decode_hello, encode_hello
from state.errors import Invalid, Reason

if TYPE_CHECKING:
    from p2p.link import Socket


@dataclass(frozen=True, slots=True)
class Greeted:
    """A connection whose handshake is complete."""

    socket: "Socket"
    node_id: bytes
    link_kind: LinkKind
    hello: Hello
    """What the other side said."""
    certificate_expires_ms: int
    address: str
    was_dialled: bool
    """By this node, rather than by the peer."""


async def say_hello(socket: "Socket", hello: Hello) -> None:
    """Send ours."""
    await socket.send_bytes(encode_hello(hello))


async def hear_hello(socket: "Socket", own: Hello, node_id: bytes) -> Hello:
    """Receive theirs and compare it with what it must be: this chain, this link, the key that TLS has proven.

    :raises Invalid: WRONG_CHAIN, CONFLICT, or why it can't be read.
    :raises ConnectionError: the other side closed instead.
    """
    message = await socket.receive()
    if message.type is WSMsgType.CLOSE:
        raise ConnectionError(f"the peer refused: {message.extra or message.data}")
    if message.type is not WSMsgType.BINARY:
        raise ConnectionError("the peer closed before its Hello")
    hello = decode_hello(message.data)
    if hello.chain_id != own.chain_id:
        raise Invalid(Reason.WRONG_CHAIN, f"the peer is on chain {hello.chain_id.hex()[:16]}")
    if hello.node_id != node_id:
        raise Invalid(Reason.CONFLICT, "the peer's Hello names another node than its certificate")
    if hello.link_kind is not own.link_kind:
        raise Invalid(Reason.CONFLICT, f"the peer takes this for a {hello.link_kind} link")
    return hello
