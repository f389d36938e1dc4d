"""The operators' page is right: its commands are run, one after the other, on a network that they make."""

import os
import random
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from node import cli, devnet
from tests.scripts.test_monitoring import alerts

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "operators.md"
SECONDS_MAX = 600


def blocks(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def moved(text: str, base_port: int) -> str:
    """The commands with other ports than the usual ones."""
    moving = {"266": base_port, "267": base_port + 100}
    return re.sub(r"\b(266|267)(\d\d)\b", lambda found: str(moving[found[1]] + int(found[2])), text)


def script(text: str, base_port: int) -> str:
    """All blocks in one shell that ends at the first command that fails, and says which block it was in.

    Idle heights come ten times as fast as by default.
    """
    parts = ["set -eu", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for number, block in enumerate(blocks(text)):
        parts += [f"echo '--- block {number}'", block]
        if number == 0:
            parts.append("sed -i 's/^heartbeat_ms = .*/heartbeat_ms = 1000/' */config.toml || true")
    return moved("\n".join([*parts, "echo '--- end'"]), base_port)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the page is followed: ./scripts/hansa is there, without making an environment."""
    (tmp_path / "scripts").mkdir()
    hansa = tmp_path / "scripts" / "hansa"
    hansa.write_text(f'#!/bin/sh\nexec env PYTHONPATH={ROOT} {sys.executable} -P -m node "$@"\n')
    hansa.chmod(0o755)
    return tmp_path


@pytest.mark.full
def test_every_command_does_what_the_page_says(directory: Path) -> None:
    base_port = devnet.free_base_port(random.randrange(24_000, 28_000, 10), 6)
    said = directory / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", script(PAGE.read_text(encoding="utf-8"), base_port)],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("HANSA_")},
        )
        try:
            code = process.wait(SECONDS_MAX)
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    text = said.read_text(encoding="utf-8")
    assert code == 0, text[-4000:]
    assert text.rstrip().endswith("--- end"), text[-4000:]
    assert "agrees with itself" in text
    assert "not every validator is seen to know protocol version 2" in text
    assert "Traceback" not in text
    for log in directory.glob("*.log"):
        lines = log.read_text(encoding="utf-8")
        assert "Traceback" not in lines, lines[-4000:]
        assert lines.rstrip().endswith("stopped"), (log.name, lines[-2000:])
    carol = (directory / "carol.log").read_text(encoding="utf-8")
    assert "this node is a member's now" in carol or "role=validator" in carol


def commands_of(text: str) -> list[list[str]]:
    """The words of every call of hansa on the page."""
    joined = "\n".join(blocks(text))
    calls = re.findall(r"\./scripts/hansa ((?:[^|;&>)\n'\"]|'[^']*'|\"[^\"]*\")+)", joined)
    return [shlex.split(call) for call in calls]


def test_every_command_and_option_exists() -> None:
    """What a full run does, without a network: nothing on the page is misspelt."""
    found = commands_of(PAGE.read_text(encoding="utf-8"))
    assert len(found) > 25
    for words in found:
        group: click.Command = cli.hansa
        at = 0
        while isinstance(group, click.Group):
            assert words[at] in group.commands, words
            group = group.commands[words[at]]
            at += 1
        known = {spelling for parameter in group.params for spelling in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("--")} - known == set(), words


def test_a_command_that_fails_is_noticed(directory: Path) -> None:
    broken = "```sh\ntrue\n```\n\n```sh\n./scripts/hansa genesis show nowhere.json\n```\n\n```sh\ntrue\n```\n"
    done = subprocess.run(
        ["bash", "-c", script(broken, 24_400)], cwd=directory, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "--- block 0\n--- block 1\n")


def test_every_alert_has_a_line() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert {name for name in alerts() if f"`{name}`" not in text} == set()


def test_the_container_is_made_of_what_is_there() -> None:
    """Its daemon is not here, so what can be held against the tree is: every file it copies, the lock, the entry."""
    text = (ROOT / "scripts" / "deploy" / "Containerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?!--)(\S+) ", text, re.MULTILINE)
    assert {name for name in copied if not (ROOT / name).exists()} == set()
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "scripts"}
    assert packages == {name for name in copied if (ROOT / name).is_dir()}
    assert "--require-hashes --no-deps --only-binary :all: -r requirements.lock" in text
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["hansa"]
    assert all(f"EXPOSE {ports}" in text for ports in ("26600 26700",))


def test_the_container_sees_nothing_but_what_it_copies() -> None:
    """No key and no network that lies in the tree gets into an image."""
    listed = (ROOT / "scripts" / "deploy" / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in listed
    text = (ROOT / "scripts" / "deploy" / "Containerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?!--)(\S+) ", text, re.MULTILINE)
    assert {line[1:] for line in listed if line.startswith("!")} == set(copied)
