"""Succession: which validator set followed which, each change proven by the set that was in force before it.

CHECKPOINT(h) is signed by V(h) and names the digest of V(h + L). So who holds V(h) can check one certificate and then
holds V(h + L): from genesis, one certificate for each change leads to the set of any height, however many blocks lie
between. A set is followed for as long as no change is shown.

What is not proven is that none was left out: a quorum of keys that once validated could go on with a chain of their
own, from the height at which they were replaced. So compare what is newest with another node, or with the clock, as
with any answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from state import codec
from state.certificate import Certificate
from state.errors import Invalid, Reason
from state.validators import ValidatorSet
from state.votes import Checkpoint

CHANGE_VERSION = 1
CHANGE_BYTES_MAX = 64 * 1024
"""A hundred validators and as many signatures take 20 kB."""


@dataclass(frozen=True, slots=True)
class Change:
    """Another set from a height on."""

    first_height: int
    validators: ValidatorSet
    certificate: Certificate
    """The checkpoint certificate of first_height − L."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        value = [self.first_height, self.validators.to_value(), self.certificate.to_value()]
        return codec.encode(CHANGE_VERSION, value)

    @classmethod
    def decode(cls, data: bytes) -> "Change":
        """What ``encode`` gave; nothing is checked yet. :raises Invalid: BAD_VERSION, TOO_LARGE or MALFORMED."""
        value = codec.decode(data, CHANGE_VERSION, CHANGE_BYTES_MAX)
        first_height, validators, certificate = codec.fields(value, int, list, list)
        return cls(
            codec.natural(first_height), ValidatorSet.from_value(validators), Certificate.from_value(certificate)
        )


@dataclass(frozen=True, slots=True)
class Succession:
    """The sets that are proven, from genesis on."""

    chain_id: bytes
    lag: int
    """L, of the genesis document."""
    genesis: ValidatorSet
    changes: tuple[Change, ...] = ()
    """Checked, ascending by height."""

    @property
    def newest_height(self) -> int:
        """First height of the newest set; 0 while it is that of genesis."""
        return self.changes[-1].first_height if self.changes else 0

    def at(self, height: int) -> ValidatorSet:
        """V(height), as far as changes have been shown."""
        begun = [change.validators for change in self.changes if change.first_height <= height]
        return begun[-1] if begun else self.genesis

    def extended(self, changes: Sequence[Change]) -> "Succession":
        """With further changes, each checked against the set before it.

        :raises Invalid: BAD_PROOF, or as ``Certificate.check``.
        """
        found = self
        for change in changes:
            vote = change.certificate.vote
            if change.first_height <= found.newest_height:
                raise Invalid(Reason.BAD_PROOF, "changes of the validators are in ascending order")
            if not isinstance(vote, Checkpoint) or vote.height != change.first_height - self.lag:
                raise Invalid(Reason.BAD_PROOF, f"a change is proven by the checkpoint {self.lag} heights before it")
            if vote.validators_digest != change.validators.digest:
                raise Invalid(Reason.BAD_PROOF, "the checkpoint names other validators")
            change.certificate.check(found.at(vote.height), self.chain_id)
            found = Succession(self.chain_id, self.lag, self.genesis, (*found.changes, change))
        return found
