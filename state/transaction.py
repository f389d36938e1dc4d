"""A transaction: calls that happen all or not at all, and the keys that want them.

The body says what shall happen; the signatures stand apart. The id is the digest of the body alone, so that no
re-signing and no stranger can make a second or a spoilt copy of it. Each key signs the id under its own domain
tag. There is no sequence number: an id executes at most once, and never after ``valid_until_ms``.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from state import codec, digest
from state.address import ADDRESS_CHARS_MAX
from state.codec import Value
from state.errors import Invalid, Reason
from state.fact import fact
from state.keys import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, SUITE_ED25519, KeyPair, verify
from state.policy import Key

TRANSACTION_VERSION = 1

TRANSACTION_BYTES_MAX = 128 * 1024
"""Largest transaction on the wire, bytes: a 64 KiB contract or 500 customers in one batch."""

BODY_FIELDS = 8
"""Fields of an encoded body."""

CALLS_MAX = 16
KEYS_MAX = 16
ARGUMENTS_MAX = 32
NAME_CHARS_MAX = 64
CLIENT_ID_BYTES = 16
"""Chosen at random by the client: keeps two otherwise equal payments apart."""

ENTRY_BYTES = 64
"""What a block lists for a transaction: its id, then the digest of its signatures."""

_SIGNING_PREFIX = digest.prefix_of("sign-transaction")

@fact
class Call:
    """One call of a contract's action."""

    contract: str
    interface: int
    """Version of the contract's interface that the sender has read; a contract that moved on refuses."""
    method: str
    arguments: Sequence[Value]


@fact
class Body:
    """What is signed."""

    chain_id: bytes
    sender: str
    """Address in whose name the calls are made."""
    client_id: bytes
    valid_until_ms: int
    """Last block time at which it may execute, ms since 1970."""
    fuel_payer: str | None
    """Address that pays the fuel, None for the sender."""
    fuel_limit: int
    calls: tuple[Call, ...]
    keys: tuple[Key, ...]
    """All keys that sign, of one or several accounts, distinct and ascending."""

    def encode(self) -> bytes:
        """The bytes whose digest is the id."""
        calls: list[Value] = [[call.contract, call.interface, call.method, call.arguments] for call in self.calls]
        return codec.encode(
            TRANSACTION_VERSION,
            [
                self.chain_id,
                self.sender,
                self.client_id,
                self.valid_until_ms,
                self.fuel_payer,
                self.fuel_limit,
                calls,
                [list(key) for key in self.keys],
            ],
        )


@fact
class Transaction:
    """A signed body, with the bytes as they were received: those are kept, hashed and forwarded."""

    body: Body
    signatures: tuple[bytes, ...]
    """One of 64 bytes for each of ``body.keys``, in their order."""
    encoded: bytes
    """The whole transaction as it travels."""
    id: bytes
    """Digest of the body, 32 bytes."""
    entry: bytes
    """What a block lists: the id, then the digest of the signatures; 64 bytes."""

    def has_valid_signatures(self) -> bool:
        """Whether each key's signature is right. Says nothing of authority, which execution judges."""
        message = _SIGNING_PREFIX + self.id
        for (_, public), signature in zip(self.body.keys, self.signatures, strict=True):
            if not verify(public, message, signature):
                return False
        return True


def sign(body: Body, keys: Sequence[KeyPair]) -> Transaction:
    """The transaction of ``body`` signed by ``keys``, which become ``body.keys``."""
    pairs = sorted(keys, key=lambda pair: pair.public)
    body = replace(body, keys=tuple((SUITE_ED25519, pair.public) for pair in pairs))
    message = signing_message(body)
    return assemble(body, [pair.sign(message) for pair in pairs])


def signing_message(body: Body) -> bytes:
    """The bytes that each of ``body.keys`` signs: for a signer that is not in this process."""
    return _SIGNING_PREFIX + digest.transaction_digest(body.encode())


def assemble(body: Body, signatures: Sequence[bytes]) -> Transaction:
    """A transaction from its parts. :raises Invalid: as ``decode``."""
    return decode(codec.encode(TRANSACTION_VERSION, [body.encode(), list(signatures)]))


def decode(encoded: bytes) -> Transaction:
    """Read a transaction as it travels. Signatures are not checked here.

    :raises Invalid: MALFORMED, TOO_LARGE or BAD_VERSION.
    """
    encoded_body, signatures = _decode_outer(encoded)
    body = _decode_body(encoded_body)
    if len(signatures) != len(body.keys):
        raise Invalid(Reason.MALFORMED, f"{len(body.keys)} keys sign, {len(signatures)} signatures are here")
    identity = digest.transaction_digest(encoded_body)
    entry = identity + digest.signatures_digest(b"".join(signatures))
    return Transaction(body, signatures, encoded, identity, entry)


def decode_again(encoded: bytes, entry: bytes) -> Transaction:
    """Read a transaction that this node's ``decode`` has taken before, and that a block lists as ``entry``.

    For the other side of a seam within the node: neither spelling nor types nor digests are checked a second time.
    """
    encoded_body, signatures = cast("tuple[bytes, list[bytes]]", codec.unpack_again(encoded[1:]))
    fields = cast("list[Any]", codec.unpack_again(encoded_body[1:]))
    chain_id, sender, client_id, valid_until_ms, fuel_payer, fuel_limit, calls, keys = fields
    body = Body(
        chain_id,
        sender,
        client_id,
        valid_until_ms,
        fuel_payer,
        fuel_limit,
        tuple([Call(*call) for call in calls]),
        tuple([(suite, public) for suite, public in keys]),
    )
    return Transaction(body, tuple(signatures), encoded, entry[: digest.DIGEST_BYTES], entry)


def encode_calls(calls: Sequence[Call]) -> bytes:
    """Calls without a transaction around them, as a proposal carries them."""
    listed: list[Value] = [[call.contract, call.interface, call.method, call.arguments] for call in calls]
    return codec.encode(TRANSACTION_VERSION, listed)


def decode_calls(encoded: bytes, bytes_max: int) -> tuple[Call, ...]:
    """What ``encode_calls`` gave. :raises Invalid: MALFORMED, TOO_LARGE or BAD_VERSION."""
    return _decode_calls(codec.decode(encoded, TRANSACTION_VERSION, bytes_max))


def _decode_outer(encoded: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Encoded body and signatures. :raises Invalid: MALFORMED, TOO_LARGE or BAD_VERSION."""
    value = codec.decode(encoded, TRANSACTION_VERSION, TRANSACTION_BYTES_MAX)
    body_value, signatures = codec.parts(value, 2)
    checked = tuple(codec.sized(signature, SIGNATURE_BYTES) for signature in codec.items(signatures, KEYS_MAX))
    return codec.blob(body_value), checked


def _decode_body(encoded: bytes) -> Body:
    value = codec.parts(codec.decode(encoded, TRANSACTION_VERSION, TRANSACTION_BYTES_MAX), BODY_FIELDS)
    chain_id, sender, client_id, valid_until_ms, fuel_payer, fuel_limit, calls, keys = value
    return Body(
        codec.sized(chain_id, digest.DIGEST_BYTES),
        _address(sender),
        codec.sized(client_id, CLIENT_ID_BYTES),
        codec.natural(valid_until_ms),
        None if fuel_payer is None else _address(fuel_payer),
        codec.natural(fuel_limit),
        _decode_calls(calls),
        _decode_keys(keys),
    )


def _decode_calls(value: Value) -> tuple[Call, ...]:
    calls = []
    for entry in codec.items(value, CALLS_MAX):
        contract, interface, method, listed = codec.parts(entry, 4)
        arguments = codec.items(listed, ARGUMENTS_MAX)
        calls.append(Call(_name(contract), codec.natural(interface), _name(method), arguments))
    if not calls:
        raise Invalid(Reason.MALFORMED, "a transaction makes at least one call")
    return tuple(calls)


def _decode_keys(value: Value) -> tuple[Key, ...]:
    keys = []
    for entry in codec.items(value, KEYS_MAX):
        suite, public = codec.parts(entry, 2)
        if codec.natural(suite) != SUITE_ED25519:
            raise Invalid(Reason.BAD_VERSION, "a signature suite that this network does not know")
        keys.append((SUITE_ED25519, codec.sized(public, PUBLIC_KEY_BYTES)))
    if not keys or (len(keys) > 1 and sorted(set(keys)) != keys):
        raise Invalid(Reason.MALFORMED, "at least one key signs, and keys are distinct and in ascending order")
    return tuple(keys)


def _address(value: Value) -> str:
    address = codec.text(value)
    if not 0 < len(address) <= ADDRESS_CHARS_MAX:
        raise Invalid(Reason.BAD_ADDRESS, "an address has at most 90 letters")
    return address


def _name(value: Value) -> str:
    name = codec.text(value)
    if not 0 < len(name) <= NAME_CHARS_MAX:
        raise Invalid(Reason.MALFORMED, "a contract's or method's name has 1 to 64 letters")
    return name
