"""The compiler: a checked contract's tree becomes CPython functions with guards and fuel charges injected.

What runs holds only native names, constants, ``and``/``or``/``not``, ``is None``, control flow, unpacking, displays,
comprehensions, calls of the contract's own functions, and calls of our guarded helpers. Helpers and temporaries
start with ``_``, which no source can spell; a record's field ``x`` is the attribute ``_f_x``, which no other object
has. The namespace holds no builtins.

    _m  the meter, a local of each function          _c  the cell            _t1…  temporaries
    _o_ operators   _b_ builtins and exports   _x_ methods   _s_ storage   _l_ ledger   _r_ records
"""

import ast
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

from contracts.language import access, operators, ordered
from contracts.language.annotations import DeclaredType, RecordType, read_annotation
from contracts.language.faults import fail
from contracts.language.fuel import (
    CALL_DEPTH_MAX,
    RECORD_BYTES,
    SLOT_BYTES,
    Price,
    block_price,
    exhausted,
    expression_price,
    loop_price,
    turn_price,
)
from contracts.language.functions import BUILTIN_FUNCTIONS
from contracts.language.kernel_interface import LEDGER_FUNCTIONS
from contracts.language.methods import DISPATCHERS
from contracts.language.prices import Prices
from contracts.language.program import Function, Program
from contracts.language.source import FORMAT_SPEC
from contracts.language.values import Record, reader

from contracts.language.bodies import simple  # isort: skip

FILE_NAME: Final = "<contract>"


def _too_deep() -> None:
    fail("call_depth")


HELPERS: Final[dict[str, Any]] = {
    "__builtins__": {},
    "_c": operators.cell,
    "_out": exhausted,
    "_deep": _too_deep,
    **{"_o_" + name: function for name, function in operators.BINARY.items()},
    **{"_i_" + name: function for name, function in operators.IN_PLACE.items()},
    **{"_o_" + name: function for name, function in operators.UNARY.items()},
    **{"_o_" + name: function for name, function in operators.COMPARISONS.items()},
    **{"_b_" + name: function for name, function in BUILTIN_FUNCTIONS.items()},
    **{"_x_" + name: function for name, function in DISPATCHERS.items()},
    **{"_l_" + name: function for name, function in access.LEDGER.items()},
    "_item": operators.item,
    "_put": operators.put,
    "_remove": operators.remove,
    "_cut": operators.cut,
    "_dict": operators.make_dict,
    "_pairs": operators.make_dict_of_pairs,
    "_text": operators.text_of,
    "_piece": operators.piece,
    "_walk": operators.walk,
    "_view": operators.walk_view,
    "_numbered": operators.walk_numbered,
    "_each": operators.each,
    "_fail": operators.failure,
    "_map_get": access.map_get,
    "_map_find": access.map_find,
    "_map_has": access.map_has,
    "_map_lacks": access.map_lacks,
    "_map_put": access.map_put,
    "_map_delete": access.map_delete,
    "_order_put": ordered.order_put,
    "_order_delete": ordered.order_delete,
    "_order_ascending": ordered.ascending,
    "_order_descending": ordered.descending,
    "_order_first": ordered.first,
    "_order_last": ordered.last,
    "_value_get": access.value_get,
    "_value_set": access.value_set,
    "_emit": access.emit,
    "_call": access.call,
    "_call_as": access.call_as,
}
"""What every contract's namespace starts with."""


def record_class(declared: RecordType) -> type[Record]:
    """The class of a declared record: slots, an initialiser that takes the fields by name, nothing else."""
    slots = tuple("_f_" + field.name for field in declared.fields)
    namespace: dict[str, Any] = {"__builtins__": {}, "_c": operators.cell, "_out": exhausted}
    parameters = []
    for field in declared.fields:
        parameters.append(field.name)
        if field.default:
            namespace["_d_" + field.name] = field.default[0]
            parameters[-1] += "=_d_" + field.name
    body = "".join(f"\n _self._f_{field.name} = {field.name}" for field in declared.fields)
    memory = RECORD_BYTES + SLOT_BYTES * len(slots)
    pay = f"\n _m = _c.meter\n _m.memory -= {memory}\n if _m.memory < 0: _out(_m)"
    exec(compile(f"def __init__(_self, /, {', '.join(parameters)}):{pay}{body}", FILE_NAME, "exec"), namespace)
    members = {"__slots__": slots, "__init__": namespace["__init__"], "declared": declared, "slots": slots}
    return type(declared.name, (Record,), members)


def compile_functions(program: Program, prices: Prices) -> tuple[dict[str, Callable[..., Any]], dict[str, Any]]:
    """The contract's functions by name, and its record classes by name."""
    classes: dict[str, Any] = {name: record_class(declared) for name, declared in program.records.items()}
    namespace = dict(HELPERS)
    namespace.update({"_r_" + name: kind for name, kind in classes.items()})
    namespace.update(program.constants)
    namespace.update({"_s_" + name: access.Storage(field, classes) for name, field in program.storage.items()})
    compiler = _Compiler(program, prices)
    body: list[ast.stmt] = [compiler.function(function) for function in program.functions.values()]
    namespace.update({name: reader(declared, classes) for name, declared in compiler.answers.items()})
    module = ast.fix_missing_locations(ast.Module(body=body, type_ignores=[]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = compile(module, FILE_NAME, "exec", dont_inherit=True, optimize=0)
    exec(code, namespace)
    return {name: namespace[name] for name in program.functions}, classes


def _load(name: str) -> ast.Name:
    return ast.Name(id=name, ctx=ast.Load())


def _call(name: str, *arguments: ast.expr, keywords: Sequence[ast.keyword] = ()) -> ast.Call:
    return ast.Call(func=_load(name), args=list(arguments), keywords=list(keywords))


def _constant(value: Any) -> ast.Constant:
    return ast.Constant(value=value)


class _Compiler:
    """Transforms one function. ``locals`` are names bound in it, so that a name means what the checker resolved."""

    def __init__(self, program: Program, prices: Prices) -> None:
        self.program = program
        self.prices = prices
        self.temporaries = 0
        self.answers: dict[str, DeclaredType] = {}
        """Helper that reads an answer of another contract → what it is declared as."""

    def temporary(self) -> str:
        self.temporaries += 1
        return f"_t{self.temporaries}"

    def answer_reader(self, annotation: ast.expr) -> str:
        name = f"_k{len(self.answers)}_"
        self.answers[name] = read_annotation(annotation, self.program.records)
        return name

    def function(self, function: Function) -> ast.FunctionDef:
        node = function.node
        price = Price(self.prices.function) + block_price(node.body, self.prices)
        head = ast.parse("_m = _c.meter").body
        depth = ast.parse(f"if _m.depth >= {CALL_DEPTH_MAX}: _deep()\n_m.depth += 1").body
        leave = ast.parse("_m.depth -= 1").body
        guarded = ast.Try(body=self.statements(node.body), handlers=[], orelse=[], finalbody=leave)
        arguments = ast.arguments(
            posonlyargs=[],
            args=[ast.arg(arg=item.arg) for item in node.args.args],
            vararg=None,
            kwonlyargs=[],
            kw_defaults=[],
            kwarg=None,
            defaults=[self.default(value) for value in function.defaults],
        )
        made = ast.FunctionDef(
            name=node.name,
            args=arguments,
            body=[*head, *self.pay(price), *depth, guarded],
            decorator_list=[],
            returns=None,
        )
        made.type_params = []  # type: ignore[attr-defined]
        return made

    def default(self, value: Any) -> ast.expr:
        if type(value) is tuple:
            return ast.Tuple(elts=[self.default(item) for item in value], ctx=ast.Load())
        return _constant(value)

    def pay(self, price: Price) -> list[ast.stmt]:
        if price.memory:
            return ast.parse(
                f"_m.left -= {price.fuel}\n_m.memory -= {price.memory}\nif _m.left < 0 or _m.memory < 0: _out(_m)"
            ).body
        return ast.parse(f"_m.left -= {price.fuel}\nif _m.left < 0: _out(_m)").body

    def statements(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        return [made for statement in body for made in self.statement(statement)]

    def block(self, body: Sequence[ast.stmt], price: Price | None = None) -> list[ast.stmt]:
        return [*self.pay(block_price(body, self.prices) if price is None else price), *self.statements(body)]

    def statement(self, node: ast.stmt) -> list[ast.stmt]:
        match node:
            case ast.Expr(value=ast.Constant()):
                return [ast.Pass()]
            case ast.Expr(value=ast.Call(func=ast.Name(id="require" | "fail" as name), args=arguments)):
                return self.require(name, arguments)
            case ast.Expr(value=value):
                return [ast.Expr(value=self.expression(value))]
            case ast.Assign(targets=targets, value=value):
                return self.assign(targets, self.expression(value))
            case ast.AnnAssign(target=target, value=ast.Call(func=ast.Name(id="call"), args=arguments)):
                answer = _load(self.answer_reader(node.annotation))
                return self.assign([target], _call("_call_as", answer, *map(self.expression, arguments)))
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                return self.assign([target], self.expression(value))
            case ast.AugAssign():
                return self.augmented(node)
            case ast.Delete(targets=targets):
                return [self.delete(target) for target in targets]
            case ast.Return(value=value):
                return [ast.Return(value=None if value is None else self.expression(value))]
            case ast.If(test=test, body=body, orelse=other):
                return [
                    ast.If(test=self.expression(test), body=self.block(body), orelse=self.block(other) if other else [])
                ]
            case ast.While(test=test, body=body):
                turn = self.block(body, loop_price(node, self.prices))
                return [ast.While(test=self.expression(test), body=turn, orelse=[])]
            case ast.For(target=target, iter=iterable, body=body):
                turn = self.block(body, loop_price(node, self.prices))
                return [ast.For(target=target, iter=self.walk(iterable), body=turn, orelse=[])]
            case ast.Pass() | ast.Break() | ast.Continue():
                return [node]
        raise AssertionError(type(node))

    def require(self, name: str, arguments: list[ast.expr]) -> list[ast.stmt]:
        rest = arguments[1:] if name == "require" else arguments
        failing: list[ast.stmt] = [ast.Expr(value=_call("_fail", *map(self.expression, rest)))]
        if name == "fail":
            return failing
        return [ast.If(test=ast.UnaryOp(op=ast.Not(), operand=self.expression(arguments[0])), body=failing, orelse=[])]

    def walk(self, node: ast.expr) -> ast.expr:
        """What a ``for`` walks: views and enumerate are watched like the container they show."""
        match node:
            case ast.Call(
                func=ast.Attribute(value=value, attr="items" | "keys" | "values" as view), args=[], keywords=[]
            ):
                return _call("_view", self.expression(value), _constant(view))
            case ast.Call(func=ast.Name(id="enumerate"), args=arguments, keywords=[]):
                return _call("_numbered", *map(self.expression, arguments))
        return _call("_walk", self.expression(node))

    # Assignments.

    def assign(self, targets: Sequence[ast.expr], value: ast.expr) -> list[ast.stmt]:
        if len(targets) == 1 and isinstance(targets[0], ast.Name):
            return [ast.Assign(targets=[targets[0]], value=value)]
        if len(targets) == 1 and isinstance(targets[0], ast.Subscript | ast.Attribute):
            return [self.store(targets[0], value)]
        name = self.temporary()
        made: list[ast.stmt] = [ast.Assign(targets=[ast.Name(id=name, ctx=ast.Store())], value=value)]
        for target in targets:
            if isinstance(target, ast.Tuple | ast.List):
                made += self.unpack(target.elts, _load(name))
            else:
                made.append(self.store(target, _load(name)))
        return made

    def unpack(self, targets: Sequence[ast.expr], value: ast.expr) -> list[ast.stmt]:
        plain = all(isinstance(target, ast.Name) for target in targets)
        names = [target.id if plain and isinstance(target, ast.Name) else self.temporary() for target in targets]
        stores: list[ast.expr] = [ast.Name(id=name, ctx=ast.Store()) for name in names]
        made: list[ast.stmt] = [ast.Assign(targets=[ast.Tuple(elts=stores, ctx=ast.Store())], value=value)]
        if not plain:
            made += [self.store(target, _load(name)) for name, target in zip(names, targets, strict=True)]
        return made

    def store(self, target: ast.expr, value: ast.expr) -> ast.stmt:
        match target:
            case ast.Name():
                return ast.Assign(targets=[target], value=value)
            case ast.Subscript(value=ast.Name(id=name), slice=key) if name in self.program.storage:
                put = self.changer(name, "put")
                return ast.Expr(value=_call(put, value, _load("_s_" + name), self.expression(key)))
            case ast.Subscript(value=container, slice=key):
                return ast.Expr(value=_call("_put", value, self.expression(container), self.expression(key)))
            case ast.Attribute(value=owner, attr=attr):
                field = ast.Attribute(value=self.expression(owner), attr="_f_" + attr, ctx=ast.Store())
                return ast.Assign(targets=[field], value=value)
        raise AssertionError(type(target))

    def augmented(self, node: ast.AugAssign) -> list[ast.stmt]:
        operator = "_i_" + type(node.op).__name__
        value = self.expression(node.value)
        match node.target:
            case ast.Name(id=name):
                return [ast.Assign(targets=[node.target], value=_call(operator, _load(name), value))]
            case ast.Attribute(value=ast.Name(id=owner), attr=attr):
                old = ast.Attribute(value=_load(owner), attr="_f_" + attr, ctx=ast.Load())
                new = ast.Attribute(value=_load(owner), attr="_f_" + attr, ctx=ast.Store())
                return [ast.Assign(targets=[new], value=_call(operator, old, value))]
            case ast.Subscript(value=ast.Name(id=name), slice=key) if name in self.program.storage:
                at = self.temporary()
                storage = _load("_s_" + name)
                changed = _call(operator, _call("_map_get", storage, _load(at)), value)
                return [
                    ast.Assign(targets=[ast.Name(id=at, ctx=ast.Store())], value=self.expression(key)),
                    ast.Expr(value=_call(self.changer(name, "put"), changed, storage, _load(at))),
                ]
            case ast.Subscript(value=container, slice=key):
                owner, at = self.temporary(), self.temporary()
                changed = _call(operator, _call("_item", _load(owner), _load(at)), value)
                return [
                    ast.Assign(targets=[ast.Name(id=owner, ctx=ast.Store())], value=self.expression(container)),
                    ast.Assign(targets=[ast.Name(id=at, ctx=ast.Store())], value=self.expression(key)),
                    ast.Expr(value=_call("_put", changed, _load(owner), _load(at))),
                ]
        raise AssertionError(type(node.target))

    def delete(self, target: ast.expr) -> ast.stmt:
        assert isinstance(target, ast.Subscript)
        container, key = target.value, self.expression(target.slice)
        if isinstance(container, ast.Name) and container.id in self.program.storage:
            return ast.Expr(value=_call(self.changer(container.id, "delete"), _load("_s_" + container.id), key))
        return ast.Expr(value=_call("_remove", self.expression(container), key))

    def changer(self, name: str, change: str) -> str:
        """The helper that changes a map or an ordered map."""
        return ("_order_" if self.program.storage[name].is_ordered else "_map_") + change

    # Expressions.

    def expression(self, node: ast.expr) -> ast.expr:
        match node:
            case ast.Constant() | ast.Name():
                return node
            case ast.Attribute(value=ast.Name(id="ctx"), attr=attr):
                context = ast.Attribute(value=_load("_c"), attr="context", ctx=ast.Load())
                return ast.Attribute(value=context, attr=attr, ctx=ast.Load())
            case ast.Attribute(value=value, attr=attr):
                return ast.Attribute(value=self.expression(value), attr="_f_" + attr, ctx=ast.Load())
            case ast.Subscript():
                return self.subscript(node)
            case ast.BinOp(left=left, op=op, right=right):
                return _call("_o_" + type(op).__name__, self.expression(left), self.expression(right))
            case ast.UnaryOp(op=op, operand=operand):
                return self.unary(op, operand)
            case ast.BoolOp(op=op, values=values):
                return ast.BoolOp(op=op, values=[self.expression(value) for value in values])
            case ast.Compare():
                return self.compare(node)
            case ast.IfExp(test=test, body=body, orelse=other):
                return ast.IfExp(test=self.expression(test), body=self.expression(body), orelse=self.expression(other))
            case ast.Call():
                return self.call(node)
            case ast.List(elts=elements):
                return ast.List(elts=[self.expression(element) for element in elements], ctx=ast.Load())
            case ast.Tuple(elts=elements):
                return ast.Tuple(elts=[self.expression(element) for element in elements], ctx=ast.Load())
            case ast.Dict(keys=keys, values=values):
                parts = [
                    part for key, value in zip(keys, values, strict=True) if key is not None for part in (key, value)
                ]
                return _call("_dict", *map(self.expression, parts))
            case ast.JoinedStr(values=values):
                return _call("_text", *map(self.piece, values))
            case ast.ListComp() | ast.GeneratorExp():
                return ast.ListComp(elt=self.expression(node.elt), generators=self.generators(node))
            case ast.DictComp(key=key, value=value):
                pair = ast.Tuple(elts=[self.expression(key), self.expression(value)], ctx=ast.Load())
                return _call("_pairs", ast.ListComp(elt=pair, generators=self.generators(node)))
        raise AssertionError(type(node))

    def subscript(self, node: ast.Subscript) -> ast.expr:
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=key) if name in self.program.storage:
                return _call("_map_get", _load("_s_" + name), self.expression(key))
            case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper, step=step)):
                parts = [_constant(None) if part is None else self.expression(part) for part in (lower, upper, step)]
                return _call("_cut", self.expression(value), *parts)
        return _call("_item", self.expression(node.value), self.expression(node.slice))

    def unary(self, op: ast.unaryop, operand: ast.expr) -> ast.expr:
        if isinstance(op, ast.Not):
            return ast.UnaryOp(op=op, operand=self.expression(operand))
        if isinstance(op, ast.USub) and isinstance(operand, ast.Constant) and type(operand.value) is int:
            return _constant(-operand.value)
        return _call("_o_" + type(op).__name__, self.expression(operand))

    def compare(self, node: ast.Compare) -> ast.expr:
        left, parts = node.left, []
        for op, right in zip(node.ops, node.comparators, strict=True):
            if right is not node.comparators[-1] and not simple(right):
                parts.append(self.comparison(left, op, right, name := self.temporary()))
                left = _load(name)
            else:
                parts.append(self.comparison(left, op, right))
                left = right
        return parts[0] if len(parts) == 1 else ast.BoolOp(op=ast.And(), values=parts)

    def comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr, keep: str = "") -> ast.expr:
        """``left op right``; where ``keep`` names a temporary, ``right`` is worked out once and kept in it."""
        if isinstance(op, ast.Is | ast.IsNot):
            return ast.Compare(left=self.expression(left), ops=[op], comparators=[_constant(None)])
        if isinstance(op, ast.In | ast.NotIn) and isinstance(right, ast.Name) and right.id in self.program.storage:
            helper = "_map_has" if isinstance(op, ast.In) else "_map_lacks"
            return _call(helper, _load("_s_" + right.id), self.expression(left))
        second = self.expression(right)
        if keep:
            second = ast.NamedExpr(target=ast.Name(id=keep, ctx=ast.Store()), value=second)
        return _call("_o_" + type(op).__name__, self.expression(left), second)

    def piece(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Constant):
            return node
        assert isinstance(node, ast.FormattedValue)
        spec = (
            "".join(
                str(part.value)
                for part in node.format_spec.values  # type: ignore[attr-defined]
            )
            if node.format_spec is not None
            else ""
        )
        match = FORMAT_SPEC.match(spec)
        assert match is not None
        fill, align, zero, width, form = match.groups()
        value = self.expression(node.value)
        if not spec:
            return _call("_piece", value)
        return _call("_piece", value, *map(_constant, (fill or "", align or "", zero, int(width or 0), form)))

    def generators(self, node: ast.ListComp | ast.DictComp | ast.GeneratorExp) -> list[ast.comprehension]:
        made = []
        for index, generator in enumerate(node.generators):
            price = turn_price(node, index, self.prices)
            iterable = _call("_each", self.expression(generator.iter), _constant(price.fuel), _constant(price.memory))
            conditions = [self.expression(condition) for condition in generator.ifs]
            made.append(ast.comprehension(target=generator.target, iter=iterable, ifs=conditions, is_async=0))
        return made

    # Calls.

    def call(self, node: ast.Call) -> ast.expr:
        match node.func:
            case ast.Name(id=name) if name in self.program.functions:
                return _call(name, *map(self.expression, node.args), keywords=self.keywords(node))
            case ast.Name(id=name) if name in self.program.records:
                return _call("_r_" + name, *map(self.expression, node.args), keywords=self.keywords(node))
            case ast.Name(id="emit" | "call" as name):
                return _call("_" + name, *map(self.expression, node.args), keywords=self.keywords(node))
            case ast.Name(id="any" | "all" as name) if isinstance(node.args[0], ast.GeneratorExp):
                lazy = node.args[0]
                made = ast.GeneratorExp(elt=self.expression(lazy.elt), generators=self.generators(lazy))
                return _call("_b_" + name, made)
            case ast.Name(id=name):
                return _call("_b_" + name, *map(self.expression, node.args), keywords=self.keywords(node, True))
            case ast.Attribute(value=ast.Name(id="ledger"), attr=attr):
                return self.ledger(node, attr)
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in self.program.storage:
                helper = {"set": "_value_set", "get": "_map_find"}.get(attr, "_order_" + attr)
                if self.program.storage[name].key is None and attr == "get":
                    helper = "_value_get"
                return _call(
                    helper, _load("_s_" + name), *map(self.expression, node.args), keywords=self.keywords(node)
                )
            case ast.Attribute(value=value, attr=attr):
                return _call(
                    "_x_" + attr,
                    self.expression(value),
                    *map(self.expression, node.args),
                    keywords=self.keywords(node, True),
                )
        raise AssertionError(type(node.func))

    def keywords(self, node: ast.Call, sorting: bool = False) -> list[ast.keyword]:
        made = []
        for keyword in node.keywords:
            value = keyword.value
            if sorting and keyword.arg == "key":
                made += self.key_function(value)
            else:
                made.append(ast.keyword(arg=keyword.arg, value=self.expression(value)))
        return made

    def key_function(self, node: ast.expr) -> list[ast.keyword]:
        """``key=``, with what each of its calls costs."""
        if isinstance(node, ast.Lambda):
            price = expression_price(node.body, self.prices)
            arguments = ast.arguments(
                posonlyargs=[],
                args=[ast.arg(arg=item.arg) for item in node.args.args],
                vararg=None,
                kwonlyargs=[],
                kw_defaults=[],
                kwarg=None,
                defaults=[],
            )
            made: ast.expr = ast.Lambda(args=arguments, body=self.expression(node.body))
            return [
                ast.keyword(arg="key", value=made),
                ast.keyword(arg="fuel", value=_constant(price.fuel)),
                ast.keyword(arg="memory", value=_constant(price.memory)),
            ]
        assert isinstance(node, ast.Name)
        name = node.id if node.id in self.program.functions else "_b_" + node.id
        return [ast.keyword(arg="key", value=_load(name))]

    def ledger(self, node: ast.Call, name: str) -> ast.expr:
        """Arguments in the order of the signature, defaults filled in. They are worked out in that order."""
        signature = LEDGER_FUNCTIONS[name]
        given = {keyword.arg: self.expression(keyword.value) for keyword in node.keywords}
        ordered = [self.expression(argument) for argument in node.args]
        for parameter, _ in signature.parameters[len(ordered) :]:
            default = _constant(signature.defaults.get(parameter))
            ordered.append(given.get(parameter, default))
        return _call("_l_" + name, *ordered)
