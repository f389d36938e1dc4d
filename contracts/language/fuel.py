"""Fuel: the price table, the meter, and the static price of a piece of checked source.

One unit is about 10 ns of work on the machine where prices were measured. A block of straight-line code is
charged once, before it runs, with the sum of its nodes' prices (``block_price``); what depends on the size of operands
is charged by the guarded helpers, again before the work. Prices are consensus: any change is a new ``COST_VERSION``.

Blocks: a function's body, each branch of an ``if``, each loop body is one block. A block's price is paid whole on
entry, whichever way it is left. A loop's body pays for the step, and for its ``while`` test, again on each turn. An
expression is paid for whole, whichever operand of ``and``, ``or`` or ``… if … else …`` runs.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.language.faults import ContractError, OutOfFuel

COST_VERSION: Final = 1
MEMORY_BYTES_MAX: Final = 64 * 1024 * 1024
"""What one transaction may allocate in all, by the abstract counter; nothing is ever given back."""
CALL_DEPTH_MAX: Final = 64

NODE_FUEL: Final[dict[type[ast.AST], int]] = {
    ast.Constant: 1, ast.Name: 1, ast.Attribute: 3, ast.Subscript: 14, ast.Slice: 14, ast.Starred: 0,
    ast.BinOp: 12, ast.UnaryOp: 8, ast.BoolOp: 2, ast.Compare: 12, ast.IfExp: 2, ast.Call: 20, ast.keyword: 4,
    ast.List: 6, ast.Tuple: 4, ast.Dict: 30, ast.JoinedStr: 30, ast.FormattedValue: 20, ast.Lambda: 8,
    ast.ListComp: 30, ast.DictComp: 60, ast.GeneratorExp: 40,
    ast.Assign: 2, ast.AnnAssign: 2, ast.AugAssign: 14, ast.Delete: 14, ast.Expr: 1, ast.Return: 2, ast.If: 2,
    ast.For: 40, ast.While: 4, ast.Pass: 1, ast.Break: 1, ast.Continue: 1,
}
"""Node → units. Operators, contexts and arguments cost nothing of their own."""

FUNCTION_FUEL: Final = 20
"""Entering a contract's function."""
STEP_FUEL: Final = 6
"""One turn of a loop or comprehension."""
DISPLAY_ITEM_FUEL: Final = 4
DICT_ITEM_FUEL: Final = 20
ITEM_FUEL: Final = 4
"""One element copied, compared or walked by a helper."""
MEASURE_FUEL: Final = 12
"""One node visited to price a comparison."""
CONVERT_FUEL: Final = 30
"""One element checked and copied across the seam to the ledger."""
METHOD_FUEL: Final = 20
"""A method of a text, besides its call."""
PROBE_SHIFT: Final = 2
"""Looking a number up in a dict costs one unit for each 4 entries: the author knows its hash, and can choose the
others so that the lookup passes all of them (measured: 3.3 ns each). Texts have secret hashes."""
SORT_FUEL: Final = 6
"""One comparison of a sort; n·log2(n) of them are charged."""
TEXT_SHIFT: Final = 5
"""Text and bytes cost one unit for each 32 characters touched."""
CALL_BACK_FUEL: Final = 10
STORAGE_READ_FUEL: Final = 200
STORAGE_WRITE_FUEL: Final = 400
STORAGE_BYTE_SHIFT: Final = 2
"""A stored, emitted or passed value costs one unit for each 4 bytes, besides."""
EMIT_FUEL: Final = 200
CROSS_CALL_FUEL: Final = 1_000
MESSAGE_FUEL: Final = 50
HASH_FUEL: Final = 60
HASH_BYTE_SHIFT: Final = 3
DEPLOY_FUEL: Final = 20_000
DEPLOY_BYTE_FUEL: Final = 400
ARGUMENT_FUEL: Final = 20

LIST_BYTES: Final = 64
SLOT_BYTES: Final = 8
DICT_BYTES: Final = 128
DICT_ITEM_BYTES: Final = 104
ITEM_BYTES: Final = 48
"""One element made by a helper or comprehension: its slot and a small value."""
TEXT_BYTES: Final = 56
RECORD_BYTES: Final = 64


class Meter:
    """What one transaction has left. Shared by nested calls; nothing is given back."""

    __slots__ = ("depth", "fuel", "left", "memory")

    def __init__(self, fuel: int, memory: int = MEMORY_BYTES_MAX) -> None:
        self.fuel = fuel
        self.left = fuel
        self.memory = memory
        self.depth = 0

    @property
    def used(self) -> int:
        """Units spent, never more than the limit."""
        return self.fuel - max(self.left, 0)

    def charge(self, fuel: int) -> None:
        """Pays ``fuel`` units before work. Raises: OutOfFuel, now and at each later charge."""
        self.left -= fuel
        if self.left < 0:
            raise OutOfFuel

    def allocate(self, size: int) -> None:
        """Counts ``size`` bytes. Raises: ContractError (memory), now and at each later allocation."""
        self.memory -= size
        if self.memory < 0:
            raise ContractError("memory")


def exhausted(meter: Meter) -> None:
    """Ends the call by whichever of fuel and memory ran out; fuel first."""
    if meter.left < 0:
        raise OutOfFuel
    raise ContractError("memory")


@dataclass(frozen=True, slots=True)
class Price:
    """Static price: units of fuel, bytes of memory."""

    fuel: int = 0
    memory: int = 0

    def __add__(self, other: "Price") -> "Price":
        return Price(self.fuel + other.fuel, self.memory + other.memory)


def _display(node: ast.AST) -> Price:
    if isinstance(node, ast.List | ast.Tuple) and isinstance(node.ctx, ast.Load):
        return Price(len(node.elts) * DISPLAY_ITEM_FUEL, LIST_BYTES + SLOT_BYTES * len(node.elts))
    if isinstance(node, ast.Dict):
        return Price(len(node.keys) * DICT_ITEM_FUEL, DICT_BYTES + DICT_ITEM_BYTES * len(node.keys))
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.Call):
        return Price(0, ITEM_BYTES)
    return Price()


def expression_price(node: ast.AST | None) -> Price:
    """What one evaluation costs, without the turns of comprehensions and the bodies of lambdas in it."""
    if node is None or isinstance(node, ast.arguments | ast.arg):
        return Price()
    total = Price(NODE_FUEL.get(type(node), 0)) + _display(node)
    if isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp):
        return total + Price(0, LIST_BYTES) + expression_price(node.generators[0].iter)
    if isinstance(node, ast.Lambda):
        return total
    for child in ast.iter_child_nodes(node):
        total += expression_price(child)
    return total


def turn_price(node: ast.ListComp | ast.DictComp | ast.GeneratorExp, index: int) -> Price:
    """What each element of a comprehension's ``index``-th iterable costs; paid for all of them before the first."""
    generator = node.generators[index]
    total = Price(STEP_FUEL) + expression_price(generator.target)
    for condition in generator.ifs:
        total += expression_price(condition)
    if index + 1 < len(node.generators):
        return total + expression_price(node.generators[index + 1].iter)
    if isinstance(node, ast.DictComp):
        pair = expression_price(node.key) + expression_price(node.value)
        return total + pair + Price(DICT_ITEM_FUEL, DICT_ITEM_BYTES)
    return total + expression_price(node.elt) + Price(0, ITEM_BYTES)


def statement_price(node: ast.stmt) -> Price:
    """One statement without the blocks in it."""
    total = Price(NODE_FUEL[type(node)]) + _display(node)
    for name, value in ast.iter_fields(node):
        if name in ("body", "orelse", "annotation"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                total += expression_price(child)
    return total


def block_price(body: Sequence[ast.stmt]) -> Price:
    """A block: its statements, each once."""
    total = Price()
    for statement in body:
        total += statement_price(statement)
    return total


def loop_price(node: ast.For | ast.While) -> Price:
    """One turn of a loop: the step, its test or target, and its body."""
    head = node.test if isinstance(node, ast.While) else node.target
    return Price(STEP_FUEL) + expression_price(head) + block_price(node.body)
