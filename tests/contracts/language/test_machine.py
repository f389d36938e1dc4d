"""Running a compiled contract: the sample contract, plain values, errors, queries, calls between contracts."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from contracts.language import CallContext, ContractError, Meter, OutOfFuel, Plain, Refused, compile_contract, run
from contracts.language.machine import COMPILED_MAX, _cache
from contracts.language.operators import cell
from tests.contracts.language.memory_host import MemoryHost
from tests.contracts.language.programs import PRELUDE, module

SAMPLE = Path(__file__).with_name("sample_contract.py")
ROOT = Path(__file__).parents[3]


def call(source: bytes, method: str, *args: Plain, host: MemoryHost | None = None, fuel: int = 10**6) -> Plain:
    meter = Meter(fuel)
    host = host or MemoryHost()
    host.meter = meter
    return run(compile_contract(source), method, list(args), host, meter)


def refusal(source: bytes, method: str, *args: Plain, host: MemoryHost | None = None) -> tuple[str, str]:
    with pytest.raises(ContractError) as caught:
        call(source, method, *args, host=host)
    return caught.value.code, caught.value.message


def test_sample_contract_runs() -> None:
    source, host = SAMPLE.read_bytes(), MemoryHost()
    assert call(source, "join", "Anna", host=host) is None
    assert call(source, "pay", "EUR@bank", 1_000, host=host) == 995
    assert call(source, "pay", "EUR@bank", 1_000, host=host) == 1_990
    assert host.asked == [
        ("transfer", ("EUR@bank", "hsa1sender", "hsa1contract", 1_000, "savings", "Anna")),
    ] * 2
    assert host.events == [("Joined", {"member": "hsa1sender", "name": "Anna"})]
    member = ["Anna", 1_990, 1_700_000_000_000, ["000007 995", "000007 995"], None]
    assert host.stored == {
        ("members", ("hsa1sender",)): member,
        ("limits", ("hsa1sender", "EUR")): 1_000,
        ("limits", ("hsa1sender", "USD")): 1_000,
        ("total", None): 1_990,
    }
    assert call(source, "member_of", "hsa1sender", host=host) == member
    assert call(source, "member_of", "hsa1other", host=host) is None
    assert call(source, "top_payers", ["hsa1other", "hsa1sender"], host=host) == [["hsa1sender", 1_990]]
    assert refusal(source, "join", "Anna", host=host) == ("already_member", "hsa1sender is a member")
    host.context = CallContext("hsa1other", "hsa1other", "hsa1contract", 8, 1, b"\x12" * 32)
    assert refusal(source, "pay", "EUR@bank", 5, host=host) == ("not_member", "join first")


def test_sample_contract_is_accepted_by_mypy() -> None:
    pytest.importorskip("mypy")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file=", str(SAMPLE)],
        cwd=ROOT, env={"MYPYPATH": str(ROOT / "contracts" / "stubs"), "PATH": ""},
        capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "Success: no issues found in 1 source file\n"


@pytest.mark.parametrize(
    ("method", "args", "code"),
    [
        ("absent", [], "method"),
        ("fee_of", [1], "method"),
        ("__init__", [], "method"),
        ("join", [], "argument_count"),
        ("join", ["a", None, 1], "argument_count"),
        ("join", [1], "argument"),
        ("join", [b"a"], "argument"),
        ("join", ["\ud800"], "argument"),
        ("pay", ["EUR", -1], "argument"),
        ("pay", ["EUR", True], "argument"),
        ("pay", ["EUR", 2**127], "argument"),
        ("pay", ["\n", 1], "argument"),
        ("pay", ["é", 1], "argument"),
        ("pay", ["x" * 200, 1], "argument"),
        ("top_payers", ["a"], "argument"),
        ("top_payers", [[1]], "argument"),
        ("top_payers", [[], (1).to_bytes(33, "big")], "argument"),
    ],
)
def test_arguments_are_held_to_their_types(method: str, args: list[Plain], code: str) -> None:
    assert refusal(SAMPLE.read_bytes(), method, *args)[0] == code


@pytest.mark.parametrize("number", [0, -1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 2**256 - 1, 1 - 2**256])
def test_integers_cross_the_seam_whole(number: int) -> None:
    source = (PRELUDE + "@action\ndef echo(n: int) -> int:\n    counts[0] = n\n    return counts[0]\n").encode()
    plain = number if -(2**63) <= number < 2**64 else number.to_bytes(33, "big", signed=True)
    assert call(source, "echo", plain) == plain


def test_query_cannot_change_state_even_through_another_contract() -> None:
    query = PRELUDE + "@query\ndef peek(c: Address) -> int:\n    n: int = call(c, 'main')\n    return n\n"
    host = MemoryHost()
    host.others = {"hsa1b": module("total.set(1)\nreturn 1")}
    assert refusal(query.encode(), "peek", "hsa1b", host=host)[0] == "read_only"
    host.others = {"hsa1b": module("return total.get() + 3")}
    assert call(query.encode(), "peek", "hsa1b", host=host) == 3


def test_nested_call_shares_fuel_and_leaves_no_trace() -> None:
    outer = module("a: int = call(Address('hsa1b'), 'main')\nreturn a + ctx.height + total.get()")
    host = MemoryHost()
    host.others = {"hsa1b": module("total.set(40)\nreturn len(ctx.caller) + total.get()")}
    before = (cell.host, cell.meter)
    assert call(outer, "main", host=host) == len("hsa1contract") + 40 + 7
    assert host.stored == {}
    assert (cell.host, cell.meter) == before
    host.others = {"hsa1b": module("while True:\n    pass")}
    with pytest.raises(OutOfFuel):
        call(outer, "main", host=host)
    assert (cell.host, cell.meter) == before


def test_call_depth_counts_across_contracts() -> None:
    host = MemoryHost()
    host.others = {"hsa1b": module("return down(40)")}
    assert refusal(module("return deeper(30)").replace(b"@action\ndef main", b"def deeper(n: int) -> int:\n"
        b"    if n:\n        return deeper(n - 1)\n    m: int = call(Address('hsa1b'), 'main')\n    return m\n\n\n"
        b"@action\ndef main"), "main", host=host)[0] == "call_depth"


class Broken(MemoryHost):
    def storage_get(self, field: str, key: Any) -> Plain:
        raise KeyError("our bug")


def test_an_error_of_the_host_is_not_a_failure_of_the_contract() -> None:
    with pytest.raises(KeyError, match="our bug"):
        call(module("return total.get()"), "main", host=Broken())
    assert cell.host is None


def test_a_code_of_the_kernel_passes_through() -> None:
    host = MemoryHost()
    host.answers["withdraw_grant"] = ContractError("frozen", "the account is frozen")
    source = module("ledger.withdraw_grant(ctx.sender, 'c')\nreturn 1")
    assert refusal(source, "main", host=host) == ("frozen", "the account is frozen")


def test_out_of_fuel_is_sticky() -> None:
    meter = Meter(1_000)
    with pytest.raises(OutOfFuel):
        run(compile_contract(module("while True:\n    pass")), "main", [], MemoryHost(), meter)
    assert meter.used == 1_000
    with pytest.raises(OutOfFuel):
        run(compile_contract(module("return 1")), "main", [], MemoryHost(), meter)


@pytest.mark.parametrize("fuel", range(0, 1_600, 7))
def test_any_limit_of_fuel_ends_in_the_result_or_out_of_fuel(fuel: int) -> None:
    source = module("xs = [i for i in range(9)]\ncounts[1] = sum(xs)\nreturn counts[1]")
    meter = Meter(10**6)
    assert run(compile_contract(source), "main", [], MemoryHost(), meter) == 36
    limited = Meter(fuel)
    if fuel >= meter.used:
        assert run(compile_contract(source), "main", [], MemoryHost(), limited) == 36
        assert limited.used == meter.used
    else:
        with pytest.raises(OutOfFuel):
            run(compile_contract(source), "main", [], MemoryHost(), limited)
        assert limited.used == fuel


def test_compiled_contracts_are_kept_up_to_a_limit() -> None:
    first = compile_contract(b"A = 0\n")
    assert compile_contract(b"A = 0\n") is first
    for index in range(COMPILED_MAX):
        compile_contract(b"B = %d\n" % index)
    assert len(_cache) == COMPILED_MAX
    assert compile_contract(b"A = 0\n") is not first


def test_no_text_of_cpython_reaches_a_message() -> None:
    for body in ("return 1 + 'a'", "return {'a': 1}['b']", "x = [1]\nreturn x.x", "return 1 // 0"):
        code, message = refusal(module(body), "main")
        assert message == ContractError(code).message
        assert "0x" not in message
        assert "/" not in message


def test_abi() -> None:
    described = compile_contract(SAMPLE.read_bytes()).abi()
    assert list(described["actions"]) == ["join", "pay"]
    assert described["actions"]["pay"] == {
        "description": "Pays in; answers what the member has now.",
        "params": [
            {"name": "asset", "required": True, "schema": {"type": "string", "format": "asset"}},
            {"name": "amount", "required": True,
             "schema": {"type": "string", "pattern": "^(0|[1-9][0-9]*)$", "format": "amount"}},
        ],
        "result": {"type": "string", "pattern": "^(0|[1-9][0-9]*)$", "format": "amount"},
    }
    member = described["queries"]["member_of"]["result"]["anyOf"][0]
    assert member["title"] == "Member"
    assert list(member["properties"]) == ["name", "paid", "since_ms", "notes", "sponsor"]


def test_a_warm_call_is_cheap() -> None:
    source = module("return 1")
    compiled, host, meter = compile_contract(source), MemoryHost(), Meter(10**12)
    started = time.process_time()
    for _ in range(2_000):
        run(compiled, "main", [], host, meter)
    assert (time.process_time() - started) / 2_000 < 100e-6


RECORDS = b"""
from hansa import action, record


@record
class Pair:
    first: int
    second: int


@action
def count(pairs: list[Pair]) -> int:
    return len(pairs)
"""


def test_records_among_the_arguments_are_paid_for_by_their_own_call() -> None:
    idle = cell.meter.memory
    assert call(RECORDS, "count", [[1, 2]] * 5_000) == 5_000
    assert cell.meter.memory == idle, "what one call reads is counted against every later one in the process"
    with_records, without = Meter(10**6), Meter(10**6)
    run(compile_contract(RECORDS), "count", [[[1, 2]] * 100], MemoryHost(), with_records)
    run(compile_contract(RECORDS), "count", [[]], MemoryHost(), without)
    assert without.memory - with_records.memory > 100 * (64 + 2 * 48 + 64 + 2 * 8)


SLOTS = 1 << 14


def crowded_dict() -> tuple[list[int], int]:
    """Keys that stand one after the other in the order in which CPython probes, and one that meets all of them."""
    count = SLOTS * 5 // 8
    places: dict[int, int] = {}
    slot = 0
    for place in range(count):
        places[slot] = place
        slot = (5 * slot + 1) % SLOTS

    def steps(number: int) -> int:
        slot, rest, taken = number % SLOTS, number, 0
        while (place := places.get(slot)) is not None:
            if not rest:
                return taken + count - place
            rest >>= 5
            slot, taken = (slot * 5 + rest + 1) % SLOTS, taken + 1
        return taken

    return list(places), max((SLOTS + 1_000_003**2 * trial % (1 << 59) for trial in range(1, 20_000)), key=steps)


LOOK_UP = {
    "has": "if key in table:\n            found += 1",
    "get": "found += table.get(key, 0)",
    "pop": "found += table.pop(key, 0)",
    "tuple": "if (key,) in table:\n            found += 1",
    "empty": 'if "" in table:\n            found += 1',
}


@pytest.mark.parametrize("how", LOOK_UP)
def test_lookups_that_collide_cost_what_they_take(how: str) -> None:
    keys, worst = crowded_dict()
    source = (
        "from hansa import action\n\n@action\ndef main(table: dict[int, int], key: int, times: int) -> int:\n"
        "    found = 0\n    for turn in range(times):\n        " + LOOK_UP[how] + "\n    return found\n"
    ).encode()
    times = 2_000
    meters = []
    for turns in (0, times):
        meters.append(Meter(10**9))
        started = time.process_time()
        run(compile_contract(source), "main", [[[key, 0] for key in keys], worst, turns], MemoryHost(), meters[-1])
        spent = time.process_time() - started
    assert spent < (meters[1].used) * 30e-9, "a unit of fuel is about 10 ns"
    assert meters[1].used - meters[0].used > times * len(keys) // 4


def test_dicts_of_texts_pay_nothing_for_their_size() -> None:
    source = module('table = {f"k{i}": i for i in range(1000)}\nreturn table["k7"]')
    meter = Meter(10**6)
    run(compile_contract(source), "main", [], MemoryHost(), meter)
    numbers = module("table = {i: i for i in range(1000)}\nreturn table[7]")
    other = Meter(10**6)
    run(compile_contract(numbers), "main", [], MemoryHost(), other)
    assert other.used > meter.used + 1000 * 1000 // 8 - 85_000


@pytest.mark.parametrize(("size", "pattern"), [(2_400, 1_200), (29_000, 98)])
def test_a_search_that_compares_everything_costs_what_it_takes(size: int, pattern: int) -> None:
    source = module(
        f'text = "a" * {size}\npattern = "a" * {pattern - 2} + "ba"\nfound = 0\n'
        "for turn in range(200):\n    found += text.find(pattern)\nreturn found"
    )
    meter, started = Meter(10**9), time.process_time()
    assert run(compile_contract(source), "main", [], MemoryHost(), meter) == -200
    assert time.process_time() - started < meter.used * 40e-9, "a unit of fuel is about 10 ns"
    assert meter.used > 200 * size * pattern // 32


@pytest.mark.parametrize(
    "source",
    [
        b'"""\\ud800"""\n',
        b'from hansa import action\n\n\n@action\ndef main() -> None:\n    """\\udfff."""\n',
    ],
)
def test_a_docstring_is_text_that_the_abi_can_show(source: bytes) -> None:
    with pytest.raises(Refused, match="half of a surrogate pair"):
        compile_contract(source)
