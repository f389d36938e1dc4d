"""Paused contracts: one of its own invariants did not hold, and the members have not let it go on yet.

A paused contract runs only what it declared with ``@unwind``, and its queries. The kernel's own ways out stay open:
holds are voided and expire, orders are obeyed, balances stay where they are.
"""

from typing import cast

from contracts.kernel import layout, schedule
from contracts.kernel.codes import refuse
from contracts.kernel.layout import Row
from contracts.kernel.scope import LEDGER, Scope
from state.overlay import Overlay
from state.receipt import Event


def is_paused(overlay: Overlay[Row], contract: str) -> bool:
    """Whether the contract is paused."""
    return overlay.get(layout.paused_key(contract)) is not None


def pause(overlay: Overlay[Row], contract: str, invariant: str, height: int) -> Event:
    """Pause a contract because of one of its invariants, and give the event that says so."""
    if not is_paused(overlay, contract):
        overlay.put(layout.paused_key(contract), (invariant, height))
    return Event(LEDGER, "contract_paused", (("contract", contract), ("invariant", invariant)))


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
