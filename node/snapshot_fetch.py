"""Fetching a snapshot: the state of a certified height from strangers, instead of every block since genesis.

First everybody is asked what they offer. An offer is held to the genesis document: each change of the validators by
the certificate of those before, then the checkpoint certificate of its own height. Of the rotation of primaries there
is no certificate, so the same must come from more of that height's validators than may lie. Then all who offer that
height are asked at once, each for a range of the state; a range is checked whole before any of it is written, and one
that is wrong, or does not come, costs its peer the rest of the work. Last come the ids of the window in which a
transaction could come again, each block's by the digest that its child names.

Who has nothing to gain, or finds no snapshot, replays the chain as ever.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TypeVar

from consensus.rotation import Rotation
from node.catchup import match
from node.exchange import Asking
from node.snapshot_install import Installation
from p2p import bulk, snapshots
from p2p.bulk import BulkKind, DecidedBlock
from p2p.snapshots import Offer, check_offer
from state.block import Block
from state.errors import Invalid, Reason
from state.snapshot import SNAPSHOT_HEIGHTS, Cut, Leaf, check_leaves
from state.succession import Succession
from state.validators import ValidatorSet

GAIN_HEIGHTS = 2 * SNAPSHOT_HEIGHTS
"""A chain that is no longer is replayed at once."""

STALE_HEIGHTS_MAX = 16 * SNAPSHOT_HEIGHTS
"""A state that is older than what enough peers have decided is not taken: its holder hides what came after."""

FIND_SECONDS_MAX = 30.0
"""How long a snapshot is looked for."""

LOOK_AGAIN_SECONDS = 0.5

RANGE_KEYS = 1_024
"""Keys of the subtrees that are asked for and checked together, by their counts, or one subtree."""

RANGE_BYTES_MAX = 64 * 1024 * 1024
"""Unproven leaves that are held for one peer. A subtree of the largest values has as much."""

REPORT_SECONDS = 2.0
"""Progress is logged so often."""

ROUNDS_MAX = 3
"""Snapshots that are tried: whoever holds one lets it go when the chain has moved on far."""

Answer = TypeVar("Answer")

logger = logging.getLogger("hansa.node")


class Gone(Exception):
    """What was being fetched is not to be had any more: peers have let it go, or none is left."""


@dataclass(frozen=True, slots=True)
class Found:
    """A snapshot that can be fetched."""

    offer: Offer
    followed: Succession
    sources: tuple[str, ...]
    """Who offers it, the rotation included."""


class Fetch:
    """One attempt to begin with a snapshot.

    :param genesis: the validators of the genesis document.
    :param install: makes an installation for an offer.
    """

    def __init__(self, asking: Asking, genesis: Succession, install: Callable[[Offer], Installation]) -> None:
        self._asking = asking
        self._genesis = genesis
        self._install = install
        self._reported = 0.0

    async def run(self) -> int:
        """Find a snapshot, fetch and install it; its height, 0 where the chain is to be replayed instead."""
        for _ in range(ROUNDS_MAX):
            found = await self._find()
            if found is None:
                return 0
            facts = {"height": found.offer.height, "peers": len(found.sources)}
            logger.info("fetching a snapshot", extra={"facts": facts})
            installation = self._install(found.offer)
            try:
                await self._fetch(found, installation)
            except Gone as gone:
                installation.abandon()
                logger.warning("the snapshot was not finished", extra={"facts": {**facts, "reason": str(gone)}})
            except BaseException:
                installation.abandon()
                raise
            else:
                logger.info("the snapshot is installed", extra={"facts": facts})
                return found.offer.height
        return 0

    # ------------------------------------------------------------------------------------------------- what to fetch

    async def _find(self) -> Found | None:
        """The newest snapshot that enough validators offer, None where there is none worth it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + FIND_SECONDS_MAX
        while loop.time() < until:
            target = self._target()
            if target is not None and target < GAIN_HEIGHTS:
                return None
            offers = {} if target is None else await self._offers(0)
            for height in sorted({offer.height for offer in offers.values()}, reverse=True):
                if height < (target or 0) - STALE_HEIGHTS_MAX:
                    break
                same = {peer: offer for peer, offer in offers.items() if offer.height == height}
                same |= await self._offers(height, [peer for peer in self._asking.peers() if peer not in same])
                found = self._agreed(same)
                if found is not None:
                    return found
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        logger.warning("no snapshot is offered by enough peers: replaying the chain")
        return None

    def _target(self) -> int | None:
        """Highest height that more validators of genesis, or peers where it names none, than may lie have decided."""
        heights = self._asking.heights()
        members = [validator.member for validator in self._genesis.genesis.validators if validator.member in heights]
        claims = sorted((heights[member] for member in members or heights), reverse=True)
        faulty_max = self._genesis.genesis.faulty_max
        return claims[faulty_max] if len(claims) > faulty_max else None

    async def _offers(self, height: int, peers: Sequence[str] | None = None) -> dict[str, Offer]:
        """Offers of that height, 0 for the newest, that hold."""
        asked = self._asking.peers() if peers is None else peers
        offers = await asyncio.gather(*(self._offer_of(peer, height) for peer in asked))
        return {peer: offer for peer, offer in zip(asked, offers, strict=True) if offer is not None}

    async def _offer_of(self, peer: str, height: int) -> Offer | None:
        try:
            payload = await self._asking.ask(peer, BulkKind.GET_SNAPSHOT, snapshots.encode_height(height))
            if not payload:
                return None
            offer = Offer.decode(payload)
            if height not in (0, offer.height):
                raise Invalid(Reason.BAD_PROOF, "an offer of another height than was asked for")
            followed = check_offer(offer, self._genesis)
            _check_rotation(offer, followed.at(offer.height))
        except Invalid as error:
            self._asking.drop(peer, str(error))
            return None
        return offer

    def _agreed(self, offers: dict[str, Offer]) -> Found | None:
        """The offer that more validators of its height make than may lie, None if there is none."""
        if not offers:
            return None
        votes: Counter[tuple[bytes, bytes]] = Counter()
        for peer, offer in offers.items():
            validators = self._genesis.extended(offer.changes).at(offer.height)
            votes[_named(offer)] += any(validator.member == peer for validator in validators.validators)
        for named, count in votes.most_common():
            sources = tuple(peer for peer, offer in offers.items() if _named(offer) == named)
            offer = offers[sources[0]]
            followed = self._genesis.extended(offer.changes)
            if count > followed.at(offer.height).faulty_max:
                return Found(offer, followed, sources)
        return None

    # ------------------------------------------------------------------------------------------------------ fetching

    async def _fetch(self, found: Found, installation: Installation) -> None:
        """:raises Gone: it can't be finished."""
        cuts = await self._cuts(found)
        await self._state(found, cuts, installation)
        await self._past(found, installation)
        decided = await self._block(found)
        try:
            installation.finish(decided, found.followed)
        except Invalid as error:
            raise Gone(str(error)) from error

    async def _cuts(self, found: Found) -> list[Cut]:
        offer = found.offer
        question = snapshots.encode_height(offer.height)
        return await self._first(
            found.sources,
            BulkKind.GET_CUTS,
            question,
            lambda payload: snapshots.decode_cuts(payload, offer.result.state_root),
        )

    async def _state(self, found: Found, cuts: Sequence[Cut], installation: Installation) -> None:
        """All leaves, from all sources at once."""
        ranges = deque(_ranges(cuts))
        all_keys, done_keys = sum(cut.keys for cut in cuts), 0

        async def work(peer: str) -> None:
            nonlocal done_keys
            while ranges:
                group = ranges.popleft()
                try:
                    leaves = await self._leaves(peer, found.offer.height, group)
                except Invalid as error:
                    ranges.append(group)
                    self._asking.drop(peer, str(error))
                    return
                installation.put_leaves(leaves)
                done_keys += len(leaves)
                self._report("fetching the state", keys=done_keys, of=all_keys, peers=len(self._left(found.sources)))

        while ranges:
            left = self._left(found.sources)
            if not left:
                raise Gone("no peer is left that has it")
            await asyncio.gather(*(work(peer) for peer in left))

    async def _leaves(self, peer: str, height: int, group: Sequence[Cut]) -> list[Leaf]:
        """The leaves of some subtrees, proven. :raises Invalid: the peer has not got them, or lies."""
        start, stop = group[0].range[0], group[-1].range[1]
        leaves: list[Leaf] = []
        size, is_complete = 0, False
        while not is_complete:
            question = snapshots.encode_get_leaves(height, start, stop)
            payload = await self._asking.ask(peer, BulkKind.GET_LEAVES, question)
            if not payload:
                raise Invalid(Reason.UNAVAILABLE, "it has let the snapshot go")
            is_complete, part = snapshots.decode_leaves(payload)
            size += len(payload)
            if size > RANGE_BYTES_MAX:
                raise Invalid(Reason.TOO_LARGE, f"more than {RANGE_BYTES_MAX} bytes for one range")
            leaves += part
            if not is_complete:
                start = _after(part, start, stop)
        _check_group(group, leaves)
        return leaves

    async def _past(self, found: Found, installation: Installation) -> None:
        """The blocks whose transactions could come again, from the snapshot's down."""
        newest = found.offer.block.header
        child, height = newest.parent, found.offer.height - 1
        until_ms = newest.timestamp_ms - installation.window_ms
        while height >= 1:
            blocks = await self._first(
                found.sources if height % 2 else found.sources[::-1],
                BulkKind.GET_HEADERS,
                snapshots.encode_get_headers(height, snapshots.HEADERS_MAX),
                partial(_linked, child, height),
            )
            installation.put_past(blocks)
            child, height = blocks[-1].header.parent, blocks[-1].height - 1
            self._report("fetching ids", height=blocks[-1].height, from_height=found.offer.height)
            if blocks[-1].header.timestamp_ms < until_ms:
                return

    async def _block(self, found: Found) -> DecidedBlock:
        """The snapshot's own block with its bodies."""
        offer = found.offer

        def read(payload: bytes) -> DecidedBlock:
            blocks = bulk.decode_blocks(payload)
            if len(blocks) != 1 or blocks[0].block.digest != offer.block.digest:
                raise Invalid(Reason.BAD_BLOCK, "not the block that was asked for")
            match(blocks[0])
            return DecidedBlock(blocks[0].block, offer.commit, blocks[0].transactions)

        return await self._first(
            found.sources, BulkKind.GET_BLOCKS, bulk.encode_get_blocks(offer.height, 1), read
        )

    async def _first(
        self, sources: Sequence[str], kind: BulkKind, question: bytes, read: Callable[[bytes], Answer]
    ) -> Answer:
        """The first answer that holds. :raises Gone: nobody has one."""
        for peer in self._left(sources):
            try:
                return read(await self._asking.ask(peer, kind, question))
            except Invalid as error:
                if error.reason is not Reason.PRUNED:
                    self._asking.drop(peer, str(error))
        raise Gone("no peer is left that has it")

    def _left(self, sources: Sequence[str]) -> list[str]:
        """Those of them that can still be asked."""
        able = self._asking.peers()
        return [peer for peer in sources if peer in able]

    def _report(self, doing: str, **facts: int) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._reported + REPORT_SECONDS:
            self._reported = now
            logger.info(doing, extra={"facts": facts})


def _named(offer: Offer) -> tuple[bytes, bytes]:
    """What offers must have in common: block and rotation."""
    return offer.block.digest, offer.rotation


def _check_rotation(offer: Offer, validators: ValidatorSet) -> None:
    """Whether the rotation can be that of the height at all. :raises Invalid: BAD_PROOF, or as ``Rotation.decode``."""
    rotation = Rotation.decode(offer.rotation)
    members = sorted(validator.member for validator in validators.validators)
    standing = [item.member for item in rotation.standings]
    if rotation.height != offer.height or sorted(rotation.order) != members or standing != sorted(set(standing)):
        raise Invalid(Reason.BAD_PROOF, "the rotation of primaries is not one of that height")


def _ranges(cuts: Sequence[Cut]) -> list[list[Cut]]:
    """The subtrees in groups, of RANGE_KEYS keys or one."""
    groups: list[list[Cut]] = []
    keys = 0
    for cut in cuts:
        if not groups or keys + cut.keys > RANGE_KEYS:
            groups.append([])
            keys = 0
        groups[-1].append(cut)
        keys += cut.keys
    return groups


def _after(part: Sequence[Leaf], start: bytes, stop: bytes | None) -> bytes:
    """Where an answer that is not the last is gone on from. :raises Invalid: BAD_PROOF, it leads nowhere."""
    last = sha256(part[-1][0]).digest() if part else b""
    if last < start or (stop is not None and last >= stop) or last == b"\xff" * len(last):
        raise Invalid(Reason.BAD_PROOF, "leaves of another range than was asked for")
    return (int.from_bytes(last, "big") + 1).to_bytes(len(last), "big")


def _check_group(group: Sequence[Cut], leaves: Sequence[Leaf]) -> None:
    """Whether these are the leaves of these subtrees, and no others. :raises Invalid: BAD_PROOF."""
    at = 0
    for cut in group:
        stop = cut.range[1]
        end = at
        while end < len(leaves) and (stop is None or sha256(leaves[end][0]).digest() < stop):
            end += 1
        check_leaves(cut, leaves[at:end])
        at = end
    if at < len(leaves):
        raise Invalid(Reason.BAD_PROOF, "a leaf outside the subtrees that were asked for")


def _linked(child: bytes, height: int, payload: bytes) -> list[Block]:
    """Blocks down from a height, each the one that its child names. :raises Invalid: as ``decode_headers``."""
    blocks = snapshots.decode_headers(payload)
    for block in blocks:
        if (block.height, block.digest) != (height, child):
            raise Invalid(Reason.BAD_PROOF, "a header that its child does not name")
        child, height = block.header.parent, height - 1
    if not blocks:
        raise Invalid(Reason.BAD_PROOF, "the peer has not got what it offered")
    return blocks
