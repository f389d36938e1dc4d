"""Why the kernel or the executor refused: the stable codes that receipts carry.

Contracts add codes of their own, and the language those of ``contracts.language.faults.RULE_CODES``.
"""

from typing import Final, NoReturn

from contracts.language.faults import ContractError

CODES: Final[dict[str, str]] = {
    # the transaction as a whole
    "unauthorised": "the keys that sign do not meet the policy of the sender or of the fuel payer",
    "expired": "the block's time is past valid_until_ms",
    "out_of_fuel": "the fuel limit was reached before the calls were done",
    "unknown_contract": "no contract of that name is deployed",
    "interface_mismatch": "the contract's interface has another version than the sender read",
    "reentrant": "a contract that is still running was called again",
    "contract_depth": "contracts call each other too deep",
    "too_many_events": "the transaction emits more events than a receipt holds",
    "too_large": "what the call stores, emits or returns is larger than the kernel allows",
    # accounts and members
    "unknown_account": "no account has that address",
    "account_exists": "an account has that address already",
    "unknown_member": "no member has that id",
    "bad_policy": "the keys, weights and threshold make no policy",
    "not_a_bank": "only a bank does that",
    "account_unauthorised": "neither the account's keys nor a grant of it allow that",
    # assets and journals
    "unknown_asset": "no asset has that id",
    "asset_exists": "the asset is there already",
    "unknown_currency": "not a currency of ISO 4217",
    "bad_kind": "not a kind of asset that a contract can create",
    "not_the_agent": "another member is the currency's settlement agent",
    "supply_unauthorised": "only the issuer, or a contract that it allows, mints and burns",
    "debit_unauthorised": "neither the account's keys nor a grant of it allow the debit",
    "amount_out_of_range": "an amount is from 1 to 2^63 - 1 minor units",
    "unbalanced": "the legs of a journal sum to zero for each asset",
    "no_legs": "a journal has at least two legs",
    "too_many_legs": "a journal has more legs than the kernel allows",
    "insufficient_funds": "the available balance does not cover the debit",
    "balance_overflow": "a balance or a supply would pass 2^63 - 1",
    "bad_purpose": "a purpose has 1 to 32 letters",
    "bad_reference": "a reference has at most 140 letters",
    # holds
    "unknown_hold": "no hold has that id",
    "hold_resolved": "the hold was posted, voided or has expired before",
    "hold_expired": "the block's time has reached the hold's expiry",
    "hold_not_due": "the hold has not expired yet",
    "hold_exceeded": "more than the hold reserves",
    "hold_unauthorised": "only the contract that made the hold resolves it",
    "too_many_holds": "the account has as many holds of the asset that can expire as the kernel allows",
    "bad_expiry": "a hold's expiry lies after the block's time, or is 0 for none",
    # dates
    "bad_date": "not a date of the years 1 to 9999, or a period that ends before it starts",
    "bad_convention": "not a day count of docs/contracts/kernel.md",
    "bad_calendar": "not a calendar and a roll of docs/contracts/kernel.md",
}
"""code → what it means."""


def refuse(code: str, detail: str = "") -> NoReturn:
    """End the call with one of CODES. :raises ContractError: always."""
    raise ContractError(code, detail or CODES[code])
