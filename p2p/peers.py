"""The words that p2p shares with those above: peers, events, limits, and what is counted.

Nothing here does anything; ``network`` does.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from p2p.frame import Hello, LinkKind, Role


@dataclass(frozen=True, slots=True)
class Peer:
    """One member's node, as the chain's member list names it."""

    node_id: bytes
    """Ed25519 public key, 32 bytes."""
    name: str
    host: str
    """Name or address to dial. Unused where the peer dials us."""
    port: int
    root_certificate: bytes = field(repr=False)
    """DER, self-signed by the node key."""
    role: Role


@dataclass(frozen=True, slots=True)
class PeerUp:
    """A link is ready. Votes and bulk links come up independently."""

    node_id: bytes
    link_kind: LinkKind
    hello: Hello
    """What the peer said. Its ``newest_vote`` (on votes links) is this node's own newest vote that the peer holds."""


@dataclass(frozen=True, slots=True)
class PeerDown:
    """A link that was up is gone. Frames that were queued on it are lost."""

    node_id: bytes
    link_kind: LinkKind
    reason: str
    """One sentence for a person."""


@dataclass(frozen=True, slots=True)
class Received:
    """One frame from a peer; the only thing known of its payload is its size."""

    node_id: bytes
    link_kind: LinkKind
    frame_kind: int
    payload: bytes


Event: TypeAlias = PeerUp | PeerDown | Received


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of a peer network that is not in the protocol itself. Tests shorten the times."""

    handshake_seconds_max: float = 5.0
    """From TCP accept (or dial) to a Hello from each side."""
    close_seconds_max: float = 0.5
    """How long a closing link waits for the other side's close frame."""
    flush_seconds_max: float = 1.0
    """How long a closing node waits until what was queued has left: what its clients were told is pending must be
    somewhere else before it goes."""
    tick_seconds: float = 0.5
    """One timer looks after all links. The counts of ticks below stand still while the event loop does, so that a
    slow moment of our own is not taken for a dead peer."""
    heartbeat_ticks: int = 3
    """An idle link says something this often: an unsolicited PONG (RFC 6455, 5.5.3)."""
    votes_silence_ticks_max: int = 9
    """A votes link without one whole message for this long (4.5 s) is dead."""
    bulk_silence_ticks_max: int = 60
    """A bulk link may spend 30 s on one message, so that 8 MiB pass at 280 kB/s."""
    frames_per_tick_max: int = 25_000
    """More messages and frames than this in one tick are a flood, and the link is closed."""
    votes_queue_bytes_max: int = 4 * 1024 * 1024
    """Waiting to be written on one votes link. When full, the oldest frames go: consensus sends again what matters."""
    bulk_queue_bytes_max: int = 16 * 1024 * 1024
    """Waiting to be written on one bulk link. When full, a frame is refused and the sender hears of it."""
    backoff_seconds_min: float = 0.1
    """First pause between dials; it doubles."""
    backoff_seconds_max: float = 2.0
    """Last pause between dials: a healed network is whole again within it."""
    patience_seconds: float = 10.0
    """A validator whose link is the other one's to dial waits this long for it, then dials itself. It happens where
    one of them does not know yet that the other has become a validator or is none any more."""
    handshakes_max: int = 256
    """Connections that have not finished their handshake, in all."""
    handshakes_per_address_max: int = 32
    """The same from one address."""
    leaf_check_ticks: int = 7200
    """How often a running node looks whether its certificate is due (1 h)."""


@dataclass(slots=True)
class LinkCounters:
    """What one link kind carried with one peer since this node started, over all its reconnections."""

    bytes_in: int = 0
    bytes_out: int = 0
    frames_in: int = 0
    frames_out: int = 0
    messages_in: int = 0
    messages_out: int = 0
    dropped: int = 0
    """Frames that fell out of a full votes queue."""
    refused: int = 0
    """Frames that a full bulk queue did not take."""
    connected: int = 0
    """How often the link came up."""
    replaced: int = 0
    """How often a new connection took the place of one that was still up. Rising fast, it says that two hosts use
    one key."""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One link kind of one peer, now."""

    up: bool
    address: str
    """Address of the other side, or nothing."""
    queued_bytes: int
    counters: LinkCounters
    """A copy."""


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One peer, now."""

    peer: Peer
    dialled_by_us: bool
    """Whether it is ours to dial at once."""
    votes: LinkStatus
    bulk: LinkStatus
    height: int | None
    """What its newest Hello said; nothing before the first."""
    software: str
    """Release that it runs, as its newest Hello said; empty before the first."""
    protocol_version: int | None
    """Newest version of the chain's rules that it knows, as its newest Hello said."""
    certificate_days: int | None
    """Whole days until the certificate of its newest handshake expires; negative where it has."""
    last_error: str
    """Why the newest connection failed or ended; empty where none did."""
