"""What is kept beside the state, in the batch of the block that made it: the rows that reads are answered from.

None of these rows is under the state root. Receipts are under the receipts root, which the CHECKPOINT carries.

    key                                            value
    receipt/<height, 8><index, 4>                  Receipt.to_value, packed
    history/<address>/<height, 8><index, 4>        transaction id; sender, fuel payer and everyone whose money moved
    statement/<address>/<asset>/<height, 8><index, 4>   [ms, available and held together after the transaction]; for
                                                    each (address, asset) in legs of its events
    holding/<address>/<asset>                      nothing: the account has a balance of the asset
    deployed/<contract>                            nothing: the contract is there
    run/<id>                                       position of the receipt of a scheduled call's run
    validators/<height, 8>                         [[member, vote key], …]: who validates from that height on; the state
                                                    itself forgets those whose time is over
    result/<height, 8>                             [block digest, receipts root, state root of the height before,
                                                    ms, receipts, failed receipts, fuel used, runs of scheduled calls,
                                                    due time of the first that had to wait?]

A block's receipts are those of scheduled calls in the order in which they ran, then those of its transactions in the
block's order.

Integers are big end first, so that rows stand in the order of the chain.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

import msgpack

from contracts.kernel.layout import (
    BALANCE_PREFIX,
    EMPTY_BALANCE,
    SUPPLY,
    VALIDATORS,
    BalanceRow,
    Item,
    Leg,
    Row,
)
from contracts.kernel.members import Schedule
from contracts.kernel.scope import LEDGER
from state import merkle
from state.codec import Value
from state.overlay import Overlay
from state.receipt import RECEIPT_VERSION, Event, Receipt

HEIGHT_BYTES = 8
INDEX_BYTES = 4
POSITION_BYTES = HEIGHT_BYTES + INDEX_BYTES

POSITION_END = b"\xff" * POSITION_BYTES
"""Above every position."""

_VERSION = bytes((RECEIPT_VERSION,))

CONTRACT_PREFIX = b"contract/"


@dataclass(frozen=True, slots=True)
class ResultRow:
    """What a block came to."""

    block_digest: bytes
    receipts_root: bytes
    previous_state_root: bytes
    """State root after the height before. The block's own is known only when all rows are."""
    time_ms: int
    count: int
    """Receipts."""
    failed_count: int
    fuel_used: int
    runs: int = 0
    """How many of the receipts, the first ones, are of scheduled calls."""
    carried_ms: int | None = None
    """When the first scheduled call was due that had no room in the block; None: all that was due has run."""

    def encode(self) -> bytes:
        """The row's value."""
        return encode_row(
            [
                self.block_digest,
                self.receipts_root,
                self.previous_state_root,
                self.time_ms,
                self.count,
                self.failed_count,
                self.fuel_used,
                self.runs,
                self.carried_ms,
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> "ResultRow":
        """What ``encode`` gave."""
        return cls(*cast("tuple[bytes, bytes, bytes, int, int, int, int, int, int | None]", decode_row(data)))


_PACKER = msgpack.Packer(use_bin_type=True)
_PAIR = _PACKER.pack_array_header(2)

encode_row: Final[Callable[[object], bytes]] = _PACKER.pack
"""The canonical encoding, as ``codec.pack``, of what the kernel made or has checked: it isn't checked again."""

decode_row: Final[Callable[[bytes], Row]] = partial(msgpack.unpackb, use_list=False, raw=False, strict_map_key=True)
"""A value of our own state in memory. It was canonical when it was written, and the store verified it."""


def position(height: int, index: int) -> bytes:
    """A place in the chain, 12 bytes."""
    return height.to_bytes(HEIGHT_BYTES, "big") + index.to_bytes(INDEX_BYTES, "big")


def place(data: bytes) -> tuple[int, int]:
    """Height and index of a position."""
    return int.from_bytes(data[:HEIGHT_BYTES], "big"), int.from_bytes(data[HEIGHT_BYTES:POSITION_BYTES], "big")


def receipt_key(at: bytes) -> bytes:
    return b"receipt/" + at


def history_key(address: str, at: bytes) -> bytes:
    return f"history/{address}/".encode() + at


def statement_key(address: str, asset: str, at: bytes) -> bytes:
    return f"statement/{address}/{asset}/".encode() + at


def holding_key(address: str, asset: str) -> bytes:
    return f"holding/{address}/{asset}".encode()


def deployed_key(contract: str) -> bytes:
    return f"deployed/{contract}".encode()


def run_key(identity: bytes) -> bytes:
    return b"run/" + identity


def validators_key(first_height: int) -> bytes:
    return b"validators/" + first_height.to_bytes(HEIGHT_BYTES, "big")


def result_key(height: int) -> bytes:
    return b"result/" + height.to_bytes(HEIGHT_BYTES, "big")


def legs_of(event: Event) -> list[Leg]:
    """What the event moved, leg by leg, each as a list. The kernel's events that move money end with it."""
    if event.contract == LEDGER and event.fields and event.fields[-1][0] == "legs":
        return cast("list[Leg]", event.fields[-1][1])
    return []


def add_statement_rows(
    rows: dict[bytes, bytes | None], overlay: Overlay[Row], events: Sequence[Event], at: bytes, time_ms: int
) -> None:
    """Add the statement rows of a transaction that has just run: what it moved, with the balances as they are now."""
    for event in events:
        for asset, address, _ in legs_of(event):
            if address != SUPPLY:
                place = f"{address}/{asset}".encode()
                balance: BalanceRow = overlay.get(BALANCE_PREFIX + place) or EMPTY_BALANCE  # type: ignore[assignment]
                rows[b"statement/" + place + b"/" + at] = encode_row((time_ms, balance[0] + balance[1]))


def encoded_receipt(receipt: Receipt) -> tuple[bytes, bytes]:
    """``receipt.encode()`` and the packed ``receipt.to_value()``, each event encoded once for both."""
    packed = [encode_row((event.contract, event.name, event.fields)) for event in receipt.events]
    root = merkle.root([_VERSION + event for event in packed])
    leaf = _VERSION + encode_row(
        (receipt.transaction_id, receipt.code, receipt.message, receipt.fuel_used, receipt.results, root)
    )
    # The list of the leaf and the list of events, put together from what is packed already.
    return leaf, b"".join((_PAIR, encode_row(leaf), _PACKER.pack_array_header(len(packed)), *packed))


def leaf_of(row: bytes) -> bytes:
    """The leaf of the receipts tree in a receipt's row."""
    return cast(bytes, decode_row(row)[0])


def listed(item: Item) -> Value:
    """Lists for tuples, as what came over the wire would have them."""
    return [listed(inner) for inner in item] if type(item) is tuple else item


def index_changes(
    changes: dict[bytes, Row | None], before: Callable[[bytes], bytes | None]
) -> dict[bytes, bytes | None]:
    """The rows of holdings, contracts and validators that follow from a block's changes of the state.

    :param before: what stood under a key until now.
    """
    rows: dict[bytes, bytes | None] = {}
    for key, row in changes.items():
        if key.startswith(BALANCE_PREFIX):
            if row is None:
                rows[b"holding/" + key[len(BALANCE_PREFIX) :]] = None
            elif before(key) is None:
                rows[b"holding/" + key[len(BALANCE_PREFIX) :]] = b""
        elif key.startswith(CONTRACT_PREFIX):
            rows[b"deployed/" + key[len(CONTRACT_PREFIX) :]] = b""
        elif key == VALIDATORS:
            for first_height, validators in cast(Schedule, row):
                rows[validators_key(first_height)] = encode_row(validators)
    return rows
