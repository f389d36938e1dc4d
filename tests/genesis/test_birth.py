"""The document's members, money and contracts are those of the state of height 0."""

from contracts.genesis_state import validators_of
from contracts.kernel import members
from genesis.birth import state_at_birth
from genesis.document import Genesis
from genesis.member import Function


def test_nothing_is_lost(genesis: Genesis) -> None:
    state = state_at_birth(genesis)
    assert (state.time_ms, state.parameters) == (genesis.time_ms, genesis.parameters)
    assert state.settlement == (("EUR", "watch"),)
    assert [(contract.name, contract.source) for contract in state.contracts] == [
        (contract.name, contract.source) for contract in genesis.contracts
    ]
    for born, member in zip(state.members, genesis.members, strict=True):
        assert (born.id, born.legal_name, born.lei, born.jurisdiction, born.role) == (
            member.id,
            member.legal_name,
            member.lei,
            member.jurisdiction,
            member.function.value,
        )
        assert (born.policy, born.salt) == (member.account.policy, member.account.salt)
        assert (born.vote_key, born.node_key, born.grants) == (member.vote_key, member.node_key, member.grants)


def test_validators_are_the_same_set(genesis: Genesis) -> None:
    assert validators_of(state_at_birth(genesis)) == genesis.validators()


def test_functions_are_the_roles_of_the_kernel() -> None:
    assert tuple(Function) == members.ROLES
