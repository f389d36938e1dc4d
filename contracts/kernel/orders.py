"""Orders: what a regulator or a court says must be, with whose word and on what legal basis, on record for ever.

Three kinds. A *freeze* stops an account, a part of its balance, or an asset (see ``freezes``). A *release* ends one
freeze. A *forced transfer* moves money from one account to another, through freezes, limits and identity, for those
do not bind an order; where the order names holds, it breaks as many of them as it needs, in its order: each is voided
with its group, and the contract that made it finds it so.

    from          by                                         to
    none          its author: a regulator or court           proposed
    proposed      a member more approves, enough have        in force (freeze), done (release, forced transfer)
    proposed      the author withdraws it                    withdrawn
    in force      a release of it is done                    released
    proposed, in force    the block's time reaches expiry    expired          by itself: nothing is written

As many distinct members approve as the chain's parameter ``order_approvals`` says; the author is the first. A release
is proposed by the order's author or by one who approved it. A freeze changes nothing for good, so its release restores
what was. A forced transfer that can't be done when its last approval comes fails with that approval, and stays
proposed.
"""

from collections.abc import Sequence
from typing import Final, cast

from contracts.kernel import assets, freezes, groups, holds, layout, ledger
from contracts.kernel.codes import refuse
from contracts.kernel.freezes import SEND, SETTLE, STOPS
from contracts.kernel.layout import OPEN, OrderRow
from contracts.kernel.limit_rules import official
from contracts.kernel.parameters import parameter
from contracts.kernel.scope import Scope
from state.codec import INT_MAX, Value

FREEZE, RELEASE, TRANSFER = "freeze", "release", "forced_transfer"

PROPOSED, IN_FORCE, DONE = "proposed", "in_force", "done"
RELEASED, WITHDRAWN, EXPIRED = "released", "withdrawn", "expired"

BASIS_CHARS_MAX = 140
"""A legal basis, as long as a reference."""

BREAKS_MAX = 64
"""Holds that one forced transfer may break."""

LISTED_MAX = 100
"""Orders in one answer."""

FUEL_PER_BREAK = 9_000
"""For each hold that is broken: its row, its balances, its place among those that expire, its window."""

PURPOSE: Final = "order"
"""Purpose of the journal of a forced transfer; its reference is the order's number."""


def propose_freeze(
    scope: Scope,
    account: str,
    asset: str,
    amount: int,
    stops: Sequence[str],
    reference: str,
    basis: str,
    expires_ms: int,
) -> int:
    """Freeze ``account`` for ``asset`` ("" for every one), ``amount`` of its balance (0 for all of it), or, with no
    account, the asset as a whole; ``stops`` are of ``freezes.STOPS``. Gives the order's number.

    :raises ContractError: with a code of the kernel's.
    """
    if account:
        scope.account(account)
    if asset:
        assets.asset(scope, asset)
    elif not account or amount:
        refuse("bad_order", "a freeze is of an account, of a part of its balance of one asset, or of an asset")
    if type(amount) is not int or not 0 <= amount <= INT_MAX:
        refuse("amount_out_of_range")
    if not account and amount:
        refuse("bad_order", "an asset is frozen as a whole")
    bits = sum(STOPS.get(word, 0) for word in dict.fromkeys(stops))
    if not bits or any(word not in STOPS for word in stops):
        refuse("bad_order", f"a freeze stops {', '.join(STOPS)}, or several of these")
    if amount and bits & ~(SEND | SETTLE):
        refuse("bad_order", "a part of a balance is frozen for send and settle")
    subject = account or asset
    return _propose(
        scope, FREEZE, reference, basis, expires_ms, (subject,), subject, asset if account else "", amount, bits
    )


def propose_release(scope: Scope, order: int, reference: str, basis: str) -> int:
    """End a freeze; the sender is its author or has approved it. :raises ContractError: with a code of the kernel's."""
    row = found(scope, order)
    if row[0] != FREEZE or status_of(scope, row) != IN_FORCE:
        refuse("order_closed", f"order {order} is a {row[0]} that is {status_of(scope, row)}")
    if official(scope, "order_unauthorised") not in row[3]:
        refuse("order_unauthorised", "an order is released by its author or by who has approved it")
    return _propose(scope, RELEASE, reference, basis, 0, (row[6],), row[6], row[7], 0, 0, of=order)


def propose_transfer(
    scope: Scope,
    asset: str,
    source: str,
    target: str,
    amount: int,
    breaks: Sequence[str],
    reference: str,
    basis: str,
    expires_ms: int,
) -> int:
    """Move ``amount`` from ``source`` to ``target``, breaking holds of ``breaks`` as far as needed. Gives the number.

    :raises ContractError: with a code of the kernel's.
    """
    assets.asset(scope, asset)
    scope.account(source)
    scope.account(target)
    ledger.checked(amount)
    if source == target:
        refuse("bad_order", "a forced transfer has two distinct parties")
    if len(breaks) > BREAKS_MAX or len(set(breaks)) != len(breaks):
        refuse("bad_order", f"an order breaks at most {BREAKS_MAX} holds, each named once")
    for hold in breaks:
        if holds.found(scope, hold)[:2] != (asset, source):
            refuse("bad_order", f"the hold {hold[:80]} is none of {asset} at {source}")
    return _propose(
        scope, TRANSFER, reference, basis, expires_ms, (source, target), source, asset, amount, 0,
        target=target, breaks=tuple(breaks),
    )  # fmt: skip


def approve(scope: Scope, order: int) -> str:
    """The sender, a regulator or court, agrees to a proposed order; gives its status.

    :raises ContractError: with a code of the kernel's.
    """
    member = official(scope, "order_unauthorised")
    row = found(scope, order)
    status = status_of(scope, row)
    if status != PROPOSED:
        refuse("order_closed", f"the order is {status}")
    if member in row[3]:
        refuse("order_approved")
    row = (*row[:3], (*row[3], member), *row[4:])
    scope.emit("order_approved", ("order", order), ("by", member), ("approvals", [*row[3]]))
    return _settle(scope, order, row)


def withdraw(scope: Scope, order: int) -> None:
    """The author takes back an order that is only proposed. :raises ContractError: with a code of the kernel's."""
    member = official(scope, "order_unauthorised")
    row = found(scope, order)
    if member != row[2]:
        refuse("order_unauthorised", "an order is withdrawn by its author")
    status = status_of(scope, row)
    if status != PROPOSED:
        refuse("order_closed", f"the order is {status}")
    _write(scope, order, (row[0], WITHDRAWN, *row[2:]))


def found(scope: Scope, order: int) -> OrderRow:
    """The order's row. :raises ContractError: unknown_order."""
    row = scope.overlay.get(layout.order_key(order)) if type(order) is int and 0 < order <= INT_MAX else None
    if row is None:
        refuse("unknown_order")
    return cast(OrderRow, row)


def status_of(scope: Scope, row: OrderRow) -> str:
    """What has become of the order at the block's time."""
    if row[1] in (PROPOSED, IN_FORCE) and 0 < row[14] <= scope.time_ms:
        return EXPIRED
    return row[1]


def info(scope: Scope, order: int) -> list[Value]:
    """Kind, status at the block's time, author, approvals, reference, basis, subject, asset, amount, stops, target,
    breaks, order that it releases, made ms, expires ms.

    :raises ContractError: unknown_order.
    """
    row = found(scope, order)
    approvals, breaks = row[3], row[11]
    return [
        row[0], status_of(scope, row), row[2], [*approvals], *row[4:9], [*words(row[9])], row[10], [*breaks], *row[12:]
    ]  # fmt: skip


def on(scope: Scope, subject: str, first: int, limit: int) -> list[int]:
    """Numbers of the orders about an account or asset (empty: of all), in order, from the ``first`` (0) on.

    :raises ContractError: bad_order.
    """
    # An integer of more than 64 bits crosses the seam as bytes.
    if type(first) is not int or type(limit) is not int or not 0 < limit <= LISTED_MAX or first < 0:
        refuse("bad_order", f"a list has 1 to {LISTED_MAX} orders")
    count = _count(scope, layout.orders_on_key(subject) if subject else layout.ORDERS)
    places = range(first, min(first + limit, count))
    scope.meter.charge(FUEL_PER_LISTED * len(places))
    if not subject:
        return [place + 1 for place in places]
    return [cast(int, cast(layout.Row, scope.overlay.get(layout.order_on_key(subject, place)))[0]) for place in places]


FUEL_PER_LISTED = 300
"""For each order in a list: one key is read."""


def freezes_on(scope: Scope, subject: str) -> list[list[Value]]:
    """The freezes that bind an account or asset: order, asset, amount, stops, expires ms."""
    return [
        [order, asset, amount, [*words(stops)], expires_ms]
        for order, asset, stops, amount, expires_ms in freezes.in_force(scope, subject)
    ]


def words(stops: int) -> tuple[str, ...]:
    """What bits of a freeze stop, in words."""
    return tuple(word for word, bit in STOPS.items() if stops & bit)


def _propose(
    scope: Scope,
    kind: str,
    reference: str,
    basis: str,
    expires_ms: int,
    subjects: Sequence[str],
    subject: str,
    asset: str,
    amount: int,
    stops: int,
    *,
    target: str = "",
    breaks: tuple[str, ...] = (),
    of: int = 0,
) -> int:
    """Write a new order, list it under its subjects, and carry it out if its author's word is enough."""
    member = official(scope, "order_unauthorised")
    if not 0 < len(reference) <= ledger.REFERENCE_CHARS_MAX:
        refuse("bad_order", f"an order has a reference of 1 to {ledger.REFERENCE_CHARS_MAX} letters")
    if not 0 < len(basis) <= BASIS_CHARS_MAX:
        refuse("bad_order", f"an order has a legal basis of 1 to {BASIS_CHARS_MAX} letters")
    if type(expires_ms) is not int or (expires_ms and not scope.time_ms < expires_ms <= INT_MAX):
        refuse("bad_expiry", "an order's expiry lies after the block's time, or is 0 for none")
    number = _count(scope, layout.ORDERS) + 1
    scope.overlay.put(layout.ORDERS, (number,))
    for listed in subjects:
        count = _count(scope, layout.orders_on_key(listed))
        scope.overlay.put(layout.orders_on_key(listed), (count + 1,))
        scope.overlay.put(layout.order_on_key(listed, count), (number,))
    row: OrderRow = (
        kind, PROPOSED, member, (member,), reference, basis, subject, asset, amount, stops, target, breaks, of,
        scope.time_ms, expires_ms,
    )  # fmt: skip
    scope.emit(
        "order",
        ("order", number),
        ("kind", kind),
        ("by", member),
        ("reference", reference),
        ("basis", basis),
        ("subject", subject),
        ("asset", asset),
        ("amount", amount),
        ("stops", [*words(stops)]),
        ("target", target),
        ("breaks", [*breaks]),
        ("releases", of),
        ("expires_ms", expires_ms),
        bytes_count=ORDER_BYTES + HOLD_BYTES * len(breaks),
    )
    _settle(scope, number, row)
    return number


ORDER_BYTES = 2_048
"""What the event of an order counts for; the holds that it names beside."""

HOLD_BYTES = 96
"""What a hold's id counts for in an event."""


def _settle(scope: Scope, number: int, row: OrderRow) -> str:
    """Carry the order out if enough members have approved it; write it; give its status."""
    status = PROPOSED
    if len(row[3]) >= parameter(scope, "order_approvals"):
        kind, subject = row[0], row[6]
        if kind == FREEZE:
            _, _, _, _, _, _, _, asset, amount, stops, _, _, _, _, expires_ms = row
            freezes.add(scope, subject, (number, asset, stops, amount, expires_ms), is_asset=_is_asset(scope, subject))
            status = IN_FORCE
        else:
            status = DONE
            if kind == RELEASE:
                _release(scope, row)
            else:
                _transfer(scope, number, row)
    _write(scope, number, (row[0], status, *row[2:]))
    return status


def _release(scope: Scope, row: OrderRow) -> None:
    """:raises ContractError: order_closed, when the freeze has ended in the meantime."""
    subject, of = row[6], row[12]
    freeze = found(scope, of)
    if status_of(scope, freeze) != IN_FORCE:
        refuse("order_closed", f"order {of} is {status_of(scope, freeze)}")
    freezes.remove(scope, subject, of, is_asset=_is_asset(scope, subject))
    _write(scope, of, (freeze[0], RELEASED, *freeze[2:]))


def _transfer(scope: Scope, number: int, row: OrderRow) -> None:
    """Move the money; holds are broken only as far as it is needed. :raises ContractError: insufficient_funds."""
    source, asset, amount, target, breaks = row[6], row[7], row[8], row[10], row[11]
    for hold in breaks:
        if ledger.available(scope, source, asset) >= amount:
            break
        held = holds.found(scope, hold)
        if held[8] == OPEN:
            scope.meter.charge(FUEL_PER_BREAK)
            groups.free_hold(scope, hold, held)
            scope.emit("hold_broken", ("order", number), ("hold", hold))
    ledger.move(scope, {(source, asset): (-amount, 0), (target, asset): (amount, 0)}, {})
    legs: list[Value] = [[asset, source, -amount], [asset, target, amount]]
    scope.emit("journal", ("purpose", PURPOSE), ("reference", str(number)), ("legs", legs))


def _write(scope: Scope, number: int, row: OrderRow) -> None:
    """Keep the order; a change of status is an event."""
    before = scope.overlay.get(layout.order_key(number))
    scope.overlay.put(layout.order_key(number), row)
    if before is None or before[1] != row[1]:
        scope.emit("order_status", ("order", number), ("status", row[1]), ("subject", row[6]))


def _is_asset(scope: Scope, subject: str) -> bool:
    return scope.overlay.get(layout.asset_key(subject)) is not None


def _count(scope: Scope, key: bytes) -> int:
    row = scope.overlay.get(key)
    return 0 if row is None else cast(int, row[0])
