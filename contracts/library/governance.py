"""Governance: what the members decide together: who is one, contracts, parameters, fees, quotas and pauses.

The sender of a motion or a vote is a validating member's own account. A motion passes when more than two thirds of
the validating members agree. What can be moved, with which texts and numbers, is a table of the kernel's:
docs/contracts/governance.md.
"""

from hansa import action, ledger, query


@action
def propose(subject: str, texts: list[str], numbers: list[int], expires_ms: int) -> str:
    """Put a motion to the vote, with the sender's own vote for it. Answers its id."""
    return ledger.move_motion(subject, texts, numbers, expires_ms)


@action
def vote(motion: str, agrees: bool) -> str:
    """Vote on a motion, once. Answers its status: open, passed or rejected."""
    return ledger.vote(motion, agrees)


@query
def show(motion: str) -> tuple[str, list[str], list[int], str, int, str, list[tuple[str, bool]], int]:
    """Subject, texts, numbers, who moved it, expiry in ms, status, the votes, and how many members vote."""
    return ledger.motion_info(motion)


@query
def open_motions() -> list[str]:
    """Ids of the motions that still can be voted on, oldest first."""
    return ledger.open_motions()


@query
def tariff() -> tuple[str, int, int, int]:
    """Currency, base and price of a million units of fuel in minor units, and the quota; 0 for none."""
    return ledger.tariff()
