"""Python's garbage collector, set for a process that runs long and makes little garbage in cycles.

Nearly all that a node makes is freed by counting references, so walking the young objects after every 700 that are
new finds little. Measured on executing alone, two runs each on a busy machine: 99 and 99 µs a transfer before, 92 and
86 after.
"""

import gc

NEW_OBJECTS = 50_000
"""So many objects that are new make a round over the young ones due. Chosen, not tuned."""

YOUNG_ROUNDS = 20
"""Rounds over the young until the middle-aged are walked too."""

MIDDLE_ROUNDS = 50
"""And rounds over these until all are."""


def settle() -> None:
    """Once everything that stays is loaded: never walk that again, and the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS)
