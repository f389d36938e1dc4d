"""Faults that only a real process meets: a disk that lies or takes nothing, a process that is stopped, limits of the
system."""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from node.descriptors import clients_max
from node.home import Home
from tests.node.network import make_homes
from tests.node.running import Daemon, await_height, children_of, end, get

BANKS = ("alpina", "borealis", "corriente", "deltahaven")
HEARTBEAT_MS = 200


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    running: list[Daemon] = []
    yield running
    end(running)


def has_strace() -> bool:
    """Whether a system call of another process may be kept from the kernel here."""
    strace = shutil.which("strace")
    if strace is None:
        return False
    told = subprocess.run([strace, "-qq", "-e", "inject=fsync:retval=0", "true"], capture_output=True, check=False)
    return told.returncode == 0


def can_mount() -> bool:
    """Whether a directory may be made read-only for one process here."""
    unshare = shutil.which("unshare")
    return (
        unshare is not None
        and subprocess.run(
            [unshare, "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
        ).returncode
        == 0
    )


def start(directory: Path, daemons: list[Daemon], *members: str) -> list[Daemon]:
    """Start members; all have begun when it returns."""
    started = [Daemon(directory / member) for member in members]
    daemons += started
    for daemon in started:
        daemon.started()
    return started


def evidence_at(daemon: Daemon) -> list[object]:
    """What ``net_evidence`` lists."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "net_evidence", "params": {}}).encode()
    with socket.create_connection(("127.0.0.1", int(daemon.started()["rpc_port"])), timeout=10) as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    found: list[object] = json.loads(answer.partition(b"\r\n\r\n")[2])["result"]["evidence"]
    return found


@pytest.mark.full
@pytest.mark.skipif(not has_strace(), reason="strace is not here or may not trace")
def test_what_a_lying_fsync_lost_is_noticed(tmp_path: Path, daemons: list[Daemon]) -> None:
    """S4: every sync of one bank reports success and does nothing. The power fails, and its disk is what it was some
    heights ago. It notices by what the others hold, abstains, catches up, and contradicts nobody. (Of the others one
    is down meanwhile, so that each height needs the vote of the bank with that disk.)"""
    make_homes(tmp_path, validators=4, heartbeat_ms=HEARTBEAT_MS)
    others = start(tmp_path, daemons, *BANKS[1:3])
    trace = tmp_path / "calls"
    lie = ("strace", "-f", "-qq", "--seccomp-bpf", "-e", "signal=none", "-e", "trace=fsync,fdatasync", "-o", str(trace))
    liar = Daemon(tmp_path / "alpina", *lie, "-e", "inject=fsync,fdatasync:retval=0")
    daemons.append(liar)
    liar.started()
    (python,) = children_of(liar.process.pid)
    await_height(liar, 3)
    os.kill(python, signal.SIGSTOP)
    home, had = Home(tmp_path / "alpina"), tmp_path / "what the disk had"
    shutil.copytree(home.data, had)
    os.kill(python, signal.SIGCONT)
    await_height(others[0], others[0].height() + 5)
    os.kill(python, signal.SIGKILL)
    liar.process.wait()
    calls = [line for line in trace.read_text().splitlines() if "sync(" in line]
    assert len(calls) > 10
    assert all("(INJECTED)" in line for line in calls)
    shutil.rmtree(home.data)
    shutil.copytree(had, home.data)
    others += start(tmp_path, daemons, BANKS[3])
    lost_height = others[0].height()
    (again,) = start(tmp_path, daemons, "alpina")
    await_height(again, lost_height + 3, 30)
    assert any("peers hold newer votes of this node than its own record: abstaining" in line for line in again.lines())
    others[0].process.kill()  # from here on nothing is decided without it
    others[0].process.wait()
    await_height(again, others[1].height() + 3, 30)
    assert [evidence_at(daemon) for daemon in (again, *others[1:])] == [[]] * 3


@pytest.mark.skipif(not can_mount(), reason="no mounts of one's own here: needs root")
def test_a_read_only_disk_is_refused_with_a_sentence(tmp_path: Path, daemons: list[Daemon]) -> None:
    """S7: a home that has run before, on a file system that takes no writes any more; nothing in it is changed."""
    make_homes(tmp_path, validators=1, heartbeat_ms=HEARTBEAT_MS)
    home = tmp_path / "alpina"
    (first,) = start(tmp_path, daemons, "alpina")
    await_height(first, 2)
    assert first.stop() == 0
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    mount = f'mount --bind {home} {home} && mount -o remount,bind,ro {home} && exec "$@"'
    second = Daemon(home, "unshare", "-m", "sh", "-c", mount, "sh")
    daemons.append(second)
    sentence = second.refused()
    assert "Read-only file system" in sentence, sentence
    assert str(home) in sentence
    assert "Traceback" not in "\n".join(second.lines())
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


@pytest.mark.full
def test_a_bank_whose_process_stands_still(tmp_path: Path, daemons: list[Daemon]) -> None:
    """S10: SIGSTOP for four seconds. The others change view and go on; it comes back by itself, accuses nobody, is
    accused of nothing, and the next quorum can rely on it."""
    make_homes(tmp_path, validators=4, heartbeat_ms=HEARTBEAT_MS)
    stopped, *others = start(tmp_path, daemons, *BANKS)
    for daemon in daemons:
        await_height(daemon, 3)
    stopped.process.send_signal(signal.SIGSTOP)
    began, height = time.monotonic(), others[0].height()
    await_height(others[0], height + 5, 15)
    time.sleep(max(0.0, began + 4 - time.monotonic()))
    stopped.process.send_signal(signal.SIGCONT)
    await_height(stopped, others[0].height(), 15)
    others[2].process.kill()
    others[2].process.wait()
    await_height(stopped, max(daemon.height() for daemon in others[:2]) + 3, 30)
    assert [evidence_at(daemon) for daemon in (stopped, *others[:2])] == [[]] * 3
    assert stopped.process.poll() is None


@pytest.mark.full
def test_without_descriptors_it_sheds_clients_and_agrees(tmp_path: Path, daemons: list[Daemon]) -> None:
    """S11: 565 descriptors for a node that needs 555: clients get 26 of them, and try for 300. Meanwhile one of the
    other three is killed, so that nothing is decided without this node."""
    assert clients_max(565, members=5, databases=2) == 26
    make_homes(tmp_path, validators=4, heartbeat_ms=HEARTBEAT_MS)
    poor = Daemon(tmp_path / "alpina", prepare=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (565, 565)))
    daemons.append(poor)
    others = start(tmp_path, daemons, *BANKS[1:])
    port = int(poor.started()["rpc_port"])
    await_height(others[0], 3)
    with ExitStack() as clients:
        for _ in range(300):
            clients.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        time.sleep(0.5)
        held = len(list(Path(f"/proc/{poor.process.pid}/fd").iterdir()))
        assert held < 200, held
        others[2].process.kill()
        height = others[0].height()
        await_height(others[0], height + 5, 30)
        assert poor.process.poll() is None
    deadline = time.monotonic() + 20
    while (answer := try_health(poor)) != 200:
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
    assert poor.stop() == 0


def test_without_memory_it_sheds_clients_and_goes_on(tmp_path: Path, daemons: list[Daemon]) -> None:
    """S11: its address space may grow by 160 MB. Sixty clients send all but the end of 4 MB each: it takes 64 MB,
    refuses the others before it reads, decides meanwhile, and starts no thread for any of them."""
    make_homes(tmp_path, validators=1, heartbeat_ms=HEARTBEAT_MS)
    (daemon,) = start(tmp_path, daemons, "alpina")
    port, process = int(daemon.started()["rpc_port"]), Path(f"/proc/{daemon.process.pid}")
    await_height(daemon, 2)
    threads = len(list((process / "task").iterdir()))
    allowed = kilobytes(process, "VmSize") * 1024 + 160 * 2**20
    resource.prlimit(daemon.process.pid, resource.RLIMIT_AS, (allowed, allowed))
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4194304\r\n\r\n"
    statuses = Counter[bytes]()
    with ExitStack() as clients:
        sockets = [clients.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)) for _ in range(60)]
        for client in sockets:
            client.sendall(head)
            client.settimeout(2)
            with suppress(OSError):
                client.sendall(bytes(4_194_303))
            client.setblocking(False)
        height = daemon.height()
        await_height(daemon, height + 5)
        assert len(list((process / "task").iterdir())) == threads
        for client in sockets:
            with suppress(OSError):
                statuses[client.recv(12)] += 1
        assert daemon.process.poll() is None
    assert statuses[b"HTTP/1.1 429"] >= 60 - 16
    assert try_health(daemon) == 200
    assert daemon.stop() == 0


def kilobytes(process: Path, name: str) -> int:
    """A line of /proc/PID/status."""
    (line,) = [line for line in (process / "status").read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1])


def try_health(daemon: Daemon) -> int | str:
    """The status of /healthz, or why there is none: a client that is one too many is cut off."""
    try:
        return get(daemon.started()["rpc_port"], "/healthz")[0]
    except OSError as error:
        return str(error)


def test_too_few_descriptors_are_refused(tmp_path: Path, daemons: list[Daemon]) -> None:
    make_homes(tmp_path, validators=4)
    poor = Daemon(tmp_path / "alpina", prepare=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)))
    daemons.append(poor)
    assert poor.refused().startswith("hansa: only 256 open files are allowed, and this node needs ")
