# ruff: noqa: E501
"""Each operator, builtin and method on values of every type, right and wrong: both implementations do the same.

What an operation gives is passed to a contract that does not exist: the world keeps what it was asked, whatever type it
is of.
"""

import itertools
import random
from collections import Counter

import pytest

from contracts.language import compile_contract
from contracts.language.vocabulary import BUILTINS, EXPORT_CALLS, METHODS
from tests.contracts.language.comparison import MAIN, compiled, observe
from tests.contracts.language.programs import PRELUDE
from tests.contracts.language.reference_interpreter import keep
from tests.contracts.language.reference_interpreter import run as run_reference

SAMPLE = 900
ACTIONS = 300
VALUES = (
    "None", "True", "False", "0", "1", "-1", "3", "-300", "2**63", "2**64", "-(2**255)", "2**255 + (2**255 - 1)", "''", "'a'", "'ab a'",
    "'-12'", "'é世'", "' x\\n'", "'k' * 100", "'6869'", "b''", "b'a'", "b'\\xff\\x00'", "b'k' * 70", "[]", "[1, 2]", "[3, 1, True]", "['b', 'a']",
    "[[1], [0]]", "[None]", "['a', b'a']", "[(1, 'b'), (1, 'a')]", "[('k', 1)]", "()", "(1,)", "(1, 'a')", "('a', 'b')", "{}", "{'a': 1}", "{1: 2, 0: 5}", "{'k': [1]}",
    "{(1, 'a'): None}", "{i: i for i in range(9)}", "Point(1)", "Point(1, 2, 'n')", "Line([Point(1)])", "[Point(2), Point(1)]", "range(3)", "range(5, 0, -2)",
    "range(2**70)", "[0] * 40", "ctx.sender", "RATE", "PAIR",
)
BINARY = ("+", "-", "*", "//", "%", "**", "<<", ">>", "&", "|", "^")
COMPARED = ("==", "!=", "<", "<=", ">", ">=", "in", "not in")
AUGMENTED = ("+=", "-=", "*=", "//=", "|=")
ROUNDED = {"mul_div": 3, "div_round": 2, "round_to": 2}


def _operations(source: random.Random) -> list[str]:
    """Bodies that leave what they come to in ``x``."""

    def some(count: int) -> list[str]:
        return source.sample(VALUES, count)

    bodies = [f"a = {a}\nb = {b}\nx = a {operator} b" for operator in (*BINARY, *COMPARED) for a, b in itertools.product(some(30), some(18))]
    bodies += [f"x = {a}\nb = {b}\nx {operator} b" for operator in AUGMENTED for a, b in itertools.product(some(25), some(14))]
    bodies += [f"a = {a}\nx = {operator}a" for operator in ("-", "+", "~", "not ") for a in VALUES]
    bodies += [f"a = {a}\nb = {b}\nx = a[b]" for a, b in itertools.product(VALUES, some(14))]
    bodies += [f"x = {a}\nb = {b}\nx[b] = {c}" for a, b, c in itertools.product(some(25), some(12), some(1))]
    bodies += [f"x = {a}\nb = {b}\ndel x[b]" for a, b in itertools.product(some(25), some(14))]
    bodies += [f"a = {a}\nx = a[{low}:{high}:{step}]" for a, low, high, step in itertools.product(VALUES, ("", "1", "-2", "2**70"), ("", "2", "-1", "a"), ("", "-1", "2"))]
    bodies += [f"a = {a}\nx = [v for v in a]\nfor v in a:\n    x.append(v)" for a in VALUES]
    bodies += [f"a = {a}\nx = []\nfor i, v in {walk}:\n    x.append((i, v))" for a in VALUES for walk in ("a.items()", "enumerate(a)", "enumerate(a, 2)", "a", "zip(a, a)")]
    bodies += [f"a = {a}\np, q = a\nx = (p, q)" for a in VALUES]
    bodies += [f"a = {a}\nx = f'{{a{spec}}}'" for a in VALUES for spec in ("", ":d", ":x", ":>8", ":08d", ":*^9", ":<3")]
    for name, arity in BUILTINS.items():
        for count in range(arity.least, min(arity.most, 3) + 1):
            for arguments in [some(count) for _ in range(40)]:
                bodies.append(f"x = {name}({', '.join(arguments)})")
        for keyword in arity.keywords:
            wanted = ("lambda v: v", "len", "lambda v: (len(v), v)", "twice", "lambda v: None") if keyword == "key" else VALUES[:6]
            bodies += [f"x = {name}({a}, {keyword}={given})" for a in VALUES for given in wanted]
    for name, arity in METHODS.items():
        for count in range(arity.least, arity.most + 1):
            bodies += [f"x = {a}\nx2 = x.{name}({', '.join(some(count))})\nx = (x, x2)" for a in VALUES for _ in range(2 + 3 * count)]
    for name in ("Address", "Asset", "Amount", "sha256", "from_hex"):
        bodies += [f"x = {name}({a})" for a in VALUES]
    for name, count in ROUNDED.items():
        assert name in EXPORT_CALLS
        bodies += [f"x = {name}({', '.join(some(count))}, '{rounding}')" for rounding in ("up", "down", "half_even", "half_up", "floor", "ceiling") for _ in range(25)]
        numbers = ("0", "1", "-1", "3", "-7", "10", "2**100", "-(2**255)")
        bodies += [f"x = {name}({', '.join(source.choices(numbers, k=count))}, '{rounding}')" for rounding in ("up", "down", "half_even", "half_up", "floor", "ceiling") for _ in range(25)]
    for written in ("counts[a] = b", "counts[a] += b", "points[a] = b", "lines[a, b] = Line([])", "book[a, b] = 1", "total.set(a)", "owner.set(b)", "emit('E', a=a, b=b)",
                    "ledger.transfer(a, ctx.sender, b, 1, 'p')", "ledger.journal([(a, b, 1)], 'p')", "require(a, 'no', b)", "x = book.ascending(a, start=b)",
                    "x = book.descending(5, a, b)", "x = points.get(a, b)", "x = a in counts", "x = call(a, b)", "del book[a, b]", "x = (a if b else b)", "x = a and b or a",
                    "book[1, 'a'] = 7\nx = book.ascending(3, a, b)", "n: int = call('hsa1none', 'm', a, b)", "x = Point(a, b)", "p = Point(1)\np.name = a\npoints['q'] = p"):
        bodies += [f"a = {a}\nb = {b}\nx = None\n{written}" for a, b in itertools.product(some(22), some(10))]
    return bodies


def _compare(bodies: list[str]) -> Counter[str]:
    """How the bodies end, under both alike."""
    endings: Counter[str] = Counter()
    for at in range(0, len(bodies), ACTIONS):
        parts = [PRELUDE]
        for number, body in enumerate(bodies[at:at + ACTIONS]):
            lines = "\n".join("    " + line for line in f"{body}\ncall('hsa1none', 'kept', x)\nreturn 1".split("\n"))
            parts.append(f"@action\ndef op{number}() -> int:\n{lines}\n")
        text = "\n".join(parts).encode()
        keep(text, compile_contract(text).program)
        for number, body in enumerate(bodies[at:at + ACTIONS]):
            ours = observe(compiled, {MAIN: text}, f"op{number}", (), 100_000)
            assert ours == observe(run_reference, {MAIN: text}, f"op{number}", (), 100_000), body
            endings[ours[0]] += 1
    return endings


def test_a_sample_of_operations_agrees() -> None:
    source = random.Random(1)
    endings = _compare(source.sample(_operations(source), SAMPLE))
    assert endings["no_contract"] > SAMPLE // 10
    assert len(endings) > 10


@pytest.mark.full
def test_every_operation_agrees() -> None:
    bodies = _operations(random.Random(2))
    assert len(bodies) > 20_000
    assert _compare(bodies)["no_contract"] > 3_000
