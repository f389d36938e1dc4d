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
    "bad_evidence": "the two votes are no evidence against a validator of this chain",
    "unknown_member": "no member has that id",
    "member_exists": "a member has that id, that LEI or that endpoint",
    "bad_member": "the file of a member, a signature in it, or the change to it is none that can be",
    "key_used": "the key is or was another member's, or served another purpose",
    "bad_source": "the language refuses the source, or it does not go on where what it replaces ends",
    "contract_exists": "a contract has that name",
    "unsafe_validators": "so few would validate, or so many new ones at once, that the chain might not go on",
    "bad_policy": "the keys, weights and threshold make no policy",
    "not_a_bank": "only a bank does that",
    "account_unauthorised": "neither the account's keys nor a grant of it allow that",
    # identity
    "unknown_identity": "nobody has registered the account's holder",
    "identity_status": "an identity of that status does not allow that",
    "identity_unauthorised": "neither the account's bank nor a regulator over it has agreed",
    "bad_identity": "a record, level, expiry, jurisdiction or risk class that no identity has",
    # sealed records
    "unknown_record": "no sealed record has that id",
    "record_exists": "the same sealed record is there already",
    "record_status": "a sealed record of that status does not allow that",
    "record_in_use": "an identity that is not revoked rests on the sealed record",
    "record_unauthorised": "the member that the sealed data is about has not agreed",
    "bad_record": "the bytes are no sealed record, or it breaks a limit",
    "reader_missing": "the record is not sealed to its owner and to every mandated regulator",
    "not_a_reader": "only a reader of the record does that",
    "too_many_readers": "the record has as many wraps as the kernel allows",
    "unknown_reading_key": "the member has published no reading key of that number",
    "reading_key_used": "another record uses the reading key",
    "bad_reading_key": "not an X25519 public key that a content key can be wrapped to",
    "too_many_reading_keys": "the member has as many unused reading keys as the kernel allows",
    "recovery_unauthorised": "only the bank of a customer's account recovers it; its keys or the account's cancel that",
    "recovery_pending": "the account is being recovered already",
    "unknown_recovery": "the account is not being recovered",
    "recovery_not_due": "the recovery takes effect later",
    # proposals
    "unknown_proposal": "no proposal has that id",
    "bad_proposal": "a proposal is a list of calls in its one encoding, at most 16 KiB, that expires within 30 days",
    "too_many_proposals": "the account has as many open proposals as the kernel allows",
    "proposal_unauthorised": "no key that signs is one of the account's that this asks for",
    "proposal_resolved": "the proposal was carried out or withdrawn before",
    "proposal_expired": "the block's time has reached the proposal's expiry",
    "already_approved": "the keys that sign have approved before, and the proposal still lacks others",
    # fees, quota and votes
    "fee_unpaid": "who pays the fuel can't pay the fee that its limit may come to",
    "quota": "the member's customers have used up the fuel that it has in this block",
    "not_a_voter": "only a validating member's own account moves and votes",
    "bad_motion": "the subject, its arguments or the expiry of a motion are none that can be voted on",
    "too_many_motions": "the member has as many open motions as the kernel allows",
    "unknown_motion": "no motion has that id",
    "motion_closed": "the motion is decided or has expired",
    "already_voted": "the member has voted on this before",
    # assets and journals
    "unknown_asset": "no asset has that id",
    "asset_exists": "the asset is there already",
    "bad_code": "a code has 2 to 16 of A to Z and 0 to 9, and is no currency of ISO 4217",
    "bad_terms": "decimals, level, authorised amount or attestor are none that the asset can have",
    "bad_document": "a document is known by a SHA-256 of 32 bytes, or there is none",
    "over_authorised": "more of the asset would be out than its issuer has authorised",
    "over_attested": "more of the asset would be out than its attestor has attested a reserve for",
    "attestation_stale": "the last attestation of the asset's reserve is too old for a mint",
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
    # the gate
    "account_frozen": "an order freezes the account, or the part of its balance that is asked for",
    "asset_frozen": "an order freezes the asset",
    "identity_required": "a party has no verified identity of the level that is asked for",
    "identity_expired": "a party's verification has expired",
    "identity_suspended": "a party's identity is suspended",
    "identity_revoked": "a party's identity is revoked",
    "jurisdiction_refused": "a party's country is not allowed",
    "limit_exceeded": "a limit of the asset does not allow the amount",
    "limits_unauthorised": "limits are set by the asset's issuer, and capped by a regulator or court",
    "bad_limits": "the limits contradict themselves, or are more than the kernel keeps",
    # orders
    "order_unauthorised": "only a regulator or court gives, approves and releases orders",
    "unknown_order": "no order has that number",
    "order_closed": "the order is not open to that any more",
    "order_approved": "the member has approved the order before",
    "bad_order": "the order contradicts itself",
    "too_many_orders": "as many orders freeze the account or asset as the kernel allows",
    # holds
    "unknown_hold": "no hold has that id",
    "hold_resolved": "the hold was posted, voided or has expired before",
    "hold_expired": "the block's time has reached the hold's expiry",
    "hold_not_due": "the hold has not expired yet",
    "hold_exceeded": "more than the hold reserves",
    "hold_unauthorised": "only the contract that made the hold resolves it",
    "too_many_holds": "the account has as many holds of the asset that can expire as the kernel allows",
    "bad_expiry": "a hold's expiry lies after the block's time, or is 0 for none",
    "hold_grouped": "the hold is in a group, which is resolved together",
    "no_beneficiary": "the hold has no beneficiary: its receiver is named when it is posted with others",
    "bad_beneficiary": "the hold is for another beneficiary",
    "unknown_group": "no group of holds has that id",
    "bad_group": "a group has 1 to 64 holds that expire together, and an amount for each when it is posted",
    # dates
    "bad_date": "not a date of the years 1 to 9999, or a period that ends before it starts",
    "bad_convention": "not a day count of docs/contracts/kernel.md",
    "bad_calendar": "not a calendar and a roll of docs/contracts/kernel.md",
    # schedule
    "bad_schedule": "the method, time, fuel or retries of a scheduled call are not as the kernel allows",
    "unknown_schedule": "the contract has no scheduled call of that number",
    "not_parked": "only a parked call is resumed",
    "too_many_scheduled": "the contract has as many scheduled calls as the kernel allows",
    # invariants
    "invariant_broken": "an invariant of a contract that ran does not hold, or failed: the contract is paused",
    "contract_paused": "the contract is paused: only its ways out still run",
    "not_paused": "the contract is not paused",
}
"""code → what it means."""


def refuse(code: str, detail: str = "") -> NoReturn:
    """End the call with one of CODES. :raises ContractError: always."""
    raise ContractError(code, detail or CODES[code])
