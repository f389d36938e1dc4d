"""I6: blocks within 10 s of healing with work pending, whatever happened before. All of it in virtual time.

The links here don't reconnect after a partition: what was lost is sent again by timer alone, which is the harder case.
"""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus import safety
from consensus.events import Signed
from consensus.messages import PrePrepare
from consensus.safety import SignRequest
from state.block import Block, make_block
from state.certificate import Certificate
from state.digest import NO_DIGEST
from state.votes import Commit, Prepare, Proposal, SignedVote, ViewChange, Vote, signing_payload
from tests.consensus.network import CHAIN_ID, GENESIS_MS, NAMES, Network, entry, key_of, validators_of
from tests.scripts import planted

HEALED_MS_MAX = 10_000
FAR = 2**63 - 2
HOUR_MS = 3_600_000


def heals(network: Network) -> int:
    """Nothing is in the way from now on: ms until new work and all the old is decided everywhere."""
    network.drop = lambda sender, to, message: False
    network.start([name for name, bank in network.banks.items() if bank.replica is None])
    network.submit("after all")
    healed_ms = network.now_ms
    assert network.run(healed_ms + HEALED_MS_MAX, network.everything_decided), "no progress within 10 s"
    took_ms = network.now_ms - healed_ms
    assert network.run(network.now_ms + HEALED_MS_MAX, network.settled), "a bank was left behind"
    for bank in network.banks.values():
        assert (bank.halted, bank.evidence) == (None, [])
    return took_ms


# --------------------------------------------------------------------------------------------- f + 1 nodes down


@pytest.mark.parametrize("down_ms", [1, 700, 10_000, 300_000])
@pytest.mark.parametrize("count", [4, 7, 10])
def test_after_f_and_one_were_down(count: int, down_ms: int) -> None:
    """N14: it halts, forks nowhere, and goes on; also when they go down in the middle of a height."""
    names = NAMES[:count]
    network = Network(names, seed=count)
    network.start()
    for number in range(3):
        network.submit(f"{number}")
        network.run(network.now_ms + 15 + 13 * number)
    down = names[-(validators_of(names).faulty_max + 1) :]
    for name in down:
        network.crash(name)
    network.submit("while they are down")
    network.run(network.now_ms + 100)  # what was on its way
    halted = len(network.decided)
    network.run(network.now_ms + down_ms)
    assert len(network.decided) == halted
    views = [bank.replica.view for bank in network.banks.values() if bank.replica is not None]
    assert max(views) <= 3, "views run away from a network without a quorum"
    assert heals(network) < 5_000


# ------------------------------------------------------------------------------- all restarted, any mixture of views


def write(network: Network, name: str, request: SignRequest) -> None:
    """What a bank signed in its last life, as its disk has it."""
    disk = network.banks[name].disk
    assert safety.decide(disk.record, request, network.set_at(1)) == safety.Allow()
    signature = key_of(name).sign(signing_payload(request.vote, CHAIN_ID))
    disk.record = safety.recorded(disk.record, request, signature)
    disk.journal.append(Signed(request, signature))


def prepared_in(names: str, block: Block, view: int) -> Certificate:
    """The first q banks' PREPAREs."""
    vote = Prepare(1, view, block.digest)
    signers = range(validators_of(names).quorum)
    payload = signing_payload(vote, CHAIN_ID)
    return Certificate(vote, tuple((each, key_of(names[each]).sign(payload)) for each in signers))


def restarted(views: Sequence[int], prepared: bool, committed: int) -> Network:
    """Banks that were in these views of height 1 when all of them went down.

    :param prepared: whether the first q banks had prepared the block of view 0.
    :param committed: how many of them had the certificate, too.
    """
    names = NAMES[: len(views)]
    network = Network(names, seed=sum(views) % 1_000)
    network.work = [entry("old")]
    block = make_block(
        chain_id=CHAIN_ID, height=1, parent=NO_DIGEST, parent_certificate=None, timestamp_ms=GENESIS_MS + 900,
        proposer=key_of("b").public, entries=network.work, validators_digest=validators_of(names).digest,
    )  # fmt: skip
    quorum = validators_of(names).quorum
    certificate = prepared_in(names, block, 0)
    for index, name in enumerate(names):
        holds = prepared and index < min(committed, quorum)
        if prepared and name == "b":
            write(network, name, SignRequest(Proposal(1, 0, block.digest), block))
        if prepared and index < quorum:
            write(network, name, SignRequest(Prepare(1, 0, block.digest), block))
        if holds:
            write(network, name, SignRequest(Commit(1, 0, block.digest), block, certificate))
        if views[index] > 0:
            vote: Vote = ViewChange(1, views[index], *((0, block.digest) if holds else (None, None)))
            write(network, name, SignRequest(vote, block if holds else None, certificate if holds else None))
    return network


any_view = st.sampled_from([0, 0, 1, 2, 3, 4, 5, 8, 1_000, 2**40, FAR])


@given(st.lists(any_view, min_size=4, max_size=4), st.booleans(), st.integers(0, 3))
@settings(max_examples=60, derandomize=True)
def test_four_restarted_in_any_mixture_of_views(views: list[int], prepared: bool, committed: int) -> None:
    heals(restarted(views, prepared, committed))


@given(st.lists(any_view, min_size=7, max_size=7), st.booleans(), st.integers(0, 5))
@settings(max_examples=15, derandomize=True)
def test_seven_restarted_in_any_mixture_of_views(views: list[int], prepared: bool, committed: int) -> None:
    heals(restarted(views, prepared, committed))


def test_what_a_quorum_committed_before_all_restarted_is_decided() -> None:
    """Whatever the views: the block that may have been decided somewhere is the one that is."""
    for views in ([0, 0, 0, 0], [1, 2, 3, 4], [9, 1, 1, 0], [FAR, 0, 3, FAR]):
        network = restarted(views, True, 3)
        heals(network)
        assert network.banks["a"].disk.chain[0].block.header.timestamp_ms == GENESIS_MS + 900


@pytest.mark.parametrize("lost", [1, 2, 5])
def test_who_lost_decided_blocks_still_knows_what_it_prepared(lost: int) -> None:
    """Found by the simulator: the journal has a COMMIT for a height that is reached again only by fetching."""
    network = Network(NAMES[:4])
    network.start()
    for number in range(6):
        network.submit(f"payment {number}")
        assert network.run(network.now_ms + HEALED_MS_MAX, network.settled)
    network.drop = lambda sender, to, message: isinstance(message, SignedVote) and isinstance(message.vote, Commit)
    network.submit("prepared everywhere")
    network.run(network.now_ms + 400)
    assert all(isinstance(bank.disk.record.votes[-1].vote, Commit) for bank in network.banks.values())
    for name in network.banks:
        network.crash(name)
    for name in "bc":
        del network.banks[name].disk.chain[-lost:]
    network.start("abc")
    network.drop = lambda sender, to, message: False
    assert network.run(network.now_ms + HEALED_MS_MAX, lambda: len(network.decided) > 6), "no progress within 10 s"
    heals(network)


MIXTURES = ([0, 1, 2, 3], [0, 0, 5, 1_000], [1, 1, 2, 8], [0, 4, 4, FAR], [3, 8, 1_000, 2**40])


@pytest.mark.parametrize(
    "plant",
    [
        planted.nobody_leads,
        planted.nothing_is_sent_again,
        planted.a_timer_fires_once_a_height,
        planted.what_is_prepared_is_forgotten_at_a_restart,
    ],
)
def test_a_planted_bug_is_caught(plant: planted.Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    caught = 0
    for views in MIXTURES:
        try:
            heals(restarted(views, True, 2))
        except AssertionError:
            caught += 1
    assert caught


def test_without_them_the_same_runs_heal() -> None:
    for views in MIXTURES:
        heals(restarted(views, True, 2))


# ---------------------------------------------------------------------------------------- partitions of any length


@st.composite
def cuts(draw: st.DrawFn, names: str) -> tuple[frozenset[tuple[str, str]], int]:
    """Links on which nothing passes, each direction by itself, and for how long: halves, bridges, one-way, anything."""
    links = [(sender, to) for sender in names for to in names if sender != to]
    cut = draw(st.sets(st.sampled_from(links)))
    return frozenset(cut), draw(st.sampled_from([50, 600, 3_000, 20_000]))


def play_cuts(names: str, parts: Sequence[tuple[frozenset[tuple[str, str]], int]], seed: int) -> None:
    network = Network(names, seed=seed)
    network.start()
    for number, (cut, lasts_ms) in enumerate(parts):
        network.submit(f"{number}")
        network.drop = lambda sender, to, message, cut=cut: (sender, to) in cut  # type: ignore[misc]
        network.run(network.now_ms + lasts_ms)
    heals(network)


@given(st.lists(cuts("abcd"), min_size=1, max_size=4), st.integers(0, 99))
@settings(max_examples=40, derandomize=True)
def test_four_after_any_partition(parts: list[tuple[frozenset[tuple[str, str]], int]], seed: int) -> None:
    play_cuts("abcd", parts, seed)


@given(st.lists(cuts("abcdefg"), min_size=1, max_size=3), st.integers(0, 99))
@settings(max_examples=8, derandomize=True)
def test_seven_after_any_partition(parts: list[tuple[frozenset[tuple[str, str]], int]], seed: int) -> None:
    play_cuts("abcdefg", parts, seed)


@pytest.mark.parametrize("hours", [pytest.param(1, marks=pytest.mark.full)])
def test_halves_for_hours(hours: int) -> None:
    """besu#8307, besu#7642: round timers that have grown for hours keep nobody waiting once the network is whole."""
    network = Network("abcd")
    network.start()
    network.submit("1")
    network.drop = lambda sender, to, message: (sender in "ab") != (to in "ab")
    network.run(hours * HOUR_MS)
    for bank in network.banks.values():
        assert bank.replica is not None
        assert bank.replica.view <= 1
    assert heals(network) < 5_000


# ------------------------------------------------------------------------- clocks, and proposals that reach few


@pytest.mark.parametrize("off_ms", [-24 * HOUR_MS, 24 * HOUR_MS])
def test_f_and_one_wrong_clocks_may_halt_and_never_fork(off_ms: int) -> None:
    """T3: with two of four clocks a day off nobody forks, and with one of them set right it goes on."""
    network = Network("abcd")
    for name in "cd":
        network.banks[name].clock_offset_ms = off_ms
    network.start()
    network.submit("1")
    network.run(120_000)
    network.banks["c"].clock_offset_ms = 0
    heals(network)
    times = [network.banks["a"].disk.chain[at].block.header.timestamp_ms for at in range(len(network.decided))]
    assert times == sorted(set(times))


@pytest.mark.parametrize("reached", ["", "a", "ac"])
@pytest.mark.parametrize("from_ms", [0, 60])
def test_a_proposal_that_reaches_few(reached: str, from_ms: int) -> None:
    """N6: one bank's proposals are withheld or shown to some: its turns are lost, and what is decided is the same."""
    network = Network("abcd")
    network.drop = lambda sender, to, message: (
        sender == "b" and isinstance(message, PrePrepare) and to not in reached and network.now_ms >= from_ms
    )
    network.start()
    for number in range(6):
        network.submit(f"{number}")
        assert network.run(network.now_ms + HEALED_MS_MAX, network.everything_decided)
    chain = network.banks["a"].disk.chain
    assert sum(item.certificate.vote.view > 0 for item in chain) <= 2  # type: ignore[union-attr]
    heals(network)
