"""Sealed data: attributes that only named readers can read, and that can be shown one at a time.

A record is encrypted once, under a content key of its own. That key is wrapped to each reader's one-time reading key,
so that a reader who destroys the one private key can never open the record again, whatever is kept elsewhere. Beside
the ciphertext stand commitments, one an attribute: who can read the record may show a single attribute and its salt,
and anyone can check them against the chain, learning nothing of the others.

    context      H("sealed-record", encode([chain id, kind, owner, subject, nonce]))
    commitment   H("sealed-attribute", context ‖ pack([name, salt, value]))
    ciphertext   XChaCha20-Poly1305 under the content key and the nonce, of the padded encode([[name, salt, value], …]),
                 with "hansa/sealed-data" NUL ‖ context ‖ pack(commitments) as additional data
    wrap         ephemeral public key ‖ XChaCha20-Poly1305 of the content key, nonce zero, under
                 H("sealed-wrap", X25519 ‖ ephemeral public key ‖ reading key ‖ place), with place as additional data,
                 where place is context ‖ pack([member, number])
    record's id  H("sealed-id", encode([kind, owner, subject, nonce, commitments, ciphertext])) in hex

Salts have 32 random bytes, so a commitment tells nothing even of a value that is easily guessed; SHA-256 has no known
collisions, so it can be opened in one way only. That also mends what the cipher alone does not promise: one ciphertext
may be made to open under two keys, but not to two sets of attributes that both fit the commitments.

A wrap's nonce can be zero because its key is used once: even where two members publish one and the same reading key,
their places differ.

Nothing here draws randomness: who seals passes it in.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias

from nacl import bindings
from nacl.exceptions import CryptoError
from nacl.exceptions import RuntimeError as SodiumError

from state import codec
from state.digest import DIGEST_BYTES, prefix_of, tagged
from state.errors import Invalid, Reason

SEALED_VERSION = 1

READING_KEY_BYTES = 32
"""Size of a reading key, public or private (X25519, RFC 7748)."""

CONTENT_KEY_BYTES: int = bindings.crypto_aead_xchacha20poly1305_ietf_KEYBYTES
NONCE_BYTES: int = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
TAG_BYTES: int = bindings.crypto_aead_xchacha20poly1305_ietf_ABYTES
SALT_BYTES = 32

WRAP_BYTES = READING_KEY_BYTES + CONTENT_KEY_BYTES + TAG_BYTES
"""Size of a wrapped content key, the ephemeral public key before it."""

PADDING_BYTES = 256
"""What is encrypted is padded to a multiple of this, so that the length tells little of a name's."""

ATTRIBUTES_MAX = 64
VALUE_BYTES_MAX = 8 * 1024
"""Of one attribute; of a scanned document the digest is an attribute."""

CIPHERTEXT_BYTES_MAX = 32 * 1024
READERS_MAX = 16
"""Readers of a record when it is sealed; a record is one of a bank, a counterpart or two, and regulators."""

RECORD_BYTES_MAX = 48 * 1024
"""Largest encoded record: the ciphertext, with room for commitments and wraps."""

SUBJECT_CHARS_MAX = 140

NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
"""What the name of an attribute, of a kind and of a member looks like. It is public."""

AttributeValue: TypeAlias = str | bytes

_NO_NONCE = bytes(NONCE_BYTES)
_data_prefix = prefix_of("sealed-data")
_context_digest = tagged("sealed-record")
_attribute_digest = tagged("sealed-attribute")
_wrap_digest = tagged("sealed-wrap")
_id_digest = tagged("sealed-id")

LOW_ORDER = frozenset(
    bytes.fromhex(point)
    for point in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)
"""Points whose product with any private key is known to all; the highest bit aside, which X25519 ignores."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a record is about, in the clear. Everything in it is authenticated with the data."""

    chain_id: bytes
    kind: str
    """``identity``, ``travel_rule``, or another use's name."""
    owner: str
    """Member id of the bank that answers for the record."""
    subject: str
    """What the record is about: a customer's address, a remittance's id. Never a person's name."""
    nonce: bytes
    """24 random bytes: no two records have one context."""

    @property
    def context(self) -> bytes:
        """What commitments and wraps are bound to."""
        return _context_digest(
            codec.encode(SEALED_VERSION, [self.chain_id, self.kind, self.owner, self.subject, self.nonce])
        )


Commitments: TypeAlias = tuple[tuple[str, bytes], ...]
"""(Attribute's name, digest), ascending by name."""


@dataclass(frozen=True, slots=True)
class Wrap:
    """The content key, for one reader's one-time reading key."""

    member: str
    number: int
    """Of the member's reading key."""
    sealed: bytes
    """WRAP_BYTES bytes."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is handed to the chain."""

    nonce: bytes
    commitments: Commitments
    ciphertext: bytes
    wraps: tuple[Wrap, ...]

    def encode(self) -> bytes:
        """The canonical bytes."""
        wraps: list[codec.Value] = [[wrap.member, wrap.number, wrap.sealed] for wrap in self.wraps]
        return codec.encode(SEALED_VERSION, [self.nonce, self.commitments, self.ciphertext, wraps])

    @classmethod
    def decode(cls, data: bytes) -> "Record":
        """:raises Invalid: MALFORMED, TOO_LARGE or BAD_VERSION."""
        value = codec.decode(data, SEALED_VERSION, RECORD_BYTES_MAX)
        nonce, listed, ciphertext, wraps = codec.fields(value, bytes, list, bytes, list)
        return cls(
            codec.sized(nonce, NONCE_BYTES),
            _commitments(listed),
            _ciphertext(codec.blob(ciphertext)),
            tuple(_wrap(entry) for entry in codec.items(wraps, READERS_MAX)),
        )

    def id(self, kind: str, owner: str, subject: str) -> str:
        """The record's name on chain: two of one name are one record."""
        return _id_digest(
            codec.encode(SEALED_VERSION, [kind, owner, subject, self.nonce, self.commitments, self.ciphertext])
        ).hex()


@dataclass(frozen=True, slots=True)
class Reader:
    """One of a member's reading keys, as the chain publishes it."""

    member: str
    number: int
    public: bytes


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute with its salt, which opens its commitment. Neither shows in ``repr``."""

    name: str
    value: AttributeValue = field(repr=False)
    salt: bytes = field(repr=False)


def is_reading_key(public: bytes) -> bool:
    """Whether a content key can be wrapped to it: of 32 bytes, and of no low order."""
    if len(public) != READING_KEY_BYTES:
        return False
    return public[:-1] + bytes((public[-1] & 0x7F,)) not in LOW_ORDER


def public_of(private: bytes) -> bytes:
    """The reading key of a private key, which is any 32 random bytes."""
    assert len(private) == READING_KEY_BYTES
    public: bytes = bindings.crypto_scalarmult_base(private)
    return public


def entropy_bytes(attributes: int) -> int:
    """How many random bytes ``seal`` takes for that many attributes."""
    return NONCE_BYTES + CONTENT_KEY_BYTES + READING_KEY_BYTES + SALT_BYTES * attributes


def seal(
    chain_id: bytes,
    kind: str,
    owner: str,
    subject: str,
    attributes: Sequence[tuple[str, AttributeValue]],
    readers: Sequence[Reader],
    entropy: bytes,
) -> Record:
    """Encrypt attributes to readers.

    :param attributes: names and values, in any order.
    :param entropy: ``entropy_bytes(len(attributes))`` fresh random bytes, never used for anything else.
    :raises Invalid: MALFORMED or TOO_LARGE.
    """
    assert len(entropy) == entropy_bytes(len(attributes)), "entropy_bytes says how many"
    _check_attributes(attributes)
    if not 0 < len(readers) <= READERS_MAX:
        raise Invalid(Reason.TOO_LARGE, f"a record is sealed to 1 to {READERS_MAX} readers")
    nonce, entropy = entropy[:NONCE_BYTES], entropy[NONCE_BYTES:]
    content_key, entropy = entropy[:CONTENT_KEY_BYTES], entropy[CONTENT_KEY_BYTES:]
    ephemeral, salts = entropy[:READING_KEY_BYTES], entropy[READING_KEY_BYTES:]
    context = Header(chain_id, kind, owner, subject, nonce).context
    salted = [
        Attribute(name, value, salts[SALT_BYTES * index : SALT_BYTES * (index + 1)])
        for index, (name, value) in enumerate(sorted(attributes, key=lambda entry: entry[0]))
    ]
    commitments = tuple((attribute.name, commitment(context, attribute)) for attribute in salted)
    plain = codec.encode(SEALED_VERSION, [[entry.name, entry.salt, entry.value] for entry in salted])
    ciphertext: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        bindings.sodium_pad(plain, PADDING_BYTES), _data_header(context, commitments), nonce, content_key
    )
    if len(ciphertext) > CIPHERTEXT_BYTES_MAX:
        raise Invalid(Reason.TOO_LARGE, f"{len(ciphertext)} bytes, a record has at most {CIPHERTEXT_BYTES_MAX}")
    wraps = tuple(wrap_key(context, content_key, reader, ephemeral) for reader in readers)
    return Record(nonce, commitments, ciphertext, wraps)


def wrap_key(context: bytes, content_key: bytes, reader: Reader, ephemeral: bytes) -> Wrap:
    """Wrap a record's content key to a reader.

    :param ephemeral: 32 fresh random bytes; those of one record's sealing serve all its readers, never another record.
    :raises Invalid: MALFORMED, the reading key is none.
    """
    public, place = public_of(ephemeral), _place(context, reader.member, reader.number)
    key = _wrapping_key(ephemeral, reader.public, public, reader.public, place)
    sealed: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(content_key, place, _NO_NONCE, key)
    return Wrap(reader.member, reader.number, public + sealed)


def unwrap_key(context: bytes, wrap: Wrap, private: bytes) -> bytes:
    """The record's content key. :raises Invalid: BAD_SEAL, the wrap was not made for this key, member or record."""
    ephemeral, sealed = wrap.sealed[:READING_KEY_BYTES], wrap.sealed[READING_KEY_BYTES:]
    place = _place(context, wrap.member, wrap.number)
    try:
        key = _wrapping_key(private, ephemeral, ephemeral, public_of(private), place)
        content_key: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, place, _NO_NONCE, key)
    except (CryptoError, Invalid):
        _broken(f"the wrap for {wrap.member} under its reading key {wrap.number} does not open")
    return content_key


def open_record(
    header: Header, commitments: Commitments, ciphertext: bytes, content_key: bytes
) -> tuple[Attribute, ...]:
    """The attributes of a record, each held to its commitment.

    :raises Invalid: BAD_SEAL, the key, the ciphertext, the header or a commitment is not the record's.
    """
    context = header.context
    try:
        padded: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            ciphertext, _data_header(context, commitments), header.nonce, content_key
        )
    except (CryptoError, ValueError):
        _broken("the data does not open with the key that was wrapped")
    try:
        plain = bindings.sodium_unpad(padded, PADDING_BYTES)
        value = codec.decode(plain, SEALED_VERSION, CIPHERTEXT_BYTES_MAX)
        attributes = tuple(_attribute(entry) for entry in codec.items(value, ATTRIBUTES_MAX))
    except (CryptoError, Invalid):
        _broken("the data opens, but holds no attributes")
    if commitments != tuple((entry.name, commitment(context, entry)) for entry in attributes):
        _broken("the data opens, but its attributes are not those that the record commits to")
    return attributes


def commitment(context: bytes, attribute: Attribute) -> bytes:
    """The digest that stands on chain for the attribute of the record of that context."""
    return _attribute_digest(context + codec.pack([attribute.name, attribute.salt, attribute.value]))


def disclose(attributes: Sequence[Attribute], name: str) -> Attribute:
    """The one attribute that is shown, with what opens its commitment. :raises Invalid: UNKNOWN."""
    for attribute in attributes:
        if attribute.name == name:
            return attribute
    raise Invalid(Reason.UNKNOWN, f"the record has no attribute {name!r}; it has {_names(attributes)}")


def check_disclosure(header: Header, commitments: Commitments, shown: Attribute) -> None:
    """Whether the record on chain commits to the attribute that somebody shows.

    :param header: and ``commitments``, of the record as the chain proves it.
    :raises Invalid: BAD_SEAL or UNKNOWN.
    """
    committed = dict(commitments).get(shown.name)
    if committed is None:
        raise Invalid(Reason.UNKNOWN, f"the record has no attribute {shown.name!r}")
    if len(shown.salt) != SALT_BYTES or committed != commitment(header.context, shown):
        _broken(f"the record commits to another {shown.name} than is shown")


def _names(attributes: Sequence[Attribute]) -> str:
    return ", ".join(attribute.name for attribute in attributes)


def _check_attributes(attributes: Sequence[tuple[str, AttributeValue]]) -> None:
    if not 0 < len(attributes) <= ATTRIBUTES_MAX:
        raise Invalid(Reason.TOO_LARGE, f"a record has 1 to {ATTRIBUTES_MAX} attributes")
    for name, value in attributes:
        if not NAME.fullmatch(name):
            raise Invalid(Reason.MALFORMED, "an attribute's name is a-z, 0-9 and _, at most 32 letters")
        try:
            size = len(value.encode()) if isinstance(value, str) else len(value)
        except UnicodeEncodeError:
            raise Invalid(Reason.MALFORMED, f"the attribute {name} is no text in Unicode") from None
        if size > VALUE_BYTES_MAX:
            raise Invalid(Reason.TOO_LARGE, f"the attribute {name} has {size} bytes, at most {VALUE_BYTES_MAX} go")
    if len({name for name, _ in attributes}) != len(attributes):
        raise Invalid(Reason.MALFORMED, "an attribute stands in a record once")


def _wrapping_key(private: bytes, other: bytes, ephemeral: bytes, reading_key: bytes, place: bytes) -> bytes:
    """Both sides come to the same key: ``private`` and ``other`` are the ephemeral key and the reading key."""
    if not is_reading_key(other):
        raise Invalid(Reason.MALFORMED, "no reading key: of another size, or of low order")
    try:
        shared: bytes = bindings.crypto_scalarmult(private, other)
    except SodiumError as error:
        raise AssertionError("libsodium refuses a point that is not of low order") from error
    return _wrap_digest(shared + ephemeral + reading_key + place)


def _data_header(context: bytes, commitments: Commitments) -> bytes:
    return _data_prefix + context + codec.pack(commitments)


def _place(context: bytes, member: str, number: int) -> bytes:
    return context + codec.pack([member, number])


def _commitments(listed: codec.Value) -> Commitments:
    commitments = []
    for entry in codec.items(listed, ATTRIBUTES_MAX):
        name, digest = codec.fields(entry, str, bytes)
        commitments.append((codec.text(name), codec.sized(digest, DIGEST_BYTES)))
    names = [name for name, _ in commitments]
    if not names or names != sorted(set(names)) or not all(map(NAME.fullmatch, names)):
        raise Invalid(Reason.MALFORMED, "a record commits to named attributes, in ascending order, each once")
    return tuple(commitments)


def _ciphertext(data: bytes) -> bytes:
    if not PADDING_BYTES + TAG_BYTES <= len(data) <= CIPHERTEXT_BYTES_MAX or (len(data) - TAG_BYTES) % PADDING_BYTES:
        raise Invalid(Reason.MALFORMED, f"a ciphertext is padded and has at most {CIPHERTEXT_BYTES_MAX} bytes")
    return data


def _wrap(entry: codec.Value) -> Wrap:
    member, number, sealed = codec.fields(entry, str, int, bytes)
    return Wrap(codec.text(member), codec.natural(number), codec.sized(sealed, WRAP_BYTES))


def _attribute(entry: codec.Value) -> Attribute:
    name, salt, value = codec.fields(entry, str, bytes, (str, bytes))
    assert isinstance(value, str | bytes)
    return Attribute(codec.text(name), value, codec.sized(salt, SALT_BYTES))


def _broken(detail: str) -> NoReturn:
    raise Invalid(Reason.BAD_SEAL, detail) from None
