"""Invariants: what breaks one is undone and pauses its contract; what still runs then; how the members let it go on."""

import pytest

from contracts.kernel import schedule
from contracts.language.fuel import MEMORY_BYTES_MAX
from state.receipt import Event
from tests.contracts.network import CHAIN_ID, Chain, address_of, genesis_state

TILL = """
from hansa import (
    Address, Amount, Asset, Value, action, call, ctx, emit, fail, invariant, ledger, query, require, unwind
)

USD = Asset("USD.alpine")
owed: Value[int] = Value(0)
mood: Value[str] = Value("")

@action
def put(amount: Amount) -> None:
    ledger.transfer(USD, ctx.sender, ctx.contract, amount, "deposit")
    owed.set(owed.get() + amount)
    emit("Put", amount=amount)

@action
def leak(amount: Amount) -> None:
    ledger.transfer(USD, ctx.contract, ctx.sender, amount, "a bug")
    emit("Leaked", amount=amount)

@action
def set_mood(text: str) -> None:
    mood.set(text)

@action
def leak_elsewhere(to: str) -> None:
    call(Address(to), "leak", 1)

@action
def set_elsewhere(to: str, text: str) -> None:
    call(Address(to), "set_mood", text)

@action
def hoard(rounds: int) -> None:
    for turn in range(rounds):
        kept = [0] * 100_000

@action
def plan(method: str, text: str, due_ms: int) -> int:
    return ledger.schedule(method, text, due_ms, 1_000_000, 1, 500)

@action
def tick(text: str) -> None:
    require(ctx.sender == ctx.contract, "not_by_itself")
    emit("Ticked", text=text)
    if text == "leak":
        ledger.transfer(USD, ctx.contract, Address("ANN"), Amount(1), "a bug")
    if text == "late":
        ledger.schedule("tick", "more", ctx.time_ms + 1_000, 1_000_000, 0, 0)

@unwind
def take_back(amount: Amount) -> None:
    owed.set(owed.get() - amount)
    ledger.transfer(USD, ctx.contract, ctx.sender, amount, "taken back")

@unwind
def refund(text: str) -> None:
    require(ctx.sender == ctx.contract, "not_by_itself")
    emit("Refunded", text=text)

@unwind
def take_too_much(amount: Amount) -> None:
    ledger.transfer(USD, ctx.contract, ctx.sender, amount, "a bug in a way out")

@query
def shown() -> int:
    return owed.get()

@invariant
def covered() -> bool:
    return ledger.balance(USD, ctx.contract) >= owed.get()

@invariant
def calm() -> bool:
    text = mood.get()
    if text == "failing":
        fail("moody", "the contract fails")
    if text == "memory":
        while True:
            kept = [0] * 100_000
    if text == "greedy":
        kept = [0] * 100_000
    while text == "endless":
        text = mood.get()
    require(ctx.sender == "" and ctx.caller == "" and ctx.transaction_id == bytes(32), "seen")
    return text != "bad"
""".replace('Address("ANN")', f'Address("{address_of("ann")}")')
USD = "USD.alpine"


@pytest.fixture
def till() -> Chain:
    chain = Chain.start(genesis_state([("till", TILL), ("other", TILL)])).furnish()
    assert chain.send("ann", ("till", "put", [500])) == "ok"
    assert chain.send("ann", ("other", "put", [500])) == "ok"
    return chain


def paused(chain: Chain) -> list[str]:
    return [info.name for info in chain.reads.contracts() if info.is_paused]


def test_a_break_is_undone_and_pauses_the_contract(till: Chain) -> None:
    before = till.balance("ann", USD)
    result = till.block(till.transaction("ann", ("till", "leak", [1])))
    (receipt,) = result.receipts
    assert (receipt.code, receipt.message) == ("invariant_broken", "till.covered does not hold")
    assert receipt.events == (Event("ledger", "contract_paused", (("contract", "till"), ("invariant", "covered"))),)
    assert receipt.fuel_used > 5_000
    assert till.balance("ann", USD) == before
    assert paused(till) == ["till"]
    assert till.send("ann", ("till", "put", [1])) == "contract_paused"
    assert till.send("ann", ("other", "put", [1])) == "ok"
    assert till.send("ann", ("other", "leak_elsewhere", ["till"])) == "contract_paused"
    assert till.send("ann", ("till", "shown", [])) == "ok"
    assert till.reads.query("till", "shown", []).value == 500
    assert till.send("ann", ("till", "take_back", [200])) == "ok"
    assert till.send("ann", ("till", "take_too_much", [1])) == "invariant_broken"
    assert paused(till) == ["till"]
    assert list(till.reads.faults()) == []


def test_whose_invariant_breaks_is_paused_whoever_called_it(till: Chain) -> None:
    assert till.send("ann", ("other", "leak_elsewhere", ["till"])) == "invariant_broken"
    assert paused(till) == ["till"]


def test_what_is_broken_only_in_between_is_no_break(till: Chain) -> None:
    assert till.send("ann", ("till", "set_mood", ["bad"]), ("till", "set_mood", ["good"])) == "ok"
    assert till.send("ann", ("till", "set_mood", ["bad"]), ("other", "set_elsewhere", ["till", "good"])) == "ok"
    assert paused(till) == []


@pytest.mark.parametrize(
    ("mood", "code", "message", "pauses"),
    [
        ("bad", "invariant_broken", "till.calm does not hold", True),
        ("failing", "invariant_broken", "till.calm fails: moody: the contract fails", True),
        ("memory", "invariant_broken", "till.calm fails: memory: the call's memory allowance is used up", True),
        ("endless", "out_of_fuel", "the fuel limit of 50000000 was reached", False),
        ("good", "ok", "", False),
    ],
)
def test_how_an_invariant_ends(till: Chain, mood: str, code: str, message: str, pauses: bool) -> None:
    result = till.block(till.transaction("ann", ("till", "set_mood", [mood])))
    assert (result.receipts[0].code, result.receipts[0].message) == (code, message)
    assert paused(till) == (["till"] if pauses else [])


def test_nobody_can_make_an_invariant_fail_by_the_fuel_he_gives(till: Chain) -> None:
    codes = [till.send("ann", ("till", "set_mood", ["good"]), fuel_limit=fuel) for fuel in range(2_000, 60_000, 1_500)]
    assert codes == sorted(codes, reverse=True)
    assert set(codes) == {"out_of_fuel", "ok"}
    assert paused(till) == []


def test_nobody_can_make_an_invariant_fail_by_the_memory_he_takes(till: Chain) -> None:
    assert till.send("ann", ("till", "set_mood", ["greedy"])) == "ok"
    most = MEMORY_BYTES_MAX // 800_000
    codes = [till.send("ann", ("till", "hoard", [rounds])) for rounds in range(most - 3, most + 3)]
    assert set(codes) == {"ok", "memory"}
    assert paused(till) == []


def test_the_senders_fuel_pays_for_invariants(till: Chain) -> None:
    plain = Chain.start(genesis_state([("till", TILL.partition("@invariant")[0])])).furnish()
    assert plain.send("ann", ("till", "put", [500])) == "ok"
    cheap, dear = (
        chain.block(chain.transaction("ann", ("till", "set_mood", ["good"]))).receipts[0].fuel_used
        for chain in (plain, till)
    )
    assert dear > cheap + 1_000


def test_a_dry_run_shows_the_break_and_pauses_nobody(till: Chain) -> None:
    body = till.transaction("ann", ("till", "leak", [1])).body
    assert till.reads.simulate(body).receipt.code == "invariant_broken"
    assert paused(till) == []


def test_a_scheduled_run_that_breaks_is_undone_and_its_contracts_calls_wait(till: Chain) -> None:
    base = till.time_ms
    for method, text, due_ms in (
        ("tick", "leak", base + 10_000),
        ("tick", "late", base + 12_000),
        ("tick", "later", base + 13_000),
        ("refund", "way out", base + 12_500),
    ):
        assert till.send("ann", ("till", "plan", [method, text, due_ms])) == "ok"
    broken = till.block(time_ms=base + 10_000)
    (receipt,) = broken.receipts
    assert receipt.code == "invariant_broken"
    assert [event.name for event in receipt.events] == ["schedule_run", "contract_paused", "schedule_retried"]
    assert broken.next_due_ms == base + 10_500
    waiting = till.block(time_ms=base + 20_000)
    assert [(entry.code, entry.events[1].name) for entry in waiting.receipts] == [("ok", "Refunded")]
    assert waiting.next_due_ms is None, "what waits for its contract makes no blocks"
    assert list(till.reads.faults()) == []
    assert till.block(time_ms=base + 30_000).receipts == ()
    resume(till, "till")
    assert paused(till) == []
    runs = till.block().receipts
    codes = [(entry.transaction_id, entry.code) for entry in runs]
    assert codes == [
        # The leak's second attempt breaks again, and parks it: waiting took none of its retries.
        (schedule.run_id(CHAIN_ID, 1, 2), "invariant_broken"),
    ]
    assert [event.name for event in runs[0].events] == ["schedule_run", "contract_paused", "schedule_parked"]
    assert till.block().receipts == ()
    resume(till, "till")
    assert [entry.transaction_id for entry in till.block().receipts] == [
        schedule.run_id(CHAIN_ID, 2, 1),
        schedule.run_id(CHAIN_ID, 3, 1),
    ]
    assert list(till.reads.faults()) == []


def test_many_waiting_calls_come_back_a_few_at_a_time_and_all_of_them(
    till: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "RESUMED_MAX", 3)
    base, count = till.time_ms, 40
    till.block(*[till.transaction("ann", ("till", "plan", ["tick", str(n), base + 5_000 + n])) for n in range(count)])
    assert till.send("ann", ("till", "leak", [1])) == "invariant_broken"
    assert till.block(time_ms=base + 10_000).receipts == ()
    resume(till, "till")
    numbers: list[object] = []
    runs = []
    while len(numbers) < count:
        result = till.block()
        assert list(till.reads.faults()) == []
        numbers += [receipt.events[0].fields[1][1] for receipt in result.receipts]
        runs.append(result.runs)
        assert len(runs) < 10
    assert numbers == list(range(1, count + 1))
    assert runs == [3, 6, 12, 19]


def resume(chain: Chain, contract: str) -> None:
    """Both members vote that it may go on."""
    until = chain.time_ms + 500_000
    result = chain.block(chain.transaction("alpine", ("governance", "propose", ["resume", [contract], [], until])))
    receipt = result.receipts[result.runs]
    assert receipt.is_ok, receipt
    result = chain.block(chain.transaction("baltic", ("governance", "vote", [receipt.results[0], True])))
    assert result.receipts[result.runs].results == ("passed",), result.receipts
