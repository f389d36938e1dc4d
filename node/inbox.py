"""The inbox and its one reader: events in, the driver's turns out.

Everything that a driver hears of comes through here, in order, but that what own clients send comes last: it is in no
proposal before this node has passed it on, so votes may overtake it, and a flood of clients holds up none. Once in each
drain it has its turn even so. A drain handles events for a few milliseconds, then lets the loop look after sockets
before it goes on. What the driver asked for itself is never dropped; what peers send
is, when more waits than the node can handle: agreement sends again what matters. Each member has a share, so that
one member's flood fills its own and delays the others' votes by some 20 ms.

Tried and left: serving votes before bulk. Proposals then outrun the bodies that arrived before them, which are asked
for again, and a network under more load than it can carry comes to a stand.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from node.seams import BulkFrame, Event, Submitted, VoteFrame

INBOX_BYTES_MAX = 64 * 1024 * 1024
"""Payloads of peers that wait, bytes."""

MEMBER_BYTES_MAX = 24 * 1024 * 1024
"""Of these, payloads of one member: three of the largest messages."""

MEMBER_VOTES_MAX = 512
"""Messages of agreement of one member that wait. A correct one sends about a hundred a second."""

FRAME_BYTES = 256
"""What a waiting frame takes beside its payload."""

DRAIN_SECONDS_MAX = 0.004
"""How long events are handled before sockets have their turn."""


@dataclass(slots=True)
class _Share:
    """What waits of one member."""

    bytes: int = 0
    votes: int = 0


class Inbox:
    """Hands events to one handler.

    :param handle: the driver's turn.
    :param failed: told of whatever ``handle`` raises; the process must end, and nothing is handled afterwards.
    """

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._failed = failed
        self._handle: Callable[[Event], None] | None = None
        self._events: deque[Event] = deque()
        self._submitted: deque[Submitted] = deque()
        """What own clients sent; bounded by who posts it (``node.intake.SUBMITTING_MAX``)."""
        self._bytes = 0
        self._shares: dict[str, _Share] = {}
        self._is_scheduled = False
        self._is_closed = False
        self.dropped_count = 0
        """Frames of peers that found no room."""

    def open(self, handle: Callable[[Event], None]) -> None:
        """From now on events are handled; those that came before wait here."""
        self._handle = handle
        self._schedule()

    def close(self) -> None:
        """Handle nothing any more."""
        self._is_closed = True
        self._events.clear()
        self._submitted.clear()

    def post(self, event: Event) -> None:
        """Put an event in; it is handled soon, never within this call."""
        if self._is_closed:
            return
        if isinstance(event, VoteFrame | BulkFrame) and not self._has_room(event):
            self.dropped_count += 1
            return
        if isinstance(event, Submitted):
            self._submitted.append(event)
        else:
            self._events.append(event)
        self._schedule()

    def post_from_thread(self, event: Event) -> None:
        """``post`` from any thread."""
        if threading.get_ident() == self._thread:
            self.post(event)
            return
        try:
            self._loop.call_soon_threadsafe(self.post, event)
        except RuntimeError:  # the loop has ended, and with it everyone who could care
            return

    @property
    def waiting_count(self) -> int:
        """Events that wait."""
        return len(self._events) + len(self._submitted)

    @property
    def is_pressed(self) -> bool:
        """Whether anything waits but what own clients sent."""
        return bool(self._events)

    def _has_room(self, frame: VoteFrame | BulkFrame) -> bool:
        """Whether a frame may wait here; it is counted then."""
        share = self._shares.setdefault(frame.member, _Share())
        size, votes = len(frame.payload) + FRAME_BYTES, isinstance(frame, VoteFrame)
        if (
            self._bytes + size > INBOX_BYTES_MAX
            or share.bytes + size > MEMBER_BYTES_MAX
            or share.votes + votes > MEMBER_VOTES_MAX
        ):
            return False
        self._bytes += size
        share.bytes += size
        share.votes += votes
        return True

    def _leaves(self, frame: VoteFrame | BulkFrame) -> None:
        share, size = self._shares[frame.member], len(frame.payload) + FRAME_BYTES
        self._bytes -= size
        share.bytes -= size
        share.votes -= isinstance(frame, VoteFrame)

    def _schedule(self) -> None:
        if (
            (self._events or self._submitted)
            and not self._is_scheduled
            and not self._is_closed
            and self._handle is not None
        ):
            self._is_scheduled = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._is_scheduled = False
        until = self._loop.time() + DRAIN_SECONDS_MAX
        while self._events:
            self._pass_on(self._events.popleft())
            if self._loop.time() >= until:
                break
        while self._submitted:
            self._pass_on(self._submitted.popleft())
            if self._loop.time() >= until:
                break
        self._schedule()

    def _pass_on(self, event: Event) -> None:
        assert self._handle is not None
        if isinstance(event, VoteFrame | BulkFrame):
            self._leaves(event)
        try:
            self._handle(event)
        except Exception as error:  # noqa: BLE001 — the driver's edge: any error in it ends the node
            self.close()
            self._failed(error)
