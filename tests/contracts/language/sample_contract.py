"""A savings club: members pay in, see their balance, and take it out again. Used by the language's tests."""

from hansa import (
    Address,
    Amount,
    Asset,
    Map,
    Value,
    action,
    ctx,
    emit,
    fail,
    ledger,
    mul_div,
    query,
    record,
    require,
)

FEE_PER_MILLE = 5
CURRENCIES = ("EUR", "USD")


@record
class Member:
    """What the club knows of one member."""

    name: str
    paid: Amount
    since_ms: int
    notes: list[str]
    sponsor: Address | None = None


members: Map[Address, Member] = Map()
limits: Map[tuple[Address, str], int] = Map()
total: Value[int] = Value(0)


def fee_of(amount: Amount) -> Amount:
    return Amount(mul_div(amount, FEE_PER_MILLE, 1_000, "half_up"))


@action
def join(name: str, sponsor: Address | None = None) -> None:
    """Makes the sender a member."""
    require(ctx.sender not in members, "already_member", f"{ctx.sender} is a member")
    require(0 < len(name) <= 64, "bad_name", "a name has 1 to 64 characters")
    members[ctx.sender] = Member(name, Amount(0), ctx.time_ms, [], sponsor=sponsor)
    for currency in CURRENCIES:
        limits[ctx.sender, currency] = 1_000
    emit("Joined", member=ctx.sender, name=name)


@action
def pay(asset: Asset, amount: Amount) -> Amount:
    """Pays in; answers what the member has now."""
    member = members.get(ctx.sender)
    if member is None:
        fail("not_member", "join first")
    net = Amount(amount - fee_of(amount))
    require(net > 0, "too_small", "the fee eats it all")
    ledger.transfer(asset, ctx.sender, ctx.contract, amount, "savings", reference=member.name)
    member.paid = Amount(member.paid + net)
    member.notes.append(f"{ctx.height:06d} {net}")
    members[ctx.sender] = member
    total.set(total.get() + net)
    return member.paid


@query
def member_of(account: Address) -> Member | None:
    return members.get(account)


@query
def top_payers(accounts: list[Address], count: int = 3) -> list[tuple[Address, Amount]]:
    """The accounts that paid most, most first."""
    known = [(account, members[account].paid) for account in accounts if account in members]
    known.sort(key=lambda entry: entry[1], reverse=True)
    return known[:count]
