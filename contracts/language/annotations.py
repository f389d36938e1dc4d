"""The fixed set of annotations, and the types they declare.

    int bool str bytes Address Asset Amount  ·  a record's name  ·  list[T]  dict[K, V]  tuple[A, B]  tuple[T, ...]  ·
    T | None  ·  None (as a return)

Types are finite trees (a record may only name records declared above it), so walking a value by its declared
type always ends.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

Literal: TypeAlias = None | bool | int | str | bytes

SCALARS: Final = ("int", "bool", "str", "bytes", "Address", "Asset", "Amount")
KEY_SCALARS: Final = ("int", "bool", "str", "bytes", "Address", "Asset", "Amount")
TYPE_DEPTH_MAX: Final = 8
KEY_PARTS_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record. ``default`` holds a literal in a 1-tuple, or nothing."""

    name: str
    type: "DeclaredType"
    default: tuple[Literal, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordType:
    """A declared record."""

    name: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class DeclaredType:
    """A declared type. ``kind`` is a scalar's name, or none, record, list, dict, tuple, tuple_of, optional."""

    kind: str
    arguments: tuple["DeclaredType", ...] = ()
    record: RecordType | None = None

    def __str__(self) -> str:
        inside = ", ".join(map(str, self.arguments))
        if self.kind == "optional":
            return f"{inside} | None"
        if self.kind == "tuple_of":
            return f"tuple[{inside}, ...]"
        if self.record is not None:
            return self.record.name
        return {"none": "None"}.get(self.kind, self.kind) + (f"[{inside}]" if inside else "")


class BadAnnotation(Exception):
    """Not one of the fixed set. ``node`` is where, the text says why."""

    def __init__(self, node: ast.expr, reason: str) -> None:
        super().__init__(reason)
        self.node = node
        self.reason = reason


def _depth(declared: DeclaredType) -> int:
    inside = declared.arguments
    if declared.record is not None:
        inside = tuple(field.type for field in declared.record.fields)
    return 1 + max((_depth(argument) for argument in inside), default=0)


def read_annotation(node: ast.expr, records: Mapping[str, RecordType]) -> DeclaredType:
    """The type that an annotation declares. Raises: BadAnnotation."""
    declared = _read(node, records)
    if _depth(declared) > TYPE_DEPTH_MAX:
        raise BadAnnotation(node, f"a type nested more than {TYPE_DEPTH_MAX} deep")
    return declared


def _read(node: ast.expr, records: Mapping[str, RecordType]) -> DeclaredType:
    if isinstance(node, ast.Constant) and node.value is None:
        return DeclaredType("none")
    if isinstance(node, ast.Name):
        if node.id in SCALARS:
            return DeclaredType(node.id)
        if node.id in records:
            return DeclaredType("record", record=records[node.id])
        raise BadAnnotation(node, f"'{node.id}' is not a type of the language or a record declared above")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        if not (isinstance(node.right, ast.Constant) and node.right.value is None):
            raise BadAnnotation(node, "the only union is 'T | None'")
        inner = _read(node.left, records)
        if inner.kind in ("optional", "none"):
            raise BadAnnotation(node, "None is named twice")
        return DeclaredType("optional", (inner,))
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        return _read_generic(node, node.value.id, records)
    raise BadAnnotation(node, "not an annotation of the language")


def _read_generic(node: ast.Subscript, name: str, records: Mapping[str, RecordType]) -> DeclaredType:
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if name == "tuple" and len(parts) == 2 and isinstance(parts[1], ast.Constant) and parts[1].value is ...:
        return DeclaredType("tuple_of", (_read(parts[0], records),))
    arguments = tuple(_read(part, records) for part in parts)
    if any(argument.kind == "none" for argument in arguments):
        raise BadAnnotation(node, "None alone is only a return type")
    if name == "list" and len(arguments) == 1:
        return DeclaredType("list", arguments)
    if name == "dict" and len(arguments) == 2:
        if arguments[0].kind not in KEY_SCALARS:
            raise BadAnnotation(node, "a stored dict's key is int, bool, str, bytes, Address, Asset or Amount")
        return DeclaredType("dict", arguments)
    if name == "tuple" and arguments:
        return DeclaredType("tuple", arguments)
    raise BadAnnotation(node, "generics are list[T], dict[K, V], tuple[A, B] and tuple[T, ...]")


def read_key(node: ast.expr) -> tuple[DeclaredType, ...]:
    """The parts of a map's key: one scalar, or a tuple of scalars. Raises: BadAnnotation."""
    declared = _read(node, {})
    parts = declared.arguments if declared.kind == "tuple" else (declared,)
    if any(part.kind not in KEY_SCALARS for part in parts) or len(parts) > KEY_PARTS_MAX:
        raise BadAnnotation(node, f"a map's key is a scalar or a tuple of at most {KEY_PARTS_MAX} scalars")
    return parts


def parse_annotation(text: str) -> DeclaredType:
    """The type that a table of ours writes down as text, e.g. the kernel's signatures."""
    return read_annotation(ast.parse(text, mode="eval").body, {})
