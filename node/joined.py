"""What a home keeps that has joined a running network: which one, and where its nodes were."""

import json
from collections.abc import Sequence
from pathlib import Path

from genesis.fields import parse, refuse
from node.home import Home
from node.keystore import write_new_file
from p2p.frame import Role
from p2p.identity import ROOT_BYTES_MAX
from p2p.peers import Peer
from state.errors import Invalid, Reason
from state.keys import PUBLIC_KEY_BYTES

JOINED_VERSION = 1
JOINED_CHARS_MAX = 4 * 1024 * 1024
PEERS_MAX = 1_000
PUBLIC_FILE_MODE = 0o644


def write_joined(home: Home, chain_id: bytes, peers: Sequence[Peer]) -> None:
    """Note in a home which network it has joined, and where that network's nodes were."""
    written = {
        "format": JOINED_VERSION,
        "chain_id": "0x" + chain_id.hex(),
        "peers": [
            {
                "id": peer.name,
                "node_key": "0x" + peer.node_id.hex(),
                "root_certificate": "0x" + peer.root_certificate.hex(),
                "host": peer.host,
                "port": peer.port,
                "role": peer.role.value,
            }
            for peer in peers
        ],
    }
    write_new_file(home.joined, (json.dumps(written, indent=2) + "\n").encode(), PUBLIC_FILE_MODE)


def read_joined(home: Home, chain_id: bytes) -> tuple[Peer, ...]:
    """Where the network's nodes were. :raises Invalid: BAD_GENESIS, or CONFLICT with another network's genesis."""
    shown = parse(_text(home.joined), JOINED_CHARS_MAX)
    shown.integer("format", JOINED_VERSION, JOINED_VERSION)
    if shown.blob("chain_id", len(chain_id)) != chain_id:
        raise Invalid(Reason.CONFLICT, f"{home.joined} is of another network than {home.genesis}")
    peers = []
    for entry in shown.tables("peers", PEERS_MAX):
        name, key = entry.text("id"), entry.blob("node_key", PUBLIC_KEY_BYTES)
        root = entry.text("root_certificate", 2 * ROOT_BYTES_MAX + 2)
        try:
            certificate = bytes.fromhex(root.removeprefix("0x"))
        except ValueError:
            refuse(entry.where("root_certificate"), "bytes in hex are expected")
        host, port = entry.text("host"), entry.integer("port", 1, 65535)
        role = Role(entry.text("role", pattern="|".join(Role), shape="validator or observer"))
        entry.finish()
        peers.append(Peer(key, name, host, port, certificate, role))
    shown.finish()
    return tuple(peers)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(4 * JOINED_CHARS_MAX).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(Reason.BAD_GENESIS, f"{path} can't be read: {error}") from error
