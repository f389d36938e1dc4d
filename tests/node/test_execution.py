"""Execution in its own process: the same answers as inline, and what happens when it refuses, lies or dies."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from socket import socket, socketpair

import pytest

from contracts.executor import Executor
from node import execution_channel, reads
from node.execution import InlineExecution, NodeExecution
from node.execution_channel import Channel, scrubbed_environment
from node.execution_deaths import Killed
from node.execution_frames import FRAME_BYTES_MAX, HEADER, frame, read_reply, read_request
from node.execution_process import READS_AT_ONCE, READS_WAITING_MAX, ProcessExecution
from node.reads import Read
from node.seams import Event, Executed, Failed
from rpc.backend import SimulationFact
from state import merkle
from state.codec import Value, pack
from state.errors import Corrupt, Invalid, Reason
from state.memory import MemoryDatabase
from state.proof import verify_proof
from state.transaction import Body, Call
from state.world import World
from tests.contracts.network import CHAIN_ID, address_of, genesis_state
from tests.node.blocks import Blocks, place

ANN, BOB = address_of("ann"), address_of("bob")


class Inbox:
    """Where events arrive."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()

    async def next(self) -> Event:
        return await asyncio.wait_for(self.events.get(), 20)


def inline(inbox: Inbox) -> InlineExecution:
    genesis = genesis_state()
    executor = Executor(World.open(MemoryDatabase()), CHAIN_ID, genesis.parameters)
    executor.apply_genesis(genesis)
    return InlineExecution(executor, inbox.events.put_nowait)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def process(tmp_path: Path, inbox: Inbox) -> AsyncIterator[ProcessExecution]:
    execution = await ProcessExecution.start(place(str(tmp_path / "state")), inbox.events.put_nowait)
    yield execution
    await execution.close()


async def run(execution: NodeExecution, inbox: Inbox) -> list[Event]:
    """Two blocks: accounts with money, then a payment and one that is refused."""
    blocks = Blocks()
    execution.execute(*blocks.furnish("ann", "bob"))
    execution.execute(*blocks.block(blocks.payment("ann", "bob", 500), blocks.payment("bob", "ann", 99_999)))
    return [await inbox.next(), await inbox.next()]


async def refusal(execution: NodeExecution, read: Read[object], *arguments: Value) -> str:
    with pytest.raises(Invalid) as caught:
        await execution.read(read, *arguments)
    return str(caught.value)


async def test_a_process_answers_what_inline_does(process: ProcessExecution, inbox: Inbox) -> None:
    other_inbox = Inbox()
    other = inline(other_inbox)
    assert process.opened == other.opened
    events = await run(process, inbox)
    assert events == await run(other, other_inbox)
    assert [event.codes for event in events if isinstance(event, Executed)] == [
        ("ok", "ok", "ok"),
        ("ok", "insufficient_funds"),
    ]
    first = await process.read(reads.EVENTS, 0, None, 2, None, None, None)
    questions: list[tuple[Read[object], list[Value]]] = [
        (reads.RECEIPT, [bytes(32), 2, 1]),
        (reads.BLOCK, [2]),
        (reads.STATE_PROOF, [b"balance/nobody/USD"]),
        (reads.ACCOUNT, [ANN, None, 10]),
        (reads.HISTORY, [ANN, None, 1]),
        (reads.CONTRACTS, [None, 2]),
        (reads.CONTRACTS, [b"members", 10]),
        (reads.CONTRACT_ABI, ["payments"]),
        (reads.CONTRACT_QUERY, ["payments", "money_of", pack([ANN, "USD"]), None]),
        (reads.CONTRACT_QUERY, ["payments", "nothing", pack([]), ANN]),
        (reads.EVENTS, [0, None, 100, None, None, None]),
        (reads.EVENTS, [0, first.next_cursor, 100, "ledger", "journal", BOB]),
    ]
    for read, arguments in questions:
        answer = await process.read(read, *arguments)
        assert answer == await other.read(read, *arguments), read.name
        assert isinstance(answer, read.answer)


async def test_what_the_reads_say(process: ProcessExecution, inbox: Inbox) -> None:
    blocks = Blocks()
    process.execute(*blocks.furnish("ann", "bob"))
    payment = blocks.payment("ann", "bob", 500)
    process.execute(*blocks.block(payment))
    account = await process.read(reads.ACCOUNT, ANN, None, 10)
    assert (account.kind, account.bank, account.height) == ("account", "alpine", 2)
    assert [(balance.asset, balance.amount, balance.held) for balance in account.balances] == [("USD.alpine", 9_500, 0)]
    history = await process.read(reads.HISTORY, ANN, None, 1)
    assert [(entry.transaction_id, entry.height, entry.code) for entry in history.entries] == [(payment.id, 2, "ok")]
    older = await process.read(reads.HISTORY, ANN, history.next_cursor, 10)
    assert [entry.height for entry in older.entries] == [1]
    assert older.next_cursor is None
    found = await process.read(reads.RECEIPT, payment.id, 2, 0)
    assert (found.height, found.receipt.transaction_id, found.receipt.code) == (2, payment.id, "ok")
    executed = [await inbox.next(), await inbox.next()][1]
    assert isinstance(executed, Executed)
    proof = await process.read(reads.RECEIPT_PROOF, payment.id, 2, 0)
    leaf = proof.receipt.encode()
    merkle.verify_inclusion(executed.outcome.receipts_root, leaf, proof.index, proof.count, proof.proof)
    key = f"balance/{ANN}/USD.alpine".encode()
    for asked in (key, key + b"x"):
        answer = await process.read(reads.STATE_PROOF, asked)
        verify_proof(executed.outcome.state_root, asked, answer.value, answer.proof)
        assert (answer.value is None) == (asked != key)


async def test_events_page_by_page(process: ProcessExecution, inbox: Inbox) -> None:
    await run(process, inbox)
    whole = await process.read(reads.EVENTS, 0, None, 1_000, None, None, None)
    assert whole.complete
    cursor, found = None, []
    for _ in range(len(whole.events) + 1):
        page = await process.read(reads.EVENTS, 0, cursor, 1, None, None, None)
        found += page.events
        cursor = page.next_cursor
    assert tuple(found) == whole.events
    assert page.complete
    assert cursor == whole.next_cursor
    ahead = await process.read(reads.EVENTS, 50, None, 10, None, None, None)
    assert (ahead.events, ahead.complete, ahead.next_cursor[:8]) == ((), True, (50).to_bytes(8, "big"))
    assert (await process.read(reads.EVENTS, 0, ahead.next_cursor, 10, None, None, None)).next_cursor == (
        ahead.next_cursor
    )


async def test_refusals_cross_with_their_reason(process: ProcessExecution) -> None:
    assert await refusal(process, reads.ACCOUNT, ANN, None, 10) == "unknown: no account has that address"
    assert (await refusal(process, reads.ACCOUNT, "hansat1wrong", None, 10)).startswith("bad_address")
    assert await refusal(process, reads.CONTRACTS, b"\xff", 10) == "malformed: not a cursor of this list"
    assert await refusal(process, reads.EVENTS, 0, b"x", 10, None, None, None) == "malformed: not a cursor of events"
    assert await refusal(process, reads.RECEIPT_PROOF, bytes(32), 9, 0) == "unknown: height 9 has not been executed"
    assert await refusal(process, reads.RECEIPT, bytes(32), None, None) == "unknown: there is no receipt with that id"
    assert await refusal(process, reads.STATE_PROOF, bytes(70_000)) == "too_large: a state key has at most 65535 bytes"
    assert (
        await refusal(process, Read("none", SimulationFact, reads.SIMULATE.function))
        == "unknown: there is no read 'none'"
    )


async def test_a_dry_run_needs_no_signature(process: ProcessExecution, inbox: Inbox) -> None:
    await run(process, inbox)
    until_ms = Blocks().time_ms + 600_000
    call = Call("payments", 1, "pay", [BOB, "USD", 100, "rent"])
    body = Body(CHAIN_ID, ANN, bytes(16), until_ms, None, 50_000_000, (call,), ())
    fact = await process.read(reads.SIMULATE, reads.body_value(body))
    assert (fact.height, fact.receipt.code) == (2, "ok")
    assert (await process.read(reads.ACCOUNT, ANN, None, 10)).balances[0].amount == 9_500


async def test_a_restart_goes_on_where_it_was(tmp_path: Path, inbox: Inbox) -> None:
    blocks = Blocks()
    first = await ProcessExecution.start(place(str(tmp_path)), inbox.events.put_nowait)
    first.execute(*blocks.furnish("ann"))
    executed = await inbox.next()
    assert isinstance(executed, Executed)
    await first.close()
    second = await ProcessExecution.start(place(str(tmp_path)), inbox.events.put_nowait)
    assert (second.opened.height, second.opened.block_digest) == (1, blocks.parent)
    assert second.opened.state_root == executed.outcome.state_root
    assert await second.replay(*blocks.made[0]) == executed
    replayed = await second.replay(*blocks.block())
    assert replayed.height == 2
    assert await second.replay(*blocks.made[0]) == executed
    assert inbox.events.empty()
    with pytest.raises(Corrupt, match="The world state was made by another block 1 than the chain holds"):
        await second.replay(*Blocks().block())
    await second.close()


async def test_a_read_after_a_block_sees_it(process: ProcessExecution, inbox: Inbox) -> None:
    blocks = Blocks()
    process.execute(*blocks.furnish("ann", "bob"))
    for _ in range(5):
        process.execute(*blocks.block(*[blocks.payment("ann", "bob", 1) for _ in range(20)]))
    account = await process.read(reads.ACCOUNT, BOB, None, 1)
    assert (account.height, account.balances[0].amount) == (6, 10_100)


async def test_after_a_death_another_process_does_the_work_again(process: ProcessExecution, inbox: Inbox) -> None:
    """Killed with a block and questions under way; the block and what waits behind it are answered all the same."""
    other_inbox, blocks = Inbox(), Blocks()
    other = inline(other_inbox)
    process.execute(*blocks.furnish("ann", "bob"))
    first_events, first_id = [await inbox.next()], process.process_id
    os.kill(first_id, signal.SIGSTOP)
    for amount in (1, 2):
        process.execute(*blocks.block(blocks.payment("ann", "bob", amount)))
    waiting = asyncio.create_task(process.read(reads.ACCOUNT, BOB, None, 1))
    await asyncio.sleep(0)
    os.kill(first_id, signal.SIGKILL)
    events = [*first_events, await inbox.next(), await inbox.next()]
    for made in blocks.made:
        other.execute(*made)
    assert events == [await other_inbox.next() for _ in range(3)]
    account = await waiting
    assert (account.height, account.balances[0].amount) == (3, 10_003)
    assert process.death_count == 1
    assert process.process_id not in (0, first_id)
    os.kill(process.process_id, signal.SIGKILL)  # with nothing to do
    for _ in range(2_000):
        if process.death_count == 2:
            break
        await asyncio.sleep(0.01)
    assert (await process.read(reads.BLOCK, 3)).latest_height == 3
    assert inbox.events.empty()


async def test_a_question_that_kills_twice_is_not_asked_again(process: ProcessExecution) -> None:
    for _ in range(2):
        os.kill(process.process_id, signal.SIGSTOP)
        waiting = asyncio.create_task(process.read(reads.ACCOUNT, ANN, None, 1))
        await asyncio.sleep(0)
        os.kill(process.process_id, signal.SIGKILL)
        with pytest.raises(Invalid, match="unavailable: the execution process died while it answered this; ask again"):
            await waiting
        assert (await process.read(reads.BLOCK, 0)).latest_height == 0
    never = "unavailable: answering this kills the execution process; it is not tried again"
    assert await refusal(process, reads.ACCOUNT, ANN, None, 1) == never
    assert (await process.read(reads.BLOCK, 0)).latest_height == 0


@pytest.mark.parametrize(
    ("memo", "how"), [("abort", "SIGABRT"), ("memory", "out of memory"), ("time", "out of processor time")]
)
async def test_what_kills_it_again_is_named(
    tmp_path: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, memo: str, how: str
) -> None:
    """Three blocks' worth of payments; the second of the second block kills whoever executes it."""
    monkeypatch.setattr(execution_channel, "worker_module", "tests.node.deadly_worker")
    process = await ProcessExecution.start(place(str(tmp_path / "state")), inbox.events.put_nowait)
    blocks = Blocks()
    process.execute(*blocks.furnish("ann", "bob"))
    deadly = blocks.transaction("ann", "payments", "pay", [BOB, "USD", 2, memo])
    process.execute(*blocks.block(blocks.payment("ann", "bob", 1), deadly, blocks.payment("ann", "bob", 3)))
    process.execute(*blocks.block(blocks.payment("ann", "bob", 4)))
    assert isinstance(await inbox.next(), Executed)
    failed = await inbox.next()
    assert isinstance(failed, Failed)
    assert type(failed.error) is Killed
    assert str(failed.error) == (
        f"Transaction 0x{deadly.id.hex()} of block 2 has killed the execution process again ({how}, then {how}). A "
        "kill is never a contract's result, so this node has stopped voting. Find out why (memory, a defect of the "
        "program), then start it again: its state is whole up to block 1, and it goes on from there."
    )
    assert inbox.events.empty()
    assert await refusal(process, reads.BLOCK, 0) == "unavailable: the node is stopping"
    await process.close()
    monkeypatch.undo()
    again = await ProcessExecution.start(place(str(tmp_path / "state")), inbox.events.put_nowait)
    assert again.opened.height == 1
    assert [(await again.replay(*made)).codes for made in blocks.made[1:]] == [("ok", "ok", "ok"), ("ok",)]
    await again.close()


async def test_signals_that_end_a_node_do_not_end_it(process: ProcessExecution, inbox: Inbox) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(process.process_id, number)
    assert (await process.read(reads.BLOCK, 0)).latest_height == 0


async def test_a_block_out_of_turn_is_our_bug_and_ends_the_node(process: ProcessExecution, inbox: Inbox) -> None:
    blocks = Blocks()
    blocks.furnish("ann")
    process.execute(*blocks.block())
    failed = await inbox.next()
    assert isinstance(failed, Failed)
    assert "blocks are executed in order, each once" in str(failed.error)


async def test_a_state_in_use_or_damaged_is_refused_with_a_sentence(tmp_path: Path, inbox: Inbox) -> None:
    state = tmp_path / "state"
    first = await ProcessExecution.start(place(str(state)), inbox.events.put_nowait)
    with pytest.raises(Corrupt, match="is in use already"):
        await ProcessExecution.start(place(str(state)), inbox.events.put_nowait, in_use_seconds_max=0)
    await first.close()
    for manifest in state.glob("MANIFEST*"):
        manifest.write_bytes(b"")
    with pytest.raises(Corrupt, match="failed to open"):
        await ProcessExecution.start(place(str(state)), inbox.events.put_nowait)


async def test_a_start_waits_for_the_process_of_a_node_that_was_killed(tmp_path: Path, inbox: Inbox) -> None:
    dying = await ProcessExecution.start(place(str(tmp_path)), inbox.events.put_nowait)
    starting = asyncio.create_task(ProcessExecution.start(place(str(tmp_path)), inbox.events.put_nowait))
    await asyncio.sleep(1)
    assert not starting.done()
    await dying.close()
    await (await asyncio.wait_for(starting, 10)).close()
    assert inbox.events.empty()


NO_ANSWER = "The execution process sent what is no answer to what was asked"


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (HEADER.pack(FRAME_BYTES_MAX + 1), "The execution process sent a message larger than any answer."),
        (HEADER.pack(1) + b"\xc1", f"{NO_ANSWER} (malformed: not msgpack)."),
        (frame(99, 0, None), f"{NO_ANSWER} (malformed: an answer out of turn)."),
        (frame(1, 3, None), f"{NO_ANSWER} (malformed: a reply of no known status)."),
        (frame(1, 0, [1, 2]), f"{NO_ANSWER} (malformed: Executed has 9 fields)."),
        (frame(1, 1, ["unheard of", ""]), f"{NO_ANSWER} (malformed: a refusal for no known reason)."),
        (frame(1, 1, ["unknown", "x"]), f"{NO_ANSWER} (malformed: a decided block was refused: unknown: x)."),
        (frame(1, 2, "disk full"), "disk full"),
    ],
)
async def test_a_lie_ends_the_node(inbox: Inbox, sent: bytes, sentence: str) -> None:
    """What answers here is no process of ours, but the far end of the socket."""
    execution, theirs = await far_end(inbox)
    execution.execute(*Blocks().block())
    with theirs:
        theirs.sendall(sent)
    failed = await inbox.next()
    assert isinstance(failed, Failed)
    assert str(failed.error) == sentence
    assert inbox.events.empty()


async def far_end(inbox: Inbox) -> tuple[ProcessExecution, socket]:
    """Execution in what it takes for a process, and the far end of that one's socket."""
    execution = ProcessExecution(place("/dev/null/state"), inbox.events.put_nowait)
    channel = Channel(execution._answered, execution._lied, execution._lost)
    ours, theirs = socketpair()
    await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=ours)
    execution.adopt(channel)
    return execution, theirs


def requests_in(data: bytes) -> list[str]:
    """Operations of the requests that a process was sent."""
    operations = []
    while data:
        end = HEADER.size + HEADER.unpack_from(data)[0]
        operations.append(read_request(data[HEADER.size : end])[1])
        data = data[end:]
    return operations


async def test_a_block_goes_before_the_crowd_of_reads(inbox: Inbox) -> None:
    execution, theirs = await far_end(inbox)
    crowd = [asyncio.create_task(execution.read(reads.BLOCK, 0)) for _ in range(READS_WAITING_MAX)]
    await asyncio.sleep(0)
    assert await refusal(execution, reads.BLOCK, 0) == (
        "full: the node is answering as many questions as it can; ask again in a moment"
    )
    execution.execute(*Blocks().block())
    for gone in crowd[READS_AT_ONCE:-1]:
        gone.cancel()
    await asyncio.sleep(0.05)
    with theirs:
        assert requests_in(theirs.recv(1 << 20)) == [*["block"] * READS_AT_ONCE, "execute"]
        theirs.sendall(frame(1, 1, ["unknown", "x"]))
        await asyncio.sleep(0.05)
        # Nobody waits for the others: the last in line is next.
        assert requests_in(theirs.recv(1 << 20)) == ["block"]
        theirs.sendall(frame(2, 1, ["unknown", "x"]))
        await asyncio.sleep(0.05)
        await execution.close()
    ended = await asyncio.gather(*crowd, return_exceptions=True)
    assert [str(end) for end in ended if isinstance(end, Invalid)] == [
        *["unknown: x"] * READS_AT_ONCE,
        "unavailable: the node is stopping",
    ]
    assert inbox.events.empty()


def test_the_environment_is_scrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANSA_PASSPHRASE", "canary")
    assert set(scrubbed_environment()) <= {"PYTHONPATH", "PYTHONUTF8", "LD_LIBRARY_PATH"}


async def test_the_process_has_no_sockets_but_its_pipe(process: ProcessExecution, tmp_path: Path) -> None:
    folder = Path(f"/proc/{process.process_id}")
    targets = [os.readlink(entry) for entry in (folder / "fd").iterdir()]
    assert len([target for target in targets if target.startswith("socket:")]) == 1
    files = [target for target in targets if target.startswith(str(tmp_path))]
    assert {Path(target).parent.name for target in files} == {"state"}
    names = {entry.partition(b"=")[0] for entry in (folder / "environ").read_bytes().split(b"\0") if entry}
    assert names <= {b"PYTHONPATH", b"PYTHONUTF8", b"LD_LIBRARY_PATH"}


def test_frames_come_back_as_they_went() -> None:
    assert read_request(frame(7, "read", [1, b"x"])[HEADER.size :]) == (7, "read", [1, b"x"])
    assert read_reply(frame(7, 2, "gone")[HEADER.size :]) == (7, 2, "gone")
    with pytest.raises(Invalid) as caught:
        frame(1, 0, bytes(FRAME_BYTES_MAX + 1))
    assert caught.value.reason is Reason.TOO_LARGE
