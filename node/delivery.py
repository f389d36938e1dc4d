"""Delivery: bodies for the blocks that agreement works on, and decided blocks on to chain and execution.

Agreement runs on blocks that list ids. Before this node prepares one it must hold and have verified every body
(rule 5); before it can append and execute a decided one likewise. Bodies that are missing usually are on their way
as gossip, so they are waited for a moment, then asked for: from the proposer first, then from who signed PREPARE.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consensus.events import BlockAvailable, BlockRefused, Decision, Validation
from node.admission import Door
from node.chain import Chain
from node.history import ParameterHistory
from node.seams import Network
from node.timers import Timers
from p2p import bulk
from p2p.bulk import BulkKind
from state import validity
from state.block import Block
from state.digest import DIGEST_BYTES
from state.errors import Invalid, Reason
from state.transaction import Transaction

PATIENCE_MS = 100
"""Missing bodies are on their way: ask only after this."""

ASK_AGAIN_MS = 200
"""Then ask the next source."""

VALIDATIONS_MAX = 64
"""Blocks looked at at once: proposals of different views of one height or two."""


@dataclass(slots=True)
class _Search:
    """A block whose bodies are not all here."""

    block: Block
    sources: tuple[str, ...]
    missing: dict[bytes, None]
    """Entries, in the block's order."""
    wanted: tuple[bytes, ...]
    """What was missing at first."""
    asked_count: int = 0


class Delivery:
    """Finds bodies, checks rule 11, and delivers decided blocks in order.

    :param answer: takes BlockAvailable and BlockRefused.
    :param deliver: takes each decision with the block's bodies, in order of heights.
    """

    def __init__(
        self,
        limits: ParameterHistory,
        chain: Chain,
        door: Door,
        network: Network,
        timers: Timers,
        answer: Callable[[BlockAvailable | BlockRefused], None],
        deliver: Callable[[Decision, list[Transaction]], None],
    ) -> None:
        self._limits = limits
        self._chain = chain
        self._door = door
        self._network = network
        self._timers = timers
        self._answer = answer
        self._deliver = deliver
        self._searches: dict[bytes, _Search] = {}
        self._decided: deque[Decision] = deque()
        self._judged: dict[bytes, None] = {}
        self._complete: dict[bytes, tuple[int, list[Transaction]]] = {}
        """Height and bodies of blocks that are not delivered, once all are here; of VALIDATIONS_MAX blocks at most."""

    @property
    def undelivered(self) -> int:
        """Decided blocks that wait for bodies."""
        return len(self._decided)

    @property
    def search_count(self) -> int:
        """Blocks that are being looked at."""
        return len(self._searches)

    def validate(self, validation: Validation) -> None:
        """Look at a block for agreement."""
        if not self._asks_also(validation.block, validation.sources) and len(self._searches) < VALIDATIONS_MAX:
            self._search(validation.block, validation.sources)

    def decided(self, decision: Decision, sources: Sequence[str]) -> None:
        """A block is decided: deliver it as soon as its bodies are here."""
        self._decided.append(decision)
        block = decision.block
        if not self._asks_also(block, sources) and self.bodies(block) is None:
            self._search(block, tuple(sources))
        self.advance()

    def advance(self) -> None:
        """Bodies may have come in any way: see what can go on."""
        for search in self._searches.values():
            search.missing = {entry: None for entry in search.missing if self._door.find(entry) is None}
        self._go_on()

    def arrived(self, entries: Sequence[bytes]) -> None:
        """The door has let in these that were wanted. While nothing else happens, a block costs nothing here."""
        if not entries:
            return
        for search in self._searches.values():
            for entry in entries:
                search.missing.pop(entry, None)
        self._go_on()

    def _go_on(self) -> None:
        self._look_at_complete()
        while self._decided:
            decision = self._decided[0]
            block = decision.block
            search = self._searches.get(block.digest)
            transactions = None if search is not None and search.missing else self.bodies(block)
            if transactions is None:
                return
            self._decided.popleft()
            self._assert_once(block)
            self._deliver(decision, transactions)
            self._door.release(block)
            self._end(block.digest)
            self._drop_below(block.height)
            self._look_at_complete()  # Its child may have waited for it.

    def _look_at_complete(self) -> None:
        for search in list(self._searches.values()):
            if not search.missing:
                self._look(search)

    def bodies(self, block: Block) -> list[Transaction] | None:
        """The block's verified bodies, in its order; None while some are missing."""
        known = self._complete.get(block.digest)
        if known is not None:
            return known[1]
        found = [self._door.find(entry) for entry in block.entries]
        complete = [transaction for transaction in found if transaction is not None]
        if len(complete) < len(found):
            return None
        if block.height > self._chain.height and len(self._complete) < VALIDATIONS_MAX:
            self._complete[block.digest] = block.height, complete
        return complete

    def _asks_also(self, block: Block, sources: Sequence[str]) -> bool:
        """Whether a block is being looked for; then these are asked too: all that were known before may be liars."""
        search = self._searches.get(block.digest)
        if search is not None:
            search.sources = tuple(dict.fromkeys((*search.sources, *sources)))
        return search is not None

    def _search(self, block: Block, sources: tuple[str, ...]) -> None:
        missing = self._door.missing(block)
        search = _Search(block, sources, dict.fromkeys(missing), tuple(missing))
        self._door.want(search.wanted)
        self._searches[block.digest] = search
        if search.missing:
            self._timers.set(self._timer(search), PATIENCE_MS, lambda: self._ask(search))
        else:
            self._look(search)

    def _look(self, search: _Search) -> None:
        """Every body is here: judge the block, unless its parent is still to come."""
        block = search.block
        if block.height > self._chain.height + 1:
            return
        self._end(block.digest)
        if block.height <= self._chain.height:
            return
        try:
            self._judge(block)
        except Invalid as error:
            self._answer(BlockRefused(block.digest, str(error)))
        else:
            self._judged[block.digest] = None
            self._answer(BlockAvailable(block.digest))

    def _assert_once(self, block: Block) -> None:
        """An id is executed at most once, whoever decided: look at a block that this node has not judged itself."""
        if block.digest not in self._judged:
            for transaction_id in block.transaction_ids():
                assert not self._door.was_decided(transaction_id), (
                    f"block {block.height} was decided and lists {transaction_id.hex()}, which was decided before: "
                    "more than f validators lie"
                )
        self._judged.clear()

    def _judge(self, block: Block) -> None:
        """Rule 11. :raises Invalid: which part of it the block breaks."""
        for entry in block.entries:  # first: the bodies of what is decided are not kept
            if self._door.was_decided(entry[:DIGEST_BYTES]):
                raise Invalid(Reason.DUPLICATE, "it lists a transaction that is already decided")
        transactions = self.bodies(block)
        assert transactions is not None, "a body that was here and is not decided is gone"
        validity.check_body(block, transactions, self._limits.at(block.height))

    def _ask(self, search: _Search) -> None:
        if search.block.digest not in self._searches or not search.missing:
            return
        wanted = [entry for entry in search.missing if not self._door.is_verifying(entry)][: bulk.BODIES_MAX]
        if wanted and search.sources:
            source = search.sources[search.asked_count % len(search.sources)]
            search.asked_count += 1
            self._network.send_bulk(source, BulkKind.GET_BODIES, bulk.encode_get_bodies(wanted))
        self._timers.set(self._timer(search), ASK_AGAIN_MS, lambda: self._ask(search))

    def _end(self, digest: bytes) -> None:
        search = self._searches.pop(digest, None)
        if search is not None:
            self._timers.cancel(self._timer(search))
            self._door.unwant(search.wanted)

    def _drop_below(self, height: int) -> None:
        self._complete = {digest: found for digest, found in self._complete.items() if found[0] > height}
        for search in list(self._searches.values()):
            if search.block.height <= height:
                self._end(search.block.digest)
        if not self._searches and not self._decided:
            self._door.release_all()

    def _timer(self, search: _Search) -> str:
        return f"bodies {search.block.digest.hex()}"
