"""Messages: every kind comes back from its bytes, and nothing else is let in."""

import pytest

from consensus import messages
from consensus.messages import (
    CertifiedMessage,
    DecidedMessage,
    Inquiry,
    Message,
    NewViewMessage,
    PrePrepare,
    ViewChangeMessage,
    digest_of_view_changes,
)
from state import codec
from state.block import Block, make_block
from state.certificate import Certificate
from state.digest import NO_DIGEST
from state.errors import Invalid, Reason
from state.votes import Checkpoint, Commit, NewView, Prepare, Proposal, SignedVote, ViewChange, Vote
from tests.consensus.network import CHAIN_ID, entry

ROOT = bytes(range(32))
SIGNATURE = bytes(range(64))


def block_at_1(text: str = "x") -> Block:
    return make_block(
        chain_id=CHAIN_ID,
        height=1,
        parent=NO_DIGEST,
        parent_certificate=None,
        timestamp_ms=7,
        proposer=ROOT,
        entries=[entry(text)],
        validators_digest=ROOT,
    )


BLOCK = block_at_1()
PREPARED = Certificate(Prepare(1, 0, BLOCK.digest), ((0, SIGNATURE), (2, SIGNATURE)))
CHANGES = (
    SignedVote(ViewChange(1, 1, 0, BLOCK.digest), 0, SIGNATURE),
    SignedVote(ViewChange(1, 1, None, None), 2, SIGNATURE),
)
EVERY_KIND: list[Message] = [
    PrePrepare(Proposal(1, 0, BLOCK.digest), 3, SIGNATURE, BLOCK),
    SignedVote(Prepare(1, 2**63 - 1, ROOT), 99, SIGNATURE),
    SignedVote(Commit(2**63 - 1, 0, ROOT), 0, SIGNATURE),
    SignedVote(Checkpoint(9, ROOT, ROOT, ROOT, ROOT), 1, SIGNATURE),
    ViewChangeMessage(ViewChange(1, 1, None, None), 0, SIGNATURE, None, None),
    ViewChangeMessage(ViewChange(1, 1, 0, BLOCK.digest), 0, SIGNATURE, PREPARED, BLOCK),
    NewViewMessage(
        NewView(1, 1, BLOCK.digest, digest_of_view_changes(CHANGES)), 1, SIGNATURE, CHANGES, PREPARED, BLOCK
    ),
    DecidedMessage(BLOCK, Certificate(Commit(1, 0, BLOCK.digest), ((0, SIGNATURE),)), 7),
    CertifiedMessage(Certificate(Checkpoint(9, ROOT, ROOT, ROOT, ROOT), ((0, SIGNATURE),))),
    Inquiry(4, 3),
]


@pytest.mark.parametrize("message", EVERY_KIND, ids=lambda message: type(message).__name__)
def test_bytes_and_back(message: Message) -> None:
    data = messages.encode(message)
    assert messages.decode(data) == message
    assert messages.encode(messages.decode(data)) == data
    for cut in range(len(data)):
        with pytest.raises(Invalid):
            messages.decode(data[:cut])
    with pytest.raises(Invalid):
        messages.decode(data + b"\0")


def raw(*fields: codec.Value) -> bytes:
    return codec.encode(messages.MESSAGE_VERSION, list(fields))


def signed(vote: Vote, signer: int = 0) -> codec.Value:
    return SignedVote(vote, signer, SIGNATURE).to_value()


CHANGE = ViewChange(1, 1, None, None)
HOSTILE: list[tuple[str, bytes, Reason, str]] = [
    ("nothing", b"", Reason.BAD_VERSION, "version byte missing, this node knows 01"),
    ("another version", b"\x02\x90", Reason.BAD_VERSION, "version byte 02, this node knows 01"),
    ("no kind", raw(), Reason.MALFORMED, "a message starts with its kind"),
    ("a kind from tomorrow", raw(7), Reason.MALFORMED, "a message of the unknown kind 7"),
    ("a bool for a kind", raw(True), Reason.MALFORMED, "a message starts with its kind"),
    ("a negative height", raw(6, -1, 0), Reason.MALFORMED, "an integer from 0 to 2^63 - 1 is expected"),
    ("height 2^63", raw(6, 2**63, 0), Reason.MALFORMED, "an integer from 0 to 2^63 - 1 is expected"),
    ("a bare VIEW-CHANGE", raw(1, signed(CHANGE)), Reason.MALFORMED, "such a vote does not travel bare"),
    ("signer 100", raw(1, signed(Commit(1, 0, ROOT), 100)), Reason.STRANGER, "no network has a validator 100"),
    (
        "a PRE-PREPARE of another block",
        raw(0, signed(Proposal(1, 0, ROOT)), BLOCK.to_value()),
        Reason.MALFORMED,
        "the block is not the one that the vote names",
    ),
    (
        "a PRE-PREPARE that is a PREPARE",
        raw(0, signed(Prepare(1, 0, BLOCK.digest)), BLOCK.to_value()),
        Reason.MALFORMED,
        "a PRE-PREPARE carries a proposal",
    ),
    (
        "a block of another height",
        raw(0, signed(Proposal(2, 0, BLOCK.digest)), BLOCK.to_value()),
        Reason.MALFORMED,
        "the block is not the one that the vote names",
    ),
    (
        "a VIEW-CHANGE without its certificate",
        raw(2, signed(ViewChange(1, 1, 0, BLOCK.digest)), None, BLOCK.to_value()),
        Reason.MALFORMED,
        "a prepared view comes with its certificate and its block",
    ),
    (
        "a VIEW-CHANGE with another block",
        raw(2, signed(ViewChange(1, 1, 0, BLOCK.digest)), PREPARED.to_value(), block_at_1("y").to_value()),
        Reason.MALFORMED,
        "the block is not the one that the vote names",
    ),
    (
        "101 VIEW-CHANGEs",
        raw(3, signed(NewView(1, 1, BLOCK.digest, ROOT)), [signed(CHANGE)] * 101, None, BLOCK.to_value()),
        Reason.TOO_LARGE,
        "101 items, at most 100 are allowed here",
    ),
]


@pytest.mark.parametrize(("data", "reason", "detail"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_hostile_bytes(data: bytes, reason: Reason, detail: str) -> None:
    with pytest.raises(Invalid) as caught:
        messages.decode(data)
    assert (caught.value.reason, caught.value.detail) == (reason, detail)
