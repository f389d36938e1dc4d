"""One replica on a bench: facts go in, what it asks for comes out as lines of text."""

from consensus import events
from consensus.events import Event, Ready, Signed
from consensus.messages import Message, NewViewMessage, PrePrepare, ViewChangeMessage, digest_of_view_changes
from consensus.replica import Replica
from consensus.safety import SignRequest
from consensus.start import Identity, StartState
from state.block import Block, make_block
from state.certificate import Certificate, CertifiedVote
from state.digest import NO_DIGEST
from state.evidence import Verify
from state.parameters import ChainParameters
from state.votes import Checkpoint, Commit, NewView, Prepare, Proposal, SignedVote, ViewChange, Vote, signing_payload
from tests.consensus.network import CHAIN_ID, GENESIS_MS, describe, entry, key_of, result_of, validators_of, verify

NAMES = "abcd"
BANKS = validators_of(NAMES)
CLOCK_MS = GENESIS_MS + 60_000


def make(
    text: str,
    parent: Block | None = None,
    proposer: str = "b",
    timestamp_ms: int = CLOCK_MS,
    certificate: Certificate | None = None,
) -> Block:
    """A block on genesis, or on another; b is primary at height 1, c at height 2."""
    if parent is not None and certificate is None:
        certificate = certified(Commit(parent.height, 0, parent.digest))
    return make_block(
        chain_id=CHAIN_ID,
        height=1 if parent is None else parent.height + 1,
        parent=NO_DIGEST if parent is None else parent.digest,
        parent_certificate=certificate,
        timestamp_ms=timestamp_ms if parent is None else parent.header.timestamp_ms + 1,
        proposer=key_of(proposer).public,
        entries=[entry(text)],
        validators_digest=BANKS.digest,
    )


def sign(name: str, vote: Vote) -> bytes:
    """A bank's signature."""
    return key_of(name).sign(signing_payload(vote, CHAIN_ID))


def signed(name: str, vote: Vote) -> SignedVote:
    """A vote of a bank."""
    return SignedVote(vote, NAMES.index(name), sign(name, vote))


def certified(vote: CertifiedVote, names: str = "abc") -> Certificate:
    """A certificate by these banks."""
    return Certificate(vote, tuple((NAMES.index(name), sign(name, vote)) for name in names))


def pre_prepare(block: Block, name: str = "b") -> PrePrepare:
    """The proposal of view 0."""
    vote = Proposal(block.height, 0, block.digest)
    return PrePrepare(vote, NAMES.index(name), sign(name, vote), block)


def prepare(name: str, block: Block, view: int = 0) -> SignedVote:
    """A PREPARE."""
    return signed(name, Prepare(block.height, view, block.digest))


def commit(name: str, block: Block, view: int = 0) -> SignedVote:
    """A COMMIT."""
    return signed(name, Commit(block.height, view, block.digest))


def checkpoint(name: str, block: Block) -> SignedVote:
    """A CHECKPOINT of the right result."""
    return signed(name, result_of(block, BANKS))


def view_change(
    name: str, view: int, block: Block | None = None, prepared_view: int = 0, height: int = 1
) -> ViewChangeMessage:
    """A VIEW-CHANGE, with a block that was prepared or without."""
    if block is None:
        vote, prepared = ViewChange(height, view, None, None), None
    else:
        vote = ViewChange(height, view, prepared_view, block.digest)
        prepared = certified(Prepare(height, prepared_view, block.digest))
    return ViewChangeMessage(vote, NAMES.index(name), sign(name, vote), prepared, block)


def new_view(
    name: str, changes: list[ViewChangeMessage], block: Block, prepared: Certificate | None = None
) -> NewViewMessage:
    """A NEW-VIEW on these VIEW-CHANGEs."""
    bare = tuple(SignedVote(change.vote, change.signer, change.signature) for change in changes)
    vote = NewView(block.height, changes[0].vote.view, block.digest, digest_of_view_changes(bare))
    return NewViewMessage(vote, NAMES.index(name), sign(name, vote), bare, prepared, block)


class Bench:
    """A replica of one bank, and a driver that signs at once and finds every block good."""

    def __init__(
        self,
        name: str | None = "a",
        lag: int = 8,
        allowed: int | None = 0,
        start: StartState | None = None,
        count: Verify = verify,
    ) -> None:
        self.name = name
        key = None if name is None else key_of(name).public
        identity = Identity(key, CHAIN_ID, ChainParameters(execution_lag=lag), GENESIS_MS)
        sets = tuple((height, BANKS) for height in range(1, lag + 1))
        self.replica = Replica(identity, start or StartState(None, 0, sets), count)
        self.requests: list[SignRequest] = []
        self.validations: list[events.Validation] = []
        if allowed is not None:
            self.replica.step(events.SigningAllowed(allowed))
        self.lines()

    def lines(self) -> list[str]:
        """What the replica asks for since the last time."""
        ready = self.replica.ready()
        self.requests += ready.sign
        self.validations += ready.validate
        return list(render(ready))

    def step(self, *happened: Event) -> list[str]:
        """Some events, one turn."""
        for event in happened:
            self.replica.step(event)
        return self.lines()

    def hear(self, *received: Message, clock_ms: int = CLOCK_MS) -> list[str]:
        """Messages, each from its signer (or from d), one turn."""
        turn = []
        for message in received:
            peer = NAMES[getattr(message, "signer", 3) % 4]
            turn.append(events.Received(message, peer, clock_ms))
        return self.step(*turn)

    def validated(self) -> list[str]:
        """The bodies of every block that was asked for are there."""
        answers = [events.BlockAvailable(item.block.digest) for item in self.validations]
        self.validations.clear()
        return self.step(*answers)

    def signed(self) -> list[str]:
        """The signer answers everything that it was asked."""
        assert self.name is not None
        answers = [Signed(request, sign(self.name, request.vote)) for request in self.requests]
        self.requests.clear()
        return self.step(*answers)

    def executed(self, block: Block) -> list[str]:
        """A block has been executed with the right result."""
        return self.step(events.Executed(result_of(block, BANKS), BANKS))

    def timeout(self, view: int = 0, height: int = 1) -> list[str]:
        """A view's timer runs out."""
        return self.step(events.TimerExpired(events.Timer(events.TimerKind.VIEW, height, view)))

    def tick(self) -> list[str]:
        """The resending timer runs out."""
        return self.step(events.TimerExpired(events.Timer(events.TimerKind.RESEND, 0, 0)))


def short(vote: Vote) -> str:
    """A vote in a few letters."""
    if isinstance(vote, Checkpoint):
        return f"CHECKPOINT {vote.height}"
    return f"{type(vote).__name__} {vote.height}/{vote.view}"


def render(ready: Ready) -> list[str]:
    """A turn's wishes as text. The resending timer is left out: it is set in nearly every turn."""
    lines = [f"sign {short(item.vote)}" for item in ready.sign]
    lines += [f"send {item.to or '*'} {describe(item.message).rsplit(' ', 1)[0]}" for item in ready.send]
    lines += [f"validate from {','.join(item.sources)}" for item in ready.validate]
    if ready.propose is not None:
        lines.append(f"propose {ready.propose.height}/{ready.propose.view}{' urgently' * ready.propose.urgent}")
    lines += [f"decided {item.block.height}" for item in ready.decided]
    lines += [f"certified {item.vote.height}" for item in ready.certified]
    lines += [
        f"stop timer {item.height}/{item.view}" for item in ready.cancel_timers if item.kind is events.TimerKind.VIEW
    ]
    lines += [
        f"timer {item.timer.height}/{item.timer.view} {item.timeout_ms}"
        for item in ready.set_timers
        if item.timer.kind is events.TimerKind.VIEW
    ]
    lines += [f"behind {item.peer} at {item.height}" for item in ready.behind]
    lines += [f"block {item.height} for {item.peer}" for item in ready.decided_wanted]
    lines += [f"evidence against {item.check(BANKS, CHAIN_ID, verify)}" for item in ready.evidence]
    lines += [f"reject {item.peer}: {item.detail}" for item in ready.rejected]
    if ready.halt is not None:
        lines.append(f"halt: {ready.halt.reason}")
    return lines
