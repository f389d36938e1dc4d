"""Assets: what members issue that is no money: bonds, fund shares, property, art, pool shares, margin, certificates.

An asset has an issuer, terms (a document known by its SHA-256, with versions) and an amount that is authorised. Its
issuer mints within that and, once it has named an attestor, within the reserve that the attestor has last attested; a
stale word stops minting. The issuer's account is the sender of all but ``attest``, ``transfer`` and ``redeem``.
"""

from hansa import Address, Amount, Asset, action, ctx, ledger, query, require

SUPPLY = "supply"
ENTRIES_MAX = 1000


@action
def create(
    code: str, kind: str, currency: str, decimals: int, authorised: Amount, document: bytes, level_min: int
) -> Asset:
    """Create an asset of the sender, a member, with nothing out; parties must be verified to ``level_min``."""
    member = ledger.member_of(ctx.caller)
    require(member != "", "not_a_member", "the sender is no member's own account")
    return ledger.create_asset(code, kind, member, currency, decimals, authorised, document, level_min)


@action
def authorise(asset: Asset, amount: Amount) -> None:
    """Set how much of the asset may be out at most."""
    ledger.authorise_supply(asset, amount)


@action
def require_attestation(asset: Asset, attestor: Address, age_ms_max: int) -> None:
    """Mint only within what the attestor attests, not longer ago than that. Its keys sign too when it is replaced."""
    ledger.require_attestation(asset, attestor, age_ms_max)


@action
def attest(asset: Asset, amount: Amount, document: bytes) -> None:
    """The attestor, whose account sends, says that the reserve covers so much of the asset now."""
    ledger.attest_reserve(asset, amount, document)


@action
def revise(asset: Asset, document: bytes) -> int:
    """The next version of the document; answers its number."""
    return ledger.revise_asset(asset, document)


@action
def allow(asset: Asset, contract: str) -> None:
    """Let a contract mint and burn the asset."""
    ledger.allow_supply(asset, contract)


@action
def disallow(asset: Asset, contract: str) -> None:
    """End what ``allow`` gave."""
    ledger.disallow_supply(asset, contract)


@action
def mint(asset: Asset, entries: list[tuple[Address, Amount]], reference: str) -> None:
    """Issue new units to one or several accounts, all in one journal."""
    change_supply(asset, entries, 1, "issue", reference)


@action
def burn(asset: Asset, entries: list[tuple[Address, Amount]], reference: str) -> None:
    """Cancel units of holders who sign with the issuer, or have granted this contract."""
    change_supply(asset, entries, -1, "cancel", reference)


@action
def transfer(asset: Asset, to: Address, amount: Amount, reference: str) -> None:
    """The sender gives units of its own to somebody else."""
    ledger.transfer(asset, ctx.caller, to, amount, "transfer", reference)


@action
def redeem(asset: Asset, amount: Amount, reference: str) -> None:
    """The sender gives units back to the issuer, whose own they then are to burn."""
    issuer = ledger.member_account(ledger.asset_info(asset)[0])
    ledger.transfer(asset, ctx.caller, issuer, amount, "redemption", reference)


@query
def describe(asset: Asset) -> tuple[str, str, str, int]:
    """Issuer, kind, currency and decimals."""
    return ledger.asset_info(asset)


@query
def terms(asset: Asset) -> tuple[int, bytes, Amount, Amount, int]:
    """Version, document's digest, authorised amount, attested amount and when that was."""
    return ledger.asset_terms(asset)


@query
def supply(asset: Asset) -> Amount:
    """How much of it is out, minor units."""
    return ledger.supply(asset)


@query
def balance(asset: Asset, account: Address) -> Amount:
    """What the account can spend, minor units."""
    return ledger.balance(asset, account)


def change_supply(
    asset: Asset, entries: list[tuple[Address, Amount]], sign: int, purpose: str, reference: str
) -> None:
    require(ledger.member_of(ctx.caller) == ledger.asset_info(asset)[0], "not_the_issuer", "the issuer mints and burns")
    require(0 < len(entries) <= ENTRIES_MAX, "bad_batch", "a batch has 1 to 1,000 entries")
    legs: list[tuple[Asset, Address, int]] = []
    total = 0
    for account, amount in entries:
        legs.append((asset, account, sign * amount))
        total += sign * amount
    legs.append((asset, Address(SUPPLY), -total))
    ledger.journal(legs, purpose, reference)
