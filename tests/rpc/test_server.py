"""The HTTP face: who gets in, what is slow, huge or hostile (FAULTS R2–R4), and what operators' tools read."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import Callable

import pytest
import uvloop

from rpc import guard, server
from rpc.guard import BoundedLog, Guard, allows_origin
from rpc.server import ServerOptions
from tests.rpc.conftest import Face, start_face
from tests.rpc.memory_node import MemoryNode

CALL = b'{"jsonrpc":"2.0","method":"contract_list","id":1}'
QUICK = ServerOptions(
    connections_max=40, per_address_max=30, headers_seconds_max=0.4, body_seconds_max=0.4, body_bytes_max=100_000
)


@pytest.fixture
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    """The loop that the node runs on."""
    return uvloop.EventLoopPolicy()


@pytest.fixture
def options() -> ServerOptions:
    return QUICK


@pytest.fixture(autouse=True)
def quick_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "SWEEP_SECONDS", 0.05)


async def exchange(face: Face, data: bytes, *, finish: bool = False) -> bytes:
    """Send bytes as they are; all that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", face.port)
    writer.write(data)
    if finish:
        writer.write_eof()
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def request(body: bytes = CALL, *lines: str, path: str = "/", method: str = "POST", host: str = "localhost") -> bytes:
    head = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *lines]
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in lines):
        head.append(f"Content-Length: {len(body)}")
    if not any(line.lower().startswith("content-type") for line in lines):
        head.append("Content-Type: application/json")
    return "\r\n".join([*head, "", ""]).encode() + body


def status_of(response: bytes) -> int:
    return int(response.split(b" ", 2)[1]) if response else 0


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("127.0.0.1:8545", 200),
        ("[::1]:8545", 200),
        ("[::1]", 200),
        ("evil.example", 403),
        ("localhost.evil.example:8545", 403),
        ("127.0.0.1.evil.example", 403),
        ("evil.example:localhost", 403),
        ("", 403),
    ],
)
async def test_a_rebound_host_is_refused(face: Face, host: str, status: int) -> None:
    response = await exchange(face, request(host=host))
    assert status_of(response) == status
    if status == 403:
        assert b"This node does not answer to that Host; its operator can allow it." in response


async def test_no_host_at_all_is_refused(face: Face) -> None:
    assert status_of(await exchange(face, b"GET /healthz HTTP/1.0\r\n\r\n")) == 403


async def test_an_operator_allows_a_host() -> None:
    known = Guard(["Node.Bank.example"])
    assert known.allows_host("node.bank.example:443")
    assert not known.allows_host("bank.example")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://localhost:8545", True),
        ("https://localhost:8545", True),
        ("http://localhost:8546", False),
        ("http://localhost", False),
        ("https://evil.example", False),
        ("null", False),
        ("", False),
        ("http://localhost:8545.evil.example", False),
    ],
)
def test_origins(origin: str | None, allowed: bool) -> None:
    assert allows_origin(origin, "localhost:8545") is allowed


async def test_a_foreign_page_is_refused(face: Face) -> None:
    status, body = await face.post(CALL, Origin="https://evil.example")
    assert (status, body) == (403, b"Pages of other origins may not use this node.\n")
    assert (await face.post(CALL, Origin=face.url))[0] == 200


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON;charset=UTF-8", 200),
        ("text/plain", 403),
        ("application/x-www-form-urlencoded", 403),
        ("multipart/form-data; boundary=x", 403),
        ("application/json; charset=utf-16", 403),
        ("", 403),
    ],
)
async def test_content_types(face: Face, content_type: str, status: int) -> None:
    response = await exchange(face, request(CALL, f"Content-Type: {content_type}"))
    assert status_of(response) == status


@pytest.mark.parametrize(
    ("data", "statuses"),
    [
        (request(CALL, "Content-Encoding: gzip"), {415}),
        (request(b"", "Content-Length: 100000000"), {413}),
        (request(b"", "Content-Length: -1"), {400}),
        (request(b"", "Content-Length: 1e3"), {400}),
        (request(b"0\r\n\r\n", "Content-Length: 4", "Transfer-Encoding: chunked"), {400}),
        (request(CALL, "Content-Length: 4", f"Content-Length: {len(CALL)}"), {400}),
        (request(b"zz\r\n", "Transfer-Encoding: chunked"), {400}),
        (request(b"FFFFFFFFFFFFFFFF\r\n" + bytes(200_000), "Transfer-Encoding: chunked"), {413, 400}),
        (request(CALL, "X: " + "a" * 9_000), {400}),
        (request(CALL, *(f"X{index}: a" for index in range(200))), {400}),
        (request(CALL, path="/" + "a" * 9_000), {400}),
        (request(CALL, "Bad Header: x"), {400}),
        (b"\x16\x03\x01\x02\x00\x01\x00" + bytes(200), {400}),
        (b"GARBAGE\r\n\r\n", {400}),
        (b"\x00" * 1_000 + b"\r\n\r\n", {400}),
        (request(b"", path="/nothing", method="GET"), {404}),
        (request(b"", method="GET"), {405}),
        (request(CALL, path="/healthz"), {405}),
        (request(CALL, method="DELETE"), {405}),
        (request(b"", method="OPTIONS"), {405}),
    ],
)
async def test_hostile_http(face: Face, data: bytes, statuses: set[int], caplog: pytest.LogCaptureFixture) -> None:
    assert status_of(await exchange(face, data)) in statuses
    assert not any(record.exc_info for record in caplog.records)
    assert (await face.post(CALL))[0] == 200


async def test_a_body_that_grows_too_large_is_cut(face: Face) -> None:
    chunk = b"2710\r\n" + b" " * 10_000 + b"\r\n"
    response = await exchange(face, request(chunk * 20, "Transfer-Encoding: chunked"))
    assert status_of(response) == 413
    assert json.loads(response.split(b"\r\n\r\n", 1)[1]) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {
            "code": -32600,
            "message": "Invalid Request",
            "data": {"code": "request_too_large", "hint": "A body has at most 100000 bytes.", "retryable": False},
        },
    }


async def test_bodies_share_a_budget(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpc.server.BODIES_BYTES_MAX", 10)
    status, body = await face.post(CALL)
    assert (status, json.loads(body)["error"]["data"]["code"]) == (429, "busy")
    monkeypatch.undo()
    assert (await face.post(CALL))[0] == 200


async def test_expect_continue(face: Face) -> None:
    response = await exchange(face, request(CALL, "Expect: 100-continue"))
    assert response.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(250):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen within 5 s")


async def until_closed(reader: asyncio.StreamReader) -> float:
    """Seconds until the server closes."""
    started = time.monotonic()
    try:
        async with asyncio.timeout(10):
            await reader.read()
    except ConnectionResetError:
        pass
    return time.monotonic() - started


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nX: ",
        request(CALL, "Content-Length: 500"),
        request(b"5\r\nab", "Transfer-Encoding: chunked"),
        request(CALL).replace(b"Connection: close\r\n", b""),
    ],
    ids=["says nothing", "stops in the headers", "stops in the body", "stops in a chunk", "is idle after an answer"],
)
async def test_a_client_that_stops_is_closed(face: Face, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", face.port)
    writer.write(sent)
    assert await until_closed(reader) < 3
    writer.close()


async def test_one_byte_at_a_time_is_too_slow(face: Face) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", face.port)

    async def trickle() -> None:
        for byte in request(CALL):
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)

    trickling = asyncio.create_task(trickle())
    assert await until_closed(reader) < 3
    trickling.cancel()
    writer.close()


async def test_who_does_not_take_the_answer_is_closed(face: Face) -> None:
    batch = b"[" + b",".join([b'{"jsonrpc":"2.0","method":"rpc.discover","id":1}'] * 300) + b"]"
    taker = socket.socket()
    taker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    taker.setblocking(False)
    await asyncio.get_running_loop().sock_connect(taker, ("127.0.0.1", face.port))
    await asyncio.get_running_loop().sock_sendall(taker, request(batch))
    await until(lambda: face.server.guard.late == 1)
    taker.close()


async def test_answers_that_nobody_takes_share_a_budget(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = b"[" + b",".join([b'{"jsonrpc":"2.0","method":"rpc.discover","id":1}'] * 200) + b"]"
    size = len((await face.post(batch))[1])
    monkeypatch.setattr(server, "UNSENT_BYTES_MAX", 2 * size)
    takers = []
    for _ in range(5):
        taker = socket.socket()
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        taker.setblocking(False)
        await asyncio.get_running_loop().sock_connect(taker, ("127.0.0.1", face.port))
        await asyncio.get_running_loop().sock_sendall(taker, request(batch))
        takers.append(taker)
    for _ in range(50):
        status, body = await face.post(batch)
        if status != 200:
            break
    assert face.server.guard.unsent_bytes <= 2 * size
    assert (status, json.loads(body)["error"]["data"]["code"]) == (429, "busy")
    assert (await face.result("node_status"))["version"] == "0.1.0"
    for taker in takers:
        taker.close()
    await until(lambda: face.server.guard.unsent_bytes == 0)
    assert (await face.post(batch))[0] == 200


async def test_honest_callers_are_served_beside_slow_ones(face: Face) -> None:
    slow = [await asyncio.open_connection("127.0.0.1", face.port) for _ in range(25)]
    for _, writer in slow:
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\n")
    started = time.monotonic()
    for _ in range(20):
        assert (await face.post(CALL))[0] == 200
    assert time.monotonic() - started < 2
    for _, writer in slow:
        writer.close()


async def test_connections_of_one_address_are_capped(face: Face) -> None:
    held = [await asyncio.open_connection("127.0.0.1", face.port) for _ in range(QUICK.per_address_max)]
    assert await exchange(face, request()) == b""
    assert face.server.guard.refused == 1
    for _, writer in held:
        writer.close()
    await until(lambda: face.server.guard.connections == 0)
    assert (await face.post(CALL))[0] == 200


async def test_a_flood_of_notifications_says_nothing(face: Face) -> None:
    flood = b"[" + b",".join([b'{"jsonrpc":"2.0","method":"nothing"}'] * 1_000) + b"]"
    for _ in range(5):
        assert await face.post(flood) == (204, b"")


async def test_what_operators_read(face: Face) -> None:
    async with face.session.get(face.url + "/healthz") as response:
        assert (response.status, await response.json()) == (200, {"alive": True})
    async with face.session.get(face.url + "/readyz") as response:
        assert (response.status, await response.json()) == (200, {"ready": True, "reasons": []})
    face.node.not_ready = ("it is 40 blocks behind",)
    async with face.session.get(face.url + "/readyz") as response:
        assert response.status == 503
        assert await response.json() == {"ready": False, "reasons": ["it is 40 blocks behind"]}
    async with face.session.get(face.url + "/metrics") as response:
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert await response.text() == "hansa_height 0\n"


async def test_who_goes_away_while_waiting_frees_his_place(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpc.methods.WAITS_MAX", 20)
    wait = b'{"jsonrpc":"2.0","method":"tx_wait","params":["0x' + b"ab" * 32 + b'","20000"],"id":1}'
    for _ in range(10):
        _, writer = await asyncio.open_connection("127.0.0.1", face.port)
        writer.write(request(b"[" + b",".join([wait] * 20) + b"]"))
        await until(lambda: bool(face.server.guard._waits))
        writer.transport.abort()
        await until(lambda: not face.server.guard._waits)
    assert (await face.result("tx_wait", "0x" + "ab" * 32, "1"))["status"] == "unknown"


async def test_stopping_does_not_wait_for_those_who_wait() -> None:
    server, port = await start_face(MemoryNode())
    wait = b'{"jsonrpc":"2.0","method":"tx_wait","params":["0x' + b"ab" * 32 + b'","20000"],"id":1}'
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(wait))
    await asyncio.sleep(0.1)
    started = time.monotonic()
    await server.stop()
    assert time.monotonic() - started < 3
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_taken_port_is_an_os_error() -> None:
    server, port = await start_face(MemoryNode())
    other, _ = await start_face(MemoryNode())
    with pytest.raises(OSError, match="in use"):
        await other.start("127.0.0.1", port)
    await other.stop()
    await server.stop()


def test_logs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("rpc.guard.time.monotonic", lambda: now[0])
    bounded = BoundedLog(3)

    def line() -> str | None:
        record = logging.LogRecord("x", logging.INFO, "", 0, "a line of %s", ("text",), None)
        return record.getMessage() if bounded.filter(record) else None

    assert [line() for _ in range(5)] == ["a line of text"] * 3 + [None, None]
    now[0] = 61.0
    assert [line(), line()] == ["2 lines were left out. a line of text", "a line of text"]
