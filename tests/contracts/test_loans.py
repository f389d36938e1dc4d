"""The loans contract: each step, who may take it, what happens by itself, and where every cent goes."""

from fractions import Fraction

import pytest

from contracts.kernel import dates
from contracts.library import read_library
from state.codec import Value
from tests.contracts.loan_office import DAY_MS, GOLD, MONEY, SECURED, Office, day, terms
from tests.contracts.network import address_of
from tests.contracts.test_loan_schedules import PLANS, test_a_published_plan

TIME_OF_DAY_MS = 9 * 3_600_000


@pytest.fixture
def office() -> Office:
    return Office.open()


def months_on(first: int, months: int) -> int:
    return dates.add_months(first, months, dates.date_of(first)[2])


def test_a_loan_from_offer_to_the_last_cent(office: Office) -> None:
    """Nothing is submitted after the loan is paid out; all six instalments are collected by themselves."""
    product = office.offer(due_time_ms=TIME_OF_DAY_MS)
    loan = office.agree(product, 10_000)
    before = office.chain.balance("alpine", MONEY)
    office.ok("alpine", "loans", "disburse", loan)
    first = office.today
    assert (office.chain.balance("ann", MONEY), office.chain.balance("alpine", MONEY)) == (20_000, before - 10_000)
    plan = office.ask("plan_left", loan)
    assert plan == office.ask("plan", product, 10_000, first)
    assert [row[0] for row in plan] == [months_on(first, number) for number in range(1, 7)]
    paid = 0
    for due_day, principal, interest, left in plan:
        assert office.until(due_day, TIME_OF_DAY_MS - 1).runs == 0
        result = office.until(due_day, TIME_OF_DAY_MS)
        assert [(receipt.code, result.runs) for receipt in result.receipts] == [("ok", 1)]
        paid += principal + interest
        assert office.chain.balance("ann", MONEY) == 20_000 - paid
        assert office.loan(loan)["outstanding"] == left
    row = office.loan(loan)
    assert (row["status"], row["principal_paid"], row["interest_paid"]) == ("closed", 10_000, paid - 10_000)
    assert (row["call"], row["overdue_day"], row["rounding_due"]) == (0, 0, 0)
    assert office.chain.balance("alpine", MONEY) == before
    assert office.chain.balance("income", MONEY) + office.chain.balance("rounding", MONEY) == paid - 10_000
    assert office.ask("book") == [10_000, 10_000, 0, 0, 0]
    assert office.ask("service", loan) == [True, [address_of("ann"), address_of("alpine")], "alpine"]
    assert office.until(plan[-1][0] + 400).runs == 0


def test_income_has_the_floor_and_rounding_what_rounding_up_took(office: Office) -> None:
    loan = office.lend(office.offer(rate_ppm=123_457, day_count="ACT/365F", instalments=12), 9_876)
    income = rounding = 0
    principal = 9_876
    first = office.today
    for number, (last, _, interest, left) in enumerate(office.ask("plan_left", loan), 1):
        exact = Fraction(principal * 123_457 * (last - first), 1_000_000 * 365)
        assert interest == round(exact)
        income += int(exact)
        rounding += round(exact) - int(exact)
        office.until(last)
        assert office.loan(loan)["fallen"] == number
        assert (office.chain.balance("income", MONEY), office.chain.balance("rounding", MONEY)) == (income, rounding)
        principal, first = left, last
    assert rounding > 0


def test_the_fee_is_taken_from_the_principal(office: Office) -> None:
    office.lend(office.offer(fee=50, fee_ppm=12_345, principal_min=1_000), 9_999)
    fee = 50 + 123  # 123.4376, which rounds down
    assert office.chain.balance("ann", MONEY) == 10_000 + 9_999 - fee
    assert office.chain.balance("income", MONEY) == fee


def test_an_approval_lapses_by_itself(office: Office) -> None:
    product = office.offer()
    loan = str(office.ok("ann", "loans", "apply", product, 5_000, "for a roof"))
    assert office.ask("waiting", "alpine", 0, 10) == [loan]
    office.ok("alpine", "loans", "approve", loan, office.chain.time_ms + 60_000, 0)
    assert office.ask("waiting", "alpine", 0, 10) == []
    assert office.code("bob", "lapse", loan) == "not_due"
    result = office.block(time_ms=office.chain.time_ms + 60_000)
    assert result.runs == 1
    assert office.loan(loan)["status"] == "lapsed"
    assert office.code("ann", "accept", loan) == "bad_status"


def test_a_lapse_is_judged_by_the_clock_not_by_the_run(office: Office) -> None:
    product = office.offer()
    loan = str(office.ok("ann", "loans", "apply", product, 5_000, ""))
    office.ok("alpine", "loans", "approve", loan, office.chain.time_ms + 60_000, 0)
    late = office.chain.transaction("ann", ("loans", "accept", [loan]), valid_until_ms=office.chain.time_ms + 600_000)
    result = office.block(late, time_ms=office.chain.time_ms + 60_000)
    assert result.receipts[-1].code == "bad_status"


def test_an_accepted_offer_that_is_not_paid_out_frees_its_collateral(office: Office) -> None:
    office.gold("ann")
    loan = office.agree(office.offer(**SECURED), 5_000)
    assert office.loan(loan)["pledged"] == 100
    assert office.chain.balance("ann", GOLD) == 4_900
    office.block(time_ms=office.chain.time_ms + DAY_MS)
    assert office.loan(loan)["status"] == "lapsed"
    assert office.chain.balance("ann", GOLD) == 5_000


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_borrower_withdraws_before_money_has_moved(office: Office, steps: int) -> None:
    office.gold("ann")
    loan = str(office.ok("ann", "loans", "apply", office.offer(**SECURED), 5_000, ""))
    if steps > 0:
        office.ok("alpine", "loans", "approve", loan, office.chain.time_ms + DAY_MS, 0)
    if steps > 1:
        office.ok("ann", "loans", "accept", loan)
    office.ok("ann", "loans", "withdraw", loan)
    assert (office.loan(loan)["status"], office.loan(loan)["hold"]) == ("withdrawn", "")
    assert office.chain.balance("ann", GOLD) == 5_000
    assert office.block(time_ms=office.chain.time_ms + DAY_MS).runs == 0
    assert office.ask("waiting", "alpine", 0, 10) == []
    assert office.ask("service", loan)[0] is False


def test_who_may_do_what(office: Office) -> None:
    product = office.offer()
    loan = str(office.ok("ann", "loans", "apply", product, 5_000, ""))
    soon = office.chain.time_ms + DAY_MS
    refused: list[tuple[str, str, list[Value], str]] = [
        ("ann", "offer", [terms()], "not_a_bank"),
        ("central", "offer", [terms()], "not_a_bank"),
        ("baltic", "close_product", [product], "not_the_bank"),
        ("cid", "apply", [product, 5_000, ""], "not_a_customer"),
        ("alpine", "apply", [product, 5_000, ""], "not_a_customer"),
        ("ann", "apply", [99, 5_000, ""], "unknown_product"),
        ("ann", "apply", [product, 0, ""], "bad_principal"),
        ("ann", "apply", [product, 5_000, "x" * 141], "bad_reference"),
        ("ann", "approve", [loan, soon, 0], "not_a_bank"),
        ("baltic", "approve", [loan, soon, 0], "not_the_bank"),
        ("alpine", "approve", [loan, office.chain.time_ms, 0], "bad_expiry"),
        ("alpine", "approve", [loan, soon + 366 * DAY_MS, 0], "bad_expiry"),
        ("alpine", "approve", [loan, soon, office.today + 1], "bad_value_day"),
        ("alpine", "approve", [loan, soon, office.today - 367], "bad_value_day"),
        ("alpine", "approve", ["7", soon, 0], "unknown_loan"),
        ("ann", "decline", [loan, ""], "not_a_bank"),
        ("bob", "withdraw", [loan], "not_the_borrower"),
        ("ann", "accept", [loan], "bad_status"),
        ("alpine", "disburse", [loan], "bad_status"),
        ("ann", "fall_due", [loan], "not_the_schedule"),
        ("ann", "collect", [loan], "bad_status"),
        ("ann", "repay", [loan, 1], "bad_status"),
        ("ann", "prepay", [loan, 1], "bad_status"),
        ("bob", "prepay_all", [loan], "not_the_borrower"),
        ("alpine", "seize", [loan], "bad_status"),
        ("alpine", "write_off", [loan], "bad_status"),
        ("alpine", "release", [loan], "no_collateral"),
        ("ann", "release", [loan], "not_a_bank"),
    ]
    for sender, method, arguments, code in refused:
        assert (method, office.code(sender, method, *arguments)) == (method, code)
    office.ok("alpine", "loans", "close_product", product)
    assert office.code("ann", "apply", product, 5_000, "") == "product_closed"
    office.ok("alpine", "loans", "decline", loan, "too much owed elsewhere")
    assert office.loan(loan)["status"] == "declined"
    assert office.code("ann", "withdraw", loan) == "bad_status"
    assert office.ask("loans_of", address_of("ann"), 0, 10) == [loan]


def test_a_contract_that_a_party_calls_does_not_act_for_it(office: Office) -> None:
    """Not even where the borrower's grant would let the money move."""
    loan = office.lend(office.offer(), 5_000)
    assert office.call("ann", "meddler", "pay_off", loan).code == "not_the_borrower"
    asked = office.ok("ann", "loans", "apply", 1, 5_000, "")
    assert office.call("alpine", "meddler", "approve", asked, office.chain.time_ms + DAY_MS).code == "not_a_bank"


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "balloon"},
        {"day_count": "ACT/364"},
        {"calendar": "moon"},
        {"rate_ppm": -1},
        {"rate_ppm": 2_000_001},
        {"late_rate_ppm": -1},
        {"instalments": 0},
        {"instalments": 601},
        {"period_months": 0},
        {"period_days": 7},
        {"period_months": -1, "period_days": 1},
        {"period_months": 101},
        {"period_months": 0, "period_days": 3_051},
        {"due_time_ms": DAY_MS},
        {"principal_min": 0},
        {"principal_min": 10, "principal_max": 9},
        {"principal_max": 2**63},
        {"fee": 1},
        {"fee_ppm": 1_000_001},
        {"prepay_fee_ppm": -1},
        {"prepay": "both"},
        {"grace_days": -1},
        {"grace_days": 31},
        {"default_days": 0, "grace_days": 0},
        {"default_days": 3_651},
        {"risk_class": "x" * 33},
        {"text_digest": b"x"},
        {"collateral": GOLD},
        {"collateral_ppm": 5},
        {**SECURED, "claim_ppm": 0},
        {**SECURED, "collateral": MONEY},
        {"income": address_of("cid")},
        {"rounding": address_of("cid")},
    ],
)
def test_terms_that_no_loan_can_keep(office: Office, change: dict[str, Value]) -> None:
    assert office.code("alpine", "offer", terms(**change)) == "bad_terms"


# -------------------------------------------------------------------------------------------------------- in arrears


def spend(office: Office, left: int) -> None:
    """Ann has no more than that."""
    office.ok("ann", "payments", "pay", address_of("bob"), "USD", office.chain.balance("ann", MONEY) - left, "")


def test_grace_then_late_interest_then_paid(office: Office) -> None:
    """500,000 at 12 %: 5,000 interest a month by 30/360; 6 % more on what is overdue once three days have passed."""
    loan = office.lend(office.offer(kind="equal_principal", day_count="30/360", late_rate_ppm=360_000), 500_000)
    spend(office, 100)
    due_day = office.ask("plan_left", loan)[0][0]
    office.until(due_day)
    assert office.events("Missed")[-1] == {
        "loan": loan, "amount": 83_333 + 5_000, "since_day": due_day, "code": "insufficient_funds"
    }
    assert office.ask("due", loan) == [0, 5_000, 83_333]
    office.until(due_day + 3)
    assert office.ask("due", loan) == [round(Fraction(83_333 * 3 * 12, 100 * 360)), 5_000, 83_333]
    office.until(due_day + 5)
    usual = round(Fraction(83_333 * 5 * 12, 100 * 360))
    late = round(Fraction(88_333 * 2 * 36, 100 * 360))
    assert office.ask("due", loan) == [usual + late, 5_000, 83_333]
    owed = usual + late + 88_333
    assert office.code("ann", "repay", loan, owed + 1) == "bad_amount"
    assert office.code("ann", "prepay", loan, 100) == "in_arrears"
    office.ok("ann", "loans", "repay", loan, 60)
    assert office.ask("due", loan) == [owed - 88_333 - 60, 5_000, 83_333]
    office.ok("bob", "loans", "repay", loan, owed - 60 - 10)
    assert office.ask("due", loan) == [0, 0, 10]
    office.until(due_day + 6)
    row = office.loan(loan)
    assert (row["overdue_day"], row["fallen"], row["outstanding"]) == (0, 1, 500_000 - 83_333)
    assert office.chain.balance("income", MONEY) + office.chain.balance("rounding", MONEY) == owed - 83_333


def test_money_within_the_grace_costs_no_late_interest(office: Office) -> None:
    loan = office.lend(office.offer(kind="bullet", instalments=1, grace_days=5), 10_000)
    spend(office, 0)
    due_day = office.ask("plan_left", loan)[0][0]
    for number in range(5):
        office.until(due_day + number)
    assert office.ask("due", loan) == [round(Fraction(10_000 * 4 * 12, 36_000)), 100, 10_000]
    office.ok("bob", "payments", "pay", address_of("ann"), "USD", 11_000, "")
    office.until(due_day + 5)
    assert office.loan(loan)["status"] == "closed"
    assert office.loan(loan)["interest_paid"] == 100 + round(Fraction(10_000 * 5 * 12, 36_000))


def defaulted(office: Office, **changes: Value) -> str:
    """A secured loan of 10,000 whose first instalment nobody paid for thirty days."""
    office.gold("ann")
    loan = office.lend(office.offer(**{**SECURED, **changes}), 10_000)
    spend(office, 0)
    due_day = office.ask("plan_left", loan)[0][0]
    for number in range(31):
        office.until(due_day + number)
    return loan


def test_default_takes_as_much_collateral_as_is_owed(office: Office) -> None:
    """One grain pays a hundred cents: 10,341 owed take 104 of the 200 grains; the rest is free again."""
    loan = defaulted(office)
    row = office.loan(loan)
    assert row["status"] == "closed"
    assert row["covered"] == 10_000
    seized = office.events("Seized")[-1]
    assert seized["principal"] == 10_000
    assert seized["taken"] == -(-seized["covered"] // 100)
    assert office.chain.balance("alpine", GOLD) == seized["taken"]
    assert office.chain.balance("ann", GOLD) == 5_000 - seized["taken"]
    assert office.ask("book") == [10_000, 0, 10_000, 0, 0]


def test_what_collateral_leaves_is_written_off_and_may_be_recovered(office: Office) -> None:
    loan = defaulted(office, collateral_ppm=6_000)
    row = office.loan(loan)
    late, interest, principal = office.ask("due", loan)
    assert (row["status"], row["covered"], row["outstanding"]) == ("defaulted", 10_000 - principal, principal)
    assert (late, interest) == (0, 0)
    assert office.chain.balance("alpine", GOLD) == 60
    assert office.code("alpine", "seize", loan) == "no_collateral"
    office.until(office.today + 10)
    late = office.ask("due", loan)[0]
    assert late == round(Fraction(principal * 10 * 6, 36_000))
    office.ok("bob", "loans", "repay", loan, late + 300)
    office.ok("alpine", "loans", "write_off", loan)
    assert office.ask("book") == [10_000, 300, 10_000 - principal, principal - 300, 0]
    assert office.ask("service", loan)[0] is True
    office.until(office.today + 100)
    assert office.ask("due", loan) == [0, 0, principal - 300]
    office.ok("bob", "loans", "repay", loan, 50)
    row = office.loan(loan)
    assert (row["status"], row["recovered"], row["written_off"]) == ("written_off", 50, principal - 300)
    assert office.ask("book") == [10_000, 300, 10_000 - principal, principal - 300, 0]
    assert row["principal_paid"] + row["covered"] + row["outstanding"] == 10_000


def test_a_default_without_collateral_is_repaid_after_all(office: Office) -> None:
    loan = office.lend(office.offer(), 10_000)
    spend(office, 0)
    due_day = office.ask("plan_left", loan)[0][0]
    for number in range(31):
        office.until(due_day + number)
    assert office.loan(loan)["status"] == "defaulted"
    assert office.ask("plan_left", loan) == []
    office.ok("bob", "loans", "repay", loan, sum(office.ask("due", loan)))
    assert office.loan(loan)["status"] == "closed"
    assert office.ask("book") == [10_000, 10_000, 0, 0, 0]


def test_a_bank_gives_collateral_back_early(office: Office) -> None:
    office.gold("ann")
    loan = office.lend(office.offer(**SECURED), 10_000)
    assert office.chain.balance("ann", GOLD) == 4_800
    office.ok("alpine", "loans", "release", loan)
    assert office.chain.balance("ann", GOLD) == 5_000
    assert office.code("alpine", "release", loan) == "no_collateral"


def test_a_repaid_loan_frees_its_collateral(office: Office) -> None:
    office.gold("ann")
    loan = office.lend(office.offer(**SECURED), 5_000)
    office.ok("ann", "loans", "prepay_all", loan)
    assert office.loan(loan)["status"] == "closed"
    assert office.chain.balance("ann", GOLD) == 5_000


def test_a_withdrawn_grant_is_a_missed_instalment(office: Office) -> None:
    loan = office.lend(office.offer(), 10_000)
    office.ok("ann", "accounts", "withdraw_grant", "loans")
    office.until(office.ask("plan_left", loan)[0][0])
    assert office.events("Missed")[-1]["code"] == "debit_unauthorised"
    office.ok("ann", "loans", "repay", loan, sum(office.ask("due", loan)))
    assert office.loan(loan)["overdue_day"] == 0


# ------------------------------------------------------------------------------------------------ orders, identities


def test_a_frozen_borrower_goes_into_default_all_the_same(office: Office) -> None:
    """A freeze of what it sends stops collection, not what follows: its collateral settles."""
    office.gold("ann")
    loan = office.lend(office.offer(**SECURED), 10_000)
    office.freeze("ann", "send")
    due_day = office.ask("plan_left", loan)[0][0]
    for number in range(31):
        office.until(due_day + number)
    assert {event["code"] for event in office.events("Missed")} == {"account_frozen"}
    assert office.loan(loan)["status"] == "closed"
    assert office.chain.balance("alpine", GOLD) > 100
    assert all(receipt.is_ok for receipt in office.scheduled)


def test_a_released_borrower_is_collected_from_again(office: Office) -> None:
    loan = office.lend(office.offer(), 6_000)
    order = office.freeze("ann", "send")
    due_day = office.ask("plan_left", loan)[0][0]
    office.until(due_day)
    assert office.loan(loan)["overdue_day"] == due_day
    office.unfreeze(order)
    office.until(due_day + 1)
    assert office.loan(loan)["overdue_day"] == 0
    assert office.loan(loan)["late_due"] == 0


def test_frozen_collateral_waits_for_the_bank(office: Office) -> None:
    """A freeze of settling leaves the collateral where it is; the bank takes it when the freeze has ended."""
    office.gold("ann")
    loan = office.lend(office.offer(**SECURED), 10_000)
    order = office.freeze("ann", "settle", asset=GOLD)
    spend(office, 0)
    due_day = office.ask("plan_left", loan)[0][0]
    for number in range(31):
        office.until(due_day + number)
    row = office.loan(loan)
    assert (row["status"], row["pledged"]) == ("defaulted", 200)
    assert office.code("alpine", "seize", loan) == "account_frozen"
    assert office.code("alpine", "write_off", loan) == "collateral_left"
    office.unfreeze(order)
    office.ok("alpine", "loans", "seize", loan)
    assert office.loan(loan)["status"] == "closed"
    assert office.chain.balance("alpine", GOLD) + office.chain.balance("ann", GOLD) == 5_000


def test_collateral_that_a_court_took_covers_nothing(office: Office) -> None:
    office.gold("ann")
    loan = office.lend(office.offer(**SECURED), 10_000)
    hold = office.loan(loan)["hold"]
    forced: list[Value] = [GOLD, address_of("ann"), address_of("bob"), 5_000, [hold], "AZ 8/26", "ZPO 335", 0]
    office.ok("themis", "orders", "force_transfer", *forced)
    spend(office, 0)
    due_day = office.ask("plan_left", loan)[0][0]
    for number in range(31):
        office.until(due_day + number)
    assert (office.loan(loan)["status"], office.loan(loan)["hold"]) == ("defaulted", hold)
    office.ok("alpine", "loans", "seize", loan)
    assert (office.loan(loan)["covered"], office.loan(loan)["hold"]) == (0, "")
    office.ok("alpine", "loans", "write_off", loan)
    assert office.loan(loan)["status"] == "written_off"


def test_a_revoked_identity_misses_and_its_collateral_settles(office: Office) -> None:
    office.identify("ann")
    office.gold("ann")
    loan = office.lend(office.offer(**SECURED), 10_000)
    office.ok("alpine", "identity", "revoke", address_of("ann"), "AZ 9/26")
    due_day = office.ask("plan_left", loan)[0][0]
    for number in range(31):
        office.until(due_day + number)
    assert {event["code"] for event in office.events("Missed")} == {"identity_revoked"}
    assert office.loan(loan)["status"] == "closed"


@pytest.mark.parametrize("stopped", ["income", "alpine"])
def test_a_bank_that_can_not_be_paid_has_no_claim_to_the_collateral(office: Office, stopped: str) -> None:
    office.gold("ann")
    loan = office.lend(office.offer(**SECURED), 10_000)
    if stopped == "alpine":
        order = office.freeze("alpine", "receive")
    else:
        office.identify(stopped)
        office.ok("alpine", "identity", "suspend", address_of(stopped), "AZ 9/26")
    due_day = office.ask("plan_left", loan)[0][0]
    for number in range(35):
        office.until(due_day + number)
        office.code("alpine", "collect", loan)
    row = office.loan(loan)
    assert (row["status"], row["pledged"], row["barred_day"]) == ("active", 200, due_day + 34)
    if stopped == "alpine":
        office.unfreeze(order)
    else:
        office.ok("alpine", "identity", "resume", address_of(stopped), "AZ 9/26")
    office.until(due_day + 35)
    row = office.loan(loan)
    assert (row["status"], row["overdue_day"], row["barred_day"]) == ("active", 0, 0)
    assert office.events("Paid")[-1]["late"] == 0


def test_days_of_the_borrowers_own_count_before_and_after_the_banks(office: Office) -> None:
    loan = office.lend(office.offer(), 10_000)
    spend(office, 0)
    due_day = office.ask("plan_left", loan)[0][0]
    for number in range(10):
        office.until(due_day + number)
    order = office.freeze("alpine", "receive")
    for number in range(10, 29):
        office.until(due_day + number)
    late = office.loan(loan)["late_due"]
    office.unfreeze(order)
    assert office.loan(loan)["overdue_day"] == due_day + 18
    for number in range(29, 48):
        office.until(due_day + number)
        assert office.loan(loan)["status"] == "active"
    assert office.ask("due", loan)[0] > late > 0
    assert office.loan(loan)["overdue_day"] == due_day + 19
    office.until(due_day + 49)
    assert office.loan(loan)["status"] == "defaulted"


def test_a_loan_that_could_come_to_more_than_an_amount_can_be_is_not_made(office: Office) -> None:
    """Nothing could collect it, nor find it in default."""
    product = office.offer(kind="bullet", instalments=600, rate_ppm=2_000_000, late_rate_ppm=0)
    assert office.code("ann", "apply", product, 2**61, "") == "bad_principal"
    assert office.code("ann", "apply", product, 2**63 // 110, "") == "ok"
    assert office.code("ann", "apply", office.offer(), 2**62, "") == "ok"


def test_a_product_for_one_risk_class(office: Office) -> None:
    office.identify("ann", "low")
    product = office.offer(risk_class="low")
    assert office.code("bob", "apply", product, 100, "") == "risk_class"
    loan = str(office.ok("ann", "loans", "apply", product, 100, ""))
    expires_ms = office.chain.time_ms + 300 * DAY_MS
    office.ok("alpine", "identity", "verify", address_of("ann"), 2, expires_ms, "CH", "high")
    assert office.code("alpine", "approve", loan, office.chain.time_ms + DAY_MS, 0) == "risk_class"


# -------------------------------------------------------------------------------------------------------------- early


def test_prepaying_between_the_end_of_a_period_and_its_business_day_costs_no_day_twice(office: Office) -> None:
    terms: dict[str, Value] = {"kind": "interest_only", "day_count": "ACT/365F", "calendar": "weekends"}
    office.chain.time_ms = day(2023, 12, 2) * DAY_MS
    loan = office.lend(office.offer(**terms), 1_000_000)
    office.ok("alpine", "bank_money", "mint", "USD", [[address_of("ann"), 1_000_000]], "")
    for due_day in (day(2024, 1, 2), day(2024, 2, 2)):
        office.until(due_day)
    office.until(day(2024, 3, 3))  # A Sunday; the period ended on Saturday, its interest is due on Monday.
    office.ok("ann", "loans", "prepay", loan, 400_000)
    left = office.loan(loan)["outstanding"]
    assert left == 1_000_000 - (400_000 - round(Fraction(1_000_000 * 12 * 30, 100 * 365)))
    expected = round(Fraction(left * 12 * 30, 100 * 365))
    assert [entry[2] for entry in office.ask("plan_left", loan)[:2]] == [0, expected]
    office.until(day(2024, 3, 4))
    assert office.ask("plan_left", loan)[0] == [day(2024, 4, 2), 0, expected, left]


def test_prepaying_makes_the_instalments_smaller(office: Office) -> None:
    loan = office.lend(office.offer(day_count="ACT/365F", instalments=12), 10_000)
    first = office.today
    plan = office.ask("plan_left", loan)
    office.until(plan[0][0])
    office.until(plan[0][0] + 10)
    interest = round(Fraction(plan[0][3] * 12 * 10, 100 * 365))
    office.ok("ann", "loans", "prepay", loan, 4_000)
    row = office.loan(loan)
    assert row["outstanding"] == plan[0][3] - 4_000 + interest
    rest = office.ask("plan_left", loan)
    assert [entry[0] for entry in rest] == [entry[0] for entry in plan[1:]]
    assert sum(entry[1] for entry in rest) == row["outstanding"]
    assert max(entry[1] + entry[2] for entry in rest) < min(entry[1] + entry[2] for entry in plan)
    assert abs(rest[-1][1] + rest[-1][2] - row["instalment"]) <= 11 // 2
    for due_day, _, _, left in rest:
        office.until(due_day)
        assert office.loan(loan)["outstanding"] == left
    assert office.loan(loan)["status"] == "closed"
    assert first < office.today


def test_prepaying_makes_the_term_shorter(office: Office) -> None:
    loan = office.lend(office.offer(prepay="term"), 10_000)
    plan = office.ask("plan_left", loan)
    office.ok("ann", "loans", "prepay", loan, 5_000)
    rest = office.ask("plan_left", loan)
    assert len(rest) == 3
    assert [entry[1] + entry[2] for entry in rest[:2]] == [plan[0][1] + plan[0][2]] * 2
    for due_day, *_ in rest:
        office.until(due_day)
    assert office.loan(loan)["status"] == "closed"


@pytest.mark.parametrize("kind", ["equal_principal", "interest_only", "bullet"])
@pytest.mark.parametrize("prepay", ["term", "instalment"])
def test_prepaying_other_kinds(office: Office, kind: str, prepay: str) -> None:
    loan = office.lend(office.offer(kind=kind, prepay=prepay), 9_000)
    office.ok("ann", "loans", "prepay", loan, 3_000)
    rest = office.ask("plan_left", loan)
    assert sum(entry[1] for entry in rest) == 6_000
    assert len(rest) == {("equal_principal", "term"): 4, ("bullet", "term"): 1, ("bullet", "instalment"): 1}.get(
        (kind, prepay), 6
    )
    for due_day, *_ in rest:
        office.until(due_day)
    assert office.loan(loan)["status"] == "closed"


def test_the_fee_for_prepaying(office: Office) -> None:
    """10,000 bring 9,900.99 of principal at one in a hundred; its exact fee, 99.00, is income, the cent rounding's."""
    loan = office.lend(office.offer(prepay_fee_ppm=10_000, principal_max=2**40), 20_000)
    office.ok("ann", "loans", "prepay", loan, 10_000)
    assert office.loan(loan)["outstanding"] == 20_000 - 9_900
    assert (office.chain.balance("income", MONEY), office.chain.balance("rounding", MONEY)) == (99, 1)
    assert office.ask("payoff", loan) == [10_100, 0, 101]
    assert office.ok("ann", "loans", "prepay_all", loan) == 10_201


def test_paying_off_takes_interest_to_the_day(office: Office) -> None:
    """Fineract's pay-off on 15 February (83.57 and 14 days) prorates a month of 30/360 by its real days: 0.24.

    30/360 itself gives 14/30 of 0.4875, which is 0.23; by ACT/365F it is 14 days of 365.
    """
    loan = office.lend(office.offer(rate_ppm=70_000), 8_357)
    office.until(office.today + 14)
    assert office.ask("payoff", loan) == [8_357, 23, 0]
    office.ok("ann", "loans", "prepay_all", loan)
    assert office.loan(loan)["status"] == "closed"
    assert office.block(time_ms=office.chain.time_ms + 400 * DAY_MS).runs == 0


def test_too_little_or_too_much_to_prepay(office: Office) -> None:
    loan = office.lend(office.offer(), 10_000)
    office.until(office.today + 20)
    interest = office.ask("payoff", loan)[1]
    assert office.code("ann", "prepay", loan, interest) == "bad_amount"
    assert office.code("ann", "prepay", loan, interest + 10_000) == "bad_amount"
    assert office.code("ann", "repay", loan, 1) == "bad_amount"
    assert office.code("ann", "collect", loan) == "not_due"


# --------------------------------------------------------------------------------------------------------------- days


def test_interest_from_an_earlier_day(office: Office) -> None:
    """A loan taken over: two instalments lie behind its disbursement; both fall due at once, none is late."""
    value_day = months_on(office.today, -2)
    loan = office.lend(office.offer(due_time_ms=0), 6_000, value_day=value_day)
    result = office.block()
    assert result.runs == 1
    row = office.loan(loan)
    assert (row["fallen"], row["late_due"], row["overdue_day"]) == (2, 0, 0)
    assert row["outstanding"] == office.ask("plan", row["product"], 6_000, value_day)[1][3]


def test_the_demo_sees_two_instalments_in_a_minute(office: Office) -> None:
    """One instalment is due when the loan is paid out, the second half a minute later, by the time of day."""
    due_time_ms = (office.chain.time_ms + 30_000) % DAY_MS
    value_day = months_on(office.today, -2)
    loan = office.lend(office.offer(due_time_ms=due_time_ms), 6_000, value_day=value_day)
    office.block()
    assert office.loan(loan)["fallen"] == 1
    result = office.block(time_ms=office.today * DAY_MS + due_time_ms)
    assert result.runs == 1
    assert office.loan(loan)["fallen"] == 2


def test_a_run_that_comes_late_costs_the_borrower_nothing(office: Office) -> None:
    """No block for forty days: what fell due meanwhile is collected in the next, without late interest."""
    loan = office.lend(office.offer(instalments=2), 6_000)
    plan = office.ask("plan_left", loan)
    office.until(plan[1][0] + 40)
    row = office.loan(loan)
    assert (row["status"], row["interest_paid"]) == ("closed", 60 + round(Fraction(6_000 - plan[0][1], 100)))


def test_more_is_due_than_one_run_takes(office: Office) -> None:
    terms_: dict[str, Value] = {"period_months": 0, "period_days": 1, "instalments": 30, "day_count": "ACT/365F"}
    loan = office.lend(office.offer(**terms_), 3_000, value_day=office.today - 29)
    assert [office.block().runs for _ in range(4)] == [1, 1, 1, 0]
    assert office.loan(loan)["fallen"] == 29


def test_instalments_keep_to_business_days(office: Office) -> None:
    """They are paid on business days; interest is of whole months."""
    product = office.offer(calendar="TARGET", instalments=12)
    plan = office.ask("plan", product, 10_000, day(2024, 3, 31))
    without = office.ask("plan", office.offer(instalments=12), 10_000, day(2024, 3, 31))
    assert [row[1:] for row in plan] == [row[1:] for row in without]
    paid = [dates.date_of(row[0]) for row in plan]
    assert paid[:6] == [(2024, 4, 30), (2024, 5, 31), (2024, 6, 28), (2024, 7, 31), (2024, 8, 30), (2024, 9, 30)]
    loan = office.lend(product, 6_000)
    for due_day, *_ in office.ask("plan_left", loan):
        office.until(due_day)
    assert office.loan(loan)["status"] == "closed"


def test_anybody_collects_what_the_schedule_parked() -> None:
    """A run that fails, here for want of fuel, is parked; what is due is then collected by whoever asks."""
    office = planted("RUN_FUEL = 300_000\nRUN_RETRIES = 24\n", "RUN_FUEL = 30_000\nRUN_RETRIES = 0\n")
    loan = office.lend(office.offer(), 6_000)
    due_day = office.ask("plan_left", loan)[0][0]
    assert office.code("bob", "collect", loan) == "not_due"
    assert [receipt.code for receipt in office.until(due_day).receipts] == ["out_of_fuel"]
    assert office.block().runs == 0
    office.ok("bob", "loans", "collect", loan)
    assert (office.loan(loan)["fallen"], office.loan(loan)["overdue_day"]) == (1, 0)
    assert office.code("bob", "collect", loan) == "not_due"
    assert office.until(office.ask("plan_left", loan)[0][0]).runs == 1


def test_a_closed_loan_is_rated_by_its_borrower(office: Office) -> None:
    loan = office.lend(office.offer(), 6_000)
    rating: list[Value] = ["loans", loan, 5, "quick", b""]
    assert office.call("ann", "feedback", "rate", *rating).code == "not_completed"
    office.ok("ann", "loans", "prepay_all", loan)
    assert office.call("bob", "feedback", "rate", *rating).code == "not_a_party"
    assert office.call("alpine", "feedback", "rate", *rating).code == "own_service"
    office.ok("ann", "feedback", "rate", *rating)


def test_products_and_loans_are_listed_in_pages(office: Office) -> None:
    for rate in (1, 2, 3):
        office.offer(rate_ppm=rate)
    assert [(number, found[4][2]) for number, found in office.ask("offers", 1, 10)] == [(2, 2), (3, 3)]
    assert office.ask("product_info", 2)[:4] == ["alpine", address_of("alpine"), MONEY, True]
    loans = [office.ok("ann", "loans", "apply", 1, 100, "") for _ in range(3)]
    assert office.ask("loans_of", address_of("ann"), 1, 1) == loans[1:2]
    assert office.ask("waiting", "alpine", 0, 2) == loans[:2]


def test_what_a_run_costs(office: Office) -> None:
    """Far below the fuel it is given, at worst: a dozen instalments, collateral, default."""
    loan = defaulted(office)
    assert office.loan(loan)["status"] == "closed"
    daily: dict[str, Value] = {"period_months": 0, "period_days": 1, "instalments": 30, "calendar": "TARGET"}
    office.lend(office.offer(**daily, day_count="ACT/ACT ISDA"), 3_000, "bob", office.today - 29)
    assert office.block().runs == 1
    worst = max(receipt.fuel_used for receipt in office.scheduled)
    assert worst < 150_000
    assert all(receipt.is_ok for receipt in office.scheduled)


# --------------------------------------------------------------------------------------------------------- invariants


def planted(old: str, new: str) -> Office:
    """An office whose contract has a bug."""
    source = read_library()["loans"]
    assert source.count(old) == 1, old
    return Office.open(source=source.replace(old, new))


def test_a_paused_contract_still_gives_back() -> None:
    """Principal that is paid back and not counted breaks the totals: the payment is undone, the contract paused."""
    office = planted("        totals.repaid += principal\n", "")
    office.gold("ann", "bob")
    waiting = office.agree(office.offer(**SECURED), 5_000, "bob")
    loan = office.lend(office.offer(), 5_000)
    assert office.code("ann", "prepay_all", loan) == "invariant_broken"
    assert office.chain.balance("ann", MONEY) == 15_000
    assert office.code("ann", "prepay_all", loan) == "contract_paused"
    assert office.code("ann", "apply", 1, 5_000, "") == "contract_paused"
    office.ok("bob", "loans", "withdraw", waiting)
    assert office.chain.balance("bob", GOLD) == 5_000
    assert office.loan(loan)["status"] == "active"


BUGS: list[tuple[str, str, str]] = [
    ("interest of a day too many", "if last <= first or", "last += 1\n    if last <= first or"),
    ("rounding to income", "    if income > unit:\n        legs.append((product.money, product.terms.income, income - unit))\n", "    if income > unit:\n        legs.append((product.money, product.terms.income, income))\n"),  # noqa: E501
    ("no anchor", "row.anchor = ledger.date_of(row.value_day)[2]\n    row.accrual_day = row.value_day", "row.anchor = 28\n    row.accrual_day = row.value_day"),  # noqa: E501
    ("last instalment like the others", "    if is_last:\n        return undue\n", ""),
]


@pytest.mark.parametrize(("what", "old", "new"), BUGS)
def test_a_planted_bug_is_seen(what: str, old: str, new: str) -> None:
    """Each makes a published plan differ, or a loan stop before its end."""
    office = planted(old, new)

    def look() -> None:
        for name in PLANS:
            test_a_published_plan(office, name)
        test_a_loan_from_offer_to_the_last_cent(office)

    with pytest.raises(AssertionError):
        look()
