"""Keys at rest: nobody else reads them, nothing of them shows, and one sentence for every way not to open them."""

import json
import logging
import os
import stat
import traceback
from pathlib import Path
from typing import Any

import pytest

from node import keystore
from node.keystore import Cost, Passphrase, Purpose, find_passphrase, generate, read_key, write_key
from state.errors import Invalid, Reason
from state.keys import KeyPair

CANARY = KeyPair.from_seed(b"canary-canary-canary-canary-1234")
CHEAP = Cost(operations=1, memory_bytes=8192)
WORD = Passphrase(b"correct horse battery staple")


def refusal(path: Path, purpose: Purpose = Purpose.VOTE, passphrase: Passphrase | None = None) -> str:
    with pytest.raises(Invalid) as refused:
        read_key(path, purpose, passphrase)
    assert refused.value.reason is Reason.BAD_KEY_FILE
    return refused.value.detail


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    write_key(tmp_path / "vote.key", CANARY, Purpose.VOTE)
    return tmp_path / "vote.key"


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    write_key(tmp_path / "vote.key", CANARY, Purpose.VOTE, WORD, CHEAP)
    return tmp_path / "vote.key"


def test_plain_round_trip(plain: Path) -> None:
    assert read_key(plain, Purpose.VOTE) == CANARY
    assert stat.S_IMODE(plain.stat().st_mode) == 0o600
    assert os.listdir(plain.parent) == ["vote.key"]


def test_sealed_round_trip(sealed: Path) -> None:
    assert read_key(sealed, Purpose.VOTE, WORD) == CANARY
    assert stat.S_IMODE(sealed.stat().st_mode) == 0o600
    assert CANARY.seed.hex() not in sealed.read_text()
    assert "canary" not in sealed.read_text()


def test_usual_cost_is_not_cheap(tmp_path: Path) -> None:
    write_key(tmp_path / "node.key", CANARY, Purpose.NODE, WORD)
    header = json.loads((tmp_path / "node.key").read_text())
    assert (header["kdf"], header["operations"], header["memory_bytes"]) == ("argon2id", 3, 256 * 1024 * 1024)
    assert read_key(tmp_path / "node.key", Purpose.NODE, WORD) == CANARY


def test_sealing_twice_gives_different_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_key(tmp_path / name, CANARY, Purpose.VOTE, WORD, CHEAP)
    one, other = (json.loads((tmp_path / name).read_text()) for name in ("a", "b"))
    assert not {one[field] for field in ("salt", "nonce", "sealed_seed")} & {
        other[field] for field in ("salt", "nonce", "sealed_seed")
    }


def test_generated_keys_differ() -> None:
    assert len({generate().seed for _ in range(10)}) == 10


def cannot_open(path: Path) -> str:
    return f"{path} can't be opened as a vote key: the passphrase is wrong, or the file is damaged or was changed"


def test_wrong_passphrase(sealed: Path) -> None:
    for wrong in (b"correct horse battery stapl", b"x", b"correct horse battery staple "):
        assert refusal(sealed, passphrase=Passphrase(wrong)) == cannot_open(sealed)


def test_every_tampering_is_the_same_error(sealed: Path) -> None:
    """Each field changed, removed, or one added; each byte of the file flipped: one sentence."""
    good = json.loads(sealed.read_text())
    changed: list[Any] = [{**good, "more": 1}, [], None]
    for field, value in good.items():
        other = value + 1 if isinstance(value, int) else value[:-1] + ("0" if value[-1] != "0" else "1")
        changed += [{**good, field: other}, {**good, field: None}, {name: good[name] for name in good if name != field}]
    changed += [{**good, "operations": 10**9}, {**good, "memory_bytes": 2**40}, {**good, "operations": True}]
    expected = {cannot_open(sealed)}
    for document in changed:
        if isinstance(document, dict) and "sealed_seed" in document and document == good:
            continue
        sealed.write_text(json.dumps(document))
        assert {refusal(sealed, passphrase=WORD)} == expected
    whole = json.dumps(good).encode()
    for position in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[position] ^= 1
        sealed.write_bytes(bytes(spoilt))
        assert {refusal(sealed, passphrase=WORD)} == expected


def test_key_of_another_purpose(plain: Path, tmp_path: Path) -> None:
    assert refusal(plain, Purpose.NODE) == (
        f"{plain} does not hold a node key, or is damaged: restore it from your backup"
    )
    write_key(tmp_path / "account.key", CANARY, Purpose.ACCOUNT, WORD, CHEAP)
    assert refusal(tmp_path / "account.key", Purpose.VOTE, WORD) == cannot_open(tmp_path / "account.key")


def test_relabelled_key_does_not_open(sealed: Path) -> None:
    """The purpose is authenticated: a vote key passed off as the node's fails even under the right passphrase."""
    sealed.write_text(json.dumps(json.loads(sealed.read_text()) | {"purpose": "node"}))
    assert refusal(sealed, Purpose.NODE, WORD) == cannot_open(sealed).replace("vote key:", "node key:")


def test_spoilt_plain_file(plain: Path) -> None:
    whole = plain.read_bytes()
    document = json.loads(whole)
    for spoilt in (
        b"",
        whole[:-10],
        b"\xff" * 100,
        b"[" * 4000,
        json.dumps(document | {"public_key": "0x" + "00" * 32}).encode(),
        json.dumps(document | {"seed": "0x" + "00" * 32}).encode(),
        json.dumps(document | {"format": 2}).encode(),
        json.dumps(document | {"seed": 1}).encode(),
    ):
        plain.write_bytes(spoilt)
        assert refusal(plain) == f"{plain} does not hold a vote key, or is damaged: restore it from your backup"


def test_sealed_file_without_passphrase(sealed: Path) -> None:
    assert refusal(sealed) == (
        f"{sealed} is encrypted: name the file with its passphrase as passphrase_file under [keys] in config.toml"
    )


def test_plain_file_although_a_passphrase_is_configured(plain: Path) -> None:
    assert refusal(plain, passphrase=WORD) == (
        f"{plain} is not encrypted although a passphrase is configured: somebody may have replaced it"
    )


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o666, 0o604, 0o700, 0o400, 0o4600])
def test_other_modes(plain: Path, mode: int) -> None:
    plain.chmod(mode)
    assert refusal(plain) == f"{plain} has mode {mode:04o}, others may read or change it: run chmod 600 {plain}"
    plain.chmod(0o600)
    assert read_key(plain, Purpose.VOTE) == CANARY


def test_symbolic_link(plain: Path) -> None:
    link = plain.with_name("link.key")
    link.symlink_to(plain)
    assert refusal(link) == (f"{link} is a symbolic link, which could lead anywhere: put the file itself there")


def test_other_kinds_of_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert refusal(tmp_path / "pipe") == f"{tmp_path / 'pipe'} is not an ordinary file: put the file itself there"
    assert refusal(tmp_path) == f"{tmp_path} is not an ordinary file: put the file itself there"
    assert refusal(tmp_path / "none") == f"{tmp_path / 'none'} can't be read: No such file or directory"


def test_file_of_another_user(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = plain.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert refusal(plain) == f"{plain} belongs to user {owner}, and this process is user {owner + 1}: chown it"


def test_too_large(plain: Path) -> None:
    plain.write_bytes(bytes(4097))
    assert refusal(plain) == f"{plain} has more than 4096 bytes: this is another kind of file"


def test_never_written_over(plain: Path) -> None:
    before = plain.read_bytes()
    with pytest.raises(Invalid) as refused:
        write_key(plain, generate(), Purpose.VOTE)
    assert str(refused.value) == f"duplicate: {plain} is already there and is never written over"
    assert plain.read_bytes() == before
    assert os.listdir(plain.parent) == ["vote.key"]


def test_dangling_link_is_not_followed_when_writing(tmp_path: Path) -> None:
    (tmp_path / "vote.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Invalid):
        write_key(tmp_path / "vote.key", CANARY, Purpose.VOTE)
    assert not (tmp_path / "elsewhere").exists()


def test_crash_while_writing_leaves_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="No space left"):
        write_key(tmp_path / "vote.key", CANARY, Purpose.VOTE)
    assert os.listdir(tmp_path) == []


def test_mode_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    for umask in (0o000, 0o277):
        before = os.umask(umask)
        try:
            write_key(tmp_path / f"{umask}.key", CANARY, Purpose.VOTE)
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / f"{umask}.key").stat().st_mode) == 0o600


def test_secret_shows_nowhere(sealed: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The seed, the secret half and the passphrase, in repr, logs, and tracebacks of every refusal."""
    pair = read_key(sealed, Purpose.VOTE, WORD)
    texts = [repr(pair), str(pair), f"{pair}", repr([pair]), repr(WORD), str(WORD), repr({"word": WORD})]
    cases: list[tuple[bytes, Passphrase | None]] = [
        (sealed.read_bytes(), Passphrase(b"wrong")),
        (sealed.read_bytes(), None),
        (json.dumps({"format": 1, "purpose": "vote", "public_key": "0x", "seed": CANARY.seed.decode()}).encode(), None),
        (b'{"seed": "' + CANARY.seed, None),
        (b'{"seed": "0x' + CANARY.seed.hex().encode(), WORD),
    ]
    for content, passphrase in cases:
        sealed.write_bytes(content)
        try:
            read_key(sealed, Purpose.VOTE, passphrase)
        except Invalid as error:
            logging.getLogger("test").exception("refused")
            seen: BaseException | None = error
            while seen is not None:
                texts += [*traceback.format_exception(seen), repr(seen), repr(vars(seen))]
                seen = seen.__context__
    texts.append(caplog.text)
    assert len(texts) > 20
    for hidden in ("canary", CANARY.seed.hex(), "correct horse", repr(CANARY.secret)):
        assert not any(hidden in text for text in texts)


def test_passphrase_file(tmp_path: Path) -> None:
    path = tmp_path / "word"
    for content in (b"a word", b"a word\n", b"a word\r\n"):
        keystore.write_new_file(path, content, 0o600)
        found = find_passphrase(path, {})
        assert found is not None
        assert found.derive(bytes(16), CHEAP) == Passphrase(b"a word").derive(bytes(16), CHEAP)
        path.unlink()
    keystore.write_new_file(path, b"a word", 0o644)
    with pytest.raises(Invalid) as refused:
        find_passphrase(path, {})
    assert refused.value.detail == f"{path} has mode 0644, others may read or change it: run chmod 600 {path}"


@pytest.mark.parametrize("content", [b"", b"\n", b"x" * 1025])
def test_passphrase_of_no_use(tmp_path: Path, content: bytes) -> None:
    keystore.write_new_file(tmp_path / "word", content, 0o600)
    with pytest.raises(Invalid) as refused:
        find_passphrase(tmp_path / "word", {})
    assert refused.value.detail == "a passphrase has 1 to 1024 bytes"


def test_systemd_credential(tmp_path: Path) -> None:
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert find_passphrase(None, {}) is None
    assert find_passphrase(None, environment) is None
    keystore.write_new_file(tmp_path / "hansa-passphrase", b"a word\n", 0o440)
    for configured in (None, tmp_path / "hansa-passphrase"):
        found = find_passphrase(configured, environment)
        assert found is not None
        assert found.derive(bytes(16), CHEAP) == Passphrase(b"a word").derive(bytes(16), CHEAP)
