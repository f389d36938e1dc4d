"""How values look in JSON, and the checks on the way in.

Bytes are 0x-hex, lower case on the way out. Amounts, heights, fuel and times are decimal text, because a JSON number
loses digits above 2^53 in most languages; counts, indexes and limits are small and are numbers.

Values of contracts (results, fields of events) are shown so that a person can read them: null, true, false, text and
lists as they are, integers as decimal text, bytes as 0x-hex. That is not reversible ("12" may be a text), so what
carries them also carries ``encoded``, their canonical bytes. Arguments of contracts come in unambiguous: a text is a
text, ``{"int": "12"}`` or the number 12 an integer, ``{"bytes": "0x…"}`` bytes.
"""

import binascii
from typing import Annotated, TypeAlias

import msgspec

from rpc.backend import CURSOR_BYTES_MAX, PAGE_ITEMS_MAX
from state.codec import DEPTH_MAX, INT_MAX, Value
from state.digest import DIGEST_BYTES
from state.errors import Invalid, Reason
from state.transaction import NAME_CHARS_MAX

SAFE_INT_MAX = 2**53 - 1
"""Largest integer that every JSON reader keeps."""

Hex: TypeAlias = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-fA-F]*$", description="Bytes, 0x-hex.")]
HexToDecode: TypeAlias = Annotated[
    str, msgspec.Meta(description="Bytes, 0x-hex.", extra_json_schema={"pattern": "^0x[0-9a-fA-F]*$"})
]
"""As Hex, where ``bytes_of`` alone judges it: matching 700 letters takes three times as long as decoding them."""
Hash: TypeAlias = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-fA-F]{64}$", description="A digest, 0x-hex.")]
Cursor: TypeAlias = Annotated[
    str,
    msgspec.Meta(pattern="^0x[0-9a-fA-F]*$", max_length=2 + 2 * CURSOR_BYTES_MAX, description="Opaque: pass it back."),
]
Decimal: TypeAlias = Annotated[
    str, msgspec.Meta(pattern="^-?(0|[1-9][0-9]*)$", description="An integer in decimal text.")
]
Natural: TypeAlias = (
    Annotated[str, msgspec.Meta(pattern="^(0|[1-9][0-9]{0,18})$", description="An integer in decimal text.")]
    | Annotated[int, msgspec.Meta(ge=0, le=SAFE_INT_MAX)]
)
"""A height or a time on the way in: text, or a number that no reader spoils."""
Limit: TypeAlias = Annotated[
    int, msgspec.Meta(ge=1, le=PAGE_ITEMS_MAX, description=f"Most items to answer, 1 to {PAGE_ITEMS_MAX}.")
]
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARS_MAX)]
AddressText: TypeAlias = Annotated[str, msgspec.Meta(min_length=8, max_length=90, description="bech32m address.")]
AssetText: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=128, description="Code of an asset.")]
Shown: TypeAlias = "None | bool | str | list[Shown]"
"""A contract's value as it is shown."""


def hex_of(data: bytes) -> str:
    """0x-hex."""
    return "0x" + data.hex()


def optional_hex(data: bytes | None) -> str | None:
    """0x-hex, None for None."""
    return None if data is None else "0x" + data.hex()


def bytes_of(text: str) -> bytes:
    """Bytes of 0x-hex. :raises Invalid: MALFORMED."""
    try:
        # unhexlify, not bytes.fromhex: that one skips white space.
        return binascii.unhexlify(text[2:]) if text[:2] == "0x" else _refuse_hex()
    except ValueError:
        return _refuse_hex()


def digest_of(text: str) -> bytes:
    """Bytes of a digest. :raises Invalid: MALFORMED."""
    data = bytes_of(text)
    if len(data) != DIGEST_BYTES:
        raise Invalid(Reason.MALFORMED, f"a digest has {DIGEST_BYTES} bytes")
    return data


def cursor_of(text: str | None) -> bytes | None:
    """Bytes of a cursor. :raises Invalid: MALFORMED."""
    return None if text is None else bytes_of(text)


def natural_of(value: str | int) -> int:
    """An integer from 0 to 2^63 − 1. :raises Invalid: MALFORMED."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) < 20):
        raise Invalid(Reason.MALFORMED, "a natural number in decimal text is expected")
    number = int(value)
    if not 0 <= number <= INT_MAX:
        raise Invalid(Reason.MALFORMED, "numbers go up to 2^63 - 1")
    return number


def optional_natural(value: str | int | None) -> int | None:
    """As ``natural_of``, None for None."""
    return None if value is None else natural_of(value)


def shown(value: Value) -> Shown:
    """A contract's value for a person to read."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return str(value)
        case bytes():
            return "0x" + value.hex()
    return [shown(item) for item in value]


def argument_to_json(value: Value) -> object:
    """What ``argument_of`` takes."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return {"int": str(value)}
        case bytes():
            return {"bytes": "0x" + value.hex()}
    return [argument_to_json(item) for item in value]


def argument_of(value: object, depth: int = DEPTH_MAX) -> Value:
    """An argument as a caller gives it. :raises Invalid: MALFORMED."""
    match value:
        case None | bool() | str():
            return value
        case int():
            if abs(value) > SAFE_INT_MAX:
                raise Invalid(Reason.MALFORMED, 'an integer beyond 2^53 is given as {"int": "…"}')
            return value
        case list():
            if depth == 0:
                raise Invalid(Reason.MALFORMED, f"an argument nests deeper than {DEPTH_MAX}")
            return [argument_of(item, depth - 1) for item in value]
        case {"int": str(digits), **rest} if not rest:
            return _integer(digits)
        case {"bytes": str(digits), **rest} if not rest:
            return bytes_of(digits)
    raise Invalid(Reason.MALFORMED, 'an argument is null, a boolean, text, a list, {"int": "…"} or {"bytes": "0x…"}')


def _integer(digits: str) -> int:
    magnitude = digits.removeprefix("-")
    if not (magnitude.isascii() and magnitude.isdigit() and len(magnitude) <= 20):
        raise Invalid(Reason.MALFORMED, "an integer has up to 20 decimal digits")
    number = int(digits)
    if not -(2**63) <= number < 2**64:
        raise Invalid(Reason.MALFORMED, "an integer lies between -2^63 and 2^64 - 1")
    return number


def _refuse_hex() -> bytes:
    raise Invalid(Reason.MALFORMED, "bytes are given as 0x and an even number of hexadecimal digits")
