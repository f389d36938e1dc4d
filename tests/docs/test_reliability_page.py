"""docs/reliability.md against the tests: every row of the catalogue once, every test that is named exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
ROWS = {"S": 11, "T": 3, "N": 18, "P": 8, "R": 7, "X": 4, "K": 4}
"""The catalogue of faults: how many rows each part has."""

NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`( \(full\))?")
UNSHOWN = "not here yet"


@cache
def played_in(path: str) -> dict[str, bool]:
    """The tests of a file, and whether only the full run plays them."""
    file = ROOT / "tests" / path
    if not file.is_file():
        return {}
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {
        node.name: any("mark.full" in ast.unparse(each) for each in node.decorator_list)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def fault_of(path: str, name: str, full: bool) -> str | None:
    """What is wrong with the way the page names a test."""
    found = played_in(path).get(name)
    if found is None:
        return f"there is no tests/{path}::{name}"
    if found != full:
        return f"{name} is {'' if found else 'not '}marked full"
    return None


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(PAGE)
    assert len(named) > 150
    assert [fault for path, name, full in named if (fault := fault_of(path, name, bool(full)))] == []
    assert PAGE.count("::test_") == len(named), "a test is named in another way"


@pytest.mark.parametrize(
    ("path", "name", "full", "fault"),
    [
        ("docs/test_nothing.py", "test_x", False, "there is no tests/docs/test_nothing.py::test_x"),
        ("docs/test_pages.py", "test_x", False, "there is no tests/docs/test_pages.py::test_x"),
        ("docs/test_pages.py", "test_links_resolve", True, "test_links_resolve is not marked full"),
        ("docs/test_pages.py", "test_links_resolve", False, None),
    ],
)
def test_a_wrong_name_is_found(path: str, name: str, full: bool, fault: str | None) -> None:
    assert fault_of(path, name, full) == fault


def test_every_row_of_the_catalogue_stands_here_once() -> None:
    rows = re.findall(r"^\| ([A-Z]\d+) \| ", PAGE, re.MULTILINE)
    assert rows == [f"{part}{number}" for part, count in ROWS.items() for number in range(1, count + 1)]


def test_a_row_shows_something_or_says_why_not() -> None:
    for line in re.findall(r"^\| [A-Z]\d+ \| .*$", PAGE, re.MULTILINE):
        _, _, _, shown, missing, _ = line.split("|")
        assert NAMED.search(shown) or missing.strip(), line
    _, _, threads = PAGE.partition("## What stopped other networks")
    for line in re.findall(r"^\| (?!-|thread|what|payments|\d).*$", threads, re.MULTILINE):
        assert NAMED.search(line) or UNSHOWN in line, line
