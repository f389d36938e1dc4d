"""The demo's checks, each shown to fail once: the fault is planted in what they are told."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from rpc.answers import EventAnswer, ReceiptAnswer
from scripts import demo_checks
from scripts.demo_checks import Expected, Receipts
from scripts.demo_record import NodeRecord, Record
from scripts.demo_replay import Replay
from state.keys import KeyPair
from state.transaction import Body, Call, Transaction, sign


def payment(number: int) -> Transaction:
    call = Call("payments", 1, "pay", [])
    body = Body(bytes(32), "hansat1x", number.to_bytes(16, "big"), 1, None, 1, (call,), ())
    return sign(body, [KeyPair.from_seed(bytes(32))])


ROWS = [payment(number) for number in range(3)]


def receipt(row: Transaction, code: str = "ok", legs: tuple[tuple[str, str, str], ...] = ()) -> ReceiptAnswer:
    events = (EventAnswer("ledger", "journal", {"legs": [list(leg) for leg in legs]}, "0x"),) if legs else ()
    return ReceiptAnswer("0x" + row.id.hex(), code, "", "1", (), events, "0x")


def receipts(*found: ReceiptAnswer) -> Receipts:
    by_hash: dict[str, list[ReceiptAnswer]] = {}
    for answer in found:
        by_hash.setdefault(answer.hash, []).append(answer)
    return Receipts(9, by_hash)


def outcome(record: Record) -> tuple[bool, str]:
    check = record.checks[-1]
    return check.ok, check.detail


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([receipt(row) for row in ROWS], (True, "each of 3 ids has exactly one receipt, ok, under a certified root")),
        ([receipt(row) for row in ROWS[:2]], (False, "receipts per id {1: 2, 0: 1}, codes {'ok': 2}")),
        ([receipt(row) for row in [*ROWS, ROWS[0]]], (False, "receipts per id {2: 1, 1: 2}, codes {'ok': 4}")),
        (
            [*(receipt(row) for row in ROWS[:2]), receipt(ROWS[2], "insufficient_funds")],
            (False, "receipts per id {1: 3}, codes {'ok': 2, 'insufficient_funds': 1}"),
        ),
    ],
)
def test_receipts(found: list[ReceiptAnswer], expected: tuple[bool, str]) -> None:
    record = Record()
    demo_checks.check_receipts(record, receipts(*found), ROWS)
    assert outcome(record) == expected


def test_issued_is_minted_less_burnt() -> None:
    mint = (("USD.a", "supply", "-500"), ("USD.a", "alice", "500"))
    across = (("USD.a", "alice", "-70"), ("USD.a", "supply", "70"), ("USD.b", "supply", "-70"), ("USD.b", "bob", "70"))
    assert receipts(receipt(ROWS[0], legs=mint), receipt(ROWS[1], legs=across)).issued() == {"USD.a": 430, "USD.b": 70}


def bank(name: str) -> Any:
    return SimpleNamespace(id=name, address=name, place=SimpleNamespace(member=name, url=name))


BANKS = (bank("a"), bank("b"))
NETWORK = cast(
    Any,
    SimpleNamespace(
        banks=BANKS,
        agent=bank("c"),
        members=[*BANKS, bank("c")],
        observer="c",
        places=[BANKS[0].place, BANKS[1].place],
        genesis=SimpleNamespace(parameters=SimpleNamespace(address_prefix="hansat"), contracts=()),
    ),
)


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ((70, 130), (True, "positions are the net flows: a -0.30, b +0.30")),
        ((71, 129), (False, "a moved -29, expected -30; b moved 29, expected 30")),
    ],
)
def test_settlement(monkeypatch: pytest.MonkeyPatch, positions: tuple[int, int], expected: tuple[bool, str]) -> None:
    owned = {name: [("USD.c", amount, 0)] for name, amount in zip("ab", positions, strict=True)}
    monkeypatch.setattr(demo_checks, "accounts", lambda url, addresses: owned)
    record = Record()
    wanted = Expected({}, (-20, 20))
    demo_checks.check_settlement(record, NETWORK, {"a": 100, "b": 100}, wanted, 10, (BANKS[0], BANKS[1]))
    assert outcome(record) == expected


@pytest.mark.parametrize(("bob", "holds"), [(70, True), (69, False)])
def test_conservation(monkeypatch: pytest.MonkeyPatch, bob: int, holds: bool) -> None:
    owned = {"alice": [("USD.a", 400, 30)], "bob": [("USD.b", bob, 0)], "a": [("USD.c", 5, 0)]}
    monkeypatch.setattr(demo_checks, "accounts", lambda url, addresses: owned)
    found = receipts(
        receipt(ROWS[0], legs=(("USD.a", "supply", "-430"), ("USD.b", "supply", "-70"), ("USD.c", "supply", "-5")))
    )
    record = Record()
    demo_checks.check_conservation(record, NETWORK, cast(Any, SimpleNamespace(everybody=[])), found)
    assert record.checks[-1].ok is holds


@pytest.mark.parametrize(("at_b", "holds"), [(250, True), (249, False)])
def test_balances(monkeypatch: pytest.MonkeyPatch, at_b: int, holds: bool) -> None:
    customers = {7: SimpleNamespace(name="account 7", address="seven", bank=BANKS[0])}
    customers[9] = SimpleNamespace(name="account 9", address="nine", bank=BANKS[1])
    book = cast(Any, SimpleNamespace(customers=customers, payments=()))

    def balances(url: str, asked: object) -> dict[str, list[tuple[str, int, int]]]:
        return {"seven": [("USD.a", 250 if url == "a" else at_b, 0)], "nine": []}

    monkeypatch.setattr(demo_checks, "balances", balances)
    record = Record()
    demo_checks.check_balances(record, NETWORK, book, Expected({7: 250, 9: 0}, ()))
    assert record.checks[-1].ok is holds


def test_nodes_that_differ() -> None:
    one, two = NodeRecord("a", "5", "0xaa"), NodeRecord("b", "5", "0xbb")
    assert demo_checks.agree([one, one])
    assert not demo_checks.agree([one, two])
    assert not demo_checks.agree([one, NodeRecord("b", "6", "0xaa")])


def test_finality_is_of_rows_that_were_sent_and_are_final() -> None:
    replay = Replay(["http://127.0.0.1:1"], ROWS, 1, 1)
    assert (replay.final_count, replay.finality_ms) == (1, [])
    replay.sent, replay.final = [None, 1.0, 2.0], [None, 1.5, None]
    assert replay.finality_ms == [500.0]
