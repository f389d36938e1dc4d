"""What an account has of an asset, as it can be asked at any time. Only ``ledger.move`` changes it."""

from typing import cast

from contracts.kernel import expiry, layout
from contracts.kernel.layout import EMPTY_BALANCE, BalanceRow, HoldRow
from contracts.kernel.scope import Scope

FUEL_PER_LOOK = 1_000
"""For each expired hold that is not yet released, when somebody asks for the balance."""


def balance(scope: Scope, address: str, asset: str) -> BalanceRow:
    """Available and held at the block's time: what holds past their expiry reserve is available. Writes nothing."""
    row = scope.overlay.get(layout.balance_key(address, asset))
    if row is None:
        return EMPTY_BALANCE
    free, held = cast(BalanceRow, row)
    if held:
        for hold in expiry.due(scope.overlay, address, asset, scope.time_ms):
            scope.meter.charge(FUEL_PER_LOOK)
            amount = cast(HoldRow, scope.overlay.get(layout.hold_key(hold)))[2]
            free, held = free + amount, held - amount
    return free, held
