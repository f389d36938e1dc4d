"""Validator sets by height."""

from dataclasses import replace

import pytest

from node.history import SETS_CACHED_MAX, ParameterHistory, ValidatorHistory
from scripts.simulation import birth
from state.parameters import ChainParameters
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


def test_parameters_by_height() -> None:
    genesis = ChainParameters()
    one, other = replace(genesis, order_approvals=2), replace(genesis, order_approvals=3)
    known = ParameterHistory(genesis, ((0, genesis), (12, one)))
    assert [known.at(height).order_approvals for height in (1, 11, 12, 99)] == [1, 1, 2, 2]
    known.executed(5, ((12, one), (13, other)))
    assert [known.at(height).order_approvals for height in (6, 11, 12, 13)] == [1, 1, 2, 3]
    known.executed(12, ((13, other),))
    known.executed(13, ())
    assert known.at(14) == other
    assert known.at(1) == other  # Who asks for so old a height has forgotten it.
