"""Votes: what the members decide together, on chain.

Every member that validates has one vote, cast by its own account. A motion passes when more than two thirds of the
members that validate at that height agree, and takes effect in the transaction of the last vote; it is rejected as
soon as it can't pass any more, and expires by block time. Votes of members that validate no longer don't count.

What can be moved is one table, ``subjects.SUBJECTS``. A long text, a document, stands in the motion by its digest; it
is kept beside it while the motion is open, and for ever in the transaction that moved it.
"""

from collections.abc import Sequence
from typing import Final, cast

from contracts.kernel import layout, members
from contracts.kernel.codes import refuse
from contracts.kernel.layout import EXPIRED, OPEN, MotionRow, Row
from contracts.kernel.scope import Scope
from contracts.kernel.subjects import SUBJECTS, Subject
from state.codec import INT_MAX
from state.digest import source_digest

PASSED, REJECTED = "passed", "rejected"
"""Statuses beside ``open`` and ``expired``; all but ``open`` are final."""

OPEN_MAX = 8
"""Open motions of one member."""

LIFE_MS_MAX = 30 * 86_400_000
"""How far ahead a motion's expiry may lie."""

TEXT_CHARS_MAX = 256

DOCUMENT_BYTES_MAX = 64 * 1024
"""Longest document: a contract's source."""

FUEL_PER_BYTE: Final = 8
"""For each byte of a document: it is kept, hashed and read again."""

FUEL_PER_EXPIRY = 2_000
"""For each expired motion that is cleared away on the way."""

Listed = tuple[tuple[str, str, int], ...]
"""(Motion, member, expires ms), oldest first."""


def move(scope: Scope, subject: str, texts: Sequence[str], numbers: Sequence[int], expires_ms: int) -> str:
    """Put a motion to the vote with the sender's own vote for it; gives its id.

    :raises ContractError: not_a_voter, bad_motion, too_many_motions, or as the subject's own rules.
    """
    member = _voter(scope)
    known = SUBJECTS.get(subject)
    if known is None:
        refuse("bad_motion", f"no subject is named {subject[:32]}: there are {', '.join(SUBJECTS)}")
    names = (*known.texts, *([known.document] if known.document else []))
    if len(texts) != len(names) or len(numbers) != len(known.numbers):
        takes = ", ".join((*names, *known.numbers))
        refuse("bad_motion", f"{subject} takes {takes}: {len(names)} texts and {len(known.numbers)} numbers")
    if not all(len(text) <= TEXT_CHARS_MAX for text in texts[: len(known.texts)]):
        refuse("bad_motion", f"a motion's texts have at most {TEXT_CHARS_MAX} letters")
    if not all(type(number) is int and 0 <= number <= INT_MAX for number in numbers):
        refuse("bad_motion", "a motion's numbers lie from 0 to 2^63 - 1")
    if type(expires_ms) is not int or not scope.time_ms < expires_ms <= scope.time_ms + LIFE_MS_MAX:
        refuse("bad_motion", "a motion expires after the block's time, within 30 days")
    listed_texts = _filed(scope, known, texts)
    known.check(scope, (tuple(texts), tuple(numbers)))
    listed = _without_expired(scope)
    if sum(mover == member for _, mover, _ in listed) >= OPEN_MAX:
        refuse("too_many_motions", f"{member} has {OPEN_MAX} open motions")
    motion = f"{scope.transaction_id.hex()}.{scope.proposal_count}"
    scope.proposal_count += 1
    scope.emit(
        "moved",
        ("motion", motion),
        ("member", member),
        ("subject", subject),
        ("texts", list(listed_texts)),
        ("numbers", list(numbers)),
        ("expires_ms", expires_ms),
    )
    scope.overlay.put(layout.MOTIONS, cast(Row, (*listed, (motion, member, expires_ms))))
    if known.document:
        scope.overlay.put(layout.document_key(motion), (texts[-1],))
    _count(scope, motion, (subject, listed_texts, tuple(numbers), member, expires_ms, OPEN, ((member, True),)))
    return motion


def vote(scope: Scope, motion: str, agrees: bool) -> str:
    """Cast the sender's vote; gives the motion's status after it.

    :raises ContractError: not_a_voter, unknown_motion, motion_closed, already_voted, or as the subject's own rules.
    """
    member = _voter(scope)
    row = _row(scope, motion)
    if _status(scope, row) != OPEN:
        refuse("motion_closed", f"the motion is {_status(scope, row)}")
    if any(voter == member for voter, _ in row[6]):
        refuse("already_voted")
    scope.emit("voted", ("motion", motion), ("member", member), ("agrees", agrees))
    return _count(scope, motion, (*row[:6], (*row[6], (member, agrees))))


def shown(scope: Scope, motion: str) -> tuple[MotionRow, int]:
    """The motion, its status as of now, and how many members vote. :raises ContractError: unknown_motion."""
    row = _row(scope, motion)
    return (*row[:5], _status(scope, row), row[6]), len(_voters(scope))


def open_motions(scope: Scope) -> list[str]:
    """Ids of the motions that still can be voted on, oldest first."""
    return [motion for motion, _, expires_ms in _listed(scope) if scope.time_ms < expires_ms]


def _count(scope: Scope, motion: str, row: MotionRow) -> str:
    """Keep the motion with its votes as they are now; carry it out if it passes with them."""
    voters = _voters(scope)
    agreed = sum(agrees for member, agrees in row[6] if member in voters)
    refused = sum(not agrees for member, agrees in row[6] if member in voters)
    status = OPEN
    if 3 * agreed > 2 * len(voters):
        status = PASSED
    elif 3 * (len(voters) - refused) <= 2 * len(voters):
        status = REJECTED
    _write(scope, motion, (*row[:5], status, row[6]))
    if status == OPEN:
        return status
    _write_listed(scope, tuple(entry for entry in _listed(scope) if entry[0] != motion))
    scope.emit("decided", ("motion", motion), ("subject", row[0]), ("status", status))
    subject = SUBJECTS[row[0]]
    texts = _texts(scope, motion, subject, row[1])
    _forget_document(scope, motion)
    if status == PASSED:
        subject.apply(scope, (texts, row[2]))
    return status


def _filed(scope: Scope, subject: Subject, texts: Sequence[str]) -> tuple[str, ...]:
    """A motion's texts as it keeps them: a document by its digest. :raises ContractError: bad_motion."""
    if not subject.document:
        return tuple(texts)
    document = texts[-1].encode()
    if len(document) > DOCUMENT_BYTES_MAX:
        refuse("bad_motion", f"a document has at most {DOCUMENT_BYTES_MAX} bytes")
    scope.meter.charge(FUEL_PER_BYTE * len(document))
    return (*texts[:-1], "0x" + source_digest(document).hex())


def _texts(scope: Scope, motion: str, subject: Subject, texts: tuple[str, ...]) -> tuple[str, ...]:
    """A motion's texts as they were moved."""
    if not subject.document:
        return texts
    row = scope.overlay.get(layout.document_key(motion))
    assert row is not None, "an open motion has its document"
    document = cast(str, row[0])
    scope.meter.charge(FUEL_PER_BYTE * len(document))
    return (*texts[:-1], document)


def _forget_document(scope: Scope, motion: str) -> None:
    key = layout.document_key(motion)
    if scope.overlay.get(key) is not None:
        scope.overlay.delete(key)


def _voter(scope: Scope) -> str:
    """The sender's member id. :raises ContractError: not_a_voter."""
    member = members.member_of(scope, scope.sender)
    if member not in _voters(scope) or not scope.policy_met(scope.sender):
        refuse("not_a_voter", "the sender is no validating member's own account, or its keys have not agreed")
    return member


def _voters(scope: Scope) -> tuple[str, ...]:
    """The members that validate at this height."""
    found = members.validators_at(scope.overlay, scope.height)
    assert found is not None, "the set in force is known"
    return tuple(validator.member for validator in found.validators)


def _row(scope: Scope, motion: str) -> MotionRow:
    row = scope.overlay.get(layout.motion_key(motion))
    if row is None:
        refuse("unknown_motion")
    return cast(MotionRow, row)


def _status(scope: Scope, row: MotionRow) -> str:
    return EXPIRED if row[5] == OPEN and scope.time_ms >= row[4] else row[5]


def _write(scope: Scope, motion: str, row: MotionRow) -> None:
    scope.overlay.put(layout.motion_key(motion), cast(Row, row))


def _listed(scope: Scope) -> Listed:
    return cast(Listed, scope.overlay.get(layout.MOTIONS) or ())


def _write_listed(scope: Scope, listed: Listed) -> None:
    if listed:
        scope.overlay.put(layout.MOTIONS, cast(Row, listed))
    else:
        scope.overlay.delete(layout.MOTIONS)


def _without_expired(scope: Scope) -> Listed:
    """The open motions; those past their expiry are put to rest."""
    kept = []
    for motion, member, expires_ms in _listed(scope):
        if scope.time_ms < expires_ms:
            kept.append((motion, member, expires_ms))
        else:
            scope.meter.charge(FUEL_PER_EXPIRY)
            row = _row(scope, motion)
            _write(scope, motion, (*row[:5], EXPIRED, row[6]))
            _forget_document(scope, motion)
    return tuple(kept)
