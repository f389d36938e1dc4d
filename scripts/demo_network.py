"""The demo's network: made by the ceremony that banks go through, with the command line that they use."""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from genesis.document import Genesis
from genesis.member import Function, Member, Role
from node import devnet, testnet
from node.ceremony import read_genesis
from node.devnet import Place
from node.keystore import Purpose, read_key
from node.testnet import Seat
from scripts.demo_record import Record, Stopped
from state.errors import Invalid
from state.keys import KeyPair

ROOT = Path(__file__).resolve().parent.parent

CURRENCY = "USD"

ABROAD = "EUR"
"""What the remittance of the journey arrives in."""

READY_SECONDS_MAX = 60.0

COMMAND_SECONDS_MAX = 120.0

COMMANDS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Bank:
    """A member with its own account and the node that it runs."""

    member: Member
    address: str
    key: KeyPair
    place: Place

    @property
    def id(self) -> str:
        """The member's id."""
        return self.member.id


@dataclass(frozen=True, slots=True)
class Network:
    """Who is there."""

    directory: Path
    genesis: Genesis
    banks: tuple[Bank, ...]
    """The validators, in the order of their ids."""
    agent: Bank
    """The central bank: settlement agent. It reaches the chain through a bank's validator and runs no node here."""
    regulator: Bank
    """Runs the observer."""

    @property
    def members(self) -> tuple[Bank, ...]:
        """Everybody with an own account."""
        return (*self.banks, self.agent, self.regulator)

    @property
    def places(self) -> tuple[Place, ...]:
        """All nodes that run, validators first."""
        return (*(bank.place for bank in self.banks), self.regulator.place)

    @property
    def urls(self) -> list[str]:
        """JSON-RPC of the validators."""
        return [bank.place.url for bank in self.banks]

    @property
    def observer(self) -> str:
        """JSON-RPC of the observer."""
        return self.regulator.place.url


def hansa(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process of its own. :raises Stopped: it did not go well."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HANSA_"))}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "node", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment,
        timeout=COMMAND_SECONDS_MAX,
        start_new_session=True,
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).removeprefix("hansa: ")
        raise Stopped(f"hansa {' '.join(arguments[:2])} failed with exit code {done.returncode}: {said}")
    return done


def ports_for(base_port: int | None) -> tuple[Seat, ...]:
    """The members with ports that are free. :raises Stopped: those that were asked for are not."""
    try:
        if base_port is None:
            base_port = devnet.free_base_port(testnet.BASE_PORT, 6)
        seats = testnet.seats(4, 2, base_port)
        devnet.check_ports(devnet.ports_of(base_port, len(seats)))
    except Invalid as refusal:
        raise Stopped(refusal.detail) from None
    return seats


def make(directory: Path, seats: Sequence[Seat], record: Record) -> Network:
    """The ceremony: each member makes its home, one document is built of all member files, each adopts it."""
    document = directory / "genesis.json"
    with ThreadPoolExecutor(COMMANDS_AT_ONCE) as pool:
        made = [pool.submit(hansa, *_init(directory, seat)) for seat in seats]
        for seat, future in zip(seats, made, strict=True):
            future.result()
            details = seat.details
            record.tell(f"hansa init: {details.legal_name} ({details.jurisdiction}, LEI {details.lei}), {details.role}")
        agent = next(seat.details.id for seat in seats if seat.details.function is Function.SETTLEMENT_AGENT)
        files = [str(directory / seat.details.id / "member.json") for seat in seats]
        parameter = f"address_prefix={testnet.ADDRESS_PREFIX}"
        hansa(
            *("genesis", "build", "--name", "demo", "--out", str(document), "--parameter", parameter),
            *("--settlement", f"{CURRENCY}={agent}", "--settlement", f"{ABROAD}={agent}"),
            *("--contract", str(ROOT / "scripts" / "demo_contracts" / "raffle.py"), *files),
        )
        adopted = [
            pool.submit(hansa, "genesis", "adopt", str(document), "--home", str(directory / seat.details.id))
            for seat in seats
        ]
        for future in adopted:
            future.result()
    genesis = read_genesis(document)
    record.tell(f"hansa genesis build: chain id 0x{genesis.chain_id.hex()}, adopted by {len(seats)} members")
    places = {place.member: place for place in devnet.places(directory, genesis)}
    banks = [_bank(genesis, member, places[member.id]) for member in genesis.members]
    return Network(
        directory,
        genesis,
        tuple(bank for bank in banks if bank.member.role is Role.VALIDATOR),
        next(bank for bank in banks if bank.id == agent),
        next(bank for bank in banks if bank.member.function is Function.REGULATOR),
    )


def start(network: Network, record: Record) -> None:
    """Start all nodes and wait until they are ready. :raises Stopped: one is not, with the end of its log."""
    for place in network.places:
        devnet.start(place)
    try:
        devnet.await_ready(network.places, READY_SECONDS_MAX)
    except Invalid as refusal:
        raise Stopped(refusal.detail) from None
    record.tell(f"{len(network.banks)} validators and 1 observer are ready")


def stop(places: Sequence[Place]) -> None:
    """Stop whatever runs."""
    devnet.stop(places)


def quoted(*words: str) -> str:
    """A command as it can be typed."""
    return shlex.join(words)


def _init(directory: Path, seat: Seat) -> list[str]:
    details = seat.details
    return [
        *("init", "--home", str(directory / details.id), "--id", details.id, "--legal-name", details.legal_name),
        *("--lei", details.lei, "--jurisdiction", details.jurisdiction, "--role", details.role.value),
        *("--function", details.function.value, "--port", str(seat.p2p_port), "--rpc-port", str(seat.rpc_port)),
    ]


def _bank(genesis: Genesis, member: Member, place: Place) -> Bank:
    key = read_key(place.home.account_key, Purpose.ACCOUNT)
    return Bank(member, genesis.account_address(member), key, place)
