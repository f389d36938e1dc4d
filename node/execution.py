"""Execution: who owns the world state, runs blocks on it, and answers reads of it.

Two implementations behind one interface. ``InlineExecution`` here runs everything at once, in the caller's own
thread: for tests, the simulator, and inside the execution process. ``node.execution_process.ProcessExecution`` has
a process of its own, so that a long block delays no vote and nothing that escapes from a contract shares memory
with a key.

Blocks and reads are served in the order in which they were asked for, so a read sees whole blocks only.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from contracts.executor import Executor
from contracts.kernel import members, parameters
from contracts.reads import Reads
from node.chain import Outcome
from node.execution_frames import Opened
from node.reads import Read
from node.seams import Event, Executed, Failed
from state.block import Block
from state.codec import Value
from state.errors import Corrupt
from state.transaction import Transaction

Answer = TypeVar("Answer")


class Reader(Protocol):
    """Where the executed state can be asked."""

    async def read(self, read: Read[Answer], *arguments: Value) -> Answer:
        """The answer on the state after the latest executed block.

        :raises Invalid: as the read does; UNAVAILABLE or FULL where there is no answer to be had now.
        """


class NodeExecution(Reader, Protocol):
    """All that the daemon asks of either implementation."""

    @property
    def opened(self) -> Opened:
        """Where the world state stood when it was opened."""

    def execute(self, block: Block, transactions: Sequence[Transaction]) -> None:
        """See ``node.seams.Execution``. A block that was executed before is answered from what is on record."""

    async def replay(self, block: Block, transactions: Sequence[Transaction]) -> Executed:
        """Execute a block of the chain before agreement begins. :raises Corrupt: the disk refuses."""

    async def close(self) -> None:
        """Finish what was asked for, and end."""


class InlineExecution:
    """Execution in the caller's own process and thread."""

    def __init__(self, executor: Executor, post: Callable[[Event], None]) -> None:
        self._executor = executor
        self._post = post
        self._opened = opened_of(executor)

    @property
    def opened(self) -> Opened:
        """Where the world state stood at the start."""
        return self._opened

    def execute(self, block: Block, transactions: Sequence[Transaction]) -> None:
        """See ``node.seams.Execution``; the answer is posted before this returns."""
        try:
            event: Event = run_block(self._executor, block, transactions)
        except Corrupt as failure:
            event = Failed(failure)
        self._post(event)

    async def replay(self, block: Block, transactions: Sequence[Transaction]) -> Executed:
        """Execute a block of the chain before agreement begins. :raises Corrupt: the disk refuses."""
        return run_block(self._executor, block, transactions)

    async def read(self, read: Read[Answer], *arguments: Value) -> Answer:
        """See ``Reader``."""
        return read.function(self._executor, *arguments)

    async def close(self) -> None:
        """Nothing to end: the executor is its maker's."""


def opened_of(executor: Executor) -> Opened:
    """Where an executor's world stands."""
    world = executor.world
    overlay = executor.overlay()
    known = ((0, parameters.in_force(overlay)), *parameters.ahead(overlay))
    return Opened(world.height, world.block_digest, world.root, executor.next_due_ms(), executor.quota()[0], known)


def run_block(executor: Executor, block: Block, transactions: Sequence[Transaction]) -> Executed:
    """Execute a block, or say again what executing it gave: a world state may have outlived the note of it.

    :raises Corrupt: another block was executed at that height.
    """
    if block.height > executor.world.height:
        result = executor.execute(block, transactions)
        outcome = Outcome(result.state_root, result.receipts_root, result.next_validators)
        codes = [receipt.code for receipt in result.receipts]
        return Executed(
            result.height,
            outcome,
            tuple(codes[result.runs :]),
            tuple(codes[: result.runs]),
            result.next_due_ms,
            result.quota,
            result.payer_banks,
            parameters.ahead(executor.overlay()),
            members.changed_height(executor.overlay(), result.height),
        )
    reads, height = Reads(executor), block.height
    noted = reads.result(height)
    if noted.block_digest != block.digest:
        raise Corrupt(
            f"The world state was made by another block {height} than the chain holds. Delete the state directory and "
            "start again: the node rebuilds its state from the chain."
        )
    validators = reads.validators(height + executor.parameters.execution_lag)
    codes = [reads.receipt(height, index).code for index in range(noted.count)]
    outcome = Outcome(reads.state_root(height), noted.receipts_root, validators)
    # Of the newest state, which is at that height or ahead of it: what is said for the last of them holds.
    next_due_ms, (quota, payer_banks) = executor.next_due_ms(), executor.quota(transactions)
    run_codes = tuple(codes[: noted.runs])
    return Executed(
        height,
        outcome,
        tuple(codes[noted.runs :]),
        run_codes,
        next_due_ms,
        quota,
        payer_banks,
        parameters.ahead(executor.overlay()),
        members.changed_height(executor.overlay(), executor.world.height),
    )
