"""An account's policy: which keys, with which weights, make up the account's will.

One key of weight 1 and threshold 1 is a person. Two keys and threshold 2 are a maker and a checker.
"""

from collections.abc import Collection
from dataclasses import dataclass

from state import codec
from state.codec import Value
from state.errors import Invalid, Reason
from state.keys import PUBLIC_KEY_BYTES, SUITE_ED25519

POLICY_VERSION = 1
POLICY_KEYS_MAX = 16
"""Most keys in one policy: a board, not a crowd."""

Key = tuple[int, bytes]
"""Suite byte and public key."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Weighted keys and a threshold. Keys are distinct and in ascending order."""

    keys: tuple[tuple[int, bytes, int], ...]
    """(suite, public key, weight); weight ≥ 1."""
    threshold: int
    """Sum of weights that must sign; at least 1, at most the sum of all."""

    @classmethod
    def of_key(cls, public: bytes) -> "Policy":
        """The policy of one Ed25519 key."""
        return cls(((SUITE_ED25519, public, 1),), 1)

    @classmethod
    def from_value(cls, value: Value) -> "Policy":
        """:raises Invalid: MALFORMED, TOO_LARGE or BAD_VERSION."""
        listed, threshold = codec.fields(value, list, int)
        keys = []
        for entry in codec.items(listed, POLICY_KEYS_MAX):
            suite, public, weight = codec.fields(entry, int, bytes, int)
            if suite != SUITE_ED25519:
                raise Invalid(Reason.BAD_VERSION, "a signature suite that this network does not know")
            keys.append((SUITE_ED25519, codec.sized(public, PUBLIC_KEY_BYTES), codec.natural(weight)))
        plain = [(suite, public) for suite, public, _ in keys]
        if sorted(set(plain)) != plain:
            raise Invalid(Reason.MALFORMED, "a policy's keys are distinct and in ascending order")
        if not all(1 <= weight <= 1_000_000 for _, _, weight in keys):
            raise Invalid(Reason.MALFORMED, "a key's weight is from 1 to 1,000,000")
        if not 1 <= codec.natural(threshold) <= sum(weight for _, _, weight in keys):
            raise Invalid(Reason.MALFORMED, "a policy's threshold lies between 1 and the sum of its weights")
        return cls(tuple(keys), codec.natural(threshold))

    def to_value(self) -> Value:
        """What ``from_value`` takes."""
        return [[list(key) for key in self.keys], self.threshold]

    def encode(self) -> bytes:
        """The bytes that an account's address is made from."""
        return codec.encode(POLICY_VERSION, self.to_value())

    def is_met_by(self, signers: Collection[Key]) -> bool:
        """Whether the keys that signed carry the threshold."""
        return sum(weight for suite, public, weight in self.keys if (suite, public) in signers) >= self.threshold
