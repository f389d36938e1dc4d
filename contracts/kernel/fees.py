"""Fees and quota: what the members voted that a transaction costs, and how much of a block one member's customers take.

Both are none until the members vote otherwise, and stand in one row, the tariff. A fee is a base and so much per
million units of fuel, rounded up, from whoever pays the fuel to its own bank, in that bank's deposit money of the
tariff's currency. Members' own accounts pay none, nor do accounts whose bank has given its word to bear their fees.

What the fuel limit could cost is taken out of the payer's balance before the calls run, and what was not spent comes
back after them; so no call can spend the fee away. Who lacks it, or whose money a freeze keeps, gets ``fee_unpaid``:
nothing runs and nothing is charged. Calls that fail pay for the fuel that they spent.
"""

from dataclasses import dataclass
from typing import Final, cast

from contracts.kernel import gate, layout, ledger, members
from contracts.kernel.codes import refuse
from contracts.kernel.layout import MEMBERS_OWN, Leg, Row, TariffRow
from contracts.kernel.scope import LEDGER, Scope
from contracts.language.faults import ContractError, OutOfFuel
from contracts.language.fuel import Meter
from state.overlay import Overlay
from state.receipt import Event

MILLION: Final = 1_000_000

RESERVING_FUEL = 200_000
"""What taking a fee may spend on holds past their expiry, in no transaction's fuel."""

SPONSORED = (1,)


@dataclass(frozen=True, slots=True)
class Fee:
    """What a transaction paid, or would pay."""

    payer: str
    asset: str
    amount: int
    """Minor units."""
    base: int
    per_million: int
    """For each million units of fuel."""


class Charge:
    """The fee of one transaction on its way from the payer to its bank."""

    __slots__ = ("_asset", "_payee", "_payer", "_reserved", "_scope", "_tariff")

    def __init__(self, scope: Scope, tariff: TariffRow, payer: str, payee: str, asset: str, reserved: int) -> None:
        """Use ``reserve``."""
        self._scope = scope
        self._tariff = tariff
        self._payer = payer
        self._payee = payee
        self._asset = asset
        self._reserved = reserved

    @property
    def touched(self) -> dict[str, None]:
        """Addresses whose balances moved."""
        return self._scope.touched

    def collect(self, fuel_used: int) -> tuple[Fee, tuple[Event, ...]]:
        """Give the fee to the bank and the rest back; the fee, and what happened on the way.

        :raises ContractError: fee_unpaid, only in a dry run.
        """
        scope, payer, asset = self._scope, self._payer, self._asset
        amount = cost(self._tariff, fuel_used)
        if amount > self._reserved:
            _take(scope, asset, payer, self._payee, amount - self._reserved)
        back = max(self._reserved - amount, 0)
        moves: ledger.Moves = {(payer, asset): (back, 0)} if back else {}
        if amount:
            moves[self._payee, asset] = (amount, 0)
        ledger.move(scope, moves, {})
        scope.settle()
        fee = Fee(payer, asset, amount, self._tariff[1], self._tariff[2])
        if not amount:
            return fee, tuple(scope.events)
        legs: list[list[str | int]] = [[asset, payer, -amount], [asset, self._payee, amount]]
        told = (("contract", ""), ("payer", payer), ("asset", asset), ("amount", amount), ("legs", legs))
        event = Event(LEDGER, "fee", told)
        return fee, (*scope.events, event)


def tariff(overlay: Overlay[Row]) -> TariffRow | None:
    """The tariff in force; None while neither fee nor quota has been voted."""
    return cast("TariffRow | None", overlay.get(layout.TARIFF))


def set_tariff(overlay: Overlay[Row], row: TariffRow) -> None:
    """Put another tariff in force; one without fee and quota is none."""
    if row[1] or row[2] or row[3]:
        overlay.put(layout.TARIFF, cast(Row, row))
    elif overlay.get(layout.TARIFF) is not None:
        overlay.delete(layout.TARIFF)


def cost(row: TariffRow, fuel: int) -> int:
    """The fee for so much fuel, minor units, rounded up."""
    return row[1] - (-row[2] * fuel // MILLION)


def reserve(scope: Scope, row: TariffRow, payer: str, fuel_limit: int, *, is_dry_run: bool) -> Charge | None:
    """Take what the transaction may cost out of the payer's balance; None for who pays nothing.

    In a dry run nothing is taken until the cost is known: its fuel limit says nothing of the one that will be signed.

    :raises ContractError: fee_unpaid, and nothing has changed.
    """
    if not (row[1] or row[2]):
        return None
    bank, _, _, marks, _ = scope.account(payer)
    if marks & MEMBERS_OWN or is_sponsored(scope, payer):
        return None
    asset, amount = f"{row[0]}.{bank}", 0 if is_dry_run else cost(row, fuel_limit)
    if scope.overlay.get(layout.asset_key(asset)) is None:
        refuse("fee_unpaid", f"a fee is paid in {asset}, which {bank} has not created")
    own = Scope(
        scope.overlay,
        scope.prefix,
        scope.height,
        scope.time_ms,
        scope.transaction_id,
        scope.sender,
        (),
        Meter(RESERVING_FUEL),
    )
    payee = members.member(scope, bank)[4]
    _take(own, asset, payer, payee, amount)
    return Charge(own, row, payer, payee, asset, amount)


def sponsor(scope: Scope, account: str) -> None:
    """The account's bank bears its fees from now on. :raises ContractError: account_unauthorised or unknown_account."""
    _check_bank(scope, account)
    scope.overlay.put(layout.sponsor_key(account), SPONSORED)
    scope.emit("sponsored", ("account", account))


def withdraw_sponsor(scope: Scope, account: str) -> None:
    """End what ``sponsor`` gave. :raises ContractError: account_unauthorised or unknown_account."""
    _check_bank(scope, account)
    if is_sponsored(scope, account):
        scope.overlay.delete(layout.sponsor_key(account))
        scope.emit("sponsor_withdrawn", ("account", account))


def is_sponsored(scope: Scope, account: str) -> bool:
    """Whether the account's bank bears its fees."""
    return scope.overlay.get(layout.sponsor_key(account)) is not None


def _take(scope: Scope, asset: str, payer: str, payee: str, amount: int) -> None:
    """Out of the payer's balance, or nothing has changed. :raises ContractError: fee_unpaid."""
    if not amount:
        return
    legs: tuple[Leg, ...] = ((asset, payer, -amount), (asset, payee, amount))
    savepoint = scope.overlay.savepoint()
    try:
        gate.check_frozen(scope, legs)
        ledger.move(scope, {(payer, asset): (-amount, 0)}, {})
    except (ContractError, OutOfFuel) as error:
        scope.overlay.rollback(savepoint)
        why = error if isinstance(error, ContractError) else "have its holds past their expiry released first"
        refuse("fee_unpaid", f"{payer} can't pay a fee of {amount} {asset}: {why}")
    scope.overlay.release(savepoint)


def _check_bank(scope: Scope, account: str) -> None:
    bank, policy, _, marks, _ = scope.account(account)
    if policy is None or marks & MEMBERS_OWN or not scope.policy_met(members.member(scope, bank)[4]):
        refuse("account_unauthorised", "only the keys of a customer's own bank say who bears the fees")
