"""The execution process, as the main process sees it: started, fed with blocks and questions, ended.

It gets one socket, an empty environment and the name of one directory. What it answers is decoded as strictly as
what a peer says; when it fails, lies or dies, the node ends.
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import socketpair
from typing import TypeVar

import node
from node import facts
from node.execution_frames import (
    EXECUTE,
    FAILURE_CHARS_MAX,
    FRAME_BYTES_MAX,
    HEADER,
    OPEN,
    Opened,
    Place,
    Status,
    frame,
    read_reply,
)
from node.reads import Read
from node.seams import Event, Executed, Failed
from state import codec
from state.block import Block
from state.codec import Value
from state.errors import Corrupt, Invalid, Reason
from state.store import IN_USE
from state.transaction import Transaction

READS_WAITING_MAX = 1_024
"""Reads that wait for the execution process; more are refused."""

READS_AT_ONCE = 2
"""Reads that the process is given at once. A block waits for these and no others: a dry run may take a second, and a
thousand of them before a block would keep this node from voting."""

IN_USE_SECONDS_MAX = 10.0
"""How long a start waits for the state: of a node that was killed, the execution process ends once its block is done.
(No other node can have it: the home's lock is held.)"""

IN_USE_PAUSE_SECONDS = 0.2

CLOSE_SECONDS_MAX = 10.0
"""How long the process may take to finish its block and give its files back."""

Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Asked:
    """A request under way; replies come in order."""

    sequence: int
    answer: type
    future: asyncio.Future[object] | None
    """None for a block whose outcome is posted."""
    is_read: bool = False


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A read that has not been sent to the process yet."""

    operation: str
    arguments: Value
    answer: type
    future: asyncio.Future[object]


class ProcessExecution(asyncio.Protocol):
    """Execution in a process of its own."""

    def __init__(self, post: Callable[[Event], None]) -> None:
        """Use ``start``."""
        self.opened = Opened(0, b"", b"", None)
        """Where the world state stood at the start."""
        self.process_id = 0
        self._post = post
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = bytearray()
        self._asked: deque[_Asked] = deque()
        self._sequence = 0
        self._reads: deque[_Waiting] = deque()
        self._reads_sent = 0
        self._failure = ""
        self._closing = False
        self._ended = asyncio.get_running_loop().create_future()

    @classmethod
    async def start(
        cls, place: Place, post: Callable[[Event], None], in_use_seconds_max: float = IN_USE_SECONDS_MAX
    ) -> "ProcessExecution":
        """Start the process and have it open the world state; a new one begins with genesis.

        :raises Corrupt: the world state can't be opened; the message says why and what to do.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + in_use_seconds_max
        while True:
            try:
                return await cls._start_once(place, post)
            except Corrupt as failure:
                if IN_USE not in str(failure) or loop.time() >= until:
                    raise
            await asyncio.sleep(IN_USE_PAUSE_SECONDS)

    @classmethod
    async def _start_once(cls, place: Place, post: Callable[[Event], None]) -> "ProcessExecution":
        execution = cls(lambda _: None)  # Until the state is open, what fails is told by what this raises.
        ours, theirs = socketpair()
        with theirs:
            execution._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-s", "-m", "node.execution_worker"),
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
                cwd="/",
                env=scrubbed_environment(),
            )
        execution.process_id = execution._process.pid
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: execution, sock=ours)
        try:
            execution.opened = await execution._ask(OPEN, facts.to_value(place), Opened)
        except Invalid as error:
            await execution.close()
            raise Corrupt(execution._failure or f"the execution process refused to open the state: {error}") from error
        execution._post = post
        return execution

    def execute(self, block: Block, transactions: Sequence[Transaction]) -> None:
        """See ``node.seams.Execution``. How many may be under way is bounded by the chain's execution lag."""
        self._send(EXECUTE, _block_arguments(block, transactions), Executed, None)

    async def replay(self, block: Block, transactions: Sequence[Transaction]) -> Executed:
        """Execute a block of the chain before agreement begins. :raises Corrupt: the process has failed."""
        try:
            return await self._ask(EXECUTE, _block_arguments(block, transactions), Executed)
        except Invalid as error:
            raise Corrupt(self._failure or f"the execution process has ended: {error}") from error

    async def read(self, read: Read[Answer], *arguments: Value) -> Answer:
        """See ``Reader``."""
        if len(self._reads) + self._reads_sent >= READS_WAITING_MAX:
            raise Invalid(Reason.FULL, "the node is answering as many questions as it can; ask again in a moment")
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._reads.append(_Waiting(read.name, arguments, read.answer, future))
        self._send_reads()
        found = await future
        assert isinstance(found, read.answer)
        return found

    async def close(self) -> None:
        """End the process, once it has answered what was asked before. It gives its files back by itself."""
        self._closing = True
        self._send_reads()
        if self._transport is not None and not self._transport.is_closing():
            if self._transport.can_write_eof():
                self._transport.write_eof()
            else:  # pragma: no cover — both loops can
                self._transport.close()
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), CLOSE_SECONDS_MAX)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._transport is not None:
            self._transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready."""
        assert isinstance(transport, asyncio.WriteTransport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Take whole frames out of what has come."""
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            size = HEADER.unpack_from(self._buffer)[0]
            if size > FRAME_BYTES_MAX:
                self._fail("The execution process sent a message larger than any answer.")
                return
            end = HEADER.size + size
            if len(self._buffer) < end:
                return
            reply = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            try:
                self._answered(*read_reply(reply))
            except Invalid as error:
                self._fail(f"The execution process sent what is no answer to what was asked ({error}).")
                return

    def connection_lost(self, exc: Exception | None) -> None:
        """The process is gone."""
        self._fail("The execution process has ended.")

    # Requests and replies

    async def _ask(self, operation: str, arguments: Value, answer: type[Answer]) -> Answer:
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._send(operation, arguments, answer, future)
        found = await future
        assert isinstance(found, answer)
        return found

    def _send_reads(self) -> None:
        """Give the process its next reads, but those whose askers have gone."""
        while self._reads and (self._reads_sent < READS_AT_ONCE or self._closing):
            waiting = self._reads.popleft()
            if waiting.future.done():
                continue
            try:
                self._send(waiting.operation, waiting.arguments, waiting.answer, waiting.future, is_read=True)
            except Invalid as error:
                waiting.future.set_exception(error)

    def _send(
        self,
        operation: str,
        arguments: Value,
        answer: type,
        future: asyncio.Future[object] | None,
        *,
        is_read: bool = False,
    ) -> None:
        """:raises Invalid: TOO_LARGE, and nothing is sent."""
        if self._closing or self._failure or self._transport is None:
            if future is not None:
                future.set_exception(Invalid(Reason.UNAVAILABLE, "the node is stopping"))
            return
        request = frame(self._sequence + 1, operation, arguments)
        self._sequence += 1
        self._reads_sent += is_read
        self._asked.append(_Asked(self._sequence, answer, future, is_read))
        self._transport.write(request)

    def _answered(self, sequence: int, status: Status, value: Value) -> None:
        """:raises Invalid: MALFORMED, for a reply that answers nothing that was asked."""
        if status is Status.FAILED:
            self._fail(codec.text(value)[:FAILURE_CHARS_MAX])
            return
        if not self._asked or self._asked[0].sequence != sequence:
            raise Invalid(Reason.MALFORMED, "an answer out of turn")
        asked = self._asked[0]
        if status is Status.REFUSED:
            refusal = _refusal(value)
            if asked.future is None:
                raise Invalid(Reason.MALFORMED, f"a decided block was refused: {refusal}")
            self._taken(asked)
            if not asked.future.done():
                asked.future.set_exception(refusal)
            return
        found: object = facts.from_value(asked.answer, value)
        self._taken(asked)
        if asked.future is None:
            assert isinstance(found, Executed)
            self._post(found)
        elif not asked.future.done():
            asked.future.set_result(found)

    def _taken(self, asked: _Asked) -> None:
        """The oldest request is answered."""
        self._asked.popleft()
        self._reads_sent -= asked.is_read
        self._send_reads()

    def _fail(self, reason: str) -> None:
        """The process can't be believed, or is gone: nothing that was asked is answered, and the node ends."""
        if self._failure:
            return
        self._failure = reason
        futures = [asked.future for asked in self._asked] + [waiting.future for waiting in self._reads]
        self._asked.clear()
        self._reads.clear()
        for future in futures:
            if future is not None and not future.done():
                future.set_exception(Invalid(Reason.UNAVAILABLE, "the node is stopping"))
        if self._transport is not None:
            self._transport.close()
        if not self._closing:
            self._post(Failed(Corrupt(self._failure)))


def _block_arguments(block: Block, transactions: Sequence[Transaction]) -> Value:
    return [block.to_value(), [transaction.encoded for transaction in transactions]]


def _refusal(value: Value) -> Invalid:
    reason, detail = codec.fields(value, str, str)
    try:
        return Invalid(Reason(codec.text(reason)), codec.text(detail))
    except ValueError:
        raise Invalid(Reason.MALFORMED, "a refusal for no known reason") from None


def scrubbed_environment() -> dict[str, str]:
    """All that the execution process sees of the environment: where Hansa's own packages are."""
    root = str(Path(node.__file__).resolve().parent.parent)
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {"PYTHONPATH": root, "PYTHONUTF8": "1", **kept}
