"""The door: what comes in, what is turned away and why, and which bodies are kept."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from node import admission
from node.admission import Admitted, Door
from node.chain import Chain
from node.history import ParameterHistory
from node.pool import OVERHEAD_BYTES, Pool, PoolLimits
from node.pressure import Level
from scripts.simulation import birth
from state.errors import Reason
from state.transaction import Body, Transaction, decode, sign
from tests.node.bench import CHAIN_ID, GENESIS_MS, PARAMETERS, empty_chain, grow, make, payments

GOOD, OTHER, *_ = WORK = payments(4)


class Entrance:
    """A door with its pool and chain, a verifier that answers when it is told to, and what was admitted."""

    def __init__(self, chain: Chain | None = None, limits: PoolLimits | None = None) -> None:
        self.chain = empty_chain() if chain is None else chain
        self.pool = Pool(limits or PoolLimits())
        self.queue: list[tuple[Sequence[Transaction], Callable[[Sequence[bool]], None]]] = []
        self.admitted: list[Admitted] = []
        self.level = Level.CALM
        self.door = Door(
            CHAIN_ID,
            ParameterHistory(PARAMETERS),
            self.chain,
            self.pool,
            self._verify,
            self.admitted.append,
            lambda: self.level,
        )

    def verify_all(self) -> None:
        while self.queue:
            transactions, then = self.queue.pop(0)
            then([transaction.has_valid_signatures() for transaction in transactions])

    def submit(self, *transactions: Transaction, now_ms: int = GENESIS_MS) -> list[Reason | None]:
        """What became of each."""
        self.door.submit(7, [transaction.encoded for transaction in transactions], now_ms)
        self.verify_all()
        admitted = self.admitted.pop()
        assert admitted.token == 7
        return [None if result.refused is None else result.refused.reason for result in admitted.results]

    def receive(self, *transactions: Transaction, now_ms: int = GENESIS_MS) -> None:
        """From a peer."""
        self.door.receive("alpha", [transaction.encoded for transaction in transactions], now_ms)
        self.verify_all()

    def _verify(self, transactions: Sequence[Transaction], then: Callable[[Sequence[bool]], None]) -> None:
        self.queue.append((transactions, then))


def changed(**fields: object) -> Transaction:
    """A payment with another field in its body, signed again."""
    body: Body = replace(GOOD.body, **fields, keys=())  # type: ignore[arg-type]
    return sign(body, [birth.account_key(birth.bank(0))])


def spoilt() -> Transaction:
    """A good payment under another's signature: the same id, another entry."""
    return decode(GOOD.encoded[:-1] + bytes([GOOD.encoded[-1] ^ 1]))


WINDOW_MS = PARAMETERS.transaction_window_ms
TURNED_AWAY = [
    ("another chain", changed(chain_id=bytes(32)), GENESIS_MS, Reason.WRONG_CHAIN),
    ("too much fuel", changed(fuel_limit=PARAMETERS.transaction_fuel_max + 1), GENESIS_MS, Reason.TOO_LARGE),
    ("expired", GOOD, GOOD.body.valid_until_ms + 1, Reason.EXPIRED),
    ("its last moment", GOOD, GOOD.body.valid_until_ms, None),
    ("too far ahead", changed(valid_until_ms=GENESIS_MS + WINDOW_MS + 1), GENESIS_MS, Reason.TOO_FAR_AHEAD),
    ("a wrong signature", spoilt(), GENESIS_MS, Reason.BAD_SIGNATURE),
    ("good", GOOD, GENESIS_MS, None),
]


@pytest.mark.parametrize(
    ("transaction", "now_ms", "reason"), [case[1:] for case in TURNED_AWAY], ids=[case[0] for case in TURNED_AWAY]
)
def test_who_comes_in(transaction: Transaction, now_ms: int, reason: Reason | None) -> None:
    entrance = Entrance()
    assert entrance.submit(transaction, now_ms=now_ms) == [reason]
    assert (transaction.id in entrance.pool) == (reason is None)


def test_each_of_a_batch_is_answered_in_its_place() -> None:
    entrance = Entrance()
    entrance.door.submit(7, [b"\x01\xc1", GOOD.encoded, spoilt().encoded, OTHER.encoded], GENESIS_MS)
    entrance.verify_all()
    (admitted,) = entrance.admitted
    assert [result.transaction_id for result in admitted.results] == [None, GOOD.id, GOOD.id, OTHER.id]
    assert [None if result.refused is None else result.refused.reason for result in admitted.results] == [
        Reason.MALFORMED,
        None,
        Reason.BAD_SIGNATURE,
        None,
    ]
    assert (admitted.transactions, admitted.bad_signatures) == ([GOOD, OTHER], 1)


def test_a_second_copy_is_a_duplicate_at_every_stage() -> None:
    entrance = Entrance()
    entrance.door.submit(1, [GOOD.encoded, GOOD.encoded], GENESIS_MS)
    entrance.door.receive("alpha", [GOOD.encoded], GENESIS_MS)
    assert [len(transactions) for transactions, _ in entrance.queue] == [1]
    entrance.verify_all()
    assert [len(admitted.transactions) for admitted in entrance.admitted] == [0, 1]
    assert entrance.submit(GOOD) == [Reason.DUPLICATE]
    grow(entrance.chain, [[GOOD]])
    entrance.pool.forget([GOOD.id])
    assert entrance.submit(GOOD) == [Reason.DUPLICATE]


def test_one_that_is_decided_while_its_signatures_are_checked_stays_out() -> None:
    entrance = Entrance()
    entrance.door.submit(1, [GOOD.encoded], GENESIS_MS)
    grow(entrance.chain, [[GOOD]])
    entrance.verify_all()
    (refused,) = entrance.admitted[0].results
    assert str(refused.refused) == "duplicate: the transaction is already decided"
    assert len(entrance.pool) == 0


def test_the_door_closes_when_too_many_are_being_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "VERIFYING_MAX", 2)
    entrance = Entrance()
    assert entrance.submit(*WORK[:3]) == [None, None, Reason.FULL]
    assert entrance.submit(WORK[2]) == [None]


def test_bodies_that_an_undecided_block_lists_are_taken_whatever_pool_and_clock_say() -> None:
    full = PoolLimits(bytes_max=len(GOOD.encoded) + OVERHEAD_BYTES, sender_share=1)
    entrance = Entrance(limits=full)
    assert entrance.submit(GOOD) == [None]
    block = make(transactions=[OTHER])
    assert entrance.door.missing(block) == [OTHER.entry]
    entrance.door.want(block.entries)
    entrance.receive(OTHER, now_ms=OTHER.body.valid_until_ms + 1)
    assert OTHER.id not in entrance.pool
    assert entrance.door.find(OTHER.entry) == OTHER
    assert entrance.door.missing(block) == []
    assert entrance.submit(OTHER) == [Reason.DUPLICATE]
    entrance.door.unwant(block.entries)
    entrance.door.release(block)
    assert (entrance.door.find(OTHER.entry), entrance.door.kept_count) == (None, 0)


def test_a_wanted_body_with_a_wrong_signature_is_not_kept() -> None:
    entrance = Entrance()
    bad = spoilt()
    entrance.door.want([GOOD.entry, bad.entry])
    entrance.receive(bad)
    assert entrance.door.find(GOOD.entry) is None
    assert entrance.door.kept_count == 0


@pytest.mark.parametrize("what", ["another chain", "too much fuel"])
def test_what_only_a_liar_lists_is_kept_for_its_block_and_never_pending(what: str) -> None:
    """Were it pending, correct primaries would list it too, and every block of theirs be refused."""
    (body,) = [case[1] for case in TURNED_AWAY if case[0] == what]
    entrance = Entrance()
    entrance.door.want([body.entry])
    entrance.receive(body)
    assert entrance.door.find(body.entry) == body
    assert body.id not in entrance.pool
    assert entrance.admitted.pop().transactions == []


def test_a_body_is_kept_when_a_block_lists_it_and_the_pool_then_drops_it() -> None:
    entrance = Entrance()
    assert entrance.submit(GOOD) == [None]
    block = make(transactions=[GOOD])
    assert entrance.door.missing(block) == []
    entrance.pool.forget([GOOD.id])
    assert entrance.door.find(GOOD.entry) == GOOD
    entrance.door.release_all()
    assert entrance.door.find(GOOD.entry) is None


def test_two_blocks_may_want_one_body() -> None:
    entrance = Entrance()
    entrance.door.want([GOOD.entry])
    entrance.door.want([GOOD.entry])
    entrance.door.unwant([GOOD.entry])
    entrance.receive(GOOD, now_ms=GOOD.body.valid_until_ms + 1)
    assert entrance.door.find(GOOD.entry) == GOOD
    entrance.door.unwant([GOOD.entry, OTHER.entry])


def test_a_crowd_turns_clients_back_but_nobody_out() -> None:
    """Who has something pending waits; who has nothing gets in; peers' gossip always does."""
    second, third = changed(client_id=b"2" * 16), changed(client_id=b"3" * 16)
    stranger = next(item for item in payments(20) if item.body.sender != GOOD.body.sender)
    entrance = Entrance()
    assert entrance.submit(GOOD) == [None]
    entrance.level = Level.CROWDED
    assert entrance.submit(second, stranger, GOOD) == [Reason.BUSY, None, Reason.DUPLICATE]
    entrance.receive(third)
    assert third.id in entrance.pool
    entrance.pool.forget([GOOD.id, third.id, stranger.id])
    assert entrance.submit(second) == [None]
    entrance.level = Level.BUSY
    assert entrance.submit(stranger, second) == [Reason.BUSY, Reason.DUPLICATE]
    entrance.receive(third)
    assert third.id in entrance.pool


def test_what_a_peer_passes_on_by_other_limits_is_no_offence() -> None:
    """The limits go by height, and peers are at other heights: an honest one is never barred for that."""
    entrance = Entrance()
    over = changed(fuel_limit=PARAMETERS.transaction_fuel_max + 1)
    entrance.door.receive("alpha", [over.encoded, over.encoded[:-1]], GENESIS_MS)
    (admitted,) = entrance.admitted
    assert (admitted.peer, admitted.offences) == ("alpha", 1)
