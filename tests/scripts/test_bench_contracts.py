"""``./scripts/bench contracts``: each row is a contract that runs, nothing of the language is left out."""

import re

from contracts.language import LEDGER_FUNCTIONS, check
from contracts.language.vocabulary import BUILTINS, EXPORT_CALLS, METHODS, STORAGE_METHODS
from contracts.trial import Ledger
from scripts.benchmarks.constructs import PRELUDE, ROWS
from scripts.benchmarks.contracts import Bench, Timing, source_of, transfer

UNTIMED = {
    *("order_freeze", "order_transfer", "order_release", "order_info", "approve_order", "withdraw_order"),
    *("cap_limits", "cap_corridor", "refuse_jurisdictions", "check_evidence"),
    "add_reader",
    "approve",
    "attest_erasure",
    "create_asset",
    "create_money",
    "expire_hold",
    "finish_recovery",
    "motion_info",
    "move_motion",
    "open_account",
    "order_erasure",
    "proposal_info",
    "propose",
    "resume_schedule",
    "vote",
    "withdraw_proposal",
}
"""Kernel functions that can't be repeated with the same arguments, or need a regulator or evidence."""


def test_every_row_is_accepted() -> None:
    refused = {row[0]: check(source_of((row,)).encode()) for row in ROWS}
    assert {name: found for name, found in refused.items() if found} == {}
    assert len({row[0] for row in ROWS}) == len(ROWS)


def test_every_function_and_method_is_timed() -> None:
    text = "\n".join(f"{setup}\n{statement}" for _, setup, statement in ROWS)
    functions = {*BUILTINS, *EXPORT_CALLS} - {"Asset", "fail"}
    assert {name for name in functions if not re.search(rf"(?<![.\w]){name}\(", text)} == set()
    methods = {*METHODS, *(name for table in STORAGE_METHODS.values() for name in table)} - {"last"}
    assert {name for name in methods if f".{name}(" not in text} == set()
    assert {name for name in LEDGER_FUNCTIONS if f"ledger.{name}(" not in text} == UNTIMED


def test_a_construct_is_timed() -> None:
    ledger = Ledger("bench", PRELUDE.encode())
    for row in ROWS:
        if row[0] in ("+ of int", "OrderedMap: insert and del", "ledger.transfer", "call of another contract", "emit"):
            timing = Timing(Bench(ledger, source_of((row,))), True)
            timing.take()
            assert timing.figures()["fuel"] > 10


def test_a_transfer_is_not_far_from_its_figures() -> None:
    """Under whatever else runs here; the figures themselves are the benchmark's."""
    found = transfer()
    assert found["contract_us"] < 10 * found["contract_us_max"]
    assert found["ratio"] < 3 * found["ratio_max"]
