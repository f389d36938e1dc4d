"""The founding ceremony: each member makes a file of its public data, and together they make the genesis document.

Private keys never leave the machine that made them. What travels is a member file, signed by the keys that it
names: the node key, and the vote key of a validator. So a file that was changed on its way is refused, and so is
one in which somebody pasted a key that he does not hold.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from genesis.document import Deployment, Genesis, Settlement, check, load
from genesis.fields import parse, refuse
from genesis.member import Member, Role
from state import codec, digest
from state.codec import Value
from state.errors import Invalid, Reason
from state.keys import SIGNATURE_BYTES, KeyPair, verify
from state.parameters import ChainParameters

MEMBER_VERSION = 1
"""``format`` of the member file."""

MEMBER_CHARS_MAX = 64 * 1024
"""Longest member file; a usual one has about 2,000 characters."""

VALIDATORS_ADVISED_MIN = 4
"""With fewer validators not one may fail: f = ⌊(n−1)/3⌋ is 0."""

_SIGNING_PREFIX = digest.prefix_of("member")


@dataclass(frozen=True, slots=True)
class MemberKeys:
    """The keys that vouch for a member file. They stay where they are; only signatures leave."""

    node: KeyPair
    vote: KeyPair | None
    """None for an observer."""


def write_member(member: Member, keys: MemberKeys) -> str:
    """The text of a member file, signed. :raises AssertionError: the keys are not the member's."""
    assert keys.node.public == member.node_key
    assert (keys.vote.public if keys.vote else None) == member.vote_key
    message = signing_message(member)
    document: dict[str, object] = {"format": MEMBER_VERSION, **member.to_document()}
    document["node_signature"] = "0x" + keys.node.sign(message).hex()
    if keys.vote is not None:
        document["vote_signature"] = "0x" + keys.vote.sign(message).hex()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def read_member(text: str) -> Member:
    """Read a member file and check its signatures. :raises Invalid: BAD_GENESIS or BAD_SIGNATURE."""
    return _read(text)[0]


def read_signed(text: str) -> tuple[Value, bytes, bytes | None]:
    """A member file's canonical form and its signatures, by the node key and by the vote key: what a motion takes.

    :raises Invalid: BAD_GENESIS or BAD_SIGNATURE.
    """
    member, node_signature, vote_signature = _read(text)
    return member.to_value(), node_signature, vote_signature


def _read(text: str) -> tuple[Member, bytes, bytes | None]:
    table = parse(text, MEMBER_CHARS_MAX)
    table.integer("format", MEMBER_VERSION, MEMBER_VERSION)
    member = Member.take(table)
    claims = [("node", member.node_key, table.blob("node_signature", SIGNATURE_BYTES))]
    if member.vote_key is not None:
        claims.append(("vote", member.vote_key, table.blob("vote_signature", SIGNATURE_BYTES)))
    table.finish()
    message = signing_message(member)
    for name, public, signature in claims:
        if not verify(public, message, signature):
            detail = f"{name}_signature: the file of {member.id} is not what its {name} key signed; ask for it again"
            raise Invalid(Reason.BAD_SIGNATURE, detail)
    return member, claims[0][2], claims[1][2] if len(claims) > 1 else None


def signing_message(member: Member) -> bytes:
    """The bytes that the keys of a member file sign."""
    return _SIGNING_PREFIX + codec.encode(MEMBER_VERSION, member.to_value())


def build(
    member_files: Sequence[str],
    *,
    name: str,
    time_ms: int,
    parameters: ChainParameters,
    settlement: Sequence[Settlement] = (),
    contracts: Sequence[Deployment] = (),
) -> Genesis:
    """The genesis of the members whose files (their text) are given, in any order.

    :raises Invalid: BAD_GENESIS or BAD_SIGNATURE.
    """
    members = []
    for text in member_files:
        members.append(read_member(text))
        _check_twice(members)
    genesis = Genesis(
        name,
        time_ms,
        parameters,
        tuple(sorted(members, key=lambda member: member.id)),
        tuple(sorted(settlement, key=lambda entry: entry.currency)),
        tuple(contracts),
    )
    check(genesis)
    # What was built must also be what others will read.
    assert load(genesis.to_json()) == genesis, "a genesis document reads back as itself"
    return genesis


def warnings(genesis: Genesis) -> list[str]:
    """What is allowed, but not what a network of banks wants: one sentence each."""
    count = sum(member.role is Role.VALIDATOR for member in genesis.members)
    if count < VALIDATORS_ADVISED_MIN:
        return [
            f"{count} validators tolerate no failure at all; "
            f"with {VALIDATORS_ADVISED_MIN} the network goes on when one of them is down."
        ]
    return []


def _check_twice(members: list[Member]) -> None:
    if any(member.id == members[-1].id for member in members[:-1]):
        refuse("members", f"two member files are of {members[-1].id}")
