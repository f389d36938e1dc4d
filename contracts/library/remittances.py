"""Remittances: money sent to somebody else's account, across banks and currencies, at a price that is firm beforehand.

The originator's bank quotes: what is sent, what arrives, the rate between the two, the fee, and who bears the cost
of the exchange when the money comes back. The originator locks the quote: amount and fee are held on its deposit
money, and what arrives is held on its bank's settlement money, together, until the lock expires. The beneficiary's
bank accepts, and in one transaction the originator pays its bank, settlement money moves from bank to bank, and the
beneficiary's is minted; or it rejects with a reason of ISO 20022, and the money returns as the quote says. What nobody
has answered when the lock expires is free again by itself.

A remittance is known by its UETR, the reference that ISO 20022 has for a payment from end to end: a UUID of
version 4, chosen by the quoting bank. It ends in exactly one of settled, rejected, cancelled, expired, or lapsed
when the quote was never locked. A bank that quotes to other banks' customers lets this contract debit its own account;
once there is a lock, nothing it withdraws keeps the money from arriving.

A customer may also take a quote for its own account, at once: an exchange.

Who the parties are stands in a record that the originator's bank seals to both banks and to its regulators; the
chain sees addresses only.
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

PURPOSE = "remittance"
RECORD_KIND = "travel_rule"

QUOTED = "quoted"
LAPSED = "lapsed"
LOCKED = "locked"
SETTLED = "settled"
REJECTED = "rejected"
CANCELLED = "cancelled"
EXPIRED = "expired"

ORIGINATOR = "originator"
BANK = "bank"

AMOUNT_MAX = 2**63 - 1
QUOTE_MS_MAX = 7 * 86_400_000
LOCK_MS_MAX = 30 * 86_400_000
NOTE_CHARS_MAX = 105
REFERENCE_CHARS_MAX = 140
WAITING_MAX = 200

CLOSE_FUEL = 200_000
CLOSE_RETRIES = 3
CLOSE_RETRY_MS = 60_000

CUSTOMER = "CUST"
ORDERED = "order"
REASONS = (
    ("AC01", "the account number is invalid or missing"),
    ("AC03", "the creditor's account number is invalid or missing"),
    ("AC04", "the account is closed"),
    ("AC06", "the account is blocked"),
    ("AC07", "the creditor's account is closed"),
    ("AC14", "the creditor's account is of a type that does not fit"),
    ("AG01", "the transaction is forbidden on this type of account"),
    ("AG03", "the transaction is not supported on this account"),
    ("AM02", "the amount is greater than allowed"),
    ("AM03", "the currency lies outside what was agreed"),
    ("AM05", "a duplicate"),
    ("AM09", "the amount is not the one agreed or expected"),
    ("AM14", "the amount exceeds the limit agreed between bank and client"),
    ("BE01", "the end customer does not fit the account number"),
    ("BE04", "the creditor's address is missing or incorrect"),
    ("BE05", "the end customer does not recognise the originator"),
    ("BE06", "the end customer is not known"),
    ("BE07", "the debtor's address is missing or incorrect"),
    ("CURR", "the currency of the payment is incorrect"),
    ("FR01", "fraud"),
    ("MD07", "the end customer is deceased"),
    ("MS02", "the customer has not specified a reason"),
    ("MS03", "the agent has not specified a reason"),
    ("NARR", "the reason is in the note"),
    ("RR01", "the debtor's account or identification is missing or insufficient"),
    ("RR02", "the debtor's name or address is missing or insufficient"),
    ("RR03", "the creditor's name or address is missing or insufficient"),
    ("RR04", "a regulatory reason"),
)
HEXADECIMAL = "0123456789abcdef"


@record
class Terms:
    """What a bank offers: amounts in minor units, times in ms since 1970, the rate in minor units for minor units."""

    send_currency: str
    send_amount: Amount
    receive_currency: str
    receive_amount: Amount
    rate_numerator: int
    rate_denominator: int
    fee: Amount
    refund_cost: Amount
    refund_borne_by: str
    expires_ms: int
    lock_ms: int
    cancellable: bool


@record
class Quote:
    """A firm offer of one bank to one of its customers. It never changes."""

    bank: str
    originator: Address
    terms: Terms


@record
class Lock:
    """What became of a quote that its customer took."""

    status: str
    beneficiary: Address
    beneficiary_bank: str
    expires_ms: int
    charge: str
    group: str
    hold_count: int
    closes: int
    travel_rule: str
    reference: str
    reason: str = ""
    note: str = ""
    ended_ms: int = 0
    lost: Amount = Amount(0)


@record
class Totals:
    """How many remittances were locked, are still open, and have ended in each way."""

    locked: int
    open: int
    settled: int
    rejected: int
    cancelled: int
    expired: int


@record
class Outcome:
    """How a remittance ends, and what the originator has lost and the beneficiary has received then."""

    status: str
    lost: Amount
    received: Amount


@record
class Description:
    """A remittance as it stands at the block's time."""

    status: str
    bank: str
    originator: Address
    terms: Terms
    locked: Lock | None


quotes: Map[str, Quote] = Map()
locks: Map[str, Lock] = Map()
waiting_at: OrderedMap[tuple[str, int, str], str] = OrderedMap()
counts: Value[Totals | None] = Value(None)
promised: Map[Asset, Amount] = Map()
promised_last: Value[tuple[Asset, ...]] = Value(())


@action
def quote(remittance: str, customer: Address, terms: Terms) -> None:
    """The sender bank's firm offer to one of its customers, under a UETR that nobody has used."""
    bank = own_bank()
    check_uetr(remittance)
    require(remittance not in quotes, "remittance_exists", f"{remittance} is in use")
    require(
        ledger.account_bank(customer) == bank and ledger.member_of(customer) == "",
        "not_a_customer",
        "a bank quotes for its own customers",
    )
    check_terms(terms)
    ledger.bank_money(bank, terms.send_currency)
    quotes[remittance] = Quote(bank, customer, terms)
    emit(
        "Quoted",
        remittance=remittance,
        bank=bank,
        originator=customer,
        send_currency=terms.send_currency,
        send_amount=terms.send_amount,
        receive_currency=terms.receive_currency,
        receive_amount=terms.receive_amount,
        fee=terms.fee,
        expires_ms=terms.expires_ms,
    )


@action
def disclose(remittance: str, sealed: bytes) -> str:
    """The originator's bank puts on chain who the parties are, sealed to both banks; answers the record's id."""
    offer = offered(remittance)
    require(own_bank() == offer.bank, "not_the_originator_bank", "only the bank that quotes discloses")
    return ledger.seal(RECORD_KIND, offer.bank, remittance, sealed)


@action
def lock(remittance: str, beneficiary: Address, travel_rule: str, reference: str) -> None:
    """The originator takes the quote: its money and its bank's settlement money are held for the beneficiary."""
    offer = taken_up(remittance)
    terms = offer.terms
    require(len(reference) <= REFERENCE_CHARS_MAX, "bad_reference", "a reference has at most 140 letters")
    beneficiary_bank = ledger.account_bank(beneficiary)
    require(beneficiary_bank != "", "bad_beneficiary", "a contract has no bank that could accept")
    ledger.bank_money(beneficiary_bank, terms.receive_currency)
    check_record(travel_rule, remittance, offer.bank, beneficiary_bank)
    expires_ms = ctx.time_ms + terms.lock_ms
    holds = held_for(remittance, offer, beneficiary_bank, expires_ms)
    group = ledger.hold_group(holds)
    closes = ledger.schedule("close", remittance, expires_ms, CLOSE_FUEL, CLOSE_RETRIES, CLOSE_RETRY_MS)
    locks[remittance] = Lock(
        LOCKED, beneficiary, beneficiary_bank, expires_ms, holds[0], group, len(holds), closes, travel_rule, reference
    )
    waiting_at[beneficiary_bank, expires_ms, remittance] = offer.bank
    count_locked()
    count_promised(offer, len(holds), 1)
    emit(
        "Locked",
        remittance=remittance,
        bank=offer.bank,
        originator=offer.originator,
        beneficiary=beneficiary,
        beneficiary_bank=beneficiary_bank,
        beneficiary_bank_account=ledger.member_account(beneficiary_bank),
        travel_rule=travel_rule,
        expires_ms=expires_ms,
    )


@action
def exchange(remittance: str) -> None:
    """The customer takes the quote for its own account, at once: its bank pays out of what it has of its own money."""
    offer = taken_up(remittance)
    terms = offer.terms
    require(terms.send_currency != terms.receive_currency, "nothing_to_exchange", "the quote is of one currency")
    reserve = ledger.member_account(offer.bank)
    sent = ledger.bank_money(offer.bank, terms.send_currency)
    received = ledger.bank_money(offer.bank, terms.receive_currency)
    require(
        ledger.balance(received, reserve) >= terms.receive_amount,
        "insufficient_position",
        f"{offer.bank} has not enough {received} on its own account",
    )
    charged = Amount(terms.send_amount + terms.fee)
    legs: list[tuple[Asset, Address, int]] = [
        (sent, offer.originator, -charged),
        (sent, reserve, charged),
        (received, reserve, -terms.receive_amount),
        (received, offer.originator, terms.receive_amount),
    ]
    ledger.journal(legs, "exchange", remittance)
    count_locked()
    done = Lock(LOCKED, offer.originator, offer.bank, ctx.time_ms, "", "", 0, 0, "", "")
    conclude(remittance, offer, done, SETTLED, charged)


@action
def accept(remittance: str) -> None:
    """The beneficiary's bank credits the beneficiary, and all that was held is paid."""
    offer = offered(remittance)
    locked = open_lock(remittance)
    require_bank(locked.beneficiary_bank)
    terms = offer.terms
    charged = Amount(terms.send_amount + terms.fee)
    amounts = [charged, terms.receive_amount]
    ledger.post_group(locked.group, amounts[: locked.hold_count], PURPOSE)
    credit(remittance, offer, locked)
    ended(remittance, offer, locked, SETTLED, charged)


@unwind
def reject(remittance: str, reason: str, note: str) -> None:
    """The beneficiary's bank declines, with a status reason of ISO 20022; the money returns as was quoted."""
    offer = offered(remittance)
    locked = open_lock(remittance)
    require_bank(locked.beneficiary_bank)
    require(any(reason == code for code, meaning in REASONS), "bad_reason", "no status reason of ISO 20022 that fits")
    require(len(note) <= NOTE_CHARS_MAX, "bad_note", "a note has at most 105 letters")
    require(reason != "NARR" or note != "", "bad_note", "NARR says that the reason is in the note")
    locked.reason = reason
    locked.note = note
    refund(remittance, offer, locked, REJECTED)


@unwind
def cancel(remittance: str) -> None:
    """The originator takes the money back before it was accepted, if the quote allows that, at the cost it says."""
    offer = offered(remittance)
    locked = open_lock(remittance)
    require_direct()
    require(ctx.sender == offer.originator, "not_the_originator", "only the originator cancels")
    require(offer.terms.cancellable, "not_cancellable", "the quote does not allow to cancel")
    locked.reason = CUSTOMER
    refund(remittance, offer, locked, CANCELLED)


@unwind
def close(remittance: str) -> None:
    """Put on record what has ended by itself: a lock that expired, or one whose holds an order has voided.

    The schedule calls it when the lock expires; anybody may. What the kernel still holds goes back; it was free before.
    """
    offer = offered(remittance)
    locked = taken(remittance)
    require(locked.status == LOCKED, "remittance_ended", f"the remittance is {locked.status}")
    now = lock_status(locked)
    require(now != LOCKED, "not_due", f"the lock holds until {locked.expires_ms}")
    if now == CANCELLED:
        locked.reason = ORDERED
    else:
        ledger.void_group(locked.group)
    ended(remittance, offer, locked, now, Amount(0))


@invariant
def each_ends_once() -> bool:
    """What was locked is open, or has ended in one way."""
    now = totals()
    return now.open >= 0 and now.locked == now.open + now.settled + now.rejected + now.cancelled + now.expired


@invariant
def no_more_is_held_than_locked() -> bool:
    """What the kernel holds for open locks is what they say; less where an order or the clock was first."""
    return all(ledger.reserved(asset) <= promised[asset] for asset in promised_last.get())


@query
def status(remittance: str) -> str:
    """quoted, lapsed, locked, settled, rejected, cancelled or expired, at the block's time."""
    return status_of(offered(remittance), locks.get(remittance))


@query
def describe(remittance: str) -> Description:
    """Everything that is on record, with the status at the block's time."""
    offer = offered(remittance)
    locked = locks.get(remittance)
    return Description(status_of(offer, locked), offer.bank, offer.originator, offer.terms, locked)


@query
def outcomes(remittance: str) -> list[Outcome]:
    """What each way it can end costs the originator, to be shown before the originator signs."""
    terms = offered(remittance).terms
    cost = refund_cost(terms)
    ways = [
        Outcome(SETTLED, Amount(terms.send_amount + terms.fee), terms.receive_amount),
        Outcome(REJECTED, cost, Amount(0)),
        Outcome(EXPIRED, Amount(0), Amount(0)),
        Outcome(LAPSED, Amount(0), Amount(0)),
    ]
    if terms.cancellable:
        ways.append(Outcome(CANCELLED, cost, Amount(0)))
    return ways


@query
def waiting(bank: str, limit: int) -> list[tuple[str, int, str]]:
    """UETR, expiry and originator's bank of what waits for this bank's answer, the first to expire first."""
    require(0 < limit <= WAITING_MAX, "bad_limit", "1 to 200 at a time")
    found = waiting_at.ascending(limit, start=(bank, ctx.time_ms + 1), stop=(bank + "!",))
    return [(key[2], key[1], origin) for key, origin in found]


@query
def reasons() -> list[tuple[str, str]]:
    """The status reasons of ISO 20022 that a rejection may give, and their meanings."""
    return list(REASONS)


@query
def totals() -> Totals:
    """How many remittances were locked, are on record as open, and have ended in each way."""
    return counts.get() or Totals(0, 0, 0, 0, 0, 0)


@query
def service(remittance: str) -> tuple[bool, list[Address], str]:
    """Whether the originator's bank has done what it was asked for, whom it served, and its member id."""
    offer = offered(remittance)
    locked = locks.get(remittance)
    if locked is None:
        return False, [offer.originator], offer.bank
    if locked.status == SETTLED and locked.beneficiary != offer.originator:
        return True, [offer.originator, locked.beneficiary], offer.bank
    return locked.status in (SETTLED, REJECTED), [offer.originator], offer.bank


def check_terms(terms: Terms) -> None:
    amount = terms.send_amount + terms.fee
    require(terms.send_amount > 0 and amount <= AMOUNT_MAX, "bad_amount", "amount and fee pass what can be held")
    require(0 < terms.receive_amount <= AMOUNT_MAX, "bad_amount", "nothing arrives, or too much")
    require(terms.rate_numerator > 0 and terms.rate_denominator > 0, "bad_rate", "a rate is of two positive integers")
    require(
        terms.receive_amount == mul_div(terms.send_amount, terms.rate_numerator, terms.rate_denominator, "half_up"),
        "bad_rate",
        "what arrives is not what is sent times the rate, rounded half up",
    )
    require(
        terms.send_currency != terms.receive_currency or terms.receive_amount == terms.send_amount,
        "bad_rate",
        "a currency is worth itself",
    )
    require(terms.refund_borne_by in (ORIGINATOR, BANK), "bad_bearer", "originator or bank")
    require(terms.refund_cost <= amount, "bad_cost", "a refund never costs more than is held")
    require(ctx.time_ms < terms.expires_ms <= ctx.time_ms + QUOTE_MS_MAX, "bad_expiry", "a quote is firm up to 7 days")
    require(0 < terms.lock_ms <= LOCK_MS_MAX, "bad_expiry", "a lock lives up to 30 days")


def check_uetr(text: str) -> None:
    """A UUID of version 4, as RFC 9562 writes it, in lower case."""
    groups = text.split("-") if len(text) == 36 else []
    require(
        [len(group) for group in groups] == [8, 4, 4, 4, 12]
        and all(letter in HEXADECIMAL for letter in groups[0] + groups[1] + groups[2] + groups[3] + groups[4])
        and text[14] == "4"
        and text[19] in "89ab",
        "bad_uetr",
        "a UETR is a UUID of version 4 in lower case",
    )


def own_bank() -> str:
    """The bank whose own account sends."""
    require_direct()
    bank = ledger.member_of(ctx.sender)
    require(bank != "" and ledger.member_role(bank) == "bank", "not_a_bank", "the sender is no bank's own account")
    return bank


def require_bank(bank: str) -> None:
    require_direct()
    require(ledger.member_of(ctx.sender) == bank, "not_the_beneficiary_bank", f"only {bank} answers")


def require_direct() -> None:
    """What another contract calls in the sender's name is not the sender's word."""
    require(ctx.caller == ctx.sender, "not_direct", "the account itself calls, no contract for it")


def offered(remittance: str) -> Quote:
    offer = quotes.get(remittance)
    if offer is None:
        fail("unknown_remittance", "nothing was quoted under that UETR")
    return offer


def taken_up(remittance: str) -> Quote:
    """The quote, if the sender may take it now."""
    offer = offered(remittance)
    require_direct()
    require(ctx.sender == offer.originator, "not_the_originator", "the quote is for another customer")
    require(remittance not in locks, "already_locked", f"{remittance} was locked before")
    firm_ms = offer.terms.expires_ms
    require(ctx.time_ms < firm_ms, "quote_lapsed", f"the quote was firm until {firm_ms}")
    return offer


def taken(remittance: str) -> Lock:
    locked = locks.get(remittance)
    if locked is None:
        fail("not_locked", "the quote was not locked")
    return locked


def open_lock(remittance: str) -> Lock:
    """The lock, if it still waits for its end."""
    locked = taken(remittance)
    now = lock_status(locked)
    require(now != EXPIRED, "remittance_expired", f"the lock held until {locked.expires_ms}")
    require(now == LOCKED, "remittance_ended", f"the remittance is {now}")
    return locked


def status_of(offer: Quote, locked: Lock | None) -> str:
    if locked is None:
        return QUOTED if ctx.time_ms < offer.terms.expires_ms else LAPSED
    return lock_status(locked)


def lock_status(locked: Lock) -> str:
    """By the block's time, whether or not anything has run: what an order voided is cancelled, what is late expired."""
    if locked.status != LOCKED:
        return locked.status
    if ledger.group_status(locked.group) == "voided":
        return CANCELLED
    return LOCKED if ctx.time_ms < locked.expires_ms else EXPIRED


def refund_cost(terms: Terms) -> Amount:
    return terms.refund_cost if terms.refund_borne_by == ORIGINATOR else Amount(0)


def check_record(travel_rule: str, remittance: str, bank: str, beneficiary_bank: str) -> None:
    """The bank answers for a sealed record that is about this remittance, and the beneficiary's bank can open it."""
    kind, owner, subject, state = ledger.record_info(travel_rule)
    require(kind == RECORD_KIND, "bad_record_kind", f"the record is of kind {kind}, not travel_rule")
    require(owner == bank and subject == remittance, "wrong_record", "the record is about another remittance")
    require(state == "sealed", "wrong_record", f"the record is {state}")
    require(
        beneficiary_bank in ledger.record_readers(travel_rule),
        "reader_missing",
        f"the record is not sealed to {beneficiary_bank}",
    )


def held_for(remittance: str, offer: Quote, beneficiary_bank: str, expires_ms: int) -> list[str]:
    """Hold the originator's money for its bank, and the bank's settlement money for the beneficiary's bank."""
    terms = offer.terms
    reserve = ledger.member_account(offer.bank)
    money = ledger.bank_money(offer.bank, terms.send_currency)
    charged = Amount(terms.send_amount + terms.fee)
    holds = [ledger.hold(money, offer.originator, charged, reserve, expires_ms, PURPOSE, remittance)]
    if beneficiary_bank != offer.bank:
        settlement = ledger.settlement_money(terms.receive_currency)
        require(
            ledger.balance(settlement, reserve) >= terms.receive_amount,
            "insufficient_settlement",
            f"{offer.bank} has not enough settlement money to pay out",
        )
        payee = ledger.member_account(beneficiary_bank)
        holds.append(ledger.hold(settlement, reserve, terms.receive_amount, payee, expires_ms, PURPOSE, remittance))
    return holds


def credit(remittance: str, offer: Quote, locked: Lock) -> None:
    """The beneficiary's bank makes the money that arrives, but for what its own customer has just paid it."""
    terms = offer.terms
    received = ledger.bank_money(locked.beneficiary_bank, terms.receive_currency)
    if received == ledger.bank_money(offer.bank, terms.send_currency):
        reserve = ledger.member_account(offer.bank)
        ledger.transfer(received, reserve, locked.beneficiary, terms.receive_amount, PURPOSE, remittance)
    else:
        ledger.mint(received, locked.beneficiary, terms.receive_amount, PURPOSE, remittance)


def refund(remittance: str, offer: Quote, locked: Lock, way: str) -> None:
    """Free what is held, but for the cost of the exchange where the originator bears it.

    A cost that an order keeps from being posted is not charged: nothing stands in the way of a refund.
    """
    cost = refund_cost(offer.terms)
    if cost > 0 and not ledger.may_settle(locked.charge):
        cost = Amount(0)
    if cost > 0:
        amounts = [cost, Amount(0)]
        ledger.post_group(locked.group, amounts[: locked.hold_count], PURPOSE)
    else:
        ledger.void_group(locked.group)
    ended(remittance, offer, locked, way, cost)


def ended(remittance: str, offer: Quote, locked: Lock, way: str, lost: Amount) -> None:
    """A lock comes to its end: nothing waits for it any more."""
    if ledger.schedule_status(locked.closes) != "":
        ledger.cancel_schedule(locked.closes)
    count_promised(offer, locked.hold_count, -1)
    del waiting_at[locked.beneficiary_bank, locked.expires_ms, remittance]
    conclude(remittance, offer, locked, way, lost)


def conclude(remittance: str, offer: Quote, locked: Lock, way: str, lost: Amount) -> None:
    """The one place where a remittance gets its end."""
    count_ended(way)
    locked.status = way
    locked.ended_ms = ctx.time_ms
    locked.lost = lost
    locks[remittance] = locked
    emit(
        "Ended",
        remittance=remittance,
        status=way,
        bank=offer.bank,
        originator=offer.originator,
        beneficiary=locked.beneficiary,
        beneficiary_bank=locked.beneficiary_bank,
        received=offer.terms.receive_amount if way == SETTLED else 0,
        lost=lost,
        reason=locked.reason,
        note=locked.note,
    )


def count_locked() -> None:
    now = totals()
    now.locked += 1
    now.open += 1
    counts.set(now)


def count_promised(offer: Quote, hold_count: int, sign: int) -> None:
    """What open locks have reserved in each asset, for the invariant to compare with what the kernel holds."""
    terms = offer.terms
    sent = ledger.bank_money(offer.bank, terms.send_currency)
    settlement = ledger.settlement_money(terms.receive_currency) if hold_count > 1 else sent
    promised[sent] = Amount(promised.get(sent, Amount(0)) + sign * (terms.send_amount + terms.fee))
    if hold_count > 1:
        promised[settlement] = Amount(promised.get(settlement, Amount(0)) + sign * terms.receive_amount)
    promised_last.set((sent, settlement))


def count_ended(way: str) -> None:
    now = totals()
    now.open -= 1
    if way == SETTLED:
        now.settled += 1
    elif way == REJECTED:
        now.rejected += 1
    elif way == CANCELLED:
        now.cancelled += 1
    else:
        now.expired += 1
    counts.set(now)
