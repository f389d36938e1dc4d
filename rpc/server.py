"""The HTTP face: JSON-RPC on ``POST /``, many transactions on ``POST /transactions`` (rpc.submissions), and what
operators' tools ask: /healthz, /readyz, /metrics.

What a request passes, in this order: the caps and deadlines of rpc.guard; the Host allow-list (403); a foreign
Origin (403); for a POST the content type (403: a page can send text/plain without asking the browser), no content
encoding (415), the size (413) and the budget for bodies in memory (429, with Retry-After). After that every answer is
200 with JSON-RPC inside, also where the node is busy, because a batch is answered in parts; or 204 where there is
nothing to say; a body of transactions that is none gets 400. Nothing that a caller sends gives a 5xx; /readyz is 503
while the node is not ready, because that is what its readers understand.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from rpc import submissions
from rpc.dispatch import Dispatcher, Method
from rpc.errors import RpcError, error
from rpc.guard import (
    BODY_SECONDS_MAX,
    CONNECTIONS_MAX,
    CONNECTIONS_PER_ADDRESS_MAX,
    HEADERS_SECONDS_MAX,
    Guard,
    GuardedConnection,
    allows_origin,
    bounded_logger,
)
from rpc.turnstile import Turnstile, units_of

BODY_BYTES_MAX = 4 * 1024 * 1024
"""Largest body: the transactions of a full block, hex."""

BODIES_BYTES_MAX = 64 * 1024 * 1024
"""Bodies in memory at once, from all callers."""

UNSENT_BYTES_MAX = 64 * 1024 * 1024
"""Answers that callers have asked for and do not take, bytes."""

LARGE_ANSWER_BYTES = 64 * 1024
"""From this size on an answer is held against it; smaller ones are bounded by the number of connections."""

HEADER_LINE_BYTES_MAX = 8_190
HEADERS_MAX = 64
SHUTDOWN_SECONDS_MAX = 0.5
"""How long a request that is being answered may take to end when the node stops, and again once it is cancelled."""

LINGER_SECONDS = 2.0
"""How long the rest of a refused body is read and dropped, so that its sender gets to see the refusal."""

JSON_TYPE: Final = "application/json"
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How the face is set up. Secure by default: loopback names only."""

    hosts: tuple[str, ...] = ()
    """Host names to answer to beside loopback's, without port."""
    connections_max: int = CONNECTIONS_MAX
    per_address_max: int = CONNECTIONS_PER_ADDRESS_MAX
    headers_seconds_max: float = HEADERS_SECONDS_MAX
    body_seconds_max: float = BODY_SECONDS_MAX
    body_bytes_max: int = BODY_BYTES_MAX
    is_pressed: Callable[[], bool] = lambda: False
    """Whether the node has work of its own waiting; callers then wait for it."""


class Server:
    """Serves a table of methods until it is stopped."""

    def __init__(
        self,
        methods: Sequence[Method[Any]],
        readiness: Callable[[], Iterable[str]],
        metrics: Callable[[], bytes],
        submit: Callable[[bytes], Awaitable[bytes]],
        options: ServerOptions = ServerOptions(),
    ) -> None:
        """
        :param submit: the answer to a body of transactions.
        :param readiness: why the node is not ready, one sentence each; nothing when it is.
        :param metrics: the metrics as Prometheus text.
        """
        self._options = options
        self._logger = bounded_logger("hansa.rpc")
        self.methods = tuple(method.name for method in methods)
        self._turnstile = Turnstile(options.is_pressed)
        self._dispatcher = Dispatcher(methods, self._logger, self._turnstile)
        self._readiness = readiness
        self._metrics = metrics
        self._submit = submit
        self.guard = Guard(options.hosts, options.connections_max, options.per_address_max, options.headers_seconds_max)
        self._bodies_bytes = 0
        self._routes: dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[web.Response]]] = {
            ("POST", "/"): self._rpc,
            ("POST", submissions.PATH): self._transactions,
            ("GET", "/healthz"): self._healthz,
            ("GET", "/readyz"): self._readyz,
            ("GET", "/metrics"): self._metrics_text,
        }
        self._http: web.Server | None = None
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen; returns the port, which the system chooses where it is 0. :raises OSError: it is taken."""
        loop = asyncio.get_running_loop()
        self.guard.allow_host(host)
        http = self._http = web.Server(self._handle)
        log = bounded_logger("hansa.rpc.http")

        def connection() -> GuardedConnection:
            return GuardedConnection(
                self.guard,
                http,
                loop=loop,
                # Below the guard's deadline, so that an idle connection ends in an orderly way.
                keepalive_timeout=self._options.headers_seconds_max * 0.9,
                logger=log,
                access_log=None,
                max_line_size=HEADER_LINE_BYTES_MAX,
                max_field_size=HEADER_LINE_BYTES_MAX,
                max_headers=HEADERS_MAX,
                lingering_time=LINGER_SECONDS,
                auto_decompress=False,
            )

        self._listener = await loop.create_server(connection, host, port, ssl=tls, backlog=256)
        self.guard.start()
        bound: socket.socket = self._listener.sockets[0]
        return int(bound.getsockname()[1])

    async def stop(self) -> None:
        """Take no more connections, let what is being answered end, close all."""
        if self._listener is None or self._http is None:
            return
        self._listener.close()
        self._http.pre_shutdown()
        await self._http.shutdown(SHUTDOWN_SECONDS_MAX)
        await self.guard.stop()
        self._listener = self._http = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        self.guard.works(transport)
        try:
            host = request.headers.get("Host")
            if host is None or not self.guard.allows_host(host):
                return _refuse(403, "This node does not answer to that Host; its operator can allow it.")
            if not allows_origin(request.headers.get("Origin"), host):
                return _refuse(403, "Pages of other origins may not use this node.")
            route = self._routes.get((request.method, request.path))
            if route is None:
                known = [method for method, path in self._routes if path == request.path]
                sentence = "JSON-RPC is POST /; POST /transactions, GET /healthz, /readyz, /metrics."
                return _refuse(405 if known else 404, sentence)
            response = await route(request)
            response.headers["Server"] = "hansa"
            return response
        finally:
            self.guard.awaits_headers(transport)

    async def _rpc(self, request: web.BaseRequest) -> web.Response:
        def on_wait(task: asyncio.Task[None]) -> None:
            self.guard.waits(request.transport, task)

        return await self._answer(request, JSON_TYPE, lambda body: self._dispatcher.answer(body, on_wait))

    async def _transactions(self, request: web.BaseRequest) -> web.Response:
        try:
            return await self._answer(request, submissions.CONTENT_TYPE, self._submitted)
        except RpcError as refusal:
            return _rpc_refusal(400, refusal)

    async def _submitted(self, body: bytes) -> bytes:
        await self._turnstile.enter(units_of(body))
        return await self._submit(body)

    async def _answer(
        self, request: web.BaseRequest, content_type: str, answer_to: Callable[[bytes], Awaitable[bytes | None]]
    ) -> web.Response:
        """Read a body of one type and answer it by the same. :raises RpcError: as ``answer_to``."""
        if request.content_type != content_type or (request.charset or "utf-8").lower() != "utf-8":
            return _refuse(403, f"The content type is {content_type}.")
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return _refuse(415, "The body comes as it is, without content encoding.")
        if (request.content_length or 0) > self._options.body_bytes_max:
            return self._too_large()
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = bytearray()
        try:
            if request.content.is_eof():  # It came with its headers: nothing to wait for, and no clock to set.
                refusal = self._take(request.content.read_nowait(), body)
            else:
                async with asyncio.timeout(self._options.body_seconds_max):
                    refusal = await self._read(request, body)
            if refusal is not None:
                return refusal
            answer = await answer_to(bytes(body))
        except TimeoutError:
            return _refuse(408, "The body did not come in time.")
        except web.RequestPayloadError:
            return _refuse(400, "The body is not what its headers say.")
        finally:
            self._bodies_bytes -= len(body)
        if answer is None:
            return web.Response(status=204)
        if len(answer) >= LARGE_ANSWER_BYTES and self.guard.unsent_bytes + len(answer) > UNSENT_BYTES_MAX:
            return _rpc_refusal(429, error("busy"))
        return web.Response(body=answer, content_type=content_type)

    async def _read(self, request: web.BaseRequest, body: bytearray) -> web.Response | None:
        """Read the rest of a body; or the answer to one that is too large."""
        while chunk := await request.content.readany():
            refusal = self._take(chunk, body)
            if refusal is not None:
                return refusal
        return None

    def _take(self, chunk: bytes, body: bytearray) -> web.Response | None:
        """Add a part to a body, counted in the budget; or the answer to one that is too large."""
        body += chunk
        self._bodies_bytes += len(chunk)
        if len(body) > self._options.body_bytes_max:
            return self._too_large()
        if self._bodies_bytes > BODIES_BYTES_MAX:
            return _rpc_refusal(429, error("busy"))
        return None

    def _too_large(self) -> web.Response:
        limit = self._options.body_bytes_max
        return _rpc_refusal(413, error("request_too_large", f"A body has at most {limit} bytes."))

    async def _healthz(self, request: web.BaseRequest) -> web.Response:
        return _json(200, {"alive": True})

    async def _readyz(self, request: web.BaseRequest) -> web.Response:
        reasons = list(self._readiness())
        return _json(503 if reasons else 200, {"ready": not reasons, "reasons": reasons})

    async def _metrics_text(self, request: web.BaseRequest) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": METRICS_TYPE})


def _json(status: int, value: object) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type=JSON_TYPE)


def _refuse(status: int, sentence: str) -> web.Response:
    """An HTTP refusal. The connection ends, so that a body that was not read is not taken for a request."""
    response = web.Response(status=status, text=sentence + "\n")
    response.force_close()
    return response


def _rpc_refusal(status: int, refusal: RpcError) -> web.Response:
    """A refusal that a JSON-RPC client can read."""
    response = _json(status, {"jsonrpc": "2.0", "id": None, "error": refusal.answer()})
    if refusal.retry_after_ms is not None:
        response.headers["Retry-After"] = str(-(-refusal.retry_after_ms // 1000))
    response.force_close()
    return response
