"""A network of nodes on this machine: which there are, started, stopped and killed by their pid files.

A directory with ``genesis.json`` and a home for each member is a network; nothing else describes it. Each node is a
process of its own in a session of its own, so that Ctrl-C in the terminal never reaches it. Its pid file also says
when the process began: a number that the system has given to another process since is never signalled.
"""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import node
from genesis.document import Genesis
from node import ceremony, configuration
from node.ceremony import read_genesis
from node.home import Home
from node.testnet import GENESIS_FILE, RPC_PORT_OFFSET
from state.errors import Invalid, Reason

STOP_SECONDS_MAX = 20.0
"""After SIGTERM and this long, a node is killed."""

KILL_SECONDS_MAX = 10.0

POLL_SECONDS = 0.05

PROBE_SECONDS_MAX = 2.0
"""Longest that a readiness probe may take."""

LOG_TAIL_BYTES = 64 * 1024

PORTS_SEARCHED = 20
"""How many ranges are tried for a free one."""


@dataclass(frozen=True, slots=True)
class Place:
    """One node of the network and where its files and its door are."""

    member: str
    role: str
    home: Home
    url: str

    @property
    def pid_file(self) -> Path:
        """The process that runs on this home, if one does."""
        return self.home.path / "node.pid"

    @property
    def log(self) -> Path:
        """What its processes have said."""
        return self.home.path / "node.log"


@dataclass(frozen=True, slots=True)
class Readiness:
    """What /readyz said."""

    is_ready: bool
    reasons: tuple[str, ...]
    """Why not; ``unreachable`` where nobody answered."""


def load(directory: Path) -> tuple[Place, ...]:
    """The nodes of the network in ``directory``, in the order of member ids. :raises Invalid: UNKNOWN or as read."""
    document = directory / GENESIS_FILE
    if not document.is_file():
        detail = (
            f"{directory} holds no network ({GENESIS_FILE} is missing): hansa devnet up --dir {directory} makes one"
        )
        raise Invalid(Reason.UNKNOWN, detail)
    return places(directory, read_genesis(document))


def places(directory: Path, genesis: Genesis) -> tuple[Place, ...]:
    """Where each member's node is, below ``directory``: those of genesis, then those that joined later.

    :raises Invalid: BAD_CONFIGURATION.
    """
    found = []
    joined = [ceremony.read_member_file(Home(path.parent).member) for path in sorted(directory.glob("*/joined.json"))]
    for member in (*genesis.members, *joined):
        home = Home(directory / member.id)
        rpc = configuration.load(home.configuration).rpc
        found.append(Place(member.id, member.role.value, home, f"http://{configuration.Endpoint(rpc.host, rpc.port)}"))
    return tuple(found)


def named(network: Iterable[Place], member: str) -> Place:
    """The node of a member. :raises Invalid: UNKNOWN."""
    chosen = list(network)
    for place in chosen:
        if place.member == member:
            return place
    raise Invalid(Reason.UNKNOWN, f"there is no node {member!r}; there are {', '.join(p.member for p in chosen)}")


def start(place: Place) -> int:
    """Start a node, and give its pid. It says in its log, and by /readyz, how far it is.

    :raises Invalid: CONFLICT, it runs already.
    """
    running = pid_of(place)
    if running is not None:
        raise Invalid(Reason.CONFLICT, f"{place.member} runs already (process {running})")
    environment = dict(os.environ)
    for name in ("PYTHONOPTIMIZE", "PYTHONHOME", "PYTHONSTARTUP"):
        environment.pop(name, None)
    environment["PYTHONPATH"] = str(Path(node.__file__).parent.parent)
    with place.log.open("ab") as log:
        process = subprocess.Popen(
            # -P: whatever lies in the working directory is not imported.
            [sys.executable, "-P", "-m", "node", "start", "--home", str(place.home.path.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=environment,
        )
    record = {"pid": process.pid, "began": _began(process.pid)}
    process.returncode = 0  # The pid file is what is known of it from now on; Popen must not complain about it.
    draft = place.pid_file.with_suffix(".new")
    draft.write_text(json.dumps(record))
    draft.replace(place.pid_file)
    return process.pid


def pid_of(place: Place) -> int | None:
    """The running process of the node, None if it is down."""
    try:
        record = json.loads(place.pid_file.read_text())
        pid, began = int(record["pid"]), record["began"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if _is_alive(pid) and _began(pid) == began else None


def kill(place: Place) -> int:
    """End a node by SIGKILL, as a power failure would. :raises Invalid: UNAVAILABLE, it is down."""
    pid = pid_of(place)
    if pid is None:
        raise Invalid(Reason.UNAVAILABLE, f"{place.member} is down already: hansa devnet start {place.member}")
    _signal(pid, signal.SIGKILL)
    _await_end(pid, KILL_SECONDS_MAX)
    place.pid_file.unlink(missing_ok=True)
    return pid


def stop(network: Sequence[Place]) -> list[str]:
    """Stop nodes by SIGTERM, all at once, and kill what has not ended in time; give the members that were up."""
    running = [(place, pid) for place in network if (pid := pid_of(place)) is not None]
    for _, pid in running:
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    for place, pid in running:
        if not _await_end(pid, max(0.0, deadline - time.monotonic())):
            _signal(pid, signal.SIGKILL)
            _await_end(pid, KILL_SECONDS_MAX)
        place.pid_file.unlink(missing_ok=True)
    return [place.member for place, _ in running]


def readiness(place: Place, timeout_seconds: float = PROBE_SECONDS_MAX) -> Readiness:
    """What the node says of itself at /readyz."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{place.url}/readyz", timeout=timeout_seconds) as response:
            return Readiness(response.status == 200, ())
    except urllib.error.HTTPError as refusal:
        with refusal:
            try:
                reasons = json.loads(refusal.read(64 * 1024))["reasons"]
            except (OSError, ValueError, KeyError, TypeError):
                reasons = [f"HTTP {refusal.code}"]
        return Readiness(False, tuple(map(str, reasons)))
    except (OSError, ValueError):
        return Readiness(False, ("unreachable",))


def await_ready(network: Sequence[Place], timeout_seconds: float) -> None:
    """Wait until every node is ready. :raises Invalid: UNAVAILABLE, with the reason and the end of the log."""
    deadline = time.monotonic() + timeout_seconds
    waiting = list(network)
    while waiting:
        place = waiting[0]
        if pid_of(place) is None:  # Looked at first: another network's node may answer at the same port.
            last = (tail(place, 1) or ["it said nothing"])[-1]
            raise Invalid(Reason.UNAVAILABLE, f"{place.member} has ended: {last} (log: {place.log})")
        found = readiness(place)
        if found.is_ready:
            waiting.pop(0)
            continue
        if time.monotonic() > deadline:
            why = "; ".join(found.reasons) or "no reason given"
            detail = f"{place.member} was not ready after {timeout_seconds:.0f} s: {why} (log: {place.log})"
            raise Invalid(Reason.UNAVAILABLE, detail)
        time.sleep(POLL_SECONDS)


def tail(place: Place, lines: int) -> list[str]:
    """The last lines of a node's log."""
    try:
        with place.log.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - LOG_TAIL_BYTES))
            return log.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def check_ports(ports: Iterable[int]) -> None:
    """:raises Invalid: UNAVAILABLE, naming the first port of loopback that is taken."""
    for port in ports:
        problem = _port_problem(port)
        if problem:
            detail = f"port {port} is not to be had ({problem}): choose other ports by --base-port"
            raise Invalid(Reason.UNAVAILABLE, detail)


def free_base_port(first: int, nodes: int) -> int:
    """The first range from ``first`` on in which all ports of a test network are free. :raises Invalid: UNAVAILABLE."""
    for attempt in range(PORTS_SEARCHED):
        base = first + attempt * 2 * RPC_PORT_OFFSET
        if not any(_port_problem(port) for port in ports_of(base, nodes)):
            return base
    raise Invalid(Reason.UNAVAILABLE, f"no {nodes} free ports were found from {first} on: name some by --base-port")


def ports_of(base_port: int, nodes: int) -> list[int]:
    """All ports of a test network."""
    return [base_port + offset + index for offset in (0, RPC_PORT_OFFSET) for index in range(nodes)]


def _port_problem(port: int) -> str:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return "in use" if error.errno == errno.EADDRINUSE else error.strerror or "refused"
    return ""


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _await_end(pid: int, timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while _is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _is_alive(pid: int) -> bool:
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    except ChildProcessError:
        pass  # Started by another process, which reaps it.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # Somebody else's process by now.
    return _status(pid)[:1] != ["Z"]


def _began(pid: int) -> str:
    """When the process began, in the system's own count; empty where it does not say."""
    fields = _status(pid)
    return fields[19] if len(fields) > 19 else ""


def _status(pid: int) -> list[str]:
    """Fields of /proc/pid/stat from the state on; empty without it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
