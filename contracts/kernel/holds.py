"""Holds: money reserved behind an order, an escrow or a lock, so that nothing on the ledger is ever unfunded.

A hold moves an amount from available to held. It ends exactly once: posted, in full or in part, voided, or expired.
What is posted goes to its beneficiary; a hold made without one has its receiver named when it is posted. What is not
posted goes back, or stays reserved under a new hold of the same terms. A hold is live while the block's time is before
``expires_ms`` (0: for ever); from then on it can't be posted, and whatever looks at the balance finds the money free.
Only the contract that made a hold posts or voids it; anyone may have an expired one released.

``post_many`` settles several holds and ordinary legs beside them in one journal: all of it or none.
"""

from collections.abc import Sequence
from typing import cast

from contracts.kernel import expiry, gate, layout, ledger
from contracts.kernel.codes import refuse
from contracts.kernel.layout import EXPIRED, OPEN, POSTED, SUPPLY, VOIDED, HoldRow, Leg
from contracts.kernel.scope import EVENT_BYTES, LEG_BYTES, Scope
from state.codec import INT_MAX

Fill = tuple[str, str, int, bool]
"""Hold, receiver or SUPPLY, amount, whether the rest stays reserved."""

FUEL_PER_FILL = 10_000
"""For each hold that is posted beside the first, which the call's own price covers."""

FILL_BYTES = 192
"""What one hold's part in an event counts for, beside its legs: two holds' ids and two amounts."""


def create(
    scope: Scope, asset: str, account: str, amount: int, beneficiary: str, expires_ms: int, purpose: str, reference: str
) -> str:
    """Reserve ``amount`` and give the hold's id. :raises ContractError: with a code of the kernel's."""
    ledger.check_texts(purpose, reference)
    ledger.checked(amount)
    if type(expires_ms) is not int or (expires_ms and not scope.time_ms < expires_ms <= INT_MAX):
        refuse("bad_expiry")
    if not scope.agrees(account):
        refuse("debit_unauthorised", f"{account} has not agreed to the hold")
    if beneficiary:
        scope.account(beneficiary)
    if scope.overlay.get(layout.asset_key(asset)) is None:
        refuse("unknown_asset", f"no asset has the id {asset[:64]}")
    ledger.release_due(scope, account, asset, amount)
    if expires_ms and expiry.is_full(scope.overlay, account, asset):
        refuse("too_many_holds")
    debit: Leg = (asset, account, -amount)
    gate.check_free(scope, (debit, (asset, beneficiary, amount)) if beneficiary else (debit,))
    ledger.move(scope, {(account, asset): (-amount, amount)}, {})
    hold = _write(
        scope,
        (
            asset, account, amount, beneficiary, expires_ms, scope.contract, purpose, reference, OPEN, 0,
            scope.time_ms, "",
        ),
    )  # fmt: skip
    ledger.reserve(scope, scope.contract, asset, amount)
    scope.emit(
        "hold",
        ("hold", hold),
        ("asset", asset),
        ("account", account),
        ("amount", amount),
        ("beneficiary", beneficiary),
        ("expires_ms", expires_ms),
        ("purpose", purpose),
        ("reference", reference),
    )
    return hold


def post(scope: Scope, hold: str, amount: int, purpose: str) -> None:
    """Pay ``amount`` of the hold to its beneficiary and free the rest. :raises ContractError: a kernel code."""
    ledger.check_texts(purpose, "")
    row = own(scope, hold)
    if not row[3]:
        refuse("no_beneficiary")
    filled = Posting(scope)
    filled.add(hold, row, row[3], amount, False)
    filled.write()
    scope.emit(
        "hold_posted",
        ("hold", hold),
        ("purpose", purpose),
        ("reference", row[7]),
        ("released", row[2] - amount),
        ("legs", [[*leg] for leg in filled.legs]),
    )


def post_many(
    scope: Scope, fills: Sequence[Fill], legs: Sequence[Leg], purpose: str, reference: str = ""
) -> list[str]:
    """Post several holds, and ordinary ``legs`` beside them, in one journal.

    A fill pays its amount of the hold to its receiver, who must be the hold's beneficiary if that has one. Answers for
    each fill the hold under which its rest stays reserved, empty where none does.

    :raises ContractError: with a code of the kernel's.
    """
    ledger.check_texts(purpose, reference)
    if not fills:
        refuse("no_legs", "a posting has at least one hold")
    if 2 * len(fills) + len(legs) > ledger.LEGS_MAX:
        refuse("too_many_legs", f"a journal has at most {ledger.LEGS_MAX} legs, two of them for each hold")
    scope.meter.charge(FUEL_PER_FILL * (len(fills) - 1) + ledger.FUEL_PER_LEG * len(legs))
    posting = Posting(scope)
    ledger.admit(scope, legs, posting.moves, posting.minted)
    for hold, to, amount, keeps in fills:
        posting.add(hold, own(scope, hold), to, amount, keeps)
    if legs:
        ledger.check_funded(scope, legs, posting.credited, posting.freed)
    rests = posting.write()
    emit_posted(scope, "", posting, rests, purpose, reference, [*posting.legs, *legs])
    return rests


def void(scope: Scope, hold: str) -> None:
    """Free all of the hold; one past its expiry ends as expired. :raises ContractError: with a code of the kernel's."""
    row = own(scope, hold)
    if is_past(scope, row):
        ledger.release_expired(scope, hold, row)
    else:
        free(scope, hold, row)


def expire(scope: Scope, hold: str) -> None:
    """Have a hold past its expiry released now. :raises ContractError: with a code of the kernel's."""
    row = opened(scope, hold)
    if not is_past(scope, row):
        refuse("hold_not_due")
    ledger.release_expired(scope, hold, row)


def status(scope: Scope, hold: str) -> str:
    """What has become of the hold at the block's time. :raises ContractError: unknown_hold."""
    row = found(scope, hold)
    return EXPIRED if row[8] == OPEN and is_past(scope, row) else row[8]


def info(scope: Scope, hold: str) -> tuple[str, str, int, str, int, str]:
    """Asset, account, amount it still reserves, beneficiary, expiry, status at the block's time.

    :raises ContractError: unknown_hold.
    """
    asset, account, amount, beneficiary, expires_ms, *_ = found(scope, hold)
    now = status(scope, hold)
    return asset, account, amount if now == OPEN else 0, beneficiary, expires_ms, now


def may_settle(scope: Scope, hold: str) -> bool:
    """Whether the hold is open and not expired, and no freeze stops it. :raises ContractError: unknown_hold."""
    row = found(scope, hold)
    return row[8] == OPEN and not is_past(scope, row) and gate.may_settle(scope, row)


class Posting:
    """One or several holds on their way to being posted in one journal: judged one by one, then written together."""

    __slots__ = ("_fills", "credited", "freed", "legs", "minted", "moves", "scope")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.moves: ledger.Moves = {}
        self.minted: dict[str, int] = {}
        self.legs: list[Leg] = []
        self.credited: dict[tuple[str, str], None] = {}
        self.freed: dict[tuple[str, str], int] = {}
        """(address, asset) → what of its holds goes back, unposted."""
        self._fills: dict[str, tuple[HoldRow, int, bool]] = {}

    @property
    def fills(self) -> list[tuple[str, int, int]]:
        """Hold, posted, and what of it is free again, in order."""
        return [
            (hold, amount, 0 if keeps else row[2] - amount) for hold, (row, amount, keeps) in self._fills.items()
        ]

    def add(self, hold: str, row: HoldRow, to: str, amount: int, keeps: bool) -> None:
        """Judge one open hold's posting. :raises ContractError: with a code of the kernel's."""
        scope = self.scope
        asset, account, reserved, beneficiary, *_ = row
        ledger.checked(amount)
        check_live(scope, row)
        if hold in self._fills:
            refuse("hold_resolved", "the hold is posted twice")
        if amount > reserved:
            refuse("hold_exceeded", f"the hold reserves {reserved}, {amount} were to be posted")
        if beneficiary and to != beneficiary:
            refuse("bad_beneficiary", f"the hold is for {beneficiary}")
        legs: tuple[Leg, Leg] = ((asset, account, -amount), (asset, to, amount))
        if not beneficiary:
            if to == SUPPLY:
                if not ledger.may_supply(scope, asset):
                    refuse("supply_unauthorised", f"the issuer of {asset} has not agreed")
            else:
                scope.account(to)
                gate.check_receiver(scope, row, to, amount)
        place = (account, asset)
        rest = 0 if keeps else reserved - amount
        self._change(place, rest, -amount - rest)
        if rest:
            self.freed[place] = self.freed.get(place, 0) + rest
        if to == SUPPLY:
            self.minted[asset] = self.minted.get(asset, 0) - amount
        else:
            self._change((to, asset), amount, 0)
            self.credited[to, asset] = None
        self.legs += legs
        self._fills[hold] = (row, amount, keeps)

    def free(self, hold: str, row: HoldRow) -> None:
        """Have an open hold freed in the same journal, with nothing of it posted."""
        place = (row[1], row[0])
        self._change(place, row[2], -row[2])
        self._fills[hold] = (row, 0, False)

    def write(self) -> list[str]:
        """Write all of it, or nothing; the ids of the holds that keep the rests, empty where none does.

        :raises ContractError: insufficient_funds, balance_overflow, or what the gate says.
        """
        scope, rests = self.scope, []
        gate.check_settle(scope, self.legs)
        for hold, (row, amount, keeps) in self._fills.items():
            rest = row[2] - amount
            resolve(scope, hold, row, POSTED, amount)
            if keeps and rest:
                kept: HoldRow = (*row[:2], rest, *row[3:8], OPEN, 0, *row[10:])
                rests.append(_write(scope, kept))
                ledger.reserve(scope, row[5], row[0], rest)
            else:
                rests.append("")
                if rest:
                    gate.give_back(scope, row, rest)
        ledger.move(scope, self.moves, self.minted)
        return rests

    def _change(self, place: tuple[str, str], free: int, held: int) -> None:
        before = self.moves.get(place)
        self.moves[place] = (free, held) if before is None else (before[0] + free, before[1] + held)


def emit_posted(
    scope: Scope, group: str, posting: Posting, rests: Sequence[str], purpose: str, reference: str, legs: Sequence[Leg]
) -> None:
    """Record that several holds were posted in one journal."""
    fills = posting.fills
    scope.emit(
        "holds_posted",
        ("group", group),
        ("purpose", purpose),
        ("reference", reference),
        ("holds", [[*fill, rest] for fill, rest in zip(fills, rests, strict=True)]),
        ("legs", [[*leg] for leg in legs]),
        bytes_count=EVENT_BYTES + FILL_BYTES * len(fills) + LEG_BYTES * len(legs),
    )


def free(scope: Scope, hold: str, row: HoldRow) -> None:
    """Void an open hold, whoever made it."""
    asset, account, reserved, *_ = row
    resolve(scope, hold, row, VOIDED, 0)
    gate.give_back(scope, row, reserved)
    ledger.move(scope, {(account, asset): (reserved, -reserved)}, {})
    scope.emit("hold_voided", ("hold", hold), ("asset", asset), ("account", account), ("amount", reserved))


def found(scope: Scope, hold: str) -> HoldRow:
    """The hold's row. :raises ContractError: unknown_hold."""
    row = scope.overlay.get(layout.hold_key(hold))
    if row is None:
        refuse("unknown_hold")
    return cast(HoldRow, row)


def opened(scope: Scope, hold: str) -> HoldRow:
    """The row of a hold that is open, though it may be past its expiry. :raises ContractError: a kernel code."""
    row = found(scope, hold)
    if row[8] != OPEN:
        refuse("hold_resolved", f"the hold is {row[8]}")
    return row


def is_past(scope: Scope, row: HoldRow) -> bool:
    """Whether the block's time has reached the hold's expiry."""
    return 0 < row[4] <= scope.time_ms


def check_live(scope: Scope, row: HoldRow) -> None:
    """:raises ContractError: hold_expired."""
    if is_past(scope, row):
        refuse("hold_expired")


def resolve(scope: Scope, hold: str, row: HoldRow, status: str, posted: int) -> None:
    """Write that an open hold has ended; its money is for the caller to move."""
    scope.overlay.put(layout.hold_key(hold), (*row[:8], status, posted, *row[10:]))
    if row[4]:
        expiry.remove(scope.overlay, row[1], row[0], hold)
    ledger.reserve(scope, row[5], row[0], -row[2])


def own(scope: Scope, hold: str) -> HoldRow:
    """The open hold, if the running contract made it and it stands alone."""
    row = found(scope, hold)
    if row[5] != scope.contract:
        refuse("hold_unauthorised")
    row = opened(scope, hold)
    if row[11]:
        refuse("hold_grouped")
    return row


def _write(scope: Scope, row: HoldRow) -> str:
    """Write a new open hold under the next id of the transaction."""
    hold = f"{scope.transaction_id.hex()}.{scope.hold_count}"
    scope.hold_count += 1
    scope.overlay.put(layout.hold_key(hold), row)
    if row[4]:
        expiry.add(scope.overlay, row[1], row[0], row[4], hold)
    return hold
