"""Loans, trades, remittances and feedback on the same accounts at once, from seeds, with everything that comes between.

Freezes, courts that take what is held, suspended and revoked identities, limits, grants withdrawn, accounts emptied,
expiries, and what falls due by itself. Most calls are refused; none may end with a fault of a contract's own, break an
invariant or leave a cent where no contract knows of it.
"""

from collections import Counter
from random import Random
from typing import Any, cast

import pytest

from contracts.kernel import layout
from contracts.language.faults import RULE_CODES
from contracts.library import read_library
from contracts.records import decode_row
from state.codec import Value
from state.receipt import Receipt
from tests.contracts import network
from tests.contracts.courthouse import OFFICIALS
from tests.contracts.loan_office import DAY_MS, GOLD, LOAN_FIELDS, MONEY, Office
from tests.contracts.network import address_of
from tests.contracts.remittance_office import Terms, uetr
from tests.contracts.sealing import reader, reading_keys, seal_record

YEN = "JPY.alpine"
PAIRS = (f"{YEN}/{MONEY}", f"{GOLD}/{MONEY}")
ASSETS = (MONEY, YEN, GOLD, "USD.baltic", "JPY.baltic", "USD.central", "JPY.central")
HOMES = {"ann": "alpine", "bob": "alpine", "cid": "baltic"}
CUSTOMERS = tuple(HOMES)
NAMES = (*CUSTOMERS, "alpine", "baltic", "central", "income", "rounding", "marta")
SERVICES = ("loans", "remittances", "trades")
KEYS = 250
NEVER = {*RULE_CODES, "invariant_broken", "contract_paused", "out_of_fuel", "unknown_method"}
"""Codes that say that a contract is wrong, whoever called it with whatever fits its types."""

LOANS: tuple[dict[str, Value], ...] = (
    {"period_months": 0, "period_days": 1, "grace_days": 1, "default_days": 3, "day_count": "ACT/365F"},
    {"kind": "bullet", "instalments": 3, "period_months": 0, "period_days": 2, "default_days": 4},
    {"kind": "equal_principal", "instalments": 12, "period_months": 0, "period_days": 2, "calendar": "weekends"},
    {"kind": "interest_only", "rate_ppm": 2_000_000, "prepay_fee_ppm": 9_999, "fee": 3, "principal_min": 10},
)
SECURITY: dict[str, Value] = {"collateral": GOLD, "collateral_ppm": 20_000, "claim_ppm": 9_000}
CODES = ("AC04", "MS03", "NARR", "none")


class Town:
    """Everybody, on one chain; each step is one of a random kind."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        self.office = office = Office.open(money=1_000_000)
        self.codes: Counter[tuple[str, str]] = Counter()
        self.freezes: list[tuple[str, int]] = []
        self.keys_used = 0
        self.quotes = 0
        self.loans = 0
        self.orders = 0
        self.records: dict[str, str] = {}
        for member in ("alpine", "baltic", *(name for name, function in OFFICIALS.items() if function == "regulator")):
            office.ok(member, "identity", "publish_keys", list(reading_keys(member, KEYS)))
        office.gold("ann", "bob")
        for bank in ("alpine", "baltic"):
            office.ok(bank, "bank_money", "create", "JPY")
            office.ok("central", "bank_money", "issue", "JPY", address_of(bank), 100_000, "")
            names = (bank, *(name for name, home in HOMES.items() if home == bank))
            to: list[Value] = [[address_of(name), 20_000] for name in names]
            office.ok(bank, "bank_money", "mint", "JPY", to, "")
        for pair in PAIRS:
            base, quote = pair.split("/")
            office.ok("alpine", "trades", "open_pair", base, quote, 5, 10)
        self.products = [office.offer(**{**terms, **more}) for terms in LOANS for more in ({}, SECURITY)]
        for name in CUSTOMERS:
            office.ok(name, "accounts", "grant", "loans")
            address, bank = address_of(name), HOMES[name]
            office.ok(bank, "identity", "register", address, self.sealed(bank, address, "identity"))
            office.ok(bank, "identity", "verify", address, 2, office.chain.time_ms + 300 * DAY_MS, "CH", "low")
        self.steps = {
            self.borrow: 3, self.agree: 10, self.pay_back: 4, self.foreclose: 2, self.trade: 12, self.clear: 2,
            self.quote: 3, self.lock: 4, self.answer: 6, self.rate: 4, self.freeze: 1, self.release: 3, self.take: 1,
            self.vouch: 1, self.have: 2, self.wait: 5, self.ruin: 1, self.limit: 1,
        }  # fmt: skip

    # -------------------------------------------------------------------------------------------------------- steps

    def step(self) -> None:
        self.draw.choices(list(self.steps), list(self.steps.values()))[0]()

    def customer(self) -> str:
        return self.draw.choice(CUSTOMERS)

    def one(self, count: int) -> str:
        """One of the last few of what is numbered, or one that is not there."""
        return str(self.draw.randint(max(0, count - 9), count))

    def borrow(self) -> None:
        principal = self.draw.choice((1, 3, 100, 999, 7_777, 60_000))
        if self.call(self.customer(), "loans", "apply", self.draw.choice(self.products), principal, "").is_ok:
            self.loans += 1

    def agree(self) -> None:
        """Mostly the step that comes next for a loan that is there."""
        following = {"applied": "approve", "approved": "accept", "accepted": "disburse"}
        loan, status = self.loan_that_is(*following)
        method = following.get(status, "approve")
        if self.draw.random() < 0.15:
            method = self.draw.choice(("approve", "accept", "disburse", "withdraw", "lapse", "decline"))
        arguments: list[Value] = [loan]
        if method == "approve":
            expires_ms = self.now() + self.draw.choice((3_000, DAY_MS, 5 * DAY_MS, 400 * DAY_MS))
            arguments += [expires_ms, self.draw.choice((0, 0, self.office.today - 2))]
        elif method == "decline":
            arguments += ["no"]
        self.call(self.owner(loan) if method in ("accept", "withdraw") else "alpine", "loans", method, *arguments)

    def loan_that_is(self, *statuses: str) -> tuple[str, str]:
        """A late loan of such a status if there is one, else any; and its status."""
        names = [str(number) for number in range(1, self.loans + 1)]
        rows = [(loan, cast(str, self.office.loan(loan)["status"])) for loan in names]
        fit = [(loan, status) for loan, status in rows if status in statuses][-3:]
        return self.draw.choice(fit or rows or [("1", "")])

    def owner(self, loan: str) -> str:
        """Mostly the borrower."""
        address = self.borrower(loan) if self.draw.random() < 0.95 else ""
        return next((name for name in CUSTOMERS if address_of(name) == address), "bob")

    def borrower(self, loan: str) -> str:
        answer = self.office.chain.reads.query("loans", "loan_info", [loan])
        return cast("list[str]", answer.value)[1] if answer.code == "ok" else ""

    def pay_back(self) -> None:
        method = self.draw.choice(("repay", "repay", "repay", "prepay", "prepay", "prepay_all", "collect"))
        loan = self.loan_that_is("active", "defaulted", "written_off")[0]
        amount: list[Value] = [self.draw.choice((1, 10, 500, 5_000))] if method in ("repay", "prepay") else []
        if method == "repay" and self.draw.random() < 0.7:
            due = self.office.chain.reads.query("loans", "due", [loan])
            amount = [sum(cast("list[int]", due.value))] if due.code == "ok" else amount
        sender = self.owner(loan) if method.startswith("prepay") else self.draw.choice(NAMES[:4])
        self.call(sender, "loans", method, loan, *amount)

    def foreclose(self) -> None:
        method, loan = self.draw.choice(("seize", "write_off", "release")), self.loan_that_is("defaulted")[0]
        self.call("alpine", "loans", method, loan)

    def trade(self) -> None:
        pair, side = self.draw.choice(PAIRS), self.draw.choice(("buy", "sell"))
        owner = self.draw.choice((*CUSTOMERS, "alpine", "income"))
        price, amount = self.draw.choice((95, 100, 100, 105)), 10 * self.draw.choice((1, 1, 5, 5, 30, 70))
        self_trade = self.draw.choice(("cancel_newest", "cancel_oldest"))
        if self.draw.random() < 0.15:
            receipt = self.call(owner, "trades", "market", pair, side, amount, price, self_trade)
        else:
            kind = self.draw.choice(("gtc", "gtc", "gtc", "post_only", "ioc", "fok"))
            expires = self.now() + self.draw.choice((1, 2_000, 30_000, DAY_MS))
            expires = 0 if kind in ("ioc", "fok") or self.draw.random() < 0.3 else expires
            receipt = self.call(owner, "trades", "place", pair, side, kind, price, amount, expires, self_trade)
        if receipt.is_ok:
            self.orders += 1
        else:
            self.have()

    def clear(self) -> None:
        pair, name = self.draw.choice(PAIRS), self.customer()
        calls: tuple[tuple[str, tuple[Value, ...]], ...] = (
            ("cancel", (self.one(self.orders),)), ("cancel_all", (pair,)), ("expire", ("",)),
            ("sweep", (pair, self.draw.choice(("buy", "sell")))),
        )  # fmt: skip
        method, arguments = self.draw.choice(calls)
        self.call(name, "trades", method, *arguments)

    def quote(self) -> None:
        self.quotes += 1
        customer = self.customer()
        changes: dict[str, Any] = self.draw.choice(
            ({}, {"receive_currency": "USD", "receive_amount": 5_000, "rate_numerator": 1, "rate_denominator": 1})
        )
        terms = Terms(
            **changes, refund_borne_by=self.draw.choice(("bank", "originator")), cancellable=self.draw.random() < 0.6,
            expires_in_ms=self.draw.choice((1_000, 6 * DAY_MS, 6 * DAY_MS)),
            lock_ms=self.draw.choice((1_500, 60_000, 5 * DAY_MS)),
            refund_cost=self.draw.choice((0, 75, 5_120)),
        )  # fmt: skip
        bank, name = HOMES[customer], uetr(self.quotes)
        self.call(bank, "remittances", "quote", name, address_of(customer), terms.value(self.now()))
        sealed = self.sealed(bank, name, "travel_rule", "baltic", "alpine")
        receipt = self.call(bank, "remittances", "disclose", name, sealed)
        if receipt.is_ok:
            self.records[name] = cast(str, receipt.results[0])
        if self.draw.random() < 0.8:
            self.lock()

    def deal(self, status: str) -> str:
        """One of the last few remittances, mostly of that status."""
        late = [uetr(number) for number in range(max(0, self.quotes - 6), self.quotes + 1)]
        fit = [name for name in late if self.office.chain.reads.query("remittances", "status", [name]).value == status]
        return self.draw.choice(fit if fit and self.draw.random() < 0.8 else late)

    def originator(self, deal: str) -> str:
        answer = self.office.chain.reads.query("remittances", "describe", [deal])
        address = cast("list[str]", answer.value)[2] if answer.code == "ok" else ""
        return next((name for name in CUSTOMERS if address_of(name) == address), "ann")

    def lock(self) -> None:
        deal = self.deal("quoted")
        if self.draw.random() < 0.2:
            self.call(self.originator(deal), "remittances", "exchange", deal)
            return
        record = self.records.get(deal if self.draw.random() < 0.9 else uetr(1), "0" * 64)
        to = address_of(self.draw.choice((*CUSTOMERS, "baltic", "central")))
        self.call(self.originator(deal), "remittances", "lock", deal, to, record, "rent")

    def answer(self) -> None:
        deal, method = self.deal("locked"), self.draw.choice(("accept", "accept", "reject", "cancel", "close"))
        more: list[Value] = [self.draw.choice(CODES), self.draw.choice(("", "why"))] if method == "reject" else []
        sender = self.originator(deal) if method == "cancel" else self.draw.choice(("alpine", "baltic", "baltic"))
        self.call(sender, "remittances", method, deal, *more)

    def rate(self) -> None:
        contract = self.draw.choice(SERVICES)
        deal = self.deal("settled")
        served = {"loans": self.one(self.loans), "trades": self.one(self.orders), "remittances": deal}[contract]
        parties = cast("list[list[str]]", self.office.chain.reads.query(contract, "service", [served]).value)
        wanted = parties[1] if parties and self.draw.random() < 0.9 else []
        party = next((name for name in NAMES if address_of(name) in wanted), self.draw.choice(NAMES))
        self.call(party, "feedback", "rate", contract, served, self.draw.choice((0, 1, 2, 3, 4, 5)), "fine", b"")
        self.call("alpine", "feedback", "reply", self.draw.randint(0, 9), "thanks", b"")

    # ------------------------------------------------------------------------------------------------- what intervenes

    def freeze(self) -> None:
        if len(self.freezes) > 2:
            return self.release()
        stops = self.draw.choice((["send"], ["receive"], ["settle"], ["send", "receive", "settle"]))
        name, asset = self.draw.choice(NAMES[:8]), self.draw.choice(("", MONEY, GOLD, YEN))
        amount = self.draw.choice((0, 0, 2_000)) if asset and stops != ["receive"] else 0
        expires_ms = self.draw.choice((0, self.now() + 5_000, self.now() + 5_000))
        order: list[Value] = [address_of(name), asset, amount, list(stops), "AZ 1", "StPO", expires_ms]
        self.freezes += self.ordered("freeze", order)
        if self.draw.random() < 0.1:
            self.freezes += self.ordered("freeze_asset", [asset or GOLD, list(stops), "AZ 2", "StPO", expires_ms])

    def ordered(self, method: str, order: list[Value]) -> list[tuple[str, int]]:
        receipt = self.call("marta", "orders", method, *order)
        return [("marta", cast(int, receipt.results[0]))] if receipt.is_ok else []

    def release(self) -> None:
        if self.freezes:
            sender, order = self.freezes.pop(self.draw.randrange(len(self.freezes)))
            self.call(sender, "orders", "release", order, "AZ 1", "StPO")

    def take(self) -> None:
        """A court takes from somebody, out of holds of all contracts if it needs to."""
        holds = {key.split(b"/")[1].decode(): row for key, row in self.rows(b"hold/") if row[8] == layout.OPEN}
        if not holds:
            return
        asset, source, reserved, *_ = holds[self.draw.choice(list(holds))]
        broken = [cast(Value, hold) for hold, row in holds.items() if tuple(row[:2]) == (asset, source)][:8]
        amount = self.draw.choice((1, reserved, 3 * reserved))
        order: list[Value] = [asset, source, address_of("central"), amount, broken, "AZ 3", "ZPO", 0]
        self.call("themis", "orders", "force_transfer", *order)

    def vouch(self) -> None:
        name = self.customer()
        bank, address = HOMES[name], address_of(name)
        status = cast("list[str]", self.office.chain.reads.query("identity", "status", [address]).value)[0]
        if status in ("suspended", "revoked", "submitted"):
            if status == "revoked":
                self.call(bank, "identity", "register", address, self.sealed(bank, address, "identity"))
            elif status == "suspended":
                self.call(bank, "identity", "resume", address, "AZ 5")
            expires_ms = self.now() + self.draw.choice((5 * DAY_MS, 300 * DAY_MS, 300 * DAY_MS))
            self.call(bank, "identity", "verify", address, 2, expires_ms, "CH", "low")
        elif self.draw.random() < 0.3:
            self.call(bank, "identity", self.draw.choice(("suspend", "suspend", "revoke")), address, "AZ 4")

    def have(self) -> None:
        """Somebody's money becomes little or much; somebody's grant is given or withdrawn."""
        name = self.draw.choice(("ann", "bob", "cid", "alpine"))
        method = self.draw.choice(("grant", "grant", "grant", "withdraw_grant"))
        self.call(name, "accounts", method, "remittances" if name == "alpine" else "loans")
        bank = HOMES.get(name, "alpine")
        wanted = 1_000_000 if name == "alpine" else self.draw.choice((0, 700, 30_000, 30_000, 90_000))
        change = wanted - self.office.chain.balance(name, f"USD.{bank}")
        if change > 0:
            self.call(bank, "bank_money", "mint", "USD", [[address_of(name), change]], "")
        elif change < 0:
            self.call(name, "bank_money", "withdraw", "USD", -change, "")

    def wait(self) -> None:
        ms = self.draw.choice((1, 1_499, 5_000, 5_000, 20_000, 60_000, DAY_MS, 2 * DAY_MS))
        for _ in range(self.draw.randint(1, 2)):
            self.settle(self.office.chain.time_ms + ms)

    def limit(self) -> None:
        """A bank limits its customers' money, or ends that; sometimes by where it goes."""
        bank, name = self.draw.choice(("alpine", "baltic")), self.draw.choice(("", "low", "unverified"))
        words = ("single_out", "single_in", "day_out", "day_in", "rolling_out", "balance_max", "balance_min")
        limits: list[Value] = [[word, self.draw.choice((50, 3_000, 60_000))] for word in self.draw.sample(words, 2)]
        if self.draw.random() < 0.3:
            limits = [["day", self.draw.choice((100, 9_000))]] if self.draw.random() < 0.5 else []
            self.call(bank, "limits", "limit_corridor", f"USD.{bank}", "CH", self.draw.choice(("CH", "")), limits)
        else:
            limits = limits if self.draw.random() < 0.4 else []
            self.call(bank, "limits", "limit", f"{self.draw.choice(('USD', 'JPY'))}.{bank}", name, limits)

    def ruin(self) -> None:
        """A borrower has nothing when the instalments of some days fall due."""
        name = self.owner(self.loan_that_is("active")[0])
        self.call(name, "bank_money", "withdraw", "USD", self.office.chain.balance(name, f"USD.{HOMES[name]}"), "")
        for _ in range(self.draw.randint(1, 6)):
            self.settle(self.office.chain.time_ms + DAY_MS)

    # -------------------------------------------------------------------------------------------------- how they act

    def now(self) -> int:
        """Of the next block."""
        return self.office.chain.time_ms + 1_000

    def settle(self, time_ms: int) -> None:
        """Blocks from then on until nothing more runs by itself."""
        self.note(self.office.block(time_ms=time_ms).receipts)
        for _ in range(20):
            result = self.office.block()
            self.note(result.receipts)
            if not result.runs:
                return
        raise AssertionError("the schedule has no end")

    def call(self, sender: str, contract: str, method: str, *arguments: Value) -> Receipt:
        transaction = self.office.chain.transaction(sender, (contract, method, list(arguments)))
        result = self.office.block(transaction)
        self.note(result.receipts[: result.runs])
        receipt = result.receipts[-1]
        assert receipt.code not in NEVER, (sender, contract, method, arguments, receipt.code, receipt.message)
        self.codes[f"{contract}.{method}", receipt.code] += 1
        return receipt

    def note(self, runs: Any) -> None:
        for receipt in runs:
            assert receipt.is_ok, (receipt.code, receipt.message, receipt.events[:1])

    def sealed(self, bank: str, subject: str, kind: str, *others: str) -> bytes:
        number = self.keys_used
        self.keys_used += 1
        members = dict.fromkeys((bank, "marta", "nils", *others))
        return seal_record(bank, subject, [reader(member, number) for member in members], kind).encode()

    # ------------------------------------------------------------------------------------------------- what must be so

    def rows(self, prefix: bytes) -> list[tuple[bytes, Any]]:
        items = self.office.chain.reads.state_items()
        return [(key, decode_row(data)) for key, data in items if key.startswith(prefix)]

    def check(self) -> None:
        """Kernel and contracts agree on every hold, each from its own rows, and no asset has gained or lost."""
        for audit in self.office.chain.reads.audit():
            assert audit.is_sound, audit
        held: Counter[tuple[str, str]] = Counter()
        holds = {key.split(b"/", 1)[1].decode(): row for key, row in self.rows(b"hold/")}
        for row in holds.values():
            if row[8] == layout.OPEN:
                held[row[5], row[0]] += row[2]
        said: Counter[tuple[str, str]] = Counter()
        sums: Counter[tuple[str, str]] = Counter()
        for _, (order,) in self.rows(b"data/trades/orders/"):
            pair, owner, _, side, _, price, amount, filled, *_ = order
            if order[12] == "open":
                base, quote = pair.split("/")
                asset, cost = (quote, (amount - filled) // 10 * price) if side == "buy" else (base, amount - filled)
                sums["booked", asset] += cost
                self.agrees(holds[order[11]], asset, owner, cost)
                if holds[order[11]][8] == layout.OPEN:
                    said["trades", asset] += cost
        living = Counter[str]()
        for _, (loan,) in self.rows(b"data/loans/loans/"):
            row = dict(zip(LOAN_FIELDS, loan, strict=True))
            assert not row["hold"] or row["status"] in ("accepted", "active", "defaulted")
            if row["hold"]:
                sums["pledged_now", GOLD] += row["pledged"]
                self.agrees(holds[row["hold"]], GOLD, row["borrower"], row["pledged"])
                if holds[row["hold"]][8] == layout.OPEN:
                    said["loans", GOLD] += row["pledged"]
            assert row["principal_due"] <= row["outstanding"]
            assert row["rounding_due"] <= row["interest_due"] + row["late_due"]
            if row["status"] in ("active", "defaulted", "written_off", "closed"):
                assert row["principal"] == row["principal_paid"] + row["covered"] + row["outstanding"]
                living["outstanding"] += row["outstanding"] if row["status"] != "written_off" else 0
                living["lent"] += row["principal"]
            assert (row["call"] != 0) == (row["status"] in ("approved", "accepted", "active"))
        book = self.office.ask("book")
        assert (book[0], book[4]) == (living["lent"], living["outstanding"])
        counts = Counter[str]()
        for _, (lock,) in self.rows(b"data/remittances/locks/"):
            counts[lock[0]] += 1
            for hold, row in holds.items():
                if lock[5] and row[11] == lock[5]:
                    assert row[8] != layout.OPEN or lock[0] == "locked", (hold, lock)
                    said["remittances", row[0]] += row[2] if row[8] == layout.OPEN else 0
                    sums["promised", row[0]] += row[2] if lock[0] == "locked" else 0
        assert +said == +held
        state = dict(self.office.chain.reads.state_items())
        for contract, field in (("trades", "booked"), ("loans", "pledged_now"), ("remittances", "promised")):
            for asset in ASSETS:
                data = state.get(layout.data_key(contract, field, (asset,)))
                assert (decode_row(data)[0] if data else 0) == sums[field, asset], (field, asset)
        total = self.office.chain.reads.query("remittances", "totals", []).value
        ways = ("locked", "settled", "rejected", "cancelled", "expired")
        assert total == [sum(counts.values()), *(counts[way] for way in ways)]

    def agrees(self, hold: Any, asset: str, owner: str, amount: int) -> None:
        """A hold reserves what its contract says."""
        assert (hold[0], hold[1]) == (asset, owner)
        assert hold[8] != layout.OPEN or hold[2] == amount

    def finish(self) -> None:
        """The verdict of the node's own verifier, after everything that expires has."""
        self.settle(self.office.chain.time_ms + 10 * DAY_MS)
        self.check()
        assert list(self.office.chain.reads.faults()) == []


def play(seed: int, steps: int) -> Town:
    town = Town(seed)
    for number in range(steps):
        town.step()
        if number % 10 == 9:
            town.check()
    town.finish()
    return town


def play_all(steps: int) -> None:
    for seed in range(6):
        play(seed, steps)


@pytest.mark.parametrize("seed", range(6))
def test_four_services_on_the_same_accounts(seed: int) -> None:
    play(seed, 300)


BUGS = {
    "a fill is still booked": ("trades", "    count_reserved(found, maker.side, -taken)\n", ""),
    "a cancelled order keeps its hold": ("trades", "    ledger.free_hold(order.hold)\n", ""),
    "an ended loan keeps its collateral": (
        "loans",
        "    free_collateral(row)\n    drop_call(row)\n    row.status",
        "    drop_call(row)\n    row.status",
    ),
    "a run is forgotten": (
        "loans",
        "    elif row.status == ACTIVE:\n        plan_next(row, loan, product.terms)\n",
        "",
    ),
    "an end is not counted": ("remittances", "    count_ended(way)\n", ""),
    "a rejected lock stays promised": ("remittances", "    count_promised(offer, locked.hold_count, -1)\n", ""),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    contract, right, wrong = BUGS[bug]
    library = read_library()
    assert library[contract].count(right) == 1
    bent = {**library, contract: library[contract].replace(right, wrong)}
    monkeypatch.setattr(network, "read_library", lambda: bent)
    with pytest.raises(AssertionError):
        play_all(300)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(100, 130))
def test_four_services_for_long(seed: int) -> None:
    play(seed, 600)
