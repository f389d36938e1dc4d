"""Invariants: what a contract says is always true of it, checked before a transaction's writes merge.

Each contract of which an action ran is asked, in the order in which they first ran. An invariant reads like a query,
on the transaction's fuel but with a memory allowance of its own: what the sender chose to run before can't make it
fail. One that does not hold, or fails in any way but for want of fuel, takes the transaction back and pauses its
contract; one that does not hold of a source just voted in takes that back, and pauses nothing.
"""

from collections.abc import Iterator

from contracts.deployed import Contracts, Deployed
from contracts.host import invoke
from contracts.kernel.layout import Row
from contracts.kernel.scope import Scope
from contracts.language.faults import ContractError
from contracts.language.fuel import MEMORY_BYTES_MAX, Meter
from state.digest import NO_DIGEST
from state.overlay import Overlay


class Broken(ContractError):
    """An invariant does not hold."""

    def __init__(self, contract: str, invariant: str, detail: str) -> None:
        super().__init__("invariant_broken", f"{contract}.{invariant} {detail}")
        self.contract = contract
        self.invariant = invariant


def check(scope: Scope, contracts: Contracts) -> None:
    """Ask every contract that ran an action in the scope. :raises Broken: or OutOfFuel."""
    for name in scope.acted:
        deployed = contracts.find(scope.overlay, name)
        assert deployed is not None, "a contract that ran is there"
        asked = broken_of(deployed, contracts, scope.overlay, scope.prefix, scope.height, scope.time_ms, scope.meter)
        for broken in asked:
            if name in scope.upgraded:
                raise ContractError(broken.code, broken.message)
            raise broken


def broken_of(
    deployed: Deployed,
    contracts: Contracts,
    overlay: Overlay[Row],
    prefix: str,
    height: int,
    time_ms: int,
    meter: Meter,
) -> Iterator[Broken]:
    """The contract's invariants that do not hold at that state and time, in the order of its source.

    :raises OutOfFuel: the meter does not last.
    """
    for name in deployed.compiled.invariants:
        memory, meter.memory = meter.memory, MEMORY_BYTES_MAX
        scope = Scope(overlay, prefix, height, time_ms, NO_DIGEST, "", (), meter)
        try:
            holds = invoke(scope, contracts, deployed, name, [], "")
        except ContractError as error:
            yield Broken(deployed.name, name, f"fails: {error}")
        else:
            if holds is not True:
                yield Broken(deployed.name, name, "does not hold")
        finally:
            meter.memory = memory
