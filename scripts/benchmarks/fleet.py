"""Validators that run for a measurement: started, loaded with a schedule, read before and after, stopped."""

import asyncio
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from node import devnet
from node.devnet import Place
from rpc.client import SyncClient
from scripts.benchmarks import load
from scripts.benchmarks.prepared import Network
from scripts.benchmarks.processes import Others, cpu_seconds, family, own_mb, pss_mb
from scripts.benchmarks.progress import Progress

READY_SECONDS_MAX = 180.0
"""A node with a million accounts reads all of them as it starts."""

DRAIN_SECONDS_MAX = 120.0
"""How long the nodes may take to work off a load."""

LOOK_SECONDS = 0.1
"""Between two looks at how far a node is."""

WATCHED_PER_SECOND = 100
WATCHED_AT_FULL_LOAD = 10
"""Finality is sampled so often; under full load less, since what waits holds connections."""


@dataclass(frozen=True, slots=True)
class Run:
    """One load and what came of it, from the first batch to the last transaction's finality."""

    offered_tps: float
    offered: int
    committed: int
    seconds: float
    cpu_seconds: float
    """Of all validators."""
    generator_cpu_seconds: float
    sent: load.Sent
    others_share: float
    """Part of the machine that others used meanwhile."""

    @property
    def committed_tps(self) -> float:
        return self.committed / self.seconds

    @property
    def core_us(self) -> float:
        """Processor time of all validators for one transaction."""
        return self.cpu_seconds / max(self.committed, 1) * 1e6

    def figures(self) -> dict[str, Any]:
        """For the JSON."""
        return {
            "offered_tps": round(self.offered_tps, 1),
            "committed_tps": round(self.committed_tps, 1),
            "finality_ms": quantiles(self.sent.finality_ms),
            "accepted_finality_ms": quantiles(self.sent.accepted_ms),
            "samples": len(self.sent.finality_ms),
            "core_us_per_tx": round(self.core_us, 1),
            "offered": self.offered,
            "accepted": self.sent.accepted,
            "committed": self.committed,
            "refused": dict(sorted(self.sent.refused.items())),
            "seconds": round(self.seconds, 2),
            "generator": {
                "late_ms_max": round(self.sent.late_ms_max, 1),
                "core_us_per_tx": round(self.generator_cpu_seconds / self.offered * 1e6, 1),
            },
            "others_share": round(self.others_share, 3),
        }


class Fleet:
    """The validators of a network, running.

    :param seed: what the next load's payments are drawn from; each load takes another.
    """

    def __init__(self, network: Network, accounts: int, progress: Progress, kind: load.Body) -> None:
        self.network = network
        self.accounts = accounts
        self._progress = progress
        self._kind = kind
        self._loads = time.time_ns() & 0xFFFFFFFF
        self._urls = [place.url for place in network.validators]

    @property
    def pids(self) -> list[int]:
        """Processes of all validators."""
        return [pid for place in self.network.validators for pid in pids_of(place)]

    def memory_mb(self) -> float:
        """Of the largest node, all its processes together, mapped files included."""
        return max(pss_mb(pids_of(place)) for place in self.network.validators)

    def own_memory_mb(self) -> float:
        """Without mapped files."""
        return max(own_mb(pids_of(place)) for place in self.network.validators)

    def run(self, tps: float, seconds: float, *, is_full: bool = False) -> Run:
        """Offer so many payments a second for so long, and wait until the nodes have worked them off.

        :param is_full: more is offered than the network is expected to take.
        """
        count = int(tps * seconds)
        self._progress(f"signing {count:,} payments")
        self._loads += 1
        now_ms = time.time_ns() // 1_000_000
        payments = list(self.network.payments(self.accounts, count, self._loads, now_ms))
        batches = load.schedule(payments, tps, WATCHED_AT_FULL_LOAD if is_full else WATCHED_PER_SECOND, self._kind)
        self._progress(f"offering {tps:,.0f} payments a second for {seconds:.0f} s")
        return asyncio.run(self._offer(batches, tps, count))

    def drain(self) -> None:
        """Wait until every node has executed what is decided and nothing is pending."""
        deadline = time.monotonic() + DRAIN_SECONDS_MAX
        while not all(_is_idle(place) for place in self.network.validators):
            if time.monotonic() > deadline:
                raise SystemExit(f"bench: the nodes still have work after {DRAIN_SECONDS_MAX:.0f} s")
            time.sleep(LOOK_SECONDS)

    async def _offer(self, batches: Sequence[load.Batch], tps: float, count: int) -> Run:
        first = self.network.validators[0]
        pids = self.pids
        others = Others(lambda: pids)
        before, used, own = committed(first), cpu_seconds(pids), time.process_time()
        began = last = time.perf_counter()
        final, offering = before, asyncio.create_task(load.offer(self._urls, batches))
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            looked = time.perf_counter()
            found = await asyncio.to_thread(committed, first)
            if found > final:
                final, last = found, looked
            self._progress.tick(f"{looked - began:5.1f} s, {final - before:,} of {count:,} final")
            if offering.done() and await asyncio.to_thread(_is_idle, first) and found == committed(first):
                break
            if looked - began > batches[-1].due_seconds + DRAIN_SECONDS_MAX:
                raise SystemExit(f"bench: the nodes still have work {DRAIN_SECONDS_MAX:.0f} s after the load")
        sent = await offering
        return Run(
            offered_tps=tps,
            offered=count,
            committed=final - before,
            seconds=last - began,
            cpu_seconds=cpu_seconds(pids) - used,
            generator_cpu_seconds=time.process_time() - own,
            sent=sent,
            others_share=others.share(),
        )


@contextmanager
def running(
    network: Network, accounts: int, progress: Progress, kind: load.Body = load.Body.BINARY
) -> Iterator[Fleet]:
    """Validators from start to stop, whatever happens in between."""
    try:
        for place in network.validators:
            devnet.start(place)
        devnet.await_ready(network.validators, READY_SECONDS_MAX)
        yield Fleet(network, accounts, progress, kind)
    finally:
        devnet.stop(network.places)


def committed(place: Place) -> int:
    """Transactions that are final at the node, from its metrics."""
    with urllib.request.urlopen(f"{place.url}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    return int(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("hansa_transactions_total{")))


def pids_of(place: Place) -> list[int]:
    """Processes of a node."""
    pid = devnet.pid_of(place)
    if pid is None:
        raise SystemExit(f"bench: {place.member} has ended: {' '.join(devnet.tail(place, 3))}")
    return family(pid)


def quantiles(samples: Sequence[float], digits: int = 1) -> dict[str, float | None]:
    """p50 and p99 by rank; None where that rank was never final, or nothing was sampled."""
    ordered = sorted(samples)
    found: dict[str, float | None] = {}
    for name, part in (("p50", 0.50), ("p99", 0.99)):
        value = ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else float("inf")
        found[name] = None if value == float("inf") else round(value, digits)
    return found




def _is_idle(place: Place) -> bool:
    with SyncClient([place.url]) as client:
        status = client.node_status()
    return status.pool_count == 0 and status.height == status.decided_height
