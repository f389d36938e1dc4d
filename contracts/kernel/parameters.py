"""The chain's parameters as the state has them."""

from typing import cast

from contracts.kernel import layout
from contracts.kernel.scope import Scope


def parameter(scope: Scope, name: str) -> int:
    """The parameter of that name. :raises AssertionError: there is none, or it is no number."""
    row = scope.overlay.get(layout.PARAMETERS)
    assert row is not None, "a chain without parameters"
    for known, value in cast("tuple[tuple[str, object], ...]", row):
        if known == name:
            assert type(value) is int, f"{name} is no number"
            return value
    raise AssertionError(f"no parameter is named {name}")
