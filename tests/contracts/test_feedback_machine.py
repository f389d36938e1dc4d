"""Feedback beside a plain list of what was said: random services, parties, ratings and replies."""

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from contracts.library import read_library
from state.codec import Value
from tests.contracts.network import address_of
from tests.contracts.test_feedback import SERVICE, asked, rate
from tests.contracts.trading_floor import Floor

PEOPLE = ("ann", "bob", "dan", "alpine")
SERVICES = ("r1", "r2", "r3")
WEATHER = settings(
    max_examples=15, stateful_step_count=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@dataclass
class Said:
    """One rating, and whether the bank has answered it."""

    service: str
    party: str
    stars: int
    is_answered: bool = False


class Feedback(RuleBasedStateMachine):
    """The contract, and the list."""

    sources: tuple[tuple[str, str], ...] = (("remittances", SERVICE),)

    def __init__(self) -> None:
        super().__init__()
        self.floor = Floor.start(sources=self.sources)
        self.services: dict[str, tuple[bool, tuple[str, ...]]] = {}
        self.said: list[Said] = []

    @initialize()
    def begin(self) -> None:
        for service in SERVICES:
            self.serve_to(service, True, ("ann", "bob"))

    @rule(service=st.sampled_from(SERVICES), done=st.booleans(), parties=st.sets(st.sampled_from(PEOPLE), min_size=1))
    def serve(self, service: str, done: bool, parties: set[str]) -> None:
        self.serve_to(service, done, tuple(sorted(parties)))

    def serve_to(self, service: str, done: bool, names: tuple[str, ...]) -> None:
        those: list[Value] = [address_of(name) for name in names]
        assert self.floor.send("eve", ("remittances", "serve", [service, done, those])) == "ok"
        self.services[service] = done, names

    @rule(sender=st.sampled_from(PEOPLE), service=st.sampled_from(SERVICES), stars=st.integers(0, 6))
    def rate(self, sender: str, service: str, stars: int) -> None:
        done, parties = self.services[service]
        if not 1 <= stars <= 5:
            expected = "bad_rating"
        elif sender not in parties:
            expected = "not_a_party"
        elif sender == "alpine":
            expected = "own_service"
        elif not done:
            expected = "not_completed"
        elif any((said.service, said.party) == (service, sender) for said in self.said):
            expected = "already_rated"
        else:
            expected = "ok"
            self.said.append(Said(service, sender, stars))
        assert rate(self.floor, sender, service, stars) == expected

    @rule(sender=st.sampled_from(("alpine", "alpine", "alpine", "baltic", "ann")), number=st.integers(1, 3))
    def reply(self, sender: str, number: int) -> None:
        found = self.said[number - 1] if number <= len(self.said) else None
        if found is None:
            expected = "unknown_feedback"
        elif sender != "alpine":
            expected = "not_the_bank"
        elif found.is_answered:
            expected = "already_replied"
        else:
            expected, found.is_answered = "ok", True
        assert self.floor.send(sender, ("feedback", "reply", [number, "thank you", b""])) == expected

    @invariant()
    def standing_is_the_list(self) -> None:
        stars = [said.stars for said in self.said]
        counts = [stars.count(number) for number in range(1, 6)]
        assert asked(self.floor, "standing", "alpine") == [len(stars), sum(stars), *counts]
        for number, said in enumerate(self.said, 1):
            row = asked(self.floor, "feedback_info", number)
            assert row[1:5] == [said.service, address_of(said.party), "alpine", said.stars]
            assert bool(row[8]) is said.is_answered


def test_feedback_is_the_list() -> None:
    run_state_machine_as_test(Feedback, settings=WEATHER)


PLANTED = [
    ('require((contract, service, party) not in numbers, "already_rated", "a party rates a service once")', "pass"),
    ('require(completed, "not_completed", "the service is not completed")', "pass"),
    ('require(found.replied_ms == 0, "already_replied", "a bank replies once")', "pass"),
    ('require(party in parties, "not_a_party", "a service is rated by its parties")', "pass"),
    ("count_stars(bank, stars)\n", "count_stars(bank, 5)\n"),
]


@pytest.mark.parametrize(("line", "instead"), PLANTED, ids=["twice", "undone", "two replies", "strangers", "sums"])
def test_a_planted_bug_is_caught(line: str, instead: str) -> None:
    source = read_library()["feedback"]
    assert source.count(line) == 1

    class Spoilt(Feedback):
        sources = (("remittances", SERVICE), ("feedback", source.replace(line, instead)))

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Spoilt, settings=settings(WEATHER, phases=[Phase.generate], max_examples=60))
