"""What a node says of a protocol version that is ahead, and that it judges no block by rules that it does not know."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from node import upgrades
from node.history import ParameterHistory
from node.upgrades import Activation, Watch
from p2p import bulk
from state import codec, protocol
from state.block import make_block
from state.errors import Invalid, Reason
from state.parameters import ChainParameters
from tests.node.network import Network, until
from tests.node.test_membership import decide
from tests.p2p.test_fuzz import BLOCK, DECIDED

GENESIS = ChainParameters()
SECOND = replace(GENESIS, protocol_version=2)
THIRD = replace(GENESIS, protocol_version=3)


def limits(*known: tuple[int, ChainParameters]) -> ParameterHistory:
    return ParameterHistory(GENESIS, known)


def test_what_is_ahead() -> None:
    assert upgrades.ahead(limits(), 5) is None
    known = limits((20, replace(GENESIS, order_approvals=2)), (40, SECOND))
    assert upgrades.ahead(known, 5) == Activation(40, 2)
    assert upgrades.ahead(known, 39) == Activation(40, 2)
    assert upgrades.ahead(known, 40) is None
    known.executed(30, ())
    assert upgrades.ahead(known, 30) is None, "it was called off"
    assert known.at(41).order_approvals == 2


def test_a_height_under_unknown_rules_is_refused_with_a_sentence() -> None:
    known = limits((40, SECOND))
    upgrades.check(known, 39, "0.1.0")
    with pytest.raises(Invalid) as refused:
        upgrades.check(known, 40, "0.1.0")
    assert refused.value.reason is Reason.UPGRADE_NEEDED
    assert refused.value.detail == (
        "from block 40 on protocol version 2 is in force, and this software (hansa 0.1.0) knows none above 1: install "
        "a release that knows 2, and start again. Nothing is lost"
    )
    assert upgrades.warnings(known, 7, "0.1.0") == (refused.value.detail,)
    assert upgrades.warnings(limits(), 7, "0.1.0") == ()


def said(caplog: pytest.LogCaptureFixture, known: ParameterHistory, heights: range) -> list[int]:
    """The heights at which the log warns."""
    watch = Watch(known, "0.1.0", logging.getLogger("hansa.test"), lambda version: ["alpina"])
    found = []
    for height in heights:
        caplog.clear()
        watch.executed(height)
        found += [height] * len(caplog.records)
    return found


def test_the_log_warns_at_the_vote_and_as_it_comes_nearer(caplog: pytest.LogCaptureFixture) -> None:
    assert said(caplog, limits((20_000, SECOND)), range(1, 20_002)) == [1, 10_000, 19_000, 19_900, 19_990]
    assert said(caplog, limits((60, SECOND)), range(1, 70)) == [1, 50]
    assert said(caplog, limits(), range(1, 10)) == []


def test_who_is_not_ready_is_named_where_this_software_is(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "NEWEST", 2)
    said(caplog, limits((60, SECOND)), range(1, 2))
    (record,) = caplog.records
    assert record.getMessage() == "protocol version 2 is in force soon, and this software knows it"
    assert record.facts == {"version": 2, "first_height": 60, "heights_left": 59, "not_ready": "alpina"}  # type: ignore[attr-defined]


def test_it_is_said_when_it_is_called_off(caplog: pytest.LogCaptureFixture) -> None:
    known = limits((60, SECOND))
    watch = Watch(known, "0.1.0", logging.getLogger("hansa.test"), lambda version: [])
    watch.executed(1)
    known.executed(2, ())
    watch.executed(2)
    watch.executed(3)
    assert caplog.messages[1:] == ["the next protocol version is called off"]


def test_of_an_answer_the_blocks_before_the_unknown_rules_are_taken() -> None:
    """Who is behind asks for many at once; what it understands leads it to where it must stop."""
    header = BLOCK.header
    later = make_block(
        chain_id=header.chain_id,
        height=1,
        parent=header.parent,
        parent_certificate=None,
        timestamp_ms=header.timestamp_ms,
        proposer=header.proposer,
        entries=[],
        validators_digest=header.validators_digest,
        protocol_version=2,
    )
    known = codec.pack(DECIDED.to_value())
    unknown = codec.pack(replace(DECIDED, block=later, transactions=()).to_value())
    assert [found.block for found in bulk.decode_blocks(bulk.encode_blocks([known, unknown]))] == [BLOCK]
    with pytest.raises(Invalid) as refused:
        bulk.decode_blocks(bulk.encode_blocks([unknown, known]))
    assert refused.value.reason is Reason.BAD_VERSION


async def test_a_network_that_votes_for_what_nobody_knows_stops_in_good_order(tmp_path: Path) -> None:
    network = await Network.start(tmp_path, heartbeat_ms=300)
    alpina = network.nodes["alpina"]
    height = alpina.chain.height + 25
    await decide(network, "protocol", [], [2, height])
    assert (await alpina.queries.node()).warnings == (upgrades.sentence(2, height, "0.1.0"),)
    await until(lambda: all(node.ended.done() for node in network.nodes.values()), "all have ended")
    for node in network.nodes.values():
        ending = node.ended.result()
        assert ending is not None
        assert (ending.sentence, ending.is_outdated) == (upgrades.sentence(2, height, "0.1.0"), True)
        assert (node.chain.height, node.driver.executed_height) == (height - 1, height - 1)
        decided = node.chain.decided(height - 1)
        assert decided is not None
        assert decided.block.header.protocol_version == 1
    await network.stop()
