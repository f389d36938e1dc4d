"""R7: what one question costs, by count: rows that a read looks at, and items in its answer, on a chain that is longer
than any page. And once by processor time: no read and no answer holds a loop up for 100 ms."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import msgspec
import pytest

from contracts.executor import Executor
from contracts.genesis_state import GenesisContract
from contracts.kernel import layout
from node import reads
from node.reads import Read
from rpc.backend import PAGE_ITEMS_MAX
from state import codec
from state.codec import Value
from state.keyvalue import Finder
from state.memory import MemoryDatabase
from state.world import World
from tests.contracts.network import CHAIN_ID, address_of, genesis_state
from tests.node.blocks import Blocks

PAYMENTS_PER_BLOCK = 400
ROWS_MAX = 3_200
"""A page of 1,000 with the receipt and the block of each, or 2,048 receipts that are looked through for events."""


class Counting(MemoryDatabase):
    """Counts the rows that are looked at."""

    __slots__ = ("looked",)

    def __init__(self) -> None:
        super().__init__()
        self.looked = 0

    def get(self, key: bytes) -> bytes | None:
        self.looked += 1
        return super().get(key)

    def get_verified(self, key: bytes) -> bytes | None:
        self.looked += 1
        return super().get_verified(key)

    def finder(self) -> Finder:
        return self.get_verified

    def rows(self, start: bytes, stop: bytes | None) -> list[tuple[bytes, bytes]]:
        found = super().rows(start, stop)
        self.looked += len(found)
        return found

    def scan(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False, verify: bool = True
    ) -> Iterator[tuple[bytes, bytes]]:
        found = super().rows(start, stop)
        for row in reversed(found) if reverse else found:
            self.looked += 1
            yield row


@dataclass(frozen=True)
class Chain:
    """An executed chain whose every payment is in ann's history."""

    database: Counting
    executor: Executor
    blocks: Blocks

    def looked(self, read: Read[object], arguments: list[Value]) -> int:
        """Rows that a read looks at."""
        before = self.database.looked
        read.function(self.executor, *arguments)
        return self.database.looked - before


SPINNER = """
from hansa import query

@query
def spin() -> int:
    total = 0
    for index in range(10_000_000):
        total = (total * 31 + index) % 1_000_003
    return total
"""


def make(blocks_count: int) -> Chain:
    genesis = genesis_state()
    genesis = replace(genesis, contracts=(*genesis.contracts, GenesisContract("spinner", SPINNER)))
    database, blocks = Counting(), Blocks()
    executor = Executor(World.open(database), CHAIN_ID, genesis.parameters)
    executor.apply_genesis(genesis)
    executor.execute(*blocks.furnish("ann", "bob"))
    for _ in range(blocks_count):
        payments = [blocks.payment(*pair, 1) for _ in range(PAYMENTS_PER_BLOCK // 2) for pair in BOTH_WAYS]
        executor.execute(*blocks.block(*payments))
    return Chain(database, executor, blocks)


BOTH_WAYS = (("ann", "bob"), ("bob", "ann"))


@pytest.fixture(scope="module")
def chains() -> tuple[Chain, Chain]:
    """One of 1,200 payments, and one of 3,200."""
    return make(3), make(8)


def questions(chain: Chain) -> dict[str, tuple[Read[object], list[Value]]]:
    """The dearest question of each kind."""
    ann = address_of("ann")
    (block, bodies), first = chain.blocks.made[-1], chain.blocks.made[1][1][0].id
    asset = "USD.alpine"
    return {
        "history": (reads.HISTORY, [ann, None, PAGE_ITEMS_MAX]),
        "statement": (reads.STATEMENT, [ann, asset, 0, 2**62, None, PAGE_ITEMS_MAX]),
        "events": (reads.EVENTS, [1, None, PAGE_ITEMS_MAX, None, None, None]),
        "no event": (reads.EVENTS, [1, None, PAGE_ITEMS_MAX, "payments", "no such event", None]),
        "account": (reads.ACCOUNT, [ann, None, PAGE_ITEMS_MAX]),
        "contracts": (reads.CONTRACTS, [None, PAGE_ITEMS_MAX]),
        "block": (reads.BLOCK, [block.height]),
        "receipt": (reads.RECEIPT, [first, 2, 0]),
        "receipt proof": (reads.RECEIPT_PROOF, [bodies[-1].id, block.height, len(bodies) - 1]),
        "a query without an end": (reads.CONTRACT_QUERY, ["spinner", "spin", codec.pack([]), None]),
        "state proof": (reads.STATE_PROOF, [layout.balance_key(ann, asset)]),
        "proof of absence": (reads.STATE_PROOF, [layout.balance_key(ann, "nothing")]),
    }


def test_no_read_looks_at_more_than_so_many_rows(chains: tuple[Chain, Chain]) -> None:
    _, long = chains
    looked = {name: long.looked(*question) for name, question in questions(long).items()}
    assert max(looked.values()) <= ROWS_MAX, looked
    assert looked["history"] > PAGE_ITEMS_MAX, "the count counts"
    assert looked["no event"] > reads.EVENT_RECEIPTS_MAX, "the count counts"
    single = {name: looked[name] for name in ("receipt", "state proof", "proof of absence")}
    assert max(single.values()) <= 40, single


def test_a_longer_chain_makes_no_question_dearer(chains: tuple[Chain, Chain]) -> None:
    """But for what reaches its page's end only there."""
    short, long = chains
    for name in ("history", "statement", "events", "receipt", "receipt proof", "state proof", "block"):
        looked = short.looked(*questions(short)[name]), long.looked(*questions(long)[name])
        assert looked[1] <= looked[0] + 20, (name, looked)


@pytest.mark.full
def test_no_question_takes_100_ms_of_processor_time(chains: tuple[Chain, Chain]) -> None:
    """The read in the execution process, and what the answer takes to be written down, together."""
    _, long = chains
    for name, (read, arguments) in questions(long).items():
        spent = []
        for _ in range(5):
            began = time.process_time()
            answer = read.function(long.executor, *arguments)
            msgspec.json.encode(answer, enc_hook=repr)
            spent.append(time.process_time() - began)
        assert min(spent) < 0.1, (name, spent)
