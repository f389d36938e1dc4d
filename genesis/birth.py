"""From the document to the state of height 0."""

from contracts.genesis_state import GenesisContract, GenesisMember, GenesisState
from genesis.document import Genesis
from genesis.member import Member


def state_at_birth(genesis: Genesis) -> GenesisState:
    """What the executor writes as the state of height 0."""
    return GenesisState(
        time_ms=genesis.time_ms,
        parameters=genesis.parameters,
        members=tuple(_member(member) for member in genesis.members),
        settlement=tuple((settlement.currency, settlement.agent) for settlement in genesis.settlement),
        contracts=tuple(GenesisContract(contract.name, contract.source) for contract in genesis.contracts),
    )


def _member(member: Member) -> GenesisMember:
    return GenesisMember(
        id=member.id,
        legal_name=member.legal_name,
        lei=member.lei,
        jurisdiction=member.jurisdiction,
        role=member.function.value,
        policy=member.account.policy,
        salt=member.account.salt,
        vote_key=member.vote_key,
        node_key=member.node_key,
        grants=member.grants,
        root_certificate=member.root_certificate,
        host=member.host,
        port=member.port,
    )
