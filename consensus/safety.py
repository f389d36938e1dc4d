"""Safety: what one vote key may sign, given what it has signed. Pure; the signer checks, persists, then signs.

A ``SignRequest`` is a vote with everything that has to be on disk beside it. A ``VoteRecord`` is what the key has
signed at its newest height; a ``CheckpointRecord`` is the one CHECKPOINT value of each recent height. ``decide``
answers a request with Repeat (the stored signature), Allow or Refuse; ``recorded`` gives the record after an
allowed one. Folding ``recorded`` over the journal's requests rebuilds the record after a restart.
"""

from dataclasses import dataclass

from consensus.messages import SignedVote
from state.block import Block
from state.certificate import Certificate
from state.votes import Vote


@dataclass(frozen=True, slots=True)
class SignRequest:
    """A vote to be signed, and what is journalled in the same write."""

    vote: Vote
    block: Block | None = None
    """PRE-PREPARE, NEW-VIEW, PREPARE: the block (the driver adds its bodies; once per digest is enough). COMMIT and
    VIEW-CHANGE: the prepared block. CHECKPOINT: None."""
    prepared: Certificate | None = None
    """COMMIT: the prepared certificate of the same view. VIEW-CHANGE and NEW-VIEW: the highest one, None without."""
    view_changes: tuple[SignedVote, ...] = ()
    """NEW-VIEW: the q VIEW-CHANGEs that justify it."""
