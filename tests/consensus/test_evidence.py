"""Evidence: what contradicts, what does not, and that it convinces a stranger."""

import pytest

from consensus.checkpoints import Checkpoints
from consensus.outbox import Outbox
from state.errors import Invalid, Reason
from state.evidence import Evidence, contradict, evidence_of
from state.keys import verify
from state.votes import Checkpoint, Commit, NewView, Prepare, Proposal, SignedVote, ViewChange, Vote, signing_payload
from tests.consensus.network import CHAIN_ID, key_of, validators_of

X, Y = bytes([1]) * 32, bytes([2]) * 32
BANKS = validators_of("abcd")
PAIRS: list[tuple[str, Vote, Vote, bool]] = [
    ("two PREPAREs in a view", Prepare(5, 1, X), Prepare(5, 1, Y), True),
    ("PREPAREs in two views", Prepare(5, 1, X), Prepare(5, 2, Y), False),
    ("PREPAREs at two heights", Prepare(5, 1, X), Prepare(6, 1, Y), False),
    ("PREPARE and COMMIT", Prepare(5, 1, X), Commit(5, 1, Y), False),
    ("two COMMITs", Commit(5, 1, X), Commit(5, 1, Y), True),
    ("two proposals", Proposal(5, 0, X), Proposal(5, 0, Y), True),
    ("two NEW-VIEWs by other votes", NewView(5, 1, X, X), NewView(5, 1, X, Y), True),
    ("two VIEW-CHANGEs", ViewChange(5, 2, None, None), ViewChange(5, 2, 0, X), True),
    ("VIEW-CHANGEs upwards", ViewChange(5, 2, 1, X), ViewChange(5, 3, None, None), False),
    ("two CHECKPOINTs", Checkpoint(5, X, X, X, X), Checkpoint(5, X, Y, X, X), True),
    ("the same vote", Commit(5, 1, X), Commit(5, 1, X), False),
    ("a COMMIT that the VIEW-CHANGE hides", Commit(5, 1, X), ViewChange(5, 2, None, None), True),
    ("a COMMIT above what it names", Commit(5, 1, X), ViewChange(5, 2, 0, Y), True),
    ("a COMMIT that it names", Commit(5, 1, X), ViewChange(5, 2, 1, X), False),
    ("a COMMIT below what it names", Commit(5, 1, X), ViewChange(5, 4, 2, Y), False),
    ("a COMMIT in the view that it asks for", Commit(5, 2, X), ViewChange(5, 2, None, None), False),
]


def signed(name: str, vote: Vote) -> SignedVote:
    signature = key_of(name).sign(signing_payload(vote, CHAIN_ID))
    return SignedVote(vote, "abcd".index(name), signature)


@pytest.mark.parametrize(("one", "other", "guilty"), [row[1:] for row in PAIRS], ids=[row[0] for row in PAIRS])
def test_contradictions(one: Vote, other: Vote, guilty: bool) -> None:
    assert contradict(one, other) is contradict(other, one) is guilty
    evidence = evidence_of(key_of("c").public, signed("c", one), signed("c", other))
    assert evidence == evidence_of(key_of("c").public, signed("c", other), signed("c", one))
    assert Evidence.decode(evidence.encode()) == evidence
    if guilty:
        assert evidence.check(BANKS, CHAIN_ID, verify) == "c"
    else:
        with pytest.raises(Invalid) as caught:
            evidence.check(BANKS, CHAIN_ID, verify)
        assert str(caught.value) == "bad_proof: a correct validator may sign both votes"


ONE, OTHER = signed("c", Commit(5, 1, X)), signed("c", Commit(5, 1, Y))
FORGED: list[tuple[str, Evidence, Reason]] = [
    ("a stranger's", evidence_of(key_of("z").public, ONE, OTHER), Reason.STRANGER),
    ("somebody else's", evidence_of(key_of("d").public, ONE, OTHER), Reason.BAD_PROOF),
    (
        "one signature copied",
        evidence_of(key_of("c").public, ONE, SignedVote(OTHER.vote, 2, ONE.signature)),
        Reason.BAD_SIGNATURE,
    ),
    (
        "one signed by another",
        evidence_of(key_of("c").public, ONE, SignedVote(OTHER.vote, 2, signed("d", OTHER.vote).signature)),
        Reason.BAD_SIGNATURE,
    ),
]


@pytest.mark.parametrize(("evidence", "reason"), [row[1:] for row in FORGED], ids=[row[0] for row in FORGED])
def test_forged(evidence: Evidence, reason: Reason) -> None:
    with pytest.raises(Invalid) as caught:
        evidence.check(BANKS, CHAIN_ID, verify)
    assert caught.value.reason is reason


def test_one_spelling() -> None:
    evidence = evidence_of(key_of("c").public, ONE, OTHER)
    with pytest.raises(Invalid) as caught:
        Evidence.decode(Evidence(evidence.vote_key, evidence.second, evidence.first).encode())
    assert str(caught.value) == "malformed: the votes stand in the wrong order"
    with pytest.raises(Invalid):
        evidence.check(BANKS, bytes(32), verify)


def test_a_liar_is_accused_once_a_height_whatever_it_signs() -> None:
    outbox = Outbox()
    checkpoints = Checkpoints(CHAIN_ID, 8, verify, outbox)
    for height in (1, 2):
        checkpoints.add_validators(height, BANKS)
        for number in range(5):
            root = bytes([number]) * 32
            checkpoints.receive(signed("c", Checkpoint(height, X, root, X, X)), "c")
        checkpoints.receive(signed("d", Checkpoint(height, X, X, X, X)), "d")
    assert [(item.height, item.vote_key) for item in outbox.evidence] == [
        (1, key_of("c").public),
        (2, key_of("c").public),
    ]
