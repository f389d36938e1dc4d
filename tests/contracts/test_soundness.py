"""Every check of the state's soundness is shown to fail: one row is changed, and its fault is named."""

from collections.abc import Callable

import pytest

from contracts.kernel import layout
from contracts.kernel.layout import Row
from contracts.records import decode_row
from contracts.soundness import CHECKS, State, faults
from state.codec import INT_MAX, Value
from tests.contracts.network import GENESIS_MS, PREFIX, Chain, address_of, genesis_state

VAULT = """
from hansa import Address, Amount, Asset, Value, action, ctx, invariant, ledger, require, unwind

USD = Asset("USD.alpine")
locked: Value[int] = Value(0)

@action
def lock(amount: Amount, expires_ms: int) -> str:
    locked.set(locked.get() + amount)
    return ledger.hold(USD, ctx.sender, amount, ctx.contract, expires_ms, "lock")

@action
def lock_two(amount: Amount, expires_ms: int) -> str:
    first = ledger.hold(USD, ctx.sender, amount, ctx.contract, expires_ms, "lock")
    second = ledger.hold(USD, ctx.sender, amount, ctx.contract, expires_ms, "lock")
    return ledger.hold_group([first, second])

@action
def remind(due_ms: int, count: int) -> None:
    for index in range(count):
        ledger.schedule("act", str(index), due_ms + index, 100_000, 0, 0)

@action
def act(text: str) -> None:
    require(ctx.sender == ctx.contract, "not_by_itself")
    require(text != "0", "told_to")

@invariant
def counted() -> bool:
    return locked.get() >= 0
"""
ANN = address_of("ann")
ASSET = "USD.alpine"


class Held(dict[bytes, Row]):
    """A whole state, decoded, to be spoilt."""

    def found(self) -> list[str]:
        """All faults."""
        state = State([(key, b"") for key in self], self.get, lambda data: ())
        for kind, kept in state._kinds.items():
            state._kinds[kind] = {key: self[key] for key in kept}
        return list(faults(state, CHAIN.executor.contracts, PREFIX, CHAIN.executor.world.height, CHAIN.time_ms))

    def one(self, prefix: bytes) -> bytes:
        """The first key of that kind."""
        return min(key for key in self if key.startswith(prefix))

    def put(self, key: bytes, index: int, value: Value) -> None:
        """Change one item of a row."""
        row = list(self[key])
        row[index] = value  # type: ignore[call-overload]
        self[key] = tuple(row)


def busy_chain() -> Chain:
    """A chain on which holds, groups and scheduled calls are open."""
    chain = Chain.start(genesis_state([("vault", VAULT)], grants=("payments",))).furnish()
    later = GENESIS_MS + 900_000
    calls: list[tuple[str, list[Value]]] = [
        *(("lock", [10 + index, later - 1_000 * index]) for index in range(5)),
        ("lock", [7, 0]),
        ("lock_two", [3, later]),
        ("remind", [GENESIS_MS, 1]),
        ("remind", [later, 80]),
    ]
    for method, arguments in calls:
        result = chain.block(chain.transaction("ann", ("vault", method, arguments)))
        assert result.receipts[result.runs].is_ok, result.receipts
    return chain


CHAIN = busy_chain()


@pytest.fixture
def held() -> Held:
    return Held({key: decode_row(data) for key, data in CHAIN.reads.state_items()})


def test_an_honest_state_is_sound(held: Held) -> None:
    assert held.found() == []
    assert list(CHAIN.reads.faults()) == []
    for kind in (b"queue/", b"expiry/", b"group/", b"reserved/", b"scheduling/"):
        assert any(key.startswith(kind) for key in held), kind


def expiring(held: Held) -> bytes:
    return next(key for key in sorted(held) if key.startswith(b"hold/") and held[key][8] == "open" and held[key][4])


def first_due(held: Held) -> bytes:
    calls = [key for key in held if key.startswith(b"scheduled/") and held[key][7] == "pending"]
    return min(calls, key=lambda key: held[key][8])  # type: ignore[arg-type, return-value]


def leaf(held: Held) -> bytes:
    return next(key for key in sorted(held) if key.startswith(b"queue/") and held[key][0] == 0)


def swap_slots(held: Held) -> None:
    first, last = (layout.expiry_slot_key(ANN, ASSET, slot) for slot in (0, 4))
    held[first], held[last] = held[last], held[first]


def drop_page(held: Held) -> None:
    del held[leaf(held)]


def level_page(held: Held) -> None:
    held.put(leaf(held), 0, 1)


def reverse_page(held: Held) -> None:
    key = leaf(held)
    held.put(key, 1, held[key][1][::-1])  # type: ignore[index]


def repeat_child(held: Held) -> None:
    children = held[layout.QUEUE][2]
    held.put(layout.QUEUE, 2, (children[0], *children[:-1]))  # type: ignore[index, misc]


def lose_key(held: Held) -> None:
    key = leaf(held)
    held.put(key, 1, held[key][1][1:])  # type: ignore[index]


def raise_least(held: Held) -> None:
    keys = held[layout.QUEUE][1]
    held.put(layout.QUEUE, 1, (keys[0], *(key[:15] + bytes([key[15] + 1]) for key in keys[1:])))  # type: ignore[index, misc]


BALANCE = layout.balance_key(ANN, ASSET)
LOCKED = layout.data_key("vault", "locked", None)
Spoil = Callable[[Held], object]
TABLE: list[tuple[str, Spoil, str]] = [
    ("money made", lambda held: held.put(BALANCE, 0, 10_000), "the supply of USD.alpine is 20000, and all accounts"),
    ("supply lost", lambda held: held.pop(layout.supply_key(ASSET)), "USD.alpine has no supply"),
    ("supply changed", lambda held: held.put(layout.supply_key(ASSET), 0, 5), "the supply of USD.alpine is 5"),
    ("below zero", lambda held: held.put(BALANCE, 0, -5), "has -5 and holds"),
    ("out of range", lambda held: held.put(BALANCE, 0, INT_MAX), f"has {INT_MAX} and holds"),
    ("an empty row", lambda held: held.__setitem__(layout.balance_key(ANN, "USD.baltic"), (0, 0)), "has 0 and holds 0"),
    ("no account", lambda held: held.pop(layout.account_key(ANN)), "which is no account"),
    ("no asset", lambda held: held.pop(layout.asset_key(ASSET)), "USD.alpine is no asset"),
    ("no issuer", lambda held: held.pop(layout.member_key("alpine")), "issued by alpine, which is no member"),
    ("held too much", lambda held: held.put(BALANCE, 1, 999), "holds 999 of USD.alpine, and its open holds reserve"),
    ("a hold changed", lambda held: held.put(expiring(held), 2, 500), "and its open holds reserve"),
    ("a hold of nothing", lambda held: held.put(expiring(held), 2, 0), "reserves 0 and has posted 0"),
    ("posted too much", lambda held: held.put(expiring(held), 9, 99), "and has posted 99"),
    ("a balance lost", lambda held: held.pop(BALANCE), "holds nothing of USD.alpine, and its open holds reserve"),
    ("a beneficiary lost", lambda held: held.put(expiring(held), 3, "nobody"), "is for nobody, which is no account"),
    ("reserved changed", lambda held: held.put(held.one(b"reserved/"), 0, 1), "vault is noted with 1 of USD.alpine"),
    ("reserved lost", lambda held: held.pop(held.one(b"reserved/")), "vault is noted with 0 of USD.alpine"),
    ("a hold closed", lambda held: held.put(expiring(held), 8, "voided"), "which is another or not open"),
    ("a heap's count", lambda held: held.put(layout.expiry_key(ANN, ASSET), 0, 9), "counts 9 and has 7 slots"),
    ("a heap's count lost", lambda held: held.pop(layout.expiry_key(ANN, ASSET)), "counts 0 and has 7 slots"),
    ("a slot lost", lambda held: held.pop(layout.expiry_slot_key(ANN, ASSET, 3)), "has 6 slots"),
    ("slots swapped", swap_slots, "expires before the one above it"),
    ("a place lost", lambda held: held.pop(held.one(b"expiring/")), "and is said to be in None"),
    ("a place changed", lambda held: held.put(held.one(b"expiring/"), 0, 6), "and is said to be in 6"),
    ("a place of nothing", lambda held: held.__setitem__(b"expiring/x", (0,)), "hold x is said to be in a slot"),
    ("an expiry changed", lambda held: held.put(expiring(held), 4, 5), "which is another or not open"),
    ("a group's status", lambda held: held.put(held.one(b"group/"), 3, "posted"), "is open, and its group"),
    ("a group's holds", lambda held: held.put(held.one(b"group/"), 2, ()), "which does not list it"),
    ("a group's expiry", lambda held: held.put(held.one(b"group/"), 1, 7), "is not as its group"),
    ("a group lost", lambda held: held.pop(held.one(b"group/")), "which does not list it"),
    ("a call lost", lambda held: held.pop(first_due(held)), "queue lists"),
    ("a call parked", lambda held: held.put(first_due(held), 7, "parked"), "queue lists"),
    ("a call moved", lambda held: held.put(first_due(held), 8, 5), "the next call is said to run at"),
    ("a call's status", lambda held: held.put(first_due(held), 7, "lost"), "is lost at"),
    ("a call waits", lambda held: held.put(first_due(held), 7, "waiting"), "waiting/vault lists 0 calls, and 1 calls"),
    ("a stranger's call", lambda held: held.put(first_due(held), 0, "nobody"), "which is no contract"),
    ("a count changed", lambda held: held.put(b"scheduling/vault", 0, 5), "are noted with {'vault': 5}"),
    ("the next number", lambda held: held.put(layout.SCHEDULE, 0, 40), "and the next number is 40"),
    ("the first time", lambda held: held.put(layout.SCHEDULE, 1, 7), "the next call is said to run at 7"),
    ("no first time", lambda held: held.put(layout.SCHEDULE, 1, None), "the next call is said to run at None"),
    ("no first row", lambda held: held.pop(layout.SCHEDULE), "and the next number is 1"),
    ("a page lost", drop_page, "the pages of queue: page"),
    ("a page's level", level_page, "is of level 1, not 0"),
    ("a page's order", reverse_page, "not in order"),
    ("a page twice", repeat_child, "stands in the tree twice"),
    ("a page of nothing", lambda held: held.__setitem__(b"queue/99", (0, (b"k",), ())), "queue/99 is in no tree"),
    ("a key lost", lose_key, "queue lists 79 calls, and 80 calls"),
    ("a parent's word", raise_least, "begins before what its parent says"),
    ("an invariant", lambda held: held.__setitem__(LOCKED, (-1,)), "vault.counted does not hold"),
    ("an invariant fails", lambda held: held.__setitem__(LOCKED, ("x",)), "vault.counted fails: argument"),
    ("a pause of nothing", lambda held: held.__setitem__(b"paused/x", ("y", 1)), "x is paused, and is no contract"),
]


@pytest.mark.parametrize(("spoil", "fault"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_is_spoilt_is_found(held: Held, spoil: Spoil, fault: str) -> None:
    spoil(held)
    assert any(fault in found for found in held.found()), held.found()


def test_every_check_is_listed() -> None:
    from contracts import soundness

    checks = {name for name in vars(soundness) if name.endswith("_faults") and not name.startswith("_")}
    assert checks - {"invariant_faults"} == {check.__name__ for check in CHECKS}
