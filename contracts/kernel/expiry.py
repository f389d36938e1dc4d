"""Which open holds of an account and asset expire first: a binary heap, kept in the state.

Adding a hold, removing one, and taking the first cost a few keys however many there are. Each hold that can expire
knows its slot, so that one that is posted or voided leaves the heap at once.
"""

from collections.abc import Iterator
from typing import cast

from contracts.kernel import layout
from contracts.kernel.layout import Row
from state.overlay import Overlay

Slot = tuple[int, str]
"""Expiry in ms, hold."""


HOLDS_MAX = 4_096
"""Holds of one account and asset that can expire: bounds what a look at the balance has to walk."""


def is_full(overlay: Overlay[Row], address: str, asset: str) -> bool:
    """Whether no other hold has room."""
    return _count(overlay, address, asset) >= HOLDS_MAX


def add(overlay: Overlay[Row], address: str, asset: str, expires_ms: int, hold: str) -> None:
    """Remember that ``hold`` expires."""
    count = _count(overlay, address, asset)
    overlay.put(layout.expiry_key(address, asset), (count + 1,))
    _rise(overlay, address, asset, count, (expires_ms, hold))


def remove(overlay: Overlay[Row], address: str, asset: str, hold: str) -> None:
    """Forget ``hold``, which was added before."""
    where = layout.expiry_slot_of_key(hold)
    slot = cast(int, cast(Row, overlay.get(where))[0])
    last = _count(overlay, address, asset) - 1
    entry = _read(overlay, address, asset, last)
    overlay.delete(layout.expiry_slot_key(address, asset, last))
    overlay.delete(where)
    if last:
        overlay.put(layout.expiry_key(address, asset), (last,))
    else:
        overlay.delete(layout.expiry_key(address, asset))
    if slot == last:
        return
    if slot and entry < _read(overlay, address, asset, (slot - 1) // 2):
        _rise(overlay, address, asset, slot, entry)
    else:
        _sink(overlay, address, asset, slot, last, entry)


def first_due(overlay: Overlay[Row], address: str, asset: str, time_ms: int) -> str | None:
    """The hold that expires first, if that is at ``time_ms`` or before."""
    if not _count(overlay, address, asset):
        return None
    expires_ms, hold = _read(overlay, address, asset, 0)
    return hold if expires_ms <= time_ms else None


def due(overlay: Overlay[Row], address: str, asset: str, time_ms: int) -> Iterator[str]:
    """All holds that expire at ``time_ms`` or before, in an order that follows from the heap alone."""
    count = _count(overlay, address, asset)
    slots = [0] if count else []
    while slots:
        slot = slots.pop()
        expires_ms, hold = _read(overlay, address, asset, slot)
        if expires_ms <= time_ms:
            yield hold
            slots += [below for below in (2 * slot + 1, 2 * slot + 2) if below < count]


def _rise(overlay: Overlay[Row], address: str, asset: str, slot: int, entry: Slot) -> None:
    while slot:
        above = (slot - 1) // 2
        other = _read(overlay, address, asset, above)
        if other <= entry:
            break
        _place(overlay, address, asset, slot, other)
        slot = above
    _place(overlay, address, asset, slot, entry)


def _sink(overlay: Overlay[Row], address: str, asset: str, slot: int, count: int, entry: Slot) -> None:
    while (below := 2 * slot + 1) < count:
        other = _read(overlay, address, asset, below)
        if below + 1 < count and (right := _read(overlay, address, asset, below + 1)) < other:
            below, other = below + 1, right
        if entry <= other:
            break
        _place(overlay, address, asset, slot, other)
        slot = below
    _place(overlay, address, asset, slot, entry)


def _place(overlay: Overlay[Row], address: str, asset: str, slot: int, entry: Slot) -> None:
    overlay.put(layout.expiry_slot_key(address, asset, slot), entry)
    overlay.put(layout.expiry_slot_of_key(entry[1]), (slot,))


def _count(overlay: Overlay[Row], address: str, asset: str) -> int:
    row = overlay.get(layout.expiry_key(address, asset))
    return 0 if row is None else cast(int, row[0])


def _read(overlay: Overlay[Row], address: str, asset: str, slot: int) -> Slot:
    row = overlay.get(layout.expiry_slot_key(address, asset, slot))
    assert row is not None, "the heap of expiries has a gap"
    return cast(Slot, row)
