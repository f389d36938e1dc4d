"""Freezes: what orders stop, on an account or on an asset as a whole, and for how long.

All freezes of one subject stand in one row, which is there while the subject's flags say so; an account's say besides
which assets they may concern, so that a freeze of another asset costs a posting next to nothing. A freeze stops sending
(debits and new holds), receiving, settling (the posting of holds that exist already, of the account's own money or
in its favour), or several of these. On an account it concerns one asset or all, and all of the balance or part of
it. A part is what stays: while it stops sending, that much stays available; while it stops settling, that much stays
in what is available and held together. Parts of several orders add up.

A freeze past its expiry by block time binds nobody, whether or not its row is still there.
"""

from collections.abc import Sequence
from typing import Final, cast

from contracts.kernel import layout
from contracts.kernel.balances import balance
from contracts.kernel.codes import refuse
from contracts.kernel.layout import AccountRow, AssetRow, FreezeRow, HoldRow, Leg
from contracts.kernel.scope import Scope

SEND, RECEIVE, SETTLE = 1, 2, 4
STOPS: Final = {"send": SEND, "receive": RECEIVE, "settle": SETTLE}
"""Word → bit, in the order of bits."""

FREEZES_MAX = 64
"""Freezes of one account or asset: bounds what each posting of it has to walk."""

FUEL_PER_PART_LEG = 10
"""For each leg that is looked at, where part of an account's balance is frozen: all of the journal counts."""

ALL_ASSETS: Final = (1 << layout.FROZEN_ASSETS_BITS) - 1 << layout.FROZEN_ASSETS_SHIFT

Freezes = tuple[FreezeRow, ...]


def in_force(scope: Scope, subject: str) -> Freezes:
    """The freezes of an account or asset that bind at the block's time, in the order in which they came."""
    time_ms = scope.time_ms
    return tuple(freeze for freeze in _read(scope, subject) if not freeze[4] or time_ms < freeze[4])


def add(scope: Scope, subject: str, freeze: FreezeRow, *, is_asset: bool) -> None:
    """Have one more freeze bind. Those past their expiry are forgotten. :raises ContractError: too_many_orders."""
    kept = in_force(scope, subject)
    if len(kept) >= FREEZES_MAX:
        refuse("too_many_orders")
    _write(scope, subject, (*kept, freeze), is_asset)


def remove(scope: Scope, subject: str, order: int, *, is_asset: bool) -> None:
    """End the freeze of that order, if it still stands."""
    _write(scope, subject, tuple(freeze for freeze in in_force(scope, subject) if freeze[0] != order), is_asset)


def check_asset(scope: Scope, asset: str, bit: int) -> None:
    """Whether a freeze of the asset as a whole stops it. :raises ContractError: asset_frozen."""
    for freeze in in_force(scope, asset):
        if freeze[2] & bit:
            refuse("asset_frozen", f"order {freeze[0]} freezes {asset}")


def check_account(scope: Scope, legs: Sequence[Leg], address: str, asset: str, bit: int) -> None:
    """Whether a freeze of the account stops its part in ``legs``. :raises ContractError: account_frozen."""
    part, time_ms = 0, scope.time_ms
    for order, concerned, stops, amount, expires_ms in _read(scope, address):
        if (concerned and concerned != asset) or not stops & bit or 0 < expires_ms <= time_ms:
            continue
        if not amount:
            refuse("account_frozen", f"order {order} freezes {address}")
        part += amount
    if part:
        _check_part(scope, legs, address, asset, bit, part)


def _check_part(scope: Scope, legs: Sequence[Leg], address: str, asset: str, bit: int, part: int) -> None:
    """Whether ``part`` of the account's balance stays when all ``legs`` are posted."""
    scope.meter.charge(FUEL_PER_PART_LEG * len(legs))
    change = sum([change for concerned, party, change in legs if party == address and concerned == asset])
    if change >= 0:
        return
    free, held = balance(scope, address, asset)
    left = free + change if bit == SEND else free + held + change
    if left < part:
        refuse("account_frozen", f"orders freeze {part} of {asset} at {address}, {left} would be left")


def check_free(scope: Scope, legs: Sequence[Leg]) -> None:
    """Whether a freeze stops free legs, and nothing else. :raises ContractError: account_frozen or asset_frozen."""
    _check(scope, legs, SEND, RECEIVE)


def check_settle(scope: Scope, legs: Sequence[Leg]) -> None:
    """Whether a freeze stops the legs of holds that are posted. :raises ContractError: account_frozen, asset_frozen."""
    _check(scope, legs, SETTLE, SETTLE)


def stops_settling(scope: Scope, row: HoldRow) -> bool:
    """Whether a freeze stops the posting of all that the hold reserves."""
    asset, account, amount, beneficiary, *_ = row
    if any(freeze[2] & SETTLE for freeze in in_force(scope, asset)):
        return True
    for party in (account, beneficiary) if beneficiary else (account,):
        part = 0
        for _, concerned, stops, frozen, _ in in_force(scope, party):
            if stops & SETTLE and concerned in ("", asset):
                if not frozen:
                    return True
                part += frozen
        if part and party == account != beneficiary and sum(balance(scope, account, asset)) - amount < part:
            return True
    return False


def _check(scope: Scope, legs: Sequence[Leg], debit: int, credit: int) -> None:
    get = scope.overlay.get
    for asset, address, change in legs:
        if address == layout.SUPPLY:
            continue
        bit = debit if change < 0 else credit
        if cast(AssetRow, get(layout.asset_key(asset)))[4] & layout.ASSET_UNDER_ORDER:
            check_asset(scope, asset, bit)
        if cast(AccountRow, get(layout.account_key(address)))[3] & layout.UNDER_ORDER:
            check_account(scope, legs, address, asset, bit)


def _read(scope: Scope, subject: str) -> Freezes:
    return scope.overlay.get(b"freezes/" + subject.encode()) or ()  # type: ignore[return-value]


def _write(scope: Scope, subject: str, freezes: Freezes, is_asset: bool) -> None:
    """Write the row, and the bit that says that it is there."""
    overlay = scope.overlay
    if freezes:
        overlay.put(layout.freezes_key(subject), freezes)
    else:
        overlay.delete(layout.freezes_key(subject))
    key = layout.asset_key(subject) if is_asset else layout.account_key(subject)
    all_bits = layout.ASSET_UNDER_ORDER if is_asset else layout.UNDER_ORDER | ALL_ASSETS
    index = layout.ASSET_FLAGS if is_asset else layout.ACCOUNT_FLAGS
    row = overlay.get(key)
    assert row is not None, "an order is about what is there"
    flags = cast(int, row[index])
    marked = flags & ~all_bits
    for _, asset, *_ in freezes:
        marked |= layout.UNDER_ORDER | layout.frozen_asset_bit(asset) if asset else all_bits
    if marked != flags:
        overlay.put(key, (*row[:index], marked, *row[index + 1 :]))
