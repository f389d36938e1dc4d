"""Statements: what one account had of one asset, and what moved it, over a period and in pages.

Each movement is a leg of an event of the kernel, with the purpose, the reference and the contract on record. The
balance is all that the account owns: available and held together, so that a hold moves nothing until it is posted.
Opening + movements = closing, for every page: the balance that the ledger left behind after each transaction is kept,
and a page whose movements don't lead from one to the next is corrupt and is not given.
"""

import struct
from collections.abc import Iterator
from typing import Final, cast

from contracts import records
from contracts.answers import Movement, StatementPage
from contracts.records import ResultRow, decode_row
from state.codec import Value
from state.errors import Corrupt, Invalid, Reason
from state.receipt import Event, Receipt
from state.world import World

READ_BYTES_MAX = 2 * 1024 * 1024
"""A page ends with the transaction at which so many bytes of receipts have been read, whatever its limit says."""

_CURSOR: Final = struct.Struct(">QII")
"""Where a page goes on: height, index of the transaction, movements of it that were given before."""


def statement(
    world: World, address: str, asset: str, from_ms: int, to_ms: int, cursor: bytes | None, limit: int
) -> StatementPage:
    """The account's movements of the asset in blocks whose time is from ``from_ms`` to ``to_ms``, oldest first.

    :raises Invalid: MALFORMED for a cursor that is none; PRUNED, the period begins before what this node keeps.
    """
    first_height = _first_height(world, from_ms)
    if first_height <= world.base_height:
        time_ms = ResultRow.decode(world.extra_get(records.result_key(world.base_height)) or b"").time_ms
        raise Invalid(
            Reason.PRUNED,
            f"this node's state came as a snapshot of height {world.base_height}: its statements begin after {time_ms} "
            "ms; ask an archive node for what was before",
        )
    start, begun, given = records.position(first_height, 0), b"", 0
    if cursor is not None:
        if len(cursor) != _CURSOR.size:
            raise Invalid(Reason.MALFORMED, "not a cursor of a statement")
        height, index, given = _CURSOR.unpack(cursor)
        begun = records.position(height, index)
        start = max(start, begun)
    stop = max(start, records.position(_first_height(world, to_ms + 1), 0))
    balance = _balance_before(world, address, asset, start)
    opening = balance
    listed: list[Movement] = []
    read_bytes = 0
    key = records.statement_key(address, asset, b"")
    rows = world.extra_scan(key + start, key + stop, limit + 1)
    for name, row in rows:
        at = name[len(key) :]
        if len(listed) == limit or read_bytes >= READ_BYTES_MAX:
            return StatementPage(opening, tuple(listed), balance, _cursor(at, 0))
        time_ms, balance_after = cast("tuple[int, int]", decode_row(row))
        data = world.extra_get(records.receipt_key(at))
        if data is None:
            raise Corrupt(f"the receipt of a movement of {address} is missing; restore from a snapshot")
        read_bytes += len(data)
        receipt = Receipt.from_value(records.listed(decode_row(data)))
        for number, (change, event) in enumerate(_changes(receipt, address, asset)):
            balance += change
            if number < given and at == begun:
                opening = balance
                continue
            if len(listed) == limit:
                return StatementPage(opening, tuple(listed), balance - change, _cursor(at, number))
            listed.append(_movement(at, time_ms, receipt.transaction_id, change, balance, event))
        if balance != balance_after:
            raise Corrupt(
                f"the movements of {asset} at {address} come to {balance}, the balance kept is {balance_after}; "
                "restore from a snapshot"
            )
    return StatementPage(opening, tuple(listed), balance, None)


def _changes(receipt: Receipt, address: str, asset: str) -> Iterator[tuple[int, Event]]:
    for event in receipt.events:
        for leg_asset, account, change in records.legs_of(event):
            if account == address and leg_asset == asset:
                yield change, event


def _movement(at: bytes, time_ms: int, transaction_id: bytes, change: int, balance: int, event: Event) -> Movement:
    fields: dict[str, Value] = dict(event.fields)
    height, index = records.place(at)
    return Movement(
        height,
        index,
        time_ms,
        transaction_id,
        change,
        balance,
        cast(str, fields.get("purpose", event.name)),
        cast(str, fields.get("reference", "")),
        cast(str, fields.get("contract", "")),
    )


def _balance_before(world: World, address: str, asset: str, at: bytes) -> int:
    key = records.statement_key(address, asset, b"")
    found = world.extra_scan(key, key + at, 1, reverse=True)
    return cast(int, decode_row(found[0][1])[1]) if found else 0


def _first_height(world: World, time_ms: int) -> int:
    """The first height whose block has that time or a later one; the next one to come if none has."""
    low, high = 0, world.height + 1
    while low < high:
        middle = (low + high) // 2
        row = world.extra_get(records.result_key(middle))
        if row is None or ResultRow.decode(row).time_ms < time_ms:
            low = middle + 1
        else:
            high = middle
    return low


def _cursor(at: bytes, given: int) -> bytes:
    return _CURSOR.pack(*records.place(at), given)
