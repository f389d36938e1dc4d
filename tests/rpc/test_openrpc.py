"""rpc.discover: a valid OpenRPC document, which describes every method that can be called, and no other."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from rpc.errors import MESSAGES, TABLE, from_invalid
from state.errors import Invalid, Reason
from tests.rpc.conftest import Face
from tests.rpc.memory_node import ALICE, ASSET, BOB, address_of, body_of, payment

META_SCHEMA = json.loads((Path(__file__).parent.parent / "vectors/openrpc/meta-schema.json").read_text())
METHODS = {
    *("rpc.discover", "node_status", "net_peers", "net_validators", "chain_block", "chain_checkpoint"),
    *("chain_genesis", "tx_submit", "tx_get", "tx_wait", "receipt_proof", "tx_simulate", "events_get"),
    *("account_get", "account_history", "account_statement", "contract_list", "contract_abi", "contract_query"),
    "state_proof", "net_evidence", "net_succession",
}

# The meta-schema leaves the schemas of values to JSON Schema's own, which it names under another address.
JSON_SCHEMA_TOOLS = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "definitions": {"JSONSchemaObject": {"properties": {"$ref": {"type": "string", "format": "uri-reference"}}}},
    "allOf": [{"$ref": "http://json-schema.org/draft-07/schema#"}],
}
REGISTRY: Registry[Any] = Registry().with_resources(
    [
        ("https://meta.json-schema.tools", Resource.from_contents(JSON_SCHEMA_TOOLS)),
        ("https://meta.json-schema.tools/", Resource.from_contents(JSON_SCHEMA_TOOLS)),
        (
            "http://json-schema.org/draft-07/schema",
            Resource.from_contents(jsonschema.Draft7Validator.META_SCHEMA, default_specification=DRAFT7),
        ),
    ]
)


def document_faults(document: object) -> list[str]:
    schema = META_SCHEMA | {"$schema": "http://json-schema.org/draft-07/schema#"}
    return [error.message for error in jsonschema.Draft7Validator(schema, registry=REGISTRY).iter_errors(document)]


async def test_the_document_is_valid_and_complete(face: Face) -> None:
    document = await face.result("rpc.discover")
    assert document_faults(document) == []
    assert [method["name"] for method in document["methods"]] == list(face.server.methods)
    assert set(face.server.methods) == METHODS
    assert document["components"]["errors"].keys() == TABLE.keys()


async def test_a_fault_in_the_document_is_found(face: Face) -> None:
    document = await face.result("rpc.discover")
    del document["methods"][3]["params"]
    assert document_faults(document) != []
    document = await face.result("rpc.discover")
    document["components"]["schemas"]["NodeStatus"]["type"] = "thing"
    assert document_faults(document) != []


async def test_every_method_is_described_by_what_it_answers(face: Face) -> None:
    """Each method is called, by name and by position, and its answer fits the schema that the document gives."""
    document = await face.result("rpc.discover")
    signed = payment(10)
    face.node.submit(signed.encoded)
    face.node.decide()
    hash_text = "0x" + signed.id.hex()
    params: dict[str, dict[str, Any]] = {
        "tx_submit": {"transaction": "0x" + payment(1, 1).encoded.hex()},
        "tx_get": {"hash": hash_text},
        "tx_wait": {"hash": hash_text, "timeout_ms": "10"},
        "tx_simulate": {"body": "0x" + body_of(1, keys=[ALICE]).encode().hex()},
        "receipt_proof": {"hash": hash_text, "event_index": 0},
        "account_get": {"address": address_of(BOB)},
        "account_history": {"address": address_of(BOB)},
        "account_statement": {"address": address_of(BOB), "asset": ASSET, "from_ms": "0"},
        "contract_abi": {"contract": "payments"},
        "contract_query": {"contract": "payments", "method": "echo", "arguments": ["a"]},
        "state_proof": {"key": "0x00"},
    }
    for method in document["methods"]:
        name, given = method["name"], params.get(method["name"], {})
        order = [entry["name"] for entry in method["params"]]
        assert list(given) == order[: len(given)], name
        answer = await face.result(name, **given)
        assert await face.result(name, *given.values()) == answer
        schema = {"components": document["components"], **method["result"]["schema"]}
        jsonschema.Draft202012Validator(schema).validate(answer)
        for entry in method["params"]:
            if entry["name"] in given:
                jsonschema.Draft202012Validator(entry["schema"]).validate(given[entry["name"]])
    assert await face.result("state_proof", address=address_of(ALICE), asset=ASSET)


async def test_errors_that_are_named_are_in_the_table(face: Face) -> None:
    document = await face.result("rpc.discover")
    for method in document["methods"]:
        for entry in method["errors"]:
            code = entry["$ref"].removeprefix("#/components/errors/") if "$ref" in entry else entry["data"]["code"]
            assert code in TABLE


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_an_error(reason: Reason) -> None:
    refusal = from_invalid(Invalid(reason, "why"))
    if reason.value in TABLE:
        assert (refusal.code, refusal.hint, refusal.number) == (reason.value, "why", TABLE[reason.value].number)
    else:
        assert (refusal.code, refusal.number) == ("internal_error", -32603)
    assert refusal.number in MESSAGES


async def test_the_body_that_is_no_json_is_described(face: Face) -> None:
    (body,) = (await face.result("rpc.discover"))["x-bodies"]
    assert (body["name"], body["path"], body["contentType"]) == (
        "tx_submit_many",
        "/transactions",
        "application/vnd.hansa.transactions",
    )
