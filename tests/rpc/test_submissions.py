"""Many transactions in one body, against a server: what it answers, and what it refuses."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpc import submissions
from rpc.answers import SubmitAnswer
from rpc.backend import TransactionStatus
from rpc.errors import RpcError
from rpc.text import hex_of
from state import codec
from tests.rpc.conftest import Face
from tests.rpc.memory_node import STRANGER, payment


async def post(face: Face, body: bytes, content_type: str = submissions.CONTENT_TYPE) -> tuple[int, str, bytes]:
    headers = {"Content-Type": content_type}
    async with face.session.post(face.url + submissions.PATH, data=body, headers=headers) as response:
        return response.status, response.content_type, await response.read()


async def test_each_transaction_has_its_result(face: Face) -> None:
    done, fresh, strange = payment(1), payment(2), payment(3, key=STRANGER)
    face.node.submit(done.encoded)
    face.node.decide()
    sent = [done.encoded, fresh.encoded, b"", strange.encoded, fresh.encoded]
    status, kind, body = await post(face, submissions.encode_transactions(sent))
    assert (status, kind) == (200, submissions.CONTENT_TYPE)
    assert codec.decode(body, submissions.VERSION) == [
        [done.id, "final", None],
        [fresh.id, "pending", None],
        [None, None, [-32003, "bad_version", "version byte missing, this node knows 01", False, None]],
        [strange.id, None, [-32003, "unauthorised", "the keys do not meet the sender's policy", False, None]],
        [fresh.id, "pending", None],
    ]
    final, pending, malformed, refused, again = submissions.decode_results(body, 5)
    assert final == SubmitAnswer(hex_of(done.id), TransactionStatus.FINAL, True)
    assert pending == again == SubmitAnswer(hex_of(fresh.id), TransactionStatus.PENDING, False)
    assert isinstance(malformed, RpcError)
    assert isinstance(refused, RpcError)
    assert (malformed.code, refused.number, refused.retryable) == ("bad_version", -32003, False)
    assert face.node.submissions == [5]


async def test_a_full_pool_says_when_to_come_again(face: Face) -> None:
    face.node.pool_max = 0
    _, _, body = await post(face, submissions.encode_transactions([payment(1).encoded]))
    (refusal,) = submissions.decode_results(body, 1)
    assert isinstance(refusal, RpcError)
    assert (refusal.number, refusal.code, refusal.retryable, refusal.retry_after_ms) == (-32005, "full", True, 500)


async def test_nothing_in_nothing_out(face: Face) -> None:
    _, _, body = await post(face, submissions.encode_transactions([]))
    assert (submissions.decode_results(body, 0), face.node.submissions) == ([], [])


NO_BODIES = {
    "nothing": (b"", "bad_version"),
    "a later version": (b"\x02\x90", "bad_version"),
    "no list": (b"\x01", "malformed"),
    "a map": (b"\x01\x80", "malformed"),
    "bytes": (b"\x01\xc4\x00", "malformed"),
    "a text in it": (b"\x01\x91\xa1x", "malformed"),
    "a longer spelling": (b"\x01\xdc\x00\x01\xc4\x00", "malformed"),
    "more after it": (b"\x01\x91\xc4\x00\x00", "malformed"),
    "deep": (b"\x01" + b"\x91" * 100_000, "malformed"),
    "1,001 of them": (submissions.encode_transactions([b""] * 1_001), "malformed"),
}


@pytest.mark.parametrize(("body", "code"), NO_BODIES.values(), ids=NO_BODIES)
async def test_a_body_that_is_none_is_refused_whole(face: Face, body: bytes, code: str) -> None:
    status, kind, answer = await post(face, body)
    response = json.loads(answer)
    assert (status, kind, response["error"]["code"]) == (400, "application/json", -32602)
    assert response["error"]["data"]["code"] == code
    assert face.node.submissions == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/octet-stream"])
async def test_a_page_cannot_send_it_unasked(face: Face, content_type: str) -> None:
    status, _, answer = await post(face, submissions.encode_transactions([payment(1).encoded]), content_type)
    assert (status, answer) == (403, b"The content type is application/vnd.hansa.transactions.\n")
    assert face.node.submissions == []


async def test_a_body_that_is_too_large(face: Face) -> None:
    status, _, _ = await post(face, bytes(4 * 1024 * 1024 + 1))
    assert status == 413


async def test_it_is_only_posted(face: Face) -> None:
    async with face.session.get(face.url + submissions.PATH) as response:
        assert response.status == 405


@given(st.binary(max_size=64))
def test_any_bytes_are_a_list_of_transactions_or_refused(data: bytes) -> None:
    try:
        listed = submissions.decode_transactions(b"\x01" + data)
    except RpcError:
        return
    assert submissions.encode_transactions(listed) == b"\x01" + data


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_what_is_sent_is_what_arrives(transactions: list[bytes]) -> None:
    assert submissions.decode_transactions(submissions.encode_transactions(transactions)) == transactions
