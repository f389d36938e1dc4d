"""The reference interpreter's own reading of docs/contracts/fuel.md: what a block of source pays on entry.

Only the price table is shared with the language (``contracts.language.fuel``'s constants); how the prices of a tree add
up is written here a second time, so that a slip on either side shows as a difference of fuel.
"""

import ast
from collections.abc import Sequence

from contracts.language import fuel
from contracts.language.prices import PRICES_1

Cost = tuple[int, int]
"""Units of fuel, bytes of memory."""
Comprehension = ast.ListComp | ast.DictComp | ast.GeneratorExp


def plus(*costs: Cost) -> Cost:
    return sum(cost[0] for cost in costs), sum(cost[1] for cost in costs)


def own(node: ast.AST) -> Cost:
    """What the node itself pays, its parts apart."""
    units = PRICES_1.nodes.get(type(node), 0)
    if isinstance(node, ast.List | ast.Tuple) and isinstance(node.ctx, ast.Load):
        count = len(node.elts)
        return units + count * PRICES_1.display_item, fuel.LIST_BYTES + count * fuel.SLOT_BYTES
    if isinstance(node, ast.Dict):
        count = len(node.values)
        return units + count * PRICES_1.dict_item, fuel.DICT_BYTES + count * fuel.DICT_ITEM_BYTES
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.Call):
        return units, fuel.ITEM_BYTES
    if isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp):
        return units, fuel.LIST_BYTES
    return units, 0


def expression(node: ast.AST | None) -> Cost:
    """An expression with all its parts; of a comprehension the first iterable only, of a lambda nothing more."""
    if node is None:
        return 0, 0
    if isinstance(node, ast.Lambda):
        return own(node)
    if isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp):
        return plus(own(node), expression(node.generators[0].iter))
    return plus(own(node), *[expression(part) for part in ast.iter_child_nodes(node)])


def turn(node: Comprehension, index: int) -> Cost:
    """One element of the ``index``-th iterable."""
    loop = node.generators[index]
    cost = plus((PRICES_1.step, 0), expression(loop.target), *map(expression, loop.ifs))
    if index < len(node.generators) - 1:
        return plus(cost, expression(node.generators[index + 1].iter))
    if isinstance(node, ast.DictComp):
        return plus(cost, expression(node.key), expression(node.value), (PRICES_1.dict_item, fuel.DICT_ITEM_BYTES))
    return plus(cost, expression(node.elt), (0, fuel.ITEM_BYTES))


def statement(node: ast.stmt) -> Cost:
    """A statement without the blocks inside it and without its annotation."""
    parts: list[ast.expr | None]
    match node:
        case ast.Expr(value=value):
            parts = [value]
        case ast.Return():
            parts = [node.value]
        case ast.Assign(targets=targets, value=value):
            parts = [*targets, value]
        case ast.AnnAssign():
            parts = [node.target, node.value]
        case ast.AugAssign(target=target, value=value):
            parts = [target, value]
        case ast.Delete(targets=targets):
            parts = list(targets)
        case ast.If(test=test) | ast.While(test=test):
            parts = [test]
        case ast.For(target=target, iter=iterable):
            parts = [target, iterable]
        case ast.Pass() | ast.Break() | ast.Continue():
            parts = []
        case _:
            raise AssertionError(type(node))
    return plus(own(node), *map(expression, parts))


def block(body: Sequence[ast.stmt]) -> Cost:
    return plus((0, 0), *map(statement, body))


def loop_body(node: ast.For | ast.While) -> Cost:
    """One turn of a loop: the step, the target or the test again, the body."""
    head = node.target if isinstance(node, ast.For) else node.test
    return plus((PRICES_1.step, 0), expression(head), block(node.body))


def function(node: ast.FunctionDef) -> Cost:
    return plus((PRICES_1.function, 0), block(node.body))
