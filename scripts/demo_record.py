"""What the demo says while it runs, and what it has to show in the end."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


class Stopped(Exception):
    """The demo cannot go on; the message is a sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must hold, and whether it did."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Step:
    """A transaction and how long it took from its sending until it was final."""

    name: str
    tx: str
    finality_ms: float


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """Where a node ended."""

    name: str
    height: str
    state_root: str


class Record:
    """Steps, checks and nodes, told as they come."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.checks: list[Check] = []
        self.steps: list[Step] = []
        self.nodes: list[NodeRecord] = []

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.began

    def tell(self, sentence: str) -> None:
        """A line of progress."""
        print(f"[{self.seconds:6.1f} s] {sentence}", flush=True)

    def step(self, name: str, tx: str, began: float, ended: float | None = None) -> None:
        """A transaction that is final; ``began`` and ``ended`` are monotonic seconds."""
        ended = time.monotonic() if ended is None else ended
        self.steps.append(Step(name, tx, round((ended - began) * 1000, 1)))

    def check(self, name: str, ok: bool, detail: str) -> None:
        """Something that was checked."""
        self.checks.append(Check(name, ok, detail))
        self.tell(f"{'holds ' if ok else 'FAILED'}  {name}: {detail}")

    @property
    def holds(self) -> bool:
        """Whether every check held; none at all is not enough."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    def write(self, path: Path) -> None:
        """All of it as JSON."""
        document = {
            "checks": [asdict(check) for check in self.checks],
            "steps": [asdict(step) for step in self.steps],
            "nodes": [asdict(node) for node in self.nodes],
        }
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    def summary(self, payments: Sequence[float]) -> None:
        """The closing table. ``payments`` are the finality times of the replayed rows, ms."""
        lines = [("step", "finality ms", "transaction")]
        lines += [(step.name, f"{step.finality_ms:.0f}", step.tx[:18] + "…") for step in self.steps if step.name != ROW]
        if payments:
            ordered = sorted(payments)
            for label, share in (("median", 50), ("p90", 90), ("p99", 99)):
                value = ordered[min(len(ordered) - 1, len(ordered) * share // 100)]
                lines.append((f"{len(ordered)} payments, {label}", f"{value:.0f}", ""))
        table(lines)
        table([("node", "height", "state root"), *((node.name, node.height, node.state_root) for node in self.nodes)])
        table([("check", "", "detail"), *map(_line, self.checks)])
        sys.stdout.flush()


ROW = "payment"
"""Name of the steps of the replayed rows: each is in the JSON, none has a line of its own in the table."""


DETAIL_CHARS_MAX = 88
"""Details were told in full when they were found."""


def _line(check: Check) -> tuple[str, str, str]:
    detail = check.detail if len(check.detail) <= DETAIL_CHARS_MAX else check.detail[:DETAIL_CHARS_MAX] + "…"
    return check.name, "holds" if check.ok else "FAILED", detail


def table(lines: Sequence[tuple[str, ...]]) -> None:
    """Columns that read the same in a terminal, a file and a pipe."""
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    print()
    for number, line in enumerate(lines):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths).rstrip())
