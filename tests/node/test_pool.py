"""The pool's bounds, order and expiry."""

from dataclasses import replace

import pytest

from node import pool as pool_module
from node.pool import OVERHEAD_BYTES, Pool, PoolLimits
from state.errors import Invalid, Reason
from state.keys import KeyPair
from state.parameters import ChainParameters
from state.transaction import Body, Call, Transaction, sign

KEY = KeyPair.from_seed(bytes(32))


def make(number: int, sender: str = "a", valid_until_ms: int = 1_000, fuel_limit: int = 10) -> Transaction:
    body = Body(
        chain_id=bytes(32),
        sender=sender,
        client_id=number.to_bytes(16, "big"),
        valid_until_ms=valid_until_ms,
        fuel_payer=None,
        fuel_limit=fuel_limit,
        calls=(Call("payments", 1, "pay", ["b", 1]),),
        keys=(),
    )
    return sign(body, [KEY])


SIZE = len(make(0).encoded) + OVERHEAD_BYTES


def take(pool: Pool, timestamp_ms: int = 500, **limits: int) -> list[Transaction]:
    chosen = {"window_ms": 10_000, "count_max": 100, "bytes_max": 100_000, "fuel_max": 1_000, **limits}
    return pool.take(timestamp_ms, **chosen)


def test_takes_in_order_of_arrival_and_forgets() -> None:
    pool = Pool()
    transactions = [make(number) for number in (3, 1, 2)]
    for transaction in transactions:
        pool.add(transaction)
    assert take(pool) == transactions
    assert pool.bytes_used == 3 * SIZE
    pool.forget([transactions[0].id, bytes(32)])
    assert take(pool) == transactions[1:]
    pool.forget(transaction.id for transaction in transactions)
    assert (len(pool), pool.bytes_used) == (0, 0)


def test_refuses_a_second_copy() -> None:
    pool = Pool()
    pool.add(make(1))
    with pytest.raises(Invalid, match=r"^duplicate: the transaction is already pending$"):
        pool.add(make(1))


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"count_max": 2}, 2),
        ({"fuel_max": 35}, 3),
        ({"bytes_max": 2 * (SIZE - OVERHEAD_BYTES)}, 2),
        ({"transaction_fuel_max": 9}, 0),
        ({"transaction_fuel_max": 10}, 5),
        ({"timestamp_ms": 1_001}, 0),
        ({"timestamp_ms": 1_000}, 5),
        ({"timestamp_ms": 1, "window_ms": 900}, 0),
    ],
)
def test_takes_what_a_block_may_list(limits: dict[str, int], expected: int) -> None:
    pool = Pool()
    for number in range(5):
        pool.add(make(number))
    assert len(take(pool, **limits)) == expected


@pytest.mark.parametrize(
    "most", [{"block_transactions_max": 2}, {"block_bytes_max": 2 * (SIZE - OVERHEAD_BYTES)}, {"block_fuel_max": 20}]
)
def test_what_fills_a_block(most: dict[str, int]) -> None:
    pool, parameters = Pool(), replace(ChainParameters(), **most)
    pool.add(make(1))
    assert not pool.fills(parameters)
    pool.add(make(2))
    assert pool.fills(parameters)
    pool.forget([make(1).id])
    assert not pool.fills(parameters)


def test_what_voted_limits_leave_behind_goes() -> None:
    pool = Pool()
    items = [make(1, fuel_limit=11), make(2), make(3, valid_until_ms=1_501), make(4, valid_until_ms=1_500)]
    for item in items:
        pool.add(item)
    parameters = replace(ChainParameters(), transaction_fuel_max=10, transaction_window_ms=1_000)
    assert pool.retain(parameters, 500) == [items[0].id, items[2].id]
    assert take(pool) == [items[1], items[3]]


def test_a_sender_holds_its_share_at_most() -> None:
    pool = Pool(PoolLimits(bytes_max=4 * SIZE, sender_share=2))
    pool.add(make(1))
    pool.add(make(2))
    with pytest.raises(Invalid) as refused:
        pool.add(make(3))
    assert refused.value.reason is Reason.FULL


def test_a_full_pool_makes_room_at_the_expense_of_the_largest_sender() -> None:
    pool = Pool(PoolLimits(bytes_max=4 * SIZE, sender_share=1))
    crowd = [make(number, "a") for number in range(4)]
    for transaction in crowd:
        pool.add(transaction)
    newcomer = make(9, "b")
    pool.add(newcomer)
    assert list(pool) == [*crowd[:3], newcomer]
    assert pool.evicted_count == 1
    pool.add(make(10, "b"))
    with pytest.raises(Invalid) as refused:
        pool.add(make(11, "b"))
    assert refused.value.reason is Reason.FULL
    assert pool.bytes_used == 4 * SIZE


def test_what_ran_out_of_time_is_remembered_as_expired() -> None:
    pool = Pool()
    early, late = make(1, valid_until_ms=100), make(2, valid_until_ms=200)
    pool.add(early)
    pool.add(late)
    assert pool.expire(100) == []
    assert pool.expire(101) == [early.id]
    assert pool.has_expired(early.id)
    assert not pool.has_expired(late.id)
    assert list(pool) == [late]


def test_a_stream_of_transactions_leaves_no_expiries_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "EXPIRIES_SLACK", 10)
    pool = Pool()
    lasting = make(0, valid_until_ms=500)
    pool.add(lasting)
    for number in range(1, 101):
        pool.add(make(number))
        pool.forget([make(number).id])
        assert len(pool._expiries) <= 12
    assert pool.expire(501) == [lasting.id]
