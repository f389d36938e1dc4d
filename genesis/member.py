"""One member of the network: a legal entity, its node, its account. All of it is public.

The genesis document and the member file show a member in the same fields; the file adds signatures.
"""

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from contracts.kernel.layout import NAME
from genesis.fields import Table, refuse
from genesis.identifiers import COUNTRIES, is_lei
from state.address import SALT_BYTES
from state.codec import Value
from state.keys import PUBLIC_KEY_BYTES, SUITE_ED25519
from state.policy import POLICY_KEYS_MAX, Policy

GRANTS_MAX = 16
"""Most contracts that a member trusts with its account from the first block."""

ROOT_CERTIFICATE_BYTES_MAX = 4096
"""Largest root certificate, bytes of DER."""

WEIGHT_MAX = 1_000_000

_SUITES = {SUITE_ED25519: "ed25519"}
_HOST = r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
_PEM = re.compile("-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=\n]+)-----END CERTIFICATE-----\n?")

NAME_SHAPE = "a lower-case letter and up to 31 of a–z, 0–9, _"


class Role(StrEnum):
    """What a member's node does."""

    VALIDATOR = "validator"
    """It votes."""
    OBSERVER = "observer"
    """It follows the chain and verifies everything, but has no vote."""


class Function(StrEnum):
    """What a member is to the network's money; the values are those of ``contracts.kernel.members``."""

    BANK = "bank"
    """It keeps accounts for customers and issues its own deposit money."""
    SETTLEMENT_AGENT = "settlement_agent"
    """It issues the money that banks settle in."""
    REGULATOR = "regulator"
    """It supervises: it gives orders and reads the identities of its jurisdiction."""
    COURT = "court"
    """It gives orders, alone or beside regulators."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a member's own account is made from."""

    policy: Policy
    salt: bytes
    """16 random bytes."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member: a legal entity, its node and its account. All of it is public."""

    id: str
    """A short name: a lower-case letter, then letters, digits and underscores; at most 32."""
    legal_name: str
    lei: str
    """Legal entity identifier, ISO 17442, 20 characters."""
    jurisdiction: str
    """ISO 3166-1 alpha-2."""
    role: Role
    function: Function
    node_key: bytes
    """Ed25519 public key of the node: its identity on the wire."""
    vote_key: bytes | None
    """Ed25519 public key that signs votes; validators have one, observers none."""
    root_certificate: bytes
    """DER; self-signed by the node key, opaque here."""
    host: str
    """Where other nodes find this one: a name or an IP address."""
    port: int
    account: Account
    grants: tuple[str, ...]
    """Contracts that may debit the account, ascending: a bank lets ``payments`` pay its settlement money."""

    def to_value(self) -> Value:
        """The canonical form, for digests and signatures."""
        return [
            self.id,
            self.legal_name,
            self.lei,
            self.jurisdiction,
            self.role.value,
            self.function.value,
            self.node_key,
            self.vote_key,
            self.root_certificate,
            self.host,
            self.port,
            self.account.policy.to_value(),
            self.account.salt,
            list(self.grants),
        ]

    def to_document(self) -> dict[str, object]:
        """The member as the genesis document and the member file show it."""
        keys = [
            {"suite": _SUITES[suite], "key": hexadecimal(public), "weight": weight}
            for suite, public, weight in self.account.policy.keys
        ]
        document: dict[str, object] = {
            "id": self.id,
            "legal_name": self.legal_name,
            "lei": self.lei,
            "jurisdiction": self.jurisdiction,
            "role": self.role.value,
            "function": self.function.value,
            "node_key": hexadecimal(self.node_key),
        }
        if self.vote_key is not None:
            document["vote_key"] = hexadecimal(self.vote_key)
        return document | {
            "root_certificate": to_pem(self.root_certificate),
            "host": self.host,
            "port": self.port,
            "account": {
                "policy": {"keys": keys, "threshold": self.account.policy.threshold},
                "salt": hexadecimal(self.account.salt),
            },
            "grants": list(self.grants),
        }

    @classmethod
    def take(cls, table: Table) -> Self:
        """Read a member's fields; the caller finishes the table. :raises Invalid: BAD_GENESIS."""
        identity = table.text("id", pattern=NAME.pattern, shape=NAME_SHAPE)
        legal_name = table.text("legal_name")
        lei = table.text("lei")
        if not is_lei(lei):
            refuse(table.where("lei"), f"{lei!r} is no legal entity identifier (ISO 17442), or a digit is mistyped")
        jurisdiction = table.text("jurisdiction")
        if jurisdiction not in COUNTRIES:
            refuse(table.where("jurisdiction"), f"{jurisdiction!r} is no country code of ISO 3166-1 alpha-2")
        role = Role(table.text("role", pattern="|".join(Role), shape="validator or observer"))
        function = Function(table.text("function", pattern="|".join(Function), shape="one of " + ", ".join(Function)))
        node_key = table.blob("node_key", PUBLIC_KEY_BYTES)
        if role is Role.OBSERVER and table.has("vote_key"):
            refuse(table.where("vote_key"), "an observer has no vote key")
        vote_key = table.blob("vote_key", PUBLIC_KEY_BYTES) if role is Role.VALIDATOR else None
        return cls(
            identity,
            legal_name,
            lei,
            jurisdiction,
            role,
            function,
            node_key,
            vote_key,
            _take_certificate(table),
            _take_host(table),
            table.integer("port", 1, 65535),
            _take_account(table.table("account")),
            _take_grants(table),
        )


def keys_of(member: Member) -> list[bytes]:
    """Every public key of a member: a key that served two purposes would be as strong as the weaker one."""
    votes = [] if member.vote_key is None else [member.vote_key]
    return [member.node_key, *votes, *(public for _, public, _ in member.account.policy.keys)]


def to_pem(certificate: bytes) -> str:
    """A certificate as PEM text (RFC 7468)."""
    lines = re.findall(".{1,64}", base64.b64encode(certificate).decode())
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def _take_account(table: Table) -> Account:
    policy_table = table.table("policy")
    keys: list[Value] = []
    for entry in policy_table.tables("keys", POLICY_KEYS_MAX):
        entry.text("suite", pattern="ed25519", shape="ed25519")
        keys.append([SUITE_ED25519, entry.blob("key", PUBLIC_KEY_BYTES), entry.integer("weight", 1, WEIGHT_MAX)])
        entry.finish()
    threshold = policy_table.integer("threshold", 1, WEIGHT_MAX * POLICY_KEYS_MAX)
    policy_table.finish()
    policy = table.build("policy", lambda: Policy.from_value([keys, threshold]))
    salt = table.blob("salt", SALT_BYTES)
    table.finish()
    return Account(policy, salt)


def _take_grants(table: Table) -> tuple[str, ...]:
    value = table.take("grants")
    if not isinstance(value, list) or len(value) > GRANTS_MAX or not all(isinstance(name, str) for name in value):
        refuse(table.where("grants"), f"a list of at most {GRANTS_MAX} names of contracts is expected")
    if sorted(set(value)) != value:
        refuse(table.where("grants"), "names stand in ascending order, each once")
    return tuple(value)


def _take_certificate(table: Table) -> bytes:
    """The DER of a PEM certificate in its one usual spelling."""
    path, text = table.where("root_certificate"), table.take("root_certificate")
    match = _PEM.fullmatch(text) if isinstance(text, str) and len(text) <= 2 * ROOT_CERTIFICATE_BYTES_MAX else None
    if match is None:
        refuse(path, "one certificate in PEM is expected, from BEGIN CERTIFICATE to END CERTIFICATE")
    try:
        certificate = base64.b64decode(match[1].replace("\n", ""), validate=True)
    except binascii.Error:
        refuse(path, "what stands between BEGIN and END is not base64")
    if not 0 < len(certificate) <= ROOT_CERTIFICATE_BYTES_MAX:
        refuse(path, f"a root certificate has at most {ROOT_CERTIFICATE_BYTES_MAX} bytes")
    return certificate


def _take_host(table: Table) -> str:
    host = table.text("host")
    if re.fullmatch(_HOST, host) and not re.fullmatch("[0-9.]+", host):
        return host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        refuse(table.where("host"), f"{host!r} is neither a host name nor an IP address")
    if "%" in host:
        refuse(table.where("host"), "an IP address with a zone means another machine at each member")
    return str(address)


def hexadecimal(data: bytes) -> str:
    """Bytes as documents show them."""
    return "0x" + data.hex()
