"""Trades: an order book for each pair of exact assets, by price, then by arrival.

A price is in the quote's minor units for one lot of the base, and amounts are whole lots: what an order costs is
price x lots, exactly, however it is cut into fills. Every resting order is a kernel hold of just what it can still
cost; each fill is one journal of both legs, at the resting order's price. What can no longer settle (expired,
frozen, its hold gone) is taken off when met and stands in nobody's way. So a book is never crossed, and nothing on it
is unfunded.
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
    query,
    record,
    require,
    unwind,
)

BUY = "buy"
SELL = "sell"
KINDS = ("gtc", "ioc", "fok", "post_only")
MARKET = "market"
NEWEST = "cancel_newest"
OLDEST = "cancel_oldest"
OPEN = "open"
FILLED = "filled"
CANCELLED = "cancelled"
EXPIRED = "expired"
AMOUNT_MAX = 9_223_372_036_854_775_807
# Resting orders that one order meets, at most: filled, or taken off.
MET_MAX = 64
# Resting orders that are read at once.
WALK = 8
PAGE_MAX = 200
# Orders that a query looks at, at most, and that cancel_all reads at once.
SEEN_MAX = 1_000
CANCELS_MAX = 100
# Expired orders that one scheduled run takes off.
EXPIRED_MAX = 32
EXPIRY_FUEL = 4_000_000
EXPIRY_RETRIES = 3
EXPIRY_RETRY_MS = 60_000


@record
class Pair:
    number: int
    base: Asset
    quote: Asset
    tick: Amount
    lot: Amount
    operator: str
    halted: bool


@record
class Order:
    """What stands on the book is ``amount - filled``; ``paid`` is the quote that moved; ``hold`` reserves the rest."""

    pair: str
    owner: Address
    trader: int
    side: str
    kind: str
    price: Amount
    amount: Amount
    filled: Amount
    paid: Amount
    placed_ms: int
    expires_ms: int
    hold: str
    status: str
    reason: str


pairs: Map[str, Pair] = Map()
pair_names: Map[int, str] = Map()
pair_count: Value[int] = Value(0)
orders: Map[str, Order] = Map()
order_count: Value[int] = Value(0)
# (pair and side, rank of the price, arrival) -> order.
resting: OrderedMap[tuple[int, int, int], str] = OrderedMap()
traders: Map[Address, int] = Map()
trader_count: Value[int] = Value(0)
# (trader, arrival) -> order.
open_orders: OrderedMap[tuple[int, int], str] = OrderedMap()
last_trades: Map[str, tuple[Amount, Amount, int]] = Map()
# What the orders on all books can still cost.
booked: Map[Asset, Amount] = Map()
# (expiry in ms, arrival) -> order, of those that rest.
expiries: OrderedMap[tuple[int, int], str] = OrderedMap()
# The scheduled run that takes off what has expired, and its time.
planned: Value[tuple[int, int]] = Value((0, 0))
# The order on a book that was written last, and its pair: what the invariants look at.
latest: Value[tuple[str, str]] = Value(("", ""))


@action
def open_pair(base: Asset, quote: Asset, tick: Amount, lot: Amount) -> str:
    """A bank, or the base's issuer, opens the book of a pair; answers the pair's id."""
    operator = ledger.member_of(ctx.caller)
    require(operator != "", "not_a_member", "a bank or the base's issuer opens a book")
    issuer = ledger.asset_info(base)[0]
    require(
        operator == issuer or ledger.member_role(operator) == "bank", "not_the_operator",
        "a bank or the base's issuer opens a book",
    )
    ledger.asset_info(quote)
    require(base != quote, "bad_pair", "an asset is not traded for itself")
    require(0 < tick <= AMOUNT_MAX and 0 < lot <= AMOUNT_MAX, "bad_pair", "tick and lot are at least 1")
    pair = base + "/" + quote
    require(pair not in pairs, "pair_exists", f"{pair} has a book")
    number = pair_count.get() + 1
    pair_count.set(number)
    pair_names[number] = pair
    pairs[pair] = Pair(number, base, quote, tick, lot, operator, False)
    emit("PairOpened", pair=pair, base=base, quote=quote, tick=tick, lot=lot, operator=operator)
    return pair


@action
def halt(pair: str, halted: bool) -> None:
    """The operator stops new orders, or lets them in again; what rests can be cancelled all the while."""
    found = known_pair(pair)
    require(ledger.member_of(ctx.caller) == found.operator, "not_the_operator", f"{found.operator} runs {pair}")
    found.halted = halted
    pairs[pair] = found
    emit("PairHalted", pair=pair, halted=halted)


@action
def place(
    pair: str, side: str, kind: str, price: Amount, amount: Amount, expires_ms: int, self_trade: str
) -> tuple[str, str, Amount, Amount]:
    """A limit order: gtc, ioc, fok or post_only. Answers its id, status, amount filled, and quote moved.

    ``expires_ms`` is 0 for never. ``self_trade`` says what goes when it would meet an order of its owner:
    cancel_newest (this one's rest) or cancel_oldest (the resting one).
    """
    found = tradable(pair, side, amount, self_trade)
    require(kind in KINDS, "bad_order", "a limit order is gtc, ioc, fok or post_only")
    require(
        0 < price <= AMOUNT_MAX and price % found.tick == 0, "bad_price", f"a price is a multiple of {found.tick}"
    )
    require(price * (amount // found.lot) <= AMOUNT_MAX, "bad_amount", "the order costs more than an amount can be")
    if kind == "ioc" or kind == "fok":
        require(expires_ms == 0, "bad_expiry", "ioc and fok are over at once")
    else:
        require(expires_ms == 0 or expires_ms > ctx.time_ms, "bad_expiry", "the order would have expired already")
    return traded(found, pair, side, kind, price, amount, expires_ms, self_trade)


@action
def market(pair: str, side: str, amount: Amount, guard: Amount, self_trade: str) -> tuple[str, str, Amount, Amount]:
    """Take what is there, at ``guard`` a lot or better, as far as the sender's money goes; the rest is cancelled."""
    found = tradable(pair, side, amount, self_trade)
    require(0 < guard <= AMOUNT_MAX, "bad_price", "the guard is the worst price the sender takes")
    return traded(found, pair, side, MARKET, guard, amount, 0, self_trade)


@unwind
def cancel(order: str) -> None:
    """The owner takes an order off the book; what it reserved is free."""
    found = known_order(order)
    require(found.owner == ctx.caller, "not_the_owner", "the owner cancels an order")
    require(found.status == OPEN, "order_ended", f"the order is {found.status}")
    take_off(order, found, CANCELLED, "owner")


@unwind
def cancel_all(pair: str) -> int:
    """Cancel the sender's open orders of a pair, the oldest first, up to 100; gives how many."""
    trader = traders.get(ctx.caller, 0)
    start = (trader, 0)
    count = 0
    walked = SEEN_MAX
    while walked == SEEN_MAX:
        page = open_orders.ascending(SEEN_MAX, start=start, stop=(trader + 1,))
        walked = len(page)
        for key, name in page:
            start = (trader, key[1] + 1)
            found = orders[name]
            if found.pair == pair:
                take_off(name, found, CANCELLED, "owner")
                count += 1
                if count == CANCELS_MAX:
                    return count
    return count


@unwind
def expire(argument: str) -> None:
    """Take expired orders off all books, the first to expire first. The schedule calls this by itself; anybody may."""
    for entry in expiries.ascending(EXPIRED_MAX, stop=(ctx.time_ms + 1,)):
        take_off(entry[1], orders[entry[1]], EXPIRED, "")
    plan()


@unwind
def sweep(pair: str, side: str) -> int:
    """Anybody takes what can't settle off the front of a side, until an order that can; gives how many went."""
    found = known_pair(pair)
    require(side in (BUY, SELL), "bad_order", "a side is buy or sell")
    first = half_of(found, side)
    count = 0
    while count < MET_MAX:
        walked = resting.ascending(WALK, start=(first,), stop=(first + 1,))
        for entry in walked:
            if stays(entry[1], orders[entry[1]]):
                return count
            count += 1
        if len(walked) < WALK:
            break
    return count


# ------------------------------------------------------------------------------------------------------- trading


def traded(
    found: Pair, pair: str, side: str, kind: str, price: Amount, amount: Amount, expires_ms: int, self_trade: str
) -> tuple[str, str, Amount, Amount]:
    """Match the order, then let its rest stand, or not, as its kind says."""
    number = order_count.get() + 1
    order_count.set(number)
    name = str(number)
    owner = ctx.caller
    order = Order(
        pair, owner, trader_of(owner), side, kind, price, amount, Amount(0), Amount(0), ctx.time_ms, expires_ms, "",
        OPEN, "",
    )
    emit(
        "OrderPlaced", order=name, pair=pair, owner=owner, side=side, kind=kind, price=price, amount=amount,
        expires_ms=expires_ms,
    )
    match(found, name, order, self_trade)
    if order.filled == order.amount:
        order.status = FILLED
    elif kind == "fok":
        fail("not_filled", "the book does not fill the order")
    elif order.status == OPEN and (kind == "ioc" or kind == MARKET):
        end(order, CANCELLED, "unfilled")
    if order.status == OPEN:
        rest(found, name, number, order)
    else:
        emit("OrderEnded", order=name, owner=owner, status=order.status, reason=order.reason, filled=order.filled)
    orders[name] = order
    return name, order.status, order.filled, order.paid


def match(found: Pair, name: str, order: Order, self_trade: str) -> None:
    """Fill from the other side, best price first, then arrival, until nothing crosses or the order is over."""
    start = (half_of(found, SELL if order.side == BUY else BUY), -AMOUNT_MAX, 0)
    stop = (start[0], order.price + 1 if order.side == BUY else 1 - order.price)
    met = 0
    walked = WALK
    barred = False
    while walked == WALK:
        page = resting.ascending(WALK, start=start, stop=stop)
        walked = len(page)
        for key, maker_name in page:
            if met == MET_MAX:
                end(order, CANCELLED, "met_max")
                return
            met += 1
            start = (key[0], key[1], key[2] + 1)
            maker = orders[maker_name]
            if not stays(maker_name, maker):
                continue
            require(order.kind != "post_only", "would_cross", f"order {maker_name} would be met at {maker.price}")
            if maker.owner != order.owner:
                barred = fill(found, name, order, maker_name, maker) == "pair" or barred
            elif self_trade == NEWEST:
                end(order, CANCELLED, "self_trade")
            else:
                take_off(maker_name, maker, CANCELLED, "self_trade")
            if order.status != OPEN or order.filled == order.amount:
                return
    if barred:
        end(order, CANCELLED, "barred")


def fill(found: Pair, name: str, order: Order, maker_name: str, maker: Order) -> str:
    """One fill at the maker's price, in one journal: the maker's part from its hold, the taker's from what is free.

    Answers what stops it: ``holder``, and the maker's order is taken off; ``pair``, and it stays; or nothing. Where it
    is the taker that may not, the kernel's own refusal ends the call.
    """
    lots = min(order.amount - order.filled, maker.amount - maker.filled) // found.lot
    if order.kind == MARKET and order.side == BUY:
        lots = min(lots, ledger.balance(found.quote, order.owner) // maker.price)
        if lots == 0:
            end(order, CANCELLED, "funds")
            return ""
    amount, cost = Amount(lots * found.lot), Amount(lots * maker.price)
    if order.side == BUY:
        asset, given, taken = found.quote, cost, amount
    else:
        asset, given, taken = found.base, amount, cost
    stopped = ledger.may_exchange(maker.hold, order.owner, taken, asset, given)
    if stopped == "holder":
        take_off(maker_name, maker, CANCELLED, "cannot_settle")
    if stopped == "holder" or stopped == "pair":
        return stopped
    rests = maker.filled + amount < maker.amount
    kept = ledger.post_holds(
        [(maker.hold, order.owner, taken, rests)],
        [(asset, order.owner, -given), (asset, maker.owner, given)],
        "trade",
        f"{maker_name}/{name}",
    )
    count_reserved(found, maker.side, -taken)
    for part in (order, maker):
        part.filled = Amount(part.filled + amount)
        part.paid = Amount(part.paid + cost)
    last_trades[maker.pair] = (maker.price, amount, ctx.time_ms)
    emit(
        "Trade", pair=maker.pair, maker=maker_name, taker=name, side=order.side, price=maker.price, amount=amount,
        cost=cost, maker_owner=maker.owner, taker_owner=order.owner,
    )
    maker.hold = kept[0]
    if rests:
        orders[maker_name] = maker
        latest.set((maker_name, maker.pair))
    else:
        leave(found, maker_name, maker, FILLED, "")
    return ""


def rest(found: Pair, name: str, number: int, order: Order) -> None:
    """Let what is left stand on the book, under a hold of what it can cost."""
    reserved = can_cost(found, order)
    asset = found.quote if order.side == BUY else found.base
    order.hold = ledger.hold(asset, order.owner, reserved, Address(""), order.expires_ms, "order", name)
    count_reserved(found, order.side, reserved)
    resting[half_of(found, order.side), rank_of(order), number] = name
    open_orders[order.trader, number] = name
    latest.set((name, order.pair))
    if order.expires_ms:
        expiries[order.expires_ms, number] = name
        plan()
    emit("OrderRests", order=name, owner=order.owner, hold=order.hold, reserved=reserved)


def stays(name: str, order: Order) -> bool:
    """Whether a resting order can settle; one that can't is taken off the book."""
    if is_expired(order):
        take_off(name, order, EXPIRED, "")
        return False
    if not ledger.may_settle(order.hold):
        take_off(name, order, CANCELLED, "cannot_settle")
        return False
    return True


def take_off(name: str, order: Order, status: str, reason: str) -> None:
    """End an order that rests, and free what it still reserves."""
    found = pairs[order.pair]
    ledger.free_hold(order.hold)
    count_reserved(found, order.side, -can_cost(found, order))
    leave(found, name, order, status, reason)


def leave(found: Pair, name: str, order: Order, status: str, reason: str) -> None:
    """An order leaves the book; its hold is resolved."""
    end(order, status, reason)
    number = int(name)
    del resting[half_of(found, order.side), rank_of(order), number]
    del open_orders[order.trader, number]
    if order.expires_ms:
        del expiries[order.expires_ms, number]
    orders[name] = order
    emit("OrderEnded", order=name, owner=order.owner, status=status, reason=reason, filled=order.filled)


def plan() -> None:
    """Have the schedule call when the next order expires. One call waits, however many orders do."""
    first = expiries.first()
    number, due_ms = planned.get()
    if first is None or (first[0] >= due_ms and ledger.schedule_status(number) == "pending"):
        return
    if ledger.schedule_status(number) != "":
        ledger.cancel_schedule(number)
    planned.set((ledger.schedule("expire", "", first[0], EXPIRY_FUEL, EXPIRY_RETRIES, EXPIRY_RETRY_MS), first[0]))


def end(order: Order, status: str, reason: str) -> None:
    order.status = status
    order.reason = reason


def can_cost(found: Pair, order: Order) -> Amount:
    """What is left of the order costs this at most: exactly what its hold reserves."""
    left = order.amount - order.filled
    return Amount(left // found.lot * order.price if order.side == BUY else left)


def count_reserved(found: Pair, side: str, change: int) -> None:
    asset = found.quote if side == BUY else found.base
    booked[asset] = Amount(booked.get(asset, Amount(0)) + change)


def is_expired(order: Order) -> bool:
    return 0 < order.expires_ms <= ctx.time_ms


def half_of(found: Pair, side: str) -> int:
    """One side of one pair's book, as the first part of its keys."""
    return 2 * found.number + (1 if side == BUY else 0)


def rank_of(order: Order) -> int:
    """Lesser ranks are better prices."""
    return -order.price if order.side == BUY else order.price


def trader_of(owner: Address) -> int:
    number = traders.get(owner)
    if number is None:
        number = trader_count.get() + 1
        trader_count.set(number)
        traders[owner] = number
    return number


# -------------------------------------------------------------------------------------------------------- checks


def known_pair(pair: str) -> Pair:
    found = pairs.get(pair)
    if found is None:
        shown = pair[:128]
        fail("unknown_pair", f"{shown} has no book")
    return found


def known_order(order: str) -> Order:
    found = orders.get(order)
    if found is None:
        shown = order[:32]
        fail("unknown_order", f"no order is numbered {shown}")
    return found


def tradable(pair: str, side: str, amount: Amount, self_trade: str) -> Pair:
    """The pair, where an order of that side and amount may be placed now."""
    found = known_pair(pair)
    require(not found.halted, "pair_halted", f"{found.operator} has stopped new orders")
    require(side in (BUY, SELL), "bad_order", "a side is buy or sell")
    require(self_trade in (NEWEST, OLDEST), "bad_order", "self_trade is cancel_newest or cancel_oldest")
    require(
        0 < amount <= AMOUNT_MAX and amount % found.lot == 0, "bad_amount", f"an amount is a multiple of {found.lot}"
    )
    return found


# ------------------------------------------------------------------------------------------------------- queries


@invariant
def never_crossed() -> bool:
    """The best bid of the pair that was written last is below its best ask."""
    pair = latest.get()[1]
    if pair == "":
        return True
    found = pairs[pair]
    bids = resting.ascending(1, start=(half_of(found, BUY),), stop=(half_of(found, BUY) + 1,))
    asks = resting.ascending(1, start=(half_of(found, SELL),), stop=(half_of(found, SELL) + 1,))
    return not bids or not asks or -bids[0][0][1] < asks[0][0][1]


@invariant
def always_funded() -> bool:
    """The order that was written last has reserved just what it can still cost, while its hold is open."""
    name, pair = latest.get()
    if name == "":
        return True
    order = orders[name]
    if order.status != OPEN:
        return True
    hold = ledger.hold_info(order.hold)
    return hold[5] != OPEN or hold[2] == can_cost(pairs[pair], order)


@invariant
def all_accounted() -> bool:
    """No more is reserved than orders can cost; less where a hold ended without us: expired, or broken by an order."""
    pair = latest.get()[1]
    if pair == "":
        return True
    found = pairs[pair]
    return (
        ledger.reserved(found.base) <= booked.get(found.base, Amount(0))
        and ledger.reserved(found.quote) <= booked.get(found.quote, Amount(0))
    )


@query
def pair_info(pair: str) -> Pair:
    """Number, base, quote, tick, lot, operator, whether it is halted."""
    return known_pair(pair)


@query
def pairs_from(first: int, limit: int) -> list[str]:
    """Ids of up to ``limit`` pairs, in the order of opening, from the ``first``-th (1, 2, ...) on."""
    last = min(pair_count.get(), first + min(limit, PAGE_MAX) - 1)
    return [pair_names[number] for number in range(max(first, 1), last + 1)]


@query
def best(pair: str) -> tuple[Amount, Amount, Amount, Amount]:
    """The best bid and its amount, the best ask and its amount; 0 where a side has none."""
    bid = depth_of(pair, BUY, 1)
    ask = depth_of(pair, SELL, 1)
    bid_price, bid_amount = (bid[0][0], bid[0][1]) if bid else (Amount(0), Amount(0))
    ask_price, ask_amount = (ask[0][0], ask[0][1]) if ask else (Amount(0), Amount(0))
    return bid_price, bid_amount, ask_price, ask_amount


@query
def depth(pair: str, side: str, levels: int) -> list[tuple[Amount, Amount, int]]:
    """The best prices of a side: price, amount that can be had there, number of orders."""
    return depth_of(pair, side, min(levels, PAGE_MAX))


@query
def last_trade(pair: str) -> tuple[Amount, Amount, int]:
    """Price, amount and time of the pair's last trade; zeros where there was none."""
    return last_trades.get(pair, (Amount(0), Amount(0), 0))


@query
def book_page(pair: str, side: str, after: str, limit: int) -> list[tuple[str, Amount, Amount]]:
    """Live orders of a side, best first: id, price, amount left. ``after`` is the last id of the page before."""
    found = known_pair(pair)
    first = half_of(found, side)
    start = (first, -AMOUNT_MAX, 0)
    if after != "":
        last = known_order(after)
        start = (first, rank_of(last), int(after) + 1)
    return live_orders(start, min(limit, PAGE_MAX), SEEN_MAX)


@query
def order_info(order: str) -> Order:
    """The order as it is at this time: one that has expired says so, whether or not it was taken off yet."""
    return as_of_now(known_order(order))


@query
def own_orders(owner: Address, after: str, limit: int) -> list[tuple[str, Order]]:
    """The owner's open orders, oldest first. ``after`` is the last id of the page before, or empty."""
    trader = traders.get(owner, 0)
    start = (trader, 0 if after == "" else int(after) + 1)
    return [
        (name, as_of_now(orders[name]))
        for key, name in open_orders.ascending(min(limit, PAGE_MAX), start=start, stop=(trader + 1,))
    ]


@query
def service(order: str) -> tuple[bool, list[Address], str]:
    """For feedback: an order that has ended with something filled, its owner, and who runs the book."""
    found = as_of_now(known_order(order))
    return found.status != OPEN and found.filled > 0, [found.owner], pairs[found.pair].operator


def as_of_now(order: Order) -> Order:
    if order.status == OPEN and is_expired(order):
        order.status = EXPIRED
    return order


def live_orders(start: tuple[int, int, int], limit: int, levels: int) -> list[tuple[str, Amount, Amount]]:
    """Orders from a key on that could be met now, at so many prices: id, price, amount left. A bounded look."""
    live: list[tuple[str, Amount, Amount]] = []
    seen = 0
    walked = WALK
    while walked == WALK and len(live) < limit and seen < SEEN_MAX:
        page = resting.ascending(WALK, start=start, stop=(start[0] + 1,))
        walked = len(page)
        seen += walked
        for key, name in page:
            start = (key[0], key[1], key[2] + 1)
            found = orders[name]
            if is_expired(found) or not ledger.may_settle(found.hold):
                continue
            if not live or live[-1][1] != found.price:
                levels -= 1
            if levels < 0 or len(live) == limit:
                return live
            live.append((name, found.price, Amount(found.amount - found.filled)))
    return live


def depth_of(pair: str, side: str, levels: int) -> list[tuple[Amount, Amount, int]]:
    require(side in (BUY, SELL), "bad_order", "a side is buy or sell")
    found: list[tuple[Amount, Amount, int]] = []
    for entry in live_orders((half_of(known_pair(pair), side), -AMOUNT_MAX, 0), SEEN_MAX, levels):
        price, left = entry[1], entry[2]
        if found and found[-1][0] == price:
            found[-1] = (price, Amount(found[-1][1] + left), found[-1][2] + 1)
        else:
            found.append((price, left, 1))
    return found
