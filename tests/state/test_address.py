"""Addresses: BIP-350's own strings, and what this network makes of them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state import address
from state.address import AddressType, account_address, contract_address, decode_address, encode_address
from state.errors import Invalid, Reason
from state.policy import Policy

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "bech32m" / "bip-0350.json").read_text())
DIGEST = bytes(range(32))
LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def refusal(prefix: str, text: str) -> Invalid:
    with pytest.raises(Invalid) as refused:
        decode_address(prefix, text)
    return refused.value


@pytest.mark.parametrize("text", VECTORS["valid"])
def test_valid_string(text: str) -> None:
    prefix, values = address.bech32m_decode(text)
    assert address.bech32m_encode(prefix, values) == text.lower()


@pytest.mark.parametrize(("text", "why"), VECTORS["invalid"])
def test_invalid_string(text: str, why: str) -> None:
    with pytest.raises(Invalid) as refused:
        address.bech32m_decode(text)
    assert refused.value.reason is Reason.BAD_ADDRESS, why


def test_vectors_are_complete() -> None:
    assert (len(VECTORS["valid"]), len(VECTORS["invalid"])) == (7, 14)


@given(st.sampled_from(["hansa", "hansat", "x"]), st.sampled_from(AddressType), st.binary(min_size=32, max_size=32))
def test_round_trip(prefix: str, kind: AddressType, digest: bytes) -> None:
    text = encode_address(prefix, kind, digest)
    assert decode_address(prefix, text) == (kind, digest)
    assert text.startswith(prefix + "1")
    assert len(text) <= address.ADDRESS_CHARS_MAX


@given(st.binary(min_size=32, max_size=32), st.data())
def test_one_to_three_wrong_letters_are_found(digest: bytes, data: st.DataObject) -> None:
    text = list(encode_address("hansa", AddressType.ACCOUNT, digest))
    count = data.draw(st.integers(1, 3))
    positions = data.draw(st.lists(st.integers(6, len(text) - 1), min_size=count, max_size=count, unique=True))
    for position in positions:
        text[position] = data.draw(st.sampled_from([letter for letter in LETTERS if letter != text[position]]))
    assert refusal("hansa", "".join(text)).detail == "the checksum does not match: a letter is mistyped or missing"


def test_two_neighbours_swapped_are_found() -> None:
    text = encode_address("hansa", AddressType.ACCOUNT, DIGEST)
    for position in range(6, len(text) - 1):
        swapped = text[:position] + text[position + 1] + text[position] + text[position + 2 :]
        assert swapped == text or refusal("hansa", swapped).reason is Reason.BAD_ADDRESS


def test_address_of_another_network() -> None:
    text = encode_address("hansat", AddressType.ACCOUNT, DIGEST)
    assert str(refusal("hansa", text)) == (
        "bad_address: an address of the network 'hansat'; this network's start with 'hansa'"
    )


def test_one_spelling_only() -> None:
    text = encode_address("hansa", AddressType.ACCOUNT, DIGEST)
    assert refusal("hansa", text.upper()).detail == "an address of this network is written in lower case"
    assert refusal("hansa", "H" + text[1:]).detail == "an address never mixes upper and lower case"
    for other in (text + " ", " " + text, text + "\n", text.replace("1", "l", 1)):
        assert refusal("hansa", other).reason is Reason.BAD_ADDRESS


@pytest.mark.parametrize(
    "payload", [b"", b"\x01", b"\x01" + bytes(31), b"\x01" + bytes(33), b"\x00" + bytes(32), b"\x04" + bytes(32)]
)
def test_other_payloads_are_refused(payload: bytes) -> None:
    text = address.bech32m_encode("hansa", address._regroup(payload, 8, 5, pad=True))
    assert refusal("hansa", text).detail == "the checksum is right but this is no Hansa address"


def test_padding_is_zero() -> None:
    groups = address._regroup(b"\x01" + DIGEST, 8, 5, pad=True)
    assert refusal("hansa", address.bech32m_encode("hansa", [*groups[:-1], groups[-1] | 1])).detail == (
        "the padding is not zero"
    )
    assert refusal("hansa", address.bech32m_encode("hansa", [*groups, 0])).reason is Reason.BAD_ADDRESS


def test_accounts_differ_by_policy_and_by_salt() -> None:
    one, two = Policy.of_key(bytes(32)).encode(), Policy.of_key(b"k" * 32).encode()
    made = {account_address("hansa", policy, salt) for policy in (one, two) for salt in (bytes(16), b"s" * 16)}
    assert len(made) == 4
    assert {decode_address("hansa", text)[0] for text in made} == {AddressType.ACCOUNT}


def test_contract_address_is_of_its_own_kind() -> None:
    kind, _ = decode_address("hansa", contract_address("hansa", "payments"))
    assert kind is AddressType.CONTRACT
    assert contract_address("hansa", "payments") != contract_address("hansa", "payment")
