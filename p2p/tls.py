"""TLS contexts: version 1.3 both ways, certificates required both ways, trust in members' roots and nothing else.

Host names are not checked because the key is: the certificate's key is compared with the member's after the
handshake. The private key reaches OpenSSL through a file, since the standard library offers no other way; what
touches the disk is encrypted under a password that exists only in this process, and is removed at once.
"""

import os
import secrets
import ssl
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from p2p.identity import Identity, Leaf, read_leaf
from state.errors import Invalid, Reason


def server_context(identity: Identity, leaf: Leaf) -> ssl.SSLContext:
    """The accepting side. It trusts nobody until ``trust`` adds roots."""
    context = _context(ssl.PROTOCOL_TLS_SERVER)
    # Tickets would let a peer resume without showing a certificate again, past its expiry.
    context.num_tickets = 0
    show(context, identity, leaf)
    return context


def client_context(identity: Identity, leaf: Leaf, peer_root: bytes) -> ssl.SSLContext:
    """The dialling side, for one peer: it trusts that peer's root alone."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    show(context, identity, leaf)
    trust(context, peer_root)
    return context


def trust(context: ssl.SSLContext, root: bytes) -> None:
    """Add one root certificate (DER). Adding it twice changes nothing; taking one out is not possible, so a member
    that leaves is refused by its key, not by its certificate."""
    context.load_verify_locations(cadata=root)


def show(context: ssl.SSLContext, identity: Identity, leaf: Leaf) -> None:
    """Present this leaf in every handshake from now on; connections that are up stay as they are."""
    password = secrets.token_bytes(32).hex().encode()
    key = Ed25519PrivateKey.from_private_bytes(identity.seed)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    certificate = x509.load_der_x509_certificate(leaf.certificate).public_bytes(Encoding.PEM)
    # mkstemp gives mode 0600.
    descriptor, path = tempfile.mkstemp(prefix="hansa-", suffix=".pem")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(encrypted + certificate)
        context.load_cert_chain(path, password=password)
    finally:
        os.unlink(path)


def peer_of(ssl_object: ssl.SSLObject | ssl.SSLSocket | None) -> tuple[bytes, int]:
    """Key (32 bytes) and certificate expiry (Unix ms) of the other side, after its handshake.

    :raises Invalid: STRANGER where it showed none.
    """
    certificate = None if ssl_object is None else ssl_object.getpeercert(binary_form=True)
    if certificate is None:
        raise Invalid(Reason.STRANGER, "the peer showed no certificate")
    return read_leaf(certificate)


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    return context
