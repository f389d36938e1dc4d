"""What the state root proves about accounts and balances, checked as a wallet would: with a root and nothing else."""

import pytest

from contracts.kernel import layout
from contracts.records import decode_row
from state.errors import Invalid
from state.proof import verify_proof
from tests.contracts.network import Chain, address_of, key_of

ANN = address_of("ann")


def test_a_balance_is_proven(chain: Chain) -> None:
    chain.send("ann", ("payments", "pay", [address_of("bob"), "USD", 1_234, ""]))
    root = chain.results[-1].state_root
    key = layout.balance_key(ANN, "USD.alpine")
    value, proof = chain.reads.prove(key)
    assert value is not None
    assert decode_row(value) == (8_766, 0)
    verify_proof(root, key, value, proof)
    with pytest.raises(Invalid, match="bad_proof"):
        verify_proof(root, key, value[:-1] + b"\x01", proof)
    with pytest.raises(Invalid, match="bad_proof"):
        verify_proof(root, key, None, proof)
    with pytest.raises(Invalid, match="bad_proof"):
        verify_proof(chain.results[-2].state_root, key, value, proof)


@pytest.mark.parametrize(
    "key",
    [
        layout.balance_key(ANN, "USD.baltic"),
        layout.balance_key(address_of("nobody"), "USD.alpine"),
        layout.account_key(address_of("nobody")),
    ],
)
def test_an_absence_is_proven(chain: Chain, key: bytes) -> None:
    root = chain.results[-1].state_root
    value, proof = chain.reads.prove(key)
    assert value is None
    verify_proof(root, key, None, proof)
    with pytest.raises(Invalid, match="bad_proof"):
        verify_proof(root, key, b"\x92\x01\x00", proof)


def test_an_account_is_proven(chain: Chain) -> None:
    key = layout.account_key(ANN)
    value, proof = chain.reads.prove(key)
    assert value is not None
    verify_proof(chain.results[-1].state_root, key, value, proof)
    assert decode_row(value) == ("alpine", (((1, key_of("ann").public, 1),), 1), "", 0, None)
