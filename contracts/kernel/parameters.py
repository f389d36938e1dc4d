"""The chain's parameters as the state has them, and how the members change them.

A change is in force L heights after the block that decided it, as the validators' is: what a block may list depends on
some of them, so every node knows them before it judges the block. What is ahead stands in a row of its own, and takes
its place at the beginning of its block.
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
    changed = _changed(scope, name, value)
    if changed.transaction_fuel_max > changed.block_fuel_max:
        refuse("bad_motion", "a block must have room for the fuel of one transaction")
    tariff = cast("layout.TariffRow | None", scope.overlay.get(layout.TARIFF))
    if tariff is not None and 0 < tariff[3] < changed.transaction_fuel_max:
        refuse("bad_motion", f"the quota lets the largest transaction through: it is {tariff[3]}")


def change(scope: Scope, name: str, value: int) -> None:
    """Give a parameter another value L heights later. :raises ContractError: as ``check_change``."""
    check_change(scope, name, value)
    first_height = scope.height + parameter(scope, "execution_lag")
    row = tuple((known, number) for known, number in cast(Any, _changed(scope, name, value).to_value()))
    listed = cast("tuple[tuple[int, Row], ...]", scope.overlay.get(layout.PARAMETERS_AHEAD) or ())
    kept = tuple(entry for entry in listed if entry[0] != first_height)
    _write_ahead(scope.overlay, (*kept, (first_height, row)))
    scope.emit("parameter_set", ("parameter", name), ("value", value), ("first_height", first_height))


def _changed(scope: Scope, name: str, value: int) -> ChainParameters:
    """The newest that are known, with that one changed."""
    known = ahead(scope.overlay)
    return replace(known[-1][1] if known else in_force(scope.overlay), **{name: value})  # type: ignore[arg-type]


def _read(row: Row) -> ChainParameters:
    return ChainParameters(**dict(cast(Any, row)))


def _write_ahead(overlay: Overlay[Row], row: tuple[tuple[int, Row], ...]) -> None:
    if row:
        overlay.put(layout.PARAMETERS_AHEAD, row)
    else:
        overlay.delete(layout.PARAMETERS_AHEAD)
