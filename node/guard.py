"""The amnesia guard (rule 3): a validator that may have lost its newest record signs nothing until others have said
what they hold of it.

In the handshake each peer gives the newest vote of this node's own that it has. Once q − 1 other validators have
done so, signing is allowed; if one of the votes is not covered by the record on disk, the disk is an old one, and
the node abstains until the height of that vote is decided. This detects ordinary restores of old backups; it is no
proof against f liars.

Of a home that was put back from a backup (node/restored.py) it is known that the record may be old: it also abstains
up to two heights above the highest that those peers have decided.
"""

from node.history import ValidatorHistory
from node.restored import HEIGHTS_ABOVE
from node.signer import Signer
from state import codec
from state.errors import Invalid
from state.votes import SignedVote

NEWEST_VOTE_BYTES_MAX = 1_024
"""Largest encoded vote in a handshake."""


class AmnesiaGuard:
    """Waits for peers after a start.

    :param is_restored: whether the record is known to be an old one.
    """

    def __init__(self, signer: Signer, validators: ValidatorHistory, *, is_restored: bool = False) -> None:
        self._signer = signer
        self._is_restored = is_restored
        self._validators = validators
        self._heard: dict[str, None] = {}
        self._above_height = 0
        self._is_open = False

    def joined(self, member: str | None, newest_vote: bytes, height: int, decided_height: int = 0) -> int | None:
        """A peer has said what it holds; None for the node itself, which asks once at the start.

        :param height: the validators of this height count: the first undecided one, or the last with a known set.
        :param decided_height: the newest height that the peer says is decided.
        :returns: the height up to which to abstain (0: none), once, when enough have spoken; else None.
        """
        if self._is_open:
            return None
        validators = self._validators.at(height)
        own = (self._signer.public, *self._signer.others)
        others = [item.member for item in validators.validators if item.vote_key not in own]
        if member in others:
            self._heard[member] = None
            self._above_height = max(self._above_height, self._height_above_record(newest_vote))
            if self._is_restored:
                self._above_height = max(self._above_height, decided_height + HEIGHTS_ABOVE)
        if len(self._heard) < validators.quorum - 1:
            return None
        self._is_open = True
        return self._above_height

    def _height_above_record(self, newest_vote: bytes) -> int:
        """Height of a genuine own vote that the record does not cover, 0 for anything else."""
        if not newest_vote:
            return 0
        try:
            signed = SignedVote.from_value(codec.unpack(newest_vote, NEWEST_VOTE_BYTES_MAX))
        except Invalid:
            return 0
        if not self._signer.is_own(signed) or not self._signer.record.is_below(signed.vote):
            return 0
        return signed.height
