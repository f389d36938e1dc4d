"""Snapshots: what is fetched is what was certified, whoever lies; and nothing of a lie is ever installed."""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from consensus.rotation import Rotation
from contracts import records
from contracts.executor import Executor
from contracts.reads import Reads
from node import snapshot_fetch, snapshot_install
from node.chain import Chain
from node.history import ValidatorHistory
from node.home import Home
from node.records import Recovered
from node.start import replay, start_state
from p2p import snapshots
from p2p.bulk import BulkKind
from p2p.snapshots import Offer
from state import codec
from state.anchor import read_anchor
from state.certificate import Certificate
from state.errors import Corrupt, Invalid, Reason
from state.store import Database
from state.votes import Checkpoint
from state.world import World
from tests.node.snapshots_bench import HEIGHT, Holder, Lie, Peers, empty_home, fetch, make_network

LIAR = "borealis"


@pytest.fixture(scope="module")
def holder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Holder]:
    found = Holder(make_network(tmp_path_factory.mktemp("network") / "network"))
    yield found
    found.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return empty_home(tmp_path / "home")


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_fetch, "FIND_SECONDS_MAX", 0.5)
    monkeypatch.setattr(snapshot_fetch, "LOOK_AGAIN_SECONDS", 0.02)


class Installed:
    """What stands in a home after an installation."""

    def __init__(self, home: Home, holder: Holder) -> None:
        self.databases = [Database.open(home.state), Database.open(home.chain)]
        genesis = holder.network.genesis
        self.world = World.open(self.databases[0])
        self.reads = Reads(Executor(self.world, genesis.chain_id, genesis.parameters))
        self.chain = Chain(self.databases[1], home.anchor)
        self.history = ValidatorHistory(genesis.validators(), holder.lag, self.chain)

    def close(self) -> None:
        for database in self.databases:
            database.close()


def assert_whole(home: Home, holder: Holder) -> None:
    """The state is the certified one, to the last row that follows from it; all that rules stand on is there."""
    found = Installed(home, holder)
    try:
        assert (found.world.height, found.world.root) == (HEIGHT, holder.world.root)
        assert list(found.world.items()) == list(holder.world.items())
        for prefix in (b"holding/", b"deployed/"):
            stop = prefix[:-1] + b"0"
            assert found.world.extra_scan(prefix, stop, 10_000) == holder.world.extra_scan(prefix, stop, 10_000)
        assert (found.chain.height, found.chain.digest, found.chain.rotation) == (
            holder.chain.height,
            holder.chain.digest,
            holder.chain.rotation,
        )
        for height in range(1, HEIGHT + 1):
            block = holder.chain.header(height)
            assert block is not None
            assert found.chain.header(height) == block
            for index, transaction_id in enumerate(block.transaction_ids()):
                assert found.chain.place(transaction_id) == (height, index)
        assert (found.chain.first_height, found.chain.outcome(HEIGHT)) == (HEIGHT, holder.chain.outcome(HEIGHT))
        known = range(1, HEIGHT + holder.lag + 1)
        assert all(found.history.at(height) == holder.history.at(height) for height in known)
        anchor = read_anchor(home.anchor)
        assert anchor is not None
        assert (anchor.height, anchor.block_digest) == (HEIGHT, holder.chain.digest)
        found.chain.check_anchor()
        with pytest.raises(StopIteration) as finished:
            next(replay(found.chain, Recovered(), found.history, HEIGHT))
        assert finished.value.value == HEIGHT
        begun = start_state(found.chain, None, found.history, holder.lag, HEIGHT)
        assert begun.decided is not None
        assert [height for height, _ in begun.validators] == list(range(HEIGHT, HEIGHT + holder.lag + 1))
    finally:
        found.close()


def assert_nothing(home: Home) -> None:
    assert list(home.data.iterdir()) == []


def test_the_state_comes_from_all_peers_at_once(holder: Holder, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_fetch, "RANGE_KEYS", 32)
    monkeypatch.setattr("state.snapshot.CUT_KEYS", 20)
    holder.world._pins.clear()
    holder.world.pin()
    peers = Peers(holder, {})
    assert fetch(peers, home) == HEIGHT
    assert peers.dropped == {}
    assert min(peers.asked.values()) > 1  # Beside the offer, leaves from each.
    assert_whole(home, holder)
    assert [path.name for path in sorted(home.data.iterdir())] == ["anchor", "chain", "state"]


# ------------------------------------------------------------------------------------------------------------- lies


def on(kind: BulkKind, change: Callable[[bytes], bytes | None]) -> Lie:
    """A lie about one kind of question."""
    return lambda asked, _, answer: change(answer) if asked == kind and answer else answer


def on_leaves(change: Callable[[list[Any]], None]) -> Lie:
    def lie(answer: bytes) -> bytes:
        is_complete, leaves = snapshots.decode_leaves(answer)
        listed: list[Any] = [list(leaf) for leaf in leaves]
        change(listed)
        return codec.pack([is_complete, [part for leaf in listed for part in leaf]])

    return on(BulkKind.GET_LEAVES, lie)


def on_offer(change: Callable[[Offer], Offer]) -> Lie:
    return on(BulkKind.GET_SNAPSHOT, lambda answer: change(Offer.decode(answer)).encode())


def other_root(offer: Offer) -> Offer:
    vote = replace(offer.result, state_root=bytes(32))
    return replace(offer, checkpoint=Certificate(vote, offer.checkpoint.signatures))


def older(holder: Holder) -> Callable[[Offer], Offer]:
    """A certificate that was right once."""

    def change(offer: Offer) -> Offer:
        certificate = holder.chain.checkpoint(HEIGHT - 1)
        assert certificate is not None
        return replace(offer, checkpoint=certificate)

    return change


def unlinked(answer: bytes) -> bytes:
    blocks = snapshots.decode_headers(answer)
    return snapshots.encode_headers([blocks[0], *blocks[2:]])


def forged_cuts(answer: bytes) -> bytes:
    cuts: Any = codec.unpack(answer)
    cuts[0][1] = bytes(32)
    return codec.pack(cuts)


def overlapping_cuts(answer: bytes) -> bytes:
    cuts: Any = codec.unpack(answer)
    return codec.pack([*cuts, [cuts[-1][0] + "0", cuts[-1][1], 1]])


def drawn_out(answer: bytes) -> bytes:
    leaves = snapshots.decode_leaves(answer)[1]
    return codec.pack([False, list(leaves[0])])


def spoil_value(leaves: list[Any]) -> None:
    leaves[0][1] = leaves[0][1] + b"\x00"


LIES: list[tuple[str, Lie, str]] = [
    ("a wrong value", on_leaves(spoil_value), "are not the certified ones"),
    ("a leaf that is missing", on_leaves(lambda leaves: leaves.pop()), "are not the certified ones"),
    ("a surplus leaf", on_leaves(lambda leaves: leaves.append([b"surplus", b""])), "bad_proof"),
    ("a leaf twice", on_leaves(lambda leaves: leaves.insert(0, leaves[0])), "the leaves are out of order"),
    ("an answer that is drawn out", on(BulkKind.GET_LEAVES, drawn_out), "has 262144 bytes at least"),
    ("no answer to leaves", on(BulkKind.GET_LEAVES, lambda _: None), "no answer within 4 s"),
    ("a bomb of values", on(BulkKind.GET_LEAVES, lambda _: b"\xdd\x00\x40\x00\x00" + b"\xc0" * 2**20), "malformed"),
    ("leaves let go", on(BulkKind.GET_LEAVES, lambda _: b""), "it has let the snapshot go"),
    ("forged cuts", on(BulkKind.GET_CUTS, forged_cuts), "the subtrees lead to another state root"),
    ("cuts within each other", on(BulkKind.GET_CUTS, overlapping_cuts), "one lies within another"),
    ("an unsigned root", on_offer(other_root), "bad_signature"),
    ("too few signers", on_offer(lambda offer: replace(
        offer, checkpoint=Certificate(offer.result, offer.checkpoint.signatures[:2]))), "no_quorum"),
    ("a commit certificate of nothing", on_offer(lambda offer: replace(
        offer, commit=Certificate(offer.commit.vote, ()))), "no_quorum"),
    ("a rotation of another height", on_offer(lambda offer: replace(
        offer, rotation=offer.rotation[:2] + bytes([offer.rotation[2] ^ 1]) + offer.rotation[3:])), ": "),
    ("no offer at all", on(BulkKind.GET_SNAPSHOT, lambda _: b"\xc1"), "bad_version"),
    ("headers that do not link", on(BulkKind.GET_HEADERS, unlinked), "a header that its child does not name"),
    ("no headers", on(BulkKind.GET_HEADERS, lambda _: codec.pack([])), "the peer has not got what it offered"),
    ("another block", on(BulkKind.GET_BLOCKS, lambda _: codec.pack([])), "not the block that was asked for"),
]  # fmt: skip


@pytest.mark.parametrize(("lie", "reason"), [case[1:] for case in LIES], ids=[case[0] for case in LIES])
def test_a_liar_costs_itself_the_work_and_nobody_the_truth(holder: Holder, home: Home, lie: Lie, reason: str) -> None:
    members = [validator.member for validator in holder.succession.genesis.validators]
    for liar in (members[0], members[-1]):
        peers = Peers(holder, {liar: lie})
        empty_home(home.path)
        assert fetch(peers, home) == HEIGHT
        if liar in peers.dropped:  # Else it was never asked what it lies about.
            assert reason in peers.dropped[liar]
        assert set(peers.dropped) <= {liar}
    assert_whole(home, holder)


@pytest.mark.parametrize(("lie", "reason"), [case[1:] for case in LIES], ids=[case[0] for case in LIES])
def test_where_all_lie_nothing_is_installed(holder: Holder, home: Home, lie: Lie, reason: str) -> None:
    members = [validator.member for validator in holder.succession.genesis.validators]
    peers = Peers(holder, dict.fromkeys(members, lie))
    assert fetch(peers, home) == 0
    assert any(reason in told for told in peers.dropped.values())
    assert_nothing(home)


def test_a_stale_certificate_makes_no_offer(holder: Holder, home: Home) -> None:
    members = [validator.member for validator in holder.succession.genesis.validators]
    peers = Peers(holder, dict.fromkeys(members, on_offer(older(holder))))
    assert fetch(peers, home) == 0
    assert set(peers.dropped.values()) == {"bad_proof: the checkpoint certificate is of another block"}
    assert_nothing(home)


def test_a_state_that_is_older_than_its_peers_is_not_taken(holder: Holder, home: Home) -> None:
    peers = Peers(holder, {}, claim=HEIGHT + snapshot_fetch.STALE_HEIGHTS_MAX + 1)
    assert fetch(peers, home) == 0
    assert_nothing(home)
    peers.claim -= 1
    assert fetch(peers, home) == HEIGHT


def test_a_short_chain_is_replayed(holder: Holder, home: Home) -> None:
    peers = Peers(holder, {}, claim=snapshot_fetch.GAIN_HEIGHTS - 1)
    assert fetch(peers, home) == 0
    assert peers.asked == {}


def test_an_endless_range_is_cut_off(holder: Holder, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ascending keys within the range, never the last: as many as somebody cares to grind."""
    monkeypatch.setattr(snapshot_fetch, "RANGE_BYTES_MAX", 3 * snapshots.LEAVES_BYTES_MIN)
    ground = sorted((b"%d" % number for number in range(4_000)), key=lambda key: sha256(key).digest())

    def endless(kind: BulkKind, question: bytes, answer: bytes) -> bytes:
        if kind != BulkKind.GET_LEAVES:
            return answer
        _, start, stop = snapshots.decode_get_leaves(question)
        keys = [key for key in ground if sha256(key).digest() >= start and (not stop or sha256(key).digest() < stop)]
        value = bytes(snapshots.LEAVES_BYTES_MIN // 4)
        return codec.pack([False, [part for key in keys[:4] for part in (key, value)]])

    members = [validator.member for validator in holder.succession.genesis.validators]
    peers = Peers(holder, {members[0]: endless})
    assert fetch(peers, home) == HEIGHT
    assert peers.dropped[members[0]] == f"too_large: more than {3 * snapshots.LEAVES_BYTES_MIN} bytes for one range"
    assert_whole(home, holder)


def test_one_validators_word_on_the_rotation_is_not_enough(holder: Holder, home: Home) -> None:
    def reversed_order(offer: Offer) -> Offer:
        rotation = Rotation.decode(offer.rotation)
        return replace(offer, rotation=replace(rotation, order=rotation.order[::-1]).encode())

    members = [validator.member for validator in holder.succession.genesis.validators]
    assert fetch(Peers(holder, {members[0]: on_offer(reversed_order)}), home) == HEIGHT
    assert_whole(home, holder)
    empty_home(home.path)
    silent = on(BulkKind.GET_SNAPSHOT, lambda _: b"")
    peers = Peers(holder, {members[0]: on_offer(reversed_order), members[1]: silent, members[2]: silent})
    assert fetch(peers, home) == 0
    assert_nothing(home)


def test_ids_reach_back_as_far_as_a_transaction_can_come_again(holder: Holder, home: Home) -> None:
    """One block a millisecond here: a window of 20 ms."""
    assert fetch(Peers(holder, {}), home, window_ms=20) == HEIGHT
    found = Installed(home, holder)
    try:
        kept = [height for height in range(1, HEIGHT) if found.chain.header(height) is not None]
        assert kept[0] <= HEIGHT - 20
    finally:
        found.close()


# ------------------------------------------------------------------------------------- what a node without a past says


def test_what_was_before_is_refused_as_pruned(holder: Holder, home: Home) -> None:
    assert fetch(Peers(holder, {}), home) == HEIGHT
    found = Installed(home, holder)
    address = holder.network.customer(0).address
    newest = holder.executor.world.height
    time_ms = Reads(holder.executor).result(newest).time_ms
    cases: list[Callable[[], object]] = [
        lambda: found.reads.receipt(HEIGHT, 0),
        lambda: found.reads.result(HEIGHT - 1),
        lambda: found.reads.events((1, 0, 0)),
        lambda: found.reads.state_root(HEIGHT - 1),
        lambda: found.reads.history(address, records.position(HEIGHT + 1, 0)),
        lambda: found.reads.statement(address, "USD.alpina", 0, time_ms + 10),
        lambda: found.chain.check_kept(HEIGHT - 1),
    ]
    try:
        for case in cases:
            with pytest.raises(Invalid) as refused:
                case()
            assert refused.value.reason is Reason.PRUNED
        assert found.reads.history(address) == ((), records.position(HEIGHT + 1, 0))
        page = found.reads.statement(address, "USD.alpina", time_ms + 1, time_ms + 10)
        balance = Reads(holder.executor).account(address).balances[0]
        assert (page.opening, page.movements, page.closing) == (balance.available, (), balance.available)
        assert found.reads.account(address) == Reads(holder.executor).account(address)
        assert found.reads.audit() == Reads(holder.executor).audit()
    finally:
        found.close()


# ------------------------------------------------------------------------------------------------------------ crashes


class Killed(BaseException):
    """The process is gone."""


def test_whenever_the_process_dies_the_next_start_finds_all_or_nothing(
    holder: Holder, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dies at the Nth step to the disk, for every N; what was written until then stays."""
    steps = 0
    fatal = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == fatal:
                raise Killed
            return function(*arguments, **named)

        return step

    monkeypatch.setattr(snapshot_fetch, "RANGE_KEYS", 200)
    monkeypatch.setattr(Database, "write", counted(Database.write))
    monkeypatch.setattr(os, "rename", counted(os.rename))
    monkeypatch.setattr(os, "fsync", counted(os.fsync))
    monkeypatch.setattr(shutil, "rmtree", counted(shutil.rmtree))
    monkeypatch.setattr(snapshot_install.Installation, "abandon", lambda self: _let_go(self))
    outcomes: set[str] = set()
    while True:
        steps, fatal = 0, fatal + 1
        _clear(home)
        try:
            fetch(Peers(holder, {}), home)
        except Killed:
            pass
        else:
            break
        steps = -1_000
        snapshot_install.recover(home)
        if snapshot_install.is_empty(home):
            assert_nothing(home)
            outcomes.add("nothing")
        else:
            assert_whole(home, holder)
            outcomes.add("all")
    steps = -1_000
    assert outcomes == {"nothing", "all"}
    assert fatal > 10
    assert_whole(home, holder)


def _let_go(installation: snapshot_install.Installation) -> None:
    """A killed process gives its locks back and cleans nothing up."""
    for database in (installation._state, installation._chain._database):
        database.close()


_remove = shutil.rmtree


def _clear(home: Home) -> None:
    _remove(home.data)
    home.data.mkdir()


def test_a_state_that_was_lost_is_not_rebuilt_from_a_chain_without_a_past(holder: Holder, home: Home) -> None:
    assert fetch(Peers(holder, {}), home) == HEIGHT
    found = Installed(home, holder)
    try:
        with pytest.raises(Corrupt, match=rf"height 0, and this chain begins at block {HEIGHT}, so it can't be"):
            next(replay(found.chain, Recovered(), found.history, 0))
    finally:
        found.close()


def test_the_offer_is_held_to_its_own_heights_validators(holder: Holder) -> None:
    """Signed by a quorum of other keys, and by the right ones for another block."""
    offer = Offer.decode(asyncio.run(holder.answer(BulkKind.GET_SNAPSHOT, snapshots.encode_height(0))))
    strangers = replace(holder.succession.genesis, validators=holder.succession.genesis.validators[1:])
    with pytest.raises(Invalid):
        snapshots.check_offer(offer, replace(holder.succession, genesis=strangers))
    assert isinstance(offer.checkpoint.vote, Checkpoint)
    with pytest.raises(Invalid, match="another chain"):
        snapshots.check_offer(offer, replace(holder.succession, chain_id=bytes(32)))
