"""``hansa init``, ``hansa genesis`` and ``hansa testnet``: how members and their network come to be."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from genesis import ceremony as founding
from genesis.document import Deployment, Genesis, Settlement
from genesis.member import Function, Role
from node import ceremony
from node import testnet as test_network
from node.ceremony import Details
from node.cli_settings import Settings, command, example
from node.configuration import P2P_PORT, RPC_PORT, Configuration, P2pSettings, RpcSettings
from state.errors import Invalid, Reason
from state.parameters import ChainParameters

LOOPBACK = ("127.0.0.1", "localhost", "::1")

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
PORT = click.IntRange(1, 65535)
ROLE = click.Choice([role.value for role in Role])
FUNCTION = click.Choice([function.value for function in Function])


@click.command(
    epilog=example(
        "hansa init --home alpina --id alpina --legal-name 'Alpina Privatbank AG' \\",
        "  --lei 999900ALPINA00000043 --jurisdiction CH --host node1.alpina.example",
    )
)
@click.option("--id", "member_id", required=True, help="Short name: a lower-case letter, then a–z, 0–9 and _.")
@click.option("--legal-name", required=True, help="The legal entity's name.")
@click.option("--lei", required=True, help="Legal entity identifier (ISO 17442), 20 characters.")
@click.option("--jurisdiction", required=True, help="Country code, ISO 3166-1 alpha-2.")
@click.option("--role", type=ROLE, default=Role.VALIDATOR.value, show_default=True)
@click.option("--function", type=FUNCTION, default=Function.BANK.value, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where other nodes find this one.")
@click.option("--port", type=PORT, default=P2P_PORT, show_default=True, help="Port for other nodes.")
@click.option("--rpc-port", type=PORT, default=RPC_PORT, show_default=True, help="JSON-RPC's port.")
@click.option("--grant", "grants", multiple=True, help="A contract that may debit the account.  [repeatable]")
@click.option("--passphrase-file", type=FILE, help="Seals the keys; mode 0600.")
@command
def init(
    settings: Settings,
    member_id: str,
    legal_name: str,
    lei: str,
    jurisdiction: str,
    role: str,
    function: str,
    host: str,
    port: int,
    rpc_port: int,
    grants: tuple[str, ...],
    passphrase_file: Path | None,
) -> None:
    """Make a member's home: keys, configuration, and the member file for the genesis ceremony.

    Only member.json ever leaves the home; private keys never do.
    """
    listen = "127.0.0.1" if host in LOOPBACK else "0.0.0.0"
    home = settings.home
    member = ceremony.initialise(
        home,
        Details(
            id=member_id,
            legal_name=legal_name,
            lei=lei,
            jurisdiction=jurisdiction,
            role=Role(role),
            function=Function(function),
            host=host,
            port=port,
            grants=grants or None,
        ),
        configuration=Configuration(p2p=P2pSettings(host=listen, port=port), rpc=RpcSettings(port=rpc_port)),
        passphrase_file=passphrase_file,
    )
    settings.answer(
        {"home": str(home.path), "member_file": str(home.member), "member": member.to_document()},
        [
            f"{member.legal_name} has a home in {home.path}. Back up {home.keys}: nobody can restore these keys.",
            f"Hand {home.member} to the other members; together you build the genesis document from all of them:",
            "  hansa genesis build --name NETWORK --out genesis.json member1.json member2.json …",
        ],
    )


@click.group(epilog=example("hansa genesis build --name bahnhof --out genesis.json */member.json"))
def genesis() -> None:
    """The genesis document: build it, show it, take it into a home."""


@genesis.command(
    epilog=example(
        "hansa genesis build --name bahnhof --settlement USD=meridian --out genesis.json */member.json",
    )
)
@click.argument("member_files", nargs=-1, required=True, type=FILE)
@click.option("--name", required=True, help="The network's name.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The document; a new file.")
@click.option("--settlement", "agents", multiple=True, metavar="CUR=MEMBER", help="Settlement agent.  [repeatable]")
@click.option("--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="A chain parameter.  [repeatable]")
@click.option("--contract", "contracts", multiple=True, type=FILE, help="A contract to deploy beside the library.")
@command
def build(
    settings: Settings,
    member_files: tuple[Path, ...],
    name: str,
    out: Path,
    agents: tuple[str, ...],
    parameters: tuple[str, ...],
    contracts: tuple[Path, ...],
) -> None:
    """Make the genesis document of the members whose files are given."""
    own = tuple(Deployment(path.stem, path.read_text(encoding="utf-8")) for path in contracts)
    built = ceremony.build_genesis(
        member_files,
        out,
        name=name,
        parameters=_parameters(parameters),
        settlement=[Settlement(*_pair(text, "--settlement USD=meridian")) for text in agents],
        contracts=ceremony.library() + own,
    )
    _tell(settings, built, [f"Wrote {out}. Each member takes it into its home: hansa genesis adopt {out} --home HOME"])


@genesis.command(epilog=example("hansa genesis adopt genesis.json --home alpina"))
@click.argument("document", type=FILE)
@command
def adopt(settings: Settings, document: Path) -> None:
    """Take the network's genesis document into a home, if it says of this member what the member's file says."""
    adopted = ceremony.adopt_genesis(settings.home, document)
    _tell(settings, adopted, [f"Start the node: hansa start --home {settings.home.path}"])


@genesis.command(epilog=example("hansa genesis show genesis.json"))
@click.argument("document", type=FILE)
@command
def show(settings: Settings, document: Path) -> None:
    """Check a genesis document and say what it founds."""
    _tell(settings, ceremony.read_genesis(document), [])


@click.command(epilog=example("hansa testnet --dir network --validators 7 --observers 2"))
@click.option("--dir", "directory", required=True, type=click.Path(path_type=Path), help="New or empty directory.")
@click.option("--validators", type=int, default=4, show_default=True)
@click.option("--observers", type=int, default=1, show_default=True, help="The first is the settlement agent.")
@click.option("--base-port", type=int, default=test_network.BASE_PORT, show_default=True)
@click.option("--name", default="testnet", show_default=True, help="The network's name.")
@click.option("--currency", "currencies", multiple=True, default=["USD"], show_default=True, help="[repeatable]")
@command
def testnet(
    settings: Settings,
    directory: Path,
    validators: int,
    observers: int,
    base_port: int,
    name: str,
    currencies: tuple[str, ...],
) -> None:
    """Make all homes of a test network on this machine, by the real ceremony."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise Invalid(Reason.DUPLICATE, f"{directory} is not empty: name a new directory by --dir")
    seats = test_network.seats(validators, observers, base_port)
    made = test_network.make(directory, seats, name=name, currencies=sorted(set(currencies)))
    _tell(settings, made, [f"{len(seats)} homes are in {directory}. Start them all: hansa devnet up --dir {directory}"])


def _tell(settings: Settings, document: Genesis, then: Sequence[str]) -> None:
    warnings = founding.warnings(document)
    members = [
        f"  {member.id:<16} {member.role:<10} {member.function:<17} {member.jurisdiction}  {member.legal_name}"
        for member in document.members
    ]
    settings.answer(
        {
            "chain_id": "0x" + document.chain_id.hex(),
            "name": document.name,
            "time_ms": str(document.time_ms),
            "parameters": asdict(document.parameters),
            "members": [_summary(document, index) for index in range(len(document.members))],
            "settlement": [asdict(entry) for entry in document.settlement],
            "contracts": [contract.name for contract in document.contracts],
            "warnings": warnings,
        },
        [
            f"{document.name}: chain id 0x{document.chain_id.hex()}",
            *members,
            f"  contracts: {', '.join(contract.name for contract in document.contracts)}",
            *(f"  settlement of {entry.currency}: {entry.agent}" for entry in document.settlement),
            *(f"Note: {warning}" for warning in warnings),
            *then,
        ],
    )


def _summary(document: Genesis, index: int) -> dict[str, Any]:
    member = document.members[index]
    summary = member.to_document()
    del summary["root_certificate"]
    return summary | {"address": document.account_address(member)}


def _parameters(texts: Sequence[str]) -> ChainParameters:
    table: dict[str, object] = {}
    for text in texts:
        name, value = _pair(text, "--parameter execution_lag=8")
        table[name] = int(value) if value.isascii() and value.isdigit() else value
    return ChainParameters.from_document(table)


def _pair(text: str, shape: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise click.UsageError(f"{text!r} is not of the form {shape}")
    return name, value
