"""Domain tags: the same data under two tags never has one digest."""

from hashlib import sha256

from state import digest

FUNCTIONS = [value for name, value in vars(digest).items() if name.endswith("_digest")]


def test_is_sha_256_over_prefix_and_data() -> None:
    assert digest.transaction_digest(b"data") == sha256(b"hansa/transaction\x00data").digest()
    assert digest.prefix_of("commit") == b"hansa/commit\x00"


def test_tags_are_distinct() -> None:
    assert len(FUNCTIONS) >= 9
    assert len({function(b"data") for function in FUNCTIONS}) == len(FUNCTIONS)


def test_nothing_moves_between_tag_and_data() -> None:
    assert digest.tagged("a")(b"b") != digest.tagged("ab")(b"")
    assert digest.tagged("a")(b"\x00b") != digest.tagged("a")(b"b")
