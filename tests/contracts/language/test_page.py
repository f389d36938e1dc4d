"""The language's pages against the language: contracts run as shown, rules and prices are those of the code."""

import ast
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from contracts.language import check
from contracts.language.faults import RULE_CODES
from contracts.language.grammar import _FIELD_FIX, _REFUSED
from contracts.language.prices import PRICES_1
from contracts.trial import FUEL_DEFAULT, Ledger, read_arguments
from node.cli_contract import _lines

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "contracts" / "language.md").read_text()
FUEL = (ROOT / "docs" / "contracts" / "fuel.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES = [
    (source, *step)
    for (kind, source), (following, console) in pairwise(BLOCKS)
    if (kind, following) == ("python", "console")
    for step in re.findall(r"^\$ (.*)\n(.*)$", console, re.MULTILINE)
]
ROWS = re.findall(r"^\| ((?:`[a-z_.]+` ?)+) \| (.*?) \| (?:[^|\\]|\\.)* \| (?:[^|\\]|\\.)* \|$", PAGE, re.MULTILINE)
RULES = {rule: example for rules, example in ROWS for rule in re.findall(r"`([a-z_]+(?:\.[a-z_]+)?)`", rules)}
PRELUDE = """from hansa import Map, Value, action, emit, fail, invariant, ledger, mul_div, query, record
total: Value[int] = Value(0)
counts: Map[int, int] = Map()
pairs: Map[tuple[int, int], int] = Map()
"""


def test_every_contract_of_the_page_is_shown_to_run() -> None:
    assert sum(kind == "python" for kind, _ in BLOCKS) == 5
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize(("source", "line", "expected"), EXAMPLES)
def test_examples_end_as_the_page_says(source: str, line: str, expected: str) -> None:
    words = shlex.split(line)
    assert words[:3] == ["hansa", "contract", "run"]
    method, arguments = words[4], "[]"
    sender = words[words.index("--sender") + 1] if "--sender" in words else "ann"
    if len(words) > 5 and not words[5].startswith("--"):
        arguments = words[5]
    ledger = Ledger(Path(words[3]).stem, source.encode())
    trial = ledger.call(method, read_arguments(arguments), sender, FUEL_DEFAULT)
    assert _lines(trial)[0] == expected


def test_contracts_of_the_page_are_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = pytest.importorskip("mypy.api")
    paths = []
    for index, source in enumerate(source for kind, source in BLOCKS if kind == "python"):
        paths.append(tmp_path / f"contract{index}.py")
        paths[-1].write_text(source)
    monkeypatch.setenv("MYPYPATH", str(ROOT / "contracts" / "stubs"))
    told, _, _ = api.run(["--strict", "--config-file=", "--cache-dir", str(tmp_path), *map(str, paths)])
    assert told == "Success: no issues found in 5 source files\n"


def rules_of_the_code() -> set[str]:
    """Every rule that a finding can have: literals of that form in the calls that report."""
    found = {"syntax." + name.lower() for name in _REFUSED} | {"syntax." + name for name in _FIELD_FIX}
    for path in (ROOT / "contracts" / "language").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                for argument in ast.walk(node):
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        value = argument.value
                        if value in ("annotation", "literal") or re.fullmatch(r"[a-z]+\.[a-z_]+", value):
                            found.add(value)
            if isinstance(node, ast.IfExp):
                parts = {part.value for part in (node.body, node.orelse) if isinstance(part, ast.Constant)}
                found |= parts & set(RULES)
    return found


def test_the_page_lists_every_rule_and_no_other() -> None:
    assert set(RULES) == rules_of_the_code()


@pytest.mark.parametrize(
    ("rule", "example"), [(rule, example) for rule, example in RULES.items() if re.fullmatch(r"`[^`]+`", example)]
)
def test_what_the_page_says_is_refused(rule: str, example: str) -> None:
    text = example[1:-1].replace("\\|", "|").replace("\\n    ", "\n    ").replace("\\n", "\n")
    body = "".join(f"    {line}\n" for line in text.split("\n"))
    places = [text + "\n", PRELUDE + text + "\n", PRELUDE + "def f(x):\n" + body, PRELUDE + "def f():\n" + body]
    found = {finding.rule for source in places for finding in check(source.encode())}
    assert {other for other, shown in RULES.items() if shown == example} & found, found


def test_the_page_lists_every_code() -> None:
    for code, sentence in RULE_CODES.items():
        assert f"| `{code}` | {sentence} |" in PAGE


def test_the_fuel_page_names_every_price() -> None:
    for name in PRICES_1.__dataclass_fields__:
        assert f"`{name}`" in FUEL or f"`{name}[" in FUEL, name


def test_the_fuel_page_gives_every_price_its_value() -> None:
    values = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", FUEL, re.MULTILINE))
    told = {name: int(value.replace(",", "")) for name, value in values.items()}
    table = {name: getattr(PRICES_1, name) for name in PRICES_1.__dataclass_fields__}
    elsewhere = ("nodes", "ledger", "deploy", "deploy_byte")
    assert told == {name: value for name, value in table.items() if name not in elsewhere}
    nodes = re.search(r"^Nodes, units each: (.*)\.$", FUEL, re.MULTILINE)
    assert nodes is not None
    groups = re.findall(r"(\d+): ([A-Za-z ]+)", nodes[1])
    priced = {name: int(value) for value, names in groups for name in names.split()}
    assert priced == {node.__name__: units for node, units in PRICES_1.nodes.items()}
    assert f"| `deploy`, `deploy_byte` | {PRICES_1.deploy:,}; {PRICES_1.deploy_byte} |" in FUEL


def test_limits_on_the_page_are_those_of_the_code() -> None:
    sources = "\n".join(
        path.read_text() for folder in ("contracts", "state") for path in sorted((ROOT / folder).rglob("*.py"))
    )
    section = PAGE.split("## Limits")[1].split("\n## ")[0]
    names = re.findall(r"\b[A-Z][A-Z_]+_MAX\b", section)
    assert len(names) > 25
    for name in names:
        assert re.search(rf"^{name}(: Final)? = ", sources, re.MULTILINE) or name == "INTEGER_BITS_MAX", name
