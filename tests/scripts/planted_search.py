"""Finds, for each planted bug, the first seed that shows it; by hand, after a change of the simulator.

    python -m tests.scripts.planted_search [--first-seed 1] [--seeds 100] [--nodes 4] [NAME …]

Prints one line a bug: name, seed, nodes, what was said.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed

import pytest

from scripts.simulation.run import Run
from tests.scripts import planted


def search(name: str, first_seed: int, seeds: int, nodes: int) -> tuple[int | None, str]:
    """The first of so many seeds that shows the bug (None: no seed does), and the violation."""
    with pytest.MonkeyPatch.context() as patch:
        getattr(planted, name)(patch)
        for seed in range(first_seed, first_seed + seeds):
            violation = Run(seed, nodes).result().violation
            if violation is not None:
                return seed, violation
    return None, ""


def main() -> int:
    """The exit code: 1 when a bug was not found."""
    parser = argparse.ArgumentParser(description="Find a seed for each planted bug.")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    names = chosen.names or [plant.__name__ for plant in planted.PLANTS]
    missed = 0
    with ProcessPoolExecutor(chosen.processes) as pool:
        asked = {pool.submit(search, name, chosen.first_seed, chosen.seeds, chosen.nodes): name for name in names}
        for done in as_completed(asked):
            seed, said = done.result()
            missed += seed is None
            print(f"{asked[done]}\t{seed}\t{chosen.nodes}\t{said[:120]}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
