"""Addresses: bech32m text (BIP-350) over a type byte and a 32-byte digest.

The text is the address, on chain as in a wallet: transactions, arguments and state keys all carry it, so nothing
is converted on the way and a mistyped letter is found by its checksum before anything is signed. The prefix
names the network (``hansa`` for a production network, ``hansat`` for a test network).
"""

from enum import IntEnum
from functools import reduce
from operator import xor

from state.digest import DIGEST_BYTES, account_digest, contract_digest
from state.errors import Invalid, Reason

ADDRESS_CHARS_MAX = 90
"""BIP-173's limit, inside which the checksum finds any four wrong letters."""

SALT_BYTES = 16
"""Size of the salt that keeps two accounts with one policy apart."""

_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES = {letter: value for value, letter in enumerate(_LETTERS)}
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_REMAINDERS = tuple(
    reduce(xor, (generator for index, generator in enumerate(_GENERATOR) if top >> index & 1), 0) for top in range(32)
)
"""What the five bits that leave the checksum come back as."""
_CHECKSUM_LETTERS = 6
_BECH32M = 0x2BC830A3


class AddressType(IntEnum):
    """The first byte of an address's payload."""

    ACCOUNT = 1
    """Held by keys under a policy."""
    CONTRACT = 2
    """Held by a contract's code."""
    SYSTEM = 3
    """Held by the kernel: rounding differences and the like."""


def account_address(prefix: str, policy: bytes, salt: bytes) -> str:
    """The address of an account: its first policy (encoded) and a salt of 16 bytes. It outlives the policy."""
    assert len(salt) == SALT_BYTES
    return encode_address(prefix, AddressType.ACCOUNT, account_digest(salt + policy))


def contract_address(prefix: str, name: str) -> str:
    """The address under which the contract of that name holds money."""
    return encode_address(prefix, AddressType.CONTRACT, contract_digest(name.encode()))


def encode_address(prefix: str, kind: AddressType, digest: bytes) -> str:
    """The text of an address."""
    assert len(digest) == DIGEST_BYTES
    return bech32m_encode(prefix, _regroup(bytes((kind,)) + digest, 8, 5, pad=True))


def decode_address(prefix: str, text: str) -> tuple[AddressType, bytes]:
    """Type and digest of an address of the network ``prefix``. :raises Invalid: BAD_ADDRESS.

    BIP-350 also reads upper case; here the text itself is the name of the account, so it has one spelling.
    """
    found, letters = bech32m_decode(text)
    if text != text.lower():
        raise Invalid(Reason.BAD_ADDRESS, "an address of this network is written in lower case")
    if found != prefix:
        raise Invalid(Reason.BAD_ADDRESS, f"an address of the network {found!r}; this network's start with {prefix!r}")
    payload = bytes(_regroup(letters, 5, 8, pad=False))
    if len(payload) != 1 + DIGEST_BYTES or payload[0] not in AddressType.__members__.values():
        raise Invalid(Reason.BAD_ADDRESS, "the checksum is right but this is no Hansa address")
    return AddressType(payload[0]), payload[1:]


def bech32m_encode(prefix: str, values: bytes | list[int]) -> str:
    """BIP-350 text of ``values``, each 0–31, under a lower-case prefix."""
    checked = [*_expand(prefix), *values]
    checksum = _polymod([*checked, *[0] * _CHECKSUM_LETTERS]) ^ _BECH32M
    tail = [checksum >> 5 * (5 - index) & 31 for index in range(_CHECKSUM_LETTERS)]
    return prefix + "1" + "".join(_LETTERS[value] for value in [*values, *tail])


def bech32m_decode(text: str) -> tuple[str, list[int]]:
    """Prefix and values (each 0–31) of a BIP-350 text. :raises Invalid: BAD_ADDRESS."""
    if not 8 <= len(text) <= ADDRESS_CHARS_MAX or any(not 33 <= ord(letter) <= 126 for letter in text):
        raise Invalid(Reason.BAD_ADDRESS, "an address has 8 to 90 printable ASCII letters")
    if text.lower() != text and text.upper() != text:
        raise Invalid(Reason.BAD_ADDRESS, "an address never mixes upper and lower case")
    text = text.lower()
    split = text.rfind("1")
    if split < 1 or split + 1 + _CHECKSUM_LETTERS > len(text):
        raise Invalid(Reason.BAD_ADDRESS, "an address has a prefix, a 1, and at least six letters")
    prefix, letters = text[:split], text[split + 1 :]
    if any(letter not in _VALUES for letter in letters):
        raise Invalid(Reason.BAD_ADDRESS, "a letter that no address contains")
    values = [_VALUES[letter] for letter in letters]
    if _polymod([*_expand(prefix), *values]) != _BECH32M:
        raise Invalid(Reason.BAD_ADDRESS, "the checksum does not match: a letter is mistyped or missing")
    return prefix, values[:-_CHECKSUM_LETTERS]


def _expand(prefix: str) -> list[int]:
    return [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]


def _polymod(values: list[int]) -> int:
    checksum = 1
    for value in values:
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value ^ _REMAINDERS[checksum >> 25]
    return checksum


def _regroup(values: bytes | list[int], from_bits: int, to_bits: int, *, pad: bool) -> list[int]:
    """Split a run of bits anew. Without ``pad`` the left-over bits must be fewer than a group and zero."""
    accumulator, bits, groups = 0, 0, []
    for value in values:
        accumulator = accumulator << from_bits | value
        bits += from_bits
        while bits >= to_bits:
            bits -= to_bits
            groups.append(accumulator >> bits & (1 << to_bits) - 1)
        accumulator &= (1 << bits) - 1
    if pad:
        if bits:
            groups.append(accumulator << to_bits - bits)
    elif bits >= from_bits or accumulator:
        raise Invalid(Reason.BAD_ADDRESS, "the padding is not zero")
    return groups
