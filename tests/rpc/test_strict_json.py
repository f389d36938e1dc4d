"""Hostile texts (FAULTS R1): each is answered by −32700 or −32600, at once, and never by a fault of ours."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpc import strict_json
from rpc.errors import RpcError
from tests.rpc.conftest import Face

CALL = b'{"jsonrpc":"2.0","method":"node_status","id":1}'
NO_JSON = "The body is not one JSON text in UTF-8."

TWICE = "An object names the same key twice."
ESCAPED = "A key is spelled with an escape; no key here needs one."
LONG = "A number is longer than 64 characters."
DEEP = "The request nests deeper than 24."
MANY = "More than 100000 quotes, brackets, commas and escapes."

HOSTILE: list[tuple[str, bytes, int, str | None]] = [
    ("empty", b"", -32700, "Input data was truncated."),
    ("white space", b"  \n", -32700, "Input data was truncated."),
    ("cut", CALL[:-1], -32700, "Input data was truncated."),
    ("trailing text", CALL + b" {}", -32700, "JSON is malformed: trailing characters (byte 49)."),
    ("trailing comma", b'{"jsonrpc":"2.0",}', -32700, "JSON is malformed: trailing comma in object (byte 17)."),
    ("comment", b"// " + CALL, -32700, "JSON is malformed: invalid character (byte 0)."),
    ("single quotes", CALL.replace(b'"', b"'"), -32700, None),
    ("NaN", b'{"jsonrpc":"2.0","method":"node_status","params":[NaN],"id":1}', -32700, None),
    ("Infinity", b'{"jsonrpc":"2.0","method":"node_status","params":[-Infinity],"id":1}', -32700, None),
    ("byte order mark", b"\xef\xbb\xbf" + CALL, -32700, "JSON is malformed: invalid character (byte 0)."),
    ("UTF-16", CALL.decode().encode("utf-16"), -32700, "The body is not UTF-8."),
    ("UTF-16 without a mark", CALL.decode().encode("utf-16-le"), -32700, NO_JSON),
    ("UTF-32", CALL.decode().encode("utf-32"), -32700, "The body is not UTF-8."),
    ("Latin-1", b'{"jsonrpc":"2.0","method":"\xe9","id":1}', -32700, "The body is not UTF-8."),
    ("overlong UTF-8", b'{"jsonrpc":"2.0","method":"\xc0\xaf","id":1}', -32700, "The body is not UTF-8."),
    ("raw surrogate", b'{"jsonrpc":"2.0","method":"\xed\xa0\x80","id":1}', -32700, "The body is not UTF-8."),
    ("lone high surrogate", b'{"jsonrpc":"2.0","method":"\\ud800","id":1}', -32700, None),
    ("lone low surrogate", b'{"jsonrpc":"2.0","method":"\\udc00","id":1}', -32700, None),
    ("lone surrogate in an id", b'{"jsonrpc":"2.0","method":"node_status","id":"\\ud800x"}', -32700, None),
    (
        "lone surrogate in params",
        b'{"jsonrpc":"2.0","method":"tx_get","params":["\\ud800\\u0041"],"id":1}',
        -32700,
        None,
    ),
    ("NUL", CALL + b"\0", -32700, NO_JSON),
    ("control character", b'{"jsonrpc":"2.0","method":"a\nb","id":1}', -32700, None),
    ("bad escape", b'{"jsonrpc":"2.0","method":"\\x41","id":1}', -32700, None),
    ("open string", b'{"jsonrpc":"2.0', -32700, NO_JSON),
    ("repeated key", b'{"jsonrpc":"2.0","method":"a","method":"b","id":1}', -32600, TWICE),
    ("repeated key in params", b'{"jsonrpc":"2.0","method":"a","params":{"x":1,"y":2,"x":1},"id":1}', -32600, TWICE),
    ("repeated key, spaces", b'{"id" : 1 , "id"\n:2}', -32600, TWICE),
    ("repeated key, one escaped", b'{"id":1,"\\u0069d":2}', -32600, ESCAPED),
    ("5,000 digits", b'{"jsonrpc":"2.0","method":"a","id":' + b"1" * 5_000 + b"}", -32600, LONG),
    ("5,000 decimals", b'{"jsonrpc":"2.0","method":"a","params":[0.' + b"1" * 5_000 + b'],"id":1}', -32600, LONG),
    ("depth 100,000", b"[" * 100_000, -32600, DEEP),
    ("depth 30,000", b"[" * 30_000 + b"]" * 30_000, -32600, DEEP),
    ("depth in params", b'{"params":' + b'{"a":' * 24 + b"1" + b"}" * 25, -32600, DEEP),
    ("many brackets", b"[" + b"[]," * 100_000 + b"[]]", -32600, MANY),
    ("many strings", b"[" + b'"",' * 60_000 + b'""]', -32600, MANY),
    ("many escapes", b'"' + b"\\n" * 200_000 + b'"', -32600, MANY),
]


@pytest.mark.parametrize(("body", "number", "hint"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
async def test_hostile_text(face: Face, body: bytes, number: int, hint: str | None) -> None:
    started = time.monotonic()
    status, given = await face.post(body)
    response: dict[str, Any] = json.loads(given)
    assert status == 200
    assert response.keys() == {"jsonrpc", "id", "error"}
    assert response["id"] is None
    assert response["error"]["code"] == number
    assert response["error"]["message"] == {-32700: "Parse error", -32600: "Invalid Request"}[number]
    assert response["error"]["data"]["retryable"] is False
    if hint is not None:
        assert response["error"]["data"]["hint"] == hint
    assert time.monotonic() - started < 1
    assert await face.result("node_status")


@pytest.mark.parametrize(
    "body",
    [
        b'"' * 2_000_000,
        b'\\"' * 2_000_000,
        b'"\\' * 1_000_000,
        b"{" * 4_000_000,
        b" " * 4_000_000,
        b"[1" + b",1" * 90_000,
    ],
)
def test_the_gate_is_linear(body: bytes) -> None:
    started = time.process_time()
    try:
        strict_json.check(body)
    except RpcError:
        pass
    assert time.process_time() - started < 0.5


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=8)
    | st.floats(allow_nan=False, width=32),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc:{}[],", max_size=4), inner, max_size=4),
    max_leaves=30,
)


@given(JSON, st.sampled_from([None, 1]), st.booleans())
def test_honest_texts_pass(value: object, indent: int | None, ascii_only: bool) -> None:
    strict_json.check(json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode())


def pairs_are_distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    assert len({key for key, _ in pairs}) == len(pairs)
    return dict(pairs)


@given(st.text('{}[]":,\\1a ', max_size=24))
def test_what_passes_and_is_json_has_distinct_keys(text: str) -> None:
    try:
        strict_json.check(text.encode())
        json.loads(text)
    except (RpcError, ValueError):
        return
    json.loads(text, object_pairs_hook=pairs_are_distinct)
