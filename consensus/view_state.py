"""What agreement on a height depends on from outside, and what belongs to its current view only."""

from dataclasses import dataclass, field

from consensus.events import ProposalWanted
from consensus.messages import NewViewMessage, PrePrepare, SignedMessage, ViewChangeMessage
from state.block import Block


@dataclass(frozen=True, slots=True)
class Conditions:
    """What agreement on a height depends on beyond the height itself."""

    can_sign: bool
    gate_open: bool
    """A checkpoint of height − L or later is certified."""
    work_pending: bool
    certified_height: int


@dataclass(slots=True)
class Proposed:
    """The block that a view is about."""

    block: Block
    acceptable: bool
    """Proposed again, or fresh and timely."""
    asked: bool = False
    """The driver has been asked to look at the bodies."""
    available: bool | None = None
    """What it answered."""


@dataclass(slots=True)
class ViewState:
    """What is only of the current view: a new view starts from an empty one."""

    view: int
    supported: bool
    """View 0, or q VIEW-CHANGEs for this view or a higher one have been seen."""
    proposed: Proposed | None = None
    proposal: PrePrepare | NewViewMessage | None = None
    """The message of another bank that proposed it."""
    confronted: set[int] = field(default_factory=set)
    """Who prepared another block of this view and has been shown that message."""
    timer_set: bool = False
    wanted: ProposalWanted | None = None
    """What the driver has been asked for, as primary."""
    opening: tuple[ViewChangeMessage, ...] = ()
    """The q VIEW-CHANGEs that this node opens the view with, as primary."""
    asked: set[type] = field(default_factory=set)
    """Kinds of votes that the signer has been asked for."""
    stored: dict[type, SignedMessage] = field(default_factory=dict)
    """Own signed messages, in signing order."""
