"""The tables that must agree: kernel functions and the editor stub, the checker's words and the compiler's helpers."""

import ast
from pathlib import Path

from contracts.language import LEDGER_FUNCTIONS, abi
from contracts.language.annotations import parse_annotation
from contracts.language.compiler import HELPERS
from contracts.language.findings import Finding
from contracts.language.machine import compile_contract
from contracts.language.methods import DISPATCHERS
from contracts.language.report import as_json, as_lines, check_report
from contracts.language.vocabulary import BUILTINS, CONTEXT_FIELDS, EXPORTS, METHODS

ROOT = Path(__file__).parents[3]
STUB = ast.parse((ROOT / "contracts" / "stubs" / "hansa" / "__init__.pyi").read_text())


def _class(name: str) -> dict[str, ast.FunctionDef]:
    found = next(node for node in STUB.body if isinstance(node, ast.ClassDef) and node.name == name)
    return {node.name: node for node in found.body if isinstance(node, ast.FunctionDef)}


def test_stub_of_ledger_is_the_table() -> None:
    methods = _class("_Ledger")
    assert list(methods) == list(LEDGER_FUNCTIONS)
    for name, signature in LEDGER_FUNCTIONS.items():
        arguments = methods[name].args.args[1:]
        assert [argument.arg for argument in arguments] == [parameter for parameter, _ in signature.parameters], name
        written = [ast.unparse(argument.annotation) for argument in arguments if argument.annotation]
        assert written == [str(parse_annotation(kind)) for _, kind in signature.parameters], name
        returns = methods[name].returns
        assert returns is not None
        assert ast.unparse(returns) == str(parse_annotation(signature.returns)), name
        defaults = [ast.literal_eval(default) for default in methods[name].args.defaults]
        assert defaults == list(signature.defaults.values()), name
        assert list(signature.defaults) == [name for name, _ in signature.parameters][-len(defaults):] or not defaults


def test_stub_exports_what_the_compiler_knows() -> None:
    names = {node.name for node in STUB.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    names |= {node.targets[0].id for node in STUB.body
              if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}
    names |= {node.target.id for node in STUB.body
              if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    assert {name for name in names if not name.startswith("_")} - {"T", "K", "V", "D", "F"} == EXPORTS
    assert tuple(_class("_Context")) == CONTEXT_FIELDS


def test_every_word_has_a_helper_and_no_helper_can_be_spelled() -> None:
    assert set(METHODS) == set(DISPATCHERS)
    assert all("_b_" + name in HELPERS for name in BUILTINS)
    assert all(name.startswith("_") for name in HELPERS)
    assert HELPERS["__builtins__"] == {}


def test_compiled_functions_reach_no_builtins() -> None:
    compiled = compile_contract(b"from hansa import action\n@action\ndef f() -> int:\n    return 1\n")
    assert compiled.actions["f"].function.__globals__["__builtins__"] == {}


def test_report() -> None:
    findings = check_report(b"import os\nX = 1.5\n")
    assert [finding.rule for finding in findings] == ["number.float"]
    findings = check_report(b"import os\nX = [eval]\n")
    assert [(finding.line, finding.rule) for finding in findings] == [
        (1, "module.statement"), (1, "syntax.import"), (2, "module.constant")]
    assert as_lines("a.py", findings[1:2]) == [
        "a.py:1:1 syntax.import: import; the one import is: from hansa import …", "a.py: refused, 1 finding"]
    assert as_lines("a.py", []) == ["a.py: accepted"]
    assert as_json("a.py", findings)["findings"][0]["rule"] == "module.statement"
    assert findings[0] == Finding(1, 1, "module.statement", "only declarations stand at module level",
                                  "move it into an action or a helper function")


def test_json_and_plain_are_inverse() -> None:
    kind = parse_annotation("list[tuple[int, bytes | None, dict[str, bool]]]")
    data = [["-5", "0x00ff", [["a", True]]], [str(2**200), None, []]]
    plain = abi.from_json(kind, data)
    assert plain == [[-5, b"\x00\xff", [["a", True]]], [(2**200).to_bytes(33, "big"), None, []]]
    assert abi.to_json(kind, plain) == data
