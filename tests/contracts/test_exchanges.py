"""Who stands in the way of an exchange, and freeing what a hold still reserves."""

import pytest

from contracts.kernel import exchanges, freezes, holds, layout, ledger, limit_rules
from contracts.kernel.freezes import RECEIVE, SEND, SETTLE
from state.address import contract_address
from tests.contracts.courthouse import USD, code_of, desk_with_officials, identify
from tests.contracts.network import PREFIX, Desk, address_of

OTHER = "USD.baltic"
ANN, BOB = address_of("ann"), address_of("bob")


@pytest.fixture
def desk() -> Desk:
    """The contract spender holds 40 of ann's money for nobody yet; bob has money of baltic. Both are of Switzerland."""
    desk = desk_with_officials()
    address = contract_address(PREFIX, "spender")
    desk.overlay.put(layout.contract_key("spender"), (address, 1, b"", 0, 1, 1))
    desk.overlay.put(layout.account_key(address), ("", None, "spender", 0, None))
    for asset, bank, who in ((USD, "alpine", ANN), (OTHER, "baltic", BOB)):
        ledger.mint(desk.scope(bank), asset, who, 100, "deposit", "")
    for name in ("ann", "bob"):
        identify(desk, name)
    return desk


def held(desk: Desk, expires_ms: int = 0) -> str:
    return holds.create(desk.scope("ann", contract="spender"), USD, ANN, 40, "", expires_ms, "order", "")


def asked(desk: Desk, hold: str) -> str:
    """Whom the gate stops if bob takes 30 of the hold for 20; the answer changes nothing."""
    before = dict(desk.overlay.changes())
    answer = exchanges.may_exchange(desk.scope(contract="spender"), hold, BOB, 30, OTHER, 20)
    assert desk.overlay.changes() == before
    return answer


def freeze(desk: Desk, subject: str, stops: int) -> None:
    freezes.add(desk.scope(), subject, (1, "", stops, 0, 0), is_asset=not subject.startswith(PREFIX))


def test_nobody_stands_in_the_way(desk: Desk) -> None:
    assert asked(desk, held(desk)) == ""


@pytest.mark.parametrize(
    ("subject", "stops", "answer"),
    [
        (ANN, SEND, ""),
        (ANN, RECEIVE, "holder"),
        (ANN, SETTLE, "holder"),
        (BOB, SEND, "taker"),
        (BOB, RECEIVE, "taker"),
        (BOB, SETTLE, "taker"),
        (USD, SETTLE, "holder"),
        (OTHER, SEND, "taker"),
    ],
)
def test_freezes(desk: Desk, subject: str, stops: int, answer: str) -> None:
    hold = held(desk)
    freeze(desk, subject, stops)
    assert asked(desk, hold) == answer


def test_limits_and_corridors(desk: Desk) -> None:
    hold = held(desk)
    bank = desk.scope("baltic")
    limit_rules.set_corridor(bank, OTHER, "CH", "CH", [("single", 19)])
    assert asked(desk, hold) == "pair"
    limit_rules.set_corridor(bank, OTHER, "CH", "CH", [])
    limit_rules.set_limits(bank, OTHER, "low", [("single_in", 19)])
    assert asked(desk, hold) == "holder"
    limit_rules.set_limits(bank, OTHER, "low", [("single_in", 19), ("single_out", 19)])
    assert asked(desk, hold) == "taker"


def test_an_ended_hold_has_no_holder(desk: Desk) -> None:
    hold = held(desk, desk.time_ms + 10)
    desk.time_ms += 10
    assert asked(desk, hold) == "holder"


def test_an_asset_that_is_not_there(desk: Desk) -> None:
    scope, hold = desk.scope(contract="spender"), held(desk)
    assert code_of(exchanges.may_exchange, scope, hold, BOB, 30, "USD.none", 20) == "unknown_asset"


def test_free_hold(desk: Desk) -> None:
    open_hold, expired = held(desk), held(desk, desk.time_ms + 10)
    desk.time_ms += 10
    scope = desk.scope(contract="spender")
    assert code_of(exchanges.free_hold, desk.scope(contract="minter"), open_hold) == "hold_unauthorised"
    assert code_of(exchanges.free_hold, scope, "none") == "unknown_hold"
    for hold, status in ((open_hold, "voided"), (expired, "expired")):
        exchanges.free_hold(scope, hold)
        assert holds.status(scope, hold) == status
        assert code_of(exchanges.free_hold, scope, hold) == "ok"
    assert ledger.balance(scope, ANN, USD) == (100, 0)
    assert ledger.reserved(scope, "spender", USD) == 0
