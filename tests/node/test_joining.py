"""A fifth bank joins a running network and later leaves it, by the command line alone, with blocks going on."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node import devnet, testnet
from node.home import Home
from node.key_requests import read_request, request_node_key, request_vote_key
from node.keystore import Purpose, read_key
from node.opening import read_home
from rpc.client import SyncClient
from state.errors import Invalid

Hansa = Callable[..., Any]
SECONDS_MAX = 240.0
FOUNDERS = ("alpina", "borealis", "corriente", "deltahaven")


class Bankers:
    """The people at the founders' desks, and the newcomer's."""

    def __init__(self, directory: Path, hansa: Hansa) -> None:
        self.directory = directory
        self.hansa = hansa
        self.url = ""
        """Of the first founder's node."""

    def home(self, member: str) -> tuple[str, str]:
        return "--home", str(self.directory / member)

    def decide(self, *motion: str) -> None:
        """Propose, and have others agree until it has passed."""
        moved = self.hansa("gov", "propose", *motion, *self.home("alpina"))
        for bank in FOUNDERS[1:]:
            # Asked at the node that has the motion: the bank's own may not have executed its block yet.
            voted = self.hansa("gov", "vote", moved["results"][0], "yes", *self.home(bank), "--url", self.url)
            if voted["results"] == ["passed"]:
                return
        raise AssertionError(f"{motion} has not passed")

    def status(self, member: str) -> Any:
        return self.hansa("status", *self.home(member))

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS_MAX
        while not condition():
            assert time.monotonic() < deadline, f"not in time: {what}\n{self.newcomer()}"
            time.sleep(0.1)

    def newcomer(self) -> str:
        """What a failure is explained with: why the newcomer is not ready, and the end of its log."""
        carol = devnet.named(devnet.load(self.directory), "carol")
        return "\n".join((*devnet.readiness(carol).reasons, *devnet.tail(carol, 30)))

    def pay(self) -> int:
        """A block with a transaction in it, made now; its height."""
        call = ("accounts", "grant", '["payments"]', "--timeout", str(int(SECONDS_MAX)))
        paid = self.hansa("wallet", "call", *call, *self.home("alpina"))
        return int(paid["height"])

    def validators(self, height: int) -> list[str]:
        with SyncClient([self.url]) as client:
            return [entry.member for entry in client.net_validators(height).validators]


def test_a_fifth_bank_joins_a_running_network_and_leaves(directory: Path, hansa: Hansa) -> None:
    base_port = devnet.free_base_port(random.randrange(24_000, 28_000, 10), 6)
    where = ("--dir", str(directory))
    hansa("devnet", "up", *where, "--base-port", str(base_port))
    desk = Bankers(directory, hansa)
    chain_id = hansa("genesis", "show", str(directory / "genesis.json"))["chain_id"]
    desk.url = alpina = devnet.named(devnet.load(directory), "alpina").url
    asked = (
        "join", *desk.home("carol"), "--url", alpina, "--id", "carol", "--legal-name", "Carol Bank plc",
        "--lei", testnet.test_lei("carol"), "--jurisdiction", "GB",
        "--port", str(base_port + 5), "--rpc-port", str(base_port + 105),
    )  # fmt: skip
    refused = hansa(*asked, "--chain-id", "0x" + "11" * 32, code=1)
    assert refused["error"]["message"].startswith(f"the node is of the network {chain_id}")
    assert not (directory / "carol").exists()
    joined = hansa(*asked, "--chain-id", chain_id)
    assert joined["network"] == "devnet"

    # It starts before it is a member: nobody links with it, and it says so.
    carol = devnet.named(devnet.load(directory), "carol")
    devnet.start(carol)
    desk.until(lambda: "carol is no member yet" in " ".join(devnet.readiness(carol).reasons), "the newcomer waits")
    desk.decide("admit", joined["member_file"])
    desk.until(lambda: devnet.readiness(carol).is_ready, "the newcomer follows")
    assert desk.status("carol")["role"] == "observer"

    # It asks for its vote, restarts so that it holds the key, and validates from the height on that the vote has set.
    request = hansa("keys", "vote", *desk.home("carol"))["request"]
    devnet.stop([carol])
    devnet.start(carol)
    desk.decide("validator", request)
    height = desk.pay()
    desk.until(lambda: desk.pay() > height + 8, "eight blocks")
    assert "carol" in desk.validators(height + 9)
    desk.until(lambda: devnet.readiness(carol).is_ready, "it is back")
    desk.until(lambda: desk.status("carol")["role"] == "validator", "it validates")
    # With one founder down four of five decide: without the newcomer's vote there would be no quorum.
    desk.until(lambda: devnet.readiness(carol).is_ready, "it is linked as a validator")
    hansa("devnet", "kill", "deltahaven", *where)
    height = desk.pay()
    desk.until(lambda: desk.pay() > height + 3, "blocks go on with its vote")
    hansa("devnet", "start", "deltahaven", *where)

    desk.decide("remove", "carol")
    height = desk.pay()
    desk.until(lambda: desk.pay() > height + 9, "the founders go on")
    assert desk.validators(desk.pay()) == list(FOUNDERS)
    desk.until(lambda: "carol has left the network" in " ".join(devnet.readiness(carol).reasons), "it says so")
    assert any("carol has left the network" in line for line in devnet.tail(carol, 50))
    shown = hansa("gov", "propose", "remove", "deltahaven", *desk.home("alpina"), code=1)
    assert shown["error"]["code"] == "call_failed" or "unsafe_validators" in json.dumps(shown)


def test_the_next_keys_of_a_home(tmp_path: Path) -> None:
    testnet.make(tmp_path, testnet.seats(1, 1), name="keys")
    home = Home(tmp_path / "alpina")
    first = request_vote_key(home, None)
    request = read_request(first, "validator")
    second = request_node_key(home, None, "node2.example", 4_000)
    assert (first.name, second.name) == ("vote-2.request.json", "node-2.request.json")
    assert request.texts[:2] == ("alpina", read_key(home.nth_key(home.vote_key, 2), Purpose.VOTE).public.hex())
    assert read_request(second, "node").numbers == (4_000,)
    assert request_vote_key(home, None).name == "vote-3.request.json"
    with pytest.raises(Invalid, match="asks for node: hansa gov propose node"):
        read_request(second, "validator")
    opening = read_home(home.path, {})
    assert (len(opening.vote_keys), len(opening.identities)) == (3, 2)
    # An observer that founded the network has no vote key; its first is the first.
    observer = Home(tmp_path / "meridian")
    assert request_vote_key(observer, None).name == "vote.request.json"
    assert len(read_home(observer.path, {}).vote_keys) == 1


def test_what_is_voted_on_can_be_read(directory: Path, hansa: Hansa) -> None:
    hansa("devnet", "up", "--dir", str(directory), "--base-port", str(devnet.free_base_port(28_000, 5)))
    desk = Bankers(directory, hansa)
    source = directory / "counter.py"
    source.write_text('"""Nothing yet."""\n\nfrom hansa import query\n\n\n@query\ndef one() -> int:\n    return 1\n')
    moved = hansa("gov", "propose", "deploy", "counter", str(source), *desk.home("alpina"))
    motion = moved["results"][0]
    assert hansa("gov", "read", motion, *desk.home("alpina"))["source"] == source.read_text()
    shown = hansa("gov", "show", motion, *desk.home("alpina"))
    assert (shown["arguments"]["contract"], len(shown["arguments"]["source"])) == ("counter", 66)
    desk.url = devnet.named(devnet.load(directory), "alpina").url
    for bank in ("borealis", "corriente"):
        hansa("gov", "vote", motion, "yes", *desk.home(bank), "--url", desk.url)
    asked = hansa("wallet", "query", "counter", "one", *desk.home("alpina"))
    assert asked["result"] == "1"
    other = hansa("gov", "propose", "parameter", "order_approvals", "2", *desk.home("alpina"))["results"][0]
    assert hansa("gov", "read", other, *desk.home("alpina"), code=1)["error"]["code"] == "unknown"
