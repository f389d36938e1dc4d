"""Warnings before a certificate ends: at 30, 7 and 1 days, once each, and only where nobody renews it."""

import logging
from pathlib import Path

import pytest

from node.expiries import Expiries, log_to
from tests.node.network import Network, until

DAY_MS = 86_400_000
Told = list[tuple[str, int]]


def told(owner: str, hourly: list[int]) -> Told:
    """What is told while an owner has so many days left, from hour to hour."""
    said: Told = []
    expiries = Expiries(lambda name, days: said.append((name, days)))
    for days in hourly:
        expiries.check({owner: days})
    return said


TABLE: list[tuple[str, str, list[int], list[int]]] = [
    ("it renews itself", "", [90, 31, 30, 29, 90, 60], []),
    ("ours is not renewed", "", [90, 30, 29, 29, 28, 8, 7, 6, 5, 1, 0, 0, -1, -2], [29, 6, 0, -1]),
    ("a node that stood still", "", [90, 4, 4, 3], [4]),
    ("renewed late, forgotten again", "", [90, 29, 29, 90, 29, 29], [29, 29]),
    ("a bank shows an old one", "alpina", [20, 20, 19, 6, 0], [20, 6, 0]),
    ("a bank's link is up for long", "alpina", [85, 60, 29, 20, 5, 0, -3], []),
    ("a bank that renews in this hour", "alpina", [29, 90, 89], []),
    ("a bank that renews after all", "alpina", [3, 3, 90, 89], [3]),
    ("it has ended before it was seen", "alpina", [-2, -2, -3], [-2]),
]


@pytest.mark.parametrize(("owner", "hourly", "days"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_is_told(owner: str, hourly: list[int], days: list[int]) -> None:
    assert told(owner, hourly) == [(owner, left) for left in days]


def test_who_leaves_is_forgotten() -> None:
    said: Told = []
    expiries = Expiries(lambda name, days: said.append((name, days)))
    for _ in range(2):
        for _ in range(2):
            expiries.check({"": 80, "alpina": 6})
        expiries.check({"": 80})
    assert said == [("alpina", 6)] * 2


def test_sentences(caplog: pytest.LogCaptureFixture) -> None:
    warn = log_to(logging.getLogger("hansa.test"))
    for owner, days in (("", 6), ("", -1), ("alpina", 0), ("alpina", -3)):
        warn(owner, days)
    assert [record.getMessage() for record in caplog.records] == [
        "this node's TLS certificate ends in 6 days and was not renewed: check its clock and restart it",
        "this node's TLS certificate has ended and was not renewed: check its clock and restart it",
        "the TLS certificate that alpina shows ends in 0 days and was not renewed: its node must be restarted, or it "
        "links with nobody any more",
        "the TLS certificate that alpina shows has ended and was not renewed: its node must be restarted, or it links "
        "with nobody any more",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def ours(caplog: pytest.LogCaptureFixture) -> list[int]:
    """Days, as the warnings of the own certificate tell them."""
    return [
        record.facts["days"]  # type: ignore[attr-defined]
        for record in caplog.records
        if record.getMessage().startswith("this node's TLS certificate")
    ]


async def test_a_node_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It looks again and again; its clock jumps two months and its renewal fails."""
    monkeypatch.setattr("node.life.CHECK_SECONDS", 0.02)
    network = await Network.start(tmp_path, validators=1)
    try:
        (node,) = network.validators
        clock_ms = node.network._clock_ms
        with caplog.at_level(logging.WARNING, "hansa.node"):
            for ahead_days in (61.5, 84.5, 89.5):
                monkeypatch.setattr(
                    node.network, "_clock_ms", lambda ahead=ahead_days: clock_ms() + int(ahead * DAY_MS)
                )
                count = len(ours(caplog))
                await until(lambda count=count: len(ours(caplog)) > count, "a warning")  # type: ignore[misc]
        assert ours(caplog) == [28, 5, 0]
    finally:
        await network.stop()
