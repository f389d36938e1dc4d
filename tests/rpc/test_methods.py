"""Every method's answer, whole, and every error's full text, over real sockets."""

import asyncio
import json
import time
from typing import Any

import pytest

from rpc import backend
from rpc.text import hex_of
from state import merkle
from state.address import contract_address
from state.certificate import Certificate
from state.digest import source_digest
from state.succession import Change
from state.votes import Checkpoint
from tests.rpc.conftest import Face
from tests.rpc.memory_node import (
    ALICE,
    ASSET,
    BANKS,
    BOB,
    CHAIN_ID,
    GENESIS_MS,
    NODE_ID,
    PREFIX,
    STRANGER,
    VALIDATORS,
    VOTE_KEYS,
    address_of,
    body_of,
    payment,
)

UNKNOWN_HASH = "0x" + "ab" * 32


def refusal(number: int, message: str, code: str, hint: str, *, retryable: bool = False) -> dict[str, Any]:
    data: dict[str, Any] = {"code": code, "hint": hint, "retryable": retryable}
    if number == -32005 and retryable:
        data["retry_after_ms"] = 500
    return {"error": {"code": number, "message": message, "data": data}}


def invalid(hint: str) -> dict[str, Any]:
    return refusal(-32602, "Invalid params", "invalid_params", hint)


def malformed(hint: str) -> dict[str, Any]:
    return refusal(-32602, "Invalid params", "malformed", hint)


def unknown(hint: str) -> dict[str, Any]:
    return refusal(-32001, "Resource not found", "unknown", hint)


def rejected(code: str, hint: str) -> dict[str, Any]:
    return refusal(-32003, "Transaction rejected", code, hint)


async def test_node_status(face: Face) -> None:
    face.node.not_ready = ("two of four validators are linked",)
    assert await face.result("node_status") == {
        "version": "0.1.0",
        "chain_id": hex_of(CHAIN_ID),
        "address_prefix": PREFIX,
        "node_id": hex_of(NODE_ID),
        "member": "alpine",
        "role": "validator",
        "height": "0",
        "decided_height": "0",
        "certified_height": "0",
        "target_height": "0",
        "block_digest": hex_of(face.node.world.block_digest),
        "state_root": hex_of(face.node.world.root),
        "block_time_ms": str(GENESIS_MS),
        "view": "0",
        "peers": 3,
        "pool_count": 0,
        "pool_bytes": 0,
        "ready": False,
        "not_ready": ["two of four validators are linked"],
        "protocol_version": 1,
        "protocol_known": 2,
        "next_protocol_version": 2,
        "next_protocol_height": "90",
        "warnings": [],
    }


async def test_net_peers_in_pages(face: Face) -> None:
    first = await face.result("net_peers", limit=2)
    assert [peer["member"] for peer in first["peers"]] == ["baltic", "cobalt"]
    assert first["peers"][0].keys() == {
        *("member", "node_id", "role", "connected", "height", "address", "version", "protocol_known"),
    }
    assert first["peers"][0]["height"] == "7"
    assert first["complete"] is False
    second = await face.result("net_peers", first["next_cursor"], 2)
    assert [peer["member"] for peer in second["peers"]] == ["dune"]
    assert (second["complete"], second["next_cursor"]) == (True, None)


async def test_net_evidence(face: Face) -> None:
    listed = [
        {
            "member": BANKS[3],
            "height": "7",
            "votes": ["prepare", "commit"],
            "encoded": "0x0102",
            "number": "1",
            "reported_ms": "1700000000123",
        },
        {
            "member": BANKS[2],
            "height": "9",
            "votes": ["commit", "viewchange"],
            "encoded": "0x03",
            "number": None,
            "reported_ms": None,
        },
    ]
    assert await face.result("net_evidence") == {"evidence": listed, "next_cursor": None, "complete": True}
    page = await face.result("net_evidence", limit=1)
    assert (page["evidence"], page["complete"]) == (listed[:1], False)


async def test_net_succession(face: Face) -> None:
    assert await face.result("net_succession") == {"changes": [], "complete": True}
    vote = Checkpoint(12, bytes(32), bytes(32), bytes(32), VALIDATORS.digest)
    face.node.changes = [Change(height, VALIDATORS, Certificate(vote, ())) for height in range(20, 37)]
    first = await face.result("net_succession", after_height=19)
    assert (len(first["changes"]), first["complete"]) == (16, False)
    assert first["changes"][0]["encoded"] == hex_of(face.node.changes[0].encode())
    rest = await face.result("net_succession", first["changes"][-1]["first_height"])
    assert ([change["first_height"] for change in rest["changes"]], rest["complete"]) == (["36"], True)


async def test_net_validators(face: Face) -> None:
    validators = [
        {"index": index, "member": bank, "vote_key": hex_of(key.public)}
        for index, (bank, key) in enumerate(zip(BANKS, VOTE_KEYS, strict=True))
    ]
    expected = {
        "height": "3",
        "quorum": 3,
        "faulty_max": 1,
        "validators_digest": hex_of(VALIDATORS.digest),
        "validators": validators,
        "next_cursor": None,
        "complete": True,
    }
    assert await face.result("net_validators", "3") == expected
    assert await face.result("net_validators", height=3) == expected
    assert await face.ask("net_validators", "9") == unknown("the validators of height 9 are not known yet")


async def test_chain_block(face: Face) -> None:
    face.node.submit(payment(10).encoded)
    face.node.submit(payment(5_000, 1).encoded)
    block, commit = face.node.decide().block, face.node.heights[0].commit
    header = block.header
    expected = {
        "height": "1",
        "block_digest": hex_of(block.digest),
        "parent_digest": "0x" + "00" * 32,
        "block_time_ms": str(header.timestamp_ms),
        "proposer": hex_of(header.proposer),
        "transaction_root": hex_of(header.transaction_root),
        "validators_digest": hex_of(VALIDATORS.digest),
        "transactions": [hex_of(payment(10).id), hex_of(payment(5_000, 1).id)],
        "signature_digests": [hex_of(payment(10).entry[32:]), hex_of(payment(5_000, 1).entry[32:])],
        "failed_count": 1,
        "encoded_header": hex_of(block.encoded_header),
        "certificate": {
            "kind": "commit",
            "height": "1",
            "view": "0",
            "block_digest": hex_of(block.digest),
            "signatures": [
                {"validator": index, "signature": hex_of(signature)} for index, signature in commit.signatures
            ],
        },
        "latest_height": "1",
        "scheduled": [],
    }
    assert await face.result("chain_block") == expected
    assert await face.result("chain_block", "1") == expected
    assert await face.result("chain_block", digest=hex_of(block.digest)) == expected
    assert await face.ask("chain_block", "2") == unknown("there is no block of height 2")
    assert await face.ask("chain_block", digest=UNKNOWN_HASH) == unknown("no block has that digest")
    assert await face.ask("chain_block", "1", UNKNOWN_HASH) == invalid(
        "A block is asked for by height or by digest, not both."
    )


async def test_chain_checkpoint(face: Face) -> None:
    checkpoint = face.node.decide().checkpoint
    answer = await face.result("chain_checkpoint", "1")
    assert answer["certificate"] == {
        "kind": "checkpoint",
        "height": "1",
        "block_digest": hex_of(face.node.world.block_digest),
        "state_root": hex_of(face.node.world.root),
        "receipts_root": hex_of(merkle.EMPTY_ROOT),
        "validators_digest": hex_of(VALIDATORS.digest),
        "signatures": [
            {"validator": index, "signature": hex_of(signature)} for index, signature in checkpoint.signatures
        ],
    }
    assert (answer["height"], answer["latest_height"], len(answer["validators"])) == ("1", "1", 4)
    assert await face.result("chain_checkpoint") == answer
    assert await face.ask("chain_checkpoint", "7") == unknown("there is no block of height 7")


async def test_chain_genesis(face: Face) -> None:
    assert await face.result("chain_genesis") == {"chain_id": hex_of(CHAIN_ID), "document": '{"name": "Hanse"}\n'}


async def test_submit_says_that_accepted_is_not_durable_and_again_the_same(face: Face) -> None:
    signed = payment(10)
    accepted = {"hash": hex_of(signed.id), "status": "pending", "durable": False}
    assert await face.result("tx_submit", hex_of(signed.encoded)) == accepted
    assert await face.result("tx_submit", transaction=hex_of(signed.encoded).upper().replace("0X", "0x")) == accepted
    face.node.decide()
    final = {"hash": hex_of(signed.id), "status": "final", "durable": True}
    assert await face.result("tx_submit", hex_of(signed.encoded)) == final


@pytest.mark.parametrize(
    ("encoded", "response"),
    [
        (b"", rejected("bad_version", "version byte missing, this node knows 01")),
        (b"\x01\xc0", rejected("malformed", "a list of 2 fields is expected")),
        (b"\x01" + bytes(200_000), rejected("too_large", "200000 bytes, at most 131072 are allowed here")),
        (payment(1, chain_id=bytes(32)).encoded, rejected("wrong_chain", "signed for another chain")),
        (
            payment(1).encoded[:-1] + bytes([payment(1).encoded[-1] ^ 1]),
            rejected("bad_signature", "the signature of key 0 does not match"),
        ),
        (payment(1, key=STRANGER).encoded, rejected("unauthorised", "the keys do not meet the sender's policy")),
    ],
    ids=["nothing", "no transaction", "too large", "another chain", "a wrong signature", "a stranger's key"],
)
async def test_refused_transactions(face: Face, encoded: bytes, response: dict[str, Any]) -> None:
    assert await face.ask("tx_submit", hex_of(encoded)) == response


async def test_a_full_pool_is_worth_another_try(face: Face) -> None:
    face.node.pool_max = 0
    assert await face.ask("tx_submit", hex_of(payment(1).encoded)) == refusal(
        -32005, "Limit exceeded", "full", "the pool has no room", retryable=True
    )


@pytest.mark.parametrize("text", ["0x0", "0x123", "0x12\n", "0x 12"])
async def test_bytes_are_even_hex(face: Face, text: str) -> None:
    response = await face.ask("tx_submit", text)
    assert response["error"]["code"] == -32602
    if text != "0x 12":
        assert response == malformed("bytes are given as 0x and an even number of hexadecimal digits")


async def test_a_batch_of_submissions_reaches_the_node_at_once(face: Face) -> None:
    signed = [payment(1, number) for number in range(50)]
    calls: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": index, "method": "tx_submit", "params": [hex_of(entry.encoded)]}
        for index, entry in enumerate(signed)
    ]
    calls[7]["params"] = ["0xabc"]
    calls[8]["params"] = ["0x00"]
    del calls[9]["id"]
    calls.append({"jsonrpc": "2.0", "id": "n", "method": "node_status"})
    status, body = await face.post(json.dumps(calls))
    responses = {response["id"]: response for response in json.loads(body)}
    assert (status, len(responses), face.node.submissions) == (200, 50, [49])
    assert responses[0]["result"] == {"hash": hex_of(signed[0].id), "status": "pending", "durable": False}
    assert responses[7]["error"]["data"]["code"] == "malformed"
    assert responses[8]["error"]["data"]["code"] == "bad_version"
    assert (responses["n"]["result"]["pool_count"], 9 in responses) == (48, False)


async def test_tx_get_through_its_life(face: Face) -> None:
    signed = payment(10)
    nothing = {"height": None, "index": None, "block_time_ms": None, "receipt": None, "cause": "transaction"}
    unseen = {"hash": hex_of(signed.id), "status": "unknown", "indexed_height": "0", "transaction": None} | nothing
    assert await face.result("tx_get", hex_of(signed.id)) == unseen
    face.node.submit(signed.encoded)
    pending = unseen | {"status": "pending", "transaction": hex_of(signed.encoded)}
    assert await face.result("tx_get", hex_of(signed.id)) == pending
    receipt = face.node.decide().receipts[0]
    assert await face.result("tx_get", hash=hex_of(signed.id)) == {
        "hash": hex_of(signed.id),
        "status": "final",
        "indexed_height": "1",
        "height": "1",
        "index": 0,
        "block_time_ms": str(GENESIS_MS + 1),
        "receipt": {
            "hash": hex_of(signed.id),
            "code": "ok",
            "message": "",
            "fuel_used": "1200",
            "results": ["10"],
            "events": [
                {
                    "contract": "payments",
                    "name": "paid",
                    "fields": {"to": address_of(BOB), "amount": "10", "digest": "0x0102"},
                    "encoded": hex_of(receipt.events[0].encode()),
                },
                {
                    "contract": "kernel",
                    "name": "posted",
                    "fields": {"legs": [[ASSET, "10"]]},
                    "encoded": hex_of(receipt.events[1].encode()),
                },
            ],
            "encoded": hex_of(receipt.encode()),
        },
        "cause": "transaction",
        "transaction": hex_of(signed.encoded),
    }


async def test_a_failed_transaction_says_why(face: Face) -> None:
    signed = payment(5_000)
    face.node.submit(signed.encoded)
    face.node.decide()
    answer = await face.result("tx_get", hex_of(signed.id))
    assert (answer["status"], answer["receipt"]["code"]) == ("failed", "overdraft")
    assert answer["receipt"]["message"] == "1000 available, 5000 needed"


async def test_tx_get_wants_a_hash(face: Face) -> None:
    pattern = "Expected `str` matching regex '^0x[0-9a-fA-F]{64}$' - at `$[0]`."
    for text in ("0x12", "ab" * 33, "0x" + "zz" * 32):
        assert await face.ask("tx_get", text) == invalid(pattern)
    assert await face.ask("tx_get") == invalid("Expected `array` of at least length 1, got 0.")


async def test_tx_wait_ends_as_pending_with_the_hash(face: Face) -> None:
    signed = payment(10)
    face.node.submit(signed.encoded)
    started = time.monotonic()
    answer = await face.result("tx_wait", hex_of(signed.id), "150")
    assert 0.14 < time.monotonic() - started < 2
    assert (answer["hash"], answer["status"], answer["receipt"]) == (hex_of(signed.id), "pending", None)
    assert (await face.result("tx_wait", hash=UNKNOWN_HASH, timeout_ms=0))["status"] == "unknown"


async def test_tx_wait_answers_when_it_is_final(face: Face) -> None:
    signed = payment(10)
    waiting = asyncio.create_task(face.result("tx_wait", hex_of(signed.id), "20000"))
    await asyncio.sleep(0.05)
    face.node.submit(signed.encoded)
    face.node.decide()
    answer = await asyncio.wait_for(waiting, 2)
    assert (answer["status"], answer["height"]) == ("final", "1")


async def test_waits_of_a_batch_stand_side_by_side(face: Face) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tx_wait", "params": [UNKNOWN_HASH, "200"]}
    started = time.monotonic()
    _, body = await face.post(json.dumps([call] * 50))
    assert [entry["result"]["status"] for entry in json.loads(body)] == ["unknown"] * 50
    assert time.monotonic() - started < 2


async def test_waits_are_limited(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpc.methods.WAITS_MAX", 0)
    assert await face.ask("tx_wait", UNKNOWN_HASH) == refusal(
        -32005, "Limit exceeded", "busy", "0 callers are waiting; ask tx_get meanwhile.", retryable=True
    )


async def test_tx_simulate_signed_unsigned_and_without_keys(face: Face) -> None:
    for given in (
        {"transaction": hex_of(payment(10).encoded)},
        {"body": hex_of(body_of(10, keys=[ALICE]).encode())},
        {"body": hex_of(body_of(10).encode())},
    ):
        answer = await face.result("tx_simulate", **given)
        assert (answer["ok"], answer["fuel_used"], answer["height"]) == (True, "1200", "0")
        assert answer["receipt"]["results"] == ["10"]
        assert answer["authorities"] == [{"address": address_of(ALICE), "met": True}]
        assert answer["fee"] is None
    face.node.fee = backend.FeeFact(address_of(ALICE), ASSET, 7, 5, 1_000)
    paid = await face.result("tx_simulate", transaction=hex_of(payment(10).encoded))
    assert paid["fee"] == {
        "payer": address_of(ALICE), "asset": ASSET, "amount": "7", "base": "5", "per_million": "1000",
    }  # fmt: skip
    refused = await face.result("tx_simulate", hex_of(body_of(9_999, keys=[STRANGER]).encode()))
    assert (refused["ok"], refused["receipt"]["code"]) == (False, "overdraft")
    assert refused["authorities"] == [{"address": address_of(ALICE), "met": False}]
    assert face.node.world.height == 0


async def test_tx_simulate_refuses(face: Face) -> None:
    assert await face.ask("tx_simulate") == invalid("One of body and transaction is given.")
    assert await face.ask("tx_simulate", "0x01c0") == malformed("a transaction's body is a list of its fields")
    assert await face.ask("tx_simulate", "0x0190") == malformed("a transaction's body is a list of its fields")
    other = body_of(1, chain_id=bytes(32), keys=[ALICE])
    assert await face.ask("tx_simulate", hex_of(other.encode())) == rejected(
        "wrong_chain", "the transaction is for another chain"
    )


async def test_account_get(face: Face) -> None:
    assert await face.result("account_get", address_of(ALICE)) == {
        "height": "0",
        "address": address_of(ALICE),
        "kind": "account",
        "bank": "alpine",
        "frozen": False,
        "freezes": [],
        "policy": {"keys": [{"suite": 1, "public_key": hex_of(ALICE.public), "weight": 1}], "threshold": 1},
        "balances": [{"asset": ASSET, "amount": "1000", "held": "5"}],
        "next_cursor": None,
        "complete": True,
    }
    assert await face.ask("account_get", address_of(STRANGER)) == unknown("no account has that address")
    assert await face.ask("account_get", "short") == invalid("Expected `str` of length >= 8 - at `$[0]`.")


async def test_account_history_in_pages(face: Face) -> None:
    for number in range(5):
        face.node.submit(payment(1, number).encoded)
        face.node.decide()
    seen, cursor, pages = [], None, 0
    while True:
        page = await face.result("account_history", address=address_of(ALICE), cursor=cursor, limit=2)
        seen += page["entries"]
        pages += 1
        assert (page["indexed_height"], page["complete"]) == ("5", page["next_cursor"] is None)
        if page["complete"]:
            break
        cursor = page["next_cursor"]
    assert pages == 3
    assert seen[0] == {
        "hash": hex_of(payment(1, 4).id),
        "height": "5",
        "index": 0,
        "block_time_ms": str(GENESIS_MS + 5),
        "code": "ok",
        "cause": "transaction",
    }
    assert [entry["height"] for entry in seen] == ["5", "4", "3", "2", "1"]


async def test_account_statement_in_pages(face: Face) -> None:
    for number in range(5):
        face.node.submit(payment(1, number).encoded)
        face.node.decide()
    asked = {"address": address_of(ALICE), "asset": ASSET, "from_ms": str(GENESIS_MS + 2), "limit": 2}
    first = await face.result("account_statement", **asked)
    assert first == {
        "address": address_of(ALICE),
        "asset": ASSET,
        "opening": "1004",
        "movements": [
            {
                "hash": hex_of(payment(1, number).id),
                "height": str(number + 1),
                "index": 0,
                "block_time_ms": str(GENESIS_MS + number + 1),
                "change": "-1",
                "balance": str(1_004 - number),
                "purpose": "payment",
                "reference": "",
                "contract": "payments",
            }
            for number in (1, 2)
        ],
        "closing": "1002",
        "next_cursor": "0x00000002",
        "complete": False,
        "indexed_height": "5",
    }
    second = await face.result("account_statement", **asked, to_ms=str(GENESIS_MS + 4), cursor=first["next_cursor"])
    assert (second["opening"], len(second["movements"]), second["closing"]) == ("1002", 1, "1001")
    assert second["complete"]
    assert await face.ask("account_statement", address_of(STRANGER), ASSET) == unknown("no account has that address")


@pytest.mark.parametrize("limit", [0, -1, 1_001, "5", 1.5])
async def test_a_limit_has_limits(face: Face, limit: object) -> None:
    assert (await face.ask("contract_list", limit=limit))["error"]["data"]["code"] == "invalid_params"


CONTRACT = {
    "name": "payments",
    "address": contract_address(PREFIX, "payments"),
    "interface": 1,
    "source_digest": hex_of(source_digest(b"")),
    "deployed_height": "0",
    "paused": False,
}


async def test_contract_list_and_abi(face: Face) -> None:
    assert await face.result("contract_list") == {
        "height": "0",
        "contracts": [CONTRACT],
        "next_cursor": None,
        "complete": True,
    }
    assert await face.result("contract_abi", "payments") == {
        "height": "0",
        "contract": CONTRACT,
        "abi": {"actions": {"pay": {}}},
        "source": "from hansa import action\n",
    }
    assert await face.ask("contract_abi", contract="loans") == unknown("no contract is named loans")


async def test_contract_query_keeps_types_apart(face: Face) -> None:
    given = [None, True, "12", 12, {"int": "-9223372036854775808"}, {"bytes": "0x00ff"}, [["a"], {"int": "7"}]]
    answer = await face.result("contract_query", "payments", "echo", given)
    assert answer == {
        "height": "0",
        "block_time_ms": str(GENESIS_MS),
        "result": [None, True, "12", "12", "-9223372036854775808", "0x00ff", [["a"], "7"]],
        "encoded": "0x97c0c3a231320cd38000000000000000c40200ff9291a16107",
        "fuel_used": "77",
    }


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        (2**53, 'an integer beyond 2^53 is given as {"int": "…"}'),
        ({"int": "1" * 21}, "an integer has up to 20 decimal digits"),
        ({"int": "18446744073709551616"}, "an integer lies between -2^63 and 2^64 - 1"),
        ({"int": "0x1"}, "an integer has up to 20 decimal digits"),
        ({"bytes": "0x1"}, "bytes are given as 0x and an even number of hexadecimal digits"),
        ({"a": 1}, 'an argument is null, a boolean, text, a list, {"int": "…"} or {"bytes": "0x…"}'),
        (1.5, 'an argument is null, a boolean, text, a list, {"int": "…"} or {"bytes": "0x…"}'),
    ],
)
async def test_arguments_that_are_none(face: Face, argument: object, hint: str) -> None:
    assert await face.ask("contract_query", "payments", "echo", [argument]) == malformed(hint)


async def test_contract_query_fails_with_the_contracts_code(face: Face) -> None:
    assert await face.ask("contract_query", "payments", "nothing") == refusal(
        -32000, "Call failed", "method", "payments has no query named nothing"
    )
    assert await face.ask("contract_query", "loans", "x") == unknown("no contract is named loans")
    assert await face.ask("contract_query", "payments", "crash") == refusal(
        -32603, "Internal error", "internal_error", "The node failed at this request and has logged why."
    )


async def test_state_proof_of_a_key_and_of_a_balance(face: Face) -> None:
    face.node.decide()
    by_balance = await face.result("state_proof", address=address_of(ALICE), asset=ASSET)
    assert by_balance == await face.result("state_proof", by_balance["key"])
    assert by_balance.keys() == {"height", "key", "value", "proof", "certificate"}
    assert (by_balance["height"], by_balance["value"]) == ("1", "0x92cd03e805")
    absent = await face.result("state_proof", address=address_of(BOB), asset=ASSET)
    assert absent["value"] is None
    face.node.proofs_available = False
    assert await face.ask("state_proof", "0x00") == refusal(
        -32002, "Resource unavailable", "unavailable", "no certificate came in time", retryable=True
    )
    for given in ({}, {"key": "0x00", "asset": ASSET}, {"address": address_of(BOB)}):
        assert await face.ask("state_proof", **given) == invalid("Either key is given, or address and asset.")


async def test_receipt_proof(face: Face) -> None:
    signed = payment(3)
    face.node.submit(signed.encoded)
    face.node.decide()
    answer = await face.result("receipt_proof", hex_of(signed.id), 1)
    assert answer.keys() == {"height", "index", "count", "receipt", "proof", "certificate", "event"}
    assert (answer["height"], answer["index"], answer["count"], answer["proof"]) == ("1", 0, 1, [])
    assert answer["event"]["encoded"] == answer["receipt"]["events"][1]["encoded"]
    assert (answer["event"]["index"], answer["event"]["count"], len(answer["event"]["proof"])) == (1, 2, 1)
    assert (await face.result("receipt_proof", hex_of(signed.id)))["event"] is None
    assert await face.ask("receipt_proof", hex_of(signed.id), 2) == unknown("the receipt has 2 events, counted from 0")
    assert await face.ask("receipt_proof", UNKNOWN_HASH) == unknown("no receipt has that id")


async def test_events_by_cursor(face: Face) -> None:
    for number in range(3):
        face.node.submit(payment(1, number).encoded)
        face.node.decide()
    page = await face.result("events_get", limit=4)
    assert [(event["height"], event["event_index"]) for event in page["events"]] == [
        ("1", 0),
        ("1", 1),
        ("2", 0),
        ("2", 1),
    ]
    assert page["events"][0].keys() == {
        *("height", "block_time_ms", "hash", "transaction_index", "event_index", "event", "cause")
    }
    assert (page["complete"], page["indexed_height"]) == (False, "3")
    page = await face.result("events_get", cursor=page["next_cursor"])
    assert ([event["height"] for event in page["events"]], page["complete"]) == (["3", "3"], True)
    later = await face.result("events_get", cursor=page["next_cursor"])
    assert (later["events"], later["complete"]) == ([], True)
    face.node.submit(payment(1, 9).encoded)
    face.node.decide()
    later = await face.result("events_get", cursor=later["next_cursor"], name="paid")
    assert [event["event"]["name"] for event in later["events"]] == ["paid"]
    assert await face.ask("events_get", cursor="0xff") == refusal(
        -32002, "Resource unavailable", "gap", "events before height 5 are no longer kept"
    )


@pytest.mark.parametrize("height", ["-1", "01", "9223372036854775808", "1e3", "99999999999999999999", 2**53, -1, "1\n"])
async def test_heights_are_natural_numbers(face: Face, height: object) -> None:
    response = await face.ask("chain_block", height)
    assert response["error"]["code"] == -32602
