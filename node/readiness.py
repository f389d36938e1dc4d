"""Whether a node can do its work now, and why not: what /readyz and ``node_status`` say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from node.history import ValidatorHistory
from node.notices import Notices
from node.runtime import PeerLinks
from node.seams import Clock

BEHIND_HEIGHTS = 3
"""So many heights behind what a peer has is behind; fewer is the ordinary course of agreement."""

EXECUTION_BEHIND_HEIGHTS = 4
"""So many decided blocks waiting for execution are too many."""

STALL_HEARTBEATS = 3
"""So many heartbeats without a new block are a stall."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """Where readiness is read."""

    member: str
    history: ValidatorHistory
    links: PeerLinks
    notices: Notices
    clock: Clock
    heartbeat_ms: int
    decided_height: Callable[[], int]
    executed_height: Callable[[], int]
    target_height: Callable[[], int]


def reasons(vitals: Vitals) -> Sequence[str]:
    """Why the node is not ready, one sentence each; nothing when it is."""
    found = []
    if vitals.notices.halt is not None:
        found.append(f"halted: {vitals.notices.halt.reason}")
    decided, executed, target = vitals.decided_height(), vitals.executed_height(), vitals.target_height()
    validators = vitals.history.find(decided + 1)
    if validators is not None:
        members = [validator.member for validator in validators.validators]
        linked = [member for member in vitals.links.linked if member in members]
        needed = validators.quorum - (vitals.member in members)
        if len(linked) < needed:
            found.append(f"no quorum of peers: linked with {len(linked)} validators, {needed} are needed")
    if target >= decided + BEHIND_HEIGHTS:
        found.append(f"behind: at height {decided}, a peer has {target}")
    if decided >= executed + EXECUTION_BEHIND_HEIGHTS:
        found.append(f"behind: {decided} is decided, {executed} is executed")
    silent_ms = vitals.clock.monotonic_ms() - vitals.notices.executed_ms
    if silent_ms > STALL_HEARTBEATS * vitals.heartbeat_ms:
        found.append(f"stalled: no new block for {silent_ms // 1000} s")
    return found
