"""Reading a JSON document strictly, field by field, so that every refusal names the field.

JSON leaves open what a repeated key, NaN, a lone surrogate or a number with a fraction means, and parsers differ.
Here none of them passes: a document that two programs could read differently has no digest that both agree on.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

from state.codec import INT_MAX
from state.errors import Invalid, Reason

DEPTH_MAX = 16
"""Deepest nesting of a document. A genesis document needs 6."""

TEXT_CHARS_MAX = 256
"""Longest plain text field: a legal name."""

JSON_INTEGER_MAX = 2**53 - 1
"""Largest number (RFC 8259, section 6): what every JSON parser reads exactly. Larger ones travel as text."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)

_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]")
"""What a reader would not see, or would see in another order, and what UTF-8 can't hold."""

Result = TypeVar("Result")


def parse(text: str, chars_max: int) -> "Table":
    """The document's outermost table. :raises Invalid: BAD_GENESIS."""
    if len(text) > chars_max:
        refuse("", f"the document has {len(text)} characters, at most {chars_max} are allowed")
    _check_depth(text)
    try:
        document = json.loads(
            text, object_pairs_hook=_table, parse_float=_no_float, parse_constant=_no_float, parse_int=_integer
        )
    except json.JSONDecodeError as error:
        position = f"line {error.lineno}, column {error.colno}"
        raise Invalid(Reason.BAD_GENESIS, f"not JSON: {error.msg} at {position}") from None
    return Table("", document)


def refuse(path: str, problem: str) -> NoReturn:
    """Refuse a document because of the field at ``path``. :raises Invalid: BAD_GENESIS, always."""
    raise Invalid(Reason.BAD_GENESIS, f"{path}: {problem}" if path else problem)


class Table:
    """A JSON object that is being read: each field once, and none is left over."""

    def __init__(self, path: str, value: object) -> None:
        """:raises Invalid: BAD_GENESIS, the value is no object."""
        if not isinstance(value, dict):
            refuse(path, "a table of names and values is expected")
        self.path = path
        self._left: dict[str, object] = dict(value)

    def where(self, name: str) -> str:
        """The field's path from the document's root."""
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str) -> object:
        """The field's value, whatever it is."""
        if name not in self._left:
            refuse(self.where(name), "is missing")
        return self._left.pop(name)

    def has(self, name: str) -> bool:
        """Whether the field is there and not yet taken."""
        return name in self._left

    def finish(self) -> None:
        """Refuse what nobody asked for."""
        for name in self._left:
            refuse(self.path, f"there is no field {name!r} here")

    def text(self, name: str, chars_max: int = TEXT_CHARS_MAX, pattern: str = "", shape: str = "") -> str:
        """A text of one line, not empty; of ``pattern``, which ``shape`` describes, if one is given."""
        value = self.take(name)
        if not isinstance(value, str) or not 0 < len(value) <= chars_max:
            refuse(self.where(name), f"a text of 1 to {chars_max} characters is expected")
        if _HIDDEN.search(value) or value != value.strip():
            refuse(self.where(name), "control and direction characters, and blanks at either end, are not allowed")
        if pattern and not re.fullmatch(pattern, value):
            refuse(self.where(name), f"{value!r} is not {shape}")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        """A number from ``low`` to ``high``."""
        value = self.take(name)
        if type(value) is not int or not low <= value <= high:
            refuse(self.where(name), f"an integer from {low} to {high} is expected")
        return value

    def decimal(self, name: str) -> int:
        """A natural number of up to 63 bits, written as a text of decimal digits."""
        value = self.take(name)
        if not isinstance(value, str) or not re.fullmatch("0|[1-9][0-9]{0,18}", value) or int(value) > INT_MAX:
            refuse(self.where(name), 'a text of decimal digits is expected, such as "1700000000000"')
        return int(value)

    def blob(self, name: str, size: int) -> bytes:
        """Bytes of exactly ``size``, written as 0x and lower-case hexadecimal digits."""
        value = self.take(name)
        if not isinstance(value, str) or not re.fullmatch(f"0x[0-9a-f]{{{2 * size}}}", value):
            refuse(self.where(name), f"0x and {2 * size} lower-case hexadecimal digits are expected")
        return bytes.fromhex(value[2:])

    def table(self, name: str) -> "Table":
        """A table inside this one."""
        return Table(self.where(name), self.take(name))

    def tables(self, name: str, count_max: int) -> Iterator["Table"]:
        """A list of tables."""
        value = self.take(name)
        if not isinstance(value, list):
            refuse(self.where(name), "a list is expected")
        if len(value) > count_max:
            refuse(self.where(name), f"{len(value)} entries, at most {count_max} are allowed")
        return (Table(f"{self.where(name)}[{index}]", entry) for index, entry in enumerate(value))

    def build(self, name: str, make: Callable[[], Result]) -> Result:
        """What ``make`` gives; its refusal is reported as one of the field ``name``."""
        try:
            return make()
        except Invalid as error:
            raise Invalid(Reason.BAD_GENESIS, f"{self.where(name)}: {error.detail}") from error


def _check_depth(text: str) -> None:
    """Refuse deep nesting before the parser sees it: the standard library's recurses."""
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > DEPTH_MAX:
                refuse("", f"nested deeper than {DEPTH_MAX}")
        elif token[0] in "]}":
            depth -= 1


def _table(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table: dict[str, object] = {}
    for name, value in pairs:
        if name in table:
            refuse("", f"the field {name!r} stands twice in one table")
        table[name] = value
    return table


def _no_float(text: str) -> NoReturn:
    refuse("", f"{text} is not an integer: fractions, exponents, NaN and Infinity have no place here")


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > JSON_INTEGER_MAX or text == "-0":
        refuse("", f"{text[:24]} is not a number that every JSON parser reads exactly")
    return int(text)
