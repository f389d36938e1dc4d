"""The doctor: every kind of damage has its code, says where it is and what to do, and nothing is changed."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node import doctor
from node.cli import main
from node.doctor import Severity
from node.home import Home
from node.opening import lock_home
from node.restored import Restored, write_note
from state import manifest
from state.errors import Invalid
from tests.node.damage import Homes, place_for, prepare


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    with place_for(tmp_path_factory.mktemp("doctor")) as directory:
        yield prepare(directory)


@pytest.fixture
def home(homes: Homes) -> Home:
    return Home(homes.copy("killed"))


def flip(path: Path, at: int = -40) -> None:
    """One bit, in a file of its own."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    mode = path.stat().st_mode & 0o777
    path.unlink()
    path.write_bytes(data)
    path.chmod(mode)


def one(directory: Path, pattern: str) -> Path:
    return sorted(directory.glob(pattern))[0]


def table_of(directory: Path) -> Path:
    """A table that is part of the database: a kill may leave others."""
    table = manifest.table_of(directory, min(manifest.inventory_of(directory).tables))
    assert table is not None
    return table


def files_of(home: Home) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for path in home.path.rglob("*")
        if path.is_file()
    }


def test_nothing_is_wrong_and_nothing_is_changed(home: Home) -> None:
    before = files_of(home)
    assert doctor.examine(home, {}) == []
    assert files_of(home) == before


DAMAGE: list[tuple[str, Callable[[Home], object]]] = [
    ("config-refused", lambda home: home.configuration.write_text("config_version = 1\nno_such_key = 1\n")),
    ("config-missing", lambda home: home.configuration.unlink()),
    ("genesis-missing", lambda home: home.genesis.unlink()),
    ("genesis-other", lambda home: home.genesis.write_text(home.genesis.read_text().replace('"Test"', '"Tesu"'))),
    ("key-missing", lambda home: home.node_key.unlink()),
    ("key-refused", lambda home: flip(home.vote_key)),
    ("key-refused", lambda home: home.account_key.chmod(0o644)),
    ("member-refused", lambda home: flip(home.member)),
    ("data-missing", lambda home: shutil.rmtree(home.data)),
    ("journal-missing", lambda home: shutil.rmtree(home.journal)),
    ("journal-damaged", lambda home: flip(one(home.journal, "*.journal"))),
    ("journal-damaged", lambda home: os.truncate(one(home.journal, "*.journal"), 400)),
    ("anchor-damaged", lambda home: flip(home.anchor)),
    ("chain-missing", lambda home: shutil.rmtree(home.chain)),
    ("chain-unreadable", lambda home: flip(table_of(home.chain), 300)),
    ("chain-unreadable", lambda home: (home.chain / "CURRENT").unlink()),
    ("state-unreadable", lambda home: flip(table_of(home.state), 300)),
    ("state-unreadable", lambda home: table_of(home.state).unlink()),
    ("state-missing", lambda home: shutil.rmtree(home.state)),
    ("halted", lambda home: (home.data / "halted.json").write_text("{}")),
    ("restored", lambda home: write_note(home.data, Restored("by hand", 3))),
    ("set-aside", lambda home: (home.data / "set-aside").mkdir()),
]


@pytest.mark.parametrize(("code", "damage"), DAMAGE, ids=[f"{index} {code}" for index, (code, _) in enumerate(DAMAGE)])
def test_each_has_its_code_and_a_sentence(home: Home, code: str, damage: Callable[[Home], object]) -> None:
    damage(home)
    findings = doctor.examine(home, {})
    assert code in [finding.code for finding in findings], findings
    for finding in findings:
        assert finding.what.endswith(".")
        assert finding.remedy.endswith(".")
        assert finding.what.count(str(home.path)) or finding.code in ("set-aside", "restored", "chain-other")
        assert "hansa-doctor" not in finding.what


def test_a_chain_that_lost_its_end_is_short(homes: Homes) -> None:
    """What was durable when the journal was compacted is in neither of them any more."""
    home = Home(homes.copy("compacted"))
    os.truncate(home.chain / f"{manifest.inventory_of(home.chain).log_number:06d}.log", 0)
    assert [finding.code for finding in doctor.examine(home, {})] == ["chain-short"]


def test_every_code_is_explained() -> None:
    source = Path(doctor.__file__).read_text()
    page = (Path(doctor.__file__).parent.parent / "docs" / "operations.md").read_text()
    codes = set(re.findall(r'_(?:find|note)\(\s*"([a-z-]+)"', source))
    assert len(codes) >= 12
    assert {code for code in codes if f"`{code}`" not in page} == set()


def test_a_home_with_a_node_is_not_looked_at(home: Home) -> None:
    lock = lock_home(home)
    with pytest.raises(Invalid, match=r"a node runs on .*: stop it first, or make a backup"):
        doctor.examine(home, {})
    os.close(lock)


def test_the_command(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(home.path)]) == 0
    assert capsys.readouterr().out == f"{home.path}: nothing is wrong.\n"
    home.node_key.unlink()
    assert main(["doctor", str(home.path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "home": str(home.path),
        "healthy": False,
        "findings": [
            {
                "code": "key-missing",
                "severity": Severity.FAULT.value,
                "what": f"The file {home.node_key} is missing.",
                "remedy": "Copy it back from your backup; nobody else has it.",
            }
        ],
    }
    assert main(["doctor", "--home", str(home.path / "elsewhere")]) == 1
    assert "is not there: name a node's home" in capsys.readouterr().err
