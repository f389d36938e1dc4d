"""docs/contracts/remittances.md says what the contract says: calls, codes, reasons, states, an example to the unit."""

import ast
import re
from pathlib import Path
from typing import cast

import pytest

from contracts.language import compile_contract
from contracts.library import read_library
from tests.contracts.network import address_of
from tests.contracts.remittance_office import Office, Terms

PAGE = (Path(__file__).parent.parent.parent / "docs" / "contracts" / "remittances.md").read_text(encoding="utf-8")
SOURCE = read_library()["remittances"]


@pytest.fixture
def office() -> Office:
    """Two banks that remit."""
    return Office.open()


def rows(header: str) -> list[list[str]]:
    """The cells of the table that begins with that line."""
    assert PAGE.count(header) == 1
    lines = PAGE[PAGE.index(header) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_method_is_there_with_its_parameters() -> None:
    compiled = compile_contract(SOURCE.encode())
    listed = {re.findall(r"`(.+?)`", cells[0])[0] for cells in rows("| call | who | what |")}
    assert listed == {
        f"{name}({', '.join(parameter for parameter, _ in method.parameters)})"
        for name, method in compiled.actions.items()
    }
    queries = {re.findall(r"`(.+?)`", cells[0])[0] for cells in rows("| query | answers |")}
    assert queries == {
        f"{name}({', '.join(parameter for parameter, _ in method.parameters)})"
        for name, method in compiled.queries.items()
        if name not in compiled.invariants
    }


def test_every_code_is_there() -> None:
    tree = ast.parse(SOURCE)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    places = {"fail": 0, "require": 1}
    given = {
        ast.literal_eval(call.args[places[call.func.id]])
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in places
    }
    listed = [cells[0].strip("`") for cells in rows("| code | when |")]
    assert listed == sorted(given)


def test_every_reason_is_there(office: Office) -> None:
    listed = [[cells[0].strip("`"), cells[1]] for cells in rows("| code | meaning |")]
    assert listed == office.ask("reasons")


def test_every_state_is_there() -> None:
    cells = [cell for start, _, end in rows("| from | by | to |") for cell in (start, end)]
    states = set(re.findall(r"`([a-z]+)`", " ".join(cells)))
    assert states == {"quoted", "lapsed", "locked", "settled", "rejected", "cancelled", "expired"}


def test_every_field_of_the_terms_is_there() -> None:
    record = SOURCE[SOURCE.index("class Terms") : SOURCE.index("class Quote")]
    declared = re.findall(r"^    (\w+): ", record, re.MULTILINE)
    sentence = PAGE[PAGE.index("**Terms**") : PAGE.index("Amounts are minor units")]
    assert re.findall(r"`(\w+_\w+|fee|cancellable)`", sentence) == declared


def shown(entry: tuple[int, int]) -> str:
    free, held = entry
    return f"{free:,}" + (f" ({held:,})" if held else "")


def test_the_example_comes_to_its_figures(office: Office) -> None:
    """Twice: once settled, once rejected."""
    quoted = {name: int(value) for name, value in re.findall(r"`(\w+)` (\d+)", PAGE[PAGE.index("## An example") :])}
    terms = Terms(**quoted)
    assert terms == Terms()
    table = rows("| whose | asset | before | locked | settled | or rejected |")
    columns: list[list[str]] = []

    def look(office: Office) -> None:
        money = office.money()
        columns.append([shown(money.get((cells[0], cells[1]), (0, 0))) for cells in table])

    look(office)
    name = office.locked(terms)
    look(office)
    assert office.call("baltic", "accept", name) == "ok"
    look(office)
    other = Office.open()
    name = other.locked(terms)
    assert other.call("baltic", "reject", name, "AC04", "") == "ok"
    look(other)
    assert [cells[2:] for cells in table] == [list(line) for line in zip(*columns, strict=True)]


def test_what_a_refund_costs_is_what_outcomes_says(office: Office) -> None:
    for borne_by, column in (("originator", 1), ("bank", 2)):
        name = office.quote(Terms(refund_borne_by=borne_by))
        found = {line[0]: line[1] for line in cast("list[tuple[str, int]]", office.ask("outcomes", name))}
        figures = {"amount and fee": 5_120, "refund cost": 75, "nothing": 0}
        for cells in rows("| ends as | the originator bears | the bank bears |"):
            if "order" not in cells[0]:
                status = re.findall("`(.+?)`", cells[0])[0]
                assert found[status] == figures[cells[column]]


def test_the_uetr_is_the_reference_of_all_that_moves(office: Office) -> None:
    name = office.locked()
    held = [dict(event.fields) for event in office.receipt.events if event.name == "hold"]
    assert [(event["account"], event["reference"]) for event in held] == [
        (address_of("ann"), name),
        (address_of("alpine"), name),
    ]
    assert office.call("baltic", "accept", name) == "ok"
    moved = [dict(event.fields) for event in office.receipt.events if event.name in ("holds_posted", "journal")]
    assert [event["reference"] for event in moved] == [name, name]
