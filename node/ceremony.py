"""A bank joins the founding: ``initialise`` makes its home and keys, ``build_genesis`` one document of all members.

The only thing that leaves a home is ``member.json``. Everything is checked before the first file is written, so a
mistyped identifier costs nothing.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nacl import utils

from contracts.library import BANK_GRANTS, read_library
from genesis import ceremony, document
from genesis.ceremony import MemberKeys
from genesis.document import DOCUMENT_CHARS_MAX, Deployment, Genesis, Settlement
from genesis.member import Account, Function, Member, Role
from node import configuration as configuration_file
from node import journal
from node.configuration import Configuration, KeySettings
from node.home import Home
from node.keystore import Cost, Passphrase, Purpose, find_passphrase, generate, write_key, write_new_file
from p2p.identity import check_root, make_root
from state.address import SALT_BYTES
from state.errors import Invalid, Reason
from state.keys import KeyPair
from state.parameters import ChainParameters
from state.policy import Policy

PUBLIC_FILE_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Details:
    """What a member says of itself; everything else of its file is made from keys."""

    id: str
    """A short name: a lower-case letter, then letters, digits and underscores; at most 32."""
    legal_name: str
    lei: str
    jurisdiction: str
    role: Role = Role.VALIDATOR
    function: Function = Function.BANK
    host: str = "127.0.0.1"
    """Where other nodes find this one."""
    port: int = configuration_file.P2P_PORT
    grants: tuple[str, ...] | None = None
    """Contracts that may debit the member's account; None for the usual: BANK_GRANTS for a bank, nothing for others."""


def initialise(
    home: Home,
    details: Details,
    *,
    configuration: Configuration | None = None,
    passphrase_file: Path | None = None,
    cost: Cost | None = None,
) -> Member:
    """Make a node's home: keys, member file and configuration, in a directory that is new or empty.

    :param configuration: what config.toml says; None for the defaults, listening where the member file says.
    :param passphrase_file: seals the keys; the configuration then names this file.
    :param cost: of one guess at the passphrase, None for the usual.
    :raises Invalid: DUPLICATE (there is something already), BAD_GENESIS (details) or BAD_KEY_FILE (passphrase).
    """
    _check_empty(home.path)
    passphrase = find_passphrase(passphrase_file, {})
    node, vote, account = generate(), generate() if details.role is Role.VALIDATOR else None, generate()
    member = _member(details, node, vote, account)
    text = ceremony.write_member(member, MemberKeys(node, vote))
    # Reading back what others will read finds every mistake in the details.
    assert ceremony.read_member(text) == member
    if configuration is None:
        configuration = Configuration(p2p=configuration_file.P2pSettings(port=details.port))
    if passphrase_file is not None:
        configuration = replace(configuration, keys=KeySettings(passphrase_file.absolute()))
    home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.keys.mkdir(mode=0o700)
    home.data.mkdir(mode=0o700)
    journal.create(home.journal)  # now, because a running node takes a missing journal for a lost one
    _write_keys(home, node, vote, account, passphrase, cost)
    write_new_file(home.member, text.encode(), PUBLIC_FILE_MODE)
    write_new_file(home.configuration, configuration_file.render(configuration).encode(), PUBLIC_FILE_MODE)
    return member


def build_genesis(
    member_files: Sequence[Path],
    out: Path,
    *,
    name: str,
    parameters: ChainParameters | None = None,
    settlement: Sequence[Settlement] = (),
    contracts: Sequence[Deployment] | None = None,
    time_ms: int | None = None,
) -> Genesis:
    """Make the genesis document of the members whose files are given, and write it to ``out``, a new file.

    :param contracts: deployed at birth, in this order; None for the whole library.
    :param time_ms: the chain's birth, ms since 1970; None for now.
    :raises Invalid: BAD_GENESIS, BAD_SIGNATURE, or DUPLICATE where ``out`` is there already.
    """
    texts = [_read_public(path, ceremony.MEMBER_CHARS_MAX) for path in member_files]
    for path, text in zip(member_files, texts, strict=True):
        _named(path, text)
    genesis = ceremony.build(
        texts,
        name=name,
        time_ms=time.time_ns() // 1_000_000 if time_ms is None else time_ms,
        parameters=parameters or ChainParameters(),
        settlement=settlement,
        contracts=library() if contracts is None else contracts,
    )
    write_new_file(out, genesis.to_json().encode(), PUBLIC_FILE_MODE)
    return genesis


def adopt_genesis(home: Home, source: Path) -> Genesis:
    """Copy the network's genesis document into a home, byte for byte, if the home's member is in it unchanged.

    :raises Invalid: BAD_GENESIS, CONFLICT (another member's home) or DUPLICATE (the home has one).
    """
    text = _read_public(source, DOCUMENT_CHARS_MAX)
    genesis = _load(source, text)
    member = _named(home.member, _read_public(home.member, ceremony.MEMBER_CHARS_MAX))
    found = genesis.member(member.id)
    if found is None:
        raise Invalid(Reason.CONFLICT, f"{source} does not name {member.id}, the member of {home.path}")
    if found != member:
        raise Invalid(
            Reason.CONFLICT,
            f"{source} says of {member.id} what {home.member} does not: it was built from another member file",
        )
    write_new_file(home.genesis, text.encode(), PUBLIC_FILE_MODE)
    return genesis


def read_genesis(path: Path) -> Genesis:
    """Read a genesis document, members' root certificates included. :raises Invalid: BAD_GENESIS."""
    return _load(path, _read_public(path, DOCUMENT_CHARS_MAX))


def read_member_file(path: Path) -> Member:
    """Read a member file, its signatures and root certificate checked. :raises Invalid: BAD_GENESIS, BAD_SIGNATURE."""
    return _named(path, _read_public(path, ceremony.MEMBER_CHARS_MAX))


def _load(path: Path, text: str) -> Genesis:
    try:
        genesis = document.load(text)
    except Invalid as error:
        raise Invalid(error.reason, f"{path}: {error.detail}") from error
    for index, member in enumerate(genesis.members):
        _check_root(f"{path}: members[{index}].root_certificate", member)
    return genesis


def library() -> tuple[Deployment, ...]:
    """The contracts that come with Hansa, ascending by name."""
    return tuple(Deployment(name, source) for name, source in sorted(read_library().items()))


def _member(details: Details, node: KeyPair, vote: KeyPair | None, account: KeyPair) -> Member:
    grants = details.grants
    if grants is None:
        grants = BANK_GRANTS if details.function is Function.BANK else ()
    if not details.legal_name:
        raise Invalid(Reason.BAD_GENESIS, "legal_name: a text of 1 to 256 characters is expected")
    return Member(
        id=details.id,
        legal_name=details.legal_name,
        lei=details.lei,
        jurisdiction=details.jurisdiction,
        role=details.role,
        function=details.function,
        node_key=node.public,
        vote_key=vote.public if vote else None,
        root_certificate=make_root(node.seed, details.legal_name),
        host=details.host,
        port=details.port,
        account=Account(Policy.of_key(account.public), utils.random(SALT_BYTES)),
        grants=tuple(sorted(grants)),
    )


def _write_keys(
    home: Home,
    node: KeyPair,
    vote: KeyPair | None,
    account: KeyPair,
    passphrase: Passphrase | None,
    cost: Cost | None,
) -> None:
    write_key(home.node_key, node, Purpose.NODE, passphrase, cost)
    if vote is not None:
        write_key(home.vote_key, vote, Purpose.VOTE, passphrase, cost)
    write_key(home.account_key, account, Purpose.ACCOUNT, passphrase, cost)


def _check_empty(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise Invalid(Reason.DUPLICATE, f"{path} is not a directory: name one that is new or empty")
    if path.is_dir() and os.listdir(path):
        raise Invalid(
            Reason.DUPLICATE,
            f"{path} is not empty: name a new directory, so that no key that is already there is lost",
        )


def _named(path: Path, text: str) -> Member:
    """The member of a file, root certificate included; a refusal names the file."""
    try:
        member = ceremony.read_member(text)
    except Invalid as error:
        raise Invalid(error.reason, f"{path}: {error.detail}") from error
    _check_root(f"{path}: root_certificate", member)
    return member


def _check_root(where: str, member: Member) -> None:
    try:
        check_root(member.root_certificate, member.node_key)
    except Invalid as error:
        raise Invalid(Reason.BAD_GENESIS, f"{where}: {error.detail}") from error


def _read_public(path: Path, chars_max: int) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(4 * chars_max + 1)
        return content.decode()
    except OSError as error:
        problem = f"can't be read: {error.strerror}"
    except UnicodeDecodeError:
        problem = "is not UTF-8 text"
    raise Invalid(Reason.BAD_GENESIS, f"{path} {problem}")
