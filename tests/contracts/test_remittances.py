"""Remittances, case by case: who may do what, at which time, and what becomes of the money.

The escrow-like cases follow what rippled's tests ask of its escrows (src/test/app/Escrow_test.cpp and
EscrowToken_test.cpp of XRPLF/rippled: Timing, Failure Cases, Lockup, Locked Rate; issue 5565, pull request 7014), as
tables of our own with our own figures. What it calls to finish is to accept here, and there is nothing to finish after.
"""

from dataclasses import replace
from typing import cast

import pytest

from contracts.library import read_library
from state.address import contract_address
from state.codec import Value
from state.transaction import Call, encode_calls
from tests.contracts.network import PREFIX, SALT, address_of, key_of
from tests.contracts.remittance_office import FAVOUR, Office, Terms, uetr

QUOTE = Terms()
IN_BANK = replace(QUOTE, receive_amount=7_362, rate_numerator=14_724)


@pytest.fixture
def office() -> Office:
    """Two banks that remit."""
    return Office.open()


def ended(office: Office) -> dict[str, object]:
    """The fields of the one event that says how a remittance ended."""
    (event,) = [event for event in office.receipt.events if event.name == "Ended"]
    return dict(event.fields)


def test_a_remittance_settles_in_one_transaction(office: Office) -> None:
    name = office.quote()
    before = office.money()
    assert office.status(name) == "quoted"
    assert office.lock(name) == "ok"
    assert office.status(name) == "locked"
    assert office.changes(before) == {
        ("ann", "USD.alpine"): (-5_120, 5_120),
        ("alpine", "JPY.central"): (-7_363, 7_363),
    }
    assert office.call("baltic", "accept", name) == "ok"
    assert office.status(name) == "settled"
    assert office.changes(before) == {
        ("ann", "USD.alpine"): (-5_120, 0),
        ("alpine", "USD.alpine"): (5_120, 0),
        ("alpine", "JPY.central"): (-7_363, 0),
        ("baltic", "JPY.central"): (7_363, 0),
        ("cid", "JPY.baltic"): (7_363, 0),
    }
    assert ended(office) == {
        "remittance": name,
        "status": "settled",
        "bank": "alpine",
        "originator": address_of("ann"),
        "beneficiary": address_of("cid"),
        "beneficiary_bank": "baltic",
        "received": 7_363,
        "lost": 5_120,
        "reason": "",
        "note": "",
    }


ROUTES = [
    # (terms, to, what has changed at everybody)
    (
        FAVOUR,
        "cid",
        {
            ("ann", "USD.alpine"): -5_120,
            ("alpine", "USD.alpine"): 5_120,
            ("alpine", "USD.central"): -5_000,
            ("baltic", "USD.central"): 5_000,
            ("cid", "USD.baltic"): 5_000,
        },
    ),
    (FAVOUR, "bob", {("ann", "USD.alpine"): -5_120, ("alpine", "USD.alpine"): 120, ("bob", "USD.alpine"): 5_000}),
    (QUOTE, "bob", {("ann", "USD.alpine"): -5_120, ("alpine", "USD.alpine"): 5_120, ("bob", "JPY.alpine"): 7_363}),
    (QUOTE, "ann", {("ann", "USD.alpine"): -5_120, ("alpine", "USD.alpine"): 5_120, ("ann", "JPY.alpine"): 7_363}),
    (
        replace(QUOTE, fee=0),
        "baltic",
        {
            ("ann", "USD.alpine"): -5_000,
            ("alpine", "USD.alpine"): 5_000,
            ("alpine", "JPY.central"): -7_363,
            ("baltic", "JPY.central"): 7_363,
            ("baltic", "JPY.baltic"): 7_363,
        },
    ),
]


@pytest.mark.parametrize(("terms", "to", "changes"), ROUTES)
def test_it_goes_across_banks_and_within_one(
    office: Office, terms: Terms, to: str, changes: dict[tuple[str, str], int]
) -> None:
    before = office.money()
    name = office.locked(terms, to)
    assert office.call("baltic" if to in ("cid", "baltic") else "alpine", "accept", name) == "ok"
    assert office.changes(before) == {place: (change, 0) for place, change in changes.items()}


@pytest.mark.parametrize("borne_by", ["originator", "bank"])
@pytest.mark.parametrize("cost", [0, 75, 5_120])
@pytest.mark.parametrize("way", ["rejected", "cancelled", "expired"])
@pytest.mark.parametrize("to", ["cid", "bob"])
def test_what_a_refund_costs_is_in_the_quote(office: Office, borne_by: str, cost: int, way: str, to: str) -> None:
    before = office.money()
    name = office.locked(replace(QUOTE, refund_borne_by=borne_by, refund_cost=cost), to)
    outcomes = cast("list[list[object]]", office.ask("outcomes", name))
    (foretold,) = [lost for status, lost, received in outcomes if status == way]
    if way == "rejected":
        assert office.call("baltic" if to == "cid" else "alpine", "reject", name, "AC04", "") == "ok"
    elif way == "cancelled":
        assert office.call("ann", "cancel", name) == "ok"
    else:
        office.chain.block(time_ms=office.chain.time_ms + QUOTE.lock_ms)
    assert office.status(name) == way
    lost = cost if borne_by == "originator" and way != "expired" else 0
    assert foretold == lost
    moved = {("ann", "USD.alpine"): (-lost, 0), ("alpine", "USD.alpine"): (lost, 0)} if lost else {}
    assert office.changes(before) == moved
    assert {key: ended(office)[key] for key in ("status", "lost", "received")} == {
        "status": way,
        "lost": lost,
        "received": 0,
    }


BAD_TERMS = [
    (replace(QUOTE, send_amount=0), "bad_amount"),
    (replace(QUOTE, send_amount=2**63 - 1, fee=1), "bad_amount"),
    (replace(QUOTE, receive_amount=0), "bad_amount"),
    (replace(QUOTE, receive_amount=2**63), "bad_amount"),
    (replace(QUOTE, rate_numerator=0), "bad_rate"),
    (replace(QUOTE, rate_denominator=0), "bad_rate"),
    (replace(QUOTE, rate_numerator=-14_725, rate_denominator=-10_000), "bad_rate"),
    (replace(QUOTE, receive_amount=7_362), "bad_rate"),
    (replace(QUOTE, receive_amount=7_364), "bad_rate"),
    (replace(QUOTE, receive_currency="USD"), "bad_rate"),
    (replace(QUOTE, refund_borne_by="nobody"), "bad_bearer"),
    (replace(QUOTE, refund_cost=5_121), "bad_cost"),
    (replace(QUOTE, expires_in_ms=0), "bad_expiry"),
    (replace(QUOTE, expires_in_ms=-1), "bad_expiry"),
    (replace(QUOTE, expires_in_ms=7 * 86_400_000 + 1), "bad_expiry"),
    (replace(QUOTE, lock_ms=0), "bad_expiry"),
    (replace(QUOTE, lock_ms=30 * 86_400_000 + 1), "bad_expiry"),
    (replace(QUOTE, send_currency="EUR"), "unknown_asset"),
    (replace(QUOTE, fee=-1), "argument"),
]


@pytest.mark.parametrize(("terms", "code"), BAD_TERMS)
def test_terms_that_make_no_quote(office: Office, terms: Terms, code: str) -> None:
    assert office.offer(uetr(1), terms) == code


@pytest.mark.parametrize(
    "name",
    [
        "",
        "eb6305c9-1f7f-49de-aed0-16487c27b42",
        "eb6305c9-1f7f-49de-aed0-16487c27b42dd",
        "eb6305c9-1f7f-49de-aed0-16487C27B42D",
        "eb6305c9-1f7f-59de-aed0-16487c27b42d",
        "eb6305c9-1f7f-49de-ced0-16487c27b42d",
        "eb6305c91-f7f-49de-aed0-16487c27b42d",
        "eb6305c9-1f7f-49de-aed0-16487c27b4-d",
        "gb6305c9-1f7f-49de-aed0-16487c27b42d",
    ],
)
def test_what_is_no_uetr(office: Office, name: str) -> None:
    assert office.offer(name, QUOTE) == "bad_uetr"


def test_a_uetr_is_used_once(office: Office) -> None:
    name = "eb6305c9-1f7f-49de-aed0-16487c27b42d"
    assert office.offer(name, QUOTE) == "ok"
    assert office.offer(name, QUOTE) == "remittance_exists"
    assert office.offer(name, QUOTE, "baltic", "cid") == "remittance_exists"


@pytest.mark.parametrize(
    ("bank", "customer", "code"),
    [
        ("alpine", "cid", "not_a_customer"),
        ("alpine", "alpine", "not_a_customer"),
        ("baltic", "ann", "not_a_customer"),
        ("ann", "ann", "not_a_bank"),
        ("central", "ann", "not_a_bank"),
    ],
)
def test_a_bank_quotes_for_its_own_customers(office: Office, bank: str, customer: str, code: str) -> None:
    assert office.offer(uetr(1), QUOTE, bank, customer) == code


ANSWERS: list[tuple[str, list[Value]]] = [("accept", []), ("reject", ["AC04", ""]), ("cancel", [])]


@pytest.mark.parametrize(
    ("sender", "method", "code"),
    [
        *((sender, "accept", "not_the_beneficiary_bank") for sender in ("ann", "bob", "cid", "alpine", "central")),
        *((sender, "reject", "not_the_beneficiary_bank") for sender in ("ann", "bob", "cid", "alpine", "central")),
        *((sender, "cancel", "not_the_originator") for sender in ("bob", "cid", "alpine", "baltic", "central")),
        *((sender, "close", "not_due") for sender in ("ann", "cid", "alpine", "baltic", "central")),
    ],
)
def test_who_may_answer(office: Office, sender: str, method: str, code: str) -> None:
    name = office.locked()
    before = office.money()
    assert office.call(sender, method, name, *dict(ANSWERS).get(method, [])) == code
    assert (office.status(name), office.changes(before)) == ("locked", {})


@pytest.mark.parametrize("sender", ["bob", "cid", "alpine", "baltic"])
def test_only_the_originator_locks(office: Office, sender: str) -> None:
    assert office.lock(office.quote(), sender) == "not_the_originator"


def test_what_a_contract_does_in_the_sender_s_name_is_not_the_sender_s_word() -> None:
    relay = (
        "from hansa import Address, action, call\n\n\n@action\ndef pass_on(method: str, name: str) -> None:\n"
        '    call(Address("remittances"), method, name)\n'
    )
    office = Office.open(sources=[("relay", relay)])
    name = office.locked()
    for sender, method in (("baltic", "accept"), ("ann", "cancel")):
        assert office.chain.send(sender, ("relay", "pass_on", [method, name])) == "not_direct"


def end(office: Office, way: str) -> str:
    """A remittance that has come to that end."""
    if way in ("quoted", "lapsed"):
        name = office.quote()
        if way == "lapsed":
            office.chain.block(time_ms=office.chain.time_ms + QUOTE.expires_in_ms)
    else:
        name = office.locked()
        if way == "expired":
            office.chain.block(time_ms=office.chain.time_ms + QUOTE.lock_ms)
        else:
            sender, method, *more = {
                "settled": ("baltic", "accept"),
                "rejected": ("baltic", "reject", "AC04", ""),
                "cancelled": ("ann", "cancel"),
            }[way]
            assert office.call(sender, method, name, *more) == "ok"
    assert office.status(name) == way
    return name


@pytest.mark.parametrize("way", ["settled", "rejected", "cancelled", "expired"])
def test_what_has_ended_has_ended(office: Office, way: str) -> None:
    """Escrow: a double finish, a finish after a cancel and a cancel after a finish."""
    name = end(office, way)
    before = office.money()
    for sender, method, *more in (
        ("baltic", "accept"),
        ("baltic", "reject", "AC04", ""),
        ("ann", "cancel"),
        ("baltic", "close"),
    ):
        code = "remittance_expired" if way == "expired" and method != "close" else "remittance_ended"
        assert office.call(sender, method, name, *more) == code
    assert office.lock(name) == "already_locked"
    assert (office.status(name), office.changes(before)) == (way, {})
    assert office.chain.block(time_ms=office.chain.time_ms + QUOTE.lock_ms).receipts == ()


@pytest.mark.parametrize("way", ["quoted", "lapsed"])
def test_what_was_not_locked_has_no_answer(office: Office, way: str) -> None:
    """Escrow: a finish of one that is not there."""
    name = end(office, way)
    for method, more in (*ANSWERS, ("close", [])):
        assert office.call("baltic", method, name, *more) == "not_locked"
        assert office.call("baltic", method, uetr(99), *more) == "unknown_remittance"
    if way == "lapsed":
        assert office.lock(name) == "quote_lapsed"


@pytest.mark.parametrize(("early_ms", "code"), [(1, "ok"), (0, "quote_lapsed"), (-1, "quote_lapsed")])
def test_a_quote_is_firm_until_just_before_its_expiry(office: Office, early_ms: int, code: str) -> None:
    name = office.quote()
    expires_ms = office.chain.time_ms + QUOTE.expires_in_ms
    travel_rule = office.disclose(name, "baltic")
    assert office.lock(name, travel_rule=travel_rule, time_ms=expires_ms - early_ms) == code
    assert office.status(name) == ("locked" if code == "ok" else "lapsed")


@pytest.mark.parametrize("early_ms", [1, 0, -1])
@pytest.mark.parametrize(("method", "more", "way"), [
    ("accept", [], "settled"), ("reject", ["MS03", ""], "rejected"), ("cancel", [], "cancelled"),
])  # fmt: skip
def test_a_lock_holds_until_just_before_its_expiry(
    office: Office, method: str, more: list[Value], way: str, early_ms: int
) -> None:
    """Escrow: timing, finish and cancel just before, at, and after the time. The schedule's call comes first."""
    name = office.locked()
    expires_ms = office.chain.time_ms + QUOTE.lock_ms
    sender = "ann" if method == "cancel" else "baltic"
    code = office.call(sender, method, name, *more, time_ms=expires_ms - early_ms)
    if early_ms > 0:
        assert (code, office.status(name)) == ("ok", way)
    else:
        assert (code, office.status(name)) == ("remittance_expired", "expired")


def test_it_expires_by_itself_at_the_first_block_past_its_time(office: Office) -> None:
    """Escrow: one that nobody answers lingers there until somebody cancels it; here nothing is left to do."""
    before = office.money()
    name = office.locked()
    expires_ms = office.chain.time_ms + QUOTE.lock_ms
    assert office.chain.block(time_ms=expires_ms - 1).receipts == ()
    result = office.chain.block(time_ms=expires_ms)
    assert [receipt.code for receipt in result.receipts] == ["ok"]
    assert ended(office)["status"] == "expired"
    names = [event.name for event in office.receipt.events]
    assert names == ["schedule_run", "hold_expired", "hold_expired", "Ended"]
    history, _ = office.chain.reads.history(address_of("ann"))
    assert history[0].height == result.height, "the refund stands in the originator's history"
    assert (office.status(name), office.changes(before)) == ("expired", {})
    assert office.call("ann", "close", name) == "remittance_ended"
    assert office.ask("totals") == [1, 0, 0, 0, 0, 1]


def test_the_money_is_free_though_its_call_has_not_run(monkeypatch: pytest.MonkeyPatch, office: Office) -> None:
    name = office.locked()
    monkeypatch.setattr("contracts.kernel.schedule.due", lambda *arguments: ((), None))
    before = office.money()
    office.chain.block(time_ms=office.chain.time_ms + QUOTE.lock_ms)
    assert office.status(name) == "expired"
    assert office.changes(before) == {
        ("ann", "USD.alpine"): (5_120, -5_120),
        ("alpine", "JPY.central"): (7_363, -7_363),
    }
    assert office.chain.send("ann", ("payments", "pay", [address_of("bob"), "USD", 10_000, ""])) == "ok"
    assert office.call("baltic", "accept", name) == "remittance_expired"
    assert office.call("cid", "close", name) == "ok"
    assert ended(office)["status"] == "expired"


def test_a_quote_is_not_cancellable_unless_it_says_so(office: Office) -> None:
    name = office.locked(replace(QUOTE, cancellable=False))
    assert office.call("ann", "cancel", name) == "not_cancellable"
    assert [outcome[0] for outcome in cast("list[list[str]]", office.ask("outcomes", name))] == [
        "settled", "rejected", "expired", "lapsed",
    ]  # fmt: skip


def test_a_bank_without_settlement_money_can_not_lock(office: Office) -> None:
    """Escrow: more than there is."""
    name = office.quote(replace(QUOTE, receive_amount=1_000_001, rate_numerator=1_000_001, rate_denominator=5_000))
    before = office.money()
    assert office.lock(name) == "insufficient_settlement"
    short = office.quote(replace(QUOTE, fee=5_001))
    assert office.lock(short) == "insufficient_funds"
    assert office.changes(before) == {}
    assert office.status(name) == "quoted"


def test_the_same_money_is_not_locked_twice(office: Office) -> None:
    first = office.locked()
    second = office.quote()
    assert office.lock(second) == "insufficient_funds"
    assert office.call("ann", "cancel", first) == "ok"
    third = office.quote(replace(QUOTE, send_amount=4_900, receive_amount=7_215, fee=0))
    assert office.lock(third) == "ok", office.receipt


def test_a_later_quote_changes_nothing_for_an_earlier_lock(office: Office) -> None:
    """Escrow: the rate that was locked stays, and what a finish leaves locked is nothing (rippled issue 5565)."""
    name = office.locked(replace(QUOTE, send_amount=2_000, receive_amount=2_945))
    office.quote(replace(QUOTE, rate_numerator=10_000, receive_amount=5_000))
    before = office.money()
    assert office.call("baltic", "accept", name) == "ok"
    assert office.changes(before)["cid", "JPY.baltic"] == (2_945, 0)
    assert all(held == 0 for _, held in office.money().values())


def test_a_bank_that_grants_nothing_has_nothing_locked(office: Office) -> None:
    across, within = office.quote(), office.quote(replace(QUOTE, send_amount=100, receive_amount=147, refund_cost=0))
    locked = office.locked(replace(QUOTE, send_amount=100, receive_amount=147, refund_cost=0))
    assert office.chain.send("alpine", ("accounts", "withdraw_grant", ["remittances"])) == "ok"
    assert office.lock(across) == "debit_unauthorised"
    assert office.lock(within, to="bob") == "ok"
    assert office.call("baltic", "accept", locked) == "ok", "what was locked stays firm"
    assert office.call("alpine", "accept", within) == "ok"


@pytest.mark.parametrize(
    ("readers", "subject", "kind", "code"),
    [
        (("baltic",), 0, "travel_rule", "ok"),
        ((), 0, "travel_rule", "reader_missing"),
        (("baltic",), 1, "travel_rule", "wrong_record"),
        (("baltic",), 0, "identity", "bad_record_kind"),
    ],
)
def test_the_travel_rule_s_data_is_sealed_to_both_banks(
    office: Office, readers: tuple[str, ...], subject: int, kind: str, code: str
) -> None:
    names = [office.quote(), office.quote()]
    travel_rule = office.disclose(names[subject], *readers, kind=kind)
    assert office.lock(names[0], travel_rule=travel_rule) == code


def test_there_is_no_lock_without_a_record(office: Office) -> None:
    name = office.quote()
    assert office.lock(name, travel_rule="") == "unknown_record"
    assert office.lock(name, travel_rule="ab" * 32) == "unknown_record"
    assert office.call("baltic", "disclose", name, b"") == "not_the_originator_bank"
    assert office.call("ann", "disclose", name, b"") == "not_a_bank"


@pytest.mark.parametrize(
    ("reason", "note", "code"),
    [
        ("NARR", "the account moves on Monday", "ok"),
        ("NARR", "", "bad_note"),
        ("MS03", "n" * 105, "ok"),
        ("MS03", "n" * 106, "bad_note"),
        ("", "", "bad_reason"),
        ("ac04", "", "bad_reason"),
        ("G000", "", "bad_reason"),
        ("CUST", "", "bad_reason"),
    ],
)
def test_a_rejection_has_a_reason_of_iso_20022(office: Office, reason: str, note: str, code: str) -> None:
    name = office.locked()
    assert office.call("baltic", "reject", name, reason, note) == code
    if code == "ok":
        assert (ended(office)["reason"], ended(office)["note"]) == (reason, note)


def test_every_reason_may_be_given(office: Office) -> None:
    reasons = cast("list[list[str]]", office.ask("reasons"))
    assert len(reasons) == len({code for code, _ in reasons}) == 28
    for code in ("AC01", "AC03", "AC04", "AC06", "AG01", "AM09", "BE04", "BE05", "CURR", "MD07", "MS03", "NARR",
                 "RR01", "RR02", "RR03", "RR04"):  # fmt: skip
        assert code in {listed for listed, _ in reasons}
    for code, _ in reasons:
        name = office.locked(replace(QUOTE, refund_cost=0))
        assert office.call("baltic", "reject", name, code, "note") == "ok"


def test_it_is_for_accounts_of_banks(office: Office) -> None:
    """Escrow: no destination, and one that can't receive."""
    name = office.quote()
    travel_rule = office.disclose(name, "baltic")
    contract = contract_address(PREFIX, "payments")
    assert office.call("ann", "lock", name, contract, travel_rule, "") == "bad_beneficiary"
    assert office.call("ann", "lock", name, address_of("nobody"), travel_rule, "") == "unknown_account"
    assert office.call("ann", "lock", name, address_of("central"), travel_rule, "") == "unknown_asset"
    assert office.call("ann", "lock", name, address_of("cid"), travel_rule, "r" * 141) == "bad_reference"


def test_a_bank_sees_what_waits_for_it(office: Office) -> None:
    later = office.locked(replace(QUOTE, send_amount=100, receive_amount=147, fee=0, refund_cost=0))
    sooner = office.locked(replace(QUOTE, send_amount=100, receive_amount=147, fee=0, refund_cost=0, lock_ms=9_000))
    within = office.locked(replace(QUOTE, send_amount=100, receive_amount=147, fee=0, refund_cost=0), "bob")
    found = cast("list[list[object]]", office.ask("waiting", "baltic", 10))
    assert [(name, bank) for name, _, bank in found] == [(sooner, "alpine"), (later, "alpine")]
    assert [entry[0] for entry in cast("list[list[object]]", office.ask("waiting", "baltic", 1))] == [sooner]
    assert [entry[0] for entry in cast("list[list[object]]", office.ask("waiting", "alpine", 10))] == [within]
    assert office.ask("waiting", "central", 10) == []
    assert office.ask("waiting", "baltic", 201) == office.ask("waiting", "baltic", 0) == "bad_limit"
    assert office.call("baltic", "accept", sooner) == "ok"
    office.chain.block(time_ms=office.chain.time_ms + QUOTE.lock_ms)
    assert office.ask("waiting", "baltic", 10) == []


@pytest.mark.parametrize(
    ("way", "completed", "parties"),
    [
        ("quoted", False, ["ann"]),
        ("lapsed", False, ["ann"]),
        ("settled", True, ["ann", "cid"]),
        ("rejected", True, ["ann"]),
        ("cancelled", False, ["ann"]),
        ("expired", False, ["ann"]),
    ],
)
def test_what_counts_as_a_service(office: Office, way: str, completed: bool, parties: list[str]) -> None:
    name = end(office, way)
    assert office.ask("service", name) == [completed, [address_of(party) for party in parties], "alpine"]


def test_everything_is_on_record(office: Office) -> None:
    name = office.locked()
    locked_ms = office.chain.time_ms
    assert office.call("baltic", "reject", name, "NARR", "closed for the holidays") == "ok"
    status, bank, originator, terms, locked = cast("list[list[object]]", office.ask("describe", name))
    assert (status, bank, originator) == ("rejected", "alpine", address_of("ann"))
    assert terms[:9] == QUOTE.value(0)[:9]  # type: ignore[index]
    assert (terms[9:], locked[:4]) == (
        [locked_ms - 2_000 + 30_000, 60_000, True],
        ["rejected", address_of("cid"), "baltic", locked_ms + 60_000],
    )
    assert locked[9:] == ["for the family", "NARR", "closed for the holidays", locked_ms + 1_000, 75]


def test_an_exchange_for_the_customer_itself_is_done_at_once(office: Office) -> None:
    own: list[Value] = ["JPY", [[address_of("alpine"), 8_000]], "own account"]
    assert office.chain.send("alpine", ("bank_money", "mint", own)) == "ok"
    name, again = office.quote(), office.quote(replace(QUOTE, send_amount=1_000, receive_amount=1_473))
    before = office.money()
    assert office.call("bob", "exchange", name) == "not_the_originator"
    assert office.call("ann", "exchange", name) == "ok"
    assert office.changes(before) == {
        ("ann", "USD.alpine"): (-5_120, 0),
        ("ann", "JPY.alpine"): (7_363, 0),
        ("alpine", "USD.alpine"): (5_120, 0),
        ("alpine", "JPY.alpine"): (-7_363, 0),
    }
    assert (ended(office)["status"], ended(office)["lost"], ended(office)["received"]) == ("settled", 5_120, 7_363)
    assert office.ask("service", name) == [True, [address_of("ann")], "alpine"]
    assert office.call("ann", "exchange", name) == office.lock(name) == "already_locked"
    assert office.call("baltic", "accept", name) == "remittance_ended"
    assert office.call("ann", "exchange", again) == "insufficient_position"
    assert office.call("ann", "exchange", office.quote(FAVOUR)) == "nothing_to_exchange"
    office.chain.block(time_ms=office.chain.time_ms + QUOTE.expires_in_ms)
    assert office.call("ann", "exchange", again) == "quote_lapsed"
    assert office.ask("totals") == [1, 0, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("who", "stops", "accepted", "lost"),
    [
        ("ann", ["send"], "ok", 75),
        ("ann", ["receive"], "ok", 75),
        ("ann", ["settle"], "account_frozen", 0),
        ("cid", ["send", "settle"], "ok", 75),
        ("cid", ["receive"], "account_frozen", 75),
        ("alpine", ["settle"], "account_frozen", 0),
        ("alpine", ["send"], "ok", 75),
        ("baltic", ["settle"], "account_frozen", 75),
        ("baltic", ["send", "receive"], "ok", 75),
    ],
)
def test_a_freeze_stops_what_it_says_and_no_refund(
    office: Office, who: str, stops: list[str], accepted: str, lost: int
) -> None:
    """What was locked still settles, but for a freeze that stops settling (gated escrow: rippled pull request 7014)."""
    for method, more in ANSWERS:
        before = office.money()
        name = office.locked(replace(QUOTE, send_amount=2_000, receive_amount=2_945))
        order = office.freeze(who, *stops)
        sender = "ann" if method == "cancel" else "baltic"
        code = office.call(sender, method, name, *more)
        if method == "accept":
            assert code == accepted
            if code != "ok":
                office.order("release", order, "ref 3", "law 4")
                assert office.call("baltic", "accept", name) == "ok"
            assert ended(office)["lost"] == 2_120
            if code == "ok":
                office.order("release", order, "ref 3", "law 4")
        else:
            assert (code, ended(office)["lost"]) == ("ok", lost)
            moved = {("ann", "USD.alpine"): (-lost, 0), ("alpine", "USD.alpine"): (lost, 0)}
            assert office.changes(before) == (moved if lost else {})
            office.order("release", order, "ref 3", "law 4")


def test_what_is_frozen_locks_nothing(office: Office) -> None:
    name = office.quote()
    travel_rule = office.disclose(name, "baltic")
    order = office.freeze("ann", "send")
    assert office.lock(name, travel_rule=travel_rule) == "account_frozen"
    office.order("release", order, "ref 3", "law 4")
    assert office.lock(name, travel_rule=travel_rule) == "ok"


def test_an_order_that_takes_a_hold_frees_the_other_leg(office: Office) -> None:
    name = office.locked()
    before = office.money()
    office.seize(name, "ann", "USD.alpine", 4_881)
    assert office.status(name) == "cancelled"
    assert office.changes(before) == {
        ("ann", "USD.alpine"): (239, -5_120),
        ("central", "USD.alpine"): (4_881, 0),
        ("alpine", "JPY.central"): (7_363, -7_363),
    }
    for sender, method, more in (("baltic", "accept", []), ("baltic", "reject", ["AC04", ""]), ("ann", "cancel", [])):
        assert office.call(sender, method, name, *cast("list[Value]", more)) == "remittance_ended"
    assert office.call("cid", "close", name) == "ok"
    assert (ended(office)["status"], ended(office)["reason"], ended(office)["lost"]) == ("cancelled", "order", 0)
    assert office.chain.block(time_ms=office.chain.time_ms + QUOTE.lock_ms).receipts == ()
    assert (office.status(name), office.ask("totals")) == ("cancelled", [1, 0, 0, 0, 1, 0])


def test_what_an_order_has_ended_is_closed_by_the_schedule_at_last(office: Office) -> None:
    name = office.locked()
    office.seize(name, "ann", "USD.alpine", 4_881)
    office.chain.block(time_ms=office.chain.time_ms + QUOTE.lock_ms)
    assert [receipt.code for receipt in office.chain.results[-1].receipts] == ["ok"]
    assert (ended(office)["status"], ended(office)["reason"]) == ("cancelled", "order")
    assert office.status(name) == "cancelled"


@pytest.mark.parametrize(
    ("who", "word", "accepted"),
    [("ann", "suspend", "ok"), ("ann", "revoke", "ok"), ("cid", "suspend", "identity_suspended"),
     ("cid", "revoke", "identity_revoked")],
)  # fmt: skip
def test_an_identity_that_ends_meanwhile(office: Office, who: str, word: str, accepted: str) -> None:
    """Gated escrow: obligations still settle, but nothing new comes to whom the gate refuses; that is rejected."""
    bank = "alpine" if who == "ann" else "baltic"
    office.identify(who, bank)
    name = office.locked()
    assert office.chain.send(bank, ("identity", word, [address_of(who), "file 7"])) == "ok"
    assert office.call("baltic", "accept", name) == accepted
    if accepted != "ok":
        assert office.call("baltic", "reject", name, "RR03", "") == "ok"
    elif word == "revoke":
        assert office.lock(office.quote(FAVOUR)) == "identity_revoked"


def test_more_held_than_locked_is_not_taken() -> None:
    source = read_library()["remittances"]
    held = "holds = [ledger.hold(money, offer.originator, charged,"
    office = Office.open(source.replace(held, held.replace("charged,", "Amount(charged + 1),")))
    assert office.lock(office.quote()) == "invariant_broken"


def test_a_bank_with_maker_and_checker_accepts_by_a_proposal(office: Office) -> None:
    chain, name = office.chain, office.locked()
    staff: list[Value] = [[key_of(person).public, SALT] for person in ("maker", "checker")]
    policy: list[Value] = [[key_of(person).public, 1] for person in ("maker", "checker")]
    assert chain.send("baltic", ("accounts", "register", [staff])) == "ok"
    assert chain.send("baltic", ("accounts", "rotate_keys", [policy, 2])) == "ok"
    assert office.call("baltic", "accept", name) == "unauthorised"
    calls = encode_calls([Call("remittances", 1, "accept", [name])])
    proposed: list[Value] = [address_of("baltic"), calls, chain.time_ms + 50_000]
    assert chain.send("maker", ("accounts", "propose", proposed)) == "ok"
    assert chain.send("checker", ("accounts", "approve", [office.receipt.results[0]])) == "ok", office.receipt
    assert office.status(name) == "settled"


def test_a_paused_contract_still_gives_the_money_back() -> None:
    sound = "return now.open >= 0 and"
    source = read_library()["remittances"].replace(sound, "return now.settled == 0 and now.open >= 0 and")
    office = Office.open(source)
    before = office.money()
    names = [office.locked(replace(QUOTE, send_amount=200, receive_amount=295, fee=0, refund_cost=0)) for _ in range(4)]
    assert office.call("baltic", "accept", names[0]) == "invariant_broken"
    assert office.call("baltic", "accept", names[0]) == "contract_paused"
    assert office.offer(uetr(50), QUOTE) == "contract_paused"
    assert office.call("ann", "cancel", names[1]) == "ok"
    assert office.call("baltic", "reject", names[2], "MS03", "") == "ok"
    office.chain.block(time_ms=office.chain.time_ms + QUOTE.lock_ms)
    assert [office.status(name) for name in names] == ["expired", "cancelled", "rejected", "expired"]
    assert office.changes(before) == {}
    assert office.ask("totals") == [4, 0, 0, 1, 1, 2]
