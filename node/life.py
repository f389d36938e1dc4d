"""A node's life: opened from its home, brought up to date, linked and served, and closed in good order.

Everything is opened in the order in which it depends on each other and closed in the reverse. An error of ours or of
the disk ends the node through one function, ``_failed``; nothing goes on after it.
"""

import asyncio
import json
import logging
import os
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial

from consensus.events import Halt
from consensus.replica import Replica
from consensus.start import Identity as ReplicaIdentity
from contracts.executor import Executor
from genesis.birth import state_at_birth
from node import beginning, readiness, records, repair, restored, start, upgrades
from node import journal as journal_file
from node.chain import CHAIN_BUFFER_BYTES, Chain
from node.driver import Driver, Parts
from node.execution import InlineExecution, NodeExecution
from node.execution_deaths import Killed
from node.execution_frames import Place
from node.execution_process import ProcessExecution
from node.expiries import CHECK_SECONDS, Expiries, log_to
from node.following import Following
from node.history import ParameterHistory, ValidatorHistory
from node.inbox import Inbox
from node.intake import NodeIntake
from node.membership import Membership, check_names
from node.metrics import Metrics
from node.notices import Notices
from node.opening import Opening, port_refused
from node.pool import Pool, PoolLimits
from node.progress import Progress
from node.proposing import Pace
from node.pruning import Pruner
from node.queries import NodeQueries, Sources
from node.quota import Quota
from node.readings import readings
from node.reads import ROSTER
from node.recording import JOURNAL_HEIGHTS_MAX
from node.records import Recovered
from node.reporting import Reporter
from node.runtime import AsyncClock, InlineVerifier, PeerLinks, open_journal, said_of
from node.scrub import Scrub
from node.scrub import parts_of as scrub_parts
from node.service import ServiceManager, Vitals, Watchdog
from node.signer import Signer
from node.snapshots import SnapshotServer
from node.verifying import ProcessVerifier
from p2p.frame import Role
from p2p.network import PeerNetwork
from rpc import submissions
from rpc.guard import CONNECTIONS_MAX
from rpc.methods import method_table
from rpc.server import Server, ServerOptions
from state.certificate import Certificate
from state.errors import Corrupt
from state.keys import KeyPair, verify
from state.store import Database, staggered
from state.votes import signing_payload, to_value
from state.world import HEIGHT_BEFORE_GENESIS, STATE_BUFFER_BYTES, World

VERSION = "0.1.0"
"""Of this program, as ``node_status`` tells it."""

REPLAY_REPORT_BLOCKS = 1_000
"""A long replay says so often where it is."""

logger = logging.getLogger("hansa.node")


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a node ended by itself."""

    sentence: str
    error: BaseException | None
    """None after a halt, and where the software must be replaced."""
    is_outdated: bool = False
    """Whether rules come into force that this software does not know: it can still stop in good order."""


class Node:
    """One running node."""

    def __init__(self, opening: Opening, clients_max: int = CONNECTIONS_MAX) -> None:
        """Nothing happens before ``start``.

        :param clients_max: how many connections clients may have.
        """
        self._opening = opening
        self._clients_max = clients_max
        self._home = opening.home
        self._settings = opening.configuration
        self._chain_id = opening.genesis.chain_id
        self.ended: asyncio.Future[Ending | None] = asyncio.get_running_loop().create_future()
        """Done when the node can't go on, or is asked to stop (None)."""
        self._watchdog: Watchdog | None = None
        self.stopped = ""
        """Why the node has stopped voting, though it is up."""
        self.notices = Notices(logger, self._halted)
        self.inbox = Inbox(self._failed)
        self.links = PeerLinks((), self.inbox, logger)
        self.p2p_port = 0
        self.rpc_port = 0
        self._closing = AsyncExitStack()
        """What is open, each closed after everything that was opened later."""

    # ---------------------------------------------------------------------------------------------------- opening

    async def start(self) -> None:
        """Open everything and take part.

        :raises Corrupt: what is on disk can't be gone on from; the sentence says what to do.
        :raises Invalid: UNAVAILABLE, a port is taken.
        """
        self._refuse_after_halt()
        await beginning.begin(self._opening)
        genesis, settings = self._opening.genesis, self._settings
        # Bodies are keys, digests and signatures, which hardly shrink: 8.5 µs of merging a transaction, 2.5 without.
        buffer_bytes = staggered(self._opening.member.id, CHAIN_BUFFER_BYTES)
        database = Database.open(self._home.chain, create=True, write_buffer_bytes=buffer_bytes)
        self.chain = Chain(database, self._home.anchor)
        self._closing.callback(self.chain.close)
        start.check_network(self.chain, self._chain_id, self._home.genesis)
        recovered = records.read(journal_file.recover(self._home.journal))
        lag = genesis.parameters.execution_lag
        self.history = ValidatorHistory(genesis.validators(), lag, self.chain)
        self.execution = await self._open_execution()
        self._closing.push_async_callback(self.execution.close)
        executed_height, next_due_ms, quota = await self._replay(recovered)
        self.chain.keep_rotation()
        await self._open_membership()
        self.journal, journal_thread = open_journal(self._home.journal, self.inbox)
        self._closing.callback(self.journal.close)
        self._closing.callback(journal_thread.shutdown)
        self._closing.callback(self.inbox.close)
        signer = self._signer(recovered, self._opening.vote_keys)
        begun = start.start_state(self.chain, signer, self.history, lag, executed_height)
        for certificate in begun.certified:
            self.notices.certified(certificate.vote.height)
        identity = ReplicaIdentity(None, self._chain_id, genesis.parameters, genesis.time_ms)
        if signer is not None:
            identity = replace(identity, vote_key=signer.public, other_keys=signer.others)
        self.clock = AsyncClock(self.inbox)
        self.verifier = await self._open_verifier()
        self.pool = Pool(PoolLimits(bytes_max=settings.node.pool_bytes_max))
        self.driver = Driver(
            Parts(
                chain_id=self._chain_id,
                parameters=genesis.parameters,
                chain=self.chain,
                pool=self.pool,
                replica=Replica(identity, begun),
                validators=self.history,
                signer=signer,
                executed_height=executed_height,
                next_due_ms=next_due_ms,
                quota=quota,
                kept_bodies=start.kept_bodies(self.chain, recovered),
                clock=self.clock,
                network=self.links,
                journal=self.journal,
                verifier=self.verifier,
                execution=self.execution,
                listener=self.notices,
                pace=Pace(settings.node.pace_ms, settings.node.heartbeat_ms),
                limits=self.limits,
                is_restored=restored.is_restored(self._home, votes=signer is not None),
            )
        )
        if len(recovered.certificates) > JOURNAL_HEIGHTS_MAX:  # Short lives in a row would add theirs up.
            self.driver.recorder.compact()
        await self._serve()
        self.driver.start()
        self.inbox.open(self.driver.handle)
        logger.info(
            "started",
            extra={
                "facts": {
                    "member": self._opening.member.id,
                    "role": self.membership.standing.role.value,
                    "height": self.chain.height,
                    "p2p_port": self.p2p_port,
                    "rpc_port": self.rpc_port,
                }
            },
        )

    async def _open_execution(self) -> NodeExecution:
        birth = state_at_birth(self._opening.genesis)
        buffer_bytes = staggered(self._opening.member.id, STATE_BUFFER_BYTES)
        if self._settings.node.execution == "process":
            place = Place(str(self._home.state), self._chain_id, birth, buffer_bytes)
            return await ProcessExecution.start(place, self.inbox.post)
        database = Database.open(self._home.state, create=True, write_buffer_bytes=buffer_bytes)
        self._closing.callback(database.close)
        executor = Executor(World.open(database), self._chain_id, birth.parameters)
        if executor.world.height == HEIGHT_BEFORE_GENESIS:
            executor.apply_genesis(birth)
        return InlineExecution(executor, self.inbox.post)

    async def _open_verifier(self) -> InlineVerifier | ProcessVerifier:
        count = self._settings.node.verification_workers
        if not count:
            return InlineVerifier(self.inbox)
        verifier = await ProcessVerifier.start(count, self.inbox.post)
        self._closing.push_async_callback(verifier.close)
        return verifier

    async def _replay(self, recovered: Recovered) -> tuple[int, int | None, Quota]:
        """Bring chain and world state to one height; that height, when the next scheduled call is to run, the quota.

        :raises Corrupt: they contradict each other.
        """
        opened = self.execution.opened
        next_due_ms, quota = opened.next_due_ms, Quota(opened.quota)
        self.limits = ParameterHistory(self._opening.genesis.parameters, opened.parameters)
        upgrades.check(self.limits, opened.height + 1, VERSION)
        replaying = start.replay(self.chain, recovered, self.history, self.execution.opened.height)
        try:
            block, transactions = next(replaying)
            while True:
                noted = self.chain.outcome(block.height)
                executed = await self.execution.replay(block, transactions)
                outcome, next_due_ms = executed.outcome, executed.next_due_ms
                quota.executed(executed.quota, executed.payer_banks)
                self.limits.executed(block.height, executed.parameters)
                upgrades.check(self.limits, block.height + 1, VERSION)
                if noted is not None and noted != outcome:
                    raise Corrupt(
                        f"Executing block {block.height} again gives another state than it gave before. Delete "
                        f"{self._home.state} and start again; if that does not help, keep the directory for analysis."
                    )
                if block.height % REPLAY_REPORT_BLOCKS == 0:
                    facts = {"height": block.height, "of": self.chain.height}
                    logger.info("replaying the chain", extra={"facts": facts})
                block, transactions = replaying.send(outcome)
        except StopIteration as finished:
            height: int = finished.value
            return height, next_due_ms, quota

    def _signer(self, recovered: Recovered, vote_keys: Sequence[KeyPair]) -> Signer | None:
        if not vote_keys:
            return None
        first, *others = vote_keys
        return Signer(first, self._chain_id, self.journal, recovered, others, self.history.find)

    async def _open_membership(self) -> None:
        """Who is a member by the state as it is. :raises Invalid: BAD_CONFIGURATION."""
        opening, settings = self._opening, self._settings.p2p
        roster = await self.execution.read(ROSTER)
        if not opening.hints:
            check_names(settings, roster)
        self.membership = Membership(opening.member.id, opening.identities, settings, opening.hints, roster)
        self.links.adopt(self.membership.standing.peers)

    async def _serve(self) -> None:
        """Link with peers and answer clients. :raises Invalid: UNAVAILABLE, a port is taken."""
        opening, settings = self._opening, self._settings
        standing = self.membership.standing
        self.network = PeerNetwork(
            standing.identity,
            self._chain_id,
            standing.role,
            standing.peers,
            self.links.on_event,
            said_of(lambda: self.chain.height, self.driver.newest_vote, self.links),
            self.clock.now_ms,
            random.random,
            self._failed,
            software=VERSION,
        )
        self.links.attach(self.network)
        self.pruner = Pruner(
            self.chain, settings.node.keep_blocks, opening.genesis.parameters.execution_lag, self._window_ms
        )
        self.notices.on_executed(self.pruner.executed)
        progress = Progress(self.clock, lambda: self.driver.target_height, logger)
        self.notices.on_executed(progress.executed)
        self.following = Following(self.membership, self.execution, self.links, self.network, self._failed)
        self._closing.callback(self.following.stop)
        self.queries = NodeQueries(
            Sources(
                VERSION,
                opening.genesis,
                opening.document,
                opening.member,
                self.chain,
                self.history,
                self.pool,
                self.driver,
                self.execution,
                self.notices,
                self.network.status,
                self.not_ready,
                lambda: self.membership.standing,
            )
        )
        self.scrub = Scrub(
            scrub_parts(self._home, self.chain, self.execution, self.journal, self.driver.recorder, self.inbox),
            asyncio.sleep,
        )
        self.links.snapshots = SnapshotServer(
            self.chain, self.execution, self.queries.validator_changes, self.links, self.clock
        )
        self._closing.push_async_callback(self.links.snapshots.stop)
        expiries = Expiries(log_to(logger))
        self.metrics = Metrics(
            self.scrub.readings()
            + readings(
                self.chain,
                self.pool,
                self.driver,
                self.execution,
                self.notices,
                self.links,
                self.inbox,
                self.verifier,
                self.journal,
                self.network,
                self.not_ready,
                expiries,
                self._home.data,
            ),
            VERSION,
        )
        self.notices.on_executed(self.metrics.executed)
        self.intake = NodeIntake(
            self.inbox,
            self.notices,
            self.driver.pressure,
            self.queries.status_of,
            self.metrics.finalised,
            is_validator=self.following.is_validator,
        )
        self.notices.on_executed(self.following.executed)
        if self.driver.is_restored:
            self.notices.on_executed(lambda block, _: self._restored_until(block.height))
        self.notices.on_outdated(self._outdated)
        watch = upgrades.Watch(self.limits, VERSION, logger, self._lacking)
        watch.executed(self.driver.executed_height)
        self.notices.on_executed(lambda block, _: watch.executed(block.height))
        self._start_reporting()
        scrubbing = asyncio.get_running_loop().create_task(self.scrub.run(), name="scrub")
        scrubbing.add_done_callback(self._reporting_ended)
        self._closing.callback(scrubbing.cancel)
        self.server = Server(
            method_table(self.intake, self.queries, VERSION),
            self.not_ready,
            self.metrics.text,
            partial(submissions.answer, self.intake),
            ServerOptions(settings.rpc.allowed_hosts, self._clients_max, is_pressed=lambda: self.inbox.is_pressed),
        )
        self._closing.push_async_callback(self.network.close)
        try:
            await self.network.start(settings.p2p.host, settings.p2p.port)
        except OSError as error:
            raise port_refused(settings.p2p.host, settings.p2p.port, "p2p.port", error) from error
        self.p2p_port = self.network.port
        self._watch_certificates(expiries)
        self._closing.callback(lambda: self._next_look.cancel())
        self._closing.push_async_callback(self.server.stop)
        try:
            self.rpc_port = await self.server.start(settings.rpc.host, settings.rpc.port)
        except OSError as error:
            raise port_refused(settings.rpc.host, settings.rpc.port, "rpc.port", error) from error

    def _watch_certificates(self, expiries: Expiries) -> None:
        """Look at everybody's certificate now and every hour."""
        peers = {status.peer.name: status.certificate_days for status in self.network.status()}
        days = {"": self.network.certificate_days()} | {name: left for name, left in peers.items() if left is not None}
        expiries.check(days)
        self._next_look = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._watch_certificates, expiries)

    def _window_ms(self, height: int) -> int:
        """How far ahead a transaction of that height, or of one before a vote, may be valid."""
        born = self._opening.genesis.parameters.transaction_window_ms
        return max(born, self.limits.at(height).transaction_window_ms)

    def _start_reporting(self) -> None:
        """Put evidence on chain: what is found, and what an earlier life has found."""
        reporter = Reporter(
            self._chain_id,
            self._opening.genesis.parameters,
            self.following.speaker,
            self.intake.submit_many,
            self.queries.is_settled,
        )
        self.notices.on_evidence(reporter.add)
        for encoded in self.chain.evidence():
            reporter.add(encoded)
        task = asyncio.get_running_loop().create_task(reporter.run(), name="reporting evidence")
        task.add_done_callback(self._reporting_ended)
        self._closing.callback(task.cancel)

    def _reporting_ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)

    def feed(self, manager: ServiceManager) -> None:
        """Give the service manager its signs of life from now on, in turns of the driver.

        A node that has stopped voting stays up, and so gives them without one.
        """
        loop = asyncio.get_running_loop()

        def next_turn(delay_ms: int, act: Callable[[], None]) -> None:
            if self.stopped:
                loop.call_later(delay_ms / 1000, act)
            else:
                self.driver.timers.set("watchdog", delay_ms, act)

        def vitals() -> Vitals:
            executed = self.chain.height if self.stopped else self.driver.executed_height
            return Vitals(self.chain.height, executed, self._told())

        self._watchdog = Watchdog(manager, next_turn, vitals, loop.time)
        self._watchdog.start()

    def _told(self) -> str:
        """One line of what the node is doing."""
        troubles = "; ".join(self.not_ready())
        return f"{self.membership.standing.role.value} at height {self.chain.height}, {troubles or 'ready'}"

    # ---------------------------------------------------------------------------------------------------- closing

    async def stop(self) -> None:
        """End in good order: clients first, then peers, then the disk, everything synced, then execution.

        :raises Corrupt: the disk refuses.
        """
        await self._closing.aclose()

    def request_stop(self) -> None:
        """Somebody wants it to end in good order: done by whoever waits for ``ended``."""
        if not self.ended.done():
            self.ended.set_result(None)

    def _failed(self, error: BaseException) -> None:
        """The disk, the execution or our own code has failed: nothing is said any more."""
        self.inbox.close()
        if isinstance(error, Killed):
            self._stop_voting(str(error))
            return
        sentence = str(error) if isinstance(error, Corrupt) else f"a fault in the program itself: {error!r}"
        damage = self.damage_of(error)
        if damage is not None:
            repair.note(self._home, damage)
        if not self.ended.done():
            self.ended.set_result(Ending(sentence, error))

    def _outdated(self, height: int, version: int) -> None:
        """The last block that this software understands is executed."""
        self.inbox.close()
        if not self.ended.done():
            self.ended.set_result(Ending(upgrades.sentence(version, height, VERSION), None, is_outdated=True))

    def _lacking(self, version: int) -> list[str]:
        """Linked validators whose software does not know that version of the protocol."""
        return sorted(
            status.peer.name
            for status in self.network.status()
            if status.peer.role is Role.VALIDATOR and status.protocol_version is not None
            if status.protocol_version < version
        )

    def _stop_voting(self, sentence: str) -> None:
        """A transaction kills execution each time. A start would meet it again, so the node stays up and says so, to
        clients and at /readyz; peers lose it, as if it were down."""
        logger.critical(sentence)
        self.stopped = sentence
        if self._watchdog is not None:
            self._watchdog.start()
        self.intake.is_stopped = True
        self.following.stop()
        self.network.set_peers((), self.membership.standing.role)

    def damage_of(self, error: BaseException) -> repair.Damage | None:
        """Which part of the data an error is about, if the node can have it anew."""
        if not isinstance(error, Corrupt):
            return None
        chain = getattr(self, "chain", None)
        has_past = chain is None or getattr(chain, "first_height", 1) == 1
        return repair.damage_of(self._home, str(error), has_past=has_past)

    def _restored_until(self, height: int) -> None:
        """Whatever an earlier self may have signed is decided: from here on this node signs like any other."""
        until = self.driver.abstains_until
        if self.driver.is_restored and until is not None and height >= until:
            self.driver.is_restored = False
            restored.remove_note(self._home)
            logger.info("restored: signs again", extra={"facts": {"height": height}})

    def _halted(self, halt: Halt) -> None:
        """This node contradicts a certificate: keep what explains it, and end."""
        own = halt.own.to_value() if isinstance(halt.own, Certificate) else to_value(halt.own)
        guilty = [
            evidence.check(self.history.at(evidence.height), self._chain_id, verify) for evidence in halt.evidence
        ]
        document = {
            "reason": halt.reason,
            "guilty": guilty,
            "evidence": [evidence.encode().hex() for evidence in halt.evidence],
            "chain_id": self._chain_id.hex(),
            "own": _spelled(own),
            "other": _spelled(halt.other.to_value()),
            "other_payload": signing_payload(halt.other.vote, self._chain_id).hex(),
        }
        path = self._home.data / "halted.json"
        with path.open("w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        named = f". It is proven of {', '.join(guilty)}" if guilty else ""
        sentence = (
            f"halted: {halt.reason}{named}. What explains it is in {path}; keep the data directory and ask for help"
        )
        self.inbox.close()
        if not self.ended.done():
            self.ended.set_result(Ending(sentence, None))

    def _refuse_after_halt(self) -> None:
        path = self._home.data / "halted.json"
        if path.exists():
            raise Corrupt(
                f"this node halted because it contradicted other validators ({path} says how). It votes again only "
                "when a person has found out why and moved that file away."
            )

    # ------------------------------------------------------------------------------------------------ what it says

    def not_ready(self) -> list[str]:
        """Why the node is not ready; nothing when it is."""
        if self.stopped:
            return [f"stopped voting: {self.stopped}"]
        trouble = self.membership.standing.trouble
        return [trouble] * bool(trouble) + list(
            readiness.reasons(
                readiness.Vitals(
                    self._opening.member.id,
                    self.history,
                    self.links,
                    self.notices,
                    self.clock,
                    self._settings.node.heartbeat_ms,
                    lambda: self.chain.height,
                    lambda: self.driver.executed_height,
                    lambda: self.driver.target_height,
                )
            )
        )


def _spelled(value: object) -> object:
    """A value of the codec in JSON: bytes as hex."""
    if isinstance(value, bytes):
        return value.hex()
    return [_spelled(item) for item in value] if isinstance(value, list | tuple) else value
