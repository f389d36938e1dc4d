"""Sealed data: known answers by libsodium and hashlib alone, who can open what, and what any change does."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256, shake_256
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import bindings
from nacl.exceptions import CryptoError

from state import sealed
from state.errors import Invalid, Reason
from state.sealed import Attribute, Commitments, Header, Reader, Record, Wrap

CHAIN_ID = b"\x11" * 32
SECRETS = {name: sha256(name.encode()).digest() for name in ("alpine", "watch", "mallory")}
READERS = [Reader(name, number, sealed.public_of(SECRETS[name])) for name, number in (("alpine", 3), ("watch", 0))]
PERSON: list[tuple[str, str | bytes]] = [("given_names", "Ada"), ("family_name", "Lovelace"), ("photo", b"\x00\xff")]
ENTROPY = bytes(range(184))


def tagged(tag: str, data: bytes) -> bytes:
    return sha256(b"hansa/" + tag.encode() + b"\0" + data).digest()


def pack(value: Any) -> bytes:
    return msgpack.packb(value, use_bin_type=True)  # type: ignore[no-any-return]


def made(subject: str = "hansat1ada", readers: list[Reader] = READERS) -> Record:
    return sealed.seal(CHAIN_ID, "identity", "alpine", subject, PERSON, readers, ENTROPY)


def header_of(record: Record, subject: str = "hansat1ada") -> Header:
    return Header(CHAIN_ID, "identity", "alpine", subject, record.nonce)


def opened(record: Record, wrap: Wrap, secret: bytes, header: Header | None = None) -> tuple[Attribute, ...]:
    header = header or header_of(record)
    content_key = sealed.unwrap_key(header.context, wrap, secret)
    return sealed.open_record(header, record.commitments, record.ciphertext, content_key)


def reason_of(action: Callable[[], object]) -> Reason:
    with pytest.raises(Invalid) as caught:
        action()
    return caught.value.reason


def test_a_record_byte_by_byte() -> None:
    """The module's own page of rules, followed with libsodium, msgpack and SHA-256 alone."""
    assert sealed.entropy_bytes(3) == len(ENTROPY) == 24 + 32 + 32 + 3 * 32
    nonce, content_key, ephemeral = ENTROPY[:24], ENTROPY[24:56], ENTROPY[56:88]
    salts = [ENTROPY[88:120], ENTROPY[120:152], ENTROPY[152:184]]
    context = tagged("sealed-record", b"\x01" + pack([CHAIN_ID, "identity", "alpine", "hansat1ada", nonce]))
    listed = [["family_name", salts[0], "Lovelace"], ["given_names", salts[1], "Ada"], ["photo", salts[2], b"\x00\xff"]]
    commitments = [[entry[0], tagged("sealed-attribute", context + pack(entry))] for entry in listed]
    plain = b"\x01" + pack(listed)
    padded = plain + b"\x80" + bytes(256 - len(plain) - 1)
    header = b"hansa/sealed-data\0" + context + pack(commitments)
    ciphertext = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(padded, header, nonce, content_key)
    public = bindings.crypto_scalarmult_base(ephemeral)
    wraps = []
    for reader in READERS:
        shared = bindings.crypto_scalarmult(ephemeral, reader.public)
        place = context + pack([reader.member, reader.number])
        key = tagged("sealed-wrap", shared + public + reader.public + place)
        box = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(content_key, place, bytes(24), key)
        wraps.append([reader.member, reader.number, public + box])
    record = made()
    assert record.encode() == b"\x01" + pack([nonce, commitments, ciphertext, wraps])
    assert Record.decode(record.encode()) == record
    identity = tagged(
        "sealed-id", b"\x01" + pack(["identity", "alpine", "hansat1ada", nonce, commitments, ciphertext])
    ).hex()
    assert record.id("identity", "alpine", "hansat1ada") == identity


def test_the_answers_are_pinned() -> None:
    """A change of any byte of the format would leave records on chains unreadable."""
    record = made()
    assert header_of(record).context.hex() == "220fc610f833c3d1692c65de224ca13035b49e7cb961dc64e7dfd45fd42331b9"
    name = record.id("identity", "alpine", "hansat1ada")
    assert name == "0a637889eee0fa29ad0610933facfb2e51168150fb95ba7a5ccd0fce4f5ed52c"
    assert sha256(record.encode()).hexdigest() == "3c3dcc3fa85693bbb4c493e62aed52134b0d2d8bb6d602a64dec85d00d5ec417"


def test_libsodium_is_the_cipher_of_the_draft() -> None:
    """draft-irtf-cfrg-xchacha-03, A.3.1."""
    plain = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen"
        b" would be it."
    )
    found = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        plain,
        bytes.fromhex("50515253c0c1c2c3c4c5c6c7"),
        bytes(range(0x40, 0x58)),
        bytes(range(0x80, 0xA0)),
    )
    assert found[:16].hex() == "bd6d179d3e83d43b9576579493c0e939"
    assert found[-16:].hex() == "c0875924c1c7987947deafd8780acf49"


@pytest.mark.parametrize("reader", [0, 1])
def test_each_reader_opens_it(reader: int) -> None:
    record = made()
    wrap = record.wraps[reader]
    attributes = opened(record, wrap, SECRETS[wrap.member])
    assert [(entry.name, entry.value) for entry in attributes] == sorted(PERSON)


def test_nobody_else_opens_it() -> None:
    record = made()
    for wrap in record.wraps:
        for name, secret in SECRETS.items():
            if name != wrap.member:
                assert reason_of(lambda wrap=wrap, secret=secret: opened(record, wrap, secret)) is Reason.BAD_SEAL  # type: ignore[misc]


@pytest.mark.parametrize(
    "changed",
    [{"member": "watch"}, {"number": 4}, {"sealed": bytes(80)}, {"sealed": b"\x09" + bytes(31) + b"\x01" * 48}],
)
def test_a_wrap_is_for_one_member_key_and_record(changed: dict[str, Any]) -> None:
    record = made()
    wrap = replace(record.wraps[0], **changed)
    assert reason_of(lambda: opened(record, wrap, SECRETS["alpine"])) is Reason.BAD_SEAL
    other = made("hansat1bob")
    assert reason_of(lambda: opened(other, record.wraps[0], SECRETS["alpine"], header_of(other, "hansat1bob")))


@pytest.mark.parametrize(
    "changed",
    [
        {"chain_id": bytes(32)},
        {"kind": "travel_rule"},
        {"owner": "baltic"},
        {"subject": "hansat1bob"},
        {"nonce": bytes(24)},
    ],
)
def test_the_header_is_authenticated(changed: dict[str, Any]) -> None:
    record = made()
    key = sealed.unwrap_key(header_of(record).context, record.wraps[0], SECRETS["alpine"])
    header = replace(header_of(record), **changed)
    assert reason_of(lambda: sealed.open_record(header, record.commitments, record.ciphertext, key)) is Reason.BAD_SEAL
    assert reason_of(lambda: opened(record, record.wraps[0], SECRETS["alpine"], header)) is Reason.BAD_SEAL


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_flipped_bit_fails(data: st.DataObject) -> None:
    record = made()
    encoded = record.encode()
    place = data.draw(st.integers(0, 8 * len(encoded) - 1))
    flipped = bytearray(encoded)
    flipped[place // 8] ^= 1 << place % 8
    try:
        changed = Record.decode(bytes(flipped))
    except Invalid:
        return
    # Whatever was hit, at least one reader is told; who is not has lost nothing.
    outcomes = []
    for before, wrap in zip(record.wraps, changed.wraps, strict=False):
        try:
            attributes = opened(changed, wrap, SECRETS[before.member])
        except Invalid as error:
            outcomes.append(error.reason)
        else:
            assert [(entry.name, entry.value) for entry in attributes] == sorted(PERSON)
    assert outcomes
    assert set(outcomes) == {Reason.BAD_SEAL}
    if changed.wraps == record.wraps:
        assert len(outcomes) == len(READERS)


names = st.from_regex(sealed.NAME, fullmatch=True)
values = st.one_of(st.text(max_size=200), st.binary(max_size=200))
people = st.dictionaries(names, values, min_size=1, max_size=12)


@given(people, st.binary(min_size=32, max_size=32), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_what_is_sealed_is_what_named_readers_open(person: dict[str, str | bytes], seed: bytes, count: int) -> None:
    secrets = [sha256(seed + bytes([index])).digest() for index in range(count + 1)]
    readers = [Reader(f"bank{index}", index, sealed.public_of(secrets[index])) for index in range(count)]
    entropy = shake_256(seed).digest(sealed.entropy_bytes(len(person)))
    record = sealed.seal(CHAIN_ID, "travel_rule", "bank0", "q1", list(person.items()), readers, entropy)
    header = Header(CHAIN_ID, "travel_rule", "bank0", "q1", record.nonce)
    again = Record.decode(record.encode())
    assert again == record
    for index, wrap in enumerate(again.wraps):
        attributes = opened(again, wrap, secrets[index], header)
        assert {entry.name: entry.value for entry in attributes} == person
        for shown in attributes:
            sealed.check_disclosure(header, again.commitments, shown)
        assert reason_of(lambda wrap=wrap: opened(again, wrap, secrets[count], header)) is Reason.BAD_SEAL  # type: ignore[misc]


def test_one_reading_key_under_two_names_is_wrapped_to_under_two_keys() -> None:
    """A member may publish another's reading key as its own. A key and nonce used twice would give Poly1305 away."""
    twice = [Reader(name, 0, sealed.public_of(SECRETS["watch"])) for name in ("alpine", "watch")]
    first, second = made(readers=twice).wraps
    assert first.sealed[:32] == second.sealed[:32]
    assert first.sealed[32:64] != second.sealed[32:64]


def test_a_reader_is_added_by_one_that_can_read() -> None:
    record = made()
    context = header_of(record).context
    key = sealed.unwrap_key(context, record.wraps[0], SECRETS["alpine"])
    added = sealed.wrap_key(context, key, Reader("mallory", 9, sealed.public_of(SECRETS["mallory"])), b"\x55" * 32)
    assert [entry.value for entry in opened(record, added, SECRETS["mallory"])] == ["Lovelace", "Ada", b"\x00\xff"]
    assert added.sealed[:32] == sealed.public_of(b"\x55" * 32)


# Commitments: they bind, they hide, and one is shown without the others.


def test_one_attribute_is_shown_and_the_rest_stays_hidden() -> None:
    record = made()
    attributes = opened(record, record.wraps[0], SECRETS["alpine"])
    shown = sealed.disclose(attributes, "given_names")
    assert (shown.name, shown.value) == ("given_names", "Ada")
    sealed.check_disclosure(header_of(record), record.commitments, shown)
    assert reason_of(lambda: sealed.disclose(attributes, "shoe_size")) is Reason.UNKNOWN


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"value": "Eve"}, Reason.BAD_SEAL),
        ({"value": b"Ada"}, Reason.BAD_SEAL),
        ({"salt": bytes(32)}, Reason.BAD_SEAL),
        ({"salt": b""}, Reason.BAD_SEAL),
        ({"name": "family_name"}, Reason.BAD_SEAL),
        ({"name": "shoe_size"}, Reason.UNKNOWN),
    ],
)
def test_a_commitment_binds_to_one_value(changed: dict[str, Any], reason: Reason) -> None:
    record = made()
    shown = replace(sealed.disclose(opened(record, record.wraps[0], SECRETS["alpine"]), "given_names"), **changed)
    assert reason_of(lambda: sealed.check_disclosure(header_of(record), record.commitments, shown)) is reason


def test_a_commitment_binds_to_its_record() -> None:
    """Even the same value and salt have another commitment in another record."""
    first, second = made(), made("hansat1bob")
    assert not set(first.commitments) & set(second.commitments)
    shown = sealed.disclose(opened(first, first.wraps[0], SECRETS["alpine"]), "given_names")
    elsewhere = header_of(second, "hansat1bob")
    assert reason_of(lambda: sealed.check_disclosure(elsewhere, first.commitments, shown)) is Reason.BAD_SEAL


def test_a_commitment_hides_a_value_that_can_be_guessed() -> None:
    """Whoever guesses the value right still has 2^256 salts to try: equal values look like unequal ones."""
    person = [("a", "yes"), ("b", "yes")]
    record = sealed.seal(CHAIN_ID, "identity", "alpine", "x", person, READERS, ENTROPY[: sealed.entropy_bytes(2)])
    digests = dict(record.commitments)
    assert digests["a"] != digests["b"]
    context = header_of(record, "x").context
    guesses = [[name, salt, "yes"] for name in "ab" for salt in (b"", bytes(32))]
    assert not {tagged("sealed-attribute", context + pack(guess)) for guess in guesses} & set(digests.values())


def test_the_length_tells_little() -> None:
    sizes = set()
    for name in ("Bo", "Wolfeschlegelsteinhausenbergerdorff"):
        entropy = ENTROPY[: sealed.entropy_bytes(1)]
        sizes.add(len(sealed.seal(CHAIN_ID, "identity", "alpine", "x", [("name", name)], READERS, entropy).ciphertext))
    assert sizes == {256 + 16}


# Limits, and what is refused.


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ([], Reason.TOO_LARGE),
        ([(f"a{index}", "") for index in range(65)], Reason.TOO_LARGE),
        ([("a", "x" * 8193)], Reason.TOO_LARGE),
        ([(f"a{index}", "x" * 8192) for index in range(4)], Reason.TOO_LARGE),
        ([("A", "")], Reason.MALFORMED),
        ([("a", ""), ("a", "")], Reason.MALFORMED),
        ([("a", "\ud800")], Reason.MALFORMED),
    ],
)
def test_what_can_not_be_sealed(attributes: list[tuple[str, str | bytes]], reason: Reason) -> None:
    entropy = bytes(sealed.entropy_bytes(len(attributes)))
    assert reason_of(lambda: sealed.seal(CHAIN_ID, "k", "o", "s", attributes, READERS, entropy)) is reason


def test_readers_are_bounded_and_their_keys_checked() -> None:
    entropy = bytes(sealed.entropy_bytes(1))

    def seal_to(readers: list[Reader]) -> Record:
        return sealed.seal(CHAIN_ID, "k", "o", "s", [("a", "")], readers, entropy)

    assert reason_of(lambda: seal_to([])) is Reason.TOO_LARGE
    assert reason_of(lambda: seal_to(READERS * 9)) is Reason.TOO_LARGE
    assert reason_of(lambda: seal_to([Reader("alpine", 0, bytes(32))])) is Reason.MALFORMED
    with pytest.raises(AssertionError):
        sealed.seal(CHAIN_ID, "k", "o", "s", [("a", "")], READERS, bytes(10))


def test_low_order_points_are_those_that_libsodium_refuses() -> None:
    for point in sorted(sealed.LOW_ORDER):
        for high in (0, 0x80):
            key = point[:-1] + bytes((point[-1] | high,))
            assert not sealed.is_reading_key(key)
            with pytest.raises(Exception, match="Unexpected library error"):
                bindings.crypto_scalarmult(b"\x01" * 32, key)
    assert sealed.is_reading_key(sealed.public_of(bytes(32)))
    assert not sealed.is_reading_key(bytes(31))
    assert not sealed.is_reading_key(b"\x09" + bytes(32))


def _encoded(nonce: Any, commitments: Any, ciphertext: Any, wraps: Any) -> bytes:
    return b"\x01" + pack([nonce, commitments, ciphertext, wraps])


GOOD = (bytes(24), [["a", bytes(32)]], bytes(272), [["alpine", 0, bytes(80)]])


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, bytes(23)),
        (0, "x" * 24),
        (1, []),
        (1, [["a", bytes(31)]]),
        (1, [["b", bytes(32)], ["a", bytes(32)]]),
        (1, [["a", bytes(32)], ["a", bytes(32)]]),
        (1, [["A", bytes(32)]]),
        (1, [[f"a{index:02}", bytes(32)] for index in range(65)]),
        (2, b""),
        (2, bytes(16)),
        (2, bytes(271)),
        (2, bytes(273)),
        (2, bytes(32 * 1024 + 16)),
        (3, [["alpine", 0, bytes(79)]]),
        (3, [["alpine", -1, bytes(80)]]),
        (3, [["alpine", True, bytes(80)]]),
        (3, [["alpine", 0]]),
        (3, [["alpine", 0, bytes(80)]] * 17),
    ],
)
def test_what_is_no_record(place: int, value: Any) -> None:
    assert Record.decode(_encoded(*GOOD))
    parts: list[Any] = list(GOOD)
    parts[place] = value
    assert reason_of(lambda: Record.decode(_encoded(*parts))) in (Reason.MALFORMED, Reason.TOO_LARGE)


def test_the_largest_record_fits() -> None:
    attributes = [(f"{'n' * 30}{index:02}", "x" * 433) for index in range(64)]
    readers = [Reader(f"{'m' * 30}{index:02}", index, READERS[0].public) for index in range(16)]
    entropy = bytes(sealed.entropy_bytes(64))
    record = sealed.seal(CHAIN_ID, "k" * 32, "o" * 32, "s" * 140, attributes, readers, entropy)
    assert len(record.ciphertext) == 32 * 1024 - 256 + 16
    assert Record.decode(record.encode()) == record
    assert len(record.encode()) < sealed.RECORD_BYTES_MAX - 2_000


# A bank that cheats.


FORGED = Header(CHAIN_ID, "identity", "alpine", "x", bytes(24))
SALT, KEY = bytes(32), bytes(32)
HONEST, LIE = (
    (("name", tagged("sealed-attribute", FORGED.context + pack(["name", SALT, value]))),) for value in ("Ada", "Eve")
)
PADDED = bindings.sodium_pad(b"\x01" + pack([["name", SALT, "Ada"]]), 256)


def forged(padded: bytes, commitments: Commitments) -> bytes:
    """A ciphertext under KEY, made without the rules."""
    data_header = b"hansa/sealed-data\0" + FORGED.context + pack([list(entry) for entry in commitments])
    sealed_data: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(padded, data_header, FORGED.nonce, KEY)
    return sealed_data


@pytest.mark.parametrize(
    ("padded", "commitments"),
    [(PADDED, LIE), (PADDED, HONEST * 2), (b"\x01garbage\x80" + bytes(247), HONEST), (bytes(256), HONEST)],
)
def test_data_that_is_not_what_is_committed_to_is_told(padded: bytes, commitments: Commitments) -> None:
    with pytest.raises(Invalid) as caught:
        sealed.open_record(FORGED, commitments, forged(padded, commitments), KEY)
    assert caught.value.reason is Reason.BAD_SEAL
    assert caught.value.detail.startswith("the data opens, but")


def test_the_same_forgery_with_its_true_commitments_opens() -> None:
    assert sealed.open_record(FORGED, HONEST, forged(PADDED, HONEST), KEY)[0].value == "Ada"


def test_a_wrap_of_another_key_is_told() -> None:
    record = made()
    context = header_of(record).context
    garbage = sealed.wrap_key(context, bytes(32), READERS[1], b"\x44" * 32)
    with pytest.raises(Invalid, match="the data does not open with the key that was wrapped"):
        opened(record, garbage, SECRETS["watch"])


def test_nothing_secret_shows_in_repr() -> None:
    record = made()
    shown = repr(opened(record, record.wraps[0], SECRETS["alpine"]))
    assert "Ada" not in shown
    assert "Lovelace" not in shown
    assert "salt" not in shown


def test_planted_without_the_commitments_two_readers_could_be_told_two_stories(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the check in ``open_record`` is for: without it a record opens to what it does not commit to."""
    monkeypatch.setattr(sealed, "commitment", lambda context, attribute: dict(LIE)[attribute.name])
    assert sealed.open_record(FORGED, LIE, forged(PADDED, LIE), KEY)[0].value == "Ada"


def test_libsodium_itself_refuses_another_nonce() -> None:
    record = made()
    key = sealed.unwrap_key(header_of(record).context, record.wraps[0], SECRETS["alpine"])
    with pytest.raises(CryptoError):
        bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(record.ciphertext, b"", bytes(24), key)


@pytest.mark.parametrize(
    ("plant", "caught_by"),
    [
        (("_place", lambda context, member, number: b""), {"member": "watch"}),
        (("_place", lambda context, member, number: context), {"number": 4}),
    ],
)
def test_planted_a_wrap_that_is_not_bound_opens_for_another(
    monkeypatch: pytest.MonkeyPatch, plant: tuple[str, Any], caught_by: dict[str, Any]
) -> None:
    """What ``test_a_wrap_is_for_one_member_key_and_record`` holds against: it would fail under either."""
    monkeypatch.setattr(sealed, *plant)
    record = made()
    assert opened(record, replace(record.wraps[0], **caught_by), SECRETS["alpine"])


def test_planted_data_that_is_not_bound_opens_under_other_commitments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data's header alone would already tell a record whose commitments were exchanged."""
    record = made()
    key = sealed.unwrap_key(header_of(record).context, record.wraps[0], SECRETS["alpine"])
    fewer = record.commitments[:2]

    def told() -> str:
        with pytest.raises(Invalid) as caught:
            sealed.open_record(header_of(record), fewer, record.ciphertext, key)
        return caught.value.detail

    assert told() == "the data does not open with the key that was wrapped"
    monkeypatch.setattr(sealed, "_data_header", lambda context, commitments: b"")
    record = made()
    assert told() == "the data opens, but its attributes are not those that the record commits to"
