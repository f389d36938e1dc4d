"""Whole runs, kept as text. A change of any message, its time or its order shows as a difference.

``UPDATE_TRANSCRIPTS=1 pytest tests/consensus/test_transcripts.py`` writes them anew; read what changed.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from consensus.messages import Message, PrePrepare
from state.block import make_block
from state.parameters import ChainParameters
from state.votes import Commit, Prepare, Proposal, SignedVote, signing_payload
from tests.consensus.network import CHAIN_ID, Network, entry, key_of

FOLDER = Path(__file__).parent / "transcripts"


def four_decide() -> Network:
    """Two heights in a row, an observer listening."""
    network = Network("abcd", observers="o")
    network.start()
    network.submit("1", "2", "3", "4")
    network.run(400, network.settled)
    return network


def seven_without_two() -> Network:
    """f of seven are down, among them the first primary; it is at the back of the order afterwards."""
    network = Network("abcdefg")
    network.start("acdefg")
    network.crash("g")
    network.submit("1")
    network.run(1_000, network.settled)
    network.submit("2")
    network.run(1_200)
    return network


def primary_falls_silent() -> Network:
    """The primary's proposal reaches nobody: view 1 starts from a fresh block."""
    network = Network("abcd")
    network.drop = lambda sender, to, message: sender == "b"
    network.start()
    network.submit("1")
    network.run(900)
    network.drop = lambda sender, to, message: False
    network.run(1_500, network.settled)
    return network


def prepared_is_proposed_again() -> Network:
    """COMMITs of view 0 are lost: view 1 decides the same block."""
    network = Network("abcd")
    network.drop = lambda sender, to, message: (
        isinstance(message, SignedVote)
        and message.vote == Commit(1, 0, message.vote.digest if isinstance(message.vote, Commit) else b"")
    )
    network.start()
    network.submit("1")
    network.run(1_500, network.settled)
    return network


def killed_between_signing_and_sending() -> Network:
    """A bank that dies with its PREPARE on disk and not sent; three others need it, and it comes back."""
    network = Network("abcd")
    network.start("abc")
    network.submit("1")
    network.run(done=lambda: bool(network.banks["a"].disk.journal))
    network.crash("a")
    network.run(300)
    network.start("a")
    network.run(2_000, network.settled)
    return network


def away_for_a_while() -> Network:
    """One bank misses heights beyond what peers answer one by one: block sync, then it votes again."""
    network = Network("abcd", parameters=ChainParameters(execution_lag=2))
    network.start("abc")
    for number in range(5):
        network.submit(f"{number}")
        network.run(network.now_ms + 2_000, network.settled)
    network.start("d")
    network.run(network.now_ms + 1_000, network.settled)
    network.submit("last")
    network.run(network.now_ms + 300, network.settled)
    return network


def two_faced_primary() -> Network:
    """The primary shows another block to one bank: at most one is decided, and there is evidence."""
    network = Network("abcd")

    def two_faces(sender: str, to: str, message: Message) -> Message:
        if sender != "b" or to != "d":
            return message
        if isinstance(message, PrePrepare):
            header = message.block.header
            block = make_block(
                chain_id=CHAIN_ID, height=1, parent=header.parent, parent_certificate=None,
                timestamp_ms=header.timestamp_ms, proposer=header.proposer, entries=[entry("other")],
                validators_digest=header.validators_digest,
            )  # fmt: skip
            vote = Proposal(1, 0, block.digest)
            return PrePrepare(vote, 1, key_of("b").sign(signing_payload(vote, CHAIN_ID)), block)
        if isinstance(message, SignedVote) and isinstance(message.vote, Prepare):
            lie = Prepare(1, 0, bytes(32))
            return SignedVote(lie, 1, key_of("b").sign(signing_payload(lie, CHAIN_ID)))
        return message

    network.tamper = two_faces
    network.start()
    network.submit("1")
    network.run(600)
    network.tamper = lambda sender, to, message: message
    network.run(1_500, network.settled)
    return network


RUNS: list[Callable[[], Network]] = [
    four_decide,
    seven_without_two,
    primary_falls_silent,
    prepared_is_proposed_again,
    killed_between_signing_and_sending,
    away_for_a_while,
    two_faced_primary,
]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.__name__)
def test_transcript(run: Callable[[], Network]) -> None:
    network = run()
    text = f"{run.__doc__}\n\n" + "\n".join(network.transcript) + "\n"
    path = FOLDER / f"{run.__name__}.txt"
    if os.environ.get("UPDATE_TRANSCRIPTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
    assert network.settled()
