"""Networks with a past: chains as long, and accounts as many, as a measurement needs, made without agreeing on them.

Whoever makes a test network holds all its keys, so the blocks here are as valid as any: transactions that the banks
and their customers signed, executed by the executor, each block with the commit certificate and the checkpoint
certificate that a quorum of vote keys gives. Only what agreement costs is saved: no process, no message, no sync. The
chain and the state are written to one validator's home and copied to the others'; an observer that starts with
nothing checks and replays them like any other chain.

Customers stand in for a population: an account each, spread over the banks. Their keys are KEYS_MAX different ones at
most, told apart by salts, because making a million key pairs takes longer than all the rest; no part of Hansa
remembers anything by key.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from random import Random

from consensus.rotation import first_rotation, next_rotation
from consensus.safety import SignRequest
from contracts.executor import Executor
from genesis.birth import state_at_birth
from genesis.document import Genesis
from genesis.member import Member, Role
from node import configuration, devnet, records, testnet
from node.ceremony import read_genesis
from node.chain import Chain, Outcome
from node.configuration import NodeSettings
from node.devnet import Place
from node.journal import FileJournal, Record
from node.keystore import Purpose, read_key
from node.recording import JOURNAL_BYTES_MAX, JOURNAL_HEIGHTS_MAX
from state.address import SALT_BYTES, account_address
from state.block import Block, make_block
from state.certificate import Certificate, CertifiedVote
from state.codec import Value
from state.errors import StorageFailure
from state.keys import KeyPair
from state.parameters import ChainParameters
from state.policy import Policy
from state.store import Database
from state.transaction import Body, Call, Transaction, sign
from state.votes import Checkpoint, Commit, Prepare, signing_payload
from state.world import World

CURRENCY = "USD"
FUNDS = 1_000_000_000
"""What each customer has at the start, cents."""

KEYS_MAX = 16_384
"""Different keys among the customers."""

CUSTOMERS_KEPT_MAX = 65_536
"""Customers whose address is worked out once."""

AT_ONCE = 500
"""Customers that one transaction registers, or gives money."""

PAYMENT_FUEL = 200_000
"""Fuel limit of a payment."""

READY = "prepared"
"""A file of this name says that the network beside it is whole."""

HEADER_BYTES = 13
"""Around a record in the journal."""

BLOCK_MS = 1
"""Between two blocks of a prepared chain: so that a long one does not end in the future."""


@dataclass(frozen=True, slots=True)
class Customer:
    """One account and its key."""

    address: str
    key: KeyPair


@dataclass(frozen=True, slots=True)
class Network:
    """Homes on this machine: validators first, then observers."""

    root: Path
    genesis: Genesis
    places: tuple[Place, ...]

    @property
    def validators(self) -> tuple[Place, ...]:
        """Those that vote."""
        return tuple(place for place in self.places if place.role == Role.VALIDATOR.value)

    @property
    def observers(self) -> tuple[Place, ...]:
        """Those that follow."""
        return tuple(place for place in self.places if place.role != Role.VALIDATOR.value)

    def member(self, place: Place) -> Member:
        """Whose home that is."""
        found = self.genesis.member(place.member)
        assert found is not None
        return found

    def customer(self, number: int) -> Customer:
        """The customer of that number; its bank is that number's, modulo the banks."""
        return _customer(self.genesis.parameters.address_prefix, number)

    def payments(self, accounts: int, count: int, seed: int, time_ms: int) -> Iterator[Transaction]:
        """Signed payments, each between two random customers of one bank, valid around ``time_ms``.

        Which accounts take part is a function of the seed; every payment is another one, whatever the seeds.
        """
        random, banks = Random(seed), len(self.validators)
        valid_until_ms = time_ms + self.genesis.parameters.transaction_window_ms // 2
        for _ in range(count):
            number = random.randrange(accounts)
            other = random.randrange(number % banks, accounts, banks)
            if other == number:
                other = (number + banks) % accounts if (number + banks) < accounts else number % banks
            payer, payee = self.customer(number), self.customer(other)
            call = Call("payments", 1, "pay", [payee.address, CURRENCY, 1, "benchmark"])
            identity = random.randbytes(16)
            body = Body(
                self.genesis.chain_id, payer.address, identity, valid_until_ms, None, PAYMENT_FUEL, (call,), ()
            )
            yield sign(body, [payer.key])


def make(
    root: Path, validators: int, base_port: int, settings: Callable[[NodeSettings], NodeSettings]
) -> Network:
    """Homes of so many validators and one observer, from the ceremony.

    :param settings: what to change in the configuration of each.
    """
    port = devnet.free_base_port(base_port, validators + 1)
    genesis = testnet.make(root, testnet.seats(validators, 1, port), name="benchmark", currencies=(CURRENCY,))
    network = Network(root, genesis, devnet.places(root, genesis))
    for place in network.places:
        loaded = configuration.load(place.home.configuration)
        place.home.configuration.write_text(configuration.render(replace(loaded, node=settings(loaded.node))))
    return network


def load(root: Path) -> Network:
    """The network that is there. :raises Invalid: it is not one."""
    genesis = read_genesis(root / testnet.GENESIS_FILE)
    return Network(root, genesis, devnet.places(root, genesis))


class Writer:
    """Writes a chain and its state into the first validator's home, as a node would have."""

    def __init__(self, network: Network) -> None:
        self._network = network
        genesis, home = network.genesis, network.validators[0].home
        self._parameters: ChainParameters = genesis.parameters
        self._validators = genesis.validators()
        self._vote_keys = [
            read_key((network.root / validator.member / "keys" / "vote.key"), Purpose.VOTE)
            for validator in self._validators.validators
        ]
        self._account_keys = [read_key(place.home.account_key, Purpose.ACCOUNT) for place in network.validators]
        self._state = Database.open(home.state, create=True)
        self._executor = Executor(World.open(self._state), genesis.chain_id, genesis.parameters)
        self._executor.apply_genesis(state_at_birth(genesis))
        self.chain = Chain(Database.open(home.chain, create=True), home.anchor)
        self.time_ms = genesis.time_ms
        self._certificate: Certificate | None = None
        self._parent: Block | None = None
        self._rotation = first_rotation(self._validators)
        self._count = 0

    def add(self, transactions: Sequence[Transaction]) -> None:
        """The next block."""
        self.time_ms += BLOCK_MS
        if self._parent is not None:
            self._rotation = next_rotation(self._rotation, self._parent, self._validators)
        proposer = self._rotation.primary(0)
        block = make_block(
            chain_id=self._network.genesis.chain_id,
            height=self.chain.height + 1,
            parent=self.chain.digest,
            parent_certificate=self._certificate,
            timestamp_ms=self.time_ms,
            proposer=next(item.vote_key for item in self._validators.validators if item.member == proposer),
            entries=[transaction.entry for transaction in transactions],
            validators_digest=self._validators.digest,
        )
        self._certificate = self._certified(Commit(block.height, 0, block.digest))
        encoded = [transaction.encoded for transaction in transactions]
        self.chain.append(block, self._certificate, encoded, self._rotation.encode())
        self._parent = block
        result = self._executor.execute(block, transactions)
        failed = [receipt for receipt in result.receipts if not receipt.is_ok]
        assert not failed, f"a prepared transaction failed: {failed[0].code} {failed[0].message}"
        sets = result.next_validators
        self.chain.put_outcome(block.height, Outcome(result.state_root, result.receipts_root, sets))
        vote = Checkpoint(block.height, block.digest, result.state_root, result.receipts_root, sets.digest)
        self.chain.put_checkpoint(self._certified(vote))

    def open_accounts(self, count: int, say: Callable[[str], None]) -> None:
        """Register so many customers at the banks in turn, and give each money, as the banks do it."""
        banks = len(self._network.validators)
        self.add([self._by_bank(bank, Call("bank_money", 1, "create", [CURRENCY])) for bank in range(banks)])
        registering: list[Transaction] = []
        minting: list[Transaction] = []
        for bank in range(banks):
            numbers = range(bank, count, banks)
            for start in range(0, len(numbers), AT_ONCE):
                group = [(number, self._network.customer(number)) for number in numbers[start : start + AT_ONCE]]
                keys: list[Value] = [[customer.key.public, _salt(number)] for number, customer in group]
                deposits: list[Value] = [[customer.address, FUNDS] for _, customer in group]
                registering.append(self._by_bank(bank, Call("accounts", 1, "register", [keys])))
                minting.append(self._by_bank(bank, Call("bank_money", 1, "mint", [CURRENCY, deposits, "benchmark"])))
                if len(registering) == self._batches_max:
                    self._open(registering, minting)
                    say(f"{min(count, (start + AT_ONCE) + bank * len(numbers)):,} of {count:,} accounts are open")
        self._open(registering, minting)

    def pay(self, accounts: int, blocks: int, payments: int, say: Callable[[str], None]) -> None:
        """So many blocks of so many payments."""
        for number in range(blocks):
            self.add(list(self._network.payments(accounts, payments, self.chain.height, self.time_ms)))
            if number % 1_000 == 999:
                say(f"{number + 1:,} of {blocks:,} blocks are made")

    def keep_journal(self) -> None:
        """Leave a journal as large as it grows before a node compacts it: what was signed at the newest heights.

        It names no signer, so one serves for every validator; each signs again what it finds there.
        """
        kept: list[list[Record]] = []
        size, height = 0, self.chain.height
        while height and size < JOURNAL_BYTES_MAX and len(kept) < JOURNAL_HEIGHTS_MAX:
            kept.append(self._records(height))
            size += sum(len(record.payload) + HEADER_BYTES for record in kept[-1])
            height -= 1
        writer = ThreadPoolExecutor(1)
        for place in self._network.validators:
            journal = FileJournal(place.home.journal, writer, lambda _: None, _raise)
            for record in (record for listed in reversed(kept) for record in listed):
                journal.append(record)
            journal.close()
        writer.shutdown()

    def finish(self) -> None:
        """Close the files and give every other validator a copy."""
        self.chain.close()
        self._state.close()
        first = self._network.validators[0].home
        for place in self._network.validators[1:]:
            shutil.copytree(first.chain, place.home.chain)
            shutil.copytree(first.state, place.home.state)
            shutil.copyfile(first.anchor, place.home.anchor)

    @property
    def _batches_max(self) -> int:
        return self._parameters.block_fuel_max // self._parameters.transaction_fuel_max

    def _open(self, registering: list[Transaction], minting: list[Transaction]) -> None:
        if registering:
            self.add(registering)
            self.add(minting)
        registering.clear()
        minting.clear()

    def _by_bank(self, bank: int, call: Call) -> Transaction:
        self._count += 1
        genesis, place = self._network.genesis, self._network.validators[bank]
        until_ms = self.time_ms + self._parameters.transaction_window_ms // 2
        sender = genesis.account_address(self._network.member(place))
        identity, fuel = self._count.to_bytes(16, "big"), self._parameters.transaction_fuel_max
        body = Body(genesis.chain_id, sender, identity, until_ms, None, fuel, (call,), ())
        return sign(body, [self._account_keys[bank]])

    def _records(self, height: int) -> list[Record]:
        decided, outcome = self.chain.decided(height), self.chain.outcome(height)
        assert decided is not None
        assert outcome is not None
        block, digest = decided.block, decided.block.digest
        checkpoint = Checkpoint(
            height, digest, outcome.state_root, outcome.receipts_root, outcome.validators.digest
        )
        prepared = self._certified(Prepare(height, 0, digest))
        return [
            records.block_record(block, decided.transactions),
            records.request_record(SignRequest(Prepare(height, 0, digest), block)),
            records.request_record(SignRequest(Commit(height, 0, digest), block, prepared)),
            records.decided_record(decided.certificate),
            records.request_record(SignRequest(checkpoint)),
        ]

    def _certified(self, vote: CertifiedVote) -> Certificate:
        payload = signing_payload(vote, self._network.genesis.chain_id)
        signers = range(self._validators.quorum)
        return Certificate(vote, tuple((index, self._vote_keys[index].sign(payload)) for index in signers))


def _raise(failure: StorageFailure) -> None:
    raise failure


@lru_cache(maxsize=CUSTOMERS_KEPT_MAX)
def _customer(prefix: str, number: int) -> Customer:
    key = _customer_key(number % KEYS_MAX)
    return Customer(account_address(prefix, Policy.of_key(key.public).encode(), _salt(number)), key)


@cache
def _customer_key(number: int) -> KeyPair:
    return KeyPair.from_seed(sha256(b"customer %d" % number).digest())


def _salt(number: int) -> bytes:
    return (number // KEYS_MAX).to_bytes(SALT_BYTES, "big")
