"""The signer: nothing leaves before its record is durable, and nothing that contradicts the record ever."""

from collections.abc import Sequence

import pytest

from consensus.events import Signed, SigningRefused
from consensus.safety import SignRequest
from node import records
from node.signer import Signer
from scripts.simulation import birth
from state.block import Block
from state.certificate import Certificate
from state.keys import verify
from state.votes import Commit, Prepare, Proposal, SignedVote, ViewChange, signing_payload
from tests.node.bench import BANKS, CHAIN_ID, NAMES, Pages, certified, checkpoint_of, make, payments

KEY = birth.vote_key(NAMES[1])
BLOCK = make()
OTHER = make(transactions=payments(1))
NEXT = make(BLOCK)


def born(pages: Pages) -> Signer:
    """A signer that starts from what the journal holds."""
    return Signer(KEY, CHAIN_ID, pages, records.read(pages.records))


def ask(signer: Signer, token: int, *requests: SignRequest) -> None:
    signer.request(token, requests, lambda _: BANKS)


def answers(signer: Signer, token: int, *requests: SignRequest) -> list[Signed | SigningRefused]:
    ask(signer, token, *requests)
    return signer.synced(token)


def prepared(block: Block, view: int = 0) -> Certificate:
    return certified(Prepare(block.height, view, block.digest))


def prepare(block: Block, view: int = 0) -> SignRequest:
    return SignRequest(Prepare(block.height, view, block.digest), block)


def commit(block: Block, view: int = 0) -> SignRequest:
    return SignRequest(Commit(block.height, view, block.digest), block, prepared(block, view))


def view_change(view: int, block: Block | None = None) -> SignRequest:
    if block is None:
        return SignRequest(ViewChange(1, view, None, None))
    return SignRequest(ViewChange(block.height, view, 0, block.digest), block, prepared(block))


def journalled(pages: Pages, *blocks: Block) -> None:
    """The driver journals blocks before it asks."""
    for block in blocks:
        pages.append(records.block_record(block, None))


def test_nothing_comes_out_before_the_journal_is_durable() -> None:
    pages = Pages()
    signer = born(pages)
    ask(signer, 1, prepare(BLOCK))
    ask(signer, 3, commit(BLOCK))
    assert [record.kind for record in pages.records] == [records.REQUEST] * 2
    assert signer.synced(0) == []
    (first,) = signer.synced(2)
    assert isinstance(first, Signed)
    assert first.request == prepare(BLOCK)
    assert verify(KEY.public, signing_payload(first.request.vote, CHAIN_ID), first.signature)
    assert signer.synced(2) == []
    assert [answer.request for answer in signer.synced(3)] == [commit(BLOCK)]


def test_a_repeat_gives_the_same_bytes_and_is_not_journalled_again() -> None:
    pages = Pages()
    signer = born(pages)
    first = answers(signer, 1, prepare(BLOCK), commit(BLOCK))
    assert answers(signer, 2, prepare(BLOCK), commit(BLOCK)) == first
    assert len(pages.records) == 2


REFUSED = [
    ([prepare(BLOCK)], prepare(OTHER), "another value has been signed for this slot"),
    ([commit(BLOCK)], commit(OTHER), "another value has been signed for this slot"),
    ([view_change(2)], prepare(BLOCK, view=1), "a later view has been signed"),
    ([view_change(2)], view_change(1), "a later view has been signed"),
    ([commit(BLOCK)], view_change(1), "a VIEW-CHANGE carries the highest certificate on record"),
    ([prepare(NEXT)], prepare(BLOCK), "a later height has been signed"),
    (
        [],
        SignRequest(Commit(1, 0, BLOCK.digest), BLOCK),
        "the prepared certificate is not the one that the vote needs",
    ),
    ([], SignRequest(Proposal(1, 0, OTHER.digest), BLOCK), "the block is not the one that the vote names"),
    (
        [SignRequest(checkpoint_of(BLOCK))],
        SignRequest(checkpoint_of(OTHER)),
        "another CHECKPOINT has been signed for this height",
    ),
    ([SignRequest(checkpoint_of(NEXT))], SignRequest(checkpoint_of(BLOCK)), "CHECKPOINTs are signed in order"),
]


@pytest.mark.parametrize(("earlier", "request_", "reason"), REFUSED)
@pytest.mark.parametrize("restarted", [False, True])
def test_a_conflict_is_refused(
    earlier: Sequence[SignRequest], request_: SignRequest, reason: str, restarted: bool
) -> None:
    pages = Pages()
    journalled(pages, BLOCK, OTHER, NEXT)
    signer = born(pages)
    assert all(isinstance(answer, Signed) for answer in answers(signer, 1, *earlier))
    if restarted:
        signer = born(pages)
    written = len(pages.records)
    assert answers(signer, 2, request_) == [SigningRefused(request_, reason)]
    assert len(pages.records) == written


def test_a_restart_goes_on_from_the_record_with_the_same_signatures() -> None:
    pages = Pages()
    journalled(pages, BLOCK)
    signer = born(pages)
    given = answers(signer, 1, prepare(BLOCK), commit(BLOCK), SignRequest(checkpoint_of(BLOCK)))
    again = born(pages)
    assert again.record == signer.record
    assert again.signed_above(0) == tuple(given[:2])
    assert again.signed_above(1) == ()
    assert again.checkpoints(0) == (given[2],)
    assert again.checkpoints(2) == ()
    assert answers(again, 9, view_change(1, BLOCK))[0].request == view_change(1, BLOCK)


def test_a_compacted_journal_gives_the_same_record() -> None:
    pages = Pages()
    journalled(pages, BLOCK, NEXT)
    signer = born(pages)
    ask(signer, 1, prepare(BLOCK), commit(BLOCK), SignRequest(checkpoint_of(BLOCK)), prepare(NEXT))
    assert signer.kept() == [prepare(NEXT)]
    pages.compact(
        [
            records.block_record(NEXT, []),
            *(records.request_record(request) for request in signer.kept()),
            records.safety_record(signer.record),
        ]
    )
    again = born(pages)
    assert again.record == signer.record
    assert [signed.request for signed in again.signed_above(1)] == [prepare(NEXT)]
    ask(again, 2, commit(NEXT))
    later = born(pages)
    assert later.record == again.record
    assert [signed.request for signed in later.signed_above(1)] == [prepare(NEXT), commit(NEXT)]


def test_the_guard_can_tell_own_votes_from_others() -> None:
    signer = born(Pages())
    (signed,) = answers(signer, 1, prepare(BLOCK))
    assert isinstance(signed, Signed)
    assert signer.is_own(SignedVote(signed.request.vote, 1, signed.signature))
    assert not signer.is_own(SignedVote(prepare(OTHER).vote, 1, signed.signature))
