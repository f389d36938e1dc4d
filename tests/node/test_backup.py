"""Backup and restore: consistent while the node runs, verified byte by byte, and no vote is knowingly forgotten."""

import asyncio
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from node import backup, copying, journal
from node.cli import main
from node.home import Home
from node.opening import lock_home
from node.restored import Restored, read_note, write_note
from state.errors import Corrupt, Invalid
from state.store import Database
from tests.node.damage import MEMBER, Homes, judge, place_for, prepare
from tests.node.network import Network, until
from tests.node.running import Daemon, await_height, children_of, end
from tests.node.test_daemon_faults import BANKS, evidence_at, make_homes
from tests.node.test_repair import run


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    with place_for(tmp_path_factory.mktemp("backup")) as directory:
        yield prepare(directory)


@pytest.fixture
def home(homes: Homes) -> Home:
    return Home(homes.copy("killed"))


@pytest.fixture
def made(home: Home, homes: Homes) -> Iterator[Path]:
    target = homes.directory / "made"
    backup.make(home, target, with_keys=True)
    yield target
    shutil.rmtree(target)


def test_what_is_put_back_is_what_was_there(home: Home, homes: Homes, made: Path, tmp_path: Path) -> None:
    found = backup.read(made)
    truth = homes.truths["killed"]
    assert (found.chain_id, found.member, found.height) == (truth.chain_id, MEMBER, len(truth.blocks))
    assert {"config.toml", "genesis.json", "keys/vote.key", "data/anchor"} <= found.files.keys()
    new = Home(tmp_path / "new")
    backup.restore(new, made, is_replacing=False)
    assert read_note(new) == Restored("from the backup made", len(truth.blocks))
    assert (new.vote_key.stat().st_mode & 0o777, new.keys.stat().st_mode & 0o777) == (0o600, 0o700)
    assert judge(new.path, truth) == "right"


def test_without_keys_there_are_none(home: Home, homes: Homes) -> None:
    target = homes.directory / "public"
    backup.make(home, target, with_keys=False)
    assert list(target.rglob("*.key")) == []
    shutil.rmtree(target)


@pytest.mark.parametrize("how", ["flip", "cut", "removal", "more"])
def test_a_backup_that_has_changed_is_refused(home: Home, made: Path, tmp_path: Path, how: str) -> None:
    for path in sorted(made.rglob("*")):
        if not path.is_file():
            continue
        content, mode = path.read_bytes(), path.stat().st_mode & 0o777
        path.unlink()
        if how != "removal":
            spoilt = bytearray(content)
            if how == "flip" and content:
                spoilt[len(content) // 2] ^= 1
            elif how == "cut":
                del spoilt[len(content) // 2 :]
            else:
                spoilt += b" "
            path.write_bytes(spoilt)
        if content and path.name != "backup.json":
            with pytest.raises((Corrupt, Invalid), match=str(made)):
                backup.read(made)
        path.write_bytes(content)
        path.chmod(mode)
    assert backup.read(made).files


def test_what_is_there_stays_until_somebody_says_so(home: Home, homes: Homes, made: Path) -> None:
    with pytest.raises(Invalid, match="holds a node's data already: with --replace it is moved beside it"):
        backup.restore(home, made, is_replacing=False)
    lock = lock_home(home)
    with pytest.raises(Invalid, match="another node runs on"):
        backup.restore(home, made, is_replacing=True)
    os.close(lock)
    (home.data / "mine").write_text("kept")
    (home.data / "halted.json").write_text("{}")
    backup.restore(home, made, is_replacing=True)
    assert (home.path / "data.before-1" / "mine").read_text() == "kept"
    assert (home.data / "halted.json").exists(), "a person still has to look"
    assert judge(home.path, homes.truths["killed"]) == "right"


def test_of_two_journals_the_one_that_knows_more_stays(homes: Homes) -> None:
    older = Home(homes.copy("stopped"))
    target = homes.directory / "older"
    backup.make(older, target, with_keys=False)
    shutil.rmtree(older.data)
    shutil.copytree(homes.homes["compacted"] / "data", older.data)
    knows = journal.peek(older.journal)
    backup.restore(older, target, is_replacing=True)
    assert journal.peek(older.journal) == knows
    assert read_note(older) is not None
    newest = homes.directory / "newest"
    shutil.rmtree(older.data)
    shutil.copytree(homes.homes["compacted"] / "data", older.data)
    backup.make(older, newest, with_keys=False)
    shutil.rmtree(older.data)
    shutil.copytree(homes.homes["stopped"] / "data", older.data)
    backup.restore(older, newest, is_replacing=True)
    assert journal.peek(older.journal) == knows
    for path in (target, newest):
        shutil.rmtree(path)


def test_only_a_damaged_journal_is_replaced(home: Home, homes: Homes, made: Path) -> None:
    with pytest.raises(Invalid, match="is whole and knows at least as much as the backup's: nothing was done"):
        backup.restore_journal(home, made)
    assert read_note(home) is None
    (segment,) = home.journal.glob("*.journal")
    os.truncate(segment, 100)
    with pytest.raises(Corrupt):
        journal.recover(home.journal)
    backup.restore_journal(home, made)
    assert read_note(home) == Restored("the journal from the backup made", len(homes.truths["killed"].blocks))
    assert (home.data / "journal.before-1" / segment.name).stat().st_size == 100
    assert judge(home.path, homes.truths["killed"]) == "right"


def test_another_members_and_another_networks_are_refused(home: Home, homes: Homes, made: Path, tmp_path: Path) -> None:
    other = tmp_path / "others"
    make_homes(other, validators=2)
    with pytest.raises(Invalid, match="the backup is of the network 0x"):
        backup.restore(Home(other / "borealis"), made, is_replacing=True)
    stranger = Home(tmp_path / "stranger")
    stranger.path.mkdir()
    shutil.copy2(other / "borealis" / "member.json", stranger.member)
    with pytest.raises(Invalid, match=f"the backup is {MEMBER}'s, and .* is borealis's: votes are never shared"):
        backup.restore(stranger, made, is_replacing=True)


def test_what_would_not_start_is_no_backup(home: Home, homes: Homes) -> None:
    target = homes.directory / "damaged"
    (segment,) = home.journal.glob("*.journal")
    os.truncate(segment, 100)
    with pytest.raises(Invalid, match=r"what was copied is damaged: .* is damaged at byte"):
        backup.make(home, target, with_keys=False)
    assert not [path for path in homes.directory.iterdir() if path.name.startswith("damaged")]


def test_a_database_is_copied_whole_while_it_is_written_and_merged(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "db", create=True)
    done = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not done.is_set():
            rows: dict[bytes, bytes | None] = {
                b"%08d" % (number * 7919 % 4096): os.urandom(600) for number in range(written, written + 40)
            }
            database.write(rows | {b"last": b"%d" % written}, sync=False)
            written += 40

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(12):
            before = written
            copying.copy_database(tmp_path / "db", tmp_path / str(number), is_linked=True)
            copy = Database.open(tmp_path / str(number))
            last = int(copy.get_verified(b"last") or b"0")
            assert last >= before - 40
            assert len(copy.rows(b"0", b"9")) == min(last + 40, 4096)
            copy.close()
    finally:
        done.set()
        thread.join()
        database.close()


def test_the_note_survives_what_cannot_be_read(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.data.mkdir()
    assert read_note(home) is None
    write_note(home.data, Restored("by hand", 7))
    assert read_note(home) == Restored("by hand", 7)
    (home.data / "restored.json").write_text("{")
    assert read_note(home) == Restored("the note itself is damaged", 0)


async def test_a_running_node_is_backed_up_at_any_moment(tmp_path: Path) -> None:
    """Payments go on meanwhile, the journal is compacted in between, and each copy starts where it stood."""
    network = await Network.start(tmp_path / "network", validators=1)
    try:
        node = network.nodes[MEMBER]
        await network.furnish(MEMBER, "a", "b")
        backups = []
        for number in range(6):
            paying = [asyncio.create_task(network.settle(node, network.payment("a", "b", 1))) for _ in range(4)]
            making = asyncio.to_thread(
                backup.make, Home(tmp_path / "network" / MEMBER), tmp_path / str(number), with_keys=True
            )
            task = asyncio.create_task(making)
            if number % 2:
                node.driver.recorder.compact()
            backups.append(await task)
            assert [await pay for pay in paying] == ["ok"] * 4
        assert [found.height for found in backups] == sorted(found.height for found in backups)
        await until(lambda: node.chain.height > backups[-1].height, "blocks that no backup has")
    finally:
        await network.stop()
    for found in backups:
        home = Home(tmp_path / "restored")
        shutil.rmtree(home.path, ignore_errors=True)
        backup.restore(home, found.path, is_replacing=False)
        shutil.rmtree(tmp_path / "network" / MEMBER)
        shutil.copytree(home.path, tmp_path / "network" / MEMBER)
        again = Network(tmp_path / "network", network.genesis)
        node = await again.start_node(MEMBER)
        assert node.chain.height >= found.height
        await again.stop()


def test_the_commands(home: Home, homes: Homes, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = homes.directory / "by command"
    height = str(len(homes.truths["killed"].blocks))
    assert main(["backup", str(target), "--home", str(home.path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["height"], told["keys"]) == (height, False)
    assert main(["backup", str(target), "--home", str(home.path)]) == 1
    assert capsys.readouterr().err == f"hansa: {target} is already there: name a new directory\n"
    assert main(["restore", str(target), "--home", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path / 'new'} is at height {height}. Start its node: it fetches the rest and votes again by itself.",
        f"Its keys are not there: put them back into {tmp_path / 'new' / 'keys'} first.",
    ]
    assert main(["restore", str(target), "--home", str(home.path), "--journal", "--replace"]) == 1
    assert main(["restore", str(tmp_path), "--home", str(home.path)]) == 1
    assert "is no backup: backup.json can't be read" in capsys.readouterr().err
    shutil.rmtree(target)


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    running: list[Daemon] = []
    yield running
    end(running)


def test_a_restored_validator_rejoins_a_real_network(tmp_path: Path, daemons: list[Daemon]) -> None:
    """Four processes. One is backed up while it runs; then it signs on for a while, dies, and its disk is gone. From
    the backup it catches up, abstains until what it had signed is decided, votes again by itself, and the others, one
    of them killed, can't go on without it. Nobody has evidence of anything."""
    make_homes(tmp_path, validators=4, heartbeat_ms=200)

    def start(*members: str) -> list[Daemon]:
        return [run(daemons, tmp_path / member) for member in members]  # One after the other: a slow machine has time.

    lost, *others = start(*BANKS)
    home = Home(tmp_path / "alpina")
    await_height(lost, 3, 60)
    made = backup.make(home, tmp_path / "backups" / "alpina", with_keys=True)
    assert made.height >= 3
    await_height(lost, made.height + 4, 60)
    for child in children_of(lost.process.pid):
        os.kill(child, 9)
    lost.process.kill()
    lost.process.wait()
    shutil.rmtree(home.path)
    backup.restore(home, made.path, is_replacing=False)
    (again,) = start("alpina")
    until_height = max(daemon.height() for daemon in others) + 6
    await_height(again, until_height, 90)
    said = "\n".join(again.lines())
    assert "restored: abstaining until what was signed before cannot matter" in said
    assert "restored: signs again" in said
    assert read_note(home) is None
    others[0].process.kill()  # From here on nothing is decided without it.
    others[0].process.wait()
    await_height(again, others[1].height() + 3, 90)
    assert [evidence_at(daemon) for daemon in (again, *others[1:])] == [[]] * 3
    assert again.stop() == 0
