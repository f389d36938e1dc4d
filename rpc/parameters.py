"""What the methods take: one type each. By name as an object, by position as an array in the order given here."""

from typing import Annotated, Any

import msgspec

from rpc.backend import WAIT_MS_MAX
from rpc.text import AddressText, AssetText, Cursor, Hash, Hex, HexToDecode, Limit, Name, Natural
from state.transaction import ARGUMENTS_MAX

LIMIT_DEFAULT = 100
"""Items of a page when the caller names no limit."""


class _Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters are exactly those that are named."""


class NoParameters(_Parameters, frozen=True):
    """None."""


class PageParameters(_Parameters, frozen=True):
    """Which page of a list."""

    cursor: Cursor | None = None
    limit: Limit = LIMIT_DEFAULT


class ValidatorsParameters(_Parameters, frozen=True):
    """Of which height (null: the latest), and which page."""

    height: Natural | None = None
    cursor: Cursor | None = None
    limit: Limit = LIMIT_DEFAULT


class BlockParameters(_Parameters, frozen=True):
    """By height or by digest; the latest block with neither."""

    height: Natural | None = None
    digest: Hash | None = None


class HeightParameters(_Parameters, frozen=True):
    """Of which height; null: the latest."""

    height: Natural | None = None


class ChangesParameters(_Parameters, frozen=True):
    """Changes above which height."""

    after_height: Natural = 0


class SubmitParameters(_Parameters, frozen=True):
    """A signed transaction as it travels."""

    transaction: HexToDecode


class HashParameters(_Parameters, frozen=True):
    """A transaction's id."""

    hash: Hash


class WaitParameters(_Parameters, frozen=True):
    """A transaction's id, and how long to wait; 30000 ms at most and by default."""

    hash: Hash
    timeout_ms: Natural = str(WAIT_MS_MAX)


class SimulateParameters(_Parameters, frozen=True):
    """A transaction's body, unsigned, with the keys that would sign in it; or a signed transaction."""

    body: Hex | None = None
    transaction: Hex | None = None


class AccountParameters(_Parameters, frozen=True):
    """An account, and which page of its balances or its history."""

    address: AddressText
    cursor: Cursor | None = None
    limit: Limit = LIMIT_DEFAULT


class StatementParameters(_Parameters, frozen=True):
    """An account and an asset; the period by block time, both ends in it (without to_ms: until now); and the page."""

    address: AddressText
    asset: AssetText
    from_ms: Natural = "0"
    to_ms: Natural | None = None
    cursor: Cursor | None = None
    limit: Limit = LIMIT_DEFAULT


class ContractParameters(_Parameters, frozen=True):
    """A contract's name."""

    contract: Name


class QueryParameters(_Parameters, frozen=True):
    """A contract's query and its arguments: null, booleans, text, lists, {"int": "12"} and {"bytes": "0x00"}."""

    contract: Name
    method: Name
    arguments: Annotated[list[Any], msgspec.Meta(max_length=ARGUMENTS_MAX)] = []
    sender: AddressText | None = None
    """Whom the contract shall see as the sender."""


class StateProofParameters(_Parameters, frozen=True):
    """A state key; or an account and an asset, for the key of that balance."""

    key: Hex | None = None
    address: AddressText | None = None
    asset: AssetText | None = None


class ReceiptProofParameters(_Parameters, frozen=True):
    """A transaction's id; with an event's index, the proof of that event too."""

    hash: Hash
    event_index: Annotated[int, msgspec.Meta(ge=0, le=2**31)] | None = None


class EventsParameters(_Parameters, frozen=True):
    """From a height on, or from a cursor, which then decides alone; of one contract, name or account if named."""

    from_height: Natural = "0"
    cursor: Cursor | None = None
    limit: Limit = LIMIT_DEFAULT
    contract: Name | None = None
    name: Name | None = None
    account: AddressText | None = None
