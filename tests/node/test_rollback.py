"""Rollback: what it refuses, what it leaves, and that a node comes back from it to where it was."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from node import journal, records, rollback
from node.chain import Chain
from node.cli import main
from node.home import Home
from node.opening import lock_home
from node.restored import Restored, read_note
from node.rollback import RolledBack, roll_back
from state.anchor import read_anchor
from state.errors import Invalid
from state.store import Database
from tests.node.damage import Homes, judge, place_for, prepare, read_all
from tests.node.network import Network, until

HEIGHT = 7


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    with place_for(tmp_path_factory.mktemp("rollback")) as directory:
        yield prepare(directory)


@pytest.fixture
def home(homes: Homes) -> Home:
    return Home(homes.copy("killed"))


def refusal_of(home: Home, height: int, *, is_abstaining: bool = False, is_observer: bool = False) -> str:
    before = {path: path.read_bytes() for path in (home.journal, home.anchor) if path.is_file()}
    with pytest.raises(Invalid) as refused:
        roll_back(home, height, is_abstaining=is_abstaining, is_observer=is_observer)
    assert {path: path.read_bytes() for path in before} == before
    assert home.state.is_dir()
    return refused.value.detail


def test_what_is_refused(home: Home, homes: Homes, monkeypatch: pytest.MonkeyPatch) -> None:
    last = len(homes.truths["killed"].blocks)
    for height in (last, last + 1):
        assert refusal_of(home, height) == (
            f"the chain in {home.path} ends at height {last}: name a height from 1 to {last - 1}"
        )
    assert refusal_of(home, HEIGHT, is_abstaining=True).startswith("this is the only validator: nobody else has")
    with monkeypatch.context() as patch:
        patch.setattr(rollback, "BLOCKS_MAX", 3)
        assert "is more than 3 heights back" in refusal_of(home, HEIGHT)
    lock = lock_home(home)
    assert refusal_of(home, HEIGHT).startswith("another node runs on")
    os.close(lock)
    home.vote_key.unlink()
    assert "and this observer has answered from it. With --observer" in refusal_of(home, HEIGHT, is_abstaining=True)


def test_the_rotation_is_the_one_that_every_node_computes(home: Home, homes: Homes) -> None:
    database = Database.open(home.chain)
    chain = Chain(database, None)
    genesis = rollback.read_genesis(home.genesis)
    assert rollback._rotation_at(chain, genesis, chain.height) == chain.rotation
    database.close()


def test_an_observers_chain_ends_earlier_and_everything_else_is_right(home: Home, homes: Homes) -> None:
    truth = homes.truths["killed"]
    aside = home.path / "aside"
    home.vote_key.rename(aside)
    before = journal.peek(home.journal)
    done = roll_back(home, HEIGHT, is_abstaining=False, is_observer=True)
    assert done == RolledBack(len(truth.blocks), HEIGHT)
    anchor = read_anchor(home.anchor)
    assert anchor is not None
    assert anchor.height == HEIGHT
    assert read_note(home) == Restored("by hansa rollback", len(truth.blocks))
    kept = journal.peek(home.journal)
    assert [record for record in before if record.kind != records.DECIDED] == [
        record for record in kept if record.kind != records.DECIDED
    ]
    database = Database.open(home.chain)
    numbers = {int.from_bytes(key[1:9], "big") for key, _ in database.scan() if key[:1] in (b"b", b"x", b"c")}
    assert max(numbers) == HEIGHT
    database.close()
    aside.rename(home.vote_key)
    assert judge(home.path, truth) == "behind"
    found = read_all(home.path)
    assert (found.record, len(found.blocks)) == (truth.record, HEIGHT)


@pytest.mark.parametrize("step", ["write_note", "rmtree", "write_anchor", "replace"])
def test_whenever_it_is_broken_off_the_home_starts(
    home: Home, homes: Homes, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The power fails after each step: what is there is the old chain or the new one, and no vote is forgotten."""

    class PowerCut(Exception):
        pass

    place = {"rmtree": shutil, "replace": journal}.get(step, rollback)
    real = getattr(place, step)

    def cut(*arguments: object, **options: object) -> None:
        real(*arguments, **options)
        raise PowerCut

    truth, aside = homes.truths["killed"], home.path / "aside"
    home.vote_key.rename(aside)
    with monkeypatch.context() as patch:
        patch.setattr(place, step, cut)
        with pytest.raises(PowerCut):
            roll_back(home, HEIGHT, is_abstaining=False, is_observer=True)
    aside.rename(home.vote_key)
    assert judge(home.path, truth) == "right"


async def test_a_validator_goes_back_abstains_and_is_where_it_was(tmp_path: Path) -> None:
    network = await Network.start(tmp_path, validators=4, heartbeat_ms=200)
    try:
        node = network.nodes["alpina"]
        await network.furnish("alpina", "a", "b")
        await until(lambda: node.chain.height >= 8, "some blocks")
        await network.stop_node("alpina")
        home = Home(tmp_path / "alpina")
        with pytest.raises(Invalid, match="With --abstain it goes back nevertheless, keeps its vote record"):
            roll_back(home, 3, is_abstaining=False, is_observer=True)
        done = roll_back(home, 3, is_abstaining=True, is_observer=False)
        assert done.height == 3
        node = await network.start_node("alpina")
        await until(lambda: node.chain.height > done.from_height + 4, "it has caught up")
        await until(lambda: read_note(home) is None, "it signs again")
        assert node.driver.abstains_until is not None
        assert node.driver.abstains_until >= done.from_height + 2
        await network.stop_node("borealis")
        height = node.chain.height
        await until(lambda: node.chain.height > height + 2, "the others can't go on without it")
        assert not node.chain.evidence()
    finally:
        await network.stop()


def test_the_command(home: Home, homes: Homes, capsys: pytest.CaptureFixture[str]) -> None:
    home.vote_key.rename(home.path / "aside")
    assert main(["rollback", "--to", "3", "--home", str(home.path)]) == 1
    assert "With --observer it is taken back nevertheless" in capsys.readouterr().err
    assert main(["rollback", "--to", "3", "--observer", "--home", str(home.path)]) == 0
    last = len(homes.truths["killed"].blocks)
    assert capsys.readouterr().out == f"{home.path} went back from height {last} to 3. Start its node.\n"
