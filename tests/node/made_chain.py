"""A chain of one validator, made here and written as a node writes it: genesis by the ceremony, signatures and all."""

from dataclasses import dataclass

from contracts.executor import Executor
from genesis.birth import state_at_birth
from genesis.document import Genesis
from node.chain import Chain, Outcome
from node.home import Home
from state import codec, transaction
from state.block import Block, make_block
from state.certificate import Certificate
from state.keys import KeyPair
from state.store import Database
from state.transaction import Body, Call, Transaction
from state.votes import Checkpoint, Commit, signing_payload
from state.world import World


@dataclass
class Maker:
    """A network of one validator, its chain and its state, written as a node writes them."""

    home: Home
    genesis: Genesis
    vote: KeyPair
    account: KeyPair

    def __post_init__(self) -> None:
        self.state = Database.open(self.home.state, create=True)
        self.database = Database.open(self.home.chain, create=True)
        self.executor = Executor(World.open(self.state), self.genesis.chain_id, self.genesis.parameters)
        self.executor.apply_genesis(state_at_birth(self.genesis))
        self.chain = Chain(self.database, self.home.anchor)
        self.time_ms = self.genesis.time_ms
        self.certificate: Certificate | None = None

    def certified(self, vote: Commit | Checkpoint) -> Certificate:
        return Certificate(vote, ((0, self.vote.sign(signing_payload(vote, self.genesis.chain_id))),))

    def call(self, method: str, arguments: list[codec.Value]) -> Transaction:
        member = self.genesis.members[0]
        call = Call("bank_money", 1, method, arguments)
        identity, until_ms = self.time_ms.to_bytes(16, "big"), self.time_ms + 60_000
        sender = self.genesis.account_address(member)
        body = Body(self.genesis.chain_id, sender, identity, until_ms, None, 1_000_000, (call,), ())
        return transaction.sign(body, [self.account])

    def block(self, bodies: list[Transaction]) -> Block:
        self.time_ms += 1_000
        return make_block(
            chain_id=self.genesis.chain_id,
            height=self.chain.height + 1,
            parent=self.chain.digest,
            parent_certificate=self.certificate,
            timestamp_ms=self.time_ms,
            proposer=self.vote.public,
            entries=[body.entry for body in bodies],
            validators_digest=self.genesis.validators().digest,
        )

    def add(self, bodies: list[Transaction], block: Block | None = None) -> None:
        block = block or self.block(bodies)
        self.certificate = self.certified(Commit(block.height, 0, block.digest))
        self.chain.append(block, self.certificate, [body.encoded for body in bodies], b"")
        result = self.executor.execute(block, bodies)
        sets = result.next_validators
        self.chain.put_outcome(block.height, Outcome(result.state_root, result.receipts_root, sets))
        vote = Checkpoint(block.height, block.digest, result.state_root, result.receipts_root, sets.digest)
        self.chain.put_checkpoint(self.certified(vote))

    def close(self) -> None:
        self.chain.close()
        self.state.close()
