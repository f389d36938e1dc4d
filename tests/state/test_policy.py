"""Policies: who must sign."""

from typing import Any

import pytest

from state.errors import Invalid, Reason
from state.policy import Policy

A, B, C = (bytes([number]) * 32 for number in (1, 2, 3))
BOARD = Policy(((1, A, 2), (1, B, 1), (1, C, 1)), 3)


@pytest.mark.parametrize(
    ("policy", "signers", "met"),
    [
        (Policy.of_key(A), [A], True),
        (Policy.of_key(A), [B], False),
        (Policy.of_key(A), [], False),
        (Policy.of_key(A), [B, A], True),
        (Policy(((1, A, 1), (1, B, 1)), 2), [A], False),
        (Policy(((1, A, 1), (1, B, 1)), 2), [A, B], True),
        (Policy(((1, A, 1), (1, B, 1)), 2), [A, A], False),
        (BOARD, [A, B], True),
        (BOARD, [A, C], True),
        (BOARD, [B, C], False),
        (BOARD, [A], False),
    ],
)
def test_is_met_by(policy: Policy, signers: list[bytes], met: bool) -> None:
    assert policy.is_met_by([(1, public) for public in signers]) is met


def test_key_of_another_suite_never_counts() -> None:
    assert not Policy.of_key(A).is_met_by([(2, A)])


@pytest.mark.parametrize("policy", [Policy.of_key(A), BOARD])
def test_round_trip(policy: Policy) -> None:
    assert Policy.from_value(policy.to_value()) == policy


def test_encoding_is_of_every_field() -> None:
    policies = [
        Policy.of_key(A),
        Policy.of_key(B),
        BOARD,
        Policy(BOARD.keys, 2),
        Policy(((1, A, 1), *BOARD.keys[1:]), 3),
    ]
    assert len({policy.encode() for policy in policies}) == len(policies)


ORDER = "a policy's keys are distinct and in ascending order"
WEIGHT = "a key's weight is from 1 to 1,000,000"
THRESHOLD = "a policy's threshold lies between 1 and the sum of its weights"


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        ([[], 1], Reason.MALFORMED, THRESHOLD),
        ([[], 0], Reason.MALFORMED, THRESHOLD),
        ([[[1, A, 1]], 0], Reason.MALFORMED, THRESHOLD),
        ([[[1, A, 1]], 2], Reason.MALFORMED, THRESHOLD),
        ([[[1, A, 1]], -1], Reason.MALFORMED, "an integer from 0 to 2^63 - 1 is expected"),
        ([[[1, A, 0], [1, B, 1]], 1], Reason.MALFORMED, WEIGHT),
        ([[[1, A, 1_000_001]], 1], Reason.MALFORMED, WEIGHT),
        ([[[1, B, 1], [1, A, 1]], 1], Reason.MALFORMED, ORDER),
        ([[[1, A, 1], [1, A, 1]], 1], Reason.MALFORMED, ORDER),
        ([[[1, A, 1], [1, A, 2]], 1], Reason.MALFORMED, ORDER),
        ([[[2, A, 1]], 1], Reason.BAD_VERSION, "a signature suite that this network does not know"),
        ([[[1, A[:31], 1]], 1], Reason.MALFORMED, "32 bytes are expected"),
        ([[[1, A]], 1], Reason.MALFORMED, "a list of 3 fields is expected"),
        ([[[1, bytes([n]) * 32, 1] for n in range(17)], 1], Reason.TOO_LARGE, "17 items, at most 16 are allowed here"),
        (None, Reason.MALFORMED, "a list of 2 fields is expected"),
    ],
)
def test_refused(value: Any, reason: Reason, detail: str) -> None:
    with pytest.raises(Invalid) as refused:
        Policy.from_value(value)
    assert (refused.value.reason, refused.value.detail) == (reason, detail)
