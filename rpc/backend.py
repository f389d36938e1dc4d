"""What rpc asks of the node: two protocols, and the facts that cross them.

``Intake`` takes transactions in; ``Queries`` answers from what this node has executed. node implements both. Facts
are bytes, integers and the types of state/; JSON, hex and decimal strings are made above this line, in rpc.methods.

Rules for who implements them:

* A refusal is ``Invalid(reason, detail)``; its reason becomes the error's stable ``data.code``. UNKNOWN means that the
  thing named is not there, UNAVAILABLE that it is not to be had here now, GAP that a cursor points at what is no
  longer kept. A method whose answer may be None says so. Anything else that is raised is our bug.
* ``height`` in a fact is the height of the executed block that the answer is of; answers are of the latest one unless
  asked otherwise. ``indexed_height`` is the height up to which the indexes are complete.
* A cursor is the implementer's own bytes, at most CURSOR_BYTES_MAX; None starts at the beginning. A page with
  ``next_cursor`` None has nothing behind it *yet* for events (ask again from the same cursor) and nothing at all for
  other lists. Limits come checked: 1 to PAGE_ITEMS_MAX.
* Nothing here holds the event loop for more than a few milliseconds; what may, goes to another process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from state.block import Block
from state.certificate import Certificate
from state.codec import Value
from state.errors import Reason
from state.fact import fact
from state.policy import Policy
from state.proof import StateProof
from state.receipt import Event, Receipt
from state.succession import Change
from state.transaction import Body
from state.validators import ValidatorSet

PAGE_ITEMS_MAX = 1_000
"""Most items of one page."""

CURSOR_BYTES_MAX = 128
"""Largest cursor, bytes."""

WAIT_MS_MAX = 30_000
"""Longest that a caller is kept waiting for finality, ms; below the idle limits of common proxies."""


class TransactionStatus(StrEnum):
    """Where a transaction stands, in DESIGN's words."""

    UNKNOWN = "unknown"
    """This node has not seen it; it may still arrive."""
    PENDING = "pending"
    """In a pool. Not durable: send it again if it stays so."""
    FINAL = "final"
    """Decided and executed, and all its calls happened."""
    FAILED = "failed"
    """Decided and executed, and refused by its own rules; the receipt says why. It will never happen."""
    EXPIRED = "expired"
    """Its time has passed without it; it will never happen."""


# ---------------------------------------------------------------------------------------------------- intake


@fact
class Submitted:
    """The node has it: in its pool just now or before, or already executed."""

    transaction_id: bytes
    status: TransactionStatus


@dataclass(frozen=True, slots=True)
class Refused:
    """The node does not take it."""

    reason: str
    """A ``Reason``'s value, or the code that execution would end with (``insufficient_funds``, ``unauthorised``, …)."""
    detail: str
    """One sentence for a person."""
    transaction_id: bytes | None = None
    """None where the bytes are no transaction, or were not looked at."""
    retry_after_ms: int | None = None
    """When the same bytes are worth sending again; None where that is not known."""


SubmitResult = Submitted | Refused


class Intake(Protocol):
    """The way in for transactions."""

    async def submit_many(self, transactions: list[bytes]) -> list[SubmitResult]:
        """Take encoded transactions, as they were received; one result each, in order.

        Returns once signatures are checked. Sending bytes again gives the status they have by now. Never raises.
        """


# --------------------------------------------------------------------------------------------------- queries


@dataclass(frozen=True, slots=True)
class NodeFact:
    """The node, as its operator and its wallets want to know it."""

    version: str
    chain_id: bytes
    address_prefix: str
    node_id: bytes
    """Public key of the node's identity, 32 bytes."""
    member: str
    """Member id of the bank or regulator that runs it."""
    role: str
    """``validator`` or ``observer``."""
    height: int
    """Latest executed block; 0 before the first."""
    decided_height: int
    """Latest decided block; at most the execution lag above ``height``."""
    certified_height: int
    """Latest height with a checkpoint certificate; 0 before the first."""
    block_digest: bytes
    """Of the block at ``height``."""
    state_root: bytes
    """After ``height``."""
    block_time_ms: int
    view: int
    """View of the height that is being decided."""
    peers: int
    """Peers with a link up."""
    pool_count: int
    pool_bytes: int
    target_height: int
    """Highest height that more validators than may lie say is decided; above ``decided_height`` while it is behind."""
    not_ready: tuple[str, ...]
    """Why /readyz is red, empty when it is green."""
    protocol_version: int
    """Of the rules that the next block is made under."""
    protocol_known: int
    """Newest version of the rules that its software knows."""
    next_protocol: tuple[int, int] | None
    """First height and version of what is voted and not in force yet."""
    warnings: tuple[str, ...]
    """What its operator must do before it is too late."""


@dataclass(frozen=True, slots=True)
class PeerFact:
    """A member's node, linked or not."""

    member: str
    node_id: bytes
    role: str
    connected: bool
    height: int
    """Latest height that it told; 0 when never linked."""
    address: str
    """host:port that is dialled, empty for one that only dials in."""
    version: str
    """Release of its software, as its newest greeting said; empty before the first."""
    protocol_known: int | None
    """Newest version of the rules that its software knows, as it said."""


@dataclass(frozen=True, slots=True)
class EvidenceFact:
    """Two votes that no correct validator signs together."""

    member: str
    """Who signed both."""
    height: int
    votes: tuple[str, str]
    """Kind of each, ``prepare`` and the like."""
    encoded: bytes
    number: int | None
    """Of the report on chain; None while there is none."""
    reported_ms: int | None
    """Time of the block that the report is in."""


@dataclass(frozen=True, slots=True)
class ValidatorsFact:
    """V(height)."""

    height: int
    validators: ValidatorSet


class Cause(StrEnum):
    """Why something was executed."""

    TRANSACTION = "transaction"
    """Somebody sent it."""
    SCHEDULE = "schedule"
    """A contract had scheduled it, and its time had come."""


@dataclass(frozen=True, slots=True)
class BlockFact:
    """A decided and executed block."""

    block: Block
    certificate: Certificate
    """A commit certificate of it."""
    failed_count: int
    """How many of its receipts say so: transactions and scheduled runs that failed."""
    latest_height: int
    scheduled: tuple[bytes, ...] = ()
    """Ids of the runs of scheduled calls, in order; their receipts stand before those of the transactions."""


@dataclass(frozen=True, slots=True)
class CheckpointFact:
    """A checkpoint certificate and who may sign it."""

    certificate: Certificate
    """Its vote is a ``Checkpoint``."""
    validators: ValidatorSet
    """V(height), for a reader to compare with what it knows; a reader never takes it from here."""
    latest_height: int


@dataclass(frozen=True, slots=True)
class GenesisFact:
    """Where the chain begins."""

    chain_id: bytes
    document: bytes
    """The genesis document as this node holds it; UTF-8 text."""


@dataclass(frozen=True, slots=True)
class TransactionFact:
    """What this node knows of one id."""

    transaction_id: bytes
    status: TransactionStatus
    indexed_height: int
    encoded: bytes | None = None
    """The transaction as it travelled, None where the node has not got it."""
    height: int | None = None
    """Height of its block; this and what follows only when final or failed."""
    index: int | None = None
    """Its receipt's place in the block: scheduled runs first, then the transactions."""
    block_time_ms: int | None = None
    receipt: Receipt | None = None
    cause: Cause = Cause.TRANSACTION


@dataclass(frozen=True, slots=True)
class FeeFact:
    """What a transaction would pay: ``base`` and, for each million units of fuel, ``per_million``, rounded up."""

    payer: str
    asset: str
    amount: int
    """For the fuel that the dry run spent, minor units."""
    base: int
    per_million: int


@dataclass(frozen=True, slots=True)
class SimulationFact:
    """What would happen, on the state after ``height``. Nothing is kept."""

    height: int
    block_time_ms: int
    receipt: Receipt
    authorities: tuple[tuple[str, bool], ...] = ()
    """Accounts whose own keys are asked, in order, and whether ``body.keys`` meet the policy (without keys: yes)."""
    fee: FeeFact | None = None
    """None where nobody pays any."""


@dataclass(frozen=True, slots=True)
class BalanceFact:
    """What an account owns of one asset."""

    asset: str
    amount: int
    """Free to spend, minor units."""
    held: int
    """Reserved by holds, beside ``amount``."""


@dataclass(frozen=True, slots=True)
class FreezeFact:
    """An order that binds an account, or an asset that it owns, at the latest block's time."""

    order: int
    reference: str
    subject: str
    """The account, or the asset as a whole."""
    asset: str
    """What it is about, empty for every asset."""
    amount: int
    """The part of the balance that stays, 0 for all of it."""
    stops: tuple[str, ...]
    """``send``, ``receive``, ``settle``."""
    expires_ms: int
    """0: never."""


@dataclass(frozen=True, slots=True)
class AccountFact:
    """An account, with one page of its balances in the order of assets."""

    address: str
    kind: str
    """``account``, ``contract`` or ``system``."""
    policy: Policy | None
    """None for an account that no key speaks for."""
    bank: str
    """Member id of the customer's bank, empty for a member's own account."""
    freezes: tuple[FreezeFact, ...]
    """Of the account, and of the assets in this page."""
    balances: tuple[BalanceFact, ...]
    next_cursor: bytes | None
    height: int


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A transaction or a scheduled run that touched an account: as its sender, or by moving its money."""

    transaction_id: bytes
    height: int
    index: int
    block_time_ms: int
    code: str
    """Code of the receipt."""
    cause: Cause = Cause.TRANSACTION


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Newest first."""

    entries: tuple[HistoryEntry, ...]
    next_cursor: bytes | None
    indexed_height: int


@dataclass(frozen=True, slots=True)
class MovementFact:
    """One leg that moved an account's money."""

    transaction_id: bytes
    height: int
    index: int
    block_time_ms: int
    change: int
    balance: int
    """Right after it, available and held together."""
    purpose: str
    reference: str
    contract: str
    """Name of the contract that had it done."""


@dataclass(frozen=True, slots=True)
class StatementFact:
    """An account's movements of one asset, oldest first. Opening + movements = closing."""

    address: str
    asset: str
    opening: int
    """Before the first movement of this page."""
    movements: tuple[MovementFact, ...]
    closing: int
    """After the last movement of this page."""
    next_cursor: bytes | None
    indexed_height: int


@dataclass(frozen=True, slots=True)
class ContractFact:
    """A deployed contract."""

    name: str
    address: str
    interface: int
    source_digest: bytes
    deployed_height: int
    paused: bool


@dataclass(frozen=True, slots=True)
class ContractPage:
    """In the order of names."""

    contracts: tuple[ContractFact, ...]
    next_cursor: bytes | None
    height: int


@dataclass(frozen=True, slots=True)
class ContractAbi:
    """How to call a contract."""

    contract: ContractFact
    abi: bytes
    """JSON text: the schema of every method, as the compiler gives it."""
    source: str
    height: int


@dataclass(frozen=True, slots=True)
class QueryFact:
    """What a contract's query answered on the state after ``height``."""

    height: int
    block_time_ms: int
    code: str
    """``ok``, or the stable code of the failure."""
    message: str
    value: Value
    fuel_used: int


@dataclass(frozen=True, slots=True)
class StateProofFact:
    """A value of the state, or its absence, with what proves it.

    Built on the state right after ``height`` and answered when the checkpoint certificate of that height is there.
    """

    key: bytes
    """The state key."""
    value: bytes | None
    """None: the key is absent, and the proof says so."""
    proof: StateProof
    certificate: Certificate
    """Its vote is a ``Checkpoint`` with the height and the state root that the proof leads to."""


@dataclass(frozen=True, slots=True)
class ReceiptProofFact:
    """A receipt with what proves it."""

    receipt: Receipt
    index: int
    """The receipt's place in the block: scheduled runs first, then the transactions."""
    count: int
    """Receipts of the block."""
    proof: tuple[bytes, ...]
    """RFC 6962 inclusion proof of ``receipt.encode()``."""
    certificate: Certificate
    """Its vote is a ``Checkpoint`` with the height and the receipts root that the proof leads to."""


@dataclass(frozen=True, slots=True)
class EventFact:
    """An event and where it stands."""

    height: int
    block_time_ms: int
    transaction_id: bytes
    transaction_index: int
    event_index: int
    """Its place among the events of its receipt."""
    event: Event
    cause: Cause = Cause.TRANSACTION


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events; None asks for any."""

    contract: str | None = None
    name: str | None = None
    account: str | None = None
    """Address that stands in one of the event's fields."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """In the order of the chain."""

    events: tuple[EventFact, ...]
    next_cursor: bytes
    """Where to go on: there is always more to come."""
    complete: bool
    """Whether everything up to ``indexed_height`` has been given."""
    indexed_height: int


class Queries(Protocol):
    """What can be asked."""

    async def node(self) -> NodeFact: ...

    async def peers(self) -> Sequence[PeerFact]:
        """In the order of member ids."""

    async def evidence(self) -> Sequence[EvidenceFact]:
        """Evidence on chain, by number, then what this node alone holds so far."""

    async def validators(self, height: int | None) -> ValidatorsFact:
        """V(height), of the latest block where None. :raises Invalid: UNKNOWN for a height not yet known."""

    async def validator_changes(self, after_height: int, count_max: int) -> Sequence[Change]:
        """Changes of the validators above a height, ascending, each with what proves it.

        :raises Invalid: UNAVAILABLE, a certificate is not here.
        """

    async def block(self, height: int | None) -> BlockFact:
        """The block of a height, the latest where None. :raises Invalid: UNKNOWN."""

    async def block_by_digest(self, digest: bytes) -> BlockFact:
        """:raises Invalid: UNKNOWN."""

    async def checkpoint(self, height: int | None) -> CheckpointFact:
        """The certificate of a height, the latest where None. :raises Invalid: UNKNOWN, or UNAVAILABLE: not yet."""

    async def genesis(self) -> GenesisFact: ...

    async def transaction(self, transaction_id: bytes) -> TransactionFact:
        """Never refuses: an id that nobody has seen is ``unknown``."""

    async def wait_transaction(self, transaction_id: bytes, timeout_ms: int) -> TransactionFact:
        """As ``transaction``, once it is final, failed or expired, or at the timeout (1 to WAIT_MS_MAX), as it is then.

        An id not seen yet is waited for as well.
        """

    async def simulate(self, body: Body) -> SimulationFact:
        """Execute on the latest state as if ``body.keys`` had signed; without keys as if all who are asked had.

        :raises Invalid: as admission does.
        """

    async def account(self, address: str, cursor: bytes | None, limit: int) -> AccountFact:
        """:raises Invalid: BAD_ADDRESS, UNKNOWN."""

    async def account_history(self, address: str, cursor: bytes | None, limit: int) -> HistoryPage:
        """:raises Invalid: BAD_ADDRESS; MALFORMED for a cursor that is none."""

    async def account_statement(
        self, address: str, asset: str, from_ms: int, to_ms: int, cursor: bytes | None, limit: int
    ) -> StatementFact:
        """:raises Invalid: BAD_ADDRESS; UNKNOWN account or asset; MALFORMED for a cursor that is none."""

    async def contracts(self, cursor: bytes | None, limit: int) -> ContractPage:
        """:raises Invalid: MALFORMED for a cursor that is none."""

    async def contract_abi(self, contract: str) -> ContractAbi:
        """By name. :raises Invalid: UNKNOWN."""

    async def contract_query(
        self, contract: str, method: str, arguments: Sequence[Value], sender: str | None
    ) -> QueryFact:
        """Run a query. A failure in the contract is a code in the fact. :raises Invalid: UNKNOWN contract."""

    async def state_proof(self, key: bytes) -> StateProofFact:
        """:raises Invalid: UNAVAILABLE when no certificate comes in time, TOO_LARGE for a key that can't exist."""

    async def balance_proof(self, address: str, asset: str) -> StateProofFact:
        """``state_proof`` of the key under which the kernel keeps this balance. :raises Invalid: BAD_ADDRESS too."""

    async def receipt_proof(self, transaction_id: bytes) -> ReceiptProofFact:
        """:raises Invalid: UNKNOWN without a receipt, UNAVAILABLE when no certificate comes in time."""

    async def events(self, from_height: int, cursor: bytes | None, limit: int, chosen: EventFilter) -> EventPage:
        """Events from ``from_height`` on, or from where ``cursor`` points, which then decides alone.

        :raises Invalid: GAP for what is no longer kept; MALFORMED for a cursor that is none.
        """


def refused(reason: Reason, detail: str, transaction_id: bytes | None = None) -> Refused:
    """A refusal for one of the reasons that all floors share."""
    return Refused(reason.value, detail, transaction_id)
