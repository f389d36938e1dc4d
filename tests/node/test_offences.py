"""Offences: who is not heard for a while, and that a driver stops listening to an attacker."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consensus import messages
from node.life import Node
from node.offences import BARRED_SECONDS, OFFENCES_MAX, Offences
from p2p import bulk
from p2p.bulk import BulkKind
from state import transaction
from state.transaction import Transaction
from state.votes import Prepare, SignedVote
from tests.node.network import Network, until


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    running = await Network.start(tmp_path)
    yield running
    await running.stop()


def test_a_few_are_forgiven_in_time() -> None:
    offences = Offences()
    assert not offences.add("alpha", OFFENCES_MAX - 1, 0)
    assert not offences.add("alpha", 1, 2_000)
    assert not offences.is_barred("alpha", 2_000)


def test_many_at_once_bar_a_member_and_nobody_else() -> None:
    offences = Offences()
    assert not offences.add("alpha", OFFENCES_MAX - 1, 0)
    assert offences.add("alpha", 2, 500)
    assert not offences.add("alpha", 1_000, 600)
    assert offences.is_barred("alpha", 499 + 1_000 * BARRED_SECONDS)
    assert not offences.is_barred("alpha", 500 + 1_000 * BARRED_SECONDS)
    assert not offences.is_barred("borealis", 500)


def bulk_is_up(node: Node, member: str) -> bool:
    """Whether the node's bulk link with a member is up."""
    return any(status.bulk.up for status in node.network.status() if status.peer.name == member)


def forged_votes(height: int, count: int) -> list[bytes]:
    """PREPAREs in everybody's name, of a height that is being agreed on."""
    return [
        messages.encode(SignedVote(Prepare(height, 0, number.to_bytes(32, "big")), number % 4, bytes(64)))
        for number in range(count)
    ]


def forged(good: Transaction) -> bytes:
    """The transaction with a signature of nobody."""
    bad = transaction.assemble(good.body, [bytes(64)])
    assert bad.id == good.id
    return bad.encoded


async def test_who_floods_with_forgeries_is_cut_off_and_the_others_go_on(network: Network) -> None:
    await network.furnish("alpina", "ann", "bob")
    victim, mallory = network.nodes["alpina"], network.nodes["borealis"]
    await until(lambda: "borealis" in victim.links.linked, "linked")
    for vote in forged_votes(victim.chain.height + 1, 3 * OFFENCES_MAX):
        mallory.links.send_vote("alpina", vote)
    await until(lambda: "borealis" not in victim.links.linked, "the votes link is cut")
    assert victim.driver.rejected_count <= OFFENCES_MAX + 1
    assert await network.settle(victim, network.payment("ann", "bob", 5)) == "ok"
    assert "borealis" not in victim.links.linked


async def test_who_floods_with_transactions_that_nobody_signed_is_cut_off(network: Network) -> None:
    await network.furnish("alpina", "ann", "bob")
    victim, mallory = network.nodes["alpina"], network.nodes["borealis"]
    await until(lambda: bulk_is_up(mallory, "alpina"), "linked")
    batch = [forged(network.payment("ann", "bob", 1)) for _ in range(OFFENCES_MAX)]
    mallory.links.send_bulk("alpina", BulkKind.TRANSACTIONS, bulk.encode_transactions(batch))
    await until(lambda: "borealis" not in victim.links.linked, "both links are cut")
    assert await network.settle(victim, network.payment("ann", "bob", 5)) == "ok"


async def test_who_sends_what_is_no_transaction_is_cut_off(network: Network) -> None:
    victim, mallory = network.nodes["alpina"], network.nodes["borealis"]
    await until(lambda: "borealis" in victim.links.linked, "linked")
    await until(lambda: bulk_is_up(mallory, "alpina"), "linked for bulk")
    mallory.links.send_bulk("alpina", BulkKind.TRANSACTIONS, bulk.encode_transactions([b"\x01no"] * OFFENCES_MAX))
    await until(lambda: "borealis" not in victim.links.linked, "both links are cut")
