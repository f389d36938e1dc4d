"""The scrub of a running node: it finds damage before it is needed, and mends what it knows; and repair at a start."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node import journal, repair, scrub
from node.home import Home
from node.life import Node
from node.scrub import BYTES_PER_SECOND, PASS_PAUSE_SECONDS, SLICE_BYTES_MAX, Scrub
from state import store
from state.anchor import read_anchor
from state.errors import Corrupt, StorageFailure
from tests.node.damage import MEMBER
from tests.node.network import Network, until


class Rest:
    """Time that passes at once, and is remembered."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
async def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Node]:
    async def never(_: Scrub) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Scrub, "run", never)
    monkeypatch.setattr(store, "BLOCK_CACHE_BYTES_MAX", 0)
    network = await Network.start(tmp_path, validators=1, heartbeat_ms=60_000)
    await network.furnish(MEMBER, *(f"customer {number}" for number in range(40)))
    await network.stop_node(MEMBER)
    node = await network.start_node(MEMBER)
    await until(lambda: not node.not_ready(), "ready")
    yield node
    try:
        await network.stop()
    except Corrupt:
        pass


def spoil(path: Path, at: int) -> None:
    """A bit flips under the node's hands."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


def scrub_of(node: Node) -> tuple[Scrub, Rest]:
    rest = Rest()
    return Scrub(node.scrub.parts, rest), rest


async def test_all_is_read_at_its_pace(node: Node) -> None:
    scrubbing, rest = scrub_of(node)
    await scrubbing.once()
    assert (scrubbing.passes_total, scrubbing.damage_total) == (1, 0)
    _, durable = node.journal.durable
    assert scrubbing.bytes_total > durable + 20_000
    assert sum(rest.slept) == pytest.approx(scrubbing.bytes_total / BYTES_PER_SECOND, rel=0.01)
    assert max(rest.slept) <= 2 * SLICE_BYTES_MAX / BYTES_PER_SECOND
    text = node.metrics.text().decode()
    assert "hansa_scrub_damage_total 0.0" in text


async def test_passes_follow_each_other_and_wait_while_the_node_is_busy(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    scrubbing, rest = scrub_of(node)
    busy = iter([True, True])
    monkeypatch.setattr(type(node.inbox), "is_pressed", property(lambda _: next(busy, False)))
    task = asyncio.create_task(scrubbing.run())
    await until(lambda: scrubbing.passes_total >= 3, "three passes")
    task.cancel()
    assert rest.slept.count(PASS_PAUSE_SECONDS) >= 2
    assert rest.slept.count(scrub.BUSY_SECONDS) == 2


@pytest.mark.parametrize("part", ["chain", "state"])
async def test_a_row_that_cannot_be_read_ends_the_node_and_the_next_start_mends_it(
    node: Node, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    home: Home = node._home
    directory = home.chain if part == "chain" else home.state
    for table in directory.glob("*.ldb"):
        for at in range(100, table.stat().st_size - 100, 400):
            spoil(table, at)
    scrubbing, _ = scrub_of(node)
    with pytest.raises(StorageFailure, match=f"The database {directory} failed to read: Corruption") as failure:
        await scrubbing.once()
    node._failed(failure.value)
    ending = node.ended.result()
    assert ending is not None
    assert ending.error is failure.value
    found = repair.noted(home)
    assert found is not None
    assert found.part == part


async def test_a_damaged_journal_is_written_anew_from_memory(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    scrubbing, _ = scrub_of(node)
    path, durable = node.journal.durable
    signer = node.driver._parts.signer
    assert signer is not None
    spoil(path, durable // 2)
    with pytest.raises(Corrupt):
        journal.recover(path.parent)
    await scrubbing.once()
    assert scrubbing.damage_total == 1
    assert "scrub: the journal was damaged and is written anew" in caplog.text
    assert journal.recover(path.parent)
    assert not path.exists()
    await scrubbing.once()
    assert scrubbing.damage_total == 1


@pytest.mark.parametrize("how", ["flip", "removal"])
async def test_a_damaged_anchor_is_written_anew(node: Node, how: str) -> None:
    home: Home = node._home
    if how == "flip":
        spoil(home.anchor, 20)
    else:
        home.anchor.unlink()
    scrubbing, _ = scrub_of(node)
    await scrubbing.once()
    anchor = read_anchor(home.anchor)
    assert anchor is not None
    assert (anchor.height, scrubbing.damage_total) == (node.chain.height, 1)


async def test_a_key_that_changes_is_told_once(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    home: Home = node._home
    scrubbing, _ = scrub_of(node)
    spoil(home.vote_key, 50)
    home.genesis.unlink()
    for _ in range(2):
        await scrubbing.once()
    assert scrubbing.damage_total == 2
    assert f"scrub: {home.vote_key} has changed since the start" in caplog.text
    assert f"scrub: {home.genesis} is missing since the start" in caplog.text


def test_which_part_a_refusal_is_about(tmp_path: Path) -> None:
    home = Home(tmp_path)

    def part(sentence: str, *, has_past: bool = True) -> str | None:
        found = repair.damage_of(home, sentence, has_past=has_past)
        return None if found is None else found.part

    assert part(f"The database {home.state} failed to read: Corruption: block checksum mismatch") == "state"
    assert part(f"The database {home.state} failed to write: IO error: No space left on device") is None
    assert part(f"The database {home.chain} failed to open: Corruption: a length in 000005.log has changed") == "chain"
    assert part("The world state at height 7 should have root …") == "state"
    assert part("The world state at height 7 should have root …", has_past=False) == "chain"
    assert part("the anchor names block 7, and the chain holds nothing there.") == "chain"
    assert part(f"The anchor {home.anchor} is damaged, so it cannot be told") == "chain"
    assert part(f"The anchor {home.anchor} could not be written: No space left on device") is None
    assert part(f"{home.journal}/00000001.journal is damaged at byte 0") is None
    assert part("writing to journal failed (No space left on device).") is None


async def test_a_part_is_set_aside_once(tmp_path: Path) -> None:
    network = await Network.start(tmp_path, validators=4, heartbeat_ms=60_000)
    await network.stop()
    home, genesis = Home(tmp_path / "alpina"), network.genesis
    damage = repair.damage_of(home, f"The database {home.state} failed to read: Corruption: bad block")
    repair.note(home, repair.Damage("state", "x"))
    assert repair.mend(home, genesis, damage)
    assert repair.noted(home) is None
    assert not home.state.exists()
    assert (home.data / "set-aside" / "state" / "state").is_dir()
    assert home.chain.exists()
    assert not repair.mend(home, genesis, damage), "a second time a person looks"
    chain = repair.Damage("chain", "x")
    assert repair.mend(home, genesis, chain)
    assert not home.chain.exists()
    assert not home.anchor.exists()
    assert home.journal.exists()
    shutil.rmtree(home.data / "set-aside")
    assert not repair.mend(home, genesis, None)


async def test_the_only_validators_chain_is_never_set_aside(tmp_path: Path) -> None:
    network = await Network.start(tmp_path, validators=1, heartbeat_ms=60_000)
    await network.stop()
    home = Home(tmp_path / MEMBER)
    assert not repair.mend(home, network.genesis, repair.Damage("chain", "x"))
    assert home.chain.exists()
