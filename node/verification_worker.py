"""A verification process: checks Ed25519 signatures for its node, and nothing else. Started by
``node.verifying`` alone; its one socket is its standard input, and it ends when that does. It can reach no file.

A request is four bytes of length and so many bytes of items: transaction id (32), public key (32), signature (64).
The reply is one byte an item, 1 for a good signature.
"""

import socket
import struct
import sys

from node import confinement
from state.digest import DIGEST_BYTES, prefix_of
from state.keys import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, verify

HEADER = struct.Struct(">I")
ITEM_BYTES = DIGEST_BYTES + PUBLIC_KEY_BYTES + SIGNATURE_BYTES
ITEMS_MAX = 200
"""Signatures in one request: about 12 ms."""

SIGNING_PREFIX = prefix_of("sign-transaction")
"""What stands before the id in the signed message, as in ``state.transaction``."""


def check(items: bytes) -> bytes:
    """The reply to the items of one request."""
    answers = bytearray()
    for at in range(0, len(items), ITEM_BYTES):
        key_at = at + DIGEST_BYTES
        signature_at = key_at + PUBLIC_KEY_BYTES
        message = SIGNING_PREFIX + items[at:key_at]
        answers.append(verify(items[key_at:signature_at], message, items[signature_at : at + ITEM_BYTES]))
    return bytes(answers)


def main() -> int:
    """Serve until the other side closes."""
    assert __debug__
    confinement.limit()
    connection = socket.socket(fileno=sys.stdin.fileno())
    confinement.confine(None)  # What the kernel does not promise, the execution process has said.
    stream = connection.makefile("rb")
    try:
        while len(header := stream.read(HEADER.size)) == HEADER.size:
            size = HEADER.unpack(header)[0]
            assert size <= ITEMS_MAX * ITEM_BYTES, "a request larger than any"
            connection.sendall(check(stream.read(size)))
    except (BrokenPipeError, ConnectionResetError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
