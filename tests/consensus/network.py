"""Banks in memory: real replicas, a disk that keeps what was synced, and a network on virtual time.

Everything that happens is a (time, number, action) on one heap, so a run is a function of its seed. Messages travel
as bytes. The driver here is the smallest that keeps the manual of ``consensus``.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from random import Random

from consensus import events, messages, safety
from consensus.events import Decision, Event, Ready, Signed
from consensus.messages import Message
from consensus.replica import Replica
from consensus.start import Identity, StartState
from state import keys
from state.block import Block, make_block
from state.certificate import Certificate
from state.evidence import Evidence
from state.parameters import ChainParameters
from state.validators import Validator, ValidatorSet
from state.votes import Checkpoint, SignedVote, ViewChange

CHAIN_ID = sha256(b"a chain for tests").digest()
GENESIS_MS = 1_700_000_000_000
NAMES = "abcdefghijklmnopqrstuvwxyz"
verify = lru_cache(maxsize=1 << 17)(keys.verify)


def key_of(name: str) -> keys.KeyPair:
    """A bank's vote key."""
    return keys.KeyPair.from_seed(sha256(name.encode()).digest())


def validators_of(names: str) -> ValidatorSet:
    """The set of the banks of these letters."""
    return ValidatorSet(tuple(Validator(name, key_of(name).public) for name in sorted(names)))


def entry(text: str) -> bytes:
    """A made-up transaction entry."""
    return sha256(text.encode()).digest() + sha256(b"signatures of " + text.encode()).digest()


def result_of(block: Block, next_validators: ValidatorSet) -> Checkpoint:
    """What executing a block gives here: a root that depends on the whole chain, through the parents' digests."""
    root = sha256(b"state" + block.digest).digest()
    return Checkpoint(block.height, block.digest, root, sha256(b"receipts" + root).digest(), next_validators.digest)


@dataclass
class Disk:
    """What survives a crash."""

    record: safety.Record = safety.NOTHING_SIGNED
    journal: list[Signed] = field(default_factory=list)
    chain: list[Decision] = field(default_factory=list)
    certified: dict[int, Certificate] = field(default_factory=dict)


@dataclass
class Bank:
    """One node: its disk, and while it is up its replica."""

    name: str
    member: str
    """Whose key it has. A twin is a second bank with the same one."""
    validator: bool = True
    disk: Disk = field(default_factory=Disk)
    replica: Replica | None = None
    life: int = 0
    executed_height: int = 0
    wanted: events.ProposalWanted | None = None
    timers: dict[events.Timer, int] = field(default_factory=dict)
    clock_offset_ms: int = 0
    halted: events.Halt | None = None
    evidence: list[Evidence] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)


class Network:
    """Banks, the links between them, and the heap of what is going to happen."""

    def __init__(
        self,
        names: str,
        observers: str = "",
        twins: str = "",
        parameters: ChainParameters | None = None,
        seed: int = 0,
        validators_at: Callable[[int], str] | None = None,
    ) -> None:
        self.names = names
        self.parameters = parameters or ChainParameters()
        self.random = Random(seed)
        self.now_ms = 0
        self.banks = {name: Bank(name, name, name not in observers) for name in names + observers}
        self.banks |= {name.upper(): Bank(name.upper(), name) for name in twins}
        self.validators_at = validators_at or (lambda height: names)
        self.work: list[bytes] = []
        self.transcript: list[str] = []
        self.decided: dict[int, bytes] = {}
        self.sent: Counter[str] = Counter()
        self.may_fork = False
        """More than f banks lie: what follows is looked at."""
        self.drop: Callable[[str, str, Message], bool] = lambda sender, to, message: False
        self.delay_ms: Callable[[], int] = lambda: 10
        self.copies: Callable[[], int] = lambda: 1
        self.guard_ms: Callable[[], int] = lambda: 0
        """How long after a start the amnesia guard takes."""
        self.tamper: Callable[[str, str, Message], Message] = lambda sender, to, message: message
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0

    # --- what happens --------------------------------------------------------------------------------------------

    def start(self, only: Iterable[str] | None = None) -> None:
        """Start banks that are down; all by default."""
        for name in only if only is not None else self.banks:
            self.start_bank(self.banks[name])

    def start_bank(self, bank: Bank) -> None:
        """Start one bank from its disk. The last two executed heights were not durable and are executed again."""
        bank.life += 1
        bank.timers, bank.wanted = {}, None
        disk = bank.disk
        bank.executed_height = max(len(disk.chain) - 2, 0)
        first = max(1, len(disk.chain) - 2 * self.lag)
        sets = [(h, self.set_at(h)) for h in range(first, bank.executed_height + self.lag + 1)]
        votes = [item for item in disk.journal if not isinstance(item.request.vote, Checkpoint)]
        newest = max((item.request.vote.height for item in votes), default=0)
        state = StartState(
            decided=disk.chain[-1] if disk.chain else None,
            executed_height=bank.executed_height,
            validators=tuple(sets),
            certified=tuple(disk.certified[h] for h in sorted(disk.certified)[-2 * self.lag :]),
            checkpoints=tuple(item for item in disk.journal if isinstance(item.request.vote, Checkpoint))[
                -2 * self.lag :
            ],
            signed=tuple(item for item in votes if item.request.vote.height == newest > len(disk.chain)),
        )
        public = key_of(bank.member).public if bank.validator else None
        bank.replica = Replica(Identity(public, CHAIN_ID, self.parameters, GENESIS_MS), state, verify)
        guard_ms = self.guard_ms()
        if bank.validator and guard_ms == 0:
            bank.replica.step(events.SigningAllowed(0))
        elif bank.validator:
            self.after(guard_ms, bank, lambda: self.step(bank, events.SigningAllowed(0)))
        bank.replica.step(events.WorkChanged(bool(self.pending(bank))))
        for other in self.banks.values():
            if other.replica is not None and other.member != bank.member:
                bank.replica.step(events.PeerConnected(other.member))
                self.after(1, other, lambda other=other: self.step(other, events.PeerConnected(bank.member)))
        self.turn(bank)
        self.execute(bank)

    def crash(self, name: str) -> None:
        """The process is gone; what was not synced with it."""
        bank = self.banks[name]
        bank.replica = None
        bank.life += 1

    def submit(self, *texts: str) -> None:
        """Transactions reach every pool at once."""
        self.work += [entry(text) for text in texts]
        for bank in self.banks.values():
            if bank.replica is not None:
                self.step(bank, events.WorkChanged(True))

    def run(self, until_ms: int | None = None, done: Callable[[], bool] = lambda: False) -> bool:
        """Let things happen up to a time or a condition; whether the condition came."""
        while not done():
            if not self._heap or (until_ms is not None and self._heap[0][0] > until_ms):
                self.now_ms = until_ms if until_ms is not None else self.now_ms
                return done()
            self.now_ms, _, action = heapq.heappop(self._heap)
            action()
        return True

    def after(self, delay_ms: int, bank: Bank, action: Callable[[], None]) -> None:
        """Do something later, unless the bank has crashed meanwhile."""
        life = bank.life
        self._number += 1
        heapq.heappush(
            self._heap,
            (self.now_ms + delay_ms, self._number, lambda: action() if bank.life == life and bank.replica else None),
        )

    # --- the driver ----------------------------------------------------------------------------------------------

    def step(self, bank: Bank, event: Event) -> None:
        """One event, one turn."""
        assert bank.replica is not None
        bank.replica.step(event)
        self.turn(bank)

    def turn(self, bank: Bank) -> None:
        """Do what the replica asks for."""
        assert bank.replica is not None
        while (ready := bank.replica.ready()) != Ready():
            if ready.halt is not None:
                bank.halted = ready.halt
                if ready.halt.last_word is not None:
                    self.send(bank, events.Outgoing(None, ready.halt.last_word))
                self.note(f"{bank.name} halts: {ready.halt.reason}")
                self.crash(bank.name)
                return
            self.keep(bank, ready)
            for timer in ready.cancel_timers:
                bank.timers.pop(timer, None)
            for item in ready.set_timers:
                self.set_timer(bank, item)
            for request in ready.sign:
                self.sign(bank, request)
            for outgoing in ready.send:
                self.send(bank, outgoing)
            for validation in ready.validate:
                digest = validation.block.digest
                self.after(1, bank, lambda digest=digest: self.step(bank, events.BlockAvailable(digest)))
            if ready.propose is not None:
                bank.wanted = ready.propose
            self.sync(bank, ready)
            self.propose(bank)

    def keep(self, bank: Bank, ready: Ready) -> None:
        """Append what is decided, store certificates, note the rest."""
        assert bank.replica is not None
        for decision in ready.decided:
            block = decision.block
            assert block.height == len(bank.disk.chain) + 1
            agreed = self.decided.setdefault(block.height, block.digest) == block.digest
            assert agreed or self.may_fork, "two blocks at one height"
            decision.certificate.check(self.set_at(block.height), CHAIN_ID)
            bank.disk.chain.append(decision)
            vote = decision.certificate.vote
            assert not isinstance(vote, Checkpoint)
            self.note(f"{bank.name} decides {block.height} in view {vote.view}: {block.digest.hex()[:6]}")
            if bank.wanted is not None and bank.wanted.height <= block.height:
                bank.wanted = None
        if ready.decided:
            self.after(5, bank, lambda: self.execute(bank))
            bank.replica.step(events.WorkChanged(bool(self.pending(bank))))
        for certificate in ready.certified:
            bank.disk.certified[certificate.vote.height] = certificate
            self.note(f"{bank.name} certifies {certificate.vote.height}")
        for item in ready.evidence:
            bank.evidence.append(item)
            self.note(f"{bank.name} has evidence against {self.guilty(item)}")
        for rejected in ready.rejected:
            bank.rejected.append(f"{rejected.peer}: {rejected.detail}")
            self.note(f"{bank.name} rejects from {rejected.peer}: {rejected.detail}")

    def execute(self, bank: Bank) -> None:
        """Catch up with the chain."""
        assert bank.replica is not None
        while bank.executed_height < len(bank.disk.chain):
            bank.executed_height += 1
            block = bank.disk.chain[bank.executed_height - 1].block
            later = self.set_at(block.height + self.lag)
            self.step(bank, events.Executed(result_of(block, later), later))
            if bank.replica is None:
                return

    def set_timer(self, bank: Bank, item: events.SetTimer) -> None:
        """A timer on virtual time."""
        self._number += 1
        mark = bank.timers[item.timer] = self._number

        def expire() -> None:
            if bank.timers.get(item.timer) == mark:
                del bank.timers[item.timer]
                if item.timer.kind is events.TimerKind.VIEW:
                    self.note(f"{bank.name} times out in view {item.timer.view} of {item.timer.height}")
                self.step(bank, events.TimerExpired(item.timer))

        self.after(item.timeout_ms, bank, expire)

    def sign(self, bank: Bank, request: safety.SignRequest) -> None:
        """The signer: check, persist, sign; the answer comes after the disk's time."""
        request = safety.SignRequest.decode(request.encode())
        answer = safety.decide(bank.disk.record, request, self.set_at(request.vote.height))
        if isinstance(answer, safety.Refuse):
            assert request.vote.height < bank.disk.record.height, f"{bank.name}: {answer.reason}: {request.vote}"
            self.after(2, bank, lambda: self.step(bank, events.SigningRefused(request, answer.reason)))
            return
        payload = safety.votes.signing_payload(request.vote, CHAIN_ID)
        signed = Signed(request, key_of(bank.member).sign(payload))
        if isinstance(answer, safety.Repeat):
            assert answer.signature == signed.signature
        else:
            record = safety.recorded(bank.disk.record, request, signed.signature)
            bank.disk.record = safety.Record.decode(record.encode())
            bank.disk.journal.append(signed)
        self.after(2, bank, lambda: self.step(bank, signed))

    def send(self, bank: Bank, outgoing: events.Outgoing) -> None:
        """Put a message on the links."""
        data = messages.encode(outgoing.message)
        assert messages.decode(data) == outgoing.message
        self.note(f"{bank.name} → {outgoing.to or '*'} {describe(outgoing.message)}")
        self.sent[type(outgoing.message).__name__] += 1
        for other in self.banks.values():
            if other.member != bank.member and outgoing.to in (None, other.member):
                self.transmit(bank, other, outgoing.message)

    def transmit(self, bank: Bank, other: Bank, message: Message) -> None:
        """One link: it may lose, copy, delay and reorder."""
        if self.drop(bank.name, other.name, message):
            return
        message = self.tamper(bank.name, other.name, message)
        for _ in range(self.copies()):
            self.after(
                self.delay_ms(),
                other,
                lambda: self.step(other, events.Received(message, bank.member, self.clock_ms(other))),
            )

    def sync(self, bank: Bank, ready: Ready) -> None:
        """Block sync, and answers from the chain."""
        for hint in ready.behind:
            source = self.banks[hint.peer].disk.chain if hint.peer in self.banks else []
            for decision in source[len(bank.disk.chain) : len(bank.disk.chain) + 4]:
                self.after(
                    20,
                    bank,
                    lambda decision=decision, peer=hint.peer: self.step(
                        bank, events.SyncedBlock(decision.block, decision.certificate, peer)
                    ),
                )
        for item in ready.decided_wanted:
            if item.height <= len(bank.disk.chain):
                decision = bank.disk.chain[item.height - 1]
                message = messages.DecidedMessage(decision.block, decision.certificate, len(bank.disk.chain) + 1)
                self.send(bank, events.Outgoing(item.peer, message))

    def propose(self, bank: Bank) -> None:
        """Answer a wanted proposal when there is work, or others wait."""
        wanted = bank.wanted
        assert bank.replica is not None
        if wanted is None or wanted.height != bank.replica.height:
            return
        pending = self.pending(bank)
        if not pending and not wanted.urgent:
            return
        bank.wanted = None
        block = make_block(
            chain_id=CHAIN_ID,
            height=wanted.height,
            parent=wanted.parent,
            parent_certificate=wanted.parent_certificate,
            timestamp_ms=max(self.clock_ms(bank), wanted.parent_timestamp_ms + 1),
            proposer=wanted.proposer,
            entries=pending[:3],
            validators_digest=wanted.validators_digest,
        )
        self.after(1, bank, lambda: self.step(bank, events.ProposalReady(wanted.height, wanted.view, block)))

    # --- what is known -------------------------------------------------------------------------------------------

    @property
    def lag(self) -> int:
        """L."""
        return self.parameters.execution_lag

    def set_at(self, height: int) -> ValidatorSet:
        """V(height)."""
        return validators_of(self.validators_at(height))

    def clock_ms(self, bank: Bank) -> int:
        """A bank's wall clock."""
        return GENESIS_MS + 1_000 + self.now_ms + bank.clock_offset_ms

    def pending(self, bank: Bank) -> list[bytes]:
        """Submitted transactions that are not in the bank's chain."""
        have = {item for decision in bank.disk.chain for item in decision.block.entries}
        return [item for item in self.work if item not in have]

    def everything_decided(self) -> bool:
        """Whether every bank that is up has all submitted work in its chain."""
        return not any(self.pending(bank) for bank in self.banks.values() if bank.replica is not None)

    def settled(self) -> bool:
        """Whether every bank that is up has all submitted work and every block, executed and certified."""
        height = len(self.decided)
        return self.everything_decided() and all(
            bank.executed_height == len(bank.disk.chain) == bank.replica.certified_height == height
            for bank in self.banks.values()
            if bank.replica is not None
        )

    def guilty(self, item: Evidence) -> str:
        """Whom evidence names."""
        return item.check(self.set_at(item.height), CHAIN_ID, verify)

    def note(self, line: str) -> None:
        """One line of the transcript."""
        self.transcript.append(f"{self.now_ms:>6} {line}")


def describe(message: Message) -> str:
    """A message in one line."""
    if isinstance(message, SignedVote):
        vote = message.vote
        if isinstance(vote, Checkpoint):
            return f"CHECKPOINT {vote.height} {vote.state_root.hex()[:6]}"
        assert not isinstance(vote, ViewChange)
        return f"{type(vote).__name__.upper()} {vote.height}/{vote.view} {vote.digest.hex()[:6]}"
    if isinstance(message, messages.PrePrepare):
        return f"PRE-PREPARE {message.height}/{message.vote.view} {message.block.digest.hex()[:6]}"
    if isinstance(message, messages.ViewChangeMessage):
        prepared = "nothing" if message.block is None else f"{message.block.digest.hex()[:6]}"
        at = "" if message.vote.prepared_view is None else f" in view {message.vote.prepared_view}"
        return f"VIEW-CHANGE {message.height}/{message.vote.view} prepared {prepared}{at}"
    if isinstance(message, messages.NewViewMessage):
        kind = "fresh" if message.prepared is None else "again"
        signers = ",".join(str(item.signer) for item in message.view_changes)
        return f"NEW-VIEW {message.height}/{message.vote.view} {message.block.digest.hex()[:6]} {kind} by {signers}"
    if isinstance(message, messages.DecidedMessage):
        return f"DECIDED {message.height}, is at {message.sender_height}"
    if isinstance(message, messages.CertifiedMessage):
        return f"CERTIFIED {message.height}"
    return f"INQUIRY {message.height}, certified {message.certified_height}"
