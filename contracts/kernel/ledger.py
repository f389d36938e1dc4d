"""Journals: the one place where balances and supply change.

A journal is a list of legs (asset, account, change) that sums to zero for each asset. The asset's supply is itself
an account, named ``supply``, that may go below zero: a debit of it mints, a credit to it burns, and both need the
issuer's word. So supply is what all accounts hold, by construction, and a payment between two banks is one
journal: burn here, mint there, settlement money from bank to bank.

All legs are judged before anything is written. Available and held balances stay between 0 and 2^63 − 1. An account
in several legs is judged by their sum; where it is both debited and credited in one asset, its debits must be covered
by what it had before: a journal's credits fund none of its debits, so no leg shows money that is not there.
"""

from collections.abc import Container, Mapping, Sequence
from typing import cast

from contracts.kernel import assets, balances, expiry, gate, layout
from contracts.kernel.codes import refuse
from contracts.kernel.layout import (
    ASSET_UNDER_ORDER,
    EMPTY_BALANCE,
    EXPIRED,
    IDENTIFIED,
    JURISDICTIONS,
    LIMITED,
    OPEN,
    SUPPLY,
    UNDER_ORDER,
    AccountRow,
    AssetRow,
    BalanceRow,
    HoldRow,
    Leg,
)
from contracts.kernel.scope import EVENT_BYTES, LEG_BYTES, Scope
from state.codec import INT_MAX

ACCOUNT_BITS = 8
GATED = UNDER_ORDER | IDENTIFIED | (ASSET_UNDER_ORDER | LIMITED | JURISDICTIONS) << ACCOUNT_BITS
"""Bits of accounts, and above them of assets, for which the gate has something to look at."""

Moves = dict[tuple[str, str], tuple[int, int]]
"""(address, asset) → change of available, change of held."""

LEGS_MAX = 1024
"""Legs of one journal: a bank's batch of deposits fits, a block's time limit holds."""

PURPOSE_CHARS_MAX = 32
REFERENCE_CHARS_MAX = 140
"""As ISO 20022's unstructured remittance information."""

FUEL_PER_LEG = 1_800
"""For each leg after the first two, which the call's own price covers."""

FUEL_PER_EXPIRY = 6_000
"""For each expired hold that is released on the way."""

RELEASES_MIN = 4
"""Expired holds that a debit releases whether it needs their money or not, so that none are left for long."""


def journal(scope: Scope, legs: Sequence[Leg], purpose: str, reference: str = "") -> None:
    """Post ``legs`` together or not at all.

    :raises ContractError: with a code of the kernel's.
    """
    check_texts(purpose, reference)
    if len(legs) < 2:
        refuse("no_legs")
    if len(legs) > LEGS_MAX:
        refuse("too_many_legs", f"a journal has at most {LEGS_MAX} legs")
    if len(legs) > 2:
        scope.meter.charge(FUEL_PER_LEG * (len(legs) - 2))
    moves: Moves = {}
    minted: dict[str, int] = {}
    admit(scope, legs, moves, minted)
    move(scope, moves, minted)
    _told(scope, purpose, reference, legs)


def _told(scope: Scope, purpose: str, reference: str, legs: Sequence[Leg]) -> None:
    scope.emit(
        "journal",
        ("purpose", purpose),
        ("reference", reference),
        ("legs", [[*leg] for leg in legs]),
        bytes_count=EVENT_BYTES + LEG_BYTES * len(legs),
    )


def admit(scope: Scope, legs: Sequence[Leg], moves: Moves, minted: dict[str, int]) -> None:
    """Judge free legs, all but their funds, and add them to ``moves`` and ``minted``, which are empty.

    :raises ContractError: with a code of the kernel's.
    """
    sums: dict[str, int] = {}
    repeats, marks, get = False, 0, scope.overlay.get
    accounts: list[AccountRow | None] = []
    for asset, address, change in legs:
        if type(change) is not int or not 0 < abs(change) <= INT_MAX:
            refuse("amount_out_of_range")
        sums[asset] = sums.get(asset, 0) + change
        if address == SUPPLY:
            minted[asset] = minted.get(asset, 0) - change
            accounts.append(None)
            continue
        place = (address, asset)
        before = moves.get(place)
        if before is None:
            moves[place] = (change, 0)
        else:
            moves[place] = (before[0] + change, 0)
            repeats = True
        account: AccountRow | None = get(b"account/" + address.encode())  # type: ignore[assignment]
        if account is None:
            refuse("unknown_account", f"no account has the address {address[:96]}")
        accounts.append(account)
        marks |= account[3]
        if change < 0 and not scope.agrees(address, account):
            refuse("debit_unauthorised", f"{address} has not agreed to the debit")
    level = network_level = gate.level_min(scope)
    for asset, total in sums.items():
        kind: AssetRow | None = get(b"asset/" + asset.encode())  # type: ignore[assignment]
        if kind is None:
            refuse("unknown_asset", f"no asset has the id {asset[:64]}")
        marks |= kind[4] << ACCOUNT_BITS
        level |= kind[5]
        if total:
            refuse("unbalanced", f"the legs in {asset} sum to {total}, not to zero")
    for asset in minted:
        if not may_supply(scope, asset):
            refuse("supply_unauthorised", f"the issuer of {asset} has not agreed")
    if repeats:
        credited = {(address, asset) for asset, address, change in legs if change > 0}
        check_funded(scope, legs, credited, {})
    if level or marks & GATED:
        gate.check_read(scope, legs, accounts, network_level)


def check_funded(
    scope: Scope, legs: Sequence[Leg], credited: Container[tuple[str, str]], freed: Mapping[tuple[str, str], int]
) -> None:
    """Whether who is debited and credited at once has the debits without the credits; ``freed`` comes on top.

    :raises ContractError: insufficient_funds.
    """
    debits: dict[tuple[str, str], int] = {}
    for asset, address, change in legs:
        place = (address, asset)
        if change < 0 and address != SUPPLY and place in credited:
            debits[place] = debits.get(place, 0) - change
    for place, needed in debits.items():
        has = available(scope, *place) + freed.get(place, 0)
        if has < needed:
            refuse("insufficient_funds", f"{place[0]} has {has} of {place[1]}, {needed} are needed")


def transfer(scope: Scope, asset: str, source: str, target: str, amount: int, purpose: str, reference: str) -> None:
    """A journal of two legs. :raises ContractError: with a code of the kernel's."""
    checked(amount)
    legs = ((asset, source, -amount), (asset, target, amount))
    if source in (target, SUPPLY) or target == SUPPLY:
        journal(scope, legs, purpose, reference)
        return
    # What ``journal`` would do, in its order, without what two legs in one asset between two accounts can't need.
    check_texts(purpose, reference)
    payer = scope.account(source)
    if not scope.agrees(source, payer):
        refuse("debit_unauthorised", f"{source} has not agreed to the debit")
    payee = scope.account(target)
    kind = assets.asset(scope, asset)
    network_level = gate.level_min(scope)
    if network_level | kind[5] or (payer[3] | payee[3] | kind[4] << ACCOUNT_BITS) & GATED:
        gate.check_read(scope, legs, (payer, payee), network_level)
    move(scope, {(source, asset): (-amount, 0), (target, asset): (amount, 0)}, {})
    _told(scope, purpose, reference, legs)


def mint(scope: Scope, asset: str, target: str, amount: int, purpose: str, reference: str) -> None:
    """New money for ``target``. :raises ContractError: with a code of the kernel's."""
    checked(amount)
    journal(scope, ((asset, SUPPLY, -amount), (asset, target, amount)), purpose, reference)


def burn(scope: Scope, asset: str, source: str, amount: int, purpose: str, reference: str) -> None:
    """Money of ``source`` ceases to be. :raises ContractError: with a code of the kernel's."""
    checked(amount)
    journal(scope, ((asset, source, -amount), (asset, SUPPLY, amount)), purpose, reference)


def checked(amount: int) -> int:
    """An amount that can move; one of more than 64 bits crosses the seam as bytes.

    :raises ContractError: amount_out_of_range.
    """
    if type(amount) is not int or not 0 < amount <= INT_MAX:
        refuse("amount_out_of_range")
    return amount


def check_texts(purpose: str, reference: str) -> None:
    """:raises ContractError: bad_purpose or bad_reference."""
    if not 0 < len(purpose) <= PURPOSE_CHARS_MAX:
        refuse("bad_purpose")
    if len(reference) > REFERENCE_CHARS_MAX:
        refuse("bad_reference")


def may_supply(scope: Scope, asset: str) -> bool:
    """Whether the running contract, or the issuer's own keys, may mint and burn."""
    contract = scope.contract
    if contract and scope.overlay.get(layout.supplier_key(asset, contract)) is not None:
        return True
    issuer, *_ = cast(AssetRow, scope.overlay.get(layout.asset_key(asset)))
    return scope.policy_met(cast(str, cast(tuple[object, ...], scope.overlay.get(layout.member_key(issuer)))[4]))


def available(scope: Scope, address: str, asset: str) -> int:
    """What the account can spend of the asset at the block's time."""
    return balance(scope, address, asset)[0]


balance = balances.balance


def supply(scope: Scope, asset: str) -> int:
    """What is out of the asset. :raises ContractError: unknown_asset."""
    row = scope.overlay.get(layout.supply_key(asset))
    if row is None:
        refuse("unknown_asset", f"no asset has the id {asset[:64]}")
    return cast(int, row[0])


def move(scope: Scope, moves: Moves, minted: dict[str, int]) -> None:
    """Judge every balance and supply as it would be, then write them. Nothing else writes either.

    :raises ContractError: insufficient_funds or balance_overflow.
    """
    overlay = scope.overlay
    written: list[tuple[str, str, bytes, int, int, int]] = []
    for (address, asset), (change, held_change) in moves.items():
        key = f"balance/{address}/{asset}".encode()
        row: BalanceRow = overlay.get(key) or EMPTY_BALANCE  # type: ignore[assignment]
        if row[1] and change < 0 and held_change <= 0:
            release_due(scope, address, asset, -change)
            row = cast(BalanceRow, overlay.get(key))
        free, held = row
        before = free + held
        free += change
        held += held_change
        if free < 0:
            refuse("insufficient_funds", f"{address} has {free - change} of {asset}, {-change} are needed")
        assert held >= 0, "a hold reserves more than is held"
        if free + held > INT_MAX:
            refuse("balance_overflow")
        written.append((address, asset, key, free, held, free + held - before))
    supplies: list[tuple[str, int, int]] = []
    for asset, amount in minted.items():
        out = supply(scope, asset)
        assert out + amount >= 0, "more was burnt than is out"
        if out + amount > INT_MAX:
            refuse("balance_overflow")
        if amount > 0:
            assets.check_mint(scope, asset, out + amount)
        supplies.append((asset, out, out + amount))
    deltas, touched = scope.deltas, scope.touched
    for address, asset, key, free, held, change in written:
        if change:
            deltas[asset] = deltas.get(asset, 0) + change
        if free or held:
            overlay.put(key, (free, held))
        else:
            overlay.delete(key)
        touched[address] = None
    for asset, out, total in supplies:
        deltas[asset] = deltas.get(asset, 0) - (total - out)
        overlay.put(layout.supply_key(asset), (total,))


def release_due(scope: Scope, address: str, asset: str, needed: int) -> None:
    """Give back what holds past their expiry still reserve, until ``needed`` is available or none is left.

    Never all of them at any rate: a transaction has no room for the events of thousands.
    """
    key, count = layout.balance_key(address, asset), 0
    while (hold := expiry.first_due(scope.overlay, address, asset, scope.time_ms)) is not None:
        if count >= RELEASES_MIN and cast(BalanceRow, scope.overlay.get(key))[0] >= needed:
            break
        count += 1
        scope.meter.charge(FUEL_PER_EXPIRY)
        release_expired(scope, hold, cast(HoldRow, scope.overlay.get(layout.hold_key(hold))))


def release_expired(scope: Scope, hold: str, row: HoldRow) -> None:
    """Give back what one hold past its expiry reserves."""
    asset, account, amount, _, expires_ms, *_ = row
    assert row[8] == OPEN, "the hold is resolved"
    assert 0 < expires_ms <= scope.time_ms, "the hold is not due"
    expiry.remove(scope.overlay, account, asset, hold)
    scope.overlay.put(layout.hold_key(hold), (*row[:8], EXPIRED, 0, *row[10:]))
    reserve(scope, row[5], asset, -amount)
    gate.give_back(scope, row, amount)
    move(scope, {(account, asset): (amount, -amount)}, {})
    scope.emit("hold_expired", ("hold", hold), ("asset", asset), ("account", account), ("amount", amount))


def reserve(scope: Scope, contract: str, asset: str, change: int) -> None:
    """Keep count of what the contract's open holds reserve."""
    key = layout.reserved_key(contract, asset)
    total = reserved(scope, contract, asset) + change
    assert total >= 0, "the contract's holds reserve less than nothing"
    if total:
        scope.overlay.put(key, (total,))
    else:
        scope.overlay.delete(key)


def reserved(scope: Scope, contract: str, asset: str) -> int:
    """What holds of the contract reserve that are open, those past their expiry that nobody released among them."""
    row = scope.overlay.get(layout.reserved_key(contract, asset))
    return 0 if row is None else cast(int, row[0])
