"""Orders of regulators and courts: freeze, release, forced transfer, on record with reference, legal basis and expiry.

The sender is the member's own account. Where the network asks for several approvals, an order is only proposed until
enough distinct regulators and courts have agreed. What an order does is done by the kernel, below every contract.
"""

from hansa import Address, Amount, Asset, action, ledger, query, record


@record
class Order:
    kind: str
    status: str
    author: str
    approvals: list[str]
    reference: str
    basis: str
    subject: str
    asset: str
    amount: int
    stops: list[str]
    target: str
    breaks: list[str]
    releases: int
    made_ms: int
    expires_ms: int


@action
def freeze(
    account: Address, asset: Asset, amount: Amount, stops: list[str], reference: str, basis: str, expires_ms: int
) -> int:
    """Freeze an account, for one asset or ("") all, or a part of its balance; stops: send, receive, settle."""
    return ledger.order_freeze(account, asset, amount, stops, reference, basis, expires_ms)


@action
def freeze_asset(asset: Asset, stops: list[str], reference: str, basis: str, expires_ms: int) -> int:
    """Freeze an asset as a whole, for everybody."""
    return ledger.order_freeze(Address(""), asset, Amount(0), stops, reference, basis, expires_ms)


@action
def release(order: int, reference: str, basis: str) -> int:
    """End a freeze that the sender ordered or approved; answers the number of the release."""
    return ledger.order_release(order, reference, basis)


@action
def force_transfer(
    asset: Asset,
    source: Address,
    target: Address,
    amount: Amount,
    breaks: list[str],
    reference: str,
    basis: str,
    expires_ms: int,
) -> int:
    """Move money by order, through freezes and limits; of the holds named, as many are broken as it needs."""
    return ledger.order_transfer(asset, source, target, amount, breaks, reference, basis, expires_ms)


@action
def approve(order: int) -> str:
    """Agree to a proposed order; answers what it is now."""
    return ledger.approve_order(order)


@action
def withdraw(order: int) -> None:
    """Take back an own order that is only proposed."""
    ledger.withdraw_order(order)


@query
def details(order: int) -> Order:
    """One order, as it stands now."""
    found = ledger.order_info(order)
    return Order(
        found[0], found[1], found[2], found[3], found[4], found[5], found[6], found[7], found[8], found[9],
        found[10], found[11], found[12], found[13], found[14]
    )


@query
def orders_on(subject: str, first: int, limit: int) -> list[int]:
    """Numbers of the orders about an account or asset, or ("") of all, from the first (0) on, at most 100."""
    return ledger.orders_on(subject, first, limit)


@query
def freezes(subject: str) -> list[tuple[int, str, int, list[str], int]]:
    """Freezes that bind an account or asset now: order, asset ("": all), amount (0: all), stops, expiry in ms."""
    return ledger.freezes_on(subject)
