"""Orders and freezes: every order is listed under what it is about, and each that is in force binds, no other."""

from collections.abc import Iterator
from typing import cast

from contracts.kernel import layout
from contracts.kernel.freezes import ALL_ASSETS
from contracts.kernel.layout import FreezeRow, OrderRow
from contracts.kernel.orders import FREEZE, IN_FORCE
from contracts.soundness.rows import State


def order_faults(state: State) -> Iterator[str]:
    """Numbers are without a gap, and the lists by subject name each order where it belongs."""
    count = cast(int, (state.get(layout.ORDERS) or (0,))[0])
    numbers = sorted(int(number) for number, _ in state.of("order"))
    if numbers != list(range(1, count + 1)):
        yield f"{count} orders are counted, and {len(numbers)} are there, or other ones"
    lists: dict[str, dict[int, int]] = {}
    counts: dict[str, int] = {}
    for subject, row in state.of("orders"):
        if subject:
            counts[subject] = cast(int, row[0])
    for key, row in state.of("orders_on"):
        subject, place = key.split("/")
        lists.setdefault(subject, {})[int(place)] = cast(int, row[0])
    for subject in sorted(counts.keys() | lists.keys()):
        listed = lists.get(subject, {})
        inside = [listed.get(place, 0) for place in range(counts.get(subject, 0))]
        if len(inside) != len(listed) or inside != sorted(set(inside)):
            yield f"the list of orders on {subject} has gaps, repeats or no order"
        for number in listed.values():
            if layout.order_key(number) not in state:
                yield f"order {number} is listed under {subject}, and is not there"
    for text, row in state.of("order"):
        subject = cast(OrderRow, row)[6]
        if int(text) not in lists.get(subject, {}).values():
            yield f"order {text} is not listed under {subject}"


def freeze_faults(state: State) -> Iterator[str]:
    """A freeze binds while its order is in force, as it says; flags tell of every freeze."""
    bound: dict[int, str] = {}
    for subject, row in state.of("freezes"):
        owner = state.get(layout.account_key(subject))
        flags, bit = (owner[layout.ACCOUNT_FLAGS], layout.UNDER_ORDER) if owner is not None else (0, 0)
        if owner is None and (asset := state.get(layout.asset_key(subject))) is not None:
            flags, bit = asset[layout.ASSET_FLAGS], layout.ASSET_UNDER_ORDER
        bits = bit
        if owner is not None:
            for _, concerned, *_ in cast("tuple[FreezeRow, ...]", row):
                bits |= layout.frozen_asset_bit(concerned) if concerned else ALL_ASSETS
        if not row or cast(int, flags) & bits != bits:
            yield f"{subject} has a row of freezes without any, or its flags do not say so"
        for number, asset_id, stops, amount, expires_ms in cast("tuple[FreezeRow, ...]", row):
            order = cast("OrderRow | None", state.get(layout.order_key(number)))
            said = (FREEZE, IN_FORCE, subject, asset_id, amount, stops, expires_ms)
            if order is None or (order[0], order[1], *order[6:10], order[14]) != said:
                yield f"{subject} is frozen by order {number}, which is not in force or says something else"
            bound[number] = subject
    for text, row in state.of("order"):
        kind, status, *_, expires_ms = cast(OrderRow, row)
        # One that has an expiry is forgotten some time after it.
        if (kind, status, expires_ms) == (FREEZE, IN_FORCE, 0) and int(text) not in bound:
            yield f"order {text} is a freeze in force, and binds nobody"
    for kind, index, bit in (
        ("account", layout.ACCOUNT_FLAGS, layout.UNDER_ORDER),
        ("asset", layout.ASSET_FLAGS, layout.ASSET_UNDER_ORDER),
    ):
        for subject, row in state.of(kind):
            if cast(int, row[index]) & bit and layout.freezes_key(subject) not in state:
                yield f"the flags of {subject} tell of a freeze, and there is none"
