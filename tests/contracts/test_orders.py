"""Orders: who gives them, who agrees, what they do, when they end."""

import pytest

from contracts.answers import Freeze
from contracts.kernel import freezes, groups, holds, layout, ledger, orders
from contracts.kernel.scope import Scope
from state.codec import Value
from tests.contracts.courthouse import USD, code_of, desk_with_officials, with_officials
from tests.contracts.network import Chain, Desk, address_of, genesis_state

ANN, BOB, CID = (address_of(name) for name in ("ann", "bob", "cid"))
ALL = ["send", "receive", "settle"]


@pytest.fixture
def desk() -> Desk:
    return rich(1)


def rich(approvals: int) -> Desk:
    """Ann and bob have 1,000 each."""
    desk = desk_with_officials(approvals)
    for address in (ANN, BOB):
        ledger.mint(desk.scope("alpine"), USD, address, 1_000, "deposit", "")
    return desk


def official(desk: Desk, name: str = "marta") -> Scope:
    return desk.scope(name, sender=name)


def freeze(desk: Desk, by: str = "marta", **changes: object) -> int:
    arguments = {"account": ANN, "asset": "", "amount": 0, "stops": ALL, "reference": "AZ 7/26", "basis": "StPO 263"}
    arguments |= {"expires_ms": 0, **changes}
    return orders.propose_freeze(official(desk, by), *arguments.values())  # type: ignore[arg-type]


def force(desk: Desk, amount: int, breaks: list[str] | None = None, source: str = ANN, target: str = CID) -> int:
    return orders.propose_transfer(
        official(desk, "themis"), USD, source, target, amount, breaks or [], "AZ 8/26", "ZPO 335", 0
    )


def hold(desk: Desk, amount: int, expires_ms: int = 0) -> str:
    return holds.create(desk.scope("ann", contract="spender"), USD, ANN, amount, BOB, expires_ms, "escrow", "")


def status(desk: Desk, number: int) -> str:
    return orders.status_of(desk.scope(), orders.found(desk.scope(), number))


def pay(desk: Desk, amount: int = 1) -> str:
    return code_of(ledger.transfer, desk.scope("ann"), USD, ANN, BOB, amount, "payment", "")


def balances(desk: Desk, *addresses: str) -> list[tuple[int, int]]:
    return [ledger.balance(desk.scope(), address, USD) for address in addresses]


def test_a_freeze_binds_at_once_and_its_release_restores_what_was(desk: Desk) -> None:
    before = desk.overlay.get(layout.account_key(ANN))
    number = freeze(desk)
    assert (number, status(desk, number), pay(desk)) == (1, "in_force", "account_frozen")
    released = orders.propose_release(official(desk), number, "AZ 7/26", "StPO 267")
    assert (status(desk, number), status(desk, released), pay(desk)) == ("released", "done", "ok")
    assert desk.overlay.get(layout.account_key(ANN)) == before
    assert desk.overlay.get(layout.freezes_key(ANN)) is None


def test_what_is_on_record(desk: Desk) -> None:
    scope = official(desk)
    number = orders.propose_freeze(scope, ANN, USD, 300, ["settle", "send"], "AZ 7/26", "StPO 263", desk.time_ms + 5)
    assert [(event.name, dict(event.fields)) for event in scope.events] == [
        (
            "order",
            {
                "contract": "",
                "order": 1,
                "kind": "freeze",
                "by": "marta",
                "reference": "AZ 7/26",
                "basis": "StPO 263",
                "subject": ANN,
                "asset": USD,
                "amount": 300,
                "stops": ["send", "settle"],
                "target": "",
                "breaks": [],
                "releases": 0,
                "expires_ms": desk.time_ms + 5,
            },
        ),
        ("order_status", {"contract": "", "order": 1, "status": "in_force", "subject": ANN}),
    ]
    assert orders.info(desk.scope(), number) == [
        "freeze", "in_force", "marta", ["marta"], "AZ 7/26", "StPO 263", ANN, USD, 300, ["send", "settle"], "", [], 0,
        desk.time_ms, desk.time_ms + 5,
    ]  # fmt: skip
    assert orders.freezes_on(desk.scope(), ANN) == [[1, USD, 300, ["send", "settle"], desk.time_ms + 5]]


def test_an_order_ends_by_itself_at_its_expiry(desk: Desk) -> None:
    number = freeze(desk, expires_ms=desk.time_ms + 10)
    desk.time_ms += 9
    assert (pay(desk), status(desk, number)) == ("account_frozen", "in_force")
    desk.time_ms += 1
    assert (pay(desk), status(desk, number)) == ("ok", "expired")
    assert orders.freezes_on(desk.scope(), ANN) == []
    assert code_of(orders.propose_release, official(desk), number, "r", "b") == "order_closed"


def test_releasing_one_of_several_leaves_the_others(desk: Desk) -> None:
    first, second = freeze(desk), freeze(desk, by="nils")
    orders.propose_release(official(desk), first, "r", "b")
    assert pay(desk) == "account_frozen"
    orders.propose_release(official(desk, "nils"), second, "r", "b")
    assert pay(desk) == "ok"


@pytest.mark.parametrize("name", ["alpine", "central", "ann"])
def test_only_regulators_and_courts_give_orders(desk: Desk, name: str) -> None:
    assert code_of(orders.propose_freeze, official(desk, name), BOB, "", 0, ALL, "r", "b", 0) == "order_unauthorised"
    transfer = (USD, ANN, BOB, 1, [], "r", "b", 0)
    assert code_of(orders.propose_transfer, official(desk, name), *transfer) == "order_unauthorised"


def test_an_order_needs_the_keys_of_the_member_that_gives_it(desk: Desk) -> None:
    scope = desk.scope("ann", sender="marta")
    assert code_of(orders.propose_freeze, scope, BOB, "", 0, ALL, "r", "b", 0) == "order_unauthorised"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((ANN, "", 0, [], "r", "b", 0), "bad_order"),
        ((ANN, "", 0, ["all"], "r", "b", 0), "bad_order"),
        ((ANN, "", 0, ["send", "all"], "r", "b", 0), "bad_order"),
        ((ANN, "", 5, ["send"], "r", "b", 0), "bad_order"),
        ((ANN, USD, 5, ["receive"], "r", "b", 0), "bad_order"),
        ((ANN, USD, -1, ["send"], "r", "b", 0), "amount_out_of_range"),
        ((ANN, USD, 2**63, ["send"], "r", "b", 0), "amount_out_of_range"),
        (("", "", 0, ["send"], "r", "b", 0), "bad_order"),
        (("", USD, 1, ["send"], "r", "b", 0), "bad_order"),
        (("nobody", "", 0, ["send"], "r", "b", 0), "unknown_account"),
        ((ANN, "EUR.alpine", 0, ["send"], "r", "b", 0), "unknown_asset"),
        ((ANN, "", 0, ["send"], "", "b", 0), "bad_order"),
        ((ANN, "", 0, ["send"], "r" * 141, "b", 0), "bad_order"),
        ((ANN, "", 0, ["send"], "r", "", 0), "bad_order"),
        ((ANN, "", 0, ["send"], "r", "b" * 141, 0), "bad_order"),
        ((ANN, "", 0, ["send"], "r", "b", 1_700_000_000_000), "bad_expiry"),
        ((ANN, "", 0, ["send", "send"], "r", "b", 0), "ok"),
    ],
)
def test_what_a_freeze_may_say(desk: Desk, arguments: tuple[object, ...], code: str) -> None:
    assert code_of(orders.propose_freeze, official(desk), *arguments) == code


def test_an_account_has_so_many_freezes_and_those_that_expired_make_room(desk: Desk) -> None:
    for _ in range(freezes.FREEZES_MAX):
        freeze(desk, expires_ms=desk.time_ms + 10)
    refused = (ANN, "", 0, ALL, "r", "b", 0)
    assert code_of(orders.propose_freeze, official(desk), *refused) == "too_many_orders"
    desk.time_ms += 10
    assert code_of(orders.propose_freeze, official(desk), *refused) == "ok"
    assert len(orders.freezes_on(desk.scope(), ANN)) == 1


# ----------------------------------------------------------------------------------------------------- approvals


def test_distinct_members_approve_until_enough_have() -> None:
    desk = rich(3)
    number = freeze(desk)
    assert (status(desk, number), pay(desk)) == ("proposed", "ok")
    assert code_of(orders.approve, official(desk), number) == "order_approved"
    assert code_of(orders.approve, official(desk, "alpine"), number) == "order_unauthorised"
    assert orders.approve(official(desk, "themis"), number) == "proposed"
    assert pay(desk) == "ok"
    assert orders.approve(official(desk, "nils"), number) == "in_force"
    assert pay(desk) == "account_frozen"
    assert code_of(orders.approve, official(desk, "nils"), number) == "order_closed"
    assert orders.info(desk.scope(), number)[3] == ["marta", "themis", "nils"]


def test_a_release_is_for_who_gave_or_approved_the_order_and_is_approved_as_it_was() -> None:
    desk = rich(2)
    number = freeze(desk)
    assert code_of(orders.propose_release, official(desk), number, "r", "b") == "order_closed"
    orders.approve(official(desk, "themis"), number)
    assert code_of(orders.propose_release, official(desk, "nils"), number, "r", "b") == "order_unauthorised"
    release = orders.propose_release(official(desk, "themis"), number, "r", "b")
    assert (status(desk, number), status(desk, release), pay(desk)) == ("in_force", "proposed", "account_frozen")
    again = orders.propose_release(official(desk), number, "r", "b")
    assert orders.approve(official(desk, "nils"), release) == "done"
    assert (status(desk, number), pay(desk)) == ("released", "ok")
    assert code_of(orders.approve, official(desk, "nils"), again) == "order_closed"


def test_a_proposal_ends_when_it_is_withdrawn_or_expires() -> None:
    desk = rich(2)
    first, second = freeze(desk), freeze(desk, expires_ms=desk.time_ms + 10)
    assert code_of(orders.withdraw, official(desk, "nils"), first) == "order_unauthorised"
    orders.withdraw(official(desk), first)
    desk.time_ms += 10
    for number, ended in ((first, "withdrawn"), (second, "expired")):
        assert status(desk, number) == ended
        assert code_of(orders.approve, official(desk, "nils"), number) == "order_closed"
        assert code_of(orders.withdraw, official(desk), number) == "order_closed"
    assert pay(desk) == "ok"


@pytest.mark.parametrize("number", [0, -1, 2, 2**70])
def test_an_unknown_order(desk: Desk, number: int) -> None:
    freeze(desk)
    assert code_of(orders.approve, official(desk), number) == "unknown_order"


# ------------------------------------------------------------------------------------------------ forced transfer


def test_a_forced_transfer_works_through_freezes_and_ends_none(desk: Desk) -> None:
    freeze(desk)
    freeze(desk, account="", asset=USD)
    number = force(desk, 400)
    assert (status(desk, number), balances(desk, ANN, CID)) == ("done", [(600, 0), (400, 0)])
    assert pay(desk) == "asset_frozen"
    assert len(orders.freezes_on(desk.scope(), ANN)) == len(orders.freezes_on(desk.scope(), USD)) == 1


def test_one_to_the_same_party_is_refused_and_ends_no_freeze(desk: Desk) -> None:
    """ERCs#1778: forcedTransfer(from, from) was a way to have an account unfrozen."""
    freeze(desk)
    arguments = (USD, ANN, ANN, 1_000, [], "r", "b", 0)
    assert code_of(orders.propose_transfer, official(desk), *arguments) == "bad_order"
    assert pay(desk) == "account_frozen"


def test_holds_are_broken_only_as_far_as_needed_and_never_posted_after(desk: Desk) -> None:
    first, second, third = (hold(desk, 300) for _ in range(3))
    scope = official(desk, "themis")
    orders.propose_transfer(scope, USD, ANN, CID, 400, [second, first, third], "r", "b", 0)
    assert [holds.status(desk.scope(), held) for held in (first, second, third)] == ["open", "voided", "open"]
    assert balances(desk, ANN, CID) == [(0, 600), (400, 0)]
    assert code_of(holds.post, desk.scope(contract="spender"), second, 1, "settle") == "hold_resolved"
    assert not holds.may_settle(desk.scope(), second)
    assert [event.name for event in scope.events] == ["order", "hold_voided", "hold_broken", "journal", "order_status"]
    assert scope.events[3].fields[1:] == (
        ("purpose", "order"), ("reference", "1"), ("legs", [[USD, ANN, -400], [USD, CID, 400]])
    )  # fmt: skip
    scope.settle()


def test_without_a_word_about_holds_only_what_is_available_moves(desk: Desk) -> None:
    hold(desk, 700)
    arguments = (USD, ANN, CID, 301, [], "r", "b", 0)
    assert code_of(orders.propose_transfer, official(desk), *arguments) == "insufficient_funds"
    assert balances(desk, ANN, CID) == [(300, 700), (0, 0)]
    force(desk, 300)


def test_a_group_costs_what_its_holds_cost() -> None:
    used = []
    for count in (1, 9):
        desk = rich(1)
        made = [hold(desk, 1) for _ in range(count)]
        groups.create(desk.scope(contract="spender"), made)
        scope = official(desk, "themis")
        orders.propose_transfer(scope, USD, ANN, CID, ledger.available(scope, ANN, USD) + 1, made[:1], "A", "B", 0)
        used.append(scope.meter.used)
    assert used[1] - used[0] == 8 * ledger.FUEL_PER_EXPIRY


def test_a_hold_of_a_group_is_broken_with_its_group(desk: Desk) -> None:
    made = [hold(desk, 200), hold(desk, 300)]
    group = groups.create(desk.scope(contract="spender"), made)
    force(desk, 600, [made[1]])
    assert [holds.status(desk.scope(), held) for held in made] == ["voided", "voided"]
    assert groups.status(desk.scope(), group) == "voided"
    assert balances(desk, ANN, CID) == [(400, 0), (600, 0)]


def test_holds_that_ended_or_expired_meanwhile_are_no_obstacle() -> None:
    desk = rich(2)
    gone, due, held = hold(desk, 300), hold(desk, 300, desk.time_ms + 10), hold(desk, 300)
    number = force(desk, 900, [gone, due, held])
    holds.void(desk.scope(contract="spender"), gone)
    desk.time_ms += 10
    assert orders.approve(official(desk), number) == "done"
    assert [holds.status(desk.scope(), each) for each in (gone, due, held)] == ["voided", "expired", "voided"]
    assert balances(desk, ANN, CID) == [(100, 0), (900, 0)]


def test_one_that_cannot_be_done_stays_proposed() -> None:
    desk = rich(2)
    number = force(desk, 1_500)
    assert code_of(orders.approve, official(desk), number) == "insufficient_funds"
    assert (status(desk, number), orders.info(desk.scope(), number)[3]) == ("proposed", ["themis"])
    ledger.mint(desk.scope("alpine"), USD, ANN, 500, "deposit", "")
    assert orders.approve(official(desk), number) == "done"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({0: "EUR.alpine"}, "unknown_asset"),
        ({1: "nobody"}, "unknown_account"),
        ({2: "supply"}, "unknown_account"),
        ({3: 0}, "amount_out_of_range"),
        ({3: 2**63}, "amount_out_of_range"),
        ({4: ["0.0"]}, "unknown_hold"),
        ({4: ["mine", "mine"]}, "bad_order"),
        ({4: ["bobs"]}, "bad_order"),
        ({4: ["x"] * 65}, "bad_order"),
        ({5: ""}, "bad_order"),
    ],
)
def test_what_a_forced_transfer_may_say(desk: Desk, changes: dict[int, object], code: str) -> None:
    mine = hold(desk, 100)
    bobs = holds.create(desk.scope("bob", contract="spender"), USD, BOB, 100, ANN, 0, "escrow", "")
    names = {"mine": mine, "bobs": bobs}
    arguments: list[object] = [USD, ANN, CID, 100, [], "r", "b", 0]
    for index, value in changes.items():
        arguments[index] = [names.get(name, name) for name in value] if isinstance(value, list) else value
    assert code_of(orders.propose_transfer, official(desk), *arguments) == code


def test_orders_are_listed_by_subject_in_pages(desk: Desk) -> None:
    for _ in range(3):
        freeze(desk)
    freeze(desk, account="", asset=USD)
    force(desk, 1)
    orders.propose_release(official(desk), 2, "r", "b")
    scope = desk.scope()
    assert orders.on(scope, ANN, 0, 100) == [1, 2, 3, 5, 6]
    assert orders.on(scope, ANN, 1, 2) == [2, 3]
    assert orders.on(scope, CID, 0, 100) == [5]
    assert orders.on(scope, USD, 0, 100) == [4]
    assert orders.on(scope, "", 0, 100) == [1, 2, 3, 4, 5, 6]
    assert orders.on(scope, "", 5, 100) == [6]
    assert orders.on(scope, "nobody", 9, 1) == []
    assert orders.on(scope, f"{ANN}/0", 0, 100) == []
    for first, limit in ((0, 0), (0, 101), (-1, 1), (0, b"\x01" * 9), (b"\x01" * 9, 1)):
        assert code_of(orders.on, scope, ANN, first, limit) == "bad_order"


# ---------------------------------------------------------------------------------------------- the contract, whole


def test_a_regulator_freezes_and_releases_by_the_contract() -> None:
    chain = Chain.start(with_officials(genesis_state())).furnish()
    payment: tuple[str, str, list[Value]] = ("payments", "pay", [BOB, "USD", 100, ""])
    stop: list[Value] = [ANN, "", 0, ["send"], "AZ 7/26", "StPO 263", 0]
    assert chain.send("alpine", ("orders", "freeze", stop)) == "order_unauthorised"
    assert chain.send("marta", ("orders", "freeze", stop)) == "ok"
    assert chain.send("ann", payment) == "account_frozen"
    listed = chain.reads.query("orders", "orders_on", [ANN, 0, 10]).value
    assert listed == [1]
    assert chain.reads.query("orders", "freezes", [ANN]).value == [[1, "", 0, ["send"], 0]]
    assert chain.reads.account(ANN).freezes == (Freeze(1, "AZ 7/26", ANN, "", 0, ("send",), 0),)
    stop_all: list[Value] = [USD, ["settle"], "AZ 9/26", "FINMAG 25", chain.time_ms + 1_500]
    assert chain.send("nils", ("orders", "freeze_asset", stop_all)) == "ok"
    of_asset = Freeze(2, "AZ 9/26", USD, "", 0, ("settle",), chain.time_ms + 500)
    assert chain.reads.account(BOB).freezes == (of_asset,)
    details = chain.reads.query("orders", "details", [1]).value
    assert isinstance(details, list)
    assert details[:7] == ["freeze", "in_force", "marta", ["marta"], "AZ 7/26", "StPO 263", ANN]
    forced: list[Value] = [USD, ANN, BOB, 4_000, [], "AZ 8/26", "ZPO 335", 0]
    assert chain.send("themis", ("orders", "force_transfer", forced)) == "ok"
    assert (chain.balance("ann", USD), chain.balance("bob", USD)) == (6_000, 14_000)
    assert chain.send("marta", ("orders", "release", [1, "AZ 7/26", "StPO 267"])) == "ok"
    assert chain.send("ann", payment) == "ok"
    assert chain.reads.account(ANN).freezes == chain.reads.account(BOB).freezes == ()
    assert all(audit.is_sound for audit in chain.reads.audit())
