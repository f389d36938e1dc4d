"""The gate's quick way for a plain payment: it judges, counts and charges as the long one does."""

from random import Random

import pytest

from contracts.kernel import gate, identity, ledger, limit_rules, limits
from contracts.kernel.limits import DAY_MS
from tests.contracts.courthouse import USD, code_of, desk_with_officials, identify
from tests.contracts.network import Desk, address_of

NAMES = ("ann", "bob", "cid", "alpine")
LIMITS = ("balance_min", "balance_max", "single_out", "single_in", "day_out", "day_in", "rolling_out", "rolling_in")


def furnished(random: Random) -> Desk:
    """Some verified, of one risk class or two; some limits, where they do not contradict each other; 10,000 each."""
    desk = desk_with_officials()
    desk.time_ms += DAY_MS - desk.time_ms % DAY_MS
    for name in NAMES:
        ledger.mint(desk.scope("alpine"), USD, address_of(name), 10_000, "deposit", "")
    for name in NAMES[:3]:
        if random.random() < 0.8:
            identify(desk, name, risk_class=random.choice(["low", "low", "high"]), level=random.choice([1, 2]))
    for risk_class in ("", "low", "high", "unverified"):
        chosen = [(name, random.choice([500, 2_000, 9_000])) for name in LIMITS if random.random() < 0.4]
        code_of(limit_rules.set_limits, desk.scope("alpine"), USD, risk_class, chosen)
    if random.random() < 0.2:
        limit_rules.set_corridor(desk.scope("alpine"), USD, "CH", "CH", [("day", 1_500)])
    desk.time_ms += 1
    return desk


def played(seed: int) -> tuple[list[tuple[str, int]], dict[bytes, object], int]:
    """Codes and fuel of a hundred payments, the rows that they leave, and how many took the quick way."""
    random = Random(seed)
    desk = furnished(random)
    told, quick = [], 0
    for _ in range(100):
        payer, payee = random.sample(NAMES, 2)
        if random.random() < 0.05:
            desk.time_ms += DAY_MS
        scope = desk.scope(payer)
        way: list[bool] = []
        plain = gate._passes_as_plain
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gate, "_passes_as_plain", lambda *asked, way=way, plain=plain: note(way, plain(*asked)))
            amount = random.choice([1, 400, 600, 2_500])
            code = code_of(ledger.transfer, scope, USD, address_of(payer), address_of(payee), amount, "payment", "")
        told.append((code, scope.meter.used))
        quick += any(way)
    return told, dict(desk.overlay.changes()), quick


def note(way: list[bool], answer: bool) -> bool:
    way.append(answer)
    return answer


@pytest.mark.parametrize("seed", range(12))
def test_both_ways_agree(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    told, rows, _ = played(seed)
    monkeypatch.setattr(gate, "_passes_as_plain", lambda *_: False)
    slow_told, slow_rows, slow_quick = played(seed)
    assert (told, rows) == (slow_told, slow_rows)
    assert slow_quick == 0


def test_many_take_the_quick_way() -> None:
    assert sum(played(seed)[2] for seed in range(12)) > 50


def test_a_quick_way_that_counts_nothing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    long_way = [played(seed)[:2] for seed in range(12)]
    monkeypatch.setattr(limits, "count_pair", lambda *_: True)
    assert [played(seed)[:2] for seed in range(12)] != long_way


def test_the_quick_way_ends_with_a_verification() -> None:
    desk = furnished(Random(0))
    identify(desk, "ann")
    identify(desk, "bob")
    row = identity.identity_of(desk.scope(), address_of("ann"))
    assert row is not None
    desk.time_ms = row[3]
    scope, ann, bob = desk.scope("ann"), address_of("ann"), address_of("bob")
    assert code_of(ledger.transfer, scope, USD, ann, bob, 1, "payment", "") == "identity_expired"
