"""Evidence from its finding to the chain, where every member sees it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consensus import messages
from node.keystore import Purpose, read_key
from node.seams import VoteFrame
from rpc.backend import EvidenceFact
from state.evidence import evidence_of
from state.keys import KeyPair
from state.votes import Prepare, SignedVote, signing_payload
from tests.node.network import WAIT_SECONDS_MAX, Network


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    started = await Network.start(tmp_path)
    yield started
    await started.stop()


def vote_key(network: Network, member: str) -> KeyPair:
    return read_key(network.nodes[member]._home.vote_key, Purpose.VOTE)


async def evidence_at(network: Network, member: str) -> list[EvidenceFact]:
    """What a node has, once it is on chain there."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            found = list(await network.nodes[member].queries.evidence())
            if found and all(fact.number is not None for fact in found):
                return found
            await asyncio.sleep(0.05)


async def test_one_key_on_two_hosts_becomes_evidence_on_chain_for_everybody(network: Network) -> None:
    guilty = network.validators[3]._opening.member.id
    witness = network.validators[0]
    key, validators = vote_key(network, guilty), network.genesis.validators()
    signer = validators.index_of(key.public)
    assert signer is not None
    height = witness.chain.height + 1
    pair = []
    for digest in (b"\x01" * 32, b"\x02" * 32):
        vote = Prepare(height, 0, digest)
        pair.append(SignedVote(vote, signer, key.sign(signing_payload(vote, network.genesis.chain_id))))
    for signed in pair:
        witness.inbox.post(VoteFrame(guilty, messages.encode(signed)))
    expected = evidence_of(key.public, *pair).encode()
    for member in network.nodes:
        (found,) = await evidence_at(network, member)
        assert (found.member, found.height, found.votes) == (guilty, height, ("prepare", "prepare"))
        assert (found.encoded, found.number) == (expected, 1)
    await network.stop_node(guilty)
    # A node that starts again reports nothing twice.
    again = await network.start_node(guilty)
    assert [fact.number for fact in await again.queries.evidence()] == [1]
