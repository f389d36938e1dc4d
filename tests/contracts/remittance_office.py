"""A chain on which two banks remit: ann and bob at alpine, cid at baltic, in USD (cents) and JPY (yen).

ann has 10,000 USD cents; each bank has 50,000 of USD settlement money and 1,000,000 of JPY's. The usual quote of
these tests is 50.00 USD into 7,363 JPY at 147.25 with a fee of 1.20; a refund costs 0.75. The regulator is watch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import cast

from contracts.genesis_state import GenesisContract, GenesisMember
from contracts.language.kernel_interface import Plain
from state.codec import Value
from state.policy import Policy
from state.receipt import OK, Receipt
from tests.contracts.network import SALT, Chain, address_of, genesis_state, key_of
from tests.contracts.sealing import REGULATOR, reader, reading_keys, seal_record

ASSETS = ("USD.alpine", "USD.baltic", "USD.central", "JPY.alpine", "JPY.baltic", "JPY.central")
NAMES = ("ann", "bob", "cid", "alpine", "baltic", "central")

READING_KEYS = 128
YEAR_MS = 365 * 86_400_000

CHARGE = 4
"""Place of the originator's hold in the contract's record of a lock."""

SEALER = """
from hansa import action, ledger


@action
def seal(kind: str, owner: str, subject: str, sealed: bytes) -> str:
    return ledger.seal(kind, owner, subject, sealed)
"""

PARTIES = (("beneficiary_name", "Cid Baltic"), ("originator_name", "Ann Alpine"))

Money = dict[tuple[str, str], tuple[int, int]]
"""(name, asset) → available, held; nothing where both are zero."""


def uetr(number: int) -> str:
    """A UUID of version 4 that follows from a number."""
    digits = sha256(f"uetr {number}".encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a bank offers, in the order of the contract's record; the times are from the block's own."""

    send_currency: str = "USD"
    send_amount: int = 5_000
    receive_currency: str = "JPY"
    receive_amount: int = 7_363
    rate_numerator: int = 14_725
    rate_denominator: int = 10_000
    fee: int = 120
    refund_cost: int = 75
    refund_borne_by: str = "originator"
    expires_in_ms: int = 30_000
    lock_ms: int = 60_000
    cancellable: bool = True

    def value(self, time_ms: int) -> Value:
        """As an argument, for a block at that time."""
        return [
            self.send_currency, self.send_amount, self.receive_currency, self.receive_amount, self.rate_numerator,
            self.rate_denominator, self.fee, self.refund_cost, self.refund_borne_by, time_ms + self.expires_in_ms,
            self.lock_ms, self.cancellable,
        ]  # fmt: skip


FAVOUR = Terms(receive_currency="USD", receive_amount=5_000, rate_numerator=1, rate_denominator=1)
"""No exchange: 50.00 USD arrive as 50.00 USD."""


@dataclass
class Office:
    """The chain, and how the parties act on it; each gives the receipt's code."""

    chain: Chain
    count: int = 0
    sealed_count: int = 0

    @classmethod
    def open(cls, source: str | None = None, sources: Sequence[tuple[str, str]] = ()) -> "Office":
        """A fresh chain, with another ``source`` of the contract if one is given, and with more contracts."""
        genesis = genesis_state([("sealer", SEALER), *sources])
        policy = Policy.of_key(key_of(REGULATOR).public)
        watch = GenesisMember(REGULATOR, "Watch", f"{'WATCH':0<20}", "CH", "regulator", policy, SALT, None, None)
        genesis = replace(genesis, members=(*genesis.members, watch))
        if source is not None:
            contracts = tuple(
                GenesisContract(contract.name, source if contract.name == "remittances" else contract.source)
                for contract in genesis.contracts
            )
            genesis = replace(genesis, contracts=contracts)
        chain = Chain.start(genesis).furnish()
        for bank in ("alpine", "baltic"):
            for sender, method, arguments in (
                (bank, "create", ["JPY"]),
                ("central", "issue", ["JPY", address_of(bank), 1_000_000, ""]),
            ):
                assert chain.send(sender, ("bank_money", method, cast("list[Value]", arguments))) == "ok"
        for member in ("alpine", "baltic", REGULATOR):
            keys: list[Value] = list(reading_keys(member, READING_KEYS))
            assert chain.send(member, ("identity", "publish_keys", [keys])) == "ok"
        return cls(chain)

    @property
    def receipt(self) -> Receipt:
        """Of the last transaction."""
        return self.chain.results[-1].receipts[-1]

    def call(self, sender: str, method: str, *arguments: Value, time_ms: int | None = None) -> str:
        """One call in its own block, one second on or at ``time_ms``."""
        if time_ms is not None:
            self.wait(time_ms)
        transaction = self.chain.transaction(sender, ("remittances", method, list(arguments)))
        return self.chain.block(transaction, time_ms=time_ms).receipts[-1].code

    def wait(self, time_ms: int) -> None:
        """Let the clock run to just before ``time_ms`` without a block: what is signed now is valid then."""
        self.chain.time_ms = time_ms - 1

    def quote(self, terms: Terms = Terms(), bank: str = "alpine", customer: str = "ann") -> str:
        """A quote that is taken as firm; gives its UETR."""
        self.count += 1
        name = uetr(self.count)
        assert self.offer(name, terms, bank, customer) == "ok", self.receipt
        return name

    def offer(self, name: str, terms: Terms, bank: str = "alpine", customer: str = "ann") -> str:
        """A bank quotes under a UETR."""
        return self.call(bank, "quote", name, address_of(customer), terms.value(self.chain.time_ms + 1_000))

    def disclose(self, name: str, *readers: str, kind: str = "travel_rule", bank: str = "alpine") -> str:
        """The bank seals who the parties are, to itself, the regulator and ``readers``; gives the record's id."""
        number = self.sealed_count
        self.sealed_count += 1
        wraps = [reader(member, number) for member in (bank, REGULATOR, *readers)]
        sealed = seal_record(bank, name, wraps, kind, PARTIES).encode()
        if kind == "travel_rule":
            assert self.call(bank, "disclose", name, sealed) == "ok", self.receipt
        else:
            assert self.chain.send(bank, ("sealer", "seal", [kind, bank, name, sealed])) == "ok", self.receipt
        return cast(str, self.receipt.results[0])

    def lock(
        self,
        name: str,
        sender: str = "ann",
        to: str = "cid",
        travel_rule: str | None = None,
        time_ms: int | None = None,
    ) -> str:
        """The originator takes the quote, with a record for both banks unless another is given."""
        if travel_rule is None:
            travel_rule = self.disclose(name, "baltic")
        return self.call(sender, "lock", name, address_of(to), travel_rule, "for the family", time_ms=time_ms)

    def locked(self, terms: Terms = Terms(), to: str = "cid") -> str:
        """A quote that ann has locked."""
        name = self.quote(terms)
        assert self.lock(name, to=to) == "ok", self.receipt
        return name

    def identify(self, name: str, bank: str) -> None:
        """The bank vouches for its customer."""
        number = self.sealed_count
        self.sealed_count += 1
        address = address_of(name)
        sealed = seal_record(bank, address, [reader(member, number) for member in (bank, REGULATOR)]).encode()
        verified: list[Value] = [address, 1, self.chain.time_ms + YEAR_MS, "CH", "low"]
        assert self.chain.send(bank, ("identity", "register", [address, sealed])) == "ok", self.receipt
        assert self.chain.send(bank, ("identity", "verify", verified)) == "ok", self.receipt

    def order(self, method: str, *arguments: Value) -> int:
        """An order of the regulator's, on record with a reference and a legal basis; gives its number."""
        code = self.chain.send(REGULATOR, ("orders", method, [*arguments]))
        assert code == "ok", self.receipt
        return cast(int, self.receipt.results[0])

    def freeze(self, name: str, *stops: str) -> int:
        """Freeze all that an account has."""
        expires_ms = self.chain.time_ms + YEAR_MS
        return self.order("freeze", address_of(name), "", 0, [*stops], "ref 1", "law 2", expires_ms)

    def seize(self, deal: str, originator: str, asset: str, amount: int) -> None:
        """Take money by order, breaking the originator's hold of a lock if more is needed than is free."""
        locked = cast("list[list[str]]", self.ask("describe", deal))[4]
        expires_ms = self.chain.time_ms + YEAR_MS
        source, target = address_of(originator), address_of("central")
        breaks: Value = [locked[CHARGE]]
        self.order("force_transfer", asset, source, target, amount, breaks, "ref 3", "law 4", expires_ms)

    def ask(self, method: str, *arguments: Value) -> Plain:
        """A query at the last block's time; the code where it fails."""
        answer = self.chain.reads.query("remittances", method, arguments)
        return cast(Plain, answer.value) if answer.code == OK else answer.code

    def status(self, name: str) -> str:
        """The remittance's status at the last block's time."""
        return cast(str, self.ask("status", name))

    def money(self) -> Money:
        """Every balance on the chain, by name; held money of expired holds counts as available."""
        found: Money = {}
        for name in NAMES:
            for entry in self.chain.reads.account(address_of(name)).balances:
                found[name, entry.asset] = (entry.available, entry.held)
        return found

    def changes(self, before: Money) -> dict[tuple[str, str], tuple[int, int]]:
        """What has come to be available and held since."""
        after = self.money()
        changed: Money = {}
        for place in sorted({*before, *after}):
            free, held = after.get(place, (0, 0))
            free_before, held_before = before.get(place, (0, 0))
            if (free, held) != (free_before, held_before):
                changed[place] = (free - free_before, held - held_before)
        return changed
