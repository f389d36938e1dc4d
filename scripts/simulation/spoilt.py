"""Spoilt blocks: what a lying primary may propose, one thing wrong and all else as it should be (N5).

Whatever the lie needs is real: transactions that it invents are properly signed by its own keys, and their bodies
are there for whoever asks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from scripts.simulation import birth
from state import transaction
from state.block import Block, Header, make_block
from state.certificate import Certificate
from state.digest import block_digest
from state.transaction import Transaction

FAR_MS = 20_000
"""Beyond the bound by so much: further than any clock is off in these runs."""


@dataclass(frozen=True, slots=True)
class Lie:
    """A spoilt block."""

    what: str
    block: Block
    bodies: tuple[bytes, ...]
    """Encoded transactions that the liar invented for it."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What the honest block was, and what the liar knows besides."""

    block: Block
    parent: Block | None
    """None for the first block, or when the liar has not seen it."""
    now_ms: int

    @property
    def parent_ms(self) -> int:
        """The parent's time; of one that was not seen, a time shortly before this block's."""
        if self.parent is not None:
            return self.parent.header.timestamp_ms
        return birth.GENESIS_MS if self.block.height == 1 else self.block.header.timestamp_ms - 1_000


def remade(block: Block, **changes: object) -> Block:
    """The same block but for these fields of ``make_block``."""
    header = block.header
    fields: dict[str, object] = {
        "chain_id": header.chain_id,
        "height": header.height,
        "parent": header.parent,
        "parent_certificate": header.parent_certificate,
        "timestamp_ms": header.timestamp_ms,
        "proposer": header.proposer,
        "entries": block.entries,
        "validators_digest": header.validators_digest,
    }
    return make_block(**{**fields, **changes})  # type: ignore[arg-type]


class Spoiler:
    """Invents lies.

    :param member: whose keys it has.
    :param count: validators of the network.
    """

    def __init__(self, member: str, count: int, random: Random) -> None:
        self._member = member
        self._count = count
        self._random = random
        self._kinds: tuple[tuple[Callable[[Truth], Lie], ...], ...] = (
            (self._ahead, self._behind, self._as_parent, self._before_parent),
            (self._twice, self._expired, self._too_early, self._much_fuel, self._decided_before),
            (self._other_chain, self._other_parent, self._other_validators, self._stranger, self._too_few_parents),
            (self._unknown, self._foreign, self._greedy, self._unsigned, self._wrong_root, self._another_bank),
            (self._no_parents, self._forged_parents),
        )

    def invent(self, truth: Truth) -> Lie:
        """One thing is wrong: a time, a body, a field of the header, the parent's certificate."""
        return self._random.choice(self._random.choice(self._kinds))(truth)

    # ------------------------------------------------------------------------------------------------- times

    def _ahead(self, truth: Truth) -> Lie:
        late_ms = truth.now_ms + birth.PARAMETERS.clock_bound_ms + FAR_MS
        return Lie("a time far ahead", remade(truth.block, timestamp_ms=late_ms), ())

    def _behind(self, truth: Truth) -> Lie:
        early_ms = max(0, truth.now_ms - birth.PARAMETERS.clock_bound_ms - FAR_MS)
        return Lie("a time far behind", remade(truth.block, timestamp_ms=early_ms), ())

    def _as_parent(self, truth: Truth) -> Lie:
        return Lie("its parent's time", remade(truth.block, timestamp_ms=truth.parent_ms), ())

    def _before_parent(self, truth: Truth) -> Lie:
        return Lie("a time before its parent's", remade(truth.block, timestamp_ms=truth.parent_ms - 1), ())

    # ------------------------------------------------------------------------------------------------ bodies

    def _twice(self, truth: Truth) -> Lie:
        entries, bodies = truth.block.entries, ()
        if not entries:
            return self._listing("one transaction twice", truth, [self.payment(truth.now_ms)] * 2)
        return Lie("one transaction twice", remade(truth.block, entries=(*entries, entries[0])), bodies)

    def _expired(self, truth: Truth) -> Lie:
        made = self.payment(truth.now_ms, valid_until_ms=truth.block.header.timestamp_ms - 1)
        return self._listing("a transaction that has expired", truth, [made])

    def _too_early(self, truth: Truth) -> Lie:
        until_ms = truth.block.header.timestamp_ms + birth.PARAMETERS.transaction_window_ms + 1
        made = self.payment(truth.now_ms, valid_until_ms=until_ms)
        return self._listing("a transaction valid for too long", truth, [made])

    def _much_fuel(self, truth: Truth) -> Lie:
        most = birth.PARAMETERS.transaction_fuel_max
        made = [
            self.payment(truth.now_ms, fuel_limit=most) for _ in range(birth.PARAMETERS.block_fuel_max // most + 1)
        ]
        return self._listing("too much fuel in all", truth, made)

    def _decided_before(self, truth: Truth) -> Lie:
        listed = () if truth.parent is None else truth.parent.entries[:1]
        if not listed:
            return self._unknown(truth)
        return Lie("what is decided already", remade(truth.block, entries=(*truth.block.entries, *listed)), ())

    def _unknown(self, truth: Truth) -> Lie:
        entries = (*truth.block.entries, self._random.randbytes(transaction.ENTRY_BYTES))
        return Lie("a transaction that nobody has", remade(truth.block, entries=entries), ())

    def _foreign(self, truth: Truth) -> Lie:
        made = self.payment(truth.now_ms, chain_id=self._random.randbytes(32))
        return self._listing("a transaction of another chain", truth, [made])

    def _greedy(self, truth: Truth) -> Lie:
        made = self.payment(truth.now_ms, fuel_limit=birth.PARAMETERS.transaction_fuel_max + 1)
        return self._listing("a transaction with too much fuel", truth, [made])

    def _unsigned(self, truth: Truth) -> Lie:
        made = self.payment(truth.now_ms)
        unsigned = transaction.assemble(made.body, [self._random.randbytes(64) for _ in made.signatures])
        return self._listing("a transaction that nobody signed", truth, [unsigned])

    # ------------------------------------------------------------------------------------------------ header

    def _other_chain(self, truth: Truth) -> Lie:
        return Lie("another chain", remade(truth.block, chain_id=self._random.randbytes(32)), ())

    def _other_parent(self, truth: Truth) -> Lie:
        return Lie("another parent", remade(truth.block, parent=self._random.randbytes(32)), ())

    def _other_validators(self, truth: Truth) -> Lie:
        return Lie("other validators", remade(truth.block, validators_digest=self._random.randbytes(32)), ())

    def _stranger(self, truth: Truth) -> Lie:
        return Lie("a stranger as its proposer", remade(truth.block, proposer=self._random.randbytes(32)), ())

    def _another_bank(self, truth: Truth) -> Lie:
        others = [bank for bank in map(birth.bank, range(self._count)) if bank != self._member]
        proposer = birth.vote_key(self._random.choice(others)).public
        return Lie("another bank as its proposer", remade(truth.block, proposer=proposer), ())

    def _wrong_root(self, truth: Truth) -> Lie:
        header: Header = replace(truth.block.header, transaction_root=self._random.randbytes(32))
        encoded = header.encode()
        return Lie("a wrong root", Block(header, truth.block.entries, encoded, block_digest(encoded)), ())

    def _no_parents(self, truth: Truth) -> Lie:
        return Lie("no certificate of its parent", remade(truth.block, parent_certificate=None), ())

    def _too_few_parents(self, truth: Truth) -> Lie:
        return self._with_parents("too few signers of its parent", truth, lambda listed: listed[:-1])

    def _forged_parents(self, truth: Truth) -> Lie:
        return self._with_parents(
            "forged signatures of its parent",
            truth,
            lambda listed: [(index, self._random.randbytes(64)) for index, _ in listed],
        )

    # ------------------------------------------------------------------------------------------------- tools

    def _with_parents(
        self, what: str, truth: Truth, change: Callable[[Sequence[tuple[int, bytes]]], Sequence[tuple[int, bytes]]]
    ) -> Lie:
        held = truth.block.header.parent_certificate
        if held is None:
            return self._stranger(truth)
        changed = Certificate(held.vote, tuple(change(held.signatures)))
        return Lie(what, remade(truth.block, parent_certificate=changed), ())

    def payment(self, now_ms: int, **changes: object) -> Transaction:
        """A payment in the liar's own name, properly signed, but for these fields of its body."""
        body = birth.payment(self._random, self._count, now_ms).body
        body = replace(body, **{"sender": birth.address(self._member), "keys": (), **changes})  # type: ignore[arg-type]
        return transaction.sign(body, [birth.account_key(self._member)])

    def _listing(self, what: str, truth: Truth, made: Sequence[Transaction]) -> Lie:
        entries = (*truth.block.entries, *(item.entry for item in made))
        bodies = tuple(dict.fromkeys(item.encoded for item in made))
        return Lie(what, remade(truth.block, entries=entries), bodies)
