"""The client without I/O: what to send, to whom, when again, and what an answer means.

A *flow* is a generator that yields what shall happen, ``Send`` or ``Pause``, is sent what came of it, and returns a
typed result. The two clients only carry flows out, so that both behave alike and neither needs the other's world.

Trying again is always safe: no method but tx_submit changes anything, and a transaction executes at most once, by
its id. So a flow goes to the next node when one can't be reached or says that it is busy, and round again after a
pause, until its policy is used up. A busy node says when to come again, and that is kept to, up to a limit. What a node
refuses for good is raised at once.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

import msgspec

from rpc import answers, submissions
from rpc.errors import ErrorAnswer, RpcError
from state.errors import Invalid

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Policy:
    """How long to try."""

    timeout_seconds: float = 10.0
    """For one request to one node, beside the time that it is asked to wait."""
    rounds_max: int = 4
    """How often each node is tried."""
    pause_seconds: float = 0.2
    """After the first round; twice as long after each further one."""
    pause_seconds_max: float = 2.0
    busy_seconds_max: float = 30.0
    """How long to wait in all for nodes that say when to come again."""


@dataclass(frozen=True, slots=True)
class Send:
    """POST the body to the node; answer with ``Reply`` or ``Failure``."""

    url: str
    body: bytes
    timeout_seconds: float
    path: str = "/"
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for that long; answer with None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What the node sent back."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """The node could not be reached, or fell silent."""

    sentence: str


Action: TypeAlias = Send | Pause
Outcome: TypeAlias = Reply | Failure | None
Flow: TypeAlias = Generator[Action, Outcome, T]


class Unreachable(Exception):
    """No node answered. A transaction that was sent may still have arrived: submit the same bytes again."""

    def __init__(self, failures: Sequence[tuple[str, str]]) -> None:
        super().__init__(tuple(failures))
        self.failures = tuple(failures)
        """(url, what happened) of the last round."""

    def __str__(self) -> str:
        return "No node answered: " + "; ".join(f"{url}: {sentence}" for url, sentence in self.failures)


@dataclass(frozen=True, slots=True)
class Request:
    """One call, and the type of its result."""

    method: str
    params: dict[str, Any]
    result: Any


class _Response(msgspec.Struct, frozen=True):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: ErrorAnswer | None = None


class _Unusable(Exception):
    """Answered, but not as a Hansa node does; the next one may."""


_single_decoder = msgspec.json.Decoder(_Response)
_batch_decoder = msgspec.json.Decoder(list[_Response])


class Core:
    """Flows over a list of nodes. It begins with the node that answered last."""

    def __init__(self, urls: Sequence[str], policy: Policy) -> None:
        """:raises ValueError: a sentence on what is wrong with ``urls``."""
        if not urls:
            raise ValueError("the address of at least one node is needed, for example http://127.0.0.1:8545")
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
                raise ValueError(f"{url!r} is not the address of a node; one looks like http://127.0.0.1:8545")
        self._urls = tuple(urls)
        self._policy = policy
        self._first = 0

    def call(self, request: Request, wait_seconds: float = 0.0) -> Flow[Any]:
        """One call. :raises RpcError: the node refused it. :raises Unreachable: none answered."""
        body = msgspec.json.encode(_request(request, 0))
        response = yield from self._exchange(body, _read_single, wait_seconds)
        return _result(response, request)

    def batch(self, requests: Sequence[Request], wait_seconds: float = 0.0) -> Flow[list[Any]]:
        """Calls in one body; results in order, an RpcError in the place of what was refused."""
        if not requests:
            return []
        body = msgspec.json.encode([_request(request, index) for index, request in enumerate(requests)])
        responses = yield from self._exchange(body, _read_batch, wait_seconds)
        by_id = {response.id: response for response in responses}
        results: list[Any] = []
        for index, request in enumerate(requests):
            try:
                results.append(_result(by_id[index], request))
            except KeyError:
                raise Unreachable([(self._urls[self._first], "a batch was answered in part")]) from None
            except RpcError as refusal:
                results.append(refusal)
        return results

    def submissions(self, transactions: Sequence[bytes]) -> Flow[list[answers.SubmitAnswer | RpcError]]:
        """One body of transactions, at most ``submissions.TRANSACTIONS_MAX``; a refusal stands in its place."""

        def read(outcome: Outcome) -> list[answers.SubmitAnswer | RpcError] | _Response:
            body = _body(outcome)
            if body.startswith(b"{"):
                return _decode_single(body)
            try:
                return submissions.decode_results(body, len(transactions))
            except Invalid as fault:
                raise _Unusable(f"no answer to a body of transactions: {fault}") from None

        body = submissions.encode_transactions(transactions)
        found = yield from self._exchange(body, read, 0.0, submissions.PATH, submissions.CONTENT_TYPE)
        if isinstance(found, _Response):
            assert found.error is not None, "what is not a list of results is a refusal"
            raise _refusal(found.error)
        answered: list[answers.SubmitAnswer | RpcError] = found
        return answered

    def _exchange(
        self, body: bytes, read: Any, wait_seconds: float, path: str = "/", content_type: str = "application/json"
    ) -> Flow[Any]:
        timeout = self._policy.timeout_seconds + wait_seconds
        round_index, waited_seconds = 0, 0.0
        while True:
            failures: list[tuple[str, str]] = []
            busy: RpcError | None = None
            for step in range(len(self._urls)):
                index = (self._first + step) % len(self._urls)
                outcome = yield Send(self._urls[index], body, timeout, path, content_type)
                try:
                    response = read(outcome)
                except _Unusable as fault:
                    failures.append((self._urls[index], str(fault)))
                    continue
                refusal = _busy(response)
                if refusal is None:
                    self._first = index
                    return response
                failures.append((self._urls[index], str(refusal)))
                busy = refusal if busy is None else min(busy, refusal, key=_told_seconds)
            pause_seconds = self._pause_seconds(round_index, busy, waited_seconds)
            if pause_seconds is None:
                raise busy or Unreachable(failures)
            yield Pause(pause_seconds)
            round_index, waited_seconds = round_index + 1, waited_seconds + pause_seconds

    def _pause_seconds(self, round_index: int, busy: RpcError | None, waited_seconds: float) -> float | None:
        """How long to wait before the next round, None to give up; as told where a node says so."""
        policy = self._policy
        if busy is not None and busy.retry_after_ms is not None:
            told_seconds = _told_seconds(busy)
            return told_seconds if waited_seconds + told_seconds <= policy.busy_seconds_max else None
        if round_index + 1 >= policy.rounds_max:
            return None
        return min(policy.pause_seconds * (1 << round_index), policy.pause_seconds_max)


def _request(request: Request, identity: int) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "method": request.method, "params": request.params}


def _told_seconds(busy: RpcError) -> float:
    """When a busy node wants to be asked again; never, where it does not say."""
    return math.inf if busy.retry_after_ms is None else busy.retry_after_ms / 1000


def _read_single(outcome: Outcome) -> _Response:
    return _decode_single(_body(outcome))


def _decode_single(body: bytes) -> _Response:
    try:
        return _single_decoder.decode(body)
    except msgspec.DecodeError as fault:
        raise _Unusable(f"no JSON-RPC answer: {fault}") from None


def _read_batch(outcome: Outcome) -> list[_Response]:
    body = _body(outcome)
    try:
        return _batch_decoder.decode(body) if body[:1] == b"[" else [_single_decoder.decode(body)]
    except msgspec.DecodeError as fault:
        raise _Unusable(f"no JSON-RPC answer: {fault}") from None


def _body(outcome: Outcome) -> bytes:
    if isinstance(outcome, Failure):
        raise _Unusable(outcome.sentence)
    assert isinstance(outcome, Reply)
    if outcome.status != 200 and not outcome.body.startswith(b"{"):
        raise _Unusable(f"HTTP {outcome.status}: {outcome.body[:200].decode(errors='replace').strip()}")
    return outcome.body


def _busy(response: Any) -> RpcError | None:
    """The error for which another node is asked: of a call alone, or of a body of many as a whole."""
    if isinstance(response, list) and len(response) == 1:
        response = response[0] if isinstance(response[0], _Response) and response[0].id is None else None
    if not isinstance(response, _Response) or response.error is None or not response.error.data.retryable:
        return None
    return _refusal(response.error)


def _result(response: _Response, request: Request) -> Any:
    if response.error is not None:
        raise _refusal(response.error)
    try:
        return msgspec.json.decode(response.result, type=request.result)
    except msgspec.DecodeError as fault:
        raise RpcError(
            -32603, "internal_error", f"The answer to {request.method} is not as expected: {fault}"
        ) from None


def _refusal(answer: ErrorAnswer) -> RpcError:
    data = answer.data
    return RpcError(answer.code, data.code, data.hint, retryable=data.retryable, retry_after_ms=data.retry_after_ms)
