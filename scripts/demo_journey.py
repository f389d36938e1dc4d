"""The demo's journey of one customer: identity, deposit, loan, trade, remittances, feedback; then the regulator.

Everything is done as a bank, a customer or a regulator would, by the command line or by the client, with the keys
that each of them holds. The observer's node answers what the regulator asks; what it orders goes to a validator.
"""

import json
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from node.sealing import SealedData
from rpc.answers import EventEntry, ReceiptAnswer
from rpc.client import Policy, SyncClient
from scripts.demo_money import BATCH_FUEL, Customer, make_customer, transaction
from scripts.demo_network import ABROAD, CURRENCY, Bank, Network, hansa
from scripts.demo_record import Record, Stopped
from state.codec import Value
from state.keys import KeyPair
from state.transaction import Call

T = TypeVar("T")

WAIT_MS = 30_000

PATIENT = Policy(timeout_seconds=30.0, rounds_max=2)

DAY_MS = 86_400_000

INSTALMENT_IN_MS = 9_000
"""The second instalment falls due so long after the product is offered."""

DUE_SECONDS_MAX = 40.0

DEPOSIT, PRINCIPAL, PRICE = 500_000, 300_000, 10_000
SENT, ARRIVES, FEE, REFUND_COST = 20_000, 18_400, 250, 150
"""Minor units."""

GIVEN, FAMILY = "Noëmi-Zenobia", "Achterberg-Quispe"
"""A name that occurs nowhere by chance."""

PUBLISH = ("identity", "publish-keys", "--count", "8")

PAYEE = {"given_names": "Mateo", "family_name": "Ibarrondo"}

PERSON = {"given_names": GIVEN, "family_name": FAMILY, "date_of_birth": "1991-04-17", "address": "Seestrasse 11, Zug"}


@dataclass(frozen=True, slots=True)
class Journey:
    """Who took part, for the checks that come after."""

    customer: Customer
    payee: Customer

    @property
    def addresses(self) -> list[str]:
        """Accounts that own something now."""
        return [self.customer.address, self.payee.address]


class Desk:
    """Sends what somebody signs to a validator, and waits for what becomes of it."""

    def __init__(self, network: Network, record: Record) -> None:
        self.network = network
        self.record = record

    def try_call(self, who: Bank | Customer, contract: str, method: str, arguments: Sequence[Value]) -> ReceiptAnswer:
        """The receipt, whatever it says. :raises Stopped: there is none."""
        through = who.bank if isinstance(who, Customer) else who
        url = self.network.banks[0].place.url if through not in self.network.banks else through.place.url
        keys: list[KeyPair] = [who.key]
        signed = transaction(self.network, who.address, keys, [Call(contract, 1, method, arguments)], BATCH_FUEL)
        began = time.monotonic()
        with SyncClient([url], PATIENT) as client:
            answer = client.submit_and_wait(signed, WAIT_MS)
        if answer.receipt is None:
            raise Stopped(f"{contract}.{method} was not final after {WAIT_MS // 1000} s; the nodes' logs may say why")
        self.record.step(f"{contract}.{method}", "0x" + signed.id.hex(), began)
        return answer.receipt

    def call(self, who: Bank | Customer, contract: str, method: str, *arguments: Value) -> ReceiptAnswer:
        """The receipt of what must go well. :raises Stopped: it did not."""
        receipt = self.try_call(who, contract, method, arguments)
        if receipt.code != "ok":
            raise Stopped(f"{contract}.{method} failed: {receipt.code}: {receipt.message}")
        return receipt

    def ask(self, contract: str, method: str, *arguments: Value) -> object:
        """What a query answers at the observer."""
        with SyncClient([self.network.observer], PATIENT) as client:
            return client.contract_query(contract, method, arguments).result


def play(network: Network, record: Record) -> Journey:
    """The whole journey."""
    desk = Desk(network, record)
    home, abroad, watch = network.banks[0], network.banks[1], network.regulator
    journey = Journey(make_customer(network, GIVEN, home), make_customer(network, "Mateo", abroad))
    _identify(desk, journey, home, abroad, watch)
    _deposit(desk, journey, home, abroad)
    _borrow(desk, journey, home)
    _trade(desk, journey, home)
    _remit(desk, journey, home, abroad)
    _supervise(desk, journey, home, abroad, watch)
    return journey


# ------------------------------------------------------------------------------------------------------- identity


def _identify(desk: Desk, journey: Journey, home: Bank, abroad: Bank, watch: Bank) -> None:
    """Register and verify; open with the keys of the bank and the regulator, and with no other."""
    network, record, customer = desk.network, desk.record, journey.customer
    readers = (home, abroad, watch)
    _at_once([partial(_command, network, member, *PUBLISH) for member in readers])
    for bank, opened in ((home, customer), (abroad, journey.payee)):
        desk.call(bank, "accounts", "register", [[opened.key.public, opened.salt]])
    _at_once(
        [
            partial(_verify, network, home, customer.address, PERSON),
            partial(_verify, network, abroad, journey.payee.address, PAYEE),
        ]
    )
    found = _at_once([partial(_opened, network, member, customer.address) for member in readers])
    opened_by = dict(zip([member.id for member in readers], found, strict=True))
    right = opened_by[home.id] == opened_by[watch.id] == PERSON and opened_by[abroad.id] is None
    record.check(
        "sealed identity",
        right,
        f"opened by the keys of {home.id} and {watch.id}, and not by those of {abroad.id}"
        if right
        else f"opened: { {name: found is not None for name, found in opened_by.items()} }",
    )


def _verify(network: Network, bank: Bank, account: str, person: dict[str, str]) -> None:
    """Register the holder by sealed data, and vouch for it."""
    people = network.directory / f"{bank.id}-person.json"
    people.write_text(json.dumps(person), encoding="utf-8")
    _command(network, bank, "identity", "register", account, str(people))
    people.unlink()
    until = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 400 * 86_400))
    vouched = ("--level", "2", "--until", until, "--jurisdiction", bank.member.jurisdiction)
    _command(network, bank, "identity", "verify", account, *vouched)


def _at_once(actions: Sequence[Callable[[], T]]) -> list[T]:
    """What independent commands give."""
    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(lambda action: action(), actions))


def _opened(network: Network, member: Bank, account: str) -> dict[str, str] | None:
    """What the member's own keys make of the record; None when they make nothing of it."""
    try:
        answer = json.loads(_command(network, member, "identity", "open", account, "--json"))
    except Stopped:
        return None
    attributes: dict[str, str] = answer["attributes"]
    return attributes


def _command(network: Network, member: Bank, *arguments: str) -> str:
    """``hansa`` with a member's home. An observer's node takes nothing in, so its member sends through a bank."""
    url = member.place.url if member in network.banks else network.banks[0].place.url
    return hansa(*arguments, "--url", url, "--home", str(member.place.home.path)).stdout


# ------------------------------------------------------------------------------------------------ deposit and loan


def _deposit(desk: Desk, journey: Journey, home: Bank, abroad: Bank) -> None:
    desk.call(home, "bank_money", "mint", CURRENCY, [[journey.customer.address, DEPOSIT]], "cash at the counter")
    desk.call(home, "bank_money", "mint", CURRENCY, [[home.address, 10 * PRINCIPAL]], "funds to lend")
    desk.call(abroad, "bank_money", "create", ABROAD)
    desk.call(desk.network.agent, "bank_money", "issue", ABROAD, home.address, 10 * ARRIVES, "reserve")
    desk.record.tell(f"{GIVEN} has deposited {DEPOSIT / 100:,.2f} {CURRENCY}")


def _borrow(desk: Desk, journey: Journey, home: Bank) -> None:
    """Choose a product, borrow, pay an instalment; the next one falls due by itself."""
    customer, record = journey.customer, desk.record
    due_ms = time.time_ns() // 1_000_000 + INSTALMENT_IN_MS
    terms: list[Value] = [
        *(CURRENCY, "annuity", 65_000, "ACT/365F", 3, 0, 1, due_ms % DAY_MS, ""),
        *(100_000, 1_000_000, 0, 0, 0, "term", 120_000, 2, 30, "", b"", None, 0, 0, home.address, home.address),
    ]
    product = _integer(desk.call(home, "loans", "offer", terms))
    loan = desk.call(customer, "loans", "apply", product, PRINCIPAL, "a workshop").results[0]
    value_day = due_ms // DAY_MS - 2
    desk.call(home, "loans", "approve", loan, due_ms + DAY_MS, value_day)
    desk.call(customer, "loans", "accept", loan)
    desk.call(home, "loans", "disburse", loan)
    paid = _await_events(desk, "Paid", 1, due_ms)
    record.tell(f"loan {loan}: {PRINCIPAL / 100:,.2f} {CURRENCY} disbursed, instalment 1 paid; nothing more is sent")
    found = _await_events(desk, "Due", 2, due_ms)
    _check_due(desk, found[-1], due_ms, len(paid))


def _await_events(desk: Desk, name: str, count: int, due_ms: int) -> list[EventEntry]:
    """Events of the contract loans, once there are so many. :raises Stopped: they do not come."""
    deadline = time.monotonic() + DUE_SECONDS_MAX
    with SyncClient([desk.network.observer], PATIENT) as client:
        while True:
            found = list(client.events_get(contract="loans", name=name, limit=500).events)
            if len(found) >= count:
                return found
            if time.monotonic() > deadline:
                raise Stopped(f"loans: {len(found)} of {count} events {name} at {due_ms}; the nodes' logs may say why")
            time.sleep(0.05)


def _check_due(desk: Desk, due: EventEntry, due_ms: int, paid_before: int) -> None:
    """All nodes have the same instalment falling due, by the schedule, in the first block past its time."""
    network = desk.network
    height = int(due.height)
    told: set[tuple[str, str, str]] = set()
    for place in network.places:
        with SyncClient([place.url], PATIENT) as client:
            _await_height(client, height)
            listed = client.events_get(from_height=height, contract="loans", name="Due", limit=10).events
            mine = next(entry for entry in listed if entry.height == due.height)
            told.add((mine.hash, mine.cause, str(mine.event.fields)))
    with SyncClient([network.observer], PATIENT) as client:
        at_ms, before_ms = (int(client.chain_block(number).block_time_ms) for number in (height, height - 1))
        statement = client.tx_get(bytes.fromhex(due.hash[2:]))
    in_time = before_ms < due_ms <= at_ms
    right = len(told) == 1 and next(iter(told))[1] == "schedule" and in_time and statement.transaction is None
    desk.record.check(
        "an instalment by itself",
        right and paid_before == 1,
        f"all {len(network.places)} nodes: instalment 2 at height {height}, cause schedule, in the first block past "
        f"its time, {at_ms - due_ms} ms later"
        if right
        else f"told {told}, due {due_ms}, blocks at {before_ms} and {at_ms}",
    )


def _await_height(client: SyncClient, height: int) -> None:
    deadline = time.monotonic() + DUE_SECONDS_MAX
    while int(client.node_status().height) < height and time.monotonic() < deadline:
        time.sleep(0.05)


# --------------------------------------------------------------------------------------------- trade, remittances


def _trade(desk: Desk, journey: Journey, home: Bank) -> None:
    """A tokenised bond against money, both legs in one journal."""
    customer = journey.customer
    document = sha256(b"terms of the bond").digest()
    bond = desk.call(home, "assets", "create", "BOND27", "bond", CURRENCY, 0, 1_000, document, 1).results[0]
    desk.call(home, "assets", "mint", bond, [[home.address, 100]], "first issue")
    money = f"{CURRENCY}.{home.id}"
    pair = desk.call(home, "trades", "open_pair", bond, money, 1, 1).results[0]
    desk.call(home, "trades", "place", pair, "sell", "gtc", PRICE, 10, 0, "cancel_newest")
    done = desk.call(customer, "trades", "place", pair, "buy", "ioc", PRICE, 2, 0, "cancel_newest")
    journals = [event for event in done.events if event.contract == "ledger" and "legs" in event.fields]
    legs = {(asset, account): int(change) for event in journals for asset, account, change in event.fields["legs"]}
    right = len(journals) == 1 and legs.get((bond, customer.address)) == 2
    right = right and legs.get((money, customer.address)) == -2 * PRICE
    told = f"2 {bond} for {2 * PRICE / 100:.2f} {CURRENCY}: delivery and payment in one journal"
    desk.record.check("trade", right, told if right else f"{len(journals)} journals: {legs}")


def _remit(desk: Desk, journey: Journey, home: Bank, abroad: Bank) -> None:
    """One remittance is settled, one is rejected and comes back; feedback on the first."""
    network, customer, payee = desk.network, journey.customer, journey.payee
    before = _owned(network, customer.address, f"{CURRENCY}.{home.id}")
    settled = _lock(desk, journey, home, abroad)
    desk.call(abroad, "remittances", "accept", settled)
    rejected = _lock(desk, journey, home, abroad)
    desk.call(abroad, "remittances", "reject", rejected, "RR04", "")
    ended = [str(desk.ask("remittances", "status", remittance)) for remittance in (settled, rejected)]
    lost = before - _owned(network, customer.address, f"{CURRENCY}.{home.id}")
    arrived = _owned(network, payee.address, f"{ABROAD}.{abroad.id}")
    right = ended == ["settled", "rejected"] and lost == SENT + FEE + REFUND_COST and arrived == ARRIVES
    desk.record.check(
        "remittances",
        right,
        f"one settled ({SENT / 100:.2f} {CURRENCY} arrived as {ARRIVES / 100:.2f} {ABROAD}), one rejected with RR04 "
        f"and refunded, at the {REFUND_COST / 100:.2f} that the quote says"
        if right
        else f"{ended}, lost {lost}, arrived {arrived}",
    )
    _feed_back(desk, journey, home, settled)


def _lock(desk: Desk, journey: Journey, home: Bank, abroad: Bank) -> str:
    """Quoted, disclosed to who must know, and locked by the customer."""
    network, customer, payee = desk.network, journey.customer, journey.payee
    remittance = str(uuid.uuid4())
    terms: list[Value] = [
        *(CURRENCY, SENT, ABROAD, ARRIVES, ARRIVES, SENT, FEE, REFUND_COST, "originator"),
        *(time.time_ns() // 1_000_000 + 600_000, 3_600_000, True),
    ]
    desk.call(home, "remittances", "quote", remittance, customer.address, terms)
    with SyncClient([home.place.url], PATIENT) as client:
        data = SealedData(client, network.genesis)
        parties = [("originator", f"{GIVEN} {FAMILY}"), ("beneficiary", "Mateo Ibarrondo")]
        sealed = data.seal("travel_rule", home.id, remittance, parties, [abroad.id])
    travel_rule = desk.call(home, "remittances", "disclose", remittance, sealed).results[0]
    desk.call(customer, "remittances", "lock", remittance, payee.address, travel_rule, "tuition")
    return remittance


def _feed_back(desk: Desk, journey: Journey, home: Bank, remittance: str) -> None:
    rating: list[Value] = ["remittances", remittance, 5, "arrived within a second", b""]
    given = desk.call(journey.customer, "feedback", "rate", *rating)
    again = desk.try_call(journey.customer, "feedback", "rate", rating)
    desk.call(home, "feedback", "reply", _integer(given), "thank you", b"")
    desk.record.check("feedback", again.code != "ok", f"given once, answered once; a second time is {again.code}")


# ----------------------------------------------------------------------------------------------------- supervision


def _supervise(desk: Desk, journey: Journey, home: Bank, abroad: Bank, watch: Bank) -> None:
    """The regulator follows the money, freezes, sees the next payment refused, releases."""
    network, record, customer = desk.network, desk.record, journey.customer
    with SyncClient([network.observer], PATIENT) as client:
        entries = client.events_get(contract="ledger", account=customer.address, limit=500).events
        purposes = [str(entry.event.fields["purpose"]) for entry in entries if "legs" in entry.event.fields]
        statement = client.account_statement(customer.address, f"{CURRENCY}.{home.id}")
    moved = sum(int(movement.change) for movement in statement.movements)
    followed = [purpose for purpose in ("deposit", "loan", "trade", "remittance") if purpose in purposes]
    right = len(followed) == 4 and int(statement.opening) + moved == int(statement.closing)
    record.check(
        "followed by the regulator",
        right,
        f"{' → '.join(followed)}; statement of {len(statement.movements)} movements, opening + movements = closing"
        if right
        else f"purposes {purposes}, {statement.opening} + {moved} is not {statement.closing}",
    )
    expires_ms = time.time_ns() // 1_000_000 + DAY_MS
    file, law = "FIN-2026/118", "AML Act 12"
    order = _integer(desk.call(watch, "orders", "freeze", customer.address, "", 0, ["send"], file, law, expires_ms))
    pay: list[Value] = [journey.payee.address, CURRENCY, 1_000, "while frozen"]
    refused = desk.try_call(customer, "payments", "pay", pay)
    desk.call(watch, "orders", "release", order, file, law)
    released = desk.call(customer, "payments", "pay", home.address, CURRENCY, 1_000, "after the release")
    right = refused.code == "account_frozen" and released.code == "ok"
    record.check("frozen and released", right, f"order {order}: the next payment was {refused.code}; then it is paid")
    _check_names(desk, journey)


def _check_names(desk: Desk, journey: Journey) -> None:
    """The customer's name is in no file of a node, and in nothing that a node answers."""
    network, customer = desk.network, journey.customer
    secret = [text.encode() for text in (GIVEN, FAMILY, PERSON["address"], PERSON["date_of_birth"])]
    secret += [json.dumps(text).strip('"').encode() for text in (GIVEN, FAMILY)]
    seen, size = [], 0
    for place in network.places:
        for path in sorted(place.home.path.rglob("*")):
            if path.is_file():
                data = _bytes_of(path)
                size += len(data)
                seen += [f"{place.member}: {path.name}" for text in secret if text in data]
    for place in network.places:
        data = _answers_of(place.url, customer.address)
        size += len(data)
        seen += [f"{place.member} answers it" for text in secret if text in data or text.hex().encode() in data]
    told = f"in none of {size / 1e6:.1f} MB of files, logs and answers of {len(network.places)} nodes"
    desk.record.check("no name in the clear", not seen, told if not seen else f"found: {seen[:3]}")


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # a node has just removed it
        return b""


def _answers_of(url: str, address: str) -> bytes:
    """What a node answers about the account, its history, and every event and transaction so far."""
    parts: list[object] = []
    with SyncClient([url], PATIENT) as client:
        parts += [client.account_get(address), client.contract_query("identity", "status", [address])]
        history = client.account_history(address, limit=500)
        parts += [client.tx_get(bytes.fromhex(entry.hash[2:])) for entry in history.entries]
        cursor = None
        while True:
            page = client.events_get(cursor=cursor, limit=500)
            parts.append(page)
            cursor = page.next_cursor
            if page.complete:
                return repr(parts).encode()


def _owned(network: Network, address: str, asset: str) -> int:
    with SyncClient([network.banks[0].place.url], PATIENT) as client:
        balances = client.account_get(address).balances
    return next((int(balance.amount) for balance in balances if balance.asset == asset), 0)


def _integer(receipt: ReceiptAnswer) -> int:
    return int(receipt.results[0])


