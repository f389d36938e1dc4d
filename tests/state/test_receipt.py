"""Receipts: the leaf fixes outcome and events, and one event can be proven alone."""

from dataclasses import replace
from typing import Any

import pytest

from state import codec, merkle
from state.errors import Invalid, Reason
from state.receipt import RECEIPT_VERSION, Event, Receipt, receipts_root

EVENTS = (
    Event("payments", "Paid", (("from", "hansa1a"), ("to", "hansa1b"), ("amount", 250))),
    Event("kernel", "Posted", (("lines", [["hansa1a", -250], ["hansa1b", 250]]),)),
)
RECEIPT = Receipt(b"t" * 32, "ok", "", 1234, (None, ["a", 1]), EVENTS)
FAILED = Receipt(b"u" * 32, "overdraft", "the account holds 10, 250 are needed", 99, (), ())


@pytest.mark.parametrize("receipt", [RECEIPT, FAILED])
def test_round_trip(receipt: Receipt) -> None:
    assert Receipt.from_value(codec.unpack(codec.pack(receipt.to_value()))) == receipt
    assert receipt.is_ok is (receipt is RECEIPT)


def test_every_field_is_in_the_root() -> None:
    changed = [
        replace(RECEIPT, transaction_id=b"o" * 32),
        replace(RECEIPT, code="other"),
        replace(RECEIPT, message="m"),
        replace(RECEIPT, fuel_used=1),
        replace(RECEIPT, results=()),
        replace(RECEIPT, events=EVENTS[::-1]),
        replace(RECEIPT, events=EVENTS[:1]),
        replace(RECEIPT, events=(replace(EVENTS[0], name="Unpaid"), EVENTS[1])),
    ]
    assert len({receipts_root([receipt]) for receipt in [RECEIPT, *changed]}) == len(changed) + 1
    assert receipts_root([RECEIPT, FAILED]) != receipts_root([FAILED, RECEIPT])
    assert receipts_root([]) == merkle.root([])


def test_events_of_another_receipt() -> None:
    leaf, events = RECEIPT.to_value()  # type: ignore[misc]
    for listed in ([], events[:1], events[::-1], [*events, events[0]]):  # type: ignore[index, misc]
        with pytest.raises(Invalid) as refused:
            Receipt.from_value([leaf, listed])
        assert str(refused.value) == "bad_proof: the events do not give the receipt's event root"


LEAF = RECEIPT.encode()
EVENT = EVENTS[0].to_value()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.MALFORMED),
        ([LEAF], Reason.MALFORMED),
        ([LEAF + b"\xc0", []], Reason.MALFORMED),
        ([b"\x02" + LEAF[1:], []], Reason.BAD_VERSION),
        ([LEAF, [["payments", "Paid"]]], Reason.MALFORMED),
        ([LEAF, [["payments", "Paid", [["amount"]]]]], Reason.MALFORMED),
        ([LEAF, [["payments", "Paid", [[1, 2]]]]], Reason.MALFORMED),
        ([LEAF, [EVENT] * (4096 + 64 + 1)], Reason.TOO_LARGE),
        ([codec.encode(RECEIPT_VERSION, [b"t" * 31, "ok", "", 0, [], bytes(32)]), []], Reason.MALFORMED),
        ([codec.encode(RECEIPT_VERSION, [b"t" * 32, "ok", "", -1, [], bytes(32)]), []], Reason.MALFORMED),
        ([codec.encode(RECEIPT_VERSION, [b"t" * 32, "ok", "", 0, [0] * 17, bytes(32)]), []], Reason.TOO_LARGE),
    ],
)
def test_refused(value: Any, reason: Reason) -> None:
    with pytest.raises(Invalid) as refused:
        Receipt.from_value(value)
    assert refused.value.reason is reason
