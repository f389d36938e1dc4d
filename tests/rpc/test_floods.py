"""Batches, notifications and ids against a node that listens (FAULTS R2), and the deadlines that it ships with (R3)."""

import json
import time

import pytest

from rpc.guard import BODY_SECONDS_MAX, HEADERS_SECONDS_MAX, SWEEP_SECONDS
from rpc.server import ServerOptions
from tests.rpc.conftest import Face

ENTRY = '{"jsonrpc":"2.0","method":"node_status","id":1}'
NOTE = '{"jsonrpc":"2.0","method":"node_status"}'


@pytest.mark.parametrize("count", [0, 10_001])
async def test_a_batch_of_none_or_too_many_is_one_error(face: Face, count: int) -> None:
    began = time.monotonic()
    status, body = await face.post("[" + ",".join([ENTRY] * count) + "]")
    answer = json.loads(body)
    assert (status, answer["id"], answer["error"]["code"]) == (200, None, -32600)
    assert time.monotonic() - began < 5
    assert await face.result("node_status")


async def test_a_batch_of_one_is_a_batch(face: Face) -> None:
    status, body = await face.post(f"[{ENTRY}]")
    (answer,) = json.loads(body)
    assert (status, answer["id"], "result" in answer) == (200, 1, True)


async def test_notifications_are_never_answered_alone_or_in_crowds(face: Face) -> None:
    for body in (NOTE, f"[{NOTE}]", "[" + ",".join([NOTE] * 1_000) + "]"):
        assert await face.post(body) == (204, b"")
    status, body_ = await face.post("[" + ",".join([NOTE] * 9 + [ENTRY]) + "]")
    assert (status, [answer["id"] for answer in json.loads(body_)]) == (200, [1])


@pytest.mark.parametrize("identity", ["[]", "{}", "true", '"' + "x" * 300 + '"', "1" * 70, '"\\ud800"', "NaN"])
async def test_an_id_that_is_none(face: Face, identity: str) -> None:
    status, body = await face.post(ENTRY.replace('"id":1', f'"id":{identity}'))
    answer = json.loads(body)
    assert (status, answer["id"]) == (200, None)
    assert answer["error"]["code"] in (-32600, -32700)


@pytest.mark.parametrize("identity", ['""', "null", "-1", "1.5", "1e3", '"\\u00e9"', "123456789012345678901234567890"])
async def test_an_odd_id_comes_back_as_it_was(face: Face, identity: str) -> None:
    status, body = await face.post(ENTRY.replace('"id":1', f'"id":{identity}'))
    assert status == 200
    assert f'"id":{identity},'.encode() in body


def test_whoever_is_slow_is_closed_within_15_seconds() -> None:
    """The tests of slow clients shorten these; as shipped, no state of a connection lasts longer."""
    options = ServerOptions()
    assert (options.headers_seconds_max, options.body_seconds_max) == (HEADERS_SECONDS_MAX, BODY_SECONDS_MAX)
    assert max(HEADERS_SECONDS_MAX, BODY_SECONDS_MAX) + 2 * SWEEP_SECONDS < 15
