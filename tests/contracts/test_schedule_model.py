"""The schedule against a plain model: random calls, failures, cancellations, pauses, block times and bounds.

The model is a list that is sorted. After each block: what ran, in which order, at which attempt, what is carried over
and when the next is due are the model's; nothing ran early; and the rows of the state are sound.
"""

from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contracts.kernel import schedule
from tests.contracts.network import PARAMETERS, Chain, genesis_state

SCRIPT = """
from hansa import Map, action, ctx, fail, ledger, query, require, unwind, Value, invariant

fails: Map[str, int] = Map()
ran: Map[str, int] = Map()
broken: Value[bool] = Value(False)

@action
def plan(text: str, due_ms: int, fuel: int, retries: int, retry_ms: int, failing: int, is_way_out: bool) -> int:
    fails[text] = failing
    method = "leave" if is_way_out else "act"
    return ledger.schedule(method, text, due_ms, fuel, retries, retry_ms)

@action
def repair(text: str) -> None:
    fails[text] = 0

@action
def act(text: str) -> None:
    require(ctx.sender == ctx.contract, "not_by_itself")
    if fails[text] == 1:
        fail("told_to")

@unwind
def leave(text: str) -> None:
    require(ctx.sender == ctx.contract, "not_by_itself")
    if fails[text] == 1:
        fail("told_to")

@action
def cancel(number: int) -> None:
    ledger.cancel_schedule(number)

@action
def resume(number: int) -> None:
    ledger.resume_schedule(number)

@action
def smash() -> None:
    broken.set(True)

@invariant
def whole() -> bool:
    return not broken.get()

@query
def status(number: int) -> str:
    return ledger.schedule_status(number)
"""
CONTRACTS = ("first", "second")
FUEL = 100_000


@dataclass
class Planned:
    """One call, as the model knows it."""

    number: int
    contract: str
    text: str
    at_ms: int
    fuel: int
    retries: int
    retry_ms: int
    fails: bool
    is_way_out: bool
    status: str = "pending"
    attempts: int = 0
    failures: int = 0


class Schedules(RuleBasedStateMachine):
    """Random use of the schedule by two contracts, block by block."""

    @initialize(calls_max=st.integers(1, 4), fuel_calls_max=st.integers(1, 6))
    def begin(self, calls_max: int, fuel_calls_max: int) -> None:
        self.parameters = replace(
            PARAMETERS, schedule_calls_max=calls_max, schedule_fuel_max=2 * FUEL * fuel_calls_max
        )
        genesis = replace(genesis_state([(name, SCRIPT) for name in CONTRACTS]), parameters=self.parameters)
        self.chain = Chain.start(genesis, parameters=self.parameters)
        self.calls: dict[int, Planned] = {}
        self.paused: set[str] = set()
        self.next_number = 1

    # ------------------------------------------------------------------------------------------------- what is asked

    @rule(
        contract=st.sampled_from(CONTRACTS),
        delay_ms=st.integers(-2_000, 12_000),
        fuel=st.sampled_from([FUEL, 2 * FUEL]),
        retries=st.integers(0, 2),
        retry_ms=st.integers(1, 4_000),
        fails=st.booleans(),
        is_way_out=st.booleans(),
    )
    def plan(
        self,
        contract: str,
        delay_ms: int,
        fuel: int,
        retries: int,
        retry_ms: int,
        fails: bool,
        is_way_out: bool,
    ) -> None:
        number, due_ms = self.next_number, self.chain.time_ms + delay_ms
        text = f"call {number}"
        arguments = [text, due_ms, fuel, retries, retry_ms, int(fails), is_way_out]
        code = self.transact(contract, "plan", arguments)
        if contract in self.paused:
            assert code == "contract_paused"
            return
        assert code == "ok"
        self.next_number += 1
        self.calls[number] = Planned(
            number, contract, text, due_ms, fuel, retries, retry_ms, fails, is_way_out
        )

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.on_one(data, "cancel", lambda call: True, self.calls.__delitem__)

    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        def again(number: int) -> None:
            call = self.calls[number]
            call.status, call.at_ms, call.failures = "pending", self.chain.time_ms, 0

        self.on_one(data, "resume", lambda call: call.status == "parked", again)

    @rule(data=st.data())
    def repair(self, data: st.DataObject) -> None:
        if not self.calls:
            return
        call = self.calls[data.draw(st.sampled_from(sorted(self.calls)))]
        if self.transact(call.contract, "repair", [call.text]) == "ok":
            call.fails = False

    @rule(contract=st.sampled_from(CONTRACTS))
    def smash(self, contract: str) -> None:
        is_paused = contract in self.paused
        code = self.transact(contract, "smash", [])
        assert code == ("contract_paused" if is_paused else "invariant_broken")
        self.paused.add(contract)

    @rule(
        contract=st.sampled_from(CONTRACTS),
        planned=st.lists(st.tuples(st.integers(1, 3_000), st.booleans(), st.booleans()), min_size=1, max_size=8),
        blocks=st.integers(1, 3),
    )
    def fall_due_while_paused(self, contract: str, planned: list[tuple[int, bool, bool]], blocks: int) -> None:
        for delay_ms, fails, is_way_out in planned:
            self.plan(contract, delay_ms, FUEL, 1, 50, fails, is_way_out)
        self.smash(contract)
        for _ in range(blocks):
            self.pass_time(2_000)

    @precondition(lambda self: bool(self.paused))
    @rule(data=st.data())
    def let_go_on(self, data: st.DataObject) -> None:
        """Both members vote for it; the second vote carries it out."""
        contract = data.draw(st.sampled_from(sorted(self.paused)))
        arguments: list[object] = ["resume", [contract], [], self.chain.time_ms + 500_000]
        assert self.transact("governance", "propose", arguments) == "ok"
        motion = self.chain.results[-1].receipts[-1].results[0]
        assert self.transact("governance", "vote", [motion, True], sender="baltic") == "ok"
        self.paused.discard(contract)
        self.release(contract, schedule.RESUMED_MAX)

    @rule(step_ms=st.integers(1, 9_000))
    def pass_time(self, step_ms: int) -> None:
        self.block(self.chain.time_ms + step_ms)

    # ------------------------------------------------------------------------------------------------------ the model

    def on_one(self, data, method, may, then) -> None:  # type: ignore[no-untyped-def]
        number = data.draw(st.integers(1, self.next_number))
        contract = data.draw(st.sampled_from(CONTRACTS))
        code = self.transact(contract, method, [number])
        call = self.calls.get(number)
        if contract in self.paused:
            assert code == "contract_paused"
        elif call is None or call.contract != contract:
            assert code == "unknown_schedule"
        elif may(call):
            assert code == "ok"
            then(number)
        else:
            assert code == "not_parked"

    def transact(self, contract: str, method: str, arguments: list[object], sender: str = "alpine") -> str:
        """One transaction in the next block; the model runs what is due before it."""
        transaction = self.chain.transaction(sender, (contract, method, arguments))  # type: ignore[arg-type]
        return self.block(self.chain.time_ms + 1, transaction)

    def block(self, time_ms: int, *transactions: object) -> str:
        expected, carried_ms = self.run(time_ms)
        result = self.chain.block(*transactions, time_ms=time_ms)  # type: ignore[arg-type]
        ran = [
            (receipt.events[0].fields[1][1], receipt.events[0].fields[2][1], receipt.code)
            for receipt in result.receipts[: result.runs]
        ]
        assert ran == expected
        for receipt in result.receipts[: result.runs]:
            assert dict(receipt.events[0].fields)["due_ms"] <= time_ms  # type: ignore[operator]
        assert self.chain.reads.result(result.height).carried_ms == carried_ms
        return result.receipts[result.runs].code if transactions else ""

    def run(self, time_ms: int) -> tuple[list[tuple[int, int, str]], int | None]:
        """What a block of that time runs: number, attempt, code; and when the first was due that has no room."""
        due = sorted(
            (call for call in self.calls.values() if call.status == "pending" and call.at_ms <= time_ms),
            key=lambda call: (call.at_ms, call.number),
        )
        chosen: list[Planned] = []
        for call in due:
            fuel = sum(other.fuel for other in chosen) + call.fuel
            if len(chosen) == self.parameters.schedule_calls_max or (
                chosen and fuel > self.parameters.schedule_fuel_max
            ):
                break
            chosen.append(call)
        ran = []
        for call in chosen:
            if call.contract in self.paused and not call.is_way_out:
                call.status = "waiting"
                continue
            call.attempts += 1
            ran.append((call.number, call.attempts, "told_to" if call.fails else "ok"))
            if not call.fails:
                del self.calls[call.number]
            else:
                call.failures += 1
                if call.failures > call.retries:
                    call.status = "parked"
                else:
                    call.at_ms = time_ms + call.retry_ms
            if call.contract not in self.paused:
                self.release(call.contract, schedule.FOLLOWING_MAX)
        return ran, due[len(chosen)].at_ms if len(due) > len(chosen) else None

    def release(self, contract: str, count: int) -> None:
        """The first calls that waited for the contract are pending again."""
        waiting = [call for call in self.calls.values() if (call.contract, call.status) == (contract, "waiting")]
        for call in sorted(waiting, key=lambda call: (call.at_ms, call.number))[:count]:
            call.status = "pending"

    # ------------------------------------------------------------------------------------------------------ the state

    @invariant()
    def the_state_is_the_models(self) -> None:
        overlay = self.chain.executor.overlay()
        for number in range(1, self.next_number):
            call = self.calls.get(number)
            for contract in CONTRACTS:
                shown = self.chain.reads.query(contract, "status", [number]).value
                is_own = call is not None and call.contract == contract
                assert shown == ("" if not is_own else "parked" if call.status == "parked" else "pending")
        pending = [call.at_ms for call in self.calls.values() if call.status == "pending"]
        assert schedule.first_due_ms(overlay) == (min(pending) if pending else None)
        assert self.chain.results == [] or self.chain.results[-1].next_due_ms == (min(pending) if pending else None)
        assert list(self.chain.reads.faults()) == []


def test_the_schedule_does_what_the_model_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "RESUMED_MAX", 1)
    run_state_machine_as_test(
        Schedules,
        settings=settings(
            max_examples=80, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
