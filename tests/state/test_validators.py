"""Quorum arithmetic, and what a validator set may be."""

from typing import Any

import pytest

from state.errors import Invalid, Reason
from state.validators import VALIDATORS_MAX, Validator, ValidatorSet


def validator_set(count: int) -> ValidatorSet:
    return ValidatorSet(tuple(Validator(f"bank{index:03}", bytes([index]) * 32) for index in range(count)))


@pytest.mark.parametrize("count", range(1, VALIDATORS_MAX + 1))
def test_quorum(count: int) -> None:
    validators = validator_set(count)
    faulty, quorum = validators.faulty_max, validators.quorum
    assert len(validators) == count
    assert 3 * faulty < count <= 3 * (faulty + 1)
    # Safety: any two quorums share f + 1, so at least one correct validator. Liveness: the correct ones suffice.
    assert 2 * quorum - count >= faulty + 1
    assert quorum <= count - faulty
    # And no smaller number would do.
    assert 2 * (quorum - 1) - count < faulty + 1


@pytest.mark.parametrize(
    ("count", "faulty", "quorum"),
    [
        (1, 0, 1),
        (2, 0, 2),
        (3, 0, 2),
        (4, 1, 3),
        (5, 1, 4),
        (6, 1, 4),
        (7, 2, 5),
        (10, 3, 7),
        (99, 32, 66),
        (100, 33, 67),
    ],
)
def test_quorum_table(count: int, faulty: int, quorum: int) -> None:
    validators = validator_set(count)
    assert (validators.faulty_max, validators.quorum) == (faulty, quorum)


def test_round_trip_and_digest() -> None:
    four = validator_set(4)
    assert ValidatorSet.from_value(four.to_value()) == four
    assert len({validator_set(count).digest for count in range(1, 20)}) == 19
    assert ValidatorSet.from_value(four.to_value()).digest == four.digest


def test_index_of() -> None:
    four = validator_set(4)
    assert [four.index_of(validator.vote_key) for validator in four.validators] == [0, 1, 2, 3]
    assert four.index_of(b"x" * 32) is None


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        ([], Reason.MALFORMED, "validators are distinct and ordered by member id"),
        ([["b", b"1" * 32], ["a", b"2" * 32]], Reason.MALFORMED, "validators are distinct and ordered by member id"),
        ([["a", b"1" * 32], ["a", b"2" * 32]], Reason.MALFORMED, "validators are distinct and ordered by member id"),
        ([["a", b"1" * 32], ["b", b"1" * 32]], Reason.MALFORMED, "no two validators share a vote key"),
        ([["", b"1" * 32]], Reason.MALFORMED, "a member's id has 1 to 64 letters"),
        ([["a" * 65, b"1" * 32]], Reason.MALFORMED, "a member's id has 1 to 64 letters"),
        ([["a", b"1" * 31]], Reason.MALFORMED, "32 bytes are expected"),
        ([["a"]], Reason.MALFORMED, "a list of 2 fields is expected"),
        ([["a", None]], Reason.MALFORMED, "a field has the wrong type"),
        (None, Reason.MALFORMED, "a list is expected"),
        (
            [[str(index), bytes(32)] for index in range(101)],
            Reason.TOO_LARGE,
            "101 items, at most 100 are allowed here",
        ),
    ],
)
def test_refused(value: Any, reason: Reason, detail: str) -> None:
    with pytest.raises(Invalid) as refused:
        ValidatorSet.from_value(value)
    assert (refused.value.reason, refused.value.detail) == (reason, detail)
