"""The ABI: JSON Schema (2020-12) of each method, and the way between JSON and plain values.

Integers are decimal strings, bytes are 0x-hex, records are objects by field name, tuples are arrays of fixed length, a
dict is an array of ``[key, value]`` (its order is part of it).
"""

import re
from typing import TYPE_CHECKING, Any, Final

from contracts.language.annotations import DeclaredType
from contracts.language.faults import ContractError
from contracts.language.fuel import Meter
from contracts.language.kernel_interface import Plain
from contracts.language.source import NUMBER_DIGITS_MAX
from contracts.language.values import read_integer, write_integer

if TYPE_CHECKING:
    from contracts.language.machine import Compiled, Method

_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
_HEX: Final = re.compile(r"0x(?:[0-9a-f]{2})*", re.ASCII)
_SCALARS: Final[dict[str, dict[str, Any]]] = {
    "int": {"type": "string", "pattern": "^-?(0|[1-9][0-9]*)$", "format": "int256"},
    "Amount": {"type": "string", "pattern": "^(0|[1-9][0-9]*)$", "format": "amount"},
    "bool": {"type": "boolean"},
    "str": {"type": "string"},
    "bytes": {"type": "string", "pattern": "^0x([0-9a-f]{2})*$", "format": "hex"},
    "Address": {"type": "string", "format": "address"},
    "Asset": {"type": "string", "format": "asset"},
    "none": {"type": "null"},
}


def schema(declared: DeclaredType) -> dict[str, Any]:
    """The JSON Schema of a declared type."""
    if declared.kind in _SCALARS:
        return dict(_SCALARS[declared.kind])
    if declared.record is not None:
        fields = declared.record.fields
        return {
            "type": "object", "title": declared.record.name, "additionalProperties": False,
            "properties": {field.name: schema(field.type) for field in fields},
            "required": [field.name for field in fields],
        }
    parts = [schema(argument) for argument in declared.arguments]
    if declared.kind == "optional":
        return {"anyOf": [parts[0], {"type": "null"}]}
    if declared.kind == "tuple":
        return {"type": "array", "prefixItems": parts, "items": False, "minItems": len(parts)}
    if declared.kind == "dict":
        return {"type": "array", "items": {"type": "array", "prefixItems": parts, "items": False, "minItems": 2}}
    return {"type": "array", "items": parts[0]}


def describe(compiled: "Compiled") -> dict[str, Any]:
    """Every method's schema."""
    return {
        "language": compiled.version.language,
        "cost_version": compiled.version.cost,
        "source_digest": "0x" + compiled.digest.hex(),
        "description": compiled.program.document,
        "actions": {name: _method(method) for name, method in compiled.actions.items()},
        "queries": {name: _method(method) for name, method in compiled.queries.items()},
        "unwinds": [name for name, method in compiled.actions.items() if method.unwinds],
        "invariants": list(compiled.invariants),
    }


def _method(method: "Method") -> dict[str, Any]:
    required = len(method.parameters) - len(method.defaults)
    return {
        "description": method.document,
        "params": [
            {"name": name, "required": index < required, "schema": schema(declared)}
            for index, (name, declared) in enumerate(method.parameters)
        ],
        "result": schema(method.returns),
    }


def from_json(declared: DeclaredType, value: Any) -> Plain:
    """A JSON value as plain, by its declared type. Raises: ContractError (argument)."""
    kind = declared.kind
    if kind in ("int", "Amount"):
        if type(value) is not str or len(value) > NUMBER_DIGITS_MAX or not _INTEGER.fullmatch(value):
            raise ContractError("argument", "an integer is a decimal string")
        return read_integer_plain(int(value))
    if kind == "bytes":
        if type(value) is not str or not _HEX.fullmatch(value):
            raise ContractError("argument", "bytes are lower-case 0x-hex")
        return bytes.fromhex(value[2:])
    if kind in ("bool", "none", "str", "Address", "Asset"):
        if type(value) is not {"bool": bool, "none": type(None)}.get(kind, str):
            raise ContractError("argument", f"{declared} expected")
        return value  # type: ignore[no-any-return]
    if kind == "optional":
        return None if value is None else from_json(declared.arguments[0], value)
    if declared.record is not None:
        fields = declared.record.fields
        if type(value) is not dict or set(value) != {field.name for field in fields}:
            raise ContractError("argument", f"{declared} is an object with exactly its fields")
        return [from_json(field.type, value[field.name]) for field in fields]
    if type(value) is not list:
        raise ContractError("argument", f"{declared} expected")
    if kind == "tuple":
        if len(value) != len(declared.arguments):
            raise ContractError("argument", f"{declared} expected")
        return [from_json(part, item) for part, item in zip(declared.arguments, value, strict=True)]
    if kind == "dict":
        return [from_json(DeclaredType("tuple", declared.arguments), pair) for pair in value]
    return [from_json(declared.arguments[0], item) for item in value]


def read_integer_plain(number: int) -> Plain:
    """An integer from outside as plain. Raises: ContractError (argument) beyond 256 bits."""
    if number.bit_length() > 256:
        raise ContractError("argument", "an integer has at most 256 bits")
    return write_integer(number)


def to_json(declared: DeclaredType, plain: Plain) -> Any:
    """A plain value as JSON, by its declared type."""
    kind = declared.kind
    if kind in ("int", "Amount"):
        return str(read_integer(plain))
    if type(plain) is bytes:
        return "0x" + plain.hex()
    if kind == "optional":
        return None if plain is None else to_json(declared.arguments[0], plain)
    if type(plain) is not list:
        return plain
    if declared.record is not None:
        return {field.name: to_json(field.type, item)
                for field, item in zip(declared.record.fields, plain, strict=True)}
    if kind == "tuple":
        return [to_json(part, item) for part, item in zip(declared.arguments, plain, strict=True)]
    if kind == "dict":
        return [to_json(DeclaredType("tuple", declared.arguments), pair) for pair in plain]
    return [to_json(declared.arguments[0], item) for item in plain]


def arguments_from_json(method: "Method", data: Any) -> list[Plain]:
    """A method's arguments from a JSON array, or an object by parameter name. Raises: ContractError."""
    names = [name for name, _ in method.parameters]
    if type(data) is dict:
        if any(name not in names for name in data):
            raise ContractError("argument", "no such parameter")
        given = [name for name in names if name in data]
        if given != names[:len(given)]:
            raise ContractError("argument_count")
        data = [data[name] for name in given]
    if type(data) is not list:
        raise ContractError("argument", "arguments are an array or an object")
    if len(data) > len(names):
        raise ContractError("argument_count")
    return [from_json(declared, value) for (_, declared), value in zip(method.parameters, data, strict=False)]


__all__ = ["Meter", "arguments_from_json", "describe", "from_json", "schema", "to_json"]
