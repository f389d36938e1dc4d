"""A contract tried out: one call in a fresh ledger in memory, through the same checker, sandbox, kernel and executor.

The ledger has two banks, ``alpine`` and ``baltic``, and ``central``, the settlement agent of USD and JPY; ann and bob
are customers of alpine, cid of baltic. Each customer has 10,000 cents of its bank's USD and each bank 50,000 of
settlement money. Who tries a contract out holds all keys, so any of them can send. What is made here follows from
names alone: the same call gives the same answer on every machine, addresses too.
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, cast

from contracts.executor import Executor
from contracts.genesis_state import GenesisContract, GenesisMember, GenesisState
from contracts.kernel import layout
from contracts.kernel.layout import Row
from contracts.language import ContractError, Refused, compile_contract
from contracts.language.abi import arguments_from_json, to_json
from contracts.language.kernel_interface import Plain
from contracts.language.machine import Compiled
from contracts.library import BANK_GRANTS, read_library
from state import codec
from state.address import account_address, contract_address
from state.block import make_block
from state.codec import Value
from state.digest import NO_DIGEST
from state.errors import Invalid, Reason
from state.keys import KeyPair
from state.memory import MemoryDatabase
from state.parameters import ChainParameters
from state.policy import Policy
from state.receipt import Event
from state.transaction import Body, Call, Transaction, sign
from state.world import World

CHAIN_ID: Final = sha256(b"a contract tried out").digest()
PREFIX: Final = "hansat"
GENESIS_MS: Final = 1_700_000_000_000
TRIAL_MS: Final = GENESIS_MS + 2_000
"""Time of the block in which the contract is tried."""
FUEL_DEFAULT: Final = 10_000_000
BANKS: Final = {"alpine": ("ann", "bob"), "baltic": ("cid",)}
AGENT: Final = "central"
SENDERS: Final = (*BANKS, AGENT, "ann", "bob", "cid")
SALT: Final = bytes(16)
ARGUMENTS_CHARS_MAX: Final = 1024 * 1024
ARGUMENTS_DEPTH_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Change:
    """One key of the state before and after; None where it is not there."""

    key: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of the call. Values are as in JSON: integers as decimal text, bytes as 0x-hex."""

    contract: str
    method: str
    code: str
    """``ok``, or the stable code of the failure."""
    message: str
    value: Any
    fuel_used: int
    events: tuple[dict[str, Any], ...]
    changes: tuple[Change, ...]

    @property
    def is_ok(self) -> bool:
        return self.code == "ok"


def key_of(name: str) -> KeyPair:
    """The key of somebody on the trial's ledger."""
    return KeyPair.from_seed(sha256(b"trial/" + name.encode()).digest())


def address_of(name: str) -> str:
    """The address of somebody on the trial's ledger."""
    return account_address(PREFIX, Policy.of_key(key_of(name).public).encode(), SALT)


class Ledger:
    """A fresh ledger with one more contract. :raises Invalid: BAD_GENESIS; Refused, when the language refuses it."""

    def __init__(self, name: str, source: bytes) -> None:
        self.compiled: Compiled = compile_contract(source)
        self.name = name if layout.NAME.fullmatch(name) and name not in ("ledger", layout.SUPPLY) else "contract"
        sources = {**read_library(), self.name: source.decode()}
        self.executor = Executor(World.open(MemoryDatabase()), CHAIN_ID, ChainParameters(address_prefix=PREFIX))
        self.executor.apply_genesis(_genesis(sources))
        self._furnish()

    def _furnish(self) -> None:
        transactions: list[Transaction] = []
        for bank, customers in BANKS.items():
            opened: list[Value] = [[key_of(name).public, SALT] for name in customers]
            deposits: list[Value] = [[address_of(name), 10_000] for name in customers]
            steps: list[tuple[str, str, str, list[Value]]] = [
                (bank, "accounts", "register", [opened]),
                (bank, "bank_money", "create", ["USD"]),
                (bank, "bank_money", "mint", ["USD", deposits, "opening"]),
                (AGENT, "bank_money", "issue", ["USD", address_of(bank), 50_000, "opening"]),
            ]
            for sender, contract, method, arguments in steps:
                client_id = len(transactions).to_bytes(16, "big")
                body = self.body(sender, Call(contract, 1, method, arguments), FUEL_DEFAULT, client_id)
                transactions.append(sign(body, [key_of(sender)]))
        block = make_block(
            chain_id=CHAIN_ID,
            height=1,
            parent=self.executor.world.block_digest,
            parent_certificate=None,
            timestamp_ms=GENESIS_MS + 1_000,
            proposer=key_of("alpine").public,
            entries=[transaction.entry for transaction in transactions],
            validators_digest=NO_DIGEST,
        )
        result = self.executor.execute(block, transactions)
        failed = [receipt for receipt in result.receipts if not receipt.is_ok]
        if failed:
            # Only a file that takes the place of a contract of the library can spoil this.
            raise Invalid(Reason.BAD_GENESIS, f"the ledger can't be furnished: {failed[0].code}: {failed[0].message}")

    def body(self, sender: str, call: Call, fuel: int, client_id: bytes) -> Body:
        """A body by one of SENDERS, with its key."""
        keys = ((1, key_of(sender).public),)
        return Body(CHAIN_ID, address_of(sender), client_id, TRIAL_MS + 60_000, None, fuel, (call,), keys)

    def names(self) -> dict[str, str]:
        """``@name`` → address, of everybody and every contract."""
        contracts = (*read_library(), self.name)
        return {
            **{"@" + name: address_of(name) for name in SENDERS},
            **{"@" + name: contract_address(PREFIX, name) for name in contracts},
        }

    def call(self, method: str, arguments: Any, sender: str, fuel: int) -> Trial:
        """One call, its arguments as JSON by the ABI; ``"@ann"`` stands for ann's address."""
        found = self.compiled.method(method)
        if found is None:
            methods = ", ".join([*self.compiled.actions, *self.compiled.queries]) or "none"
            raise Invalid(Reason.UNKNOWN, f"the contract has no action or query '{method}': it has {methods}")
        try:
            plain = arguments_from_json(found, _named(arguments, self.names()))
        except ContractError as error:
            return Trial(self.name, method, error.code, error.message, None, 0, (), ())
        call = Call(self.name, 1, method, plain)
        body = self.body(sender, call, fuel, b"trial call 00001")
        transaction = sign(body, [key_of(sender)])
        overlay = self.executor.overlay()
        outcome = self.executor.judge(overlay, body, transaction.id, len(transaction.encoded), 2, TRIAL_MS)
        receipt = outcome.receipt
        value = to_json(found.returns, cast(Plain, receipt.results[0])) if receipt.is_ok else None
        before = self.executor.overlay()
        changes = tuple(
            Change(shown_key(key), _shown_row(before.get(key)), _shown_row(after))
            for key, after in sorted(overlay.changes().items())
            if before.get(key) != after
        )
        events = tuple(map(_shown_event, receipt.events))
        return Trial(self.name, method, receipt.code, receipt.message, value, receipt.fuel_used, events, changes)


def read_arguments(text: str) -> Any:
    """The arguments as JSON. :raises Invalid: MALFORMED."""
    if len(text) > ARGUMENTS_CHARS_MAX:
        raise Invalid(Reason.MALFORMED, f"the arguments take at most {ARGUMENTS_CHARS_MAX} characters")
    depth = 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        if depth > ARGUMENTS_DEPTH_MAX:
            raise Invalid(Reason.MALFORMED, f"the arguments are nested more than {ARGUMENTS_DEPTH_MAX} deep")
    try:
        return json.loads(text)
    except ValueError as error:
        raise Invalid(Reason.MALFORMED, f"the arguments are no JSON: {error}") from None


def _genesis(sources: dict[str, str]) -> GenesisState:
    members = tuple(
        GenesisMember(
            name,
            name.title(),
            f"{name.upper():0<20}",
            "CH",
            "settlement_agent" if name == AGENT else "bank",
            Policy.of_key(key_of(name).public),
            SALT,
            None if name == AGENT else key_of(name + " vote").public,
            None,
            () if name == AGENT else BANK_GRANTS,
        )
        for name in (*BANKS, AGENT)
    )
    contracts = tuple(GenesisContract(name, source) for name, source in sources.items())
    settlement = (("USD", AGENT), ("JPY", AGENT))
    return GenesisState(GENESIS_MS, ChainParameters(address_prefix=PREFIX), members, settlement, contracts)


def _named(value: Any, names: dict[str, str]) -> Any:
    """``value`` with each ``"@name"`` that is known replaced by its address."""
    if type(value) is str:
        return names.get(value, value)
    if type(value) is list:
        return [_named(item, names) for item in value]
    if type(value) is dict:
        return {key: _named(item, names) for key, item in value.items()}
    return value


def _shown(value: object) -> Any:
    if type(value) is int:
        return str(value)
    if type(value) is bytes:
        return "0x" + value.hex()
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    return value


def _shown_row(row: Row | None) -> Any:
    return None if row is None else [_shown(item) for item in row]


def shown_key(key: bytes) -> str:
    """A key of the state as text; a packed key of a map as ``field[part, …]``."""
    parts = key.split(b"/", 3)
    if len(parts) == 4 and parts[0] == b"data":
        inside = json.dumps(_shown(codec.unpack(parts[3])), ensure_ascii=False)
        return b"/".join(parts[:3]).decode() + inside
    return key.decode("utf-8", "backslashreplace")


def _shown_event(event: Event) -> dict[str, Any]:
    fields = {name: _shown(value) for name, value in event.fields}
    return {"contract": event.contract, "name": event.name, "fields": fields}


__all__ = ["FUEL_DEFAULT", "SENDERS", "Change", "Ledger", "Refused", "Trial", "read_arguments"]
