"""Payments: from the sender's account to any other, within one bank or across two.

Within a bank its deposit money moves. Across banks one journal burns it at the payer's bank, mints it at the payee's,
and moves settlement money from bank to bank; a bank without settlement money can't pay out. For that, banks let this
contract mint and burn their money and debit their settlement balance.
"""

from hansa import Address, Amount, Asset, action, ctx, ledger, query, require

SUPPLY = "supply"


@action
def pay(to: Address, currency: str, amount: Amount, reference: str) -> None:
    """Pay deposit money of the sender's bank; the payee gets deposit money of its own bank."""
    payer_bank = ledger.account_bank(ctx.caller)
    payee_bank = ledger.account_bank(to)
    money = ledger.bank_money(payer_bank, currency)
    if payer_bank == payee_bank:
        ledger.transfer(money, ctx.caller, to, amount, "payment", reference)
    else:
        pay_across(money, payer_bank, to, payee_bank, currency, amount, reference)


@action
def settle(to: Address, currency: str, amount: Amount, reference: str) -> None:
    """A member pays another in settlement money."""
    require(ledger.member_of(to) != "", "not_a_member", "settlement money is for members")
    ledger.transfer(ledger.settlement_money(currency), ctx.caller, to, amount, "settlement", reference)


@query
def money_of(account: Address, currency: str) -> Asset:
    """The asset in which the account pays and is paid."""
    return ledger.bank_money(ledger.account_bank(account), currency)


def pay_across(
    money: Asset, payer_bank: str, to: Address, payee_bank: str, currency: str, amount: Amount, reference: str
) -> None:
    settlement = ledger.settlement_money(currency)
    payee_money = ledger.bank_money(payee_bank, currency)
    payer_reserve = ledger.member_account(payer_bank)
    require(
        ledger.balance(settlement, payer_reserve) >= amount,
        "insufficient_settlement",
        f"{payer_bank} has not enough settlement money to pay out",
    )
    legs: list[tuple[Asset, Address, int]] = [
        (money, ctx.caller, -amount),
        (money, Address(SUPPLY), amount),
        (settlement, payer_reserve, -amount),
        (settlement, ledger.member_account(payee_bank), amount),
        (payee_money, Address(SUPPLY), -amount),
        (payee_money, to, amount),
    ]
    ledger.journal(legs, "payment", reference)
