"""The demo's customers and what is signed: accounts, opening balances, and a transaction for each row of the file."""

import csv
import gzip
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from node.wallet import parse_amount
from scripts.demo_network import CURRENCY, Bank, Network
from state.address import SALT_BYTES, account_address
from state.codec import Value
from state.keys import SEED_BYTES, KeyPair
from state.policy import Policy
from state.transaction import CLIENT_ID_BYTES, Body, Call, Transaction, sign

CUSTOMERS_PER_BATCH = 500
"""What accounts.register takes at once."""

PAYMENT_FUEL = 100_000
"""Fuel limit of a payment; one across banks uses about a fifth of it."""

BATCH_FUEL = 100_000_000
"""Fuel limit of a bank's batch: all that a transaction may have."""

VALID_MS = 30 * 60 * 1000

INTERFACE = 1


@dataclass(frozen=True, slots=True)
class Customer:
    """An account of a bank's customer."""

    name: str
    bank: Bank
    key: KeyPair
    salt: bytes
    address: str
    opening: int
    """What it is given first, cents."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A row of the file."""

    payer: int
    payee: int
    cents: int


@dataclass(frozen=True, slots=True)
class Book:
    """All customers and payments."""

    payments: tuple[Payment, ...]
    customers: dict[int, Customer]
    """By the file's account number, ascending."""
    sender: Customer
    """Of the remittance; not in the file."""
    payee: Customer
    """Of the remittance, at another bank; not in the file."""

    @property
    def everybody(self) -> list[Customer]:
        """Every customer of every bank."""
        return [*self.customers.values(), self.sender, self.payee]

    def reserve_of(self, bank: Bank, extra: int) -> int:
        """Settlement money with which the bank can pay out everything, in whatever order payments are decided."""
        customers = self.customers
        across = sum(
            payment.cents
            for payment in self.payments
            if customers[payment.payer].bank is bank and customers[payment.payee].bank is not bank
        )
        return across + extra


def read_payments(path: Path, rows: int) -> tuple[Payment, ...]:
    """The first rows of the file; amounts are parsed as decimals."""
    with gzip.open(path, "rt", encoding="ascii", newline="") as file:
        return tuple(
            Payment(int(row["sourceNodeId"]), int(row["targetNodeId"]), parse_amount(row["value"], CURRENCY))
            for row in islice(csv.DictReader(file), rows)
        )


def make_book(network: Network, payments: tuple[Payment, ...], remittance: int) -> Book:
    """Keys and accounts: account i is a customer of bank i mod 4, and each gets what it will pay out."""
    paid: dict[int, int] = {}
    for payment in payments:
        paid[payment.payer] = paid.get(payment.payer, 0) + payment.cents
        paid.setdefault(payment.payee, 0)
    prefix, banks = network.genesis.parameters.address_prefix, network.banks
    customers = {
        number: _customer(f"account {number}", banks[number % len(banks)], prefix, paid[number])
        for number in sorted(paid)
    }
    sender = _customer("Ana", banks[0], prefix, 2 * remittance)
    payee = _customer("Mateo", banks[2 % len(banks)], prefix, 0)
    return Book(payments, customers, sender, payee)


def transaction(
    network: Network,
    sender: str,
    keys: Sequence[KeyPair],
    calls: Sequence[Call],
    fuel: int,
    *,
    valid_ms: int = VALID_MS,
) -> Transaction:
    """A signed transaction, valid from now for a while."""
    body = Body(
        network.genesis.chain_id,
        sender,
        os.urandom(CLIENT_ID_BYTES),
        time.time_ns() // 1_000_000 + valid_ms,
        None,
        fuel,
        tuple(calls),
        (),
    )
    return sign(body, keys)


def pay_call(to: str, cents: int, reference: str) -> Call:
    """A payment to an account of any bank."""
    return Call("payments", INTERFACE, "pay", [to, CURRENCY, cents, reference])


def payment_transaction(network: Network, book: Book, row: int) -> Transaction:
    """Row ``row`` of the file, signed by its payer's own key."""
    payment = book.payments[row]
    payer, payee = book.customers[payment.payer], book.customers[payment.payee]
    call = pay_call(payee.address, payment.cents, f"row {row}")
    return transaction(network, payer.address, [payer.key], [call], PAYMENT_FUEL)


def money_transactions(network: Network, book: Book, extra: int) -> list[tuple[Bank, Transaction]]:
    """Each bank's deposit money, and the settlement money that the agent issues to each bank."""
    created = [
        (bank, transaction(network, bank.address, [bank.key], [_call("bank_money", "create", [CURRENCY])], BATCH_FUEL))
        for bank in network.banks
    ]
    issues = [
        _call("bank_money", "issue", [CURRENCY, bank.address, book.reserve_of(bank, extra), "opening reserve"])
        for bank in network.banks
    ]
    agent = network.agent
    return [*created, (agent, transaction(network, agent.address, [agent.key], issues, BATCH_FUEL))]


def batch_transactions(network: Network, customers: Sequence[Customer]) -> list[tuple[Bank, Transaction]]:
    """Each bank registers customers in batches, and credits in the same transaction what they deposited."""
    made = []
    for bank in network.banks:
        own = [customer for customer in customers if customer.bank is bank]
        for start in range(0, len(own), CUSTOMERS_PER_BATCH):
            batch = own[start : start + CUSTOMERS_PER_BATCH]
            named: list[Value] = [[customer.key.public, customer.salt] for customer in batch]
            calls = [_call("accounts", "register", [named])]
            deposits: list[Value] = [[customer.address, customer.opening] for customer in batch if customer.opening]
            if deposits:
                calls.append(_call("bank_money", "mint", [CURRENCY, deposits, "opening balance"]))
            made.append((bank, transaction(network, bank.address, [bank.key], calls, BATCH_FUEL)))
    return made


def make_customer(network: Network, name: str, bank: Bank, opening: int = 0) -> Customer:
    """Somebody with a key and a salt, whose account the bank has yet to open."""
    return _customer(name, bank, network.genesis.parameters.address_prefix, opening)


def _customer(name: str, bank: Bank, prefix: str, opening: int) -> Customer:
    key, salt = KeyPair.from_seed(os.urandom(SEED_BYTES)), os.urandom(SALT_BYTES)
    address = account_address(prefix, Policy.of_key(key.public).encode(), salt)
    return Customer(name, bank, key, salt, address, opening)


def _call(contract: str, method: str, arguments: Sequence[Value]) -> Call:
    return Call(contract, INTERFACE, method, arguments)
