"""Every error that a caller of JSON-RPC can meet, in one table.

The number says what kind of thing went wrong (EIP-1474; −32700 and −3260x are JSON-RPC's own), ``data.code`` says
exactly what, for programs: it never changes. ``data.hint`` is a sentence for a person, ``data.retryable`` says whether
the same request may succeed later, and of a busy node ``data.retry_after_ms`` says when. Codes that contracts give are
their own and stand under CALL_FAILED or TRANSACTION_REJECTED.
"""

from dataclasses import dataclass

import msgspec

from state.errors import Invalid, Reason

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
CALL_FAILED = -32000
NOT_FOUND = -32001
UNAVAILABLE = -32002
TRANSACTION_REJECTED = -32003
LIMIT_EXCEEDED = -32005

MESSAGES = {
    PARSE_ERROR: "Parse error",
    INVALID_REQUEST: "Invalid Request",
    METHOD_NOT_FOUND: "Method not found",
    INVALID_PARAMS: "Invalid params",
    INTERNAL_ERROR: "Internal error",
    CALL_FAILED: "Call failed",
    NOT_FOUND: "Resource not found",
    UNAVAILABLE: "Resource unavailable",
    TRANSACTION_REJECTED: "Transaction rejected",
    LIMIT_EXCEEDED: "Limit exceeded",
}
"""number → message; the first five are worded as in the JSON-RPC 2.0 specification, section 5.1."""


RETRY_AFTER_MS = 500
"""When a busy node is worth asking again where nothing more exact is known."""


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One row of the table."""

    number: int
    code: str
    hint: str
    """What is said where nothing more exact is known."""
    retryable: bool = False


_OWN = (
    ErrorKind(PARSE_ERROR, "parse_error", "The body is not one JSON text in UTF-8."),
    ErrorKind(INVALID_REQUEST, "invalid_request", "A request is an object with jsonrpc, method, params and id."),
    ErrorKind(INVALID_REQUEST, "request_too_large", "The request passes a size limit of this node."),
    ErrorKind(METHOD_NOT_FOUND, "method_not_found", "rpc.discover lists the methods."),
    ErrorKind(INVALID_PARAMS, "invalid_params", "rpc.discover gives the parameters of each method."),
    ErrorKind(INTERNAL_ERROR, "internal_error", "The node failed at this request and has logged why."),
    ErrorKind(CALL_FAILED, "call_failed", "The contract refused the call; its own code stands in data.code."),
    ErrorKind(LIMIT_EXCEEDED, "response_too_large", "The answers of this batch pass the size limit; ask for fewer."),
)

_REASONS = {
    Reason.MALFORMED: ErrorKind(INVALID_PARAMS, "malformed", "The bytes are not in their one canonical form."),
    Reason.TOO_LARGE: ErrorKind(INVALID_PARAMS, "too_large", "A size limit is passed."),
    Reason.BAD_VERSION: ErrorKind(INVALID_PARAMS, "bad_version", "This node does not know that version."),
    Reason.BAD_ADDRESS: ErrorKind(INVALID_PARAMS, "bad_address", "That is no address of this network."),
    Reason.BAD_SIGNATURE: ErrorKind(TRANSACTION_REJECTED, "bad_signature", "A signature does not match its key."),
    Reason.WRONG_CHAIN: ErrorKind(TRANSACTION_REJECTED, "wrong_chain", "It is signed for another chain."),
    Reason.EXPIRED: ErrorKind(TRANSACTION_REJECTED, "expired", "Its valid_until_ms has passed; sign a new one."),
    Reason.TOO_FAR_AHEAD: ErrorKind(
        TRANSACTION_REJECTED, "too_far_ahead", "Its valid_until_ms lies beyond the chain's window."
    ),
    Reason.DUPLICATE: ErrorKind(TRANSACTION_REJECTED, "duplicate", "It is already there."),
    Reason.STRANGER: ErrorKind(TRANSACTION_REJECTED, "stranger", "The signer is not known to this network."),
    Reason.CONFLICT: ErrorKind(TRANSACTION_REJECTED, "conflict", "It contradicts what is recorded."),
    Reason.FULL: ErrorKind(LIMIT_EXCEEDED, "full", "The pool has no room; send the same bytes later.", retryable=True),
    Reason.BUSY: ErrorKind(
        LIMIT_EXCEEDED, "busy", "The node is serving as many requests as it can; try again.", retryable=True
    ),
    Reason.UNKNOWN: ErrorKind(NOT_FOUND, "unknown", "There is no such thing at this node."),
    Reason.UNAVAILABLE: ErrorKind(
        UNAVAILABLE, "unavailable", "It is not to be had at this node now; try again.", retryable=True
    ),
    Reason.PRUNED: ErrorKind(
        UNAVAILABLE, "pruned", "It lies further back than this node keeps the chain; ask an archive node."
    ),
    Reason.GAP: ErrorKind(UNAVAILABLE, "gap", "What the cursor points at is no longer kept; start anew."),
}

TABLE: dict[str, ErrorKind] = {kind.code: kind for kind in (*_OWN, *_REASONS.values())}
"""code → kind, of every code but those that contracts give."""


class ErrorData(msgspec.Struct, frozen=True, omit_defaults=True):
    """What every error carries beside number and message."""

    code: str
    hint: str
    retryable: bool
    retry_after_ms: int | None = None
    """When to ask again, of a node that is busy or full; otherwise left out."""


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The ``error`` member of a response."""

    code: int
    message: str
    data: ErrorData


class RpcError(Exception):
    """Answered as an error object; nothing of it is logged."""

    def __init__(
        self, number: int, code: str, hint: str, *, retryable: bool = False, retry_after_ms: int | None = None
    ) -> None:
        super().__init__(number, code, hint)
        self.number = number
        self.code = code
        self.hint = hint
        self.retryable = retryable
        self.retry_after_ms = retry_after_ms

    def __str__(self) -> str:
        return f"{MESSAGES.get(self.number, self.number)} ({self.code}): {self.hint}"

    def answer(self) -> ErrorAnswer:
        """The error object."""
        data = ErrorData(self.code, self.hint, self.retryable, self.retry_after_ms)
        return ErrorAnswer(self.number, MESSAGES[self.number], data)


def error(code: str, hint: str = "") -> RpcError:
    """An error of the table, with a more exact hint where there is one."""
    kind = TABLE[code]
    retry_after_ms = RETRY_AFTER_MS if kind.number == LIMIT_EXCEEDED and kind.retryable else None
    return RpcError(kind.number, kind.code, hint or kind.hint, retryable=kind.retryable, retry_after_ms=retry_after_ms)


def from_invalid(invalid: Invalid) -> RpcError:
    """What a caller learns of a refusal from below. A reason that no caller can be the cause of is our own fault."""
    return error(invalid.reason.value, invalid.detail) if invalid.reason in _REASONS else error("internal_error")


def rejected(code: str, detail: str, retry_after_ms: int | None = None) -> RpcError:
    """A transaction that was not taken in. Codes outside the table are those that execution would end with."""
    kind = TABLE.get(code)
    if kind is None:
        return RpcError(TRANSACTION_REJECTED, code, detail)
    if kind.number != LIMIT_EXCEEDED:
        return RpcError(TRANSACTION_REJECTED, code, detail or kind.hint, retryable=kind.retryable)
    # A busy node or a full pool is no verdict on the transaction.
    after_ms = RETRY_AFTER_MS if retry_after_ms is None else retry_after_ms
    return RpcError(kind.number, code, detail or kind.hint, retryable=True, retry_after_ms=after_ms)
