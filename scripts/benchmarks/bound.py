"""What bounds a network on this machine: how many signatures all of its cores verify in a second.

Every node verifies every transaction once, so n nodes on one machine can't commit more than that many by n.
"""

import multiprocessing
import os
import time
from dataclasses import dataclass

from state.keys import KeyPair, verify

MESSAGE = bytes(64)
"""As long as what a transaction's key signs."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Ed25519 verifications with all cores busy at it."""

    per_second: float
    """Of all cores together, by the clock: less where others use them."""
    core_us: float
    """Processor time of one, microseconds: what others do matters little to it."""


def measure(seconds: float = 2.0) -> Bound:
    """Verify on all cores at once."""
    context = multiprocessing.get_context("spawn")
    cores = len(os.sched_getaffinity(0))
    with context.Pool(cores) as pool:
        pool.map(_verify, [0.05] * cores, chunksize=1)
        found = pool.map(_verify, [seconds] * cores, chunksize=1)
    count = sum(count for count, _, _ in found)
    return Bound(sum(count / spent for count, spent, _ in found), sum(used for _, _, used in found) / count * 1e6)


def mean_of(before: Bound, after: Bound) -> Bound:
    """The bound of what happened between two measurements."""
    return Bound((before.per_second + after.per_second) / 2, (before.core_us + after.core_us) / 2)


def verifies_of_one_core(seconds: float) -> float:
    """Ed25519 verifications a second on the core that runs this."""
    count, spent, _ = _verify(seconds)
    return count / spent


def _verify(seconds: float) -> tuple[int, float, float]:
    """How many, in how many seconds, of which so many on a core."""
    pair = KeyPair.from_seed(bytes(32))
    signature = pair.sign(MESSAGE)
    count, started, used = 0, time.perf_counter(), time.process_time()
    while (spent := time.perf_counter() - started) < seconds:
        for _ in range(100):
            assert verify(pair.public, MESSAGE, signature)
        count += 100
    return count, spent, time.process_time() - used
