"""Groups of holds: several that are posted or voided together, in one journal, and never apart.

A group is made of open holds of one contract with the same expiry, so that all of them expire at the same time too. It
ends exactly once, as a hold does: posted, with an amount for each of its holds (0: that one goes back in full), voided,
or expired. No hold of a group is resolved by itself.
"""

from collections.abc import Sequence
from typing import cast

from contracts.kernel import holds, layout, ledger
from contracts.kernel.codes import refuse
from contracts.kernel.layout import EXPIRED, OPEN, POSTED, VOIDED, GroupRow, HoldRow
from contracts.kernel.scope import Scope

HOLDS_MAX = 64
"""Holds of one group: a trade or a basket fits, and one transaction resolves them."""

FUEL_PER_HOLD = 3_000
"""For each hold that is put into a group beside the first: one key, read and written."""


def create(scope: Scope, members: Sequence[str]) -> str:
    """Bind open holds of the running contract to each other; give the group's id.

    :raises ContractError: with a code of the kernel's.
    """
    if not 0 < len(members) <= HOLDS_MAX:
        refuse("bad_group", f"a group has 1 to {HOLDS_MAX} holds")
    scope.meter.charge(FUEL_PER_HOLD * (len(members) - 1))
    group = f"{scope.transaction_id.hex()}.{scope.hold_count}"
    expires_ms = holds.found(scope, members[0])[4]
    for hold in members:
        row = holds.own(scope, hold)
        holds.check_live(scope, row)
        if not row[3]:
            refuse("no_beneficiary", "each hold of a group has a beneficiary")
        if row[4] != expires_ms:
            refuse("bad_group", "the holds of a group expire at the same time")
        scope.overlay.put(layout.hold_key(hold), (*row[:11], group))
    scope.hold_count += 1
    scope.overlay.put(layout.group_key(group), (scope.contract, expires_ms, tuple(members), OPEN))
    scope.emit("holds_grouped", ("group", group), ("holds", [*members]))
    return group


def post(scope: Scope, group: str, amounts: Sequence[int], purpose: str) -> None:
    """Pay ``amounts`` of the group's holds, in its order, to their beneficiaries in one journal; free the rests.

    :raises ContractError: with a code of the kernel's.
    """
    ledger.check_texts(purpose, "")
    row = _own(scope, group)
    if _is_past(scope, row):
        refuse("hold_expired")
    members = row[2]
    if len(amounts) != len(members) or not any(amounts):
        refuse("bad_group", "a group is posted with an amount for each hold, one of them above 0")
    scope.meter.charge(holds.FUEL_PER_FILL * (len(members) - 1))
    posting = holds.Posting(scope)
    references: dict[str, None] = {}
    for hold, amount in zip(members, amounts, strict=True):
        held = holds.opened(scope, hold)
        if amount:
            posting.add(hold, held, held[3], amount, False)
            references[held[7]] = None
        else:
            posting.free(hold, held)
    _resolve(scope, group, row, POSTED)
    rests = posting.write()
    # One journal has one reference: that of its holds if they share it.
    reference = next(iter(references)) if len(references) == 1 else ""
    holds.emit_posted(scope, group, posting, rests, purpose, reference, posting.legs)


def void(scope: Scope, group: str) -> None:
    """Free all holds of the group; one past its expiry ends as expired. :raises ContractError: a kernel code."""
    row = _own(scope, group)
    scope.meter.charge(ledger.FUEL_PER_EXPIRY * (len(row[2]) - 1))
    if _is_past(scope, row):
        _resolve(scope, group, row, EXPIRED)
        for hold in row[2]:
            held = holds.found(scope, hold)
            if held[8] == OPEN:
                ledger.release_expired(scope, hold, held)
    else:
        free(scope, group, row)


def free(scope: Scope, group: str, row: GroupRow) -> None:
    """Void an open group, whoever made it."""
    _resolve(scope, group, row, VOIDED)
    for hold in row[2]:
        holds.free(scope, hold, holds.opened(scope, hold))


def free_hold(scope: Scope, hold: str, row: HoldRow) -> None:
    """Void an open hold, with its group if it is in one, whoever made it: an order reaches into it.

    A hold past its expiry is released; the others of its group are by themselves.
    """
    if holds.is_past(scope, row):
        ledger.release_expired(scope, hold, row)
    elif row[11]:
        group = found(scope, row[11])
        scope.meter.charge(ledger.FUEL_PER_EXPIRY * (len(group[2]) - 1))
        free(scope, row[11], group)
    else:
        holds.free(scope, hold, row)


def found(scope: Scope, group: str) -> GroupRow:
    """The group's row. :raises ContractError: unknown_group."""
    row = scope.overlay.get(layout.group_key(group))
    if row is None:
        refuse("unknown_group")
    return cast(GroupRow, row)


def status(scope: Scope, group: str) -> str:
    """What has become of the group at the block's time. :raises ContractError: unknown_group."""
    row = found(scope, group)
    return EXPIRED if row[3] == OPEN and _is_past(scope, row) else row[3]


def _own(scope: Scope, group: str) -> GroupRow:
    """The open group, though it may be past its expiry, if the running contract made it."""
    row = found(scope, group)
    if row[0] != scope.contract:
        refuse("hold_unauthorised")
    if row[3] != OPEN:
        refuse("hold_resolved", f"the group is {row[3]}")
    return row


def _is_past(scope: Scope, row: GroupRow) -> bool:
    return 0 < row[1] <= scope.time_ms


def _resolve(scope: Scope, group: str, row: GroupRow, status: str) -> None:
    scope.overlay.put(layout.group_key(group), (*row[:3], status))
