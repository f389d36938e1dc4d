"""Fuel: the meter, and the static price of a piece of checked source by a table of ``prices``.

A block of straight-line code is charged once, before it runs, with the sum of its nodes' prices (``block_price``);
what depends on the size of operands is charged by the guarded helpers, again before the work.

Blocks: a function's body, each branch of an ``if``, each loop body is one block. A block's price is paid whole on
entry, whichever way it is left. A loop's body pays for the step, and for its ``while`` test, again on each turn. An
expression is paid for whole, whichever operand of ``and``, ``or`` or ``… if … else …`` runs.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.language.faults import ContractError, OutOfFuel
from contracts.language.prices import PRICES_1, Prices

MEMORY_BYTES_MAX: Final = 64 * 1024 * 1024
"""What one transaction may allocate in all, by the abstract counter; nothing is ever given back."""
CALL_DEPTH_MAX: Final = 64

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

    __slots__ = ("depth", "fuel", "left", "memory", "prices")

    def __init__(self, fuel: int, memory: int = MEMORY_BYTES_MAX) -> None:
        self.fuel = fuel
        self.left = fuel
        self.memory = memory
        self.depth = 0
        self.prices = PRICES_1
        """Those of the running contract's version."""

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


def _display(node: ast.AST, prices: Prices) -> Price:
    if isinstance(node, ast.List | ast.Tuple) and isinstance(node.ctx, ast.Load):
        return Price(len(node.elts) * prices.display_item, LIST_BYTES + SLOT_BYTES * len(node.elts))
    if isinstance(node, ast.Dict):
        return Price(len(node.keys) * prices.dict_item, DICT_BYTES + DICT_ITEM_BYTES * len(node.keys))
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.Call):
        return Price(0, ITEM_BYTES)
    return Price()


def expression_price(node: ast.AST | None, prices: Prices) -> Price:
    """What one evaluation costs, without the turns of comprehensions and the bodies of lambdas in it."""
    if node is None or isinstance(node, ast.arguments | ast.arg):
        return Price()
    total = Price(prices.nodes.get(type(node), 0)) + _display(node, prices)
    if isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp):
        return total + Price(0, LIST_BYTES) + expression_price(node.generators[0].iter, prices)
    if isinstance(node, ast.Lambda):
        return total
    for child in ast.iter_child_nodes(node):
        total += expression_price(child, prices)
    return total


def turn_price(node: ast.ListComp | ast.DictComp | ast.GeneratorExp, index: int, prices: Prices) -> Price:
    """What each element of a comprehension's ``index``-th iterable costs; paid for all of them before the first."""
    generator = node.generators[index]
    total = Price(prices.step) + expression_price(generator.target, prices)
    for condition in generator.ifs:
        total += expression_price(condition, prices)
    if index + 1 < len(node.generators):
        return total + expression_price(node.generators[index + 1].iter, prices)
    if isinstance(node, ast.DictComp):
        pair = expression_price(node.key, prices) + expression_price(node.value, prices)
        return total + pair + Price(prices.dict_item, DICT_ITEM_BYTES)
    return total + expression_price(node.elt, prices) + Price(0, ITEM_BYTES)


def statement_price(node: ast.stmt, prices: Prices) -> Price:
    """One statement without the blocks in it."""
    total = Price(prices.nodes[type(node)]) + _display(node, prices)
    for name, value in ast.iter_fields(node):
        if name in ("body", "orelse", "annotation"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                total += expression_price(child, prices)
    return total


def block_price(body: Sequence[ast.stmt], prices: Prices) -> Price:
    """A block: its statements, each once."""
    total = Price()
    for statement in body:
        total += statement_price(statement, prices)
    return total


def loop_price(node: ast.For | ast.While, prices: Prices) -> Price:
    """One turn of a loop: the step, its test or target, and its body."""
    head = node.test if isinstance(node, ast.While) else node.target
    return Price(prices.step) + expression_price(head, prices) + block_price(node.body, prices)
