"""What travels between the node's main process and its execution process.

Both directions carry frames: four bytes of length (big-endian), then that many bytes. A request is the packed list
[sequence, operation, packed arguments], a reply [sequence, status, packed answer]. Replies come in the order of the
requests. Arguments and answers are packed apart, so that a deep value on chain never meets the codec's depth limit
because of what stands around it. Nothing is pickled, and nothing in a frame names code.

Beside the socket both see one page of memory, the mark: which transaction is being executed. It is read when the
execution process has died, to know what it died of.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from contracts.genesis_state import GenesisState
from state import codec
from state.codec import Value
from state.errors import Invalid, Reason
from state.parameters import ChainParameters

FRAME_BYTES_MAX = 16 * 1024 * 1024
"""Largest frame, bytes: a full block with its bodies, or a page of answers, several times over."""

HEADER = struct.Struct(">I")

FAILURE_CHARS_MAX = 4_096
"""How much the main process logs of what a failing execution process says."""

CONFINE = "confine"
"""First request: give up everything but the state's directory. Answered by ``Confined``."""
OPEN = "open"
"""Second request: where the world state is, and the chain that it belongs to. Answered by ``Opened``."""
EXECUTE = "execute"
"""The next block with its bodies. Answered by ``node.seams.Executed``."""


MARK = struct.Struct("=Qq")
"""Height, and index of the transaction that is being executed there."""

SCHEDULED_WORK = -1
"""The index while scheduled calls run, before the first transaction; the number of transactions, once all have run."""

OUT_OF_MEMORY = 112
"""Exit status of an execution process that had no memory left."""


class Status(IntEnum):
    """What a reply is."""

    DONE = 0
    REFUSED = 1
    """The asker's fault: reason and detail of an ``Invalid``."""
    FAILED = 2
    """The disk's fault or our bug, in a sentence. The execution process ends after it."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the execution process is given, once: all that it needs to know of the world."""

    state_directory: str
    chain_id: bytes
    genesis: GenesisState
    write_buffer_bytes: int
    """As ``state.store.staggered`` gives it for this node."""


@dataclass(frozen=True, slots=True)
class Confined:
    """What the execution process has given up."""

    missing: tuple[str, ...]
    """What this kernel does not promise, in words; nothing where it promises everything."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What the world state holds."""

    height: int
    """Last executed height, 0 after genesis."""
    block_digest: bytes
    state_root: bytes
    next_due_ms: int | None
    """When the first scheduled call is to run; None if none is pending."""
    quota: int = 0
    """Fuel that one member's customers have in a block; 0 for no bound."""
    parameters: tuple[tuple[int, ChainParameters], ...] = ()
    """First height and parameters: those in force, and those of later heights where they differ."""


def frame(sequence: int, second: str | int, payload: Value) -> bytes:
    """A request (second: its operation) or a reply (its status). :raises Invalid: TOO_LARGE."""
    packed = codec.pack([sequence, second, codec.pack(payload)])
    if len(packed) > FRAME_BYTES_MAX:
        raise Invalid(Reason.TOO_LARGE, "the answer is larger than one message; ask for less")
    return HEADER.pack(len(packed)) + packed


def read_request(data: bytes) -> tuple[int, str, Value]:
    """Sequence, operation, arguments. :raises Invalid: MALFORMED or TOO_LARGE."""
    sequence, operation, packed = codec.fields(codec.unpack(data, FRAME_BYTES_MAX), int, str, bytes)
    return codec.natural(sequence), codec.text(operation), codec.unpack(codec.blob(packed), FRAME_BYTES_MAX)


def read_reply(data: bytes) -> tuple[int, Status, Value]:
    """Sequence, status, answer. :raises Invalid: MALFORMED or TOO_LARGE."""
    sequence, status, packed = codec.fields(codec.unpack(data, FRAME_BYTES_MAX), int, int, bytes)
    if status not in Status.__members__.values():
        raise Invalid(Reason.MALFORMED, "a reply of no known status")
    return (
        codec.natural(sequence),
        Status(codec.natural(status)),
        codec.unpack(codec.blob(packed), FRAME_BYTES_MAX),
    )
