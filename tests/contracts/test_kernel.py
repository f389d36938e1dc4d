"""The kernel alone, in tables: what each primitive does, and the code with which it refuses."""

from dataclasses import replace

import pytest

from contracts.genesis_state import write_genesis
from contracts.host import LEDGER as LEDGER_TABLE
from contracts.kernel import accounts, assets, expiry, holds, layout, ledger, members
from contracts.kernel.currencies import DECIMALS
from contracts.kernel.scope import Scope
from contracts.language.kernel_interface import LEDGER_FUNCTIONS
from state.codec import INT_MAX
from state.errors import Invalid
from state.overlay import Overlay
from state.validators import Validator, ValidatorSet
from tests.contracts.network import GENESIS_MS, SALT, Desk, address_of, code_of, genesis_state, key_of

ANN, BOB, CID, ALPINE, CENTRAL = map(address_of, ("ann", "bob", "cid", "alpine", "central"))
A, B, S = "USD.alpine", "USD.baltic", "USD.central"


def funded(desk: Desk, amount: int = 1_000) -> Desk:
    ledger.mint(desk.scope("alpine"), A, ANN, amount, "deposit", "")
    return desk


def balances(desk: Desk, *places: tuple[str, str]) -> list[tuple[int, int]]:
    scope = desk.scope()
    return [ledger.balance(scope, address, asset) for address, asset in places]


def test_a_mint_a_transfer_and_a_burn_change_what_they_say(desk: Desk) -> None:
    scope = desk.scope("alpine", "ann")
    ledger.mint(scope, A, ANN, 1_000, "deposit", "slip 1")
    ledger.transfer(scope, A, ANN, BOB, 300, "payment", "rent")
    ledger.burn(scope, A, ANN, 200, "withdrawal", "")
    scope.settle()
    assert balances(desk, (ANN, A), (BOB, A)) == [(500, 0), (300, 0)]
    assert ledger.supply(scope, A) == 800
    assert [(event.contract, event.name, event.fields) for event in scope.events[:2]] == [
        (
            "ledger",
            "journal",
            (
                ("contract", ""),
                ("purpose", "deposit"),
                ("reference", "slip 1"),
                ("legs", [[A, "supply", -1_000], [A, ANN, 1_000]]),
            ),
        ),
        (
            "ledger",
            "journal",
            (
                ("contract", ""),
                ("purpose", "payment"),
                ("reference", "rent"),
                ("legs", [[A, ANN, -300], [A, BOB, 300]]),
            ),
        ),
    ]
    assert list(scope.touched) == [ANN, BOB]


def test_an_emptied_balance_leaves_no_key(desk: Desk) -> None:
    funded(desk)
    ledger.transfer(desk.scope("ann"), A, ANN, BOB, 1_000, "payment", "")
    assert desk.overlay.get(layout.balance_key(ANN, A)) is None


@pytest.mark.parametrize(
    ("legs", "code"),
    [
        ([(A, ANN, -5), (A, BOB, 5)], "ok"),
        ([(A, ANN, -5), (A, BOB, 2), (A, BOB, 3)], "ok"),
        ([(A, ANN, -1_000), (A, ANN, 1_000)], "ok"),
        ([(A, ANN, -1_001), (A, ANN, 1_001)], "insufficient_funds"),
        ([(A, ANN, 1_001), (A, ANN, -1_001)], "insufficient_funds"),
        ([(A, ANN, -600), (A, ANN, -401), (A, ANN, 1_001)], "insufficient_funds"),
        ([(A, ANN, -5), (A, BOB, 5), (A, BOB, 5)], "unbalanced"),
        ([(A, ANN, -5), (B, BOB, 5)], "unbalanced"),
        ([(A, ANN, -1_001), (A, BOB, 1_001)], "insufficient_funds"),
        ([(A, ANN, -600), (A, ANN, -600), (A, BOB, 1_200)], "insufficient_funds"),
        ([(A, ANN, 0), (A, BOB, 0)], "amount_out_of_range"),
        ([(A, ANN, -INT_MAX - 1), (A, BOB, INT_MAX + 1)], "amount_out_of_range"),
        ([(A, ANN, b"\x80" * 33), (A, BOB, 5)], "amount_out_of_range"),
        ([(A, ANN, -5)], "no_legs"),
        ([], "no_legs"),
        ([(A, ANN, -1), (A, BOB, 1)] * 513, "too_many_legs"),
        ([(A, BOB, -5), (A, ANN, 5)], "debit_unauthorised"),
        ([(A, ANN, -5), (A, address_of("nobody"), 5)], "unknown_account"),
        ([(A, address_of("nobody"), -5), (A, ANN, 5)], "unknown_account"),
        ([("USD.nobody", ANN, -5), ("USD.nobody", BOB, 5)], "unknown_asset"),
        ([(A, "supply", -5), (A, ANN, 5)], "supply_unauthorised"),
        ([(A, ANN, -5), (A, "supply", 5)], "supply_unauthorised"),
    ],
)
def test_journals(desk: Desk, legs: list[tuple[str, str, int]], code: str) -> None:
    funded(desk)
    before = desk.overlay.changes()
    assert code_of(lambda: ledger.journal(desk.scope("ann"), legs, "payment")) == code
    if code != "ok":
        assert desk.overlay.changes() == before


@pytest.mark.parametrize(
    ("purpose", "reference", "code"),
    [("p", "", "ok"), ("p" * 32, "r" * 140, "ok"), ("", "", "bad_purpose"), ("p" * 33, "", "bad_purpose"),
     ("p", "r" * 141, "bad_reference")],
)  # fmt: skip
def test_texts_on_a_journal(desk: Desk, purpose: str, reference: str, code: str) -> None:
    funded(desk)
    assert code_of(lambda: ledger.transfer(desk.scope("ann"), A, ANN, BOB, 1, purpose, reference)) == code


def test_balances_and_supply_end_at_the_largest_amount(desk: Desk) -> None:
    funded(desk, INT_MAX)
    assert code_of(lambda: ledger.mint(desk.scope("alpine"), A, BOB, 1, "deposit", "")) == "balance_overflow"
    assert balances(desk, (ANN, A), (BOB, A)) == [(INT_MAX, 0), (0, 0)]


def test_who_may_debit(desk: Desk) -> None:
    funded(desk)
    desk.overlay.put(layout.contract_key("thief"), ("", 1, b"", 0, 1, 1))

    def pay(scope: Scope) -> str:
        return code_of(lambda: ledger.transfer(scope, A, ANN, BOB, 1, "payment", ""))

    assert pay(desk.scope("bob")) == "debit_unauthorised"
    assert pay(desk.scope("bob", "ann")) == "ok"
    assert pay(desk.scope("bob", contract="spender")) == "debit_unauthorised"
    assert code_of(lambda: accounts.grant(desk.scope("bob"), ANN, "spender")) == "account_unauthorised"
    assert code_of(lambda: accounts.grant(desk.scope("ann"), ANN, "nothing")) == "unknown_contract"
    accounts.grant(desk.scope("ann"), ANN, "spender")
    assert pay(desk.scope("bob", contract="spender")) == "ok"
    assert pay(desk.scope("bob", contract="thief")) == "debit_unauthorised"
    assert pay(desk.scope("bob")) == "debit_unauthorised"
    assert code_of(lambda: accounts.withdraw_grant(desk.scope("bob", contract="spender"), ANN, "spender")) == (
        "account_unauthorised"
    )
    accounts.withdraw_grant(desk.scope("ann"), ANN, "spender")
    assert pay(desk.scope("bob", contract="spender")) == "debit_unauthorised"


def test_a_contract_spends_its_own_money_and_nobody_elses_does(desk: Desk) -> None:
    scope = desk.scope("alpine")
    own = accounts.create_for_contract(scope, "spender")
    ledger.mint(scope, A, own, 10, "deposit", "")

    def pay(scope: Scope) -> str:
        return code_of(lambda: ledger.transfer(scope, A, own, BOB, 1, "payment", ""))

    assert pay(desk.scope(contract="spender")) == "ok"
    assert pay(desk.scope(contract="minter")) == "debit_unauthorised"
    assert pay(desk.scope("alpine", "ann")) == "debit_unauthorised"
    nested = desk.scope(contract="spender")
    nested.running.append("minter")
    assert pay(nested) == "debit_unauthorised"


def test_who_may_mint(desk: Desk) -> None:
    def mint(scope: Scope) -> str:
        return code_of(lambda: ledger.mint(scope, A, ANN, 1, "deposit", ""))

    assert mint(desk.scope("ann")) == "supply_unauthorised"
    assert mint(desk.scope("baltic")) == "supply_unauthorised"
    assert mint(desk.scope("alpine")) == "ok"
    assert mint(desk.scope(contract="minter")) == "supply_unauthorised"
    assert code_of(lambda: assets.allow_supply(desk.scope("baltic"), A, "minter")) == "supply_unauthorised"
    assets.allow_supply(desk.scope("alpine"), A, "minter")
    assert mint(desk.scope(contract="minter")) == "ok"
    assert mint(desk.scope(contract="spender")) == "supply_unauthorised"
    assets.disallow_supply(desk.scope("alpine"), A, "minter")
    assert mint(desk.scope(contract="minter")) == "supply_unauthorised"


def test_a_burn_needs_the_holder_too(desk: Desk) -> None:
    funded(desk)
    assert code_of(lambda: ledger.burn(desk.scope("alpine"), A, ANN, 1, "w", "")) == "debit_unauthorised"
    assert code_of(lambda: ledger.burn(desk.scope("ann"), A, ANN, 1, "w", "")) == "supply_unauthorised"
    assert code_of(lambda: ledger.burn(desk.scope("ann", "alpine"), A, ANN, 1, "w", "")) == "ok"


@pytest.mark.parametrize(
    ("signer", "currency", "kind", "issuer", "code"),
    [
        ("alpine", "EUR", "deposit", "alpine", "ok"),
        ("alpine", "USD", "deposit", "alpine", "asset_exists"),
        ("baltic", "EUR", "deposit", "alpine", "account_unauthorised"),
        ("central", "EUR", "deposit", "central", "not_a_bank"),
        ("alpine", "USD", "settlement", "alpine", "not_the_agent"),
        ("central", "EUR", "settlement", "central", "not_the_agent"),
        ("central", "USD", "settlement", "central", "asset_exists"),
        ("alpine", "XAU", "deposit", "alpine", "unknown_currency"),
        ("alpine", "EUR", "share", "alpine", "bad_kind"),
        ("alpine", "EUR", "deposit", "nobody", "unknown_member"),
    ],
)
def test_creating_money(desk: Desk, signer: str, currency: str, kind: str, issuer: str, code: str) -> None:
    assert code_of(lambda: assets.create_money(desk.scope(signer), currency, kind, issuer)) == code


def test_money_has_the_decimals_of_its_currency(desk: Desk) -> None:
    for currency, decimals in (("JPY", 0), ("CHF", 2), ("KWD", 3)):
        identity = assets.create_money(desk.scope("alpine"), currency, "deposit", "alpine")
        assert assets.asset(desk.scope(), identity) == ("alpine", "deposit", currency, decimals, 0, 0)
    assert len(DECIMALS) == len({*DECIMALS}) > 150
    assert all(len(code) == 3 and code.isalpha() and code.isupper() for code in DECIMALS)


@pytest.mark.parametrize(
    ("signers", "sender", "keys", "threshold", "salt", "code"),
    [
        (["alpine"], "alpine", [("new", 1)], 1, SALT, "ok"),
        (["alpine"], "alpine", [("new", 1), ("other", 1)], 2, SALT, "ok"),
        (["alpine"], "alpine", [("ann", 1)], 1, SALT, "account_exists"),
        (["alpine"], "alpine", [("ann", 1)], 1, b"t" * 16, "ok"),
        (["alpine"], "alpine", [("new", 1)], 2, SALT, "bad_policy"),
        (["alpine"], "alpine", [("new", 1), ("new", 1)], 1, SALT, "bad_policy"),
        (["alpine"], "alpine", [], 0, SALT, "bad_policy"),
        (["alpine"], "alpine", [("new", 1)], 1, b"short", "bad_policy"),
        (["ann"], "alpine", [("new", 1)], 1, SALT, "account_unauthorised"),
        (["ann"], "ann", [("new", 1)], 1, SALT, "not_a_bank"),
        (["central"], "central", [("new", 1)], 1, SALT, "not_a_bank"),
    ],
)
def test_opening_accounts(
    desk: Desk,
    signers: list[str],
    sender: str,
    keys: list[tuple[str, int]],
    threshold: int,
    salt: bytes,
    code: str,
) -> None:
    scope = desk.scope(*signers, sender=sender)
    listed = [(key_of(name).public, weight) for name, weight in keys]
    assert code_of(lambda: accounts.open_account(scope, listed, threshold, salt, "")) == code


def test_a_shared_account_needs_its_threshold(desk: Desk) -> None:
    scope = desk.scope("alpine", sender="alpine")
    keys = [(key_of("maker").public, 1), (key_of("checker").public, 1)]
    shared = accounts.open_account(scope, keys, 2, SALT, "")
    assert not desk.scope("maker").policy_met(shared)
    assert desk.scope("maker", "checker").policy_met(shared)
    assert members.member_of(scope, shared) == ""
    assert members.member_of(scope, ALPINE) == "alpine"


def test_nobody_pays_himself_what_is_not_there(desk: Desk) -> None:
    funded(desk)
    scope = desk.scope("ann")
    ledger.transfer(scope, A, ANN, ANN, 1_000, "payment", "")
    assert code_of(lambda: ledger.transfer(scope, A, ANN, ANN, 1_001, "payment", "")) == "insufficient_funds"
    assert len(scope.events) == 1
    assert balances(desk, (ANN, A)) == [(1_000, 0)]


def a_hold(desk: Desk, expires_ms: int = 0, amount: int = 400) -> str:
    scope = desk.scope("ann", contract="spender")
    return holds.create(scope, A, ANN, amount, BOB, expires_ms, "order", "ref")


def test_a_hold_reserves_and_is_posted_once_in_part(desk: Desk) -> None:
    funded(desk)
    hold = a_hold(desk)
    assert balances(desk, (ANN, A), (BOB, A)) == [(600, 400), (0, 0)]
    scope = desk.scope(contract="spender")
    assert code_of(lambda: ledger.transfer(desk.scope("ann"), A, ANN, BOB, 601, "p", "")) == "insufficient_funds"
    assert code_of(lambda: holds.post(scope, hold, 401, "fill")) == "hold_exceeded"
    assert code_of(lambda: holds.post(scope, hold, 0, "fill")) == "amount_out_of_range"
    holds.post(scope, hold, 150, "fill")
    assert balances(desk, (ANN, A), (BOB, A)) == [(850, 0), (150, 0)]
    assert scope.events[-1].name == "hold_posted"
    assert dict(scope.events[-1].fields)["legs"] == [[A, ANN, -150], [A, BOB, 150]]
    assert dict(scope.events[-1].fields)["released"] == 250
    scope.settle()
    for again in (
        lambda: holds.post(scope, hold, 1, "fill"),
        lambda: holds.void(scope, hold),
        lambda: holds.expire(scope, hold),
    ):
        assert code_of(again) == "hold_resolved"
    assert holds.status(scope, hold) == "posted"


def test_a_hold_is_voided_by_the_contract_that_made_it_alone(desk: Desk) -> None:
    funded(desk)
    hold = a_hold(desk)
    for scope in (desk.scope("ann", "bob"), desk.scope("ann", contract="minter")):
        assert code_of(lambda scope=scope: holds.void(scope, hold)) == "hold_unauthorised"
        assert code_of(lambda scope=scope: holds.post(scope, hold, 1, "p")) == "hold_unauthorised"
    holds.void(desk.scope(contract="spender"), hold)
    assert balances(desk, (ANN, A), (BOB, A)) == [(1_000, 0), (0, 0)]
    assert code_of(lambda: holds.void(desk.scope(), "no such")) == "unknown_hold"


@pytest.mark.parametrize(
    ("amount", "beneficiary", "expires_ms", "signers", "code"),
    [
        (1_000, BOB, 0, ["ann"], "ok"),
        (1_000, ANN, 0, ["ann"], "ok"),
        (1_001, BOB, 0, ["ann"], "insufficient_funds"),
        (0, BOB, 0, ["ann"], "amount_out_of_range"),
        (1, BOB, GENESIS_MS, ["ann"], "bad_expiry"),
        (1, BOB, GENESIS_MS + 1, ["ann"], "ok"),
        (1, BOB, -1, ["ann"], "bad_expiry"),
        (1, BOB, INT_MAX + 1, ["ann"], "bad_expiry"),
        (1, BOB, 0, ["bob"], "debit_unauthorised"),
        (1, address_of("nobody"), 0, ["ann"], "unknown_account"),
    ],
)
def test_creating_holds(
    desk: Desk, amount: int, beneficiary: str, expires_ms: int, signers: list[str], code: str
) -> None:
    funded(desk)
    scope = desk.scope(*signers, contract="spender")
    assert code_of(lambda: holds.create(scope, A, ANN, amount, beneficiary, expires_ms, "order", "")) == code


def test_expiry_is_judged_by_block_time_whoever_looks(desk: Desk) -> None:
    funded(desk)
    hold = a_hold(desk, GENESIS_MS + 10)
    spender = desk.scope(contract="spender")
    assert code_of(lambda: holds.expire(spender, hold)) == "hold_not_due"
    desk.time_ms += 10
    late = desk.scope("ann", contract="spender")
    assert holds.status(late, hold) == "expired"
    assert code_of(lambda: holds.post(late, hold, 1, "fill")) == "hold_expired"
    ledger.transfer(late, A, ANN, BOB, 1_000, "payment", "")
    assert [event.name for event in late.events] == ["hold_expired", "journal"]
    late.settle()
    assert balances(desk, (ANN, A), (BOB, A)) == [(0, 0), (1_000, 0)]
    assert code_of(lambda: holds.void(late, hold)) == "hold_resolved"


def test_anyone_may_have_an_expired_hold_released(desk: Desk) -> None:
    funded(desk)
    first, second = a_hold(desk, GENESIS_MS + 20, 100), a_hold(desk, GENESIS_MS + 10, 50)
    desk.time_ms += 20
    holds.expire(desk.scope(), first)
    assert desk.overlay.get(layout.balance_key(ANN, A)) == (950, 50)
    assert balances(desk, (ANN, A)) == [(1_000, 0)]
    assert holds.status(desk.scope(), second) == "expired"


def test_no_number_of_expired_holds_locks_an_account(desk: Desk) -> None:
    funded(desk, 10_000)
    maker = desk.scope("ann", contract="spender")
    for number in range(expiry.HOLDS_MAX):
        maker.events.clear()
        maker.event_bytes = 0
        holds.create(maker, A, ANN, 1, BOB, GENESIS_MS + 10 + number % 3, "order", "")
    assert code_of(lambda: holds.create(maker, A, ANN, 1, BOB, GENESIS_MS + 10, "order", "")) == "too_many_holds"
    assert code_of(lambda: holds.create(maker, A, ANN, 1, BOB, 0, "order", "")) == "ok"
    desk.time_ms += 20
    looking = desk.scope()
    assert ledger.balance(looking, ANN, A) == (9_999, 1)
    assert looking.events == [], "who looks changes nothing"
    ledger.mint(desk.scope("alpine"), A, ANN, 1, "deposit", "")
    paying = desk.scope("ann")
    ledger.transfer(paying, A, ANN, BOB, 1, "payment", "")
    assert len(paying.events) == ledger.RELEASES_MIN + 1
    paying = desk.scope("ann")
    ledger.transfer(paying, A, ANN, BOB, 7_000, "payment", "")
    paying.settle()
    assert balances(desk, (ANN, A), (BOB, A)) == [(2_999, 1), (7_001, 0)]
    assert code_of(lambda: ledger.transfer(desk.scope("ann"), A, ANN, BOB, 9_999, "payment", "")) != "ok"
    free, held = desk.overlay.get(layout.balance_key(ANN, A))  # type: ignore[misc]
    assert free + held == 3_000


def test_a_hold_past_its_time_can_still_be_voided(desk: Desk) -> None:
    funded(desk)
    hold = a_hold(desk, GENESIS_MS + 10)
    desk.time_ms += 50
    holds.void(desk.scope(contract="spender"), hold)
    assert balances(desk, (ANN, A)) == [(1_000, 0)]


def test_the_validator_set_changes_ahead_only(desk: Desk) -> None:
    overlay = desk.overlay
    born = members.validators_at(overlay, 0)
    assert [validator.member for validator in born.validators] == ["alpine", "baltic"]
    fewer = ValidatorSet((Validator("alpine", key_of("alpine vote").public),))
    members.schedule_validators(overlay, 13, fewer, 5)
    assert members.validators_at(overlay, 12) == born
    assert members.validators_at(overlay, 13) == fewer
    members.schedule_validators(overlay, 40, born, 32)
    assert members.validators_at(overlay, 39) == fewer
    with pytest.raises(AssertionError):
        members.schedule_validators(overlay, 39, fewer, 33)


def test_the_ledger_table_is_the_languages(desk: Desk) -> None:
    assert sorted(LEDGER_TABLE) == sorted(LEDGER_FUNCTIONS)


def test_a_planted_bug_is_caught(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    funded(desk)
    original = ledger.move

    def generous(scope: Scope, moves: ledger.Moves, minted: dict[str, int]) -> None:
        original(scope, {place: (max(change + 1, change), held) for place, (change, held) in moves.items()}, minted)

    monkeypatch.setattr(ledger, "move", generous)
    scope = desk.scope("ann")
    ledger.transfer(scope, A, ANN, BOB, 10, "payment", "")
    with pytest.raises(AssertionError, match=r"USD\.alpine: balances and supply are 2 apart"):
        scope.settle()


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"id": "Alpine"}, "'Alpine': a member's id is a-z, 0-9 and _, at most 32 letters"),
        ({"role": "king"}, "alpine: a role is one of bank, settlement_agent, regulator, court"),
        ({"lei": "short"}, "alpine: an LEI has 20 letters and digits"),
        ({"grants": ("nothing",)}, "unknown_contract: no contract is named nothing"),
        ({"id": "baltic", "salt": b"t" * 16}, "two members have the id baltic"),
    ],
)
def test_a_genesis_that_breaks_a_rule_is_refused(change: dict[str, object], detail: str) -> None:
    genesis = replace(genesis_state(grants=()), contracts=())
    first = replace(genesis.members[0], **change)  # type: ignore[arg-type]
    with pytest.raises(Invalid) as refused:
        write_genesis(Overlay(lambda key: None), replace(genesis, members=(first, *genesis.members[1:])))
    assert (refused.value.reason, refused.value.detail) == ("bad_genesis", detail)
