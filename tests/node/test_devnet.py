"""A network on this machine, by the command line alone: up, one payment, a kill and a start, verified, down."""

import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node import devnet, testnet
from node.cli import main
from node.devnet import Place
from node.home import Home
from state.errors import Invalid

Hansa = Callable[..., Any]


def test_a_network_lives(directory: Path, hansa: Hansa) -> None:
    where, base_port = ("--dir", str(directory)), devnet.free_base_port(random.randrange(20_000, 24_000, 10), 5)
    made = hansa("devnet", "up", *where, "--base-port", str(base_port))
    assert [(node["member"], node["ready"]) for node in made["nodes"]] == [
        ("alpina", True),
        ("borealis", True),
        ("corriente", True),
        ("deltahaven", True),
        ("meridian", True),
    ]
    alpina, borealis = ("--home", str(directory / "alpina")), ("--home", str(directory / "borealis"))
    assert hansa("wallet", "call", "bank_money", "create", '["USD"]', *alpina)["results"] == ["USD.alpina"]
    alice, bob = hansa("wallet", "new", "alice", *alpina), hansa("wallet", "new", "bob", *alpina)
    customers = json.dumps([[[person["public_key"], person["salt"]] for person in (alice, bob)]])
    opened = hansa("wallet", "call", "accounts", "register", customers, *alpina)
    assert opened["results"] == [[alice["address"], bob["address"]]]
    deposit = json.dumps(["USD", [[alice["address"], "2000"]], "cash"])
    hansa("wallet", "call", "bank_money", "mint", deposit, *alpina)

    assert hansa("devnet", "kill", "borealis", *where)["member"] == "borealis"
    down = hansa("devnet", "status", *where, code=3)["nodes"][1]
    assert (down["pid"], down["ready"], down["not_ready"]) == (None, False, ["unreachable"])
    assert hansa("status", *borealis, code=3)["error"]["code"] == "unreachable"
    assert hansa("devnet", "kill", "borealis", *where, code=1)["error"]["code"] == "unavailable"

    pay = ("wallet", "send", "--from", "alice", *alpina, bob["address"])
    paid = hansa(*pay, "12.5", "USD", "--reference", "lunch")
    assert (paid["status"], paid["code"]) == ("final", "ok")
    assert hansa(*pay, "12.50", "USD", code=1)["error"]["code"] == "insufficient_funds"
    shown = hansa("wallet", "show", "bob", *alpina)
    assert shown["balances"] == [{"asset": "USD.alpina", "amount": "1250", "held": "0"}]
    told = hansa("statement", "alice", "USD.alpina", *alpina)
    assert (told["opening"], told["closing"], told["complete"]) == ("0", "750", True)
    assert [(entry["change"], entry["purpose"], entry["reference"]) for entry in told["movements"]] == [
        ("2000", "deposit", "cash"),
        ("-1250", "payment", "lunch"),
    ]

    hansa("devnet", "kill", "corriente", *where)
    waiting = hansa(*pay, "0.50", "USD", "--timeout", "1", code=4)  # two of four are no quorum
    assert waiting["status"] == "pending"
    assert hansa("wallet", "show", waiting["hash"], *alpina, code=4)["status"] == "pending"

    assert hansa("devnet", "start", "borealis", *where)["member"] == "borealis"
    assert hansa("devnet", "start", "borealis", *where, code=1)["error"]["code"] == "conflict"
    hansa("devnet", "start", "corriente", *where)
    deadline = time.monotonic() + 20
    while main(["wallet", "show", waiting["hash"], *alpina]) == 4:
        assert time.monotonic() < deadline
    assert hansa("wallet", "show", waiting["hash"], *borealis)["code"] == "ok"
    asked = hansa("wallet", "query", "bank_money", "supply", '["USD.alpina"]', *borealis)
    assert (asked["result"], int(asked["height"]) >= int(paid["height"])) == ("2000", True)
    assert hansa("status", *borealis)["member"] == "borealis"
    assert hansa("verify", *borealis, code=1)["error"]["code"] == "conflict"

    assert hansa("devnet", "down", *where)["stopped"] == ["alpina", "borealis", "corriente", "deltahaven", "meridian"]
    before = sorted((path.name, path.read_bytes()) for path in (directory / "borealis").rglob("*") if path.is_file())
    verified = hansa("verify", *borealis)
    after = sorted((path.name, path.read_bytes()) for path in (directory / "borealis").rglob("*") if path.is_file())
    assert (verified["agrees"], verified["transactions"], verified["failed"]) == (True, 5, 0)
    assert int(verified["height"]) >= int(paid["height"])
    assert before == after
    assert "stopped" in " ".join(hansa("devnet", "logs", "borealis", *where)["logs"]["borealis"])


def make_place(tmp_path: Path) -> Place:
    return Place("alpina", "validator", Home(tmp_path), "http://127.0.0.1:1")


def test_a_number_that_belongs_to_another_process_now(tmp_path: Path) -> None:
    place = make_place(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        place.pid_file.write_text(json.dumps({"pid": other.pid, "began": "0"}))
        assert devnet.pid_of(place) is None
        assert devnet.stop([place]) == []
        with pytest.raises(Invalid, match="alpina is down already"):
            devnet.kill(place)
        assert other.poll() is None
        other.communicate(b"\n")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x", "began": ""}', '{"began": ""}'])
def test_a_pid_file_that_is_none(tmp_path: Path, content: str) -> None:
    place = make_place(tmp_path)
    place.pid_file.write_text(content)
    assert devnet.pid_of(place) is None


def test_nobody_at_the_door(tmp_path: Path) -> None:
    assert devnet.readiness(make_place(tmp_path)) == devnet.Readiness(False, ("unreachable",))
    with pytest.raises(Invalid) as refusal:
        devnet.await_ready([make_place(tmp_path)], 5)
    assert refusal.value.detail == f"alpina has ended: it said nothing (log: {tmp_path / 'node.log'})"


def test_ports(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(Invalid) as refusal:
            devnet.check_ports([port])
        assert refusal.value.detail == f"port {port} is not to be had (in use): choose other ports by --base-port"
        assert devnet.free_base_port(port, 1) == port + 200
    assert devnet.ports_of(26600, 2) == [26600, 26601, 26700, 26701]


def test_seats_of_a_test_network() -> None:
    seats = testnet.seats(5, 2, 26600)
    assert [seat.details.id for seat in seats] == [
        *("alpina", "borealis", "corriente", "deltahaven", "testbank04", "meridian", "watch01")
    ]
    assert [seat.details.role.value for seat in seats] == ["validator"] * 5 + ["observer"] * 2
    assert [(seat.p2p_port, seat.rpc_port) for seat in seats][-1] == (26606, 26706)


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ((0, 1, 26600), "a test network has 1 to 100 validators and 1 to 20 observers"),
        ((4, 0, 26600), "a test network has 1 to 100 validators and 1 to 20 observers"),
        ((100, 20, 26600), "a test network has at most 100 nodes"),
        ((4, 1, 32700), "a base port lies between 1024 and 32567"),
    ],
)
def test_networks_that_are_none(counts: tuple[int, int, int], sentence: str) -> None:
    with pytest.raises(Invalid) as refusal:
        testnet.seats(*counts)
    assert refusal.value.detail == sentence
