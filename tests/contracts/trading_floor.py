"""A chain with a pair on it, and customers who trade: tests place orders in one line and read the book back."""

from dataclasses import dataclass, replace
from typing import Any, cast

from contracts.executor import BlockResult
from contracts.kernel import layout
from contracts.records import decode_row
from state.codec import Value
from tests.contracts.courthouse import with_officials
from tests.contracts.network import SALT, Chain, address_of, genesis_state, key_of

BASE, QUOTE = "JPY.alpine", "USD.alpine"
PAIR = f"{BASE}/{QUOTE}"
TICK, LOT = 5, 10
TRADERS = ("ann", "bob", "dan", "eve")
ENDOWMENT = {BASE: 1_000, QUOTE: 10_000}
"""What each trader has to begin with."""

CONTRACTS = ("accounts", "bank_money", "feedback", "limits", "orders", "payments", "trades")
"""What the floor needs of the library."""


@dataclass
class Placed:
    """What a placement came to."""

    code: str
    order: str = ""
    status: str = ""
    filled: int = 0
    paid: int = 0


@dataclass
class Floor:
    """One pair, four traders at alpine, and a chain of one block a call."""

    chain: Chain

    @classmethod
    def start(cls, tick: int = TICK, lot: int = LOT, sources: tuple[tuple[str, str], ...] = ()) -> "Floor":
        genesis = with_officials(genesis_state(sources, grants=()))
        given = dict(sources)
        contracts = {row.name: replace(row, source=given.get(row.name, row.source)) for row in genesis.contracts}
        wanted = [row for name, row in contracts.items() if name in CONTRACTS or name in given]
        chain = Chain.start(replace(genesis, contracts=tuple(wanted)))
        customers: list[Value] = [[key_of(name).public, SALT] for name in TRADERS]
        calls: list[tuple[str, str, list[Value]]] = [("accounts", "register", [customers])]
        for asset, amount in ENDOWMENT.items():
            currency = asset.split(".")[0]
            deposits: list[Value] = [[address_of(name), amount] for name in TRADERS]
            calls += [("bank_money", "create", [currency]), ("bank_money", "mint", [currency, deposits, ""])]
        floor = cls(chain)
        assert floor.send("alpine", *calls) == "ok"
        assert floor.send("alpine", ("trades", "open_pair", [BASE, QUOTE, tick, lot])) == "ok"
        return floor

    def send(self, sender: str, *calls: tuple[str, str, list[Value]], **changes: Any) -> str:
        """One transaction in its own block; gives its code, scheduled runs left out."""
        return self.block(sender, *calls, **changes).receipts[-1].code

    def block(self, sender: str, *calls: tuple[str, str, list[Value]], **changes: Any) -> BlockResult:
        """The block of one transaction."""
        return self.chain.block(self.chain.transaction(sender, *calls, **changes))

    def place(
        self, owner: str, side: str, price: int, amount: int, kind: str = "gtc", expires_ms: int = 0,
        self_trade: str = "cancel_newest", pair: str = PAIR,
    ) -> Placed:  # fmt: skip
        """A limit order."""
        return self._placed(owner, "place", [pair, side, kind, price, amount, expires_ms, self_trade])

    def market(
        self, owner: str, side: str, amount: int, guard: int, self_trade: str = "cancel_newest", pair: str = PAIR
    ) -> Placed:
        """A market order."""
        return self._placed(owner, "market", [pair, side, amount, guard, self_trade])

    def cancel(self, owner: str, order: str) -> str:
        """The code of a cancellation."""
        return self.send(owner, ("trades", "cancel", [order]))

    def freeze(self, account: str, *stops: str, asset: str = "") -> int:
        """Have marta freeze an account for an asset, or all; gives the order's number."""
        terms: list[Value] = [address_of(account), asset, 0, list(stops), "REF-1", "Act 1", 0]
        return cast(int, self.block("marta", ("orders", "freeze", terms)).receipts[-1].results[0])

    def release(self, order: int) -> None:
        """Have marta release a freeze."""
        assert self.send("marta", ("orders", "release", [order, "REF-2", "Act 1"])) == "ok"

    def later(self, ms: int) -> None:
        """Let time pass: the next block is that much later than usual."""
        self.chain.time_ms += ms

    def at(self, ms: int) -> int:
        """A time after now."""
        return self.chain.time_ms + ms

    def query(self, method: str, *arguments: Value) -> Any:
        """The answer of a query."""
        answer = self.chain.reads.query("trades", method, list(arguments))
        assert (answer.code, answer.message) == ("ok", ""), answer
        return answer.value

    def book(self, side: str, pair: str = PAIR) -> list[tuple[str, int, int]]:
        """Order, price and amount left of all live orders of a side, best first, by pages of two."""
        found: list[tuple[str, int, int]] = []
        while page := self.query("book_page", pair, side, found[-1][0] if found else "", 2):
            found += [cast("tuple[str, int, int]", tuple(entry)) for entry in page]
        return found

    def status(self, order: str) -> tuple[str, str, int, int]:
        """Status, reason, amount filled and quote moved."""
        row = self.query("order_info", order)
        return row[12], row[13], row[7], row[8]

    def money(self, name: str) -> tuple[int, int, int, int]:
        """Base available and held, quote available and held."""
        balances = {entry.asset: entry for entry in self.chain.reads.account(address_of(name)).balances}
        base, quote = balances.get(BASE), balances.get(QUOTE)
        return (
            base.available if base else 0, base.held if base else 0,
            quote.available if quote else 0, quote.held if quote else 0,
        )  # fmt: skip

    def hold(self, hold: str) -> tuple[Any, ...]:
        """A hold's row."""
        return tuple(decode_row(self.state()[layout.hold_key(hold)]))

    def reserved(self, asset: str) -> int:
        """What the kernel says that the contract's holds reserve."""
        row = self.state().get(layout.reserved_key("trades", asset))
        return cast(int, decode_row(row)[0]) if row else 0

    def booked(self, asset: str) -> int:
        """What the contract says that its orders can cost."""
        row = self.state().get(layout.data_key("trades", "booked", (asset,)))
        return cast(int, decode_row(row)[0]) if row else 0

    def state(self) -> dict[bytes, bytes]:
        """All rows of the state."""
        return dict(self.chain.reads.state_items())

    def rows(self, field: str) -> dict[bytes, Any]:
        """The contract's rows of one field, as they are in the state."""
        prefix = f"data/trades/{field}/".encode()
        items = self.chain.reads.state_items()
        return {key: decode_row(data)[0] for key, data in items if key.startswith(prefix)}

    def _placed(self, owner: str, method: str, arguments: list[Value]) -> Placed:
        receipt = self.block(owner, ("trades", method, arguments)).receipts[-1]
        if not receipt.is_ok:
            return Placed(receipt.code)
        order, status, filled, paid = cast("tuple[str, str, int, int]", receipt.results[0])
        return Placed("ok", order, status, filled, paid)
