"""All links of one node: who dials whom, what is up, and one stream of events for the driver.

Two links join each pair, one for votes and one for bulk. Of two validators the one with the smaller node id dials;
an observer dials every validator; observers have no links among themselves. So a pair never has two connections of
a kind, and when one arrives although one is up, the newer wins: the old one belongs to a peer that has restarted.

Two nodes need not agree about who is a validator: one that was away while that changed learns it over these very
links. So each accepts who is not the one to dial, and of two validators the other one dials, too, after waiting in
vain. Of connections that cross, both sides keep the one that the smaller id has dialled.

Events are delivered synchronously, in order: PeerUp before any Received of that link, PeerDown after the last.
"""

import asyncio
import dataclasses
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiohttp

from p2p.dial import Dialler
from p2p.frame import (
    HELLO_BYTES_MAX,
    PAYLOAD_BYTES_MAX,
    Hello,
    LinkKind,
    Role,
    frame_header,
)
from p2p.greet import Greeted
from p2p.identity import Identity, check_root, issue_leaf, leaf_is_due
from p2p.link import Link
from p2p.listen import Listener
from p2p.peers import (
    Event,
    Limits,
    LinkCounters,
    LinkStatus,
    Peer,
    PeerDown,
    PeerStatus,
    PeerUp,
    Received,
)
from p2p.tls import client_context, server_context, show, trust
from state import protocol
from state.errors import Invalid, Reason

FLUSH_LOOK_SECONDS = 0.005
"""Between two looks at what is queued, while this node closes."""

DAY_MS = 24 * 60 * 60 * 1000


@dataclass(slots=True)
class _Neighbour:
    """What this node keeps about one peer, whether or not a link is up."""

    peer: Peer
    counters: dict[LinkKind, LinkCounters] = field(default_factory=lambda: {kind: LinkCounters() for kind in LinkKind})
    links: dict[LinkKind, Link] = field(default_factory=dict)
    was_dialled: dict[LinkKind, bool] = field(default_factory=dict)
    """Whether this node dialled the newest link, rather than the peer."""
    addresses: dict[LinkKind, str] = field(default_factory=dict)
    dialling: list[asyncio.Task[None]] = field(default_factory=list)
    context: ssl.SSLContext | None = None
    """Set where we dial."""
    hello: Hello | None = None
    """The newest that it said."""
    certificate_expires_ms: int | None = None
    barred_until: float = 0.0
    """Loop time before which no link with it comes up."""
    last_error: str = ""


class PeerNetwork:
    """The peer links of one node."""

    def __init__(
        self,
        identity: Identity,
        chain_id: bytes,
        role: Role,
        peers: Sequence[Peer],
        on_event: Callable[[Event], None],
        standing: Callable[[bytes], tuple[int, bytes]],
        clock_ms: Callable[[], int],
        draw: Callable[[], float],
        on_failure: Callable[[BaseException], None],
        limits: Limits | None = None,
        software: str = "",
    ) -> None:
        """Nothing happens before ``start``.

        :param role: this node's own.
        :param peers: the chain's members; this node itself may be among them.
        :param on_event: called in the event loop, for each event, synchronously; it may call ``send`` and the like.
        :param standing: for a Hello to the node with this id: our decided height, and the newest vote of *its* that
            we hold (or nothing).
        :param clock_ms: Unix time, ms; for certificates only.
        :param draw: a random number in [0, 1); for pauses between dials only.
        :param on_failure: an error of our own, such as one that ``on_event`` raised: the process should end.
        :param software: the release that this node runs, for its Hellos.
        """
        assert len(chain_id) == 32, "a chain id is a digest of 32 bytes"
        self.port = 0
        """The port listened on, after ``start``."""
        self._identity = identity
        self._chain_id = chain_id
        self._role = role
        self._on_event = on_event
        self._standing = standing
        self._clock_ms = clock_ms
        self._draw = draw
        self._on_failure = on_failure
        self._limits = limits or Limits()
        self._software = software
        self._neighbours: dict[bytes, _Neighbour] = {}
        self._leaf = issue_leaf(identity, clock_ms())
        self._server_context = server_context(identity, self._leaf)
        self._session: aiohttp.ClientSession | None = None
        self._listener: Listener | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ticks = 0
        self._is_closing = False
        self._cancelled: set[asyncio.Task[None]] = set()
        self.set_peers(peers, role)

    async def start(self, host: str, port: int) -> None:
        """Listen, and dial those that are ours to dial.

        :raises OSError: the address is taken or not this machine's.
        """
        assert self._listener is None, "a network starts once"
        self._listener = Listener(
            self._server_context,
            self._limits,
            self._check_dialler,
            lambda node_id, link_kind: self._check_crossing(node_id, link_kind, was_dialled=False),
            self._own_hello,
            self._join,
            self._on_failure,
        )
        self.port = self._listener.start(host, port)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        for neighbour in self._neighbours.values():
            self._start_dialling(neighbour)
        self._tick()

    async def close(self) -> None:
        """Let what is queued leave, then end every link and task. PeerDown comes for each link that was up."""
        self._is_closing = True
        await self._flush()
        if self._timer is not None:
            self._timer.cancel()
        for neighbour in self._neighbours.values():
            self._drop(neighbour, "this node is closing")
        await asyncio.gather(*self._cancelled, return_exceptions=True)
        if self._listener is not None:
            await self._listener.close()
        if self._session is not None:
            await self._session.close()

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.flush_seconds_max
        while loop.time() < deadline:
            links = [link for neighbour in self._neighbours.values() for link in neighbour.links.values()]
            if not any(link.queued_bytes for link in links):
                return
            await asyncio.sleep(FLUSH_LOOK_SECONDS)

    def set_peers(self, peers: Sequence[Peer], role: Role) -> None:
        """Take over a new member list and own role. Links of those who left, or whose entry changed, end now.

        A member whose root certificate is not its own can't be linked to; nobody else suffers from it.
        """
        listed = {peer.node_id: peer for peer in peers if peer.node_id != self._identity.node_id}
        is_role_changed, self._role = role is not self._role, role
        for node_id, neighbour in list(self._neighbours.items()):
            if is_role_changed or listed.get(node_id) != neighbour.peer:
                self._drop(neighbour, "the member list has changed")
                if node_id not in listed:
                    del self._neighbours[node_id]
        for node_id, peer in listed.items():
            neighbour = self._neighbours.setdefault(node_id, _Neighbour(peer))
            if neighbour.peer != peer:
                neighbour.peer = peer
            if not neighbour.dialling:
                self._admit(neighbour)

    def send(self, node_id: bytes, link_kind: LinkKind, frame_kind: int, payload: bytes) -> bool:
        """Queue one frame to one peer; never waits. False where the link is down, or a full bulk queue refuses."""
        assert len(payload) <= PAYLOAD_BYTES_MAX[link_kind], "a frame larger than its link allows"
        neighbour = self._neighbours.get(node_id)
        link = None if neighbour is None else neighbour.links.get(link_kind)
        return link is not None and link.send(frame_header(frame_kind, payload), payload)

    def broadcast(self, link_kind: LinkKind, frame_kind: int, payload: bytes, role: Role | None = None) -> int:
        """Queue one frame to every peer (of one role, if given) whose link is up; returns how many took it."""
        assert len(payload) <= PAYLOAD_BYTES_MAX[link_kind], "a frame larger than its link allows"
        header = frame_header(frame_kind, payload)
        taken = 0
        for neighbour in self._neighbours.values():
            link = neighbour.links.get(link_kind)
            if link is not None and (role is None or neighbour.peer.role is role):
                taken += link.send(header, payload)
        return taken

    def connected(self, link_kind: LinkKind) -> tuple[bytes, ...]:
        """Ids of the peers whose link of this kind is up, in the order in which they came."""
        return tuple(node_id for node_id, each in self._neighbours.items() if link_kind in each.links)

    def bar(self, node_id: bytes, reason: str, seconds: float) -> None:
        """End both links with a peer that misbehaves, and let none come up for a while."""
        neighbour = self._neighbours.get(node_id)
        if neighbour is not None:
            neighbour.barred_until = asyncio.get_running_loop().time() + seconds
            for link in list(neighbour.links.values()):
                link.stop(reason)

    def set_identity(self, identity: Identity) -> None:
        """Be known by another key from now on. Every link ends, and comes up again where peers know the key."""
        self._identity = identity
        self._leaf = issue_leaf(identity, self._clock_ms())
        show(self._server_context, identity, self._leaf)
        for neighbour in self._neighbours.values():
            self._drop(neighbour, "this node has another key")
            self._admit(neighbour)

    def renew_leaf(self) -> None:
        """Issue the next certificate and show it from now on. Runs by itself thirty days before the old one ends."""
        self._leaf = issue_leaf(self._identity, self._clock_ms())
        show(self._server_context, self._identity, self._leaf)
        for neighbour in self._neighbours.values():
            if neighbour.context is not None:
                show(neighbour.context, self._identity, self._leaf)

    def status(self) -> tuple[PeerStatus, ...]:
        """Every peer of the member list, in the order in which they came."""
        return tuple(self._status_of(neighbour) for neighbour in self._neighbours.values())

    def certificate_days(self) -> int:
        """Whole days until our own certificate expires."""
        return (self._leaf.not_after_ms - self._clock_ms()) // DAY_MS

    def refusals(self) -> dict[str, int]:
        """How many incoming connections were refused, by reason."""
        return {} if self._listener is None else dict(self._listener.refusals)

    # Who dials whom

    def _is_linked_with(self, peer: Peer) -> bool:
        return self._role is Role.VALIDATOR or peer.role is Role.VALIDATOR

    def _is_ours_to_dial(self, peer: Peer) -> bool:
        if peer.role is Role.OBSERVER:
            return False
        return self._role is Role.OBSERVER or self._identity.node_id < peer.node_id

    def _check_dialler(self, node_id: bytes) -> None:
        """:raises Invalid: STRANGER, CONFLICT among observers, FULL while it is barred."""
        neighbour = self._neighbours.get(node_id)
        if neighbour is None:
            raise Invalid(Reason.STRANGER, f"{node_id.hex()} is not a member")
        peer = neighbour.peer
        if not self._is_linked_with(peer):
            raise Invalid(Reason.CONFLICT, f"{peer.name} is an observer, as this node is")
        self._check_not_barred(node_id)

    def _check_crossing(self, node_id: bytes, link_kind: LinkKind, was_dialled: bool) -> None:
        """:raises Invalid: CONFLICT, the link is up by the connection that both sides shall keep."""
        neighbour = self._neighbours[node_id]
        is_ours_kept = self._identity.node_id < node_id
        if link_kind in neighbour.links and neighbour.was_dialled[link_kind] is is_ours_kept is not was_dialled:
            raise Invalid(Reason.CONFLICT, "the link is up already, by the connection that the smaller id has dialled")

    def _check_not_barred(self, node_id: bytes) -> None:
        """:raises Invalid: FULL for a barred peer, or for any while this node closes."""
        neighbour = self._neighbours[node_id]
        if self._is_closing:
            raise Invalid(Reason.FULL, "this node is closing")
        if neighbour.barred_until > asyncio.get_running_loop().time():
            raise Invalid(Reason.FULL, f"{neighbour.peer.name} is barred for a while")

    def _admit(self, neighbour: _Neighbour) -> None:
        """Trust a peer's root and, once started, dial it unless it is an observer."""
        peer = neighbour.peer
        try:
            check_root(peer.root_certificate, peer.node_id)
            if peer.role is Role.VALIDATOR:
                neighbour.context = client_context(self._identity, self._leaf, peer.root_certificate)
            else:
                neighbour.context = None
            if self._is_linked_with(peer):
                trust(self._server_context, peer.root_certificate)
        except (Invalid, ssl.SSLError) as error:
            neighbour.context = None
            neighbour.last_error = f"its root certificate is refused: {error}"
            return
        self._start_dialling(neighbour)

    def _start_dialling(self, neighbour: _Neighbour) -> None:
        if self._session is None or neighbour.context is None:
            return
        patience_seconds = 0.0 if self._is_ours_to_dial(neighbour.peer) else self._limits.patience_seconds
        for kind in LinkKind:
            dialler = Dialler(
                neighbour.peer,
                kind,
                neighbour.context,
                self._session,
                self._limits,
                patience_seconds,
                lambda kind=kind: kind in neighbour.links,  # type: ignore[misc] # mypy can't infer the default's type
                self._draw,
                self._check_not_barred,
                lambda node_id, link_kind: self._check_crossing(node_id, link_kind, was_dialled=True),
                self._own_hello,
                self._join,
                lambda reason: setattr(neighbour, "last_error", reason),
            )
            neighbour.dialling.append(asyncio.create_task(dialler.run()))

    # Links

    def _own_hello(self, node_id: bytes, link_kind: LinkKind) -> Hello:
        try:
            height, newest_vote = self._standing(node_id)
        except Exception as error:
            self._on_failure(error)
            raise
        assert len(newest_vote) <= HELLO_BYTES_MAX // 2, "a vote too large for a Hello"
        return Hello(
            chain_id=self._chain_id,
            node_id=self._identity.node_id,
            link_kind=link_kind,
            role=self._role,
            height=height,
            newest_vote=newest_vote if link_kind is LinkKind.VOTES else b"",
            software=self._software,
            protocol_version=protocol.NEWEST,
        )

    def _join(self, greeted: Greeted) -> Link:
        """A handshake is complete: the link is up from here on."""
        neighbour = self._neighbours[greeted.node_id]
        kind = greeted.link_kind
        counters = neighbour.counters[kind]
        old = neighbour.links.get(kind)
        if old is not None:
            counters.replaced += 1
            old.stop("a newer connection of the same peer took its place")
        link = Link(
            greeted.socket,
            kind,
            self._limits,
            counters,
            lambda _, frame_kind, payload: self._emit(Received(greeted.node_id, kind, frame_kind, payload)),
            lambda stopped, reason: self._leave(neighbour, stopped, reason),
        )
        neighbour.links[kind] = link
        neighbour.was_dialled[kind] = greeted.was_dialled
        neighbour.addresses[kind] = greeted.address
        neighbour.hello = greeted.hello
        neighbour.certificate_expires_ms = greeted.certificate_expires_ms
        counters.connected += 1
        self._emit(PeerUp(greeted.node_id, kind, greeted.hello))
        return link

    def _leave(self, neighbour: _Neighbour, link: Link, reason: str) -> None:
        assert neighbour.links.get(link.link_kind) is link, "a stopped link stops again"
        del neighbour.links[link.link_kind]
        neighbour.last_error = reason
        self._emit(PeerDown(neighbour.peer.node_id, link.link_kind, reason))

    def _emit(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001 — our own bug: told to those who end the process, not to the peer
            self._on_failure(error)

    def _drop(self, neighbour: _Neighbour, reason: str) -> None:
        """End its links and stop dialling it."""
        for link in list(neighbour.links.values()):
            link.stop(reason)
        for task in neighbour.dialling:
            task.cancel()
            self._cancelled.add(task)
            task.add_done_callback(self._cancelled.discard)
        neighbour.dialling = []

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._limits.tick_seconds, self._tick)
        self._ticks += 1
        for neighbour in list(self._neighbours.values()):
            for link in list(neighbour.links.values()):
                link.tick()
        if self._ticks % self._limits.leaf_check_ticks == 0 and leaf_is_due(self._leaf, self._clock_ms()):
            self.renew_leaf()

    def _status_of(self, neighbour: _Neighbour) -> PeerStatus:
        expires_ms, hello = neighbour.certificate_expires_ms, neighbour.hello
        votes, bulk = (
            LinkStatus(
                up=kind in neighbour.links,
                address=neighbour.addresses.get(kind, ""),
                queued_bytes=neighbour.links[kind].queued_bytes if kind in neighbour.links else 0,
                counters=dataclasses.replace(neighbour.counters[kind]),
            )
            for kind in (LinkKind.VOTES, LinkKind.BULK)
        )
        return PeerStatus(
            peer=neighbour.peer,
            dialled_by_us=self._is_ours_to_dial(neighbour.peer),
            votes=votes,
            bulk=bulk,
            height=None if hello is None else hello.height,
            software="" if hello is None else hello.software,
            protocol_version=None if hello is None else hello.protocol_version,
            certificate_days=None if expires_ms is None else (expires_ms - self._clock_ms()) // DAY_MS,
            last_error=neighbour.last_error,
        )
