"""Ordered maps: order of keys, walks against a plain sorted dict, pages that stay within bounds, prices, refusals."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.language import ContractError, Meter, OutOfFuel, check, compile_contract, run
from contracts.language.order_keys import decode_key, encode_key
from contracts.language.ordered import RANGE_MAX
from contracts.language.pages import PAGE_KEYS_MAX
from contracts.language.values import write_integer
from tests.contracts.language.memory_host import MemoryHost

BOOK = b'''
from hansa import OrderedMap, action, query, record


@record
class Order:
    owner: str
    amount: int


book: OrderedMap[tuple[int, str], Order] = OrderedMap()
plain: OrderedMap[int, int] = OrderedMap()


@action
def place(price: int, name: str, amount: int) -> None:
    book[price, name] = Order("o" + name, amount)


@action
def remove(price: int, name: str) -> None:
    del book[price, name]


@query
def ascending(limit: int, start: int | None, stop: int | None) -> list[tuple[int, str, int]]:
    low = None if start is None else (start,)
    entries = book.ascending(limit, low, stop=stop)
    return [(key[0], key[1], order.amount) for key, order in entries]


@query
def descending(limit: int, start: int | None, stop: int | None) -> list[tuple[int, str, int]]:
    return [(key[0], key[1], order.amount) for key, order in book.descending(limit, start=start, stop=stop)]


@query
def ends() -> tuple[tuple[int, str] | None, tuple[int, str] | None]:
    return book.first(), book.last()


@action
def bump(price: int, by: int) -> int:
    if price not in plain:
        plain[price] = 0
    plain[price] += by
    return plain.get(price, -1)


@action
def fill_up(count: int, step: int) -> None:
    for index in range(count):
        plain[index * step % count] = index


@action
def drop(gone: list[int]) -> None:
    for key in gone:
        del plain[key]


@query
def all_keys(limit: int) -> list[int]:
    return [key for key, number in plain.ascending(limit)]
'''


def ask(host: MemoryHost, method: str, *args: Any, fuel: int = 10**9) -> Any:
    return run(compile_contract(BOOK), method, list(args), host, Meter(fuel))


integers = st.integers(1 - 2**256, 2**256 - 1) | st.integers(-300, 300)
texts = st.text(st.characters(codec="utf-8"), max_size=6) | st.text("a\0\x01\xff", max_size=4)


@given(st.lists(st.tuples(integers, texts, st.binary(max_size=4)), min_size=2, max_size=6))
def test_ordered_form_sorts_as_keys_do_and_comes_back(keys: list[tuple[int, str, bytes]]) -> None:
    kinds = ("int", "str", "bytes")
    plain = [(write_integer(number), text, octets) for number, text, octets in keys]
    encoded = [encode_key(kinds, parts) for parts in plain]  # type: ignore[arg-type]
    assert sorted(range(len(keys)), key=keys.__getitem__) == sorted(range(len(keys)), key=encoded.__getitem__)
    assert [decode_key(kinds, one) for one in encoded] == plain
    for parts, one in zip(plain, encoded, strict=True):
        for length in (1, 2):
            prefix = encode_key(kinds, parts[:length])  # type: ignore[arg-type]
            assert [key for key in sorted(keys) if key[:length] == keys[encoded.index(one)][:length]] == [
                key for key, other in sorted(zip(keys, encoded, strict=True)) if other.startswith(prefix)
            ]


changes = st.lists(
    st.tuples(st.booleans(), st.integers(-5, 5), st.sampled_from(["", "a", "b", "ab"]), st.integers(0, 9)), max_size=60
)
bounds = st.none() | st.integers(-6, 6)


@settings(deadline=None)
@given(changes, st.integers(0, 70), bounds, bounds)
def test_walks_are_those_of_a_sorted_dict(changes: Any, limit: int, start: int | None, stop: int | None) -> None:
    host, model = MemoryHost(), {}
    for removes, price, name, amount in changes:
        if not removes:
            ask(host, "place", price, name, amount)
            model[price, name] = amount
        elif (price, name) in model:
            ask(host, "remove", price, name)
            del model[price, name]
        else:
            with pytest.raises(ContractError) as caught:
                ask(host, "remove", price, name)
            assert caught.value.code == "key"
    within = [
        [*key, model[key]]
        for key in sorted(model)
        if (start is None or key[0] >= start) and (stop is None or key[0] < stop)
    ]
    assert ask(host, "ascending", limit, start, stop) == within[:limit]
    assert ask(host, "descending", limit, start, stop) == within[::-1][:limit]
    ordered = sorted(model)
    assert ask(host, "ends") == ([list(ordered[0]), list(ordered[-1])] if ordered else [None, None])
    if not model:
        assert host.stored == {}


@pytest.mark.parametrize("seed", range(3))
def test_many_keys_come_and_go_in_any_order(seed: int) -> None:
    host, source = MemoryHost(), random.Random(seed)
    ask(host, "fill_up", 1_500, 701)
    pages = {key: value for key, value in host.stored.items() if key[0] == "plain.index"}
    assert pages["plain.index", None][0] == 2  # type: ignore[index]
    for _, keys, children, *_ in pages.values():  # type: ignore[misc]
        assert 0 < len(keys) <= PAGE_KEYS_MAX
        assert len(children) in (0, len(keys))
    assert ask(host, "all_keys", 10_000) == list(range(1_500))
    gone = source.sample(range(1_500), 1_500)
    ask(host, "drop", gone[:1_400])
    assert ask(host, "all_keys", 10_000) == sorted(gone[1_400:])
    ask(host, "fill_up", 1_500, 1)
    assert ask(host, "all_keys", 7) == list(range(7))
    ask(host, "drop", gone)
    assert host.stored == {}


def test_an_update_leaves_the_index_alone() -> None:
    host = MemoryHost()
    assert ask(host, "bump", 5, 7) == 7
    index = json.dumps(host.stored["plain.index", None], default=bytes.hex)
    assert ask(host, "bump", 5, 7) == 14
    assert json.dumps(host.stored["plain.index", None], default=bytes.hex) == index
    assert host.stored["plain", (5,)] == 14


def test_each_step_of_a_walk_is_paid_for() -> None:
    host = MemoryHost()
    ask(host, "fill_up", 200, 1)
    spent = []
    for limit in (0, 1, 2, 20, 200):
        meter = Meter(10**9)
        run(compile_contract(BOOK), "all_keys", [limit], host, meter)
        spent.append(meter.used)
    assert spent == sorted(spent)
    assert all(more - less > 300 * steps for less, more, steps in zip(spent, spent[1:], (1, 1, 18, 180), strict=False))
    with pytest.raises(OutOfFuel):
        ask(host, "all_keys", 200, fuel=spent[-1] - 1)
    assert len(ask(host, "all_keys", 200, fuel=spent[-1])) == 200


@pytest.mark.parametrize(
    ("limit", "start", "stop", "code"), [(-1, None, None, "value"), (RANGE_MAX + 1, None, None, "value")]
)
def test_a_walk_has_a_limit(limit: int, start: int | None, stop: int | None, code: str) -> None:
    with pytest.raises(ContractError) as caught:
        ask(MemoryHost(), "ascending", limit, start, stop)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("declaration", "use", "rule"),
    [
        ("OrderedMap[bool, int] = OrderedMap()", "pass", "annotation"),
        ("OrderedMap[tuple[int, bool], int] = OrderedMap()", "pass", "annotation"),
        ("OrderedMap[list[int], int] = OrderedMap()", "pass", "annotation"),
        ("OrderedMap[int, int | None] = OrderedMap()", "pass", "module.storage"),
        ("OrderedMap[int, int] = Map()", "pass", "module.storage"),
        ("OrderedMap[int, int] = OrderedMap()", "x.set(1)", "storage.method"),
        ("OrderedMap[int, int] = OrderedMap()", "x.ascending()", "call.arguments"),
        ("OrderedMap[int, int] = OrderedMap()", "x.ascending(1, end=2)", "call.arguments"),
        ("OrderedMap[int, int] = OrderedMap()", "y = x[1:2]", "storage.slice"),
        ("OrderedMap[int, int] = OrderedMap()", "y = x", "name.position"),
        ("Map[int, int] = Map()", "x.ascending(1)", "storage.method"),
    ],
)
def test_what_is_refused(declaration: str, use: str, rule: str) -> None:
    source = f"from hansa import Map, OrderedMap, action\nx: {declaration}\n@action\ndef f() -> None:\n    {use}\n"
    assert rule in [finding.rule for finding in check(source.encode())]
