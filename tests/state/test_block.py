"""Blocks: a header that fixes everything, entries that give its root, a certificate that is the parent's."""

from dataclasses import replace
from typing import Any

import pytest

from state import codec, digest, merkle, votes
from state.block import BLOCK_VERSION, Block, Header, decode_header, make_block
from state.certificate import Certificate
from state.digest import NO_DIGEST
from state.errors import Invalid, Reason
from state.keys import KeyPair
from state.votes import Checkpoint, Commit, Prepare

CHAIN = b"c" * 32
PAIR = KeyPair.from_seed(b"p" * 32)
ENTRIES = [bytes([number]) * 64 for number in range(3)]


def certified(vote: Any) -> Certificate:
    return Certificate(vote, ((0, PAIR.sign(votes.signing_payload(vote, CHAIN))),))


def block(height: int, parent: bytes, certificate: Certificate | None, entries: list[bytes] = ENTRIES) -> Block:
    return make_block(
        chain_id=CHAIN,
        height=height,
        parent=parent,
        parent_certificate=certificate,
        timestamp_ms=1_700_000_000_000 + height,
        proposer=PAIR.public,
        entries=entries,
        validators_digest=b"v" * 32,
    )


FIRST = block(1, NO_DIGEST, None)
SECOND = block(2, FIRST.digest, certified(Commit(1, 4, FIRST.digest)))


def refusal(value: Any) -> str:
    with pytest.raises(Invalid) as refused:
        Block.from_value(value)
    return str(refused.value)


def header_refusal(header: Header) -> str:
    with pytest.raises(Invalid) as refused:
        decode_header(header.encode())
    return str(refused.value)


@pytest.mark.parametrize("made", [FIRST, SECOND, block(1, NO_DIGEST, None, [])], ids=["first", "second", "empty"])
def test_round_trip(made: Block) -> None:
    again = Block.from_value(codec.unpack(codec.pack(made.to_value())))
    assert again == made
    assert again.digest == digest.block_digest(made.encoded_header)
    assert again.header.transaction_root == merkle.root(list(made.entries))
    assert decode_header(made.encoded_header) == made.header


def test_ids_in_order() -> None:
    assert FIRST.transaction_ids() == [entry[:32] for entry in ENTRIES]
    assert FIRST.height == 1


def test_each_header_field_is_in_the_digest() -> None:
    header = SECOND.header
    changed = [
        replace(header, chain_id=b"o" * 32),
        replace(header, height=3),
        replace(header, parent=b"q" * 32),
        replace(header, parent_certificate=certified(Commit(1, 5, FIRST.digest))),
        replace(header, timestamp_ms=1),
        replace(header, proposer=b"o" * 32),
        replace(header, transaction_root=b"o" * 32),
        replace(header, validators_digest=b"o" * 32),
        replace(header, protocol_version=2),
    ]
    digests = {digest.block_digest(other.encode()) for other in [header, *changed]}
    assert len(digests) == len(changed) + 1


@pytest.mark.parametrize(
    "joined",
    [
        b"".join(ENTRIES[::-1]),
        b"".join(ENTRIES[:-1]),
        b"".join([*ENTRIES, ENTRIES[-1]]),
        b"".join([*ENTRIES, bytes(64)]),
        b"",
    ],
)
def test_other_entries(joined: bytes) -> None:
    assert refusal([FIRST.encoded_header, joined]) == (
        "bad_block: the entries do not give the header's transaction root"
    )


def test_entries_of_another_size() -> None:
    joined = b"".join(ENTRIES)
    for spoilt in (joined[:-1], joined + b"\x00", joined + bytes(32)):
        assert refusal([FIRST.encoded_header, spoilt]) == "malformed: entries of 64 bytes are expected"


def test_trailing_bytes() -> None:
    assert refusal([FIRST.encoded_header + b"\xc0", b"".join(ENTRIES)]).startswith("malformed: ")
    assert refusal([*FIRST.to_value(), None]).startswith("malformed: ")  # type: ignore[misc]
    with pytest.raises(Invalid):
        codec.unpack(codec.pack(FIRST.to_value()) + b"\xc0")


def test_other_versions() -> None:
    assert refusal([b"\x02" + FIRST.encoded_header[1:], b"".join(ENTRIES)]) == (
        "bad_version: version byte 02, this node knows 01"
    )
    assert header_refusal(replace(FIRST.header, protocol_version=2)) == (
        "bad_version: made under the rules of version 2; upgrade this node"
    )


NOT_PARENT = "bad_block: the certificate is not one of the parent"
MISSING = "bad_block: every block but the first carries a certificate of its parent"


@pytest.mark.parametrize(
    ("height", "parent", "vote", "expected"),
    [
        (2, FIRST.digest, Commit(2, 0, FIRST.digest), NOT_PARENT),
        (3, FIRST.digest, Commit(1, 0, FIRST.digest), NOT_PARENT),
        (2, FIRST.digest, Commit(1, 0, b"o" * 32), NOT_PARENT),
        (2, b"o" * 32, Commit(1, 0, FIRST.digest), NOT_PARENT),
        (2, FIRST.digest, Prepare(1, 0, FIRST.digest), NOT_PARENT),
        (2, FIRST.digest, Checkpoint(1, FIRST.digest, *[b"d" * 32] * 3), NOT_PARENT),
        (2, FIRST.digest, None, MISSING),
        (2, NO_DIGEST, None, MISSING),
        (1, FIRST.digest, None, MISSING),
        (0, NO_DIGEST, None, MISSING),
        (1, NO_DIGEST, Commit(0, 0, NO_DIGEST), MISSING),
        (1, FIRST.digest, Commit(0, 0, FIRST.digest), MISSING),
    ],
)
def test_certificate_of_something_else(height: int, parent: bytes, vote: Any, expected: str) -> None:
    certificate = None if vote is None else certified(vote)
    assert (
        header_refusal(replace(SECOND.header, height=height, parent=parent, parent_certificate=certificate)) == expected
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (1, b"c" * 31),
        (2, -1),
        (2, 2**63),
        (2, True),
        (3, b"p" * 33),
        (4, False),
        (5, -1),
        (5, None),
        (6, b"k" * 31),
        (7, b"r" * 31),
        (8, "v" * 32),
    ],
)
def test_malformed_header(field: int, value: Any) -> None:
    fields = codec.decode(SECOND.encoded_header, BLOCK_VERSION)
    assert isinstance(fields, list)
    fields[field] = value
    with pytest.raises(Invalid) as refused:
        decode_header(codec.encode(BLOCK_VERSION, fields))
    assert refused.value.reason is Reason.MALFORMED
