"""``./scripts/simulate``: many seeds; exit 1 at any violated invariant, with the seed that shows it again."""

import argparse
import sys
import time
from collections.abc import Sequence

from scripts.simulation.run import Run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds that were asked for."""
    parser = argparse.ArgumentParser(
        prog="simulate",
        description="Simulate whole networks under faults, in virtual time.",
        epilog="example: ./scripts/simulate --seeds 20 --first-seed 1 --nodes 4,7",
    )
    parser.add_argument("--seeds", type=int, default=10, help="how many seeds for each size (default 10)")
    parser.add_argument("--first-seed", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--nodes", default="4", help="sizes of network, separated by commas (default 4)")
    parser.add_argument("--trace", action="store_true", help="raise at the first violation, with its traceback")
    chosen = parser.parse_args(arguments)
    try:
        sizes = [int(size) for size in chosen.nodes.split(",")]
    except ValueError:
        parser.error("--nodes is a list of numbers, such as 4,7")
    if chosen.seeds < 1 or any(not 1 <= size <= 32 for size in sizes):
        parser.error("--seeds is at least 1, and networks have 1 to 32 nodes")
    violated = 0
    started = time.monotonic()
    for count in sizes:
        for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
            result = Run(seed, count, trace=chosen.trace).result()
            verdict = "ok" if result.violation is None else f"VIOLATED {result.violation}"
            print(
                f"seed {seed} nodes {count}: height {result.height}, {result.final_count} final, "
                f"{result.crash_count} crashes, {result.virtual_ms / 1000:.0f} s of virtual time: {verdict}",
                flush=True,
            )
            if result.violation is not None:
                violated += 1
                print(f"  again: ./scripts/simulate --seeds 1 --first-seed {seed} --nodes {count} --trace", flush=True)
    runs = len(sizes) * chosen.seeds
    print(f"{runs - violated} of {runs} runs hold every invariant, in {time.monotonic() - started:.1f} s")
    return 1 if violated else 0


if __name__ == "__main__":
    sys.exit(main())
