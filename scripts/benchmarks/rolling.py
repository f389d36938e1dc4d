"""A rolling restart: all validators, one after the other, stopped and started under load, as for an upgrade.

Clients send at a steady rate, each batch to the validators by turns; who finds a node down, or is asked to wait, sends
the same bytes to the next one. A transaction that a node has taken is never sent again, so one that a restart drops is
lost, and counted: the chain's own lists of ids are compared with what was taken. How long the chain stops is seen from
outside, by who asks the nodes for their height every LOOK_SECONDS; the times in the blocks' headers say it a second
time.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp

from node import devnet
from node.devnet import Place
from rpc import submissions
from rpc.client import SyncClient
from rpc.errors import RpcError
from scripts.benchmarks import network
from scripts.benchmarks.fleet import Fleet, quantiles, running
from scripts.benchmarks.processes import Others
from scripts.benchmarks.progress import Progress
from state.transaction import Transaction

TPS = 500.0
ACCOUNTS = 1_000
BATCHES_PER_SECOND = 50
LOOK_SECONDS = 0.04
PAUSE_SECONDS = 2.0
"""Before the first restart, between two, and after the last: an operator looks before going on."""
READY_SECONDS_MAX = 120.0
SETTLE_SECONDS_MAX = 60.0
TRY_SECONDS = 0.02
"""Between two tries of a client whom no node takes."""
WAIT_CODES = ("busy", "full")
"""Refusals that ask for the same bytes later."""
STOP_MS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What the chain says of a block."""

    time_ms: int
    view: int
    """In which it was decided: so many primaries missed their turn before."""


@dataclass(slots=True)
class Record:
    """What clients and onlookers have seen."""

    taken: set[bytes] = field(default_factory=set)
    """Ids that a node has answered for."""
    refused: dict[str, int] = field(default_factory=dict)
    unreachable: int = 0
    """How often a client found a node down, or was cut off."""
    busy: int = 0
    """How often a node asked for a transaction to be sent again later."""
    heights: list[tuple[float, int]] = field(default_factory=list)
    """When a new highest height was seen, and which; by the monotonic clock."""
    sent: dict[bytes, float] = field(default_factory=dict)
    """When one of each batch left."""
    is_over: bool = False


def measure(progress: Progress, tps: float = TPS, pause_seconds: float = PAUSE_SECONDS) -> dict[str, Any]:
    """The figures."""
    plan = network.Plan(accounts=(ACCOUNTS,))
    with tempfile.TemporaryDirectory(prefix="hansa-rolling-") as directory:
        made = network.make_network(Path(directory) / "network", plan, ACCOUNTS, progress)
        with running(made, ACCOUNTS, progress) as fleet:
            fleet.run(tps, min(5.0, 2 * pause_seconds))
            fleet.drain()
            return asyncio.run(_roll(fleet, tps, pause_seconds, progress))


async def _roll(fleet: Fleet, tps: float, pause_seconds: float, progress: Progress) -> dict[str, Any]:
    validators = fleet.network.validators
    record, others = Record(), Others(lambda: [pid for place in validators for pid in _pids(place)])
    first_height = await asyncio.to_thread(_height, validators[0])
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10), connector=connector) as session:
        tasks = [
            asyncio.create_task(_offer(fleet, session, record, tps)),
            asyncio.create_task(_watch(session, validators, record)),
        ]
        await asyncio.sleep(pause_seconds)
        restarts = []
        for place in validators:
            restarts.append(await _restart(place, progress))
            await asyncio.sleep(pause_seconds)
        record.is_over = True
        for task in tasks:
            await task
    share = others.share()
    final, blocks = await asyncio.to_thread(_on_chain, validators[0], first_height, record, progress)
    gaps_ms = [after.time_ms - before.time_ms for before, after in pairwise(blocks)]
    stops = _stops(record.heights)
    return {
        "figures": {"lost": len(record.taken - final), "longest_stop_ms": max(stops.values(), default=None)},
        "targets": {"lost": {"most": 0}, "longest_stop_ms": {"most": STOP_MS_MAX}},
        "longest_stop_ms_by_block_times": max(gaps_ms, default=None),
        "offered_tps": tps,
        "taken": len(record.taken),
        "final": len(final),
        "refused": dict(sorted(record.refused.items())),
        "found_down": record.unreachable,
        "asked_to_wait": record.busy,
        "missed_turns": sum(block.view for block in blocks),
        "stops_ms": quantiles(list(stops.values())),
        "restarts": [
            restart | {"longest_stop_ms": max((ms for at, ms in stops.items() if began <= at <= ended), default=None)}
            for restart, began, ended in restarts
        ],
        "machine": {"others_share": round(share, 3)},
    }


async def _restart(place: Place, progress: Progress) -> tuple[dict[str, Any], float, float]:
    """Stop and start one validator; what it took, and from when to when."""
    progress(f"restarting {place.member}")
    began = time.monotonic()
    await asyncio.to_thread(devnet.stop, [place])
    stopped = time.monotonic()
    devnet.start(place)
    await asyncio.to_thread(devnet.await_ready, [place], READY_SECONDS_MAX)
    ended = time.monotonic()
    figures = {
        "member": place.member,
        "stop_seconds": round(stopped - began, 2),
        "ready_seconds": round(ended - stopped, 2),
    }
    return figures, began, ended + PAUSE_SECONDS


async def _offer(fleet: Fleet, session: aiohttp.ClientSession, record: Record, tps: float) -> None:
    """Send batches at their times until it is over, then wait until each is answered for."""
    size = max(1, round(tps / BATCHES_PER_SECOND))
    urls = [place.url for place in fleet.network.validators]
    tasks: set[asyncio.Task[None]] = set()
    began, number, batch_seconds = time.monotonic(), 0, size / tps
    seed = time.time_ns() & 0xFFFFFFFF
    while not record.is_over:
        now_ms = time.time_ns() // 1_000_000
        payments = list(fleet.network.payments(fleet.accounts, size, seed + number, now_ms))
        await asyncio.sleep(max(0.0, began + number * batch_seconds - time.monotonic()))
        task = asyncio.create_task(_submit(session, urls, number, payments, record))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        number += 1
    while tasks:
        await asyncio.wait(tasks)


async def _submit(
    session: aiohttp.ClientSession, urls: Sequence[str], number: int, payments: Sequence[Transaction], record: Record
) -> None:
    """Have one batch taken by whichever node is up; what a node has no room for now is sent again, as it asks for."""
    waiting = list(payments)
    headers = {"content-type": submissions.CONTENT_TYPE}
    record.sent[payments[0].id] = time.monotonic()
    for turn in range(int(READY_SECONDS_MAX / TRY_SECONDS)):
        url = urls[(number + turn) % len(urls)] + submissions.PATH
        try:
            body = submissions.encode_transactions([item.encoded for item in waiting])
            async with session.post(url, data=body, headers=headers) as response:
                if response.status == 200:
                    waiting = _judge(waiting, submissions.decode_results(await response.read(), len(waiting)), record)
        except (aiohttp.ClientError, TimeoutError, OSError):
            record.unreachable += 1
        if not waiting:
            return
        await asyncio.sleep(TRY_SECONDS if turn >= len(urls) else 0)
    record.refused["never taken"] = record.refused.get("never taken", 0) + len(waiting)


def _judge(sent: Sequence[Transaction], results: Sequence[object], record: Record) -> list[Transaction]:
    """Note what was taken and what was refused for good; gives what is worth sending again."""
    again = []
    for item, result in zip(sent, results, strict=True):
        if not isinstance(result, RpcError):
            record.taken.add(item.id)
        elif result.code in WAIT_CODES:
            record.busy += 1
            again.append(item)
        else:
            record.refused[result.code] = record.refused.get(result.code, 0) + 1
    return again


async def _watch(session: aiohttp.ClientSession, places: Sequence[Place], record: Record) -> None:
    """Ask every node for its height, again and again."""
    call = {"jsonrpc": "2.0", "id": 0, "method": "node_status", "params": {}}
    highest = 0

    async def ask(place: Place) -> int:
        with suppress(aiohttp.ClientError, TimeoutError, OSError, KeyError, ValueError):
            async with session.post(place.url, json=call, timeout=aiohttp.ClientTimeout(total=2)) as response:
                return int((await response.json())["result"]["height"])
        return 0

    while not record.is_over:
        for asked in asyncio.as_completed([ask(place) for place in places]):
            height = await asked
            if height > highest:
                highest = height
                record.heights.append((time.monotonic(), height))
        await asyncio.sleep(LOOK_SECONDS)


def _stops(heights: Sequence[tuple[float, int]]) -> dict[float, int]:
    """When each wait for a new height ended, and how long it was, ms."""
    return {after[0]: round((after[0] - before[0]) * 1000) for before, after in pairwise(heights)}


def _on_chain(place: Place, first_height: int, record: Record, progress: Progress) -> tuple[set[bytes], list[Seen]]:
    """Ids that are final at a node above a height, once all that was taken is; and the blocks that list any."""
    progress("reading what is final")
    final: set[bytes] = set()
    blocks: list[Seen] = []
    height, deadline = first_height, time.monotonic() + SETTLE_SECONDS_MAX
    with SyncClient([place.url]) as client:
        while not record.taken <= final and time.monotonic() < deadline:
            newest = int(client.node_status().height)
            for number in range(height + 1, newest + 1):
                block = client.chain_block(number)
                final |= {bytes.fromhex(identity[2:]) for identity in block.transactions}
                if block.transactions:
                    blocks.append(Seen(int(block.block_time_ms), int(block.certificate.view)))
            if newest == height:
                time.sleep(LOOK_SECONDS)
            height = newest
    return final, blocks


def _height(place: Place) -> int:
    with SyncClient([place.url]) as client:
        return int(client.node_status().height)


def _pids(place: Place) -> list[int]:
    pid = devnet.pid_of(place)
    return [] if pid is None else [pid]
