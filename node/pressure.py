"""Pressure: how long a transaction that is taken in now would wait until it is final, and when that is too long.

The expected wait is what stands before it (pending, being checked, decided and not yet executed) divided by the rate
at which blocks are executed here. Beyond a limit clients are told to come again, and when: so what was accepted is
final within a bounded time however much is offered, and the processor commits instead of checking ever more.

The rate can only be measured while there is work, and says what the network is able to do only while more waits than
it carries at once. So the estimate rises whenever more was done than it says, and falls only while the wait is
noticeable. A network that stands still with work waiting is measured by how long it has stood.
"""

from collections.abc import Callable
from enum import IntEnum

from node.seams import Clock

WAIT_MS_MAX = 1_200
"""Longest expected wait at which anything is taken in, ms. Estimates err, and four nodes take in at once: on a machine
with nothing else to do, nearly all is final within 2 s."""

CROWDED_MS = 800
"""From here on only senders with nothing pending are heard, so that a flood of a few shuts nobody out. Much less, and
the pool would hold too little for blocks of the size that a loaded network needs."""

NOTICEABLE_MS = 400
"""Below this wait the network may well have carried more than it was given."""

WINDOW_MS = 2_000
"""Time with work, most recent first, over which the rate is measured."""

MEASURED_MS_MIN = 500
"""Less than that says nothing."""

BLOCK_MS_MAX = 1_000
"""Most that one block counts for: that the network stood still does not say how fast it goes on."""

RATE_AT_START = 1_000
"""Transactions a second that a network is believed to carry before it has shown what it can."""

RATE_MIN = 200
"""However long it has stood still: so much times the limit may wait here."""

RETRY_MS_MIN = 50
RETRY_MS_MAX = 10_000
"""When a refused client is to come again: when the wait will be short enough, but within these."""


class Level(IntEnum):
    """Who is heard."""

    CALM = 0
    CROWDED = 1
    """Senders that have nothing pending."""
    BUSY = 2
    """Nobody."""


class Pressure:
    """The estimate of one node.

    :param depth: transactions that are not final yet and stand before a new one.
    """

    __slots__ = ("_clock", "_depth", "_done", "_is_pressed", "_rate", "_since_ms", "_worked_ms")

    def __init__(self, clock: Clock, depth: Callable[[], int]) -> None:
        self._clock = clock
        self._depth = depth
        self._rate = float(RATE_AT_START)
        self._done = 0.0
        self._worked_ms = 0.0
        self._since_ms: int | None = None
        """Since when there has been work and no block executed; None while there is nothing to do."""
        self._is_pressed = False
        """Whether the wait has been noticeable for as long as is measured."""

    @property
    def rate(self) -> int:
        """Transactions a second that the network is believed to carry."""
        return int(self._rate)

    def executed(self, count: int) -> None:
        """A block of so many transactions is final here; ``depth`` no longer counts them."""
        now_ms = self._clock.monotonic_ms()
        if self._since_ms is not None:
            self._count(count, min(now_ms - self._since_ms, BLOCK_MS_MAX))
        if self._is_noticeable() and not self._is_pressed:
            self._done, self._worked_ms = 0.0, 0.0  # From here on it is the network that is measured, not its clients.
        self._is_pressed = self._is_noticeable()
        self._since_ms = now_ms if self._depth() else None

    def level(self) -> Level:
        """Who is heard now."""
        wait_ms = self.wait_ms()
        if wait_ms < CROWDED_MS:
            return Level.CALM
        return Level.CROWDED if wait_ms < WAIT_MS_MAX else Level.BUSY

    def wait_ms(self) -> int:
        """How long what is taken in now is expected to wait."""
        depth = self._depth()
        if not depth:
            return 0
        if self._since_ms is None:
            self._since_ms = self._clock.monotonic_ms()
        return int(depth * 1000 / self._rate_now())

    def retry_after_ms(self) -> int:
        """When whoever is refused now is to come again: by then so much is done that the wait is short enough."""
        return min(max(self.wait_ms() - CROWDED_MS, RETRY_MS_MIN), RETRY_MS_MAX)

    def _count(self, count: int, ms: int) -> None:
        self._done += count
        self._worked_ms += ms
        if self._worked_ms > WINDOW_MS:
            self._done *= WINDOW_MS / self._worked_ms
            self._worked_ms = WINDOW_MS
        if self._worked_ms >= MEASURED_MS_MIN:
            measured = self._done * 1000 / self._worked_ms
            if self._is_pressed or measured > self._rate:
                self._rate = max(measured, RATE_MIN)

    def _is_noticeable(self) -> bool:
        return self._depth() * 1000 > NOTICEABLE_MS * self._rate

    def _rate_now(self) -> float:
        """The rate, the time counted that has passed since the newest block."""
        if self._since_ms is None or not self._is_noticeable():
            return self._rate
        stood_ms = self._clock.monotonic_ms() - self._since_ms
        if stood_ms < MEASURED_MS_MIN:
            return self._rate
        return max(self._rate * WINDOW_MS / (WINDOW_MS + stood_ms), RATE_MIN)
