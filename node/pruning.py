"""Pruning: blocks further back than the configuration keeps are forgotten, a few at a time.

What the rules stand on stays: every id that was executed, who validated, what proves it, evidence, and the blocks in
whose transactions' window the chain still is. Receipts and histories stay too; they are the state's.
"""

from collections.abc import Callable

from node.chain import Chain
from node.seams import Executed
from state.block import Block
from state.snapshot import SNAPSHOT_HEIGHTS

PRUNED_AT_ONCE = 256
"""Blocks that are forgotten in one turn: a few milliseconds of writing."""


class Pruner:
    """Keeps a chain as long as is wanted.

    :param keep_blocks: newest blocks that stay; 0 for all.
    :param lag: L.
    :param window_ms: how far ahead a transaction may be valid at a height.
    """

    def __init__(self, chain: Chain, keep_blocks: int, lag: int, window_ms: Callable[[int], int]) -> None:
        self._chain = chain
        self._keep_blocks = keep_blocks
        self._lag = lag
        self._window_ms = window_ms

    def executed(self, block: Block, _: Executed) -> None:
        """A block is executed: every now and then, see what can go."""
        if self._keep_blocks and not block.height % SNAPSHOT_HEIGHTS:
            self.prune(block.height, block.header.timestamp_ms)

    def prune(self, height: int, time_ms: int) -> None:
        """Forget what is too old at that height and time."""
        chain = self._chain
        first = min(height - self._keep_blocks + 1, chain.first_height + PRUNED_AT_ONCE)
        first -= (first - chain.first_height) % SNAPSHOT_HEIGHTS  # In whole steps, so that few blocks are looked at.
        while first > chain.first_height:
            newest = chain.header(first - 1)
            assert newest is not None, "a block that has not been pruned is there"
            if newest.header.timestamp_ms + self._window_ms(height) < time_ms:
                chain.prune(first, self._proves_change)
                return
            first -= SNAPSHOT_HEIGHTS

    def _proves_change(self, height: int) -> bool:
        return height + self._lag in self._chain.changes(height + self._lag - 1, 1)
