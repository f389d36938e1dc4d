"""Trades beside a naive model, under random parties, orders, freezes and clocks; planted bugs are caught."""

from random import Random

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from contracts.library import read_library
from tests.contracts.trading_floor import BASE, ENDOWMENT, LOT, PAIR, QUOTE, TICK, TRADERS, Floor
from tests.contracts.trading_model import Market

owners = st.sampled_from(TRADERS)
seeds = st.integers(0, 2**64)
KINDS = ("gtc",) * 10 + ("ioc", "ioc", "fok", "post_only", "market", "market")
STOPS = (("settle",), ("receive",), ("send",), ("send", "receive", "settle"))
BURST = 5
"""Orders in one step: drawn from a seed, for Hypothesis alone likes books too small to cross."""


class TradesMachine(RuleBasedStateMachine):
    """Contract and model take the same steps and are compared after each."""

    sources: tuple[tuple[str, str], ...] = ()
    """In place of the library's."""

    def __init__(self) -> None:
        super().__init__()
        self.freezes: dict[str, int] = {}
        self.seen: dict[str, str] = {}

    @initialize()
    def open(self) -> None:
        self.floor = Floor.start(sources=self.sources)
        self.model = Market(
            TICK, LOT, dict.fromkeys(TRADERS, ENDOWMENT[BASE]), dict.fromkeys(TRADERS, ENDOWMENT[QUOTE])
        )

    def next_ms(self) -> int:
        return self.floor.chain.time_ms + 1_000

    @rule(seed=seeds)
    def trade_a_while(self, seed: int) -> None:
        self.trade(seed)

    @rule(seed=seeds)
    def trade_on(self, seed: int) -> None:
        self.trade(seed + 1)

    @rule(seed=seeds)
    def trade(self, seed: int) -> None:
        draw = Random(seed)
        for _ in range(BURST):
            price = draw.choice((95, 100, 105))
            if draw.random() < 0.3:
                price = draw.choice((*range(85, 120, TICK), 0, 101, 5))
            count = draw.choice((0, 40, 101)) if draw.random() < 0.1 else draw.randint(1, 8)
            wait = draw.randint(0, 12_000) if draw.random() < 0.2 else None
            side, kind = draw.random() < 0.5, draw.choice(KINDS)
            self.place(draw.choice(TRADERS), side, kind, price, count, wait, draw.random() < 0.5)

    def place(
        self, owner: str, buys: bool, kind: str, price: int, count: int, wait: int | None, oldest: bool
    ) -> None:
        now = self.next_ms()
        expires = 0 if wait is None or kind == "market" else now + wait
        side, own = "buy" if buys else "sell", "cancel_oldest" if oldest else "cancel_newest"
        if kind == "market":
            placed = self.floor.market(owner, side, count * LOT, price, own)
        else:
            placed = self.floor.place(owner, side, price, count * LOT, kind, expires, own)
        assert placed.code == self.model.place(owner, buys, kind, price, count, expires, oldest, now)
        if placed.code == "ok":
            mine = self.model.wishes[-1]
            assert placed.order == str(mine.number)
            assert (placed.status, placed.filled, placed.paid) == (mine.ended or "open", mine.got, mine.paid)

    @rule(owner=owners, pick=st.integers(0, 30))
    def cancel(self, owner: str, pick: int) -> None:
        number = len(self.model.wishes) - pick
        assert self.floor.cancel(owner, str(number)) == self.model.cancel(owner, number, self.next_ms() - 1_000)

    @rule(owner=owners)
    def cancel_all(self, owner: str) -> None:
        now = self.next_ms()
        assert self.floor.send(owner, ("trades", "cancel_all", [PAIR])) == "ok"
        self.model.expire(now)
        for wish in self.model.wishes:
            if wish.owner == owner and not wish.ended:
                wish.ended = "cancelled"

    @rule(owner=owners, stops=st.sampled_from(STOPS))
    def freeze(self, owner: str, stops: tuple[str, ...]) -> None:
        if owner not in self.freezes:
            self.freezes[owner] = self.floor.freeze(owner, *stops)
            self.model.frozen[owner] = frozenset(stops)

    @rule(owner=owners)
    def release(self, owner: str) -> None:
        if owner in self.freezes:
            self.floor.release(self.freezes.pop(owner))
            del self.model.frozen[owner]

    @rule(ms=st.sampled_from((0, 3_000, 9_000)))
    def wait(self, ms: int) -> None:
        self.floor.later(ms)
        self.floor.chain.block()

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "model"):
            return
        now, model, floor = self.floor.chain.time_ms, self.model, self.floor
        model.expire(now)
        for owner in TRADERS:
            assert floor.money(owner) == (
                model.free(owner, False), model.reserved(owner, False),
                model.free(owner, True), model.reserved(owner, True),
            )  # fmt: skip
        for buys in (False, True):
            assert floor.book("buy" if buys else "sell") == model.side(buys)
        for wish in model.wishes:
            status, _, filled, paid = floor.status(str(wish.number))
            assert (status, filled, paid) == (wish.ended or "open", wish.got, wish.paid)
            before = self.seen.setdefault(str(wish.number), status)
            assert before in ("open", status), "an order ends once"
            self.seen[str(wish.number)] = status

    def teardown(self) -> None:
        if hasattr(self, "floor"):
            check_books(self.floor)


def check_books(floor: Floor) -> None:
    """What the kernel holds for the contract is what its open orders can cost, order by order and in all."""
    for audit in floor.chain.reads.audit():
        assert audit.is_sound, audit
    reserved = dict.fromkeys((BASE, QUOTE), 0)
    for order in floor.rows("orders").values():
        _, _, _, side, _, price, amount, filled, _, _, expires_ms, hold, status, _ = order
        if status != "open":
            continue
        asset = QUOTE if side == "buy" else BASE
        can_cost = (amount - filled) // LOT * price if side == "buy" else amount - filled
        row = floor.hold(hold)
        assert row[:3] == (asset, order[1], can_cost), "an order reserves what it can cost"
        assert row[4] == expires_ms, "an order and its hold expire together"
        assert row[8] == "open", "nothing unfunded stands on the book"
        reserved[asset] += can_cost
    assert {asset: floor.reserved(asset) for asset in reserved} == reserved
    assert {asset: floor.booked(asset) for asset in reserved} == reserved


def run(examples: int, steps: int, phases: tuple[Phase, ...] = (Phase.generate, Phase.shrink)) -> None:
    run_state_machine_as_test(
        TradesMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            phases=phases,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_contract_does_what_the_model_does() -> None:
    run(12, 15)


@pytest.mark.full
def test_the_contract_does_what_the_model_does_for_long() -> None:
    run(60, 40)


BUGS = {
    "the taker's price": ("cost = Amount(lots * found.lot), Amount(lots * maker.price)",
                          "cost = Amount(lots * found.lot), Amount(lots * order.price)"),
    "worst price first": ("return -order.price if order.side == BUY else order.price",
                          "return order.price if order.side == BUY else -order.price"),
    "a hold outlives its order": ("order.expires_ms, \"order\", name)", "0, \"order\", name)"),
    "the rest of a hold goes back": ("taken, rests)]", "taken, False)]"),
    "a cancelled order keeps its hold": ("    ledger.free_hold(order.hold)\n", ""),
    "orders trade with themselves": ("if maker.owner != order.owner:", "if maker.owner != \"\":"),
    "ioc rests": ('(kind == "ioc" or kind == MARKET)', "(kind == MARKET)"),
    "frozen orders are filled": ('if stopped == "holder" or stopped == "pair":', 'if stopped == "pair":'),
    "half of it is reserved": ("Amount(left // found.lot * order.price if",
                               "Amount(left // found.lot * order.price // 2 if"),
}  # fmt: skip


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source, (right, wrong) = read_library()["trades"], BUGS[bug]
    assert source.count(right) == 1
    bent = (("trades", source.replace(right, wrong)),)
    monkeypatch.setattr(TradesMachine, "sources", bent)
    with pytest.raises(Exception):  # noqa: B017 - whatever it is that notices
        run(40, 20, (Phase.generate,))
