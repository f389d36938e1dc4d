"""What a node is made from: its home's configuration, genesis document and keys, read and held against each other."""

import errno
import fcntl
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from genesis.document import DOCUMENT_CHARS_MAX, Genesis
from genesis.member import Member, Role
from node import configuration as configuration_file
from node.ceremony import read_genesis
from node.configuration import Configuration
from node.home import Home
from node.keystore import Purpose, find_passphrase, read_key
from p2p.frame import Role as LinkRole
from p2p.identity import Identity
from p2p.peers import Peer
from state.errors import Invalid, Reason
from state.keys import KeyPair


@dataclass(frozen=True, slots=True)
class Opening:
    """Everything that a node is told before it opens its data."""

    home: Home
    configuration: Configuration
    genesis: Genesis
    document: bytes
    """The genesis document, byte for byte."""
    member: Member
    """Whose node this is."""
    identity: Identity
    vote_key: KeyPair | None
    """None for an observer."""
    peers: tuple[Peer, ...]
    """All other members' nodes."""


def read_home(path: Path, environment: Mapping[str, str]) -> Opening:
    """Read a home. :raises Invalid: with a sentence that says what is wrong, where, and what to do."""
    home = Home(path)
    if not home.configuration.is_file():
        raise Invalid(
            Reason.BAD_CONFIGURATION,
            f"{path} is no node's home ({home.configuration.name} is missing): hansa init makes one",
        )
    if not home.genesis.is_file():
        raise Invalid(
            Reason.BAD_GENESIS,
            f"{home.genesis} is missing: make it with hansa genesis build, or copy the network's there",
        )
    configuration = configuration_file.load(home.configuration)
    genesis = read_genesis(home.genesis)
    document = home.genesis.read_bytes()
    assert len(document) <= 4 * DOCUMENT_CHARS_MAX
    passphrase = find_passphrase(configuration.keys.passphrase_file, environment)
    node_key = read_key(home.node_key, Purpose.NODE, passphrase)
    member = next((member for member in genesis.members if member.node_key == node_key.public), None)
    if member is None:
        raise Invalid(
            Reason.CONFLICT,
            f"{home.node_key} is the key of no member in {home.genesis}: one of the two files is another network's",
        )
    vote_key = read_key(home.vote_key, Purpose.VOTE, passphrase) if member.role is Role.VALIDATOR else None
    if vote_key is not None and vote_key.public != member.vote_key:
        raise Invalid(
            Reason.CONFLICT,
            f"{home.vote_key} is not the key that {home.genesis} names for {member.id}: restore it from your backup",
        )
    identity = Identity(node_key.seed, member.root_certificate, node_key.public)
    return Opening(
        home, configuration, genesis, document, member, identity, vote_key, _peers(configuration, genesis, member)
    )


def _peers(configuration: Configuration, genesis: Genesis, own: Member) -> tuple[Peer, ...]:
    known = {member.id for member in genesis.members}
    for name, _ in configuration.p2p.peers:
        if name not in known:
            raise Invalid(Reason.BAD_CONFIGURATION, f"p2p.peers in config.toml names {name}, and no member has that id")
    peers = []
    for member in genesis.members:
        if member.id == own.id:
            continue
        endpoint = configuration.p2p.endpoint_of(member.id)
        host, port = (member.host, member.port) if endpoint is None else (endpoint.host, endpoint.port)
        role = LinkRole(member.role.value)
        peers.append(Peer(member.node_key, member.id, host, port, member.root_certificate, role))
    return tuple(peers)


def lock_home(home: Home) -> int:
    """Take the home for this process; the lock ends with the descriptor returned, or with the process.

    :raises Invalid: CONFLICT, another process has it.
    """
    descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise Invalid(
            Reason.CONFLICT,
            f"another node runs on {home.path} (process {holder or 'unknown'}): stop it first, or name another home",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def check_port(host: str, port: int, key: str) -> None:
    """Whether the node can listen there. :raises Invalid: UNAVAILABLE with port, configuration key and fix."""
    if port == 0:
        return
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise port_refused(host, port, key, error) from None


def port_refused(host: str, port: int, key: str, error: OSError) -> Invalid:
    """The sentence for a port that is not to be had."""
    section = key.partition(".")[0]
    if error.errno == errno.EADDRINUSE:
        problem = f"port {port} on {host} is in use by another program: stop that one, or set another {key}"
    elif error.errno == errno.EACCES:
        problem = f"port {port} on {host} is not for ordinary users: set {key} to one above 1023"
    else:
        problem = f"can't listen on {host} port {port} ({error.strerror or error}): set {section}.host and {key}"
    return Invalid(Reason.UNAVAILABLE, f"{problem} in config.toml")
