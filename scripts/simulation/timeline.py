"""Virtual time: a heap of (time, sequence, action)."""

import heapq
from collections.abc import Callable
from random import Random


class Timeline:
    """Runs actions in the order of their times; nothing happens between them."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now_ms = 0
        self._sequence = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []

    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Run ``action`` that much later."""
        self._sequence += 1
        heapq.heappush(self._heap, (self.now_ms + delay_ms, self._sequence, action))

    def run(self, until_ms: int) -> None:
        """Run everything that is due by then."""
        while self._heap and self._heap[0][0] <= until_ms:
            self.now_ms, _, action = heapq.heappop(self._heap)
            action()
        self.now_ms = until_ms
