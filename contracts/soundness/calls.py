"""Scheduled calls: each is where its status says, once, and the pages that list them are whole."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, cast

from contracts.kernel import layout
from contracts.kernel.schedule import KEY_BYTES, PARKED, PENDING, WAITING, ScheduledCall
from contracts.language.pages import PAGE_KEYS_MAX
from contracts.soundness.rows import State

NUMBER_BYTES: Final = 8


def schedule_faults(state: State) -> Iterator[str]:
    """Every call is where its status says, once; pages, counts and the first due time agree."""
    calls: dict[int, ScheduledCall] = {}
    for text, row in state.of("scheduled"):
        calls[int(text)] = ScheduledCall(*cast(layout.ScheduledRow, row))
    next_number, first_ms = cast("tuple[int, int | None]", state.get(layout.SCHEDULE) or (1, None))
    counts = {contract: row[0] for contract, row in state.of("scheduling")}
    expected = dict(Counter(call.contract for call in calls.values()))
    if counts != expected:
        yield f"contracts are noted with {counts} scheduled calls, and have {expected}"
    trees: dict[bytes, list[bytes]] = {layout.QUEUE: []}
    for number, call in sorted(calls.items()):
        if number >= next_number:
            yield f"scheduled call {number} is there, and the next number is {next_number}"
        if layout.contract_key(call.contract) not in state:
            yield f"scheduled call {number} is of {call.contract}, which is no contract"
        if call.status not in (PENDING, WAITING, PARKED) or call.at_ms < 0:
            yield f"scheduled call {number} is {call.status} at {call.at_ms}"
        elif call.status != PARKED:
            name = layout.QUEUE if call.status == PENDING else layout.waiting_key(call.contract)
            key = call.at_ms.to_bytes(KEY_BYTES - NUMBER_BYTES, "big") + number.to_bytes(NUMBER_BYTES, "big")
            trees.setdefault(name, []).append(key)
    pages = {*state.keys("queue"), *state.keys("waiting")}
    for key in state.keys("waiting"):
        if key.count(b"/") == 1:
            trees.setdefault(key, [])
    for name, keys in sorted(trees.items()):
        found: list[bytes] = []
        for fault in _tree_faults(state, name, pages, found):
            yield f"the pages of {name.decode()}: {fault}"
        if found != sorted(keys):
            yield f"{name.decode()} lists {len(found)} calls, and {len(keys)} calls are to be there, or others"
    for key in sorted(pages):
        yield f"the page {key.decode()} is in no tree"
    pending = [call.at_ms for call in calls.values() if call.status == PENDING]
    if first_ms != (min(pending) if pending else None):
        yield f"the next call is said to run at {first_ms}, and runs at {min(pending) if pending else None}"


def _tree_faults(state: State, name: bytes, pages: set[bytes], found: list[bytes]) -> Iterator[str]:
    """What is wrong with the pages of a tree. Takes its pages out of ``pages``, adds its keys to ``found``."""
    waiting: list[tuple[int | None, int | None, bytes]] = [(None, None, b"")]
    while waiting:
        number, level, least = waiting.pop()
        key = layout.page_key(name, number)
        row = state.get(key)
        if row is None:
            if number is not None:
                yield f"page {number} is gone"
            continue
        if key not in pages:
            yield f"page {number} stands in the tree twice"
            continue
        pages.discard(key)
        own_level, keys, children = cast("tuple[int, tuple[bytes, ...], tuple[int, ...]]", row[:3])
        if level is not None and own_level != level:
            yield f"page {number} is of level {own_level}, not {level}"
        if not 0 < len(keys) <= PAGE_KEYS_MAX or any(one >= other for one, other in pairwise(keys)):
            yield f"page {number} has no keys, too many, or not in order"
        if keys and keys[0] < least and least:
            yield f"page {number} begins before what its parent says"
        if not own_level:
            found += keys
        elif len(children) != len(keys):
            yield f"page {number} has {len(children)} children for {len(keys)} keys"
        else:
            # The first child takes whatever is less than its key. The next to be looked at stands last.
            listed = [(child, own_level - 1, least if not at else keys[at]) for at, child in enumerate(children)]
            waiting += reversed(listed)
