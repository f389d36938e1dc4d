"""The reference interpreter's builtins, exports and methods, written from docs/contracts/fuel.md."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from contracts.language import fuel
from contracts.language.prices import PRICES_1
from tests.contracts.language.reference_operators import (
    extend,
    first_number,
    pay_search,
    power,
)
from tests.contracts.language.reference_values import (
    SEQUENCE_MAX,
    TEXT_MAX,
    Purse,
    good_key,
    integer,
    is_amount,
    is_identifier,
    length_of,
    number,
    same,
    stop,
    text,
    within,
)

SPACE = " \t\n\r\x0b\x0c"
DIGITS = "0123456789"


# Builtins. Each takes the purse and the arguments as they were written.


def _any_all(purse: Purse, values: Any, wanted: bool) -> bool:
    if not isinstance(values, Iterator):
        purse.pay(length_of(values) * PRICES_1.item)
    for value in values:
        if bool(value) == wanted:
            return wanted
    return not wanted


def _bytes(purse: Purse, value: Any = b"") -> bytes:
    if type(value) is bytes:
        return value
    if type(value) is int:
        if value < 0:
            stop("value")
        purse.pay_text(value)
        return b"\x00" * value
    if type(value) not in (list, tuple, range):
        stop("type")
    purse.pay_text(length_of(value))
    purse.pay(len(value) * PRICES_1.item)
    numbers = [integer(part) for part in value]
    return bytes(numbers) if all(0 <= part < 256 for part in numbers) else stop("value")


def _dict(purse: Purse, value: Any = ()) -> dict[Any, Any]:
    count = length_of(value)
    purse.pay_sequence(count, 2 * fuel.ITEM_BYTES)
    purse.pay(count * 3 * PRICES_1.item)
    if type(value) is dict:
        purse.pay_probes(list(value), count)
        return dict(value)
    for pair in value:
        if type(pair) not in (list, tuple) or len(pair) != 2:
            stop("type")
    keys = [good_key(pair[0]) for pair in value]
    purse.pay_probes(keys, count)
    return {pair[0]: pair[1] for pair in value}


def _divmod(purse: Purse, a: Any, b: Any) -> tuple[int, int]:
    left, right = number(a), number(b)
    return (left // right, left % right) if right else stop("division_by_zero")


def _enumerate(purse: Purse, values: Any, start: Any = 0) -> list[Any]:
    purse.pay_sequence(length_of(values), fuel.LIST_BYTES + fuel.ITEM_BYTES)
    at = first_number(start)
    return [(at + index, value) for index, value in enumerate(values)]


def _int(purse: Purse, value: Any = 0) -> int:
    if type(value) is not str:
        return number(value)
    digits = value[1:] if value[:1] in ("+", "-") else value
    if len(value) > 80 or not digits or any(digit not in DIGITS for digit in digits):
        stop("value")
    purse.pay(PRICES_1.method)
    return within(-int(digits) if value[0] == "-" else int(digits))


def _list(purse: Purse, values: Any = ()) -> list[Any]:
    purse.pay_sequence(length_of(values), fuel.ITEM_BYTES)
    return list(values)


def _ord(purse: Purse, value: Any) -> int:
    return ord(value) if len(text(value)) == 1 else stop("type")


def _pow(purse: Purse, base: Any, exponent: Any, modulus: Any = None) -> int:
    purse.pay(PRICES_1.power if modulus is None else PRICES_1.power_modulo)
    if modulus is None:
        return power(number(base), number(exponent))
    a, b, m = number(base), number(exponent), number(modulus)
    return pow(a, b, m) if b >= 0 and m > 0 else stop("value")


def _range(purse: Purse, *bounds: Any) -> range:
    for bound in bounds:
        integer(bound)
    return range(*bounds) if len(bounds) < 3 or bounds[2] != 0 else stop("value")


def _str(purse: Purse, value: Any = "") -> str:
    if type(value) is str:
        return value
    if type(value) not in (int, bool):
        stop("type")
    purse.pay(PRICES_1.item)
    return str(value)


def _sum(purse: Purse, values: Any, start: Any = 0) -> int:
    count = length_of(values)
    purse.pay(count * PRICES_1.item)
    result = number(start)
    if type(values) is range and count >= TEXT_MAX:
        stop("length")
    for value in values:
        result += number(value)
    return within(result)


def _zip(purse: Purse, *values: Any) -> list[Any]:
    count = min([length_of(value) for value in values])
    purse.pay_sequence(count * len(values), fuel.ITEM_BYTES)
    purse.pay_sequence(count, fuel.LIST_BYTES)
    return list(zip(*values, strict=False))


def _identifier(purse: Purse, value: Any) -> Any:
    return value if is_identifier(value) else stop("value")


def _mul_div(purse: Purse, a: Any, b: Any, divisor: Any, rounding: Any = "down") -> int:
    purse.pay(PRICES_1.mul_div)
    return _rounded(integer(a) * integer(b), integer(divisor), text(rounding))


def _rounded(product: int, by: int, name: str) -> int:
    if by == 0:
        stop("division_by_zero")
    if by < 0:
        product, by = -product, -by
    low, rest = product // by, product % by
    if name not in ("down", "up", "floor", "ceiling", "half_up", "half_even"):
        stop("value")
    if rest == 0:
        return within(low)
    toward, away = (low + 1, low) if product < 0 else (low, low + 1)
    if name == "half_up":
        return within(away if 2 * rest == by else low + (2 * rest > by))
    if name == "half_even":
        return within(low + low % 2 if 2 * rest == by else low + (2 * rest > by))
    return within({"down": toward, "up": away, "floor": low, "ceiling": low + 1}[name])


def _div_round(purse: Purse, a: Any, divisor: Any, rounding: Any = "down") -> int:
    return _mul_div(purse, a, 1, divisor, rounding)


def _round_to(purse: Purse, value: Any, unit: Any, rounding: Any = "down") -> int:
    purse.pay(PRICES_1.mul_div)
    if integer(unit) <= 0:
        stop("value")
    return within(_rounded(integer(value), unit, text(rounding)) * unit)


def _sha256(purse: Purse, data: Any) -> bytes:
    if type(data) is not bytes:
        stop("type")
    purse.pay(PRICES_1.hash + len(data) // 8)
    return hashlib.sha256(data).digest()


def _from_hex(purse: Purse, value: Any) -> bytes:
    purse.pay(PRICES_1.method + len(text(value)) // 4)
    purse.pay_text(len(value))
    if len(value) % 2 or any(digit not in DIGITS + "abcdefABCDEF" for digit in value):
        stop("value")
    return bytes([int(value[at:at + 2], 16) for at in range(0, len(value), 2)])


def _reversed(purse: Purse, values: Any) -> list[Any]:
    return _list(purse, values)[::-1]


BUILTINS: dict[str, Callable[..., Any]] = {
    "abs": lambda purse, value: abs(number(value)),
    "all": lambda purse, values: _any_all(purse, values, False),
    "any": lambda purse, values: _any_all(purse, values, True),
    "bool": lambda purse, value=False: bool(value),
    "bytes": _bytes, "dict": _dict, "divmod": _divmod, "enumerate": _enumerate, "int": _int,
    "len": lambda purse, values: length_of(values),
    "list": _list, "ord": _ord, "pow": _pow, "range": _range, "reversed": _reversed, "str": _str, "sum": _sum,
    "tuple": lambda purse, values=(): tuple(_list(purse, values)),
    "zip": _zip, "Address": _identifier, "Asset": _identifier,
    "Amount": lambda purse, value: value if is_amount(value) else stop("value"),
    "mul_div": _mul_div, "div_round": _div_round, "round_to": _round_to, "sha256": _sha256, "from_hex": _from_hex,
}


# Methods. Each takes the purse, the value, and the arguments.


def _append(purse: Purse, values: list[Any], value: Any) -> None:
    if len(values) >= SEQUENCE_MAX:
        stop("length")
    purse.pay(PRICES_1.item, fuel.ITEM_BYTES)
    values.append(value)


def _insert(purse: Purse, values: list[Any], index: Any, value: Any) -> None:
    if len(values) >= SEQUENCE_MAX:
        stop("length")
    purse.pay(PRICES_1.item + len(values) // 16, fuel.ITEM_BYTES)
    values.insert(max(-SEQUENCE_MAX, min(SEQUENCE_MAX, integer(index))), value)


def _list_pop(purse: Purse, values: list[Any], index: Any = -1) -> Any:
    if type(index) is not int or index != -1:
        purse.pay(len(values) // 16)
    return values.pop(index) if -len(values) <= integer(index) < len(values) else stop("index")


def _scan(purse: Purse, values: Any, value: Any) -> list[int]:
    """Where ``value`` is, every node of it and of the sequence paid for."""
    purse.visit(value)
    for each in values:
        purse.visit(each)
    return [at for at, each in enumerate(values) if same(each, value)]


def _sequence_index(purse: Purse, values: Any, value: Any) -> int:
    found = _scan(purse, values, value)
    return found[0] if found else stop("value")


def _sequence_remove(purse: Purse, values: list[Any], value: Any) -> None:
    del values[_sequence_index(purse, values, value)]


def _list_reverse(purse: Purse, values: list[Any]) -> None:
    purse.pay(len(values) * PRICES_1.item)
    values[:] = values[::-1]


def _copy(purse: Purse, values: Any) -> Any:
    purse.pay_sequence(len(values), fuel.SLOT_BYTES if type(values) is list else fuel.DICT_ITEM_BYTES)
    if type(values) is dict:
        purse.pay_probes(list(values), len(values))
    return values.copy()


def _dict_get(purse: Purse, values: dict[Any, Any], key: Any, default: Any = None) -> Any:
    purse.key(values, key)
    return values.get(key, default)


def _dict_pop(purse: Purse, values: dict[Any, Any], *given: Any) -> Any:
    if not given:
        stop("type")
    purse.key(values, given[0])
    if given[0] in values:
        return values.pop(given[0])
    return given[1] if len(given) == 2 else stop("key")


def _setdefault(purse: Purse, values: dict[Any, Any], key: Any, default: Any) -> Any:
    if len(values) >= SEQUENCE_MAX:
        stop("length")
    purse.pay(PRICES_1.item, fuel.DICT_ITEM_BYTES)
    purse.key(values, key)
    if key not in values:
        values[key] = default
    return values[key]


def _update(purse: Purse, values: dict[Any, Any], more: Any) -> None:
    if type(more) is not dict:
        stop("type")
    if len(values) + len(more) > SEQUENCE_MAX:
        stop("length")
    purse.pay(len(more) * 3 * PRICES_1.item, len(more) * fuel.DICT_ITEM_BYTES)
    purse.pay_probes(list(more), 2 * len(values) + len(more))
    values.update(more)


def _dict_view(purse: Purse, values: dict[Any, Any], view: str) -> list[Any]:
    purse.pay_sequence(len(values), fuel.LIST_BYTES + fuel.ITEM_BYTES if view == "items" else fuel.SLOT_BYTES)
    return list(values.items() if view == "items" else values if view == "keys" else values.values())


def _alike(value: Any, other: Any) -> Any:
    return other if type(other) is type(value) else stop("type")


def _ascii(value: str) -> str:
    return value if value.isascii() else stop("ascii")


def _pay_pass(purse: Purse, value: Any) -> None:
    """One walk over a text that makes another of its size."""
    purse.pay(PRICES_1.method + len(value) // 4)
    purse.pay_text(len(value))


def _seek(purse: Purse, value: Any, pattern: Any) -> None:
    """One search through a text."""
    purse.pay(PRICES_1.method)
    pay_search(_alike(value, pattern), value, purse)


def _find(purse: Purse, value: Any, pattern: Any) -> int:
    _seek(purse, value, pattern)
    return int(value.find(pattern))


def _rfind(purse: Purse, value: Any, pattern: Any) -> int:
    _seek(purse, value, pattern)
    purse.pay(len(value) * min(len(pattern), 4096) // 16)
    return int(value.rfind(pattern))


def _index(purse: Purse, value: Any, pattern: Any) -> int:
    found = _find(purse, value, pattern)
    return found if found >= 0 else stop("value")


def _count(purse: Purse, value: Any, pattern: Any) -> int:
    _seek(purse, value, pattern)
    return int(value.count(pattern))


def _edge(purse: Purse, value: Any, part: Any, name: str) -> bool:
    purse.pay(PRICES_1.method + len(_alike(value, part)) // 32)
    return bool(value[:len(part)] == part if name == "startswith" else value[max(0, len(value) - len(part)):] == part)


def _trim(purse: Purse, value: Any, part: Any, name: str) -> Any:
    _pay_pass(purse, value)
    if not _alike(value, part):
        return value
    if name == "removeprefix":
        return value[len(part):] if value[:len(part)] == part else value
    return value[:-len(part)] if value[-len(part):] == part else value


def _replace(purse: Purse, value: Any, old: Any, new: Any) -> Any:
    _seek(purse, value, old)
    found = value.count(old)
    size = len(value) + found * (len(_alike(value, new)) - len(old))
    purse.pay(3 * PRICES_1.method + found * PRICES_1.item)
    purse.pay_text(max(size, len(value)))
    return value.replace(old, new)


def _split(purse: Purse, value: str, separator: Any = None) -> list[str]:
    if separator is None:
        purse.pay(len(value))
        words = _ascii(value).split()
    else:
        _seek(purse, value, separator)
        if not separator:
            stop("value")
        purse.pay(PRICES_1.method)
        words = value.split(separator)
    purse.pay_sequence(len(words), fuel.ITEM_BYTES + fuel.TEXT_BYTES)
    purse.pay_text(len(value))
    return words


def _splitlines(purse: Purse, value: str) -> list[str]:
    if not value:
        return []
    return _split(purse, value[:-1] if value[-1] == "\n" else value, "\n")


def _join(purse: Purse, separator: Any, values: Any) -> Any:
    if type(values) not in (list, tuple):
        stop("type")
    purse.pay(PRICES_1.method + len(values) * PRICES_1.item)
    size = len(separator) * len(values)
    for value in values:
        size += len(_alike(separator, value))
        if size > TEXT_MAX:
            stop("length")
    purse.pay_text(size)
    return separator.join(values)


def _strip(purse: Purse, value: str, name: str, *given: Any) -> str:
    unwanted = text(given[0]) if given else SPACE
    purse.pay(len(value) * min(len(unwanted), 64) // 4)
    _pay_pass(purse, value)
    if len(unwanted) > 64:
        stop("length")
    if not given:
        _ascii(value)
    start, end = 0, len(value)
    while name != "rstrip" and start < end and value[start] in unwanted:
        start += 1
    while name != "lstrip" and start < end and value[end - 1] in unwanted:
        end -= 1
    return value[start:end]


def _classify(purse: Purse, value: str, name: str) -> bool:
    purse.pay(PRICES_1.method + len(value) // 4)
    _ascii(value)
    upper, lower = (any("A" <= letter <= "Z" for letter in value), any("a" <= letter <= "z" for letter in value))
    if name == "isupper":
        return upper and not lower
    if name == "islower":
        return lower and not upper
    letters = "" if name == "isdigit" else "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    wanted = letters + ("" if name == "isalpha" else DIGITS)
    return value != "" and all(letter in wanted for letter in value)


def _case(purse: Purse, value: str, first: str, shift: int) -> str:
    _pay_pass(purse, value)
    last = chr(ord(first) + 25)
    return "".join([chr(ord(letter) + shift) if first <= letter <= last else letter for letter in _ascii(value)])


def _fill(purse: Purse, value: str, name: str, width: Any, padding: Any = " ") -> str:
    if len(text(padding)) != 1:
        stop("value")
    purse.pay(PRICES_1.method)
    missing = max(min(integer(width), TEXT_MAX + 1) - len(value), 0)
    purse.pay_text(len(value) + missing)
    return padding * missing + value if name == "rjust" else value + padding * missing


def _zfill(purse: Purse, value: str, width: Any) -> str:
    purse.pay(PRICES_1.method)
    missing = max(min(integer(width), TEXT_MAX + 1) - len(value), 0)
    purse.pay_text(len(value) + missing)
    sign = value[0] if value[:1] in ("+", "-") else ""
    return sign + "0" * missing + value[len(sign):]


def _encode(purse: Purse, value: str) -> bytes:
    _pay_pass(purse, value)
    return value.encode("utf-8")


def _decode(purse: Purse, value: bytes) -> str:
    _pay_pass(purse, value)
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        stop("value")


def _hex(purse: Purse, value: bytes) -> str:
    purse.pay_text(2 * len(value))
    return "".join([f"{byte:02x}" for byte in value])


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A method whose function serves several names and takes the name after the value."""
    return lambda purse, value, *given: function(purse, value, name, *given)


def _last_named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    return lambda purse, value, given: function(purse, value, given, name)


_BOTH: dict[str, Callable[..., Any]] = {
    "count": _count, "endswith": _last_named(_edge, "endswith"), "find": _find, "index": _index, "join": _join,
    "removeprefix": _last_named(_trim, "removeprefix"), "removesuffix": _last_named(_trim, "removesuffix"),
    "replace": _replace, "rfind": _rfind, "startswith": _last_named(_edge, "startswith"),
}
METHODS: dict[type, dict[str, tuple[int, int, Callable[..., Any]]]] = {}
"""type → method → least and most arguments, and the function."""


def _add(kind: type, least: int, most: int, functions: dict[str, Callable[..., Any]]) -> None:
    table = METHODS.setdefault(kind, {})
    table.update({name: (least, most, function) for name, function in functions.items()})


_add(list, 1, 1, {"append": _append, "count": lambda purse, values, value: len(_scan(purse, values, value)),
                  "extend": lambda purse, values, more: extend(values, more, purse),
                  "index": _sequence_index, "remove": _sequence_remove})
_add(list, 0, 0, {"clear": lambda purse, values: values.clear(), "copy": _copy, "reverse": _list_reverse})
_add(list, 2, 2, {"insert": _insert})
_add(list, 0, 1, {"pop": _list_pop})
_add(tuple, 1, 1, {"count": lambda purse, values, value: len(_scan(purse, values, value)), "index": _sequence_index})
_add(dict, 0, 0, {"clear": lambda purse, values: values.clear(), "copy": _copy,
                  **{name: _named(_dict_view, name) for name in ("items", "keys", "values")}})
_add(dict, 1, 2, {"get": _dict_get})
_add(dict, 0, 2, {"pop": _dict_pop})
_add(dict, 2, 2, {"setdefault": _setdefault})
_add(dict, 1, 1, {"update": _update})
for _kind in (str, bytes):
    _add(_kind, 1, 1, _BOTH)
    _add(_kind, 2, 2, {"replace": _replace})
_add(bytes, 0, 0, {"decode": _decode, "hex": _hex})
_add(str, 0, 0, {"encode": _encode, "isascii": lambda purse, value: value.isascii(), "splitlines": _splitlines,
                 "lower": lambda purse, value: _case(purse, value, "A", 32),
                 "upper": lambda purse, value: _case(purse, value, "a", -32),
                 **{name: _named(_classify, name) for name in ("isalnum", "isalpha", "isdigit", "islower", "isupper")}})
_add(str, 0, 1, {"split": _split, **{name: _named(_strip, name) for name in ("strip", "lstrip", "rstrip")}})
_add(str, 1, 2, {"ljust": _named(_fill, "ljust"), "rjust": _named(_fill, "rjust")})
_add(str, 1, 1, {"zfill": _zfill})


def method(purse: Purse, name: str, value: Any, arguments: list[Any]) -> Any:
    """``value.name(arguments…)``; code ``type`` where the exact type has no such method, or not with as many."""
    least, most, function = METHODS.get(type(value), {}).get(name, (1, 0, stop))
    if not least <= len(arguments) <= most:
        stop("type")
    return function(purse, value, *arguments)
