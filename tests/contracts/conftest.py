"""Fixtures over tests/contracts/network.py."""

import pytest

from tests.contracts.network import Chain, Desk, genesis_state


@pytest.fixture
def desk() -> Desk:
    """The kernel alone."""
    return Desk.start()


@pytest.fixture
def chain() -> Chain:
    """A chain with furnished accounts."""
    return Chain.start(genesis_state()).furnish()
