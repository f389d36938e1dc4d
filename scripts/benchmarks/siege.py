"""Honest callers while others do their worst: finality beside 2,000 connections to the peers' ports, and bad callers.

Four validators on this machine and a low rate of payments. First nobody disturbs; then a process of its own holds
connections open, each from one of several addresses (127.0.0.2 and on, so that the honest caller's own is not among
those that are capped), and opens each again as soon as it is closed:

``connections``
    2,000 at the peers' ports, spread over the validators, that say nothing (P7);
``slow_callers``
    250 at each RPC port that send a byte of a request's head a second (R3);
``readers``
    32 at one validator's RPC port that ask for an account again and again, as fast as they are answered.

A figure is the p99 under siege by that without. Agreement is part of every payment's finality.
"""

import asyncio
import json
import multiprocessing
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from node import configuration, descriptors
from scripts.benchmarks import network
from scripts.benchmarks.fleet import Fleet, quantiles, running
from scripts.benchmarks.progress import Progress

TPS = 100.0
SECONDS = 30.0
ACCOUNTS = 1_000
PEER_CONNECTIONS = 2_000
"""In all."""
CALLERS = 250
"""At each validator: about as many as one address may hold, and as many again from every further one."""
ADDRESSES = 8
"""Callers come from so many: one may hold 256 connections at a node."""
REQUEST = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"x" * 1_000
READERS = 32
"""At one validator."""
RATIO_MAX = 2.0

Door = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True, slots=True)
class Manner:
    """What a besieger does with its connection; by default nothing."""

    byte_seconds: float | None = None
    """Between two bytes of a request's head that it sends."""
    request: bytes = b""
    """What it asks again and again."""


def measure(progress: Progress, seconds: float = SECONDS, parts: float = 1.0) -> dict[str, Any]:
    """The figures.

    :param parts: of the besiegers; fewer for a test.
    """
    plan = network.Plan(accounts=(ACCOUNTS,))
    with tempfile.TemporaryDirectory(prefix="hansa-siege-") as directory:
        made = network.make_network(Path(directory) / "network", plan, ACCOUNTS, progress)
        with running(made, ACCOUNTS, progress) as fleet:
            fleet.run(TPS, min(seconds, network.WARM_SECONDS))
            quiet = _finality(fleet, seconds)
            found = {}
            connections = max(1, int(PEER_CONNECTIONS * parts) // plan.validators)
            question = Manner(request=request_for(made.customer(0).address))
            for name, doors, manner in (
                ("connections", peer_doors(fleet) * connections, Manner()),
                ("slow_callers", rpc_doors(fleet) * int(CALLERS * parts), Manner(byte_seconds=1.0)),
                ("readers", rpc_doors(fleet)[:1] * max(1, int(READERS * parts)), question),
            ):
                progress(f"{len(doors):,} {name.replace('_', ' ')} besiege the validators")
                with besieged(doors, manner):
                    found[name] = _finality(fleet, seconds) | {"count": len(doors)}
    return {
        "figures": {f"p99_with_{name}": _ratio(under, quiet) for name, under in found.items()},
        "targets": {f"p99_with_{name}": {"most": RATIO_MAX} for name in found},
        "quiet": quiet,
        **found,
    }


def _finality(fleet: Fleet, seconds: float) -> dict[str, Any]:
    run = fleet.run(TPS, seconds)
    return quantiles(run.sent.finality_ms) | {
        "samples": len(run.sent.finality_ms),
        "refused": dict(sorted(run.sent.refused.items())),
        "others_share": round(run.others_share, 3),
    }


def _ratio(under: dict[str, Any], quiet: dict[str, Any]) -> float | None:
    return None if under["p99"] is None or not quiet["p99"] else round(under["p99"] / quiet["p99"], 2)


def peer_doors(fleet: Fleet) -> list[Door]:
    """Where validators listen for each other."""
    found = []
    for place in fleet.network.validators:
        settings = configuration.load(place.home.configuration).p2p
        found.append(("127.0.0.1", settings.port))
    return found


def rpc_doors(fleet: Fleet) -> list[Door]:
    """Where validators listen for callers."""
    urls = [urlsplit(place.url) for place in fleet.network.validators]
    return [(url.hostname or "", url.port or 0) for url in urls]


def request_for(address: str) -> bytes:
    """A whole HTTP request that asks for an account."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "account_get", "params": [address]}).encode()
    head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
    return f"{head}{len(body)}\r\n\r\n".encode() + body


@contextmanager
def besieged(doors: Sequence[Door], manner: Manner) -> Iterator[None]:
    """While this lasts a process holds a connection to each of these."""
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    process = context.Process(target=_besiege, args=(tuple(doors), manner, begun), daemon=True)
    process.start()
    try:
        assert begun.wait(60), "the besiegers did not come up"
        yield
        assert process.is_alive(), "the besiegers have gone: what was measured is no siege"
    finally:
        process.kill()
        process.join()


def _besiege(doors: Sequence[Door], manner: Manner, begun: Event) -> None:
    descriptors.claim()
    asyncio.run(_hold_all(doors, manner, begun))


async def _hold_all(doors: Sequence[Door], manner: Manner, begun: Event) -> None:
    async with asyncio.TaskGroup() as group:
        for index, door in enumerate(doors):
            group.create_task(_hold(door, f"127.0.0.{2 + index % ADDRESSES}", manner))
        await asyncio.sleep(1)
        begun.set()


async def _hold(door: Door, source: str, manner: Manner) -> None:
    """Connect, and again a second after each end."""
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(*door, local_addr=(source, 0))
            seconds = manner.byte_seconds
            sending = None if seconds is None else asyncio.create_task(_drip(writer, seconds))
            with suppress(OSError, EOFError):
                while manner.request:
                    await _ask(reader, writer, manner.request)
                await reader.read()
            if sending is not None:
                sending.cancel()
            writer.close()
        await asyncio.sleep(1)


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    """One question and the whole answer."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))


async def _drip(writer: asyncio.StreamWriter, byte_seconds: float) -> None:
    for index in range(len(REQUEST)):
        writer.write(REQUEST[index : index + 1])
        await asyncio.sleep(byte_seconds)
