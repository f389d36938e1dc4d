"""Assets: what can be owned. Each has an issuer, a member, and is known as ``<code>.<issuer>``.

Each bank issues its own deposit money, one asset a currency: ``USD.alpine`` is a claim on Alpine. Settlement money
moves between banks and is issued by the currency's settlement agent. Decimals follow ISO 4217. The issuer may let
contracts mint and burn; without that only its own keys do.

Everything else (bonds, fund shares, property, …) has terms: a version, the digest of the document that says what the
asset is, and the amount that may be out. An attestor, once the issuer has named one, says what reserve there is: no
more than that is minted, and nothing when the word is older than agreed. Terms bind mints alone; burning is always
possible.
"""

import re
from typing import cast

from contracts.kernel import layout, members
from contracts.kernel.codes import refuse
from contracts.kernel.currencies import DECIMALS
from contracts.kernel.layout import HAS_TERMS, AssetRow, TermsRow
from contracts.kernel.scope import Scope
from state.codec import INT_MAX

DEPOSIT, SETTLEMENT = "deposit", "settlement"

KINDS = ("bond", "fund_share", "property", "art", "pool_share", "margin", "certificate")
"""What an asset that is no money can be."""

CODE = re.compile(r"[A-Z0-9]{2,16}")
"""What the first part of such an asset's id looks like."""

DECIMALS_MAX = 18
"""10 ** 18 minor units still fit the largest balance."""

LEVEL_MAX = 255
"""Highest level of verification that can be asked for."""

DOCUMENT_BYTES = 32
"""A document is known by its SHA-256."""

NO_TERMS: TermsRow = (1, b"", INT_MAX, "", 0, 0, 0, b"")
"""The terms of an asset that has no row of them."""

ALLOWED = (1,)


def asset(scope: Scope, identity: str) -> AssetRow:
    """The asset's row. :raises ContractError: unknown_asset."""
    row: AssetRow | None = scope.overlay.get(b"asset/" + identity.encode())  # type: ignore[assignment]
    if row is None:
        refuse("unknown_asset", f"no asset has the id {identity[:64]}")
    return row


def create_money(scope: Scope, currency: str, kind: str, issuer: str) -> str:
    """Create the deposit or settlement money of one issuer and currency, with nothing out yet; give its id.

    :raises ContractError: with a code of the kernel's.
    """
    row = members.member(scope, issuer)
    if not scope.agrees(row[4]):
        refuse("account_unauthorised", f"{issuer} has not agreed to issue money")
    if currency not in DECIMALS:
        refuse("unknown_currency", f"{currency[:16]} is not a currency of ISO 4217")
    if kind == SETTLEMENT:
        if members.settlement_agent(scope, currency) != issuer:
            refuse("not_the_agent", f"{issuer} is not the settlement agent of {currency}")
    elif kind != DEPOSIT:
        refuse("bad_kind")
    elif row[3] != members.BANK:
        refuse("not_a_bank", "only a bank issues deposit money")
    identity = f"{currency}.{issuer}"
    if scope.overlay.get(layout.asset_key(identity)) is not None:
        refuse("asset_exists", f"{identity} is there already")
    scope.overlay.put(layout.asset_key(identity), (issuer, kind, currency, DECIMALS[currency], 0, 0))
    scope.overlay.put(layout.supply_key(identity), (0,))
    scope.emit("asset_created", ("asset", identity), ("kind", kind), ("issuer", issuer))
    return identity


def create_asset(
    scope: Scope,
    code: str,
    kind: str,
    issuer: str,
    currency: str,
    decimals: int,
    authorised: int,
    document: bytes,
    level_min: int,
) -> str:
    """Create an asset that is no money, with nothing out yet; give its id.

    ``currency`` is what it is denominated in, empty for none; ``document`` is a SHA-256, empty for none.

    :raises ContractError: with a code of the kernel's.
    """
    row = members.member(scope, issuer)
    if not scope.agrees(row[4]):
        refuse("account_unauthorised", f"{issuer} has not agreed to issue an asset")
    if not CODE.fullmatch(code) or code in DECIMALS:
        refuse("bad_code")
    if kind not in KINDS:
        refuse("bad_kind")
    if currency and currency not in DECIMALS:
        refuse("unknown_currency", f"{currency[:16]} is not a currency of ISO 4217")
    if not 0 <= decimals <= DECIMALS_MAX or not 0 <= level_min <= LEVEL_MAX:
        refuse("bad_terms", f"decimals are 0 to {DECIMALS_MAX}, a level is 0 to {LEVEL_MAX}")
    _check_authorised(authorised)
    _check_document(document)
    identity = f"{code}.{issuer}"
    if scope.overlay.get(layout.asset_key(identity)) is not None:
        refuse("asset_exists", f"{identity} is there already")
    scope.overlay.put(layout.asset_key(identity), (issuer, kind, currency, decimals, HAS_TERMS, level_min))
    scope.overlay.put(layout.supply_key(identity), (0,))
    scope.overlay.put(layout.terms_key(identity), (1, document, authorised, "", 0, 0, 0, b""))
    scope.emit(
        "asset_created",
        ("asset", identity),
        ("kind", kind),
        ("issuer", issuer),
        ("authorised", authorised),
        ("document", document),
    )
    return identity


def authorise_supply(scope: Scope, identity: str, amount: int) -> None:
    """Set how much may be out at most, not below what is. :raises ContractError: with a code of the kernel's."""
    _check_issuer(scope, identity)
    _check_authorised(amount)
    out = cast(int, cast(tuple[object, ...], scope.overlay.get(layout.supply_key(identity)))[0])
    if amount < out:
        refuse("bad_terms", f"{out} of {identity} are out already")
    row = terms(scope, identity)
    _write_terms(scope, identity, (*row[:2], amount, *row[3:]))
    scope.emit("supply_authorised", ("asset", identity), ("amount", amount))


def require_attestation(scope: Scope, identity: str, attestor: str, age_ms_max: int) -> None:
    """Bind mints to what ``attestor`` attests, not longer ago than ``age_ms_max``; empty and 0 end that.

    The issuer's keys give it; where an attestor is named already, its keys must agree to any change.

    :raises ContractError: with a code of the kernel's.
    """
    _check_issuer(scope, identity)
    row = terms(scope, identity)
    if row[3] and not scope.policy_met(row[3]):
        refuse("account_unauthorised", f"the attestor of {identity} has not agreed")
    if attestor:
        scope.account(attestor)
        if attestor == members.member(scope, asset(scope, identity)[0])[4]:
            refuse("bad_terms", "an issuer does not attest its own reserve")
    if not bool(attestor) <= age_ms_max <= (INT_MAX if attestor else 0):
        refuse("bad_terms", "an attestation is good for 1 ms or more, or there is no attestor and no age")
    _write_terms(scope, identity, (*row[:3], attestor, age_ms_max, 0, 0, b""))
    scope.emit("attestation_required", ("asset", identity), ("attestor", attestor), ("age_ms_max", age_ms_max))


def attest_reserve(scope: Scope, identity: str, amount: int, document: bytes) -> None:
    """The attestor's word, now, that the reserve covers ``amount`` of the asset.

    :raises ContractError: with a code of the kernel's.
    """
    asset(scope, identity)
    row = terms(scope, identity)
    if not row[3] or not scope.policy_met(row[3]):
        refuse("account_unauthorised", f"the keys of the attestor of {identity} have not agreed")
    _check_authorised(amount)
    _check_document(document)
    _write_terms(scope, identity, (*row[:5], amount, scope.time_ms, document))
    scope.emit("reserve_attested", ("asset", identity), ("amount", amount), ("document", document))


def revise_asset(scope: Scope, identity: str, document: bytes) -> int:
    """A new version of the document; gives its number. :raises ContractError: with a code of the kernel's."""
    _check_issuer(scope, identity)
    _check_document(document)
    row = terms(scope, identity)
    version = row[0] + 1
    _write_terms(scope, identity, (version, document, *row[2:]))
    scope.emit("asset_revised", ("asset", identity), ("version", version), ("document", document))
    return version


def terms(scope: Scope, identity: str) -> TermsRow:
    """The terms of an asset that is there; those of plain money are NO_TERMS."""
    return cast(TermsRow, scope.overlay.get(layout.terms_key(identity)) or NO_TERMS)


def check_mint(scope: Scope, identity: str, total: int) -> None:
    """Whether so much may be out after a mint. :raises ContractError: with a code of the kernel's."""
    if not asset(scope, identity)[4] & HAS_TERMS:
        return
    _, _, authorised, attestor, age_ms_max, attested, attested_ms, _ = terms(scope, identity)
    if total > authorised:
        refuse("over_authorised", f"{authorised} of {identity} are authorised, {total} would be out")
    if attestor:
        if scope.time_ms - attested_ms > age_ms_max:
            refuse("attestation_stale", f"the reserve of {identity} was attested more than {age_ms_max} ms ago")
        if total > attested:
            refuse("over_attested", f"a reserve for {attested} of {identity} is attested, {total} would be out")


def allow_supply(scope: Scope, identity: str, contract: str) -> None:
    """Let ``contract`` mint and burn the asset from now on. Only the issuer's own keys give this.

    :raises ContractError: unknown_asset, unknown_contract or supply_unauthorised.
    """
    _check_issuer(scope, identity)
    if scope.overlay.get(layout.contract_key(contract)) is None:
        refuse("unknown_contract", f"no contract is named {contract[:64]}")
    scope.overlay.put(layout.supplier_key(identity, contract), ALLOWED)
    scope.emit("supply_allowed", ("asset", identity), ("to", contract))


def disallow_supply(scope: Scope, identity: str, contract: str) -> None:
    """End what ``allow_supply`` gave. :raises ContractError: unknown_asset or supply_unauthorised."""
    _check_issuer(scope, identity)
    key = layout.supplier_key(identity, contract)
    if scope.overlay.get(key) is not None:
        scope.overlay.delete(key)
        scope.emit("supply_disallowed", ("asset", identity), ("from", contract))


def bank_money(scope: Scope, bank: str, currency: str) -> str:
    """Id of the bank's deposit money. :raises ContractError: unknown_asset."""
    identity = f"{currency}.{bank}"
    if asset(scope, identity)[1] != DEPOSIT:
        refuse("unknown_asset", f"{bank} issues no deposit money of {currency}")
    return identity


def settlement_money(scope: Scope, currency: str) -> str:
    """Id of the currency's settlement money. :raises ContractError: unknown_asset."""
    agent = members.settlement_agent(scope, currency)
    if not agent:
        refuse("unknown_asset", f"{currency[:16]} has no settlement agent")
    identity = f"{currency}.{agent}"
    asset(scope, identity)
    return identity


def _check_issuer(scope: Scope, identity: str) -> None:
    issuer = members.member(scope, asset(scope, identity)[0])
    if not scope.policy_met(issuer[4]):
        refuse("supply_unauthorised", f"the keys of the issuer of {identity} have not agreed")


def _check_authorised(amount: int) -> None:
    if not 0 <= amount <= INT_MAX:
        refuse("amount_out_of_range")


def _check_document(document: bytes) -> None:
    if len(document) not in (0, DOCUMENT_BYTES):
        refuse("bad_document")


def _write_terms(scope: Scope, identity: str, row: TermsRow) -> None:
    scope.overlay.put(layout.terms_key(identity), row)
    held = asset(scope, identity)
    if not held[4] & HAS_TERMS:
        scope.overlay.put(layout.asset_key(identity), (*held[:4], held[4] | HAS_TERMS, held[5]))
