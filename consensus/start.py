"""What a replica is given when it starts: who it is, and where the chain stands."""

from dataclasses import dataclass

from consensus.events import Decision, Signed
from state.certificate import Certificate
from state.parameters import ChainParameters
from state.validators import ValidatorSet
from state.votes import Checkpoint


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this node is on which chain; fixed while it runs."""

    vote_key: bytes | None
    """Own public vote key; None for an observer. A key outside V(height) only observes that height."""
    chain_id: bytes
    parameters: ChainParameters
    genesis_ms: int
    """Time of genesis: block 1 is later."""
    other_keys: tuple[bytes, ...] = ()
    """Further vote keys that this node holds: the next one, before and after it takes the first one's place."""

    def index_in(self, validators: ValidatorSet) -> int | None:
        """Own index in a set, by whichever key is in it; None for who only observes."""
        keys = self.other_keys if self.vote_key is None else (self.vote_key, *self.other_keys)
        return next((index for key in keys if (index := validators.index_of(key)) is not None), None)


@dataclass(frozen=True, slots=True)
class StartState:
    """Where the chain stands on this disk. ``None`` and empty at genesis."""

    decided: Decision | None
    """The last decision, as ``Ready.decided`` gave it; agreement goes on at the height after it."""
    executed_height: int
    """Heights up to here are not reported by Executed again."""
    validators: tuple[tuple[int, ValidatorSet], ...]
    """(height, V(height)), ascending without gaps: from 2·L below the decided height, or 1, to executed_height + L."""
    certified: tuple[Certificate, ...] = ()
    """The newest checkpoint certificates, ascending: as many as are stored of the last 2·L heights."""
    checkpoints: tuple[Signed, ...] = ()
    """Own signed CHECKPOINTs of the last 2·L heights, ascending."""
    results: tuple[Checkpoint, ...] = ()
    """What executing the last 2·L heights gave here, signed or not, ascending: certificates are still to come."""
    signed: tuple[Signed, ...] = ()
    """From the journal, in order: everything signed at the newest height, if that is not decided here: the next one,
    or one further on, when the chain lost what was not synced and the heights between are fetched again."""
