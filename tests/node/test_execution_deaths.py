"""The execution process of a real daemon: what the kernel keeps it from, and what happens when it dies."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from genesis.document import Genesis
from node.execution_deaths import DEATHS_MAX, Deaths
from node.home import Home
from node.keystore import Purpose, read_key
from rpc.client import RpcError, SyncClient
from state.errors import Corrupt
from state.transaction import Body, Call, Transaction, sign
from tests.node.network import make_homes
from tests.node.running import Daemon, await_height, children_of, end, get

SECONDS_MAX = 30.0


@pytest.fixture
def genesis(tmp_path: Path) -> Genesis:
    """Of a network whose one validator has its home in ``alpina``."""
    return make_homes(tmp_path, validators=1, execution="process", heartbeat_ms=200)


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    running: list[Daemon] = []
    yield running
    end(running)


def start(home: Path, daemons: list[Daemon], module: str = "node.daemon") -> Daemon:
    daemon = Daemon(home, module=module)
    daemons.append(daemon)
    return daemon


def money(home: Home, genesis: Genesis, number: int, memo: str) -> Transaction:
    """The bank opens its money in a currency, or, by that name, kills a deadly execution process."""
    member = genesis.member("alpina")
    assert member is not None
    call = Call("bank_money", 1, "create", [memo])
    until_ms = time.time_ns() // 1_000_000 + 600_000
    sender = genesis.account_address(member)
    body = Body(genesis.chain_id, sender, number.to_bytes(16, "big"), until_ms, None, 50_000_000, (call,), ())
    return sign(body, [read_key(home.account_key, Purpose.ACCOUNT)])


def client_of(daemon: Daemon) -> SyncClient:
    return SyncClient([f"http://127.0.0.1:{daemon.started()['rpc_port']}"])


def readiness(daemon: Daemon) -> tuple[int, list[str]]:
    status, answer = get(daemon.started()["rpc_port"], "/readyz")
    return status, json.loads(answer).get("reasons", [])


def test_it_is_confined(tmp_path: Path, genesis: Genesis, daemons: list[Daemon]) -> None:
    """Its verification process, too. What the kernel does not promise is said."""
    configuration = Home(tmp_path / "alpina").configuration
    text = configuration.read_text()
    assert "verification_workers = 0" in text
    configuration.write_text(text.replace("verification_workers = 0", "verification_workers = 1"))
    daemon = start(tmp_path / "alpina", daemons)
    await_height(daemon, 1)
    said = [line for line in daemon.lines() if "confine" in line]
    assert len(said) == 1
    if "fully" in said[0]:
        pytest.skip(said[0])
    execution, verification = children_of(daemon.process.pid)
    for process in (execution, verification):
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
    assert daemon.stop() == 0


def test_killed_it_is_started_again_and_the_chain_goes_on(
    tmp_path: Path, genesis: Genesis, daemons: list[Daemon]
) -> None:
    daemon = start(tmp_path / "alpina", daemons)
    await_height(daemon, 1)
    for count, currency in ((1, "USD"), (2, "EUR")):
        (worker,) = children_of(daemon.process.pid)
        os.kill(worker, signal.SIGKILL)
        with client_of(daemon) as client:
            settled = client.submit_and_wait(money(Home(tmp_path / "alpina"), genesis, count, currency), 20_000)
        assert settled.status == "final"
        assert daemon.metric("hansa_execution_deaths_total") == count
        assert children_of(daemon.process.pid) != [worker]
    assert readiness(daemon) == (200, [])
    told = [line for line in daemon.lines() if "the execution process has died and is started again" in line]
    assert len(told) == 2
    assert all("how=SIGKILL" in line for line in told), told
    assert daemon.stop() == 0


def test_what_kills_it_again_is_named_and_nothing_is_signed(
    tmp_path: Path, genesis: Genesis, daemons: list[Daemon]
) -> None:
    """The node stays up and says so; started again it refuses, for as long as it dies of it; then it goes on."""
    home = Home(tmp_path / "alpina")
    daemon = start(home.path, daemons, "tests.node.deadly_daemon")
    deadly, later = money(home, genesis, 1, "abort"), money(home, genesis, 2, "USD")
    with client_of(daemon) as client:
        client.tx_submit(deadly.encoded)
        deadline = time.monotonic() + SECONDS_MAX
        while not (stopped := [line for line in daemon.lines() if "CRITICAL" in line]):
            assert time.monotonic() < deadline, daemon.lines()
            time.sleep(0.05)
        height = int(client.node_status().height)
        sentence = f"Transaction 0x{deadly.id.hex()} of block {height + 1} has killed the execution process again"
        assert f"{sentence} (SIGABRT, then SIGABRT). A kill is never a contract's result" in stopped[0]
        status, reasons = readiness(daemon)
        assert status == 503
        assert [reason.startswith(f"stopped voting: {sentence}") for reason in reasons] == [True]
        assert client.node_status().not_ready == tuple(reasons)
        with pytest.raises(RpcError, match="this node has stopped voting; send the same bytes to another validator"):
            client.tx_submit(later.encoded)
    assert get(daemon.started()["rpc_port"], "/healthz")[0] == 200
    journal = {path.name: path.read_bytes() for path in home.journal.iterdir()}
    time.sleep(0.5)
    assert {path.name: path.read_bytes() for path in home.journal.iterdir()} == journal, "it signs no more"
    assert daemon.stop() == 0
    assert start(home.path, daemons, "tests.node.deadly_daemon").refused().partition(": ")[2].startswith(sentence)
    mended = start(home.path, daemons)
    with client_of(mended) as client:
        answer = client.tx_wait(deadly.id, 20_000)
        assert (answer.status, answer.height) == ("failed", str(height + 1))  # by its own words: no such currency
        assert client.submit_and_wait(later, 20_000).status == "final"
    assert mended.stop() == 0


def test_a_machine_that_kills_it_all_the_time_ends_the_node() -> None:
    deaths = Deaths()
    for at in range(DEATHS_MAX - 1):
        deaths.add("SIGKILL", at * 5.0)
    deaths.add("SIGKILL", 100.0)  # Long after the first of them.
    for _ in range(DEATHS_MAX - 2):
        deaths.add("SIGSEGV", 101.0)
    with pytest.raises(Corrupt, match=f"has died {DEATHS_MAX} times within 60 s, last of SIGILL"):
        deaths.add("SIGILL", 102.0)
