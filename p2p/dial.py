"""The dialling side: one task that keeps one link to one peer up, with pauses that double up to a cap."""

import asyncio
import ssl
from collections.abc import Callable

import aiohttp

from p2p.frame import MESSAGE_BYTES_MAX, Hello, LinkKind
from p2p.greet import Greeted, hear_hello, say_hello
from p2p.link import CLOSE_REFUSED, Link, close_socket
from p2p.peers import Limits, Peer
from p2p.tls import peer_of
from state.errors import Invalid, Reason


class Dialler:
    """Dials one peer for one link kind until it is cancelled."""

    def __init__(
        self,
        peer: Peer,
        link_kind: LinkKind,
        context: ssl.SSLContext,
        session: aiohttp.ClientSession,
        limits: Limits,
        patience_seconds: float,
        is_up: Callable[[], bool],
        draw: Callable[[], float],
        check_peer: Callable[[bytes], None],
        check_crossing: Callable[[bytes, LinkKind], None],
        own_hello: Callable[[bytes, LinkKind], Hello],
        join: Callable[[Greeted], Link],
        note: Callable[[str], None],
    ) -> None:
        """
        :param patience_seconds: how long the link must have been down before this side dials; 0 where it is ours.
        :param is_up: whether the link is up, whoever dialled it.
        """
        self._peer = peer
        self._link_kind = link_kind
        self._context = context
        self._session = session
        self._limits = limits
        self._patience_seconds = patience_seconds
        self._is_up = is_up
        self._draw = draw
        self._check_peer = check_peer
        self._check_crossing = check_crossing
        self._own_hello = own_hello
        self._join = join
        self._note = note

    async def run(self) -> None:
        """Dial, run the link, pause, again. The pause starts over after a link that lived a while."""
        limits, loop = self._limits, asyncio.get_running_loop()
        pause_seconds = limits.backoff_seconds_min
        while True:
            await self._be_patient()
            started = loop.time()
            await self._dial_once()
            _heed_cancellation()
            if loop.time() - started > limits.handshake_seconds_max + limits.backoff_seconds_max:
                pause_seconds = limits.backoff_seconds_min
            # Jitter, so that many nodes don't dial a restarted one at the same moment.
            await asyncio.sleep(pause_seconds * (0.5 + self._draw() / 2))
            pause_seconds = min(2 * pause_seconds, limits.backoff_seconds_max)

    async def _be_patient(self) -> None:
        """Return when the link is down; where it is not ours to dial, when it is so at two looks in a row."""
        looks = 0
        while True:
            looks = 0 if self._is_up() else looks + 1
            if looks == (2 if self._patience_seconds else 1):
                return
            await asyncio.sleep(self._patience_seconds or self._limits.backoff_seconds_max)

    async def _dial_once(self) -> None:
        socket: aiohttp.ClientWebSocketResponse[bool] | None = None
        try:
            try:
                async with asyncio.timeout(self._limits.handshake_seconds_max):
                    socket = await self._connect()
                    greeted = await self._greet(socket)
            except TimeoutError:
                self._note(f"no handshake within {self._limits.handshake_seconds_max:g} s")
            except Invalid as error:
                self._note(str(error))
                if socket is not None:
                    await close_socket(socket, str(error), CLOSE_REFUSED, self._limits)
            except Exception as error:  # noqa: BLE001 — no answer of a peer, nor its host name, may end this task
                self._note(str(error) or type(error).__name__)
            else:
                _heed_cancellation()
                await self._join(greeted).run()
        finally:
            if socket is not None and not socket.closed:
                await close_socket(socket, "", aiohttp.WSCloseCode.GOING_AWAY, self._limits)

    async def _connect(self) -> "aiohttp.ClientWebSocketResponse[bool]":
        peer = self._peer
        host = f"[{peer.host}]" if ":" in peer.host else peer.host
        return await self._session.ws_connect(
            f"https://{host}:{peer.port}/{self._link_kind.value}",
            ssl=self._context,
            compress=0,
            autoping=False,
            autoclose=False,
            max_msg_size=MESSAGE_BYTES_MAX[self._link_kind] + 1,  # aiohttp refuses what reaches it
            timeout=aiohttp.ClientWSTimeout(ws_close=self._limits.close_seconds_max),
        )

    async def _greet(self, socket: "aiohttp.ClientWebSocketResponse[bool]") -> Greeted:
        node_id, certificate_expires_ms = peer_of(socket.get_extra_info("ssl_object"))
        if node_id != self._peer.node_id:
            raise Invalid(Reason.STRANGER, f"{self._peer.name} shows the key {node_id.hex()}, not its own")
        self._check_peer(node_id)
        own = self._own_hello(node_id, self._link_kind)
        await say_hello(socket, own)
        hello = await hear_hello(socket, own, node_id)
        self._check_crossing(node_id, self._link_kind)
        address = socket.get_extra_info("peername")
        return Greeted(
            socket=socket,
            node_id=node_id,
            link_kind=self._link_kind,
            hello=hello,
            certificate_expires_ms=certificate_expires_ms,
            address=f"{address[0]}:{address[1]}" if address else "",
            was_dialled=True,
        )


def _heed_cancellation() -> None:
    """End a cancelled task that has come this far all the same: under aiohttp a cancelled dial sometimes ends with
    another error, or with a connection. (Seen by closing networks at random moments under uvloop.)"""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
