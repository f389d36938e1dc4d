"""What a block and a transaction may cost a node, counted: no clock, no load and no machine can make this fail.

LIMITS is the one table. A change that makes something cheaper lowers its limit here (the failure of
``test_the_limits_are_tight``, or ``./scripts/bench counts``, says to what); a change that makes something dearer has
to say so here, where a reader sees it. Each limit is shown to hold by something planted that goes beyond it.
"""

from collections.abc import Callable
from functools import cache

import pytest

from consensus import messages
from node import records
from node.recording import Recorder
from node.signer import Signer
from scripts.benchmarks import counts
from scripts.benchmarks.counts import Counts
from state import codec, digest, keys, transaction

LIMITS: dict[str, tuple[float, float]] = {
    # of a block, and of each transaction in it, at every node
    "vote frames": (9.75, 0.0),
    "vote bytes": (1_700.0, 48.1),
    "bulk frames": (0.75, 0.0),
    "bulk bytes": (1.0, 257.0),
    "syncs": (3.0, 0.0),
    "journal records": (5.25, 0.0),
    "journal bytes": (1_240.0, 407.0),
    "hashes": (3.35, 11.7),
    "verifies": (7.125, 1.0),
    "transaction verifies": (0.0, 1.0),
    "signs": (3.25, 0.0),
    "encodes": (27.0, 0.0),
    "decodes": (11.25, 2.0),
    "transaction decodes": (0.0, 1.0),
    "message encodes": (3.25, 0.0),
    "message decodes": (9.75, 0.0),
}
EPSILON = 1e-6

measured = cache(counts.measure)


def excesses(found: Counts) -> dict[str, tuple[float, float]]:
    """What lies above its limit: of a block, of a transaction."""
    over = {}
    for name in sorted({*found.per_block, *LIMITS}):
        here = found.per_block.get(name, 0.0), found.per_transaction.get(name, 0.0)
        limit = LIMITS.get(name, (0.0, 0.0))
        if here[0] > limit[0] + EPSILON or here[1] > limit[1] + EPSILON:
            over[name] = round(here[0], 3), round(here[1], 3)
    return over


def test_nothing_costs_more_than_its_limit() -> None:
    assert excesses(measured()) == {}


def test_the_limits_are_tight() -> None:
    """Where a count has come down to half of its limit, a doubling would pass."""
    found, loose = measured(), {}
    for name, limits in LIMITS.items():
        here = found.per_block.get(name, 0.0), found.per_transaction.get(name, 0.0)
        if any(value <= limit / 2 - EPSILON for value, limit in zip(here, limits, strict=True)):
            loose[name] = round(here[0], 3), round(here[1], 3)
    assert loose == {}, "these became cheaper: lower their limits to what is shown"


def test_the_same_is_counted_every_time() -> None:
    assert counts.measure() == measured()


def twice(function: Callable[..., object]) -> Callable[..., object]:
    def again(*arguments: object, **named: object) -> object:
        function(*arguments, **named)
        return function(*arguments, **named)

    return again


def sync_twice(recorder: Recorder) -> None:
    recorder._journal.sync(recorder._next_token)
    Recorder_sync(recorder)


Recorder_sync = Recorder._sync


@pytest.mark.parametrize(
    ("owner", "name", "seen"),
    [
        pytest.param(transaction, "decode", "transaction decodes", id="a transaction is decoded twice"),
        pytest.param(messages, "decode", "message decodes", id="a message is decoded twice"),
        pytest.param(messages, "encode", "message encodes", id="a message is encoded twice"),
        pytest.param(keys.bindings, "crypto_sign_open", "verifies", id="a signature is checked twice"),
        pytest.param(transaction.Transaction, "has_valid_signatures", "transaction verifies", id="and of transactions"),
        pytest.param(Signer, "_sign", "signs", id="a vote is signed twice"),
        pytest.param(records, "block_record", "encodes", id="a block is encoded twice"),
        pytest.param(codec, "unpack", "decodes", id="everything is unpacked twice"),
        pytest.param(digest, "transaction_digest", "hashes", id="a transaction is hashed twice"),
        pytest.param(counts._Node, "append", "journal records", id="a record is written twice"),
        pytest.param(counts._Node, "send_vote", "vote frames", id="a vote is sent twice"),
        pytest.param(counts._Node, "send_bulk", "bulk frames", id="gossip is sent twice"),
    ],
)
def test_a_doubling_is_seen(owner: object, name: str, seen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, name, twice(getattr(owner, name)))
    assert seen in excesses(counts.measure())


def test_an_extra_sync_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recorder, "_sync", sync_twice)
    assert [*excesses(counts.measure())] == ["syncs"]
