"""The price table: what each construct costs, in units of fuel. Consensus: a change is a new version (``versions``).

One unit is about 10 ns of work on the machine where prices were measured (``./scripts/bench contracts`` measures them
again). ``nodes`` prices the syntax tree; the rest is paid by the guarded helpers, by the size of what they work on.
A price named ``…_shift`` is a power of two: one unit for each ``2 ** shift``.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from contracts.language.kernel_interface import LEDGER_FUNCTIONS


@dataclass(frozen=True, slots=True)
class Prices:
    """One schedule. Every number is in units of fuel."""

    nodes: Mapping[type[ast.AST], int]
    """Syntax node → units, each time its block is entered. Operators, contexts and arguments cost nothing."""
    function: int
    """Entering a contract's function."""
    step: int
    """One turn of a loop or comprehension."""
    display_item: int
    """One element of a list or tuple display."""
    dict_item: int
    """One entry of a dict display or dict comprehension."""
    item: int
    """One element copied or walked by a helper."""
    measure: int
    """One node visited to price a comparison."""
    convert: int
    """One element checked and copied across the seam to the ledger."""
    method: int
    """A method of a text, or ``int`` of one, besides its call."""
    lookup: int
    """Looking a key up in a dict, or a pattern in a text, once for each operation."""
    probe_shift: int
    """Looking a number up in a dict costs one unit for each 4 entries: the author knows its hash, and can choose the
    others so that the lookup passes all of them (measured: 3.3 ns each). Texts have secret hashes."""
    move_shift: int
    """Elements that an insertion into or a deletion from a list moves."""
    sort: int
    """One comparison of a sort; n·log2(n) of them are charged."""
    call_back: int
    """One call of what stands after ``key=``, besides its own price."""
    text_shift: int
    """Characters or bytes copied or compared."""
    pass_shift: int
    """Characters that a method looks at one by one."""
    split_character: int
    """A character of a text split at blanks."""
    search_shift: int
    """Characters of a text times characters of the pattern searched in it, from the left."""
    search_back_shift: int
    """The same from the right, where CPython has no better way."""
    power: int
    """``**`` and ``pow`` of two."""
    power_modulo: int
    """``pow`` of three."""
    mul_div: int
    """``mul_div``, ``div_round`` and ``round_to``."""
    hash: int
    """``sha256``, besides what it hashes."""
    hash_byte_shift: int
    message: int
    """``fail``, and a ``require`` that fails."""
    storage_read: int
    storage_write: int
    storage_byte_shift: int
    """Bytes of a value that is stored, read, emitted, passed or returned."""
    order_key: int
    """A key of an ordered map brought into its ordered form, or back."""
    order_entry: int
    """An entry of a page of an ordered map's index, when the page is read or written."""
    emit: int
    cross_call: int
    """``call``, besides what the other contract does."""
    argument: int
    """Entering a method from outside, and each of its arguments."""
    deploy: int
    """Deploying a contract, besides its source."""
    deploy_byte: int
    """A byte of its source."""
    ledger: Mapping[str, int]
    """Kernel function → units, before the kernel is entered."""


_NODES_1: Final[dict[type[ast.AST], int]] = {
    ast.Constant: 1, ast.Name: 1, ast.Attribute: 3, ast.Subscript: 14, ast.Slice: 30, ast.Starred: 0,
    ast.BinOp: 12, ast.UnaryOp: 8, ast.BoolOp: 2, ast.Compare: 12, ast.IfExp: 2, ast.Call: 20, ast.keyword: 4,
    ast.List: 6, ast.Tuple: 4, ast.Dict: 30, ast.JoinedStr: 45, ast.FormattedValue: 32, ast.Lambda: 8,
    ast.ListComp: 30, ast.DictComp: 60, ast.GeneratorExp: 40,
    ast.Assign: 2, ast.AnnAssign: 2, ast.AugAssign: 14, ast.Delete: 14, ast.Expr: 1, ast.Return: 2, ast.If: 2,
    ast.For: 40, ast.While: 4, ast.Pass: 1, ast.Break: 1, ast.Continue: 1,
}

PRICES_1: Final = Prices(
    nodes=_NODES_1, function=20, step=6, display_item=4, dict_item=20, item=4, measure=16, convert=30, method=40,
    lookup=16, probe_shift=2, move_shift=4, sort=6, call_back=10, text_shift=5, pass_shift=2, split_character=1,
    search_shift=9, search_back_shift=4, power=20, power_modulo=20_000, mul_div=40, hash=60, hash_byte_shift=3,
    message=50, storage_read=200, storage_write=400, storage_byte_shift=2, order_key=100, order_entry=40, emit=200,
    cross_call=1_000, argument=20, deploy=20_000, deploy_byte=400,
    ledger={name: signature.fuel for name, signature in LEDGER_FUNCTIONS.items()},
)
"""The first schedule."""
