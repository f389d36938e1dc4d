"""The client: its flows without I/O, and both clients against real servers."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rpc import answers, submissions
from rpc.client import AsyncClient, Policy, Request, RpcError, SyncClient, Unreachable
from rpc.client.calls import Calls, build_body, fee_max
from rpc.client.core import Action, Failure, Flow, Outcome, Pause, Reply, Send
from state import codec
from state.transaction import Body
from tests.rpc.conftest import Face, start_face
from tests.rpc.memory_node import ALICE, ASSET, BOB, STRANGER, MemoryNode, address_of, body_of, payment, payment_call

A, B = "http://a:1", "http://b:2"
OK_BODY = b'{"jsonrpc":"2.0","id":0,"result":{"hash":"0x%s","status":"pending","durable":false}}' % (b"0" * 64)
BUSY_BODY = (
    b'{"jsonrpc":"2.0","id":0,"error":{"code":-32005,"message":"Limit exceeded",'
    b'"data":{"code":"full","hint":"the pool has no room","retryable":true}}}'
)
SUBMITTED = answers.SubmitAnswer("0x" + "0" * 64, answers.TransactionStatus.PENDING, False)


def play(flow: Flow[Any], outcomes: list[Outcome]) -> tuple[list[Action], Any]:
    """Feed a flow; what it asked for, and what it returned or raised."""
    actions: list[Action] = []
    feed = iter(outcomes)
    outcome: Outcome = None
    try:
        while True:
            action = flow.send(outcome)
            actions.append(action)
            outcome = None if isinstance(action, Pause) else next(feed)
    except StopIteration as end:
        return actions, end.value
    except (RpcError, Unreachable) as error:
        return actions, error


def places(actions: list[Action]) -> list[str | float]:
    return [action.url if isinstance(action, Send) else action.seconds for action in actions]


@pytest.mark.parametrize(
    ("outcomes", "expected", "ends"),
    [
        ([Reply(200, OK_BODY)], [A], SUBMITTED),
        ([Failure("refused"), Reply(200, OK_BODY)], [A, B], SUBMITTED),
        ([Reply(200, BUSY_BODY), Reply(200, OK_BODY)], [A, B], SUBMITTED),
        ([Reply(429, BUSY_BODY), Reply(200, OK_BODY)], [A, B], SUBMITTED),
        ([Reply(502, b"<html>"), Reply(200, OK_BODY)], [A, B], SUBMITTED),
        ([Reply(200, b"not JSON"), Reply(200, OK_BODY)], [A, B], SUBMITTED),
        ([Failure("refused"), Failure("refused"), Reply(200, OK_BODY)], [A, B, 0.2, A], SUBMITTED),
        (
            [Failure("x")] * 6,
            [A, B, 0.2, A, B, 0.4, A, B],
            "No node answered: http://a:1: x; http://b:2: x",
        ),
        (
            [Reply(200, BUSY_BODY)] * 6,
            [A, B, 0.2, A, B, 0.4, A, B],
            "Limit exceeded (full): the pool has no room",
        ),
    ],
)
def test_where_a_submission_goes(outcomes: list[Outcome], expected: list[str | float], ends: object) -> None:
    actions, end = play(Calls([A, B], Policy(rounds_max=3)).tx_submit(b"\x01\x02"), outcomes)
    assert places(actions) == expected
    assert (str(end) if isinstance(end, Exception) else end) == ends
    sent = {action.body for action in actions if isinstance(action, Send)}
    assert sent == {b'{"jsonrpc":"2.0","id":0,"method":"tx_submit","params":{"transaction":"0x0102"}}'}


def test_it_begins_with_the_node_that_answered_last() -> None:
    calls = Calls([A, B], Policy())
    play(calls.tx_submit(b""), [Failure("down"), Reply(200, OK_BODY)])
    actions, _ = play(calls.tx_submit(b""), [Reply(200, OK_BODY)])
    assert places(actions) == [B]


def test_a_refusal_is_final() -> None:
    body = BUSY_BODY.replace(b"true", b"false").replace(b"-32005", b"-32003").replace(b"full", b"expired")
    actions, end = play(Calls([A, B], Policy()).tx_submit(b""), [Reply(200, body)])
    assert (places(actions), end.code, end.number, end.retryable) == ([A], "expired", -32003, False)


def test_a_batch_that_is_answered_in_part_is_no_answer() -> None:
    asked = [Request("node_status", {}, answers.NodeStatus)] * 2
    _, end = play(Calls([A], Policy()).batch(asked), [Reply(200, b"[" + OK_BODY + b"]")])
    assert str(end) == "No node answered: http://a:1: a batch was answered in part"


def busy_for(retry_after_ms: int) -> Reply:
    return Reply(200, BUSY_BODY.replace(b"true", b'true,"retry_after_ms":%d' % retry_after_ms))


@pytest.mark.parametrize(
    ("outcomes", "expected", "ends"),
    [
        ([busy_for(700), Reply(200, OK_BODY)], [A, B], SUBMITTED),
        ([busy_for(700), busy_for(300), Reply(200, OK_BODY)], [A, B, 0.3, A], SUBMITTED),
        ([busy_for(700), Failure("x"), Reply(200, OK_BODY)], [A, B, 0.7, A], SUBMITTED),
        ([busy_for(700), Reply(200, BUSY_BODY), Reply(200, OK_BODY)], [A, B, 0.7, A], SUBMITTED),
        (
            [busy_for(900)] * 6,
            [A, B, 0.9, A, B, 0.9, A, B],
            "Limit exceeded (full): the pool has no room",
        ),
        ([busy_for(2_001)] * 2, [A, B], "Limit exceeded (full): the pool has no room"),
    ],
)
def test_a_busy_node_is_asked_again_when_it_says(
    outcomes: list[Outcome], expected: list[str | float], ends: object
) -> None:
    policy = Policy(rounds_max=1, busy_seconds_max=2.0)
    actions, end = play(Calls([A, B], policy).tx_submit(b"\x01\x02"), outcomes)
    assert places(actions) == expected
    assert (str(end) if isinstance(end, Exception) else end) == ends


def results(*entries: codec.Value) -> Reply:
    return Reply(200, codec.encode(submissions.VERSION, list(entries)))


TAKEN: codec.Value = [bytes(32), "pending", None]
LATER: codec.Value = [None, None, [-32005, "busy", "later", True, 400]]
NEVER: codec.Value = [bytes(32), None, [-32003, "expired", "it is late", False, None]]


def test_of_many_those_are_sent_again_that_found_the_network_busy() -> None:
    sent = [b"one", b"two", b"three", b"four"]
    outcomes: list[Outcome] = [results(TAKEN, LATER, NEVER, LATER), results(LATER, TAKEN), results(TAKEN)]
    actions, end = play(Calls([A], Policy(busy_seconds_max=0.8)).tx_submit_many(sent), outcomes)
    assert places(actions) == [A, 0.4, A, 0.4, A]
    sends = [action for action in actions if isinstance(action, Send)]
    assert {(send.path, send.content_type) for send in sends} == {(submissions.PATH, submissions.CONTENT_TYPE)}
    assert [submissions.decode_transactions(send.body) for send in sends] == [sent, [b"two", b"four"], [b"two"]]
    assert [str(entry) if isinstance(entry, RpcError) else entry for entry in end] == [
        *(SUBMITTED, SUBMITTED, "Transaction rejected (expired): it is late", SUBMITTED)
    ]


def test_many_are_not_sent_again_for_ever() -> None:
    actions, end = play(Calls([A], Policy(busy_seconds_max=0.8)).tx_submit_many([b"one"]), [results(LATER)] * 3)
    assert places(actions) == [A, 0.4, A, 0.4, A]
    assert [(entry.code, entry.retry_after_ms) for entry in end] == [("busy", 400)]


def test_many_go_in_bodies_of_a_thousand() -> None:
    sent = [b"%d" % number for number in range(2_001)]
    outcomes: list[Outcome] = [results(*[TAKEN] * 1_000), results(*[TAKEN] * 1_000), results(TAKEN)]
    actions, end = play(Calls([A], Policy()).tx_submit_many(sent), outcomes)
    listed = [submissions.decode_transactions(action.body) for action in actions if isinstance(action, Send)]
    assert [item for part in listed for item in part] == sent
    assert end == [SUBMITTED] * 2_001


@pytest.mark.parametrize(
    ("reply", "ends"),
    [
        (
            results(TAKEN),
            "No node answered: http://a:1: no answer to a body of transactions: malformed: 1 results for 2",
        ),
        (results(TAKEN, [bytes(31), "pending", None]), "malformed: 32 bytes are expected"),
        (results(TAKEN, [bytes(32), "lost", None]), "malformed: a status that this client does not know"),
        (results(TAKEN, [bytes(32), None, [1]]), "malformed: a list of 5 fields is expected"),
        (Reply(200, b"\x01\xc1"), "malformed: not msgpack"),
        (Reply(404, b"there is no such path"), "HTTP 404: there is no such path"),
        (Reply(413, BUSY_BODY.replace(b"true", b"false").replace(b"full", b"request_too_large")), "request_too_large"),
    ],
)
def test_what_is_no_answer_to_many(reply: Reply, ends: str) -> None:
    _, end = play(Calls([A], Policy(rounds_max=1)).tx_submit_many([b"one", b"two"]), [reply])
    assert isinstance(end, Exception)
    assert ends in str(end)


def test_an_answer_of_another_shape_is_told() -> None:
    _, end = play(Calls([A], Policy()).node_status(), [Reply(200, OK_BODY)])
    assert str(end) == (
        "Internal error (internal_error): The answer to node_status is not as expected: "
        "Object missing required field `version`"
    )


def test_a_long_wait_is_asked_for_in_turns() -> None:
    pending = json.dumps(
        {"jsonrpc": "2.0", "id": 0, "result": {"hash": "0x" + "0" * 64, "status": "pending", "indexed_height": "1"}}
    )
    actions, end = play(Calls([A], Policy()).tx_wait(bytes(32), 70_000), [Reply(200, pending.encode())] * 3)
    sends = [action for action in actions if isinstance(action, Send)]
    waits = [json.loads(action.body)["params"]["timeout_ms"] for action in sends]
    assert (waits, [action.timeout_seconds for action in sends]) == (["30000", "30000", "10000"], [40, 40, 20])
    assert end.status == "pending"


@pytest.mark.parametrize("url", ["127.0.0.1:8545", "ftp://x", "http://", "http://a:1/path"])
def test_an_address_that_is_none(url: str) -> None:
    for client in (SyncClient, AsyncClient):
        with pytest.raises(ValueError, match=r"is not the address of a node; one looks like http://127\.0\.0\.1:8545"):
            client([A, url])


def test_a_client_needs_a_node() -> None:
    with pytest.raises(ValueError, match="the address of at least one node is needed"):
        SyncClient([])


def test_both_clients_have_every_flow() -> None:
    flows = {name for name in vars(Calls) if not name.startswith("_")}
    for client in (SyncClient, AsyncClient):
        assert flows <= set(vars(client))


@pytest.fixture
async def dead() -> str:
    """The address of a node that is down."""
    server, port = await start_face(MemoryNode())
    await server.stop()
    return f"http://127.0.0.1:{port}"


@pytest.fixture
async def client(face: Face, dead: str) -> AsyncIterator[AsyncClient]:
    async with AsyncClient([dead, face.url], Policy(pause_seconds=0.01)) as client:
        yield client


@pytest.fixture
async def deciding(face: Face) -> AsyncIterator[None]:
    """Blocks on demand."""

    async def decide() -> None:
        while True:
            await asyncio.sleep(0.01)
            if face.node.pending:
                face.node.decide()

    task = asyncio.create_task(decide())
    yield
    task.cancel()


async def test_every_call_of_the_async_client(face: Face, client: AsyncClient) -> None:
    signed = payment(10)
    assert (await client.node_status()).member == "alpine"
    assert (await client.tx_submit(signed.encoded)).status == "pending"
    assert (await client.tx_wait(signed.id, 20)).status == "pending"
    face.node.decide()
    assert (await client.tx_get(signed.id)).status == "final"
    assert (await client.chain_block(1)).transactions == ("0x" + signed.id.hex(),)
    assert (await client.chain_checkpoint()).height == "1"
    assert (await client.chain_genesis()).document == '{"name": "Hanse"}\n'
    assert [peer.member for peer in (await client.net_peers()).peers] == ["baltic", "cobalt", "dune"]
    assert (await client.net_validators(1)).quorum == 3
    assert (await client.discover())["info"]["title"] == "Hansa"
    assert (await client.tx_simulate(body_of(1))).ok
    assert (await client.account_get(address_of(BOB))).balances[0].amount == "10"
    assert len((await client.account_history(address_of(BOB))).entries) == 1
    page = await client.account_statement(address_of(BOB), ASSET)
    assert (page.opening, [entry.change for entry in page.movements], page.closing) == ("0", ["10"], "10")
    assert (await client.contract_list()).contracts[0].name == "payments"
    assert bytes((await client.contract_abi("payments")).abi) == b'{"actions": {"pay": {}}}'
    query = await client.contract_query("payments", "echo", ["12", 12, b"\x01", [None]])
    assert query.result == ["12", "12", "0x01", [None]]
    assert (await client.state_proof(b"\x00")).value is None
    assert (await client.balance_proof(address_of(BOB), ASSET)).value is not None
    proof = await client.receipt_proof(signed.id, 0)
    assert proof.event is not None
    assert len((await client.events_get()).events) == 2
    many = await client.tx_submit_many([payment(1, 1).encoded, b"", signed.encoded])
    assert [entry.code if isinstance(entry, RpcError) else entry.status for entry in many] == [
        *("pending", "bad_version", "final")
    ]
    assert await client.tx_submit_many([]) == []


@pytest.mark.usefixtures("deciding")
async def test_build_simulate_sign_submit_wait(client: AsyncClient) -> None:
    sent = await client.send([payment_call(address_of(BOB), 7)], address_of(ALICE), [ALICE], timeout_ms=5_000)
    assert (sent.outcome.status, sent.transaction.body.fuel_limit) == ("final", 1_200 * 5 // 4 + 10_000)
    assert sent.simulation is not None
    assert sent.outcome.receipt is not None
    assert sent.outcome.receipt.results == ("7",)
    with pytest.raises(RpcError, match="overdraft") as refusal:
        await client.send([payment_call(address_of(BOB), 5_000)], address_of(ALICE), [ALICE])
    assert (refusal.value.code, refusal.value.hint) == ("overdraft", "993 available, 5000 needed")
    with pytest.raises(RpcError, match="unauthorised"):
        await client.send([payment_call(address_of(BOB), 1)], address_of(ALICE), [STRANGER], fuel_limit=5_000)


async def test_what_is_still_pending_is_said_not_raised(face: Face, client: AsyncClient) -> None:
    sent = await client.send([payment_call(address_of(BOB), 7)], address_of(ALICE), [ALICE], timeout_ms=50)
    assert (sent.outcome.status, sent.outcome.hash) == ("pending", "0x" + sent.transaction.id.hex())


async def test_events_go_on_from_a_cursor(face: Face, client: AsyncClient) -> None:
    for number in range(3):
        face.node.submit(payment(1, number).encoded)
        face.node.decide()
    seen = [(entry.height, cursor) async for entry, cursor in client.events(name="paid")]
    assert [height for height, _ in seen] == ["1", "2", "3"]
    face.node.submit(payment(1, 3).encoded)
    face.node.decide()
    again = [entry.height async for entry, _ in client.events(cursor=seen[-1][1], name="paid")]
    assert again == ["4"]


async def test_followed_events_come_as_they_happen(
    face: Face, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rpc.client.asynchronous.POLL_SECONDS", 0.01)
    following = client.events(follow=True, name="paid")
    coming = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0.05)
    face.node.submit(payment(1).encoded)
    face.node.decide()
    entry, _ = await asyncio.wait_for(coming, 3)
    assert entry.event.fields["amount"] == "1"
    await following.aclose()


async def test_the_sync_client_works_inside_a_running_loop(face: Face, dead: str) -> None:
    """The server runs in this loop, so the client has a thread; that thread has a running loop of its own."""

    def inside_a_loop() -> tuple[str, str]:
        async def use() -> tuple[str, str]:
            with SyncClient([dead, face.url], Policy(pause_seconds=0.01)) as client:
                accepted = client.tx_submit(payment(5).encoded)
                waited = client.tx_wait(payment(5).id, 30)
                assert client.node_status().pool_count == 1
                assert [result.status for result in client.tx_submit_many([payment(5).encoded])] == ["pending"]  # type: ignore[union-attr]
                assert list(client.events()) == []
                return accepted.status, waited.status

        return asyncio.run(use())

    assert await asyncio.to_thread(inside_a_loop) == ("pending", "pending")


async def test_a_kept_connection_that_was_closed_is_opened_anew(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    client = SyncClient([face.url], Policy(rounds_max=1))
    await asyncio.to_thread(client.node_status)
    for connection in list(face.server.guard._deadlines):
        connection.close()
    await asyncio.sleep(0.05)
    assert (await asyncio.to_thread(client.node_status)).member == "alpine"
    client.close()


async def test_nobody_there(dead: str) -> None:
    async with AsyncClient([dead], Policy(rounds_max=2, pause_seconds=0.01)) as client:
        with pytest.raises(Unreachable, match=f"No node answered: {dead}: ClientConnectorError"):
            await client.node_status()
    client_sync = SyncClient([dead], Policy(rounds_max=2, pause_seconds=0.01))
    with pytest.raises(Unreachable, match="ConnectionRefusedError"):
        await asyncio.to_thread(client_sync.node_status)


def test_a_body_names_the_keys_in_order() -> None:
    body = build_body(bytes(32), address_of(ALICE), [payment_call(address_of(BOB), 1)], [BOB, ALICE, STRANGER], 5)
    assert isinstance(body, Body)
    assert list(body.keys) == sorted(body.keys)
    assert len(body.client_id) == 16


def test_the_most_that_a_transaction_pays_is_rounded_up() -> None:
    fee = answers.FeeAnswer(address_of(ALICE), ASSET, "6", "5", "1000")
    assert [fee_max(fee, limit) for limit in (0, 1, 1_000, 1_001, 10**6)] == [5, 6, 6, 7, 1_005]
