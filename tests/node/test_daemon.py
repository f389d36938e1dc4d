"""The daemon as an operator meets it: a process that starts, answers, refuses with a sentence, and stops."""

import json
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.home import Home
from tests.node.network import make_homes
from tests.node.running import ROOT, START_SECONDS_MAX, Daemon, children_of, end, get


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of a validator that is alone: one bank and the settlement agent."""
    make_homes(tmp_path, validators=1, execution="process", heartbeat_ms=200)
    return tmp_path / "alpina"


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    running: list[Daemon] = []
    yield running
    end(running)


def rewrite(home: Path, old: str, new: str) -> None:
    path = Home(home).configuration
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_it_starts_answers_and_stops(home: Path, daemons: list[Daemon]) -> None:
    daemon = Daemon(home)
    daemons.append(daemon)
    port = daemon.started()["rpc_port"]
    assert get(port, "/healthz") == (200, b'{"alive":true}')
    deadline = time.monotonic() + 20
    while (answer := get(port, "/readyz"))[0] != 200:
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)
    while b"\nhansa_height 0.0\n" in (metrics := get(port, "/metrics")[1]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert b"hansa_execution_resident_bytes" in metrics
    (worker,) = children_of(daemon.process.pid)
    assert daemon.stop() == 0
    assert [line.partition(": ")[2] for line in daemon.lines()[-2:]] == ["stopping", "stopped"]
    assert not Path(f"/proc/{worker}/exe").exists()
    again = Daemon(home)
    daemons.append(again)
    assert int(again.started()["height"]) >= 1
    assert again.stop() == 0


def test_it_runs_where_what_the_command_line_needs_is_missing(
    home: Path, daemons: list[Daemon], tmp_path: Path
) -> None:
    for name in ("click", "rich"):
        (tmp_path / "missing" / name).mkdir(parents=True)
        refusal = f'raise ModuleNotFoundError("No module named {name!r}", name={name!r})'
        (tmp_path / "missing" / name / "__init__.py").write_text(refusal)
    path = str(tmp_path / "missing")
    command = [sys.executable, "-c", "import click"]
    assert b"No module named 'click'" in subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True).stderr
    daemon = Daemon(home, PYTHONPATH=path)
    daemons.append(daemon)
    assert get(daemon.started()["rpc_port"], "/healthz")[0] == 200
    assert daemon.stop() == 0


def test_after_a_kill_it_starts_unaided_and_its_worker_is_gone(home: Path, daemons: list[Daemon]) -> None:
    daemon = Daemon(home)
    daemons.append(daemon)
    daemon.started()
    time.sleep(0.5)
    (worker,) = children_of(daemon.process.pid)
    daemon.process.kill()
    daemon.process.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{worker}/exe").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{worker}/exe").exists()
    again = Daemon(home)
    daemons.append(again)
    assert int(again.started()["height"]) >= 1
    assert again.stop() == 0


def test_a_second_daemon_on_one_home_is_refused(home: Path, daemons: list[Daemon]) -> None:
    daemon = Daemon(home)
    daemons.append(daemon)
    daemon.started()
    command = [sys.executable, "-m", "node.daemon", str(home)]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert second.returncode == 1
    assert second.stderr == (
        f"hansa: another node runs on {home} (process {daemon.process.pid}): stop it first, or name another home\n"
    )


@pytest.mark.parametrize("key", ["p2p.port", "rpc.port"])
def test_a_taken_port_is_a_sentence(home: Path, daemons: list[Daemon], key: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        section = key.partition(".")[0]
        text = Home(home).configuration.read_text()
        head, mark, tail = text.partition(f"[{section}]")
        before, line, after = tail.partition("\nport = ")
        Home(home).configuration.write_text(f"{head}{mark}{before}{line}{port}\n{after.partition(chr(10))[2]}")
        daemon = Daemon(home)
        daemons.append(daemon)
        assert daemon.refused().partition(": ")[2] == (
            f"port {port} on 127.0.0.1 is in use by another program: stop that one, or set another {key} in config.toml"
        )


def test_it_refuses_to_run_without_assertions(home: Path, daemons: list[Daemon]) -> None:
    sentence = "hansa: assertions are switched off (python -O, PYTHONOPTIMIZE): start it without."
    daemons.append(Daemon(home, PYTHONOPTIMIZE="1"))
    assert daemons[0].refused() == sentence


def test_what_is_wrong_with_a_home_is_a_sentence(tmp_path: Path, daemons: list[Daemon]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    daemons.append(Daemon(empty))
    assert daemons[0].refused() == f"hansa: {empty} is no node's home (config.toml is missing): hansa init makes one"


def test_a_damaged_chain_is_refused_with_the_reason(home: Path, daemons: list[Daemon]) -> None:
    first = Daemon(home)
    daemons.append(first)
    first.started()
    assert first.stop() == 0
    for table in Home(home).chain.glob("MANIFEST*"):
        table.write_bytes(b"")
    second = Daemon(home)
    daemons.append(second)
    assert "CRITICAL" in second.refused()
    assert str(Home(home).chain) in second.lines()[-1]


def test_json_lines(home: Path, daemons: list[Daemon]) -> None:
    rewrite(home, 'format = "plain"', 'format = "json"')
    daemon = Daemon(home)
    daemons.append(daemon)
    deadline = time.monotonic() + START_SECONDS_MAX
    while not any("started" in line for line in daemon.lines()) and time.monotonic() < deadline:
        time.sleep(0.05)
    entry = json.loads(next(line for line in daemon.lines() if "started" in line))
    assert (entry["level"], entry["logger"], entry["message"]) == ("info", "hansa.node", "started")
    assert entry["member"] == "alpina"
    assert daemon.stop() == 0


def test_no_key_shows_in_what_it_says(home: Path, daemons: list[Daemon]) -> None:
    seeds = [json.loads(path.read_bytes())["seed"][2:] for path in Home(home).keys.iterdir()]
    daemon = Daemon(home)
    daemons.append(daemon)
    port = daemon.started()["rpc_port"]
    said = [get(port, path)[1].decode() for path in ("/metrics", "/readyz", "/healthz")]
    for process_id in (daemon.process.pid, *children_of(daemon.process.pid)):
        said += [Path(f"/proc/{process_id}/{name}").read_bytes().decode() for name in ("cmdline", "environ")]
    assert daemon.stop() == 0
    text = "".join([*said, *daemon.lines()])
    assert not [seed for seed in seeds if seed in text]


def test_a_disk_that_takes_no_more_ends_it_within_a_second(home: Path) -> None:
    """Its files may grow no further, as if the disk were full: both processes meet it at their next write."""
    process = subprocess.Popen(
        [sys.executable, "-m", "node.daemon", str(home)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        assert process.stdout is not None
        assert any(b": started " in line for line in iter(process.stdout.readline, b""))
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, 1))
        began = time.monotonic()
        assert process.wait(5) == 1
        assert time.monotonic() - began < 1.5  # a heartbeat of 0.2 s until the next write, then at once
        said = process.stdout.read().decode().splitlines()
        assert "File too large" in said[-1]
        assert "CRITICAL" in said[-1]
    finally:
        process.kill()
        process.communicate()
    again = subprocess.Popen([sys.executable, "-m", "node.daemon", str(home)], cwd=ROOT, stderr=subprocess.PIPE)
    try:
        assert again.stderr is not None
        assert any(b": started " in line for line in iter(again.stderr.readline, b""))
        again.send_signal(signal.SIGTERM)
        assert again.wait(20) == 0
    finally:
        again.kill()
        again.communicate()
