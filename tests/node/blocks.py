"""Blocks without agreement, for tests of execution: customers of two banks and payments between them."""

from dataclasses import dataclass, field

from node.execution_frames import Place
from state.block import Block, make_block
from state.certificate import Certificate
from state.codec import Value
from state.digest import NO_DIGEST
from state.store import WRITE_BUFFER_BYTES
from state.transaction import Body, Call, Transaction, sign
from state.votes import Commit
from tests.contracts.network import CHAIN_ID, GENESIS_MS, SALT, address_of, genesis_state, key_of


def place(directory: str) -> Place:
    """What an execution process is given."""
    return Place(directory, CHAIN_ID, genesis_state(), WRITE_BUFFER_BYTES)


@dataclass
class Blocks:
    """Makes blocks that follow each other."""

    height: int = 0
    parent: bytes = NO_DIGEST
    time_ms: int = GENESIS_MS
    count: int = 0
    made: list[tuple[Block, tuple[Transaction, ...]]] = field(default_factory=list)

    def transaction(self, sender: str, contract: str, method: str, arguments: list[Value]) -> Transaction:
        """A transaction of the account by that name, signed by its key."""
        self.count += 1
        identity = self.count.to_bytes(16, "big")
        call = Call(contract, 1, method, arguments)
        until_ms = self.time_ms + 600_000
        body = Body(CHAIN_ID, address_of(sender), identity, until_ms, None, 50_000_000, (call,), ())
        return sign(body, [key_of(sender)])

    def block(self, *transactions: Transaction) -> tuple[Block, tuple[Transaction, ...]]:
        """The next block and its bodies."""
        self.height += 1
        self.time_ms += 1_000
        certificate = Certificate(Commit(self.height - 1, 0, self.parent), ()) if self.height > 1 else None
        block = make_block(
            chain_id=CHAIN_ID,
            height=self.height,
            parent=self.parent,
            parent_certificate=certificate,
            timestamp_ms=self.time_ms,
            proposer=key_of("alpine vote").public,
            entries=[transaction.entry for transaction in transactions],
            validators_digest=NO_DIGEST,
        )
        self.parent = block.digest
        self.made.append((block, transactions))
        return block, transactions

    def furnish(self, *names: str) -> tuple[Block, tuple[Transaction, ...]]:
        """A block that opens accounts at alpine for these names, with 10,000 cents each."""
        customers: list[Value] = [[key_of(name).public, SALT] for name in names]
        deposits: list[Value] = [[address_of(name), 10_000] for name in names]
        return self.block(
            self.transaction("alpine", "accounts", "register", [customers]),
            self.transaction("alpine", "bank_money", "create", ["USD"]),
            self.transaction("alpine", "bank_money", "mint", ["USD", deposits, "opening"]),
        )

    def payment(self, payer: str, payee: str, amount: int) -> Transaction:
        """A payment inside alpine."""
        return self.transaction(payer, "payments", "pay", [address_of(payee), "USD", amount, "rent"])
