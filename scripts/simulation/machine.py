"""A simulated machine: one node's lives on one disk."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol

from consensus.events import Halt
from consensus.replica import Replica
from consensus.start import Identity
from contracts.executor import Executor
from node import records, seams, start
from node.chain import Chain
from node.driver import Driver, Parts
from node.execution import run_block
from node.history import ValidatorHistory
from node.pool import Pool
from node.proposing import Pace
from node.records import Recovered
from node.signer import Signer
from scripts.simulation import birth
from scripts.simulation.disk import Disk, SimulatedJournal
from scripts.simulation.timeline import Timeline
from state import keys
from state.block import Block
from state.transaction import Transaction
from state.world import World

VERIFY_MS_MAX = 5
EXECUTE_MS_MAX = 30
JOURNAL_RECORDS_COMPACT = 300
"""Compact often enough that every run sees it."""

cached_verify = lru_cache(maxsize=1 << 16)(keys.verify)
"""Signature checks are pure, so one process checks each only once."""


class Network(Protocol):
    """What connects machines."""

    def joined(self, machine: "Machine") -> None:
        """The machine is up: link it with the others."""

    def left(self, machine: "Machine") -> None:
        """The machine is down."""

    def send(self, machine: "Machine", member: str | None, frame: Callable[[str], seams.Event]) -> None:
        """Carry a frame to one member or to all; ``frame`` makes it, given the sender's member id."""


class Observer(Protocol):
    """Who watches what machines do."""

    def executed(self, machine: "Machine", block: Block, event: seams.Executed) -> None:
        """A block is final at that machine."""

    def voted(self, machine: "Machine", payload: bytes) -> None:
        """The machine has sent a message of agreement."""

    def noted(self, machine: "Machine", message: str, facts: dict[str, object]) -> None:
        """The machine has logged something."""


class Halted(Exception):
    """A node stopped because of a contradiction; in these runs none may."""


class Machine:
    """A node that can crash and come back."""

    def __init__(
        self,
        name: str,
        member: str,
        count: int,
        timeline: Timeline,
        network: Network,
        observer: Observer,
    ) -> None:
        self.name = name
        self.member = member
        self.disk = Disk()
        self.life = 0
        self.driver: Driver | None = None
        self.skew_ms = 0
        self._count = count
        self._timeline = timeline
        self._network = network
        self._observer = observer

    @property
    def is_up(self) -> bool:
        """Whether a driver runs on it."""
        return self.driver is not None

    def boot(self) -> None:
        """Start a life from the disk."""
        assert self.driver is None
        self.life += 1
        post = self._poster()
        recovered = records.read(self.disk.records)
        self.chain = Chain(self.disk.chain, None)
        history = ValidatorHistory(birth.validators(self._count), birth.PARAMETERS.execution_lag, self.chain)
        self.executor = Executor(World.open(self.disk.world), birth.CHAIN_ID, birth.PARAMETERS)
        if self.executor.world.height < 0:
            self.executor.apply_genesis(birth.genesis(self._count))
        executed_height = self._replay(recovered, history)
        journal = SimulatedJournal(self.disk, self._timeline, lambda token: post(seams.Synced(token)))
        signer = Signer(birth.vote_key(self.member), birth.CHAIN_ID, journal, recovered)
        begun = start.start_state(self.chain, signer, history, birth.PARAMETERS.execution_lag, executed_height)
        identity = Identity(signer.public, birth.CHAIN_ID, birth.PARAMETERS, birth.GENESIS_MS)
        self._execution = _Execution(self._timeline, self.executor, post)
        self.driver = Driver(
            Parts(
                chain_id=birth.CHAIN_ID,
                parameters=birth.PARAMETERS,
                chain=self.chain,
                pool=Pool(),
                replica=Replica(identity, begun, cached_verify),
                validators=history,
                signer=signer,
                executed_height=executed_height,
                kept_bodies=start.kept_bodies(self.chain, recovered),
                clock=_Clock(self._timeline, self, post),
                network=_Link(self, self._network, self._observer),
                journal=journal,
                verifier=_Verifier(self._timeline, post),
                execution=self._execution,
                listener=_Listener(self, self._observer),
                pace=Pace(heartbeat_ms=2_000),
            )
        )
        self._network.joined(self)
        self.driver.start()

    def crash(self, *, power: bool) -> None:
        """End this life; with ``power`` the disk forgets what was not synced."""
        assert self.driver is not None
        if not power and self._timeline.random.random() < 0.5:
            self._execution.finish_one()
        self._execution.stop()
        self.driver = None
        self.life += 1
        self._network.left(self)
        if power:
            self.disk.lose_power(self._timeline.random)

    def deliver(self, event: seams.Event, life: int) -> None:
        """An event for that life; later lives never hear of it."""
        if self.driver is not None and life == self.life:
            self.driver.handle(event)
            if len(self.disk.records) > JOURNAL_RECORDS_COMPACT:
                self.driver.compact()

    def _poster(self) -> Callable[[seams.Event], None]:
        life = self.life
        return lambda event: self.deliver(event, life)

    def _replay(self, recovered: Recovered, history: ValidatorHistory) -> int:
        replaying = start.replay(self.chain, recovered, history, self.executor.world.height)
        try:
            block, transactions = next(replaying)
            while True:
                block, transactions = replaying.send(run_block(self.executor, block, transactions).outcome)
        except StopIteration as finished:
            height: int = finished.value
            return height


class _Clock:
    def __init__(self, timeline: Timeline, machine: Machine, post: Callable[[seams.Event], None]) -> None:
        self._timeline = timeline
        self._machine = machine
        self._post = post

    def now_ms(self) -> int:
        return birth.GENESIS_MS + 1 + self._timeline.now_ms + self._machine.skew_ms

    def monotonic_ms(self) -> int:
        return self._timeline.now_ms

    def fire(self, delay_ms: int, event: seams.TimerFired) -> None:
        self._timeline.after(delay_ms, lambda: self._post(event))


class _Verifier:
    def __init__(self, timeline: Timeline, post: Callable[[seams.Event], None]) -> None:
        self._timeline = timeline
        self._post = post
        self._busy_until_ms = 0

    def verify(self, token: int, transactions: Sequence[Transaction]) -> None:
        valid = tuple(transaction.has_valid_signatures() for transaction in transactions)
        delay_ms = self._timeline.random.randint(0, VERIFY_MS_MAX)
        self._busy_until_ms = max(self._busy_until_ms, self._timeline.now_ms + delay_ms)
        self._timeline.after(
            self._busy_until_ms - self._timeline.now_ms, lambda: self._post(seams.Verified(token, valid))
        )


class _Execution:
    def __init__(self, timeline: Timeline, executor: Executor, post: Callable[[seams.Event], None]) -> None:
        self._timeline = timeline
        self._executor = executor
        self._post = post
        self._waiting: deque[tuple[Block, tuple[Transaction, ...]]] = deque()

    def execute(self, block: Block, transactions: Sequence[Transaction]) -> None:
        self._waiting.append((block, tuple(transactions)))
        if len(self._waiting) == 1:
            self._begin()

    def finish_one(self) -> None:
        """The process outlives its node by the block that it is at; nobody hears of the result."""
        if self._waiting:
            run_block(self._executor, *self._waiting[0])

    def stop(self) -> None:
        """The process ends."""
        self._waiting.clear()

    def _begin(self) -> None:
        self._timeline.after(self._timeline.random.randint(0, EXECUTE_MS_MAX), self._finish)

    def _finish(self) -> None:
        if not self._waiting:
            return
        block, transactions = self._waiting.popleft()
        self._post(run_block(self._executor, block, transactions))
        if self._waiting:
            self._begin()


class _Link:
    def __init__(self, machine: Machine, network: Network, observer: Observer) -> None:
        self._machine = machine
        self._network = network
        self._observer = observer

    def send_vote(self, member: str | None, payload: bytes) -> None:
        self._observer.voted(self._machine, payload)
        self._network.send(self._machine, member, lambda sender: seams.VoteFrame(sender, payload))

    def send_bulk(self, member: str | None, kind: int, payload: bytes) -> None:
        self._network.send(self._machine, member, lambda sender: seams.BulkFrame(sender, kind, payload))


class _Listener:
    def __init__(self, machine: Machine, observer: Observer) -> None:
        self._machine = machine
        self._observer = observer

    def admitted(self, token: int, results: Sequence[seams.Admission]) -> None:
        pass

    def executed(self, block: Block, event: seams.Executed) -> None:
        self._observer.executed(self._machine, block, event)

    def expired(self, transaction_ids: Sequence[bytes]) -> None:
        pass

    def certified(self, height: int) -> None:
        pass

    def log(self, level: int, message: str, **facts: object) -> None:
        self._observer.noted(self._machine, message, facts)

    def halted(self, halt: Halt) -> None:
        raise Halted(f"{self._machine.name}: {halt.reason}")
