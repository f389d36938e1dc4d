"""The canonical encoding: one value, one spelling.

Values are None, bool, integers of 64 bits, text, bytes, and lists of values, in msgpack's shortest form. Maps,
floats and extension types have no place on chain: maps admit several orders, floats several zeros. Decoding
refuses every other spelling of a value by encoding it again and comparing, so two different byte strings never
decode to the same value, and a digest of the bytes is a digest of the value.

Each encoded thing starts with a version byte that stands before the msgpack (``encode``/``decode``); the bare
``pack``/``unpack`` are for parts inside it.
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgpack

from state.errors import Invalid, Reason

Value: TypeAlias = "None | bool | int | str | bytes | Sequence[Value]"
"""What can be encoded. Tuples encode as lists; decoding yields lists."""

MESSAGE_BYTES_MAX = 4 * 1024 * 1024
"""Largest encoded value, bytes: a full block of ids with room to spare."""

DEPTH_MAX = 16
"""Deepest nesting of lists. The deepest thing on chain, a call's arguments inside a transaction, needs 12."""

INT_MAX = 2**63 - 1
"""Largest height, view, time or amount: what every language's signed 64-bit integer holds."""

_PACKER = msgpack.Packer(use_bin_type=True)
"""One for all: making one costs as much as packing a transaction. It holds the interpreter's lock while it packs."""

_ATOMS = frozenset({type(None), bool, int, str, bytes})


def pack(value: Value) -> bytes:
    """Encode one value.

    :raises AssertionError: what ``unpack`` would refuse: a float, a map, a list nested too deep (our own bug).
    """
    _check_ours(value, DEPTH_MAX)
    try:
        packed = _PACKER.pack(value)
    except (OverflowError, UnicodeEncodeError) as error:
        raise AssertionError("an integer beyond 64 bits or a lone surrogate has no encoding") from error
    assert isinstance(packed, bytes)
    return packed


def unpack(data: bytes, bytes_max: int = MESSAGE_BYTES_MAX, values_max: int | None = None) -> Value:
    """Decode the one canonical spelling of a value.

    :param values_max: most values in all its lists together, an empty list counted as one. A byte on the wire can be
        a list of 72 bytes in memory, so whatever a stranger may make longer than some 100 kB is given a limit.
    :raises Invalid: TOO_LARGE, or MALFORMED for anything but the bytes that ``pack`` gives.
    """
    if len(data) > bytes_max:
        raise Invalid(Reason.TOO_LARGE, f"{len(data)} bytes, at most {bytes_max} are allowed here")
    try:
        if values_max is None:
            value: Value = msgpack.unpackb(data, raw=False, strict_map_key=True, ext_hook=_refuse, timestamp=3)
        else:
            value = _unpack_few(data, values_max)
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException, RecursionError) as error:
        raise Invalid(Reason.MALFORMED, "not msgpack") from error
    check(value, DEPTH_MAX)
    if _PACKER.pack(value) != data:
        raise Invalid(Reason.MALFORMED, "not the shortest spelling of its value")
    return value


def unpack_again(data: bytes) -> Value:
    """Decode what this node has decoded by ``unpack`` before: whether it is canonical isn't asked a second time."""
    value: Value = msgpack.unpackb(data, raw=False, strict_map_key=True)
    return value


def encode(version: int, value: Value) -> bytes:
    """A version byte (0–255), then the packed value."""
    return bytes((version,)) + pack(value)


def decode(data: bytes, version: int, bytes_max: int = MESSAGE_BYTES_MAX, values_max: int | None = None) -> Value:
    """Decode what ``encode`` gave under the same version.

    :param values_max: as for ``unpack``.
    :raises Invalid: BAD_VERSION, TOO_LARGE or MALFORMED.
    """
    if not data or data[0] != version:
        raise Invalid(Reason.BAD_VERSION, f"version byte {data[:1].hex() or 'missing'}, this node knows {version:02x}")
    return unpack(data[1:], bytes_max, values_max)


def fields(value: Value, *types: type | tuple[type, ...]) -> Sequence[Value]:
    """The items of a list that has exactly one item of each type, in order. ``bool`` never passes as ``int``.

    :raises Invalid: MALFORMED.
    """
    if type(value) is not list or len(value) != len(types):
        raise Invalid(Reason.MALFORMED, f"a list of {len(types)} fields is expected")
    if tuple(map(type, value)) == types:
        return value
    for item, expected in zip(value, types, strict=True):
        if type(item) is not expected and (type(expected) is not tuple or type(item) not in expected):
            raise Invalid(Reason.MALFORMED, "a field has the wrong type")
    return value


def parts(value: Value, count: int) -> Sequence[Value]:
    """The items of a list of exactly ``count``, whose types the caller judges. :raises Invalid: MALFORMED."""
    if type(value) is not list or len(value) != count:
        raise Invalid(Reason.MALFORMED, f"a list of {count} fields is expected")
    return value


def natural(value: Value) -> int:
    """An integer from 0 to INT_MAX. :raises Invalid: MALFORMED."""
    if type(value) is not int or not 0 <= value <= INT_MAX:
        raise Invalid(Reason.MALFORMED, "an integer from 0 to 2^63 - 1 is expected")
    return value


def sized(value: Value, size: int) -> bytes:
    """Bytes of exactly ``size``. :raises Invalid: MALFORMED."""
    if type(value) is not bytes or len(value) != size:
        raise Invalid(Reason.MALFORMED, f"{size} bytes are expected")
    return value


def text(value: Value) -> str:
    """A text. :raises Invalid: MALFORMED."""
    if type(value) is not str:
        raise Invalid(Reason.MALFORMED, "a text is expected")
    return value


def blob(value: Value) -> bytes:
    """Bytes of any size. :raises Invalid: MALFORMED."""
    if type(value) is not bytes:
        raise Invalid(Reason.MALFORMED, "bytes are expected")
    return value


def items(value: Value, count_max: int) -> Sequence[Value]:
    """A list of at most ``count_max`` items. :raises Invalid: MALFORMED or TOO_LARGE."""
    if type(value) is not list:
        raise Invalid(Reason.MALFORMED, "a list is expected")
    if len(value) > count_max:
        raise Invalid(Reason.TOO_LARGE, f"{len(value)} items, at most {count_max} are allowed here")
    return value


def check(value: Value, depth: int) -> None:
    """Check that what a decoder of another module has read may stand on chain. :raises Invalid: MALFORMED."""
    kind = type(value)
    if kind is list:
        if depth == 0:
            raise Invalid(Reason.MALFORMED, f"nested deeper than {DEPTH_MAX}")
        assert isinstance(value, list)
        for item in value:
            kind = type(item)
            if kind in _ATOMS:
                continue
            if kind is list:
                check(item, depth - 1)
            else:
                raise Invalid(Reason.MALFORMED, f"{kind.__name__} has no place on chain")
    elif kind not in _ATOMS:
        raise Invalid(Reason.MALFORMED, f"{kind.__name__} has no place on chain")


def _check_ours(value: Value, depth: int) -> None:
    kind = type(value)
    if kind is list or kind is tuple:
        assert depth > 0, f"nested deeper than {DEPTH_MAX}"
        for item in value:  # type: ignore[union-attr]
            kind = type(item)
            if kind is list or kind is tuple:
                _check_ours(item, depth - 1)
            elif kind not in _ATOMS:
                assert isinstance(item, int | str), f"{kind.__name__} has no place on chain"
    elif kind not in _ATOMS:
        assert isinstance(value, int | str), f"{kind.__name__} has no place on chain"


def _unpack_few(data: bytes, values_max: int) -> Value:
    """Build at most ``values_max`` values: each list is counted as it is complete, before the next is begun."""
    left = values_max

    def count(listed: list[Value]) -> list[Value]:
        nonlocal left
        left -= len(listed) or 1
        if left < 0:
            raise Invalid(Reason.TOO_LARGE, f"more than {values_max} values")
        return listed

    value: Value = msgpack.unpackb(
        data,
        raw=False,
        strict_map_key=True,
        ext_hook=_refuse,
        timestamp=3,
        list_hook=count,
        max_array_len=values_max,
    )
    return value


def _refuse(code: int, data: bytes) -> object:
    raise ValueError("extension types have no place on chain")
