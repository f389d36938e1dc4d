"""Validator sets and parameters by height, as execution has given them.

Both are known of height h when height h − L has been executed; genesis stands in for the first L heights.
"""

from contracts.kernel.parameters import Known
from node.chain import Chain
from state.parameters import ChainParameters
from state.validators import ValidatorSet

SETS_CACHED_MAX = 64
"""Sets kept in memory; older ones are read from the chain."""


class ParameterHistory:
    """The chain's parameters by height: those of genesis until a vote has changed them."""

    def __init__(self, genesis: ChainParameters, known: Known = ()) -> None:
        """:param known: as the state has them, the first those in force."""
        self._known: dict[int, ChainParameters] = {0: genesis} | dict(known)

    def executed(self, height: int, ahead: Known) -> None:
        """What executing ``height`` has given for later ones."""
        if ahead or len(self._known) > 1:
            # What was ahead and is no longer named was called off.
            begun = max((first for first in self._known if first <= height), default=min(self._known))
            self._known = {begun: self._known[begun]} | dict(ahead)

    def at(self, height: int) -> ChainParameters:
        """Those of a height for which they are known: up to L above the last executed one."""
        known = self._known
        if len(known) == 1:
            return next(iter(known.values()))
        return known[max((first for first in known if first <= height), default=min(known))]

    def next_version(self, height: int) -> tuple[int, int] | None:
        """Above a height, the first from which another version of the protocol is in force, and that version."""
        if len(self._known) == 1:
            return None
        now = self.at(height).protocol_version
        later = sorted((first, known.protocol_version) for first, known in self._known.items() if first > height)
        return next(((first, version) for first, version in later if version != now), None)


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
            self._chain.put_change(height + self._lag, validators)
        self._sets[height + self._lag] = validators
        self._sets.pop(height + self._lag - SETS_CACHED_MAX, None)

    def find(self, height: int) -> ValidatorSet | None:
        """V(height), None while it is not known."""
        if height <= self._lag:
            return self._genesis
        known = self._sets.get(height)
        if known is None:
            outcome = self._chain.outcome(height - self._lag)
            if outcome is not None:
                known = outcome.validators
            elif height - self._lag < self._chain.first_height:
                known = self._chain.set_since(height) or self._genesis
        return known

    def at(self, height: int) -> ValidatorSet:
        """V(height) of a height for which it must be known."""
        validators = self.find(height)
        assert validators is not None, f"V({height}) is not known yet"
        return validators
