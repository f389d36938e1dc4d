"""What a benchmark says while it runs: to people, on the standard error, in lines and one line that changes."""

import sys
import time

QUIET_SECONDS = 20.0
"""Where no terminal shows a changing line, a line that stays says so often how far it is."""


class Progress:
    """Lines with the time since the start; on a terminal also a line that is written over."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._is_terminal = sys.stderr.isatty()
        self._said = self._started

    def __call__(self, line: str) -> None:
        """A line that stays."""
        self._said = time.perf_counter()
        clear = "\r\x1b[K" if self._is_terminal else ""
        print(f"{clear}{time.perf_counter() - self._started:6.1f} s  {line}", file=sys.stderr, flush=True)

    def tick(self, line: str) -> None:
        """How far it is, over the last such line."""
        if not self._is_terminal:
            if time.perf_counter() - self._said > QUIET_SECONDS:
                self(line)
        else:
            print(f"\r\x1b[K          {line}", end="", file=sys.stderr, flush=True)
