"""Python's garbage collector, set for a process that runs long and makes little garbage in cycles.

Nearly all that a node makes is freed by counting references. The collector walks young objects after every 700 that
are new, which under load is some hundred times a second for nothing (measured: a tenth of what executing costs).
"""

import gc

NEW_OBJECTS = 50_000
"""So many objects that are new make a round over the young ones due: some ms of work, several times a second."""

YOUNG_ROUNDS = 20
"""Rounds over the young until the middle-aged are walked too."""

MIDDLE_ROUNDS = 50
"""And rounds over these until all are."""


def settle() -> None:
    """Once everything that stays is loaded: never walk that again, and the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS)
