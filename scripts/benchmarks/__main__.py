"""``./scripts/bench``: which measurement, and where its JSON goes."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmarks import contracts, kernel, network
from state.errors import Invalid


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measure Hansa on this machine.",
        epilog="example: ./scripts/bench contracts --json contracts.json",
    )
    parser.add_argument(
        "what",
        choices=["network", "contracts", "kernel"],
        help="network: throughput and finality of four validators; contracts: the price of each construct, a transfer; "
        "kernel: postings a second, the cost of checks, look-ups",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each window (default 15)")
    parser.add_argument("--offered-tps", type=float, help="what is offered at full load (default 0.35 of the bound)")
    parser.add_argument(
        "--execution", choices=["process", "inline"], default="process", help="the nodes' setting (default process)"
    )
    chosen = parser.parse_args(arguments)
    try:
        if chosen.what == "contracts":
            figures = contracts.measure(_say)
        elif chosen.what == "kernel":
            figures = kernel.measure(_say)
        else:
            figures = network.run(chosen.seconds, chosen.offered_tps, chosen.execution, _say)
    except Invalid as refusal:
        print(f"bench: {refusal.detail}", file=sys.stderr)
        return 1
    text = json.dumps(figures, indent=2)
    print(text)
    if chosen.json is not None:
        chosen.json.write_text(text + "\n")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
