"""Four validators: three in this process, with real links, files and syncs, and the victim in one of its own.

Their homes are prepared once, a few heights old, and put back before each trial: every trial begins with the same
bytes, so its calls are those that were listed.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from consensus import messages
from consensus.messages import Message, NewViewMessage, PrePrepare, ViewChangeMessage
from genesis.document import Genesis
from node import configuration, testnet
from node.ceremony import read_genesis
from node.configuration import NodeSettings
from node.home import Home
from node.keystore import Purpose, read_key
from node.life import Node
from node.opening import read_home
from node.seams import Event, VoteFrame
from rpc.backend import TransactionStatus
from state.address import SALT_BYTES, account_address
from state.codec import Value
from state.keys import KeyPair
from state.policy import Policy
from state.transaction import Body, Call, Transaction, sign
from state.votes import SignedVote, Vote

ROOT = Path(__file__).resolve().parent.parent.parent
VICTIM = "alpina"
HEARTBEAT_MS = 60_000
"""Blocks come when there is work, and none in between."""

WAIT_SECONDS_MAX = 240.0
"""For whatever has to happen by itself, on a machine that has much else to do."""

POLL_SECONDS = 0.02

MONEY = 1_000_000


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on, below those that outgoing connections take: while a victim is down
    nobody else gets them."""
    found: list[int] = []
    for port in random.sample(range(20_000, 32_000), 12_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            break
    return found


def customer(name: str) -> KeyPair:
    """A customer's key."""
    return KeyPair.from_seed(name.encode().ljust(32, b"."))


@dataclass
class Network:
    """The homes below ``directory``, and those of the nodes that run in this process."""

    directory: Path
    genesis: Genesis
    nodes: dict[str, Node] = field(default_factory=dict)
    paid: list[Transaction] = field(default_factory=list)
    """Every payment that a node has called final."""
    heard: list[Vote] = field(default_factory=list)
    """Every vote that the victim has sent to a node here, in its lives since the homes were put back."""
    _count: int = 0

    @classmethod
    async def prepare(cls, directory: Path) -> "Network":
        """Make the homes, let all four agree on customers with money, and keep that as what every trial begins with."""
        homes, kept = directory / "homes", directory / "prepared"
        homes.parent.mkdir(parents=True, exist_ok=True)
        seats = testnet.seats(4, 1)
        ports = free_ports(2 * len(seats))
        seats = tuple(
            testnet.Seat(replace(seat.details, port=port), port, 0) for seat, port in zip(seats, ports, strict=False)
        )
        testnet.make(homes, seats, name="Crash")
        for seat in seats:
            _configure(homes, seat, "inline")
        network = cls(homes, read_genesis(homes / testnet.GENESIS_FILE))
        for validator in network.genesis.validators().validators:
            await network.start(validator.member)
        await network._furnish()
        await network.stop()
        _configure(homes, next(seat for seat in seats if seat.details.id == VICTIM), "process")
        shutil.copytree(homes, kept)
        return network

    async def restore(self) -> None:
        """Put the prepared homes back, and start the three others."""
        shutil.rmtree(self.directory)
        shutil.copytree(self.directory.parent / "prepared", self.directory)
        self.paid.clear()
        self.heard.clear()
        for validator in self.genesis.validators().validators:
            if validator.member != VICTIM:
                await self.start(validator.member)

    async def start(self, member: str) -> None:
        """Start one node in this process."""
        node = Node(read_home(self.directory / member, {}))
        await node.start()
        self.nodes[member] = node

        def handle(event: Event) -> None:
            if isinstance(event, VoteFrame) and event.member == VICTIM:
                self._hear(messages.decode(event.payload))
            node.driver.handle(event)

        node.inbox.open(handle)

    def _hear(self, message: Message) -> None:
        signer = getattr(message, "signer", None)
        validators = self.genesis.validators().validators
        if signer is not None and validators[signer].member == VICTIM:
            assert isinstance(message, SignedVote | PrePrepare | ViewChangeMessage | NewViewMessage)
            self.heard.append(message.vote)

    async def stop(self, members: Sequence[str] = ()) -> None:
        """Stop these nodes; all, if none is named."""
        await asyncio.gather(*(self.nodes.pop(member).stop() for member in list(members or self.nodes)))

    @property
    def victim_home(self) -> Home:
        """The home of the process that is hurt."""
        return Home(self.directory / VICTIM)

    async def pay(self) -> Transaction:
        """Have a payment made final at every node in this process; each makes a height."""
        self._count += 1
        pair, payee = customer("ann"), self._address(customer("bob"))
        arguments: list[Value] = [payee, "USD", 1, "rent"]
        transaction = self._signed(pair, self._address(pair), "payments", "pay", arguments)
        await self.settle(transaction)
        self.paid.append(transaction)
        return transaction

    async def settle(self, transaction: Transaction) -> None:
        """Submit, and wait until it is final at every node in this process."""
        nodes = list(self.nodes.values())
        await nodes[0].intake.submit_many([transaction.encoded])
        timeout_ms = int(WAIT_SECONDS_MAX * 1000)
        facts = await asyncio.gather(*(node.queries.wait_transaction(transaction.id, timeout_ms) for node in nodes))
        said = [(fact.status, fact.receipt and fact.receipt.code) for fact in facts]
        if any(status is not TransactionStatus.FINAL for status, _ in said):
            raise TimeoutError(f"the chain stands still: {said}")

    async def _furnish(self) -> None:
        key = read_key(self.victim_home.account_key, Purpose.ACCOUNT)
        member = self.genesis.member(VICTIM)
        assert member is not None
        people = [customer("ann"), customer("bob")]
        register: list[Value] = [[pair.public, bytes(SALT_BYTES)] for pair in people]
        mint: list[Value] = [[self._address(pair), MONEY] for pair in people]
        steps: list[tuple[str, str, list[Value]]] = [
            ("accounts", "register", [register]),
            ("bank_money", "create", ["USD"]),
            ("bank_money", "mint", ["USD", mint, "opening"]),
        ]
        for contract, method, arguments in steps:
            sender = self.genesis.account_address(member)
            await self.settle(self._signed(key, sender, contract, method, arguments))

    def _address(self, pair: KeyPair) -> str:
        prefix = self.genesis.parameters.address_prefix
        return account_address(prefix, Policy.of_key(pair.public).encode(), bytes(SALT_BYTES))

    def _signed(self, key: KeyPair, sender: str, contract: str, method: str, arguments: list[Value]) -> Transaction:
        self._count += 1
        now_ms = next(iter(self.nodes.values())).clock.now_ms()
        call = Call(contract, 1, method, arguments)
        identity = self._count.to_bytes(16, "big")
        body = Body(self.genesis.chain_id, sender, identity, now_ms + 600_000, None, 50_000_000, (call,), ())
        return sign(body, [key])


class Nursery:
    """The process that victims are forked from; see ``scripts.crashes.victim``."""

    def __init__(self, module: str = "scripts.crashes.victim") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the trial to act upon.
        )

    async def fork(self, home: Path, log: Path) -> int:
        """A process that will live on that home, and stands still."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"home": str(home), "log": str(log)}).encode() + b"\n")
        return int(await asyncio.to_thread(self._line))

    async def ended(self) -> int:
        """How the last one has ended, once it has."""
        return int(await asyncio.to_thread(self._line))

    def _line(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def close(self) -> None:
        """No more of them."""
        self.process.communicate()


class Victim:
    """The process that is hurt, from its start to its end."""

    def __init__(self, nursery: Nursery, home: Path) -> None:
        """Use ``start``."""
        self._nursery = nursery
        self._home = home
        self._log = home.parent / f"{home.name}.log"
        self._said = self._log.stat().st_size if self._log.exists() else 0
        self._strace: subprocess.Popen[bytes] | None = None
        self._end: asyncio.Task[int] | None = None
        self._process_id = 0

    @classmethod
    async def start(cls, nursery: Nursery, home: Path, *strace: str) -> "Victim":
        """:param strace: options of the strace that holds it; none: it runs by itself."""
        victim = cls(nursery, home)
        victim._process_id = process = await nursery.fork(home, victim._log)
        victim._end = asyncio.get_running_loop().create_task(nursery.ended(), name="a victim's end")
        await _until(lambda: _status(process, "State")[:1] == "T", "the victim stands still")
        if strace:
            # Without --seccomp-bpf, with which strace 6.1 injects no signal (and says nothing of it).
            victim._strace = subprocess.Popen(  # noqa: ASYNC220 — it only forks
                ["strace", "-f", "-qq", *strace, "-p", str(process)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            await _until(lambda: _status(process, "TracerPid") not in ("", "0"), "strace holds the victim")
        os.kill(process, signal.SIGCONT)
        return victim

    def lines(self) -> list[str]:
        """What this life has said."""
        with self._log.open("rb") as log:
            log.seek(self._said)
            return log.read().decode(errors="replace").splitlines()

    @property
    def has_ended(self) -> bool:
        """Whether it has ended."""
        return self._end is not None and self._end.done()

    @property
    def exit_status(self) -> int:
        """How it has ended: negative, by that signal."""
        assert self._end is not None
        return self._end.result()

    async def started(self) -> int | None:
        """The port at which it answers; None if it has ended before it did."""
        found: list[str] = []

        def has_said() -> bool:
            found[:] = [line for line in self.lines() if ": started " in line]
            return bool(found) or self.has_ended

        await _until(has_said, "it starts or ends")
        if not found:
            return None
        facts = dict(fact.split("=", 1) for fact in found[0].partition(": started ")[2].split())
        return int(facts["rpc_port"])

    async def ended(self) -> int:
        """Wait for its end, and for that of its strace; how it ended."""
        await _until(lambda: self.has_ended, "it ends")
        if self._strace is not None:
            strace = self._strace
            await _until(lambda: strace.poll() is not None, "all that it started ends")
        return self.exit_status

    async def kill(self) -> None:
        """End whatever is left of it."""
        if not self.has_ended:
            self.signal(signal.SIGKILL)
            assert self._end is not None
            await self._end
        if self._strace is not None and self._strace.poll() is None:
            self._strace.kill()
            self._strace.wait()

    def signal(self, number: int) -> None:
        """Tell the daemon."""
        try:
            os.kill(self._process_id, number)
        except ProcessLookupError:
            pass


async def _until(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"not within {WAIT_SECONDS_MAX:.0f} s: {what}")
        await asyncio.sleep(POLL_SECONDS)


def _status(process: int, name: str) -> str:
    """A line of /proc/PID/status; empty without it."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{name}:")), "")


def _configure(homes: Path, seat: testnet.Seat, execution: str) -> None:
    settings = NodeSettings(execution=execution, heartbeat_ms=HEARTBEAT_MS)
    Home(homes / seat.details.id).configuration.write_text(
        configuration.render(replace(seat.configuration, node=settings))
    )
