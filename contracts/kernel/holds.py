"""Holds: money reserved behind an order, an escrow or a lock, so that nothing on the ledger is ever unfunded.

A hold moves an amount from available to held. It ends exactly once: posted, in full or in part, to its beneficiary
(what is left goes back), voided, or expired. It is live while the block's time is before ``expires_ms`` (0: for
ever); from then on it can't be posted, and whatever looks at the balance finds the money free. Only the
contract that made a hold posts or voids it; anyone may have an expired one released.
"""

from typing import cast

from contracts.kernel import expiry, gate, layout, ledger
from contracts.kernel.codes import refuse
from contracts.kernel.layout import EXPIRED, OPEN, POSTED, VOIDED, HoldRow
from contracts.kernel.scope import Scope
from state.codec import INT_MAX


def create(
    scope: Scope, asset: str, account: str, amount: int, beneficiary: str, expires_ms: int, purpose: str, reference: str
) -> str:
    """Reserve ``amount`` and give the hold's id. :raises ContractError: with a code of the kernel's."""
    ledger.check_texts(purpose, reference)
    ledger.checked(amount)
    if type(expires_ms) is not int or (expires_ms and not scope.time_ms < expires_ms <= INT_MAX):
        refuse("bad_expiry")
    if not scope.agrees(account):
        refuse("debit_unauthorised", f"{account} has not agreed to the hold")
    scope.account(beneficiary)
    if scope.overlay.get(layout.asset_key(asset)) is None:
        refuse("unknown_asset", f"no asset has the id {asset[:64]}")
    ledger.release_due(scope, account, asset, amount)
    if expires_ms and expiry.is_full(scope.overlay, account, asset):
        refuse("too_many_holds")
    gate.check_free(scope, ((asset, account, -amount), (asset, beneficiary, amount)))
    ledger.move(scope, {(account, asset): (-amount, amount)}, {})
    hold = f"{scope.transaction_id.hex()}.{scope.hold_count}"
    scope.hold_count += 1
    row: HoldRow = (
        asset, account, amount, beneficiary, expires_ms, scope.contract, purpose, reference, OPEN, 0
    )  # fmt: skip
    scope.overlay.put(layout.hold_key(hold), row)
    if expires_ms:
        expiry.add(scope.overlay, account, asset, expires_ms, hold)
    scope.emit(
        "hold",
        ("hold", hold),
        ("asset", asset),
        ("account", account),
        ("amount", amount),
        ("beneficiary", beneficiary),
        ("expires_ms", expires_ms),
        ("purpose", purpose),
        ("reference", reference),
    )
    return hold


def post(scope: Scope, hold: str, amount: int, purpose: str) -> None:
    """Pay ``amount`` of the hold to its beneficiary and free the rest. :raises ContractError: a kernel code."""
    row = _own(scope, hold)
    asset, account, reserved, beneficiary, expires_ms, _, _, reference, _, _ = row
    ledger.check_texts(purpose, "")
    ledger.checked(amount)
    if expires_ms and scope.time_ms >= expires_ms:
        refuse("hold_expired")
    if amount > reserved:
        refuse("hold_exceeded", f"the hold reserves {reserved}, {amount} were to be posted")
    gate.check_settle(scope, ((asset, account, -amount), (asset, beneficiary, amount)))
    _resolve(scope, hold, row, POSTED, amount)
    if account == beneficiary:
        ledger.move(scope, {(account, asset): (reserved, -reserved)}, {})
    else:
        ledger.move(
            scope, {(account, asset): (reserved - amount, -reserved), (beneficiary, asset): (amount, 0)}, {}
        )
    scope.emit(
        "hold_posted",
        ("hold", hold),
        ("purpose", purpose),
        ("reference", reference),
        ("released", reserved - amount),
        ("legs", [[asset, account, -amount], [asset, beneficiary, amount]]),
    )


def void(scope: Scope, hold: str) -> None:
    """Free all of the hold. :raises ContractError: with a code of the kernel's."""
    row = _own(scope, hold)
    asset, account, reserved, *_ = row
    _resolve(scope, hold, row, VOIDED, 0)
    ledger.move(scope, {(account, asset): (reserved, -reserved)}, {})
    scope.emit("hold_voided", ("hold", hold), ("asset", asset), ("account", account), ("amount", reserved))


def expire(scope: Scope, hold: str) -> None:
    """Have a hold past its expiry released now. :raises ContractError: with a code of the kernel's."""
    row = _open(scope, hold)
    if not row[4] or scope.time_ms < row[4]:
        refuse("hold_not_due")
    ledger.release_expired(scope, hold, row)


def status(scope: Scope, hold: str) -> str:
    """What has become of the hold at the block's time. :raises ContractError: unknown_hold."""
    row = _row(scope, hold)
    if row[8] == OPEN and row[4] and scope.time_ms >= row[4]:
        return EXPIRED
    return row[8]


def _row(scope: Scope, hold: str) -> HoldRow:
    row = scope.overlay.get(layout.hold_key(hold))
    if row is None:
        refuse("unknown_hold")
    return cast(HoldRow, row)


def _open(scope: Scope, hold: str) -> HoldRow:
    row = _row(scope, hold)
    if row[8] != OPEN:
        refuse("hold_resolved", f"the hold is {row[8]}")
    return row


def _own(scope: Scope, hold: str) -> HoldRow:
    """The open hold, if the running contract made it."""
    row = _row(scope, hold)
    if row[5] != scope.contract:
        refuse("hold_unauthorised")
    return _open(scope, hold)


def _resolve(scope: Scope, hold: str, row: HoldRow, status: str, posted: int) -> None:
    scope.overlay.put(layout.hold_key(hold), (*row[:8], status, posted))
    if row[4]:
        expiry.remove(scope.overlay, row[1], row[0], hold)
