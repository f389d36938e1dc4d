"""Proposals: calls in an account's name that wait on chain until enough of its keys have approved them.

A maker proposes, checkers approve, hours may pass between. Who approves is judged by the policy as it is then: a key
that was rotated out counts no more, a threshold that fell is enough. The approval that meets the policy has the calls
carried out in its own transaction, after that transaction's own calls, with the account as sender and the account's
authority alone: the keys that sign then say nothing to them. If one of them fails, so does the transaction, and the
proposal waits on. As no key does anything in them, a proposal's calls neither propose nor approve.

The transaction that carries an approval needs a sender of its own: a maker or a checker sends from an account of
its own, signed by the key that stands in the policy of both.
"""

from collections.abc import Sequence
from typing import cast

from contracts.kernel import layout
from contracts.kernel.codes import refuse
from contracts.kernel.layout import EXPIRED, OPEN, PolicyRow, Row
from contracts.kernel.scope import EVENT_BYTES, Scope
from state.errors import Invalid
from state.policy import Key
from state.transaction import Call, decode_calls

EXECUTED, WITHDRAWN = "executed", "withdrawn"
"""Statuses beside ``open`` and ``expired``; all but ``open`` are final."""

CALLS_BYTES_MAX = 16 * 1024
"""Calls of one proposal, bytes."""

OPEN_MAX = 32
"""Open proposals of one account."""

LIFE_MS_MAX = 30 * 86_400_000
"""How far ahead a proposal's expiry may lie."""

FUEL_PER_BYTE = 4
"""For each byte of the calls: they are checked, kept, hashed and read again."""

FUEL_PER_EXPIRY = 2_000
"""For each expired proposal that is cleared away on the way."""

ProposalRow = tuple[str, bytes, int, str, tuple[Key, ...], int]
"""Account, calls, expires ms, status, keys that approve, how many of the first of these proposed."""
Open = tuple[tuple[str, int], ...]
"""(Proposal, expires ms), oldest first."""


def propose(scope: Scope, account: str, calls: bytes, expires_ms: int) -> str:
    """Put calls in the account's name before its keys, with the approval of those that sign; gives the id.

    :raises ContractError: bad_proposal, proposal_unauthorised, too_many_proposals or unknown_account.
    """
    scope.meter.charge(FUEL_PER_BYTE * len(calls))
    if type(expires_ms) is not int or not scope.time_ms < expires_ms <= scope.time_ms + LIFE_MS_MAX:
        refuse("bad_proposal", "a proposal expires after the block's time, within 30 days")
    policy = _policy(scope, account)
    proposers = _signing(scope, policy)
    _check_signing(scope, proposers)
    decoded = _decoded(calls)
    waiting = _without_expired(scope, account)
    proposal = f"{scope.transaction_id.hex()}.{scope.proposal_count}"
    scope.proposal_count += 1
    scope.emit(
        "proposed",
        ("proposal", proposal),
        ("account", account),
        ("calls", calls),
        ("expires_ms", expires_ms),
        bytes_count=EVENT_BYTES + len(calls),
    )
    if _is_met(scope, account, policy, proposers):
        _write(scope, proposal, (account, b"", expires_ms, EXECUTED, (), 0))
        _decide(scope, proposal, account, decoded)
    else:
        if len(waiting) >= OPEN_MAX:
            refuse("too_many_proposals", f"{account} has {OPEN_MAX} open proposals")
        _write(scope, proposal, (account, calls, expires_ms, OPEN, proposers, len(proposers)))
        waiting = (*waiting, (proposal, expires_ms))
    _write_open(scope, account, waiting)
    return proposal


def approve(scope: Scope, proposal: str) -> bool:
    """Add the approval of the keys that sign; gives whether the calls are carried out with it.

    :raises ContractError: unknown_proposal, proposal_resolved, proposal_expired, proposal_unauthorised or
        already_approved.
    """
    account, calls, expires_ms, _, approvals, proposers_count = _open(scope, proposal)
    scope.meter.charge(FUEL_PER_BYTE * len(calls))
    policy = _policy(scope, account)
    signing = _signing(scope, policy)
    _check_signing(scope, signing)
    added = tuple(key for key in signing if key not in approvals)
    scope.emit("proposal_approved", ("proposal", proposal), ("account", account))
    if _is_met(scope, account, policy, (*approvals, *added)):
        _resolve(scope, proposal, account, EXECUTED)
        _decide(scope, proposal, account, decode_calls(calls, CALLS_BYTES_MAX))
        return True
    if not added:
        refuse("already_approved")
    # Keys that a rotation took out are dropped: what is kept never outgrows a policy.
    known = {(suite, public) for suite, public, _ in policy[0]}
    proposers = tuple(key for key in approvals[:proposers_count] if key in known)
    later = tuple(key for key in (*approvals[proposers_count:], *added) if key in known)
    _write(scope, proposal, (account, calls, expires_ms, OPEN, (*proposers, *later), len(proposers)))
    return False


def withdraw(scope: Scope, proposal: str) -> None:
    """End an open proposal: by a key that proposed it and still is the account's, or by the account's policy.

    :raises ContractError: unknown_proposal, proposal_resolved, proposal_expired or proposal_unauthorised.
    """
    account, _, _, _, approvals, proposers_count = _open(scope, proposal)
    signing = _signing(scope, _policy(scope, account))
    if not any(key in signing for key in approvals[:proposers_count]) and not scope.policy_met(account):
        refuse("proposal_unauthorised")
    _resolve(scope, proposal, account, WITHDRAWN)
    scope.emit("proposal_withdrawn", ("proposal", proposal), ("account", account))


def shown(scope: Scope, proposal: str) -> tuple[str, bytes, int, str, list[bytes], int, int]:
    """Account, calls, expires ms, status, keys whose approval counts now, their weight, the threshold.

    :raises ContractError: unknown_proposal.
    """
    account, calls, expires_ms, status, approvals, _ = _row(scope, proposal)
    policy = _policy(scope, account)
    if status == OPEN and scope.time_ms >= expires_ms:
        status = EXPIRED
    counted = [public for suite, public, _ in policy[0] if (suite, public) in approvals]
    return account, calls, expires_ms, status, counted, _weight(policy, approvals), policy[1]


def open_proposals(scope: Scope, account: str) -> list[str]:
    """Ids of the account's proposals that still wait for approvals, oldest first."""
    return [proposal for proposal, expires_ms in _listed(scope, account) if scope.time_ms < expires_ms]


def _decide(scope: Scope, proposal: str, account: str, calls: tuple[Call, ...]) -> None:
    scope.decided.append((account, calls))
    scope.emit("proposal_decided", ("proposal", proposal), ("account", account))


def _decoded(calls: bytes) -> tuple[Call, ...]:
    try:
        return decode_calls(calls, CALLS_BYTES_MAX)
    except Invalid as error:
        refuse("bad_proposal", f"the calls are none: {error.detail}")


def _policy(scope: Scope, account: str) -> PolicyRow:
    policy = scope.account(account)[1]
    if policy is None:
        refuse("proposal_unauthorised", f"{account} is a contract's account, which has no keys")
    return policy


def _signing(scope: Scope, policy: PolicyRow) -> tuple[Key, ...]:
    """The policy's keys that sign and speak for what runs, in the policy's order."""
    if not scope.keys_reach or scope.acts_as:
        return ()
    signers = scope.signers
    return tuple((suite, public) for suite, public, _ in policy[0] if (suite, public) in signers)


def _check_signing(scope: Scope, signing: tuple[Key, ...]) -> None:
    """In a dry run without keys, whoever is asked counts as signing."""
    if not signing and not (scope.assumes_authority and scope.keys_reach and not scope.acts_as):
        refuse("proposal_unauthorised")


def _weight(policy: PolicyRow, approvals: Sequence[Key]) -> int:
    return sum(weight for suite, public, weight in policy[0] if (suite, public) in approvals)


def _is_met(scope: Scope, account: str, policy: PolicyRow, approvals: Sequence[Key]) -> bool:
    if scope.assumes_authority:
        return scope.policy_met(account)
    return _weight(policy, approvals) >= policy[1]


def _row(scope: Scope, proposal: str) -> ProposalRow:
    row = scope.overlay.get(layout.proposal_key(proposal))
    if row is None:
        refuse("unknown_proposal")
    return cast(ProposalRow, row)


def _open(scope: Scope, proposal: str) -> ProposalRow:
    row = _row(scope, proposal)
    if row[3] not in (OPEN, EXPIRED):
        refuse("proposal_resolved", f"the proposal is {row[3]}")
    if scope.time_ms >= row[2]:
        refuse("proposal_expired")
    return row


def _resolve(scope: Scope, proposal: str, account: str, status: str) -> None:
    row = _row(scope, proposal)
    _write(scope, proposal, (account, b"", row[2], status, (), 0))
    _write_open(scope, account, tuple(entry for entry in _listed(scope, account) if entry[0] != proposal))


def _without_expired(scope: Scope, account: str) -> Open:
    """The account's open proposals; those past their expiry are put to rest."""
    kept = []
    for proposal, expires_ms in _listed(scope, account):
        if scope.time_ms < expires_ms:
            kept.append((proposal, expires_ms))
        else:
            scope.meter.charge(FUEL_PER_EXPIRY)
            _write(scope, proposal, (account, b"", expires_ms, EXPIRED, (), 0))
    return tuple(kept)


def _listed(scope: Scope, account: str) -> Open:
    return cast(Open, scope.overlay.get(layout.proposals_key(account)) or ())


def _write(scope: Scope, proposal: str, row: ProposalRow) -> None:
    scope.overlay.put(layout.proposal_key(proposal), cast(Row, row))


def _write_open(scope: Scope, account: str, waiting: Open) -> None:
    key = layout.proposals_key(account)
    if waiting:
        scope.overlay.put(key, cast(Row, waiting))
    elif scope.overlay.get(key) is not None:
        scope.overlay.delete(key)
