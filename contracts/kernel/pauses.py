"""Paused contracts: one of its own invariants did not hold, or the members have said so; they let it go on.

A paused contract runs only what it declared with ``@unwind``, and its queries. The kernel's own ways out stay open:
holds are voided and expire, orders are obeyed, balances stay where they are.
"""

from typing import cast

from contracts.kernel import layout, schedule
from contracts.kernel.codes import refuse
from contracts.kernel.layout import Row
from contracts.kernel.scope import EVENT_BYTES, LEDGER, Scope
from state.overlay import Overlay
from state.receipt import Event

GOVERNANCE = "governance"
"""The contract by which members vote."""


def is_paused(overlay: Overlay[Row], contract: str) -> bool:
    """Whether the contract is paused."""
    return overlay.get(layout.paused_key(contract)) is not None


def pause(overlay: Overlay[Row], contract: str, invariant: str, height: int) -> Event:
    """Pause a contract because of one of its invariants, and give the event that says so."""
    if not is_paused(overlay, contract):
        overlay.put(layout.paused_key(contract), (invariant, height))
    return Event(LEDGER, "contract_paused", (("contract", contract), ("invariant", invariant)))


def check_pause(scope: Scope, contract: str) -> None:
    """Whether the members can pause the contract. :raises ContractError: unknown_contract or bad_motion."""
    if scope.overlay.get(layout.contract_key(contract)) is None:
        refuse("unknown_contract", f"no contract is named {contract[:64]}")
    if contract == GOVERNANCE:
        refuse("bad_motion", "nobody could let the contract go on by which members vote")
    if is_paused(scope.overlay, contract):
        refuse("bad_motion", f"{contract} is paused already")


def order_pause(scope: Scope, contract: str) -> None:
    """Pause a contract: the members' word, which the caller has judged. :raises ContractError: as ``check_pause``."""
    check_pause(scope, contract)
    scope.record(pause(scope.overlay, contract, "", scope.height), EVENT_BYTES)


def resume(scope: Scope, contract: str) -> None:
    """Let a paused contract run again: the members' word, which the caller has judged.

    :raises ContractError: not_paused.
    """
    row = scope.overlay.get(layout.paused_key(contract))
    if row is None:
        refuse("not_paused", f"no contract named {contract[:64]} is paused")
    scope.overlay.delete(layout.paused_key(contract))
    schedule.release_waiting(scope.overlay, contract, schedule.RESUMED_MAX)
    scope.emit("contract_resumed", ("resumed", contract), ("invariant", cast(str, row[0])))
