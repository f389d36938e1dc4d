"""Exchanges: what a hold reserves against another asset, with a party that was not known when the hold was made.

A contract meets resting holds in an order that it may not choose (best price, then arrival), and can't catch a
refusal. So before it settles one it asks who stands in the way: a holder who can't deal must not hold up those behind.
"""

from collections.abc import Sequence
from typing import cast

from contracts.kernel import assets, gate, holds, layout, ledger
from contracts.kernel.layout import OPEN, HoldRow, Leg
from contracts.kernel.scope import Scope
from contracts.language.faults import ContractError

HOLDER, TAKER, PAIR = "holder", "taker", "pair"
"""Who may not: the holder, whoever took; the taker, whatever it took; these two with each other."""


def may_exchange(scope: Scope, hold: str, taker: str, amount: int, asset: str, price: int) -> str:
    """Whom the gate stops if ``amount`` of the hold goes to ``taker`` and ``price`` of ``asset`` to the holder.

    Empty where it stops nobody. Funds are not looked at. What the gate would count is taken back.

    :raises ContractError: unknown_hold, unknown_account or unknown_asset.
    """
    row = holds.found(scope, hold)
    held, holder = row[0], row[1]
    scope.account(taker)
    assets.asset(scope, asset)
    if not holds.may_settle(scope, hold):
        return HOLDER
    settled: Leg = (held, taker, amount)
    if _passes(scope, row, ((held, holder, -amount), settled), ((asset, taker, -price), (asset, holder, price))):
        return ""
    # The contract's own account has neither identity nor limits: against it, each side stands for itself.
    contract = cast(str, cast(layout.Row, scope.overlay.get(layout.contract_key(scope.contract)))[0])
    taken = ((asset, taker, -price), (asset, contract, price), (held, contract, -amount), settled)
    if not _passes(scope, None, (settled,), taken):
        return TAKER
    return PAIR if _passes(scope, None, (), ((asset, contract, -price), (asset, holder, price))) else HOLDER


def free_hold(scope: Scope, hold: str) -> None:
    """Free what a hold of the running contract still reserves, past its expiry or not; nothing if it is resolved.

    :raises ContractError: unknown_hold, hold_unauthorised or hold_grouped.
    """
    row = holds.found(scope, hold)
    if row[8] != OPEN:
        return
    row = holds.own(scope, hold)
    if holds.is_past(scope, row):
        ledger.release_expired(scope, hold, row)
    else:
        holds.free(scope, hold, row)


def _passes(scope: Scope, row: HoldRow | None, settled: Sequence[Leg], free: Sequence[Leg]) -> bool:
    """Whether the gate lets legs of a hold that is posted, to a receiver named now, and free legs through.

    Keeps nothing.
    """
    savepoint = scope.overlay.savepoint()
    try:
        gate.check_free(scope, free)
        if row is not None:
            gate.check_receiver(scope, row, settled[1][1], settled[1][2])
        gate.check_settle(scope, settled)
    except ContractError:
        return False
    finally:
        scope.overlay.rollback(savepoint)
    return True
