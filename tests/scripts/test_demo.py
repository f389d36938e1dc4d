"""./scripts/demo: what it refuses with a sentence, that Ctrl-C leaves nothing behind, and, in full, all of it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node import devnet
from scripts.demo_record import Record

ROOT = Path(__file__).parent.parent.parent
CHECKS = [
    *("sealed identity", "an instalment by itself", "trade", "remittances", "feedback", "followed by the regulator"),
    *("frozen and released", "no name in the clear", "an author's contract", "a bad line", "an endless loop"),
    "readiness of the killed node",
    "balances",
    *(f"proof of {what}" for what in ("balance", "absence", "receipt", "remittance")),
    "sent again",
    *(f"refused: {what}" for what in ("overdraft", "wrong signature", "stranger's key", "expired", "foreign chain")),
    "refused: nothing changed",
    "killed node signs again",
    "agreement",
    "receipts",
    "conservation",
    "settlement",
    "hansa verify",
]


def start(*arguments: str, temporary: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "demo.py"), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def run(*arguments: str, temporary: Path, timeout: float = 60) -> tuple[int, str, str]:
    process = start(*arguments, temporary=temporary)
    out, error = process.communicate(timeout=timeout)
    return process.returncode, out, error


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", devnet.free_base_port(24_000, 5) + 3))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_directory_with_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("")
    code, _, error = run("--dir", str(tmp_path), temporary=tmp_path)
    assert (code, error) == (1, f"demo: {tmp_path} is not empty: name a new or empty directory by --dir\n")
    assert os.listdir(tmp_path) == ["mine.txt"]


def test_a_port_that_is_taken(tmp_path: Path, taken_port: int) -> None:
    code, _, error = run("--base-port", str(taken_port - 3), temporary=tmp_path)
    sentence = f"demo: port {taken_port} is not to be had (in use): choose other ports by --base-port\n"
    assert (code, error, os.listdir(tmp_path)) == (1, sentence, [])


def test_a_port_above_the_default_range(tmp_path: Path) -> None:
    code, _, error = run("--base-port", "40000", temporary=tmp_path)
    assert (code, error) == (1, "demo: a base port lies between 1024 and 32567\n")


def test_a_path_that_is_too_long(tmp_path: Path) -> None:
    code, _, error = run("--dir", str(tmp_path / ("x" * 300)), temporary=tmp_path)
    assert code == 1
    assert error.endswith(": File name too long: choose another place by --dir\n")


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "missing" / "demo.json"
    code, _, error = run("--json", str(file), temporary=tmp_path)
    assert (code, error) == (1, f"demo: {file}: No such file or directory: name another file by --json\n")


def test_optimised_python_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-O", str(ROOT / "scripts" / "demo.py")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    sentence = "demo: Hansa does not run under python -O: unset PYTHONOPTIMIZE and try again.\n"
    assert (done.returncode, done.stderr) == (2, sentence)


def test_ctrl_c_stops_everything(tmp_path: Path) -> None:
    network = tmp_path / "a network"
    process = start("--dir", str(network), temporary=tmp_path)
    deadline = time.monotonic() + 60
    while not (network / "watch01" / "node.pid").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "demo: interrupted; everything it started is stopped\n")
    assert [devnet.pid_of(place) for place in devnet.load(network)] == [None] * 6


def test_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = Record()
    assert not record.holds
    record.step("first payment", "0xab", 1.0, 1.25)
    record.check("balances", True, "all of them")
    assert record.holds
    record.check("receipts", False, "one is missing")
    assert not record.holds
    record.write(tmp_path / "demo.json")
    assert json.loads((tmp_path / "demo.json").read_text()) == {
        "checks": [
            {"name": "balances", "ok": True, "detail": "all of them"},
            {"name": "receipts", "ok": False, "detail": "one is missing"},
        ],
        "steps": [{"name": "first payment", "tx": "0xab", "finality_ms": 250.0}],
        "nodes": [],
    }
    record.summary([3.0, 1.0, 2.0])
    assert "FAILED" in capsys.readouterr().out


@pytest.mark.full
def test_all_of_it(tmp_path: Path) -> None:
    file = tmp_path / "demo.json"
    code, out, error = run("--json", str(file), temporary=tmp_path, timeout=170)
    assert (code, error) == (0, ""), out
    document = json.loads(file.read_text())
    assert {check["name"]: check["ok"] for check in document["checks"]} == dict.fromkeys(CHECKS, True)
    assert len([step for step in document["steps"] if step["name"] == "payment"]) == 4_999
    assert all(step["finality_ms"] > 0 for step in document["steps"])
    assert len({(node["height"], node["state_root"]) for node in document["nodes"]}) == 1
    assert os.listdir(tmp_path) == ["demo.json"]
