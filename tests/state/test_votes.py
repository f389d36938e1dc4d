"""Votes: what is signed for one kind, chain, height or view is never what is signed for another."""

from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state import codec, votes
from state.errors import Invalid, Reason
from state.votes import Checkpoint, Commit, NewView, Prepare, Proposal, ViewChange, Vote

CHAIN, OTHER_CHAIN = b"c" * 32, b"o" * 32
digests = st.binary(min_size=32, max_size=32)
naturals = st.integers(0, codec.INT_MAX)
plain = st.builds(
    lambda kind, *fields: kind(*fields), st.sampled_from([Proposal, Prepare, Commit]), naturals, naturals, digests
)
changes = st.builds(
    lambda height, prepared, above, named: ViewChange(
        height, above if prepared is None else prepared + above, prepared, None if prepared is None else named
    ),
    naturals,
    st.none() | st.integers(0, 2**62),
    st.integers(1, 2**61),
    digests,
)
any_vote = (
    plain
    | changes
    | st.builds(NewView, naturals, naturals, digests, digests)
    | st.builds(Checkpoint, naturals, digests, digests, digests, digests)
)


def one_of_each(height: int, view: int, named: bytes) -> list[Vote]:
    return [
        Proposal(height, view, named),
        Prepare(height, view, named),
        Commit(height, view, named),
        ViewChange(height, view, None, None),
        ViewChange(height, view, view - 1, named),
        NewView(height, view, named, named),
        Checkpoint(height, named, named, named, named),
    ]


@given(any_vote)
def test_round_trip(vote: Vote) -> None:
    again = votes.from_value(codec.unpack(codec.pack(votes.to_value(vote))))
    assert again == vote
    assert type(again) is type(vote)


@given(any_vote, any_vote)
def test_payloads_are_equal_only_for_equal_votes(one: Vote, other: Vote) -> None:
    same = type(one) is type(other) and one == other
    assert (votes.signing_payload(one, CHAIN) == votes.signing_payload(other, CHAIN)) is same


def test_all_payloads_differ() -> None:
    """Every kind × height × view × digest × chain signs other bytes; none is the start of another."""
    payloads = [
        votes.signing_payload(vote, chain)
        for chain, height, view, named in product((CHAIN, OTHER_CHAIN), (1, 2), (1, 2), (b"a" * 32, b"b" * 32))
        for vote in one_of_each(height, view, named)
    ]
    distinct = set(payloads)
    # A CHECKPOINT is of no view and a bare VIEW-CHANGE of no digest: each stands twice in the product.
    assert len(payloads) - len(distinct) == 2 * (2 * 2 * 2 * 2) // 2
    for one, other in combinations(sorted(distinct), 2):
        assert not other.startswith(one)


def test_every_kind_has_its_own_tag() -> None:
    tags = {votes.signing_payload(vote, CHAIN).split(b"\0", 1)[0] for vote in one_of_each(1, 1, b"a" * 32)}
    assert tags == {
        b"hansa/pre-prepare",
        b"hansa/prepare",
        b"hansa/commit",
        b"hansa/view-change",
        b"hansa/new-view",
        b"hansa/checkpoint",
    }


def test_payload_is_tag_then_chain_height_view() -> None:
    payload = votes.signing_payload(Commit(7, 3, b"d" * 32), CHAIN)
    tag, packed = payload.split(b"\0", 1)
    assert tag == b"hansa/commit"
    assert codec.unpack(packed) == [CHAIN, 7, 3, b"d" * 32]


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "vote",
        [True, 1, 1, b"d" * 32],
        [-1, 1, 1, b"d" * 32],
        [6, 1, 1, b"d" * 32],
        [2, 1, 1],
        [2, 1, 1, b"d" * 31],
        [2, 1, 1, b"d" * 32, None],
        [2, -1, 1, b"d" * 32],
        [2, 1, 2**63, b"d" * 32],
        [2, 1, False, b"d" * 32],
        [3, 1, 0, None, None],
        [3, 1, 1, 1, b"d" * 32],
        [3, 1, 1, 2, b"d" * 32],
        [3, 1, 1, 0, None],
        [3, 1, 1, None, b"d" * 32],
        [3, 1, 1, 0, b"d" * 31],
        [4, 1, 1, b"d" * 32, None],
        [5, 1, 1, *[b"d" * 32] * 4],
        [5, 1, 0, *[b"d" * 32] * 3],
        [5, 1, 0, *[b"d" * 32] * 3, b""],
    ],
)
def test_refused(value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        votes.from_value(value)
    assert refused.value.reason is Reason.MALFORMED
