"""Recording: what must be in the journal before anything leaves, and what may leave once it is.

Requests to sign go to the signer, which writes them to the journal; their blocks go there before, with the bodies that
are here. PREPAREs and COMMITs are synced at once, at two syncs a height. CHECKPOINTs, and the decisions of who only
observes, ride on the next sync, or on one of their own when none comes soon.
"""

from collections.abc import Callable, Sequence

from consensus.events import Decision
from consensus.safety import SignRequest
from node import records
from node.chain import Chain
from node.history import ValidatorHistory
from node.journal import Journal
from node.signer import Answer, Signer
from node.timers import Timers
from state.block import Block
from state.transaction import Transaction
from state.votes import Checkpoint

LAZY_SYNC_MS = 100
"""What rides on the next journal write waits so long for one: longer than blocks are apart while there is work."""

JOURNAL_BYTES_MAX = 64 * 1024 * 1024
"""Beyond this the journal is compacted once a height is appended."""

JOURNAL_HEIGHTS_MAX = 8_192
"""And after so many heights: small blocks take long to reach those bytes, and a start reads every record and signs
every vote again, 0.12 ms a height."""

WITHOUT_BODIES, WITH_BODIES = 0, 1
"""How a block of the undecided height stands in the journal."""


class Recorder:
    """Keeps the journal of one node.

    :param signer: None for an observer.
    :param bodies: a block's verified bodies, None while some are missing.
    """

    def __init__(
        self,
        journal: Journal,
        signer: Signer | None,
        chain: Chain,
        validators: ValidatorHistory,
        timers: Timers,
        bodies: Callable[[Block], list[Transaction] | None],
    ) -> None:
        self._journal = journal
        self._signer = signer
        self._chain = chain
        self._validators = validators
        self._timers = timers
        self._bodies = bodies
        self._next_token = 0
        self._syncing_token = 0
        self._journalled: dict[bytes, int] = {}
        self._heights = 0

    def sign(self, requests: Sequence[SignRequest]) -> None:
        """Have votes signed; ``synced`` gives the answers when all of them are durable."""
        if not requests or self._signer is None:
            return
        for request in requests:
            if request.block is not None:
                self._journal_block(request.block)
        self._next_token += 1
        self._signer.request(self._next_token, requests, self._validators.at)
        if all(isinstance(request.vote, Checkpoint) for request in requests):
            self._sync_soon()
        else:
            self._sync()

    def synced(self, token: int) -> list[Answer]:
        """The journal is durable up to ``token``: what may leave now."""
        return [] if self._signer is None else self._signer.synced(token)

    def decided(self, decision: Decision) -> None:
        """A block is decided, and about to be appended to the chain."""
        self._journal_block(decision.block)
        self._journal.append(records.decided_record(decision.certificate))
        validators = self._validators.at(decision.block.height)
        if self._signer is None or not self._signer.signs_in(validators):
            self._next_token += 1
            self._sync_soon()

    def appended(self) -> None:
        """The chain has the block: nothing of the undecided height is in the journal yet."""
        self._journalled.clear()
        self._heights += 1
        if self._journal.size_bytes > JOURNAL_BYTES_MAX or self._heights >= JOURNAL_HEIGHTS_MAX:
            self.compact()

    def compact(self) -> None:
        """Make the chain durable, then let the journal forget what the chain has."""
        self._heights = 0
        self._chain.sync()
        kept = [] if self._signer is None else self._signer.kept()
        kept = [request for request in kept if request.vote.height > self._chain.height]
        blocks: dict[bytes, Block] = {
            request.block.digest: request.block for request in kept if request.block is not None
        }
        snapshot = [records.block_record(block, self._encoded(block)) for block in blocks.values()]
        snapshot.extend(records.request_record(request) for request in kept)
        if self._signer is not None:
            snapshot.append(records.safety_record(self._signer.record))
        self._journal.compact(snapshot)
        self._journalled = {
            block.digest: WITHOUT_BODIES if self._bodies(block) is None else WITH_BODIES for block in blocks.values()
        }

    def _journal_block(self, block: Block) -> None:
        """A block goes to the journal before anything signed about it, and its bodies as soon as they are here."""
        known = self._journalled.get(block.digest)
        if known == WITH_BODIES:
            return
        encoded = self._encoded(block)
        if encoded is not None or known is None:
            self._journal.append(records.block_record(block, encoded))
            self._journalled[block.digest] = WITHOUT_BODIES if encoded is None else WITH_BODIES

    def _encoded(self, block: Block) -> list[bytes] | None:
        bodies = self._bodies(block)
        return None if bodies is None else [transaction.encoded for transaction in bodies]

    def _sync_soon(self) -> None:
        if not self._timers.is_running("lazy sync"):
            self._timers.set("lazy sync", LAZY_SYNC_MS, self._sync)

    def _sync(self) -> None:
        """Make the journal durable up to the newest token."""
        if self._syncing_token < self._next_token:
            self._syncing_token = self._next_token
            self._timers.cancel("lazy sync")
            self._journal.sync(self._next_token)
