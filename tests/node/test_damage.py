"""Damage to a validator's home: a wrong answer is never served, no vote is forgotten, and every refusal says why."""

import json
import shutil
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from node import configuration, journal, start
from node.home import Home
from state import manifest
from state.store import Database
from tests.node.damage import KINDS, MEMBER, Homes, Served, hits, judge, place_for, prepare
from tests.node.running import Daemon, end

SEED = 7
SAMPLE = 200
ALL = 10_000
DAEMONS, ALL_DAEMONS = 3, 60


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    with place_for(tmp_path_factory.mktemp("damage")) as directory:
        yield prepare(directory)


def tell(homes: Homes, seed: int, count: int) -> dict[str, Counter[str]]:
    """What became of so many hits, by the kind of file. :raises Served: S6."""
    found = {kind: Counter[str]() for kind in KINDS}
    for hit, outcome in hits(homes, seed, count):
        found[hit.kind][outcome if outcome in ("right", "behind") else "refused"] += 1
    return found


def check(found: dict[str, Counter[str]]) -> None:
    """Damage where it matters is refused, and not everything is."""
    damaging = [kind for kind in KINDS if "table" in kind or kind in ("journal", "vote key", "genesis")]
    assert all(found[kind]["refused"] for kind in damaging)
    assert all(found[kind]["refused"] == 0 for kind in ("chain LOG, LOCK", "state LOG, LOCK", "journal's mark", "lock"))


def test_a_sample_of_damage_is_never_served(homes: Homes) -> None:
    check(tell(homes, SEED, SAMPLE))


@pytest.mark.full
def test_ten_thousand_are_never_served(homes: Homes) -> None:
    found = tell(homes, SEED + 1, ALL)
    check(found)
    assert sum(map(Counter.total, found.values())) == ALL


class Careless:
    """Checks that are left out, one at a time: what follows must be noticed."""

    @staticmethod
    def checksums(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(Database, "get_verified", lambda self, key: self._db.get(key))
        patch.setattr(
            Database, "rows", lambda self, low, high: list(self._db.iterator(start=low, stop=high, include_stop=False))
        )

    @staticmethod
    def mark(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(journal, "check_mark", lambda path, end: None)

    @staticmethod
    def network(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(start, "check_network", lambda chain, chain_id, path: None)


@pytest.mark.parametrize(
    ("check_left_out", "kind"), [("checksums", "chain table"), ("mark", "journal"), ("network", "genesis")]
)
def test_a_check_that_is_left_out_is_noticed(
    homes: Homes, monkeypatch: pytest.MonkeyPatch, check_left_out: str, kind: str
) -> None:
    getattr(Careless, check_left_out)(monkeypatch)
    random, noticed = Random(SEED), 0
    for _ in range(60):
        home, hit = homes.hit(random, kind)
        try:
            judge(home, homes.truths[hit.condition])
        except Served:
            noticed += 1
    assert noticed > 2


def test_an_undamaged_home_is_right(homes: Homes) -> None:
    for condition, truth in homes.truths.items():
        assert judge(homes.copy(condition), truth) == "right"
        assert manifest.fault_of(homes.homes[condition] / "data" / "chain") == ""


def ask(port: str, method: str, parameters: dict[str, object]) -> dict[str, object]:
    """One question to a daemon; its answer, or its error."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
    with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    found: dict[str, object] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


def answers(port: str, homes: Homes, condition: str) -> list[object]:
    """What a client can see of the blocks and transactions that were there."""
    truth = homes.truths[condition]
    found: list[object] = []
    for height in range(1, len(truth.blocks) + 1):
        block = ask(port, "chain_block", {"height": str(height)}).get("result")
        assert isinstance(block, dict), (height, block)
        block.pop("latest_height")
        found.append(block)
    for identity in truth.places:
        status = ask(port, "tx_get", {"hash": "0x" + identity.hex()}).get("result")
        assert isinstance(status, dict), status
        status.pop("indexed_height")
        found.append(status)
    return found


def real_daemons(homes: Homes, tmp_path: Path, seed: int, count: int) -> Counter[str]:
    """Damaged homes under real daemons: each says why it refuses, or answers every question rightly."""
    random, found = Random(seed), Counter[str]()
    wanted: dict[str, list[object]] = {}

    def run(home: Path) -> tuple[str, list[object]]:
        path = Home(home).configuration
        if (text := path.read_bytes()).count(b'execution = "inline"') == 1:
            path.write_bytes(text.replace(b'execution = "inline"', b'execution = "process"'))
        daemon = Daemon(home)
        try:
            try:
                port = daemon.started()["rpc_port"]
            except AssertionError:
                assert daemon.process.wait(20) in (1, 2)
                return daemon.lines()[-1], []
            return "", answers(port, homes, condition)
        finally:
            end([daemon])

    for _ in range(count):
        home, hit = homes.hit(random)
        condition = hit.condition
        if condition not in wanted:
            shutil.copytree(homes.homes[condition], tmp_path / condition)
            assert configuration.load(Home(tmp_path / condition).configuration)
            wanted[condition] = run(tmp_path / condition)[1]
        shutil.rmtree(tmp_path / MEMBER, ignore_errors=True)
        shutil.copytree(home, tmp_path / MEMBER)
        refusal, told = run(tmp_path / MEMBER)
        if refusal:
            assert len(refusal) > 40, (str(hit), refusal)
            assert "Traceback" not in (tmp_path / f"{MEMBER}.log").read_text(), str(hit)
            found["refused"] += 1
        else:
            assert told == wanted[condition], str(hit)
            found["right"] += 1
    return found


def test_real_daemons_refuse_or_answer_rightly(homes: Homes, tmp_path: Path) -> None:
    assert real_daemons(homes, tmp_path, SEED, DAEMONS).total() == DAEMONS


@pytest.mark.full
def test_more_real_daemons_refuse_or_answer_rightly(homes: Homes, tmp_path: Path) -> None:
    found = real_daemons(homes, tmp_path, SEED + 1, ALL_DAEMONS)
    assert found["right"] > 5
    assert found["refused"] > 5
