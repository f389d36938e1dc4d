"""``./scripts/simulate``: many seeds; exit 1 at any violated invariant, with its timeline and how to see it again."""

import argparse
import gc
import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor

from scripts.simulation.run import Result, Run

NODES_MAX = 32

TIMELINE_LINES = 150
"""Last lines of a violated run's timeline that are shown; ``--trace`` shows all."""

RUNS_AT_ONCE = 4
"""Runs that a process is given at once."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds that were asked for; the exit status."""
    chosen = _parse(arguments)
    violated_count, longest_ms, virtual_ms, started = 0, 0, 0, time.monotonic()
    seeds = chosen.seeds * len(chosen.nodes) if len(chosen.seeds) == 1 else chosen.seeds
    runs = [
        (seed, count)
        for count, number in zip(chosen.nodes, seeds, strict=True)
        for seed in range(chosen.first_seed, chosen.first_seed + number)
    ]
    for result, timeline in _results(runs, chosen.processes, chosen.trace):
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
            print("\n".join(timeline))
            again = f"--seeds 1 --first-seed {result.seed} --nodes {result.nodes} --trace"
            print(f"  again: ./scripts/simulate {again}", flush=True)
    print(
        f"{len(runs) - violated_count} of {len(runs)} runs hold every invariant; progress at most {longest_ms} ms "
        f"after healing; {virtual_ms / 3_600_000:.1f} simulated hours; {time.monotonic() - started:.1f} s"
    )
    return 1 if violated_count else 0


def _results(runs: Sequence[tuple[int, int]], processes: int, trace: bool) -> Iterable[tuple[Result, list[str]]]:
    """The results in order, those of violated runs with the end of their timeline; in processes of their own.

    With ``trace`` each line is told as it happens instead.
    """
    if trace:
        for seed, count in runs:
            yield Run(seed, count, print).result(), []
        return
    if processes == 1 or len(runs) == 1:
        yield from map(_run, runs)
        return
    with ProcessPoolExecutor(processes, initializer=gc.freeze) as pool:
        yield from pool.map(_run, runs, chunksize=RUNS_AT_ONCE)


def _run(run: tuple[int, int]) -> tuple[Result, list[str]]:
    """One run without the garbage collector, which finds next to nothing while it lasts, and the garbage after it.

    A violated one is played again, to hear what happened.
    """
    gc.disable()
    try:
        result = Run(*run).result()
        timeline: deque[str] = deque(maxlen=TIMELINE_LINES)
        if result.violation is not None:
            Run(*run, timeline.append).result()
        return result, list(timeline)
    finally:
        gc.enable()
        gc.collect()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="simulate",
        description="Simulate whole networks under faults, in virtual time. Exit status 1: an invariant is violated.",
        epilog="example: ./scripts/simulate --seeds 20 --first-seed 1 --nodes 4,7",
    )
    parser.add_argument(
        "--seeds", type=_counts, default=[10], metavar="N", help="seeds for each size (default 10), or N,… size by size"
    )
    parser.add_argument("--first-seed", type=int, default=1, metavar="S", help="the first of them (default 1)")
    parser.add_argument("--nodes", type=_sizes, default=[4], help="numbers of validators, as in 4,7 (default 4)")
    parser.add_argument(
        "--processes", type=_positive, default=os.cpu_count() or 1, metavar="N", help="runs at once (default: cores)"
    )
    parser.add_argument("--trace", action="store_true", help="tell what happens, with virtual times")
    chosen = parser.parse_args(arguments)
    if len(chosen.seeds) not in (1, len(chosen.nodes)):
        parser.error(f"{len(chosen.seeds)} numbers of seeds for {len(chosen.nodes)} sizes")
    return chosen


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _counts(text: str) -> list[int]:
    return [_positive(part) for part in text.split(",")]


def _sizes(text: str) -> list[int]:
    sizes = _counts(text)
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
