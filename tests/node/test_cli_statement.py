"""``hansa statement``: pages put together, told to a person and as JSON."""

import json
from typing import Any

import pytest

from node import cli_statement
from node.cli import main
from rpc.answers import MovementAnswer, StatementAnswer

ADDRESS = "hansat1q" + "x" * 57
HASH = "0x" + "00" * 32
CHANGES = (50_000, -1_250, -750)


def movement(number: int) -> MovementAnswer:
    time_ms, balance = str(172_800_000 * number), str(sum(CHANGES[: number + 1]))
    what = ("payment", f"note {number}", "payments")
    return MovementAnswer(HASH, str(number + 1), 0, time_ms, str(CHANGES[number]), balance, *what)


class Ledger:
    """Answers as a node does whose account has the movements of CHANGES, two days apart."""

    def __init__(self, urls: list[str]) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def account_statement(
        self, address: str, asset: str, from_ms: int, to_ms: int | None, cursor: str | None, limit: int
    ) -> StatementAnswer:
        ASKED.append((address, asset, from_ms, to_ms, cursor, limit))
        start = int(cursor or "0x0", 16)
        stop = min(start + min(limit, 2), len(CHANGES))
        movements = tuple(map(movement, range(start, stop)))
        return StatementAnswer(
            address,
            asset,
            str(sum(CHANGES[:start])),
            movements,
            str(sum(CHANGES[:stop])),
            None if stop == len(CHANGES) else hex(stop),
            stop == len(CHANGES),
            "9",
        )


ASKED: list[tuple[Any, ...]] = []


@pytest.fixture(autouse=True)
def ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    ASKED.clear()
    monkeypatch.setattr(cli_statement, "SyncClient", Ledger)


def test_all_pages_are_one_statement(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["statement", ADDRESS, "USD.alpina", "--json", "--url", "127.0.0.1:1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["opening"], told["closing"], told["complete"], told["height"]) == ("0", "48000", True, "9")
    assert [entry["change"] for entry in told["movements"]] == ["50000", "-1250", "-750"]
    assert told["movements"][2] == {
        "hash": HASH,
        "height": "3",
        "index": 0,
        "block_time_ms": "345600000",
        "change": "-750",
        "balance": "48000",
        "purpose": "payment",
        "reference": "note 2",
        "contract": "payments",
    }
    assert [asked[4:] for asked in ASKED] == [(None, 1_000), ("0x2", 998)]


def test_a_person_sees_amounts_and_days(capsys: pytest.CaptureFixture[str]) -> None:
    days = ("--from", "1970-01-01", "--to", "1970-01-05")
    assert main(["statement", ADDRESS, "USD.alpina", *days, "--limit", "2", "--url", "127.0.0.1:1"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["account", ADDRESS],
        ["opening", "0.00", "USD.alpina"],
        ["closing", "487.50", "USD.alpina"],
        ["height", "9"],
        [],
        ["time,", "UTC", "height", "change", "balance", "purpose", "contract", "reference"],
        ["1970-01-01", "00:00:00", "1", "500.00", "500.00", "payment", "payments", "note", "0"],
        ["1970-01-03", "00:00:00", "2", "-12.50", "487.50", "payment", "payments", "note", "1"],
        [],
        ["There", "is", "more:", "--cursor", "0x2"],
    ]
    assert ASKED == [(ADDRESS, "USD.alpina", 0, 5 * 86_400_000 - 1, None, 2)]
