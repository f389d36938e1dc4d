"""The world state alone, on LevelDB on a disk: keys a second, in a state of a thousand keys and of a million.

A commit changes BLOCK_KEYS random keys as a block of payments does: the tree's update and one batch, without sync.
Reads and proofs are of random keys; ``first_read`` of keys that were not read since the state was opened. Opening
reads every leaf and compares the root. Times are of processor time, of all threads of the process (so LevelDB's
merging is in), the least disturbed of ROUNDS rounds.
"""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from scripts.benchmarks.progress import Progress
from state.digest import NO_DIGEST
from state.store import Database
from state.world import World

SIZES: Final = (1_000, 1_000_000)
BLOCK_KEYS: Final = 1_000
"""Keys that one commit changes: some five hundred payments."""
VALUE_BYTES: Final = 64
ROUNDS: Final = 15
COMMITTED: Final = 50_000
"""Keys that are written at once when a state is made."""


def measure(
    progress: Progress, sizes: Sequence[int] = SIZES, block_keys: int = BLOCK_KEYS, rounds: int = ROUNDS
) -> dict[str, Any]:
    """The whole benchmark; its figures."""
    found = {str(size): _measured(size, min(block_keys, size), rounds, progress) for size in sizes}
    first, last = found[str(sizes[0])], found[str(sizes[-1])]
    return {
        "figures": {
            "commit_us_per_key": last["commit"]["us_per_key"],
            "commit_by_least": round(last["commit"]["us_per_key"] / first["commit"]["us_per_key"], 2),
            "first_read_by_least": round(last["first_read"]["us_per_key"] / first["first_read"]["us_per_key"], 2),
        },
        "sizes": found,
        "machine": {"cores": len(os.sched_getaffinity(0)), "block_keys": block_keys},
    }


def _measured(size: int, block_keys: int, rounds: int, progress: Progress) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="hansa-bench-") as directory:
        progress(f"writing {size:,} keys")
        _write(Path(directory), size)
        database = Database.open(Path(directory))
        opened = time.process_time()
        world = World.open(database)
        opening = time.process_time() - opened
        random = Random(size)
        chosen = [random.sample(range(size), block_keys) for _ in range(rounds)]
        figures: dict[str, Any] = {"open_cpu_seconds": round(opening, 3)}
        figures["first_read"] = _rates([_timed(_reader(world, keys)) for keys in chosen], block_keys)
        figures["read"] = _rates([_timed(_reader(world, chosen[0])) for _ in range(rounds)], block_keys)
        figures["commit"] = _rates([_timed(_committer(world, keys, random)) for keys in chosen], block_keys)
        figures["prove"] = _rates([_timed(_prover(world, keys)) for keys in chosen], block_keys)
        database.close()
    parts = {name: part["keys_per_second"] for name, part in figures.items() if isinstance(part, dict)}
    line = ", ".join(f"{name} {rate:,.0f}" for name, rate in parts.items())
    progress(f"{size:,} keys, keys a second: {line}")
    return figures


def _write(path: Path, size: int) -> None:
    database = Database.open(path, create=True)
    world, random = World.open(database), Random(0)
    for start in range(0, size, COMMITTED):
        rows = {_key(number): random.randbytes(VALUE_BYTES) for number in range(start, min(start + COMMITTED, size))}
        world.commit(world.height + 1, NO_DIGEST, rows)
    database.close()


def _reader(world: World, keys: Sequence[int]) -> Callable[[], object]:
    names, get = [_key(number) for number in keys], world.get
    return lambda: [get(name) for name in names]


def _prover(world: World, keys: Sequence[int]) -> Callable[[], object]:
    names, prove = [_key(number) for number in keys], world.prove
    return lambda: [prove(name) for name in names]


def _committer(world: World, keys: Sequence[int], random: Random) -> Callable[[], object]:
    changes: dict[bytes, bytes | None] = {_key(number): random.randbytes(VALUE_BYTES) for number in keys}
    return lambda: world.commit(world.height + 1, NO_DIGEST, changes)


def _timed(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


def _rates(seconds: Sequence[float], keys: int) -> dict[str, float]:
    least = min(seconds)
    return {"us_per_key": round(least / keys * 1e6, 2), "keys_per_second": round(keys / least)}


def _key(number: int) -> bytes:
    """As long as a balance's key."""
    return b"balance/%064d/USD.alpina" % number
