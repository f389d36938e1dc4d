"""What decorators export: actions, queries, ways out and invariants, and how either implementation runs them."""

import pytest

from contracts.language import ContractError, compile_contract
from contracts.language.fuel import Meter
from contracts.language.machine import run
from tests.contracts.language.comparison import MAIN, both
from tests.contracts.language.memory_host import MemoryHost

SOURCE = b"""
from hansa import Value, action, invariant, query, unwind

total: Value[int] = Value(3)

@action
def add(n: int) -> None:
    total.set(total.get() + n)

@unwind
def clear() -> int:
    total.set(0)
    return total.get()

@query
def shown() -> int:
    return total.get() if small() else 0

@invariant
def small() -> bool:
    return total.get() < 10

@invariant
def whole() -> bool:
    return total.get() // 0 == 1
"""


def test_each_decorator_has_its_place() -> None:
    compiled = compile_contract(SOURCE)
    assert {name: (method.writes, method.unwinds) for name, method in compiled.actions.items()} == {
        "add": (True, False),
        "clear": (True, True),
    }
    assert {name: (method.writes, method.unwinds) for name, method in compiled.queries.items()} == {
        "shown": (False, False),
        "small": (False, False),
        "whole": (False, False),
    }
    assert compiled.invariants == ("small", "whole")


def test_the_abi_names_ways_out_and_invariants() -> None:
    abi = compile_contract(SOURCE).abi()
    assert (abi["unwinds"], abi["invariants"]) == (["clear"], ["small", "whole"])
    assert list(abi["actions"]) == ["add", "clear"]
    assert list(abi["queries"]) == ["shown", "small", "whole"]
    assert abi["queries"]["small"] == {"description": "", "params": [], "result": {"type": "boolean"}}


@pytest.mark.parametrize(
    ("method", "args", "ending", "result"),
    [
        ("add", [5], "ok", None),
        ("clear", [], "ok", 0),
        ("shown", [], "ok", 3),
        ("small", [], "ok", True),
        ("whole", [], "division_by_zero", None),
        ("small", [1], "argument_count", None),
    ],
)
def test_both_implementations_agree(method: str, args: list[int], ending: str, result: object) -> None:
    ours, theirs = both({MAIN: SOURCE}, method, args)
    assert ours == theirs
    assert (ours[0], ours[2]) == (ending, (type(result).__name__, result))


def test_what_an_invariant_calls_is_read_only_too() -> None:
    asking = b"""
from hansa import Address, call, invariant

@invariant
def asked() -> bool:
    call(Address("other"), "add", 1)
    return True
"""
    host = MemoryHost()
    host.others, host.meter = {"other": SOURCE}, Meter(100_000)
    with pytest.raises(ContractError, match="read_only"):
        run(compile_contract(asking), "asked", [], host, host.meter)
