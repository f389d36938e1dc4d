"""The schedule: calls that contracts have made ahead, for a block time.

A contract schedules one of its own actions, with one text, a time and a fuel limit. From the first block whose time
has reached it the call is due; due calls run before the block's transactions, in the order of (time, number), each
in its own fuel. A call that fails runs again after its ``retry_ms``, as often as it asked for, and is then parked:
it keeps its place in the state and waits for its contract to resume it.

The queue is a tree of pages (``contracts.language.pages``) over (time, number), 16 bytes a key, so that adding a
call, removing one and finding the first cost a few keys however many wait. The row ``schedule`` has the first due
time: a block with nothing to do reads that and no more.

Calls of a paused contract leave the queue when they fall due, so that they stand in nobody's way and use up no
retries, and wait in a tree of their contract's. When it runs again they come back a few at a time.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, cast

from contracts.kernel import layout
from contracts.kernel.codes import refuse
from contracts.kernel.layout import Row
from contracts.kernel.parameters import parameter
from contracts.kernel.scope import EVENT_BYTES, LEDGER, Scope
from contracts.language.pages import Page, insert, walk, withdraw
from state.codec import INT_MAX, Value
from state.digest import scheduled_digest
from state.overlay import Overlay
from state.receipt import Event

CALLS_MAX = 1_000_000
"""Calls of one contract that are there, parked ones too."""

ARGUMENT_BYTES_MAX = 1_024
"""Of the text that a call carries; it stands in the state and in each run's events."""

RETRIES_MAX = 1_000

BYTE_FUEL = 4
"""For each byte of the argument, which is kept."""

RESUMED_MAX = 64
"""Calls that come back at once when a paused contract runs again."""

FOLLOWING_MAX = 2
"""Further ones that come back with each run of the contract, until none waits."""

PENDING, WAITING, PARKED = "pending", "waiting", "parked"
"""Status of a call: in the queue; its contract is paused; it has failed as often as it may."""

TIME_BYTES = 8
KEY_BYTES = 16
"""Of a key of the queue: time and number, big end first."""


class ScheduledCall(NamedTuple):
    """One call, as its row has it."""

    contract: str
    method: str
    argument: str
    due_ms: int
    """When it was first to run."""
    fuel: int
    retries: int
    retry_ms: int
    status: str
    at_ms: int
    """When it is to run now: its place in the queue."""
    attempts: int
    """Runs so far, in all."""
    failures: int
    """Runs that failed since it was scheduled or resumed."""


def schedule(
    scope: Scope, method: str, argument: str, due_ms: int, fuel: int, retries: int, retry_ms: int
) -> int:
    """Have the running contract's ``method`` called with ``argument`` when ``due_ms`` has come; give its number.

    A time that has passed means the next block. That the method is an action with one text is the host's to see to.

    :raises ContractError: bad_schedule or too_many_scheduled.
    """
    overlay, contract = scope.overlay, scope.contract
    size = len(argument.encode())
    if size > ARGUMENT_BYTES_MAX:
        refuse("bad_schedule", f"the argument of a scheduled call has at most {ARGUMENT_BYTES_MAX} bytes")
    if type(due_ms) is not int or not 0 <= due_ms <= INT_MAX:
        refuse("bad_schedule", "the time of a scheduled call is in ms since 1970")
    fuel_max = parameter(scope, "schedule_fuel_max")
    if type(fuel) is not int or not 0 < fuel <= fuel_max:
        refuse("bad_schedule", f"the fuel of a scheduled call is from 1 to {fuel_max}")
    if type(retries) is not int or not 0 <= retries <= RETRIES_MAX:
        refuse("bad_schedule", f"a scheduled call is retried at most {RETRIES_MAX} times")
    if type(retry_ms) is not int or not (retry_ms > 0 or not retries) or not 0 <= retry_ms <= INT_MAX:
        refuse("bad_schedule", "the time between retries is at least 1 ms")
    scope.meter.charge(BYTE_FUEL * size)
    if _count(overlay, contract) >= CALLS_MAX:
        refuse("too_many_scheduled")
    number, first_ms = _head(overlay)
    overlay.put(layout.SCHEDULE, (number + 1, first_ms))
    call = ScheduledCall(contract, method, argument, due_ms, fuel, retries, retry_ms, PENDING, due_ms, 0, 0)
    _keep(overlay, number, call)
    scope.emit(
        "scheduled",
        ("number", number),
        ("method", method),
        ("argument", argument),
        ("due_ms", due_ms),
        bytes_count=EVENT_BYTES + size,
    )
    return number


def cancel(scope: Scope, number: int) -> None:
    """Forget a call of the running contract, whatever its status. :raises ContractError: unknown_schedule."""
    _forget(scope.overlay, number, _own(scope, number))
    scope.emit("schedule_cancelled", ("number", number))


def status(scope: Scope, number: int) -> str:
    """``pending`` or ``parked``; empty for what has run, was cancelled, or is another contract's."""
    call = find(scope.overlay, number) if type(number) is int else None
    if call is None or call.contract != scope.contract:
        return ""
    return PARKED if call.status == PARKED else PENDING


def resume_call(scope: Scope, number: int) -> None:
    """Have a parked call run again from the next block on, with all its retries.

    :raises ContractError: unknown_schedule or not_parked.
    """
    call = _own(scope, number)
    if call.status != PARKED:
        refuse("not_parked")
    scope.overlay.delete(layout.scheduled_key(number))
    _add_count(scope.overlay, call.contract, -1)
    _keep(scope.overlay, number, call._replace(status=PENDING, at_ms=scope.time_ms, failures=0))
    scope.emit("schedule_resumed", ("number", number))


# ------------------------------------------------------------------------------------------------- for the executor


def first_due_ms(overlay: Overlay[Row]) -> int | None:
    """When the first pending call is to run, None if none is pending. One key."""
    return _head(overlay)[1]


def due(overlay: Overlay[Row], time_ms: int, calls_max: int, fuel_max: int) -> tuple[list[int], int | None]:
    """Numbers of the calls that a block of that time runs, in order, and when the first was due that is carried over.

    As many as fit, the first in any case; none overtakes another that has no room.
    """
    first_ms = first_due_ms(overlay)
    if first_ms is None or first_ms > time_ms:
        return [], None
    numbers: list[int] = []
    for key in walk(_Tree(overlay, layout.QUEUE), b"", _key(time_ms + 1, 0), False):
        number = _number_of(key)
        fuel_max -= _found(overlay, number).fuel
        if numbers and (len(numbers) == calls_max or fuel_max < 0):
            return numbers, _time_of(key)
        numbers.append(number)
    return numbers, None


def run_id(chain_id: bytes, number: int, attempt: int) -> bytes:
    """Identity of one run, as a transaction has one."""
    return scheduled_digest(chain_id + _key(number, attempt))


def take(overlay: Overlay[Row], number: int) -> ScheduledCall | None:
    """Take a call out for its run; None if a run before it has cancelled it."""
    call = find(overlay, number)
    if call is not None:
        _forget(overlay, number, call)
    return call


def put_back(overlay: Overlay[Row], number: int, call: ScheduledCall, time_ms: int) -> Event:
    """Keep a call whose run has failed, for its next run or parked; give the event that says which."""
    failures = call.failures + 1
    call = call._replace(attempts=call.attempts + 1, failures=failures)
    if failures > call.retries:
        _keep(overlay, number, call._replace(status=PARKED))
        return _event("schedule_parked", call, ("number", number), ("failures", failures))
    at_ms = min(time_ms + call.retry_ms, INT_MAX)
    _keep(overlay, number, call._replace(status=PENDING, at_ms=at_ms))
    return _event("schedule_retried", call, ("number", number), ("at_ms", at_ms))


def put_off(overlay: Overlay[Row], number: int, call: ScheduledCall) -> None:
    """Have a call wait until its contract is no longer paused."""
    _keep(overlay, number, call._replace(status=WAITING))


def release_waiting(overlay: Overlay[Row], contract: str, count_max: int) -> None:
    """Put the first calls that waited for their contract back into the queue, at their old times."""
    tree = _Tree(overlay, layout.waiting_key(contract))
    for key in list(islice(walk(tree, b"", None, False), count_max)):
        number = _number_of(key)
        call = _found(overlay, number)
        _forget(overlay, number, call)
        _keep(overlay, number, call._replace(status=PENDING))


def run_event(number: int, call: ScheduledCall) -> Event:
    """The first event of each run's receipt: what ran, and why."""
    return _event(
        "schedule_run",
        call,
        ("number", number),
        ("attempt", call.attempts + 1),
        ("method", call.method),
        ("argument", call.argument),
        ("due_ms", call.due_ms),
    )


def find(overlay: Overlay[Row], number: int) -> ScheduledCall | None:
    """The call of that number, None if there is none."""
    row = overlay.get(layout.scheduled_key(number))
    return None if row is None else ScheduledCall(*cast(layout.ScheduledRow, row))


# ------------------------------------------------------------------------------------------------- rows and pages


class _Tree:
    """The pages of one queue, under their key."""

    __slots__ = ("_name", "_overlay")

    def __init__(self, overlay: Overlay[Row], name: bytes) -> None:
        self._overlay = overlay
        self._name = name

    def read(self, number: int | None) -> Page:
        row = self._overlay.get(layout.page_key(self._name, number))
        if row is None:
            assert number is None, "a page of the schedule is gone"
            return Page.empty()
        level, keys, children, *rest = cast("tuple[int, tuple[bytes, ...], tuple[int, ...], int]", row)
        return Page(number, level, list(keys), list(children), *rest)

    def write(self, page: Page) -> None:
        row: Row = (page.level, tuple(page.keys), tuple(page.children))
        if page.number is None:
            row = (*row, page.next_number)
        self._overlay.put(layout.page_key(self._name, page.number), row)

    def erase(self, page: Page) -> None:
        self._overlay.delete(layout.page_key(self._name, page.number))


def _keep(overlay: Overlay[Row], number: int, call: ScheduledCall) -> None:
    """Write a call that is not there, and put it where its status says."""
    overlay.put(layout.scheduled_key(number), tuple(call))
    _add_count(overlay, call.contract, 1)
    if call.status == PENDING:
        insert(_Tree(overlay, layout.QUEUE), _key(call.at_ms, number))
        next_number, first_ms = _head(overlay)
        if first_ms is None or call.at_ms < first_ms:
            overlay.put(layout.SCHEDULE, (next_number, call.at_ms))
    elif call.status == WAITING:
        insert(_Tree(overlay, layout.waiting_key(call.contract)), _key(call.at_ms, number))


def _forget(overlay: Overlay[Row], number: int, call: ScheduledCall) -> None:
    """Take a call out of wherever it is."""
    overlay.delete(layout.scheduled_key(number))
    _add_count(overlay, call.contract, -1)
    if call.status == PENDING:
        queue = _Tree(overlay, layout.QUEUE)
        withdraw(queue, _key(call.at_ms, number))
        next_number, first_ms = _head(overlay)
        if call.at_ms == first_ms:
            overlay.put(layout.SCHEDULE, (next_number, _first_of(walk(queue, b"", None, False))))
    elif call.status == WAITING:
        withdraw(_Tree(overlay, layout.waiting_key(call.contract)), _key(call.at_ms, number))


def _first_of(keys: Iterator[bytes]) -> int | None:
    key = next(keys, None)
    return None if key is None else _time_of(key)


def _head(overlay: Overlay[Row]) -> tuple[int, int | None]:
    """The next call's number, and when the first pending one is to run."""
    row = overlay.get(layout.SCHEDULE)
    return (1, None) if row is None else cast("tuple[int, int | None]", row)


def _count(overlay: Overlay[Row], contract: str) -> int:
    row = overlay.get(layout.scheduled_count_key(contract))
    return 0 if row is None else cast(int, row[0])


def _add_count(overlay: Overlay[Row], contract: str, change: int) -> None:
    count = _count(overlay, contract) + change
    if count:
        overlay.put(layout.scheduled_count_key(contract), (count,))
    else:
        overlay.delete(layout.scheduled_count_key(contract))


def _own(scope: Scope, number: int) -> ScheduledCall:
    call = find(scope.overlay, number) if type(number) is int else None
    if call is None or call.contract != scope.contract:
        refuse("unknown_schedule")
    return call


def _found(overlay: Overlay[Row], number: int) -> ScheduledCall:
    call = find(overlay, number)
    assert call is not None, "the queue has a call that is not there"
    return call


def _key(time_ms: int, number: int) -> bytes:
    return time_ms.to_bytes(TIME_BYTES, "big") + number.to_bytes(KEY_BYTES - TIME_BYTES, "big")


def _time_of(key: bytes) -> int:
    return int.from_bytes(key[:TIME_BYTES], "big")


def _number_of(key: bytes) -> int:
    return int.from_bytes(key[TIME_BYTES:], "big")


def _event(name: str, call: ScheduledCall, *entries: tuple[str, Value]) -> Event:
    return Event(LEDGER, name, (("contract", call.contract), *entries))
