"""What a replica is given when it starts: who it is, and where the chain stands."""

from dataclasses import dataclass

from consensus.events import Signed
from consensus.messages import SignedVote
from consensus.rotation import Rotation
from state.block import Block
from state.certificate import Certificate
from state.parameters import ChainParameters
from state.validators import ValidatorSet


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this node is on which chain; fixed while it runs."""

    vote_key: bytes | None
    """Own public vote key; None for an observer. A key outside V(height) only observes that height."""
    chain_id: bytes
    parameters: ChainParameters
    genesis_ms: int
    """Time of genesis: block 1 is later."""


@dataclass(frozen=True, slots=True)
class StartState:
    """Where the chain stands on this disk. ``None`` and empty at genesis."""

    decided: tuple[Block, Certificate] | None
    """The last decided block and its commit certificate; agreement goes on at the height after it."""
    rotation: Rotation
    """Of the height after ``decided``: ``rotation.first_rotation(V(1))`` at genesis, then ``Replica.rotation``, as
    stored with each decided block (or folded again over the chain by ``rotation.next_rotation``)."""
    executed_height: int
    """Heights up to here are not reported by Executed again."""
    validators: tuple[tuple[int, ValidatorSet], ...]
    """(height, V(height)), ascending without gaps: from 2·L below the decided height, or 1, to executed_height + L."""
    certified: tuple[Certificate, ...] = ()
    """The newest checkpoint certificates, ascending: as many as are stored of the last 2·L heights."""
    checkpoints: tuple[SignedVote, ...] = ()
    """Own signed CHECKPOINTs of the last 2·L heights, ascending."""
    signed: tuple[Signed, ...] = ()
    """From the journal, in order: everything signed at the undecided height."""
