"""Kernel and executor on a small network: two banks, a settlement agent, and their customers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from contracts.executor import BlockResult, Executor
from contracts.genesis_state import GenesisContract, GenesisMember, GenesisState, write_genesis
from contracts.kernel import accounts, assets, layout
from contracts.kernel import parameters as voted
from contracts.kernel.codes import CODES
from contracts.kernel.layout import Row
from contracts.kernel.scope import Scope
from contracts.language.faults import ContractError
from contracts.language.fuel import Meter
from contracts.library import BANK_GRANTS, read_library
from contracts.reads import Reads
from state.address import account_address
from state.block import make_block
from state.certificate import Certificate
from state.codec import Value
from state.digest import NO_DIGEST
from state.keys import KeyPair
from state.keyvalue import KeyValue
from state.memory import MemoryDatabase
from state.overlay import Overlay
from state.parameters import ChainParameters
from state.policy import Policy
from state.transaction import Body, Call, Transaction, sign
from state.votes import Commit
from state.world import World

CHAIN_ID = b"\x11" * 32
GENESIS_MS = 1_700_000_000_000
BLOCK_MS = 1_000
PREFIX = "hansat"
PARAMETERS = ChainParameters(address_prefix=PREFIX)
BANKS = ("alpine", "baltic")
SALT = b"s" * 16


def key_of(name: str) -> KeyPair:
    """The key that goes by a name in these tests."""
    return KeyPair.from_seed(sha256(name.encode()).digest())


def address_of(name: str, salt: bytes = SALT) -> str:
    """Address of the account whose first policy is the key of that name."""
    return account_address(PREFIX, Policy.of_key(key_of(name).public).encode(), salt)


def code_of(action: Callable[[], object]) -> str:
    """The code with which the action is refused, or ``ok``."""
    code = "ok"
    try:
        action()
    except ContractError as error:
        code = error.code
    assert code == "ok" or code in CODES
    return code


def genesis_state(
    sources: Sequence[tuple[str, str]] = (), grants: tuple[str, ...] = BANK_GRANTS
) -> GenesisState:
    """Two banks that vote, the agent of USD and JPY, the library and ``sources``."""
    members = [
        GenesisMember(
            name,
            name.title(),
            f"{name.upper():0<20}",
            "CH",
            "bank" if name in BANKS else "settlement_agent",
            Policy.of_key(key_of(name).public),
            SALT,
            key_of(name + " vote").public if name in BANKS else None,
            None,
            grants if name in BANKS else (),
        )
        for name in (*BANKS, "central")
    ]
    contracts = [GenesisContract(name, source) for name, source in [*read_library().items(), *sources]]
    settlement = (("USD", "central"), ("JPY", "central"))
    return GenesisState(GENESIS_MS, PARAMETERS, tuple(members), settlement, tuple(contracts))


@dataclass
class Chain:
    """A chain without agreement: blocks of transactions, one after the other."""

    executor: Executor
    reads: Reads
    time_ms: int = GENESIS_MS
    count: int = 0
    results: list[BlockResult] = field(default_factory=list)

    @classmethod
    def start(
        cls, genesis: GenesisState, database: KeyValue | None = None, parameters: ChainParameters = PARAMETERS
    ) -> "Chain":
        executor = Executor(World.open(database or MemoryDatabase()), CHAIN_ID, parameters)
        executor.apply_genesis(genesis)
        return cls(executor, Reads(executor))

    def body(self, sender: str, *calls: tuple[str, str, list[Value]], **changes: object) -> Body:
        """A body of the account by that name."""
        self.count += 1
        body = Body(
            CHAIN_ID,
            address_of(sender),
            self.count.to_bytes(16, "big"),
            self.time_ms + 600_000,
            None,
            50_000_000,
            tuple(Call(contract, 1, method, arguments) for contract, method, arguments in calls),
            (),
        )
        return replace(body, **changes)  # type: ignore[arg-type]

    def transaction(
        self,
        sender: str,
        *calls: tuple[str, str, list[Value]],
        signers: Sequence[str] | None = None,
        **changes: object,
    ) -> Transaction:
        """A transaction signed by the key of the sender's name, or by ``signers``."""
        names = (sender,) if signers is None else signers
        return sign(self.body(sender, *calls, **changes), [key_of(name) for name in names])

    def block(self, *transactions: Transaction, time_ms: int | None = None) -> BlockResult:
        """Execute the next block."""
        self.time_ms = self.time_ms + BLOCK_MS if time_ms is None else time_ms
        height, parent = self.executor.world.height + 1, self.executor.world.block_digest
        certificate = None
        if height > 1:
            certificate = Certificate(Commit(height - 1, 0, parent), ())
        block = make_block(
            chain_id=CHAIN_ID,
            height=height,
            parent=parent,
            parent_certificate=certificate,
            timestamp_ms=self.time_ms,
            proposer=key_of("alpine vote").public,
            entries=[transaction.entry for transaction in transactions],
            validators_digest=NO_DIGEST,
            protocol_version=self.limits(height).protocol_version,
        )
        result = self.executor.execute(block, transactions)
        self.results.append(result)
        return result

    def limits(self, height: int) -> ChainParameters:
        """The parameters of a height, as far as they are voted."""
        overlay = self.executor.overlay()
        begun = [known for first, known in voted.ahead(overlay) if first <= height]
        return begun[-1] if begun else voted.in_force(overlay)

    def send(self, sender: str, *calls: tuple[str, str, list[Value]], **changes: object) -> str:
        """One transaction in its own block; gives the receipt's code."""
        result = self.block(self.transaction(sender, *calls, **changes))  # type: ignore[arg-type]
        return result.receipts[result.runs].code

    def balance(self, name: str, asset: str) -> int:
        """What the account by that name can spend."""
        balances = self.reads.account(address_of(name)).balances
        return {entry.asset: entry.available for entry in balances}.get(asset, 0)

    def furnish(self) -> "Chain":
        """Customers ann and bob at alpine, cid at baltic, with 10,000 cents each; 50,000 of settlement money a bank."""
        for bank, names in (("alpine", ("ann", "bob")), ("baltic", ("cid",))):
            customers: list[Value] = [[key_of(name).public, SALT] for name in names]
            deposits: list[Value] = [[address_of(name), 10_000] for name in names]
            result = self.block(
                self.transaction(bank, ("accounts", "register", [customers])),
                self.transaction(bank, ("bank_money", "create", ["USD"])),
                self.transaction(bank, ("bank_money", "mint", ["USD", deposits, "opening"])),
                self.transaction("central", ("bank_money", "issue", ["USD", address_of(bank), 50_000, ""])),
            )
            assert [(receipt.code, receipt.message) for receipt in result.receipts] == [("ok", "")] * 4
        return self


@dataclass
class Desk:
    """The kernel without contracts or blocks: scopes on one overlay, one after the other."""

    overlay: Overlay[Row]
    time_ms: int = GENESIS_MS
    count: int = 0

    def scope(self, *signers: str, contract: str = "", sender: str = "") -> Scope:
        """The scope of a transaction that the keys of these names sign."""
        self.count += 1
        scope = Scope(
            self.overlay,
            PREFIX,
            1,
            self.time_ms,
            self.count.to_bytes(32, "big"),
            address_of(sender) if sender else "",
            tuple((1, key_of(name).public) for name in signers),
            Meter(1_000_000_000),
        )
        if contract:
            scope.running.append(contract)
        return scope

    @classmethod
    def start(cls, genesis: GenesisState | None = None) -> "Desk":
        """The genesis state without contracts, and accounts ann, bob (alpine) and cid (baltic)."""
        overlay: Overlay[Row] = Overlay(lambda key: None)
        write_genesis(overlay, replace(genesis or genesis_state(grants=()), contracts=()))
        for name in ("spender", "minter"):
            overlay.put(layout.contract_key(name), ("", 1, b"", 0, 1, 1))
        desk = cls(overlay)
        for bank, names in (("alpine", ("ann", "bob")), ("baltic", ("cid",))):
            scope = desk.scope(bank)
            for name in names:
                accounts.open_account(scope, [(key_of(name).public, 1)], 1, SALT, bank)
            assets.create_money(scope, "USD", "deposit", bank)
        return desk
