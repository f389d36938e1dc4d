"""The command line: its help, its exit codes, and what it says when something is wrong."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from node import cli
from node.cli import hansa, main
from node.testnet import test_lei as lei_of

EXIT_CODES = "0 done, 1 refused, 2 wrong usage, 3 no node reached, 4 pending"


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


EVERY = list(commands(hansa))


def initialise(home: Path, member: str, *more: str) -> int:
    details = ("--id", member, "--legal-name", f"Bank {member}", "--lei", lei_of(member), "--jurisdiction", "CH")
    return main(["init", "--home", str(home), *details, *more])


@pytest.mark.parametrize(("path", "command"), EVERY, ids=[" ".join(path) or "hansa" for path, _ in EVERY])
def test_every_help_has_an_example_that_can_be_parsed(
    path: tuple[str, ...], command: click.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*path, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.count("Example:") == 1
    examples = re.sub(r"\\\n", "", text.partition("Example:")[2]).strip().splitlines()
    assert examples
    words = [shlex.split(example) for example in examples]
    assert {example[0] for example in words} == {"hansa"}
    assert tuple(words[0][1 : len(path) + 1]) == path
    if not isinstance(command, click.Group):
        assert all(f"--{option}" in text for option in ("url", "home", "json"))


def test_the_exit_codes_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert EXIT_CODES in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["init"], ["wallet", "send", "a"], ["genesis", "build", "nothere.json"], ["--nope"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Error: " in capsys.readouterr().err


def test_no_node(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--url", "http://127.0.0.1:1"]) == 3
    error = capsys.readouterr().err
    assert error.startswith("hansa: No node answered: http://127.0.0.1:1: ")
    assert error.endswith(". Is the node running? Name another by --url.\n")
    assert main(["status", "--url", "127.0.0.1:1", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "unreachable"


def test_the_ceremony_of_four_banks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    members = ["alpina", "borealis", "corriente", "deltahaven"]
    for index, member in enumerate(members):
        assert initialise(tmp_path / member, member, "--port", str(20_001 + index)) == 0
    observer = ("--role", "observer", "--function", "settlement_agent", "--port", "20009")
    assert initialise(tmp_path / "meridian", "meridian", *observer) == 0
    files = [str(tmp_path / member / "member.json") for member in [*members, "meridian"]]
    out = tmp_path / "genesis.json"
    capsys.readouterr()
    build = ["genesis", "build", "--name", "trial", "--settlement", "USD=meridian", "--out", str(out), "--json"]
    assert main([*build, "--parameter", "address_prefix=hansat", *files]) == 0
    built = json.loads(capsys.readouterr().out)
    assert [member["id"] for member in built["members"]] == [*members, "meridian"]
    assert (built["warnings"], built["settlement"]) == ([], [{"currency": "USD", "agent": "meridian"}])
    assert main(["genesis", "adopt", str(out), "--home", str(tmp_path / "alpina")]) == 0
    assert (tmp_path / "alpina" / "genesis.json").read_bytes() == out.read_bytes()
    capsys.readouterr()
    assert main(["genesis", "show", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["chain_id"] == built["chain_id"]
    assert main(["wallet", "list", "--home", str(tmp_path / "alpina"), "--json"]) == 0
    (own,) = json.loads(capsys.readouterr().out)["accounts"]
    assert (own["name"], own["address"]) == ("member", built["members"][0]["address"])
    private = b"".join(path.read_bytes() for path in [out, *(Path(file) for file in files)])
    for key in (tmp_path / "alpina" / "keys").iterdir():
        assert json.loads(key.read_text())["seed"][2:].encode() not in private


def test_a_home_is_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "alpina"
    assert initialise(home, "alpina") == 0
    capsys.readouterr()
    assert initialise(home, "alpina") == 1
    sentence = f"hansa: {home} is not empty: name a new directory, so that no key that is already there is lost\n"
    assert capsys.readouterr().err == sentence


def test_details_that_are_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lei = lei_of("alpina")[:-1] + "9"
    details = ["--id", "alpina", "--legal-name", "Alpina", "--lei", lei, "--jurisdiction", "CH"]
    assert main(["init", "--home", str(tmp_path / "home"), *details, "--json"]) == 1
    said = json.loads(capsys.readouterr().out)["error"]
    assert said["code"] == "bad_genesis"
    assert said["message"].startswith("lei: ")
    assert not (tmp_path / "home").exists()


def test_starting_what_is_no_home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["start", "--home", str(tmp_path)]) == 1
    sentence = f"hansa: {tmp_path} is no node's home: make one by hansa init, or name it by --home\n"
    assert capsys.readouterr().err == sentence
    assert initialise(tmp_path / "home", "alpina") == 0
    capsys.readouterr()
    assert main(["start", "--home", str(tmp_path / "home")]) == 1
    assert "has no genesis document: hansa genesis adopt genesis.json --home" in capsys.readouterr().err


def test_a_contract_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text(
        '"""A contract."""\n\nfrom hansa import query\n\n\n@query\ndef one() -> int:\n    """One."""\n    return 1\n'
    )
    bad.write_text("import os\n")
    assert main(["contract", "check", str(good)]) == 0
    assert capsys.readouterr().out == f"{good}: accepted\n"
    assert main(["contract", "check", str(bad)]) == 1
    assert capsys.readouterr().out.splitlines()[0].startswith(f"{bad}:1:1 ")
    assert main(["contract", "check", str(bad), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["accepted"] is False
    assert {"line", "column", "rule", "reason", "fix"} == set(found["findings"][0])


def test_options_before_the_command_count_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--home", str(tmp_path), "--json", "wallet", "new", "alice"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "alice"
    assert (tmp_path / "wallets" / "alice.key").stat().st_mode & 0o777 == 0o600


def test_a_place_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert main(["wallet", "new", "alice", "--home", str(file / "home")]) == 1
    where = file / "home" / "wallets"
    assert capsys.readouterr().err == f"hansa: {where}: Not a directory: give this user the right to it, and room.\n"


def test_a_fault_of_ours_is_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("something unforeseen")

    monkeypatch.setattr("contracts.language.report.check_report", fail)
    monkeypatch.delenv(cli.FAULT_ENVIRONMENT, raising=False)
    assert main(["contract", "check", __file__]) == 1
    told = "hansa: a fault in Hansa itself (RuntimeError: something unforeseen). Set HANSA_TRACEBACK=1 for all of it.\n"
    assert capsys.readouterr().err == told


def test_a_directory_that_is_not_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("")
    assert main(["testnet", "--dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"hansa: {tmp_path} is not empty: name a new directory by --dir\n"
    assert main(["devnet", "up", "--dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"hansa: {tmp_path} is not empty and holds no network: name another by --dir\n"
    assert main(["devnet", "status", "--dir", str(tmp_path)]) == 1
    assert "holds no network (genesis.json is missing)" in capsys.readouterr().err
