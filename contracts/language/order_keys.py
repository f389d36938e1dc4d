"""Keys of ordered maps as bytes that sort as the keys do.

After FoundationDB's tuple layer, without its type codes (types are declared): the parts stand one after the other, so
that bytes compare as tuples do, and the first parts alone sort right before every key that starts with them.

    int, Amount                  128 + n (or 128 − n when negative), then n bytes of its size, big end first, each bit
                                 turned when negative; n is least, 0 for zero
    str, Address, Asset, bytes   UTF-8 (the order of code points), each 00 followed by FF; 00 00 ends it
"""

from collections.abc import Sequence
from typing import Final

from contracts.language.kernel_interface import KeyPart
from contracts.language.values import read_integer, write_integer

ORDER_SCALARS: Final = ("int", "Amount", "str", "Address", "Asset", "bytes")
"""What a part of an ordered map's key may be declared as."""

_ZERO: Final = 128


def encode_key(kinds: Sequence[str], parts: Sequence[KeyPart]) -> bytes:
    """The plain parts of a key, or the first of them, in order."""
    encoded = []
    for kind, part in zip(kinds, parts, strict=False):
        if kind == "int" or kind == "Amount":
            number = read_integer(part)
            size = number.bit_length() + 7 >> 3
            if number >= 0:
                encoded.append(bytes((_ZERO + size,)) + number.to_bytes(size, "big"))
            else:
                turned = (1 << 8 * size) - 1 + number
                encoded.append(bytes((_ZERO - size,)) + turned.to_bytes(size, "big"))
        else:
            assert isinstance(part, str | bytes)
            octets = part.encode() if isinstance(part, str) else part
            encoded.append(octets.replace(b"\0", b"\0\xff") + b"\0\0")
    return b"".join(encoded)


def decode_key(kinds: Sequence[str], encoded: bytes) -> tuple[KeyPart, ...]:
    """The plain parts of a whole key."""
    parts: list[KeyPart] = []
    at = 0
    for kind in kinds:
        if kind == "int" or kind == "Amount":
            head = encoded[at]
            size = abs(head - _ZERO)
            number = int.from_bytes(encoded[at + 1 : at + 1 + size], "big")
            if head < _ZERO:
                number -= (1 << 8 * size) - 1
            plain = write_integer(number)
            assert isinstance(plain, int | bytes)
            parts.append(plain)
            at += 1 + size
        else:
            end = encoded.index(b"\0", at)
            while encoded[end + 1] == 0xFF:
                end = encoded.index(b"\0", end + 2)
            octets = encoded[at:end].replace(b"\0\xff", b"\0")
            parts.append(octets if kind == "bytes" else octets.decode())
            at = end + 2
    return tuple(parts)
