"""Assets: what can be owned. Each has an issuer, and is known as ``<code>.<issuer>``.

Each bank issues its own deposit money, one asset a currency: ``USD.alpine`` is a claim on Alpine. Settlement money
moves between banks and is issued by the currency's settlement agent. Decimals follow ISO 4217. The issuer may let
contracts mint and burn; without that only its own keys do.
"""

from typing import cast

from contracts.kernel import layout, members
from contracts.kernel.codes import refuse
from contracts.kernel.currencies import DECIMALS
from contracts.kernel.layout import AssetRow
from contracts.kernel.scope import Scope

DEPOSIT, SETTLEMENT = "deposit", "settlement"

ALLOWED = (1,)


def asset(scope: Scope, identity: str) -> AssetRow:
    """The asset's row. :raises ContractError: unknown_asset."""
    row = scope.overlay.get(layout.asset_key(identity))
    if row is None:
        refuse("unknown_asset", f"no asset has the id {identity[:64]}")
    return cast(AssetRow, row)


def create_money(scope: Scope, currency: str, kind: str, issuer: str) -> str:
    """Create the deposit or settlement money of one issuer and currency, with nothing out yet; give its id.

    :raises ContractError: with a code of the kernel's.
    """
    row = members.member(scope, issuer)
    if not scope.agrees(row[4]):
        refuse("account_unauthorised", f"{issuer} has not agreed to issue money")
    if currency not in DECIMALS:
        refuse("unknown_currency", f"{currency[:16]} is not a currency of ISO 4217")
    if kind == SETTLEMENT:
        if members.settlement_agent(scope, currency) != issuer:
            refuse("not_the_agent", f"{issuer} is not the settlement agent of {currency}")
    elif kind != DEPOSIT:
        refuse("bad_kind")
    elif row[3] != members.BANK:
        refuse("not_a_bank", "only a bank issues deposit money")
    identity = f"{currency}.{issuer}"
    if scope.overlay.get(layout.asset_key(identity)) is not None:
        refuse("asset_exists", f"{identity} is there already")
    scope.overlay.put(layout.asset_key(identity), (issuer, kind, currency, DECIMALS[currency], 0))
    scope.overlay.put(layout.supply_key(identity), (0,))
    scope.emit("asset_created", ("asset", identity), ("kind", kind), ("issuer", issuer))
    return identity


def allow_supply(scope: Scope, identity: str, contract: str) -> None:
    """Let ``contract`` mint and burn the asset from now on. Only the issuer's own keys give this.

    :raises ContractError: unknown_asset, unknown_contract or supply_unauthorised.
    """
    _check_issuer(scope, identity)
    if scope.overlay.get(layout.contract_key(contract)) is None:
        refuse("unknown_contract", f"no contract is named {contract[:64]}")
    scope.overlay.put(layout.supplier_key(identity, contract), ALLOWED)
    scope.emit("supply_allowed", ("asset", identity), ("to", contract))


def disallow_supply(scope: Scope, identity: str, contract: str) -> None:
    """End what ``allow_supply`` gave. :raises ContractError: unknown_asset or supply_unauthorised."""
    _check_issuer(scope, identity)
    key = layout.supplier_key(identity, contract)
    if scope.overlay.get(key) is not None:
        scope.overlay.delete(key)
        scope.emit("supply_disallowed", ("asset", identity), ("from", contract))


def bank_money(scope: Scope, bank: str, currency: str) -> str:
    """Id of the bank's deposit money. :raises ContractError: unknown_asset."""
    identity = f"{currency}.{bank}"
    if asset(scope, identity)[1] != DEPOSIT:
        refuse("unknown_asset", f"{bank} issues no deposit money of {currency}")
    return identity


def settlement_money(scope: Scope, currency: str) -> str:
    """Id of the currency's settlement money. :raises ContractError: unknown_asset."""
    agent = members.settlement_agent(scope, currency)
    if not agent:
        refuse("unknown_asset", f"{currency[:16]} has no settlement agent")
    identity = f"{currency}.{agent}"
    asset(scope, identity)
    return identity


def _check_issuer(scope: Scope, identity: str) -> None:
    issuer = members.member(scope, asset(scope, identity)[0])
    if not scope.policy_met(issuer[4]):
        refuse("supply_unauthorised", f"the keys of the issuer of {identity} have not agreed")
