"""The reading of rule 6 that the simulator holds every honest member to."""

import pytest

from scripts.simulation.movement import HEIGHTS_REMEMBERED, Movement
from state.votes import SignedVote, ViewChange


def asked(signer: int, view: int, height: int = 1) -> SignedVote:
    return SignedVote(ViewChange(height, view, None, None), signer, bytes(64))


@pytest.mark.parametrize(
    ("before", "view", "allowed"),
    [
        ([], 1, True),  # view 0 took too long
        ([], 2, False),
        ([asked(0, 1)], 2, False),
        ([asked(0, 1), asked(1, 1)], 2, False),
        ([asked(0, 1), asked(1, 1), asked(2, 1)], 2, True),  # q had asked for view 1
        ([asked(0, 1), asked(1, 1), asked(2, 1)], 3, False),
        ([asked(1, 1), asked(2, 9), asked(3, 4)], 2, True),  # who asks for more has left the views below, too
        ([asked(1, 9)], 9, False),  # one of four leads nobody
        ([asked(1, 9), asked(2, 7)], 7, True),  # two do, to the least of their views
        ([asked(1, 9), asked(2, 7)], 8, False),
        ([asked(0, 9), asked(2, 9)], 9, False),  # the own VIEW-CHANGE does not count
        ([asked(1, 9, height=2), asked(2, 9, height=2)], 9, False),
    ],
)
def test_signer_0_of_4(before: list[SignedVote], view: int, allowed: bool) -> None:
    movement = Movement()
    for item in before:
        movement.note(item)
    assert movement.is_allowed(asked(0, view), 4) is allowed


def test_heights_far_ahead_do_not_push_out_the_present() -> None:
    movement = Movement()
    for height in range(1, HEIGHTS_REMEMBERED // 2):
        movement.note(asked(1, 5, height))
        movement.note(asked(1, 5, height + HEIGHTS_REMEMBERED // 2))
        movement.note(asked(2, 5, height))
        assert movement.is_allowed(asked(0, 5, height), 4)
