"""The exchange: one question to a peer, one answer in time, or the peer's fault."""

import asyncio
from typing import cast

import pytest

from node.exchange import ANSWER_SECONDS_MAX, Exchange
from p2p import bulk
from p2p.bulk import BulkKind
from p2p.frame import Hello, LinkKind, Role
from p2p.network import PeerNetwork
from p2p.peers import PeerDown, PeerUp, Received
from state.errors import Invalid

ALPHA = bytes([1]) * 32
HELLO = Hello(bytes(32), ALPHA, LinkKind.BULK, Role.VALIDATOR, 700, b"")


class Cable:
    """Stands in for the network: keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes]] = []

    def send(self, node_id: bytes, link_kind: LinkKind, frame_kind: int, payload: bytes) -> bool:
        assert (node_id, link_kind) == (ALPHA, LinkKind.BULK)
        self.sent.append((frame_kind, payload))
        return True


def linked(seconds_max: float = 5.0) -> tuple[Exchange, Cable]:
    exchange, cable = Exchange({ALPHA: "alpha"}, seconds_max), Cable()
    exchange.attach(cast(PeerNetwork, cable))
    exchange.on_event(PeerUp(ALPHA, LinkKind.BULK, HELLO))
    return exchange, cable


def said(kind: BulkKind, payload: bytes) -> Received:
    return Received(ALPHA, LinkKind.BULK, kind, payload)


async def test_an_answer_of_the_kind_that_was_asked_for() -> None:
    exchange, cable = linked()
    assert (exchange.peers(), exchange.heights()) == (("alpha",), {"alpha": 700})
    asking = asyncio.create_task(exchange.ask("alpha", BulkKind.GET_CUTS, b"which"))
    await asyncio.sleep(0)
    exchange.on_event(said(BulkKind.TRANSACTIONS, b"gossip"))
    exchange.on_event(said(BulkKind.LEAVES, b"of another question"))
    exchange.on_event(said(BulkKind.CUTS, b"these"))
    exchange.on_event(said(BulkKind.CUTS, b"too late"))
    assert await asking == b"these"
    assert cable.sent == [(BulkKind.GET_CUTS, b"which")]


async def test_who_stalls_is_at_fault_within_five_seconds() -> None:
    exchange, _ = linked(0.02)
    with pytest.raises(Invalid, match=r"^unavailable: no answer within 0.02 s$"):
        await exchange.ask("alpha", BulkKind.GET_CUTS, b"")
    exchange.drop("alpha", "it stalls")
    assert exchange.peers() == ()
    assert ANSWER_SECONDS_MAX < 5


async def test_a_link_that_ends_ends_the_question() -> None:
    exchange, _ = linked()
    asking = asyncio.create_task(exchange.ask("alpha", BulkKind.GET_CUTS, b""))
    await asyncio.sleep(0)
    exchange.on_event(PeerDown(ALPHA, LinkKind.BULK, "cut"))
    for again in (asking, exchange.ask("alpha", BulkKind.GET_CUTS, b"")):
        with pytest.raises(Invalid, match=r"^unavailable: its link is gone$"):
            await again
    assert exchange.peers() == ()


async def test_pruned_is_an_answer_to_blocks_and_headers_alone() -> None:
    exchange, _ = linked(0.02)
    for kind, reason in (
        (BulkKind.GET_HEADERS, r"^pruned: it keeps the chain from block 65 on$"),
        (BulkKind.GET_BLOCKS, r"^pruned: it keeps the chain from block 65 on$"),
        (BulkKind.GET_LEAVES, r"^unavailable: no answer within"),
    ):
        asking = asyncio.create_task(exchange.ask("alpha", kind, b""))
        await asyncio.sleep(0)
        exchange.on_event(said(BulkKind.PRUNED, bulk.encode_pruned(65)))
        with pytest.raises(Invalid, match=reason):
            await asking
