"""A network of processes on this machine, and the command line that drives it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from node import devnet
from node.cli import main

Hansa = Callable[..., Any]
"""Runs ``hansa … --json`` in this process, holds it to an exit code (0), and gives what it said."""


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Where a network may be made; it is stopped afterwards."""
    path = tmp_path / "a network"
    yield path
    if (path / "genesis.json").exists():
        devnet.stop(devnet.load(path))


@pytest.fixture
def hansa(capsys: pytest.CaptureFixture[str]) -> Hansa:
    """The command line."""

    def run(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert main([*arguments, "--json"]) == code, capsys.readouterr()
        return json.loads(capsys.readouterr().out)

    return run
