"""Other keys for the same account: rotation by its own keys, recovery by its bank.

Rotation holds at once: a transaction that the old keys signed and that comes later in the same block has no authority.

A customer whose keys are lost or stolen gets new ones from its bank, and time to object. The bank's own keys start
the recovery; the new policy holds after the chain's ``recovery_delay_ms``, once anybody has it finished. Until then
the account's own keys, or the bank's, cancel it; rotation does too, for who can rotate has not lost the keys. What a
freeze, an order or a grant says of the account stays: it is the same account under other keys. A member's own account
has no bank above it, and a contract's no keys: neither is recovered.
"""

from collections.abc import Sequence
from typing import cast

from contracts.kernel import accounts, layout, members
from contracts.kernel.codes import refuse
from contracts.kernel.layout import AccountRow, PolicyRow, Row
from contracts.kernel.parameters import parameter
from contracts.kernel.scope import Scope
from state.codec import INT_MAX

RecoveryRow = tuple[PolicyRow, int]
"""The policy to come, and from when, ms."""


def rotate(scope: Scope, account: str, keys: Sequence[tuple[bytes, int]], threshold: int) -> None:
    """The account's keys put others in their place. :raises ContractError: account_unauthorised or bad_policy."""
    if not scope.policy_met(account):
        refuse("account_unauthorised", f"the keys of {account} have not agreed")
    policy = accounts.policy_of(keys, threshold)
    end_recovery(scope, account)
    _replace(scope, account, (policy.keys, policy.threshold))
    scope.emit("keys_rotated", ("account", account))


def start_recovery(scope: Scope, account: str, keys: Sequence[tuple[bytes, int]], threshold: int) -> int:
    """The account's bank gives it another policy, after the delay; answers from when, ms.

    :raises ContractError: unknown_account, recovery_unauthorised, recovery_pending or bad_policy.
    """
    bank = _bank_of(scope, account)
    if not bank or not scope.policy_met(bank):
        refuse("recovery_unauthorised")
    if scope.overlay.get(layout.recovery_key(account)) is not None:
        refuse("recovery_pending")
    policy = accounts.policy_of(keys, threshold)
    effective_ms = min(scope.time_ms + parameter(scope, "recovery_delay_ms"), INT_MAX)
    row: RecoveryRow = ((policy.keys, policy.threshold), effective_ms)
    scope.overlay.put(layout.recovery_key(account), cast(Row, row))
    scope.emit("recovery_started", ("account", account), ("effective_ms", effective_ms))
    return effective_ms


def cancel_recovery(scope: Scope, account: str) -> None:
    """The account's own keys object, or its bank thinks better of it.

    :raises ContractError: unknown_account, unknown_recovery or recovery_unauthorised.
    """
    bank = _bank_of(scope, account)
    _pending(scope, account)
    if not scope.policy_met(account) and not (bank and scope.policy_met(bank)):
        refuse("recovery_unauthorised", f"neither the keys of {account} nor those of its bank have agreed")
    end_recovery(scope, account)


def finish_recovery(scope: Scope, account: str) -> None:
    """The new policy holds from now on; anybody may say so when its time has come.

    :raises ContractError: unknown_account, unknown_recovery or recovery_not_due.
    """
    scope.account(account)
    policy, effective_ms = _pending(scope, account)
    if scope.time_ms < effective_ms:
        refuse("recovery_not_due", f"it takes effect at {effective_ms}, the block's time is {scope.time_ms}")
    scope.overlay.delete(layout.recovery_key(account))
    _replace(scope, account, policy)
    scope.emit("account_recovered", ("account", account))


def end_recovery(scope: Scope, account: str) -> None:
    """Forget a recovery that is under way, if there is one."""
    if scope.overlay.get(layout.recovery_key(account)) is not None:
        scope.overlay.delete(layout.recovery_key(account))
        scope.emit("recovery_cancelled", ("account", account))


def recovery_due_ms(scope: Scope, account: str) -> int:
    """From when a recovery that is under way takes effect; 0 where there is none."""
    row = scope.overlay.get(layout.recovery_key(account))
    return 0 if row is None else cast(RecoveryRow, row)[1]


def _replace(scope: Scope, account: str, policy: PolicyRow) -> None:
    bank, _, contract, flags, standing = scope.account(account)
    row: AccountRow = (bank, policy, contract, flags, standing)
    scope.overlay.put(layout.account_key(account), cast(Row, row))
    scope.policy_changed(account)


def _pending(scope: Scope, account: str) -> RecoveryRow:
    row = scope.overlay.get(layout.recovery_key(account))
    if row is None:
        refuse("unknown_recovery")
    return cast(RecoveryRow, row)


def _bank_of(scope: Scope, account: str) -> str:
    """Address of the bank that may recover the account; empty for a member's own and for a contract's."""
    member, policy, *_ = scope.account(account)
    if policy is None:
        return ""
    bank = members.member(scope, member)
    return bank[4] if bank[3] == members.BANK and bank[4] != account else ""
