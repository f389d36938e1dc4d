"""Seeds that found something.

``HELD`` are the seeds as they were found; they hold now. A change of the simulator changes what a seed does, so
``SHOWN`` has for each bug a seed that shows it today, where it is planted back. When one does so no longer, another
seed will: try the first hundred.
"""

import pytest

from scripts.simulation.run import Run
from tests.scripts import planted
from tests.scripts.planted import Plant

SHOWN: list[tuple[int, int, Plant, str]] = [
    (36, 1, planted.peers_once_passed_over_stay_so, "an observer of one validator stayed behind for 30 s"),
    (4, 4, planted.kept_bodies_are_dropped_at_a_restart, "bodies of a prepared block were lost at restart"),
    (1, 4, planted.gossip_is_sent_once, "gossip lost once left a transaction in one pool"),
    (6, 4, planted.guard_asks_for_unknown_validators, "V(h) was not known in the amnesia guard"),
    (1, 4, planted.what_is_decided_may_be_listed_again, "a block listed what was decided and not delivered yet"),
]

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


@pytest.mark.parametrize(
    ("seed", "nodes"), [case[:2] for case in SHOWN if case[1] == 1], ids=[case[3] for case in SHOWN if case[1] == 1]
)
def test_it_holds(seed: int, nodes: int) -> None:
    assert Run(seed, nodes).result().violation is None


@pytest.mark.full
@pytest.mark.parametrize(("seed", "nodes"), [case[:2] for case in HELD], ids=[case[2] for case in HELD])
def test_it_still_holds(seed: int, nodes: int) -> None:
    assert Run(seed, nodes).result().violation is None


@pytest.mark.full
@pytest.mark.parametrize(
    ("seed", "nodes", "plant"), [case[:3] for case in SHOWN], ids=[case[2].__name__ for case in SHOWN]
)
def test_it_breaks_again_where_its_bug_is_back(
    seed: int, nodes: int, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert Run(seed, nodes).result().violation is not None
