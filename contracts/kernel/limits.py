"""Limits: what parties of an asset may hold, send and receive, by their risk class, and along which corridors.

The asset's issuer sets limits for a risk class: that of a verified identity, ``unverified`` for a party without one, or
"" for all. Any regulator or court may cap them; in force is always the tighter, so no issuer loosens a cap and no cap
another. For a risk class, what is set for all holds as well.

Sums are gross and by UTC day of the block's time: what came in and what went out, each for itself. ``rolling`` is
today and the ROLLING_DAYS − 1 days before. A journal counts what it changes in sum for a party. A hold counts when it
is made, for both parties; what of it is not posted is given back to the day on which it was made. One row per party
and asset keeps the days that still matter, with the sum of those before today, so that a posting adds two numbers.

A corridor is a pair of countries, by the verified identities of payer and payee ("" for a party without one). What a
payer sends through it counts in a row for the country that it goes to. Payees are those of the same asset; where the
payer's money is burnt and other money minted in its place, in a payment across banks, also those of that money.
"""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias, cast

from contracts.kernel import expiry, layout
from contracts.kernel.balances import balance
from contracts.kernel.codes import refuse
from contracts.kernel.layout import (
    MEMBERS_OWN,
    SUPPLY,
    VERIFIED,
    HoldRow,
    IdentityRow,
    Leg,
    LimitsRow,
    Rule,
    WindowRow,
)
from contracts.kernel.scope import Scope

Party: TypeAlias = tuple[str, str, int, IdentityRow | None]
"""Asset, address, change, verified identity."""

NONE: Final = 2**64 - 1
"""Stands for no limit: above every sum of two amounts."""

NAMES: Final = (
    "balance_min", "balance_max", "single_out", "single_in", "day_out", "day_in", "rolling_out", "rolling_in"
)  # fmt: skip
"""The limits of a risk class, in the order of a rule. The least that stays available after a debit, the most that is
available and held after a credit, and what one journal, a day, and the rolling days may come to."""

CORRIDOR_NAMES: Final = ("single", "day", "rolling")
"""The limits of a corridor, in the order of a rule."""

UNLIMITED: Final[Rule] = (0, *([NONE] * 7))
CORRIDOR_UNLIMITED: Final[Rule] = (NONE, NONE, NONE)

UNVERIFIED: Final = "unverified"
"""The risk class of a party without a verified identity."""

DAY_MS: Final = 86_400_000
ROLLING_DAYS: Final = 30

AMOUNT_SUM_MAX: Final = 2**63 - 1
"""A sum beyond is kept as this: no limit is above it."""

FUEL_PER_WINDOW = 1_800
"""For each party whose sums are kept: a key is read and written."""

FUEL_PER_LOOK = 1_000
"""For each expired hold that is not yet released, when a limit would refuse what it still counts."""


def count(scope: Scope, parties: Sequence[Party], legs: Sequence[Leg]) -> None:
    """Judge and count what each party of limited assets sends or receives by these legs.

    :raises ContractError: limit_exceeded.
    """
    sums: dict[tuple[str, str], tuple[int, IdentityRow | None]] = {}
    for asset, address, change, identity in parties:
        before = sums.get((asset, address))
        sums[asset, address] = (change, identity) if before is None else (before[0] + change, identity)
    scope.meter.charge(FUEL_PER_WINDOW * len(sums))
    get, day = scope.overlay.get, scope.time_ms // DAY_MS
    for (asset, address), (change, identity) in sums.items():
        row = cast(LimitsRow, get(b"limits/" + asset.encode()))
        rule = rule_of(row, UNVERIFIED if identity is None else identity[5])
        if change < 0:
            _count_out(scope, row, rule, address, asset, -change, day)
            if row[2]:
                country = "" if identity is None else identity[4]
                for to, amount in _destinations(scope, legs, asset, address, -change).items():
                    _count_corridor(scope, row, country, to, address, asset, amount, day)
        elif change > 0:
            _count_in(scope, rule, address, asset, change, day)


def count_corridor(scope: Scope, asset: str, payer: str, payee: str, amount: int) -> None:
    """Judge and count what goes to a payee who was not named before. :raises ContractError: limit_exceeded."""
    row = limits_of(scope, asset)
    if row is not None and row[2] and payer != payee and not is_exempt(scope, payer) and not is_exempt(scope, payee):
        day = scope.time_ms // DAY_MS
        _count_corridor(scope, row, country_of(scope, payer), country_of(scope, payee), payer, asset, amount, day)


def give_back(scope: Scope, hold: HoldRow, amount: int) -> None:
    """Count no longer what of a hold goes back unposted. What was reserved before there were limits never counted."""
    asset, payer, _, payee, *_ = hold
    made_ms = hold[10]
    row = limits_of(scope, asset)
    if row is None or made_ms <= row[0] or payer == payee:
        return
    day = made_ms // DAY_MS
    counts_payer, counts_payee = not is_exempt(scope, payer), bool(payee) and not is_exempt(scope, payee)
    if counts_payer:
        _uncount(scope, layout.window_key(payer, asset), day, 0, amount)
    if counts_payee:
        _uncount(scope, layout.window_key(payee, asset), day, amount, 0)
    if counts_payer and counts_payee and row[2]:
        corridor = corridor_of(row, country_of(scope, payer), to := country_of(scope, payee))
        if corridor is not None and made_ms > corridor[5]:
            _uncount(scope, layout.corridor_window_key(payer, asset, to), day, 0, amount)


def limits_of(scope: Scope, asset: str) -> LimitsRow | None:
    """The row of the asset's limits, None without any."""
    return cast("LimitsRow | None", scope.overlay.get(layout.limits_key(asset)))


def rule_of(row: LimitsRow, risk_class: str) -> Rule:
    """What is in force for a risk class."""
    rule = UNLIMITED
    for name, _, _, in_force in row[1]:
        if name == risk_class:
            return in_force
        if not name:
            rule = in_force
    return rule


def corridor_of(row: LimitsRow, origin: str, to: str) -> layout.CorridorRow | None:
    """The limits from one country to another, None without any."""
    for corridor in row[2]:
        if corridor[0] == origin and corridor[1] == to:
            return corridor
    return None


def left(scope: Scope, asset: str, address: str) -> dict[str, int]:
    """What each limit in force leaves the party now: name → amount."""
    row = limits_of(scope, asset)
    if row is None or is_exempt(scope, address):
        return {}
    rule = rule_of(row, class_of(scope, address))
    _, came, went, came_before, went_before, _ = _window(
        scope, layout.window_key(address, asset), scope.time_ms // DAY_MS
    )
    back, back_before = _due(scope, row, address, asset, scope.time_ms // DAY_MS)
    went, went_before = max(went - back, 0), max(went_before - back_before, 0)
    free, held = balance(scope, address, asset)
    used = (0, free + held, 0, 0, went, came, went + went_before, came + came_before)
    answer = {name: max(limit - gone, 0) for name, limit, gone in zip(NAMES, rule, used, strict=True) if limit != NONE}
    answer["balance_min"] = max(free - rule[0], 0)
    return answer


def check_country(scope: Scope, asset: str, address: str, country: str, *, has_list: bool) -> None:
    """Whether a party of that country may take part. :raises ContractError: jurisdiction_refused."""
    get = scope.overlay.get
    if country and (refused := get(layout.NETWORK_JURISDICTIONS)) is not None and country in cast(
        "tuple[str, ...]", refused[0]
    ):
        refuse("jurisdiction_refused", f"{address} is of {country}, which the network refuses")
    if has_list:
        only, listed = cast("tuple[bool, tuple[str, ...]]", get(layout.jurisdictions_key(asset)))
        if (country in listed) != only:
            refuse("jurisdiction_refused", f"{address} is of {country or 'no known country'}, which {asset} refuses")


def is_exempt(scope: Scope, address: str) -> bool:
    """Whether the account is a member's own or a contract's: those have neither identity nor limits."""
    _, _, contract, marks = scope.account(address)
    return bool(contract or marks & MEMBERS_OWN)


def country_of(scope: Scope, address: str) -> str:
    """The country of a party with a verified identity, empty for one without."""
    row = scope.overlay.get(layout.identity_key(address))
    return cast(IdentityRow, row)[4] if row is not None and row[1] == VERIFIED else ""


def class_of(scope: Scope, address: str) -> str:
    """The risk class by which the party is judged."""
    row = scope.overlay.get(layout.identity_key(address))
    return cast(IdentityRow, row)[5] if row is not None and row[1] == VERIFIED else UNVERIFIED


def _count_out(
    scope: Scope, row: LimitsRow, rule: Rule, address: str, asset: str, amount: int, day: int
) -> None:
    key = layout.window_key(address, asset)
    _, came, went, came_before, went_before, days = _window(scope, key, day)
    went = min(went + amount, AMOUNT_SUM_MAX)
    balance_min, _, single, _, daily, _, rolling, _ = rule
    if amount > single:
        _refuse("single_out", asset, single, amount)
    if went > daily or went + went_before > rolling:
        # What expired holds still count is no obstacle, though nobody has released them yet.
        back, back_before = _due(scope, row, address, asset, day)
        if went - back > daily:
            _refuse("day_out", asset, daily, went - back)
        if went - back + went_before - back_before > rolling:
            _refuse("rolling_out", asset, rolling, went - back + went_before - back_before)
    if balance_min and (free := balance(scope, address, asset)[0]) - amount < balance_min:
        _refuse("balance_min", asset, balance_min, free - amount)
    scope.overlay.put(key, (day, came, went, came_before, went_before, days))


def _count_in(scope: Scope, rule: Rule, address: str, asset: str, amount: int, day: int) -> None:
    key = layout.window_key(address, asset)
    _, came, went, came_before, went_before, days = _window(scope, key, day)
    came = min(came + amount, AMOUNT_SUM_MAX)
    _, balance_max, _, single, _, daily, _, rolling = rule
    if amount > single:
        _refuse("single_in", asset, single, amount)
    if came > daily:
        _refuse("day_in", asset, daily, came)
    if came + came_before > rolling:
        _refuse("rolling_in", asset, rolling, came + came_before)
    if balance_max != NONE and (total := sum(balance(scope, address, asset)) + amount) > balance_max:
        _refuse("balance_max", asset, balance_max, total)
    scope.overlay.put(key, (day, came, went, came_before, went_before, days))


def _count_corridor(
    scope: Scope, row: LimitsRow, origin: str, to: str, address: str, asset: str, amount: int, day: int
) -> None:
    corridor = corridor_of(row, origin, to)
    if corridor is None:
        return
    scope.meter.charge(FUEL_PER_WINDOW)
    single, daily, rolling = corridor[4]
    key = layout.corridor_window_key(address, asset, to)
    _, came, went, came_before, went_before, days = _window(scope, key, day)
    went = min(went + amount, AMOUNT_SUM_MAX)
    sums = (("single", single, amount), ("day", daily, went), ("rolling", rolling, went + went_before))
    for name, limit, total in sums:
        if total > limit:
            _refuse(f"{name} from {origin or 'unknown'} to {to or 'unknown'}", asset, limit, total)
    scope.overlay.put(key, (day, came, went, came_before, went_before, days))


def _destinations(scope: Scope, legs: Sequence[Leg], asset: str, payer: str, amount: int) -> dict[str, int]:
    """Country → what of the payer's ``amount`` goes there at most."""
    is_burnt = any(concerned == asset and party == SUPPLY and change > 0 for concerned, party, change in legs)
    minted = {concerned for concerned, party, change in legs if party == SUPPLY and change < 0} if is_burnt else ()
    countries: dict[str, int] = {}
    for concerned, payee, change in legs:
        if change <= 0 or payee in (SUPPLY, payer) or is_exempt(scope, payee):
            continue
        country = country_of(scope, payee)
        if concerned == asset:
            countries[country] = min(countries.get(country, 0) + change, amount)
        elif concerned in minted:
            countries[country] = amount
    return countries


def _window(scope: Scope, key: bytes, day: int) -> WindowRow:
    """The row as it is on ``day``."""
    row = cast("WindowRow | None", scope.overlay.get(key))
    if row is None:
        return (day, 0, 0, 0, 0, ())
    if row[0] == day:
        return row
    first = day - ROLLING_DAYS + 1
    days = tuple(entry for entry in (*row[5], row[:3]) if entry[0] >= first and (entry[1] or entry[2]))
    return (day, 0, 0, _bounded(entry[1] for entry in days), _bounded(entry[2] for entry in days), days)


def _uncount(scope: Scope, key: bytes, day: int, came: int, went: int) -> None:
    """Take amounts off a day that still matters; none goes below zero."""
    row = cast("WindowRow | None", scope.overlay.get(key))
    if row is None:
        return
    today, came_today, went_today, _, _, days = row
    if today == day:
        changed = (day, max(came_today - came, 0), max(went_today - went, 0), *row[3:])
    else:
        days = tuple((at, max(i - came, 0), max(o - went, 0)) if at == day else (at, i, o) for at, i, o in days)
        came_before, went_before = _bounded(entry[1] for entry in days), _bounded(entry[2] for entry in days)
        changed = (today, came_today, went_today, came_before, went_before, days)
    if changed != row:
        scope.overlay.put(key, changed)


def _due(scope: Scope, row: LimitsRow, address: str, asset: str, day: int) -> tuple[int, int]:
    """What holds of the party past their expiry still count, today and on the days before."""
    today = before = 0
    for hold in expiry.due(scope.overlay, address, asset, scope.time_ms):
        scope.meter.charge(FUEL_PER_LOOK)
        held = cast(HoldRow, scope.overlay.get(layout.hold_key(hold)))
        made = held[10] // DAY_MS
        if held[10] <= row[0] or held[3] == address:
            continue
        if made == day:
            today += held[2]
        elif made > day - ROLLING_DAYS:
            before += held[2]
    return today, before


def _bounded(amounts: Iterable[int]) -> int:
    return min(sum(amounts), AMOUNT_SUM_MAX)


def _refuse(name: str, asset: str, limit: int, amount: int) -> None:
    refuse("limit_exceeded", f"{name} of {asset} is {limit}, this would make {amount}")
