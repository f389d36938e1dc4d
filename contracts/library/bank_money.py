"""Bank money: each bank's deposit money, and the settlement agent's money that banks pay each other in.

``USD.alpine`` is a claim on the bank Alpine: minted when a customer deposits, burnt when one withdraws. The
settlement agent issues settlement money to banks and redeems it. Senders are the members' own accounts; only
``withdraw`` is a customer's.
"""

from hansa import Address, Amount, Asset, action, ctx, ledger, query, require

SUPPLY = "supply"
ENTRIES_MAX = 1000


@action
def create(currency: str) -> Asset:
    """Create the sender bank's deposit money of a currency, for deposits, withdrawals and payments."""
    asset = ledger.create_money(currency, "deposit", own_member())
    ledger.allow_supply(asset, "bank_money")
    ledger.allow_supply(asset, "payments")
    return asset


@action
def mint(currency: str, deposits: list[tuple[Address, Amount]], reference: str) -> None:
    """Credit the sender bank's customers with what they deposited, all in one journal."""
    bank = own_member()
    check_batch(len(deposits))
    legs: list[tuple[Asset, Address, int]] = []
    asset = ledger.bank_money(bank, currency)
    total = 0
    for account, amount in deposits:
        require(ledger.account_bank(account) == bank, "not_a_customer", "a bank credits its own customers")
        legs.append((asset, account, amount))
        total += amount
    legs.append((asset, Address(SUPPLY), -total))
    ledger.journal(legs, "deposit", reference)


@action
def burn(currency: str, withdrawals: list[tuple[Address, Amount]], reference: str) -> None:
    """Debit customers who sign with the bank, or have granted this contract, with what they withdrew."""
    bank = own_member()
    check_batch(len(withdrawals))
    legs: list[tuple[Asset, Address, int]] = []
    asset = ledger.bank_money(bank, currency)
    total = 0
    for account, amount in withdrawals:
        legs.append((asset, account, -amount))
        total += amount
    legs.append((asset, Address(SUPPLY), total))
    ledger.journal(legs, "withdrawal", reference)


@action
def withdraw(currency: str, amount: Amount, reference: str) -> None:
    """Take the sender's own money out of its bank; the bank pays it out elsewhere."""
    asset = ledger.bank_money(ledger.account_bank(ctx.caller), currency)
    ledger.burn(asset, ctx.caller, amount, "withdrawal", reference)


@action
def issue(currency: str, to: Address, amount: Amount, reference: str) -> None:
    """The settlement agent issues settlement money to a member."""
    require(ledger.member_of(to) != "", "not_a_member", "settlement money is for members")
    ledger.mint(agent_money(currency), to, amount, "settlement_issue", reference)


@action
def redeem(currency: str, amount: Amount, reference: str) -> None:
    """The sender gives settlement money back: it returns to the agent's account, whose own it then is to cancel."""
    money = ledger.settlement_money(currency)
    agent = ledger.member_account(ledger.asset_info(money)[0])
    ledger.transfer(money, ctx.caller, agent, amount, "settlement_redeem", reference)


@action
def cancel(currency: str, amount: Amount, reference: str) -> None:
    """The settlement agent destroys settlement money of its own account, once it has paid for what came back."""
    ledger.burn(agent_money(currency), ctx.caller, amount, "settlement_cancel", reference)


@query
def supply(asset: Asset) -> Amount:
    """How much of it is out, minor units."""
    return ledger.supply(asset)


@query
def balance(asset: Asset, account: Address) -> Amount:
    """What the account can spend, minor units."""
    return ledger.balance(asset, account)


@query
def describe(asset: Asset) -> tuple[str, str, str, int]:
    """Issuer, kind, currency and decimals."""
    return ledger.asset_info(asset)


def own_member() -> str:
    """The member whose account sends."""
    member = ledger.member_of(ctx.caller)
    require(member != "", "not_a_member", "the sender is no member's own account")
    return member


def agent_money(currency: str) -> Asset:
    """The currency's settlement money, which the sender issues."""
    money = ledger.settlement_money(currency)
    require(ledger.asset_info(money)[0] == own_member(), "not_the_agent", "only the settlement agent does that")
    return money


def check_batch(count: int) -> None:
    require(0 < count <= ENTRIES_MAX, "bad_batch", "a batch has 1 to 1,000 entries")
