"""``./scripts/simulate``: many seeds; exit 1 at any violated invariant, with the seed that shows it again."""

import argparse
import gc
import os
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor

from scripts.simulation.run import Result, Run

NODES_MAX = 32

RUNS_AT_ONCE = 4
"""Runs that a process is given at once."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds that were asked for; the exit status."""
    chosen = _parse(arguments)
    violated_count, longest_ms, virtual_ms, started = 0, 0, 0, time.monotonic()
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    runs = [(seed, count) for count in chosen.nodes for seed in seeds]
    for result in _results(runs, chosen.processes, chosen.trace):
        longest_ms, virtual_ms = max(longest_ms, result.progress_ms), virtual_ms + result.virtual_ms
        print(
            f"seed {result.seed} nodes {result.nodes}: height {result.height}, {result.final_count} final, "
            f"{result.crash_count} crashes, progress {result.progress_ms} ms after healing, "
            f"{result.virtual_ms / 1000:.0f} s of virtual time, fingerprint {result.fingerprint}: "
            f"{result.violation or 'ok'}",
            flush=True,
        )
        if result.violation is not None:
            violated_count += 1
            again = f"--seeds 1 --first-seed {result.seed} --nodes {result.nodes} --trace"
            print(f"  again: ./scripts/simulate {again}", flush=True)
    print(
        f"{len(runs) - violated_count} of {len(runs)} runs hold every invariant; progress at most {longest_ms} ms "
        f"after healing; {virtual_ms / 3_600_000:.1f} simulated hours; {time.monotonic() - started:.1f} s"
    )
    return 1 if violated_count else 0


def _results(runs: Sequence[tuple[int, int]], processes: int, trace: bool) -> Iterable[Result]:
    """The results in order; told line by line, or in processes of their own."""
    if trace or processes == 1 or len(runs) == 1:
        for seed, count in runs:
            yield Run(seed, count, print if trace else None).result()
        return
    with ProcessPoolExecutor(processes, initializer=gc.freeze) as pool:
        yield from pool.map(_run, runs, chunksize=RUNS_AT_ONCE)


def _run(run: tuple[int, int]) -> Result:
    """One run without the garbage collector, which finds next to nothing while it lasts, and the garbage after it."""
    gc.disable()
    try:
        return Run(*run).result()
    finally:
        gc.enable()
        gc.collect()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="simulate",
        description="Simulate whole networks under faults, in virtual time. Exit status 1: an invariant is violated.",
        epilog="example: ./scripts/simulate --seeds 20 --first-seed 1 --nodes 4,7",
    )
    parser.add_argument("--seeds", type=_positive, default=10, metavar="N", help="seeds for each size (default 10)")
    parser.add_argument("--first-seed", type=int, default=1, metavar="S", help="the first of them (default 1)")
    parser.add_argument("--nodes", type=_sizes, default=[4], help="numbers of validators, as in 4,7 (default 4)")
    parser.add_argument(
        "--processes", type=_positive, default=os.cpu_count() or 1, metavar="N", help="runs at once (default: cores)"
    )
    parser.add_argument("--trace", action="store_true", help="tell what happens, with virtual times")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _sizes(text: str) -> list[int]:
    sizes = [_positive(part) for part in text.split(",")]
    if max(sizes) > NODES_MAX:
        raise argparse.ArgumentTypeError(f"a network has 1 to {NODES_MAX} validators")
    return sizes


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader is gone: nothing more can be said, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
