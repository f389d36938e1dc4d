"""Loans: a bank offers products, a customer applies, and what was agreed happens by itself until the last cent is back.

A loan is paid out of the bank's own account in its deposit money and repaid there. Instalments are collected from the
borrower's account when they fall due, by the standing authority that the borrower gives on accepting; a borrower
without the money has days of grace, then pays late interest, and after the product's days the loan is in default and
the collateral, which a hold has kept all along, goes to the bank as far as it is needed.

Interest of a period is exact, principal times rate times day count, and rounded once, half to even. The income
account receives its floor; the unit that rounding up took goes to the product's rounding account. The last instalment
is whatever principal is left.

A loan is applied, approved, accepted, active, then maybe defaulted; it ends as exactly one of declined, withdrawn,
lapsed, closed, written_off. docs/contracts/loans.md says who may do what, and works out examples.
"""

from hansa import (
    Address,
    Amount,
    Asset,
    Map,
    OrderedMap,
    Value,
    action,
    ctx,
    div_round,
    emit,
    fail,
    invariant,
    ledger,
    mul_div,
    query,
    record,
    require,
    unwind,
)

NAME = "loans"
DAY_MS = 86_400_000
MILLION = 1_000_000
SCALE = 10**30
AMOUNT_MAX = 2**63 - 1

APPLIED = "applied"
APPROVED = "approved"
ACCEPTED = "accepted"
ACTIVE = "active"
DEFAULTED = "defaulted"
DECLINED = "declined"
WITHDRAWN = "withdrawn"
LAPSED = "lapsed"
CLOSED = "closed"
WRITTEN_OFF = "written_off"

ANNUITY = "annuity"
EQUAL_PRINCIPAL = "equal_principal"
BULLET = "bullet"
INTEREST_ONLY = "interest_only"
KINDS = (ANNUITY, EQUAL_PRINCIPAL, BULLET, INTEREST_ONLY)
DAY_COUNTS = ("ACT/360", "ACT/365F", "ACT/ACT ISDA", "30/360", "30E/360")
CALENDARS = ("", "weekends", "TARGET")
SHORTER = "term"
SMALLER = "instalment"

INSTALMENTS_MAX = 600
MONTHS_MAX = 600
DAYS_MAX = 18_300
RATE_PPM_MAX = 2_000_000
SHARE_PPM_MAX = 1_000_000
COLLATERAL_PPM_MAX = 10**18
LATE_DAYS_MAX = 3_650
OFFER_MS_MAX = 366 * DAY_MS
VALUE_DAYS_BACK_MAX = 366
REFERENCE_CHARS_MAX = 140
LIST_MAX = 200

DUE_PER_RUN_MAX = 12
RUN_FUEL = 300_000
RUN_RETRIES = 24
RUN_RETRY_MS = 3_600_000


@record
class Terms:
    """What a product says. Rates and shares are in millionths; a rate is of a year."""

    currency: str
    kind: str
    rate_ppm: int
    day_count: str
    instalments: int
    period_months: int
    period_days: int
    due_time_ms: int
    calendar: str
    principal_min: Amount
    principal_max: Amount
    fee: Amount
    fee_ppm: int
    prepay_fee_ppm: int
    prepay: str
    late_rate_ppm: int
    grace_days: int
    default_days: int
    risk_class: str
    text_digest: bytes
    collateral: Asset | None
    collateral_ppm: int
    claim_ppm: int
    income: Address
    rounding: Address


@record
class Product:
    bank: str
    lender: Address
    money: Asset
    is_open: bool
    terms: Terms


@record
class Loan:
    """One loan. Days are since 1970; amounts in minor units of the product's money."""

    product: int
    borrower: Address
    bank: str
    status: str
    principal: Amount
    reference: str
    expires_ms: int = 0
    value_day: int = 0
    anchor: int = 0
    start_day: int = 0
    count: int = 0
    fallen: int = 0
    instalment: Amount = Amount(0)
    outstanding: Amount = Amount(0)
    accrual_day: int = 0
    principal_due: Amount = Amount(0)
    interest_due: Amount = Amount(0)
    late_due: Amount = Amount(0)
    rounding_due: Amount = Amount(0)
    overdue_day: int = 0
    arrears_day: int = 0
    hold: str = ""
    pledged: Amount = Amount(0)
    call: int = 0
    principal_paid: Amount = Amount(0)
    interest_paid: Amount = Amount(0)
    covered: Amount = Amount(0)
    written_off: Amount = Amount(0)
    recovered: Amount = Amount(0)
    barred_day: int = 0


@record
class Totals:
    """Principal of all loans together, in minor units whatever the money."""

    lent: int = 0
    repaid: int = 0
    covered: int = 0
    written_off: int = 0
    outstanding: int = 0


products: OrderedMap[int, Product] = OrderedMap()
loans: Map[str, Loan] = Map()
loans_by_borrower: OrderedMap[tuple[Address, int], str] = OrderedMap()
applications: OrderedMap[tuple[str, int], Address] = OrderedMap()
product_count: Value[int] = Value(0)
loan_count: Value[int] = Value(0)
totals_now: Value[Totals | None] = Value(None)
pledged_now: Map[Asset, int] = Map()
pledged_last: Value[str] = Value("")


# ------------------------------------------------------------------------------------------------------ the product


@action
def offer(terms: Terms) -> int:
    """A bank offers a product; gives its number. Terms never change: a bank closes one and offers another."""
    bank = own_bank()
    lender = ledger.member_account(bank)
    money = ledger.bank_money(bank, terms.currency)
    check_terms(terms)
    for account in (terms.income, terms.rounding):
        require(ledger.account_bank(account) == bank, "bad_terms", "income and rounding go to accounts at the bank")
    if terms.collateral is not None:
        require(terms.collateral != money, "bad_terms", "the money lent is no collateral for itself")
        ledger.asset_info(terms.collateral)
    number = product_count.get() + 1
    product_count.set(number)
    products[number] = Product(bank, lender, money, True, terms)
    emit("Offered", product=number, bank=bank, kind=terms.kind, rate_ppm=terms.rate_ppm)
    return number


@action
def close_product(number: int) -> None:
    """The bank takes no more applications for a product; loans under it go on."""
    product = find_product(number)
    require(product.bank == own_bank(), "not_the_bank", "only the bank that offers a product closes it")
    product.is_open = False
    products[number] = product
    emit("ProductClosed", product=number)


def check_terms(terms: Terms) -> None:
    require(terms.kind in KINDS, "bad_terms", "a kind is annuity, equal_principal, bullet or interest_only")
    require(terms.day_count in DAY_COUNTS, "bad_terms", "the day count is none of the five")
    require(terms.calendar in CALENDARS, "bad_terms", "a calendar is none, weekends or TARGET")
    require(0 <= terms.rate_ppm <= RATE_PPM_MAX, "bad_terms", "a rate is from 0 to 200 % a year")
    require(0 <= terms.late_rate_ppm <= RATE_PPM_MAX, "bad_terms", "a late rate is from 0 to 200 % a year")
    require(0 < terms.instalments <= INSTALMENTS_MAX, "bad_terms", "a loan has 1 to 600 instalments")
    months, days = terms.period_months, terms.period_days
    require(months >= 0 and days >= 0 and (months > 0) != (days > 0), "bad_terms", "a period is in months or in days")
    require(terms.instalments * months <= MONTHS_MAX, "bad_terms", "a loan runs 50 years at most")
    require(terms.instalments * days <= DAYS_MAX, "bad_terms", "a loan runs 50 years at most")
    require(0 <= terms.due_time_ms < DAY_MS, "bad_terms", "the time of day is in ms after midnight, UTC")
    require(0 < terms.principal_min <= terms.principal_max, "bad_terms", "a least and a greatest principal")
    require(terms.principal_max <= AMOUNT_MAX, "bad_terms", "a principal is below 2^63")
    require(0 <= terms.fee_ppm <= SHARE_PPM_MAX, "bad_terms", "a fee is at most the whole")
    require(0 <= terms.prepay_fee_ppm <= SHARE_PPM_MAX, "bad_terms", "a fee is at most the whole")
    least_fee = terms.fee + mul_div(terms.principal_min, terms.fee_ppm, MILLION, "half_even")
    require(least_fee < terms.principal_min, "bad_terms", "the fee is less than the principal")
    require(terms.prepay in (SHORTER, SMALLER), "bad_terms", "prepaying changes the term or the instalment")
    require(0 <= terms.grace_days <= terms.default_days, "bad_terms", "grace ends before default")
    require(0 < terms.default_days <= LATE_DAYS_MAX, "bad_terms", "default is 1 to 3,650 days after the due date")
    require(len(terms.risk_class) <= 32, "bad_terms", "a risk class has at most 32 letters")
    require(len(terms.text_digest) in (0, 32), "bad_terms", "the digest of the contract's text has 32 bytes")
    secured = terms.collateral is not None
    require(secured == (terms.collateral_ppm > 0), "bad_terms", "collateral is an asset and how much of it")
    require(secured == (terms.claim_ppm > 0), "bad_terms", "collateral has a price in default")
    require(0 <= terms.claim_ppm <= COLLATERAL_PPM_MAX, "bad_terms", "collateral per million of principal")
    require(0 <= terms.collateral_ppm <= COLLATERAL_PPM_MAX, "bad_terms", "collateral per million of principal")


# ------------------------------------------------------------------------------------------------------- agreement


@action
def apply(product: int, principal: Amount, reference: str) -> str:
    """A customer of the bank asks for a loan; gives the loan's id."""
    offered = find_product(product)
    terms = offered.terms
    require(offered.is_open, "product_closed", f"product {product} takes no more applications")
    require(len(reference) <= REFERENCE_CHARS_MAX, "bad_reference", "a reference has at most 140 letters")
    require(
        ledger.account_bank(ctx.caller) == offered.bank and ledger.member_of(ctx.caller) == "",
        "not_a_customer",
        "a bank lends to its own customers",
    )
    require(
        terms.principal_min <= principal <= terms.principal_max,
        "bad_principal",
        f"product {product} lends from {terms.principal_min} to {terms.principal_max}",
    )
    require(most_due(terms, principal) <= AMOUNT_MAX, "bad_principal", "it could come to more than an amount can be")
    check_risk(terms, ctx.caller)
    number = loan_count.get() + 1
    loan_count.set(number)
    loan = str(number)
    loans[loan] = Loan(product, ctx.caller, offered.bank, APPLIED, principal, reference)
    loans_by_borrower[ctx.caller, number] = loan
    applications[offered.bank, number] = ctx.caller
    emit("Applied", loan=loan, product=product, borrower=ctx.caller, principal=principal)
    return loan


def most_due(terms: Terms, principal: Amount) -> int:
    """More than can be due at once until default: all principal, interest of the whole term, and late interest."""
    days = terms.instalments * (terms.period_months * 31 + terms.period_days) + VALUE_DAYS_BACK_MAX
    year = MILLION * 360
    usual = mul_div(principal, year + terms.rate_ppm * (days + terms.default_days), year, "ceiling")
    return mul_div(usual, year + terms.late_rate_ppm * terms.default_days, year, "ceiling")


@action
def approve(loan: str, expires_ms: int, value_day: int) -> None:
    """The bank's firm offer until ``expires_ms``. Interest runs from ``value_day``; 0: the day of disbursement."""
    row = of_bank(loan, APPLIED)
    last_ms = ctx.time_ms + OFFER_MS_MAX
    require(ctx.time_ms < expires_ms <= last_ms, "bad_expiry", "an approval lasts 366 days at most")
    require(
        value_day == 0 or today() - VALUE_DAYS_BACK_MAX <= value_day <= today(),
        "bad_value_day",
        "interest runs from today, or from a day of the last year",
    )
    check_risk(find_product(row.product).terms, row.borrower)
    row.status = APPROVED
    row.expires_ms = expires_ms
    row.value_day = value_day
    del applications[row.bank, int(loan)]
    plan_call(row, loan, expires_ms)
    loans[loan] = row
    emit("Approved", loan=loan, expires_ms=expires_ms, value_day=value_day)


@action
def decline(loan: str, reason: str) -> None:
    """The bank says no."""
    row = of_bank(loan, APPLIED)
    require(len(reason) <= REFERENCE_CHARS_MAX, "bad_reference", "a reason has at most 140 letters")
    row.status = DECLINED
    del applications[row.bank, int(loan)]
    loans[loan] = row
    emit("Declined", loan=loan, reason=reason)


@action
def accept(loan: str) -> None:
    """The borrower takes the offer: lets this contract collect what falls due, and puts up the collateral."""
    row = of_borrower(loan)
    require_status(row, loan, APPROVED)
    require(ctx.time_ms < row.expires_ms, "lapsed", "the approval has lapsed")
    product = find_product(row.product)
    terms = product.terms
    if not ledger.has_grant(ctx.caller, NAME):
        ledger.grant(ctx.caller, NAME)
    if terms.collateral is not None:
        row.pledged = Amount(mul_div(row.principal, terms.collateral_ppm, MILLION, "ceiling"))
        row.hold = ledger.hold(terms.collateral, ctx.caller, row.pledged, product.lender, 0, "collateral", loan)
        count_pledge(terms.collateral, row.pledged)
    row.status = ACCEPTED
    loans[loan] = row
    emit("Accepted", loan=loan, collateral=row.pledged)


@unwind
def withdraw(loan: str) -> None:
    """The borrower thinks better of it, before any money has moved."""
    row = of_borrower(loan)
    require(row.status in (APPLIED, APPROVED, ACCEPTED), "bad_status", f"loan {loan} is {row.status}")
    if row.status == APPLIED:
        del applications[row.bank, int(loan)]
    end_unpaid(row, loan, WITHDRAWN)


@unwind
def lapse(loan: str) -> None:
    """End an approval whose time is over, and free its collateral: by itself, or by anybody."""
    row = find(loan)
    require(row.status in (APPROVED, ACCEPTED), "bad_status", f"loan {loan} is {row.status}")
    require(ctx.time_ms >= row.expires_ms, "not_due", "the approval has not lapsed yet")
    end_unpaid(row, loan, LAPSED)


@action
def disburse(loan: str) -> None:
    """The bank pays the principal, less the fee, to the borrower; the first instalment is scheduled."""
    row = of_bank(loan, ACCEPTED)
    require(ctx.time_ms < row.expires_ms, "lapsed", "the approval has lapsed")
    product = find_product(row.product)
    terms = product.terms
    fee, unit = rounded(row.principal * terms.fee_ppm, 1, MILLION)
    fee += terms.fee
    legs: list[tuple[Asset, Address, int]] = [
        (product.money, product.lender, -row.principal),
        (product.money, row.borrower, row.principal - fee),
    ]
    add_income(legs, product, fee, unit)
    ledger.journal(legs, "loan", loan)
    row.status = ACTIVE
    row.start_day = today()
    if row.value_day == 0:
        row.value_day = row.start_day
    row.anchor = ledger.date_of(row.value_day)[2]
    row.accrual_day = row.value_day
    row.outstanding = row.principal
    row.count = 1 if terms.kind == BULLET else terms.instalments
    row.instalment = Amount(instalment_of(row, terms))
    totals = current_totals()
    totals.lent += row.principal
    totals.outstanding += row.principal
    totals_now.set(totals)
    plan_next(row, loan, terms)
    loans[loan] = row
    emit("Disbursed", loan=loan, principal=row.principal, fee=fee, instalment=row.instalment)


# ---------------------------------------------------------------------------------------------------------- paying


@action
def fall_due(loan: str) -> None:
    """What the schedule calls: the offer lapses, or an instalment falls due and is collected."""
    require(ctx.caller == ctx.contract, "not_the_schedule", "the schedule calls this; anybody may call collect")
    row = find(loan)
    row.call = 0
    if row.status in (APPROVED, ACCEPTED):
        end_unpaid(row, loan, LAPSED)
    elif row.status == ACTIVE:
        advance(row, loan)


@action
def collect(loan: str) -> None:
    """What is due and was not collected by itself, by anybody."""
    row = find(loan)
    require_status(row, loan, ACTIVE)
    terms = find_product(row.product).terms
    is_due = row.overdue_day != 0 or ctx.time_ms >= due_ms(row, terms, row.fallen + 1)
    require(is_due, "not_due", "nothing is due yet")
    advance(row, loan)


@action
def repay(loan: str, amount: Amount) -> None:
    """Anybody pays some or all of what is due: late interest first, then interest, then principal."""
    row = find(loan)
    require(row.status in (ACTIVE, DEFAULTED, WRITTEN_OFF), "bad_status", f"loan {loan} is {row.status}")
    product = find_product(row.product)
    excuse(row)
    mark_due(row, product)
    accrue_arrears(row, product, today())
    owed = due_of(row)
    require(0 < amount <= owed, "bad_amount", f"{owed} are due")
    pay_due(row, loan, product, ctx.caller, amount)
    finish(row, loan, product)


@action
def prepay(loan: str, amount: Amount) -> None:
    """The borrower pays before it is due: the interest to today, the fee for it, and principal with the rest."""
    row, product = ready_to_prepay(loan)
    terms = product.terms
    undue = row.outstanding
    interest, unit = interest_of(undue, terms.rate_ppm, terms.day_count, row.accrual_day, today())
    left = amount - interest
    principal = mul_div(left, MILLION, MILLION + terms.prepay_fee_ppm, "floor") if left > 0 else 0
    require(principal > 0, "bad_amount", f"the interest to today is {interest}")
    require(principal < undue, "bad_amount", "prepay_all closes the loan")
    fee = left - principal
    unit += fee - mul_div(principal, terms.prepay_fee_ppm, MILLION, "floor")
    settle_early(row, loan, product, principal, interest + fee, unit)
    if terms.kind != BULLET and terms.prepay == SMALLER:
        row.instalment = Amount(instalment_of(row, terms))
    loans[loan] = row
    emit("Prepaid", loan=loan, principal=principal, interest=interest, fee=fee, instalment=row.instalment)


@action
def prepay_all(loan: str) -> Amount:
    """The borrower pays all that is left and the loan is closed; gives what that took."""
    row, product = ready_to_prepay(loan)
    principal, interest, fee, unit = payoff_of(row, product.terms)
    settle_early(row, loan, product, principal, interest + fee, unit)
    emit("Prepaid", loan=loan, principal=principal, interest=interest, fee=fee, instalment=0)
    finish(row, loan, product)
    return Amount(principal + interest + fee)


@action
def seize(loan: str) -> None:
    """The bank takes the collateral of a loan in default, where a freeze stopped that on the day."""
    row = of_bank(loan, DEFAULTED)
    require(row.hold != "", "no_collateral", "the loan has no collateral left")
    product = find_product(row.product)
    accrue_arrears(row, product, today())
    take_collateral(row, loan, product)
    finish(row, loan, product)


@unwind
def release(loan: str) -> None:
    """The bank gives the collateral back before the loan is repaid, all of it."""
    row = find(loan)
    require(row.bank == own_bank(), "not_the_bank", "only the bank that lends does that")
    require(row.hold != "", "no_collateral", "the loan has no collateral left")
    free_collateral(row)
    loans[loan] = row
    emit("Released", loan=loan)


@action
def write_off(loan: str) -> None:
    """The bank no longer expects the rest of a loan in default; what still comes in is recovery."""
    row = of_bank(loan, DEFAULTED)
    require(row.hold == "", "collateral_left", "the collateral comes first: seize it, or release it")
    product = find_product(row.product)
    accrue_arrears(row, product, today())
    row.status = WRITTEN_OFF
    row.written_off = row.outstanding
    totals = current_totals()
    totals.written_off += row.outstanding
    totals.outstanding -= row.outstanding
    totals_now.set(totals)
    loans[loan] = row
    emit("WrittenOff", loan=loan, principal=row.written_off, interest=row.interest_due + row.late_due)


# ------------------------------------------------------------------------------------------------- what is always so


@invariant
def totals_agree() -> bool:
    """What is outstanding is what was lent less what came back, was covered by collateral or written off."""
    totals = current_totals()
    left = totals.lent - totals.repaid - totals.covered - totals.written_off
    return totals.outstanding == left and left >= 0


@invariant
def collateral_is_counted() -> bool:
    """No more is reserved as collateral than the loans say; a court's transfer may have left less."""
    asset = pledged_last.get()
    return asset == "" or ledger.reserved(Asset(asset)) <= pledged_now.get(Asset(asset), 0)


# --------------------------------------------------------------------------------------------------------- questions


@query
def product_info(number: int) -> Product:
    """The product of that number."""
    return find_product(number)


@query
def offers(after: int, limit: int) -> list[tuple[int, Product]]:
    """Products with a number above ``after``, in order."""
    return products.ascending(min(limit, LIST_MAX), start=(after + 1,))


@query
def loan_info(loan: str) -> Loan:
    """The loan as it stands on the ledger."""
    return find(loan)


@query
def loans_of(borrower: Address, after: int, limit: int) -> list[str]:
    """Ids of the borrower's loans with a number above ``after``, in order."""
    found = loans_by_borrower.ascending(min(limit, LIST_MAX), start=(borrower, after + 1), stop=(borrower, 2**200))
    return [loan for key, loan in found]


@query
def waiting(bank: str, after: int, limit: int) -> list[str]:
    """Ids of the applications that the bank has not answered, with a number above ``after``, in order."""
    found = applications.ascending(min(limit, LIST_MAX), start=(bank, after + 1), stop=(bank, 2**200))
    return [str(key[1]) for key, borrower in found]


@query
def plan(number: int, principal: Amount, value_day: int) -> list[tuple[int, Amount, Amount, Amount]]:
    """A product's instalments for a loan from that day on: (day, principal, interest, principal left)."""
    terms = find_product(number).terms
    row = Loan(number, ctx.contract, "", ACTIVE, principal, "")
    row.value_day = value_day
    row.accrual_day = value_day
    row.anchor = ledger.date_of(value_day)[2]
    row.outstanding = principal
    row.count = 1 if terms.kind == BULLET else terms.instalments
    row.instalment = Amount(instalment_of(row, terms))
    return plan_of(row, terms)


@query
def plan_left(loan: str) -> list[tuple[int, Amount, Amount, Amount]]:
    """The instalments that have not fallen due yet: (day, principal, interest, principal left)."""
    row = find(loan)
    if row.status != ACTIVE:
        return []
    return plan_of(row, find_product(row.product).terms)


@query
def due(loan: str) -> tuple[Amount, Amount, Amount]:
    """Late interest, interest and principal that are due today."""
    row = find(loan)
    if row.status in (ACTIVE, DEFAULTED, WRITTEN_OFF):
        product = find_product(row.product)
        excuse(row)
        mark_due(row, product)
        accrue_arrears(row, product, today())
    return (row.late_due, row.interest_due, row.principal_due)


@query
def payoff(loan: str) -> tuple[Amount, Amount, Amount]:
    """Principal, interest and fee that ``prepay_all`` would take today."""
    row = find(loan)
    require_status(row, loan, ACTIVE)
    found = payoff_of(row, find_product(row.product).terms)
    return (Amount(found[0]), Amount(found[1]), Amount(found[2]))


@query
def book() -> Totals:
    """Principal lent, repaid, covered by collateral, written off and outstanding, of all loans."""
    return current_totals()


@query
def service(loan: str) -> tuple[bool, list[Address], str]:
    """For feedback: whether the loan was made and has ended, its borrower and its bank."""
    row = find(loan)
    lender = find_product(row.product).lender
    return (row.status in (CLOSED, WRITTEN_OFF), [row.borrower, lender], row.bank)


# ------------------------------------------------------------------------------------------------ days and interest


def today() -> int:
    return ctx.time_ms // DAY_MS


def nominal_day(row: Loan, terms: Terms, number: int) -> int:
    """The day on which interest of that instalment ends."""
    periods = number * (terms.instalments if terms.kind == BULLET else 1)
    if terms.period_months > 0:
        return ledger.add_months(row.value_day, periods * terms.period_months, row.anchor)
    return row.value_day + periods * terms.period_days


def pay_day(row: Loan, terms: Terms, number: int) -> int:
    """The day on which that instalment falls due."""
    day = nominal_day(row, terms, number)
    if terms.calendar == "":
        return day
    return ledger.business_day(terms.calendar, day, "modified_following")


def due_ms(row: Loan, terms: Terms, number: int) -> int:
    return pay_day(row, terms, number) * DAY_MS + terms.due_time_ms


def rounded(a: int, b: int, divisor: int) -> tuple[int, int]:
    """a * b / divisor, half to even, and the unit that rounding up took (0 or 1)."""
    amount = mul_div(a, b, divisor, "half_even")
    return (amount, amount - mul_div(a, b, divisor, "floor"))


def interest_of(principal: int, rate_ppm: int, day_count: str, first: int, last: int) -> tuple[int, int]:
    """Interest of the days from first to before last, and the unit that rounding up took."""
    if last <= first or principal == 0 or rate_ppm == 0:
        return (0, 0)
    part, whole = ledger.year_fraction(day_count, first, last)
    return rounded(principal * rate_ppm, part, MILLION * whole)


def instalment_of(row: Loan, terms: Terms) -> int:
    """What each instalment comes to: all of it for an annuity, its principal for equal principal, else 0."""
    left = row.count - row.fallen
    if terms.kind == EQUAL_PRINCIPAL:
        return div_round(row.outstanding, left, "half_even")
    if terms.kind != ANNUITY:
        return 0
    periods: list[tuple[int, int]] = []
    first = row.accrual_day
    for number in range(row.fallen + 1, row.count + 1):
        last = max(first, nominal_day(row, terms, number))
        part, whole = ledger.year_fraction(terms.day_count, first, last)
        periods.append((terms.rate_ppm * part, MILLION * whole))
        first = last
    growth = SCALE
    sum_of_growth = 0
    for rate, whole in periods:
        growth = mul_div(growth, whole + rate, whole)
        sum_of_growth = mul_div(sum_of_growth, whole + rate, whole) + SCALE
    amount = mul_div(row.outstanding, growth, sum_of_growth, "half_even")
    return evened(row.outstanding, periods, amount)


def evened(principal: int, periods: list[tuple[int, int]], amount: int) -> int:
    """The amount, moved by what the last instalment would be off, spread over all, where that brings it closer."""
    off = off_at_last(principal, periods, amount)
    if abs(off) <= len(periods) // 2:
        return amount
    other = amount + div_round(off, len(periods), "half_even")
    return other if abs(off_at_last(principal, periods, other)) < abs(off) else amount


def off_at_last(principal: int, periods: list[tuple[int, int]], amount: int) -> int:
    """By how much the last instalment of an annuity is more than the others."""
    interest = 0
    for rate, whole in periods[:-1]:
        interest = mul_div(principal, rate, whole, "half_even")
        principal -= min(principal, max(0, amount - interest))
    rate, whole = periods[-1]
    return principal + mul_div(principal, rate, whole, "half_even") - amount


def split(terms: Terms, instalment: int, undue: int, interest: int, is_last: bool) -> int:
    """Principal of an instalment whose interest is known. The last has all that is left."""
    if is_last:
        return undue
    if terms.kind == ANNUITY:
        return min(undue, max(0, instalment - interest))
    if terms.kind == EQUAL_PRINCIPAL:
        return min(undue, instalment)
    return 0


def plan_of(row: Loan, terms: Terms) -> list[tuple[int, Amount, Amount, Amount]]:
    rows: list[tuple[int, Amount, Amount, Amount]] = []
    undue = row.outstanding - row.principal_due
    first = row.accrual_day
    number = row.fallen
    while undue > 0:
        number += 1
        last = nominal_day(row, terms, number)
        interest = interest_of(undue, terms.rate_ppm, terms.day_count, first, last)[0]
        part = split(terms, row.instalment, undue, interest, number >= row.count)
        undue -= part
        rows.append((pay_day(row, terms, number), Amount(part), Amount(interest), Amount(undue)))
        first = max(first, last)
    return rows


# ------------------------------------------------------------------------------------------------- what falls due


def mark_due(row: Loan, product: Product) -> int:
    """Move what has fallen due by now from the plan to what is due; gives how many instalments that were.

    It counts as overdue from today: that a run comes late, after a pause for instance, is not the borrower's fault.
    """
    terms = product.terms
    count = 0
    while row.status == ACTIVE and count < DUE_PER_RUN_MAX and row.outstanding > row.principal_due:
        number = row.fallen + 1
        if ctx.time_ms < due_ms(row, terms, number):
            break
        accrue_arrears(row, product, today())
        last = nominal_day(row, terms, number)
        undue = row.outstanding - row.principal_due
        interest, unit = interest_of(undue, terms.rate_ppm, terms.day_count, row.accrual_day, last)
        part = split(terms, row.instalment, undue, interest, number >= row.count)
        row.principal_due = Amount(row.principal_due + part)
        row.interest_due = Amount(row.interest_due + interest)
        row.rounding_due = Amount(row.rounding_due + unit)
        row.accrual_day = max(row.accrual_day, last)
        row.fallen = number
        if row.overdue_day == 0 and due_of(row) > 0:
            row.overdue_day = today()
            row.arrears_day = row.overdue_day
        count += 1
    return count


def accrue_arrears(row: Loan, product: Product, day: int) -> None:
    """Charge what is overdue up to that day: the rate on principal, and past the grace the late rate on all of it.

    Kept only where what is overdue changes: rounding once, not once a day.
    """
    if row.overdue_day == 0 or day <= row.arrears_day or row.status == WRITTEN_OFF:
        return
    terms = product.terms
    first = row.arrears_day
    rate = terms.rate_ppm if row.status == ACTIVE else 0
    usual, usual_unit = interest_of(row.principal_due, rate, terms.day_count, first, day)
    grace_ends = row.overdue_day + terms.grace_days
    overdue = row.principal_due + row.interest_due
    late, late_unit = interest_of(overdue, terms.late_rate_ppm, terms.day_count, max(first, grace_ends), day)
    row.late_due = Amount(row.late_due + usual + late)
    row.rounding_due = Amount(row.rounding_due + usual_unit + late_unit)
    row.arrears_day = day


def due_of(row: Loan) -> int:
    return row.late_due + row.interest_due + row.principal_due


def advance(row: Loan, loan: str) -> None:
    """Bring a loan up to the block's time: mark what is due, collect it, or go into default."""
    product = find_product(row.product)
    excuse(row)
    count = mark_due(row, product)
    late, unit, since = row.late_due, row.rounding_due, row.arrears_day
    accrue_arrears(row, product, today())
    owed = due_of(row)
    if owed > 0:
        emit("Due", loan=loan, instalment=row.fallen, amount=owed)
        interest = row.late_due + row.interest_due
        refused = ledger.journal_refusal(legs_of(product, row.borrower, row.principal_due, interest, row.rounding_due))
        if refused == "":
            pay_due(row, loan, product, row.borrower, owed)
        elif is_barred(row, product):
            emit("Missed", loan=loan, amount=owed, since_day=row.overdue_day, code=refused)
            row.barred_day = today()
        elif count < DUE_PER_RUN_MAX and today() >= row.overdue_day + product.terms.default_days:
            go_into_default(row, loan, product)
        else:
            emit("Missed", loan=loan, amount=owed, since_day=row.overdue_day, code=refused)
            row.late_due, row.rounding_due, row.arrears_day = late, unit, since
    finish(row, loan, product)


def is_barred(row: Loan, product: Product) -> bool:
    """Whether the bank's own accounts could not be paid what is due, whoever paid: that is not the borrower's fault.

    Asked in the contract's name, which has neither money nor anything that could stop it.
    """
    interest = row.late_due + row.interest_due
    legs = legs_of(product, ctx.contract, row.principal_due, interest, row.rounding_due)
    return ledger.journal_refusal(legs) != "insufficient_funds"


def excuse(row: Loan) -> None:
    """Days on which the bank's own accounts could not be paid count neither for interest nor towards default."""
    if row.barred_day != 0:
        row.overdue_day += today() - row.barred_day
        row.arrears_day = today()
        row.barred_day = 0


def pay_due(row: Loan, loan: str, product: Product, payer: Address, amount: int) -> None:
    """Pay some of what is due, in one journal, in the order late interest, interest, principal."""
    late = min(amount, row.late_due)
    interest = min(amount - late, row.interest_due)
    principal = amount - late - interest
    unpaid = row.late_due + row.interest_due - late - interest
    unit = max(0, row.rounding_due - unpaid)
    ledger.journal(legs_of(product, payer, principal, late + interest, unit), "loan_instalment", loan)
    row.late_due = Amount(row.late_due - late)
    row.interest_due = Amount(row.interest_due - interest)
    row.rounding_due = Amount(row.rounding_due - unit)
    row.principal_due = Amount(row.principal_due - principal)
    take_principal(row, principal, late + interest)
    if due_of(row) == 0:
        row.overdue_day = 0
    emit("Paid", loan=loan, payer=payer, principal=principal, interest=interest, late=late, left=row.outstanding)


def take_principal(row: Loan, principal: int, interest: int) -> None:
    """Count what was paid."""
    row.interest_paid = Amount(row.interest_paid + interest)
    row.principal_paid = Amount(row.principal_paid + principal)
    row.outstanding = Amount(row.outstanding - principal)
    if row.status == WRITTEN_OFF:
        row.recovered = Amount(row.recovered + principal)
        return
    if principal > 0:
        totals = current_totals()
        totals.repaid += principal
        totals.outstanding -= principal
        totals_now.set(totals)


def legs_of(
    product: Product, payer: Address, principal: int, interest: int, unit: int
) -> list[tuple[Asset, Address, int]]:
    """Principal back to the bank, interest and fees to its income, what rounding up took to rounding."""
    legs: list[tuple[Asset, Address, int]] = [(product.money, payer, -(principal + interest))]
    if principal > 0:
        legs.append((product.money, product.lender, principal))
    add_income(legs, product, interest, unit)
    return legs


def add_income(legs: list[tuple[Asset, Address, int]], product: Product, income: int, unit: int) -> None:
    if income > unit:
        legs.append((product.money, product.terms.income, income - unit))
    if unit > 0:
        legs.append((product.money, product.terms.rounding, unit))


def finish(row: Loan, loan: str, product: Product) -> None:
    """Store the loan; close it if nothing is left, else see to what happens next."""
    if row.outstanding == 0 and due_of(row) == 0 and row.status in (ACTIVE, DEFAULTED):
        row.status = CLOSED
        row.overdue_day = 0
        free_collateral(row)
        drop_call(row)
        emit("Closed", loan=loan, principal=row.principal_paid, interest=row.interest_paid)
    elif row.status == ACTIVE:
        plan_next(row, loan, product.terms)
    else:
        drop_call(row)
    loans[loan] = row


def plan_next(row: Loan, loan: str, terms: Terms) -> None:
    """The next instalment, or tomorrow while something is overdue."""
    at_ms = (today() + 1) * DAY_MS + terms.due_time_ms
    if row.outstanding > row.principal_due:
        next_ms = due_ms(row, terms, row.fallen + 1)
        if row.overdue_day == 0 or next_ms < at_ms:
            at_ms = next_ms
    plan_call(row, loan, at_ms)


def plan_call(row: Loan, loan: str, at_ms: int) -> None:
    drop_call(row)
    row.call = ledger.schedule("fall_due", loan, at_ms, RUN_FUEL, RUN_RETRIES, RUN_RETRY_MS)


def drop_call(row: Loan) -> None:
    if row.call != 0 and ledger.schedule_status(row.call) != "":
        ledger.cancel_schedule(row.call)
    row.call = 0


# ------------------------------------------------------------------------------------------ early, and not at all


def ready_to_prepay(loan: str) -> tuple[Loan, Product]:
    row = of_borrower(loan)
    require_status(row, loan, ACTIVE)
    product = find_product(row.product)
    mark_due(row, product)
    require(row.overdue_day == 0, "in_arrears", "what is due is paid first")
    return (row, product)


def payoff_of(row: Loan, terms: Terms) -> tuple[int, int, int, int]:
    """Principal, interest to today, fee, and the units that rounding up took."""
    principal = row.outstanding
    interest, unit = interest_of(principal, terms.rate_ppm, terms.day_count, row.accrual_day, today())
    fee, fee_unit = rounded(principal, terms.prepay_fee_ppm, MILLION)
    return (principal, interest, fee, unit + fee_unit)


def settle_early(row: Loan, loan: str, product: Product, principal: int, income: int, unit: int) -> None:
    ledger.journal(legs_of(product, row.borrower, principal, income, unit), "loan_prepayment", loan)
    take_principal(row, principal, income)
    row.accrual_day = max(row.accrual_day, today())


def go_into_default(row: Loan, loan: str, product: Product) -> None:
    """All of it is due; the collateral goes to the bank as far as that goes."""
    terms = product.terms
    undue = row.outstanding - row.principal_due
    interest, unit = interest_of(undue, terms.rate_ppm, terms.day_count, row.accrual_day, today())
    row.interest_due = Amount(row.interest_due + interest)
    row.rounding_due = Amount(row.rounding_due + unit)
    row.principal_due = row.outstanding
    row.accrual_day = today()
    row.status = DEFAULTED
    emit("Defaulted", loan=loan, principal=row.outstanding, interest=row.interest_due + row.late_due)
    if row.hold != "" and ledger.may_settle(row.hold):
        take_collateral(row, loan, product)


def take_collateral(row: Loan, loan: str, product: Product) -> None:
    """Post as much of the hold as covers what is owed at the product's price; the rest is free again."""
    terms = product.terms
    owed = due_of(row)
    is_open = ledger.hold_status(row.hold) == "open"
    reserved = ledger.hold_info(row.hold)[2] if is_open else 0
    taken = min(reserved, mul_div(owed, terms.claim_ppm, MILLION, "ceiling"))
    covered = min(owed, mul_div(taken, MILLION, terms.claim_ppm, "floor"))
    if covered > 0:
        ledger.post_hold(row.hold, Amount(taken), "loan_collateral")
    elif is_open:
        ledger.void_hold(row.hold)
    count_pledge(terms.collateral, -row.pledged)
    row.hold = ""
    row.pledged = Amount(0)
    late = min(covered, row.late_due)
    interest = min(covered - late, row.interest_due)
    principal = covered - late - interest
    row.late_due = Amount(row.late_due - late)
    row.interest_due = Amount(row.interest_due - interest)
    row.rounding_due = Amount(min(row.rounding_due, row.late_due + row.interest_due))
    row.principal_due = Amount(row.principal_due - principal)
    row.outstanding = Amount(row.outstanding - principal)
    row.covered = Amount(row.covered + principal)
    totals = current_totals()
    totals.covered += principal
    totals.outstanding -= principal
    totals_now.set(totals)
    emit("Seized", loan=loan, taken=taken, covered=covered, principal=principal)


def free_collateral(row: Loan) -> None:
    if row.hold == "":
        return
    asset = find_product(row.product).terms.collateral
    if ledger.hold_status(row.hold) == "open":
        ledger.void_hold(row.hold)
    count_pledge(asset, -row.pledged)
    row.hold = ""
    row.pledged = Amount(0)


def count_pledge(asset: Asset | None, change: int) -> None:
    if asset is None:
        return
    pledged_now[asset] = pledged_now.get(asset, 0) + change
    pledged_last.set(asset)


def end_unpaid(row: Loan, loan: str, status: str) -> None:
    """End a loan that was never paid out."""
    free_collateral(row)
    drop_call(row)
    row.status = status
    loans[loan] = row
    emit("Ended", loan=loan, status=status)


# ---------------------------------------------------------------------------------------------------------- finding


def find(loan: str) -> Loan:
    row = loans.get(loan)
    if row is None:
        fail("unknown_loan", f"there is no loan {loan}")
    return row


def find_product(number: int) -> Product:
    row = products.get(number)
    if row is None:
        fail("unknown_product", f"there is no product {number}")
    return row


def of_bank(loan: str, status: str) -> Loan:
    row = find(loan)
    require(row.bank == own_bank(), "not_the_bank", "only the bank that lends does that")
    require_status(row, loan, status)
    return row


def of_borrower(loan: str) -> Loan:
    row = find(loan)
    require(row.borrower == ctx.caller, "not_the_borrower", "only the borrower does that")
    return row


def require_status(row: Loan, loan: str, status: str) -> None:
    require(row.status == status, "bad_status", f"loan {loan} is {row.status}, not {status}")


def own_bank() -> str:
    bank = ledger.member_of(ctx.caller)
    require(bank != "" and ledger.member_role(bank) == "bank", "not_a_bank", "the sender is no bank's own account")
    return bank


def check_risk(terms: Terms, borrower: Address) -> None:
    if terms.risk_class != "":
        found = ledger.identity_of(borrower)[4]
        require(found == terms.risk_class, "risk_class", f"the product is for risk class {terms.risk_class}")


def current_totals() -> Totals:
    found = totals_now.get()
    return Totals() if found is None else found
