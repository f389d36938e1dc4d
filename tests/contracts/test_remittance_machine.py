"""Remittances under anything: random quotes, locks, answers, payments, orders and clocks, held to a naive model.

The model is a table of money and a list of remittances, and says beforehand what each call ends with. After each
step every balance, every hold, every status and the count of each end are what it says; at the end each asset's
supply is what all own, and nobody has lost but what was quoted. Bugs planted in the contract are seen.
"""

from dataclasses import dataclass, replace

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
from tests.contracts.network import address_of
from tests.contracts.remittance_office import FAVOUR, Office, Terms, uetr

BANK_OF = {"ann": "alpine", "bob": "alpine", "cid": "baltic"}
CUSTOMERS = ("ann", "bob", "cid")
BANKS = ("alpine", "baltic")
TERMINAL = ("settled", "rejected", "cancelled", "expired", "lapsed")
DEALS_MAX = 24

customers = st.sampled_from(CUSTOMERS)
anybody = st.sampled_from((*CUSTOMERS, *BANKS))
terms = st.builds(
    lambda exchanged, amount, fee, share, borne_by, expires, lock, cancellable: replace(
        Terms() if exchanged else FAVOUR,
        send_amount=amount,
        receive_amount=(2 * amount * 14_725 + 10_000) // 20_000 if exchanged else amount,
        fee=fee,
        refund_cost=(amount + fee) * share // 4,
        refund_borne_by=borne_by,
        expires_in_ms=expires,
        lock_ms=lock,
        cancellable=cancellable,
    ),
    st.booleans(),
    st.integers(1, 6_000),
    st.sampled_from((0, 0, 1, 250)),
    st.integers(0, 4),
    st.sampled_from(("originator", "bank")),
    st.sampled_from((3_000, 20_000)),
    st.sampled_from((4_000, 20_000, 60_000)),
    st.booleans(),
)


@dataclass
class Deal:
    """One remittance, as the model has it."""

    name: str
    bank: str
    originator: str
    terms: Terms
    firm_until_ms: int
    end: str = ""
    """Settled, rejected or cancelled, once it is."""
    to: str = ""
    locked_until_ms: int = 0
    is_recorded: bool = False
    """Whether its end is on record, and counted."""

    @property
    def sent(self) -> str:
        return f"{self.terms.send_currency}.{self.bank}"

    @property
    def settlement(self) -> str:
        return f"{self.terms.receive_currency}.central"

    @property
    def received(self) -> str:
        """What an exchange at the bank gives."""
        return f"{self.terms.receive_currency}.{self.bank}"

    @property
    def charged(self) -> int:
        return self.terms.send_amount + self.terms.fee

    @property
    def crosses(self) -> bool:
        return BANK_OF[self.to] != self.bank

    def status(self, time_ms: int) -> str:
        if not self.to:
            return "quoted" if time_ms < self.firm_until_ms else "lapsed"
        return self.end or ("locked" if time_ms < self.locked_until_ms else "expired")


class Remittances(RuleBasedStateMachine):
    """The chain beside the model."""

    source: str | None = None

    @initialize()
    def start(self) -> None:
        self.office = Office.open(self.source)
        self.deals: list[Deal] = []
        for bank in BANKS:
            own: list[Value] = ["JPY", [[address_of(bank), 10_000]], "own account"]
            assert self.office.chain.send(bank, ("bank_money", "mint", own)) == "ok"
        self.owned = {place: free for place, (free, _) in self.office.money().items()}
        self.freezes: dict[int, tuple[str, tuple[str, ...]]] = {}
        self.ends: dict[str, str] = {}
        self.losses = dict.fromkeys(CUSTOMERS, 0)

    # ---------------------------------------------------------------------------------------------- the model

    @property
    def next_ms(self) -> int:
        return self.office.chain.time_ms + 1_000

    def reserved(self, name: str, asset: str, time_ms: int) -> int:
        total = 0
        for deal in self.deals:
            if deal.status(time_ms) == "locked":
                total += deal.charged if (name, asset) == (deal.originator, deal.sent) else 0
                if deal.crosses and (name, asset) == (deal.bank, deal.settlement):
                    total += deal.terms.receive_amount
        return total

    def free(self, name: str, asset: str, time_ms: int) -> int:
        return self.owned.get((name, asset), 0) - self.reserved(name, asset, time_ms)

    def move(self, name: str, asset: str, change: int) -> None:
        self.owned[name, asset] = self.owned.get((name, asset), 0) + change

    def stopped(self, name: str, what: str) -> bool:
        return any(account == name and what in stops for account, stops in self.freezes.values())

    def take_code(self, deal: Deal, sender: str) -> str:
        if sender != deal.originator:
            return "not_the_originator"
        if deal.to:
            return "already_locked"
        return "quote_lapsed" if self.next_ms >= deal.firm_until_ms else "ok"

    def lock_code(self, deal: Deal, sender: str, to: str) -> str:
        now, code = self.next_ms, self.take_code(deal, sender)
        if code != "ok":
            return code
        if self.stopped(sender, "send"):
            return "account_frozen"
        if self.free(sender, deal.sent, now) < deal.charged:
            return "insufficient_funds"
        if BANK_OF[to] != deal.bank and self.free(deal.bank, deal.settlement, now) < deal.terms.receive_amount:
            return "insufficient_settlement"
        return "ok"

    def answer_code(self, deal: Deal, sender: str, method: str) -> str:
        status = deal.status(self.next_ms)
        if not deal.to:
            return "not_locked"
        if status != "locked":
            return "remittance_expired" if status == "expired" else "remittance_ended"
        if method == "cancel":
            if sender != deal.originator:
                return "not_the_originator"
            return "ok" if deal.terms.cancellable else "not_cancellable"
        if sender != BANK_OF[deal.to]:
            return "not_the_beneficiary_bank"
        if method == "accept" and (self.stopped(deal.originator, "settle") or self.stopped(deal.to, "receive")):
            return "account_frozen"
        return "ok"

    # ---------------------------------------------------------------------------------------------- what is done

    @precondition(lambda self: len(self.deals) < DEALS_MAX)
    @rule(offered=terms, customer=customers)
    def quote(self, offered: Terms, customer: str) -> None:
        bank = BANK_OF[customer]
        name = uetr(len(self.deals))
        assert self.office.offer(name, offered, bank, customer) == "ok", self.office.receipt
        self.deals.append(Deal(name, bank, customer, offered, self.office.chain.time_ms + offered.expires_in_ms))

    def draw(self, data: st.DataObject, status: str) -> Deal:
        """Mostly one of that status."""
        wanted = [deal for deal in self.deals if deal.status(self.next_ms) == status]
        return data.draw(st.sampled_from(wanted if wanted and data.draw(st.integers(0, 3)) else self.deals))

    @precondition(lambda self: len(self.deals) < DEALS_MAX)
    @rule(offered=terms, customer=customers, to=customers)
    def remit(self, offered: Terms, customer: str, to: str) -> None:
        """Quoted and locked at once."""
        self.quote(offered, customer)
        self.take(self.deals[-1], customer, to)

    remit_more = remit

    @precondition(lambda self: self.deals)
    @rule(data=st.data(), to=customers, is_originator=st.integers(0, 4), other=customers)
    def lock(self, data: st.DataObject, to: str, is_originator: int, other: str) -> None:
        deal = self.draw(data, "quoted")
        self.take(deal, deal.originator if is_originator else other, to)

    def take(self, deal: Deal, sender: str, to: str) -> None:
        readers = [BANK_OF[to]] if BANK_OF[to] != deal.bank else []
        travel_rule = "" if deal.to else self.office.disclose(deal.name, *readers, bank=deal.bank)
        code = self.lock_code(deal, sender, to)
        assert self.office.lock(deal.name, sender, to, travel_rule) == code
        if code == "ok":
            deal.to = to
            deal.locked_until_ms = self.office.chain.time_ms + deal.terms.lock_ms

    @precondition(lambda self: self.deals)
    @rule(data=st.data(), is_originator=st.integers(0, 4), other=customers)
    def exchange(self, data: st.DataObject, is_originator: int, other: str) -> None:
        deal = self.draw(data, "quoted")
        sender = deal.originator if is_originator else other
        code, now, received = self.take_code(deal, sender), self.next_ms, deal.received
        if code == "ok":
            if deal.sent == received:
                code = "nothing_to_exchange"
            elif self.free(deal.bank, received, now) < deal.terms.receive_amount:
                code = "insufficient_position"
            elif self.stopped(sender, "send") or self.stopped(sender, "receive"):
                code = "account_frozen"
            elif self.free(sender, deal.sent, now) < deal.charged:
                code = "insufficient_funds"
        assert self.office.call(sender, "exchange", deal.name) == code
        if code == "ok":
            deal.to, deal.end, deal.is_recorded = sender, "settled", True
            self.lose(deal, deal.charged)
            self.move(deal.bank, received, -deal.terms.receive_amount)
            self.move(sender, received, deal.terms.receive_amount)

    @precondition(lambda self: any(deal.to for deal in self.deals))
    @rule(data=st.data(), usual=st.integers(0, 4), other=anybody)
    def accept(self, data: st.DataObject, usual: int, other: str) -> None:
        self.answer(data, "accept", usual, other)

    accept_more = accept

    @precondition(lambda self: any(deal.to for deal in self.deals))
    @rule(data=st.data(), usual=st.integers(0, 4), other=anybody, method=st.sampled_from(("reject", "cancel")))
    def refund(self, data: st.DataObject, usual: int, other: str, method: str) -> None:
        self.answer(data, method, usual, other)

    refund_more = refund

    def answer(self, data: st.DataObject, method: str, usual: int, other: str) -> None:
        deal = self.draw(data, "locked")
        proper = deal.originator if method == "cancel" else BANK_OF[deal.to] if deal.to else "baltic"
        sender = proper if usual else other
        code = self.answer_code(deal, sender, method)
        more: list[Value] = ["AC04", ""] if method == "reject" else []
        assert self.office.call(sender, method, deal.name, *more) == code
        if code != "ok":
            return
        deal.is_recorded = True
        deal.end = {"accept": "settled", "reject": "rejected", "cancel": "cancelled"}[method]
        if method == "accept":
            self.settle(deal)
        elif deal.terms.refund_borne_by == "originator" and not self.stopped(deal.originator, "settle"):
            self.lose(deal, deal.terms.refund_cost)

    def lose(self, deal: Deal, amount: int) -> None:
        self.move(deal.originator, deal.sent, -amount)
        self.move(deal.bank, deal.sent, amount)
        self.losses[deal.originator] += amount

    def settle(self, deal: Deal) -> None:
        received = deal.terms.receive_amount
        self.lose(deal, deal.charged)
        if not deal.crosses and deal.terms.send_currency == deal.terms.receive_currency:
            self.move(deal.bank, deal.sent, -received)
        self.move(deal.to, f"{deal.terms.receive_currency}.{BANK_OF[deal.to]}", received)
        if deal.crosses:
            self.move(deal.bank, deal.settlement, -received)
            self.move(BANK_OF[deal.to], deal.settlement, received)

    @precondition(lambda self: self.deals)
    @rule(data=st.data(), sender=anybody)
    def close(self, data: st.DataObject, sender: str) -> None:
        """What an order has ended is put on record; what has expired was by the schedule, before."""
        deal = data.draw(st.sampled_from(self.deals))
        status = deal.status(self.next_ms)
        self.expire(self.next_ms)
        code = "not_locked" if not deal.to else "remittance_ended" if deal.is_recorded else "ok"
        assert self.office.call(sender, "close", deal.name) == ("not_due" if status == "locked" else code)
        if code == "ok" and status != "locked":
            deal.is_recorded = True

    @rule(seconds=st.sampled_from((1, 1, 2, 3, 20)))
    def wait(self, seconds: int) -> None:
        self.office.chain.block(time_ms=self.office.chain.time_ms + 1_000 * seconds)

    @rule(payer=customers, payee=customers, amount=st.integers(1, 4_000))
    def pay(self, payer: str, payee: str, amount: int) -> None:
        """Money that could be locked as well goes elsewhere."""
        now, banks = self.next_ms, (BANK_OF[payer], BANK_OF[payee])
        sent, received = f"USD.{banks[0]}", f"USD.{banks[1]}"
        across = banks[0] != banks[1]
        code = "ok"
        if across and self.free(banks[0], "USD.central", now) < amount:
            code = "insufficient_settlement"
        elif self.free(payer, sent, now) < amount and payer == payee:
            code = "insufficient_funds"
        elif self.stopped(payer, "send") or self.stopped(payee, "receive"):
            code = "account_frozen"
        elif self.free(payer, sent, now) < amount:
            code = "insufficient_funds"
        assert self.office.chain.send(payer, ("payments", "pay", [address_of(payee), "USD", amount, ""])) == code
        if code == "ok":
            self.move(payer, sent, -amount)
            self.move(payee, received, amount)
            if across:
                self.move(banks[0], "USD.central", -amount)
                self.move(banks[1], "USD.central", amount)

    # ---------------------------------------------------------------------------------------------- orders

    @precondition(lambda self: len(self.freezes) < 2)
    @rule(data=st.data(), stops=st.sets(st.sampled_from(("send", "receive", "settle")), min_size=1))
    def freeze(self, data: st.DataObject, stops: set[str]) -> None:
        """Mostly of somebody whose money is locked."""
        locking = [deal.originator for deal in self.deals if deal.status(self.next_ms) == "locked"]
        name = data.draw(st.sampled_from(locking or CUSTOMERS))
        number = self.office.freeze(name, *sorted(stops))
        self.freezes[number] = (name, tuple(sorted(stops)))

    @precondition(lambda self: self.freezes)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.freezes)))
        self.office.order("release", number, "ref 5", "law 6")
        del self.freezes[number]

    @precondition(lambda self: any(deal.status(self.next_ms) == "locked" for deal in self.deals))
    @rule(data=st.data())
    def seize(self, data: st.DataObject) -> None:
        """A forced transfer takes one minor unit more than is free, and so breaks the lock that it names."""
        now = self.next_ms
        deal = data.draw(st.sampled_from([deal for deal in self.deals if deal.status(now) == "locked"]))
        amount = self.free(deal.originator, deal.sent, now) + 1
        self.office.seize(deal.name, deal.originator, deal.sent, amount)
        self.move(deal.originator, deal.sent, -amount)
        self.move("central", deal.sent, amount)
        deal.end = "cancelled"

    # ---------------------------------------------------------------------------------------------- what holds

    def expire(self, time_ms: int) -> None:
        """What the schedule has put on record by then."""
        for deal in self.deals:
            if deal.to and deal.locked_until_ms <= time_ms:
                deal.is_recorded = True

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        if not hasattr(self, "office"):
            return
        now = self.office.chain.time_ms
        self.expire(now)
        wanted = {}
        for name, asset in self.owned:
            held = self.reserved(name, asset, now)
            if self.owned[name, asset]:
                wanted[name, asset] = (self.owned[name, asset] - held, held)
        assert self.office.money() == wanted
        for deal in self.deals:
            status = self.office.status(deal.name)
            assert status == deal.status(now)
            assert self.ends.get(deal.name, status) == status, "one end"
            if status in TERMINAL:
                self.ends[deal.name] = status
        ends = [deal.status(now) for deal in self.deals if deal.to and deal.is_recorded]
        locked = sum(1 for deal in self.deals if deal.to)
        counts = [ends.count(way) for way in ("settled", "rejected", "cancelled", "expired")]
        assert self.office.ask("totals") == [locked, locked - len(ends), *counts]

    def teardown(self) -> None:
        if not hasattr(self, "office"):
            return
        supplies = {}
        for audit in self.office.chain.reads.audit():
            assert audit.is_sound, audit
            supplies[audit.asset] = audit.supply
        for asset in supplies:
            assert supplies[asset] == sum(amount for (_, owned), amount in self.owned.items() if owned == asset)
        assert supplies["USD.central"] == 100_000
        assert supplies["JPY.central"] == 2_000_000
        for name in CUSTOMERS:
            lost = sum(
                event["lost"]  # type: ignore[misc]
                for result in self.office.chain.results
                for receipt in result.receipts
                for event in (dict(event.fields) for event in receipt.events if event.name == "Ended")
                if event["originator"] == address_of(name)
            )
            assert lost == self.losses[name]


RUN = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
Remittances.TestCase.settings = RUN
TestRemittances = Remittances.TestCase

BUGS = [
    ("terms.refund_cost if terms.refund_borne_by == ORIGINATOR else Amount(0)", "terms.refund_cost"),
    ("return LOCKED if ctx.time_ms < locked.expires_ms else EXPIRED", "return LOCKED"),
    ("ledger.mint(received, locked.beneficiary,", "ledger.mint(received, offer.originator,"),
    ("payee = ledger.member_account(beneficiary_bank)", "payee = reserve"),
    ('require(remittance not in locks, "already_locked", f"{remittance} was locked before")', "pass"),
    ("(received, reserve, -terms.receive_amount),", '(received, Address("supply"), -terms.receive_amount),'),
    (
        "ledger.void_group(locked.group)\n    ended(remittance, offer, locked, way",
        "pass\n    ended(remittance, offer, locked, way",
    ),
    (
        "ledger.void_group(locked.group)\n    ended(remittance, offer, locked, now",
        "pass\n    ended(remittance, offer, locked, now",
    ),
    ("require(ctx.time_ms < firm_ms,", "require(ctx.time_ms <= firm_ms + 2000,"),
    ('if ledger.group_status(locked.group) == "voided":', "if False:"),
    ("require_bank(locked.beneficiary_bank)\n    terms", "terms"),
    ("group = ledger.hold_group(holds)", "group = ledger.hold_group(holds[:1])"),
    ("    count_ended(way)", "    if way != EXPIRED:\n        count_ended(way)"),
]


@pytest.mark.full
@pytest.mark.parametrize(("sound", "planted"), BUGS)
def test_a_planted_bug_is_seen(sound: str, planted: str) -> None:
    source = read_library()["remittances"]
    assert source.count(sound) == 1
    machine = type("Planted", (Remittances,), {"source": source.replace(sound, planted)})
    found = settings(RUN, max_examples=100, phases=[Phase.generate], derandomize=True, print_blob=False)
    # The machine's own assertion, or several of them in a group.
    with pytest.raises((AssertionError, ExceptionGroup)):
        run_state_machine_as_test(machine, settings=found)
