"""A node that starts with nothing joins a network with a long past: how fast it fetches, checks and executes it.

Two chains are made beforehand (``prepared``): full blocks of payments, and many small ones. The validators that serve
it do nothing else meanwhile. The clock runs from the start of the process to the newest block's execution; the rate
is counted without the time until the node first answers, which a longer chain makes no longer. Beside it stands what
the same validators commit at full load, which a node that joins has to keep up with.

A third chain has many accounts and many blocks: a node joins it by snapshot, then, with an empty home again, by replay.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from node import configuration, devnet
from node.configuration import NodeSettings
from node.devnet import Place
from rpc.client import SyncClient
from rpc.client.core import Unreachable
from scripts.benchmarks import bound, prepared
from scripts.benchmarks.fleet import committed, pids_of, running
from scripts.benchmarks.network import BASE_PORT, full_load
from scripts.benchmarks.processes import Others, cpu_seconds, pss_mb
from scripts.benchmarks.progress import Progress

SYNC_SECONDS_MAX = 600.0
SNAPSHOT_SECONDS_TARGET = 10.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Shape:
    """A past."""

    name: str
    blocks: int
    payments: int
    """In each block."""


SHAPES = (Shape("full_blocks", 100, 500), Shape("small_blocks", 3_000, 5))


@dataclass(frozen=True, slots=True)
class Past:
    """What a node can join by snapshot."""

    accounts: int = 100_000
    blocks: int = 10_048
    """A multiple of SNAPSHOT_HEIGHTS: validators hold the state that they start with."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    validators: int = 4
    accounts: int = 1_000
    shapes: Sequence[Shape] = SHAPES
    seconds: float = 10.0
    """Of the full load."""
    verification_workers: int = 0
    """Of the node that joins."""
    past: Past = Past()


def run(plan: Plan, progress: Progress) -> dict[str, Any]:
    """The whole benchmark; its figures."""
    found: dict[str, Any] = {}
    peak_tps = 0.0
    for number, shape in enumerate(plan.shapes):
        with tempfile.TemporaryDirectory(prefix="hansa-bench-") as directory, ExitStack() as stack:
            network = _network(Path(directory), plan, shape, progress)
            fleet = stack.enter_context(running(network, plan.accounts, progress))
            progress("a node with an empty home joins")
            found[shape.name] = joined(network.observers[0], network.validators[0], shape, progress)
            if number == 0:
                bound_tps = bound.measure().per_second / plan.validators
                peak_tps = full_load(fleet, plan.seconds, bound_tps).committed_tps
    rate = found[plan.shapes[0].name]["payments_per_second"]
    past = run_past(plan, None, progress)
    return {
        "figures": {"sync_by_peak": round(rate / peak_tps, 2), **past["figures"]},
        "targets": {"sync_by_peak": {"least": 1.0}, **past["targets"]},
        "past": past["past"],
        "peak_tps": round(peak_tps, 1),
        **found,
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "validators": plan.validators,
            "verification_workers": plan.verification_workers,
        },
    }


def run_past(plan: Plan, root: Path | None, progress: Progress) -> dict[str, Any]:
    """How a node joins by snapshot and by replay. :param root: where the network is kept; None for a passing one."""
    with tempfile.TemporaryDirectory(prefix="hansa-bench-") as directory:
        past = join_the_past(root or Path(directory) / "network", plan, plan.past, progress)
    return {
        "figures": {
            "snapshot_join_seconds": past["snapshot"]["seconds"],
            "replay_blocks_per_second": past["replay"]["blocks_per_second"],
        },
        "targets": {"snapshot_join_seconds": {"most": SNAPSHOT_SECONDS_TARGET}},
        "past": past,
    }


def join_the_past(root: Path, plan: Plan, past: Past, progress: Progress) -> dict[str, Any]:
    """A node joins the same chain by snapshot, then by replay. What is at ``root`` already is used again."""
    if (root / prepared.READY).exists():
        network = prepared.load(root)
    else:
        network = prepared.make(root, plan.validators, BASE_PORT, lambda usual: usual)
        writer = prepared.Writer(network)
        writer.open_accounts(past.accounts, progress.tick)
        progress(f"making {past.blocks:,} blocks over {past.accounts:,} accounts")
        writer.pay(past.accounts, past.blocks - writer.chain.height, 1, progress.tick)
        writer.finish()
        (root / prepared.READY).touch()
    found: dict[str, Any] = {"accounts": past.accounts}
    shape, place = Shape("past", past.blocks, 1), network.observers[0]
    with running(network, past.accounts, progress):
        for way in ("snapshot", "replay"):
            loaded = configuration.load(place.home.configuration)
            settings = replace(loaded.node, sync=way, verification_workers=plan.verification_workers)
            place.home.configuration.write_text(configuration.render(replace(loaded, node=settings)))
            for path in (place.home.chain, place.home.state):  # The journal stays: without it no node starts.
                shutil.rmtree(path, ignore_errors=True)
            place.home.anchor.unlink(missing_ok=True)
            progress(f"a node with an empty home joins by {way}")
            found[way] = joined(place, network.validators[0], shape, progress)
            devnet.stop([place])
    return found


def joined(place: Place, source: Place, shape: Shape, progress: Progress) -> dict[str, Any]:
    """Start the node and wait until it is where the others are."""
    target = _height(source) or 0
    began = time.perf_counter()
    devnet.start(place)
    others = Others(lambda: pids_of(place))
    answered, first = 0.0, 0
    height = 0
    while height < target:
        if time.perf_counter() - began > SYNC_SECONDS_MAX:
            raise SystemExit(f"bench: after {SYNC_SECONDS_MAX:.0f} s the node is at block {height} of {target}")
        time.sleep(LOOK_SECONDS)
        found = _height(place)
        if found is None:
            continue
        if not answered:
            answered, first = time.perf_counter(), found
        height = found
        progress.tick(f"{time.perf_counter() - began:5.1f} s, block {height:,} of {target:,}")
    ended, pids = time.perf_counter(), pids_of(place)
    used, count = {pid: cpu_seconds([pid]) for pid in pids}, committed(place)
    spent = max(ended - answered, LOOK_SECONDS)
    done = (target - first) / target
    figures = {
        "blocks": target,
        "payments": count,
        "seconds": round(ended - began, 2),
        "seconds_to_first_answer": round(answered - began, 2),
        "blocks_per_second": round((target - first) / spent, 1),
        "payments_per_second": round(count * done / spent, 1),
        "core_us_per_payment": round(sum(used.values()) / max(count, 1) * 1e6, 1),
        "core_us_by_process": [round(seconds / max(count, 1) * 1e6, 1) for seconds in used.values()],
        "memory_mb": round(pss_mb(pids), 1),
        "others_share": round(others.share(), 3),
    }
    progress(
        f"{shape.name}: {figures['payments_per_second']:,.0f} payments and {figures['blocks_per_second']:,.0f} blocks "
        "a second"
    )
    return figures


def _network(root: Path, plan: Plan, shape: Shape, progress: Progress) -> prepared.Network:
    def settings(usual: NodeSettings) -> NodeSettings:
        return replace(usual, verification_workers=plan.verification_workers)

    network = prepared.make(root / "network", plan.validators, BASE_PORT, settings)
    writer = prepared.Writer(network)
    writer.open_accounts(plan.accounts, progress.tick)
    progress(f"making {shape.blocks:,} blocks of {shape.payments} payments")
    writer.pay(plan.accounts, shape.blocks, shape.payments, progress.tick)
    writer.finish()
    return network


def _height(place: Place) -> int | None:
    """The newest executed block; None before the node answers."""
    try:
        with SyncClient([place.url]) as client:
            return int(client.node_status().height)
    except Unreachable:
        return None
