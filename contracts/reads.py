"""What can be asked of the executed state: accounts, history, receipts, events, proofs, dry runs, audits.

Everything here is of the latest height, which the caller reads off ``world.height``, and writes nothing.
"""

import json
from collections.abc import Iterator, Sequence
from typing import cast

from contracts import records, soundness, statements
from contracts.answers import (
    Account,
    Audit,
    Balance,
    ContractInfo,
    EventEntry,
    EventPage,
    Freeze,
    HistoryEntry,
    QueryResult,
    ReceiptProof,
    Simulation,
    StatementPage,
)
from contracts.executor import Executor
from contracts.host import invoke
from contracts.kernel import freezes, layout, ledger, orders, parameters
from contracts.kernel.layout import AccountRow, AssetRow, BalanceRow, ContractRow, HoldRow, Item, MemberRow
from contracts.kernel.members import validators_at
from contracts.kernel.scope import Scope
from contracts.language.faults import ContractError, OutOfFuel
from contracts.language.fuel import Meter
from contracts.records import ResultRow, decode_row
from state import merkle
from state.codec import INT_MAX, Value
from state.digest import NO_DIGEST
from state.errors import Invalid, Reason
from state.policy import Policy
from state.proof import StateProof
from state.receipt import OK, Event, Receipt
from state.transaction import TRANSACTION_BYTES_MAX, Body, assemble
from state.validators import Validator, ValidatorSet

__all__ = [
    "Account",
    "Audit",
    "Balance",
    "ContractInfo",
    "EventEntry",
    "EventPage",
    "Freeze",
    "HistoryEntry",
    "QueryResult",
    "Reads",
    "ReceiptProof",
    "Simulation",
    "StatementPage",
]

QUERY_FUEL = 10_000_000
"""What one query may spend."""

EVENTS_SCAN_MAX = 2_000
"""Receipts that one page of events looks at, at most; past it the page ends and says where to go on."""

SIGNATURE_PLACEHOLDER = bytes(64)


class Reads:
    """Reads of one executor's state. Same thread as the executor."""

    __slots__ = ("_executor", "_world")

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._world = executor.world

    # ------------------------------------------------------------------------------------------------- dry runs

    def simulate(self, body: Body, time_ms: int | None = None) -> Simulation:
        """Run ``body`` as if its keys had signed, in a block right after the latest one. Nothing is kept.

        Without keys every policy that is asked counts as met, and ``authorities`` says which those are.

        :raises Invalid: WRONG_CHAIN, DUPLICATE, TOO_LARGE, or as ``assemble``.
        """
        executor = self._executor
        if body.chain_id != executor.chain_id:
            raise Invalid(Reason.WRONG_CHAIN, "the transaction is for another chain")
        fuel_max = parameters.in_force(executor.overlay()).transaction_fuel_max
        if body.fuel_limit > fuel_max:
            raise Invalid(Reason.TOO_LARGE, f"a fuel limit is at most {fuel_max}")
        if body.keys:
            transaction = assemble(body, [SIGNATURE_PLACEHOLDER] * len(body.keys))
            body, identity, size = transaction.body, transaction.id, len(transaction.encoded)
        else:
            identity, size = NO_DIGEST, len(body.encode())
            if size > TRANSACTION_BYTES_MAX:
                raise Invalid(Reason.TOO_LARGE, f"a transaction has at most {TRANSACTION_BYTES_MAX} bytes")
        height = self._world.height
        time_ms = self.result(height).time_ms + 1 if time_ms is None else time_ms
        outcome = executor.judge(
            executor.overlay(),
            body,
            identity,
            size,
            height + 1,
            time_ms,
            assumes_authority=not body.keys,
            is_dry_run=True,
        )
        return Simulation(outcome.receipt, outcome.scope.authorities, height, time_ms, outcome.fee)

    def query(
        self, contract: str, method: str, arguments: Sequence[Value], sender: str = "", fuel: int = QUERY_FUEL
    ) -> QueryResult:
        """Run a contract's query. :raises Invalid: UNKNOWN contract."""
        executor = self._executor
        scope = self._scope(sender, fuel)
        deployed = executor.contracts.find(scope.overlay, contract)
        if deployed is None:
            raise Invalid(Reason.UNKNOWN, f"no contract is named {contract}")
        if method not in deployed.compiled.queries:
            return QueryResult("method", f"{contract} has no query named {method}", None, 0)
        try:
            value = invoke(scope, executor.contracts, deployed, method, list(arguments), sender)  # type: ignore[arg-type]
        except ContractError as error:
            return QueryResult(error.code, error.message, None, scope.meter.used)
        except OutOfFuel:
            return QueryResult("out_of_fuel", f"a query may spend {fuel}", None, fuel)
        return QueryResult(OK, "", value, scope.meter.used)

    # ----------------------------------------------------------------------------------------- accounts, members

    def account(self, address: str, first_asset: str = "", limit: int = 1_000) -> Account:
        """The account, with its balances from ``first_asset`` on. :raises Invalid: UNKNOWN."""
        scope = self._scope("", INT_MAX)
        row = cast(AccountRow | None, scope.overlay.get(layout.account_key(address)))
        if row is None:
            raise Invalid(Reason.UNKNOWN, "no account has that address")
        bank, policy, contract, *_ = row
        prefix = records.holding_key(address, "")
        found = self._world.extra_scan(prefix + first_asset.encode(), _above(prefix), limit + 1)
        names = [key[len(prefix) :].decode() for key, _ in found]
        balances = [Balance(asset, *ledger.balance(scope, address, asset)) for asset in names[:limit]]
        return Account(
            address,
            bank,
            None if policy is None else Policy(*policy),
            contract,
            tuple(freeze for subject in (address, *names[:limit]) for freeze in _freezes_on(scope, subject)),
            tuple(balances),
            names[limit] if len(names) > limit else None,
        )

    def history(
        self, address: str, cursor: bytes | None = None, limit: int = 100
    ) -> tuple[tuple[HistoryEntry, ...], bytes | None]:
        """A page of the account's history, newest first, and the cursor of the next page (None: no more).

        :raises Invalid: MALFORMED for a cursor that is none; PRUNED, nothing older is kept here.
        """
        if cursor is not None and len(cursor) != records.POSITION_BYTES:
            raise Invalid(Reason.MALFORMED, "not a cursor of a history")
        base = None if self._world.base_height < 0 else records.position(self._world.base_height + 1, 0)
        if cursor is not None and base is not None and cursor <= base:
            self.check_kept(self._world.base_height)
        start = records.history_key(address, b"")
        stop = start + (records.POSITION_END if cursor is None else cursor)
        found = self._world.extra_scan(start, stop, limit + 1, reverse=True)
        entries = tuple(HistoryEntry(*records.place(key[len(start) :]), value) for key, value in found[:limit])
        return entries, found[limit - 1][0][len(start) :] if len(found) > limit else base

    def statement(
        self, address: str, asset: str, from_ms: int, to_ms: int, cursor: bytes | None = None, limit: int = 100
    ) -> StatementPage:
        """A page of the account's statement of one asset: see ``contracts.statements``.

        :raises Invalid: UNKNOWN account or asset, MALFORMED for a cursor that is none.
        """
        for key, what in ((layout.account_key(address), "account has that address"),
                          (layout.asset_key(asset), "asset has that id")):  # fmt: skip
            if self._world.get(key) is None:
                raise Invalid(Reason.UNKNOWN, f"no {what}")
        return statements.statement(self._world, address, asset, from_ms, to_ms, cursor, limit)

    def member(self, identity: str) -> MemberRow | None:
        """The member's row: legal name, LEI, jurisdiction, role, address, vote key, node key."""
        return cast(MemberRow | None, self._row(layout.member_key(identity)))

    def validators(self, height: int) -> ValidatorSet:
        """V(height). :raises Invalid: UNKNOWN for a height not yet known."""
        if not 0 <= height <= self._world.height + self._executor.parameters.execution_lag:
            raise Invalid(Reason.UNKNOWN, f"the validators of height {height} are not known yet")
        found = validators_at(self._executor.overlay(), height)
        if found is not None:
            return found
        first, above = records.validators_key(0), records.validators_key(height + 1)
        rows = self._world.extra_scan(first, above, 1, reverse=True)
        if not rows:
            raise Invalid(Reason.UNKNOWN, f"the validators of height {height} are no longer kept here")
        listed = cast("tuple[tuple[str, bytes], ...]", records.decode_row(rows[0][1]))
        return ValidatorSet(tuple(Validator(name, vote_key) for name, vote_key in listed))

    # ------------------------------------------------------------------------------------------------ contracts

    def contracts(self, first: str = "", limit: int = 1_000) -> tuple[ContractInfo, ...]:
        """Deployed contracts in the order of names, from ``first`` on."""
        prefix = records.deployed_key("")
        found = self._world.extra_scan(prefix + first.encode(), _above(prefix), limit)
        return tuple(self.contract(key[len(prefix) :].decode()) for key, _ in found)

    def contract(self, name: str) -> ContractInfo:
        """One contract. :raises Invalid: UNKNOWN."""
        row = cast(ContractRow | None, self._row(layout.contract_key(name)))
        if row is None:
            raise Invalid(Reason.UNKNOWN, f"no contract is named {name}")
        return ContractInfo(name, *row, self._row(layout.paused_key(name)) is not None)

    def contract_abi(self, name: str) -> tuple[bytes, str]:
        """The contract's ABI as JSON text, and its source. :raises Invalid: UNKNOWN."""
        deployed = self._executor.contracts.find(self._executor.overlay(), name)
        source = self._row(layout.source_key(name))
        if deployed is None or source is None:
            raise Invalid(Reason.UNKNOWN, f"no contract is named {name}")
        return json.dumps(deployed.compiled.abi(), ensure_ascii=False).encode(), cast(str, source[0])

    # ----------------------------------------------------------------------------------- transactions, receipts

    def receipt(self, height: int, index: int) -> Receipt:
        """The receipt at that place. :raises Invalid: UNKNOWN."""
        row = self._world.extra_get(records.receipt_key(records.position(height, index)))
        if row is None:
            self.check_kept(height)
            raise Invalid(Reason.UNKNOWN, f"there is no receipt {index} at height {height}")
        return _receipt_of(row)

    def run_place(self, identity: bytes) -> tuple[int, int]:
        """Height and index of the receipt of a scheduled call's run. :raises Invalid: UNKNOWN."""
        row = self._world.extra_get(records.run_key(identity))
        if row is None:
            raise Invalid(Reason.UNKNOWN, "there is no receipt with that id")
        return records.place(row)

    def receipt_proof(self, height: int, index: int) -> ReceiptProof:
        """The receipt with its inclusion proof. :raises Invalid: UNKNOWN."""
        receipt = self.receipt(height, index)
        start, stop = records.position(height, 0), records.position(height + 1, 0)
        result = self.result(height)
        found = self._world.extra_scan(records.receipt_key(start), records.receipt_key(stop), result.count)
        leaves = [records.leaf_of(row) for _, row in found]
        proof = merkle.inclusion_proof(leaves, index)
        return ReceiptProof(receipt, height, index, len(leaves), proof, result.receipts_root)

    def result(self, height: int) -> ResultRow:
        """What a block came to. :raises Invalid: UNKNOWN."""
        row = self._world.extra_get(records.result_key(height)) if height >= 0 else None
        if row is None:
            self.check_kept(height)
            raise Invalid(Reason.UNKNOWN, f"height {height} has not been executed")
        return ResultRow.decode(row)

    def check_kept(self, height: int) -> None:
        """Whether what a height came to can be here. :raises Invalid: PRUNED."""
        base_height = self._world.base_height
        if 0 <= height <= base_height:
            raise Invalid(
                Reason.PRUNED,
                f"this node's state came as a snapshot of height {base_height}: of what was before it keeps neither "
                "receipts nor histories; ask an archive node",
            )

    def state_root(self, height: int) -> bytes:
        """State root after a height. :raises Invalid: UNKNOWN."""
        if height == self._world.height:
            return self._world.root
        if height < self._world.base_height:
            self.check_kept(height)
        return self.result(height + 1).previous_state_root

    def events(
        self,
        cursor: tuple[int, int, int],
        limit: int = 100,
        *,
        contract: str | None = None,
        name: str | None = None,
        account: str | None = None,
        scan_max: int = EVENTS_SCAN_MAX,
    ) -> EventPage:
        """Events from ``cursor`` (height, index, event index) on, those that match; None matches all.

        ``account`` is an address that stands anywhere in the event's fields. At most ``scan_max`` receipts are
        looked at.
        """
        height, index, first = cursor
        self.check_kept(height)
        start = records.receipt_key(records.position(max(height, 0), index))
        found = self._world.extra_scan(start, _above(b"receipt/"), scan_max + 1)
        entries: list[EventEntry] = []
        results: dict[int, ResultRow] = {}
        for key, row in found[:scan_max]:
            height, index = records.place(key[len(b"receipt/") :])
            skip = first if (height, index) == cursor[:2] else 0
            leaf, listed = cast("tuple[bytes, tuple[Row3, ...]]", decode_row(row))
            for event_index, value in enumerate(listed):
                if event_index < skip or not _matches(value, contract, name, account):
                    continue
                if len(entries) == limit:
                    return EventPage(tuple(entries), (height, index, event_index), False)
                if height not in results:
                    results[height] = self.result(height)
                result, event = results[height], _event_of(value)
                entries.append(
                    EventEntry(height, index, event_index, result.time_ms, _id_of(leaf), event, index < result.runs)
                )
        if len(found) > scan_max:
            return EventPage(tuple(entries), (*records.place(found[scan_max][0][len(b"receipt/") :]), 0), False)
        return EventPage(tuple(entries), (self._world.height + 1, 0, 0), True)

    # --------------------------------------------------------------------------------------------- proofs, audits

    def prove(self, key: bytes) -> tuple[bytes | None, StateProof]:
        """Value and proof of a state key under the latest root; None proves absence."""
        return self._world.get(key), self._world.prove(key)

    def state_items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every key and value of the state."""
        return self._world.items()

    def audit(self) -> tuple[Audit, ...]:
        """Supply against balances and holds, for each asset, read from all of the state."""
        sums: dict[str, list[int]] = {}
        for key, data in self._world.items():
            kind, _, rest = key.partition(b"/")
            if kind == b"supply":
                sums.setdefault(rest.decode(), [0, 0, 0, 0])[0] = cast(int, decode_row(data)[0])
            elif kind == b"balance":
                total = sums.setdefault(rest.partition(b"/")[2].decode(), [0, 0, 0, 0])
                available, held = cast(BalanceRow, decode_row(data))
                total[1] += available
                total[2] += held
            elif kind == b"hold":
                asset, _, amount, _, _, _, _, _, status, *_ = cast(HoldRow, decode_row(data))
                sums.setdefault(asset, [0, 0, 0, 0])[3] += amount if status == layout.OPEN else 0
        return tuple(Audit(asset, *sums[asset]) for asset in sorted(sums))

    def faults(self) -> Iterator[str]:
        """Everything that is unsound in all of the state, a sentence each: ``contracts.soundness`` says what is."""
        executor, world = self._executor, self._world
        state = soundness.State(world.items(), executor.overlay().get, decode_row)
        time_ms = self.result(world.height).time_ms
        return soundness.faults(
            state, executor.contracts, executor.parameters.address_prefix, world.height, time_ms
        )

    def asset(self, identity: str) -> AssetRow | None:
        """The asset's row: issuer, kind, currency, decimals, flags, lowest level of verification."""
        return cast(AssetRow | None, self._row(layout.asset_key(identity)))

    def _row(self, key: bytes) -> layout.Row | None:
        data = self._world.get(key)
        return None if data is None else decode_row(data)

    def _scope(self, sender: str, fuel: int) -> Scope:
        """A scope for reading, at the latest block's time."""
        executor, height = self._executor, self._world.height
        time_ms = self.result(height).time_ms
        prefix = executor.parameters.address_prefix
        return Scope(executor.overlay(), prefix, height, time_ms, NO_DIGEST, sender, (), Meter(fuel))


def _freezes_on(scope: Scope, subject: str) -> list[Freeze]:
    return [
        Freeze(order, orders.found(scope, order)[4], subject, asset, amount, orders.words(stops), expires_ms)
        for order, asset, stops, amount, expires_ms in freezes.in_force(scope, subject)
    ]


Row3 = tuple[str, str, tuple[tuple[str, Item], ...]]
"""An event as its row has it: contract, name, fields."""


def _above(prefix: bytes) -> bytes:
    """The first key after all that begin with ``prefix``, which ends in a slash."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def _receipt_of(row: bytes) -> Receipt:
    return Receipt.from_value(records.listed(decode_row(row)))


def _id_of(leaf: bytes) -> bytes:
    return cast(bytes, decode_row(leaf[1:])[0])


def _event_of(value: Row3) -> Event:
    return Event.from_value(records.listed(value))


def _matches(value: Row3, contract: str | None, name: str | None, account: str | None) -> bool:
    if contract is not None and value[0] != contract:
        return False
    if name is not None and value[1] != name:
        return False
    return account is None or _names(value[2], account)


def _names(item: Item, account: str) -> bool:
    return any(_names(inner, account) for inner in item) if type(item) is tuple else item == account
