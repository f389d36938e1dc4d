"""Loans under anything: random terms, parties, payments, freezes, court orders, expiries and clocks.

After each step the books agree from outside: what the bank has lent and got back is in its account, income and
rounding have all interest and fees, what is held is what the loans say, statuses move only forwards, and every loan
that can still go on by itself has its next call scheduled. At the end all orders are lifted and everybody gets money:
what was paid out is repaid, covered or written off to the cent. Bugs planted in the contract are seen.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contracts.library import read_library
from state.codec import Value
from tests.contracts.loan_office import DAY_MS, GOLD, MONEY, SECURED, Office
from tests.contracts.network import address_of

BORROWERS = ("ann", "bob")
NEXT: dict[str, set[str]] = {
    "applied": {"approved", "declined", "withdrawn"},
    "approved": {"accepted", "withdrawn", "lapsed"},
    "accepted": {"active", "withdrawn", "lapsed"},
    "active": {"closed", "defaulted"},
    "defaulted": {"closed", "written_off"},
    "declined": set(),
    "withdrawn": set(),
    "lapsed": set(),
    "closed": set(),
    "written_off": set(),
}
"""Status → those that may follow it."""

PAID_OUT = ("active", "defaulted", "closed", "written_off")

GRANTS = ("grant", "grant", "withdraw_grant")
Terms = dict[str, Value]

borrowers = st.sampled_from(BORROWERS)
frozen = st.sampled_from((MONEY, GOLD))
loans = st.integers(0, 30)
products = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(("annuity", "equal_principal", "bullet", "interest_only")),
        "rate_ppm": st.sampled_from((0, 1, 99_999, 120_000, 1_999_999)),
        "day_count": st.sampled_from(("ACT/360", "ACT/365F", "ACT/ACT ISDA", "30/360", "30E/360")),
        "instalments": st.integers(1, 7),
        "calendar": st.sampled_from(("", "TARGET", "weekends")),
        "due_time_ms": st.sampled_from((0, 43_200_000)),
        "fee_ppm": st.sampled_from((0, 333)),
        "prepay_fee_ppm": st.sampled_from((0, 12_345)),
        "prepay": st.sampled_from(("term", "instalment")),
        "late_rate_ppm": st.sampled_from((0, 77_777, 500_000)),
        "grace_days": st.integers(0, 6),
        "default_days": st.integers(6, 40),
    }
)
secured = st.sampled_from(({}, SECURED, {**SECURED, "collateral_ppm": 3_001}))


class Loans(RuleBasedStateMachine):
    """The chain, and what has been seen of it."""

    source: str | None = None

    @initialize(
        terms=st.lists(st.tuples(products, secured), min_size=2, max_size=3),
        amounts=st.lists(st.integers(100, 30_000), min_size=3, max_size=4),
        days_back=st.sampled_from((0, 0, 40, 366)),
        left=st.sampled_from((0, 0, 300, 40_000)),
    )
    def start(self, terms: list[tuple[Terms, Terms]], amounts: list[int], days_back: int, left: int) -> None:
        """Products, and loans that are paid out; bob has spent most of it."""
        self.office = Office.open(source=self.source)
        self.office.gold(*BORROWERS)
        self.lent_at_start = self.office.chain.balance("alpine", MONEY)
        self.statuses: dict[str, str] = {}
        self.freezes: list[int] = []
        self.taken = 0
        """Gold that the court has taken."""
        self.products = [self.office.offer(**product, **collateral) for product, collateral in terms]
        for index, amount in enumerate(amounts):
            self.lend(BORROWERS[index % 2], index, amount, days_back)
        self.have("bob", left, "grant")

    # ---------------------------------------------------------------------------------------------- what is there

    def rows(self) -> dict[str, dict[str, Any]]:
        return {loan: self.office.loan(loan) for loan in self.statuses}

    def one(self, index: int, *statuses: str) -> str | None:
        """One of the loans with one of these statuses, if there are any."""
        found = [loan for loan, status in self.statuses.items() if status in statuses]
        return found[index % len(found)] if found else None

    def borrower(self, loan: str) -> str:
        address = self.office.loan(loan)["borrower"]
        return next(name for name in BORROWERS if address_of(name) == address)

    # -------------------------------------------------------------------------------------------------- agreement

    @precondition(lambda self: len(self.statuses) < 8)
    @rule(borrower=borrowers, index=loans, principal=st.integers(1, 20_000), days_back=st.sampled_from((0, 0, 40, 366)))
    def lend(self, borrower: str, index: int, principal: int, days_back: int) -> None:
        """A loan from the application to the money; a freeze may stop it on the way."""
        loan = self.apply(borrower, index, principal)
        value_day = self.office.today - days_back if days_back else 0
        self.office.code("alpine", "approve", loan, self.office.chain.time_ms + DAY_MS, value_day)
        self.office.code(borrower, "accept", loan)
        self.office.code("alpine", "disburse", loan)

    @precondition(lambda self: len(self.statuses) < 8)
    @rule(borrower=borrowers, index=loans, principal=st.integers(1, 20_000), days=st.integers(0, 40))
    def ask(self, borrower: str, index: int, principal: int, days: int) -> None:
        """An application, approved for some days, or declined."""
        loan = self.apply(borrower, index, principal)
        if days:
            self.office.ok("alpine", "loans", "approve", loan, self.office.chain.time_ms + days * DAY_MS, 0)
        else:
            self.office.ok("alpine", "loans", "decline", loan, "")

    def apply(self, borrower: str, index: int, principal: int) -> str:
        product = self.products[index % len(self.products)]
        loan = str(self.office.ok(borrower, "loans", "apply", product, principal, "roof"))
        self.statuses[loan] = "applied"
        return loan

    @rule(index=loans, method=st.sampled_from(("accept", "withdraw", "lapse", "disburse", "release")))
    def agree(self, index: int, method: str) -> None:
        """Whatever the status: most are refused."""
        loan = self.one(index, *NEXT)
        if loan:
            self.office.code("alpine" if method in ("disburse", "release") else self.borrower(loan), method, loan)

    # ------------------------------------------------------------------------------------------------------ money

    @rule(index=loans, part=st.integers(1, 6), payer=st.sampled_from(("ann", "bob", "alpine")))
    def repay(self, index: int, part: int, payer: str) -> None:
        loan = self.one(index, *PAID_OUT)
        if loan and (owed := sum(self.office.ask("due", loan))):
            self.office.code(payer, "repay", loan, -(-owed // part))

    @rule(index=loans, part=st.integers(1, 9))
    def prepay(self, index: int, part: int) -> None:
        loan = self.one(index, "active")
        if loan and part == 1:
            self.office.code(self.borrower(loan), "prepay_all", loan)
        elif loan:
            self.office.code(self.borrower(loan), "prepay", loan, sum(self.office.ask("payoff", loan)) // part)

    @rule(index=loans, part=st.integers(1, 6), days=st.integers(0, 8))
    def fall_behind(self, index: int, part: int, days: int) -> None:
        """The borrower has spent it all when the next instalment falls due; days later somebody pays a part."""
        loan = self.one(index, "active")
        if loan and (left := self.office.ask("plan_left", loan)):
            self.have(self.borrower(loan), 0, "grant")
            self.office.until(max(left[0][0], self.office.today + 1), 43_200_000)
            self.wait(1 + days)
            self.repay(index, part, "alpine")

    @rule(index=loans, method=st.sampled_from(("seize", "write_off", "collect")))
    def act(self, index: int, method: str) -> None:
        loan = self.one(index, *PAID_OUT)
        if loan:
            self.office.code("alpine", method, loan)

    @rule(borrower=borrowers, left=st.sampled_from((0, 0, 500, 40_000)), method=st.sampled_from(GRANTS))
    def have(self, borrower: str, left: int, method: str) -> None:
        """The borrower's money becomes that much, unless a freeze is in the way; its grant is given or withdrawn."""
        self.office.call(borrower, "accounts", method, "loans")
        change = left - self.office.chain.balance(borrower, MONEY)
        if change > 0:
            self.office.call("alpine", "bank_money", "mint", "USD", [[address_of(borrower), change]], "")
        elif change < 0:
            self.office.call(borrower, "bank_money", "withdraw", "USD", -change, "")

    # ----------------------------------------------------------------------------------------------------- orders

    @rule(borrower=borrowers, stops=st.sampled_from(("send", "receive", "settle")), asset=frozen)
    def freeze(self, borrower: str, stops: str, asset: str) -> None:
        """One freeze at a time."""
        while self.freezes:
            self.office.unfreeze(self.freezes.pop())
        self.freezes.append(self.office.freeze(borrower, stops, asset=asset))

    @rule(index=loans, amount=st.integers(1, 5_000))
    def court(self, index: int, amount: int) -> None:
        """A court takes gold, out of the collateral of one loan if it needs to."""
        loan = self.one(index, "accepted", "active", "defaulted")
        row = self.office.loan(loan) if loan else None
        if loan and row and row["hold"] and self.office.hold_status(row["hold"]) == "open":
            target = address_of("rounding")
            order: list[Value] = [GOLD, row["borrower"], target, amount, [row["hold"]], "AZ 1", "ZPO 335", 0]
            if self.office.call("themis", "orders", "force_transfer", *order).is_ok:
                self.taken += amount

    # ------------------------------------------------------------------------------------------------------- time

    @rule(days=st.sampled_from((1, 5, 31)), more=st.sampled_from((0, 0, 31)))
    def pass_time(self, days: int, more: int) -> None:
        for step in (days, more) if more else (days,):
            self.wait(step)

    @rule()
    def a_month(self) -> None:
        self.wait(31)

    def wait(self, days: int) -> None:
        self.office.until(self.office.today + days, 43_200_000)
        for _ in range(20):
            if not self.office.block().runs:
                break
        else:
            raise AssertionError("the schedule has no end")

    # -------------------------------------------------------------------------------------------- what is always so

    @invariant()
    def all_is_accounted_for(self) -> None:
        if not hasattr(self, "office"):
            return
        office = self.office
        rows = self.rows()
        for loan, row in rows.items():
            before, after = self.statuses[loan], row["status"]
            assert after == before or self.leads_to(before, after), (loan, before, after)
            self.statuses[loan] = after
            self.check(row)
        out = [row for row in rows.values() if row["status"] in PAID_OUT]
        lent = sum(row["principal"] for row in out)
        back = sum(row["principal_paid"] for row in out)
        paid_by_bank = sum(
            event["principal"] + event["interest"] + event["late"]
            for event in office.events("Paid")
            if event["payer"] == address_of("alpine")
        )
        assert office.chain.balance("alpine", MONEY) == self.lent_at_start - lent + back - paid_by_bank
        fees = sum(event["fee"] for event in office.events("Disbursed"))
        income, rounding = office.chain.balance("income", MONEY), office.chain.balance("rounding", MONEY)
        assert income + rounding == fees + sum(row["interest_paid"] for row in out)
        covered = sum(row["covered"] for row in out)
        written_off = sum(row["written_off"] for row in out)
        recovered = sum(row["recovered"] for row in out)
        living = sum(row["outstanding"] for row in out if row["status"] != "written_off")
        assert office.ask("book") == [lent, back - recovered, covered, written_off, living]
        assert all(receipt.is_ok for receipt in office.scheduled), [r.message for r in office.scheduled if not r.is_ok]
        audits = {audit.asset: audit for audit in office.chain.reads.audit()}
        assert all(audit.is_sound for audit in audits.values())
        held = {name: office.held(name, GOLD) for name in BORROWERS}
        for name in BORROWERS:
            pledged = [row for row in rows.values() if row["borrower"] == address_of(name) and row["hold"]]
            assert held[name] == sum(
                row["pledged"] for row in pledged if office.hold_status(row["hold"]) == "open"
            )
        gold = sum(office.chain.balance(name, GOLD) for name in (*BORROWERS, "alpine", "rounding")) + sum(held.values())
        assert gold == 5_000 * len(BORROWERS)
        assert office.chain.balance("rounding", GOLD) == self.taken

    def leads_to(self, before: str, after: str) -> bool:
        """Whether some steps lead from one status to the other: a step of the machine may be several."""
        return any(step == after or self.leads_to(step, after) for step in NEXT[before])

    def check(self, row: dict[str, Any]) -> None:
        """One loan agrees with itself."""
        status = row["status"]
        parts = ("outstanding", "principal_due", "interest_due", "late_due", "rounding_due", "interest_paid", "covered")
        assert min(row[name] for name in parts) >= 0
        assert row["principal_due"] <= row["outstanding"]
        assert row["rounding_due"] <= row["interest_due"] + row["late_due"]
        if status in PAID_OUT:
            assert row["principal"] == row["principal_paid"] + row["covered"] + row["outstanding"]
        else:
            assert row["outstanding"] == row["principal_paid"] == 0
        due = row["principal_due"] + row["interest_due"] + row["late_due"]
        assert (due > 0) == (row["overdue_day"] > 0) or status in ("defaulted", "written_off")
        has_call = row["call"] != 0
        assert has_call == (status in ("approved", "accepted", "active")), (status, row["call"])
        if status in ("closed", "written_off", "lapsed", "withdrawn", "declined"):
            assert row["hold"] == ""
        if status == "closed":
            assert (row["outstanding"], due, row["principal_paid"] + row["covered"]) == (0, 0, row["principal"])

    def teardown(self) -> None:
        """Everything is lifted, everybody has money: all loans come to their end, most of them by themselves."""
        if not hasattr(self, "office"):
            return
        office = self.office
        while self.freezes:
            office.unfreeze(self.freezes.pop())
        for name in BORROWERS:
            self.have(name, 10_000_000, "grant")
        for _ in range(12):
            self.wait(31)
            self.all_is_accounted_for()
        for loan, row in self.rows().items():
            if row["status"] == "defaulted":
                if row["hold"]:
                    office.ok("alpine", "loans", "seize", loan)
                if office.loan(loan)["status"] == "defaulted":
                    office.ok("alpine", "loans", "repay", loan, sum(office.ask("due", loan)))
        self.all_is_accounted_for()
        assert not {"approved", "accepted", "active", "defaulted"} & set(self.statuses.values())
        assert office.ask("book")[4] == 0


Loans.TestCase.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLoans = Loans.TestCase


@pytest.mark.full
def test_many_more() -> None:
    run_state_machine_as_test(
        Loans,
        settings=settings(
            max_examples=300, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


BUGS = {
    "collateral stays held": (
        "        row.overdue_day = 0\n        free_collateral(row)\n",
        "        row.overdue_day = 0\n",
    ),
    "interest goes to the bank": (
        "    add_income(legs, product, interest, unit)\n    return legs\n",
        "    add_income(legs, product, unit, unit)\n"
        "    if interest > unit:\n        legs.append((product.money, product.lender, interest - unit))\n"
        "    return legs\n",
    ),
    "the next instalment is forgotten": (
        "    elif row.status == ACTIVE:\n        plan_next(row, loan, product.terms)\n",
        "",
    ),
    "what is written off stays on the books": ("        totals.outstanding -= principal\n", ""),
    "arrears end with any payment": (
        "    if due_of(row) == 0:\n        row.overdue_day = 0\n",
        "    row.overdue_day = 0\n",
    ),
    "a loan is withdrawn after it is paid out": (
        "    require(row.status in (APPLIED, APPROVED, ACCEPTED), ",
        "    require(row.status in (APPLIED, APPROVED, ACCEPTED, ACTIVE), ",
    ),
    "collateral covers more than is owed": (
        '    covered = min(owed, mul_div(taken, MILLION, terms.claim_ppm, "floor"))\n',
        '    covered = mul_div(taken, MILLION, terms.claim_ppm, "ceiling")\n',
    ),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_seen(name: str) -> None:
    old, new = BUGS[name]
    source = read_library()["loans"]
    assert old in source

    class Planted(Loans):
        pass

    Planted.source = source.replace(old, new, 1)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Planted,
            settings=settings(
                max_examples=40,
                stateful_step_count=25,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
