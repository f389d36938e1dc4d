"""One value, one spelling: the published msgpack suite, properties, and each thing that must be refused."""

import json
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from state import codec
from state.codec import DEPTH_MAX, Value
from state.errors import Invalid, Reason

VECTORS = Path(__file__).parent.parent / "vectors"
SUITE = json.loads((VECTORS / "msgpack-test-suite" / "msgpack-test-suite.json").read_text())
ALLOWED = ("nil", "bool", "binary", "number", "string", "array")
CASES = [(group, case) for group, cases in SUITE.items() for case in cases]

atoms = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary()
values = st.recursive(atoms, lambda inner: st.lists(inner, max_size=5), max_leaves=20)


def spelled(case: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(text.replace("-", "")) for text in case["msgpack"]]


def meant(case: dict[str, Any]) -> tuple[bool, Any]:
    """Whether the case's value has a place on chain, and the value."""
    if "bignum" in case:
        return True, int(case["bignum"])
    kind = next(iter(case))
    value = case[kind]
    if kind == "binary":
        return True, bytes.fromhex(value.replace("-", ""))
    fine = kind in ALLOWED and not isinstance(value, float) and not holds_map(value)
    return fine, value


def holds_map(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(holds_map(item) for item in value))


def answer(data: bytes) -> Any:
    """The value, or the reason of the refusal."""
    try:
        return codec.unpack(data)
    except Invalid as error:
        return error.reason


def refusal(data: bytes) -> Invalid:
    with pytest.raises(Invalid) as refused:
        codec.unpack(data)
    return refused.value


@pytest.mark.parametrize(("group", "case"), CASES, ids=[f"{group}-{index}" for index, (group, _) in enumerate(CASES)])
def test_published_suite(group: str, case: dict[str, Any]) -> None:
    """Of all spellings of an allowed value exactly one is accepted; of any other value none."""
    fine, value = meant(case)
    answers = [(spelling, answer(spelling)) for spelling in spelled(case)]
    accepted = [(spelling, got) for spelling, got in answers if got is not Reason.MALFORMED]
    if fine:
        assert accepted == [(codec.pack(value), value)]
        assert type(accepted[0][1]) is type(value)
    else:
        assert accepted == []


def test_suite_is_complete() -> None:
    assert (len(CASES), sum(len(case["msgpack"]) for _, case in CASES)) == (85, 233)


@given(values)
def test_round_trip(value: Value) -> None:
    packed = codec.pack(value)
    assert codec.unpack(packed) == value
    assert codec.decode(codec.encode(7, value), 7) == value


@given(st.binary(max_size=64))
def test_bytes_are_refused_or_the_one_spelling(data: bytes) -> None:
    got = answer(data)
    assert got is Reason.MALFORMED or codec.pack(got) == data


@given(values, st.data())
def test_changed_bytes_are_refused_or_another_value(value: Value, data: st.DataObject) -> None:
    packed = bytearray(codec.pack(value))
    position = data.draw(st.integers(0, len(packed) - 1))
    packed[position] ^= data.draw(st.integers(1, 255))
    try:
        other = codec.unpack(bytes(packed))
    except Invalid:
        return
    assert codec.pack(other) == bytes(packed)
    assert codec.pack(other) != codec.pack(value)


@given(values, st.binary(min_size=1, max_size=4))
def test_trailing_bytes_are_refused(value: Value, tail: bytes) -> None:
    assert refusal(codec.pack(value) + tail).reason is Reason.MALFORMED


@given(values)
def test_cut_bytes_are_refused(value: Value) -> None:
    assert refusal(codec.pack(value)[:-1]).reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("description", "data", "detail"),
    [
        ("nothing", b"", "not msgpack"),
        ("the byte that msgpack never uses", b"\xc1", "not msgpack"),
        ("a map", msgpack.packb({"a": 1}), "dict has no place on chain"),
        ("a map inside a list", msgpack.packb([[{"a": 1}]]), "dict has no place on chain"),
        ("a map with the same key twice", b"\x82\xa1a\x01\xa1a\x02", "dict has no place on chain"),
        ("a map with a list as key", b"\x81\x90\x01", "not msgpack"),
        ("a float", msgpack.packb(1.5), "float has no place on chain"),
        ("not a number", msgpack.packb(float("nan")), "float has no place on chain"),
        ("minus zero", msgpack.packb([-0.0]), "float has no place on chain"),
        ("infinity", msgpack.packb(float("inf")), "float has no place on chain"),
        ("a timestamp", b"\xd6\xff\x00\x00\x00\x00", "datetime has no place on chain"),
        ("a time beyond the calendar", b"\xc7\x0c\xff\x00\x00\x00\x00" + b"\x7f" * 8, "not msgpack"),
        ("an extension", b"\xd4\x01\x00", "not msgpack"),
        ("an integer longer than needed", b"\xcc\x01", "not the shortest spelling of its value"),
        ("a positive integer as signed", b"\xd1\x01\x00", "not the shortest spelling of its value"),
        ("a list longer than needed", b"\xdc\x00\x01\x00", "not the shortest spelling of its value"),
        ("text that is not UTF-8", b"\xa1\xff", "not msgpack"),
        ("a lone surrogate", b"\xa3\xed\xa0\x80", "not msgpack"),
        ("a list that claims 4 thousand million items", b"\xdd\xff\xff\xff\xff", "not msgpack"),
        ("bytes that claim 4 GiB", b"\xc6\xff\xff\xff\xff", "not msgpack"),
        ("lists nested too deep for us", b"\x91" * DEPTH_MAX + b"\x90", f"nested deeper than {DEPTH_MAX}"),
        ("lists nested too deep for msgpack", b"\x91" * 100_000 + b"\x90", "not msgpack"),
    ],
)
def test_refused(description: str, data: bytes, detail: str) -> None:
    error = refusal(data)
    assert (error.reason, error.detail) == (Reason.MALFORMED, detail)


def test_depth_limit_itself_is_allowed() -> None:
    data = b"\x91" * (DEPTH_MAX - 1) + b"\x90"
    assert codec.pack(codec.unpack(data)) == data


def test_size_limit() -> None:
    data = codec.pack(bytes(98))
    assert codec.unpack(data, 100) == bytes(98)
    with pytest.raises(Invalid) as refused:
        codec.unpack(data, 99)
    assert str(refused.value) == "too_large: 100 bytes, at most 99 are allowed here"


@pytest.mark.parametrize(("data", "found"), [(b"", "missing"), (b"\x02\xc0", "02")])
def test_other_version_is_refused(data: bytes, found: str) -> None:
    with pytest.raises(Invalid) as refused:
        codec.decode(data, 1)
    assert str(refused.value) == f"bad_version: version byte {found}, this node knows 01"


class Number(IntEnum):
    ONE = 1


class Name(StrEnum):
    OK = "ok"


@pytest.mark.parametrize(
    "value", [1.5, float("nan"), {}, {"a": 1}, {1}, bytearray(b"a"), object(), 2**64, -(2**63) - 1]
)
def test_pack_asserts_what_it_cannot_spell(value: Any) -> None:
    for wrapped in (value, [value], [[value]], ([value],)):
        with pytest.raises(AssertionError):
            codec.pack(wrapped)


def test_pack_asserts_on_a_lone_surrogate_and_on_depth() -> None:
    with pytest.raises(AssertionError):
        codec.pack("\ud800")
    deep: list[Any] = []
    deep.append(deep)
    with pytest.raises(AssertionError):
        codec.pack(deep)


def test_enums_pack_as_their_plain_values() -> None:
    assert codec.pack([Number.ONE, Name.OK]) == codec.pack([1, "ok"])


def test_fields_never_take_a_bool_for_an_integer() -> None:
    assert list(codec.fields([1, "a"], int, (str, bytes))) == [1, "a"]
    for value in ([True, "a"], [1], [1, 2], [1, "a", None], "ab", None):
        with pytest.raises(Invalid) as refused:
            codec.fields(value, int, (str, bytes))
        assert refused.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (codec.natural, [0, 1, 2**63 - 1], [-1, 2**63, True, "1", None]),
        (lambda value: codec.sized(value, 2), [b"ab"], [b"a", b"abc", "ab", None]),
        (codec.text, ["", "a"], [b"a", 1, None, ["a"]]),
        (codec.blob, [b"", b"a"], ["a", 1, None, [b"a"]]),
        (lambda value: codec.items(value, 1), [[], [1]], [(), "a", None]),
    ],
)
def test_checks_of_one_field(check: Any, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert check(value) == value
    for value in bad:
        with pytest.raises(Invalid) as refused:
            check(value)
        assert refused.value.reason is Reason.MALFORMED


def test_too_many_items() -> None:
    with pytest.raises(Invalid) as refused:
        codec.items([1, 2], 1)
    assert str(refused.value) == "too_large: 2 items, at most 1 are allowed here"


EMPTY = b"\x90"


@pytest.mark.parametrize(
    "data",
    [
        b"\x95" + EMPTY * 5,
        b"\x91" * 3 + b"\x92" + EMPTY * 2,
        b"\x93" + (b"\x92" + EMPTY * 2) * 3,
    ],
)
def test_values_are_counted_before_they_fill_the_memory(data: bytes) -> None:
    assert codec.pack(codec.unpack(data)) == data
    with pytest.raises(Invalid):
        codec.unpack(data, values_max=4)
    assert codec.unpack(data, values_max=15) == codec.unpack(data)
