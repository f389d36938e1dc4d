"""The second implementation of the contract language: a plain walk over the checked syntax tree, slow and obvious.

Written from docs/contracts/language.md, docs/contracts/fuel.md and the price table, for tests only: whatever the
compiled language does (result, state, events, fuel to the unit, error code), this does too. It shares the checker
(what a program is), the price table, and the seam to the ledger; nothing of what runs.
"""

import ast
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from contracts.language.annotations import parse_annotation, read_annotation
from contracts.language.checker import analyse
from contracts.language.faults import OutOfFuel
from contracts.language.fuel import Meter
from contracts.language.kernel_interface import LEDGER_FUNCTIONS, Host, Plain
from contracts.language.prices import PRICES_1
from contracts.language.program import Program, StorageField
from tests.contracts.language import reference_operators as operators
from tests.contracts.language import reference_prices as prices
from tests.contracts.language.reference_library import BUILTINS, method
from tests.contracts.language.reference_ordered import Index, ordered_form
from tests.contracts.language.reference_values import (
    SEQUENCE_MAX,
    STORED_MAX,
    Purse,
    RecordValue,
    enter,
    enter_loose,
    leave,
    leave_loose,
    new_record,
    passed,
    plain_size,
    stop,
    text,
)

CALLS_OPEN_MAX = 64
_programs: dict[bytes, Program] = {}


def program_of(source: bytes) -> Program:
    """The checked program of an accepted source."""
    digest = hashlib.sha256(source).digest()
    if digest not in _programs:
        program, findings = analyse(source)
        assert not findings, findings
        keep(source, program)
    return _programs[digest]


def keep(source: bytes, program: Program) -> None:
    """Keeps what the checker made of a source, so that it is not checked once more."""
    if len(_programs) > 64:
        _programs.clear()
    _programs[hashlib.sha256(source).digest()] = program


_queries: list[bool] = []
"""Of each run that is open, whether it must not write."""


def run(source: bytes, name: str, args: Sequence[Plain], host: Host, meter: Meter) -> Plain:
    """One method on plain arguments. Raises: ContractError, OutOfFuel."""
    program = program_of(source)
    function = program.functions.get(name)
    if function is None or function.kind == "helper":
        stop("method")
    count = len(function.parameters)
    if not count - len(function.defaults) <= len(args) <= count:
        stop("argument_count")
    purse = Purse(meter)
    purse.pay(PRICES_1.argument * (len(args) + 1) + plain_size(list(args)) // 4)
    depth = meter.depth
    read_only = function.kind in ("query", "invariant") or (bool(_queries) and _queries[-1])
    _queries.append(read_only)
    try:
        values = []
        for (_, declared), value in zip(function.parameters, args, strict=False):
            assert declared is not None
            values.append(enter(declared, value, purse))
        assert function.returns is not None
        walker = _Walker(program, host, purse, read_only)
        plain: Plain = leave(function.returns, walker.enter(name, values, {}), purse)
        purse.pay(plain_size(plain) // 4)
    finally:
        meter.depth = depth
        _queries.pop()
    if meter.left < 0:
        raise OutOfFuel
    return plain if plain_size(plain) <= STORED_MAX else stop("length")


class _Scope:
    """The names of one function, lambda or comprehension, and what they hold now."""

    def __init__(self, names: set[str], outer: "_Scope | None" = None) -> None:
        self.names = names
        self.values: dict[str, Any] = {}
        self.outer = outer


class _Returned(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _Broken(Exception):
    pass


class _Continued(Exception):
    pass


def _names(target: ast.expr) -> set[str]:
    if isinstance(target, ast.Name):
        return {target.id}
    if isinstance(target, ast.Tuple | ast.List):
        return {name for part in target.elts for name in _names(part)}
    return set()


def _assigned(body: Sequence[ast.stmt]) -> set[str]:
    """Every name that a body's statements bind."""
    found: set[str] = set()
    for node in body:
        match node:
            case ast.Assign(targets=targets):
                for target in targets:
                    found |= _names(target)
            case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
                found |= _names(target)
            case ast.For(target=target, body=inner):
                found |= _names(target) | _assigned(inner)
            case ast.While(body=inner):
                found |= _assigned(inner)
            case ast.If(body=inner, orelse=other):
                found |= _assigned(inner) | _assigned(other)
    return found


class _Walker:
    """Runs the functions of one program for one call."""

    def __init__(self, program: Program, host: Host, purse: Purse, read_only: bool) -> None:
        self.program = program
        self.host = host
        self.purse = purse
        self.read_only = read_only
        self.known: dict[tuple[int, int], prices.Cost] = {}

    def price_of(self, node: ast.AST, price: Callable[[Any], prices.Cost], part: int = 0) -> prices.Cost:
        """The price of a node's block, worked out once."""
        if (id(node), part) not in self.known:
            self.known[id(node), part] = price(node)
        return self.known[id(node), part]

    def enter(self, name: str, values: Sequence[Any], keywords: dict[str, Any]) -> Any:
        """A call of one of the contract's functions: it pays for its body, then it counts as open."""
        function = self.program.functions[name]
        meter = self.purse.meter
        self.purse.pay(*self.price_of(function.node, prices.function))
        if meter.depth >= CALLS_OPEN_MAX:
            stop("call_depth")
        parameters = [parameter for parameter, _ in function.parameters]
        scope = _Scope({*parameters, *_assigned(function.node.body)})
        missing = parameters[len(parameters) - len(function.defaults):]
        scope.values = {**dict(zip(missing, function.defaults, strict=True)),
                        **dict(zip(parameters, values, strict=False)), **keywords}
        meter.depth += 1
        try:
            self.statements(function.node.body, scope)
        except _Returned as returned:
            return returned.value
        finally:
            meter.depth -= 1
        return None

    # Statements.

    def block(self, body: Sequence[ast.stmt], scope: _Scope) -> None:
        self.purse.pay(*self.price_of(body[0], lambda _: prices.block(body), 1))
        self.statements(body, scope)

    def statements(self, body: Sequence[ast.stmt], scope: _Scope) -> None:
        for node in body:
            self.statement(node, scope)

    def statement(self, node: ast.stmt, scope: _Scope) -> None:
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass
            case ast.Expr(value=ast.Call(func=ast.Name(id="require"), args=[condition, *rest])):
                if not self.value(condition, scope):
                    self.fail(rest, scope)
            case ast.Expr(value=ast.Call(func=ast.Name(id="fail"), args=arguments)):
                self.fail(arguments, scope)
            case ast.Expr(value=value):
                self.value(value, scope)
            case ast.Assign(targets=targets, value=value):
                self.assign(targets, self.value(value, scope), scope)
            case ast.AnnAssign(target=target, value=ast.Call(func=ast.Name(id="call"), args=arguments)):
                answer = self.ask_contract(self.values(arguments, scope))
                declared = read_annotation(node.annotation, self.program.records)
                self.assign([target], enter(declared, answer, self.purse), scope)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.assign([target], self.value(value, scope), scope)
            case ast.AugAssign():
                self.augmented(node, scope)
            case ast.Delete(targets=targets):
                for target in targets:
                    self.delete(target, scope)
            case ast.Return(value=value):
                raise _Returned(None if value is None else self.value(value, scope))
            case ast.If(test=test, body=body, orelse=other):
                if self.value(test, scope):
                    self.block(body, scope)
                elif other:
                    self.block(other, scope)
            case ast.While(test=test):
                while self.value(test, scope) and self.turn(node, scope):
                    pass
            case ast.For(target=target, iter=iterable):
                for value in self.walk(iterable, scope):
                    self.bind(target, value, scope)
                    if not self.turn(node, scope):
                        break
            case ast.Break():
                raise _Broken
            case ast.Continue():
                raise _Continued
            case _:
                raise AssertionError(type(node))

    def turn(self, node: ast.For | ast.While, scope: _Scope) -> bool:
        """One turn of a loop; whether the loop goes on."""
        self.purse.pay(*self.price_of(node, prices.loop_body, 2))
        try:
            self.statements(node.body, scope)
        except _Continued:
            pass
        except _Broken:
            return False
        return True

    def fail(self, arguments: Sequence[ast.expr], scope: _Scope) -> None:
        code, message = [*[self.value(argument, scope) for argument in arguments], ""][:2]
        self.purse.pay(PRICES_1.message)
        stop(code, text(message) or "the contract gave no reason")

    def walk(self, node: ast.expr, scope: _Scope) -> Iterator[Any]:
        """What a ``for`` walks."""
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr="items" | "keys" | "values" as view), args=[]):
                return operators.walk_view(self.value(owner, scope), view, self.purse)
            case ast.Call(func=ast.Name(id="enumerate"), args=arguments):
                values, start = [*[self.value(argument, scope) for argument in arguments], 0][:2]
                walked = operators.walk(values, self.purse)
                return enumerate(walked, operators.first_number(start))
        return operators.walk(self.value(node, scope), self.purse)

    def assign(self, targets: Sequence[ast.expr], value: Any, scope: _Scope) -> None:
        for target in targets:
            self.store(target, value, scope)

    def bind(self, target: ast.expr, value: Any, scope: _Scope) -> None:
        self.store(target, value, scope)

    def store(self, target: ast.expr, value: Any, scope: _Scope) -> None:
        match target:
            case ast.Name(id=name):
                scope.values[name] = value
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part, item in zip(parts, self.unpacked(value, len(parts)), strict=True):
                    self.store(part, item, scope)
            case ast.Attribute(value=owner, attr=name):
                record = self.value(owner, scope)
                if type(record) is not RecordValue or name not in record.fields:
                    stop("type")
                record.fields[name] = value
            case ast.Subscript(value=ast.Name(id=name), slice=key) if name in self.program.storage:
                self.map_put(self.program.storage[name], self.value(key, scope), value)
            case ast.Subscript(value=owner, slice=key):
                container = self.value(owner, scope)
                operators.put(value, container, self.value(key, scope), self.purse)
            case _:
                raise AssertionError(type(target))

    def unpacked(self, value: Any, count: int) -> list[Any]:
        """Exactly ``count`` elements of whatever can be walked."""
        if type(value) not in (list, tuple, dict, str, bytes, range):
            stop("type")
        parts = []
        for part in value:
            parts.append(part)
            if len(parts) > count:
                break
        return parts if len(parts) == count else stop("value")

    def augmented(self, node: ast.AugAssign, scope: _Scope) -> None:
        match node.target:
            case ast.Subscript(value=ast.Name(id=name), slice=slot) if name in self.program.storage:
                field, key = self.program.storage[name], self.value(slot, scope)
                old = self.map_item(field, key)
                new = operators.in_place(node.op, old, self.value(node.value, scope), self.purse)
                self.map_put(field, key, new)
            case ast.Subscript(value=owner, slice=slot):
                container, key = self.value(owner, scope), self.value(slot, scope)
                old = operators.item(container, key, self.purse)
                new = operators.in_place(node.op, old, self.value(node.value, scope), self.purse)
                operators.put(new, container, key, self.purse)
            case target:
                old = self.value(target, scope)
                self.store(target, operators.in_place(node.op, old, self.value(node.value, scope), self.purse), scope)

    def delete(self, target: ast.expr, scope: _Scope) -> None:
        assert isinstance(target, ast.Subscript)
        if isinstance(target.value, ast.Name) and target.value.id in self.program.storage:
            self.map_delete(self.program.storage[target.value.id], self.value(target.slice, scope))
        else:
            container = self.value(target.value, scope)
            operators.remove(container, self.value(target.slice, scope), self.purse)

    # Expressions.

    def values(self, nodes: Sequence[ast.expr], scope: _Scope) -> list[Any]:
        return [self.value(node, scope) for node in nodes]

    def value(self, node: ast.expr, scope: _Scope) -> Any:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self.name(name, scope)
            case ast.Attribute(value=ast.Name(id="ctx"), attr=name):
                return getattr(self.host.context, name)
            case ast.Attribute(value=owner, attr=name):
                record = self.value(owner, scope)
                if type(record) is not RecordValue or name not in record.fields:
                    stop("type")
                return record.fields[name]
            case ast.Subscript():
                return self.subscript(node, scope)
            case ast.BinOp(left=left, op=op, right=right):
                a, b = self.values([left, right], scope)
                return operators.binary(op, a, b, self.purse)
            case ast.UnaryOp(op=op, operand=operand):
                return operators.unary(op, self.value(operand, scope))
            case ast.BoolOp(op=op, values=nodes):
                for part in nodes[:-1]:
                    found = self.value(part, scope)
                    if bool(found) == isinstance(op, ast.Or):
                        return found
                return self.value(nodes[-1], scope)
            case ast.Compare():
                return self.compare(node, scope)
            case ast.IfExp(test=test, body=body, orelse=other):
                return self.value(body if self.value(test, scope) else other, scope)
            case ast.Call():
                return self.call(node, scope)
            case ast.List(elts=parts):
                return self.values(parts, scope)
            case ast.Tuple(elts=parts):
                return tuple(self.values(parts, scope))
            case ast.Dict(keys=keys, values=nodes):
                pairs = []
                for key, part in zip(keys, nodes, strict=True):
                    assert key is not None
                    pairs.append((self.value(key, scope), self.value(part, scope)))
                return operators.dict_of(pairs, self.purse)
            case ast.JoinedStr(values=parts):
                return operators.joined([self.piece(part, scope) for part in parts], self.purse)
            case ast.ListComp(elt=part) | ast.GeneratorExp(elt=part):
                return [self.value(part, inner) for inner in self.turns(node, scope)]
            case ast.DictComp(key=key, value=part):
                found = [(self.value(key, inner), self.value(part, inner)) for inner in self.turns(node, scope)]
                if len(found) > SEQUENCE_MAX:
                    stop("length")
                return operators.dict_of(found, self.purse)
        raise AssertionError(type(node))

    def name(self, name: str, scope: _Scope) -> Any:
        where: _Scope | None = scope
        while where is not None:
            if name in where.names:
                return where.values[name] if name in where.values else stop("unbound")
            where = where.outer
        return self.program.constants[name]

    def subscript(self, node: ast.Subscript, scope: _Scope) -> Any:
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=key) if name in self.program.storage:
                return self.map_item(self.program.storage[name], self.value(key, scope))
            case ast.Subscript(value=owner, slice=ast.Slice(lower=lower, upper=upper, step=step)):
                values = self.value(owner, scope)
                bounds = [None if part is None else self.value(part, scope) for part in (lower, upper, step)]
                return operators.cut(values, bounds, self.purse)
        container = self.value(node.value, scope)
        return operators.item(container, self.value(node.slice, scope), self.purse)

    def compare(self, node: ast.Compare, scope: _Scope) -> bool:
        if isinstance(node.ops[0], ast.In | ast.NotIn):
            match node.comparators[0]:
                case ast.Name(id=name) if name in self.program.storage:
                    found = self.fetch(self.program.storage[name], self.value(node.left, scope)) is not None
                    return found == isinstance(node.ops[0], ast.In)
        left = self.value(node.left, scope)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.value(right_node, scope)
            if isinstance(op, ast.Is | ast.IsNot):
                holds = (left is None) == isinstance(op, ast.Is)
            else:
                holds = operators.comparison(op, left, right, self.purse)
            if not holds:
                return False
            left = right
        return True

    def piece(self, node: ast.expr, scope: _Scope) -> str:
        if isinstance(node, ast.Constant):
            return str(node.value)
        assert isinstance(node, ast.FormattedValue)
        spec = ""
        if isinstance(node.format_spec, ast.JoinedStr):
            spec = "".join([str(part.value) for part in node.format_spec.values if isinstance(part, ast.Constant)])
        return operators.piece(self.value(node.value, scope), spec)

    def turns(self, node: prices.Comprehension, outer: _Scope) -> Iterator[_Scope]:
        """A scope for each turn of a comprehension; the same one, filled anew."""
        names = {name for loop in node.generators for name in _names(loop.target)}
        first = operators.each(self.value(node.generators[0].iter, outer), *self.turn_price(node, 0), self.purse)
        return self.nested_turns(node, 0, first, _Scope(names, outer))

    def nested_turns(self, node: prices.Comprehension, index: int, walked: Iterator[Any], scope: _Scope,
                     ) -> Iterator[_Scope]:
        loop = node.generators[index]
        for value in walked:
            self.bind(loop.target, value, scope)
            if not all(self.value(condition, scope) for condition in loop.ifs):
                continue
            if index + 1 == len(node.generators):
                yield scope
            else:
                inner = self.value(node.generators[index + 1].iter, scope)
                further = operators.each(inner, *self.turn_price(node, index + 1), self.purse)
                yield from self.nested_turns(node, index + 1, further, scope)

    def turn_price(self, node: prices.Comprehension, index: int) -> prices.Cost:
        return self.price_of(node, lambda _: prices.turn(node, index), 3 + index)

    # Calls.

    def call(self, node: ast.Call, scope: _Scope) -> Any:
        match node.func:
            case ast.Name(id=name) if name in self.program.functions:
                values = self.values(node.args, scope)
                return self.enter(name, values, self.keywords(node, scope))
            case ast.Name(id=name) if name in self.program.records:
                kind = self.program.records[name]
                given = dict(zip([field.name for field in kind.fields], self.values(node.args, scope), strict=False))
                given.update(self.keywords(node, scope))
                fields = {field.name: given[field.name] if field.name in given else field.default[0]
                          for field in kind.fields}
                return new_record(kind, fields, self.purse)
            case ast.Name(id="emit"):
                name = self.value(node.args[0], scope)
                return self.emit(name, self.keywords(node, scope))
            case ast.Name(id="call"):
                return enter_loose(self.ask_contract(self.values(node.args, scope)), self.purse)
            case ast.Name(id="any" | "all" as name) if isinstance(node.args[0], ast.GeneratorExp):
                lazy = node.args[0]
                return BUILTINS[name](self.purse, (self.value(lazy.elt, inner) for inner in self.turns(lazy, scope)))
            case ast.Name(id="sorted" | "min" | "max" as name):
                return self.sorting(name, self.values(node.args, scope), node, scope)
            case ast.Name(id=name):
                return BUILTINS[name](self.purse, *self.values(node.args, scope))
            case ast.Attribute(value=ast.Name(id="ledger"), attr=name):
                return self.ledger(name, node, scope)
            case ast.Attribute(value=ast.Name(id=name), attr=verb) if name in self.program.storage:
                values = self.values(node.args, scope)
                return self.storage_method(self.program.storage[name], verb, values, self.keywords(node, scope))
            case ast.Attribute(value=owner, attr="sort"):
                return self.sorting("sort", [self.value(owner, scope)], node, scope)
            case ast.Attribute(value=owner, attr=name):
                value = self.value(owner, scope)
                return method(self.purse, name, value, self.values(node.args, scope))
        raise AssertionError(type(node.func))

    def keywords(self, node: ast.Call, scope: _Scope) -> dict[str, Any]:
        return {str(keyword.arg): self.value(keyword.value, scope) for keyword in node.keywords}

    def sorting(self, name: str, values: list[Any], node: ast.Call, scope: _Scope) -> Any:
        key: operators.KeyFunction = None
        reverse: Any = False
        for keyword in node.keywords:
            if keyword.arg == "key":
                key = self.key_function(keyword.value, scope)
            else:
                reverse = self.value(keyword.value, scope)
        if name == "sorted":
            return operators.ordered(values[0], key, reverse, self.purse)
        if name == "sort":
            return operators.sort_list(values[0], key, reverse, self.purse)
        return operators.extreme(name == "max", values, key, self.purse)

    def key_function(self, node: ast.expr, outer: _Scope) -> operators.KeyFunction:
        if isinstance(node, ast.Lambda):
            parameter, body = node.args.args[0].arg, node.body

            def ask(element: Any) -> Any:
                scope = _Scope({parameter}, outer)
                scope.values[parameter] = element
                return self.value(body, scope)

            return ask, *prices.expression(body)
        assert isinstance(node, ast.Name)
        name = node.id
        if name in self.program.functions:
            return (lambda element: self.enter(name, [element], {})), 0, 0
        builtin: Callable[..., Any] = BUILTINS[name]
        return (lambda element: builtin(self.purse, element)), 0, 0

    # The ledger.

    def writable(self) -> None:
        if self.read_only:
            stop("read_only")

    def key(self, field: StorageField, key: Any) -> tuple[Any, ...]:
        """A map's key as its parts, checked and paid for."""
        assert field.key is not None
        parts = key if type(key) is tuple else (key,) if len(field.key) == 1 else None
        if parts is None or len(parts) != len(field.key):
            stop("argument")
        return self.plain_parts(field, parts)

    def plain_parts(self, field: StorageField, parts: tuple[Any, ...]) -> tuple[Any, ...]:
        """A key, or its first parts, checked and paid for by size."""
        assert field.key is not None
        plain = tuple([leave(kind, part, self.purse) for kind, part in zip(field.key, parts, strict=False)])
        characters = sum([len(part) for part in plain if type(part) in (str, bytes)])
        if characters > 32:
            if sum(map(plain_size, plain)) > 512:
                stop("length")
            self.purse.pay(characters // 4)
        return plain

    def fetch(self, field: StorageField, key: Any) -> Plain:
        """What is stored in a map, or in a value when ``field`` has no key."""
        parts = None if field.key is None else self.key(field, key)
        return self.read_row(field.name, parts)

    def read_row(self, name: str, key: tuple[Any, ...] | None) -> Plain:
        self.purse.pay(PRICES_1.storage_read)
        plain = self.host.storage_get(name, key)
        if plain is not None:
            self.purse.pay(plain_size(plain) // 4)
        return plain

    def write_row(self, name: str, key: tuple[Any, ...] | None, plain: Plain) -> None:
        self.purse.pay(PRICES_1.storage_write)
        self.host.storage_put(name, key, self.sized(plain))

    def erase_row(self, name: str, key: tuple[Any, ...] | None) -> None:
        self.purse.pay(PRICES_1.storage_write)
        self.host.storage_delete(name, key)

    def sized(self, plain: Plain) -> Plain:
        """What goes to the ledger pays by its size."""
        if plain_size(plain) > STORED_MAX:
            stop("length")
        self.purse.pay(plain_size(plain) // 4)
        return plain

    def map_item(self, field: StorageField, key: Any) -> Any:
        plain = self.fetch(field, key)
        return stop("key") if plain is None else enter(field.value, plain, self.purse)

    def map_put(self, field: StorageField, key: Any, value: Any) -> None:
        if not field.is_ordered:
            return self.put(field, self.key(field, key), value)
        self.writable()
        parts = self.key(field, key)
        is_new = self.read_row(field.name, parts) is None
        self.put(field, parts, value)
        if is_new:
            Index(self, field).insert(ordered_form(field, parts, self.purse))
        return None

    def put(self, field: StorageField, parts: tuple[Any, ...] | None, value: Any) -> None:
        self.writable()
        self.purse.pay(PRICES_1.storage_write)
        plain = self.sized(leave(field.value, value, self.purse))
        if plain is None:
            self.host.storage_delete(field.name, parts)
        else:
            self.host.storage_put(field.name, parts, plain)

    def map_delete(self, field: StorageField, key: Any) -> None:
        self.writable()
        parts = self.key(field, key)
        if self.read_row(field.name, parts) is None:
            stop("key")
        self.erase_row(field.name, parts)
        if field.is_ordered:
            Index(self, field).withdraw(ordered_form(field, parts, self.purse))

    def storage_method(self, field: StorageField, verb: str, arguments: list[Any], named: dict[str, Any]) -> Any:
        if verb == "set":
            return self.put(field, None, arguments[0])
        if verb in ("first", "last"):
            return Index(self, field).edge(verb == "last")
        if verb in ("ascending", "descending"):
            given = dict(zip(("limit", "start", "stop"), arguments, strict=False))
            if any(name in given for name in named):
                stop("type")
            given.update(named)
            start, end = given.get("start"), given.get("stop")
            return Index(self, field).entries(given["limit"], start, end, verb == "descending")
        plain = self.fetch(field, arguments[0] if arguments else None)
        if plain is None:
            return field.default if field.key is None else [*arguments, None][1]
        return enter(field.value, plain, self.purse)

    def emit(self, name: str, fields: dict[str, Any]) -> None:
        self.writable()
        self.purse.pay(PRICES_1.emit)
        plain = {field: leave_loose(value, self.purse) for field, value in fields.items()}
        self.sized([*plain.keys(), *plain.values()])
        self.host.emit(name, plain)

    def ask_contract(self, values: list[Any]) -> Plain:
        """What another contract answers, as plain."""
        contract, verb, *arguments = values
        self.purse.pay(PRICES_1.cross_call)
        if len(arguments) > 32:
            stop("argument_count")
        plain = [passed(value, self.purse) for value in arguments]
        self.sized(plain)
        letters = text(verb)
        if not letters or len(letters) > 64 or not letters[0].isalpha() or not letters.isascii() or any(
                not (letter.isalnum() or letter == "_") for letter in letters):
            stop("method")
        return self.host.call(text(contract), letters, plain)

    def ledger(self, name: str, node: ast.Call, scope: _Scope) -> Any:
        """Arguments are worked out in the order of the signature."""
        signature = LEDGER_FUNCTIONS[name]
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        values = self.values(node.args, scope)
        for parameter, _ in signature.parameters[len(values):]:
            values.append(self.value(named[parameter], scope) if parameter in named else signature.defaults[parameter])
        if signature.writes:
            self.writable()
        self.purse.pay(PRICES_1.ledger[name])
        plain = []
        for (_, annotation), value in zip(signature.parameters, values, strict=True):
            plain.append(leave(parse_annotation(annotation), value, self.purse))
        for (_, annotation), part in zip(signature.parameters, plain, strict=True):
            if annotation.startswith("list") or (annotation == "str" and len(part) > 64):
                self.sized(part)
        answer = self.host.ledger_call(name, tuple(plain))
        return enter(parse_annotation(signature.returns), answer, self.purse)
