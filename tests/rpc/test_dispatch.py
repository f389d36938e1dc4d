"""JSON-RPC 2.0 itself: the specification's examples, batches, notifications, ids, and what is no request."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rpc import dispatch
from rpc.dispatch import Dispatcher, Method
from rpc.errors import RpcError, error

EXAMPLES = json.loads((Path(__file__).parent.parent / "vectors/jsonrpc/examples.json").read_text())


class Subtract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    minuend: int
    subtrahend: int


class Numbers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    a: int = 0
    b: int = 0
    c: int = 0
    d: int = 0
    e: int = 0


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str


def example_dispatcher() -> Dispatcher:
    """The methods that the specification's examples call."""

    async def subtract(params: Subtract) -> int:
        return params.minuend - params.subtrahend

    async def total(params: Numbers) -> int:
        return params.a + params.b + params.c

    async def get_data(params: Nothing) -> list[object]:
        return ["hello", 5]

    async def note(params: Numbers) -> None:
        return None

    async def crash(params: Nothing) -> None:
        raise ZeroDivisionError("with a secret")

    async def shout(params: Text) -> str:
        return params.text.upper()

    async def shout_all(params: list[Text]) -> list[Any]:
        batches.append(len(params))
        return [error("full") if entry.text == "full" else entry.text.upper() for entry in params]

    batches.clear()
    return Dispatcher(
        [
            Method("subtract", "", Subtract, int, subtract),
            Method("sum", "", Numbers, int, total),
            Method("get_data", "", Nothing, list[object], get_data),
            Method("update", "", Numbers, type(None), note),
            Method("notify_hello", "", Numbers, type(None), note),
            Method("notify_sum", "", Numbers, type(None), note),
            Method("crash", "", Nothing, type(None), crash),
            Method("shout", "", Text, str, shout, bulk=shout_all),
        ],
        logging.getLogger("tests.rpc"),
    )


batches: list[int] = []


def plain(response: Any) -> Any:
    """A response as the examples give it: without the members that the specification leaves to servers."""
    if isinstance(response, list):
        return [plain(entry) for entry in response]
    if "error" in response:
        response["error"].pop("data")
    return response


async def answer(body: str | bytes) -> Any:
    given = await example_dispatcher().answer(body.encode() if isinstance(body, str) else body)
    return None if given is None else json.loads(given)


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["name"] for example in EXAMPLES])
async def test_example_of_the_specification(example: dict[str, Any]) -> None:
    response = await answer(example["request"])
    assert (None if response is None else plain(response)) == example["response"]


@pytest.mark.parametrize(
    "identity",
    ["1", "-1", "0", "1.50", "1e3", '""', '"a"', '"\\u00e9"', "null", "12345678901234567890123456789", '"0"'],
)
async def test_an_id_comes_back_as_it_was_spelled(identity: str) -> None:
    body = f'{{"jsonrpc":"2.0","method":"get_data","id": {identity} }}'
    assert await example_dispatcher().answer(body.encode()) == (
        b'{"jsonrpc":"2.0","id":%s,"result":["hello",5]}' % identity.encode()
    )


def refusal(number: int, message: str, code: str, hint: str) -> dict[str, Any]:
    data = {"code": code, "hint": hint, "retryable": False}
    return {"jsonrpc": "2.0", "id": None, "error": {"code": number, "message": message, "data": data}}


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ('{"jsonrpc":"2.0","method":"sum","id":[1]}', "The member id is a string, a number or null."),
        ('{"jsonrpc":"2.0","method":"sum","id":{"a":1}}', "The member id is a string, a number or null."),
        ('{"jsonrpc":"2.0","method":"sum","id":true}', "The member id is a string, a number or null."),
        ('{"jsonrpc":"2.0","method":"sum","id":"%s"}' % ("x" * 300), "The member id has at most 256 bytes."),
        ('{"jsonrpc":"1.0","method":"sum","id":1}', 'The member jsonrpc is "2.0".'),
        ('{"method":"sum","id":1}', "Object missing required field `jsonrpc`."),
        ('{"jsonrpc":2.0,"method":"sum","id":1}', "Expected `str`, got `float` - at `$.jsonrpc`."),
        ('{"jsonrpc":"2.0","id":1}', "Object missing required field `method`."),
        ('{"jsonrpc":"2.0","method":null,"id":1}', "Expected `str`, got `null` - at `$.method`."),
        (
            '{"jsonrpc":"2.0","method":"sum","params":"a","id":1}',
            "The member params is an array or an object, or left out.",
        ),
        (
            '{"jsonrpc":"2.0","method":"sum","params":null,"id":1}',
            "The member params is an array or an object, or left out.",
        ),
        ("1", "Expected `object`, got `int`."),
        ('"text"', "Expected `object`, got `str`."),
        ("null", "Expected `object`, got `null`."),
        ("[]", "A batch has at least one entry."),
    ],
)
async def test_what_is_no_request(body: str, hint: str) -> None:
    assert await answer(body) == refusal(-32600, "Invalid Request", "invalid_request", hint)


async def test_a_batch_is_limited() -> None:
    entry = '{"jsonrpc":"2.0","method":"get_data","id":1}'
    assert await answer("[" + ",".join(["{}"] * 10_001) + "]") == refusal(
        -32600, "Invalid Request", "request_too_large", "A batch has at most 1000 entries."
    )
    response = await answer("[" + ",".join([entry] * 1_000) + "]")
    assert response == [{"jsonrpc": "2.0", "id": 1, "result": ["hello", 5]}] * 1_000


async def test_notifications_never_answer_whatever_they_do() -> None:
    for method, params in (("get_data", "[]"), ("crash", "[]"), ("nothing", "[]"), ("subtract", "[1]")):
        assert await answer(f'{{"jsonrpc":"2.0","method":"{method}","params":{params}}}') is None
    flood = '{"jsonrpc":"2.0","method":"update","params":[1]}'
    assert await answer("[" + ",".join([flood] * 1_000) + "]") is None


@pytest.mark.parametrize(
    ("params", "hint"),
    [
        ("[42]", "Expected `array` of at least length 2, got 1."),
        ("[42,23,1]", "Expected `array` of at most length 2."),
        ('{"minuend":42}', "Object missing required field `subtrahend`."),
        ('{"minuend":42,"subtrahend":23,"extra":1}', "Object contains unknown field `extra`."),
        ('{"minuend":"42","subtrahend":23}', "Expected `int`, got `str` - at `$.minuend`."),
        ("[42,1e999]", "Number out of range - at `$[1]`."),
    ],
)
async def test_params_that_do_not_fit(params: str, hint: str) -> None:
    response = await answer(f'{{"jsonrpc":"2.0","method":"subtract","params":{params},"id":9}}')
    assert response == refusal(-32602, "Invalid params", "invalid_params", hint) | {"id": 9}


async def test_our_own_bug_shows_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    response = await answer('{"jsonrpc":"2.0","method":"crash","id":1}')
    hint = "The node failed at this request and has logged why."
    assert response == refusal(-32603, "Internal error", "internal_error", hint) | {"id": 1}
    assert [record.getMessage() for record in caplog.records] == ["The method crash failed."]


async def test_a_bulk_method_gets_its_calls_of_a_batch_at_once() -> None:
    def call(method: str, identity: int, params: object) -> str:
        return json.dumps({"jsonrpc": "2.0", "method": method, "id": identity, "params": params})

    body = [call("shout", 0, ["a"]), call("sum", 1, [1, 2]), call("shout", 2, {"text": "full"}), call("shout", 3, [1])]
    response = await answer("[" + ",".join([*body, call("shout", 4, {"text": "b"})]) + "]")
    assert batches == [3]
    assert [entry["id"] for entry in response] == [0, 1, 2, 3, 4]
    assert [entry.get("result") for entry in response] == ["A", 3, None, None, "B"]
    assert response[2]["error"]["data"]["code"] == "full"
    assert response[3]["error"]["data"]["hint"] == "Expected `str`, got `int` - at `$[0]`."


async def test_a_response_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "RESPONSE_BYTES_MAX", 200)
    body = ",".join(f'{{"jsonrpc":"2.0","method":"get_data","id":{identity}}}' for identity in range(6))
    response = await answer(f"[{body}]")
    assert [entry.get("result") for entry in response] == [["hello", 5]] * 4 + [None, None]
    assert response[5]["error"] == {
        "code": -32005,
        "message": "Limit exceeded",
        "data": {
            "code": "response_too_large",
            "hint": "The answers of this batch pass the size limit; ask for fewer.",
            "retryable": False,
        },
    }


async def test_calls_that_wait_hold_no_more_than_a_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "RESPONSE_BYTES_MAX", 3_000)
    monkeypatch.setattr(dispatch, "ANSWERS_BYTES_MAX", 5_000)
    arrived = asyncio.Event()

    async def wait(params: Nothing) -> str:
        await arrived.wait()
        return "x" * 900

    dispatcher = Dispatcher([Method("wait", "", Nothing, str, wait, waits=True)], logging.getLogger("tests.rpc"))
    body = ",".join(f'{{"jsonrpc":"2.0","method":"wait","id":{identity}}}' for identity in range(5))
    asked = [asyncio.create_task(dispatcher.answer(f"[{body}]".encode())) for _ in range(2)]
    await asyncio.sleep(0)
    arrived.set()
    first, second = [json.loads(given or b"") for given in await asyncio.gather(*asked)]
    codes = [[entry["error"]["data"]["code"] if "error" in entry else "" for entry in each] for each in (first, second)]
    assert codes == [["", "", "", *["response_too_large"] * 2], ["", *["busy"] * 4]]
    alone = json.loads(await dispatcher.answer(b'{"jsonrpc":"2.0","method":"wait","id":1}') or b"")
    assert alone["result"] == "x" * 900


def test_an_error_is_a_sentence() -> None:
    assert str(error("busy")) == ("Limit exceeded (busy): The node is serving as many requests as it can; try again.")
    assert str(RpcError(7, "own", "a contract's")) == "7 (own): a contract's"
