"""What one key may sign: every request against every kind of record, and the same again after a restart."""

import pytest

from consensus.messages import digest_of_view_changes
from consensus.safety import (
    CHECKPOINTS_KEPT,
    NOTHING_SIGNED,
    Allow,
    Answer,
    Record,
    Refuse,
    Repeat,
    SignRequest,
    decide,
    recorded,
)
from state.block import Block, make_block
from state.certificate import Certificate
from state.digest import NO_DIGEST
from state.votes import Checkpoint, Commit, NewView, Prepare, Proposal, SignedVote, ViewChange, Vote
from tests.consensus.network import CHAIN_ID, entry, validators_of

BANKS = validators_of("abcd")


def block(text: str, height: int = 7) -> Block:
    parent = Certificate(Commit(height - 1, 0, NO_DIGEST), ())
    return make_block(
        chain_id=CHAIN_ID, height=height, parent=NO_DIGEST, parent_certificate=parent,
        timestamp_ms=7, proposer=bytes(32), entries=[entry(text)], validators_digest=bytes(32),
    )  # fmt: skip


X, Y = block("x"), block("y")


def signature(vote: Vote) -> bytes:
    return repr(vote).encode()[:64].ljust(64, b".")


def prepared(view: int, item: Block = X, signers: tuple[int, ...] = (0, 1, 3)) -> Certificate:
    return Certificate(Prepare(item.height, view, item.digest), tuple((signer, bytes(64)) for signer in signers))


def proposal(item: Block = X, view: int = 0) -> SignRequest:
    return SignRequest(Proposal(item.height, view, item.digest), item)


def prepare(view: int, item: Block = X) -> SignRequest:
    return SignRequest(Prepare(item.height, view, item.digest), item)


def commit(view: int, item: Block = X) -> SignRequest:
    return SignRequest(Commit(item.height, view, item.digest), item, prepared(view, item))


def change(view: int, certificate: Certificate | None = None, item: Block = X, height: int = 7) -> SignRequest:
    if certificate is None:
        return SignRequest(ViewChange(height, view, None, None))
    vote = certificate.vote
    assert isinstance(vote, Prepare)
    return SignRequest(ViewChange(height, view, vote.view, vote.digest), item, certificate)


def new_view(view: int, certificate: Certificate | None = None, item: Block = X) -> SignRequest:
    votes = [change(view, certificate).vote] + [ViewChange(7, view, None, None)] * 2
    changes = tuple(SignedVote(vote, signer, bytes(64)) for signer, vote in enumerate(votes))
    vote = NewView(7, view, item.digest, digest_of_view_changes(changes))
    return SignRequest(vote, item, certificate, changes)


def checkpoint(height: int, root: bytes = NO_DIGEST) -> SignRequest:
    return SignRequest(Checkpoint(height, NO_DIGEST, root, NO_DIGEST, NO_DIGEST))


def after(*requests: SignRequest) -> Record:
    record = NOTHING_SIGNED
    for request in requests:
        assert decide(record, request, BANKS) == Allow(), request.vote
        record = recorded(record, request, signature(request.vote))
    return record


UPWARDS = "a VIEW-CHANGE only goes upwards"
HIGHEST = "a VIEW-CHANGE carries the highest certificate on record"
OTHER = "another value has been signed for this slot"
LATER_VIEW = "a later view has been signed"
WRONG_BLOCK = "the block is not the one that the vote names"
WRONG_CERTIFICATE = "the prepared certificate is not the one that the vote needs"
TOO_LOW = "a VIEW-CHANGE asks for a view above 0 and above what is prepared"
TABLE: list[tuple[str, tuple[SignRequest, ...], SignRequest, Answer]] = [
    ("a first PREPARE", (), prepare(0), Allow()),
    ("the same again", (prepare(0),), prepare(0), Repeat(signature(prepare(0).vote))),
    ("another block in the same view", (prepare(0),), prepare(0, Y), Refuse(OTHER)),
    ("another block in a later view", (prepare(0),), prepare(1, Y), Allow()),
    ("back to an earlier view", (prepare(2),), prepare(1), Refuse(LATER_VIEW)),
    ("the primary's two votes", (proposal(),), prepare(0), Allow()),
    ("two proposals", (proposal(),), proposal(Y), Refuse(OTHER)),
    ("a PRE-PREPARE above view 0", (), proposal(view=1), Refuse("view 0 opens by PRE-PREPARE, any other by NEW-VIEW")),
    ("the next height", (commit(0),), prepare(0, block("z", 8)), Allow()),
    ("an earlier height", (prepare(0, block("z", 8)),), prepare(0), Refuse("a later height has been signed")),
    ("COMMIT after PREPARE", (prepare(0),), commit(0), Allow()),
    ("COMMIT without PREPARE", (), commit(0), Allow()),
    ("COMMIT without a certificate", (), SignRequest(commit(0).vote, X), Refuse(WRONG_CERTIFICATE)),
    ("COMMIT on another view's", (), SignRequest(commit(1).vote, X, prepared(0)), Refuse(WRONG_CERTIFICATE)),
    ("COMMIT on another block's", (), SignRequest(commit(0).vote, X, prepared(0, Y)), Refuse(WRONG_CERTIFICATE)),
    (
        "COMMIT on q − 1",
        (),
        SignRequest(commit(0).vote, X, prepared(0, X, (0, 1))),
        Refuse("the prepared certificate: 2 signers, a quorum is 3"),
    ),
    (
        "COMMIT on one signer thrice",
        (),
        SignRequest(commit(0).vote, X, prepared(0, X, (1, 1, 1))),
        Refuse("the prepared certificate: signers are distinct and in ascending order"),
    ),
    (
        "COMMIT on a stranger",
        (),
        SignRequest(commit(0).vote, X, prepared(0, X, (0, 1, 4))),
        Refuse("the prepared certificate: there is no validator 4"),
    ),
    ("COMMIT below an own VIEW-CHANGE", (prepare(0), change(1)), commit(0), Refuse(LATER_VIEW)),
    ("a PREPARE without its block", (), SignRequest(prepare(0).vote), Refuse(WRONG_BLOCK)),
    ("a PREPARE with another block", (), SignRequest(prepare(0).vote, Y), Refuse(WRONG_BLOCK)),
    ("VIEW-CHANGE upwards", (change(1),), change(3), Allow()),
    ("VIEW-CHANGE downwards", (change(3),), change(2), Refuse(LATER_VIEW)),
    ("VIEW-CHANGE to where it votes already", (prepare(1),), change(1), Refuse(UPWARDS)),
    ("VIEW-CHANGE to view 0", (), change(0), Refuse(TOO_LOW)),
    ("the same VIEW-CHANGE again", (change(2),), change(2), Repeat(signature(change(2).vote))),
    ("VIEW-CHANGE with what is prepared", (commit(0),), change(1, prepared(0)), Allow()),
    ("VIEW-CHANGE that hides it", (commit(0),), change(1), Refuse(HIGHEST)),
    ("VIEW-CHANGE that still hides it", (commit(0), change(1, prepared(0))), change(2), Refuse(HIGHEST)),
    ("VIEW-CHANGE with an older one", (commit(3),), change(4, prepared(2)), Refuse(HIGHEST)),
    ("VIEW-CHANGE with a newer one", (commit(1),), change(4, prepared(3)), Allow()),
    ("VIEW-CHANGE with another of that view", (commit(1),), change(4, prepared(1, Y), Y), Refuse(HIGHEST)),
    ("VIEW-CHANGE below its certificate", (), change(2, prepared(2)), Refuse(TOO_LOW)),
    ("VIEW-CHANGE that names nothing", (), SignRequest(change(1).vote, None, prepared(0)), Refuse(WRONG_CERTIFICATE)),
    ("VIEW-CHANGE of the next height", (commit(0),), change(1, height=8), Allow()),
    ("NEW-VIEW, fresh", (change(1),), new_view(1), Allow()),
    ("NEW-VIEW, again", (change(1),), new_view(1, prepared(0)), Allow()),
    ("NEW-VIEW twice", (change(1), new_view(1)), new_view(1, item=Y), Refuse(OTHER)),
    ("NEW-VIEW of another block than prepared", (), new_view(1, prepared(0), Y), Refuse(WRONG_CERTIFICATE)),
    (
        "NEW-VIEW without the certificate",
        (),
        SignRequest(new_view(1, prepared(0)).vote, X, None, new_view(1, prepared(0)).view_changes),
        Refuse("the prepared certificate is not the highest"),
    ),
    (
        "NEW-VIEW by other VIEW-CHANGEs",
        (),
        SignRequest(new_view(1).vote, X, None, new_view(2).view_changes),
        Refuse("the VIEW-CHANGEs are not those that the vote names"),
    ),
    ("a CHECKPOINT", (prepare(0),), checkpoint(3), Allow()),
    ("the same CHECKPOINT", (checkpoint(3), prepare(0)), checkpoint(3), Repeat(signature(checkpoint(3).vote))),
    (
        "another CHECKPOINT",
        (checkpoint(3),),
        checkpoint(3, X.digest),
        Refuse("another CHECKPOINT has been signed for this height"),
    ),
    ("CHECKPOINTs backwards", (checkpoint(3),), checkpoint(2), Refuse("CHECKPOINTs are signed in order")),
    ("votes and CHECKPOINTs apart", (checkpoint(9),), prepare(0), Allow()),
]  # fmt: skip


@pytest.mark.parametrize(("before", "request_", "answer"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_decide(before: tuple[SignRequest, ...], request_: SignRequest, answer: Answer) -> None:
    record = after(*before)
    assert decide(record, request_, BANKS) == answer
    assert Record.decode(record.encode()) == record
    if not isinstance(answer, Refuse):
        assert SignRequest.decode(request_.encode()) == request_


def test_a_record_stays_small() -> None:
    requests = [request for view in range(1, 200) for request in (change(view), new_view(view), prepare(view))]
    record = after(*requests, *(checkpoint(height) for height in range(1, 200)))
    assert (record.view, len(record.votes), len(record.checkpoints)) == (199, 3, CHECKPOINTS_KEPT)
    assert len(record.encode()) < 20_000


OLD: list[tuple[str, Record, Vote, bool]] = [
    ("nothing on record, a vote out there", NOTHING_SIGNED, prepare(0).vote, True),
    ("the vote is on record", after(prepare(0)), prepare(0).vote, False),
    ("a later step is out there", after(prepare(0)), commit(0).vote, True),
    ("another value is out there", after(prepare(0)), prepare(0, Y).vote, True),
    ("a later view is out there", after(prepare(0)), prepare(1).vote, True),
    ("an earlier view is out there", after(change(1)), prepare(0).vote, False),
    ("an earlier height is out there", after(prepare(0, block("z", 8))), commit(3).vote, False),
    ("a later CHECKPOINT is out there", after(checkpoint(3)), checkpoint(4).vote, True),
    ("an earlier CHECKPOINT is out there", after(checkpoint(3)), checkpoint(2).vote, False),
]


@pytest.mark.parametrize(("record", "vote", "below"), [row[1:] for row in OLD], ids=[row[0] for row in OLD])
def test_old_records_are_noticed(record: Record, vote: Vote, below: bool) -> None:
    assert record.is_below(vote) is below
