"""Scheduled calls: when they run, in which order, what becomes of those that fail, and what is on record."""

from dataclasses import replace

import pytest

from contracts.executor import BlockResult
from contracts.genesis_state import GenesisState
from contracts.kernel import schedule
from contracts.kernel.schedule import ScheduledCall
from contracts.library import read_library
from contracts.records import ResultRow
from state.address import contract_address
from state.receipt import Event
from tests.contracts.network import CHAIN_ID, PARAMETERS, PREFIX, Chain, genesis_state

DIARY = '''
from hansa import Map, OrderedMap, action, ctx, emit, fail, ledger, query, require

notes: OrderedMap[int, str] = OrderedMap()
count: Map[str, int] = Map()

@action
def plan(text: str, due_ms: int, fuel: int, retries: int, retry_ms: int) -> int:
    return ledger.schedule("write", text, due_ms, fuel, retries, retry_ms)

@action
def write(text: str) -> None:
    require(ctx.sender == ctx.contract and ctx.caller == ctx.contract, "not_by_itself")
    if text.startswith("again"):
        ledger.schedule("write", "later" + text, ctx.time_ms - 5, 100_000, 0, 0)
    if text.startswith("cancel "):
        ledger.cancel_schedule(int(text[7:]))
    size = count.get("notes", 0)
    notes[size] = text
    count["notes"] = size + 1
    emit("Written", text=text)
    if text.startswith("bad"):
        fail("bad_text", text)
    while text.startswith("endless"):
        size += 1

@action
def cancel(number: int) -> None:
    ledger.cancel_schedule(number)

@action
def resume(number: int) -> None:
    ledger.resume_schedule(number)

@action
def plan_method(method: str) -> int:
    return ledger.schedule(method, "", ctx.time_ms, 100_000, 0, 0)

@action
def two(first: str, second: str) -> None:
    pass

@query
def status(number: int) -> str:
    return ledger.schedule_status(number)

@query
def told() -> list[str]:
    return [entry[1] for entry in notes.ascending(1000)]
'''

DIARY_ADDRESS = contract_address(PREFIX, "diary")
FUEL = 200_000


@pytest.fixture
def diary() -> Chain:
    return diary_chain()


def diary_chain(**parameters: int) -> Chain:
    genesis = genesis_state([("diary", DIARY), ("other", DIARY)])
    chosen = replace(PARAMETERS, **parameters)  # type: ignore[arg-type]
    return Chain.start(replace(genesis, parameters=chosen), parameters=chosen)


def plan(chain: Chain, *calls: tuple[str, int], fuel: int = FUEL, retries: int = 0, retry_ms: int = 0) -> BlockResult:
    """A block in which alpine plans notes: (text, ms from the chain's newest time)."""
    base = chain.time_ms
    entries = [chain.transaction("alpine", ("diary", "plan", [text, base + ms, fuel, retries, retry_ms])) for text, ms in calls]
    result = chain.block(*entries)
    assert {receipt.code for receipt in result.receipts[result.runs :]} <= {"ok"}, result.receipts
    return result


def told(chain: Chain) -> list[str]:
    return chain.reads.query("diary", "told", []).value  # type: ignore[return-value]


def test_it_runs_at_the_first_block_past_its_time_and_not_before(diary: Chain) -> None:
    result = plan(diary, ("tea", 5_000))
    assert result.next_due_ms == diary.time_ms - 1_000 + 5_000
    due = result.next_due_ms
    assert diary.block(time_ms=due - 1).receipts == ()
    ran = diary.block(time_ms=due + 20)
    assert (ran.runs, ran.next_due_ms) == (1, None)
    identity = schedule.run_id(CHAIN_ID, 1, 1)
    (receipt,) = ran.receipts
    assert (receipt.transaction_id, receipt.code, receipt.results) == (identity, "ok", (None,))
    assert receipt.events == (
        Event(
            "ledger",
            "schedule_run",
            (
                ("contract", "diary"),
                ("number", 1),
                ("attempt", 1),
                ("method", "write"),
                ("argument", "tea"),
                ("due_ms", due),
            ),
        ),
        Event("diary", "Written", (("text", "tea"),)),
    )
    assert told(diary) == ["tea"]
    assert diary.block(time_ms=due + 40).receipts == ()
