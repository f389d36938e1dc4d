"""One live link to one peer: a bounded queue, a writer that joins frames into messages, a reader that splits them.

A link starts after the Hellos and ends once, by ``stop``, for the first reason that comes up: a fault of the peer,
silence, a replacement, our own closing. ``stop`` is synchronous, so that nothing of a stopped link is delivered
after its PeerDown; ``run`` then takes its time to close the socket.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import WSCloseCode, WSMsgType

from p2p.frame import COALESCE_BYTES_MAX, FRAMES_PER_MESSAGE_MAX, LinkKind, split_message
from p2p.peers import Limits, LinkCounters
from state.errors import Invalid

if TYPE_CHECKING:
    from aiohttp import ClientWebSocketResponse
    from aiohttp.web import WebSocketResponse

    Socket: TypeAlias = ClientWebSocketResponse[bool] | WebSocketResponse[bool]

QUEUED_FRAME_OVERHEAD_BYTES = 160
"""What a waiting frame takes beside its payload: header, tuple and queue slot. Counted, so that a queue of empty
frames is bounded too."""

CLOSE_REFUSED = 4000
"""WebSocket close code (RFC 6455, 7.4.2, private range): what the other side sent or is was refused."""

CLOSE_REASON_BYTES_MAX = 123
"""RFC 6455, 5.5: a control frame's payload has at most 125 bytes, two of which are the code."""


class Link:
    """One WebSocket with one peer, and what waits to be written on it."""

    def __init__(
        self,
        socket: "Socket",
        link_kind: LinkKind,
        limits: Limits,
        counters: LinkCounters,
        on_frame: Callable[["Link", int, bytes], None],
        on_stop: Callable[["Link", str], None],
    ) -> None:
        self.link_kind = link_kind
        self.counters = counters
        self.queued_bytes = 0
        self.stopped = False
        self._socket = socket
        self._limits = limits
        self._on_frame = on_frame
        self._on_stop = on_stop
        self._queue: deque[tuple[bytes, bytes]] = deque()
        self._wake = asyncio.Event()
        self._ended: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
        self._heartbeat_due = False
        self._writing = False
        self._ticks = self._silent_ticks = self._stuck_ticks = self._arrived_this_tick = 0
        is_votes = link_kind is LinkKind.VOTES
        self._queue_bytes_max = limits.votes_queue_bytes_max if is_votes else limits.bulk_queue_bytes_max
        self._silence_ticks_max = limits.votes_silence_ticks_max if is_votes else limits.bulk_silence_ticks_max

    def send(self, header: bytes, payload: bytes) -> bool:
        """Queue one frame. False where the link is stopped or a full bulk queue refuses it; never waits."""
        if self.stopped:
            return False
        size = len(payload) + QUEUED_FRAME_OVERHEAD_BYTES
        if self.queued_bytes + size > self._queue_bytes_max and not self._make_room(size):
            return False
        self._queue.append((header, payload))
        self.queued_bytes += size
        self._wake.set()
        return True

    def stop(self, reason: str, code: int = WSCloseCode.OK) -> None:
        """End the link. The first reason stays; later calls do nothing."""
        if self.stopped:
            return
        self.stopped = True
        self._queue.clear()
        self.queued_bytes = 0
        if not self._ended.done():  # a cancelled ``run`` has cancelled it
            self._ended.set_result((reason, code))
        self._on_stop(self, reason)

    def tick(self) -> None:
        """One period of the network's timer: heartbeat, and silence either way."""
        self._ticks += 1
        self._silent_ticks += 1
        self._arrived_this_tick = 0
        if self._writing:
            self._stuck_ticks += 1
        if self._silent_ticks > self._silence_ticks_max:
            self.stop("the peer has fallen silent")
        elif self._stuck_ticks > self._silence_ticks_max:
            self.stop("the peer does not read")
        elif self._ticks % self._limits.heartbeat_ticks == 0:
            self._heartbeat_due = True
            self._wake.set()

    async def run(self) -> None:
        """Read and write until ``stop``, then close the socket within ``close_seconds_max``."""
        tasks = (asyncio.create_task(self._guard(self._read)), asyncio.create_task(self._guard(self._write)))
        try:
            reason, code = await self._ended
        except asyncio.CancelledError:
            self.stop("this node is closing", WSCloseCode.GOING_AWAY)
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await close_socket(self._socket, reason, code, self._limits)

    def _make_room(self, size: int) -> bool:
        if self.link_kind is LinkKind.BULK:
            self.counters.refused += 1
            return False
        while self._queue and self.queued_bytes + size > self._queue_bytes_max:
            _, payload = self._queue.popleft()
            self.queued_bytes -= len(payload) + QUEUED_FRAME_OVERHEAD_BYTES
            self.counters.dropped += 1
        return True

    async def _guard(self, work: Callable[[], Coroutine[object, None, None]]) -> None:
        """Turn whatever goes wrong at the connection's edge into an end of the link."""
        try:
            await work()
        except Invalid as error:
            self.stop(f"the peer broke the protocol: {error}", CLOSE_REFUSED)
        except OSError as error:
            self.stop(f"the connection broke: {error}")
        except Exception as error:  # noqa: BLE001 — a peer must not end more than its own link
            self.stop(f"the connection failed: {error!r}")

    async def _read(self) -> None:
        receive, limits, counters = self._socket.receive, self._limits, self.counters
        while not self.stopped:
            message = await receive()
            self._silent_ticks = 0
            self._arrived_this_tick += 1
            if message.type is WSMsgType.BINARY:
                data: bytes = message.data
                frames = split_message(data)
                counters.messages_in += 1
                counters.bytes_in += len(data)
                counters.frames_in += len(frames)
                self._arrived_this_tick += len(frames)
                for frame_kind, payload in frames:
                    self._on_frame(self, frame_kind, payload)
                    if self.stopped:
                        return
            elif message.type is not WSMsgType.PONG:
                self.stop(*_ending(message.type, message.data))
            if self._arrived_this_tick > limits.frames_per_tick_max:
                self.stop("the peer floods", WSCloseCode.POLICY_VIOLATION)

    async def _write(self) -> None:
        while True:
            if self._queue:
                message = self._take_message()
                self._writing = True
                await self._socket.send_bytes(message)
                self._writing = False
                self._stuck_ticks = 0
                self._heartbeat_due = False
                if self._queue:
                    # A socket that takes everything at once would otherwise hold the loop for a whole queue.
                    await asyncio.sleep(0)
            elif self._heartbeat_due:
                self._heartbeat_due = False
                await self._socket.pong()
            else:
                self._wake.clear()
                await self._wake.wait()

    def _take_message(self) -> bytes:
        queue, size = self._queue, 0
        parts: list[bytes] = []
        while queue and len(parts) < 2 * FRAMES_PER_MESSAGE_MAX:
            header, payload = queue[0]
            size += len(header) + len(payload)
            if parts and size > COALESCE_BYTES_MAX:
                break
            parts.append(header)
            parts.append(payload)
            queue.popleft()
            self.queued_bytes -= len(payload) + QUEUED_FRAME_OVERHEAD_BYTES
        message = b"".join(parts)
        counters = self.counters
        counters.messages_out += 1
        counters.frames_out += len(parts) // 2
        counters.bytes_out += len(message)
        return message


async def close_socket(socket: "Socket", reason: str, code: int, limits: Limits) -> None:
    """Say goodbye, for ``close_seconds_max`` at most; the connection is then of no more use."""
    text = reason.encode()[:CLOSE_REASON_BYTES_MAX].decode(errors="ignore").encode()
    try:
        async with asyncio.timeout(limits.close_seconds_max):
            await socket.close(code=code, message=text)
    except (OSError, TimeoutError):
        pass


def _ending(message_type: WSMsgType, data: object) -> tuple[str, int]:
    """Reason and close code for a message after which a link ends."""
    if message_type is WSMsgType.ERROR:
        return f"the peer broke the protocol: {data}", CLOSE_REFUSED
    if message_type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED):
        return "the peer closed the link", WSCloseCode.OK
    return f"the peer sent {message_type.name}, which has no place here", CLOSE_REFUSED
