"""Every check of the state's soundness is shown to fail: one row is changed, and its fault is named."""

from collections.abc import Callable

import pytest

from contracts.kernel import layout
from contracts.kernel.freezes import ALL_ASSETS
from contracts.kernel.layout import Row
from contracts.records import decode_row
from contracts.soundness import CHECKS, State, faults
from state.codec import INT_MAX, Value
from state.transaction import Call, encode_calls
from tests.contracts.network import GENESIS_MS, PREFIX, SALT, Chain, address_of, genesis_state, key_of

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
    """A chain on which holds, groups, scheduled calls, a proposal and a motion are open."""
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
    keys: list[Value] = [[key_of(name).public, 1] for name in ("ann", "bob")]
    assert chain.send("alpine", ("accounts", "register_shared", [keys, 2, SALT])) == "ok"
    shared = str(chain.results[-1].receipts[-1].results[0])
    grant = encode_calls([Call("accounts", 1, "grant", ["vault"])])
    more: list[tuple[str, str, str, list[Value]]] = [
        ("ann", "accounts", "propose", [shared, grant, later]),
        ("ann", "accounts", "propose", [ANN, grant, later]),
        ("alpine", "governance", "propose", ["quota", [], [0], later]),
        ("alpine", "accounts", "start_recovery", [ANN, keys, 1]),
    ]
    for sender, contract, method, arguments in more:
        assert chain.send(sender, (contract, method, arguments)) == "ok"
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


def open_one(held: Held, prefix: bytes) -> bytes:
    return next(key for key in sorted(held) if key.startswith(prefix) and held[key][3] == "open")


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
FROZEN, KNOWN = layout.freezes_key(ANN), layout.identity_key(ANN)
ORDER: Row = ("freeze", "in_force", "court", ("court",), "r", "b", ANN, "", 0, 1, "", (), 0, 5, 0)
IDENTITY: Row = ("alpine", "verified", 1, 0, "CH", "low", "r", 1, "alpine")
SEALED: Row = ("identity", "alpine", ANN, b"", (), (("alpine", 0, b""),), "sealed", "", ())
Spoil = Callable[[Held], object]


LIMITS: Row = (5, (("", (1,), (), (1,)),), ())


def freeze_other(held: Held) -> None:
    """A freeze of one asset, and the flags tell of another."""
    held[FROZEN] = ((1, ASSET, 1, 0, 0),)
    marks = layout.UNDER_ORDER | ALL_ASSETS & ~layout.frozen_asset_bit(ASSET)
    held.put(layout.account_key(ANN), layout.ACCOUNT_FLAGS, marks)


def stand_otherwise(held: Held) -> None:
    held[KNOWN] = IDENTITY
    held.put(layout.account_key(ANN), layout.STANDING, (9, 0, "CH", "low"))


def stand_suspended(held: Held) -> None:
    held[KNOWN] = ("alpine", "suspended", *IDENTITY[2:])
    held.put(layout.account_key(ANN), layout.STANDING, (1, 0, "CH", "low"))


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
    ("a proposal lost", lambda held: held.pop(open_one(held, b"proposal/")), "is listed and not there"),
    ("a list lost", lambda held: held.pop(held.one(b"proposals/")), "is open, and not listed so"),
    ("a list of nothing", lambda held: held.__setitem__(held.one(b"proposals/"), ()), "lists 0 open proposals"),
    ("a list doubled", lambda held: held.__setitem__(held.one(b"proposals/"), held[held.one(b"proposals/")] * 2),
     "is listed twice"),
    ("a proposal closed", lambda held: held.put(open_one(held, b"proposal/"), 3, "withdrawn"), "not listed so"),
    ("a proposal's calls", lambda held: held.put(open_one(held, b"proposal/"), 1, b""), "and has 0 bytes of calls"),
    ("a proposal's expiry", lambda held: held.put(open_one(held, b"proposal/"), 2, 5), "not listed so"),
    ("a proposal's account", lambda held: held.put(open_one(held, b"proposal/"), 0, "nobody"), "which is no account"),
    ("a motion lost", lambda held: held.pop(held.one(b"motion/")), "is listed and not there"),
    ("motions lost", lambda held: held.pop(layout.MOTIONS), "is open, and not listed so"),
    ("motions doubled", lambda held: held.__setitem__(layout.MOTIONS, held[layout.MOTIONS] * 2), "is listed twice"),
    ("a vote twice", lambda held: held.put(held.one(b"motion/"), 6, (("alpine", True),) * 2), "the votes of alpine"),
    ("a stranger's vote", lambda held: held.put(held.one(b"motion/"), 6, (("ann", True),)), "has the votes of ann"),
    ("a recovery of nobody", lambda held: held.__setitem__(b"recovery/nobody", ((), 1)), "nobody is being recovered"),
    ("orders lost", lambda held: held.__setitem__(layout.ORDERS, (1,)), "1 orders are counted, and 0 are there"),
    ("an order listed", lambda held: held.__setitem__(layout.order_on_key(ANN, 0), (1,)), "has gaps, repeats"),
    ("an order gone", lambda held: held.__setitem__(layout.order_on_key(ANN, 0), (1,)), "order 1 is listed"),
    ("an order unlisted", lambda held: held.__setitem__(b"order/1", ORDER), "order 1 is not listed under"),
    ("a freeze of nobody", lambda held: held.__setitem__(b"order/1", ORDER), "order 1 is a freeze in force, and binds"),
    ("a freeze of nothing", lambda held: held.__setitem__(FROZEN, ((1, "", 1, 0, 0),)), "which is not in force"),
    ("another asset's mark", freeze_other, "its flags do not say so"),
    ("limits unmarked", lambda held: held.__setitem__(layout.limits_key(ASSET), LIMITS), "a row of limits, and its"),
    ("countries unmarked", lambda held: held.__setitem__(layout.jurisdictions_key(ASSET), (True, ())),
     "a row of jurisdictions, and its flags"),
    ("a mark of limits", lambda held: held.put(layout.asset_key(ASSET), 4, layout.LIMITED), "tell of limits, and"),
    ("a mark of countries", lambda held: held.put(layout.asset_key(ASSET), 4, layout.JURISDICTIONS),
     "tell of jurisdictions, and there"),
    ("a freeze unmarked", lambda held: held.__setitem__(FROZEN, ((1, "", 1, 0, 0),)), "its flags do not say so"),
    ("a mark of a freeze", lambda held: held.put(layout.account_key(ANN), 3, 2), "tell of a freeze, and there is none"),
    ("an asset's mark", lambda held: held.put(layout.asset_key(ASSET), 4, 1), "tell of a freeze, and there is none"),
    ("a mark of an identity", lambda held: held.put(layout.account_key(ANN), 3, 4), "tell of an identity, and there"),
    ("a standing of nothing", lambda held: held.put(layout.account_key(ANN), 4, (1, 0, "CH", "low")), "no identity"),
    ("a standing lost", lambda held: held.__setitem__(KNOWN, IDENTITY), "stands as None, and its identity is verified"),
    ("another standing", stand_otherwise, "stands as (9, 0, 'CH', 'low'), and its identity is verified"),
    ("a standing kept", stand_suspended, "stands as (1, 0, 'CH', 'low'), and its identity is suspended: None"),
    ("an identity unmarked", lambda held: held.__setitem__(KNOWN, IDENTITY), "is no account whose flags say so"),
    ("an identity of nothing", lambda held: held.__setitem__(KNOWN, IDENTITY), "rests on record r, which is not its"),
    ("an identity's version", lambda held: held.__setitem__(KNOWN, (*IDENTITY[:7], 0, "")), "level 1 and version 0"),
    ("no ciphertext", lambda held: held.__setitem__(b"sealed/r", SEALED), "is sealed, and its ciphertext is gone"),
    ("a reading key's record", lambda held: held.__setitem__(b"sealed/r", SEALED), "reading key 0 of alpine, which is"),
    ("no owner's wrap", lambda held: held.__setitem__(b"sealed/r", (*SEALED[:5], (), *SEALED[6:])), "to its owner"),
    ("erased, not attested", lambda held: held.__setitem__(b"sealed/r", (*SEALED[:6], "erased", "x", ())), "0 of 1"),
    ("a ciphertext alone", lambda held: held.__setitem__(b"ciphertext/r", (b"",)), "of record r, which is not there"),
    ("reading keys lost", lambda held: held.__setitem__(b"reading/alpine", (2, 0, 2)), "counts 2 reading keys"),
    ("a reading key spent", lambda held: held.__setitem__(b"reading/alpine/0", (b"k", "r")), "is spent on record r"),
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
