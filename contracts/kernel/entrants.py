"""Entrants: who asks to be a member, by a member file that its own keys have signed.

What travels is the file's canonical form, the one that the founding ceremony signs; so a bank that joins later makes
the same file as one that was there from the beginning.
"""

from dataclasses import dataclass
from typing import Final

from contracts.kernel import layout, members
from contracts.kernel.codes import refuse
from contracts.kernel.countries import COUNTRIES
from contracts.kernel.layout import NodeRow
from contracts.kernel.member_keys import NODE, VOTE, check_signature
from contracts.kernel.scope import Scope
from state import codec
from state.codec import Value
from state.digest import prefix_of
from state.errors import Invalid
from state.keys import PUBLIC_KEY_BYTES
from state.policy import Policy

ENTRANT_VERSION = 1
"""First byte of an entrant's canonical form: the member file's version, which signs the same bytes."""

ENTRANT_BYTES_MAX = 16 * 1024

ROOT_CERTIFICATE_BYTES_MAX = 4_096
HOST_CHARS_MAX = 253
PORT_MAX = 65_535
LEGAL_NAME_CHARS_MAX = 256
GRANTS_MAX = 16
LEI_CHARS = 20
"""ISO 17442."""

_ENTRANT_PREFIX: Final = prefix_of("member")


@dataclass(frozen=True, slots=True)
class Entrant:
    """A member as it comes: at genesis, or by vote."""

    id: str
    legal_name: str
    lei: str
    jurisdiction: str
    """ISO 3166-1 alpha-2."""
    role: str
    """``bank``, ``settlement_agent``, ``regulator`` or ``court``."""
    policy: Policy
    """Of its own account."""
    salt: bytes
    vote_key: bytes | None
    """None for a member that doesn't vote."""
    node_key: bytes | None
    """None only at genesis, for a member without a node."""
    node: NodeRow | None
    """Where its node is; None as before."""
    grants: tuple[str, ...]
    """Contracts that may debit its account."""


def encode_entrant(member: Value, node_signature: bytes, vote_signature: bytes | None) -> str:
    """What ``admit`` takes: a member file's canonical form and its signatures, as hex."""
    return codec.encode(ENTRANT_VERSION, [member, node_signature, vote_signature]).hex()


def read_entrant(scope: Scope, encoded: str) -> Entrant:
    """Read a request to join, signed by the keys that it names. :raises ContractError: bad_member."""
    try:
        value = codec.decode(bytes.fromhex(encoded), ENTRANT_VERSION, ENTRANT_BYTES_MAX)
        member, node_signature, vote_signature = codec.fields(value, list, bytes, (bytes, type(None)))
        entrant, role = _entrant_of(member)
    except (Invalid, ValueError) as error:
        detail = error.detail if isinstance(error, Invalid) else "not hex"
        refuse("bad_member", f"no member file's canonical form: {detail}")
    message = _ENTRANT_PREFIX + codec.encode(ENTRANT_VERSION, member)
    assert entrant.node_key is not None
    check_signature(scope, entrant.node_key, message, codec.blob(node_signature))
    if (entrant.vote_key is None) != (role == "observer") or (entrant.vote_key is None) != (vote_signature is None):
        refuse("bad_member", "a validator has a vote key and its signature, an observer neither")
    if entrant.vote_key is not None:
        check_signature(scope, entrant.vote_key, message, codec.blob(vote_signature))
    _check_entrant(entrant)
    return entrant


def keys_of(entrant: Entrant) -> list[tuple[bytes, str]]:
    """Its node and vote keys, each with its purpose."""
    pairs = ((entrant.node_key, NODE), (entrant.vote_key, VOTE))
    return [(key, purpose) for key, purpose in pairs if key is not None]


def check_endpoint(host: str, port: int) -> None:
    """Whether a node can be there. :raises ContractError: bad_member."""
    if not (0 < len(host) <= HOST_CHARS_MAX and host.isascii() and host.isprintable() and " " not in host):
        refuse("bad_member", "a node's host is a name or an address of at most 253 letters")
    if not 1 <= port <= PORT_MAX:
        refuse("bad_member", "a node's port lies from 1 to 65535")


def _entrant_of(member: Value) -> tuple[Entrant, str]:
    """An entrant and whether it is to be a validator or an observer. :raises Invalid: MALFORMED."""
    optional = (bytes, type(None))
    value = codec.fields(
        member, str, str, str, str, str, str, bytes, optional, bytes, str, int, list, bytes, list
    )
    identity, legal_name, lei, jurisdiction, role, function, node_key, vote_key = value[:8]
    root, host, port, policy, salt, grants = value[8:]
    entrant = Entrant(
        codec.text(identity),
        codec.text(legal_name),
        codec.text(lei),
        codec.text(jurisdiction),
        codec.text(function),
        Policy.from_value(policy),
        codec.blob(salt),
        None if vote_key is None else codec.sized(vote_key, PUBLIC_KEY_BYTES),
        codec.sized(node_key, PUBLIC_KEY_BYTES),
        (codec.blob(root), codec.text(host), codec.natural(port)),
        tuple(codec.text(name) for name in codec.items(grants, GRANTS_MAX)),
    )
    return entrant, codec.text(role)


def _check_entrant(entrant: Entrant) -> None:
    """:raises ContractError: bad_member."""
    if layout.NAME.fullmatch(entrant.id) is None:
        refuse("bad_member", "a member's id is a-z, 0-9 and _, at most 32 letters")
    if not 0 < len(entrant.legal_name) <= LEGAL_NAME_CHARS_MAX:
        refuse("bad_member", "a legal name has 1 to 256 letters")
    if len(entrant.lei) != LEI_CHARS or not (entrant.lei.isascii() and entrant.lei.isalnum()):
        refuse("bad_member", f"an LEI has {LEI_CHARS} letters and digits")
    if entrant.jurisdiction not in COUNTRIES:
        refuse("bad_member", "a jurisdiction is a country code of ISO 3166-1 alpha-2")
    if entrant.role not in members.ROLES:
        refuse("bad_member", f"a role is one of {', '.join(members.ROLES)}")
    assert entrant.node is not None
    root, host, port = entrant.node
    if not 0 < len(root) <= ROOT_CERTIFICATE_BYTES_MAX:
        refuse("bad_member", f"a root certificate has at most {ROOT_CERTIFICATE_BYTES_MAX} bytes")
    check_endpoint(host, port)
    public = [*(key for key, _ in keys_of(entrant)), *(key for _, key, _ in entrant.policy.keys)]
    if len(set(public)) != len(public):
        refuse("bad_member", "a key serves one purpose")
    if sorted(set(entrant.grants)) != list(entrant.grants):
        refuse("bad_member", "grants stand in ascending order, each once")
