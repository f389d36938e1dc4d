"""Reading keys at rest: each is one file, opens under the store's key alone, and is destroyed alone."""

import json
import stat
from pathlib import Path

import pytest

from node.home import Home
from node.keystore import Cost, Passphrase
from node.reading_keys import ReadingKeys, create_store, open_store
from state.errors import Invalid, Reason
from state.sealed import public_of

CHEAP = Cost(1, 8192)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.keys.mkdir(mode=0o700)
    return home


def refusal(call: object, *arguments: object) -> tuple[Reason, str]:
    with pytest.raises(Invalid) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value.reason, caught.value.detail


def files(keys: ReadingKeys) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(keys.folder.iterdir())}


def test_keys_are_found_again(home: Home) -> None:
    keys = create_store(home, None)
    publics = keys.generate(3)
    assert len(set(publics)) == 3
    assert keys.publics() == sorted(publics)
    again = open_store(home, None)
    for public in publics:
        assert public_of(again.private(public)) == public
        path = keys.folder / f"{public.hex()}.key"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert again.private(public).hex() not in path.read_text()
    assert stat.S_IMODE(keys.folder.stat().st_mode) == 0o700
    assert repr(keys) == f"ReadingKeys(folder={keys.folder!r})"


def test_under_a_passphrase(home: Home) -> None:
    (public,) = create_store(home, Passphrase(b"correct horse"), CHEAP).generate(1)
    assert public_of(open_store(home, Passphrase(b"correct horse")).private(public)) == public
    assert refusal(open_store, home, Passphrase(b"wrong"))[0] is Reason.BAD_KEY_FILE
    assert refusal(open_store, home, None)[0] is Reason.BAD_KEY_FILE


def test_one_store_a_home(home: Home) -> None:
    assert refusal(open_store, home, None) == (
        Reason.UNKNOWN,
        f"{home.path} has no reading keys: hansa identity publish-keys --home {home.path}",
    )
    create_store(home, None)
    assert refusal(create_store, home, None)[0] is Reason.DUPLICATE


def test_exactly_one_is_destroyed(home: Home) -> None:
    keys = create_store(home, None)
    first, second, third = keys.generate(3)
    before = files(keys)
    assert keys.destroy(second)
    after = files(keys)
    name = f"{second.hex()}.key"
    assert after == {key: value for key, value in before.items() if key != name} | {f"{second.hex()}.destroyed": b""}
    assert refusal(keys.private, second) == (
        Reason.UNKNOWN,
        f"{keys.folder / name} is not there: the key was destroyed, or is in another home",
    )
    assert [public_of(keys.private(public)) for public in (first, third)] == [first, third]
    assert not keys.has(second)
    assert keys.destroy(second), "again: it was here, and is gone"
    assert not keys.destroy(bytes(32)), "what was never here can't be attested"


def test_the_file_is_overwritten_before_it_goes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second name for the file shows what is left of it."""
    keys = create_store(home, None)
    (public,) = keys.generate(1)
    path, other = keys.folder / f"{public.hex()}.key", keys.folder / "kept"
    other.hardlink_to(path)
    content = other.read_bytes()
    assert keys.destroy(public)
    left = other.read_bytes()
    assert len(left) == len(content)
    assert left != content
    assert json.loads(content)["sealed_key"][2:].encode() not in left


@pytest.mark.parametrize("field", ["format", "cipher", "nonce", "sealed_key"])
def test_a_file_that_was_changed(home: Home, field: str) -> None:
    keys = create_store(home, None)
    (public,) = keys.generate(1)
    path = keys.folder / f"{public.hex()}.key"
    document = json.loads(path.read_text())
    for value in (None, 7, "0x00", "", "0x" + "00" * 48, []):
        path.write_text(json.dumps(document | {field: value}))
        assert refusal(keys.private, public) == (
            Reason.BAD_KEY_FILE,
            f"{path} does not open under this store's key, or is damaged: restore it from a backup",
        )


def test_a_file_of_another_key_or_store_or_mode(home: Home, tmp_path: Path) -> None:
    keys = create_store(home, None)
    first, second = keys.generate(2)
    (keys.folder / f"{second.hex()}.key").replace(keys.folder / f"{first.hex()}.key")
    assert refusal(keys.private, first)[0] is Reason.BAD_KEY_FILE
    other_home = Home(tmp_path / "other")
    other = create_store(other_home, None)
    (theirs,) = other.generate(1)
    (other.folder / f"{theirs.hex()}.key").replace(keys.folder / f"{theirs.hex()}.key")
    assert refusal(keys.private, theirs)[0] is Reason.BAD_KEY_FILE
    (third,) = keys.generate(1)
    (keys.folder / f"{third.hex()}.key").chmod(0o644)
    assert "others may read or change it" in refusal(keys.private, third)[1]
