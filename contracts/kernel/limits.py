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

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, TypeAlias, cast

from contracts.kernel import expiry, layout
from contracts.kernel.balances import balance
from contracts.kernel.codes import refuse
from contracts.kernel.layout import (
    EMPTY_BALANCE,
    MEMBERS_OWN,
    SUPPLY,
    BalanceRow,
    HoldRow,
    Leg,
    LimitsRow,
    PastDays,
    Rule,
    StandingRow,
    WindowRow,
)
from contracts.kernel.scope import Scope

Party: TypeAlias = tuple[str, str, int, StandingRow | None]
"""Asset, address, change, what its verified identity comes to."""

NONE: Final = 2**63 - 1
"""Stands for no limit. A sum beyond is kept as this."""

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

NO_PAST: Final[PastDays] = (0, 0, ())

_InForce: TypeAlias = tuple[Rule, int, int, int, int]
"""A rule; its balance_min, its balance_max, the lowest of its limits of what goes out, and of what comes in."""

_latest: tuple[LimitsRow | None, str, _InForce] = (None, "", (UNLIMITED, 0, NONE, NONE, NONE))
"""The one rule that was asked for last, by the row itself, which never changes: true whatever is rolled back."""

FUEL_PER_WINDOW = 1_800
"""For each party whose sums are kept: a key is read and written."""

FUEL_PER_ARRIVAL = 30
"""For each country that receives something in a journal, and each payer whose corridors are limited."""

FUEL_PER_LOOK = 1_000
"""For each expired hold that is not yet released, when a limit would refuse what it still counts."""


def count(scope: Scope, parties: Sequence[Party], legs: Sequence[Leg]) -> None:
    """Judge and count what each party of limited assets sends or receives by these legs.

    :raises ContractError: limit_exceeded.
    """
    number = len(parties)
    if number > 2 or (number == 2 and parties[0][1] == parties[1][1]):
        parties = _merged(parties)
        number = len(parties)
    scope.meter.charge(FUEL_PER_WINDOW * number)
    get, put, day = scope.overlay.get, scope.overlay.put, scope.time_ms // DAY_MS
    known = known_class = ""
    row: LimitsRow = (0, (), ())
    rule, least, most, low_out, low_in = UNLIMITED, 0, 0, 0, 0
    arrivals: _Arrivals | None = None
    # Written for speed, as the gate is.
    for asset, address, change, standing in parties:
        risk_class = UNVERIFIED if standing is None else standing[3]
        if asset != known or risk_class != known_class:
            row = get(b"limits/" + asset.encode())  # type: ignore[assignment]
            rule, least, most, low_out, low_in = _in_force(row, risk_class)
            known, known_class = asset, risk_class
        key = f"window/{address}/{asset}".encode()
        window: WindowRow | None = get(key)  # type: ignore[assignment]
        if window is None:
            came = went = 0
            past = NO_PAST
        else:
            if window[0] != day:
                window = _turned(window, day)
            _, came, went, past = window
        if change < 0:
            went -= change
            # Neither one journal nor the day comes to more than the rolling sum: the lowest limit speaks for all.
            if went + past[1] > low_out and (-change > rule[2] or went > rule[4] or went + past[1] > rule[6]):
                went = _checked_out(scope, row, rule[2::2], address, asset, -change, went, past[1])
            if least:
                had: BalanceRow = get(f"balance/{address}/{asset}".encode()) or EMPTY_BALANCE  # type: ignore[assignment]
                if had[0] + change < least:
                    _check_least(scope, least, address, asset, -change)
            if row[2]:
                if arrivals is None:
                    arrivals = _Arrivals(scope, legs)
                origin = "" if standing is None else standing[2]
                for to, amount in arrivals.of(asset, address, -change).items():
                    _count_corridor(scope, row, origin, to, address, asset, amount, day)
        else:
            came += change
            if came + past[0] > low_in and (change > rule[3] or came > rule[5] or came + past[0] > rule[7]):
                came = _checked_in(rule[3::2], asset, change, came, past[0])
            if most != NONE:
                had = get(f"balance/{address}/{asset}".encode()) or EMPTY_BALANCE  # type: ignore[assignment]
                if had[0] + had[1] + change > most:
                    _refuse("balance_max", asset, most, had[0] + had[1] + change)
        put(key, (day, came, went, past))


def count_pair(
    scope: Scope, asset: str, payer: str, payee: str, amount: int, sends: StandingRow, receives: StandingRow
) -> bool:
    """``count`` for one payment between two parties of one risk class, where no corridor is limited, unrolled.

    False, and nothing is counted: it is for ``count``.

    :raises ContractError: limit_exceeded.
    """
    get = scope.overlay.get
    row: LimitsRow = get(b"limits/" + asset.encode())  # type: ignore[assignment]
    if row[2] or sends[3] != receives[3] or payer == payee:
        return False
    rule, least, most, low_out, low_in = _in_force(row, sends[3])
    scope.meter.charge(2 * FUEL_PER_WINDOW)
    put, day = scope.overlay.put, scope.time_ms // DAY_MS
    key = f"window/{payer}/{asset}".encode()
    window: WindowRow = get(key) or (day, 0, 0, NO_PAST)  # type: ignore[assignment]
    if window[0] != day:
        window = _turned(window, day)
    _, came, went, past = window
    went += amount
    if went + past[1] > low_out and (amount > rule[2] or went > rule[4] or went + past[1] > rule[6]):
        went = _checked_out(scope, row, rule[2::2], payer, asset, amount, went, past[1])
    if least:
        had: BalanceRow = get(f"balance/{payer}/{asset}".encode()) or EMPTY_BALANCE  # type: ignore[assignment]
        if had[0] - amount < least:
            _check_least(scope, least, payer, asset, amount)
    put(key, (day, came, went, past))
    key = f"window/{payee}/{asset}".encode()
    window = get(key) or (day, 0, 0, NO_PAST)  # type: ignore[assignment]
    if window[0] != day:
        window = _turned(window, day)
    _, came, went, past = window
    came += amount
    if came + past[0] > low_in and (amount > rule[3] or came > rule[5] or came + past[0] > rule[7]):
        came = _checked_in(rule[3::2], asset, amount, came, past[0])
    if most != NONE:
        had = get(f"balance/{payee}/{asset}".encode()) or EMPTY_BALANCE  # type: ignore[assignment]
        if had[0] + had[1] + amount > most:
            _refuse("balance_max", asset, most, had[0] + had[1] + amount)
    put(key, (day, came, went, past))
    return True


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


def _in_force(row: LimitsRow, risk_class: str) -> _InForce:
    """What is in force for a risk class, as ``count`` wants it."""
    global _latest
    known, known_class, found = _latest
    if row is not known or risk_class != known_class:
        rule = rule_of(row, risk_class)
        found = (rule, rule[0], rule[1], min(rule[2::2]), min(rule[3::2]))
        _latest = (row, risk_class, found)
    return found


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
    corridors = row[2]
    place = bisect_left(corridors, (origin, to))
    found = corridors[place] if place < len(corridors) else None
    return found if found is not None and found[:2] == (origin, to) else None


def left(scope: Scope, asset: str, address: str) -> dict[str, int]:
    """What each limit in force leaves the party now: name → amount."""
    row = limits_of(scope, asset)
    if row is None or is_exempt(scope, address):
        return {}
    rule = rule_of(row, class_of(scope, address))
    window = _window(scope, layout.window_key(address, asset), scope.time_ms // DAY_MS)
    _, came, went, (came_before, went_before, _) = window
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
    _, _, contract, marks, _ = scope.account(address)
    return bool(contract or marks & MEMBERS_OWN)


def country_of(scope: Scope, address: str) -> str:
    """The country of a party with a verified identity, empty for one without."""
    standing = scope.account(address)[4]
    return "" if standing is None else standing[2]


def class_of(scope: Scope, address: str) -> str:
    """The risk class by which the party is judged."""
    standing = scope.account(address)[4]
    return UNVERIFIED if standing is None else standing[3]


def _merged(parties: Sequence[Party]) -> list[Party]:
    """Each asset and address once, with the sum of its changes; without those whose changes cancel out."""
    sums: dict[tuple[str, str], tuple[int, StandingRow | None]] = {}
    for asset, address, change, standing in parties:
        before = sums.get((asset, address))
        sums[asset, address] = (change if before is None else before[0] + change, standing)
    return [(*place, change, standing) for place, (change, standing) in sums.items() if change]


def _checked_out(
    scope: Scope, row: LimitsRow, rule: Rule, address: str, asset: str, amount: int, went: int, went_before: int
) -> int:
    """Today's sum, if the rule allows it. What expired holds still count is no obstacle, released or not."""
    single, daily, rolling = rule
    if amount > single:
        _refuse("single_out", asset, single, amount)
    back, back_before = _due(scope, row, address, asset, scope.time_ms // DAY_MS)
    if went - back > daily != NONE:
        _refuse("day_out", asset, daily, went - back)
    if went - back + went_before - back_before > rolling != NONE:
        _refuse("rolling_out", asset, rolling, went - back + went_before - back_before)
    return min(went, NONE)


def _checked_in(rule: Rule, asset: str, amount: int, came: int, came_before: int) -> int:
    """Today's sum, if the rule allows it."""
    single, daily, rolling = rule
    if amount > single:
        _refuse("single_in", asset, single, amount)
    if came > daily != NONE:
        _refuse("day_in", asset, daily, came)
    if came + came_before > rolling != NONE:
        _refuse("rolling_in", asset, rolling, came + came_before)
    return min(came, NONE)


def _check_least(scope: Scope, least: int, address: str, asset: str, amount: int) -> None:
    """Whether ``least`` stays, with what is free by the expiry of holds that nobody has released."""
    free = balance(scope, address, asset)[0]
    if free - amount < least:
        _refuse("balance_min", asset, least, free - amount)


def _count_corridor(
    scope: Scope, row: LimitsRow, origin: str, to: str, address: str, asset: str, amount: int, day: int
) -> None:
    corridor = corridor_of(row, origin, to)
    if corridor is None:
        return
    scope.meter.charge(FUEL_PER_WINDOW)
    single, daily, rolling = corridor[4]
    key = layout.corridor_window_key(address, asset, to)
    _, came, went, past = _window(scope, key, day)
    went = min(went + amount, NONE)
    sums = (("single", single, amount), ("day", daily, went), ("rolling", rolling, went + past[1]))
    for name, limit, total in sums:
        if total > limit != NONE:
            _refuse(f"{name} from {origin or 'unknown'} to {to or 'unknown'}", asset, limit, total)
    scope.overlay.put(key, (day, came, went, past))


class _Arrivals:
    """What arrives by the legs of one journal, by asset and country, without what exempt accounts receive."""

    __slots__ = ("_burnt", "_minted", "_own", "_scope", "_totals")

    def __init__(self, scope: Scope, legs: Sequence[Leg]) -> None:
        self._scope = scope
        self._totals: dict[str, dict[str, int]] = {}
        self._own: dict[tuple[str, str], tuple[str, int]] = {}
        self._burnt = {asset: None for asset, party, change in legs if party == SUPPLY and change > 0}
        self._minted = {asset: None for asset, party, change in legs if party == SUPPLY and change < 0}
        for asset, payee, change in legs:
            if change > 0 and payee != SUPPLY and not is_exempt(scope, payee):
                country = country_of(scope, payee)
                totals = self._totals.setdefault(asset, {})
                totals[country] = totals.get(country, 0) + change
                _, before = self._own.get((asset, payee), ("", 0))
                self._own[asset, payee] = (country, before + change)

    def of(self, asset: str, payer: str, amount: int) -> dict[str, int]:
        """Country → what of the payer's ``amount`` goes there at most."""
        countries: dict[str, int] = {}
        for country, total in self._of_others(asset, payer):
            countries[country] = min(total, amount)
        if asset in self._burnt:
            for other in self._minted:
                for country, _ in self._of_others(other, payer):
                    countries[country] = amount
        return countries

    def _of_others(self, asset: str, payer: str) -> list[tuple[str, int]]:
        self._scope.meter.charge(FUEL_PER_ARRIVAL * len(self._totals.get(asset, ())))
        own_country, own = self._own.get((asset, payer), ("", 0))
        left = [
            (country, total - own if country == own_country else total)
            for country, total in self._totals.get(asset, {}).items()
        ]
        return [(country, total) for country, total in left if total]


def _window(scope: Scope, key: bytes, day: int) -> WindowRow:
    """The row as it is on ``day``."""
    row = cast("WindowRow | None", scope.overlay.get(key))
    if row is None:
        return (day, 0, 0, NO_PAST)
    return row if row[0] == day else _turned(row, day)


def _turned(row: WindowRow, day: int) -> WindowRow:
    """A row of an earlier day as it begins ``day``: without the days that count no more."""
    first = day - ROLLING_DAYS + 1
    days = (*row[3][2], row[:3])
    return (day, 0, 0, _past(tuple(entry for entry in days if entry[0] >= first and (entry[1] or entry[2]))))


def _uncount(scope: Scope, key: bytes, day: int, came: int, went: int) -> None:
    """Take amounts off a day that still matters; none goes below zero."""
    row = cast("WindowRow | None", scope.overlay.get(key))
    if row is None:
        return
    today, came_today, went_today, past = row
    if today == day:
        changed: WindowRow = (day, max(came_today - came, 0), max(went_today - went, 0), past)
    else:
        days = tuple((at, max(i - came, 0), max(o - went, 0)) if at == day else (at, i, o) for at, i, o in past[2])
        changed = (today, came_today, went_today, _past(days))
    if changed != row:
        scope.overlay.put(key, changed)


def _past(days: tuple[tuple[int, int, int], ...]) -> PastDays:
    """The days before today, with their sums."""
    return (min(sum(entry[1] for entry in days), NONE), min(sum(entry[2] for entry in days), NONE), days)


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


def _refuse(name: str, asset: str, limit: int, amount: int) -> None:
    refuse("limit_exceeded", f"{name} of {asset} is {limit}, this would make {amount}")
