"""Is the state sound? Every promise of the kernel, and of every contract, checked over all of the state.

The kernel keeps these by construction; here nothing is believed. Each check takes the rows and gives a sentence for
each fault. What a transaction may rely on at any time is listed, nothing else: money is what was minted, what is held
has its holds, heaps and queues find what they are asked for, groups stand together, and every invariant of every
contract is true.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final, cast

from contracts.deployed import Contracts
from contracts.invariants import broken_of
from contracts.kernel import layout
from contracts.kernel.layout import OPEN, AssetRow, BalanceRow, GroupRow, HoldRow, Row
from contracts.kernel.schedule import KEY_BYTES, PARKED, PENDING, WAITING, ScheduledCall
from contracts.language.faults import OutOfFuel
from contracts.language.fuel import Meter
from contracts.language.pages import PAGE_KEYS_MAX
from state.codec import INT_MAX
from state.overlay import Overlay

INVARIANTS_FUEL: Final = 1_000_000_000
"""What the invariants of one contract may spend here: far above what any transaction has for them."""

NUMBER_BYTES: Final = 8

KINDS: Final = tuple(
    b"asset balance contract expiring expiry group hold paused queue reserved scheduled scheduling supply "
    b"waiting".split()
)
"""Kinds of rows that a check walks: they are kept in memory meanwhile."""


class State:
    """The state by key, and in memory by kind, those kinds that are walked.

    :param items: every key of the state, with its row still to be decoded.
    :param read: the row of any key.
    """

    __slots__ = ("_kinds", "get")

    def __init__(
        self, items: Iterable[tuple[bytes, bytes]], read: Callable[[bytes], Row | None], decode: Callable[[bytes], Row]
    ) -> None:
        self.get = read
        self._kinds: dict[bytes, dict[bytes, Row]] = {kind: {} for kind in KINDS}
        for key, data in items:
            rows = self._kinds.get(key.partition(b"/")[0])
            if rows is not None:
                rows[key] = decode(data)
        for kind, rows in self._kinds.items():
            self._kinds[kind] = dict(sorted(rows.items()))

    def __contains__(self, key: bytes) -> bool:
        return self.get(key) is not None

    def keys(self, kind: str) -> Iterable[bytes]:
        """The keys of one kind, in order."""
        return self._kinds[kind.encode()]

    def of(self, kind: str) -> Iterator[tuple[str, Row]]:
        """The rows of one kind in the order of their keys, each with what stands after the kind."""
        for key, row in self._kinds[kind.encode()].items():
            yield key[len(kind) + 1 :].decode(), row


def faults(state: State, contracts: Contracts, prefix: str, height: int, time_ms: int) -> Iterator[str]:
    """Everything that is not as it should be in the state after a height, a sentence each; nothing if it is sound."""
    for check in CHECKS:
        yield from check(state)
    yield from invariant_faults(state, contracts, prefix, height, time_ms)


# ------------------------------------------------------------------------------------------------- money and holds


def money_faults(state: State) -> Iterator[str]:
    """Supply is what all accounts have, available and held; nothing is below zero or out of range."""
    sums: Counter[str] = Counter()
    for key, row in state.of("balance"):
        address, _, asset = key.partition("/")
        available, held = cast(BalanceRow, row)
        if available < 0 or held < 0 or not 0 < available + held <= INT_MAX:
            yield f"{address} has {available} and holds {held} of {asset}"
        if layout.account_key(address) not in state:
            yield f"there is a balance of {address}, which is no account"
        sums[asset] += available + held
    supplies = {asset: cast(int, row[0]) for asset, row in state.of("supply")}
    for asset in sorted(sums.keys() | supplies.keys()):
        if layout.asset_key(asset) not in state:
            yield f"{asset} is no asset and has a supply or balances"
        if supplies.get(asset, 0) != sums[asset]:
            yield f"the supply of {asset} is {supplies.get(asset, 0)}, and all accounts together have {sums[asset]}"
    for asset, row in state.of("asset"):
        issuer = cast(AssetRow, row)[0]
        if layout.member_key(issuer) not in state:
            yield f"{asset} is issued by {issuer}, which is no member"
        if asset not in supplies:
            yield f"{asset} has no supply"


def hold_faults(state: State) -> Iterator[str]:
    """What is held has its open holds: of each account and asset, and of each contract and asset."""
    held: Counter[tuple[str, str]] = Counter()
    reserved: Counter[tuple[str, str]] = Counter()
    for hold, row in state.of("hold"):
        asset, account, amount, beneficiary, _, contract, _, _, status, posted, *_ = cast(HoldRow, row)
        if status == OPEN:
            held[account, asset] += amount
            reserved[contract, asset] += amount
        if amount <= 0 or not 0 <= posted <= amount:
            yield f"hold {hold} reserves {amount} and has posted {posted}"
        if beneficiary and layout.account_key(beneficiary) not in state:
            yield f"hold {hold} is for {beneficiary}, which is no account"
    for key, row in state.of("balance"):
        address, _, asset = key.partition("/")
        found, kept = held.pop((address, asset), 0), cast(BalanceRow, row)[1]
        if kept != found:
            yield f"{address} holds {kept} of {asset}, and its open holds reserve {found}"
    for (address, asset), amount in sorted(held.items()):
        yield f"{address} holds nothing of {asset}, and its open holds reserve {amount}"
    noted = {(key.partition("/")[0], key.partition("/")[2]): row[0] for key, row in state.of("reserved")}
    for contract, asset in sorted(reserved.keys() | noted.keys()):
        found, kept = reserved[contract, asset], cast(int, noted.get((contract, asset), 0))
        if kept != found or ((contract, asset) in noted and not kept):
            yield f"{contract or 'nobody'} is noted with {kept} of {asset} in holds, and its open holds reserve {found}"


def expiry_faults(state: State) -> Iterator[str]:
    """Every open hold that can expire is in its account's heap, once and where it is said to be; nothing else is."""
    slots: dict[tuple[str, str], dict[int, tuple[int, str]]] = {}
    counts: dict[tuple[str, str], int] = {}
    for key, row in state.of("expiry"):
        address, asset, *rest = key.split("/")
        if rest:
            slots.setdefault((address, asset), {})[int(rest[0])] = cast("tuple[int, str]", row)
        else:
            counts[address, asset] = cast(int, row[0])
    places: dict[str, int] = {hold: cast(int, row[0]) for hold, row in state.of("expiring")}
    seen: set[str] = set()
    for address, asset in sorted(counts.keys() | slots.keys()):
        heap, count = slots.get((address, asset), {}), counts.get((address, asset), 0)
        if not heap or sorted(heap) != list(range(count)):
            yield f"the heap of {asset} at {address} counts {count} and has {len(heap)} slots"
        for slot, (expires_ms, hold) in sorted(heap.items()):
            held = cast("HoldRow | None", state.get(layout.hold_key(hold)))
            wanted = (asset, address, expires_ms, OPEN)
            if held is None or (held[0], held[1], held[4], held[8]) != wanted:
                yield f"slot {slot} of {asset} at {address} is of hold {hold}, which is another or not open"
            if slot and (above := heap.get((slot - 1) // 2)) is not None and above > (expires_ms, hold):
                yield f"slot {slot} of {asset} at {address} expires before the one above it"
            if places.get(hold) != slot or hold in seen:
                yield f"hold {hold} is in slot {slot} of {asset} at {address}, and is said to be in {places.get(hold)}"
            seen.add(hold)
    for hold in sorted(places.keys() - seen):
        yield f"hold {hold} is said to be in a slot, and is in none"
    for hold, row in state.of("hold"):
        if row[8] == OPEN and row[4] and hold not in seen:
            yield f"hold {hold} is open and can expire, and is in no heap"


def group_faults(state: State) -> Iterator[str]:
    """The holds of a group stand and fall together."""
    for group, row in state.of("group"):
        contract, expires_ms, members, status = cast(GroupRow, row)
        if not members or len(set(members)) != len(members):
            yield f"group {group} has no holds, or one twice"
        for hold in members:
            found = cast("HoldRow | None", state.get(layout.hold_key(hold)))
            if found is None or (found[4], found[5], found[11]) != (expires_ms, contract, group):
                yield f"hold {hold} is not as its group {group} is"
            elif (found[8] == OPEN) != (status == OPEN) and not (status == OPEN and found[8] == layout.EXPIRED):
                yield f"hold {hold} is {found[8]}, and its group {group} is {status}"
    for hold, row in state.of("hold"):
        group = cast(str, row[11])
        if group:
            listed = cast("GroupRow | None", state.get(layout.group_key(group)))
            if listed is None or hold not in listed[2]:
                yield f"hold {hold} is of group {group}, which does not list it"


# ------------------------------------------------------------------------------------------------- the schedule


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


# ------------------------------------------------------------------------------------------------- contracts


def invariant_faults(
    state: State, contracts: Contracts, prefix: str, height: int, time_ms: int
) -> Iterator[str]:
    """Every invariant of every contract, at that height and time."""
    overlay: Overlay[Row] = Overlay(state.get)
    for name, _ in state.of("contract"):
        deployed = contracts.find(overlay, name)
        assert deployed is not None
        try:
            for broken in broken_of(deployed, contracts, overlay, prefix, height, time_ms, Meter(INVARIANTS_FUEL)):
                yield broken.message
        except OutOfFuel:
            yield f"the invariants of {name} take more than {INVARIANTS_FUEL} units of fuel"
    for name, _ in state.of("paused"):
        if layout.contract_key(name) not in state:
            yield f"{name} is paused, and is no contract"


CHECKS: Final[tuple[Callable[[State], Iterator[str]], ...]] = (
    money_faults,
    hold_faults,
    expiry_faults,
    group_faults,
    schedule_faults,
)
"""What is looked at, but the contracts' own invariants, which need the contracts."""

