"""Proposed blocks that break a rule: each is refused with its reason, and costs at most one view."""

from dataclasses import replace

import pytest

from consensus.proposals import is_timely
from state import merkle
from state.block import Block, Header
from state.certificate import Certificate
from state.digest import NO_DIGEST, block_digest
from state.votes import Commit, Prepare, signing_payload
from tests.consensus.bench import CLOCK_MS, Bench, certified, commit, make, pre_prepare, prepare, signed
from tests.consensus.network import CHAIN_ID, GENESIS_MS, entry, key_of

X = make("x")
SECOND = make("z", X, "c")
PARENT = Commit(1, 0, X.digest)


def changed(block: Block, entries: tuple[bytes, ...] | None = None, **fields: object) -> Block:
    """The block with other fields in its header."""
    header: Header = replace(block.header, **fields)  # type: ignore[arg-type]
    if entries is not None:
        header = replace(header, transaction_root=merkle.root(entries))
    encoded = header.encode()
    return Block(header, block.entries if entries is None else entries, encoded, block_digest(encoded))


def spoilt(certificate: Certificate) -> Certificate:
    """The certificate with one signature from another key."""
    index, _ = certificate.signatures[0]
    forged = key_of("z").sign(signing_payload(certificate.vote, CHAIN_ID))
    return Certificate(certificate.vote, ((index, forged), *certificate.signatures[1:]))


BROKEN: list[tuple[str, Block, str]] = [
    ("another chain", changed(SECOND, chain_id=NO_DIGEST), "wrong_chain: the block is of another chain"),
    ("another parent", changed(SECOND, parent=make("y").digest), "bad_block: the block builds on another parent"),
    ("no later than its parent", changed(SECOND, timestamp_ms=CLOCK_MS), "bad_block: a block is later than its parent"),
    ("other validators", changed(SECOND, validators_digest=NO_DIGEST), "bad_block: the header names other validators"),
    ("a stranger's", changed(SECOND, proposer=key_of("z").public), "bad_block: the proposer is no validator"),
    (
        "somebody else's",
        changed(SECOND, proposer=key_of("d").public),
        "bad_block: a fresh block names its primary as the proposer",
    ),
    (
        "too many transactions",
        changed(SECOND, entries=tuple(entry(str(index)) for index in range(4_001))),
        "too_large: 4001 transactions in one block",
    ),
    ("no certificate", changed(SECOND, parent_certificate=None), "bad_block: the parent's certificate is missing"),
    (
        "a certificate of q − 1",
        changed(SECOND, parent_certificate=certified(PARENT, "bd")),
        "no_quorum: 2 signers, a quorum is 3",
    ),
    (
        "a certificate with a forged signature",
        changed(SECOND, parent_certificate=spoilt(certified(PARENT, "abd"))),
        "bad_signature: the signature of validator 0 does not match",
    ),
    (
        "a day early",
        changed(SECOND, timestamp_ms=CLOCK_MS + 86_400_000),
        "bad_block: a fresh block's time is too far from this clock: no PREPARE for it",
    ),
]


@pytest.mark.parametrize(("block", "detail"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_broken_blocks(block: Block, detail: str) -> None:
    bench = Bench("a")
    bench.hear(pre_prepare(X), *[commit(name, X) for name in "bcd"])
    assert bench.replica.height == 2
    said = bench.hear(pre_prepare(block, "c"))
    assert said == ["timer 2/0 500", f"reject c: {detail}"]
    assert bench.validated() == []
    assert bench.timeout(0, 2) == ["sign ViewChange 2/1"]


def test_certificate_of_another_view_is_as_good() -> None:
    bench = Bench("a")
    bench.hear(pre_prepare(X), *[commit(name, X) for name in "bcd"])
    block = changed(SECOND, parent_certificate=certified(Commit(1, 5, X.digest), "abd"))
    assert "validate from c" in bench.hear(pre_prepare(block, "c"))


def test_replayed_signatures() -> None:
    """A signature is good for one statement: kind, chain, height, view and key."""
    genuine = prepare("c", X)
    for vote in (Commit(1, 0, X.digest), Prepare(1, 1, X.digest), Prepare(1, 0, NO_DIGEST)):
        said = Bench("a").hear(replace(genuine, vote=vote))
        assert said == ["reject c: bad_signature: the signature of validator 2 does not match"]
    said = Bench("a").hear(replace(genuine, signer=3))
    assert said == ["reject d: bad_signature: the signature of validator 3 does not match"]
    elsewhere = key_of("c").sign(signing_payload(genuine.vote, NO_DIGEST))
    assert Bench("a").hear(replace(signed("c", genuine.vote), signature=elsewhere)) != []


@pytest.mark.parametrize(
    ("timestamp_ms", "clock_ms", "parent_ms", "timely"),
    [
        (1_000, 1_000, 0, True),
        (900, 1_000, 0, True),
        (899, 1_000, 0, False),
        (1_100, 1_000, 0, True),
        (1_101, 1_000, 0, False),
        (5_001, 1_000, 5_000, True),  # the chain is ahead of this clock: the next ms, no more
        (5_002, 1_000, 5_000, False),
    ],
)
def test_timely(timestamp_ms: int, clock_ms: int, parent_ms: int, timely: bool) -> None:
    assert is_timely(GENESIS_MS + timestamp_ms, GENESIS_MS + clock_ms, GENESIS_MS + parent_ms, 100) is timely
