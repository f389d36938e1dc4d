"""The state's key layout: where everything is, and the shape of each value.

A key is a short readable prefix and its parts in ASCII, separated by ``/``; ids and addresses hold no ``/``. A value
is the canonical encoding of one list. In memory a value is a tuple (``…Row``), decoded once a block.

    key                                  value
    parameters                           [[name, value], …]
    validators                           [[first height, [[member, vote key], …]], …]   ascending, in force or ahead
    member/<id>                          [legal name, LEI, jurisdiction, role, address, vote key?, node key?]
    settlement/<currency>                [agent's member id]
    account/<address>                    [bank's member id, policy?, contract's name, flags]
    grant/<address>/<contract>           [1]                 the contract may debit the account
    asset/<asset>                        [issuer's member id, kind, currency, decimals, flags]
    supply/<asset>                       [minor units]
    supplier/<asset>/<contract>          [1]                 the contract may mint and burn
    balance/<address>/<asset>            [available, held]   absent when both are zero
    hold/<hold>                          [asset, account, amount, beneficiary, expires ms, contract, purpose,
                                          reference, status, posted]
    expiry/<address>/<asset>             [count]             a heap of the holds that can expire
    expiry/<address>/<asset>/<slot>      [expires ms, hold]
    expiring/<hold>                      [slot]
    contract/<name>                      [address, interface, source digest, height of deployment,
                                          language version, cost version]
    source/<name>                        [source]
    data/<contract>/<field>/<packed key> [value]             a contract's Map
    data/<contract>/<field>              [value]             a contract's Value
    data/<contract>/<field>.index        [[level, keys, children, next number]]   root of an OrderedMap's index
    data/<contract>/<field>.index/<packed number>   [[level, keys, children]]     its other pages
"""

import re
from typing import TypeAlias

from state import codec

Item: TypeAlias = "None | bool | int | str | bytes | tuple[Item, ...]"
"""One value of the state in memory: what ``codec.unpack`` gives, with tuples for lists, so that nobody changes it."""

Row: TypeAlias = tuple[Item, ...]

AccountRow: TypeAlias = tuple[str, "PolicyRow | None", str, int]
"""Bank's member id (empty for a contract), policy (None for a contract), contract's name (empty for keys), flags."""
PolicyRow: TypeAlias = tuple[tuple[tuple[int, bytes, int], ...], int]
MemberRow: TypeAlias = tuple[str, str, str, str, str, bytes | None, bytes | None]
AssetRow: TypeAlias = tuple[str, str, str, int, int]
BalanceRow: TypeAlias = tuple[int, int]
HoldRow: TypeAlias = tuple[str, str, int, str, int, str, str, str, str, int]
ContractRow: TypeAlias = tuple[str, int, bytes, int, int, int]
"""Address, interface, source digest, height of deployment, version of the language, version of its prices."""

Leg: TypeAlias = tuple[str, str, int]
"""Asset, address (or SUPPLY), change in minor units."""

EMPTY_BALANCE: BalanceRow = (0, 0)

SUPPLY = "supply"
"""Stands in a leg for the asset's supply: a debit of it mints, a credit to it burns."""

OPEN, POSTED, VOIDED, EXPIRED = "open", "posted", "voided", "expired"
"""Status of a hold; all but the first are final."""

PARAMETERS = b"parameters"
VALIDATORS = b"validators"

NAME_CHARS_MAX = 32
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
"""What a member's id and a contract's name look like."""


def member_key(member: str) -> bytes:
    return b"member/" + member.encode()


def settlement_key(currency: str) -> bytes:
    return b"settlement/" + currency.encode()


def account_key(address: str) -> bytes:
    return b"account/" + address.encode()


def grant_key(address: str, contract: str) -> bytes:
    return f"grant/{address}/{contract}".encode()


def asset_key(asset: str) -> bytes:
    return b"asset/" + asset.encode()


def supply_key(asset: str) -> bytes:
    return b"supply/" + asset.encode()


def supplier_key(asset: str, contract: str) -> bytes:
    return f"supplier/{asset}/{contract}".encode()


def balance_key(address: str, asset: str) -> bytes:
    return f"balance/{address}/{asset}".encode()


def hold_key(hold: str) -> bytes:
    return b"hold/" + hold.encode()


def expiry_key(address: str, asset: str) -> bytes:
    return f"expiry/{address}/{asset}".encode()


def expiry_slot_key(address: str, asset: str, slot: int) -> bytes:
    return f"expiry/{address}/{asset}/{slot}".encode()


def expiry_slot_of_key(hold: str) -> bytes:
    return b"expiring/" + hold.encode()


def contract_key(name: str) -> bytes:
    return b"contract/" + name.encode()


def source_key(name: str) -> bytes:
    return b"source/" + name.encode()


def data_key(contract: str, field: str, key: tuple[bool | int | str | bytes, ...] | None) -> bytes:
    """Key of a contract's own value. The packed parts are canonical, so no two keys share a spelling."""
    if key is None:
        return f"data/{contract}/{field}".encode()
    return f"data/{contract}/{field}/".encode() + codec.pack(key)
