"""Holds that name their receiver late, and several posted in one journal: what is on record, what is refused."""

import pytest

from contracts.kernel import freezes, gate, holds, layout, ledger
from contracts.kernel.layout import HoldRow, Leg
from contracts.kernel.scope import Scope
from tests.contracts.network import GENESIS_MS, Desk, address_of
from tests.contracts.test_kernel import code_of

ANN, BOB, CID, ALPINE = map(address_of, ("ann", "bob", "cid", "alpine"))
A, B = "USD.alpine", "USD.baltic"
SUPPLY = "supply"


@pytest.fixture
def market(desk: Desk) -> Desk:
    """Ann and bob with 1,000 of A, cid with 1,000 of B."""
    for bank, asset, holder in (("alpine", A, ANN), ("alpine", A, BOB), ("baltic", B, CID)):
        ledger.mint(desk.scope(bank), asset, holder, 1_000, "deposit", "")
    return desk


def hold(desk: Desk, signer: str, asset: str, amount: int, to: str = "", expires_ms: int = 0) -> str:
    return holds.create(desk.scope(signer), asset, address_of(signer), amount, to, expires_ms, "order", f"by {signer}")


def posted(desk: Desk, *fills: holds.Fill, legs: tuple[Leg, ...] = (), signers: tuple[str, ...] = ()) -> str:
    """The code; what was refused has left nothing."""
    savepoint = desk.overlay.savepoint()
    code = code_of(lambda: holds.post_many(desk.scope(*signers), fills, legs, "trade", "7"))
    if code == "ok":
        desk.overlay.release(savepoint)
    else:
        desk.overlay.rollback(savepoint)
    return code


def balance(desk: Desk, address: str, asset: str) -> tuple[int, int]:
    return ledger.balance(desk.scope(), address, asset)


def test_both_sides_of_a_trade_in_one_journal(market: Desk) -> None:
    bid, ask = hold(market, "ann", A, 300, expires_ms=GENESIS_MS + 9_000), hold(market, "cid", B, 500)
    scope = market.scope("bob")
    rests = holds.post_many(
        scope, [(bid, CID, 200, True), (ask, ANN, 400, False)], [(A, BOB, -5), (A, ALPINE, 5)], "trade", "7"
    )
    scope.settle()
    assert [(event.name, dict(event.fields)) for event in scope.events] == [
        (
            "holds_posted",
            {
                "contract": "",
                "group": "",
                "purpose": "trade",
                "reference": "7",
                "holds": [[bid, 200, 0, rests[0]], [ask, 400, 100, ""]],
                "legs": [
                    [A, ANN, -200], [A, CID, 200], [B, CID, -400], [B, ANN, 400], [A, BOB, -5], [A, ALPINE, 5]
                ],
            },
        )
    ]  # fmt: skip
    assert rests[1] == ""
    assert [balance(market, *place) for place in ((ANN, A), (ANN, B), (CID, A), (CID, B), (BOB, A), (ALPINE, A))] == [
        (700, 100), (400, 0), (200, 0), (600, 0), (995, 0), (5, 0)
    ]  # fmt: skip
    assert [holds.status(scope, name) for name in (bid, ask)] == [layout.POSTED] * 2
    assert holds.info(scope, rests[0]) == (A, ANN, 100, "", GENESIS_MS + 9_000, layout.OPEN)
    assert holds.info(scope, bid) == (A, ANN, 0, "", GENESIS_MS + 9_000, layout.POSTED)
    assert [ledger.reserved(scope, "", asset) for asset in (A, B)] == [100, 0]


def test_what_is_kept_counts_from_when_the_first_was_made(market: Desk) -> None:
    first = hold(market, "ann", A, 300)
    market.time_ms += 5_000
    rest = holds.post_many(market.scope(), [(first, BOB, 1, True)], [], "trade")[0]
    row = market.overlay.get(layout.hold_key(rest))
    assert row == (A, ANN, 299, "", 0, "", "order", "by ann", layout.OPEN, 0, GENESIS_MS, "")


def test_a_hold_is_burnt_by_the_issuers_word(market: Desk) -> None:
    name = hold(market, "ann", A, 300)
    assert posted(market, (name, SUPPLY, 100, False)) == "supply_unauthorised"
    assert posted(market, (name, SUPPLY, 100, False), signers=("alpine",)) == "ok"
    assert ledger.supply(market.scope(), A) == 1_900
    assert balance(market, ANN, A) == (900, 0)


def test_what_is_refused(market: Desk) -> None:
    named, late = hold(market, "ann", A, 100, BOB), hold(market, "ann", A, 100)
    soon = hold(market, "ann", A, 100, expires_ms=GENESIS_MS + 1)
    pay: Leg = (A, BOB, -1)
    assert code_of(lambda: holds.post(market.scope(), late, 1, "trade")) == "no_beneficiary"
    for fills, legs, code in (
        ([], (), "no_legs"),
        ([("none", BOB, 1, False)], (), "unknown_hold"),
        ([(named, CID, 1, False)], (), "bad_beneficiary"),
        ([(named, SUPPLY, 1, False)], (), "bad_beneficiary"),
        ([(late, address_of("nobody"), 1, False)], (), "unknown_account"),
        ([(late, "", 1, False)], (), "unknown_account"),
        ([(late, BOB, 0, False)], (), "amount_out_of_range"),
        ([(late, BOB, 101, True)], (), "hold_exceeded"),
        ([(late, BOB, 1, True), (late, BOB, 1, True)], (), "hold_resolved"),
        ([(late, BOB, 1, False)], ((A, BOB, 1),), "unbalanced"),
        ([(late, BOB, 1, False)], (pay, (A, ANN, 1)), "debit_unauthorised"),
        ([(late, BOB, 1, False)] * 513, (), "too_many_legs"),
    ):
        assert posted(market, *fills, legs=legs) == code
    assert balance(market, ANN, A) == (700, 300)
    market.time_ms += 1
    assert posted(market, (soon, BOB, 1, False)) == "hold_expired"
    stranger = market.scope(contract="spender")
    assert code_of(lambda: holds.post_many(stranger, [(late, BOB, 1, False)], [], "trade")) == "hold_unauthorised"


def test_what_a_posting_pays_funds_no_leg_beside_it(market: Desk) -> None:
    """But what it frees does: it was the account's own before."""
    ask = hold(market, "cid", B, 500)
    fee: tuple[Leg, Leg] = ((B, BOB, -5), (B, CID, 5))
    assert posted(market, (ask, BOB, 100, True), legs=fee, signers=("bob",)) == "insufficient_funds"
    everything = hold(market, "ann", A, 1_000)
    back: tuple[Leg, Leg] = ((A, ANN, -900), (A, CID, 900))
    assert posted(market, (everything, BOB, 100, True), legs=back, signers=("ann",)) == "insufficient_funds"
    assert posted(market, (everything, BOB, 100, False), legs=back, signers=("ann",)) == "ok"
    assert balance(market, ANN, A) == (0, 0)


@pytest.mark.parametrize(
    ("stops", "whom", "named_late", "ok"),
    [
        (freezes.RECEIVE, BOB, False, True),
        (freezes.RECEIVE, BOB, True, False),
        (freezes.SEND, ANN, False, True),
        (freezes.SEND, ANN, True, True),
        (freezes.SETTLE, ANN, False, False),
        (freezes.SETTLE, BOB, True, False),
    ],
)
def test_who_is_named_late_is_judged_as_in_a_free_posting(
    market: Desk, stops: int, whom: str, named_late: bool, ok: bool
) -> None:
    name = hold(market, "ann", A, 100, "" if named_late else BOB)
    freezes.add(market.scope(), whom, (1, "", stops, 0, 0), is_asset=False)
    if whom == ANN or not named_late:
        assert holds.may_settle(market.scope(), name) == ok
    assert posted(market, (name, BOB, 100, False)) == ("ok" if ok else "account_frozen")


def test_may_settle(market: Desk) -> None:
    name, soon = hold(market, "ann", A, 100), hold(market, "ann", A, 100, expires_ms=GENESIS_MS + 1)
    assert [holds.may_settle(market.scope(), one) for one in (name, soon)] == [True, True]
    market.time_ms += 1
    holds.void(market.scope(), name)
    assert [holds.may_settle(market.scope(), one) for one in (name, soon)] == [False, False]
    assert code_of(lambda: holds.may_settle(market.scope(), "none")) == "unknown_hold"


def test_what_goes_back_is_given_back_once(market: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate hears of every unit that was reserved and is not paid."""
    heard: list[tuple[int, int]] = []

    def listen(scope: Scope, row: HoldRow, amount: int) -> None:
        heard.append((row[2], amount))

    monkeypatch.setattr(gate, "give_back", listen)
    paid, void, split = hold(market, "ann", A, 10), hold(market, "ann", A, 20), hold(market, "ann", A, 30)
    hold(market, "ann", A, 40, expires_ms=GENESIS_MS + 1)
    market.time_ms += 1
    assert posted(market, (paid, BOB, 10, False), (split, BOB, 1, True)) == "ok"
    assert heard == []
    holds.void(market.scope(), void)
    ledger.transfer(market.scope("ann"), A, ANN, BOB, 900, "payment", "")
    assert heard == [(20, 20), (40, 40)]
    assert posted(market, (hold(market, "ann", A, 50), BOB, 20, False)) == "ok"
    assert heard[2:] == [(50, 30)]
