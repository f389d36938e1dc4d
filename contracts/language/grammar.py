"""The grammar: which syntax nodes, with which fields, a contract may hold. Everything else is refused.

``ALLOWED`` is exact: a node whose type is not a key is refused, and so is a field of an allowed node that is not
listed and not empty (a newer CPython may add one). ``inspect`` walks every node. What an allowed node may mean in
its place is the checker's business.
"""

import ast
from typing import Final

from contracts.language.findings import Finding

ALLOWED: Final[dict[type[ast.AST], tuple[str, ...]]] = {
    ast.Module: ("body",),
    ast.ImportFrom: ("module", "names"),
    ast.alias: ("name",),
    ast.ClassDef: ("name", "body", "decorator_list"),
    ast.FunctionDef: ("name", "args", "body", "decorator_list", "returns"),
    ast.arguments: ("args", "defaults"),
    ast.arg: ("arg", "annotation"),
    ast.Assign: ("targets", "value"),
    ast.AnnAssign: ("target", "annotation", "value", "simple"),
    ast.AugAssign: ("target", "op", "value"),
    ast.Delete: ("targets",),
    ast.Expr: ("value",),
    ast.Return: ("value",),
    ast.If: ("test", "body", "orelse"),
    ast.For: ("target", "iter", "body"),
    ast.While: ("test", "body"),
    ast.Pass: (), ast.Break: (), ast.Continue: (),
    ast.Constant: ("value",),
    ast.Name: ("id", "ctx"),
    ast.Attribute: ("value", "attr", "ctx"),
    ast.Subscript: ("value", "slice", "ctx"),
    ast.Slice: ("lower", "upper", "step"),
    ast.BinOp: ("left", "op", "right"),
    ast.UnaryOp: ("op", "operand"),
    ast.BoolOp: ("op", "values"),
    ast.Compare: ("left", "ops", "comparators"),
    ast.IfExp: ("test", "body", "orelse"),
    ast.Call: ("func", "args", "keywords"),
    ast.keyword: ("arg", "value"),
    ast.List: ("elts", "ctx"),
    ast.Tuple: ("elts", "ctx"),
    ast.Dict: ("keys", "values"),
    ast.JoinedStr: ("values",),
    ast.FormattedValue: ("value", "conversion", "format_spec"),
    ast.ListComp: ("elt", "generators"),
    ast.DictComp: ("key", "value", "generators"),
    ast.GeneratorExp: ("elt", "generators"),
    ast.comprehension: ("target", "iter", "ifs", "is_async"),
    ast.Lambda: ("args", "body"),
    ast.Load: (), ast.Store: (), ast.Del: (),
    ast.And: (), ast.Or: (), ast.Not: (), ast.USub: (), ast.UAdd: (), ast.Invert: (),
    ast.Add: (), ast.Sub: (), ast.Mult: (), ast.FloorDiv: (), ast.Mod: (), ast.Pow: (),
    ast.LShift: (), ast.RShift: (), ast.BitAnd: (), ast.BitOr: (), ast.BitXor: (),
    ast.Eq: (), ast.NotEq: (), ast.Lt: (), ast.LtE: (), ast.Gt: (), ast.GtE: (),
    ast.Is: (), ast.IsNot: (), ast.In: (), ast.NotIn: (),
}

_REFUSED: Final[dict[str, tuple[str, str]]] = {
    "AsyncFor": ("async code", "a contract runs to its end at once"),
    "AsyncFunctionDef": ("async code", "a contract runs to its end at once"),
    "AsyncWith": ("async code", "a contract runs to its end at once"),
    "Await": ("async code", "a contract runs to its end at once"),
    "Assert": ("assert", "use require(condition, \"code\", \"text\")"),
    "Div": ("true division gives a float", "use // or mul_div(a, b, divisor, rounding)"),
    "Global": ("global", "keep state in Value and Map"),
    "Import": ("import", "the one import is: from hansa import …"),
    "Match": ("match", "use if and elif"),
    "MatMult": ("the @ operator", "remove it"),
    "NamedExpr": ("an assignment inside an expression", "assign on a line of its own"),
    "Nonlocal": ("nonlocal", "pass values as arguments and return them"),
    "Raise": ("raise", "use fail(\"code\", \"text\")"),
    "Set": ("a set", "use a list, or a dict as an ordered set"),
    "SetComp": ("a set", "use a list, or a dict as an ordered set"),
    "Starred": ("star expansion", "name each value"),
    "Try": ("try", "errors end the call; test the condition first"),
    "TryStar": ("try", "errors end the call; test the condition first"),
    "TypeAlias": ("a type alias", "write the type out"),
    "With": ("with", "there is nothing to open or close"),
    "Yield": ("a generator", "build and return a list"),
    "YieldFrom": ("a generator", "build and return a list"),
}
_FIELD_FIX: Final[dict[str, tuple[str, str]]] = {
    "posonlyargs": ("positional-only parameters", "use plain parameters"),
    "kwonlyargs": ("keyword-only parameters", "use plain parameters"),
    "kw_defaults": ("keyword-only parameters", "use plain parameters"),
    "vararg": ("a star parameter", "take a list"),
    "kwarg": ("a double-star parameter", "take each value by name"),
    "bases": ("a base class", "a record has fields only"),
    "keywords": ("class keywords", "a record has fields only"),
    "orelse": ("else after a loop", "use a local flag"),
    "asname": ("an import under another name", "import the name itself"),
    "level": ("a relative import", "the one import is: from hansa import …"),
    "type_params": ("type parameters", "write the types out"),
    "kind": ("a u prefix", "use a plain string"),
}


def inspect(tree: ast.Module) -> list[Finding]:
    """Every node or field outside the grammar."""
    findings = []
    line, column = 1, 1
    for node in ast.walk(tree):
        line, column = getattr(node, "lineno", line), getattr(node, "col_offset", column - 1) + 1
        allowed = ALLOWED.get(type(node))
        name = type(node).__name__
        if allowed is None:
            reason, fix = _REFUSED.get(name, (f"{name} is not part of the language", "write it another way"))
            findings.append(Finding(line, column, "syntax." + name.lower(), reason, fix))
            continue
        for field in node._fields:
            if field not in allowed and getattr(node, field, None) not in (None, [], 0):
                reason, fix = _FIELD_FIX.get(field, (f"{field} of {name} is not part of the language", "remove it"))
                findings.append(Finding(line, column, f"syntax.{field}", reason, fix))
    return findings
