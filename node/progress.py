"""Progress: what a node that is behind says while it catches up."""

import logging
from collections.abc import Callable

from node.seams import Clock, Executed
from state.block import Block

BEHIND_BLOCKS = 64
"""Fewer missing blocks are nothing to speak of."""

REPORT_MS = 5_000


class Progress:
    """Logs where a node is that is far behind, and when it is there.

    :param target_height: highest height that enough peers say is decided.
    """

    def __init__(self, clock: Clock, target_height: Callable[[], int], logger: logging.Logger) -> None:
        self._clock = clock
        self._target_height = target_height
        self._logger = logger
        self._reported: tuple[int, int] | None = None
        """When, and at which height; None while there is nothing to say."""

    def executed(self, block: Block, _: Executed) -> None:
        """A block is executed."""
        height, now_ms = block.height, self._clock.monotonic_ms()
        if self._reported is not None and now_ms < self._reported[0] + REPORT_MS:
            return
        target_height = self._target_height()
        if target_height >= height + BEHIND_BLOCKS:
            facts = {"height": height, "of": target_height}
            if self._reported is not None:
                passed_ms = now_ms - self._reported[0]
                facts["blocks_per_second"] = (height - self._reported[1]) * 1_000 // passed_ms
            self._logger.info("catching up", extra={"facts": facts})
            self._reported = now_ms, height
        elif self._reported is not None:
            self._logger.info("caught up", extra={"facts": {"height": height}})
            self._reported = None
