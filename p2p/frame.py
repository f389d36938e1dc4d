"""What travels on a link: first one Hello each way, then messages of one or more frames.

A frame is one kind byte, its payload's length as four bytes (big-endian), and the payload. What a kind means is the
business of those above. One binary WebSocket message carries whole frames, as many as were waiting when the link
was ready to write: under load the costs of TLS and WebSocket are shared by many frames.

    message   frame | frame | …          1 to FRAMES_PER_MESSAGE_MAX frames
    frame     kind (1) | size (4) | payload (size)
    Hello     version byte | msgpack [chain id, node id, link kind, role, height, newest vote, software, protocol, …]

A later release may say more at the end of its Hello; it is not read, so that releases can be mixed.

The dialling side says Hello first, so that a stranger to the chain learns nothing of the accepting side.
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from state import codec, protocol
from state.errors import Invalid, Reason

PROTOCOL_VERSION = 1
"""First byte of every Hello. Both sides must speak the same version."""

FRAMES_PER_MESSAGE_MAX = 1024
"""Most frames in one WebSocket message: what the event loop hands on without a pause, about 3 ms."""

COALESCE_BYTES_MAX = 64 * 1024
"""A message takes on frames up to this size, bytes; one larger frame goes alone."""

HELLO_BYTES_MAX = 64 * 1024
"""Largest Hello, bytes. A VIEW-CHANGE with the certificate of 100 validators takes under 16 KiB."""

HELLO_FIELDS = 8

SOFTWARE_CHARS_MAX = 32

FRAME_HEADER = struct.Struct(">BI")
"""Kind and payload size."""

ID_SIZE = 32
"""Chain ids and node ids, bytes."""


class LinkKind(StrEnum):
    """Two separate links join a pair, so that bulk data never stands before a vote."""

    VOTES = "votes"
    BULK = "bulk"


class Role(StrEnum):
    """What a member's node does. Validators dial each other; observers dial validators only."""

    VALIDATOR = "validator"
    OBSERVER = "observer"


MESSAGE_BYTES_MAX = {LinkKind.VOTES: 1024 * 1024, LinkKind.BULK: 8 * 1024 * 1024}
"""Largest WebSocket message, bytes. A NEW-VIEW that lists 4,000 ids of 64 bytes with the view changes of 100
validators takes 0.8 MiB; a batch of transactions or a block with its bodies takes up to 8 MiB."""

PAYLOAD_BYTES_MAX = {kind: size - FRAME_HEADER.size for kind, size in MESSAGE_BYTES_MAX.items()}
"""Largest payload of one frame, bytes."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Who is there, and what it knows; the first thing said on a link, by each side."""

    chain_id: bytes
    """The genesis digest, 32 bytes."""
    node_id: bytes
    """The sender's public key, 32 bytes. TLS has proven it already; saying it guards against mixed-up links."""
    link_kind: LinkKind
    role: Role
    height: int
    """The newest height that the sender has decided."""
    newest_vote: bytes
    """The newest vote of the *receiver's own* that the sender holds (design section 2 rule 3), or nothing."""
    software: str = ""
    """Release that the sender runs, for people: at most SOFTWARE_CHARS_MAX visible ASCII letters."""
    protocol_version: int = protocol.FIRST
    """Newest version of the chain's rules that it knows."""


def encode_hello(hello: Hello) -> bytes:
    """The bytes of a Hello."""
    return codec.encode(
        PROTOCOL_VERSION,
        [
            hello.chain_id,
            hello.node_id,
            hello.link_kind.value,
            hello.role.value,
            hello.height,
            hello.newest_vote,
            hello.software,
            hello.protocol_version,
        ],
    )


def decode_hello(data: bytes) -> Hello:
    """Read a Hello.

    :raises Invalid: BAD_VERSION, TOO_LARGE or MALFORMED.
    """
    value = codec.decode(data, PROTOCOL_VERSION, HELLO_BYTES_MAX)
    known = value[:HELLO_FIELDS] if type(value) is list else value
    chain_id, node_id, link_kind, role, height, newest_vote, software, version = codec.fields(
        known, bytes, bytes, str, str, int, bytes, str, int
    )
    software = codec.text(software)
    if not re.fullmatch(f"[!-~]{{0,{SOFTWARE_CHARS_MAX}}}", software):
        raise Invalid(Reason.MALFORMED, "a release is named by visible ASCII letters")
    try:
        return Hello(
            chain_id=codec.sized(chain_id, ID_SIZE),
            node_id=codec.sized(node_id, ID_SIZE),
            link_kind=LinkKind(codec.text(link_kind)),
            role=Role(codec.text(role)),
            height=codec.natural(height),
            newest_vote=codec.blob(newest_vote),
            software=software,
            protocol_version=codec.natural(version),
        )
    except ValueError as error:
        raise Invalid(Reason.MALFORMED, "no such link kind or role") from error


def frame_header(kind: int, payload: bytes) -> bytes:
    """What stands before a payload in a message."""
    return FRAME_HEADER.pack(kind, len(payload))


def split_message(message: bytes) -> Sequence[tuple[int, bytes]]:
    """The frames of one message, as (kind, payload).

    :raises Invalid: MALFORMED for none, a cut one or trailing bytes; TOO_LARGE for too many.
    """
    frames: list[tuple[int, bytes]] = []
    position, end = 0, len(message)
    header_size, unpack_from = FRAME_HEADER.size, FRAME_HEADER.unpack_from
    while position + header_size <= end:
        kind, size = unpack_from(message, position)
        start = position + header_size
        position = start + size
        frames.append((kind, message[start:position]))
        if len(frames) > FRAMES_PER_MESSAGE_MAX:
            raise Invalid(Reason.TOO_LARGE, f"more than {FRAMES_PER_MESSAGE_MAX} frames in a message")
    if position != end or not frames:
        raise Invalid(Reason.MALFORMED, "a message is made of whole frames, at least one")
    return frames
