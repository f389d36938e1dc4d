"""Real daemons: processes with homes on disk, what they log, and how they are stopped."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
START_SECONDS_MAX = 30.0


class Daemon:
    """One daemon and what it says."""

    def __init__(
        self,
        home: Path,
        *before: str,
        prepare: Callable[[], None] | None = None,
        root: Path = ROOT,
        module: str = "node.daemon",
        **environment: str,
    ) -> None:
        """:param before: a program that runs it, with arguments. :param prepare: called in the new process.
        :param root: where its software lies.
        :param module: what is run.
        """
        self.home = home
        self.log = home.parent / f"{home.name}.log"
        self.output = self.log.open("wb")
        self.process = subprocess.Popen(
            [*before, sys.executable, "-m", module, str(home)],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            env={**os.environ, **environment},
            preexec_fn=prepare,
        )

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def started(self) -> dict[str, str]:
        """Wait until it has started; the facts that it logs then."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            for line in self.lines():
                if ": started " in line:
                    return dict(fact.split("=") for fact in line.partition(": started ")[2].split())
            assert self.process.poll() is None, self.lines()
            time.sleep(0.02)
        raise AssertionError(self.lines())

    def refused(self) -> str:
        """Wait until it has refused to start; its last line."""
        assert self.process.wait(START_SECONDS_MAX) == 1
        return self.lines()[-1]

    def stop(self) -> int:
        """End it as an operator does; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def metric(self, name: str) -> int:
        """A metric without labels, now."""
        text = get(self.started()["rpc_port"], "/metrics")[1].decode()
        (value,) = [line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")]
        return int(float(value))

    def height(self) -> int:
        """Executed height."""
        return self.metric("hansa_height")


def end(daemons: Sequence[Daemon]) -> None:
    """Whatever still runs."""
    for daemon in daemons:
        for child in children_of(daemon.process.pid) if daemon.process.poll() is None else ():
            os.kill(child, signal.SIGKILL)
        daemon.process.kill()
        daemon.process.wait()
        daemon.output.close()


def get(port: str, path: str) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def children_of(process_id: int) -> list[int]:
    text = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    return [int(number) for number in text.split()]


def await_height(daemon: Daemon, height: int, seconds: float = 20.0) -> None:
    """Wait until it has executed so far."""
    deadline = time.monotonic() + seconds
    while daemon.height() < height:
        assert time.monotonic() < deadline, (daemon.home.name, daemon.height(), height)
        time.sleep(0.05)
