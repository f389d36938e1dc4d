"""Pressure: what is believed of the network's pace, and when clients are told to come again."""

import pytest

from node.pressure import (
    CROWDED_MS,
    NOTICEABLE_MS,
    RATE_AT_START,
    RATE_MIN,
    RETRY_MS_MAX,
    RETRY_MS_MIN,
    WAIT_MS_MAX,
    WINDOW_MS,
    Level,
    Pressure,
)
from node.seams import TimerFired


class Work:
    """What waits at a node, and its clock."""

    def __init__(self) -> None:
        self.at_ms = 1_000_000
        self.waiting = 0
        self.pressure = Pressure(self, lambda: self.waiting)

    def now_ms(self) -> int:
        raise AssertionError("pressure is measured by the clock that never jumps")

    def monotonic_ms(self) -> int:
        return self.at_ms

    def fire(self, delay_ms: int, event: TimerFired) -> None:
        raise AssertionError("nothing here sets a timer")

    def block(self, count: int, after_ms: int) -> None:
        """So many become final, after so long."""
        self.at_ms += after_ms
        self.waiting -= count
        self.pressure.executed(count)

    def blocks(self, count: int, every_ms: int, for_ms: int) -> None:
        """A steady pace, as much coming in as is carried off."""
        for _ in range(for_ms // every_ms):
            self.waiting += count
            self.block(count, every_ms)


@pytest.mark.parametrize(
    ("waiting", "wait_ms", "level", "retry_ms"),
    [
        (0, 0, Level.CALM, RETRY_MS_MIN),
        (1, 1, Level.CALM, RETRY_MS_MIN),
        (CROWDED_MS - 1, CROWDED_MS - 1, Level.CALM, RETRY_MS_MIN),
        (CROWDED_MS, CROWDED_MS, Level.CROWDED, RETRY_MS_MIN),
        (WAIT_MS_MAX - 1, WAIT_MS_MAX - 1, Level.CROWDED, WAIT_MS_MAX - 1 - CROWDED_MS),
        (WAIT_MS_MAX, WAIT_MS_MAX, Level.BUSY, WAIT_MS_MAX - CROWDED_MS),
        (1_000_000, 1_000_000, Level.BUSY, RETRY_MS_MAX),
    ],
)
def test_who_is_heard_at_a_thousand_a_second(waiting: int, wait_ms: int, level: Level, retry_ms: int) -> None:
    assert RATE_AT_START == 1_000
    work = Work()
    work.waiting = waiting
    assert (work.pressure.wait_ms(), work.pressure.level(), work.pressure.retry_after_ms()) == (
        wait_ms,
        level,
        retry_ms,
    )


def test_the_estimate_rises_with_what_is_done() -> None:
    work = Work()
    work.waiting = 2_700
    assert work.pressure.level() is Level.BUSY
    work.blocks(300, 100, 2 * WINDOW_MS)
    assert work.pressure.rate == 3_000
    assert work.pressure.level() is Level.CROWDED


def test_it_falls_while_the_wait_is_noticeable() -> None:
    work = Work()
    work.waiting = RATE_AT_START * NOTICEABLE_MS // 1000 + 100
    assert work.pressure.level() is Level.CALM
    work.blocks(50, 100, 5 * WINDOW_MS)
    assert 500 <= work.pressure.rate < 505
    assert work.pressure.level() is Level.CROWDED


def test_it_does_not_fall_for_want_of_work() -> None:
    """A network that is given little, and one that has rested, is believed to carry what it once did."""
    work = Work()
    work.waiting = 1_000
    work.blocks(250, 100, WINDOW_MS)
    assert work.pressure.rate == 2_500
    work.waiting = 10
    work.blocks(5, 100, 10 * WINDOW_MS)
    assert work.pressure.rate == 2_500
    work.waiting = 5
    work.block(5, 20)
    work.at_ms += 3_600_000
    work.waiting = 1_900
    assert (work.pressure.wait_ms(), work.pressure.level()) == (760, Level.CALM)
    work.block(400, 150)
    assert work.pressure.rate == 2_500


def test_a_network_that_stands_still_is_measured_by_how_long() -> None:
    work = Work()
    work.waiting = 600
    levels = []
    for _ in range(6):
        levels.append((work.pressure.wait_ms(), work.pressure.level()))
        work.at_ms += 1_000
    assert levels == [
        (600, Level.CALM),
        (900, Level.CROWDED),
        (1_200, Level.BUSY),
        (1_500, Level.BUSY),
        (1_800, Level.BUSY),
        (2_100, Level.BUSY),
    ]
    work.at_ms += 3_600_000
    work.waiting = RATE_MIN * CROWDED_MS // 1000 - 1
    assert work.pressure.level() is Level.CALM


def test_after_an_outage_it_takes_in_again() -> None:
    work = Work()
    work.waiting = 600
    assert work.pressure.level() is Level.CALM
    work.at_ms += 60_000
    assert work.pressure.level() is Level.BUSY
    work.block(300, 0)
    work.block(300, 150)
    assert work.pressure.level() is Level.CALM
    work.waiting = 150
    assert work.pressure.level() is Level.CALM
    work.blocks(300, 100, WINDOW_MS)
    assert work.pressure.rate > 1_000
