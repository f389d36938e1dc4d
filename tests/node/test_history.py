"""Validator sets by height."""

import pytest

from node.history import SETS_CACHED_MAX, ValidatorHistory
from scripts.simulation import birth
from state.validators import ValidatorSet
from tests.node.bench import BANKS, LAG, empty_chain, grow, outcome

OTHERS: ValidatorSet = birth.validators(5)


def test_genesis_stands_in_for_the_first_heights() -> None:
    history = ValidatorHistory(BANKS, LAG, empty_chain())
    assert [history.find(height) for height in (0, 1, LAG)] == [BANKS] * 3
    assert history.find(LAG + 1) is None


def test_executing_a_height_gives_the_set_of_a_later_one() -> None:
    history = ValidatorHistory(BANKS, LAG, empty_chain())
    history.executed(1, OTHERS)
    assert history.at(LAG) is BANKS
    assert history.at(LAG + 1) is OTHERS


def test_older_sets_are_read_from_the_chain() -> None:
    chain = empty_chain()
    grow(chain, [[]] * 2)
    chain.put_outcome(1, outcome())
    history = ValidatorHistory(OTHERS, LAG, chain)
    assert history.find(LAG + 1) == BANKS
    assert history.find(LAG + 2) is None


def test_few_sets_are_kept_in_memory() -> None:
    history = ValidatorHistory(BANKS, LAG, empty_chain())
    for height in range(1, SETS_CACHED_MAX + 2):
        history.executed(height, OTHERS)
    assert history.find(LAG + 1) is None
    assert history.find(LAG + 2) is OTHERS


def test_asking_for_a_set_that_is_not_known_is_a_bug() -> None:
    with pytest.raises(AssertionError, match=r"^V\(9\) is not known yet$"):
        ValidatorHistory(BANKS, LAG, empty_chain()).at(9)
