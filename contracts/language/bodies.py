"""What a function's body may say: every name resolved, every binding position checked, callables only called.

Names in a body are, in this order: a comprehension's or lambda's own, the function's parameters and locals, a module
constant. Functions, records, storage, builtins and exports are not values: each has the positions where it may stand.
"""

import ast
from collections.abc import Sequence
from typing import Final

from contracts.language.annotations import BadAnnotation, read_annotation
from contracts.language.calls import check_call
from contracts.language.constants import literal_fault
from contracts.language.findings import Finding
from contracts.language.program import Effects, Function, Program
from contracts.language.source import FORMAT_SPEC
from contracts.language.vocabulary import (
    BUILTINS,
    CONTEXT_FIELDS,
    EXPORTS,
    NAME,
    PYTHON_BUILTINS,
)

BLOCK_DEPTH_MAX: Final = 12
GENERATORS_MAX: Final = 4


def simple(node: ast.expr) -> bool:
    """Whether evaluating ``node`` twice is the same as once, and cheap."""
    match node:
        case ast.Constant() | ast.Name():
            return True
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
            return True
        case ast.Attribute(value=ast.Name()):
            return True
    return False


def target_names(target: ast.expr) -> list[ast.Name]:
    """The names that an assignment or loop target binds."""
    if isinstance(target, ast.Name):
        return [target]
    if isinstance(target, ast.Tuple | ast.List):
        return [name for element in target.elts for name in target_names(element)]
    return []


def bound_names(body: Sequence[ast.stmt]) -> list[ast.Name]:
    """Every name that the statements of a body bind, comprehensions and lambdas apart."""
    found: list[ast.Name] = []
    for statement in body:
        match statement:
            case ast.Assign(targets=targets):
                for target in targets:
                    found += target_names(target)
            case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
                found += target_names(target)
            case ast.For(target=target, body=inner):
                found += target_names(target) + bound_names(inner)
            case ast.While(body=inner):
                found += bound_names(inner)
            case ast.If(body=inner, orelse=other):
                found += bound_names(inner) + bound_names(other)
    return found


def check_body(program: Program, function: Function) -> tuple[Effects, list[Finding]]:
    """One function's effects and findings."""
    body = Body(program)
    body.read(function)
    return body.effects, body.findings


class Body:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.fields = program.field_names
        self.findings: list[Finding] = []
        self.effects = Effects()
        self.scopes: list[dict[str, None]] = []
        self.loops = 0
        self.iterables = 0

    def report(self, node: ast.AST, rule: str, reason: str, fix: str) -> None:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        self.findings.append(Finding(line, column, rule, reason, fix))

    def read(self, function: Function) -> None:
        scope: dict[str, None] = {}
        for argument in function.node.args.args:
            if argument.arg in scope:
                self.report(argument, "name.twice", f"two parameters named '{argument.arg}'", "rename one")
            self.bind(argument, argument.arg, scope)
        for name in bound_names(function.node.body):
            self.bind(name, name.id, scope)
        self.scopes.append(scope)
        body = function.node.body
        if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            if not isinstance(body[0].value.value, str):
                self.report(body[0], "statement.expression", "a value that goes nowhere", "remove it")
            body = body[1:]
        self.block(body, 1)

    def bind(self, node: ast.AST, name: str, scope: dict[str, None]) -> None:
        if not NAME.match(name):
            self.report(
                node,
                "name.form",
                f"the name '{name}' does not start with a letter",
                "names are letters, digits and _, and start with a letter",
            )
        elif name in PYTHON_BUILTINS or name in EXPORTS or self.program.declares(name):
            self.report(node, "name.shadow", f"'{name}' already means something", "choose another name")
        scope[name] = None

    def block(self, body: Sequence[ast.stmt], depth: int) -> None:
        if body and depth > BLOCK_DEPTH_MAX:
            self.report(
                body[0],
                "source.depth",
                f"blocks are nested more than {BLOCK_DEPTH_MAX} deep",
                "move the inner part into a helper function",
            )
            return
        for statement in body:
            self.statement(statement, depth)

    def statement(self, node: ast.stmt, depth: int) -> None:
        match node:
            case ast.Expr(value=ast.Call() as call):
                check_call(self, call, statement=True)
            case ast.Expr():
                self.report(node, "statement.expression", "a value that goes nowhere", "remove it or give it a name")
            case ast.Assign(targets=targets, value=value):
                self.expression(value)
                for target in targets:
                    self.target(target)
            case ast.AnnAssign():
                self.annotated(node)
            case ast.AugAssign(target=target, value=value, op=op):
                self.operator(node, op)
                self.expression(value)
                self.target(target, augmented=True)
            case ast.Delete(targets=targets):
                for target in targets:
                    self.deletion(target)
            case ast.Return(value=value):
                if value is not None:
                    self.expression(value)
            case ast.If(test=test, body=body, orelse=other):
                self.expression(test)
                self.block(body, depth + 1)
                elif_chain = len(other) == 1 and isinstance(other[0], ast.If)
                self.block(other, depth if elif_chain else depth + 1)
            case ast.For(target=target, iter=iterable, body=body):
                self.expression(iterable)
                self.loop_target(target)
                self.loop(body, depth)
            case ast.While(test=test, body=body):
                self.expression(test)
                self.loop(body, depth)
            case ast.Break() | ast.Continue():
                if not self.loops:
                    self.report(node, "statement.loop", "break and continue stand inside a loop", "remove it")
            case ast.Pass():
                pass
            case _:
                self.report(
                    node,
                    "statement.place",
                    f"{type(node).__name__} does not stand inside a function",
                    "move it to module level, or write it another way",
                )

    def loop(self, body: Sequence[ast.stmt], depth: int) -> None:
        self.loops += 1
        self.block(body, depth + 1)
        self.loops -= 1

    def annotated(self, node: ast.AnnAssign) -> None:
        try:
            read_annotation(node.annotation, self.program.records)
        except BadAnnotation as refusal:
            self.report(
                refusal.node, "annotation", refusal.reason, "leave the annotation out, or write one of the language"
            )
        if not isinstance(node.target, ast.Name):
            self.report(node, "annotation", "only a local name is annotated", "leave the annotation out")
        if node.value is None:
            self.report(node, "annotation", "an annotation without a value", "give the name a value here")
        else:
            self.expression(node.value)

    # Binding positions.

    def target(self, node: ast.expr, augmented: bool = False, inside: bool = False) -> None:
        match node:
            case ast.Name():
                pass
            case ast.Subscript(value=ast.Name(id=name), slice=key) if self.storage(name):
                self.storage_item(node, name, key)
                self.effects.writes = self.effects.writes or node
            case ast.Subscript(value=value, slice=key) if not isinstance(key, ast.Slice):
                self.expression(value)
                self.expression(key)
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if self.local(name):
                self.field(node, attr)
            case ast.Attribute():
                self.report(
                    node,
                    "target.field",
                    "a field is assigned through a local name only, so that a change to a copy is not lost",
                    "take the record into a local, change it, store it back",
                )
            case ast.Tuple(elts=elements) | ast.List(elts=elements) if not augmented and not inside:
                for element in elements:
                    self.target(element, inside=True)
            case _:
                self.report(node, "target.form", "this can't be assigned to", "assign to names, fields and items")

    def loop_target(self, node: ast.expr, depth: int = 0) -> None:
        match node:
            case ast.Name():
                pass
            case ast.Tuple(elts=elements) | ast.List(elts=elements) if elements and depth < 2:
                for element in elements:
                    self.loop_target(element, depth + 1)
            case _:
                self.report(node, "target.form", "a loop binds names", "bind a name and assign in the body")

    def deletion(self, node: ast.expr) -> None:
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=key) if self.storage(name):
                self.storage_item(node, name, key)
                self.effects.writes = self.effects.writes or node
            case ast.Subscript(value=value, slice=key) if not isinstance(key, ast.Slice):
                self.expression(value)
                self.expression(key)
            case _:
                self.report(node, "target.form", "del is for items of a dict, list or map", "remove it")

    # Names.

    def local(self, name: str) -> bool:
        return any(name in scope for scope in self.scopes)

    def storage(self, name: str) -> bool:
        return name in self.program.storage and not self.local(name)

    def imported(self, node: ast.AST, name: str) -> bool:
        if name not in self.program.imports:
            self.report(node, "name.import", f"'{name}' is not imported", f"add it to: from hansa import {name}")
        return True

    def name(self, node: ast.Name) -> None:
        name = node.id
        if self.local(name) or name in self.program.constants:
            return
        if name in self.program.storage:
            self.report(node, "name.position", f"the storage '{name}' is not a value", "read it by [key], .get() or in")
        elif name in self.program.functions or name in self.program.records or name in BUILTINS or name in EXPORTS:
            self.report(
                node,
                "name.position",
                f"'{name}' is called here or not at all; it is not a value",
                "call it, or remove it",
            )
        elif name in PYTHON_BUILTINS:
            self.report(node, "name.builtin", f"'{name}' is not part of the language", "see docs/contracts/language.md")
        else:
            self.report(
                node, "name.unknown", f"nothing is called '{name}'", "declare it, import it, or correct the name"
            )

    def field(self, node: ast.Attribute, name: str) -> None:
        if not NAME.match(name):
            self.report(
                node, "attribute.form", f"'.{name}' starts with an underscore", "there are no hidden attributes"
            )
        elif name not in self.fields:
            self.report(
                node,
                "attribute.unknown",
                f"no record declares a field '{name}'",
                "attributes are fields of records; methods are called",
            )

    # Expressions.

    def expressions(self, nodes: Sequence[ast.expr]) -> None:
        for node in nodes:
            self.expression(node)

    def expression(self, node: ast.expr | None) -> None:
        match node:
            case None:
                pass
            case ast.Constant(value=value):
                if fault := literal_fault(value):
                    self.report(node, "literal", fault, "use integers, and text in full characters")
            case ast.Name():
                self.name(node)
            case ast.Attribute():
                self.attribute(node)
            case ast.Subscript(value=ast.Name(id=name), slice=key) if self.storage(name):
                self.storage_item(node, name, key)
            case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper, step=step)):
                for part in (value, lower, upper, step):
                    self.expression(part)
            case ast.Subscript(value=value, slice=key):
                self.expression(value)
                self.expression(key)
            case ast.BinOp(left=left, op=op, right=right):
                self.binary(node, left, op)
                self.expression(left)
                self.expression(right)
            case ast.UnaryOp(operand=operand):
                self.expression(operand)
            case ast.BoolOp(values=values):
                self.expressions(values)
            case ast.Compare():
                self.compare(node)
            case ast.IfExp(test=test, body=body, orelse=other):
                self.expressions([test, body, other])
            case ast.Call():
                check_call(self, node)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                self.expressions(elements)
            case ast.Dict(keys=keys, values=values):
                if None in keys:
                    self.report(node, "syntax.starred", "double-star expansion", "use .update()")
                for dict_key in keys:
                    self.expression(dict_key)
                self.expressions(values)
            case ast.JoinedStr(values=values):
                for part in values:
                    self.text_part(part)
            case ast.ListComp() | ast.DictComp():
                self.comprehension(node)
            case ast.GeneratorExp():
                self.report(
                    node,
                    "generator.place",
                    "a generator expression stands alone in the call of "
                    "sum, any, all, min, max, sorted, list, tuple, dict or join",
                    "build a list: […]",
                )
            case ast.Lambda():
                self.report(node, "lambda.place", "a lambda stands after key= only", "write a function")
            case _:
                self.report(
                    node, "expression.form", f"{type(node).__name__} does not stand here", "write it another way"
                )

    def attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name) and not self.local(node.value.id):
            owner = node.value.id
            if owner == "ctx" and self.imported(node, owner):
                if node.attr not in CONTEXT_FIELDS:
                    self.report(
                        node, "attribute.unknown", f"ctx has no '{node.attr}'", "ctx has " + ", ".join(CONTEXT_FIELDS)
                    )
                return
            if owner == "ledger" and self.imported(node, owner):
                self.report(node, "name.position", "a ledger function is called or not at all", "call it")
                return
        self.field(node, node.attr)
        self.expression(node.value)

    def storage_item(self, node: ast.AST, name: str, key: ast.expr) -> None:
        field = self.program.storage[name]
        if field.key is None:
            self.report(node, "storage.value", f"'{name}' is a Value, not a Map", "use .get() and .set()")
        if isinstance(key, ast.Slice):
            self.report(node, "storage.slice", "a map has no order to slice", "read single keys")
            return
        if isinstance(key, ast.Tuple) and field.key is not None and len(key.elts) != len(field.key):
            self.report(node, "storage.key", f"the key of '{name}' has {len(field.key)} parts", "give each part")
        self.expression(key)

    def operator(self, node: ast.AST, op: ast.operator) -> None:
        if isinstance(op, ast.Div | ast.MatMult):
            self.report(node, "syntax.div", "true division gives a float", "use // or mul_div")

    def binary(self, node: ast.BinOp, left: ast.expr, op: ast.operator) -> None:
        self.operator(node, op)
        literal_text = isinstance(left, ast.JoinedStr) or (
            isinstance(left, ast.Constant) and isinstance(left.value, str | bytes)
        )
        if isinstance(op, ast.Mod) and literal_text:
            self.report(node, "format.percent", "% on a text", "use an f-string")

    def compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for middle in operands[1:-1]:
            if self.iterables and not simple(middle):
                self.report(
                    middle,
                    "compare.chain",
                    "a call in the middle of a chained comparison, in what a comprehension walks",
                    "put it in a local first",
                )
        for op, right in zip(node.ops, node.comparators, strict=True):
            none = isinstance(right, ast.Constant) and right.value is None
            if isinstance(op, ast.Is | ast.IsNot) and not none:
                self.report(node, "compare.is", "'is' compares with None only", "use ==")
            if isinstance(op, ast.In | ast.NotIn) and isinstance(right, ast.Name) and self.storage(right.id):
                field = self.program.storage[right.id]
                if field.key is None:
                    self.report(node, "storage.value", f"'{right.id}' is a Value, not a Map", "use .get()")
                if len(node.ops) > 1:
                    self.report(node, "compare.chain", "'in' a map does not chain", "use and")
                operands.remove(right)
        self.expressions(operands)

    def text_part(self, node: ast.expr) -> None:
        match node:
            case ast.Constant(value=str() as text):
                if fault := literal_fault(text):
                    self.report(node, "literal", fault, "use text in full characters")
            case ast.FormattedValue(value=value, conversion=-1, format_spec=spec):
                self.expression(value)
                if spec is not None:
                    self.format_spec(node, spec)
            case _:
                self.report(node, "format.expression", "a conversion (!r, !s, !a)", "leave it out")

    def format_spec(self, node: ast.expr, spec: ast.expr) -> None:
        plain = isinstance(spec, ast.JoinedStr) and all(
            isinstance(part, ast.Constant) and isinstance(part.value, str) for part in spec.values
        )
        text = (
            "".join(
                part.value
                for part in spec.values  # type: ignore[attr-defined]
            )
            if plain
            else "{"
        )
        if not FORMAT_SPEC.match(text):
            self.report(
                node,
                "format.spec",
                "a format spec beyond fill, alignment, width, d or x",
                "format by string methods instead",
            )

    def comprehension(self, node: ast.ListComp | ast.DictComp | ast.GeneratorExp) -> None:
        if len(node.generators) > GENERATORS_MAX:
            reason = f"more than {GENERATORS_MAX} loops in one comprehension"
            self.report(node, "comprehension.loops", reason, "use for")
        scope: dict[str, None] = {}
        for index, generator in enumerate(node.generators):
            self.iterables += 1
            self.expression(generator.iter)
            self.iterables -= 1
            if index == 0:
                self.scopes.append(scope)
            if generator.is_async:
                self.report(generator.iter, "syntax.asyncfor", "async code", "remove async")
            self.loop_target(generator.target)
            for name in target_names(generator.target):
                self.bind(name, name.id, scope)
            self.expressions(generator.ifs)
        if isinstance(node, ast.DictComp):
            self.expressions([node.key, node.value])
        else:
            self.expression(node.elt)
        self.scopes.pop()
