"""Who validates which height, as the machines of a run have it: one answer for all of them, whoever gave it first."""

from scripts.simulation import birth
from state.validators import ValidatorSet


class Sets:
    """V(h), from genesis on; what execution gives for later heights is noted as it is final."""

    def __init__(self, count: int) -> None:
        self._lag = birth.PARAMETERS.execution_lag
        self._sets: dict[int, ValidatorSet] = {0: birth.validators(count)}
        """By the first height of each; a machine that is far behind gives what others gave before."""
        self._newest_height = self._lag

    @property
    def newest(self) -> ValidatorSet:
        """The last that is known."""
        return self._sets[max(self._sets)]

    def executed(self, height: int, validators: ValidatorSet) -> bool:
        """What executing ``height`` gave for L heights later; False if it gave something else before."""
        later = height + self._lag
        if later <= self._newest_height:
            return self.at(later) == validators
        if validators != self.newest:
            self._sets[later] = validators
        self._newest_height = later
        return True

    def at(self, height: int) -> ValidatorSet | None:
        """V(height); None where nobody can know it yet."""
        if height > self._newest_height:
            return None
        return self._sets[max(first for first in self._sets if first <= height)]
