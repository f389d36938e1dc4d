"""What a node counts and measures, in Prometheus' words. Gauges are read when somebody asks."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from node.seams import Executed
from state import protocol
from state.block import Block
from state.votes import Commit

CODES_MAX = 256
"""Receipt codes counted by name; contracts make their own, and further ones count as ``other``."""

FINALITY_SECONDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of the time from arrival to finality."""

BUILD_LABELS = ("version", "protocol_known")

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Reading:
    """One number, read when asked for."""

    name: str
    help: str
    read: Callable[[], float]
    is_total: bool = False
    """Whether it only grows while the node runs."""


class Metrics(Collector):
    """All of one node's metrics."""

    def __init__(self, readings: list[Reading], version: str = "") -> None:
        """:param version: release of the software."""
        self._readings = readings
        self._version = version
        self._view_changes = 0
        self._codes: Counter[str] = Counter()
        self._run_codes: Counter[str] = Counter()
        self._registry = CollectorRegistry(auto_describe=False)
        self._finality = Histogram(
            "hansa_finality_seconds",
            "From a transaction's arrival at this node to its finality here, of own clients' transactions.",
            buckets=FINALITY_SECONDS,
            registry=self._registry,
        )
        self._registry.register(self)

    def executed(self, block: Block, event: Executed) -> None:
        """Count a block's receipts."""
        _count(self._codes, event.codes)
        _count(self._run_codes, event.run_codes)
        certificate = block.header.parent_certificate
        if certificate is not None and isinstance(certificate.vote, Commit):
            self._view_changes += certificate.vote.view

    def finalised(self, seconds: float) -> None:
        """One transaction of an own client is final."""
        self._finality.observe(seconds)

    def text(self) -> bytes:
        """The exposition format, version 0.0.4."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """What Prometheus' registry asks for."""
        for name, text, counted in (
            ("hansa_transactions", "Executed transactions by receipt code.", self._codes),
            ("hansa_scheduled_runs", "Runs of scheduled calls by receipt code.", self._run_codes),
        ):
            codes = CounterMetricFamily(name, text, labels=["code"])
            for code, count in sorted(counted.items()):
                codes.add_metric([code], count)
            yield codes
        yield CounterMetricFamily(
            "hansa_view_changes",
            "Views that decided no block, of the heights below the newest executed one: turns that a primary missed.",
            value=self._view_changes,
        )
        build = GaugeMetricFamily("hansa_build_info", "1; the labels say which release runs.", labels=BUILD_LABELS)
        build.add_metric([self._version, str(protocol.NEWEST)], 1)
        yield build
        for reading in self._readings:
            family = CounterMetricFamily if reading.is_total else GaugeMetricFamily
            yield family(reading.name, reading.help, value=reading.read())


def _count(counted: Counter[str], codes: Iterable[str]) -> None:
    for code in codes:
        known = code in counted or len(counted) < CODES_MAX
        counted[code if known else "other"] += 1


def disk_bytes(path: Path) -> tuple[int, int]:
    """Room for this user on the disk of a path, and the disk's size; 0 and 0 where it can't be asked."""
    try:
        found = os.statvfs(path)
    except OSError:
        return 0, 0
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def resident_bytes(process_id: int) -> int:
    """Resident memory of a process, 0 when it is gone."""
    try:
        with open(f"/proc/{process_id}/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0
