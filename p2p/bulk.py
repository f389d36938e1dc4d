"""What travels on the bulk link: transactions as they arrive, missing bodies, and decided blocks for who was away.

Votes never wait behind any of this: they have a link of their own. Every message is a canonical list under the
frame kind that names it, and every list has a limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import msgpack

from state import codec
from state.block import Block
from state.certificate import Certificate
from state.errors import Invalid, Reason
from state.transaction import ENTRY_BYTES, TRANSACTION_BYTES_MAX

GOSSIP_TRANSACTIONS_MAX = 4_096
"""Most transactions in one message."""

BODIES_MAX = 4_096
"""Most bodies that one request asks for."""

BLOCKS_MAX = 256
"""Most blocks in one answer."""

BLOCKS_VALUES_MAX = 256 * 1024
"""Most values in one answer. The smallest transactions fill it with some 50,000, certificates of 100 validators in
256 blocks take 80,000."""

BULK_BYTES_MAX = 8 * 1024 * 1024
"""Largest bulk message."""

ANSWER_BYTES_TARGET = 2 * 1024 * 1024
"""An answer stops growing here: no link is held up for long."""


class BulkKind(IntEnum):
    """Frame kinds of the bulk link."""

    TRANSACTIONS = 1
    """Transactions that the sender's clients sent it, or bodies that were asked for."""
    GET_BODIES = 2
    """Entries whose bodies the sender lacks."""
    GET_BLOCKS = 3
    """Decided blocks from a height on."""
    BLOCKS = 4
    PRUNED = 5
    """The first height from which the sender has blocks or headers: what was asked for lies below it."""
    GET_SNAPSHOT = 6
    """From here on: p2p.snapshots."""
    SNAPSHOT = 7
    GET_CUTS = 8
    CUTS = 9
    GET_LEAVES = 10
    LEAVES = 11
    GET_HEADERS = 12
    HEADERS = 13


@dataclass(frozen=True, slots=True)
class DecidedBlock:
    """A block, the certificate that decided it, and its transactions as they travel."""

    block: Block
    certificate: Certificate
    transactions: tuple[bytes, ...]

    def to_value(self) -> codec.Value:
        """What ``from_value`` takes."""
        return [self.block.to_value(), self.certificate.to_value(), list(self.transactions)]

    @classmethod
    def from_value(cls, value: codec.Value) -> "DecidedBlock":
        """Read one; neither certificate nor bodies are checked here. :raises Invalid: as the parts do."""
        block, certificate, transactions = codec.fields(value, list, list, list)
        bodies = tuple(codec.blob(body) for body in codec.items(transactions, codec.INT_MAX))
        return cls(Block.from_value(block), Certificate.from_value(certificate), bodies)


def encode_transactions(transactions: Sequence[bytes]) -> bytes:
    """A TRANSACTIONS message."""
    return codec.pack(transactions)


def decode_transactions(payload: bytes) -> list[bytes]:
    """Encoded transactions of a message; they are not decoded here. :raises Invalid: MALFORMED or TOO_LARGE."""
    value = codec.items(codec.unpack(payload, BULK_BYTES_MAX, GOSSIP_TRANSACTIONS_MAX), GOSSIP_TRANSACTIONS_MAX)
    transactions = [codec.blob(entry) for entry in value]
    for transaction in transactions:
        if len(transaction) > TRANSACTION_BYTES_MAX:
            raise Invalid(Reason.TOO_LARGE, "a transaction is larger than any that a block may list")
    return transactions


def encode_get_bodies(entries: Sequence[bytes]) -> bytes:
    """A GET_BODIES message for block entries of 64 bytes."""
    return codec.pack(b"".join(entries))


def decode_get_bodies(payload: bytes) -> list[bytes]:
    """The entries asked for. :raises Invalid: MALFORMED or TOO_LARGE."""
    joined = codec.blob(codec.unpack(payload, BODIES_MAX * ENTRY_BYTES + 16))
    if len(joined) % ENTRY_BYTES:
        raise Invalid(Reason.MALFORMED, "entries of 64 bytes are expected")
    return [joined[at : at + ENTRY_BYTES] for at in range(0, len(joined), ENTRY_BYTES)]


def encode_get_blocks(first_height: int, count: int) -> bytes:
    """A GET_BLOCKS message."""
    return codec.pack([first_height, count])


def decode_get_blocks(payload: bytes) -> tuple[int, int]:
    """First height and count, the count cut to BLOCKS_MAX. :raises Invalid: MALFORMED."""
    first_height, count = codec.fields(codec.unpack(payload, 64), int, int)
    return codec.natural(first_height), min(codec.natural(count), BLOCKS_MAX)


def encode_pruned(first_height: int) -> bytes:
    """A PRUNED message."""
    return codec.pack([first_height])


def decode_pruned(payload: bytes) -> int:
    """The first height that the peer has. :raises Invalid: MALFORMED."""
    (first_height,) = codec.fields(codec.unpack(payload, 64), int)
    return codec.natural(first_height)


def encode_blocks(packed: Sequence[bytes]) -> bytes:
    """A BLOCKS message of packed ``DecidedBlock.to_value``, heights ascending; empty when there is none."""
    return b"".join((msgpack.Packer().pack_array_header(len(packed)), *packed))


def decode_blocks(payload: bytes) -> list[DecidedBlock]:
    """The blocks of an answer. :raises Invalid: MALFORMED, TOO_LARGE or BAD_BLOCK."""
    value = codec.items(codec.unpack(payload, BULK_BYTES_MAX, BLOCKS_VALUES_MAX), BLOCKS_MAX)
    blocks: list[DecidedBlock] = []
    for entry in value:
        try:
            blocks.append(DecidedBlock.from_value(entry))
        except Invalid as error:
            if error.reason is not Reason.BAD_VERSION or not blocks:
                raise
            break  # Made under rules that this software does not know; those before them lead it up to there.
    return blocks
