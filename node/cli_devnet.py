"""``hansa devnet``: a network of nodes on this machine."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from node import devnet as network
from node import testnet as test_network
from node.cli_settings import Exit, Settings, columns, command, example
from node.devnet import Place, Readiness
from node.testnet import GENESIS_FILE
from rpc.client import Policy, RpcError, SyncClient, Unreachable
from state.errors import Invalid, Reason

DIRECTORY = Path("network")

ONCE = Policy(timeout_seconds=3.0, rounds_max=1)

LOG_POLL_SECONDS = 0.3


def directory_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Where the network is."""
    kind = click.Path(path_type=Path, file_okay=False)
    help_text = "The network's directory."
    return click.option("--dir", "directory", type=kind, default=DIRECTORY, show_default=True, help=help_text)(function)


@click.group(epilog=example("hansa devnet up", "hansa devnet status", "hansa devnet down"))
def devnet() -> None:
    """A network of nodes on this machine."""


@devnet.command(epilog=example("hansa devnet up --dir network --validators 4 --observers 1"))
@directory_option
@click.option("--validators", type=int, default=4, show_default=True, help="Of a network that is not there yet.")
@click.option("--observers", type=int, default=1, show_default=True, help="Of a network that is not there yet.")
@click.option("--base-port", type=int, help=f"First of its ports.  [default: free ones from {test_network.BASE_PORT}]")
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds until all are ready.")
@command
def up(
    settings: Settings, directory: Path, validators: int, observers: int, base_port: int | None, timeout: float
) -> None:
    """Start the network in the directory; make it first where there is none."""
    if not (directory / GENESIS_FILE).exists():
        if directory.exists() and any(directory.iterdir()):
            raise Invalid(Reason.DUPLICATE, f"{directory} is not empty and holds no network: name another by --dir")
        if base_port is None:
            base_port = network.free_base_port(test_network.BASE_PORT, validators + observers)
        seats = test_network.seats(validators, observers, base_port)
        network.check_ports(network.ports_of(base_port, len(seats)))
        test_network.make(directory, seats, name="devnet")
    places = network.load(directory)
    down = [place for place in places if network.pid_of(place) is None]
    for place in down:
        network.start(place)
    network.await_ready(places, timeout)
    _table(settings, places)


@devnet.command(epilog=example("hansa devnet status --json"))
@directory_option
@command
def status(settings: Settings, directory: Path) -> int:
    """Every node: its process, heights, state root and readiness. Exit code 3 if one is down."""
    return _table(settings, network.load(directory))


@devnet.command(epilog=example("hansa devnet logs alpina --lines 50", "hansa devnet logs --follow"))
@directory_option
@click.argument("member", required=False)
@click.option("--lines", type=click.IntRange(1, 1000), default=20, show_default=True, help="Lines of each node.")
@click.option("--follow", is_flag=True, help="Go on until interrupted.")
@command
def logs(settings: Settings, directory: Path, member: str | None, lines: int, follow: bool) -> None:
    """The end of a node's log, or of all of them."""
    places = network.load(directory)
    chosen = [network.named(places, member)] if member else list(places)
    settings.answer(
        {"logs": {place.member: network.tail(place, lines) for place in chosen}},
        [f"{place.member:<12} {line}" for place in chosen for line in network.tail(place, lines)],
    )
    if follow:
        _follow(chosen)


@devnet.command(epilog=example("hansa devnet kill alpina", "hansa devnet start alpina"))
@directory_option
@click.argument("member")
@command
def kill(settings: Settings, directory: Path, member: str) -> None:
    """End a node by SIGKILL, as a power failure would."""
    place = network.named(network.load(directory), member)
    pid = network.kill(place)
    sentence = f"{member} is killed (process {pid}). Start it again: hansa devnet start {member} --dir {directory}"
    settings.answer({"member": member, "pid": pid}, [sentence])


@devnet.command(epilog=example("hansa devnet start alpina"))
@directory_option
@click.argument("member")
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds until it is ready.")
@command
def start(settings: Settings, directory: Path, member: str, timeout: float) -> None:
    """Start a node that is down, and wait until it is ready."""
    place = network.named(network.load(directory), member)
    began = time.monotonic()
    pid = network.start(place)
    network.await_ready([place], timeout)
    seconds = time.monotonic() - began
    settings.answer(
        {"member": member, "pid": pid, "url": place.url, "ready_ms": str(round(seconds * 1000))},
        [f"{member} is ready after {seconds:.1f} s (process {pid}, {place.url})."],
    )


@devnet.command(epilog=example("hansa devnet down --dir network"))
@directory_option
@command
def down(settings: Settings, directory: Path) -> None:
    """Stop all nodes. What they have on disk stays."""
    stopped = network.stop(network.load(directory))
    settings.answer(
        {"stopped": stopped}, [f"Stopped: {', '.join(stopped)}." if stopped else "No node of it was running."]
    )


def _table(settings: Settings, places: tuple[Place, ...]) -> int:
    body, listed = [], []
    for place in places:
        pid = network.pid_of(place)
        # Who is down is not asked: another network's node may answer at the same port.
        ready = network.readiness(place) if pid else Readiness(False, ("unreachable",))
        state = "ready" if ready.is_ready else "; ".join(ready.reasons)
        height, root = _standing(place) if pid else ("", "")
        body.append([place.member, place.role, str(pid or "down"), height, root[:18], place.url, state])
        listed.append(
            {
                "member": place.member,
                "role": place.role,
                "pid": pid,
                "url": place.url,
                "height": height or None,
                "state_root": root or None,
                "ready": ready.is_ready,
                "not_ready": list(ready.reasons),
            }
        )
    head = ["member", "role", "process", "height", "state root", "JSON-RPC", "state"]
    settings.answer({"nodes": listed}, columns(head, body))
    return Exit.DONE if all(entry["pid"] for entry in listed) else Exit.UNREACHABLE


def _standing(place: Place) -> tuple[str, str]:
    """Height and state root of a node that runs, empty where it does not answer."""
    try:
        with SyncClient([place.url], ONCE) as client:
            found = client.node_status()
    except (Unreachable, RpcError):
        return "", ""
    return found.height, found.state_root


def _follow(chosen: list[Place]) -> None:
    places = {place: place.log.stat().st_size if place.log.exists() else 0 for place in chosen}
    while True:
        time.sleep(LOG_POLL_SECONDS)
        for place, at in places.items():
            if not place.log.exists():
                continue
            with place.log.open("rb") as log:
                log.seek(at)
                for line in log:
                    if not line.endswith(b"\n"):
                        break
                    click.echo(f"{place.member:<12} {line.decode(errors='replace').rstrip()}")
                    places[place] += len(line)
