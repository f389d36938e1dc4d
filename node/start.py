"""Starting again: what chain and journal say, brought to one state from which agreement goes on.

The chain's rows, the world state and the journal reach the disk at different moments. Only the journal is synced at
every step, so after a power failure the chain may end before it; then decided blocks are taken from the journal.
The world state may end before the chain, or, after a kill, a little behind it or ahead of what the chain has noted;
blocks without a noted outcome are executed again, and execution answers from its records for those it has.
"""

from collections.abc import Generator
from pathlib import Path

from consensus.events import Decision
from consensus.rotation import Rotation, first_rotation, next_rotation
from consensus.start import StartState
from node.chain import MOVE_AWAY, Chain, Outcome
from node.history import ValidatorHistory
from node.records import Recovered
from node.signer import Signer
from p2p.bulk import DecidedBlock
from state import transaction
from state.block import Block
from state.errors import Corrupt
from state.transaction import Transaction
from state.votes import Checkpoint


def check_network(chain: Chain, chain_id: bytes, genesis_path: Path) -> None:
    """:raises Corrupt: the chain on this disk is another network's than the genesis document."""
    newest = chain.decided(chain.height)
    if newest is not None and newest.block.header.chain_id != chain_id:
        raise Corrupt(
            f"{genesis_path} is not the genesis document of the chain in this home: it gives chain id "
            f"0x{chain_id.hex()}, and block {chain.height} is of 0x{newest.block.header.chain_id.hex()}. The file is "
            "damaged or another network's: copy it from another node."
        )


def replay(
    chain: Chain, recovered: Recovered, history: ValidatorHistory, world_height: int
) -> Generator[tuple[Block, list[Transaction]], Outcome, int]:
    """Append what only the journal has, and have executed what the world lacks or the chain has not noted.

    :param world_height: the height of the world state on disk.

    Yields blocks with their bodies, in order; the caller sends each one's outcome. Returns the executed height, with
    the chain durable: after a kill it may hold a block whose decision died in the journal's buffer, and the journal
    leads on from no block that a later power failure takes away.

    :raises Corrupt: the chain lacks what was durable.
    """
    if chain.first_height > 1 and world_height < chain.first_height:
        raise Corrupt(
            f"The world state is of height {world_height}, and this chain begins at block {chain.first_height}, so it "
            f"can't be rebuilt here. {MOVE_AWAY}"
        )
    height = min(chain.height, world_height)
    while height and chain.outcome(height) is None:
        height -= 1
    while True:
        decided = chain.decided(height + 1) or _append(chain, recovered, history, height + 1)
        if decided is None:
            chain.check_anchor()  # Syncing moves the anchor: afterwards it knows of nothing that is lost.
            chain.sync()
            return height
        outcome = yield decided.block, [transaction.decode(encoded) for encoded in decided.transactions]
        height += 1
        history.executed(height, outcome.validators)
        chain.put_outcome(height, outcome)


def kept_bodies(chain: Chain, recovered: Recovered) -> list[Transaction]:
    """Bodies of undecided blocks that the journal keeps: this node may be the last that has them (rule 5)."""
    return [
        transaction.decode(encoded)
        for block, transactions in recovered.blocks.values()
        if block.height > chain.height and transactions is not None
        for encoded in transactions
    ]


def start_state(
    chain: Chain, signer: Signer | None, history: ValidatorHistory, lag: int, executed_height: int
) -> StartState:
    """Where a replica goes on, once ``replay`` is done."""
    first = max(chain.first_height, chain.height - 2 * lag)
    last = chain.decided(chain.height)
    decision = None
    if last is not None:
        decision = Decision(last.block, last.certificate, Rotation.decode(chain.rotation))
    certificates = (chain.checkpoint(height) for height in range(first, chain.height + 1))
    return StartState(
        decided=decision,
        executed_height=executed_height,
        validators=tuple((height, history.at(height)) for height in range(first, executed_height + lag + 1)),
        certified=tuple(certificate for certificate in certificates if certificate is not None),
        checkpoints=() if signer is None else signer.checkpoints(first),
        results=tuple(_result(chain, height) for height in range(first, executed_height + 1)),
        signed=() if signer is None else signer.signed_above(chain.height),
    )


def _result(chain: Chain, height: int) -> Checkpoint:
    """What executing a height gave here."""
    decided, outcome = chain.decided(height), chain.outcome(height)
    assert decided is not None
    assert outcome is not None
    return Checkpoint(
        height, decided.block.digest, outcome.state_root, outcome.receipts_root, outcome.validators.digest
    )


def _append(chain: Chain, recovered: Recovered, history: ValidatorHistory, height: int) -> DecidedBlock | None:
    """The next block from the journal, appended; None when it is not there or does not lead on."""
    decided = recovered.decided(height)
    if decided is None or decided.block.header.parent != chain.digest:
        return None
    if height == 1:
        rotation = first_rotation(history.at(1))
    else:
        parent = chain.decided(height - 1)
        assert parent is not None
        rotation = next_rotation(Rotation.decode(chain.rotation), parent.block, history.at(height))
    chain.append(decided.block, decided.certificate, decided.transactions, rotation.encode())
    return decided
