"""The seams between the driver and the world: what it calls, and what comes back into its inbox.

The driver never waits. It asks the clock, the network, the journal, the verifier and the execution for something,
and the answer comes back later as an event in its one inbox. Production answers with asyncio, threads and
processes; the simulator answers from a heap of virtual time. Driver, replica, signer, pool and executor run
unmodified under both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from consensus.events import Halt
from node.chain import Outcome
from state.block import Block
from state.errors import Corrupt, Invalid
from state.fact import fact
from state.parameters import ChainParameters
from state.transaction import Transaction

# ------------------------------------------------------------------------------------------- into the inbox


@dataclass(frozen=True, slots=True)
class PeerJoined:
    """A peer's votes link is up, the handshake done."""

    member: str
    height: int
    """Newest height that the peer has decided."""
    newest_vote: bytes
    """Newest vote of this node's own that the peer holds, encoded; empty for none."""


@dataclass(frozen=True, slots=True)
class PeerLeft:
    """A peer's votes link is down."""

    member: str


@dataclass(frozen=True, slots=True)
class BulkUp:
    """A peer's bulk link is up; it comes up by itself, often after the votes link. What went to it before is lost."""

    member: str


@dataclass(frozen=True, slots=True)
class VoteFrame:
    """A message of agreement from a peer, as it travelled."""

    member: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class BulkFrame:
    """A message of the bulk link, as it travelled."""

    member: str
    kind: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Submitted:
    """Transactions from this node's own clients, as they were received. Answered by ``Listener.admitted``."""

    token: int
    transactions: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Verified:
    """The verifier's answer: whether each transaction's signatures are right."""

    token: int
    valid: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Synced:
    """Everything appended to the journal before ``sync(token)`` is durable."""

    token: int


@dataclass(frozen=True, slots=True)
class Executed:
    """A block has been executed and its state written."""

    height: int
    outcome: Outcome
    codes: tuple[str, ...]
    """Code of each transaction's receipt, in the block's order."""
    run_codes: tuple[str, ...]
    """Code of each run of a scheduled call, in the order in which they ran."""
    next_due_ms: int | None
    """When the next scheduled call is to run; None if none is pending."""
    quota: int = 0
    """Fuel that one member's customers have in a block; 0 for no bound."""
    payer_banks: tuple[tuple[str, str], ...] = ()
    """While there is a quota: who paid the fuel of the block's transactions, and whose customer that is."""
    parameters: tuple[tuple[int, ChainParameters], ...] = ()
    """First height and parameters, where those of later heights differ."""
    members_height: int = 0
    """Newest height at which a member's row, or the set in force, has changed: the roster is another since then."""


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer that the driver set. A later one of the same name makes it void."""

    name: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The disk, or the execution process, is gone. The node ends at once; nothing is acknowledged any more."""

    error: Corrupt


Event: TypeAlias = (
    PeerJoined
    | PeerLeft
    | BulkUp
    | VoteFrame
    | BulkFrame
    | Submitted
    | Verified
    | Synced
    | Executed
    | TimerFired
    | Failed
)


# --------------------------------------------------------------------------------------- out of the driver


class Clock(Protocol):
    """Time, and events that come when it has passed."""

    def now_ms(self) -> int:
        """Wall clock, ms since 1970: for proposals' times and expiry only."""

    def monotonic_ms(self) -> int:
        """A clock that never jumps: for everything that measures."""

    def fire(self, delay_ms: int, event: TimerFired) -> None:
        """Put ``event`` into the inbox after ``delay_ms`` (0: as soon as may be). A timer cannot be called back."""


class Network(Protocol):
    """Links to peers, named by member id. Sending never waits; a link that is down or full drops."""

    def send_vote(self, member: str | None, payload: bytes) -> None:
        """To one peer, or to all."""

    def send_bulk(self, member: str | None, kind: int, payload: bytes) -> None:
        """To one peer, or to all."""

    def bar(self, member: str, reason: str, seconds: int) -> None:
        """End the links with a peer that attacks, and let none come up for so long."""


class Verifier(Protocol):
    """Checks signatures of transactions off the path of agreement."""

    def verify(self, token: int, transactions: Sequence[Transaction]) -> None:
        """Answered by ``Verified``, in order of the calls."""


class Execution(Protocol):
    """Runs blocks. It owns the world state."""

    def execute(self, block: Block, transactions: Sequence[Transaction]) -> None:
        """Start executing the next block. Answered by ``Executed``, in order of the calls."""


@fact
class Admission:
    """What became of one submitted transaction at this node's door."""

    transaction_id: bytes | None
    """None where the bytes are no transaction."""
    refused: Invalid | None
    """Why it was not taken; None when it is pending now. DUPLICATE: pending or decided before."""


class Listener(Protocol):
    """Who is told what happened. Called in the driver's turn, so it must be quick and never raise."""

    def admitted(self, token: int, results: Sequence[Admission]) -> None:
        """The answer to ``Submitted``, one result for each of its transactions."""

    def executed(self, block: Block, event: Executed) -> None:
        """A block is final here, its receipts in hand."""

    def expired(self, transaction_ids: Sequence[bytes]) -> None:
        """These were pending and their time has passed."""

    def certified(self, height: int) -> None:
        """A checkpoint certificate of that height is stored."""

    def evidence(self, encoded: bytes) -> None:
        """A validator has signed two contradictory votes; what proves it is stored."""

    def log(self, level: int, message: str, **facts: object) -> None:
        """Something that an operator may want to read."""

    def outdated(self, height: int, version: int) -> None:
        """From that height on rules are in force that this software does not know. The node must stop before it."""

    def halted(self, halt: Halt) -> None:
        """This node has diverged, or too many validators lie. It must stop and keep what it was told."""
