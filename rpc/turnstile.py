"""The turnstile: how much of callers' work is done in one turn of the event loop.

Votes, blocks and callers share one loop. A vote that has arrived is handled in the next turn or the one after, so what
may be done in one turn is what a flood of requests can hold a vote up by. Here a turn has a number of units; each
request and each call of a batch takes one, a long body more, and a call whose answer may be long takes a turn of its
own. What finds the turn used up waits in line, first come, first served. While the node has work of its own waiting,
one is let through in each turn, so that callers wait for votes and not the other way round, and yet are never shut out.
"""

import asyncio
from collections import deque
from collections.abc import Callable

UNITS_PER_TURN = 8
"""About a millisecond: a call costs 50 to 150 µs."""

BYTES_PER_UNIT = 16 * 1024
"""What is read and checked for one unit. A body of more units than a turn has is the only one of its turn."""


class Turnstile:
    """Lets callers' work through.

    :param is_pressed: whether the node has work of its own waiting.
    """

    def __init__(self, is_pressed: Callable[[], bool] = lambda: False) -> None:
        self._is_pressed = is_pressed
        self._left = UNITS_PER_TURN
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._is_scheduled = False

    @property
    def waiting_count(self) -> int:
        """How many stand in line: at most one for each connection, since a batch takes one step after the other."""
        return len(self._waiting)

    async def enter(self, units: int = 1) -> None:
        """Return when it is the caller's turn."""
        if self._waiting or not self._has_room(units):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((units, turn))
            self._schedule()
            await turn
        else:
            self._left -= units
            self._schedule()

    def _has_room(self, units: int) -> bool:
        return self._left == UNITS_PER_TURN or (self._left >= units and not self._is_pressed())

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """The loop has come round."""
        self._is_scheduled = False
        self._left = UNITS_PER_TURN
        while self._waiting:
            units, turn = self._waiting[0]
            if turn.done():  # Its caller has gone.
                self._waiting.popleft()
                continue
            if not self._has_room(units):
                break
            self._waiting.popleft()
            turn.set_result(None)
            self._left -= units
        if self._waiting or self._left < UNITS_PER_TURN:
            self._schedule()


def units_of(body: bytes) -> int:
    """What reading a body takes."""
    return 1 + len(body) // BYTES_PER_UNIT
