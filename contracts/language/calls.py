"""Calls in a body: what may be called, with which arguments; values never are."""

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from contracts.language.kernel_interface import LEDGER_FUNCTIONS
from contracts.language.program import Function
from contracts.language.vocabulary import (
    BUILTINS,
    CODE,
    EAGER_GENERATORS,
    EVENT_FIELDS_MAX,
    EXPORT_CALLS,
    LAZY_GENERATORS,
    METHODS,
    NAME,
    ROUNDINGS,
    STORAGE_METHODS,
    Arity,
)

if TYPE_CHECKING:
    from contracts.language.bodies import Body

_FORMS: Final = {"Value": "a Value", "Map": "a Map", "OrderedMap": "an OrderedMap"}
KEY_FUNCTIONS: Final = ("len", "abs")
"""Builtins that may stand after ``key=``."""
_ROUNDED: Final = {"mul_div": 3, "div_round": 2, "round_to": 2}
"""Where the rounding stands."""
_STATEMENT_CALLS: Final = frozenset({"require", "fail", "emit"})


def check_call(body: "Body", node: ast.Call, statement: bool = False) -> None:
    match node.func:
        case ast.Name(id=name) if body.local(name) or name in body.program.constants:
            body.report(
                node, "call.value", f"'{name}' is a value, and values are not called", "call a function by its name"
            )
        case ast.Name(id=name) if name in body.program.functions:
            body.effects.calls.append(name)
            call_function(body, node, body.program.functions[name])
        case ast.Name(id=name) if name in body.program.records:
            fields = body.program.records[name].fields
            defaults = sum(bool(field.default) for field in fields)
            match_parameters(body, node, name, [field.name for field in fields], len(fields) - defaults)
            arguments(body, node)
        case ast.Name(id=name) if name in EXPORT_CALLS:
            body.imported(node, name)
            call_export(body, node, name, statement)
        case ast.Name(id=name) if name in BUILTINS:
            check_arity(body, node, name, BUILTINS[name])
            arguments(body, node, generator=name in EAGER_GENERATORS or name in LAZY_GENERATORS)
        case ast.Name():
            body.name(node.func)
            arguments(body, node)
        case ast.Attribute(value=ast.Name(id=owner), attr=attr) if not body.local(owner) and owner in ("ledger", "ctx"):
            body.imported(node, owner)
            call_ledger(body, node, owner, attr)
        case ast.Attribute(value=ast.Name(id=name), attr=attr) if body.storage(name):
            call_storage(body, node, name, attr)
        case ast.Attribute(value=value, attr=attr):
            body.expression(value)
            call_method(body, node, attr)
        case _:
            body.report(node, "call.value", "only names and methods are called", "call a function by its name")
            body.expression(node.func)
            arguments(body, node)


def arguments(body: "Body", node: ast.Call, generator: bool = False) -> None:
    """Checks each argument; ``key=`` takes a lambda or a function's name."""
    for argument in node.args:
        if isinstance(argument, ast.GeneratorExp) and generator and len(node.args) == 1:
            body.comprehension(argument)
        elif isinstance(argument, ast.Starred):
            body.report(argument, "syntax.starred", "star expansion", "name each value")
        else:
            body.expression(argument)
    seen: dict[str, None] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            body.report(keyword, "syntax.starred", "double-star expansion", "name each value")
        elif keyword.arg in seen:
            body.report(keyword, "call.arguments", f"'{keyword.arg}' is given twice", "give it once")
        else:
            seen[keyword.arg] = None
        sorting = isinstance(node.func, ast.Attribute) or (isinstance(node.func, ast.Name) and node.func.id in BUILTINS)
        if keyword.arg == "key" and sorting:
            key_function(body, keyword.value)
        else:
            body.expression(keyword.value)


def key_function(body: "Body", node: ast.expr) -> None:
    match node:
        case ast.Lambda(args=ast.arguments(args=[argument], defaults=[]), body=inner):
            scope: dict[str, None] = {}
            body.bind(argument, argument.arg, scope)
            body.scopes.append(scope)
            body.expression(inner)
            body.scopes.pop()
        case ast.Name(id=name) if name in body.program.functions and not body.local(name):
            body.effects.calls.append(name)
            function = body.program.functions[name]
            if not len(function.defaults) >= len(function.parameters) - 1 >= 0:
                body.report(node, "call.arguments", f"'{name}' does not take one value", "use a lambda")
        case ast.Name(id=name) if name in KEY_FUNCTIONS and not body.local(name):
            pass
        case _:
            body.report(
                node,
                "lambda.place",
                "key= takes a lambda of one parameter, a function of the contract, len or abs",
                "write a lambda",
            )


def check_arity(body: "Body", node: ast.Call, name: str, arity: Arity) -> None:
    if not arity.least <= len(node.args) <= arity.most:
        least = f"{arity.least} to {arity.most}" if arity.most != arity.least else f"{arity.least}"
        body.report(node, "call.arguments", f"{name} takes {least} positional arguments", "correct the call")
    for keyword in node.keywords:
        if keyword.arg is not None and keyword.arg not in arity.keywords:
            body.report(node, "call.arguments", f"{name} takes no argument named '{keyword.arg}'", "correct the call")


def match_parameters(body: "Body", node: ast.Call, name: str, names: Sequence[str], required: int) -> None:
    given = list(names[: len(node.args)])
    if len(node.args) > len(names):
        body.report(node, "call.arguments", f"{name} takes at most {len(names)} arguments", "correct the call")
    for keyword in node.keywords:
        if keyword.arg is not None:
            if keyword.arg not in names or keyword.arg in given:
                body.report(
                    node,
                    "call.arguments",
                    f"{name} has no such argument, or has it already: '{keyword.arg}'",
                    "correct the call",
                )
            given.append(keyword.arg)
    missing = [parameter for parameter in names[:required] if parameter not in given]
    if missing and not any(isinstance(argument, ast.Starred) for argument in node.args):
        body.report(node, "call.arguments", f"{name} misses {', '.join(missing)}", "give each argument")


def call_function(body: "Body", node: ast.Call, function: Function) -> None:
    names = [name for name, _ in function.parameters]
    match_parameters(body, node, function.name, names, len(names) - len(function.node.args.defaults))
    arguments(body, node)


def call_export(body: "Body", node: ast.Call, name: str, statement: bool) -> None:
    if name in _STATEMENT_CALLS and not statement:
        body.report(node, "call.statement", f"{name} stands on a line of its own", "move it to its own line")
    if name != "emit":
        check_arity(body, node, name, EXPORT_CALLS[name])
    arguments(body, node)
    if name in ("require", "fail"):
        at = 1 if name == "require" else 0
        code = node.args[at] if len(node.args) > at else None
        if not (isinstance(code, ast.Constant) and isinstance(code.value, str) and CODE.match(code.value)):
            body.report(
                node,
                "call.code",
                f'the code of {name} is a literal like "not_enough"',
                "lower-case letters, digits and _, at most 64",
            )
    elif name == "emit":
        body.effects.writes = body.effects.writes or node
        call_emit(body, node)
    elif name in _ROUNDED and len(node.args) == _ROUNDED[name] + 1:
        rounding = node.args[_ROUNDED[name]]
        if not (isinstance(rounding, ast.Constant) and rounding.value in ROUNDINGS):
            body.report(rounding, "call.rounding", "the rounding is a literal", "one of " + ", ".join(ROUNDINGS))


def call_emit(body: "Body", node: ast.Call) -> None:
    first = node.args[0] if len(node.args) == 1 else None
    if not (
        isinstance(first, ast.Constant)
        and isinstance(first.value, str)
        and NAME.match(first.value)
        and len(first.value) <= 64
    ):
        body.report(node, "call.event", "an event's name is a literal", 'write emit("Paid", amount=amount)')
    if len(node.keywords) > EVENT_FIELDS_MAX:
        body.report(node, "call.event", f"more than {EVENT_FIELDS_MAX} fields", "emit two events")
    for keyword in node.keywords:
        if keyword.arg is not None and not NAME.match(keyword.arg):
            body.report(keyword, "name.form", f"the field '{keyword.arg}' does not start with a letter", "rename it")


def call_ledger(body: "Body", node: ast.Call, owner: str, name: str) -> None:
    signature = LEDGER_FUNCTIONS.get(name) if owner == "ledger" else None
    if signature is None:
        body.report(
            node, "ledger.unknown", f"{owner} has no function '{name}'", "ledger has " + ", ".join(LEDGER_FUNCTIONS)
        )
    else:
        names = [parameter for parameter, _ in signature.parameters]
        match_parameters(body, node, name, names, len(names) - len(signature.defaults))
        if signature.writes:
            body.effects.writes = body.effects.writes or node
    arguments(body, node)


def call_storage(body: "Body", node: ast.Call, name: str, method: str) -> None:
    field = body.program.storage[name]
    arity = STORAGE_METHODS[field.form].get(method)
    if arity is None:
        body.report(
            node,
            "storage.method",
            f"'{name}' is {_FORMS[field.form]}, which has no method '{method}'",
            "a Map has [key], in, del and .get; an OrderedMap also .ascending, .descending, .first and .last; "
            "a Value has .get and .set",
        )
    else:
        check_arity(body, node, f"{name}.{method}", arity)
    if method == "set":
        body.effects.writes = body.effects.writes or node
    first = node.args[0] if node.args else None
    if method == "get" and isinstance(first, ast.Tuple) and field.key is not None and len(first.elts) != len(field.key):
        body.report(node, "storage.key", f"the key of '{name}' has {len(field.key)} parts", "give each part")
    arguments(body, node)


def call_method(body: "Body", node: ast.Call, name: str) -> None:
    if name in ("format", "format_map"):
        body.report(node, "format.method", f"str.{name} reaches into objects", "use an f-string")
    elif not NAME.match(name):
        body.report(node, "attribute.form", f"'.{name}' starts with an underscore", "there are no hidden attributes")
    elif name not in METHODS:
        body.report(node, "method.unknown", f"no value has a method '{name}'", "see docs/contracts/language.md")
    else:
        check_arity(body, node, "." + name, METHODS[name])
    arguments(body, node, generator=name == "join")
