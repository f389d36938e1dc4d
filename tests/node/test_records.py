"""What the journal's records give back."""

import pytest

from consensus import safety
from consensus.safety import SignRequest
from node import records
from node.journal import Record
from node.records import Recovered, read
from state.errors import Corrupt
from state.votes import Commit, NewView, Prepare, SignedVote, ViewChange
from tests.node.bench import certified, checkpoint_of, decided, make, payments, sign

BODIES = payments(2)
BLOCK = make(transactions=BODIES)
ENCODED = tuple(body.encoded for body in BODIES)
PREPARED = certified(Prepare(1, 0, BLOCK.digest))
CHANGES = tuple(
    SignedVote(ViewChange(1, 1, 0, BLOCK.digest), index, sign(index, ViewChange(1, 1, 0, BLOCK.digest)))
    for index in (0, 1, 2)
)

REQUESTS = [
    SignRequest(Prepare(1, 0, BLOCK.digest), BLOCK),
    SignRequest(Commit(1, 0, BLOCK.digest), BLOCK, PREPARED),
    SignRequest(ViewChange(1, 1, None, None)),
    SignRequest(ViewChange(1, 1, 0, BLOCK.digest), BLOCK, PREPARED),
    SignRequest(NewView(1, 1, BLOCK.digest, bytes(32)), BLOCK, PREPARED, CHANGES),
    SignRequest(checkpoint_of(BLOCK)),
]


def test_nothing_gives_nothing() -> None:
    assert read([]) == Recovered()


@pytest.mark.parametrize("request_", REQUESTS)
def test_requests_come_back(request_: SignRequest) -> None:
    assert read([records.block_record(BLOCK, None), records.request_record(request_)]) == Recovered(
        blocks={BLOCK.digest: (BLOCK, None)}, requests=[request_]
    )


def test_a_block_keeps_the_bodies_that_came_later_or_earlier() -> None:
    bare, full = records.block_record(BLOCK, None), records.block_record(BLOCK, ENCODED)
    for order in ([full], [bare, full], [full, bare]):
        assert read(order).blocks == {BLOCK.digest: (BLOCK, ENCODED)}


def test_a_decided_block_is_there_with_its_certificate_and_bodies_only() -> None:
    whole = decided(BLOCK, BODIES)
    full, certificate = records.block_record(BLOCK, ENCODED), records.decided_record(whole.certificate)
    assert read([full, certificate]).decided(1) == whole
    assert read([full, certificate]).decided(2) is None
    assert read([full]).decided(1) is None
    assert read([records.block_record(BLOCK, None), certificate]).decided(1) is None
    assert read([certificate]).decided(1) is None


def test_the_vote_record_covers_the_requests_before_it() -> None:
    record = safety.NOTHING_SIGNED
    for request in REQUESTS[:2]:
        record = safety.recorded(record, request, sign(0, request.vote))
    block, written = records.block_record(BLOCK, None), [records.request_record(request) for request in REQUESTS]
    recovered = read([block, *written[:2], records.safety_record(record), written[2]])
    assert (recovered.record, recovered.recorded_count, recovered.requests) == (record, 2, REQUESTS[:3])


@pytest.mark.parametrize(
    ("record", "detail"),
    [
        (Record(9, b"\xc0"), "9"),
        (Record(records.BLOCK, b"\xc1"), "malformed: not msgpack"),
        (Record(records.SAFETY, b"\x07\x90"), "bad_version: version byte 07, this node knows 01"),
    ],
)
def test_a_foreign_record_refuses_to_start(record: Record, detail: str) -> None:
    with pytest.raises(Corrupt) as refused:
        read([record])
    assert str(refused.value) == (
        f"the journal holds a record that this version cannot read ({detail}). Start the version that wrote it."
    )


def test_a_request_whose_block_is_not_there_refuses_to_start() -> None:
    with pytest.raises(Corrupt, match=r"cannot read .*Start the version that wrote it\.$"):
        read([records.request_record(REQUESTS[0])])
