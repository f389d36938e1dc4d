"""Who is behind (rule 7), told from what peers send, and how much help each gets between two ticks."""

from consensus.events import Behind, DecidedWanted, Decision
from consensus.messages import DecidedMessage, Inquiry
from consensus.outbox import Outbox

ANSWERS_MAX = 8
"""Answers to one peer between two ticks: further heights come by block sync."""

INQUIRY_GAP_MAX = 2
"""Up to here a replica asks for decided heights one by one; beyond, block sync is faster."""

PEERS_MAX = 1_024
"""Peers that are kept track of; members are far fewer."""


class Stragglers:
    """What is known of peers' heights. Empties itself tick by tick."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._suspects: dict[str, tuple[int, bool]] = {}
        self._answered: dict[str, set[int]] = {}
        self._certified: set[str] = set()
        self._behind: dict[str, int] = {}

    @property
    def pending(self) -> bool:
        """Whether a tick has something to do here."""
        return bool(self._suspects or self._answered or self._certified or self._behind)

    def heard(self, peer: str | None, height: int) -> None:
        """A peer shows that it has decided every height below ``height``."""
        if peer in self._suspects and self._suspects[peer][0] < height:
            del self._suspects[peer]

    def suspect(self, peer: str, height: int) -> None:
        """A peer sent a vote of a decided height. If nothing newer follows within a tick, it lacks the decision."""
        if peer not in self._suspects and len(self._suspects) < PEERS_MAX:
            self._suspects[peer] = (height, False)

    def tick(self) -> list[tuple[str, int]]:
        """(peer, height) of those that have been suspects for a whole tick."""
        due = [(peer, height) for peer, (height, old) in self._suspects.items() if old]
        self._suspects = {peer: (height, True) for peer, (height, old) in self._suspects.items() if not old}
        self._answered.clear()
        self._certified.clear()
        self._behind.clear()
        return due

    def answer(self, peer: str, height: int, decided: Decision | None) -> None:
        """Send a peer the block and certificate of a decided height, once for each height between two ticks.

        :param decided: the last decision; older ones are on the driver's disk.
        """
        if decided is None or height == 0 or not self._may_answer(peer, height):
            return
        newest = decided.block.height
        if height == newest:
            self._outbox.send(DecidedMessage(decided.block, decided.certificate, newest + 1), peer)
        else:
            self._outbox.decided_wanted.append(DecidedWanted(peer, height))

    def ahead(self, peer: str, height: int, inquiry: Inquiry) -> None:
        """A peer claims to be at ``height``: ask it for what is decided there, or leave it to block sync."""
        if height - inquiry.height <= INQUIRY_GAP_MAX:
            self._outbox.send(inquiry, peer)
        else:
            self.behind(peer, height)

    def _may_answer(self, peer: str, height: int) -> bool:
        if peer not in self._answered and len(self._answered) >= PEERS_MAX:
            return False
        heights = self._answered.setdefault(peer, set())
        if height in heights or len(heights) >= ANSWERS_MAX:
            return False
        heights.add(height)
        return True

    def may_certify(self, peer: str) -> bool:
        """Whether to send checkpoint certificates now: once for each peer between two ticks."""
        if peer in self._certified or len(self._certified) >= PEERS_MAX:
            return False
        self._certified.add(peer)
        return True

    def behind(self, peer: str, height: int) -> None:
        """A peer claims to be at ``height``, further than this node: told once between two ticks, or when it grows."""
        if height > self._behind.get(peer, 0) and (peer in self._behind or len(self._behind) < PEERS_MAX):
            self._behind[peer] = height
            self._outbox.behind.append(Behind(peer, height))
