"""The state tree: against a naive reference, its proofs, and prepare / install."""

from bisect import bisect_left
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state import proof as state_proof
from state.bucket import SHORT_BYTES_MAX, short
from state.cache import Missing
from state.errors import Corrupt, Invalid, Reason
from state.proof import BUCKET_KEYS_MAX, EMPTY_DIGEST, StateProof, verify_proof
from state.tree import Below, Branch, Tree, value_digest

Contents = dict[bytes, bytes]


class Leaves:
    """The caller's store: contents by key, read as the tree reads it. Counts reads."""

    def __init__(self, contents: Contents | None = None) -> None:
        self.contents: Contents = dict(contents or {})
        self.reads = 0

    def __call__(self, start: bytes, stop: bytes | None) -> tuple[bytes, list[bytes]]:
        self.reads += 1
        rows = sorted((sha256(key).digest(), value) for key, value in self.contents.items())
        digests = [digest for digest, _ in rows]
        chosen = rows[bisect_left(digests, start) : len(rows) if stop is None else bisect_left(digests, stop)]
        return b"".join(digest + value_digest(value) for digest, value in chosen), [short(value) for _, value in chosen]

    def apply(self, changes: dict[bytes, bytes | None]) -> None:
        for key, value in changes.items():
            if value is None:
                self.contents.pop(key, None)
            else:
                self.contents[key] = value


def naive_root(contents: Contents) -> bytes:
    """The definition in state/proof.py, word for word, from scratch."""

    def hashed(tag: bytes, data: bytes) -> bytes:
        return sha256(b"hansa/" + tag + b"\0" + data).digest()

    def subtree(rows: list[tuple[str, bytes]], depth: int) -> bytes:
        if not rows:
            return hashed(b"tree-empty", b"")
        if len(rows) <= 32:
            return hashed(b"tree-bucket", b"".join(bytes.fromhex(path) + bound for path, bound in rows))
        children = [[row for row in rows if row[0][depth] == nibble] for nibble in "0123456789abcdef"]
        return hashed(b"tree-branch", b"".join(subtree(child, depth + 1) for child in children))

    rows = [(sha256(key).hexdigest(), hashed(b"tree-value", value)) for key, value in contents.items()]
    return subtree(sorted(rows), 0)


def numbered(count: int) -> Contents:
    return {b"key-%d" % index: b"value-%d" % index for index in range(count)}


def as_changes(contents: Contents) -> dict[bytes, bytes | None]:
    return dict(contents)


def applied(leaves: Leaves, tree: Tree, changes: dict[bytes, bytes | None]) -> bytes:
    root = tree.update(changes)
    leaves.apply(changes)
    return root


KEYS = st.integers(0, 400).map(lambda index: b"key-%d" % index)
VALUES = st.one_of(st.binary(max_size=8), st.sampled_from([SHORT_BYTES_MAX, SHORT_BYTES_MAX + 1]).map(bytes))
CHANGES = st.dictionaries(KEYS, st.one_of(st.none(), VALUES), max_size=120)


def test_the_empty_tree() -> None:
    tree = Tree(Leaves())
    assert (tree.root, tree.key_count) == (EMPTY_DIGEST, 0)
    verify_proof(tree.root, b"anything", None, tree.prove(b"anything"))


@pytest.mark.parametrize("count", [1, 31, 32, 33, 34, 300, 513, 5000])
def test_the_root_is_the_naive_one(count: int) -> None:
    contents = numbered(count)
    leaves = Leaves()
    tree = Tree(leaves)
    assert applied(leaves, tree, as_changes(contents)) == tree.root == naive_root(contents)
    assert tree.key_count == count
    assert Tree(leaves).root == tree.root


def test_a_known_root() -> None:
    tree = Tree(Leaves(numbered(1000)))
    assert tree.root.hex() == "72c4181047bd178a7655324b2cad99bcbf7d9e25dd78d32b1dcf5c8f66dfcd68"


@settings(max_examples=60, deadline=None)
@given(st.lists(CHANGES, max_size=8), st.randoms(use_true_random=False))
def test_the_root_depends_on_contents_alone(blocks: list[dict[bytes, bytes | None]], random: object) -> None:
    leaves = Leaves()
    tree = Tree(leaves, bucket_cache_bytes_max=4000)
    for changes in blocks:
        root = applied(leaves, tree, changes)
        assert root == naive_root(leaves.contents)
        assert tree.key_count == len(leaves.contents)
    items = list(leaves.contents.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    at_once = Tree(Leaves())
    assert at_once.update(dict(items)) == tree.root
    one_by_one, stepwise = Leaves(), None
    stepwise = Tree(one_by_one)
    for key, value in items[:150]:
        applied(one_by_one, stepwise, {key: value})
    for key, value in items[150:]:
        applied(one_by_one, stepwise, {key: value})
    assert stepwise.root == tree.root
    assert Tree(leaves).root == tree.root


def check_recalled(tree: Tree, contents: Contents, bytes_max: int) -> None:
    for index in range(401):
        key = b"key-%d" % index
        found, value = tree.recall(sha256(key).digest()), contents.get(key)
        if isinstance(found, Missing):
            assert bytes_max < 1 << 20 or (value is not None and not 0 < len(value) <= SHORT_BYTES_MAX)
        else:
            assert found == value


@settings(max_examples=40, deadline=None)
@given(st.lists(CHANGES, max_size=8), st.sampled_from([0, 3_000, 1 << 20]), st.integers(0, 150))
def test_what_is_recalled_is_the_value(blocks: list[dict[bytes, bytes | None]], bytes_max: int, count: int) -> None:
    leaves = Leaves(numbered(count))
    tree = Tree(leaves, bucket_cache_bytes_max=bytes_max)
    check_recalled(tree, leaves.contents, bytes_max)
    for changes in blocks:
        before = dict(leaves.contents)
        prepared = tree.prepare(changes)
        check_recalled(tree, before, bytes_max)
        tree.install(prepared)
        leaves.apply(changes)
        check_recalled(tree, leaves.contents, bytes_max)
    check_recalled(Tree(leaves, bucket_cache_bytes_max=bytes_max), leaves.contents, bytes_max)


def test_growing_and_shrinking_by_one_key_at_every_size() -> None:
    leaves = Leaves()
    tree = Tree(leaves)
    contents = numbered(150)
    for key, value in contents.items():
        assert applied(leaves, tree, {key: value}) == naive_root(leaves.contents)
    for key in contents:
        assert applied(leaves, tree, {key: None}) == naive_root(leaves.contents)
    assert tree.root == EMPTY_DIGEST


def test_a_subtree_that_shrinks_merges_at_several_levels_at_once() -> None:
    contents = numbered(5000)
    leaves = Leaves(contents)
    tree = Tree(leaves)
    kept = dict(list(contents.items())[:20])
    gone: dict[bytes, bytes | None] = {key: None for key in contents if key not in kept}
    assert applied(leaves, tree, gone) == naive_root(kept)
    assert len(tree.prove(b"key-1").levels) == 0


def test_a_touched_bucket_is_read_once() -> None:
    contents = numbered(2000)
    leaves = Leaves(contents)
    tree = Tree(leaves, bucket_cache_bytes_max=0)
    leaves.reads = 0
    keys = list(contents)[:500]
    buckets = {tree.prove(key).bucket for key in keys}
    leaves.reads = 0
    tree.update(dict.fromkeys(keys, b"new"))
    assert leaves.reads == len(buckets)


def test_prepare_changes_nothing_until_it_is_installed() -> None:
    contents = numbered(700)
    leaves = Leaves(contents)
    tree = Tree(leaves)
    before = tree.root
    changes: dict[bytes, bytes | None] = dict.fromkeys(list(contents)[:690])
    prepared = tree.prepare(changes)
    assert tree.root == before
    for key in (b"key-1", b"key-699", b"absent"):
        verify_proof(before, key, contents.get(key), tree.prove(key))
    other = tree.prepare({b"key-1": b"other"})
    leaves.apply(changes)
    assert tree.install(prepared) == naive_root(leaves.contents) == tree.root
    with pytest.raises(AssertionError, match="the tree moved on after this update was prepared"):
        tree.install(other)


def test_a_prepared_update_may_be_discarded() -> None:
    contents = numbered(700)
    leaves = Leaves(contents)
    tree = Tree(leaves, bucket_cache_bytes_max=5000)
    tree.prepare(dict.fromkeys(contents))
    tree.prepare({b"fresh-%d" % index: b"" for index in range(5000)})
    assert applied(leaves, tree, {b"key-3": b"three"}) == naive_root(leaves.contents)


def test_deleting_what_is_absent_and_writing_what_is_there_keep_the_root() -> None:
    leaves = Leaves(numbered(100))
    tree = Tree(leaves)
    assert tree.prepare({b"absent": None}).root == tree.root
    assert tree.prepare({b"key-7": b"value-7"}).root == tree.root
    assert tree.prepare({}).root == tree.root


def test_a_value_digest_made_to_look_like_a_key_is_not_one() -> None:
    """A key may be chosen so that its digest equals the value digest beside another key."""
    disguised = state_proof.VALUE_PREFIX + b"value-1"
    contents = numbered(8)
    leaves = Leaves(contents)
    tree = Tree(leaves)
    assert sha256(disguised).digest() == value_digest(b"value-1")
    assert tree.prepare({disguised: None}).root == tree.root
    verify_proof(tree.root, disguised, None, tree.prove(disguised))
    assert applied(leaves, tree, {disguised: b"here"}) == naive_root(leaves.contents)


def test_a_bucket_that_the_store_lost_is_found_out() -> None:
    leaves = Leaves(numbered(700))
    tree = Tree(leaves, bucket_cache_bytes_max=0)
    leaves.contents[b"key-5"] = b"changed behind the tree's back"
    with pytest.raises(Corrupt, match="are not the ones it was built from: the disk lost or changed data"):
        tree.prove(b"key-5")


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([1, 5, 32, 33, 600]), st.integers(0, 700), st.data())
def test_proofs_of_presence_and_absence(count: int, index: int, data: st.DataObject) -> None:
    contents = numbered(count)
    tree = Tree(Leaves(contents))
    key = b"key-%d" % index
    value = contents.get(key)
    proof = tree.prove(key)
    verify_proof(tree.root, key, value, proof)
    assert StateProof.from_value(proof.to_value()) == proof
    for wrong in {None, b"", b"wrong", value} - {value}:
        with pytest.raises(Invalid) as refused:
            verify_proof(tree.root, key, wrong, proof)
        assert refused.value.reason is Reason.BAD_PROOF
    parts = [*proof.levels, proof.bucket]
    which = data.draw(st.sampled_from([place for place, part in enumerate(parts) if part] or [0]))
    if parts[which]:
        at = data.draw(st.integers(0, len(parts[which]) - 1))
        bit = data.draw(st.integers(0, 7))
        spoilt = bytearray(parts[which])
        spoilt[at] ^= 1 << bit
        parts[which] = bytes(spoilt)
        with pytest.raises(Invalid):
            verify_proof(tree.root, key, value, StateProof(tuple(parts[:-1]), parts[-1]))


def test_every_flipped_byte_of_a_proof_is_refused() -> None:
    contents = numbered(600)
    tree = Tree(Leaves(contents))
    for key, value in ((b"key-77", b"value-77"), (b"absent", None)):
        proof = tree.prove(key)
        parts = [*proof.levels, proof.bucket]
        for which, part in enumerate(parts):
            for at in range(len(part)):
                flipped = [*parts]
                flipped[which] = part[:at] + bytes([part[at] ^ 0x10]) + part[at + 1 :]
                with pytest.raises(Invalid):
                    verify_proof(tree.root, key, value, StateProof(tuple(flipped[:-1]), flipped[-1]))
        with pytest.raises(Invalid, match="leads to another root"):
            verify_proof(bytes(32), key, value, proof)


def test_proofs_of_the_wrong_shape_are_refused() -> None:
    contents = numbered(600)
    tree = Tree(Leaves(contents))
    proof = tree.prove(b"key-77")
    entries = proof.bucket
    swapped = entries[64:128] + entries[:64] + entries[128:]
    foreign = tree.prove(b"key-1").bucket
    cases = [
        (replace(proof, levels=proof.levels[:-1]), "bad_proof: the state proof leads to another root"),
        (replace(proof, levels=proof.levels * 70), "bad_proof: the state proof has a size that no tree gives"),
        (replace(proof, levels=(proof.levels[0][:-1], *proof.levels[1:])), "a level of a state proof has fifteen"),
        (replace(proof, bucket=entries[:-1]), "bad_proof: the state proof has a size that no tree gives"),
        (replace(proof, bucket=entries * 33), "bad_proof: the state proof has a size that no tree gives"),
        (replace(proof, bucket=swapped), "bad_proof: the state proof's bucket is out of order"),
        (replace(proof, bucket=foreign), "bad_proof: the state proof's bucket lists a key of another subtree"),
        (replace(proof, bucket=b""), "bad_proof: the state proof leads to another root"),
    ]
    for spoilt, message in cases:
        with pytest.raises(Invalid, match=message):
            verify_proof(tree.root, b"key-77", b"value-77", spoilt)
    with pytest.raises(Invalid, match="bad_proof: the state proof shows that the key is present"):
        verify_proof(tree.root, b"key-77", None, proof)
    with pytest.raises(Invalid, match="bad_proof: the state proof shows another value"):
        verify_proof(tree.root, b"key-77", b"", proof)
    absent = tree.prove(b"absent")
    with pytest.raises(Invalid, match="bad_proof: the state proof shows that the key is absent"):
        verify_proof(tree.root, b"absent", b"", absent)


@pytest.mark.parametrize(
    "value",
    [None, [], [[], b"", b""], [[], ""], [b"", b""], [[1], b""], [[b""] * 65, b""], [[], bytes(64 * 33)], [{}, b""]],
)
def test_values_that_are_no_proof_are_refused(value: object) -> None:
    with pytest.raises(Invalid) as refused:
        StateProof.from_value(value)
    assert refused.value.reason is Reason.BAD_PROOF


def test_a_bucket_holds_at_most_its_limit() -> None:
    tree = Tree(Leaves(numbered(5000)))
    assert max(len(tree.prove(b"key-%d" % index).bucket) for index in range(500)) <= 64 * BUCKET_KEYS_MAX


def remembered_bytes(below: Below) -> int:
    """The contents of buckets below, as far as they are remembered."""
    if isinstance(below, Branch):
        return sum(remembered_bytes(child) for child in below.below)
    return len(below or b"")


@settings(max_examples=40, deadline=None)
@given(st.lists(CHANGES, max_size=8), st.sampled_from([0, 3_000, 12_000, 1 << 20]))
def test_what_is_remembered_is_counted_and_bounded(blocks: list[dict[bytes, bytes | None]], bytes_max: int) -> None:
    leaves = Leaves(numbered(150))
    tree = Tree(leaves, bucket_cache_bytes_max=bytes_max)
    for changes in blocks:
        assert applied(leaves, tree, changes) == naive_root(leaves.contents)
        if isinstance(tree._node[2], Branch):
            assert remembered_bytes(tree._node[2]) == tree._remembered_bytes <= bytes_max
