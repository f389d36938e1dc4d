"""Transactions: nobody but the keys can make another copy, and nothing passes in two spellings."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state import codec, digest, transaction
from state.errors import Invalid, Reason
from state.keys import SUITE_ED25519, KeyPair
from state.transaction import TRANSACTION_BYTES_MAX, TRANSACTION_VERSION, Body, Call

ALICE, BOB, EVE = (KeyPair.from_seed(bytes([number]) * 32) for number in (1, 2, 3))
BODY = Body(
    chain_id=b"c" * 32,
    sender="hansa1sender",
    client_id=b"i" * 16,
    valid_until_ms=1_700_000_000_000,
    fuel_payer=None,
    fuel_limit=100_000,
    calls=(Call("payments", 1, "pay", ["hansa1payee", "EUR.alpha", 250]),),
    keys=(),
)
SIGNED = transaction.sign(BODY, [ALICE, BOB])


def refusal(encoded: bytes) -> Invalid:
    with pytest.raises(Invalid) as refused:
        transaction.decode(encoded)
    return refused.value


def body_value(**changes: Any) -> list[Any]:
    """The fields of ``SIGNED``'s body, some of them replaced."""
    names = ("chain_id", "sender", "client_id", "valid_until_ms", "fuel_payer", "fuel_limit", "calls", "keys")
    found = codec.decode(SIGNED.body.encode(), TRANSACTION_VERSION)
    assert isinstance(found, list)
    named = dict(zip(names, found, strict=True))
    assert changes.keys() <= named.keys()
    return list((named | changes).values())


def wire(value: Any, signatures: Any = SIGNED.signatures) -> bytes:
    return codec.encode(TRANSACTION_VERSION, [codec.encode(TRANSACTION_VERSION, value), list(signatures)])


def test_round_trip() -> None:
    again = transaction.decode(SIGNED.encoded)
    assert again == SIGNED
    assert again.body.calls[0].arguments == ["hansa1payee", "EUR.alpha", 250]
    assert again.has_valid_signatures()
    assert again.id == digest.transaction_digest(SIGNED.body.encode())
    assert again.entry == again.id + digest.signatures_digest(b"".join(again.signatures))


def test_odd_spellings_are_refused() -> None:
    encoded = SIGNED.body.encode()
    for old, new in (
        (b"\xa3pay", b"\xa3\xed\xa0\x80"),  # a surrogate, as UTF-8 never has it
        (b"\xa3pay", b"\xd9\x03pay"),
        (b"\xa3pay", b"\xc4\x03pay"),
        (b"\xcc\xfa", b"\xcd\x00\xfa"),  # 250
        (b"\xcc\xfa", b"\xc7\x0c\xff" + b"\xff" * 12),  # a time that no calendar has
        (b"\xc4\x20" + b"c" * 32, b"\xc5\x00\x20" + b"c" * 32),
    ):
        spelt = encoded.replace(old, new)
        assert spelt != encoded
        with pytest.raises(Invalid):
            transaction._decode_body(spelt)


def test_what_was_decoded_before_reads_the_same_again() -> None:
    assert transaction.decode_again(SIGNED.encoded, SIGNED.entry) == SIGNED


texts = st.text(min_size=1, max_size=20)
naturals = st.integers(0, codec.INT_MAX)
arguments = st.lists(st.none() | st.booleans() | naturals | st.text(max_size=8) | st.binary(max_size=8), max_size=4)


@given(
    texts,
    naturals,
    st.none() | texts,
    naturals,
    st.lists(st.tuples(texts, naturals, texts, arguments), min_size=1, max_size=3),
)
def test_any_body_round_trips(sender: str, until: int, payer: str | None, fuel: int, calls: list[Any]) -> None:
    body = Body(b"c" * 32, sender, b"i" * 16, until, payer, fuel, tuple(Call(*call) for call in calls), ())
    signed = transaction.sign(body, [ALICE])
    assert transaction.decode(signed.encoded) == signed
    assert transaction.decode_again(signed.encoded, signed.entry) == signed
    assert signed.body == replace(body, keys=((SUITE_ED25519, ALICE.public),))


def test_order_of_signing_keys_does_not_matter() -> None:
    assert transaction.sign(BODY, [BOB, ALICE]) == SIGNED


def test_signing_again_keeps_the_id() -> None:
    """Any other signatures under the same body give the same id; only the entry tells them apart."""
    spoilt = [SIGNED.signatures[0], bytes(64)]
    other = transaction.assemble(SIGNED.body, spoilt)
    assert other.id == SIGNED.id
    assert other.entry != SIGNED.entry
    assert not other.has_valid_signatures()


def test_signatures_in_the_other_order_are_wrong() -> None:
    assert not transaction.assemble(SIGNED.body, SIGNED.signatures[::-1]).has_valid_signatures()


def test_each_field_is_in_the_id() -> None:
    changed = [
        replace(SIGNED.body, chain_id=b"d" * 32),
        replace(SIGNED.body, sender="hansa1other"),
        replace(SIGNED.body, client_id=b"j" * 16),
        replace(SIGNED.body, valid_until_ms=1),
        replace(SIGNED.body, fuel_payer="hansa1sender"),
        replace(SIGNED.body, fuel_limit=1),
        replace(SIGNED.body, calls=SIGNED.body.calls * 2),
        replace(SIGNED.body, calls=(replace(SIGNED.body.calls[0], interface=2),)),
        replace(SIGNED.body, calls=(replace(SIGNED.body.calls[0], arguments=["hansa1payee", "EUR.alpha", 251]),)),
        replace(SIGNED.body, keys=tuple(sorted([(1, ALICE.public), (1, EVE.public)]))),
    ]
    made = [transaction.assemble(body, SIGNED.signatures) for body in changed]
    assert len({SIGNED.id, *(each.id for each in made)}) == len(changed) + 1
    assert not any(each.has_valid_signatures() for each in made)


def test_no_changed_byte_passes() -> None:
    """Flip each bit of the wire: refused, or the signatures no longer hold. Never the same entry."""
    for position in range(8 * len(SIGNED.encoded)):
        changed = bytearray(SIGNED.encoded)
        changed[position // 8] ^= 1 << position % 8
        try:
            other = transaction.decode(bytes(changed))
        except Invalid:
            continue
        assert other.entry != SIGNED.entry
        assert not other.has_valid_signatures()


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    for prefix in (b"", b"\x01", b"\x01\x92"):
        assert refusal(prefix + data).reason in (Reason.MALFORMED, Reason.BAD_VERSION)


def test_body_read_as_transaction_is_refused() -> None:
    assert refusal(SIGNED.body.encode()).reason is Reason.MALFORMED


@pytest.mark.parametrize("tail", [b"\x00", b"\xc0", SIGNED.encoded])
def test_trailing_bytes(tail: bytes) -> None:
    assert refusal(SIGNED.encoded + tail).reason is Reason.MALFORMED
    inner = SIGNED.body.encode() + tail
    assert refusal(codec.encode(1, [inner, list(SIGNED.signatures)])).reason is Reason.MALFORMED


CALL = ["payments", 1, "pay", []]
KEYS = [list(key) for key in SIGNED.body.keys]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"chain_id": b"c" * 31}, Reason.MALFORMED),
        ({"chain_id": "c" * 32}, Reason.MALFORMED),
        ({"sender": ""}, Reason.BAD_ADDRESS),
        ({"sender": "h" * 91}, Reason.BAD_ADDRESS),
        ({"sender": None}, Reason.MALFORMED),
        ({"client_id": b"i" * 17}, Reason.MALFORMED),
        ({"valid_until_ms": -1}, Reason.MALFORMED),
        ({"valid_until_ms": 2**63}, Reason.MALFORMED),
        ({"valid_until_ms": True}, Reason.MALFORMED),
        ({"fuel_payer": ""}, Reason.BAD_ADDRESS),
        ({"fuel_payer": 0}, Reason.MALFORMED),
        ({"fuel_limit": -1}, Reason.MALFORMED),
        ({"fuel_limit": None}, Reason.MALFORMED),
        ({"calls": []}, Reason.MALFORMED),
        ({"calls": [CALL] * 17}, Reason.TOO_LARGE),
        ({"calls": [["", 1, "pay", []]]}, Reason.MALFORMED),
        ({"calls": [["c" * 65, 1, "pay", []]]}, Reason.MALFORMED),
        ({"calls": [["payments", -1, "pay", []]]}, Reason.MALFORMED),
        ({"calls": [["payments", 1, "", []]]}, Reason.MALFORMED),
        ({"calls": [["payments", 1, "pay", None]]}, Reason.MALFORMED),
        ({"calls": [["payments", 1, "pay", [0] * 33]]}, Reason.TOO_LARGE),
        ({"calls": [["payments", 1, "pay"]]}, Reason.MALFORMED),
        ({"keys": []}, Reason.MALFORMED),
        ({"keys": KEYS[::-1]}, Reason.MALFORMED),
        ({"keys": [KEYS[0], KEYS[0]]}, Reason.MALFORMED),
        ({"keys": [[1, bytes([number]) * 32] for number in range(17)]}, Reason.TOO_LARGE),
        ({"keys": [[2, ALICE.public], KEYS[1]]}, Reason.BAD_VERSION),
        ({"keys": [[1, ALICE.public[:31]], KEYS[1]]}, Reason.MALFORMED),
    ],
)
def test_refused_body(changes: dict[str, Any], reason: Reason) -> None:
    assert refusal(wire(body_value(**changes))).reason is reason


def test_missing_or_added_field() -> None:
    value = body_value()
    assert refusal(wire(value[:-1])).reason is Reason.MALFORMED
    assert refusal(wire([*value, None])).reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("signatures", "detail"),
    [
        ([], "2 keys sign, 0 signatures are here"),
        (SIGNED.signatures[:1], "2 keys sign, 1 signatures are here"),
        ([*SIGNED.signatures, bytes(64)], "2 keys sign, 3 signatures are here"),
        ([SIGNED.signatures[0], bytes(63)], "64 bytes are expected"),
        ([SIGNED.signatures[0], "s" * 64], "64 bytes are expected"),
    ],
)
def test_refused_signatures(signatures: list[Any], detail: str) -> None:
    error = refusal(wire(body_value(), signatures))
    assert (error.reason, error.detail) == (Reason.MALFORMED, detail)


def test_other_versions() -> None:
    assert refusal(b"\x02" + SIGNED.encoded[1:]).reason is Reason.BAD_VERSION
    inner = b"\x02" + SIGNED.body.encode()[1:]
    assert refusal(codec.encode(1, [inner, list(SIGNED.signatures)])).reason is Reason.BAD_VERSION


def test_size_limit() -> None:
    def sized(filler: int) -> Body:
        return replace(BODY, calls=(Call("registry", 1, "add", [bytes(filler)]),))

    room = TRANSACTION_BYTES_MAX - len(transaction.sign(sized(70_000), [ALICE]).encoded) + 70_000
    largest = transaction.sign(sized(room), [ALICE])
    assert TRANSACTION_BYTES_MAX - 8 <= len(largest.encoded) <= TRANSACTION_BYTES_MAX
    with pytest.raises(Invalid) as refused:
        transaction.sign(sized(room + 16), [ALICE])
    assert refused.value.reason is Reason.TOO_LARGE


def test_signature_is_over_the_id_under_its_own_tag() -> None:
    assert transaction.signing_message(SIGNED.body) == b"hansa/sign-transaction\0" + SIGNED.id
    signatures = {pair.public: pair.sign(transaction.signing_message(SIGNED.body)) for pair in (ALICE, BOB)}
    assert transaction.assemble(SIGNED.body, [signatures[public] for _, public in SIGNED.body.keys]) == SIGNED
    untagged = [ALICE.sign(SIGNED.id) for _ in SIGNED.body.keys]
    assert not transaction.assemble(SIGNED.body, untagged).has_valid_signatures()


def test_same_key_twice_cannot_sign() -> None:
    with pytest.raises(Invalid) as refused:
        transaction.sign(BODY, [ALICE, ALICE])
    assert refused.value.reason is Reason.MALFORMED
