"""How a contract's run ends early: a failure with a stable code, or the end of its fuel.

A contract can catch neither: the language has no ``try``. What the sender learns is a code and a
sentence, never CPython's own text, an address or a path.
"""

from typing import Final, NoReturn

MESSAGE_CHARACTERS_MAX: Final = 256
"""A failure's message is cut here, so that a receipt stays small."""

RULE_CODES: Final = {
    "argument": "an argument or stored value does not have its declared type",
    "argument_count": "the method takes another number of arguments",
    "ascii": "this text operation is for ASCII text only",
    "call_depth": "more than 64 calls are open at once",
    "depth": "a value is nested more than 32 deep, or contains itself",
    "division_by_zero": "division by zero",
    "fault": "the contract failed in a way the language has no code for",
    "index": "the index lies outside the sequence",
    "key": "the key is not there",
    "key_type": "a dict key is a bool, an int below 2**60, a str or bytes of at most 1024, "
    "or a tuple of up to 8 of these with at most one number",
    "length": "a text, sequence or value is longer than the language allows",
    "memory": "the call's memory allowance is used up",
    "method": "there is no such method",
    "mutated_while_iterating": "a list or dict changed its size while a loop was walking it",
    "overflow": "an integer passed 256 bits, or a count passed its limit",
    "read_only": "a query tried to change state",
    "type": "the operation is not defined for values of these types",
    "unbound": "a local name was read before it had a value",
    "value": "the value is outside what the operation accepts",
}
"""Codes that the language itself gives, each with its fixed sentence. Contracts and the kernel add their own."""


class ContractError(Exception):
    """The call failed by its own rules; everything it wrote is undone and its fuel stays spent.

    :param code: stable, ``[a-z][a-z0-9_]*``; programs compare it.
    :param message: one sentence for a person, at most 256 characters.
    """

    def __init__(self, code: str, message: str = "") -> None:
        text = (message or RULE_CODES.get(code, ""))[:MESSAGE_CHARACTERS_MAX]
        super().__init__(code, text)
        self.code = code
        self.message = text

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


class OutOfFuel(BaseException):
    """The call's fuel is used up. Not an ``Exception``, so that nothing between can swallow it."""

    def __init__(self) -> None:
        super().__init__("out of fuel")


def fail(code: str, message: str = "") -> NoReturn:
    """Ends the call with a code. Raises: ContractError, always."""
    raise ContractError(code, message)
