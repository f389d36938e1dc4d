"""The chain's parameters as the state has them, and how the members change them.

A change is in force L heights after the block that decided it, as the validators' is: what a block may list depends on
some of them, so every node knows them before it judges the block. What is ahead stands in a row of its own, and takes
its place at the beginning of its block.

The protocol's version is one of them. As every member needs software that knows the next one, the vote names the height
from which it is in force; of those that are ahead there is one at most that a vote can still move or call off.
"""

from dataclasses import replace
from typing import Any, cast

from contracts.kernel import layout
from contracts.kernel.codes import refuse
from contracts.kernel.layout import Row
from contracts.kernel.scope import Scope
from state.overlay import Overlay
from state.parameters import VOTED, ChainParameters

Known = tuple[tuple[int, ChainParameters], ...]
"""(First height, parameters), ascending."""

ACTIVATION_HEIGHTS_MAX = 100_000_000
"""How far ahead another version of the protocol can be voted: months, at the fastest pace."""


def parameter(scope: Scope, name: str) -> int:
    """The parameter of that name. :raises AssertionError: there is none, or it is no number."""
    row = scope.overlay.get(layout.PARAMETERS)
    assert row is not None, "a chain without parameters"
    for known, value in cast("tuple[tuple[str, object], ...]", row):
        if known == name:
            assert type(value) is int, f"{name} is no number"
            return value
    raise AssertionError(f"no parameter is named {name}")


def in_force(overlay: Overlay[Row]) -> ChainParameters:
    """Those of the block that runs."""
    row = overlay.get(layout.PARAMETERS)
    assert row is not None, "a chain without parameters"
    return _read(row)


def ahead(overlay: Overlay[Row]) -> Known:
    """Those of later heights, as far as they differ."""
    row = overlay.get(layout.PARAMETERS_AHEAD)
    return () if row is None else tuple((first, _read(listed)) for first, listed in cast(Any, row))


def enter(overlay: Overlay[Row], height: int) -> None:
    """Put in force what begins with the block of this height."""
    row = cast("tuple[tuple[int, Row], ...] | None", overlay.get(layout.PARAMETERS_AHEAD))
    if row is None or row[0][0] > height:
        return
    overlay.put(layout.PARAMETERS, row[0][1])
    _write_ahead(overlay, row[1:])


def check_change(scope: Scope, name: str, value: int) -> None:
    """Whether the parameter can have that value. :raises ContractError: bad_motion."""
    if name not in VOTED:
        refuse("bad_motion", f"the members vote on {', '.join(VOTED)}; the rest is the network's from its birth")
    low, high = VOTED[name]
    if not low <= value <= high:
        refuse("bad_motion", f"{name} is from {low} to {high}")
    changed = replace(_at(scope, _first_free(scope)), **{name: value})  # type: ignore[arg-type]
    if changed.transaction_fuel_max > changed.block_fuel_max:
        refuse("bad_motion", "a block must have room for the fuel of one transaction")
    tariff = cast("layout.TariffRow | None", scope.overlay.get(layout.TARIFF))
    if tariff is not None and 0 < tariff[3] < changed.transaction_fuel_max:
        refuse("bad_motion", f"the quota lets the largest transaction through: it is {tariff[3]}")


def change(scope: Scope, name: str, value: int) -> None:
    """Give a parameter another value L heights later. :raises ContractError: as ``check_change``."""
    check_change(scope, name, value)
    first_height = _first_free(scope)
    known = dict(ahead(scope.overlay))
    known.setdefault(first_height, _at(scope, first_height))
    changed = {
        first: replace(row, **{name: value}) if first >= first_height else row  # type: ignore[arg-type]
        for first, row in known.items()
    }
    _write_known(scope, changed)
    scope.emit("parameter_set", ("parameter", name), ("value", value), ("first_height", first_height))


def check_protocol(scope: Scope, version: int, first_height: int) -> None:
    """Whether that version of the protocol can be in force from that height on. Nodes differ in which versions their
    software knows, so nothing here depends on it.

    :raises ContractError: bad_motion.
    """
    earliest = _first_free(scope)
    now = _at(scope, earliest - 1).protocol_version
    if version == now and first_height == 0:
        return
    if version != now + 1:
        refuse("bad_motion", f"the next version is {now + 1}; {now} with the height 0 calls off what is ahead")
    latest = scope.height + ACTIVATION_HEIGHTS_MAX
    if not earliest <= first_height <= latest:
        refuse("bad_motion", f"it can be in force from a height from {earliest} to {latest} on")


def set_protocol(scope: Scope, version: int, first_height: int) -> None:
    """Have another version of the protocol in force from a height on, in the place of what was voted before; or call
    that off. :raises ContractError: as ``check_protocol``."""
    check_protocol(scope, version, first_height)
    earliest = _first_free(scope)
    before = _at(scope, earliest - 1)
    known = dict(ahead(scope.overlay))
    if first_height:
        known.setdefault(first_height, _at(scope, first_height))
    changed: dict[int, ChainParameters] = {}
    for first in sorted(known):
        row = known[first]
        if first >= earliest:
            is_begun = 0 < first_height <= first
            row = replace(row, protocol_version=version if is_begun else before.protocol_version)
        if row != (changed[max(changed)] if changed else in_force(scope.overlay)):
            changed[first] = row
    _write_known(scope, changed)
    scope.emit("protocol_set", ("version", version), ("first_height", first_height))


def _first_free(scope: Scope) -> int:
    """The first height whose parameters no node goes by yet."""
    return scope.height + parameter(scope, "execution_lag")


def _at(scope: Scope, height: int) -> ChainParameters:
    """Those of a height from this one on, as far as is voted."""
    found = in_force(scope.overlay)
    for first, known in ahead(scope.overlay):
        if first <= height:
            found = known
    return found


def _write_known(scope: Scope, known: dict[int, ChainParameters]) -> None:
    rows = ((first, tuple(map(tuple, cast(Any, known[first].to_value())))) for first in sorted(known))
    _write_ahead(scope.overlay, tuple(rows))


def _read(row: Row) -> ChainParameters:
    return ChainParameters(**dict(cast(Any, row)))


def _write_ahead(overlay: Overlay[Row], row: tuple[tuple[int, Row], ...]) -> None:
    if row:
        overlay.put(layout.PARAMETERS_AHEAD, row)
    else:
        overlay.delete(layout.PARAMETERS_AHEAD)
