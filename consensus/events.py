"""What goes into the core, and what comes out of it.

Events are facts: every reading of a clock, every check that needs bodies, every signature arrives in one. ``Ready``
is what one turn asks of the driver. Peers are named by member id: indices change with the validator set, members
do not.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from consensus.messages import DecidedMessage, Message
from consensus.rotation import Rotation
from consensus.safety import SignRequest
from state.block import Block
from state.certificate import Certificate
from state.errors import Reason
from state.evidence import Evidence
from state.validators import ValidatorSet
from state.votes import Checkpoint


class TimerKind(StrEnum):
    """What a timer is for."""

    VIEW = "view"  # the view made no decision in time
    RESEND = "resend"  # send again what may have been lost


@dataclass(frozen=True, slots=True)
class Timer:
    """Names a timer. Setting the same name again replaces it."""

    kind: TimerKind
    height: int
    """0 for RESEND, of which there is one."""
    view: int


@dataclass(frozen=True, slots=True)
class Received:
    """A message arrived on the votes link."""

    message: Message
    peer: str | None
    """Member id of whoever sent it, as the link's handshake proved; None when it has no member id."""
    clock_ms: int
    """The wall clock when it arrived, ms since 1970: a fresh proposal is judged timely by it, once."""


@dataclass(frozen=True, slots=True)
class TimerExpired:
    """A timer that ``Ready.set_timers`` asked for has run out."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class ProposalReady:
    """Answer to ``Ready.propose``; every body is held and verified. A stale one is ignored."""

    height: int
    view: int
    block: Block


@dataclass(frozen=True, slots=True)
class BlockAvailable:
    """Answer to ``Ready.validate``: every body is held and verified, and the block keeps rule 11."""

    digest: bytes


@dataclass(frozen=True, slots=True)
class BlockRefused:
    """Answer to ``Ready.validate``: the block breaks rule 11."""

    digest: bytes
    reason: str
    """For the log."""


@dataclass(frozen=True, slots=True)
class Signed:
    """Answer to ``Ready.sign``: the request is on disk (fdatasync has returned) and signed, now or earlier."""

    request: SignRequest
    signature: bytes


@dataclass(frozen=True, slots=True)
class SigningRefused:
    """Answer to ``Ready.sign``: the signer refused. The core does not ask again for that vote."""

    request: SignRequest
    reason: str
    """For the log."""


@dataclass(frozen=True, slots=True)
class SigningAllowed:
    """The amnesia guard (rule 3) is satisfied. Until then a validator asks for no signature."""

    above_height: int
    """Abstain at this height and below: the height of the newest own vote that some peer holds and the record does
    not; 0 when there is none. (CHECKPOINTs are signed at any height.)"""


@dataclass(frozen=True, slots=True)
class Executed:
    """A decided block has been executed here. Heights come in order, without gaps."""

    checkpoint: Checkpoint
    """What the node would sign (an observer: only compare)."""
    validators: ValidatorSet
    """V(height + L)."""


@dataclass(frozen=True, slots=True)
class WorkChanged:
    """Whether there is work for a block: pooled transactions, due scheduled calls, or an overdue heartbeat."""

    pending: bool


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """A votes link to this member is up (again)."""

    peer: str


@dataclass(frozen=True, slots=True)
class SyncedBlock:
    """Block sync brought the next height. It is checked like any other."""

    block: Block
    certificate: Certificate
    peer: str | None


Event: TypeAlias = (
    Received
    | TimerExpired
    | ProposalReady
    | BlockAvailable
    | BlockRefused
    | Signed
    | SigningRefused
    | SigningAllowed
    | Executed
    | WorkChanged
    | PeerConnected
    | SyncedBlock
)


@dataclass(frozen=True, slots=True)
class Decision:
    """A decided block, and all of it that has to be stored."""

    block: Block
    certificate: Certificate
    """q COMMITs of one view."""
    rotation: Rotation
    """Of the block's height; a restart goes on from it."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send. A link that is down loses it: the core sends again by itself."""

    to: str | None
    """Member id; None: everyone on a votes link, observers included."""
    message: Message


@dataclass(frozen=True, slots=True)
class Validation:
    """A block to look at: find its bodies, verify them, check rule 11; answer BlockAvailable or BlockRefused."""

    block: Block
    sources: tuple[str, ...]
    """Members to ask for missing bodies, best first: the proposer, then those that signed PREPARE."""


@dataclass(frozen=True, slots=True)
class ProposalWanted:
    """This node is primary: make a block as soon as there is work and the pace allows, or at a heartbeat.

    Void as soon as the height is decided, another view is entered, or another one is asked for.
    """

    height: int
    view: int
    parent: bytes
    """Digest of the block at height − 1 (``NO_DIGEST`` at height 1)."""
    parent_certificate: Certificate | None
    parent_timestamp_ms: int
    """The block's time is max(clock, this + 1). At height 1 it is the genesis time."""
    validators_digest: bytes
    proposer: bytes
    """Own vote key."""
    urgent: bool
    """Others wait: answer at once, with an empty block if there is no work."""


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Start, or start over, a timer on the monotonic clock."""

    timer: Timer
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Behind:
    """A peer claims that every height below ``height`` is decided: start block sync, doubt the claim."""

    peer: str
    height: int


@dataclass(frozen=True, slots=True)
class DecidedWanted:
    """A peer needs a block that only the chain on disk still has: send it ``DecidedMessage`` on the votes link."""

    peer: str
    height: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message broke a rule: for the log, and for the peer's score."""

    peer: str | None
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Halt:
    """The node must stop, loudly, and keep this: it has diverged, or more than f validators lie."""

    reason: str
    own: Checkpoint | Certificate
    """What this node holds."""
    other: Certificate
    """The valid certificate that contradicts it."""
    evidence: tuple[Evidence, ...] = ()
    """Against those whom the two convict: f+1 validators, unless the proof is in other nodes' hands."""
    last_word: DecidedMessage | None = None
    """To send to everyone before stopping: whoever has decided otherwise stops, too, and may know who else lied."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What one turn asks of the driver; see the package's manual for the order."""

    sign: tuple[SignRequest, ...] = ()
    """To check, journal and sign, all in one write, in this order; each is answered by Signed or SigningRefused."""
    send: tuple[Outgoing, ...] = ()
    """To send at once: whatever is signed in them is already on disk."""
    validate: tuple[Validation, ...] = ()
    propose: ProposalWanted | None = None
    decided: tuple[Decision, ...] = ()
    """Append to the chain and execute; bodies may still have to be fetched."""
    certified: tuple[Certificate, ...] = ()
    """New checkpoint certificates, to be stored."""
    set_timers: tuple[SetTimer, ...] = ()
    cancel_timers: tuple[Timer, ...] = ()
    """Applied before ``set_timers``."""
    behind: tuple[Behind, ...] = ()
    decided_wanted: tuple[DecidedWanted, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    halt: Halt | None = None


NOTHING = Ready()
"""What most turns end with; always this one object."""
