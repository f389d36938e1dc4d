"""Sealing in tests: members with reading keys, and records sealed to whoever must read them."""

from collections.abc import Sequence
from hashlib import shake_256

from contracts.kernel import accounts, layout, members, sealed
from contracts.kernel.layout import Row
from contracts.kernel.scope import Scope
from state import sealed as format
from state.overlay import Overlay
from state.sealed import AttributeValue, Reader, Record
from tests.contracts.network import CHAIN_ID, SALT, Desk, key_of

REGULATOR = "watch"
PERSON: tuple[tuple[str, AttributeValue], ...] = (
    ("date_of_birth", "1815-12-10"),
    ("family_name", "Lovelace"),
    ("given_names", "Ada"),
    ("passport_digest", b"\x07" * 32),
)


def reading_secret(member: str, number: int) -> bytes:
    """The private half of a member's reading key of that number in these tests."""
    return shake_256(f"{member} reads {number}".encode()).digest(32)


def reading_keys(member: str, count: int, first: int = 0) -> list[bytes]:
    """Public reading keys of a member."""
    return [format.public_of(reading_secret(member, number)) for number in range(first, first + count)]


def reader(member: str, number: int) -> Reader:
    """A member's reading key as a sealer finds it on chain."""
    return Reader(member, number, format.public_of(reading_secret(member, number)))


def seal_record(
    owner: str,
    subject: str,
    readers: Sequence[Reader],
    kind: str = "identity",
    attributes: Sequence[tuple[str, AttributeValue]] = PERSON,
    seed: str = "",
) -> Record:
    """A record as a bank's wallet makes it, its entropy a function of what it is about."""
    about = f"{kind} {owner} {subject} {readers} {seed}".encode()
    entropy = shake_256(about).digest(format.entropy_bytes(len(attributes)))
    return format.seal(CHAIN_ID, kind, owner, subject, attributes, readers, entropy)


def publish_keys(desk: Desk, *names: str, count: int = 8) -> None:
    """Have members publish their first reading keys."""
    for name in names:
        assert sealed.publish(desk.scope(name), name, reading_keys(name, count)) == 0


def keep_record(scope: Scope, owner: str, subject: str, number: int, *others: str, kind: str = "identity") -> str:
    """Put a record on chain, sealed to the owner, its regulators and ``others`` by their keys of that number."""
    names = (owner, *members.regulators_over(scope, owner), *others)
    record = seal_record(owner, subject, [reader(name, number) for name in names], kind)
    return sealed.seal(scope, kind, owner, subject, record.encode())


def add_regulator(overlay: Overlay[Row], name: str = REGULATOR, jurisdiction: str = "CH") -> None:
    """A regulator, as genesis would have written it."""
    scope = Scope(overlay, "hansat", 0, 0, bytes(32), "", (), None)  # type: ignore[arg-type]
    policy = accounts.policy_of([(key_of(name).public, 1)], 1)
    address = accounts.create(scope, policy, SALT, name)
    row = (name.title(), f"{name.upper():0<20}", jurisdiction, members.REGULATOR, address, None, None)
    overlay.put(layout.member_key(name), row)
    members.add_regulator(overlay, name, jurisdiction)
