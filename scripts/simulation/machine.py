"""A simulated machine: one node's lives on one disk."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
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
from node.quota import Quota
from node.records import Recovered
from node.signer import Signer
from scripts.simulation import birth, sharing
from scripts.simulation.disk import Disk, SimulatedJournal
from scripts.simulation.timeline import Timeline
from state.block import Block
from state.errors import Corrupt, StorageFailure
from state.keys import KeyPair
from state.transaction import Transaction
from state.world import World

DATABASE_FAILED = "The database /"
"""How the refusals of a database begin; other failures of a disk are of the journal."""

VERIFY_MS_MAX = 5
"""Slowest check of a batch of signatures, ms."""

EXECUTE_MS_MAX = 30
"""Slowest execution of a block, ms."""

REPAIR_MS_MAX = 3_000
"""Longest that somebody takes to repair a disk."""

HEARTBEAT_MS = 2_000
"""Idle networks decide a block so often."""

JOURNAL_RECORDS_COMPACT = 300
"""Compact often enough that every run sees it."""

class Network(Protocol):
    """What connects machines."""

    def joined(self, machine: "Machine") -> None:
        """The machine is up: link it with the others."""

    def left(self, machine: "Machine") -> None:
        """The machine is down: the others notice."""

    def send(self, machine: "Machine", member: str | None, event: seams.Event) -> None:
        """Carry a frame to one member or to all."""


class Watcher(Protocol):
    """Who is told what machines do."""

    def executed(self, machine: "Machine", block: Block, event: seams.Executed) -> None:
        """A block is final at that machine."""

    def sent(self, machine: "Machine", event: seams.VoteFrame | seams.BulkFrame) -> None:
        """The machine has sent a frame."""

    def barred(self, machine: "Machine", member: str) -> None:
        """The machine hears that member no longer."""

    def noted(self, machine: "Machine", what: str) -> None:
        """The machine has logged something, has come up or has gone down."""


class Halted(Exception):
    """A node stopped because of a contradiction; in these runs none may."""


class Machine:
    """A node that can crash and come back.

    :param member: member id; twins share one.
    :param count: validators of the network.
    :param keys: the vote keys that it holds; the member's one at genesis, if nothing else is said.
    """

    def __init__(
        self,
        name: str,
        member: str,
        count: int,
        timeline: Timeline,
        network: Network,
        watcher: Watcher,
        keys: Sequence[KeyPair] | None = None,
    ) -> None:
        self.name = name
        self.member = member
        self.disk = Disk()
        self.life = 0
        self.driver: Driver | None = None
        self.skew_ms = 0
        self.count = count
        if keys is None:
            key = birth.vote_key(member)
            keys = () if birth.validators(count).index_of(key.public) is None else (key,)
        self._keys = keys
        self._timeline = timeline
        self._random = timeline.chance(name)
        self._network = network
        self._watcher = watcher

    @property
    def is_up(self) -> bool:
        """Whether a driver runs on it."""
        return self.driver is not None

    def pending(self) -> tuple[Transaction, ...]:
        """What its pool holds."""
        assert self.driver is not None
        return tuple(self._pool)

    def boot(self) -> None:
        """Start a life from the disk, or refuse to: then somebody reads what it says, and does something about it."""
        assert self.driver is None
        self.life += 1
        try:
            self._start()
        except Corrupt as refusal:
            if not self.disk.is_spoilt:
                raise
            self._refuse(refusal)

    def _start(self) -> None:
        post = self._poster()
        recovered = records.read(self.disk.recover())
        self.disk.reopen()
        self.chain = Chain(self.disk.chain, None)
        validators = birth.validators(self.count)
        history = ValidatorHistory(validators, birth.PARAMETERS.execution_lag, self.chain)
        if self.disk.world.is_empty:
            self.disk.world.write(birth.genesis_rows(self.count), sync=False)
        self.executor = Executor(World.open(self.disk.world), birth.CHAIN_ID, birth.PARAMETERS)
        executed_height = self._replay(recovered, history)
        self._journal = SimulatedJournal(
            self.disk,
            self._timeline,
            self._random,
            lambda token: post(seams.Synced(token)),
            lambda: post(seams.Failed(StorageFailure("no space left on device"))),
        )
        signer = None
        if self._keys:
            first, *others = self._keys
            signer = Signer(first, birth.CHAIN_ID, self._journal, recovered, others, history.find)
        begun = start.start_state(self.chain, signer, history, birth.PARAMETERS.execution_lag, executed_height)
        identity = Identity(
            None if signer is None else signer.public,
            birth.CHAIN_ID,
            birth.PARAMETERS,
            birth.GENESIS_MS,
            () if signer is None else signer.others,
        )
        self._pool = Pool()
        self._execution = _Execution(self._timeline, self._random, self.executor, post)
        self.driver = Driver(
            Parts(
                chain_id=birth.CHAIN_ID,
                parameters=birth.PARAMETERS,
                chain=self.chain,
                pool=self._pool,
                replica=Replica(identity, begun, sharing.verify),
                validators=history,
                signer=signer,
                executed_height=executed_height,
                next_due_ms=self.executor.next_due_ms(),
                quota=Quota(self.executor.quota()[0]),
                kept_bodies=start.kept_bodies(self.chain, recovered),
                clock=_Clock(self._timeline, self, post),
                network=_Links(self, self._network, self._watcher),
                journal=self._journal,
                verifier=_Verifier(self._timeline, self._random, post),
                execution=self._execution,
                listener=_Listener(self, self._watcher),
                pace=Pace(heartbeat_ms=HEARTBEAT_MS),
            )
        )
        self._watcher.noted(self, f"up at height {self.chain.height}, {executed_height} executed")
        self._network.joined(self)
        self.driver.start()

    def crash(self, *, power: bool) -> None:
        """End this life by a kill or, with ``power``, by a power cut."""
        assert self.driver is not None
        if not power and self._random.random() < 0.5:
            self._execution.finish_one()
        self._execution.stop()
        self._journal.stop()
        self.driver = None
        self.life += 1
        self._watcher.noted(self, "power cut" if power else "killed")
        self._network.left(self)
        self.disk.crash(self._random, power=power)

    def deliver(self, event: seams.Event, life: int) -> None:
        """An event for that life; later lives never hear of it."""
        if self.driver is not None and life == self.life:
            try:
                self.driver.handle(event)
            except StorageFailure as failure:
                if DATABASE_FAILED in str(failure):
                    self._refuse(failure)
                else:
                    self._end(failure)
                return
            if len(self.disk.records) > JOURNAL_RECORDS_COMPACT:
                self.driver.recorder.compact()

    def _end(self, failure: StorageFailure) -> None:
        """The disk has failed: the process ends, and somebody makes room and starts it again."""
        self._watcher.noted(self, str(failure))
        self.crash(power=True)
        self.disk.fails = False
        self._timeline.after(self._random.randint(1, REPAIR_MS_MAX), self.boot)

    def _refuse(self, refusal: Corrupt) -> None:
        """A bit has flipped, and has been noticed."""
        said = str(refusal)
        self._watcher.noted(self, f"refuses: {said}")
        if self.driver is not None:
            self.crash(power=False)

        def repair() -> None:
            self._watcher.noted(self, self.disk.put_right(said))
            self.boot()

        self._timeline.after(self._random.randint(1, REPAIR_MS_MAX), repair)

    def _poster(self) -> Callable[[seams.Event], None]:
        life = self.life
        return lambda event: self.deliver(event, life)

    def _replay(self, recovered: Recovered, history: ValidatorHistory) -> int:
        replaying = start.replay(self.chain, recovered, history, self.executor.world.height)
        try:
            block, transactions = next(replaying)
            while True:
                event = run_block(self.executor, block, transactions)
                self._watcher.executed(self, block, event)  # Nobody may have lived to say that it is final.
                block, transactions = replaying.send(event.outcome)
        except StopIteration as finished:
            height: int = finished.value
            return height


class _Clock:
    def __init__(self, timeline: Timeline, machine: Machine, post: Callable[[seams.Event], None]) -> None:
        self._timeline = timeline
        self._machine = machine
        self._post = post

    def now_ms(self) -> int:
        return birth.GENESIS_MS + self._timeline.now_ms + self._machine.skew_ms

    def monotonic_ms(self) -> int:
        return self._timeline.now_ms

    def fire(self, delay_ms: int, event: seams.TimerFired) -> None:
        self._timeline.after(delay_ms, lambda: self._post(event))


class _Verifier:
    def __init__(self, timeline: Timeline, random: Random, post: Callable[[seams.Event], None]) -> None:
        self._timeline = timeline
        self._random = random
        self._post = post
        self._busy_until_ms = 0

    def verify(self, token: int, transactions: Sequence[Transaction]) -> None:
        valid = tuple(item.has_valid_signatures() for item in transactions)
        delay_ms = self._random.randint(0, VERIFY_MS_MAX)
        self._busy_until_ms = max(self._busy_until_ms, self._timeline.now_ms + delay_ms)
        self._timeline.after(
            self._busy_until_ms - self._timeline.now_ms, lambda: self._post(seams.Verified(token, valid))
        )


class _Execution:
    def __init__(
        self, timeline: Timeline, random: Random, executor: Executor, post: Callable[[seams.Event], None]
    ) -> None:
        self._timeline = timeline
        self._random = random
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
            with suppress(StorageFailure):
                run_block(self._executor, *self._waiting[0])

    def stop(self) -> None:
        """The process ends."""
        self._waiting.clear()

    def _begin(self) -> None:
        self._timeline.after(self._random.randint(0, EXECUTE_MS_MAX), self._finish)

    def _finish(self) -> None:
        if not self._waiting:
            return
        block, transactions = self._waiting.popleft()
        try:
            event: seams.Event = run_block(self._executor, block, transactions)
        except StorageFailure as failure:
            event = seams.Failed(failure)
        if self._waiting:
            self._begin()
        self._post(event)


class _Links:
    def __init__(self, machine: Machine, network: Network, watcher: Watcher) -> None:
        self._machine = machine
        self._network = network
        self._watcher = watcher

    def send_vote(self, member: str | None, payload: bytes) -> None:
        self._send(member, seams.VoteFrame(self._machine.member, payload))

    def send_bulk(self, member: str | None, kind: int, payload: bytes) -> None:
        self._send(member, seams.BulkFrame(self._machine.member, kind, payload))

    def bar(self, member: str, reason: str, seconds: int) -> None:
        """Links stay up here; the driver itself no longer hears that member."""
        self._watcher.barred(self._machine, member)

    def _send(self, member: str | None, event: seams.VoteFrame | seams.BulkFrame) -> None:
        self._watcher.sent(self._machine, event)
        self._network.send(self._machine, member, event)


class _Listener:
    def __init__(self, machine: Machine, watcher: Watcher) -> None:
        self._machine = machine
        self._watcher = watcher

    def admitted(self, token: int, results: Sequence[seams.Admission]) -> None:
        pass

    def executed(self, block: Block, event: seams.Executed) -> None:
        self._watcher.executed(self._machine, block, event)

    def expired(self, transaction_ids: Sequence[bytes]) -> None:
        pass

    def certified(self, height: int) -> None:
        pass

    def evidence(self, encoded: bytes) -> None:
        pass

    def log(self, level: int, message: str, **facts: object) -> None:
        listed = "".join(f", {name} {value}" for name, value in facts.items())
        self._watcher.noted(self._machine, f"{message}{listed}")

    def outdated(self, height: int, version: int) -> None:
        """See ``node.seams.Listener``: nobody votes for it here."""
        raise AssertionError(f"protocol version {version} at height {height}")

    def halted(self, halt: Halt) -> None:
        raise Halted(f"{self._machine.name}: {halt.reason}")
