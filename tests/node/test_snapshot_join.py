"""An observer joins a network of daemons, by snapshot and by replay: processes, TLS, LevelDB, all as in production."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from node import configuration
from node.home import Home
from rpc.client import SyncClient
from rpc.client.core import Unreachable
from rpc.errors import RpcError
from rpc.verify import verify_balance_answer
from scripts.benchmarks import prepared
from tests.node.running import Daemon, end
from tests.node.snapshots_bench import HEIGHT, make_network

WAIT_SECONDS_MAX = 180.0
"""Many times what anything here takes: machines are slow and busy."""

ROUNDS = 4
"""How many blocks of heartbeats a joined node is followed for."""


@pytest.fixture
def network(tmp_path: Path) -> prepared.Network:
    return make_network(tmp_path / "network", heartbeat_ms=250)


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    running: list[Daemon] = []
    yield running
    end(running)


def configure(home: Home, **changes: object) -> None:
    loaded = configuration.load(home.configuration)
    settings = replace(loaded.node, **changes)  # type: ignore[arg-type]
    home.configuration.write_text(configuration.render(replace(loaded, node=settings)))


def await_executed(url: str, height: int) -> int:
    """Wait until the node there has executed so far; how far it is."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while True:
        found = 0
        try:
            with SyncClient([url]) as client:
                found = int(client.node_status().height)
        except Unreachable:
            pass
        if found >= height:
            return found
        assert time.monotonic() < deadline, (url, found, height)
        time.sleep(0.1)


def refused_as(client: SyncClient, what: str) -> str:
    """The stable code of a refusal."""
    try:
        if what == "block":
            client.chain_block(5)
        elif what == "checkpoint":
            client.chain_checkpoint(5)
        else:
            client.events_get(from_height=1)
    except RpcError as refusal:
        return refusal.code
    return "answered"


def test_an_observer_joins_by_snapshot_follows_and_says_what_it_has_not(
    network: prepared.Network, daemons: list[Daemon]
) -> None:
    for place in network.validators:
        daemons.append(Daemon(place.home.path))
    observer, source = network.observers[0], network.validators[0]
    configure(observer.home, sync="snapshot")
    newest = await_executed(source.url, HEIGHT)
    joined = Daemon(observer.home.path)
    daemons.append(joined)
    reached = await_executed(observer.url, newest)
    said = [line for line in joined.lines() if "the snapshot is installed" in line]
    assert len(said) == 1, joined.lines()
    base = int(said[0].partition("height=")[2].split()[0])
    assert (base >= HEIGHT, base % 64) == (True, 0)
    await_executed(observer.url, reached + ROUNDS)  # From here on by agreement's own messages.

    customer = network.customer(0)
    with SyncClient([observer.url]) as client, SyncClient([source.url]) as honest:
        assert {refused_as(client, what) for what in ("block", "checkpoint", "events")} == {"pruned"}
        own = client.account_get(customer.address)
        assert own.balances == honest.account_get(customer.address).balances
        proven = verify_balance_answer(
            network.genesis.chain_id,
            network.genesis.validators(),
            msgspec.to_builtins(client.balance_proof(customer.address, "USD.alpina")),
            customer.address,
            "USD.alpina",
        )
        assert str(proven.available) == own.balances[0].amount

    end([joined])  # Killed: what was installed is durable, so it goes on from there and fetches nothing again.
    again = Daemon(observer.home.path)
    daemons.append(again)
    assert int(again.started()["height"]) >= base
    await_executed(observer.url, reached + ROUNDS + 1)
    assert not any("fetching a snapshot" in line for line in again.lines())

    end([again])
    for path in (observer.home.chain, observer.home.state):  # The journal stays, as the page says.
        shutil.rmtree(path)
    observer.home.anchor.unlink()
    configure(observer.home, sync="replay")
    replayed = Daemon(observer.home.path)
    daemons.append(replayed)
    await_executed(observer.url, reached)
    assert any("catching up" in line for line in replayed.lines()), replayed.lines()
    with SyncClient([observer.url]) as client:
        assert client.chain_block(5).height == "5"
