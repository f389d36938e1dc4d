"""Whole networks in hard weather: agreement always, progress within 10 s of its end; and planted bugs get caught."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings

from consensus import safety, view_changes
from consensus.height import Height
from consensus.replica import Replica
from state.validators import ValidatorSet
from state.votes import ViewChange
from tests.consensus.network import Network
from tests.consensus.schedules import Schedule, play, schedules

weather = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@given(schedules("abcd"))
@settings(weather, max_examples=40)
def test_four_agree_and_go_on(schedule: Schedule) -> None:
    play(schedule)


@given(schedules("abcdefg"))
@settings(weather, max_examples=12)
def test_seven_agree_and_go_on(schedule: Schedule) -> None:
    play(schedule)


@given(schedules("abcd", twins="b"))
@settings(weather, max_examples=25)
def test_one_twin_divides_nobody(schedule: Schedule) -> None:
    play(schedule)


@given(schedules("abcdef"))
@settings(weather, max_examples=8)
def test_six_need_four(schedule: Schedule) -> None:
    play(schedule)


def split_run(seed: int) -> Network:
    """Four banks, cut in two halves for a while; both halves have work and a clock of their own."""
    actions = (("submit", 3, 5), ("split", 0b0011, 900), ("submit", 1, 1500), ("join", 0, 10))
    return play(Schedule(seed, "abcd", "", 8, 0, 0, 5, actions))


def seeds_until_caught(run: Callable[[int], Network], seeds: int = 12) -> str:
    """The first violation that one of the seeds shows."""
    for seed in range(seeds):
        try:
            run(seed)
        except AssertionError as error:
            return str(error)
    return "nothing was caught"


def test_split_run_is_fine_as_it_is() -> None:
    assert seeds_until_caught(split_run, 3) == "nothing was caught"


def test_planted_quorum_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ValidatorSet, "quorum", property(lambda validators: len(validators) // 2))
    assert "two blocks at one height" in seeds_until_caught(split_run)


def test_planted_forgotten_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """VIEW-CHANGE without the prepared certificate: the signer refuses before the network can divide."""
    monkeypatch.setattr(view_changes, "carried", lambda own, height, view: ViewChange(height, view, None, None))

    def run(seed: int) -> Network:
        return play(Schedule(seed, "abcd", "", 8, 30, 0, 60, (("submit", 3, 700),) * 8))

    assert "is not the one that the vote" in seeds_until_caught(run)


def test_planted_signer_that_allows_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bug behind a signer that refuses nothing: other banks hold evidence."""
    monkeypatch.setattr(safety, "decide", lambda record, request, validators: safety.Allow())
    monkeypatch.setattr(
        view_changes,
        "carried",
        lambda own, height, view: ViewChange(height, view, None, None),
    )
    original = Height._leave

    def forgetful(height: Height, view: int) -> None:
        height.prepared = height._prepared_block = None
        original(height, view)

    monkeypatch.setattr(Height, "_leave", forgetful)

    def run(seed: int) -> Network:
        return play(Schedule(seed, "abcd", "", 8, 30, 0, 60, (("submit", 3, 700),) * 8))

    caught = seeds_until_caught(run)
    assert "accuses" in caught or "two blocks" in caught


def test_planted_no_resending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Replica, "_tick", lambda replica: None)

    def run(seed: int) -> Network:
        return play(Schedule(seed, "abcd", "", 8, 30, 0, 60, (("submit", 3, 700),) * 8))

    assert seeds_until_caught(run) in ("no progress after the faults ended", "a bank was left behind")
