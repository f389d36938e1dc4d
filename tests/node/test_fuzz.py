"""A member and an observer that send whatever comes to mind to a whole node: it goes on, and so do the others.

Driver, pool, executor and store are the production ones, on virtual time.
"""

from random import Random

import pytest

from consensus import messages
from node import seams
from node.offences import OFFENCES_MAX, Offences
from p2p import bulk
from p2p.bulk import BulkKind
from scripts.simulation import birth
from scripts.simulation.machine import Machine
from scripts.simulation.network import SimulatedNetwork
from scripts.simulation.timeline import Timeline
from state import codec, transaction, votes
from state.block import Block, make_block
from state.certificate import Certificate
from state.transaction import assemble
from state.votes import Checkpoint, Commit, Prepare, Proposal, SignedVote, ViewChange, Vote
from tests.state.spoiling import spoil

FAR = 2**63 - 1
PROGRESS_MS_MAX = 10_000
MALLORY = birth.bank(3)
"""Whose keys the frames are signed with: one of four, as many as may lie."""


class Watcher:
    """What became of the payments, and what was sent."""

    def __init__(self) -> None:
        self.final: dict[str, set[bytes]] = {}
        self.frames: list[seams.VoteFrame | seams.BulkFrame] = []

    def executed(self, machine: Machine, block: Block, event: seams.Executed) -> None:
        self.final.setdefault(machine.name, set()).update(block.transaction_ids())

    def sent(self, machine: Machine, event: seams.VoteFrame | seams.BulkFrame) -> None:
        if len(self.frames) < 400:
            self.frames.append(event)

    def noted(self, machine: Machine, what: str) -> None: ...


class Banks:
    """Four validators and an observer that are up; what honest ones sent serves as samples."""

    def __init__(self) -> None:
        self.timeline, self.watcher, self.random = Timeline(1), Watcher(), Random(1)
        self.network = SimulatedNetwork(self.timeline)
        names = [*(birth.bank(index) for index in range(4)), birth.OBSERVER]
        self.machines = [Machine(name, name, 4, self.timeline, self.network, self.watcher) for name in names]
        self.network.machines = self.machines
        for node in self.machines:
            node.boot()
        self.timeline.run(900)
        for _ in range(4):
            self.settle()
        self.samples = {
            kind: sorted({frame.payload for frame in self.watcher.frames if _kind(frame) == kind})[:40]
            for kind in {_kind(frame) for frame in self.watcher.frames}
        }

    @property
    def victim(self) -> Machine:
        return self.machines[0]

    def settle(self) -> None:
        """A payment is final at every bank in time."""
        payment = birth.payment(self.random, 4, birth.GENESIS_MS + self.timeline.now_ms)
        node = self.machines[1]
        node.deliver(seams.Submitted(1, (payment.encoded,)), node.life)
        began_ms = self.timeline.now_ms
        while not all(payment.id in self.watcher.final.get(node.name, ()) for node in self.machines):
            assert self.timeline.now_ms - began_ms < PROGRESS_MS_MAX, "no progress"
            self.timeline.run(20)

    def hurl(self, event: seams.Event) -> None:
        """One event from the outside. Whatever it raises fails the test."""
        self.victim.deliver(event, self.victim.life)
        self.timeline.run(1)

    def forgive(self) -> None:
        """So that the next frame is looked at, too: a member that offends is not heard for a minute."""
        assert self.victim.driver is not None
        self.victim.driver._offences = Offences()


def _kind(frame: seams.VoteFrame | seams.BulkFrame) -> int:
    return 0 if isinstance(frame, seams.VoteFrame) else frame.kind


@pytest.fixture(scope="module")
def banks() -> Banks:
    return Banks()


def sign(vote: Vote) -> bytes:
    return birth.vote_key(MALLORY).sign(votes.signing_payload(vote, birth.CHAIN_ID))


def told(banks: Banks, random: Random) -> bytes:
    """A message that is genuinely signed by the liar, about the height that is agreed on, with a block of its own."""
    driver = banks.victim.driver
    assert driver is not None
    height, digest = driver._next_height(), banks.victim.chain.digest
    entries = [random.randbytes(64) for _ in range(random.randrange(4))]
    block = make_block(
        chain_id=birth.CHAIN_ID, height=height, parent=digest, parent_certificate=_newest(banks),
        timestamp_ms=birth.GENESIS_MS + banks.timeline.now_ms, proposer=birth.vote_key(MALLORY).public,
        entries=entries, validators_digest=birth.validators(4).digest,
    )  # fmt: skip
    height, view = random.choice([height, height, height + 1, height - 1, FAR]), random.choice([0, 0, 1, 5, FAR])
    vote: Prepare | Commit | Checkpoint = random.choice([Prepare, Commit])(height, view, block.digest)
    forged = Certificate(vote, tuple((index, sign(vote)) for index in random.choice([(0, 1, 2), (3,), (3, 3, 3)])))
    proposal, change = Proposal(block.height, 0, block.digest), ViewChange(height, max(1, view), None, None)
    state = Checkpoint(height, digest, random.randbytes(32), digest, digest)
    return messages.encode(
        random.choice(
            [
                messages.PrePrepare(proposal, 3, sign(proposal), block),
                SignedVote(vote, random.choice([0, 3, 3, 3, 99]), sign(vote)),
                SignedVote(state, 3, sign(state)),
                messages.ViewChangeMessage(change, 3, sign(change), None, None),
                messages.DecidedMessage(block, forged, FAR),
                messages.CertifiedMessage(Certificate(state, ((3, sign(state)),))),
                messages.Inquiry(random.choice([0, height, FAR]), random.choice([0, height, FAR])),
            ]
        )
    )


def _newest(banks: Banks) -> Certificate:
    decided = banks.victim.chain.decided(banks.victim.chain.height)
    assert decided is not None
    return decided.certificate


@pytest.mark.parametrize("seed", range(4))
def test_no_frame_brings_a_node_down(banks: Banks, seed: int) -> None:
    random = Random(seed)
    for number in range(1_200):
        member = random.choice([MALLORY, MALLORY, birth.OBSERVER, "stranger"])
        kind = random.choice([0, 0, 0, *BulkKind, 77])
        sample = random.choice(banks.samples.get(kind) or banks.samples[0])
        if kind == 0 and random.random() < 0.5:
            payload = told(banks, random)
        elif random.random() < 0.3:
            payload = random.choice(_asked(banks, random))
        else:
            payload = spoil(random, sample, int(kind == 0))
        banks.hurl(seams.VoteFrame(member, payload) if kind == 0 else seams.BulkFrame(member, kind, payload))
        if random.random() < 0.1:
            held = random.choice([b"", random.randbytes(60), sample])
            banks.hurl(seams.PeerJoined(member, random.choice([0, 5, FAR]), held))
            banks.hurl(random.choice([seams.BulkUp(member), seams.PeerLeft(member)]))
        banks.forgive()
        if number % 200 == 199:
            banks.settle()


def _asked(banks: Banks, random: Random) -> list[bytes]:
    """Requests and answers that are well-formed and wrong."""
    payment = birth.payment(random, 4, birth.GENESIS_MS + banks.timeline.now_ms)
    first = banks.victim.chain.decided(random.randint(1, banks.victim.chain.height))
    assert first is not None
    return [
        bulk.encode_transactions([payment.encoded, assemble(payment.body, [bytes(64)]).encoded]),
        bulk.encode_get_bodies([random.randbytes(64), payment.entry]),
        bulk.encode_get_blocks(random.choice([0, 1, FAR]), random.choice([0, 1, 256, FAR])),
        bulk.encode_blocks([codec.pack(first.to_value())] * random.choice([1, 3])),
    ]


def test_nothing_piles_up_after_it(banks: Banks) -> None:
    """I7: with the liars silent, what they made the node hold is given back."""
    banks.timeline.run(40_000)
    banks.settle()
    banks.timeline.run(3_000)
    assert banks.victim.driver is not None
    assert not any(banks.victim.driver.waiting().values()), banks.victim.driver.waiting()


def test_what_cannot_be_read_costs_no_signature_check(banks: Banks, monkeypatch: pytest.MonkeyPatch) -> None:
    """P5: bytes in another spelling, or of no shape, are refused before a single signature is looked at."""
    checked = list[bytes]()
    banks.forgive()

    def count(*_: object) -> bool:
        checked.append(b"")
        return True

    assert banks.victim.driver is not None
    monkeypatch.setattr(banks.victim.driver._replica, "_verify", count)
    monkeypatch.setattr(transaction, "verify", count)
    good = [sample for sample in banks.samples[0] if isinstance(messages.decode(sample), SignedVote)]
    before = banks.victim.driver.rejected_count
    for sample in good[: OFFENCES_MAX // 4]:
        assert sample[1] == 0x92
        for spoilt_one in (b"\x01\xdc\x00\x02" + sample[2:], sample + b"\x00"):
            banks.victim.driver.handle(seams.VoteFrame(MALLORY, spoilt_one))
    assert banks.victim.driver.rejected_count - before == 2 * len(good[: OFFENCES_MAX // 4]) > 10
    assert checked == []
    banks.forgive()
