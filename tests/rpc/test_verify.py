"""What a wallet that trusts nobody accepts, and that each single change is refused."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from contracts.kernel.layout import balance_key
from rpc.answers import EventProof
from rpc.verify import (
    ProvenBalance,
    ProvenReceipt,
    ProvenState,
    verify_balance_answer,
    verify_event,
    verify_receipt_answer,
    verify_state_answer,
)
from state import merkle
from state.errors import Invalid, Reason
from state.keys import KeyPair
from state.validators import Validator, ValidatorSet
from tests.rpc.conftest import Face
from tests.rpc.memory_node import ALICE, ASSET, BANKS, BOB, CHAIN_ID, STRANGER, VALIDATORS, address_of, certify, payment

Answer = dict[str, Any]
Path = tuple[str | int, ...]


@pytest.fixture
async def balance(face: Face) -> Answer:
    """Of an account that has one."""
    face.node.submit(payment(10).encoded)
    face.node.decide()
    return dict(await face.result("state_proof", address=address_of(ALICE), asset=ASSET))


@pytest.fixture
async def absence(face: Face) -> Answer:
    face.node.decide()
    return dict(await face.result("state_proof", address=address_of(STRANGER), asset=ASSET))


@pytest.fixture
async def receipt(face: Face) -> Answer:
    """The third of five, and its second event."""
    for number in range(5):
        face.node.submit(payment(number + 1, number).encoded)
    face.node.decide()
    return dict(await face.result("receipt_proof", "0x" + payment(3, 2).id.hex(), 1))


def verify_balance(answer: Answer, key: KeyPair = ALICE) -> ProvenBalance:
    return verify_balance_answer(CHAIN_ID, VALIDATORS, answer, address_of(key), ASSET)


def verify_receipt(answer: Answer) -> ProvenReceipt:
    return verify_receipt_answer(CHAIN_ID, VALIDATORS, answer, payment(3, 2).id)


def bytes_within(value: object, path: Path = ()) -> list[Path]:
    """Where bytes stand in an answer."""
    if isinstance(value, dict):
        return [place for name, inner in value.items() for place in bytes_within(inner, (*path, name))]
    if isinstance(value, list):
        return [place for index, inner in enumerate(value) for place in bytes_within(inner, (*path, index))]
    return [path] if isinstance(value, str) and value.startswith("0x") and len(value) > 2 else []


def changed(answer: Answer, path: Path, change: Callable[[Any], object]) -> Answer:
    answer = copy.deepcopy(answer)
    inner: Any = answer
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = change(inner[path[-1]])
    return answer


def digit_changed(at: int) -> Callable[[str], str]:
    def change(text: str) -> str:
        place = 2 + at % (len(text) - 2)
        return text[:place] + ("1" if text[place] != "1" else "2") + text[place + 1 :]

    return change


def test_a_balance_is_proven(balance: Answer) -> None:
    assert verify_balance(balance) == ProvenBalance(1, address_of(ALICE), ASSET, 990, 5)
    assert verify_balance(json.loads(json.dumps(balance))) == verify_balance(balance)
    for text in (json.dumps(balance), json.dumps(balance).encode()):
        proven = verify_state_answer(CHAIN_ID, VALIDATORS, text)
        assert isinstance(proven, ProvenState)
        assert proven.key == balance_key(address_of(ALICE), ASSET)
        assert proven.state_root.hex() == balance["certificate"]["state_root"][2:]


def test_an_absence_is_proven(absence: Answer) -> None:
    assert absence["value"] is None
    assert verify_balance(absence, STRANGER) == ProvenBalance(1, address_of(STRANGER), ASSET, 0, 0)


def test_a_receipt_is_proven(face: Face, receipt: Answer) -> None:
    proven = verify_receipt(receipt)
    assert proven.receipt == face.node.heights[0].receipts[2]
    assert proven.event == proven.receipt.events[1]
    assert (proven.height, proven.block_digest) == (1, face.node.heights[0].block.digest)


def test_every_changed_byte_of_a_state_answer_is_refused(balance: Answer, absence: Answer) -> None:
    for answer, key in ((balance, ALICE), (absence, STRANGER)):
        places = bytes_within(answer)
        assert len(places) > 10
        for path in places:
            for at in (0, 1, 17, 40, -1):
                with pytest.raises(Invalid):
                    verify_balance(changed(answer, path, digit_changed(at)), key)


def test_every_changed_byte_of_a_receipt_answer_is_refused(receipt: Answer) -> None:
    places = bytes_within(receipt)
    assert len(places) > 15
    for path in places:
        for at in (0, 1, 17, 40, -1):
            with pytest.raises(Invalid):
                verify_receipt(changed(receipt, path, digit_changed(at)))


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("value",), None, Reason.BAD_PROOF),
        (("value",), "0x92cd03e805", Reason.BAD_PROOF),
        (("value",), "0x", Reason.BAD_PROOF),
        (("height",), "2", Reason.BAD_PROOF),
        (("certificate", "height"), "2", Reason.BAD_SIGNATURE),
        (("certificate", "height"), "-1", Reason.MALFORMED),
        (("certificate", "kind"), "commit", Reason.MALFORMED),
        (("certificate", "signatures", 1, "validator"), 3, Reason.MALFORMED),
        (("certificate", "signatures", 2, "validator"), 3, Reason.BAD_SIGNATURE),
        (("certificate", "signatures", 2, "validator"), 4, Reason.STRANGER),
        (("certificate", "signatures", 2, "validator"), 100, Reason.MALFORMED),
        (("certificate", "signatures", 2, "signature"), "0x", Reason.BAD_SIGNATURE),
        (("proof", "bucket"), "0x", Reason.BAD_PROOF),
        (("proof", "bucket"), "0x00", Reason.BAD_PROOF),
        (("proof", "levels"), [], Reason.BAD_PROOF),
        (("proof",), None, Reason.MALFORMED),
    ],
)
def test_changed_fields_of_a_state_answer(balance: Answer, path: Path, value: object, reason: Reason) -> None:
    with pytest.raises(Invalid) as refused:
        verify_balance(changed(balance, path, lambda _: value))
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("receipt", "code"), "overdraft"),
        (("receipt", "message"), "x"),
        (("receipt", "fuel_used"), "1"),
        (("receipt", "results"), ["4"]),
        (("receipt", "events", 0, "fields", "amount"), "4"),
        (("receipt", "events", 0, "name"), "refunded"),
        (("receipt", "events"), []),
        (("height",), "2"),
        (("index",), 3),
        (("index",), 1),
        (("count",), 3),
        (("proof",), []),
        (("event", "index"), 0),
        (("event", "count"), 4),
        (("event", "proof"), []),
    ],
)
def test_changed_fields_of_a_receipt_answer(receipt: Answer, path: Path, value: object) -> None:
    with pytest.raises(Invalid) as refused:
        verify_receipt(changed(receipt, path, lambda _: value))
    assert refused.value.reason is Reason.BAD_PROOF


def test_fewer_than_a_quorum_of_signers(face: Face, balance: Answer, receipt: Answer) -> None:
    for verify, answer in ((verify_balance, balance), (verify_receipt, receipt)):
        short = changed(answer, ("certificate", "signatures"), lambda signatures: signatures[:2])
        with pytest.raises(Invalid) as refused:
            verify(short)
        assert str(refused.value) == "no_quorum: 2 signers, a quorum is 3"
        twice = changed(answer, ("certificate", "signatures"), lambda signatures: [*signatures[:2], signatures[1]])
        with pytest.raises(Invalid) as refused:
            verify(twice)
        assert refused.value.reason is Reason.MALFORMED


def test_any_quorum_will_do(face: Face, balance: Answer) -> None:
    certificate = certify(face.node.heights[-1].checkpoint.vote, (1, 2, 3))
    listed = [{"validator": index, "signature": "0x" + signature.hex()} for index, signature in certificate.signatures]
    assert verify_balance(changed(balance, ("certificate", "signatures"), lambda _: listed)).available == 990


def test_another_chain_other_validators_another_question(balance: Answer, receipt: Answer) -> None:
    with pytest.raises(Invalid) as refused:
        verify_balance_answer(bytes(32), VALIDATORS, balance, address_of(ALICE), ASSET)
    assert refused.value.reason is Reason.BAD_SIGNATURE
    others = ValidatorSet(
        tuple(Validator(bank, KeyPair.from_seed(bytes([index]) * 32).public) for index, bank in enumerate(BANKS))
    )
    with pytest.raises(Invalid) as refused:
        verify_balance_answer(CHAIN_ID, others, balance, address_of(ALICE), ASSET)
    assert refused.value.reason is Reason.BAD_SIGNATURE
    with pytest.raises(Invalid) as refused:
        verify_balance(balance, BOB)
    assert str(refused.value) == "bad_proof: the answer is about another key than was asked for"
    with pytest.raises(Invalid) as refused:
        verify_receipt_answer(CHAIN_ID, VALIDATORS, receipt, payment(1).id)
    assert str(refused.value) == "bad_proof: the receipt is of another transaction than was asked for"


@pytest.mark.parametrize("answer", ["", "[]", "null", "{", '{"height": 1}', b"\xff", "NaN"])
def test_what_is_no_answer(answer: str | bytes) -> None:
    for verify in (verify_state_answer, verify_receipt_answer):
        with pytest.raises(Invalid) as refused:
            verify(CHAIN_ID, VALIDATORS, answer)
        assert refused.value.reason is Reason.MALFORMED


def test_an_event_alone(receipt: Answer) -> None:
    proven = verify_receipt(receipt).receipt
    root = merkle.root([event.encode() for event in proven.events])
    shown = EventProof(**receipt["event"])
    assert verify_event(root, shown) == proven.events[1]
    with pytest.raises(Invalid):
        verify_event(bytes(32), shown)
