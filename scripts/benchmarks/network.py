"""Validators on this machine, fsync on, signed payments within banks, an open loop of clients.

First more is offered than the network can take: its rate, its processor time for a transaction and the ratio to the
bound are of that whole load, from the first batch to the last transaction's finality. Then finality is measured at a
thousand a second and at parts of that rate. With a second size of population the full load is repeated on a
network of its own that has so many accounts. The bound is measured before and after each network's loads, because
machines are noisy. Networks are made in a temporary directory and taken away again, or kept where ``directory`` says
and gone on with next time.
"""

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from node.configuration import NodeSettings
from scripts.benchmarks import bound, prepared
from scripts.benchmarks.bound import Bound
from scripts.benchmarks.fleet import Fleet, Run, running
from scripts.benchmarks.load import Body
from scripts.benchmarks.progress import Progress

BASE_PORT = 28_600
FULL_PART = 0.75
"""Part of the bound that is offered while the full rate is looked for: more than any network here commits."""
SEARCH_SECONDS = 4.0
"""How long that goes on; programs and caches come to their size by it too."""
WARM_SECONDS = 3.0
"""Before a low rate is measured, for the same reason."""
FULL_SURPLUS = 1.25
"""Full load is so much more than was committed then, or in the last try."""
FULL_TRIES = 4
KEPT_UP = 0.93
"""A network that commits this part of what is offered, filling up and working off included, has kept up: not full."""
FIXED_TPS = 1_000.0
"""A rate whose finality is a figure of its own."""
PARTS = (0.25, 0.5, 0.75, 0.9)
"""Parts of the rate at full load at which finality is measured."""
HALF = 0.5
BUSY_SHARE = 0.05
"""Of the machine: if others use more than that, the figures are not of a quiet machine."""

TARGETS = {
    "core_us_per_tx_by_verify": ("most", 7.0),
    "ratio": ("least", 0.5),
    "finality_ms_at_1000.p50": ("most", 40.0),
    "finality_ms_at_1000.p99": ("most", 100.0),
    "finality_ms_at_half.p99": ("most", 150.0),
    "rate_of_accounts": ("least", 0.85),
    "memory_mb_of_accounts": ("most", 450.0),
}
"""What is to be reached."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    validators: int = 4
    accounts: Sequence[int] = (1_000, 1_000_000)
    """The first has all loads; each further one the full load."""
    seconds: float = 15.0
    """Of the full load, and of each other."""
    offered_tps: float | None = None
    """At full load; None to look for it."""
    execution: str = "process"
    verification_workers: int = 0
    body: Body = Body.BINARY
    """How clients send."""
    directory: Path | None = None
    is_curve: bool = True
    """Whether finality is measured at all PARTS, or at half only."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one network came to under full load."""

    full: Run
    bound: Bound
    memory_mb: float
    own_memory_mb: float
    curve: tuple[Run, ...]


def run(plan: Plan, progress: Progress) -> dict[str, Any]:
    """The whole benchmark; its figures."""
    first = _loaded(plan, plan.accounts[0], progress, is_first=True)
    others = {accounts: _loaded(plan, accounts, progress, is_first=False) for accounts in plan.accounts[1:]}
    half = _at(first, first.full.committed_tps * HALF)
    fixed = _at(first, FIXED_TPS)
    bound_tps = first.bound.per_second / plan.validators
    figures: dict[str, Any] = {
        "core_us_per_tx_by_verify": round(first.full.core_us / first.bound.core_us, 2),
        "ratio": round(first.full.committed_tps / bound_tps, 3),
        "finality_ms_at_1000": None if fixed is None else fixed.figures()["finality_ms"],
        "finality_ms_at_half": None if half is None else half.figures()["finality_ms"],
        "finality_ms_of_accepted_at_full": first.full.figures()["accepted_finality_ms"],
    }
    if others:
        last = others[plan.accounts[-1]]
        figures["rate_of_accounts"] = round(last.full.committed_tps / first.full.committed_tps, 3)
        by_bound = [each.full.committed_tps / each.bound.per_second for each in (last, first)]
        figures["rate_of_accounts_by_bound"] = round(by_bound[0] / by_bound[1], 3)
        figures["core_us_of_accounts"] = round(last.full.core_us / first.full.core_us, 3)
        figures["own_memory_mb_of_accounts"] = round(last.own_memory_mb, 1)
        figures["memory_mb_of_accounts"] = round(last.memory_mb, 1)
    runs = [first.full, *first.curve, *(loaded.full for loaded in others.values())]
    busiest = max(run.others_share for run in runs)
    return {
        "figures": figures,
        "targets": {name: {kind: value} for name, (kind, value) in TARGETS.items() if _has(figures, name)},
        "committed_tps": round(first.full.committed_tps, 1),
        "finality_ms": figures["finality_ms_at_half"],
        "core_us_per_tx": round(first.full.core_us, 1),
        "rss_mb_max": round(first.memory_mb, 1),
        "verify_core_us": round(first.bound.core_us, 2),
        "verifies_per_second": round(first.bound.per_second, 1),
        "bound_tps": round(bound_tps, 1),
        "ratio": figures["ratio"],
        "full_load": first.full.figures(),
        "loads": [found.figures() for found in first.curve],
        "populations": {
            str(accounts): {
                **loaded.full.figures(),
                "memory_mb": round(loaded.memory_mb, 1),
                "own_memory_mb": round(loaded.own_memory_mb, 1),
                "ratio": round(loaded.full.committed_tps / (loaded.bound.per_second / plan.validators), 3),
                "bound": {name: round(value, 2) for name, value in asdict(loaded.bound).items()},
            }
            for accounts, loaded in {plan.accounts[0]: first, **others}.items()
        },
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "validators": plan.validators,
            "accounts": list(plan.accounts),
            "execution": plan.execution,
            "verification_workers": plan.verification_workers,
            "body": plan.body.value,
            "others_share_max": round(busiest, 3),
            "note": _note(busiest),
        },
    }


def sizes(plan: Plan, counts: Sequence[int], progress: Progress) -> dict[str, Any]:
    """Networks of several sizes, each under full load and half of it."""
    found = {}
    for validators in counts:
        progress(f"{validators} validators")
        chosen = replace(plan, validators=validators, accounts=plan.accounts[:1], is_curve=False)
        found[str(validators)] = run(chosen, progress)
    return {"validators": found}


def full_load(fleet: Fleet, seconds: float, bound_tps: float, offered_tps: float | None = None) -> Run:
    """More than the network commits, but not many times more: turning clients away costs time too."""
    found = fleet.run(offered_tps or bound_tps * FULL_PART, SEARCH_SECONDS, is_full=True)
    for _ in range(FULL_TRIES):
        offered = offered_tps or found.committed_tps * FULL_SURPLUS
        fleet.drain()
        found = fleet.run(offered, seconds, is_full=True)
        if offered_tps or found.committed_tps < offered * KEPT_UP:
            break
    return found


def make_network(root: Path, plan: Plan, accounts: int, progress: Progress) -> prepared.Network:
    """A network with so many accounts, or the one that is there already."""
    if (root / prepared.READY).exists():
        return prepared.load(root)

    def settings(usual: NodeSettings) -> NodeSettings:
        return replace(usual, execution=plan.execution, verification_workers=plan.verification_workers)

    network = prepared.make(root, plan.validators, BASE_PORT, settings)
    writer = prepared.Writer(network)
    progress(f"opening {accounts:,} accounts at {plan.validators} banks")
    writer.open_accounts(accounts, progress.tick)
    writer.finish()
    (root / prepared.READY).touch()
    return network


def _loaded(plan: Plan, accounts: int, progress: Progress, *, is_first: bool) -> Loaded:
    with ExitStack() as stack:
        name = f"{plan.validators}-validators-{accounts}-accounts"
        parent = plan.directory or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hansa-bench-")))
        network = make_network(parent / name, plan, accounts, progress)
        progress("starting the validators")
        fleet = stack.enter_context(running(network, accounts, progress, plan.body))
        before = _bound(progress)
        full = full_load(fleet, plan.seconds, before.per_second / plan.validators, plan.offered_tps)
        memory_mb = fleet.memory_mb()
        progress(f"{full.committed_tps:,.0f} committed a second, {full.core_us:.0f} core-us each")
        fleet.drain()
        found = bound.mean_of(before, _bound(progress))
        curve = _curve(fleet, plan, full.committed_tps, progress) if is_first else ()
        return Loaded(full, found, max(memory_mb, fleet.memory_mb()), fleet.own_memory_mb(), curve)


def _curve(fleet: Fleet, plan: Plan, full_tps: float, progress: Progress) -> tuple[Run, ...]:
    rates = {FIXED_TPS, *(full_tps * part for part in (PARTS if plan.is_curve else (HALF,)))}
    found = []
    for tps in sorted(rates):
        run = fleet.run(tps, plan.seconds)
        fleet.drain()
        finality = run.figures()["finality_ms"]
        progress(f"at {tps:,.0f} a second finality takes {finality['p50']} ms (p50), {finality['p99']} ms (p99)")
        found.append(run)
    return tuple(found)


def _bound(progress: Progress) -> Bound:
    found = bound.measure()
    progress(f"all cores verify {found.per_second:,.0f} signatures a second, {found.core_us:.1f} core-us each")
    return found


def _at(loaded: Loaded, tps: float) -> Run | None:
    return next((run for run in loaded.curve if run.offered_tps == tps), None)


def _has(figures: dict[str, Any], name: str) -> bool:
    head, _, tail = name.partition(".")
    found = figures.get(head)
    return found is not None and (not tail or tail in found)


def _note(others_share: float) -> str:
    if others_share <= BUSY_SHARE:
        return ""
    return f"the machine was busy: others used up to {others_share:.0%} of it meanwhile; measure again when it is quiet"
