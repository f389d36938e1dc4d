"""Scheduled calls: when they run, in which order, what becomes of those that fail, and what is on record."""

from dataclasses import replace

import pytest

from contracts.executor import BlockResult, Executor
from contracts.kernel import layout, schedule
from contracts.kernel.layout import Row
from contracts.kernel.schedule import ScheduledCall
from contracts.language.values import write_integer
from contracts.records import ResultRow
from state import merkle
from state.address import contract_address
from state.codec import Value
from state.errors import Invalid
from state.overlay import Overlay
from state.receipt import Event
from state.transaction import sign
from state.world import World
from tests.contracts.network import CHAIN_ID, PARAMETERS, PREFIX, Chain, address_of, genesis_state, key_of

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
    planned: list[list[Value]] = [[text, base + ms, fuel, retries, retry_ms] for text, ms in calls]
    result = chain.block(*[chain.transaction("alpine", ("diary", "plan", arguments)) for arguments in planned])
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


def test_due_calls_run_in_order_of_time_then_number_before_the_transactions(diary: Chain) -> None:
    plan(diary, ("third", 5_000), ("first", 3_000), ("fourth", 5_000), ("second", 4_000), ("late", 60_000))
    block = diary.block(
        diary.transaction("baltic", ("diary", "plan", ["x", 0, FUEL, 0, 0])), time_ms=diary.time_ms + 10_000
    )
    assert [told(diary), block.runs, len(block.receipts)] == [["first", "second", "third", "fourth"], 4, 5]
    assert block.receipts[4].results == (6,)
    assert diary.block().runs == 1, "a time that has passed means the next block"
    assert told(diary)[-1] == "x"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["a" * 1_025, 5, FUEL, 0, 0], "bad_schedule"),
        (["a", -1, FUEL, 0, 0], "bad_schedule"),
        (["a", 2**63, FUEL, 0, 0], "bad_schedule"),
        (["a", 5, 0, 0, 0], "bad_schedule"),
        (["a", 5, PARAMETERS.schedule_fuel_max + 1, 0, 0], "bad_schedule"),
        (["a", 5, PARAMETERS.schedule_fuel_max, 0, 0], "ok"),
        (["a", 5, FUEL, -1, 0], "bad_schedule"),
        (["a", 5, FUEL, 1_001, 1], "bad_schedule"),
        (["a", 5, FUEL, 1, 0], "bad_schedule"),
        (["a", 5, FUEL, 1, -1], "bad_schedule"),
        (["a", 5, FUEL, 0, -1], "bad_schedule"),
        (["a", 5, FUEL, 1, 2**63 - 1], "ok"),
        (["\u00e9" * 512, 2**63 - 1, 1, 0, 0], "ok"),
        (["\u00e9" * 513, 5, 1, 0, 0], "bad_schedule"),
        (["a", 5, write_integer(2**70), 0, 0], "bad_schedule"),
    ],
)
def test_what_can_be_scheduled(diary: Chain, arguments: list[object], code: str) -> None:
    assert diary.send("alpine", ("diary", "plan", arguments)) == code  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("method", "code"),
    [("write", "ok"), *((method, "bad_schedule") for method in ("status", "two", "cancel", "no_such"))],
)
def test_only_an_own_action_with_one_text_is_scheduled(diary: Chain, method: str, code: str) -> None:
    assert diary.send("alpine", ("diary", "plan_method", [method])) == code


def test_nobody_else_can_act_as_the_contract(diary: Chain) -> None:
    assert diary.send("alpine", ("diary", "write", ["forged"])) == "not_by_itself"
    body = replace(diary.body("alpine", ("diary", "write", ["forged"])), sender=DIARY_ADDRESS)
    assert diary.block(sign(body, [key_of("alpine")])).receipts[0].code == "unauthorised"
    assert diary.reads.simulate(body).receipt.code == "unauthorised", "not even if all keys had signed"
    plan(diary, ("own", 0))
    assert diary.block().receipts[0].code == "ok"
    assert told(diary) == ["own"]


def test_a_cancelled_call_never_runs(diary: Chain) -> None:
    plan(diary, ("a", 50_000), ("b", 50_000), ("c", 90_000))
    assert [diary.reads.query("diary", "status", [number]).value for number in (1, 2, 3, 4)] == ["pending"] * 3 + [""]
    assert diary.send("alpine", ("other", "cancel", [1])) == "unknown_schedule"
    assert diary.send("alpine", ("diary", "cancel", [1])) == "ok"
    assert diary.send("alpine", ("diary", "cancel", [1])) == "unknown_schedule"
    assert diary.send("alpine", ("diary", "cancel", [9])) == "unknown_schedule"
    assert diary.send("alpine", ("diary", "cancel", [3])) == "ok"
    assert diary.block(time_ms=diary.time_ms + 100_000).runs == 1
    assert told(diary) == ["b"]
    assert diary.reads.query("diary", "status", [2]).value == ""
    assert not rows(diary)


def test_a_run_may_cancel_another_of_the_same_block(diary: Chain) -> None:
    plan(diary, ("cancel 2", 5_000), ("never", 5_000), ("cancel 3", 6_000))
    result = diary.block(time_ms=diary.time_ms + 10_000)
    assert [receipt.code for receipt in result.receipts] == ["ok", "unknown_schedule"], "who runs can't cancel itself"
    assert told(diary) == ["cancel 2"]


def test_what_a_run_schedules_waits_for_the_next_block_however_due(diary: Chain) -> None:
    plan(diary, ("again", 1_000), ("b", 2_000))
    result = diary.block(time_ms=diary.time_ms + 5_000)
    assert (result.runs, told(diary)) == (2, ["again", "b"])
    assert result.next_due_ms == diary.time_ms - 5
    assert diary.block().runs == 1
    assert told(diary)[2:] == ["lateragain"]


def test_a_failing_call_is_retried_then_parked_then_resumed(diary: Chain) -> None:
    result = plan(diary, ("bad", 5_000), fuel=FUEL, retries=2, retry_ms=700)
    assert result.next_due_ms is not None
    due = result.next_due_ms
    for attempt, at_ms in ((1, due), (2, due + 700), (3, due + 1_400)):
        assert diary.block(time_ms=at_ms - 1).receipts == ()
        failed = diary.block(time_ms=at_ms)
        (receipt,) = failed.receipts
        assert (receipt.code, receipt.message, receipt.results) == ("bad_text", "bad", ())
        assert receipt.transaction_id == schedule.run_id(CHAIN_ID, 1, attempt)
        assert receipt.fuel_used > 2_000
        started, ended = receipt.events
        assert started.fields[2] == ("attempt", attempt)
        if attempt < 3:
            assert ended == Event(
                "ledger", "schedule_retried", (("contract", "diary"), ("number", 1), ("at_ms", at_ms + 700))
            )
            assert failed.next_due_ms == at_ms + 700
    assert ended == Event("ledger", "schedule_parked", (("contract", "diary"), ("number", 1), ("failures", 3)))
    assert (failed.next_due_ms, told(diary)) == (None, [])
    assert diary.block(time_ms=due + 100_000).runs == 0
    assert diary.reads.query("diary", "status", [1]).value == "parked"
    assert diary.send("alpine", ("other", "resume", [1])) == "unknown_schedule"
    resumed = diary.block(diary.transaction("alpine", ("diary", "resume", [1])))
    assert resumed.receipts[0].code == "ok"
    assert resumed.next_due_ms == diary.time_ms
    again = [diary.block(time_ms=diary.time_ms + ms).receipts for ms in (1, 699, 1, 700, 700)]
    identities = [[receipt.transaction_id for receipt in receipts] for receipts in again]
    # All its retries anew, and no id is ever used twice.
    assert identities == [[schedule.run_id(CHAIN_ID, 1, 4)], [], [schedule.run_id(CHAIN_ID, 1, 5)],
                          [schedule.run_id(CHAIN_ID, 1, 6)], []]


def test_a_run_without_end_costs_its_own_fuel_and_no_more(diary: Chain) -> None:
    plan(diary, ("endless", 1_000), ("b", 1_000))
    result = diary.block(time_ms=diary.time_ms + 1_000)
    assert [(receipt.code, receipt.fuel_used == FUEL) for receipt in result.receipts] == [
        ("out_of_fuel", True),
        ("ok", False),
    ]
    assert result.receipts[0].message == f"the fuel limit of {FUEL} was reached"
    assert told(diary) == ["b"]


def test_a_block_runs_so_many_and_what_is_carried_over_is_on_record() -> None:
    chain = diary_chain(schedule_calls_max=2)
    plan(chain, *[(f"note{index}", 1_000 + index) for index in range(5)])
    base = chain.time_ms - 1_000
    records = []
    for _ in range(4):
        result = chain.block(time_ms=max(chain.time_ms + 1, base + 3_000))
        row = chain.reads.result(result.height)
        records.append((result.runs, row.runs, row.carried_ms, result.next_due_ms))
    assert records == [
        (2, 2, base + 1_002, base + 1_002),
        (2, 2, base + 1_004, base + 1_004),
        (1, 1, None, None),
        (0, 0, None, None),
    ]
    assert told(chain) == [f"note{index}" for index in range(5)]


def test_a_blocks_fuel_for_scheduled_calls_is_bounded_and_none_overtakes() -> None:
    chain = diary_chain(schedule_fuel_max=500_000)
    plan(chain, ("a", 10_000), ("b", 10_000))
    plan(chain, ("large", 10_000), fuel=500_000)
    plan(chain, ("small", 15_000))
    told_by_block = []
    for _ in range(4):
        chain.block(time_ms=chain.time_ms + 30_000)
        told_by_block.append(" ".join(told(chain)))
    assert told_by_block == ["a b", "a b large", "a b large small", "a b large small"]


def test_a_contract_has_so_many_calls(diary: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "CALLS_MAX", 2)
    plan(diary, ("bad", 0), ("b", 90_000))
    diary.block()
    assert diary.send("alpine", ("other", "plan", ["c", 0, FUEL, 0, 0])) == "ok"
    assert diary.send("alpine", ("diary", "plan", ["c", 0, FUEL, 0, 0])) == "too_many_scheduled"
    assert diary.send("alpine", ("diary", "cancel", [1])) == "ok", "parked ones count"
    assert diary.send("alpine", ("diary", "plan", ["c", 0, FUEL, 0, 0])) == "ok"


def test_receipts_history_events_and_proofs_of_runs_and_of_what_stands_behind_them(diary: Chain) -> None:
    diary.furnish()
    plan(diary, ("a", 5_000), ("bad", 5_000))
    payment = diary.transaction("ann", ("payments", "pay", [address_of("bob"), "USD", 5, "rent"]))
    result = diary.block(payment, time_ms=diary.time_ms + 10_000)
    height, reads = result.height, diary.reads
    identities = [schedule.run_id(CHAIN_ID, 1, 1), schedule.run_id(CHAIN_ID, 2, 1), payment.id]
    assert [receipt.transaction_id for receipt in result.receipts] == identities
    assert [receipt.code for receipt in result.receipts] == ["ok", "bad_text", "ok"]
    for index, receipt in enumerate(result.receipts):
        assert reads.receipt(height, index) == receipt
        proof = reads.receipt_proof(height, index)
        assert (proof.receipt, proof.count, proof.receipts_root) == (receipt, 3, result.receipts_root)
        merkle.verify_inclusion(result.receipts_root, receipt.encode(), index, 3, proof.proof)
    assert [reads.run_place(identity) for identity in identities[:2]] == [(height, 0), (height, 1)]
    with pytest.raises(Invalid, match="no receipt"):
        reads.run_place(payment.id)
    row = reads.result(height)
    assert (row.count, row.failed_count, row.runs, row.fuel_used) == (3, 1, 2, result.fuel_used)
    entries, _ = reads.history(DIARY_ADDRESS)
    assert [(entry.height, entry.index, entry.transaction_id) for entry in entries] == [
        (height, 1, identities[1]),
        (height, 0, identities[0]),
    ]
    entries, _ = reads.history(address_of("bob"), limit=1)
    assert [(entry.height, entry.index, entry.transaction_id) for entry in entries] == [(height, 2, payment.id)]
    page = reads.events((height, 0, 0))
    assert [(entry.index, entry.event.name, entry.is_scheduled, entry.transaction_id) for entry in page.entries] == [
        (0, "schedule_run", True, identities[0]),
        (0, "Written", True, identities[0]),
        (1, "schedule_run", True, identities[1]),
        (1, "schedule_parked", True, identities[1]),
        (2, "journal", False, payment.id),
        *((2, entry.event.name, False, payment.id) for entry in page.entries[5:]),
    ]


def test_a_result_row_is_what_was_encoded() -> None:
    for row in (
        ResultRow(b"\1" * 32, b"\2" * 32, b"\3" * 32, 4, 5, 6, 7, 2, None),
        ResultRow(b"\1" * 32, b"\2" * 32, b"\3" * 32, 4, 5, 6, 7, 0, 99),
    ):
        assert ResultRow.decode(row.encode()) == row


def test_a_restart_finds_the_schedule(diary: Chain) -> None:
    result = plan(diary, ("a", 5_000), ("b", 3_000))
    again = Executor(diary.executor.world, CHAIN_ID, PARAMETERS)
    assert again.next_due_ms() == result.next_due_ms == diary.time_ms - 1_000 + 3_000


def test_a_block_with_nothing_due_reads_one_key_of_the_schedule(diary: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    plan(diary, ("a", 90_000))
    asked: list[bytes] = []
    world_get = World.get

    def get(world: World, key: bytes) -> bytes | None:
        asked.append(key)
        return world_get(world, key)

    monkeypatch.setattr(World, "get", get)
    diary.block()
    kinds = (b"schedule", b"scheduled", b"scheduling", b"queue", b"waiting", b"paused")
    assert [key for key in asked if key.partition(b"/")[0] in kinds] == [b"schedule"]


def rows(chain: Chain) -> dict[bytes, object]:
    """What the state holds of the schedule but its first row."""
    prefixes = (b"scheduled/", b"scheduling/", b"queue", b"waiting/")
    return {key: value for key, value in chain.reads.state_items() if key.startswith(prefixes)}


def test_a_call_costs_a_few_keys_however_many_wait() -> None:
    state: dict[bytes, Row] = {}
    counts = []
    for first, last in ((1, 200), (200, 12_000)):
        overlay: Overlay[Row] = Overlay(state.get)
        for number in range(first, last):
            keep(overlay, number, at_ms=number * 7_919 % 10_007)
        state.update({key: row for key, row in overlay.changes().items() if row is not None})
        asked: list[bytes] = []

        def read(key: bytes, asked: list[bytes] = asked) -> Row | None:
            asked.append(key)
            return state.get(key)

        overlay = Overlay(read)
        keep(overlay, last, at_ms=5_003)
        added = len(asked), len(overlay.changes())
        overlay = Overlay(read)
        asked.clear()
        ((number, *_), _) = schedule.due(overlay, 10**9, 1, 10**9)
        assert schedule.take(overlay, number) is not None
        counts.append((added, (len(asked), len(overlay.changes()))))
    # The call's row, its contract's count, the first row, and a page a level, of which one changes.
    (few_added, few_taken), (many_added, many_taken) = counts
    assert few_added[1] == few_taken[1] == many_added[1] == many_taken[1] == 4
    assert max(few_added[0], few_taken[0]) <= 6
    assert max(many_added[0], many_taken[0]) <= 7


def keep(overlay: Overlay[Row], number: int, at_ms: int) -> None:
    """What scheduling a call writes."""
    overlay.put(layout.SCHEDULE, (number + 1, schedule.first_due_ms(overlay)))
    schedule._keep(overlay, number, ScheduledCall("diary", "write", "x", at_ms, FUEL, 0, 0, "pending", at_ms, 0, 0))
