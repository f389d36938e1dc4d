"""The roster: every member as the state has it, for the node that links with their nodes and for people who ask."""

from dataclasses import dataclass
from typing import cast

from contracts.executor import Executor
from contracts.kernel import layout, members
from contracts.kernel.layout import MemberRow, NodeRow


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """One member, or one who was."""

    id: str
    legal_name: str
    lei: str
    jurisdiction: str
    role: str
    """``bank``, ``settlement_agent``, ``regulator``, ``court``, or ``former``."""
    account: str
    """Address of its own account."""
    validates: bool
    """Whether it is in the set of that height, or in a later one that is known."""
    vote_key: bytes | None
    node_key: bytes | None
    root_certificate: bytes
    """DER; empty for a member without a node, as is the host."""
    host: str
    port: int

    @property
    def is_former(self) -> bool:
        """Whether it has left."""
        return self.role == members.FORMER


@dataclass(frozen=True, slots=True)
class Roster:
    """All members after a height."""

    height: int
    entries: tuple[RosterEntry, ...]
    """Ascending by id."""

    def find(self, member: str) -> RosterEntry | None:
        """The entry of that id, None if there is none."""
        return next((entry for entry in self.entries if entry.id == member), None)


def roster(executor: Executor) -> Roster:
    """The members after the latest height."""
    overlay, height = executor.overlay(), executor.world.height
    validating = members.validating(overlay, height)
    entries = []
    for member in members.listed(overlay):
        row = cast(MemberRow, overlay.get(layout.member_key(member)))
        root, host, port = cast("NodeRow | None", overlay.get(layout.node_key(member))) or (b"", "", 0)
        entries.append(RosterEntry(member, *row[:5], member in validating, *row[5:], root, host, port))
    return Roster(height, tuple(entries))
