"""A rolling upgrade: two releases side by side, one change of rules at one height, and who does not know it stops."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from node import upgrades
from node.cli import main
from rpc.client import Policy, SyncClient
from tests.node import next_release
from tests.node.conftest import Hansa
from tests.node.network import make_homes
from tests.node.running import Daemon, await_height, end

BANKS = ("alpina", "borealis", "corriente", "deltahaven")
DAY_MS = 86_400_000
SECONDS_MAX = 120.0
SOON = (40, 160, 640)
"""Heights from the motion to the change: some 12 s of heartbeats; where the votes come too late for that, more."""


class Fleet:
    """The daemons of a network by member id, each of one release."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.genesis = make_homes(directory, heartbeat_ms=300)
        self.newer = next_release.make(directory / "next release")
        self.running: dict[str, Daemon] = {}
        self.all: list[Daemon] = []

    def start(self, member: str, *, newer: bool = False) -> Daemon:
        """Start a member's node."""
        home = self.directory / member
        roots = {"root": self.newer} if newer else {}
        daemon = Daemon(home, **roots)  # type: ignore[arg-type]
        self.all.append(daemon)
        self.running[member] = daemon
        daemon.started()
        return daemon

    def replace(self, member: str) -> Daemon:
        """What an operator does: stop it, install, start it."""
        assert self.running[member].stop() == 0
        return self.start(member, newer=True)

    def client(self, member: str) -> SyncClient:
        """A client of a member's node."""
        url = f"http://127.0.0.1:{self.running[member].started()['rpc_port']}"
        return SyncClient([url], Policy(timeout_seconds=10.0))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    yield made
    end(made.all)


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.1)


@pytest.mark.full
def test_two_releases_agree_and_the_old_one_stops_before_what_it_does_not_know(fleet: Fleet, hansa: Hansa) -> None:
    for member in (*BANKS, "meridian"):
        fleet.start(member)
    options = {member: ("--home", str(fleet.directory / member), "--url", url_of(fleet, member)) for member in BANKS}

    def motion_of_days(member: str, days: int) -> Any:
        expires = str(int(time.time() * 1000) + days * DAY_MS)
        arguments = json.dumps(["pause", ["loans"], [], expires])
        said = ("wallet", "call", "governance", "propose", arguments)
        return said, options[member]

    # One after the other is replaced, and the chain goes on with both releases.
    for member in ("alpina", "borealis", "corriente"):
        fleet.replace(member)
        options[member] = ("--home", str(fleet.directory / member), "--url", url_of(fleet, member))
    newer = dict.fromkeys(("alpina", "borealis", "corriente"), (next_release.RELEASE, 2))
    until(lambda: newer.items() <= heard_by(fleet, "deltahaven").items(), "who runs what is seen")
    said, where = motion_of_days("alpina", 45)
    assert hansa(*said, *where, code=1)["error"]["code"] == "bad_motion", "the old rules still hold everywhere"

    # Who moves it is told who is not ready.
    refused = hansa("gov", "propose", "protocol", "2", "100000", *options["alpina"], code=1)["error"]
    assert refused["code"] == "upgrade_needed"
    assert "deltahaven (0.1.0)" in refused["message"]
    for heights in SOON:
        height = int(fleet.client("alpina").node_status().height) + heights
        moved = hansa("gov", "propose", "protocol", "2", str(height), "--force", *options["alpina"])
        for member in ("borealis", "deltahaven"):
            main(["gov", "vote", moved["results"][0], "yes", *options[member]])
        passed = hansa("gov", "show", moved["results"][0], *options["alpina"])["status"] == "passed"
        if passed:
            break
    assert passed
    until(lambda: fleet.client("deltahaven").node_status().next_protocol_version == 2, "the vote is seen")
    status = fleet.client("deltahaven").node_status()
    assert (status.protocol_version, status.protocol_known, status.next_protocol_height) == (1, 1, str(height))
    assert status.warnings == (upgrades.sentence(2, height, "0.1.0"),)
    assert fleet.client("alpina").node_status().warnings == ()
    shown = hansa("gov", "show", *options["borealis"])["protocol"]
    assert (shown["version"], shown["next_version"], shown["next_height"]) == (1, 2, str(height))

    # The old release stops before the change, by itself and in good order; the new one goes on.
    for member in ("deltahaven", "meridian"):
        old = fleet.running.pop(member)
        assert old.process.wait(SECONDS_MAX) == upgrades.EXIT_CODE
        lines = old.lines()
        assert any(f"This node stops before that block version=2 first_height={height}" in line for line in lines)
        assert any(line.endswith(upgrades.sentence(2, height, "0.1.0")) for line in lines), lines[-5:]
        assert "stopped" in lines[-1]
        assert not any("Traceback" in line for line in lines)
    await_height(fleet.running["alpina"], height + 3, SECONDS_MAX)
    said, where = motion_of_days("alpina", 45)
    assert hansa(*said, *where)["status"] == "final", "the new rules hold"
    again = Daemon(fleet.directory / "deltahaven")
    fleet.all.append(again)
    assert again.process.wait(SECONDS_MAX) == upgrades.EXIT_CODE
    assert again.lines()[-1].endswith(upgrades.sentence(2, height, "0.1.0"))

    # With the new release it goes on from what is on disk.
    for member in ("deltahaven", "meridian"):
        fleet.start(member, newer=True)
    target = int(fleet.client("alpina").node_status().height)
    for member in ("deltahaven", "meridian"):
        await_height(fleet.running[member], target + 1, SECONDS_MAX)
    versions = [version_at(fleet.client("meridian"), at) for at in (1, height - 1, height, target)]
    assert versions == [1, 1, 2, 2]
    # Who differs from a certified root halts; each certifies what it executes under the new rules.
    for member in (*BANKS, "meridian"):
        until(lambda: certified(fleet, member) > target, f"{member} certifies")  # noqa: B023
    for daemon in fleet.running.values():
        assert daemon.stop() == 0


def heard_by(fleet: Fleet, member: str) -> dict[str, tuple[str, int | None]]:
    """Release and newest version of each peer of a member's node."""
    return {peer.member: (peer.version, peer.protocol_known) for peer in fleet.client(member).net_peers().peers}


def url_of(fleet: Fleet, member: str) -> str:
    return f"http://127.0.0.1:{fleet.running[member].started()['rpc_port']}"


def version_at(client: SyncClient, height: int) -> int:
    """The version in a header: the first of its fields, after the version byte and the list's head."""
    encoded = bytes.fromhex(client.chain_block(height).encoded_header.removeprefix("0x"))
    return encoded[2]


def certified(fleet: Fleet, member: str) -> int:
    """Newest certified height at a member's node."""
    return int(fleet.client(member).node_status().certified_height)
