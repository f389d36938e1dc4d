"""Accounts: an address, the policy that is its will, the bank that keeps it, and the contracts it trusts.

A customer's account is opened by its bank: the address follows from the first policy and a salt, so the customer
can know it beforehand and nobody can choose it. A grant lets one contract debit the account without the account's
keys; it stands until it is withdrawn.
"""

from collections.abc import Sequence
from typing import cast

from contracts.kernel import layout, members
from contracts.kernel.codes import refuse
from contracts.kernel.layout import AccountRow
from contracts.kernel.scope import Scope
from state.address import SALT_BYTES, account_address, contract_address
from state.errors import Invalid
from state.keys import SUITE_ED25519
from state.policy import Policy

GRANTED = (1,)


def open_account(
    scope: Scope, keys: Sequence[tuple[bytes, int]], threshold: int, salt: bytes, bank: str
) -> str:
    """Open a customer's account at ``bank`` (empty: the sender's own) and give its address.

    ``keys`` are public keys and weights, in any order.

    :raises ContractError: bad_policy, not_a_bank, account_unauthorised, account_exists.
    """
    bank = bank or members.member_of(scope, scope.sender)
    if not bank or members.member(scope, bank)[3] != members.BANK:
        refuse("not_a_bank", "only a bank opens accounts, for its own customers")
    if not scope.agrees(members.member(scope, bank)[4]):
        refuse("account_unauthorised", f"{bank} has not agreed to open the account")
    address = create(scope, policy_of(keys, threshold), salt, bank)
    scope.emit("account_opened", ("account", address), ("bank", bank))
    return address


def policy_of(keys: Sequence[tuple[bytes, int]], threshold: int) -> Policy:
    """The policy of these keys and weights. :raises ContractError: bad_policy."""
    listed = sorted(keys, key=lambda key: key[0])
    try:
        return Policy.from_value([[[SUITE_ED25519, public, weight] for public, weight in listed], threshold])
    except Invalid as error:
        refuse("bad_policy", error.detail)


def create(scope: Scope, policy: Policy, salt: bytes, bank: str) -> str:
    """Write a new account under a policy. :raises ContractError: bad_policy or account_exists."""
    address = address_of(scope, policy, salt)
    _write(scope, address, (bank, (policy.keys, policy.threshold), "", 0, None))
    return address


def address_of(scope: Scope, policy: Policy, salt: bytes) -> str:
    """The address that policy and salt give. :raises ContractError: bad_policy."""
    if len(salt) != SALT_BYTES:
        refuse("bad_policy", f"a salt has {SALT_BYTES} bytes")
    return account_address(scope.prefix, policy.encode(), salt)


def create_for_contract(scope: Scope, contract: str) -> str:
    """Write the account under which a contract holds money."""
    address = contract_address(scope.prefix, contract)
    _write(scope, address, ("", None, contract, 0, None))
    return address


def grant(scope: Scope, account: str, contract: str) -> None:
    """Let ``contract`` debit the account from now on. Only the account's own keys give this.

    :raises ContractError: account_unauthorised, unknown_account or unknown_contract.
    """
    if not scope.policy_met(account):
        refuse("account_unauthorised", f"the keys of {account} have not agreed")
    if scope.overlay.get(layout.contract_key(contract)) is None:
        refuse("unknown_contract", f"no contract is named {contract[:64]}")
    scope.overlay.put(layout.grant_key(account, contract), GRANTED)
    scope.emit("granted", ("account", account), ("to", contract))


def withdraw_grant(scope: Scope, account: str, contract: str) -> None:
    """End a grant, if it stands. :raises ContractError: account_unauthorised or unknown_account."""
    if not scope.policy_met(account):
        refuse("account_unauthorised", f"the keys of {account} have not agreed")
    if has_grant(scope, account, contract):
        scope.overlay.delete(layout.grant_key(account, contract))
        scope.emit("grant_withdrawn", ("account", account), ("from", contract))


def has_grant(scope: Scope, account: str, contract: str) -> bool:
    """Whether the account lets ``contract`` debit it."""
    return scope.overlay.get(layout.grant_key(account, contract)) is not None


def _write(scope: Scope, address: str, row: AccountRow) -> None:
    key = layout.account_key(address)
    if scope.overlay.get(key) is not None:
        refuse("account_exists", f"{address} is there already")
    scope.overlay.put(key, cast(layout.Row, row))
