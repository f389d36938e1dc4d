"""Puts measured figures into docs/performance.md, between two marks: nobody types them.

Each file is what a benchmark has written by ``--json``; which one it is shows in what it holds.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.report import flat, spelled, verdicts

PAGE = Path(__file__).parent.parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- figures begin -->", "<!-- figures end -->"

NAMES = {
    "core_us_per_tx_by_verify": "processor time of a transaction, all validators, ÷ V",
    "ratio": "rate at full load ÷ bound, whole run counted",
    "finality_ms_at_1000.p50": "finality at 1,000 a second, p50, ms",
    "finality_ms_at_1000.p99": "finality at 1,000 a second, p99, ms",
    "finality_ms_at_half.p50": "finality at half of the full rate, p50, ms",
    "finality_ms_at_half.p99": "finality at half of the full rate, p99, ms",
    "finality_ms_of_accepted_at_full.p50": "finality at full load of what was not refused, p50, ms",
    "finality_ms_of_accepted_at_full.p99": "finality at full load of what was not refused, p99, ms",
    "rate_of_accounts": "rate with 1,000,000 accounts ÷ with 1,000",
    "rate_of_accounts_by_bound": "rate with 1,000,000 accounts ÷ with 1,000, each ÷ the bound measured with it",
    "core_us_of_accounts": "processor time with 1,000,000 accounts ÷ with 1,000",
    "memory_mb_of_accounts": "memory of a node with 1,000,000 accounts, MB",
    "own_memory_mb_of_accounts": "memory with 1,000,000 accounts, without the tables that LevelDB has mapped, MB",
    "batch_us": "taking in a transaction, its check apart, by JSON-RPC batches of 100, µs",
    "binary_us": "the same by binary bodies, µs",
    "single_us": "the same one by one, JSON-RPC, µs",
    "single_binary_us": "the same one by one, binary, µs",
    "transaction_by_short": "processor time of a question for a transaction on 100,000 blocks ÷ on 1,000",
    "block_by_short": "the same for a block",
    "account_by_short": "the same for an account",
    "history_by_short": "the same for an account's history",
    "statement_by_short": "the same for a statement",
    "sync_by_peak": "a new node's rate ÷ the network's full rate",
    "snapshot_join_seconds": "joining a chain of 10,048 blocks and 100,000 accounts by snapshot, seconds",
    "replay_blocks_per_second": "joining it by replay, blocks a second",
    "start_seconds": "start on 100,000 blocks, seconds",
    "lost": "payments lost in a rolling restart of all validators",
    "longest_stop_ms": "longest time without a block in it, ms",
    "p99_with_connections": "p99 of finality beside 2,000 idle connections to the peers' ports, ÷ without",
    "p99_with_slow_callers": "the same beside 250 slow callers at each validator",
    "p99_with_readers": "the same beside a flood of reads at one validator",
}
"""What a reader sees instead of a figure's name; other names stand as they are."""


def fill(files: Sequence[Path], page: Path = PAGE) -> None:
    """Write the figures of ``files`` into the page."""
    parts = []
    for file in files:
        figures = json.loads(file.read_text())
        if "validators" in figures:
            parts.append(_sizes(figures["validators"]))
        else:
            parts.append(_figures(figures))
    text = page.read_text()
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    page.write_text(f"{head}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{tail}")


def _figures(figures: dict[str, Any]) -> str:
    judged = verdicts(figures)
    values: dict[str, float | None] = dict.fromkeys(judged)
    lines = ["| figure | measured | to reach |", "|---|---|---|"]
    for name, value in (values | flat(figures.get("figures", {}))).items():
        target = judged[name][0] if name in judged else ""
        mark = "" if name not in judged or judged[name][1] else " (missed)"
        lines.append(f"| {NAMES.get(name, name)} | {_spelled(value)}{mark} | {target} |")
    return "\n".join([*_context(figures), *lines])


def _sizes(sizes: dict[str, Any]) -> str:
    names = ("committed_tps", "bound_tps", "ratio", "core_us_per_tx", "core_us_per_tx_by_verify")
    lines = ["| validators | " + " | ".join(names) + " | finality at half, p50 / p99, ms |"]
    lines.append("|---" * (len(names) + 2) + "|")
    for validators, figures in sizes.items():
        values = flat(figures) | flat(figures["figures"])
        half = figures["figures"]["finality_ms_at_half"] or {}
        cells = [*(_spelled(values.get(name)) for name in names), f"{half.get('p50')} / {half.get('p99')}"]
        lines.append(f"| {validators} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _context(figures: dict[str, Any]) -> list[str]:
    """What was measured on, in a sentence."""
    machine = figures.get("machine", {})
    said = [f"{machine['cores']} cores"] if "cores" in machine else []
    for name, text in (
        ("committed_tps", "{} committed a second at full load"),
        ("core_us_per_tx", "{} core-µs a transaction"),
        ("verify_core_us", "V = {} core-µs"),
        ("bound_tps", "bound {} a second"),
        ("peak_tps", "full rate {} a second"),
        ("rss_mb_max", "{} MB a node"),
    ):
        if isinstance(figures.get(name), int | float):
            said.append(text.format(spelled(figures[name])))
    note = f" {machine['note'][0].upper()}{machine['note'][1:]}." if machine.get("note") else ""
    return [f"{', '.join(said)}.{note}", ""] if said else []


def _spelled(value: float | None) -> str:
    return "not in time" if value is None else spelled(value)
