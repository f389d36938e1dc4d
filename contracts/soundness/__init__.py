"""Is the state sound? Every promise of the kernel, and of every contract, checked over all of the state.

The kernel keeps these by construction; here nothing is believed. Each check takes the rows and gives a sentence for
each fault. What a transaction may rely on at any time is listed, nothing else: money is what was minted, what is held
has its holds, heaps and queues find what they are asked for, groups stand together, and every invariant of every
contract is true.
"""

from collections.abc import Callable, Iterator
from typing import Final

from contracts.deployed import Contracts
from contracts.invariants import broken_of
from contracts.kernel import layout
from contracts.kernel.layout import Row
from contracts.language.faults import OutOfFuel
from contracts.language.fuel import Meter
from contracts.soundness.calls import schedule_faults
from contracts.soundness.decisions import decision_faults
from contracts.soundness.identities import identity_faults, reading_key_faults, sealed_faults
from contracts.soundness.limits import limit_faults
from contracts.soundness.money import expiry_faults, group_faults, hold_faults, money_faults
from contracts.soundness.orders import freeze_faults, order_faults
from contracts.soundness.rows import State
from state.overlay import Overlay

__all__ = ["CHECKS", "State", "faults"]

INVARIANTS_FUEL: Final = 1_000_000_000
"""What the invariants of one contract may spend here: far above what any transaction has for them."""

CHECKS: Final[tuple[Callable[[State], Iterator[str]], ...]] = (
    money_faults,
    hold_faults,
    expiry_faults,
    group_faults,
    schedule_faults,
    decision_faults,
    order_faults,
    freeze_faults,
    limit_faults,
    identity_faults,
    sealed_faults,
    reading_key_faults,
)
"""What is looked at, but the contracts' own invariants, which need the contracts."""


def faults(state: State, contracts: Contracts, prefix: str, height: int, time_ms: int) -> Iterator[str]:
    """Everything that is not as it should be in the state after a height, a sentence each; nothing if it is sound."""
    for check in CHECKS:
        yield from check(state)
    yield from invariant_faults(state, contracts, prefix, height, time_ms)


def invariant_faults(
    state: State, contracts: Contracts, prefix: str, height: int, time_ms: int
) -> Iterator[str]:
    """Every invariant of every contract, at that height and time."""
    overlay: Overlay[Row] = Overlay(state.get)
    for name, _ in state.of("contract"):
        deployed = contracts.find(overlay, name)
        assert deployed is not None
        try:
            for broken in broken_of(deployed, contracts, overlay, prefix, height, time_ms, Meter(INVARIANTS_FUEL)):
                yield broken.message
        except OutOfFuel:
            yield f"the invariants of {name} take more than {INVARIANTS_FUEL} units of fuel"
    for name, _ in state.of("paused"):
        if layout.contract_key(name) not in state:
            yield f"{name} is paused, and is no contract"
