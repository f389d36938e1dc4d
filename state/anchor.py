"""The anchor: a small file beside a database that says how far it had come, so that a shorter one is noticed.

LevelDB opens a database with a cut MANIFEST or a lost log without complaint, as an older one. The anchor holds
height, block digest and state root under its own checksum, and is replaced atomically and synced (file, rename,
directory) each time, so it is either the previous one or the new one, whole.
"""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from state.digest import DIGEST_BYTES, prefix_of
from state.errors import Corrupt, StorageFailure

MAGIC = b"hansa anchor 1\n"
"""First bytes of the file: what it is, and its version."""

HEIGHT_BYTES = 8
"""Bytes of a height, big-endian."""

CHECKSUM_PREFIX = prefix_of("anchor")

FILE_BYTES = len(MAGIC) + HEIGHT_BYTES + 3 * DIGEST_BYTES
"""Size of the file: magic, height, block digest, state root, checksum."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """How far a database had come when it was last known to be durable."""

    height: int
    block_digest: bytes
    state_root: bytes


def write_anchor(path: Path, anchor: Anchor) -> None:
    """Replace the anchor. When this returns it is durable.

    :raises StorageFailure: the disk refused; the old anchor or the new one is in place.
    """
    assert len(anchor.block_digest) == len(anchor.state_root) == DIGEST_BYTES
    body = MAGIC + anchor.height.to_bytes(HEIGHT_BYTES, "big") + anchor.block_digest + anchor.state_root
    content = body + sha256(CHECKSUM_PREFIX + body).digest()
    temporary = path.with_name(path.name + ".tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            written = os.write(descriptor, content)
            if written != len(content):
                raise OSError(f"only {written} of {len(content)} bytes were written")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise StorageFailure(
            f"The anchor {path} could not be written: {error}. The process ends before anything is built on it. "
            "Check the disk (space, permissions, health) and start again."
        ) from error


def read_anchor(path: Path) -> Anchor | None:
    """The anchor, or None if none was ever written.

    :raises Corrupt: the file is damaged. :raises StorageFailure: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageFailure(f"The anchor {path} cannot be read: {error}. Check the disk and start again.") from error
    body, checksum = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    whole = len(content) == FILE_BYTES and content.startswith(MAGIC)
    if not whole or sha256(CHECKSUM_PREFIX + body).digest() != checksum:
        raise Corrupt(
            f"The anchor {path} is damaged, so it cannot be told whether the database beside it is whole. Move both "
            "away and start again: the node fetches the chain from its peers and rebuilds its state."
        )
    at = len(MAGIC) + HEIGHT_BYTES
    height = int.from_bytes(body[len(MAGIC) : at], "big")
    return Anchor(height, body[at : at + DIGEST_BYTES], body[at + DIGEST_BYTES :])


def check_anchor(anchor: Anchor | None, found: Anchor, *, may_lag: bool) -> None:
    """Compare what a database says of itself (``found``) with the anchor.

    :param may_lag: true for the world state, which is not synced and replays missing blocks from the chain (check
        again when the anchor's height is reached); false for a database whose writes were synced.
    :raises Corrupt: it lacks what was durable, or holds another block or state at the anchor's height.
    """
    if anchor is None or found.height > anchor.height:
        return
    if found.height < anchor.height:
        if may_lag:
            return
        raise Corrupt(
            f"The database ends at height {found.height}, but height {anchor.height} was durable: the disk lost data. "
            "Move the database away and start again: the node fetches the chain from its peers."
        )
    if found != anchor:
        what = "block" if found.block_digest != anchor.block_digest else "state root"
        raise Corrupt(
            f"At height {anchor.height} the database holds another {what} than the anchor records: the disk changed "
            "data. Move the database away and start again: the node fetches the chain from its peers."
        )
