"""Snapshots for others: this node answers who fetches its state, apart from agreement.

What is asked comes off the bulk link and never passes through the driver. Leaves are read in the execution process
between two blocks, some ten milliseconds at a time, headers in the chain; each member has an allowance, as for blocks,
and one question at a time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from node import reads
from node.chain import Chain
from node.execution import Reader
from node.seams import Clock, Network
from node.serving import Allowances
from p2p import bulk, snapshots
from p2p.bulk import BulkKind
from p2p.snapshots import Offer
from state.block import Block
from state.errors import Invalid, Reason
from state.succession import Change

QUESTIONS_MAX = 4
"""Of one member that wait; more are not answered."""

CHANGES_AT_ONCE = 256
"""Changes of the validators that are read at once."""

PAST_NOTHING = b""
"""The answer where there is no such snapshot."""

REQUESTS = frozenset({BulkKind.GET_SNAPSHOT, BulkKind.GET_CUTS, BulkKind.GET_LEAVES, BulkKind.GET_HEADERS})
"""Kinds of frames that are answered here."""

Changes: TypeAlias = Callable[[int, int], Awaitable[Sequence[Change]]]
"""Changes of the validators above a height, so many at most."""

logger = logging.getLogger("hansa.node")


class SnapshotServer:
    """Answers who fetches the state.

    :param changes: see ``Changes``.
    """

    def __init__(self, chain: Chain, execution: Reader, changes: Changes, network: Network, clock: Clock) -> None:
        self._chain = chain
        self._execution = execution
        self._changes = changes
        self._network = network
        self._allowances = Allowances(clock)
        self._waiting: dict[str, list[tuple[int, bytes]]] = {}
        """Questions by member; while any wait, a task answers them in order."""
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def asked(self, member: str, kind: int, payload: bytes) -> None:
        """A question has come."""
        waiting = self._waiting.setdefault(member, [])
        if len(waiting) >= QUESTIONS_MAX or not self._allowances.may_ask(member):
            return
        waiting.append((kind, payload))
        if member not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._answer_all(member), name="serving a snapshot")
            self._tasks[member] = task
            task.add_done_callback(lambda _: self._tasks.pop(member, None))

    async def idle(self) -> None:
        """Every question so far is answered."""
        await asyncio.gather(*self._tasks.values())

    async def stop(self) -> None:
        """Answer nothing any more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer_all(self, member: str) -> None:
        waiting = self._waiting[member]
        while waiting:
            kind, payload = waiting.pop(0)
            try:
                await self._answer(member, kind, payload)
            except Invalid as refusal:
                facts = {"peer": member, "reason": str(refusal)}
                logger.warning("a question about a snapshot was refused", extra={"facts": facts})

    async def _answer(self, member: str, kind: int, payload: bytes) -> None:
        """:raises Invalid: the question is none, or can't be answered now."""
        if kind == BulkKind.GET_SNAPSHOT:
            offer = await self._offer(snapshots.decode_height(payload))
            self._send(member, BulkKind.SNAPSHOT, PAST_NOTHING if offer is None else offer.encode())
        elif kind == BulkKind.GET_CUTS:
            cuts = await self._execution.read(reads.CUTS, snapshots.decode_height(payload))
            self._pass_on(member, BulkKind.CUTS, cuts)
        elif kind == BulkKind.GET_LEAVES:
            height, start, stop = snapshots.decode_get_leaves(payload)
            leaves = await self._execution.read(reads.LEAVES, height, start, stop)
            self._pass_on(member, BulkKind.LEAVES, leaves)
        elif kind == BulkKind.GET_HEADERS:
            await self._headers(member, *snapshots.decode_get_headers(payload))

    async def _offer(self, height: int) -> Offer | None:
        """What can be fetched, of that height or the newest; None if nothing can."""
        for held, root in (await self._execution.read(reads.PINS)).pins:
            checkpoint, rotation = self._chain.checkpoint(held), self._chain.rotation_at(held)
            decided = self._chain.decided(held)
            if height not in (0, held) or checkpoint is None or rotation is None or decided is None:
                continue
            found = Offer(decided.block, decided.certificate, checkpoint, rotation, await self._changes_to(held))
            return found if found.result.state_root == root else None
        return None

    async def _changes_to(self, height: int) -> tuple[Change, ...]:
        """Every change of the validators whose certificate is of that height or below."""
        found: list[Change] = []
        while True:
            after = found[-1].first_height if found else 0
            page = await self._changes(after, CHANGES_AT_ONCE)
            found += [change for change in page if change.certificate.vote.height <= height]
            if len(page) < CHANGES_AT_ONCE or len(found) > snapshots.CHANGES_MAX:
                return tuple(found[: snapshots.CHANGES_MAX])

    async def _headers(self, member: str, height: int, count: int) -> None:
        blocks: list[Block] = []
        size = 0
        while len(blocks) < count and height - len(blocks) >= 1 and size < bulk.ANSWER_BYTES_TARGET:
            block = self._chain.header(height - len(blocks))
            if block is None:
                break
            blocks.append(block)
            size += len(block.encoded_header) + sum(map(len, block.entries))
            await asyncio.sleep(0)  # A large block takes a millisecond.
        if not blocks and 1 <= height < self._chain.first_height:
            self._send(member, BulkKind.PRUNED, bulk.encode_pruned(self._chain.first_height))
        else:
            self._send(member, BulkKind.HEADERS, snapshots.encode_headers(blocks))

    def _pass_on(self, member: str, kind: BulkKind, answer: reads.PackedAnswer) -> None:
        self._send(member, kind, PAST_NOTHING if answer.packed is None else answer.packed)

    def _send(self, member: str, kind: BulkKind, payload: bytes) -> None:
        if len(payload) > bulk.BULK_BYTES_MAX - 64:
            raise Invalid(Reason.TOO_LARGE, "the answer is larger than one message")
        self._allowances.charge(member, len(payload))
        self._network.send_bulk(member, kind, payload)
