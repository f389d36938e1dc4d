"""Warnings before a TLS certificate ends, 30, 7 and 1 days ahead and when it has.

Nodes renew their certificates by themselves 30 days before the end (p2p.identity), so there is something to warn of
only where that has failed: our own, always, and a member's whose newest handshake already showed an old one. What a
link showed long ago, and has been up since, says nothing.
"""

import logging
import math
from collections.abc import Callable, Mapping

LIMITS_DAYS = (30, 7, 1, 0)
"""Each is told of once, when fewer whole days are left."""

CHECK_SECONDS = 3600.0
"""A warning needs two checks: in the hour before the renewal a good certificate is just below 30 days."""


class Expiries:
    """What is known of certificates' ends, by owner."""

    def __init__(self, warn: Callable[[str, int], None]) -> None:
        """:param warn: takes the owner ('' for ourselves) and the whole days left, negative after the end."""
        self._warn = warn
        self._days: dict[str, int] = {}
        self._late: set[str] = set()
        """Owners whose present certificate was old when it was first seen here; ourselves always."""
        self._told: dict[str, int] = {}
        """The lowest limit that was told of."""

    def least_of_members(self) -> float:
        """The least that is left to a member whose newest handshake showed an old certificate; infinity for none."""
        return min((self._days[owner] for owner in self._late if owner), default=math.inf)

    def check(self, days: Mapping[str, int]) -> None:
        """Look at everybody's days, in the same interval again and again."""
        for owner, left in days.items():
            before = self._days.get(owner)
            self._days[owner] = left
            if before is None or left > before:
                self._told.pop(owner, None)
                self._late.discard(owner)
                if owner == "" or left < LIMITS_DAYS[0]:
                    self._late.add(owner)
                continue
            passed = [limit for limit in LIMITS_DAYS if left < limit and before < LIMITS_DAYS[0]]
            if owner in self._late and passed and passed[-1] < self._told.get(owner, LIMITS_DAYS[0] + 1):
                self._told[owner] = passed[-1]
                self._warn(owner, left)
        for gone in self._days.keys() - days.keys():
            del self._days[gone]
            self._told.pop(gone, None)
            self._late.discard(gone)


def log_to(logger: logging.Logger) -> Callable[[str, int], None]:
    """A ``warn`` that writes sentences."""

    def warn(owner: str, days: int) -> None:
        ends = f"ends in {days} days" if days >= 0 else "has ended"
        if owner:
            logger.warning(
                f"the TLS certificate that {owner} shows {ends} and was not renewed: its node must be restarted, or it "
                "links with nobody any more",
                extra={"facts": {"member": owner, "days": days}},
            )
        else:
            logger.warning(
                f"this node's TLS certificate {ends} and was not renewed: check its clock and restart it",
                extra={"facts": {"days": days}},
            )

    return warn
