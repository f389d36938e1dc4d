"""The overlay against a plain model: a stack of copied dictionaries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state import overlay as overlay_module
from state.overlay import REMEMBERED_KEY_BYTES_MAX, Overlay

BASE = {b"a": "1", b"b": "2", b"c": "3"}


def test_a_key_is_read_once_and_absence_is_remembered() -> None:
    reads = []

    def read(key: bytes) -> str | None:
        reads.append(key)
        return BASE.get(key)

    overlay: Overlay[str] = Overlay(read)
    assert [overlay.get(b"a"), overlay.get(b"z"), overlay.get(b"a"), overlay.get(b"z")] == ["1", None, "1", None]
    assert reads == [b"a", b"z"]
    assert overlay.changes() == {}


def test_what_is_only_read_is_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay_module, "REMEMBERED_MAX", 10)
    reads = []

    def read(key: bytes) -> str | None:
        reads.append(key)
        return BASE.get(key)

    overlay: Overlay[str] = Overlay(read)
    for _ in range(2):
        for number in range(20):
            assert overlay.get(b"%d" % number) is None
        assert overlay.get(b"a") == "1"
    assert len(reads) == 21 + 11
    savepoint = overlay.savepoint()
    overlay.put(b"a", "2")
    overlay.delete(b"b")
    assert (overlay.get(b"a"), overlay.get(b"b")) == ("2", None)
    overlay.rollback(savepoint)
    assert (overlay.get(b"a"), overlay.get(b"b"), overlay.changes()) == ("1", "2", {})
    long = b"k" * (REMEMBERED_KEY_BYTES_MAX + 1)
    fresh: Overlay[str] = Overlay(read)
    assert (fresh.get(long), fresh.get(long), reads.count(long)) == (None, None, 2)


def test_the_overlay_gives_out_the_object_it_was_given() -> None:
    overlay: Overlay[tuple[int, ...]] = Overlay(lambda key: None)
    record = (1, 2)
    overlay.put(b"a", record)
    assert overlay.get(b"a") is record
    assert overlay.changes()[b"a"] is record


def test_nested_savepoints() -> None:
    overlay: Overlay[str] = Overlay(BASE.get)
    overlay.put(b"b", "two")
    outer = overlay.savepoint()
    overlay.put(b"a", "one")
    inner = overlay.savepoint()
    overlay.delete(b"b")
    overlay.put(b"new", "x")
    overlay.rollback(inner)
    assert (overlay.get(b"a"), overlay.get(b"b"), overlay.get(b"new")) == ("one", "two", None)
    inner = overlay.savepoint()
    overlay.put(b"c", "three")
    overlay.release(inner)
    assert list(overlay.changes().items()) == [(b"b", "two"), (b"a", "one"), (b"c", "three")]
    overlay.rollback(outer)
    assert overlay.changes() == {b"b": "two"}
    assert overlay.get(b"c") == "3"


def test_rolling_back_an_outer_savepoint_closes_the_inner_ones() -> None:
    overlay: Overlay[str] = Overlay(BASE.get)
    outer = overlay.savepoint()
    overlay.put(b"a", "one")
    inner = overlay.savepoint()
    overlay.rollback(outer)
    for closed in (inner, outer, -1):
        with pytest.raises(AssertionError, match="the savepoint is not open"):
            overlay.rollback(closed)
        with pytest.raises(AssertionError, match="the savepoint is not open"):
            overlay.release(closed)
    assert overlay.changes() == {}


def test_changes_are_in_order_of_first_write_that_stands() -> None:
    overlay: Overlay[str] = Overlay(BASE.get)
    savepoint = overlay.savepoint()
    overlay.put(b"z", "1")
    overlay.rollback(savepoint)
    overlay.put(b"b", "1")
    overlay.put(b"z", "2")
    overlay.put(b"b", "3")
    overlay.delete(b"a")
    assert list(overlay.changes().items()) == [(b"b", "3"), (b"z", "2"), (b"a", None)]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from([b"a", b"b", b"n"]), st.text(max_size=2)),
        st.tuples(st.just("delete"), st.sampled_from([b"a", b"b", b"n"]), st.just("")),
        st.tuples(st.just("get"), st.sampled_from([b"a", b"b", b"n"]), st.just("")),
        st.tuples(st.sampled_from(["savepoint", "rollback", "release"]), st.just(b""), st.just("")),
    ),
    max_size=60,
)


@given(STEPS)
def test_against_a_stack_of_dictionaries(steps: list[tuple[str, bytes, str]]) -> None:
    overlay: Overlay[str] = Overlay(BASE.get)
    stack: list[dict[bytes, str | None]] = [{}]
    for kind, key, value in steps:
        if kind == "put":
            overlay.put(key, value)
            stack[-1][key] = value
        elif kind == "delete":
            overlay.delete(key)
            stack[-1][key] = None
        elif kind == "get":
            merged = {**BASE, **stack[-1]}
            assert overlay.get(key) == merged.get(key)
        elif kind == "savepoint":
            assert overlay.savepoint() == len(stack) - 1
            stack.append(dict(stack[-1]))
        elif len(stack) > 1:
            top = stack.pop()
            if kind == "rollback":
                overlay.rollback(len(stack) - 1)
            else:
                overlay.release(len(stack) - 1)
                stack[-1] = top
        assert overlay.changes() == stack[-1]
