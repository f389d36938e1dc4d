"""Intake: what clients are told when the driver's door is behind."""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

import pytest

from node import intake
from node.inbox import Inbox
from node.intake import NodeIntake
from node.notices import Notices
from node.pressure import RATE_AT_START, WAIT_MS_MAX, Pressure
from node.seams import Admission, Event, Submitted, TimerFired
from rpc.backend import Refused, TransactionStatus
from rpc.backend import Submitted as Answer
from state.errors import Invalid, Reason


class Line:
    """An inbox that nobody serves."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._more = asyncio.Event()

    def post(self, event: Event) -> None:
        self.events.append(event)
        self._more.set()

    async def more(self) -> None:
        await asyncio.wait_for(self._more.wait(), 5)
        self._more.clear()


class Watch:
    """A clock that stands still."""

    def now_ms(self) -> int:
        return 0

    def monotonic_ms(self) -> int:
        return 0

    def fire(self, delay_ms: int, event: TimerFired) -> None:
        raise AssertionError("nothing here sets a timer")


def intake_at(line: Line, notices: Notices, depth: Callable[[], int] = lambda: 0) -> NodeIntake:
    pressure = Pressure(Watch(), depth)
    return NodeIntake(cast(Inbox, line), notices, pressure, unknown, lambda _: None, is_validator=lambda: True)


async def unknown(_: bytes) -> TransactionStatus:
    return TransactionStatus.UNKNOWN


async def test_clients_come_again_while_the_door_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BEHIND_SECONDS", 0.0)
    line, notices = Line(), Notices(logging.getLogger("test"), lambda _: None)
    way_in = intake_at(line, notices)
    first = asyncio.create_task(way_in.submit_many([b"one"]))
    await line.more()
    assert line.events == [Submitted(1, (b"one",))]
    refusal = (await way_in.submit_many([b"two"]))[0]
    assert isinstance(refusal, Refused)
    assert (refusal.reason, refusal.retry_after_ms, len(line.events)) == ("busy", 300, 1)
    notices.admitted(1, [Admission(b"1" * 32, None)])
    assert await first == [Answer(b"1" * 32, TransactionStatus.PENDING)]
    third = asyncio.create_task(way_in.submit_many([b"three"]))
    await line.more()
    third.cancel()


async def test_nothing_is_looked_at_while_the_wait_would_be_too_long() -> None:
    line, notices = Line(), Notices(logging.getLogger("test"), lambda _: None)
    waiting = RATE_AT_START * WAIT_MS_MAX // 1000
    way_in = intake_at(line, notices, lambda: waiting)
    sentence = "more is waiting than the network can finish in time; send again after retry_after_ms"
    assert await way_in.submit_many([b"one", b"two"]) == [Refused("busy", sentence, None, 400)] * 2
    waiting -= 1
    later = asyncio.create_task(way_in.submit_many([b"one"]))
    await line.more()
    notices.admitted(1, [Admission(b"1" * 32, Invalid(Reason.BUSY, "this sender has something pending"))])
    assert await later == [Refused("busy", sentence, b"1" * 32, 399)]


async def test_a_large_batch_reaches_the_door_in_turns() -> None:
    line, notices = Line(), Notices(logging.getLogger("test"), lambda _: None)
    way_in = intake_at(line, notices)
    sent = [b"%d" % number for number in range(600)]
    answer = asyncio.create_task(way_in.submit_many(sent))
    other = asyncio.create_task(way_in.submit_many([b"another client's"]))
    while len(line.events) < 3:
        await line.more()
    events = [event for event in line.events if isinstance(event, Submitted)]
    assert [len(event.transactions) for event in events] == [256, 256, 89]
    assert [encoded for event in events for encoded in event.transactions] == [*sent, b"another client's"]
    for event in reversed(events):
        notices.admitted(event.token, [Admission(encoded, None) for encoded in event.transactions])
    assert await answer == [Answer(encoded, TransactionStatus.PENDING) for encoded in sent]
    assert await other == [Answer(b"another client's", TransactionStatus.PENDING)]
