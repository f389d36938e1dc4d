"""The load generator: an open loop of JSON-RPC batches, spread over the validators by turns.

Open means that the next batch leaves when its time has come, whether earlier ones are answered or not, as clients
do who know nothing of each other. Finality is measured from sending a batch to ``tx_wait`` answering that its first
transaction is final, for every SAMPLED-th batch.
"""

import asyncio
import gc
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

SAMPLED = 1
WAIT_MS = 30_000
UNANSWERED_MAX = 400
"""Batches under way; beyond it the loop sends no more and counts what it left out."""


@dataclass(slots=True)
class Sent:
    """What became of a load."""

    accepted: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    left_out: int = 0
    """Batches that were not sent because too many were under way."""
    finality_ms: list[float] = field(default_factory=list)


async def offer(
    urls: Sequence[str], batches: Sequence[tuple[bytes, bytes]], batches_per_second: float, *, sample: bool
) -> Sent:
    """Send all batches at that rate."""
    sent = Sent()
    timeout = aiohttp.ClientTimeout(total=60)
    connector = aiohttp.TCPConnector(limit=0)
    tasks: set[asyncio.Task[None]] = set()
    gc.collect()
    gc.freeze()  # A walk over all signed transfers would stall this clock, not the nodes'.
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        started = time.perf_counter()
        for index, (first_id, body) in enumerate(batches):
            wait = started + index / batches_per_second - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            if len(tasks) >= UNANSWERED_MAX:
                sent.left_out += 1
                continue
            sampled = first_id if sample and index % SAMPLED == 0 else None
            task = asyncio.create_task(_submit(session, urls[index % len(urls)], body, sampled, sent))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        while tasks:
            await asyncio.wait(tasks)
    return sent


async def _submit(session: aiohttp.ClientSession, url: str, body: bytes, sampled: bytes | None, sent: Sent) -> None:
    began = time.perf_counter()
    try:
        for answer in json.loads(await _post(session, url, body)):
            if "error" in answer:
                code = str(answer["error"].get("data", {}).get("code", answer["error"]["code"]))
                sent.refused[code] = sent.refused.get(code, 0) + 1
            else:
                sent.accepted += 1
        if sampled is not None:
            call = {"jsonrpc": "2.0", "id": 0, "method": "tx_wait", "params": ["0x" + sampled.hex(), str(WAIT_MS)]}
            answer = json.loads(await _post(session, url, json.dumps(call).encode()))
            if answer.get("result", {}).get("status") == "final":
                sent.finality_ms.append((time.perf_counter() - began) * 1000)
    except (aiohttp.ClientError, TimeoutError, OSError):
        sent.refused["unreachable"] = sent.refused.get("unreachable", 0) + 1


async def _post(session: aiohttp.ClientSession, url: str, body: bytes) -> bytes:
    async with session.post(url, data=body, headers={"content-type": "application/json"}) as response:
        return await response.read()
