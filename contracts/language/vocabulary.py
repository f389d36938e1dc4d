"""The language's words: what Python's own names mean here, what ``hansa`` exports, which methods exist.

Tables are pinned, never read from the running interpreter, so that every CPython refuses the same names.
"""

import re
from dataclasses import dataclass
from typing import Final

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
"""An error code that a contract gives."""

_PYTHON_BUILTINS: Final = """
ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BlockingIOError BrokenPipeError
BufferError BytesWarning ChildProcessError ConnectionAbortedError ConnectionError ConnectionRefusedError
ConnectionResetError DeprecationWarning EOFError Ellipsis EncodingWarning EnvironmentError Exception
ExceptionGroup False FileExistsError FileNotFoundError FloatingPointError FutureWarning GeneratorExit IOError
ImportError ImportWarning IndentationError IndexError InterruptedError IsADirectoryError KeyError
KeyboardInterrupt LookupError MemoryError ModuleNotFoundError NameError None NotADirectoryError NotImplemented
NotImplementedError OSError OverflowError PendingDeprecationWarning PermissionError ProcessLookupError
PythonFinalizationError RecursionError ReferenceError ResourceWarning RuntimeError RuntimeWarning
StopAsyncIteration StopIteration SyntaxError SyntaxWarning SystemError SystemExit TabError TimeoutError True
TypeError UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError UnicodeTranslateError
UnicodeWarning UserWarning ValueError Warning ZeroDivisionError abs aiter all anext any ascii bin bool
breakpoint bytearray bytes callable chr classmethod compile complex delattr dict dir divmod enumerate eval exec
filter float format frozenset getattr globals hasattr hash help hex id input int isinstance issubclass iter len
list locals map max memoryview min next object oct open ord pow print property range repr reversed round set
setattr slice sorted staticmethod str sum super tuple type vars zip
"""
PYTHON_BUILTINS: Final = frozenset(_PYTHON_BUILTINS.split())


@dataclass(frozen=True, slots=True)
class Arity:
    """How a function of the language may be called: positional arguments, and keyword arguments by name."""

    least: int
    most: int
    keywords: tuple[str, ...] = ()


BUILTINS: Final[dict[str, Arity]] = {
    "abs": Arity(1, 1), "all": Arity(1, 1), "any": Arity(1, 1), "bool": Arity(0, 1), "bytes": Arity(0, 1),
    "dict": Arity(0, 1), "divmod": Arity(2, 2), "enumerate": Arity(1, 2), "int": Arity(0, 1), "len": Arity(1, 1),
    "list": Arity(0, 1), "max": Arity(1, 16, ("key",)), "min": Arity(1, 16, ("key",)), "ord": Arity(1, 1),
    "pow": Arity(2, 3), "range": Arity(1, 3), "reversed": Arity(1, 1), "sorted": Arity(1, 1, ("key", "reverse")),
    "str": Arity(0, 1), "sum": Arity(1, 2), "tuple": Arity(0, 1), "zip": Arity(1, 8),
}
"""Builtins a contract may call. They are names in call position only, never values."""

EAGER_GENERATORS: Final = frozenset({"sum", "min", "max", "sorted", "list", "tuple", "dict", "bytes"})
LAZY_GENERATORS: Final = frozenset({"any", "all"})
"""Where a generator expression may stand: as the only argument of one of these, or of ``.join``."""

MARKERS: Final = frozenset(
    {"action", "query", "unwind", "invariant", "record", "Map", "OrderedMap", "Value", "Rounding"}
)
"""Exports that declare; they are never called inside a function."""

DECORATORS: Final = ("action", "query", "unwind", "invariant")
"""What exports a function. An unwind is an action, an invariant a query; each is more besides."""

EXPORT_CALLS: Final[dict[str, Arity]] = {
    "Address": Arity(1, 1), "Asset": Arity(1, 1), "Amount": Arity(1, 1), "require": Arity(2, 3), "fail": Arity(1, 2),
    "call": Arity(2, 34), "mul_div": Arity(3, 4), "div_round": Arity(2, 3),
    "round_to": Arity(2, 3), "sha256": Arity(1, 1), "from_hex": Arity(1, 1), "emit": Arity(1, 1),
}
"""Exports that are called. ``emit`` takes fields by keyword besides."""

EXPORTS: Final = MARKERS | frozenset(EXPORT_CALLS) | {"ctx", "ledger"}
CONTEXT_FIELDS: Final = ("sender", "caller", "contract", "height", "time_ms", "transaction_id")
ROUNDINGS: Final = ("down", "up", "floor", "ceiling", "half_up", "half_even")
EVENT_FIELDS_MAX: Final = 32

METHODS: Final[dict[str, Arity]] = {
    "append": Arity(1, 1), "clear": Arity(0, 0), "copy": Arity(0, 0), "count": Arity(1, 1), "decode": Arity(0, 0),
    "encode": Arity(0, 0), "endswith": Arity(1, 1), "extend": Arity(1, 1), "find": Arity(1, 1), "get": Arity(1, 2),
    "hex": Arity(0, 0), "index": Arity(1, 1), "insert": Arity(2, 2), "isalnum": Arity(0, 0), "isalpha": Arity(0, 0),
    "isascii": Arity(0, 0), "isdigit": Arity(0, 0), "islower": Arity(0, 0), "isupper": Arity(0, 0),
    "items": Arity(0, 0), "join": Arity(1, 1), "keys": Arity(0, 0), "ljust": Arity(1, 2), "lower": Arity(0, 0),
    "lstrip": Arity(0, 1), "pop": Arity(0, 2), "remove": Arity(1, 1), "removeprefix": Arity(1, 1),
    "removesuffix": Arity(1, 1), "replace": Arity(2, 2), "reverse": Arity(0, 0), "rfind": Arity(1, 1),
    "rjust": Arity(1, 2), "rstrip": Arity(0, 1), "setdefault": Arity(2, 2), "sort": Arity(0, 0, ("key", "reverse")),
    "split": Arity(0, 1), "splitlines": Arity(0, 0), "startswith": Arity(1, 1), "strip": Arity(0, 1),
    "update": Arity(1, 1), "upper": Arity(0, 0), "values": Arity(0, 0), "zfill": Arity(1, 1),
}
"""Methods of values. Which type has which is decided on the exact type when the call runs."""

STORAGE_METHODS: Final[dict[str, dict[str, Arity]]] = {
    "Map": {"get": Arity(1, 2)},
    "OrderedMap": {
        "get": Arity(1, 2), "first": Arity(0, 0), "last": Arity(0, 0),
        "ascending": Arity(1, 3, ("start", "stop")), "descending": Arity(1, 3, ("start", "stop")),
    },
    "Value": {"get": Arity(0, 0), "set": Arity(1, 1)},
}
