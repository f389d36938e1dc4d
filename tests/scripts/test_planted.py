"""Planted bugs that the simulator finds: with the first seed of four validators that shows each.

A change of the simulator, or of what nodes send, changes what a seed does; then ``planted_search`` finds other seeds.
``NOT_FOUND`` are those that no seed of the first sixty has shown yet.
"""

import pytest

from scripts.simulation.run import Run
from tests.scripts import planted

FOUND = {
    "a_checkpoint_certificate_is_not_checked": 2,
    "checkpoints_are_not_compared": 1,
    "evidence_of_what_is_none": 1,
    "own_checkpoints_are_sent_once": 5,
    "primaries_follow_the_own_certificate": 1,
    "a_commit_needs_no_certificate": 1,
    "a_replica_prepares_what_it_does_not_hold": 1,
    "a_timer_fires_once_a_height": 1,
    "a_view_change_is_no_barrier": 1,
    "any_proposer_may_be_named": 1,
    "bodies_are_forgotten_once_prepared": 1,
    "checkpoints_are_signed_without_memory": 1,
    "one_node_executes_differently": 1,
    "quorum_is_one_too_small": 1,
    "stragglers_are_not_answered": 1,
    "view_changes_carry_no_certificate": 1,
    "votes_are_not_recorded": 1,
    "votes_leave_before_the_sync": 1,
    "votes_of_other_views_count": 1,
    "what_is_decided_may_be_listed_again": 1,
    "what_is_prepared_is_forgotten_in_the_next_view": 1,
    "what_is_proposed_again_must_be_timely": 1,
    "gossip_is_sent_once": 4,
    "missing_bodies_are_never_asked_for": 2,
    "nothing_is_sent_again": 2,
    "signatures_in_certificates_are_not_checked": 2,
    "signatures_of_votes_are_not_checked": 2,
    "the_lowest_prepared_is_proposed_again": 6,
    "the_signer_allows_everything": 2,
    "a_decision_of_another_view_is_refused": 3,
    "only_the_last_vote_is_recorded": 4,
    "votes_are_forgotten_at_a_restart": 5,
    "decisions_are_taken_on_trust": 7,
    "repeated_signers_are_counted": 7,
    "a_new_view_is_not_checked": 9,
    "a_new_view_may_name_no_certificate": 9,
    "a_certificate_may_lack_signers": 11,
    "a_proposal_of_anybody_is_taken": 11,
    "what_is_prepared_is_forgotten_at_a_restart": 14,
    "guard_asks_for_unknown_validators": 21,
    "prepared_certificates_of_view_changes_are_not_checked": 24,
    "nothing_prepared_is_proposed_again": 26,
    "the_view_is_inside_the_digest": 28,
}
"""Bug → seed."""

QUICK = ("quorum_is_one_too_small", "votes_are_not_recorded", "votes_leave_before_the_sync", "gossip_is_sent_once",
         "the_lowest_prepared_is_proposed_again", "what_is_prepared_is_forgotten_in_the_next_view",
         "signatures_in_certificates_are_not_checked")  # fmt: skip

NOT_FOUND = sorted({plant.__name__ for plant in planted.PLANTS} - set(FOUND))


def shown(name: str, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """What the bug's seed says."""
    getattr(planted, name)(monkeypatch)
    return Run(FOUND[name], 4).result().violation


@pytest.mark.parametrize("name", QUICK)
def test_it_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(name, monkeypatch) is not None


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(set(FOUND) - set(QUICK)))
def test_the_others_are_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(name, monkeypatch) is not None


@pytest.mark.full
@pytest.mark.parametrize("seed", sorted(set(FOUND.values())))
def test_the_same_seed_holds_without_it(seed: int) -> None:
    assert Run(seed, 4).result().violation is None


def test_the_list_is_long_and_most_of_it_is_found() -> None:
    assert len(planted.PLANTS) >= 40
    assert len(FOUND) > len(NOT_FOUND)
