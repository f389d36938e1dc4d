"""The kernel against a model of it: random journals, mints, holds, groups, posts in part, freezes, time that passes.

Whatever is asked, the kernel takes it exactly when the model does, and after it: balances come to the supply, nothing
is below zero, what is held is what open holds reserve, so that each is funded, a hold ends once, no more is out than
is authorised. Bugs are planted in the kernel, one at a time, and each of them is found.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from contracts.kernel import assets, expiry, freezes, groups, holds, layout, ledger
from contracts.kernel.layout import BalanceRow, HoldRow
from contracts.kernel.scope import Scope
from contracts.language.faults import ContractError
from tests.contracts.kernel_model import EXPIRED, OPEN, SUPPLY, Fill, Hold, Leg, Model
from tests.contracts.network import Desk, address_of

NAMES = ("ann", "bob", "cid", "alpine")
PEOPLE = tuple(map(address_of, NAMES))
SIGNERS = (*NAMES, "baltic")
MONEY, BOND = "USD.alpine", "BOND27.alpine"
AUTHORISED = 400
CONTRACTS = ("spender", "minter")

people = st.sampled_from(PEOPLE)
anybody = st.sampled_from((*PEOPLE, SUPPLY))
kinds = st.sampled_from((MONEY, MONEY, BOND))
contracts = st.sampled_from((CONTRACTS[0], CONTRACTS[0], CONTRACTS[0], CONTRACTS[1]))
strangers = st.sampled_from((*[False] * 9, True))
"""Whether another contract than the one that made the hold asks."""
amounts = st.one_of(st.integers(1, 120), st.integers(1, 120), st.integers(0, 2_000))
seconds = st.sampled_from((0, 0, 1, 2, 3, 5))
parts = st.sampled_from((1, 1, 2, 2, 3, 3, 4, 4, 4, 5))
"""Quarters of what a hold reserves: five are too many."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that the machine does: how often, what must be there first, and what it draws."""

    does: Callable[..., None]
    weight: int
    needs: str
    draws: dict[str, st.SearchStrategy[Any]]


STEPS: list[Step] = []


Marked = Callable[[Callable[..., None]], Callable[..., None]]


def step(weight: int, needs: str, **draws: st.SearchStrategy[Any]) -> Marked:
    """Marks a method of the machine as a step. One that needs something draws it itself."""

    def mark(method: Callable[..., None]) -> Callable[..., None]:
        STEPS.append(Step(method, weight, needs, draws))
        return method

    return mark


class Kernel(RuleBasedStateMachine):
    """Each step is one transaction, which everybody signs; contracts own the holds they make."""

    @initialize()
    def begin(self) -> None:
        self.desk = Desk.start()
        assets.create_asset(self.scope(), "BOND27", "bond", "alpine", "USD", 0, AUTHORISED, b"", 0)
        self.model = Model({BOND: AUTHORISED}, self.desk.time_ms)
        self.ended: dict[str, str] = {}
        for person in PEOPLE[:3]:
            self.mint(MONEY, person, 500)
            self.mint(BOND, person, 100)

    def scope(self, contract: str = "") -> Scope:
        return self.desk.scope(*SIGNERS, contract=contract)

    def act(self, expected: bool, contract: str, action: Callable[[Scope], Any]) -> Any:
        """One transaction: taken exactly when the model says so. What it answers; None if it was refused."""
        scope, savepoint = self.scope(contract), self.desk.overlay.savepoint()
        try:
            answer = action(scope)
            scope.settle()
        except ContractError as error:
            self.desk.overlay.rollback(savepoint)
            refused = f"{error.code}: {error.message}"
        else:
            self.desk.overlay.release(savepoint)
            assert expected, "taken, though it should have been refused"
            return True if answer is None else answer
        assert not expected, refused
        return None

    def journal(self, legs: list[Leg]) -> None:
        expected = len(legs) > 1 and self.model.may_post(legs, {}, ()) and self.model.may_mint(legs, {})
        if self.act(expected, "", lambda scope: ledger.journal(scope, legs, "test")):
            self.model.post_legs(legs)

    # ------------------------------------------------------------------------------------------------------- steps
    @rule(data=st.data())
    def take_one(self, data: st.DataObject) -> None:
        """Any of the steps that can be, as often as its weight says."""
        self.learn_what_was_released()
        there = {"": True, "holds": self.model.holds, "groups": self.model.groups, "lapsed": self.lapsed()}
        possible = [one for one in STEPS for _ in range(one.weight if there[one.needs] else 0)]
        chosen = data.draw(st.sampled_from(possible), label="step")
        drawn = {name: data.draw(strategy, label=name) for name, strategy in chosen.draws.items()}
        chosen.does(self, *([data] if chosen.needs else []), **drawn)


    @step(2, "", asset=kinds, to=people, amount=amounts)
    def mint(self, asset: str, to: str, amount: int) -> None:
        self.journal([(asset, SUPPLY, -amount), (asset, to, amount)])

    @step(1, "", asset=kinds, source=people, amount=amounts)
    def burn(self, asset: str, source: str, amount: int) -> None:
        self.journal([(asset, source, -amount), (asset, SUPPLY, amount)])

    @step(
        2,
        "",
        legs=st.lists(st.tuples(kinds, anybody, amounts.map(lambda amount: amount - 60)), min_size=1, max_size=5),
        balancing=st.lists(anybody, min_size=2, max_size=2),
        is_even=st.integers(0, 9),
    )
    def pay_around(self, legs: list[Leg], balancing: list[str], is_even: int) -> None:
        self.journal(self.evened(legs, balancing) if is_even else legs)

    @step(1, "", asset=kinds, parties=st.permutations(PEOPLE), amount=st.integers(1, 60), back=st.integers(1, 60))
    def pay_in_a_circle(self, asset: str, parties: list[str], amount: int, back: int) -> None:
        first, second, *_ = parties
        self.journal([(asset, first, -amount), (asset, second, amount), (asset, second, -back), (asset, first, back)])

    @step(2, "", asset=kinds, parties=st.permutations(PEOPLE), more=st.sampled_from((0, 0, 0, 1)))
    def spend_all(self, asset: str, parties: list[str], more: int) -> None:
        source, target, *_ = parties
        amount = self.model.available((source, asset)) + more
        self.journal([(asset, source, -amount), (asset, target, amount)])

    @step(2, "lapsed", to=people)
    def spend_what_came_back(self, data: st.DataObject, to: str) -> None:
        asset, source = data.draw(st.sampled_from(sorted(self.lapsed())), label="lapsed")
        self.spend_all(asset, [source, to], 0)

    @step(
        *(8, ""), asset=kinds, account=people, amount=amounts, to=st.sampled_from((*PEOPLE, "")), last=seconds,
        by=contracts,
    )  # fmt: skip
    def hold(self, asset: str, account: str, amount: int, to: str, last: int, by: str) -> None:
        expires_ms = self.desk.time_ms + 1_000 * last if last else 0
        expected = self.model.may_hold(asset, account, amount, to, expires_ms)
        made = self.act(
            expected, by, lambda scope: holds.create(scope, asset, account, amount, to, expires_ms, "test", "")
        )
        if made:
            self.model.holds[made] = layout_hold(self.desk, made)

    @step(4, "holds", part=parts, stranger=strangers)
    def post(self, data: st.DataObject, part: int, stranger: bool) -> None:
        name = self.pick(data)
        hold = self.model.holds[name]
        by = asking(hold.contract, stranger)
        fill: Fill = (name, hold.beneficiary, hold.amount * part // 4, False)
        expected = bool(hold.beneficiary) and self.model.may_fill(fill, by)
        if self.act(expected, by, lambda scope: holds.post(scope, name, fill[2], "test")):
            self.model.fill(fill, "")

    @step(
        4,
        "holds",
        count=st.integers(1, 4),
        legs=st.one_of(st.just([]), st.lists(st.tuples(kinds, anybody, st.integers(-100, 100)), max_size=3)),
        balancing=st.lists(anybody, min_size=2, max_size=2),
        by=contracts,
    )
    def post_many(
        self, data: st.DataObject, count: int, legs: list[Leg], balancing: list[str], by: str
    ) -> None:
        fills: list[Fill] = []
        own = [name for name, hold in self.model.holds.items() if hold.contract == by and not hold.group]
        live = [name for name in own if self.model.is_live(self.model.holds[name])]
        some = st.lists(st.sampled_from(sorted(live)), min_size=1, max_size=count, unique=True)
        for name in data.draw(some, label="holds") if live else [self.pick(data)]:
            hold = self.model.holds[name]
            named = (*[hold.beneficiary] * 15, PEOPLE[0])
            to = data.draw(st.sampled_from(named if hold.beneficiary else (*PEOPLE, SUPPLY)), label="to")
            fills.append((name, to, hold.amount * data.draw(parts, label="part") // 4, data.draw(st.booleans())))
        evened = self.evened(legs, balancing) if legs else []
        freed: dict[tuple[str, str], int] = {}
        credited: set[tuple[str, str]] = set()
        burnt: dict[str, int] = {}
        for name, to, amount, keeps in fills:
            hold = self.model.holds[name]
            place = (hold.account, hold.asset)
            freed[place] = freed.get(place, 0) + (0 if keeps else hold.amount - amount)
            if to == SUPPLY:
                burnt[hold.asset] = burnt.get(hold.asset, 0) + amount
            else:
                credited.add((to, hold.asset))
        expected = (
            len({name for name, *_ in fills}) == len(fills)
            and all(self.model.may_fill(fill, by) for fill in fills)
            and self.model.may_post(evened, freed, credited)
            and self.model.may_mint(evened, burnt)
        )
        rests = self.act(expected, by, lambda scope: holds.post_many(scope, fills, evened, "test"))
        if rests:
            for fill, rest in zip(fills, rests, strict=True):
                assert bool(rest) == (fill[3] and fill[2] < self.model.holds[fill[0]].amount)
                self.model.fill(fill, rest)
            self.model.post_legs(evened)

    @step(2, "holds", stranger=strangers)
    def void(self, data: st.DataObject, stranger: bool) -> None:
        name = self.pick(data)
        by = asking(self.model.holds[name].contract, stranger)
        if self.act(self.model.may_resolve(name, by), by, lambda scope: holds.void(scope, name)):
            self.model.void(name)

    @step(1, "holds")
    def expire(self, data: st.DataObject) -> None:
        name = self.pick(data)
        hold = self.model.holds[name]
        expected = hold.status == OPEN and not self.model.is_live(hold)
        if self.act(expected, "", lambda scope: holds.expire(scope, name)):
            self.model.void(name)

    @step(3, "holds", count=st.integers(1, 3), by=contracts)
    def group(self, data: st.DataObject, count: int, by: str) -> None:
        kin = [name for name, hold in self.model.holds.items() if hold.contract == by and not hold.expires_ms]
        members = [self.pick(data, kin) for _ in range(count)]
        found = [self.model.holds[name] for name in members]
        expected = len({*members}) == count and len({hold.expires_ms for hold in found}) == 1
        for hold in found:
            expected &= hold.contract == by and self.model.is_live(hold) and not hold.group and bool(hold.beneficiary)
        made = self.act(expected, by, lambda scope: groups.create(scope, members))
        if made:
            self.model.groups[made] = (by, members)
            for name in members:
                self.model.holds[name] = replace(self.model.holds[name], group=made)

    @step(3, "groups", stranger=strangers)
    def post_group(self, data: st.DataObject, stranger: bool) -> None:
        group = data.draw(st.sampled_from(sorted(self.model.groups)), label="group")
        owner, members = self.model.groups[group]
        by = asking(owner, stranger)
        found = [self.model.holds[name] for name in members]
        paid = [hold.amount * data.draw(st.integers(0, 5), label="part") // 4 for hold in found]
        fills = [
            (name, hold.beneficiary, amount, False) for name, hold, amount in zip(members, found, paid, strict=True)
        ]
        expected = owner == by and any(paid) and self.model.is_live(found[0])
        expected &= all(self.model.may_fill(fill, by, group) for fill in fills if fill[2])
        if self.act(expected, by, lambda scope: groups.post(scope, group, paid, "test")):
            del self.model.groups[group]
            for fill in fills:
                self.model.fill(fill, "")

    @step(1, "groups", stranger=strangers)
    def void_group(self, data: st.DataObject, stranger: bool) -> None:
        group = data.draw(st.sampled_from(sorted(self.model.groups)), label="group")
        owner, members = self.model.groups[group]
        by = asking(owner, stranger)
        if self.act(owner == by, by, lambda scope: groups.void(scope, group)):
            del self.model.groups[group]
            for name in members:
                if self.model.holds[name].status == OPEN:
                    self.model.void(name)

    @step(1, "", account=people, stops=st.sampled_from((1, 2, 4, 4, 4, 7)), last=st.sampled_from((1, 1, 2)))
    def freeze(self, account: str, stops: int, last: int) -> None:
        until = self.desk.time_ms + 1_000 * last
        freezes.add(self.scope(), account, (1, "", stops, 0, until), is_asset=False)
        self.model.freezes.setdefault(account, []).append((stops, until))

    @step(2, "", last=st.sampled_from((0, 1, 1, 2, 4)))
    def pass_time(self, last: int) -> None:
        self.desk.time_ms += 1_000 * last
        self.model.time_ms = self.desk.time_ms

    # -------------------------------------------------------------------------------------------------- invariants

    @invariant()
    def is_what_the_model_says(self) -> None:
        scope = self.scope()
        for person in PEOPLE:
            for asset in (MONEY, BOND):
                place = (person, asset)
                assert ledger.balance(scope, person, asset) == (self.model.available(place), self.model.held(place))
                assert self.model.available(place) >= 0
        for asset in (MONEY, BOND):
            assert ledger.supply(scope, asset) == self.model.supply(asset)

    @invariant()
    def is_sound(self) -> None:
        """By a walk over all keys, without the model."""
        rows = {key: row for key, row in self.desk.overlay.changes().items() if row is not None}
        sums = dict.fromkeys((MONEY, BOND), 0)
        held: dict[bytes, int] = {}
        for key, row in rows.items():
            if key.startswith(b"balance/"):
                free, reserved = cast(BalanceRow, row)
                assert min(free, reserved) >= 0 < free + reserved
                sums[key.rpartition(b"/")[2].decode()] += free + reserved
                held[key] = reserved
        totals: dict[bytes, int] = {}
        heaps: dict[bytes, int] = {}
        for key, row in rows.items():
            if key.startswith(b"hold/"):
                asset, account, amount, _, expires_ms, contract, _, _, status, *_ = cast(HoldRow, row)
                name = key[len(b"hold/") :].decode()
                assert self.ended.setdefault(name, status) == status or self.ended[name] == OPEN
                self.ended[name] = status
                if status == OPEN:
                    held[layout.balance_key(account, asset)] -= amount
                    total = layout.reserved_key(contract, asset)
                    totals[total] = totals.get(total, 0) + amount
                    heap = layout.expiry_key(account, asset)
                    heaps[heap] = heaps.get(heap, 0) + bool(expires_ms)
        assert {*held.values()} <= {0}, "what is held is what open holds reserve"
        assert totals == {key: cast(int, row[0]) for key, row in rows.items() if key.startswith(b"reserved/")}
        for heap, count in heaps.items():
            assert rows.get(heap, (0,)) == (count,)
        for asset, total in sums.items():
            assert rows[layout.supply_key(asset)] == (total,)
        assert sums[BOND] <= AUTHORISED

    @invariant()
    def holds_are_what_the_model_says(self) -> None:
        scope = self.scope()
        for name, hold in self.model.holds.items():
            expected = self.model.status(hold)
            assert holds.status(scope, name) == expected
            left = hold.amount if expected == OPEN else 0
            assert holds.info(scope, name) == (
                hold.asset, hold.account, left, hold.beneficiary, hold.expires_ms, expected
            )  # fmt: skip
            if not self.model.is_live(hold) and hold.status == OPEN:
                assert expected == EXPIRED

    # ------------------------------------------------------------------------------------------------------- hands

    def pick(self, data: st.DataObject, preferred: Sequence[str] = ()) -> str:
        """Mostly a hold that is live, of those preferred if there is one."""
        names = sorted(self.model.holds)
        live = [name for name in preferred or names if self.model.is_live(self.model.holds[name])]
        return data.draw(st.sampled_from(live * 8 + names), label="hold")

    def learn_what_was_released(self) -> None:
        """A debit may have released what had expired: when it does is the kernel's own affair."""
        for name, hold in self.model.holds.items():
            if hold.status == OPEN and not self.model.is_live(hold):
                row = cast(HoldRow, self.desk.overlay.get(layout.hold_key(name)))
                assert row[8] in (OPEN, EXPIRED)
                self.model.holds[name] = replace(hold, status=row[8])

    def lapsed(self) -> set[tuple[str, str]]:
        """Assets and accounts of holds past their expiry that nobody has released."""
        found = self.model.holds.values()
        return {(hold.asset, hold.account) for hold in found if hold.status == OPEN and not self.model.is_live(hold)}

    def evened(self, legs: list[Leg], balancing: list[str]) -> list[Leg]:
        """With one more leg for each asset that doesn't sum to zero."""
        evened = [leg for leg in legs if leg[2]]
        for asset, address in zip((MONEY, BOND), balancing, strict=True):
            total = sum(change for other, _, change in evened if other == asset)
            if total:
                evened.append((asset, address, -total))
        return evened


def asking(owner: str, stranger: bool) -> str:
    """The contract that asks."""
    return CONTRACTS[1 - CONTRACTS.index(owner)] if stranger else owner


def layout_hold(desk: Desk, name: str) -> Hold:
    """A new hold's row as the model keeps it."""
    asset, account, amount, beneficiary, expires_ms, contract, *_ = cast(
        HoldRow, desk.overlay.get(layout.hold_key(name))
    )
    return Hold(asset, account, amount, beneficiary, expires_ms, contract)


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Kernel,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_kernel_is_its_model() -> None:
    run(100, 50)


# --------------------------------------------------------------------------------------------------------- planted bugs


@contextmanager
def planted(patch: pytest.MonkeyPatch, where: object, name: str, bug: Callable[..., Any]) -> Iterator[None]:
    original = getattr(where, name)
    with patch.context() as context:
        context.setattr(where, name, lambda *args, **named: bug(original, *args, **named))
        yield


def forget_supply(original: Any, scope: Scope, moves: Any, minted: Any) -> None:
    """Money comes from nowhere: what is minted is not counted as out."""
    original(scope, moves, {asset: amount for asset, amount in minted.items() if amount < 0})


def fund_by_credits(original: Any, *args: Any) -> None:
    """A journal's credits fund its own debits."""


def stay_open(original: Any, scope: Scope, hold: str, row: HoldRow, status: str, posted: int) -> None:
    """A hold that is posted or voided is still open."""
    original(scope, hold, row, status, posted)
    scope.overlay.put(layout.hold_key(hold), row)


def forget_the_rest(original: Any, posting: Any) -> list[str]:
    """What is not posted stays held though no hold reserves it."""
    for place, rest in posting.freed.items():
        free, held = posting.moves[place]
        posting.moves[place] = (free - rest, held + rest)
    return cast("list[str]", original(posting))


def never_reserve(original: Any, scope: Scope, contract: str, asset: str, change: int) -> None:
    """What a contract's holds reserve is not counted when they are made."""
    if change < 0:
        original(scope, contract, asset, change)


def never_past(original: Any, scope: Scope, row: HoldRow) -> bool:
    """A hold is posted after its expiry."""
    return False


def no_heap(original: Any, overlay: Any, address: str, asset: str, time_ms: int) -> None:
    """A debit does not release what has expired."""


def every_mint(original: Any, *args: Any) -> None:
    """More is minted than is authorised."""


def no_gate(original: Any, *args: Any) -> None:
    """Freezes stop nothing that is held."""


BUGS: list[tuple[object, str, Callable[..., Any]]] = [
    (ledger, "move", forget_supply),
    (ledger, "check_funded", fund_by_credits),
    (holds, "resolve", stay_open),
    (holds.Posting, "write", forget_the_rest),
    (ledger, "reserve", never_reserve),
    (holds, "is_past", never_past),
    (expiry, "first_due", no_heap),
    (assets, "check_mint", every_mint),
    (freezes, "check_settle", no_gate),
]


@pytest.mark.parametrize(("where", "name", "bug"), BUGS, ids=[bug.__name__ for _, _, bug in BUGS])
def test_a_planted_bug_is_found(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, bug: Callable[..., Any]
) -> None:
    with planted(monkeypatch, where, name, bug), pytest.raises((AssertionError, KeyError, TypeError)):
        run(60, 40)
