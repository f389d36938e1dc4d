"""A bank that lends, on the small network: its terms, and the steps that a test takes with them.

Its customers ann and bob have 10,000 cents each.
"""

from dataclasses import dataclass, field, replace
from typing import Any, cast

from contracts.executor import BlockResult
from contracts.genesis_state import GenesisState
from contracts.kernel import dates
from state.codec import Value
from state.receipt import Receipt
from tests.contracts.courthouse import OFFICIALS, with_officials
from tests.contracts.network import SALT, Chain, address_of, genesis_state, key_of
from tests.contracts.sealing import reader, reading_keys, seal_record

DAY_MS = 86_400_000
MONEY = "USD.alpine"
GOLD = "GOLD.alpine"

TERMS: dict[str, Value] = {
    "currency": "USD",
    "kind": "annuity",
    "rate_ppm": 120_000,
    "day_count": "30/360",
    "instalments": 6,
    "period_months": 1,
    "period_days": 0,
    "due_time_ms": 0,
    "calendar": "",
    "principal_min": 1,
    "principal_max": 2**62,
    "fee": 0,
    "fee_ppm": 0,
    "prepay_fee_ppm": 0,
    "prepay": "instalment",
    "late_rate_ppm": 60_000,
    "grace_days": 3,
    "default_days": 30,
    "risk_class": "",
    "text_digest": b"",
    "collateral": None,
    "collateral_ppm": 0,
    "claim_ppm": 0,
    "income": address_of("income"),
    "rounding": address_of("rounding"),
}
"""Terms by name, in the order of the contract's record."""

VAULT = '''
"""An issuer of gold."""

from hansa import Address, Amount, Asset, action, ledger, query


@action
def create(authorised: Amount) -> Asset:
    return ledger.create_asset("GOLD", "art", "alpine", "USD", 0, authorised, b"", 0)


@action
def mint(to: Address, amount: Amount) -> None:
    ledger.mint(Asset("GOLD.alpine"), to, amount, "vault")


@query
def hold_status(hold: str) -> str:
    return ledger.hold_status(hold)
'''

MEDDLER = '''
"""A contract that does more than whoever calls it asked for."""

from hansa import Address, Amount, action, call, query


@action
def pay_off(loan: str) -> Amount:
    amount: Amount = call(Address("loans"), "prepay_all", loan)
    return amount


@action
def approve(loan: str, expires_ms: int) -> None:
    call(Address("loans"), "approve", loan, expires_ms, 0)


@query
def nothing() -> int:
    return 0
'''

LOAN_FIELDS = (
    *("product", "borrower", "bank", "status", "principal", "reference", "expires_ms", "value_day", "anchor"),
    *("start_day", "count", "fallen", "instalment", "outstanding", "accrual_day", "principal_due", "interest_due"),
    *("late_due", "rounding_due", "overdue_day", "arrears_day", "hold", "pledged", "call", "principal_paid"),
    *("interest_paid", "covered", "written_off", "recovered", "barred_day"),
)

SECURED: dict[str, Value] = {"collateral": GOLD, "collateral_ppm": 20_000, "claim_ppm": 10_000}
"""Two grains of gold a hundred cents lent; in default one grain pays a hundred cents."""


def terms(**changes: Value) -> list[Value]:
    """A product's terms as a call carries them."""
    assert not changes.keys() - TERMS.keys(), changes
    return list({**TERMS, **changes}.values())


def day(year: int, month: int, day_of_month: int) -> int:
    return dates.day_of(year, month, day_of_month)


@dataclass
class Office:
    """Alpine, which lends, and the chain."""

    chain: Chain
    scheduled: list[Receipt] = field(default_factory=list)
    """Receipts of all scheduled runs so far."""

    @classmethod
    def open(cls, money: int = 1_000_000_000, source: str | None = None) -> "Office":
        """A furnished network on which the bank has that much of its own money to lend; ``source`` has bugs."""
        state = genesis()
        if source is not None:
            changed = [replace(found, source=source) if found.name == "loans" else found for found in state.contracts]
            state = replace(state, contracts=tuple(changed))
        office = cls(Chain.start(state).furnish())
        office.ok("alpine", "accounts", "register", [[key_of(name).public, SALT] for name in ("income", "rounding")])
        office.ok("alpine", "bank_money", "mint", "USD", [[address_of("alpine"), money]], "own funds")
        return office

    def gold(self, *names: str) -> None:
        """Gold is created, and each of these has 5,000 grains."""
        self.ok("alpine", "vault", "create", 1_000_000)
        for name in names:
            self.ok("alpine", "vault", "mint", address_of(name), 5_000)

    def freeze(self, name: str, *stops: str, asset: str = "", amount: int = 0) -> int:
        """A regulator freezes an account; gives the order's number."""
        order: list[Value] = [address_of(name), asset, amount, list(stops), "AZ 7/26", "StPO 263", 0]
        return cast(int, self.ok("marta", "orders", "freeze", *order))

    def unfreeze(self, order: int) -> None:
        self.ok("marta", "orders", "release", order, "AZ 7/26", "StPO 267")

    def identify(self, name: str, risk_class: str = "low") -> None:
        """Alpine registers and verifies a customer."""
        regulators = [official for official, function in OFFICIALS.items() if function == "regulator"]
        readers = ("alpine", *regulators)
        numbers = [
            cast(int, self.ok(member, "identity", "publish_keys", list(reading_keys(member, 1)))) for member in readers
        ]
        keys = [reader(member, number) for member, number in zip(readers, numbers, strict=True)]
        person = address_of(name)
        self.ok("alpine", "identity", "register", person, seal_record("alpine", person, keys).encode())
        year_ms = 365 * DAY_MS
        self.ok("alpine", "identity", "verify", person, 2, self.chain.time_ms + year_ms, "CH", risk_class)

    def block(self, *transactions: Any, time_ms: int | None = None) -> BlockResult:
        result = self.chain.block(*transactions, time_ms=time_ms)
        self.scheduled += result.receipts[: result.runs]
        return result

    def call(self, sender: str, contract: str, method: str, *arguments: Value) -> Receipt:
        """One call in its own block; gives its receipt."""
        result = self.block(self.chain.transaction(sender, (contract, method, list(arguments))))
        return result.receipts[-1]

    def ok(self, sender: str, contract: str, method: str, *arguments: Value) -> Value:
        """A call that goes well; gives its answer."""
        receipt = self.call(sender, contract, method, *arguments)
        assert receipt.is_ok, (receipt.code, receipt.message)
        return receipt.results[0]

    def code(self, sender: str, method: str, *arguments: Value) -> str:
        """What a call of the contract ends with."""
        return self.call(sender, "loans", method, *arguments).code

    def ask(self, method: str, *arguments: Value) -> Any:
        """A query's answer."""
        result = self.chain.reads.query("loans", method, list(arguments))
        assert (result.code, result.message) == ("ok", "")
        return result.value

    def loan(self, loan: str) -> dict[str, Any]:
        """The loan's row by names."""
        return dict(zip(LOAN_FIELDS, self.ask("loan_info", loan), strict=True))

    def offer(self, **changes: Value) -> int:
        return cast(int, self.ok("alpine", "loans", "offer", terms(**changes)))

    def lend(self, product: int, principal: int, borrower: str = "ann", value_day: int = 0) -> str:
        """A loan as far as paid out."""
        loan = self.agree(product, principal, borrower, value_day)
        self.ok("alpine", "loans", "disburse", loan)
        return loan

    def agree(self, product: int, principal: int, borrower: str = "ann", value_day: int = 0) -> str:
        """A loan as far as accepted."""
        loan = cast(str, self.ok(borrower, "loans", "apply", product, principal, ""))
        self.ok("alpine", "loans", "approve", loan, self.chain.time_ms + DAY_MS, value_day)
        self.ok(borrower, "loans", "accept", loan)
        return loan

    def until(self, number: int, time_of_day_ms: int = 0) -> BlockResult:
        """An empty block at that time of that day."""
        return self.block(time_ms=number * DAY_MS + time_of_day_ms)

    def held(self, name: str, asset: str) -> int:
        """What holds reserve of the account's balance."""
        balances = self.chain.reads.account(address_of(name)).balances
        return {entry.asset: entry.held for entry in balances}.get(asset, 0)

    def hold_status(self, hold: str) -> str:
        """What has become of a hold."""
        result = self.chain.reads.query("vault", "hold_status", [hold])
        return cast(str, result.value)

    @property
    def today(self) -> int:
        return self.chain.time_ms // DAY_MS

    def events(self, name: str) -> list[dict[str, Any]]:
        """Events of that name in all receipts so far."""
        return [
            dict(event.fields)
            for result in self.chain.results
            for receipt in result.receipts
            for event in receipt.events
            if (event.contract, event.name) == ("loans", name)
        ]



def genesis() -> GenesisState:
    """The network with officials, and an issuer of gold."""
    return with_officials(genesis_state([("meddler", MEDDLER), ("vault", VAULT)]))
