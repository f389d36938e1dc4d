"""Certificates: q distinct validators of the right set, over the right statement, or nothing."""

from dataclasses import replace
from typing import Any

import pytest

from state import codec, votes
from state.certificate import Certificate
from state.errors import Invalid, Reason
from state.keys import KeyPair
from state.validators import Validator, ValidatorSet
from state.votes import Checkpoint, Commit, NewView, Prepare, Proposal, ViewChange

CHAIN = b"c" * 32
PAIRS = [KeyPair.from_seed(bytes([number]) * 32) for number in range(7)]
SEVEN = ValidatorSet(tuple(Validator(f"bank{index}", pair.public) for index, pair in enumerate(PAIRS)))
COMMIT = Commit(5, 0, b"d" * 32)


def certificate(signers: list[int], vote: Any = COMMIT, chain: bytes = CHAIN) -> Certificate:
    payload = votes.signing_payload(vote, chain)
    return Certificate(vote, tuple((index, PAIRS[index].sign(payload)) for index in signers))


def refusal(checked: Certificate, validators: ValidatorSet = SEVEN, chain: bytes = CHAIN) -> str:
    with pytest.raises(Invalid) as refused:
        checked.check(validators, chain)
    return str(refused.value)


@pytest.mark.parametrize("vote", [Prepare(5, 2, b"d" * 32), COMMIT, Checkpoint(5, *[b"d" * 32] * 4)])
def test_quorum_is_accepted(vote: Any) -> None:
    for signers in ([0, 1, 2, 3, 4], [2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6]):
        made = certificate(signers, vote)
        made.check(SEVEN, CHAIN)
        assert Certificate.from_value(codec.unpack(codec.pack(made.to_value()))) == made


@pytest.mark.parametrize("signers", [[], [0], [0, 1, 2, 3], [3, 4, 5, 6]])
def test_fewer_than_a_quorum(signers: list[int]) -> None:
    assert refusal(certificate(signers)) == f"no_quorum: {len(signers)} signers, a quorum is 5"


@pytest.mark.parametrize("signers", [[0, 0, 0, 0, 0], [0, 1, 2, 3, 3], [0, 1, 2, 4, 3], [4, 3, 2, 1, 0]])
def test_repeated_or_unordered_signers(signers: list[int]) -> None:
    assert refusal(certificate(signers)) == "malformed: signers are distinct and in ascending order"


def test_stranger() -> None:
    four = ValidatorSet(SEVEN.validators[:4])
    assert refusal(certificate([0, 1, 2, 4]), four) == "stranger: there is no validator 4"
    assert refusal(Certificate(COMMIT, ((2**62, bytes(64)),))) == f"stranger: there is no validator {2**62}"


def test_signature_of_another_validator() -> None:
    made = certificate([0, 1, 2, 3, 5])
    moved = Certificate(COMMIT, (*made.signatures[:4], (4, made.signatures[4][1])))
    assert refusal(moved) == "bad_signature: the signature of validator 4 does not match"


def test_each_flipped_signature() -> None:
    made = certificate([0, 1, 2, 3, 4, 5, 6])
    for position, (index, signature) in enumerate(made.signatures):
        for byte in (0, 31, 32, 63):
            flipped = signature[:byte] + bytes([signature[byte] ^ 1]) + signature[byte + 1 :]
            spoilt = (*made.signatures[:position], (index, flipped), *made.signatures[position + 1 :])
            assert refusal(replace(made, signatures=spoilt)) == (
                f"bad_signature: the signature of validator {index} does not match"
            )


@pytest.mark.parametrize(
    "vote",
    [Commit(6, 0, b"d" * 32), Commit(5, 1, b"d" * 32), Commit(5, 0, b"e" * 32), Prepare(5, 0, b"d" * 32)],
)
def test_signatures_under_another_statement(vote: Any) -> None:
    moved = Certificate(vote, certificate([0, 1, 2, 3, 4]).signatures)
    assert refusal(moved) == "bad_signature: the signature of validator 0 does not match"


def test_other_chain() -> None:
    made = certificate([0, 1, 2, 3, 4])
    assert refusal(made, chain=b"o" * 32) == "bad_signature: the signature of validator 0 does not match"


def test_other_validator_set() -> None:
    reversed_keys = ValidatorSet(
        tuple(Validator(f"bank{index}", pair.public) for index, pair in enumerate(PAIRS[::-1]))
    )
    assert refusal(certificate([0, 1, 2, 3, 4]), reversed_keys).startswith("bad_signature: ")


@pytest.mark.parametrize(
    "vote", [Proposal(1, 0, b"d" * 32), ViewChange(1, 1, None, None), NewView(1, 1, b"d" * 32, b"e" * 32)]
)
def test_other_votes_make_no_certificate(vote: Any) -> None:
    with pytest.raises(Invalid) as refused:
        Certificate.from_value([votes.to_value(vote), []])
    assert str(refused.value) == "malformed: no certificate is made of such votes"


VOTE = votes.to_value(COMMIT)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.MALFORMED),
        ([VOTE], Reason.MALFORMED),
        ([VOTE, None], Reason.MALFORMED),
        ([VOTE, [[0, bytes(63)]]], Reason.MALFORMED),
        ([VOTE, [[-1, bytes(64)]]], Reason.MALFORMED),
        ([VOTE, [[True, bytes(64)]]], Reason.MALFORMED),
        ([VOTE, [[0, bytes(64), 0]]], Reason.MALFORMED),
        ([VOTE, [[0, bytes(64)]] * 101], Reason.TOO_LARGE),
    ],
)
def test_refused(value: Any, reason: Reason) -> None:
    with pytest.raises(Invalid) as refused:
        Certificate.from_value(value)
    assert refused.value.reason is reason
