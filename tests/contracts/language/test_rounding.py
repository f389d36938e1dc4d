"""Fixed-point helpers against exact fractions, each rounding by its definition."""

from fractions import Fraction
from math import ceil, floor, trunc

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contracts.language import ContractError, Meter, check, compile_contract, run
from contracts.language.integers import LIMIT
from contracts.language.values import read_integer, write_integer
from contracts.language.vocabulary import ROUNDINGS
from tests.contracts.language.memory_host import MemoryHost

SOURCE = "from hansa import div_round, mul_div, query, round_to\n" + "".join(
    f"""
@query
def mul_{name}(a: int, b: int, c: int) -> int:
    return mul_div(a, b, c, "{name}")
@query
def div_{name}(a: int, c: int) -> int:
    return div_round(a, c, "{name}")
@query
def to_{name}(a: int, c: int) -> int:
    return round_to(a, c, "{name}")
"""
    for name in ROUNDINGS
)
COMPILED = compile_contract(SOURCE.encode())


def ask(method: str, *numbers: int) -> int:
    plain = run(COMPILED, method, [write_integer(number) for number in numbers], MemoryHost(), Meter(10**6))
    return read_integer(plain)


def half(value: Fraction, ties_even: bool) -> int:
    away = trunc(value) + (1 if value > 0 else -1)
    rest = abs(value - trunc(value))
    if rest == Fraction(1, 2):
        return (trunc(value) if trunc(value) % 2 == 0 else away) if ties_even else away
    return away if rest > Fraction(1, 2) else trunc(value)


DEFINITION = {
    "down": trunc,
    "up": lambda value: -floor(-value) if value > 0 else floor(value),
    "floor": floor,
    "ceiling": ceil,
    "half_up": lambda value: half(value, False),
    "half_even": lambda value: half(value, True),
}
integers = st.integers(1 - LIMIT, LIMIT - 1) | st.integers(-30, 30)


@given(st.sampled_from(ROUNDINGS), integers, integers, integers.filter(bool))
def test_mul_div_is_the_exact_quotient_rounded_once(name: str, a: int, b: int, c: int) -> None:
    expected = DEFINITION[name](Fraction(a * b, c))
    if abs(expected) < LIMIT:
        assert ask("mul_" + name, a, b, c) == expected
    else:
        with pytest.raises(ContractError, match="overflow"):
            ask("mul_" + name, a, b, c)


@given(st.sampled_from(ROUNDINGS), integers, integers.filter(bool))
def test_div_round(name: str, a: int, c: int) -> None:
    assert ask("div_" + name, a, c) == DEFINITION[name](Fraction(a, c))


@given(st.sampled_from(ROUNDINGS), integers, integers.filter(lambda unit: unit > 0))
def test_round_to(name: str, a: int, c: int) -> None:
    expected = DEFINITION[name](Fraction(a, c)) * c
    assume(abs(expected) < LIMIT)
    assert ask("to_" + name, a, c) == expected


@pytest.mark.parametrize(
    ("method", "numbers", "code"),
    [
        ("mul_down", (1, 1, 0), "division_by_zero"),
        ("div_up", (1, 0), "division_by_zero"),
        ("to_up", (1, 0), "value"),
        ("to_up", (1, -5), "value"),
        ("to_up", (LIMIT - 1, 2), "overflow"),
    ],
)
def test_what_has_no_result(method: str, numbers: tuple[int, ...], code: str) -> None:
    with pytest.raises(ContractError) as caught:
        ask(method, *numbers)
    assert caught.value.code == code


@pytest.mark.parametrize("call", ["div_round(1, 2, 'near')", "round_to(1, 2, mode)", "mul_div(1, 2, 3, 'near')"])
def test_a_rounding_is_named_in_the_source(call: str) -> None:
    source = "from hansa import div_round, mul_div, query, round_to\n@query\ndef f(mode: str) -> int:\n    return "
    assert [finding.rule for finding in check((source + call + "\n").encode())] == ["call.rounding"]
