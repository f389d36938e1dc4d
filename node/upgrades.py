"""Upgrades: what a node says, and when it ends, if the members have voted for rules that its software does not know.

From the vote on it warns, in its log and in ``node_status``. It takes part up to the last block that it understands,
executes that, and ends with a sentence and an exit code of its own, so that nothing restarts it before it is replaced.
Software that knows the version goes on from there with what is on disk.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from node.history import ParameterHistory
from state import protocol
from state.errors import Invalid, Reason

EXIT_CODE = 5
"""Of a daemon whose software must be replaced: starting it again is of no use, and the unit does not."""

TOLD_HEIGHTS = (100_000, 10_000, 1_000, 100, 10)
"""Heights before the version is in force, at each of which the log warns again."""


@dataclass(frozen=True, slots=True)
class Activation:
    """Another version of the protocol, from a height on."""

    first_height: int
    version: int

    @property
    def is_known(self) -> bool:
        """Whether this software knows it."""
        return protocol.is_known(self.version)


def ahead(limits: ParameterHistory, height: int) -> Activation | None:
    """What is voted and not in force yet after a height."""
    found = limits.next_version(height)
    return None if found is None else Activation(*found)


def sentence(version: int, first_height: int, software: str) -> str:
    """Why a node ends."""
    return (
        f"from block {first_height} on protocol version {version} is in force, and this software (hansa {software}) "
        f"knows none above {protocol.NEWEST}: install a release that knows {version}, and start again. Nothing is lost"
    )


def warnings(limits: ParameterHistory, height: int, software: str) -> tuple[str, ...]:
    """What the operator must know of after a height."""
    found = ahead(limits, height)
    if found is None or found.is_known:
        return ()
    return (sentence(found.version, found.first_height, software),)


def check(limits: ParameterHistory, height: int, software: str) -> None:
    """Whether this software knows the rules of a height. :raises Invalid: UPGRADE_NEEDED."""
    version = limits.at(height).protocol_version
    if not protocol.is_known(version):
        raise Invalid(Reason.UPGRADE_NEEDED, sentence(version, height, software))


class Watch:
    """Warns of what is ahead, as it comes nearer.

    :param lacking: members that are linked and whose software is not known to know a version.
    """

    def __init__(
        self, limits: ParameterHistory, software: str, logger: logging.Logger, lacking: Callable[[int], list[str]]
    ) -> None:
        self._limits = limits
        self._software = software
        self._logger = logger
        self._lacking = lacking
        self._told: tuple[Activation, int] | None = None

    def executed(self, height: int) -> None:
        """A height is executed: say what is new, or nearer than when it was said last."""
        found = ahead(self._limits, height)
        if found is None:
            if self._told is not None and self._limits.at(height).protocol_version != self._told[0].version:
                self._logger.warning("the next protocol version is called off")
            self._told = None
            return
        left = found.first_height - height
        limit = min((limit for limit in TOLD_HEIGHTS if left <= limit), default=TOLD_HEIGHTS[0] + 1)
        if self._told is None or self._told[0] != found or limit < self._told[1]:
            self._told = found, limit
            self._warn(found, left)

    def _warn(self, found: Activation, left: int) -> None:
        facts = {"version": found.version, "first_height": found.first_height, "heights_left": left}
        if not found.is_known:
            text = f"{sentence(found.version, found.first_height, self._software)}. This node stops before that block"
            self._logger.error(text, extra={"facts": facts})
            return
        lacking = ", ".join(self._lacking(found.version))
        what = f"protocol version {found.version} is in force soon, and this software knows it"
        self._logger.warning(what, extra={"facts": facts | ({"not_ready": lacking} if lacking else {})})
