"""The agenda: when scheduled calls fall due, as the newest executed state says, so that a block is made for them.

It is only asked while everything decided here has been executed: before that, the calls that it knows of may have
run in a block that is on its way.
"""

from collections.abc import Callable

from node.seams import Clock


class Agenda:
    """When there is scheduled work.

    :param next_due_ms: when the first pending call is to run, ms since 1970; None if none is.
    :param is_current: whether everything that is decided here has been executed.
    """

    def __init__(self, clock: Clock, next_due_ms: int | None, is_current: Callable[[], bool]) -> None:
        self._clock = clock
        self._is_current = is_current
        self._block_ms = 0
        self.next_due_ms = next_due_ms

    def executed(self, block_ms: int, next_due_ms: int | None) -> None:
        """A block of that time has been executed, and this is when the next call is to run."""
        self._block_ms = block_ms
        self.next_due_ms = next_due_ms

    def wait_ms(self) -> int | None:
        """How long until a block would run a call, 0 if one would now; None while that isn't known, or never."""
        if self.next_due_ms is None or not self._is_current():
            return None
        return max(self.next_due_ms - max(self._clock.now_ms(), self._block_ms + 1), 0)
