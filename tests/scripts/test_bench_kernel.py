"""``./scripts/bench kernel``: its JSON says what it measured. The figures themselves are the benchmark's."""

import json
from pathlib import Path

import pytest

from contracts.kernel import identity, layout, ledger
from contracts.language.faults import ContractError
from contracts.trial import Ledger
from scripts.benchmarks import __main__ as command
from scripts.benchmarks import kernel
from scripts.benchmarks.constructs import PRELUDE
from state.memory import MemoryDatabase

SMALL = {
    "customers": 20, "postings": 10, "rounds": 2, "sizes": (10, 100), "lookup_count": 5, "lookup_rounds": 2,
    "verify_seconds": 0.001,
}  # fmt: skip


def test_the_json_has_every_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure = kernel.measure
    monkeypatch.setattr(kernel, "measure", lambda say: measure(say, **SMALL))  # type: ignore[arg-type]
    assert command.main(["kernel", "--json", str(tmp_path / "kernel.json")]) == 0
    found = json.loads((tmp_path / "kernel.json").read_text())
    assert [*found] == [
        "postings_per_second", "verifies_per_second", "postings_for_a_verify", "us", "checks", "lookups", "machine"
    ]  # fmt: skip
    assert found["postings_for_a_verify"] == pytest.approx(
        found["postings_per_second"] / found["verifies_per_second"], abs=0.01
    )
    assert all(value > 0 for value in found["us"].values())
    for name in ("kernel", "through_payments", "kernel_rows_not_read_before"):
        pair = found["checks"][name]
        assert pair["ratio"] == pytest.approx(pair["on_us"] / pair["off_us"], rel=0.01)
    assert found["checks"]["ratio_max"] == 1.5
    assert [row["accounts"] for row in found["lookups"]["sizes"]] == [10, 100]
    first, last = (row["us"] for row in found["lookups"]["sizes"])
    assert found["lookups"]["ratio"] == pytest.approx(last / first, rel=0.05)


def test_with_the_checks_on_each_of_them_can_refuse() -> None:
    """A payment passes, and what is taken away from one of the parties stops it: so the checks are in the figure."""
    executor = Ledger("bench", PRELUDE.encode()).executor
    base: dict[bytes, bytes | None] = dict(executor.world.items())
    bench = kernel.Bench(kernel.world_of(base, 20, MemoryDatabase()), 20, 10, executor.contracts)
    bench.enforce()
    payer, payee = bench.payments[0]
    overlay = bench.overlay()

    def pay(asset: str = kernel.ASSET, amount: int = 1) -> str:
        try:
            ledger.transfer(bench.scope(overlay, payer), asset, payer, payee, amount, "payment", "")
        except ContractError as error:
            return error.code
        return "ok"

    assert pay() == "ok"
    assert pay(amount=kernel.BALANCE) == "limit_exceeded"
    assert pay(asset=kernel.OTHER) == "account_frozen"
    scope = bench.scope(overlay, payer)
    row = identity.identity_of(scope, payee)
    assert row is not None
    identity.keep(scope, payee, (row[0], layout.REVOKED, *row[2:]))
    assert pay() == "identity_revoked"
