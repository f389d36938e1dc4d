"""Poisoned answers to who fetches the chain (N10): cut, out of order, repeated, withheld, or with one thing wrong."""

from collections.abc import Sequence
from random import Random

from p2p import bulk
from state import codec
from state.codec import Value

BODIES, BARE, SIGNERS = "bodies that are not the block's", "no bodies", "too few signers"
NOTHING, SHUFFLED, TWICE, GAP = "nothing", "blocks out of order", "blocks twice", "blocks from too high on"

KINDS = (NOTHING, SHUFFLED, TWICE, GAP, BARE, SIGNERS, BODIES, BODIES, BODIES)
"""Each as likely as the others."""


def poisoned(served: Sequence[Value], payment: bytes, random: Random) -> tuple[str, bytes | None]:
    """What is wrong, and the BLOCKS message; None where there is no answer at all.

    :param served: blocks as ``DecidedBlock.to_value`` gives them, at least one.
    :param payment: a good transaction that they do not list.
    """
    kind, listed = random.choice(KINDS), list(served)
    if kind == NOTHING:
        return kind, None
    if kind == SHUFFLED:
        random.shuffle(listed)
    elif kind == TWICE:
        listed = [item for item in listed for _ in range(2)]
    elif kind == GAP:
        listed = listed[1:]
    else:
        at = _place(listed, random)
        block, certificate, bodies = codec.items(listed[at], 3)
        if kind == SIGNERS:
            vote, signatures = codec.items(certificate, 2)
            listed[at] = [block, [vote, codec.items(signatures, codec.INT_MAX)[1:]], bodies]
        else:
            kept = codec.items(bodies, codec.INT_MAX)[1:]
            listed[at] = [block, certificate, [payment, *kept] if kind == BODIES else []]
    return kind, bulk.encode_blocks([codec.pack(item) for item in listed])


def _place(listed: Sequence[Value], random: Random) -> int:
    """A block with transactions, if there is one."""
    full = [at for at, item in enumerate(listed) if codec.items(item, 3)[2]]
    return random.choice(full) if full else len(listed) - 1
