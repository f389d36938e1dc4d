"""Identity: what the network knows of a customer without knowing who it is.

The account's bank registers a customer by a sealed record (``sealed``) that itself and the mandated regulators can
read, and later vouches for it: a level of verification, until when, the jurisdiction and the risk class. Only that
word is in the clear. The gate asks for it at each free movement, so a change of status holds from the next call on.

    from                                    by                  to
    none, submitted, needs information      submit              submitted
    verified                                submit              submitted         renewed with another record
    revoked by the bank                     submit              submitted
    submitted                               request             needs information
    submitted, verified                     verify              verified          again: renewed, or another level
    verified                                suspend             suspended
    suspended                               resume              verified
    all but revoked                         revoke              revoked

The bank's own keys do all of it. A mandated regulator, as the sender, suspends, resumes and revokes too. What a
regulator has decided, only one takes back: it may take over a bank's suspension or revocation, never the reverse.
"""

from typing import Final, cast

from contracts.kernel import layout, members, sealed
from contracts.kernel.codes import refuse
from contracts.kernel.countries import COUNTRIES
from contracts.kernel.layout import (
    NEEDS_INFORMATION,
    REVOKED,
    SUBMITTED,
    SUSPENDED,
    VERIFIED,
    AccountRow,
    IdentityRow,
)
from contracts.kernel.ledger import REFERENCE_CHARS_MAX
from contracts.kernel.scope import Scope

KIND: Final = "identity"
"""Kind of the sealed records that identities rest on."""

LEVEL_MAX = 9
"""Levels are 1 to 9; what each asks for is the network's rule book."""

VALID_MS_MAX = 10 * 366 * 86_400_000
"""Ten years: nobody is verified for ever."""


def identity_of(scope: Scope, address: str) -> IdentityRow | None:
    """What is known of the account's holder, None if nothing. Whether it has expired is for the caller to see."""
    return cast("IdentityRow | None", scope.overlay.get(layout.identity_key(address)))


def submit(scope: Scope, account: str, record: str) -> None:
    """The account's bank registers its holder by a sealed record of kind ``identity`` about the account.

    :raises ContractError: with a code of the kernel's.
    """
    bank = _bank_of(scope, account)
    _check_member_agrees(scope, bank)
    row = identity_of(scope, account)
    if row is not None:
        if row[1] == SUSPENDED:
            refuse("identity_status", "a suspended identity is resumed or revoked")
        _check_regulators_word(row, bank)
    known = sealed.record(scope, record)
    if known[:3] != (KIND, bank, account) or known[6] != layout.SEALED:
        refuse("bad_identity", "the record is none of this bank's about this account's identity")
    _write(scope, account, (bank, SUBMITTED, 0, 0, "", "", record, _next(row), bank), "")


def request_information(scope: Scope, account: str, reference: str) -> None:
    """The bank needs more before it can verify. :raises ContractError: with a code of the kernel's."""
    row = _row(scope, account)
    _check_member_agrees(scope, row[0])
    _check_status(row, SUBMITTED)
    _write(scope, account, (row[0], NEEDS_INFORMATION, 0, 0, "", "", row[6], _next(row), row[0]), reference)


def verify(scope: Scope, account: str, level: int, expires_ms: int, jurisdiction: str, risk_class: str) -> None:
    """The bank vouches for the account's holder until ``expires_ms``. :raises ContractError: a kernel code.

    :param jurisdiction: ISO 3166-1 alpha-2. :param risk_class: a name such as ``low``; limits are set per class.
    """
    row = _row(scope, account)
    _check_member_agrees(scope, row[0])
    _check_status(row, SUBMITTED, VERIFIED)
    if type(level) is not int or not 1 <= level <= LEVEL_MAX:
        refuse("bad_identity", f"a level is from 1 to {LEVEL_MAX}")
    if type(expires_ms) is not int or not scope.time_ms < expires_ms <= scope.time_ms + VALID_MS_MAX:
        refuse("bad_identity", "a verification ends after the block's time, and within ten years")
    if jurisdiction not in COUNTRIES:
        refuse("bad_identity", f"{jurisdiction[:16]} is no country of ISO 3166-1")
    if layout.NAME.fullmatch(risk_class) is None:
        refuse("bad_identity", "a risk class is a name: a-z, 0-9 and _, at most 32 letters")
    _write(
        scope, account, (row[0], VERIFIED, level, expires_ms, jurisdiction, risk_class, row[6], _next(row), row[0]), ""
    )


def suspend(scope: Scope, account: str, reference: str) -> None:
    """The bank, or a regulator over it, suspends the identity. :raises ContractError: a kernel code."""
    row = _row(scope, account)
    word = _whose_word(scope, row)
    _check_status(row, *((VERIFIED,) if word == row[0] else (VERIFIED, SUSPENDED)))
    _write(scope, account, (row[0], SUSPENDED, *row[2:7], _next(row), word), reference)


def resume(scope: Scope, account: str, reference: str) -> None:
    """Who suspended the identity, or another regulator, ends that. :raises ContractError: a kernel code."""
    row = _row(scope, account)
    word = _whose_word(scope, row)
    _check_status(row, SUSPENDED)
    _check_regulators_word(row, word)
    _write(scope, account, (row[0], VERIFIED, *row[2:7], _next(row), word), reference)


def revoke(scope: Scope, account: str, reference: str) -> None:
    """The bank, or a regulator over it, ends the identity. :raises ContractError: a kernel code."""
    row = _row(scope, account)
    word = _whose_word(scope, row)
    if row[1] == REVOKED and (word == row[0] or row[8] != row[0]):
        refuse("identity_status", "the identity is revoked")
    _check_regulators_word(row, word)
    _write(scope, account, (row[0], REVOKED, *row[2:7], _next(row), word), reference)


def keep(scope: Scope, account: str, row: IdentityRow) -> None:
    """Write an identity, and in the account's row that there is one and what it comes to: there the gate reads it."""
    _, status, level, expires_ms, jurisdiction, risk_class, *_ = row
    scope.overlay.put(layout.identity_key(account), row)
    holder = scope.account(account)
    standing = (level, expires_ms, jurisdiction, risk_class) if status == VERIFIED else None
    marked: AccountRow = (*holder[:3], holder[3] | layout.IDENTIFIED, standing)
    if marked != holder:
        scope.overlay.put(layout.account_key(account), cast(layout.Row, marked))


def record_of(scope: Scope, account: str) -> str:
    """Id of the sealed record that the identity rests on. :raises ContractError: unknown_identity."""
    return _row(scope, account)[6]


def _bank_of(scope: Scope, account: str) -> str:
    """The bank of a customer's account. :raises ContractError: unknown_account or bad_identity."""
    bank, _, contract, *_ = scope.account(account)
    if contract or members.member(scope, bank)[4] == account:
        refuse("bad_identity", "members and contracts need no identity here: genesis says who they are")
    return bank


def _row(scope: Scope, account: str) -> IdentityRow:
    row = identity_of(scope, account)
    if row is None:
        refuse("unknown_identity", f"nobody has registered the holder of {account[:96]}")
    return row


def _next(row: IdentityRow | None) -> int:
    return 1 if row is None else row[7] + 1


def _check_member_agrees(scope: Scope, member: str) -> None:
    if not scope.policy_met(members.member(scope, member)[4]):
        refuse("identity_unauthorised", f"the keys of {member} have not agreed")


def _check_status(row: IdentityRow, *allowed: str) -> None:
    if row[1] not in allowed:
        refuse("identity_status", f"the identity is {row[1]}")


def _check_regulators_word(row: IdentityRow, word: str) -> None:
    """The bank can't take back, by whatever way, a suspension or revocation of a regulator's."""
    if row[1] in (SUSPENDED, REVOKED) and word == row[0] != row[8]:
        refuse("identity_unauthorised", f"{row[8]} has {row[1]} this identity, and a regulator's word stands")


def _whose_word(scope: Scope, row: IdentityRow) -> str:
    """Who decides: the sender where it is a regulator over the bank, else the bank. Its keys must have agreed.

    :raises ContractError: identity_unauthorised.
    """
    speaker = members.member_of(scope, scope.sender) if scope.sender else ""
    word = speaker if speaker in members.regulators_over(scope, row[0]) else row[0]
    _check_member_agrees(scope, word)
    return word


def _write(scope: Scope, account: str, row: IdentityRow, reference: str) -> None:
    if len(reference) > REFERENCE_CHARS_MAX:
        refuse("bad_reference")
    keep(scope, account, row)
    bank, status, level, expires_ms, jurisdiction, risk_class, record, version, word = row
    scope.emit(
        "identity",
        ("account", account),
        ("bank", bank),
        ("status", status),
        ("level", level),
        ("expires_ms", expires_ms),
        ("jurisdiction", jurisdiction),
        ("risk_class", risk_class),
        ("record", record),
        ("version", version),
        ("by", word),
        ("reference", reference),
    )
