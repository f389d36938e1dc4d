"""Members: the banks, settlement agents, regulators and courts of the network, and the validators among them.

A member is known by a short id; it has an account under its own policy, a key for its node, and, if it votes, a vote
key. Members are registered at genesis, and join, change and leave by vote (``membership``). The validator set is
state: a change made at height h is in force from h + L, so that V(h + L) is known to all when h has executed.
"""

from typing import cast

from contracts.kernel import layout
from contracts.kernel.codes import refuse
from contracts.kernel.layout import MemberRow, Row
from contracts.kernel.scope import Scope
from state.overlay import Overlay
from state.validators import Validator, ValidatorSet

BANK, AGENT, REGULATOR, COURT = "bank", "settlement_agent", "regulator", "court"
ROLES = (BANK, AGENT, REGULATOR, COURT)

FORMER = "former"
"""The role of one who has left: its account is under its keys, its money is what it was, and it is no member."""

OFFICIALS = (REGULATOR, COURT)
"""Who gives orders (``orders``) and caps limits (``limit_rules``)."""

FROM_GENESIS = 0
"""First height of the genesis set."""

Schedule = tuple[tuple[int, tuple[tuple[str, bytes], ...]], ...]
"""(First height, validators), ascending."""


def member(scope: Scope, identity: str) -> MemberRow:
    """The member's row. :raises ContractError: unknown_member."""
    row = scope.overlay.get(layout.member_key(identity))
    if row is None:
        refuse("unknown_member", f"no member has the id {identity[:64]}")
    return cast(MemberRow, row)


def member_of(scope: Scope, address: str) -> str:
    """Id of the member whose own account this is, empty for any other. :raises ContractError: unknown_account."""
    bank = scope.account(address)[0]
    row = scope.overlay.get(layout.member_key(bank))
    return bank if row is not None and row[4] == address else ""


def settlement_agent(scope: Scope, currency: str) -> str:
    """Id of the member that issues the currency's settlement money, empty if there is none."""
    row = scope.overlay.get(layout.settlement_key(currency))
    return "" if row is None else cast(str, row[0])


def regulators_over(scope: Scope, bank: str) -> tuple[str, ...]:
    """Who supervises the member: the regulators of its jurisdiction or, where it has none, all of the network's.

    :raises ContractError: unknown_member.
    """
    jurisdiction = member(scope, bank)[2]
    listed = cast("tuple[tuple[str, str], ...]", scope.overlay.get(layout.REGULATORS) or ())
    near = tuple(regulator for regulator, place in listed if place == jurisdiction)
    return near or tuple(regulator for regulator, _ in listed)


def add_regulator(overlay: Overlay[Row], regulator: str, jurisdiction: str) -> None:
    """List a member as a regulator of its jurisdiction."""
    listed = cast("tuple[tuple[str, str], ...]", overlay.get(layout.REGULATORS) or ())
    overlay.put(layout.REGULATORS, tuple(sorted((*listed, (regulator, jurisdiction)))))


def withdraw_regulator(overlay: Overlay[Row], regulator: str) -> None:
    """Take a member off the list of regulators; one without any is absent."""
    listed = cast("tuple[tuple[str, str], ...]", overlay.get(layout.REGULATORS) or ())
    kept = tuple(entry for entry in listed if entry[0] != regulator)
    if kept:
        overlay.put(layout.REGULATORS, kept)
    else:
        overlay.delete(layout.REGULATORS)


def listed(overlay: Overlay[Row]) -> tuple[str, ...]:
    """Ids of all members, former ones among them, ascending."""
    row = overlay.get(layout.MEMBERS)
    return () if row is None else cast("tuple[int, tuple[str, ...]]", row)[1]


def list_member(overlay: Overlay[Row], identity: str) -> None:
    """Add an id to the list."""
    height, known = cast("tuple[int, tuple[str, ...]]", overlay.get(layout.MEMBERS) or (0, ()))
    overlay.put(layout.MEMBERS, (height, tuple(sorted((*known, identity)))))


def changed(overlay: Overlay[Row], height: int) -> None:
    """Note that a member's row has changed at that height."""
    overlay.put(layout.MEMBERS, (height, listed(overlay)))


def changed_height(overlay: Overlay[Row], height: int) -> int:
    """The newest height, up to ``height``, at which members' rows or the set in force have changed."""
    row = cast("tuple[int, tuple[str, ...]] | None", overlay.get(layout.MEMBERS))
    schedule = cast(Schedule, overlay.get(layout.VALIDATORS))
    begun = max((first for first, _ in schedule if first <= height), default=FROM_GENESIS)
    return max(0 if row is None else row[0], begun)


def validators_at(overlay: Overlay[Row], height: int) -> ValidatorSet | None:
    """V(height), as far as it is known: the last set that starts at or before that height. None: forgotten."""
    schedule = cast(Schedule, overlay.get(layout.VALIDATORS))
    begun = [validators for first, validators in schedule if first <= height]
    return ValidatorSet(tuple(Validator(name, vote_key) for name, vote_key in begun[-1])) if begun else None


def validating(overlay: Overlay[Row], height: int) -> frozenset[str]:
    """Ids of members in V(height) or in a later set that is known."""
    schedule = cast(Schedule, overlay.get(layout.VALIDATORS))
    begun = max((first for first, _ in schedule if first <= height), default=FROM_GENESIS)
    return frozenset(name for first, validators in schedule if first >= begun for name, _ in validators)


def schedule_validators(overlay: Overlay[Row], first_height: int, validators: ValidatorSet, height: int) -> None:
    """Have ``validators`` in force from ``first_height``. Sets that ended before ``height`` are forgotten.

    :raises AssertionError: a set is scheduled before one that is already known to others.
    """
    known = cast(Schedule, overlay.get(layout.VALIDATORS) or ())
    assert all(first <= first_height for first, _ in known), "membership never changes behind a known set"
    kept = [entry for entry in known if entry[0] != first_height]
    while len(kept) > 1 and kept[1][0] <= height:
        kept.pop(0)
    listed = tuple((validator.member, validator.vote_key) for validator in validators.validators)
    overlay.put(layout.VALIDATORS, (*kept, (first_height, listed)))
