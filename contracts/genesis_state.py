"""What the chain is born with, and how it becomes the state of height 0.

``genesis`` makes a ``GenesisState`` from the document that the members agreed on. Here it is written by the kernel's
own functions, so nothing exists that a transaction could not have made, but the members themselves.
"""

from dataclasses import dataclass
from typing import cast

from contracts.deployed import deploy
from contracts.kernel import accounts, assets, layout, members, membership
from contracts.kernel.entrants import LEI_CHARS, Entrant
from contracts.kernel.layout import Row
from contracts.kernel.scope import Scope
from contracts.language.faults import ContractError
from contracts.language.fuel import Meter
from state.codec import INT_MAX
from state.digest import NO_DIGEST
from state.errors import Invalid, Reason
from state.overlay import Overlay
from state.parameters import ChainParameters
from state.policy import Policy
from state.validators import Validator, ValidatorSet


@dataclass(frozen=True, slots=True)
class GenesisMember:
    """One member at birth."""

    id: str
    """Short text, as in ``USD.alpine``: a lower-case letter, then letters, digits and ``_``; at most 32."""
    legal_name: str
    lei: str
    """Legal Entity Identifier, ISO 17442."""
    jurisdiction: str
    """ISO 3166-1 alpha-2 code."""
    role: str
    """``bank``, ``settlement_agent``, ``regulator`` or ``court``."""
    policy: Policy
    """Of the member's own account."""
    salt: bytes
    """16 bytes; with the policy it gives the account's address."""
    vote_key: bytes | None
    """Ed25519 key of its validator, None for a member that doesn't vote."""
    node_key: bytes | None
    """Ed25519 identity of its node, None for a member without one."""
    grants: tuple[str, ...] = ()
    """Contracts that may debit the member's account: a bank lets ``payments`` pay settlement money."""
    root_certificate: bytes = b""
    """DER, self-signed by the node key; empty for a member without a node, as are host and port."""
    host: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class GenesisContract:
    """A contract that is there from the beginning."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class GenesisState:
    """Everything at height 0."""

    time_ms: int
    """The first block's time is later, ms since 1970."""
    parameters: ChainParameters
    members: tuple[GenesisMember, ...]
    settlement: tuple[tuple[str, str], ...]
    """(currency, id of the member that issues its settlement money)."""
    contracts: tuple[GenesisContract, ...]


def write_genesis(overlay: Overlay[Row], genesis: GenesisState) -> None:
    """Write the state of height 0. :raises Invalid: BAD_GENESIS with what is wrong."""
    meter = Meter(INT_MAX)
    prefix = genesis.parameters.address_prefix
    scope = Scope(overlay, prefix, 0, genesis.time_ms, NO_DIGEST, "", (), meter, assumes_authority=True)
    overlay.put(layout.PARAMETERS, cast(Row, tuple(map(tuple, genesis.parameters.to_value()))))  # type: ignore[arg-type]
    try:
        for contract in genesis.contracts:
            deploy(scope, contract.name, contract.source)
        for member in genesis.members:
            _write_member(scope, member)
        for currency, agent in genesis.settlement:
            _write_settlement(scope, currency, agent)
        for member in genesis.members:
            address = members.member(scope, member.id)[4]
            for name in member.grants:
                accounts.grant(scope, address, name)
    except ContractError as error:
        raise Invalid(Reason.BAD_GENESIS, str(error)) from error
    members.schedule_validators(overlay, members.FROM_GENESIS, validators_of(genesis), 0)


def validators_of(genesis: GenesisState) -> ValidatorSet:
    """The members that vote, ordered by id. :raises Invalid: BAD_GENESIS without any."""
    voting = sorted((member.id, member.vote_key) for member in genesis.members if member.vote_key is not None)
    if not voting:
        raise Invalid(Reason.BAD_GENESIS, "no member votes")
    if len({vote_key for _, vote_key in voting}) != len(voting):
        raise Invalid(Reason.BAD_GENESIS, "two members have one vote key")
    return ValidatorSet(tuple(Validator(name, vote_key) for name, vote_key in voting))


def _write_member(scope: Scope, member: GenesisMember) -> None:
    if layout.NAME.fullmatch(member.id) is None:
        raise Invalid(Reason.BAD_GENESIS, f"{member.id!r}: a member's id is a-z, 0-9 and _, at most 32 letters")
    if scope.overlay.get(layout.member_key(member.id)) is not None:
        raise Invalid(Reason.BAD_GENESIS, f"two members have the id {member.id}")
    if member.role not in members.ROLES:
        raise Invalid(Reason.BAD_GENESIS, f"{member.id}: a role is one of {', '.join(members.ROLES)}")
    if len(member.lei) != LEI_CHARS or not (member.lei.isascii() and member.lei.isalnum()):
        raise Invalid(Reason.BAD_GENESIS, f"{member.id}: an LEI has {LEI_CHARS} letters and digits")
    membership.enrol(
        scope,
        Entrant(
            member.id,
            member.legal_name,
            member.lei,
            member.jurisdiction,
            member.role,
            member.policy,
            member.salt,
            member.vote_key,
            member.node_key,
            (member.root_certificate, member.host, member.port) if member.host else None,
            member.grants,
        ),
    )


def _write_settlement(scope: Scope, currency: str, agent: str) -> None:
    if scope.overlay.get(layout.settlement_key(currency)) is not None:
        raise Invalid(Reason.BAD_GENESIS, f"{currency} has two settlement agents")
    scope.overlay.put(layout.settlement_key(currency), (agent,))
    assets.create_money(scope, currency, assets.SETTLEMENT, agent)
