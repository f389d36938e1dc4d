"""Three hundred storms: networks of 4, 7 and 10 validators under every fault of the simulator, on all cores.

What fails is told with its seed, the invariant, and the end of its timeline.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

SEEDS = {4: 210, 7: 60, 10: 30}
"""How many seeds for each number of validators: about as much time for each."""

SECONDS_MAX = 900
"""Far more than it takes; on two free cores two to three minutes."""


def test_three_hundred_storms_hold_every_invariant() -> None:
    seeds, nodes = (",".join(map(str, numbers)) for numbers in (SEEDS.values(), SEEDS))
    command = [sys.executable, "-m", "scripts.simulation", "--seeds", seeds, "--nodes", nodes]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_MAX)
    told = [line for line in run.stdout.splitlines() if not line.endswith(": ok")]
    assert run.returncode == 0, "\n".join([*told, run.stderr])
    assert told[0].startswith(f"{sum(SEEDS.values())} of {sum(SEEDS.values())} runs hold every invariant")
