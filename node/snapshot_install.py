"""Installing a snapshot: chain and state are built beside the data directory's own, and moved there when whole.

    data/joining/state     leaves that are proven, then the rows that follow from them, then the head
    data/joining/chain     ids of the window, the snapshot's block, who validated
    data/joining/anchor
    data/joining/complete  written and synced when all of the above are durable

A start that finds ``complete`` finishes the moves; one that finds the directory without it begins again with nothing.
So there is never half a state, whenever the process dies. Only what is proven is written at all.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from contracts.settled import Settled, result_row
from node.chain import Beginning, Chain, Outcome
from node.home import Home
from p2p.bulk import DecidedBlock
from p2p.snapshots import Offer
from state.block import Block
from state.errors import Invalid, Reason, StorageFailure
from state.snapshot import Leaf
from state.store import Database
from state.succession import Succession
from state.world import EXTRA, head_rows, leaf_row

COMPLETE = "complete"


def is_empty(home: Home) -> bool:
    """Whether nothing of a chain is in this home, so that it can begin with a snapshot."""
    return not any(path.exists() for path in (home.chain, home.state, home.anchor))


def recover(home: Home) -> None:
    """What an earlier life has left: finish the moves of what was complete, forget what was not.

    :raises StorageFailure: the disk refuses.
    """
    if not home.joining.exists():
        return
    try:
        if (home.joining / COMPLETE).exists():
            _move(home)
        shutil.rmtree(home.joining)
        _sync_directory(home.data)
    except OSError as error:
        raise StorageFailure(
            f"{home.joining} can't be moved to where it belongs: {error}. Check the disk and start again."
        ) from error


class Installation:
    """One snapshot on its way to the disk.

    :param window_ms: the parameter transaction_window_ms of genesis.
    """

    def __init__(self, home: Home, offer: Offer, window_ms: int) -> None:
        """:raises StorageFailure: the disk refuses, here and below."""
        self._home = home
        self._offer = offer
        self._settled = Settled(offer.height, offer.block.header.timestamp_ms, window_ms)
        home.joining.mkdir(parents=True)
        self._state = Database.open(home.joining / "state", create=True)
        self._chain = Chain(Database.open(home.joining / "chain", create=True), self._anchor)

    @property
    def window_ms(self) -> int:
        """How far back ids count that are known from the leaves so far."""
        return self._settled.window_ms

    @property
    def _anchor(self) -> Path:
        return self._home.joining / "anchor"

    def put_leaves(self, leaves: Sequence[Leaf]) -> None:
        """Leaves that are proven."""
        rows: dict[bytes, bytes | None] = {}
        for key, value in leaves:
            name, row = leaf_row(key, value)
            rows[name] = row
            for extra, derived in self._settled.rows(key, value).items():
                rows[EXTRA + extra] = derived
        self._state.write(rows, sync=False)

    def put_past(self, blocks: Sequence[Block]) -> None:
        """Blocks below the snapshot's, whose ids count."""
        self._chain.put_past(blocks)

    def finish(self, decided: DecidedBlock, followed: Succession) -> None:
        """All leaves and all ids are there: make it durable, and the node's own.

        :param decided: the snapshot's block with its bodies.
        :param followed: the validators, as the offer proves them.
        :raises Invalid: BAD_PROOF, the state names other validators than are certified.
        """
        offer, result = self._offer, self._offer.result
        sets = dict(self._settled.sets())
        next_set = sets[max(first for first in sets if first <= offer.height + followed.lag)]
        if next_set.digest != result.validators_digest:
            raise Invalid(Reason.BAD_PROOF, "the state names other validators than are certified")
        rows = head_rows(offer.height, offer.block.digest, result.state_root)
        name, row = result_row(
            offer.height, offer.block.digest, result.receipts_root, offer.block.header.timestamp_ms
        )
        rows[EXTRA + name] = row
        self._state.write(rows, sync=True)
        self._state.close()
        begun = {change.first_height: change.validators for change in followed.changes}
        begun |= {first: validators for first, validators in sets.items() if first > offer.height}
        self._chain.begin(
            Beginning(
                decided,
                offer.rotation,
                Outcome(result.state_root, result.receipts_root, next_set),
                offer.checkpoint,
                sorted(begun.items()),
                [change.certificate for change in followed.changes],
            )
        )
        self._chain.close()
        _mark_complete(self._home)
        recover(self._home)

    def abandon(self) -> None:
        """It can't be finished: nothing of it stays."""
        self._state.close()
        self._chain.close()
        shutil.rmtree(self._home.joining, ignore_errors=True)


def _mark_complete(home: Home) -> None:
    try:
        with (home.joining / COMPLETE).open("xb") as file:
            os.fsync(file.fileno())
        _sync_directory(home.joining)
    except OSError as error:
        raise StorageFailure(f"{home.joining} can't be written: {error}. Check the disk and start again.") from error


def _move(home: Home) -> None:
    for target in (home.state, home.chain, home.anchor):
        source = home.joining / target.name
        if source.exists():
            os.rename(source, target)
    _sync_directory(home.data)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
