"""The service manager: what systemd is told of a node (Type=notify), and the watchdog that the driver feeds.

A message is one datagram of lines ``NAME=value`` to the socket that NOTIFY_SOCKET names (sd_notify(3)); without that
variable nobody is told anything. The node is ready when it takes part. From then on the manager wants a sign of life
in each interval that WATCHDOG_USEC names, and kills and restarts what gives none. The sign is given in a turn of the
driver, and only while what the driver waits for moves: so a loop that stands still, a driver that takes no events any
more and an execution process that hangs all end in a restart, and a slow start or an idle network do not.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

FEEDS_PER_INTERVAL = 3
"""Signs of life in one interval of the manager: two may be late."""

EXECUTION_SECONDS_MAX = 120.0
"""A block takes about a second. When none of those that are decided was executed for so long, execution hangs."""

START_SECONDS = 60
"""So much more time to start is asked for, again and again, as long as the loop turns: a replay takes its time."""

logger = logging.getLogger("hansa.node")


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the driver has got done."""

    decided_height: int
    executed_height: int
    status: str
    """One line for ``systemctl status``."""


class ServiceManager:
    """Who started this process and wants to hear of it; or nobody."""

    def __init__(self, environment: Mapping[str, str], process_id: int) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        usec, watched = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        is_ours = watched in ("", str(process_id))
        self.watchdog_seconds = int(usec) / 1_000_000 if usec.isdigit() and is_ours and self._address else 0.0
        """How often a sign of life is wanted at least; 0 for never."""

    @property
    def is_there(self) -> bool:
        """Whether anybody listens."""
        return bool(self._address)

    def tell(self, *lines: str) -> None:
        """Send lines as one message. A manager that is gone is no reason to end."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)
                channel.connect(address)
                channel.send("\n".join(lines).encode())
        except OSError as error:
            logger.warning("the service manager can't be told", extra={"facts": {"error": error.strerror}})

    def ready(self) -> None:
        """The node takes part."""
        self.tell("READY=1", "STATUS=started")

    def stopping(self, status: str = "stopping") -> None:
        """The node ends in good order."""
        self.tell("STOPPING=1", f"STATUS={status}")


async def ask_for_time(manager: ServiceManager, seconds: float = START_SECONDS / 3) -> None:
    """Ask for more time to start, until cancelled."""
    while manager.is_there:
        manager.tell(f"EXTEND_TIMEOUT_USEC={START_SECONDS * 1_000_000}", "STATUS=starting")
        await asyncio.sleep(seconds)


class Watchdog:
    """Feeds the manager's watchdog from turns of the driver.

    :param next_turn: has the driver call back in a turn of its own, after so many ms.
    :param vitals: what the driver has got done.
    :param clock: monotonic seconds.
    """

    def __init__(
        self,
        manager: ServiceManager,
        next_turn: Callable[[int, Callable[[], None]], None],
        vitals: Callable[[], Vitals],
        clock: Callable[[], float],
    ) -> None:
        self._manager = manager
        self._next_turn = next_turn
        self._vitals = vitals
        self._clock = clock
        self._executed_height = -1
        self._moved_at = clock()

    def start(self) -> None:
        """Feed it from now on."""
        if self._manager.watchdog_seconds:
            self._feed()

    def _feed(self) -> None:
        vitals, now = self._vitals(), self._clock()
        if vitals.executed_height != self._executed_height or vitals.executed_height >= vitals.decided_height:
            self._executed_height, self._moved_at = vitals.executed_height, now
        if now - self._moved_at < EXECUTION_SECONDS_MAX:
            self._manager.tell("WATCHDOG=1", f"STATUS={vitals.status}")
        else:
            logger.error("no block was executed for long: the watchdog is not fed", extra={"facts": _facts(vitals)})
        interval_ms = int(self._manager.watchdog_seconds * 1000 / FEEDS_PER_INTERVAL)
        self._next_turn(max(1, interval_ms), self._feed)


def _facts(vitals: Vitals) -> dict[str, int]:
    return {"decided": vitals.decided_height, "executed": vitals.executed_height}
