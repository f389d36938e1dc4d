"""What is decided on chain: proposals and motions are listed while they are open, and only then; votes and recoveries
are of those who have them."""

from collections.abc import Iterator
from typing import cast

from contracts.kernel import layout, proposals, votes
from contracts.kernel.layout import OPEN, MotionRow
from contracts.soundness.rows import State


def decision_faults(state: State) -> Iterator[str]:
    """Open proposals and motions are listed, once and with their expiry; what is closed keeps nobody's word."""
    listed: dict[str, tuple[str, int]] = {}
    for address, row in state.of("proposals"):
        entries = cast("tuple[tuple[str, int], ...]", row)
        if not 0 < len(entries) <= proposals.OPEN_MAX:
            yield f"{address} lists {len(entries)} open proposals"
        for proposal, expires_ms in entries:
            if proposal in listed:
                yield f"proposal {proposal} is listed twice"
            listed[proposal] = address, expires_ms
    for proposal, row in state.of("proposal"):
        account, calls, expires_ms, status, approvals, _ = cast(proposals.ProposalRow, row)
        if layout.account_key(account) not in state:
            yield f"proposal {proposal} is of {account}, which is no account"
        expected = (account, expires_ms) if status == OPEN else None
        if listed.pop(proposal, None) != expected:
            yield f"proposal {proposal} is {status}, and not listed so"
        if (status == OPEN) != bool(calls) or (status != OPEN and approvals):
            yield f"proposal {proposal} is {status}, and has {len(calls)} bytes of calls and {len(approvals)} approvals"
    for proposal in listed:
        yield f"proposal {proposal} is listed and not there"
    yield from _motion_faults(state)
    for address, _ in state.of("recovery"):
        if layout.account_key(address) not in state:
            yield f"{address} is being recovered, which is no account"


def _motion_faults(state: State) -> Iterator[str]:
    listed: dict[str, tuple[str, int]] = {}
    for _, row in state.of("motions"):
        for motion, member, expires_ms in cast(votes.Listed, row):
            if motion in listed:
                yield f"motion {motion} is listed twice"
            listed[motion] = member, expires_ms
    for motion, row in state.of("motion"):
        _, _, _, member, expires_ms, status, ballots = cast(MotionRow, row)
        expected = (member, expires_ms) if status == OPEN else None
        if listed.pop(motion, None) != expected:
            yield f"motion {motion} is {status}, and not listed so"
        voters = [voter for voter, _ in ballots]
        if len(set(voters)) != len(voters) or any(layout.member_key(voter) not in state for voter in voters):
            yield f"motion {motion} has the votes of {', '.join(voters)}"
    for motion in listed:
        yield f"motion {motion} is listed and not there"
