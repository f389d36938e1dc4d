"""The gate before the JSON decoder: what is refused here never reaches it.

JSON leaves open what a repeated key means, how deep a text may nest and how long a number may be; decoders answer
differently, some by crashing. ``check`` settles these three before anything is built. msgspec, behind the gate,
refuses the rest: what is not JSON (NaN, a byte order mark, UTF-16, control characters in strings, lone surrogates)
and numbers out of range.

The gate masks escapes, then cuts the text at its quotes: every second piece is a string, the others hold brackets,
numbers and punctuation. (A regular expression over whole strings costs 12 µs for a transaction of 420 bytes, and
minutes for 200 kB of escaped quotes; this takes 2 µs and is linear.) It is no parser: a text that is not JSON may
pass, and the decoder then refuses it. As far as a text is JSON, gate and decoder see the same strings and brackets.

Walking the brackets is the dear part. A batch of many submissions is one entry spelled again and again with other
strings and numbers; where that is so, it is seen at once for all of them, and one entry is walked.
"""

import re

from rpc.errors import RpcError, error

DEPTH_MAX = 24
"""Deepest nesting. The deepest request, a batch of queries with nested arguments, has state.codec's 16 and four."""

NUMBER_CHARS_MAX = 64
"""Longest number. Amounts travel as text, so numbers are counts and ids."""

TOKENS_MAX = 100_000
"""Most quotes and escapes of one text, and brackets and commas outside its strings: about 20 ms. A batch of 1,000
submissions has 18,000."""

_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_MASK = b"\0\0"
"""Stands for an escape; no JSON text holds a NUL."""
_LONG_NUMBER = re.compile(rb"[-+.0-9eE]{%d}" % (NUMBER_CHARS_MAX + 1))
_NO_STRUCTURE = b"0123456789 \t\r\n"
"""What may differ between two entries that nest alike, beside what their strings say."""
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
    escapes = body.count(b"\\") if b"\\" in body else 0  # Looking for one takes a twentieth of counting none.
    if escapes > TOKENS_MAX:
        raise _too_many()
    pieces = (_ESCAPE.sub(_MASK, body) if escapes else body).split(b'"', TOKENS_MAX + 1)
    tokens = len(pieces) - 1 + escapes
    if tokens > TOKENS_MAX:
        raise _too_many()
    if len(pieces) % 2 == 0:
        raise error("parse_error")
    between, strings = pieces[0::2], pieces[1::2]
    outside = b'"'.join(between)
    if tokens + sum(map(outside.count, (b"[", b"{", b","))) > TOKENS_MAX:
        raise _too_many()
    if _LONG_NUMBER.search(outside):
        raise error("invalid_request", f"A number is longer than {NUMBER_CHARS_MAX} characters.")
    entry = _repeated_entry(outside.translate(None, _NO_STRUCTURE), strings)
    if entry is None:
        _check_nesting(between, strings)
    else:
        _check_nesting((b"[" + entry).split(b'"'), strings[: entry.count(b'"')])


def _too_many() -> RpcError:
    return error("request_too_large", f"More than {TOKENS_MAX} quotes, brackets, commas and escapes.")


def _repeated_entry(structure: bytes, strings: list[bytes]) -> bytes | None:
    """What an array repeats, quotes standing for strings, where all its entries nest alike and name the same keys.

    :param structure: the text without strings, numbers and white space.
    """
    entry = structure[1 : structure.find(b"},{") + 1]
    count, rest = divmod(len(structure) - 1, len(entry) + 1)
    if rest or count < 2 or structure != b"[" + b",".join([entry] * count) + b"]":
        return None
    for place, after in enumerate(entry.split(b'"')[1:]):
        named = strings[place :: len(strings) // count]
        if after.startswith(b":") and named.count(named[0]) != count:
            return None
    return entry


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
