"""What bounds a network on this machine: how many signatures all of its cores verify in a second.

Every node verifies every transaction once, so n nodes on one machine can't commit more than that many by n.
"""

import multiprocessing
import os
import time

from state.keys import KeyPair, verify

MESSAGE = bytes(64)
"""As long as what a transaction's key signs."""


def verifies_per_second(seconds: float = 2.0) -> float:
    """Ed25519 verifications a second, all cores at once."""
    context = multiprocessing.get_context("spawn")
    cores = len(os.sched_getaffinity(0))
    with context.Pool(cores) as pool:
        pool.map(verifies_of_one_core, [0.05] * cores, chunksize=1)
        return sum(pool.map(verifies_of_one_core, [seconds] * cores, chunksize=1))


def verifies_of_one_core(seconds: float) -> float:
    """Ed25519 verifications a second on the core that runs this."""
    pair = KeyPair.from_seed(bytes(32))
    signature = pair.sign(MESSAGE)
    count, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds:
        for _ in range(100):
            assert verify(pair.public, MESSAGE, signature)
        count += 100
    return count / spent
