"""Every function of the ledger, asked well and then with each argument spoilt in turn, ends in a receipt.

A contract can pass anything of the right type to the kernel. What is refused is the caller's affair; an exception that
is no refusal would stop every node at that block. A new function needs a line in tests/contracts/good_calls.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast

import pytest

from contracts import host
from contracts.kernel import codes, exchanges
from contracts.language.kernel_interface import LEDGER_FUNCTIONS
from contracts.records import encoded_receipt
from state.codec import INT_MAX, Value
from tests.contracts.furnished import BOND, USD, Furnished, furnished
from tests.contracts.good_calls import good_calls
from tests.contracts.network import address_of

SAMPLE = 10
"""Spoilt values of an argument in the run of every change; the full run takes all of them."""
BLOCK_TRANSACTIONS = 100
LAST = ("suspend_identity", "revoke_identity", "order_freeze", "order_transfer", "set_jurisdictions", "order_erasure",
        "rotate_keys")
"""What is asked last where answers are kept: after these most else is refused, in the end for want of known keys."""


def wide(number: int) -> bytes:
    """An integer of more than 64 bits, as an argument carries it."""
    return number.to_bytes(33, "big", signed=True)


SMALL = (0, 1, -1, 2, -2, 9_999, 2**31)
EDGES = (INT_MAX, INT_MAX - 1, 2**63, 2**64 - 1, -(2**63))
WIDE = tuple(map(wide, (2**64, 2**255, -(2**63) - 1, -(2**255))))
INTEGERS: tuple[Value, ...] = (*SMALL, *EDGES, *WIDE)
NAMES = ("supply", "payments", "anything", "alpine", "marta", "USD", USD, "USD.central", BOND)
WORDS = ("send", "quota", "low", "2")
ODD_TEXTS = ("", "/", "a/b", "x" * 140, "y" * 5_000, "é", "\x00", "\ud7ff", "💰")
ADDRESSES = tuple(map(address_of, ("ann", "alpine", "marta")))
KEY_LIKE = (f"{USD}/0", "alpine/0", "alpine/1", *(f"{address_of(name)}/0" for name in ("ann", "bob")))
"""What would name another row if a key were put together without care."""
TEXTS = (*NAMES, *WORDS, *ODD_TEXTS, *ADDRESSES, *KEY_LIKE, f"{address_of('bob')}/1", f"{address_of('ann')}/{USD}")
BYTES = (b"", b"s" * 16, b"k" * 31, b"k" * 32, b"\x00" * 5_000, b"\xff" * 33)


@dataclass(frozen=True, slots=True)
class SpoiltCall:
    """A good call with one argument, or a part of one, replaced."""

    function: str
    arguments: list[Value]
    sender: str


def values(kind: str, good: Value, names: list[str]) -> list[Value]:
    """What that type can hold and a caller might try: at the edges, and almost what makes sense."""
    name, _, inside = kind.partition("[")
    if name == "list":
        items = cast(list[Value], good)
        strangers: list[Value] = [["x"] * 70, ["send"] * 3] if kind == "list[str]" else []
        kinds = [inside[:-1]] * len(items)
        several: list[Value] = [[], [*items, *items], items[:1]]
        return [*several, *strangers, *one_replaced(kinds, items, names)]
    if name == "tuple":
        return one_replaced(inside[:-1].split(", "), cast(list[Value], good), names)
    if name == "bytes":
        data = cast(bytes, good)
        return [*BYTES, data[:-1], data[1:], data + b"\0", data[: len(data) // 2], data[:3] + b"\xff" + data[4:]]
    if name == "bool":
        return [False, True]
    return [*INTEGERS] if name in ("int", "Amount") else [*TEXTS, *names]


def one_replaced(kinds: list[str], good: list[Value], names: list[str]) -> list[Value]:
    """The list as often as one of its items can be something else."""
    return [
        [*good[:index], value, *good[index + 1 :]]
        for index, kind in enumerate(kinds)
        for value in values(kind, good[index], names)
    ]


def spoilt_calls(world: Furnished, function: str, most: int) -> Iterator[SpoiltCall]:
    """At most so many for each argument, evenly out of all of them; by who may ask, and by a bank."""
    good = good_calls(world)[function]
    for index, (_, kind) in enumerate(LEDGER_FUNCTIONS[function].parameters):
        every = values(kind, good.arguments[index], world.things.names())
        count = min(most, len(every))
        for place in range(count):
            # The first one taken differs from argument to argument, so that all are taken somewhere.
            value = every[(place * len(every) // count + index + len(function)) % len(every)]
            arguments = [*good.arguments[:index], value, *good.arguments[index + 1 :]]
            for sender in dict.fromkeys((good.sender, "alpine")):
                yield SpoiltCall(function, arguments, sender)


def ask_spoilt(world: Furnished, function: str, most: int) -> None:
    """Each of them ends in a receipt that a block can keep."""
    for call in spoilt_calls(world, function, most):
        receipt = world.ask(call.function, call.arguments, call.sender)
        assert receipt.is_ok or receipt.message, call
        assert encoded_receipt(receipt)


@pytest.fixture(scope="module")
def world() -> Furnished:
    """One chain for all who only ask."""
    return furnished()


def test_every_function_has_a_good_call(world: Furnished) -> None:
    calls = good_calls(world)
    assert sorted(calls) == sorted(LEDGER_FUNCTIONS)
    assert {call.code for call in calls.values()} - {"ok"} <= codes.CODES.keys()


@pytest.mark.parametrize("function", LEDGER_FUNCTIONS)
def test_a_good_call_ends_as_the_table_says(world: Furnished, function: str) -> None:
    call = good_calls(world)[function]
    receipt = world.ask(function, call.arguments, call.sender)
    assert receipt.code == call.code, receipt.message


@pytest.mark.parametrize("function", LEDGER_FUNCTIONS)
def test_a_spoilt_call_ends_in_a_receipt(world: Furnished, function: str) -> None:
    ask_spoilt(world, function, SAMPLE)


@pytest.mark.full
@pytest.mark.parametrize("function", LEDGER_FUNCTIONS)
def test_all_spoilt_calls_end_in_receipts(world: Furnished, function: str) -> None:
    ask_spoilt(world, function, 1_000)


@pytest.mark.parametrize("most", [2, pytest.param(1_000, marks=pytest.mark.full)])
def test_the_state_is_sound_after_all_of_them(most: int) -> None:
    world = furnished()
    good = good_calls(world)
    gentle = [name for name in LEDGER_FUNCTIONS if name not in LAST]
    asked = [(name, good[name].arguments, good[name].sender) for name in gentle]
    for function in (*gentle, *LAST):
        asked += [(function, call.arguments, call.sender) for call in spoilt_calls(world, function, most)]
    asked += [(name, good[name].arguments, good[name].sender) for name in LAST]
    transactions = [world.transaction(*question) for question in asked]
    for start in range(0, len(transactions), BLOCK_TRANSACTIONS):
        world.chain.block(*transactions[start : start + BLOCK_TRANSACTIONS])
    assert list(world.chain.reads.faults()) == []
    assert all(audit.is_sound for audit in world.chain.reads.audit())


def test_the_state_is_sound_after_a_second_wrap() -> None:
    world = furnished()
    for number in (5, 6):
        arguments: list[Value] = [world.things.records["note"], "alpine", "baltic", number, b"w" * 80]
        result = world.chain.block(world.transaction("add_reader", arguments, "alpine"))
        if not result.receipts[-1].is_ok:
            pytest.fail(result.receipts[-1].message)
    assert list(world.chain.reads.faults()) == []


def test_an_asset_nobody_looks_for_is_found_out(world: Furnished, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug that was: may_exchange took the asset for one that is there."""
    monkeypatch.setattr(exchanges, "assets", SimpleNamespace(asset=lambda scope, identity: None))
    with pytest.raises(TypeError):
        ask_spoilt(world, "may_exchange", SAMPLE)


@pytest.mark.parametrize("function", ["may_exchange", "create_asset", "authorise_supply", "require_attestation"])
def test_a_wide_integer_nobody_reads_is_found_out(
    world: Furnished, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug that was: an integer of more than 64 bits came to the kernel as bytes."""
    monkeypatch.setattr(host, "INTEGERS", dict.fromkeys(LEDGER_FUNCTIONS, ()))
    with pytest.raises(TypeError):
        ask_spoilt(world, function, SAMPLE)
