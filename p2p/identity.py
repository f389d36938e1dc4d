"""A node's identity on the wire: one Ed25519 key, a root certificate, and leaves.

The member list carries each member's *root*: a certificate of the node key signed by itself, a pure function of
key and name, that never expires (RFC 5280, 4.1.2.5: no well-defined date). Handshakes use *leaves*, which the node
issues to itself with the same key and another subject name, for ninety days at a time. A peer trusts the roots of
members and then compares the leaf's key with the key it expects, so a leaf is replaced at any time without asking
anyone. A self-signed leaf in place of the root would not do: renewing it would change what the peers must trust.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from state.errors import Invalid, Reason

ROOT_NOT_BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
"""Before any network of ours. A fixed date keeps the root a function of key and name alone."""

ROOT_NOT_AFTER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""RFC 5280's way to say that a certificate has no well-defined end: the member list says who is trusted."""

ROOT_BYTES_MAX = 4096
"""Largest root certificate, bytes of DER; ours take about 450."""

LEAF_LIFETIME = timedelta(days=90)
"""How long a leaf is good for."""

LEAF_BACKDATED = timedelta(days=1)
"""A leaf starts this much in the past, so that a peer whose clock is behind still accepts it."""

LEAF_RENEWED_BEFORE_END = timedelta(days=30)
"""A running node issues its next leaf this long before the end of the present one."""

NAME_CHARACTERS_MAX = 64
"""X.520's bound on an organisation's name. A longer one is cut: it is a label, nothing compares it."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """What one handshake shows."""

    certificate: bytes
    """DER."""
    not_after_ms: int
    """Unix time at which it expires, ms."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One node's key and root."""

    seed: bytes = field(repr=False)
    """The Ed25519 seed, 32 bytes. Never shown."""
    root: bytes = field(repr=False)
    """The root certificate, DER."""
    node_id: bytes
    """The public key, 32 bytes: what peers know this node by."""


def make_identity(seed: bytes, name: str) -> Identity:
    """The identity of the node with this seed (32 bytes); ``name`` is a label in its certificates."""
    return Identity(seed=seed, root=make_root(seed, name), node_id=public_key(seed))


def public_key(seed: bytes) -> bytes:
    """The node id, 32 bytes, that belongs to a seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def make_root(seed: bytes, name: str) -> bytes:
    """The root certificate (DER) of a node: what its member file carries. The same arguments give the same bytes."""
    assert len(seed) == 32, "a node's seed is 32 bytes"
    assert name, "a node needs a name"
    key = Ed25519PrivateKey.from_private_bytes(seed)
    node_id = key.public_key().public_bytes_raw()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name[:NAME_CHARACTERS_MAX]),
            x509.NameAttribute(NameOID.COMMON_NAME, node_id.hex()),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(_serial(b"hansa root", node_id))
        .not_valid_before(ROOT_NOT_BEFORE)
        .not_valid_after(ROOT_NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, None)
    )
    return certificate.public_bytes(Encoding.DER)


def check_root(root: bytes, node_id: bytes) -> None:
    """Refuse a root certificate that is not the node's own.

    :raises Invalid: TOO_LARGE, MALFORMED, BAD_SIGNATURE, or CONFLICT where it certifies another key.
    """
    if len(root) > ROOT_BYTES_MAX:
        raise Invalid(Reason.TOO_LARGE, f"a root certificate has at most {ROOT_BYTES_MAX} bytes")
    try:
        certificate = x509.load_der_x509_certificate(root)
        key = certificate.public_key()
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
        raise Invalid(Reason.MALFORMED, "not a root certificate in DER") from error
    if not isinstance(key, Ed25519PublicKey) or not basic.ca or certificate.subject != certificate.issuer:
        raise Invalid(Reason.MALFORMED, "a root is a self-signed authority with an Ed25519 key")
    if key.public_bytes_raw() != node_id:
        raise Invalid(Reason.CONFLICT, f"the root certifies another key than {node_id.hex()}")
    try:
        certificate.verify_directly_issued_by(certificate)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise Invalid(Reason.BAD_SIGNATURE, "the root is not signed by its own key") from error


def issue_leaf(identity: Identity, now_ms: int) -> Leaf:
    """A leaf certificate of the node key, good from a day ago until ninety days from now."""
    key = Ed25519PrivateKey.from_private_bytes(identity.seed)
    now = datetime.fromtimestamp(-(-now_ms // 1000), UTC)
    not_after = now + LEAF_LIFETIME
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"node {identity.node_id.hex()[:32]}")])
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.load_der_x509_certificate(identity.root).subject)
        .public_key(key.public_key())
        .serial_number(_serial(b"hansa leaf", identity.node_id + now_ms.to_bytes(8, "big")))
        .not_valid_before(now - LEAF_BACKDATED)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(f"{identity.node_id.hex()[:32]}.node.hansa")]),
            critical=False,
        )
        .add_extension(authority, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, None)
    )
    return Leaf(certificate.public_bytes(Encoding.DER), int(not_after.timestamp()) * 1000)


def leaf_is_due(leaf: Leaf, now_ms: int) -> bool:
    """Whether it is time to issue the next leaf."""
    return leaf.not_after_ms - now_ms <= LEAF_RENEWED_BEFORE_END // timedelta(milliseconds=1)


def read_leaf(certificate: bytes) -> tuple[bytes, int]:
    """Key (32 bytes) and expiry (Unix ms) of a certificate that a handshake has already verified.

    :raises Invalid: MALFORMED where its key is not Ed25519.
    """
    try:
        leaf = x509.load_der_x509_certificate(certificate)
        key = leaf.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Invalid(Reason.MALFORMED, "not a certificate") from error
    if not isinstance(key, Ed25519PublicKey):
        raise Invalid(Reason.MALFORMED, "a node's certificate has an Ed25519 key")
    return key.public_bytes_raw(), int(leaf.not_valid_after_utc.timestamp()) * 1000


def _serial(label: bytes, content: bytes) -> int:
    """A positive serial number of at most 20 octets (RFC 5280, 4.1.2.2) that depends on the content alone."""
    return int.from_bytes(hashlib.sha256(label + content).digest()[:19], "big") | 1


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
