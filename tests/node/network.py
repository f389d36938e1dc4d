"""Networks of whole nodes in one process: real TLS on loopback, real files, fsync on, execution inline."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from genesis.document import Genesis
from node import configuration, testnet
from node.configuration import NodeSettings
from node.home import Home
from node.keystore import Purpose, read_key
from node.life import Node
from node.opening import read_home
from rpc.backend import Submitted, TransactionStatus
from state.address import SALT_BYTES, account_address
from state.codec import Value
from state.keys import KeyPair
from state.policy import Policy
from state.transaction import Body, Call, Transaction, sign

WAIT_SECONDS_MAX = 20.0
HEARTBEAT_MS = 1_000


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def make_homes(
    directory: Path, *, validators: int = 4, execution: str = "inline", heartbeat_ms: int = HEARTBEAT_MS
) -> Genesis:
    """Homes of so many validators and an observer, which is the settlement agent."""
    places = testnet.seats(validators, 1)
    ports = free_ports(len(places))
    seats = [testnet.Seat(replace(seat.details, port=port), port, 0) for seat, port in zip(places, ports, strict=True)]
    genesis = testnet.make(directory, seats, name="Test")
    for seat in seats:
        home = Home(directory / seat.details.id)
        settings = NodeSettings(execution=execution, heartbeat_ms=heartbeat_ms)
        home.configuration.write_text(configuration.render(replace(seat.configuration, node=settings)))
    return genesis


@dataclass
class Network:
    """Running nodes by member id."""

    directory: Path
    genesis: Genesis
    nodes: dict[str, Node] = field(default_factory=dict)
    count: int = 0

    @classmethod
    async def start(cls, directory: Path, **options: object) -> "Network":
        """Make the homes and start every node."""
        network = cls(directory, make_homes(directory, **options))  # type: ignore[arg-type]
        for member in network.genesis.members:
            await network.start_node(member.id)
        return network

    @property
    def validators(self) -> list[Node]:
        """Running validators, in the order of member ids."""
        names = [validator.member for validator in self.genesis.validators().validators]
        return [self.nodes[name] for name in names if name in self.nodes]

    async def start_node(self, member: str) -> Node:
        """Start one node from its home."""
        node = Node(read_home(self.directory / member, {}))
        await node.start()
        self.nodes[member] = node
        return node

    async def stop_node(self, member: str) -> None:
        """Stop one node."""
        await self.nodes.pop(member).stop()

    async def stop(self) -> None:
        """Stop every node."""
        await asyncio.gather(*(node.stop() for node in self.nodes.values()))

    def account_key(self, member: str) -> KeyPair:
        """The key of a member's own account."""
        return read_key(Home(self.directory / member).account_key, Purpose.ACCOUNT)

    def address(self, member: str) -> str:
        """The address of a member's own account."""
        found = self.genesis.member(member)
        assert found is not None
        return self.genesis.account_address(found)

    def customer(self, name: str) -> tuple[KeyPair, str]:
        """Key and address of a customer by that name."""
        pair = KeyPair.from_seed(name.encode().ljust(32, b"."))
        prefix = self.genesis.parameters.address_prefix
        return pair, account_address(prefix, Policy.of_key(pair.public).encode(), bytes(SALT_BYTES))

    def transaction(
        self, key: KeyPair, sender: str, contract: str, method: str, arguments: list[Value], **changes: object
    ) -> Transaction:
        """A signed transaction that is valid for ten minutes."""
        self.count += 1
        now_ms = self.validators[0].clock.now_ms()
        call = Call(contract, 1, method, arguments)
        identity = self.count.to_bytes(16, "big")
        body = Body(self.genesis.chain_id, sender, identity, now_ms + 600_000, None, 50_000_000, (call,), ())
        return sign(replace(body, **changes), [key])  # type: ignore[arg-type]

    def by_bank(self, bank: str, contract: str, method: str, arguments: list[Value]) -> Transaction:
        """A transaction of a member's own account."""
        return self.transaction(self.account_key(bank), self.address(bank), contract, method, arguments)

    def payment(self, payer: str, payee: str, amount: int) -> Transaction:
        """A payment between customers."""
        key, sender = self.customer(payer)
        return self.transaction(key, sender, "payments", "pay", [self.customer(payee)[1], "USD", amount, "rent"])

    async def settle(self, node: Node, transaction: Transaction) -> str:
        """Submit at a node and wait there until it is final; the receipt's code."""
        (answer,) = await node.intake.submit_many([transaction.encoded])
        assert answer == Submitted(transaction.id, TransactionStatus.PENDING)
        fact = await node.queries.wait_transaction(transaction.id, int(WAIT_SECONDS_MAX * 1000))
        assert fact.receipt is not None, fact.status
        return fact.receipt.code

    async def furnish(self, bank: str, *names: str) -> None:
        """Customers of a bank with 10,000 cents each."""
        node = self.validators[0]
        customers: list[Value] = [[self.customer(name)[0].public, bytes(SALT_BYTES)] for name in names]
        deposits: list[Value] = [[self.customer(name)[1], 10_000] for name in names]
        for contract, method, arguments in (
            ("accounts", "register", [customers]),
            ("bank_money", "create", ["USD"]),
            ("bank_money", "mint", ["USD", deposits, "opening"]),
        ):
            assert await self.settle(node, self.by_bank(bank, contract, method, arguments)) == "ok"


async def until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for something that the network will do by itself."""
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS_MAX
    while True:
        found = condition()
        if found if isinstance(found, bool) else await found:
            return
        assert asyncio.get_running_loop().time() < deadline, f"not in time: {what}"
        await asyncio.sleep(0.02)
