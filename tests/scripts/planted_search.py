"""Finds, for each planted bug, the first seed that shows it; by hand, after a change of the simulator.

    python -m tests.scripts.planted_search [--seeds 100] [--nodes 4] [NAME …]

Prints one line a bug: name, seed, nodes, how many seeds it took, what was said.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pytest

from scripts.simulation.run import Run
from tests.scripts import planted


def search(seeds: int, nodes: int, name: str) -> tuple[str, int | None, str]:
    """Name, the first seed that shows the bug (None: no seed does), and the violation."""
    with pytest.MonkeyPatch.context() as patch:
        getattr(planted, name)(patch)
        for seed in range(1, seeds + 1):
            violation = Run(seed, nodes).result().violation
            if violation is not None:
                return name, seed, violation
    return name, None, ""


def main() -> int:
    """The exit code: 1 when a bug was not found."""
    parser = argparse.ArgumentParser(description="Find a seed for each planted bug.")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    names = chosen.names or [plant.__name__ for plant in planted.PLANTS]
    missed = 0
    with ProcessPoolExecutor(chosen.processes) as pool:
        for name, seed, said in pool.map(partial(search, chosen.seeds, chosen.nodes), names):
            missed += seed is None
            print(f"{name}\t{seed}\t{chosen.nodes}\t{said[:120]}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
