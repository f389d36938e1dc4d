"""A contract that somebody calls speaks for itself: the library does nothing in the sender's name at its word."""

import pytest

from state.codec import Value
from state.transaction import Call, encode_calls
from tests.contracts.network import Chain, address_of, genesis_state, key_of

GO_BETWEEN = '''"""Looks harmless."""
from hansa import Address, Amount, Asset, action, call

@action
def mint(to: Address) -> None:
    call("bank_money", "mint", "USD", [(to, 1000)], "")

@action
def burn(whose: Address) -> None:
    call("bank_money", "burn", "USD", [(whose, 1000)], "")

@action
def withdraw() -> None:
    call("bank_money", "withdraw", "USD", 1000, "")

@action
def pay(to: Address) -> None:
    call("payments", "pay", to, "USD", 1000, "")

@action
def settle(to: Address) -> None:
    call("payments", "settle", to, "USD", 1000, "")

@action
def issue(asset: Asset, to: Address) -> None:
    call("assets", "mint", asset, [(to, 1000)], "")

@action
def give(asset: Asset, to: Address) -> None:
    call("assets", "transfer", asset, to, 1000, "")
'''


@pytest.fixture(scope="module")
def chain() -> Chain:
    """Whatever alpine and ann could ever grant to the library's contracts, they have granted."""
    chain = Chain.start(genesis_state([("broker", GO_BETWEEN)])).furnish()
    bond: list[Value] = ["BOND", "bond", "USD", 0, 9_999, b"", 0]
    opening: list[Value] = ["BOND.alpine", [[address_of("ann"), 2_000]], ""]
    assert chain.send("alpine", ("assets", "create", bond), ("assets", "mint", opening)) == "ok"
    assert chain.send("alpine", ("assets", "allow", ["BOND.alpine", "assets"])) == "ok"
    for name in ("ann", "alpine"):
        for contract in ("assets", "bank_money"):
            assert chain.send(name, ("accounts", "grant", [contract])) == "ok"
    assert chain.send("ann", ("accounts", "grant", ["payments"])) == "ok"
    return chain


@pytest.mark.parametrize(
    ("sender", "method", "arguments"),
    [
        ("alpine", "mint", [address_of("bob")]),
        ("alpine", "burn", [address_of("ann")]),
        ("ann", "withdraw", []),
        ("ann", "pay", [address_of("cid")]),
        ("alpine", "settle", [address_of("baltic")]),
        ("alpine", "issue", ["BOND.alpine", address_of("bob")]),
        ("ann", "give", ["BOND.alpine", address_of("bob")]),
    ],
)
def test_no_money_moves_at_its_word(chain: Chain, sender: str, method: str, arguments: list[Value]) -> None:
    assert chain.send(sender, ("broker", method, arguments)) != "ok"


def test_an_issuer_that_lets_the_contract_mint_lets_nobody_else(chain: Chain) -> None:
    entries: list[Value] = ["BOND.alpine", [[address_of("ann"), 1]], ""]
    for method in ("mint", "burn"):
        assert chain.send("ann", ("assets", method, entries)) == "not_the_issuer"


def test_who_pays_the_fuel_agrees_to_nothing_else(chain: Chain) -> None:
    key = [[key_of("ann").public, 1]]
    propose: list[Value] = [
        address_of("alpine"),
        encode_calls([Call("payments", 1, "settle", [address_of("baltic"), "USD", 1, ""])]),
        chain.time_ms + 60_000,
    ]
    for call, code in (
        (("accounts", "start_recovery", [address_of("bob"), key, 1]), "recovery_unauthorised"),
        (("accounts", "sponsor", [address_of("ann")]), "account_unauthorised"),
        (("accounts", "propose", propose), "proposal_unauthorised"),
        (("payments", "pay", [address_of("bob"), "USD", 1, ""]), "ok"),
    ):
        if call[1] != "propose":  # In a dry run without keys, whoever may sign a proposal counts as signing it.
            dry = chain.reads.simulate(chain.body("ann", call, fuel_payer=address_of("alpine")))  # type: ignore[arg-type]
            assert dry.receipt.code == code
        assert chain.send("ann", call, fuel_payer=address_of("alpine"), signers=["ann", "alpine"]) == code  # type: ignore[arg-type]
