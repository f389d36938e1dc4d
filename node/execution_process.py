"""The execution process, as the main process sees it: fed with blocks and questions, started again when it dies, ended.

What it answers is decoded as strictly as what a peer says; when it fails or lies, the node ends. When it dies, another
one is started, opens the state where the last one left it, and is asked again what was not answered; a block that was
executed already is answered from its records. ``node.execution_deaths`` says when that has happened too often.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from node import facts
from node.execution_channel import Channel
from node.execution_deaths import Deaths
from node.execution_frames import CONFINE, EXECUTE, FAILURE_CHARS_MAX, OPEN, Confined, Opened, Place, Status, frame
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

logger = logging.getLogger("hansa.node")

Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Asked:
    """A request under way; replies come in order."""

    operation: str
    arguments: Value
    answer: type
    future: asyncio.Future[object] | None
    """None for a block whose outcome is posted."""
    block: Block | None = None
    """What is executed; None for a question."""
    is_read: bool = False
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A read that has not been sent to the process yet."""

    operation: str
    arguments: Value
    answer: type
    future: asyncio.Future[object]


class ProcessExecution:
    """Execution in a process of its own."""

    def __init__(self, place: Place, post: Callable[[Event], None]) -> None:
        """Use ``start``."""
        self.opened = Opened(0, b"", b"", None)
        """Where the world state stood at the start."""
        self._place = place
        self._post = post
        self._channel: Channel | None = None
        self._is_open = False
        """Whether there is a process that has the state open."""
        self._asked: deque[_Asked] = deque()
        self._pending: deque[_Asked] = deque()
        """What waits for a process."""
        self._sequence = 0
        self._reads: deque[_Waiting] = deque()
        self._reads_sent = 0
        self._failure: Corrupt | None = None
        self._closing = False
        self._deaths = Deaths()
        self._restarting: asyncio.Task[None] | None = None

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
            execution = cls(place, post)
            try:
                execution.opened = await execution._launch()
            except Corrupt as failure:
                if IN_USE not in str(failure) or loop.time() >= until:
                    raise
            else:
                return execution
            await asyncio.sleep(IN_USE_PAUSE_SECONDS)

    @property
    def process_id(self) -> int:
        """Of the process as it is now; 0 while there is none."""
        return 0 if self._channel is None else self._channel.process_id

    @property
    def death_count(self) -> int:
        """How often the process has died."""
        return self._deaths.count

    def adopt(self, channel: Channel) -> None:
        """Ask that process from now on, first what waits."""
        self._channel = channel
        self._is_open = True
        while self._pending:
            asked = self._pending.popleft()
            try:
                self._put(asked)
            except Invalid as error:
                assert asked.future is not None, "no block is too large to be sent"
                self._reads_sent -= asked.is_read
                if not asked.future.done():
                    asked.future.set_exception(error)

    def execute(self, block: Block, transactions: Sequence[Transaction]) -> None:
        """See ``node.seams.Execution``. How many may be under way is bounded by the chain's execution lag."""
        self._send(_Asked(EXECUTE, _block_arguments(block, transactions), Executed, None, block))

    async def replay(self, block: Block, transactions: Sequence[Transaction]) -> Executed:
        """Execute a block of the chain before agreement begins. :raises Corrupt: the process has failed."""
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        try:
            self._send(_Asked(EXECUTE, _block_arguments(block, transactions), Executed, future, block))
            found = await future
        except Invalid as error:
            raise self._failure or Corrupt(f"the execution process has ended: {error}") from error
        assert isinstance(found, Executed)
        return found

    async def read(self, read: Read[Answer], *arguments: Value) -> Answer:
        """See ``Reader``."""
        if len(self._reads) + self._reads_sent >= READS_WAITING_MAX:
            raise Invalid(Reason.FULL, "the node is answering as many questions as it can; ask again in a moment")
        self._deaths.check_question(read.name, arguments)
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._reads.append(_Waiting(read.name, arguments, read.answer, future))
        self._send_reads()
        found = await future
        assert isinstance(found, read.answer)
        return found

    async def close(self) -> None:
        """End the process, once it has answered what was asked before. It gives its files back by itself."""
        self._closing = True
        if self._restarting is not None:
            self._restarting.cancel()
            await asyncio.gather(self._restarting, return_exceptions=True)
        self._send_reads()
        if self._channel is not None:
            await self._channel.close()

    # ------------------------------------------------------------------------------------------- its life and death

    async def _launch(self) -> Opened:
        """Start a process, confine it and have it open the state. :raises Corrupt: it can't."""
        channel = Channel(self._answered, self._lied, self._lost)
        self._channel = channel
        try:
            await channel.start()
            confined = await self._ask(CONFINE, self._place.state_directory, Confined)
            opened = await self._ask(OPEN, facts.to_value(self._place), Opened)
        except Invalid as error:
            await channel.kill()
            refused = Corrupt(f"the execution process refused to open the state: {error}")
            raise self._failure or refused from error
        except asyncio.CancelledError:
            await channel.kill()
            raise
        if confined.missing:
            missing = {"missing": "; ".join(confined.missing)}
            logger.warning("this kernel does not confine the execution process fully", extra={"facts": missing})
        else:
            logger.info("the execution process is confined", extra={"facts": {"process": channel.process_id}})
        self.adopt(channel)
        return opened

    def _lost(self, channel: Channel) -> None:
        """A process is gone."""
        if self._failure is not None or channel is not self._channel:
            return
        if self._closing or not self._is_open:
            ended = "The execution process has ended before it had opened the state."
            self._fail(Corrupt(f"{ended} Start the node again: it recovers by itself."))
            return
        self._is_open = False
        self._pending.extendleft(reversed(self._asked))
        self._asked.clear()
        self._restarting = asyncio.get_running_loop().create_task(self._restart(channel), name="restarting execution")

    async def _restart(self, dead: Channel) -> None:
        """Find out what the process died of, and go on with another one."""
        how = await dead.ended()
        try:
            self._account(dead, how)
            await self._launch()
        except Corrupt as failure:
            self._fail(failure)
        finally:
            dead.hang_up()

    def _account(self, dead: Channel, how: str) -> None:
        """Note a death. :raises Corrupt: there have been enough. :raises Killed: of this transaction."""
        self._deaths.add(how, asyncio.get_running_loop().time())
        first = self._pending[0] if self._pending else None
        doing = "nothing"
        if first is not None and first.block is not None:
            doing = self._deaths.at_block(first.block, dead.mark(), how)
        elif first is not None:
            doing = f"a question ({first.operation})"
            self._deaths.at_question(first.operation, first.arguments)
            self._pending.popleft()
            self._reads_sent -= first.is_read
            if first.future is not None and not first.future.done():
                died = "the execution process died while it answered this; ask again"
                first.future.set_exception(Invalid(Reason.UNAVAILABLE, died))
        told = {"how": how, "doing": doing}
        logger.error("the execution process has died and is started again", extra={"facts": told})

    # ----------------------------------------------------------------------------------------- requests and replies

    async def _ask(self, operation: str, arguments: Value, answer: type[Answer]) -> Answer:
        """Ask a process that has not opened the state yet."""
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._put(_Asked(operation, arguments, answer, future))
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
                self._send(_Asked(waiting.operation, waiting.arguments, waiting.answer, waiting.future, is_read=True))
            except Invalid as error:
                waiting.future.set_exception(error)

    def _send(self, asked: _Asked) -> None:
        """:raises Invalid: TOO_LARGE, and nothing is sent."""
        if self._closing or self._failure is not None:
            if asked.future is not None:
                asked.future.set_exception(Invalid(Reason.UNAVAILABLE, "the node is stopping"))
            return
        if self._is_open:
            self._put(asked)
        else:
            self._pending.append(asked)
        self._reads_sent += asked.is_read

    def _put(self, asked: _Asked) -> None:
        """To the process. :raises Invalid: TOO_LARGE, and nothing is sent."""
        request = frame(self._sequence + 1, asked.operation, asked.arguments)
        self._sequence += 1
        asked.sequence = self._sequence
        self._asked.append(asked)
        assert self._channel is not None
        self._channel.send(request)

    def _answered(self, sequence: int, status: Status, value: Value) -> None:
        """:raises Invalid: MALFORMED, for a reply that answers nothing that was asked."""
        if status is Status.FAILED:
            self._fail(Corrupt(codec.text(value)[:FAILURE_CHARS_MAX]))
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

    def _lied(self, sentence: str) -> None:
        self._fail(Corrupt(sentence))

    def _fail(self, failure: Corrupt) -> None:
        """The process can't be believed, or gone on with: nothing that was asked is answered, and the node ends."""
        if self._failure is not None:
            return
        self._failure = failure
        was_open, self._is_open = self._is_open or self._restarting is not None, False
        asked = [*self._asked, *self._pending]
        futures = [item.future for item in asked] + [waiting.future for waiting in self._reads]
        for queue in (self._asked, self._pending, self._reads):
            queue.clear()
        for future in futures:
            if future is not None and not future.done():
                future.set_exception(Invalid(Reason.UNAVAILABLE, "the node is stopping"))
        if self._channel is not None:
            self._channel.hang_up()
        if was_open and not self._closing:
            self._post(Failed(failure))


def _block_arguments(block: Block, transactions: Sequence[Transaction]) -> Value:
    return [block.to_value(), [transaction.encoded for transaction in transactions]]


def _refusal(value: Value) -> Invalid:
    reason, detail = codec.fields(value, str, str)
    try:
        return Invalid(Reason(codec.text(reason)), codec.text(detail))
    except ValueError:
        raise Invalid(Reason.MALFORMED, "a refusal for no known reason") from None
