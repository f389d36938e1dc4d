"""Validator sets by height, as execution has given them.

V(h) is known when height h − L has been executed; genesis stands in for the first L heights.
"""

from node.chain import Chain
from state.validators import ValidatorSet

SETS_CACHED_MAX = 64
"""Sets kept in memory; older ones are read from the chain."""


class ValidatorHistory:
    """Who validates which height."""

    def __init__(self, genesis: ValidatorSet, lag: int, chain: Chain) -> None:
        self._genesis = genesis
        self._lag = lag
        self._chain = chain
        self._sets: dict[int, ValidatorSet] = {}

    def executed(self, height: int, validators: ValidatorSet) -> None:
        """Executing ``height`` gave V(height + L)."""
        if validators != self.find(height + self._lag - 1):
            self._chain.put_change(height + self._lag)
        self._sets[height + self._lag] = validators
        self._sets.pop(height + self._lag - SETS_CACHED_MAX, None)

    def find(self, height: int) -> ValidatorSet | None:
        """V(height), None while it is not known."""
        if height <= self._lag:
            return self._genesis
        known = self._sets.get(height)
        if known is None:
            outcome = self._chain.outcome(height - self._lag)
            known = None if outcome is None else outcome.validators
        return known

    def at(self, height: int) -> ValidatorSet:
        """V(height) of a height for which it must be known."""
        validators = self.find(height)
        assert validators is not None, f"V({height}) is not known yet"
        return validators
