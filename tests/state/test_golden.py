"""Golden bytes: one example of each thing that has a wire or signed form.

A change here is a change of protocol: every other client and every recorded chain would stop understanding this
node. If that is meant, raise the version byte, then write the file anew:
``python tests/state/test_golden.py > tests/state/golden.json``.
"""

import json
import sys
from pathlib import Path

from state import codec, transaction, votes
from state.address import AddressType, account_address, contract_address, encode_address
from state.block import make_block
from state.certificate import Certificate
from state.digest import NO_DIGEST
from state.keys import KeyPair
from state.parameters import ChainParameters
from state.policy import Policy
from state.receipt import Event, Receipt, receipts_root
from state.transaction import Body, Call
from state.validators import Validator, ValidatorSet
from state.votes import Checkpoint, Commit, NewView, Prepare, Proposal, ViewChange, Vote

CHAIN = bytes(range(32))


def examples() -> dict[str, str]:
    """Each example's bytes in hex, or its text."""
    pairs = [KeyPair.from_seed(bytes([number]) * 32) for number in (1, 2, 3, 4)]
    first, second = sorted(pairs[:2], key=lambda pair: pair.public)
    policy = Policy(((1, first.public, 1), (1, second.public, 2)), 2)
    sender = account_address("hansa", policy.encode(), bytes(16))
    call = Call("payments", 1, "pay", [sender, "EUR.alpha", 12345678901, None, True, b"\x00\xff", ["nested", -1]])
    body = Body(CHAIN, sender, b"i" * 16, 1_700_000_000_000, None, 100_000, (call,), ())
    signed = transaction.sign(body, [first, second])
    validators = ValidatorSet(tuple(Validator(f"bank{n}", pair.public) for n, pair in enumerate(pairs)))
    common = {
        "chain_id": CHAIN,
        "proposer": pairs[0].public,
        "validators_digest": validators.digest,
        "entries": [signed.entry],
    }
    genesis_block = make_block(
        **common,
        height=1,
        parent=NO_DIGEST,
        parent_certificate=None,
        timestamp_ms=1_700_000_000_001,  # type: ignore[arg-type]
    )
    commit = Commit(1, 2, genesis_block.digest)
    payload = votes.signing_payload(commit, CHAIN)
    certificate = Certificate(commit, tuple((n, pair.sign(payload)) for n, pair in enumerate(pairs[:3])))
    certificate.check(validators, CHAIN)
    block = make_block(
        **common,  # type: ignore[arg-type]
        height=2,
        parent=genesis_block.digest,
        parent_certificate=certificate,
        timestamp_ms=1_700_000_000_002,
    )
    event = Event("payments", "Paid", (("amount", 250), ("to", sender)))
    receipt = Receipt(signed.id, "ok", "", 4321, (None, ["done", 7]), (event,))
    kinds: list[Vote] = [
        Proposal(3, 1, b"d" * 32),
        Prepare(3, 1, b"d" * 32),
        Commit(3, 1, b"d" * 32),
        ViewChange(3, 2, None, None),
        ViewChange(3, 2, 1, b"d" * 32),
        NewView(3, 2, b"d" * 32, b"w" * 32),
        Checkpoint(3, b"d" * 32, b"s" * 32, b"r" * 32, b"v" * 32),
    ]
    return {
        "address_account": sender,
        "address_contract": contract_address("hansa", "payments"),
        "address_system": encode_address("hansa", AddressType.SYSTEM, bytes(32)),
        "policy": policy.encode().hex(),
        "transaction_body": signed.body.encode().hex(),
        "transaction_signing_message": transaction.signing_message(signed.body).hex(),
        "transaction": signed.encoded.hex(),
        "transaction_id": signed.id.hex(),
        "transaction_entry": signed.entry.hex(),
        "validators": codec.pack(validators.to_value()).hex(),
        "validators_digest": validators.digest.hex(),
        "header_first": genesis_block.encoded_header.hex(),
        "block": codec.pack(block.to_value()).hex(),
        "block_digest": block.digest.hex(),
        "certificate": codec.pack(certificate.to_value()).hex(),
        "event": event.encode().hex(),
        "receipt": receipt.encode().hex(),
        "receipt_stored": codec.pack(receipt.to_value()).hex(),
        "receipts_root": receipts_root([receipt]).hex(),
        "parameters": codec.pack(ChainParameters().to_value()).hex(),
        **{f"vote_{n}_{type(vote).__name__}": codec.pack(votes.to_value(vote)).hex() for n, vote in enumerate(kinds)},
        **{
            f"payload_{n}_{type(vote).__name__}": votes.signing_payload(vote, CHAIN).hex()
            for n, vote in enumerate(kinds)
        },
    }


def test_golden_bytes() -> None:
    assert examples() == json.loads(Path(__file__).with_name("golden.json").read_text())


if __name__ == "__main__":
    json.dump(examples(), sys.stdout, indent=1)
    print()
