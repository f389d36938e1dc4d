"""The chain as this node keeps it: decided blocks with what decided them, and what executing them gave.

One LevelDB, written without sync: the journal keeps what is not durable here yet, and ``sync`` says when it may
forget. Rows, by their first byte:

    b  height             block, certificate, transactions
    d  block digest       height
    t  transaction id     height and index: an id that is here never executes again
    x  height             state root, receipts root, V(height + L)
    v  height             nothing: V(height) is another set than V(height − 1)
    c  height             checkpoint certificate
    e  height, digest     evidence of a double vote
    m                     newest height, and the rotation of primaries after it
"""

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

from p2p.bulk import DecidedBlock
from state import codec
from state.anchor import Anchor, read_anchor, write_anchor
from state.block import Block
from state.certificate import Certificate
from state.digest import DIGEST_BYTES, NO_DIGEST
from state.errors import Corrupt
from state.evidence import Evidence
from state.keyvalue import KeyValue
from state.validators import ValidatorSet

EVIDENCE_PER_KEY_MAX = 100
"""One piece convicts, the others show that it went on; a liar must not fill the disk with them."""

_HEIGHT = struct.Struct(">Q")
_PLACE = struct.Struct(">QI")
_META = b"m"

_MOVE_AWAY = (
    "Move the chain and state directories and the file anchor away and start again: "
    "the node fetches the chain from its peers."
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What executing a block gave."""

    state_root: bytes
    receipts_root: bytes
    validators: ValidatorSet
    """V(height + L)."""


class Chain:
    """Decided blocks by height."""

    def __init__(self, database: KeyValue, anchor_path: Path | None) -> None:
        """:param anchor_path: the file that says how far the database had durably come; None in memory.

        :raises Corrupt: what is here cannot be read.
        """
        self._database = database
        self._anchor_path = anchor_path
        self.height = 0
        """Newest decided height, 0 for none."""
        self.digest = NO_DIGEST
        """Digest of the newest block."""
        self.rotation = b""
        """Encoded rotation of primaries after the newest block; empty before the first."""
        self._accused: Counter[bytes] | None = None
        """How much evidence is kept against each vote key; read when the first comes."""
        meta = database.get_verified(_META)
        if meta is not None:
            height, digest, rotation = codec.fields(codec.unpack(meta), int, bytes, bytes)
            self.height = codec.natural(height)
            self.digest = codec.sized(digest, DIGEST_BYTES)
            self.rotation = codec.blob(rotation)

    def append(self, block: Block, certificate: Certificate, transactions: Sequence[bytes], rotation: bytes) -> None:
        """Add the next block. Durable after ``sync``."""
        assert block.height == self.height + 1
        assert block.header.parent == self.digest
        assert len(transactions) == len(block.entries)
        decided = DecidedBlock(block, certificate, tuple(transactions))
        changes: dict[bytes, bytes | None] = {
            b"t" + entry[:DIGEST_BYTES]: _PLACE.pack(block.height, index) for index, entry in enumerate(block.entries)
        }
        changes[b"d" + block.digest] = _HEIGHT.pack(block.height)
        changes[_row(b"b", block.height)] = codec.pack(decided.to_value())
        changes[_META] = codec.pack([block.height, block.digest, rotation])
        self._database.write(changes, sync=False)
        self.height, self.digest, self.rotation = block.height, block.digest, rotation

    def decided(self, height: int) -> DecidedBlock | None:
        """The block of a height. :raises Corrupt: the row is damaged."""
        encoded = self.encoded(height)
        return None if encoded is None else DecidedBlock.from_value(codec.unpack(encoded))

    def encoded(self, height: int) -> bytes | None:
        """The packed ``DecidedBlock`` of a height, for answers that pass it on unread."""
        return self._database.get_verified(_row(b"b", height))

    def height_of(self, digest: bytes) -> int | None:
        """Height of the block with that digest, None if there is none."""
        row = self._database.get_verified(b"d" + digest)
        return None if row is None else int(_HEIGHT.unpack(row)[0])

    def blocks(self, first_height: int) -> Iterator[DecidedBlock]:
        """The blocks from a height on."""
        for height in range(first_height, self.height + 1):
            decided = self.decided(height)
            if decided is None:
                raise Corrupt(f"block {height} is missing from the chain. {_MOVE_AWAY}")
            yield decided

    def place(self, transaction_id: bytes) -> tuple[int, int] | None:
        """Height and index at which the id was decided, None if it never was."""
        row = self._database.get_verified(b"t" + transaction_id)
        return None if row is None else _PLACE.unpack(row)

    def transactions(self, entries: Sequence[bytes], blocks_max: int) -> list[bytes]:
        """The encoded transactions that decided blocks list as these entries, from ``blocks_max`` blocks at most."""
        wanted: dict[int, list[tuple[int, bytes]]] = {}
        for entry in entries:
            place = self.place(entry[:DIGEST_BYTES])
            if place is not None:
                wanted.setdefault(place[0], []).append((place[1], entry))
        found: list[bytes] = []
        for height in sorted(wanted)[:blocks_max]:
            decided = self.decided(height)
            assert decided is not None, "the transaction index names a block that is not there"
            found.extend(
                decided.transactions[index] for index, entry in wanted[height] if decided.block.entries[index] == entry
            )
        return found

    def put_evidence(self, height: int, encoded: bytes) -> None:
        """Keep evidence of a double vote, once; of a key that lies at every height, the first EVIDENCE_PER_KEY_MAX."""
        if self._accused is None:
            self._accused = Counter(Evidence.decode(kept).vote_key for kept in self.evidence())
        row, vote_key = _row(b"e", height) + sha256(encoded).digest(), Evidence.decode(encoded).vote_key
        if self._accused[vote_key] < EVIDENCE_PER_KEY_MAX and self._database.get(row) is None:
            self._accused[vote_key] += 1
            self._database.write({row: encoded}, sync=False)

    def evidence(self) -> list[bytes]:
        """All evidence, by height."""
        return [encoded for _, encoded in self._database.scan(b"e", b"f")]

    def put_outcome(self, height: int, outcome: Outcome) -> None:
        """Keep what executing a block gave."""
        value: list[codec.Value] = [outcome.state_root, outcome.receipts_root, outcome.validators.to_value()]
        self._database.write({_row(b"x", height): codec.pack(value)}, sync=False)

    def outcome(self, height: int) -> Outcome | None:
        """What executing the block of a height gave, None before it was executed."""
        row = self._database.get_verified(_row(b"x", height))
        if row is None:
            return None
        state_root, receipts_root, validators = codec.fields(codec.unpack(row), bytes, bytes, list)
        return Outcome(codec.blob(state_root), codec.blob(receipts_root), ValidatorSet.from_value(validators))

    def put_change(self, first_height: int) -> None:
        """Note that the validators change at a height."""
        self._database.write({_row(b"v", first_height): b""}, sync=False)

    def changes(self, after_height: int, count_max: int) -> list[int]:
        """Heights above ``after_height`` at which the validators change, ascending."""
        scan = self._database.scan(_row(b"v", after_height + 1), b"w")
        return [_HEIGHT.unpack(key[1:])[0] for key, _ in islice(scan, count_max)]

    def put_checkpoint(self, certificate: Certificate) -> None:
        """Keep a checkpoint certificate."""
        row = {_row(b"c", certificate.vote.height): codec.pack(certificate.to_value())}
        self._database.write(row, sync=False)

    def checkpoint(self, height: int) -> Certificate | None:
        """The checkpoint certificate of a height, None while there is none."""
        row = self._database.get_verified(_row(b"c", height))
        return None if row is None else Certificate.from_value(codec.unpack(row))

    def sync(self) -> None:
        """Make everything so far durable, then move the anchor.

        :raises StorageFailure: the disk refused; the process must end.
        """
        self._database.write({}, sync=True)
        if self._anchor_path is not None and self.height:
            write_anchor(self._anchor_path, Anchor(self.height, self.digest, NO_DIGEST))

    def check_anchor(self) -> None:
        """Compare with the anchor, once the journal's decided blocks have been appended.

        :raises Corrupt: the database has lost or changed what was durable.
        """
        anchor = None if self._anchor_path is None else read_anchor(self._anchor_path)
        if anchor is None:
            return
        decided = self.decided(anchor.height)
        if decided is None or decided.block.digest != anchor.block_digest:
            found = "nothing" if decided is None else "another block"
            raise Corrupt(f"the anchor names block {anchor.height}, and the chain holds {found} there. {_MOVE_AWAY}")

    def close(self) -> None:
        """Make everything durable and give the files back."""
        self.sync()
        self._database.close()


def _row(kind: bytes, height: int) -> bytes:
    return kind + _HEIGHT.pack(height)
