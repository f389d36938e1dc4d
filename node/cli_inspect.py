"""``hansa start``, ``status`` and ``verify``: one node, one directory.

What only one command needs is imported in it, so that the others don't wait for it.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import click

from node.cli_settings import Settings, command, example, rows
from rpc.client import Policy, SyncClient
from state.errors import Invalid, Reason

FEW_LINES = 10
"""Progress lines where there is no terminal."""


@click.command(epilog=example("hansa start --home alpina"))
@command
def start(settings: Settings) -> int:
    """Run the node of a home until SIGTERM or Ctrl-C."""
    home = settings.home
    if not home.configuration.exists():
        raise Invalid(Reason.UNKNOWN, f"{home.path} is no node's home: make one by hansa init, or name it by --home")
    if not home.genesis.exists():
        detail = f"{home.path} has no genesis document: hansa genesis adopt genesis.json --home {home.path}"
        raise Invalid(Reason.UNKNOWN, detail)
    from node import daemon

    return daemon.run(home.path)


@click.command(epilog=example("hansa status", "hansa status --url http://10.0.0.7:26700 --json"))
@command
def status(settings: Settings) -> None:
    """What a node says of itself."""
    with SyncClient([settings.node_url], Policy(timeout_seconds=5.0, rounds_max=2)) as client:
        found = client.node_status()
    fields: list[tuple[str, object]] = [(name, getattr(found, name)) for name in found.__struct_fields__]
    document = dict(fields) | {"url": settings.node_url}
    shown = [(name, "; ".join(value) or "–") if isinstance(value, tuple) else (name, value) for name, value in fields]
    settings.answer(document, rows([("url", settings.node_url), *shown]))


@click.command(epilog=example("hansa verify --home alpina"))
@command
def verify(settings: Settings) -> None:
    """Replay a stopped node's chain from genesis and compare every root and certificate.

    Nothing in the directory is changed, and nothing in it is believed: blocks, certificates and signatures are
    checked, every transaction is executed again.
    """
    from node import verification

    home, began = settings.home, time.monotonic()
    with _progress() as tell:
        found = verification.verify(home, tell)
    seconds = time.monotonic() - began
    settings.answer(
        {
            "home": str(home.path),
            "agrees": True,
            "chain_id": "0x" + found.chain_id.hex(),
            "height": str(found.height),
            "block_digest": "0x" + found.block_digest.hex(),
            "state_root": "0x" + found.state_root.hex(),
            "transactions": found.transactions,
            "failed": found.failed,
            "signatures": found.signatures,
            "checkpoints": found.checkpoints,
            "certified_height": str(found.certified_height),
            "state_height": str(found.state_height),
            "duration_ms": str(round(seconds * 1000)),
        },
        [
            f"{home.path} agrees with itself and with its certificates, from genesis to height {found.height}.",
            *rows(
                [
                    ("state root", "0x" + found.state_root.hex()),
                    ("transactions", f"{found.transactions} ({found.failed} failed)"),
                    ("signatures checked", found.signatures),
                    ("heights with a checkpoint certificate", f"{found.checkpoints} of {found.height}"),
                    ("seconds", f"{seconds:.1f}"),
                ]
            ),
        ],
    )


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, a few lines elsewhere; both on standard error."""
    if not sys.stderr.isatty():
        yield _in_lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("blocks", total=None)
        yield lambda height, last: bar.update(task, completed=height, total=last)


def _in_lines() -> Callable[[int, int], None]:
    told = 0

    def tell(height: int, last: int) -> None:
        nonlocal told
        if height * FEW_LINES // last > told:
            told = height * FEW_LINES // last
            print(f"hansa: verified {height} of {last} blocks", file=sys.stderr, flush=True)

    return tell
