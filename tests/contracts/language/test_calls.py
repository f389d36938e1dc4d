"""Calls between contracts: arguments of any type, answers by annotation, the caller's identity, what is refused."""

import pytest

from contracts.language import ContractError, Meter, compile_contract, run
from tests.contracts.language.memory_host import MemoryHost

CALLEE = b"""
from hansa import Address, action, ctx, query, record


@record
class Order:
    owner: str
    amount: int
    tags: list[str]


@action
def take(order: Order, rates: dict[str, int], pair: tuple[int, bytes]) -> tuple[Order, dict[str, int]]:
    order.amount += pair[0]
    rates["n"] = len(rates)
    return order, rates


@query
def large() -> int:
    return 2**200


@query
def who() -> tuple[Address, Address]:
    return ctx.sender, ctx.caller
"""
CALLER = b"""
from hansa import Address, call, query, record


@record
class Order:
    owner: str
    amount: int
    tags: list[str]


@query
def typed() -> tuple[int, int]:
    order = Order("ann", 2**100, ["a", "b"])
    answer: tuple[Order, dict[str, int]] = call(Address("b"), "take", order, {"x": 1}, (5, b"z"))
    changed, rates = answer
    return changed.amount - 2**100, rates["n"]


@query
def large() -> int:
    number: int = call(Address("b"), "large")
    return number


@query
def wrong() -> str:
    text: str = call(Address("b"), "large")
    return text


@query
def plain() -> int:
    return len(call(Address("b"), "large"))


@query
def who() -> list[Address]:
    return call(Address("b"), "who")


@query
def shared() -> int:
    xs = [1]
    for k in range(40):
        xs = [xs]
    number: int = call(Address("b"), "large", xs)
    return number
"""


def ask(method: str) -> object:
    host = MemoryHost()
    host.others, host.meter = {"b": CALLEE}, Meter(10**6)
    return run(compile_contract(CALLER), method, [], host, host.meter)


def test_records_dicts_and_large_integers_cross_both_ways() -> None:
    assert ask("typed") == [5, 1]
    assert ask("large") == (2**200).to_bytes(33, "big")


def test_an_answer_without_a_type_is_plain() -> None:
    assert ask("plain") == 33


def test_the_callee_sees_who_sent_and_who_called() -> None:
    assert ask("who") == ["hsa1sender", "hsa1contract"]


@pytest.mark.parametrize(("method", "code"), [("wrong", "argument"), ("shared", "depth")])
def test_what_is_refused(method: str, code: str) -> None:
    with pytest.raises(ContractError) as caught:
        ask(method)
    assert caught.value.code == code
