"""Customers for a benchmark: accounts with money at every bank, and transfers that are signed beforehand."""

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from genesis.document import Genesis
from genesis.member import Member
from node.devnet import Place
from node.keystore import Purpose, read_key
from rpc.client import SyncClient
from rpc.client.calls import build_body, is_ok
from state.address import account_address
from state.codec import Value
from state.keys import KeyPair
from state.policy import Policy
from state.transaction import Body, Call, sign

FUEL_LIMIT = 200_000
"""Of one transfer."""

BATCH_FUEL_LIMIT = 100_000_000
REGISTERED_AT_ONCE = 250
CURRENCY = "USD"
FUNDS = 1_000_000_000
SALT = bytes(16)
VALID_MS = 1_800_000
SUBMITTED_AT_ONCE = 50
"""Calls of one JSON-RPC batch."""


@dataclass(frozen=True, slots=True)
class Customer:
    """One account and its key."""

    address: str
    key: KeyPair
    bank: str


def open_accounts(genesis: Genesis, validators: Sequence[Place], count: int) -> list[Customer]:
    """Register ``count`` customers at the banks in turn, and give each money."""
    prefix = genesis.parameters.address_prefix
    customers = []
    for index in range(count):
        key = KeyPair.from_seed(secrets.token_bytes(32))
        address = account_address(prefix, Policy.of_key(key.public).encode(), SALT)
        customers.append(Customer(address, key, validators[index % len(validators)].member))
    for place in validators:
        own = [customer for customer in customers if customer.bank == place.member]
        _send(genesis, place, Call("bank_money", 1, "create", [CURRENCY]))
        for start in range(0, len(own), REGISTERED_AT_ONCE):
            group = own[start : start + REGISTERED_AT_ONCE]
            keys: list[Value] = [[item.key.public, SALT] for item in group]
            _send(genesis, place, Call("accounts", 1, "register", [keys]))
            deposits: list[Value] = [[item.address, FUNDS] for item in group]
            _send(genesis, place, Call("bank_money", 1, "mint", [CURRENCY, deposits, "benchmark"]))
    return customers


def sign_transfers(genesis: Genesis, customers: Sequence[Customer], count: int) -> list[tuple[bytes, bytes]]:
    """Id and bytes of ``count`` same-bank transfers, payers in turn."""
    banks: dict[str, list[Customer]] = {}
    for customer in customers:
        banks.setdefault(customer.bank, []).append(customer)
    chain_id, valid_until_ms = genesis.chain_id, int(time.time() * 1000) + VALID_MS
    ordered = [banks[name] for name in sorted(banks)]
    transfers = []
    for index in range(count):
        bank = ordered[index % len(ordered)]
        place = index // len(ordered)
        payer, payee = bank[place % len(bank)], bank[(place * 7 + 1) % len(bank)]
        if payer is payee:
            payee = bank[(place + 1) % len(bank)]
        call = Call("payments", 1, "pay", [payee.address, CURRENCY, 1, "benchmark"])
        body = Body(chain_id, payer.address, index.to_bytes(16, "big"), valid_until_ms, None, FUEL_LIMIT, (call,), ())
        signed = sign(body, [payer.key])
        transfers.append((signed.id, signed.encoded))
    return transfers


def encode_batches(transfers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """(id of the first, JSON-RPC batch) for each SUBMITTED_AT_ONCE transfers."""
    batches = []
    for start in range(0, len(transfers), SUBMITTED_AT_ONCE):
        group = transfers[start : start + SUBMITTED_AT_ONCE]
        calls = [
            {"jsonrpc": "2.0", "id": index, "method": "tx_submit", "params": ["0x" + encoded.hex()]}
            for index, (_, encoded) in enumerate(group)
        ]
        batches.append((group[0][0], json.dumps(calls, separators=(",", ":")).encode()))
    return batches


def _send(genesis: Genesis, place: Place, call: Call) -> None:
    key = read_key(place.home.account_key, Purpose.ACCOUNT)
    with SyncClient([place.url]) as client:
        sender = genesis.account_address(_member(genesis, place))
        body = build_body(genesis.chain_id, sender, [call], [key], BATCH_FUEL_LIMIT)
        answer = client.submit_and_wait(sign(body, [key]), 30_000)
        if not is_ok(answer):
            raise SystemExit(f"bench: {place.member} could not {call.method}: {answer}")


def _member(genesis: Genesis, place: Place) -> Member:
    member = genesis.member(place.member)
    assert member is not None
    return member
