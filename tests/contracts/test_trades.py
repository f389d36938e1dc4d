"""Trades: what each kind of order does to the book and to the money.

Tables after rippled's src/test/app/Offer_test.cpp (testFillModes, testPartialCross, testSellOffer, testExpiration,
testUnfundedCross, testCanceledOffer, testSelfCrossOffer, testTickSize): its cases and figures, in our words. Two things
differ by design. An offer of the XRP Ledger is filled as far as its owner's funds go, and may rest unfunded; ours is
funded in full or refused, and only a market order stops where the money ends. And an offer there is two amounts,
whose ratio is rounded to a tick; ours has a price for a lot, and one that is no multiple of the tick is refused.
"""

import pytest

from contracts.library import read_library
from state.codec import INT_MAX
from tests.contracts.network import address_of
from tests.contracts.trading_floor import BASE, PAIR, QUOTE, Floor, Placed

ASK, BID = "sell", "buy"


@pytest.fixture
def floor() -> Floor:
    return Floor.start()


@pytest.fixture
def cents() -> Floor:
    """Tick and lot of 1: a price is what one piece costs."""
    return Floor.start(tick=1, lot=1)


# ------------------------------------------------------------------------------------------------------------ kinds

KINDS = [
    # testFillModes: kind, price, amount of a bid that meets 500 at 10; what it comes to, what is left and held.
    ("fok beyond the book", "fok", 10, 600, Placed("not_filled"), 500, 0),
    ("fok above the price", "fok", 9, 100, Placed("not_filled"), 500, 0),
    ("fok within the book", "fok", 10, 500, Placed("ok", "2", "filled", 500, 5_000), 0, 0),
    ("ioc that meets nothing", "ioc", 9, 500, Placed("ok", "2", "cancelled", 0, 0), 500, 0),
    ("ioc in part", "ioc", 10, 600, Placed("ok", "2", "cancelled", 500, 5_000), 0, 0),
    ("ioc in full", "ioc", 12, 400, Placed("ok", "2", "filled", 400, 4_000), 100, 0),
    ("gtc that meets nothing", "gtc", 9, 500, Placed("ok", "2", "open", 0, 0), 500, 4_500),
    ("gtc in part", "gtc", 10, 600, Placed("ok", "2", "open", 500, 5_000), 0, 1_000),
    ("gtc at the resting price", "gtc", 20, 500, Placed("ok", "2", "filled", 500, 5_000), 0, 0),
    ("post_only that would cross", "post_only", 10, 1, Placed("would_cross"), 500, 0),
    ("post_only below", "post_only", 9, 500, Placed("ok", "2", "open", 0, 0), 500, 4_500),
]


@pytest.mark.parametrize(("kind", "price", "amount", "placed", "left", "held"), [row[1:] for row in KINDS])
def test_kinds(cents: Floor, kind: str, price: int, amount: int, placed: Placed, left: int, held: int) -> None:
    assert cents.place("ann", ASK, 10, 500).status == "open"
    assert cents.place("bob", BID, price, amount, kind) == placed
    assert [entry[2] for entry in cents.book(ASK)] == ([left] if left else [])
    assert cents.money("bob") == (1_000 + placed.filled, 0, 10_000 - placed.paid - held, held)
    assert cents.money("ann") == (500, left, 10_000 + placed.paid, 0)


PARTIAL = [
    # testPartialCross, 1 for 1: the buyer's money, what is offered, limit and market orders for 1,000.
    (0, 1, "insufficient_funds", ("cancelled", 0)),
    (50, 1_000, "insufficient_funds", ("cancelled", 50)),
    (800, 1_000, "insufficient_funds", ("cancelled", 800)),
    (998, 999, "insufficient_funds", ("cancelled", 998)),
    (999, 999, "insufficient_funds", ("cancelled", 999)),
    (999, 1_000, "insufficient_funds", ("cancelled", 999)),
    (1_000, 1_000, "ok", ("filled", 1_000)),
    (1_000, 0, "ok", ("cancelled", 0)),
    (1_000, 999, "ok", ("cancelled", 999)),
]


@pytest.mark.parametrize(("funds", "offered", "limit", "market"), PARTIAL)
def test_funds(cents: Floor, funds: int, offered: int, limit: str, market: tuple[str, int]) -> None:
    assert cents.send("bob", ("payments", "pay", [address_of("eve"), "USD", 10_000 - funds, ""])) in ("ok",)
    if offered:
        cents.place("ann", ASK, 1, offered)
    placed = cents.market("bob", BID, 1_000, 1)
    assert (placed.status, placed.filled, placed.paid) == (*market, market[1])
    assert cents.money("bob")[2:] == (funds - market[1], 0)
    # The same as a limit order, on a book that is as it was.
    again = Floor.start(tick=1, lot=1)
    again.send("bob", ("payments", "pay", [address_of("eve"), "USD", 10_000 - funds, ""]))
    if offered:
        again.place("ann", ASK, 1, offered)
    placed = again.place("bob", BID, 1, 1_000)
    assert placed.code == limit
    if limit == "ok":
        assert again.money("bob")[2:] == (funds - min(offered, 1_000) - (1_000 - placed.filled), 1_000 - placed.filled)


BETTER = [
    # testSellOffer: a seller of 10 at 10 meets a bid of (amount, price): what is sold, what it brings, what rests.
    (10, 5, 0, 0, 10),
    (10, 10, 10, 100, 0),
    (10, 20, 10, 200, 0),
    (20, 20, 10, 200, 0),
    (5, 10, 5, 50, 5),
    (5, 20, 5, 100, 5),
]


@pytest.mark.parametrize(("amount", "price", "sold", "brought", "rests"), BETTER)
def test_a_better_price_is_the_takers(
    cents: Floor, amount: int, price: int, sold: int, brought: int, rests: int
) -> None:
    cents.place("ann", BID, price, amount)
    placed = cents.place("bob", ASK, 10, 10)
    assert (placed.filled, placed.paid) == (sold, brought)
    assert cents.money("bob") == (1_000 - sold - rests, rests, 10_000 + brought, 0)
    assert cents.money("ann") == (1_000 + sold, 0, 10_000 - amount * price, amount * price - brought)


def test_price_then_arrival_and_a_partial_fill_keeps_its_place(floor: Floor) -> None:
    orders = [
        floor.place(owner, ASK, price, 20).order
        for owner, price in (("ann", 100), ("bob", 95), ("eve", 100), ("ann", 95))
    ]
    one, two, three, four = orders
    assert [entry[0] for entry in floor.book(ASK)] == [two, four, one, three]
    assert floor.place("dan", BID, 100, 50) == Placed("ok", "5", "filled", 50, 2 * 95 + 2 * 95 + 1 * 100)
    assert floor.book(ASK) == [(one, 100, 10), (three, 100, 20)]
    floor.place("bob", ASK, 100, 20)
    floor.place("dan", BID, 100, 20)
    assert floor.book(ASK) == [(three, 100, 10), ("6", 100, 20)]
    assert floor.query("best", PAIR) == [0, 0, 100, 30]
    assert floor.query("depth", PAIR, ASK, 5) == [[100, 30, 2]]
    assert floor.query("last_trade", PAIR)[:2] == [100, 10]


def test_a_fill_is_one_journal_of_both_legs(floor: Floor) -> None:
    floor.place("ann", ASK, 100, 20)
    receipt = floor.block("bob", ("trades", "place", [PAIR, BID, "ioc", 100, 10, 0, "cancel_newest"])).receipts[-1]
    journals = [dict(event.fields) for event in receipt.events if event.contract == "ledger"]
    assert len(journals) == 1
    assert (journals[0]["purpose"], journals[0]["reference"]) == ("trade", "1/2")
    ann, bob = address_of("ann"), address_of("bob")
    legs = journals[0]["legs"]
    assert legs == [[BASE, ann, -10], [BASE, bob, 10], [QUOTE, bob, -100], [QUOTE, ann, 100]]


def test_a_guard_stops_a_market_order(floor: Floor) -> None:
    for price in (100, 105, 110):
        floor.place("ann", ASK, price, 10)
    assert floor.market("bob", BID, 30, 107) == Placed("ok", "4", "cancelled", 20, 205)
    assert floor.status("4") == ("cancelled", "unfilled", 20, 205)
    assert floor.market("bob", ASK, 10, 1) == Placed("ok", "5", "cancelled", 0, 0)
    floor.place("dan", BID, 90, 10)
    assert floor.market("bob", ASK, 20, 91) == Placed("ok", "7", "cancelled", 0, 0)
    assert floor.market("bob", ASK, 20, 89) == Placed("ok", "8", "cancelled", 10, 90)


# ------------------------------------------------------------------------------------------- what is refused outright

MALFORMED = [
    ("an amount between lots", {"amount": 15}, "bad_amount"),
    ("no amount", {"amount": 0}, "bad_amount"),
    ("a price between ticks", {"price": 101}, "bad_price"),
    ("no price", {"price": 0}, "bad_price"),
    ("a cost beyond an amount", {"price": INT_MAX - INT_MAX % 5, "amount": 20}, "bad_amount"),
    ("another side", {"side": "hold"}, "bad_order"),
    ("another kind", {"kind": "day"}, "bad_order"),
    ("another self-trade", {"self_trade": "ignore"}, "bad_order"),
    ("a time that has passed", {"expires_ms": 1}, "bad_expiry"),
    ("ioc that expires", {"kind": "ioc", "expires_ms": 2**60}, "bad_expiry"),
    ("another pair", {"pair": f"{QUOTE}/{BASE}"}, "unknown_pair"),
    ("more than there is", {"side": ASK, "amount": 1_010}, "insufficient_funds"),
    ("more money than there is", {"amount": 1_000, "price": 105}, "insufficient_funds"),
]


@pytest.mark.parametrize(("changes", "code"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_refused(floor: Floor, changes: dict[str, object], code: str) -> None:
    order: dict[str, object] = {"owner": "ann", "side": BID, "price": 100, "amount": 10, **changes}
    assert floor.place(**order) == Placed(code)  # type: ignore[arg-type]
    assert floor.money("ann") == (1_000, 0, 10_000, 0)


def test_who_opens_and_halts_a_pair(floor: Floor) -> None:
    terms = [QUOTE, BASE, 1, 1]
    assert floor.send("ann", ("trades", "open_pair", terms)) == "not_a_member"
    assert floor.send("central", ("trades", "open_pair", terms)) == "not_the_operator"
    assert floor.send("baltic", ("trades", "open_pair", [BASE, BASE, 1, 1])) == "bad_pair"
    assert floor.send("baltic", ("trades", "open_pair", [BASE, QUOTE, 1, 1])) == "pair_exists"
    assert floor.send("baltic", ("trades", "open_pair", [QUOTE, BASE, 1, 0])) == "bad_pair"
    assert floor.send("baltic", ("trades", "open_pair", ["XAU.alpine", BASE, 1, 1])) == "unknown_asset"
    assert floor.send("baltic", ("trades", "open_pair", terms)) == "ok"
    assert floor.query("pairs_from", 0, 10) == [PAIR, f"{QUOTE}/{BASE}"]
    assert floor.query("pair_info", f"{QUOTE}/{BASE}") == [2, QUOTE, BASE, 1, 1, "baltic", False]
    order = floor.place("ann", ASK, 100, 10).order
    assert floor.send("baltic", ("trades", "halt", [PAIR, True])) == "not_the_operator"
    assert floor.send("alpine", ("trades", "halt", [PAIR, True])) == "ok"
    assert floor.place("bob", BID, 100, 10).code == floor.market("bob", BID, 10, 100).code == "pair_halted"
    assert floor.cancel("ann", order) == "ok"
    assert floor.send("alpine", ("trades", "halt", [PAIR, False])) == "ok"
    assert floor.place("bob", BID, 100, 10).status == "open"


# ----------------------------------------------------------------------------------------------- leaving the book


def test_cancelling(floor: Floor) -> None:
    order = floor.place("ann", ASK, 100, 50).order
    floor.place("bob", BID, 100, 20)
    assert floor.cancel("bob", order) == "not_the_owner"
    assert floor.cancel("ann", "77") == "unknown_order"
    assert floor.cancel("ann", order) == "ok"
    assert floor.status(order) == ("cancelled", "owner", 20, 200)
    assert floor.cancel("ann", order) == "order_ended"
    assert floor.money("ann") == (980, 0, 10_200, 0)
    assert floor.book(ASK) == []


def test_an_order_is_replaced_in_one_transaction(floor: Floor) -> None:
    """testCanceledOffer: another price in place of the first; if the first is gone, nothing happens."""
    order = floor.place("ann", ASK, 100, 1_000).order
    replacement = ("trades", "place", [PAIR, ASK, "gtc", 105, 1_000, 0, "cancel_newest"])
    assert floor.send("ann", ("trades", "cancel", [order]), replacement) == "ok"
    assert floor.book(ASK) == [("2", 105, 1_000)]
    assert floor.send("ann", ("trades", "cancel", [order]), replacement) == "order_ended"
    assert floor.book(ASK) == [("2", 105, 1_000)]


def test_cancel_all_takes_the_senders_orders_of_the_pair(floor: Floor) -> None:
    for price in (100, 105):
        floor.place("ann", ASK, price, 10)
        floor.place("ann", BID, price - 50, 10)
    floor.place("bob", ASK, 100, 10)
    assert [entry[0] for entry in floor.query("own_orders", address_of("ann"), "", 10)] == ["1", "2", "3", "4"]
    assert [entry[0] for entry in floor.query("own_orders", address_of("ann"), "2", 1)] == ["3"]
    assert floor.send("ann", ("trades", "cancel_all", [PAIR])) == "ok"
    assert (floor.book(ASK), floor.book(BID)) == ([("5", 100, 10)], [])
    assert floor.money("ann") == (1_000, 0, 10_000, 0)
    assert floor.query("own_orders", address_of("ann"), "", 10) == []


def test_an_order_expires_by_itself(floor: Floor) -> None:
    """testExpiration: ours goes when its time comes, not when somebody meets it."""
    order = floor.place("ann", ASK, 100, 50, expires_ms=floor.at(5_000)).order
    never = floor.place("bob", ASK, 100, 10).order
    assert floor.place("dan", BID, 100, 20).filled == 20
    floor.later(10_000)
    result = floor.block("dan", ("trades", "place", [PAIR, BID, "gtc", 100, 30, 0, "cancel_newest"]))
    assert [receipt.code for receipt in result.receipts] == ["ok", "ok"]
    assert result.receipts[0].events[-1].name == "OrderEnded"
    assert floor.status(order) == ("expired", "", 20, 200)
    assert floor.status(never) == ("filled", "", 10, 100)
    assert floor.money("ann") == (980, 0, 10_200, 0)
    assert floor.money("dan") == (1_030, 0, 9_500, 200)


def test_orders_expire_in_their_order_by_one_call_of_the_schedule(floor: Floor) -> None:
    times = [floor.at(ms) for ms in (40_000, 20_000, 60_000, 20_000)]
    orders = [floor.place("ann", ASK, 100, 10, expires_ms=time).order for time in times]
    assert floor.cancel("ann", orders[1]) == "ok"
    ended = []
    for _ in range(8):
        floor.later(9_000)
        for receipt in floor.chain.block().receipts:
            ended += [dict(event.fields)["order"] for event in receipt.events if event.name == "OrderEnded"]
    assert ended == [orders[3], orders[0], orders[2]]
    assert floor.money("ann") == (1_000, 0, 10_000, 0)
    assert floor.rows("expiries.index") == {}


def test_own_orders_are_not_traded_with(floor: Floor) -> None:
    """testSelfCrossOffer: three of one's own at one price, and a fourth against them."""
    for _ in range(3):
        floor.place("ann", ASK, 100, 60)
    assert floor.place("ann", BID, 100, 100).status == "cancelled"
    assert floor.status("4") == ("cancelled", "self_trade", 0, 0)
    assert len(floor.book(ASK)) == 3
    assert floor.place("ann", BID, 100, 100, self_trade="cancel_oldest").status == "open"
    assert [floor.status(str(number))[:2] for number in (1, 2, 3)] == [("cancelled", "self_trade")] * 3
    assert (floor.book(ASK), floor.book(BID)) == ([], [("5", 100, 100)])
    assert floor.money("ann") == (1_000, 0, 9_000, 1_000)


def test_cancel_newest_keeps_what_was_filled_before(floor: Floor) -> None:
    floor.place("bob", ASK, 95, 10)
    floor.place("ann", ASK, 100, 10)
    floor.place("bob", ASK, 105, 10)
    assert floor.place("ann", BID, 105, 30) == Placed("ok", "4", "cancelled", 10, 95)
    assert [entry[0] for entry in floor.book(ASK)] == ["2", "3"]


def test_what_is_on_the_book_can_not_be_spent(floor: Floor) -> None:
    """testUnfundedCross, testNegativeBalance: there an owner can pay it away; here the kernel holds it."""
    order = floor.place("ann", BID, 100, 1_000).order
    pay = ("payments", "pay", [address_of("bob"), "USD", 1, ""])
    assert floor.send("ann", pay) == "insufficient_funds"
    assert floor.place("ann", BID, 5, 10).code == "insufficient_funds"
    floor.place("bob", ASK, 100, 500)
    assert floor.send("ann", pay) == "insufficient_funds"
    floor.cancel("ann", order)
    assert floor.send("ann", pay) == "ok"


def test_one_order_meets_a_bounded_number_and_never_rests_across(cents: Floor) -> None:
    calls = [("trades", "place", [PAIR, ASK, "gtc", 1, 1, 0, "cancel_newest"])] * 11
    for _ in range(6):
        assert cents.send("ann", *calls) == "ok"
    placed = cents.place("bob", BID, 2, 100)
    assert (placed.status, placed.filled) == ("cancelled", 64)
    assert cents.status(placed.order)[:2] == ("cancelled", "met_max")
    assert (len(cents.book(ASK)), cents.book(BID)) == (2, [])
    assert cents.place("bob", BID, 2, 36).filled == 2
    assert cents.book(BID) == [("68", 2, 34)]


# ------------------------------------------------------------------------------------------------ orders of the law


@pytest.mark.parametrize("stops", [("settle",), ("receive",), ("send", "receive", "settle")])
def test_who_can_not_settle_stands_in_nobodys_way(floor: Floor, stops: tuple[str, ...]) -> None:
    frozen, behind = floor.place("ann", ASK, 95, 20).order, floor.place("bob", ASK, 100, 20).order
    floor.freeze("ann", *stops)
    assert floor.place("dan", BID, 100, 20) == Placed("ok", "3", "filled", 20, 200)
    assert floor.status(frozen)[:2] == ("cancelled", "cannot_settle")
    assert floor.status(behind)[:2] == ("filled", "")
    assert floor.money("ann") == (1_000, 0, 10_000, 0)


def test_a_freeze_of_sending_lets_a_resting_order_settle(floor: Floor) -> None:
    floor.place("ann", ASK, 95, 20)
    floor.freeze("ann", "send")
    assert floor.place("dan", BID, 100, 10).filled == 10
    assert floor.place("ann", ASK, 95, 20).code == "account_frozen"


def test_a_frozen_order_is_not_shown_and_comes_back_if_nobody_met_it(floor: Floor) -> None:
    order = floor.place("ann", ASK, 95, 20).order
    freeze = floor.freeze("ann", "settle")
    assert (floor.book(ASK), floor.query("best", PAIR)) == ([], [0, 0, 0, 0])
    floor.release(freeze)
    assert floor.book(ASK) == [(order, 95, 20)]
    freeze = floor.freeze("ann", "settle")
    assert floor.send("eve", ("trades", "sweep", [PAIR, ASK])) == "ok"
    floor.release(freeze)
    assert floor.status(order)[:2] == ("cancelled", "cannot_settle")


def test_a_taker_who_may_not_is_refused_and_takes_nobody_off(floor: Floor) -> None:
    floor.place("ann", ASK, 95, 20)
    for stops, asset in ((("send",), QUOTE), (("receive",), BASE), (("settle",), BASE)):
        freeze = floor.freeze("dan", *stops, asset=asset)
        assert floor.place("dan", BID, 100, 20, "ioc").code == "account_frozen"
        floor.release(freeze)
    assert floor.send("marta", ("orders", "freeze_asset", [QUOTE, ["send", "receive"], "R", "Act 1", 0])) == "ok"
    assert floor.place("dan", BID, 100, 20, "ioc").code == "asset_frozen"
    assert floor.book(ASK) == [("1", 95, 20)]


def test_an_order_whose_hold_was_broken_by_a_forced_transfer_goes(floor: Floor) -> None:
    order = floor.place("ann", ASK, 95, 1_000).order
    hold = floor.query("order_info", order)[11]
    terms = [BASE, address_of("ann"), address_of("eve"), 400, [hold], "REF", "Act 1", 0]
    assert floor.send("marta", ("orders", "force_transfer", terms)) == "ok"
    assert floor.book(ASK) == []
    assert floor.place("dan", BID, 100, 20, "ioc").status == "cancelled"
    assert floor.status(order)[:2] == ("cancelled", "cannot_settle")
    assert floor.money("ann") == (600, 0, 10_000, 0)


def test_two_who_may_not_deal_with_each_other(cents: Floor) -> None:
    """A corridor too narrow for the first order lets the second through; nothing comes to rest across the first."""
    cents.place("ann", ASK, 10, 100)
    cents.place("bob", ASK, 11, 20)
    cents.place("eve", ASK, 30, 20)
    assert cents.send("alpine", ("limits", "limit_corridor", [QUOTE, "", "", [["single", 500]]])) == "ok"
    assert cents.place("dan", BID, 11, 100) == Placed("ok", "4", "cancelled", 20, 220)
    assert cents.status("4")[:2] == ("cancelled", "barred")
    assert cents.book(ASK) == [("1", 10, 100), ("3", 30, 20)]
    assert cents.place("dan", BID, 11, 50).filled == 50


def test_a_paused_contract_lets_everybody_out() -> None:
    source = read_library()["trades"]
    right = '    pair = latest.get()[1]\n    if pair == "":\n        return True\n    found = pairs[pair]\n    bids'
    assert source.count(right) == 1
    bent = source.replace(right, f"    if order_count.get() > 3:\n        return False\n{right}")
    floor = Floor.start(sources=(("trades", bent),))
    orders = [floor.place("ann", ASK, 100, 10, expires_ms=ms).order for ms in (0, 0, floor.at(20_000))]
    assert floor.place("ann", ASK, 100, 10).code == "invariant_broken"
    assert floor.place("ann", ASK, 100, 10).code == "contract_paused"
    assert floor.cancel("ann", orders[0]) == "ok"
    assert floor.send("ann", ("trades", "cancel_all", [PAIR])) == "ok"
    assert floor.money("ann") == (1_000, 0, 10_000, 0)
    assert floor.query("service", orders[2]) == [False, [address_of("ann")], "alpine"]


def test_service(floor: Floor) -> None:
    """For feedback: an order that has ended with something filled."""
    floor.place("ann", ASK, 100, 20, expires_ms=floor.at(60_000))
    floor.place("bob", BID, 100, 10)
    ann, bob = address_of("ann"), address_of("bob")
    assert floor.query("service", "1") == [False, [ann], "alpine"]
    assert floor.query("service", "2") == [True, [bob], "alpine"]
    floor.later(100_000)
    floor.chain.block()
    assert floor.query("service", "1") == [True, [ann], "alpine"]


def test_cancel_all_finds_a_pair_behind_many_orders_of_another() -> None:
    source = read_library()["trades"]
    assert source.count("SEEN_MAX = 1_000\n") == 1
    floor = Floor.start(sources=(("trades", source.replace("SEEN_MAX = 1_000\n", "SEEN_MAX = 3\n")),))
    assert floor.send("alpine", ("trades", "open_pair", [QUOTE, BASE, 1, 1])) == "ok"
    for _ in range(7):
        assert floor.place("ann", "sell", 100, 10).status == "open"
    for price in (3, 4):
        assert floor.place("ann", "sell", price, 1, pair=f"{QUOTE}/{BASE}").status == "open"
    assert floor.block("ann", ("trades", "cancel_all", [f"{QUOTE}/{BASE}"])).receipts[-1].results == (2,)
    assert floor.block("ann", ("trades", "cancel_all", [PAIR])).receipts[-1].results == (7,)
    assert floor.money("ann") == (1_000, 0, 10_000, 0)
