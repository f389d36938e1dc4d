"""N15: f+1 liars can make a fork. Whoever meets the other side's certificate stops, and the liars are named."""

import pytest

from consensus import events
from consensus.events import Halt
from consensus.forks import culprits
from consensus.height import Height
from consensus.messages import CertifiedMessage, DecidedMessage, Message
from state.certificate import Certificate
from state.evidence import Evidence
from state.votes import Checkpoint, Commit, SignedVote, ViewChange
from tests.consensus.bench import BANKS, Bench, certified, checkpoint, make, new_view, pre_prepare, signed, view_change
from tests.consensus.network import CHAIN_ID, Network, verify

X, Y = make("x"), make("y", proposer="c")
DIVIDED_MS = 6_000

ONE = certified(Commit(1, 0, X.digest), "abc")
SAME_VIEW = certified(Commit(1, 0, Y.digest), "bcd")
HIGHER_VIEW = certified(Commit(1, 1, Y.digest), "bcd")


def asked(name: str, view: int, prepared_view: int | None = None) -> SignedVote:
    return signed(name, ViewChange(1, view, prepared_view, None if prepared_view is None else X.digest))


NAMED: list[tuple[str, Certificate, Certificate, list[SignedVote], str]] = [
    ("one view", ONE, SAME_VIEW, [], "bc"),
    ("in either order", SAME_VIEW, ONE, [], "bc"),
    ("two views, nothing known between", ONE, HIGHER_VIEW, [], ""),
    ("what was prepared was hidden", ONE, HIGHER_VIEW, [asked(name, 1) for name in "bcd"], "bc"),
    ("it was shown", ONE, HIGHER_VIEW, [asked("b", 1, 0), asked("c", 1), asked("d", 1)], "c"),
    ("asked for before", HIGHER_VIEW, ONE, [asked("b", 1), asked("d", 2, 1)], "b"),
    (
        "checkpoints",
        certified(Checkpoint(1, X.digest, b"1" * 32, b"r" * 32, BANKS.digest), "abd"),
        certified(Checkpoint(1, X.digest, b"2" * 32, b"r" * 32, BANKS.digest), "bcd"),
        [],
        "bd",
    ),
    ("the same twice", ONE, ONE, [], ""),
]


def names_of(evidence: tuple[Evidence, ...]) -> str:
    """Whom it convicts, once everything in it is checked."""
    return "".join(item.check(BANKS, CHAIN_ID, verify) for item in evidence)


@pytest.mark.parametrize(
    ("one", "other", "changes", "named"), [row[1:] for row in NAMED], ids=[row[0] for row in NAMED]
)
def test_who_is_named(one: Certificate, other: Certificate, changes: list[SignedVote], named: str) -> None:
    assert names_of(culprits(one, other, changes, BANKS)) == named


def halt_of(bench: Bench, *messages: Message) -> Halt:
    """What a replica that has decided x stops with."""
    for message in messages:
        bench.replica.step(events.Received(message, "d", 0))
    halt = bench.replica.ready().halt
    assert halt is not None
    assert bench.replica.halted
    return halt


def test_a_decision_of_the_same_height() -> None:
    bench = Bench("a")
    bench.hear(DecidedMessage(X, ONE, 2))
    halt = halt_of(bench, DecidedMessage(Y, SAME_VIEW, 2))
    assert (halt.own, halt.other, names_of(halt.evidence)) == (ONE, SAME_VIEW, "bc")
    assert halt.last_word == DecidedMessage(X, ONE, 2)


def test_a_proposal_on_the_other_block() -> None:
    """The certificate inside its header is enough: it need not wait for another decision."""
    bench, follows = Bench("a"), make("z", Y, "c")
    bench.hear(DecidedMessage(X, ONE, 2))
    halt = halt_of(bench, pre_prepare(follows, "c"))
    assert (halt.other, names_of(halt.evidence)) == (follows.header.parent_certificate, "abc")


def test_a_forged_certificate_in_a_proposal_stops_nobody() -> None:
    bench = Bench("a")
    bench.hear(DecidedMessage(X, ONE, 2))
    certificate = Certificate(Commit(1, 0, Y.digest), tuple((index, bytes(64)) for index in range(3)))
    said = bench.hear(pre_prepare(make("z", Y, "c", certificate=certificate), "c"))
    assert said == [
        "timer 2/0 500",
        "reject c: bad_block: the block builds on another parent",
        "reject c: bad_signature: the signature of validator 0 does not match",
    ]


def test_what_opened_the_view_of_the_decision_convicts() -> None:
    """b decided nothing in view 0 and took part in view 1; later it hears what the other side decided in view 0."""
    bench = Bench("a")
    opened = new_view("c", [view_change(name, 1) for name in "bcd"], Y)
    bench.hear(opened, DecidedMessage(Y, HIGHER_VIEW, 2))
    assert bench.replica.height == 2
    assert names_of(halt_of(bench, DecidedMessage(X, ONE, 2)).evidence) == "bc"


def test_a_second_checkpoint_certificate() -> None:
    bench = Bench(None)
    bench.hear(DecidedMessage(X, ONE, 2), *[checkpoint(name, X) for name in "abc"])
    assert bench.replica.certified_height == 1
    other = certified(Checkpoint(1, X.digest, b"?" * 32, b"?" * 32, BANKS.digest), "bcd")
    halt = halt_of(bench, CertifiedMessage(other))
    assert (halt.other, names_of(halt.evidence)) == (other, "bc")


Side = frozenset("abc")
"""With the twins a and b: {a, b, c} against {A, B, d}."""

FORKS: list[tuple[str, tuple[str, ...], set[int]]] = [
    ("a twin leads both sides", ("a",), {0}),
    ("decided in view 0 and in view 1", ("c", "d"), {0, 1}),
    ("decided in view 0 and in view 2", ("c", "c", "d"), {0, 2}),
]


@pytest.mark.parametrize(("leaders", "views"), [row[1:] for row in FORKS], ids=[row[0] for row in FORKS])
def test_two_twins_are_both_named_and_everybody_stops(
    leaders: tuple[str, ...], views: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two twins of four, parted and healed: c and d have decided differently, meet, and both stop for good."""
    network, normal = Network("abcd", twins="ab"), Height.primary
    network.may_fork = True
    network.banks["A"].clock_offset_ms = network.banks["B"].clock_offset_ms = 7

    def primary(height: Height, view: int) -> int:
        led = height.number == 1 and view < len(leaders)
        return "abcd".index(leaders[view]) if led else normal(height, view)

    monkeypatch.setattr(Height, "primary", primary)
    network.drop = lambda sender, to, message: network.now_ms < DIVIDED_MS and (sender in Side) != (to in Side)
    network.submit("work")
    network.start()
    network.run(DIVIDED_MS)
    honest = [network.banks[name] for name in "cd"]
    decided = [bank.disk.chain[0] for bank in honest]
    assert decided[0].block.digest != decided[1].block.digest
    assert {item.certificate.vote.view for item in decided} == views  # type: ignore[union-attr]
    network.submit("after all")
    network.run(network.now_ms + 3_000)
    assert all(bank.halted is not None for bank in network.banks.values())
    named = [names_of(bank.halted.evidence) for bank in honest if bank.halted is not None]
    assert "ab" in named
    assert set("".join(named)) == set("ab")
