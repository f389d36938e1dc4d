"""The load generator: an open loop of batches, spread over the validators by turns.

Every batch has its time before the first one leaves, and leaves at that time whether earlier ones are answered or
not, as clients do who know nothing of each other. Finality is measured from that time, not from when the generator
came round to sending, so that a stall anywhere, here too, counts as waiting (no coordinated omission). What was
refused, lost or not final within WAIT_MS counts as infinitely late.

A batch is one binary body, or one JSON-RPC request with many ``tx_submit``. One of its transactions, not always the
first, is watched by ``tx_wait`` until it is final.
"""

import asyncio
import gc
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random

import aiohttp

from rpc import submissions
from rpc.errors import RpcError
from state.transaction import Transaction

BATCHES_PER_SECOND = 100
"""Requests a second at any rate; a batch is as large as that makes it."""

WAIT_MS = 30_000
"""So long a watched transaction is waited for."""

UNANSWERED_MAX = 900
"""Batches under way; beyond it a batch counts as lost. A node takes 256 connections from one address."""

REQUEST_SECONDS_MAX = 60

JSON_TYPE = "application/json"


class Body(Enum):
    """How transactions travel."""

    BINARY = "binary"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Batch:
    """One request of the schedule."""

    due_seconds: float
    """When it leaves, from the start."""
    count: int
    kind: Body
    body: bytes
    watched: int | None
    """Index of the transaction whose finality is measured; None for none."""
    watched_id: bytes


@dataclass(slots=True)
class Sent:
    """What became of a load."""

    accepted: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """Transactions by the refusal's code; ``unreachable`` and ``left_out`` (too many requests under way) too."""
    finality_ms: list[float] = field(default_factory=list)
    """Of what was watched; infinity for what was not final in time."""
    accepted_ms: list[float] = field(default_factory=list)
    """The same of what the nodes have taken in: what was refused knows at once."""
    late_ms_max: float = 0.0
    """How far the generator itself fell behind its schedule; it is inside of every finality."""


def schedule(
    transactions: Sequence[Transaction], tps: float, watched_per_second: int, kind: Body = Body.BINARY
) -> list[Batch]:
    """The batches of an open loop of ``tps``, with their times."""
    size = max(1, round(tps / BATCHES_PER_SECOND))
    every = max(1, round(tps / size / watched_per_second)) if watched_per_second else 0
    chosen = Random(1)
    batches = []
    for index, start in enumerate(range(0, len(transactions), size)):
        group = transactions[start : start + size]
        place = chosen.randrange(len(group))
        watched = place if every and index % every == 0 else None
        batches.append(Batch(start / tps, len(group), kind, _encode(group, kind), watched, group[place].id))
    return batches


async def offer(urls: Sequence[str], batches: Sequence[Batch]) -> Sent:
    """Send every batch at its time; done when all are answered for."""
    sent = Sent()
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS_MAX)
    tasks: set[asyncio.Task[None]] = set()
    gc.collect()
    gc.freeze()  # A walk over all signed transfers would stall this clock, not the nodes'.
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        started = time.perf_counter()
        for index, batch in enumerate(batches):
            due = started + batch.due_seconds
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            if len(tasks) >= UNANSWERED_MAX:
                _lose(sent, "left_out", batch.count, batch)
                continue
            sent.late_ms_max = max(sent.late_ms_max, (time.perf_counter() - due) * 1000)
            task = asyncio.create_task(_submit(session, urls[index % len(urls)], batch, due, sent))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        while tasks:
            await asyncio.wait(tasks)
    gc.unfreeze()
    return sent


async def _submit(session: aiohttp.ClientSession, url: str, batch: Batch, due: float, sent: Sent) -> None:
    try:
        refusals = await _refusals(session, url, batch)
        for code in filter(None, refusals):
            sent.refused[code] = sent.refused.get(code, 0) + 1
        sent.accepted += refusals.count(None)
    except (aiohttp.ClientError, TimeoutError, OSError):
        _lose(sent, "unreachable", batch.count, batch)
        return
    if batch.watched is not None:
        is_taken = refusals[batch.watched] is None
        is_final = is_taken and await _await_final(session, url, batch.watched_id)
        sent.finality_ms.append((time.perf_counter() - due) * 1000 if is_final else float("inf"))
        if is_taken:
            sent.accepted_ms.append(sent.finality_ms[-1])


async def _refusals(session: aiohttp.ClientSession, url: str, batch: Batch) -> list[str | None]:
    """Why each transaction of a batch was not taken; None where it was."""
    if batch.kind is Body.BINARY:
        answer = await _post(session, url + submissions.PATH, batch.body, submissions.CONTENT_TYPE)
        results = submissions.decode_results(answer, batch.count)
        return [result.code if isinstance(result, RpcError) else None for result in results]
    refusals: list[str | None] = ["unanswered"] * batch.count
    for item in json.loads(await _post(session, url, batch.body)):
        error = item.get("error")
        refusals[item["id"]] = None if error is None else str(error.get("data", {}).get("code", error["code"]))
    return refusals


async def _await_final(session: aiohttp.ClientSession, url: str, identity: bytes) -> bool:
    call = {"jsonrpc": "2.0", "id": 0, "method": "tx_wait", "params": ["0x" + identity.hex(), str(WAIT_MS)]}
    try:
        answer = json.loads(await _post(session, url, json.dumps(call).encode()))
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
    return bool(answer.get("result", {}).get("status") == "final")


def _lose(sent: Sent, code: str, count: int, batch: Batch) -> None:
    sent.refused[code] = sent.refused.get(code, 0) + count
    if batch.watched is not None:
        sent.finality_ms.append(float("inf"))


async def _post(session: aiohttp.ClientSession, url: str, body: bytes, content_type: str = JSON_TYPE) -> bytes:
    async with session.post(url, data=body, headers={"content-type": content_type}) as response:
        if response.status != 200 and content_type != JSON_TYPE:
            raise aiohttp.ClientError(f"HTTP {response.status}")
        return await response.read()


def _encode(group: Sequence[Transaction], kind: Body) -> bytes:
    if kind is Body.BINARY:
        return submissions.encode_transactions([item.encoded for item in group])
    calls = [
        {"jsonrpc": "2.0", "id": index, "method": "tx_submit", "params": ["0x" + item.encoded.hex()]}
        for index, item in enumerate(group)
    ]
    return json.dumps(calls, separators=(",", ":")).encode()
