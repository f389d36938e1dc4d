"""Verification in processes of their own, for machines with cores to spare; ``node.runtime`` has the one inline.

Measured: threads beside a busy loop verified 0.4–3.4k signatures a second, a process fed by a socket 12.7–14.8k.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from socket import socketpair

from node.execution_channel import scrubbed_environment
from node.seams import Event, Failed, Verified
from node.verification_worker import HEADER, ITEMS_MAX
from state.errors import Corrupt
from state.transaction import Transaction

CLOSE_SECONDS_MAX = 2.0


@dataclass(slots=True)
class _Batch:
    """One call of ``verify``: its answer is posted when all of it, and all before it, is there."""

    token: int
    transactions: Sequence[Transaction]
    answers: bytearray
    """One byte a signature; filled in as processes answer."""
    missing: int


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What one process was asked at once: a run of a batch's signatures."""

    batch: _Batch
    start: int
    count: int


class ProcessVerifier:
    """Implements ``node.seams.Verifier`` by a number of processes."""

    def __init__(self, post: Callable[[Event], None]) -> None:
        """Use ``start``."""
        self._post = post
        self._workers: list[_Worker] = []
        self._batches: deque[_Batch] = deque()
        self.signature_count = 0
        """Signatures checked since the start."""

    @classmethod
    async def start(cls, count: int, post: Callable[[Event], None]) -> "ProcessVerifier":
        """Start so many processes."""
        verifier = cls(post)
        for _ in range(count):
            verifier._workers.append(await _Worker.start(verifier._answered, verifier._failed))
        return verifier

    def verify(self, token: int, transactions: Sequence[Transaction]) -> None:
        """See ``node.seams.Verifier``. What waits here is bounded by who asks (``node.admission.VERIFYING_MAX``)."""
        items = [
            transaction.id + public + signature
            for transaction in transactions
            for (_, public), signature in zip(transaction.body.keys, transaction.signatures, strict=True)
        ]
        batch = _Batch(token, transactions, bytearray(len(items)), len(items))
        self._batches.append(batch)
        for start in range(0, len(items), ITEMS_MAX):
            chosen = items[start : start + ITEMS_MAX]
            worker = min(self._workers, key=lambda worker: worker.waiting_count)
            worker.ask(_Chunk(batch, start, len(chosen)), b"".join(chosen))
        self._hand_out()

    async def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            await worker.close()

    def _answered(self, chunk: _Chunk, answers: bytes) -> None:
        chunk.batch.answers[chunk.start : chunk.start + chunk.count] = answers
        chunk.batch.missing -= chunk.count
        self.signature_count += chunk.count
        self._hand_out()

    def _hand_out(self) -> None:
        while self._batches and not self._batches[0].missing:
            batch = self._batches.popleft()
            valid, at = [], 0
            for transaction in batch.transactions:
                end = at + len(transaction.signatures)
                valid.append(all(answer == 1 for answer in batch.answers[at:end]))
                at = end
            self._post(Verified(batch.token, tuple(valid)))

    def _failed(self) -> None:
        self._post(Failed(Corrupt("A verification process has ended. Start the node again: it recovers by itself.")))


class _Worker(asyncio.Protocol):
    """One process and what it was asked."""

    def __init__(self, answered: Callable[[_Chunk, bytes], None], failed: Callable[[], None]) -> None:
        self._answered = answered
        self._failed = failed
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._asked: deque[_Chunk] = deque()
        self._buffer = bytearray()
        self._is_closing = False
        self.waiting_count = 0
        """Signatures that it has not answered for."""

    @classmethod
    async def start(cls, answered: Callable[[_Chunk, bytes], None], failed: Callable[[], None]) -> "_Worker":
        worker = cls(answered, failed)
        ours, theirs = socketpair()
        with theirs:
            worker._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-s", "-m", "node.verification_worker"),
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
                cwd="/",
                env=scrubbed_environment(),
            )
        await asyncio.get_running_loop().create_unix_connection(lambda: worker, sock=ours)
        return worker

    def ask(self, chunk: _Chunk, items: bytes) -> None:
        """Have a chunk's signatures checked; ``answered`` is called with the chunk."""
        if self._transport is None or self._is_closing:
            return
        self._asked.append(chunk)
        self.waiting_count += chunk.count
        self._transport.write(HEADER.pack(len(items)) + items)

    async def close(self) -> None:
        """End the process."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), CLOSE_SECONDS_MAX)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Answers come in the order of the questions."""
        self._buffer += data
        while self._asked and len(self._buffer) >= self._asked[0].count:
            chunk = self._asked.popleft()
            answers = bytes(self._buffer[: chunk.count])
            del self._buffer[: chunk.count]
            self.waiting_count -= chunk.count
            self._answered(chunk, answers)

    def connection_lost(self, exc: Exception | None) -> None:
        """The process is gone."""
        if not self._is_closing:
            self._is_closing = True
            self._failed()
