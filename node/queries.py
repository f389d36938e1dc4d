"""What can be asked of a node: the chain's rows, the executed state by way of the execution, and the driver's facts.

Nothing here waits without a limit. A proof is built on the state right after a height and answered when that height's
checkpoint certificate is there, which it usually is some milliseconds later.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import cast

from contracts.kernel import layout
from genesis.document import Genesis
from genesis.member import Member
from node import reads, upgrades
from node.chain import Chain
from node.driver import Driver
from node.execution import NodeExecution
from node.history import ValidatorHistory
from node.membership import Standing
from node.notices import Notices
from node.pool import Pool
from node.seams import Executed
from p2p.bulk import DecidedBlock
from p2p.peers import PeerStatus
from rpc.backend import (
    AccountFact,
    BlockFact,
    Cause,
    CheckpointFact,
    ContractAbi,
    ContractPage,
    EventFilter,
    EventPage,
    EvidenceFact,
    GenesisFact,
    HistoryPage,
    NodeFact,
    PeerFact,
    QueryFact,
    ReceiptProofFact,
    SimulationFact,
    StatementFact,
    StateProofFact,
    TransactionFact,
    TransactionStatus,
    ValidatorsFact,
)
from state import codec, protocol
from state.address import decode_address
from state.block import Block
from state.certificate import Certificate
from state.codec import DEPTH_MAX, Value
from state.digest import NO_DIGEST, transaction_digest
from state.errors import Invalid, Reason
from state.evidence import Evidence
from state.succession import Change
from state.transaction import ARGUMENTS_MAX, Body

PROOF_WAIT_MS = 5_000
"""How long a proof waits for its height's certificate."""

ARGUMENTS_DEPTH_MAX = DEPTH_MAX - 3
"""Deepest nesting of a call's arguments, which stand three lists deep in a transaction."""

EVIDENCE_PAGE = 100
EVIDENCE_MAX = 2_000
"""Reports that one answer is made from."""

DECIDED_STATUSES = (TransactionStatus.FINAL, TransactionStatus.FAILED, TransactionStatus.EXPIRED)
"""What does not change any more."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where answers come from."""

    version: str
    genesis: Genesis
    document: bytes
    """The genesis document, byte for byte."""
    member: Member
    """Whose node this is."""
    chain: Chain
    history: ValidatorHistory
    pool: Pool
    driver: Driver
    execution: NodeExecution
    notices: Notices
    peers: Callable[[], Sequence[PeerStatus]]
    not_ready: Callable[[], Sequence[str]]
    standing: Callable[[], Standing]


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest executed block."""

    height: int
    block_digest: bytes
    state_root: bytes
    time_ms: int


class NodeQueries:
    """Implements ``rpc.backend.Queries``."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._chain = sources.chain
        self._prefix = sources.genesis.parameters.address_prefix
        self._latest = self._latest_at_start()
        sources.notices.on_executed(self._executed)

    # ------------------------------------------------------------------------------------- the node and its chain

    async def node(self) -> NodeFact:
        """See ``rpc.backend.Queries``, here and below."""
        sources, latest, standing = self._sources, self._latest, self._sources.standing()
        limits = sources.driver.limits
        return NodeFact(
            version=sources.version,
            chain_id=sources.genesis.chain_id,
            address_prefix=self._prefix,
            node_id=standing.identity.node_id,
            member=sources.member.id,
            role=standing.role.value,
            height=latest.height,
            decided_height=self._chain.height,
            certified_height=sources.notices.certified_height,
            block_digest=latest.block_digest,
            state_root=latest.state_root,
            block_time_ms=latest.time_ms,
            view=sources.driver.view,
            peers=sum(status.votes.up for status in sources.peers()),
            pool_count=len(sources.pool),
            pool_bytes=sources.pool.bytes_used,
            target_height=sources.driver.target_height,
            not_ready=tuple(sources.not_ready()),
            protocol_version=limits.at(latest.height + 1).protocol_version,
            protocol_known=protocol.NEWEST,
            next_protocol=limits.next_version(latest.height),
            warnings=upgrades.warnings(limits, latest.height, sources.version),
        )

    async def peers(self) -> Sequence[PeerFact]:
        return sorted((_peer_fact(status) for status in self._sources.peers()), key=lambda fact: fact.member)

    async def evidence(self) -> Sequence[EvidenceFact]:
        found: list[EvidenceFact] = []
        first: int | None = 1
        while first is not None and len(found) < EVIDENCE_MAX:
            answer = await self.contract_query("evidence", "reports_from", [first, EVIDENCE_PAGE], None)
            listed = cast("list[tuple[int, tuple[str, int, int, bytes]]]", answer.value)
            for number, (member, _, reported_ms, encoded) in listed:
                found.append(_evidence_fact(member, Evidence.decode(encoded), number, reported_ms))
            first = listed[-1][0] + 1 if len(listed) == EVIDENCE_PAGE else None
        known = {(fact.member, fact.height) for fact in found}
        for encoded in self._chain.evidence():
            evidence = Evidence.decode(encoded)
            member = self.accused(evidence)
            if (member, evidence.height) not in known:
                found.append(_evidence_fact(member, evidence, None, None))
        return found

    def accused(self, evidence: Evidence) -> str:
        """Whom evidence of this node's own store names: it was checked when it was found."""
        validators = self._sources.history.find(evidence.height) or self._sources.genesis.validators()
        index = validators.index_of(evidence.vote_key)
        return "" if index is None else validators.validators[index].member

    async def is_settled(self, evidence: Evidence) -> bool:
        """Whether there is nothing to report: the chain has it, or the key is none of that height's validators."""
        validators = self._sources.history.find(evidence.height)
        if validators is not None and validators.index_of(evidence.vote_key) is None:
            return True
        answer = await self.contract_query("evidence", "reported", [self.accused(evidence), evidence.height], None)
        return answer.value is True

    async def validators(self, height: int | None) -> ValidatorsFact:
        height = self._latest.height if height is None else height
        validators = self._sources.history.find(height) if height >= 0 else None
        if validators is None:
            raise Invalid(Reason.UNKNOWN, f"the validators of height {height} are not known yet")
        return ValidatorsFact(height, validators)

    async def validator_changes(self, after_height: int, count_max: int) -> Sequence[Change]:
        lag = self._sources.genesis.parameters.execution_lag
        found = []
        for first_height in self._chain.changes(after_height, count_max):
            certificate = self._chain.checkpoint(first_height - lag)
            if certificate is None:
                if first_height - lag < self._sources.notices.certified_height:
                    detail = f"this node has no certificate of height {first_height - lag}: ask another one"
                    raise Invalid(Reason.UNAVAILABLE, detail)
                break  # It is on its way.
            found.append(Change(first_height, self._sources.history.at(first_height), certificate))
        return found

    async def block(self, height: int | None) -> BlockFact:
        height = self._latest.height if height is None else height
        if not 1 <= height <= self._latest.height:
            raise Invalid(Reason.UNKNOWN, f"there is no executed block of height {height} here")
        self._chain.check_kept(height)
        answer = await self._sources.execution.read(reads.BLOCK, height)
        decided = self._decided(height)
        return BlockFact(
            decided.block, decided.certificate, answer.failed_count, answer.latest_height, answer.scheduled
        )

    async def block_by_digest(self, digest: bytes) -> BlockFact:
        height = self._chain.height_of(digest)
        if height is None:
            raise Invalid(Reason.UNKNOWN, "no block with that digest is here")
        return await self.block(height)

    async def checkpoint(self, height: int | None) -> CheckpointFact:
        height = self._sources.notices.certified_height if height is None else height
        certificate = self._chain.checkpoint(height) if height >= 1 else None
        if certificate is None:
            self._chain.check_kept(height)
            if 1 <= height <= self._latest.height:
                raise Invalid(Reason.UNAVAILABLE, f"height {height} has no checkpoint certificate here")
            raise Invalid(Reason.UNKNOWN, f"there is no executed block of height {height} here")
        return CheckpointFact(certificate, self._sources.history.at(height), self._latest.height)

    async def genesis(self) -> GenesisFact:
        return GenesisFact(self._sources.genesis.chain_id, self._sources.document)

    # ------------------------------------------------------------------------------------------------ transactions

    async def transaction(self, transaction_id: bytes) -> TransactionFact:
        known = self._undecided(transaction_id)
        if known is not None and known.status is TransactionStatus.UNKNOWN:
            run = await self._run(transaction_id)
            # It may have come or been decided while the execution was asked. Nothing is awaited from here on.
            known = run or self._undecided(transaction_id)
        if known is not None:
            return known
        place = self._chain.place(transaction_id)
        assert place is not None, "what is not undecided has a place"
        height, index = place
        is_kept = height >= self._chain.first_height
        encoded = self._decided(height).transactions[index] if is_kept else None
        found = await self._sources.execution.read(reads.RECEIPT, transaction_id, height, index)
        return _transaction_fact(found, encoded, Cause.TRANSACTION)

    def _undecided(self, transaction_id: bytes) -> TransactionFact | None:
        """What is known of an id that no executed block lists, None for one that does."""
        latest, pool = self._latest.height, self._sources.pool
        place = self._chain.place(transaction_id)
        if place is not None:
            if place[0] <= latest:
                return None
            encoded = self._decided(place[0]).transactions[place[1]]
            return TransactionFact(transaction_id, TransactionStatus.PENDING, latest, encoded)
        pending = pool.get(transaction_id)
        if pending is not None:
            return TransactionFact(transaction_id, TransactionStatus.PENDING, latest, pending.encoded)
        status = TransactionStatus.EXPIRED if pool.has_expired(transaction_id) else TransactionStatus.UNKNOWN
        return TransactionFact(transaction_id, status, latest)

    async def _run(self, identity: bytes) -> TransactionFact | None:
        """The scheduled run of that id, None if there is none."""
        try:
            found = await self._sources.execution.read(reads.RECEIPT, identity, None, None)
        except Invalid as refusal:
            if refusal.reason is not Reason.UNKNOWN:
                raise
            return None
        return _transaction_fact(found, None, Cause.SCHEDULE)

    async def status_of(self, transaction_id: bytes) -> TransactionStatus:
        """Where a transaction stands."""
        return (await self.transaction(transaction_id)).status

    async def wait_transaction(self, transaction_id: bytes, timeout_ms: int) -> TransactionFact:
        until = monotonic() + timeout_ms / 1000
        fact = await self.transaction(transaction_id)
        # Nothing is awaited between finding it undecided and waiting, so no notice falls in between.
        while fact.status not in DECIDED_STATUSES and (left_ms := int((until - monotonic()) * 1000)) > 0:
            await self._sources.notices.transactions.wait(transaction_id, left_ms)
            fact = await self.transaction(transaction_id)
        return fact

    async def simulate(self, body: Body) -> SimulationFact:
        for call in body.calls:
            _check_depth(call.arguments)
        if body.keys and self._chain.place(transaction_digest(body.encode())) is not None:
            raise Invalid(Reason.DUPLICATE, "the transaction has been decided")
        return await self._sources.execution.read(reads.SIMULATE, reads.body_value(body))

    # ----------------------------------------------------------------------------------------------- what executed

    async def account(self, address: str, cursor: bytes | None, limit: int) -> AccountFact:
        return await self._sources.execution.read(reads.ACCOUNT, address, cursor, limit)

    async def account_history(self, address: str, cursor: bytes | None, limit: int) -> HistoryPage:
        return await self._sources.execution.read(reads.HISTORY, address, cursor, limit)

    async def account_statement(
        self, address: str, asset: str, from_ms: int, to_ms: int, cursor: bytes | None, limit: int
    ) -> StatementFact:
        return await self._sources.execution.read(
            reads.STATEMENT, address, asset, from_ms, to_ms, cursor, limit
        )

    async def contracts(self, cursor: bytes | None, limit: int) -> ContractPage:
        return await self._sources.execution.read(reads.CONTRACTS, cursor, limit)

    async def contract_abi(self, contract: str) -> ContractAbi:
        return await self._sources.execution.read(reads.CONTRACT_ABI, contract)

    async def contract_query(
        self, contract: str, method: str, arguments: Sequence[Value], sender: str | None
    ) -> QueryFact:
        if len(arguments) > ARGUMENTS_MAX:
            raise Invalid(Reason.TOO_LARGE, f"a call has at most {ARGUMENTS_MAX} arguments")
        _check_depth(arguments)
        packed = codec.pack(arguments)
        return await self._sources.execution.read(reads.CONTRACT_QUERY, contract, method, packed, sender)

    async def events(self, from_height: int, cursor: bytes | None, limit: int, chosen: EventFilter) -> EventPage:
        filters = reads.filter_arguments(chosen)
        return await self._sources.execution.read(reads.EVENTS, from_height, cursor, limit, *filters)

    # ------------------------------------------------------------------------------------------------------ proofs

    async def state_proof(self, key: bytes) -> StateProofFact:
        answer = await self._sources.execution.read(reads.STATE_PROOF, key)
        certificate = await self._certificate(answer.height)
        return StateProofFact(key, answer.value, answer.proof, certificate)

    async def balance_proof(self, address: str, asset: str) -> StateProofFact:
        decode_address(self._prefix, address)
        return await self.state_proof(layout.balance_key(address, asset))

    async def receipt_proof(self, transaction_id: bytes) -> ReceiptProofFact:
        place = self._chain.place(transaction_id)
        if place is not None and place[0] > self._latest.height:
            raise Invalid(Reason.UNKNOWN, "this node has no receipt of that transaction")
        height, index = (None, None) if place is None else place
        answer = await self._sources.execution.read(reads.RECEIPT_PROOF, transaction_id, height, index)
        certificate = await self._certificate(answer.height)
        return ReceiptProofFact(answer.receipt, answer.index, answer.count, answer.proof, certificate)

    async def _certificate(self, height: int) -> Certificate:
        """The checkpoint certificate of an executed height. :raises Invalid: UNAVAILABLE, it does not come in time."""
        if height == 0:
            raise Invalid(Reason.UNAVAILABLE, "no block has been executed yet, so nothing is certified")
        certificate = self._chain.checkpoint(height)
        if certificate is None:
            self._chain.check_kept(height)
            await self._sources.notices.certificates.wait(height, PROOF_WAIT_MS)
            certificate = self._chain.checkpoint(height)
        if certificate is None:
            raise Invalid(Reason.UNAVAILABLE, f"height {height} is not certified here yet; ask again in a moment")
        return certificate

    # ------------------------------------------------------------------------------------------------ small things

    def _executed(self, block: Block, event: Executed) -> None:
        self._latest = Latest(event.height, block.digest, event.outcome.state_root, block.header.timestamp_ms)

    def _latest_at_start(self) -> Latest:
        height = self._sources.driver.executed_height
        outcome = self._chain.outcome(height) if height else None
        if outcome is None:
            return Latest(0, NO_DIGEST, self._sources.execution.opened.state_root, self._sources.genesis.time_ms)
        block = self._decided(height).block
        return Latest(height, block.digest, outcome.state_root, block.header.timestamp_ms)

    def _decided(self, height: int) -> DecidedBlock:
        """A decided block. :raises Invalid: PRUNED."""
        self._chain.check_kept(height)
        found = self._chain.decided(height)
        assert found is not None, "every height up to the newest has a block"
        return found


def _transaction_fact(found: reads.ReceiptAnswer, encoded: bytes | None, cause: Cause) -> TransactionFact:
    return TransactionFact(
        found.receipt.transaction_id,
        TransactionStatus.FINAL if found.receipt.is_ok else TransactionStatus.FAILED,
        found.height,
        encoded,
        found.block_height,
        found.index,
        found.block_time_ms,
        found.receipt,
        cause,
    )


def _peer_fact(status: PeerStatus) -> PeerFact:
    peer = status.peer
    return PeerFact(
        member=peer.name,
        node_id=peer.node_id,
        role=peer.role.value,
        connected=status.votes.up,
        height=status.height or 0,
        address=f"{peer.host}:{peer.port}" if status.dialled_by_us else "",
        version=status.software,
        protocol_known=status.protocol_version,
    )


def _check_depth(value: Value, depth: int = ARGUMENTS_DEPTH_MAX) -> None:
    """:raises Invalid: MALFORMED, a caller's value that has no encoding."""
    if isinstance(value, list | tuple):
        if depth == 0:
            raise Invalid(Reason.MALFORMED, f"arguments nest deeper than {ARGUMENTS_DEPTH_MAX}")
        for item in value:
            _check_depth(item, depth - 1)


def _evidence_fact(member: str, evidence: Evidence, number: int | None, reported_ms: int | None) -> EvidenceFact:
    kinds = tuple(type(signed.vote).__name__.lower() for signed in (evidence.first, evidence.second))
    return EvidenceFact(member, evidence.height, (kinds[0], kinds[1]), evidence.encode(), number, reported_ms)
