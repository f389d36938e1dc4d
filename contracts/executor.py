"""The executor: block and state in, receipts, writes and roots out.

Scheduled calls that are due run first, then the block's transactions in its order. Each transaction is judged at its
turn, by the state as it is then: is it in time, do its keys meet the policies of sender and fuel payer, are there the
contracts it calls. Its calls happen all or not at all. Whatever a contract does wrong becomes the receipt's code; it
consumes the id, and the fuel that was spent. State, receipts and indexes of a block are one batch.

An id executes at most once: that is for the chain's transaction index to see to, which knows what was decided.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from contracts import invariants, records
from contracts.deployed import Contracts
from contracts.genesis_state import GenesisState, write_genesis
from contracts.host import frozen_value, invoke
from contracts.invariants import Broken
from contracts.kernel import evidence, fees, layout, members, parameters, pauses, schedule
from contracts.kernel.codes import refuse
from contracts.kernel.layout import AccountRow, Row, TariffRow
from contracts.kernel.schedule import ScheduledCall
from contracts.kernel.scope import EVENT_BYTES, Scope
from contracts.language.faults import ContractError, OutOfFuel
from contracts.language.fuel import Meter
from contracts.language.kernel_interface import Plain
from contracts.records import ResultRow, decode_row, encode_row
from state import merkle
from state.block import Block
from state.codec import Value
from state.digest import NO_DIGEST
from state.fact import fact
from state.overlay import Overlay
from state.parameters import ChainParameters
from state.receipt import OK, Event, Receipt
from state.transaction import Body, Call, Transaction
from state.validators import ValidatorSet
from state.world import HEIGHT_BEFORE_GENESIS, World

TRANSACTION_FUEL = 2_000
"""What every transaction costs beside its calls: reading it, its rows and its receipt."""

KEY_FUEL = 200
"""For each key that signs."""

BYTE_FUEL = 2
"""For each byte of the transaction as it travels."""


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What a block came to."""

    height: int
    block_digest: bytes
    receipts: tuple[Receipt, ...]
    receipts_root: bytes
    state_root: bytes
    next_validators: ValidatorSet
    """V(height + L)."""
    fuel_used: int
    runs: int
    """How many of the receipts, the first ones, are of scheduled calls."""
    next_due_ms: int | None
    """When the first scheduled call that is pending now is to run; None if none is."""
    quota: int
    """Fuel that one member's customers have in a block, by the state now; 0 for no bound."""
    payer_banks: tuple[tuple[str, str], ...]
    """While there is a quota: who pays the fuel of the block's transactions, and whose customer that is."""


@fact
class Outcome:
    """What one transaction came to."""

    receipt: Receipt
    touched: tuple[str, ...]
    """Addresses whose history it stands in, without repeats."""
    scope: Scope
    """In which it ran."""
    fee: fees.Fee | None = None
    """What it paid; None where nobody pays any."""


@fact
class _Ended:
    """How the calls of a transaction or a run ended."""

    code: str
    message: str
    results: tuple[Value, ...]
    events: tuple[Event, ...]


class _Record:
    """What a block leaves beside the state: receipts in order, their leaves, and the rows that reads need."""

    __slots__ = ("failed_count", "fuel_used", "height", "leaves", "overlay", "receipts", "rows", "time_ms")

    def __init__(self, height: int, time_ms: int, overlay: Overlay[Row]) -> None:
        self.height = height
        self.time_ms = time_ms
        self.overlay = overlay
        self.receipts: list[Receipt] = []
        self.leaves: list[bytes] = []
        self.rows: dict[bytes, bytes | None] = {}
        self.fuel_used = 0
        self.failed_count = 0

    def add(self, outcome: Outcome) -> bytes:
        """Add the outcome of what has just run, and give its receipt's position."""
        receipt, rows = outcome.receipt, self.rows
        at = records.position(self.height, len(self.receipts))
        leaf, rows[records.receipt_key(at)] = records.encoded_receipt(receipt)
        self.receipts.append(receipt)
        self.leaves.append(leaf)
        self.fuel_used += receipt.fuel_used
        self.failed_count += receipt.code != OK
        for address in outcome.touched:
            rows[records.history_key(address, at)] = receipt.transaction_id
        records.add_statement_rows(rows, self.overlay, receipt.events, at, self.time_ms)
        return at


class Executor:
    """Runs blocks on one world. One owner, one thread."""

    __slots__ = ("chain_id", "contracts", "parameters", "world")

    def __init__(self, world: World, chain_id: bytes, parameters: ChainParameters) -> None:
        self.world = world
        self.chain_id = chain_id
        self.parameters = parameters
        self.contracts = Contracts()

    def apply_genesis(self, genesis: GenesisState) -> bytes:
        """Write height 0 and give its state root.

        :raises Invalid: BAD_GENESIS; nothing is written.
        """
        assert self.world.height == HEIGHT_BEFORE_GENESIS, "genesis comes first"
        assert genesis.parameters == self.parameters, "the chain's parameters are those of its genesis"
        overlay = self.overlay()
        write_genesis(overlay, genesis)
        overlay.put(layout.CHAIN, (self.chain_id,))
        result = ResultRow(NO_DIGEST, merkle.EMPTY_ROOT, self.world.root, genesis.time_ms, 0, 0, 0)
        return self._commit(0, NO_DIGEST, overlay, {records.result_key(0): result.encode()})

    def execute(self, block: Block, transactions: Sequence[Transaction]) -> BlockResult:
        """Run the next block, whose validity is established, and write what comes of it.

        :raises AssertionError: the block is not the next one, or not valid.
        :raises StorageFailure: nothing was written.
        """
        height, time_ms = block.height, block.header.timestamp_ms
        self._assert_next(block, transactions)
        overlay = self.overlay()
        parameters.enter(overlay, height)
        version = block.header.protocol_version
        assert version == parameters.in_force(overlay).protocol_version, "made under rules that are not in force there"
        record = _Record(height, time_ms, overlay)
        carried_ms = self._run_scheduled(overlay, record, height, time_ms)
        runs = len(record.receipts)
        spent: dict[str, int] = {}
        for transaction in transactions:
            record.add(
                self.judge(
                    overlay,
                    transaction.body,
                    transaction.id,
                    len(transaction.encoded),
                    height,
                    time_ms,
                    spent=spent,
                )
            )
        next_validators = members.validators_at(overlay, height + self.parameters.execution_lag)
        assert next_validators is not None, "the sets from now on are known"
        receipts, rows, fuel_used = tuple(record.receipts), record.rows, record.fuel_used
        receipts_root = merkle.root(record.leaves)
        result = ResultRow(
            block.digest,
            receipts_root,
            self.world.root,
            time_ms,
            len(receipts),
            record.failed_count,
            fuel_used,
            runs,
            carried_ms,
        )
        rows[records.result_key(height)] = result.encode()
        next_due_ms = schedule.first_due_ms(overlay)
        quota, payer_banks = self.quota(transactions, overlay)
        root = self._commit(height, block.digest, overlay, rows)
        return BlockResult(
            height,
            block.digest,
            receipts,
            receipts_root,
            root,
            next_validators,
            fuel_used,
            runs,
            next_due_ms,
            quota,
            payer_banks,
        )

    def quota(
        self, transactions: Sequence[Transaction] = (), overlay: Overlay[Row] | None = None
    ) -> tuple[int, tuple[tuple[str, str], ...]]:
        """The quota in force, 0 for none; and, while there is one, who pays for these transactions, at which bank."""
        overlay = self.overlay() if overlay is None else overlay
        tariff = fees.tariff(overlay)
        if tariff is None or not tariff[3]:
            return 0, ()
        payers = dict.fromkeys(item.body.fuel_payer or item.body.sender for item in transactions)
        found = ((payer, overlay.get(layout.account_key(payer))) for payer in payers)
        return tariff[3], tuple((payer, "" if row is None else cast(AccountRow, row)[0]) for payer, row in found)

    def next_due_ms(self) -> int | None:
        """When the first scheduled call that is pending is to run; None if none is."""
        return schedule.first_due_ms(self.overlay())

    def _run_scheduled(self, overlay: Overlay[Row], record: "_Record", height: int, time_ms: int) -> int | None:
        """Run what is due, as far as the block has room; gives the due time of the first call that it has none for.

        What is scheduled meanwhile waits for the next block, so that a block's runs are known when it begins.
        """
        now = parameters.in_force(overlay)
        numbers, carried_ms = schedule.due(overlay, time_ms, now.schedule_calls_max, now.schedule_fuel_max)
        for number in numbers:
            call = schedule.take(overlay, number)
            if call is None:
                continue
            if pauses.is_paused(overlay, call.contract) and not self._unwinds(overlay, call):
                schedule.put_off(overlay, number, call)
                continue
            outcome = self._run(overlay, number, call, height, time_ms)
            if not pauses.is_paused(overlay, call.contract):
                schedule.release_waiting(overlay, call.contract, schedule.FOLLOWING_MAX)
            at = record.add(outcome)
            record.rows[records.run_key(outcome.receipt.transaction_id)] = at
        return carried_ms

    def _run(
        self, overlay: Overlay[Row], number: int, call: ScheduledCall, height: int, time_ms: int
    ) -> Outcome:
        """One run of a scheduled call, which is out of the queue, and what follows if it fails."""
        deployed = self.contracts.find(overlay, call.contract)
        assert deployed is not None, "a contract that has scheduled a call is there"
        address = deployed.address
        identity = schedule.run_id(self.chain_id, number, call.attempts + 1)
        meter = Meter(call.fuel)
        scope = Scope(overlay, self.parameters.address_prefix, height, time_ms, identity, address, (), meter)
        started = schedule.run_event(number, call)
        scope.record(started, EVENT_BYTES)

        def act() -> tuple[Value, ...]:
            meter.charge(TRANSACTION_FUEL)
            value = invoke(scope, self.contracts, deployed, call.method, [call.argument], address)
            frozen_value(value)
            return (value,)

        ended = self._attempt(scope, act)
        events = ended.events
        if ended.code != OK:
            events = (started, *events, schedule.put_back(overlay, number, call, time_ms))
        receipt = Receipt(identity, ended.code, ended.message, meter.used, ended.results, events)
        return Outcome(receipt, tuple({address: None, **scope.touched} if receipt.is_ok else (address,)), scope)

    def _unwinds(self, overlay: Overlay[Row], call: ScheduledCall) -> bool:
        deployed = self.contracts.find(overlay, call.contract)
        method = None if deployed is None else deployed.compiled.actions.get(call.method)
        return method is not None and method.unwinds

    def judge(
        self,
        overlay: Overlay[Row],
        body: Body,
        transaction_id: bytes,
        size: int,
        height: int,
        time_ms: int,
        *,
        assumes_authority: bool = False,
        is_dry_run: bool = False,
        spent: dict[str, int] | None = None,
    ) -> Outcome:
        """Run one transaction of ``size`` bytes on ``overlay``, which keeps its writes only if all calls happen.

        :param spent: member → fuel limits of its customers' transactions in this block so far.
        """
        meter = Meter(body.fuel_limit)
        prefix = self.parameters.address_prefix
        scope = Scope(overlay, prefix, height, time_ms, transaction_id, body.sender, body.keys, meter)
        scope.assumes_authority = assumes_authority
        charge: fees.Charge | None = None
        fee: fees.Fee | None = None
        admitted = False
        try:
            _admit(scope, body)
            admitted = True
            tariff = fees.tariff(overlay)
            if tariff is not None:
                charge = _charge(scope, body, tariff, {} if spent is None else spent, is_dry_run=is_dry_run)
        except ContractError as error:
            # Who did not agree is not charged, and a stranger writes nothing into anybody's history.
            receipt = Receipt(transaction_id, error.code, error.message, 0, (), ())
            return Outcome(receipt, tuple(_senders(body)) if admitted else (), scope)

        def act() -> tuple[Value, ...]:
            meter.charge(TRANSACTION_FUEL + KEY_FUEL * len(body.keys) + BYTE_FUEL * size)
            results = tuple([self._call(scope, call) for call in body.calls])
            if scope.decided:
                self._carry_out(scope)
            return results

        ended = self._attempt(scope, act)
        touched = {**_senders(body), **scope.touched} if ended.code == OK else _senders(body)
        if charge is not None:
            try:
                fee, events = charge.collect(meter.used)
            except ContractError as error:
                assert is_dry_run, "what a fee may come to was reserved"
                ended = _Ended(error.code, error.message, (), ())
            else:
                ended = replace(ended, events=(*ended.events, *events))
                touched = {**touched, **charge.touched}
        receipt = Receipt(transaction_id, ended.code, ended.message, meter.used, ended.results, ended.events)
        return Outcome(receipt, tuple(touched), scope, fee)

    def _attempt(self, scope: Scope, act: Callable[[], tuple[Value, ...]]) -> "_Ended":
        """Do ``act`` whole or not at all, with the invariants of every contract that runs in it."""
        overlay = scope.overlay
        savepoint = overlay.savepoint()
        broken: Broken | None = None
        try:
            results = act()
            invariants.check(scope, self.contracts)
            scope.settle()
        except ContractError as error:
            # A contract may choose any code, but not the one that says that all went well.
            code, message = ("fault" if error.code == OK else error.code), error.message
            broken = error if isinstance(error, Broken) else None
        except OutOfFuel:
            code, message = "out_of_fuel", f"the fuel limit of {scope.meter.fuel} was reached"
        except BaseException:
            overlay.rollback(savepoint)
            raise
        else:
            overlay.release(savepoint)
            return _Ended(OK, "", results, tuple(scope.events))
        overlay.rollback(savepoint)
        events = () if broken is None else (pauses.pause(overlay, broken.contract, broken.invariant, scope.height),)
        return _Ended(code, message, (), events)

    def overlay(self) -> Overlay[Row]:
        """A fresh overlay on the state as it is."""
        return Overlay(self._read)

    def _call(self, scope: Scope, call: Call) -> Value:
        deployed = self.contracts.find(scope.overlay, call.contract)
        if deployed is None:
            refuse("unknown_contract", f"no contract is named {call.contract}")
        if deployed.interface != call.interface:
            refuse("interface_mismatch", f"{call.contract} has interface {deployed.interface}, not {call.interface}")
        arguments: list[Plain] = list(call.arguments)  # type: ignore[arg-type]
        value = invoke(scope, self.contracts, deployed, call.method, arguments, scope.sender)
        if value is not None:
            frozen_value(value)
        return value

    def _carry_out(self, scope: Scope) -> None:
        """Make the calls of the proposals that were decided, each in its account's name and by its will alone."""
        own = scope.sender, scope.agreed
        try:
            for account, calls in scope.decided:
                scope.sender, scope.acts_as, scope.agreed = account, account, {}
                scope.touched[account] = None
                for call in calls:
                    self._call(scope, call)
        finally:
            (scope.sender, scope.agreed), scope.acts_as = own, ""

    def _read(self, key: bytes) -> Row | None:
        data = self.world.get(key)
        return None if data is None else decode_row(data)

    def _commit(
        self, height: int, digest: bytes, overlay: Overlay[Row], rows: dict[bytes, bytes | None]
    ) -> bytes:
        changes = overlay.changes()
        rows.update(records.index_changes(changes, self.world.get))
        encoded = {key: None if row is None else encode_row(row) for key, row in changes.items()}
        return self.world.commit(height, digest, encoded, rows)

    def _assert_next(self, block: Block, transactions: Sequence[Transaction]) -> None:
        assert block.height == self.world.height + 1, "blocks are executed in order, each once"
        assert block.header.chain_id == self.chain_id, "a block of another chain"
        assert len(transactions) == len(block.entries), "a body for each entry"
        assert len(set(block.entries)) == len(block.entries), "an id executes at most once"
        for transaction, entry in zip(transactions, block.entries, strict=True):
            assert transaction.entry == entry, "bodies come in the block's order"
            assert transaction.body.chain_id == self.chain_id, "a transaction of another chain is not valid"


def _senders(body: Body) -> dict[str, None]:
    """Who sent and who pays the fuel, in order, each once."""
    return {body.sender: None} if body.fuel_payer is None else {body.sender: None, body.fuel_payer: None}


def _charge(
    scope: Scope, body: Body, tariff: TariffRow, spent: dict[str, int], *, is_dry_run: bool
) -> fees.Charge | None:
    """What the members voted, asked of one transaction. :raises ContractError: quota or fee_unpaid."""
    payer = body.fuel_payer or body.sender
    bank, quota = scope.account(payer)[0], tariff[3]
    total = spent.get(bank, 0) + body.fuel_limit
    if quota and total > quota:
        refuse("quota", f"the customers of {bank} have {quota} units of fuel in a block")
    charge = fees.reserve(scope, tariff, payer, body.fuel_limit, is_dry_run=is_dry_run)
    spent[bank] = total
    return charge


def _admit(scope: Scope, body: Body) -> None:
    """Whether the transaction may act at all, now. :raises ContractError: expired or unauthorised."""
    if scope.time_ms > body.valid_until_ms:
        refuse("expired", f"valid until {body.valid_until_ms}, the block's time is {scope.time_ms}")
    for address in _senders(body):
        if not scope.policy_met(address) and not evidence.is_report(scope, body):
            refuse("unauthorised", f"the keys that sign do not meet the policy of {address}")
    if body.fuel_payer not in (None, body.sender):
        scope.paid_by(body.fuel_payer)
