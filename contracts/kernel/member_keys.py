"""Members' keys: whose each node and vote key is or was, and how a new one shows that its holder wants it to be.

A key belongs to one member and one purpose for ever: what it has signed is nobody else's.
"""

from typing import Final, cast

from contracts.kernel import layout
from contracts.kernel.codes import refuse
from contracts.kernel.scope import Scope
from state import codec
from state.digest import prefix_of
from state.keys import SIGNATURE_BYTES, verify

NODE, VOTE = "node", "vote"
"""What a key is for."""

SIGNATURE_FUEL = 60_000
"""For each signature that is checked: about 85 µs."""

_KEY_PREFIX: Final = prefix_of("member-key")


def key_message(chain_id: bytes, member: str, purpose: str, key: bytes) -> bytes:
    """The bytes by which a new key says that its holder wants it to be the member's."""
    return _KEY_PREFIX + codec.pack([chain_id, member, purpose, key])


def check_unused(scope: Scope, member: str, key: bytes, purpose: str) -> None:
    """Whether no other member, and no other purpose, has had the key. :raises ContractError: key_used."""
    row = scope.overlay.get(layout.key_key(key))
    if row is not None and row != (member, purpose):
        refuse("key_used", f"{key.hex()} is, or was, a {row[1]!s} key of {row[0]!s}")


def claim(scope: Scope, member: str, key: bytes, purpose: str) -> None:
    """The key is that member's, for that purpose, from now on."""
    scope.overlay.put(layout.key_key(key), (member, purpose))


def check_proof(scope: Scope, member: str, purpose: str, key: bytes, proof: str) -> None:
    """Whether the key is the member's to take, and wants to be. :raises ContractError: key_used or bad_member."""
    check_unused(scope, member, key, purpose)
    row = scope.overlay.get(layout.CHAIN)
    assert row is not None, "a chain without its id"
    message = key_message(cast(bytes, row[0]), member, purpose, key)
    check_signature(scope, key, message, from_hex(proof, SIGNATURE_BYTES))


def check_signature(scope: Scope, key: bytes, message: bytes, signature: bytes) -> None:
    """Whether the key signed the message. :raises ContractError: bad_member."""
    scope.meter.charge(SIGNATURE_FUEL)
    if len(signature) != SIGNATURE_BYTES or not verify(key, message, signature):
        refuse("bad_member", f"the signature is not one of the key {key.hex()}")


def is_hex(text: str) -> bool:
    """Whether the text is bytes in lower-case hex, without anything around them."""
    return len(text) % 2 == 0 and all(letter in "0123456789abcdef" for letter in text)


def from_hex(text: str, size: int) -> bytes:
    """So many bytes that stand as hex. :raises ContractError: bad_member."""
    if len(text) != 2 * size or not is_hex(text):
        refuse("bad_member", f"{size} bytes are expected as lower-case hex")
    return bytes.fromhex(text)
