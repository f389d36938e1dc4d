"""Rollback: a stopped node is taken back to an earlier height, from which it goes on with what its peers send.

Everything in a chain is decided, and what this node has reported final it has promised. So nothing here undoes a
decision: the network keeps it, and the same blocks come again. It is for a node alone that is to execute some heights
anew. What its key has signed is never taken back: the journal keeps every vote and forgets only the decisions above
the height, and the home gets the note of node/restored.py.

The world state is rebuilt from the chain, so the chain must begin with block 1.
"""

import os
import shutil
from dataclasses import dataclass

from consensus.rotation import first_rotation, next_rotation
from genesis.document import Genesis
from node import journal, records
from node.ceremony import read_genesis
from node.chain import Chain
from node.history import ValidatorHistory
from node.home import Home
from node.journal import Record
from node.opening import lock_home
from node.restored import Restored, write_note
from state import codec
from state.anchor import Anchor, write_anchor
from state.certificate import Certificate
from state.digest import NO_DIGEST
from state.errors import Invalid, Reason
from state.store import Database

ROWS_BY_HEIGHT = (b"b", b"x", b"c", b"r")
"""Rows of the chain that stand under their own height (node/chain.py)."""

BLOCKS_MAX = 10_000
"""Blocks that are given up in one write. Whoever is to go back further fetches the chain anew."""


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What was done."""

    from_height: int
    height: int


def roll_back(home: Home, height: int, *, is_abstaining: bool, is_observer: bool) -> RolledBack:
    """Take a home back to ``height``.

    :param is_abstaining: a validator is to abstain afterwards until what it signed cannot matter (rule 3).
    :param is_observer: whoever asks knows that this home observes.
    :raises Invalid: CONFLICT with the reason why not. :raises Corrupt: what is there can't be read.
    """
    genesis = read_genesis(home.genesis)
    if not home.chain.is_dir():
        raise Invalid(Reason.UNKNOWN, f"{home.chain} is not there: this node has never run")
    lock = lock_home(home)
    try:
        database = Database.open(home.chain)
        try:
            return _roll_back(home, genesis, database, height, is_abstaining=is_abstaining, is_observer=is_observer)
        finally:
            database.close()
    finally:
        os.close(lock)


def _roll_back(
    home: Home, genesis: Genesis, database: Database, height: int, *, is_abstaining: bool, is_observer: bool
) -> RolledBack:
    chain = Chain(database, None)
    first = getattr(chain, "first_height", 1)
    _guard(home, genesis, chain, height, first, is_abstaining=is_abstaining, is_observer=is_observer)
    kept = _without_decisions_above(journal.recover(home.journal), height)
    rotation = _rotation_at(chain, genesis, height)
    last = chain.decided(height)
    assert last is not None
    from_height = chain.height
    # In this order, each durable before the next: a crash between any two leaves a home that starts and is safe.
    write_note(home.data, Restored("by hansa rollback", from_height))
    shutil.rmtree(home.state, ignore_errors=True)
    write_anchor(home.anchor, Anchor(height, last.block.digest, NO_DIGEST))
    journal.replace(home.journal, kept)
    changes = _without_blocks_above(chain, height, genesis.parameters.execution_lag)
    changes[b"m"] = codec.pack([height, last.block.digest, rotation])
    database.write(changes, sync=True)
    return RolledBack(from_height, height)


def _guard(
    home: Home, genesis: Genesis, chain: Chain, height: int, first: int, *, is_abstaining: bool, is_observer: bool
) -> None:
    """:raises Invalid: CONFLICT, why this must not be done."""
    votes = home.vote_key.exists()
    if not 1 <= height < chain.height:
        refusal = f"the chain in {home.path} ends at height {chain.height}: name a height from 1 to {chain.height - 1}"
    elif chain.height - height > BLOCKS_MAX:
        refusal = (
            f"{height} is more than {BLOCKS_MAX} heights back: move data/chain, data/state and data/anchor away "
            "together and start, then the node fetches the chain anew"
        )
    elif first > 1:
        refusal = (
            f"the chain in {home.path} begins at block {first}, so its state can't be rebuilt from it: move "
            "data/chain, data/state and data/anchor away together and start, then it joins by a snapshot again"
        )
    elif len(genesis.validators().validators) == 1 and votes:
        refusal = "this is the only validator: nobody else has what would be given up, and it is final"
    elif votes and not is_abstaining:
        refusal = (
            f"{home.path} votes, and what lies above height {height} is final: clients were told so. With --abstain "
            "it goes back nevertheless, keeps its vote record, and signs nothing until others have decided beyond it"
        )
    elif not votes and not is_observer:
        refusal = (
            f"what lies above height {height} is final, and this observer has answered from it. With --observer it is "
            "taken back nevertheless, and answers from there until it has caught up"
        )
    else:
        return
    raise Invalid(Reason.CONFLICT, refusal)


def _without_decisions_above(recovered: list[Record], height: int) -> list[Record]:
    """Every record but of decisions above the height, which would be put into the chain again at the next start."""
    return [
        record
        for record in recovered
        if record.kind != records.DECIDED
        or Certificate.from_value(codec.unpack(record.payload, journal.RECORD_BYTES_MAX)).vote.height <= height
    ]


def _rotation_at(chain: Chain, genesis: Genesis, height: int) -> bytes:
    """The rotation of primaries at a height, computed from block 1 on as every node does."""
    history = ValidatorHistory(genesis.validators(), genesis.parameters.execution_lag, chain)
    rotation = first_rotation(history.at(1))
    previous = None
    for decided in chain.blocks(1):
        if previous is not None:
            rotation = next_rotation(rotation, previous, history.at(decided.block.height))
        if decided.block.height == height:
            break
        previous = decided.block
    return rotation.encode()


def _without_blocks_above(chain: Chain, height: int, lag: int) -> dict[bytes, bytes | None]:
    """What deletes every row of later blocks."""
    changes: dict[bytes, bytes | None] = {}
    for above in range(height + 1, chain.height + 1):
        decided = chain.decided(above)
        number = above.to_bytes(8, "big")
        if decided is not None:
            changes[b"d" + decided.block.digest] = None
            changes |= {b"t" + identity: None for identity in decided.block.transaction_ids()}
        changes |= {kind + number: None for kind in ROWS_BY_HEIGHT}
        changes[b"v" + (above + lag).to_bytes(8, "big")] = None
    return changes
