"""What reads of the executed state answer: facts, without a way back to the state."""

from dataclasses import dataclass

from contracts.kernel.fees import Fee
from contracts.language.kernel_interface import Plain
from state.policy import Policy
from state.receipt import Event, Receipt


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a transaction would come to on the latest state."""

    receipt: Receipt
    authorities: tuple[tuple[str, bool], ...]
    """Accounts whose own keys are asked, in order, and whether ``body.keys`` meet the policy (without keys: yes)."""
    height: int
    time_ms: int
    fee: Fee | None
    """What it would pay for the fuel it spent; None where nobody pays any, or nobody could."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a contract's query answered."""

    code: str
    message: str
    value: Plain
    fuel_used: int


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account owns of one asset at the latest block's time."""

    asset: str
    available: int
    held: int


@dataclass(frozen=True, slots=True)
class Freeze:
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
class Account:
    """An account with one page of its balances, in the order of assets."""

    address: str
    bank: str
    """Member id of its bank, or of the member itself; empty for a contract."""
    policy: Policy | None
    contract: str
    """Name of the contract whose account it is, else empty."""
    freezes: tuple[Freeze, ...]
    """Of the account, and of the assets in this page."""
    balances: tuple[Balance, ...]
    next_asset: str | None
    """Where the next page begins, None after the last."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A transaction that an account sent, paid for, or had money moved by."""

    height: int
    index: int
    transaction_id: bytes


@dataclass(frozen=True, slots=True)
class Movement:
    """One leg that moved an account's money."""

    height: int
    index: int
    time_ms: int
    transaction_id: bytes
    change: int
    balance: int
    """Right after it."""
    purpose: str
    reference: str
    contract: str
    """The contract that had it done."""


@dataclass(frozen=True, slots=True)
class StatementPage:
    """An account's movements of one asset, oldest first. Opening + movements = closing."""

    opening: int
    """Before the first movement of the page, available and held together."""
    movements: tuple[Movement, ...]
    closing: int
    next_cursor: bytes | None
    """Where the next page begins, None after the last of the period."""


@dataclass(frozen=True, slots=True)
class EventEntry:
    """An event and where it stands."""

    height: int
    index: int
    event_index: int
    time_ms: int
    transaction_id: bytes
    event: Event
    is_scheduled: bool = False
    """Whether a scheduled run emitted it; ``transaction_id`` is the run's then."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in the order of the chain."""

    entries: tuple[EventEntry, ...]
    next_cursor: tuple[int, int, int]
    """Height, index, event index: the first place not looked at."""
    complete: bool
    """Whether everything there is has been given."""


@dataclass(frozen=True, slots=True)
class ReceiptProof:
    """A receipt with its inclusion proof against the receipts root of its block."""

    receipt: Receipt
    height: int
    index: int
    count: int
    proof: tuple[bytes, ...]
    receipts_root: bytes


@dataclass(frozen=True, slots=True)
class ContractInfo:
    """A deployed contract."""

    name: str
    address: str
    interface: int
    source_digest: bytes
    deployed_height: int
    language_version: int
    cost_version: int
    is_paused: bool = False
    """One of its invariants did not hold; only its ways out run."""


@dataclass(frozen=True, slots=True)
class Audit:
    """One asset: what is out, and what all accounts have, from every key of the state."""

    asset: str
    supply: int
    available: int
    held: int
    reserved: int
    """By all holds that are open."""

    @property
    def is_sound(self) -> bool:
        """Whether balances are what was minted less what was burnt, and what is held has its holds."""
        return self.supply == self.available + self.held and self.held == self.reserved
