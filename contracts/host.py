"""What a running contract reaches: its own storage, its events, other contracts, and the kernel.

One ``ContractHost`` stands for one call of one contract. Values are copied both ways: what the state holds is never
handed out, and what a contract hands in is checked for size and depth before it is kept.
"""

from collections.abc import Callable, Mapping
from typing import Final, cast

from contracts.deployed import Contracts, Deployed
from contracts.kernel import (
    accounts,
    assets,
    dates,
    evidence,
    exchanges,
    fees,
    groups,
    holds,
    identity,
    layout,
    ledger,
    limit_rules,
    limits,
    members,
    orders,
    proposals,
    refusals,
    rekeying,
    schedule,
    sealed,
    votes,
)
from contracts.kernel.codes import refuse
from contracts.kernel.layout import Item, Leg
from contracts.kernel.scope import Scope
from contracts.language import run
from contracts.language.kernel_interface import LEDGER_FUNCTIONS, CallContext, Plain, StorageKey
from state.receipt import Event

CONTRACT_DEPTH_MAX = 8
"""Contracts that call each other, at most."""

VALUE_DEPTH_MAX = 8
"""Nesting of a value that is stored, emitted or returned; with what stands around it, below the codec's limit."""

VALUE_BYTES_MAX = 64 * 1024
"""Size of such a value, about."""

KEY_BYTES_MAX = 1_024
"""Longest state key of a contract's own value, bytes; the language's own limit is below it."""

BYTE_FUEL = 4
"""For each byte of a value that is stored or emitted, beside the language's own price: it is hashed and kept."""

READ_FUEL = 300
"""For each key that is read, beside the language's own price: the disk is asked (measured: 6 µs with it)."""

KEY_FUEL = 1_500
"""For each key that is written, as the ledger's own functions pay: it is hashed into the tree, and what it had before
is read and kept. With ``BYTE_FUEL`` it bounds the memory that a block's writes take."""

EVENT_FUEL = 800
"""For each event: it is kept, hashed and encoded with the block."""

ATOM_BYTES = 9
"""What an atom takes at most, beside the letters of a text."""


class ContractHost:
    """The ``Host`` of one call."""

    __slots__ = ("_contracts", "_deployed", "_scope", "context")

    def __init__(self, scope: Scope, contracts: Contracts, deployed: Deployed, caller: str) -> None:
        self._scope = scope
        self._contracts = contracts
        self._deployed = deployed
        self.context = CallContext(
            scope.sender, caller, deployed.address, scope.height, scope.time_ms, scope.transaction_id
        )
        """What the contract sees as ``ctx``."""

    def storage_get(self, field: str, key: StorageKey | None) -> Plain:
        """The stored value, None where there is none."""
        self._scope.meter.charge(READ_FUEL)
        row = self._scope.overlay.get(self._key(field, key))
        return None if row is None else thawed(row[0])

    def storage_put(self, field: str, key: StorageKey | None, value: Plain) -> None:
        """Keep a value. :raises ContractError: too_large."""
        frozen, size = frozen_value(value)
        name = self._key(field, key)
        self._scope.meter.charge(KEY_FUEL + BYTE_FUEL * (size + len(name)))
        self._scope.overlay.put(name, (frozen,))

    def storage_delete(self, field: str, key: StorageKey | None) -> None:
        """Forget a value."""
        name = self._key(field, key)
        self._scope.meter.charge(KEY_FUEL + BYTE_FUEL * len(name))
        self._scope.overlay.delete(name)

    def emit(self, name: str, fields: dict[str, Plain]) -> None:
        """Record an event of the contract's own. :raises ContractError: too_large or too_many_events."""
        size = sum(len(field) + frozen_value(value)[1] for field, value in fields.items())
        self._scope.meter.charge(EVENT_FUEL + BYTE_FUEL * size)
        self._scope.record(Event(self._deployed.name, name, tuple(fields.items())), size)

    def ledger_call(self, function: str, args: tuple[Plain, ...]) -> Plain:
        """One of the kernel's functions."""
        for index in INTEGERS[function]:
            wide = args[index]
            if type(wide) is bytes:
                args = (*args[:index], int.from_bytes(wide, "big", signed=True), *args[index + 1 :])
        if function == "schedule":
            self._check_schedulable(args[0])
        return LEDGER[function](self._scope, *args)

    def call(self, contract: str, method: str, args: list[Plain]) -> Plain:
        """Another contract's method, the contract given by name or address."""
        deployed = self._contracts.find(self._scope.overlay, contract)
        if deployed is None:
            row = self._scope.overlay.get(layout.account_key(contract))
            deployed = None if row is None else self._contracts.find(self._scope.overlay, cast(str, row[2]))
        if deployed is None:
            refuse("unknown_contract", f"no contract is named {contract[:96]}")
        return invoke(self._scope, self._contracts, deployed, method, args, self._deployed.address)

    def _check_schedulable(self, name: Plain) -> None:
        method = self._deployed.compiled.actions.get(cast(str, name))
        if method is None or [declared.kind for _, declared in method.parameters] != ["str"]:
            refuse("bad_schedule", "what is scheduled is an action of the contract with one text")

    def _key(self, field: str, key: StorageKey | None) -> bytes:
        encoded = layout.data_key(self._deployed.name, field, key)
        if len(encoded) > KEY_BYTES_MAX:
            refuse("too_large", f"a key has at most {KEY_BYTES_MAX} bytes")
        return encoded


def invoke(
    scope: Scope, contracts: Contracts, deployed: Deployed, method: str, arguments: list[Plain], caller: str
) -> Plain:
    """Run one method of a contract in the scope. :raises ContractError: or OutOfFuel, as the language does."""
    running = scope.running
    if deployed.name in running:
        refuse("reentrant", f"{deployed.name} is still running")
    action = deployed.compiled.actions.get(method)
    if action is not None:
        if scope.overlay.get(deployed.paused_key) is not None and not action.unwinds:
            refuse("contract_paused", f"{deployed.name} is paused; only its ways out still run")
        if deployed.compiled.invariants:
            scope.acted[deployed.name] = None
    if len(running) >= CONTRACT_DEPTH_MAX:
        refuse("contract_depth", f"at most {CONTRACT_DEPTH_MAX} contracts call each other")
    running.append(deployed.name)
    value = run(deployed.compiled, method, arguments, ContractHost(scope, contracts, deployed, caller), scope.meter)
    running.pop()
    return value


def frozen_value(value: Plain, depth: int = VALUE_DEPTH_MAX) -> tuple[Item, int]:
    """An unchangeable copy of a plain value, and its size in bytes at most. :raises ContractError: too_large."""
    if type(value) is list:
        if not depth:
            refuse("too_large", f"a value is nested at most {VALUE_DEPTH_MAX} deep")
        total = ATOM_BYTES
        items = []
        for item in value:
            frozen, size = frozen_value(item, depth - 1)
            items.append(frozen)
            total += size
    else:
        assert value is None or isinstance(value, bool | int | str | bytes)
        total = ATOM_BYTES + (len(value.encode()) if type(value) is str else len(value) if type(value) is bytes else 0)
        items = None
    if total > VALUE_BYTES_MAX:
        refuse("too_large", f"a value takes at most {VALUE_BYTES_MAX} bytes")
    return (value if items is None else tuple(items)), total  # type: ignore[return-value]


def thawed(item: Item) -> Plain:
    """A plain copy of what the state holds."""
    if type(item) is tuple:
        return [thawed(inner) for inner in item]
    return item  # type: ignore[return-value]


def _balance(scope: Scope, asset: str, account: str) -> int:
    return ledger.balance(scope, account, asset)[0]


def _held(scope: Scope, asset: str, account: str) -> int:
    return ledger.balance(scope, account, asset)[1]


def _check_evidence(scope: Scope, encoded: bytes) -> Plain:
    return [*evidence.check(scope, encoded)]


def _account_bank(scope: Scope, account: str) -> str:
    return scope.account(account)[0]


def _member_role(scope: Scope, bank: str) -> str:
    return members.member(scope, bank)[3]


def _member_account(scope: Scope, bank: str) -> str:
    return members.member(scope, bank)[4]


def _asset_info(scope: Scope, asset: str) -> Plain:
    return list(assets.asset(scope, asset)[:4])


def _asset_terms(scope: Scope, asset: str) -> Plain:
    assets.asset(scope, asset)
    version, document, authorised, _, _, attested, attested_ms, _ = assets.terms(scope, asset)
    return [version, document, authorised, attested, attested_ms]


def _hold_info(scope: Scope, hold: str) -> Plain:
    return list(holds.info(scope, hold))


def _reserved(scope: Scope, asset: str) -> int:
    return ledger.reserved(scope, scope.contract, asset)


def _post_holds(scope: Scope, fills: list[holds.Fill], legs: list[Leg], purpose: str, reference: str) -> Plain:
    return list(holds.post_many(scope, fills, legs, purpose, reference))


def _identity_of(scope: Scope, account: str) -> Plain:
    row = identity.identity_of(scope, account)
    return ["", 0, 0, "", ""] if row is None else list(row[1:6])


def _reading_keys(scope: Scope, member: str) -> Plain:
    return [[number, key] for number, key in sealed.unused(scope, member)]


def _record_info(scope: Scope, record: str) -> Plain:
    row = sealed.record(scope, record)
    return [row[0], row[1], row[2], row[6]]


def _record_readers(scope: Scope, record: str) -> Plain:
    return list(dict.fromkeys(member for member, _, _ in sealed.record(scope, record)[5]))


def _mandated_readers(scope: Scope, owner: str) -> Plain:
    return list(sealed.mandated(scope, owner))


def _day_of(scope: Scope, year: int, month: int, day: int) -> int:
    return dates.day_of(year, month, day)


def _date_of(scope: Scope, day: int) -> Plain:
    return [*dates.date_of(day)]


def _add_months(scope: Scope, day: int, months: int, anchor: int) -> int:
    return dates.add_months(day, months, anchor)


def _year_fraction(scope: Scope, convention: str, start: int, end: int) -> Plain:
    return [*dates.year_fraction(convention, start, end)]


def _business_day(scope: Scope, calendar: str, day: int, roll: str) -> int:
    return dates.business_day(calendar, day, roll)


def _proposal_info(scope: Scope, proposal: str) -> Plain:
    account, calls, expires_ms, status, approvals, weight, threshold = proposals.shown(scope, proposal)
    return [account, calls, expires_ms, status, list(approvals), weight, threshold]


def _tariff(scope: Scope) -> Plain:
    return list(fees.tariff(scope.overlay) or ("", 0, 0, 0))


def _motion_info(scope: Scope, motion: str) -> Plain:
    (subject, texts, numbers, member, expires_ms, status, cast_votes), voters = votes.shown(scope, motion)
    ballots: list[Plain] = [[voter, agrees] for voter, agrees in cast_votes]
    return [subject, list(texts), list(numbers), member, expires_ms, status, ballots, voters]


def _open_motions(scope: Scope) -> Plain:
    return list(votes.open_motions(scope))


def _open_proposals(scope: Scope, account: str) -> Plain:
    return list(proposals.open_proposals(scope, account))


def _order_info(scope: Scope, order: int) -> Plain:
    return cast(Plain, orders.info(scope, order))


def _orders_on(scope: Scope, subject: str, first: int, limit: int) -> Plain:
    return list(orders.on(scope, subject, first, limit))


def _freezes_on(scope: Scope, subject: str) -> Plain:
    return cast(Plain, orders.freezes_on(scope, subject))


def _limits_in_force(scope: Scope, asset: str, risk_class: str) -> Plain:
    return [[*pair] for pair in limit_rules.limits_in_force(scope, asset, risk_class)]


def _corridor_in_force(scope: Scope, asset: str, origin: str, to: str) -> Plain:
    return [[*pair] for pair in limit_rules.corridor_in_force(scope, asset, origin, to)]


def _limits_left(scope: Scope, asset: str, account: str) -> Plain:
    return [[name, amount] for name, amount in limits.left(scope, asset, account).items()]


LEDGER: Final[Mapping[str, Callable[..., Plain]]] = {
    "transfer": ledger.transfer,
    "journal": ledger.journal,
    "journal_refusal": refusals.journal_refusal,
    "mint": ledger.mint,
    "burn": ledger.burn,
    "balance": _balance,
    "held": _held,
    "supply": ledger.supply,
    "hold": holds.create,
    "post_hold": holds.post,
    "void_hold": holds.void,
    "expire_hold": holds.expire,
    "hold_status": holds.status,
    "hold_info": _hold_info,
    "may_settle": holds.may_settle,
    "may_exchange": exchanges.may_exchange,
    "free_hold": exchanges.free_hold,
    "reserved": _reserved,
    "post_holds": _post_holds,
    "hold_group": groups.create,
    "post_group": groups.post,
    "void_group": groups.void,
    "group_status": groups.status,
    "open_account": accounts.open_account,
    "account_bank": _account_bank,
    "grant": accounts.grant,
    "withdraw_grant": accounts.withdraw_grant,
    "has_grant": accounts.has_grant,
    "rotate_keys": rekeying.rotate,
    "start_recovery": rekeying.start_recovery,
    "cancel_recovery": rekeying.cancel_recovery,
    "finish_recovery": rekeying.finish_recovery,
    "recovery_due_ms": rekeying.recovery_due_ms,
    "sponsor": fees.sponsor,
    "withdraw_sponsor": fees.withdraw_sponsor,
    "is_sponsored": fees.is_sponsored,
    "tariff": _tariff,
    "move_motion": votes.move,
    "vote": votes.vote,
    "motion_info": _motion_info,
    "open_motions": _open_motions,
    "propose": proposals.propose,
    "approve": proposals.approve,
    "withdraw_proposal": proposals.withdraw,
    "proposal_info": _proposal_info,
    "open_proposals": _open_proposals,
    "create_money": assets.create_money,
    "create_asset": assets.create_asset,
    "authorise_supply": assets.authorise_supply,
    "require_attestation": assets.require_attestation,
    "attest_reserve": assets.attest_reserve,
    "revise_asset": assets.revise_asset,
    "asset_terms": _asset_terms,
    "allow_supply": assets.allow_supply,
    "disallow_supply": assets.disallow_supply,
    "asset_info": _asset_info,
    "bank_money": assets.bank_money,
    "settlement_money": assets.settlement_money,
    "submit_identity": identity.submit,
    "request_information": identity.request_information,
    "verify_identity": identity.verify,
    "suspend_identity": identity.suspend,
    "resume_identity": identity.resume,
    "revoke_identity": identity.revoke,
    "identity_of": _identity_of,
    "identity_record": identity.record_of,
    "publish_reading_keys": sealed.publish,
    "reading_keys": _reading_keys,
    "reading_key_count": sealed.unused_count,
    "seal": sealed.seal,
    "add_reader": sealed.add_reader,
    "order_erasure": sealed.order_erasure,
    "attest_erasure": sealed.attest_erasure,
    "record_info": _record_info,
    "record_readers": _record_readers,
    "mandated_readers": _mandated_readers,
    "member_role": _member_role,
    "member_account": _member_account,
    "member_of": members.member_of,
    "check_evidence": _check_evidence,
    "day_of": _day_of,
    "date_of": _date_of,
    "add_months": _add_months,
    "year_fraction": _year_fraction,
    "business_day": _business_day,
    "schedule": schedule.schedule,
    "cancel_schedule": schedule.cancel,
    "schedule_status": schedule.status,
    "resume_schedule": schedule.resume_call,
    "order_freeze": orders.propose_freeze,
    "order_release": orders.propose_release,
    "order_transfer": orders.propose_transfer,
    "approve_order": orders.approve,
    "withdraw_order": orders.withdraw,
    "order_info": _order_info,
    "orders_on": _orders_on,
    "freezes_on": _freezes_on,
    "set_limits": limit_rules.set_limits,
    "cap_limits": limit_rules.cap_limits,
    "set_corridor": limit_rules.set_corridor,
    "cap_corridor": limit_rules.cap_corridor,
    "set_jurisdictions": limit_rules.set_jurisdictions,
    "refuse_jurisdictions": limit_rules.refuse_jurisdictions,
    "limits_in_force": _limits_in_force,
    "corridor_in_force": _corridor_in_force,
    "limits_left": _limits_left,
}
"""Function of LEDGER_FUNCTIONS → the kernel's. A test holds the two tables to each other."""

INTEGERS: Final[Mapping[str, tuple[int, ...]]] = {
    name: tuple(index for index, (_, kind) in enumerate(signature.parameters) if kind in ("int", "Amount"))
    for name, signature in LEDGER_FUNCTIONS.items()
}
"""Which arguments are integers: one of more than 64 bits crosses the seam as bytes, and is a number again here."""
