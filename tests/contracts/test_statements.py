"""Statements: opening + movements = closing, by page and by period, with what is on record of each movement."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import records
from contracts.answers import Movement, StatementPage
from contracts.records import encode_row
from state.codec import INT_MAX
from state.errors import Corrupt, Invalid, Reason
from tests.contracts.network import GENESIS_MS, Chain, address_of, genesis_state
from tests.contracts.sources import ESCROW

ANN, BOB = address_of("ann"), address_of("bob")
USD = "USD.alpine"
FOR_EVER = INT_MAX - 1


def started() -> Chain:
    """Ann and bob with 10,000 each since height 1."""
    return Chain.start(genesis_state([("escrow", ESCROW)])).furnish()


def pay(chain: Chain, payer: str, payee: str, amount: int, reference: str) -> None:
    assert chain.send(payer, ("payments", "pay", [address_of(payee), "USD", amount, reference])) == "ok"


def whole(chain: Chain, address: str = ANN, limit: int = 1_000) -> StatementPage:
    return chain.reads.statement(address, USD, 0, FOR_EVER, None, limit)


def paged(chain: Chain, address: str, limit: int, from_ms: int = 0, to_ms: int = FOR_EVER) -> list[StatementPage]:
    """All pages, each of which adds up and begins where the one before it ended."""
    pages, cursor = [], None
    while True:
        page = chain.reads.statement(address, USD, from_ms, to_ms, cursor, limit)
        assert page.opening + sum(entry.change for entry in page.movements) == page.closing
        assert not pages or pages[-1].closing == page.opening
        assert len(page.movements) <= limit
        pages.append(page)
        cursor = page.next_cursor
        if cursor is None:
            return pages


def test_each_movement_says_what_it_was() -> None:
    chain = started()
    pay(chain, "ann", "bob", 300, "rent")
    payment = chain.results[-1].receipts[0].transaction_id
    deposit = chain.results[0].receipts[2].transaction_id
    assert whole(chain) == StatementPage(
        0,
        (
            Movement(1, 2, GENESIS_MS + 1_000, deposit, 10_000, 10_000, "deposit", "opening", "bank_money"),
            Movement(3, 0, GENESIS_MS + 3_000, payment, -300, 9_700, "payment", "rent", "payments"),
        ),
        9_700,
        None,
    )
    assert chain.reads.statement(ANN, "USD.baltic", 0, FOR_EVER) == StatementPage(0, (), 0, None)


def test_a_hold_moves_nothing_until_it_is_posted() -> None:
    chain = started()
    result = chain.block(chain.transaction("ann", ("escrow", "hold", [USD, BOB, 400, 0])))
    hold = result.receipts[0].results[0]
    assert [entry.change for entry in whole(chain).movements] == [10_000]
    assert chain.send("ann", ("escrow", "post", [hold, 150])) == "ok"
    assert [(entry.change, entry.balance, entry.purpose) for entry in whole(chain).movements] == [
        (10_000, 10_000, "deposit"),
        (-150, 9_850, "escrow"),
    ]
    assert whole(chain).closing == 9_850
    assert [entry.change for entry in whole(chain, BOB).movements] == [10_000, 150]


def test_money_that_goes_in_a_circle_is_shown_both_ways() -> None:
    chain = started()
    result = chain.block(chain.transaction("ann", ("escrow", "hold", [USD, ANN, 400, 0])))
    assert chain.send("ann", ("escrow", "post", [result.receipts[0].results[0], 400])) == "ok"
    pay(chain, "ann", "ann", 10_000, "to myself")
    assert [entry.change for entry in whole(chain).movements] == [10_000, -400, 400, -10_000, 10_000]
    assert [len(page.movements) for page in paged(chain, ANN, 2)] == [2, 2, 1]


@pytest.mark.parametrize(
    ("from_ms", "to_ms", "opening", "changes", "closing"),
    [
        (0, FOR_EVER, 0, [10_000, -1, -2, -3], 9_994),
        (GENESIS_MS + 3_000, GENESIS_MS + 4_000, 10_000, [-1, -2], 9_997),
        (GENESIS_MS + 3_001, GENESIS_MS + 3_999, 9_999, [], 9_999),
        (GENESIS_MS + 4_001, FOR_EVER, 9_997, [-3], 9_994),
        (GENESIS_MS + 5_001, FOR_EVER, 9_994, [], 9_994),
        (0, GENESIS_MS, 0, [], 0),
        (GENESIS_MS + 4_000, GENESIS_MS + 3_000, 9_999, [], 9_999),
    ],
)
def test_a_period_takes_the_blocks_whose_time_is_in_it(
    from_ms: int, to_ms: int, opening: int, changes: list[int], closing: int
) -> None:
    chain = started()
    for amount in (1, 2, 3):
        pay(chain, "ann", "bob", amount, "")
    page = chain.reads.statement(ANN, USD, from_ms, to_ms)
    assert (page.opening, [entry.change for entry in page.movements], page.closing) == (opening, changes, closing)
    for limit in (1, 2):
        pages = paged(chain, ANN, limit, from_ms, to_ms)
        assert [entry.change for page in pages for entry in page.movements] == changes
        assert (pages[0].opening, pages[-1].closing) == (opening, closing)


def test_a_page_may_end_inside_a_transaction() -> None:
    chain = started()
    batch = [[ANN, amount] for amount in (1, 2, 3, 4, 5)]
    assert chain.send("alpine", ("bank_money", "mint", ["USD", batch, "salary"])) == "ok"
    pages = paged(chain, ANN, 2)
    assert [[entry.change for entry in page.movements] for page in pages] == [[10_000, 1], [2, 3], [4, 5]]
    assert [page.opening for page in pages] == [0, 10_001, 10_006]
    # What comes after a page was read does not change where the next one goes on.
    pay(chain, "ann", "bob", 7, "")
    page = chain.reads.statement(ANN, USD, 0, FOR_EVER, pages[1].next_cursor)
    assert (page.opening, [entry.change for entry in page.movements]) == (10_006, [4, 5, -7])


def test_a_failed_transaction_is_not_in_it() -> None:
    chain = started()
    assert chain.send("ann", ("payments", "pay", [BOB, "USD", 10_001, ""])) == "insufficient_funds"
    assert len(whole(chain).movements) == 1
    assert len(chain.reads.history(ANN)[0]) == 2


def test_what_cannot_be_asked() -> None:
    chain = started()
    for address, asset, cursor, reason in (
        (address_of("nobody"), USD, None, Reason.UNKNOWN),
        (ANN, "USD.nobody", None, Reason.UNKNOWN),
        (ANN, USD, b"short", Reason.MALFORMED),
    ):
        with pytest.raises(Invalid) as refusal:
            chain.reads.statement(address, asset, 0, FOR_EVER, cursor)
        assert refusal.value.reason is reason
    assert chain.reads.statement(ANN, USD, 0, FOR_EVER, b"\xff" * 16) == StatementPage(10_000, (), 10_000, None)


def test_a_balance_that_its_movements_do_not_lead_to_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a row of the statement that says one cent more."""
    changed = lambda row: encode_row((row[0], row[1] + 1) if len(row) == 2 and type(row[1]) is int else row)  # noqa: E731
    monkeypatch.setattr(records, "encode_row", changed)
    with pytest.raises(Corrupt, match="come to 10000, the balance kept is 10001"):
        whole(started())


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(["ann", "bob", "cid"]), st.sampled_from(["ann", "bob", "cid"]),
                           st.integers(1, 4_000)), max_size=4),
        max_size=5,
    ),
    st.integers(1, 5),
    st.tuples(st.integers(0, 9_000), st.integers(0, 9_000)),
)  # fmt: skip
def test_statements_of_all_add_up(
    blocks: list[list[tuple[str, str, int]]], limit: int, period: tuple[int, int]
) -> None:
    chain = started()
    for payments in blocks:
        chain.block(
            *(
                chain.transaction(payer, ("payments", "pay", [address_of(payee), "USD", amount, ""]))
                for payer, payee, amount in payments
            )
        )
    from_ms, to_ms = sorted(GENESIS_MS + offset for offset in period)
    for name in ("ann", "bob"):
        pages = paged(chain, address_of(name), limit)
        assert pages[-1].closing == chain.balance(name, USD)
        movements = [entry for page in pages for entry in page.movements]
        within = [entry for entry in movements if from_ms <= entry.time_ms <= to_ms]
        pages = paged(chain, address_of(name), limit, from_ms, to_ms)
        assert [entry for page in pages for entry in page.movements] == within
        before = sum(entry.change for entry in movements if entry.time_ms < from_ms)
        assert replace(pages[0], movements=(), closing=0, next_cursor=None) == StatementPage(before, (), 0, None)
