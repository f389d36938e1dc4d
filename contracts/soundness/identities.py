"""Identities and sealed data: every identity rests on a record, every record is readable by those it names."""

from collections.abc import Iterator
from typing import cast

from contracts.kernel import layout
from contracts.kernel.layout import ERASED, SEALED, IdentityRow, ReadingRow, SealedRow
from contracts.soundness.rows import State

IDENTITY = "identity"
"""Kind of the record on which an identity rests."""


def identity_faults(state: State) -> Iterator[str]:
    """An identity is of a customer's account that says so and what it comes to, and rests on its bank's record."""
    for address, row in state.of("identity"):
        bank, status, level, expires_ms, country, risk_class, record, version, _ = cast(IdentityRow, row)
        account = state.get(layout.account_key(address))
        if account is None or not cast(int, account[layout.ACCOUNT_FLAGS]) & layout.IDENTIFIED:
            yield f"{address} has an identity, and is no account whose flags say so"
        standing = (level, expires_ms, country, risk_class) if status == layout.VERIFIED else None
        if account is not None and account[layout.STANDING] != standing:
            yield f"{address} stands as {account[layout.STANDING]!r}, and its identity is {status}: {standing}"
        known = cast("SealedRow | None", state.get(layout.sealed_key(record)))
        if known is None or known[:3] != (IDENTITY, bank, address):
            yield f"the identity of {address} rests on record {record}, which is not its bank's about it"
        elif known[6] != SEALED and status != layout.REVOKED:
            yield f"the identity of {address} is {status}, and its record is {known[6]}"
        if level < 0 or version < 1:
            yield f"the identity of {address} has level {level} and version {version}"
    for address, row in state.of("account"):
        if cast(int, row[layout.ACCOUNT_FLAGS]) & layout.IDENTIFIED and layout.identity_key(address) not in state:
            yield f"the flags of {address} tell of an identity, and there is none"
        if row[layout.STANDING] is not None and layout.identity_key(address) not in state:
            yield f"{address} stands as {row[layout.STANDING]!r}, and has no identity"


def sealed_faults(state: State) -> Iterator[str]:
    """A record has its ciphertext until it is erased, and a reading key of its own for each of its readers."""
    for record, row in state.of("sealed"):
        _, owner, _, _, _, wraps, status, _, attested = cast(SealedRow, row)
        readers = [member for member, _, _ in wraps]
        if owner not in readers or len({(member, number) for member, number, _ in wraps}) != len(wraps):
            yield f"record {record} is not sealed to its owner, or to one key twice"
        if (layout.ciphertext_key(record) in state) == (status == ERASED):
            yield f"record {record} is {status}, and its ciphertext is {'kept' if status == ERASED else 'gone'}"
        if (status == ERASED) != (set(attested) == set(readers)):
            yield f"record {record} is {status}, and {len(attested)} of {len(readers)} readers attest its erasure"
        for member, number, _ in wraps:
            key = state.get(layout.reading_key(member, number))
            if key is None or key[1] != record:
                yield f"record {record} is sealed to reading key {number} of {member}, which is another's or nobody's"
    for record, _ in state.of("ciphertext"):
        if layout.sealed_key(record) not in state:
            yield f"there is a ciphertext of record {record}, which is not there"


def reading_key_faults(state: State) -> Iterator[str]:
    """A member's reading keys are there without a gap; each is unused and counted so, or has its record."""
    keys: dict[str, dict[int, str]] = {}
    counts: dict[str, ReadingRow] = {}
    for key, row in state.of("reading"):
        member, _, number = key.partition("/")
        if number:
            keys.setdefault(member, {})[int(number)] = cast(str, row[1])
        else:
            counts[member] = cast(ReadingRow, row)
    for member in sorted(keys.keys() | counts.keys()):
        published, first, unused = counts.get(member, (0, 0, 0))
        own = keys.get(member, {})
        free = [number for number, record in own.items() if not record]
        if sorted(own) != list(range(published)) or len(free) != unused or not 0 <= first <= min([*free, published]):
            counted = f"{published} reading keys, {unused} unused from {first} on"
            yield f"{member} counts {counted}, and has {len(own)}, {len(free)} unused"
        for place, record in sorted(own.items()):
            sealed = cast("SealedRow | None", state.get(layout.sealed_key(record))) if record else None
            if record and (sealed is None or (member, place) not in [(who, which) for who, which, _ in sealed[5]]):
                yield f"reading key {place} of {member} is spent on record {record}, which does not name it"
