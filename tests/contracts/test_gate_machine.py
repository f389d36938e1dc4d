"""The gate against a plain model: random money, holds, orders, identities and limits over many days.

The model keeps a list of everything that ever counted and looks all of it through each time; it knows no windows, flags
or rows. It gives all reasons for which a step may be refused: the kernel does the step if there are none, and
else refuses it with one of them. Beside the model stands what needs none: whatever a step was, money that an order
stops has not moved the way it stops, unless the step was an order itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from contracts.kernel import accounts, freezes, groups, holds, layout, ledger, limit_rules, limits, orders
from contracts.kernel.scope import Scope
from contracts.language.faults import ContractError
from state.address import contract_address
from tests.contracts.courthouse import USD, desk_with_officials, identify
from tests.contracts.network import PREFIX, address_of

DAY_MS = 86_400_000
CUSTOMERS = {"ann": "CH", "bob": "FR", "cid": "CH"}
VAULT = contract_address(PREFIX, "spender")
PLACES = {name: address_of(name) for name in (*CUSTOMERS, "alpine")} | {"vault": VAULT}
WORDS = ("send", "receive", "settle")
CORRIDOR_DAY = 900

names = st.sampled_from(tuple(PLACES))
customers = st.sampled_from(tuple(CUSTOMERS))
amounts = st.integers(1, 400) | st.sampled_from([1, 500, 1_000])
stops = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True)


@dataclass
class Held:
    """A hold, as the model knows it."""

    owner: str
    to: str
    amount: int
    expires_ms: int
    made_ms: int
    epoch: int
    group: str = ""
    is_open: bool = True


@dataclass
class Counted:
    """Something that counts against limits."""

    who: str
    way: str
    day: int
    amount: int
    hold: str = ""
    country: str = ""


@dataclass
class Frozen:
    """An order that freezes."""

    subject: str
    asset: str
    amount: int
    stops: tuple[str, ...]
    expires_ms: int
    released: bool = False


@dataclass
class Model:
    """What should be true."""

    time_ms: int
    free: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PLACES, 0))
    holds: dict[str, Held] = field(default_factory=dict)
    counted: list[Counted] = field(default_factory=list)
    orders: dict[int, Frozen] = field(default_factory=dict)
    rules: dict[str, dict[str, int]] = field(default_factory=dict)
    identities: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    level: int = 0
    epoch: int = 0
    corridor: bool = False

    # ------------------------------------------------------------------------------------------- what there is

    def live(self, hold: str) -> bool:
        held = self.holds[hold]
        return held.is_open and (not held.expires_ms or self.time_ms < held.expires_ms)

    def held(self, who: str) -> int:
        return sum(held.amount for hold, held in self.holds.items() if held.owner == who and self.live(hold))

    def available(self, who: str) -> int:
        return self.free[who] + sum(
            held.amount
            for hold, held in self.holds.items()
            if held.owner == who and held.is_open and not self.live(hold)
        )

    def binding(self, subject: str, word: str) -> list[Frozen]:
        return [
            frozen
            for frozen in self.orders.values()
            if frozen.subject == subject
            and word in frozen.stops
            and not frozen.released
            and (not frozen.expires_ms or self.time_ms < frozen.expires_ms)
            and frozen.asset in ("", USD)
        ]

    # ------------------------------------------------------------------------------------------ what stops a step

    def free_reasons(self, changes: list[tuple[str, int]]) -> set[str]:
        """Why free legs may be refused, but for funds; a party named ``supply`` is the supply."""
        reasons: set[str] = set()
        for who, change in changes:
            if who == "supply":
                continue
            word = "send" if change < 0 else "receive"
            if self.binding("asset", word):
                reasons.add("asset_frozen")
            binding = self.binding(who, word)
            if any(not frozen.amount for frozen in binding):
                reasons.add("account_frozen")
            parts = sum(frozen.amount for frozen in binding)
            total = sum(amount for party, amount in changes if party == who)
            if parts and total < 0 and self.available(who) + total < parts:
                reasons.add("account_frozen")
            reasons |= self.identity_reasons(who)
        return reasons | self.limit_reasons(changes)

    def identity_reasons(self, who: str) -> set[str]:
        if who not in CUSTOMERS:
            return set()
        status, level, _ = self.identities.get(who, ("", 0, ""))
        if status in ("suspended", "revoked"):
            return {f"identity_{status}"}
        if self.level and (status != "verified" or level < self.level):
            return {"identity_required"}
        return set()

    def limit(self, who: str, name: str) -> int | None:
        status, _, risk = self.identities.get(who, ("", 0, ""))
        risk = risk if status == "verified" else "unverified"
        set_there = [rule[name] for kind, rule in self.rules.items() if kind in ("", risk) and name in rule]
        if not set_there:
            return None
        return max(set_there) if name == "balance_min" else min(set_there)

    def sum_of(self, who: str, way: str, days: int, country: str = "") -> int:
        today = self.time_ms // DAY_MS
        return sum(
            entry.amount
            for entry in self.counted
            if (entry.who, entry.way, entry.country) == (who, way, country)
            and today - days < entry.day <= today
            and not self.is_due(entry)
        )

    def is_due(self, entry: Counted) -> bool:
        """Whether it is an owner's for a hold that has expired: it no longer counts, released or not."""
        return entry.way == "out" and bool(entry.hold) and not entry.country and not self.live_or_closed(entry.hold)

    def live_or_closed(self, hold: str) -> bool:
        return self.live(hold) or not self.holds[hold].is_open or self.holds[hold].epoch != self.epoch

    def limit_reasons(self, changes: list[tuple[str, int]]) -> set[str]:
        sums: dict[str, int] = {}
        for who, change in changes:
            sums[who] = sums.get(who, 0) + change
        for who, change in sums.items():
            if who not in CUSTOMERS or not change or not self.is_limited:
                continue
            way, amount = ("out", -change) if change < 0 else ("in", change)
            for name, total in (
                (f"single_{way}", amount),
                (f"day_{way}", self.sum_of(who, way, 1) + amount),
                (f"rolling_{way}", self.sum_of(who, way, 30) + amount),
            ):
                limit = self.limit(who, name)
                if limit is not None and total > limit:
                    return {"limit_exceeded"}
            least, most = self.limit(who, "balance_min"), self.limit(who, "balance_max")
            if change < 0 and least and self.available(who) + change < least:
                return {"limit_exceeded"}
            if change > 0 and most is not None and self.available(who) + self.held(who) + change > most:
                return {"limit_exceeded"}
            if change < 0:
                for country, share in self.abroad(who, -change, changes).items():
                    if self.sum_of(who, "out", 1, country) + share > CORRIDOR_DAY:
                        return {"limit_exceeded"}
        return set()

    @property
    def is_limited(self) -> bool:
        return any(self.rules.values()) or self.corridor

    def country(self, who: str) -> str:
        return CUSTOMERS[who] if self.identities.get(who, ("",))[0] == "verified" else ""

    def abroad(self, who: str, amount: int, changes: list[tuple[str, int]]) -> dict[str, int]:
        """What goes from CH to FR, the one corridor, of a payer's amount."""
        if not self.corridor or self.country(who) != "CH":
            return {}
        there = sum(
            change
            for to, change in changes
            if change > 0 and to in CUSTOMERS and to != who and self.country(to) == "FR"
        )
        return {"FR": min(there, amount)} if there else {}

    def settle_reasons(self, fills: list[tuple[str, str, int]]) -> set[str]:
        """Why posting (owner, receiver, amount) may be refused by freezes."""
        reasons = {"asset_frozen"} if self.binding("asset", "settle") else set()
        for owner, to, _ in fills:
            for who in (owner, to):
                binding = self.binding(who, "settle")
                if any(not frozen.amount for frozen in binding):
                    reasons.add("account_frozen")
                total = sum(amount for _, party, amount in fills if party == who)
                total -= sum(amount for party, _, amount in fills if party == who)
                parts = sum(frozen.amount for frozen in binding)
                if parts and total < 0 and self.available(who) + self.held(who) + total < parts:
                    reasons.add("account_frozen")
        return reasons

    # ------------------------------------------------------------------------------------------- what a step does

    def count(self, changes: list[tuple[str, int]], hold: str = "") -> None:
        sums: dict[str, int] = {}
        for who, change in changes:
            sums[who] = sums.get(who, 0) + change
        today = self.time_ms // DAY_MS
        for who, change in sums.items():
            if who not in CUSTOMERS or not change or not self.is_limited:
                continue
            self.counted.append(Counted(who, "out" if change < 0 else "in", today, abs(change), hold))
            for country, share in self.abroad(who, -change, changes).items() if change < 0 else ():
                self.counted.append(Counted(who, "out", today, share, hold, country))

    def close(self, hold: str, posted: int = 0) -> None:
        """The hold ends; what is not posted goes back, and counts no longer."""
        held = self.holds[hold]
        held.is_open = False
        self.free[held.owner] += held.amount - posted
        self.uncount(hold, held.amount - posted)

    def uncount(self, hold: str, amount: int) -> None:
        if self.is_limited and self.holds[hold].epoch == self.epoch:
            for entry in self.counted:
                if entry.hold == hold:
                    entry.amount -= amount

    def due(self) -> list[str]:
        return [hold for hold, held in self.holds.items() if held.is_open and not self.live(hold)]


class Gate(RuleBasedStateMachine):
    """Steps on the kernel and the model together."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = desk_with_officials()
        self.desk.time_ms += DAY_MS - self.desk.time_ms % DAY_MS
        accounts.create_for_contract(self.desk.scope(), "spender")
        self.model = Model(self.desk.time_ms)
        self.is_ordered = False
        self.minted = 0

    @initialize(corridor=st.booleans(), known=st.booleans())
    def begin(self, corridor: bool, known: bool) -> None:
        for name in PLACES:
            ledger.mint(self.desk.scope("alpine"), USD, PLACES[name], 2_000, "deposit", "")
            self.model.free[name] = 2_000
            self.minted += 2_000
        if known:
            for name in CUSTOMERS:
                self.identity(name, "verified", 2, "low")
        if corridor:
            limit_rules.set_corridor(self.desk.scope("alpine"), USD, "CH", "FR", [("day", CORRIDOR_DAY)])
            self.model.corridor = True
        self.tick(1)

    # ------------------------------------------------------------------------------------------------------ money

    @rule(source=names, to=names, amount=amounts)
    def pay(self, source: str, to: str, amount: int) -> None:
        self.journal([(source, -amount), (to, amount)])

    @rule(source=names, first=names, second=names, amount=amounts, other=amounts)
    def pay_two(self, source: str, first: str, second: str, amount: int, other: int) -> None:
        self.journal([(source, -amount), (first, amount), (source, -other), (second, other)])

    @rule(one=names, two=names, amount=amounts, back=amounts)
    def exchange(self, one: str, two: str, amount: int, back: int) -> None:
        self.journal([(one, -amount), (two, amount), (two, -back), (one, back)])

    @rule(who=names, amount=amounts, way=st.sampled_from([1, -1]))
    def mint_or_burn(self, who: str, amount: int, way: int) -> None:
        if self.journal([("supply", -way * amount), (who, way * amount)]):
            self.minted += way * amount

    def journal(self, changes: list[tuple[str, int]]) -> bool:
        model = self.model
        reasons = model.free_reasons(changes)
        for who in PLACES:
            mine = [change for party, change in changes if party == who]
            debits = -sum(change for change in mine if change < 0)
            if debits > model.available(who):
                reasons.add("insufficient_funds")
        legs = [(USD, PLACES.get(who, who), change) for who, change in changes]
        done = self.attempt(reasons, ledger.journal, self.everybody(), legs, "payment")
        if done:
            model.count(changes)
            for who, change in changes:
                if who in PLACES:
                    model.free[who] += change
        return done

    # ------------------------------------------------------------------------------------------------------ holds

    @rule(owner=names, to=st.sampled_from([*PLACES, ""]), amount=amounts, minutes=st.sampled_from([0, 0, 30, 3_000]))
    def hold(self, owner: str, to: str, amount: int, minutes: int) -> None:
        model = self.model
        changes = [(owner, -amount), *([(to, amount)] if to else [])]
        reasons = model.free_reasons(changes)
        if amount > model.available(owner):
            reasons.add("insufficient_funds")
        expires_ms = model.time_ms + minutes * 60_000 if minutes else 0
        made: list[str] = []

        def create(scope: Scope) -> None:
            to_address = PLACES[to] if to else ""
            made.append(holds.create(scope, USD, PLACES[owner], amount, to_address, expires_ms, "escrow", ""))

        if self.attempt(reasons, create, self.everybody()):
            model.count(changes, made[0])
            model.free[owner] -= amount
            model.holds[made[0]] = Held(owner, to, amount, expires_ms, model.time_ms, model.epoch)

    def pick(self, data: st.DataObject, most: int = 1, named: bool | None = None) -> list[str]:
        """Open holds that stand alone, some of which may have expired."""
        listed = [
            hold
            for hold, held in self.model.holds.items()
            if held.is_open and not held.group and named in (None, bool(held.to))
        ]
        if not listed:
            return []
        return data.draw(st.lists(st.sampled_from(listed), min_size=1, max_size=most, unique=True))

    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        for hold in self.pick(data):
            if self.attempt(set(), holds.void, self.everybody(), hold) and self.model.holds[hold].is_open:
                self.model.close(hold)

    @rule(data=st.data(), amount=amounts)
    def post(self, data: st.DataObject, amount: int) -> None:
        for hold in self.pick(data, named=True):
            held = self.model.holds[hold]
            reasons = self.fill_reasons([(hold, held.to, amount)])
            if self.attempt(reasons, holds.post, self.everybody(), hold, amount, "settle"):
                self.model.close(hold, amount)
                self.model.free[held.to] += amount

    @rule(data=st.data(), to=names, part=st.sampled_from([1, 2, 3]), keeps=st.booleans())
    def post_many(self, data: st.DataObject, to: str, part: int, keeps: bool) -> None:
        model, picked = self.model, self.pick(data, most=3)
        fills = [
            (hold, model.holds[hold].to or to, max(model.holds[hold].amount * part // 3, 1)) for hold in picked
        ]
        if not fills:
            return
        asked = [(hold, PLACES[receiver], amount, keeps) for hold, receiver, amount in fills]
        rests: list[str] = []
        reasons = self.fill_reasons(fills)
        # A receiver who is named now counts what came before in the same posting too.
        for place, (hold, receiver, amount) in enumerate(fills):
            if not model.holds[hold].to:
                before = [fill for fill in fills[:place] if not model.holds[fill[0]].to and fill[1] == receiver]
                reasons |= self.late_reasons(hold, receiver, amount, sum(fill[2] for fill in before), before)
        if self.attempt(
            reasons, lambda scope: rests.extend(holds.post_many(scope, asked, (), "trade")), self.everybody()
        ):
            for (hold, receiver, amount), rest in zip(fills, rests, strict=True):
                held = model.holds[hold]
                if not held.to:
                    self.count_late(held.owner, receiver, amount)
                if rest:
                    kept = Held(
                        held.owner, held.to, held.amount - amount, held.expires_ms, held.made_ms, held.epoch
                    )
                    model.holds[rest] = kept
                    self.split(hold, rest, amount, kept.amount)
                    held.is_open = False
                else:
                    model.close(hold, amount)
                model.free[receiver] += amount

    def split(self, hold: str, rest: str, posted: int, kept: int) -> None:
        """What a hold counted stands, from now on, in two parts."""
        for entry in [entry for entry in self.model.counted if entry.hold == hold and entry.amount]:
            entry.amount -= kept
            self.model.counted.append(Counted(entry.who, entry.way, entry.day, kept, rest, entry.country))

    def fill_reasons(self, fills: list[tuple[str, str, int]]) -> set[str]:
        model = self.model
        reasons = model.settle_reasons([(model.holds[hold].owner, to, amount) for hold, to, amount in fills])
        for hold, _, amount in fills:
            if not model.live(hold):
                reasons.add("hold_expired")
            if amount > model.holds[hold].amount:
                reasons.add("hold_exceeded")
        return reasons

    def late_reasons(
        self, hold: str, to: str, amount: int, before: int, earlier: list[tuple[str, str, int]]
    ) -> set[str]:
        model = self.model
        owner = model.holds[hold].owner
        marks = len(model.counted)
        for other, receiver, other_amount in earlier:
            self.count_late(model.holds[other].owner, receiver, other_amount)
        reasons = model.free_reasons([(to, amount)])
        if model.corridor and {owner, to} <= set(CUSTOMERS):
            countries = model.country(owner), model.country(to)
            if countries == ("CH", "FR") and model.sum_of(owner, "out", 1, "FR") + amount > CORRIDOR_DAY:
                reasons.add("limit_exceeded")
        del model.counted[marks:]
        return reasons

    def count_late(self, owner: str, to: str, amount: int) -> None:
        model = self.model
        model.count([(to, amount)])
        countries = model.country(owner) if owner in CUSTOMERS else "", model.country(to) if to in CUSTOMERS else ""
        if model.corridor and countries == ("CH", "FR"):
            model.counted.append(Counted(owner, "out", model.time_ms // DAY_MS, amount, "", "FR"))

    @rule(data=st.data(), posts=st.booleans())
    def group(self, data: st.DataObject, posts: bool) -> None:
        model = self.model
        picked = [hold for hold in self.pick(data, most=3, named=True) if not model.holds[hold].expires_ms]
        if not picked:
            return
        made: list[str] = []
        assert self.attempt(set(), lambda scope: made.append(groups.create(scope, picked)), self.everybody())
        fills = [(hold, model.holds[hold].to, model.holds[hold].amount) for hold in picked]
        if posts:
            reasons = self.fill_reasons(fills)
            whole = [amount for _, _, amount in fills]
            if self.attempt(reasons, groups.post, self.everybody(), made[0], whole, "swap"):
                for hold, to, amount in fills:
                    model.close(hold, amount)
                    model.free[to] += amount
                return
        elif data.draw(st.booleans()):
            for hold in picked:
                model.holds[hold].group = made[0]
            return
        assert self.attempt(set(), groups.void, self.everybody(), made[0])
        for hold in picked:
            model.close(hold)

    # ----------------------------------------------------------------------------------------------------- orders

    @rule(
        subject=st.sampled_from([*PLACES, "asset"]),
        asset=st.sampled_from(["", USD, "USD.baltic"]),
        amount=st.sampled_from([0, 0, 700, 1_500]),
        stopped=stops,
        hours=st.sampled_from([0, 1, 40]),
    )
    def freeze(self, subject: str, asset: str, amount: int, stopped: list[str], hours: int) -> None:
        if subject == "asset":
            asset, amount = USD, 0
        if amount:
            asset = asset or USD
            stopped = [word for word in stopped if word != "receive"] or ["send"]
        expires_ms = self.model.time_ms + hours * 3_600_000 if hours else 0
        account = "" if subject == "asset" else PLACES[subject]
        number = orders.propose_freeze(self.official(), account, asset, amount, stopped, "r", "b", expires_ms)
        self.model.orders[number] = Frozen(subject, asset, amount, tuple(stopped), expires_ms)
        self.tick(1)

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        standing = [
            number
            for number, frozen in self.model.orders.items()
            if not frozen.released and (not frozen.expires_ms or self.model.time_ms < frozen.expires_ms)
        ]
        if standing:
            number = data.draw(st.sampled_from(standing))
            orders.propose_release(self.official(), number, "r", "b")
            self.model.orders[number].released = True
            self.tick(1)

    @rule(data=st.data(), source=names, to=names, amount=st.sampled_from([100, 1_900, 2_500]), most=st.integers(0, 4))
    def force(self, data: st.DataObject, source: str, to: str, amount: int, most: int) -> None:
        model = self.model
        mine = [hold for hold, held in model.holds.items() if held.owner == source]
        breaks = data.draw(st.permutations(mine))[:most] if mine else []
        reasons = {"bad_order"} if source == to else set()
        broken: list[str] = []
        missing = amount - model.available(source)
        for hold in breaks:
            if missing > 0 and model.holds[hold].is_open and hold not in broken and model.live(hold):
                with_group = [
                    other
                    for other, held in model.holds.items()
                    if other == hold or (held.group and held.group == model.holds[hold].group and held.is_open)
                ]
                broken += with_group
                missing -= sum(model.holds[other].amount for other in with_group if model.holds[other].owner == source)
        if missing > 0:
            reasons.add("insufficient_funds")
        self.is_ordered = True
        transfer = (USD, PLACES[source], PLACES[to], amount, breaks, "r", "b", 0)
        if self.attempt(reasons, orders.propose_transfer, self.official(), *transfer):
            for hold in broken:
                model.close(hold)
                assert holds.status(self.desk.scope(), hold) == "voided"
            model.free[source] -= amount
            model.free[to] += amount

    # ------------------------------------------------------------------------------------------- identity, limits

    @rule(
        name=customers,
        status=st.sampled_from(["submitted", "verified", "verified", "suspended", "revoked"]),
        level=st.integers(1, 3),
        risk=st.sampled_from(["low", "high"]),
    )
    def identity(self, name: str, status: str, level: int, risk: str) -> None:
        if self.model.corridor and self.model.holds:
            # What a hold counts in a corridor is given back by the countries of the time; they stay as they are here.
            return
        identify(self.desk, name, status, level, CUSTOMERS[name], risk)
        self.model.identities[name] = (status, level, risk)
        self.tick(1)

    @rule(level=st.sampled_from([0, 0, 1, 2]))
    def ask_level(self, level: int) -> None:
        row = self.desk.overlay.get(layout.asset_key(USD))
        assert row is not None
        self.desk.overlay.put(layout.asset_key(USD), (*row[:5], level, *row[6:]))
        self.model.level = level

    @rule(
        kind=st.sampled_from(["", "low", "unverified"]),
        given=st.dictionaries(
            st.sampled_from([name for name in limits.NAMES if name != "balance_max"]),
            st.integers(200, 1_500),
            max_size=3,
        ),
        most=st.sampled_from([None, None, 3_000]),
    )
    def limit(self, kind: str, given: dict[str, int], most: int | None) -> None:
        model = self.model
        if most is not None:
            given = {**given, "balance_max": most}
        was_limited = model.is_limited
        self.tick(1)
        limit_rules.set_limits(self.desk.scope("alpine"), USD, kind, list(given.items()))
        model.rules[kind] = given
        if model.is_limited and not was_limited:
            model.epoch += 1
        self.tick(1)

    # ------------------------------------------------------------------------------------------------------- time

    @rule(minutes=st.sampled_from([1, 40, 600, 1_440, 4_000, 50_000]), releases=st.booleans())
    def wait(self, minutes: int, releases: bool) -> None:
        self.tick(minutes * 60_000)
        # What a beneficiary has counted of a hold is given back when somebody releases it, which the kernel also does
        # by itself on some ways; so that the model needs not know them, all are released while anybody limits it.
        if releases or self.model.is_limited:
            for hold in self.model.due():
                holds.expire(self.desk.scope(), hold)
                self.model.close(hold)

    def tick(self, ms: int) -> None:
        self.desk.time_ms += ms
        self.model.time_ms = self.desk.time_ms

    # ------------------------------------------------------------------------------------------------- the kernel

    def everybody(self) -> Scope:
        """A scope in which everybody has agreed, of the contract that makes and posts all holds."""
        scope = self.desk.scope("alpine", *CUSTOMERS, contract="spender")
        self.desk.overlay.put(layout.supplier_key(USD, "spender"), (1,))
        for name in (*CUSTOMERS, "alpine"):
            self.desk.overlay.put(layout.grant_key(PLACES[name], "spender"), (1,))
        return scope

    def official(self) -> Scope:
        return self.desk.scope("marta", sender="marta")

    def attempt(self, reasons: set[str], function: Callable[..., object], scope: Scope, *arguments: object) -> bool:
        """Take the step; it is done exactly if there is no reason against it, and refused for one of them."""
        before = {name: self.balance(name) for name in PLACES}
        savepoint = scope.overlay.savepoint()
        code = "ok"
        try:
            function(scope, *arguments)
            scope.settle()
        except ContractError as error:
            code = error.code
            scope.overlay.rollback(savepoint)
        else:
            scope.overlay.release(savepoint)
        assert code in (reasons or {"ok"}), (code, reasons)
        if code == "ok" and not self.is_ordered:
            self.check_nothing_passed(before)
        self.is_ordered = False
        for hold in self.model.due():
            if holds.found(scope, hold)[8] == layout.EXPIRED:
                self.model.close(hold)
        self.tick(1)
        return code == "ok"

    def check_nothing_passed(self, before: dict[str, tuple[int, int]]) -> None:
        """Balances have not moved in a way that an order stops."""
        for name, (free, held) in before.items():
            free_now, held_now = self.balance(name)

            def stopped(word: str, name: str = name) -> bool:
                binding = [*self.model.binding("asset", word), *self.model.binding(name, word)]
                return any(not frozen.amount for frozen in binding)

            if stopped("send"):
                assert free_now >= free, f"{name} sent through a freeze"
            if stopped("receive") and stopped("settle"):
                assert free_now + held_now <= free + held, f"{name} received through a freeze"
            if stopped("send") and stopped("settle"):
                assert free_now + held_now >= free + held, f"{name} settled through a freeze"

    def balance(self, name: str) -> tuple[int, int]:
        return ledger.balance(self.desk.scope(), PLACES[name], USD)

    @invariant()
    def balances_are_the_models(self) -> None:
        for name in PLACES:
            assert self.balance(name) == (self.model.available(name), self.model.held(name)), name
        total = sum(sum(self.balance(name)) for name in PLACES)
        assert total == ledger.supply(self.desk.scope(), USD) == self.minted

    @invariant()
    def what_is_left_is_the_models(self) -> None:
        if not self.model.is_limited:
            return
        for name in CUSTOMERS:
            left = limits.left(self.desk.scope(), USD, PLACES[name])
            for way, days in (("day_out", 1), ("rolling_out", 30), ("day_in", 1), ("rolling_in", 30)):
                limit = self.model.limit(name, way)
                if limit is not None:
                    gone = self.model.sum_of(name, way.partition("_")[2], days)
                    assert left[way] == max(limit - gone, 0), (name, way)

    @invariant()
    def a_hold_may_be_settled_as_the_model_says(self) -> None:
        for hold, held in self.model.holds.items():
            if held.to:
                stopped = self.model.settle_reasons([(held.owner, held.to, held.amount)])
                expected = self.model.live(hold) and not stopped
                assert holds.may_settle(self.desk.scope(), hold) == expected, hold

    @invariant()
    def freezes_are_bounded_and_flagged(self) -> None:
        for name in PLACES:
            row = self.desk.scope().account(PLACES[name])
            there = self.desk.overlay.get(layout.freezes_key(PLACES[name]))
            assert bool(row[3] & layout.UNDER_ORDER) == (there is not None)
            assert len(freezes.in_force(self.desk.scope(), PLACES[name])) <= freezes.FREEZES_MAX


@pytest.mark.parametrize("steps", [20, 60])
def test_the_gate_does_as_the_model(steps: int) -> None:
    run_state_machine_as_test(
        Gate, settings=settings(max_examples=40, stateful_step_count=steps, deadline=None)
    )  # type: ignore[no-untyped-call]
