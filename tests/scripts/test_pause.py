"""S10: a process that stands still, as under SIGSTOP, and then does everything that it has missed at once."""

import pytest

from node import seams
from scripts.simulation import birth
from scripts.simulation.machine import Machine
from scripts.simulation.network import SimulatedNetwork
from scripts.simulation.timeline import Timeline
from state.block import Block

PROGRESS_MS_MAX = 10_000


class Pausing(Machine):
    """A machine whose process can be stopped: what comes in meanwhile waits, timers and disk answers included."""

    until_ms = 0

    def deliver(self, event: seams.Event, life: int) -> None:
        """Later, while it stands still."""
        left_ms = self.until_ms - self._timeline.now_ms
        if left_ms > 0:
            self._timeline.after(left_ms, lambda: self.deliver(event, life))
        else:
            super().deliver(event, life)


class Watcher:
    """What is final where, and who was accused."""

    def __init__(self) -> None:
        self.final: dict[str, set[bytes]] = {}

    def executed(self, machine: Machine, block: Block, event: seams.Executed) -> None:
        self.final.setdefault(machine.name, set()).update(block.transaction_ids())

    def sent(self, machine: Machine, event: seams.VoteFrame | seams.BulkFrame) -> None: ...

    def noted(self, machine: Machine, what: str) -> None: ...


@pytest.mark.parametrize("pause_ms", [1_000, 5_000, 60_000])
@pytest.mark.parametrize("stopped", [0, 2])
def test_a_bank_that_stands_still_for_a_while(stopped: int, pause_ms: int) -> None:
    """The others go on over it, it comes back by itself, contradicts nobody, and is good for a quorum again."""
    timeline, watcher = Timeline(stopped), Watcher()
    network = SimulatedNetwork(timeline)
    names = [birth.bank(index) for index in range(4)]
    machines = [Pausing(name, name, 4, timeline, network, watcher) for name in names]
    network.machines = [*machines]
    for machine in machines:
        machine.boot()
    timeline.run(900)
    clients = timeline.chance("clients")

    def settle(*banks: Machine) -> int:
        """A payment is final at these banks; how long that took."""
        payment = birth.payment(clients, 4, birth.GENESIS_MS + timeline.now_ms)
        began_ms = timeline.now_ms
        machines[1].deliver(seams.Submitted(1, (payment.encoded,)), machines[1].life)
        while not all(payment.id in watcher.final.get(bank.name, ()) for bank in banks):
            assert timeline.now_ms - began_ms < PROGRESS_MS_MAX, "no progress"
            timeline.run(10)
        return timeline.now_ms - began_ms

    settle(*machines)
    machines[stopped].until_ms = timeline.now_ms + pause_ms
    others = [machine for machine in machines if machine is not machines[stopped]]
    while timeline.now_ms < machines[stopped].until_ms:
        settle(*others)
        timeline.run(pause_ms // 20)
    assert settle(*machines) < PROGRESS_MS_MAX
    machines[3].crash(power=False)  # from here on nothing is decided without the one that stood still
    for _ in range(5):
        assert settle(*machines[:3]) < 3_000
    assert not any(list(machine.chain.evidence()) for machine in machines[:3])
