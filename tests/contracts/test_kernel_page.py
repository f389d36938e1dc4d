"""docs/contracts/kernel.md says what the code says: the same keys, the same codes."""

import inspect
from pathlib import Path

from contracts.kernel import codes, layout

PAGE = (Path(__file__).parent.parent.parent / "docs" / "contracts" / "kernel.md").read_text(encoding="utf-8")


def test_the_key_layout_is_the_modules() -> None:
    table = inspect.getdoc(layout).split("\n\n")[2]  # type: ignore[union-attr]
    assert inspect.cleandoc(table) in PAGE


def test_every_code_is_explained() -> None:
    listed = [line.split("|") for line in PAGE.splitlines() if line.startswith("| `")]
    assert {cells[1].strip(" `"): cells[2].strip() for cells in listed} == codes.CODES
