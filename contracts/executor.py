"""The executor: block and state in, receipts, writes and roots out.

A block's transactions run in its order. Each is judged at its turn, by the state as it is then: is it in time, do
its keys meet the policies of sender and fuel payer, are there the contracts it calls. Its calls happen all or not
at all. Whatever a contract does wrong becomes the receipt's code; it consumes the id, and the fuel that was spent.
State, receipts and indexes of a block are one batch.

An id executes at most once: that is for the chain's transaction index to see to, which knows what was decided.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts import records
from contracts.deployed import Contracts
from contracts.genesis_state import GenesisState, write_genesis
from contracts.host import frozen_value, invoke
from contracts.kernel import members
from contracts.kernel.codes import refuse
from contracts.kernel.layout import Row
from contracts.kernel.scope import Scope
from contracts.language.faults import ContractError, OutOfFuel
from contracts.language.fuel import Meter
from contracts.language.kernel_interface import Plain
from contracts.records import ResultRow, decode_row, encode_row
from state import merkle
from state.block import Block
from state.codec import Value
from state.digest import NO_DIGEST
from state.overlay import Overlay
from state.parameters import ChainParameters
from state.receipt import OK, Receipt
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one transaction came to."""

    receipt: Receipt
    touched: tuple[str, ...]
    """Addresses whose history it stands in, without repeats."""
    authorities: tuple[tuple[str, bool], ...]
    """Accounts whose policy was asked for, and whether the keys meet it."""


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
        receipts: list[Receipt] = []
        leaves: list[bytes] = []
        rows: dict[bytes, bytes | None] = {}
        fuel_used = failed_count = 0
        for index, transaction in enumerate(transactions):
            at = records.position(height, index)
            outcome = self.judge(overlay, transaction.body, transaction.id, len(transaction.encoded), height, time_ms)
            receipt = outcome.receipt
            leaf, row = records.encoded_receipt(receipt)
            receipts.append(receipt)
            leaves.append(leaf)
            fuel_used += receipt.fuel_used
            failed_count += not receipt.is_ok
            rows[records.receipt_key(at)] = row
            for address in outcome.touched:
                rows[records.history_key(address, at)] = transaction.id
        next_validators = members.validators_at(overlay, height + self.parameters.execution_lag)
        assert next_validators is not None, "the sets from now on are known"
        receipts_root = merkle.root(leaves)
        result = ResultRow(
            block.digest, receipts_root, self.world.root, time_ms, len(receipts), failed_count, fuel_used
        )
        rows[records.result_key(height)] = result.encode()
        root = self._commit(height, block.digest, overlay, rows)
        return BlockResult(height, block.digest, tuple(receipts), receipts_root, root, next_validators, fuel_used)

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
    ) -> Outcome:
        """Run one transaction of ``size`` bytes on ``overlay``, which keeps its writes only if all calls happen."""
        meter = Meter(body.fuel_limit)
        scope = Scope(
            overlay,
            self.parameters.address_prefix,
            height,
            time_ms,
            transaction_id,
            body.sender,
            body.keys,
            meter,
            assumes_authority=assumes_authority,
        )
        savepoint = overlay.savepoint()
        admitted = False
        try:
            _admit(scope, body)
            admitted = True
            meter.charge(TRANSACTION_FUEL + KEY_FUEL * len(body.keys) + BYTE_FUEL * size)
            results = tuple([self._call(scope, call) for call in body.calls])
            scope.settle()
        except ContractError as error:
            # A contract may choose any code, but not the one that says that all went well.
            code, message = ("fault" if error.code == OK else error.code), error.message
        except OutOfFuel:
            code, message = "out_of_fuel", f"the fuel limit of {body.fuel_limit} was reached"
        except BaseException:
            overlay.rollback(savepoint)
            raise
        else:
            overlay.release(savepoint)
            receipt = Receipt(transaction_id, OK, "", meter.used, results, tuple(scope.events))
            return Outcome(receipt, tuple({**_senders(body), **scope.touched}), tuple(scope.agreed.items()))
        overlay.rollback(savepoint)
        # Who did not agree is not charged, and a stranger writes nothing into anybody's history.
        receipt = Receipt(transaction_id, code, message, meter.used if admitted else 0, (), ())
        return Outcome(receipt, tuple(_senders(body)) if admitted else (), tuple(scope.agreed.items()))

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
        frozen_value(value)
        return value

    def _read(self, key: bytes) -> Row | None:
        data = self.world.get(key)
        return None if data is None else decode_row(data)

    def _commit(
        self, height: int, digest: bytes, overlay: Overlay[Row], rows: dict[bytes, bytes | None]
    ) -> bytes:
        changes = overlay.changes()
        rows.update(records.index_changes(changes))
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


def _admit(scope: Scope, body: Body) -> None:
    """Whether the transaction may act at all, now. :raises ContractError: expired or unauthorised."""
    if scope.time_ms > body.valid_until_ms:
        refuse("expired", f"valid until {body.valid_until_ms}, the block's time is {scope.time_ms}")
    for address in _senders(body):
        if not scope.policy_met(address):
            refuse("unauthorised", f"the keys that sign do not meet the policy of {address}")
