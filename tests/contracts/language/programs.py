# ruff: noqa: E501
"""Programs for the language's tests: honest bodies with their results, hostile ones with what stops them.

Standard library only: the same tables run under other CPythons, and ``main`` prints every outcome and its fuel so
that two interpreters can be compared.
"""

import json
import sys
import time
from typing import Any

from contracts.language import ContractError, Meter, OutOfFuel, Refused, compile_contract, run
from tests.contracts.language.honest import MORE_HONEST
from tests.contracts.language.memory_host import MemoryHost

FUEL = 2_000_000

PRELUDE = '''"""A contract for tests."""
from hansa import (action, query, record, Map, OrderedMap, Value, require, fail, emit, call, ctx, ledger, Address,
                   Asset, Amount, mul_div, div_round, round_to, sha256, from_hex)

RATE = 5 * 10**2
PAIR = (3, "x")


@record
class Point:
    x: int
    y: int = 0
    name: str | None = None


@record
class Line:
    ends: list[Point]
    width: int = 1


points: Map[str, Point] = Map()
lines: Map[tuple[str, int], Line] = Map()
counts: Map[int, int] = Map()
book: OrderedMap[tuple[int, str], int] = OrderedMap()
total: Value[int] = Value(0)
owner: Value[Address | None] = Value(None)


def twice(n: int) -> int:
    return n + n


def down(n: int) -> int:
    if n <= 0:
        return 0
    return 1 + down(n - 1)


def grow(xs: list[int]) -> int:
    xs.append(1)
    return 1


@action
def other() -> int:
    return 1

'''


def module(body: str, returns: str = "int") -> bytes:
    """The prelude with one action ``main`` of that body."""
    lines = "\n".join("    " + line if line else "" for line in body.strip("\n").split("\n"))
    return (PRELUDE + f"\n@action\ndef main() -> {returns}:\n{lines}\n").encode("utf-8", "surrogatepass")


HONEST: list[tuple[str, str, Any]] = [
    ("int", "return 1 + 2 * 3 - 4", 3),
    ("int", "return -7 // 2 + -7 % 3", -2),
    ("int", "return 2**10 + (1 << 4) + (255 >> 3) + (6 & 3) + (6 | 1) + (6 ^ 5) + ~5", 1024 + 16 + 31 + 2 + 7 + 3 - 6),
    ("int", "return RATE + PAIR[0]", 503),
    ("int", "x = 5\nx += 2\nx *= 3\nx -= 1\nx //= 2\nx %= 7\nreturn x", 3),
    ("bool", "a = 3\nreturn 1 < a <= 3 != 4", True),
    ("bool", "return 1 < twice(2) < 5 < twice(3) and not 9 < grow([]) < 1", True),
    ("int", "xs = [7]\nn = 0 < grow(xs) < 5\nreturn len(xs) if n else 0", 2),
    ("list[int]", "return [x for x in range(9) if 2 < twice(x) < 9]", [2, 3, 4]),
    ("list[int]", "return sorted([5, 3], key=lambda v: 1 if 3 < twice(v) < 7 else 2)", [3, 5]),
    ("bool", "return not [] and not '' and not 0 and bool([0])", True),
    ("str", "return 'a' + 'b' * 3", "abbb"),
    ("str", "n = 42\ns = 'x'\nreturn f'{n}-{s}-{n:06d}-{n:x}-{s:>4}-{n:*^8}-{{}}'", "42-x-000042-2a-   x-***42***-{}"),
    ("str", "n = -42\nreturn f'{n:06d}|{n:<6}|{n:>6}|{True}'", "-00042|-42   |   -42|True"),
    ("str", "return 'héllo, 世界'[1:6:2] + '\\u4e16'", "él," + "世"),
    ("list[int]", "return [i * i for i in range(6) if i % 2]", [1, 9, 25]),
    ("list[int]", "return [i * 10 + j for i in range(3) for j in range(i)]", [10, 20, 21]),
    ("int", "return sum(i for i in range(101))", 5050),
    ("int", "xs = [3, 1, 2]\nreturn max(xs) * 100 + min(xs) * 10 + len(xs)", 313),
    ("list[int]", "xs = [3, 1, 2]\nxs.sort()\nxs.append(9)\nxs.insert(0, 7)\nxs.reverse()\nreturn xs", [9, 3, 2, 1, 7]),
    ("list[int]", "xs = [3, 1, 2]\nxs[0], xs[2] = xs[2], xs[0]\ndel xs[1]\nreturn xs", [2, 3]),
    ("list[int]", "return sorted([3, 1, 2], reverse=True)", [3, 2, 1]),
    ("list[str]", "return sorted(['bb', 'a', 'ccc'], key=len)", ["a", "bb", "ccc"]),
    ("list[str]", "return sorted(['b1', 'a2', 'c0'], key=lambda s: (s[1], s[0]))", ["c0", "b1", "a2"]),
    ("list[int]", "return sorted([1, 2, 3, 4], key=lambda n: n % 2)", [2, 4, 1, 3]),
    ("int", "return max([1, 5, 3], key=lambda n: -n) + min(4, 2, 8)", 3),
    ("list[int]", "xs = [0, 1, 2, 3, 4, 5]\nreturn xs[1:4] + xs[-2:] + xs[::-2]", [1, 2, 3, 4, 5, 5, 3, 1]),
    ("int", "d = {'a': 1}\nd['b'] = 2\nd['a'] += 5\nreturn d['a'] * 10 + d.get('zz', 3) + len(d)", 65),
    ("list[str]", "d = {'b': 1, 'a': 2}\nout = []\nfor k, v in d.items():\n    out.append(f'{k}{v}')\nreturn out", ["b1", "a2"]),
    ("dict[str, int]", "return {k: len(k) for k in ['a', 'bb']}", [["a", 1], ["bb", 2]]),
    ("int", "d = {(1, 'a'): 5}\nreturn d[(1, 'a')] if (1, 'a') in d else 0", 5),
    ("int", "d = {'a': 1, 'b': 2}\nfor k in d:\n    d[k] = d[k] * 10\nreturn sum(d.values())", 30),
    ("int", "d = {'a': 1}\nx = d.pop('a')\ny = d.pop('q', 7)\nd.update({'z': 3})\nreturn x + y + d['z'] + d.setdefault('k', 9)", 20),
    ("list[str]", "return 'a,b,,c'.split(',')", ["a", "b", "", "c"]),
    ("list[str]", "return ' a  b\\tc '.split()", ["a", "b", "c"]),
    ("str", "return '-'.join(['a', 'b']) + ','.join(str(i) for i in range(3))", "a-b0,1,2"),
    ("str", "return ' Ab '.strip().lower() + 'cd'.upper() + 'xxaxx'.strip('x') + '7'.zfill(3)", "abCDa007"),
    ("bool", "return 'abc'.startswith('ab') and 'abc'.endswith('c') and 'b' in 'abc' and '12'.isdigit()", True),
    ("int", "return 'banana'.find('na') + 'banana'.count('a') + 'banana'.rfind('na')", 9),
    ("str", "return 'banana'.replace('an', 'AN').removeprefix('b').removesuffix('a')", "ANAN"),
    ("bytes", "return b'ab' + b'\\x00' + 'é'.encode()", b"ab\x00\xc3\xa9"),
    ("str", "return b'\\xff\\x00'.hex() + from_hex('6869').decode()", "ff00hi"),
    ("int", "return int('-12') + int(True) + int('+5')", -6),
    ("int", "n = 0\nwhile True:\n    n += 1\n    if n % 2:\n        continue\n    if n > 10:\n        break\nreturn n", 12),
    ("int", "n = 0\nfor i in range(10):\n    for j in range(10):\n        if j > i:\n            break\n        n += 1\nreturn n", 55),
    ("int", "t = (1, (2, 3))\na, b = t\nreturn a + b[0] + b[1]", 6),
    ("int", "out = 0\nfor i, (a, b) in enumerate([(1, 2), (3, 4)], 10):\n    out += i * a * b\nreturn out", 10 * 2 + 11 * 12),
    ("list[tuple[int, str]]", "return [(a, b) for a, b in zip([1, 2, 3], ['x', 'y'])]", [[1, "x"], [2, "y"]]),
    ("list[int]", "return list(reversed([1, 2, 3])) + list(range(2)) + list((7,))", [3, 2, 1, 0, 1, 7]),
    ("bool", "return any(x > 2 for x in [1, 3]) and all([1, True]) and not any([])", True),
    ("bool", "return any(10 // x > 4 for x in [2, 0])", True),
    ("int", "return abs(-5) + pow(2, 5) + pow(3, 4, 5) + divmod(17, 5)[1] + ord('A')", 5 + 32 + 1 + 2 + 65),
    ("int", "return twice(n=4) + down(20)", 28),
    ("int", "p = Point(1, name='q')\np.x += 5\np.y = p.x * 2\nreturn p.x + p.y", 18),
    ("bool", "return Point(1, 2) == Point(1, 2) and Point(1) != Point(2) and [Point(1)] == [Point(1)]", True),
    ("Point", "return Point(1, 2, 'n')", [1, 2, "n"]),
    ("int", "points['a'] = Point(3)\nq = points['a']\nq.x = 9\nreturn points['a'].x", 3),
    ("int", "points['a'] = Point(3)\nq = points['a']\nq.x = 9\npoints['a'] = q\nreturn points['a'].x", 9),
    ("bool", "points['a'] = Point(3)\ndel points['a']\nreturn 'a' not in points and points.get('a') is None", True),
    ("int", "lines['a', 1] = Line([Point(1), Point(2)])\nline = lines['a', 1]\nreturn line.ends[1].x + line.width", 3),
    ("int", "k = ('a', 1)\nlines[k] = Line([])\nfound = lines.get(k)\nreturn 0 if found is None else found.width", 1),
    ("int", "counts[5] = 1\ncounts[5] += 10\nreturn counts[5] + counts.get(6, 100)", 111),
    ("int", "total.set(total.get() + 5)\ntotal.set(total.get() * 2)\nreturn total.get()", 10),
    ("bool", "a = owner.get() is None\nowner.set(ctx.sender)\nb = owner.get() == ctx.sender\nowner.set(None)\nreturn a and b and owner.get() is None", True),
    ("int", "return ctx.height + ctx.time_ms // 10**12 + len(ctx.transaction_id)", 40),
    ("int", "emit('Paid', amount=5, tags=['a', b'b', None, True], who=ctx.sender)\nreturn 1", 1),
    ("int", "require(1 < 2, 'never', f'{1 // 0}')\nreturn 4", 4),
    ("int", "return mul_div(10, 1, 3) * 100 + mul_div(10, 1, 3, 'up') * 10 + mul_div(5, 1, 2, 'half_even')", 342),
    ("int", "return mul_div(-10, 1, 3) * 100 + mul_div(-10, 1, 3, 'floor') * 10 + mul_div(-5, 1, 2, 'half_up')", -343),
    ("str", "return sha256(b'abc').hex()[:8]", "ba7816bf"),
    ("int", "return Amount(5) + int('7')", 12),
    ("int", "x: int = 3\ny: list[int] = [1]\nreturn x + y[0]", 4),
    ("int", "return 2**255 // 2**250", 32),
    ("int", "return 115792089237316195423570985008687907853269984665640564039457584007913129639935 - 1", b"\x00" + b"\xff" * 31 + b"\xfe"),
    ("list[list[int]]", "rows = [[0] * 2 for i in range(2)]\nrows[0][1] += 5\nreturn rows", [[0, 5], [0, 0]]),
    ("int", "xs = [1]\nxs += [2, 3]\nys = xs\nys += (4,)\nreturn len(xs) * 10 + xs[-1]", 44),
    ("int | None", "return None", None),
    ("None", "pass", None),
    ("tuple[int, ...]", "return tuple([1, 2]) + (3,)", [1, 2, 3]),
    ("int", "a = b = 4\nreturn a + b", 8),
    ("str", "n = 3\nif n == 1:\n    return 'one'\nelif n == 2:\n    return 'two'\nelse:\n    return 'many'", "many"),
    ("int", "xs = [[1, 2], [1, 1]]\nreturn xs.index([1, 1]) + xs.count([1, 2]) + (1 if [1, 2] in xs else 0)", 3),
    ("bool", "return [1, 2] < [1, 3] and (1, 'a') <= (1, 'b') and 'a' < 'b' and b'a' >= b'a'", True),
    ("int", "count = 0\nfor c in 'hello':\n    if c in 'aeiou':\n        count += 1\nreturn count", 2),
    ("int", "fee = mul_div(Amount(12_345), 15, 10_000, 'half_up')\nreturn fee", 19),
    *MORE_HONEST,
]
"""(return type, body, plain result). Each is what an author would expect of Python."""

REFUSED: list[tuple[str, str]] = [
    # Attributes and objects behind values.
    ("return ().__class__", "attribute.form"),
    ("return 'a'.__class__.__mro__[1].__subclasses__()", "attribute.form"),
    ("return twice.__globals__", "attribute.form"),
    ("return twice.__code__.co_code", "attribute.form"),
    ("return [x for x in ()].gi_frame", "attribute.unknown"),
    ("return (x for x in ()).gi_frame.f_back", "attribute.unknown"),
    ("return Point(1)._f_x", "attribute.form"),
    ("return Point.x", "name.position"),
    ("return Point(1).__dict__", "attribute.form"),
    ("return ctx.host", "attribute.unknown"),
    ("return ledger.__class__", "name.position"),
    ("return ctx.__class__", "attribute.unknown"),
    ("f = ledger.transfer\nreturn 1", "name.position"),
    ("return ledger.drop_all()", "ledger.unknown"),
    ("Point(1).x = 3\nreturn 1", "target.field"),
    ("points['a'].x = 3\nreturn 1", "target.field"),
    ("return (1).real", "attribute.unknown"),
    ("return 'a'.join.__self__", "attribute.form"),
    # Builtins, names and positions.
    ("return eval('1')", "name.builtin"),
    ("e = eval\nreturn e('1+1')", "name.builtin"),
    ("return exec('x = 1')", "name.builtin"),
    ("return __import__('os').system('id')", "name.unknown"),
    ("return getattr(1, 'real')", "name.builtin"),
    ("return open('/etc/passwd').read()", "name.builtin"),
    ("return globals()['x']", "name.builtin"),
    ("return type(1)", "name.builtin"),
    ("return hash('a')", "name.builtin"),
    ("return id(1)", "name.builtin"),
    ("return repr(1)", "name.builtin"),
    ("print(1)\nreturn 1", "name.builtin"),
    ("return list(map(len, ['a']))", "name.builtin"),
    ("return set([1])", "name.builtin"),
    ("return float('1.5')", "name.builtin"),
    ("return format(1, 'd')", "name.builtin"),
    ("f = len\nreturn f([1])", "name.position"),
    ("f = twice\nreturn f(1)", "name.position"),
    ("return [twice][0](2)", "name.position"),
    ("return (lambda: 1)()", "lambda.place"),
    ("f = lambda n: n\nreturn 1", "lambda.place"),
    ("xs = points\nreturn 1", "name.position"),
    ("return unknown_name", "name.unknown"),
    ("return _m.left", "name.unknown"),
    ("_m = 1\nreturn 1", "name.form"),
    ("__builtins__ = 1\nreturn 1", "name.form"),
    ("len = 1\nreturn len", "name.shadow"),
    ("require = 1\nreturn 1", "name.shadow"),
    ("twice = 1\nreturn 1", "name.shadow"),
    ("for sum in [1]:\n    pass\nreturn 1", "name.shadow"),
    ("return [ledger for ledger in [1]][0]", "name.shadow"),
    ("return sorted([1], key=lambda max: 1)[0]", "name.shadow"),
    # Syntax outside the language.
    ("try:\n    return 1\nexcept BaseException:\n    return 2", "syntax.try"),
    ("while True:\n    try:\n        pass\n    finally:\n        continue", "syntax.try"),
    ("try:\n    return 1\nexcept* ValueError:\n    return 2", "syntax.trystar"),
    ("raise SystemExit", "syntax.raise"),
    ("assert False\nreturn 1", "syntax.assert"),
    ("with points as p:\n    pass\nreturn 1", "syntax.with"),
    ("match 1:\n    case x:\n        return x", "syntax.match"),
    ("return (x := 1)", "syntax.namedexpr"),
    ("yield 1", "syntax.yield"),
    ("yield from [1]", "syntax.yieldfrom"),
    ("global RATE\nreturn 1", "syntax.global"),
    ("import os\nreturn 1", "syntax.import"),
    ("from os import system\nreturn 1", "statement.place"),
    ("def inner():\n    return 1\nreturn 1", "statement.place"),
    ("class Inner:\n    pass\nreturn 1", "statement.place"),
    ("return {1, 2}", "syntax.set"),
    ("return {x for x in [1]}", "syntax.setcomp"),
    ("return [*[1], 2]", "syntax.starred"),
    ("a, *b = [1, 2]\nreturn a", "syntax.starred"),
    ("return twice(*[1])", "syntax.starred"),
    ("return twice(**{'n': 1})", "syntax.starred"),
    ("return {**{'a': 1}}", "syntax.starred"),
    ("for i in [1]:\n    pass\nelse:\n    pass\nreturn 1", "syntax.orelse"),
    ("return 1 / 2", "syntax.div"),
    ("x = 4\nx /= 2\nreturn x", "syntax.div"),
    ("return [[1]] @ [[1]]", "syntax.matmult"),
    ("return 1.5", "number.float"),
    ("return 1e9", "number.float"),
    ("return 1j", "number.float"),
    ("return .5", "number.float"),
    ("return ...", "literal"),
    ("return '\\ud800'", "literal"),
    ("return 1 is 1", "compare.is"),
    ("return len([x for x in [1, 2][0 < twice(2) < 9:]])", "compare.chain"),
    ("break\nreturn 1", "statement.loop"),
    ("1 + 1\nreturn 1", "statement.expression"),
    ("[grow([]) for i in range(3)]\nreturn 1", "statement.expression"),
    ("g = (x for x in [1])\nreturn 1", "generator.place"),
    ("xs = [1, 2]\nxs[0:1] = [5]\nreturn 1", "target.form"),
    ("x = 1\ndel x\nreturn 1", "target.form"),
    ("return [y for x in [1] if y for y in [1]][0]", "name.unknown"),
    ("return len([1" + " for i in [1]" * 5 + "])", "comprehension.loops"),
    ("return sorted([1], key=eval)[0]", "lambda.place"),
    ("return sorted([1], key=ledger.burn)[0]", "lambda.place"),
    ("x = require(True, 'a')\nreturn 1", "call.statement"),
    ("require(True, 'Not A Code')\nreturn 1", "call.code"),
    ("code = 'a'\nfail(code)", "call.code"),
    ("return twice()", "call.arguments"),
    ("return twice(1, 2)", "call.arguments"),
    ("return twice(1, n=2)", "call.arguments"),
    ("return Point(1, z=2).x", "call.arguments"),
    ("return len([1], [2])", "call.arguments"),
    ("return counts.items()", "storage.method"),
    ("return total[0]", "storage.value"),
    ("return lines['a', 1, 2].width", "storage.key"),
    # Formatting.
    ("return '{0.__class__}'.format(1)", "format.method"),
    ("return '{a}'.format_map({'a': 1})", "format.method"),
    ("return '%s' % 1", "format.percent"),
    ("return f'{1!r}'", "format.expression"),
    ("return f'{RATE=}'", "format.expression"),
    ("return f'{RATE:{RATE}}'", "format.spec"),
    ("return f'{RATE:>99999}'", "format.spec"),
    ("return f'{RATE:,}'", "format.spec"),
    ("return f'{f\"{RATE}\"}'", "format.expression"),
    ("return f'{(lambda: 1)()}'", "format.spec"),
    # Bytes, tokens, size.
    ("return 'x'\t", "source.control"),
    ("return 'x'\r", "source.control"),
    ("return 'x\x00'", "source.control"),
    ("return 'x'\x0c", "source.control"),
    ("return 'safe \u202e txt'", "source.invisible"),
    ("return 'a\u200bb'", "source.invisible"),
    ("return ℯval('1')", "source.ascii"),
    ("return 1  # naïve", "source.ascii"),
    ("return '\udcff'", "source.utf8"),
    ("return '\\N{DASH}'", "string.escape"),
    ("return '\\q'", "string.escape"),
    ("return '\\07'", "string.escape"),
    ("return u'a'", "string.prefix"),
    ("return rf'{1}'", "string.prefix"),
    ("return 'a", "string.open"),
    ("x = 1; return x", "source.semicolon"),
    ("return 1 + \\\n    2", "source.character"),
    ("return " + "(" * 21 + "1" + ")" * 21, "source.depth"),
    ("return " + "[" * 5000 + "]" * 5000, "source.depth"),
    ("return " + "-" * 5000 + "1", "source.chain"),
    ("return " + "not " * 101 + "1", "source.chain"),
    ("return 0" + "+0" * 5000, "source.chain"),
    ("return 'a'" + ".x" * 200, "source.chain"),
    ("return twice" + "(1)" * 200, "source.chain"),
    ("return " + "1 if 1 else " * 200 + "1", "source.chain"),
    ("return " + "lambda: " * 200 + "1", "source.chain"),
    ("return " + "9" * 81, "number.digits"),
    ("return " + "9" * 80, "literal"),
    ("return 0x1f_", "syntax.error"),
    ("return 1if 1 else 2", "number.form"),
    ("if 0:\n    pass\n" + "elif 0:\n    pass\n" * 200 + "return 1", "source.chain"),
    ("".join("    " * depth + "if 1:\n" for depth in range(18)) + "    " * 18 + "return 1", "source.depth"),
    ("".join("    " * depth + "if 1:\n" for depth in range(90)) + "    " * 90 + "return 1", "source.indent"),
    ("return " + "x" * 65, "name.length"),
    ("return '" + "a" * 66_000 + "'", "source.size"),
    ("return )", "source.bracket"),
    ("return (", "source.bracket"),
    ("return 1 +", "syntax.error"),
    ("x: object = 1\nreturn 1", "annotation"),
    ("x: 'int' = 1\nreturn 1", "annotation"),
    ("x: int | str = 1\nreturn 1", "annotation"),
]
"""(body, a rule among its findings)."""

REFUSED_MODULES: list[tuple[str, str]] = [
    ("import os\n", "syntax.import"),
    ("from os import path\n", "module.import"),
    ("from hansa import action as a\n", "syntax.asname"),
    ("from .hansa import action\n", "syntax.level"),
    ("from hansa import *\n", "module.import"),
    ("from hansa import system\n", "module.import"),
    ("from __future__ import annotations\n", "module.import"),
    ("from hansa import action, action\n", "name.twice"),
    ("# -*- coding: utf-7 -*-\n", "source.cookie"),
    ("\ufefffrom hansa import action\n", "source.bom"),
    ("X = [1]\n", "module.constant"),
    ("X = {}\n", "module.constant"),
    ("X = print('a')\n", "module.constant"),
    ("X = 2**100000\n", "module.constant"),
    ("X = 1 << 10**9\n", "module.constant"),
    ("X = 'a' * 10**9\n", "module.constant"),
    ("X = 1 // 0\n", "module.constant"),
    ("X = (1,)\nY = (X, X)\n", "module.constant"),
    ("X: int = 'a'\n", "module.constant"),
    ("X = 1\nX = 2\n", "name.twice"),
    ("X = Y = 1\n", "module.constant"),
    ("_x = 1\n", "name.form"),
    ("eval = 1\n", "name.shadow"),
    ("ctx = 1\n", "name.shadow"),
    ("if True:\n    pass\n", "module.statement"),
    ("for i in (1,):\n    pass\n", "module.statement"),
    ("print('x')\n", "module.statement"),
    ("class A:\n    x: int\n", "module.class"),
    ("from hansa import record\n@record\nclass A(list):\n    x: int\n", "syntax.bases"),
    ("from hansa import record\n@record\nclass A(metaclass=type):\n    x: int\n", "syntax.keywords"),
    ("from hansa import record\n@record\nclass A:\n    def f(self):\n        return 1\n", "record.body"),
    ("from hansa import record\n@record\nclass A:\n    x: list[int] = []\n", "module.constant"),
    ("from hansa import record\n@record\nclass A:\n    __slots__: int\n", "name.form"),
    ("from hansa import record\n@record\nclass A:\n    next: A\n", "annotation"),
    ("from hansa import record\n@record\n@print\nclass A:\n    x: int\n", "module.class"),
    ("from hansa import record\n@record()\nclass A:\n    x: int\n", "module.class"),
    ("def f(a, /):\n    return a\n", "syntax.posonlyargs"),
    ("def f(*, a):\n    return a\n", "syntax.kwonlyargs"),
    ("def f(*a):\n    return a\n", "syntax.vararg"),
    ("def f(**a):\n    return a\n", "syntax.kwarg"),
    ("def f(a=[]):\n    return a\n", "module.constant"),
    ("def f(a={}):\n    return a\n", "module.constant"),
    ("def f(a, a):\n    return a\n", "name.twice"),
    ("def f(len):\n    return 1\n", "name.shadow"),
    ("def f(_m):\n    return 1\n", "name.form"),
    ("def f(f):\n    return 1\n", "name.shadow"),
    ("def f():\n    return 1\ndef f():\n    return 2\n", "name.twice"),
    ("def eval():\n    return 1\n", "name.shadow"),
    ("def __getattr__(name):\n    return 1\n", "name.form"),
    ("@print\ndef f():\n    return 1\n", "function.decorator"),
    ("@(lambda f: f)\ndef f():\n    return 1\n", "function.decorator"),
    ("from hansa import action\n@action\n@action\ndef f() -> int:\n    return 1\n", "function.decorator"),
    ("from hansa import action, unwind\n@action\n@unwind\ndef f() -> int:\n    return 1\n", "function.decorator"),
    ("from hansa import invariant\n@invariant\ndef f() -> int:\n    return 1\n", "function.invariant"),
    ("from hansa import invariant\n@invariant\ndef f() -> bool | None:\n    return True\n", "function.invariant"),
    ("from hansa import invariant\n@invariant\ndef f(a: int = 1) -> bool:\n    return True\n", "function.invariant"),
    ("from hansa import invariant\n@invariant\ndef f():\n    return True\n", "function.annotation"),
    ("from hansa import invariant, emit\n@invariant\ndef f() -> bool:\n    emit('A')\n    return True\n", "query.writes"),
    ("@invariant\ndef f() -> bool:\n    return True\n", "name.import"),
    ("from hansa import action\n@action\ndef f(a) -> int:\n    return 1\n", "function.annotation"),
    ("from hansa import action\n@action\ndef f(a: int):\n    return 1\n", "function.annotation"),
    ("from hansa import action\n@action\ndef f(a: float) -> int:\n    return 1\n", "annotation"),
    ("from hansa import action\n@action\ndef f(a: eval('1')) -> int:\n    return 1\n", "annotation"),
    ("@action\ndef f() -> int:\n    return 1\n", "name.import"),
    ("async def f():\n    return 1\n", "syntax.asyncfunctiondef"),
    ("def f():\n    return [x async for x in y]\n", "syntax.asyncfor"),
    ("def f[T](a):\n    return a\n", "syntax.error"),
    ("type X = int\n", "syntax.error"),
    ("from hansa import Map\nm: Map[str, int] = Map(1)\n", "module.storage"),
    ("from hansa import Map\nm: Map[list[int], int] = Map()\n", "annotation"),
    ("from hansa import Map\nm: Map[str, int | None] = Map()\n", "module.storage"),
    ("from hansa import Value\nv: Value[int] = Value('a')\n", "module.storage"),
    ("from hansa import Value\nv: Value[list[int]] = Value([])\n", "module.constant"),
    ("from hansa import query, emit\n@query\ndef f() -> None:\n    emit('A')\n", "query.writes"),
    ("from hansa import query, Value\nv: Value[int] = Value(0)\ndef g() -> None:\n    v.set(1)\n"
     "@query\ndef f() -> None:\n    g()\n", "query.writes"),
]
"""(module, a rule among its findings)."""

STOPPED: list[tuple[str, str]] = [
    # Loops and recursion.
    ("while True:\n    pass", "out_of_fuel"),
    ("x = 0\nwhile True:\n    x += 1", "out_of_fuel"),
    ("for i in range(10**18):\n    pass\nreturn 1", "out_of_fuel"),
    ("for i in range(2**255):\n    pass\nreturn 1", "out_of_fuel"),
    ("return sum(range(3 * 10**7))", "out_of_fuel"),
    ("return sum(i for i in range(10**12))", "out_of_fuel"),
    ("return len([0 for i in range(10**9)])", "out_of_fuel"),
    ("return len([0 for i in range(1000) for j in range(1000) for k in range(1000)])", "out_of_fuel"),
    ("return 1 if any(i < 0 for i in range(10**10)) else 0", "out_of_fuel"),
    ("return len({i: i for i in range(10**8)})", "out_of_fuel"),
    ("return len(list(range(10**8)))", "length"),
    ("return len([i for i in range(10**30)])", "overflow"),
    ("return down(64)", "call_depth"),
    ("return down(10**6)", "call_depth"),
    ("return sorted([1], key=lambda n: down(100))[0]", "call_depth"),
    # Texts, sequences and memory.
    ("return len('x' * 3 * 10**8)", "length"),
    ("return len('x' * 2**200)", "length"),
    ("return len([0] * 10**9)", "length"),
    ("return len(b'a' * 10**10)", "length"),
    ("return len(bytes(10**12))", "length"),
    ("s = 'a'\nwhile True:\n    s += s", "length"),
    ("s = 'a' * 1000\nwhile True:\n    s = s.replace('a', 'aaaaaaaaaa')", "out_of_fuel"),
    ("s = 'ab' * 500000\nreturn len(s.replace('', 'x' * 500000))", "out_of_fuel"),
    ("xs = ['a' * 1000000] * 1000\nreturn len(''.join(xs))", "length"),
    ("n = 5\ns = f'{n:>256}'\nwhile True:\n    s = f'{s}{s}'", "length"),
    ("xs = []\nwhile True:\n    xs.append('a' * 100000)", "memory"),
    ("xs = []\nwhile True:\n    xs.append([0] * 10000)", "out_of_fuel"),
    ("x = [1]\nfor i in range(40):\n    x = [x, x]\nreturn 1 if x == x else 0", "depth"),
    ("x = [1]\nfor i in range(30):\n    x = [x, x]\nreturn 1 if x == x else 0", "out_of_fuel"),
    ("x = [1]\nx.append(x)\nreturn 1 if x == [x] else 0", "depth"),
    ("x = [1]\nx.append(x)\nemit('A', x=x)\nreturn 1", "depth"),
    ("x = (1,)\nfor i in range(31):\n    x = (x, x)\nemit('A', x=x)\nreturn 1", "out_of_fuel"),
    ("x = [[]]\nx[0].append(x)\nreturn x.index([x])", "depth"),
    ("s = 'a' * 1000000\nreturn s.count('a' * 500000 + 'b')", "out_of_fuel"),
    ("s = 'a' * 1000000\nn = 0\nwhile True:\n    n += len(s.split('a'))", "length"),
    ("points['a'] = Point(1, name='x' * 100000)\nreturn 1", "length"),
    ("points['k' * 1000] = Point(1)\nreturn 1", "length"),
    ("emit('A', x='y' * 100000)\nreturn 1", "length"),
    # Integers.
    ("return 2**256", "overflow"),
    ("return 10**10**10", "overflow"),
    ("x = 2\nwhile True:\n    x = x * x", "overflow"),
    ("return 1 << 10**9", "overflow"),
    ("return 1 << -1", "value"),
    ("return 2 ** -1", "value"),
    ("return pow(2, 10**9)", "overflow"),
    ("return ~(2**255 + (2**255 - 1))", "overflow"),
    ("x = 2**255 + (2**255 - 1)\nreturn x + True", "overflow"),
    ("return int('9' * 80)", "overflow"),
    ("return int('9' * 5000)", "value"),
    ("return int('１２')", "value"),
    ("return int('1_0')", "value"),
    ("return int(' 1')", "value"),
    ("return 1 // 0", "division_by_zero"),
    ("return 1 % 0", "division_by_zero"),
    ("return mul_div(1, 1, 0)", "division_by_zero"),
    ("return mul_div(2**200, 2**200, 1)", "overflow"),
    # Types and dispatch.
    ("return 1 + 'a'", "type"),
    ("return 'a' < 1", "type"),
    ("s = 's'\nreturn s % 1", "type"),
    ("x = 5\nreturn x.append(1)", "type"),
    ("x = [1]\nreturn x.x", "type"),
    ("x = [1]\nx.x = 1\nreturn 1", "type"),
    ("return 'a'.append('b')", "type"),
    ("return len(5)", "type"),
    ("return str([1])", "type"),
    ("p = Point(1)\nreturn f'{p}'", "type"),
    ("return f'{None}'", "type"),
    ("return sum(['a'])", "type"),
    ("return sorted([1, 'a'])[0]", "type"),
    ("return sorted([[1], [2]])[0]", "type"),
    ("return sorted([(1, 'a'), ('a', 1)])[0][0]", "type"),
    ("return sorted([None, 1])[0]", "type"),
    ("return max([Point(1), Point(2)]).x", "type"),
    ("return Point(1) < Point(2)", "type"),
    ("for x in 5:\n    pass\nreturn 1", "type"),
    ("for x in Point(1):\n    pass\nreturn 1", "type"),
    ("a, b = Point(1)\nreturn 1", "type"),
    ("xs = [1]\nreturn xs['a']", "type"),
    ("xs = [1]\nreturn xs[True]", "type"),
    ("t = (1, 2)\nt[0] = 5\nreturn 1", "type"),
    ("return 1 in 'abc'", "type"),
    # Codes.
    ("return [1][5]", "index"),
    ("return [1][2**200]", "index"),
    ("return {'a': 1}['b']", "key"),
    ("return points['nope'].x", "key"),
    ("del points['nope']\nreturn 1", "key"),
    ("return [].pop()", "index"),
    ("return max([])", "value"),
    ("a, b = [1, 2, 3]\nreturn 1", "value"),
    ("if 1 > 2:\n    x = 1\nreturn x", "unbound"),
    ("while 1 > 2:\n    x = 1\nreturn [x for y in [1]][0]", "unbound"),
    ("return [1].index(2)", "value"),
    ("return 'É'.lower()", "ascii"),
    ("return '١'.isdigit()", "ascii"),
    ("return '\\u3000a'.strip()", "ascii"),
    ("return b'\\xff'.decode()", "value"),
    ("require(1 > 2, 'too_small', 'one is not more than two')\nreturn 1", "too_small"),
    ("fail('nope')", "nope"),
    ("return 'text'", "argument"),
    ("return True", "argument"),
    ("return None", "argument"),
    ("counts['a'] = 1\nreturn 1", "argument"),
    ("counts[1] = 'a'\nreturn 1", "argument"),
    ("points['a'] = Line([])\nreturn 1", "argument"),
    ("points['a'] = Point('text')\nreturn 1", "argument"),
    ("return Amount(-1)", "value"),
    ("return Amount(2**127)", "value"),
    ("ledger.transfer(Asset('EUR'), ctx.sender, ctx.sender, -1, 'p')\nreturn 1", "argument"),
    ("emit('A', x=2**64)\nreturn 1", "overflow"),
    ("emit('A', x={'a': 1})\nreturn 1", "type"),
    # Hash collisions and keys.
    ("d = {}\nfor i in range(100):\n    d[i * (2**61 - 1)] = i\nreturn 1", "key_type"),
    ("d = {}\nd[(1, 2)] = 3\nreturn 1", "key_type"),
    ("d = {}\nd[[1]] = 3\nreturn 1", "key_type"),
    ("d = {None: 1}\nreturn 1", "key_type"),
    ("return 1 if 'x' * 2000 in {'a': 1} else 0", "key_type"),
    ("s = 'x' * 1000000\nd = {}\nwhile True:\n    d[(s + 'y', 1)] = 1", "key_type"),
    ("d = {Point(1): 1}\nreturn 1", "key_type"),
    ("d = {}\nd[((1,),)] = 1\nreturn 1", "key_type"),
    # Containers that change under a loop.
    ("xs = [1, 2]\nfor x in xs:\n    xs.append(x)\nreturn 1", "mutated_while_iterating"),
    ("d = {'a': 1}\nfor k in d:\n    d[k + 'b'] = 1\nreturn 1", "mutated_while_iterating"),
    ("d = {'a': 1, 'b': 2}\nfor k, v in d.items():\n    del d[k]\nreturn 1", "mutated_while_iterating"),
    ("xs = [1, 2]\nfor i, x in enumerate(xs):\n    xs.pop()\nreturn 1", "mutated_while_iterating"),
    ("xs = [1, 2]\nreturn sum([grow(xs) for x in xs])", "mutated_while_iterating"),
    ("xs = [3, 1, 2]\nxs.sort(key=lambda n: grow(xs))\nreturn 1", "mutated_while_iterating"),
    ("return 1 if 1 is None else RATE // 0", "division_by_zero"),
    ("xs = [3, 1, 2]\nreturn 1 if any(grow(xs) > 5 for x in xs) else 0", "mutated_while_iterating"),
]
"""(body, code that ends it)."""


def outcome(source: bytes, fuel: int = FUEL) -> tuple[str, Any, int]:
    """How ``main`` of a contract ends: (ok | code | refused, result or rules, fuel used)."""
    try:
        compiled = compile_contract(source)
    except Refused as refusal:
        return "refused", sorted({finding.rule for finding in refusal.findings}), 0
    meter, host = Meter(fuel), MemoryHost()
    host.meter = meter
    try:
        result = run(compiled, "main", [], host, meter)
    except ContractError as error:
        return error.code, None, meter.used
    except OutOfFuel:
        return "out_of_fuel", None, meter.used
    return "ok", result, meter.used


def main() -> None:
    """Prints every program's outcome, one JSON line each."""
    for returns, body, _ in HONEST:
        print(json.dumps(outcome(module(body, returns)), default=bytes.hex))
    for body, _ in STOPPED:
        print(json.dumps(outcome(module(body))))
    for body, _ in REFUSED:
        print(outcome(module(body))[0])
    for text, _ in REFUSED_MODULES:
        print(outcome(text.encode())[0])


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.1f} s", file=sys.stderr)
