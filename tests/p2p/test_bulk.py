"""Messages of the bulk link: what a hostile member may put into eight megabytes."""

import tracemalloc
from collections.abc import Callable

import pytest

from consensus import messages
from p2p import bulk
from p2p.frame import MESSAGE_BYTES_MAX, LinkKind
from state.block import HEADER_BYTES_MAX, decode_header
from state.errors import Invalid

EMPTY = b"\x90"
"""A list of nothing: one byte on the wire, 72 in memory."""


def flat(size: int) -> bytes:
    """One list of empty lists."""
    return b"\xdd" + (size - 5).to_bytes(4, "big") + EMPTY * (size - 5)


def grouped(size: int) -> bytes:
    """A list of lists of empty lists, none of them long."""
    group = b"\xdc\x08\x00" + EMPTY * 2_048
    return b"\xdc" + (size // len(group) - 1).to_bytes(2, "big") + group * (size // len(group) - 1)


@pytest.mark.parametrize("shape", [flat, grouped])
@pytest.mark.parametrize(
    ("decode", "size"),
    [
        (bulk.decode_transactions, bulk.BULK_BYTES_MAX),
        (bulk.decode_blocks, bulk.BULK_BYTES_MAX),
        (lambda data: messages.decode(b"\x01" + data), MESSAGE_BYTES_MAX[LinkKind.VOTES] - 1),
        (lambda data: decode_header(b"\x01" + data), MESSAGE_BYTES_MAX[LinkKind.VOTES] - 1),
    ],
)
def test_lists_of_nothing_do_not_fill_the_memory(
    decode: Callable[[bytes], object], size: int, shape: Callable[[int], bytes]
) -> None:
    data = shape(size)
    tracemalloc.start()
    try:
        with pytest.raises(Invalid):
            decode(data)
        assert tracemalloc.get_traced_memory()[1] < len(data) + 40 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_as_many_transactions_as_a_message_may_have() -> None:
    transactions = [bytes([number % 256]) * 40 for number in range(bulk.GOSSIP_TRANSACTIONS_MAX)]
    assert bulk.decode_transactions(bulk.encode_transactions(transactions)) == transactions
    assert HEADER_BYTES_MAX > 100 * 70
