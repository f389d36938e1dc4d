"""The chain as this node keeps it: decided blocks with what decided them, and what executing them gave.

One LevelDB, written without sync: the journal keeps what is not durable here yet, and ``sync`` says when it may
forget. Rows, by their first byte:

    b  height             block, certificate, transactions
    d  block digest       height
    t  transaction id     height and index: an id that is here never executes again
    x  height             state root, receipts root, V(height + L)
    v  height             V(height), which is another set than V(height − 1)
    c  height             checkpoint certificate
    e  height, digest     evidence of a double vote
    r  height             the rotation of primaries at it, for the newest heights at which the state can be fetched
    h  height             a block without certificate and bodies: of the heights just below a snapshot's
    f                     first height whose block is here; absent while that is 1
    m                     newest height, and the rotation of primaries after it

A chain that began with a snapshot, or whose old blocks were pruned, keeps of what came before: which ids were executed,
who validated, the certificates that prove it, and evidence.
"""

import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
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
from state.errors import Corrupt, Invalid, Reason
from state.evidence import Evidence
from state.keyvalue import KeyValue
from state.snapshot import SNAPSHOT_HEIGHTS
from state.validators import ValidatorSet

EVIDENCE_PER_KEY_MAX = 100
"""One piece convicts, the others show that it went on; a liar must not fill the disk with them."""

ROTATIONS_KEPT = 64
"""Of so many states that can be fetched the rotation is known: more than any node holds."""

BLOCKS_CACHED_MAX = 8
"""Blocks that stay in memory, those last appended or asked for; reading one takes about 3 ms."""

CHAIN_BUFFER_BYTES = 3 * 1024 * 1024
"""See ``state.store.staggered``. Rows come nearly in order, so a larger one saves little merging."""

_HEIGHT = struct.Struct(">Q")
_PLACE = struct.Struct(">QI")
_META = b"m"
_FIRST = b"f"

MOVE_AWAY = (
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


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a chain begins with that leaves its past out: all of it checked."""

    decided: DecidedBlock
    rotation: bytes
    """At that height, encoded."""
    outcome: Outcome
    checkpoint: Certificate
    sets: Sequence[tuple[int, ValidatorSet]]
    """First height and validators of every set up to L above that height, ascending."""
    checkpoints: Sequence[Certificate]
    """Those that prove the sets, each of L heights before."""


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
        self._blocks: OrderedDict[int, DecidedBlock] = OrderedDict()
        """By height, the last one used at the end. The newest are asked for most, by clients who wait for them."""
        self._accused: Counter[bytes] | None = None
        """How much evidence is kept against each vote key; read when the first comes."""
        first = database.get_verified(_FIRST)
        self.first_height = 1 if first is None else int(_HEIGHT.unpack(first)[0])
        """The first height whose block is here, or will be."""
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
        if not block.height % SNAPSHOT_HEIGHTS:
            changes[_row(b"r", block.height)] = rotation
            if block.height > ROTATIONS_KEPT * SNAPSHOT_HEIGHTS:
                changes[_row(b"r", block.height - ROTATIONS_KEPT * SNAPSHOT_HEIGHTS)] = None
        self._database.write(changes, sync=False)
        self.height, self.digest, self.rotation = block.height, block.digest, rotation
        self._cache(decided)

    def begin(self, beginning: Beginning) -> None:
        """Begin an empty chain with a block that has others before it. Durable after ``sync``."""
        assert self.height == 0
        block = beginning.decided.block
        changes: dict[bytes, bytes | None] = {_FIRST: _HEIGHT.pack(block.height)}
        for first, validators in beginning.sets:
            changes[_row(b"v", first)] = codec.pack(validators.to_value())
        for certificate in (*beginning.checkpoints, beginning.checkpoint):
            changes[_row(b"c", certificate.vote.height)] = codec.pack(certificate.to_value())
        self._database.write(changes, sync=False)
        self.first_height = block.height
        self.height, self.digest = block.height - 1, block.header.parent
        self.append(block, beginning.decided.certificate, beginning.decided.transactions, beginning.rotation)
        self.put_outcome(block.height, beginning.outcome)

    def put_past(self, blocks: Sequence[Block]) -> None:
        """Keep the ids that blocks below the first one have executed, and their headers for others who ask."""
        changes: dict[bytes, bytes | None] = {}
        for block in blocks:
            changes[_row(b"h", block.height)] = codec.pack(block.to_value())
            for index, entry in enumerate(block.entries):
                changes[b"t" + entry[:DIGEST_BYTES]] = _PLACE.pack(block.height, index)
        self._database.write(changes, sync=False)

    def prune(self, first_height: int, proves_change: Callable[[int], bool]) -> None:
        """Forget the blocks below a height, and what executing them gave; the index of ids, the sets of validators,
        the certificates that prove them, and evidence stay.

        :param proves_change: whether the checkpoint certificate of a height proves a change of the validators.
        """
        assert first_height <= self.height
        changes: dict[bytes, bytes | None] = {_FIRST: _HEIGHT.pack(first_height)}
        for height in range(self.first_height, first_height):
            changes[_row(b"b", height)] = changes[_row(b"x", height)] = None
            if not proves_change(height):
                changes[_row(b"c", height)] = None
        for name, _ in self._database.scan(_row(b"h", 0), _row(b"h", first_height)):
            changes[name] = None
        self._database.write(changes, sync=False)
        self.first_height = first_height

    def header(self, height: int) -> Block | None:
        """The block of a height, of which only header and entries may be here."""
        row = self.encoded(height)
        if row is not None:
            return Block.from_value_again(codec.parts(codec.unpack_again(row), 3)[0])
        row = self._database.get_verified(_row(b"h", height))
        return None if row is None else Block.from_value_again(codec.unpack_again(row))

    def keep_rotation(self) -> None:
        """Note the rotation at the newest height: a node that starts offers the state that it has."""
        if self.height:
            oldest = max(0, self.height - ROTATIONS_KEPT * SNAPSHOT_HEIGHTS)
            gone = [name for name, _ in self._database.scan(_row(b"r", 0), _row(b"r", oldest))]
            kept = {_row(b"r", self.height): self.rotation}
            self._database.write(kept | dict.fromkeys(gone), sync=False)

    def rotation_at(self, height: int) -> bytes | None:
        """The rotation of primaries at one of the newest heights at which the state can be fetched."""
        return self._database.get_verified(_row(b"r", height))

    def check_kept(self, height: int) -> None:
        """Whether the block of a height can be here. :raises Invalid: PRUNED."""
        if 1 <= height < self.first_height:
            raise Invalid(
                Reason.PRUNED,
                f"this node keeps the chain from block {self.first_height} on; ask an archive node for what was before",
            )

    def decided(self, height: int) -> DecidedBlock | None:
        """The block of a height. :raises Corrupt: the row is damaged."""
        found = self._blocks.get(height) if height >= self.first_height else None
        if found is None:
            encoded = self.encoded(height)
            if encoded is None:
                return None
            found = DecidedBlock.from_value(codec.unpack(encoded))
        self._cache(found)
        return found

    def _cache(self, decided: DecidedBlock) -> None:
        self._blocks[decided.block.height] = decided
        self._blocks.move_to_end(decided.block.height)
        if len(self._blocks) > BLOCKS_CACHED_MAX:
            self._blocks.popitem(last=False)

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
                raise Corrupt(f"block {height} is missing from the chain. {MOVE_AWAY}")
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
            assert decided is not None or height < self.first_height, "the index names a block that is not there"
            if decided is not None:
                entries = decided.block.entries
                found.extend(decided.transactions[index] for index, entry in wanted[height] if entries[index] == entry)
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

    def put_change(self, first_height: int, validators: ValidatorSet) -> None:
        """Note who validates from a height on."""
        self._database.write({_row(b"v", first_height): codec.pack(validators.to_value())}, sync=False)

    def set_since(self, height: int) -> ValidatorSet | None:
        """The set that a change at ``height`` or the newest one before it has put in force, None without any."""
        scan = self._database.scan(_row(b"v", 0), _row(b"v", height + 1), reverse=True)
        return next((ValidatorSet.from_value(codec.unpack(row)) for _, row in scan), None)

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

    def scrub(self, start: bytes, bytes_max: int) -> tuple[bytes | None, int]:
        """Verify rows of every kind from ``start`` on; where to go on (None: the end), and how many bytes it were."""
        return self._database.scrub(start, bytes_max)

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
            raise Corrupt(f"the anchor names block {anchor.height}, and the chain holds {found} there. {MOVE_AWAY}")

    def close(self) -> None:
        """Make everything durable and give the files back."""
        self.sync()
        self._database.close()


def _row(kind: bytes, height: int) -> bytes:
    return kind + _HEIGHT.pack(height)
