"""Bytes as a hostile peer makes them: good ones spoilt a little, in every way, and some that never were good."""

from collections.abc import Callable, Sequence
from random import Random

import msgpack
from hypothesis import strategies as st

from state.codec import Value
from state.errors import Invalid

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.sampled_from([-1, 0, 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1])
    | st.text(max_size=8)
    | st.binary(max_size=70)
    | st.sampled_from([bytes(32), bytes(64), bytes(65)])
)
VALUES: st.SearchStrategy[Value] = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=5), max_leaves=12)


def only_invalid(decode: Callable[[bytes], object], data: bytes) -> object | None:
    """What the bytes are, None where they are refused. Whatever else is raised fails the test."""
    try:
        return decode(data)
    except Invalid:
        return None


def spoilt(samples: Sequence[bytes], version_bytes: int) -> st.SearchStrategy[bytes]:
    """Bytes that are close to one of the samples.

    :param version_bytes: how many bytes stand before the msgpack.
    """
    whole = st.sampled_from(list(samples))
    return st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=200).map(lambda tail: samples[0][:version_bytes] + tail),
        VALUES.map(lambda value: samples[0][:version_bytes] + _packed(value)),
        st.builds(_overwritten, whole, st.integers(0), st.binary(min_size=1, max_size=4)),
        st.builds(_inserted, whole, st.integers(0), st.binary(min_size=1, max_size=4)),
        st.builds(_cut, whole, st.integers(0), st.integers(1, 40)),
        st.builds(_spliced, whole, whole, st.integers(0), st.integers(0)),
        st.builds(
            lambda sample, path, value: sample[:version_bytes] + _replaced(sample[version_bytes:], path, value),
            whole,
            st.lists(st.integers(0, 20), min_size=1, max_size=6),
            VALUES,
        ),
    )


def spoil(random: Random, sample: bytes, version_bytes: int) -> bytes:
    """One such spoilt copy, for a test that keeps its state from one to the next."""
    at, patch = random.randrange(1 << 16), random.randbytes(random.randint(1, 4))
    values: list[Value] = [None, True, -1, 0, 2**63 - 1, 2**63, 2**64 - 1, "", b"", bytes(32), bytes(64), [], [[0]]]
    path = [random.randrange(20) for _ in range(random.randint(1, 6))]
    return random.choice(
        [
            lambda: random.randbytes(random.randrange(200)),
            lambda: _overwritten(sample, at, patch),
            lambda: _inserted(sample, at, patch),
            lambda: _cut(sample, at, random.randint(1, 40)),
            lambda: sample[:version_bytes] + _replaced(sample[version_bytes:], path, random.choice(values)),
            lambda: sample[:version_bytes] + _replaced(sample[version_bytes:], path, random.choice(values)),
        ]
    )()


def _packed(value: object) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def _overwritten(sample: bytes, at: int, patch: bytes) -> bytes:
    at %= len(sample)
    return sample[:at] + patch + sample[at + len(patch) :]


def _inserted(sample: bytes, at: int, patch: bytes) -> bytes:
    at %= len(sample) + 1
    return sample[:at] + patch + sample[at:]


def _cut(sample: bytes, at: int, size: int) -> bytes:
    at %= len(sample)
    return sample[:at] + sample[at + size :]


def _spliced(first: bytes, second: bytes, at: int, other_at: int) -> bytes:
    return first[: at % (len(first) + 1)] + second[other_at % (len(second) + 1) :]


def _replaced(packed: bytes, path: Sequence[int], value: Value) -> bytes:
    """The sample with another value somewhere inside, in its one canonical spelling: only its meaning is wrong."""
    try:
        root = msgpack.unpackb(packed, raw=False)
    except msgpack.ExtraData as several:
        root = several.unpacked
    holder = root
    for depth, step in enumerate(path):
        if not isinstance(holder, list) or not holder:
            return _packed(value)
        inner = holder[step % len(holder)]
        if depth == len(path) - 1 or not isinstance(inner, list) or not inner:
            holder[step % len(holder)] = value
            break
        holder = inner
    return _packed(root)
