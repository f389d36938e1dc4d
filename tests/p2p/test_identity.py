"""Roots and leaves, and what never touches a disk in clear."""

import os
import tempfile
from pathlib import Path

import pytest
from cryptography import x509
from nacl.signing import SigningKey

from p2p.identity import (
    LEAF_LIFETIME,
    Identity,
    check_root,
    issue_leaf,
    leaf_is_due,
    make_identity,
    make_root,
    public_key,
    read_leaf,
)
from p2p.tls import server_context
from state.errors import Invalid, Reason

SEED = bytes(range(32))
NOW_MS = 1_800_000_000_000
DAY_MS = 24 * 60 * 60 * 1000


def test_the_node_id_is_libsodiums_public_key() -> None:
    assert public_key(SEED) == bytes(SigningKey(SEED).verify_key)


def test_the_root_is_a_function_of_seed_and_name() -> None:
    root = make_root(SEED, "First Bank")
    assert root == make_root(SEED, "First Bank")
    assert root != make_root(SEED, "Second Bank")
    assert len(root) < 600
    certificate = x509.load_der_x509_certificate(root)
    assert certificate.subject.rfc4514_string() == f"CN={public_key(SEED).hex()},O=First Bank"
    assert certificate.not_valid_after_utc.year == 9999
    check_root(root, public_key(SEED))


def test_a_long_or_foreign_name_is_a_label_all_the_same() -> None:
    for name in ("株式会社みずほ銀行", "x" * 300, "a=b,c+d", " "):
        check_root(make_root(SEED, name), public_key(SEED))


def other_root() -> bytes:
    return make_root(b"\x07" * 32, "other")


@pytest.mark.parametrize(
    ("root", "reason"),
    [
        (b"", Reason.MALFORMED),
        (b"\x30" * 5000, Reason.TOO_LARGE),
        (make_root(SEED, "x")[:-1], Reason.MALFORMED),
        (make_root(SEED, "x") + b"\x00", Reason.MALFORMED),
        (make_root(SEED, "x")[:-1] + bytes((make_root(SEED, "x")[-1] ^ 1,)), Reason.BAD_SIGNATURE),
        (issue_leaf(make_identity(SEED, "x"), NOW_MS).certificate, Reason.MALFORMED),
        (other_root(), Reason.CONFLICT),
        (other_root().replace(public_key(b"\x07" * 32), public_key(SEED)), Reason.BAD_SIGNATURE),
    ],
    ids=["empty", "large", "cut", "trailing", "spoilt", "leaf", "other", "grafted"],
)
def test_a_root_that_is_not_the_nodes_own(root: bytes, reason: Reason) -> None:
    with pytest.raises(Invalid) as refused:
        check_root(root, public_key(SEED))
    assert refused.value.reason is reason


def test_a_leaf_has_the_same_key_and_another_subject() -> None:
    identity = make_identity(SEED, "First Bank")
    leaf = issue_leaf(identity, NOW_MS)
    certificate = x509.load_der_x509_certificate(leaf.certificate)
    root = x509.load_der_x509_certificate(identity.root)
    certificate.verify_directly_issued_by(root)
    assert certificate.subject != root.subject
    assert read_leaf(leaf.certificate) == (identity.node_id, NOW_MS + int(LEAF_LIFETIME.total_seconds()) * 1000)
    assert leaf.certificate != issue_leaf(identity, NOW_MS + 1).certificate


def test_a_leaf_is_due_thirty_days_before_its_end() -> None:
    leaf = issue_leaf(make_identity(SEED, "First Bank"), NOW_MS)
    assert not leaf_is_due(leaf, NOW_MS + 60 * DAY_MS - 1)
    assert leaf_is_due(leaf, NOW_MS + 60 * DAY_MS)


def test_the_seed_is_not_shown() -> None:
    identity = make_identity(SEED, "First Bank")
    assert repr(identity) == f"Identity(node_id={identity.node_id!r})"
    assert isinstance(identity, Identity)


def test_the_key_file_is_private_encrypted_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[tuple[int, bytes]] = []
    unlink = os.unlink

    def look_and_unlink(path: str) -> None:
        seen.append((os.stat(path).st_mode & 0o777, Path(path).read_bytes()))
        unlink(path)

    monkeypatch.setattr(os, "unlink", look_and_unlink)
    identity = make_identity(SEED, "First Bank")
    server_context(identity, issue_leaf(identity, NOW_MS))
    ((mode, content),) = seen
    assert mode == 0o600
    assert content.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert content.count(b"PRIVATE KEY") == 2
    assert list(tmp_path.iterdir()) == []
