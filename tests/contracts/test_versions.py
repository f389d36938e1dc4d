"""Versions of the language: a contract keeps the one it was deployed under, prices and all."""

from dataclasses import replace

import pytest

from contracts import deployed
from contracts.kernel import layout
from contracts.kernel.scope import Scope
from contracts.language import Meter, at_height, version_of, versions
from contracts.language.prices import PRICES_1
from contracts.language.versions import VERSIONS, Version
from tests.contracts.network import Chain, genesis_state

COUNTER = """
from hansa import Address, Value, action, call

total: Value[int] = Value(0)


@action
def add(amount: int) -> int:
    total.set(total.get() + amount)
    return total.get()


@action
def add_there(contract: str, amount: int) -> int:
    result: int = call(Address(contract), "add", amount)
    return result
"""
DEARER = Version(1, 2, 5, replace(PRICES_1, storage_read=1_200, function=500))


def deploy(chain: Chain, name: str) -> None:
    """Deploys at the next height what genesis deploys at 0."""
    overlay, height = chain.executor.overlay(), chain.executor.world.height + 1
    scope = Scope(overlay, "hansat", height, chain.time_ms, bytes(32), "", (), Meter(10**9))
    deployed.deploy(scope, name, COUNTER)
    chain.executor._commit(height, bytes(32), overlay, {})


def fuel(chain: Chain, contract: str, method: str = "add", *arguments: object) -> int:
    """What a call costs that is not the first: then there is a total to be read."""
    for _ in range(2):
        receipt = chain.block(chain.transaction("ann", (contract, method, [*arguments, 1]))).receipts[0]
        assert receipt.code == "ok", receipt
    return receipt.fuel_used


def test_one_version_is_in_force_from_genesis() -> None:
    assert VERSIONS[0].activation_height == 0
    assert at_height(0) is at_height(10**9) is version_of(1, 1) is VERSIONS[0]
    with pytest.raises(AssertionError, match=r"version 1\.9"):
        version_of(1, 9)


def test_a_contract_keeps_the_prices_it_was_deployed_under(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain.start(genesis_state([("old", COUNTER)])).furnish()
    before = fuel(chain, "old")
    monkeypatch.setattr(versions, "VERSIONS", (*VERSIONS, DEARER))
    assert at_height(4) is VERSIONS[0]
    assert at_height(5) is DEARER
    deploy(chain, "new")
    assert chain.executor.overlay().get(layout.contract_key("new"))[4:] == (1, 2)  # type: ignore[index]
    assert chain.reads.contract("new").cost_version == 2
    assert chain.reads.contract("old").cost_version == 1
    assert fuel(chain, "old") == before
    # One entry of a function, and two reads: one for each get.
    assert fuel(chain, "new") == before + (500 - PRICES_1.function) + 2 * (1_200 - PRICES_1.storage_read)
    # Each is paid by its own prices when one calls the other, whichever way round.
    outer = fuel(chain, "old", "add_there", "new") - fuel(chain, "new")
    inner = fuel(chain, "new", "add_there", "old") - fuel(chain, "old")
    assert inner - outer == 500 - PRICES_1.function
