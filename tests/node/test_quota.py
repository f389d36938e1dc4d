"""The quota in proposals: nothing that execution would refuse, and nobody kept waiting behind what is over."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import quota as quota_module
from node.execution import opened_of
from node.pool import Pool
from node.quota import Quota
from state.receipt import Receipt
from state.transaction import Transaction
from tests.contracts.network import Chain, address_of, genesis_state
from tests.contracts.test_governance import QUOTA, decide, transfers
from tests.node.test_pool import make

BANKS = {"a": "alpine", "b": "alpine", "c": "baltic", "d": "baltic", "e": ""}


def take(pool: Pool, quota: Quota) -> list[str]:
    taken = pool.take(500, 10_000, 1_000, 1_000_000, 1_000_000, quota.allowance())
    return [transaction.body.sender for transaction in taken]


def filled(*senders: str, fuel_limit: int = 40) -> Pool:
    pool = Pool()
    for number, sender in enumerate(senders):
        pool.add(make(number, sender, fuel_limit=fuel_limit))
    return pool


@pytest.mark.parametrize(
    ("fuel", "known", "waiting", "taken"),
    [
        (0, "", "aaaabbcc", "aaaabbcc"),
        (100, "abcd", "aaabcd", "aacd"),
        (100, "abcd", "aaaaaaaac", "aac"),
        (100, "abcd", "abab", "ab"),
        # A payer not heard of counts against everybody, and leaves them their share.
        (100, "abcd", "xac", "xac"),
        (100, "abcd", "xxaacc", "xac"),
        (100, "", "abc", "a"),
        (400, "abcd", "xyzaaaaaaaaaacc", "xyaaaaaaaacc"),
        # Behind a member that has used up its part, one not heard of waits for the next block.
        (100, "abcd", "aax", "aa"),
        (100, "abcde", "eeea", "eea"),
    ],
)
def test_what_a_block_takes(fuel: int, known: str, waiting: str, taken: str) -> None:
    quota = Quota()
    quota.executed(fuel, [(name, BANKS[name]) for name in known])
    assert "".join(take(filled(*waiting), quota)) == taken


def test_everybody_has_a_turn() -> None:
    """However much one bank's customers send, everything is proposed in the end, the oldest first in each block."""
    waiting = [*"aaaaaaaaaabbbb", "x", "c", *"aaaa", "y", "d"]
    pool, quota = filled(*waiting), Quota()
    quota.executed(100, [(name, BANKS[name]) for name in "abcd"])
    seen: list[str] = []
    for _ in range(30):
        taken = pool.take(500, 10_000, 1_000, 1_000_000, 1_000_000, quota.allowance())
        if not taken:
            break
        assert taken[0] is next(iter(pool))
        seen += [transaction.body.sender for transaction in taken]
        pool.forget([transaction.id for transaction in taken])
    assert sorted(seen) == sorted(waiting)
    assert seen.index("c") < 4
    assert seen.index("d") < 6


def test_the_fuel_payers_bank_counts() -> None:
    quota = Quota()
    quota.executed(100, BANKS.items())
    pool = Pool()
    for number in range(4):
        made = make(number, "a", fuel_limit=40)
        body = replace(made.body, fuel_payer="c" if number % 2 else None)
        pool.add(replace(made, body=body))
    assert len(take(pool, quota)) == 4


def test_what_is_remembered_is_bounded_and_ends_with_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota_module, "BANKS_MAX", 2)
    quota = Quota(100)
    quota.executed(100, [("a", "alpine"), ("b", "alpine")])
    quota.executed(100, [("a", "alpine"), ("c", "baltic")])
    assert list(quota._banks) == ["a", "c"]
    quota.executed(0, [])
    assert quota.allowance() is None
    assert list(quota._banks) == []


@given(
    st.lists(st.tuples(st.sampled_from("abcdwxyz"), st.integers(1, 100)), max_size=30),
    st.sets(st.sampled_from("abcdwxyz")),
    st.integers(100, 300),
)
def test_nothing_that_is_proposed_is_over(waiting: list[tuple[str, int]], known: set[str], fuel: int) -> None:
    """Whoever the payers not heard of turn out to bank with."""
    banks = {name: BANKS.get(name, "alpine") for name in "abcdwxyz"}
    quota, pool = Quota(), Pool()
    quota.executed(fuel, [(name, banks[name]) for name in sorted(known)])
    for number, (name, limit) in enumerate(waiting):
        pool.add(make(number, name, fuel_limit=limit))
    spent: dict[str, int] = {}
    taken = pool.take(500, 10_000, 1_000, 1_000_000, 1_000_000, quota.allowance())
    for transaction in taken:
        bank = banks[transaction.body.sender]
        spent[bank] = spent.get(bank, 0) + transaction.body.fuel_limit
    assert all(total <= fuel for total in spent.values())
    assert bool(taken) == bool(waiting)


def test_execution_tells_the_quota_and_whose_customers_paid() -> None:
    chain = Chain.start(genesis_state()).furnish()
    assert chain.results[-1].quota == 0
    assert chain.results[-1].payer_banks == ()
    decide(chain, "quota", [], [QUOTA])
    result = chain.block(*transfers(chain, "ann", "cid", "ann", "alpine"))
    banks = ((address_of("ann"), "alpine"), (address_of("cid"), "baltic"), (address_of("alpine"), "alpine"))
    assert (result.quota, result.payer_banks) == (QUOTA, banks)
    assert opened_of(chain.executor).quota == QUOTA
    assert chain.executor.quota() == (QUOTA, ())


def test_honest_users_never_see_the_code() -> None:
    """Proposals from the pool, executed: more waits than the quota lets through, and not one is refused for it."""
    chain = Chain.start(genesis_state()).furnish()
    decide(chain, "quota", [], [QUOTA])
    pool, quota = Pool(), Quota(chain.executor.quota()[0])
    waiting: list[Transaction] = transfers(chain, *["ann", "bob", "cid"] * 4)
    for transaction in waiting:
        pool.add(transaction)
    receipts: list[Receipt] = []
    for _ in range(12):
        taken = pool.take(chain.time_ms + 1_000, 3_600_000, 100, 10**6, 2 * 10**9, quota.allowance())
        result = chain.block(*taken)
        pool.forget([transaction.id for transaction in taken])
        quota.executed(result.quota, result.payer_banks)
        receipts += result.receipts
    assert len(pool) == 0
    assert len(receipts) == len(waiting)
    assert {receipt.code for receipt in receipts} == {"ok"}


