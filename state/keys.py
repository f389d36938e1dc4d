"""Ed25519 (RFC 8032) by libsodium: the one verifier that every node uses.

Libraries disagree on edge cases, so no second implementation may ever decide. libsodium refuses small-order keys
and points, non-canonical encodings of either half of a signature, and checks the cofactorless equation; the edge
vectors in the tests pin all twelve published cases.
"""

from dataclasses import dataclass, field

from nacl import bindings
from nacl.exceptions import BadSignatureError

SUITE_ED25519 = 1
"""Suite byte of Ed25519 by libsodium. A later suite gets its own number; a key never changes its suite."""

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A signing key. Its secret half never shows in ``repr``."""

    public: bytes
    secret: bytes = field(repr=False)
    """64 bytes: seed, then public key, as libsodium keeps them."""

    @classmethod
    def from_seed(cls, seed: bytes) -> "KeyPair":
        """:param seed: 32 random bytes."""
        assert len(seed) == SEED_BYTES
        public, secret = bindings.crypto_sign_seed_keypair(seed)
        return cls(public, secret)

    @property
    def seed(self) -> bytes:
        """The 32 bytes that the key is made from."""
        return self.secret[:SEED_BYTES]

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of ``message``."""
        signed: bytes = bindings.crypto_sign(message, self.secret)
        return signed[:SIGNATURE_BYTES]


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether libsodium accepts ``signature`` (64 bytes) by ``public`` (32 bytes) over ``message``."""
    if len(public) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        bindings.crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True
