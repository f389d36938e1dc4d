"""A Byzantine member: its node is the production one, and what leaves it is twisted on its way to each receiver.

It holds its own keys, so whatever it invents is properly signed by it. It lies in three ways that do not depend on each
other: as a primary it may propose spoilt blocks, the same one to everybody, so that nothing but the lie itself can keep
them from being decided; to who fetches the chain it may serve what is wrong; and what it says besides is twisted by one
habit at a time, changed as the run goes: so that each run sees several, and honest nodes in between see a member that
behaves.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from random import Random

from consensus import messages
from consensus.messages import (
    CertifiedMessage,
    DecidedMessage,
    Inquiry,
    Message,
    NewViewMessage,
    PrePrepare,
    SignedMessage,
    ViewChangeMessage,
)
from node import seams
from p2p import bulk
from p2p.bulk import BulkKind
from scripts.simulation import birth
from scripts.simulation.chronicle import Chronicle
from scripts.simulation.frames import Frame, message_of
from scripts.simulation.poison import poisoned
from scripts.simulation.sets import Sets
from scripts.simulation.spoilt import Lie, Spoiler, Truth, remade
from scripts.simulation.timeline import Timeline
from state import votes
from state.block import Block
from state.certificate import Certificate
from state.errors import Invalid
from state.keys import KeyPair
from state.votes import Checkpoint, Commit, NewView, Prepare, Proposal, SignedVote, ViewChange, Vote

HABIT_MS = 2_500
"""How long one habit lasts, on average."""

SINGLE_MINDED_SHARE = 0.5
"""Part of all liars that have one bad habit only."""

SPOILT_SHARES = (0.0, 0.5, 1.0, 1.0)
"""Part of its fresh proposals that a liar spoils; each as likely as the others."""

BAD_SERVER_SHARE = 0.6
"""Part of all liars that serve a wrong chain."""

FORGERIES = 8
"""Forged votes beside each frame of a flood."""

BODIES_SHOWN = 40
"""Frames that go out with the bodies of a lie: by then everybody has seen it, or never will."""

REMEMBERED = 200
"""Frames that it keeps for sending them again."""

FAR_VIEW = 2**62

Habit = Callable[[Frame, str], list[Frame]]
"""A frame and its receiver's member id → what leaves instead."""


class Liar:
    """The habits of one member.

    :param member: whose keys it has.
    :param sets: who validates with it.
    """

    def __init__(self, member: str, sets: Sets, timeline: Timeline, chronicle: Chronicle) -> None:
        self.member = member
        self._sets = sets
        self._key: KeyPair = birth.vote_key(member)
        self._timeline = timeline
        self._random: Random = timeline.chance("liar")
        self._chronicle = chronicle
        self._memory: deque[Frame] = deque(maxlen=REMEMBERED)
        self._heard: dict[Prepare | Commit, dict[int, bytes]] = {}
        """What others signed, for the newest heights."""
        self._blocks: dict[bytes, Block] = {}
        self._spoiler = Spoiler(member, len(sets.newest), self._random)
        self._spoilt_share = self._random.choice(SPOILT_SHARES)
        self._is_bad_server = self._random.random() < BAD_SERVER_SHARE
        self._lies: dict[bytes, Lie | None] = {}
        """What is proposed instead of an own block of that digest."""
        self._shown: tuple[bytes, ...] = ()
        self._shown_count = 0
        """Bodies of the newest lie, and with how many more frames they go out."""
        self._habits: tuple[Habit, ...] = (
            self._behave,
            self._withhold,
            self._equivocate,
            self._vote_twice,
            self._garble,
            self._replay,
            self._storm,
            self._forge_certificates,
            self._lie_about_state,
            self._speak_for_others,
            self._transplant,
            self._usurp,
            self._betray,
            self._flood,
            self._boast,
        )
        self._habit: Habit = self._behave
        if self._random.random() < SINGLE_MINDED_SHARE:
            self._habits = (self._behave, *[self._random.choice(self._habits)] * 4)

    def begin(self) -> None:
        """Take a habit, and after a while another."""
        self._habit = self._random.choice(self._habits)
        self._chronicle.say(self.member, f"as a liar: {self._habit.__name__.strip('_')}")
        self._timeline.after(self._random.randint(1, 2 * HABIT_MS), self.begin)

    def end(self) -> None:
        """It behaves for the rest of the run, which honest members need not believe."""
        self._habits = (self._behave,)
        self._habit = self._behave
        self._spoilt_share, self._is_bad_server = 0.0, False

    def twist(self, frame: Frame, receiver: str) -> list[Frame]:
        """What leaves for ``receiver`` instead of ``frame``."""
        self._memory.append(frame)
        if isinstance(frame, seams.BulkFrame) and frame.kind == BulkKind.BLOCKS and self._is_bad_server:
            return self._serve(frame)
        message = message_of(frame)
        if isinstance(message, PrePrepare | NewViewMessage):
            self._learn(message.block)
            lie = self._lie_for(message)
            if lie is not None:
                return [*self._show(), self._proposing(message, lie.block)]
        elif isinstance(message, SignedVote) and isinstance(message.vote, Prepare | Commit):
            lie = self._lies.get(message.vote.digest)
            if lie is not None:
                vote = message.vote
                return [*self._show(), self._vote(type(vote)(vote.height, vote.view, lie.block.digest))]
        return [*self._show(), *self._habit(frame, receiver)]

    def hear(self, frame: Frame) -> None:
        """What reaches it: it remembers what others signed."""
        try:
            message = message_of(frame)
        except Invalid:
            return
        if isinstance(message, SignedVote) and isinstance(message.vote, Prepare | Commit):
            self._heard.setdefault(message.vote, {})[message.signer] = message.signature
        elif isinstance(message, PrePrepare | NewViewMessage):
            self._learn(message.block)
        if len(self._heard) > REMEMBERED:
            del self._heard[next(iter(self._heard))]

    def _learn(self, block: Block) -> None:
        self._blocks[block.digest] = block
        if len(self._blocks) > REMEMBERED:
            del self._blocks[next(iter(self._blocks))]

    def _lie_for(self, message: PrePrepare | NewViewMessage) -> Lie | None:
        """What it proposes instead, the same to everybody and each time; a block that was prepared it cannot change."""
        block = message.block
        if block.digest not in self._lies:
            is_fresh = isinstance(message, PrePrepare) or message.prepared is None
            lie = None
            if is_fresh and self._random.random() < self._spoilt_share:
                now_ms = birth.GENESIS_MS + self._timeline.now_ms
                lie = self._spoiler.invent(Truth(block, self._blocks.get(block.header.parent), now_ms))
                self._chronicle.say(self.member, f"as a liar: proposes {block.height} with {lie.what}")
                self._shown, self._shown_count = lie.bodies, BODIES_SHOWN
            self._lies[block.digest] = lie
            if len(self._lies) > REMEMBERED:
                del self._lies[next(iter(self._lies))]
        return self._lies[block.digest]

    def _show(self) -> list[Frame]:
        """The bodies of its lies, as if they had been asked for."""
        if not self._shown or not self._shown_count:
            return []
        self._shown_count -= 1
        return [seams.BulkFrame(self.member, BulkKind.TRANSACTIONS, bulk.encode_transactions(self._shown))]

    # ------------------------------------------------------------------------------------------------ habits

    def _behave(self, frame: Frame, receiver: str) -> list[Frame]:
        return [frame]

    def _withhold(self, frame: Frame, receiver: str) -> list[Frame]:
        """N6: proposals, bodies and votes reach some, or nobody."""
        return [frame] if self._is_favoured(receiver) or self._random.random() < 0.2 else []

    def _equivocate(self, frame: Frame, receiver: str) -> list[Frame]:
        """N3: one half hears another proposal."""
        message = message_of(frame)
        if not isinstance(message, PrePrepare | NewViewMessage) or self._is_favoured(receiver):
            return [frame]
        header = message.block.header
        return [self._proposing(message, remade(message.block, timestamp_ms=header.timestamp_ms + 1))]

    def _vote_twice(self, frame: Frame, receiver: str) -> list[Frame]:
        """N4: a second PREPARE, COMMIT or VIEW-CHANGE for the slot of the first."""
        message = message_of(frame)
        if not isinstance(message, SignedVote | ViewChangeMessage):
            return [frame]
        vote: Vote = message.vote
        if isinstance(vote, Prepare | Commit):
            other = self._random.choice([vote.digest, self._random.randbytes(32)])
            return [frame, self._vote(type(vote)(vote.height, vote.view, other))]
        if isinstance(vote, ViewChange) and isinstance(message, ViewChangeMessage):
            bare = ViewChange(vote.height, vote.view, None, None)
            return [frame, self._frame(ViewChangeMessage(bare, message.signer, self._sign(bare), None, None))]
        return [frame]

    def _garble(self, frame: Frame, receiver: str) -> list[Frame]:
        """P5: bytes that are no message, or almost one."""
        data = bytearray(frame.payload)
        at = self._random.randrange(len(data)) if data else 0
        spoilt = self._random.choice(
            [
                bytes(data[:at]) + bytes([self._random.randrange(256)]) + bytes(data[at + 1 :]),
                bytes(data[:at]),
                bytes(data) + b"\0",
                self._random.randbytes(self._random.randint(0, 400)),
                b"\x01" + b"\x91" * 300,
            ]
        )
        return [replace(frame, payload=spoilt)] if self._random.random() < 0.3 else [frame]

    def _replay(self, frame: Frame, receiver: str) -> list[Frame]:
        """N8: what was right in another height or view."""
        return [frame, self._random.choice(self._memory)]

    def _storm(self, frame: Frame, receiver: str) -> list[Frame]:
        """N7: VIEW-CHANGEs to views that nobody asked for, up to the end of the integers."""
        message = message_of(frame)
        if message is None or isinstance(message, CertifiedMessage | Inquiry | DecidedMessage):
            return [frame]
        made = []
        for _ in range(3):
            view = self._random.choice([1, 2, 3, self._random.randint(1, 1_000), FAR_VIEW, 2**63 - 1])
            height = message.height + self._random.choice([0, 0, 1, 5, 2**40])
            vote = ViewChange(height, view, None, None)
            made.append(self._frame(ViewChangeMessage(vote, self._signer, self._sign(vote), None, None)))
        return [frame, *made]

    def _forge_certificates(self, frame: Frame, receiver: str) -> list[Frame]:
        """N9: prepared certificates of repeated signers, of strangers, of itself alone; decisions made of them."""
        message = message_of(frame)
        if isinstance(message, PrePrepare):
            view = message.vote.view
            prepare = Prepare(message.height, view, message.vote.digest)
            forged = self._certificate(prepare)
            vote = ViewChange(message.height, view + 1, view, message.vote.digest)
            change = ViewChangeMessage(vote, self._signer, self._sign(vote), forged, message.block)
            commit = self._certificate(Commit(message.height, view, message.vote.digest))
            return [frame, self._frame(change), self._frame(DecidedMessage(message.block, commit, message.height + 9))]
        if isinstance(message, SignedVote) and isinstance(message.vote, Checkpoint):
            lie = replace(message.vote, state_root=self._random.randbytes(32))
            return [frame, self._frame(CertifiedMessage(self._certificate(lie)))]
        return [frame]

    def _lie_about_state(self, frame: Frame, receiver: str) -> list[Frame]:
        """A CHECKPOINT of a state that nobody has."""
        message = message_of(frame)
        if not isinstance(message, SignedVote) or not isinstance(message.vote, Checkpoint):
            return [frame]
        lie = replace(message.vote, state_root=self._random.randbytes(32))
        return [self._vote(lie), frame] if self._random.random() < 0.5 else [self._vote(lie)]

    def _speak_for_others(self, frame: Frame, receiver: str) -> list[Frame]:
        """N9: its own signature under somebody else's index."""
        message = message_of(frame)
        if not isinstance(message, SignedVote):
            return [frame]
        return [frame, self._frame(replace(message, signer=self._random.randrange(len(self._sets.newest))))]

    def _transplant(self, frame: Frame, receiver: str) -> list[Frame]:
        """N8, N9: others' genuine signatures in a certificate that they are not for, or of one too few."""
        made: list[Frame] = []
        for vote, signatures in list(self._heard.items())[-4:]:
            block = self._blocks.get(vote.digest)
            if block is None:
                continue
            listed = tuple(sorted({**signatures, self._signer: self._sign(vote)}.items()))
            as_commit = Commit(vote.height, vote.view, vote.digest)
            as_prepare = Prepare(vote.height, vote.view, vote.digest)
            made.append(self._frame(DecidedMessage(block, Certificate(as_commit, listed), vote.height + 1)))
            change = ViewChange(vote.height, vote.view + 1, vote.view, vote.digest)
            prepared = Certificate(as_prepare, listed[: self._random.randint(1, len(listed))])
            made.append(
                self._frame(ViewChangeMessage(change, self._signer, self._sign(change), prepared, block))
            )
        return [*made, frame] if self._random.random() < 0.3 else [frame]

    def _usurp(self, frame: Frame, receiver: str) -> list[Frame]:
        """A proposal for the next height when it is another's turn, as early as can be."""
        quorum = self._sets.newest.quorum
        for vote in reversed(self._heard):
            parent = self._blocks.get(vote.digest)
            if isinstance(vote, Commit) and parent is not None and len(self._heard[vote]) >= quorum:
                signatures = tuple(sorted(self._heard[vote].items())[:quorum])
                own = remade(
                    parent,
                    height=vote.height + 1,
                    parent=vote.digest,
                    parent_certificate=Certificate(vote, signatures),
                    timestamp_ms=parent.header.timestamp_ms + 1,
                    proposer=self._key.public,
                    entries=(),
                )
                proposal = Proposal(own.height, 0, own.digest)
                return [self._frame(PrePrepare(proposal, self._signer, self._sign(proposal), own)), frame]
        return [frame]

    def _betray(self, frame: Frame, receiver: str) -> list[Frame]:
        """As primary of a new view: a block of its own, whatever others have prepared."""
        message = message_of(frame)
        if not isinstance(message, NewViewMessage):
            return [frame]
        own = remade(message.block, timestamp_ms=message.block.header.timestamp_ms + 1, proposer=self._key.public)
        vote = replace(message.vote, digest=own.digest)
        prepared = message.prepared if self._random.random() < 0.3 else None
        return [self._frame(NewViewMessage(vote, self._signer, self._sign(vote), message.view_changes, prepared, own))]

    def _flood(self, frame: Frame, receiver: str) -> list[Frame]:
        """P8: votes that nobody signed, more of them than an accident makes."""
        message = message_of(frame)
        if message is None:
            return [frame]
        return [frame, *(self._forged(message.height) for _ in range(FORGERIES))]

    def _boast(self, frame: Frame, receiver: str) -> list[Frame]:
        """N10: it is far ahead, then it is not."""
        message = message_of(frame)
        if message is None or self._random.random() < 0.7:
            return [frame]
        height = message.height + self._random.choice([1, 3, 50, 2**40])
        return [frame, self._frame(Inquiry(height, self._random.randint(0, height)))]

    # ------------------------------------------------------------------------------------------------ serving

    def _serve(self, frame: seams.BulkFrame) -> list[Frame]:
        """N10: answers to who fetches the chain that are cut, out of order, repeated, withheld or spoilt."""
        try:
            served = bulk.decode_blocks(frame.payload)
        except Invalid:
            return [frame]
        if not served:
            return [frame]
        payment = self._spoiler.payment(birth.GENESIS_MS + self._timeline.now_ms)
        what, answer = poisoned([item.to_value() for item in served], payment.encoded, self._random)
        self._chronicle.say(self.member, f"as a liar: serves {what}")
        return [] if answer is None else [replace(frame, payload=answer)]

    # --------------------------------------------------------------------------------------------- its tools

    @property
    def _signer(self) -> int:
        index = self._sets.newest.index_of(self._key.public)
        assert index is not None
        return index

    def _is_favoured(self, receiver: str) -> bool:
        return int(receiver[-1:].encode().hex(), 16) % 2 == 0

    def _sign(self, vote: Vote) -> bytes:
        return self._key.sign(votes.signing_payload(vote, birth.CHAIN_ID))

    def _vote(self, vote: Prepare | Commit | Checkpoint) -> Frame:
        return self._frame(SignedVote(vote, self._signer, self._sign(vote)))

    def _frame(self, message: Message) -> Frame:
        return seams.VoteFrame(self.member, messages.encode(message))

    def _certificate(self, vote: Prepare | Commit | Checkpoint) -> Certificate:
        """One that looks like a quorum: its own signature, under its own index again and again or under others'."""
        quorum, own = self._sets.newest.quorum, self._sign(vote)
        indexes = self._random.choice([range(quorum), [self._signer] * quorum, [self._signer], range(90, 90 + quorum)])
        return Certificate(vote, tuple((index, own) for index in indexes))

    def _forged(self, height: int) -> Frame:
        vote = Prepare(height, self._random.randint(0, 3), self._random.randbytes(32))
        return self._frame(SignedVote(vote, self._signer, self._random.randbytes(64)))

    def _proposing(self, message: PrePrepare | NewViewMessage, block: Block) -> Frame:
        """The same message for another block, signed again."""
        vote = replace(message.vote, digest=block.digest)
        signed: SignedMessage
        if isinstance(message, PrePrepare):
            assert isinstance(vote, Proposal)
            signed = PrePrepare(vote, message.signer, self._sign(vote), block)
        else:
            assert isinstance(vote, NewView)
            signed = replace(message, vote=vote, signature=self._sign(vote), block=block)
        return self._frame(signed)
