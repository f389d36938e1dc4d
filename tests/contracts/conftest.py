"""Fixtures over tests/contracts/network.py."""

import sys

import pytest

from contracts.language.machine import RECURSION_LIMIT
from tests.contracts.network import Chain, Desk, genesis_state

# The first run of a contract would raise it in the middle of a property, of which Hypothesis warns.
sys.setrecursionlimit(RECURSION_LIMIT)


@pytest.fixture
def desk() -> Desk:
    """The kernel alone."""
    return Desk.start()


@pytest.fixture
def chain() -> Chain:
    """A chain with furnished accounts."""
    return Chain.start(genesis_state()).furnish()
