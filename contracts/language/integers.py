"""Bounded integers: below 2**256 in size, exact, checked before the work where the work could be large."""

from typing import Final

from contracts.language.faults import fail

INTEGER_BITS_MAX: Final = 256
LIMIT: Final = 1 << INTEGER_BITS_MAX
"""Every integer lies strictly between −LIMIT and LIMIT."""


def bounded(value: int) -> int:
    """``value``, when it is within bounds. Raises: ContractError (overflow)."""
    if -LIMIT < value < LIMIT:
        return value
    fail("overflow")


def power(base: int, exponent: int) -> int:
    """``base ** exponent``, its size checked before it is computed. Raises: ContractError."""
    if exponent < 0:
        fail("value", "a negative exponent")
    if base in (-1, 0, 1):
        return 1 if exponent == 0 else base if base >= 0 or exponent & 1 else 1
    if (abs(base).bit_length() - 1) * exponent >= INTEGER_BITS_MAX:
        fail("overflow")
    return bounded(base**exponent)


def shift_left(value: int, count: int) -> int:
    """``value << count``. Raises: ContractError."""
    if count < 0:
        fail("value", "a negative shift")
    if value and value.bit_length() + count > INTEGER_BITS_MAX:
        fail("overflow")
    return value << count if value else 0


def shift_right(value: int, count: int) -> int:
    """``value >> count``. Raises: ContractError."""
    if count < 0:
        fail("value", "a negative shift")
    return value >> min(count, INTEGER_BITS_MAX)


def power_modulo(base: int, exponent: int, modulus: int) -> int:
    """``pow(base, exponent, modulus)`` for a positive modulus. Raises: ContractError."""
    if exponent < 0 or modulus <= 0:
        fail("value", "a negative exponent, or a modulus that is not positive")
    return pow(base, exponent, modulus)


def multiply_divide(a: int, b: int, divisor: int, rounding: str) -> int:
    """``a * b / divisor`` exactly, rounded as named. Raises: ContractError."""
    if divisor == 0:
        fail("division_by_zero")
    quotient, rest = divmod(a * b, divisor)
    if rest:
        doubled = abs(rest) * 2 - abs(divisor)
        negative = quotient < 0
        away = not negative
        if rounding == "down":
            quotient += negative
        elif rounding == "up":
            quotient += away
        elif rounding == "ceiling":
            quotient += 1
        elif rounding == "half_up":
            quotient += doubled > 0 or (doubled == 0 and away)
        elif rounding == "half_even":
            quotient += doubled > 0 or (doubled == 0 and quotient & 1)
        elif rounding != "floor":
            fail("value", "no such rounding")
    elif rounding not in ("down", "up", "floor", "ceiling", "half_up", "half_even"):
        fail("value", "no such rounding")
    return bounded(quotient)
