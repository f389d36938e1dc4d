"""The worked example of docs/protocol.md, computed anew from the page's rules.

Everything that makes the example imports hashlib, msgpack and nacl only, as a second client would. Hansa's own readers
are asked afterwards whether they agree. To write the page's values anew: ``python tests/docs/test_protocol_page.py``.
"""

import base64
import json
import re
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgpack
import pytest
from nacl.signing import SigningKey

PAGE = Path(__file__).parent.parent.parent / "docs" / "protocol.md"
LINE_CHARS = 96
LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
ZERO = bytes(32)

Leaves = list[tuple[bytes, bytes]]


def pack(value: Any) -> bytes:
    return msgpack.packb(value, use_bin_type=True)  # type: ignore[no-any-return]


def encode(value: Any) -> bytes:
    return b"\x01" + pack(value)


def tag(name: str) -> bytes:
    return b"hansa/" + name.encode() + b"\0"


def digest(name: str, data: bytes) -> bytes:
    return sha256(tag(name) + data).digest()


def merkle_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + merkle_root(leaves[:split]) + merkle_root(leaves[split:])).digest()


def address(prefix: str, kind: int, payload: bytes) -> str:
    """BIP-350 over the bits of the type byte and the digest, in groups of five."""
    bits = "".join(f"{byte:08b}" for byte in bytes([kind]) + payload)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    check = 1
    for value in [*expanded, *values, 0, 0, 0, 0, 0, 0]:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    check ^= 0x2BC830A3
    return prefix + "1" + "".join(LETTERS[v] for v in [*values, *(check >> 5 * (5 - i) & 31 for i in range(6))])


def subtree(leaves: Leaves, depth: int) -> bytes:
    """Digest of the subtree over (key digest, value digest), ascending."""
    if not leaves:
        return digest("tree-empty", b"")
    if len(leaves) <= 32:
        return digest("tree-bucket", b"".join(key + value for key, value in leaves))
    return digest("tree-branch", b"".join(children_of(leaves, depth)))


def children_of(leaves: Leaves, depth: int) -> list[bytes]:
    return [subtree([leaf for leaf in leaves if leaf[0].hex()[depth] == nibble], depth + 1) for nibble in HEX]


def leaves_of(state: dict[bytes, bytes]) -> Leaves:
    return sorted((sha256(key).digest(), digest("tree-value", value)) for key, value in state.items())


HEX = "0123456789abcdef"


def proof_of(leaves: Leaves, key: bytes) -> tuple[list[bytes], bytes]:
    path, levels = sha256(key).hexdigest(), []
    while len(leaves) > 32:
        nibble = HEX.index(path[len(levels)])
        children = children_of(leaves, len(levels))
        leaves = [leaf for leaf in leaves if leaf[0].hex()[len(levels)] == HEX[nibble]]
        levels.append(b"".join(children[:nibble] + children[nibble + 1 :]))
    return levels, b"".join(name + value for name, value in leaves)


def example() -> dict[str, bytes | str]:
    """Everything that the page shows, in its order."""
    chain = bytes(range(32))
    payer, payee = (SigningKey(bytes([number]) * 32) for number in (5, 6))
    votes = [SigningKey(bytes([number]) * 32) for number in (1, 2, 3, 4)]
    public = [bytes(key.verify_key) for key in votes]
    policies = [encode([[[1, bytes(key.verify_key), 1]], 1]) for key in (payer, payee)]
    salt = bytes(16)
    sender, receiver = (address("hansat", 1, digest("account", salt + policy)) for policy in policies)
    calls = [["payments", 1, "pay", [receiver, "USD", 1250, "invoice 7"]]]
    keys = [[1, bytes(payer.verify_key)]]
    body = encode([chain, sender, b"0123456789abcdef", 1_700_003_600_000, None, 100_000, calls, keys])
    identity = digest("transaction", body)
    signature = payer.sign(tag("sign-transaction") + identity).signature
    transaction = encode([body, [signature]])
    entry = identity + digest("signatures", signature)
    validators = encode([[name, key] for name, key in zip(("alpha", "bravo", "carol", "delta"), public, strict=True)])
    validators_digest = digest("validators", validators)
    header = encode(
        [1, chain, 1, ZERO, None, 1_700_000_000_000, public[1], merkle_root([entry]), validators_digest]
    )
    block = digest("block", header)
    commit = tag("commit") + pack([chain, 1, 0, block])
    certificate = pack([[2, 1, 0, block], [[n, votes[n].sign(commit).signature] for n in (0, 1, 3)]])
    legs = [["USD.alpha", sender, -1250], ["USD.alpha", receiver, 1250]]
    fields = [["contract", "payments"], ["purpose", "payment"], ["reference", "invoice 7"], ["legs", legs]]
    event = encode(["ledger", "journal", fields])
    receipt = encode([identity, "ok", "", 19_957, [None], merkle_root([event])])
    state = {f"key/{number}".encode(): pack([number]) for number in range(40)}
    leaves = leaves_of(state)
    key = b"balance/" + sender.encode() + b"/USD.alpha"
    few = leaves_of({key: pack([48_750, 0])})
    levels, bucket = proof_of(leaves, b"key/7")
    checkpoint = tag("checkpoint") + pack(
        [chain, 1, 0, block, subtree(few, 0), merkle_root([receipt]), validators_digest]
    )
    return {
        "chain_id": chain,
        "payer_public_key": bytes(payer.verify_key),
        "policy": policies[0],
        "sender": sender,
        "receiver": receiver,
        "body": body,
        "transaction_id": identity,
        "signing_message": tag("sign-transaction") + identity,
        "signature": signature,
        "transaction": transaction,
        "entry": entry,
        "validators_digest": validators_digest,
        "transaction_root": merkle_root([entry]),
        "header": header,
        "block_digest": block,
        "commit_payload": commit,
        "commit_certificate": certificate,
        "event": event,
        "events_root": merkle_root([event]),
        "receipt": receipt,
        "receipts_root": merkle_root([receipt]),
        "balance_key": key,
        "balance_value": pack([48_750, 0]),
        "state_root": subtree(few, 0),
        "checkpoint_payload": checkpoint,
        "empty_root": subtree([], 0),
        "forty_root": subtree(leaves, 0),
        "forty_proof_level": b"".join(levels),
        "forty_proof_bucket": bucket,
    }


def on_page() -> dict[str, bytes | str]:
    """The page's values: in ``example`` blocks, a name at the start of a line, its value after it and below."""
    found: dict[str, str] = {}
    name = ""
    for block in re.findall(r"^```example\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if not line.startswith(" "):
                name, _, line = line.partition(" ")
                assert name not in found, f"{name} stands twice"
                found[name] = ""
            found[name] += line.strip()
    return {name: text if text.startswith("hansa") else bytes.fromhex(text) for name, text in found.items()}


def test_the_page_shows_what_its_rules_give() -> None:
    assert on_page() == example()


def test_hansa_reads_the_example_as_the_page_says() -> None:
    from state import merkle, transaction
    from state.address import decode_address
    from state.block import decode_header
    from state.certificate import Certificate
    from state.codec import unpack
    from state.proof import StateProof, verify_proof
    from state.receipt import Event, Receipt
    from state.validators import Validator, ValidatorSet
    from state.votes import Checkpoint, signing_payload

    page: dict[str, Any] = on_page()
    chain = page["chain_id"]
    read = transaction.decode(page["transaction"])
    assert (read.id, read.entry, read.has_valid_signatures()) == (page["transaction_id"], page["entry"], True)
    decode_address("hansat", page["sender"])
    public = [bytes(SigningKey(bytes([number]) * 32).verify_key) for number in (1, 2, 3, 4)]
    names = ("alpha", "bravo", "carol", "delta")
    validators = ValidatorSet(tuple(Validator(name, key) for name, key in zip(names, public, strict=True)))
    assert validators.digest == page["validators_digest"]
    assert decode_header(page["header"]).encode() == page["header"]
    certificate = Certificate.from_value(unpack(page["commit_certificate"]))
    certificate.check(validators, chain)
    assert certificate.vote.digest == page["block_digest"]  # type: ignore[union-attr]
    receipt = Receipt.from_value([page["receipt"], [unpack(page["event"][1:])]])
    assert isinstance(receipt.events[0], Event)
    assert merkle.root([receipt.encode()]) == page["receipts_root"]
    roots = page["state_root"], page["receipts_root"], page["validators_digest"]
    assert signing_payload(Checkpoint(1, page["block_digest"], *roots), chain) == page["checkpoint_payload"]
    proof = StateProof((page["forty_proof_level"],), page["forty_proof_bucket"])
    verify_proof(page["forty_root"], b"key/7", pack([7]), proof)


def test_a_chain_id_follows_from_the_document(tmp_path: Path) -> None:
    """The page's section on genesis, field by field, from the JSON alone."""
    from node import testnet

    testnet.make(tmp_path, testnet.seats(4, 1), name="page")
    document = json.loads((tmp_path / "genesis.json").read_text(encoding="utf-8"))
    blob: Callable[[str], bytes] = lambda text: bytes.fromhex(text[2:])  # noqa: E731
    members = []
    for member in document["members"]:
        account, policy = member["account"], member["account"]["policy"]
        keys = [[1, blob(key["key"]), key["weight"]] for key in policy["keys"]]
        certificate = base64.b64decode("".join(member["root_certificate"].splitlines()[1:-1]))
        names = ("id", "legal_name", "lei", "jurisdiction", "role", "function")
        vote_key = blob(member["vote_key"]) if "vote_key" in member else None
        about = [*(member[name] for name in names), blob(member["node_key"]), vote_key, certificate]
        own = [[keys, policy["threshold"]], blob(account["salt"]), member["grants"]]
        members.append([*about, member["host"], member["port"], *own])
    value = [
        document["name"],
        int(document["time_ms"]),
        [[name, document["parameters"][name]] for name in parameters_on_page()],
        members,
        [[entry["currency"], entry["agent"]] for entry in document["settlement"]],
        [[entry["name"], entry["source"]] for entry in document["contracts"]],
    ]
    from genesis.document import load

    assert digest("genesis", encode(value)) == load(json.dumps(document)).chain_id


def parameters_on_page() -> list[str]:
    """The parameters in the order of the page's table."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition("| parameter |")
    return re.findall(r"^\| `([a-z_]+)` \|", section.partition("\n\n")[0], re.MULTILINE)


@pytest.mark.parametrize("planted", ["body", "commit_certificate", "forty_proof_level"])
def test_a_changed_digit_is_noticed(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text(encoding="utf-8")
    at = re.search(rf"^{planted} +[0-9a-f]{{4}}", text, re.MULTILINE)
    assert at is not None
    last = "0" if text[at.end() - 1] != "0" else "1"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text[: at.end() - 1] + last + text[at.end() :])
    assert on_page() != example()


def _spell(value: bytes | str, width: int) -> str:
    text = value if isinstance(value, str) else value.hex()
    room = LINE_CHARS - width
    return f"\n{' ' * width}".join(text[at : at + room] for at in range(0, len(text), room))


if __name__ == "__main__":
    shown = example()
    column = max(map(len, shown)) + 2
    for title, content in shown.items():
        sys.stdout.write(f"{title:<{column}}{_spell(content, column)}\n")
