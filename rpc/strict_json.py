"""The gate before the JSON decoder: what is refused here never reaches it.

JSON leaves open what a repeated key means, how deep a text may nest and how long a number may be; decoders answer
differently, some by crashing. ``check`` settles these three before anything is built. msgspec, behind the gate,
refuses the rest: what is not JSON (NaN, a byte order mark, UTF-16, control characters in strings, lone surrogates)
and numbers out of range.

The gate masks escapes, then cuts the text at its quotes: every second piece is a string, the others hold brackets,
numbers and punctuation. (A regular expression over whole strings costs 12 µs for a transaction of 420 bytes, and
minutes for 200 kB of escaped quotes; this takes 2 µs and is linear.) It is no parser: a text that is not JSON may
pass, and the decoder then refuses it. As far as a text is JSON, gate and decoder see the same strings and brackets.
"""

import re

from rpc.errors import error

DEPTH_MAX = 24
"""Deepest nesting. The deepest request, a batch of queries with nested arguments, has state.codec's 16 and four."""

NUMBER_CHARS_MAX = 64
"""Longest number. Amounts travel as text, so numbers are counts and ids."""

TOKENS_MAX = 100_000
"""Most quotes, brackets, commas and escapes of one text: about 20 ms. A batch of 1,000 submissions has 18,000."""

_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_MASK = b"\0\0"
"""Stands for an escape; no JSON text holds a NUL."""
_LONG_NUMBER = re.compile(rb"[-+.0-9eE]{%d}" % (NUMBER_CHARS_MAX + 1))
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_OPENING = frozenset(b"[{")


def check(body: bytes) -> None:
    """Refuse what must not reach the decoder. :raises RpcError: −32700 or −32600."""
    try:
        body.decode()
    except UnicodeDecodeError:
        raise error("parse_error", "The body is not UTF-8.") from None
    if b"\0" in body:
        raise error("parse_error")
    if sum(map(body.count, (b'"', b"[", b"{", b",", b"\\"))) > TOKENS_MAX:
        raise error("request_too_large", f"More than {TOKENS_MAX} quotes, brackets, commas and escapes.")
    pieces = (_ESCAPE.sub(_MASK, body) if b"\\" in body else body).split(b'"')
    if len(pieces) % 2 == 0:
        raise error("parse_error")
    between = pieces[0::2]
    if _LONG_NUMBER.search(b'"'.join(between)):
        raise error("invalid_request", f"A number is longer than {NUMBER_CHARS_MAX} characters.")
    _check_nesting(between, pieces[1::2])


def _check_nesting(between: list[bytes], strings: list[bytes]) -> None:
    """Walk the brackets; at each open object remember its keys: the strings that a colon follows."""
    open_keys: list[set[bytes]] = []
    _walk(between[0], open_keys)
    for text, after in zip(strings, between[1:], strict=True):
        if after.lstrip().startswith(b":") and open_keys:
            keys = open_keys[-1]
            if text in keys:
                raise error("invalid_request", "An object names the same key twice.")
            if b"\0" in text:
                raise error("invalid_request", "A key is spelled with an escape; no key here needs one.")
            keys.add(text)
        if after not in (b":", b": ", b",", b", "):
            _walk(after, open_keys)


def _walk(between: bytes, open_keys: list[set[bytes]]) -> None:
    for byte in between.translate(None, _NO_BRACKETS):
        if byte in _OPENING:
            if len(open_keys) == DEPTH_MAX:
                raise error("invalid_request", f"The request nests deeper than {DEPTH_MAX}.")
            open_keys.append(set())
        elif open_keys:
            open_keys.pop()
