"""Every limit of the language's page: what is just within it passes, one more is refused or ends with its code."""

import pytest

from contracts.host import CONTRACT_DEPTH_MAX, VALUE_BYTES_MAX, VALUE_DEPTH_MAX, ContractHost, frozen_value
from contracts.kernel.scope import EVENTS_BYTES_MAX, Scope
from contracts.language import ContractError, Meter, check, compile_contract, run
from contracts.language.access import CALL_ARGUMENTS_MAX
from contracts.language.annotations import KEY_PARTS_MAX, TYPE_DEPTH_MAX
from contracts.language.bodies import BLOCK_DEPTH_MAX, GENERATORS_MAX
from contracts.language.checker import MODULE_NAMES_MAX, PARAMETERS_MAX, RECORD_FIELDS_MAX
from contracts.language.faults import MESSAGE_CHARACTERS_MAX
from contracts.language.findings import FINDINGS_MAX
from contracts.language.fuel import CALL_DEPTH_MAX, MEMORY_BYTES_MAX
from contracts.language.integers import INTEGER_BITS_MAX
from contracts.language.ordered import RANGE_MAX
from contracts.language.source import (
    BRACKET_DEPTH_MAX,
    CHAIN_MAX,
    FORMAT_WIDTH_MAX,
    INDENT_COLUMNS_MAX,
    NAME_CHARACTERS_MAX,
    NUMBER_DIGITS_MAX,
    SOURCE_BYTES_MAX,
)
from contracts.language.values import DEPTH_MAX, KEY_BYTES_MAX, SEQUENCE_MAX, STORED_BYTES_MAX, TEXT_MAX
from contracts.language.vocabulary import EVENT_FIELDS_MAX
from contracts.trial import TRIAL_MS, Ledger, address_of
from state.receipt import EVENTS_MAX
from tests.contracts.language.memory_host import MemoryHost

HEAD = "from hansa import Address, Map, OrderedMap, Value, action, call, emit, fail, query, record\n"
BODY = "@action\ndef f() -> int:\n{}\n    return 0\n"


def body(text: str) -> str:
    return HEAD + BODY.format("\n".join("    " + line for line in text.split("\n")))


def blocks(count: int) -> str:
    """``count`` blocks in each other, the function's own the first."""
    lines = ["  " * depth + "if 1:" for depth in range(count - 1)]
    return body("\n".join([*lines, "  " * (count - 1) + "pass"]))


def nested_type(depth: int) -> str:
    return HEAD + "x: Map[int, " + "list[" * (depth - 1) + "int" + "]" * (depth - 1) + "] = Map()\n"


def constants(count: int) -> str:
    return "".join(f"N{index} = 1\n" for index in range(count))


def fields(count: int) -> str:
    return HEAD + "@record\nclass R:\n" + "".join(f"    a{index}: int\n" for index in range(count))


def parameters(count: int) -> str:
    return "def f(" + ", ".join(f"a{index}" for index in range(count)) + "):\n    pass\n"


def padded(size: int) -> str:
    return "X = 1\n" + "#" * (size - 7) + "\n"


SOURCES = {
    "size": (padded, SOURCE_BYTES_MAX, "source.size"),
    "brackets": (lambda n: body("x = " + "(" * n + "1" + ")" * n), BRACKET_DEPTH_MAX, "source.depth"),
    "chain": (lambda n: body("x = 1" + " + 1" * (n - 1)), CHAIN_MAX, "source.chain"),
    "elifs": (lambda n: body("if 0:\n    pass\n" + "elif 0:\n    pass\n" * n + "pass"), CHAIN_MAX, "source.chain"),
    "blocks": (blocks, BLOCK_DEPTH_MAX, "source.depth"),
    "indent": (lambda n: "def f():\n" + " " * n + "return 0\n", INDENT_COLUMNS_MAX, "source.indent"),
    "name": (lambda n: "N" * n + " = 1\n", NAME_CHARACTERS_MAX, "name.length"),
    "number": (lambda n: "X = " + "0" * (n - 1) + "0\n", NUMBER_DIGITS_MAX, "number.digits"),
    "module": (constants, MODULE_NAMES_MAX, "module.size"),
    "fields": (fields, RECORD_FIELDS_MAX, "record.body"),
    "parameters": (parameters, PARAMETERS_MAX, "function.parameters"),
    "loops": (
        lambda n: body("x = [1 " + " ".join(f"for a{i} in [1]" for i in range(n)) + "]"),
        GENERATORS_MAX,
        "comprehension.loops",
    ),
    "type": (nested_type, TYPE_DEPTH_MAX, "annotation"),
    "key": (
        lambda n: HEAD + "x: Map[tuple[" + ", ".join(["int"] * n) + "], int] = Map()\n",
        KEY_PARTS_MAX,
        "annotation",
    ),
    "width": (lambda n: body("y = 1\nx = f'{y:" + str(n) + "}'"), FORMAT_WIDTH_MAX, "format.spec"),
    "event fields": (
        lambda n: body("emit('A', " + ", ".join(f"a{i}=1" for i in range(n)) + ")"),
        EVENT_FIELDS_MAX,
        "call.event",
    ),
    "arguments of call": (
        lambda n: body("call(Address('a'), 'b'" + ", 1" * n + ")"), CALL_ARGUMENTS_MAX, "call.arguments",
    ),
    "integer literal": (lambda n: f"X = {(1 << n) - 1}\n", INTEGER_BITS_MAX, "module.constant"),
}


@pytest.mark.parametrize("name", list(SOURCES))
def test_a_source_at_its_limit_and_past_it(name: str) -> None:
    make, limit, rule = SOURCES[name]
    assert check(make(limit).encode()) == []
    assert rule in [finding.rule for finding in check(make(limit + 1).encode())]


def test_findings_end_somewhere() -> None:
    assert len(check(b"import os\n" * 2 * FINDINGS_MAX)) == FINDINGS_MAX


DECLARED = """
texts: Map[str, str] = Map()
book: OrderedMap[str, int] = OrderedMap()
lists: Map[int, list[int]] = Map()


def down(n: int) -> int:
    return 0 if n <= 1 else down(n - 1)


def deep(n: int) -> list[int]:
    x = [1]
    for k in range(n - 1):
        x = [x]
    return x


@action
def main(n: int) -> None:
    BODY


@query
def give(n: int) -> str:
    return "a" * n


@query
def take(text: str) -> None:
    pass
"""

CALLS = {
    "integer": ("x = (1 << n) - 1 + (1 << n)", INTEGER_BITS_MAX - 1, "overflow"),
    "text": ("x = 'a' * n", TEXT_MAX, "length"),
    "bytes": ("x = bytes(n)", TEXT_MAX, "length"),
    "list": ("x = [1] * n", SEQUENCE_MAX, "length"),
    "append": ("x = [1] * (n - 1)\nx.append(1)", SEQUENCE_MAX, "length"),
    "depth": ("x = deep(n) == deep(n)", DEPTH_MAX, "depth"),
    "calls": ("down(n - 1)", CALL_DEPTH_MAX, "call_depth"),
    "key": ("texts['a' * (n - 4)] = ''", KEY_BYTES_MAX, "length"),
    "ordered key": ("book['a' * (n - 4)] = 1", KEY_BYTES_MAX, "length"),
    "stored text": ("texts['a'] = 'a' * (n - 4)", STORED_BYTES_MAX, "length"),
    "stored list": ("lists[1] = [1] * n", (STORED_BYTES_MAX - 4) // 8, "length"),
    "event": ("emit('A', a='a' * (n - 13))", STORED_BYTES_MAX, "length"),
    "walk": ("x = book.ascending(n)", RANGE_MAX, "value"),
}


def end_of(source: str, method: str, *arguments: object, memory: int = MEMORY_BYTES_MAX) -> str:
    try:
        run(compile_contract(source.encode()), method, list(arguments), MemoryHost(), Meter(10**9, memory))  # type: ignore[arg-type]
    except ContractError as error:
        return error.code
    return "ok"


@pytest.mark.parametrize("name", list(CALLS))
def test_a_call_at_its_limit_and_past_it(name: str) -> None:
    text, limit, code = CALLS[name]
    source = HEAD + DECLARED.replace("BODY", text.replace("\n", "\n    "))
    assert end_of(source, "main", limit) == "ok"
    assert end_of(source, "main", limit + 1) == code


def test_results_and_arguments_are_bounded() -> None:
    source = HEAD + DECLARED.replace("BODY", "pass")
    assert end_of(source, "give", STORED_BYTES_MAX - 4) == "ok"
    assert end_of(source, "give", STORED_BYTES_MAX - 3) == "length"
    assert end_of(source, "take", "a" * TEXT_MAX) == "ok"
    assert end_of(source, "take", "a" * (TEXT_MAX + 1)) == "length"


def test_memory_is_counted_and_never_given_back() -> None:
    source = HEAD + DECLARED.replace("BODY", "for k in range(n):\n        x = 'a' * 100_000")
    fits = MEMORY_BYTES_MAX // 400_000
    assert end_of(source, "main", fits - 1) == "ok"
    assert end_of(source, "main", fits + 1) == "memory"


def test_a_message_is_cut() -> None:
    with pytest.raises(ContractError) as caught:
        run(compile_contract(body("fail('no', 'a' * 999)").encode()), "f", [], MemoryHost(), Meter(10**6))
    assert caught.value.message == "a" * MESSAGE_CHARACTERS_MAX


EVENTS = HEAD + """
@action
def many(n: int) -> None:
    for k in range(n):
        emit("A")


@action
def large(n: int) -> None:
    for k in range(n):
        emit("A", text="a" * 50_000)
"""


@pytest.mark.parametrize(
    ("method", "limit", "code"),
    [("many", EVENTS_MAX, "too_many_events"), ("large", EVENTS_BYTES_MAX // 50_010, "too_large")],
)
def test_events_of_a_transaction_are_bounded(method: str, limit: int, code: str) -> None:
    ledger = Ledger("events", EVENTS.encode())
    assert ledger.call(method, [str(limit)], "ann", 10**9).code == "ok"
    assert ledger.call(method, [str(limit + 1)], "ann", 10**9).code == code


def test_what_the_kernel_keeps_is_bounded_in_size_and_depth() -> None:
    value: object = 1
    for _ in range(VALUE_DEPTH_MAX):
        value = [value]
    frozen_value(value)  # type: ignore[arg-type]
    for beyond in ([value], "a" * VALUE_BYTES_MAX):
        with pytest.raises(ContractError) as caught:
            frozen_value(beyond)  # type: ignore[arg-type]
        assert caught.value.code == "too_large"


def test_contracts_call_each_other_to_a_depth() -> None:
    ledger = Ledger("events", EVENTS.encode())
    overlay = ledger.executor.overlay()
    deployed = ledger.executor.contracts.find(overlay, "events")
    assert deployed is not None
    scope = Scope(overlay, "hansat", 2, TRIAL_MS, bytes(32), address_of("ann"), (), Meter(10**6))
    host = ContractHost(scope, ledger.executor.contracts, deployed, "")
    scope.running += [f"c{number}" for number in range(CONTRACT_DEPTH_MAX - 1)]
    host.call("members", "role", ["alpine"])
    scope.running.append("one more")
    with pytest.raises(ContractError) as caught:
        host.call("members", "role", ["alpine"])
    assert caught.value.code == "contract_depth"
