"""Whatever a member sends: bytes are a message or Invalid, and no message brings a replica down."""

import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus import events, messages, safety
from consensus.messages import (
    CertifiedMessage,
    DecidedMessage,
    Inquiry,
    Message,
    NewViewMessage,
    PrePrepare,
    ViewChangeMessage,
    digest_of_view_changes,
)
from consensus.replica import BUFFERED_MAX, Replica
from consensus.start import Identity, StartState
from p2p.frame import MESSAGE_BYTES_MAX, LinkKind
from state import keys
from state.block import Block, decode_header, make_block
from state.certificate import Certificate, CertifiedVote
from state.digest import NO_DIGEST
from state.evidence import Evidence, Verify
from state.parameters import ChainParameters
from state.votes import Checkpoint, Commit, NewView, Prepare, Proposal, SignedVote, ViewChange, Vote, signing_payload
from tests.consensus.bench import BANKS, CLOCK_MS, NAMES, certified, make, pre_prepare, sign
from tests.consensus.network import CHAIN_ID, GENESIS_MS, key_of, result_of, verify
from tests.consensus.test_consensus_messages import EVERY_KIND
from tests.state.spoiling import only_invalid, spoilt

SAMPLES = [messages.encode(message) for message in EVERY_KIND]
VOTES_BYTES_MAX = MESSAGE_BYTES_MAX[LinkKind.VOTES]
MEMORY_BYTES_MAX = 40 * 1024 * 1024
"""What reading one message may take beside its own bytes."""

FAR = 2**63 - 1
T = TypeVar("T")


@given(spoilt(SAMPLES, 1))
@settings(max_examples=1_500, derandomize=True)
def test_bytes_are_a_message_or_invalid(data: bytes) -> None:
    message = only_invalid(messages.decode, data)
    if message is not None:
        assert messages.encode(message) == data  # type: ignore[arg-type]


@given(spoilt([message.block.encoded_header for message in EVERY_KIND if isinstance(message, PrePrepare)], 1))
@settings(max_examples=300, derandomize=True)
def test_bytes_are_a_header_or_invalid(data: bytes) -> None:
    header = only_invalid(decode_header, data)
    assert header is None or header.encode() == data  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "unit", [b"\x90", b"\x91", b"\xc4\x00", b"\xa0", b"\x94\x90\x90\x90\x90", b"\xdd\xff\xff\xff\xff", b"\xc7\x00\x05"]
)
def test_a_message_that_repeats_itself_takes_little(unit: bytes) -> None:
    """Time and memory for the largest message that the link lets through, under every head that a list can have."""
    for head in (b"", b"\xdd\x00\x0f\xff\xf0", b"\x92\x01\xdd\x00\x0f\xff\xf0", b"\xdc\xff\xff"):
        body = b"\x01" + head + unit * (VOTES_BYTES_MAX // len(unit))
        began = time.process_time()
        tracemalloc.start()
        try:
            assert only_invalid(messages.decode, body[:VOTES_BYTES_MAX]) is None
            assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES_MAX
        finally:
            tracemalloc.stop()
        assert time.process_time() - began < 2


# ------------------------------------------------------------------------------------------------ the handlers


class Babel:
    """Banks that talk, lie and mumble about the height that a replica is at: each message well-formed, few in place."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.blocks: list[Block] = [make("x"), make("y")]
        self.truth = self.random.choice([0.0, 0.6, 0.9])
        """How often a choice is the one that leads on."""
        self._chorus: list[Message] = []
        """What others are about to say, too."""

    def event(self, replica: Replica, decided: Block | None) -> events.Event:
        """Something that happens next."""
        peer = self.random.choice([*NAMES, *NAMES, "observer", None])
        kind = self.random.choice("mmmmmmmmttaawcsr")
        if kind == "m":
            clock_ms = self._right(CLOCK_MS + 60_000, [0, FAR, GENESIS_MS])
            return events.Received(self._readable(replica, decided), peer, clock_ms)
        if kind == "t":
            timer = events.Timer(events.TimerKind.VIEW, replica.height, self._right(replica.view, [0, 1, FAR]))
            resend = events.Timer(events.TimerKind.RESEND, 0, 0)
            return events.TimerExpired(self.random.choice([timer, resend, resend]))
        if kind == "a":
            return events.BlockAvailable(self._block(replica, decided).digest)
        if kind == "w":
            return events.WorkChanged(self.random.random() < 0.7)
        if kind == "c":
            return events.PeerConnected(self.random.choice(NAMES))
        block = self._block(replica, decided)
        if kind == "r":
            return events.BlockRefused(block.digest, "")
        certificate = self._certificate(Commit(block.height, self._view(replica), block.digest))
        return events.SyncedBlock(block, certificate, peer)

    def _readable(self, replica: Replica, decided: Block | None) -> Message:
        """A message that a link would let through."""
        while True:
            data = messages.encode(self.message(replica, decided))
            if only_invalid(messages.decode, data) is not None:
                return messages.decode(data)

    def message(self, replica: Replica, decided: Block | None) -> Message:
        """A message of any kind."""
        if self._chorus:
            return self._chorus.pop()
        block, view = self._block(replica, decided), self._view(replica)
        kind = self.random.randrange(9)
        if kind == 0:
            proposal = Proposal(block.height, self._right(0, [1, FAR]), block.digest)
            return PrePrepare(proposal, *self._signed(proposal, replica.primary), block)
        if kind <= 3:
            height, digest = self._right(block.height, [0, 1, 9, FAR]), self._right(block.digest, [NO_DIGEST])
            vote: Prepare | Commit | Checkpoint = Prepare(height, view, digest)
            if self.random.random() < 0.5:
                vote = Commit(height, view, digest)
            if self.random.random() < 0.2:
                vote = result_of(self.random.choice(self.blocks), BANKS)
                vote = replace(vote, state_root=self._right(vote.state_root, [NO_DIGEST]))
            if self.random.random() < 0.4:
                self._chorus = [SignedVote(vote, signer, self._signature(vote, signer)) for signer in range(4)]
            return SignedVote(vote, *self._signed(vote))
        if kind <= 5:
            return self._view_change(replica, block, self._right(min(view + 1, FAR), [0, 1, FAR]))
        if kind == 6:
            return self._new_view(replica, block, max(1, view))
        if kind == 7:
            certificate = self._certificate(Commit(block.height, view, block.digest))
            return DecidedMessage(block, certificate, self._right(block.height + 1, [0, FAR]))
        height = self._right(replica.height, [0, 1, FAR])
        if self.random.random() < 0.5:
            return Inquiry(height, self._right(replica.certified_height, [0, FAR]))
        return CertifiedMessage(self._certificate(result_of(self.random.choice(self.blocks), BANKS)))

    def _view_change(self, replica: Replica, block: Block, view: int) -> ViewChangeMessage:
        if self.random.random() < 0.5:
            bare = ViewChange(self._right(replica.height, [0, 1, FAR]), view, None, None)
            if self.random.random() < 0.4:
                self._chorus = [
                    ViewChangeMessage(bare, signer, self._signature(bare, signer), None, None) for signer in range(4)
                ]
            return ViewChangeMessage(bare, *self._signed(bare), None, None)
        below = self._right(max(0, view - 1), [0, FAR])
        vote = ViewChange(block.height, view, below, block.digest)
        return ViewChangeMessage(
            vote, *self._signed(vote), self._certificate(Prepare(block.height, below, block.digest)), block
        )

    def _new_view(self, replica: Replica, block: Block, view: int) -> NewViewMessage:
        prepared = self.random.random() < 0.5
        listed = []
        for signer in self._right([0, 1, 2], [[1, 2, 3], [0, 1], [1, 1, 1], [2, 1, 0], [0, 1, 9]]):
            vote = ViewChange(replica.height, view, *((view - 1, block.digest) if prepared else (None, None)))
            if self.random.random() < 0.1:
                vote = self._view_change(replica, block, view).vote
            listed.append(SignedVote(vote, signer, self._signature(vote, signer)))
        certificate = self._certificate(Prepare(block.height, view - 1, block.digest)) if prepared else None
        opening = NewView(block.height, view, block.digest, digest_of_view_changes(tuple(listed)))
        signed = self._signed(opening, replica.primary)
        return NewViewMessage(opening, *signed, tuple(listed), certificate, block)

    def _block(self, replica: Replica, decided: Block | None) -> Block:
        """One that was talked of, or a new one for the next height."""
        fitting = [block for block in self.blocks if block.height == replica.height]
        if self.random.random() < 0.1 or not fitting:
            parent = decided if self.random.random() < 0.9 else self.random.choice(self.blocks)
            proposer = self._right(replica.primary or "a", list(NAMES))
            fitting = [make(str(self.random.random()), parent, proposer)]
            self.blocks.append(fitting[0])
        return self._right(fitting[-1], self.blocks)

    def _view(self, replica: Replica) -> int:
        return self._right(replica.view, [0, 1, 2, 7, FAR])

    def _signed(self, vote: Vote, name: str | None = None) -> tuple[int, bytes]:
        right = self.random.randrange(4) if name is None else NAMES.index(name)
        signer = self._right(right, [0, 1, 2, 3, 4, 99])
        return signer, self._signature(vote, signer)

    def _signature(self, vote: Vote, signer: int) -> bytes:
        if signer >= len(NAMES) or self.random.random() < 0.05:
            return bytes(64)
        return sign(NAMES[self._right(signer, [0, 1, 2, 3])], vote)

    def _certificate(self, vote: CertifiedVote) -> Certificate:
        wrong: list[list[int]] = [[0, 1], [], [1, 1, 1], [2, 1, 0], [1, 2, 9], [0, 1, 2, 3]]
        listed = self._right(self.random.choice([[0, 1, 2], [1, 2, 3], [0, 2, 3]]), wrong)
        return Certificate(vote, tuple((signer, self._signature(vote, signer)) for signer in listed))

    def _right(self, right: T, wrong: Sequence[T]) -> T:
        return right if self.random.random() < self.truth else self.random.choice([right, *wrong])


class Subject:
    """A replica with a signer that keeps the rules, and an execution that is always right."""

    def __init__(self, name: str | None, check: Verify = verify) -> None:
        self.name = name
        key = None if name is None else key_of(name).public
        identity = Identity(key, CHAIN_ID, ChainParameters(execution_lag=2), GENESIS_MS)
        start = StartState(None, 0, tuple((height, BANKS) for height in (1, 2)))
        self.replica = Replica(identity, start, check)
        self.record = safety.NOTHING_SIGNED
        self.evidence: list[Evidence] = []
        self.decided: Block | None = None
        self.kinds = set[type]()
        """What it has signed."""

    def turn(self, event: object) -> None:
        """One event and everything that follows from it."""
        self.replica.step(event)  # type: ignore[arg-type]
        while (ready := self.replica.ready()) is not events.NOTHING:
            if ready.halt is not None:
                return
            for outgoing in ready.send:
                assert messages.decode(messages.encode(outgoing.message)) == outgoing.message
            for decision in ready.decided:
                decision.certificate.check(BANKS, CHAIN_ID)
                self.decided = decision.block
                self.replica.step(events.Executed(result_of(decision.block, BANKS), BANKS))
            for certificate in ready.certified:
                certificate.check(BANKS, CHAIN_ID)
            for item in ready.evidence:
                item.check(BANKS, CHAIN_ID, verify)
                self.evidence.append(item)
            for request in ready.sign:
                self._sign(request)
            if ready.propose is not None:
                self._propose(ready.propose)

    def _propose(self, wanted: events.ProposalWanted) -> None:
        block = make_block(
            chain_id=CHAIN_ID,
            height=wanted.height,
            parent=wanted.parent,
            parent_certificate=wanted.parent_certificate,
            timestamp_ms=max(CLOCK_MS, wanted.parent_timestamp_ms + 1),
            proposer=wanted.proposer,
            entries=[],
            validators_digest=wanted.validators_digest,
        )
        self.replica.step(events.ProposalReady(wanted.height, wanted.view, block))

    def _sign(self, request: safety.SignRequest) -> None:
        assert self.name is not None
        answer = safety.decide(self.record, request, BANKS)
        if isinstance(answer, safety.Refuse):
            self.replica.step(events.SigningRefused(request, answer.reason))
            return
        self.kinds.add(type(request.vote))
        signature = key_of(self.name).sign(signing_payload(request.vote, CHAIN_ID))
        if isinstance(answer, safety.Allow):
            self.record = safety.recorded(self.record, request, signature)
        self.replica.step(events.Signed(request, signature))


@given(st.integers(0, 2**32), st.sampled_from(["a", "a", "b", None]))
@settings(max_examples=150, derandomize=True)
def test_nothing_that_arrives_brings_a_replica_down(seed: int, name: str | None) -> None:
    """Not even more than f liars: what they can bring about is a halt that carries the contradiction."""
    subject, babel = Subject(name), Babel(seed)
    subject.turn(events.SigningAllowed(0))
    for _ in range(60):
        subject.turn(babel.event(subject.replica, subject.decided))
    assert len(subject.replica._buffer) <= BUFFERED_MAX


def test_babel_leads_far() -> None:
    """Lest the test above shows nothing: such talk opens views, proposes again, decides, certifies and accuses."""
    heights, views, kinds, accused = set[int](), set[int](), set[type](), 0
    for seed in range(60):
        subject, babel = Subject("abcd"[seed % 4]), Babel(seed)
        subject.turn(events.SigningAllowed(0))
        for _ in range(60):
            subject.turn(babel.event(subject.replica, subject.decided))
            views.add(subject.replica.view)
        heights.add(subject.replica.height)
        kinds |= subject.kinds
        accused += len(subject.evidence)
    assert max(heights) >= 4
    assert {1, 2} <= views
    assert kinds == {Proposal, Prepare, Commit, ViewChange, NewView, Checkpoint}
    assert accused > 10


def test_the_subject_does_agree() -> None:
    first = make("x")
    second = make("z", first, "c")
    subject = Subject("a")
    for event in (
        events.SigningAllowed(0),
        events.Received(pre_prepare(first), "b", CLOCK_MS),
        events.BlockAvailable(first.digest),
        events.SyncedBlock(first, certified(Commit(1, 0, first.digest)), "c"),
        events.Received(pre_prepare(second, "c"), "c", CLOCK_MS),
        events.BlockAvailable(second.digest),
    ):
        subject.turn(event)
    assert subject.replica.height == 2
    assert (subject.record.height, len(subject.record.votes), len(subject.record.checkpoints)) == (2, 1, 1)


def test_a_flood_of_far_votes_is_held_in_little_memory() -> None:
    """One liar's votes of ever other heights and views, all genuinely signed: nothing of them piles up."""
    subject = Subject("a", keys.verify)  # the cached one remembers for other tests
    flood: list[Message] = []
    for number in range(1_500):
        commit = Commit(1 + number % 3, FAR - number, bytes([number % 256]) * 32)
        change = ViewChange(1 + number % 3, FAR - number, None, None)
        flood.append(SignedVote(commit, 3, sign("d", commit)))
        flood.append(ViewChangeMessage(change, 3, sign("d", change), None, None))
        flood.append(Inquiry(FAR - number, FAR))
    tracemalloc.start()
    try:
        for message in flood:
            subject.turn(events.Received(message, "d", CLOCK_MS))
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert (subject.replica.height, subject.replica.view) == (1, 0)
    assert grown < 100_000, grown
