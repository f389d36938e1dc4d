"""Methods of values: for each name, what each exact type does with it, guarded and charged.

A contract's ``x.name(…)`` becomes a call of the dispatcher for ``name``, which looks ``type(x)`` up here. Texts are
cased, classified and stripped by ASCII rules; a text outside ASCII fails those with code ``ascii``, since Unicode
tables differ between CPythons.
"""

from collections.abc import Callable
from typing import Any, Final

from contracts.language.faults import fail
from contracts.language.fuel import (
    DICT_ITEM_BYTES,
    ITEM_BYTES,
    LIST_BYTES,
    SLOT_BYTES,
    TEXT_BYTES,
)
from contracts.language.operators import (
    PATTERN_MAX,
    cell,
    charge,
    charge_list,
    charge_text,
    contains,
    extend,
    integer,
    lookup_key,
    text,
)
from contracts.language.sorting import sort_list
from contracts.language.values import SEQUENCE_MAX, TEXT_MAX, measure, measure_each, pay_insertions

_SPACE: Final = " \t\n\r\x0b\x0c"
STRIPPED_MAX: Final = 64
"""Characters that one strip may name."""
Method = Callable[..., Any]


def _same(value: Any, other: Any) -> Any:
    """``other`` when it is of the exact type of ``value``. Raises: TypeError."""
    if type(other) is not type(value):
        raise TypeError
    return other


def _ascii(value: str) -> str:
    if not value.isascii():
        fail("ascii")
    return value


# Lists.


def append(values: Any, value: Any) -> None:
    if type(values) is not list:
        raise TypeError
    if len(values) >= SEQUENCE_MAX:
        fail("length")
    charge(cell.meter.prices.item, ITEM_BYTES)
    values.append(value)


def _list_insert(values: list[Any], index: Any, value: Any) -> None:
    if len(values) >= SEQUENCE_MAX:
        fail("length")
    charge(cell.meter.prices.item + (len(values) >> cell.meter.prices.move_shift), ITEM_BYTES)
    values.insert(max(min(integer(index), SEQUENCE_MAX), -SEQUENCE_MAX), value)


def _list_pop(values: list[Any], index: Any = -1) -> Any:
    if index != -1:
        charge(len(values) >> cell.meter.prices.move_shift)
    if not -SEQUENCE_MAX <= integer(index) <= SEQUENCE_MAX:
        raise IndexError
    return values.pop(index)


def _sequence_index(values: Any, value: Any) -> int:
    _pay_scan(values, value)
    return values.index(value)  # type: ignore[no-any-return]


def _sequence_count(values: Any, value: Any) -> int:
    _pay_scan(values, value)
    return values.count(value)  # type: ignore[no-any-return]


def _pay_scan(values: Any, value: Any) -> None:
    meter = cell.meter
    measure(value, meter)
    measure_each(values, meter)


def _list_remove(values: list[Any], value: Any) -> None:
    _pay_scan(values, value)
    values.remove(value)


def _list_reverse(values: list[Any]) -> None:
    charge(len(values) * cell.meter.prices.item)
    values.reverse()


def _clear(values: Any) -> None:
    values.clear()


def _copy(values: Any) -> Any:
    charge_list(len(values), SLOT_BYTES if type(values) is list else DICT_ITEM_BYTES)
    if type(values) is dict:
        pay_insertions(values, len(values), cell.meter)
    return values.copy()


def _extend(values: list[Any], more: Any) -> None:
    extend(values, more)


# Dicts.


def _dict_get(values: dict[Any, Any], key: Any, default: Any = None) -> Any:
    return values.get(lookup_key(values, key), default)


_MISSING: Final = object()


def _dict_pop(values: dict[Any, Any], key: Any = _MISSING, default: Any = _MISSING) -> Any:
    if key is _MISSING:
        raise TypeError
    lookup_key(values, key)
    return values.pop(key) if default is _MISSING else values.pop(key, default)


def _dict_setdefault(values: dict[Any, Any], key: Any, default: Any) -> Any:
    if len(values) >= SEQUENCE_MAX:
        fail("length")
    charge(cell.meter.prices.item, DICT_ITEM_BYTES)
    return values.setdefault(lookup_key(values, key), default)


def _dict_update(values: dict[Any, Any], more: Any) -> None:
    if type(more) is not dict:
        raise TypeError
    if len(values) + len(more) > SEQUENCE_MAX:
        fail("length")
    charge(len(more) * 3 * cell.meter.prices.item, len(more) * DICT_ITEM_BYTES)
    pay_insertions(more, 2 * len(values) + len(more), cell.meter)
    values.update(more)


def _dict_items(values: dict[Any, Any]) -> list[tuple[Any, Any]]:
    charge_list(len(values), LIST_BYTES + ITEM_BYTES)
    return list(values.items())


def _dict_keys(values: dict[Any, Any]) -> list[Any]:
    charge_list(len(values))
    return list(values)


def _dict_values(values: dict[Any, Any]) -> list[Any]:
    charge_list(len(values))
    return list(values.values())


# Texts and bytes.


def _pay_pass(value: Any) -> None:
    """One walk over a text that makes another of its size."""
    charge(cell.meter.prices.method + (len(value) >> cell.meter.prices.pass_shift))
    charge_text(len(value))


def _pay_search(value: Any, pattern: Any) -> None:
    charge(cell.meter.prices.method)
    contains(_same(value, pattern), value)


def _find(value: Any, pattern: Any) -> int:
    _pay_search(value, pattern)
    return value.find(pattern)  # type: ignore[no-any-return]


def _rfind(value: Any, pattern: Any) -> int:
    _pay_search(value, pattern)
    charge(len(value) * min(len(pattern), PATTERN_MAX) >> cell.meter.prices.search_back_shift)
    return value.rfind(pattern)  # type: ignore[no-any-return]


def _index(value: Any, pattern: Any) -> int:
    _pay_search(value, pattern)
    return value.index(pattern)  # type: ignore[no-any-return]


def _count(value: Any, pattern: Any) -> int:
    _pay_search(value, pattern)
    return value.count(pattern)  # type: ignore[no-any-return]


def _startswith(value: Any, prefix: Any) -> bool:
    charge(cell.meter.prices.method + (len(_same(value, prefix)) >> cell.meter.prices.text_shift))
    return value.startswith(prefix)  # type: ignore[no-any-return]


def _endswith(value: Any, suffix: Any) -> bool:
    charge(cell.meter.prices.method + (len(_same(value, suffix)) >> cell.meter.prices.text_shift))
    return value.endswith(suffix)  # type: ignore[no-any-return]


def _removeprefix(value: Any, prefix: Any) -> Any:
    _pay_pass(value)
    return value.removeprefix(_same(value, prefix))


def _removesuffix(value: Any, suffix: Any) -> Any:
    _pay_pass(value)
    return value.removesuffix(_same(value, suffix))


def _replace(value: Any, old: Any, new: Any) -> Any:
    _pay_search(value, old)
    found = value.count(old)
    size = len(value) + found * (len(_same(value, new)) - len(old))
    charge(3 * cell.meter.prices.method + found * cell.meter.prices.item)
    charge_text(max(size, len(value)))
    return value.replace(old, new)


def _split(value: Any, separator: Any = None) -> list[Any]:
    if separator is None:
        words = len(value) // 2 + 1
        charge(len(value) * cell.meter.prices.split_character)
        _ascii(value)
        separated = value.split()
        charge_list(min(words, len(separated)), ITEM_BYTES + TEXT_BYTES)
        charge_text(len(value))
        return separated  # type: ignore[no-any-return]
    _pay_search(value, separator)
    if not separator:
        raise ValueError
    charge(cell.meter.prices.method)
    charge_list(value.count(separator) + 1, ITEM_BYTES + TEXT_BYTES)
    charge_text(len(value))
    return value.split(separator)  # type: ignore[no-any-return]


def _splitlines(value: str) -> list[str]:
    return _split(value.removesuffix("\n"), "\n") if value else []


def _join(separator: Any, values: Any) -> Any:
    if type(values) is not list and type(values) is not tuple:
        raise TypeError
    charge(cell.meter.prices.method + len(values) * cell.meter.prices.item)
    kind = type(separator)
    size = len(separator) * len(values)
    for value in values:
        if type(value) is not kind:
            raise TypeError
        size += len(value)
        if size > TEXT_MAX:
            fail("length")
    charge_text(size)
    return separator.join(values)


def _stripper(name: str) -> Method:
    def strip(value: str, *given: Any) -> Any:
        if len(given) > 1:
            raise TypeError
        characters = given[0] if given else _SPACE
        charge(len(value) * min(len(text(characters)), STRIPPED_MAX) >> cell.meter.prices.pass_shift)
        _pay_pass(value)
        if len(characters) > STRIPPED_MAX:
            fail("length")
        if not given:
            _ascii(value)
        return getattr(str, name)(value, characters)

    return strip


def _classifier(name: str) -> Method:
    function = getattr(str, name)

    def classify(value: str) -> Any:
        charge(cell.meter.prices.method + (len(value) >> cell.meter.prices.pass_shift))
        return function(_ascii(value))

    return classify


def _caser(name: str) -> Method:
    function = getattr(str, name)

    def change(value: str) -> Any:
        _pay_pass(value)
        return function(_ascii(value))

    return change


def _filler(name: str) -> Method:
    def fill(value: str, width: Any, padding: Any = " ") -> str:
        if len(text(padding)) != 1:
            raise ValueError
        charge(cell.meter.prices.method)
        missing = max(min(integer(width), TEXT_MAX + 1) - len(value), 0)
        charge_text(len(value) + missing)
        return padding * missing + value if name == "rjust" else value + padding * missing  # type: ignore[no-any-return]

    return fill


def _zfill(value: str, width: Any) -> str:
    charge(cell.meter.prices.method)
    missing = max(min(integer(width), TEXT_MAX + 1) - len(value), 0)
    charge_text(len(value) + missing)
    sign = value[:1] if value[:1] in ("+", "-") else ""
    return sign + "0" * missing + value[len(sign):]


def _isascii(value: Any) -> bool:
    return value.isascii()  # type: ignore[no-any-return]


def _encode(value: str) -> bytes:
    _pay_pass(value)
    return value.encode("utf-8")


def _decode(value: bytes) -> str:
    _pay_pass(value)
    return value.decode("utf-8")


def _hex(value: bytes) -> str:
    charge_text(2 * len(value))
    return value.hex()


_BOTH: Final[dict[str, Method]] = {
    "count": _count, "endswith": _endswith, "find": _find, "index": _index, "join": _join,
    "removeprefix": _removeprefix, "removesuffix": _removesuffix, "replace": _replace, "rfind": _rfind,
    "startswith": _startswith,
}
TABLE: Final[dict[type, dict[str, Method]]] = {
    list: {
        "append": append, "clear": _clear, "copy": _copy, "count": _sequence_count, "extend": _extend,
        "index": _sequence_index, "insert": _list_insert, "pop": _list_pop, "remove": _list_remove,
        "reverse": _list_reverse,
    },
    tuple: {"count": _sequence_count, "index": _sequence_index},
    dict: {
        "clear": _clear, "copy": _copy, "get": _dict_get, "items": _dict_items, "keys": _dict_keys,
        "pop": _dict_pop, "setdefault": _dict_setdefault, "update": _dict_update, "values": _dict_values,
    },
    bytes: {**_BOTH, "decode": _decode, "hex": _hex},
    str: {
        **_BOTH, "encode": _encode, "isalnum": _classifier("isalnum"), "isalpha": _classifier("isalpha"),
        "isascii": _isascii, "isdigit": _classifier("isdigit"), "islower": _classifier("islower"),
        "isupper": _classifier("isupper"), "ljust": _filler("ljust"), "lower": _caser("lower"),
        "lstrip": _stripper("lstrip"), "rjust": _filler("rjust"), "rstrip": _stripper("rstrip"), "split": _split,
        "splitlines": _splitlines, "strip": _stripper("strip"), "upper": _caser("upper"), "zfill": _zfill,
    },
}


def _dispatcher(name: str) -> Method:
    by_type = {kind: table[name] for kind, table in TABLE.items() if name in table}

    def dispatch(value: Any, /, *arguments: Any) -> Any:
        method = by_type.get(type(value))
        if method is None:
            raise TypeError
        return method(value, *arguments)

    return dispatch


DISPATCHERS: Final[dict[str, Method]] = {
    **{name: _dispatcher(name) for name in dict.fromkeys(name for table in TABLE.values() for name in table)},
    "append": append, "sort": sort_list,
}
"""method name → guarded function of the value and its arguments."""

