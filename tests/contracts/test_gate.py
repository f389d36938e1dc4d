"""The gate: freezes, identity, countries, over every way on which money moves."""

import pytest

from contracts.kernel import freezes, gate, groups, holds, layout, ledger, limit_rules
from contracts.kernel.freezes import RECEIVE, SEND, SETTLE
from tests.contracts.courthouse import USD, YEAR_MS, code_of, identify
from tests.contracts.network import GENESIS_MS, Desk, address_of


@pytest.fixture
def rich(desk: Desk) -> Desk:
    """Ann, bob and the bank alpine have 1,000 each."""
    for name in ("ann", "bob", "alpine"):
        ledger.mint(desk.scope("alpine"), USD, address_of(name), 1_000, "deposit", "")
    return desk


def freeze(desk: Desk, name: str, stops: int, asset: str = "", amount: int = 0, expires_ms: int = 0) -> None:
    freezes.add(desk.scope(), address_of(name), (7, asset, stops, amount, expires_ms), is_asset=False)


def freeze_asset(desk: Desk, stops: int, expires_ms: int = 0) -> None:
    freezes.add(desk.scope(), USD, (7, "", stops, 0, expires_ms), is_asset=True)


def ask_level(desk: Desk, level: int) -> None:
    row = desk.overlay.get(layout.asset_key(USD))
    assert row is not None
    desk.overlay.put(layout.asset_key(USD), (*row[:5], level, *row[6:]))


def transfer(desk: Desk, source: str, target: str, amount: int = 100) -> str:
    scope = desk.scope(source)
    return code_of(ledger.transfer, scope, USD, address_of(source), address_of(target), amount, "payment", "")


def hold(desk: Desk, source: str, target: str, amount: int = 100, expires_ms: int = 0) -> str:
    scope = desk.scope(source, contract="spender")
    to = address_of(target) if target else ""
    return holds.create(scope, USD, address_of(source), amount, to, expires_ms, "escrow", "")


def post(desk: Desk, held: str, amount: int = 100) -> str:
    return code_of(holds.post, desk.scope(contract="spender"), held, amount, "settle")


# Every way on which money moves, from ann to bob.


def _journal(desk: Desk) -> str:
    return transfer(desk, "ann", "bob")


def _hold(desk: Desk) -> str:
    return code_of(lambda scope: hold(desk, "ann", "bob"), desk.scope())


def _open_hold(desk: Desk) -> str:
    return code_of(lambda scope: hold(desk, "ann", ""), desk.scope())


def _burn(desk: Desk) -> str:
    return code_of(ledger.burn, desk.scope("ann", "alpine"), USD, address_of("ann"), 100, "withdrawal", "")


def _mint(desk: Desk) -> str:
    return code_of(ledger.mint, desk.scope("alpine"), USD, address_of("bob"), 100, "deposit", "")


FREE = {"journal": _journal, "hold": _hold, "open hold": _open_hold, "burn": _burn, "mint": _mint}
SENDING = ("journal", "hold", "open hold", "burn")
RECEIVING = ("journal", "hold", "mint")


@pytest.mark.parametrize("way", FREE)
@pytest.mark.parametrize(
    ("name", "stops", "stopped"),
    [("ann", SEND, SENDING), ("bob", RECEIVE, RECEIVING), ("ann", RECEIVE | SETTLE, ()), ("bob", SEND | SETTLE, ())],
)
def test_a_frozen_account(rich: Desk, way: str, name: str, stops: int, stopped: tuple[str, ...]) -> None:
    freeze(rich, name, stops)
    assert FREE[way](rich) == ("account_frozen" if way in stopped else "ok")


@pytest.mark.parametrize("way", FREE)
@pytest.mark.parametrize(("stops", "stopped"), [(SEND, SENDING), (RECEIVE, RECEIVING), (SETTLE, ())])
def test_a_frozen_asset(rich: Desk, way: str, stops: int, stopped: tuple[str, ...]) -> None:
    freeze_asset(rich, stops)
    assert FREE[way](rich) == ("asset_frozen" if way in stopped else "ok")


@pytest.mark.parametrize("way", FREE)
def test_a_freeze_of_another_asset_or_past_its_expiry_binds_nobody(rich: Desk, way: str) -> None:
    everything = SEND | RECEIVE | SETTLE
    freeze(rich, "ann", everything, asset="USD.baltic")
    freeze(rich, "bob", everything, asset="USD.baltic", amount=10_000)
    freeze(rich, "ann", everything, expires_ms=rich.time_ms)
    freeze_asset(rich, everything, expires_ms=rich.time_ms)
    assert FREE[way](rich) == "ok"


def test_a_freeze_ends_when_the_blocks_time_reaches_its_expiry(rich: Desk) -> None:
    freeze(rich, "ann", SEND, expires_ms=rich.time_ms + 10)
    rich.time_ms += 9
    assert transfer(rich, "ann", "bob") == "account_frozen"
    rich.time_ms += 1
    assert transfer(rich, "ann", "bob") == "ok"


def test_a_members_own_account_and_a_contracts_are_frozen_too(rich: Desk) -> None:
    freeze(rich, "alpine", SEND | RECEIVE)
    assert transfer(rich, "alpine", "bob") == "account_frozen"
    assert transfer(rich, "ann", "alpine") == "account_frozen"


@pytest.mark.parametrize(
    ("amount", "sends", "code"),
    [(300, 700, "ok"), (300, 701, "account_frozen"), (1_000, 1, "account_frozen"), (2_000, 1, "account_frozen")],
)
def test_a_frozen_part_of_a_balance_stays(rich: Desk, amount: int, sends: int, code: str) -> None:
    freeze(rich, "ann", SEND, asset=USD, amount=amount)
    assert transfer(rich, "ann", "bob", sends) == code
    assert transfer(rich, "bob", "ann", 10) == "ok"


def test_frozen_parts_of_several_orders_add_up(rich: Desk) -> None:
    freeze(rich, "ann", SEND, asset=USD, amount=300)
    freeze(rich, "ann", SEND, asset="", amount=300)
    assert transfer(rich, "ann", "bob", 401) == "account_frozen"
    assert transfer(rich, "ann", "bob", 400) == "ok"


def test_what_is_held_is_no_part_of_what_stays_available(rich: Desk) -> None:
    hold(rich, "ann", "bob", 400)
    freeze(rich, "ann", SEND, asset=USD, amount=500)
    assert transfer(rich, "ann", "bob", 101) == "account_frozen"
    assert transfer(rich, "ann", "bob", 100) == "ok"


def test_a_hold_for_oneself_settles_though_a_part_is_frozen(rich: Desk) -> None:
    held = hold(rich, "ann", "ann", 400)
    freeze(rich, "ann", SETTLE, asset=USD, amount=5_000)
    assert holds.may_settle(rich.scope(), held)
    assert post(rich, held, 400) == "ok"


def test_a_part_is_judged_by_what_a_whole_journal_leaves(rich: Desk) -> None:
    freeze(rich, "ann", SEND, asset=USD, amount=300)
    ann, bob, alpine = (address_of(name) for name in ("ann", "bob", "alpine"))
    two = ((USD, ann, -400), (USD, bob, 400), (USD, ann, -400), (USD, alpine, 400))
    assert code_of(ledger.journal, rich.scope("ann"), two, "payment") == "account_frozen"
    with_credit = (*two, (USD, bob, -100), (USD, ann, 100))
    assert code_of(ledger.journal, rich.scope("ann", "bob"), with_credit, "payment") == "ok"


@pytest.mark.parametrize("name", ["ann", "bob"])
def test_settling_is_stopped_only_by_a_freeze_that_says_so(rich: Desk, name: str) -> None:
    held = hold(rich, "ann", "bob")
    freeze(rich, name, SEND | RECEIVE)
    assert holds.may_settle(rich.scope(), held)
    freeze(rich, name, SETTLE, expires_ms=rich.time_ms + 10)
    assert not holds.may_settle(rich.scope(), held)
    assert post(rich, held) == "account_frozen"
    rich.time_ms += 10
    assert holds.may_settle(rich.scope(), held)
    assert post(rich, held) == "ok"


def test_a_frozen_asset_stops_settling_where_it_says_so(rich: Desk) -> None:
    held = hold(rich, "ann", "bob")
    freeze_asset(rich, SETTLE)
    assert not holds.may_settle(rich.scope(), held)
    assert post(rich, held) == "asset_frozen"


def test_void_and_expiry_are_never_stopped(rich: Desk) -> None:
    one, two = hold(rich, "ann", "bob"), hold(rich, "ann", "bob", expires_ms=rich.time_ms + 10)
    freeze(rich, "ann", SEND | RECEIVE | SETTLE)
    freeze_asset(rich, SEND | RECEIVE | SETTLE)
    holds.void(rich.scope(contract="spender"), one)
    rich.time_ms += 10
    holds.expire(rich.scope(), two)
    assert ledger.balance(rich.scope(), address_of("ann"), USD) == (1_000, 0)


def test_a_part_that_stops_settling_counts_what_is_held(rich: Desk) -> None:
    held = hold(rich, "ann", "bob", 400)
    freeze(rich, "ann", SETTLE, asset=USD, amount=700)
    assert not holds.may_settle(rich.scope(), held)
    assert post(rich, held, 301) == "account_frozen"
    assert post(rich, held, 300) == "ok"


def _fills(desk: Desk, *fills: tuple[str, int]) -> str:
    listed = [(held, address_of("bob"), amount, False) for held, amount in fills]
    return code_of(holds.post_many, desk.scope(contract="spender"), listed, (), "trade")


def test_a_part_stays_whatever_is_posted_together(rich: Desk) -> None:
    one, two = hold(rich, "ann", "bob", 500), hold(rich, "ann", "bob", 500)
    freeze(rich, "ann", SETTLE, asset=USD, amount=300)
    assert _fills(rich, (one, 400), (two, 400)) == "account_frozen"
    assert _fills(rich, (one, 400), (two, 300)) == "ok"


def test_a_group_is_stopped_as_its_holds_are(rich: Desk) -> None:
    scope = rich.scope("ann", "bob", contract="spender")
    made = [
        holds.create(scope, USD, address_of(source), 100, address_of(target), 0, "swap", "")
        for source, target in (("ann", "bob"), ("bob", "ann"))
    ]
    group = groups.create(scope, made)
    freeze(rich, "bob", SETTLE)
    assert code_of(groups.post, rich.scope(contract="spender"), group, [100, 100], "swap") == "account_frozen"
    assert code_of(groups.void, rich.scope(contract="spender"), group) == "ok"


def test_a_receiver_named_when_the_hold_is_posted_is_checked_in_full(rich: Desk) -> None:
    held = hold(rich, "ann", "")
    freeze(rich, "bob", RECEIVE)
    assert _fills(rich, (held, 100)) == "account_frozen"
    ask_level(rich, 1)
    freezes.remove(rich.scope(), address_of("bob"), 7, is_asset=False)
    assert _fills(rich, (held, 100)) == "identity_required"
    identify(rich, "bob")
    assert _fills(rich, (held, 100)) == "ok"


# ------------------------------------------------------------------------------------------------------ identity


@pytest.mark.parametrize(
    ("status", "level", "asked", "code"),
    [
        ("", 0, 0, "ok"),
        ("", 0, 1, "identity_required"),
        ("submitted", 0, 0, "ok"),
        ("submitted", 0, 1, "identity_required"),
        ("needs_information", 0, 1, "identity_required"),
        ("verified", 1, 1, "ok"),
        ("verified", 1, 2, "identity_required"),
        ("verified", 2, 1, "ok"),
        ("suspended", 2, 0, "identity_suspended"),
        ("suspended", 2, 1, "identity_suspended"),
        ("revoked", 2, 0, "identity_revoked"),
        ("revoked", 2, 1, "identity_revoked"),
    ],
)
@pytest.mark.parametrize("name", ["ann", "bob"])
def test_identity(rich: Desk, name: str, status: str, level: int, asked: int, code: str) -> None:
    for party in ("ann", "bob"):
        identify(rich, party)
    if status:
        identify(rich, name, status, level)
    else:
        rich.overlay.delete(layout.identity_key(address_of(name)))
        row = rich.scope().account(address_of(name))
        rich.overlay.put(layout.account_key(address_of(name)), (*row[:3], row[3] & ~layout.IDENTIFIED, None))  # type: ignore[arg-type]
    ask_level(rich, asked)
    assert transfer(rich, "ann", "bob") == code
    assert transfer(rich, "bob", "ann") == code


def test_a_verification_ends_when_the_blocks_time_reaches_its_expiry(rich: Desk) -> None:
    identify(rich, "ann")
    rich.time_ms = GENESIS_MS + YEAR_MS - 1
    assert transfer(rich, "ann", "bob") == "ok"
    rich.time_ms += 1
    assert transfer(rich, "ann", "bob") == "identity_expired"


def test_members_and_contracts_have_no_identity(rich: Desk) -> None:
    ask_level(rich, 3)
    assert transfer(rich, "alpine", "central") == "ok"
    assert transfer(rich, "alpine", "bob") == "identity_required"


def test_an_obligation_settles_though_an_identity_was_revoked(rich: Desk) -> None:
    held = hold(rich, "ann", "bob")
    identify(rich, "ann", "revoked")
    assert post(rich, held) == "ok"
    assert transfer(rich, "ann", "bob") == "identity_revoked"


@pytest.mark.parametrize("parameter", [0, 2, 3])
def test_the_network_asks_for_a_level_too(rich: Desk, parameter: int) -> None:
    row = rich.overlay.get(layout.PARAMETERS)
    assert row is not None
    changed = [(name, parameter if name == "identity_level_min" else value) for name, value in row]  # type: ignore[misc]
    rich.overlay.put(layout.PARAMETERS, tuple(changed))
    for party in ("ann", "bob"):
        identify(rich, party)
    assert transfer(rich, "ann", "bob") == ("identity_required" if parameter == 3 else "ok")


# ------------------------------------------------------------------------------------------------ jurisdictions


@pytest.mark.parametrize(
    ("only", "countries", "code"),
    [
        (True, ["CH", "FR"], "ok"),
        (True, ["FR"], "jurisdiction_refused"),
        (True, [], "jurisdiction_refused"),
        (False, ["CH"], "jurisdiction_refused"),
        (False, ["FR"], "ok"),
        (False, [], "ok"),
    ],
)
def test_an_assets_countries(rich: Desk, only: bool, countries: list[str], code: str) -> None:
    identify(rich, "ann")
    identify(rich, "bob")
    limit_rules.set_jurisdictions(rich.scope("alpine"), USD, only, countries)
    assert transfer(rich, "ann", "bob") == code
    assert transfer(rich, "ann", "alpine") == code


def test_who_has_no_known_country_is_in_no_list(rich: Desk) -> None:
    limit_rules.set_jurisdictions(rich.scope("alpine"), USD, True, ["CH"])
    assert transfer(rich, "ann", "bob") == "jurisdiction_refused"
    limit_rules.set_jurisdictions(rich.scope("alpine"), USD, False, ["CH"])
    assert transfer(rich, "ann", "bob") == "ok"


def test_check_frozen_asks_for_freezes_alone(rich: Desk) -> None:
    ask_level(rich, 3)
    legs = ((USD, address_of("ann"), -1), (USD, address_of("alpine"), 1))
    gate.check_frozen(rich.scope(), legs)
    freeze(rich, "ann", SEND)
    assert code_of(gate.check_frozen, rich.scope(), legs) == "account_frozen"
