"""Certificates in JSON, there and back.

    {"kind": "checkpoint", "height": "12", "block_digest": "0x…", "state_root": "0x…", "receipts_root": "0x…",
     "validators_digest": "0x…", "signatures": [{"validator": 0, "signature": "0x…"}, …]}

    {"kind": "commit", "height": "12", "view": "0", "block_digest": "0x…", "signatures": […]}

``validator`` is the index in V(height), the validators of that height ordered by member id; signatures ascend by it.
What is signed is state.votes.signing_payload: the tag, then the packed list of chain id, height, view (0 for a
checkpoint) and the digests in the order above.
"""

from typing import Annotated

import msgspec

from rpc.text import Decimal, Hash, Hex, bytes_of, digest_of, hex_of, natural_of
from state.certificate import Certificate
from state.validators import VALIDATORS_MAX
from state.votes import Checkpoint, Commit


class SignatureAnswer(msgspec.Struct, frozen=True):
    """One validator's signature."""

    validator: Annotated[int, msgspec.Meta(ge=0, lt=VALIDATORS_MAX)]
    signature: Hex


Signatures = Annotated[tuple[SignatureAnswer, ...], msgspec.Meta(max_length=VALIDATORS_MAX)]


class CheckpointAnswer(msgspec.Struct, frozen=True, tag_field="kind", tag="checkpoint"):
    """A quorum says what executing the block gave."""

    height: Decimal
    block_digest: Hash
    state_root: Hash
    receipts_root: Hash
    validators_digest: Hash
    """Digest of V(height + L)."""
    signatures: Signatures


class CommitAnswer(msgspec.Struct, frozen=True, tag_field="kind", tag="commit"):
    """A quorum decided the block."""

    height: Decimal
    view: Decimal
    block_digest: Hash
    signatures: Signatures


def checkpoint_answer(certificate: Certificate) -> CheckpointAnswer:
    """A checkpoint certificate for JSON."""
    vote = certificate.vote
    assert isinstance(vote, Checkpoint)
    return CheckpointAnswer(
        str(vote.height),
        hex_of(vote.block_digest),
        hex_of(vote.state_root),
        hex_of(vote.receipts_root),
        hex_of(vote.validators_digest),
        _signatures(certificate),
    )


def commit_answer(certificate: Certificate) -> CommitAnswer:
    """A commit certificate for JSON."""
    vote = certificate.vote
    assert isinstance(vote, Commit)
    return CommitAnswer(str(vote.height), str(vote.view), hex_of(vote.digest), _signatures(certificate))


def certificate_of(answer: CheckpointAnswer | CommitAnswer) -> Certificate:
    """The certificate that an answer shows; its signatures are not checked. :raises Invalid: MALFORMED."""
    vote: Checkpoint | Commit
    if isinstance(answer, CheckpointAnswer):
        digests = (answer.block_digest, answer.state_root, answer.receipts_root, answer.validators_digest)
        vote = Checkpoint(natural_of(answer.height), *map(digest_of, digests))
    else:
        vote = Commit(natural_of(answer.height), natural_of(answer.view), digest_of(answer.block_digest))
    return Certificate(vote, tuple((entry.validator, bytes_of(entry.signature)) for entry in answer.signatures))


def _signatures(certificate: Certificate) -> tuple[SignatureAnswer, ...]:
    return tuple(SignatureAnswer(index, hex_of(signature)) for index, signature in certificate.signatures)

