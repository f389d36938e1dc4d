# ruff: noqa: E501
"""Programs over the whole language, typed so that most are accepted and run some way, wrong often enough to fail in every way.

One generator draws every choice from a ``Pick`` (how many options → which). ``seeded`` gives it a fast random source for
many programs; ``generator_strategy`` gives it Hypothesis, which shrinks: option 0 is always the simplest.

Standard library only.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

Pick = Callable[[int], int]
Env = dict[str, list[str]]
"""Type → names of locals that have it."""

OTHER = "hsa1other"
PRELUDE = '''from hansa import action, query, unwind, record, Map, OrderedMap, Value, require, fail, emit, call, ctx, ledger, Address, Asset, Amount, mul_div, div_round, round_to, sha256, from_hex

RATE = 5 * 10**2
WIDE = 2**255
PAIR = (3, "x")
EMPTY = ""


@record
class Point:
    x: int
    y: int = 0
    name: str = "p"


@record
class Line:
    ends: list[Point]
    width: int = 1
    tags: dict[str, int] | None = None


counts: Map[int, int] = Map()
points: Map[str, Point] = Map()
lines: Map[tuple[str, int], Line] = Map()
book: OrderedMap[tuple[int, str], int] = OrderedMap()
ranks: OrderedMap[str, Point] = OrderedMap()
total: Value[int] = Value(0)
note: Value[str | None] = Value(None)


def down(n: int) -> int:
    if n <= 0:
        return 0
    return 1 + down(n - 1)


def grow(xs: list[int], n: int = 1) -> int:
    xs.append(n)
    return len(xs)
'''
NUMBERS = ["0", "1", "2", "3", "7", "10", "-1", "-5", "13", "100", "RATE", "255", "1024", str(2**31), str(2**60),
           str(2**63 - 1), str(2**64), str(2**128 + 1), "WIDE", str(2**256 - 1), "-" + str(2**256 - 1)]
TEXTS = ["''", "'a'", "'b,c'", "'ab ab'", "'12'", "'-7'", "'Hello'", "' pad '", "'caf\\xe9'", "'\\u4e16\\n'", "('xyzxyzxyz' * 3)",
         "'0aF3'", "EMPTY", "('k' * 70)"]
OCTETS = ["b''", "b'a'", "b'ab\\x00\\xff'", "b'hello'", "(b'x' * 40)"]
KEYS = ["'a'", "'b'", "'key'", "''"]
SPECS = ["", ":d", ":x", ":5", ":05d", ":<6", ":>6", ":^7", ":*^9", ":=6", ":0>4", ":+<4"]
TYPES = ["int", "bool", "str", "bytes", "list[int]", "list[str]", "dict[str, int]", "dict[int, int]", "tuple[int, str]",
         "Point", "list[list[int]]", "int | None", "Line", "list[Point]", "range", "tuple[int, ...]"]
RETURNED = [kind for kind in TYPES if kind != "range"]
ROUNDINGS = ["down", "up", "floor", "ceiling", "half_up", "half_even"]
WRONG = 200
"""One expression in so many is of another type than its place wants."""


@dataclass(frozen=True, slots=True)
class Program:
    """One generated case: contracts by role, the call, and its limits."""

    main: bytes
    other: bytes
    args: list[Any]
    fuel: int
    memory: int


@dataclass(slots=True)
class Generator:
    """Writes one contract. ``budget`` bounds how much, ``outer`` whether it calls the other contract."""

    pick: Pick
    budget: int = 60
    outer: bool = True
    names: int = 0
    helpers: list[tuple[str, list[str], str]] = field(default_factory=list)
    loops: int = 0
    lines: list[str] = field(default_factory=list)

    def choose(self, options: list[Any]) -> Any:
        return options[self.pick(len(options))]

    def chance(self, one_in: int) -> bool:
        return self.pick(one_in) == one_in - 1

    def fresh(self) -> str:
        self.names += 1
        return f"v{self.names}"

    # Modules.

    def contract(self, parameters: list[tuple[str, str]]) -> str:
        parts = [PRELUDE]
        for index in range(self.pick(3)):
            kinds = [self.choose(TYPES[:9]) for _ in range(1 + self.pick(2))]
            returns = self.choose(RETURNED)
            parts.append(self.function(f"helper{index}", [(f"p{at}", kind) for at, kind in enumerate(kinds)], returns, 14))
            self.helpers.append((f"helper{index}", kinds, returns))
        # What exports main follows from what was chosen anyway, so that each seed stays the program that it was.
        parts.append(("@unwind\n" if len(self.helpers) == 2 else "@action\n") + self.function("main", parameters, self.choose(RETURNED), self.budget))
        return "\n\n".join(parts)

    def function(self, name: str, parameters: list[tuple[str, str]], returns: str, budget: int) -> str:
        self.budget, self.lines = budget, []
        env: Env = {}
        for parameter, kind in parameters:
            env.setdefault(kind, []).append(parameter)
        signature = ", ".join(f"{parameter}: {kind}" for parameter, kind in parameters)
        if self.pick(2):
            self.line(1, "for known in range(7):")
            self.line(2, "counts[known] = known")
            for key in KEYS:
                self.line(1, f"points[{key}] = Point({self.pick(9)})")
        self.block(env, 1, 2 + self.pick(6))
        self.line(1, f"return {self.value(returns, env, 3)}")
        return f"def {name}({signature}) -> {returns}:\n" + "\n".join(self.lines) + "\n"

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def block(self, env: Env, depth: int, count: int) -> None:
        before = len(self.lines)
        for _ in range(count):
            if self.budget > 0:
                self.budget -= 1
                self.statement(env, depth)
        if len(self.lines) == before:
            self.line(depth, "pass")

    # Statements.

    def statement(self, env: Env, depth: int) -> None:
        plain = [self.assign, self.assign, self.assign, self.augment, self.change, self.change, self.store, self.store]
        rare = [self.unpack, self.demand, self.announce, self.kernel, self.delete, self.chained, self.fill]
        blocks = [self.branch, self.walk, self.walk, self.repeat]
        if self.loops and self.chance(10):
            self.line(depth, self.choose(["continue", "break"]))
        elif self.outer and self.chance(16):
            kind = self.choose(["int", "int", "str", "list[int]", "Point", "dict[str, int]", ""])
            typed = f"{self.bind(env, kind)}: {kind}" if kind else self.fresh()
            self.line(depth, f"{typed} = call(Address('{self.choose([OTHER, OTHER, OTHER, 'hsa1none'])}'), "
                             f"'{self.choose(['main', 'main', 'main', 'down', 'nothing'])}', "
                             f"{self.value('int', env, 1)}, {self.value('str', env, 1)}, {self.value(self.choose(['list[int]', 'list[int]', 'dict[int, int]']), env, 1)})")
        elif self.chance(40):
            self.line(depth, f"return {self.value('int', env, 1)}")
        else:
            options = plain + rare + (blocks if depth < 4 else [])
            self.choose(options)(env, depth)

    def bind(self, env: Env, kind: str) -> str:
        """A name that has the type from here on: a new one, or one of the same type."""
        known = env.get(kind, [])
        if known and self.chance(3):
            return str(self.choose(known))
        name = self.fresh()
        env.setdefault(kind, []).append(name)
        return name

    def assign(self, env: Env, depth: int) -> None:
        kind = self.choose(TYPES)
        value = self.value(kind, env, 3)
        self.line(depth, f"{self.bind(env, kind)} = {value}")

    def chained(self, env: Env, depth: int) -> None:
        value = self.value("int", env, 2)
        targets = [self.bind(env, "int"), self.bind(env, "int")]
        if env.get("list[int]") and self.chance(2):
            targets.append(f"{self.choose(env['list[int]'])}[{self.index(env)}]")
        self.line(depth, " = ".join([*targets, value]))

    def augment(self, env: Env, depth: int) -> None:
        kind = self.choose(["int", "int", "str", "list[int]", "bytes", "list[str]"])
        if not env.get(kind):
            return self.assign(env, depth)
        name = self.choose(env[kind])
        if kind == "int":
            operator = self.choose(["+", "-", "*", "//", "%", "&", "|", "^", "<<", ">>", "**"])
            self.line(depth, f"{name} {operator}= {self.value('int', env, 2)}")
        elif self.chance(4):
            self.line(depth, f"{name} *= {self.small(env)}")
        else:
            self.line(depth, f"{name} += {self.value(kind, env, 2)}")
        return None

    def change(self, env: Env, depth: int) -> None:
        """A container or record is changed in place."""
        kind = self.choose(["list[int]", "dict[str, int]", "dict[int, int]", "list[str]", "Point", "list[list[int]]"])
        if not env.get(kind):
            return self.assign(env, depth)
        name = self.choose(env[kind])
        if kind == "Point":
            self.line(depth, self.choose([f"{name}.x = {self.value('int', env, 2)}", f"{name}.y += {self.value('int', env, 2)}",
                                          f"{name}.name = {self.value('str', env, 1)}"]))
        elif kind.startswith("dict"):
            inner = kind[5:8]
            key = self.value(inner, env, 1)
            self.line(depth, self.choose([
                f"{name}[{key}] = {self.value('int', env, 2)}", f"{name}[{key}] += {self.value('int', env, 1)}",
                f"{name}.update({self.value(kind, env, 2)})", f"{name}.pop({key}, 0)", f"{name}.setdefault({key}, {self.value('int', env, 1)})",
                f"{name}.pop({key})", f"{name}.clear()"]))
        else:
            inner = kind[5:-1]
            value = self.value(inner, env, 2)
            self.line(depth, self.choose([
                f"{name}.append({value})", f"{name}[{self.index(env)}] = {value}", f"{name}.extend({self.value(kind, env, 2)})",
                f"{name}.insert({self.index(env)}, {value})", f"{name}.pop()", f"{name}.pop({self.index(env)})", f"{name}.reverse()",
                f"{name}.sort()", f"{name}.sort(key={self.key(inner, env)}, reverse={self.value('bool', env, 1)})",
                f"{name}.remove({value})", f"{name}[{self.index(env)}], {name}[0] = {value}, {self.value(inner, env, 1)}"]))
        return None

    def store(self, env: Env, depth: int) -> None:
        key, text = self.value("int", env, 1), self.value("str", env, 1)
        self.line(depth, self.choose([
            f"counts[{self.choose(NUMBERS[:6])}] = {self.value('int', env, 2)}", f"counts[{key}] = {self.value('int', env, 2)}",
            f"counts[{self.choose(NUMBERS[:6])}] += {self.value('int', env, 2)}", f"total.set(total.get() + {self.value('int', env, 1)})",
            f"points[{self.choose(KEYS)}] = {self.value('Point', env, 2)}", f"points[{text}] = {self.value('Point', env, 2)}",
            f"lines[{self.choose(KEYS)}, {self.choose(NUMBERS[:4])}] = {self.value('Line', env, 3)}", f"del counts[{self.choose(NUMBERS[:6])}]",
            f"total.set({self.value('int', env, 2)})", f"note.set({text})", "note.set(None)", f"del points[{self.choose(KEYS)}]"]))

    def fill(self, env: Env, depth: int) -> None:
        """Ordered maps, sometimes past the size of a page of their index."""
        many, step, modulus = self.choose(["3", "9", "40", "75"]), self.choose(["1", "7", "-3"]), self.choose(["5", "64", "101"])
        name = self.fresh()
        form = self.pick(6)
        if form == 0:
            self.line(depth, f"ranks[{self.value('str', env, 1)}] = {self.value('Point', env, 1)}")
        elif form == 1:
            self.line(depth, f"book[{self.value('int', env, 1)}, {self.value('str', env, 1)}] = {self.value('int', env, 1)}")
        elif form == 2:
            self.line(depth, f"del book[{self.choose(NUMBERS[:6])}, {self.choose(KEYS)}]")
        elif form == 3:
            self.line(depth, f"for {name}, {name}x in book.{self.choose(['ascending', 'descending'])}({self.choose(['5', '60', '1'])}):")
            self.line(depth + 1, f"del book[{name}]")
        else:
            self.line(depth, f"for {name} in range({many}):")
            self.line(depth + 1, f"book[{name} * {step} % {modulus}, {self.choose(KEYS)}] = {name}")

    def unpack(self, env: Env, depth: int) -> None:
        source = self.choose([f"divmod({self.value('int', env, 1)}, {self.value('int', env, 1)})",
                              f"({self.value('int', env, 1)}, {self.value('int', env, 1)})", self.value("list[int]", env, 2)])
        self.line(depth, f"{self.bind(env, 'int')}, {self.bind(env, 'int')} = {source}")

    def demand(self, env: Env, depth: int) -> None:
        if self.chance(12):
            self.line(depth, f"fail('no_{self.pick(3)}', {self.value('str', env, 2)})")
        else:
            safe = self.choose(["True or ", "True or ", ""])
            self.line(depth, f"require({safe}{self.value('bool', env, 2)}, 'bad_{self.pick(3)}', {self.value('str', env, 2)})")

    def announce(self, env: Env, depth: int) -> None:
        fields = ", ".join(f"{name}={self.value(self.choose(['int', 'str', 'bool', 'bytes', 'list[int]', 'tuple[int, str]', 'int | None', 'Point']), env, 2)}"
                           for name in ["a", "b", "c"][:self.pick(4)])
        self.line(depth, f"emit('Happened'{', ' if fields else ''}{fields})")

    def kernel(self, env: Env, depth: int) -> None:
        amount = self.choose(["1", "250", self.value("int", env, 1)])
        self.line(depth, self.choose([
            f"ledger.transfer(Asset('EUR'), ctx.sender, ctx.contract, Amount({amount}), {self.value('str', env, 1)})",
            f"ledger.transfer(Asset('EUR'), ctx.sender, Address('hsa1peer'), {amount}, 'p', reference={self.value('str', env, 1)})",
            f"ledger.journal([(Asset('EUR'), ctx.sender, {amount})], {self.value('str', env, 1)})",
            f"ledger.void_hold(hold={self.value('str', env, 1)})"]))

    def delete(self, env: Env, depth: int) -> None:
        kind = self.choose(["list[int]", "dict[str, int]", "dict[int, int]"])
        if not env.get(kind):
            return self.assign(env, depth)
        key = self.index(env) if kind == "list[int]" else self.value(kind[5:8], env, 1)
        self.line(depth, f"del {self.choose(env[kind])}[{key}]")
        return None

    def branch(self, env: Env, depth: int) -> None:
        self.line(depth, f"if {self.value('bool', env, 2)}:")
        inner = {kind: list(names) for kind, names in env.items()}
        self.block(inner, depth + 1, 1 + self.pick(3))
        if self.chance(3):
            self.line(depth, f"elif {self.value('bool', env, 2)}:")
            self.block({kind: list(names) for kind, names in env.items()}, depth + 1, 1 + self.pick(2))
        if self.chance(2):
            self.line(depth, "else:")
            self.block({kind: list(names) for kind, names in env.items()}, depth + 1, 1 + self.pick(2))
        if self.chance(8):
            env.update(inner)

    def walk(self, env: Env, depth: int) -> None:
        inner = {kind: list(names) for kind, names in env.items()}
        form = self.pick(8)
        if form in (0, 1):
            source, targets = f"range({self.choose(['3', '5', 'len(' + self.value('str', env, 1) + ')', self.value('int', env, 1)])})", ["int"]
        elif form == 2:
            source, targets = self.value("list[int]", env, 2), ["int"]
        elif form == 3:
            source, targets = f"enumerate({self.value('list[str]', env, 2)}{', ' + self.choose(NUMBERS) if self.chance(3) else ''})", ["int", "str"]
        elif form == 4:
            source, targets = f"{self.value('dict[str, int]', env, 2)}.items()", ["str", "int"]
        elif form == 5:
            source, targets = self.value("dict[int, int]", env, 2), ["int"]
        elif form == 6:
            source, targets = f"zip({self.value('list[int]', env, 2)}, {self.value('list[str]', env, 1)})", ["int", "str"]
        else:
            source, targets = self.value("str", env, 2), ["str"]
        names = []
        for kind in targets:
            name = self.fresh()
            inner.setdefault(kind, []).append(name)
            names.append(name)
        self.line(depth, f"for {', '.join(names)} in {source}:")
        self.loops += 1
        self.block(inner, depth + 1, 1 + self.pick(3))
        self.loops -= 1

    def repeat(self, env: Env, depth: int) -> None:
        counter = self.fresh()
        self.line(depth, f"{counter} = {self.choose(['3', '1', '6'])}")
        test = self.choose(["", f" and {self.value('bool', env, 1)}"])
        self.line(depth, f"while {counter} > 0{test}:")
        self.line(depth + 1, f"{counter} -= 1" if not self.chance(30) else "pass")
        self.loops += 1
        self.block({kind: list(names) for kind, names in env.items()}, depth + 1, 1 + self.pick(3))
        self.loops -= 1

    # Expressions.

    def value(self, kind: str, env: Env, depth: int) -> str:
        """An expression of the type, usually."""
        if self.chance(WRONG):
            return f"({self.leaf(self.choose(TYPES))})"
        known = env.get(kind, [])
        if known and (depth <= 0 or self.chance(3)):
            return str(self.choose(known))
        if depth <= 0:
            return self.leaf(kind)
        callable_here = [helper for helper in self.helpers if helper[2] == kind]
        if callable_here and self.chance(6):
            name, kinds, _ = self.choose(callable_here)
            return f"{name}({', '.join(self.value(each, env, depth - 1) for each in kinds)})"
        if self.chance(14):
            return f"({self.value(kind, env, depth - 1)} if {self.value('bool', env, depth - 1)} else {self.value(kind, env, depth - 1)})"
        options = MAKERS[kind](self, env, depth - 1)
        return str(self.choose([lambda: self.leaf(kind), *options])())

    def leaf(self, kind: str) -> str:
        match kind:
            case "int":
                return str(self.choose(NUMBERS[:11] if not self.chance(6) else NUMBERS))
            case "str":
                return str(self.choose(TEXTS))
            case "bytes":
                return str(self.choose(OCTETS))
            case "bool":
                return str(self.choose(["True", "False"]))
            case "int | None":
                return str(self.choose(["None", "4"]))
        return {"list[int]": "[3, 1, 2]", "list[str]": "['b', 'a']", "dict[str, int]": "{'a': 1, 'b': 2}", "dict[int, int]": "{1: 10, 2: 20}",
                "tuple[int, str]": "(1, 'one')", "Point": "Point(1)", "list[list[int]]": "[[1], [2, 3]]", "Line": "Line([Point(1)])",
                "list[Point]": "[Point(2), Point(1, 5)]", "range": "range(4)", "tuple[int, ...]": "(4, 5)"}[kind]

    def small(self, env: Env) -> str:
        """A number that usually is small: a count, a shift, an exponent."""
        return str(self.choose(["2", "3", "0", "1", "5", f"len({self.value('str', env, 1)})", self.value("int", env, 1)]))

    def index(self, env: Env) -> str:
        return str(self.choose(["0", "1", "-1", "2", "0", self.value("int", env, 1)]))

    def key(self, kind: str, env: Env) -> str:
        """What may stand after ``key=`` for elements of a type."""
        name = self.fresh()
        inner = {**{k: list(v) for k, v in env.items()}, kind: [name]}
        result = self.choose(["int", "int", "str", "tuple[int, str]", "bool"])
        options = [f"lambda {name}: {self.value(result, inner, 2)}", f"lambda {name}: {name}"]
        if kind == "int":
            options += ["abs", "down"]
        if kind in ("str", "list[int]"):
            options += ["len"]
        return str(self.choose(options))

    def loop(self, env: Env, depth: int) -> tuple[str, Env]:
        """The ``for … in … if …`` of a comprehension, and what is known inside."""
        inner = {kind: list(names) for kind, names in env.items()}
        parts = []
        for index in range(2 if self.chance(4) else 1):
            name = self.fresh()
            form = self.pick(5)
            if form == 0:
                parts.append(f"for {name} in range({self.choose(['4', '3', '6'] if not self.chance(5) else [self.value('int', env, 1)])})")
                inner.setdefault("int", []).append(name)
            elif form == 1:
                parts.append(f"for {name} in {self.value('list[int]', inner if index else env, depth)}")
                inner.setdefault("int", []).append(name)
            elif form == 2:
                parts.append(f"for {name} in {self.value('str', inner if index else env, depth)}")
                inner.setdefault("str", []).append(name)
            elif form == 3:
                second = self.fresh()
                parts.append(f"for {name}, {second} in {self.value('dict[str, int]', inner if index else env, depth)}.items()")
                inner.setdefault("str", []).append(name)
                inner.setdefault("int", []).append(second)
            else:
                parts.append(f"for {name} in {self.value('dict[int, int]', inner if index else env, depth)}")
                inner.setdefault("int", []).append(name)
        if self.chance(3):
            parts.append(f"if {self.value('bool', inner, depth)}")
        return " ".join(parts), inner


Makers = list[Callable[[], str]]


def _ints(g: Generator, env: Env, d: int) -> Makers:
    def v(kind: str) -> str:
        return g.value(kind, env, d)

    def generated(function: str) -> str:
        loop, inner = g.loop(env, d)
        return f"{function}({g.value('int', inner, d)} {loop})"

    return [
        lambda: f"({v('int')} {g.choose(['+', '-', '*', '//', '%', '&', '|', '^'])} {v('int')})",
        lambda: f"({v('int')} {g.choose(['+', '-', '*'])} {v('int')})",
        lambda: f"({v('int')} {g.choose(['**', '<<', '>>'])} {g.small(env)})",
        lambda: f"{g.choose(['-', '~', '+'])}({v('int')})",
        lambda: f"abs({v('int')})",
        lambda: f"len({v(g.choose(['list[int]', 'str', 'bytes', 'dict[str, int]', 'range']))})",
        lambda: f"sum({v(g.choose(['list[int]', 'range', 'tuple[int, ...]']))}{', ' + v('int') if g.chance(4) else ''})",
        lambda: f"{g.choose(['max', 'min'])}({v('int')}, {v('int')})",
        lambda: f"{g.choose(['max', 'min'])}({v('list[int]')}{', key=' + g.key('int', env) if g.chance(2) else ''})",
        lambda: f"ord({v('str')}[{g.index(env)}:][:1])",
        lambda: f"pow({v('int')}, {g.small(env)})",
        lambda: f"pow({v('int')}, {g.small(env)}, {v('int')})",
        lambda: f"divmod({v('int')}, {v('int')})[{g.pick(2)}]",
        lambda: f"int({v('str')})",
        lambda: f"int({v('bool')})",
        lambda: f"{v('list[int]')}[{g.index(env)}]",
        lambda: f"{v('dict[str, int]')}.get({v('str')}, {v('int')})",
        lambda: f"{v('dict[int, int]')}[{v('int')}]",
        lambda: f"{v('dict[str, int]')}['a']",
        lambda: f"{v('str')}.{g.choose(['find', 'count', 'rfind', 'index'])}({v('str')})",
        lambda: f"{v('bytes')}.{g.choose(['find', 'count', 'rfind'])}({v('bytes')})",
        lambda: f"{v('list[int]')}.{g.choose(['count', 'index'])}({v('int')})",
        lambda: f"{v('list[list[int]]')}.count({v('list[int]')})",
        lambda: f"mul_div({v('int')}, {v('int')}, {v('int')}, '{g.choose(ROUNDINGS)}')",
        lambda: f"mul_div({v('int')}, {v('int')}, {v('int')})",
        lambda: f"div_round({v('int')}, {v('int')}, '{g.choose(ROUNDINGS)}')",
        lambda: f"round_to({v('int')}, {v('int')}, '{g.choose(ROUNDINGS)}')",
        lambda: f"len(book.{g.choose(['ascending', 'descending'])}({g.choose(['3', '50', v('int')])}{g.choose(['', ', start=' + v('int'), ', stop=(' + v('int') + ', ' + v('str') + ')', ', ' + v('int') + ', ' + v('int')])}))",
        lambda: f"sum(v for k, v in book.{g.choose(['ascending', 'descending'])}(70))",
        lambda: f"book.get(({v('int')}, {v('str')}), {v('int')})",
        lambda: f"(book.{g.choose(['first', 'last'])}() or (0, ''))[0]",
        lambda: f"{v('Point')}.{g.choose(['x', 'y'])}",
        lambda: f"{v('Line')}.width",
        lambda: f"{v('list[Point]')}[{g.index(env)}].x",
        lambda: f"{v('tuple[int, str]')}[{g.choose(['0', '0', '-2', '1'])}]",
        lambda: f"counts.get({v('int')}, {v('int')})",
        lambda: f"counts[{g.choose(NUMBERS[:6])}]",
        lambda: "total.get()",
        lambda: g.choose(["ctx.height", "ctx.time_ms", "len(ctx.transaction_id)", "PAIR[0]"]),
        lambda: generated("sum"),
        lambda: f"down({g.small(env)})",
        lambda: f"grow({v('list[int]')})",
        lambda: f"ledger.balance(Asset('EUR'), {g.choose(['ctx.sender', 'ctx.contract'])})",
        lambda: f"Amount({v('int')})",
        lambda: f"({v('int')} {g.choose(['and', 'or'])} {v('int')})",
        lambda: f"{v('bytes')}[{g.index(env)}]",
        lambda: f"{v('list[list[int]]')}[{g.index(env)}][{g.index(env)}]",
        lambda: f"{v('list[int]')}.pop({g.index(env)})",
        lambda: f"{v('dict[str, int]')}.setdefault({v('str')}, {v('int')})",
    ]


def _bools(g: Generator, env: Env, d: int) -> Makers:
    def v(kind: str) -> str:
        return g.value(kind, env, d)

    def compare(kind: str, operators: list[str]) -> str:
        parts = [v(kind), g.choose(operators), v(kind)]
        if g.chance(4):
            parts += [g.choose(operators), v(kind)]
        return "(" + " ".join(parts) + ")"

    def generated() -> str:
        loop, inner = g.loop(env, d)
        return f"{g.choose(['any', 'all'])}({g.value('bool', inner, d)} {loop})"

    order = ["<", "<=", ">", ">=", "==", "!="]
    return [
        lambda: compare("int", order), lambda: compare("int", order), lambda: compare("str", order),
        lambda: compare(g.choose(["bytes", "list[int]", "tuple[int, str]", "list[list[int]]"]), order),
        lambda: compare(g.choose(["Point", "dict[str, int]", "Line", "bool", "list[Point]", "range"]), ["==", "!="]),
        lambda: f"({v('int')} {g.choose(['in', 'not in'])} {v(g.choose(['list[int]', 'dict[int, int]', 'range', 'tuple[int, ...]']))})",
        lambda: f"({v('str')} {g.choose(['in', 'not in'])} {v(g.choose(['str', 'list[str]', 'dict[str, int]']))})",
        lambda: f"({v('list[int]')} in {v('list[list[int]]')})",
        lambda: f"(not {v(g.choose(TYPES))})",
        lambda: f"({v('bool')} {g.choose(['and', 'or'])} {v('bool')})",
        lambda: f"({v('int | None')} {g.choose(['is', 'is not'])} None)",
        lambda: f"({v('bool')} {g.choose(['&', '|', '^'])} {v('bool')})",
        generated,
        lambda: f"{g.choose(['any', 'all'])}({v(g.choose(['list[int]', 'list[str]', 'range', 'str']))})",
        lambda: f"{v('str')}.{g.choose(['startswith', 'endswith'])}({v('str')})",
        lambda: f"{v('str')}.{g.choose(['isdigit', 'isalpha', 'isalnum', 'isascii', 'isupper', 'islower'])}()",
        lambda: f"({v('int')} {g.choose(['in', 'not in'])} counts)",
        lambda: f"({g.choose(KEYS)} in points)",
        lambda: f"(({g.choose(KEYS)}, {g.choose(NUMBERS[:4])}) in lines)",
        lambda: f"bool({v(g.choose(TYPES))})",
        lambda: "(note.get() is None)",
        lambda: f"(({v('int')}, {v('str')}) in book)",
        lambda: f"(ranks.{g.choose(['first', 'last'])}() is None)",
        lambda: "ledger.has_grant(ctx.sender, 'c')",
    ]


def _texts(g: Generator, env: Env, d: int) -> Makers:
    def v(kind: str) -> str:
        return g.value(kind, env, d)

    def formatted() -> str:
        parts, names = [], [name for kind in ("int", "str", "bool") for name in env.get(kind, [])] or ["RATE"]
        for _ in range(1 + g.pick(3)):
            shown = g.choose([*names, f"{g.choose(names)} + 1", f"len({g.choose(names)})"]) if g.chance(4) else g.choose(names)
            parts.append("{" + shown + g.choose(SPECS) + "}")
        return "f'" + g.choose(["", "-", "{{x}} "]).join(parts) + "'"

    def generated() -> str:
        loop, inner = g.loop(env, d)
        return f"{g.choose(TEXTS[:4])}.join({g.value('str', inner, d)} {loop})"

    return [
        lambda: f"({v('str')} + {v('str')})", lambda: f"({v('str')} * {g.small(env)})",
        lambda: f"{v('str')}[{g.index(env)}]",
        lambda: f"{v('str')}[{g.index(env)}:{g.index(env)}]", lambda: f"{v('str')}[::{g.index(env)}]",
        formatted, formatted, generated,
        lambda: f"{v('str')}.{g.choose(['upper', 'lower', 'strip', 'lstrip', 'rstrip'])}()",
        lambda: f"{v('str')}.{g.choose(['strip', 'lstrip', 'rstrip', 'removeprefix', 'removesuffix'])}({v('str')})",
        lambda: f"{v('str')}.replace({v('str')}, {v('str')})",
        lambda: f"{v('str')}.{g.choose(['ljust', 'rjust', 'zfill'])}({g.small(env)})",
        lambda: f"{v('str')}.{g.choose(['ljust', 'rjust'])}({g.small(env)}, {g.choose(TEXTS)})",
        lambda: f"{v('str')}.join({v('list[str]')})",
        lambda: f"str({v(g.choose(['int', 'bool', 'str']))})",
        lambda: f"{v('bytes')}.{g.choose(['hex', 'decode'])}()",
        lambda: f"{v('list[str]')}[{g.index(env)}]",
        lambda: f"{v('tuple[int, str]')}[1]", lambda: f"{v('Point')}.name",
        lambda: g.choose(["ctx.sender", "ctx.caller", "ctx.contract", "PAIR[1]", "ledger.hold_status('h')"]),
        lambda: f"{g.choose(['max', 'min'])}({v('list[str]')}{', key=' + g.key('str', env) if g.chance(2) else ''})",
        lambda: f"({v('str')} or {v('str')})",
    ]


def _octets(g: Generator, env: Env, d: int) -> Makers:
    def v(kind: str) -> str:
        return g.value(kind, env, d)

    return [
        lambda: f"({v('bytes')} + {v('bytes')})", lambda: f"({v('bytes')} * {g.small(env)})",
        lambda: f"{v('str')}.encode()", lambda: f"sha256({v('bytes')})", lambda: f"from_hex({v('str')})",
        lambda: f"bytes({v('list[int]')})", lambda: f"bytes({g.small(env)})", lambda: "ctx.transaction_id",
        lambda: f"{v('bytes')}[{g.index(env)}:{g.index(env)}]", lambda: f"{v('bytes')}.replace({v('bytes')}, {v('bytes')})",
        lambda: f"{v('bytes')}.removeprefix({v('bytes')})", lambda: f"{v('bytes')}.join([{v('bytes')}, {v('bytes')}])",
    ]


def _int_lists(g: Generator, env: Env, d: int) -> Makers:
    def v(kind: str) -> str:
        return g.value(kind, env, d)

    def generated() -> str:
        loop, inner = g.loop(env, d)
        made = f"{g.value('int', inner, d)} {loop}"
        return g.choose([f"[{made}]", f"list({made})", f"sorted({made})"])  # type: ignore[no-any-return]

    return [
        lambda: "[" + ", ".join(v("int") for _ in range(g.pick(4))) + "]", generated, generated,
        lambda: f"sorted({v('list[int]')}{', key=' + g.key('int', env) if g.chance(2) else ''}{', reverse=' + v('bool') if g.chance(3) else ''})",
        lambda: f"{v('list[int]')}[{g.index(env)}:{g.index(env)}]", lambda: f"({v('list[int]')} + {v('list[int]')})",
        lambda: f"({v('list[int]')} * {g.small(env)})", lambda: f"list({v(g.choose(['range', 'tuple[int, ...]', 'bytes', 'dict[int, int]']))})",
        lambda: f"{v('dict[str, int]')}.values()", lambda: f"{v('dict[int, int]')}.keys()", lambda: f"reversed({v('list[int]')})",
        lambda: f"{v('list[int]')}.copy()", lambda: f"{v('list[list[int]]')}[{g.index(env)}]",
        lambda: f"([{v('int')}] * {g.small(env)})",
    ]


def _lists(g: Generator, env: Env, d: int, kind: str) -> Makers:
    def v(kind: str) -> str:
        return g.value(kind, env, d)

    def generated() -> str:
        loop, inner = g.loop(env, d)
        return f"[{g.value(kind, inner, d)} {loop}]"

    made: Makers = [lambda: "[" + ", ".join(v(kind) for _ in range(g.pick(3))) + "]", generated,
                    lambda: f"({v(f'list[{kind}]')} + {v(f'list[{kind}]')})",
                    lambda: f"sorted({v(f'list[{kind}]')}, key={g.key(kind, env)})", lambda: f"{v(f'list[{kind}]')}[::-1]"]
    if kind == "str":
        made += [lambda: f"{v('str')}.split({g.choose(['', ',', 'ab', v('str')]) and repr(g.choose([',', 'a', ' ']))})",
                 lambda: f"{v('str')}.{g.choose(['split', 'splitlines'])}()", lambda: f"list({v('dict[str, int]')})", lambda: f"list({v('str')})"]
    return made


def _dicts(g: Generator, env: Env, d: int, key: str) -> Makers:
    kind = f"dict[{key}, int]"

    def v(kind: str) -> str:
        return g.value(kind, env, d)

    def generated() -> str:
        loop, inner = g.loop(env, d)
        return f"{{{g.value(key, inner, d)}: {g.value('int', inner, d)} {loop}}}"

    return [lambda: "{" + ", ".join(f"{v(key)}: {v('int')}" for _ in range(g.pick(3))) + "}", generated,
            lambda: f"{v(kind)}.copy()", lambda: f"dict({v(kind)})", lambda: f"dict(zip({v(f'list[{key}]')}, {v('list[int]')}))",
            lambda: f"dict([({v(key)}, {v('int')})])"]


def _records(g: Generator, env: Env, d: int) -> Makers:
    def v(kind: str) -> str:
        return g.value(kind, env, d)

    return [lambda: f"Point({v('int')}, name={v('str')})", lambda: f"Point({v('int')}, {v('int')})", lambda: f"points[{g.choose(KEYS)}]",
            lambda: f"points.get({g.choose(KEYS)}, {v('Point')})", lambda: f"{v('list[Point]')}[{g.index(env)}]",
            lambda: f"max({v('list[Point]')}, key={g.key('Point', env)})"]


MAKERS: dict[str, Callable[[Generator, Env, int], Makers]] = {
    "int": _ints, "bool": _bools, "str": _texts, "bytes": _octets, "list[int]": _int_lists,
    "list[str]": lambda g, env, d: _lists(g, env, d, "str"),
    "list[list[int]]": lambda g, env, d: _lists(g, env, d, "list[int]"),
    "list[Point]": lambda g, env, d: _lists(g, env, d, "Point"),
    "dict[str, int]": lambda g, env, d: _dicts(g, env, d, "str"),
    "dict[int, int]": lambda g, env, d: _dicts(g, env, d, "int"),
    "tuple[int, str]": lambda g, env, d: [
        lambda: f"({g.value('int', env, d)}, {g.value('str', env, d)})", lambda: f"max([{g.value('tuple[int, str]', env, d)}, (0, 'z')])",
        lambda: f"{g.value('dict[str, int]', env, d)}.items()[{g.index(env)}][::-1]", lambda: f"enumerate({g.value('list[str]', env, d)})[0]"],
    "tuple[int, ...]": lambda g, env, d: [lambda: f"tuple({g.value('list[int]', env, d)})", lambda: f"({g.value('int', env, d)},) * 3",
                                          lambda: f"divmod({g.value('int', env, d)}, 7)"],
    "Point": _records,
    "Line": lambda g, env, d: [lambda: f"Line({g.value('list[Point]', env, d)}, width={g.value('int', env, d)})",
                               lambda: f"Line([], 2, {g.value('dict[str, int]', env, d)})",
                               lambda: f"lines[{g.choose(KEYS)}, {g.choose(NUMBERS[:4])}]"],
    "int | None": lambda g, env, d: [lambda: f"counts.get({g.value('int', env, d)})", lambda: g.value("int", env, d)],
    "range": lambda g, env, d: [lambda: f"range({g.value('int', env, d)}, {g.value('int', env, d)})",
                                lambda: f"range({g.value('int', env, d)}, {g.value('int', env, d)}, {g.value('int', env, d)})"],
}

OTHERS = 60
PARAMETERS = [("n", "int"), ("s", "str"), ("xs", "list[int]")]
_GIVEN: list[list[Any]] = [[1, 5, 0, -3, 2**63, 40], ["a", "", "7", "héllo", "k" * 100], [[1, 2, 3], [], [5], [9, 8, 7, 6]]]


@cache
def _other(variant: int) -> bytes:
    """The contract that is called: one of a few, so that it is compiled already."""
    draw = random.Random(variant).random
    return Generator(lambda count: int(draw() * count), 8, outer=False).contract(PARAMETERS).encode()


def program(pick: Pick) -> Program:
    """One case."""
    main = Generator(pick, 40).contract(PARAMETERS)
    other = _other(pick(OTHERS))
    args: list[Any] = [options[pick(len(options))] for options in _GIVEN]
    if pick(40) == 39:
        args[pick(3)] = [True, None, b"x", [[1]]][pick(4)]
    fuel = 3 + pick(91) ** 2 if pick(5) == 4 else 400_000
    memory = 500 + pick(245) ** 2 if pick(6) == 5 else 64 * 1024 * 1024
    return Program(main.encode(), other, args, fuel, memory)


def seeded(seed: int) -> Program:
    """The case of a seed, the same everywhere."""
    source = random.Random(seed)
    draw = source.random
    return program(lambda count: int(draw() * count))
