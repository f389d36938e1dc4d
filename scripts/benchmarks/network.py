"""Four validators on this machine, fsync on, signed same-bank transfers by 1,000 accounts, open loop.

Throughput is counted over a window in which more is offered than is committed; finality at half of that. The
benchmark makes a network of its own in a temporary directory and takes it away again. The bound is measured before and
after the full load, because machines are noisy.
"""

import asyncio
import os
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from node import configuration, devnet, testnet
from node.devnet import Place
from rpc.client import SyncClient
from scripts.benchmarks import load
from scripts.benchmarks.bound import verifies_per_second
from scripts.benchmarks.customers import SUBMITTED_AT_ONCE, encode_batches, open_accounts, sign_transfers
from scripts.benchmarks.processes import cpu_seconds, family, pss_mb

VALIDATORS = 4
ACCOUNTS = 1_000
BASE_PORT = 28_600
READY_SECONDS_MAX = 60.0
OFFERED = 0.35
"""Part of the bound that is offered at full load: more than is committed."""
WARM_SECONDS = 4.0
"""Part of the load before the window opens."""

DRAIN_SECONDS_MAX = 90.0
"""How long the nodes may take to work off the first load."""

IDLE_SECONDS = 1.5
"""So long nothing must be pending before the second load: what is still being verified shows by then."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was committed, and what the nodes used for it, between two readings."""

    committed: int
    seconds: float
    cpu_seconds: float


def run(seconds: float, offered_tps: float | None, execution: str, say: Callable[[str], None]) -> dict[str, Any]:
    """The whole benchmark; its figures."""
    with tempfile.TemporaryDirectory(prefix="hansa-bench-") as directory:
        root = Path(directory)
        base_port = devnet.free_base_port(BASE_PORT, VALIDATORS + 1)
        genesis = testnet.make(root, testnet.seats(VALIDATORS, 1, base_port), name="benchmark")
        validators = [place for place in devnet.places(root, genesis) if place.role == "validator"]
        for place in validators:
            _configure(place, execution)
        try:
            for place in validators:
                devnet.start(place)
            devnet.await_ready(validators, READY_SECONDS_MAX)
            say(f"{VALIDATORS} validators are up; opening {ACCOUNTS} accounts")
            customers = open_accounts(genesis, validators, ACCOUNTS)
            say("measuring how many signatures a second all cores verify")
            verifies = verifies_per_second()
            offered = offered_tps or verifies / VALIDATORS * OFFERED
            count = int(offered * (WARM_SECONDS + seconds))
            say(f"signing {count} transfers")
            batches = encode_batches(sign_transfers(genesis, customers, count))
            say(f"offering {offered:.0f} transfers a second for {WARM_SECONDS + seconds:.0f} s")
            full, sent = asyncio.run(_measure(validators, batches, offered, seconds, sample=False))
            memory_mb = [pss_mb(_pids(place)) for place in validators]
            committed_tps = full.committed / full.seconds
            _drain(validators)
            verifies = (verifies + verifies_per_second()) / 2
            bound_tps = verifies / VALIDATORS
            say(f"{committed_tps:.0f} committed a second; now half of that, for finality")
            half = committed_tps / 2
            again = sign_transfers(genesis, customers[::-1], int(half * (WARM_SECONDS + seconds)))
            halved, calm = asyncio.run(_measure(validators, encode_batches(again), half, seconds, sample=True))
            memory_mb += [pss_mb(_pids(place)) for place in validators]
        finally:
            devnet.stop(validators)
    return {
        "committed_tps": round(committed_tps, 1),
        "finality_ms": _quantiles(calm.finality_ms),
        "core_us_per_tx": round(full.cpu_seconds / max(full.committed, 1) * 1e6, 1),
        "rss_mb_max": round(max(memory_mb), 1),
        "verifies_per_second": round(verifies, 1),
        "bound_tps": round(bound_tps, 1),
        "ratio": round(committed_tps / bound_tps, 3),
        "half_load": {
            "committed_tps": round(halved.committed / halved.seconds, 1),
            "core_us_per_tx": round(halved.cpu_seconds / max(halved.committed, 1) * 1e6, 1),
            "samples": len(calm.finality_ms),
            "refused": calm.refused,
        },
        "full_load": {
            "offered_tps": round(offered, 1),
            "accepted": sent.accepted,
            "refused": sent.refused,
            "left_out": sent.left_out * SUBMITTED_AT_ONCE,
        },
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "validators": VALIDATORS,
            "accounts": ACCOUNTS,
            "execution": execution,
        },
    }


def _configure(place: Place, execution: str) -> None:
    settings = configuration.load(place.home.configuration)
    chosen = replace(settings, node=replace(settings.node, execution=execution))
    place.home.configuration.write_text(configuration.render(chosen))


async def _measure(
    validators: Sequence[Place], batches: Sequence[tuple[bytes, bytes]], tps: float, seconds: float, *, sample: bool
) -> tuple[Window, load.Sent]:
    urls = [place.url for place in validators]
    offering = asyncio.create_task(load.offer(urls, batches, tps / SUBMITTED_AT_ONCE, sample=sample))
    await asyncio.sleep(WARM_SECONDS)
    pids = [pid for place in validators for pid in _pids(place)]
    began, committed, used = time.perf_counter(), _committed(validators[0]), cpu_seconds(pids)
    await asyncio.sleep(max(seconds - 0.5, 0.5))
    window = Window(_committed(validators[0]) - committed, time.perf_counter() - began, cpu_seconds(pids) - used)
    return window, await offering


def _committed(place: Place) -> int:
    """Transactions that are final at the node, from its metrics."""
    with urllib.request.urlopen(f"{place.url}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    return int(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("hansa_transactions_total{")))


def _drain(validators: Sequence[Place]) -> None:
    """Wait until every node has been idle for a while: nothing pending, everything decided executed."""
    deadline = time.monotonic() + DRAIN_SECONDS_MAX
    idle_since = time.monotonic()
    while time.monotonic() < min(idle_since + IDLE_SECONDS, deadline):
        if not all(_is_idle(place) for place in validators):
            idle_since = time.monotonic()
        time.sleep(0.2)


def _is_idle(place: Place) -> bool:
    with SyncClient([place.url]) as client:
        status = client.node_status()
    return status.pool_count == 0 and status.height == status.decided_height


def _pids(place: Place) -> list[int]:
    pid = devnet.pid_of(place)
    if pid is None:
        raise SystemExit(f"bench: {place.member} has ended: {' '.join(devnet.tail(place, 3))}")
    return family(pid)


def _quantiles(samples: Sequence[float]) -> dict[str, float]:
    if len(samples) < 2:
        return {"p50": 0.0, "p99": 0.0}
    cuts = statistics.quantiles(samples, n=100)
    return {"p50": round(cuts[49], 1), "p99": round(cuts[98], 1)}
