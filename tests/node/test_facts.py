"""Facts between the processes: round trips, and refusals of what does not fit."""

from dataclasses import dataclass

import pytest

from node import facts
from rpc.backend import BalanceFact, TransactionFact, TransactionStatus
from state import codec
from state.codec import Value
from state.errors import Invalid
from state.receipt import Event, Receipt

EVENT = Event("payments", "paid", (("amount", 5), ("legs", ["a", ["b", None]])))
RECEIPT = Receipt(bytes(32), "ok", "", 12, (None, [1, "x"]), (EVENT,))


@dataclass(frozen=True, slots=True)
class Pair:
    left: tuple[int, str]
    right: Value


@pytest.mark.parametrize(
    "fact",
    [
        BalanceFact("USD.alpine", 5, 0),
        TransactionFact(bytes(32), TransactionStatus.FINAL, 9, None, 8, 0, 1_000, RECEIPT),
        TransactionFact(bytes(32), TransactionStatus.UNKNOWN, 9),
        Pair((1, "a"), [1, [b"x"]]),
    ],
)
def test_a_fact_comes_back_as_it_went(fact: object) -> None:
    assert facts.from_value(type(fact), codec.unpack(codec.pack(facts.to_value(fact)))) == fact


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        (BalanceFact, ["USD", 5]),
        (BalanceFact, ["USD", 5, True]),
        (BalanceFact, ["USD", "5", 0]),
        (BalanceFact, None),
        (Pair, [[1], None]),
        (Pair, [1, None]),
        (TransactionStatus, "lost"),
    ],
)
def test_what_does_not_fit_is_refused(expected: type, value: Value) -> None:
    with pytest.raises(Invalid):
        facts.from_value(expected, value)
