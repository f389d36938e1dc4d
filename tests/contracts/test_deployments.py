"""Contracts that members vote in, replace and pause: what is stored goes on, and what can't is refused."""

import pytest

from contracts.kernel import layout, pauses
from state.codec import Value
from tests.contracts.network import Chain
from tests.contracts.test_membership import decide, last, move, with_nodes

COUNTER = '''
"""A counter."""

from hansa import Map, Value, action, query, record


@record
class Step:
    by: int


total: Value[int] = Value(0)
steps: Map[int, Step] = Map()


@action
def add(by: int) -> int:
    number = total.get() + 1
    steps[number] = Step(by)
    total.set(number)
    return number


@query
def count() -> int:
    return total.get()
'''

SUMMING = '''
"""A counter that also sums."""

from hansa import Map, Value, action, ctx, invariant, query, record, require


@record
class Step:
    by: int


total: Value[int] = Value(0)
steps: Map[int, Step] = Map()
sums: Value[int] = Value(0)


@action
def migrate() -> None:
    require(ctx.sender == ctx.contract, "not_yours", "only the contract itself, once")
    found = 0
    for number in range(1, total.get() + 1):
        found += steps[number].by
    sums.set(found)


@action
def add(by: int) -> int:
    number = total.get() + 1
    steps[number] = Step(by)
    total.set(number)
    sums.set(sums.get() + by)
    return number


@query
def count() -> int:
    return total.get()


@query
def summed() -> int:
    return sums.get()


@invariant
def nothing_is_lost() -> bool:
    return total.get() == 0 or sums.get() > 0
'''


@pytest.fixture
def four() -> Chain:
    chain = Chain.start(with_nodes(4)).furnish()
    assert decide(chain, "deploy", ["counter", COUNTER]) == "ok"
    return chain


def send(chain: Chain, method: str, *arguments: Value, interface: int = 1) -> str:
    body = chain.body("ann", ("counter", method, list(arguments)))
    from dataclasses import replace

    from state.transaction import sign
    from tests.contracts.network import key_of

    calls = tuple(replace(call, interface=interface) for call in body.calls)
    return chain.block(sign(replace(body, calls=calls), [key_of("ann")])).receipts[0].code


def asked(chain: Chain, query: str) -> Value:
    return chain.reads.query("counter", query, []).value


def test_a_contract_comes_by_vote(four: Chain) -> None:
    (deployed,) = [event for event in last(four).events if event.name == "contract_deployed"]
    assert dict(deployed.fields)["deployed"] == "counter"
    assert send(four, "add", 5) == "ok"
    assert asked(four, "count") == 1
    assert any(info.name == "counter" for info in four.reads.contracts())
    assert decide(four, "deploy", ["counter", COUNTER]) == "contract_exists"


def test_a_contract_changes_and_keeps_what_it_has(four: Chain) -> None:
    for by in (5, 6):
        assert send(four, "add", by) == "ok"
    address = four.executor.contracts.find(four.executor.overlay(), "counter")
    assert decide(four, "upgrade", ["counter", "migrate", SUMMING]) == "ok"
    assert send(four, "add", 1) == "interface_mismatch"
    assert (asked(four, "count"), asked(four, "summed")) == (2, 11)
    assert send(four, "add", 1, interface=2) == "ok"
    assert (asked(four, "count"), asked(four, "summed")) == (3, 12)
    assert send(four, "migrate", interface=2) == "not_yours"
    after = four.executor.contracts.find(four.executor.overlay(), "counter")
    assert address is not None
    assert after is not None
    assert (after.address, after.interface) == (address.address, 2)
    overlay = four.executor.overlay()
    assert overlay.get(layout.former_source_key("counter", 1)) == (COUNTER,)
    assert overlay.get(layout.source_key("counter")) == (SUMMING,)
    # Another node, which compiles it from the state alone, goes on the same way.
    four.executor.contracts = type(four.executor.contracts)()
    assert send(four, "add", 1, interface=2) == "ok"


@pytest.mark.parametrize(
    ("subject", "texts", "code"),
    [
        ("deploy", ["other", "import os"], "bad_source"),
        ("deploy", ["Other", COUNTER], "bad_source"),
        ("deploy", ["ledger", COUNTER], "bad_source"),
        ("deploy", ["other", "x" * 65_537], "length"),
        ("upgrade", ["other", "", SUMMING], "unknown_contract"),
        ("upgrade", ["counter", "", COUNTER], "bad_source"),
        ("upgrade", ["counter", "count", SUMMING], "bad_source"),
        ("upgrade", ["counter", "add", SUMMING], "bad_source"),
        ("upgrade", ["counter", "", SUMMING.replace("total: Value[int] = Value(0)", "total: Map[int, int] = Map()")],
         "bad_source"),
        ("upgrade", ["counter", "", COUNTER.replace("    by: int\n", "    by: int\n    when: int\n")
                                           .replace("Step(by)", "Step(by, 0)")], "bad_source"),
        ("upgrade", ["counter", "", COUNTER.replace("steps: Map", "other: Map").replace("steps[", "other[")],
         "bad_source"),
        ("pause", ["other"], "unknown_contract"),
        ("pause", ["governance"], "bad_motion"),
    ],
)  # fmt: skip
def test_what_can_not_be_voted_in(four: Chain, subject: str, texts: list[Value], code: str) -> None:
    assert move(four, subject, texts) == code


def test_a_source_of_any_length_that_the_language_takes_can_be_voted_in(four: Chain) -> None:
    padded = COUNTER + "# " + "x" * (65_000 - len(COUNTER)) + "\n"
    assert decide(four, "deploy", ["other", padded]) == "ok", last(four)
    assert max(result.fuel_used for result in four.results[-4:]) < 60_000_000


def test_members_never_vote_their_vote_away(four: Chain) -> None:
    source = four.executor.overlay().get(layout.source_key("governance"))
    assert source is not None
    text = str(source[0])
    assert move(four, "upgrade", ["governance", "", text.replace("def vote(", "def ballot(")]) == "bad_source"
    assert move(four, "upgrade", ["governance", "", text.replace("agrees: bool", "agrees: int")]) == "bad_source"
    assert decide(four, "upgrade", ["governance", "", text.replace("once. Answers", "just once. Answers")]) == "ok"


def test_a_migration_that_fails_changes_nothing(four: Chain) -> None:
    assert send(four, "add", 5) == "ok"
    failing = SUMMING.replace("found += steps[number].by", "found += steps[number + 7].by")
    assert decide(four, "upgrade", ["counter", "migrate", failing]) == "key"
    assert send(four, "add", 1) == "ok"
    assert not pauses.is_paused(four.executor.overlay(), "counter")
    assert decide(four, "upgrade", ["counter", "migrate", SUMMING]) == "ok"


def test_a_source_whose_invariant_does_not_hold_is_not_voted_in_and_pauses_nothing(four: Chain) -> None:
    assert send(four, "add", 5) == "ok"
    assert decide(four, "upgrade", ["counter", "", SUMMING]) == "invariant_broken"
    assert not pauses.is_paused(four.executor.overlay(), "counter")
    assert send(four, "add", 5) == "ok"


def test_members_pause_a_contract_and_let_it_go_on(four: Chain) -> None:
    assert decide(four, "pause", ["counter"]) == "ok"
    assert [event.name for event in last(four).events][-1] == "contract_paused"
    assert send(four, "add", 5) == "contract_paused"
    assert asked(four, "count") == 0
    assert move(four, "pause", ["counter"]) == "bad_motion"
    # What replaces it meanwhile stays paused, until the members say otherwise.
    assert decide(four, "upgrade", ["counter", "", SUMMING]) == "ok"
    assert send(four, "add", 5, interface=2) == "contract_paused"
    assert decide(four, "resume", ["counter"]) == "ok"
    assert send(four, "add", 5, interface=2) == "ok"


def test_what_was_scheduled_meets_the_new_source() -> None:
    """A call whose action is gone fails, is retried, and then is parked: it stops nothing."""
    ticking = COUNTER + '''

@action
def begin(due_ms: int) -> int:
    return ledger.schedule("tick", "x", due_ms, 200_000, 0, 1_000)


@action
def tick(what: str) -> None:
    total.set(total.get() + 1)
'''
    ticking = ticking.replace("from hansa import Map", "from hansa import ledger, Map")
    chain = Chain.start(with_nodes(4)).furnish()
    assert decide(chain, "deploy", ["counter", ticking]) == "ok"
    assert send(chain, "begin", chain.time_ms + 60_000) == "ok"
    assert decide(chain, "upgrade", ["counter", "", COUNTER]) == "ok"
    chain.time_ms += 60_000
    result = chain.block()
    assert [receipt.code for receipt in result.receipts] == ["method"]
    assert [event.name for event in result.receipts[0].events][-1] == "schedule_parked"
    assert send(chain, "add", 1, interface=2) == "ok"
