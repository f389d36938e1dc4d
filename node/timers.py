"""Named timers over a clock whose timers cannot be called back."""

from collections.abc import Callable

from node.seams import Clock, TimerFired


class Timers:
    """Timers by name. Setting a name again replaces its timer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sequence = 0
        self._running: dict[str, tuple[int, Callable[[], None]]] = {}

    def set(self, name: str, delay_ms: int, action: Callable[[], None]) -> None:
        """Call ``action`` in the driver's turn after ``delay_ms``."""
        self._sequence += 1
        self._running[name] = self._sequence, action
        self._clock.fire(delay_ms, TimerFired(name, self._sequence))

    def cancel(self, name: str) -> None:
        """Forget the timer, if it runs."""
        self._running.pop(name, None)

    def is_running(self, name: str) -> bool:
        """Whether the timer is set and has not fired."""
        return name in self._running

    def fired(self, event: TimerFired) -> None:
        """A timer has run out: act, unless it was replaced or cancelled."""
        sequence, action = self._running.get(event.name, (0, None))
        if action is not None and sequence == event.sequence:
            del self._running[event.name]
            action()
