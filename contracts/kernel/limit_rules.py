"""Setting limits: an asset's issuer sets them, regulators and courts cap them, nobody loosens another's.

A rule is set whole: what is not named in it is not limited by it, and an empty one is taken away. What is in force is
worked out here, when something is set, so that a posting finds it in one look.
"""

from collections.abc import Sequence
from typing import cast

from contracts.kernel import assets, layout, members
from contracts.kernel.codes import refuse
from contracts.kernel.countries import COUNTRIES
from contracts.kernel.layout import Caps, ClassRow, CorridorRow, LimitsRow, Rule
from contracts.kernel.limits import (
    CORRIDOR_NAMES,
    CORRIDOR_UNLIMITED,
    NAMES,
    NONE,
    UNLIMITED,
    corridor_of,
    limits_of,
    rule_of,
)
from contracts.kernel.scope import Scope
from state.codec import INT_MAX

CLASSES_MAX = 32
"""Risk classes of one asset with limits of their own."""

CORRIDORS_MAX = 128
"""Corridors of one asset with limits."""

COUNTRIES_MAX = 256
"""Countries in one list: all there are."""

FUEL_PER_RULE = 400
"""For each risk class and corridor that has limits: they stand in one row, which is written anew with each change."""

Named = Sequence[tuple[str, int]]
"""Name and amount, as a contract gives limits."""


def set_limits(scope: Scope, asset: str, risk_class: str, named: Named) -> None:
    """The issuer's limits for a risk class ("" for all). :raises ContractError: with a code of the kernel's."""
    _check_issuer(scope, asset)
    _set_class(scope, asset, risk_class, "", _rule(NAMES, UNLIMITED, named))


def cap_limits(scope: Scope, asset: str, risk_class: str, named: Named) -> None:
    """The sender's caps on them; the sender is a regulator or court. :raises ContractError: a kernel code."""
    assets.asset(scope, asset)
    _set_class(scope, asset, risk_class, official(scope, "limits_unauthorised"), _rule(NAMES, UNLIMITED, named))


def set_corridor(scope: Scope, asset: str, origin: str, to: str, named: Named) -> None:
    """The issuer's limits from one country to another. :raises ContractError: with a code of the kernel's."""
    _check_issuer(scope, asset)
    _set_corridor(scope, asset, origin, to, "", _rule(CORRIDOR_NAMES, CORRIDOR_UNLIMITED, named))


def cap_corridor(scope: Scope, asset: str, origin: str, to: str, named: Named) -> None:
    """The sender's caps on them; the sender is a regulator or court. :raises ContractError: a kernel code."""
    assets.asset(scope, asset)
    rule = _rule(CORRIDOR_NAMES, CORRIDOR_UNLIMITED, named)
    _set_corridor(scope, asset, origin, to, official(scope, "limits_unauthorised"), rule)


def set_jurisdictions(scope: Scope, asset: str, only: bool, countries: Sequence[str]) -> None:
    """The issuer's list of countries whose parties alone take part, or do not; an empty one of the latter ends it.

    :raises ContractError: with a code of the kernel's.
    """
    _check_issuer(scope, asset)
    listed = _countries(countries)
    key = layout.jurisdictions_key(asset)
    if listed or only:
        scope.overlay.put(key, (only, listed))
    else:
        scope.overlay.delete(key)
    _mark(scope, asset, layout.JURISDICTIONS, bool(listed or only))
    scope.emit("jurisdictions", ("asset", asset), ("only", only), ("countries", [*listed]), ("by", ""))


def refuse_jurisdictions(scope: Scope, countries: Sequence[str]) -> None:
    """The countries whose parties the network refuses by the word of the sender, a regulator or court.

    :raises ContractError: with a code of the kernel's.
    """
    member = official(scope, "limits_unauthorised")
    listed = _countries(countries)
    by_member = dict(cast("tuple[tuple[str, tuple[str, ...]], ...]", _network(scope)[1]))
    by_member[member] = listed
    kept = tuple((name, their) for name, their in sorted(by_member.items()) if their)
    if kept:
        refused = tuple(sorted({country for _, their in kept for country in their}))
        scope.overlay.put(layout.NETWORK_JURISDICTIONS, (refused, kept))
    else:
        scope.overlay.delete(layout.NETWORK_JURISDICTIONS)
    scope.emit("jurisdictions", ("asset", ""), ("only", False), ("countries", [*listed]), ("by", member))


def limits_in_force(scope: Scope, asset: str, risk_class: str) -> list[tuple[str, int]]:
    """What holds for a risk class, the issuer's and all caps together. :raises ContractError: unknown_asset."""
    assets.asset(scope, asset)
    row = limits_of(scope, asset)
    return [] if row is None else named(NAMES, rule_of(row, risk_class))


def corridor_in_force(scope: Scope, asset: str, origin: str, to: str) -> list[tuple[str, int]]:
    """What holds from one country to another. :raises ContractError: unknown_asset."""
    assets.asset(scope, asset)
    row = limits_of(scope, asset)
    corridor = None if row is None else corridor_of(row, origin, to)
    return [] if corridor is None else named(CORRIDOR_NAMES, corridor[4])


def official(scope: Scope, code: str) -> str:
    """Member id of the sender, a regulator or court whose keys have agreed. :raises ContractError: ``code``."""
    member = members.member_of(scope, scope.sender)
    if not member or members.member(scope, member)[3] not in members.OFFICIALS or not scope.policy_met(scope.sender):
        refuse(code, "the sender is no regulator or court, or its keys have not agreed")
    return member


def named(names: Sequence[str], rule: Rule) -> list[tuple[str, int]]:
    """The limits of a rule by name, those that there are."""
    return [
        (name, amount)
        for name, amount in zip(names, rule, strict=True)
        if amount != (0 if name == "balance_min" else NONE)
    ]


def _check_issuer(scope: Scope, asset: str) -> None:
    issuer = assets.asset(scope, asset)[0]
    if not scope.policy_met(members.member(scope, issuer)[4]):
        refuse("limits_unauthorised", f"the keys of the issuer of {asset} have not agreed")


def _rule(names: Sequence[str], nothing: Rule, given: Named) -> Rule:
    """The rule of these names and amounts. :raises ContractError: bad_limits."""
    amounts = dict(zip(names, nothing, strict=True))
    seen: dict[str, int] = {}
    for name, amount in given:
        if name not in amounts or name in seen:
            refuse("bad_limits", f"limits are {', '.join(names)}, each once")
        if type(amount) is not int or not 0 <= amount <= INT_MAX:
            refuse("bad_limits", "a limit is from 0 to 2^63 - 1 minor units")
        seen[name] = amount
    if seen.get("balance_min", 0) > seen.get("balance_max", INT_MAX):
        refuse("bad_limits", "balance_min is above balance_max")
    return tuple((amounts | seen).values())


def _tightest(rules: Sequence[Rule], *, is_class: bool) -> Rule:
    """The tightest of each limit: the highest balance_min, the lowest of the others."""
    tight = tuple(map(min, zip(*rules, strict=True)))
    return (max(rule[0] for rule in rules), *tight[1:]) if is_class else tight


def _with(given: tuple[Rule, Caps], member: str, rule: Rule, nothing: Rule) -> tuple[Rule, Caps]:
    """Issuer's rule and caps with one of them replaced: a member's cap, or the issuer's rule for no member."""
    issuers, caps = given
    if not member:
        return rule, caps
    others = [cap for cap in caps if cap[0] != member]
    return issuers, tuple(sorted([*others, (member, rule)] if rule != nothing else others))


def _set_class(scope: Scope, asset: str, risk_class: str, member: str, rule: Rule) -> None:
    if risk_class and layout.NAME.fullmatch(risk_class) is None:
        refuse("bad_limits", "a risk class is a name: a-z, 0-9 and _, at most 32 letters")
    since_ms, classes, corridors = limits_of(scope, asset) or (scope.time_ms, (), ())
    kept = {name: (issuers, caps) for name, issuers, caps, _ in classes}
    kept[risk_class] = _with(kept.get(risk_class, (UNLIMITED, ())), member, rule, UNLIMITED)
    if kept[risk_class] == (UNLIMITED, ()):
        del kept[risk_class]
    if len(kept) > CLASSES_MAX:
        refuse("bad_limits", f"an asset has limits for at most {CLASSES_MAX} risk classes")
    for_all = kept.get("", (UNLIMITED, ()))
    rows: list[ClassRow] = []
    for name, (issuers, caps) in sorted(kept.items()):
        rules = [issuers, *[cap for _, cap in caps], for_all[0], *[cap for _, cap in for_all[1]]]
        rows.append((name, issuers, caps, _tightest(rules, is_class=True)))
    _write(scope, asset, (since_ms, tuple(rows), corridors))
    scope.emit(
        "limits",
        ("asset", asset),
        ("risk_class", risk_class),
        ("by", member),
        ("limits", [[*pair] for pair in named(NAMES, rule)]),
    )


def _set_corridor(scope: Scope, asset: str, origin: str, to: str, member: str, rule: Rule) -> None:
    for country in (origin, to):
        if country and country not in COUNTRIES:
            refuse("bad_limits", f"{country[:16]} is no country of ISO 3166-1")
    since_ms, classes, corridors = limits_of(scope, asset) or (scope.time_ms, (), ())
    kept: dict[tuple[str, str], tuple[Rule, Caps, int]] = {row[:2]: (row[2], row[3], row[5]) for row in corridors}
    known = kept.get((origin, to), (CORRIDOR_UNLIMITED, (), scope.time_ms))
    pair = _with(known[:2], member, rule, CORRIDOR_UNLIMITED)
    kept[origin, to] = (*pair, known[2])
    if pair == (CORRIDOR_UNLIMITED, ()):
        del kept[origin, to]
    if len(kept) > CORRIDORS_MAX:
        refuse("bad_limits", f"an asset has limits for at most {CORRIDORS_MAX} corridors")
    rows: list[CorridorRow] = []
    for (start, end), (issuers, caps, counted_ms) in sorted(kept.items()):
        in_force = _tightest([issuers, *[cap for _, cap in caps]], is_class=False)
        rows.append((start, end, issuers, caps, in_force, counted_ms))
    _write(scope, asset, (since_ms, classes, tuple(rows)))
    scope.emit(
        "corridor",
        ("asset", asset),
        ("from", origin),
        ("to", to),
        ("by", member),
        ("limits", [[*pair] for pair in named(CORRIDOR_NAMES, rule)]),
    )


def _write(scope: Scope, asset: str, row: LimitsRow) -> None:
    """Write the row, and the bit that says that it is there. Windows of an asset without limits are not kept up."""
    scope.meter.charge(FUEL_PER_RULE * (len(row[1]) + len(row[2])))
    is_there = bool(row[1] or row[2])
    if is_there:
        scope.overlay.put(layout.limits_key(asset), row)
    else:
        scope.overlay.delete(layout.limits_key(asset))
    _mark(scope, asset, layout.LIMITED, is_there)


def _mark(scope: Scope, asset: str, bit: int, is_set: bool) -> None:
    row = assets.asset(scope, asset)
    flags = cast(int, row[layout.ASSET_FLAGS])
    marked = flags | bit if is_set else flags & ~bit
    if marked != flags:
        scope.overlay.put(layout.asset_key(asset), (*row[: layout.ASSET_FLAGS], marked, *row[layout.ASSET_FLAGS + 1 :]))


def _network(scope: Scope) -> layout.Row:
    return scope.overlay.get(layout.NETWORK_JURISDICTIONS) or ((), ())


def _countries(countries: Sequence[str]) -> tuple[str, ...]:
    """A list of countries in order, each once. :raises ContractError: bad_limits."""
    if len(countries) > COUNTRIES_MAX:
        refuse("bad_limits", f"a list has at most {COUNTRIES_MAX} countries")
    for country in countries:
        if country not in COUNTRIES:
            refuse("bad_limits", f"{country[:16]} is no country of ISO 3166-1")
    return tuple(sorted(set(countries)))
