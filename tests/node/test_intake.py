"""Intake: what clients are told when the driver's door is behind."""

import asyncio
import logging
from typing import cast

import pytest

from node import intake
from node.inbox import Inbox
from node.intake import NodeIntake
from node.notices import Notices
from node.seams import Admission, Event, Submitted
from rpc.backend import Refused, TransactionStatus
from rpc.backend import Submitted as Answer


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


async def unknown(_: bytes) -> TransactionStatus:
    return TransactionStatus.UNKNOWN


async def test_clients_come_again_while_the_door_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BEHIND_SECONDS", 0.0)
    line, notices = Line(), Notices(logging.getLogger("test"), lambda _: None)
    way_in = NodeIntake(cast(Inbox, line), notices, unknown, lambda _: None, is_validator=True)
    first = asyncio.create_task(way_in.submit_many([b"one"]))
    await line.more()
    assert line.events == [Submitted(1, (b"one",))]
    refusal = (await way_in.submit_many([b"two"]))[0]
    assert isinstance(refusal, Refused)
    assert (refusal.reason, len(line.events)) == ("full", 1)
    notices.admitted(1, [Admission(b"1" * 32, None)])
    assert await first == [Answer(b"1" * 32, TransactionStatus.PENDING)]
    third = asyncio.create_task(way_in.submit_many([b"three"]))
    await line.more()
    third.cancel()
