"""Money is conserved, whatever is tried: random programs of everything that moves it, many of them refused."""

from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.kernel import ledger
from contracts.kernel.scope import Scope
from contracts.records import decode_row, legs_of
from state.codec import INT_MAX, Value
from tests.contracts.network import Chain, address_of, genesis_state
from tests.contracts.sources import ESCROW

NAMES = ("ann", "bob", "cid", "alpine", "baltic", "central")
ASSETS = ("USD.alpine", "USD.baltic", "USD.central")

CUSTOMERS = {"alpine": ("ann", "bob"), "baltic": ("cid",)}
HOME = {"ann": "USD.alpine", "bob": "USD.alpine", "cid": "USD.baltic"}

names = st.sampled_from(NAMES)
customers = st.sampled_from(("ann", "bob", "cid"))
banks = st.sampled_from(("alpine", "baltic"))
amounts = st.one_of(
    st.integers(1, 3_000), st.sampled_from((0, 9_999, 10_000, 10_001, 50_001, INT_MAX - 10_000, INT_MAX))
)
Call = tuple[str, str, list[Value]]
KINDS = (
    *("hold", "hold", "hold", "pay", "pay"),
    *("mint", "burn", "withdraw", "issue", "redeem", "cancel", "settle", "grant"),
)
WITH_A_HOLD = ("post", "post", "post", "post", "void", "void", "expire", "expire")


@st.composite
def programs(draw: st.DrawFn, opened: tuple[str, ...], time_ms: int) -> tuple[str, Call]:
    """A sender and one call of something that moves money; holds are mostly among those opened."""
    kind = draw(st.sampled_from((*WITH_A_HOLD, *KINDS) if opened else KINDS))
    amount = draw(amounts)
    hold = draw(st.sampled_from(opened)) if opened else "none"
    if kind in ("mint", "burn"):
        bank = draw(banks)
        batch: list[Value] = [
            [address_of(draw(st.sampled_from(CUSTOMERS[bank]))), draw(amounts)] for _ in range(draw(st.integers(1, 3)))
        ]
        return bank, ("bank_money", kind, ["USD", batch, ""])
    if kind == "hold":
        payer = draw(names)
        asset = HOME.get(payer, "USD.central")
        expires = draw(st.sampled_from((0, time_ms, time_ms + 1_001, time_ms + 2_001, time_ms + 3_500)))
        return payer, ("escrow", "hold", [asset, address_of(draw(names)), amount, expires])
    if kind in ("issue", "cancel"):
        to: list[Value] = [address_of(draw(names))] if kind == "issue" else []
        return "central", ("bank_money", kind, ["USD", *to, amount, ""])
    if kind in ("redeem", "settle"):
        target: list[Value] = [address_of(draw(names))] if kind == "settle" else []
        contract = "payments" if kind == "settle" else "bank_money"
        return draw(banks), (contract, kind, [*target, "USD", amount, ""])
    calls: dict[str, Call] = {
        "pay": ("payments", "pay", [address_of(draw(customers)), "USD", amount, ""]),
        "post": ("escrow", "post", [hold, amount]),
        "void": ("escrow", "void", [hold]),
        "expire": ("escrow", "expire", [hold]),
        "withdraw": ("bank_money", "withdraw", ["USD", amount, ""]),
        "grant": ("accounts", "grant", [draw(st.sampled_from(("payments", "escrow", "bank_money")))]),
    }
    return draw(customers), calls[kind]


def check(chain: Chain) -> None:
    """Every asset sound by a walk over the whole state; mints less burns in all receipts are the supply.

    Statements lead from nothing to what each account has.
    """
    minted = dict.fromkeys(ASSETS, 0)
    for result in chain.results:
        for receipt in result.receipts:
            for event in receipt.events:
                legs = cast("list[list[object]]", dict(event.fields).get("legs", []))
                assert legs == legs_of(event)
                for asset, account, change in legs:
                    if account == "supply":
                        minted[cast(str, asset)] -= cast(int, change)
    for audit in chain.reads.audit():
        assert audit.is_sound, audit
        assert minted.get(audit.asset, 0) == audit.supply
    for name in NAMES:
        for entry in chain.reads.account(address_of(name)).balances:
            page = chain.reads.statement(address_of(name), entry.asset, 0, INT_MAX - 1, limit=1_000)
            assert (page.opening, page.closing) == (0, entry.available + entry.held)
            assert sum(movement.change for movement in page.movements) == page.closing
    for key, data in chain.reads.state_items():
        if key.startswith(b"balance/"):
            available, held = cast("tuple[int, int]", decode_row(data))
            assert available >= 0
            assert held >= 0
            assert 0 < available + held <= INT_MAX


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_balances_and_holds_are_always_what_was_minted(data: st.DataObject) -> None:
    chain = Chain.start(genesis_state([("escrow", ESCROW)])).furnish()
    play(chain, data)
    check(chain)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_so_they_are_with_fees(data: st.DataObject) -> None:
    """Whatever becomes of a transaction: what customers paid is what their banks have of it, and nothing is lost."""
    chain = Chain.start(genesis_state([("escrow", ESCROW)])).furnish()
    base, price = data.draw(st.sampled_from((0, 3, 700)), label="base"), data.draw(st.sampled_from((1, 90)))
    expires_ms = chain.time_ms + 60_000
    assert chain.send("alpine", ("governance", "propose", ["fee", ["USD"], [base, price], expires_ms])) == "ok"
    motion = chain.results[-1].receipts[0].results[0]
    assert chain.send("baltic", ("governance", "vote", [motion, True])) == "ok"
    play(chain, data)
    check(chain)
    for result in chain.results:
        for receipt in result.receipts:
            told = [dict(event.fields) for event in receipt.events if event.name == "fee"]
            due = base - (-price * receipt.fuel_used // 1_000_000)
            assert all(fee["amount"] == due for fee in told)
            assert len(told) <= 1


def play(chain: Chain, data: st.DataObject) -> None:
    """Blocks of random transactions."""
    opened: list[str] = []
    for _ in range(data.draw(st.integers(3, 10), label="blocks")):
        transactions = []
        for _ in range(data.draw(st.integers(2, 6), label="transactions")):
            program = programs(tuple(opened), chain.time_ms)
            sender, call = data.draw(program, label="call")
            more = [call for _, call in data.draw(st.lists(program, max_size=1), label="more calls")]
            others = data.draw(st.lists(names, max_size=2, unique=True), label="signers")
            transactions.append(chain.transaction(sender, call, *more, signers=sorted({sender, *others})))
        for receipt in chain.block(*transactions).receipts:
            opened += [str(result) for result in receipt.results if isinstance(result, str) and "." in result[60:]]


def test_a_planted_bug_is_caught_by_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain.start(genesis_state()).furnish()
    original = ledger.move

    def forgetful(scope: Scope, moves: ledger.Moves, minted: dict[str, int]) -> None:
        original(scope, dict(list(moves.items())[:-1]), minted)

    monkeypatch.setattr(ledger, "move", forgetful)
    monkeypatch.setattr(Scope, "settle", lambda scope: None)
    assert chain.send("ann", ("payments", "pay", [address_of("bob"), "USD", 5, ""])) == "ok"
    with pytest.raises(AssertionError, match=r"USD\.alpine"):
        check(chain)
