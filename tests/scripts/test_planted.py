"""Planted bugs: the simulator finds every one, and what shows it holds without it.

``FOUND`` says at which seed. A change of what nodes send, or of the simulator, moves what a seed does: so each search
begins at the seed that is known and goes on for a bounded number of them. ``planted_search`` finds new ones.
"""

import pytest

from scripts.simulation.run import Run
from tests.scripts import planted
from tests.scripts.planted_search import search

FOUND = {
    "quorum_is_one_too_small": (1, 4),
    "votes_are_not_recorded": (1, 4),
    "votes_leave_before_the_sync": (1, 4),
    "votes_are_forgotten_at_a_restart": (1, 4),
    "kept_bodies_are_dropped_at_a_restart": (4, 4),
    "one_node_executes_differently": (1, 4),
    "gossip_is_sent_once": (5, 4),
    "guard_asks_for_unknown_validators": (1, 4),
    "what_is_decided_may_be_listed_again": (1, 4),
    "peers_once_passed_over_stay_so": (2, 1),
    "repeated_signers_are_counted": (19, 4),
    "a_certificate_may_lack_signers": (11, 4),
    "signatures_in_certificates_are_not_checked": (11, 4),
    "signatures_of_votes_are_not_checked": (4, 4),
    "votes_have_no_domain_tag": (11, 4),
    "votes_of_other_views_count": (3, 4),
    "a_proposal_of_anybody_is_taken": (22, 4),
    "view_changes_carry_no_certificate": (1, 4),
    "what_is_prepared_is_forgotten_in_the_next_view": (1, 4),
    "what_is_prepared_is_forgotten_at_a_restart": (4, 4),
    "the_lowest_prepared_is_proposed_again": (10, 4),
    "nothing_prepared_is_proposed_again": (1, 4),
    "a_new_view_is_not_checked": (19, 4),
    "a_new_view_may_name_no_certificate": (19, 4),
    "prepared_certificates_of_view_changes_are_not_checked": (19, 4),
    "the_view_is_inside_the_digest": (1, 4),
    "the_signer_allows_everything": (1, 4),
    "a_view_change_is_no_barrier": (1, 4),
    "a_commit_needs_no_certificate": (1, 4),
    "checkpoints_are_signed_without_memory": (1, 4),
    "only_the_last_vote_is_recorded": (2, 4),
    "bodies_are_forgotten_once_prepared": (1, 4),
    "missing_bodies_are_never_asked_for": (1, 4),
    "a_replica_prepares_what_it_does_not_hold": (1, 4),
    "a_block_is_not_checked_against_its_bodies": (12, 4),
    "headers_are_not_checked": (11, 4),
    "any_proposer_may_be_named": (1, 4),
    "times_are_not_checked": (72, 4),
    "a_block_may_be_as_old_as_its_parent": (14, 4),
    "fewer_than_f_and_one_lead": (12, 4),
    "nobody_leads": (1, 4),
    "timeouts_double_for_ever": (13, 4),
    "a_timer_fires_once_a_height": (1, 4),
    "a_view_times_out_without_support": (2, 4),
    "what_is_proposed_again_must_be_timely": (4, 4),
    "idle_replicas_wait_for_ever": (3, 4),
    "nothing_is_sent_again": (1, 4),
    "stragglers_are_not_answered": (1, 4),
    "a_decision_of_another_view_is_refused": (1, 4),
    "decisions_are_taken_on_trust": (11, 4),
    "fetched_bodies_are_not_matched": (9, 4),
    "a_stalling_peer_is_waited_for": (14, 4),
    "primaries_follow_the_own_certificate": (1, 4),
    "checkpoints_are_not_compared": (1, 4),
    "a_checkpoint_certificate_is_not_checked": (8, 4),
    "certified_heights_are_forgotten_at_a_restart": (1, 4),
    "own_checkpoints_are_sent_once": (1, 4),
    "evidence_of_what_is_none": (1, 4),
    "offences_of_one_count_for_all": (4, 4),
    "the_world_is_taken_as_durable": (1, 4),
    "a_refused_body_is_never_taken": (1, 4),
    "the_door_takes_what_no_block_may_list": (38, 4),
    "who_validated_is_forgotten": (193, 4),
    "the_first_key_signs_everything": (3, 4),
    "a_set_is_in_force_a_height_late": (3, 4),
}
"""Bug → the first seed that shows it, and the number of validators."""

SEEDS_MAX = 40
"""So many seeds are tried, the known one first."""

QUICK = ("quorum_is_one_too_small", "votes_are_not_recorded", "votes_leave_before_the_sync",
         "kept_bodies_are_dropped_at_a_restart", "what_is_prepared_is_forgotten_in_the_next_view",
         "a_view_times_out_without_support", "fewer_than_f_and_one_lead",
         "what_is_decided_may_be_listed_again")  # fmt: skip
"""A sample for every run of the tests: bugs that many seeds show."""


def is_found(name: str) -> bool:
    """Whether a seed from the known one on shows the bug."""
    seed, nodes = FOUND[name]
    return search(name, seed, SEEDS_MAX, nodes)[0] is not None


def test_there_are_enough_and_each_has_its_seed() -> None:
    assert len(planted.PLANTS) >= 40
    assert {plant.__name__ for plant in planted.PLANTS} == set(FOUND)


@pytest.mark.parametrize("name", QUICK)
def test_it_is_found(name: str) -> None:
    assert is_found(name)


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(set(FOUND) - set(QUICK)))
def test_the_others_are_found(name: str) -> None:
    assert is_found(name)


@pytest.mark.full
@pytest.mark.parametrize(("seed", "nodes"), sorted(set(FOUND.values())))
def test_the_same_seed_holds_without_it(seed: int, nodes: int) -> None:
    assert Run(seed, nodes).result().violation is None


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1, 21))
def test_what_a_plant_takes_away_beside_its_bug_is_no_bug(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.old_heights_come_by_block_sync_only(monkeypatch)
    assert Run(seed, 4).result().violation is None
