"""The independent sums: what they come to on a small file, and that they share nothing with Hansa."""

import ast
import gzip
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from node.wallet import parse_amount
from scripts import expected_balances
from scripts.demo_money import Payment, read_payments

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "scripts" / "expected_balances.py"
FILE = ROOT / "tests" / "data" / "amlsim" / "transactions.csv.gz"


def write(path: Path, rows: list[str]) -> Path:
    with gzip.open(path, "wt", encoding="ascii") as file:
        file.write("\n".join(["sourceNodeId,targetNodeId,value,time", *rows]) + "\n")
    return path


def test_sums_of_a_small_file(tmp_path: Path) -> None:
    file = write(tmp_path / "small.csv.gz", ["0,1,10.5,1", "1,2,4.07,1", "4,0,1.00,2", "9,9,99.99,3"])
    payments = expected_balances.read_payments(file, 3)
    assert payments == [(0, 1, 1050), (1, 2, 407), (4, 0, 100)]
    assert expected_balances.expect(payments, 4) == {
        "payments": 3,
        "paid": "1557",
        "accounts": {"0": "100", "1": "1050", "2": "407", "4": "0"},
        "net_flows": {"0": "-1050", "1": "643", "2": "407", "3": "0"},
    }


@pytest.mark.parametrize("text", ["1.005", "-1", "0", "1e-3"])
def test_an_amount_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="not a positive amount with up to two decimals"):
        expected_balances.cents(text)


def test_it_imports_the_standard_library_only() -> None:
    tree = ast.parse(SCRIPT.read_text())
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    imported += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert imported
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


def test_the_real_file_alone_in_an_isolated_interpreter() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), str(FILE), "--rows", "5000", "--banks", "4"],
        capture_output=True,
        text=True,
        check=True,
    )
    document = json.loads(done.stdout)
    accounts = {int(number): int(cents) for number, cents in document["accounts"].items()}
    assert (document["payments"], len(accounts)) == (5000, 6971)
    # Each account is given what it pays out, so in the end all own together what was paid.
    assert sum(accounts.values()) == int(document["paid"]) == 141501105
    assert sum(map(int, document["net_flows"].values())) == 0


def test_the_file_has_the_traps_that_are_said_of_it() -> None:
    with gzip.open(FILE, "rt", encoding="ascii") as file:
        values = [line.split(",")[2] for line in file.read().splitlines()[1:]]
    exact = [int(Decimal(value) * 100) for value in values]
    assert len(values) == 5000
    assert sum(len(value.partition(".")[2]) == 1 for value in values) == 507
    assert sum(int(float(value) * 100) != cents for value, cents in zip(values, exact, strict=True)) == 103
    assert [parse_amount(value, "USD") for value in values] == exact


def test_the_demo_reads_the_same_payments() -> None:
    independent = expected_balances.read_payments(FILE, 5000)
    payments = read_payments(FILE, 5000)
    assert payments == tuple(Payment(*payment) for payment in independent)
    assert len({payment.payer for payment in payments}) == 4017
