"""The OpenRPC document (https://spec.open-rpc.org) that rpc.discover answers, made from the handlers' own types.

Nothing is written down twice: parameters, results and their schemas come from the types that decode and encode
them, errors from the one table.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from rpc import submissions
from rpc.dispatch import Method
from rpc.errors import MESSAGES, TABLE, TRANSACTION_REJECTED, ErrorAnswer, ErrorData

OPENRPC_VERSION = "1.3.2"
_REF = "#/components/schemas/{name}"
_EVERYWHERE = ("invalid_params", "internal_error")
"""Codes that any method may answer with, beside those of what is no request at all."""

JsonObject = dict[str, Any]

_SUBMISSIONS: JsonObject = {
    "name": "tx_submit_many",
    "summary": "tx_submit for many transactions at once, without JSON: a version byte, then canonical msgpack.",
    "path": submissions.PATH,
    "contentType": submissions.CONTENT_TYPE,
    "version": submissions.VERSION,
    "request": {"type": "list of bytes: signed transactions", "maxItems": submissions.TRANSACTIONS_MAX},
    "response": {
        "type": "list of [hash, status, error], one for each transaction, in order",
        "hash": "bytes, or nil where the transaction was not read",
        "status": "text, or nil where it was refused",
        "error": "nil, or [number, code, hint, retryable, retry_after_ms]; the codes are those of tx_submit",
    },
}
"""What is no method because it is no JSON; an extension of this document."""


def document(methods: Sequence[Method[Any]], version: str) -> bytes:
    """The document, encoded."""
    types = [kind for method in methods for kind in (method.params, method.result)]
    schemas, components = msgspec.json.schema_components([*types, ErrorAnswer], ref_template=_REF)
    described = [
        _method(method, components[method.params.__name__], schemas[2 * index + 1])
        for index, method in enumerate(methods)
    ]
    # Parameters stand in the methods themselves; only what something refers to stays among the components.
    for method in methods:
        components.pop(method.params.__name__, None)
    return msgspec.json.encode(
        {
            "openrpc": OPENRPC_VERSION,
            "info": {
                "title": "Hansa",
                "description": "Bytes are 0x-hex; amounts, heights, fuel and times decimal text (minor units, ms).",
                "version": version,
                "license": {"name": "Apache-2.0"},
            },
            "methods": described,
            "x-bodies": [_SUBMISSIONS],
            "components": {
                "schemas": dict(sorted(components.items())),
                "errors": {code: _error(code) for code in sorted(TABLE)},
            },
        }
    )


def _method(method: Method[Any], parameters: JsonObject, result: JsonObject) -> JsonObject:
    required = parameters.get("required", [])
    return {
        "name": method.name,
        "summary": method.summary,
        "description": parameters.get("description", ""),
        "paramStructure": "either",
        "params": [
            {"name": name, "required": name in required, "schema": schema}
            for name, schema in parameters.get("properties", {}).items()
        ],
        "result": {"name": "result", "schema": result},
        "errors": [
            *({"$ref": f"#/components/errors/{code}"} for code in dict.fromkeys((*_EVERYWHERE, *method.errors))),
            *(_error(code, TRANSACTION_REJECTED) for code in method.rejects),
        ],
    }


def _error(code: str, number: int | None = None) -> JsonObject:
    kind = TABLE[code]
    number = kind.number if number is None else number
    data = ErrorData(kind.code, kind.hint, kind.retryable)
    answer: JsonObject = msgspec.to_builtins(ErrorAnswer(number, MESSAGES[number], data))
    return answer
