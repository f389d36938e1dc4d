"""Parameters that the members vote while nodes run: in force at one height everywhere, and nothing gets stuck."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.life import Node
from rpc.backend import Refused
from state import transaction
from state.transaction import Transaction
from tests.node.network import Network, until
from tests.node.test_membership import decide


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    running = await Network.start(tmp_path, heartbeat_ms=300)
    yield running
    await running.stop()


def payment(network: Network, fuel_limit: int) -> Transaction:
    key, address = network.account_key("alpina"), network.address("alpina")
    return network.transaction(key, address, "accounts", "grant", ["payments"], fuel_limit=fuel_limit)


async def offered(node: Node, item: Transaction) -> str:
    (answer,) = await node.intake.submit_many([item.encoded])
    return answer.reason if isinstance(answer, Refused) else "taken"


async def test_a_lower_limit_holds_from_its_height_on_and_stops_no_block(network: Network) -> None:
    alpina, borealis = network.nodes["alpina"], network.nodes["borealis"]
    await decide(network, "parameter", ["transaction_fuel_max"], [20_000_000])
    # The vote is final; what is sent until its height comes is taken by the old limit.
    early = payment(network, 90_000_000)
    assert await offered(alpina, early) == "taken"
    await until(lambda: alpina.limits.at(alpina.chain.height + 1).transaction_fuel_max == 20_000_000, "its height")
    first = alpina.chain.height
    for node in (alpina, borealis):
        assert await offered(node, payment(network, 20_000_001)) == "too_large"
    assert await network.settle(borealis, payment(network, 20_000_000)) == "ok"
    await until(lambda: all(node.chain.height > first + 3 for node in network.nodes.values()), "blocks go on")
    await until(lambda: all(len(node.pool) == 0 for node in network.nodes.values()), "nothing waits for ever")
    # A node that starts again knows it from its state.
    await network.stop_node("corriente")
    corriente = await network.start_node("corriente")
    assert corriente.limits.at(corriente.chain.height + 1).transaction_fuel_max == 20_000_000
    assert await offered(corriente, payment(network, 20_000_001)) == "too_large"
    assert await network.settle(corriente, payment(network, 20_000_000)) == "ok"
    for height in range(first + 1, alpina.chain.height + 1):
        block = alpina.chain.decided(height)
        assert block is not None
        assert all(transaction.decode(item).body.fuel_limit <= 20_000_000 for item in block.transactions)


async def test_a_node_that_stops_before_the_height_judges_by_it_after_its_start(network: Network) -> None:
    await decide(network, "parameter", ["block_transactions_max"], [2])
    await network.stop_node("deltahaven")
    deltahaven = await network.start_node("deltahaven")
    alpina = network.nodes["alpina"]
    await until(lambda: deltahaven.limits.at(deltahaven.chain.height + 1).block_transactions_max == 2, "its height")
    first = max(node.chain.height for node in network.nodes.values())
    many = [payment(network, 1_000_000) for _ in range(9)]
    await alpina.intake.submit_many([item.encoded for item in many])
    for item in many:
        fact = await deltahaven.queries.wait_transaction(item.id, 20_000)
        assert fact.receipt is not None
    for height in range(first + 1, alpina.chain.height + 1):
        decided = alpina.chain.decided(height)
        assert decided is not None
        assert len(decided.transactions) <= 2
