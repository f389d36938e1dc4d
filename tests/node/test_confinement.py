"""What a confined process can't do any more, tried in one."""

import json
import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from node import syscalls
from tests.node.running import ROOT

TRIES = """
import json, mmap, os, resource, socket, subprocess, sys, threading
from pathlib import Path
from node import confinement

directory, told = Path(sys.argv[1]), {}

def attempt(what, act):
    try:
        act()
        told[what] = "done"
    except (OSError, MemoryError, ValueError, RuntimeError) as error:
        told[what] = type(error).__name__

def write(path):
    with open(path, "wb") as file:
        file.write(b"x")

def start_thread():
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()

near, far = socket.socketpair()
confinement.limit()
told["missing"] = confinement.confine(directory)
attempt("a socket", socket.socket)
attempt("a pair of sockets", socket.socketpair)
attempt("a process", os.fork)
attempt("a program", lambda: os.execv(sys.executable, [sys.executable, "-c", ""]))
attempt("a file elsewhere", lambda: open(__file__ if "__file__" in globals() else "/etc/hostname"))
attempt("a list of files elsewhere", lambda: os.listdir("/"))
attempt("a new file elsewhere", lambda: write(directory.parent / "new"))
attempt("a signal to the parent", lambda: os.kill(os.getppid(), 0))
attempt("limits of the parent", lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CPU))
attempt("memory of the parent", lambda: open(f"/proc/{os.getppid()}/mem", "rb"))
attempt("memory that is executed", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_EXEC | mmap.PROT_READ))
attempt("a link out of the directory", lambda: os.symlink("/etc", directory / "link"))
attempt("a file moved out of the directory", lambda: os.rename(directory / "old", directory.parent / "old"))
attempt("a higher limit", lambda: resource.setrlimit(resource.RLIMIT_DATA, (-1, -1)))
attempt("much memory", lambda: bytearray(2 * confinement.MEMORY_BYTES_MAX))
attempt("its socket", lambda: (near.sendall(b"x"), far.recv(1)))
attempt("its directory", lambda: (write(directory / "a"), os.rename(directory / "a", directory / "b"),
                                  os.unlink(directory / "b"), os.listdir(directory)))
attempt("a thread", start_thread)
attempt("time", confinement.allow_time)
print(json.dumps(told))
"""

MAY = {"its socket", "its directory", "a thread", "time"}


def test_what_it_can_do(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "old").touch()
    command = [sys.executable, "-c", TRIES, str(tmp_path / "state")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    missing = told.pop("missing")
    if missing:
        pytest.skip(f"this kernel does not promise all of it: {missing}")
    assert {what for what, end in told.items() if end == "done"} == MAY, told
    assert told["much memory"] == "MemoryError"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state"]


@pytest.mark.parametrize("machine", syscalls.MACHINES)
def test_the_filter_answers_for_every_machine(machine: str) -> None:
    """Run as the kernel runs it: what is allowed, what is refused, and that each way ends in an answer."""
    word, column = syscalls.MACHINES[machine]
    code = syscalls.program(machine, process_id=77)

    def ask(numbers: tuple[int, int], *arguments: int, word: int = word) -> int:
        return answer(code, struct.pack("<iIQ6Q", numbers[column], word, 0, *arguments, *[0] * (6 - len(arguments))))

    allow, refuse = syscalls.ALLOW, syscalls.REFUSE | 1
    for name, numbers in syscalls.ALLOWED.items():
        if numbers[column] >= 0:
            assert ask(numbers) == allow, name
    socket, connect, execve, ptrace, kill = (41, 198), (42, 203), (59, 221), (101, 117), (62, 129)
    for numbers in (socket, connect, execve, ptrace, kill):
        assert ask(numbers) == refuse
    assert ask(syscalls.ALLOWED["read"], word=0x4000_0003) == syscalls.KILL
    thread, process = 0x003D_0F00, 0x0120_0011
    assert (ask(syscalls.CLONE, thread), ask(syscalls.CLONE, process)) == (allow, refuse)
    assert ask(syscalls.CLONE3) == syscalls.REFUSE | 38
    for numbers in (syscalls.MMAP, syscalls.MPROTECT):
        assert (ask(numbers, 0, 4096, 3), ask(numbers, 0, 4096, 5)) == (allow, refuse)
    assert (ask(syscalls.PRLIMIT, 0), ask(syscalls.PRLIMIT, 76)) == (allow, refuse)
    assert (ask(syscalls.TGKILL, 77), ask(syscalls.TGKILL, 76)) == (allow, refuse)
    assert [ask(syscalls.SENDTO, 3, 0, 1, 0, to) for to in (0, 1, 1 << 32)] == [allow, refuse, refuse]


def test_x32_is_refused() -> None:
    code = syscalls.program("x86_64", 77)
    called = struct.pack("<iIQ6Q", 0x4000_0000, syscalls.MACHINES["x86_64"][0], 0, *[0] * 6)
    assert answer(code, called) == syscalls.REFUSE | 1


def answer(code: bytes, called: bytes) -> int:
    """What a filter says to a system call."""
    at, word = 0, 0
    while True:
        kind, so, otherwise, value = struct.unpack_from("=HBBI", code, at * 8)
        at += 1
        if kind == syscalls.LOAD:
            (word,) = struct.unpack_from("<I", called, value)
        elif kind == syscalls.RETURN:
            return int(value)
        else:
            is_so = {
                syscalls.EQUAL: word == value,
                syscalls.AT_LEAST: word >= value,
                syscalls.ANY_BIT: bool(word & value),
            }[kind]
            at += so if is_so else otherwise


def test_a_machine_without_a_list_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert syscalls.restrict(None) == "seccomp (no list of system calls for riscv64)"  # type: ignore[arg-type]
