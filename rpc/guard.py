"""What stands between the sockets and JSON-RPC: who may connect, how slowly, and how much is logged of it.

aiohttp by itself keeps a slow client for ever and logs a traceback per bad header. Here each connection has a
deadline at all times: for the headers of its next request, then for its body, then, once more, for taking the
answer. While a handler works there is none; handlers have their own. One sweep a second closes what is late, so
there is no timer per connection.
"""

import asyncio
import ipaddress
import logging
import time
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

HEADERS_SECONDS_MAX = 12.0
"""From connecting, or from the previous answer, to the end of the request's headers; with the sweep below 15 s."""

BODY_SECONDS_MAX = 12.0
"""From the end of the headers to the end of the body."""

SWEEP_SECONDS = 1.0

CONNECTIONS_MAX = 1_024
"""Open connections in all."""

CONNECTIONS_PER_ADDRESS_MAX = 256
"""Open connections from one address; for IPv6 from one /64, which is one subscriber."""

LOG_LINES_PER_MINUTE_MAX = 60
"""Most lines that callers can make this node log in a minute; the rest is counted."""

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
"""Names that a node answers to by default: a page that rebinds its own name to 127.0.0.1 sends that name."""


class BoundedLog(logging.Filter):
    """Lets a number of records a minute through, then one that says how many were left out."""

    def __init__(self, lines_per_minute_max: int = LOG_LINES_PER_MINUTE_MAX) -> None:
        super().__init__()
        self._max = lines_per_minute_max
        self._minute = 0
        self._lines = 0

    def filter(self, record: logging.LogRecord) -> bool:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            left_out, self._minute, self._lines = self._lines - self._max, minute, 0
            if left_out > 0:
                record.msg, record.args = f"{left_out} lines were left out. {record.getMessage()}", None
        self._lines += 1
        return self._lines <= self._max


def bounded_logger(name: str) -> logging.Logger:
    """The logger of that name, bounded once."""
    logger = logging.getLogger(name)
    if not logger.filters:
        logger.addFilter(BoundedLog())
        logger.addFilter(WithoutCallersTracebacks())
    return logger


class WithoutCallersTracebacks(logging.Filter):
    """For aiohttp's own lines: what a caller sent wrong is a line, not a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError | ConnectionError):
            record.exc_info = None
        return True


class Guard:
    """The open connections and their deadlines."""

    def __init__(
        self,
        hosts: Iterable[str],
        connections_max: int = CONNECTIONS_MAX,
        per_address_max: int = CONNECTIONS_PER_ADDRESS_MAX,
        headers_seconds_max: float = HEADERS_SECONDS_MAX,
    ) -> None:
        self._hosts = {host.lower() for host in (*LOOPBACK_HOSTS, *hosts)}
        self._connections_max = connections_max
        self._per_address_max = per_address_max
        self._headers_seconds_max = headers_seconds_max
        self._addresses: Counter[str] = Counter()
        self._deadlines: dict[asyncio.Transport, float | None] = {}
        self._waits: dict[asyncio.BaseTransport, set[asyncio.Task[None]]] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self.refused = 0
        """Connections closed because of a cap."""
        self.late = 0
        """Connections closed because of a deadline."""

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return len(self._deadlines)

    @property
    def unsent_bytes(self) -> int:
        """Answers that wait for their callers to take them."""
        return sum(transport.get_write_buffer_size() for transport in self._deadlines if not transport.is_closing())

    def start(self) -> None:
        """Begin to sweep."""
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep(), name="rpc sweep")

    async def stop(self) -> None:
        """End the sweep."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)

    def opened(self, transport: asyncio.Transport) -> None:
        """A new connection: closed at once when it is one too many."""
        address = _address(transport)
        if len(self._deadlines) >= self._connections_max or self._addresses[address] >= self._per_address_max:
            self.refused += 1
            transport.abort()
            return
        self._addresses[address] += 1
        self.awaits_headers(transport)

    def closed(self, transport: asyncio.Transport) -> None:
        """A connection is gone, and with it what only waited for its sake."""
        for task in self._waits.pop(transport, ()):
            task.cancel()
        if self._deadlines.pop(transport, 0) != 0:
            address = _address(transport)
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]

    def awaits_headers(self, transport: asyncio.Transport | None) -> None:
        """The answer is handed over: it shall be taken, and the next request come, in time."""
        if transport is not None and not transport.is_closing():
            self._deadlines[transport] = time.monotonic() + self._headers_seconds_max

    def works(self, transport: asyncio.Transport | None) -> None:
        """The headers are here."""
        if transport in self._deadlines:
            self._deadlines[transport] = None

    def waits(self, transport: asyncio.BaseTransport | None, task: asyncio.Task[None]) -> None:
        """A task that does nothing but wait for something to tell this connection."""
        if transport not in self._deadlines:
            task.cancel()
            return
        self._waits.setdefault(transport, set()).add(task)
        task.add_done_callback(partial(self._waited, transport))

    def _waited(self, transport: asyncio.BaseTransport, task: asyncio.Task[None]) -> None:
        tasks = self._waits.get(transport)
        if tasks is not None:
            tasks.discard(task)
            if not tasks:
                del self._waits[transport]

    def allow_host(self, host: str) -> None:
        """Answer to this name too: where the node listens. An address can't be rebound."""
        self._hosts.add(f"[{host}]" if ":" in host else host.lower())

    def allows_host(self, host: str | None) -> bool:
        """Whether the Host header names this node; any port will do."""
        if host is None:
            return False
        name, _, port = host.lower().rpartition(":")
        if not name or not port.isdigit():
            name = host.lower()
        return name in self._hosts

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.monotonic()
            late = [transport for transport, deadline in self._deadlines.items() if deadline and deadline < now]
            for transport in late:
                self.late += 1
                transport.abort()


def allows_origin(origin: str | None, host: str) -> bool:
    """Whether the page that asks, if any, came from this node: no other page may use a visitor's browser."""
    return origin is None or origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")


class GuardedConnection(web.RequestHandler):
    """aiohttp's connection, which tells the guard when it opens and closes."""

    __slots__ = ("_guard", "_guarded")

    def __init__(self, guard: Guard, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._guard = guard
        self._guarded: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """:param transport: the new connection's."""
        super().connection_made(transport)
        # By type uvloop's transports are no asyncio.Transport, though they are by what they do.
        self._guarded = cast(asyncio.Transport, transport)
        self._guard.opened(self._guarded)

    def connection_lost(self, exc: BaseException | None) -> None:
        """:param exc: why, None for an ordinary end."""
        if self._guarded is not None:
            self._guard.closed(self._guarded)
            self._guarded = None
        super().connection_lost(exc)


def _address(transport: asyncio.BaseTransport) -> str:
    """The peer's address, of IPv6 the first 64 bits."""
    peer = transport.get_extra_info("peername")
    if not isinstance(peer, tuple):
        return ""
    address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    return str(address if address.version == 4 else ipaddress.ip_network((address, 64), strict=False))
