"""Named runs: what has stopped other networks for hours, or let one node drive them."""

from consensus import events
from consensus.messages import Message, ViewChangeMessage
from state.parameters import ChainParameters
from state.votes import Commit, Prepare, SignedVote, ViewChange, signing_payload
from tests.consensus.network import CHAIN_ID, GENESIS_MS, Network, key_of

HOUR_MS = 3_600_000


def decided_after(network: Network, text: str) -> int:
    """Submit work and wait until every bank that is up has it; how long that took, in ms."""
    since_ms = network.now_ms
    network.submit(text)
    assert network.run(since_ms + 10_000, network.everything_decided)
    return network.now_ms - since_ms


def test_two_of_four_down_for_long() -> None:
    """No quorum: views do not run away, timers do not grow, and three banks go on as soon as there are three."""
    network = Network("abcd")
    network.start("ab")
    network.submit("1")
    network.run(HOUR_MS // 6)
    for name in "ab":
        replica = network.banks[name].replica
        assert replica is not None
        assert (replica.height, replica.view) == (1, 1)
    network.transcript.clear()
    network.start("d")
    assert decided_after(network, "2") < 2_500
    network.start("c")
    assert network.run(network.now_ms + 10_000, network.settled)


def test_everybody_down_at_once() -> None:
    network = Network("abcdefg", observers="o")
    network.start()
    for round_ in range(4):
        network.submit(f"{round_}")
        network.run(network.now_ms + 17 * (round_ + 1))
        for name in network.banks:
            network.crash(name)
        network.run(network.now_ms + 60_000)
        network.start()
    assert decided_after(network, "last") < 3_000
    assert network.run(network.now_ms + 10_000, network.settled)


def test_one_liar_with_huge_views_drives_nobody() -> None:
    """d floods the others with VIEW-CHANGEs and votes of ever higher views while they work."""
    network = Network("abcd")
    network.start("abc")

    def lie(number: int) -> None:
        view = 1 + number if number % 2 else 2**63 - 1_000 + number
        for name in "abc":
            bank = network.banks[name]
            assert bank.replica is not None
            height = bank.replica.height
            change = ViewChange(height, view, None, None)
            signature = key_of("d").sign(signing_payload(change, CHAIN_ID))
            messages = [ViewChangeMessage(change, 3, signature, None, None)]
            vote = (Prepare, Commit)[number % 2](height, view, bytes(32))
            others = SignedVote(vote, 3, key_of("d").sign(signing_payload(vote, CHAIN_ID)))
            for message in (*messages, others):
                network.step(bank, events.Received(message, "d", GENESIS_MS + network.now_ms))

    for number in range(200):
        lie(number)
        network.run(network.now_ms + 10)
        if number % 40 == 0:
            network.submit(f"{number}")
    assert network.run(network.now_ms + 3_000, network.everything_decided)
    views = [item.certificate.vote.view for item in network.banks["a"].disk.chain]  # type: ignore[union-attr]
    assert len(views) >= 5
    assert sum(view > 0 for view in views) <= 1, "only d's own turn fails"


def views_of(network: Network) -> list[int]:
    """The view that each height was decided in."""
    return [item.certificate.vote.view for item in network.banks["a"].disk.chain]  # type: ignore[union-attr]


def test_a_dead_bank_costs_almost_nothing() -> None:
    """One view change, for as long as it is away. It is back, and leads, as soon as it votes again."""
    network = Network("abcd")
    network.start("abc")
    for number in range(150):
        decided_after(network, f"{number}")
    assert [height for height, view in enumerate(views_of(network), 1) if view] == [3]
    network.start("d")
    network.run(network.now_ms + 20_000)
    for number in range(150, 160):
        decided_after(network, f"{number}")
    proposers = {item.block.header.proposer for item in network.banks["a"].disk.chain[150:]}
    assert key_of("d").public in proposers
    assert sum(view > 0 for view in views_of(network)) == 1


def far_bank(network: Network) -> None:
    """Links of d take 60 ms each way, the others' 10: a certificate is complete before d's COMMIT can be there."""
    link = [""]

    def note(sender: str, to: str, message: Message) -> bool:
        link[0] = sender + to
        return False

    network.drop = note
    network.delay_ms = lambda: 60 if "d" in link[0] else 10


def test_a_far_bank_is_brought_back_by_its_late_commit() -> None:
    """When nothing waits for the next block, its COMMIT still comes in time for the next proposal, and only then is a
    certificate larger than a quorum."""
    network = Network("abcd")
    far_bank(network)
    network.start("abc")
    for number in range(10):
        decided_after(network, f"{number}")
    network.start("d")
    for number in range(10, 80):
        decided_after(network, f"{number}")
        network.run(network.now_ms + 200)
    headers = [item.block.header for item in network.banks["a"].disk.chain]
    sizes = [len(header.parent_certificate.signatures) for header in headers[1:] if header.parent_certificate]
    assert [height for height, size in enumerate(sizes, 2) if size == 4] == [66]
    led = [header.height for header in headers if header.proposer == key_of("d").public]
    assert 67 <= led[0] <= 71
    assert sum(view > 0 for view in views_of(network)) == 1


def test_a_forged_late_commit_comes_into_no_proposal() -> None:
    network = Network("abcd")
    network.start("abc")
    for number in range(65):
        decided_after(network, f"{number}")
    decided = network.banks["a"].disk.chain[-1]
    assert decided.block.height == 65
    vote = decided.certificate.vote
    for name in "abc":
        forged = SignedVote(vote, 3, bytes(64))
        network.step(network.banks[name], events.Received(forged, "c", GENESIS_MS + network.now_ms))
    assert all("does not match" in network.banks[name].rejected[-1] for name in "abc")
    decided_after(network, "65")
    certificate = network.banks["a"].disk.chain[-1].block.header.parent_certificate
    assert certificate is not None
    assert [signer for signer, _ in certificate.signatures] == [0, 1, 2]


def test_a_clock_a_day_off_harms_only_its_owner() -> None:
    """d's proposals are refused, and it withholds PREPARE: it counts among the faulty."""
    network = Network("abcd")
    network.banks["d"].clock_offset_ms = 86_400_000
    network.start()
    for number in range(6):
        decided_after(network, f"{number}")
    for bank in network.banks.values():
        assert any("too far from this clock" in line for line in bank.rejected)
    assert network.run(network.now_ms + 5_000, network.settled)


def test_networks_of_one_two_and_three() -> None:
    for names in ("a", "ab", "abc"):
        network = Network(names, observers="o")
        network.start()
        for number in range(3):
            decided_after(network, f"{number}")
        assert network.run(network.now_ms + 5_000, network.settled)


def test_members_come_and_go_while_banks_crash() -> None:
    """V(h): abcd, then abcde from 6, then bcde from 12, then bcd from 18; L = 2."""

    def members(height: int) -> str:
        return "abcd" if height < 6 else "abcde" if height < 12 else "bcde" if height < 18 else "bcd"

    network = Network("abcde", observers="o", parameters=ChainParameters(execution_lag=2), validators_at=members)
    network.start()
    for number in range(24):
        if number % 5 == 3:
            network.crash("bcd"[number % 3])
        decided_after(network, f"{number}")
        network.start([name for name, bank in network.banks.items() if bank.replica is None])
    assert network.run(network.now_ms + 10_000, network.settled)
    assert len(network.decided) >= 24
    assert set(network.banks["a"].disk.chain[-1].rotation.order) == set("bcd")
    assert not network.banks["a"].evidence


def test_quiet_when_there_is_nothing_to_do() -> None:
    network = Network("abcd", observers="o")
    network.start()
    decided_after(network, "1")
    network.run(network.now_ms + 5_000)
    network.sent.clear()
    network.run(network.now_ms + HOUR_MS)
    assert not network.sent
