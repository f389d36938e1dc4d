"""The state's key layout: where everything is, and the shape of each value.

A key is a short readable prefix and its parts in ASCII, separated by ``/``; ids and addresses hold no ``/``. A value
is the canonical encoding of one list. In memory a value is a tuple (``…Row``), decoded once a block.

    key                                  value
    parameters                           [[name, value], …]
    parameters_ahead                     [[first height, [[name, value], …]], …]   ascending; absent without any
    chain                                [chain id]
    validators                           [[first height, [[member, vote key], …]], …]   ascending, in force or ahead
    members                              [height of the last change, [member id, …]]   ascending, former ones too
    member/<id>                          [legal name, LEI, jurisdiction, role, address, vote key?, node key?]
    node/<id>                            [root certificate, host, port]   where a member's node is
    key/<public key in hex>              [member id, purpose]   whose node or vote key it is or was, for ever
    settlement/<currency>                [agent's member id]
    account/<address>                    [bank's member id, policy?, contract's name, flags,
                                          [level, expires ms, jurisdiction, risk class]?]   of a verified identity
    grant/<address>/<contract>           [1]                 the contract may debit the account
    recovery/<address>                   [policy, ms]        the policy to come, and from when
    proposal/<proposal>                  [account, calls, expires ms, status, [[suite, public key], …] that approve,
                                          how many of these proposed]   calls and keys are gone once it is not open
    proposals/<address>                  [[proposal, expires ms], …]   open ones, oldest first; absent without any
    sponsor/<address>                    [1]                 the account's bank bears its fees
    tariff                               [currency, base, per million units of fuel, quota]   absent: no fee, no quota
    motions                              [[motion, member id, expires ms], …]   open ones, oldest first
    motion/<motion>                      [subject, [text, …], [number, …], member id, expires ms, status,
                                          [[member id, agrees], …]]   a document stands there by its digest
    document/<motion>                    [text]              the document of a motion, while that is open
    regulators                           [[member id, jurisdiction], …]   ascending by id; absent where there are none
    identity/<address>                   [bank's member id, status, level, expires ms, jurisdiction, risk class,
                                          record, version, whose word the status is]
    reading/<member>                     [published, first that may be unused, unused]   one-time reading keys
    reading/<member>/<number>            [public key, record]   no record: unused
    sealed/<record>                      [kind, owner's member id, subject, nonce, [[attribute, digest], …],
                                          [[member, reading key, wrapped key], …], status, reference of the erasure,
                                          [member that has attested it, …]]
    ciphertext/<record>                  [ciphertext]        absent once the record is erased
    asset/<asset>                        [issuer's member id, kind, currency, decimals, flags, lowest level]
    terms/<asset>                        [version, document's digest, authorised, attestor, longest age in ms,
                                          attested, attested ms, attestation's digest]   absent for plain money
    supply/<asset>                       [minor units]
    supplier/<asset>/<contract>          [1]                 the contract may mint and burn
    balance/<address>/<asset>            [available, held]   absent when both are zero
    hold/<hold>                          [asset, account, amount, beneficiary, expires ms, contract, purpose,
                                          reference, status, posted, made ms, group]
    group/<group>                        [contract, expires ms, [hold, …], status]
    reserved/<contract>/<asset>          [minor units]       in the contract's open holds; absent when zero
    expiry/<address>/<asset>             [count]             a heap of the holds that can expire
    expiry/<address>/<asset>/<slot>      [expires ms, hold]
    expiring/<hold>                      [slot]
    freezes/<address or asset>           [[order, asset, stops, amount, expires ms], …]   no asset: all; amount 0: all
    orders                               [count]
    order/<number>                       [kind, status, author, [member, …], reference, basis, subject, asset, amount,
                                          stops, target, [hold, …], order, made ms, expires ms]
    orders/<address or asset>            [count]
    orders_on/<address or asset>/<index> [number]
    limits/<asset>                       [since ms, [[risk class, issuer's, [[member, cap], …], in force], …],
                                          [[from, to, issuer's, [[member, cap], …], in force, since ms], …]]
    window/<address>/<asset>             [day, in, out, [in before, out before, [[day, in, out], …]]]   what counts
    window/<address>/<asset>/<country>   the same, of what went to that country where a corridor is limited
    jurisdictions                        [[country, …], [[member, [country, …]], …]]   refused in all of the network
    jurisdictions/<asset>                [only these, [country, …]]
    contract/<name>                      [address, interface, source digest, height of deployment,
                                          language version, cost version]
    source/<name>                        [source]
    source/<name>/<interface>            [source]            of an interface that another has followed
    schedule                             [next number, when the first pending call is to run?]
    scheduled/<number>                   [contract, method, argument, due ms, fuel, retries, retry ms, status, at ms,
                                          attempts, failures]
    scheduling/<contract>                [calls of the contract that are there]
    queue                                [level, keys, children, next number]   pending calls by (at ms, number)
    queue/<page>                         [level, keys, children]
    waiting/<contract>                   as queue: due calls of a paused contract
    waiting/<contract>/<page>            as queue/<page>
    paused/<contract>                    [invariant that did not hold, height]   empty: by the members' vote
    data/<contract>/<field>/<packed key> [value]             a contract's Map
    data/<contract>/<field>              [value]             a contract's Value
    data/<contract>/<field>.index        [[level, keys, children, next number]]   root of an OrderedMap's index
    data/<contract>/<field>.index/<packed number>   [[level, keys, children]]     its other pages
"""

import re
from functools import lru_cache
from typing import TypeAlias
from zlib import crc32

from state import codec

Item: TypeAlias = "None | bool | int | str | bytes | tuple[Item, ...]"
"""One value of the state in memory: what ``codec.unpack`` gives, with tuples for lists, so that nobody changes it."""

Row: TypeAlias = tuple[Item, ...]

StandingRow: TypeAlias = tuple[int, int, str, str]
"""Level, expires ms, jurisdiction and risk class of an identity while it is verified, whether or not it has expired."""
PolicyRow: TypeAlias = tuple[tuple[tuple[int, bytes, int], ...], int]
AccountRow: TypeAlias = tuple[str, PolicyRow | None, str, int, StandingRow | None]
"""Bank's member id (empty for a contract), policy (None for a contract), contract's name (empty for keys), flags, and
what a verified identity comes to: a posting reads this row anyway, and then needs no other to judge a party."""
MemberRow: TypeAlias = tuple[str, str, str, str, str, bytes | None, bytes | None]
NodeRow: TypeAlias = tuple[bytes, str, int]
"""Root certificate (DER, self-signed by the node key), host, port."""
AssetRow: TypeAlias = tuple[str, str, str, int, int, int]
"""Issuer's member id, kind, currency, decimals, flags, level of verification that its parties have at least."""
TermsRow: TypeAlias = tuple[int, bytes, int, str, int, int, int, bytes]
"""Version, document's digest, authorised, attestor (empty: none), longest age in ms of an attestation, what the last
one attested, when, and its document's digest."""
BalanceRow: TypeAlias = tuple[int, int]
HoldRow: TypeAlias = tuple[str, str, int, str, int, str, str, str, str, int, int, str]
"""Asset, account, amount, beneficiary (empty: named when it is posted), expires ms (0: never), contract, purpose,
reference, status, posted, made ms (block time; what is kept of a hold keeps it), group (empty: none)."""
GroupRow: TypeAlias = tuple[str, int, tuple[str, ...], str]
"""Contract, expires ms, holds in order, status."""
IdentityRow: TypeAlias = tuple[str, str, int, int, str, str, str, int, str]
"""Bank's member id, status, level, expires ms, jurisdiction, risk class, sealed record's id, version (one more with
each change), member id of the bank or the regulator whose word the status is."""
ReadingRow: TypeAlias = tuple[int, int, int]
"""Of a member's reading keys: how many it has published, the first number that may be unused, how many are unused."""
SealedRow: TypeAlias = tuple[
    str, str, str, bytes, tuple[tuple[str, bytes], ...], tuple[tuple[str, int, bytes], ...], str, str, tuple[str, ...]
]
"""Kind, owner's member id, subject, nonce, commitments, wraps, status, erasure's reference, who has attested it."""
FreezeRow: TypeAlias = tuple[int, str, int, int, int]
"""Order's number, asset (empty: every one), bits of what it stops, amount (0: all of it), expires ms (0: never)."""
OrderRow: TypeAlias = tuple[
    str, str, str, tuple[str, ...], str, str, str, str, int, int, str, tuple[str, ...], int, int, int
]
"""Kind, status, author, who approved, reference, legal basis, subject (address, or asset), asset (empty: every one),
amount (0: all), bits of what it stops, target, holds that it may break, order that it releases (0: none), made ms,
expires ms (0: never)."""
Rule: TypeAlias = tuple[int, ...]
"""Amounts in the order of ``limits.NAMES``, or of ``limits.CORRIDOR_NAMES``; ``limits.NONE``: no limit."""
Caps: TypeAlias = tuple[tuple[str, Rule], ...]
"""Member id of a regulator or court, its caps; ascending."""
ClassRow: TypeAlias = tuple[str, Rule, Caps, Rule]
"""Risk class (empty: all), the issuer's limits, caps, what is in force with what is set for all."""
CorridorRow: TypeAlias = tuple[str, str, Rule, Caps, Rule, int]
"""Country of the payer and of the payee (empty: not known), the issuer's limits, caps, what is in force, since when."""
LimitsRow: TypeAlias = tuple[int, tuple[ClassRow, ...], tuple[CorridorRow, ...]]
"""Since when windows are kept, in ms; limits by risk class and by corridor, ascending."""
PastDays: TypeAlias = tuple[int, int, tuple[tuple[int, int, int], ...]]
"""In and out on the days before today that count, and those days, ascending, each with its own."""
WindowRow: TypeAlias = tuple[int, int, int, PastDays]
"""UTC day since 1970, in and out on it, the days before."""
ScheduledRow: TypeAlias = tuple[str, str, str, int, int, int, int, str, int, int, int]
"""As ``contracts.kernel.schedule.ScheduledCall`` names them."""
ContractRow: TypeAlias = tuple[str, int, bytes, int, int, int]
"""Address, interface, source digest, height of deployment, version of the language, version of its prices."""

TariffRow: TypeAlias = tuple[str, int, int, int]
"""Currency, base and price of a million units of fuel in minor units, quota of fuel per member and block (0: none)."""
MotionRow: TypeAlias = tuple[
    str, tuple[str, ...], tuple[int, ...], str, int, str, tuple[tuple[str, bool], ...]
]
"""Subject, its texts, its numbers, member that moved it, expires ms, status, votes in the order in which they came."""

Leg: TypeAlias = tuple[str, str, int]
"""Asset, address (or SUPPLY), change in minor units."""

EMPTY_BALANCE: BalanceRow = (0, 0)

SUPPLY = "supply"
"""Stands in a leg for the asset's supply: a debit of it mints, a credit to it burns."""

OPEN, POSTED, VOIDED, EXPIRED = "open", "posted", "voided", "expired"
"""Status of a hold or a group; all but the first are final."""

SUBMITTED, NEEDS_INFORMATION, VERIFIED = "submitted", "needs_information", "verified"
SUSPENDED, REVOKED = "suspended", "revoked"
"""Status of an identity; the gate lets through the verified alone."""

SEALED, ERASING, ERASED = "sealed", "erasing", "erased"
"""Status of a sealed record: readable, ordered to be erased, attested as erased by every reader."""

MEMBERS_OWN, UNDER_ORDER, IDENTIFIED = 1, 2, 4
"""Bits of an account's flags: a member's own account; orders freeze it or part of it, see ``freezes/<address>``; it
has a row ``identity/<address>``. What reads those rows looks at the bit first, so that what does not apply is free."""

FROZEN_ASSETS_SHIFT, FROZEN_ASSETS_BITS = 16, 16
"""More bits of an account's flags: the sixteenths of all assets that an order on it may concern."""

ACCOUNT_FLAGS, ASSET_FLAGS = 3, 4
"""Places of the flags in an account's and in an asset's row."""

STANDING = 4
"""Place in an account's row of what its verified identity comes to. ``identity`` alone writes it."""

ASSET_UNDER_ORDER, LIMITED, JURISDICTIONS, HAS_TERMS = 1, 2, 4, 8
"""Bits of an asset's flags: orders freeze it, see ``freezes/<asset>``; it has a row ``limits/<asset>``, one
``jurisdictions/<asset>``, and one ``terms/<asset>``."""

ACCOUNT_PREFIX, BALANCE_PREFIX = b"account/", b"balance/"
PARAMETERS = b"parameters"
PARAMETERS_AHEAD = b"parameters_ahead"
MEMBERS = b"members"
CHAIN = b"chain"
TARIFF = b"tariff"
MOTIONS = b"motions"
VALIDATORS = b"validators"
SCHEDULE = b"schedule"
QUEUE = b"queue"
REGULATORS = b"regulators"

NAME_CHARS_MAX = 32
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
"""What a member's id and a contract's name look like."""


def member_key(member: str) -> bytes:
    return b"member/" + member.encode()


def node_key(member: str) -> bytes:
    return b"node/" + member.encode()


def key_key(public: bytes) -> bytes:
    return b"key/" + public.hex().encode()


def settlement_key(currency: str) -> bytes:
    return b"settlement/" + currency.encode()


def account_key(address: str) -> bytes:
    return b"account/" + address.encode()


def grant_key(address: str, contract: str) -> bytes:
    return f"grant/{address}/{contract}".encode()


def identity_key(address: str) -> bytes:
    return b"identity/" + address.encode()


def reading_key(member: str, number: int | None = None) -> bytes:
    return f"reading/{member}".encode() if number is None else f"reading/{member}/{number}".encode()


def sealed_key(record: str) -> bytes:
    return b"sealed/" + record.encode()


def ciphertext_key(record: str) -> bytes:
    return b"ciphertext/" + record.encode()


def recovery_key(address: str) -> bytes:
    return b"recovery/" + address.encode()


def proposal_key(proposal: str) -> bytes:
    return b"proposal/" + proposal.encode()


def proposals_key(address: str) -> bytes:
    return b"proposals/" + address.encode()


def sponsor_key(address: str) -> bytes:
    return b"sponsor/" + address.encode()


def motion_key(motion: str) -> bytes:
    return b"motion/" + motion.encode()


def document_key(motion: str) -> bytes:
    return b"document/" + motion.encode()


def asset_key(asset: str) -> bytes:
    return b"asset/" + asset.encode()


def supply_key(asset: str) -> bytes:
    return b"supply/" + asset.encode()


def terms_key(asset: str) -> bytes:
    return b"terms/" + asset.encode()


def supplier_key(asset: str, contract: str) -> bytes:
    return f"supplier/{asset}/{contract}".encode()


def balance_key(address: str, asset: str) -> bytes:
    return f"balance/{address}/{asset}".encode()


def hold_key(hold: str) -> bytes:
    return b"hold/" + hold.encode()


def group_key(group: str) -> bytes:
    return b"group/" + group.encode()


def reserved_key(contract: str, asset: str) -> bytes:
    return f"reserved/{contract}/{asset}".encode()


def expiry_key(address: str, asset: str) -> bytes:
    return f"expiry/{address}/{asset}".encode()


def expiry_slot_key(address: str, asset: str, slot: int) -> bytes:
    return f"expiry/{address}/{asset}/{slot}".encode()


def expiry_slot_of_key(hold: str) -> bytes:
    return b"expiring/" + hold.encode()


@lru_cache(maxsize=1_024)
def frozen_asset_bit(asset: str) -> int:
    """The bit of an account's flags that stands for the asset among others."""
    return 1 << FROZEN_ASSETS_SHIFT + crc32(asset.encode()) % FROZEN_ASSETS_BITS


def freezes_key(subject: str) -> bytes:
    return b"freezes/" + subject.encode()


ORDERS = b"orders"


def order_key(number: int) -> bytes:
    return b"order/%d" % number


def orders_on_key(subject: str) -> bytes:
    return b"orders/" + subject.encode()


def order_on_key(subject: str, index: int) -> bytes:
    return f"orders_on/{subject}/{index}".encode()


def limits_key(asset: str) -> bytes:
    return b"limits/" + asset.encode()


def window_key(address: str, asset: str) -> bytes:
    return f"window/{address}/{asset}".encode()


def corridor_window_key(address: str, asset: str, country: str) -> bytes:
    return f"window/{address}/{asset}/{country}".encode()


NETWORK_JURISDICTIONS = b"jurisdictions"


def jurisdictions_key(asset: str) -> bytes:
    return b"jurisdictions/" + asset.encode()


def contract_key(name: str) -> bytes:
    return b"contract/" + name.encode()


def source_key(name: str) -> bytes:
    return b"source/" + name.encode()


def former_source_key(name: str, interface: int) -> bytes:
    return f"source/{name}/{interface}".encode()


def scheduled_key(number: int) -> bytes:
    return f"scheduled/{number}".encode()


def scheduled_count_key(contract: str) -> bytes:
    return b"scheduling/" + contract.encode()


def waiting_key(contract: str) -> bytes:
    return b"waiting/" + contract.encode()


def page_key(tree: bytes, number: int | None) -> bytes:
    """A page of the queue, or of the tree under ``waiting_key``; None for its root."""
    return tree if number is None else tree + f"/{number}".encode()


def paused_key(contract: str) -> bytes:
    return b"paused/" + contract.encode()


def data_key(contract: str, field: str, key: tuple[bool | int | str | bytes, ...] | None) -> bytes:
    """Key of a contract's own value. The packed parts are canonical, so no two keys share a spelling."""
    if key is None:
        return f"data/{contract}/{field}".encode()
    return f"data/{contract}/{field}/".encode() + codec.pack(key)
