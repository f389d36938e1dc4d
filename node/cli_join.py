"""``hansa join`` and ``hansa keys``: a bank that comes later, and keys that take the place of others."""

from pathlib import Path

import click

from genesis.member import Function, Role
from node import joining, key_requests
from node.ceremony import Details
from node.cli_genesis import FILE, FUNCTION, LOOPBACK, PORT, ROLE
from node.cli_settings import Settings, command, example
from node.configuration import P2P_PORT, RPC_PORT, Configuration, P2pSettings, RpcSettings
from rpc.client import SyncClient
from state.digest import DIGEST_BYTES
from state.errors import Invalid, Reason


@click.command(
    epilog=example(
        "hansa join --home carol --url node1.alpina.example:26700 --chain-id 0x2284… --id carol \\",
        "  --legal-name 'Carol Bank plc' --lei 999900CAROL000000058 --jurisdiction GB --host node1.carol.example",
    )
)
@click.option("--chain-id", required=True, help="The network's, as a member you trust has told you.")
@click.option("--id", "member_id", required=True, help="Short name: a lower-case letter, then a–z, 0–9 and _.")
@click.option("--legal-name", required=True, help="The legal entity's name.")
@click.option("--lei", required=True, help="Legal entity identifier (ISO 17442), 20 characters.")
@click.option("--jurisdiction", required=True, help="Country code, ISO 3166-1 alpha-2.")
@click.option("--role", type=ROLE, default=Role.OBSERVER.value, show_default=True, help="What its node begins as.")
@click.option("--function", type=FUNCTION, default=Function.BANK.value, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where other nodes find this one.")
@click.option("--port", type=PORT, default=P2P_PORT, show_default=True, help="Port for other nodes.")
@click.option("--rpc-port", type=PORT, default=RPC_PORT, show_default=True, help="JSON-RPC's port.")
@click.option("--passphrase-file", type=FILE, help="Seals the keys; mode 0600.")
@command
def join(
    settings: Settings,
    chain_id: str,
    member_id: str,
    legal_name: str,
    lei: str,
    jurisdiction: str,
    role: str,
    function: str,
    host: str,
    port: int,
    rpc_port: int,
    passphrase_file: Path | None,
) -> None:
    """Make the home of a member that joins a running network, and its request to the members.

    The genesis document comes from the node at --url, and is taken only if its digest is the chain id. The node is an
    observer at first; when it has caught up, ask for its vote by hansa keys vote.
    """
    expected = _digest(chain_id)
    listen = "127.0.0.1" if host in LOOPBACK else "0.0.0.0"
    details = Details(
        id=member_id,
        legal_name=legal_name,
        lei=lei,
        jurisdiction=jurisdiction,
        role=Role(role),
        function=Function(function),
        host=host,
        port=port,
    )
    configuration = Configuration(p2p=P2pSettings(host=listen, port=port), rpc=RpcSettings(port=rpc_port))
    home = settings.home
    with SyncClient([settings.node_url]) as client:
        member, network = joining.join(home, details, client, expected, configuration, passphrase_file)
    settings.answer(
        {"home": str(home.path), "member_file": str(home.member), "network": network, "member": member.to_document()},
        [
            f"{member.legal_name} has a home in {home.path}, on {network}. Back up {home.keys}: nobody can restore it.",
            f"Send {home.member} to a member that validates. It puts you to the vote, and the others agree:",
            f"  hansa gov propose admit {home.member.name} --home THEIRS",
            f"Start the node meanwhile; it follows once you are a member: hansa start --home {home.path}",
        ],
    )


@click.group(epilog=example("hansa keys vote --home carol", "hansa keys node --home carol --host node2.carol.example"))
def keys() -> None:
    """Keys that take the place of others, by the members' vote."""


@keys.command(epilog=example("hansa keys vote --home carol"))
@click.option("--passphrase-file", type=FILE, help="Seals the key; mode 0600.")
@command
def vote(settings: Settings, passphrase_file: Path | None) -> None:
    """Make the next vote key, and the request for it: to validate, or to validate with another key."""
    request = key_requests.request_vote_key(settings.home, settings.passphrase(passphrase_file))
    _tell(settings, request, "validator")


@keys.command(epilog=example("hansa keys node --home carol --host node2.carol.example --port 26600"))
@click.option("--host", required=True, help="Where other nodes find this one.")
@click.option("--port", type=PORT, default=P2P_PORT, show_default=True, help="Port for other nodes.")
@click.option("--passphrase-file", type=FILE, help="Seals the key; mode 0600.")
@command
def node(settings: Settings, host: str, port: int, passphrase_file: Path | None) -> None:
    """Make the next node key, and the request for it."""
    request = key_requests.request_node_key(settings.home, settings.passphrase(passphrase_file), host, port)
    _tell(settings, request, "node")


def _tell(settings: Settings, request: Path, subject: str) -> None:
    settings.answer(
        {"request": str(request), "subject": subject},
        [
            "The key is in the home beside the old one, which stays. Restart the node, so that it holds both;",
            f"then have it put to the vote: hansa gov propose {subject} {request}",
            "From the height that the vote sets the node uses the new key by itself.",
        ],
    )


def _digest(text: str) -> bytes:
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        found = b""
    if len(found) != DIGEST_BYTES:
        raise Invalid(Reason.MALFORMED, f"{text!r} is no chain id: 0x and 64 hexadecimal digits")
    return found
