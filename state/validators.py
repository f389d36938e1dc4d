"""The validators of one height, and the arithmetic of quorums.

With n validators, f = ⌊(n−1)/3⌋ may fail in any way, and q = ⌈(n+f+1)/2⌉ distinct ones make a quorum: any two
quorums share a correct validator. (q is 2f+1 only where n = 3f+1.)
"""

from dataclasses import dataclass

from state import codec, digest
from state.codec import Value
from state.errors import Invalid, Reason
from state.keys import PUBLIC_KEY_BYTES
from state.transaction import NAME_CHARS_MAX

VALIDATORS_VERSION = 1
VALIDATORS_MAX = 100
"""Most validators of a network: a consortium of banks."""


@dataclass(frozen=True, slots=True)
class Validator:
    """One bank's vote."""

    member: str
    """The member's id."""
    vote_key: bytes
    """Ed25519 public key that signs votes."""


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """The validators of a height, ordered by member id. A validator's index in it stands for it in votes."""

    validators: tuple[Validator, ...]

    @classmethod
    def from_value(cls, value: Value) -> "ValidatorSet":
        """:raises Invalid: MALFORMED or TOO_LARGE."""
        validators = []
        for entry in codec.items(value, VALIDATORS_MAX):
            member, vote_key = codec.fields(entry, str, bytes)
            if not 0 < len(codec.text(member)) <= NAME_CHARS_MAX:
                raise Invalid(Reason.MALFORMED, "a member's id has 1 to 64 letters")
            validators.append(Validator(codec.text(member), codec.sized(vote_key, PUBLIC_KEY_BYTES)))
        members = [validator.member for validator in validators]
        if not validators or sorted(set(members)) != members:
            raise Invalid(Reason.MALFORMED, "validators are distinct and ordered by member id")
        if len({validator.vote_key for validator in validators}) != len(validators):
            raise Invalid(Reason.MALFORMED, "no two validators share a vote key")
        return cls(tuple(validators))

    def to_value(self) -> Value:
        """What ``from_value`` takes."""
        return [[validator.member, validator.vote_key] for validator in self.validators]

    def __len__(self) -> int:
        return len(self.validators)

    @property
    def faulty_max(self) -> int:
        """f: how many may fail in any way."""
        return (len(self.validators) - 1) // 3

    @property
    def quorum(self) -> int:
        """q: how many distinct validators decide."""
        return (len(self.validators) + self.faulty_max + 2) // 2

    @property
    def digest(self) -> bytes:
        """Digest of the set, 32 bytes: what headers and checkpoints name."""
        return digest.validators_digest(codec.encode(VALIDATORS_VERSION, self.to_value()))

    def index_of(self, vote_key: bytes) -> int | None:
        """Index of the validator with that key, None for a stranger."""
        for index, validator in enumerate(self.validators):
            if validator.vote_key == vote_key:
                return index
        return None
