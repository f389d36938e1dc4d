"""Rule 11 as tables: what a block may list."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from state import validity
from state.block import Block, make_block
from state.digest import NO_DIGEST
from state.errors import Invalid, Reason
from state.keys import KeyPair
from state.parameters import ChainParameters
from state.transaction import Body, Call, Transaction, sign

CHAIN_ID = bytes([1]) * 32
KEY = KeyPair.from_seed(bytes(32))
TIME_MS = 1_000_000
PARAMETERS = ChainParameters(
    transaction_window_ms=1_000,
    block_transactions_max=3,
    block_bytes_max=1_000,
    block_fuel_max=100,
    transaction_fuel_max=60,
)


def make(
    number: int = 0,
    *,
    valid_until_ms: int = TIME_MS + 500,
    fuel: int = 10,
    chain_id: bytes = CHAIN_ID,
    reference: str = "",
) -> Transaction:
    client_id = number.to_bytes(16, "big")
    call = Call("payments", 1, "pay", [reference])
    return sign(Body(chain_id, "sender", client_id, valid_until_ms, None, fuel, (call,), ()), [KEY])


def block_of(transactions: Sequence[Transaction]) -> Block:
    return make_block(
        chain_id=CHAIN_ID,
        height=1,
        parent=NO_DIGEST,
        parent_certificate=None,
        timestamp_ms=TIME_MS,
        proposer=KEY.public,
        entries=[transaction.entry for transaction in transactions],
        validators_digest=NO_DIGEST,
    )


ONE, TWO, THREE, FOUR = (make(number) for number in range(4))


@pytest.mark.parametrize(("made_under", "in_force"), [(1, 2), (2, 1), (3, 1)])
def test_a_block_under_rules_that_are_not_in_force(made_under: int, in_force: int) -> None:
    block = block_of([])
    other = replace(block, header=replace(block.header, protocol_version=made_under))
    with pytest.raises(Invalid) as refused:
        validity.check_body(other, [], replace(PARAMETERS, protocol_version=in_force))
    assert refused.value.reason is Reason.BAD_BLOCK
    detail = f"made under protocol version {made_under}, and {in_force} is in force there"
    assert refused.value.detail == detail
    validity.check_body(other, [], replace(PARAMETERS, protocol_version=made_under))


@pytest.mark.parametrize(
    ("transaction", "said"),
    [
        (ONE, None),
        (make(fuel=60), None),
        (make(fuel=61), "too_large: a fuel limit of 61, at most 60 is allowed"),
        (make(chain_id=bytes(32)), "wrong_chain: the transaction was signed for another chain"),
    ],
    ids=["good", "most fuel", "more fuel", "another chain"],
)
def test_a_transaction_by_itself(transaction: Transaction, said: str | None) -> None:
    assert refusal(lambda: validity.check_transaction(transaction, CHAIN_ID, PARAMETERS)) == said


@pytest.mark.parametrize(
    ("valid_until_ms", "said"),
    [
        (TIME_MS, None),
        (TIME_MS - 1, f"expired: it was valid until {TIME_MS - 1}, and the time is {TIME_MS}"),
        (TIME_MS + 1_000, None),
        (TIME_MS + 1_001, f"too_far_ahead: it is valid until {TIME_MS + 1_001}, more than 1000 ms ahead"),
    ],
    ids=["last moment", "expired", "whole window", "beyond it"],
)
def test_a_transaction_at_a_time(valid_until_ms: int, said: str | None) -> None:
    transaction = make(valid_until_ms=valid_until_ms)
    assert refusal(lambda: validity.check_time(transaction, TIME_MS, PARAMETERS)) == said


LARGE = [make(number, reference="x" * 400) for number in range(2)]
EXPENSIVE = [make(number, fuel=51) for number in range(2)]

BLOCKS = [
    ("empty", [], None),
    ("full", [ONE, TWO, THREE], None),
    ("too many", [ONE, TWO, THREE, FOUR], "bad_block: 4 transactions in one block"),
    ("listed twice", [ONE, ONE], "bad_block: one transaction is listed twice"),
    ("too many bytes", LARGE, "bad_block: more than 1000 bytes of transactions"),
    ("too much fuel", EXPENSIVE, "bad_block: fuel limits beyond 100 in sum"),
    (
        "one of another chain",
        [ONE, make(9, chain_id=bytes(32))],
        "wrong_chain: the transaction was signed for another chain",
    ),
    (
        "one that has expired",
        [ONE, make(9, valid_until_ms=TIME_MS - 1)],
        f"expired: it was valid until {TIME_MS - 1}, and the time is {TIME_MS}",
    ),
]


@pytest.mark.parametrize(("transactions", "said"), [case[1:] for case in BLOCKS], ids=[case[0] for case in BLOCKS])
def test_a_block_with_its_bodies(transactions: list[Transaction], said: str | None) -> None:
    assert refusal(lambda: validity.check_body(block_of(transactions), transactions, PARAMETERS)) == said


@pytest.mark.parametrize("bodies", [[ONE], [TWO, ONE], [ONE, TWO, THREE]], ids=["fewer", "another order", "more"])
def test_bodies_that_are_not_what_the_block_lists(bodies: list[Transaction]) -> None:
    said = refusal(lambda: validity.check_body(block_of([ONE, TWO]), bodies, PARAMETERS))
    assert said == "bad_block: the bodies are not those that the block lists"


def refusal(check: Callable[[], None]) -> str | None:
    """What the check says against it."""
    try:
        check()
    except Invalid as refused:
        return str(refused)
    return None
