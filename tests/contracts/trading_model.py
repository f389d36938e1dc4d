"""A market as a few lists: what the trades contract should come to, written from its page and not from its source.

There are no holds here and no book: only orders in the order of arrival and what each party owns. What is reserved is
worked out from the orders whenever somebody asks, and the best order is looked for among all of them.
"""

from dataclasses import dataclass, field

MET_MAX = 64


@dataclass
class Wish:
    """An order: ``left`` lots at ``price`` each."""

    number: int
    owner: str
    buys: bool
    price: int
    left: int
    expires_ms: int
    ended: str = ""
    got: int = 0
    paid: int = 0


@dataclass
class Market:
    """All orders, what everybody owns (held or not), and who is frozen how."""

    tick: int
    lot: int
    base: dict[str, int]
    quote: dict[str, int]
    wishes: list[Wish] = field(default_factory=list)
    frozen: dict[str, frozenset[str]] = field(default_factory=dict)

    def place(
        self, owner: str, buys: bool, kind: str, price: int, lots: int, expires_ms: int, oldest: bool, now_ms: int
    ) -> str:
        """The code of a placement; what it does is done."""
        before = self._copy()
        code = self._place(owner, buys, kind, price, lots, expires_ms, oldest, now_ms)
        if code != "ok":
            self.wishes, self.base, self.quote = before
        return code

    def cancel(self, owner: str, number: int, now_ms: int) -> str:
        """The code of a cancellation."""
        self.expire(now_ms)
        wish = next((wish for wish in self.wishes if wish.number == number), None)
        if wish is None:
            return "unknown_order"
        if wish.owner != owner:
            return "not_the_owner"
        if wish.ended:
            return "order_ended"
        wish.ended = "cancelled"
        return "ok"

    def expire(self, now_ms: int) -> None:
        """End what has expired."""
        for wish in self.wishes:
            if not wish.ended and 0 < wish.expires_ms <= now_ms:
                wish.ended = "expired"

    def reserved(self, owner: str, of_quote: bool) -> int:
        """What the owner's open orders can still cost."""
        return sum(
            wish.left * (wish.price if of_quote else self.lot)
            for wish in self.wishes
            if wish.owner == owner and not wish.ended and wish.buys == of_quote
        )

    def free(self, owner: str, of_quote: bool) -> int:
        """What the owner can spend."""
        return (self.quote if of_quote else self.base)[owner] - self.reserved(owner, of_quote)

    def side(self, buys: bool) -> list[tuple[str, int, int]]:
        """The live orders of a side as the contract's pages show them."""
        live = [wish for wish in self.wishes if not wish.ended and wish.buys == buys]
        live = [wish for wish in live if not self._stops(wish.owner, "settle")]
        live.sort(key=lambda wish: (-wish.price if buys else wish.price, wish.number))
        return [(str(wish.number), wish.price, wish.left * self.lot) for wish in live]

    def _place(
        self, owner: str, buys: bool, kind: str, price: int, lots: int, expires_ms: int, oldest: bool, now_ms: int
    ) -> str:
        self.expire(now_ms)
        if lots <= 0:
            return "bad_amount"
        if price <= 0 or (kind != "market" and price % self.tick):
            return "bad_price"
        if expires_ms and (expires_ms <= now_ms or kind in ("ioc", "fok")):
            return "bad_expiry"
        mine = Wish(len(self.wishes) + 1, owner, buys, price, lots, expires_ms)
        for _ in range(MET_MAX + 1):
            against = [
                wish
                for wish in self.wishes
                if not wish.ended and wish.buys != buys and (wish.price <= price if buys else wish.price >= price)
            ]
            if not against or not mine.left or mine.ended:
                break
            best = min(against, key=lambda wish: (wish.price if buys else -wish.price, wish.number))
            if self._stops(best.owner, "settle"):
                best.ended = "cancelled"
            elif kind == "post_only":
                return "would_cross"
            elif best.owner == owner and not oldest:
                mine.ended = "cancelled"
            elif best.owner == owner:
                best.ended = "cancelled"
            else:
                refusal = self._deal(mine, best, kind)
                if refusal:
                    return refusal
        if kind == "fok" and mine.left:
            return "not_filled"
        if not mine.left:
            mine.ended = "filled"
        elif not mine.ended and kind in ("ioc", "market"):
            mine.ended = "cancelled"
        if not mine.ended:
            needed = mine.left * (price if buys else self.lot)
            if self._stops(owner, "send"):
                return "account_frozen"
            if self.free(owner, buys) < needed:
                return "insufficient_funds"
        self.wishes.append(mine)
        return "ok"

    def _deal(self, mine: Wish, best: Wish, kind: str) -> str:
        lots = min(mine.left, best.left)
        if kind == "market" and mine.buys:
            lots = min(lots, self.free(mine.owner, True) // best.price)
            if not lots:
                mine.ended = "cancelled"
                return ""
        if self._stops(mine.owner, "send") or self._stops(mine.owner, "receive") or self._stops(mine.owner, "settle"):
            return "account_frozen"
        if self._stops(best.owner, "receive"):
            best.ended = "cancelled"
            return ""
        cost, pieces = lots * best.price, lots * self.lot
        if self.free(mine.owner, mine.buys) < (cost if mine.buys else pieces):
            return "insufficient_funds"
        buyer, seller = (mine, best) if mine.buys else (best, mine)
        self.base[buyer.owner] += pieces
        self.base[seller.owner] -= pieces
        self.quote[buyer.owner] -= cost
        self.quote[seller.owner] += cost
        for wish in (mine, best):
            wish.left -= lots
            wish.got += pieces
            wish.paid += cost
        if not best.left:
            best.ended = "filled"
        return ""

    def _stops(self, owner: str, how: str) -> bool:
        return how in self.frozen.get(owner, frozenset())

    def _copy(self) -> tuple[list[Wish], dict[str, int], dict[str, int]]:
        wishes = [Wish(*[getattr(wish, name) for name in Wish.__dataclass_fields__]) for wish in self.wishes]
        return wishes, dict(self.base), dict(self.quote)
