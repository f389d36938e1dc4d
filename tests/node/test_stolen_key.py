"""P3: a node key on a second host. Both are members to everybody else, and push each other out: that is told."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.life import Node
from p2p.frame import Role
from p2p.network import PeerNetwork
from tests.node.network import Network, until


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    running = await Network.start(tmp_path)
    yield running
    await running.stop()


def replaced(node: Node) -> int:
    """What the metric says."""
    (line,) = [
        line for line in node.metrics.text().decode().splitlines() if line.startswith("hansa_links_replaced_total ")
    ]
    return int(float(line.split()[1]))


async def test_a_metric_rises_while_two_hosts_use_one_node_key(network: Network) -> None:
    nodes = sorted(network.validators, key=lambda node: node._opening.identity.node_id)
    robbed, witness = nodes[0], nodes[3]  # the smaller key dials
    await until(lambda: robbed._opening.member.id in witness.links.linked, "linked")
    before = replaced(witness)
    thief = PeerNetwork(
        robbed._opening.identity,
        network.genesis.chain_id,
        Role.VALIDATOR,
        [],
        on_event=lambda event: None,
        standing=lambda node_id: (0, b""),
        clock_ms=lambda: time.time_ns() // 1_000_000,
        draw=lambda: 0.5,
        on_failure=lambda error: None,
    )
    await thief.start("127.0.0.1", 0)
    try:
        address = [peer for peer in robbed.membership.standing.peers if peer.name == witness._opening.member.id]
        thief.set_peers(address, Role.VALIDATOR)
        await until(lambda: replaced(witness) >= before + 3, "the links push each other out")
    finally:
        await thief.close()
