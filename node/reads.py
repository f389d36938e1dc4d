"""What can be read of the executed state: a table of named reads, each a function over the executor's own reads.

A read runs where the world state is owned, between two blocks, so it never sees half of one. Its arguments and its
answer cross as values: plain ones in, one dataclass out, whose type the asker knows from this table.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from contracts.executor import Executor
from contracts.reads import ContractInfo, Reads
from contracts.records import ResultRow
from contracts.roster import Roster, roster
from rpc.backend import (
    AccountFact,
    BalanceFact,
    Cause,
    ContractAbi,
    ContractFact,
    ContractPage,
    EventFact,
    EventFilter,
    EventPage,
    FeeFact,
    FreezeFact,
    HistoryEntry,
    HistoryPage,
    MovementFact,
    QueryFact,
    SimulationFact,
    StatementFact,
)
from state import codec, snapshot
from state.address import AddressType, decode_address
from state.codec import Value
from state.errors import Invalid, Reason
from state.policy import Key
from state.proof import StateProof
from state.receipt import Receipt
from state.transaction import ARGUMENTS_MAX, CALLS_MAX, KEYS_MAX, Body, Call
from state.world import KEY_BYTES_MAX

EVENT_BYTES_TARGET = 1024 * 1024
"""A page of events stops growing here, whatever its limit says."""

EVENTS_STEP = 64
"""Events that are read at once before the page's size is looked at again."""

EVENT_RECEIPTS_STEP = 256
"""Receipts that one step looks at."""

EVENT_RECEIPTS_MAX = 2_048
"""Receipts that one page looks at, at most: about 20 ms."""

LEAVES_BYTES_TARGET = 1024 * 1024
"""An answer with leaves of a snapshot stops growing here: 10 ms of the execution process."""

_EVENT_PLACE = struct.Struct(">QII")
"""An event's cursor: height, index of the transaction, index of the event."""

FactT_co = TypeVar("FactT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Read(Generic[FactT_co]):
    """One kind of question."""

    name: str
    answer: type[FactT_co]
    function: Callable[..., FactT_co]
    """Takes the executor, then the arguments as ``codec`` gives them. Raises ``Invalid`` to refuse."""


@dataclass(frozen=True, slots=True)
class ReceiptAnswer:
    """The receipt at a place of the chain."""

    height: int
    """Latest executed height."""
    block_height: int
    index: int
    """Its place in the block: scheduled runs first, then the transactions."""
    block_time_ms: int
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class BlockAnswer:
    """What a block came to."""

    latest_height: int
    failed_count: int
    scheduled: tuple[bytes, ...]
    """Ids of the runs of scheduled calls."""


@dataclass(frozen=True, slots=True)
class StateProofAnswer:
    """A value of the state, or its absence, with its proof under the root after ``height``."""

    height: int
    value: bytes | None
    proof: StateProof


@dataclass(frozen=True, slots=True)
class ReceiptProofAnswer:
    """A receipt with its inclusion proof under the receipts root of ``height``."""

    height: int
    receipt: Receipt
    index: int
    count: int
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PinsAnswer:
    """The states that can be fetched."""

    pins: tuple[tuple[int, bytes], ...]
    """Height and root, the newest first."""


@dataclass(frozen=True, slots=True)
class PackedAnswer:
    """What is passed on to a peer as it is."""

    packed: bytes | None
    """None where the state of that height is not held any more."""


@dataclass(frozen=True, slots=True)
class ScrubAnswer:
    """Rows of the world state were verified."""

    next_key: bytes | None
    """Where to go on; None at the end."""
    size_bytes: int


def body_value(body: Body) -> Value:
    """A transaction's body on its way to ``SIMULATE``; it may still lack its keys."""
    calls: list[Value] = [
        [call.contract, call.interface, call.method, codec.pack(call.arguments)] for call in body.calls
    ]
    head: list[Value] = [body.chain_id, body.sender, body.client_id, body.valid_until_ms, body.fuel_payer]
    return [*head, body.fuel_limit, calls, [list(key) for key in body.keys]]


def _body(value: Value) -> Body:
    optional = (str, type(None))
    chain_id, sender, client_id, until, payer, fuel, calls, keys = codec.fields(
        value, bytes, str, bytes, int, optional, int, list, list
    )
    return Body(
        codec.blob(chain_id),
        codec.text(sender),
        codec.blob(client_id),
        codec.natural(until),
        None if payer is None else codec.text(payer),
        codec.natural(fuel),
        tuple(_call(entry) for entry in codec.items(calls, CALLS_MAX)),
        tuple(_key(entry) for entry in codec.items(keys, KEYS_MAX)),
    )


def _call(value: Value) -> Call:
    contract, interface, method, packed = codec.fields(value, str, int, str, bytes)
    arguments = codec.items(codec.unpack(codec.blob(packed)), ARGUMENTS_MAX)
    return Call(codec.text(contract), codec.natural(interface), codec.text(method), arguments)


def _key(value: Value) -> Key:
    suite, public = codec.fields(value, int, bytes)
    return codec.natural(suite), codec.blob(public)


def _scrub(executor: Executor, start: bytes, bytes_max: int) -> ScrubAnswer:
    return ScrubAnswer(*executor.world.scrub(start, bytes_max))


# ------------------------------------------------------------------------------------------------- transactions


def _receipt(executor: Executor, identity: bytes, height: int | None, entry_index: int | None) -> ReceiptAnswer:
    """Of a transaction by its place among the block's entries, or of a scheduled run by its id alone."""
    reads = Reads(executor)
    at, index = _place(reads, identity, height, entry_index)
    return ReceiptAnswer(executor.world.height, at, index, reads.result(at).time_ms, reads.receipt(at, index))


def _place(reads: Reads, identity: bytes, height: int | None, entry_index: int | None) -> tuple[int, int]:
    """Height and index of a receipt. :raises Invalid: UNKNOWN."""
    if height is None or entry_index is None:
        return reads.run_place(identity)
    return height, reads.result(height).runs + entry_index


def _receipt_proof(
    executor: Executor, identity: bytes, height: int | None, entry_index: int | None
) -> ReceiptProofAnswer:
    reads = Reads(executor)
    proof = reads.receipt_proof(*_place(reads, identity, height, entry_index))
    return ReceiptProofAnswer(proof.height, proof.receipt, proof.index, proof.count, proof.proof)


def _simulate(executor: Executor, body: Value) -> SimulationFact:
    simulation = Reads(executor).simulate(_body(body))
    fee = simulation.fee
    told = None if fee is None else FeeFact(fee.payer, fee.asset, fee.amount, fee.base, fee.per_million)
    return SimulationFact(
        simulation.height, simulation.time_ms, simulation.receipt, simulation.authorities, told
    )


# ------------------------------------------------------------------------------------------- blocks and proofs


def _block(executor: Executor, height: int) -> BlockAnswer:
    reads = Reads(executor)
    reads.check_kept(height)
    result = reads.result(height)
    scheduled = tuple(reads.receipt(height, index).transaction_id for index in range(result.runs))
    return BlockAnswer(executor.world.height, result.failed_count, scheduled)


def _state_proof(executor: Executor, key: bytes) -> StateProofAnswer:
    if len(key) > KEY_BYTES_MAX:
        raise Invalid(Reason.TOO_LARGE, f"a state key has at most {KEY_BYTES_MAX} bytes")
    value, proof = Reads(executor).prove(key)
    return StateProofAnswer(executor.world.height, value, proof)


# ------------------------------------------------------------------------------------------------------ accounts


def _account(executor: Executor, address: str, cursor: bytes | None, limit: int) -> AccountFact:
    kind, _ = decode_address(executor.parameters.address_prefix, address)
    found = Reads(executor).account(address, "" if cursor is None else _text(cursor), limit)
    return AccountFact(
        address,
        AddressType(kind).name.lower(),
        found.policy,
        found.bank,
        tuple(
            FreezeFact(
                freeze.order,
                freeze.reference,
                freeze.subject,
                freeze.asset,
                freeze.amount,
                freeze.stops,
                freeze.expires_ms,
            )
            for freeze in found.freezes
        ),
        tuple(BalanceFact(balance.asset, balance.available, balance.held) for balance in found.balances),
        None if found.next_asset is None else found.next_asset.encode(),
        executor.world.height,
    )


def _history(executor: Executor, address: str, cursor: bytes | None, limit: int) -> HistoryPage:
    decode_address(executor.parameters.address_prefix, address)
    reads = Reads(executor)
    found, next_cursor = reads.history(address, cursor, limit)
    results = {height: reads.result(height) for height in dict.fromkeys(entry.height for entry in found)}
    entries = tuple(
        HistoryEntry(
            entry.transaction_id,
            entry.height,
            entry.index,
            results[entry.height].time_ms,
            reads.receipt(entry.height, entry.index).code,
            _cause(results[entry.height], entry.index),
        )
        for entry in found
    )
    return HistoryPage(entries, next_cursor, executor.world.height)


def _statement(
    executor: Executor, address: str, asset: str, from_ms: int, to_ms: int, cursor: bytes | None, limit: int
) -> StatementFact:
    decode_address(executor.parameters.address_prefix, address)
    page = Reads(executor).statement(address, asset, from_ms, to_ms, cursor, limit)
    movements = tuple(
        MovementFact(
            entry.transaction_id,
            entry.height,
            entry.index,
            entry.time_ms,
            entry.change,
            entry.balance,
            entry.purpose,
            entry.reference,
            entry.contract,
        )
        for entry in page.movements
    )
    return StatementFact(
        address, asset, page.opening, movements, page.closing, page.next_cursor, executor.world.height
    )


def _cause(result: ResultRow, index: int) -> Cause:
    return Cause.SCHEDULE if index < result.runs else Cause.TRANSACTION


# ----------------------------------------------------------------------------------------------------- contracts


def _contracts(executor: Executor, cursor: bytes | None, limit: int) -> ContractPage:
    found = Reads(executor).contracts("" if cursor is None else _text(cursor), limit + 1)
    next_cursor = found[limit].name.encode() if len(found) > limit else None
    return ContractPage(tuple(_contract_fact(info) for info in found[:limit]), next_cursor, executor.world.height)


def _contract_abi(executor: Executor, name: str) -> ContractAbi:
    reads = Reads(executor)
    abi, source = reads.contract_abi(name)
    return ContractAbi(_contract_fact(reads.contract(name)), abi, source, executor.world.height)


def _contract_query(executor: Executor, name: str, method: str, arguments: bytes, sender: str | None) -> QueryFact:
    reads, height = Reads(executor), executor.world.height
    listed = codec.items(codec.unpack(arguments), codec.INT_MAX)
    found = reads.query(name, method, listed, "" if sender is None else sender)
    time_ms = reads.result(height).time_ms
    return QueryFact(height, time_ms, found.code, found.message, found.value, found.fuel_used)


def _contract_fact(info: ContractInfo) -> ContractFact:
    return ContractFact(
        info.name, info.address, info.interface, info.source_digest, info.deployed_height, info.is_paused
    )


# -------------------------------------------------------------------------------------------------------- events


def _events(
    executor: Executor,
    from_height: int,
    cursor: bytes | None,
    limit: int,
    contract: str | None,
    name: str | None,
    account: str | None,
) -> EventPage:
    if cursor is not None and len(cursor) != _EVENT_PLACE.size:
        raise Invalid(Reason.MALFORMED, "not a cursor of events")
    place = (from_height, 0, 0) if cursor is None else _EVENT_PLACE.unpack(cursor)
    reads, entries, size, complete = Reads(executor), list[EventFact](), 0, False
    for _ in range(EVENT_RECEIPTS_MAX // EVENT_RECEIPTS_STEP):
        count = min(limit - len(entries), EVENTS_STEP)
        page = reads.events(place, count, contract=contract, name=name, account=account, scan_max=EVENT_RECEIPTS_STEP)
        for entry in page.entries:
            size += len(entry.event.encode())
            cause = Cause.SCHEDULE if entry.is_scheduled else Cause.TRANSACTION
            entries.append(
                EventFact(
                    entry.height,
                    entry.time_ms,
                    entry.transaction_id,
                    entry.index,
                    entry.event_index,
                    entry.event,
                    cause,
                )
            )
        place, complete = page.next_cursor, page.complete
        if complete or len(entries) == limit or size >= EVENT_BYTES_TARGET:
            break
    if complete:  # where a cursor or a height lies ahead of the chain, it waits there
        place = max(place, (from_height, 0, 0)) if cursor is None else max(place, _EVENT_PLACE.unpack(cursor))
    return EventPage(tuple(entries), _EVENT_PLACE.pack(*place), complete, executor.world.height)


def filter_arguments(chosen: EventFilter) -> tuple[str | None, str | None, str | None]:
    """The last arguments of ``EVENTS``."""
    return chosen.contract, chosen.name, chosen.account


def _text(cursor: bytes) -> str:
    try:
        return cursor.decode()
    except UnicodeDecodeError:
        raise Invalid(Reason.MALFORMED, "not a cursor of this list") from None


# ----------------------------------------------------------------------------------------------------- snapshots


def _pins(executor: Executor) -> PinsAnswer:
    return PinsAnswer(executor.world.pins())


def _cuts(executor: Executor, height: int) -> PackedAnswer:
    pin = executor.world.pinned(height)
    return PackedAnswer(None if pin is None else codec.pack(snapshot.cuts_value(pin.cuts())))


def _leaves(executor: Executor, height: int, start: bytes, stop: bytes | None) -> PackedAnswer:
    pin = executor.world.pinned(height)
    if pin is None:
        return PackedAnswer(None)
    leaves, is_complete = pin.leaves(start, stop, LEAVES_BYTES_TARGET)
    return PackedAnswer(codec.pack([is_complete, [part for leaf in leaves for part in leaf]]))


RECEIPT = Read("receipt", ReceiptAnswer, _receipt)
RECEIPT_PROOF = Read("receipt_proof", ReceiptProofAnswer, _receipt_proof)
SIMULATE = Read("simulate", SimulationFact, _simulate)
BLOCK = Read("block", BlockAnswer, _block)
STATE_PROOF = Read("state_proof", StateProofAnswer, _state_proof)
ACCOUNT = Read("account", AccountFact, _account)
HISTORY = Read("history", HistoryPage, _history)
STATEMENT = Read("statement", StatementFact, _statement)
CONTRACTS = Read("contracts", ContractPage, _contracts)
CONTRACT_ABI = Read("contract_abi", ContractAbi, _contract_abi)
CONTRACT_QUERY = Read("contract_query", QueryFact, _contract_query)
EVENTS = Read("events", EventPage, _events)
ROSTER = Read("roster", Roster, roster)
SCRUB = Read("scrub", ScrubAnswer, _scrub)
PINS = Read("pins", PinsAnswer, _pins)
CUTS = Read("cuts", PackedAnswer, _cuts)
LEAVES = Read("leaves", PackedAnswer, _leaves)

_ALL: tuple[Read[object], ...] = (
    *(RECEIPT, RECEIPT_PROOF, SIMULATE, BLOCK, STATE_PROOF, ACCOUNT, HISTORY, STATEMENT),
    *(CONTRACTS, CONTRACT_ABI, CONTRACT_QUERY, EVENTS, ROSTER, SCRUB),
    *(PINS, CUTS, LEAVES),
)
READS: dict[str, Read[object]] = {read.name: read for read in _ALL}
"""Every read by its name: what the execution process can be asked."""
