"""The genesis document: who founds the network, under which parameters, with which contracts.

It is readable JSON, public from the first to the last byte, and every node, wallet and regulator holds the same one.
Its digest is the chain's identity. The digest covers what the document says, in the canonical encoding, and not how
it is spelled: indenting it anew or moving its fields about changes nothing, changing one letter of a name changes
everything. Private keys have no field here.
"""

import json
from dataclasses import asdict, dataclass

from contracts.kernel.currencies import DECIMALS
from contracts.kernel.layout import NAME
from genesis.fields import JSON_INTEGER_MAX, Table, parse, refuse
from genesis.member import NAME_SHAPE, Member, Role, hexadecimal, keys_of
from state import codec, digest
from state.address import account_address
from state.parameters import ChainParameters
from state.transaction import TRANSACTION_BYTES_MAX
from state.validators import VALIDATORS_MAX, Validator, ValidatorSet

GENESIS_VERSION = 1
"""``format`` of the document, and the version byte of its canonical encoding."""

DOCUMENT_CHARS_MAX = 8 * 1024 * 1024
"""Longest document: contracts are most of it."""

MEMBERS_MAX = 1000
CONTRACTS_MAX = 64
SOURCE_CHARS_MAX = 64 * 1024
"""Longest source of a contract deployed at birth: the language's own limit."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """Who issues the settlement money of a currency."""

    currency: str
    """ISO 4217 code."""
    agent: str
    """The member's id."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A contract that is there from the first block."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Genesis:
    """What a genesis document says, checked."""

    name: str
    """The network's name, for people."""
    time_ms: int
    """The chain's birth, ms since 1970; the first block's time lies above it."""
    parameters: ChainParameters
    members: tuple[Member, ...]
    """Ascending by id."""
    settlement: tuple[Settlement, ...]
    """Ascending by currency."""
    contracts: tuple[Deployment, ...]
    """In the order of their deployment."""

    def encode(self) -> bytes:
        """The canonical encoding, which the chain's identity is the digest of."""
        return codec.encode(
            GENESIS_VERSION,
            [
                self.name,
                self.time_ms,
                self.parameters.to_value(),
                [member.to_value() for member in self.members],
                [[settlement.currency, settlement.agent] for settlement in self.settlement],
                [[contract.name, contract.source] for contract in self.contracts],
            ],
        )

    @property
    def chain_id(self) -> bytes:
        """The chain's identity, 32 bytes."""
        return digest.genesis_digest(self.encode())

    def validators(self) -> ValidatorSet:
        """The first validator set."""
        return ValidatorSet(
            tuple(Validator(member.id, member.vote_key) for member in self.members if member.vote_key is not None)
        )

    def member(self, identity: str) -> Member | None:
        """The member of that id, None if there is none."""
        return next((member for member in self.members if member.id == identity), None)

    def account_address(self, member: Member) -> str:
        """The address of a member's own account on this network."""
        return account_address(self.parameters.address_prefix, member.account.policy.encode(), member.account.salt)

    def to_document(self) -> dict[str, object]:
        """The document as a JSON object."""
        return {
            "format": GENESIS_VERSION,
            "name": self.name,
            "time_ms": str(self.time_ms),
            "parameters": asdict(self.parameters),
            "members": [member.to_document() for member in self.members],
            "settlement": [asdict(settlement) for settlement in self.settlement],
            "contracts": [asdict(contract) for contract in self.contracts],
        }

    def to_json(self) -> str:
        """The document as text, one spelling of many that ``load`` reads as the same genesis."""
        return json.dumps(self.to_document(), indent=2, ensure_ascii=False) + "\n"


def load(text: str) -> Genesis:
    """Read and check a genesis document. :raises Invalid: BAD_GENESIS naming the field."""
    document = parse(text, DOCUMENT_CHARS_MAX)
    document.integer("format", GENESIS_VERSION, GENESIS_VERSION)
    genesis = Genesis(
        document.text("name", 64),
        document.decimal("time_ms"),
        _take_parameters(document),
        tuple(_take_member(entry) for entry in document.tables("members", MEMBERS_MAX)),
        tuple(_take_settlement(entry) for entry in document.tables("settlement", len(DECIMALS))),
        tuple(_take_contract(entry) for entry in document.tables("contracts", CONTRACTS_MAX)),
    )
    document.finish()
    check(genesis)
    return genesis


def check(genesis: Genesis) -> None:
    """Check what no single field shows: order, and that nothing is claimed twice. :raises Invalid: BAD_GENESIS."""
    members = genesis.members
    identities = [member.id for member in members]
    if sorted(set(identities)) != identities:
        refuse("members", "members stand in ascending order of their ids, each once")
    voters = [member for member in members if member.role is Role.VALIDATOR]
    if not 1 <= len(voters) <= VALIDATORS_MAX:
        refuse("members", f"{len(voters)} validators; a network has 1 to {VALIDATORS_MAX}")
    _check_distinct("members", "legal entity identifier", [(member.id, member.lei) for member in voters])
    _check_distinct("members", "endpoint", [(member.id, f"{member.host.lower()}:{member.port}") for member in members])
    _check_distinct("members", "account", [(member.id, genesis.account_address(member)) for member in members])
    _check_distinct("members", "key", [(member.id, hexadecimal(key)) for member in members for key in keys_of(member)])
    currencies = [settlement.currency for settlement in genesis.settlement]
    if sorted(set(currencies)) != currencies:
        refuse("settlement", "currencies stand in ascending order, each once")
    for index, settlement in enumerate(genesis.settlement):
        if genesis.member(settlement.agent) is None:
            refuse(f"settlement[{index}].agent", f"no member has the id {settlement.agent!r}")
    _check_contracts(genesis)


def _check_contracts(genesis: Genesis) -> None:
    names = [contract.name for contract in genesis.contracts]
    for name in names:
        if names.count(name) > 1:
            refuse("contracts", f"two contracts have the name {name}")
    for index, member in enumerate(genesis.members):
        for name in member.grants:
            if name not in names:
                refuse(f"members[{index}].grants", f"no contract of this document has the name {name!r}")


def _take_member(table: Table) -> Member:
    member = Member.take(table)
    table.finish()
    return member


def _take_settlement(table: Table) -> Settlement:
    currency = table.text("currency")
    if currency not in DECIMALS:
        refuse(table.where("currency"), f"{currency!r} is no currency code of ISO 4217")
    settlement = Settlement(currency, table.text("agent"))
    table.finish()
    return settlement


def _take_contract(table: Table) -> Deployment:
    name = table.text("name", pattern=NAME.pattern, shape=NAME_SHAPE)
    source = table.take("source")
    if not isinstance(source, str) or not 0 < len(source) <= SOURCE_CHARS_MAX or not _is_unicode(source):
        refuse(table.where("source"), f"a text of 1 to {SOURCE_CHARS_MAX} characters is expected")
    table.finish()
    return Deployment(name, source)


def _take_parameters(document: Table) -> ChainParameters:
    value = document.take("parameters")
    parameters = document.build("parameters", lambda: ChainParameters.from_document(value))
    for name, number in asdict(parameters).items():
        if isinstance(number, int) and number > JSON_INTEGER_MAX:
            refuse(f"parameters.{name}", f"at most {JSON_INTEGER_MAX} is allowed")
    if parameters.transaction_fuel_max > parameters.block_fuel_max:
        refuse("parameters.transaction_fuel_max", "a block must have room for the fuel of one transaction")
    if parameters.block_bytes_max < TRANSACTION_BYTES_MAX:
        refuse("parameters.block_bytes_max", f"a block must hold one transaction of {TRANSACTION_BYTES_MAX} bytes")
    return parameters


def _check_distinct(path: str, what: str, claims: list[tuple[str, str]]) -> None:
    owners: dict[str, str] = {}
    for owner, claim in claims:
        if owners.get(claim) == owner:
            refuse(path, f"{owner} uses one {what} twice, {claim}")
        if claim in owners:
            refuse(path, f"{owners[claim]} and {owner} have the same {what}, {claim}")
        owners[claim] = owner


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
