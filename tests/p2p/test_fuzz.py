"""What a peer's link decodes before anybody looks at it: frames, Hellos, transactions, requests, blocks."""

import time
import tracemalloc
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings

from p2p import bulk
from p2p.bulk import DecidedBlock
from p2p.frame import FRAMES_PER_MESSAGE_MAX, Hello, LinkKind, Role, decode_hello, encode_hello, split_message
from scripts.simulation import birth
from state import codec, transaction
from state.block import make_block
from state.certificate import Certificate
from state.digest import NO_DIGEST
from state.votes import Commit
from tests.state.spoiling import only_invalid, spoilt

TRANSACTIONS = [birth.payment(Random(seed), 4, birth.GENESIS_MS) for seed in range(3)]
ENCODED = [each.encoded for each in TRANSACTIONS]
BLOCK = make_block(
    chain_id=birth.CHAIN_ID,
    height=1,
    parent=NO_DIGEST,
    parent_certificate=None,
    timestamp_ms=birth.GENESIS_MS + 1,
    proposer=bytes(32),
    entries=[each.entry for each in TRANSACTIONS],
    validators_digest=bytes(32),
)
DECIDED = DecidedBlock(BLOCK, Certificate(Commit(1, 0, BLOCK.digest), ((0, bytes(64)), (2, bytes(64)))), tuple(ENCODED))
HELLO = encode_hello(Hello(birth.CHAIN_ID, bytes(32), LinkKind.VOTES, Role.VALIDATOR, 300, b"a vote"))
BLOCKS = bulk.encode_blocks([codec.pack(DECIDED.to_value())])


@given(spoilt(ENCODED, 1))
@settings(max_examples=300, derandomize=True)
def test_bytes_are_a_transaction_or_invalid(data: bytes) -> None:
    found = only_invalid(transaction.decode, data)
    if found is not None:
        assert isinstance(found, transaction.Transaction)
        assert found.encoded == data
        assert data in ENCODED or not found.has_valid_signatures()


@given(spoilt([bulk.encode_transactions(ENCODED), bulk.encode_transactions([])], 0))
@settings(max_examples=300, derandomize=True)
def test_bytes_are_transactions_or_invalid(data: bytes) -> None:
    found = only_invalid(bulk.decode_transactions, data)
    assert found is None or bulk.encode_transactions(found) == data  # type: ignore[arg-type]


@given(spoilt([BLOCKS, bulk.encode_blocks([])], 0))
@settings(max_examples=300, derandomize=True)
def test_bytes_are_blocks_or_invalid(data: bytes) -> None:
    found = only_invalid(bulk.decode_blocks, data)
    if found is not None:
        assert isinstance(found, list)
        assert bulk.encode_blocks([codec.pack(each.to_value()) for each in found]) == data


@given(spoilt([bulk.encode_get_bodies(BLOCK.entries), bulk.encode_get_bodies([])], 0))
@settings(max_examples=200, derandomize=True)
def test_bytes_ask_for_bodies_or_are_invalid(data: bytes) -> None:
    found = only_invalid(bulk.decode_get_bodies, data)
    assert found is None or len(found) <= bulk.BODIES_MAX  # type: ignore[arg-type]


@given(spoilt([bulk.encode_get_blocks(1, 16), bulk.encode_get_blocks(2**63 - 1, 2**63 - 1)], 0))
@settings(max_examples=200, derandomize=True)
def test_bytes_ask_for_blocks_or_are_invalid(data: bytes) -> None:
    found = only_invalid(bulk.decode_get_blocks, data)
    if found is not None:
        assert isinstance(found, tuple)
        assert 0 <= found[1] <= bulk.BLOCKS_MAX


@given(spoilt([HELLO], 1))
@settings(max_examples=300, derandomize=True)
def test_bytes_are_a_hello_or_invalid(data: bytes) -> None:
    found = only_invalid(decode_hello, data)
    assert found is None or encode_hello(found) == data  # type: ignore[arg-type]


@given(spoilt([b"\x01\x00\x00\x00\x02ab\x01\x00\x00\x00\x00", b"\x04\x00\x00\x00\x01z"], 0))
@settings(max_examples=300, derandomize=True)
def test_bytes_are_frames_or_invalid(data: bytes) -> None:
    found = only_invalid(split_message, data)
    assert found is None or 1 <= len(found) <= FRAMES_PER_MESSAGE_MAX  # type: ignore[arg-type]


LARGEST: list[tuple[str, Callable[[bytes], object], int]] = [
    ("transactions", bulk.decode_transactions, bulk.BULK_BYTES_MAX),
    ("blocks", bulk.decode_blocks, bulk.BULK_BYTES_MAX),
    ("bodies", bulk.decode_get_bodies, bulk.BULK_BYTES_MAX),
    ("heights", bulk.decode_get_blocks, bulk.BULK_BYTES_MAX),
    ("hello", decode_hello, 1024 * 1024),
    ("a transaction", transaction.decode, transaction.TRANSACTION_BYTES_MAX),
]


@pytest.mark.parametrize(("decode", "size"), [row[1:] for row in LARGEST], ids=[row[0] for row in LARGEST])
@pytest.mark.parametrize("unit", [b"\x90", b"\x91", b"\xc4\x00", b"\xdd\xff\xff\xff\xff"])
def test_the_largest_hostile_message_takes_little(decode: Callable[[bytes], object], size: int, unit: bytes) -> None:
    for head in (b"\xdd\x00\x0f\xff\xf0", b"\x01\x92\xdd\x00\x0f\xff\xf0"):
        data = (head + unit * (size // len(unit)))[:size]
        began = time.process_time()
        tracemalloc.start()
        try:
            assert only_invalid(decode, data) is None
            assert tracemalloc.get_traced_memory()[1] < size + 40 * 1024 * 1024
        finally:
            tracemalloc.stop()
        assert time.process_time() - began < 3
