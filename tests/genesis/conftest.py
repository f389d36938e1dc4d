"""Four validators and an observer, with keys that a test can name."""

from dataclasses import dataclass

import pytest

from genesis.ceremony import MemberKeys, build, write_member
from genesis.document import Deployment, Genesis, Settlement
from genesis.identifiers import make_lei
from genesis.member import Account, Function, Member, Role
from state.keys import KeyPair
from state.parameters import ChainParameters
from state.policy import Policy


@dataclass(frozen=True, slots=True)
class Founder:
    """A member with the keys that only it has."""

    member: Member
    keys: MemberKeys
    account: KeyPair

    @property
    def file(self) -> str:
        return write_member(self.member, self.keys)

    @property
    def seeds(self) -> list[bytes]:
        pairs = [self.keys.node, self.account, *([self.keys.vote] if self.keys.vote else [])]
        return [pair.seed for pair in pairs]


def make_founder(number: int, identity: str, role: Role, function: Function) -> Founder:
    node, vote, account = (KeyPair.from_seed(bytes([number, purpose]) * 16) for purpose in (1, 2, 3))
    member = Member(
        id=identity,
        legal_name=f"Bank {identity.capitalize()} — 银行",
        lei=make_lei(f"HANSA{number:013}"),
        jurisdiction="DE",
        role=role,
        function=function,
        node_key=node.public,
        vote_key=vote.public if role is Role.VALIDATOR else None,
        root_certificate=b"certificate of " + node.public,
        host="127.0.0.1",
        port=26600 + number,
        account=Account(Policy.of_key(account.public), bytes([number]) * 16),
        grants=("payments",) if function is Function.BANK else (),
    )
    return Founder(member, MemberKeys(node, vote if role is Role.VALIDATOR else None), account)


@pytest.fixture(scope="session")
def founders() -> list[Founder]:
    banks = [
        make_founder(number, identity, Role.VALIDATOR, Function.BANK)
        for number, identity in enumerate(("alpha", "beta", "gamma", "delta"))
    ]
    return [*banks, make_founder(4, "watch", Role.OBSERVER, Function.SETTLEMENT_AGENT)]


@pytest.fixture(scope="session")
def genesis(founders: list[Founder]) -> Genesis:
    return build(
        [founder.file for founder in founders],
        name="Test network",
        time_ms=1_700_000_000_000,
        parameters=ChainParameters(address_prefix="hansat"),
        settlement=[Settlement("EUR", "watch")],
        contracts=[Deployment("payments", 'from hansa import action\n\n\n@action\ndef pay() -> None:\n    """…"""\n')],
    )
