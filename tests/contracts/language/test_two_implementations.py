"""The compiled language and the reference interpreter agree: result, state, events, fuel to the unit, error code.

On the tables of honest and hostile bodies, on the library's contracts, and on generated programs: a sample in every
run, 20,000 with ``--full``. A bug planted on either side is caught, which shows that the comparison looks.
"""

import ast
import os
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.language import (
    Meter,
    Plain,
    Refused,
    Version,
    access,
    compile_contract,
    machine,
    operators,
    run,
    sorting,
)
from contracts.language.annotations import DeclaredType
from contracts.language.compiler import HELPERS
from contracts.language.prices import PRICES_1
from contracts.library import read_library
from tests.contracts.language import generator
from tests.contracts.language.comparison import MAIN, SENDER, Outcome, both, observe
from tests.contracts.language.programs import HONEST, STOPPED, module
from tests.contracts.language.reference_interpreter import keep, program_of
from tests.contracts.language.reference_interpreter import run as run_reference
from tests.contracts.language.test_mutations import spoil

SAMPLE = 300
MANY = 20_000
CHUNK = 250


@pytest.mark.parametrize(("returns", "body"), [(returns, body) for returns, body, _ in HONEST])
def test_they_agree_on_honest_bodies(returns: str, body: str) -> None:
    ours, theirs = both({MAIN: module(body, returns)})
    assert ours == theirs
    assert ours[0] == "ok"


@pytest.mark.parametrize(("body", "code"), STOPPED)
def test_they_agree_on_hostile_bodies(body: str, code: str) -> None:
    """With less fuel than elsewhere where only loops run out of it: the reference is slow."""
    ours, theirs = both({MAIN: module(body)}, fuel=300_000 if code == "out_of_fuel" else 2_000_000)
    assert ours == theirs
    assert ours[0] == code


@pytest.mark.parametrize("fuel", range(100, 9_000, 127))
def test_they_agree_wherever_the_fuel_ends(fuel: int) -> None:
    body = """
for n in range(3):
    counts[n] = n * 5
    points[f'p{n}'] = Point(n, name='x' * n)
emit('Made', all=[counts[n] for n in range(3)])
a = sorted(['bb', 'a', 'ccc'], key=lambda s: (len(s), s))
d = {k: i for i, k in enumerate(a)}
ledger.transfer(Asset('EUR'), ctx.sender, ctx.contract, 5, ','.join(a))
total.set(sum(d.values()) + down(5))
return total.get()
"""
    ours, theirs = both({MAIN: module(body)}, fuel=fuel)
    assert ours == theirs


def _plain(declared: DeclaredType, source: random.Random) -> Plain:
    """A value of a declared type, now and then of another."""
    if source.random() < 0.02:
        return source.choice([None, True, 1, "x", b"", []])
    match declared.kind:
        case "int":
            return source.choice([0, 1, 7, -3, 2**63, (2**200).to_bytes(33, "big")])
        case "Amount":
            return source.choice([0, 1, 250, 10**9])
        case "bool":
            return source.random() < 0.5
        case "bytes":
            return source.randbytes(source.choice([0, 4, 32]))
        case "str" | "Address" | "Asset":
            return source.choice(["EUR", "EUR.bank", "bank", SENDER, "issued", "settlement", "x" * 60])
        case "optional":
            return None if source.random() < 0.3 else _plain(declared.arguments[0], source)
        case "list" | "tuple_of":
            return [_plain(declared.arguments[0], source) for _ in range(source.randrange(4))]
        case "tuple":
            return [_plain(part, source) for part in declared.arguments]
        case "dict":
            return [[_plain(part, source) for part in declared.arguments] for _ in range(source.randrange(3))]
    assert declared.record is not None
    return [_plain(field.type, source) for field in declared.record.fields]


@pytest.mark.parametrize("name", read_library())
def test_they_agree_on_the_library(name: str) -> None:
    text = read_library()[name].encode()
    source = random.Random(name)
    endings: Counter[str] = Counter()
    for function in program_of(text).functions.values():
        if function.kind == "helper":
            continue
        for _ in range(25):
            args = [_plain(declared, source) for _, declared in function.parameters if declared is not None]
            ours, theirs = both({MAIN: text}, function.name, args, fuel=source.choice([10**6, 10**6, 9_000]))
            assert ours == theirs, (function.name, args)
            endings[ours[0]] += 1
    assert endings["ok"] > 0


# Generated programs.


def _case(program: generator.Program) -> tuple[Outcome, Outcome] | None:
    """What both make of a case; None when the checker refuses it."""
    contracts = {MAIN: program.main, generator.OTHER: program.other}
    try:
        return both(contracts, "main", program.args, program.fuel, program.memory)
    except Refused:
        return None


def _chunk(seeds: range) -> tuple[Counter[str], list[int]]:
    """How the cases of these seeds end, and which are judged differently."""
    endings: Counter[str] = Counter()
    differing = []
    for seed in seeds:
        outcomes = _case(generator.seeded(seed))
        if outcomes is None:
            endings["refused"] += 1
            continue
        endings[outcomes[0][0]] += 1
        if outcomes[0] != outcomes[1]:
            differing.append(seed)
    return endings, differing


def test_they_agree_on_a_sample_of_generated_programs() -> None:
    endings, differing = _chunk(range(SAMPLE))
    assert differing == []
    assert endings["refused"] < SAMPLE // 10
    assert endings["ok"] > SAMPLE // 10
    assert len(endings) > 10


@pytest.mark.full
def test_they_agree_on_many_generated_programs() -> None:
    endings: Counter[str] = Counter()
    differing = []
    first = 1_000_000
    chunks = [range(at, at + CHUNK) for at in range(first, first + MANY + MANY // 20, CHUNK)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for counted, found in pool.map(_chunk, chunks):
            endings += counted
            differing += found
    assert not differing, differing
    assert endings.total() - endings["refused"] >= MANY
    assert {"ok", "out_of_fuel", "memory", "key", "index", "type", "value", "argument", "unbound", "overflow", "length",
            "division_by_zero", "key_type", "ascii", "call_depth", "mutated_while_iterating", "method", "bad_0", "no_0",
            "no_contract", "not_enough"} <= set(endings)


@st.composite
def programs(draw: st.DrawFn) -> generator.Program:
    """Every choice of the generator is Hypothesis's, so that what differs is shrunk."""
    return generator.program(lambda count: draw(st.integers(0, count - 1)))


@settings(max_examples=25, deadline=None, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much])
@given(programs())
def test_they_agree_on_programs_of_hypothesis(program: generator.Program) -> None:
    outcomes = _case(program)
    assert outcomes is None or outcomes[0] == outcomes[1], program.main.decode()


@pytest.mark.parametrize("seed", range(4))
def test_they_agree_on_spoilt_programs(seed: int) -> None:
    """Tokens of the tables' bodies dropped, doubled and mixed: wrong in ways that the generator is not."""
    source = random.Random(seed)
    accepted = 0
    for _ in range(250):
        tokens, returns = spoil(source)
        try:
            ours, theirs = both({MAIN: module("".join(tokens), returns)}, fuel=100_000)
        except Refused:
            continue
        assert ours == theirs, "".join(tokens)
        accepted += 1
    assert accepted > 10


# Counterexamples that were found, shrunk.


@pytest.mark.parametrize("body", ["return 'a'.replace(1, 'b')", "return 'a'.split(1)", "return 'a'.find(1)",
                                  "return 'a'.replace('a', 1)", "return b'a'.count('a')"])
def test_a_pattern_of_the_wrong_type_has_been_paid_for(body: str) -> None:
    ours, theirs = both({MAIN: module(body)})
    assert ours == theirs
    assert ours[0] == "type"


def test_a_call_of_no_address_is_the_contracts_failure() -> None:
    """It passed through as if the host had failed."""
    for body in ("return call(5, 'main')", "return call(None, 'main')", "return call([], 'main', 1)"):
        ours, theirs = both({MAIN: module(body)})
        assert ours == theirs
        assert ours[0] == "type"


def test_targets_are_assigned_from_left_to_right() -> None:
    ours, theirs = both({MAIN: module("i = 0\nxs = [0, 0]\nxs[i], i = 5, 1\nreturn xs", "list[int]")})
    assert ours == theirs
    assert ours[2] == [("int", 5), ("int", 0)]


def test_enumerate_does_not_count_past_the_bound_of_an_int() -> None:
    for body in ("return enumerate([1, 2], 2**255)[0][0]", "for i, x in enumerate([1], 2**255):\n    pass\nreturn 1"):
        ours, theirs = both({MAIN: module(body)})
        assert ours == theirs
        assert ours[0] == "overflow"


def test_stripping_given_blanks_is_no_matter_of_identity() -> None:
    ours, theirs = both({MAIN: module("return 'é '.strip(' \\t\\n\\r\\x0b\\x0c')", "str")})
    assert ours == theirs
    assert ours[2] == ("str", "é")


def test_nothing_repeated_too_often_overflows() -> None:
    ours, theirs = both({MAIN: module("return len('' * 2**100)")})
    assert ours == theirs
    assert ours[0] == "overflow"


# Planted bugs.


def _late_put(value: Any, storage: access.Storage, key: Any) -> None:
    """``access.map_put`` with the charge after the work."""
    parts = storage.key(key)
    access.writable()
    plain = storage.write(value, operators.cell.meter)
    operators.cell.host.storage_put(storage.name, parts, plain)  # type: ignore[union-attr]
    operators.cell.meter.charge(PRICES_1.storage_write + (access.plain_size(plain) >> PRICES_1.storage_byte_shift))


def _unstable(values: Any, key: sorting.Key = None, reverse: Any = False, fuel: int = 0, memory: int = 0) -> list[Any]:
    return sorting.ordered(values, key, not reverse, fuel, memory)[::-1]


def _free_slice(values: Any, lower: Any, upper: Any, step: Any) -> Any:
    return values[lower:upper:step]


PLANTED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("a price of a helper, one off", {"item": 5}, {}),
    ("a price of a node, one off", {"nodes": {**PRICES_1.nodes, ast.Subscript: 15}}, {}),
    ("a price of a write, one off", {"storage_write": 399}, {}),
    ("a step of a loop, one off", {"step": 7}, {}),
    ("a charge after the work", {}, {"_map_put": _late_put}),
    ("equals sorted in another order", {}, {"_b_sorted": _unstable}),
    ("a slice for nothing", {}, {"_cut": _free_slice}),
    ("an index that wraps around", {},
     {"_item": lambda values, key: operators.item(values, key % len(values) if type(key) is int and values else key)}),
]


@pytest.mark.parametrize(("prices", "helpers"), [bug[1:] for bug in PLANTED], ids=[bug[0] for bug in PLANTED])
def test_a_planted_bug_is_caught(prices: dict[str, Any], helpers: dict[str, Any], monkeypatch: pytest.MonkeyPatch,
                                 ) -> None:
    monkeypatch.setattr(machine, "_cache", type(machine._cache)())
    for name, helper in helpers.items():
        monkeypatch.setitem(HELPERS, name, helper)
    version = Version(1, 1, 0, replace(PRICES_1, **prices))

    def run_planted(source: bytes, method: str, args: Any, host: Any, meter: Meter) -> Plain:
        return run(compile_contract(source, version), method, args, host, meter)

    for seed in range(400):
        program = generator.seeded(seed)
        case = {MAIN: program.main, generator.OTHER: program.other}, "main", program.args, program.fuel
        try:
            for source in case[0].values():
                keep(source, compile_contract(source, version).program)
            differs = observe(run_planted, *case) != observe(run_reference, *case)
        except (Refused, AssertionError):
            continue
        if differs:
            return
    pytest.fail("400 programs did not show it")
