"""Named timers: replaced, cancelled, late."""

from node.seams import TimerFired
from node.timers import Timers
from tests.node.bench import ManualClock


def test_a_timer_acts_once_when_its_time_has_come() -> None:
    clock, acted = ManualClock(), list[str]()
    timers = Timers(clock)
    timers.set("view", 100, lambda: acted.append("view"))
    assert timers.is_running("view")
    clock.pass_ms(timers, 99)
    assert acted == []
    clock.pass_ms(timers, 1)
    assert (acted, timers.is_running("view")) == (["view"], False)
    clock.pass_ms(timers, 1_000)
    assert acted == ["view"]


def test_setting_a_name_again_replaces_its_timer() -> None:
    clock, acted = ManualClock(), list[str]()
    timers = Timers(clock)
    timers.set("view", 100, lambda: acted.append("first"))
    clock.pass_ms(timers, 50)
    timers.set("view", 100, lambda: acted.append("second"))
    clock.pass_ms(timers, 99)
    assert acted == []
    clock.pass_ms(timers, 1)
    assert acted == ["second"]


def test_a_cancelled_timer_never_acts() -> None:
    clock, acted = ManualClock(), list[str]()
    timers = Timers(clock)
    timers.set("view", 100, lambda: acted.append("view"))
    timers.cancel("view")
    timers.cancel("never set")
    clock.pass_ms(timers, 200)
    assert acted == []


def test_an_event_of_an_earlier_life_of_the_name_is_void() -> None:
    clock, acted = ManualClock(), list[str]()
    timers = Timers(clock)
    timers.set("view", 100, lambda: acted.append("view"))
    timers.fired(TimerFired("view", 0))
    timers.fired(TimerFired("unknown", 1))
    assert acted == []


def test_an_action_may_set_its_own_timer_again() -> None:
    clock, times = ManualClock(), list[int]()
    timers = Timers(clock)

    def again() -> None:
        times.append(clock.time_ms)
        timers.set("again", 10, again)

    again()
    clock.pass_ms(timers, 35)
    assert times == [0, 10, 20, 30]
