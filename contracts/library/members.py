"""Members: who is in the network, for wallets and contracts to ask. They join and leave by vote: ``governance``."""

from hansa import Address, Asset, ledger, query


@query
def role(member: str) -> str:
    """``bank``, ``settlement_agent``, ``regulator`` or ``court``."""
    return ledger.member_role(member)


@query
def account_of(member: str) -> Address:
    """The member's own account."""
    return ledger.member_account(member)


@query
def member_of(account: Address) -> str:
    """Id of the member whose own account this is; empty for anybody else's."""
    return ledger.member_of(account)


@query
def settlement_money(currency: str) -> Asset:
    """What banks settle in, for one currency."""
    return ledger.settlement_money(currency)
