"""The way in for transactions: from the RPC to the driver's door, and back with what became of each.

What many clients send within a few milliseconds goes to the driver together: signatures are checked and gossip is
sent once for all of it.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from node.inbox import Inbox
from node.notices import Notices
from node.pressure import Level, Pressure
from node.seams import Admission, Executed
from node.seams import Submitted as SubmittedEvent
from rpc.backend import Refused, SubmitResult, Submitted, TransactionStatus, refused
from state.block import Block
from state.errors import Invalid, Reason

GATHER_SECONDS = 0.003
"""How long what comes in is gathered."""

GATHER_TRANSACTIONS = 256
"""With so many the driver is told at once; and of no more in one turn, about 3 ms, however many one client sends."""

SUBMITTING_MAX = 4_096
"""Transactions between the RPC and the door, about a second's work; beyond it clients are told to come again."""

BEHIND_SECONDS = 0.3
"""While the door has not looked at what came in so long ago, clients are told to come again."""

BEHIND_RETRY_MS = 300
"""And when: the door will have looked at it by then, or say so again."""

ADMISSION_SECONDS_MAX = 20.0
"""A node that has not looked at a transaction by then says so."""

TIMED_MAX = 65_536
"""Transactions of own clients whose way to finality is timed."""

NOT_A_VALIDATOR = "not_a_validator"
"""Code with which an observer refuses: it follows the chain and takes nothing in."""


class NodeIntake:
    """Implements ``rpc.backend.Intake``.

    :param pressure: the driver's, which says when nobody is heard.
    :param status_of: where a transaction stands that is known already.
    :param finalised: told, for each transaction of an own client, the seconds from its arrival to finality.
    """

    def __init__(
        self,
        inbox: Inbox,
        notices: Notices,
        pressure: Pressure,
        status_of: Callable[[bytes], Awaitable[TransactionStatus]],
        finalised: Callable[[float], None],
        *,
        is_validator: Callable[[], bool],
    ) -> None:
        self._inbox = inbox
        self._notices = notices
        self._pressure = pressure
        self._status_of = status_of
        self._finalised = finalised
        self._is_validator = is_validator
        self._gathered: list[tuple[list[bytes], asyncio.Future[Sequence[Admission]]]] = []
        self._gathered_count = 0
        self._submitting_count = 0
        self._waiting: dict[int, float] = {}
        """When each call that waits for the door came in, the oldest first."""
        self._call = 0
        self._token = 0
        self._timer: asyncio.TimerHandle | None = None
        self._arrived: OrderedDict[bytes, float] = OrderedDict()
        self.is_stopped = False
        """Whether the node takes nothing in any more."""
        notices.on_executed(self._executed)

    async def submit_many(self, transactions: list[bytes]) -> list[SubmitResult]:
        """See ``rpc.backend.Intake``."""
        if not self._is_validator():
            sentence = "this node is an observer and takes no transactions; send them to a validator"
            return [Refused(NOT_A_VALIDATOR, sentence) for _ in transactions]
        if self.is_stopped:
            sentence = "this node has stopped voting; send the same bytes to another validator"
            return [refused(Reason.UNAVAILABLE, sentence) for _ in transactions]
        if not transactions:
            return []
        arrived = time.monotonic()
        oldest = next(iter(self._waiting.values()), arrived)
        if self._submitting_count + len(transactions) > SUBMITTING_MAX or arrived - oldest > BEHIND_SECONDS:
            sentence = "the node is taking in all that it can; send again in a moment"
            return [Refused(Reason.BUSY.value, sentence, None, BEHIND_RETRY_MS)] * len(transactions)
        if self._pressure.level() is Level.BUSY:  # Told before anything is looked at: it costs next to nothing.
            return [self._busy(None)] * len(transactions)
        self._submitting_count += len(transactions)
        self._call = call = self._call + 1
        self._waiting[call] = arrived
        try:
            async with asyncio.timeout(ADMISSION_SECONDS_MAX):
                results = await self._gather(transactions)
        except (TimeoutError, Invalid):
            sentence = "the node is too busy to look at it; send the same bytes again"
            return [refused(Reason.UNAVAILABLE, sentence) for _ in transactions]
        finally:
            self._submitting_count -= len(transactions)
            del self._waiting[call]
        return [
            self._taken_in(result, arrived) if result.refused is None else await self._known_or_refused(result)
            for result in results
        ]

    def _taken_in(self, result: Admission, arrived: float) -> Submitted:
        identity = result.transaction_id
        assert identity is not None
        self._arrived[identity] = arrived
        if len(self._arrived) > TIMED_MAX:
            self._arrived.popitem(last=False)
        return Submitted(identity, TransactionStatus.PENDING)

    async def _known_or_refused(self, result: Admission) -> SubmitResult:
        identity, refusal = result.transaction_id, result.refused
        assert refusal is not None
        if refusal.reason is Reason.BUSY:
            return self._busy(identity)
        if refusal.reason is Reason.DUPLICATE and identity is not None:
            try:
                status = await self._status_of(identity)
            except Invalid as error:
                return refused(error.reason, error.detail, identity)
            known = status is not TransactionStatus.UNKNOWN
            return Submitted(identity, status if known else TransactionStatus.PENDING)
        return refused(refusal.reason, refusal.detail, identity)

    def _busy(self, identity: bytes | None) -> Refused:
        sentence = "more is waiting than the network can finish in time; send again after retry_after_ms"
        return Refused(Reason.BUSY.value, sentence, identity, self._pressure.retry_after_ms())

    async def _gather(self, transactions: list[bytes]) -> list[Admission]:
        parts = [
            self._gather_part(transactions[start : start + GATHER_TRANSACTIONS])
            for start in range(0, len(transactions), GATHER_TRANSACTIONS)
        ]
        return [result for part in parts for result in await part]

    def _gather_part(self, transactions: list[bytes]) -> asyncio.Future[Sequence[Admission]]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[Admission]] = loop.create_future()
        if self._gathered_count + len(transactions) > GATHER_TRANSACTIONS:
            self._submit()
        self._gathered.append((transactions, future))
        self._gathered_count += len(transactions)
        if self._gathered_count == GATHER_TRANSACTIONS:
            self._submit()
        elif self._timer is None:
            self._timer = loop.call_later(GATHER_SECONDS, self._submit)
        return future

    def _submit(self) -> None:
        """Give the driver what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        gathered, self._gathered, self._gathered_count = self._gathered, [], 0
        if not gathered:
            return
        self._token += 1
        self._notices.submissions.add(self._token).add_done_callback(
            lambda done: _hand_out(gathered, cast("Sequence[Admission]", done.result()))
        )
        joined = tuple(encoded for transactions, _ in gathered for encoded in transactions)
        self._inbox.post(SubmittedEvent(self._token, joined))

    def _executed(self, block: Block, event: Executed) -> None:
        if not self._arrived:
            return
        now = time.monotonic()
        for transaction_id in block.transaction_ids():
            arrived = self._arrived.pop(transaction_id, None)
            if arrived is not None:
                self._finalised(now - arrived)


def _hand_out(
    gathered: list[tuple[list[bytes], asyncio.Future[Sequence[Admission]]]], results: Sequence[Admission]
) -> None:
    """Each caller gets the results of what it sent."""
    start = 0
    for transactions, future in gathered:
        end = start + len(transactions)
        if not future.done():
            future.set_result(results[start:end])
        start = end
    assert start == len(results), "one result for each transaction"
