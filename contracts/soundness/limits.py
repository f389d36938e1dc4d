"""Limits: an asset's flags tell of its limits and its list of countries, and of none that are not there."""

from collections.abc import Iterator
from typing import Final, cast

from contracts.kernel import layout
from contracts.soundness.rows import State

MARKS: Final = (("limits", layout.LIMITED), ("jurisdictions", layout.JURISDICTIONS))
"""Kind of row, and the bit of an asset's flags that tells of it."""


def limit_faults(state: State) -> Iterator[str]:
    """The gate looks for limits and countries where an asset's flags tell of them, and only there."""
    flags = {asset: cast(int, row[layout.ASSET_FLAGS]) for asset, row in state.of("asset")}
    for kind, bit in MARKS:
        there = {asset for asset, _ in state.of(kind) if asset}
        for asset in sorted(there):
            if not flags.get(asset, 0) & bit:
                yield f"{asset} has a row of {kind}, and its flags do not say so"
        for asset, marks in flags.items():
            if marks & bit and asset not in there:
                yield f"the flags of {asset} tell of {kind}, and there are none"
