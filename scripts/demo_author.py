"""The demo's contract author: 24 lines deployed at genesis, one bad line refused, and a loop that never ends."""

import subprocess
import sys
import time

from rpc.client import SyncClient
from scripts.demo_journey import DUE_SECONDS_MAX, PATIENT, WAIT_MS, Desk, Journey
from scripts.demo_money import transaction
from scripts.demo_network import CURRENCY, ROOT, Network
from scripts.demo_record import Record, Stopped
from state.transaction import Call

CONTRACT = ROOT / "scripts" / "demo_contracts" / "raffle.py"

LOOP_FUEL = 3_000_000


def check_author(network: Network, journey: Journey, record: Record) -> None:
    """What a bank's own developer meets."""
    desk = Desk(network, record)
    entered = desk.call(journey.customer, CONTRACT.stem, "enter", CURRENCY)
    lines = len(CONTRACT.read_text(encoding="utf-8").splitlines())
    record.check("an author's contract", entered.results == ("1",), f"{lines} lines, deployed at genesis, called once")
    _check_bad_line(network, record)
    _check_loop(network, journey, record)


def _check_bad_line(network: Network, record: Record) -> None:
    """The same contract with one line more that reaches outside."""
    lines = CONTRACT.read_text(encoding="utf-8").splitlines()
    bad = network.directory / "bad.py"
    bad.write_text("\n".join([*lines[:3], "import os", *lines[3:], ""]), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "node", "contract", "check", str(bad)],
        capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, start_new_session=True,
    )  # fmt: skip
    said = [line.removeprefix(f"{bad}:") for line in (done.stdout + done.stderr).splitlines()]
    found = next((line for line in said if "syntax.import" in line), "")
    right = done.returncode == 1 and found.startswith("4:") and "from hansa import" in found
    record.check("a bad line", right, f"import os: {found}" if right else " ".join(said))


def _check_loop(network: Network, journey: Journey, record: Record) -> None:
    """The fuel ends it, and all nodes say the same."""
    customer = journey.customer
    call = Call(CONTRACT.stem, 1, "count_for_ever", [])
    signed = transaction(network, customer.address, [customer.key], [call], LOOP_FUEL)
    with SyncClient([customer.bank.place.url], PATIENT) as client:
        client.submit_and_wait(signed, WAIT_MS)
    told = set()
    for place in network.places:
        with SyncClient([place.url], PATIENT) as client:
            deadline = time.monotonic() + DUE_SECONDS_MAX
            while (receipt := client.tx_get(signed.id).receipt) is None:
                if time.monotonic() > deadline:
                    raise Stopped(f"{place.member} has no receipt of {signed.id.hex()}")
                time.sleep(0.05)
            told.add((receipt.code, receipt.fuel_used))
    right = told == {("out_of_fuel", str(LOOP_FUEL))}
    detail = f"out_of_fuel after {LOOP_FUEL:,} units at all {len(network.places)} nodes" if right else f"told {told}"
    record.check("an endless loop", right, detail)
