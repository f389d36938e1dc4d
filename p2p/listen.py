"""The accepting side: caps before TLS, the key before HTTP, the Hello before a link.

    accept → caps → TLS → key of a member that we link with → WebSocket upgrade → Hello → Link

Everything up to the Hello happens under one deadline, counted from the accept. Before the key is known to be a
member's, not one byte that it sent is parsed by anything but TLS.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import cast

from aiohttp import web

from p2p.frame import MESSAGE_BYTES_MAX, Hello, LinkKind
from p2p.greet import Greeted, hear_hello, say_hello
from p2p.link import CLOSE_REFUSED, Link, close_socket
from p2p.peers import Limits
from p2p.tls import peer_of
from state.errors import Invalid

ACCEPT_BACKLOG = 128
"""Connections that the kernel keeps for us until they are accepted."""

ACCEPTS_PER_TURN_MAX = 16
"""Connections accepted before other events get their turn."""

ACCEPT_PAUSE_SECONDS = 0.1
"""Pause after an accept fails, as it does when the process is out of file descriptors."""

REFUSALS_MAX = 64
"""Distinct texts under which refused connections are counted."""

LINGER_SECONDS = 1.0
"""How long TLS may take to close a connection in order."""

_SILENT = logging.getLogger("p2p.http")
_SILENT.disabled = True  # aiohttp logs what peers do wrong, once each; we count it


@dataclass(slots=True)
class _Arrival:
    """One accepted connection on its way to a Hello."""

    address: str
    settled: asyncio.Future[bool]
    """True once a link runs on it; False where it is refused."""
    node_id: bytes = b""
    certificate_expires_ms: int = 0
    transport: asyncio.Transport | None = None


class _Gate(asyncio.Protocol):
    """Stands where the HTTP parser would, until the key that TLS has proven is a member's."""

    def __init__(self, open_gate: Callable[[asyncio.Transport], None]) -> None:
        self._open_gate = open_gate

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have a base of their own.
        self._open_gate(cast(asyncio.Transport, transport))


class Listener:
    """Accepts the connections of those peers that are to dial us."""

    def __init__(
        self,
        context: ssl.SSLContext,
        limits: Limits,
        check_dialler: Callable[[bytes], None],
        check_crossing: Callable[[bytes, LinkKind], None],
        own_hello: Callable[[bytes, LinkKind], Hello],
        join: Callable[[Greeted], Link],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """The checks raise Invalid: one for a key that is not to dial us, one where its link is up already."""
        self.refusals: dict[str, int] = {}
        """How many connections were refused, by reason."""
        self._context = context
        self._limits = limits
        self._check_dialler = check_dialler
        self._check_crossing = check_crossing
        self._own_hello = own_hello
        self._join = join
        self._on_failure = on_failure
        self._handshakes_by_address: dict[str, int] = {}
        self._arrivals: dict[asyncio.BaseTransport, _Arrival] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket: socket.socket | None = None
        self._descriptor = -1
        self._resume: asyncio.TimerHandle | None = None
        self._server: web.Server | None = None

    def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system chooses where 0 is asked for.

        :raises OSError: the address is taken or not ours.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=ACCEPT_BACKLOG)
        self._socket.setblocking(False)
        self._server = web.Server(self._serve, access_log=None, logger=_SILENT)
        self._descriptor = self._socket.fileno()
        asyncio.get_running_loop().add_reader(self._descriptor, self._on_acceptable)
        bound_port: int = self._socket.getsockname()[1]
        return bound_port

    async def close(self) -> None:
        """Stop listening, drop what has not greeted, and wait for every task."""
        if self._socket is None or self._server is None:
            return
        if self._resume is not None:
            self._resume.cancel()
        asyncio.get_running_loop().remove_reader(self._descriptor)
        self._socket.close()
        self._socket = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.shutdown(self._limits.close_seconds_max)

    def _spawn(self, work: Coroutine[object, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._on_failure(error)

    def _refused(self, reason: str) -> None:
        if reason in self.refusals or len(self.refusals) < REFUSALS_MAX:
            self.refusals[reason] = self.refusals.get(reason, 0) + 1

    def _on_acceptable(self) -> None:
        """Accept what waits, a few at a time: a flood must not hold the loop. (A reader callback, not a task in
        ``sock_accept``: cancelling that one loses a connection, and asyncio reports it as an error.)"""
        assert self._socket is not None
        for _ in range(ACCEPTS_PER_TURN_MAX):
            try:
                connection, name = self._socket.accept()
            except BlockingIOError:
                return
            except OSError:
                self._pause_accepting()
                return
            address: str = name[0]
            if self._is_full(address):
                connection.close()
                self._refused("too many handshakes")
                continue
            connection.setblocking(False)
            self._handshakes_by_address[address] = self._handshakes_by_address.get(address, 0) + 1
            self._spawn(self._welcome(connection, address, name[1]))

    def _pause_accepting(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._descriptor)
        self._resume = loop.call_later(ACCEPT_PAUSE_SECONDS, loop.add_reader, self._descriptor, self._on_acceptable)

    def _is_full(self, address: str) -> bool:
        by_address, limits = self._handshakes_by_address, self._limits
        return (
            by_address.get(address, 0) >= limits.handshakes_per_address_max
            or sum(by_address.values()) >= limits.handshakes_max
        )

    async def _welcome(self, connection: socket.socket, address: str, port: int) -> None:
        """Take one connection from accept to a running link, or close it at the deadline."""
        loop, limits = asyncio.get_running_loop(), self._limits
        arrival = _Arrival(f"{address}:{port}", loop.create_future())
        is_linked = False
        try:
            async with asyncio.timeout(limits.handshake_seconds_max):
                await loop.connect_accepted_socket(
                    lambda: _Gate(lambda transport: self._open_gate(arrival, transport)),
                    connection,
                    ssl=self._context,
                    ssl_handshake_timeout=limits.handshake_seconds_max,
                    ssl_shutdown_timeout=LINGER_SECONDS,
                )
                is_linked = await arrival.settled
        except TimeoutError:
            self._refused("handshake too slow")
        except ssl.SSLError as error:
            self._refused(f"TLS: {(error.reason or 'failed').lower().replace('_', ' ')}")
        except OSError:
            self._refused("TLS: connection lost")
        finally:
            left = self._handshakes_by_address[address] - 1
            if left:
                self._handshakes_by_address[address] = left
            else:
                del self._handshakes_by_address[address]
            if arrival.transport is not None:
                del self._arrivals[arrival.transport]
                if not is_linked:
                    arrival.transport.abort()

    def _open_gate(self, arrival: _Arrival, transport: asyncio.Transport) -> None:
        """TLS stands: let a member through to HTTP."""
        try:
            node_id, expires_ms = peer_of(transport.get_extra_info("ssl_object"))
            self._check_dialler(node_id)
        except Invalid as error:
            self._refused(error.reason.value)
            transport.abort()
            arrival.settled.set_result(False)
            return
        assert self._server is not None
        arrival.node_id, arrival.certificate_expires_ms, arrival.transport = node_id, expires_ms, transport
        self._arrivals[transport] = arrival
        handler = self._server()
        transport.set_protocol(handler)
        handler.connection_made(transport)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Upgrade, greet, run the link until it ends."""
        transport = request.transport
        arrival = None if transport is None else self._arrivals.get(transport)
        kind = _KIND_BY_PATH.get(request.path)
        if transport is None or arrival is None or kind is None or arrival.settled.done():
            request.protocol.force_close()
            raise web.HTTPNotFound(text="no such link")
        response = web.WebSocketResponse(
            compress=False,
            autoping=False,
            autoclose=False,
            max_msg_size=MESSAGE_BYTES_MAX[kind] + 1,  # aiohttp refuses what reaches it
            timeout=self._limits.close_seconds_max,
        )
        try:
            await response.prepare(request)
            link = await self._greet(response, arrival, kind)
            if link is not None:
                arrival.settled.set_result(True)
                await link.run()
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 — a peer must not end more than its own connection
            self._refused(type(error).__name__)
        finally:
            if not arrival.settled.done():
                arrival.settled.set_result(False)
            transport.abort()
        return response

    async def _greet(self, response: web.WebSocketResponse, arrival: _Arrival, kind: LinkKind) -> Link | None:
        own = self._own_hello(arrival.node_id, kind)
        try:
            hello = await hear_hello(response, own, arrival.node_id)
            # The peer list may have changed meanwhile.
            self._check_dialler(arrival.node_id)
            self._check_crossing(arrival.node_id, kind)
            await say_hello(response, own)
        except Invalid as error:
            self._refused(error.reason.value)
            await close_socket(response, str(error), CLOSE_REFUSED, self._limits)
            return None
        if arrival.settled.done():
            # The deadline passed while our Hello was being written.
            return None
        return self._join(
            Greeted(
                socket=response,
                node_id=arrival.node_id,
                link_kind=kind,
                hello=hello,
                certificate_expires_ms=arrival.certificate_expires_ms,
                address=arrival.address,
                was_dialled=False,
            )
        )


_KIND_BY_PATH = {f"/{kind.value}": kind for kind in LinkKind}
