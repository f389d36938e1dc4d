"""Many transactions in one body, and one result for each: ``POST /transactions``, for whoever sends thousands.

JSON costs a transaction's sender and its node more than everything else about it but the signature: twice the bytes,
a parse, a gate. Here a body is a version byte and, in the canonical encoding that transactions themselves are in, the
list of transactions as they travel. The answer is a version byte and a list of results in the same order, each
``[hash, status, error]``: the hash null where the bytes were no transaction or were not looked at, the status null
where it was refused, and the error null where it was not; an error is ``[number, code, hint, retryable,
retry_after_ms]``, as in JSON-RPC.
"""

from collections.abc import Sequence

from rpc import answers
from rpc.backend import Intake, Refused, SubmitResult, TransactionStatus
from rpc.errors import RpcError, from_invalid, rejected
from rpc.text import hex_of
from state import codec
from state.codec import Value
from state.digest import DIGEST_BYTES
from state.errors import Invalid, Reason

PATH = "/transactions"
CONTENT_TYPE = "application/vnd.hansa.transactions"
VERSION = 1
"""First byte of bodies and answers."""

TRANSACTIONS_MAX = 1_000
"""Most transactions of one body, as many as of a JSON-RPC batch."""

BODY_BYTES_MAX = 4 * 1024 * 1024
"""Largest body, as in JSON-RPC."""


def encode_transactions(transactions: Sequence[bytes]) -> bytes:
    """The body that submits them."""
    return codec.encode(VERSION, transactions)


def decode_transactions(body: bytes) -> list[bytes]:
    """What a body submits. :raises RpcError: it is none."""
    try:
        listed = codec.items(codec.decode(body, VERSION, BODY_BYTES_MAX, TRANSACTIONS_MAX), TRANSACTIONS_MAX)
        return [codec.blob(entry) for entry in listed]
    except Invalid as refusal:
        raise from_invalid(refusal) from None


async def answer(intake: Intake, body: bytes) -> bytes:
    """Take in what a body submits. :raises RpcError: the body is none, and nothing of it was looked at."""
    transactions = decode_transactions(body)
    results = await intake.submit_many(transactions) if transactions else []
    return codec.encode(VERSION, [_result(result) for result in results])


def decode_results(body: bytes, count: int) -> list[answers.SubmitAnswer | RpcError]:
    """What became of each of ``count`` transactions. :raises Invalid: that is no answer to them."""
    listed = codec.items(codec.decode(body, VERSION), TRANSACTIONS_MAX)
    if len(listed) != count:
        raise Invalid(Reason.MALFORMED, f"{len(listed)} results for {count} transactions")
    return [_read_result(entry) for entry in listed]


def _result(result: SubmitResult) -> Value:
    if not isinstance(result, Refused):
        return [result.transaction_id, result.status.value, None]
    refusal = rejected(result.reason, result.detail, result.retry_after_ms)
    told: list[Value] = [refusal.number, refusal.code, refusal.hint, refusal.retryable, refusal.retry_after_ms]
    return [result.transaction_id, None, told]


def _read_result(value: Value) -> answers.SubmitAnswer | RpcError:
    identity, status, refusal = codec.parts(value, 3)
    if refusal is None:
        known = _status(codec.text(status))
        is_durable = known in (TransactionStatus.FINAL, TransactionStatus.FAILED)
        return answers.SubmitAnswer(hex_of(codec.sized(identity, DIGEST_BYTES)), known, is_durable)
    number, code, hint, is_retryable, after_ms = codec.fields(refusal, int, str, str, bool, (int, type(None)))
    assert isinstance(number, int)
    return RpcError(
        number,
        codec.text(code),
        codec.text(hint),
        retryable=is_retryable is True,
        retry_after_ms=None if after_ms is None else codec.natural(after_ms),
    )


def _status(name: str) -> TransactionStatus:
    try:
        return TransactionStatus(name)
    except ValueError:
        raise Invalid(Reason.MALFORMED, "a status that this client does not know") from None
