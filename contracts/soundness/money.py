"""Money and holds: what is there was minted, what is held has its holds, heaps and groups are whole."""

from collections import Counter
from collections.abc import Iterator
from typing import cast

from contracts.kernel import layout
from contracts.kernel.layout import OPEN, AssetRow, BalanceRow, GroupRow, HoldRow
from contracts.soundness.rows import State
from state.codec import INT_MAX


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
