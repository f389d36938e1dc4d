"""What every command shares: the options --url, --home and --json, the exit codes, and how things are said.

With ``--json`` a command writes one JSON object to standard output, an error included; without it, text for a person.
An error is one sentence that says what is wrong and what to do, on standard error.
"""

import functools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import click

from node import configuration
from node.configuration import RPC_PORT, Endpoint
from node.home import Home
from node.keystore import Passphrase, find_passphrase
from rpc.client import RpcError, Unreachable
from state.errors import Corrupt, Invalid


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    PENDING = 4
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Settings:
    """What the options that every command has were set to."""

    url: str | None
    home_path: Path | None
    is_json: bool

    @property
    def home(self) -> Home:
        """The home that is named, else ~/.hansa."""
        return Home(self.home_path or Path.home() / ".hansa")

    @property
    def node_url(self) -> str:
        """The node that is named, else the one of the home, else the usual port of this machine."""
        if self.url is not None:
            return self.url if "://" in self.url else f"http://{self.url}"
        if self.home.configuration.exists():
            rpc = configuration.load(self.home.configuration).rpc
            return f"http://{Endpoint(rpc.host, rpc.port)}"
        return f"http://127.0.0.1:{RPC_PORT}"

    def passphrase(self, path: Path | None) -> Passphrase | None:
        """From the file that is named, else the one in the home's configuration, else systemd's credential."""
        if path is None and self.home.configuration.exists():
            path = configuration.load(self.home.configuration).keys.passphrase_file
        return find_passphrase(path, os.environ)

    def answer(self, document: dict[str, Any], lines: Sequence[str]) -> None:
        """Say what came of the command."""
        click.echo(json.dumps(document, indent=2, ensure_ascii=False) if self.is_json else "\n".join(lines))

    def fail(self, code: str, sentence: str) -> None:
        """Say why it was not done."""
        if self.is_json:
            click.echo(json.dumps({"error": {"code": code, "message": sentence}}, indent=2, ensure_ascii=False))
        else:
            click.echo(f"hansa: {sentence}", err=True)


def example(*lines: str) -> str:
    """A help text's epilog."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The three options; the values before and after a subcommand's name count alike, the later one wins."""
    for decorate in (
        click.option("--json", "is_json", is_flag=True, help="Answer in JSON."),
        click.option(
            "--home",
            "home_path",
            type=click.Path(path_type=Path),
            envvar="HANSA_HOME",
            help="Home of the node or wallet.  [default: ~/.hansa; env: HANSA_HOME]",
        ),
        click.option(
            "--url", envvar="HANSA_URL", help="JSON-RPC address of a node.  [default: the home's node; env: HANSA_URL]"
        ),
    ):
        function = decorate(function)
    return function


def command(function: Callable[..., Any]) -> Callable[..., None]:
    """A command's function: gets ``Settings`` first, may return its exit code, and never shows a traceback."""

    @options
    @functools.wraps(function)
    def run(*, url: str | None, home_path: Path | None, is_json: bool, **rest: Any) -> None:
        context = click.get_current_context()
        outer = context.find_root().obj
        settings = Settings(url or outer.url, home_path or outer.home_path, is_json or outer.is_json)
        try:
            code = function(settings, **rest)
        except Unreachable as error:
            settings.fail("unreachable", f"{str(error).rstrip('.')}. Is the node running? Name another by --url.")
            code = Exit.UNREACHABLE
        except RpcError as error:
            settings.fail(error.code, f"{error.code}: {error.hint}")
            code = Exit.REFUSED
        except Invalid as error:
            settings.fail(error.reason.value, error.detail or error.reason.value)
            code = Exit.REFUSED
        except Corrupt as error:
            settings.fail("corrupt", str(error))
            code = Exit.REFUSED
        except BrokenPipeError:
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            settings.fail("system", f"{where}{error.strerror or error}: give this user the right to it, and room.")
            code = Exit.REFUSED
        context.exit(int(code or Exit.DONE))

    return run


def rows(table: Sequence[tuple[str, object]]) -> list[str]:
    """Names and values under each other."""
    width = max((len(name) for name, _ in table), default=0)
    return [f"{name:<{width}}  {value}" for name, value in table]


def columns(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """A plain table: it reads the same in a terminal, a pipe and a log."""
    lines = [head, *body]
    widths = [max(len(line[index]) for line in lines) for index in range(len(head))]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
