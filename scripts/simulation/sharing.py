"""What every machine of a run would work out alike, worked out once for all of them.

A broadcast reaches each machine as the same bytes, and one process plays all machines: so the decoders of production
are asked once for each run of bytes, and machines share what came of it, which is frozen. What they refuse is not
remembered: a liar's garbage goes through them each time. Likewise a signature that was made in this process by the key
that it is checked against needs no second look; any other goes to libsodium.

The memories of decoders are of one run, those of signatures hold facts that are true for ever: what ran before in the
process changes nothing but the time that a run takes.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from types import ModuleType

from consensus import messages, tally
from state import block, keys, transaction
from state.keys import KeyPair

RESULTS_MAX = 1 << 13
"""Most results that are remembered of each function."""

SIGNATURES_MAX = 1 << 15
"""Most signatures that are remembered: several runs' worth, since runs have keys in common and little else."""

_SHARED = (
    (messages, "decode"),
    (transaction, "decode"),
    (block, "decode_header"),
    (tally, "signing_payload"),
)
"""Pure functions, each under the name by which its callers find it."""


@contextmanager
def shared() -> Iterator[None]:
    """Until the end of the context results are remembered, and signatures of clients are looked at once."""
    with ExitStack() as undone:
        for module, name in _SHARED:
            _replace(undone, module, name, lru_cache(maxsize=RESULTS_MAX)(getattr(module, name)))
        _replace(undone, transaction, "verify", verify)
        yield


def _replace(undone: ExitStack, module: ModuleType, name: str, replacement: object) -> None:
    undone.callback(setattr, module, name, getattr(module, name))
    setattr(module, name, replacement)


class RememberingKey(KeyPair):
    """A key that makes each signature once: Ed25519 is deterministic, and nodes sign again what they signed before."""

    __slots__ = ()

    def sign(self, message: bytes) -> bytes:
        """See ``KeyPair.sign``."""
        known = _made.get((self.public, message))
        if known is None:
            known = _made[self.public, message] = super().sign(message)
            if len(_made) > SIGNATURES_MAX:
                del _made[next(iter(_made))]
        return known


_made: dict[tuple[bytes, bytes], bytes] = {}
_verify = lru_cache(maxsize=1 << 13)(keys.verify)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """See ``keys.verify``; each signature is checked once, and own ones need not be."""
    return _made.get((public, message)) == signature or _verify(public, message, signature)
