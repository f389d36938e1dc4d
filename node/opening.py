"""What a node is made from: its home's configuration, genesis document and keys, read and held against each other."""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from genesis.document import DOCUMENT_CHARS_MAX, Genesis
from genesis.member import Member, Role
from node import configuration as configuration_file
from node.ceremony import read_genesis, read_member_file
from node.configuration import Configuration
from node.home import Home
from node.joined import read_joined
from node.keystore import Passphrase, Purpose, find_passphrase, read_key
from p2p.identity import Identity, make_identity
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
    identities: tuple[Identity, ...]
    """Of each node key in the home, the oldest first: the chain says which one is the node's now."""
    vote_keys: tuple[KeyPair, ...]
    """Likewise; an observer may have none."""
    hints: tuple[Peer, ...]
    """Where the network's nodes were when a member joined later; empty for a founder."""

    @property
    def identity(self) -> Identity:
        """The oldest."""
        return self.identities[0]

    @property
    def vote_key(self) -> KeyPair | None:
        """The oldest, None for an observer without any."""
        return self.vote_keys[0] if self.vote_keys else None


def read_home(path: Path, environment: Mapping[str, str]) -> Opening:
    """Read a home. :raises Invalid: with a sentence that says what is wrong, where, and what to do."""
    home = Home(path.absolute())  # The execution process has another working directory.
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
    hints: tuple[Peer, ...] = ()
    if member is None and home.joined.exists():
        hints, member = read_joined(home, genesis.chain_id), _joined_member(home, node_key)
    if member is None:
        raise Invalid(
            Reason.CONFLICT,
            f"{home.node_key} is the key of no member in {home.genesis}: one of the two files is another network's",
        )
    vote_keys = _vote_keys(home, passphrase, member)
    identities = [Identity(node_key.seed, member.root_certificate, node_key.public)]
    for path in home.further_keys(home.node_key):
        identities.append(make_identity(read_key(path, Purpose.NODE, passphrase).seed, member.legal_name))
    return Opening(home, configuration, genesis, document, member, tuple(identities), vote_keys, hints)


def _joined_member(home: Home, node_key: KeyPair) -> Member:
    """The member of a home that has joined later. :raises Invalid: BAD_GENESIS, BAD_SIGNATURE or CONFLICT."""
    member = read_member_file(home.member)
    if member.node_key != node_key.public:
        raise Invalid(Reason.CONFLICT, f"{home.node_key} is not the key that {home.member} names")
    return member


def _vote_keys(home: Home, passphrase: Passphrase | None, member: Member) -> tuple[KeyPair, ...]:
    paths = [home.vote_key] if member.role is Role.VALIDATOR or home.vote_key.exists() else []
    paths += home.further_keys(home.vote_key)
    keys = tuple(read_key(path, Purpose.VOTE, passphrase) for path in paths)
    if member.vote_key is not None and keys[0].public != member.vote_key:
        raise Invalid(
            Reason.CONFLICT,
            f"{home.vote_key} is not the key that {home.genesis} names for {member.id}: restore it from your backup",
        )
    return keys


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


@contextmanager
def stopped(home: Home, instead: str) -> Iterator[None]:
    """Hold the home so that no node starts on it meanwhile; one that never ran has no lock to hold.

    :param instead: what else the caller could do, for the refusal.
    :raises Invalid: CONFLICT, a node runs on it.
    """
    try:
        descriptor = os.open(home.lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Invalid(Reason.CONFLICT, f"a node runs on {home.path}: stop it first, or {instead}") from None
        yield
    finally:
        os.close(descriptor)


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
