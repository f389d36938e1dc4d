"""The checker: is this source a contract? All findings, not only the first.

Three passes, each by allow-list. The gate (``source``) reads bytes and tokens before CPython's parser does. The
grammar (``grammar``) walks every node and field. This module then resolves what is declared at module level and hands
each function body to ``bodies``. A source without findings compiles; nothing is resolved by name when it runs.
"""

import ast
import warnings
from typing import Final

from contracts.language.annotations import (
    BadAnnotation,
    DeclaredType,
    Field,
    RecordType,
    read_annotation,
    read_key,
)
from contracts.language.bodies import check_body
from contracts.language.constants import NotConstant, conforms, constant_value, literal_fault
from contracts.language.findings import FINDINGS_MAX, Finding
from contracts.language.grammar import inspect
from contracts.language.order_keys import ORDER_SCALARS
from contracts.language.program import Effects, Frozen, Function, Program, StorageField
from contracts.language.source import gate
from contracts.language.vocabulary import DECORATORS, EXPORTS, NAME, PYTHON_BUILTINS, STORAGE_METHODS

MODULE_NAMES_MAX: Final = 512
PARAMETERS_MAX: Final = 32
RECORD_FIELDS_MAX: Final = 64
_ANNOTATION_FIX: Final = (
    "use int, bool, str, bytes, Address, Asset, Amount, a record declared above, list[T], "
    "dict[K, V], tuple[…] or T | None"
)


def parse(text: str) -> ast.Module | None:
    """CPython's tree of a gated text, or None where its parser refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text, mode="exec", feature_version=(3, 11))
        except (SyntaxError, ValueError):
            return None


def _syntax_place(text: str) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text, mode="exec", feature_version=(3, 11))
        except SyntaxError as error:
            return error.lineno or 1
        except ValueError:
            return 1
    return 1


def check(source: bytes) -> list[Finding]:
    """Every reason why ``source`` is refused, in order of place; empty when it is a contract."""
    return analyse(source)[1]


def analyse(source: bytes) -> tuple[Program, list[Finding]]:
    """What the source declares, and every finding. The program is whole only when there are none."""
    text, findings = gate(source)
    if findings:
        return Program(), sorted(findings)
    tree = parse(text)
    if tree is None:
        line = _syntax_place(text)
        return Program(), [
            Finding(line, 1, "syntax.error", "this is not Python", "let your editor show where it breaks")
        ]
    module = _Module(inspect(tree))
    module.read(tree)
    if not module.findings:
        module.read_bodies()
    return module.program, sorted(set(module.findings))[:FINDINGS_MAX]


class _Module:
    """Reads what stands at module level, in order."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        self.program = Program()

    def report(self, node: ast.AST, rule: str, reason: str, fix: str) -> None:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        self.findings.append(Finding(line, column, rule, reason, fix))

    def read(self, tree: ast.Module) -> None:
        for index, statement in enumerate(tree.body):
            match statement:
                case ast.Expr(value=ast.Constant(value=str() as text)) if index == 0:
                    self.program.document = self.docstring(statement, text)
                case ast.ImportFrom():
                    self.read_import(statement)
                case ast.Assign():
                    self.read_constant(statement, statement.targets, statement.value)
                case ast.AnnAssign():
                    self.read_annotated(statement)
                case ast.ClassDef():
                    self.read_record(statement)
                case ast.FunctionDef():
                    self.read_function(statement)
                case _:
                    self.report(
                        statement,
                        "module.statement",
                        "only declarations stand at module level",
                        "move it into an action or a helper function",
                    )

    def read_bodies(self) -> None:
        for function in self.program.functions.values():
            effects, found = check_body(self.program, function)
            self.program.effects[function.name] = effects
            self.findings += found
        for function in self.program.functions.values():
            if function.kind in ("query", "invariant"):
                self.check_query(function)

    def check_query(self, query: Function) -> None:
        """A query or an invariant reaches nothing that changes state, directly or through the helpers it calls."""
        reached, waiting = {query.name: None}, [query.name]
        while waiting:
            effects = self.program.effects.get(waiting.pop(), Effects())
            if effects.writes is not None:
                self.report(
                    effects.writes,
                    "query.writes",
                    f"the {query.kind} '{query.name}' reaches this change of state",
                    "make it an action, or move the change out of the query's way",
                )
            for name in effects.calls:
                if name not in reached:
                    reached[name] = None
                    waiting.append(name)

    def docstring(self, node: ast.AST, text: str) -> str:
        """``text``, which the ABI shows; reports what no encoding holds."""
        if fault := literal_fault(text):
            self.report(node, "literal", fault, "use text in full characters")
        return text

    def define(self, node: ast.AST, name: str) -> bool:
        """Whether ``name`` may be declared here; reports why not."""
        if not NAME.match(name):
            self.report(
                node,
                "name.form",
                f"the name '{name}' does not start with a letter",
                "names are letters, digits and _, and start with a letter",
            )
        elif name in PYTHON_BUILTINS or name in EXPORTS:
            self.report(node, "name.shadow", f"'{name}' already means something", "choose another name")
        elif self.program.declares(name):
            self.report(node, "name.twice", f"'{name}' is declared twice", "choose another name")
        elif len(self.program.constants) + len(self.program.storage) + len(self.program.functions) >= MODULE_NAMES_MAX:
            self.report(node, "module.size", f"more than {MODULE_NAMES_MAX} names", "split the contract")
        else:
            return True
        return False

    def read_import(self, node: ast.ImportFrom) -> None:
        if node.module != "hansa":
            self.report(node, "module.import", "the one import is: from hansa import …", "remove this import")
            return
        for alias in node.names:
            if alias.name not in EXPORTS:
                self.report(
                    node,
                    "module.import",
                    f"hansa has no '{alias.name}'",
                    "see contracts/stubs/hansa/__init__.pyi for what there is",
                )
            elif alias.name in self.program.imports:
                self.report(node, "name.twice", f"'{alias.name}' is imported twice", "import it once")
            else:
                self.program.imports.append(alias.name)

    def require_import(self, node: ast.AST, name: str) -> None:
        if name not in self.program.imports:
            self.report(node, "name.import", f"'{name}' is not imported", f"add it to: from hansa import {name}")

    def read_constant(self, node: ast.stmt, targets: list[ast.expr], value: ast.expr) -> None:
        target = targets[0]
        if len(targets) != 1 or not isinstance(target, ast.Name):
            self.report(node, "module.constant", "a constant is NAME = value", "give each constant its own line")
            return
        known = self.constant(value)
        if self.define(target, target.id) and known:
            self.program.constants[target.id] = known[0]

    def constant(self, value: ast.expr) -> tuple[Frozen] | None:
        """The value in a 1-tuple, or None after a report."""
        try:
            return (constant_value(value, self.program.constants),)
        except NotConstant as refusal:
            self.report(
                refusal.node,
                "module.constant",
                refusal.reason,
                "constants are int, str, bytes, bool, None, tuples of these, and arithmetic on integers",
            )
            return None

    def declared(self, node: ast.expr) -> DeclaredType | None:
        """The annotation's type, or None after a report."""
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id in ("Address", "Asset", "Amount"):
                self.require_import(part, part.id)
        try:
            return read_annotation(node, self.program.records)
        except BadAnnotation as refusal:
            self.report(refusal.node, "annotation", refusal.reason, _ANNOTATION_FIX)
            return None

    def read_annotated(self, node: ast.AnnAssign) -> None:
        annotation = node.annotation
        if not isinstance(node.target, ast.Name) or node.value is None:
            self.report(node, "module.constant", "a declaration has a name and a value", "write NAME: type = value")
        elif (
            isinstance(annotation, ast.Subscript)
            and isinstance(annotation.value, ast.Name)
            and annotation.value.id in STORAGE_METHODS
        ):
            self.read_storage(node, node.target, annotation.value.id, annotation.slice, node.value)
        else:
            declared = self.declared(annotation)
            self.read_constant(node, [node.target], node.value)
            if (
                declared is not None
                and node.target.id in self.program.constants
                and not conforms(self.program.constants[node.target.id], declared)
            ):
                self.report(node.value, "module.constant", f"the value is not {declared}", "correct one of them")

    def read_storage(self, node: ast.AnnAssign, target: ast.Name, kind: str, inside: ast.expr, value: ast.expr) -> None:
        self.require_import(node, kind)
        called = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == kind
        if not called or not isinstance(value, ast.Call) or value.keywords or len(value.args) != (kind == "Value"):
            form = "Value(default)" if kind == "Value" else f"{kind}()"
            self.report(value, "module.storage", f"storage is declared as name: {kind}[…] = {form}", f"write {form}")
            return
        if kind == "Value":
            field = self.value_field(target.id, inside, value.args[0])
        else:
            field = self.map_field(target.id, inside, kind == "OrderedMap")
        if self.define(target, target.id) and field is not None:
            self.program.storage[target.id] = field

    def map_field(self, name: str, inside: ast.expr, is_ordered: bool) -> StorageField | None:
        if not isinstance(inside, ast.Tuple) or len(inside.elts) != 2:
            self.report(inside, "module.storage", "a map names its key and its value", "write Map[Key, Value]")
            return None
        declared = self.declared(inside.elts[1])
        self.declared(inside.elts[0])
        try:
            key = read_key(inside.elts[0])
        except BadAnnotation as refusal:
            self.report(refusal.node, "annotation", refusal.reason, "use a scalar or a tuple of scalars as key")
            return None
        if is_ordered and any(part.kind not in ORDER_SCALARS for part in key):
            self.report(inside.elts[0], "annotation", "a bool has no order", "use int, str or bytes in an ordered key")
            return None
        if declared is not None and declared.kind in ("optional", "none"):
            self.report(inside.elts[1], "module.storage", "a map holds no None", "delete the key instead")
            return None
        return None if declared is None else StorageField(name, key, declared, is_ordered=is_ordered)

    def value_field(self, name: str, inside: ast.expr, default: ast.expr) -> StorageField | None:
        declared = self.declared(inside)
        known = self.constant(default)
        if declared is None or known is None:
            return None
        if not conforms(known[0], declared):
            self.report(
                default,
                "module.storage",
                f"the default is not {declared}",
                "give a constant of that type; what has no constant is declared as T | None with None",
            )
            return None
        if declared.kind == "optional" and known[0] is not None:
            self.report(default, "module.storage", "a value that may be None starts as None", "write Value(None)")
            return None
        return StorageField(name, None, declared, known[0])

    def read_record(self, node: ast.ClassDef) -> None:
        decorators = [item.id for item in node.decorator_list if isinstance(item, ast.Name)]
        if decorators != ["record"] or len(node.decorator_list) != 1:
            self.report(node, "module.class", "the only classes are records", "write @record above it")
            return
        self.require_import(node, "record")
        fields: list[Field] = []
        for index, statement in enumerate(node.body):
            match statement:
                case ast.Expr(value=ast.Constant(value=str())) if index == 0:
                    pass
                case ast.AnnAssign(target=ast.Name(), simple=1):
                    self.read_field(statement, fields)
                case _:
                    self.report(statement, "record.body", "a record has annotated fields only", "write name: type")
        if not fields or len(fields) > RECORD_FIELDS_MAX:
            self.report(node, "record.body", f"a record has 1 to {RECORD_FIELDS_MAX} fields", "add or split fields")
        if self.define(node, node.name) and fields:
            self.program.records[node.name] = RecordType(node.name, tuple(fields))

    def read_field(self, node: ast.AnnAssign, fields: list[Field]) -> None:
        assert isinstance(node.target, ast.Name)
        name = node.target.id
        declared = self.declared(node.annotation)
        known = self.constant(node.value) if node.value is not None else ()
        if not NAME.match(name):
            self.report(
                node,
                "name.form",
                f"the name '{name}' does not start with a letter",
                "names are letters, digits and _, and start with a letter",
            )
        elif any(field.name == name for field in fields):
            self.report(node, "name.twice", f"the field '{name}' is declared twice", "choose another name")
        elif node.value is None and fields and fields[-1].default:
            self.report(node, "record.body", "a field without a default follows one with", "move it up")
        elif declared is not None and known is not None:
            if known and not conforms(known[0], declared):
                self.report(node, "record.body", f"the default is not {declared}", "correct one of them")
            fields.append(Field(name, declared, known))

    def read_function(self, node: ast.FunctionDef) -> None:
        kind = "helper"
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Name) and decorator.id in DECORATORS and kind == "helper":
                self.require_import(decorator, decorator.id)
                kind = decorator.id
            else:
                self.report(
                    decorator,
                    "function.decorator",
                    "the decorators are @action, @query, @unwind and @invariant, one at most",
                    "remove this one",
                )
        parameters: list[tuple[str, DeclaredType | None]] = []
        for argument in node.args.args:
            declared = self.declared(argument.annotation) if argument.annotation is not None else None
            if argument.annotation is None and kind != "helper":
                self.report(
                    argument, "function.annotation", f"'{argument.arg}' has no type", "exported methods are typed"
                )
            if declared is not None and declared.kind == "none":
                self.report(argument, "annotation", "a parameter that is always None", "remove it")
            parameters.append((argument.arg, declared))
        returns = self.declared(node.returns) if node.returns is not None else None
        if node.returns is None and kind != "helper":
            self.report(node, "function.annotation", f"'{node.name}' has no return type", "write -> None or a type")
        if kind == "invariant" and (parameters or returns is None or returns.kind != "bool"):
            self.report(node, "function.invariant", f"'{node.name}' is not a question", "write def name() -> bool")
        if len(parameters) > PARAMETERS_MAX:
            self.report(node, "function.parameters", f"more than {PARAMETERS_MAX} parameters", "pass a record")
        defaults = self.read_defaults(node, parameters)
        if self.define(node, node.name):
            self.program.functions[node.name] = Function(
                node.name, kind, node, tuple(parameters), defaults, returns,
                self.docstring(node, ast.get_docstring(node) or ""),
            )

    def read_defaults(
        self, node: ast.FunctionDef, parameters: list[tuple[str, DeclaredType | None]]
    ) -> tuple[Frozen, ...]:
        defaults = []
        typed = parameters[len(parameters) - len(node.args.defaults) :]
        for default, (_, declared) in zip(node.args.defaults, typed, strict=True):
            known = self.constant(default)
            if known is None:
                continue
            if declared is not None and not conforms(known[0], declared):
                self.report(default, "function.default", f"the default is not {declared}", "correct one of them")
            defaults.append(known[0])
        return tuple(defaults)
