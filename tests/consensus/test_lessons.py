"""What stopped other networks, each played here on real replicas in virtual time; the threads are named at each.

More of these are told by the tests of the rules; docs/reliability.md says where.
"""

import pytest

from consensus.messages import DecidedMessage
from state.certificate import Certificate
from state.parameters import ChainParameters
from state.votes import Commit, Prepare, SignedVote, ViewChange
from tests.consensus.bench import Bench, commit, make, pre_prepare, sign, view_change
from tests.consensus.network import Network

DAY_MS = 86_400_000
FAR = 2**63 - 1


def decided_after(network: Network, text: str) -> int:
    """Submit work and wait until every bank that is up has it; how long that took, in ms."""
    since_ms = network.now_ms
    network.submit(text)
    assert network.run(since_ms + 10_000, network.everything_decided), "no progress"
    return network.now_ms - since_ms


def views_of(network: Network) -> list[int]:
    """The view in which each height was decided."""
    chain = network.banks["a"].disk.chain
    return [item.certificate.vote.view for item in chain]  # type: ignore[union-attr]


def test_a_prepared_block_is_proposed_again_whatever_clocks_say_now() -> None:
    """FISCO#4123: a block was stuck, proposed again, and refused by every clock for ever."""
    network = Network("abcd")
    network.start()
    network.drop = lambda sender, to, message: isinstance(message, SignedVote) and isinstance(message.vote, Commit)
    network.submit("stuck")
    network.run(400)
    stuck = {bank.replica._height.prepared.vote.digest for bank in network.banks.values()}  # type: ignore[union-attr]
    for bank in network.banks.values():
        bank.clock_offset_ms = DAY_MS
    network.drop = lambda sender, to, message: network.now_ms < 1_500 and isinstance(message, SignedVote)
    assert network.run(network.now_ms + 10_000, network.everything_decided)
    assert {network.decided[1]} == stuck
    assert views_of(network)[0] > 0


@pytest.mark.parametrize("lag_ms", [-9_000, -150, 150, 9_000])
def test_a_clock_that_lags_costs_no_block(lag_ms: int) -> None:
    """celo#1285: 150 ms of lag at one node cost the network blocks."""
    network = Network("abcd")
    network.banks["d"].clock_offset_ms = lag_ms
    network.start()
    for number in range(12):
        decided_after(network, f"{number}")
    assert views_of(network) == [0] * len(network.decided)
    assert not any(bank.rejected for bank in network.banks.values())


@pytest.mark.parametrize("pace_ms", [1, 20, 9_000])
def test_a_banks_own_pace_is_nobody_elses_business(pace_ms: int) -> None:
    """FISCO#4656: one node's local setting of the shortest block time hung the chain."""
    first = make("x")
    bench = Bench("a")
    bench.hear(pre_prepare(first), *[commit(name, first) for name in "bcd"])
    second = make("z", first, "c")
    assert "validate from c" in bench.hear(pre_prepare(second, "c"), clock_ms=first.header.timestamp_ms + pace_ms)


def test_who_lags_in_agreement_comes_back_by_sync_and_votes_again() -> None:
    """cometbft#3372, #3415, cosmos-sdk#19242: a node that fell behind while it took part never went back to sync."""
    network = Network("abcd")
    network.start()
    decided_after(network, "0")
    network.drop = lambda sender, to, message: "d" in (sender, to)
    network.submit("1")
    network.run(network.now_ms + 3_000)
    for number in range(2, 40):
        network.submit(f"{number}")
        network.run(network.now_ms + 200)
    assert len(network.banks["d"].disk.chain) + 30 < len(network.decided)
    network.drop = lambda sender, to, message: False
    assert decided_after(network, "healed") < 10_000
    network.crash("c")  # from here on nothing is decided without d's votes
    for number in range(5):
        assert decided_after(network, f"with d {number}") < 3_000


def test_a_node_that_starts_and_crashes_all_the_time_stalls_nobody() -> None:
    """FISCO#4417: one crash-looping node stalled four."""
    network = Network("abcd", seed=5)
    network.guard_ms = lambda: 30
    network.start()
    took_ms = []
    for number in range(60):
        if number % 2:
            network.crash("d")
        elif number:
            network.start("d")
        network.run(network.now_ms + network.random.randint(0, 150))
        took_ms.append(decided_after(network, f"{number}"))
    took_ms.sort()
    assert took_ms[30] < 150
    assert took_ms[-1] < 2_000
    assert sum(view > 0 for view in views_of(network)) <= 5


def test_a_newcomer_judges_old_blocks_by_their_own_members() -> None:
    """besu#1476, besu#528: today's allow-list applied to yesterday's blocks kept new nodes out."""

    def members(height: int) -> str:
        return "abcd" if height < 5 else "bcde" if height < 9 else "efgh"

    network = Network(
        "abcdefgh", observers="o", parameters=ChainParameters(execution_lag=2), validators_at=members
    )
    network.start("abcdefgh")
    for number in range(12):
        decided_after(network, f"{number}")
    for name in "abcd":
        network.crash(name)
    network.start("o")
    assert decided_after(network, "new") < 10_000
    assert network.run(network.now_ms + 5_000, network.settled)
    assert len(network.banks["o"].disk.chain) == len(network.decided)


VOTE = Prepare(1, 0, make("x").digest)


@pytest.mark.parametrize("signer", [4, 99])
def test_a_vote_of_an_index_that_nobody_has(signer: int) -> None:
    """ASA-2024-011: a vote under another's or an impossible index took nodes down."""
    assert Bench("a").hear(SignedVote(VOTE, signer, sign("c", VOTE))) == [
        f"reject {'abcd'[signer % 4]}: stranger: there is no validator {signer}"
    ]
    assert Bench("a").hear(SignedVote(VOTE, 1, sign("c", VOTE))) == [
        "reject b: bad_signature: the signature of validator 1 does not match"
    ]


@pytest.mark.parametrize("listed", [(), (0,), (0, 0, 0), (2, 1, 0), (0, 1, 9), tuple(range(100))])
def test_a_certificate_whose_signers_fit_nothing(listed: tuple[int, ...]) -> None:
    """ASA-2025-003, CVE-2022-28937: bitmaps and headers of another size than the set; here a list, checked first."""
    checked = list[bytes]()

    def count(public: bytes, payload: bytes, signature: bytes) -> bool:
        checked.append(signature)
        return True

    block = make("x")
    vote = Commit(1, 0, block.digest)
    certificate = Certificate(vote, tuple((signer, bytes(64)) for signer in listed))
    (said,) = Bench("a", count=count).hear(DecidedMessage(block, certificate, 2))
    assert said.startswith("reject d: ")
    assert checked == []


def test_the_last_view_is_the_last() -> None:
    """Found by fuzzing: led there by more than f, a replica asked for view 2^63, which nobody can read."""
    bench = Bench("a")
    bench.hear(view_change("b", FAR), view_change("c", FAR), view_change("d", FAR))
    assert bench.replica.view == FAR
    bench.signed()
    assert bench.timeout(FAR) != []
    assert bench.replica.view == FAR
    assert {item.vote.view for item in bench.requests if isinstance(item.vote, ViewChange)} <= {FAR}
