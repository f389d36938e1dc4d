"""Versions of the protocol: the rules that blocks are made under, and which of them this software knows.

Every header names the version that its block is made under. The members vote the height from which the next one is in
force (``contracts/kernel/parameters.py``), so all nodes change rules at one height, whenever their software was
replaced. Software that knows the next version judges by the old one until then, and still replays what was made under
it afterwards: a rule that changes asks for the version of its block. Software that does not know it stops before that
height.

To bring in a version: let the rule that changes read the parameter ``protocol_version`` of its height, raise
``NEWEST``, and say in docs/protocol.md what it changes.
"""

from typing import Final

FIRST: Final = 1
"""The version of a chain's first block, where its genesis document names no other."""

NEWEST: Final = 1
"""The newest that this software knows; it knows all from FIRST on."""


def is_known(version: int) -> bool:
    """Whether this software knows the rules of that version."""
    return FIRST <= version <= NEWEST
