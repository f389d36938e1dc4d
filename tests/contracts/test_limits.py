"""Limits: what counts, for whom, in which window, and what is given back."""

import pytest

from contracts.kernel import holds, layout, ledger, limit_rules, limits
from contracts.kernel.limits import DAY_MS, ROLLING_DAYS
from contracts.kernel.scope import Scope
from tests.contracts.courthouse import USD, code_of, desk_with_officials, identify
from tests.contracts.network import Desk, address_of

ANN, BOB, CID = (address_of(name) for name in ("ann", "bob", "cid"))
ALPINE = address_of("alpine")


@pytest.fixture
def desk() -> Desk:
    """At the first millisecond of a day; ann, bob and the bank alpine have 10,000 each."""
    desk = desk_with_officials()
    desk.time_ms += DAY_MS - desk.time_ms % DAY_MS
    for address in (ANN, BOB, ALPINE):
        ledger.mint(desk.scope("alpine"), USD, address, 10_000, "deposit", "")
    return desk


def limit(desk: Desk, risk_class: str = "", **named: int) -> None:
    limit_rules.set_limits(desk.scope("alpine"), USD, risk_class, list(named.items()))
    desk.time_ms += 1


def cap(desk: Desk, by: str, risk_class: str = "", **named: int) -> None:
    limit_rules.cap_limits(desk.scope(by, sender=by), USD, risk_class, list(named.items()))
    desk.time_ms += 1


def pay(desk: Desk, amount: int, source: str = "ann", target: str = "bob") -> str:
    scope = desk.scope(source)
    return code_of(ledger.transfer, scope, USD, address_of(source), address_of(target), amount, "payment", "")


def hold(desk: Desk, amount: int, beneficiary: str = BOB, expires_ms: int = 0) -> str:
    scope = desk.scope("ann", contract="spender")
    return holds.create(scope, USD, ANN, amount, beneficiary, expires_ms, "escrow", "")


def left(desk: Desk, address: str = ANN) -> dict[str, int]:
    return limits.left(desk.scope(), USD, address)


def next_day(desk: Desk, days: int = 1) -> None:
    desk.time_ms += days * DAY_MS


@pytest.mark.parametrize(
    ("name", "amounts"),
    [
        ("single_out", [(501, "limit_exceeded"), (500, "ok"), (500, "ok")]),
        ("single_in", [(501, "limit_exceeded"), (500, "ok"), (500, "ok")]),
        ("day_out", [(501, "limit_exceeded"), (300, "ok"), (201, "limit_exceeded"), (200, "ok")]),
        ("day_in", [(501, "limit_exceeded"), (300, "ok"), (201, "limit_exceeded"), (200, "ok")]),
        ("rolling_out", [(300, "ok"), (201, "limit_exceeded"), (200, "ok"), (1, "limit_exceeded")]),
        ("rolling_in", [(300, "ok"), (201, "limit_exceeded"), (200, "ok"), (1, "limit_exceeded")]),
    ],
)
def test_each_limit_to_the_cent(desk: Desk, name: str, amounts: list[tuple[int, str]]) -> None:
    limit(desk, **{name: 500})
    for amount, code in amounts:
        assert pay(desk, amount) == code


def test_the_least_that_stays_and_the_most_that_is_had(desk: Desk) -> None:
    limit(desk, balance_min=9_000, balance_max=10_500)
    assert pay(desk, 501) == "limit_exceeded"
    assert pay(desk, 500) == "ok"
    assert pay(desk, 501) == "limit_exceeded"
    assert pay(desk, 500, target="alpine") == "ok"
    assert pay(desk, 1, target="alpine") == "limit_exceeded"


def test_a_day_ends_at_midnight_utc_and_the_rolling_days_move_on(desk: Desk) -> None:
    limit(desk, day_out=100, rolling_out=250)
    assert [pay(desk, 100), pay(desk, 1)] == ["ok", "limit_exceeded"]
    desk.time_ms += DAY_MS - desk.time_ms % DAY_MS - 1
    assert pay(desk, 1) == "limit_exceeded"
    desk.time_ms += 1
    assert [pay(desk, 100), pay(desk, 1)] == ["ok", "limit_exceeded"]
    next_day(desk)
    assert [pay(desk, 51), pay(desk, 50)] == ["limit_exceeded", "ok"]
    next_day(desk, ROLLING_DAYS - 3)
    assert pay(desk, 1) == "limit_exceeded"
    next_day(desk)
    assert [pay(desk, 100), pay(desk, 1)] == ["ok", "limit_exceeded"]


def test_what_comes_in_rolls_over_days_too(desk: Desk) -> None:
    limit(desk, rolling_in=100)
    assert pay(desk, 60) == "ok"
    next_day(desk)
    assert [pay(desk, 41), pay(desk, 40)] == ["limit_exceeded", "ok"]


def test_what_is_held_counts_as_had(desk: Desk) -> None:
    limit(desk, balance_max=10_100)
    scope = desk.scope("bob", contract="spender")
    holds.create(scope, USD, BOB, 4_000, ALPINE, 0, "escrow", "")
    assert [pay(desk, 101), pay(desk, 100)] == ["limit_exceeded", "ok"]


def test_in_and_out_are_gross(desk: Desk) -> None:
    limit(desk, day_out=500, day_in=400)
    assert [pay(desk, 400), pay(desk, 400, "bob", "ann"), pay(desk, 101), pay(desk, 1)] == [
        "ok", "ok", "limit_exceeded", "limit_exceeded"
    ]  # fmt: skip
    assert left(desk) == {"day_out": 100, "day_in": 0, "balance_min": 10_000}
    assert left(desk, BOB) == {"day_out": 100, "day_in": 0, "balance_min": 10_000}


def test_a_journal_counts_what_it_changes_in_sum(desk: Desk) -> None:
    limit(desk, day_out=100)
    legs = [(USD, ANN, -400), (USD, BOB, 400), (USD, BOB, -300), (USD, ANN, 300)]
    assert code_of(ledger.journal, desk.scope("ann", "bob"), legs, "netting") == "ok"
    assert left(desk)["day_out"] == 0
    assert left(desk, BOB)["day_out"] == 100


def test_members_and_contracts_are_exempt_and_deposits_and_withdrawals_count(desk: Desk) -> None:
    limit(desk, day_out=100, day_in=100)
    assert pay(desk, 5_000, "alpine", "central") == "ok"
    assert left(desk, ALPINE) == {}
    assert pay(desk, 101, "alpine", "ann") == "limit_exceeded"
    mint = (USD, ANN, 101, "deposit", "")
    assert code_of(ledger.mint, desk.scope("alpine"), *mint) == "limit_exceeded"
    burn = (USD, ANN, 101, "withdrawal", "")
    assert code_of(ledger.burn, desk.scope("alpine", "ann"), *burn) == "limit_exceeded"


# ---------------------------------------------------------------------------------------------------- risk classes


def test_a_risk_class_has_its_own_limits_and_those_for_all(desk: Desk) -> None:
    limit(desk, "", single_out=1_000)
    limit(desk, "low", single_out=2_000, day_out=1_500)
    limit(desk, "unverified", single_out=10)
    assert [pay(desk, 11), pay(desk, 10)] == ["limit_exceeded", "ok"]
    identify(desk, "ann", risk_class="low")
    assert [pay(desk, 1_001), pay(desk, 1_000), pay(desk, 491), pay(desk, 490)] == [
        "limit_exceeded", "ok", "limit_exceeded", "ok"
    ]  # fmt: skip
    identify(desk, "ann", risk_class="high")
    assert [pay(desk, 1_001), pay(desk, 1_000)] == ["limit_exceeded", "ok"]
    assert limit_rules.limits_in_force(desk.scope(), USD, "low") == [("single_out", 1_000), ("day_out", 1_500)]
    assert limit_rules.limits_in_force(desk.scope(), USD, "high") == [("single_out", 1_000)]


def test_a_cap_for_all_holds_for_each_class(desk: Desk) -> None:
    limit(desk, "unverified", single_out=5_000)
    cap(desk, "marta", single_out=10)
    assert [pay(desk, 11), pay(desk, 10)] == ["limit_exceeded", "ok"]


def test_a_submitted_identity_is_unverified(desk: Desk) -> None:
    limit(desk, "unverified", single_out=10)
    identify(desk, "ann", "submitted", risk_class="low")
    assert pay(desk, 11) == "limit_exceeded"


def test_nobody_loosens_anothers_limit(desk: Desk) -> None:
    in_force = lambda: dict(limit_rules.limits_in_force(desk.scope(), USD, ""))  # noqa: E731
    cap(desk, "marta", day_out=500, balance_min=5)
    cap(desk, "themis", day_out=400)
    limit(desk, day_out=10_000, balance_min=1, single_out=7)
    assert in_force() == {"balance_min": 5, "single_out": 7, "day_out": 400}
    limit(desk)
    assert in_force() == {"balance_min": 5, "day_out": 400}
    cap(desk, "themis")
    assert in_force() == {"balance_min": 5, "day_out": 500}
    limit(desk, day_out=3)
    cap(desk, "marta", day_out=9_999)
    assert in_force() == {"day_out": 3}
    cap(desk, "marta")
    limit(desk)
    assert desk.overlay.get(layout.limits_key(USD)) is None
    assert limits.limits_of(desk.scope(), USD) is None


@pytest.mark.parametrize(("by", "code"), [("ann", False), ("baltic", False), ("central", False), ("marta", True)])
def test_who_sets_limits(desk: Desk, by: str, code: bool) -> None:
    named = [("day_out", 1)]
    scope = desk.scope(by, sender=by)
    assert code_of(limit_rules.set_limits, scope, USD, "", named) == "limits_unauthorised"
    assert code_of(limit_rules.set_corridor, scope, USD, "CH", "FR", [("day", 1)]) == "limits_unauthorised"
    assert code_of(limit_rules.set_jurisdictions, scope, USD, True, ["CH"]) == "limits_unauthorised"
    may = "ok" if code else "limits_unauthorised"
    assert code_of(limit_rules.cap_limits, scope, USD, "", named) == may
    assert code_of(limit_rules.cap_corridor, scope, USD, "CH", "FR", [("day", 1)]) == may
    assert code_of(limit_rules.refuse_jurisdictions, scope, ["KP"]) == may


@pytest.mark.parametrize(
    ("risk_class", "named", "code"),
    [
        ("", [("hour_out", 1)], "bad_limits"),
        ("", [("day_out", 1), ("day_out", 2)], "bad_limits"),
        ("", [("day_out", -1)], "bad_limits"),
        ("", [("day_out", 2**63)], "bad_limits"),
        ("", [("balance_min", 2), ("balance_max", 1)], "bad_limits"),
        ("Low", [("day_out", 1)], "bad_limits"),
        ("low", [("day_out", 0)], "ok"),
        ("low", [], "ok"),
    ],
)
def test_what_limits_may_say(desk: Desk, risk_class: str, named: list[tuple[str, int]], code: str) -> None:
    assert code_of(limit_rules.set_limits, desk.scope("alpine"), USD, risk_class, named) == code


# ----------------------------------------------------------------------------------------------------------- holds


def test_a_hold_counts_for_both_when_it_is_made_and_posting_counts_nothing_more(desk: Desk) -> None:
    limit(desk, day_out=100, day_in=100)
    held = hold(desk, 60)
    assert (left(desk)["day_out"], left(desk, BOB)["day_in"]) == (40, 40)
    assert pay(desk, 41) == "limit_exceeded"
    holds.post(desk.scope(contract="spender"), held, 60, "settle")
    assert (left(desk)["day_out"], left(desk, BOB)["day_in"]) == (40, 40)


def test_what_is_not_posted_is_given_back_to_the_day_on_which_it_counted(desk: Desk) -> None:
    limit(desk, day_out=100, day_in=100, rolling_out=150, rolling_in=150)
    voided, posted, expired = hold(desk, 20), hold(desk, 30), hold(desk, 40, expires_ms=desk.time_ms + DAY_MS + 10)
    next_day(desk)
    assert left(desk) == {"day_out": 100, "day_in": 100, "rolling_out": 60, "rolling_in": 150, "balance_min": 9_910}
    holds.void(desk.scope(contract="spender"), voided)
    assert (left(desk)["rolling_out"], left(desk, BOB)["rolling_in"], left(desk)["day_out"]) == (80, 80, 100)
    holds.post(desk.scope(contract="spender"), posted, 10, "settle")
    assert (left(desk)["rolling_out"], left(desk, BOB)["rolling_in"]) == (100, 100)
    desk.time_ms += 10
    holds.expire(desk.scope(), expired)
    assert (left(desk)["rolling_out"], left(desk, BOB)["rolling_in"]) == (140, 140)
    assert left(desk, BOB)["day_in"] == 100


def test_an_expired_hold_that_nobody_released_is_no_obstacle(desk: Desk) -> None:
    limit(desk, day_out=100, rolling_out=100, balance_min=9_900)
    hold(desk, 90, expires_ms=desk.time_ms + 10)
    assert pay(desk, 11) == "limit_exceeded"
    desk.time_ms += 10
    assert left(desk) == {"balance_min": 100, "day_out": 100, "rolling_out": 100}
    assert pay(desk, 100) == "ok"
    assert left(desk) == {"balance_min": 0, "day_out": 0, "rolling_out": 0}


def test_what_was_held_before_there_were_limits_gives_nothing_back(desk: Desk) -> None:
    held = hold(desk, 60)
    limit(desk, day_out=100)
    assert pay(desk, 100) == "ok"
    holds.void(desk.scope(contract="spender"), held)
    assert left(desk)["day_out"] == 0


def test_what_expired_from_before_there_were_limits_makes_no_room(desk: Desk) -> None:
    hold(desk, 60, expires_ms=desk.time_ms + 10)
    limit(desk, day_out=100)
    assert pay(desk, 100) == "ok"
    desk.time_ms += 10
    assert pay(desk, 1) == "limit_exceeded"
    assert left(desk)["day_out"] == 0


def test_an_expired_hold_for_oneself_makes_no_room(desk: Desk) -> None:
    limit(desk, day_out=100)
    hold(desk, 500, ANN, desk.time_ms + 10)
    assert pay(desk, 100) == "ok"
    desk.time_ms += 10
    assert pay(desk, 1) == "limit_exceeded"


def test_a_hold_for_oneself_counts_for_nobody(desk: Desk) -> None:
    limit(desk, day_out=100, day_in=100)
    assert [pay(desk, 30), pay(desk, 30, "bob", "ann")] == ["ok", "ok"]
    held = hold(desk, 500, ANN)
    assert (left(desk)["day_out"], left(desk)["day_in"]) == (70, 70)
    holds.void(desk.scope(contract="spender"), held)
    assert (left(desk)["day_out"], left(desk)["day_in"]) == (70, 70)


def test_a_receiver_named_late_counts_when_it_is_named(desk: Desk) -> None:
    limit(desk, day_out=100, day_in=50)
    held = hold(desk, 100, "")
    assert (left(desk)["day_out"], left(desk, BOB)["day_in"]) == (0, 50)
    next_day(desk)
    many = lambda amount: [(held, BOB, amount, True)]  # noqa: E731
    assert code_of(holds.post_many, desk.scope(contract="spender"), many(51), (), "trade") == "limit_exceeded"
    rest = holds.post_many(desk.scope(contract="spender"), many(50), (), "trade")[0]
    assert (left(desk)["day_out"], left(desk, BOB)["day_in"]) == (100, 0)
    holds.void(desk.scope(contract="spender"), rest)
    assert (left(desk, ANN)["day_out"], left(desk, BOB)["day_in"]) == (100, 0)


# ------------------------------------------------------------------------------------------------------- corridors


def corridor(desk: Desk, origin: str, to: str, **named: int) -> None:
    limit_rules.set_corridor(desk.scope("alpine"), USD, origin, to, list(named.items()))
    desk.time_ms += 1


def test_a_corridor_limits_what_one_payer_sends_to_a_country(desk: Desk) -> None:
    identify(desk, "ann", country="CH")
    identify(desk, "bob", country="FR")
    corridor(desk, "CH", "FR", single=60, day=100, rolling=150)
    assert [pay(desk, 61), pay(desk, 60), pay(desk, 41), pay(desk, 40)] == ["limit_exceeded", "ok"] * 2
    assert pay(desk, 5_000, "bob", "ann") == "ok"
    assert pay(desk, 5_000, "ann", "alpine") == "ok"
    identify(desk, "cid", country="DE")
    assert pay(desk, 1_000, "ann", "cid") == "ok"
    next_day(desk)
    assert [pay(desk, 51), pay(desk, 50)] == ["limit_exceeded", "ok"]


def test_a_corridor_can_be_closed_and_capped(desk: Desk) -> None:
    identify(desk, "ann", country="CH")
    corridor(desk, "CH", "", day=1_000)
    limit_rules.cap_corridor(desk.scope("themis", sender="themis"), USD, "CH", "", [("single", 0)])
    assert limit_rules.corridor_in_force(desk.scope(), USD, "CH", "") == [("single", 0), ("day", 1_000)]
    assert pay(desk, 1) == "limit_exceeded"


def test_a_hold_counts_in_its_corridor_and_gives_back(desk: Desk) -> None:
    identify(desk, "ann", country="CH")
    identify(desk, "bob", country="FR")
    corridor(desk, "CH", "FR", day=100)
    held, unnamed = hold(desk, 80), hold(desk, 50, "")
    assert pay(desk, 21) == "limit_exceeded"
    fills = [(unnamed, BOB, 21, False)]
    assert code_of(holds.post_many, desk.scope(contract="spender"), fills, (), "trade") == "limit_exceeded"
    holds.post(desk.scope(contract="spender"), held, 30, "settle")
    assert code_of(holds.post_many, desk.scope(contract="spender"), fills, (), "trade") == "ok"
    assert [pay(desk, 50), pay(desk, 49)] == ["limit_exceeded", "ok"]


def test_a_payment_across_banks_goes_through_a_corridor(desk: Desk) -> None:
    identify(desk, "ann", country="CH")
    identify(desk, "cid", country="FR")
    corridor(desk, "CH", "FR", day=100)
    other = "USD.baltic"

    def across(amount: int) -> str:
        legs = [(USD, ANN, -amount), (USD, "supply", amount), (other, "supply", -amount), (other, CID, amount)]
        return code_of(ledger.journal, desk.scope("ann", "alpine", "baltic"), legs, "payment")

    assert [across(101), across(100), across(1)] == ["limit_exceeded", "ok", "limit_exceeded"]


def test_what_a_payer_sends_to_itself_goes_through_no_corridor(desk: Desk) -> None:
    identify(desk, "ann", country="CH")
    identify(desk, "bob", country="CH")
    corridor(desk, "CH", "CH", day=100)
    to_itself = [(USD, ANN, -500), (USD, "supply", 500), ("USD.baltic", "supply", -500), ("USD.baltic", ANN, 500)]
    assert code_of(ledger.journal, desk.scope("ann", "alpine", "baltic"), to_itself, "move") == "ok"
    with_bob = [(USD, ANN, -500), (USD, BOB, 101), (USD, ANN, 399)]
    assert code_of(ledger.journal, desk.scope("ann"), with_bob, "payment") == "limit_exceeded"
    with_bob = [(USD, ANN, -500), (USD, BOB, 100), (USD, ANN, 400)]
    assert code_of(ledger.journal, desk.scope("ann"), with_bob, "payment") == "ok"
    assert pay(desk, 1) == "limit_exceeded"


def test_a_batch_counts_in_each_corridor_what_goes_there(desk: Desk) -> None:
    identify(desk, "ann", country="CH")
    identify(desk, "bob", country="FR")
    identify(desk, "cid", country="DE")
    corridor(desk, "CH", "FR", day=100)
    corridor(desk, "CH", "DE", day=200)

    def batch(to_bob: int, to_cid: int) -> str:
        legs = [(USD, ANN, -to_bob - to_cid), (USD, BOB, to_bob), (USD, CID, to_cid)]
        return code_of(ledger.journal, desk.scope("ann"), legs, "batch")

    assert [batch(101, 1), batch(1, 201), batch(100, 200)] == ["limit_exceeded", "limit_exceeded", "ok"]


def test_of_what_several_pay_into_a_country_each_counts_its_own(desk: Desk) -> None:
    identify(desk, "ann", country="CH")
    identify(desk, "bob", country="FR")
    corridor(desk, "CH", "FR", day=100)
    legs = [(USD, ANN, -60), (USD, ALPINE, -500), (USD, BOB, 560)]
    assert code_of(ledger.journal, desk.scope("ann", "alpine"), legs, "payment") == "ok"
    assert [pay(desk, 41), pay(desk, 40)] == ["limit_exceeded", "ok"]


def test_countries_are_countries_and_corridors_are_bounded(desk: Desk) -> None:
    scope = desk.scope("alpine")
    assert code_of(limit_rules.set_corridor, scope, USD, "XX", "FR", [("day", 1)]) == "bad_limits"
    assert code_of(limit_rules.set_jurisdictions, scope, USD, True, ["XX"]) == "bad_limits"
    countries = sorted(limit_rules.COUNTRIES)[: limit_rules.CORRIDORS_MAX + 1]
    codes = [code_of(limit_rules.set_corridor, scope, USD, "CH", to, [("day", 1)]) for to in countries]
    assert codes == ["ok"] * limit_rules.CORRIDORS_MAX + ["bad_limits"]
    classes = [f"class_{number}" for number in range(limit_rules.CLASSES_MAX + 1)]
    codes = [code_of(limit_rules.set_limits, scope, USD, name, [("day_out", 1)]) for name in classes]
    assert codes == ["ok"] * limit_rules.CLASSES_MAX + ["bad_limits"]


def test_countries_that_the_network_refuses(desk: Desk) -> None:
    identify(desk, "ann", country="KP")
    officials = {name: desk.scope(name, sender=name) for name in ("marta", "themis")}
    limit_rules.refuse_jurisdictions(officials["marta"], ["KP", "IR"])
    limit_rules.refuse_jurisdictions(officials["themis"], ["KP"])
    assert [pay(desk, 1), pay(desk, 1, "bob", "ann")] == ["jurisdiction_refused"] * 2
    limit_rules.refuse_jurisdictions(officials["marta"], [])
    assert pay(desk, 1) == "jurisdiction_refused"
    limit_rules.refuse_jurisdictions(officials["themis"], [])
    assert pay(desk, 1) == "ok"
    assert desk.overlay.get(layout.NETWORK_JURISDICTIONS) is None


# -------------------------------------------------------------------------------------------------------- bounded


def test_a_window_keeps_only_the_days_that_count(desk: Desk) -> None:
    limit(desk, rolling_out=1_000_000)
    for _ in range(2 * ROLLING_DAYS):
        assert pay(desk, 10) == "ok"
        next_day(desk)
    row = desk.overlay.get(layout.window_key(ANN, USD))
    assert row is not None
    past = row[3]
    assert isinstance(past, tuple)
    assert past[:2] == (0, 10 * (ROLLING_DAYS - 1))
    assert isinstance(past[2], tuple)
    assert len(past[2]) == ROLLING_DAYS - 1
    assert left(desk)["rolling_out"] == 1_000_000 - 10 * (ROLLING_DAYS - 1)
    next_day(desk, 10 * ROLLING_DAYS)
    assert pay(desk, 1) == "ok"
    assert desk.overlay.get(layout.window_key(ANN, USD)) == (desk.time_ms // DAY_MS, 0, 1, (0, 0, ()))


def test_sums_past_the_largest_amount_are_kept_as_it(desk: Desk) -> None:
    limit(desk, "high", single_out=1)
    most = 2**63 - 1
    window = (desk.time_ms // DAY_MS, most - 1, most - 1, (most, most, ()))
    desk.overlay.put(layout.window_key(ANN, USD), window)
    assert pay(desk, 100) == "ok"
    assert pay(desk, 100, "bob", "ann") == "ok"
    assert desk.overlay.get(layout.window_key(ANN, USD)) == (window[0], most, most, (most, most, ()))


def test_windows_cost_fuel(desk: Desk) -> None:
    def spent() -> int:
        scope: Scope = desk.scope("ann")
        ledger.transfer(scope, USD, ANN, BOB, 1, "payment", "")
        return scope.meter.used

    before = spent()
    limit(desk, day_out=1_000)
    assert spent() - before == 2 * limits.FUEL_PER_WINDOW


def test_each_rule_of_the_row_costs_fuel(desk: Desk) -> None:
    used = []
    for name in ("low", "high", "standard"):
        scope = desk.scope("alpine")
        limit_rules.set_limits(scope, USD, name, [("day_out", 9)])
        used.append(scope.meter.used)
    assert [used[1] - used[0], used[2] - used[1]] == [limit_rules.FUEL_PER_RULE] * 2
