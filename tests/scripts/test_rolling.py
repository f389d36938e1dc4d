"""The rolling restart's own counting: what was lost, what was refused, how long the chain stopped."""

import pytest

from rpc.errors import RpcError
from scripts.benchmarks import rolling
from scripts.benchmarks.progress import Progress
from scripts.simulation import birth
from scripts.simulation.timeline import Timeline

CHANCE = Timeline(1).chance("payments")
PAYMENTS = [birth.payment(CHANCE, 4, birth.GENESIS_MS) for _ in range(4)]


def test_a_stop_is_the_time_between_two_new_heights() -> None:
    seen = [(10.0, 5), (10.1, 6), (12.35, 7), (12.4, 9)]
    assert rolling._stops(seen) == {10.1: 100, 12.35: 2250, 12.4: 50}
    assert rolling._stops(seen[:1]) == {}


def test_what_is_taken_is_not_sent_again_and_what_must_wait_is() -> None:
    record = rolling.Record()
    results = [
        object(),
        RpcError(-32005, "busy", "later"),
        RpcError(-32005, "full", "later"),
        RpcError(-32003, "bad_signature", "never"),
    ]
    assert rolling._judge(PAYMENTS, results, record) == PAYMENTS[1:3]
    assert record.taken == {PAYMENTS[0].id}
    assert (record.busy, record.refused) == (2, {"bad_signature": 1})


@pytest.mark.full
def test_all_validators_are_restarted_and_nothing_is_lost() -> None:
    """How long the chain stops is for a quiet machine to say; what is lost does not depend on one."""
    found = rolling.measure(Progress(), tps=50.0, pause_seconds=0.5)
    assert found["figures"]["lost"] == 0
    assert found["taken"] == found["final"] > 0
    assert (len(found["restarts"]), found["refused"]) == (4, {})
    assert found["longest_stop_ms_by_block_times"] > 0
