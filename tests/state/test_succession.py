"""Following the validators from genesis: what proves a change, and what does not."""

from dataclasses import replace
from hashlib import sha256

import pytest

from state.certificate import Certificate
from state.errors import Invalid
from state.keys import KeyPair
from state.succession import Change, Succession
from state.validators import Validator, ValidatorSet
from state.votes import Checkpoint, Commit, signing_payload

CHAIN_ID = b"\x07" * 32
LAG = 8


def key(name: str) -> KeyPair:
    return KeyPair.from_seed(sha256(name.encode()).digest())


def made(names: str) -> ValidatorSet:
    return ValidatorSet(tuple(Validator(name, key(name).public) for name in names))


def certificate(vote: Checkpoint | Commit, signers: str, names: str) -> Certificate:
    payload = signing_payload(vote, CHAIN_ID)
    return Certificate(vote, tuple((names.index(name), key(name).sign(payload)) for name in signers))


def change(first_height: int, names: str, signers: str, before: str) -> Change:
    """``before`` certifies that ``names`` follow."""
    vote = Checkpoint(first_height - LAG, b"\x01" * 32, b"\x02" * 32, b"\x03" * 32, made(names).digest)
    return Change(first_height, made(names), certificate(vote, signers, before))


START = Succession(CHAIN_ID, LAG, made("abcd"))
FIRST = change(20, "abcde", "abc", "abcd")


def test_each_set_vouches_for_the_next() -> None:
    changes = [FIRST, change(24, "bcde", "abcd", "abcd"), change(40, "cdef", "bcd", "bcde")]
    found = START.extended(changes)
    assert [found.at(height) for height in (0, 1, 19, 20, 23, 24, 39, 40, 10**9)] == [
        made(names) for names in ("abcd", "abcd", "abcd", "abcde", "abcde", "bcde", "bcde", "cdef", "cdef")
    ]
    assert found.newest_height == 40
    assert START.extended(changes[:1]).extended(changes[1:]) == found
    assert [Change.decode(item.encode()) for item in changes] == changes


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ([change(20, "abcde", "ab", "abcd")], "2 signers, a quorum is 3"),
        ([change(20, "abcde", "xyz", "xyz")], "the signature of validator 0 does not match"),
        ([FIRST, change(40, "cdef", "abc", "abcd")], "3 signers, a quorum is 4"),
        ([FIRST, change(20, "abcd", "abcd", "abcde")], "ascending order"),
        ([change(40, "abcde", "abc", "abcd"), FIRST], "ascending order"),
        ([replace(FIRST, validators=made("abcf"))], "names other validators"),
        ([replace(FIRST, first_height=21)], "the checkpoint 8 heights before it"),
        ([replace(FIRST, certificate=certificate(Commit(12, 0, b"\x01" * 32), "abc", "abcd"))], "8 heights before it"),
    ],
)
def test_what_proves_nothing(changes: list[Change], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        START.extended(changes)


def test_a_signature_of_another_chain_proves_nothing() -> None:
    with pytest.raises(Invalid, match="does not match"):
        replace(START, chain_id=bytes(32)).extended([FIRST])
