"""Limits of an asset: set by its issuer, capped by regulators and courts. The tighter of all is in force.

Names for a risk class: balance_min, balance_max, single_out, single_in, day_out, day_in, rolling_out, rolling_in; for a
corridor from one country to another: single, day, rolling. Days are UTC days; rolling is the last 30. What is not
named isn't limited. The risk class "" stands for all, "unverified" for who has no verified identity.
"""

from hansa import Address, Amount, Asset, action, ledger, query


@action
def limit(asset: Asset, risk_class: str, limits: list[tuple[str, Amount]]) -> None:
    """The issuer's limits for a risk class, in the place of those before; none to end them."""
    ledger.set_limits(asset, risk_class, limits)


@action
def cap(asset: Asset, risk_class: str, limits: list[tuple[str, Amount]]) -> None:
    """The sender's caps for a risk class, as a regulator or court, in the place of its own before."""
    ledger.cap_limits(asset, risk_class, limits)


@action
def limit_corridor(asset: Asset, origin: str, to: str, limits: list[tuple[str, Amount]]) -> None:
    """The issuer's limits for what goes from one country to another."""
    ledger.set_corridor(asset, origin, to, limits)


@action
def cap_corridor(asset: Asset, origin: str, to: str, limits: list[tuple[str, Amount]]) -> None:
    """The sender's caps, as a regulator or court, for what goes from one country to another."""
    ledger.cap_corridor(asset, origin, to, limits)


@action
def jurisdictions(asset: Asset, only: bool, countries: list[str]) -> None:
    """The issuer lets parties of these countries alone take part, or refuses them; (False, none) ends it."""
    ledger.set_jurisdictions(asset, only, countries)


@action
def refuse_jurisdictions(countries: list[str]) -> None:
    """The sender, a regulator or court, has the network refuse parties of these countries, in the place of before."""
    ledger.refuse_jurisdictions(countries)


@query
def in_force(asset: Asset, risk_class: str) -> list[tuple[str, Amount]]:
    """What holds for a risk class."""
    return ledger.limits_in_force(asset, risk_class)


@query
def corridor(asset: Asset, origin: str, to: str) -> list[tuple[str, Amount]]:
    """What holds from one country to another."""
    return ledger.corridor_in_force(asset, origin, to)


@query
def left(asset: Asset, account: Address) -> list[tuple[str, Amount]]:
    """What each limit leaves the account now. For balance_min: what it may send of its balance."""
    return ledger.limits_left(asset, account)
