"""The driver's seams in production: clock, peer links, verifier, journal, over asyncio, threads and sockets."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from consensus import messages
from consensus.messages import CertifiedMessage, DecidedMessage, Inquiry
from node.inbox import Inbox
from node.journal import FileJournal
from node.seams import BulkFrame, BulkUp, Failed, PeerJoined, PeerLeft, Synced, TimerFired, Verified, VoteFrame
from node.snapshots import REQUESTS, SnapshotServer
from p2p.bulk import BulkKind
from p2p.frame import LinkKind, Role
from p2p.network import PeerNetwork
from p2p.peers import Event, Peer, PeerDown, PeerUp, Received
from state.errors import Invalid
from state.transaction import Transaction

VOTE_FRAME = 1
"""Kind of the frames on a votes link; there is one."""

SIGNATURES_AT_ONCE = 40
"""Signatures that are checked before the loop has its turn: about 3 ms."""


class AsyncClock:
    """Wall clock and timers of the machine."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._loop = asyncio.get_running_loop()

    def now_ms(self) -> int:
        """Unix time, ms."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """The clock that never jumps, ms."""
        return time.monotonic_ns() // 1_000_000

    def fire(self, delay_ms: int, event: TimerFired) -> None:
        """Post ``event`` after ``delay_ms``."""
        if delay_ms <= 0:
            self._inbox.post(event)
        else:
            self._loop.call_later(delay_ms / 1000, self._inbox.post, event)


@dataclass(slots=True)
class _Batch:
    """Transactions whose signatures are being checked."""

    token: int
    transactions: Sequence[Transaction]
    valid: list[bool]


class InlineVerifier:
    """Checks signatures in the loop's own thread, a few at a time, in order."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._loop = asyncio.get_running_loop()
        self._batches: deque[_Batch] = deque()
        self.signature_count = 0
        """Signatures checked since the start."""

    def verify(self, token: int, transactions: Sequence[Transaction]) -> None:
        """See ``node.seams.Verifier``. What waits here is bounded by who asks (``node.admission.VERIFYING_MAX``)."""
        self._batches.append(_Batch(token, transactions, []))
        if len(self._batches) == 1:
            self._loop.call_soon(self._step)

    def _step(self) -> None:
        left = SIGNATURES_AT_ONCE
        while self._batches and left > 0:
            batch = self._batches[0]
            while len(batch.valid) < len(batch.transactions) and left > 0:
                transaction = batch.transactions[len(batch.valid)]
                batch.valid.append(transaction.has_valid_signatures())
                left -= len(transaction.signatures)
                self.signature_count += len(transaction.signatures)
            if len(batch.valid) == len(batch.transactions):
                self._batches.popleft()
                self._inbox.post(Verified(batch.token, tuple(batch.valid)))
        if self._batches:
            self._loop.call_soon(self._step)


class PeerLinks:
    """The peer network, by member ids: what the driver sends through, and what comes in for it.

    An observer's votes and transactions are refused here: it follows the chain and has no say on it. It may ask, and
    pass on what proves itself.
    """

    def __init__(self, peers: Sequence[Peer], inbox: Inbox, logger: logging.Logger) -> None:
        self._inbox = inbox
        self._logger = logger
        self._node_ids = {peer.name: peer.node_id for peer in peers}
        self._members = {peer.node_id: peer.name for peer in peers}
        self._roles = {peer.name: peer.role for peer in peers}
        self._network: PeerNetwork | None = None
        self._linked: dict[str, None] = {}
        self.snapshots: SnapshotServer | None = None
        """Who answers questions about snapshots; they never pass through the driver."""
        self.refused_count = 0
        """Frames of observers that only a validator may send."""

    def adopt(self, peers: Sequence[Peer]) -> None:
        """Other peers from now on. What a link of an old one still has to say is known by its name."""
        self._node_ids = {peer.name: peer.node_id for peer in peers}
        self._members |= {peer.node_id: peer.name for peer in peers}
        self._roles = {peer.name: peer.role for peer in peers}

    def attach(self, network: PeerNetwork) -> None:
        """The network that ``on_event`` hears of."""
        self._network = network

    @property
    def linked(self) -> Sequence[str]:
        """Members whose votes link is up."""
        return tuple(self._linked)

    @property
    def roles(self) -> Mapping[str, Role]:
        """Role of each member's node."""
        return self._roles

    def member_of(self, node_id: bytes) -> str:
        """Member id of a node."""
        return self._members[node_id]

    def send_vote(self, member: str | None, payload: bytes) -> None:
        """See ``node.seams.Network``."""
        self._send(member, LinkKind.VOTES, VOTE_FRAME, payload)

    def send_bulk(self, member: str | None, kind: int, payload: bytes) -> None:
        """See ``node.seams.Network``."""
        self._send(member, LinkKind.BULK, kind, payload)

    def bar(self, member: str, reason: str, seconds: int) -> None:
        """See ``node.seams.Network``. Not within the caller's turn: what the link says of its end comes after it."""
        node_id, network = self._node_ids.get(member), self._network
        if node_id is not None and network is not None:
            asyncio.get_running_loop().call_soon(network.bar, node_id, reason, seconds)

    def on_event(self, event: Event) -> None:
        """What the network has to say, on its way into the inbox."""
        member = self._members[event.node_id]
        if isinstance(event, Received):
            self._received(member, event)
        elif event.link_kind is LinkKind.BULK:
            if isinstance(event, PeerUp):
                self._inbox.post(BulkUp(member))
        elif isinstance(event, PeerUp):
            self._linked[member] = None
            self._inbox.post(PeerJoined(member, event.hello.height, event.hello.newest_vote))
        elif isinstance(event, PeerDown):
            self._linked.pop(member, None)
            self._inbox.post(PeerLeft(member))

    def _received(self, member: str, event: Received) -> None:
        is_vote = event.link_kind is LinkKind.VOTES
        if self._roles.get(member) is not Role.VALIDATOR and not _is_for_observers(event):
            self.refused_count += 1
            self._logger.warning("an observer sent what only validators may", extra={"facts": {"peer": member}})
        elif is_vote:
            self._inbox.post(VoteFrame(member, event.payload))
        elif event.frame_kind in REQUESTS:
            if self.snapshots is not None:
                self.snapshots.asked(member, event.frame_kind, event.payload)
        else:
            self._inbox.post(BulkFrame(member, event.frame_kind, event.payload))

    def _send(self, member: str | None, link: LinkKind, kind: int, payload: bytes) -> None:
        if self._network is None:
            return
        if member is None:
            self._network.broadcast(link, kind, payload)
            return
        node_id = self._node_ids.get(member)
        if node_id is not None:
            self._network.send(node_id, link, kind, payload)


def _is_for_observers(event: Received) -> bool:
    """Whether an observer may send that."""
    if event.link_kind is LinkKind.BULK:
        return event.frame_kind != BulkKind.TRANSACTIONS
    try:
        return isinstance(messages.decode(event.payload), Inquiry | DecidedMessage | CertifiedMessage)
    except Invalid:
        return False


def open_journal(directory: Path, inbox: Inbox) -> tuple[FileJournal, ThreadPoolExecutor]:
    """The journal of a running node and the one thread that syncs it; its answers go to the inbox."""
    thread = ThreadPoolExecutor(1, "journal")
    journal = FileJournal(
        directory,
        thread,
        lambda token: inbox.post_from_thread(Synced(token)),
        lambda failure: inbox.post_from_thread(Failed(failure)),
    )
    return journal, thread


def said_of(
    height: Callable[[], int], newest_vote: Callable[[str], bytes], links: PeerLinks
) -> Callable[[bytes], tuple[int, bytes]]:
    """What a Hello says to the node with an id: our height, and the newest vote of its own that we hold."""
    return lambda node_id: (height(), newest_vote(links.member_of(node_id)))
