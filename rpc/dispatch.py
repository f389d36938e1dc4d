"""JSON-RPC 2.0 by hand (https://www.jsonrpc.org/specification): bytes in, bytes out, no sockets.

The order of work for a body: the gate (rpc.strict_json), the envelope, the method's own typed parameters, the
handler, the answer. What fails before the envelope is known answers with id null; a notification never answers.

Of a batch, all calls of one method that has a bulk handler go to it at once; then the others run in order, those
that wait side by side. The specification leaves the order open, so nobody may rely on it. Every body passes the
turnstile before it is read, and every further call of a batch before it is made, so that neither a flood of requests
nor a batch stalls a vote.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from rpc import strict_json
from rpc.errors import INTERNAL_ERROR, RpcError, error, from_invalid
from rpc.turnstile import UNITS_PER_TURN, Turnstile, units_of
from state.errors import Corrupt, Invalid

BATCH_ENTRIES_MAX = 1_000
"""Most calls of one batch."""

RESPONSE_BYTES_MAX = 16 * 1024 * 1024
"""Largest response, bytes. What no longer fits is answered by an error."""

ANSWERS_BYTES_MAX = 64 * 1024 * 1024
"""Answers of all batches that are not complete yet, bytes. Beyond it calls are told to come again."""

ID_BYTES_MAX = 256
"""Longest id, bytes of its JSON text."""

P = TypeVar("P", bound=msgspec.Struct)
OnWait: TypeAlias = Callable[["asyncio.Task[None]"], None]
_ABSENT = msgspec.Raw(b"")
_EMPTY_PARAMS = msgspec.Raw(b"[]")
_BATCH = b"["
_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Method(Generic[P]):
    """One method: its types are all that is told of it, to the decoder and to rpc.discover."""

    name: str
    summary: str
    params: type[P]
    result: Any
    """The type of what ``handler`` returns."""
    handler: Callable[[P], Awaitable[Any]]
    errors: tuple[str, ...] = ()
    """Codes of rpc.errors.TABLE that it may answer with, beside those of every method."""
    rejects: tuple[str, ...] = ()
    """Codes of the table that it answers with as "Transaction rejected"."""
    bulk: Callable[[list[P]], Awaitable[Sequence[Any]]] | None = None
    """Answers many calls at once, in order: results, or RpcErrors in their place."""
    waits: bool = False
    """Whether it may take as long as the caller asks, doing nothing."""
    is_heavy: bool = False
    """Whether its answer may take some milliseconds to make: no two of these in one turn of the loop."""


class Envelope(msgspec.Struct, frozen=True):
    """A request object; members that are not the specification's are ignored."""

    jsonrpc: str
    method: str
    params: msgspec.Raw = _EMPTY_PARAMS
    id: msgspec.Raw = _ABSENT


@dataclass(frozen=True, slots=True)
class _Bound:
    """A method with the decoders of both ways to pass its parameters."""

    method: Method[Any]
    by_name: msgspec.json.Decoder[Any]
    by_position: msgspec.json.Decoder[Any]


_single_decoder = msgspec.json.Decoder(Envelope)
_entries_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_batch_decoder = msgspec.json.Decoder(list[Envelope])


class Dispatcher:
    """Answers bodies by a table of methods."""

    def __init__(
        self, methods: Sequence[Method[Any]], logger: logging.Logger, turnstile: Turnstile | None = None
    ) -> None:
        self.methods: Mapping[str, Method[Any]] = {method.name: method for method in methods}
        self._bound = {method.name: _bind(method) for method in methods}
        self._logger = logger
        self._turnstile = turnstile or Turnstile()
        self._held = _Held()

    async def answer(self, body: bytes, on_wait: OnWait | None = None) -> bytes | None:
        """The response to a body; None when there is nothing to say.

        :param on_wait: is told each task that only waits, so that it can be cancelled when its caller has gone.
        """
        await self._turnstile.enter(units_of(body))
        try:
            strict_json.check(body)
            if body.lstrip()[:1] == _BATCH:
                return await self._answer_batch(_decode_batch(body), on_wait)
            envelope = _decode_single(_single_decoder, body)
        except RpcError as refusal:
            return _failure(b"null", refusal)
        bound = self._bound.get(envelope.method)
        if bound is not None and bound.method.waits:
            with _Answers(1, self._held) as answers:
                await self._answer_waiting([(0, envelope)], answers, on_wait)
                return answers.listed[0]
        return await self._answer_one(envelope)

    async def _answer_batch(self, entries: list[Envelope | RpcError], on_wait: OnWait | None) -> bytes | None:
        with _Answers(len(entries), self._held) as answers:
            await self._answer_entries(entries, answers, on_wait)
            return answers.joined()

    async def _answer_entries(
        self, entries: list[Envelope | RpcError], answers: "_Answers", on_wait: OnWait | None
    ) -> None:
        waiting: list[tuple[int, Envelope]] = []
        singles: list[tuple[int, Envelope]] = []
        bulks: dict[str, list[tuple[int, Envelope]]] = {}
        for index, entry in enumerate(entries):
            if isinstance(entry, RpcError):
                answers.put(index, b"null", _failure(b"null", entry))
                continue
            bound = self._bound.get(entry.method)
            if bound is not None and bound.method.bulk is not None:
                bulks.setdefault(entry.method, []).append((index, entry))
            elif bound is not None and bound.method.waits:
                waiting.append((index, entry))
            else:
                singles.append((index, entry))
        for name, calls in bulks.items():
            await self._answer_bulk(self._bound[name], calls, answers)
        await self._answer_singles(singles, answers)
        if waiting:
            await self._answer_waiting(waiting, answers, on_wait)

    async def _answer_waiting(
        self, calls: list[tuple[int, Envelope]], answers: "_Answers", on_wait: OnWait | None
    ) -> None:
        async def answer(index: int, envelope: Envelope) -> None:
            answers.put(index, bytes(envelope.id), await self._answer_one(envelope))

        tasks: list[asyncio.Task[None]] = []
        for call in calls:
            if tasks:
                await self._turnstile.enter()
            tasks.append(asyncio.create_task(answer(*call)))
            if on_wait is not None:
                on_wait(tasks[-1])
        await asyncio.gather(*tasks)

    async def _answer_singles(self, calls: list[tuple[int, Envelope]], answers: "_Answers") -> None:
        for index, envelope in calls:
            if answers.is_full:
                answers.put(index, bytes(envelope.id), _answer_to(envelope, error("response_too_large")))
                continue
            await self._turnstile.enter()
            answers.put(index, bytes(envelope.id), await self._answer_one(envelope))

    async def _answer_one(self, envelope: Envelope) -> bytes | None:
        try:
            bound = self._bound.get(envelope.method)
            if bound is None:
                raise error("method_not_found")
            params = _decode_params(bound, envelope)
            if bound.method.is_heavy:
                await self._turnstile.enter(UNITS_PER_TURN)
            result = await bound.method.handler(params)
        except RpcError as refusal:
            return _answer_to(envelope, refusal)
        except Invalid as fault:
            translated = from_invalid(fault)
            if translated.number == INTERNAL_ERROR:
                self._logger.error("The method %s failed: %s", envelope.method, fault)
            return _answer_to(envelope, translated)
        except Corrupt as failure:  # The node is ending of it, and says so itself.
            self._logger.error("The method %s failed: %s", envelope.method[:64], failure)
            return _answer_to(envelope, error("unavailable"))
        except Exception:  # The connection's edge: a caller never sees a traceback.
            self._logger.exception("The method %s failed.", envelope.method[:64])
            return _answer_to(envelope, error("internal_error"))
        return _answer_to(envelope, result)

    async def _answer_bulk(self, bound: _Bound, calls: list[tuple[int, Envelope]], answers: "_Answers") -> None:
        assert bound.method.bulk is not None
        taken: list[tuple[int, Envelope]] = []
        params: list[msgspec.Struct] = []
        for index, envelope in calls:
            try:
                params.append(_decode_params(bound, envelope))
            except RpcError as refusal:
                answers.put(index, bytes(envelope.id), _answer_to(envelope, refusal))
            else:
                taken.append((index, envelope))
        try:
            results = await bound.method.bulk(params)
        except Exception:
            self._logger.exception("The method %s failed.", bound.method.name)
            results = [error("internal_error")] * len(taken)
        for (index, envelope), result in zip(taken, results, strict=True):
            answers.put(index, bytes(envelope.id), _answer_to(envelope, result))


@dataclass(slots=True)
class _Held:
    """Bytes of answers that wait for the rest of their batches."""

    bytes: int = 0


class _Answers:
    """The answers of one batch in its order, held until it is complete. What is too much becomes an error at once."""

    def __init__(self, count: int, held: _Held) -> None:
        self.listed: list[bytes | None] = [None] * count
        self.is_full = False
        """Whether an answer has not fitted: no more calls need to be made."""
        self._held = held
        self._size = 0

    def __enter__(self) -> "_Answers":
        return self

    def __exit__(self, *_: object) -> None:
        self._held.bytes -= self._size

    def put(self, index: int, identity: bytes, answer: bytes | None) -> None:
        """Hold an answer; None where there is nothing to say."""
        if answer is None:
            return
        if self._size + len(answer) > RESPONSE_BYTES_MAX:
            self.is_full, answer = True, _failure(identity, error("response_too_large"))
        elif self._held.bytes + len(answer) > ANSWERS_BYTES_MAX:
            answer = _failure(identity, error("busy"))
        self.listed[index] = answer
        self._size += len(answer)
        self._held.bytes += len(answer)

    def joined(self) -> bytes | None:
        """One array of all answers, None without any."""
        said = [answer for answer in self.listed if answer is not None]
        return b"[" + b",".join(said) + b"]" if said else None


def _bind(method: Method[Any]) -> _Bound:
    fields = msgspec.structs.fields(method.params)
    assert method.params.__struct_config__.forbid_unknown_fields, method.name
    assert not any(field.required for field in fields) or fields[0].required, method.name
    by_position = msgspec.defstruct(
        method.params.__name__, [], bases=(method.params,), array_like=True, frozen=True, forbid_unknown_fields=True
    )
    return _Bound(method, msgspec.json.Decoder(method.params), msgspec.json.Decoder(by_position))


def _decode_single(decoder: msgspec.json.Decoder[Envelope], text: bytes | msgspec.Raw) -> Envelope:
    """:raises RpcError: −32700, or −32600 where the text is JSON but no request."""
    try:
        envelope = decoder.decode(text)
    except msgspec.ValidationError as fault:
        raise error("invalid_request", _sentence(fault)) from None
    except msgspec.DecodeError as fault:
        raise error("parse_error", _sentence(fault)) from None
    _check_envelope(envelope)
    return envelope


def _decode_batch(body: bytes) -> list[Envelope | RpcError]:
    """:raises RpcError: for what is no batch at all."""
    try:
        entries: Sequence[Envelope | msgspec.Raw] = _batch_decoder.decode(body)
    except msgspec.DecodeError:
        entries = _decode_entries(body)  # Not all are requests: each is answered for itself.
    if not entries:
        raise error("invalid_request", "A batch has at least one entry.")
    if len(entries) > BATCH_ENTRIES_MAX:
        raise error("request_too_large", f"A batch has at most {BATCH_ENTRIES_MAX} entries.")
    decoded: list[Envelope | RpcError] = []
    for entry in entries:
        try:
            if isinstance(entry, Envelope):
                _check_envelope(entry)
                decoded.append(entry)
            else:
                decoded.append(_decode_single(_single_decoder, entry))
        except RpcError as refusal:
            decoded.append(refusal)
    return decoded


def _decode_entries(body: bytes) -> list[msgspec.Raw]:
    """:raises RpcError: −32700, the body is no array."""
    try:
        return _entries_decoder.decode(body)
    except msgspec.DecodeError as fault:
        raise error("parse_error", _sentence(fault)) from None


def _check_envelope(envelope: Envelope) -> None:
    if envelope.jsonrpc != "2.0":
        raise error("invalid_request", 'The member jsonrpc is "2.0".')
    if bytes(envelope.params)[:1] not in (b"[", b"{"):
        raise error("invalid_request", "The member params is an array or an object, or left out.")
    identity = bytes(envelope.id)
    if len(identity) > ID_BYTES_MAX:
        raise error("invalid_request", f"The member id has at most {ID_BYTES_MAX} bytes.")
    if identity[:1] in (b"[", b"{", b"t", b"f"):
        raise error("invalid_request", "The member id is a string, a number or null.")


def _decode_params(bound: _Bound, envelope: Envelope) -> Any:
    """:raises RpcError: −32602."""
    decoder = bound.by_position if bytes(envelope.params)[:1] == b"[" else bound.by_name
    try:
        return decoder.decode(envelope.params)
    except (msgspec.ValidationError, ValueError) as fault:
        raise error("invalid_params", _sentence(fault)) from None


def _sentence(fault: Exception) -> str:
    return f"{fault}."


def _answer_to(envelope: Envelope, result: Any) -> bytes | None:
    identity = bytes(envelope.id)
    if not identity:
        return None
    if isinstance(result, RpcError):
        return _failure(identity, result)
    return b'{"jsonrpc":"2.0","id":' + identity + b',"result":' + _encode(result) + b"}"


def _failure(identity: bytes, refusal: RpcError) -> bytes:
    return b'{"jsonrpc":"2.0","id":' + identity + b',"error":' + _encode(refusal.answer()) + b"}"
