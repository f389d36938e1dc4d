"""Starting again: chain, journal and world at different heights are brought to one."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from consensus.events import Signed
from consensus.rotation import Rotation, first_rotation, next_rotation
from consensus.safety import SignRequest
from node import records, start
from node.chain import Chain
from node.history import ValidatorHistory
from node.records import Recovered
from node.signer import Signer
from p2p.bulk import DecidedBlock
from scripts.simulation import birth
from state.anchor import Anchor, read_anchor, write_anchor
from state.digest import NO_DIGEST
from state.errors import Corrupt
from state.memory import MemoryDatabase
from state.votes import Checkpoint, Prepare
from tests.node.bench import (
    BANKS,
    CHAIN_ID,
    LAG,
    NAMES,
    Pages,
    certified,
    checkpoint_of,
    empty_chain,
    grow,
    make,
    outcome,
    payments,
)

BODIES = payments(4)
GROWN = grow(empty_chain(), [[body] for body in BODIES])


def journal_of(blocks: Sequence[DecidedBlock], *, bodies: bool = True) -> Recovered:
    """What the journal says of decided blocks."""
    written = []
    for item in blocks:
        written.append(records.block_record(item.block, item.transactions if bodies else None))
        written.append(records.decided_record(item.certificate))
    return records.read(written)


def chain_of(height: int, noted: Sequence[int] = ()) -> Chain:
    """A chain that ends there, with the outcomes of some heights noted."""
    chain = empty_chain()
    rotation = first_rotation(BANKS)
    for item in GROWN[:height]:
        chain.append(item.block, item.certificate, item.transactions, rotation.encode())
        rotation = next_rotation(rotation, item.block, BANKS)
    for executed in noted:
        chain.put_outcome(executed, outcome(executed))
    return chain


def replay(chain: Chain, recovered: Recovered, world_height: int) -> tuple[list[int], int]:
    """The heights that are executed again, and the executed height at the end."""
    history = ValidatorHistory(BANKS, LAG, chain)
    replaying = start.replay(chain, recovered, history, world_height)
    executed: list[int] = []
    try:
        block, transactions = next(replaying)
        while True:
            assert transactions == [BODIES[block.height - 1]]
            executed.append(block.height)
            block, transactions = replaying.send(outcome(block.height))
    except StopIteration as finished:
        return executed, finished.value


CASES = [
    ("nothing anywhere", 0, (), 0, 0, [], 0),
    ("all in step", 3, (1, 2, 3), 3, 3, [], 3),
    ("the journal is ahead of the chain", 1, (1,), 1, 3, [2, 3], 3),
    ("only the journal has anything", 0, (), 0, 2, [1, 2], 2),
    ("the world is behind the chain", 3, (1, 2, 3), 1, 0, [2, 3], 3),
    ("an outcome is not noted", 3, (1, 2), 3, 0, [3], 3),
    ("the world is ahead of the chain", 1, (1,), 3, 3, [2, 3], 3),
    ("all at once", 2, (1,), 0, 4, [1, 2, 3, 4], 4),
]


@pytest.mark.parametrize(
    ("chain_height", "noted", "world_height", "journal_height", "executed", "executed_height"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_replay(
    chain_height: int,
    noted: tuple[int, ...],
    world_height: int,
    journal_height: int,
    executed: list[int],
    executed_height: int,
) -> None:
    chain = chain_of(chain_height, noted)
    recovered = journal_of(GROWN[:journal_height])
    assert replay(chain, recovered, world_height) == (executed, executed_height)
    assert chain.height == max(chain_height, journal_height)
    assert [chain.outcome(height) for height in range(1, chain.height + 1)] == [
        outcome(height) for height in range(1, chain.height + 1)
    ]


def test_a_chain_that_lost_what_was_durable_refuses_before_its_anchor_moves(tmp_path: Path) -> None:
    """Found by flips: syncing at the end of the replay moved the anchor before anybody had looked at it."""
    path = tmp_path / "anchor"
    chain = Chain(chain_of(2, (1, 2))._database, path)
    anchor = Anchor(4, GROWN[3].block.digest, NO_DIGEST)
    write_anchor(path, anchor)
    with pytest.raises(Corrupt, match="the anchor names block 4, and the chain holds nothing there"):
        replay(chain, journal_of([]), 2)
    assert read_anchor(path) == anchor
    assert replay(chain, journal_of(GROWN[:4]), 2) == ([3, 4], 4)


def test_a_chain_of_another_network_is_not_served(tmp_path: Path) -> None:
    start.check_network(empty_chain(), bytes(32), tmp_path)
    start.check_network(chain_of(2), CHAIN_ID, tmp_path)
    with pytest.raises(Corrupt, match=r"genesis\.json is not the genesis document of the chain in this home"):
        start.check_network(chain_of(2), bytes(32), tmp_path / "genesis.json")


@pytest.mark.parametrize(
    "recovered",
    [
        journal_of(GROWN[2:]),
        journal_of(GROWN[1:], bodies=False),
        Recovered(blocks={GROWN[1].block.digest: (GROWN[1].block, GROWN[1].transactions)}),
    ],
    ids=["a gap", "without bodies", "undecided"],
)
def test_what_does_not_lead_on_from_the_chain_is_left(recovered: Recovered) -> None:
    chain = chain_of(1, (1,))
    assert replay(chain, recovered, 1) == ([], 1)
    assert chain.height == 1


def test_a_block_of_another_past_is_not_appended() -> None:
    other = grow(empty_chain(), [[BODIES[3]], [BODIES[1]]])
    chain = chain_of(1, (1,))
    assert replay(chain, journal_of(other[1:]), 1) == ([], 1)


def test_the_rotation_of_what_the_journal_had_is_as_if_it_had_been_there() -> None:
    straight, again = chain_of(0), chain_of(0)
    replay(straight, journal_of(GROWN), 0)
    replay(again, journal_of(GROWN[:2]), 0)
    replay(again, journal_of(GROWN), 2)
    assert Rotation.decode(straight.rotation) == Rotation.decode(again.rotation)
    assert Rotation.decode(straight.rotation).height == len(GROWN)


def test_what_the_chain_holds_at_a_start_no_power_cut_takes_away() -> None:
    """Found by the simulator: a kill took the journal's buffer, so that a later decision there led on from nothing."""
    chain = chain_of(2, (1, 2))
    database = chain._database
    assert isinstance(database, MemoryDatabase)
    assert database.unsynced_count > 0
    assert replay(chain, journal_of(()), 2) == ([], 2)
    assert database.unsynced_count == 0


def test_bodies_of_undecided_blocks_are_kept() -> None:
    """Found by the simulator: the last node that held a prepared block's bodies lost them at its restart."""
    chain = chain_of(1)
    second, third = GROWN[1], GROWN[2]
    recovered = records.read(
        [
            records.block_record(GROWN[0].block, GROWN[0].transactions),
            records.block_record(second.block, second.transactions),
            records.block_record(third.block, None),
        ]
    )
    assert start.kept_bodies(chain, recovered) == [BODIES[1]]


def test_a_replica_goes_on_with_everything_that_is_still_open() -> None:
    chain = chain_of(2, (1, 2))
    certificate = certified(checkpoint_of(GROWN[0].block))
    chain.put_checkpoint(certificate)
    signer = Signer(birth.vote_key(NAMES[0]), CHAIN_ID, Pages(), records.read([]))
    past = SignRequest(Prepare(2, 0, GROWN[1].block.digest), GROWN[1].block)
    following = make(GROWN[1].block)
    requests = [
        past,
        SignRequest(checkpoint_of(GROWN[0].block)),
        SignRequest(Prepare(3, 0, following.digest), following),
    ]
    signer.request(1, requests, lambda _: BANKS)
    signed = signer.synced(1)
    history = ValidatorHistory(BANKS, LAG, chain)
    state = start.start_state(chain, signer, history, LAG, executed_height=2)
    assert state.decided is not None
    assert (state.decided.block, state.decided.certificate) == (GROWN[1].block, GROWN[1].certificate)
    assert state.executed_height == 2
    assert state.validators == tuple((height, BANKS) for height in range(1, 2 + LAG + 1))
    assert state.certified == (certificate,)
    assert state.checkpoints == (signed[1],)
    assert state.results == tuple(
        Checkpoint(height, item.block.digest, given.state_root, given.receipts_root, BANKS.digest)
        for height, item, given in ((1, GROWN[0], outcome(1)), (2, GROWN[1], outcome(2)))
    )
    assert state.signed == (signed[2],)
    assert all(isinstance(item, Signed) for item in signed)


def test_an_observer_has_signed_nothing() -> None:
    state = start.start_state(chain_of(0), None, ValidatorHistory(BANKS, LAG, empty_chain()), LAG, 0)
    assert (state.decided, state.checkpoints, state.results, state.signed) == (None, (), (), ())
