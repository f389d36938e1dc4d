"""Offences: what no correct member sends, counted for each, until its links are cut for a while.

A link proves who speaks on it, and a correct node passes on only what it has checked. So a signature that does not
match, or bytes that are no message, are the sender's own doing. Each costs this node some work; a few may come of a
bug, a flood is an attack, and one member's floods must not slow down the others' agreement.
"""

from dataclasses import dataclass

from state.errors import Reason

OFFENCES = (Reason.BAD_SIGNATURE, Reason.MALFORMED, Reason.TOO_LARGE, Reason.NO_QUORUM)
"""What does not depend on the receiver's clock, height or version."""

OFFENCES_MAX = 64
"""With so many a member is barred: 10 ms of checking signatures."""

FORGIVEN_PER_SECOND = 1
"""Offences are forgotten so fast."""

BARRED_SECONDS = 60
"""How long a barred member is not heard."""


@dataclass(slots=True)
class _Account:
    """One member's."""

    count: float
    counted_ms: int
    barred_until_ms: int


class Offences:
    """The accounts of all members that ever offended."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}

    def is_barred(self, member: str, now_ms: int) -> bool:
        """Whether nothing of that member is heard now."""
        account = self._accounts.get(member)
        return account is not None and now_ms < account.barred_until_ms

    def add(self, member: str, count: int, now_ms: int) -> bool:
        """Count offences; whether the member is barred for them, from now on."""
        account = self._accounts.setdefault(member, _Account(0.0, now_ms, 0))
        forgiven = FORGIVEN_PER_SECOND * (now_ms - account.counted_ms) / 1000
        account.count, account.counted_ms = max(0.0, account.count - forgiven) + count, now_ms
        if account.count < OFFENCES_MAX or now_ms < account.barred_until_ms:
            return False
        account.count, account.barred_until_ms = 0.0, now_ms + 1000 * BARRED_SECONDS
        return True
