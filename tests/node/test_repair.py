"""Repair under real daemons: the state is rebuilt from the chain, the chain fetched from peers, each once."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from node import journal, repair
from node.home import Home
from node.life import Node
from node.opening import read_home
from state import manifest
from state.errors import Corrupt
from tests.node.network import Network, make_homes, until
from tests.node.running import Daemon, await_height, end
from tests.node.test_daemon_faults import BANKS, evidence_at


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    running: list[Daemon] = []
    yield running
    end(running)


def run(daemons: list[Daemon], home: Path) -> Daemon:
    """A daemon that has started; one that mends itself begins twice, on a slow machine."""
    daemon = Daemon(home)
    daemons.append(daemon)
    for _ in range(4):
        with suppress(AssertionError):
            daemon.started()
            return daemon
        assert daemon.process.poll() is None, daemon.lines()
    raise AssertionError(daemon.lines())


def spoil(directory: Path) -> None:
    """Flip bits all over the database."""
    inventory = manifest.inventory_of(directory)
    files = [table for number in inventory.tables if (table := manifest.table_of(directory, number))]
    files.append(directory / f"{inventory.log_number:06d}.log")
    for file in files:
        content = bytearray(file.read_bytes())
        for at in range(0, len(content), 50):
            content[at] ^= 1
        file.write_bytes(content)


def test_a_damaged_state_is_rebuilt_once_in_one_start(tmp_path: Path, daemons: list[Daemon]) -> None:
    make_homes(tmp_path, validators=1, execution="process", heartbeat_ms=200)
    home = Home(tmp_path / "alpina")
    first = run(daemons, home.path)
    await_height(first, 3, 60)
    assert first.stop() == 0
    spoil(home.state)
    second = run(daemons, home.path)
    await_height(second, 5, 60)
    said = "\n".join(second.lines())
    assert "damaged data is set aside, and it is rebuilt from the chain" in said
    assert (home.data / "set-aside" / "state" / "state").is_dir()
    assert second.stop() == 0
    spoil(home.state)
    third = Daemon(home.path)
    daemons.append(third)
    assert f"The database {home.state} failed to open: Corruption" in third.refused()
    shutil.rmtree(home.data / "set-aside")
    again = run(daemons, home.path)
    await_height(again, 6, 60)
    assert again.stop() == 0


async def test_a_damaged_chain_is_fetched_again(tmp_path: Path) -> None:
    """Whole nodes in one process: what the daemon does at a refusal is done here by hand."""
    network = await Network.start(tmp_path, validators=4, heartbeat_ms=300)
    try:
        home, node = Home(tmp_path / "alpina"), network.nodes["alpina"]
        await until(lambda: node.chain.height >= 5, "some blocks")
        await network.stop_node("alpina")
        signed = journal.peek(home.journal)
        spoil(home.chain)
        refused = Node(read_home(home.path, {}))
        with pytest.raises(Corrupt) as refusal:
            await refused.start()
        assert repair.mend(home, network.genesis, refused.damage_of(refusal.value))
        node = await network.start_node("alpina")
        assert journal.peek(home.journal)[: len(signed)] == signed
        height = network.nodes["borealis"].chain.height
        await until(lambda: node.chain.height > height + 1, "it has caught up")
        await network.stop_node("borealis")
        height = node.chain.height
        await until(lambda: node.chain.height > height + 2, "the others can't go on without it")
        assert not node.chain.evidence()
    finally:
        await network.stop()


@pytest.mark.full
def test_a_damaged_chain_comes_from_peers_and_no_vote_is_forgotten(tmp_path: Path, daemons: list[Daemon]) -> None:
    make_homes(tmp_path, validators=4, heartbeat_ms=200)
    struck, *others = [run(daemons, tmp_path / member) for member in BANKS]
    home = Home(tmp_path / "alpina")
    await_height(struck, 5, 60)
    assert struck.stop() == 0
    signed = journal.peek(home.journal)
    spoil(home.chain)
    again = run(daemons, home.path)
    assert journal.peek(home.journal)[: len(signed)] == signed
    await_height(again, max(daemon.height() for daemon in others) + 3, 90)
    assert "damaged data is set aside, and it is fetched from peers" in "\n".join(again.lines())
    others[0].process.kill()  # From here on nothing is decided without it.
    others[0].process.wait()
    await_height(again, others[1].height() + 3, 90)
    assert [evidence_at(daemon) for daemon in (again, *others[1:])] == [[]] * 3
