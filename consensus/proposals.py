"""What makes a block proposable at a height: the checks that need no bodies. Bodies and rule 11 are the driver's."""

from dataclasses import dataclass

from consensus.tally import check_certificate
from state.block import Block
from state.certificate import Certificate
from state.errors import Invalid, Reason
from state.evidence import Verify
from state.parameters import BLOCK_TRANSACTIONS_CEILING
from state.validators import ValidatorSet


@dataclass(frozen=True, slots=True)
class Parent:
    """What the next block builds on."""

    digest: bytes
    timestamp_ms: int
    certificate: Certificate | None
    """The commit certificate held here; a header may carry another one."""
    validators: ValidatorSet | None
    """V(height − 1); None at height 1."""
    signatures: dict[int, bytes]
    """COMMITs in the certificate's view that are checked already, by signer."""


def check_block(
    block: Block,
    parent: Parent,
    validators: ValidatorSet,
    validators_digest: bytes,
    chain_id: bytes,
    verify: Verify,
) -> None:
    """Check a proposed block's header against its parent and V(height).

    :raises Invalid: BAD_BLOCK, WRONG_CHAIN, TOO_LARGE, or what is wrong with the parent's certificate.
    """
    header = block.header
    if header.chain_id != chain_id:
        raise Invalid(Reason.WRONG_CHAIN, "the block is of another chain")
    if header.parent != parent.digest:
        raise Invalid(Reason.BAD_BLOCK, "the block builds on another parent")
    if header.timestamp_ms <= parent.timestamp_ms:
        raise Invalid(Reason.BAD_BLOCK, "a block is later than its parent")
    if header.validators_digest != validators_digest:
        raise Invalid(Reason.BAD_BLOCK, "the header names other validators")
    if validators.index_of(header.proposer) is None:
        raise Invalid(Reason.BAD_BLOCK, "the proposer is no validator")
    if len(block.entries) > BLOCK_TRANSACTIONS_CEILING:  # How many this height allows is rule 11.
        raise Invalid(Reason.TOO_LARGE, f"{len(block.entries)} transactions in one block")
    certificate = header.parent_certificate
    if certificate is None:
        if parent.certificate is not None:
            raise Invalid(Reason.BAD_BLOCK, "the parent's certificate is missing")
        return
    if parent.validators is None:
        raise Invalid(Reason.BAD_BLOCK, "the first block has no parent")
    held = parent.certificate
    known = parent.signatures if held is not None and held.vote == certificate.vote else {}
    check_certificate(certificate, parent.validators, chain_id, verify, known)


def is_timely(timestamp_ms: int, clock_ms: int, parent_timestamp_ms: int, bound_ms: int) -> bool:
    """Rule 12: whether a fresh proposal's time fits the clock that was read when it arrived."""
    return clock_ms - bound_ms <= timestamp_ms <= max(clock_ms + bound_ms, parent_timestamp_ms + 1)
