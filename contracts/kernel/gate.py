"""The gate: what the law and the banks' own rules say to a movement of money, once, below every contract.

``check_free`` judges what somebody chooses to do now: a free posting, or a new hold. Freezes (``freezes``), the
parties' identity and country, and the limits (``limits``) are looked at. ``check_settle`` judges the posting of a hold
that was checked when it was made: obligations still settle, so only freezes that say so are looked at again; a receiver
who was not named then is checked in full (``check_receiver``). All are called before balances are written.

A member's own account and a contract's account have no identity and no limits: genesis says who they are, and what
goes through them is counted at the customers on both sides. Freezes bind them as everybody.

What does not apply costs next to nothing: the bits in the rows of account and asset, which a posting reads anyway, say
which other rows there are, and what a verified identity comes to stands in the account's row itself. To turn all of it
on for a benchmark: identities by ``identity.submit`` and ``verify`` (or ``identity.keep``), an asset's lowest level
above 0, ``limit_rules.set_limits`` for the asset, and one part-freeze of another asset on each account
(``freezes.add``).
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Final, cast

from contracts.kernel import freezes, layout, limits
from contracts.kernel.codes import refuse
from contracts.kernel.freezes import RECEIVE, SEND
from contracts.kernel.layout import (
    ASSET_UNDER_ORDER,
    IDENTIFIED,
    JURISDICTIONS,
    LIMITED,
    MEMBERS_OWN,
    NETWORK_JURISDICTIONS,
    REVOKED,
    SUPPLY,
    SUSPENDED,
    UNDER_ORDER,
    VERIFIED,
    AccountRow,
    AssetRow,
    HoldRow,
    IdentityRow,
    Leg,
    frozen_asset_bit,
)
from contracts.kernel.scope import Scope
from state.parameters import ChainParameters

_LEVEL_MIN_INDEX: Final = [field.name for field in fields(ChainParameters)].index("identity_level_min")
"""Place of the parameter in its row, which lists all of them in order."""


def check_free(scope: Scope, legs: Sequence[Leg]) -> None:
    """Whether these legs of a free posting or a new hold may be; what they come to is counted against limits.

    :raises ContractError: with a code of the kernel's.
    """
    accounts = [None if party == SUPPLY else scope.account(party) for _, party, _ in legs]
    check_read(scope, legs, accounts, level_min(scope))


def check_read(scope: Scope, legs: Sequence[Leg], accounts: Sequence[AccountRow | None], network_level: int) -> None:
    """``check_free`` for a caller that has read the rows of accounts and ``level_min``, as every posting does.

    :param accounts: of each leg, None for the supply.
    :raises ContractError: with a code of the kernel's.
    """
    get, time_ms = scope.overlay.get, scope.time_ms
    refuses_countries = get(NETWORK_JURISDICTIONS) is not None
    if len(legs) == 2 and not refuses_countries and _passes_as_plain(scope, legs, accounts, network_level):
        return
    known, flags, level, stops = "", 0, 0, 0
    looks_closer = False
    parties: list[limits.Party] = []
    # Written for speed: every posting passes here. What stops one is worked out again where it is named.
    for (asset, address, change), account in zip(legs, accounts, strict=True):
        if account is None:
            continue
        if asset != known:
            row: AssetRow = get(b"asset/" + asset.encode())  # type: ignore[assignment]
            known, flags, level = asset, row[4], row[5]
            if network_level > level:
                level = network_level
            stops = frozen_asset_bit(asset) | MEMBERS_OWN
            looks_closer = bool(refuses_countries or flags & (ASSET_UNDER_ORDER | JURISDICTIONS))
        _, _, contract, marks, standing = account
        if (
            standing is None
            or looks_closer
            or marks & stops
            or time_ms >= standing[1]
            or standing[0] < level
        ):
            bit = SEND if change < 0 else RECEIVE
            if flags & ASSET_UNDER_ORDER:
                freezes.check_asset(scope, asset, bit)
            if marks & UNDER_ORDER and marks & frozen_asset_bit(asset):
                freezes.check_account(scope, legs, address, asset, bit)
            if marks & MEMBERS_OWN or contract:
                continue
            if level or marks & IDENTIFIED or flags & JURISDICTIONS:
                _check_identity(scope, asset, address, level, flags)
        if flags & LIMITED:
            parties.append((asset, address, change, standing))
    if parties:
        limits.count(scope, parties, legs)


def _passes_as_plain(
    scope: Scope, legs: Sequence[Leg], accounts: Sequence[AccountRow | None], network_level: int
) -> bool:
    """Judge and count one payment between two parties in good standing, as most postings are; False for any other.

    What ``check_read`` would say, sooner: nothing is counted where the answer is False.
    """
    payer, payee = accounts
    (asset, source, change), (other, target, _) = legs
    if payer is None or payee is None or asset != other or change > 0:
        return False
    sends, receives = payer[4], payee[4]
    if sends is None or receives is None:
        return False
    row: AssetRow = scope.overlay.get(b"asset/" + asset.encode())  # type: ignore[assignment]
    flags, level = row[4], row[5] if row[5] > network_level else network_level
    if (
        flags & (ASSET_UNDER_ORDER | JURISDICTIONS)
        or (payer[3] | payee[3]) & (frozen_asset_bit(asset) | MEMBERS_OWN)
        or scope.time_ms >= sends[1]
        or scope.time_ms >= receives[1]
        or sends[0] < level
        or receives[0] < level
    ):
        return False
    return not flags & LIMITED or limits.count_pair(scope, asset, source, target, -change, sends, receives)


def check_frozen(scope: Scope, legs: Sequence[Leg]) -> None:
    """Whether a freeze stops these free legs; nothing else is asked and nothing counted: a fee, for instance.

    :raises ContractError: account_frozen or asset_frozen.
    """
    freezes.check_free(scope, legs)


def check_settle(scope: Scope, legs: Sequence[Leg]) -> None:
    """Whether these legs of holds that are posted together may be.

    :raises ContractError: account_frozen or asset_frozen.
    """
    freezes.check_settle(scope, legs)


def check_receiver(scope: Scope, row: HoldRow, to: str, amount: int) -> None:
    """Whether ``to``, first named when the hold is posted, may receive ``amount`` of it, as in a free posting.

    :raises ContractError: with a code of the kernel's.
    """
    check_free(scope, ((row[0], to, amount),))
    if cast(AssetRow, scope.overlay.get(layout.asset_key(row[0])))[4] & LIMITED:
        limits.count_corridor(scope, row[0], row[1], to, amount)


def may_settle(scope: Scope, row: HoldRow) -> bool:
    """Whether no freeze stops the posting of an open hold."""
    return not freezes.stops_settling(scope, row)


def give_back(scope: Scope, row: HoldRow, amount: int) -> None:
    """``amount`` of the hold goes back to its account unposted: what limits counted at ``made ms`` no longer counts."""
    asset = cast(AssetRow, scope.overlay.get(layout.asset_key(row[0])))
    if asset[4] & LIMITED:
        limits.give_back(scope, row, amount)


def _check_identity(scope: Scope, asset: str, address: str, level: int, flags: int) -> None:
    """Whether the party's identity lets it take part. Whoever has one is judged by it even where no level is asked for.

    :raises ContractError: with a code of the kernel's.
    """
    row: IdentityRow | None = scope.overlay.get(b"identity/" + address.encode())  # type: ignore[assignment]
    if row is not None:
        _, status, verified, expires_ms, country, *_ = row
        if status == VERIFIED:
            if scope.time_ms >= expires_ms:
                refuse("identity_expired", f"the verification of {address} ended at {expires_ms}")
            if verified < level:
                refuse("identity_required", f"{address} is verified to level {verified}, {level} is asked for")
            limits.check_country(scope, asset, address, country, has_list=bool(flags & JURISDICTIONS))
            return
        if status == SUSPENDED:
            refuse("identity_suspended", f"the identity of {address} is suspended")
        if status == REVOKED:
            refuse("identity_revoked", f"the identity of {address} is revoked")
    if level:
        refuse("identity_required", f"{address} has no verified identity, level {level} is asked for")
    if flags & JURISDICTIONS:
        limits.check_country(scope, asset, address, "", has_list=True)


def level_min(scope: Scope) -> int:
    """The level that the network asks for, whatever the asset does."""
    row: tuple[tuple[str, int], ...] | None = scope.overlay.get(layout.PARAMETERS)  # type: ignore[assignment]
    if row is None:
        return 0
    name, level = row[_LEVEL_MIN_INDEX]
    assert name == "identity_level_min", "the parameters are in their order"
    return level
