"""Accounts: a bank registers its customers, and an account says which contracts may debit it.

A customer's address follows from its key and a salt of 16 bytes, so both sides know it beforehand. The sender of a
registration is the bank's own account. Keys change, the address stays: the account rotates its keys itself, and its
bank recovers it for who has lost them, after a delay in which the old keys can object.
"""

from hansa import Address, action, ctx, ledger, query, require

CUSTOMERS_MAX = 500


@action
def register(customers: list[tuple[bytes, bytes]]) -> list[Address]:
    """Open an account for each (public key, salt); answers their addresses in order."""
    count = len(customers)
    require(0 < count <= CUSTOMERS_MAX, "bad_batch", "a batch has 1 to 500 customers")
    return [ledger.open_account([(key, 1)], 1, salt) for key, salt in customers]


@action
def register_shared(keys: list[tuple[bytes, int]], threshold: int, salt: bytes) -> Address:
    """Open one account for several keys with weights, of which ``threshold`` in weight must sign."""
    return ledger.open_account(keys, threshold, salt)


@action
def grant(contract: str) -> None:
    """Let a contract debit the sender's account from now on, without its keys."""
    ledger.grant(ctx.sender, contract)


@action
def withdraw_grant(contract: str) -> None:
    """End what ``grant`` gave."""
    ledger.withdraw_grant(ctx.sender, contract)


@action
def rotate_keys(keys: list[tuple[bytes, int]], threshold: int) -> None:
    """The sender's account has these keys and weights from now on, in place of those that sign this."""
    ledger.rotate_keys(ctx.sender, keys, threshold)


@action
def start_recovery(account: Address, keys: list[tuple[bytes, int]], threshold: int) -> int:
    """The account's bank gives it other keys; answers the time in ms from which ``finish_recovery`` works."""
    return ledger.start_recovery(account, keys, threshold)


@action
def cancel_recovery(account: Address) -> None:
    """End a recovery before it is finished: by the account's own keys, or its bank's."""
    ledger.cancel_recovery(account)


@action
def finish_recovery(account: Address) -> None:
    """Have the new keys hold, once the time has come. Anybody may send this."""
    ledger.finish_recovery(account)


@action
def sponsor(account: Address) -> None:
    """The account's bank bears its fees from now on; the bank's keys sign."""
    ledger.sponsor(account)


@action
def withdraw_sponsor(account: Address) -> None:
    """End what ``sponsor`` gave."""
    ledger.withdraw_sponsor(account)


@query
def is_sponsored(account: Address) -> bool:
    """Whether the account's bank bears its fees."""
    return ledger.is_sponsored(account)


@action
def propose(account: Address, calls: bytes, expires_ms: int) -> str:
    """Put calls in the account's name before its keys; those of its keys that sign this approve. Answers the id."""
    return ledger.propose(account, calls, expires_ms)


@action
def approve(proposal: str) -> bool:
    """Approve with the keys that sign; answers whether the calls are carried out with that."""
    return ledger.approve(proposal)


@action
def withdraw_proposal(proposal: str) -> None:
    """End a proposal: by a key that proposed it, or by the account's policy."""
    ledger.withdraw_proposal(proposal)


@query
def show_proposal(proposal: str) -> tuple[Address, bytes, int, str, list[bytes], int, int]:
    """Account, calls, expiry in ms, status, keys whose approval counts now, their weight, and the threshold."""
    return ledger.proposal_info(proposal)


@query
def open_proposals(account: Address) -> list[str]:
    """The account's proposals that still wait for approvals, oldest first."""
    return ledger.open_proposals(account)


@query
def recovery_due_ms(account: Address) -> int:
    """From when a recovery that is under way can be finished, ms; 0 where there is none."""
    return ledger.recovery_due_ms(account)


@query
def has_grant(account: Address, contract: str) -> bool:
    """Whether the contract may debit the account."""
    return ledger.has_grant(account, contract)


@query
def bank(account: Address) -> str:
    """Member id of the account's bank."""
    return ledger.account_bank(account)
