"""What the simulator's liars propose and serve: all of it is refused, each for the one thing that is wrong."""

from random import Random

import pytest

from consensus.proposals import Parent, check_block, is_timely
from p2p import bulk
from scripts.simulation import birth
from scripts.simulation.poison import KINDS, NOTHING, poisoned
from scripts.simulation.spoilt import Lie, Spoiler, Truth
from state import codec, keys, transaction, validity, votes
from state.block import Block, make_block
from state.certificate import Certificate
from state.digest import NO_DIGEST
from state.errors import Invalid
from state.votes import Commit

COUNT = 4
NOW_MS = birth.GENESIS_MS + 60_000
SET = birth.validators(COUNT)
PAYMENTS = [birth.payment(Random(seed), COUNT, NOW_MS) for seed in range(3)]


def block(height: int, parent: bytes, certificate: Certificate | None, time_ms: int, entries: list[bytes]) -> Block:
    return make_block(
        chain_id=birth.CHAIN_ID, height=height, parent=parent, parent_certificate=certificate, timestamp_ms=time_ms,
        proposer=birth.vote_key("bank00").public, entries=entries, validators_digest=SET.digest,
    )  # fmt: skip


FIRST = block(1, NO_DIGEST, None, NOW_MS - 100, [PAYMENTS[0].entry])
COMMIT = Commit(1, 0, FIRST.digest)
COMMITS = Certificate(
    COMMIT,
    tuple(
        (index, birth.vote_key(birth.bank(index)).sign(votes.signing_payload(COMMIT, birth.CHAIN_ID)))
        for index in range(3)
    ),
)
SECOND = block(2, FIRST.digest, COMMITS, NOW_MS, [item.entry for item in PAYMENTS[1:]])


def refuse(made: Lie | Block) -> str:
    """What production says of it at its primary's turn, PAYMENTS[0] being decided; empty when it takes it."""
    judged, bodies = (made.block, made.bodies) if isinstance(made, Lie) else (made, ())
    held = {item.entry: item for item in (*PAYMENTS[1:], *map(transaction.decode, bodies))}
    parent = Parent(FIRST.digest, FIRST.header.timestamp_ms, COMMITS, SET, {})
    try:
        Block.from_value(judged.to_value())
        check_block(judged, parent, SET, SET.digest, birth.CHAIN_ID, keys.verify)
        if judged.header.proposer != birth.vote_key("bank00").public:
            return "the proposer is not its primary"
        bound_ms = birth.PARAMETERS.clock_bound_ms
        if not is_timely(judged.header.timestamp_ms, NOW_MS, FIRST.header.timestamp_ms, bound_ms):
            return "it is not timely"
        if PAYMENTS[0].entry in judged.entries:
            return "it lists what is decided"
        if any(entry not in held for entry in judged.entries):
            return "a body is missing"
        found = [held[entry] for entry in judged.entries]
        if not all(item.has_valid_signatures() for item in found):
            return "a signature is wrong"
        validity.check_body(judged, found, birth.PARAMETERS)
    except Invalid as error:
        return str(error)
    return ""


def test_the_truth_is_taken() -> None:
    assert refuse(SECOND) == ""


def test_every_lie_is_refused() -> None:
    spoiler = Spoiler("bank00", COUNT, Random(1))
    said = {}
    for _ in range(400):
        lie = spoiler.invent(Truth(SECOND, FIRST, NOW_MS))
        said[lie.what] = refuse(lie)
    assert len(said) == 22
    assert [what for what, refused in said.items() if not refused] == []


@pytest.mark.parametrize("seed", range(40))
def test_a_poisoned_answer_is_never_the_truth(seed: int) -> None:
    served = [
        bulk.DecidedBlock(FIRST, COMMITS, (PAYMENTS[0].encoded,)).to_value(),
        bulk.DecidedBlock(SECOND, COMMITS, tuple(item.encoded for item in PAYMENTS[1:])).to_value(),
    ]
    random = Random(seed)
    what, answer = poisoned(served, birth.payment(Random(1_000 + seed), COUNT, NOW_MS).encoded, random)
    assert what in KINDS
    assert (answer is None) == (what == NOTHING)
    if what != "blocks out of order":  # of two, they may be shuffled to where they were
        assert answer != bulk.encode_blocks([codec.pack(item) for item in served])
