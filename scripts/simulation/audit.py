"""The audit after a run: each block decided anywhere is checked by rules counted anew, with all that stands in it.

It knows what no auditor of a real chain can know: what each honest member has signed. So a signature that fits is not
enough; it must have been given for just that statement.
"""

from collections.abc import Mapping, Sequence

from consensus.rotation import Rotation, first_rotation, next_rotation
from contracts.executor import Executor
from node.execution import run_block
from p2p.bulk import DecidedBlock
from scripts.simulation import birth, sharing
from scripts.simulation.machine import Machine
from scripts.simulation.sets import Sets
from state import transaction, votes
from state.block import Block
from state.certificate import Certificate
from state.digest import NO_DIGEST
from state.errors import Invalid
from state.memory import MemoryDatabase
from state.validators import ValidatorSet
from state.votes import Commit
from state.world import World


class Violated(Exception):
    """An invariant does not hold."""


class Audit:
    """What the decided blocks of one run, and the states that came of them, are held to.

    :param faulty: the member that may have signed anything.
    """

    def __init__(self, count: int, faulty: str | None, sets: Sets) -> None:
        self._count = count
        self._sets = sets
        self._faulty = faulty
        self._rotations: list[Rotation] = [first_rotation(self._at(1))]
        self._blocks: list[Block] = []
        self._listed: dict[bytes, int] = {}
        self._passed: set[tuple[int, bytes]] = set()
        self._passed_certificates: set[Certificate] = set()
        self._executor: Executor | None = None
        self._replayed_height = 0

    def check(self, machine: Machine, machines: Sequence[Machine]) -> None:
        """N5, N8, N9: everything in the machine's chain is as the rules have it. :raises Violated: what is not."""
        signed = {other.member: other.disk.durable_votes for other in machines if other.member != self._faulty}
        for height in range(1, machine.chain.height + 1):
            row = machine.chain.encoded(height) or b""
            if (height, row) not in self._passed:
                self._passed.add((height, row))
                decided = machine.chain.decided(height)
                assert decided is not None
                self._check_header(machine, decided.block)
                self._check_primary(machine, decided)
                self._check_certificate(machine, decided.certificate, signed)
                parents = decided.block.header.parent_certificate
                if parents is not None:
                    self._check_certificate(machine, parents, signed)
                self._check_bodies(machine, decided)
            checkpoint = machine.chain.checkpoint(height)
            if checkpoint is not None and checkpoint.vote.height != height:
                raise Violated(f"N9: {machine.name} keeps a certificate of {checkpoint.vote} at {height}")
            if checkpoint is not None:
                self._check_certificate(machine, checkpoint, signed)

    def replay(self, machine: Machine) -> None:
        """I4: from genesis, the chain gives the same roots again. Goes on where it ended the last time."""
        if self._executor is None:
            self._executor = Executor(World.open(MemoryDatabase()), birth.CHAIN_ID, birth.PARAMETERS)
            self._executor.apply_genesis(birth.genesis(self._count))
        for decided in machine.chain.blocks(self._replayed_height + 1):
            bodies = [transaction.decode(encoded) for encoded in decided.transactions]
            outcome = run_block(self._executor, decided.block, bodies).outcome
            self._replayed_height = decided.block.height
            if machine.chain.outcome(decided.block.height) not in (outcome, None):
                raise Violated(f"I4: replayed from genesis, {decided.block.height} gives another state")

    # ------------------------------------------------------------------------------------------------- blocks

    def _check_header(self, machine: Machine, block: Block) -> None:
        height, header = block.height, block.header
        if height <= len(self._blocks):
            if self._blocks[height - 1].digest != block.digest:
                raise Violated(f"I1: {machine.name} has another block at {height}")
            return
        parent = self._blocks[-1] if self._blocks else None
        named = header.chain_id, header.height, header.parent, header.validators_digest
        parent_digest = NO_DIGEST if parent is None else parent.digest
        if named != (birth.CHAIN_ID, len(self._blocks) + 1, parent_digest, self._at(height).digest):
            raise Violated(f"N5: {machine.name} has a block at {height} with a wrong header")
        if header.timestamp_ms <= (birth.GENESIS_MS if parent is None else parent.header.timestamp_ms):
            raise Violated(f"N5: {machine.name} has a block at {height} that is not later than its parent")
        held = header.parent_certificate
        expected = None if parent is None else (parent.height, parent.digest)
        shown = held.vote if held is not None and isinstance(held.vote, Commit) else None
        if expected != (None if shown is None else (shown.height, shown.digest)):
            raise Violated(f"N5: {machine.name} has a block at {height} without its parent's certificate")
        self._blocks.append(block)
        self._rotations.append(next_rotation(self._rotations[-1], block, self._at(height + 1)))

    def _check_primary(self, machine: Machine, decided: DecidedBlock) -> None:
        vote = decided.certificate.vote
        if not isinstance(vote, Commit) or (vote.height, vote.digest) != (decided.block.height, decided.block.digest):
            raise Violated(f"N9: {machine.name} has decided {decided.block.height} by a certificate of {vote}")
        rotation, validators = self._rotations[vote.height - 1], self._at(vote.height).validators
        keys = {validator.member: validator.vote_key for validator in validators}
        primaries = [keys[rotation.primary(view)] for view in range(min(vote.view + 1, len(validators)))]
        if decided.block.header.proposer not in primaries:
            raise Violated(f"N5: {machine.name} has a block at {vote.height} of who was not its primary")

    def _check_bodies(self, machine: Machine, decided: DecidedBlock) -> None:
        """Rule 11, and X1: once only."""
        height, header = decided.block.height, decided.block.header
        limits = birth.PARAMETERS

        def refuse(what: str) -> None:
            raise Violated(f"N5: {machine.name} has a block at {height} with {what}")

        try:
            bodies = [transaction.decode(encoded) for encoded in decided.transactions]
        except Invalid as error:
            raise Violated(f"N5: {machine.name} has a body at {height} that cannot be read: {error}") from error
        if [item.entry for item in bodies] != list(decided.block.entries):
            refuse("bodies that it does not list")
        for item in bodies:
            body = item.body
            if self._listed.setdefault(item.id, height) != height:
                refuse("a transaction that an earlier one lists")
            if not header.timestamp_ms <= body.valid_until_ms <= header.timestamp_ms + limits.transaction_window_ms:
                refuse("a transaction out of its time")
            if body.chain_id != birth.CHAIN_ID or body.fuel_limit > limits.transaction_fuel_max:
                refuse("a transaction of another chain, or with too much fuel")
            if not item.has_valid_signatures():
                refuse("a transaction that nobody signed")
        if len({item.id for item in bodies}) != len(bodies) or len(bodies) > limits.block_transactions_max:
            refuse("a transaction twice, or too many")
        if sum(item.body.fuel_limit for item in bodies) > limits.block_fuel_max:
            refuse("too much fuel")
        if sum(len(item.encoded) for item in bodies) > limits.block_bytes_max:
            refuse("too many bytes")

    def _check_certificate(
        self, machine: Machine, certificate: Certificate, signed: Mapping[str, set[votes.Vote]]
    ) -> None:
        """A quorum by plain counting, and each honest signer did sign just that."""
        if certificate in self._passed_certificates:
            return
        self._passed_certificates.add(certificate)
        vote, signers = certificate.vote, set()
        payload, validators = votes.signing_payload(vote, birth.CHAIN_ID), self._at(vote.height).validators
        for index, signature in certificate.signatures:
            if index < len(validators):
                validator = validators[index]
                if vote not in signed.get(validator.member, {vote}):
                    raise Violated(f"N8: {machine.name} holds a certificate in which {validator.member} signs {vote}")
                if sharing.verify(validator.vote_key, payload, signature):
                    signers.add(index)
        if len(signers) < (len(validators) + (len(validators) - 1) // 3 + 2) // 2:
            raise Violated(f"N9: {machine.name} holds a certificate of {len(signers)} for {vote}")

    def _at(self, height: int) -> ValidatorSet:
        validators = self._sets.at(height)
        assert validators is not None, "a block is there, and nobody knows who validated it"
        return validators
