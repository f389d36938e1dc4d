"""The amnesia guard: who must have spoken, and what makes it abstain."""

from collections.abc import Sequence

import pytest

from consensus.safety import SignRequest
from node import records
from node.guard import NEWEST_VOTE_BYTES_MAX, AmnesiaGuard
from node.history import ValidatorHistory
from node.signer import Signer
from scripts.simulation import birth
from state import codec
from state.validators import ValidatorSet
from state.votes import Prepare, SignedVote, Vote, signing_payload
from tests.node.bench import BANKS, CHAIN_ID, LAG, NAMES, Pages, empty_chain, make

BLOCK = make()
OWN = 0


def guard(
    validators: ValidatorSet = BANKS, signed: Sequence[SignRequest] = (), *, is_restored: bool = False
) -> AmnesiaGuard:
    """The guard of bank 0, whose record holds these votes."""
    pages = Pages()
    signer = Signer(birth.vote_key(NAMES[OWN]), CHAIN_ID, pages, records.read([]))
    signer.request(1, signed, lambda _: validators)
    return AmnesiaGuard(signer, ValidatorHistory(validators, LAG, empty_chain()), is_restored=is_restored)


def vote(height: int, view: int = 0, signer: int = OWN, key: int = OWN) -> bytes:
    """A vote that a peer holds, signed by the key of any bank."""
    prepare: Vote = Prepare(height, view, BLOCK.digest)
    signature = birth.vote_key(NAMES[key]).sign(signing_payload(prepare, CHAIN_ID))
    return codec.pack(SignedVote(prepare, signer, signature).to_value())


SIGNED = [SignRequest(Prepare(1, 0, BLOCK.digest), BLOCK)]
HELD = [
    ("nobody holds anything", [b"", b""], [], 0),
    ("they hold what is on record", [vote(1), b""], SIGNED, 0),
    ("they hold a newer view", [vote(1, view=1), b""], SIGNED, 1),
    ("they hold a newer height", [b"", vote(7)], SIGNED, 7),
    ("the highest counts", [vote(7), vote(3)], SIGNED, 7),
    ("another's signature is no vote of ours", [vote(7, key=1), b""], SIGNED, 0),
    ("what cannot be read is none", [b"\xc1", bytes(NEWEST_VOTE_BYTES_MAX + 1)], SIGNED, 0),
]


@pytest.mark.parametrize(("held", "signed", "expected"), [case[1:] for case in HELD], ids=[case[0] for case in HELD])
def test_what_peers_hold(held: Sequence[bytes], signed: Sequence[SignRequest], expected: int) -> None:
    asked = guard(signed=signed)
    assert asked.joined(None, b"", 1) is None
    assert asked.joined(NAMES[1], held[0], 1) is None
    assert asked.joined(NAMES[2], held[1], 1) == expected


@pytest.mark.parametrize(
    ("heights", "held", "is_restored", "expected"),
    [
        ((40, 41), (b"", b""), False, 0),
        ((40, 41), (b"", b""), True, 43),
        ((41, 0), (b"", b""), True, 43),
        ((0, 0), (b"", b""), True, 2),
        ((3, 4), (vote(7), b""), True, 7),
    ],
)
def test_a_restored_home_abstains_beyond_what_they_have_decided(
    heights: tuple[int, int], held: tuple[bytes, bytes], is_restored: bool, expected: int
) -> None:
    asked = guard(is_restored=is_restored)
    assert asked.joined(None, b"", 1) is None
    assert asked.joined("a stranger", b"", 1, 99) is None
    assert asked.joined(NAMES[1], held[0], 1, heights[0]) is None
    assert asked.joined(NAMES[2], held[1], 1, heights[1]) == expected


def test_it_speaks_once() -> None:
    asked = guard()
    assert [asked.joined(NAMES[index], b"", 1) for index in (1, 2, 3)] == [None, 0, None]


def test_strangers_and_repeats_do_not_count() -> None:
    asked = guard()
    heard = [asked.joined(member, vote(9), 1) for member in ("observer", NAMES[OWN], NAMES[1], NAMES[1])]
    assert heard == [None] * 4
    assert asked.joined(NAMES[3], b"", 1) == 9


def test_a_bank_that_is_alone_waits_for_nobody() -> None:
    assert guard(birth.validators(1)).joined(None, b"", 1) == 0
