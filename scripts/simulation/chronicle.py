"""The account of a run: lines for a person, and a fingerprint of every byte that was sent, for comparing runs."""

from collections.abc import Callable
from hashlib import sha256

from scripts.simulation.timeline import Timeline


class Chronicle:
    """Says what happened and when.

    :param write: takes each line; None when nobody reads.
    """

    def __init__(self, timeline: Timeline, write: Callable[[str], None] | None) -> None:
        self._timeline = timeline
        self._write = write
        self._sent = sha256()

    def say(self, who: str, what: str) -> None:
        """Something happened at ``who``."""
        if self._write is not None:
            self._write(f"{self._timeline.now_ms / 1000:9.3f} s  {who:<12} {what}")

    def sent(self, who: str, payload: bytes) -> None:
        """A frame has left."""
        self._sent.update(b"%d %s %d " % (self._timeline.now_ms, who.encode(), len(payload)))
        self._sent.update(payload)

    @property
    def fingerprint(self) -> str:
        """Two runs with the same one sent the same bytes at the same times."""
        return self._sent.hexdigest()[:16]
