"""The version of the protocol: voted with its height, in force from there on, and moved or called off until then."""

from dataclasses import replace

import pytest

from contracts.kernel import layout, parameters
from contracts.kernel.parameters import ACTIVATION_HEIGHTS_MAX
from state.block import make_block
from state.certificate import Certificate
from state.digest import NO_DIGEST
from state.parameters import ChainParameters
from state.votes import Commit
from tests.contracts.network import CHAIN_ID, PARAMETERS, Chain, key_of
from tests.contracts.test_governance import HOUR_MS, GovernedCall, decide, last, voting

LAG = PARAMETERS.execution_lag
SECOND = replace(PARAMETERS, protocol_version=2)
THIRD = replace(PARAMETERS, protocol_version=3)


@pytest.fixture
def chain() -> Chain:
    """Two validating banks."""
    return Chain.start(voting(2))


def height(chain: Chain) -> int:
    return chain.executor.world.height


def ahead(chain: Chain) -> tuple[tuple[int, ChainParameters], ...]:
    return parameters.ahead(chain.executor.overlay())


def advance(chain: Chain, to: int) -> None:
    while height(chain) < to:
        chain.block()


def test_it_is_in_force_from_its_height_on(chain: Chain) -> None:
    decide(chain, "protocol", [], [2, 40])
    decided = next(event for event in last(chain).events if event.name == "protocol_set")
    assert decided.fields == (("contract", "governance"), ("version", 2), ("first_height", 40))
    assert ahead(chain) == ((40, SECOND),)
    advance(chain, 39)
    assert parameters.in_force(chain.executor.overlay()) == PARAMETERS
    chain.block()
    assert parameters.in_force(chain.executor.overlay()) == SECOND
    assert chain.executor.overlay().get(layout.PARAMETERS_AHEAD) is None


@pytest.mark.parametrize("version", [1, 3])
def test_no_block_is_executed_under_rules_that_are_not_in_force(chain: Chain, version: int) -> None:
    decide(chain, "protocol", [], [2, 40])
    advance(chain, 39)
    parent = chain.executor.world.block_digest
    block = make_block(
        chain_id=CHAIN_ID,
        height=40,
        parent=parent,
        parent_certificate=Certificate(Commit(39, 0, parent), ()),
        timestamp_ms=chain.time_ms + 1,
        proposer=key_of("alpine vote").public,
        entries=[],
        validators_digest=NO_DIGEST,
        protocol_version=version,
    )
    with pytest.raises(AssertionError, match="rules that are not in force"):
        chain.executor.execute(block, [])


def test_a_parameter_that_is_voted_meanwhile_holds_before_and_after(chain: Chain) -> None:
    decide(chain, "protocol", [], [2, 60])
    decide(chain, "parameter", ["order_approvals"], [3])
    first = height(chain) + LAG
    assert ahead(chain) == (
        (first, replace(PARAMETERS, order_approvals=3)),
        (60, replace(SECOND, order_approvals=3)),
    )
    advance(chain, 60)
    assert parameters.in_force(chain.executor.overlay()) == replace(SECOND, order_approvals=3)


def test_it_is_moved_and_called_off(chain: Chain) -> None:
    decide(chain, "protocol", [], [2, 60])
    decide(chain, "parameter", ["order_approvals"], [3])
    first, more = height(chain) + LAG, replace(PARAMETERS, order_approvals=3)
    decide(chain, "protocol", [], [2, 50])
    assert ahead(chain) == ((first, more), (50, replace(more, protocol_version=2)))
    decide(chain, "protocol", [], [1, 0])
    assert ahead(chain) == ((first, more),)
    decide(chain, "protocol", [], [2, 70])
    advance(chain, 70 - LAG)
    # From here on nodes go by it: it is the version that the next one follows, and nothing calls it off.
    decide(chain, "protocol", [], [3, 90])
    decide(chain, "protocol", [], [2, 0])
    assert ahead(chain) == ((70, replace(more, protocol_version=2)),)
    decide(chain, "protocol", [], [3, 90])
    advance(chain, 90)
    assert parameters.in_force(chain.executor.overlay()) == replace(more, protocol_version=3)


@pytest.mark.parametrize(
    ("version", "first", "code"),
    [
        (2, LAG, "bad_motion"),
        (2, LAG + 1, "ok"),
        (2, 1 + ACTIVATION_HEIGHTS_MAX, "ok"),
        (2, 2 + ACTIVATION_HEIGHTS_MAX, "bad_motion"),
        (2, 0, "bad_motion"),
        (1, 0, "ok"),
        (1, 50, "bad_motion"),
        (0, 0, "bad_motion"),
        (3, 50, "bad_motion"),
    ],
)
def test_what_can_be_moved(chain: Chain, version: int, first: int, code: str) -> None:
    call: GovernedCall = ("governance", "propose", ["protocol", [], [version, first], chain.time_ms + HOUR_MS])
    assert chain.send("alpine", call) == code


def test_a_vote_that_comes_too_late_for_its_height_is_refused(chain: Chain) -> None:
    call: GovernedCall = ("governance", "propose", ["protocol", [], [2, 20], chain.time_ms + HOUR_MS])
    assert chain.send("alpine", call) == "ok"
    motion = str(last(chain).results[0])
    advance(chain, 20 - LAG)
    assert chain.send("baltic", ("governance", "vote", [motion, True])) == "bad_motion"
    assert last(chain).message == f"it can be in force from a height from 21 to {13 + ACTIVATION_HEIGHTS_MAX} on"
    assert ahead(chain) == ()


def test_the_version_is_no_parameter_like_others(chain: Chain) -> None:
    call: GovernedCall = (
        "governance", "propose", ["parameter", ["protocol_version"], [2], chain.time_ms + HOUR_MS],
    )  # fmt: skip
    assert chain.send("alpine", call) == "bad_motion"
