"""Virtual time: a heap of (time, sequence, action), and every source of chance, all from one seed."""

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random


class Timeline:
    """Runs actions in the order of their times; nothing happens between them."""

    def __init__(self, seed: int) -> None:
        self.now_ms = 0
        self._seed = seed
        self._sequence = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._chances: dict[str, Random] = {}

    def chance(self, purpose: str) -> Random:
        """The source of chance for one purpose: what one part draws changes nothing for another."""
        if purpose not in self._chances:
            self._chances[purpose] = Random(f"{self._seed} {purpose}")
        return self._chances[purpose]

    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Run ``action`` that much later."""
        self._sequence += 1
        heappush(self._heap, (self.now_ms + delay_ms, self._sequence, action))

    def run(self, duration_ms: int) -> None:
        """Run everything that is due within that time."""
        until_ms, heap = self.now_ms + duration_ms, self._heap
        while heap and heap[0][0] <= until_ms:
            self.now_ms, _, action = heappop(heap)
            action()
        self.now_ms = until_ms
