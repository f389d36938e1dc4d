"""The simulator: it is deterministic, it says what it found, and it catches each bug that is planted."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from node.chain import Chain
from scripts.simulation.invariants import Invariants
from scripts.simulation.run import Run
from tests.scripts import planted

ROOT = Path(__file__).parent.parent.parent

def simulate(*arguments: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-m", "scripts.simulation", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


def test_a_node_that_executes_differently_stops_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    planted.one_node_executes_differently(monkeypatch)
    monkeypatch.setattr(Invariants, "executed", lambda *_: None)
    violation = Run(1, 4).result().violation
    assert violation is not None
    assert violation.endswith(": executing height 5 here gave another state than q validators")


def test_one_seed_is_one_run_to_the_byte() -> None:
    runs = [simulate("--seeds", "1", "--first-seed", "3", "--trace", hash_seed=hash_seed) for hash_seed in ("1", "2")]
    told = [run.stdout.splitlines()[:-1] for run in runs]  # the last line says how long it took
    assert told[0] == told[1]
    assert len(told[0]) > 100
    assert told[0][-1].endswith(": ok")
    assert [run.returncode for run in runs] == [0, 0]


def test_another_seed_is_another_run() -> None:
    fingerprints = {Run(seed, 1).result().fingerprint for seed in (1, 2, 2)}
    assert len(fingerprints) == 2


def test_a_violation_is_named_with_the_seed_that_shows_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from scripts.simulation.__main__ import TIMELINE_LINES, main

    planted.votes_leave_before_the_sync(monkeypatch)
    assert main(["--seeds", "1", "--first-seed", "7", "--nodes", "1"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert "before its record was durable" in said[0]
    assert 3 < len(said) <= 3 + TIMELINE_LINES
    assert all(" s  " in line for line in said[1:-2]), "the timeline: when, who, what"
    assert said[-2] == "  again: ./scripts/simulate --seeds 1 --first-seed 7 --nodes 1 --trace"
    assert said[-1].startswith("0 of 1 runs hold every invariant")


def test_what_comes_out_of_a_node_unhandled_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(Chain, "append", fail)
    told: list[str] = []
    assert Run(1, 1, told.append).result().violation == "I7: ZeroDivisionError: planted"
    assert told[-1].endswith("ZeroDivisionError: planted")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds", "0"], "'0' is no whole number above 0"),
        (["--seeds", "3,2", "--nodes", "4"], "2 numbers of seeds for 1 sizes"),
        (["--nodes", "4,x"], "'x' is no whole number above 0"),
        (["--nodes", "33"], "a network has 1 to 32 validators"),
    ],
)
def test_a_wrong_argument_is_named(arguments: list[str], said: str) -> None:
    run = simulate(*arguments)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.endswith(f"{said}\n")


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    command = [sys.executable, "-m", "scripts.simulation", "--nodes", "1", "--trace"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.wait(60) == 141
        assert running.stderr.read() == b""


def test_an_interrupt_ends_it_quietly() -> None:
    command = [sys.executable, "-m", "scripts.simulation", "--nodes", "1", "--trace"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)
        assert (running.returncode, errors) == (130, b"")
