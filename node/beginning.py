"""Beginning with a snapshot: what a node without a past does before it opens its chain, if it is configured so.

It links with the members that genesis (or the home of a member that joined later) names, as any node does, with a
network of its own that ends before the node's real one begins.
"""

import asyncio
import logging
import random
import time

from contracts.executor import Executor
from contracts.roster import roster
from genesis.birth import state_at_birth
from node import snapshot_install
from node.exchange import Exchange
from node.membership import Membership
from node.opening import Opening, port_refused
from node.snapshot_fetch import Fetch
from node.snapshot_install import Installation
from p2p.network import PeerNetwork
from state.memory import MemoryDatabase
from state.succession import Succession
from state.world import World

logger = logging.getLogger("hansa.node")


async def begin(opening: Opening) -> int:
    """Finish what an earlier life had begun to install; then fetch a snapshot, if that is wanted and nothing is here.

    Gives the height of the snapshot, 0 where there is none.

    :raises Corrupt: the disk refuses. :raises Invalid: UNAVAILABLE, a port is taken.
    """
    home, settings, genesis = opening.home, opening.configuration, opening.genesis
    snapshot_install.recover(home)
    if settings.node.sync != "snapshot" or not snapshot_install.is_empty(home):
        return 0
    birth = state_at_birth(genesis)
    executor = Executor(World.open(MemoryDatabase()), genesis.chain_id, genesis.parameters)
    executor.apply_genesis(birth)
    standing = Membership(
        opening.member.id, opening.identities, settings.p2p, opening.hints, roster(executor)
    ).standing
    failure: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    exchange = Exchange({peer.node_id: peer.name for peer in standing.peers})
    network = PeerNetwork(
        standing.identity,
        genesis.chain_id,
        standing.role,
        standing.peers,
        exchange.on_event,
        lambda _: (0, b""),
        lambda: time.time_ns() // 1_000_000,
        random.random,
        lambda error: None if failure.done() else failure.set_exception(error),
    )
    exchange.attach(network)
    window_ms = genesis.parameters.transaction_window_ms
    fetch = Fetch(
        exchange,
        Succession(genesis.chain_id, genesis.parameters.execution_lag, genesis.validators()),
        lambda offer: Installation(home, offer, window_ms),
    )
    try:
        await network.start(settings.p2p.host, settings.p2p.port)
    except OSError as error:
        raise port_refused(settings.p2p.host, settings.p2p.port, "p2p.port", error) from error
    fetching = asyncio.get_running_loop().create_task(fetch.run(), name="fetching a snapshot")
    try:
        await asyncio.wait((fetching, failure), return_when=asyncio.FIRST_COMPLETED)
        return failure.result() if failure.done() else fetching.result()
    finally:
        failure.cancel()
        fetching.cancel()
        await asyncio.gather(fetching, return_exceptions=True)
        await network.close()
