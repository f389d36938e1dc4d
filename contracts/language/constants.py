"""Module constants, worked out once when a contract is compiled: bounded integers, texts, and tuples of them."""

import ast
from collections.abc import Callable, Mapping
from typing import Any, Final

from contracts.language.annotations import DeclaredType
from contracts.language.faults import ContractError
from contracts.language.integers import INTEGER_BITS_MAX, bounded, power, shift_left, shift_right
from contracts.language.program import Frozen

ADDRESS_CHARACTERS_MAX: Final = 128
AMOUNT_BITS_MAX: Final = 127
"""An amount fits a signed 128-bit integer with room to add."""


class NotConstant(Exception):
    """The expression is no constant of the language."""

    def __init__(self, node: ast.AST, reason: str) -> None:
        super().__init__(reason)
        self.node = node
        self.reason = reason


_BINARY: Final[dict[type[ast.operator], Callable[[int, int], int]]] = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: lambda a, b: a // b, ast.Mod: lambda a, b: a % b, ast.Pow: power,
    ast.LShift: shift_left, ast.RShift: shift_right, ast.BitAnd: lambda a, b: a & b,
    ast.BitOr: lambda a, b: a | b, ast.BitXor: lambda a, b: a ^ b,
}
_UNARY: Final[dict[type[ast.unaryop], Callable[[int], int]]] = {
    ast.USub: lambda a: -a, ast.UAdd: lambda a: a, ast.Invert: lambda a: ~a,
}


def literal_fault(value: object) -> str:
    """Why a literal is not a value of the language, or an empty text."""
    if value is None or type(value) in (bool, bytes):
        return ""
    if type(value) is int:
        return "" if value.bit_length() <= INTEGER_BITS_MAX else "an integer of more than 256 bits"
    if type(value) is str:
        if any(0xD800 <= ord(character) < 0xE000 for character in value):
            return "a text with half of a surrogate pair"
        return ""
    return f"{'...' if value is ... else 'a float or complex number'} is not a value of the language"


def constant_value(node: ast.expr, known: Mapping[str, Frozen]) -> Frozen:
    """What a constant expression is. Raises: NotConstant."""
    match node:
        case ast.Constant(value=value):
            if fault := literal_fault(value):
                raise NotConstant(node, fault)
            return value
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.Tuple(elts=elements):
            for element in elements:
                if isinstance(element, ast.Name) and type(known.get(element.id)) is tuple:
                    raise NotConstant(element, "a tuple inside a tuple is written out")
            return tuple(constant_value(element, known) for element in elements)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in ("Address", "Asset", "Amount"):
            value = constant_value(argument, known)
            if not conforms(value, DeclaredType(name)):
                raise NotConstant(node, f"the value is no {name}")
            return value
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _arithmetic(node, _BINARY[type(op)], constant_value(left, known), constant_value(right, known))
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _UNARY:
            return _arithmetic(node, _UNARY[type(sign)], constant_value(operand, known))
    raise NotConstant(node, "this is worked out when the contract runs; a constant is not")


def _arithmetic(node: ast.expr, operation: Callable[..., int], *operands: Any) -> int:
    if any(type(operand) is not int for operand in operands):
        raise NotConstant(node, "arithmetic in a constant is on integers only")
    try:
        return bounded(operation(*operands))
    except (ContractError, ZeroDivisionError):
        raise NotConstant(node, "the result is not an integer of 256 bits") from None


def conforms(value: Frozen, declared: DeclaredType) -> bool:
    """Whether a constant is of the declared type (only immutable types have constants)."""
    match declared.kind:
        case "none":
            return value is None
        case "optional":
            return value is None or conforms(value, declared.arguments[0])
        case "Amount":
            return type(value) is int and value >= 0 and value.bit_length() <= AMOUNT_BITS_MAX
        case "Address" | "Asset":
            return type(value) is str and len(value) <= ADDRESS_CHARACTERS_MAX and value.isascii()
        case "tuple":
            return (type(value) is tuple and len(value) == len(declared.arguments)
                    and all(conforms(item, part) for item, part in zip(value, declared.arguments, strict=True)))
        case "tuple_of":
            return type(value) is tuple and all(conforms(item, declared.arguments[0]) for item in value)
        case "int" | "bool" | "str" | "bytes":
            return type(value).__name__ == declared.kind
    return False
