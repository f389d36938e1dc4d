"""Seeds that found something.

``HELD`` are the seeds as they were found; they hold now. A change of the simulator changes what a seed does; what they
found is planted back in ``planted``, with seeds that show it today in ``test_planted``.
"""

import pytest

from scripts.simulation.run import Run

HELD = [
    (6, 7, "bodies of a decided block were gone while a block that listed them again was looked at"),
    (29, 4, "bodies of a prepared block were lost at restart"),
    (44, 4, "a VIEW-CHANGE was never signed, because signing was not allowed yet when it was due"),
    (14, 4, "gossip that was lost once left a transaction in one pool"),
    (38, 4, "the world state was ahead of the chain after a power cut"),
    (7, 4, "V(h) was not known in the amnesia guard"),
    (1, 1, "with its only peer passed over, an observer stayed behind for 30 s"),
    (1078, 4, "a transaction that one node alone had, from a gossiper that was gone, was never proposed"),
    (1068, 7, "likewise"),
]


@pytest.mark.full
@pytest.mark.parametrize(("seed", "nodes"), [case[:2] for case in HELD], ids=[case[2] for case in HELD])
def test_it_still_holds(seed: int, nodes: int) -> None:
    assert Run(seed, nodes).result().violation is None
