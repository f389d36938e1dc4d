"""Joining: the home of a member that comes after the network was founded.

A bank that joins later makes the same keys and the same member file as a founder. It takes the genesis document from
any node, and believes it because its digest is the chain id that the bank was told by a member it trusts. Who the
validators are by now it learns by following the sets from genesis, each change proven by the set before it
(``state.succession``); so the nodes that it first dials are the network's, whoever answered.
"""

from pathlib import Path
from typing import cast

from contracts.kernel import layout, members
from genesis import document
from genesis.member import Member
from node import ceremony
from node.ceremony import PUBLIC_FILE_MODE, Details
from node.configuration import Configuration
from node.home import Home
from node.joined import write_joined
from node.keystore import write_new_file
from node.proven import ProvenState
from p2p.frame import Role
from p2p.peers import Peer
from rpc.client import SyncClient
from state.errors import Invalid, Reason


def join(
    home: Home,
    details: Details,
    client: SyncClient,
    chain_id: bytes,
    configuration: Configuration | None = None,
    passphrase_file: Path | None = None,
) -> tuple[Member, str]:
    """Make the home of a member of the network that ``client`` asks; gives the member and the network's name.

    Nothing is written before the genesis document and the network's nodes are proven.

    :raises Invalid: CONFLICT (another network), BAD_PROOF, or as ``ceremony.initialise``.
    """
    text = client.chain_genesis().document
    genesis = document.load(text)
    if genesis.chain_id != chain_id:
        detail = f"the node is of the network 0x{genesis.chain_id.hex()} ({genesis.name}), not of 0x{chain_id.hex()}"
        raise Invalid(Reason.CONFLICT, detail)
    peers = _peers(ProvenState(client, genesis)) if int(client.node_status().height) else ()
    member = ceremony.initialise(home, details, configuration=configuration, passphrase_file=passphrase_file)
    write_new_file(home.genesis, text.encode(), PUBLIC_FILE_MODE)
    write_joined(home, chain_id, peers)
    return member, genesis.name


def _peers(state: ProvenState) -> tuple[Peer, ...]:
    """Where the network's nodes are now."""
    state.follow()
    row = state.row(layout.MEMBERS)
    found = []
    for name in cast("tuple[int, tuple[str, ...]]", row or (0, ()))[1]:
        member, node = state.row(layout.member_key(name)), state.row(layout.node_key(name))
        if member is None or node is None or member[3] == members.FORMER or member[6] is None:
            continue
        role = Role.OBSERVER if member[5] is None else Role.VALIDATOR
        root, host, port = cast(layout.NodeRow, node)
        found.append(Peer(cast(bytes, member[6]), name, host, port, root, role))
    return tuple(found)
