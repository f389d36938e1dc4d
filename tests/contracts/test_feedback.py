"""Feedback: once for each completed service by each of its parties, and one reply of the bank."""

from typing import Any

import pytest

from contracts.library import read_library
from state.codec import Value
from tests.contracts.network import address_of
from tests.contracts.trading_floor import PAIR, Floor

SERVICE = '''
"""Stands for remittances: what service() answers is what was set."""

from hansa import Address, Map, action, query

completed: Map[str, bool] = Map()
parties: Map[str, list[Address]] = Map()


@action
def serve(name: str, done: bool, those: list[Address]) -> None:
    completed[name] = done
    parties[name] = those


@query
def service(name: str) -> tuple[bool, list[Address], str]:
    return completed[name], parties[name], "alpine"
'''


@pytest.fixture
def floor() -> Floor:
    """Service r1 of alpine for ann and bob is completed; r2 is not; alpine itself is a party of r3."""
    floor = Floor.start(sources=(("remittances", SERVICE),))
    serve = [("r1", True, ("ann", "bob")), ("r2", False, ("ann",)), ("r3", True, ("ann", "alpine"))]
    for name, done, names in serve:
        those: list[Value] = [address_of(party) for party in names]
        assert floor.send("eve", ("remittances", "serve", [name, done, those])) == "ok"
    return floor


def rate(
    floor: Floor, sender: str, service: str, stars: int = 5, text: str = "", digest: bytes = b"", **more: str
) -> str:
    terms: list[Value] = [more.get("contract", "remittances"), service, stars, text, digest]
    return floor.send(sender, ("feedback", "rate", terms))


def asked(floor: Floor, method: str, *arguments: Value) -> Any:
    answer = floor.chain.reads.query("feedback", method, list(arguments))
    assert answer.code == "ok", answer
    return answer.value


REFUSED = [
    ("another contract", "ann", "r1", {"contract": "escrow"}, "unknown_service"),
    ("a service of an order", "ann", "77", {"contract": "trades"}, "unknown_order"),
    ("no stars", "ann", "r1", {"stars": 0}, "bad_rating"),
    ("six stars", "ann", "r1", {"stars": 6}, "bad_rating"),
    ("a long text", "ann", "r1", {"text": "x" * 281}, "bad_text"),
    ("a short digest", "ann", "r1", {"digest": bytes(31)}, "bad_text"),
    ("somebody else", "dan", "r1", {}, "not_a_party"),
    ("not completed", "ann", "r2", {}, "not_completed"),
    ("the bank itself", "alpine", "r3", {}, "own_service"),
]


@pytest.mark.parametrize(("sender", "service", "changes", "code"), [row[1:] for row in REFUSED])
def test_refused(floor: Floor, sender: str, service: str, changes: dict[str, Any], code: str) -> None:
    assert rate(floor, sender, service, **changes) == code
    assert asked(floor, "standing", "alpine") == [0, 0, 0, 0, 0, 0, 0]


def test_each_party_rates_once(floor: Floor) -> None:
    assert asked(floor, "average_hundredths", "alpine") == 0
    assert rate(floor, "ann", "r1", 5, "well done") == "ok"
    assert rate(floor, "ann", "r1", 1) == "already_rated"
    assert rate(floor, "bob", "r1", 2, digest=bytes(32)) == "ok"
    assert rate(floor, "ann", "r3", 4) == "ok"
    assert asked(floor, "standing", "alpine") == [3, 11, 0, 1, 0, 1, 1]
    assert asked(floor, "average_hundredths", "alpine") == 367
    assert asked(floor, "number_of", "remittances", "r1", address_of("bob")) == 2
    assert asked(floor, "number_of", "remittances", "r2", address_of("bob")) == 0
    assert [entry[0] for entry in asked(floor, "feedback_of", "alpine", 0, 2)] == [3, 2]
    assert [entry[0] for entry in asked(floor, "feedback_of", "alpine", 2, 2)] == [1]
    assert asked(floor, "feedback_of", "baltic", 0, 2) == []


def test_the_bank_replies_once(floor: Floor) -> None:
    rate(floor, "ann", "r1", 3, "slow")
    for sender, number, text, code in (
        ("alpine", 2, "sorry", "unknown_feedback"),
        ("baltic", 1, "sorry", "not_the_bank"),
        ("ann", 1, "sorry", "not_the_bank"),
        ("alpine", 1, "", "bad_text"),
        ("alpine", 1, "sorry", "ok"),
        ("alpine", 1, "again", "already_replied"),
    ):
        assert floor.send(sender, ("feedback", "reply", [number, text, b""])) == code
    found = asked(floor, "feedback_info", 1)
    assert found[:6] == ["remittances", "r1", address_of("ann"), "alpine", 3, "slow"]
    assert found[8:10] == ["sorry", b""]


def test_a_filled_order_is_rated_by_its_owner(floor: Floor) -> None:
    floor.place("ann", "sell", 100, 20)
    floor.place("bob", "buy", 100, 10)
    assert rate(floor, "ann", "1", contract="trades") == "not_completed"
    assert rate(floor, "ann", "2", contract="trades") == "not_a_party"
    assert rate(floor, "bob", "2", contract="trades") == "ok"
    assert floor.send("ann", ("trades", "cancel", ["1"])) == "ok"
    assert rate(floor, "ann", "1", contract="trades") == "ok"
    assert asked(floor, "standing", "alpine")[:2] == [2, 10]
    assert floor.query("pair_info", PAIR)[5] == "alpine"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("    found.stars += stars\n", "    found.stars += 5\n"),
        ("        found.threes += 1\n", "        found.fours += 1\n"),
        ("    found.count += 1\n", ""),
    ],
)
def test_a_wrong_sum_is_taken_back(right: str, wrong: str) -> None:
    source = read_library()["feedback"]
    assert source.count(right) == 1
    bent = source.replace(right, wrong)
    floor = Floor.start(sources=(("remittances", SERVICE), ("feedback", bent)))
    ann: list[Value] = [address_of("ann")]
    assert floor.send("eve", ("remittances", "serve", ["r1", True, ann])) == "ok"
    assert rate(floor, "ann", "r1", 3) == "invariant_broken"
    assert rate(floor, "ann", "r1", 3) == "contract_paused"
