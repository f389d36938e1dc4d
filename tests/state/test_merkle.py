"""RFC 6962 trees: the published vectors, a plain recursive reference, and every proof of small lists."""

import base64
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from state import merkle
from state.errors import Invalid, Reason

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "rfc6962" / "proofs.json").read_text())


def decoded(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def naive_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=lambda case: case["name"])
def test_inclusion_vector(case: dict[str, Any]) -> None:
    proof = [decoded(digest) for digest in case["proof"] or []]

    def accepted() -> bool:
        try:
            found = merkle.inclusion_root(decoded(case["leafHash"]), case["leafIdx"], case["treeSize"], proof)
        except Invalid:
            return False
        return found == decoded(case["root"])

    assert accepted() is not case["wantErr"]


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=lambda case: case["name"])
def test_consistency_vector(case: dict[str, Any]) -> None:
    arguments = (
        decoded(case["root1"]),
        case["size1"],
        decoded(case["root2"]),
        case["size2"],
        [decoded(digest) for digest in case["proof"] or []],
    )
    if case["wantErr"]:
        with pytest.raises(Invalid) as refused:
            merkle.verify_consistency(*arguments)
        assert refused.value.reason is Reason.BAD_PROOF
    else:
        merkle.verify_consistency(*arguments)


@pytest.mark.parametrize("size", [*range(34), 1000])
def test_root_is_the_recursive_definition(size: int) -> None:
    leaves = [index.to_bytes(2, "big") for index in range(size)]
    assert merkle.root(leaves) == naive_root(leaves)


def test_every_inclusion_proof_of_small_lists_and_no_other_place() -> None:
    for size in range(1, 20):
        leaves = [bytes([index]) for index in range(size)]
        root = merkle.root(leaves)
        for index in range(size):
            proof = merkle.inclusion_proof(leaves, index)
            merkle.verify_inclusion(root, leaves[index], index, size, proof)
            for other in range(size):
                if other != index:
                    with pytest.raises(Invalid):
                        merkle.verify_inclusion(root, leaves[index], other, size, proof)
            for position in range(len(proof)):
                spoilt = [*proof]
                spoilt[position] = bytes([spoilt[position][0] ^ 1]) + spoilt[position][1:]
                with pytest.raises(Invalid):
                    merkle.verify_inclusion(root, leaves[index], index, size, spoilt)


def test_every_consistency_proof_of_small_lists() -> None:
    for size2 in range(1, 20):
        leaves = [bytes([index]) for index in range(size2)]
        root2 = merkle.root(leaves)
        for size1 in range(1, size2 + 1):
            proof = merkle.consistency_proof(leaves, size1)
            merkle.verify_consistency(merkle.root(leaves[:size1]), size1, root2, size2, proof)
            if size1 > 1:
                with pytest.raises(Invalid):
                    merkle.verify_consistency(merkle.root(leaves[: size1 - 1]), size1, root2, size2, proof)


def test_there_is_no_proof_for_what_is_not_in_the_list() -> None:
    with pytest.raises(Invalid, match="unknown: a list of 1 has no index 1"):
        merkle.inclusion_proof([b"one"], 1)
    with pytest.raises(Invalid, match="unknown: a list of 1 has no prefix of 0 to prove"):
        merkle.consistency_proof([b"one"], 0)


def test_a_proof_is_bounded_before_it_is_hashed() -> None:
    with pytest.raises(Invalid, match="bad_proof: a proof holds fewer than 65 digests"):
        merkle.verify_inclusion(bytes(32), b"", 0, 2**70, [bytes(32)] * 65)
