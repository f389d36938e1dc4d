"""A raffle: whoever enters pays a stake, and the tenth who enters takes the pot."""

from hansa import Address, Amount, Value, action, ctx, emit, ledger

STAKE = 100
entered: Value[int] = Value(0)


@action
def enter(currency: str) -> int:
    money = ledger.bank_money(ledger.account_bank(ctx.sender), currency)
    ledger.transfer(money, ctx.sender, ctx.contract, Amount(STAKE), "stake")
    entered.set(entered.get() + 1)
    if entered.get() % 10 == 0:
        ledger.transfer(money, ctx.contract, ctx.sender, ledger.balance(money, ctx.contract), "pot")
        emit("Won", winner=Address(ctx.sender))
    return entered.get()


@action
def count_for_ever() -> int:
    n = 0
    while True:
        n += 1
