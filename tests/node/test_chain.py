"""The chain's rows: blocks, where transactions are, outcomes, certificates, evidence, and the anchor."""

from pathlib import Path

import pytest

from node.chain import BLOCKS_CACHED_MAX, EVIDENCE_PER_KEY_MAX, Chain
from p2p.bulk import DecidedBlock
from state.anchor import Anchor, write_anchor
from state.digest import NO_DIGEST
from state.errors import Corrupt
from state.evidence import evidence_of
from state.memory import MemoryDatabase
from state.votes import Prepare, SignedVote
from tests.node.bench import certified, checkpoint_of, decided, empty_chain, grow, make, outcome, payments

FIRST, SECOND, THIRD = BODIES = payments(3)

MOVE_AWAY = (
    "Move the chain and state directories and the file anchor away and start again: "
    "the node fetches the chain from its peers."
)


def three() -> tuple[Chain, list[DecidedBlock]]:
    chain = empty_chain()
    return chain, grow(chain, [[FIRST, SECOND], [], [THIRD]])


def test_an_empty_chain() -> None:
    chain = empty_chain()
    assert (chain.height, chain.digest, chain.rotation) == (0, NO_DIGEST, b"")
    assert chain.decided(0) is None
    assert chain.place(FIRST.id) is None
    assert list(chain.blocks(1)) == []


def test_blocks_come_back_by_height_and_digest() -> None:
    chain, blocks = three()
    assert [chain.decided(height) for height in (1, 2, 3, 4)] == [*blocks, None]
    assert list(chain.blocks(2)) == blocks[1:]
    assert [chain.height_of(item.block.digest) for item in blocks] == [1, 2, 3]
    assert chain.height_of(bytes(32)) is None


def test_the_blocks_last_used_are_not_read_again_and_no_others_are_kept() -> None:
    database = MemoryDatabase()
    chain = Chain(database, None)
    blocks = grow(chain, [[FIRST], *[[]] * BLOCKS_CACHED_MAX])
    again = Chain(database, None)
    assert [again.decided(height) for height in range(1, len(blocks) + 1)] == blocks, "from disk they are the same"
    assert chain.decided(2) == blocks[1]
    assert chain.decided(1) == blocks[0], "read, and in the place of the third, which nobody has asked for"
    for height in range(1, len(blocks) + 1):
        database.write({b"b" + height.to_bytes(8, "big"): None}, sync=False)
    assert [chain.decided(height) for height in range(1, len(blocks) + 1)] == [*blocks[:2], None, *blocks[3:]]
    chain.prune(4, lambda _: False)
    assert [chain.decided(height) for height in (1, 4)] == [None, blocks[3]]


def test_a_chain_that_is_opened_again_goes_on_where_it_ended() -> None:
    database = MemoryDatabase()
    blocks = grow(Chain(database, None), [[FIRST], []])
    again = Chain(database, None)
    assert (again.height, again.digest, again.rotation) == (2, blocks[1].block.digest, b"rotation")


def test_where_transactions_are() -> None:
    chain, _ = three()
    assert [chain.place(body.id) for body in BODIES] == [(1, 0), (1, 1), (3, 0)]
    assert chain.place(bytes(32)) is None


def test_bodies_of_decided_blocks_by_their_entries() -> None:
    chain, _ = three()
    asked = [THIRD.entry, bytes(64), FIRST.id + bytes(32), SECOND.entry]
    assert chain.transactions(asked, 4) == [SECOND.encoded, THIRD.encoded]
    assert chain.transactions(asked, 1) == [SECOND.encoded]


@pytest.mark.parametrize("wrong", ["height", "parent", "bodies"])
def test_only_the_next_block_can_be_appended(wrong: str) -> None:
    chain = empty_chain()
    block = make()
    blocks = {"height": make(block), "parent": make(make()), "bodies": make(transactions=[FIRST])}
    if wrong == "parent":
        grow(chain, [[FIRST]])
    with pytest.raises(AssertionError):
        chain.append(blocks[wrong], decided(blocks[wrong]).certificate, [], b"")


def test_outcomes_and_checkpoint_certificates() -> None:
    chain, blocks = three()
    certificate = certified(checkpoint_of(blocks[1].block))
    chain.put_outcome(2, outcome(7))
    chain.put_checkpoint(certificate)
    assert [chain.outcome(height) for height in (1, 2)] == [None, outcome(7)]
    assert [chain.checkpoint(height) for height in (1, 2)] == [None, certificate]


def accusation(height: int, seed: int = 1) -> bytes:
    """Evidence of two PREPAREs; that it is genuine is judged elsewhere."""
    votes = [SignedVote(Prepare(height, 0, bytes([number]) * 32), 1, bytes(64)) for number in (1, 2)]
    return evidence_of(bytes([seed]) * 32, *votes).encode()


def test_evidence_is_kept_once_and_listed_by_height() -> None:
    chain = empty_chain()
    for height in (5, 2, 5, 300):
        chain.put_evidence(height, accusation(height))
    assert chain.evidence() == [accusation(2), accusation(5), accusation(300)]


def test_a_bank_that_lies_at_every_height_fills_no_disk() -> None:
    database = MemoryDatabase()
    chain = Chain(database, None)
    for height in range(1, EVIDENCE_PER_KEY_MAX - 10):
        chain.put_evidence(height, accusation(height))
    chain = Chain(database, None)  # started again
    for height in range(50, 2 * EVIDENCE_PER_KEY_MAX):
        chain.put_evidence(height, accusation(height))
    chain.put_evidence(7, accusation(7, seed=2))
    assert len(chain.evidence()) == EVIDENCE_PER_KEY_MAX + 1
    assert accusation(7, seed=2) in chain.evidence()


def test_a_missing_block_is_named() -> None:
    database = MemoryDatabase()
    chain = Chain(database, None)
    grow(chain, [[], []])
    database.write({b"b" + (1).to_bytes(8, "big"): None}, sync=False)
    chain = Chain(database, None)
    with pytest.raises(Corrupt) as refused:
        list(chain.blocks(1))
    assert str(refused.value) == f"block 1 is missing from the chain. {MOVE_AWAY}"


def test_the_anchor_moves_with_every_sync(tmp_path: Path) -> None:
    chain = Chain(MemoryDatabase(), tmp_path / "anchor")
    chain.sync()
    chain.check_anchor()
    assert not (tmp_path / "anchor").exists()
    grow(chain, [[FIRST]])
    chain.sync()
    grow(chain, [[SECOND]])
    chain.check_anchor()


@pytest.mark.parametrize(("height", "found"), [(1, "another block"), (3, "nothing")], ids=["changed", "lost"])
def test_a_chain_that_lost_or_changed_what_was_durable_refuses_to_start(
    tmp_path: Path, height: int, found: str
) -> None:
    path = tmp_path / "anchor"
    chain = Chain(MemoryDatabase(), path)
    grow(chain, [[], []])
    write_anchor(path, Anchor(height, bytes([9]) * 32, NO_DIGEST))
    with pytest.raises(Corrupt) as refused:
        chain.check_anchor()
    assert str(refused.value) == f"the anchor names block {height}, and the chain holds {found} there. {MOVE_AWAY}"


def test_closing_makes_everything_durable(tmp_path: Path) -> None:
    database = MemoryDatabase()
    chain = Chain(database, tmp_path / "anchor")
    grow(chain, [[FIRST]])
    assert database.unsynced_count == 1
    chain.close()
    assert database.unsynced_count == 0
