"""Notices: what the driver tells its listeners, and who waits for it.

One object hears everything that a node's clients may wait for: answers to submissions, decided transactions,
certificates. Each kind of waiting is bounded, and whoever waits gives up by a time of its own.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from consensus.events import Halt
from node.seams import Admission, Executed
from state.block import Block
from state.errors import Invalid, Reason

WAITERS_MAX = 16_384
"""Clients that wait for something, of each kind."""


class Waiters:
    """Futures by what they wait for."""

    def __init__(self) -> None:
        self._futures: dict[object, list[asyncio.Future[object]]] = {}
        self._count = 0

    def add(self, key: object) -> asyncio.Future[object]:
        """A future that ``resolve`` with this key completes. :raises Invalid: FULL."""
        if self._count >= WAITERS_MAX:
            raise Invalid(Reason.FULL, "too many clients are waiting at this node; ask again in a moment")
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._futures.setdefault(key, []).append(future)
        self._count += 1
        return future

    def remove(self, key: object, future: asyncio.Future[object]) -> None:
        """Its owner waits no longer."""
        futures = self._futures.get(key, [])
        if future in futures:
            futures.remove(future)
            self._count -= 1
            if not futures:
                del self._futures[key]

    def resolve(self, key: object, result: object = None) -> None:
        """What was waited for is there."""
        for future in self._futures.pop(key, ()):
            self._count -= 1
            if not future.done():
                future.set_result(result)

    async def wait(self, key: object, timeout_ms: int, is_there: Callable[[], bool] = lambda: False) -> bool:
        """Wait for a key; False at the timeout. :raises Invalid: FULL."""
        if is_there():
            return True
        future = self.add(key)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await future
        except TimeoutError:
            return False
        finally:
            self.remove(key, future)
        return True


class Notices:
    """The driver's listener.

    :param halted: called when the node must stop, with why.
    """

    def __init__(self, logger: logging.Logger, halted: Callable[[Halt], None]) -> None:
        self._logger = logger
        self._halted = halted
        self._executed: list[Callable[[Block, Executed], None]] = []
        self._on_evidence: list[Callable[[bytes], None]] = []
        self._on_outdated: list[Callable[[int, int], None]] = []
        self.submissions = Waiters()
        """By the token of ``Submitted``; the result is the list of ``Admission``."""
        self.transactions = Waiters()
        """By transaction id, until it is executed or expired."""
        self.certificates = Waiters()
        """By height."""
        self.certified_height = 0
        """Newest height whose certificate is stored."""
        self.executed_ms = time.monotonic_ns() // 1_000_000
        """When the newest block was executed here, or the node started; monotonic, ms."""
        self.halt: Halt | None = None

    def on_executed(self, action: Callable[[Block, Executed], None]) -> None:
        """Have ``action`` called with every block that is final here."""
        self._executed.append(action)

    def on_evidence(self, action: Callable[[bytes], None]) -> None:
        """Have ``action`` called with evidence that this node has found."""
        self._on_evidence.append(action)

    def on_outdated(self, action: Callable[[int, int], None]) -> None:
        """Have ``action`` called when this software does not know what is in force from a height on."""
        self._on_outdated.append(action)

    def admitted(self, token: int, results: Sequence[Admission]) -> None:
        """See ``node.seams.Listener``."""
        self.submissions.resolve(token, results)

    def executed(self, block: Block, event: Executed) -> None:
        """See ``node.seams.Listener``."""
        self.executed_ms = time.monotonic_ns() // 1_000_000
        for action in self._executed:
            action(block, event)
        for transaction_id in block.transaction_ids():
            self.transactions.resolve(transaction_id)

    def expired(self, transaction_ids: Sequence[bytes]) -> None:
        """See ``node.seams.Listener``."""
        for transaction_id in transaction_ids:
            self.transactions.resolve(transaction_id)

    def certified(self, height: int) -> None:
        """See ``node.seams.Listener``."""
        self.certified_height = max(self.certified_height, height)
        self.certificates.resolve(height)

    def evidence(self, encoded: bytes) -> None:
        """See ``node.seams.Listener``."""
        for act in self._on_evidence:
            act(encoded)

    def log(self, level: int, message: str, **facts: object) -> None:
        """See ``node.seams.Listener``."""
        self._logger.log(level, message, extra={"facts": facts})

    def outdated(self, height: int, version: int) -> None:
        """See ``node.seams.Listener``."""
        for act in self._on_outdated:
            act(height, version)

    def halted(self, halt: Halt) -> None:
        """See ``node.seams.Listener``."""
        self.halt = halt
        self._halted(halt)
