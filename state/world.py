"""The world state: every key and value after the last executed block, its tree, and what is kept beside it.

Rows of the database, by their first byte:

    l  key digest   → length of key (2) ‖ key ‖ value     the leaves, in the tree's order
    x  extra key    → extra value                         receipts, history, indexes: written with the block that
                                                          made them, not authenticated by the state root
    m  name         → "format": version; "head": height (8) ‖ block digest ‖ state root; "base": height (8), in a state
                      that came as a snapshot: extra rows begin above it

A block is one write batch, so that a crash leaves a whole height. It is not synced: what a power cut takes is
replayed from the chain. At open the tree is rebuilt from the leaves and must have the root in the head, so leaves
that a disk lost or changed are found before anything is built on them.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256

from state.bucket import short
from state.cache import Cache, Missing
from state.digest import DIGEST_BYTES, NO_DIGEST
from state.errors import Corrupt
from state.keyvalue import Finder, KeyValue, Rows, prefix_range
from state.proof import VALUE_PREFIX, StateProof
from state.snapshot import SNAPSHOT_HEIGHTS, Cut, Leaf, cuts_of, outline
from state.tree import Node, Tree

LEAF, EXTRA, META = b"l", b"x", b"m"

HEAD_KEY = META + b"head"
FORMAT_KEY = META + b"format"
BASE_KEY = META + b"base"

FORMAT = b"\x01"
"""Version of the rows above. Another one is refused."""

HEIGHT_BEFORE_GENESIS = -1
"""The height of a world that holds nothing yet; genesis is committed as height 0."""

HEIGHT_BYTES = 8
KEY_LENGTH_BYTES = 2
KEY_BYTES_MAX = 2 ** (8 * KEY_LENGTH_BYTES) - 1
"""Longest key, bytes: what its length field holds."""

PINS_MAX = 4
"""Heights whose state is held at once: the newest, and those that somebody is fetching."""

PIN_HEIGHTS_KEPT = 1_024
"""So many heights after it was last asked for a state is let go: 20 s at full speed."""

VALUE_CACHE_BYTES_MAX = 2 * 1024 * 1024
"""Memory for values read or written lately, bytes. A read from here costs 0.2 µs, of a value that the tree remembers 2
to 5, from LevelDB 10 to 30, by the size of the state. Of a large state more is not worth it: with 8 MB a payment took
4 % longer, since so large a table lies in no processor cache."""

STATE_BUFFER_BYTES = 12 * 1024 * 1024
"""See ``state.store.staggered``. Rows lie anywhere among all others, and the fewer of them are merged at once, the more
often each is: 36 to 44 µs a payment with 3 MB, 14 to 25 with 12 (a million accounts, 110,000 payments)."""

RECOVERY = "Delete the state directory and start again: the node rebuilds its state from the chain."


class Pin:
    """The state after one height, held while later ones are written. Same thread as its world."""

    __slots__ = ("_outline", "_rows", "asked_height", "height", "root")

    def __init__(self, height: int, node: Node, rows: Rows) -> None:
        self.height = height
        self.asked_height = height
        """The world's height when it was asked for last."""
        self.root = node[0]
        self._outline = outline(node)
        self._rows = rows

    def cuts(self) -> list[Cut]:
        """The subtrees that it is fetched in."""
        return cuts_of(self._outline)

    def leaves(self, start: bytes, stop: bytes | None, bytes_max: int) -> tuple[list[Leaf], bool]:
        """Keys and values with start ≤ key digest < stop, ascending by it, until they reach ``bytes_max``; and
        whether these are all."""
        found: list[Leaf] = []
        size = 0
        above = prefix_range(LEAF)[1] if stop is None else LEAF + stop
        for _, row in self._rows.scan(LEAF + start, above):
            if size >= bytes_max:
                return found, False
            at = KEY_LENGTH_BYTES + int.from_bytes(row[:KEY_LENGTH_BYTES], "big")
            found.append((row[KEY_LENGTH_BYTES:at], row[at:]))
            size += len(row)
        return found, True


class World:
    """The state after one height. One owner, one thread."""

    __slots__ = ("_base_height", "_block_digest", "_database", "_find", "_height", "_pins", "_tree", "_values")

    def __init__(self, database: KeyValue, height: int, block_digest: bytes) -> None:
        self._database = database
        self._height = height
        self._block_digest = block_digest
        self._values: Cache[bytes] = Cache(VALUE_CACHE_BYTES_MAX)
        self._find: Finder | None = None
        """Finds leaves as of the height."""
        self._tree = Tree(self._read_leaves)
        self._pins: dict[int, Pin] = {}
        base = database.get_verified(BASE_KEY)
        self._base_height = HEIGHT_BEFORE_GENESIS if base is None else int.from_bytes(base, "big")

    @classmethod
    def open(cls, database: KeyValue) -> "World":
        """The world that ``database`` holds, its tree rebuilt and compared with the root stored beside it.

        :raises Corrupt: the rows are not the ones that were written.
        """
        head = database.get_verified(HEAD_KEY)
        if head is None:
            if any(True for _ in database.scan()):
                raise Corrupt(f"The world state has rows but no head. {RECOVERY}")
            return cls(database, HEIGHT_BEFORE_GENESIS, NO_DIGEST)
        form = database.get_verified(FORMAT_KEY)
        if form != FORMAT:
            raise Corrupt(
                f"The world state has format {form.hex() if form else 'none'}; this program writes {FORMAT.hex()}. "
                f"Start the version that wrote it. Or: {RECOVERY}"
            )
        height = int.from_bytes(head[:HEIGHT_BYTES], "big")
        world = cls(database, height, head[HEIGHT_BYTES : HEIGHT_BYTES + DIGEST_BYTES])
        stored = head[HEIGHT_BYTES + DIGEST_BYTES :]
        if world.root != stored:
            raise Corrupt(
                f"The world state at height {height} should have root {stored.hex()}, but its leaves give "
                f"{world.root.hex()}: the disk lost or changed data. {RECOVERY}"
            )
        return world

    @property
    def height(self) -> int:
        """The last committed height, or HEIGHT_BEFORE_GENESIS."""
        return self._height

    @property
    def base_height(self) -> int:
        """Extra rows are of the heights above this one: a state that came as a snapshot has no history."""
        return self._base_height

    @property
    def block_digest(self) -> bytes:
        """Digest of the block at that height; NO_DIGEST before genesis."""
        return self._block_digest

    @property
    def root(self) -> bytes:
        """Root of the state tree after that height."""
        return self._tree.root

    @property
    def key_count(self) -> int:
        """Keys in the state."""
        return self._tree.key_count

    def get(self, key: bytes) -> bytes | None:
        """The value of a key. A read from the disk is verified."""
        cached = self._values.get(key)
        if not isinstance(cached, Missing):
            return cached
        key_digest = sha256(key).digest()
        value = self._tree.recall(key_digest)
        if isinstance(value, Missing):
            if self._find is None:
                self._find = self._database.finder()
            row = self._find(LEAF + key_digest)
            value = None if row is None else _value_of(key, row)
        self._values.put(key, value)
        return value

    def commit(
        self,
        height: int,
        block_digest: bytes,
        changes: Mapping[bytes, bytes | None],
        extra: Mapping[bytes, bytes | None] | None = None,
        *,
        sync: bool = False,
    ) -> bytes:
        """Write one height as one batch and give the new root. None in ``changes`` or ``extra`` deletes.

        :raises StorageFailure: nothing of it is in this world, and the database is dead.
        """
        assert height == self._height + 1, f"height {height} does not follow {self._height}"
        assert len(block_digest) == DIGEST_BYTES
        prepared = self._tree.prepare(changes)
        rows: dict[bytes, bytes | None] = {}
        for key_digest, key, _, _ in prepared.changes:
            value = changes[key]
            length = len(key).to_bytes(KEY_LENGTH_BYTES, "big")
            rows[LEAF + key_digest] = None if value is None else b"".join((length, key, value))
        if extra:
            for key, value in extra.items():
                rows[EXTRA + key] = value
        rows[HEAD_KEY] = height.to_bytes(HEIGHT_BYTES, "big") + block_digest + prepared.root
        if self._height == HEIGHT_BEFORE_GENESIS:
            rows[FORMAT_KEY] = FORMAT
        self._find = None
        self._database.write(rows, sync=sync)
        self._tree.install(prepared)
        put = self._values.put
        for key, value in changes.items():
            put(key, value)
        self._height, self._block_digest = height, block_digest
        return prepared.root

    def root_after(self, changes: Mapping[bytes, bytes | None]) -> bytes:
        """The root that committing ``changes`` would give. Writes nothing."""
        return self._tree.prepare(changes).root

    def prove(self, key: bytes) -> StateProof:
        """Proof of the key's value or absence under ``root``; check it with state.proof.verify_proof."""
        return self._tree.prove(key)

    def pin(self, *, at_start: bool = False) -> None:
        """Hold the state as it is, if this is one of the heights at which others may fetch it, or the one that a node
        starts with: a network that is idle stays there for long."""
        is_due = at_start or not self._height % SNAPSHOT_HEIGHTS
        if self._height <= 0 or not is_due or self._height in self._pins:
            return
        oldest = self._height - PIN_HEIGHTS_KEPT
        pins = sorted((pin for pin in self._pins.values() if pin.asked_height >= oldest), key=_asked)
        # Of the newest ones, which nobody may have asked for yet, one stays: its certificate is there by now.
        newest = max(pins, key=lambda pin: pin.height, default=None)
        asked = [pin for pin in pins if pin.asked_height > pin.height and pin is not newest]
        kept = asked[-(PINS_MAX - 2) :] + ([] if newest is None else [newest])
        self._pins = {pin.height: pin for pin in kept}
        self._pins[self._height] = Pin(self._height, self._tree.node, self._database.view())

    def pins(self) -> tuple[tuple[int, bytes], ...]:
        """Height and root of each state that is held, the newest first."""
        return tuple((height, self._pins[height].root) for height in sorted(self._pins, reverse=True))

    def pinned(self, height: int) -> Pin | None:
        """The state of that height, if it is held; it is held longer then."""
        pin = self._pins.get(height)
        if pin is not None:
            pin.asked_height = self._height + 1
        return pin

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every key and value, ordered by key digest, as of now; for audits, exports and snapshots.

        :raises Corrupt: a leaf that does not stand under its key's digest.
        """
        for name, row in self._database.scan(*prefix_range(LEAF)):
            at = KEY_LENGTH_BYTES + int.from_bytes(row[:KEY_LENGTH_BYTES], "big")
            key = row[KEY_LENGTH_BYTES:at]
            if sha256(key).digest() != name[1:]:
                raise Corrupt(f"A leaf of the world state stands under another key's digest. {RECOVERY}")
            yield key, row[at:]

    def extra_get(self, key: bytes) -> bytes | None:
        """A row that was committed as extra."""
        return self._database.get_verified(EXTRA + key)

    def extra_scan(
        self, start: bytes, stop: bytes | None, limit: int, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """At most ``limit`` extra rows with start ≤ key < stop (None: to the end), from either end."""
        above = prefix_range(EXTRA)[1] if stop is None else EXTRA + stop
        found: list[tuple[bytes, bytes]] = []
        if limit > 0:
            for name, row in self._database.scan(EXTRA + start, above, reverse=reverse):
                found.append((name[1:], row))
                if len(found) == limit:
                    break
        return found

    def scrub(self, start: bytes, bytes_max: int) -> tuple[bytes | None, int]:
        """Verify rows of every kind from ``start`` on; where to go on (None: the end), and how many bytes it were."""
        return self._database.scrub(start, bytes_max)

    def _read_leaves(self, start: bytes, stop: bytes | None) -> tuple[bytes, list[bytes]]:
        above = prefix_range(LEAF)[1] if stop is None else LEAF + stop
        entries: list[bytes] = []
        shorts: list[bytes] = []
        for name, row in self._database.rows(LEAF + start, above):
            value = row[KEY_LENGTH_BYTES + (row[0] << 8 | row[1]) :]
            entries.append(name[1:] + sha256(VALUE_PREFIX + value).digest())
            shorts.append(short(value))
        return b"".join(entries), shorts


def leaf_row(key: bytes, value: bytes) -> tuple[bytes, bytes]:
    """The row of a key: name and contents."""
    assert len(key) <= KEY_BYTES_MAX
    return LEAF + sha256(key).digest(), len(key).to_bytes(KEY_LENGTH_BYTES, "big") + key + value


def head_rows(height: int, block_digest: bytes, root: bytes) -> dict[bytes, bytes | None]:
    """What makes leaves that were fetched a world without a past, once all of them are there."""
    at = height.to_bytes(HEIGHT_BYTES, "big")
    return {FORMAT_KEY: FORMAT, HEAD_KEY: at + block_digest + root, BASE_KEY: at}


def _asked(pin: Pin) -> int:
    return pin.asked_height


def _value_of(key: bytes, row: bytes) -> bytes:
    at = KEY_LENGTH_BYTES + len(key)
    if row[:at] != len(key).to_bytes(KEY_LENGTH_BYTES, "big") + key:
        raise Corrupt(f"The leaf of key {key.hex()} holds another key. {RECOVERY}")
    return row[at:]
