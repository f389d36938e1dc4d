"""Pruning: what goes, what stays, and what is said of what has gone."""

from dataclasses import replace

import pytest

from consensus.rotation import first_rotation
from node.admission import Door
from node.chain import Chain, Outcome
from node.history import ParameterHistory, ValidatorHistory
from node.pool import Pool
from node.pruning import Pruner
from node.records import Recovered
from node.serving import Server
from node.start import replay, start_state
from p2p import bulk
from p2p.bulk import BulkKind
from scripts.simulation import birth
from state.errors import Invalid, Reason
from state.evidence import Evidence
from state.snapshot import SNAPSHOT_HEIGHTS
from state.validators import ValidatorSet
from state.votes import Commit, Prepare, SignedVote
from tests.node.bench import (
    BANKS,
    CHAIN_ID,
    LAG,
    NAMES,
    PARAMETERS,
    ManualClock,
    Wire,
    certified,
    checkpoint_of,
    empty_chain,
    grow,
    payments,
    sign,
)

HEIGHT = 400
KEPT = 150
CHANGED = 120
"""From this height on one bank fewer validates."""


def chain_with_a_past() -> Chain:
    """A block a second; a payment in every tenth; another set of validators from CHANGED on."""
    chain = empty_chain()
    history = ValidatorHistory(BANKS, LAG, chain)
    bodies = payments(HEIGHT // 10)
    blocks = grow(chain, [[bodies[height // 10]] if height % 10 == 0 else [] for height in range(HEIGHT)])
    fewer = ValidatorSet(BANKS.validators[1:])
    for decided in blocks:
        height = decided.block.height
        validators = fewer if height + LAG >= CHANGED else BANKS
        history.executed(height, validators)
        chain.put_outcome(height, Outcome(bytes([1]) * 32, bytes([2]) * 32, validators))
        chain.put_checkpoint(certified(checkpoint_of(decided.block)))
    return chain


def prune_all(chain: Chain, keep: int = KEPT, window_ms: int = 1_000) -> None:
    pruner = Pruner(chain, keep, LAG, lambda _: window_ms)
    newest = chain.header(chain.height)
    assert newest is not None
    for _ in range(10):
        pruner.prune(chain.height, newest.header.timestamp_ms)


def test_the_newest_blocks_stay_and_of_the_rest_what_rules_stand_on() -> None:
    chain = chain_with_a_past()
    before = ValidatorHistory(BANKS, LAG, chain)
    sets = {height: before.at(height) for height in range(1, HEIGHT + LAG + 1)}
    prune_all(chain)
    first = chain.first_height
    assert first == 193  # In steps of 64, and at least KEPT remain.
    assert [chain.encoded(height) is None for height in (1, first - 1, first, HEIGHT)] == [True, True, False, False]
    assert [chain.outcome(height) is None for height in (1, first - 1, first)] == [True, True, False]
    kept = [height for height in range(1, first) if chain.checkpoint(height) is not None]
    assert kept == [CHANGED - LAG]
    after = ValidatorHistory(BANKS, LAG, chain)
    assert {height: after.at(height) for height in sets} == sets
    assert after.find(HEIGHT + LAG + 1) is None
    ids = [body.id for body in payments(HEIGHT // 10)]
    assert [chain.place(identity) for identity in ids] == [(10 * number + 1, 0) for number in range(HEIGHT // 10)]
    with pytest.raises(Invalid) as refused:
        chain.check_kept(first - 1)
    assert refused.value.reason is Reason.PRUNED
    chain.check_kept(first)


def test_it_is_found_again_as_it_was_left() -> None:
    chain = chain_with_a_past()
    prune_all(chain)
    again = Chain(chain._database, None)
    history = ValidatorHistory(BANKS, LAG, again)
    assert again.first_height == chain.first_height
    with pytest.raises(StopIteration) as finished:
        next(replay(again, Recovered(), history, HEIGHT))
    assert finished.value.value == HEIGHT
    again.rotation = replace(first_rotation(BANKS), height=HEIGHT).encode()  # It was made with none.
    begun = start_state(again, None, history, LAG, HEIGHT)
    assert [height for height, _ in begun.validators] == list(range(HEIGHT - 2 * LAG, HEIGHT + LAG + 1))


def test_nothing_goes_whose_transactions_could_come_again() -> None:
    chain = chain_with_a_past()
    prune_all(chain, window_ms=300_000)
    assert chain.first_height == 65
    oldest = chain.header(chain.first_height)
    newest = chain.header(HEIGHT)
    assert oldest is not None
    assert newest is not None
    assert oldest.header.timestamp_ms + 300_000 >= newest.header.timestamp_ms - 64_000
    chain = chain_with_a_past()
    prune_all(chain, window_ms=1_000_000)
    assert chain.first_height == 1


def test_an_archive_node_keeps_all() -> None:
    chain = chain_with_a_past()
    pruner = Pruner(chain, 0, LAG, lambda _: 0)
    newest = chain.header(384)
    assert newest is not None
    pruner.executed(newest, None)  # type: ignore[arg-type]
    assert chain.first_height == 1
    Pruner(chain, KEPT, LAG, lambda _: 0).executed(newest, None)  # type: ignore[arg-type]
    assert chain.first_height > SNAPSHOT_HEIGHTS


def test_evidence_stays_and_names_the_guilty() -> None:
    chain = chain_with_a_past()
    first, second = Prepare(5, 0, bytes(32)), Prepare(5, 0, b"\1" * 32)
    votes = (SignedVote(first, 0, sign(0, first)), SignedVote(second, 0, sign(0, second)))
    evidence = Evidence(birth.vote_key(NAMES[0]).public, *votes)
    chain.put_evidence(5, evidence.encode())
    prune_all(chain)
    assert chain.evidence() == [evidence.encode()]
    history = ValidatorHistory(BANKS, LAG, chain)
    validators = history.at(5)
    assert validators.validators[validators.index_of(evidence.vote_key) or 0].member == NAMES[0]


def test_a_peer_that_asks_for_what_has_gone_is_told_so() -> None:
    chain, wire = chain_with_a_past(), Wire()
    prune_all(chain)
    door = Door(CHAIN_ID, ParameterHistory(PARAMETERS), chain, Pool(), lambda items, then: None, lambda _: None)
    server = Server(chain, door, wire, ManualClock())
    server.blocks("alpha", chain.first_height - 1, 5)
    server.blocks("alpha", chain.first_height, 5)
    server.bodies("alpha", [payments(1)[0].entry])
    (_, pruned, payload), (_, kind, blocks) = wire.sent
    assert (pruned, bulk.decode_pruned(payload)) == (BulkKind.PRUNED, chain.first_height)
    assert (kind, len(bulk.decode_blocks(blocks))) == (BulkKind.BLOCKS, 5)
    assert isinstance(bulk.decode_blocks(blocks)[0].certificate.vote, Commit)
