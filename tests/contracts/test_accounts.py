"""Accounts: how far keys reach, keys that rotate, and accounts that their bank recovers."""

from dataclasses import replace

import pytest

from contracts.kernel import layout, rekeying
from contracts.kernel.scope import Scope
from state.codec import Value
from state.policy import Policy
from state.receipt import Receipt
from tests.contracts.network import PARAMETERS, Chain, Desk, address_of, genesis_state, key_of

ANN, BOB, CID = map(address_of, ("ann", "bob", "cid"))
ALPINE = address_of("alpine")
DELAY_MS = PARAMETERS.recovery_delay_ms

THIEF = '''
"""What a malicious contract would do with the authority of who calls the contract that calls it."""

from hansa import Address, Amount, Asset, action, ctx, ledger


@action
def take(asset: Asset, amount: Amount) -> None:
    ledger.transfer(asset, ctx.sender, Address(ctx.contract), amount, "theft")


@action
def reserve(asset: Asset, amount: Amount) -> str:
    return ledger.hold(asset, ctx.sender, amount, ctx.contract, 0, "theft")


@action
def mint(asset: Asset, amount: Amount) -> None:
    ledger.mint(asset, ctx.contract, amount, "theft")


@action
def grant(asset: Asset, amount: Amount) -> None:
    ledger.grant(ctx.sender, "thief")


@action
def rotate(asset: Asset, amount: Amount) -> None:
    ledger.rotate_keys(ctx.sender, [(b"k" * 32, 1)], 1)


@action
def recover(asset: Asset, amount: Amount) -> None:
    ledger.cancel_recovery(ctx.sender)


@action
def own(asset: Asset, amount: Amount) -> None:
    ledger.transfer(asset, ctx.contract, ctx.sender, amount, "gift")
'''

FRONT = '''
"""A contract that looks harmless, and calls another."""

from hansa import Address, Amount, Asset, action, call


@action
def pay(contract: Address, method: str, asset: Asset, amount: Amount) -> None:
    call(contract, method, asset, amount)
'''


@pytest.fixture
def robbed() -> Chain:
    """A furnished chain with a thief behind a harmless front."""
    return Chain.start(genesis_state([("thief", THIEF), ("front", FRONT)])).furnish()


def last(chain: Chain) -> Receipt:
    return chain.results[-1].receipts[-1]


def pay(to: str, amount: int = 1) -> tuple[str, str, list[Value]]:
    return ("payments", "pay", [address_of(to), "USD", amount, ""])


def keys(*names: str) -> list[Value]:
    return [[key_of(name).public, 1] for name in names]


def policy(chain: Chain, name: str) -> Policy | None:
    return chain.reads.account(address_of(name)).policy


@pytest.mark.parametrize(
    ("sender", "method", "code", "direct"),
    [
        ("ann", "take", "debit_unauthorised", "ok"),
        ("ann", "reserve", "debit_unauthorised", "ok"),
        ("alpine", "mint", "supply_unauthorised", "ok"),
        ("ann", "grant", "account_unauthorised", "ok"),
        ("ann", "rotate", "account_unauthorised", "ok"),
        ("ann", "recover", "recovery_unauthorised", "ok"),
    ],
)
def test_keys_reach_no_contract_that_another_calls(
    robbed: Chain, sender: str, method: str, code: str, direct: str
) -> None:
    if method == "recover":
        assert robbed.send("alpine", ("accounts", "start_recovery", [ANN, keys("new"), 1])) == "ok"
    before = robbed.executor.world.root
    assert robbed.send(sender, ("front", "pay", ["thief", method, "USD.alpine", 5])) == code
    assert robbed.executor.world.root == before
    # Called by the transaction itself, the same contract has what its signer gave it.
    assert robbed.send(sender, ("thief", method, ["USD.alpine", 5])) == direct


def test_an_authority_that_was_asked_above_is_not_lent_below(robbed: Chain) -> None:
    """The policy's answer is remembered by the transaction, and still not given to a deeper contract."""
    calls = [pay("bob"), ("front", "pay", ["thief", "take", "USD.alpine", 5])]
    assert robbed.send("ann", *calls) == "debit_unauthorised"  # type: ignore[arg-type]


def test_a_deeper_contract_acts_with_its_own_money_and_by_grant(robbed: Chain) -> None:
    assert robbed.send("ann", ("thief", "take", ["USD.alpine", 5])) == "ok"
    assert robbed.send("bob", ("front", "pay", ["thief", "own", "USD.alpine", 5])) == "ok"
    assert robbed.balance("bob", "USD.alpine") == 10_005
    assert robbed.send("ann", ("accounts", "grant", ["thief"])) == "ok"
    assert robbed.send("ann", ("front", "pay", ["thief", "take", "USD.alpine", 5])) == "ok"


def test_a_dry_run_without_keys_says_the_same_of_deeper_contracts(robbed: Chain) -> None:
    body = robbed.body("ann", ("front", "pay", ["thief", "take", "USD.alpine", 5]))
    found = robbed.reads.simulate(body)
    assert found.receipt.code == "debit_unauthorised"
    assert found.authorities == ((ANN, True),)


def test_a_planted_bug_is_caught(robbed: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Scope.policy_met

    def trusting(scope: Scope, address: str) -> bool:
        kept, scope.running = scope.running, scope.running[-1:]
        try:
            return original(scope, address)
        finally:
            scope.running = kept

    monkeypatch.setattr(Scope, "policy_met", trusting)
    assert robbed.send("ann", ("front", "pay", ["thief", "take", "USD.alpine", 5])) == "ok"


# ------------------------------------------------------------------------------------------------------- rotation


def test_old_keys_have_no_authority_right_after_a_rotation_in_the_same_block(chain: Chain) -> None:
    result = chain.block(
        chain.transaction("ann", pay("bob")),
        chain.transaction("ann", ("accounts", "rotate_keys", [keys("new"), 1])),
        chain.transaction("ann", pay("bob")),
        chain.transaction("ann", pay("bob"), signers=["new"]),
    )
    assert [receipt.code for receipt in result.receipts] == ["ok", "ok", "unauthorised", "ok"]
    assert result.receipts[2].fuel_used == 0
    assert [event.name for event in result.receipts[1].events] == ["keys_rotated"]
    assert policy(chain, "ann") == Policy.of_key(key_of("new").public)
    assert chain.reads.account(ANN).bank == "alpine"


def test_old_keys_have_no_authority_in_later_calls_of_the_rotating_transaction(chain: Chain) -> None:
    rotate: tuple[str, str, list[Value]] = ("accounts", "rotate_keys", [keys("new"), 1])
    assert chain.send("ann", rotate, pay("bob")) == "debit_unauthorised"
    assert chain.send("ann", rotate, pay("bob"), signers=["ann", "new"]) == "ok"
    assert chain.send("ann", rotate, pay("bob")) == "unauthorised"


def test_a_dry_run_of_a_rotation_says_whose_keys_it_asks(chain: Chain) -> None:
    body = chain.body("ann", ("accounts", "rotate_keys", [keys("new"), 1]), pay("bob"))
    old, new = ((1, key_of(name).public) for name in ("ann", "new"))
    found = chain.reads.simulate(replace(body, keys=(old,)))
    assert (found.receipt.code, found.authorities) == ("debit_unauthorised", ((ANN, True),))
    found = chain.reads.simulate(replace(body, keys=tuple(sorted([old, new]))))
    assert (found.receipt.code, found.authorities) == ("ok", ((ANN, True),))


@pytest.mark.parametrize(
    ("new", "threshold", "code"),
    [
        ([], 1, "bad_policy"),
        ([[b"k" * 31, 1]], 1, "bad_policy"),
        ([[b"k" * 32, 0]], 1, "bad_policy"),
        ([[b"k" * 32, 1], [b"k" * 32, 1]], 1, "bad_policy"),
        ([[b"k" * 32, 1]], 2, "bad_policy"),
        ([[b"k" * 32, 1]], 0, "bad_policy"),
        ([[bytes([number]) * 32, 1] for number in range(17)], 1, "bad_policy"),
        ([[b"k" * 32, 1], [b"j" * 32, 2]], 3, "ok"),
    ],
)
def test_what_keys_can_be_rotated_to(chain: Chain, new: list[Value], threshold: int, code: str) -> None:
    assert chain.send("ann", ("accounts", "rotate_keys", [new, threshold])) == code


def test_a_maker_and_a_checker_rotate_together(chain: Chain) -> None:
    assert chain.send("ann", ("accounts", "rotate_keys", [keys("maker", "checker"), 2])) == "ok"
    rotate: tuple[str, str, list[Value]] = ("accounts", "rotate_keys", [keys("maker"), 1])
    assert chain.send("ann", rotate, signers=["maker"]) == "unauthorised"
    assert chain.send("ann", rotate, signers=["maker", "checker"]) == "ok"
    assert chain.send("ann", pay("bob"), signers=["maker"]) == "ok"


def test_a_members_own_account_rotates_and_stays_the_members(chain: Chain) -> None:
    assert chain.send("alpine", ("accounts", "rotate_keys", [keys("vault"), 1])) == "ok"
    register: tuple[str, str, list[Value]] = ("accounts", "register", [[[key_of("dan").public, b"s" * 16]]])
    assert chain.send("alpine", register) == "unauthorised"
    assert chain.send("alpine", register, signers=["vault"]) == "ok"


# ------------------------------------------------------------------------------------------------------- recovery


def start(account: str = ANN, *names: str) -> tuple[str, str, list[Value]]:
    return ("accounts", "start_recovery", [account, keys(*(names or ("new",))), 1])


FINISH: tuple[str, str, list[Value]] = ("accounts", "finish_recovery", [ANN])
CANCEL: tuple[str, str, list[Value]] = ("accounts", "cancel_recovery", [ANN])


def test_a_bank_recovers_its_customers_account_after_the_delay(chain: Chain) -> None:
    assert chain.send("alpine", start()) == "ok"
    due_ms = chain.time_ms + DELAY_MS
    assert last(chain).results == (due_ms,)
    assert chain.reads.query("accounts", "recovery_due_ms", [ANN]).value == due_ms
    assert chain.send("ann", pay("bob")) == "ok"
    assert chain.send("cid", FINISH) == "recovery_not_due"
    early = chain.block(chain.transaction("cid", FINISH, valid_until_ms=due_ms), time_ms=due_ms - 1)
    assert early.receipts[0].code == "recovery_not_due"
    in_time = chain.block(
        chain.transaction("cid", FINISH),
        chain.transaction("ann", pay("bob")),
        chain.transaction("ann", pay("bob"), signers=["new"]),
        time_ms=due_ms,
    )
    assert [receipt.code for receipt in in_time.receipts] == ["ok", "unauthorised", "ok"]
    assert [event.name for event in in_time.receipts[0].events] == ["account_recovered"]
    assert chain.send("cid", FINISH) == "unknown_recovery"
    assert chain.reads.query("accounts", "recovery_due_ms", [ANN]).value == 0


@pytest.mark.parametrize(
    ("sender", "call", "code"),
    [
        ("ann", start(), "recovery_unauthorised"),
        ("baltic", start(), "recovery_unauthorised"),
        ("central", start(), "recovery_unauthorised"),
        ("alpine", start(ALPINE), "recovery_unauthorised"),
        ("baltic", start(ALPINE), "recovery_unauthorised"),
        ("central", start(address_of("central")), "recovery_unauthorised"),
        ("alpine", start("nobody"), "unknown_account"),
        ("alpine", ("accounts", "start_recovery", [ANN, [], 1]), "bad_policy"),
        ("ann", CANCEL, "unknown_recovery"),
        ("ann", FINISH, "unknown_recovery"),
        ("ann", ("accounts", "finish_recovery", ["nobody"]), "unknown_account"),
    ],
)
def test_who_may_recover_what(chain: Chain, sender: str, call: tuple[str, str, list[Value]], code: str) -> None:
    assert chain.send(sender, call) == code


def test_a_contracts_account_is_not_recovered(chain: Chain) -> None:
    assert chain.send("alpine", start(chain.reads.contract("payments").address)) == "recovery_unauthorised"


@pytest.mark.parametrize(
    ("sender", "code"), [("ann", "ok"), ("alpine", "ok"), ("bob", "recovery_unauthorised"), ("new", "unauthorised")]
)
def test_who_may_object_to_a_recovery(chain: Chain, sender: str, code: str) -> None:
    assert chain.send("alpine", start()) == "ok"
    assert chain.send("alpine", start(ANN, "other")) == "recovery_pending"
    name = "ann" if sender == "new" else sender
    assert chain.send(name, CANCEL, signers=[sender]) == code
    chain.time_ms += DELAY_MS
    assert chain.send("bob", FINISH) == ("unknown_recovery" if code == "ok" else "ok")


def test_rotating_ends_a_recovery(chain: Chain) -> None:
    assert chain.send("alpine", start()) == "ok"
    assert chain.send("ann", ("accounts", "rotate_keys", [keys("safe"), 1])) == "ok"
    assert [event.name for event in last(chain).events] == ["recovery_cancelled", "keys_rotated"]
    chain.time_ms += DELAY_MS
    assert chain.send("bob", FINISH) == "unknown_recovery"
    assert policy(chain, "ann") == Policy.of_key(key_of("safe").public)


def test_what_is_marked_on_an_account_survives_other_keys(desk: Desk) -> None:
    """A freeze lies on the account, not on its keys: neither the customer nor the bank shakes it off."""
    standing = (2, 5, "CH", "low")
    key = layout.account_key(ANN)
    before = desk.overlay.get(key)
    assert before is not None
    desk.overlay.put(key, (*before[:3], 5, standing))
    rekeying.rotate(desk.scope("ann"), ANN, [(key_of("new").public, 1)], 1)
    assert desk.overlay.get(key) == ("alpine", (((1, key_of("new").public, 1),), 1), "", 5, standing)
    rekeying.start_recovery(desk.scope("alpine"), ANN, [(key_of("safe").public, 1)], 1)
    desk.time_ms += DELAY_MS
    rekeying.finish_recovery(desk.scope(), ANN)
    assert desk.overlay.get(key) == ("alpine", (((1, key_of("safe").public, 1),), 1), "", 5, standing)


def test_a_network_may_do_without_the_delay() -> None:
    parameters = replace(PARAMETERS, recovery_delay_ms=0)
    chain = Chain.start(replace(genesis_state(), parameters=parameters), parameters=parameters).furnish()
    assert chain.send("alpine", start(), FINISH) == "ok"
    assert chain.send("ann", pay("bob"), signers=["new"]) == "ok"
