"""Ed25519 as libsodium answers it, pinned by outside vectors."""

import json
from pathlib import Path
from typing import Any

import pytest

from state.keys import KeyPair, verify

VECTORS = Path(__file__).parent.parent / "vectors"
WYCHEPROOF = [
    (group["publicKey"]["pk"], case)
    for group in json.loads((VECTORS / "wycheproof" / "ed25519_test.json").read_text())["testGroups"]
    for case in group["tests"]
]
SPECCHECK = json.loads((VECTORS / "ed25519-speccheck" / "cases.json").read_text())


@pytest.mark.parametrize(("public", "case"), WYCHEPROOF, ids=[f"tc{case['tcId']}" for _, case in WYCHEPROOF])
def test_wycheproof(public: str, case: dict[str, Any]) -> None:
    accepted = verify(bytes.fromhex(public), bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
    assert accepted is (case["result"] == "valid"), case["comment"]


def test_wycheproof_is_complete() -> None:
    results = [case["result"] for _, case in WYCHEPROOF]
    assert (len(results), results.count("valid"), results.count("invalid")) == (151, 88, 63)


def test_edge_cases_answer_as_libsodium_does() -> None:
    """Of the twelve published cases only number 3 verifies: that is the column of libsodium."""
    answers = [
        verify(bytes.fromhex(case["pub_key"]), bytes.fromhex(case["message"]), bytes.fromhex(case["signature"]))
        for case in SPECCHECK
    ]
    assert answers == [index == 3 for index in range(12)]


def test_published_table_says_the_same() -> None:
    table = (VECTORS / "ed25519-speccheck" / "results.md").read_text()
    row = next(line for line in table.splitlines() if line.startswith("|LibSodium "))
    assert [cell.strip() for cell in row.strip("|").split("|")[1:]] == [
        "V" if index == 3 else "X" for index in range(12)
    ]


def test_rfc_8032_first_vector() -> None:
    pair = KeyPair.from_seed(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert pair.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert pair.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
        "655141438e7a100b"
    )


def test_every_flipped_bit_is_refused() -> None:
    pair, message = KeyPair.from_seed(b"s" * 32), b"twelve bytes"
    signature = pair.sign(message)
    assert verify(pair.public, message, signature)
    for position in range(8 * 64):
        spoilt = bytearray(signature)
        spoilt[position // 8] ^= 1 << position % 8
        assert not verify(pair.public, message, bytes(spoilt))
    for position in range(8 * len(message)):
        changed = bytearray(message)
        changed[position // 8] ^= 1 << position % 8
        assert not verify(pair.public, bytes(changed), signature)


@pytest.mark.parametrize(
    ("public_bytes", "signature_bytes"), [(31, 64), (33, 64), (0, 64), (32, 63), (32, 65), (32, 0)]
)
def test_other_sizes_are_refused(public_bytes: int, signature_bytes: int) -> None:
    assert verify(bytes(public_bytes), b"", bytes(signature_bytes)) is False


def test_secret_half_never_shows() -> None:
    pair = KeyPair.from_seed(b"canary-canary-canary-canary-1234")
    assert pair.seed == b"canary-canary-canary-canary-1234"
    assert "canary" not in repr(pair)
    assert repr(pair.secret) not in repr(pair)
