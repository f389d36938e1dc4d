"""Who is primary (rule 8): a pure function of the certificates inside decided headers.

Primaries take turns by height. The certificate inside header h − 1 tells in which view block h − 2 was decided, so
whose turns had failed there: they move to the back of the order, for a bench of 32·2^k heights, k being their
failures in a row, this one included. When the bench is over, whoever lives returns: the first certificate inside a
header that carries its signature brings it back. Who is down signs nothing, so its turn comes, and costs a view
change, only every 2,048 heights. A success wipes the slate. A ``Rotation`` is the state of that fold for one height;
it needs nothing that validators could differ on, and can be stored.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from state import codec
from state.block import Block
from state.codec import Value
from state.errors import Invalid, Reason
from state.validators import VALIDATORS_MAX, ValidatorSet
from state.votes import Commit

ROTATION_VERSION = 2

BENCH_HEIGHTS = 32
"""Twice as many are what a first failure costs: so that a dead bank of four never causes two view changes within 100
heights, and a restarted one soon is back."""

FAILURES_MAX = 6
"""Doubling stops here."""

ABSENCE_HEIGHTS = BENCH_HEIGHTS * 2**FAILURES_MAX
"""After so many, 2,048, it returns unseen: a bank whose COMMIT always comes too late for a certificate has its turn,
too, and one that is down for weeks costs no more than one view change in as many heights."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A member whose last turn failed."""

    member: str
    failures: int
    """Failures in a row, 1 to FAILURES_MAX: further ones are not counted."""
    rested_height: int
    """First height that a signature of its own brings it back for: the end of the bench."""
    returns_height: int
    """First height at which it takes turns again; ABSENCE_HEIGHTS after its failure, unless it is seen before."""

    def is_awaited(self, height: int) -> bool:
        """Whether a signature of its own makes it take turns from ``height`` on."""
        return self.rested_height <= height < self.returns_height


@dataclass(frozen=True, slots=True)
class Rotation:
    """The order of primaries at one height."""

    height: int
    order: tuple[str, ...]
    """Members of V(height): the primaries of views 0, 1, …; view n is the first again."""
    parent_order: tuple[str, ...]
    """The order at height − 1, whose certificate is in this height's header; empty at height 1."""
    standings: tuple[Standing, ...]
    """Ascending by member; only members whose last turn failed."""

    def primary(self, view: int) -> str:
        """Member id of the primary of ``view``."""
        return self.order[view % len(self.order)]

    def awaited(self) -> frozenset[str]:
        """Members that the certificate inside this height's header brings back if it carries their signatures."""
        return frozenset(item.member for item in self.standings if item.is_awaited(self.height + 1))

    def encode(self) -> bytes:
        """Canonical bytes."""
        standings: list[Value] = [
            [item.member, item.failures, item.rested_height, item.returns_height] for item in self.standings
        ]
        return codec.encode(ROTATION_VERSION, [self.height, self.order, self.parent_order, standings])

    @classmethod
    def decode(cls, data: bytes) -> "Rotation":
        """What ``encode`` gave. :raises Invalid: BAD_VERSION, TOO_LARGE or MALFORMED."""
        height, order, parent_order, listed = codec.fields(codec.decode(data, ROTATION_VERSION), int, list, list, list)
        standings = []
        for item in codec.items(listed, VALIDATORS_MAX):
            member, *numbers = codec.fields(item, str, int, int, int)
            standings.append(Standing(codec.text(member), *(codec.natural(number) for number in numbers)))
        if not order:
            raise Invalid(Reason.MALFORMED, "an order names at least one member")
        return cls(codec.natural(height), _members(order), _members(parent_order), tuple(standings))


def first_rotation(validators: ValidatorSet) -> Rotation:
    """The rotation of height 1. :param validators: V(1)."""
    return Rotation(1, order_of(1, validators, ()), (), ())


def next_rotation(rotation: Rotation, block: Block, validators: ValidatorSet) -> Rotation:
    """The rotation of the next height.

    :param block: the decided block of ``rotation.height``; its header carries the certificate of its parent.
    :param validators: V(rotation.height + 1).
    """
    assert block.height == rotation.height
    standings = rotation.standings
    certificate = block.header.parent_certificate
    if certificate is not None and rotation.parent_order:
        vote = certificate.vote
        assert isinstance(vote, Commit)
        standings = judge(standings, rotation.parent_order, vote.height, vote.view)
        voters = sorted(rotation.parent_order)
        standings = pardon(standings, {voters[index] for index, _ in certificate.signatures}, rotation.height + 1)
    members = {validator.member for validator in validators.validators}
    standings = tuple(item for item in standings if item.member in members)
    height = rotation.height + 1
    return Rotation(height, order_of(height, validators, standings), rotation.order, standings)


def judge(standings: Sequence[Standing], order: Sequence[str], height: int, view: int) -> tuple[Standing, ...]:
    """The standings after ``height`` was decided in ``view``: every primary before that view failed once."""
    known = {item.member: item for item in standings}
    succeeded = order[view % len(order)]
    for member in order[: min(view, len(order))]:
        before = known.get(member)
        failures = min((0 if before is None else before.failures) + 1, FAILURES_MAX)
        known[member] = Standing(member, failures, height + BENCH_HEIGHTS * 2**failures, height + ABSENCE_HEIGHTS)
    known.pop(succeeded, None)
    return tuple(known[member] for member in sorted(known))


def pardon(standings: Sequence[Standing], signers: Collection[str], height: int) -> tuple[Standing, ...]:
    """The standings once these members have been seen: who has rested takes turns again from ``height`` on."""
    return tuple(
        replace(item, returns_height=height) if item.is_awaited(height) and item.member in signers else item
        for item in standings
    )


def order_of(height: int, validators: ValidatorSet, standings: Sequence[Standing]) -> tuple[str, ...]:
    """Members in their turn at ``height``, round by height; those on the bench last, the first to be rested first."""
    benched = {item.member: item.rested_height for item in standings if item.returns_height > height}
    members = [validator.member for validator in validators.validators]
    playing = [member for member in members if member not in benched]
    waiting = sorted((member for member in members if member in benched), key=lambda member: (benched[member], member))
    start = height % len(playing) if playing else 0
    return (*playing[start:], *playing[:start], *waiting)


def _members(value: Value) -> tuple[str, ...]:
    return tuple(codec.text(item) for item in codec.items(value, VALIDATORS_MAX))
