"""N15 on a whole node: it meets the certificate of another fork, says what it has decided, names the liars, stops."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consensus import messages
from consensus.messages import DecidedMessage
from node.keystore import Purpose, read_key
from node.seams import VoteFrame
from state import keys
from state.block import make_block
from state.certificate import Certificate
from state.evidence import Evidence
from state.votes import Commit, signing_payload
from tests.node.network import Network, until


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    started = await Network.start(tmp_path)
    yield started
    await started.stop()


async def test_it_stops_and_names_who_signed_both(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    node, (*_, last) = network.validators[0], network.validators
    await until(lambda: node.driver.executed_height >= 2, "two blocks")
    validators = network.genesis.validators()
    liars = [validator.member for validator in validators.validators[1:]]
    vote_keys = [read_key(network.nodes[member]._home.vote_key, Purpose.VOTE) for member in liars]
    decided = node.chain.decided(node.chain.height)
    assert decided is not None
    header, chain_id = decided.block.header, network.genesis.chain_id
    other = make_block(
        chain_id=chain_id,
        height=header.height,
        parent=header.parent,
        parent_certificate=header.parent_certificate,
        timestamp_ms=header.timestamp_ms + 1,
        proposer=header.proposer,
        entries=[],
        validators_digest=header.validators_digest,
    )
    vote = Commit(header.height, decided.certificate.vote.view, other.digest)  # type: ignore[union-attr]
    payload = signing_payload(vote, chain_id)
    signatures = tuple((index, key.sign(payload)) for index, key in enumerate(vote_keys, 1))
    said = list[tuple[str | None, bytes]]()
    monkeypatch.setattr(node.links, "send_vote", lambda member, payload: said.append((member, payload)))
    forged = DecidedMessage(other, Certificate(vote, signatures), header.height + 1)
    node.inbox.post(VoteFrame(last._opening.member.id, messages.encode(forged)))
    ending = await asyncio.wait_for(node.ended, 5)
    both = [member for index, member in enumerate(liars, 1) if index in dict(decided.certificate.signatures)]
    assert len(both) >= 2
    path = network.directory / node._opening.member.id / "data" / "halted.json"
    assert ending is not None
    assert ending.sentence == (
        f"halted: two certificates contradict each other at height {header.height}: more than f validators lie. It is "
        f"proven of {', '.join(both)}. What explains it is in {path}; keep the data directory and ask for help"
    )
    assert said[-1] == (None, messages.encode(DecidedMessage(decided.block, decided.certificate, header.height + 1)))
    document = json.loads(path.read_text())
    assert document["guilty"] == both
    evidence = [bytes.fromhex(text) for text in document["evidence"]]
    assert [Evidence.decode(item).check(validators, chain_id, keys.verify) for item in evidence] == both
    assert set(evidence) <= set(node.chain.evidence())
