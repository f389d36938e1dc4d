"""Frames and Hellos as bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p.frame import (
    FRAMES_PER_MESSAGE_MAX,
    MESSAGE_BYTES_MAX,
    Hello,
    LinkKind,
    Role,
    decode_hello,
    encode_hello,
    frame_header,
    split_message,
)
from state.errors import Invalid, Reason

HELLO = Hello(b"\x01" * 32, b"\x02" * 32, LinkKind.VOTES, Role.OBSERVER, 300, b"a vote", "0.1.0", 2)
HELLO_BYTES = bytes.fromhex(
    "01" + "98" + "c420" + "01" * 32 + "c420" + "02" * 32
    + "a5766f746573" + "a86f62736572766572" + "cd012c" + "c4066120766f7465"
    + "a5302e312e30" + "02"
)  # fmt: skip


def test_the_bytes_of_a_hello() -> None:
    assert encode_hello(HELLO) == HELLO_BYTES
    assert decode_hello(HELLO_BYTES) == HELLO


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.BAD_VERSION),
        (b"\x02" + HELLO_BYTES[1:], Reason.BAD_VERSION),
        (HELLO_BYTES[:-1], Reason.MALFORMED),
        (HELLO_BYTES + b"\x00", Reason.MALFORMED),
        (HELLO_BYTES.replace(b"\xa5votes", b"\xa5wotes"), Reason.MALFORMED),
        (HELLO_BYTES.replace(b"\xa8observer", b"\xa8observed"), Reason.MALFORMED),
        (HELLO_BYTES.replace(b"\xcd\x01\x2c", b"\xce\x00\x00\x01\x2c"), Reason.MALFORMED),
        (HELLO_BYTES.replace(b"\xcd\x01\x2c", b"\xff"), Reason.MALFORMED),
        (HELLO_BYTES.replace(b"\xc4\x20" + b"\x01" * 32, b"\xc4\x1f" + b"\x01" * 31), Reason.MALFORMED),
        (HELLO_BYTES.replace(b"\xa50.1.0", b"\xa50.1\n0"), Reason.MALFORMED),
        (HELLO_BYTES.replace(b"\xa50.1.0", b"\xd9\x21" + b"1" * 33), Reason.MALFORMED),
        (HELLO_BYTES.replace(b"\x98", b"\x97")[:-1], Reason.MALFORMED),
        (bytes(100_000), Reason.BAD_VERSION),
        (b"\x01" + bytes(100_000), Reason.TOO_LARGE),
    ],
)  # fmt: skip
def test_a_hello_that_is_refused(data: bytes, reason: Reason) -> None:
    with pytest.raises(Invalid) as refused:
        decode_hello(data)
    assert refused.value.reason is reason


def test_what_a_later_release_says_at_the_end_is_not_read() -> None:
    assert decode_hello(HELLO_BYTES.replace(b"\x98", b"\x9a") + b"\xa3new\xc0") == HELLO


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), min_size=1, max_size=50))
def test_frames_come_out_as_they_went_in(frames: list[tuple[int, bytes]]) -> None:
    message = b"".join(frame_header(kind, payload) + payload for kind, payload in frames)
    assert split_message(message) == frames


@given(st.binary(max_size=200))
def test_any_bytes_are_whole_frames_or_refused(message: bytes) -> None:
    try:
        frames = split_message(message)
    except Invalid:
        return
    assert b"".join(frame_header(kind, payload) + payload for kind, payload in frames) == message


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        (b"", "malformed: a message is made of whole frames, at least one"),
        (b"\x01\x00\x00\x00", "malformed: a message is made of whole frames, at least one"),
        (b"\x01\x00\x00\x00\x02x", "malformed: a message is made of whole frames, at least one"),
        (b"\x01\xff\xff\xff\xffx", "malformed: a message is made of whole frames, at least one"),
        (b"\x01\x00\x00\x00\x01xy", "malformed: a message is made of whole frames, at least one"),
        (bytes(5) * (FRAMES_PER_MESSAGE_MAX + 1), "too_large: more than 1024 frames in a message"),
    ],
)
def test_a_message_that_is_refused(message: bytes, detail: str) -> None:
    with pytest.raises(Invalid) as refused:
        split_message(message)
    assert str(refused.value) == detail


def test_the_largest_new_view_fits_a_votes_message() -> None:
    """4,000 ids of 64 bytes, and the view changes of 67 out of 100 validators, one with its certificate each."""
    certificate = 67 * (64 + 4)
    assert 4000 * 64 + 67 * (certificate + 300) < MESSAGE_BYTES_MAX[LinkKind.VOTES]
