"""The transaction pool: what clients have sent and no block has taken yet.

There are no sequence numbers, so nothing in the pool waits for anything else in it. The pool is bounded in bytes.
When it is full, room is made at the expense of the sender who takes up most of it, so that a flood from one
address, or from a thousand, crowds out itself first. What is here has valid signatures: they were checked once, on
arrival, and are not checked again.
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from node.quota import Allowance
from state.codec import INT_MAX
from state.errors import Invalid, Reason
from state.parameters import ChainParameters
from state.transaction import Transaction

OVERHEAD_BYTES = 1_024
"""What an entry takes up beside its encoded bytes: objects, dictionary and heap slots (measured, rounded up)."""

EXPIRIES_SLACK = 1_024
"""Expiries of transactions that are gone: beyond so many, and as many as are pending, they are cleared away."""

EXPIRED_REMEMBERED_MAX = 65_536
"""How many ids of expired transactions are remembered, so that their senders are told ``expired``, not ``unknown``."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Local policy; never part of validity."""

    bytes_max: int = 64 * 1024 * 1024
    """Room for all transactions, overhead included."""
    sender_share: int = 4
    """One sender holds at most bytes_max ÷ sender_share."""


class Pool:
    """Pending transactions in order of arrival."""

    def __init__(self, limits: PoolLimits = PoolLimits()) -> None:
        self._limits = limits
        self._transactions: OrderedDict[bytes, Transaction] = OrderedDict()
        self._expiries: list[tuple[int, bytes]] = []
        self._sender_bytes: dict[str, int] = {}
        self._expired: OrderedDict[bytes, None] = OrderedDict()
        self.bytes_used = 0
        self._fuel = 0
        self.evicted_count = 0

    def __len__(self) -> int:
        return len(self._transactions)

    def __contains__(self, transaction_id: bytes) -> bool:
        return transaction_id in self._transactions

    def __iter__(self) -> Iterator[Transaction]:
        return iter(self._transactions.values())

    def get(self, transaction_id: bytes) -> Transaction | None:
        """The pending transaction of that id."""
        return self._transactions.get(transaction_id)

    def holds(self, sender: str) -> bool:
        """Whether anything of that sender is pending."""
        return sender in self._sender_bytes

    def add(self, transaction: Transaction) -> None:
        """Take in a transaction whose signatures are valid.

        :raises Invalid: DUPLICATE, or FULL when its sender holds its share or there is no room to be made.
        """
        if transaction.id in self._transactions:
            raise Invalid(Reason.DUPLICATE, "the transaction is already pending")
        sender = transaction.body.sender
        size = len(transaction.encoded) + OVERHEAD_BYTES
        held = self._sender_bytes.get(sender, 0)
        if held + size > self._limits.bytes_max // self._limits.sender_share:
            raise Invalid(Reason.FULL, "this sender's share of the pool is used up; send again when some are final")
        if self.bytes_used + size > self._limits.bytes_max:
            self._make_room(size, held)
        self._transactions[transaction.id] = transaction
        self._sender_bytes[sender] = self._sender_bytes.get(sender, 0) + size
        self.bytes_used += size
        self._fuel += transaction.body.fuel_limit
        heapq.heappush(self._expiries, (transaction.body.valid_until_ms, transaction.id))

    def fills(self, parameters: ChainParameters) -> bool:
        """Whether a block has room for no more than what is here, by number, bytes or fuel."""
        return (
            len(self._transactions) >= parameters.block_transactions_max
            or self.bytes_used - OVERHEAD_BYTES * len(self._transactions) >= parameters.block_bytes_max
            or self._fuel >= parameters.block_fuel_max
        )

    def take(
        self,
        timestamp_ms: int,
        window_ms: int,
        count_max: int,
        bytes_max: int,
        fuel_max: int,
        allowance: Allowance | None = None,
        transaction_fuel_max: int = INT_MAX,
    ) -> list[Transaction]:
        """The transactions that a block of that time may list, oldest first. They stay in the pool.

        One that the block has no room for keeps no other waiting.
        """
        taken: list[Transaction] = []
        for transaction in self._transactions.values():
            if len(taken) == count_max:
                break
            body = transaction.body
            if not timestamp_ms <= body.valid_until_ms <= timestamp_ms + window_ms:
                continue
            if len(transaction.encoded) > bytes_max or body.fuel_limit > min(fuel_max, transaction_fuel_max):
                continue
            if allowance is not None and not allowance.takes(body):
                continue
            bytes_max -= len(transaction.encoded)
            fuel_max -= body.fuel_limit
            taken.append(transaction)
        return taken

    def forget(self, transaction_ids: Iterable[bytes]) -> None:
        """Drop what a block has taken."""
        for transaction_id in transaction_ids:
            self._remove(transaction_id)

    def retain(self, parameters: ChainParameters, time_ms: int) -> list[bytes]:
        """Drop what no block after one of that time may list under these parameters, as it is; the ids dropped."""
        until_ms = time_ms + parameters.transaction_window_ms
        dropped = [
            item.id
            for item in self._transactions.values()
            if item.body.fuel_limit > parameters.transaction_fuel_max or item.body.valid_until_ms > until_ms
        ]
        self.forget(dropped)
        return dropped

    def expire(self, time_ms: int) -> list[bytes]:
        """Drop what no block after ``time_ms`` may list; the ids dropped."""
        dropped = []
        while self._expiries and self._expiries[0][0] < time_ms:
            transaction_id = heapq.heappop(self._expiries)[1]
            if self._remove(transaction_id):
                dropped.append(transaction_id)
                self._expired[transaction_id] = None
        while len(self._expired) > EXPIRED_REMEMBERED_MAX:
            self._expired.popitem(last=False)
        return dropped

    def has_expired(self, transaction_id: bytes) -> bool:
        """Whether the id was pending here and ran out of time."""
        return transaction_id in self._expired

    def _make_room(self, size: int, held: int) -> None:
        """Evict the newest transactions of the largest senders. :raises Invalid: FULL."""
        while self.bytes_used + size > self._limits.bytes_max:
            largest = max(self._sender_bytes, key=lambda sender: self._sender_bytes[sender], default=None)
            if largest is None or self._sender_bytes[largest] <= held + size:
                raise Invalid(Reason.FULL, "the pool is full; send again in a moment")
            newest = next(
                transaction_id
                for transaction_id in reversed(self._transactions)
                if self._transactions[transaction_id].body.sender == largest
            )
            self._remove(newest)
            self.evicted_count += 1

    def _remove(self, transaction_id: bytes) -> bool:
        transaction = self._transactions.pop(transaction_id, None)
        if transaction is None:
            return False
        size = len(transaction.encoded) + OVERHEAD_BYTES
        self.bytes_used -= size
        self._fuel -= transaction.body.fuel_limit
        sender = transaction.body.sender
        left = self._sender_bytes[sender] - size
        if left:
            self._sender_bytes[sender] = left
        else:
            del self._sender_bytes[sender]
        if len(self._expiries) > 2 * len(self._transactions) + EXPIRIES_SLACK:
            self._expiries = [(held.body.valid_until_ms, held.id) for held in self._transactions.values()]
            heapq.heapify(self._expiries)
        return True
