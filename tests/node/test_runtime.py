"""The seams in production: order, bounds, and what goes where."""

import asyncio
import io
import json
import logging
import threading
from pathlib import Path

import pytest

from consensus import messages
from consensus.messages import Inquiry
from node import inbox as inbox_module
from node import journal, logs
from node.configuration import LogSettings
from node.inbox import FRAME_BYTES, Inbox
from node.journal import Record
from node.logs import JsonFormatter, PlainFormatter, Repeats
from node.notices import Notices, Waiters
from node.runtime import AsyncClock, InlineVerifier, PeerLinks, open_journal
from node.seams import (
    BulkFrame,
    BulkUp,
    Event,
    Failed,
    PeerJoined,
    PeerLeft,
    Submitted,
    Synced,
    TimerFired,
    Verified,
    VoteFrame,
)
from node.verifying import ProcessVerifier
from p2p.bulk import BulkKind
from p2p.frame import Hello, LinkKind, Role
from p2p.peers import Peer, PeerDown, PeerUp, Received
from state.errors import Invalid
from state.transaction import Transaction, sign
from tests.contracts.network import key_of
from tests.node.blocks import Blocks


class Sink:
    """A handler that keeps what it is given."""

    def __init__(self, count: int = 1) -> None:
        self.events: list[Event] = []
        self.errors: list[BaseException] = []
        self.count = count
        self.done = asyncio.get_running_loop().create_future()
        self.inbox = Inbox(self.errors.append)

    def open(self) -> "Sink":
        self.inbox.open(self.handle)
        return self

    def handle(self, event: Event) -> None:
        self.events.append(event)
        if len(self.events) == self.count and not self.done.done():
            self.done.set_result(None)

    async def wait(self) -> list[Event]:
        await asyncio.wait_for(self.done, 10)
        return self.events


async def test_events_keep_their_order_and_wait_for_the_handler() -> None:
    sink = Sink(100)
    sent = [TimerFired("t", number) for number in range(100)]
    for event in sent[:50]:
        sink.inbox.post(event)
    await asyncio.sleep(0.01)
    assert sink.events == []
    sink.open()
    for event in sent[50:]:
        sink.inbox.post(event)
    assert sink.events == []
    assert await sink.wait() == sent


async def test_peers_frames_are_dropped_when_too_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "INBOX_BYTES_MAX", 3 * (FRAME_BYTES + 10))
    sink = Sink(5)
    for number in range(5):
        sink.inbox.post(VoteFrame("alpha", bytes([number]) * 10))
    sink.inbox.post(Synced(1))
    sink.inbox.post(BulkFrame("alpha", 1, b""))
    assert (sink.inbox.waiting_count, sink.inbox.dropped_count) == (4, 3)
    sink.open()
    await asyncio.sleep(0.01)
    sink.inbox.post(VoteFrame("alpha", bytes(10)))
    assert len(await sink.wait()) == 5


async def test_a_members_flood_leaves_room_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "MEMBER_VOTES_MAX", 3)
    monkeypatch.setattr(inbox_module, "MEMBER_BYTES_MAX", 5 * FRAME_BYTES)
    sink = Sink(6)
    for _ in range(9):
        sink.inbox.post(VoteFrame("mallory", b""))
    for _ in range(9):
        sink.inbox.post(BulkFrame("mallory", 1, b""))
    sink.inbox.post(VoteFrame("alpha", b"a vote"))
    assert (sink.inbox.waiting_count, sink.inbox.dropped_count) == (6, 13)
    sink.open()
    assert (await sink.wait())[-1] == VoteFrame("alpha", b"a vote")
    sink.inbox.post(VoteFrame("mallory", b""))
    assert (sink.inbox.waiting_count, sink.inbox.dropped_count) == (1, 13)


async def test_what_own_clients_send_comes_last_and_yet_in_each_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = [Submitted(number, ()) for number in range(3)]
    votes = [VoteFrame("alpha", bytes([number])) for number in range(4)]
    sink = Sink(7)
    for event in (sent[0], votes[0], sent[1], sent[2], *votes[1:]):
        sink.inbox.post(event)
    assert (sink.inbox.waiting_count, sink.inbox.is_pressed) == (7, True)
    assert await sink.open().wait() == [*votes, *sent]
    assert (sink.inbox.waiting_count, sink.inbox.is_pressed) == (0, False)
    monkeypatch.setattr(inbox_module, "DRAIN_SECONDS_MAX", 0.0)
    sink = Sink(7)
    for event in (*sent, *votes):
        sink.inbox.post(event)
    assert await sink.open().wait() == [votes[0], sent[0], votes[1], sent[1], votes[2], sent[2], votes[3]]


async def test_the_loop_has_its_turn_while_events_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "DRAIN_SECONDS_MAX", 0.0)
    sink = Sink(1_000).open()
    turns = 0

    def count() -> None:
        nonlocal turns
        turns += 1
        if not sink.done.done():
            asyncio.get_running_loop().call_soon(count)

    count()
    for number in range(1_000):
        sink.inbox.post(TimerFired("t", number))
    await sink.wait()
    assert turns >= 1_000


async def test_an_error_in_the_handler_ends_it() -> None:
    sink = Sink()

    def fail(event: Event) -> None:
        raise AssertionError("a bug")

    sink.inbox.open(fail)
    sink.inbox.post(Synced(1))
    sink.inbox.post(Synced(2))
    await asyncio.sleep(0.01)
    assert [str(error) for error in sink.errors] == ["a bug"]
    assert sink.inbox.waiting_count == 0


async def test_events_from_threads() -> None:
    sink = Sink().open()
    thread = threading.Thread(target=sink.inbox.post_from_thread, args=(Synced(7),))
    thread.start()
    thread.join()
    assert await sink.wait() == [Synced(7)]


async def test_timers_come_when_their_time_has_passed() -> None:
    sink = Sink(3).open()
    clock = AsyncClock(sink.inbox)
    began = clock.monotonic_ms()
    clock.fire(30, TimerFired("late", 1))
    clock.fire(0, TimerFired("now", 2))
    clock.fire(10, TimerFired("soon", 3))
    assert [event.name for event in await sink.wait() if isinstance(event, TimerFired)] == ["now", "soon", "late"]
    assert clock.monotonic_ms() - began >= 29


async def test_signatures_are_checked_in_order_and_in_turns() -> None:
    sink = Sink(3).open()
    verifier = InlineVerifier(sink.inbox)
    blocks = Blocks()
    good = [blocks.payment("ann", "bob", 1) for _ in range(100)]
    first = good[50]
    spoilt = Transaction(first.body, (bytes(64),), first.encoded, first.id, first.entry)
    verifier.verify(1, [*good[:50], spoilt, *good[51:]])
    verifier.verify(2, good[:1])
    verifier.verify(3, [])
    await asyncio.sleep(0)
    assert sink.events == []
    expected = [index != 50 for index in range(100)]
    assert await sink.wait() == [Verified(1, tuple(expected)), Verified(2, (True,)), Verified(3, ())]
    assert verifier.signature_count == 101


async def test_signatures_are_checked_in_processes_in_order() -> None:
    sink = Sink(4).open()
    verifier = await ProcessVerifier.start(2, sink.inbox.post)
    blocks = Blocks()
    good = [blocks.payment("ann", "bob", 1) for _ in range(450)]
    first = good[399]
    spoilt = Transaction(first.body, (bytes(64),), first.encoded, first.id, first.entry)
    shared = sign(good[0].body, [key_of("ann"), key_of("bob")])
    verifier.verify(1, [*good[:399], spoilt, *good[400:]])
    verifier.verify(2, [shared])
    verifier.verify(3, [])
    verifier.verify(4, [Transaction(shared.body, (shared.signatures[0], bytes(64)), b"", shared.id, b"")])
    expected = [index != 399 for index in range(450)]
    assert await sink.wait() == [
        Verified(1, tuple(expected)),
        Verified(2, (True,)),
        Verified(3, ()),
        Verified(4, (False,)),
    ]
    assert verifier.signature_count == 454
    await verifier.close()
    assert len(sink.events) == 4


async def test_the_death_of_a_verification_process_ends_the_node() -> None:
    sink = Sink().open()
    verifier = await ProcessVerifier.start(1, sink.inbox.post)
    process = verifier._workers[0]._process
    assert process is not None
    process.kill()
    (event,) = await sink.wait()
    assert isinstance(event, Failed)
    assert str(event.error).startswith("A verification process has ended.")
    await verifier.close()


def hello(height: int) -> Hello:
    return Hello(bytes(32), bytes(32), LinkKind.VOTES, Role.VALIDATOR, height, b"vote")


async def test_links_speak_of_members(caplog: pytest.LogCaptureFixture) -> None:
    peers = [
        Peer(bytes([1]) * 32, "alpha", "127.0.0.1", 1, b"", Role.VALIDATOR),
        Peer(bytes([2]) * 32, "watch", "127.0.0.1", 2, b"", Role.OBSERVER),
    ]
    sink = Sink(7).open()
    links = PeerLinks(peers, sink.inbox, logging.getLogger("hansa.test"))
    links.send_vote("alpha", b"before the network is there")
    alpha, watch = bytes([1]) * 32, bytes([2]) * 32
    inquiry = messages.encode(Inquiry(1, 0))
    for event in (
        PeerUp(alpha, LinkKind.VOTES, hello(5)),
        PeerUp(alpha, LinkKind.BULK, hello(5)),
        Received(alpha, LinkKind.VOTES, 1, b"vote"),
        Received(watch, LinkKind.VOTES, 1, b"vote"),
        Received(watch, LinkKind.VOTES, 1, inquiry),
        Received(watch, LinkKind.BULK, BulkKind.TRANSACTIONS, b"payments"),
        Received(watch, LinkKind.BULK, BulkKind.GET_BLOCKS, b"ask"),
        Received(alpha, LinkKind.BULK, BulkKind.TRANSACTIONS, b"payments"),
        PeerDown(alpha, LinkKind.BULK, ""),
    ):
        links.on_event(event)
    assert links.linked == ("alpha",)
    links.on_event(PeerDown(alpha, LinkKind.VOTES, ""))
    assert links.linked == ()
    assert await sink.wait() == [
        PeerJoined("alpha", 5, b"vote"),
        BulkUp("alpha"),
        VoteFrame("alpha", b"vote"),
        VoteFrame("watch", inquiry),
        BulkFrame("watch", BulkKind.GET_BLOCKS, b"ask"),
        BulkFrame("alpha", BulkKind.TRANSACTIONS, b"payments"),
        PeerLeft("alpha"),
    ]
    assert links.refused_count == 2
    assert caplog.messages == ["an observer sent what only validators may"] * 2


async def test_the_journal_answers_into_the_inbox(tmp_path: Path) -> None:
    journal.create(tmp_path / "journal")
    sink = Sink(2).open()
    file, thread = open_journal(tmp_path / "journal", sink.inbox)
    file.append(Record(1, b"a"))
    file.sync(1)
    file.append(Record(1, b"b"))
    file.sync(2)
    assert await sink.wait() == [Synced(1), Synced(2)]
    thread.shutdown()
    file.close()
    assert journal.recover(tmp_path / "journal") == [Record(1, b"a"), Record(1, b"b")]


async def test_waiting_is_bounded_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    waiters = Waiters()
    assert await waiters.wait("key", 10) is False
    assert await waiters.wait("key", 10, lambda: True) is True
    waiting = asyncio.create_task(waiters.wait("key", 10_000))
    await asyncio.sleep(0)
    waiters.resolve("key")
    assert await waiting is True
    monkeypatch.setattr("node.notices.WAITERS_MAX", 1)
    waiting = asyncio.create_task(waiters.wait("key", 10_000))
    await asyncio.sleep(0)
    with pytest.raises(Invalid, match="full: too many clients are waiting"):
        await waiters.wait("other", 10)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await waiters.wait("other", 1) is False


async def test_notices_log_with_facts(caplog: pytest.LogCaptureFixture) -> None:
    notices = Notices(logging.getLogger("hansa.test"), lambda halt: None)
    notices.log(logging.WARNING, "a message was refused", peer="alpha")
    (record,) = caplog.records
    assert (record.getMessage(), record.facts) == ("a message was refused", {"peer": "alpha"})  # type: ignore[attr-defined]
    notices.certified(5)
    notices.certified(4)
    assert notices.certified_height == 5


def record(message: str, **facts: object) -> logging.LogRecord:
    made = logging.LogRecord("hansa.node", logging.INFO, "", 0, message, None, None)
    made.created, made.msecs = 1_700_000_000.0, 42
    made.facts = facts
    return made


def test_lines_for_people_and_for_machines() -> None:
    entry = record("started\nroot: forged", height=5, peer="alpha\x1b[2J")
    assert PlainFormatter().format(entry) == (
        "2023-11-14T22:13:20.042Z INFO     hansa.node: started\\x0aroot: forged height=5 peer=alpha\\x1b[2J"
    )
    assert json.loads(JsonFormatter().format(entry)) == {
        "time": "2023-11-14T22:13:20.042Z",
        "level": "info",
        "logger": "hansa.node",
        "message": "started\nroot: forged",
        "height": 5,
        "peer": "alpha\x1b[2J",
    }
    assert "\n" not in JsonFormatter().format(entry)


def test_the_same_line_is_written_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    repeats = Repeats(lines_max=2)
    now = 0.0
    monkeypatch.setattr(logs.time, "monotonic", lambda: now)
    assert [repeats.filter(record("a message was refused")) for _ in range(5)] == [True, True, False, False, False]
    assert repeats.filter(record("something else"))
    now = 60.0
    entry = record("a message was refused")
    assert repeats.filter(entry)
    assert entry.getMessage() == "a message was refused (3 lines like this were left out)"


def test_the_level_is_the_configurations() -> None:
    before = list(logging.getLogger().handlers)
    stream = io.StringIO()
    try:
        logs.configure(LogSettings("plain", "warning"), stream)
        logging.getLogger("hansa.node").info("not this")
        logging.getLogger("hansa.node").warning("but this")
        assert stream.getvalue().endswith("WARNING  hansa.node: but this\n")
        assert stream.getvalue().count("\n") == 1
    finally:
        root = logging.getLogger()
        for handler in list(root.handlers):
            root.removeHandler(handler)
        for handler in before:
            root.addHandler(handler)
        logging.getLogger("hansa").setLevel(logging.NOTSET)
