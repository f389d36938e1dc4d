"""Sealed records on chain: who can read what, held to the rules without being read.

The kernel can't look inside (``state.sealed``). It sees to it that a record is sealed to its owner and to every
mandated regulator, each under a one-time reading key that the reader has published and that no other record uses; that
who adds a reader can read; and that a record is erased only when every reader has attested it.

Mandated are the regulators of the owner's jurisdiction or, where it has none, all of the network's.
"""

from typing import cast

from contracts.kernel import layout, members
from contracts.kernel.codes import refuse
from contracts.kernel.layout import ERASED, ERASING, SEALED, ReadingRow, SealedRow
from contracts.kernel.ledger import REFERENCE_CHARS_MAX
from contracts.kernel.scope import EVENT_BYTES, Scope
from state.errors import Invalid
from state.sealed import SUBJECT_CHARS_MAX, WRAP_BYTES, Record, is_reading_key

PUBLISHED_MAX = 256
"""Reading keys published in one call."""

UNUSED_MAX = 4_096
"""Unused reading keys of one member: more than a busy day's records."""

LOW_COUNT = 32
"""When a member has only so many unused reading keys left, an event says so: without any, nothing is sealed to it."""

LISTED_MAX = 64
"""Unused reading keys in one answer. Sealers choose among them at random, so that two seldom choose the same."""

WINDOW = 1_024
"""A record uses a reading key less than this far from the first unused one: nobody can scatter the used ones."""

PASSED_MAX = 8
"""Used numbers that the first unused one may pass at a time; keys are used about in order, so it keeps up."""

READER_BYTES = 48
"""What a reader counts for in an event: id and number at their longest."""

WRAPS_MAX = 32
"""Wraps of one record, later ones included."""

FUEL_PER_KEY = 1_800
"""For each reading key that is published: one key is written."""

FUEL_PER_LISTED = 400
"""For each number that a listing looks at."""

FUEL_PER_WRAP = 4_500
"""For each wrap: the reading key and the member's count are written, and up to PASSED_MAX keys read."""

FUEL_PER_BYTE = 4
"""For each byte of a record: it is hashed and kept."""

COMMITMENT_BYTES, WRAPPED_BYTES = 72, 128
"""What a commitment and a wrap take in a record's row, about: the row is written anew with each change."""


def publish(scope: Scope, member: str, keys: list[bytes]) -> int:
    """Publish one-time reading keys of a member; gives the number of the first. Only the member's own keys do.

    :raises ContractError: with a code of the kernel's.
    """
    _check_member_agrees(scope, member)
    if not 0 < len(keys) <= PUBLISHED_MAX or not all(map(is_reading_key, keys)) or len(set(keys)) != len(keys):
        refuse("bad_reading_key", f"1 to {PUBLISHED_MAX} different X25519 public keys, none of low order")
    published, first, unused = _reading(scope, member)
    if unused + len(keys) > UNUSED_MAX:
        refuse("too_many_reading_keys", f"a member has at most {UNUSED_MAX} unused reading keys")
    scope.meter.charge(FUEL_PER_KEY * len(keys))
    for number, key in enumerate(keys, published):
        scope.overlay.put(layout.reading_key(member, number), (key, ""))
    scope.overlay.put(layout.reading_key(member), (published + len(keys), first, unused + len(keys)))
    scope.emit("reading_keys", ("member", member), ("first", published), ("count", len(keys)))
    return published


def unused(scope: Scope, member: str) -> list[tuple[int, bytes]]:
    """The first unused reading keys of a member, at most LISTED_MAX: number and public key."""
    published, first, left = _reading(scope, member)
    found: list[tuple[int, bytes]] = []
    number = first
    while number < published and len(found) < min(left, LISTED_MAX):
        scope.meter.charge(FUEL_PER_LISTED)
        key, record = cast(tuple[bytes, str], scope.overlay.get(layout.reading_key(member, number)))
        if not record:
            found.append((number, key))
        number += 1
    return found


def unused_count(scope: Scope, member: str) -> int:
    """How many unused reading keys the member has left."""
    return _reading(scope, member)[2]


def seal(scope: Scope, kind: str, owner: str, subject: str, encoded: bytes) -> str:
    """Keep a record (``state.sealed.Record``, encoded) that ``owner`` answers for; gives its id.

    The owner agrees by its keys, or has granted the running contract. Its readers are those that the record wraps its
    key to: the owner and every mandated regulator among them.

    :param kind: a name; ``identity`` and ``travel_rule`` are the kernel's and the library's.
    :param subject: what it is about, in the clear: an address, an id. Never a person's name.
    :raises ContractError: with a code of the kernel's.
    """
    if layout.NAME.fullmatch(kind) is None or not 0 < len(subject) <= SUBJECT_CHARS_MAX:
        refuse("bad_record", f"a kind is a name, a subject has 1 to {SUBJECT_CHARS_MAX} letters")
    if not scope.agrees(members.member(scope, owner)[4]):
        refuse("record_unauthorised", f"{owner} has not agreed to answer for the record")
    scope.meter.charge(FUEL_PER_BYTE * len(encoded))
    try:
        record = Record.decode(encoded)
    except Invalid as error:
        refuse("bad_record", error.detail)
    identity = record.id(kind, owner, subject)
    if scope.overlay.get(layout.sealed_key(identity)) is not None:
        refuse("record_exists")
    readers = [wrap.member for wrap in record.wraps]
    if len(set(readers)) != len(readers):
        refuse("bad_record", "each reader has one wrap")
    for needed in (owner, *mandated(scope, owner)):
        if needed not in readers:
            refuse("reader_missing", f"the record is not sealed to {needed}, who must be able to read it")
    scope.meter.charge(FUEL_PER_WRAP * len(readers))
    for wrap in record.wraps:
        _use(scope, wrap.member, wrap.number, identity)
    wraps = tuple((wrap.member, wrap.number, wrap.sealed) for wrap in record.wraps)
    _write(scope, identity, (kind, owner, subject, record.nonce, record.commitments, wraps, SEALED, "", ()))
    scope.overlay.put(layout.ciphertext_key(identity), (record.ciphertext,))
    scope.emit(
        "sealed",
        ("record", identity),
        ("kind", kind),
        ("owner", owner),
        ("subject", subject),
        ("readers", [[wrap.member, wrap.number] for wrap in record.wraps]),
        bytes_count=EVENT_BYTES + READER_BYTES * len(readers),
    )
    return identity


def add_reader(scope: Scope, record: str, by: str, member: str, number: int, wrapped: bytes) -> None:
    """A reader of the record, ``by``, gives its key to ``member``, wrapped to that member's reading key ``number``.

    A member that reads already gets another wrap: that mends one that does not open.

    :raises ContractError: with a code of the kernel's.
    """
    row = _record_in(scope, record, SEALED)
    _check_reader(scope, row, by)
    wraps = row[5]
    if len(wraps) >= WRAPS_MAX:
        refuse("too_many_readers", f"a record has at most {WRAPS_MAX} wraps")
    if len(wrapped) != WRAP_BYTES:
        refuse("bad_record", f"a wrapped key has {WRAP_BYTES} bytes")
    _use(scope, member, number, record)
    _write(scope, record, (*row[:5], (*wraps, (member, number, wrapped)), *row[6:]))
    scope.emit("reader_added", ("record", record), ("by", by), ("member", member), ("number", number))


def order_erasure(scope: Scope, record: str, reference: str) -> None:
    """The owner orders the record's erasure for the legal reason that ``reference`` names.

    :raises ContractError: with a code of the kernel's.
    """
    row = _record_in(scope, record, SEALED)
    if not 0 < len(reference) <= REFERENCE_CHARS_MAX:
        refuse("bad_reference", f"an erasure has a legal reference of 1 to {REFERENCE_CHARS_MAX} letters")
    _check_member_agrees(scope, row[1])
    resting = scope.overlay.get(layout.identity_key(row[2]))
    if resting is not None and resting[6] == record and resting[1] != layout.REVOKED:
        refuse("record_in_use", "an identity that is not revoked rests on the record")
    _write(scope, record, (*row[:6], ERASING, reference, ()))
    scope.emit("erasure_ordered", ("record", record), ("owner", row[1]), ("reference", reference))


def attest_erasure(scope: Scope, record: str, member: str) -> None:
    """A reader attests that it has destroyed its private key of the record; the last one makes it erased.

    :raises ContractError: with a code of the kernel's.
    """
    row = _record_in(scope, record, ERASING)
    _check_reader(scope, row, member)
    if member in row[8]:
        refuse("record_status", f"{member} has attested it before")
    attested = (*row[8], member)
    status = ERASED if {reader for reader, _, _ in row[5]} == set(attested) else ERASING
    if status == ERASED:
        scope.overlay.delete(layout.ciphertext_key(record))
    _write(scope, record, (*row[:6], status, row[7], attested))
    scope.emit("erasure_attested", ("record", record), ("member", member), ("status", status))


def record(scope: Scope, identity: str) -> SealedRow:
    """The record's row. :raises ContractError: unknown_record."""
    row = scope.overlay.get(layout.sealed_key(identity))
    if row is None:
        refuse("unknown_record", f"no sealed record has the id {identity[:64]}")
    return cast(SealedRow, row)


def mandated(scope: Scope, owner: str) -> tuple[str, ...]:
    """Who must be able to read what ``owner`` answers for, beside itself. :raises ContractError: unknown_member."""
    return members.regulators_over(scope, owner)


def _reading(scope: Scope, member: str) -> ReadingRow:
    members.member(scope, member)
    return cast(ReadingRow, scope.overlay.get(layout.reading_key(member)) or (0, 0, 0))


def _use(scope: Scope, member: str, number: int, record: str) -> None:
    """Spend a member's reading key on a record. :raises ContractError: unknown_reading_key or reading_key_used."""
    published, first, left = _reading(scope, member)
    if type(number) is not int or not 0 <= number < published:
        refuse("unknown_reading_key", f"{member} has published no reading key of that number")
    if number >= first + WINDOW:
        refuse("unknown_reading_key", f"{member} has unused reading keys long before that one: use one of them")
    key, used = cast(tuple[bytes, str], scope.overlay.get(layout.reading_key(member, number)))
    if used:
        refuse("reading_key_used", f"another record uses the reading key {number} of {member}: choose another")
    scope.overlay.put(layout.reading_key(member, number), (key, record))
    for _ in range(PASSED_MAX):
        if first == published or not cast(
            tuple[bytes, str], scope.overlay.get(layout.reading_key(member, first))
        )[1]:
            break
        first += 1
    scope.overlay.put(layout.reading_key(member), (published, first, left - 1))
    if left - 1 == LOW_COUNT:
        scope.emit("reading_keys_low", ("member", member), ("unused", LOW_COUNT))


def _write(scope: Scope, identity: str, row: SealedRow) -> None:
    scope.meter.charge(FUEL_PER_BYTE * (COMMITMENT_BYTES * len(row[4]) + WRAPPED_BYTES * len(row[5])))
    scope.overlay.put(layout.sealed_key(identity), row)


def _record_in(scope: Scope, identity: str, status: str) -> SealedRow:
    row = record(scope, identity)
    if row[6] != status:
        refuse("record_status", f"the record is {row[6]}")
    return row


def _check_member_agrees(scope: Scope, member: str) -> None:
    if not scope.policy_met(members.member(scope, member)[4]):
        refuse("record_unauthorised", f"the keys of {member} have not agreed")


def _check_reader(scope: Scope, row: SealedRow, member: str) -> None:
    if not any(reader == member for reader, _, _ in row[5]):
        refuse("not_a_reader", f"{member[:64]} is no reader of the record")
    _check_member_agrees(scope, member)
