"""A checked contract, as the checker hands it to the compiler: what is declared, and each function's tree."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.language.annotations import DeclaredType, RecordType

Frozen = Any
"""A module constant: None, bool, int, str, bytes, or a tuple of these."""


@dataclass(frozen=True, slots=True)
class StorageField:
    """A declared ``Map``, ``OrderedMap`` or ``Value``. ``key`` is None for a value; ``default`` is for a value only."""

    name: str
    key: tuple[DeclaredType, ...] | None
    value: DeclaredType
    default: Frozen = None
    is_ordered: bool = False

    @property
    def form(self) -> str:
        """The name under which it is declared."""
        return "Value" if self.key is None else "OrderedMap" if self.is_ordered else "Map"


@dataclass(frozen=True, slots=True)
class Function:
    """One function. ``kind`` is action, unwind, query, invariant or helper; a helper's types may be None."""

    name: str
    kind: str
    node: ast.FunctionDef
    parameters: tuple[tuple[str, DeclaredType | None], ...]
    defaults: tuple[Frozen, ...]
    returns: DeclaredType | None
    document: str = ""


@dataclass(slots=True)
class Effects:
    """What one function's own body does: the helpers it calls, and the first place where it changes state."""

    calls: list[str] = field(default_factory=list)
    writes: ast.AST | None = None


@dataclass(slots=True)
class Program:
    """Everything a module declares, in order of declaration."""

    document: str = ""
    imports: list[str] = field(default_factory=list)
    records: dict[str, RecordType] = field(default_factory=dict)
    constants: dict[str, Frozen] = field(default_factory=dict)
    storage: dict[str, StorageField] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    effects: dict[str, Effects] = field(default_factory=dict)

    @property
    def field_names(self) -> Mapping[str, None]:
        """Every declared record field."""
        return {item.name: None for record in self.records.values() for item in record.fields}

    def declares(self, name: str) -> bool:
        return name in self.records or name in self.constants or name in self.storage or name in self.functions
