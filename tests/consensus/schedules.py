"""Hard weather for a network: what happens when, as data that Hypothesis can draw and shrink."""

from dataclasses import dataclass

from hypothesis import strategies as st

from state.parameters import ChainParameters
from tests.consensus.network import Network

HEALED_MS_MAX = 10_000
"""Invariant I6: with work pending, progress this soon after the faults end."""


@dataclass(frozen=True)
class Schedule:
    """One run."""

    seed: int
    names: str
    twins: str
    lag: int
    loss_percent: int
    copies_percent: int
    delay_ms_max: int
    actions: tuple[tuple[str, int, int], ...]
    """(what, of whom or how, for how many ms)."""


def schedules(names: str, twins: str = "") -> st.SearchStrategy[Schedule]:
    """Any run of these banks."""
    action = st.tuples(
        st.sampled_from(["submit", "submit", "crash", "start", "split", "join", "wait"]),
        st.integers(0, 255),
        st.integers(1, 700),
    )
    return st.builds(
        Schedule,
        seed=st.integers(0, 2**32),
        names=st.just(names),
        twins=st.just(twins),
        lag=st.sampled_from([2, 8]),
        loss_percent=st.sampled_from([0, 5, 30]),
        copies_percent=st.sampled_from([0, 50]),
        delay_ms_max=st.sampled_from([5, 60, 600]),
        actions=st.lists(action, min_size=5, max_size=25).map(tuple),
    )


def play(schedule: Schedule) -> Network:
    """Run it, end the faults, and check the invariants. (The harness itself refuses two blocks at one height.)

    :raises AssertionError: an invariant does not hold.
    """
    network = Network(
        schedule.names,
        observers="o",
        twins=schedule.twins,
        parameters=ChainParameters(execution_lag=schedule.lag),
        seed=schedule.seed,
    )
    split = _weather(network, schedule)
    network.start()
    for number, (what, which, wait_ms) in enumerate(schedule.actions):
        _act(network, split, what, which, number)
        network.run(until_ms=network.now_ms + wait_ms)
    network.drop = lambda sender, to, message: False
    network.delay_ms = lambda: network.random.randint(1, 40)
    network.copies = lambda: 1
    network.start([name for name, bank in network.banks.items() if bank.replica is None])
    network.submit("after all")
    healed_ms = network.now_ms
    assert network.run(healed_ms + HEALED_MS_MAX, network.everything_decided), "no progress after the faults ended"
    assert network.run(network.now_ms + 2_000, network.settled), "a bank was left behind"
    for bank in network.banks.values():
        assert bank.halted is None
        accused = {network.guilty(item) for item in bank.evidence}
        assert accused <= set(schedule.twins), f"{bank.name} accuses {accused}"
    return network


def _weather(network: Network, schedule: Schedule) -> set[str]:
    """Loss, delay, copies; and the set of banks on one side of a split, to be changed as the run goes."""
    random, split = network.random, set[str]()
    network.drop = lambda sender, to, message: (
        (sender in split) != (to in split) or random.randrange(100) < schedule.loss_percent
    )
    network.delay_ms = lambda: random.randint(1, schedule.delay_ms_max)
    network.guard_ms = lambda: random.choice((0, 20, 1_500))
    network.copies = lambda: 1 + (random.randrange(100) < schedule.copies_percent)
    return split


def _act(network: Network, split: set[str], what: str, which: int, number: int) -> None:
    names = list(network.banks)
    chosen = names[which % len(names)]
    up = network.banks[chosen].replica is not None
    if what == "submit":
        network.submit(*(f"{number}.{index}" for index in range(1 + which % 4)))
    elif what == "crash" and up:
        network.crash(chosen)
    elif what == "start" and not up:
        network.start([chosen])
    elif what == "split":
        split.update(name for index, name in enumerate(names) if which >> index & 1)
    elif what == "join":
        split.clear()
