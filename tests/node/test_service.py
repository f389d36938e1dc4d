"""What the service manager is told: ready, time to start, signs of life from the driver, and the end."""

import asyncio
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node import upgrades
from node.execution_deaths import Killed
from node.service import EXECUTION_SECONDS_MAX, ServiceManager, Vitals, Watchdog, ask_for_time
from tests.node.network import Network, make_homes
from tests.node.running import ROOT, Daemon, end

UNIT = ROOT / "scripts" / "deploy" / "hansa.service"
SECONDS_MAX = 60.0


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))

    def hears(self, seconds: float = SECONDS_MAX) -> dict[str, str]:
        """The next message."""
        self.socket.settimeout(seconds)
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))

    def awaits(self, name: str) -> dict[str, str]:
        """The next message that says something of that name."""
        deadline = time.monotonic() + SECONDS_MAX
        while name not in (message := self.hears()):
            assert time.monotonic() < deadline, name
        return message

    def drain(self) -> None:
        """What is there by now."""
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(4096)
        except BlockingIOError:
            return


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.socket.close()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "60000000"}, 0.0),
        ({"NOTIFY_SOCKET": "/x"}, 0.0),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "60000000"}, 60.0),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "77"}, 60.0),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "78"}, 0.0),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "often"}, 0.0),
    ],
)
def test_how_often_a_sign_of_life_is_wanted(environment: dict[str, str], seconds: float) -> None:
    assert ServiceManager(environment, 77).watchdog_seconds == seconds


def test_a_message_is_one_datagram_of_lines(manager: Manager) -> None:
    ServiceManager({"NOTIFY_SOCKET": str(manager.path)}, 1).ready()
    assert manager.hears() == {"READY": "1", "STATUS": "started"}


def test_an_abstract_address() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(b"\0hansa-test-" + str(time.monotonic_ns()).encode())
        name = "@" + listening.getsockname()[1:].decode()
        ServiceManager({"NOTIFY_SOCKET": name}, 1).stopping("why")
        assert listening.recv(100) == b"STOPPING=1\nSTATUS=why"


def test_nobody_listens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ServiceManager({}, 1).ready()
    assert caplog.messages == []
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}, 1).ready()
    assert caplog.messages == ["the service manager can't be told"]


async def test_a_start_that_takes_long_asks_for_time_while_the_loop_turns(manager: Manager) -> None:
    asking = asyncio.create_task(ask_for_time(ServiceManager({"NOTIFY_SOCKET": str(manager.path)}, 1), 0.01))
    for _ in range(3):
        assert await asyncio.to_thread(manager.hears) == {"EXTEND_TIMEOUT_USEC": "60000000", "STATUS": "starting"}
    asking.cancel()


class Turns:
    """A driver by hand."""

    def __init__(self, manager: Manager, decided: int, executed: int) -> None:
        self.vitals = Vitals(decided, executed, "fine")
        self.now = 0.0
        self.waiting: list[tuple[int, object]] = []
        service = ServiceManager({"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "30000000"}, 1)
        self.manager = manager
        self.watchdog = Watchdog(
            service, lambda delay, act: self.waiting.append((delay, act)), lambda: self.vitals, lambda: self.now
        )
        self.watchdog.start()

    def turn(self) -> bool:
        """The next turn, when it is due; whether the manager was fed in the last one."""
        fed = True
        try:
            assert self.manager.hears(0.01) == {"WATCHDOG": "1", "STATUS": "fine"}
        except TimeoutError:
            fed = False
        ((delay, act),) = self.waiting
        assert delay == 10_000
        self.waiting.clear()
        self.now += delay / 1000
        act()  # type: ignore[operator]
        return fed


def test_it_is_fed_while_blocks_are_executed_and_while_there_is_nothing_to_do(manager: Manager) -> None:
    turns = Turns(manager, 7, 7)
    assert all(turns.turn() for _ in range(40))
    for height in range(8, 60):
        turns.vitals = Vitals(height + 1, height, "fine")
        assert turns.turn()


def test_it_is_not_fed_while_execution_hangs(manager: Manager) -> None:
    turns = Turns(manager, 8, 7)
    fed = [turns.turn() for _ in range(20)]
    enough = int(EXECUTION_SECONDS_MAX / 10)
    assert fed == [True] * enough + [False] * (20 - enough)
    turns.vitals = Vitals(8, 8, "fine")
    turns.turn()
    assert turns.turn()


async def test_a_driver_that_takes_no_events_feeds_nobody_though_the_loop_turns(
    tmp_path: Path, manager: Manager
) -> None:
    network = await Network.start(tmp_path, validators=1, heartbeat_ms=200)
    node = network.nodes["alpina"]
    node.feed(ServiceManager({"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "300000"}, 1))
    for _ in range(3):
        status = (await asyncio.to_thread(manager.awaits, "WATCHDOG"))["STATUS"]
        assert re.fullmatch(r"validator at height \d+, .+", status), status
    node.inbox.close()
    await asyncio.sleep(0.2)
    manager.drain()
    with pytest.raises(TimeoutError):
        await asyncio.to_thread(manager.hears, 1.0)
    await network.stop()


async def test_a_node_that_has_stopped_voting_stays_up(tmp_path: Path, manager: Manager) -> None:
    network = await Network.start(tmp_path, validators=1, heartbeat_ms=200)
    node = network.nodes["alpina"]
    node.feed(ServiceManager({"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "300000"}, 1))
    node._failed(Killed("a transaction kills execution"))
    for _ in range(5):
        status = (await asyncio.to_thread(manager.awaits, "WATCHDOG"))["STATUS"]
    assert status.endswith("stopped voting: a transaction kills execution")
    await network.stop()


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    running: list[Daemon] = []
    yield running
    end(running)


def test_a_real_daemon_says_what_systemd_wants_to_hear(
    tmp_path: Path, manager: Manager, daemons: list[Daemon]
) -> None:
    make_homes(tmp_path, validators=1, execution="process", heartbeat_ms=200)
    daemon = Daemon(tmp_path / "alpina", NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="600000")
    daemons.append(daemon)
    assert manager.hears() == {"EXTEND_TIMEOUT_USEC": "60000000", "STATUS": "starting"}
    assert manager.awaits("READY")["READY"] == "1"
    for _ in range(4):
        assert "at height" in manager.awaits("WATCHDOG")["STATUS"]
    daemon.process.send_signal(signal.SIGTERM)
    assert manager.awaits("STOPPING") == {"STOPPING": "1", "STATUS": "stopping"}
    assert daemon.process.wait(SECONDS_MAX) == 0
    # What the manager sends to a stuck one leaves in the log where it stood.
    stuck = Daemon(tmp_path / "alpina", NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="600000")
    daemons.append(stuck)
    manager.awaits("READY")
    stuck.process.send_signal(signal.SIGABRT)
    assert stuck.process.wait(SECONDS_MAX) == -signal.SIGABRT
    assert any(line.startswith("Fatal Python error: Aborted") for line in stuck.lines())
    again = Daemon(tmp_path / "alpina")
    daemons.append(again)
    again.started()
    assert again.stop() == 0


def settings() -> dict[str, str]:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and line[0] not in "#[")


def test_the_unit_says_what_the_daemon_does() -> None:
    unit = settings()
    assert (unit["Type"], unit["NotifyAccess"], unit["KillMode"]) == ("notify", "main", "mixed")
    assert unit["RestartPreventExitStatus"] == str(upgrades.EXIT_CODE)
    assert unit["Restart"] == "on-failure"
    assert int(unit["LimitNOFILE"]) >= 65_536
    assert unit["LimitCORE"] == "0"
    from node.daemon import STOP_SECONDS_MAX

    assert int(unit["TimeoutStopSec"]) > STOP_SECONDS_MAX
    assert "--home /var/lib/hansa" in unit["ExecStart"]
    assert unit["StateDirectory"] == "hansa"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not there")
def test_systemd_takes_the_unit_and_finds_it_hardened(tmp_path: Path) -> None:
    # What it starts is not installed here, so something that is stands in for it.
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub("ExecStart=[^ ]+", "ExecStart=/bin/true", UNIT.read_text(encoding="utf-8")))
    checked = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, timeout=60)
    assert (checked.returncode, checked.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=25", str(copy)]
    rated = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert rated.returncode == 0, rated.stdout[-2000:]


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None or shutil.which("strace") is None, reason="needs systemd-analyze and strace"
)
def test_the_unit_allows_every_system_call_that_a_node_makes(tmp_path: Path, daemons: list[Daemon]) -> None:
    allowed = allowed_calls(settings()["SystemCallFilter"].split())
    make_homes(tmp_path, validators=1, execution="process", heartbeat_ms=200)
    trace = tmp_path / "trace"
    daemon = Daemon(tmp_path / "alpina", "strace", "-f", "-qq", "-o", str(trace))
    daemons.append(daemon)
    daemon.started()
    while daemon.height() < 3:
        time.sleep(0.1)
    (node,) = map(int, Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text().split())
    subprocess.run(["kill", "-TERM", str(node)], check=True)
    assert daemon.process.wait(SECONDS_MAX) == 0
    made = set(re.findall(r"^\d+ +([a-z0-9_]+)\(", trace.read_text(), re.MULTILINE))
    assert len(made) > 40
    assert made - allowed == set()


def allowed_calls(names: list[str]) -> set[str]:
    """The calls of a filter, groups resolved."""
    found = {name for name in names if not name.startswith("@")}
    groups = [name for name in names if name.startswith("@")]
    while groups:
        said = subprocess.run(
            ["systemd-analyze", "syscall-filter", groups.pop()], capture_output=True, text=True, timeout=60, check=True
        )
        listed = [line.strip() for line in said.stdout.splitlines()[1:] if line.strip() and "#" not in line]
        groups += [name for name in listed if name.startswith("@")]
        found |= {name for name in listed if not name.startswith("@")}
    return found
