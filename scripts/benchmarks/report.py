"""Figures for people: a table, what was to be reached, and how they compare with another run's."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Column, Table

LEFT_OUT = ("targets", "machine")
"""Parts of the JSON that say how it was measured."""

PARTS = ("p50", "p99")

WIDTH = 120
"""Of the table where no terminal says how wide it is."""


def flat(figures: object, name: str = "") -> dict[str, float]:
    """Every number of nested figures under its dotted name; list items by position, or by what tells them apart."""
    if isinstance(figures, bool) or figures is None or isinstance(figures, str):
        return {}
    if isinstance(figures, int | float):
        return {name: float(figures)}
    items = figures.items() if isinstance(figures, Mapping) else enumerate(figures)  # type: ignore[arg-type]
    found: dict[str, float] = {}
    for key, value in items:
        if name or key not in LEFT_OUT:
            found.update(flat(value, f"{name}.{key}" if name else str(key)))
    return found


def ratios(figures: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[float, float, float | None]]:
    """Both numbers of each figure that both runs have, and the first by the second (None for a second of 0)."""
    ours, theirs = flat(figures), flat(other)
    return {
        name: (value, theirs[name], value / theirs[name] if theirs[name] else None)
        for name, value in ours.items()
        if name in theirs
    }


def verdicts(figures: Mapping[str, Any]) -> dict[str, tuple[str, bool]]:
    """For each figure with a target: what it is to be, and whether it is."""
    found = {}
    values = flat(figures.get("figures", {}))
    for name, target in figures.get("targets", {}).items():
        ((kind, limit),) = target.items()
        value = values.get(name)
        met = value is not None and (value <= limit if kind == "most" else value >= limit)
        found[name] = f"{'≤' if kind == 'most' else '≥'} {limit:g}", met
    return found


def show(what: str, figures: Mapping[str, Any], other: Mapping[str, Any] | None = None) -> None:
    """Print the table: every number, but of a network's loads one line each, in a table of their own."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    if "validators" in figures:
        for validators, part in figures["validators"].items():
            show(f"{what}, {validators} validators", part, (other or {}).get("validators", {}).get(validators))
        return
    judged = verdicts(figures)
    table = Table("figure", Column("value", justify="right"), title=f"bench {what}", title_justify="left")
    if judged:
        table.add_column("to reach", justify="right")
        table.add_column("")
    if other is not None:
        table.add_column("other", justify="right")
        table.add_column("ratio", justify="right")
    compared = {} if other is None else ratios(figures, other)
    listed = {name: part for name, part in figures.items() if name not in ("loads", "populations", "full_load")}
    numbers: dict[str, float | None] = {f"figures.{name}": None for name in judged}
    for name, value in (numbers | flat(listed)).items():
        cells = [name.removeprefix("figures."), "not in time" if value is None else spelled(value)]
        if judged:
            target, met = judged.get(cells[0], ("", True)) if name.startswith("figures.") else ("", True)
            cells += [target, ("reached" if met else "missed") if target else ""]
        if other is not None:
            _, theirs, ratio = compared.get(name, (0.0, None, None))
            cells += ["" if theirs is None else spelled(theirs), "" if ratio is None else f"{ratio:.3f}"]
        table.add_row(*cells)
    console.print(table)
    loads = {f"{load['offered_tps']:,.0f}": load for load in curve(figures)}
    loads |= {f"full, {int(name):,} accounts": load for name, load in figures.get("populations", {}).items()}
    if loads:
        console.print(_loads(loads))
    machine = figures.get("machine")
    if isinstance(machine, Mapping) and machine.get("note"):
        console.print(f"Note: {machine['note']}.", style="bold")


def _loads(loads: Mapping[str, Mapping[str, Any]]) -> Table:
    names = ("committed a second", "p50 ms", "p99 ms", "core-us each", "refused", "others use")
    table = Table("offered a second", *(Column(name, justify="right") for name in names))
    for name, load in loads.items():
        finality = ("-" if load["finality_ms"][part] is None else spelled(load["finality_ms"][part]) for part in PARTS)
        table.add_row(
            name,
            spelled(load["committed_tps"]),
            *finality,
            spelled(load["core_us_per_tx"]),
            f"{sum(load['refused'].values()):,}",
            f"{load['others_share']:.0%}",
        )
    return table


def spelled(value: float) -> str:
    """A number as people read it."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.3f}" if abs(value) < 10 else f"{value:,.1f}"


def curve(figures: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The loads of a network, by what was offered."""
    return sorted(figures.get("loads", ()), key=lambda load: float(load["offered_tps"]))
