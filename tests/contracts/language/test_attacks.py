"""Hostile contracts, all of them: refused or stopped in time and memory, with a code, in silence, leaving nothing."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from contracts.language.faults import RULE_CODES
from state.overlay import Overlay
from state.transaction import sign
from tests.contracts.language import attacks
from tests.contracts.language.programs import HONEST, PRELUDE, STOPPED
from tests.contracts.network import Chain, genesis_state, key_of

ROOT = Path(__file__).parents[3]
SECONDS_MAX = 1.0
PEAK_BYTES_MAX = 256 * 1024 * 1024
KNOWN = {*RULE_CODES, "refused", "out_of_fuel", "nope", "too_small", "stop"} - {"fault"}


def test_there_are_as_many_as_we_say() -> None:
    hostile = attacks.every_attack()
    assert len({source for source, _ in hostile}) >= 1_150
    assert len(hostile) - len({source for source, _ in hostile}) < 60
    own = len({*attacks.BODIES, *attacks.MODULES})
    assert own >= 820
    assert min(len(group) for group in (attacks.OBJECTS, attacks.NAMES, attacks.SYNTAX, attacks.TEXTS, attacks.BYTES,
                                        attacks.FUEL_AND_MEMORY, attacks.VALUES, attacks.LEDGER, attacks.MODULES)) >= 50
    assert len({body for _, body, _ in HONEST}) >= 160


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """What a process of its own says of every attack."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.contracts.language.attacks"], cwd=ROOT, capture_output=True, text=True,
        env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        check=True, timeout=300)
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1, "something printed"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_each_ends_with_its_code(report: dict[str, Any]) -> None:
    assert len(report["attacks"]) == len(attacks.every_attack())
    for code, expected, _, _, tail in report["attacks"]:
        assert code == expected, tail
        assert code in KNOWN


def test_each_ends_in_time_and_memory(report: dict[str, Any]) -> None:
    assert [tail for _, _, seconds, _, tail in report["attacks"] if seconds >= SECONDS_MAX] == []
    assert report["peak_kib"] * 1024 < PEAK_BYTES_MAX


def test_no_text_tells_of_the_machine(report: dict[str, Any]) -> None:
    assert [tail for _, _, _, telltales, tail in report["attacks"] if telltales] == []


def _module_of(bodies: list[str]) -> str:
    """A module whose actions first write, then do as the bodies do."""
    parts = [PRELUDE]
    for index, body in enumerate(bodies):
        lines = ["total.set(99)", "counts[0] = 1", "book[1, 'a'] = 2", "emit('Before', n=1)", *body.split("\n")]
        parts.append(f"@action\ndef attack{index}() -> int:\n" + "\n".join("    " + line for line in lines) + "\n")
    return "\n\n".join(parts)


def test_what_a_stopped_call_wrote_is_undone() -> None:
    """Through the executor: every attack writes first, and leaves no trace in the state."""
    bodies = [body for body, code in [*attacks.FUEL_AND_MEMORY, *attacks.VALUES, *attacks.LEDGER, *STOPPED]
              if code != "refused" and "call(" not in body and "main()" not in body]
    groups = [bodies[at:at + 100] for at in range(0, len(bodies), 100)]
    chain = Chain.start(genesis_state([(f"hostile{index}", _module_of(group)) for index, group in enumerate(groups)]))
    chain.furnish()
    codes: Counter[str] = Counter()
    for index, group in enumerate(groups):
        for number, text in enumerate(group):
            body = chain.body("ann", (f"hostile{index}", f"attack{number}", []), fuel_limit=700_000)
            overlay: Overlay[tuple[object, ...]] = chain.executor.overlay()  # type: ignore[assignment]
            signed = sign(body, [key_of("ann")]).body
            outcome = chain.executor.judge(overlay, signed, b"i" * 32, 500, 9, chain.time_ms)  # type: ignore[arg-type]
            assert not outcome.receipt.is_ok, text
            assert outcome.receipt.code != "fault"
            assert overlay.changes() == {}, text
            assert not attacks.TELLTALE.search(outcome.receipt.message)
            codes[outcome.receipt.code] += 1
    assert codes.total() > 280
    assert len(codes) > 15
