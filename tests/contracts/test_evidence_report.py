"""Evidence on chain: what the kernel believes, who may bring it, and that a node key can do nothing else."""

from dataclasses import replace

import pytest

from contracts.genesis_state import GenesisState
from state.codec import Value
from state.evidence import evidence_of
from state.votes import Commit, Prepare, SignedVote, Vote, signing_payload
from tests.contracts.network import CHAIN_ID, Chain, genesis_state, key_of

ONE, OTHER = Prepare(5, 0, b"\x01" * 32), Prepare(5, 0, b"\x02" * 32)
NODES = {"alpine": "alpine node", "baltic": "baltic node"}


def with_nodes() -> GenesisState:
    genesis = genesis_state()
    members = [
        replace(member, node_key=key_of(NODES[member.id]).public) if member.id in NODES else member
        for member in genesis.members
    ]
    return replace(genesis, members=tuple(members))


def signed(vote: Vote, signer: int = 1, name: str = "baltic vote", chain_id: bytes = CHAIN_ID) -> SignedVote:
    return SignedVote(vote, signer, key_of(name).sign(signing_payload(vote, chain_id)))


def proof(one: SignedVote, other: SignedVote, name: str = "baltic vote") -> bytes:
    return evidence_of(key_of(name).public, one, other).encode()


GUILTY = proof(signed(ONE), signed(OTHER))


@pytest.fixture
def chain() -> Chain:
    return Chain.start(with_nodes()).furnish()


def report(chain: Chain, sender: str, evidence: bytes, *signers: str) -> str:
    call: tuple[str, str, list[Value]] = ("evidence", "report", [evidence])
    return chain.send(sender, call, signers=signers or None)


def test_it_is_kept_once_and_names_the_bank(chain: Chain) -> None:
    assert report(chain, "ann", GUILTY) == "ok"
    (event,) = [event for event in chain.results[-1].receipts[0].events if event.name == "DoubleVote"]
    assert dict(event.fields) == {"member": "baltic", "height": 5, "evidence": GUILTY}
    assert report(chain, "alpine", GUILTY) == "already_reported"
    assert chain.reads.query("evidence", "reported", ["baltic", 5]).value is True
    listed = chain.reads.query("evidence", "reports_from", [1, 100]).value
    assert listed == [[1, ["baltic", 5, chain.time_ms - 1_000, GUILTY]]]


def test_a_node_key_reports_for_its_member(chain: Chain) -> None:
    assert report(chain, "alpine", GUILTY, "alpine node") == "ok"


@pytest.mark.parametrize(
    ("sender", "signers", "calls"),
    [
        ("alpine", ("baltic node",), [("evidence", "report", [GUILTY])]),
        ("ann", ("alpine node",), [("evidence", "report", [GUILTY])]),
        ("alpine", ("alpine node",), [("evidence", "report", [GUILTY])] * 2),
        ("alpine", ("alpine node", "baltic node"), [("evidence", "report", [GUILTY])]),
        ("alpine", ("alpine node",), [("bank_money", "create", ["JPY"])]),
        ("alpine", ("alpine node",), [("evidence", "report", [GUILTY]), ("bank_money", "create", ["JPY"])]),
    ],
    ids=["another member's", "for a customer", "twice", "two keys", "something else", "something else besides"],
)
def test_a_node_key_has_no_other_authority(
    chain: Chain, sender: str, signers: tuple[str, ...], calls: list[tuple[str, str, list[Value]]]
) -> None:
    assert chain.send(sender, *calls, signers=signers) == "unauthorised"


@pytest.mark.parametrize(
    "evidence",
    [
        b"",
        b"\x01\x93",
        GUILTY[:-1],
        proof(signed(ONE), signed(ONE)),
        proof(signed(ONE), signed(Commit(5, 0, b"\x02" * 32))),
        proof(signed(ONE), signed(replace(OTHER, height=6))),
        proof(signed(ONE), signed(OTHER, chain_id=bytes(32))),
        proof(signed(ONE), signed(OTHER, name="ann")),
        proof(signed(ONE, signer=0), signed(OTHER, signer=0)),
        proof(signed(ONE, name="ann"), signed(OTHER, name="ann"), "ann"),
    ],
    ids=["nothing", "no evidence", "cut", "one vote", "no contradiction", "two heights", "another chain", "another key",
         "another's index", "a stranger"],
)  # fmt: skip
def test_what_proves_nothing_is_refused(chain: Chain, evidence: bytes) -> None:
    assert report(chain, "ann", evidence) == "bad_evidence"
