"""A node in memory, for the tests of rpc: real transactions, a real state tree, certificates by four real keys.

It knows one contract, ``payments``, with the action pay(asset, to, amount). ``decide`` puts what is pending in a block.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from contracts.kernel.layout import balance_key
from rpc import backend
from rpc.backend import TransactionStatus
from state import codec, merkle, transaction
from state.address import account_address, contract_address
from state.block import Block, make_block
from state.certificate import Certificate, CertifiedVote
from state.codec import Value
from state.digest import NO_DIGEST, source_digest
from state.errors import Invalid, Reason
from state.keys import KeyPair
from state.memory import MemoryDatabase
from state.policy import Policy
from state.receipt import OK, Event, Receipt, receipts_root
from state.succession import Change
from state.transaction import Body, Call, Transaction
from state.validators import Validator, ValidatorSet
from state.votes import Checkpoint, Commit, signing_payload
from state.world import World

CHAIN_ID = sha256(b"the chain of these tests").digest()
NODE_ID = sha256(b"the node of these tests").digest()
PREFIX = "hansat"
GENESIS_MS = 1_700_000_000_000
ASSET = "usd.alpine"
FUEL = 1_200
BANKS = ("alpine", "baltic", "cobalt", "dune")
VOTE_KEYS = tuple(KeyPair.from_seed(sha256(bank.encode()).digest()) for bank in BANKS)
VALIDATORS = ValidatorSet(tuple(Validator(bank, key.public) for bank, key in zip(BANKS, VOTE_KEYS, strict=True)))
ALICE, BOB, STRANGER = (KeyPair.from_seed(sha256(name).digest()) for name in (b"alice", b"bob", b"stranger"))


def address_of(key: KeyPair) -> str:
    return account_address(PREFIX, Policy.of_key(key.public).encode(), bytes(16))


def payment_call(to: str, amount: int) -> Call:
    return Call("payments", 1, "pay", [ASSET, to, amount])


def body_of(
    amount: int, *, client_id: bytes = bytes(16), chain_id: bytes = CHAIN_ID, keys: Sequence[KeyPair] = ()
) -> Body:
    listed = tuple((1, key.public) for key in keys)
    calls = (payment_call(address_of(BOB), amount),)
    return Body(chain_id, address_of(ALICE), client_id, GENESIS_MS + 60_000, None, 10_000, calls, listed)


def payment(amount: int, number: int = 0, *, key: KeyPair = ALICE, chain_id: bytes = CHAIN_ID) -> Transaction:
    return transaction.sign(body_of(amount, client_id=number.to_bytes(16, "big"), chain_id=chain_id), [key])


def certify(vote: CertifiedVote, signers: Sequence[int] = (0, 1, 2)) -> Certificate:
    payload = signing_payload(vote, CHAIN_ID)
    return Certificate(vote, tuple((index, VOTE_KEYS[index].sign(payload)) for index in signers))


@dataclass(frozen=True, slots=True)
class Height:
    """What is kept of a height."""

    block: Block
    commit: Certificate
    checkpoint: Certificate
    receipts: tuple[Receipt, ...]


class MemoryNode:
    """Intake and Queries at once."""

    def __init__(self) -> None:
        self.world = World.open(MemoryDatabase())
        self.pending: dict[bytes, Transaction] = {}
        self.done: dict[bytes, tuple[int, int]] = {}
        self.encoded: dict[bytes, bytes] = {}
        self.heights: list[Height] = []
        self.fee: backend.FeeFact | None = None
        self.changed = asyncio.Event()
        self.not_ready: tuple[str, ...] = ()
        self.changes: list[Change] = []
        self.pool_max = 100_000
        self.submissions: list[int] = []
        self.proofs_available = True
        # Enough other keys for a proof to have levels.
        genesis: dict[bytes, bytes | None] = {b"other/%d" % index: b"%d" % index for index in range(600)}
        genesis[balance_key(address_of(ALICE), ASSET)] = codec.pack([1_000, 5])
        self.world.commit(0, NO_DIGEST, genesis, {})

    # ------------------------------------------------------------------------------------------------- intake

    async def submit_many(self, transactions: list[bytes]) -> list[backend.SubmitResult]:
        self.submissions.append(len(transactions))
        return [self.submit(encoded) for encoded in transactions]

    def submit(self, encoded: bytes) -> backend.SubmitResult:
        try:
            signed = transaction.decode(encoded)
        except Invalid as refusal:
            return backend.refused(refusal.reason, refusal.detail)
        if signed.id in self.done:
            return backend.Submitted(signed.id, self.fact(signed.id).status)
        if signed.body.chain_id != CHAIN_ID:
            return backend.refused(Reason.WRONG_CHAIN, "signed for another chain", signed.id)
        if not signed.has_valid_signatures():
            return backend.refused(Reason.BAD_SIGNATURE, "the signature of key 0 does not match", signed.id)
        if signed.body.keys != ((1, ALICE.public),):
            return backend.Refused("unauthorised", "the keys do not meet the sender's policy", signed.id)
        if len(self.pending) >= self.pool_max:
            return backend.refused(Reason.FULL, "the pool has no room", signed.id)
        self.pending[signed.id] = signed
        self.encoded[signed.id] = encoded
        return backend.Submitted(signed.id, TransactionStatus.PENDING)

    def decide(self) -> Height:
        """One block of all that is pending, executed and certified."""
        height = self.world.height + 1
        batch, self.pending = list(self.pending.values()), {}
        parent = self.heights[-1] if self.heights else None
        block = make_block(
            chain_id=CHAIN_ID,
            height=height,
            parent=NO_DIGEST if parent is None else parent.block.digest,
            parent_certificate=None if parent is None else parent.commit,
            timestamp_ms=GENESIS_MS + height,
            proposer=VOTE_KEYS[height % 4].public,
            entries=[signed.entry for signed in batch],
            validators_digest=VALIDATORS.digest,
        )
        changes: dict[bytes, bytes | None] = {}
        receipts = tuple(self.execute(signed.id, signed.body, changes) for signed in batch)
        root = self.world.commit(height, block.digest, changes, {})
        vote = Checkpoint(height, block.digest, root, receipts_root(receipts), VALIDATORS.digest)
        decided = Height(block, certify(Commit(height, 0, block.digest)), certify(vote), receipts)
        self.heights.append(decided)
        self.done.update({signed.id: (height, index) for index, signed in enumerate(batch)})
        self.changed.set()
        self.changed = asyncio.Event()
        return decided

    def execute(self, identity: bytes, body: Body, changes: dict[bytes, bytes | None]) -> Receipt:
        _, to, amount = body.calls[0].arguments
        assert isinstance(to, str)
        assert isinstance(amount, int)
        payer, payee = balance_key(body.sender, ASSET), balance_key(to, ASSET)
        available, held = self.balance(payer, changes)
        if amount > available:
            return Receipt(identity, "overdraft", f"{available} available, {amount} needed", FUEL, (), ())
        changes[payer] = codec.pack([available - amount, held])
        received, reserved = self.balance(payee, changes)
        changes[payee] = codec.pack([received + amount, reserved])
        fields: tuple[tuple[str, Value], ...] = (("to", to), ("amount", amount), ("digest", b"\x01\x02"))
        events = (Event("payments", "paid", fields), Event("kernel", "posted", (("legs", [[ASSET, amount]]),)))
        return Receipt(identity, OK, "", FUEL, (amount,), events)

    def balance(self, key: bytes, changes: dict[bytes, bytes | None]) -> tuple[int, int]:
        data = changes.get(key) or self.world.get(key)
        available, held = codec.fields(codec.unpack(data), int, int) if data else (0, 0)
        assert isinstance(available, int)
        assert isinstance(held, int)
        return available, held

    # ------------------------------------------------------------------------------------------------ queries

    async def node(self) -> backend.NodeFact:
        height = self.world.height
        return backend.NodeFact(
            version="0.1.0",
            chain_id=CHAIN_ID,
            address_prefix=PREFIX,
            node_id=NODE_ID,
            member="alpine",
            role="validator",
            height=height,
            decided_height=height,
            certified_height=height,
            block_digest=self.world.block_digest,
            state_root=self.world.root,
            block_time_ms=GENESIS_MS + height,
            view=0,
            peers=3,
            pool_count=len(self.pending),
            pool_bytes=sum(len(signed.encoded) for signed in self.pending.values()),
            target_height=height,
            not_ready=self.not_ready,
            protocol_version=1,
            protocol_known=2,
            next_protocol=(90, 2),
            warnings=(),
        )

    async def peers(self) -> Sequence[backend.PeerFact]:
        return [
            backend.PeerFact(bank, sha256(bank.encode()).digest(), "validator", True, 7, "127.0.0.1:9000", "0.1.0", 2)
            for bank in BANKS[1:]
        ]

    async def evidence(self) -> Sequence[backend.EvidenceFact]:
        return [
            backend.EvidenceFact(BANKS[3], 7, ("prepare", "commit"), b"\x01\x02", 1, 1_700_000_000_123),
            backend.EvidenceFact(BANKS[2], 9, ("commit", "viewchange"), b"\x03", None, None),
        ]

    async def validators(self, height: int | None) -> backend.ValidatorsFact:
        if height is not None and height > self.world.height + 8:
            raise Invalid(Reason.UNKNOWN, f"the validators of height {height} are not known yet")
        return backend.ValidatorsFact(self.world.height if height is None else height, VALIDATORS)

    async def validator_changes(self, after_height: int, count_max: int) -> list[Change]:
        return [change for change in self.changes if change.first_height > after_height][:count_max]

    async def block(self, height: int | None) -> backend.BlockFact:
        return self._block(self._at(height))

    async def block_by_digest(self, digest: bytes) -> backend.BlockFact:
        for kept in self.heights:
            if kept.block.digest == digest:
                return self._block(kept)
        raise Invalid(Reason.UNKNOWN, "no block has that digest")

    async def checkpoint(self, height: int | None) -> backend.CheckpointFact:
        return backend.CheckpointFact(self._at(height).checkpoint, VALIDATORS, self.world.height)

    async def genesis(self) -> backend.GenesisFact:
        return backend.GenesisFact(CHAIN_ID, b'{"name": "Hanse"}\n')

    async def transaction(self, transaction_id: bytes) -> backend.TransactionFact:
        return self.fact(transaction_id)

    async def wait_transaction(self, transaction_id: bytes, timeout_ms: int) -> backend.TransactionFact:
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                while transaction_id not in self.done:
                    await self.changed.wait()
        except TimeoutError:
            pass
        return self.fact(transaction_id)

    async def simulate(self, body: Body) -> backend.SimulationFact:
        if body.chain_id != CHAIN_ID:
            raise Invalid(Reason.WRONG_CHAIN, "the transaction is for another chain")
        receipt = self.execute(NO_DIGEST, body, {})
        authorities = ((body.sender, not body.keys or body.keys == ((1, ALICE.public),)),)
        at_ms = GENESIS_MS + self.world.height
        return backend.SimulationFact(self.world.height, at_ms, receipt, authorities, self.fee)

    async def account(self, address: str, cursor: bytes | None, limit: int) -> backend.AccountFact:
        keys = {address_of(key): key for key in (ALICE, BOB)}
        if address not in keys:
            raise Invalid(Reason.UNKNOWN, "no account has that address")
        available, held = self.balance(balance_key(address, ASSET), {})
        policy = Policy.of_key(keys[address].public)
        balances = (backend.BalanceFact(ASSET, available, held),) if cursor is None else ()
        return backend.AccountFact(address, "account", policy, "alpine", (), balances, None, self.world.height)

    async def account_history(self, address: str, cursor: bytes | None, limit: int) -> backend.HistoryPage:
        start = 0 if cursor is None else int.from_bytes(cursor, "big")
        entries = [
            backend.HistoryEntry(
                receipt.transaction_id, kept.block.height, index, kept.block.header.timestamp_ms, receipt.code
            )
            for kept in reversed(self.heights)
            for index, receipt in enumerate(kept.receipts)
        ]
        following = start + limit
        next_cursor = following.to_bytes(4, "big") if following < len(entries) else None
        return backend.HistoryPage(tuple(entries[start:following]), next_cursor, self.world.height)

    async def account_statement(
        self, address: str, asset: str, from_ms: int, to_ms: int, cursor: bytes | None, limit: int
    ) -> backend.StatementFact:
        """Every decided payment of alice's to bob, as alice or bob sees it."""
        sign = {address_of(ALICE): -1, address_of(BOB): 1}.get(address)
        if sign is None:
            raise Invalid(Reason.UNKNOWN, "no account has that address")
        start = 0 if cursor is None else int.from_bytes(cursor, "big")
        balance = 1_005 if sign < 0 else 0
        moved: list[backend.MovementFact] = []
        for kept in self.heights:
            header = kept.block.header
            for index, receipt in enumerate(kept.receipts):
                change = sign * sum(amount for amount in receipt.results if isinstance(amount, int))
                balance += change
                if from_ms <= header.timestamp_ms <= to_ms:
                    place = (receipt.transaction_id, kept.block.height, index, header.timestamp_ms)
                    moved.append(backend.MovementFact(*place, change, balance, "payment", "", "payments"))
        page = tuple(moved[start : start + limit])
        opening = page[0].balance - page[0].change if page else balance
        closing = page[-1].balance if page else balance
        following = start + len(page)
        next_cursor = following.to_bytes(4, "big") if following < len(moved) else None
        return backend.StatementFact(address, asset, opening, page, closing, next_cursor, self.world.height)

    async def contracts(self, cursor: bytes | None, limit: int) -> backend.ContractPage:
        return backend.ContractPage((self._contract(),), None, self.world.height)

    async def contract_abi(self, contract: str) -> backend.ContractAbi:
        if contract != "payments":
            raise Invalid(Reason.UNKNOWN, f"no contract is named {contract}")
        abi = json.dumps({"actions": {"pay": {}}}).encode()
        return backend.ContractAbi(self._contract(), abi, "from hansa import action\n", self.world.height)

    async def contract_query(
        self, contract: str, method: str, arguments: Sequence[Value], sender: str | None
    ) -> backend.QueryFact:
        if contract != "payments":
            raise Invalid(Reason.UNKNOWN, f"no contract is named {contract}")
        place = (self.world.height, GENESIS_MS + self.world.height)
        if method == "echo":
            return backend.QueryFact(*place, OK, "", list(arguments), 77)
        if method == "crash":
            raise ZeroDivisionError("a bug of ours, with a secret")
        return backend.QueryFact(*place, "method", f"payments has no query named {method}", None, 0)

    async def state_proof(self, key: bytes) -> backend.StateProofFact:
        if not self.proofs_available:
            raise Invalid(Reason.UNAVAILABLE, "no certificate came in time")
        checkpoint = self._at(None).checkpoint
        return backend.StateProofFact(key, self.world.get(key), self.world.prove(key), checkpoint)

    async def balance_proof(self, address: str, asset: str) -> backend.StateProofFact:
        return await self.state_proof(balance_key(address, asset))

    async def receipt_proof(self, transaction_id: bytes) -> backend.ReceiptProofFact:
        if transaction_id not in self.done:
            raise Invalid(Reason.UNKNOWN, "no receipt has that id")
        height, index = self.done[transaction_id]
        kept = self._at(height)
        leaves = [receipt.encode() for receipt in kept.receipts]
        proof = merkle.inclusion_proof(leaves, index)
        return backend.ReceiptProofFact(kept.receipts[index], index, len(leaves), proof, kept.checkpoint)

    async def events(
        self, from_height: int, cursor: bytes | None, limit: int, chosen: backend.EventFilter
    ) -> backend.EventPage:
        if cursor == b"\xff":
            raise Invalid(Reason.GAP, "events before height 5 are no longer kept")
        start = (from_height, 0, 0) if cursor is None else tuple(codec.unpack(cursor))  # type: ignore[arg-type]
        found = [
            backend.EventFact(
                kept.block.height, kept.block.header.timestamp_ms, receipt.transaction_id, index, place, event
            )
            for kept in self.heights
            for index, receipt in enumerate(kept.receipts)
            for place, event in enumerate(receipt.events)
            if (kept.block.height, index, place) >= start and chosen.name in (None, event.name)
        ]
        if len(found) > limit:
            following = (found[limit].height, found[limit].transaction_index, found[limit].event_index)
        else:
            following = (self.world.height + 1, 0, 0)
        return backend.EventPage(tuple(found[:limit]), codec.pack(following), len(found) <= limit, self.world.height)

    def fact(self, transaction_id: bytes) -> backend.TransactionFact:
        place = self.done.get(transaction_id)
        encoded = self.encoded.get(transaction_id)
        unknown = backend.TransactionFact(transaction_id, TransactionStatus.UNKNOWN, self.world.height, encoded)
        if place is None:
            return replace(unknown, status=TransactionStatus.PENDING) if encoded else unknown
        kept = self._at(place[0])
        receipt = kept.receipts[place[1]]
        return replace(
            unknown,
            status=TransactionStatus.FINAL if receipt.is_ok else TransactionStatus.FAILED,
            height=place[0],
            index=place[1],
            block_time_ms=kept.block.header.timestamp_ms,
            receipt=receipt,
        )

    def _at(self, height: int | None) -> Height:
        if height is None:
            height = self.world.height
        if not 1 <= height <= len(self.heights):
            raise Invalid(Reason.UNKNOWN, f"there is no block of height {height}")
        return self.heights[height - 1]

    def _block(self, kept: Height) -> backend.BlockFact:
        failed = sum(not receipt.is_ok for receipt in kept.receipts)
        return backend.BlockFact(kept.block, kept.commit, failed, self.world.height)

    def _contract(self) -> backend.ContractFact:
        address = contract_address(PREFIX, "payments")
        return backend.ContractFact("payments", address, 1, source_digest(b""), 0, False)
