"""What the methods answer: one type each, from which rpc.discover tells wallets what to expect.

Every answer of state carries ``height``: the executed block that it is of. A page carries ``next_cursor``, to be
passed back for what follows, and ``complete``: nothing follows.
"""

from typing import Annotated, Any

import msgspec

from rpc.backend import Cause, TransactionStatus
from rpc.certificates import CheckpointAnswer, CommitAnswer
from rpc.text import Decimal, Hash, Hex

Index = Annotated[int, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class NodeStatus(msgspec.Struct, frozen=True):
    """The node that answers."""

    version: str
    chain_id: Hash
    address_prefix: str
    node_id: Hex
    member: str
    role: str
    height: Decimal
    """Latest executed block."""
    decided_height: Decimal
    certified_height: Decimal
    target_height: Decimal
    """Highest height that more validators than may lie say is decided; above decided_height while behind."""
    block_digest: Hash
    state_root: Hash
    block_time_ms: Decimal
    view: Decimal
    peers: Count
    pool_count: Count
    pool_bytes: Count
    ready: bool
    not_ready: tuple[str, ...]
    """Why it is not ready."""
    protocol_version: Count
    """Version of the rules that the next block is made under."""
    protocol_known: Count
    """Newest version of the rules that its software knows."""
    next_protocol_version: Count | None
    """What the members have voted and is not in force yet; null for nothing."""
    next_protocol_height: Decimal | None
    """First block under it."""
    warnings: tuple[str, ...]
    """What its operator must do before it is too late."""


class Peer(msgspec.Struct, frozen=True):
    """A member's node."""

    member: str
    node_id: Hex
    role: str
    connected: bool
    height: Decimal
    address: str
    version: str
    """Release of its software, as its newest greeting said; empty before the first."""
    protocol_known: Count | None
    """Newest version of the rules that its software knows, as it said."""


class PeersPage(msgspec.Struct, frozen=True):
    """Peers in the order of members."""

    peers: tuple[Peer, ...]
    next_cursor: Hex | None
    complete: bool


class ValidatorAnswer(msgspec.Struct, frozen=True):
    """A validator; ``index`` stands for it in certificates."""

    index: Index
    member: str
    vote_key: Hex


class ValidatorsPage(msgspec.Struct, frozen=True):
    """V(height)."""

    height: Decimal
    quorum: Count
    faulty_max: Count
    validators_digest: Hash
    validators: tuple[ValidatorAnswer, ...]
    next_cursor: Hex | None
    complete: bool


class ValidatorChange(msgspec.Struct, frozen=True):
    """Another validator set from a height on, with the certificate that proves it: state.succession reads it."""

    first_height: Decimal
    validators: tuple[ValidatorAnswer, ...]
    encoded: Hex


class ValidatorChanges(msgspec.Struct, frozen=True):
    """Changes of the validator set, ascending, at most 16; go on after the last one's first_height."""

    changes: tuple[ValidatorChange, ...]
    complete: bool


class EvidenceAnswer(msgspec.Struct, frozen=True):
    """Two votes that no correct validator signs together; ``encoded`` convinces whoever holds the validator set."""

    member: str
    """Who signed both."""
    height: Decimal
    votes: tuple[str, str]
    """Kind of each."""
    encoded: Hex
    number: Decimal | None
    """Of the report on chain; null while there is none."""
    reported_ms: Decimal | None


class EvidencePage(msgspec.Struct, frozen=True):
    """Reports on chain in their order, then what only this node holds so far."""

    evidence: tuple[EvidenceAnswer, ...]
    next_cursor: Hex | None
    complete: bool


class BlockAnswer(msgspec.Struct, frozen=True):
    """A decided and executed block. ``encoded_header`` is what the digest covers."""

    height: Decimal
    block_digest: Hash
    parent_digest: Hash
    block_time_ms: Decimal
    proposer: Hex
    transaction_root: Hash
    validators_digest: Hash
    transactions: tuple[Hash, ...]
    """Ids in the block's order."""
    signature_digests: tuple[Hash, ...]
    """Digest of each transaction's signatures; id and it are the leaves under the transaction root."""
    failed_count: Count
    encoded_header: Hex
    certificate: CommitAnswer
    latest_height: Decimal
    scheduled: tuple[Hash, ...] = ()
    """Ids of the scheduled calls that ran in it: ``tx_get`` knows them. A block's receipts are theirs, in this order,
    then those of ``transactions``."""


class CheckpointProof(msgspec.Struct, frozen=True):
    """A checkpoint certificate, and the validators it claims to be signed by."""

    height: Decimal
    certificate: CheckpointAnswer
    validators: tuple[ValidatorAnswer, ...]
    """V(height), to compare with what you know: never trust it from here."""
    latest_height: Decimal


class GenesisAnswer(msgspec.Struct, frozen=True):
    """The genesis document as text. The chain id is the digest of what it says: genesis.document.load computes it."""

    chain_id: Hash
    document: str


class SubmitAnswer(msgspec.Struct, frozen=True):
    """Accepted: in this node's pool, not durable, until tx_get or tx_wait says final or failed."""

    hash: Hash
    status: TransactionStatus
    durable: bool
    """False while pending: the node may still lose it. Send the same bytes again, here or elsewhere."""


class EventAnswer(msgspec.Struct, frozen=True):
    """Something that a contract or the kernel says has happened. ``encoded`` is its leaf under the event root."""

    contract: str
    name: str
    fields: dict[str, Any]
    encoded: Hex


class ReceiptAnswer(msgspec.Struct, frozen=True):
    """What became of a transaction. ``encoded`` is its leaf under the receipts root."""

    hash: Hash
    code: str
    message: str
    fuel_used: Decimal
    results: tuple[Any, ...]
    events: tuple[EventAnswer, ...]
    encoded: Hex


class TransactionAnswer(msgspec.Struct, frozen=True):
    """A transaction, as far as this node knows it up to ``indexed_height``."""

    hash: Hash
    status: TransactionStatus
    indexed_height: Decimal
    height: Decimal | None = None
    """Of its block, once final or failed."""
    index: Index | None = None
    block_time_ms: Decimal | None = None
    receipt: ReceiptAnswer | None = None
    transaction: Hex | None = None
    """The bytes as they travelled; null for a scheduled run, which nobody sent."""
    cause: Cause = Cause.TRANSACTION


class AuthorityAnswer(msgspec.Struct, frozen=True):
    """An account whose keys are asked for, and whether those of the body meet its policy."""

    address: str
    met: bool


class FeeAnswer(msgspec.Struct, frozen=True):
    """What a transaction would pay: base and, for each million units of fuel, per_million, rounded up; minor units."""

    payer: str
    """Whose balance it comes out of: the fuel payer, else the sender."""
    asset: str
    amount: Decimal
    """For the fuel that the dry run spent. While the transaction runs, what its fuel limit would cost is set aside."""
    base: Decimal
    per_million: Decimal


class SimulationAnswer(msgspec.Struct, frozen=True):
    """What would happen on the state after ``height``. Nothing was kept."""

    height: Decimal
    block_time_ms: Decimal
    ok: bool
    fuel_used: Decimal
    receipt: ReceiptAnswer
    authorities: tuple[AuthorityAnswer, ...]
    """Whose keys are asked for, in order. A body that names no key is run as if all of them had signed."""
    fee: FeeAnswer | None = None
    """Null where nobody pays any."""


class KeyAnswer(msgspec.Struct, frozen=True):
    """A key of a policy."""

    suite: int
    public_key: Hex
    weight: Count


class PolicyAnswer(msgspec.Struct, frozen=True):
    """Which keys together are the account's will."""

    keys: tuple[KeyAnswer, ...]
    threshold: Count


class BalanceAnswer(msgspec.Struct, frozen=True):
    """What an account owns of one asset, in minor units."""

    asset: str
    amount: Decimal
    """Free to spend."""
    held: Decimal
    """Reserved by holds, beside ``amount``."""


class FreezeAnswer(msgspec.Struct, frozen=True):
    """An order that binds an account, or an asset that it owns, at the latest block's time."""

    order: Decimal
    reference: str
    subject: str
    """The account, or the asset as a whole."""
    asset: str
    """What it is about, empty for every asset."""
    amount: Decimal
    """The part of the balance that stays, 0 for all of it."""
    stops: tuple[str, ...]
    """`send`, `receive`, `settle`."""
    expires_ms: Decimal
    """0 for never."""


class AccountAnswer(msgspec.Struct, frozen=True):
    """An account, with a page of its balances in the order of assets."""

    height: Decimal
    address: str
    kind: str
    bank: str
    frozen: bool
    """Whether any order binds it; `freezes` says which."""
    freezes: tuple[FreezeAnswer, ...]
    """Of the account, and of the assets in this page."""
    policy: PolicyAnswer | None
    balances: tuple[BalanceAnswer, ...]
    next_cursor: Hex | None
    complete: bool


class HistoryAnswer(msgspec.Struct, frozen=True):
    """A transaction that touched the account."""

    hash: Hash
    height: Decimal
    index: Index
    block_time_ms: Decimal
    code: str
    cause: Cause = Cause.TRANSACTION


class HistoryPageAnswer(msgspec.Struct, frozen=True):
    """Newest first."""

    entries: tuple[HistoryAnswer, ...]
    next_cursor: Hex | None
    complete: bool
    indexed_height: Decimal


class MovementAnswer(msgspec.Struct, frozen=True):
    """One leg that moved the account's money."""

    hash: Hash
    height: Decimal
    index: Index
    block_time_ms: Decimal
    change: Decimal
    """Minor units; below zero for what went out."""
    balance: Decimal
    """Right after it."""
    purpose: str
    reference: str
    contract: str


class StatementAnswer(msgspec.Struct, frozen=True):
    """One page of a statement, oldest first, in minor units. Opening + changes = closing, of each page.

    Balances are available and held together. The next page's opening is this page's closing; the first page's opening
    and the last page's closing are the period's.
    """

    address: str
    asset: str
    opening: Decimal
    movements: tuple[MovementAnswer, ...]
    closing: Decimal
    next_cursor: Hex | None
    complete: bool
    indexed_height: Decimal


class ContractAnswer(msgspec.Struct, frozen=True):
    """A deployed contract."""

    name: str
    address: str
    interface: int
    source_digest: Hash
    deployed_height: Decimal
    paused: bool


class ContractsPage(msgspec.Struct, frozen=True):
    """In the order of names."""

    height: Decimal
    contracts: tuple[ContractAnswer, ...]
    next_cursor: Hex | None
    complete: bool


class AbiAnswer(msgspec.Struct, frozen=True):
    """How to call a contract: the schema of every method, and the source."""

    height: Decimal
    contract: ContractAnswer
    abi: msgspec.Raw
    source: str


class QueryAnswer(msgspec.Struct, frozen=True):
    """What a contract's query answered on the state after ``height``; ``encoded`` is the canonical value."""

    height: Decimal
    block_time_ms: Decimal
    result: Any
    encoded: Hex
    fuel_used: Decimal


class TreeProof(msgspec.Struct, frozen=True):
    """state.proof.StateProof: for each branch, root first, its children but the one on the path; then the bucket."""

    levels: tuple[Hex, ...]
    bucket: Hex


class StateProofAnswer(msgspec.Struct, frozen=True):
    """A value of the state right after ``height``, or with null its absence, and all that proves it."""

    height: Decimal
    key: Hex
    value: Hex | None
    proof: TreeProof
    certificate: CheckpointAnswer


class EventProof(msgspec.Struct, frozen=True):
    """One event's place under the event root of its receipt."""

    index: Index
    count: Count
    encoded: Hex
    proof: tuple[Hash, ...]


class ReceiptProofAnswer(msgspec.Struct, frozen=True):
    """A receipt and all that proves it, and if it was asked for, one event's own proof under the receipt."""

    height: Decimal
    index: Index
    count: Count
    receipt: ReceiptAnswer
    proof: tuple[Hash, ...]
    certificate: CheckpointAnswer
    event: EventProof | None


class EventEntry(msgspec.Struct, frozen=True):
    """An event and where it stands."""

    height: Decimal
    block_time_ms: Decimal
    hash: Hash
    transaction_index: Index
    event_index: Index
    event: EventAnswer
    cause: Cause = Cause.TRANSACTION


class EventsPage(msgspec.Struct, frozen=True):
    """In the order of the chain. ``next_cursor`` always stands here: there is more to come."""

    events: tuple[EventEntry, ...]
    next_cursor: Hex
    complete: bool
    indexed_height: Decimal
