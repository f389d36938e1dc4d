"""Subjects: what the members can decide, one row each of one table.

A row names the arguments (texts, whole numbers, and at most one document, the last of the texts), says what is
possible at all, and carries the decision out. ``votes`` does the rest in the same way for all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from contracts.kernel import deployments, entrants, fees, membership, parameters, pauses
from contracts.kernel.codes import refuse
from contracts.kernel.currencies import DECIMALS
from contracts.kernel.parameters import parameter
from contracts.kernel.scope import Scope

FEE_MAX = 10**15
"""Most a base, or a million units of fuel, may cost, minor units: products stay far below 2^63."""

Arguments = tuple[tuple[str, ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Subject:
    """One kind of decision."""

    texts: tuple[str, ...]
    """Names of its texts."""
    numbers: tuple[str, ...]
    """Names of its numbers."""
    check: Callable[[Scope, Arguments], None]
    """Refuses what can't be decided. Raises ContractError."""
    apply: Callable[[Scope, Arguments], None]
    """Carries the decision out. Raises ContractError."""
    document: str = ""
    """Name of the text, after the others, that may be long; empty for none."""


def _check_fee(scope: Scope, arguments: Arguments) -> None:
    (currency,), (base, per_million) = arguments
    if currency not in DECIMALS:
        refuse("unknown_currency", f"{currency[:16]} is not a currency of ISO 4217")
    if base > FEE_MAX or per_million > FEE_MAX:
        refuse("bad_motion", f"a fee is at most {FEE_MAX} minor units")


def _set_fee(scope: Scope, arguments: Arguments) -> None:
    (currency,), (base, per_million) = arguments
    now = fees.tariff(scope.overlay)
    fees.set_tariff(scope.overlay, (currency, base, per_million, 0 if now is None else now[3]))
    scope.emit("fee_set", ("currency", currency), ("base", base), ("per_million", per_million))


def _check_quota(scope: Scope, arguments: Arguments) -> None:
    (quota,) = arguments[1]
    least = parameter(scope, "transaction_fuel_max")
    if 0 < quota < least:
        refuse("bad_motion", f"a quota lets the largest transaction through: it is at least {least}, or 0 for none")


def _set_quota(scope: Scope, arguments: Arguments) -> None:
    (quota,) = arguments[1]
    now = fees.tariff(scope.overlay)
    fees.set_tariff(scope.overlay, ("", 0, 0, quota) if now is None else (*now[:3], quota))
    scope.emit("quota_set", ("quota", quota))


def _check_resume(scope: Scope, arguments: Arguments) -> None:
    ((contract,), _) = arguments
    if not pauses.is_paused(scope.overlay, contract):
        refuse("not_paused", f"no contract named {contract[:64]} is paused")


def _resume(scope: Scope, arguments: Arguments) -> None:
    pauses.resume(scope, arguments[0][0])


def _check_admit(scope: Scope, arguments: Arguments) -> None:
    membership.check_admission(scope, entrants.read_entrant(scope, arguments[0][0]))


def _admit(scope: Scope, arguments: Arguments) -> None:
    membership.admit(scope, entrants.read_entrant(scope, arguments[0][0]))


def _each(act: Callable[..., None]) -> Callable[[Scope, Arguments], None]:
    """For what takes the texts, then the numbers, one by one."""
    return lambda scope, arguments: act(scope, *arguments[0], *arguments[1])


SUBJECTS: Final[Mapping[str, Subject]] = {
    "fee": Subject(("currency",), ("base", "per_million"), _check_fee, _set_fee),
    "quota": Subject((), ("fuel",), _check_quota, _set_quota),
    "resume": Subject(("contract",), (), _check_resume, _resume),
    "parameter": Subject(("parameter",), ("value",), _each(parameters.check_change), _each(parameters.change)),
    "protocol": Subject(
        (), ("version", "first_height"), _each(parameters.check_protocol), _each(parameters.set_protocol)
    ),
    "pause": Subject(("contract",), (), _each(pauses.check_pause), _each(pauses.order_pause)),
    "deploy": Subject(
        ("contract",), (), _each(deployments.check_deployment), _each(deployments.deploy), "source"
    ),
    "upgrade": Subject(
        ("contract", "migration"), (), _each(deployments.check_upgrade), _each(deployments.upgrade), "source"
    ),
    "admit": Subject((), (), _check_admit, _admit, "member_file"),
    "remove": Subject(("member",), (), _each(membership.check_removal), _each(membership.remove)),
    "validator": Subject(
        ("member", "vote_key", "proof"), (), _each(membership.check_validator), _each(membership.make_validator)
    ),
    "observer": Subject(("member",), (), _each(membership.check_observer), _each(membership.make_observer)),
    "node": Subject(
        ("member", "node_key", "host", "proof"),
        ("port",),
        _each(membership.check_node),
        _each(membership.change_node),
        "root_certificate",
    ),
    "role": Subject(("member", "role"), (), _each(membership.check_role), _each(membership.change_role)),
}
"""What can be moved, by name. Rows never change meaning once a chain has used them."""
